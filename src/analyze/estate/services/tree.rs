//! Roles that hold rights and are held by others: bundles of rights by breadth, and their union over
//! everything that a role reaches.

use std::collections::{BTreeMap, HashMap};
use std::hash::{DefaultHasher, Hash, Hasher};

use super::super::Held;
use crate::facts::{Entitlement, Text, Tier, text};
use crate::privilege::class::{Breadth, Class, ClassSet};

/// Rights listed as the strongest ones, and evidence kept, of one bundle.
const SHOWN: usize = 12;

/// One right of a role.
#[derive(Clone, Debug)]
pub(super) struct Right {
    pub scope: Text,
    pub breadth: Breadth,
    pub certain: ClassSet,
    pub possible: ClassSet,
    /// As a report words it (`SELECT on billing/fin/invoices`).
    pub what: Text,
    pub source: (Text, Text),
}

/// Rights of one breadth.
#[derive(Clone, Debug, Default)]
pub(super) struct Part {
    pub certain: ClassSet,
    pub possible: ClassSet,
    /// Scope that holds all of them.
    pub scope: Text,
    pub strongest: Vec<(Class, Text)>,
    pub count: i64,
    pub refs: Vec<(Text, Text)>,
    /// Order-independent hash of the rights.
    sum: u64,
}

/// Rights by breadth.
#[derive(Clone, Debug, Default)]
pub(super) struct Bundle {
    pub parts: BTreeMap<Breadth, Part>,
}

fn hash(parts: impl Hash) -> u64 {
    let mut h = DefaultHasher::new();
    parts.hash(&mut h);
    h.finish()
}

/// The longest path that both scopes lie in; empty for none.
fn common<'a>(a: &'a str, b: &str) -> &'a str {
    if a == b {
        return a;
    }
    let mut end = 0;
    for (i, (x, y)) in a.split('/').zip(b.split('/')).enumerate() {
        if x != y {
            break;
        }
        end += x.len() + usize::from(i > 0);
    }
    a.get(..end).unwrap_or("")
}

impl Part {
    fn show(&mut self, class: Class, what: &Text) {
        if self.strongest.len() >= SHOWN
            && self.strongest.last().is_some_and(|(c, w)| (*c, w) <= (class, what))
        {
            return;
        }
        let at = self.strongest.binary_search_by(|(c, w)| (*c, w).cmp(&(class, what)));
        if let Err(at) = at {
            self.strongest.insert(at, (class, what.clone()));
            self.strongest.truncate(SHOWN);
        }
    }

    fn meet(&mut self, scope: &Text, root: &str) {
        if self.count == 0 {
            self.scope = scope.clone();
            return;
        }
        let both = common(&self.scope, scope);
        if both.len() != self.scope.len() {
            let named = both.contains('/') && !both.ends_with('/');
            self.scope = text(if named { both } else { root });
        }
    }

    fn tier(&self, breadth: Breadth) -> Tier {
        self.certain.tier_at(breadth)
    }
}

impl Bundle {
    pub fn add(&mut self, right: &Right, root: &str) {
        let part = self.parts.entry(right.breadth).or_default();
        part.meet(&right.scope, root);
        part.certain.extend(right.certain);
        part.possible.extend(right.possible);
        part.count += 1;
        part.sum = part.sum.wrapping_add(hash((&right.what, &right.scope)));
        let class = right.possible.iter().next().unwrap_or(Class::Read);
        part.show(class, &right.what);
        if part.refs.len() < SHOWN && !part.refs.contains(&right.source) {
            part.refs.push(right.source.clone());
        }
    }

    pub fn merge(&mut self, other: &Self, root: &str) {
        for (breadth, from) in &other.parts {
            let part = self.parts.entry(*breadth).or_default();
            part.meet(&from.scope, root);
            part.certain.extend(from.certain);
            part.possible.extend(from.possible);
            part.count += from.count;
            part.sum = part.sum.wrapping_add(from.sum);
            for (class, what) in &from.strongest {
                part.show(*class, what);
            }
            for r in &from.refs {
                if part.refs.len() < SHOWN && !part.refs.contains(r) {
                    part.refs.push(r.clone());
                }
            }
        }
    }

    /// Strongest tier of the bundle; `None` when it is empty.
    pub fn tier(&self) -> Option<Tier> {
        self.parts.iter().map(|(b, p)| p.tier(*b)).min()
    }

