//! Targets that look alike: whatever a principal may do to one of them by a known path, it may do to the
//! others. A search then asks one target of each class and not every target.
//!
//! What a path sees of a target is its kind and account, the facts that paths ask for, its trust policy,
//! which of the resource patterns of all policies take its ARN in, and, for paths that rewrite a policy of
//! the target, which of them take in the ARNs of the policies attached to it. Two things tell targets of
//! one class apart all the same, and these targets are asked one by one ([`Alike::apart`]): a trust policy
//! that names the principal, and a pattern with variables, which stand for other names for each principal.

mod names;

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::OnceLock;

use rayon::prelude::*;

use super::action::{ActionSet, catalogue};
use super::arn::{self, Home};
use super::escalation::{Node, TrustRule};
use super::evaluate::{Compiled, Rights, Subject, SubjectKind};
use super::hops::{session_of, sessions};
use super::paths::{Path, Target, assume_role, path_actions};
use super::variable;
use names::{Names, Refinement};

/// Classes of all targets.
#[derive(Debug)]
pub(super) struct Alike<'a> {
    class: Vec<u32>,
    /// The same, where the policies attached to a target are seen too.
    with_policies: Vec<u32>,
    single: Vec<Vec<usize>>,
    targets: Names<'a>,
    /// Customer-managed policies that are attached to roles.
    policies: Names<'a>,
    /// The roles that each of them is attached to.
    carriers: Vec<Vec<usize>>,
}

/// Actions on principals and their policies that paths ask for.
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

/// Whether a rule of a trust policy names one principal, or a session of one.
fn names_one(rule: &TrustRule) -> bool {
    rule.assume
        && rule.kind != "any"
        && rule.kind != "service"
        && rule.trusted.starts_with("arn:")
        && !rule.trusted.ends_with(":root")
}

/// Statements of rights in whose resource patterns variables may stand for the names of any principals.
pub(super) fn naming<'r>(rights: &Rights<'r>) -> Vec<&'r Compiled> {
    let all = rights.policies().flat_map(|p| &p.statements);
    all.filter(|s| s.names_by_variable().next().is_some()).collect()
}

/// The patterns with variables of these statements that a path asks about: where targets are told apart by
/// what the variables stand for. `None` when that depends on a key that the path itself sets.
pub(super) fn named(naming: &[&Compiled], path: &Path) -> Option<Vec<String>> {
    let asked = |s: &&&Compiled| {
        path.actions.iter().copied().chain(assume_role()).any(|a| s.actions.contains(a))
    };
    let mut out = BTreeSet::new();
    for s in naming.iter().filter(asked) {
        for pattern in s.names_by_variable() {
            if variable::variables(pattern).any(|(key, _)| set_by_paths(&key)) {
                return None;
            }
            out.insert(pattern);
        }
    }
    Some(out.into_iter().map(str::to_owned).collect())
}

/// Context keys to which paths give values ([`super::own::keys`] and the services of a passed role).
fn set_by_paths(key: &str) -> bool {
    key.starts_with("iam:") || key == "aws:sourceaccount"
}

/// What a path sees of a target besides its ARN.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Look<'a> {
    kind: SubjectKind,
    provider_owned: bool,
    access_keys: Option<usize>,
    login_profile: Option<bool>,
    instance_profile: Option<bool>,
    boundary: Option<&'a str>,
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
            boundary: node.boundary_policy.as_deref(),
            trust: rules.map(rule).collect(),
        }
    }
}

