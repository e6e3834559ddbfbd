//! What IAM shows: identities, bindings, roles, trust, credentials.

use crate::facts::cell::Text;
use crate::facts::schema::table;
use crate::facts::time::Time;
use crate::facts::vocab::*;

table! {
    base "principals"
    /// One identity: human, role, workload, agent, group.
    pub struct Principal {
        /// Canonical id: the platform's own full identifier (an ARN, an e-mail address, `ServiceAccount:ns/name`).
        pub principal_id: Text,
        /// Kind.
        pub kind: PrincipalKind,
        /// Platform (`aws`, `github`, ...); null for people known by e-mail only.
        pub platform: Option<Text>,
        /// Account, tenant, cluster or directory.
        pub realm: Option<Text>,
        /// Display name.
        pub name: Option<Text>,
        /// E-mail, lower case.
        pub email: Option<Text>,
        /// Non-human identity; null when the kind is unknown.
        pub is_nhi: Option<bool>,
        /// Creation time.
        pub created_at: Option<Time>,
        /// Time it was disabled; null while enabled or unknown.
        pub disabled_at: Option<Time>,
        /// Whether it is disabled now; null when unknown.
        pub disabled: Option<bool>,
        /// Time it was deleted.
        pub deleted_at: Option<Time>,
        /// Emergency (break-glass) identity, by tag or settings.
        pub break_glass: bool,
        /// Environment (`prod`, ...) by tag or settings; null when not declared.
        pub environment: Option<Text>,
        /// Tags as `key=value`, sorted.
        pub tags: Vec<Text>,
        /// True when the row comes from an inventory (an IAM export), false when only a log names the principal.
        pub inventoried: bool,
        /// Source.
        pub source_id: Text,
        /// Place in the source.
        pub source_ref: Text,
    }

    base "aliases"
    /// Another name of a principal.
    pub struct Alias {
        /// Canonical principal.
        pub principal_id: Text,
        /// Type of the alias (`arn`, `unique_id`, `email`, `name`, `access_key`, `declared`, `sign_in` in AWS IAM Identity Center, ...).
        pub alias_type: Text,
        /// The alias itself; e-mail addresses lower case.
        pub alias: Text,
        /// Realm the alias is unique in; null when it is unique everywhere.
        pub issuer: Option<Text>,
        /// Start of validity.
        pub valid_from: Option<Time>,
        /// End of validity.
        pub valid_to: Option<Time>,
        /// How sure the alias is; weak aliases never merge principals.
        pub confidence: Confidence,
        /// Id of the resolution rule (grants model, section 3).
        pub rule: Text,
        /// Source.
        pub source_id: Text,
        /// Place in the source.
        pub source_ref: Text,
    }

    base "memberships"
    /// Membership of a principal in a group.
    pub struct Membership {
        /// Member, canonical.
        pub principal_id: Text,
        /// Group, canonical.
        pub group_id: Text,
        /// Start of the membership by schedule; null when it has none.
        pub not_before: Option<Time>,
        /// End of the membership by schedule; null when it has none.
        pub not_after: Option<Time>,
        /// `active`, or `eligible` for a membership that must be activated first.
        pub binding_kind: BindingKind,
        /// Source.
        pub source_id: Text,
        /// Place in the source.
        pub source_ref: Text,
    }

    base "entitlements"
    /// What IAM says is bound now: one row per binding of a role or policy to a principal at a scope.
    pub struct Entitlement {
        /// Id: platform, principal, role and scope joined with `|`.
        pub entitlement_id: Text,
        /// Principal that is bound (may be a group), canonical.
        pub principal_id: Text,
        /// Way the binding reaches the principal (`group:admins`, `inline`, `attached`).
        pub via: Vec<Text>,
        /// Role or policy: key into `roles`.
        pub role_id: Text,
        /// Human-readable name of the privilege (policy name, role name).
        pub privilege: Text,
        /// Canonical scope (`aws:123456789012`).
        pub scope: Text,
        /// Breadth of the scope: 0 resource, 1 namespace or group, 2 account or project, 3 folder or unit, 4 organisation; null when unknown.
        pub scope_rank: Option<i64>,
        /// Platform (`aws`, ...).
        pub platform: Text,
        /// Kind of binding.
        pub binding_kind: BindingKind,
        /// Start of validity by condition or schedule.
        pub not_before: Option<Time>,
        /// End of validity by condition or schedule, of several statements the last (`holdings` tells them apart); null when the binding has none.
        pub not_after: Option<Time>,
        /// Rest of the condition, as text; null when unconditional.
        pub condition: Option<Text>,
        /// Creation of the binding, earliest; null where the platform does not tell (AWS attachments).
        pub bound_at_lo: Option<Time>,
        /// Creation of the binding, latest; for a platform that does not tell, the first snapshot.
        pub bound_at_hi: Option<Time>,
        /// Removal of the binding, earliest; null while present.
        pub unbound_at_lo: Option<Time>,
        /// Removal of the binding, latest; null while present.
        pub unbound_at_hi: Option<Time>,
        /// First snapshot that shows it.
        pub first_seen: Option<Time>,
        /// Last snapshot that shows it.
        pub last_seen: Option<Time>,
        /// The provider's own last-used time; null when never or not tracked.
        pub last_used_at: Option<Time>,
        /// Sign of what created it (`Created by: PAM`, a reserved path, a broker tag).
        pub origin_hint: Option<Text>,
        /// The source itself calls the binding temporary.
        pub says_temporary: Option<bool>,
        /// End that a person wrote into a name or description (`until 2025-06-08`; a date stands for its first instant, UTC). A claim: the platform does not enforce it, so it never ends the binding. Null: none is written.
        pub claimed_end: Option<Time>,
        /// Where it is written, with the words (`description says until 2025-06-08`).
        pub claimed_by: Option<Text>,
        /// Source.
        pub source_id: Text,
        /// Place in the source.
        pub source_ref: Text,
    }

    base "roles"
    /// Content of a role or policy.
    pub struct Role {
        /// Id: policy ARN, `inline:<principal>/<name>`, role id.
        pub role_id: Text,
        /// Platform.
        pub platform: Text,
        /// Account, tenant or cluster it belongs to.
        pub realm: Option<Text>,
        /// Name.
        pub name: Text,
        /// Kind.
        pub kind: RoleKind,
        /// Maintained by the provider.
        pub provider_managed: bool,
        /// Policy document as compact JSON text; null when the export lacks it.
        pub document: Option<Text>,
        /// Version of the document that is in force.
        pub version: Option<Text>,
        /// Versions that are not in force and could be put in force: name, space, document. Policies of the customer only.
        pub other_versions: Vec<Text>,
        /// Last change of the document.
        pub updated_at: Option<Time>,
        /// What is wrong with the document, or null.
        pub malformed: Option<Text>,
        /// Longest session that it lets start, seconds (`MaxSessionDuration` of an AWS role, `SessionDuration` of a permission set); null when not known or not applicable.
        pub max_session_s: Option<i64>,
        /// Source.
        pub source_id: Text,
        /// Place in the source.
        pub source_ref: Text,
    }

    base "links"
    /// One identity may act as another, or controls it, other than by a role: federation between platforms, ownership of an application, membership with the right to admit others.
    pub struct Link {
        /// Platform whose record says so.
        pub platform: Text,
        /// Kind: `irsa`, `pod_identity`, `access_entry` (EKS), `gke_workload_identity`, `azure_workload_identity`, `federated_credential`, `managed_identity`, `approver` (of an activation), `vault_login`, `owner`, `admin_option`, `set_role`, `role_usage`.
        pub kind: Text,
        /// Who acts or controls, canonical; a pattern when `subject` is one.
        pub principal_id: Text,
        /// Whom it acts as or controls, canonical.
        pub target_id: Text,
        /// Issuer of the federated identity; null when not federated.
        pub issuer: Option<Text>,
        /// Subject as written (`system:serviceaccount:ns:name`, `repo:owner/name:ref:refs/heads/main`); may hold wildcards.
        pub subject: Option<Text>,
        /// Audiences.
        pub audiences: Vec<Text>,
        /// Further condition as text; null when unconditional.
        pub condition: Option<Text>,
        /// Start of validity.
        pub not_before: Option<Time>,
        /// End of validity.
        pub not_after: Option<Time>,
        /// Source.
        pub source_id: Text,
        /// Place in the source.
        pub source_ref: Text,
    }

    base "workloads"
    /// Something that runs under an identity: pod, workload template, function, virtual machine.
    pub struct Workload {
        /// Platform.
        pub platform: Text,
        /// Cluster, project or subscription.
        pub realm: Option<Text>,
        /// Identifier (`ns/Pod/name` in Kubernetes).
        pub workload_id: Text,
        /// Kind as the platform words it (`Pod`, `Deployment`).
        pub kind: Text,
        /// Namespace or resource group.
        pub group: Option<Text>,
        /// Identity it runs as, canonical; null when it has none.
        pub principal_id: Option<Text>,
        /// Host it runs on.
        pub node: Option<Text>,
        /// Ways out to the host, sorted: `privileged`, `host_pid`, `host_network`, `host_ipc`, `host_path:/...`.
        pub host_access: Vec<Text>,
        /// A credential of the identity is mounted into it; null when unknown.
        pub mounts_token: Option<bool>,
        /// Labels and annotations that matter for identity, as `key=value`, sorted.
        pub labels: Vec<Text>,
        /// Source.
        pub source_id: Text,
        /// Place in the source.
        pub source_ref: Text,
    }

    base "trusts"
    /// One statement by which a role lets others assume it.
    pub struct Trust {
        /// Role that trusts.
        pub principal_id: Text,
        /// Trusted party as written (`arn:aws:iam::1:root`, `lambda.amazonaws.com`, an identity provider, `*`).
        pub trusted: Text,
        /// Kind: `service`, `account`, `principal`, `any`, `oidc`, `saml`, `canonical_user`, `deleted`.
        pub trusted_kind: Text,
        /// Trusted party is outside the accounts in the inputs; null when undecidable.
        pub external: Option<bool>,
        /// Condition as compact JSON; null when unconditional.
        pub condition: Option<Text>,
        /// Effect is Allow (false: Deny).
        pub allow: bool,
        /// Actions.
        pub actions: Vec<Text>,
        /// Source.
        pub source_id: Text,
        /// Place in the source.
        pub source_ref: Text,
    }

    base "credentials"
    /// Key, token, certificate, lease or session. Never holds the secret; ids are truncated.
    pub struct Credential {
        /// Truncated id, unique enough to find it (`AKIA...3XYZ`), or a name such as `key 1 of alice`.
        pub credential_id: Text,
        /// Kind.
        pub kind: CredentialKind,
        /// Holder as written.
        pub principal: Text,
        /// Holder, resolved.
        pub principal_id: Option<Text>,
        /// Grant it was issued under.
        pub grant_id: Option<Text>,
        /// Usable now; null when unknown.
        pub active: Option<bool>,
        /// Issue or creation.
        pub issued_at: Option<Time>,
        /// Last rotation or change; equals `issued_at` when never rotated.
        pub rotated_at: Option<Time>,
        /// Expiry; null with `no_expiry` true = unlimited.
        pub expires_at: Option<Time>,
        /// True when the platform gives it no expiry.
        pub no_expiry: Option<bool>,
        /// Time to live that it was issued with, seconds, where a renewal moves the expiry; null else.
        pub ttl_s: Option<i64>,
        /// Latest time it can be renewed to.
        pub max_expires_at: Option<Time>,
        /// Revocation.
        pub revoked_at: Option<Time>,
        /// Last use; null when never or not tracked (see `use_tracked`).
        pub last_used_at: Option<Time>,
        /// Whether the source tracks use of this credential.
        pub use_tracked: bool,
        /// Multi-factor authentication is set; null when not applicable.
        pub mfa: Option<bool>,
        /// Source.
        pub source_id: Text,
        /// Place in the source.
        pub source_ref: Text,
    }
}
