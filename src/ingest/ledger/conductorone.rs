//! ConductorOne: tasks that grant and revoke, and bindings of entitlements (public API 1, as the SDK
//! models it), and connector grants.
//!
//! A revocation is a task of its own and names account and entitlement, not the task that granted. A
//! connector's grant has no time at all: it is what is bound, not what was given.

use super::fold::{Event, Target};
use super::json::{Doc, JsonLedger, Record};
use crate::facts::time::ParsedTime;
use crate::facts::{
    Alias, Confidence, Decision, EndKind, EventKind, Grant, Layer, Text, Verdict, text,
};
use crate::ingest::source::Batch;
use crate::ingest::table::short;

/// Name of the ledger.
const SYSTEM: &str = "conductorone";

/// The format.
pub static ADAPTER: JsonLedger = JsonLedger {
    format: "conductorone",
    title: "ConductorOne tasks, bindings and connector grants",
    lists: &["list", "grants"],
    prefixed: false,
    keys: &[
        &["type", "state", "createdAt"],
        &["task"],
        &["appEntitlementId", "appUserId"],
        &["entitlement", "principal", "id"],
    ],
    hints: &[],
    is: |d| {
        let task = |d: &Doc<'_>| {
            d.names(&["type", "state", "createdAt"])
                && (d.names(&["numericId"]) || d.names(&["emergencyAccess"]))
        };
        task(d)
            || d.child("task").ok().flatten().is_some_and(|t| task(&t))
            || d.names(&["appEntitlementId", "appUserId", "appId"])
            || (d.names(&["entitlement", "principal", "id"]) && is_connector(d))
    },
    read,
};

/// A connector's grant has objects where other formats have names.
fn is_connector(d: &Doc<'_>) -> bool {
    d.child("entitlement").is_ok_and(|e| e.is_some())
        && d.child("principal").is_ok_and(|p| p.is_some())
}

fn read(r: &Record<'_>, batch: &mut Batch) -> Result<bool, String> {
    if let Some(task) = r.doc.child("task")? {
        return task_record(r, &task, batch);
    }
    if r.doc.has("entitlement") {
        return connector(r, batch);
    }
    if r.doc.has("appEntitlementId") {
        return binding(r, batch);
    }
    task_record(r, &r.doc, batch)
}

/// What joins a grant, its binding and its revocation.
fn key(d: &Doc<'_>) -> Result<Option<Text>, String> {
    let (Some(user), Some(what)) = (d.str("appUserId")?, d.str("appEntitlementId")?) else {
        return Ok(None);
    };
    Ok(Some(text(format!("{}|{user}|{what}", d.str("appId")?.unwrap_or_default()))))
}

fn task_record(r: &Record<'_>, task: &Doc<'_>, batch: &mut Batch) -> Result<bool, String> {
    let Some(kind) = task.child("type")? else { return Ok(false) };
    let id = task.id("id")?.ok_or("`id` is missing")?;
    let created = task.need_time("createdAt", batch)?;
    batch.see(created.lo);
    if let Some(grant) = kind.child("grant")? {
        granted(r, task, &grant, &id, created, batch)?;
        return Ok(true);
    }
    if let Some(revoke) = kind.child("revoke")? {
        revoked(r, task, &revoke, created, batch)?;
        return Ok(true);
    }
    Ok(false)
}

