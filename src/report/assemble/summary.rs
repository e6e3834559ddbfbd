//! Counts of the summary.

use std::collections::{BTreeMap, BTreeSet};

use super::{Assemble, number, unsigned};
use crate::facts::{Holding, Standing, Tier};
use crate::findings::{Severity, Status};
use crate::report::view::Summary;

/// Whether a holding stands at T0 or T1; unknown content does not count.
fn privileged(h: &Holding) -> bool {
    h.standing == Standing::Standing && h.tier.is_some_and(|t| t <= Tier::T1)
}

/// Nearest-rank percentile of sorted values.
fn percentile(sorted: &[i64], percent: usize) -> Option<i64> {
    let rank = (sorted.len() * percent).div_ceil(100).max(1);
    sorted.get(rank - 1).copied()
}

/// Counts everything.
pub(super) fn summary(input: &Assemble<'_>) -> Summary {
    let (facts, derived) = (input.facts, input.derived);
    let mut open: BTreeMap<String, u64> =
        Severity::ALL.iter().map(|s| (s.as_str().to_string(), 0)).collect();
    let mut out = Summary::default();
    for f in &input.findings {
        match f.status {
            Status::Open => {
                *open.entry(f.severity.as_str().into()).or_default() += 1;
                out.possible += u64::from(f.certainty != "certain");
            }
            Status::Baselined => out.baselined += 1,
            Status::Waived => out.waived += 1,
        }
    }
    out.open = open;
    let strong: Vec<&Holding> = derived.holdings.iter().filter(|h| privileged(h)).collect();
    out.standing_privileged = number(strong.len());
    out.standing_privileged_principals =
        number(strong.iter().map(|h| &*h.principal_id).collect::<BTreeSet<_>>().len());
    let grace = input.settings.limits.whole("task_grace_s");
    let assessed = || derived.grant_facts.iter().filter(|g| g.effective);
    let mut excess: Vec<i64> =
        assessed().filter_map(|g| g.overstay_s).filter(|s| *s > grace).collect();
    excess.sort_unstable();
    out.overstay_assessed = number(assessed().filter(|g| g.overstay_s.is_some()).count());
    out.overstayed = number(excess.len());
    out.overstay_median_s = percentile(&excess, 50);
    out.overstay_p95_s = percentile(&excess, 95);
    // A denied or pending request gave nothing whose evidence could be whole or not.
    out.grants = number(assessed().count());
    out.complete_grants = number(assessed().filter(|g| g.evidence_missing.is_empty()).count());
    out.principals = number(facts.principals.len());
    for p in &facts.principals {
        *out.principal_kinds.entry(p.kind.as_str().into()).or_default() += 1;
    }
    out.entitlements = number(input.entitlements);
    for h in derived.holdings.iter().filter(|h| h.provider_owned) {
        *out.provider_holdings.entry(h.platform.to_string()).or_default() += 1;
    }
    let basis = derived.holdings.iter().filter_map(|h| h.content_basis.as_deref());
    for basis in basis.filter(|b| *b != "inputs") {
        *out.embedded_content.entry(basis.to_owned()).or_default() += 1;
    }
    out.tasks = number(facts.tasks.len());
    out.usage = number(facts.usage.len());
    out.records = facts.sources.iter().map(|s| unsigned(s.records)).sum();
    out.quarantined = facts.sources.iter().map(|s| unsigned(s.quarantined)).sum();
    let with = |word: &str| number(input.results.iter().filter(|r| r.outcome == word).count());
    out.rules_assessed = with("assessed");
    out.rules_partial = with("partial");
    out.rules_not_assessed = with("not_assessed");
    out
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn percentiles_are_values_that_occur() {
        assert_eq!(percentile(&[], 50), None);
        assert_eq!(percentile(&[7], 95), Some(7));
        assert_eq!(percentile(&[1, 2, 3, 4], 50), Some(2));
        assert_eq!(percentile(&[1, 2, 3, 4], 95), Some(4));
    }

    proptest! {
        #[test]
        fn percentiles_split_the_values(mut v in prop::collection::vec(any::<i64>(), 1..50), p in 1usize..=100) {
            v.sort_unstable();
            let at = percentile(&v, p).unwrap();
            let below = v.iter().filter(|x| **x <= at).count();
            prop_assert!(below * 100 >= p * v.len());
            let under = v.iter().filter(|x| **x < at).count();
            prop_assert!(under * 100 < p * v.len());
        }
    }
}
