//! The sweep: per principal, privilege and scope, every maximal time segment and its cell.
//!
//! Specification: grants model, sections 4 and 6. Axes that no input decides stay unknown: all
//! completions are judged, and the segment is certain only if every completion is as severe as the
//! least severe finding among them.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use rayon::prelude::*;

use super::cells::{self, Ledger, Modifiers, Work};
use super::grants::expects_binding;
use super::index::Index;
use super::state::{self, Snapshot};
use super::{scope, tasks};
use crate::facts::{
    Certainty, Decision, EndKind, GrantFact, Holding, Layer, Segment, Standing, TaskState, Text,
    Tier, Time, text,
};
use crate::findings::Severity;

type Key = (Text, Text, Option<Text>);

/// Everything one key is swept over.
#[derive(Default)]
struct Lane<'a> {
    grants: Vec<&'a GrantFact>,
    holdings: Vec<&'a Holding>,
}

/// Derives all segments but the quiet ones (nothing granted, bound or used, or closed and gone).
#[must_use]
pub fn segments(ix: &Index<'_>, grants: &[GrantFact], holdings: &[Holding]) -> Vec<Segment> {
    let mut lanes: BTreeMap<Key, Lane<'_>> = BTreeMap::new();
    for g in grants.iter().filter(|g| !g.interval_inverted) {
        let place = g.scope.as_deref().map(|s| text(scope::canonical(g.platform.as_deref(), s)));
        let key = (g.principal_id.clone(), g.privilege.clone(), place);
        lanes.entry(key).or_default().grants.push(g);
    }
    let mut by_principal: HashMap<&str, Vec<&Holding>> = HashMap::new();
    for h in holdings {
        by_principal.entry(&h.principal_id).or_default().push(h);
    }
    for ((principal, privilege, _), lane) in &mut lanes {
        let held = by_principal.get(&**principal).map_or(&[][..], Vec::as_slice);
        lane.holdings = held
            .iter()
            .copied()
            .filter(|h| h.privilege == *privilege || h.role_id == *privilege)
            .collect();
    }
    for h in
        holdings.iter().filter(|h| h.known_to_ledger != Some(true) && h.privileged == Some(true))
    {
        let key = (h.principal_id.clone(), h.privilege.clone(), Some(h.scope.clone()));
        let lane = lanes.entry(key).or_default();
        if !lane.holdings.iter().any(|have| std::ptr::eq(*have, h)) {
            lane.holdings.push(h);
        }
    }
    let snapshots = state::snapshots(ix);
    let work = principal_work(ix);
    let lanes: Vec<(Key, Lane<'_>)> = lanes.into_iter().collect();
    lanes.par_iter().flat_map_iter(|(key, lane)| sweep(ix, &snapshots, &work, key, lane)).collect()
}

/// Task intervals by principal, for keys without a grant.
type WorkOf = HashMap<Text, Vec<(Time, Option<Time>)>>;

fn principal_work(ix: &Index<'_>) -> WorkOf {
    let mut out: WorkOf = HashMap::new();
    for t in &ix.facts.tasks {
        if let (Some(p), Some(s)) = (&t.principal_id, t.started_at_lo) {
            let end = t.ended_at_hi.or(t.ended_at_lo);
            let until = if tasks::is_running(t, ix.as_of) { None } else { Some(end.unwrap_or(s)) };
            out.entry(p.clone()).or_default().push((s, until));
        }
    }
    out
}

fn sweep(
    ix: &Index<'_>,
    snapshots: &HashMap<Text, Snapshot>,
    work: &WorkOf,
    key: &Key,
    lane: &Lane<'_>,
) -> Vec<Segment> {
    let snapshot = ix
        .principal(&key.0)
        .filter(|p| p.inventoried)
        .and_then(|p| snapshots.get(&p.source_id))
        .copied();
    let mut cuts: BTreeSet<Time> = BTreeSet::new();
    for g in &lane.grants {
        cuts.extend([g.requested_at, g.started_at, g.ended_at].into_iter().flatten());
        cuts.extend([g.task_started_at, g.task_ended_at, g.first_used_at].into_iter().flatten());
        cuts.extend(g.last_used_at.map(|t| t.plus_secs(1)));
    }
    cuts.extend(snapshot.map(|s| s.at));
    cuts.insert(ix.as_of);
    cuts.retain(|t| *t <= ix.as_of);
    let points: Vec<Time> = cuts.into_iter().collect();
    let track = Track::new(ix, snapshot, work, key, lane);
    let mut cursor = Cursor::new(lane);
    let mut out: Vec<Segment> = Vec::new();
    for (i, from) in points.iter().enumerate() {
        let until = points.get(i + 1).copied();
        let moment = cursor.advance(*from, until);
        let Some(s) = track.segment(moment) else { continue };
        match out.last_mut() {
            Some(last) if last.until == Some(*from) && same(last, &s) => {
                last.until = s.until;
                last.length_s += s.length_s;
            }
            _ => out.push(s),
        }
    }
    out
}

/// A stretch of time in which nothing changes, and what the grants of a lane say of it.
struct Moment<'a> {
    from: Time,
    until: Option<Time>,
    /// Row of the ledger axis; `None` when no grant says anything.
    ledger: Option<Ledger>,
    /// The grants it rests on, in the order of the lane.
    in_play: Vec<&'a GrantFact>,
    /// Use that some grant shows.
    used: bool,
}

