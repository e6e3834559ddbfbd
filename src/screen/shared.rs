//! What the workers that read share, and the sums they hand in.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use super::id::{Id, Key};
use super::marks::Marks;
use super::rows::{
    Approval, Approved, Decision, Grant, Key as NameKey, Loose, Name, Place, Said, Stray, Task,
    Use, Used, Worked,
};
use super::store::{Budget, Store};
use super::vocabulary::{Map, Privilege, Vocabulary};
use crate::facts::{PrincipalKind, Text, Time};
use crate::ingest::source::Batch;

/// What is shared by all who read.
#[derive(Debug)]
pub struct Shared<'b> {
    /// Key of names.
    pub key: Key,
    /// Grants by principal and privilege.
    pub grants: Store<'b, Grant>,
    /// Grants by their id.
    pub keys: Store<'b, NameKey>,
    /// Tasks that grants name, and tickets that their reasons name, by id.
    pub wanted: Store<'b, NameKey>,
    /// Grants by the approvals that they name.
    pub named: Store<'b, NameKey>,
    /// Tasks that wait for their grants.
    pub tasks: Store<'b, Task>,
    /// Approvals that wait for their grants.
    pub approvals: Store<'b, Approval>,
    /// Uses that wait for their grants.
    pub uses: Store<'b, Use>,
    /// Approvals, uses and tasks beside their grants.
    pub sides: Sides<'b>,
    /// Privileges.
    pub privileges: Vocabulary<Privilege>,
    /// Platforms of ledger systems.
    pub platforms: Vocabulary<Option<Text>>,
    /// Ledger systems.
    pub systems: Vocabulary<Text>,
    /// What the sweep does not carry, in words.
    pub refusals: Mutex<BTreeSet<&'static str>>,
    /// Grants that the row engine judges.
    pub marks: Marks,
    /// Somebody refused, or the temporary file failed.
    pub refused: AtomicBool,
    /// Why the temporary file failed.
    pub failure: Mutex<Option<String>>,
    /// Ledger systems with approvals, by number.
    pub approved_systems: Mutex<BTreeSet<u32>>,
    /// Records that refuse a request.
    pub denials: AtomicU64,
    /// Numbers of approvers, by the hash of their canonical name.
    pub approvers: Vocabulary<(Id, Text)>,
    /// Whether tasks are among the inputs; then tickets in reasons can be tasks.
    pub has_tasks: bool,
    /// Latest begin of a use that counts, microseconds: the as-of time where it is given; else it is the newest
    /// time of the inputs, and all count.
    pub latest: i64,
    /// Sums of all workers.
    pub sums: Mutex<Sums>,
}

/// What lies beside grants, in their partitions.
#[derive(Debug)]
pub struct Sides<'b> {
    /// Approvals.
    pub approved: Store<'b, Approved>,
    /// Uses.
    pub used: Store<'b, Used>,
    /// Tasks.
    pub worked: Store<'b, Worked>,
    /// Approvals of no grant of the ledger.
    pub loose: Store<'b, Loose>,
    /// Grants of which the ledger itself says when they were approved.
    pub said: Store<'b, Said>,
    /// Approvals that their grants do not name.
    pub strays: Store<'b, Stray>,
    /// Tasks that no grant names.
    pub idle: Store<'b, Name>,
    /// Decisions by approver.
    pub decisions: Store<'b, Decision>,
}

impl<'b> Sides<'b> {
    fn new(parts: usize, budget: &'b Budget) -> Self {
        Self {
            approved: Store::new(parts, budget),
            used: Store::new(parts, budget),
            worked: Store::new(parts, budget),
            loose: Store::new(parts, budget),
            said: Store::new(parts, budget),
            strays: Store::new(parts, budget),
            idle: Store::new(parts, budget),
            decisions: Store::new(parts, budget),
        }
    }

    /// Gives the temporary files of what is put together back.
    pub fn close(&self) {
        self.approved.close();
        self.used.close();
        self.worked.close();
        self.said.close();
    }
}

