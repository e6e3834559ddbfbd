//! Targets that look alike, listed once: one of each class is asked, and the first of those that say yes is
//! the answer, as if each had been asked.

use std::collections::BTreeMap;
use std::sync::Arc;

use fixedbitset::FixedBitSet;

use super::alike::Alike;
use super::escalation::Node;
use super::hops::{View, hop, is_root, is_session, sessions};
use super::paths::{ASSUME, Path, Target};
use super::search::Targets;
use super::stronger::{Members, Stronger};
use super::tri::Tri;

/// Targets by class.
#[derive(Debug)]
struct Classed<'a> {
    /// The first target of each class.
    lists: Targets<'a>,
    /// All targets by class, in the order of the lists.
    members: BTreeMap<u32, Members>,
}

/// Targets with one of each class listed.
#[derive(Debug)]
pub(super) struct Short<'a> {
    alike: Arc<Alike<'a>>,
    /// In the order of ranks, when there are any.
    plain: Classed<'a>,
    /// For paths that see the policies attached to a target, in the order of ARNs. Only targets with
    /// policies are among them.
    with_policies: Classed<'a>,
    /// All targets.
    there: FixedBitSet,
    /// Rank of each node, when the lists are in the order of ranks.
    ranks: Option<Arc<Vec<usize>>>,
}

/// Section of the candidates, and place in it.
type Place = (u8, usize);

impl<'a> Short<'a> {
    /// Lists of nodes at these places, which are given in the order of ARNs, and for lists by rank in that
    /// order too.
    pub(super) fn new(
        nodes: &'a [Node<'a>],
        by_arn: &[usize],
        ranked: Option<(&[usize], &Arc<Vec<usize>>)>,
        alike: &Arc<Alike<'a>>,
    ) -> Self {
        let of_plain = |i: usize| alike.classes(i).map(|(plain, _)| plain);
        let (first, members) = classes(by_arn.iter().copied(), of_plain);
        let plain = match ranked {
            None => Classed { lists: Targets::listed(nodes, &first, true), members },
            Some((order, ranks)) => {
                let (best, members) = classes(order.iter().copied(), of_plain);
                Classed { lists: Targets::in_order(nodes, &best, &first, ranks), members }
            }
        };
        let carrying = by_arn.iter().copied().filter(|i| carries(nodes, *i));
        let (first, members) = classes(carrying, |i| alike.classes(i).map(|(_, seen)| seen));
        Self {
            alike: Arc::clone(alike),
            plain,
            with_policies: Classed { lists: Targets::listed(nodes, &first, true), members },
            there: by_arn.iter().copied().collect(),
            ranks: ranked.map(|(_, ranks)| Arc::clone(ranks)),
        }
    }

    /// As [`Targets::first`]; `named`: patterns with variables that the view knows.
    pub(super) fn first(
        &self,
        nodes: &[Node<'_>],
        from: usize,
        (view, named): (&View, &[String]),
        least: Tri,
        mut stronger: Option<&mut Stronger<'_>>,
    ) -> Option<(usize, Tri)> {
        let (node, path) = (nodes.get(from)?, view.path()?);
        let verdict = |i: usize| {
            let found = nodes.get(i).map_or(Tri::F, |target| hop(node, target, view, least));
            (found >= least && found.possible()).then_some(found)
        };
        let place_of = |i: usize| nodes.get(i).map(|target| self.place(node, target, path, i));
        let mut best: Option<(Place, usize, Tri)> = None;
        let apart = self.alike.apart(from, node.subject, named);
        for i in apart.iter().copied().filter(|i| *i != from && self.there.contains(*i)) {
            let fits = nodes.get(i).is_some_and(|target| path.may_end_at(node, target));
            let Some(place) = place_of(i).filter(|_| fits) else { continue };
            if best.as_ref().is_none_or(|b| place < b.0)
                && stronger.as_deref_mut().is_none_or(|s| s.exceeds(i))
                && let Some(found) = verdict(i)
            {
                best = Some((place, i, found));
            }
        }
        let sees_policies = path.target == Target::PolicyOfOtherRole;
        let of = if sees_policies { &self.with_policies } else { &self.plain };
        // In the order of their places, but for those that several lists of trust policies name.
        let ordered = path.id != ASSUME;
        let skipped = |i: usize| i == from || apart.binary_search(&i).is_ok();
        for i in of.lists.candidates(nodes, node, view, least).iter() {
            let nearer = |place: &Place| best.as_ref().is_none_or(|b| *place < b.0);
            let near = place_of(*i).is_some_and(|place| nearer(&place));
            if ordered && !near {
                break;
            }
            let Some((class, members)) =
                self.alike.class(*i, path).and_then(|class| Some((class, of.members.get(&class)?)))
            else {
                continue;
            };
            // Members come in the order of their places, so the first is the nearest.
            let Some(first) = members.first(skipped) else { continue };
            if !place_of(first).is_some_and(|place| nearer(&place)) {
                continue;
            }
            let first = match stronger.as_deref_mut() {
                None => Some(first),
                Some(s) => members.first_stronger((sees_policies, class), s, skipped),
            };
            let Some((first, place)) = first.and_then(|i| Some((i, place_of(i)?))) else {
                continue;
            };
            if nearer(&place)
                && let Some(found) = verdict(first)
            {
                best = Some((place, first, found));
            }
        }
        best.map(|(_, i, found)| (i, found))
    }

    /// Where a target stands among the candidates of a path.
    fn place(&self, node: &Node<'_>, target: &Node<'_>, path: &Path, i: usize) -> Place {
        match &self.ranks {
            Some(ranks) if path.target != Target::PolicyOfOtherRole => {
                let section = if path.id == ASSUME { section(node, target) } else { 0 };
                (section, ranks.get(i).copied().unwrap_or(usize::MAX))
            }
            _ => (0, i),
        }
    }
}

/// Whether customer-managed policies are attached to a node.
fn carries(nodes: &[Node<'_>], i: usize) -> bool {
    nodes.get(i).is_some_and(|n| !n.attached_policies.is_empty())
}

/// Those who may be assumed by name come first, then those whom anybody may, then those of the account
/// (the order in which [`Targets::candidates`] gives them).
fn section(node: &Node<'_>, target: &Node<'_>) -> u8 {
    let me = node.subject;
    let own_sessions = sessions(me);
    let session = |who: &str| own_sessions.as_deref().is_some_and(|own| is_session(who, own));
    let rules = target.trust.iter().filter(|r| r.allow && r.assume && r.kind != "service");
    let one = rules.map(|r| match r.trusted.as_str() {
        not if not.starts_with("not:") => 3,
        _ if r.kind == "any" => 2,
        who if who == me.arn => 0,
        who if session(who) => 1,
        who if is_root(who, &me.home) => 4,
        who if who == me.home.account => 5,
        _ => u8::MAX,
    });
    one.min().unwrap_or(u8::MAX)
}

/// The first target of each class, and all targets by class, in the order given.
fn classes(
    order: impl Iterator<Item = usize>,
    class: impl Fn(usize) -> Option<u32>,
) -> (Vec<usize>, BTreeMap<u32, Members>) {
    let mut first = Vec::new();
    let mut members: BTreeMap<u32, Vec<usize>> = BTreeMap::new();
    for i in order {
        let Some(class) = class(i) else { continue };
        let list = members.entry(class).or_default();
        if list.is_empty() {
            first.push(i);
        }
        list.push(i);
    }
    (first, members.into_iter().map(|(class, list)| (class, Members::new(list))).collect())
}
