//! Generic table of grant events.

use crate::facts::{EventKind, GrantEvent, Layer, Outcome};
use crate::ingest::source::Batch;
use crate::ingest::table::{Row, TableAdapter, fields};

fields! {
    GrantId = "grant_id" | "native_id" | "request_id",
    Event = "event" | "kind" | "event_type",
    At = "at" | "occurred_at" | "time" | "timestamp",
    RecordedAt = "recorded_at",
    Actor = "actor" | "actor_id" | "by",
    OutcomeOf = "outcome",
    NewEnd = "new_end" | "extended_until",
    Reason = "reason" | "detail" | "comment",
}

/// The format.
pub const ADAPTER: TableAdapter = TableAdapter {
    format: "grant-events-generic",
    title: "Grant events (generic table)",
    layer: Layer::Ledger,
    fields: FIELDS,
    required: &[&["grant_id"], &["event"], &["at"]],
    recognise: |n| {
        n.all(&["grant_id"])
            && n.any(&["event", "event_type", "kind"])
            && n.any(&["at", "occurred_at", "time", "timestamp"])
            && !n.any(&["principal", "beneficiary", "approver", "credential_id"])
    },
    row,
};

fn row(row: &Row<'_>, batch: &mut Batch) -> Result<(), String> {
    let word = row.word(F::Event).ok_or("`event` is missing")?;
    let kind = kind(&word).ok_or_else(|| row.unknown_word(F::Event))?;
    let occurred_at = row.instant(F::At)?.ok_or("`at` is missing")?;
    let outcome = match row.word(F::OutcomeOf).as_deref() {
        None | Some("allowed" | "success" | "ok") => Outcome::Allowed,
        Some("denied") => Outcome::Denied,
        Some("error" | "failure" | "failed") => Outcome::Error,
        Some(_) => return Err(row.unknown_word(F::OutcomeOf)),
    };
    let new_end = row.time(F::NewEnd)?.map(|p| p.hi);
    let recorded_at = row.instant(F::RecordedAt)?;
    batch.see(occurred_at);
    batch.facts.grant_events.push(GrantEvent {
        grant_id: row.text(F::GrantId),
        kind,
        occurred_at,
        recorded_at,
        actor: row.shared(F::Actor),
        outcome,
        new_end,
        reason: row.text(F::Reason),
        source_id: row.source_id.clone(),
        source_ref: row.source_ref.clone(),
    });
    Ok(())
}

fn kind(word: &str) -> Option<EventKind> {
    Some(match word {
        "request" | "created" => EventKind::Requested,
        "approve" => EventKind::Approved,
        "deny" | "rejected" => EventKind::Denied,
        "canceled" | "cancelled" => EventKind::Withdrawn,
        "granted" | "activate" | "started" => EventKind::Activated,
        "extend" => EventKind::Extended,
        "renew" => EventKind::Renewed,
        "revoke" | "removed" => EventKind::Revoked,
        "expire" => EventKind::Expired,
        other => EventKind::from_word(other)?,
    })
}
