//! When privileges were used, as far as records tell.
//!
//! Specification: grants model, 4.8. A record of one use with two times is a session and lasts from one to
//! the other. An event is an instant, and counts as the clock-aligned bin that it lies in, cut where
//! anything else changes. A record that sums several uses proves its first and its last; what lies between
//! them it leaves open.

use rayon::prelude::*;

use super::index::Index;
use super::interval::union;
use super::uses::{Unlinked, is_use};
use crate::facts::{GrantFact, Time, Usage};

/// Length of the bin of an event, seconds (specification, 4.8: `use_bin`).
pub const BIN_S: i64 = 300;

/// Instants and spans of use. An instant is a span that ends where it begins.
#[derive(Clone, Debug, Default)]
pub struct UseSpans {
    /// Proved.
    pub sure: Vec<(Time, Time)>,
    /// Possible: between the first and the last of several uses, or use of it or of something else.
    pub maybe: Vec<(Time, Time)>,
}

impl UseSpans {
    /// What a record shows of the time in `[from, until)` up to the as-of time.
    pub fn note(&mut self, u: &Usage, from: Time, until: Option<Time>, as_of: Time) {
        let Some(first) = u.first_at else { return };
        let last = u.last_at.map_or(first, |t| t.max(first));
        let inside = |t: Time| t >= from && t <= as_of && until.is_none_or(|u| t < u);
        let (a, b) = (first.max(from), until.map_or(last, |u| u.min(last)).min(as_of));
        if u.count == Some(1) && last > first {
            if a < b {
                self.sure.push((a, b));
            } else if inside(first) {
                self.sure.push((first, first));
            }
            return;
        }
        if inside(first) {
            self.sure.push((first, first));
        }
        if last > first {
            if inside(last) {
                self.sure.push((last, last));
            }
            if u.count != Some(2) && a < b {
                self.maybe.push((a, b));
            }
        }
    }

    /// Adds what others show.
    pub fn extend(&mut self, other: &Self) {
        self.sure.extend_from_slice(&other.sure);
        self.maybe.extend_from_slice(&other.maybe);
    }

    /// Whether nothing was seen.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.sure.is_empty() && self.maybe.is_empty()
    }

    /// Disjoint spans of proved use inside `[from, until)`: events as bins of so many seconds.
    #[must_use]
    pub fn used(&self, from: Time, until: Time, bin_s: i64) -> Vec<(Time, Time)> {
        let clip = |(a, b): (Time, Time)| {
            let (a, b) = if a == b { bin(a, bin_s) } else { (a, b) };
            (a.max(from), b.min(until))
        };
        union(self.sure.iter().filter(|(a, _)| *a < until).map(|s| clip(*s)).collect())
    }

    /// The same with what is possible.
    #[must_use]
    pub fn used_at_most(&self, from: Time, until: Time, bin_s: i64) -> Vec<(Time, Time)> {
        let mut all = self.used(from, until, bin_s);
        all.extend(self.maybe.iter().map(|(a, b)| ((*a).max(from), (*b).min(until))));
        union(all)
    }
}

/// The bin that an instant lies in.
fn bin(t: Time, bin_s: i64) -> (Time, Time) {
    let bin_s = bin_s.max(1);
    let start = Time::from_secs(t.secs().div_euclid(bin_s) * bin_s);
    (start, start.plus_secs(bin_s))
}

/// The bin that an instant lies in, cut at the changes next to it. Input in order of time.
#[must_use]
pub fn cut_bin(t: Time, bin_s: i64, cuts: &[Time]) -> (Time, Time) {
    let (from, until) = bin(t, bin_s);
    let next = cuts.partition_point(|c| *c <= t);
    let before = next.checked_sub(1).and_then(|i| cuts.get(i)).copied();
    let after = cuts.get(next).copied();
    (before.map_or(from, |c| c.max(from)), after.map_or(until, |c| c.min(until)))
}

/// What was seen of use in a stretch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Used {
    /// Proved.
    Yes,
    /// Possible.
    Perhaps,
    /// None seen.
    Unseen,
}

/// Spans with the latest end of those that have begun.
#[derive(Debug)]
pub struct Begun {
    spans: std::iter::Peekable<std::vec::IntoIter<(Time, Time)>>,
    until: Option<Time>,
}

impl Begun {
    /// Of spans in any order.
    #[must_use]
    pub fn new(mut spans: Vec<(Time, Time)>) -> Self {
        spans.sort_unstable();
        Self { spans: spans.into_iter().peekable(), until: None }
    }

