//! The sweep: per principal, privilege and scope, every maximal time segment and its cell.
//!
//! Specification: grants model, sections 4 and 6. Axes that no input decides stay unknown: all
//! completions are judged, and the segment is certain only if every completion is as severe as the
//! least severe finding among them.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use rayon::prelude::*;

use super::cells::{self, Ledger, Modifiers, Work};
use super::cursor::{Cursor, Moment};
use super::grants::expects_binding;
use super::hours::Hours;
use super::index::Index;
use super::metrics::{privilege_weight, scope_weight};
use super::observe::Place;
use super::scope;
use super::state::{self, History, Presence};
use super::strays::{self, Stray, Strays};
use super::use_spans::{BIN_S, UseSpans, Used, cut_bin};
use super::work::{WorkOf, principal_work, work_axis, work_word};
use crate::facts::store::evidence_ref;
use crate::facts::{
    BindingKind, Certainty, Decision, EndKind, Entitlement, GrantFact, Holding, Layer, Segment,
    Text, Tier, Time, text,
};
use crate::findings::Severity;

type Key = (Text, Text, Option<Text>);

/// When what was used.
#[derive(Clone, Copy, Debug)]
pub struct Uses<'u, 'a> {
    /// Of each grant, in the order of the grants.
    pub of_grants: &'u [UseSpans],
    /// Outside of grants.
    pub strays: &'u Strays<'a>,
}

/// Everything one key is swept over.
#[derive(Default)]
struct Lane<'a> {
    grants: Vec<&'a GrantFact>,
    holdings: Vec<&'a Holding>,
    uses: UseSpans,
    /// Platform and evidence of uses that no grant explains.
    platform: Option<&'a str>,
    use_refs: Vec<Text>,
}

/// What the sweep gives.
#[derive(Debug, Default)]
pub struct Swept {
    /// Segments, by principal, privilege and scope.
    pub segments: Vec<Segment>,
    /// Hours of privilege of all.
    pub hours: Hours,
    /// The same by principal; those that held nothing are left out.
    pub by_principal: BTreeMap<Text, Hours>,
}

/// Derives all segments but the quiet ones (nothing granted, bound or used, or closed and gone).
#[must_use]
pub fn segments(
    ix: &Index<'_>,
    grants: &[GrantFact],
    holdings: &[Holding],
    uses: &Uses<'_, '_>,
) -> Swept {
    segments_of(ix, grants, holdings, uses, BIN_S)
}

