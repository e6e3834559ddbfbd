//! Opal: requests and what users hold (`GET /requests`, `GET /resources/{id}/users`).
//!
//! A request has no status for removal; whether access ended shows in the user's absence from the
//! resource. `duration_minutes` null means for ever.

use super::json::{Doc, JsonLedger, Record};
use crate::facts::{
    BindingKind, Decision, EndKind, EventKind, Grant, Layer, Principal, PrincipalKind, text,
};
use crate::ingest::source::Batch;
use crate::ingest::table::short;

/// Name of the ledger.
const SYSTEM: &str = "opal";

/// The format.
pub static ADAPTER: JsonLedger = JsonLedger {
    format: "opal",
    title: "Opal requests and resource users",
    lists: &["results", "requests"],
    prefixed: false,
    keys: &[&["requester_id"], &["resource_id", "user_id", "access_level"]],
    hints: &[],
    is: |d| {
        d.names(&["requester_id", "requested_items_list"])
            || d.names(&["requester_id", "duration_minutes", "status"])
            || d.names(&["resource_id", "user_id", "access_level"])
    },
    read,
};

fn read(r: &Record<'_>, batch: &mut Batch) -> Result<bool, String> {
    if r.doc.has("requester_id") {
        request(r, batch)?;
        return Ok(true);
    }
    if r.doc.has("access_level") {
        holder(r, batch)?;
        return Ok(true);
    }
    Ok(false)
}

fn request(r: &Record<'_>, batch: &mut Batch) -> Result<(), String> {
    let d = r.doc;
    let id = d.need("id")?;
    let created = d.need_time("created_at", batch)?;
    let updated = d.parsed("updated_at", batch)?.unwrap_or(created);
    batch.see(created.lo);
    batch.see(updated.lo);
    let requester = text(d.need("requester_id")?);
    let group = d.text("target_group_id")?;
    let beneficiary_kind = group.as_ref().map(|_| PrincipalKind::Group);
    let beneficiary = group.or(d.text("target_user_id")?).unwrap_or_else(|| requester.clone());
    // The product does not say when it decided; it did so by the last update.
    let (decision, event) = match d.word("status").as_str() {
        "pending" => (Decision::Pending, None),
        "approved" => (Decision::Approved, None),
        "denied" => (Decision::Denied, Some(EventKind::Denied)),
        "canceled" => (Decision::Withdrawn, Some(EventKind::Withdrawn)),
        other => return Err(format!("`status` is `{}`, which is unknown", short(other))),
    };
    let approved = decision == Decision::Approved;
    let length = d.int("duration_minutes")?.map(|m| m.saturating_mul(60));
    let items = d.children("requested_items_list")?;
    if items.is_empty() {
        return Err("`requested_items_list` is empty".into());
    }
    for (i, item) in items.iter().enumerate() {
        let (privilege, scope) = asked(item)?;
        let facts = Grant {
            beneficiary: beneficiary.clone(),
            beneficiary_kind,
            requester: Some(requester.clone()),
            privilege,
            scope,
            decision,
            justification: d.text("reason")?,
            duration_requested_s: length,
            // Given between request and last update; the due time counts from the latter.
            activated_at_lo: approved.then_some(created.lo),
            activated_at_hi: approved.then_some(updated.lo),
            not_after: length.filter(|_| approved).map(|s| updated.lo.plus_secs(s)),
            end_kind: if approved && length.is_none() { EndKind::Open } else { EndKind::Unknown },
            ..r.grant()
        };
        let name = if items.len() == 1 { id.to_owned() } else { format!("{id}#{}", i + 1) };
        let draft = batch.book.draft(SYSTEM, &name);
        draft.state(updated.lo, facts);
        draft.push(r.event(EventKind::Requested, created));
        if let Some(kind) = event {
            draft.push(r.event(kind, updated));
        }
    }
    Ok(())
}

/// Privilege and scope of one item: a role on a resource, or membership of a group.
fn asked(item: &Doc<'_>) -> Result<(crate::facts::Text, Option<crate::facts::Text>), String> {
    let level = item.text("access_level_remote_id")?.or(item.text("access_level_name")?);
    if let Some(group) = item.str("group_id")? {
        return Ok((level.unwrap_or_else(|| text("member")), Some(text(format!("group:{group}")))));
    }
    let resource = item.text("resource_id")?.ok_or("an item names neither resource nor group")?;
    Ok((level.unwrap_or_else(|| text("access")), Some(resource)))
}

/// A user on a resource: what is bound now.
fn holder(r: &Record<'_>, batch: &mut Batch) -> Result<(), String> {
    let d = r.doc;
    let user = text(d.need("user_id")?);
    let resource = text(d.need("resource_id")?);
    let level = d.child("access_level")?.ok_or("`access_level` is missing")?;
    let role = level
        .text("access_level_remote_id")?
        .or(level.text("access_level_name")?)
        .unwrap_or_else(|| text("access"));
    batch.layer = Some(Layer::State);
    let mut e = r.entitlement();
    e.entitlement_id = text(format!("{SYSTEM}|{user}|{role}|{resource}"));
    e.principal_id = user.clone();
    e.role_id = role.clone();
    e.privilege = level.text("access_level_name")?.unwrap_or(role);
    e.scope = resource;
    e.platform = text(SYSTEM);
    e.binding_kind = BindingKind::Active;
    e.not_after = d.time("expiration_date", batch)?;
    e.says_temporary = Some(e.not_after.is_some());
    batch.facts.entitlements.push(e);
    if !batch.facts.principals.iter().rev().take(64).any(|p| p.principal_id == user) {
        batch.facts.principals.push(Principal {
            principal_id: user,
            kind: PrincipalKind::Unknown,
            platform: Some(text(SYSTEM)),
            name: d.text("full_name")?,
            email: d.str("email")?.map(|s| text(s.to_lowercase())),
            inventoried: true,
            source_id: r.source_id.clone(),
            source_ref: r.source_ref.clone(),
            ..Principal::default()
        });
    }
    Ok(())
}