fn granted(
    r: &Record<'_>,
    task: &Doc<'_>,
    grant: &Doc<'_>,
    id: &str,
    created: ParsedTime,
    batch: &mut Batch,
) -> Result<(), String> {
    let who = grant.text("identityUserId")?.or(task.text("userId")?).or(grant.text("appUserId")?);
    let requester = task.text("createdByUserId")?;
    let source = grant.child("source")?;
    let at = grant.parsed("outcomeTime", batch)?;
    let outcome = grant.word("outcome");
    let (event, decision) = match outcome.trim_start_matches("grant_outcome_") {
        "" | "unspecified" => (None, Decision::Unknown),
        // Given means approved before; when is in the steps of the policy.
        "granted" => (Some(EventKind::Activated), Decision::Approved),
        "denied" => (Some(EventKind::Denied), Decision::Denied),
        "error" => (Some(EventKind::ActivationFailed), Decision::Failed),
        "cancelled" => (Some(EventKind::Withdrawn), Decision::Withdrawn),
        "wait_timed_out" => (Some(EventKind::Lapsed), Decision::Lapsed),
        _ => return Err(format!("`outcome` is `{}`, which is unknown", short(&outcome))),
    };
    let facts = Grant {
        beneficiary: who.ok_or("`identityUserId` is missing")?,
        requester: requester.clone(),
        privilege: text(grant.need("appEntitlementId")?),
        scope: grant.text("appId")?,
        duration_requested_s: grant.duration("grantDuration", 1.0)?.filter(|s| *s > 0),
        break_glass: task.flag("emergencyAccess")?,
        decision,
        justification: task.text("description")?,
        ticket_id: source.map(|s| s.text("externalUrl")).transpose()?.flatten(),
        ..r.grant()
    };
    approvals(r, task, id, batch)?;
    // Bindings name the account of the application, tasks the person too.
    if let (Some(person), Some(account)) = (grant.text("identityUserId")?, grant.text("appUserId")?)
    {
        batch.facts.aliases.push(Alias {
            principal_id: person,
            alias_type: text("app_user"),
            alias: account,
            issuer: grant.text("appId")?,
            confidence: Confidence::Exact,
            source_id: r.source_id.clone(),
            source_ref: r.source_ref.clone(),
            ..Alias::default()
        });
    }
    let requested = Event { actor: requester, ..r.event(EventKind::Requested, created) };
    let draft = batch.book.draft(SYSTEM, id);
    if let Some(key) = key(grant)? {
        draft.key(key);
    }
    draft.state(at.unwrap_or(created).lo, facts);
    draft.push(requested);
    if let (Some(kind), Some(at)) = (event, at) {
        draft.push(r.event(kind, at));
    }
    Ok(())
}

/// Decisions in the steps that the policy went through.
fn approvals(r: &Record<'_>, task: &Doc<'_>, id: &str, batch: &mut Batch) -> Result<(), String> {
    let Some(policy) = task.child("policy")? else { return Ok(()) };
    for step in policy.children("history")? {
        let Some(approval) = step.child("approval")? else { continue };
        let verdicts =
            [("approved", "approvedAt", Verdict::Approve), ("denied", "deniedAt", Verdict::Deny)];
        for (field, time, verdict) in verdicts {
            let Some(act) = approval.child(field)? else { continue };
            let mut row = r.approval(id, act.text("userId")?, verdict);
            row.at = act.time(time, batch)?;
            batch.facts.approvals.push(row);
        }
    }
    Ok(())
}

fn revoked(
    r: &Record<'_>,
    task: &Doc<'_>,
    revoke: &Doc<'_>,
    created: ParsedTime,
    batch: &mut Batch,
) -> Result<(), String> {
    let target = key(revoke)?.map_or(Target::Unknown, Target::Running);
    let source = revoke.child("source")?;
    let has = |what: &str| source.is_some_and(|s| s.has(what));
    let origin = task.word("origin");
    let end = if has("expired") || origin.ends_with("_time_revoke") {
        EndKind::Expired
    } else if has("nonUsage") || origin.ends_with("non_usage_revoke") {
        EndKind::RevokedBySystem
    } else if has("review") || origin.ends_with("access_review") {
        EndKind::RevokedByAdmin
    } else if task
        .str("createdByUserId")?
        .is_some_and(|by| revoke.str("identityUserId").ok().flatten() == Some(by))
    {
        EndKind::RevokedByUser
    } else {
        EndKind::Unknown
    };
    let actor = task.text("createdByUserId")?;
    let asked = Event { actor: actor.clone(), ..r.event(EventKind::RevokeRequested, created) };
    let outcome = revoke.word("outcome");
    let kind = match outcome.trim_start_matches("revoke_outcome_") {
        "revoked" if end == EndKind::Expired => Some(EventKind::Expired),
        "revoked" => Some(EventKind::Revoked),
        "error" => Some(EventKind::RevokeFailed),
        // Nobody removed anything.
        "" | "unspecified" | "denied" | "cancelled" | "wait_timed_out" => None,
        _ => return Err(format!("`outcome` is `{}`, which is unknown", short(&outcome))),
    };
    let done = match revoke.parsed("outcomeTime", batch)? {
        Some(at) => kind.map(|kind| Event { actor, end: Some(end), ..r.event(kind, at) }),
        None => None,
    };
    // The scheduled removal is no wish of anybody; its task is created when the grant is due.
    if end != EndKind::Expired {
        batch.book.loose(SYSTEM, target.clone(), asked);
    }
    if let Some(e) = done {
        batch.see(e.at);
        batch.book.loose(SYSTEM, target, e);
    }
    Ok(())
}

