//! kube-jit: the custom resource `JitRequest`, the role bindings its operator makes, and their deletion
//! in the Kubernetes audit log.
//!
//! The resource is deleted when access ends and no record of the end is kept: only the audit log of the
//! cluster has it.

use super::fold::{Event, Target};
use super::json::{Doc, JsonLedger, Record};
use crate::facts::{
    BindingKind, Decision, EndKind, EventKind, Grant, Layer, Outcome, Text, Verdict, text,
};
use crate::ingest::source::Batch;
use crate::ingest::table::short;

/// Name of the ledger.
const SYSTEM: &str = "kube-jit";
/// Annotation with the end, RFC 3339.
const EXPIRY: &str = "jit.kubejit.io/expiry";
/// Grants that one request may be: users times namespaces. No cluster has more namespaces in a request.
const MOST: usize = 10_000;

/// The format.
pub static ADAPTER: JsonLedger = JsonLedger {
    format: "kube-jit",
    title: "kube-jit requests, role bindings and their deletion",
    lists: &["items"],
    prefixed: false,
    keys: &[&["kind", "apiVersion"]],
    hints: &["jit.kubejit.io"],
    is: |d| {
        let api = |d: &Doc<'_>, key: &str| d.word(key).starts_with("jit.kubejit.io");
        (d.word("kind") == "jitrequest" && api(d, "apiVersion"))
            || expiry(d).is_some()
            || object(d).is_some_and(|(_, binding)| !binding)
    },
    read,
};

/// The annotation of a role binding that the operator made.
fn expiry<'a>(d: &Doc<'a>) -> Option<&'a str> {
    let annotations = d.child("metadata").ok()??.child("annotations").ok()??;
    annotations.str(EXPIRY).ok()?
}

/// Name of the request that a line of the cluster's audit log is about, and whether it is a binding.
fn object<'a>(d: &Doc<'a>) -> Option<(&'a str, bool)> {
    let of = d.child("objectRef").ok()??;
    let name = of.str("name").ok()??;
    match (of.word("resource").as_str(), of.word("apiGroup").as_str()) {
        ("jitrequests", "jit.kubejit.io") => Some((name, false)),
        ("rolebindings", _) => name.strip_suffix("-jit").map(|n| (n, true)),
        _ => None,
    }
}

fn read(r: &Record<'_>, batch: &mut Batch) -> Result<bool, String> {
    let d = r.doc;
    match d.word("kind").as_str() {
        "jitrequest" => request(r, batch).map(|()| true),
        "rolebinding" if expiry(&d).is_some() => binding(r, batch).map(|()| true),
        "event" => deleted(r, batch),
        _ => Ok(false),
    }
}

fn request(r: &Record<'_>, batch: &mut Batch) -> Result<(), String> {
    let d = r.doc;
    let metadata = d.child("metadata")?.ok_or("`metadata` is missing")?;
    let name = metadata.need("name")?;
    let created = metadata.need_time("creationTimestamp", batch)?;
    let spec = d.child("spec")?.ok_or("`spec` is missing")?;
    let state = match d.child("status")? {
        Some(status) => status.word("state"),
        None => String::new(),
    };
    let mut users: Vec<&str> = spec.strings("userEmails")?;
    users.extend(spec.str("user")?.filter(|_| users.is_empty()));
    for also in spec.strings("additionalEmails")? {
        if !users.contains(&also) {
            users.push(also);
        }
    }
    let namespaces = spec.strings("namespaces")?;
    if users.is_empty() {
        return Err("`spec.user` is missing".into());
    }
    if users.len().saturating_mul(namespaces.len().max(1)) > MOST {
        return Err(format!("more than {MOST} pairs of user and namespace in one request"));
    }
    let (start, end) = (spec.parsed("startTime", batch)?, spec.time("endTime", batch)?);
    batch.see(created.lo);
    let approver = spec.text("approver")?;
    let (decision, verdict) = match state.as_str() {
        "" | "pending" => (Decision::Pending, None),
        "preapproved" | "pre-approved" | "approved" | "succeeded" => {
            (Decision::Approved, Some(Verdict::Approve))
        }
        "rejected" | "denied" => (Decision::Denied, Some(Verdict::Deny)),
        other => return Err(format!("`status.state` is `{}`, which is unknown", short(other))),
    };
    let whole: Vec<Option<&str>> =
        if namespaces.is_empty() { vec![None] } else { namespaces.into_iter().map(Some).collect() };
    for user in &users {
        for namespace in &whole {
            let id = grant_id(name, user, *namespace);
            let facts = Grant {
                platform: Some(text("k8s")),
                beneficiary: text(user),
                requester: spec.text("reporter")?.or(spec.text("user")?),
                privilege: text(spec.need("clusterRole")?),
                scope: namespace.map(text),
                not_before: start.map(|t| t.lo),
                not_after: end,
                // When it was decided is not kept; the operator acts on a decided request only.
                decision,
                justification: spec.text("justification")?,
                ticket_id: spec.text("ticketID")?.or(spec.text("ticketId")?),
                ..r.grant()
            };
            if let Some(verdict) = verdict.filter(|_| approver.is_some()) {
                batch.facts.approvals.push(r.approval(&id, approver.clone(), verdict));
            }
            let draft = batch.book.draft(SYSTEM, &id);
            draft.key(name);
            draft.state(created.lo, facts);
            draft.push(r.event(EventKind::Requested, created));
            if let Some(t) = start.filter(|_| state == "succeeded") {
                draft.push(r.event(EventKind::Activated, t));
            }
        }
    }
    Ok(())
}