    /// Whether a span holds an instant no earlier than the one before.
    pub fn holds(&mut self, t: Time) -> bool {
        while let Some((_, end)) = self.spans.next_if(|(first, _)| *first <= t) {
            self.until = self.until.max(Some(end));
        }
        self.until.is_some_and(|u| t < u)
    }
}

/// Use of each grant: by records that name it at any time, by others while it was in force. In the order
/// of the ledger, of which `facts` has one row per grant.
#[must_use]
pub fn of_grants(ix: &Index<'_>, unlinked: &Unlinked<'_>, facts: &[GrantFact]) -> Vec<UseSpans> {
    let long_ago = Time::from_micros(i64::MIN);
    ix.facts
        .grants
        .par_iter()
        .zip(facts)
        .map(|(g, f)| {
            let mut out = UseSpans::default();
            for u in ix.usage_of_grant(g).into_iter().filter(|u| is_use(u)) {
                out.note(u, long_ago, None, ix.as_of);
            }
            if let Some(start) = f.started_at.filter(|_| f.effective) {
                let end = f.ended_at.map_or(ix.as_of, |e| e.min(ix.as_of));
                for r in unlinked.between(&f.principal_id, start, end) {
                    if r.fits(ix, g.platform.as_deref(), &g.privilege, g.scope.as_deref()) {
                        out.note(r.usage, start, f.ended_at, ix.as_of);
                    }
                }
            }
            out
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn t(s: i64) -> Time {
        Time::from_secs(s)
    }

    fn noted(first: i64, last: i64, count: Option<i64>, from: i64, until: Option<i64>) -> UseSpans {
        let u =
            Usage { first_at: Some(t(first)), last_at: Some(t(last)), count, ..Usage::default() };
        let mut out = UseSpans::default();
        out.note(&u, t(from), until.map(t), t(100_000));
        out
    }

    fn secs(list: &[(Time, Time)]) -> Vec<(i64, i64)> {
        list.iter().map(|(a, b)| (a.secs(), b.secs())).collect()
    }

    #[test]
    fn sessions_events_and_sums() {
        let session = noted(100, 900, Some(1), 0, None);
        assert_eq!(secs(&session.sure), [(100, 900)]);
        let two = noted(100, 9000, Some(2), 0, None);
        assert_eq!((secs(&two.sure), two.maybe.len()), (vec![(100, 100), (9000, 9000)], 0));
        let many = noted(100, 9000, Some(7), 0, None);
        assert_eq!(secs(&many.sure), [(100, 100), (9000, 9000)]);
        assert_eq!(secs(&many.maybe), [(100, 9000)]);
        assert_eq!(secs(&noted(100, 9000, None, 0, None).maybe), [(100, 9000)]);
        // Inside a window only, and never after the as-of time.
        let part = noted(100, 9000, Some(7), 50, Some(5000));
        assert_eq!((secs(&part.sure), secs(&part.maybe)), (vec![(100, 100)], vec![(100, 5000)]));
        assert_eq!(secs(&noted(100, 9000, Some(1), 50, Some(5000)).sure), [(100, 5000)]);
        assert_eq!(secs(&noted(99_000, 200_000, Some(1), 0, None).sure), [(99_000, 100_000)]);
        assert!(noted(200_000, 200_000, Some(1), 0, None).is_empty());
    }

    /// Two calls ten days apart are two bins, and not ten days.
    #[test]
    fn events_are_bins() {
        let two = noted(650, 860_000, Some(2), 0, None);
        let used = two.used(t(0), t(900_000), BIN_S);
        assert_eq!(secs(&used), [(600, 900)], "what lies beyond the as-of time is not seen");
        let near = noted(650, 7000, Some(2), 0, None);
        assert_eq!(secs(&near.used(t(0), t(9000), BIN_S)), [(600, 900), (6900, 7200)]);
        assert_eq!(secs(&near.used(t(640), t(7010), BIN_S)), [(640, 900), (6900, 7010)]);
        let many = noted(650, 7000, Some(5), 0, None);
        assert_eq!(secs(&many.used_at_most(t(0), t(9000), BIN_S)), [(600, 7200)]);
    }

    #[test]
    fn bins_end_where_something_else_changes() {
        let cuts = [t(0), t(700), t(800)];
        assert_eq!(cut_bin(t(650), BIN_S, &cuts), (t(600), t(700)));
        assert_eq!(cut_bin(t(700), BIN_S, &cuts), (t(700), t(800)));
        assert_eq!(cut_bin(t(850), BIN_S, &cuts), (t(800), t(900)));
        assert_eq!(cut_bin(t(-1), BIN_S, &cuts), (t(-300), t(0)));
    }
}