/// Sums over rows.
#[derive(Debug, Default)]
pub struct Sums {
    /// Per file: records, quarantine, span.
    pub files: BTreeMap<usize, Batch>,
    /// Grants of each ledger system, by its number, that fill a field.
    pub fills: BTreeMap<u32, Filled>,
    /// Earliest start of a grant, and the place of a grant that has it.
    pub first_start: Option<(i64, Place)>,
    /// Kind of each beneficiary by the first record that tells it.
    pub kinds: Map<(u64, PrincipalKind)>,
    /// Principals with recorded use: the kind that the name tells, and the number of records.
    pub users: Map<(PrincipalKind, i64)>,
    /// Platforms that each file of use names; `None` for rows without.
    pub grains: BTreeMap<usize, BTreeSet<Option<Text>>>,
    /// Tasks that ended before they began, by number of the file.
    pub inverted: BTreeMap<usize, i64>,
    /// Grants.
    pub grants: u64,
    /// Approvals.
    pub approvals: u64,
    /// Grants that name an approval.
    pub named: u64,
}

impl Sums {
    /// Adds those of another worker.
    #[expect(
        clippy::iter_over_hash_type,
        reason = "the first record wins and counts are summed, in whatever order they come"
    )]
    pub fn absorb(&mut self, other: Self) {
        for (file, batch) in other.files {
            let have = self.files.entry(file).or_default();
            have.records += batch.records;
            have.ambiguous_times += batch.ambiguous_times;
            have.facts.quarantine.extend(batch.facts.quarantine);
            for t in batch.span.into_iter().flat_map(|(a, b)| [a, b]) {
                have.see(t);
            }
            if batch.limitation.is_some() {
                have.limitation = batch.limitation;
                have.completeness = batch.completeness;
            }
        }
        for (system, filled) in other.fills {
            let have = self.fills.entry(system).or_default();
            have.iter_mut().zip(filled).for_each(|(have, n)| *have += n);
        }
        self.first_start = match (self.first_start, other.first_start) {
            (Some(a), Some(b)) => Some(a.min(b)),
            (a, b) => a.or(b),
        };
        for (id, (place, kind)) in other.kinds {
            let have = self.kinds.entry(id).or_insert((place, kind));
            if place < have.0 {
                *have = (place, kind);
            }
        }
        for (id, (kind, n)) in other.users {
            self.users.entry(id).or_insert((kind, 0)).1 += n;
        }
        for (file, platforms) in other.grains {
            self.grains.entry(file).or_default().extend(platforms);
        }
        for (file, n) in other.inverted {
            *self.inverted.entry(file).or_default() += n;
        }
        self.grants += other.grants;
        self.approvals += other.approvals;
        self.named += other.named;
    }
}

impl Shared<'_> {
    /// Says that the sweep does not carry something.
    pub fn refuse(&self, what: &'static str) {
        self.refused.store(true, Ordering::Relaxed);
        self.refusals.lock().unwrap_or_else(PoisonError::into_inner).insert(what);
    }

    /// Says that the temporary file failed.
    pub fn fail(&self, e: &std::io::Error) {
        self.refused.store(true, Ordering::Relaxed);
        let mut failure = self.failure.lock().unwrap_or_else(PoisonError::into_inner);
        failure.get_or_insert_with(|| e.to_string());
    }

    /// Empty, with so many partitions.
    #[must_use]
    pub fn new(parts: usize, budget: &Budget, has_tasks: bool, as_of: Option<Time>) -> Shared<'_> {
        Shared {
            key: Key::default(),
            grants: Store::new(parts, budget),
            keys: Store::new(parts, budget),
            wanted: Store::new(parts, budget),
            named: Store::new(parts, budget),
            tasks: Store::new(parts, budget),
            approvals: Store::new(parts, budget),
            uses: Store::new(parts, budget),
            sides: Sides::new(parts, budget),
            privileges: Vocabulary::default(),
            platforms: Vocabulary::default(),
            systems: Vocabulary::default(),
            refusals: Mutex::default(),
            marks: Marks::default(),
            refused: AtomicBool::new(false),
            failure: Mutex::default(),
            approved_systems: Mutex::default(),
            denials: AtomicU64::new(0),
            approvers: Vocabulary::default(),
            has_tasks,
            latest: as_of.map_or(i64::MAX, Time::micros),
            sums: Mutex::default(),
        }
    }
}

/// Numbers of grants that fill a field: task or ticket, reason, scope, requester, extensions.
pub type Filled = [u64; 5];

/// Counts the fields that a record of a ledger system fills.
#[inline]
pub fn fill(fills: &mut Vec<Option<Filled>>, system: usize, filled: [bool; 5]) {
    if fills.len() <= system {
        fills.resize(system + 1, None);
    }
    if let Some(slot) = fills.get_mut(system) {
        let have = slot.get_or_insert_default();
        have.iter_mut().zip(filled).for_each(|(have, now)| *have += u64::from(now));
    }
}
