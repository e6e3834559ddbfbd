//! StrongDM: access requests, account grants and their history, what accounts reach, and queries.
//!
//! Records as the SDK models them. A request leads to an account grant; the grant's history says when
//! it was deleted. A query that runs long is logged twice under one id.

use super::fold::Event;
use super::json::{JsonLedger, Record};
use crate::facts::time::ParsedTime;
use crate::facts::{EndKind, EventKind, Grant, Layer, Outcome, Usage, Verdict, text};
use crate::ingest::source::Batch;
use crate::ingest::table::short;

/// Name of the ledger and of the platform.
const SYSTEM: &str = "strongdm";
/// The one privilege there is: to connect to a resource.
const CONNECT: &str = "connect";

/// The format.
pub static ADAPTER: JsonLedger = JsonLedger {
    format: "strongdm",
    title: "StrongDM access requests, grants, history and queries",
    lists: &["access_requests", "account_grants", "account_resources", "queries"],
    prefixed: false,
    keys: &[&["account_id", "resource_id"], &["activity_id"]],
    hints: &[],
    is: |d| {
        d.names(&["account_id", "resource_id", "status", "status_at"])
            || d.names(&["access_request_id", "account_id", "resource_id"])
            || d.names(&["account_grant", "activity_id"])
            || d.names(&["account_resource", "activity_id"])
            || d.names(&["account_id", "resource_id", "granted_at"])
            || d.names(&["access_request_event", "activity_id"])
            || d.names(&["account_id", "query_hash", "resource_id"])
    },
    read,
};

fn read(r: &Record<'_>, batch: &mut Batch) -> Result<bool, String> {
    let d = r.doc;
    if let Some(inner) = d.child("account_grant")? {
        let gone = d.parsed("deleted_at", batch)?;
        let inner = Record { doc: inner, ..r.clone() };
        return grant(&inner, gone, batch);
    }
    if let Some(event) = d.child("access_request_event")? {
        return decided(
            &Record { doc: event, ..r.clone() },
            d.need_time("timestamp", batch)?,
            batch,
        );
    }
    if let Some(inner) = d.child("account_resource")? {
        let gone = d.has("deleted_at") && d.time("deleted_at", batch)?.is_some();
        return if gone { Ok(false) } else { reach(&Record { doc: inner, ..r.clone() }, batch) };
    }
    if d.has("query_hash") {
        return query(r, batch);
    }
    if d.has("status") {
        return request(r, batch);
    }
    if d.has("granted_at") || d.has("created_at") {
        return reach(r, batch);
    }
    grant(r, None, batch)
}

fn request(r: &Record<'_>, batch: &mut Batch) -> Result<bool, String> {
    let d = r.doc;
    let id = d.need("id")?;
    let at = d.need_time("status_at", batch)?;
    batch.see(at.lo);
    let given = d.str("grant_id")?.is_some();
    let status = d.word("status");
    let event = match status.as_str() {
        "pending" => None,
        "approved" | "granted" => Some(EventKind::Approved),
        "auto_approved" | "autoapproved" | "auto approved" => Some(EventKind::AutoApproved),
        "denied" | "rejected" => Some(EventKind::Denied),
        "canceled" | "cancelled" | "withdrawn" => Some(EventKind::Withdrawn),
        // Without a grant it was the request that ran out.
        "expired" | "timed_out" | "timedout" | "timed out" if !given => Some(EventKind::Lapsed),
        "expired" => Some(EventKind::Expired),
        "revoked" => Some(EventKind::Revoked),
        _ => return Err(format!("`status` is `{}`, which is unknown", short(&status))),
    };
    let facts = Grant {
        platform: Some(text(SYSTEM)),
        beneficiary: text(d.need("account_id")?),
        requester: d.text("account_id")?,
        privilege: text(CONNECT),
        scope: d.text("resource_id")?,
        not_before: d.time("start_from", batch)?,
        not_after: d.time("valid_until", batch)?,
        // What the approval resulted in wins over what was asked for.
        duration_requested_s: d
            .duration("resultduration", 1.0)?
            .filter(|s| *s > 0)
            .or(d.duration("requestedduration", 1.0)?.filter(|s| *s > 0)),
        justification: d.text("reason")?,
        ..r.grant()
    };
    let draft = batch.book.draft(SYSTEM, id);
    draft.state(at.lo, facts);
    match event {
        Some(kind) => draft.push(r.event(kind, at)),
        None => draft.push(r.event(EventKind::Requested, at)),
    }
    Ok(true)
}

