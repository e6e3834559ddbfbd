//! Access in IAM: holdings, identities, credentials, trust.

use crate::facts::cell::Text;
use crate::facts::schema::table;
use crate::facts::time::Time;
use crate::facts::vocab::*;

table! {
    derived "holdings"
    /// One row per principal, privilege and scope held in IAM, after union, Deny and boundary.
    pub struct Holding {
        /// Principal that holds it.
        pub principal_id: Text,
        /// Kind of the principal.
        pub principal_kind: PrincipalKind,
        /// Its display name, where its id does not say it (ids of directories); null else.
        pub principal_name: Option<Text>,
        /// Platform.
        pub platform: Text,
        /// Account, tenant or cluster.
        pub realm: Option<Text>,
        /// Environment; null when not declared.
        pub environment: Option<Text>,
        /// Role or policy that gives it; `combined` for what only several together give.
        pub privilege: Text,
        /// Key into `roles`; the parts joined with `+` for `combined`.
        pub role_id: Text,
        /// Scope.
        pub scope: Text,
        /// Way it reaches the principal (`attached`, `inline`, `group:admins`).
        pub via: Vec<Text>,
        /// Classes certainly held (specification: cloud semantics, section 8).
        pub classes: Vec<Text>,
        /// Classes held only if undecided conditions are met.
        pub classes_possible: Vec<Text>,
        /// Tier from classes and breadth; null when the content is unknown.
        pub tier: Option<Tier>,
        /// Tier if undecided conditions are met; null when the content is unknown.
        pub tier_possible: Option<Tier>,
        /// Tier T0 or T1, certainly; null when the content is unknown.
        pub privileged: Option<bool>,
        /// Full or equivalent administrator through this binding.
        pub admin: Tri,
        /// Reads secrets.
        pub reads_secrets: Option<bool>,
        /// Certainly reads data of a resource that the inputs class as sensitive. Null: it reads data and no input says how sensitive any is.
        pub reads_sensitive: Option<bool>,
        /// Those resources, at most twelve.
        pub sensitive_resources: Vec<Text>,
        /// Standing state.
        pub standing: Standing,
        /// Why it has no effect though it is listed, when `standing` is `residue`: `expired`, `deleted_principal`, `missing_principal`, `missing_role`, `disabled_role`, `suspended`.
        pub residue: Option<Text>,
        /// The principal is a service-linked or provider-owned identity that the customer cannot change.
        pub provider_owned: bool,
        /// Emergency identity.
        pub break_glass: bool,
        /// Start of validity.
        pub not_before: Option<Time>,
        /// End of validity.
        pub not_after: Option<Time>,
        /// End that a person wrote into a name or description. A claim that nothing enforces: it is shown and never ends or clears anything. Null: none.
        pub claimed_end: Option<Time>,
        /// Where it is written, with the words (`description says until 2025-06-08`).
        pub claimed_by: Option<Text>,
        /// Days by date from the claimed end to the as-of time; null when it lies ahead, or none is written.
        pub past_claim_days: Option<i64>,
        /// Activating it asks for the approval of somebody else. Null: it is not eligible, or no input holds its rules.
        pub activation_approval: Option<bool>,
        /// Activating it asks for a reason or a ticket. Null as above.
        pub activation_reason: Option<bool>,
        /// Activating it asks for a second factor or a sign-in of a stated strength. Null as above.
        pub activation_mfa: Option<bool>,
        /// Longest activation, seconds. Null as above.
        pub activation_max_s: Option<i64>,
        /// Who approves, by id; empty when nobody is named.
        pub activation_approvers: Vec<Text>,
        /// Statements of the policy that the row is about, when others of the same policy live longer or shorter (their own `aws:CurrentTime` bounds); empty = all of them.
        pub statements: Vec<Text>,
        /// Undecided condition texts.
        pub conditions: Vec<Text>,
        /// The provider defines the role, wildcards included, and nobody here can narrow it. Policies that AWS maintains do not count: they are judged like any other.
        pub by_provider: bool,
        /// Rows in effect by which the principal holds this role, this one included; 0 for rows without effect.
        pub n_bindings: i64,
        /// Another row gives the principal the same role on a wider or equal scope: what is to be said of the role is said there.
        pub repeats: bool,
        /// Wildcard permission patterns (`*`, `iam:*`, open-ended NotAction) in Allow statements that still have effect.
        pub wildcards: Vec<Text>,
        /// Number of actions certainly allowed.
        pub n_actions: Option<i64>,
        /// Sample of the strongest actions, at most twelve, sorted by class.
        pub strongest_actions: Vec<Text>,
        /// A valid ledger grant covers it at the as-of time. Null: no ledger, or only grants whose end is unknown.
        pub covered_by_grant: Option<bool>,
        /// That grant.
        pub grant_id: Option<Text>,
        /// Any ledger record ever names this principal, privilege and scope. Null: see `ledger_unknown`.
        pub known_to_ledger: Option<bool>,
        /// Why that is null: `no_source`, `incomplete_ledger` where a ledger of the platform is truncated, or the binding has the mark of a broker whose ledger has fewer open grants than IAM has bindings with its mark, `out_of_window` where all ledgers of the platform state that they begin after the binding was made.
        pub ledger_unknown: Option<Text>,
        /// The binding shows signs of a broker or of a temporary purpose (name of a broker, end, tag).
        pub looks_temporary: bool,
        /// A task of the principal ran at the as-of time; null without task source.
        pub task_running: Option<bool>,
        /// Present in the accepted baseline. Null: no baseline given.
        pub in_baseline: Option<bool>,
        /// Change against the baseline: `new`, `wider`, `reworded` (other words, nothing more allowed), `unchanged`; null without baseline.
        pub baseline_change: Option<Text>,
        /// A recorded access review decided about it, up to the as-of time. Null: no source of reviews.
        pub reviewed: Option<bool>,
        /// Last review; null without one, or when it carries no time.
        pub reviewed_at: Option<Time>,
        /// Its decision (`keep`, `narrow`, `move_to_jit`, `remove`); of several at one time the strictest.
        pub review_decision: Option<Text>,
        /// Days from the last review to the as-of time.
        pub review_age_days: Option<i64>,
        /// Days from the last review to the snapshot that shows it still bound; null when no snapshot after the review is there.
        pub kept_after_review_days: Option<i64>,
        /// Age of the principal at the as-of time, days.
        pub principal_age_days: Option<i64>,
        /// Last use of the privilege by the principal; null when never or unknown.
        pub last_used_at: Option<Time>,
        /// Used inside the observation window; null when no usage source covers it.
        pub used: Option<bool>,
        /// Days since last use, or since the window began when never used. Outside of AWS days by UTC date, as the reports of the platforms count them.
        pub idle_days: Option<i64>,
        /// Why usage columns are null.
        pub use_unknown: Option<Text>,
        /// Services granted, when usage is known by service.
        pub services_granted: Option<i64>,
        /// Services used.
        pub services_used: Option<i64>,
        /// Digest of normalised permissions, conditions, end and tier; part of the finding's state digest.
        pub state: Text,
        /// Owner.
        pub owner: Option<Text>,
        /// Why content columns are null (`role_unexpanded`, `malformed`, ...).
        pub content_unknown: Option<Text>,
        /// Where the permissions come from: `inputs`, or the embedded catalogue with its date, which stands in for a predefined role that the inputs do not define. Null when the content is unknown.
        pub content_basis: Option<Text>,
        /// Evidence records.
        pub refs: Vec<Text>,
    }

    derived "identity_facts"
    /// One row per principal.
    pub struct IdentityFact {
        /// Principal.
        pub principal_id: Text,
        /// Kind.
        pub principal_kind: PrincipalKind,
        /// Non-human; null when the kind is unknown.
        pub is_nhi: Option<bool>,
        /// Platform.
        pub platform: Option<Text>,
        /// Account, tenant or cluster.
        pub realm: Option<Text>,
        /// Environment.
        pub environment: Option<Text>,
        /// Display name.
        pub name: Option<Text>,
        /// True when an inventory lists it.
        pub inventoried: bool,
        /// Provider-owned (service-linked).
        pub provider_owned: bool,
        /// Emergency identity.
        pub break_glass: bool,
        /// Creation.
        pub created_at: Option<Time>,
        /// Age at the as-of time, days.
        pub age_days: Option<i64>,
        /// Disabled now.
        pub disabled: Option<bool>,
        /// Bindings held.
        pub n_entitlements: i64,
        /// Holdings at tier T0 or T1.
        pub n_privileged: i64,
        /// Strongest tier held; null when nothing is held or content is unknown.
        pub tier: Option<Tier>,
        /// Full or equivalent administrator.
        pub admin: Tri,
        /// Every critical action on whole resource types (specification: AWS semantics, 5.6).
        pub full_admin: Tri,
        /// Can give itself everything, and no ceiling stops that.
        pub admin_equivalent: Tri,
        /// Can give itself permissions, within a ceiling that it cannot take away.
        pub bounded_self_grant: Tri,
        /// Can reach something stronger than it holds.
        pub escalates: Tri,
        /// Can reach full or equivalent administration.
        pub escalates_to_admin: Tri,
        /// Proof of `admin` or `escalates`: statements and actions.
        pub proof: Vec<Text>,
        /// Known paths whose actions are held and which need a service that takes no new customers: for information, part of no verdict.
        pub retired_paths: Vec<Text>,
        /// Steps of the path in `escalations` that weighs most, in order; empty when there is none.
        pub path: Vec<Text>,
        /// Techniques of that path, one per step.
        pub path_techniques: Vec<Text>,
        /// Principal at its end.
        pub path_end: Option<Text>,
        /// Its gain: `self_grant`, `principal`, `potential`; null without a path.
        pub path_gain: Option<Text>,
        /// Tier at its end; T3 when it needs a resource that the inputs do not show; null when there is no path or the tier is unknown.
        pub path_tier: Option<Tier>,
        /// End of validity of the permissions on the way; null when they have none.
        pub path_not_after: Option<Time>,
        /// Undecided conditions on the way.
        pub path_conditions: Vec<Text>,
        /// Can change its own grants, the broker, or the logs and sensors that evidence them.
        pub controls_itself: Tri,
        /// What shows it: actions, broker principals, techniques; certain ones first.
        pub controls_itself_by: Vec<Text>,
        /// All that it can change of these are its own grants, within a boundary or an organisation policy that stays (`bounded_self_grant`).
        pub controls_itself_bounded: bool,
        /// Holds duties that the settings keep apart.
        pub duty_conflict: Tri,
        /// The pairs of duties and what shows each side.
        pub duty_conflicts: Vec<Text>,
        /// Last activity in any usage source, credential or identity record.
        pub last_activity_at: Option<Time>,
        /// Where the last activity was seen.
        pub activity_source: Option<Text>,
        /// Days without activity: since last activity, or since creation when never active. Null: activity not tracked by any input.
        pub idle_days: Option<i64>,
        /// The inputs list who is in the group; null for what is no group. False: what it may is judged on the group itself, since no member is there to be judged.
        pub members_known: Option<bool>,
        /// Never active in any input that tracks it.
        pub never_active: Option<bool>,
        /// Why activity columns are null.
        pub activity_unknown: Option<Text>,
        /// Owner.
        pub owner: Option<Text>,
        /// `present`, `missing`, `inactive`; null when no owner source is given.
        pub owner_state: Option<Text>,
        /// What its permissions certainly lay open, as in `exposures`.
        pub exposures: Vec<Text>,
        /// What they lay open only if undecided conditions are met.
        pub exposures_possible: Vec<Text>,
        /// Environments it belongs to, is bound in, is granted access in, uses or works in, as the settings declare them; sorted.
        pub environments: Vec<Text>,
        /// One of them is production and another is not. Null: fewer than two environments are declared.
        pub spans_environments: Option<bool>,
        /// Active credentials.
        pub n_active_credentials: i64,
        /// Grants in the ledger.
        pub n_grants: i64,
        /// Evidence records.
        pub refs: Vec<Text>,
    }

    derived "credential_facts"
    /// One row per credential.
    pub struct CredentialFact {
        /// Truncated id.
        pub credential_id: Text,
        /// Kind.
        pub credential_kind: CredentialKind,
        /// Holder.
        pub principal_id: Text,
        /// Kind of the holder.
        pub principal_kind: PrincipalKind,
        /// Platform.
        pub platform: Option<Text>,
        /// Environment.
        pub environment: Option<Text>,
        /// Strongest tier of the holder; null when unknown.
        pub tier: Option<Tier>,
        /// Root or super administrator of an account.
        pub root: bool,
        /// Usable now; null when unknown.
        pub active: Option<bool>,
        /// Issue or creation.
        pub issued_at: Option<Time>,
        /// Last rotation.
        pub rotated_at: Option<Time>,
        /// Days since last rotation.
        pub age_days: Option<i64>,
        /// Expiry.
        pub expires_at: Option<Time>,
        /// True when it never expires; null when unknown.
        pub no_expiry: Option<bool>,
        /// Whole life from issue to expiry, days; null when it never expires or is unknown.
        pub lifetime_days: Option<i64>,
        /// Last use.
        pub last_used_at: Option<Time>,
        /// Renewal factor (grants model, section 5, metric 9): time from issue to the last use up to the as-of time, over the time to live it was issued with. Above 1 it was renewed; far above, a short time to live stands. Null: never used, or no time to live is known.
        pub renewal_factor: Option<f64>,
        /// Days since last use, or since rotation when never used; null when not tracked.
        pub idle_days: Option<i64>,
        /// Active credentials of the same kind the holder has.
        pub n_active_same_kind: i64,
        /// Grant it was issued under.
        pub grant_id: Option<Text>,
        /// End of that grant.
        pub grant_ended_at: Option<Time>,
        /// Valid time after the end of the grant, seconds; positive = outlives it. Null = no grant or no end.
        pub outlives_grant_s: Option<i64>,
        /// Still valid at the as-of time; null when unknown.
        pub valid_now: Option<bool>,
        /// Multi-factor authentication is set; null when not applicable.
        pub mfa: Option<bool>,
        /// The holder is an emergency identity.
        pub break_glass: bool,
        /// Format of the source that states the last use; null when none tracks it.
        pub use_source: Option<Text>,
        /// The platform that runs the holder's tasks can federate, so that no stored credential is needed. Null: no task of the holder is known.
        pub can_federate: Option<bool>,
        /// That platform (system of the tasks).
        pub federation: Option<Text>,
        /// Findings of the provider's own analyser that say the credential is unused (kind and id).
        pub corroborated_by: Vec<Text>,
        /// Owner.
        pub owner: Option<Text>,
        /// Evidence records.
        pub refs: Vec<Text>,
    }

    derived "trust_facts"
    /// One row per trust statement of a role and party, and per statement of a resource policy that lets somebody outside of the resource's account, or a service, in.
    pub struct TrustFact {
        /// Role that trusts, or resource that is opened.
        pub principal_id: Text,
        /// Kind of the principal; `unknown` for a resource.
        pub principal_kind: PrincipalKind,
        /// `role`, or the service of the resource (`s3`, `kms`).
        pub resource_kind: Text,
        /// Platform.
        pub platform: Text,
        /// Trusted party.
        pub trusted: Text,
        /// Kind of the trusted party.
        pub trusted_kind: Text,
        /// What the party is to the account that trusts: `service`, `own_account` (its root: every identity that is allowed to), `own_principal`, `known_account` (in the inputs or on the allow list), `unknown_account`, `any_account` (`arn:aws:iam::*:...`), `any` (`*` or everybody but some), `oidc`, `saml`, `deleted` (the id of a deleted identity), `unknown`.
        pub relation: Text,
        /// Well-known identity provider by its host (`github`, `gitlab`, `terraform`, `bitbucket`, `kubernetes`, ...); null for others.
        pub provider: Option<Text>,
        /// Outside the accounts in the inputs and not on the allow list; null when undecidable.
        pub external: Option<bool>,
        /// Open: no condition narrows it; conditional; closed: nobody can meet its condition, a Deny of the same policy or of a resource control policy shuts the party out, or none of its actions gives the role. A Deny that shuts the party out only under conditions that the inputs do not decide makes it conditional.
        pub openness: Text,
        /// Guards that the platform offers and the statement lacks (`external_id`, `aud`, `sub`, `source_account`).
        pub missing_guards: Vec<Text>,
        /// Guards that are there and too loose, one sentence each (`repo:acme/*`: any repository of the organisation).
        pub weak_guards: Vec<Text>,
        /// Actions of the statement; `not:` marks complements.
        pub actions: Vec<Text>,
        /// Condition of the statement as compact JSON; null when it has none.
        pub condition: Option<Text>,
        /// Tier of the role; null for a resource.
        pub tier: Option<Tier>,
        /// Owner.
        pub owner: Option<Text>,
        /// Evidence records.
        pub refs: Vec<Text>,
    }
}