/// What the lanes give, put together in their order.
fn total(swept: Vec<(Vec<Segment>, Hours)>, lanes: &[(Key, Lane<'_>)]) -> Swept {
    let (mut out, mut hours) = (Vec::new(), Hours::default());
    let mut by_principal: BTreeMap<Text, Hours> = BTreeMap::new();
    let mut standing: BTreeSet<&str> = BTreeSet::new();
    let mut perhaps: BTreeSet<&str> = BTreeSet::new();
    for ((segments, own), (key, _)) in swept.into_iter().zip(lanes) {
        out.extend(segments);
        hours.add(&own);
        if own.held != (0, 0) || own.radius_s > 0 {
            by_principal.entry(key.0.clone()).or_default().add(&own);
        }
        if own.bare.0 > 0 {
            standing.insert(&key.0);
        } else if own.bare.1 > 0 {
            perhaps.insert(&key.0);
        }
    }
    let count = |n: usize| i64::try_from(n).unwrap_or(i64::MAX);
    hours.standing = (count(standing.len()), count(perhaps.difference(&standing).count()));
    Swept { segments: out, hours, by_principal }
}

fn segments_of(
    ix: &Index<'_>,
    grants: &[GrantFact],
    holdings: &[Holding],
    uses: &Uses<'_, '_>,
    bin_s: i64,
) -> Swept {
    let mut lanes: BTreeMap<Key, Lane<'_>> = BTreeMap::new();
    let mut of_grants = uses.of_grants.iter();
    for g in grants {
        let own = of_grants.next();
        if g.interval_inverted {
            continue;
        }
        let place = g.scope.as_deref().map(|s| text(scope::canonical(g.platform.as_deref(), s)));
        let key = (g.principal_id.clone(), g.privilege.clone(), place);
        let lane = lanes.entry(key).or_default();
        lane.grants.push(g);
        if let Some(own) = own {
            lane.uses.extend(own);
        }
    }
    let mut by_principal: HashMap<&str, Vec<&Holding>> = HashMap::new();
    for h in holdings {
        by_principal.entry(&h.principal_id).or_default().push(h);
    }
    for ((principal, privilege, place), lane) in &mut lanes {
        let held = by_principal.get(&**principal).map_or(&[][..], Vec::as_slice);
        let platform = lane.grants.first().and_then(|g| g.platform.as_deref());
        lane.holdings = held
            .iter()
            .copied()
            .filter(|h| h.privilege == *privilege || h.role_id == *privilege)
            .filter(|h| state::place_fits(platform, place.as_deref(), (&h.platform, &h.scope)))
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
    put_strays(ix, &mut lanes, &by_principal, uses.strays);
    let history = History::new(ix);
    let work = principal_work(ix);
    let sweeper = Sweeper { ix, history: &history, work: &work, bin_s };
    let lanes: Vec<(Key, Lane<'_>)> = lanes.into_iter().collect();
    let swept = lanes.par_iter().map(|(key, lane)| sweeper.sweep(key, lane)).collect();
    total(swept, &lanes)
}

/// Evidence of uses in one lane.
const MAX_USE_REFS: usize = 4;

/// Puts uses that no grant explains into the lanes of their privilege, at their scope or one around it; a
/// privileged one without any such lane has one of its own, where a ledger covers its time.
fn put_strays<'a>(
    ix: &Index<'_>,
    lanes: &mut BTreeMap<Key, Lane<'a>>,
    by_principal: &HashMap<&str, Vec<&'a Holding>>,
    strays: &Strays<'a>,
) {
    // A use names a role as its source does, a lane as the ledger or the platform.
    let mut names: HashMap<(Text, Text), BTreeSet<Text>> = HashMap::new();
    for (principal, privilege, _) in lanes.keys() {
        let name = text(ix.privilege_name(privilege));
        names.entry((principal.clone(), name)).or_default().insert(privilege.clone());
    }
    for h in by_principal.values().flatten() {
        if h.role_id != h.privilege {
            let of = names.entry((h.principal_id.clone(), h.role_id.clone())).or_default();
            of.insert(h.privilege.clone());
        }
    }
    for stray in &strays.named {
        let (principal, u) = (text(stray.principal), stray.usage);
        let platform = u.platform.as_deref();
        let named = text(ix.privilege_name(stray.privilege));
        let place = u.scope.as_deref().map(|s| text(scope::canonical(platform, s)));
        let mut met = false;
        let own = (principal.clone(), named.clone());
        for privilege in names.get(&own).into_iter().flatten() {
            for at in strays::places(place.as_deref()) {
                let key = (principal.clone(), privilege.clone(), at);
                if let Some(lane) = lanes.get_mut(&key) {
                    met = true;
                    note(lane, stray);
                }
            }
        }
        let first = stray.spans.sure.iter().map(|(a, _)| *a).min();
        let privileged = ix.privilege(platform, stray.privilege).0.is_some_and(|t| t <= Tier::T2);
        if !met && privileged && first.is_some_and(|t| ix.ledger_covers(t)) {
            note(lanes.entry((principal, named, place)).or_default(), stray);
        }
    }
    for ((principal, ..), lane) in lanes.iter_mut().filter(|(_, lane)| !lane.grants.is_empty()) {
        if let Some(vague) = strays.vague.get(&**principal) {
            lane.uses.extend(vague);
        }
    }
}

fn note<'a>(lane: &mut Lane<'a>, stray: &Stray<'a>) {
    lane.uses.extend(&stray.spans);
    lane.platform = lane.platform.or(stray.usage.platform.as_deref());
    if lane.use_refs.len() < MAX_USE_REFS {
        lane.use_refs.push(evidence_ref(&stray.usage.source_id, &stray.usage.source_ref));
    }
}

/// What all lanes share.
struct Sweeper<'s, 'a> {
    ix: &'s Index<'a>,
    history: &'s History<'a>,
    work: &'s WorkOf,
    bin_s: i64,
}

impl Sweeper<'_, '_> {
    fn sweep(&self, key: &Key, lane: &Lane<'_>) -> (Vec<Segment>, Hours) {
        let track = Track::new(self, key, lane);
        let mut cuts: BTreeSet<Time> = BTreeSet::new();
        for g in &lane.grants {
            cuts.extend([g.requested_at, g.started_at, g.ended_at].into_iter().flatten());
            cuts.extend([g.task_started_at, g.task_ended_at].into_iter().flatten());
        }
        if lane.grants.is_empty() {
            let own = self.work.get(&key.0).map_or(&[][..], Vec::as_slice);
            let used = lane.uses.sure.iter();
            // Work matters to a lane without grants only where something was used.
            for (a, b) in used {
                let near = own.iter().filter(|(s, e)| *s <= *b && e.is_none_or(|e| e >= *a));
                cuts.extend(near.take(MAX_WORK).flat_map(|(s, e)| [Some(*s), *e]).flatten());
            }
        }
        cuts.extend(track.presence.cuts());
        cuts.extend(credential_ends(lane));
        cuts.insert(self.ix.as_of);
        cuts.retain(|t| *t <= self.ix.as_of);
        let changes: Vec<Time> = cuts.iter().copied().collect();
        let used: Vec<(Time, Time)> = lane
            .uses
            .sure
            .iter()
            .map(|(a, b)| if a == b { cut_bin(*a, self.bin_s, &changes) } else { (*a, *b) })
            .collect();
        let ends = used.iter().chain(&lane.uses.maybe).flat_map(|(a, b)| [*a, *b]);
        cuts.extend(ends.filter(|t| *t <= self.ix.as_of));
        let points: Vec<Time> = cuts.into_iter().collect();
        let mut cursor = Cursor::new(&lane.grants, used, lane.uses.maybe.clone());
        let mut out: Vec<Segment> = Vec::new();
        let mut hours = Hours::default();
        for (i, from) in points.iter().enumerate() {
            let until = points.get(i + 1).copied();
            let moment = cursor.advance(*from, until);
            track.count(&moment, &mut hours);
            let Some(s) = track.segment(moment) else { continue };
            match out.last_mut() {
                Some(last) if last.until == Some(*from) && same(last, &s) => {
                    last.until = s.until;
                    last.length_s += s.length_s;
                }
                _ => out.push(s),
            }
        }
        (out, hours)
    }
}

/// Tasks of a principal that are looked at beside one use without a grant.
const MAX_WORK: usize = 64;

/// Ends of credentials, by which the presence of grants of credentials is judged.
fn credential_ends<'l>(lane: &'l Lane<'_>) -> impl Iterator<Item = Time> + 'l {
    lane.grants.iter().filter(|g| !expects_binding(g)).filter_map(|g| g.residual_until)
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
    presence: Presence,
    work: &'t WorkOf,
    key: &'t Key,
    lane: &'t Lane<'t>,
    tier: Option<Tier>,
    platform: Option<&'t str>,
}

impl<'t, 'a> Track<'t, 'a> {
    fn new(sweeper: &Sweeper<'t, 'a>, key: &'t Key, lane: &'t Lane<'t>) -> Self {
        let (ix, work) = (sweeper.ix, sweeper.work);
        let platform = lane
            .grants
            .iter()
            .find_map(|g| g.platform.as_deref())
            .or_else(|| lane.holdings.first().map(|h| &*h.platform))
            .or(lane.platform);
        let tier = lane
            .grants
            .iter()
            .find_map(|g| g.tier)
            .or_else(|| lane.holdings.iter().find_map(|h| h.tier))
            .or_else(|| ix.privilege(platform, &key.1).0);
        let meant = |e: &Entitlement| {
            e.binding_kind == BindingKind::Active
                && (e.privilege == key.1 || e.role_id == key.1)
                && state::place_fits(platform, key.2.as_deref(), (&e.platform, &e.scope))
        };
        let place = key.2.as_deref();
        let presence = sweeper.history.track(ix, &key.0, place, &lane.holdings, meant);
        Self { ix, presence, work, key, lane, tier, platform }
    }

    /// Adds a stretch to the hours of privilege.
    fn count(&self, moment: &Moment<'_>, hours: &mut Hours) {
        let Some(until) = moment.until else { return };
        let length = until.secs_since(moment.from);
        let bound = self.state_axis(moment);
        // Without any snapshot what may be bound has no bounds, and says nothing.
        if bound == Some(false) || (bound.is_none() && self.presence.is_empty()) {
            return;
        }
        if bound == Some(true) {
            let place = self.key.2.as_deref().unwrap_or("");
            let weight = privilege_weight(self.tier) * scope_weight(place);
            hours.radius_s = hours.radius_s.saturating_add(length.saturating_mul(weight));
        }
        if self.tier.is_none_or(|t| t > Tier::T2) {
            return;
        }
        let granted = moment.ledger == Some(Ledger::Active);
        let work = work_axis(self.ix, self.work, &self.key.0, &moment.in_play, moment.from);
        let add = |slot: &mut (i64, i64), open: bool| {
            let side = if open { &mut slot.1 } else { &mut slot.0 };
            *side = side.saturating_add(length);
        };
        add(&mut hours.held, bound.is_none());
        if !granted {
            add(&mut hours.bare, bound.is_none());
        }
        if !granted || work != Some(Work::Running) {
            add(&mut hours.off_task, bound.is_none() || (granted && work.is_none()));
        }
    }

    fn segment(&self, moment: Moment<'_>) -> Option<Segment> {
        let Self { ix, key, lane, tier, .. } = *self;
        let Moment { from, until, ref in_play, .. } = moment;
        if lane.grants.is_empty() && lane.holdings.is_empty() && moment.used != Used::Yes {
            return None;
        }
        // Unknown without a ledger.
        let ledger = moment.ledger.or_else(|| ix.has_layer(Layer::Ledger).then_some(Ledger::Never));
        let task = work_axis(ix, self.work, &key.0, in_play, from);
        let bound = self.state_axis(&moment);
        let used = self.use_axis(&moment);
        let m = Modifiers {
            privileged: tier.is_some_and(|t| t <= Tier::T1),
            break_glass: in_play.iter().any(|g| g.break_glass),
            linked_credential: in_play.iter().any(|g| !expects_binding(g)),
            tampered: in_play
                .iter()
                .any(|g| g.externally_modified || g.end_kind == EndKind::FailedToRevoke),
        };
        let mut cells = completions(ledger, task, bound, used, m);
        if ledger.is_none() {
            cells.iter_mut().for_each(without_ledger);
        }
        // Of equally severe cells the first, which assumes least: what no source shows as bound is not.
        let worst = cells.iter().rev().max_by_key(|c| c.severity)?;
        let least = cells.iter().min_by_key(|c| c.severity)?;
        let floor = least.severity;
        worst.severity?;
        // A possibility that rests only on layers without any source is "not assessed", which the
        // coverage says once, and not a possible finding of every segment (section 7).
        let absent = (bound.is_some() || self.presence.is_empty())
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
            cell: cell_name(worst.name, ledger, in_play),
            cell_floor: cell_name(least.name, ledger, in_play),
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
            refs: self.refs(&moment, bound),
        })
    }

    /// Evidence of a segment: its grants, what was used, and what is or may be bound.
    fn refs(&self, moment: &Moment<'_>, bound: Option<bool>) -> Vec<Text> {
        let grants = moment.in_play.iter().filter_map(|g| g.refs.first().cloned());
        let used = self.lane.use_refs.iter().filter(|_| moment.used == Used::Yes).cloned();
        let held = self.lane.holdings.iter().filter(|_| bound != Some(false));
        grants.chain(used).chain(held.filter_map(|h| h.refs.first().cloned())).take(8).collect()
    }

    /// Presence in IAM. Credential and session brokers show a valid credential while the grant runs.
    fn state_axis(&self, moment: &Moment<'_>) -> Option<bool> {
        let at = moment.from;
        match moment.in_play.iter().find(|g| !expects_binding(g)) {
            // Before its start a grant of a credential gives none, and a refused one gives only what the
            // inputs show all the same.
            Some(g) if moment.ledger == Some(Ledger::Denied) => {
                let valid = !g.effective && g.residual_until.is_some_and(|end| at < end);
                self.presence.at(at).or(Some(valid))
            }
            Some(g) => g.residual_until.or(g.ended_at).map(|end| at < end),
            None => self.presence.at(at),
        }
    }

    fn use_axis(&self, moment: &Moment<'_>) -> Option<bool> {
        match moment.used {
            Used::Yes => return Some(true),
            Used::Perhaps => return None,
            Used::Unseen => {}
        }
        let until = moment.until.unwrap_or(moment.from);
        self.ix.use_observable(self.place(), moment.from, until).is_ok().then_some(false)
    }

    fn place(&self) -> Place<'_> {
        Place {
            platform: self.platform,
            privilege: &self.key.1,
            scope: self.key.2.as_deref(),
            principal: &self.key.0,
        }
    }

    /// No source lists uses on the platform of the lane.
    fn use_unsourced(&self, at: Time) -> bool {
        self.ix.use_observable(self.place(), at, at) == Err("no_source")
    }
}

