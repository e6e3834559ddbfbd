//! How people use the process: who approves and how, emergency access, and people behind machine
//! identities.

use crate::facts::cell::Text;
use crate::facts::schema::table;
use crate::facts::time::Time;
use crate::facts::vocab::*;

table! {
    derived "approver_facts"
    /// One row per person who decided requests: how fast, how many at once, how many refused, and for whom. Decisions by policy and decisions without a named approver are in no row.
    pub struct ApproverFact {
        /// Approver, canonical: the person where several identities are known to be one.
        pub principal_id: Text,
        /// Kind of the approver.
        pub principal_kind: PrincipalKind,
        /// Decided requests, each once, however often the decision is recorded.
        pub n_decisions: i64,
        /// Approved requests.
        pub n_approvals: i64,
        /// Refused requests.
        pub n_denials: i64,
        /// Approvals whose time, and the time of whose request, are recorded.
        pub n_timed: i64,
        /// Of these, approvals within `limits.stamp_fast_s` of the request.
        pub n_fast: i64,
        /// n_fast / n_timed; null when no times are recorded.
        pub fast_share: Option<f64>,
        /// Median time from request to approval, seconds; null when no times are recorded.
        pub median_s: Option<i64>,
        /// Most approvals of different requests within any `limits.stamp_burst_s`; null when no times are recorded.
        pub max_burst: Option<i64>,
        /// Approvals over decisions. Null when no approver in the inputs ever refused: the source may not record refusals.
        pub accepted_share: Option<f64>,
        /// People who approve this approver's requests and whose requests this approver approves.
        pub mutual_with: Vec<Text>,
        /// Approvals exchanged with one of them, the smaller of the two directions; the largest such number.
        pub n_mutual: i64,
        /// Why the columns about time are null.
        pub times_unknown: Option<Text>,
        /// First decision.
        pub first_at: Option<Time>,
        /// Last decision.
        pub last_at: Option<Time>,
        /// Owner.
        pub owner: Option<Text>,
        /// Evidence records, at most twenty-four.
        pub refs: Vec<Text>,
    }

    derived "emergency_facts"
    /// One row per emergency grant that took effect, and one per emergency identity of the inventory.
    pub struct EmergencyFact {
        /// `grant:<system>:<grant>`, or `identity:<principal>`.
        pub item: Text,
        /// `grant` or `identity`.
        pub emergency_kind: Text,
        /// Who got or has the access.
        pub principal_id: Text,
        /// Kind of the principal.
        pub principal_kind: PrincipalKind,
        /// The ledger's own id; null for an identity.
        pub grant_id: Option<Text>,
        /// Privilege granted; null for an identity.
        pub privilege: Option<Text>,
        /// Scope; null when the ledger has none, and for an identity.
        pub scope: Option<Text>,
        /// Platform.
        pub platform: Option<Text>,
        /// Environment; null when not declared.
        pub environment: Option<Text>,
        /// Tier; null when unknown.
        pub tier: Option<Tier>,
        /// Start of access.
        pub started_at: Option<Time>,
        /// End of access by the ledger; null = none recorded.
        pub ended_at: Option<Time>,
        /// Time access was in force, up to the as-of time, seconds.
        pub held_s: Option<i64>,
        /// Reference to an incident, ticket or task, as recorded.
        pub incident_ref: Option<Text>,
        /// A reference is recorded, and it does not resolve to nothing. True for an identity, which has no incident of its own. Null: the ledger never records one.
        pub incident: Option<bool>,
        /// For a grant: emergency grants of the same person that started in the `limits.emergency_window_days` up to it, itself included. For an identity: days with use in that window before the as-of time; null when no source covers it.
        pub n_recent: Option<i64>,
        /// Why `n_recent` is null.
        pub recent_unknown: Option<Text>,
        /// What a closed emergency has and this one lacks although it is due: `end` (in force for longer than `limits.emergency_max_s`), `removal` (the binding is there after the end), `credential` (one issued under it is still valid after the end), `review` (none within `limits.emergency_review_s` of the end). Null for an identity.
        pub closing_missing: Option<Vec<Text>>,
        /// Why it is not known whether the emergency was closed, when nothing is known to be missing.
        pub closing_unknown: Option<Text>,
        /// First review, or approval after the fact, since the start.
        pub reviewed_at: Option<Time>,
        /// Latest expiry or revocation of credentials issued under the grant.
        pub credential_until: Option<Time>,
        /// An emergency identity has no owner, or its owner has left. Null: no input says who owns what, or the row is a grant.
        pub owner_missing: Option<bool>,
        /// Owner.
        pub owner: Option<Text>,
        /// Evidence records.
        pub refs: Vec<Text>,
    }

    derived "machine_uses"
    /// One row per machine identity (service account, workload, agent, bot, app) with recorded use: signs that a person sat behind it.
    pub struct MachineUse {
        /// Machine identity.
        pub principal_id: Text,
        /// Its kind.
        pub principal_kind: PrincipalKind,
        /// Platform.
        pub platform: Option<Text>,
        /// Environment; null when not declared.
        pub environment: Option<Text>,
        /// Usage records.
        pub n_records: i64,
        /// Of these, records that say from where or with which client.
        pub n_described: i64,
        /// Records with a browser, a console or a console sign-in. Null: no record says from where or with which client.
        pub n_interactive: Option<i64>,
        /// Signs seen: `console_sign_in`, `browser`, `console`, `address_of_a_person`; sorted.
        pub signals: Vec<Text>,
        /// Clients of the interactive records, at most four.
        pub user_agents: Vec<Text>,
        /// Addresses that a person used on the same day, at most eight. Addresses that many share are left out.
        pub shared_addresses: Vec<Text>,
        /// Those people.
        pub people: Vec<Text>,
        /// First interactive use.
        pub first_interactive_at: Option<Time>,
        /// Last interactive use.
        pub last_interactive_at: Option<Time>,
        /// Why `n_interactive` is null.
        pub clients_unknown: Option<Text>,
        /// Owner.
        pub owner: Option<Text>,
        /// Evidence records of the interactive uses (of any use when there is none), at most twelve.
        pub refs: Vec<Text>,
    }
}
