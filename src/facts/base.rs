//! Base tables: what ingest fills. Specification: grants model, section 1.
//!
//! Conventions. Identifier columns that end in `_id` hold canonical ids after identity resolution
//! ([`crate::facts::store::Facts`]); the columns without `_id` (`beneficiary`, `approver`, ...) hold
//! the text of the source. Times are naive UTC microseconds; ends are pairs (`_lo`, `_hi`): earliest
//! instant the thing may have ended, earliest instant it had surely ended. Null is unknown.
//! `source_id` points to `sources`, `source_ref` is `L<line>` for line formats (1-based, header
//! included), `R<row>` for row formats without lines (1-based) or a JSON pointer.

use super::cell::Text;
use super::schema::table;
use super::time::Time;
use super::vocab::*;

table! {
    base "sources"
    /// One ingested file: what it is, what it covers, what was accepted and what was not. Without it, "absent" means nothing.
    pub struct Source {
        /// Id of the source inside this run (`S0001`, in the order of sorted paths).
        pub source_id: Text,
        /// Path as given, relative to the input it was found under, with `/` separators.
        pub file: Text,
        /// Adapter that read it (`aws-authorization-details`, `ledger-generic`, ...).
        pub format: Text,
        /// Evidence layer the file feeds.
        pub layer: Layer,
        /// Account, tenant, cluster or organisation covered; null when the format does not say.
        pub realm: Option<Text>,
        /// SHA-256 of the file as stored on disk (compressed form included), lower-case hex.
        pub sha256: Text,
        /// Size on disk, bytes.
        pub bytes: i64,
        /// Records the adapter saw.
        pub records: i64,
        /// Records accepted into facts.
        pub accepted: i64,
        /// Records put into quarantine.
        pub quarantined: i64,
        /// First record time; null when the format carries none.
        pub first_time: Option<Time>,
        /// Last record time; null when the format carries none.
        pub last_time: Option<Time>,
        /// Start of the window the source covers, from the file or the settings; null when unknown.
        pub window_start: Option<Time>,
        /// End of the window the source covers; for a snapshot the instant of collection.
        pub window_end: Option<Time>,
        /// Instant of export or snapshot; null when unknown.
        pub collected_at: Option<Time>,
        /// Whether the export is whole.
        pub completeness: Completeness,
        /// What limits it (a query, a missing page, a version), or null.
        pub limitation: Option<Text>,
        /// Records with an id seen before and different content.
        pub conflicting_duplicates: i64,
        /// Times without zone that were read as UTC.
        pub ambiguous_times: i64,
    }

    base "quarantine"
    /// One record that could not be read; it is counted, shown, and never silently lost.
    pub struct Quarantined {
        /// Source the record is in.
        pub source_id: Text,
        /// Place in the source: `L<line>`, `R<row>` or a JSON pointer.
        pub source_ref: Text,
        /// Why it could not be read; never contains the record's values beyond the offending one.
        pub reason: Text,
    }

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
        /// Type of the alias (`arn`, `unique_id`, `email`, `name`, `access_key`, `declared`, ...).
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
        /// End of validity by condition or schedule; null when the binding has none.
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
        /// Last change of the document.
        pub updated_at: Option<Time>,
        /// What is wrong with the document, or null.
        pub malformed: Option<Text>,
        /// Source.
        pub source_id: Text,
        /// Place in the source.
        pub source_ref: Text,
    }

    base "grants"
    /// Ledger: one grant of access as a broker or ticket system recorded it.
    pub struct Grant {
        /// The ledger's own id.
        pub grant_id: Text,
        /// Broker or ledger system.
        pub system: Text,
        /// Platform the access is on (`aws`, `k8s`, ...); null when the ledger does not say.
        pub platform: Option<Text>,
        /// Beneficiary as written.
        pub beneficiary: Text,
        /// Kind of the beneficiary as the ledger states it.
        pub beneficiary_kind: Option<PrincipalKind>,
        /// Beneficiary, resolved.
        pub beneficiary_id: Option<Text>,
        /// Requester as written; null when not recorded.
        pub requester: Option<Text>,
        /// Requester, resolved.
        pub requester_id: Option<Text>,
        /// Person an agent acts for, as written.
        pub on_behalf_of: Option<Text>,
        /// Person an agent acts for, resolved.
        pub on_behalf_of_id: Option<Text>,
        /// Role, policy or permission set as requested.
        pub privilege: Text,
        /// Scope as requested; null when the ledger has none.
        pub scope: Option<Text>,
        /// What the broker hands out.
        pub broker_kind: BrokerKind,
        /// Time of the request.
        pub requested_at: Option<Time>,
        /// Lapse of the request (not of the access).
        pub request_expires_at: Option<Time>,
        /// Time of the decision.
        pub decided_at: Option<Time>,
        /// Decision.
        pub decision: Decision,
        /// Start of the authorised window.
        pub not_before: Option<Time>,
        /// End of the authorised window; null = open-ended, a standing grant in the ledger.
        pub not_after: Option<Time>,
        /// Requested duration, seconds.
        pub duration_requested_s: Option<i64>,
        /// Access really given, earliest.
        pub activated_at_lo: Option<Time>,
        /// Access really given, latest.
        pub activated_at_hi: Option<Time>,
        /// Revocation asked for.
        pub revoke_requested_at: Option<Time>,
        /// Access removed, earliest; null while open or unknown (see `end_kind`).
        pub ended_at_lo: Option<Time>,
        /// Access removed, latest.
        pub ended_at_hi: Option<Time>,
        /// How it ended.
        pub end_kind: EndKind,
        /// Latest expiry of credentials issued under the grant.
        pub residual_until: Option<Time>,
        /// Reason given.
        pub justification: Option<Text>,
        /// Ticket system of the structured ticket field.
        pub ticket_system: Option<Text>,
        /// Ticket id of the structured ticket field.
        pub ticket_id: Option<Text>,
        /// Task reference as recorded.
        pub task_ref: Option<Text>,
        /// Approval reference as recorded.
        pub approval_ref: Option<Text>,
        /// Emergency access, as the ledger states it.
        pub break_glass: Option<bool>,
        /// Changed outside the broker (the ledger is no longer certain).
        pub externally_modified: bool,
        /// Extensions recorded under this id.
        pub n_extensions: i64,
        /// Renewals recorded under this id.
        pub n_renewals: i64,
        /// Actions or roles the approval named; null when the ledger has no such field.
        pub approved_privilege: Option<Text>,
        /// Maximum credential lifetime the broker configures for this grant, seconds; null when unknown.
        pub session_duration_s: Option<i64>,
        /// Source.
        pub source_id: Text,
        /// Place in the source.
        pub source_ref: Text,
    }

    base "grant_events"
    /// One event in the life of a grant.
    pub struct GrantEvent {
        /// Grant; null when the event could not be linked.
        pub grant_id: Option<Text>,
        /// Canonical kind.
        pub kind: EventKind,
        /// When it happened.
        pub occurred_at: Time,
        /// When the log wrote it.
        pub recorded_at: Option<Time>,
        /// Actor as written; null for scheduled events.
        pub actor: Option<Text>,
        /// Outcome.
        pub outcome: Outcome,
        /// New end of the grant, for `extended` events.
        pub new_end: Option<Time>,
        /// Reason or detail.
        pub reason: Option<Text>,
        /// Source.
        pub source_id: Text,
        /// Place in the source.
        pub source_ref: Text,
    }

    base "approvals"
    /// One decision on a request.
    pub struct Approval {
        /// Approval id as recorded; empty when the source has none.
        pub approval_id: Text,
        /// Grant as recorded; null when the approval names none.
        pub grant_id: Option<Text>,
        /// Approver as written; null when not recorded.
        pub approver: Option<Text>,
        /// Approver, resolved.
        pub approver_id: Option<Text>,
        /// Verdict.
        pub verdict: Verdict,
        /// Time of the decision.
        pub at: Option<Time>,
        /// Approvals required by the request; null when not recorded.
        pub required: Option<i64>,
        /// How the decision was made.
        pub method: ApprovalMethod,
        /// Privilege the approval names; null when it names none.
        pub privilege: Option<Text>,
        /// Scope the approval names; null when it names none.
        pub scope: Option<Text>,
        /// Source.
        pub source_id: Text,
        /// Place in the source.
        pub source_ref: Text,
    }

    base "tasks"
    /// A unit of work: CI run, ticket, change, agent run.
    pub struct Task {
        /// Task id as other records refer to it.
        pub task_id: Text,
        /// Parent task (a job's run).
        pub parent_id: Option<Text>,
        /// System the task lives in.
        pub system: Text,
        /// Kind.
        pub kind: TaskKind,
        /// Time it was queued; waiting is not running.
        pub queued_at: Option<Time>,
        /// Start, earliest.
        pub started_at_lo: Option<Time>,
        /// Start, latest.
        pub started_at_hi: Option<Time>,
        /// End, earliest; null while running or unknown (see `state`).
        pub ended_at_lo: Option<Time>,
        /// End, latest.
        pub ended_at_hi: Option<Time>,
        /// State.
        pub state: TaskState,
        /// Identity the task runs as, as written.
        pub principal: Option<Text>,
        /// Identity the task runs as, resolved.
        pub principal_id: Option<Text>,
        /// Who or what triggered it, as written.
        pub triggered_by: Option<Text>,
        /// Privileges the task declares it needs; null when it declares none.
        pub declared_needs: Option<Vec<Text>>,
        /// Target environment.
        pub target: Option<Text>,
        /// Other ids that refer to the same task.
        pub other_ids: Vec<Text>,
        /// Title or name.
        pub title: Option<Text>,
        /// Source.
        pub source_id: Text,
        /// Place in the source.
        pub source_ref: Text,
    }

    base "task_links"
    /// Link of a grant to a task, with how it was found.
    pub struct TaskLink {
        /// Grant.
        pub grant_id: Text,
        /// Ledger system of the grant (grant ids are unique per system only).
        pub system: Text,
        /// Task.
        pub task_id: Text,
        /// How it was found.
        pub link_kind: LinkKind,
        /// How sure it is.
        pub confidence: Confidence,
        /// The text that links.
        pub evidence: Text,
    }

    base "usage"
    /// Use of a privilege: one event, or an aggregate with a count. `count` 0 says that the source looked and saw no use.
    pub struct Usage {
        /// Principal as written.
        pub principal: Text,
        /// Principal, resolved.
        pub principal_id: Option<Text>,
        /// Person behind it, as written.
        pub on_behalf_of: Option<Text>,
        /// Credential used (truncated id).
        pub credential_id: Option<Text>,
        /// Grant the log names.
        pub grant_id: Option<Text>,
        /// Task the log names.
        pub task_id: Option<Text>,
        /// Platform.
        pub platform: Option<Text>,
        /// Role or privilege the log names.
        pub privilege: Option<Text>,
        /// Scope the log names.
        pub scope: Option<Text>,
        /// Action (`s3:GetObject`); `s3:*` at service granularity; null at identity granularity.
        pub action: Option<Text>,
        /// Resource.
        pub resource: Option<Text>,
        /// First use; null when never.
        pub first_at: Option<Time>,
        /// Last use; null when never.
        pub last_at: Option<Time>,
        /// Number of uses; null when the source gives only times; 0 = looked and none seen.
        pub count: Option<i64>,
        /// Uses that failed.
        pub errors: Option<i64>,
        /// Outcome; denied use never counts as use.
        pub outcome: Outcome,
        /// Granularity.
        pub grain: UsageGrain,
        /// Source address.
        pub source_ip: Option<Text>,
        /// User agent.
        pub user_agent: Option<Text>,
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

    base "delegations"
    /// One hop of acting on behalf of another identity.
    pub struct Delegation {
        /// Identity that delegates, as written.
        pub parent: Text,
        /// Identity that acts, as written.
        pub child: Text,
        /// Grant the hop runs under.
        pub grant_id: Option<Text>,
        /// Start.
        pub from: Option<Time>,
        /// End.
        pub until: Option<Time>,
        /// How the hop is evidenced (`source_identity`, `ledger`, ...).
        pub evidence: Text,
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

    base "resources"
    /// A resource with its environment and sensitivity.
    pub struct Resource {
        /// Resource or scope id.
        pub resource_id: Text,
        /// Environment.
        pub environment: Option<Text>,
        /// Sensitivity label.
        pub sensitivity: Option<Text>,
        /// Source.
        pub source_id: Text,
        /// Place in the source.
        pub source_ref: Text,
    }

    base "owners"
    /// Who answers for an identity.
    pub struct Owner {
        /// Identity as written.
        pub principal: Text,
        /// Identity, resolved.
        pub principal_id: Option<Text>,
        /// Owner (person or team) as written; null = the record says there is none.
        pub owner: Option<Text>,
        /// Team.
        pub team: Option<Text>,
        /// Whether the owner is active; null when not recorded.
        pub active: Option<bool>,
        /// Start of ownership.
        pub valid_from: Option<Time>,
        /// End of ownership.
        pub valid_to: Option<Time>,
        /// Where it comes from.
        pub owner_source: OwnerSource,
        /// Source.
        pub source_id: Text,
        /// Place in the source.
        pub source_ref: Text,
    }

    base "reviews"
    /// A recorded access review decision.
    pub struct Review {
        /// Identity as written.
        pub principal: Text,
        /// Privilege reviewed.
        pub privilege: Text,
        /// Scope reviewed.
        pub scope: Option<Text>,
        /// Decision (`keep`, `narrow`, `move_to_jit`, `remove`).
        pub decision: Text,
        /// Reviewer.
        pub reviewer: Option<Text>,
        /// Time.
        pub at: Option<Time>,
        /// Source.
        pub source_id: Text,
        /// Place in the source.
        pub source_ref: Text,
    }
}