/// Instants with the grant they belong to and its place in the lane, in order.
type Events<'a> = std::iter::Peekable<std::vec::IntoIter<(Time, usize, &'a GrantFact)>>;

/// Goes along a lane and keeps what is in force. A grant enters and leaves once, so that a lane costs
/// its number of grants and what it has to say, and not one times the other.
struct Cursor<'a> {
    starts: Events<'a>,
    ends: Events<'a>,
    denials: Events<'a>,
    /// First and last use of each grant, by the first.
    uses: std::iter::Peekable<std::vec::IntoIter<(Time, Time)>>,
    active: BTreeMap<usize, &'a GrantFact>,
    /// The last grant to end explains what is left; the ones before are history.
    ended: Option<&'a GrantFact>,
    denied: BTreeMap<usize, &'a GrantFact>,
    /// Latest use of the grants whose use has begun.
    used_until: Option<Time>,
}

impl<'a> Cursor<'a> {
    fn new(lane: &Lane<'a>) -> Self {
        let events = |at: &dyn Fn(&GrantFact) -> Option<Time>| -> Events<'a> {
            let mut all: Vec<(Time, usize, &'a GrantFact)> = lane
                .grants
                .iter()
                .enumerate()
                .filter_map(|(i, g)| at(g).map(|t| (t, i, *g)))
                .collect();
            all.sort_by(|a, b| (a.0, &a.2.grant_id, a.1).cmp(&(b.0, &b.2.grant_id, b.1)));
            all.into_iter().peekable()
        };
        let denied = |g: &GrantFact| !g.effective && g.decision != Decision::Unknown;
        let mut uses: Vec<(Time, Time)> =
            lane.grants.iter().filter_map(|g| g.first_used_at.zip(g.last_used_at)).collect();
        uses.sort_unstable();
        Self {
            starts: events(&|g| g.started_at.filter(|_| g.effective)),
            ends: events(&|g| g.ended_at.filter(|_| g.effective)),
            denials: events(&|g| g.requested_at.filter(|_| denied(g))),
            uses: uses.into_iter().peekable(),
            active: BTreeMap::new(),
            ended: None,
            denied: BTreeMap::new(),
            used_until: None,
        }
    }

    /// The stretch that begins at an instant no earlier than the one before.
    fn advance(&mut self, from: Time, until: Option<Time>) -> Moment<'a> {
        while let Some((_, i, g)) = self.starts.next_if(|e| e.0 <= from) {
            self.active.insert(i, g);
        }
        while let Some((_, i, g)) = self.ends.next_if(|e| e.0 <= from) {
            self.active.remove(&i);
            self.ended = Some(g);
        }
        while let Some((_, i, g)) = self.denials.next_if(|e| e.0 <= from) {
            self.denied.insert(i, g);
        }
        // The time of a use is a whole second at best. These bounds never go back, as `from` does not.
        let before = until.unwrap_or(from).max(from.plus_secs(1));
        while let Some((_, last)) = self.uses.next_if(|(first, _)| *first < before) {
            self.used_until = self.used_until.max(Some(last));
        }
        let (ledger, in_play) = if !self.active.is_empty() {
            (Some(Ledger::Active), self.active.values().copied().collect())
        } else if let Some(g) = self.ended {
            (Some(Ledger::Ended), vec![g])
        } else if !self.denied.is_empty() {
            (Some(Ledger::Denied), self.denied.values().copied().collect())
        } else {
            (None, Vec::new())
        };
        Moment { from, until, ledger, in_play, used: self.used_until >= Some(from) }
    }
}

