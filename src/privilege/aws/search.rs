//! Which targets a path may reach: lists by account, service and trust, narrowed by the patterns of the
//! statements, so that a principal is compared with few others.

use std::borrow::Cow;
use std::collections::BTreeMap;

use super::action::catalogue;
use super::arn::{self, Home};
use super::escalation::Node;
use super::evaluate::SubjectKind;
use super::hops::{View, hop};
use super::paths::{ASSUME, Path, Target};
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
}

fn push(list: &mut Vec<usize>, i: usize) {
    if list.last() != Some(&i) {
        list.push(i);
    }
}

impl<'a> Targets<'a> {
    /// Lists the nodes at these places, in this order. `by_arn`: the order is that of ARNs.
    pub(super) fn new(
        nodes: &'a [Node<'a>],
        order: impl IntoIterator<Item = usize>,
        by_arn: bool,
    ) -> Self {
        let mut out = Self { by_arn, ..Self::default() };
        for i in order {
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
            let set: std::collections::BTreeSet<usize> = of(s).iter().copied().collect();
            acc.iter().copied().filter(|i| set.contains(i)).collect()
        })
    }

    /// Places that a path of a principal may lead to, in the order of the lists.
    pub(super) fn candidates(
        &self,
        nodes: &[Node<'_>],
        node: &Node<'_>,
        view: &View,
    ) -> Cow<'_, [usize]> {
        let none = Cow::Borrowed(&[][..]);
        let (Some(path), home) = (view.path(), &node.subject.home) else { return none };
        if path.id == ASSUME {
            return Cow::Owned(self.assumable(nodes, node, view));
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
            None => match narrowing_action(path) {
                Some(a) => Cow::Owned(self.narrowed(nodes, node, &all, a)),
                None => all,
            },
        }
    }

    /// Of a list, what the Allow patterns for an action can take in.
    fn narrowed(
        &self,
        nodes: &[Node<'_>],
        node: &Node<'_>,
        list: &[usize],
        action: usize,
    ) -> Vec<usize> {
        let shapes = node.rights.shapes(action);
        let arn_of = |i: &usize| nodes.get(*i).map_or("", |n| n.subject.arn.as_str());
        if !self.by_arn {
            let taken = |i: &&usize| shapes.iter().any(|s| arn::matches(s, arn_of(i)));
            return list.iter().filter(taken).copied().collect();
        }
        let mut out = Vec::new();
        for shape in &shapes {
            let prefix = literal_prefix(shape, &node.subject.home);
            let start = list.partition_point(|i| arn_of(i) < prefix.as_str());
            let rest = list.get(start..).unwrap_or_default();
            out.extend(rest.iter().take_while(|i| arn_of(i).starts_with(&prefix)));
            if prefix.is_empty() {
                break;
            }
        }
        out.sort_unstable();
        out.dedup();
        out
    }

    /// Roles whose trust policy lets the principal in, by name, by account, or as anybody.
    fn assumable(&self, nodes: &[Node<'_>], node: &Node<'_>, view: &View) -> Vec<usize> {
        let me = node.subject;
        let root = format!("arn:{}:iam::{}:root", me.home.partition, me.home.account);
        let of = |k: &str| self.named.get(k).map_or(&[][..], Vec::as_slice);
        let mut out = [of(&me.arn), of("*"), of("not:")].concat();
        let held = catalogue()
            .id("sts:AssumeRole")
            .filter(|a| node.rights.grants.possible(super::evaluate::Scope::Some).contains(*a));
        if let Some(action) = held {
            for list in [of(&root), of(&me.home.account)] {
                let here = |i: &&usize| nodes.get(**i).is_some_and(|n| n.subject.home == me.home);
                match view.steady {
                    Some(t) if t.possible() => out.extend(list),
                    // Roles of other accounts are outside of what is known to be alike.
                    Some(_) => out.extend(list.iter().filter(|i| !here(i))),
                    None => {
                        out.extend(
                            self.narrowed(nodes, node, list, action).iter().filter(|i| here(i)),
                        );
                        out.extend(list.iter().filter(|i| !here(i)));
                    }
                }
            }
        }
        if self.by_arn {
            out.sort_unstable();
        }
        let mut seen = std::collections::BTreeSet::new();
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
        let node = nodes.get(from)?;
        self.candidates(nodes, node, view).iter().copied().filter(|i| *i != from).find_map(|i| {
            let target = nodes.get(i)?;
            if !wanted(i, target) {
                return None;
            }
            let verdict = hop(node, target, view, least);
            (verdict >= least && verdict.possible()).then_some((i, verdict))
        })
    }
}

impl Account<'_> {
    /// Roles with an attached policy that the principal may rewrite.
    fn with_policy(&self, node: &Node<'_>, path: &Path) -> Vec<usize> {
        let Some(action) = narrowing_action(path) else { return Vec::new() };
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

/// The action of a path whose patterns say most about the target.
fn narrowing_action(path: &Path) -> Option<usize> {
    let assume = catalogue().id("sts:AssumeRole");
    let pass = catalogue().id("iam:PassRole");
    match path.target {
        Target::PassRole(_) => pass,
        Target::Existing(_) => None,
        _ => path.actions.iter().copied().find(|a| Some(*a) != assume),
    }
}

/// The text before the first wildcard of a pattern, with the own account in place of a wildcard one;
/// empty when the pattern takes everything in.
fn literal_prefix(shape: &str, home: &Home) -> String {
    let parts: Vec<&str> = shape.splitn(6, ':').collect();
    let until = |s: &str| s.split(['*', '?']).next().unwrap_or_default().to_owned();
    let [_, _, service, region, _, tail] = parts.as_slice() else { return until(shape) };
    // Case does not matter before the sixth part, and wildcards there stand for the own account.
    if !service.eq_ignore_ascii_case("iam") || !region.is_empty() {
        return if shape.contains(['*', '?']) { String::new() } else { shape.to_owned() };
    }
    format!("arn:{}:iam::{}:{}", home.partition, home.account, until(tail))
}
