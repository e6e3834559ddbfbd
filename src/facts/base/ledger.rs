//! What the ledger says: grants, events, approvals, delegations.

use crate::facts::cell::Text;
use crate::facts::schema::table;
use crate::facts::time::Time;
use crate::facts::vocab::*;

table! {
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
        /// What came with the access and may name a task: `session_tag:`, `oidc_claim:`, `annotation:`, `trace_id:` or `session_name:` and the value as written.
        pub task_hints: Vec<Text>,
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
        /// The ledger's own name for the kind of grant when it matters to readers (`activation`, `certificate`, `installation`); null for a plain grant.
        pub grant_kind: Option<Text>,
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

    base "delegations"
    /// One hop of acting on behalf of another identity.
    pub struct Delegation {
        /// Identity that delegates, as written.
        pub parent: Text,
        /// Identity that delegates, resolved.
        pub parent_id: Option<Text>,
        /// Identity that acts, as written.
        pub child: Text,
        /// Identity that acts, resolved.
        pub child_id: Option<Text>,
        /// Privilege or role the child receives, as written; null when the record names none.
        pub privilege: Option<Text>,
        /// Scope the child receives; null when the record names none.
        pub scope: Option<Text>,
        /// A decision of its own was made for this hop (token exchange with policy check, AssumeRole); null when the source cannot tell.
        pub decided: Option<bool>,
        /// Grant the hop runs under.
        pub grant_id: Option<Text>,
        /// Start.
        pub from: Option<Time>,
        /// End.
        pub until: Option<Time>,
        /// End of the work of the identity that delegates, as the record shows it; null when it does not.
        pub parent_until: Option<Time>,
        /// Key that the hops of one chain share (trace, session); null when the source has none.
        pub chain: Option<Text>,
        /// Identity at the origin of the chain that the record itself names (source identity, first caller, user); null when it names none.
        pub origin: Option<Text>,
        /// How the hop is evidenced (`source_identity`, `ledger`, `agent_span`, ...).
        pub evidence: Text,
        /// Source.
        pub source_id: Text,
        /// Place in the source.
        pub source_ref: Text,
    }
}
