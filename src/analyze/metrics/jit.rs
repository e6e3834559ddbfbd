//! Metric 7: how much of what happens goes through a grant, a task and a ticket.

use std::collections::HashMap;

use rayon::prelude::*;

use super::{Basis, Found, NO_SOURCE, Without, float, layer, ledger, share_of};
use crate::analyze::grants::expects_binding;
use crate::analyze::index::Index;
use crate::analyze::{state, tasks};
use crate::facts::{BindingKind, Confidence, Entitlement, GrantFact, Layer, Outcome, Tier, Time};

/// Clock skew between systems, seconds (section 4.6).
const SKEW_S: i64 = 120;

/// Metric 7a: bindings of strong privileges that IAM dates inside the time of a ledger, and of these those that
/// a grant in force then explains. Platforms that do not tell when a binding was made, and inputs without two
/// snapshots, show no activation.
pub(super) fn by_issue(ix: &Index<'_>, b: &Basis<'_>) -> Found {
    layer(ix, Layer::State)?;
    ledger(ix)?;
    let mut grants: HashMap<&str, Vec<&GrantFact>> = HashMap::new();
    for g in b.grants.iter().filter(|g| g.effective && expects_binding(g)) {
        grants.entry(&g.principal_id).or_default().push(g);
    }
    let (mut dated, mut all, mut explained) = (false, 0_usize, 0_usize);
    for e in ix.facts.entitlements.iter().filter(|e| e.binding_kind == BindingKind::Active) {
        let Some((lo, hi)) = begun(e) else { continue };
        dated = true;
        let tier = [&e.role_id, &e.privilege]
            .into_iter()
            .find_map(|name| ix.privilege(Some(&e.platform), name).0);
        if hi > ix.as_of || !ix.ledger_covers(lo) || tier.is_none_or(|t| t > Tier::T2) {
            continue;
        }
        all += 1;
        let of = grants.get(&*e.principal_id).map_or(&[][..], Vec::as_slice);
        explained += usize::from(of.iter().take(MAX_LOOK).any(|g| gives(g, e, (lo, hi))));
    }
    match all {
        0 if dated => Err(Without::NotApplicable("no_activations")),
        0 => Err(Without::NotAssessed("activations_not_recorded")),
        _ => share_of(explained, 0, all),
    }
}

/// Grants of one principal looked through for one binding.
const MAX_LOOK: usize = 4096;

/// When a binding was made: earliest and latest.
fn begun(e: &Entitlement) -> Option<(Time, Time)> {
    let lo = e.bound_at_lo.or(e.bound_at_hi)?;
    Some((lo, e.bound_at_hi.unwrap_or(lo).max(lo)))
}

/// Whether a grant gave this binding: same privilege and place, in force when it was made.
fn gives(g: &GrantFact, e: &Entitlement, (lo, hi): (Time, Time)) -> bool {
    (e.privilege == g.privilege || e.role_id == g.privilege)
        && state::place_fits(g.platform.as_deref(), g.scope.as_deref(), (&e.platform, &e.scope))
        && g.started_at.is_some_and(|s| s <= hi.plus_secs(SKEW_S))
        && g.ended_at.is_none_or(|end| lo <= end.plus_secs(SKEW_S))
}

/// Grants with a ticket that exists: in all that gave access, those whose record names a ticket that a task
/// source of the inputs holds. Open are those whose ticket may exist where nobody looked.
pub(super) fn by_ticket(ix: &Index<'_>, b: &Basis<'_>) -> Found {
    ledger(ix)?;
    let told: Vec<(bool, Option<bool>)> = ix
        .facts
        .grants
        .par_iter()
        .zip(b.grants)
        .filter(|(_, f)| f.effective)
        .map(|(g, f)| tasks::has_ticket(ix, g, f))
        .collect();
    if told.is_empty() {
        return Err(Without::NotApplicable("no_grants"));
    }
    if told.iter().all(|(named, has)| !named && *has != Some(true)) {
        return Err(Without::NotAssessed("field_not_recorded"));
    }
    let tickets = ix.facts.tasks.iter().any(tasks::is_ticket);
    if !tickets {
        return Err(NO_SOURCE);
    }
    let n = |want: Option<bool>| told.iter().filter(|(_, has)| *has == want).count();
    share_of(n(Some(true)), n(None), told.len())
}

/// Metric 7b: allowed privileged uses inside a grant.
pub(super) fn by_use(ix: &Index<'_>, b: &Basis<'_>) -> Found {
    layer(ix, Layer::Usage)?;
    ledger(ix)?;
    let (mut inside, mut open, mut all) = (0_i64, 0_i64, 0_i64);
    for u in b.usage.iter().filter(|u| u.outcome == Outcome::Allowed && u.privileged == Some(true))
    {
        let n = u.count.unwrap_or(1).max(0);
        all = all.saturating_add(n);
        match u.in_grant {
            Some(true) => inside = inside.saturating_add(n),
            None => open = open.saturating_add(n),
            Some(false) => {}
        }
    }
    if all == 0 {
        return Err(Without::NotApplicable("no_privileged_use"));
    }
    Ok((float(inside) / float(all), Some(float(inside + open) / float(all)), all))
}

/// Metric 7c: grants with a task by a strong link.
pub(super) fn by_task(b: &Basis<'_>) -> Found {
    let grants: Vec<&GrantFact> = b.grants.iter().filter(|g| g.effective).collect();
    let firm = |g: &&&GrantFact| {
        let strong = |c| matches!(c, Confidence::Exact | Confidence::Strong);
        g.task_resolved == Some(true) && g.link_confidence.is_some_and(strong)
    };
    share_of(
        grants.iter().filter(firm).count(),
        grants.iter().filter(|g| g.task_resolved.is_none()).count(),
        grants.len(),
    )
}
