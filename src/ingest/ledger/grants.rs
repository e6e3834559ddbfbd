//! Generic grant ledger (grants model, section 10).

use crate::facts::time::ParsedTime;
use crate::facts::{
    Approval, ApprovalMethod, BrokerKind, Decision, Delegation, EndKind, EventKind, Grant,
    GrantEvent, Layer, Outcome, PrincipalKind, Text, Time, Verdict, text,
};
use crate::ingest::source::Batch;
use crate::ingest::table::{Row, TableAdapter, fields};

fields! {
    NativeId = "native_id" | "grant_id" | "access_id",
    Broker = "broker" | "ledger",
    System = "system",
    Platform = "platform" | "cloud",
    Beneficiary = "beneficiary" | "principal" | "grantee" | "identity",
    Kind = "kind" | "principal_type" | "principal_kind" | "beneficiary_kind" | "beneficiary_type",
    Requester = "requester" | "requested_by",
    OnBehalfOf = "on_behalf_of" | "delegator",
    Privilege = "privilege" | "role" | "permission_set" | "entitlement",
    Scope = "scope" | "target_scope" | "resource",
    BrokerKindOf = "broker_kind",
    RequestedAt = "requested_at",
    RequestExpiresAt = "request_expires_at",
    DecidedAt = "decided_at" | "approved_at",
    DecisionOf = "decision" | "status",
    GrantedAt = "granted_at",
    ActivatedAt = "activated_at",
    NotBefore = "not_before" | "starts_at" | "start_time" | "valid_from",
    NotAfter = "not_after" | "expires_at" | "end_time" | "valid_until" | "valid_to",
    Duration = "duration" | "duration_s" | "duration_requested" | "requested_duration",
    RevokeRequestedAt = "revoke_requested_at",
    EndedAt = "ended_at" | "removed_at",
    RevokedAt = "revoked_at",
    EndKindOf = "end_kind" | "end_reason",
    ResidualUntil = "residual_until" | "credential_expires_at",
    Approver = "approver" | "approved_by",
    Justification = "justification" | "reason",
    Ticket = "ticket" | "ticket_id" | "ticket_number",
    TicketSystem = "ticket_system",
    Task = "task" | "task_id" | "task_ref",
    ApprovalRef = "approval" | "approval_id" | "approval_ref",
    BreakGlass = "break_glass" | "emergency" | "emergency_access",
    ExternallyModified = "externally_modified",
    ApprovedPrivilege = "approved_privilege" | "approved_role",
    SessionDuration = "session_duration" | "session_duration_s",
    NExtensions = "n_extensions" | "extensions",
    NRenewals = "n_renewals" | "renewals",
    ExtendedUntil = "extended_until",
    ExtendedAt = "extended_at",
    SessionTags = "session_tags" | "principal_tags",
    OidcClaims = "oidc_claims",
    Annotations = "annotations",
    TraceId = "trace_id",
    SessionName = "session_name" | "role_session_name",
}

/// The format.
pub const ADAPTER: TableAdapter = TableAdapter {
    format: "ledger-generic",
    title: "Grant ledger (generic table)",
    layer: Layer::Ledger,
    fields: FIELDS,
    required: &[
        &["native_id"],
        &["beneficiary"],
        &["privilege"],
        &["not_after", "duration", "ended_at", "revoked_at"],
        &["not_before", "activated_at", "granted_at", "requested_at"],
    ],
    recognise: |n| {
        n.any(&["grant_id", "native_id", "access_id"])
            && n.any(&["principal", "beneficiary", "grantee", "identity"])
            && n.any(&["role", "privilege", "permission_set", "entitlement"])
            && n.any(&[
                "granted_at",
                "activated_at",
                "not_before",
                "starts_at",
                "start_time",
                "valid_from",
            ])
            && !n.any(&["first_seen", "last_seen", "credential_id"])
    },
    row,
};

/// Name of the ledger when neither the file nor the mapping says it.
const UNNAMED: &str = "ledger";

