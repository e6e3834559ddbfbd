//! Which targets a path may reach: lists by account, service and trust, narrowed by the patterns of the
//! statements, so that a principal is compared with few others.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use fixedbitset::FixedBitSet;

use super::alike::Alike;
use super::arn::{self, Home};
use super::escalation::Node;
use super::evaluate::SubjectKind;
use super::hops::{View, hop, is_root, literal_prefix, narrowing_action};
use super::paths::{ASSUME, Path, Target, assume_role};
use super::tri::Tri;

/// Candidates of one account.
#[derive(Debug, Default)]
struct Account<'a> {
    users: Vec<usize>,
    groups: Vec<usize>,
    roles: Vec<usize>,
    /// Roles by service that may assume them, lower case.
    services: BTreeMap<String, Vec<usize>>,
    /// Roles by customer-managed policy attached to them.
    policies: BTreeMap<&'a str, Vec<usize>>,
}

/// A set of nodes as targets. Lists keep the order of the nodes they were made from.
#[derive(Debug, Default)]
pub(super) struct Targets<'a> {
    accounts: BTreeMap<&'a Home, Account<'a>>,
    /// Roles by the party that their trust policy names; `*` = anybody, `not:` = anybody but some.
    named: BTreeMap<&'a str, Vec<usize>>,
    /// The lists are in the order of ARNs.
    by_arn: bool,
    /// For lists in another order: the same in the order of ARNs, and the rank of each node.
    sorted: Option<(Box<Targets<'a>>, Arc<Vec<usize>>)>,
    /// The same with one target of each class.
    short: Option<Box<Short<'a>>>,
}

/// Targets that look alike, listed once.
#[derive(Debug)]
struct Short<'a> {
    alike: Arc<Alike>,
    /// The first target of each class.
    lists: Targets<'a>,
    /// All targets by class, in the order of the lists.
    members: BTreeMap<u32, Vec<usize>>,
    /// All targets.
    there: FixedBitSet,
}

/// A narrowed list is put in the order of ranks when it is this many times shorter than the whole.
const RANKED: usize = 4;

fn push(list: &mut Vec<usize>, i: usize) {
    if list.last() != Some(&i) {
        list.push(i);
    }
}

