//! What only several grants together show: renewal chains, overlaps, and coverage of the period.
//!
//! Specification: grants model, 4.5. Grants are grouped by (platform, principal, privilege); each
//! group is swept once in order of start.

use std::collections::{BTreeMap, HashMap};

use super::index::Index;
use super::interval::{self, union};
use super::scope;
use crate::facts::{AccessSpan, Chain, GrantFact, Text, Time};

/// Fills the chain and overlap columns and derives `chains` and `access_spans`.
pub fn derive(ix: &Index<'_>, facts: &mut [GrantFact]) -> (Vec<Chain>, Vec<AccessSpan>) {
    let groups = group(facts);
    let period = period(ix, facts);
    let mut chains = Vec::new();
    let mut spans = Vec::new();
    for members in groups.into_values() {
        overlaps(ix, facts, &members);
        let mut by_scope: BTreeMap<Option<Text>, Vec<usize>> = BTreeMap::new();
        for i in members {
            if let Some(f) = facts.get(i) {
                by_scope.entry(f.scope.clone()).or_default().push(i);
            }
        }
        for same in by_scope.into_values() {
            chains.extend(chain(ix, facts, &same));
            spans.extend(access_span(ix, facts, &same, period));
        }
    }
    chains.sort_by(|a, b| (&a.chain_id, &a.principal_id).cmp(&(&b.chain_id, &b.principal_id)));
    (chains, spans)
}

type Key = (Option<Text>, Text, Text);

/// Effective grants with an interval, by platform, principal and privilege, in order of start.
fn group(facts: &[GrantFact]) -> BTreeMap<Key, Vec<usize>> {
    let mut groups: BTreeMap<Key, Vec<usize>> = BTreeMap::new();
    for (i, f) in facts.iter().enumerate() {
        if f.effective && f.started_at.is_some() && !f.interval_inverted {
            let key = (f.platform.clone(), f.principal_id.clone(), f.privilege.clone());
            groups.entry(key).or_default().push(i);
        }
    }
    for members in groups.values_mut() {
        members.sort_by(|a, b| order(facts.get(*a)).cmp(&order(facts.get(*b))));
    }
    groups
}

fn order(f: Option<&GrantFact>) -> Option<(Option<Time>, &str)> {
    f.map(|f| (f.started_at, &*f.grant_id))
}

/// End for comparisons: open ends lie beyond everything.
const OPEN: Time = Time::from_micros(i64::MAX);

fn end_of(f: &GrantFact) -> Time {
    f.ended_at.unwrap_or(OPEN)
}

/// Latest end seen so far at a scope, with the grant that has it.
type Latest = HashMap<Text, (Time, Text)>;

/// Marks the later of two grants that are in force together on equal or nested scope.
fn overlaps(ix: &Index<'_>, facts: &mut [GrantFact], members: &[usize]) {
    let mut own: Latest = HashMap::new();
    let mut below: Latest = HashMap::new();
    for &i in members {
        let Some(f) = facts.get_mut(i) else { continue };
        let Some(start) = f.started_at else { continue };
        let place = scope::canonical(f.platform.as_deref(), f.scope.as_deref().unwrap_or("*"));
        let end = end_of(f);
        if end <= start {
            continue;
        }
        let mut best: Option<&(Time, Text)> = None;
        for at in std::iter::once(place.clone()).chain(scope::ancestors(&place)) {
            if let Some(h) = own.get(&*at)
                && h.0 > start
                && best.is_none_or(|b| h.0 > b.0)
            {
                best = Some(h);
            }
        }
        if let Some(h) = below.get(&*place)
            && h.0 > start
            && best.is_none_or(|b| h.0 > b.0)
        {
            best = Some(h);
        }
        if let Some((other_end, other)) = best.cloned() {
            f.overlaps_earlier = true;
            f.overlap_grant_id = Some(other);
            f.overlap_s = Some(other_end.min(end).min(ix.as_of.max(start)).secs_since(start));
        }
        let id = f.grant_id.clone();
        let note = |map: &mut Latest, at: &str| {
            let slot = map.entry(crate::facts::text(at)).or_insert((end, id.clone()));
            if end > slot.0 {
                *slot = (end, id.clone());
            }
        };
        note(&mut own, &place);
        for a in scope::ancestors(&place) {
            note(&mut below, &a);
        }
    }
}