impl<'a> Alike<'a> {
    /// Classes of the nodes; `None` when they are not in the order of ARNs, or when there is so much to
    /// compare that every target may as well be asked.
    pub(super) fn new(nodes: &'a [Node<'a>]) -> Option<Self> {
        let targets = Names::new(nodes.iter().map(arn_of).collect())?;
        let mut carried: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
        for (i, node) in
            nodes.iter().enumerate().filter(|(_, n)| n.subject.kind == SubjectKind::Role)
        {
            for policy in &node.attached_policies {
                push(carried.entry(policy).or_default(), i);
            }
        }
        let policies = Names::new(carried.keys().copied().collect())?;
        let patterns = patterns(nodes);
        let class = classes(nodes, &targets.classes(&patterns)?);
        let of_policies = policies.classes(&patterns)?;
        let mut known: BTreeMap<(u32, Vec<u32>), u32> = BTreeMap::new();
        let with_policies = nodes.iter().zip(&class).map(|(node, class)| {
            let attached = node.attached_policies.iter().filter_map(|p| policies.find(p));
            let mut attached: Vec<u32> = attached.map(|p| of_policies.of(p)).collect();
            attached.sort_unstable();
            attached.dedup();
            let next = u32::try_from(known.len()).unwrap_or(u32::MAX);
            *known.entry((*class, attached)).or_insert(next)
        });
        let with_policies = with_policies.collect();
        let mut naming: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
        for (i, node) in nodes.iter().enumerate() {
            for rule in node.trust.iter().filter(|r| names_one(r)) {
                let who =
                    session_of(&rule.trusted).map_or(&*rule.trusted, |(sessions, _)| sessions);
                push(naming.entry(who).or_default(), i);
            }
        }
        let single = nodes.par_iter().map(|n| single(&targets, n, &naming)).collect();
        let carriers = carried.into_values().collect();
        Some(Self { class, with_policies, single, targets, policies, carriers })
    }

    /// Class of a target, for a path.
    pub(super) fn class(&self, i: usize, path: &Path) -> Option<u32> {
        let sees_policies = path.target == Target::PolicyOfOtherRole;
        let classes = if sees_policies { &self.with_policies } else { &self.class };
        classes.get(i).copied()
    }

    /// Class of a target where its policies are not seen, and where they are.
    pub(super) fn classes(&self, i: usize) -> Option<(u32, u32)> {
        self.class.get(i).copied().zip(self.with_policies.get(i).copied())
    }

    /// Targets that a principal is to ask one by one, in order: their trust policies name it, or one of
    /// the names for which variables in patterns stand is theirs or that of a policy attached to them.
    /// `named`: these patterns ([`named`]).
    pub(super) fn apart(
        &self,
        from: usize,
        subject: &Subject,
        named: &[String],
    ) -> Cow<'_, [usize]> {
        let single = self.single.get(from).map_or(&[][..], Vec::as_slice);
        if named.is_empty() {
            return Cow::Borrowed(single);
        }
        let mut out = single.to_vec();
        for pattern in named {
            out.extend(self.targets.filled(pattern, subject));
            let of_policies = self.policies.filled(pattern, subject).into_iter();
            out.extend(of_policies.filter_map(|p| self.carriers.get(p)).flatten());
        }
        out.sort_unstable();
        out.dedup();
        Cow::Owned(out)
    }
}

/// Classes by looks of nodes that patterns do not tell apart.
fn classes(nodes: &[Node<'_>], by_name: &Refinement) -> Vec<u32> {
    let mut looks: BTreeMap<(u32, Look<'_>), u32> = BTreeMap::new();
    let mut next = 0;
    let mut new = || {
        next += 1;
        next - 1
    };
    let mut out = Vec::with_capacity(nodes.len());
    for (i, node) in nodes.iter().enumerate() {
        let regular = arn_of(node).starts_with(&prefix(&node.subject.home));
        out.push(if regular && !arn_of(node).contains(":policy/") {
            *looks.entry((by_name.of(i), Look::of(node))).or_insert_with(&mut new)
        } else {
            // Not as ARNs of principals are: in a class of its own, come what may.
            new()
        });
    }
    out
}

/// Targets that every path of a principal tells apart from others: their trust policies name it, or a user
/// has its name. `naming`: targets whose trust policies name a principal, by its ARN or the start of those of
/// its sessions.
fn single(targets: &Names<'_>, node: &Node<'_>, naming: &BTreeMap<&str, Vec<usize>>) -> Vec<usize> {
    let me = node.subject;
    let mut out = naming.get(me.arn.as_str()).cloned().unwrap_or_default();
    if let Some(by_session) = sessions(me).and_then(|own| naming.get(own.as_str())) {
        out.extend(by_session);
        out.sort_unstable();
        out.dedup();
    }
    if me.kind == SubjectKind::User {
        let namesake = format!("{}user/{}", prefix(&me.home), me.name);
        if namesake != me.arn
            && let Some(i) = targets.find(&namesake)
        {
            out.push(i);
            out.sort_unstable();
            out.dedup();
        }
    }
    out
}

fn push(list: &mut Vec<usize>, i: usize) {
    if list.last() != Some(&i) {
        list.push(i);
    }
}

fn arn_of<'n>(node: &'n Node<'_>) -> &'n str {
    &node.subject.arn
}

/// How the ARN of a principal of an account begins.
fn prefix(home: &Home) -> String {
    format!("arn:{}:iam::{}:", home.partition, home.account)
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
