//! Approvals, uses and tasks find their grants: each is looked up by the name that it or the grant gives, and
//! put beside the grant, in the partition where that lies.

use std::io;
use std::sync::PoisonError;
use std::sync::atomic::Ordering;

use rayon::prelude::*;

use super::rows::{
    Approval, Approved, Decision, NEVER, NOBODY, Name, TICKET, Task, Use, Used, Worked, verdict,
};
use super::shared::Shared;
use super::store::{Store, gather, push};
use super::table::{Known, Wanted};
use super::vocabulary::Map;

/// What finds its grants.
#[derive(Clone, Copy, Debug)]
pub enum Stage<'t> {
    /// Tasks find the grants that name them.
    Tasks(&'t Wanted<'t>),
    /// Approvals and uses find the grants that they name.
    Rest(&'t Known<'t>),
}

/// Number of a ticket's entry among the tasks that grants name.
pub const BY_REASON: u16 = 1;

/// Rows on their way to the grants.
#[derive(Debug)]
struct Finder<'s, 'b> {
    shared: &'s Shared<'b>,
    approved: Vec<Vec<Approved>>,
    used: Vec<Vec<Used>>,
    worked: Vec<Vec<Worked>>,
    loose: Vec<Vec<Name>>,
    idle: Vec<Vec<Name>>,
    decisions: Vec<Vec<Decision>>,
    /// Ledger systems with approvals, by number.
    systems: Vec<bool>,
    /// Rows that were looked up since they were handed on.
    held: usize,
}

impl<'s, 'b> Finder<'s, 'b> {
    fn new(shared: &'s Shared<'b>) -> Self {
        let parts = shared.grants.parts();
        Self {
            shared,
            approved: gather(parts),
            used: gather(parts),
            worked: gather(parts),
            loose: gather(parts),
            idle: gather(parts),
            decisions: gather(parts),
            systems: Vec::new(),
            held: 0,
        }
    }

    /// An approval finds its grant.
    #[inline]
    fn approval(&mut self, known: &Known<'_>, a: &Approval) {
        self.held += 1;
        if a.verdict & verdict::DENY != 0 {
            self.shared.refusals_of_requests.store(true, Ordering::Relaxed);
        }
        let Some(grant) = known.find(a.grant) else {
            push(&mut self.loose, a.id.part(self.shared.grants.parts()), Name { id: a.id });
            if decides(a.approver, a.verdict) {
                let row = Decision {
                    approver: a.approver,
                    asked: NOBODY,
                    verdict: a.verdict,
                    at: a.at,
                    requested: NEVER,
                };
                let parts = self.decisions.len();
                push(&mut self.decisions, a.approver as usize & (parts - 1), row);
            }
            return;
        };
        let system = usize::from(grant.number());
        if self.systems.len() <= system {
            self.systems.resize(system + 1, false);
        }
        if let Some(there) = self.systems.get_mut(system) {
            *there = true;
        }
        let row = Approved::new(grant.at(), (a.approver, a.verdict), a.id.high(), a.at);
        push(&mut self.approved, grant.part(), row);
    }

    /// A use finds its grant.
    #[inline]
    fn usage(&mut self, known: &Known<'_>, u: &Use) {
        self.held += 1;
        let Some(grant) = known.find(u.grant) else {
            return self.shared.refuse("use of a grant that the ledger does not list");
        };
        let row = Used::new(grant.at(), u);
        push(&mut self.used, grant.part(), row);
    }

    /// A task finds the grants that name it.
    #[inline]
    fn task(&mut self, wanted: &Wanted<'_>, t: &Task) {
        self.held += 1;
        let worked = &mut self.worked;
        let met = wanted.meet(t.id, |grant| {
            let state = if grant.number() == BY_REASON { TICKET } else { t.state };
            let row = Worked { grant: grant.at(), state, start: t.start, end: t.end };
            push(worked, grant.part(), row);
        });
        match met {
            Some(true) => {}
            Some(false) => push(&mut self.idle, t.id.part(worked.len()), Name { id: t.id }),
            None => self.shared.refuse("a task id that occurs twice"),
        }
    }

