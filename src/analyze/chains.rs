//! What only several grants together show: renewal chains, overlaps, and coverage of the period.
//!
//! Specification: grants model, 4.5. Grants are grouped by (platform, principal, privilege); each
//! group is swept once in order of start.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::index::Index;
use super::interval::{self, union};
use super::scope;
use super::use_spans::{BIN_S, UseSpans};
use crate::facts::{AccessSpan, Chain, GrantFact, RoleKind, Text, Time};

/// Fills the chain and overlap columns and derives `chains` and `access_spans`.
/// `uses` has the use of each grant, in the order of `facts`.
pub fn derive(
    ix: &Index<'_>,
    facts: &mut [GrantFact],
    uses: &[UseSpans],
) -> (Vec<Chain>, Vec<AccessSpan>) {
    let groups = group(facts);
    let period = period(ix, facts);
    let sessions = Sessions::new(ix);
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
            if let Some(mut span) = access_span(ix, facts, &same, period) {
                (span.duty_cycle, span.duty_cycle_hi) =
                    duty(facts, &same, uses, period, span.covered_s);
                (span.starts_sessions, span.max_session_s) =
                    sessions.of(span.platform.as_deref(), &span.privilege);
                spans.push(span);
            }
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
    match f.active_now {
        // An end that nobody recorded: only what was used is known to have been in force.
        None => f.last_used_at.max(f.started_at).unwrap_or(OPEN),
        Some(_) => f.ended_at.unwrap_or(OPEN),
    }
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
    let own = facts.iter().filter(|f| f.effective).filter_map(|f| f.started_at).min();
    // A start after the as-of time is of a grant that is not in force.
    let first = match ix.survey {
        Some(s) => s.first_start.filter(|t| *t <= ix.as_of),
        None => own,
    };
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
        shortest_grant_s: rows.iter().filter_map(|f| f.duration_s).min(),
        starts_sessions: None,
        max_session_s: None,
        duty_cycle: None,
        duty_cycle_hi: None,
        owner: first.owner.clone(),
        refs: rows.iter().filter_map(|f| f.refs.first().cloned()).take(MAX_REFS).collect(),
    })
}

/// Which privileges are roles or permission sets, and how long the sessions are that they let start.
#[derive(Default)]
struct Sessions<'f> {
    /// By id and by name. False: a policy or the like, which is bound and starts no session; null: one
    /// name for both.
    known: BTreeMap<&'f str, (Option<bool>, BTreeSet<Option<i64>>)>,
}

impl<'f> Sessions<'f> {
    fn new(ix: &Index<'f>) -> Self {
        let mut out = Self::default();
        for r in ix.facts.roles.iter().filter(|r| &*r.platform == "aws") {
            let starts = matches!(r.kind, RoleKind::Role | RoleKind::PermissionSet);
            out.note(&r.role_id, starts, r.max_session_s);
            if r.role_id != r.name {
                out.note(&r.name, starts, r.max_session_s);
            }
        }
        // The authorization details list roles without the length of their sessions.
        for p in ix.facts.principals.iter().filter(|p| p.principal_id.contains(":role/")) {
            out.note(&p.principal_id, true, None);
            if let Some(name) = &p.name {
                out.note(name, true, None);
            }
        }
        out
    }

    fn note(&mut self, name: &'f str, starts: bool, seconds: Option<i64>) {
        let (have, all) = self.known.entry(name).or_insert_with(|| (Some(starts), BTreeSet::new()));
        if *have != Some(starts) {
            *have = None;
        }
        all.insert(seconds);
    }

    /// Whether a privilege starts sessions, and their longest length where all records of it agree.
    fn of(&self, platform: Option<&str>, privilege: &str) -> (Option<bool>, Option<i64>) {
        if platform.is_some_and(|p| p != "aws") {
            return (None, None);
        }
        let Some((starts, all)) = self.known.get(privilege) else { return (None, None) };
        let mut stated = all.iter().flatten();
        let agreed = stated.next().filter(|_| stated.next().is_none()).copied();
        (*starts, agreed.filter(|_| *starts == Some(true)))
    }
}

