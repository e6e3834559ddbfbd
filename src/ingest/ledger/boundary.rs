//! HashiCorp Boundary sessions (`boundary sessions list|read -format json`; `session.proto`).
//!
//! A session is the grant: permission is judged once, when it is established, and holds until the
//! session ends. States are listed from the current one back, not in order of time.

use super::fold::Event;
use super::json::{Doc, JsonLedger, Record};
use crate::facts::{BrokerKind, EndKind, EventKind, Grant, Outcome, Text, Usage, text};
use crate::ingest::source::Batch;
use crate::ingest::table::short;

/// Name of the ledger and of the platform.
const SYSTEM: &str = "boundary";

/// The format.
pub static ADAPTER: JsonLedger = JsonLedger {
    format: "boundary-sessions",
    title: "HashiCorp Boundary sessions",
    lists: &["items"],
    prefixed: false,
    keys: &[&["id", "target_id", "user_id"], &["item"]],
    hints: &[],
    is: |d| {
        let session = |d: &Doc<'_>| {
            d.names(&["id", "target_id", "user_id"])
                && (d.names(&["expiration_time"]) || d.names(&["states"]))
        };
        session(d) || d.child("item").ok().flatten().is_some_and(|item| session(&item))
    },
    read,
};

/// Why a session ended (the closed list of the product).
fn end_kind(reason: &str) -> EndKind {
    match reason {
        "timed out" => EndKind::Expired,
        "closed by end-user" => EndKind::RevokedByUser,
        "terminated" | "network error" | "system error" | "connection limit" => {
            EndKind::RevokedBySystem
        }
        // Whoever may cancel can have done so: the user as well as an administrator.
        _ => EndKind::Unknown,
    }
}

fn read(r: &Record<'_>, batch: &mut Batch) -> Result<bool, String> {
    let item = r.doc.child("item")?;
    let d = item.unwrap_or(r.doc);
    let id = d.need("id")?;
    let created = d.need_time("created_time", batch)?;
    batch.see(created.lo);
    let updated = d.time("updated_time", batch)?.unwrap_or(created.lo);
    let reason = d.text("termination_reason")?;
    let target = d.text("target_id")?;
    let facts = Grant {
        platform: Some(text(SYSTEM)),
        broker_kind: BrokerKind::Session,
        beneficiary: text(d.need("user_id")?),
        requester: d.text("user_id")?,
        privilege: text("authorize-session"),
        scope: target.clone(),
        not_before: Some(created.lo),
        not_after: d.time("expiration_time", batch)?,
        ..r.grant()
    };
    let mut events =
        vec![Event { actor: d.text("user_id")?, ..r.event(EventKind::Requested, created) }];
    let (mut active, mut over, mut canceling) = (None, None, None);
    // The product itself cancels a session whose time is up: nobody asked for that.
    let due = facts.not_after;
    let timed_out = reason.as_deref() == Some("timed out");
    for state in d.children("states")? {
        let start = state.need_time("start_time", batch)?;
        batch.see(start.lo);
        let kind = match state.need("status")? {
            // What creation says already.
            "pending" => continue,
            "active" => EventKind::Activated,
            "canceling" if timed_out || due.is_some_and(|t| t <= start.lo) => {
                let gone =
                    Event { end: Some(EndKind::Expired), ..r.event(EventKind::Expired, start) };
                canceling = Some(gone);
                continue;
            }
            "canceling" => {
                canceling = Some(Event {
                    end: Some(end_kind(reason.as_deref().unwrap_or_default())),
                    ..r.event(EventKind::Revoked, start)
                });
                EventKind::RevokeRequested
            }
            "terminated" => EventKind::Revoked,
            other => return Err(format!("`status` is `{}`, which is unknown", short(other))),
        };
        let mut event = r.event(kind, start);
        if kind == EventKind::Activated {
            active = Some(start.lo);
        }
        if kind == EventKind::Revoked {
            over = Some(start.lo);
            let end = end_kind(reason.as_deref().unwrap_or_default());
            event.end = Some(end);
            event.reason.clone_from(&reason);
            if end == EndKind::Expired {
                event.kind = EventKind::Expired;
            }
        }
        events.push(event);
    }
    // Being cancelled, it takes no connection any more; that its connections are closed, only the last
    // state says.
    if let Some(gone) = canceling.filter(|_| over.is_none()) {
        let reason = Some(text("canceling"));
        events.push(Event { unconfirmed: true, reason, ..gone });
    }
    let connections = d.list("connections")?.len();
    if let Some(start) = active.filter(|_| connections > 0) {
        let row = Usage {
            principal: facts.beneficiary.clone(),
            platform: Some(text(SYSTEM)),
            privilege: Some(facts.privilege.clone()),
            scope: target.clone(),
            grant_id: Some(text(id)),
            action: Some(text("connect")),
            resource: d.text("endpoint")?.or(target),
            first_at: Some(start),
            // Connections carry no times; the session that holds them does.
            last_at: over.or(Some(start)),
            count: i64::try_from(connections).ok(),
            outcome: Outcome::Allowed,
            source_ip: client(&d)?,
            ..r.usage()
        };
        batch.book.session(&format!("{SYSTEM}/{id}"), row);
    }
    let draft = batch.book.draft(SYSTEM, id);
    draft.state(updated, facts);
    for e in events {
        draft.push(e);
    }
    Ok(true)
}

/// Address of the client, when all connections came from one.
fn client(d: &Doc<'_>) -> Result<Option<Text>, String> {
    let mut found = None;
    for c in d.children("connections")? {
        let ip = c.text("client_tcp_address")?;
        if found.is_some() && ip != found {
            return Ok(None);
        }
        found = ip;
    }
    Ok(found)
}
