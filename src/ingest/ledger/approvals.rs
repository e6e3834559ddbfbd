//! Generic table of approvals.

use crate::facts::{Approval, ApprovalMethod, Layer};
use crate::ingest::source::Batch;
use crate::ingest::table::{Row, TableAdapter, fields};

fields! {
    ApprovalId = "approval_id" | "review_id",
    GrantId = "grant_id" | "request_id" | "native_id",
    Approver = "approver" | "approved_by" | "reviewer",
    Decision = "decision" | "verdict" | "status",
    DecidedAt = "decided_at" | "approved_at" | "at",
    RequiredOf = "required" | "quorum",
    Method = "method",
    Privilege = "privilege" | "role" | "approved_privilege",
    Scope = "scope",
}

/// The format.
pub const ADAPTER: TableAdapter = TableAdapter {
    format: "approvals-generic",
    title: "Approvals (generic table)",
    layer: Layer::Ledger,
    fields: FIELDS,
    required: &[&["approval_id", "grant_id"], &["decision"], &["approver", "method"]],
    recognise: |n| {
        n.any(&["approval_id", "grant_id"])
            && n.any(&["approver", "approved_by"])
            && n.any(&["decision", "verdict"])
            && !n.any(&["principal", "beneficiary", "granted_at", "activated_at"])
    },
    row,
};

fn row(row: &Row<'_>, batch: &mut Batch) -> Result<(), String> {
    let grant_id = row.text(F::GrantId);
    let approval_id = row.text(F::ApprovalId);
    if grant_id.is_none() && approval_id.is_none() {
        return Err("`approval_id` and `grant_id` are both missing".into());
    }
    let word = row.word(F::Decision).ok_or("`decision` is missing")?;
    let verdict = super::verdict(&word).ok_or_else(|| row.unknown_word(F::Decision))?;
    let method = match row.word(F::Method) {
        Some(w) => super::method(&w).ok_or_else(|| row.unknown_word(F::Method))?,
        None if word == "auto_approved" => ApprovalMethod::Policy,
        None => ApprovalMethod::Unknown,
    };
    let at = row.instant(F::DecidedAt)?;
    let required = row.count(F::RequiredOf)?;
    if let Some(t) = at {
        batch.see(t);
    }
    batch.facts.approvals.push(Approval {
        approval_id: approval_id.unwrap_or_default(),
        grant_id,
        approver: row.shared(F::Approver),
        approver_id: None,
        verdict,
        at,
        required,
        method,
        privilege: row.shared(F::Privilege),
        scope: row.shared(F::Scope),
        source_id: row.source_id.clone(),
        source_ref: row.source_ref.clone(),
    });
    Ok(())
}
