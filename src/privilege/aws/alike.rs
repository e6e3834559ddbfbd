//! Targets that look alike: whatever a principal may do to one of them by a known path, it may do to the
//! others. A search then asks one target of each class and not every target.
//!
//! What a path sees of a target is its kind and account, the facts that paths ask for, its trust policy,
//! and which of the resource patterns of all policies take its ARN in. Two things tell targets of one
//! class apart all the same: a trust policy that names the principal ([`Alike::single`]), and a pattern
//! with a variable in it, which makes a path see names ([`sees_names`]).

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::sync::OnceLock;

use rayon::prelude::*;

use super::action::{ActionSet, catalogue};
use super::arn::{self, Home};
use super::escalation::{Node, TrustRule};
use super::evaluate::{Rights, SubjectKind};
use super::paths::{Path, assume_role, path_actions};
use crate::privilege::glob;

/// Comparisons of patterns with ARNs for each target, and at least. Where a class takes more to find, the
/// search goes without.
const COMPARISONS: usize = 1_024;
const COMPARISONS_LEAST: usize = 1 << 20;

/// Classes of all targets.
#[derive(Debug)]
pub(super) struct Alike {
    class: Vec<u32>,
    single: Vec<Vec<usize>>,
}

/// Actions on principals that paths ask for.
fn on_principals() -> &'static ActionSet {
    static ACTIONS: OnceLock<ActionSet> = OnceLock::new();
    ACTIONS.get_or_init(|| {
        let mut set = catalogue().none();
        let known = path_actions().ones();
        let identity = |a: &usize| {
            let name = catalogue().name(*a);
            name.starts_with("iam:") || name.starts_with("sts:")
        };
        set.extend(known.filter(identity));
        set
    })
}

/// Whether a rule of a trust policy names one principal.
fn names_one(rule: &TrustRule) -> bool {
    rule.assume
        && rule.kind != "any"
        && rule.kind != "service"
        && rule.trusted.starts_with("arn:")
        && !rule.trusted.ends_with(":root")
}

/// Whether what the rights say of the actions of a path depends on the name of a target: a pattern has a
/// variable in it, other than the name of the user that asks.
pub(super) fn sees_names(rights: &Rights<'_>, path: &Path) -> bool {
    let asked = path.actions.iter().copied().chain(assume_role());
    let asked: Vec<usize> = asked.collect();
    rights
        .policies()
        .flat_map(|p| &p.statements)
        .any(|s| s.names_by_variable() && asked.iter().any(|a| s.actions.contains(*a)))
}

/// What a path sees of a target besides its ARN.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Look<'a> {
    kind: SubjectKind,
    provider_owned: bool,
    access_keys: Option<usize>,
    login_profile: Option<bool>,
    instance_profile: Option<bool>,
    trust: Vec<(&'a str, &'a str, bool, bool, &'a str)>,
}

impl<'a> Look<'a> {
    fn of(node: &'a Node<'_>) -> Self {
        let rules = node.trust.iter().filter(|r| r.assume && !names_one(r));
        let rule = |r: &'a TrustRule| {
            (r.trusted.as_str(), r.kind.as_str(), r.allow, r.doubtful, r.condition_text.as_str())
        };
        Self {
            kind: node.subject.kind,
            provider_owned: node.provider_owned,
            access_keys: node.access_keys,
            login_profile: node.login_profile,
            instance_profile: node.instance_profile,
            trust: rules.map(rule).collect(),
        }
    }
}

