//! The sweep: grants of one lane (principal, platform, privilege) in order of start give chains, overlaps
//! and spans; with them every grant has the columns that rules read.

use std::collections::{BTreeMap, HashMap};

use super::columns::{self, CHAINS, GRANTS, NO_WORD, SPANS};
use super::judge::{CHUNK, Columns, Hit, Judge, Sums};
use super::rows::{NEVER, Place, bit};
use super::shared::Shared;
use super::vocabulary::AsIs;
use super::whole::{Access, Demands, aside};
use crate::analyze::index::Window;
use crate::analyze::survey::Fills;
use crate::facts::Time;
use crate::rules::vector::Chunk;

/// Where use would have been seen.
#[derive(Clone, Debug, Default)]
pub struct Observed {
    /// Windows of the sources whose rows are of this platform, or of none.
    pub windows: Vec<Window>,
}

/// What the sweep reads besides the rows.
#[derive(Debug)]
pub struct Context<'a> {
    /// What was read.
    pub shared: &'a Shared<'a>,
    /// By number of the privilege.
    pub demands: &'a [Demands],
    /// By number of the privilege.
    pub observed: &'a [Observed],
    /// By number of the system.
    pub systems: &'a [Fills],
    /// Windows that task sources state; `None` when none does.
    pub task_windows: Option<Vec<Window>>,
    /// As-of time.
    pub as_of: Time,
    /// The period of the spans.
    pub period: (Time, Time),
    /// Whether the period is long enough for a share.
    pub long_enough: bool,
    /// `limits.chain_gap_s`.
    pub gap_s: i64,
    /// Rules.
    pub judge: &'a Judge<'a>,
}

/// A grant after the sweep.
#[derive(Clone, Copy, Debug)]
pub struct Swept {
    /// The grant.
    pub access: Access,
    /// Time in force together with an earlier one, seconds.
    pub overlap_s: Option<i64>,
    /// Number of its lane.
    pub lane: u32,
}

/// Grants of one scope of a lane, as far as they were met.
#[derive(Clone, Copy, Debug)]
struct Scope {
    /// The chain that goes on.
    n: i64,
    start: i64,
    reach: i64,
    /// The largest end of all before, for the gap.
    latest: i64,
    place: Place,
    /// The span: members, the piece that goes on, seconds of the pieces that are over.
    members: i64,
    first: Place,
    piece: Option<(Time, Time)>,
    covered_s: i64,
}

/// Things of a lane by name: few are looked through, many are kept in a map.
#[derive(Debug)]
struct Few<T> {
    all: Vec<(u64, T)>,
    many: HashMap<u64, usize, AsIs>,
}

/// Up to here looking through is quicker than a map.
const FEW: usize = 16;

impl<T> Default for Few<T> {
    fn default() -> Self {
        Self { all: Vec::new(), many: HashMap::default() }
    }
}

impl<T> Few<T> {
    fn clear(&mut self) {
        self.all.clear();
        self.many.clear();
    }

    fn get(&mut self, id: u64, new: impl FnOnce() -> T) -> Option<&mut T> {
        let found = if self.all.len() <= FEW {
            self.all.iter().position(|(have, _)| *have == id)
        } else {
            self.many.get(&id).copied()
        };
        let at = match found {
            Some(at) => at,
            None => {
                self.all.push((id, new()));
                let at = self.all.len() - 1;
                if at == FEW {
                    self.many = self.all.iter().enumerate().map(|(i, (id, _))| (*id, i)).collect();
                } else if at > FEW {
                    self.many.insert(id, at);
                }
                at
            }
        };
        self.all.get_mut(at).map(|(_, t)| t)
    }
}

/// Rows of chains and spans until they are judged.
#[derive(Debug, Default)]
struct Pending {
    chains: Vec<ChainRow>,
    spans: Vec<SpanRow>,
}

/// A chain.
#[derive(Debug)]
pub struct ChainRow {
    /// Members.
    pub n: i64,
    /// Start.
    pub start: i64,
    /// Largest end; [`OPEN`] when it has none.
    pub reach: i64,
    /// Tier of the privilege.
    pub tier: u8,
    /// Its first grant.
    pub place: Place,
    /// Number of its lane.
    pub lane: u32,
}

/// The grants of one principal, privilege and scope.
#[derive(Debug)]
pub struct SpanRow {
    /// Grants.
    pub n: i64,
    /// Time that they cover, seconds.
    pub covered_s: i64,
    /// Tier of the privilege.
    pub tier: u8,
    /// The first of them.
    pub place: Place,
    /// Number of their lane.
    pub lane: u32,
}

