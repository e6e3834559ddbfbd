//! Common Fate Glide: request and grant events as they go over the event bus, and requests as the
//! product stores them.
//!
//! `EXPIRED` means here that access was removed when it was due. `REVOKED` is said only of removals
//! through the product.

use super::fold::Event;
use super::json::{Doc, JsonLedger, Record, joined};
use crate::facts::time::ParsedTime;
use crate::facts::{EventKind, Grant, Time, Verdict, text};
use crate::ingest::source::Batch;
use crate::ingest::table::short;

/// Name of the ledger.
const SYSTEM: &str = "common-fate";

/// The format.
pub static ADAPTER: JsonLedger = JsonLedger {
    format: "common-fate-glide",
    title: "Common Fate Glide requests and grant events",
    lists: &["requests"],
    prefixed: false,
    keys: &[&["detail-type", "detail"], &["requestedBy", "requestedTiming"]],
    hints: &[],
    is: |d| {
        let word = d.word("detail-type");
        let ours = word.starts_with("grant.") || word.starts_with("request.");
        (d.names(&["detail-type", "detail"]) && (ours || d.get("detail-type").is_none()))
            || d.names(&["requestedBy", "requestedTiming", "rule"])
    },
    read,
};

fn read(r: &Record<'_>, batch: &mut Batch) -> Result<bool, String> {
    let d = r.doc;
    if d.has("requestedTiming") {
        return stored(r, batch);
    }
    let what = d.need("detail-type")?;
    let at = d.need_time("time", batch)?;
    let detail = d.child("detail")?.ok_or("`detail` is missing")?;
    // The id of the event bus: an event may be delivered twice.
    let base =
        Event { key: d.text("id")?.unwrap_or_default(), ..r.event(EventKind::default(), at) };
    let known = match what.split_once('.') {
        Some(("request", step)) => requested(r, batch, step, &detail, base)?,
        Some(("grant", step)) => granted(r, batch, step, &detail, base)?,
        _ => false,
    };
    if known {
        batch.see(at.lo);
    }
    Ok(known)
}

fn requested(
    r: &Record<'_>,
    batch: &mut Batch,
    step: &str,
    detail: &Doc<'_>,
    base: Event,
) -> Result<bool, String> {
    let request = detail.child("request")?.ok_or("`detail.request` is missing")?;
    let reviewer = detail.text("reviewerId")?;
    let automatic = request.word("approvalMethod") == "automatic";
    let (kind, verdict) = match step {
        "created" => (EventKind::Requested, None),
        "approved" if automatic => (EventKind::AutoApproved, None),
        "approved" => (EventKind::Approved, Some(Verdict::Approve)),
        "declined" => (EventKind::Denied, Some(Verdict::Deny)),
        "cancelled" => (EventKind::Withdrawn, None),
        other => {
            return Err(format!("`detail-type` is `request.{}`, which is unknown", short(other)));
        }
    };
    let facts = request_facts(r, &request, base.at, kind == EventKind::Approved, batch)?;
    let id = request.need("id")?;
    if let Some(verdict) = verdict {
        let mut approval = r.approval(id, reviewer.clone(), verdict);
        approval.at = Some(base.at);
        batch.facts.approvals.push(approval);
    }
    let actor = reviewer.or(request.text("requestedBy")?);
    let draft = batch.book.draft(SYSTEM, id);
    draft.state(base.at, facts);
    draft.push(Event { kind, actor, ..base });
    Ok(true)
}

/// What a request states. An approver may have overridden the timing.
fn request_facts(
    r: &Record<'_>,
    request: &Doc<'_>,
    at: Time,
    approved: bool,
    batch: &mut Batch,
) -> Result<Grant, String> {
    let mut facts = match request.child("grant")? {
        Some(g) => grant_facts(r, &g, batch)?,
        None => r.grant(),
    };
    facts.requester = request.text("requestedBy")?;
    facts.justification = match request.child("data")? {
        Some(data) => data.text("reason")?,
        None => None,
    };
    if let Some(timing) = request.child("requestedTiming")? {
        // A Go duration: nanoseconds.
        facts.duration_requested_s = timing.duration("duration", 1e-9)?;
        facts.not_before = facts.not_before.or(timing.time("start", batch)?);
    }
    if let Some(timing) = request.child("overrideTiming")? {
        let length = timing.duration("duration", 1e-9)?;
        let start = timing.time("start", batch)?.or(facts.not_before);
        facts.not_before = start;
        let start = start.or(approved.then_some(at));
        facts.not_after = facts.not_after.or(start.zip(length).map(|(s, l)| s.plus_secs(l)));
    }
    Ok(facts)
}

/// Keys of `with` that name what is given, rather than where.
const RIGHTS: [&str; 6] = ["permissionSetArn", "roleName", "role", "groupId", "group", "policyArn"];