fn row(row: &Row<'_>, batch: &mut Batch) -> Result<(), String> {
    let mut g = identity(row)?;
    times(row, &mut g)?;
    let approvals = approvals(row, &g)?;
    let extension = extension(row, &mut g)?;
    for t in [g.requested_at, g.decided_at, g.activated_at_lo, g.ended_at_lo, g.revoke_requested_at]
        .into_iter()
        .flatten()
    {
        batch.see(t);
    }
    if let Some(parent) = &g.on_behalf_of {
        batch.facts.delegations.push(Delegation {
            parent: parent.clone(),
            privilege: Some(g.privilege.clone()),
            scope: g.scope.clone(),
            child: g.beneficiary.clone(),
            grant_id: Some(g.grant_id.clone()),
            from: g.activated_at_lo.or(g.not_before),
            until: g.ended_at_hi.or(g.not_after),
            evidence: row.share("ledger"),
            source_id: g.source_id.clone(),
            source_ref: g.source_ref.clone(),
            ..Delegation::default()
        });
    }
    batch.facts.approvals.extend(approvals);
    batch.facts.grant_events.extend(extension);
    batch.facts.grants.push(g);
    Ok(())
}

/// Everything but times.
fn identity(row: &Row<'_>) -> Result<Grant, String> {
    let (system, platform) = system_and_platform(row);
    let ticket = row.text(F::Ticket);
    Ok(Grant {
        grant_id: text(row.need(F::NativeId)?),
        system,
        platform,
        beneficiary: row.share(row.need(F::Beneficiary)?),
        beneficiary_kind: row.word(F::Kind).and_then(|w| principal_kind(&w)),
        requester: row.shared(F::Requester),
        on_behalf_of: row.shared(F::OnBehalfOf),
        privilege: row.share(row.need(F::Privilege)?),
        scope: row.shared(F::Scope),
        broker_kind: match row.word(F::BrokerKindOf) {
            None => BrokerKind::Binding,
            Some(w) => {
                BrokerKind::from_word(&w).ok_or_else(|| row.unknown_word(F::BrokerKindOf))?
            }
        },
        justification: row.text(F::Justification),
        ticket_system: ticket.as_ref().and_then(|_| row.shared(F::TicketSystem)),
        ticket_id: ticket,
        task_ref: row.text(F::Task),
        task_hints: hints(row),
        approval_ref: row.text(F::ApprovalRef),
        break_glass: row.flag(F::BreakGlass)?,
        externally_modified: row.flag(F::ExternallyModified)?.unwrap_or(false),
        n_extensions: row.count(F::NExtensions)?.unwrap_or(0),
        n_renewals: row.count(F::NRenewals)?.unwrap_or(0),
        approved_privilege: row.shared(F::ApprovedPrivilege),
        session_duration_s: row.duration(F::SessionDuration)?,
        source_id: row.source_id.clone(),
        source_ref: row.source_ref.clone(),
        ..Grant::default()
    })
}

/// What came with the access and may name a task, each with its kind in front.
fn hints(row: &Row<'_>) -> Vec<Text> {
    let lists = [
        (F::SessionTags, "session_tag"),
        (F::OidcClaims, "oidc_claim"),
        (F::Annotations, "annotation"),
        (F::TraceId, "trace_id"),
        (F::SessionName, "session_name"),
    ];
    let mut out = Vec::new();
    for (field, kind) in lists {
        out.extend(row.list(field).into_iter().flatten().map(|v| text(format!("{kind}:{v}"))));
    }
    out
}

/// Broker and platform. A column `system` names the broker beside a column for the platform, and
/// the platform otherwise.
fn system_and_platform(row: &Row<'_>) -> (Text, Option<Text>) {
    let (broker, system, platform) = (row.get(F::Broker), row.get(F::System), row.get(F::Platform));
    let (broker, platform) = match (broker, platform) {
        (None, Some(p)) => (system, Some(p)),
        (b, p) => (b, p.or(system)),
    };
    (row.share(broker.unwrap_or(UNNAMED)), platform.map(|p| row.share(&p.to_lowercase())))
}