/// An end that is not recorded lies beyond everything.
pub const OPEN: i64 = i64::MAX;

#[inline]
fn end_of(a: &Access) -> i64 {
    match (a.grant.ended, a.grant.due) {
        (NEVER, NEVER) => OPEN,
        (NEVER, due) => due,
        (ended, _) => ended,
    }
}

/// Whether it gave access by an instant.
#[must_use]
#[inline]
pub fn is_effective(a: &Access, as_of: i64) -> bool {
    a.grant.start != NEVER && a.grant.start <= as_of
}

/// Whether an end lies before the start.
#[must_use]
#[inline]
pub fn is_inverted(a: &Access) -> bool {
    let g = &a.grant;
    let before = |t: i64| t != NEVER && t < g.start;
    g.start != NEVER && (before(g.due) || before(g.ended))
}

/// Why the row engine judges a lane with this grant, whatever its other grants are.
fn odd(cx: &Context<'_>, a: &Access) -> bool {
    let why = if a.bits & bit::TASK != 0 {
        None
    } else if a.bits & bit::SESSION != 0 && cx.shared.has_tasks {
        Some("a session name that may name a task")
    } else if a.bits & bit::TICKETED != 0 {
        Some("a reason that names a task")
    } else {
        None
    };
    if let Some(why) = why {
        cx.shared.marks.say(why);
    }
    why.is_some() || a.bits & bit::ASIDE != 0
}

/// Sweeps one partition. Lanes that the row engine judges are marked and left out.
pub fn sweep(cx: &Context<'_>, rows: &mut [Access], sums: &mut Sums) {
    let as_of = cx.as_of.micros();
    let mut order: Vec<(u64, i64, u32)> =
        rows.iter().zip(0u32..).map(|(a, i)| (a.grant.lane(), a.grant.start, i)).collect();
    order.sort_unstable();
    let mut sweep = Sweep {
        cx,
        as_of,
        lane: 0,
        tier: NO_WORD,
        hits: Vec::new(),
        scopes: Few::default(),
        spots: Few::default(),
        pending: Pending::default(),
        swept: Vec::with_capacity(CHUNK),
        counts: BTreeMap::new(),
    };
    let mut starts: Vec<usize> = Vec::new();
    let mut from = 0;
    for lane in order.chunk_by(|a, b| a.0 == b.0) {
        starts.push(from);
        from += lane.len();
        if !sweep.lane(rows, lane) {
            for (_, _, i) in lane {
                aside(rows, *i);
                sums.aside.extend(rows.get(*i as usize).map(Access::place));
            }
        }
        sweep.lane += 1;
    }
    let rows = &*rows;
    sweep.flush(true);
    let mut hits = std::mem::take(&mut sweep.hits);
    for (rule, counts) in std::mem::take(&mut sweep.counts) {
        sums.counts.entry(rule).or_default().absorb(counts);
    }
    // Only lanes with a hit are kept.
    hits.sort_unstable_by_key(|h| h.lane);
    for same in hits.chunk_by_mut(|a, b| a.lane == b.lane) {
        let Some(lane) = same.first().map(|h| h.lane as usize) else { continue };
        let from = starts.get(lane).copied().unwrap_or(0);
        let to = starts.get(lane + 1).copied().unwrap_or(order.len());
        let members = order.get(from..to).unwrap_or(&[]);
        let places =
            members.iter().filter_map(|(_, _, i)| Some(rows.get(*i as usize)?.place())).collect();
        for hit in same.iter().filter(|h| h.chain) {
            let chain = members_of(cx, rows, members, hit.place);
            sums.chains.insert(hit.place, chain);
        }
        let kept = u32::try_from(sums.lanes.len()).unwrap_or(u32::MAX);
        sums.lanes.push(places);
        same.iter_mut().for_each(|h| h.lane = kept);
    }
    sums.hits.append(&mut hits);
}