fn grant_facts(r: &Record<'_>, g: &Doc<'_>, batch: &mut Batch) -> Result<Grant, String> {
    let provider = g.text("provider")?;
    let (mut right, mut place, mut account) = (None, Vec::new(), None);
    if let Some(with) = g.child("with")? {
        for key in with.0.keys() {
            let Some(value) = with.id(key)? else { continue };
            if key == "accountId" {
                account = Some(value);
            } else if RIGHTS.contains(&key.as_str()) && right.is_none() {
                right = Some(text(value));
            } else {
                place.push(format!("{key}={value}"));
            }
        }
    }
    Ok(Grant {
        beneficiary: g.text("subject")?.unwrap_or_default(),
        platform: account.as_ref().map(|_| text("aws")),
        scope: account.map(|a| text(format!("aws:{a}"))).or_else(|| joined(&place)),
        privilege: right.or(provider).unwrap_or_default(),
        not_before: g.time("start", batch)?,
        not_after: g.time("end", batch)?,
        ..r.grant()
    })
}

fn granted(
    r: &Record<'_>,
    batch: &mut Batch,
    step: &str,
    detail: &Doc<'_>,
    base: Event,
) -> Result<bool, String> {
    let grant = detail.child("grant")?.ok_or("`detail.grant` is missing")?;
    let kind = match step {
        "created" => EventKind::Scheduled,
        "activated" => EventKind::Activated,
        "expired" => EventKind::Expired,
        "revoked" => EventKind::Revoked,
        // Of activation or of removal: the events before tell which.
        "failed" => EventKind::ActivationFailed,
        other => {
            return Err(format!("`detail-type` is `grant.{}`, which is unknown", short(other)));
        }
    };
    let facts = grant_facts(r, &grant, batch)?;
    let event =
        Event { kind, actor: detail.text("actor")?, reason: detail.text("reason")?, ..base };
    // A grant has the id of its request.
    let draft = batch.book.draft(SYSTEM, grant.need("id")?);
    draft.state(event.at, facts);
    draft.push(event);
    Ok(true)
}

/// A request as stored, with its last state only.
fn stored(r: &Record<'_>, batch: &mut Batch) -> Result<bool, String> {
    let d = r.doc;
    let id = d.need("id")?;
    let created = d.need_time("createdAt", batch)?;
    let updated = d.parsed("updatedAt", batch)?.unwrap_or(created);
    batch.see(created.lo);
    batch.see(updated.lo);
    let approved = d.word("status") == "approved";
    let facts = request_facts(r, &d, updated.lo, approved, batch)?;
    let actor = d.text("requestedBy")?;
    let mut events = vec![Event { actor, ..r.event(EventKind::Requested, created) }];
    let decided = match d.word("status").as_str() {
        "approved" if d.word("approvalMethod") == "automatic" => Some(EventKind::AutoApproved),
        "approved" => Some(EventKind::Approved),
        "declined" => Some(EventKind::Denied),
        "cancelled" => Some(EventKind::Withdrawn),
        "pending" | "" => None,
        other => return Err(format!("`status` is `{}`, which is unknown", short(other))),
    };
    let grant = d.child("grant")?;
    // The request is updated for the last time when it is decided; the grant has times of its own.
    let decided_at = match &grant {
        Some(g) => g.parsed("createdAt", batch)?.unwrap_or(updated),
        None => updated,
    };
    events.extend(decided.map(|kind| r.event(kind, decided_at)));
    if let Some(g) = grant {
        events.extend(life(r, &g, batch)?);
    }
    let draft = batch.book.draft(SYSTEM, id);
    draft.state(updated.lo, facts);
    for e in events {
        draft.push(e);
    }
    Ok(true)
}

/// Events that the status of a stored grant stands for.
fn life(r: &Record<'_>, g: &Doc<'_>, batch: &mut Batch) -> Result<Vec<Event>, String> {
    let start = g.parsed("start", batch)?;
    let end = g.parsed("end", batch)?;
    let updated = g.parsed("updatedAt", batch)?;
    let event = |kind: EventKind, at: Option<ParsedTime>| at.map(|t| r.event(kind, t));
    let began = || event(EventKind::Activated, start);
    Ok(match g.word("status").as_str() {
        "pending" | "" => Vec::new(),
        "active" => began().into_iter().collect(),
        "expired" => {
            [began(), event(EventKind::Expired, updated.or(end))].into_iter().flatten().collect()
        }
        "revoked" => [began(), event(EventKind::Revoked, updated)].into_iter().flatten().collect(),
        // Whether activation or removal failed is not kept.
        "error" => event(EventKind::ActivationFailed, updated).into_iter().collect(),
        other => {
            return Err(format!("`status` of the grant is `{}`, which is unknown", short(other)));
        }
    })
}