fn decided(r: &Record<'_>, at: ParsedTime, batch: &mut Batch) -> Result<bool, String> {
    let d = r.doc;
    let id = d.need("request_id")?;
    let word = d.word("type");
    let (kind, verdict) = match word.as_str() {
        "denied" | "deny" | "denial" => (EventKind::Denied, Some(Verdict::Deny)),
        "approved" | "approve" | "approval" => (EventKind::Approved, Some(Verdict::Approve)),
        "created" | "create" | "creation" | "requested" => (EventKind::Requested, None),
        "canceled" | "cancelled" | "cancel" => (EventKind::Withdrawn, None),
        _ => return Ok(false),
    };
    batch.see(at.lo);
    let actor = d.text("actor_id")?;
    if let Some(verdict) = verdict {
        let mut approval = r.approval(id, actor.clone(), verdict);
        approval.at = Some(at.lo);
        batch.facts.approvals.push(approval);
    }
    let key = d.text("id")?.unwrap_or_default();
    batch.book.draft(SYSTEM, id).push(Event { key, actor, ..r.event(kind, at) });
    Ok(true)
}

/// An account grant, with the time of its deletion when it comes from the history.
fn grant(r: &Record<'_>, gone: Option<ParsedTime>, batch: &mut Batch) -> Result<bool, String> {
    let d = r.doc;
    let own = d.need("id")?;
    let id = d.str("access_request_id")?.unwrap_or(own);
    let start = d.parsed("start_from", batch)?;
    let until = d.time("valid_until", batch)?;
    let facts = Grant {
        platform: Some(text(SYSTEM)),
        beneficiary: text(d.need("account_id")?),
        privilege: text(CONNECT),
        scope: d.text("resource_id")?,
        not_before: start.map(|t| t.lo),
        not_after: until,
        ..r.grant()
    };
    for t in [start, gone].into_iter().flatten() {
        batch.see(t.lo);
    }
    let draft = batch.book.draft(SYSTEM, id);
    draft.state(gone.or(start).map(|t| t.lo).unwrap_or_default(), facts);
    if let Some(t) = start {
        draft.push(r.event(EventKind::Activated, t));
    }
    if let Some(t) = gone {
        // A grant is deleted when it is due, too; what comes earlier was revoked, by whom is not said.
        let due = until.is_some_and(|u| t.lo >= u);
        let kind = if due { EventKind::Expired } else { EventKind::Revoked };
        let end = Some(if due { EndKind::Expired } else { EndKind::Unknown });
        draft.push(Event { end, ..r.event(kind, t) });
    }
    Ok(true)
}

/// What an account can reach now. `granted_at` is the latest of several grants, not the first.
fn reach(r: &Record<'_>, batch: &mut Batch) -> Result<bool, String> {
    let d = r.doc;
    let account = text(d.need("account_id")?);
    let resource = text(d.need("resource_id")?);
    batch.layer = Some(Layer::State);
    let mut e = r.entitlement();
    e.entitlement_id = text(format!("{SYSTEM}|{account}|{CONNECT}|{resource}"));
    e.principal_id = account;
    e.role_id = text(CONNECT);
    e.privilege = text(CONNECT);
    e.scope = resource;
    e.scope_rank = Some(0);
    e.platform = text(SYSTEM);
    e.bound_at_lo = d.time("created_at", batch)?;
    e.bound_at_hi = d.time("granted_at", batch)?.or(e.bound_at_lo);
    e.not_after = d.time("expires_at", batch)?;
    e.says_temporary = Some(e.not_after.is_some());
    if let Some(role) = d.text("role_id")? {
        e.via.push(role);
    }
    batch.facts.entitlements.push(e);
    Ok(true)
}

fn query(r: &Record<'_>, batch: &mut Batch) -> Result<bool, String> {
    let d = r.doc;
    let id = d.need("id")?;
    let at = d.need_time("timestamp", batch)?;
    let end = match d.time("completed_at", batch)? {
        Some(end) => Some(end),
        None => d.duration("duration", 1e-9)?.map(|s| at.lo.plus_secs(s)),
    };
    batch.see(at.lo);
    let row = Usage {
        principal: text(d.need("account_id")?),
        platform: Some(text(SYSTEM)),
        privilege: Some(text(CONNECT)),
        scope: d.text("resource_id")?,
        action: Some(d.text("query_category")?.unwrap_or_else(|| text("query"))),
        resource: d.text("resource_name")?.or(d.text("resource_id")?),
        first_at: Some(at.lo),
        last_at: end.or(Some(at.lo)),
        count: Some(1),
        outcome: Outcome::Allowed,
        source_ip: d.text("client_ip")?.or(d.text("source_ip")?),
        ..r.usage()
    };
    // A long query has two rows of one id: what it was when it began, and when it ended.
    batch.book.session(&format!("{SYSTEM}/{id}"), row);
    Ok(true)
}
