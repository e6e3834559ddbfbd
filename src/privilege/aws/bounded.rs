//! Principals that a permissions boundary holds down, and who may take it away: what they have without it is
//! open to whoever does that and takes them over (5.6).

use std::sync::Arc;

use rayon::prelude::*;

use super::action::catalogue;
use super::alike::{Alike, naming};
use super::classes::classes;
use super::escalation::Node;
use super::evaluate::{Compiled, Scope, Setting, SubjectKind};
use super::hops::View;
use super::named::BOUNDARY;
use super::own::{admin_with, boundary_actions};
use super::paths::{administrator, lifts, on_policy};
use super::reached::Change;
use super::search::Targets;
use super::tri::Tri;

/// What boundaries keep from whom, when somebody may take them away.
#[derive(Debug, Default)]
pub(super) struct Bounded<'a> {
    /// Whether each principal may take away the boundary of some other.
    lifters: Vec<bool>,
    /// Whether each principal has everything, or may give itself that, once it has no boundary.
    free: Vec<Tri>,
    /// Those who certainly do, and those who may.
    freed: [Targets<'a>; 2],
    /// Those whom policies written to them would not give everything as long as the boundary is there.
    held: Targets<'a>,
}

impl<'a> Bounded<'a> {
    /// Looks at everybody; `admin`: administration by the own rights, `raisable`: what written policies
    /// give.
    pub(super) fn new(
        nodes: &'a [Node<'a>],
        admin: &[Tri],
        raisable: &[Tri],
        by_arn: &[usize],
        alike: Option<&Arc<Alike<'a>>>,
    ) -> Self {
        let of = |list: &[Tri], i: usize| list.get(i).copied().unwrap_or(Tri::F);
        let bounded = |i: usize| {
            let node = nodes.get(i).filter(|n| !n.provider_owned)?;
            node.rights.unbounded.is_some().then_some(node)
        };
        // Who administrates needs none of this.
        let lifter = |(i, node): (usize, &Node<'_>)| {
            let held = node.rights.grants.possible(Scope::Some);
            of(admin, i) != Tri::T && lifts().iter().any(|a| held.contains(*a))
        };
        let lifters: Vec<bool> = nodes.iter().enumerate().map(lifter).collect();
        if !lifters.contains(&true) {
            return Self::default();
        }
        let free: Vec<Tri> = (0..nodes.len())
            .into_par_iter()
            .map(|i| match bounded(i) {
                Some(node) if of(admin, i) != Tri::T => without(node, nodes),
                _ => Tri::F,
            })
            .collect();
        let list = |wanted: &dyn Fn(usize) -> bool| {
            let list: Vec<usize> = by_arn.iter().copied().filter(|i| wanted(*i)).collect();
            Targets::new(nodes, &list, alike)
        };
        let freed = [Tri::T, Tri::U].map(|least| list(&|i| of(&free, i) >= least));
        let held = list(&|i| bounded(i).is_some() && of(raisable, i) != Tri::T);
        Self { lifters, free, freed, held }
    }

    /// Taking over a principal after taking its boundary away, and after writing its policies where the path
    /// does that.
    pub(super) fn lift(
        &self,
        nodes: &[Node<'_>],
        from: usize,
        view: &View,
        least: Tri,
    ) -> Option<(usize, Tri, Change)> {
        let path = view.path().filter(|_| self.lifters.get(from) == Some(&true))?;
        let node = nodes.get(from)?;
        // A variable in a pattern may tell targets apart for the action that takes the boundary away.
        let about = |s: &&Compiled| lifts().iter().any(|a| s.actions.contains(*a));
        let named = if naming(node.rights).iter().any(about) { None } else { view.named.clone() };
        let view = View { lifts: true, named, ..view.clone() };
        if path.raises
            && let Some((to, verdict)) = self.held.first(nodes, from, &view, least, None)
        {
            return Some((to, verdict, Change::Both));
        }
        let [certain, possible] = &self.freed;
        let targets = if least == Tri::T { certain } else { possible };
        let (to, verdict) = targets.first(nodes, from, &view, least, None)?;
        let free = self.free.get(to).copied().unwrap_or(Tri::F);
        Some((to, verdict.and(free), Change::Boundary))
    }
}

/// Whether policies written to a principal may give it everything: its ceilings leave that.
pub(super) fn raisable(target: &Node<'_>) -> Tri {
    if target.provider_owned || target.subject.kind == SubjectKind::Group {
        return Tri::F;
    }
    target.rights.boundary_leaves(classes().critical())
}

/// Administration of a principal without its boundary.
fn without(node: &Node<'_>, nodes: &[Node<'_>]) -> Tri {
    let Some(unbounded) = &node.rights.unbounded else { return Tri::F };
    match classes().admin(unbounded) {
        Tri::T => Tri::T,
        _ => admin_with(node, nodes, &node.rights.freed()),
    }
}

/// How a principal may take away the boundary of another most surely: place of the action among [`lifts`],
/// what it is done on, and how sure it is; `None` when it may not.
pub(super) fn lifting(node: &Node<'_>, target: &Node<'_>) -> Option<(usize, String, Tri)> {
    if node.subject.home != target.subject.home || target.provider_owned {
        return None;
    }
    let admin = administrator(&node.subject.home.partition);
    let mut best: Option<(usize, String, Tri)> = None;
    for (place, action) in lifts().iter().enumerate() {
        let on = if on_policy(*action) {
            target.boundary_policy.as_ref()
        } else {
            let own = boundary_actions(target.subject.kind).contains(&catalogue().name(*action));
            own.then_some(&target.subject.arn)
        };
        let Some(on) = on else { continue };
        let extra = lifting_keys(*action, target, &admin);
        let verdict =
            node.rights.decide(*action, on, &Setting { subject: node.subject, extra: &extra });
        if verdict.possible() && best.as_ref().is_none_or(|(.., have)| verdict > *have) {
            best = Some((place, on.clone(), verdict));
        }
    }
    best
}

/// Context keys of an action that takes a boundary away: the boundary that is put, or the one that is there.
pub(super) fn lifting_keys<'k>(
    action: usize,
    target: &'k Node<'_>,
    admin: &'k str,
) -> Vec<(&'k str, &'k str)> {
    let boundary = match catalogue().name(action) {
        _ if on_policy(action) => None,
        put if put.starts_with("iam:Put") => Some(admin),
        _ => target.boundary_policy.as_deref(),
    };
    boundary.map(|b| (BOUNDARY, b)).into_iter().collect()
}
