//! Sets of allowed actions at three scopes, certainly and possibly.

use super::action::{ActionSet, catalogue};
use super::tri::Tri;

/// Scope of an allowed action. Sets are nested: what is allowed on all is allowed on some.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Scope {
    /// On some resources.
    Some,
    /// On a whole resource type but for named exceptions.
    AllExcept,
    /// On a whole resource type.
    All,
}

/// Allowed actions by scope, certainly and possibly.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Grants {
    pub(super) certain: [ActionSet; 3],
    pub(super) possible: [ActionSet; 3],
    /// Possibly allowed on something else than the caller itself.
    pub(super) beyond_self: ActionSet,
}

pub(super) const SCOPES: [Scope; 3] = [Scope::Some, Scope::AllExcept, Scope::All];

impl Grants {
    /// Nothing is allowed.
    #[must_use]
    pub fn none() -> Self {
        // Sets grow when something is added, so that a principal without rights costs nothing.
        let empty = || std::array::from_fn(|_| ActionSet::new());
        Self { certain: empty(), possible: empty(), beyond_self: ActionSet::new() }
    }

    /// Every action is allowed on every resource.
    #[must_use]
    pub fn everything() -> Self {
        let all = || std::array::from_fn(|_| catalogue().every());
        Self { certain: all(), possible: all(), beyond_self: catalogue().every() }
    }

    /// Nothing is certain, everything is possible: the content is unknown.
    #[must_use]
    pub fn unknown() -> Self {
        let mut out = Self::none();
        out.possible = std::array::from_fn(|_| catalogue().every());
        out.beyond_self = catalogue().every();
        out
    }

    /// Actions that are certainly allowed at this scope or a wider one.
    #[must_use]
    pub fn certain(&self, scope: Scope) -> &ActionSet {
        let [some, except, all] = &self.certain;
        match scope {
            Scope::Some => some,
            Scope::AllExcept => except,
            Scope::All => all,
        }
    }

    /// Actions that are allowed at this scope or a wider one if undecided conditions are met.
    #[must_use]
    pub fn possible(&self, scope: Scope) -> &ActionSet {
        let [some, except, all] = &self.possible;
        match scope {
            Scope::Some => some,
            Scope::AllExcept => except,
            Scope::All => all,
        }
    }

    /// Actions that may reach further than the caller itself.
    #[must_use]
    pub fn beyond_self(&self) -> &ActionSet {
        &self.beyond_self
    }

    /// Joins the grants of another layer.
    pub fn union_with(&mut self, other: &Self) {
        for (a, b) in self.certain.iter_mut().zip(&other.certain) {
            a.union_with(b);
        }
        for (a, b) in self.possible.iter_mut().zip(&other.possible) {
            a.union_with(b);
        }
        self.beyond_self.union_with(&other.beyond_self);
    }

    /// Lets equal sets share one body, and empty ones have none: most rights are whole and unconditional.
    pub(super) fn share(&mut self) {
        let mut known: Vec<ActionSet> = Vec::new();
        let all = self.certain.iter_mut().chain(&mut self.possible);
        for set in all.chain(std::iter::once(&mut self.beyond_self)) {
            match known.iter().find(|k| *k == set) {
                Some(same) => set.clone_from(same),
                None => {
                    set.shrink();
                    known.push(set.clone());
                }
            }
        }
    }

    pub(super) fn intersect_with(&mut self, other: &Self) {
        for (a, b) in self.certain.iter_mut().zip(&other.certain) {
            a.intersect_with(b);
        }
        for (a, b) in self.possible.iter_mut().zip(&other.possible) {
            a.intersect_with(b);
        }
        self.beyond_self.intersect_with(&other.beyond_self);
    }

    /// Whether this reaches anything that `other` does not possibly have.
    #[must_use]
    pub fn exceeds(&self, other: &Self) -> bool {
        !self.certain(Scope::Some).is_subset(other.possible(Scope::Some))
            || !self.certain(Scope::AllExcept).is_subset(other.possible(Scope::AllExcept))
    }

    pub(super) fn add(&mut self, scope: Scope, m: Tri, set: &ActionSet) {
        for (i, s) in SCOPES.iter().enumerate() {
            if *s > scope {
                continue;
            }
            if m == Tri::T
                && let Some(slot) = self.certain.get_mut(i)
            {
                slot.union_with(set);
            }
            if let Some(slot) = self.possible.get_mut(i) {
                slot.union_with(set);
            }
        }
    }
}
