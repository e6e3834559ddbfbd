//! How a principal can reach more than it holds: the known paths, each judged for a principal's whole
//! set of policies against concrete targets of the same export, followed to any depth (5.6).
//!
//! The graph is walked backwards from the administrators, level by level: a principal is compared with
//! the targets of one level at a time, which lists by account, service and trust and the patterns of
//! its statements keep few. Paths that hold for certain are looked for first, then those that need an
//! undecided condition, then those that need something the inputs do not show.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use rayon::prelude::*;

use super::alike::Alike;
use super::bounded::{Bounded, lifting, raisable};
use super::classes::classes;
use super::condition::Condition;
use super::evaluate::{Bound, Rights, Scope, Subject};
pub use super::hops::can_assume;
use super::hops::{View, hop, views};
use super::named::Named;
use super::own::{OwnPaths, own_paths};
use super::paths::Path;
pub use super::paths::path_actions;
pub use super::reached::{Change, Found, Gain, Hop, Reached, Used};
use super::same::share;
use super::search::Targets;
use super::stronger::Stronger;
use super::tri::Tri;

/// One statement of a trust policy.
#[derive(Clone, Debug)]
pub struct TrustRule {
    /// Trusted party as written.
    pub trusted: String,
    /// Its kind, as in the `trusts` table.
    pub kind: String,
    /// Allow.
    pub allow: bool,
    /// Covers `sts:AssumeRole`.
    pub assume: bool,
    /// Condition.
    pub condition: Condition,
    /// Condition as written; empty when there is none.
    pub condition_text: String,
    /// A condition is there that could not be read.
    pub doubtful: bool,
}

/// Where a policy of a principal comes from.
#[derive(Clone, Debug, Default)]
pub struct Source<'a> {
    /// Identifier: an ARN, or the place of an inline policy.
    pub policy: String,
    /// Inline policy of the principal itself.
    pub inline: bool,
    /// Managed policy attached to the principal itself.
    pub attached: bool,
    /// Groups that give it: indexes of nodes.
    pub groups: Vec<usize>,
    /// Versions that are not in force, by name; filled where the principal may put one in force.
    pub versions: Vec<(String, Bound<'a>)>,
}

/// A principal as target and as start of paths.
#[derive(Debug)]
pub struct Node<'a> {
    /// Principal.
    pub subject: &'a Subject,
    /// Its rights.
    pub rights: &'a Rights<'a>,
    /// Where each of the policies in its rights comes from, in the same order.
    pub sources: Vec<Source<'a>>,
    /// Groups it is a member of: indexes of nodes.
    pub groups: Vec<usize>,
    /// Customer-managed policies attached to it or its groups.
    pub own_policies: Vec<String>,
    /// Trust policy.
    pub trust: Vec<TrustRule>,
    /// An instance profile holds the role; `None` = the inputs do not say.
    pub instance_profile: Option<bool>,
    /// Active access keys; `None` = the inputs do not say.
    pub access_keys: Option<usize>,
    /// Console password; `None` = the inputs do not say.
    pub login_profile: Option<bool>,
    /// Owned by the provider: can be neither changed nor passed.
    pub provider_owned: bool,
    /// Policies attached to the role itself, customer-managed.
    pub attached_policies: Vec<String>,
    /// The customer-managed policy that is its boundary.
    pub boundary_policy: Option<String>,
    /// Versions of that policy that are not in force, by name; filled where the principal may put one in
    /// force.
    pub boundary_versions: Vec<(String, Bound<'a>)>,
    /// Policies that conditions name.
    pub named: &'a Named,
}

/// How sure a path is: it needs something that the inputs do not show, an undecided condition, or
/// nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Grade {
    Potential,
    Conditional,
    Certain,
}

impl Grade {
    /// Least certainty of each hop.
    fn least(self) -> Tri {
        if self == Self::Certain { Tri::T } else { Tri::U }
    }

    fn takes(self, path: &Path) -> bool {
        !path.potential || self == Self::Potential
    }
}

const GRADES: [Grade; 3] = [Grade::Certain, Grade::Conditional, Grade::Potential];

/// What comes next on the way to administration.
#[derive(Clone, Copy, Debug)]
enum Step {
    /// Administration is held.
    Holds,
    /// The principal raises itself: place in its own paths.
    Own(usize),
    /// Another principal is taken over, and perhaps changed first, which ends the path.
    Hop { path: usize, to: usize, verdict: Tri, change: Option<Change> },
}

/// Shortest way of a principal to administration.
#[derive(Clone, Copy, Debug)]
struct Way {
    hops: usize,
    grade: Grade,
    step: Step,
}

