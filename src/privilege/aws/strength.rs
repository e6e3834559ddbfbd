//! What rights certainly hold, kept for comparing one principal with very many.

use super::escalation::Node;
use super::evaluate::{Grants, Scope};
use super::set::Sparse;

/// What rights certainly hold, in a form that is quick to compare; `None` where they hold much.
#[derive(Debug, Default)]
pub(super) struct Strength {
    some: Option<Sparse>,
    except: Option<Sparse>,
}

/// Words of a set of actions, of some 320, up to which the short form is the quicker one.
const FEW_WORDS: usize = 48;

impl Strength {
    pub(super) fn of(node: Option<&Node<'_>>) -> Self {
        let Some(grants) = node.map(|n| &n.rights.grants) else { return Self::default() };
        Self {
            some: Sparse::of(grants.certain(Scope::Some), FEW_WORDS),
            except: Sparse::of(grants.certain(Scope::AllExcept), FEW_WORDS),
        }
    }

    /// As [`Grants::exceeds`], where `mine` are the grants this was made of.
    pub(super) fn exceeds(&self, mine: &Grants, other: &Grants) -> bool {
        let within = |short: &Option<Sparse>, scope: Scope| match short {
            Some(s) => s.is_subset(other.possible(scope)),
            None => mine.certain(scope).is_subset(other.possible(scope)),
        };
        !within(&self.some, Scope::Some) || !within(&self.except, Scope::AllExcept)
    }
}