fn same(a: &Segment, b: &Segment) -> bool {
    a.cell == b.cell
        && a.certainty == b.certainty
        && a.severity == b.severity
        && (&a.ledger, &a.task, &a.state, &a.usage) == (&b.ledger, &b.task, &b.state, &b.usage)
        && a.grant_ids == b.grant_ids
}

/// What stays the same along a lane.
struct Track<'t, 'a> {
    ix: &'t Index<'a>,
    snapshot: Option<Snapshot>,
    work: &'t WorkOf,
    key: &'t Key,
    lane: &'t Lane<'t>,
    tier: Option<Tier>,
    platform: Option<&'t str>,
}

impl<'t, 'a> Track<'t, 'a> {
    fn new(
        ix: &'t Index<'a>,
        snapshot: Option<Snapshot>,
        work: &'t WorkOf,
        key: &'t Key,
        lane: &'t Lane<'t>,
    ) -> Self {
        let tier = lane
            .grants
            .iter()
            .find_map(|g| g.tier)
            .or_else(|| lane.holdings.iter().find_map(|h| h.tier));
        let platform = lane
            .grants
            .iter()
            .find_map(|g| g.platform.as_deref())
            .or_else(|| lane.holdings.first().map(|h| &*h.platform));
        Self { ix, snapshot, work, key, lane, tier, platform }
    }

    fn segment(&self, moment: Moment<'_>) -> Option<Segment> {
        let Self { ix, snapshot, key, lane, tier, .. } = *self;
        let Moment { from, until, ref in_play, .. } = moment;
        // Unknown without a ledger.
        let ledger = moment.ledger.or_else(|| ix.has_layer(Layer::Ledger).then_some(Ledger::Never));
        let task = work_axis(ix, self.work, key, in_play, from);
        let bound = state_axis(lane, in_play, snapshot, from);
        let used = self.use_axis(&moment);
        let m = Modifiers {
            privileged: tier.is_some_and(|t| t <= Tier::T1),
            break_glass: in_play.iter().any(|g| g.break_glass),
            linked_credential: in_play.iter().any(|g| !expects_binding(g)),
            tampered: in_play
                .iter()
                .any(|g| g.externally_modified || g.end_kind == EndKind::FailedToRevoke),
        };
        let cells = completions(ledger, task, bound, used, m);
        let worst = cells.iter().max_by_key(|c| c.severity)?;
        let floor = cells.iter().map(|c| c.severity).min()?;
        worst.severity?;
        // A possibility that rests only on layers without any source is "not assessed", which the
        // coverage says once, and not a possible finding of every segment (section 7).
        let absent = (bound.is_some() || snapshot.is_none())
            && (task.is_some() || !ix.has_layer(Layer::Task))
            && (used.is_some() || self.use_unsourced(from));
        if floor.is_none() && absent {
            return None;
        }
        let silent = [
            (ledger.is_none(), Layer::Ledger),
            (task.is_none(), Layer::Task),
            (bound.is_none(), Layer::State),
            (used.is_none(), Layer::Usage),
        ];
        Some(Segment {
            principal_id: key.0.clone(),
            privilege: key.1.clone(),
            scope: key.2.clone(),
            from,
            until,
            length_s: until.map_or(0, |u| u.secs_since(from)),
            ledger: text(ledger.map_or("?", ledger_word)),
            task: text(task.map_or("?", work_word)),
            state: text(bound.map_or("?", |b| if b { "1" } else { "0" })),
            usage: text(used.map_or("?", |u| if u { "1" } else { "0" })),
            cell: text(worst.name),
            severity: text(worst.severity.map_or("ok", Severity::as_str)),
            certainty: if floor == worst.severity {
                Certainty::Certain
            } else {
                Certainty::Possible
            },
            severity_floor: text(floor.map_or("ok", Severity::as_str)),
            grant_ids: in_play.iter().map(|g| g.grant_id.clone()).collect(),
            silent_layers: silent
                .iter()
                .filter(|(unknown, _)| *unknown)
                .map(|(_, layer)| text(layer.as_str()))
                .collect(),
            tier,
            refs: in_play
                .iter()
                .filter_map(|g| g.refs.first().cloned())
                .chain(lane.holdings.iter().filter_map(|h| h.refs.first().cloned()))
                .take(8)
                .collect(),
        })
    }

