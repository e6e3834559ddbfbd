//! Grants on the time axis: facts per grant, chains, coverage of the period, reconciliation cells.

use crate::facts::cell::Text;
use crate::facts::schema::table;
use crate::facts::time::Time;
use crate::facts::vocab::*;

/// Parts of the evidence chain, in the order of a grant's life (`evidenced` of `grant_facts`).
pub const EVIDENCE_CHAIN: [&str; 10] = [
    "request",
    "requester",
    "reason",
    "decision",
    "approver",
    "scope",
    "start",
    "end",
    "task",
    "use",
];

table! {
    derived "grant_facts"
    /// One row per ledger grant with everything derived from ledger, tasks, approvals, state and usage.
    pub struct GrantFact {
        /// The ledger's own id.
        pub grant_id: Text,
        /// Broker or ledger system.
        pub system: Text,
        /// Chain of renewals or re-grants the grant belongs to (id of its first grant).
        pub chain_id: Text,
        /// Beneficiary, canonical.
        pub principal_id: Text,
        /// Kind of the beneficiary.
        pub principal_kind: PrincipalKind,
        /// Name of the principal, where its id does not tell it.
        pub principal_name: Option<Text>,
        /// Requester, canonical.
        pub requester_id: Option<Text>,
        /// Person an agent acts for, canonical.
        pub on_behalf_of_id: Option<Text>,
        /// Privilege.
        pub privilege: Text,
        /// Scope; null when the ledger has none.
        pub scope: Option<Text>,
        /// Platform.
        pub platform: Option<Text>,
        /// Environment of the scope or principal; null when not declared.
        pub environment: Option<Text>,
        /// Tier of the privilege, from its content or declared in the settings; null when neither is known.
        pub tier: Option<Tier>,
        /// Whether the privilege is listed in the approved role catalogue; null when no catalogue is given.
        pub catalogued: Option<bool>,
        /// What the broker hands out.
        pub broker_kind: BrokerKind,
        /// Decision.
        pub decision: Decision,
        /// Access was given: activated, or approved with a start that has come. Denied, lapsed and withdrawn requests are false.
        pub effective: bool,
        /// Emergency access.
        pub break_glass: bool,
        /// Changed outside the broker.
        pub externally_modified: bool,
        /// Time of the request.
        pub requested_at: Option<Time>,
        /// Start of access: activation, else start of the authorised window.
        pub started_at: Option<Time>,
        /// Authorised end; null = none recorded.
        pub not_after: Option<Time>,
        /// End of access, earliest: revocation if recorded, else the authorised end. Null = none recorded.
        pub ended_at: Option<Time>,
        /// End of access, latest: when removal is certain. Null = unknown or open.
        pub ended_at_hi: Option<Time>,
        /// How it ended.
        pub end_kind: EndKind,
        /// Neither an authorised end nor a recorded end: standing in the ledger. Null: the ledger does not record ends.
        pub open_ended: Option<bool>,
        /// Access is still in force at the as-of time, by the ledger. Null: it gave access, and the ledger says neither when that was due to end nor whether it did.
        pub active_now: Option<bool>,
        /// Revoked before or after its authorised end by an explicit act.
        pub revoked: bool,
        /// The recorded end lies before the start.
        pub interval_inverted: bool,
        /// Authorised duration, seconds; null when open-ended or inverted.
        pub duration_s: Option<i64>,
        /// Time access was in force, up to the as-of time, seconds; null when its end is unknown.
        pub held_s: Option<i64>,
        /// Limit that applies to the duration, seconds; null when none is set for this privilege or tier.
        pub max_duration_s: Option<i64>,
        /// Recorded end minus the earlier of authorised end and revocation request, seconds; null without an authorised end. A lower bound when the removal failed, or the ledger shows the grant in force beyond its authorised end.
        pub revocation_lag_s: Option<i64>,

        /// Task, ticket or run reference as recorded, in the ledger's words.
        pub task_ref: Option<Text>,
        /// Linked task; null when none resolves.
        pub task_id: Option<Text>,
        /// Of several linked tasks the one that ended last; null when one is linked, or one of them has no end.
        pub last_task_id: Option<Text>,
        /// How the task was linked.
        pub link_kind: Option<LinkKind>,
        /// How sure the link is.
        pub link_confidence: Option<Confidence>,
        /// The text that links: the reference, the tag, the claim, the words of the reason.
        pub link_evidence: Option<Text>,
        /// Tasks that may be meant although nothing says which: those that an ambiguous reference fits, as `system:id`, or those of the beneficiary that ran meanwhile. They clear nothing.
        pub task_candidates: Vec<Text>,
        /// Latest end of the candidates that overlap in time, when all of them have ended: what is possible, never what is certain.
        pub candidate_ended_at: Option<Time>,
        /// The reference resolves to a task in the inputs. False: there is none, or it resolves to nothing. Null: no task source covers it.
        pub task_resolved: Option<bool>,
        /// Why task columns are null.
        pub task_unknown: Option<Text>,
        /// State of the linked task.
        pub task_state: Option<TaskState>,
        /// Start of the linked task (first, when several).
        pub task_started_at: Option<Time>,
        /// End of the linked task (last, when several); null while running.
        pub task_ended_at: Option<Time>,
        /// Task still running at the as-of time.
        pub task_running: Option<bool>,
        /// Start of the task minus start of the grant, seconds; positive = the grant came first.
        pub lead_s: Option<i64>,
        /// Number of distinct tasks the grant serves, by reference and use. Those that its own record names (task, ticket) are what it was given for and count as one.
        pub n_tasks: i64,
        /// End of access by the ledger minus end of the task, seconds, before any grace; negative = ended earlier. A lower bound when the grant is open; 0 while the task runs. Null = not assessed.
        pub overstay_ledger_s: Option<i64>,
        /// The same with the end the IAM state shows.
        pub overstay_state_s: Option<i64>,
        /// The same with the latest expiry of credentials issued under the grant.
        pub overstay_credential_s: Option<i64>,
        /// Largest of the three lower bounds, seconds: what is certain.
        pub overstay_s: Option<i64>,
        /// Largest of the three upper bounds, seconds: what is possible.
        pub overstay_hi_s: Option<i64>,

        /// An approval is required by the settings for this tier; break-glass grants need none beforehand.
        pub approval_required: bool,
        /// People who approved: several records of one person are one, since a quorum needs different people. Null: not known, or records that name nobody leave open whether there are enough.
        pub n_approvals: Option<i64>,
        /// Approvals required by the request or the settings.
        pub approvals_needed: i64,
        /// An approve verdict exists. Null: no approval source, and the ledger carries no decision on the grant.
        pub approved: Option<bool>,
        /// Approver of the earliest sufficient approval.
        pub approver_id: Option<Text>,
        /// Time of that approval.
        pub approved_at: Option<Time>,
        /// Approval id.
        pub approval_id: Option<Text>,
        /// Approver is requester, beneficiary, owner of the beneficiary or the person behind it. Null: no approver known.
        pub self_approved: Option<bool>,
        /// The approver for whom it holds.
        pub self_approver_id: Option<Text>,
        /// Which of those relations held.
        pub self_approval_relation: Option<Text>,
        /// Approval time minus the earlier of start and first use, seconds; positive = late.
        pub approval_late_s: Option<i64>,
        /// Start minus approval time, seconds: age of the approval when access began.
        pub approval_age_s: Option<i64>,
        /// Grants that the same approval covers.
        pub approval_reuse: Option<i64>,
        /// All approvers are in the approver set for this privilege; null when no set is given.
        pub approver_authorised: Option<bool>,
        /// Decided by policy only, without a named person.
        pub approved_by_rule_only: Option<bool>,
        /// The settings ask for a named person at this tier.
        pub human_approval_required: bool,
        /// What the approval named differs from what was granted; null when the approval names nothing.
        pub wider_than_approved: Option<bool>,

        /// Use linked to the grant: number of uses; 0 = looked and none. Null: no usage source covers the grant.
        pub use_count: Option<i64>,
        /// Why usage columns are null.
        pub use_unknown: Option<Text>,
        /// First linked use.
        pub first_used_at: Option<Time>,
        /// Last linked use.
        pub last_used_at: Option<Time>,
        /// Last use minus end of access, seconds; positive = used after the end; 0 when observed and never used or not ended. Null = use not observable.
        pub used_after_end_s: Option<i64>,
        /// Start of access minus first use, seconds; positive = used before the start; 0 when observed and never used. Null = use not observable.
        pub used_before_start_s: Option<i64>,
        /// Last use with a credential of the grant minus revocation, seconds; positive = session residue; 0 when observed and none. Null = not revoked, or use not observable.
        pub used_after_revocation_s: Option<i64>,
        /// Usage records that reach beyond the end of the task and begin before the end of access (by ledger or credentials); a record may sum several uses.
        pub uses_after_task: Option<i64>,

        /// Grants in the chain.
        pub chain_length: i64,
        /// Overlaps an earlier grant of the same principal on equal or nested scope.
        pub overlaps_earlier: bool,
        /// An earlier grant it overlaps.
        pub overlap_grant_id: Option<Text>,
        /// Time both were in force, seconds.
        pub overlap_s: Option<i64>,
        /// End moved later without a new approval; null when events and extensions are not recorded.
        pub silent_extension: Option<bool>,
        /// How far the end moved, seconds.
        pub extended_by_s: Option<i64>,

        /// The granted binding is present and effective in IAM after the ledger's end. Null: no snapshot after the end, or role or identity unresolved.
        pub present_after_end: Option<bool>,
        /// Snapshot time minus ledger end, seconds, when present after the end: a lower bound of the excess.
        pub present_after_end_s: Option<i64>,
        /// Ledger says active at a snapshot, and the snapshot lacks the binding. Null: no snapshot in the window.
        pub missing_in_state: Option<bool>,
        /// Differences between the ledger's grant and the matched binding (`end`, `scope`, `role`); null when nothing matched.
        pub drift: Option<Vec<Text>>,
        /// The matched binding ends later, is wider or stronger than the ledger's grant.
        pub drift_wider: Option<bool>,
        /// Why state columns are null.
        pub state_unknown: Option<Text>,

        /// Latest expiry of credentials issued under the grant.
        pub residual_until: Option<Time>,
        /// That expiry minus end of access, seconds.
        pub residual_s: Option<i64>,

        /// Parts of the evidence chain that the inputs show for this grant, whether its ledger ever records them or not: `request` (its time), `requester`, `reason`, `decision`, `approver` (or the rule that decided), `scope`, `start`, `end`, `task` (found), `use` (observed, be it none); grants model, section 5.12.
        pub evidenced: Vec<Text>,
        /// Evidence the chain lacks although its ledger, or the inputs, record it for others: `requester`, `reason`, `approver`, `scope`, `start`, `end`, `task`, `principal`. Empty = complete as far as the ledger goes.
        pub evidence_missing: Vec<Text>,
        /// Instants that contradict each other (`end before start`, `approved before requested`, ...). Empty = none.
        pub contradictions: Vec<Text>,
        /// Owner of the beneficiary.
        pub owner: Option<Text>,
        /// Evidence records.
        pub refs: Vec<Text>,
    }

    derived "chains"
    /// One row per chain: consecutive grants of one principal, privilege and scope whose gaps stay under `limits.chain_gap_s`.
    pub struct Chain {
        /// Id: the first grant.
        pub chain_id: Text,
        /// Principal.
        pub principal_id: Text,
        /// Kind of the principal.
        pub principal_kind: PrincipalKind,
        /// Privilege.
        pub privilege: Text,
        /// Scope.
        pub scope: Option<Text>,
        /// Platform.
        pub platform: Option<Text>,
        /// Environment.
        pub environment: Option<Text>,
        /// Tier.
        pub tier: Option<Tier>,
        /// First grant.
        pub grant_id: Text,
        /// Members in order of start.
        pub grant_ids: Vec<Text>,
        /// Number of members.
        pub n_grants: i64,
        /// Start of the first member.
        pub started_at: Option<Time>,
        /// Largest end of the members; null when one is open-ended.
        pub ended_at: Option<Time>,
        /// From first start to largest end (to the as-of time when open), seconds.
        pub span_s: Option<i64>,
        /// Time covered by the union of the members, seconds.
        pub held_s: Option<i64>,
        /// Authorised duration of the first member, seconds.
        pub first_duration_s: Option<i64>,
        /// Owner.
        pub owner: Option<Text>,
        /// Evidence records.
        pub refs: Vec<Text>,
    }

    derived "access_spans"
    /// One row per principal, privilege and scope in the ledger: how much of the period the union of its grants covers.
    pub struct AccessSpan {
        /// Principal.
        pub principal_id: Text,
        /// Kind of the principal.
        pub principal_kind: PrincipalKind,
        /// Privilege.
        pub privilege: Text,
        /// Scope.
        pub scope: Option<Text>,
        /// Platform.
        pub platform: Option<Text>,
        /// Environment.
        pub environment: Option<Text>,
        /// Tier.
        pub tier: Option<Tier>,
        /// Number of grants.
        pub n_grants: i64,
        /// Members.
        pub grant_ids: Vec<Text>,
        /// Time covered inside the period, seconds.
        pub covered_s: i64,
        /// Length of the observed period, seconds: audit period, else the span of the ledger.
        pub period_s: i64,
        /// covered_s / period_s; null when the period is shorter than `limits.coverage_min_period_s`.
        pub covered_share: Option<f64>,
        /// Longest time without a grant, seconds.
        pub longest_gap_s: i64,
        /// Authorised duration of the shortest of its grants, seconds; null when none has a recorded end.
        pub shortest_grant_s: Option<i64>,
        /// The privilege is a role or permission set of the inputs, which starts sessions. Null: not known from the inputs.
        pub starts_sessions: Option<bool>,
        /// Longest session that it lets start, seconds (`MaxSessionDuration` of an AWS role, `SessionDuration` of a permission set); null when the inputs do not say.
        pub max_session_s: Option<i64>,
        /// Time used inside grants over time held (duty cycle), the share that is proved: sessions, and events as clock-aligned bins of 300 s; null without usage coverage.
        pub duty_cycle: Option<f64>,
        /// The same with the time between the first and the last use of records that sum several: what is possible.
        pub duty_cycle_hi: Option<f64>,
        /// Owner.
        pub owner: Option<Text>,
        /// Evidence records.
        pub refs: Vec<Text>,
    }

    derived "segments"
    /// Maximal time segments per principal, privilege and scope, each in one of the 48 reconciliation cells (grants model, section 6).
    pub struct Segment {
        /// Principal.
        pub principal_id: Text,
        /// Privilege.
        pub privilege: Text,
        /// Scope.
        pub scope: Option<Text>,
        /// Start.
        pub from: Time,
        /// End; null = open at the as-of time.
        pub until: Option<Time>,
        /// Length up to the as-of time, seconds.
        pub length_s: i64,
        /// Ledger axis: `N` never granted, `D` denied or pending, `E` ended, `A` active, `?` unknown.
        pub ledger: Text,
        /// Task axis: `-` none linked, `X` linked but not running, `R` running, `?` unknown.
        pub task: Text,
        /// State axis: `0` absent, `1` present, `?` unknown.
        pub state: Text,
        /// Use axis: `0` none, `1` used, `?` unknown.
        pub usage: Text,
        /// Name of the cell; with unknown axes the worst completion. In row D `pending` stands for `denied` while a request is open or its access is still to begin.
        pub cell: Text,
        /// Name of the least severe completion, which is proved: the same as `cell` when no axis is unknown.
        pub cell_floor: Text,
        /// Severity of the cell: `ok`, `info`, `low`, `medium`, `high`, `critical`.
        pub severity: Text,
        /// Certain: every completion of the unknown axes is at least this severe; possible: some are.
        pub certainty: Certainty,
        /// Severity that every completion reaches.
        pub severity_floor: Text,
        /// Grants in play.
        pub grant_ids: Vec<Text>,
        /// Layers with no evidence here.
        pub silent_layers: Vec<Text>,
        /// Tier of the privilege.
        pub tier: Option<Tier>,
        /// Evidence records.
        pub refs: Vec<Text>,
    }
}