impl<'a> Targets<'a> {
    /// Lists the nodes at these places in the order of ARNs, in which they are given.
    pub(super) fn new(nodes: &'a [Node<'a>], order: &[usize], alike: Option<&Arc<Alike>>) -> Self {
        let mut out = Self::listed(nodes, order, true);
        out.short = alike.map(|alike| {
            let (first, members) = classes(order, alike);
            let lists = Self::listed(nodes, &first, true);
            Box::new(Short { alike: Arc::clone(alike), lists, members, there: places(order) })
        });
        out
    }

    /// Lists the nodes at these places, in this order. `by_arn`: the order is that of ARNs.
    fn listed(nodes: &'a [Node<'a>], order: &[usize], by_arn: bool) -> Self {
        let mut out = Self { by_arn, ..Self::default() };
        for i in order.iter().copied() {
            let Some(node) = nodes.get(i) else { continue };
            let account = out.accounts.entry(&node.subject.home).or_default();
            match node.subject.kind {
                SubjectKind::User => account.users.push(i),
                SubjectKind::Group => account.groups.push(i),
                SubjectKind::Role => account.roles.push(i),
                SubjectKind::Policy => {}
            }
            if node.subject.kind != SubjectKind::Role {
                continue;
            }
            for p in &node.attached_policies {
                push(account.policies.entry(p).or_default(), i);
            }
            for rule in node.trust.iter().filter(|t| t.allow && t.assume) {
                if rule.kind == "service" {
                    let service = rule.trusted.to_ascii_lowercase();
                    push(account.services.entry(service).or_default(), i);
                    continue;
                }
                let who = match rule.trusted.as_str() {
                    not if not.starts_with("not:") => "not:",
                    _ if rule.kind == "any" => "*",
                    other => other,
                };
                push(out.named.entry(who).or_default(), i);
            }
        }
        out
    }

    /// Lists all nodes by rank, best first.
    pub(super) fn ranked(
        nodes: &'a [Node<'a>],
        order: &[usize],
        by_arn: &[usize],
        alike: Option<&Arc<Alike>>,
    ) -> Self {
        let mut ranks = vec![0; nodes.len()];
        for (rank, i) in order.iter().enumerate() {
            if let Some(slot) = ranks.get_mut(*i) {
                *slot = rank;
            }
        }
        let ranks = Arc::new(ranks);
        let both = |order: &[usize], by_arn: &[usize]| {
            let mut out = Self::listed(nodes, order, false);
            let sorted = Self::listed(nodes, by_arn, true);
            out.sorted = Some((Box::new(sorted), Arc::clone(&ranks)));
            out
        };
        let mut out = both(order, by_arn);
        out.short = alike.map(|alike| {
            let (first, members) = classes(order, alike);
            let lists = both(&first, &classes(by_arn, alike).0);
            Box::new(Short { alike: Arc::clone(alike), lists, members, there: places(order) })
        });
        out
    }

    /// Whether there are none.
    pub(super) fn is_empty(&self) -> bool {
        self.accounts.is_empty()
    }

    /// Roles of the account that trust all of these services.
    fn trusting(&self, home: &Home, services: &[String]) -> Cow<'_, [usize]> {
        let Some(account) = self.accounts.get(home) else { return Cow::Borrowed(&[]) };
        let of = |s: &String| account.services.get(s.as_str()).map_or(&[][..], Vec::as_slice);
        let Some((first, more)) = services.split_first() else { return Cow::Borrowed(&[]) };
        let first = Cow::Borrowed(of(first));
        more.iter().fold(first, |acc, s| {
            let set: BTreeSet<usize> = of(s).iter().copied().collect();
            acc.iter().copied().filter(|i| set.contains(i)).collect()
        })
    }

    /// Places that a path of a principal may lead to, in the order of the lists.
    pub(super) fn candidates(
        &self,
        nodes: &[Node<'_>],
        node: &Node<'_>,
        view: &View,
        least: Tri,
    ) -> Cow<'_, [usize]> {
        let none = Cow::Borrowed(&[][..]);
        let (Some(path), home) = (view.path(), &node.subject.home) else { return none };
        if path.id == ASSUME {
            return Cow::Owned(self.assumable(nodes, node, view, least));
        }
        // Identity, services and their roles belong to one account.
        let Some(account) = self.accounts.get(home) else { return none };
        let all: Cow<'_, [usize]> = match &path.target {
            Target::AnyGroup => Cow::Borrowed(&account.groups),
            Target::OtherUser => Cow::Borrowed(&account.users),
            Target::OtherRole => Cow::Borrowed(&account.roles),
            Target::PolicyOfOtherRole => return Cow::Owned(account.with_policy(node, path)),
            Target::PassRole(services) => self.trusting(home, services),
            Target::Existing(Some(service)) => self.trusting(home, &[(*service).to_owned()]),
            _ => return none,
        };
        match view.steady {
            Some(t) if t.possible() => all,
            Some(_) => none,
            None => match &self.sorted {
                None => Cow::Owned(narrowed(nodes, &all, view, least)),
                Some((sorted, ranks)) => {
                    let mut few = sorted.candidates(nodes, node, view, least).into_owned();
                    // Ranking many costs more than asking all in the order of their ranks.
                    if few.len() > all.len() / RANKED {
                        return all;
                    }
                    few.sort_by_key(|i| ranks.get(*i).copied());
                    Cow::Owned(few)
                }
            },
        }
    }

    /// Roles whose trust policy lets the principal in, by name, by account, or as anybody.
    fn assumable(
        &self,
        nodes: &[Node<'_>],
        node: &Node<'_>,
        view: &View,
        least: Tri,
    ) -> Vec<usize> {
        let me = node.subject;
        let root = format!("arn:{}:iam::{}:root", me.home.partition, me.home.account);
        let of = |k: &str| self.named.get(k).map_or(&[][..], Vec::as_slice);
        let mut out = [of(&me.arn), of("*"), of("not:")].concat();
        let held = assume_role()
            .filter(|a| node.rights.grants.possible(super::evaluate::Scope::Some).contains(*a));
        if let Some(action) = held {
            for list in [of(&root), of(&me.home.account)] {
                let here = |i: &&usize| nodes.get(**i).is_some_and(|n| n.subject.home == me.home);
                match view.steady {
                    Some(t) if t.possible() => out.extend(list),
                    // Roles of other accounts are outside of what is known to be alike.
                    Some(_) => out.extend(list.iter().filter(|i| !here(i))),
                    None => {
                        if self.by_arn {
                            let few = narrowed(nodes, list, view, least);
                            out.extend(few.iter().filter(|i| here(i)));
                        } else {
                            let shapes = node.rights.shapes(action);
                            let arn_of =
                                |i: usize| nodes.get(i).map_or("", |n| n.subject.arn.as_str());
                            let taken =
                                |i: &&usize| shapes.iter().any(|s| arn::matches(s, arn_of(**i)));
                            out.extend(list.iter().filter(|i| here(i) && taken(i)));
                        }
                        out.extend(list.iter().filter(|i| !here(i)));
                    }
                }
            }
        }
        if self.by_arn {
            out.sort_unstable();
            out.dedup();
            return out;
        }
        let mut seen = BTreeSet::new();
        out.retain(|i| seen.insert(*i));
        out
    }

    /// The first target of a path that is reached with at least this certainty.
    pub(super) fn first(
        &self,
        nodes: &[Node<'_>],
        from: usize,
        view: &View,
        least: Tri,
        mut wanted: impl FnMut(usize, &Node<'_>) -> bool,
    ) -> Option<(usize, Tri)> {
        if view.most < least {
            return None;
        }
        let node = nodes.get(from)?;
        if let (Some(short), true) = (&self.short, view.alike) {
            return short.first(nodes, from, view, least, wanted);
        }
        self.candidates(nodes, node, view, least).iter().copied().filter(|i| *i != from).find_map(
            |i| {
                let target = nodes.get(i)?;
                if !wanted(i, target) {
                    return None;
                }
                let verdict = hop(node, target, view, least);
                (verdict >= least && verdict.possible()).then_some((i, verdict))
            },
        )
    }
}

impl Short<'_> {
    /// As [`Targets::first`]: one target of each class is asked, and the first of those that say yes is
    /// the answer.
    fn first(
        &self,
        nodes: &[Node<'_>],
        from: usize,
        view: &View,
        least: Tri,
        mut wanted: impl FnMut(usize, &Node<'_>) -> bool,
    ) -> Option<(usize, Tri)> {
        let (node, path) = (nodes.get(from)?, view.path()?);
        let verdict = |i: usize| {
            let found = nodes.get(i).map_or(Tri::F, |target| hop(node, target, view, least));
            (found >= least && found.possible()).then_some(found)
        };
        let mut best: Option<(Place, usize, Tri)> = None;
        let single = self.alike.single(from);
        for i in single.iter().copied().filter(|i| *i != from && self.there.contains(*i)) {
            let Some(target) = nodes.get(i).filter(|t| path.may_end_at(node, t)) else { continue };
            let place = self.place(node, target, path, i);
            if best.as_ref().is_none_or(|b| place < b.0)
                && wanted(i, target)
                && let Some(found) = verdict(i)
            {
                best = Some((place, i, found));
            }
        }
        // In the order of their places, but for those that several lists of trust policies name.
        let ordered = path.id != ASSUME;
        for i in self.lists.candidates(nodes, node, view, least).iter() {
            let behind = |b: &(Place, usize, Tri)| {
                nodes.get(*i).is_some_and(|target| self.place(node, target, path, *i) >= b.0)
            };
            if ordered && best.as_ref().is_some_and(behind) {
                break;
            }
            let Some(class) = self.alike.class(*i) else { continue };
            let members = self.members.get(&class).map_or(&[][..], Vec::as_slice);
            let apart = |i: &usize| *i == from || single.binary_search(i).is_ok();
            let mut members = members.iter().copied().filter(|i| !apart(i));
            let Some(first) = members.next() else { continue };
            // Members come in the order of their places, so the first is the nearest.
            let near = |i: usize, best: &Option<(Place, usize, Tri)>| {
                let place = self.place(node, nodes.get(i)?, path, i);
                best.as_ref().is_none_or(|b| place < b.0).then_some(place)
            };
            if near(first, &best).is_none() {
                continue;
            }
            let Some(found) = verdict(first) else { continue };
            for i in std::iter::once(first).chain(members) {
                let Some(place) = near(i, &best) else { break };
                if nodes.get(i).is_some_and(|target| wanted(i, target)) {
                    best = Some((place, i, found));
                    break;
                }
            }
        }
        best.map(|(_, i, found)| (i, found))
    }

    /// Where a target stands among the candidates of a path.
    fn place(&self, node: &Node<'_>, target: &Node<'_>, path: &Path, i: usize) -> Place {
        match &self.lists.sorted {
            None => (0, i),
            Some((_, ranks)) => {
                let section = if path.id == ASSUME { section(node, target) } else { 0 };
                (section, ranks.get(i).copied().unwrap_or(usize::MAX))
            }
        }
    }
}

/// Section of the candidates, and place in it.
type Place = (u8, usize);

/// Those who may be assumed by name come first, then those whom anybody may, then those of the account
/// ([`Targets::assumable`]).
fn section(node: &Node<'_>, target: &Node<'_>) -> u8 {
    let me = node.subject;
    let rules = target.trust.iter().filter(|r| r.allow && r.assume && r.kind != "service");
    let one = rules.map(|r| match r.trusted.as_str() {
        not if not.starts_with("not:") => 2,
        _ if r.kind == "any" => 1,
        who if who == me.arn => 0,
        who if is_root(who, &me.home) => 3,
        who if who == me.home.account => 4,
        _ => u8::MAX,
    });
    one.min().unwrap_or(u8::MAX)
}

/// The first target of each class, and all targets by class, in the order given.
fn classes(order: &[usize], alike: &Alike) -> (Vec<usize>, BTreeMap<u32, Vec<usize>>) {
    let mut first = Vec::new();
    let mut members: BTreeMap<u32, Vec<usize>> = BTreeMap::new();
    for i in order {
        let Some(class) = alike.class(*i) else { continue };
        let list = members.entry(class).or_default();
        if list.is_empty() {
            first.push(*i);
        }
        list.push(*i);
    }
    (first, members)
}

fn places(order: &[usize]) -> FixedBitSet {
    order.iter().copied().collect()
}

/// Of a list in the order of ARNs, what the statements for the action on the target can take in, when
/// at least this certainty is wanted. More than that may be in it.
fn narrowed(nodes: &[Node<'_>], list: &[usize], view: &View, least: Tri) -> Vec<usize> {
    let arn_of = |i: &usize| nodes.get(*i).map_or("", |n| n.subject.arn.as_str());
    let mut out = Vec::new();
    let mut before: Option<&str> = None;
    // Sorted, so what begins like the one before is in the list already.
    for r in view.reaches.iter().filter(|r| r.sure || least < Tri::T) {
        if before.is_some_and(|b| r.prefix.starts_with(b)) {
            continue;
        }
        before = Some(&r.prefix);
        let start = list.partition_point(|i| arn_of(i) < r.prefix.as_str());
        let rest = list.get(start..).unwrap_or_default();
        out.extend(rest.iter().take_while(|i| arn_of(i).starts_with(&r.prefix)));
    }
    out.sort_unstable();
    out.dedup();
    out
}

impl Account<'_> {
    /// Roles with an attached policy that the principal may rewrite.
    fn with_policy(&self, node: &Node<'_>, path: &Path) -> Vec<usize> {
        let Some((_, action)) = narrowing_action(path) else { return Vec::new() };
        let mut out = Vec::new();
        for shape in node.rights.shapes(action) {
            let prefix = literal_prefix(&shape, &node.subject.home);
            for (policy, roles) in self.policies.range(prefix.as_str()..) {
                if !policy.starts_with(&prefix) {
                    break;
                }
                if arn::matches(&shape, policy) {
                    out.extend(roles);
                }
            }
        }
        out.sort_unstable();
        out.dedup();
        out
    }
}
