//! What was worked out for the entries of dictionaries: a name that a column lists once is hashed once.

use std::collections::HashMap;

use super::cell::{Cell, NO_CODE};
use super::id::Id;
use super::vocabulary::AsIs;
use crate::facts::{PrincipalKind, TaskState};

/// Results by place in the dictionary of one column.
#[derive(Debug)]
pub struct Memo<T>(Vec<Option<T>>);

impl<T> Default for Memo<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<T: Copy> Memo<T> {
    /// The result for an entry, if there is one.
    #[must_use]
    #[inline]
    pub fn known(&self, code: u32) -> Option<T> {
        self.0.get(code as usize).copied().flatten()
    }

    /// All results.
    pub fn all(&self) -> impl Iterator<Item = T> + '_ {
        self.0.iter().copied().flatten()
    }

    /// Keeps the result for an entry; nothing for what is in no dictionary.
    #[inline]
    pub fn keep(&mut self, code: u32, value: T) {
        if code == NO_CODE {
            return;
        }
        let at = code as usize;
        if self.0.len() <= at {
            self.0.resize((at + 1).next_power_of_two(), None);
        }
        if let Some(slot) = self.0.get_mut(at) {
            *slot = Some(value);
        }
    }
}

/// A principal of a dictionary.
#[derive(Clone, Copy, Debug)]
pub struct Who {
    /// Canonical name.
    pub id: Id,
    /// Kind that the form of the name tells.
    pub form: PrincipalKind,
    /// The name may hold that of a task.
    pub session: bool,
    /// The kind was noted; later rows cannot change it.
    pub noted: bool,
}

/// A scope of a dictionary on one platform.
#[derive(Clone, Copy, Debug)]
pub struct Where {
    /// Number of the platform.
    pub platform: u32,
    /// As written.
    pub scope: Id,
    /// Canonical.
    pub spot: Id,
    /// It may lie in another, or hold another.
    pub nests: bool,
}

/// Ledger system and platform of a grant.
#[derive(Clone, Copy, Debug)]
pub struct Home {
    /// Number of the ledger system.
    pub system: u32,
    /// Number of the platform.
    pub platform: u32,
    /// Number among the homes of the dictionaries; the largest for one that is not among them.
    pub number: u32,
}

/// Results for the dictionaries of one row group.
#[derive(Debug, Default)]
pub struct Memos {
    /// Principals of grants.
    pub who: Memo<Who>,
    /// Scopes of grants.
    pub scopes: Memo<Where>,
    /// By the places of broker, system and platform.
    pub homes: HashMap<u64, Home, AsIs>,
    /// Number and hash of a privilege, by its place and that of the home.
    pub privileges: HashMap<u64, (u32, Id), AsIs>,
    /// Names that are hashed as they are, by the order in which a block reads them.
    pub names: [Memo<Id>; 3],
    /// Kinds of principals.
    pub forms: Memo<Option<PrincipalKind>>,
    /// States of tasks.
    pub states: Memo<TaskState>,
    /// Verdicts of approvals.
    pub verdicts: Memo<u32>,
    /// Numbers of approvers.
    pub approvers: Memo<u32>,
    /// Principals of uses, with the number of records that no sum has yet.
    pub users: Memo<(Id, PrincipalKind, i64)>,
    /// Names of the privileges of uses.
    pub used: Memo<Id>,
    /// Names of the scopes of uses.
    pub places: Memo<Id>,
    /// Platforms of uses that were seen.
    pub platforms: Memo<()>,
}

/// Places in the dictionaries of three columns as one key, 0 for no value; `None` when one is too large.
#[must_use]
#[inline]
pub fn key_of(places: [u32; 3]) -> Option<u64> {
    let fits = places.iter().all(|p| *p < 1 << 21);
    fits.then(|| places.iter().fold(0, |key, p| key << 21 | u64::from(*p)))
}

/// The same of three values; `None` when a text is in no dictionary.
#[must_use]
pub fn key(cells: [Cell<'_>; 3]) -> Option<u64> {
    let place = |cell| match cell {
        Cell::Null => Some(0),
        Cell::Known(_, code) => Some(code.checked_add(1)?),
        _ => None,
    };
    let [a, b, c] = cells.map(place);
    key_of([a?, b?, c?])
}
