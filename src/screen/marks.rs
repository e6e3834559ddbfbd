//! What the row engine judges of a screened ledger: single grants that the sweep does not carry are marked
//! while rows are read and joined, and go aside with their lanes. Marks are closed: whatever shares the id,
//! the approval or the task that makes a grant odd is marked with it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::id::{Id, Key};
use super::rows::Spot;
use super::vocabulary::Map;
use crate::facts::identity::normalise;

/// Marks of a run.
#[derive(Debug, Default)]
pub struct Marks {
    reasons: Mutex<BTreeSet<&'static str>>,
    /// Places of grants, by partition.
    spots: Mutex<BTreeMap<usize, Vec<u32>>>,
    names: Mutex<Names>,
}

/// Names that are read again, hashed as they are written.
#[derive(Clone, Debug, Default)]
pub struct Names {
    /// Principals of uses that name no grant.
    pub users: Map<()>,
    /// Grants that uses name and no ledger lists.
    pub unlisted: Map<()>,
    /// Approvals of grants that no ledger lists.
    pub approvals: Map<()>,
    /// Tasks that no grant names by a plain reference, and that occur twice.
    pub tasks: Map<()>,
    /// Principals of which every grant is marked, by their canonical names.
    pub principals: Map<()>,
}

fn lock<T>(m: &Mutex<T>) -> MutexGuard<'_, T> {
    m.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Marks {
    /// Says why something goes aside.
    pub fn say(&self, why: &'static str) {
        lock(&self.reasons).insert(why);
    }

    /// Marks a grant.
    pub fn grant(&self, why: &'static str, spot: Spot) {
        self.say(why);
        lock(&self.spots).entry(spot.part()).or_default().push(spot.at());
    }

    /// Marks by name.
    pub fn name(&self, why: &'static str, add: impl FnOnce(&mut Names)) {
        self.say(why);
        add(&mut lock(&self.names));
    }

    /// Marked places of a partition.
    #[must_use]
    pub fn of(&self, part: usize) -> Vec<u32> {
        lock(&self.spots).get(&part).cloned().unwrap_or_default()
    }

    /// The names.
    #[must_use]
    pub fn names(&self) -> Names {
        lock(&self.names).clone()
    }

    /// Why, in words.
    #[must_use]
    pub fn reasons(&self) -> Vec<&'static str> {
        lock(&self.reasons).iter().copied().collect()
    }
}

/// Hash of the form that all names of a principal share.
#[must_use]
pub fn canonical(key: &Key, name: &str) -> Id {
    let plain = name.is_ascii() && !name.bytes().any(|b| b.is_ascii_uppercase());
    if plain || !name.contains('@') {
        key.id(name.as_bytes())
    } else {
        key.id(normalise(name).as_bytes())
    }
}