    /// One row for each breadth.
    pub fn held(&self, like: &Held) -> Vec<Held> {
        self.parts
            .iter()
            .map(|(breadth, part)| {
                let mut refs = like.refs.clone();
                refs.extend(part.refs.iter().cloned());
                Held {
                    scope: part.scope.clone(),
                    breadth: *breadth,
                    certain: part.certain,
                    possible: part.possible,
                    n_actions: Some(part.count),
                    strongest: part.strongest.iter().map(|(_, w)| w.clone()).collect(),
                    normal: format!("{:016x} {}", part.sum, part.count),
                    refs,
                    ..like.clone()
                }
            })
            .collect()
    }
}

/// Roles and who holds whom.
#[derive(Debug, Default)]
pub(super) struct Tree {
    ids: HashMap<Text, usize>,
    pub names: Vec<Text>,
    /// Own rights.
    pub own: Vec<Bundle>,
    /// Roles held.
    pub holds: Vec<Vec<usize>>,
    /// Held by anybody.
    pub held: Vec<bool>,
}

impl Tree {
    pub fn id(&mut self, name: &Text) -> usize {
        if let Some(id) = self.ids.get(name) {
            return *id;
        }
        let id = self.names.len();
        self.ids.insert(name.clone(), id);
        self.names.push(name.clone());
        self.own.push(Bundle::default());
        self.holds.push(Vec::new());
        self.held.push(false);
        id
    }

    pub fn find(&self, name: &str) -> Option<usize> {
        self.ids.get(name).copied()
    }

    pub fn hold(&mut self, who: &Text, role: &Text) {
        let (who, role) = (self.id(who), self.id(role));
        if let Some(list) = self.holds.get_mut(who)
            && !list.contains(&role)
        {
            list.push(role);
        }
        if let Some(held) = self.held.get_mut(role) {
            *held = true;
        }
    }

    /// Rights of a role and of everything it holds; cycles end.
    pub fn all(&self, start: usize, root: &str) -> Bundle {
        let mut out = Bundle::default();
        let mut seen = vec![start];
        let mut at = 0;
        let mut known: std::collections::HashSet<usize> = [start].into();
        while let Some(node) = seen.get(at).copied() {
            at += 1;
            if let Some(own) = self.own.get(node) {
                out.merge(own, root);
            }
            for next in self.holds.get(node).into_iter().flatten() {
                if known.insert(*next) {
                    seen.push(*next);
                }
            }
        }
        out
    }

    /// The unions of all roles that somebody holds, each once.
    pub fn closures(&self, root: &str) -> Vec<Bundle> {
        (0..self.names.len()).map(|i| self.all(i, root)).collect()
    }
}

/// Bindings of one platform, each once: exports repeat each other.
pub(super) fn once<'a>(
    entitlements: &'a [Entitlement],
    platform: &str,
) -> impl Iterator<Item = &'a Entitlement> {
    let mut seen: std::collections::HashSet<&str> = std::collections::HashSet::new();
    entitlements.iter().filter(move |e| &*e.platform == platform && seen.insert(&e.entitlement_id))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn common_scopes_end_at_slashes() {
        assert_eq!(common("database/a/b", "database/a/c"), "database/a");
        assert_eq!(common("database/a", "database/ab"), "database");
        assert_eq!(common("x", "y"), "");
        assert_eq!(common("database/a/b", "database/a"), "database/a");
    }

    #[test]
    fn unions_take_cycles_and_count_each_role_once() {
        let mut tree = Tree::default();
        for (a, b) in [("a", "b"), ("b", "c"), ("c", "a"), ("a", "c")] {
            tree.hold(&text(a), &text(b));
        }
        for name in ["a", "b", "c"] {
            let right = Right {
                scope: text(format!("database/d/{name}")),
                breadth: Breadth::Resource,
                certain: [Class::DataRead].into_iter().collect(),
                possible: [Class::DataRead].into_iter().collect(),
                what: text(name),
                source: (text("S1"), text(name)),
            };
            let id = tree.id(&text(name));
            tree.own[id].add(&right, "cluster");
        }
        let all = tree.all(0, "cluster");
        let part = &all.parts[&Breadth::Resource];
        assert_eq!((part.count, &*part.scope, part.refs.len()), (3, "database/d", 3));
        assert_eq!(all.tier(), Some(Tier::T3));
        let again = tree.all(1, "cluster");
        assert_eq!(again.parts[&Breadth::Resource].sum, part.sum, "equal whatever the order");
    }
}