/// Word for a kind of principal; `None` when it says nothing that the vocabulary knows.
#[must_use]
pub fn principal_kind(word: &str) -> Option<PrincipalKind> {
    Some(match word {
        "human" | "user" | "person" | "employee" => PrincipalKind::Human,
        "service_account" | "serviceaccount" | "service" | "svc" => PrincipalKind::ServiceAccount,
        "workload" | "machine" | "instance" => PrincipalKind::Workload,
        "agent" | "ai_agent" => PrincipalKind::Agent,
        "app" | "application" => PrincipalKind::App,
        other => PrincipalKind::from_word(other)?,
    })
}

fn lo(p: Option<ParsedTime>) -> Option<Time> {
    p.map(|p| p.lo)
}

fn hi(p: Option<ParsedTime>) -> Option<Time> {
    p.map(|p| p.hi)
}

fn times(row: &Row<'_>, g: &mut Grant) -> Result<(), String> {
    g.requested_at = row.instant(F::RequestedAt)?;
    g.request_expires_at = row.instant(F::RequestExpiresAt)?;
    g.decided_at = row.instant(F::DecidedAt)?;
    g.revoke_requested_at = row.instant(F::RevokeRequestedAt)?;
    g.residual_until = row.time(F::ResidualUntil)?.map(|p| p.hi);
    let granted = row.time(F::GrantedAt)?;
    let activated = row.time(F::ActivatedAt)?.or(granted);
    let decision = decision(row)?;
    let ended = row.time(F::EndedAt)?.or(row.time(F::RevokedAt)?);
    let refused = matches!(
        decision.0,
        Decision::Denied | Decision::Withdrawn | Decision::Lapsed | Decision::Failed
    );
    // A lifecycle word without any activation speaks of the request, not of access.
    g.decision = match (decision.0, activated) {
        (Decision::Unknown, None) if decision.1 == Some(EndKind::Expired) => Decision::Lapsed,
        (d, _) => d,
    };
    g.activated_at_lo = lo(activated);
    g.activated_at_hi = hi(activated);
    g.not_before = row.instant(F::NotBefore)?.or(lo(granted)).or(lo(activated));
    g.duration_requested_s = row.duration(F::Duration)?;
    // With day precision access ends with the day.
    let stated = row.time(F::NotAfter)?.map(|p| p.hi);
    g.not_after = stated.or_else(|| {
        let start = g.not_before.or(g.decided_at).or(g.requested_at)?;
        Some(start.plus_secs(g.duration_requested_s?))
    });
    if g.not_before.is_none() && g.requested_at.is_none() && !refused {
        return Err(
            "no start: `granted_at`, `activated_at`, `not_before` and `requested_at` are missing"
                .into(),
        );
    }
    g.ended_at_lo = lo(ended);
    g.ended_at_hi = hi(ended);
    g.end_kind = end_kind(row, g, decision.1)?;
    Ok(())
}

/// Decision, and the end that a lifecycle word states.
fn decision(row: &Row<'_>) -> Result<(Decision, Option<EndKind>), String> {
    let Some(word) = row.word(F::DecisionOf) else { return Ok((Decision::Unknown, None)) };
    Ok(match word.as_str() {
        "approved" | "approve" | "granted" | "allowed" | "accepted" => (Decision::Approved, None),
        "auto_approved" | "autoapproved" | "auto" => (Decision::AutoApproved, None),
        "denied" | "deny" | "rejected" | "reject" | "refused" | "declined" => {
            (Decision::Denied, None)
        }
        "withdrawn" | "canceled" | "cancelled" => (Decision::Withdrawn, None),
        "lapsed" | "timed_out" | "timedout" => (Decision::Lapsed, None),
        "pending" | "requested" | "open_request" | "awaiting_approval" => (Decision::Pending, None),
        "failed" | "error" | "activation_failed" => (Decision::Failed, None),
        "unknown" => (Decision::Unknown, None),
        // Lifecycle words: they say nothing about who decided.
        "active" | "activated" | "open" | "in_progress" => (Decision::Unknown, Some(EndKind::Open)),
        "expired" => (Decision::Unknown, Some(EndKind::Expired)),
        "ended" | "closed" | "completed" | "revoked" | "removed" => {
            (Decision::Unknown, Some(EndKind::Unknown))
        }
        _ => return Err(row.unknown_word(F::DecisionOf)),
    })
}