impl Alike {
    /// Classes of the nodes; `None` when they are not in the order of ARNs, or when there is so much to
    /// compare that every target may as well be asked.
    pub(super) fn new(nodes: &[Node<'_>]) -> Option<Self> {
        if !nodes.is_sorted_by(|a, b| arn_of(a) < arn_of(b)) {
            return None;
        }
        let mut classes = Refinement::one(nodes.len());
        let accounts = accounts(nodes);
        let mut left = nodes.len().saturating_mul(COMPARISONS).max(COMPARISONS_LEAST);
        for (range, _) in &accounts {
            classes.split(&range.clone().collect::<Vec<_>>());
        }
        for pattern in patterns(nodes) {
            for (range, home) in &accounts {
                left = left.checked_sub(1)?;
                let Some(tail) = arn::tail_in_account(&pattern, home) else { continue };
                let start = format!("{}{}", prefix(home), before_wildcard(tail));
                let of = nodes.get(range.clone()).unwrap_or_default();
                let from = of.partition_point(|n| arn_of(n) < start.as_str());
                let near = of.get(from..).unwrap_or_default();
                let near = near.iter().take_while(|n| arn_of(n).starts_with(&start));
                let skip = prefix(home).len();
                let mut seen = 0;
                let taken: Vec<usize> = near
                    .enumerate()
                    .inspect(|_| seen += 1)
                    .filter(|(_, n)| glob::matches(tail, arn_of(n).get(skip..).unwrap_or_default()))
                    .map(|(at, _)| range.start + from + at)
                    .collect();
                left = left.checked_sub(seen)?;
                classes.split(&taken);
            }
        }
        let mut looks: BTreeMap<(u32, Look<'_>), u32> = BTreeMap::new();
        let mut class = Vec::with_capacity(nodes.len());
        let mut naming: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
        let mut next = 0;
        for (i, node) in nodes.iter().enumerate() {
            let known = looks.entry((classes.of(i), Look::of(node))).or_insert_with(|| {
                next += 1;
                next - 1
            });
            let regular = arn_of(node).starts_with(&prefix(&node.subject.home));
            class.push(if regular && !arn_of(node).contains(":policy/") {
                *known
            } else {
                // Not as ARNs of principals are: in a class of its own, come what may.
                next += 1;
                next - 1
            });
            for rule in node.trust.iter().filter(|r| names_one(r)) {
                let list = naming.entry(&rule.trusted).or_default();
                if list.last() != Some(&i) {
                    list.push(i);
                }
            }
        }
        let single = nodes.par_iter().map(|n| single(nodes, n, &naming)).collect();
        Some(Self { class, single })
    }

    /// Class of a target.
    pub(super) fn class(&self, i: usize) -> Option<u32> {
        self.class.get(i).copied()
    }

    /// Targets that a principal is to ask one by one, in order: their trust policies name it, or their
    /// name is the one that a variable in a pattern stands for.
    pub(super) fn single(&self, from: usize) -> &[usize] {
        self.single.get(from).map_or(&[], Vec::as_slice)
    }
}

/// [`Alike::single`] of one principal; `naming`: targets whose trust policies name a principal, by its ARN.
fn single(nodes: &[Node<'_>], node: &Node<'_>, naming: &BTreeMap<&str, Vec<usize>>) -> Vec<usize> {
    let me = node.subject;
    let mut out = naming.get(me.arn.as_str()).cloned().unwrap_or_default();
    if me.kind == SubjectKind::User {
        let namesake = format!("{}user/{}", prefix(&me.home), me.name);
        if namesake != me.arn
            && let Ok(i) = nodes.binary_search_by(|n| n.subject.arn.as_str().cmp(&namesake))
        {
            out.push(i);
            out.sort_unstable();
            out.dedup();
        }
    }
    out
}

fn arn_of<'n>(node: &'n Node<'_>) -> &'n str {
    &node.subject.arn
}

/// How the ARN of a principal of an account begins.
fn prefix(home: &Home) -> String {
    format!("arn:{}:iam::{}:", home.partition, home.account)
}

fn before_wildcard(tail: &str) -> &str {
    tail.split(['*', '?']).next().unwrap_or_default()
}

/// Runs of nodes of one account, with that account.
fn accounts<'n>(nodes: &'n [Node<'_>]) -> Vec<(Range<usize>, &'n Home)> {
    let mut out = Vec::new();
    let mut start = 0;
    for run in nodes.chunk_by(|a, b| a.subject.home == b.subject.home) {
        let end = start + run.len();
        out.extend(run.first().map(|n| (start..end, &n.subject.home)));
        start = end;
    }
    out
}

/// Resource patterns of all statements about actions on principals, each once. Patterns that take in
/// everything tell nothing apart.
fn patterns<'a>(nodes: &'a [Node<'a>]) -> BTreeSet<Cow<'a, str>> {
    let mut out = BTreeSet::new();
    let (mut rights, mut policies) = (BTreeSet::new(), BTreeSet::new());
    let actions = on_principals();
    for node in nodes {
        if !rights.insert(std::ptr::from_ref(node.rights).addr()) {
            continue;
        }
        for policy in node.rights.policies() {
            if !policies.insert(std::ptr::from_ref(policy).addr()) {
                continue;
            }
            for s in policy.statements.iter().filter(|s| !s.actions.is_disjoint(actions)) {
                out.extend(s.widened_resources().filter(|p| !arn::is_any(p)));
            }
        }
    }
    out
}

/// Classes that are split pattern by pattern.
struct Refinement {
    class: Vec<u32>,
    size: Vec<usize>,
}

impl Refinement {
    /// All in one class.
    fn one(n: usize) -> Self {
        Self { class: vec![0; n], size: vec![n] }
    }

    fn of(&self, i: usize) -> u32 {
        self.class.get(i).copied().unwrap_or_default()
    }

    /// Parts the members of a list, each of which is in it once, from the rest of their classes.
    fn split(&mut self, list: &[usize]) {
        let mut hits: BTreeMap<u32, usize> = BTreeMap::new();
        // Neighbours are mostly of one class.
        for run in list.chunk_by(|a, b| self.class.get(*a) == self.class.get(*b)) {
            let class = run.first().map_or(0, |i| self.of(*i));
            *hits.entry(class).or_default() += run.len();
        }
        let mut parted: BTreeMap<u32, u32> = BTreeMap::new();
        for (class, n) in hits {
            let Some(size) = self.size.get_mut(class as usize).filter(|size| **size > n) else {
                continue;
            };
            *size -= n;
            let Ok(new) = u32::try_from(self.size.len()) else { return };
            self.size.push(n);
            parted.insert(class, new);
        }
        if parted.is_empty() {
            return;
        }
        for i in list {
            if let Some(slot) = self.class.get_mut(*i)
                && let Some(new) = parted.get(slot)
            {
                *slot = *new;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn classes_are_split_as_often_as_patterns_tell_apart() {
        let mut r = Refinement::one(6);
        r.split(&[0, 1, 2]);
        r.split(&[1, 4]);
        r.split(&[0, 1, 2, 3, 4, 5]);
        r.split(&[]);
        let same = |a: usize, b: usize| r.of(a) == r.of(b);
        assert!(same(0, 2) && same(3, 5));
        assert!(!same(0, 1) && !same(3, 4) && !same(1, 4) && !same(0, 3));
        assert_eq!(r.size.iter().sum::<usize>(), 6);
        assert_eq!(r.size.len(), 4);
    }
}