    fn use_axis(&self, moment: &Moment<'_>) -> Option<bool> {
        if moment.used {
            return Some(true);
        }
        let until = moment.until.unwrap_or(moment.from);
        self.ix.use_observable(self.platform, moment.from, until).is_ok().then_some(false)
    }

    /// No source lists uses on the platform of the lane.
    fn use_unsourced(&self, at: Time) -> bool {
        self.ix.use_observable(self.platform, at, at) == Err("no_source")
    }
}

fn ledger_word(l: Ledger) -> &'static str {
    match l {
        Ledger::Never => "N",
        Ledger::Denied => "D",
        Ledger::Ended => "E",
        Ledger::Active => "A",
    }
}

fn work_word(w: Work) -> &'static str {
    match w {
        Work::None => "-",
        Work::Before | Work::After => "X",
        Work::Running => "R",
    }
}

fn work_axis(
    ix: &Index<'_>,
    work: &WorkOf,
    key: &Key,
    in_play: &[&GrantFact],
    at: Time,
) -> Option<Work> {
    if in_play.is_empty() {
        if !ix.has_layer(Layer::Task) {
            return None;
        }
        let own = work.get(&key.0).map_or(&[][..], Vec::as_slice);
        let running = own.iter().any(|(s, e)| *s <= at && e.is_none_or(|e| at < e));
        let past = own.iter().any(|(s, _)| *s <= at);
        return Some(match (running, past, own.is_empty()) {
            (true, ..) => Work::Running,
            (_, true, _) => Work::After,
            (_, _, false) => Work::Before,
            _ => Work::None,
        });
    }
    let mut best = None;
    for g in in_play {
        let w = match (g.task_resolved, g.task_started_at) {
            (None, _) => return None,
            (Some(false), _) => Work::None,
            (Some(true), Some(s)) if at < s => Work::Before,
            // It waits for its start, or was called off without one.
            (Some(true), None) if unbegun(g, at) => Work::Before,
            (Some(true), _) => match (g.task_running, g.task_ended_at) {
                (Some(true), _) => Work::Running,
                (_, Some(e)) if at < e => Work::Running,
                (_, Some(_)) => Work::After,
                _ => return None,
            },
        };
        // The most favourable linked task speaks for the segment.
        best = Some(best.map_or(w, |b: Work| b.max(w)));
    }
    best
}

/// Whether the linked task, of which no start is known, had not begun at an instant.
fn unbegun(g: &GrantFact, at: Time) -> bool {
    match g.task_state {
        Some(TaskState::Waiting | TaskState::Queued) => g.task_ended_at.is_none(),
        Some(TaskState::Canceled | TaskState::Skipped) => g.task_ended_at.is_some_and(|e| at < e),
        _ => false,
    }
}

/// Presence in IAM. A single snapshot decides from its instant on; credential and session brokers
/// show a valid credential while the grant runs.
fn state_axis(
    lane: &Lane<'_>,
    in_play: &[&GrantFact],
    snapshot: Option<Snapshot>,
    at: Time,
) -> Option<bool> {
    if let Some(g) = in_play.iter().find(|g| !expects_binding(g)) {
        return g.residual_until.or(g.ended_at).map(|end| at < end);
    }
    let snap = snapshot?;
    if at < snap.at {
        return None;
    }
    Some(
        lane.holdings.iter().any(|h| !matches!(h.standing, Standing::Residue | Standing::Eligible)),
    )
}