/// One grant per user and namespace, as one binding is made for each namespace.
fn grant_id(name: &str, user: &str, namespace: Option<&str>) -> String {
    namespace.map_or_else(|| format!("{name}/{user}"), |ns| format!("{name}/{ns}/{user}"))
}

/// A role binding of the operator: what is bound now, with the end it is meant to have.
fn binding(r: &Record<'_>, batch: &mut Batch) -> Result<(), String> {
    let d = r.doc;
    let metadata = d.child("metadata")?.ok_or("`metadata` is missing")?;
    let namespace = text(metadata.need("namespace")?);
    let bound = metadata.time("creationTimestamp", batch)?;
    let annotations = metadata.child("annotations")?.ok_or("`metadata.annotations` is missing")?;
    let end = annotations.time(EXPIRY, batch)?;
    let role = d.child("roleRef")?.ok_or("`roleRef` is missing")?;
    let role = text(role.need("name")?);
    batch.layer = Some(Layer::State);
    for subject in d.children("subjects")? {
        let who: Text = text(subject.need("name")?);
        let mut e = r.entitlement();
        e.entitlement_id = text(format!("k8s|{who}|{role}|{namespace}"));
        e.principal_id = who;
        e.role_id = role.clone();
        e.privilege = role.clone();
        e.scope = namespace.clone();
        e.scope_rank = Some(1);
        e.platform = text("k8s");
        e.binding_kind = BindingKind::Active;
        // Kubernetes does not enforce the annotation: it is a promise of the operator, not a condition.
        e.condition = end.map(|t| text(format!("annotation {EXPIRY}={t}")));
        e.says_temporary = Some(true);
        e.origin_hint = Some(text("kube-jit"));
        (e.bound_at_lo, e.bound_at_hi) = (bound, bound);
        batch.facts.entitlements.push(e);
    }
    Ok(())
}

/// Deletion in the cluster's audit log. That of the request only starts the removal of the bindings.
fn deleted(r: &Record<'_>, batch: &mut Batch) -> Result<bool, String> {
    let d = r.doc;
    let Some((name, is_binding)) = object(&d).filter(|_| d.word("verb") == "delete") else {
        return Ok(false);
    };
    // Each stage of a call is a line; only the last says what came of it.
    if !matches!(d.word("stage").as_str(), "" | "responsecomplete") {
        return Ok(false);
    }
    let at = match d.parsed("stageTimestamp", batch)? {
        Some(at) => at,
        None => d.need_time("requestReceivedTimestamp", batch)?,
    };
    batch.see(at.lo);
    let code = match d.child("responseStatus")? {
        Some(status) => status.int("code")?.unwrap_or(200),
        None => 200,
    };
    let actor = match d.child("user")? {
        Some(user) => user.text("username")?,
        None => None,
    };
    let failed = code >= 400;
    let event = Event {
        key: d.text("auditID")?.unwrap_or_default(),
        actor,
        unconfirmed: !is_binding,
        // Who scheduled it is not said: the operator deletes at the end as well as on a wish.
        end: Some(EndKind::Unknown),
        outcome: Outcome::Allowed,
        ..r.event(if failed { EventKind::RevokeFailed } else { EventKind::Revoked }, at)
    };
    batch.book.loose(SYSTEM, Target::Every(text(name)), event);
    Ok(true)
}
