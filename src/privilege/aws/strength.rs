//! What rights certainly hold, kept for comparing one principal with very many.

use std::collections::BTreeMap;

use super::escalation::Node;
use super::evaluate::{Grants, Scope, SubjectKind};
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

/// Nodes with the same rights, kind and account: the first of each, and for each node its place there.
pub(super) fn share(nodes: &[Node<'_>]) -> (Vec<usize>, Vec<usize>) {
    let mut known: BTreeMap<(usize, SubjectKind), usize> = BTreeMap::new();
    let mut first = Vec::new();
    let mut of = Vec::with_capacity(nodes.len());
    for (i, n) in nodes.iter().enumerate() {
        let key = (std::ptr::from_ref(n.rights).addr(), n.subject.kind);
        of.push(*known.entry(key).or_insert_with(|| {
            first.push(i);
            first.len() - 1
        }));
    }
    (first, of)
}