/// Splits grants of one key into chains: each starts at most `limits.chain_gap_s` after the largest
/// earlier end.
fn chain(ix: &Index<'_>, facts: &mut [GrantFact], members: &[usize]) -> Vec<Chain> {
    let gap = ix.settings.limits.whole("chain_gap_s");
    let mut runs: Vec<Vec<usize>> = Vec::new();
    let mut reach = Time::from_micros(i64::MIN);
    for &i in members {
        let Some(f) = facts.get(i) else { continue };
        let Some(start) = f.started_at else { continue };
        match runs.last_mut() {
            Some(run) if start <= reach.plus_secs(gap) => run.push(i),
            _ => runs.push(vec![i]),
        }
        reach = reach.max(end_of(f));
    }
    let mut out = Vec::with_capacity(runs.len());
    for run in runs {
        let rows: Vec<&GrantFact> = run.iter().filter_map(|i| facts.get(*i)).collect();
        let Some(row) = chain_row(ix, &rows) else { continue };
        for i in &run {
            if let Some(f) = facts.get_mut(*i) {
                f.chain_id = row.chain_id.clone();
                f.chain_length = row.n_grants;
            }
        }
        out.push(row);
    }
    out
}

fn chain_row(ix: &Index<'_>, rows: &[&GrantFact]) -> Option<Chain> {
    let first = rows.first()?;
    let start = first.started_at?;
    let latest = rows.iter().map(|f| end_of(f)).max()?;
    let ended_at = (latest != OPEN).then_some(latest);
    // What is still to come is authorised, not held; the span of a chain counts what is authorised.
    let until = ended_at.unwrap_or(ix.as_of);
    let held =
        union(rows.iter().filter_map(|f| Some((f.started_at?, end_of(f).min(ix.as_of)))).collect());
    Some(Chain {
        chain_id: first.grant_id.clone(),
        principal_id: first.principal_id.clone(),
        principal_kind: first.principal_kind,
        privilege: first.privilege.clone(),
        scope: first.scope.clone(),
        platform: first.platform.clone(),
        environment: first.environment.clone(),
        tier: first.tier,
        grant_id: first.grant_id.clone(),
        grant_ids: rows.iter().map(|f| f.grant_id.clone()).collect(),
        n_grants: rows.len() as i64,
        started_at: Some(start),
        ended_at,
        span_s: Some(until.secs_since(start).max(0)),
        held_s: Some(interval::total_s(&held)),
        first_duration_s: first.duration_s,
        owner: first.owner.clone(),
        refs: rows.iter().filter_map(|f| f.refs.first().cloned()).take(MAX_REFS).collect(),
    })
}

/// Evidence references of one chain stay readable; `grant_ids` is complete.
const MAX_REFS: usize = 50;

/// The audited period, else the span from the first start to the as-of time.
fn period(ix: &Index<'_>, facts: &[GrantFact]) -> (Time, Time) {
    if let Some((a, b)) = ix.settings.period {
        return (a, b.min(ix.as_of).max(a));
    }
    let first = facts.iter().filter(|f| f.effective).filter_map(|f| f.started_at).min();
    (first.unwrap_or(ix.as_of), ix.as_of)
}

fn access_span(
    ix: &Index<'_>,
    facts: &[GrantFact],
    members: &[usize],
    (from, until): (Time, Time),
) -> Option<AccessSpan> {
    let rows: Vec<&GrantFact> = members.iter().filter_map(|i| facts.get(*i)).collect();
    let first = rows.first()?;
    let held = union(
        rows.iter().filter_map(|f| Some((f.started_at?.max(from), end_of(f).min(until)))).collect(),
    );
    let covered_s = interval::total_s(&held);
    let period_s = until.secs_since(from);
    let long_enough = period_s > 0 && period_s >= ix.settings.limits.whole("coverage_min_period_s");
    #[expect(clippy::cast_precision_loss, reason = "seconds of a period fit a double exactly")]
    let share = long_enough.then(|| covered_s as f64 / period_s as f64);
    Some(AccessSpan {
        principal_id: first.principal_id.clone(),
        principal_kind: first.principal_kind,
        privilege: first.privilege.clone(),
        scope: first.scope.clone(),
        platform: first.platform.clone(),
        environment: first.environment.clone(),
        tier: first.tier,
        n_grants: rows.len() as i64,
        grant_ids: rows.iter().map(|f| f.grant_id.clone()).collect(),
        covered_s,
        period_s,
        covered_share: share,
        longest_gap_s: interval::longest_gap_s(&held, from, until),
        duty_cycle: duty(&rows, covered_s),
        owner: first.owner.clone(),
        refs: rows.iter().filter_map(|f| f.refs.first().cloned()).take(MAX_REFS).collect(),
    })
}

/// Upper bound of the duty cycle from first and last use of each grant: logs that aggregate do not
/// tell more. Null unless use of every member is observable.
fn duty(rows: &[&GrantFact], covered_s: i64) -> Option<f64> {
    if covered_s == 0 || rows.iter().any(|f| f.use_count.is_none()) {
        return None;
    }
    let used = union(
        rows.iter()
            .filter_map(|f| {
                let (a, b) = (f.first_used_at?.max(f.started_at?), f.last_used_at?.min(end_of(f)));
                Some((a, b))
            })
            .collect(),
    );
    #[expect(clippy::cast_precision_loss, reason = "seconds of a period fit a double exactly")]
    Some(interval::total_s(&used) as f64 / covered_s as f64)
}
