//! What the grants of one lane say, stretch by stretch.
//!
//! Specification: grants model, section 6, the ledger axis: active before ended, ended before asked for, and
//! what was asked for is in row D until its access begins.

use std::collections::BTreeMap;

use super::cells::Ledger;
use super::use_spans::{Begun, Used};
use crate::facts::{Decision, GrantFact, Time};

/// A stretch of time in which nothing changes, and what the grants of a lane say of it.
#[derive(Debug)]
pub struct Moment<'a> {
    /// Begin.
    pub from: Time,
    /// End; null = it goes on.
    pub until: Option<Time>,
    /// Row of the ledger axis; `None` when no grant says anything.
    pub ledger: Option<Ledger>,
    /// The grants it rests on, in the order of the lane.
    pub in_play: Vec<&'a GrantFact>,
    /// Use: proved, possible or none seen.
    pub used: Used,
}

/// Instants with the grant they belong to and its place in the lane, in order.
type Events<'a> = std::iter::Peekable<std::vec::IntoIter<(Time, usize, &'a GrantFact)>>;

/// Goes along a lane and keeps what is in force. A grant enters and leaves once, so that a lane costs
/// its number of grants and what it has to say, and not one times the other.
#[derive(Debug)]
pub struct Cursor<'a> {
    starts: Events<'a>,
    ends: Events<'a>,
    denials: Events<'a>,
    used: Begun,
    perhaps: Begun,
    active: BTreeMap<usize, &'a GrantFact>,
    /// The last grant to end explains what is left; the ones before are history.
    ended: Option<&'a GrantFact>,
    /// Requests that gave nothing, and those whose access is still to begin.
    denied: BTreeMap<usize, &'a GrantFact>,
}

impl<'a> Cursor<'a> {
    /// At the begin of all time, with the grants of a lane, and when it was used and may have been.
    pub fn new(
        grants: &[&'a GrantFact],
        used: Vec<(Time, Time)>,
        perhaps: Vec<(Time, Time)>,
    ) -> Self {
        let events = |at: &dyn Fn(&GrantFact) -> Option<Time>| -> Events<'a> {
            let mut all: Vec<(Time, usize, &'a GrantFact)> =
                grants.iter().enumerate().filter_map(|(i, g)| at(g).map(|t| (t, i, *g))).collect();
            all.sort_by(|a, b| (a.0, &a.2.grant_id, a.1).cmp(&(b.0, &b.2.grant_id, b.1)));
            all.into_iter().peekable()
        };
        // Asked for and not given: refused, or not yet (section 6, row D).
        let denied = |g: &GrantFact| match g.effective {
            false => g.decision != Decision::Unknown,
            true => g.requested_at < g.started_at,
        };
        Self {
            starts: events(&|g| g.started_at.filter(|_| g.effective)),
            ends: events(&|g| g.ended_at.filter(|_| g.effective)),
            denials: events(&|g| g.requested_at.filter(|_| denied(g))),
            used: Begun::new(used),
            perhaps: Begun::new(perhaps),
            active: BTreeMap::new(),
            ended: None,
            denied: BTreeMap::new(),
        }
    }

    /// The stretch that begins at an instant no earlier than the one before.
    pub fn advance(&mut self, from: Time, until: Option<Time>) -> Moment<'a> {
        while let Some((_, i, g)) = self.denials.next_if(|e| e.0 <= from) {
            self.denied.insert(i, g);
        }
        while let Some((_, i, g)) = self.starts.next_if(|e| e.0 <= from) {
            self.active.insert(i, g);
            self.denied.remove(&i);
        }
        while let Some((_, i, g)) = self.ends.next_if(|e| e.0 <= from) {
            self.active.remove(&i);
            self.ended = Some(g);
        }
        let (sure, perhaps) = (self.used.holds(from), self.perhaps.holds(from));
        let used = match (sure, perhaps) {
            (true, _) => Used::Yes,
            (_, true) => Used::Perhaps,
            _ => Used::Unseen,
        };
        let (ledger, in_play) = if !self.active.is_empty() {
            (Some(Ledger::Active), self.active.values().copied().collect())
        } else if let Some(g) = self.ended {
            (Some(Ledger::Ended), vec![g])
        } else if !self.denied.is_empty() {
            (Some(Ledger::Denied), self.denied.values().copied().collect())
        } else {
            (None, Vec::new())
        };
        Moment { from, until, ledger, in_play, used }
    }
}
