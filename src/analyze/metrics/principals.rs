//! Metrics of single principals, of those that stand out.
//!
//! Specification: grants model, section 5: metrics are stated per principal and privilege, and summed. What a
//! principal and privilege have is in `access_spans` and `segments`; here is the sum over its privileges.

use std::collections::{BTreeMap, BTreeSet};

use super::{Basis, float, hours, layer, ledger, radii};
use crate::analyze::grants::name_of;
use crate::analyze::index::Index;
use crate::facts::{Layer, PrincipalMetric, Text, text};

/// Principals shown.
pub const MAX_PRINCIPALS: usize = 100;

/// Rows of `principal_metrics`, the most notable first. None of a part of the rows: sums of it are not those of
/// the whole.
#[must_use]
pub fn rows(ix: &Index<'_>, b: &Basis<'_>) -> Vec<PrincipalMetric> {
    if ix.survey.is_some() {
        return Vec::new();
    }
    let mut out: BTreeMap<Text, PrincipalMetric> = BTreeMap::new();
    bound(ix, b, &mut out);
    granted(b, &mut out);
    // What the provider owns nobody here can change.
    let theirs: BTreeSet<&str> =
        b.holdings.iter().filter(|h| h.provider_owned).map(|h| &*h.principal_id).collect();
    let mut rows: Vec<PrincipalMetric> =
        out.into_values().filter(|m| is_notable(m) && !theirs.contains(&*m.principal_id)).collect();
    rows.sort_by(|a, b| {
        let by = |get: fn(&PrincipalMetric) -> Option<f64>| {
            get(b).unwrap_or(0.0).total_cmp(&get(a).unwrap_or(0.0))
        };
        by(|m| m.standing_hours)
            .then_with(|| by(|m| m.overstay_hours))
            .then_with(|| by(|m| m.idle_hours))
            .then_with(|| by(|m| m.blast_radius))
            .then_with(|| a.principal_id.cmp(&b.principal_id))
    });
    rows.truncate(MAX_PRINCIPALS);
    for row in &mut rows {
        row.principal_kind = ix.kind(&row.principal_id);
        row.principal_name = name_of(ix, &row.principal_id);
        row.owner = ix.owner_name(&row.principal_id);
    }
    rows
}

/// Whether there is anything to say of it.
fn is_notable(m: &PrincipalMetric) -> bool {
    let hours = [
        m.privilege_hours,
        m.privilege_hours_hi,
        m.overstay_hours,
        m.overstay_hours_hi,
        m.idle_hours,
        m.idle_hours_hi,
    ];
    hours.into_iter().flatten().any(|h| h > 0.0) || m.blast_radius.is_some_and(|r| r > 0.0)
}

fn row<'r>(out: &'r mut BTreeMap<Text, PrincipalMetric>, id: &str) -> &'r mut PrincipalMetric {
    out.entry(text(id))
        .or_insert_with(|| PrincipalMetric { principal_id: text(id), ..PrincipalMetric::default() })
}

/// What IAM shows: metrics 6 and 8.
fn bound(ix: &Index<'_>, b: &Basis<'_>, out: &mut BTreeMap<Text, PrincipalMetric>) {
    if layer(ix, Layer::State).is_err() {
        return;
    }
    for (id, own) in b.by_principal {
        let m = row(out, id);
        let pair = |(sure, open): (i64, i64)| {
            let lo = hours(float(sure));
            (Some(lo), Some(lo + hours(float(open))))
        };
        (m.privilege_hours, m.privilege_hours_hi) = pair(own.held);
        m.exposure = Some(hours(float(own.radius_s)));
        if ledger(ix).is_ok() {
            (m.standing_hours, m.standing_hours_hi) = pair(own.bare);
            if layer(ix, Layer::Task).is_ok() {
                (m.off_task_hours, m.off_task_hours_hi) = pair(own.off_task);
            }
        }
    }
    for (id, radius) in radii(b.holdings) {
        row(out, id).blast_radius = Some(float(radius));
    }
}

fn add(to: &mut Option<f64>, seconds: f64) {
    *to = Some(to.unwrap_or(0.0) + hours(seconds));
}

/// What the ledger shows: metrics 1, 3 and 11.
fn granted(b: &Basis<'_>, out: &mut BTreeMap<Text, PrincipalMetric>) {
    for g in b.grants.iter().filter(|g| g.effective) {
        let m = row(out, &g.principal_id);
        m.n_grants += 1;
        if let (Some(lo), false) = (g.overstay_s, g.interval_inverted) {
            let hi = g.overstay_hi_s.unwrap_or(lo);
            add(&mut m.overstay_hours, float(lo.max(0)));
            add(&mut m.overstay_hours_hi, float(hi.max(lo).max(0)));
        }
        if let Some(n) = g.use_count {
            let ended = g.active_now == Some(false);
            *m.n_unused.get_or_insert(0) += i64::from(n == 0 && ended);
        }
    }
    for s in b.spans {
        let (Some(sure), Some(most)) = (s.duty_cycle, s.duty_cycle_hi) else { continue };
        let m = row(out, &s.principal_id);
        let covered = float(s.covered_s);
        add(&mut m.idle_hours, (1.0 - most).max(0.0) * covered);
        add(&mut m.idle_hours_hi, (1.0 - sure).max(0.0) * covered);
    }
}
