//! SPIRE registration entries (`spire-server entry show|create -output json`).
//!
//! An entry is the right of a workload to get identity documents. They rotate hourly, the entry does
//! not: without `expires_at` (`"0"`) it is a standing registration.

use super::json::{Doc, JsonLedger, Record, joined};
use crate::facts::{BrokerKind, Decision, EndKind, EventKind, Grant, PrincipalKind, text};
use crate::ingest::source::Batch;

/// Name of the ledger and of the platform.
const SYSTEM: &str = "spire";

/// The format.
pub static ADAPTER: JsonLedger = JsonLedger {
    format: "spire-entries",
    title: "SPIRE registration entries",
    lists: &["entries", "results"],
    prefixed: false,
    keys: &[&["spiffe_id", "parent_id"], &["entry"]],
    hints: &[],
    is: |d| {
        let entry = |d: &Doc<'_>| d.names(&["spiffe_id", "parent_id", "selectors"]);
        entry(d) || d.child("entry").ok().flatten().is_some_and(|e| entry(&e))
    },
    read,
};

fn read(r: &Record<'_>, batch: &mut Batch) -> Result<bool, String> {
    let status = r.doc.child("status")?;
    let nested = r.doc.child("entry")?;
    if nested.is_none() && !r.doc.has("spiffe_id") {
        return Ok(false);
    }
    let d = nested.unwrap_or(r.doc);
    let refused = match status {
        Some(s) => s.int("code")?.unwrap_or(0) != 0,
        None => false,
    };
    let id = d.need("id")?;
    let (name, domain) = spiffe_id(&d)?;
    let created = d.parsed("created_at", batch)?;
    let lifetimes = [d.int("x509_svid_ttl")?, d.int("jwt_svid_ttl")?];
    let mut rights = vec!["identity"];
    for (flag, right) in [("admin", "admin"), ("downstream", "downstream")] {
        if d.flag(flag)?.unwrap_or(false) {
            rights.push(right);
        }
    }
    let facts = Grant {
        platform: Some(text(SYSTEM)),
        broker_kind: BrokerKind::Credential,
        beneficiary: text(name),
        beneficiary_kind: Some(PrincipalKind::Workload),
        privilege: joined(&rights).unwrap_or_default(),
        scope: domain.map(text),
        not_before: created.map(|t| t.lo),
        // Epoch seconds as text; `0` is no time.
        not_after: d.time("expires_at", batch)?,
        session_duration_s: lifetimes.into_iter().flatten().max().filter(|s| *s > 0),
        decision: if refused { Decision::Failed } else { Decision::Unknown },
        end_kind: if refused { EndKind::Failed } else { EndKind::Unknown },
        grant_kind: Some(text("registration")),
        ..r.grant()
    };
    let at = created.map(|t| t.lo).unwrap_or_default();
    let event = created.filter(|_| !refused).map(|t| r.event(EventKind::Activated, t));
    if let Some(t) = created {
        batch.see(t.lo);
    }
    let draft = batch.book.draft(SYSTEM, id);
    draft.state(at, facts);
    if let Some(e) = event {
        draft.push(e);
    }
    Ok(true)
}

/// The id as text and its trust domain. The command line writes an object, the API a text.
fn spiffe_id(d: &Doc<'_>) -> Result<(String, Option<String>), String> {
    if let Some(s) = d.get("spiffe_id").and_then(serde_json::Value::as_str) {
        let domain = s.strip_prefix("spiffe://").and_then(|r| r.split('/').next());
        return Ok((s.to_owned(), domain.map(str::to_owned)));
    }
    let id = d.child("spiffe_id")?.ok_or("`spiffe_id` is missing")?;
    let domain = id.need("trust_domain")?;
    let path = id.str("path")?.unwrap_or_default();
    Ok((format!("spiffe://{domain}{path}"), Some(domain.to_owned())))
}