/// All principals of the export, ready for questions about paths.
#[derive(Debug)]
pub struct Graph<'a> {
    nodes: &'a [Node<'a>],
    own: Vec<OwnPaths>,
    /// Full or equivalent administration of each node.
    admin: Vec<Tri>,
    /// Paths to others by node, shared by nodes with the same rights.
    views: Vec<Vec<View>>,
    views_of: Vec<usize>,
    ways: Vec<Option<Way>>,
    /// Targets from which administration is reached, by grade of the way.
    reaching: [Targets<'a>; 3],
    /// Whether policies written to each node may give it everything.
    raisable: Vec<Tri>,
    /// Targets that policies written to them give everything for certain, and those that they may.
    raising: [Targets<'a>; 2],
    /// What the boundaries of others keep from whom, when somebody may take them away.
    bounded: Bounded<'a>,
    /// All targets in the order of ARNs.
    all: Targets<'a>,
    /// All targets, strongest first.
    strongest: Targets<'a>,
}

/// Comparisons after which the search for longer paths to something merely stronger ends.
const SEARCH: usize = 2_000;
/// Principals that a search for something merely stronger passes through at most.
const PASSED: usize = 64;

impl<'a> Graph<'a> {
    /// Prepares the graph and finds every principal's shortest way to administration.
    #[must_use]
    pub fn new(nodes: &'a [Node<'a>]) -> Self {
        Self::searching(nodes, Alike::new(nodes))
    }

    /// As [`Graph::new`], but every target is asked by itself.
    #[cfg(test)]
    pub fn asking_all(nodes: &'a [Node<'a>]) -> Self {
        Self::searching(nodes, None)
    }

    fn searching(nodes: &'a [Node<'a>], alike: Option<Alike<'a>>) -> Self {
        let alike = alike.map(Arc::new);
        let own: Vec<OwnPaths> = nodes.par_iter().map(|n| own_paths(n, nodes)).collect();
        let admin: Vec<Tri> = nodes
            .iter()
            .zip(&own)
            .map(|(n, o)| classes().admin(&n.rights.grants).or(o.admin))
            .collect();
        let (first, views_of) = share(nodes);
        let views =
            first.par_iter().map(|i| nodes.get(*i).map(views).unwrap_or_default()).collect();
        let mut order: Vec<usize> = (0..nodes.len()).collect();
        order.sort_by_cached_key(|i| {
            let node = nodes.get(*i);
            let size = node.map_or(0, |n| n.rights.grants.certain(Scope::Some).count_ones(..));
            (std::cmp::Reverse((admin.get(*i).copied(), size)), *i)
        });
        let mut by_arn: Vec<usize> = (0..nodes.len()).collect();
        by_arn.sort_by_key(|i| nodes.get(*i).map(|n| &n.subject.arn));
        let raisable: Vec<Tri> = nodes.par_iter().map(raisable).collect();
        let raising = [Tri::T, Tri::U].map(|least| {
            let of = |i: &usize| raisable.get(*i).is_some_and(|r| *r >= least);
            let list: Vec<usize> = by_arn.iter().copied().filter(of).collect();
            Targets::new(nodes, &list, alike.as_ref())
        });
        let bounded = Bounded::new(nodes, &admin, &raisable, &by_arn, alike.as_ref());
        let mut out = Self {
            nodes,
            own,
            admin,
            views,
            views_of,
            ways: vec![None; nodes.len()],
            reaching: [Targets::default(), Targets::default(), Targets::default()],
            bounded,
            raisable,
            raising,
            all: Targets::new(nodes, &by_arn, None),
            strongest: Targets::ranked(nodes, &order, &by_arn, alike.as_ref()),
        };
        for (grade, place) in GRADES.into_iter().zip(0..) {
            out.begin(grade);
            out.spread(grade, &by_arn, alike.as_ref());
            let reached = by_arn.iter().copied().filter(|i| out.way(*i).is_some());
            let list = Targets::new(nodes, &reached.collect::<Vec<_>>(), alike.as_ref());
            if let Some(slot) = out.reaching.get_mut(place) {
                *slot = list;
            }
        }
        out
    }

    fn way(&self, i: usize) -> Option<Way> {
        self.ways.get(i).copied().flatten()
    }

    fn admin_of(&self, i: usize) -> Tri {
        self.admin.get(i).copied().unwrap_or(Tri::F)
    }

    fn views(&self, i: usize) -> &[View] {
        let shared = self.views_of.get(i).and_then(|v| self.views.get(*v));
        shared.map_or(&[], Vec::as_slice)
    }

    /// Administrators are where paths end.
    fn begin(&mut self, grade: Grade) {
        let least = match grade {
            Grade::Certain => Tri::T,
            Grade::Conditional => Tri::U,
            Grade::Potential => return,
        };
        for (i, node) in self.nodes.iter().enumerate() {
            if self.admin_of(i) != least || self.way(i).is_some() {
                continue;
            }
            let (hops, step) = if classes().admin(&node.rights.grants) == least {
                (0, Step::Holds)
            } else {
                let found = self.own.get(i).map(|o| o.found.as_slice()).unwrap_or_default();
                let place = found.iter().position(|f| f.to_admin && f.verdict == least);
                (1, Step::Own(place.unwrap_or_default()))
            };
            if let Some(slot) = self.ways.get_mut(i) {
                *slot = Some(Way { hops, grade, step });
            }
        }
    }

    /// Level by level: who reaches a target of this level is one hop further away.
    fn spread(&mut self, grade: Grade, by_arn: &[usize], alike: Option<&Arc<Alike<'a>>>) {
        let mut level = 0;
        loop {
            let at = |i: &usize| self.way(*i).is_some_and(|w| w.hops == level);
            let frontier: Vec<usize> = by_arn.iter().copied().filter(at).collect();
            let frontier = Targets::new(self.nodes, &frontier, alike);
            let further = self.ways.iter().flatten().any(|w| w.hops > level);
            if frontier.is_empty() && !further && level > 0 {
                return;
            }
            let found: Vec<(usize, Step)> = (0..self.nodes.len())
                .into_par_iter()
                .filter(|i| self.way(*i).is_none())
                .filter_map(|i| Some((i, self.next(i, grade, &frontier, level == 0)?)))
                .collect();
            for (i, step) in found {
                if let Some(slot) = self.ways.get_mut(i) {
                    *slot = Some(Way { hops: level + 1, grade, step });
                }
            }
            level += 1;
        }
    }

    /// A hop into the frontier, by the first path that leads there.
    fn next(&self, from: usize, grade: Grade, frontier: &Targets<'_>, first: bool) -> Option<Step> {
        let least = grade.least();
        self.views(from).iter().filter(|v| v.path().is_some_and(|p| grade.takes(p))).find_map(|v| {
            let hit = if first { self.change(from, v, least) } else { None };
            hit.or_else(|| {
                let (to, verdict) = frontier.first(self.nodes, from, v, least, None)?;
                Some(Step::Hop { path: v.path, to, verdict, change: None })
            })
        })
    }

    /// Taking over a principal after a change that gives it everything: of its policies, or of what bounds
    /// it.
    fn change(&self, from: usize, view: &View, least: Tri) -> Option<Step> {
        let found = self.raise(from, view, least);
        let found = found.map(|(to, verdict)| (to, verdict, Change::Policies));
        let (to, verdict, change) =
            found.or_else(|| self.bounded.lift(self.nodes, from, view, least))?;
        Some(Step::Hop { path: view.path, to, verdict, change: Some(change) })
    }

    /// Taking over a principal after writing its policies.
    fn raise(&self, from: usize, view: &View, least: Tri) -> Option<(usize, Tri)> {
        if !view.path().is_some_and(|p| p.raises) {
            return None;
        }
        let [certain, possible] = &self.raising;
        let targets = if least == Tri::T { certain } else { possible };
        let (to, verdict) = targets.first(self.nodes, from, view, least, None)?;
        let raisable = self.raisable.get(to).copied().unwrap_or(Tri::F);
        Some((to, verdict.and(raisable)))
    }

    /// What a principal holds, without paths: for groups, which act through their members only.
    #[must_use]
    pub fn standing(&self, index: usize) -> Reached {
        let mut out = Reached::default();
        let held = self.nodes.get(index).map(|n| &n.rights.grants);
        out.full_admin = held.map_or(Tri::F, |g| classes().full_admin(g));
        out
    }

    /// What a principal can reach.
    #[must_use]
    pub fn reach(&self, index: usize) -> Reached {
        let mut out = Reached::default();
        let Some(node) = self.nodes.get(index) else { return out };
        out.full_admin = classes().full_admin(&node.rights.grants);
        if out.full_admin == Tri::T {
            out.proof
                .push("full administrator: every critical action on whole resource types".into());
            return out;
        }
        if classes().admin(&node.rights.grants) == Tri::T {
            out.proof.push("administrator: every action of identity and access management".into());
        } else if out.full_admin == Tri::U {
            out.proof.push(
                "administrator (conditional): every critical action, under conditions".into(),
            );
        }
        self.on_itself(index, &mut out);
        if self.admin_of(index) != Tri::T {
            self.on_others(index, &mut out);
        }
        out.settle();
        out.note_retired(node.rights.grants.possible(Scope::Some));
        out
    }

    /// Notes what a principal can do to itself.
    fn on_itself(&self, index: usize, out: &mut Reached) {
        let Some(own) = self.own.get(index) else { return };
        out.self_admin = own.admin;
        out.bounded_self_grant = if own.admin == Tri::T { Tri::F } else { own.bounded };
        for f in &own.found {
            if let Some(path) = super::paths::paths().get(f.path) {
                out.note(path, f.verdict, f.to_admin, &f.resource, false);
                if f.bounded {
                    // A class of its own: what it gives itself stays within the boundary.
                    out.used.pop();
                }
            }
        }
        // To administration before to less, certain before conditional, then in the order of the table.
        let best = (0..own.found.len())
            .rev()
            .filter_map(|i| own.found.get(i).map(|f| (i, f)))
            .max_by_key(|(_, f)| (f.to_admin, f.verdict));
        if let Some((i, f)) = best {
            out.found.push(Found {
                gain: Gain::SelfGrant,
                to_admin: f.to_admin,
                verdict: f.verdict,
                hops: self.own_hop(index, i).into_iter().collect(),
                gained: f.gained.clone(),
            });
        }
    }

    fn own_hop(&self, index: usize, place: usize) -> Option<Hop> {
        let f = self.own.get(index)?.found.get(place)?;
        Some(Hop {
            from: index,
            to: index,
            path: f.path,
            verdict: f.verdict,
            resource: Some(f.resource.clone()),
            change: None,
        })
    }

    /// Notes what a principal reaches through others.
    fn on_others(&self, index: usize, out: &mut Reached) {
        let mut stronger: Option<(bool, Tri, usize, usize)> = None;
        let Some(mut others) = Stronger::new(self.nodes, index, &self.views_of) else { return };
        for view in self.views(index) {
            let Some(path) = view.path() else { continue };
            if let Some((to, verdict, grade, change)) = self.to_admin(index, view) {
                let potential = grade == Grade::Potential;
                match change.and_then(|c| self.lifted(index, to, c)) {
                    Some((lift, on)) => {
                        out.note_lifted(path, lift, verdict, (self.name(to), &on), potential);
                    }
                    None => out.note(path, verdict, true, self.name(to), potential),
                }
                continue;
            }
            let mut search =
                |least| self.strongest.first(self.nodes, index, view, least, Some(&mut others));
            // Verdicts of a path that needs something unseen are never certain.
            let certain = if path.potential { None } else { search(Tri::T) };
            if let Some((to, verdict)) = certain.or_else(|| search(Tri::U)) {
                out.note(path, verdict, false, self.name(to), path.potential);
                let found = (!path.potential, verdict, view.path, to);
                if stronger.is_none_or(|(p, v, ..)| (p, v) < (found.0, found.1)) {
                    stronger = Some(found);
                }
            }
        }
        let way = self.way(index).filter(|w| matches!(w.step, Step::Hop { .. }));
        if let Some(way) = way {
            out.found.extend(self.along(index, way));
        }
        let sure = way.is_some_and(|w| w.grade == Grade::Certain);
        let possible = way.is_some_and(|w| w.grade != Grade::Potential);
        match stronger {
            // Something stronger for certain is worth telling beside administration under conditions.
            Some((true, verdict, path, to)) if !possible || (verdict == Tri::T && !sure) => {
                out.found.push(direct(Gain::Principal, verdict, index, path, to));
            }
            Some((false, verdict, path, to)) if way.is_none() => {
                out.found.push(direct(Gain::Potential, verdict, index, path, to));
            }
            _ => {}
        }
        if !possible && !stronger.is_some_and(|(direct, ..)| direct) {
            self.further(index, out);
        }
    }

    fn name(&self, i: usize) -> &str {
        self.nodes.get(i).map_or("", |n| n.subject.arn.as_str())
    }

    /// How a principal takes away the boundary of another, when a change does that: the place of the action
    /// among [`lifts`](super::paths::lifts), and what it is done on.
    fn lifted(&self, from: usize, to: usize, change: Change) -> Option<(usize, String)> {
        let (node, target) = (self.nodes.get(from)?, self.nodes.get(to)?);
        let (lift, on, _) = lifting(node, target).filter(|_| change.lifts())?;
        Some((lift, on))
    }

    /// The best target of a path from which administration is reached, how sure that is, what the way needs,
    /// and what is changed of the target first.
    fn to_admin(&self, index: usize, view: &View) -> Option<(usize, Tri, Grade, Option<Change>)> {
        let path = view.path()?;
        let own = self.admin_of(index);
        for (grade, targets) in GRADES.into_iter().zip(&self.reaching) {
            let least = grade.least();
            // Administration under conditions is no gain for who has it under conditions.
            if !grade.takes(path) || (grade != Grade::Certain && own != Tri::F) {
                continue;
            }
            if let Some(Step::Hop { to, verdict, change, .. }) = self.change(index, view, least) {
                return Some((to, verdict, grade, change));
            }
            if let Some((to, verdict)) = targets.first(self.nodes, index, view, least, None) {
                let sure = grade == Grade::Certain;
                return Some((to, if sure { verdict } else { verdict.and(Tri::U) }, grade, None));
            }
        }
        None
    }

    /// The hops of a way, to its end.
    fn along(&self, index: usize, way: Way) -> Option<Found> {
        let gain = if way.grade == Grade::Potential { Gain::Potential } else { Gain::Principal };
        let mut out =
            Found { gain, to_admin: true, verdict: Tri::T, hops: Vec::new(), gained: None };
        let (mut at, mut next) = (index, Some(way));
        // Each hop comes closer to the end, so this ends.
        while let Some(w) = next {
            next = None;
            match w.step {
                Step::Holds => {
                    let held =
                        self.nodes.get(at).map_or(Tri::F, |n| classes().admin(&n.rights.grants));
                    out.verdict = out.verdict.and(held);
                }
                Step::Own(place) => {
                    let hop = self.own_hop(at, place)?;
                    out.verdict = out.verdict.and(hop.verdict);
                    out.hops.push(hop);
                }
                Step::Hop { path, to, verdict, change } => {
                    out.verdict = out.verdict.and(verdict);
                    out.hops.push(Hop { from: at, to, path, verdict, resource: None, change });
                    at = to;
                    next = if change.is_some() { None } else { self.way(to) };
                }
            }
        }
        if gain == Gain::Potential {
            out.verdict = out.verdict.and(Tri::U);
        }
        Some(out)
    }

    /// Looks behind principals that are not stronger for one that is. Certain hops first.
    fn further(&self, index: usize, out: &mut Reached) {
        let Some(mut others) = Stronger::new(self.nodes, index, &self.views_of) else { return };
        for least in [Tri::T, Tri::U] {
            let mut left = SEARCH;
            let mut before: BTreeMap<usize, Hop> = BTreeMap::new();
            let mut queue = VecDeque::from([index]);
            while let Some(at) = queue.pop_front() {
                let Some(node) = self.nodes.get(at) else { continue };
                for view in self.views(at) {
                    if view.path().is_none_or(|p| p.potential) {
                        continue;
                    }
                    for &to in self.all.candidates(self.nodes, node, view, least).iter() {
                        if to == index || to == at || before.contains_key(&to) {
                            continue;
                        }
                        if left == 0 || before.len() > PASSED {
                            out.cut = true;
                            return;
                        }
                        left -= 1;
                        let Some(target) = self.nodes.get(to) else { continue };
                        let verdict = hop(node, target, view, least);
                        if !verdict.possible() {
                            continue;
                        }
                        let step = Hop {
                            from: at,
                            to,
                            path: view.path,
                            verdict,
                            resource: None,
                            change: None,
                        };
                        before.insert(to, step);
                        if others.exceeds(to) {
                            let hops = walk_back(&before, to, index);
                            let verdict = Tri::all(hops.iter().map(|h| h.verdict));
                            out.escalates = out.escalates.or(verdict);
                            out.found.push(Found {
                                gain: Gain::Principal,
                                to_admin: false,
                                verdict,
                                hops,
                                gained: None,
                            });
                            return;
                        }
                        queue.push_back(to);
                    }
                }
            }
        }
    }
}

fn direct(gain: Gain, verdict: Tri, from: usize, path: usize, to: usize) -> Found {
    let hop = Hop { from, to, path, verdict, resource: None, change: None };
    Found { gain, to_admin: false, verdict, hops: vec![hop], gained: None }
}

/// The hops that led to a place, in order.
fn walk_back(before: &BTreeMap<usize, Hop>, end: usize, start: usize) -> Vec<Hop> {
    let mut out = Vec::new();
    let mut at = end;
    let mut seen = BTreeSet::new();
    while at != start && seen.insert(at) {
        let Some(hop) = before.get(&at) else { break };
        out.push(hop.clone());
        at = hop.from;
    }
    out.reverse();
    out
}
