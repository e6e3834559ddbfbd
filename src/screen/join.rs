//! Approvals, uses and tasks find their grants: each is looked up by the name that it or the grant gives, and
//! put beside the grant, in the partition where that lies.

use std::collections::BTreeSet;
use std::collections::hash_map::Entry;
use std::io;
use std::sync::PoisonError;
use std::sync::atomic::Ordering;

use rayon::prelude::*;

use super::rows::{
    Approval, Approved, Decision, Key, Loose, NEVER, NOBODY, NOWHERE, Name, Spot, Stray, TICKET,
    Task, Use, Used, Worked, verdict,
};
use super::shared::Shared;
use super::store::{gather, push};
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
    /// Names of approvals with their grants, where no grant names any.
    named: Option<Vec<Vec<Key>>>,
    loose: Vec<Vec<Loose>>,
    idle: Vec<Vec<Name>>,
    /// Ledger systems with approvals, by number.
    systems: Vec<bool>,
    /// Requests that were refused, since rows were handed on.
    denials: u64,
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
            named: lone_names(shared).then(|| gather(parts)),
            loose: gather(parts),
            idle: gather(parts),
            systems: Vec::new(),
            denials: 0,
            held: 0,
        }
    }

    /// An approval finds its grant.
    #[inline]
    fn approval(&mut self, known: &Known<'_>, a: &Approval) {
        self.held += 1;
        if a.verdict & verdict::DENY != 0 {
            self.denials += 1;
        }
        let names = a.verdict & verdict::NO_GRANT == 0;
        let Some(grant) = names.then(|| known.find(a.grant)).flatten() else {
            let row = Loose { id: a.id, approver: a.approver, at: a.at, verdict: a.verdict };
            return push(&mut self.loose, a.id.part(self.shared.grants.parts()), row);
        };
        let system = usize::from(grant.number());
        if self.systems.len() <= system {
            self.systems.resize(system + 1, false);
        }
        if let Some(there) = self.systems.get_mut(system) {
            *there = true;
        }
        if let Some(named) = self.named.as_mut().filter(|_| a.verdict & verdict::BARE == 0) {
            push(named, a.id.part(self.shared.grants.parts()), Key::new(a.id, grant));
        }
        let row = Approved::new(grant.at(), (a.approver, a.verdict), a.id.high(), a.at);
        push(&mut self.approved, grant.part(), row);
    }

    /// A use finds its grant.
    #[inline]
    fn usage(&mut self, known: &Known<'_>, u: &Use) {
        self.held += 1;
        let Some(grant) = known.find(u.grant) else {
            return self.shared.marks.name(
                "use of a grant that the ledger does not list",
                |names| {
                    names.unlisted.insert(u.grant, ());
                },
            );
        };
        if u.is_bare() {
            let why = "use that does not name its privilege and scope";
            return self.shared.marks.grant(why, grant);
        }
        let row = Used::new(grant.at(), u);
        push(&mut self.used, grant.part(), row);
    }

    /// A task finds the grants that name it.
    #[inline]
    fn task(&mut self, wanted: &Wanted<'_>, t: &Task) {
        self.held += 1;
        let (worked, marks) = (&mut self.worked, &self.shared.marks);
        let met = wanted.meet(t.id, |grant, again| {
            if again {
                return marks.grant("a task id that occurs twice", grant);
            }
            let state = if grant.number() == BY_REASON { TICKET } else { t.state };
            let row = Worked { grant: grant.at(), state, start: t.start, end: t.end };
            push(worked, grant.part(), row);
        });
        if !met {
            push(&mut self.idle, t.id.part(worked.len()), Name { id: t.id });
        }
    }

    /// Hands the rows on that were gathered.
    fn hand_on(&mut self) -> io::Result<()> {
        self.held = 0;
        self.shared.denials.fetch_add(std::mem::take(&mut self.denials), Ordering::Relaxed);
        let sides = &self.shared.sides;
        sides.approved.add(&mut self.approved)?;
        sides.used.add(&mut self.used)?;
        sides.worked.add(&mut self.worked)?;
        if let Some(named) = &mut self.named {
            self.shared.named.add(named)?;
        }
        sides.loose.add(&mut self.loose)?;
        sides.idle.add(&mut self.idle)?;
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

/// Looks for approvals that several grants share, brings those that name no grant to the one that names them,
/// and hands the decisions of those of no listed grant on; one partition of the names.
///
/// # Errors
/// When the temporary file cannot be read or written.
pub fn shared_approvals(shared: &Shared<'_>, at: usize) -> io::Result<()> {
    let (named, loose) = (shared.named.take(at)?, shared.sides.loose.take(at)?);
    let several = "an approval of several grants";
    let mut seen: Map<Spot> = map(named.len());
    for key in named {
        match seen.entry(key.id) {
            Entry::Vacant(free) => _ = free.insert(key.spot()),
            Entry::Occupied(first) => {
                shared.marks.grant(several, *first.get());
                shared.marks.grant(several, key.spot());
            }
        }
    }
    let mut times: Map<u32> = map(loose.len());
    loose.iter().for_each(|a| *times.entry(a.id).or_default() += 1);
    let mut decisions = gather(shared.sides.decisions.parts());
    let parts = shared.sides.strays.parts();
    let (mut strays, mut approved) = (gather(parts), gather(parts));
    let mut systems: BTreeSet<u32> = BTreeSet::new();
    let lone = lone_names(shared);
    for a in loose {
        let alone = times.get(&a.id) == Some(&1);
        let names = a.verdict & verdict::NO_GRANT == 0;
        if let Some(grant) = seen.get(&a.id).filter(|_| !names && alone && !lone) {
            let row = Approved::new(grant.at(), (a.approver, a.verdict), a.id.high(), a.at);
            push(&mut approved, grant.part(), row);
            systems.insert(u32::from(grant.number()));
            continue;
        }
        if a.verdict & verdict::BARE != 0 && !alone {
            // Which of them decides is for whoever reads them together, and no name finds them again.
            shared.refuse("an approver who decides twice on a grant that no ledger lists");
        }
        if let Some(grant) = seen.get(&a.id) {
            // Then the system of that grant has approvals, which only its own would have told.
            if shared.systems.entries().len() > 1 {
                shared.refuse(several);
            }
            shared.marks.grant(several, *grant);
        } else {
            // A grant that has it and does not name it is found when the grants are put together.
            let row = Stray { id: a.id.high(), place: NOWHERE };
            push(&mut strays, row.part(parts), row);
            if alone {
                decided(&mut decisions, &a);
                continue;
            }
        }
        shared.marks.name("an approval that occurs twice", |names| {
            names.approvals.insert(a.id, ());
        });
    }
    shared.approved_systems.lock().unwrap_or_else(PoisonError::into_inner).extend(systems);
    shared.sides.approved.add(&mut approved)?;
    shared.sides.strays.add(&mut strays)?;
    shared.sides.decisions.add(&mut decisions)
}

/// Whether approvals name grants and no grant names an approval: then which grants share one is known before
/// they are put together.
#[must_use]
pub fn lone_names(shared: &Shared<'_>) -> bool {
    shared.sums.lock().unwrap_or_else(PoisonError::into_inner).named == 0
}

/// Puts the decision of an approval of no listed grant to its approver.
fn decided(decisions: &mut [Vec<Decision>], a: &Loose) {
    if !decides(a.approver, a.verdict) {
        return;
    }
    let row = Decision {
        approver: a.approver,
        asked: NOBODY,
        verdict: a.verdict,
        at: a.at,
        requested: NEVER,
    };
    let parts = decisions.len();
    push(decisions, row.part(parts), row);
}

/// Looks for tasks that no grant names and that occur twice; one partition of the names.
///
/// # Errors
/// When the temporary file cannot be read.
pub fn idle_tasks(shared: &Shared<'_>, at: usize) -> io::Result<()> {
    let rows = shared.sides.idle.take(at)?;
    let mut seen: Map<()> = map(rows.len());
    for task in rows {
        if seen.insert(task.id, ()).is_some() {
            shared.marks.name("a task id that occurs twice", |names| {
                names.tasks.insert(task.id, ());
            });
        }
    }
    Ok(())
}

fn map<T>(rows: usize) -> Map<T> {
    Map::with_capacity_and_hasher(rows, super::vocabulary::AsIs::default())
}