fn end_kind(row: &Row<'_>, g: &Grant, lifecycle: Option<EndKind>) -> Result<EndKind, String> {
    let stated = match row.word(F::EndKindOf) {
        None => None,
        Some(w) => Some(match w.as_str() {
            "expired" | "expiry" | "timeout" | "ttl" => EndKind::Expired,
            "revoked_by_user" | "user" | "self" | "returned" | "checked_in" => {
                EndKind::RevokedByUser
            }
            "revoked_by_owner" | "owner" => EndKind::RevokedByOwner,
            "revoked_by_admin" | "admin" | "manual" => EndKind::RevokedByAdmin,
            "revoked_by_system" | "system" | "automatic" | "scheduled" => EndKind::RevokedBySystem,
            // Who revoked is not said, and is not guessed.
            "revoked" | "ended" | "removed" => EndKind::Unknown,
            other => EndKind::from_word(other).ok_or_else(|| row.unknown_word(F::EndKindOf))?,
        }),
    };
    let refusal = match g.decision {
        Decision::Withdrawn => Some(EndKind::Withdrawn),
        Decision::Failed => Some(EndKind::Failed),
        _ => None,
    };
    Ok(if let Some(kind) = stated {
        kind
    } else if let Some(kind) = refusal.filter(|_| g.activated_at_lo.is_none()) {
        kind
    } else if g.ended_at_lo.is_some() {
        lifecycle.filter(|k| *k == EndKind::Expired).unwrap_or(EndKind::Unknown)
    } else if let Some(kind) = lifecycle {
        kind
    } else if row.options.missing_end_is_open || g.not_after.is_none() {
        EndKind::Open
    } else {
        EndKind::Unknown
    })
}

/// Approvals that the ledger row itself names.
fn approvals(row: &Row<'_>, g: &Grant) -> Result<Vec<Approval>, String> {
    let Some(approvers) = row.get(F::Approver) else { return Ok(Vec::new()) };
    let verdict = match g.decision {
        Decision::Approved | Decision::AutoApproved => Verdict::Approve,
        Decision::Denied => Verdict::Deny,
        Decision::Lapsed => Verdict::Lapsed,
        // An approver on a grant that took effect can only have approved it.
        Decision::Unknown if g.activated_at_lo.is_some() => Verdict::Approve,
        _ => Verdict::Unknown,
    };
    let method = match (g.decision, g.break_glass) {
        (Decision::AutoApproved, _) => ApprovalMethod::Policy,
        (_, Some(true)) => ApprovalMethod::BreakGlass,
        _ => ApprovalMethod::Unknown,
    };
    let at = row.instant(F::DecidedAt)?;
    Ok(approvers
        .split(';')
        .map(str::trim)
        .filter(|a| !a.is_empty())
        .map(|approver| Approval {
            approval_id: g.approval_ref.clone().unwrap_or_default(),
            grant_id: Some(g.grant_id.clone()),
            approver: Some(row.share(approver)),
            verdict,
            at,
            method,
            privilege: g.approved_privilege.clone(),
            source_id: g.source_id.clone(),
            source_ref: g.source_ref.clone(),
            ..Approval::default()
        })
        .collect())
}

/// The extension that columns on the row record.
fn extension(row: &Row<'_>, g: &mut Grant) -> Result<Option<GrantEvent>, String> {
    let Some(new_end) = row.time(F::ExtendedUntil)?.map(|p| p.hi) else { return Ok(None) };
    g.n_extensions = g.n_extensions.max(1);
    let at = row.instant(F::ExtendedAt)?;
    // The latest instant at which a running grant can be extended is its old end.
    let Some(occurred_at) = at.or(g.not_after) else {
        return Err("`extended_until` needs `extended_at` or `not_after`".into());
    };
    let reason = at
        .is_none()
        .then(|| row.share("time of the extension not recorded; the end it replaced is used"));
    Ok(Some(GrantEvent {
        grant_id: Some(g.grant_id.clone()),
        kind: EventKind::Extended,
        occurred_at,
        outcome: Outcome::Allowed,
        new_end: Some(new_end),
        reason,
        source_id: g.source_id.clone(),
        source_ref: g.source_ref.clone(),
        ..GrantEvent::default()
    }))
}
