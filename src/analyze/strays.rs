//! Uses that no grant in force explains: after the end of a grant, after a refused request, without any.
//!
//! Specification: grants model, section 6, rows N, D and E with U1; section 8, TEAM and rule A5 for sessions
//! that go on after an assignment was removed. Only a record that names the privilege proves its use: one
//! that names an action alone may rest on anything else that its principal has, and is possible use.

use std::collections::HashMap;

use super::index::Index;
use super::scope;
use super::use_spans::UseSpans;
use super::uses::{Row, Unlinked};
use crate::facts::store::evidence_ref;
use crate::facts::{GrantFact, Text, Time, Usage};

/// Grants of one principal looked through for one use.
const MAX_LOOK: usize = 4096;

/// Records of a principal that name no privilege, beyond which they are taken together.
const MAX_VAGUE: usize = 64;

/// Longest life of a session beyond the grant in which it began, seconds, unless the ledger says more: the
/// longest that AWS STS gives (36 hours, `GetSessionToken`).
const RESIDUE_S: i64 = 129_600;

/// What explains a use at an instant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Explained {
    /// A grant in force, by its place.
    By(usize),
    /// None; the grant by its place ended last before it.
    After(usize),
    /// Nothing.
    Not,
}

/// A use of a named privilege that no grant in force explains.
#[derive(Debug)]
pub struct Stray<'a> {
    /// The record.
    pub usage: &'a Usage,
    /// Who acted.
    pub principal: &'a str,
    /// With what.
    pub privilege: &'a str,
    /// When.
    pub spans: UseSpans,
    /// The grant whose end it follows, by its place, with the last use and whether its first follows too.
    after: Option<(usize, Time, bool)>,
}

/// All such uses.
#[derive(Debug, Default)]
pub struct Strays<'a> {
    /// Of named privileges, by principal and time.
    pub named: Vec<Stray<'a>>,
    /// When principals used something that the record does not name, outside of their grants.
    pub vague: HashMap<&'a str, UseSpans>,
}

/// Grants of a principal in order of start, each with the latest end up to it; `None` = open.
type Held = Vec<(Time, usize, Option<Time>)>;

/// Finds them.
#[must_use]
pub fn find<'a>(ix: &Index<'a>, unlinked: &Unlinked<'a>, facts: &[GrantFact]) -> Strays<'a> {
    let mut held: HashMap<&str, Held> = HashMap::new();
    let mut sorted: Vec<(Time, &str, usize)> = facts
        .iter()
        .enumerate()
        .filter(|(_, f)| f.effective && !f.interval_inverted)
        .filter_map(|(i, f)| Some((f.started_at?, &*f.grant_id, i)))
        .collect();
    sorted.sort_unstable();
    for (start, _, i) in sorted {
        let Some(f) = facts.get(i) else { continue };
        let own = held.entry(&f.principal_id).or_default();
        let reach = match own.last() {
            Some((_, _, None)) => None,
            Some((_, _, Some(before))) => f.ended_at.map(|e| e.max(*before)),
            None => f.ended_at,
        };
        own.push((start, i, reach));
    }
    let mut out = Strays::default();
    for (principal, rows) in unlinked.by_principal() {
        let own = held.get(principal).map_or(&[][..], Vec::as_slice);
        let mut vague = UseSpans::default();
        for row in rows {
            let view = View { ix, facts, own, row };
            match row.privilege {
                Some(privilege) => out.named.extend(view.stray(principal, privilege)),
                None if !own.is_empty() => view.vague(&mut vague),
                None => {}
            }
        }
        if !vague.is_empty() {
            out.vague.insert(principal, coarse(vague));
        }
    }
    out
}

/// One record, and the grants of its principal.
struct View<'v, 'a> {
    ix: &'v Index<'a>,
    facts: &'v [GrantFact],
    own: &'v [(Time, usize, Option<Time>)],
    row: &'v Row<'a>,
}

