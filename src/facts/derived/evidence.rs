//! Use set against the ledger, coverage of the inputs, waivers judged.

use crate::facts::cell::Text;
use crate::facts::schema::table;
use crate::facts::time::Time;
use crate::facts::vocab::*;

table! {
    derived "usage_facts"
    /// One row per usage record at event or action granularity, set against the ledger.
    pub struct UsageFact {
        /// Principal.
        pub principal_id: Text,
        /// Kind of the principal.
        pub principal_kind: PrincipalKind,
        /// Platform.
        pub platform: Option<Text>,
        /// Environment of the scope or principal; null when not declared.
        pub environment: Option<Text>,
        /// The environment is declared just-in-time only in the settings.
        pub jit_only: bool,
        /// Privilege the log names, or the action.
        pub privilege: Text,
        /// Scope.
        pub scope: Option<Text>,
        /// Action.
        pub action: Option<Text>,
        /// First use.
        pub first_at: Option<Time>,
        /// Last use.
        pub last_at: Option<Time>,
        /// Uses.
        pub count: Option<i64>,
        /// Outcome.
        pub outcome: Outcome,
        /// Tier of what was used, from action or privilege; null when unknown.
        pub tier: Option<Tier>,
        /// Tier T0 to T2; null when unknown.
        pub privileged: Option<bool>,
        /// Grant the use is linked to, by id or by principal, privilege, scope and time.
        pub grant_id: Option<Text>,
        /// How it was linked (`grant_id`, `key_and_time`); null when not.
        pub link: Option<Text>,
        /// A grant of the principal on that scope was in force for the whole use. Null: no ledger covers the time.
        pub in_grant: Option<bool>,
        /// Why `in_grant` is null.
        pub in_grant_unknown: Option<Text>,
        /// The principal had asked for this privilege here, and the request was denied, lapsed unanswered or was still open: a use that no grant covers bypasses the broker (grants model, section 6, row D). False also where a grant of it began between the request and the use.
        pub after_refusal: bool,
        /// That request, by the ledger's own id.
        pub request_id: Option<Text>,
        /// Its decision.
        pub request_decision: Option<Decision>,
        /// Its time.
        pub requested_at: Option<Time>,
        /// The use names its grant and lies, in part at least, inside its window. Null: it names none, or the window is unknown.
        pub in_window: Option<bool>,
        /// The use goes beyond what the grant it names gives. Null: it names none, or what is comparable is unknown.
        pub beyond_grant: Option<bool>,
        /// In what it goes beyond: `scope`, `resource`, `action`; `privilege` alone (another name than that granted) is no proof.
        pub beyond: Vec<Text>,
        /// Why `beyond_grant` is null.
        pub beyond_unknown: Option<Text>,
        /// Owner.
        pub owner: Option<Text>,
        /// Evidence records.
        pub refs: Vec<Text>,
    }

    derived "coverage"
    /// One row per evidence layer, and one per source: what the inputs cover of the audited period.
    pub struct Coverage {
        /// `layer:<name>`, the source id, or `file:<name>` of a file that could not be read.
        pub coverage_id: Text,
        /// Layer.
        pub layer: Layer,
        /// File of the source; null for the layer row.
        pub file: Option<Text>,
        /// Format of the source.
        pub format: Option<Text>,
        /// Why nothing of a file that was given could be read; its layer is then `context`, since what it holds is not known. Null for layers and sources.
        pub unread: Option<Text>,
        /// A source is present: true for every source that was read, false for a file of which nothing was.
        pub present: bool,
        /// The settings or the rules in use need this layer.
        pub needed: bool,
        /// Start of the audited period; null when the run has no period.
        pub period_start: Option<Time>,
        /// End of the audited period.
        pub period_end: Option<Time>,
        /// Start of what is covered.
        pub window_start: Option<Time>,
        /// End of what is covered.
        pub window_end: Option<Time>,
        /// Share of the period covered; null without a period or a window.
        pub covered_share: Option<f64>,
        /// Days between the end of the window and the as-of time; null when unknown.
        pub age_days: Option<i64>,
        /// Whether the source is whole.
        pub completeness: Completeness,
        /// Records seen.
        pub records: i64,
        /// Records in quarantine.
        pub quarantined: i64,
        /// quarantined / records; null when there are none.
        pub quarantined_share: Option<f64>,
        /// Ids seen twice with different content.
        pub conflicting_duplicates: i64,
        /// Times without a zone.
        pub ambiguous_times: i64,
        /// Tasks that ended before they began; nothing is derived from their ends.
        pub inverted_intervals: i64,
        /// What limits the source.
        pub limitation: Option<Text>,
        /// Outcome: `assessed`, `partial`, `not_assessed`.
        pub outcome: Text,
        /// Reason of an outcome other than `assessed`.
        pub reason: Option<Text>,
        /// Evidence records.
        pub refs: Vec<Text>,
    }

    derived "waiver_facts"
    /// One row per waiver, judged at the as-of time.
    pub struct WaiverFact {
        /// Waiver id.
        pub waiver_id: Text,
        /// What it matches: a fingerprint, or rule and subject.
        pub matches: Text,
        /// Owner.
        pub owner: Option<Text>,
        /// Approver.
        pub approver: Option<Text>,
        /// Owner and approver are the same.
        pub self_approved: Option<bool>,
        /// Reason.
        pub reason: Option<Text>,
        /// Ticket.
        pub ticket: Option<Text>,
        /// Creation.
        pub created_at: Option<Time>,
        /// Expiry; null = missing.
        pub expires_at: Option<Time>,
        /// Expired at the as-of time; null when expiry is missing.
        pub expired: Option<bool>,
        /// Days from creation to expiry.
        pub length_days: Option<i64>,
        /// Longest length allowed for what it waives, days.
        pub max_length_days: Option<i64>,
        /// Findings it matched.
        pub n_matched: i64,
        /// Highest severity among them.
        pub severity: Option<Text>,
        /// Evidence records.
        pub refs: Vec<Text>,
    }
}