/// Without any ledger nobody can say that something is not in it (section 7): use of a standing binding is
/// then no worse than the binding.
fn without_ledger(cell: &mut cells::Cell) {
    if cell.name.starts_with(UNLEDGERED) {
        cell.severity = cell.severity.map(Severity::down);
    }
}

const UNLEDGERED: &str = "unledgered ";

/// Name of a cell as a reader takes it: without a ledger nobody can say that something is not in it, and what
/// is not decided yet, or has not begun, was not denied.
fn cell_name(name: &str, ledger: Option<Ledger>, in_play: &[&GrantFact]) -> Text {
    match (ledger, name.strip_prefix(UNLEDGERED), name.strip_prefix("denied")) {
        (None, Some(rest), _) => text(format!("{rest}, no ledger supplied")),
        (Some(Ledger::Denied), _, Some(rest)) if in_play.iter().all(|g| is_pending(g)) => {
            text(format!("pending{rest}"))
        }
        _ => text(name),
    }
}

/// Whether a request that has given nothing so far may still do.
fn is_pending(g: &GrantFact) -> bool {
    let open = [Decision::Pending, Decision::Approved, Decision::AutoApproved];
    g.effective || open.contains(&g.decision)
}

fn ledger_word(l: Ledger) -> &'static str {
    match l {
        Ledger::Never => "N",
        Ledger::Denied => "D",
        Ledger::Ended => "E",
        Ledger::Active => "A",
    }
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
        /// Time in which it may have been used.
        perhaps: Option<(i64, i64)>,
    }

    fn story() -> impl Strategy<Value = Story> {
        (
            any::<bool>(),
            0..25i64,
            prop::option::of(0..20i64),
            prop::option::of((0..25i64, prop::option::of(0..15i64))),
            any::<bool>(),
            prop::option::of((0..30i64, 0..8i64)),
            prop::option::weighted(0.2, (0..30i64, 1..8i64)),
        )
            .prop_map(|(decided, start, len, task, task_known, used, perhaps)| Story {
                decided,
                start,
                len,
                task,
                task_known,
                used,
                perhaps,
            })
    }

    /// Use in a story; an event is an instant.
    fn spans(st: &Story) -> UseSpans {
        let span = |(from, len): (i64, i64)| (s(from), s(from + len));
        UseSpans {
            sure: st.used.map(span).into_iter().collect(),
            maybe: st.perhaps.map(span).into_iter().collect(),
        }
    }

    fn swept(
        ix: &Index<'_>,
        grants: &[GrantFact],
        held: &[Holding],
        of_grants: &[UseSpans],
    ) -> Vec<Segment> {
        let uses = Uses { of_grants, strays: &Strays::default() };
        segments_of(ix, grants, held, &uses, 1).segments
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
        g
    }

    /// Slow reference: the state at one second, axis by axis, straight from the definitions.
    fn reference(
        stories: &[Story],
        snapshot: Option<i64>,
        bound: bool,
        observed: bool,
        t: i64,
    ) -> Option<(String, Certainty)> {
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
        // Asked for a second before its start, and pending until then.
        let asked = |x: &&Story| x.start - 1 <= t && (!x.decided || t < x.start);
        let denied: Vec<&Story> = stories.iter().filter(asked).collect();
        let pending = denied.iter().all(|x| x.decided);
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
        let during = |(a, l): (i64, i64)| a <= t && t < a + l.max(1);
        let hit = stories.iter().any(|x| x.used.is_some_and(during));
        let perhaps = stories.iter().any(|x| x.perhaps.is_some_and(during));
        let used = if hit {
            vec![true]
        } else if observed && !perhaps {
            vec![false]
        } else {
            vec![false, true]
        };
        let decided = (snapshot.is_none() || state.len() == 1)
            && task.len() == 1
            && (!observed || used.len() == 1);
        // The first of equally severe cells assumes least.
        let mut all = Vec::new();
        for w in task {
            for b in &state {
                for u in &used {
                    all.push(cells::lookup(ledger, w, *b, *u));
                }
            }
        }
        let worst = all.iter().rev().max_by_key(|c| c.severity)?;
        worst.severity?;
        if decided && all.iter().any(|c| c.severity.is_none()) {
            return None;
        }
        let certain = all.iter().all(|c| c.severity == worst.severity);
        let name = match worst.name.strip_prefix("denied").filter(|_| pending) {
            Some(rest) if ledger == Ledger::Denied => format!("pending{rest}"),
            _ => worst.name.to_owned(),
        };
        Some((name, if certain { Certainty::Certain } else { Certainty::Possible }))
    }

    /// What the grants of a lane say of an instant, each grant asked anew.
    fn asked<'a>(lane: &Lane<'a>, from: Time) -> (Option<Ledger>, Vec<&'a GrantFact>, Used) {
        let pick = |test: &dyn Fn(&GrantFact) -> bool| -> Vec<&'a GrantFact> {
            lane.grants.iter().copied().filter(|g| test(g)).collect()
        };
        let during = |list: &[(Time, Time)]| list.iter().any(|(a, b)| *a <= from && from < *b);
        let used = if during(&lane.uses.sure) {
            Used::Yes
        } else if during(&lane.uses.maybe) {
            Used::Perhaps
        } else {
            Used::Unseen
        };
        let active = pick(&|g| {
            g.effective && g.started_at <= Some(from) && g.ended_at.is_none_or(|e| from < e)
        });
        let mut ended = pick(&|g| g.effective && g.ended_at.is_some_and(|e| e <= from));
        ended.sort_by_key(|g| (g.ended_at, g.grant_id.clone()));
        let denied = pick(&|g| {
            let asked = g.requested_at.is_some_and(|r| r <= from);
            asked && (!g.effective || g.started_at.is_some_and(|s| from < s))
        });
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
            let mut lane = Lane { grants: grants.iter().collect(), ..Lane::default() };
            stories.iter().for_each(|x| lane.uses.extend(&spans(x)));
            let mut cursor = Cursor::new(&lane.grants, lane.uses.sure.clone(), lane.uses.maybe.clone());
            let points: Vec<Time> = points.into_iter().map(Time::from_micros).collect();
            for (i, from) in points.iter().enumerate() {
                let until = points.get(i + 1).copied();
                let m = cursor.advance(*from, until);
                let (ledger, in_play, used) = asked(&lane, *from);
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
                ..GrantFact::default()
            })
            .collect();
        let ledger = Source { source_id: text("L"), layer: Layer::Ledger, ..Source::default() };
        let facts = Facts { sources: vec![ledger], ..Facts::default() };
        let (settings, resolution) = (Settings::defaults(), Resolution::default());
        let ix = Index::new(&facts, &settings, &resolution, s(1_000_000), &NoTiers);
        let began = std::time::Instant::now();
        let uses: Vec<UseSpans> = (0..60_000)
            .map(|i| UseSpans { sure: vec![(s(i * 10 + 1), s(i * 10 + 7))], maybe: vec![] })
            .collect();
        let swept = swept(&ix, &stories, &[], &uses);
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
            let uses: Vec<UseSpans> = stories.iter().map(spans).collect();
            let got = swept(&ix, &grants, &held, &uses);
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
                let have = hits.first().map(|g| (g.cell.to_string(), g.certainty));
                let same_cell = match (&have, &want) {
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