    /// Hands the rows on that were gathered.
    fn hand_on(&mut self) -> io::Result<()> {
        self.held = 0;
        let sides = &self.shared.sides;
        sides.approved.add(&mut self.approved)?;
        sides.used.add(&mut self.used)?;
        sides.worked.add(&mut self.worked)?;
        sides.loose.add(&mut self.loose)?;
        sides.idle.add(&mut self.idle)?;
        sides.decisions.add(&mut self.decisions)?;
        let systems = self.systems.drain(..).zip(0u32..).filter(|(there, _)| *there);
        let mut all = self.shared.approved_systems.lock().unwrap_or_else(PoisonError::into_inner);
        all.extend(systems.map(|(_, n)| n));
        Ok(())
    }
}

/// Whether a decision says something about a person: one by a policy, or of nobody, does not.
#[must_use]
#[inline]
pub fn decides(approver: u32, verdict: u32) -> bool {
    verdict & (verdict::APPROVE | verdict::DENY) != 0
        && verdict & verdict::POLICY == 0
        && approver != NOBODY
}

/// Rows that a worker keeps, about, before it hands them on.
const HAND_ON: usize = 1 << 18;

/// Partitions that one worker takes up after each other.
const BUNCH: usize = 64;

/// Rows that wait find their grants, partition by partition, of which the table fits the cache.
///
/// # Errors
/// When the temporary file cannot be read or written.
pub fn waiting(shared: &Shared<'_>, stage: Stage<'_>) -> io::Result<()> {
    let parts = shared.grants.parts();
    let bunches: Vec<usize> = (0..parts).step_by(BUNCH).collect();
    let done: Vec<io::Result<()>> = bunches
        .into_par_iter()
        .with_max_len(1)
        .map(|from| {
            let mut finder = Finder::new(shared);
            for at in from..parts.min(from + BUNCH) {
                match stage {
                    Stage::Tasks(wanted) => {
                        shared.tasks.take(at)?.iter().for_each(|t| finder.task(wanted, t));
                    }
                    Stage::Rest(known) => {
                        shared.approvals.take(at)?.iter().for_each(|a| finder.approval(known, a));
                        shared.uses.take(at)?.iter().for_each(|u| finder.usage(known, u));
                    }
                }
                if finder.held >= HAND_ON {
                    finder.hand_on()?;
                }
            }
            finder.hand_on()
        })
        .collect();
    done.into_iter().collect()
}

/// Looks for approvals that several grants share; one partition of the names.
///
/// # Errors
/// When the temporary file cannot be read.
pub fn shared_approvals(shared: &Shared<'_>, at: usize) -> io::Result<()> {
    let mut seen = Seen::of(&shared.named, at)?;
    if seen.twice {
        shared.refuse("an approval of several grants");
    }
    for name in shared.sides.loose.take(at)? {
        // Also where no listed grant is meant: records of one id may repeat or contradict each other.
        match seen.names.insert(name.id, false) {
            Some(true) => shared.refuse("an approval of several grants"),
            Some(false) => shared.refuse("an approval that occurs twice"),
            None => {}
        }
    }
    Ok(())
}

/// Looks for tasks that no grant names and that occur twice; one partition of the names.
///
/// # Errors
/// When the temporary file cannot be read.
pub fn idle_tasks(shared: &Shared<'_>, at: usize) -> io::Result<()> {
    if Seen::of(&shared.sides.idle, at)?.twice {
        shared.refuse("a task id that occurs twice");
    }
    Ok(())
}

/// Names that were seen.
struct Seen {
    names: Map<bool>,
    twice: bool,
}

impl Seen {
    fn of(store: &Store<'_, Name>, at: usize) -> io::Result<Self> {
        let rows = store.take(at)?;
        let mut out = Self {
            names: Map::with_capacity_and_hasher(rows.len(), super::vocabulary::AsIs::default()),
            twice: false,
        };
        for name in rows {
            out.twice |= out.names.insert(name.id, true).is_some();
        }
        Ok(out)
    }
}
