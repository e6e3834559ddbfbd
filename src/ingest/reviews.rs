//! Generic table of access review decisions.

use crate::facts::{Layer, Review, text};

use super::source::Batch;
use super::table::{Row, TableAdapter, fields};

fields! {
    Principal = "principal" | "identity" | "principal_id",
    Privilege = "privilege" | "role" | "entitlement",
    Scope = "scope",
    Decision = "decision" | "verdict" | "outcome",
    Reviewer = "reviewer" | "reviewed_by",
    At = "at" | "reviewed_at" | "decided_at",
}

/// The format.
pub const ADAPTER: TableAdapter = TableAdapter {
    format: "reviews-generic",
    title: "Access review decisions (generic table)",
    layer: Layer::Review,
    fields: FIELDS,
    required: &[&["principal"], &["privilege"], &["decision"]],
    recognise: |n| {
        n.any(&["principal", "identity", "principal_id"])
            && n.any(&["privilege", "role", "entitlement"])
            && n.any(&["reviewer", "reviewed_by", "reviewed_at"])
            && n.any(&["decision", "verdict", "outcome"])
            && !n.any(&["grant_id", "native_id"])
    },
    row,
};

fn row(row: &Row<'_>, batch: &mut Batch) -> Result<(), String> {
    let word = row.word(F::Decision).ok_or("`decision` is missing")?;
    let decision = match word.as_str() {
        "keep" | "kept" | "approve" | "approved" | "certified" | "certify" | "maintain" => "keep",
        "narrow" | "narrowed" | "reduce" | "modify" => "narrow",
        "move_to_jit" | "jit" => "move_to_jit",
        "remove" | "removed" | "revoke" | "revoked" | "deny" | "denied" | "rejected" => "remove",
        _ => return Err(row.unknown_word(F::Decision)),
    };
    let at = row.instant(F::At)?;
    if let Some(t) = at {
        batch.see(t);
    }
    batch.facts.reviews.push(Review {
        principal: text(row.need(F::Principal)?),
        principal_id: None,
        privilege: row.share(row.need(F::Privilege)?),
        scope: row.shared(F::Scope),
        decision: row.share(decision),
        reviewer: row.shared(F::Reviewer),
        at,
        source_id: row.source_id.clone(),
        source_ref: row.source_ref.clone(),
    });
    Ok(())
}
