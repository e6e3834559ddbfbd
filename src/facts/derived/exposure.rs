//! What permissions lay open, per principal and per policy, and how much of them is used.

use crate::facts::cell::Text;
use crate::facts::schema::table;
use crate::facts::time::Time;
use crate::facts::vocab::*;

table! {
    derived "exposures"
    /// One row per principal and exposure class of its effective permissions, after union, Deny and boundary.
    pub struct ExposureFact {
        /// Principal.
        pub principal_id: Text,
        /// Kind of the principal.
        pub principal_kind: PrincipalKind,
        /// Platform.
        pub platform: Text,
        /// Account, tenant or cluster.
        pub realm: Option<Text>,
        /// Environment; null when not declared.
        pub environment: Option<Text>,
        /// Class: `infrastructure_modification`, `resource_exposure`, `data_exfiltration`, `credentials_exposure`, `service_wildcard`.
        pub exposure: Text,
        /// Holds for certain (`yes`), or only if undecided conditions are met (`conditional`).
        pub verdict: Tri,
        /// `all`: on whole resource types; `all_except`: on whole types but for what a Deny names. For `service_wildcard`, whether all actions of the services hold on whole types.
        pub scope: Text,
        /// Number of actions laid open: certain ones, or possible ones when none is certain.
        pub n_actions: i64,
        /// Those actions, at most twelve, in catalogue order.
        pub actions: Vec<Text>,
        /// Services they belong to, at most forty, sorted.
        pub services: Vec<Text>,
        /// Number of services.
        pub n_services: i64,
        /// Contributing statements (`policy: statement 0 (Sid)`), at most twenty.
        pub statements: Vec<Text>,
        /// The principal is provider-owned.
        pub provider_owned: bool,
        /// Emergency identity.
        pub break_glass: bool,
        /// Owner.
        pub owner: Option<Text>,
        /// Evidence records.
        pub refs: Vec<Text>,
    }

    derived "policy_facts"
    /// One row per policy document, on its own: what it lays open by our judgement, and what cloudsplaining 0.9.1 lists for it (`compat_*`), for comparison. Lists have one entry per service: `s3:*` for all actions of the service that the list may name (in `compat_*` lists: for all actions of the service), else `s3:GetObject,PutObject`.
    pub struct PolicyFact {
        /// Policy: key into `roles`.
        pub role_id: Text,
        /// Name.
        pub name: Text,
        /// Platform.
        pub platform: Text,
        /// Account, tenant or cluster.
        pub realm: Option<Text>,
        /// Kind of policy.
        pub kind: RoleKind,
        /// Maintained by the provider.
        pub provider_managed: bool,
        /// What is wrong with the document; its lists are then empty.
        pub malformed: Option<Text>,
        /// Principals that hold it, directly or through a group.
        pub n_holders: i64,
        /// Tier of the document on its own; null when malformed.
        pub tier: Option<Tier>,
        /// Changes on whole resource types, unconditional.
        pub infrastructure_modification: Vec<Text>,
        /// Permissions management and sharing on whole types, unconditional.
        pub resource_exposure: Vec<Text>,
        /// Reading of data on whole types, unconditional.
        pub data_exfiltration: Vec<Text>,
        /// Actions that return credentials, on whole types, unconditional.
        pub credentials_exposure: Vec<Text>,
        /// Services all of whose actions are allowed.
        pub service_wildcard: Vec<Text>,
        /// Statements whose time bound has passed: they give nothing and should be removed.
        pub expired_statements: Vec<Text>,
        /// cloudsplaining `InfrastructureModification`.
        pub compat_infrastructure_modification: Vec<Text>,
        /// cloudsplaining `ResourceExposure`.
        pub compat_resource_exposure: Vec<Text>,
        /// cloudsplaining `DataExfiltration`, each action as it spells it.
        pub compat_data_exfiltration: Vec<Text>,
        /// cloudsplaining `CredentialsExposure`, each action as it spells it.
        pub compat_credentials_exposure: Vec<Text>,
        /// cloudsplaining `ServiceWildcard`.
        pub compat_service_wildcard: Vec<Text>,
        /// Evidence records.
        pub refs: Vec<Text>,
    }

    derived "use_profiles"
    /// One row per principal that holds something in IAM: how much of what it is granted it uses, in the window that usage evidence covers.
    pub struct UseProfile {
        /// Principal.
        pub principal_id: Text,
        /// Kind of the principal.
        pub principal_kind: PrincipalKind,
        /// Platform.
        pub platform: Text,
        /// Account, tenant or cluster.
        pub realm: Option<Text>,
        /// Environment; null when not declared.
        pub environment: Option<Text>,
        /// Strongest tier held without an end; null when nothing stands or content is unknown.
        pub tier: Option<Tier>,
        /// Something of tier T0 or T1 stands, without an end. Null: content unknown.
        pub privileged: Option<bool>,
        /// The principal is provider-owned.
        pub provider_owned: bool,
        /// Emergency identity.
        pub break_glass: bool,
        /// Age at the as-of time, days.
        pub age_days: Option<i64>,
        /// Unit of the counts: `action` (a log of events covers the principal) or `service` (last use by service). Null: neither.
        pub granularity: Option<Text>,
        /// Sources of the use.
        pub sources: Vec<Text>,
        /// Start of the window that the sources cover.
        pub window_start: Option<Time>,
        /// End of the window.
        pub window_end: Option<Time>,
        /// Length of the window up to the as-of time, days.
        pub window_days: Option<i64>,
        /// Actions or services granted for certain, in that unit. Null: content unknown or no evidence.
        pub n_granted: Option<i64>,
        /// Those whose use the evidence would show: no data events unless the log has some of that service, nothing that is never logged.
        pub n_observable: Option<i64>,
        /// Observable ones that were used.
        pub n_used: Option<i64>,
        /// 1 - n_used / n_observable; null when nothing is observable.
        pub unused_share: Option<f64>,
        /// Services of which some action is granted, that the evidence covers, and that were not used: at most sixty.
        pub unused_services: Vec<Text>,
        /// Granted actions that were not used though others of their service were, where a report of last access tracks actions: at most sixty.
        pub unused_actions: Vec<Text>,
        /// Actions used and granted, at most sixty, sorted (services as `s3:*` at that granularity, unless a report of last access tracks their actions).
        pub used: Vec<Text>,
        /// Actions used that are not among those granted (by earlier grants or other roles), at most twenty.
        pub used_not_granted: Vec<Text>,
        /// Services whose granted actions the evidence does not show (`not_observable`): never counted as unused.
        pub not_observable: Vec<Text>,
        /// Granted actions that are exempt because no log can show their use (`iam:PassRole`).
        pub exempt: Vec<Text>,
        /// Granted actions that could be limited to resources and hold on whole resource types. Null: content unknown.
        pub n_account_wide: Option<i64>,
        /// Resources used by granted actions, at most twelve, sorted.
        pub used_resources: Vec<Text>,
        /// Number of them; null when some use names no resource, or there is no log of events.
        pub n_used_resources: Option<i64>,
        /// Environments of those resources, sorted.
        pub used_environments: Vec<Text>,
        /// Number of environments used; null when fewer than two are declared, or some use cannot be placed.
        pub n_used_environments: Option<i64>,
        /// Target environments of the principal's tasks, sorted.
        pub task_environments: Vec<Text>,
        /// Number of them; null when there is none, or some task cannot be placed.
        pub n_task_environments: Option<i64>,
        /// Declared environments with a place in the account of the principal, sorted.
        pub reach_environments: Vec<Text>,
        /// Number of them; null when fewer than two environments are declared.
        pub n_reach_environments: Option<i64>,
        /// A narrower policy with the actions and resources that were used, as JSON; null when use is not known by action or is too varied. From a report of last access: without the services and tracked actions that were not used.
        pub proposal: Option<Text>,
        /// Days with any use, at least; null unless the unit is actions.
        pub days_used: Option<i64>,
        /// Days with use of an action of tier T0 or T1, at least (aggregated records may hide more).
        pub days_privileged: Option<i64>,
        /// The same, at most.
        pub days_privileged_hi: Option<i64>,
        /// Longest run of days without use of an action of tier T0 or T1; null when aggregated records hide the days.
        pub longest_idle_days: Option<i64>,
        /// Grants of `limits.jit_grant_s` that the privileged use would have needed, at most.
        pub grants_needed: Option<i64>,
        /// Findings of the provider's own analyser that say the same (kind and id).
        pub corroborated_by: Vec<Text>,
        /// Why the counts are null.
        pub use_unknown: Option<Text>,
        /// Owner.
        pub owner: Option<Text>,
        /// Evidence records.
        pub refs: Vec<Text>,
    }
}
