//! Which targets a path may reach: lists by account, service and trust, narrowed by the patterns of the
//! statements, so that a principal is compared with few others.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::alike::Alike;
use super::arn::{self, Home};
use super::escalation::Node;
use super::evaluate::SubjectKind;
use super::hops::{View, hop, literal_prefix, narrowing_action, session_of, sessions};
use super::paths::{ASSUME, Path, Target, assume_role};
use super::short::Short;
use super::stronger::Stronger;
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
    /// Roles by the party that their trust policy names; `*` = anybody, `not:` = anybody but some. Of the
    /// session of a role it is what the ARNs of all its sessions begin with.
    named: BTreeMap<&'a str, Vec<usize>>,
    /// The lists are in the order of ARNs.
    by_arn: bool,
    /// For lists in another order: the same in the order of ARNs, and the rank of each node.
    sorted: Option<(Box<Targets<'a>>, Arc<Vec<usize>>)>,
    /// The same with one target of each class.
    short: Option<Box<Short<'a>>>,
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
    pub(super) fn new(
        nodes: &'a [Node<'a>],
        order: &[usize],
        alike: Option<&Arc<Alike<'a>>>,
    ) -> Self {
        let mut out = Self::listed(nodes, order, true);
        out.short = alike.map(|alike| Box::new(Short::new(nodes, order, None, alike)));
        out
    }

    /// Lists the nodes at these places, in this order. `by_arn`: the order is that of ARNs.
    pub(super) fn listed(nodes: &'a [Node<'a>], order: &[usize], by_arn: bool) -> Self {
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
                    other => session_of(other).map_or(other, |(sessions, _)| sessions),
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
        alike: Option<&Arc<Alike<'a>>>,
    ) -> Self {
        let mut ranks = vec![0; nodes.len()];
        for (rank, i) in order.iter().enumerate() {
            if let Some(slot) = ranks.get_mut(*i) {
                *slot = rank;
            }
        }
        let ranks = Arc::new(ranks);
        let mut out = Self::in_order(nodes, order, by_arn, &ranks);
        out.short =
            alike.map(|alike| Box::new(Short::new(nodes, by_arn, Some((order, &ranks)), alike)));
        out
    }

    /// Lists the nodes at these places, given in the order of ranks and in the order of ARNs.
    pub(super) fn in_order(
        nodes: &'a [Node<'a>],
        order: &[usize],
        by_arn: &[usize],
        ranks: &Arc<Vec<usize>>,
    ) -> Self {
        let mut out = Self::listed(nodes, order, false);
        out.sorted = Some((Box::new(Self::listed(nodes, by_arn, true)), Arc::clone(ranks)));
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
        let own_sessions = sessions(me);
        let by_session = own_sessions.as_deref().map_or(&[][..], of);
        let mut out = [of(&me.arn), by_session, of("*"), of("not:")].concat();
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

    /// The first target of a path that is reached with at least this certainty; with `stronger`, the first
    /// of those that have rights which the principal lacks.
    pub(super) fn first(
        &self,
        nodes: &[Node<'_>],
        from: usize,
        view: &View,
        least: Tri,
        mut stronger: Option<&mut Stronger<'_>>,
    ) -> Option<(usize, Tri)> {
        if view.most < least {
            return None;
        }
        if let (Some(short), Some(named)) = (&self.short, &view.named) {
            return short.first(nodes, from, (view, named), least, stronger);
        }
        let node = nodes.get(from)?;
        self.candidates(nodes, node, view, least).iter().copied().filter(|i| *i != from).find_map(
            |i| {
                let target = nodes.get(i)?;
                if !stronger.as_deref_mut().is_none_or(|s| s.exceeds(i)) {
                    return None;
                }
                let verdict = hop(node, target, view, least);
                (verdict >= least && verdict.possible()).then_some((i, verdict))
            },
        )
    }
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