/// Time used inside grants over time held (grants model, metric 4): the share that is proved, and the share
/// that is possible. Null unless use of every member is observable.
fn duty(
    facts: &[GrantFact],
    members: &[usize],
    uses: &[UseSpans],
    (from, until): (Time, Time),
    covered_s: i64,
) -> (Option<f64>, Option<f64>) {
    let (mut sure, mut most) = (Vec::new(), Vec::new());
    for &i in members {
        let (Some(f), Some(own)) = (facts.get(i), uses.get(i)) else { return (None, None) };
        let (Some(start), Some(_)) = (f.started_at, f.use_count) else { return (None, None) };
        let (a, b) = (start.max(from), end_of(f).min(until));
        sure.extend(own.used(a, b, BIN_S));
        most.extend(own.used_at_most(a, b, BIN_S));
    }
    if covered_s == 0 {
        return (None, None);
    }
    #[expect(clippy::cast_precision_loss, reason = "seconds of a period fit a double exactly")]
    let share = |spans| Some(interval::total_s(&union(spans)) as f64 / covered_s as f64);
    (share(sure), share(most))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::analyze::index::NoTiers;
    use crate::facts::identity::Resolution;
    use crate::facts::{Facts, Principal, Role, text};
    use crate::settings::Settings;

    /// CRD-005: which privileges start sessions, how long those last, and the shortest grant on them.
    #[test]
    fn sessions_against_grants() {
        let role = |id: &str, name: &str, kind: RoleKind, max: Option<i64>| Role {
            role_id: text(id),
            name: text(name),
            platform: text("aws"),
            kind,
            max_session_s: max,
            ..Role::default()
        };
        let facts = Facts {
            roles: vec![
                role("arn:ps-1", "AdminSet", RoleKind::PermissionSet, Some(43_200)),
                role("arn:p-1", "Policy", RoleKind::ManagedPolicy, None),
                // One name for a role and a policy, and two roles of one name and other lengths.
                role("arn:r-2", "both", RoleKind::Role, Some(3600)),
                role("arn:p-2", "both", RoleKind::ManagedPolicy, None),
                role("arn:r-3", "twice", RoleKind::Role, Some(3600)),
                role("arn:r-4", "twice", RoleKind::Role, Some(7200)),
            ],
            principals: vec![Principal {
                principal_id: text("arn:aws:iam::111122223333:role/plain"),
                name: Some(text("plain")),
                ..Principal::default()
            }],
            ..Facts::default()
        };
        let (settings, resolution) = (Settings::defaults(), Resolution::default());
        let at = |h: i64| Time::from_secs(h * 3600);
        let ix = Index::new(&facts, &settings, &resolution, at(100), &NoTiers);
        let grant = |id: &str, privilege: &str, from: i64, hours: i64| GrantFact {
            grant_id: text(id),
            principal_id: text("ann"),
            privilege: text(privilege),
            effective: true,
            started_at: Some(at(from)),
            ended_at: Some(at(from + hours)),
            duration_s: Some(hours * 3600),
            ..GrantFact::default()
        };
        let mut grants = vec![
            grant("g1", "AdminSet", 1, 8),
            grant("g2", "AdminSet", 20, 1),
            grant("g3", "Policy", 1, 1),
            grant("g4", "both", 1, 1),
            grant("g5", "twice", 1, 1),
            grant("g6", "plain", 1, 1),
            grant("g7", "elsewhere", 1, 1),
            GrantFact { platform: Some(text("okta")), ..grant("g8", "AdminSet", 1, 1) },
        ];
        let (_, spans) = derive(&ix, &mut grants, &[]);
        let of = |privilege: &str, platform: Option<&str>| {
            let found = spans
                .iter()
                .find(|s| &*s.privilege == privilege && s.platform.as_deref() == platform)
                .unwrap();
            (found.starts_sessions, found.max_session_s, found.shortest_grant_s)
        };
        assert_eq!(of("AdminSet", None), (Some(true), Some(43_200), Some(3600)));
        assert_eq!(of("Policy", None), (Some(false), None, Some(3600)));
        assert_eq!(of("both", None), (None, None, Some(3600)));
        assert_eq!(of("twice", None), (Some(true), None, Some(3600)));
        assert_eq!(of("plain", None), (Some(true), None, Some(3600)));
        assert_eq!(of("elsewhere", None), (None, None, Some(3600)));
        assert_eq!(of("AdminSet", Some("okta")), (None, None, Some(3600)));
    }
}