/// Cells of every completion of the unknown axes.
fn completions(
    ledger: Option<Ledger>,
    task: Option<Work>,
    bound: Option<bool>,
    used: Option<bool>,
    m: Modifiers,
) -> Vec<cells::Cell> {
    // Without any ledger every binding falls to row N, marked as such by the silent layer (section 7).
    let ledgers = [ledger.unwrap_or(Ledger::Never)];
    let tasks = task
        .map_or_else(|| vec![Work::None, Work::Before, Work::After, Work::Running], |t| vec![t]);
    let either = |b: Option<bool>| b.map_or_else(|| vec![false, true], |b| vec![b]);
    let mut out = Vec::new();
    for l in ledgers {
        for t in &tasks {
            for b in either(bound) {
                for u in either(used) {
                    out.push(cells::judge(l, *t, b, u, m));
                }
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::analyze::index::NoTiers;
    use crate::facts::identity::Resolution;
    use crate::facts::{Facts, Principal, Source, Usage, UsageGrain};
    use crate::settings::Settings;

    const END: i64 = 40;

    fn s(v: i64) -> Time {
        Time::from_secs(v)
    }

    /// One small history: ledger, task and use of one grant, all in seconds below [`END`].
    #[derive(Clone, Debug)]
    struct Story {
        decided: bool,
        start: i64,
        len: Option<i64>,
        task: Option<(i64, Option<i64>)>,
        task_known: bool,
        used: Option<(i64, i64)>,
    }

    fn story() -> impl Strategy<Value = Story> {
        (
            any::<bool>(),
            0..25i64,
            prop::option::of(0..20i64),
            prop::option::of((0..25i64, prop::option::of(0..15i64))),
            any::<bool>(),
            prop::option::of((0..30i64, 0..8i64)),
        )
            .prop_map(|(decided, start, len, task, task_known, used)| Story {
                decided,
                start,
                len,
                task,
                task_known,
                used,
            })
    }

    fn fact(i: usize, st: &Story) -> GrantFact {
        let mut g = GrantFact {
            grant_id: text(format!("g{i}")),
            principal_id: text("p"),
            privilege: text("x"),
            scope: Some(text("z")),
            effective: st.decided,
            decision: if st.decided { Decision::Approved } else { Decision::Denied },
            requested_at: Some(s(st.start - 1)),
            started_at: st.decided.then(|| s(st.start)),
            ended_at: st.len.filter(|_| st.decided).map(|l| s(st.start + l)),
            ..GrantFact::default()
        };
        g.task_resolved = st.task_known.then_some(st.task.is_some());
        if let (true, Some((from, len))) = (st.task_known, st.task) {
            g.task_started_at = Some(s(from));
            g.task_ended_at = len.map(|l| s(from + l));
            g.task_running = Some(len.is_none());
        }
        if let (Some((from, len)), true) = (st.used, st.decided) {
            g.first_used_at = Some(s(from));
            g.last_used_at = Some(s(from + len));
        }
        g
    }

    /// Slow reference: the state at one second, axis by axis, straight from the definitions.
    fn reference(
        stories: &[Story],
        snapshot: Option<i64>,
        bound: bool,
        observed: bool,
        t: i64,
    ) -> Option<(&'static str, Certainty)> {
        let end = |x: &Story| x.len.map(|l| x.start + l);
        let active: Vec<&Story> = stories
            .iter()
            .filter(|x| x.decided && x.start <= t && end(x).is_none_or(|e| t < e))
            .collect();
        let ended = stories
            .iter()
            .enumerate()
            .filter(|(_, x)| x.decided && end(x).is_some_and(|e| e <= t))
            .max_by_key(|(i, x)| (end(x), *i))
            .map(|(_, x)| x);
        let denied: Vec<&Story> =
            stories.iter().filter(|x| !x.decided && x.start - 1 <= t).collect();
        let (ledger, play) = if !active.is_empty() {
            (Ledger::Active, active)
        } else if let Some(x) = ended {
            (Ledger::Ended, vec![x])
        } else if !denied.is_empty() {
            (Ledger::Denied, denied)
        } else {
            (Ledger::Never, vec![])
        };
        let one = |x: &Story| match (x.task_known, x.task) {
            (false, _) => None,
            (_, None) => Some(Work::None),
            (_, Some((from, _))) if t < from => Some(Work::Before),
            (_, Some((from, Some(l)))) if t >= from + l => Some(Work::After),
            _ => Some(Work::Running),
        };
        let works: Option<Vec<Work>> = play.iter().map(|x| one(x)).collect();
        let task = if play.is_empty() {
            vec![Work::None]
        } else {
            match works {
                Some(w) => vec![w.into_iter().max().unwrap()],
                None => vec![Work::None, Work::Before, Work::After, Work::Running],
            }
        };
        let state = match snapshot {
            Some(at) if t >= at => vec![bound],
            _ => vec![false, true],
        };
        let hit =
            stories.iter().any(|x| x.decided && x.used.is_some_and(|(a, l)| a <= t && t <= a + l));
        let used = if hit {
            vec![true]
        } else if observed {
            vec![false]
        } else {
            vec![false, true]
        };
        let decided = (snapshot.is_none() || state.len() == 1)
            && task.len() == 1
            && (!observed || used.len() == 1);
        let mut all = Vec::new();
        for w in task {
            for b in &state {
                for u in &used {
                    all.push(cells::lookup(ledger, w, *b, *u));
                }
            }
        }
        let worst = all.iter().max_by_key(|c| c.severity)?;
        worst.severity?;
        if decided && all.iter().any(|c| c.severity.is_none()) {
            return None;
        }
        let certain = all.iter().all(|c| c.severity == worst.severity);
        Some((worst.name, if certain { Certainty::Certain } else { Certainty::Possible }))
    }

    /// What the grants of a lane say of an instant, each grant asked anew.
    fn asked<'a>(
        lane: &Lane<'a>,
        from: Time,
        until: Option<Time>,
    ) -> (Option<Ledger>, Vec<&'a GrantFact>, bool) {
        let pick = |test: &dyn Fn(&GrantFact) -> bool| -> Vec<&'a GrantFact> {
            lane.grants.iter().copied().filter(|g| test(g)).collect()
        };
        let before = until.unwrap_or(from).max(from.plus_secs(1));
        let used = lane.grants.iter().any(|g| {
            g.first_used_at.zip(g.last_used_at).is_some_and(|(a, b)| a < before && from <= b)
        });
        let active = pick(&|g| {
            g.effective && g.started_at <= Some(from) && g.ended_at.is_none_or(|e| from < e)
        });
        let mut ended = pick(&|g| g.effective && g.ended_at.is_some_and(|e| e <= from));
        ended.sort_by_key(|g| (g.ended_at, g.grant_id.clone()));
        let denied = pick(&|g| !g.effective && g.requested_at.is_some_and(|r| r <= from));
        if !active.is_empty() {
            (Some(Ledger::Active), active, used)
        } else if let Some(last) = ended.pop() {
            (Some(Ledger::Ended), vec![last], used)
        } else if !denied.is_empty() {
            (Some(Ledger::Denied), denied, used)
        } else {
            (None, Vec::new(), used)
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(400))]
        #[test]
        fn a_cursor_says_what_the_grants_say(
            stories in prop::collection::vec(story(), 0..12),
            points in prop::collection::btree_set(-2_000_000..45_000_000i64, 1..30),
        ) {
            let grants: Vec<GrantFact> =
                stories.iter().enumerate().map(|(i, x)| fact(i, x)).collect();
            let lane = Lane { grants: grants.iter().collect(), holdings: Vec::new() };
            let mut cursor = Cursor::new(&lane);
            // Finer than seconds: a use may reach into the next stretch.
            let points: Vec<Time> = points.into_iter().map(Time::from_micros).collect();
            for (i, from) in points.iter().enumerate() {
                let until = points.get(i + 1).copied();
                let m = cursor.advance(*from, until);
                let (ledger, in_play, used) = asked(&lane, *from, until);
                prop_assert_eq!((m.ledger, m.used), (ledger, used));
                let ids = |list: &[&GrantFact]| -> Vec<Text> {
                    list.iter().map(|g| g.grant_id.clone()).collect()
                };
                prop_assert_eq!(ids(&m.in_play), ids(&in_play));
            }
        }
    }

    /// A machine that takes the same privilege again and again is one lane: the sweep must not ask all
    /// grants at every instant. 60,000 grants would take minutes.
    #[test]
    fn a_long_lane_is_swept_in_one_pass() {
        let stories: Vec<GrantFact> = (0..60_000)
            .map(|i| GrantFact {
                grant_id: text(format!("g{i}")),
                principal_id: text("p"),
                privilege: text("x"),
                effective: true,
                decision: Decision::Approved,
                started_at: Some(s(i * 10)),
                ended_at: Some(s(i * 10 + 5)),
                first_used_at: Some(s(i * 10 + 1)),
                last_used_at: Some(s(i * 10 + 7)),
                ..GrantFact::default()
            })
            .collect();
        let ledger = Source { source_id: text("L"), layer: Layer::Ledger, ..Source::default() };
        let facts = Facts { sources: vec![ledger], ..Facts::default() };
        let (settings, resolution) = (Settings::defaults(), Resolution::default());
        let ix = Index::new(&facts, &settings, &resolution, s(1_000_000), &NoTiers);
        let began = std::time::Instant::now();
        let swept = segments(&ix, &stories, &[]);
        assert!(swept.len() >= 60_000, "{}", swept.len());
        assert!(began.elapsed().as_secs() < 60, "{:?}", began.elapsed());
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(400))]
        #[test]
        fn sweep_equals_a_per_second_reference(
            stories in prop::collection::vec(story(), 1..4),
            snapshot in prop::option::of(5..END),
            bound in any::<bool>(),
            observed in any::<bool>(),
        ) {
            let mut facts = Facts::default();
            let layer = |id: &str, layer| Source {
                source_id: text(id),
                layer,
                window_start: Some(s(-100)),
                window_end: Some(s(1000)),
                ..Source::default()
            };
            facts.sources = vec![layer("L", Layer::Ledger), layer("T", Layer::Task)];
            if observed {
                facts.sources.push(layer("U", Layer::Usage));
                facts.usage.push(Usage {
                    principal: text("someone else"),
                    grain: UsageGrain::Action,
                    source_id: text("U"),
                    ..Usage::default()
                });
            }
            if let Some(at) = snapshot {
                facts.sources.push(Source {
                    source_id: text("S"),
                    layer: Layer::State,
                    collected_at: Some(s(at)),
                    ..Source::default()
                });
                facts.principals.push(Principal {
                    principal_id: text("p"),
                    inventoried: true,
                    source_id: text("S"),
                    ..Principal::default()
                });
            }
            let held: Vec<Holding> = if bound {
                vec![Holding {
                    principal_id: text("p"),
                    privilege: text("x"),
                    scope: text("z"),
                    known_to_ledger: Some(true),
                    ..Holding::default()
                }]
            } else {
                vec![]
            };
            let grants: Vec<GrantFact> =
                stories.iter().enumerate().map(|(i, st)| fact(i, st)).collect();
            let (settings, resolution) = (Settings::defaults(), Resolution::default());
            let ix = Index::new(&facts, &settings, &resolution, s(END), &NoTiers);
            let got = segments(&ix, &grants, &held);
            for t in 0..END {
                // Before the first boundary nothing of this key is known.
                let first = stories.iter().map(|x| x.start - 1).min().unwrap();
                if t < first {
                    continue;
                }
                let hits: Vec<&Segment> = got
                    .iter()
                    .filter(|g| g.from <= s(t) && g.until.is_none_or(|u| s(t) < u))
                    .collect();
                prop_assert!(hits.len() <= 1, "segments are disjoint: {hits:?}");
                let want = reference(&stories, snapshot, bound, observed, t);
                let have = hits.first().map(|g| (&*g.cell, g.certainty));
                let same_cell = match (have, want) {
                    (None, None) => true,
                    // Completions of equal severity may name either cell.
                    (Some((_, ac)), Some((_, bc))) => ac == bc,
                    _ => false,
                };
                prop_assert!(same_cell, "second {t}: {have:?} against {want:?}\n{got:#?}");
                if let (Some((a, Certainty::Certain)), Some((b, _))) = (have, want)
                    && hits[0].silent_layers.is_empty()
                {
                    prop_assert_eq!(a, b);
                }
            }
        }
    }
}
