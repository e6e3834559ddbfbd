//! Infisical: access approval requests and leases of dynamic secrets (its API and tables).
//!
//! An approved request with `isTemporary` false is standing by design. A lease names the account it
//! made, not who asked for it.

use serde_json::Value;

use super::fold::Event;
use super::json::{Doc, JsonLedger, Record, joined};
use crate::facts::{
    BrokerKind, CredentialKind, Decision, EndKind, EventKind, Grant, Text, Verdict, text,
};
use crate::ingest::source::Batch;
use crate::ingest::table::short;

/// Name of the ledger and of the platform.
const SYSTEM: &str = "infisical";

/// The format.
pub static ADAPTER: JsonLedger = JsonLedger {
    format: "infisical",
    title: "Infisical access requests and dynamic secret leases",
    lists: &["requests", "leases"],
    prefixed: false,
    keys: &[&["isTemporary", "permissions"], &["externalEntityId", "expireAt"], &["lease"]],
    hints: &[],
    is: |d| {
        d.names(&["isTemporary", "permissions", "requestedByUserId"])
            || d.names(&["externalEntityId", "expireAt", "dynamicSecretId"])
            || d.names(&["externalEntityId", "expireAt", "statusDetails"])
            || d.child("lease")
                .ok()
                .flatten()
                .is_some_and(|l| l.names(&["externalEntityId", "expireAt"]))
    },
    read,
};

fn read(r: &Record<'_>, batch: &mut Batch) -> Result<bool, String> {
    if let Some(inner) = r.doc.child("lease")? {
        lease(&Record { doc: inner, ..r.clone() }, batch)?;
        return Ok(true);
    }
    if r.doc.has("externalEntityId") {
        lease(r, batch)?;
        return Ok(true);
    }
    if r.doc.has("isTemporary") {
        request(r, batch)?;
        return Ok(true);
    }
    Ok(false)
}

/// Permissions as `action subject`. They come as rules (`{action, subject}`) or packed (`[actions,
/// subjects, ...]`).
fn permissions(d: &Doc<'_>) -> Option<Text> {
    let list = d.get("permissions")?.as_array()?;
    let words = |v: &Value| match v {
        Value::String(s) => s.replace(',', "+"),
        Value::Array(list) => list.iter().filter_map(Value::as_str).collect::<Vec<_>>().join("+"),
        _ => String::new(),
    };
    let rules: Vec<String> = list
        .iter()
        .filter_map(|rule| {
            let (action, subject) = match rule {
                Value::Object(rule) => (rule.get("action")?, rule.get("subject")?),
                Value::Array(rule) => (rule.first()?, rule.get(1)?),
                _ => return None,
            };
            Some(format!("{} {}", words(action), words(subject)))
        })
        .collect();
    joined(&rules)
}

/// Project, environment and path that a request is about.
fn place(d: &Doc<'_>) -> Result<Option<Text>, String> {
    let path = match d.child("policy")? {
        Some(policy) => policy.str("secretPath")?,
        None => None,
    };
    let parts = [d.str("projectId")?, d.str("environment")?, path.map(|p| p.trim_matches('/'))];
    let parts: Vec<&str> = parts.into_iter().flatten().filter(|p| !p.is_empty()).collect();
    Ok((!parts.is_empty()).then(|| text(parts.join("/"))))
}