impl<'a> View<'_, 'a> {
    fn explained(&self, t: Time) -> Explained {
        let upto = self.own.partition_point(|(start, ..)| *start <= t);
        let mut last: Option<(Time, usize)> = None;
        for (_, i, reach) in self.own.iter().take(upto).rev().take(MAX_LOOK) {
            // No grant up to here lasts longer than what was found.
            if last.is_some_and(|(end, _)| reach.is_some_and(|r| r <= end)) {
                break;
            }
            let Some(f) = self.facts.get(*i) else { continue };
            if !self.row.fits(self.ix, f.platform.as_deref(), &f.privilege, f.scope.as_deref()) {
                continue;
            }
            match f.ended_at {
                Some(end) if end <= t => {
                    // The log must say where it was, or the grant be for anywhere.
                    let placed = f.scope.is_none() || self.row.usage.scope.is_some();
                    if placed && last.is_none_or(|(have, _)| end > have) {
                        last = Some((end, *i));
                    }
                }
                _ => return Explained::By(*i),
            }
        }
        last.map_or(Explained::Not, |(_, i)| Explained::After(i))
    }

    fn times(&self) -> (Time, Time) {
        let first = self.row.from;
        let last = self.row.usage.last_at.map_or(first, |t| t.max(first));
        (first, if last <= self.ix.as_of { last } else { first })
    }

    fn stray(&self, principal: &'a str, privilege: &'a str) -> Option<Stray<'a>> {
        let (first, last) = self.times();
        let (begun, gone) = (self.explained(first), self.explained(last));
        let end = |i: usize| self.facts.get(i).and_then(|f| f.ended_at);
        let begin = |i: usize| self.facts.get(i).and_then(|f| f.started_at);
        let (from, until) = match (begun, gone) {
            (Explained::By(_), Explained::By(_)) => return None,
            (Explained::By(i), _) => (end(i)?, None),
            (_, Explained::By(i)) => (first, begin(i)),
            _ => (first, None),
        };
        let mut spans = UseSpans::default();
        spans.note(self.row.usage, from, until, self.ix.as_of);
        if spans.is_empty() {
            return None;
        }
        let after = match (begun, gone) {
            (_, Explained::After(i)) => Some((i, last, begun == Explained::After(i))),
            (Explained::After(i), Explained::By(_)) => Some((i, first, true)),
            _ => None,
        };
        let after = after.filter(|(i, t, _)| self.is_residue(*i, *t));
        Some(Stray { usage: self.row.usage, principal, privilege, spans, after })
    }

    /// Whether a session that began in a grant may still have been alive: later use came through another
    /// door, and is not that grant's.
    fn is_residue(&self, grant: usize, t: Time) -> bool {
        let Some(f) = self.facts.get(grant) else { return false };
        let until = f.ended_at.map(|end| end.plus_secs(RESIDUE_S));
        until.max(f.residual_until).is_some_and(|until| t <= until)
    }

    fn vague(&self, out: &mut UseSpans) {
        let (first, last) = self.times();
        for t in [first, last] {
            if !matches!(self.explained(t), Explained::By(_)) {
                out.maybe.push((first, last.max(first.plus_secs(1))));
                return;
            }
        }
    }
}

/// Many records that prove nothing are one span of time in which something may have been used.
fn coarse(mut spans: UseSpans) -> UseSpans {
    if spans.maybe.len() > MAX_VAGUE {
        let from = spans.maybe.iter().map(|(a, _)| *a).min();
        let until = spans.maybe.iter().map(|(_, b)| *b).max();
        spans.maybe = from.zip(until).into_iter().collect();
    }
    spans
}

/// Evidence references of one grant stay readable.
const MAX_REFS: usize = 24;

/// Puts uses after the end of a grant into its columns.
pub fn after_end(strays: &Strays<'_>, facts: &mut [GrantFact]) {
    for stray in &strays.named {
        let Some((i, last, whole)) = stray.after else { continue };
        let Some(f) = facts.get_mut(i) else { continue };
        // Those that began in the grant are counted there.
        let n = if whole { stray.usage.count.unwrap_or(1) } else { 0 };
        f.use_count = Some(f.use_count.unwrap_or(0).saturating_add(n));
        f.use_unknown = None;
        let first = if whole { stray.usage.first_at.unwrap_or(last) } else { last };
        f.first_used_at = Some(f.first_used_at.map_or(first, |t| t.min(first)));
        f.last_used_at = Some(f.last_used_at.map_or(last, |t| t.max(last)));
        let excess = f.ended_at.map(|end| last.secs_since(end));
        // Whether it was with a credential of the grant (USE-003) a record that does not name it leaves open.
        f.used_after_end_s = f.used_after_end_s.max(excess);
        if f.refs.len() < MAX_REFS {
            f.refs.push(evidence_ref(&stray.usage.source_id, &stray.usage.source_ref));
        }
    }
}

/// Places that a use at a canonical scope is at: the scope itself, what contains it, and nowhere said.
pub fn places(place: Option<&str>) -> Vec<Option<Text>> {
    let Some(place) = place else { return vec![None] };
    let mut out = vec![Some(crate::facts::text(place))];
    out.extend(scope::ancestors(place).map(|a| Some(crate::facts::text(a))));
    out.push(Some(crate::facts::text("*")));
    out.push(None);
    out
}