/// A binding: what of a grant took effect, until when it is due, and when it was gone.
fn binding(r: &Record<'_>, batch: &mut Batch) -> Result<bool, String> {
    let d = r.doc;
    let key = key(&d)?.ok_or("`appUserId` is missing")?;
    let created = d.need_time("createdAt", batch)?;
    let due = d.time("deprovisionAt", batch)?;
    let gone = d.parsed("deletedAt", batch)?;
    batch.see(created.lo);
    let (who, what) = (text(d.need("appUserId")?), text(d.need("appEntitlementId")?));
    batch.layer = Some(Layer::State);
    let mut e = r.entitlement();
    e.scope = d.text("appId")?.unwrap_or_else(|| text(SYSTEM));
    e.entitlement_id = text(format!("{SYSTEM}|{who}|{what}|{}", e.scope));
    e.principal_id = who;
    e.role_id = what.clone();
    e.privilege = what;
    e.platform = text(SYSTEM);
    (e.bound_at_lo, e.bound_at_hi) = (Some(created.lo), Some(created.lo));
    e.not_after = due;
    e.says_temporary = Some(due.is_some());
    (e.unbound_at_lo, e.unbound_at_hi) = (gone.map(|t| t.lo), gone.map(|t| t.lo));
    batch.facts.entitlements.push(e);
    let target = Target::Running(key);
    batch.book.loose(SYSTEM, target.clone(), r.event(EventKind::Activated, created));
    if let Some(t) = gone {
        batch.see(t.lo);
        batch.book.loose(SYSTEM, target, r.event(EventKind::UnboundObserved, t));
    }
    Ok(true)
}

/// A connector's grant: state without time.
fn connector(r: &Record<'_>, batch: &mut Batch) -> Result<bool, String> {
    let d = r.doc;
    let (Some(entitlement), Some(principal)) = (d.child("entitlement")?, d.child("principal")?)
    else {
        return Ok(false);
    };
    let name = |d: &Doc<'_>| -> Result<Option<Text>, String> {
        match d.child("id")? {
            Some(id) => Ok(Some(text(format!(
                "{}:{}",
                id.str("resourceType")?.unwrap_or("resource"),
                id.need("resource")?
            )))),
            None => d.text("id"),
        }
    };
    let who = name(&principal)?.ok_or("`principal.id` is missing")?;
    let what = entitlement.text("id")?.ok_or("`entitlement.id` is missing")?;
    let on = match entitlement.child("resource")? {
        Some(resource) => name(&resource)?,
        None => None,
    };
    batch.layer = Some(Layer::State);
    let mut e = r.entitlement();
    e.scope = on.unwrap_or_else(|| text(SYSTEM));
    e.entitlement_id = text(format!("{SYSTEM}|{who}|{what}|{}", e.scope));
    e.principal_id = who;
    e.role_id = what.clone();
    e.privilege = entitlement.text("displayName")?.unwrap_or(what);
    e.platform = text(SYSTEM);
    e.via = d.child("sources")?.map(|_| text("sources")).into_iter().collect();
    batch.facts.entitlements.push(e);
    Ok(true)
}
