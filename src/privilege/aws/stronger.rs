//! Who has rights that a principal lacks: the first of many targets, found without comparing it with each.

use std::collections::HashMap;
use std::sync::OnceLock;

use super::action::ActionSet;
use super::escalation::Node;
use super::evaluate::{Grants, Scope};

/// Targets whose rights are joined into one, and joined rights that are joined again.
const JOINED: usize = 32;

/// Rights as the comparison sees them: what is certainly allowed at two scopes.
type Certain = [ActionSet; 2];

fn certain(grants: &Grants) -> [&ActionSet; 2] {
    [grants.certain(Scope::Some), grants.certain(Scope::AllExcept)]
}

/// Targets of one class, in order.
#[derive(Debug)]
pub(super) struct Members {
    list: Vec<usize>,
    /// The rights of [`JOINED`] targets each, then of as many of these, to the whole; made when asked for.
    joined: OnceLock<Vec<Vec<Certain>>>,
}

impl Members {
    pub(super) fn new(mut list: Vec<usize>) -> Self {
        list.shrink_to_fit();
        Self { list, joined: OnceLock::new() }
    }

    /// The first but for those to skip.
    pub(super) fn first(&self, skip: impl Fn(usize) -> bool) -> Option<usize> {
        self.list.iter().copied().find(|i| !skip(*i))
    }

    /// The first that has rights which the principal lacks, but for those to skip. `class`: which class
    /// this is; answers are remembered by it.
    pub(super) fn first_stronger(
        &self,
        class: (bool, u32),
        than: &mut Stronger<'_>,
        skip: impl Fn(usize) -> bool,
    ) -> Option<usize> {
        let mut at = match than.first.get(&class) {
            Some(known) => *known,
            None => {
                let found = self.next_stronger(0, than);
                than.first.insert(class, found);
                found
            }
        };
        while let Some(i) = at.and_then(|at| self.list.get(at)) {
            if !skip(*i) {
                return Some(*i);
            }
            at = self.next_stronger(at? + 1, than);
        }
        None
    }

    /// Place of the first from a place on that has rights which the principal lacks.
    fn next_stronger(&self, mut at: usize, than: &mut Stronger<'_>) -> Option<usize> {
        let joined = self.joined.get_or_init(|| joined(&self.list, than.nodes));
        'places: while let Some(i) = self.list.get(at) {
            let mut size = JOINED.pow(u32::try_from(joined.len()).unwrap_or(0));
            for level in joined.iter().rev() {
                let none = |all: &Certain| !than.lacks(all.each_ref());
                if at.is_multiple_of(size) && level.get(at / size).is_some_and(none) {
                    at += size;
                    continue 'places;
                }
                size /= JOINED;
            }
            if than.exceeds(*i) {
                return Some(at);
            }
            at += 1;
        }
        None
    }
}

/// Rights of neighbours joined, level by level.
fn joined(list: &[usize], nodes: &[Node<'_>]) -> Vec<Vec<Certain>> {
    let mut out: Vec<Vec<Certain>> = Vec::new();
    if list.len() <= JOINED / 4 {
        return out;
    }
    let rights = |i: &usize| nodes.get(*i).map(|n| certain(&n.rights.grants));
    let mut level: Vec<Certain> =
        list.chunks(JOINED).map(|some| join(some.iter().filter_map(rights))).collect();
    while level.len() > 1 {
        let next = level.chunks(JOINED).map(|some| join(some.iter().map(Certain::each_ref)));
        let next = next.collect();
        out.push(std::mem::replace(&mut level, next));
    }
    out.push(level);
    out
}

fn join<'s>(all: impl Iterator<Item = [&'s ActionSet; 2]>) -> Certain {
    let mut out = Certain::default();
    for one in all {
        for (a, b) in out.iter_mut().zip(one) {
            if !b.is_subset(a) {
                a.union_with(b);
            }
        }
    }
    out
}

/// Comparisons of one principal with others.
#[derive(Debug)]
pub(super) struct Stronger<'g> {
    nodes: &'g [Node<'g>],
    of: &'g Node<'g>,
    /// Targets with the same rights have the same number.
    rights_of: &'g [usize],
    known: HashMap<usize, bool>,
    first: HashMap<(bool, u32), Option<usize>>,
}

impl<'g> Stronger<'g> {
    /// Comparisons with the node at a place. `rights_of`: a number for the rights of each node.
    pub(super) fn new(nodes: &'g [Node<'g>], of: usize, rights_of: &'g [usize]) -> Option<Self> {
        let of = nodes.get(of)?;
        Some(Self { nodes, of, rights_of, known: HashMap::new(), first: HashMap::new() })
    }

    /// Whether a target has rights that the principal lacks.
    pub(super) fn exceeds(&mut self, target: usize) -> bool {
        let (nodes, of) = (self.nodes, self.of);
        let exceeds = || {
            nodes.get(target).is_some_and(|t| {
                !std::ptr::eq(of.rights, t.rights) && t.rights.grants.exceeds(&of.rights.grants)
            })
        };
        match self.rights_of.get(target) {
            Some(at) => *self.known.entry(*at).or_insert_with(exceeds),
            None => exceeds(),
        }
    }

    /// [`Grants::exceeds`] for joined rights: they exceed when some of those joined do.
    fn lacks(&self, [some, except]: [&ActionSet; 2]) -> bool {
        let mine = &self.of.rights.grants;
        !some.is_subset(mine.possible(Scope::Some))
            || !except.is_subset(mine.possible(Scope::AllExcept))
    }
}
