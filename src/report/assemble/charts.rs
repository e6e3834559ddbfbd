//! Data behind the charts.

use std::collections::BTreeMap;

use super::{Assemble, number, strips};
use crate::facts::{Derived, EVIDENCE_CHAIN, GrantFact, Standing};
use crate::report::view::{Charts, StandingCount};

/// Points of the curve.
const MAX_POINTS: usize = 200;

/// All chart data.
pub(super) fn charts(input: &Assemble<'_>) -> Charts {
    Charts {
        standing: standing(input.derived),
        overstay_curve: curve(&input.derived.grant_facts),
        overstay_grace_s: input.settings.limits.whole("task_grace_s"),
        reconciliation: reconciliation(input.derived),
        completeness: completeness(&input.derived.grant_facts),
        strips: strips::strips(&input.findings, input.derived, input.as_of),
    }
}

fn standing(derived: &Derived) -> Vec<StandingCount> {
    let mut counts: BTreeMap<(&str, &str), u64> = BTreeMap::new();
    for h in derived.holdings.iter().filter(|h| h.standing == Standing::Standing) {
        let tier = h.tier.map_or("unknown", |t| t.as_str());
        *counts.entry((&h.platform, tier)).or_default() += 1;
    }
    counts
        .into_iter()
        .map(|((platform, tier), count)| StandingCount {
            platform: platform.into(),
            tier: tier.into(),
            count,
        })
        .collect()
}

/// Share of assessed grants with at most this excess, at each excess that occurs. Grants that ended
/// before their task stand at zero.
fn curve(grants: &[GrantFact]) -> Vec<(i64, f64)> {
    let mut excess: Vec<i64> = grants
        .iter()
        .filter(|g| g.effective)
        .filter_map(|g| g.overstay_s)
        .map(|s| s.max(0))
        .collect();
    excess.sort_unstable();
    let total = excess.len() as f64;
    let mut points: Vec<(i64, f64)> = Vec::new();
    for (i, s) in excess.iter().enumerate() {
        let share = (i + 1) as f64 / total;
        match points.last_mut() {
            Some(last) if last.0 == *s => last.1 = share,
            _ => points.push((*s, share)),
        }
    }
    thin(&points)
}

/// At most [`MAX_POINTS`] points; the first and the last stay.
fn thin(points: &[(i64, f64)]) -> Vec<(i64, f64)> {
    let last = points.len().saturating_sub(1);
    let step = last.div_ceil(MAX_POINTS - 1).max(1);
    points
        .iter()
        .enumerate()
        .filter(|(i, _)| i.is_multiple_of(step) || *i == last)
        .map(|(_, p)| *p)
        .collect()
}

/// Where a grant stands between ledger and IAM; the worst answer wins.
fn agreement(g: &GrantFact) -> &'static str {
    if g.present_after_end == Some(true) {
        return "still present";
    }
    if g.missing_in_state == Some(true) {
        return "missing";
    }
    match (&g.drift, g.present_after_end) {
        (Some(drift), _) if !drift.is_empty() => "drift",
        // Matched without difference, or gone as the ledger says.
        (Some(_), _) | (None, Some(false)) => "matched",
        (None, _) => "not assessed",
    }
}

fn reconciliation(derived: &Derived) -> Vec<(String, u64)> {
    let mut counts: BTreeMap<&str, u64> = BTreeMap::new();
    for g in derived.grant_facts.iter().filter(|g| g.effective) {
        *counts.entry(agreement(g)).or_default() += 1;
    }
    for h in &derived.holdings {
        if h.standing == Standing::Residue {
            *counts.entry("residue").or_default() += 1;
        } else if h.looks_temporary && h.known_to_ledger == Some(false) {
            *counts.entry("shadow").or_default() += 1;
        }
    }
    if counts.is_empty() {
        return Vec::new();
    }
    ["matched", "drift", "shadow", "residue", "still present", "missing", "not assessed"]
        .map(|word| (word.to_string(), counts.get(word).copied().unwrap_or(0)))
        .into()
}

fn completeness(grants: &[GrantFact]) -> Vec<(String, u64, u64)> {
    let grants: Vec<&GrantFact> = grants.iter().filter(|g| g.effective).collect();
    if grants.is_empty() {
        return Vec::new();
    }
    let total = number(grants.len());
    EVIDENCE_CHAIN
        .iter()
        .map(|part| {
            let shown = grants.iter().filter(|g| g.evidenced.iter().any(|e| &**e == *part)).count();
            ((*part).to_string(), number(shown), total)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn grant(overstay_s: Option<i64>) -> GrantFact {
        GrantFact { effective: true, overstay_s, ..GrantFact::default() }
    }

    proptest! {
        #[test]
        fn curves_rise_to_one(values in prop::collection::vec(prop::option::of(-5000i64..5_000_000), 0..600)) {
            let grants: Vec<GrantFact> = values.iter().map(|v| grant(*v)).collect();
            let points = curve(&grants);
            prop_assert!(points.len() <= MAX_POINTS);
            prop_assert!(points.windows(2).all(|w| w[0].0 < w[1].0 && w[0].1 < w[1].1));
            match points.last() {
                Some(last) => prop_assert!((last.1 - 1.0).abs() < 1e-12),
                None => prop_assert!(values.iter().all(Option::is_none)),
            }
        }
    }

    #[test]
    fn a_part_counts_only_where_it_is_shown() {
        let mut shown = grant(None);
        shown.evidenced = vec!["request".into(), "use".into()];
        let denied = GrantFact { effective: false, ..shown.clone() };
        let rows = completeness(&[shown, grant(None), denied]);
        let of = |part: &str| rows.iter().find(|(p, ..)| p == part).map(|(_, n, of)| (*n, *of));
        assert_eq!(of("request"), Some((1, 2)));
        assert_eq!(of("requester"), Some((0, 2)));
        assert_eq!(of("use"), Some((1, 2)));
    }

    #[test]
    fn disagreement_outweighs_agreement() {
        let mut g = grant(None);
        assert_eq!(agreement(&g), "not assessed");
        g.present_after_end = Some(false);
        assert_eq!(agreement(&g), "matched");
        g.drift = Some(vec!["scope".into()]);
        assert_eq!(agreement(&g), "drift");
        g.present_after_end = Some(true);
        assert_eq!(agreement(&g), "still present");
    }
}