fn request(r: &Record<'_>, batch: &mut Batch) -> Result<(), String> {
    let d = r.doc;
    let id = d.need("id")?;
    let created = d.need_time("createdAt", batch)?;
    let updated = d.parsed("updatedAt", batch)?.unwrap_or(created);
    batch.see(created.lo);
    batch.see(updated.lo);
    let user = d.child("requestedByUser")?;
    let email = user.map(|u| u.text("email")).transpose()?.flatten();
    let who = email.or(d.text("requestedByUserId")?).ok_or("`requestedByUserId` is missing")?;
    let privilege = d.child("privilege")?;
    let given = d.flag("isApproved")?.unwrap_or(false)
        || privilege.is_some()
        || d.str("privilegeId")?.is_some()
        || d.word("status") == "approved";
    let temporary = d.flag("isTemporary")?.ok_or("`isTemporary` is missing")?;
    let (mut start, mut end) = (None, None);
    if let Some(p) = privilege {
        start = p.time("temporaryAccessStartTime", batch)?;
        end = p.time("temporaryAccessEndTime", batch)?;
    }
    let rejected = d.word("status") == "rejected" || reviews(r, id, batch)?;
    let standing = given && !temporary;
    let facts = Grant {
        platform: Some(text(SYSTEM)),
        beneficiary: who.clone(),
        requester: Some(who.clone()),
        privilege: permissions(&d).unwrap_or_else(|| text("additional privilege")),
        scope: place(&d)?,
        decision: match (given, rejected) {
            (true, _) => Decision::Approved,
            (_, true) => Decision::Denied,
            _ => Decision::Pending,
        },
        justification: d.text("note")?,
        duration_requested_s: d.duration("temporaryRange", 1.0)?.filter(|_| temporary),
        not_before: start,
        not_after: end.filter(|_| temporary),
        // Given between request and last update where the start is not recorded.
        activated_at_lo: start.or(given.then_some(created.lo)),
        activated_at_hi: start.or(given.then_some(updated.lo)),
        end_kind: if standing { EndKind::Open } else { EndKind::Unknown },
        grant_kind: Some(text(if temporary { "temporary" } else { "permanent" })),
        ..r.grant()
    };
    let gone = d.parsed("privilegeDeletedAt", batch)?;
    let draft = batch.book.draft(SYSTEM, id);
    draft.endless |= standing;
    draft.state(updated.lo, facts);
    draft.push(Event { actor: Some(who), ..r.event(EventKind::Requested, created) });
    if let Some(t) = gone {
        draft.push(r.event(EventKind::Revoked, t));
    }
    Ok(())
}

/// Votes on a request; whether one of them refused it.
fn reviews(r: &Record<'_>, id: &str, batch: &mut Batch) -> Result<bool, String> {
    let mut refused = false;
    for review in r.doc.children("reviewers")? {
        let verdict = match review.word("status").as_str() {
            "approved" => Verdict::Approve,
            "rejected" => Verdict::Deny,
            _ => continue,
        };
        refused |= verdict == Verdict::Deny;
        batch.facts.approvals.push(r.approval(id, review.text("userId")?, verdict));
    }
    Ok(refused)
}

fn lease(r: &Record<'_>, batch: &mut Batch) -> Result<(), String> {
    let d = r.doc;
    let id = d.need("id")?;
    let created = d.need_time("createdAt", batch)?;
    let updated = d.parsed("updatedAt", batch)?.unwrap_or(created);
    let expires = d.time("expireAt", batch)?;
    batch.see(created.lo);
    batch.see(updated.lo);
    let account = text(d.need("externalEntityId")?);
    let status = d.word("status");
    let (event, failed) = match status.as_str() {
        "" | "active" => (None, false),
        "failed to delete" | "faileddeletion" | "failed_deletion" => {
            (Some(EventKind::RevokeFailed), true)
        }
        "revocation in process" | "deleting" => (Some(EventKind::RevokeRequested), false),
        _ => return Err(format!("`status` is `{}`, which is unknown", short(&status))),
    };
    let secret = match d.child("dynamicSecret")? {
        Some(s) => s.text("name")?,
        None => None,
    };
    let facts = Grant {
        platform: Some(text(SYSTEM)),
        broker_kind: BrokerKind::Credential,
        beneficiary: account.clone(),
        privilege: secret.or(d.text("dynamicSecretId")?).unwrap_or_else(|| text("dynamic secret")),
        not_before: Some(created.lo),
        not_after: expires,
        grant_kind: Some(text("lease")),
        end_kind: if failed { EndKind::FailedToRevoke } else { EndKind::Unknown },
        ..r.grant()
    };
    let mut c = r.credential();
    c.kind = CredentialKind::Lease;
    c.principal = account;
    c.grant_id = Some(text(id));
    (c.issued_at, c.rotated_at) = (Some(created.lo), Some(created.lo));
    c.expires_at = expires;
    c.no_expiry = expires.map(|_| false);
    batch.book.credential(id, c);
    let reason = d.text("statusDetails")?;
    let draft = batch.book.draft(SYSTEM, id);
    draft.state(updated.lo, facts);
    draft.push(r.event(EventKind::CredentialIssued, created));
    if let Some(kind) = event {
        draft.push(Event { reason, ..r.event(kind, updated) });
    }
    Ok(())
}