/// Members of the chain that begins with a grant, out of its lane.
fn members_of(
    cx: &Context<'_>,
    rows: &[Access],
    lane: &[(u64, i64, u32)],
    first: Place,
) -> Vec<Place> {
    let as_of = cx.as_of.micros();
    let all = lane.iter().filter_map(|(_, _, i)| rows.get(*i as usize));
    let from = all.skip_while(|a| a.place() != first);
    let mut out = Vec::new();
    let (mut scope, mut reach) = (None, NEVER);
    for a in from.filter(|a| is_effective(a, as_of) && !is_inverted(a)) {
        if *scope.get_or_insert(a.grant.what) != a.grant.what {
            continue;
        }
        let gap = Time::from_micros(reach).plus_secs(cx.gap_s).micros();
        if !out.is_empty() && a.grant.start > gap {
            break;
        }
        out.push(a.place());
        reach = reach.max(end_of(a));
    }
    out
}

struct Sweep<'c, 'a> {
    cx: &'c Context<'a>,
    as_of: i64,
    lane: u32,
    /// Tier of the lane's privilege.
    tier: u8,
    hits: Vec<Hit>,
    scopes: Few<Scope>,
    /// Largest end at each canonical scope.
    spots: Few<i64>,
    pending: Pending,
    swept: Vec<Swept>,
    counts: BTreeMap<usize, crate::findings::RuleResult>,
}

impl Sweep<'_, '_> {
    /// Sweeps a lane; false when the row engine must judge it.
    fn lane(&mut self, rows: &[Access], lane: &[(u64, i64, u32)]) -> bool {
        if self.swept.len() >= CHUNK {
            self.grants(false);
        }
        self.flush(false);
        let whole = lane.iter().filter_map(|(_, _, i)| rows.get(*i as usize));
        // No short cut: each grant may have a reason of its own to be told.
        if whole.filter(|a| odd(self.cx, a)).count() > 0 {
            return false;
        }
        let (swept, chains) = (self.swept.len(), self.pending.chains.len());
        let fits = self.follow(rows, lane);
        if fits {
            self.close();
        } else {
            self.swept.truncate(swept);
            self.pending.chains.truncate(chains);
        }
        fits
    }

    /// The grants of a lane in their order; false when some of them are together in a way that the row
    /// engine must look at.
    fn follow(&mut self, rows: &[Access], lane: &[(u64, i64, u32)]) -> bool {
        self.scopes.clear();
        self.spots.clear();
        let mut name = None;
        // Largest end of those whose scope may nest.
        let mut nested = NEVER;
        // Scopes of the grants that start at one instant.
        let mut last: (i64, Vec<u64>) = (NEVER, Vec::new());
        for (_, _, i) in lane {
            let Some(a) = rows.get(*i as usize) else { continue };
            let own = (a.grant.principal, a.grant.privilege);
            if name.is_some_and(|have| have != own) {
                self.cx.shared.refuse("two names of one hash");
            }
            name = Some(own);
            self.tier = self.cx.demands.get(a.grant.privilege as usize).map_or(NO_WORD, |d| d.tier);
            let mut overlap_s = None;
            if is_effective(a, self.as_of) && !is_inverted(a) {
                overlap_s = match self.overlap(a, &mut nested, &mut last) {
                    Ok(overlap_s) => overlap_s,
                    Err(why) => {
                        self.cx.shared.marks.say(why);
                        return false;
                    }
                };
                self.scope(a);
            }
            self.swept.push(Swept { access: *a, overlap_s, lane: self.lane });
        }
        true
    }

    /// Time in force together with the earlier grant of equal scope that ends last; why the row engine must
    /// look at it.
    fn overlap(
        &mut self,
        a: &Access,
        nested: &mut i64,
        last: &mut (i64, Vec<u64>),
    ) -> Result<Option<i64>, &'static str> {
        const NEST: &str = "grants in force together whose scopes may nest";
        let (start, end) = (a.grant.start, end_of(a));
        // Which of the two is the later one goes by their ids, which are not here.
        if self.together(start, a.grant.spot, last) {
            return Err("two grants of one access that start together");
        }
        if end <= start {
            return Ok(None);
        }
        if a.bits & bit::NESTS != 0 {
            let others = self.spots.all.iter().take(MANY_SPOTS + 1);
            let met = others.clone().any(|(spot, e)| *spot != a.grant.spot && *e > start);
            if met || others.count() > MANY_SPOTS {
                return Err(NEST);
            }
            *nested = (*nested).max(end);
        } else if *nested > start {
            return Err(NEST);
        }
        let Some(best) = self.spots.get(a.grant.spot, || NEVER) else { return Ok(None) };
        let other = *best;
        *best = other.max(end);
        Ok((other > start).then(|| {
            let until = other.min(end).min(self.as_of.max(start));
            Time::from_micros(until).secs_since(Time::from_micros(start))
        }))
    }

    /// Whether a grant of this scope started at the same instant.
    fn together(&self, start: i64, spot: u64, last: &mut (i64, Vec<u64>)) -> bool {
        if last.0 != start {
            (last.0, last.1) = (start, Vec::new());
        }
        // So many scopes at one instant are left to the row engine rather than looked through.
        let met = last.1.contains(&spot) || last.1.len() > MANY_SPOTS;
        last.1.push(spot);
        met
    }

    fn scope(&mut self, a: &Access) {
        let tier = self.tier;
        let (start, end) = (a.grant.start, end_of(a));
        let new = || Scope {
            n: 0,
            start,
            reach: NEVER,
            latest: NEVER,
            place: a.place(),
            members: 0,
            first: a.place(),
            piece: None,
            covered_s: 0,
        };
        let Some(s) = self.scopes.get(a.grant.what, new) else { return };
        let gap = Time::from_micros(s.latest).plus_secs(self.cx.gap_s).micros();
        if s.n > 0 && start > gap {
            self.pending.chains.push(chain_of(s, tier, self.lane));
            (s.n, s.start, s.reach, s.place) = (0, start, NEVER, a.place());
        }
        s.n += 1;
        s.reach = s.reach.max(end);
        s.latest = s.latest.max(end);
        s.members += 1;
        let (from, until) = self.cx.period;
        let piece = (Time::from_micros(start).max(from), Time::from_micros(end).min(until));
        if piece.0 < piece.1 {
            match &mut s.piece {
                Some((_, e)) if piece.0 <= *e => *e = (*e).max(piece.1),
                other => {
                    if let Some((a, b)) = other {
                        s.covered_s += b.secs_since(*a);
                    }
                    *other = Some(piece);
                }
            }
        }
    }

    /// Ends the chains and spans of a lane.
    fn close(&mut self) {
        let tier = self.tier;
        for (_, s) in &self.scopes.all {
            self.pending.chains.push(chain_of(s, tier, self.lane));
            let rest = s.piece.map_or(0, |(a, b)| b.secs_since(a));
            self.pending.spans.push(SpanRow {
                n: s.members,
                covered_s: s.covered_s + rest,
                tier,
                place: s.first,
                lane: self.lane,
            });
        }
    }

    fn flush(&mut self, all: bool) {
        if all {
            self.grants(true);
        }
        if all || self.pending.chains.len() >= CHUNK {
            let rows = std::mem::take(&mut self.pending.chains);
            for part in rows.chunks(CHUNK) {
                let chunk = columns::chains(self.cx, part);
                self.judge(&CHAINS, &chunk, &|row| part.get(row).map(|r| (r.place, r.lane)));
            }
        }
        if all || self.pending.spans.len() >= CHUNK {
            let rows = std::mem::take(&mut self.pending.spans);
            for part in rows.chunks(CHUNK) {
                let chunk = columns::spans(self.cx, part);
                self.judge(&SPANS, &chunk, &|row| part.get(row).map(|r| (r.place, r.lane)));
            }
        }
    }

    /// Judges what was swept, in chunks; what is left of the last one stays unless it is all.
    fn grants(&mut self, all: bool) {
        let mut rows = std::mem::take(&mut self.swept);
        let full = rows.len() - if all { 0 } else { rows.len() % CHUNK };
        for part in rows.get(..full).unwrap_or(&[]).chunks(CHUNK) {
            let chunk = columns::grants(self.cx, part);
            self.judge(&GRANTS, &chunk, &|row| part.get(row).map(|s| (s.access.place(), s.lane)));
        }
        rows.drain(..full);
        self.swept = rows;
    }

    fn judge(
        &mut self,
        columns: &Columns,
        chunk: &Chunk,
        who: &dyn Fn(usize) -> Option<(Place, u32)>,
    ) {
        let hits = &mut self.hits;
        self.cx.judge.chunk(columns.table, chunk, &mut self.counts, &mut |rule, row, certain| {
            if let Some((place, lane)) = who(row) {
                let chain = columns.table == CHAINS.table;
                hits.push(Hit { place, rule, certain, lane, chain });
            }
        });
    }
}

/// Scopes of a lane that are looked through for one that may nest.
const MANY_SPOTS: usize = 256;

fn chain_of(s: &Scope, tier: u8, lane: u32) -> ChainRow {
    ChainRow { n: s.n, start: s.start, reach: s.reach, tier, place: s.place, lane }
}
