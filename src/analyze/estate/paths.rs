//! Escalation paths over all platforms: the shortest way from each principal to an end.
//!
//! Ends are principals that administer a realm by what they hold, AWS principals that are or become
//! administrators, and the goals the platforms name. The search runs backwards from all ends at once, so
//! its cost is that of the edges, not of the pairs. Certain ways come before conditional ones, and those
//! before ways that need something the inputs do not show.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use super::super::reach::people::{People, Person};
use super::super::reach::refs;
use super::{Edge, Estate, Held, rows};
use crate::facts::{Escalation, IdentityFact, Text, Tier, Tri, text};
use crate::privilege::class::Class;

/// Longest path, in hops (cloud semantics, 5, step 7).
const HOPS: usize = 6;
/// Most conditions that a row lists.
const CONDITIONS: usize = 12;

/// An end of paths.
#[derive(Clone, Debug)]
struct End {
    tier: Tier,
    admin: bool,
    title: Option<Text>,
}

/// Which edges a search may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Within {
    Certain,
    Conditional,
    Potential,
}

impl Within {
    fn takes(self, edge: &Edge) -> bool {
        match self {
            Self::Certain => edge.verdict == Tri::Yes && !edge.potential,
            Self::Conditional => !edge.potential,
            Self::Potential => true,
        }
    }
}

/// The graph with nodes as numbers.
struct Graph<'a> {
    names: Vec<&'a Text>,
    ids: BTreeMap<&'a str, usize>,
    edges: &'a [Edge],
    /// Edges that end at a node.
    into: Vec<Vec<usize>>,
}

impl<'a> Graph<'a> {
    fn new(edges: &'a [Edge]) -> Self {
        let mut out = Self { names: Vec::new(), ids: BTreeMap::new(), edges, into: Vec::new() };
        for (i, e) in edges.iter().enumerate() {
            out.id(&e.from);
            let to = out.id(&e.to);
            if let Some(list) = out.into.get_mut(to) {
                list.push(i);
            }
        }
        out
    }

    fn id(&mut self, name: &'a Text) -> usize {
        if let Some(id) = self.ids.get(&**name) {
            return *id;
        }
        let id = self.names.len();
        self.names.push(name);
        self.ids.insert(name, id);
        self.into.push(Vec::new());
        id
    }

    /// For each node the edge to take next and the hops left, towards the nearest end.
    fn search(&self, ends: &[usize], within: Within) -> Vec<Option<(usize, usize)>> {
        let mut next: Vec<Option<(usize, usize)>> = vec![None; self.names.len()];
        let mut hops: Vec<usize> = vec![usize::MAX; self.names.len()];
        let mut queue: VecDeque<usize> = VecDeque::new();
        for end in ends {
            if let Some(h) = hops.get_mut(*end) {
                *h = 0;
                queue.push_back(*end);
            }
        }
        // Relations cost nothing, so nodes may improve once more while they wait: 0-1 search.
        while let Some(node) = queue.pop_front() {
            let so_far = hops.get(node).copied().unwrap_or(usize::MAX);
            for i in self.into.get(node).into_iter().flatten() {
                let Some(edge) = self.edges.get(*i).filter(|e| within.takes(e)) else { continue };
                let Some(from) = self.ids.get(&*edge.from).copied() else { continue };
                let free = edge.step.is_empty();
                let cost = so_far.saturating_add(usize::from(!free));
                let Some(have) = hops.get_mut(from).filter(|h| cost < **h && cost <= HOPS) else {
                    continue;
                };
                *have = cost;
                if let Some(slot) = next.get_mut(from) {
                    *slot = Some((*i, cost));
                }
                if free {
                    queue.push_front(from);
                } else {
                    queue.push_back(from);
                }
            }
        }
        next
    }
}

/// Rows of `escalations` for paths that use a step of the estate.
///
/// `identities` say which AWS principals are administrators, or become such.
#[must_use]
pub fn escalations(
    estate: &Estate,
    people: &People,
    identities: &[IdentityFact],
) -> Vec<Escalation> {
    if estate.edges.is_empty() {
        return Vec::new();
    }
    let ends = ends(estate, identities);
    let tiers = without_paths(estate, identities);
    let graph = Graph::new(&estate.edges);
    let mut out = Vec::new();
    let mut done: BTreeSet<usize> = BTreeSet::new();
    let strong = |e: &End| e.admin && e.tier == Tier::T0;
    let classes: [&dyn Fn(&End) -> bool; 2] = [&strong, &|e: &End| !strong(e)];
    for wanted in classes {
        let targets: Vec<usize> = ends
            .iter()
            .filter(|(_, e)| wanted(e))
            .filter_map(|(name, _)| graph.ids.get(&**name).copied())
            .collect();
        if targets.is_empty() {
            continue;
        }
        for within in [Within::Certain, Within::Conditional, Within::Potential] {
            let next = graph.search(&targets, within);
            for (node, name) in graph.names.iter().enumerate() {
                let Some(person) = people.get(*name) else { continue };
                // Who is at an end needs no path; the platform's own identities are no start.
                let start = !ends.contains_key(*name)
                    && !person.provider_owned
                    && !estate.provider_owned.contains(*name);
                if !start || done.contains(&node) || next.get(node).is_none_or(Option::is_none) {
                    continue;
                }
                done.insert(node);
                let path = follow(&graph, &next, node);
                out.extend(row(name, person, &path, &ends, &tiers));
            }
        }
    }
    out.sort_by(|a, b| (&a.principal_id, &a.target_id).cmp(&(&b.principal_id, &b.target_id)));
    out
}

/// Tier that each principal holds when what only opens a path is left out: the path itself is told here.
fn without_paths<'a>(
    estate: &'a Estate,
    identities: &'a [IdentityFact],
) -> BTreeMap<&'a str, Option<Tier>> {
    let mut out: BTreeMap<&str, Option<Tier>> = BTreeMap::new();
    for f in identities {
        // What AWS holds counts without paths already; other platforms are counted below.
        let aws = f.platform.as_deref() == Some("aws");
        out.insert(&f.principal_id, f.tier.map(|t| if aws { t } else { Tier::T4 }));
    }
    for h in estate.held.iter().filter(|h| rows::in_force(h)) {
        let mut classes = h.certain;
        classes.remove(Class::Escalation);
        classes.remove(Class::EscalationPossible);
        let tier = classes.tier_at(h.breadth);
        let slot = out.entry(&h.principal).or_insert(Some(Tier::T4));
        *slot = Some(slot.map_or(tier, |have| have.min(tier)));
    }
    out
}

fn ends(estate: &Estate, identities: &[IdentityFact]) -> BTreeMap<Text, End> {
    let mut held: BTreeMap<&Text, Vec<&Held>> = BTreeMap::new();
    for h in &estate.held {
        held.entry(&h.principal).or_default().push(h);
    }
    let mut out: BTreeMap<Text, End> = BTreeMap::new();
    for (name, list) in held {
        if let Some((tier, admin)) = rows::end(&list) {
            out.insert(name.clone(), End { tier, admin, title: None });
        }
    }
    for f in identities.iter().filter(|f| f.platform.as_deref() == Some("aws")) {
        if f.admin == Tri::Yes || f.escalates_to_admin == Tri::Yes {
            out.insert(f.principal_id.clone(), End { tier: Tier::T0, admin: true, title: None });
        }
    }
    for g in &estate.goals {
        let end = End { tier: g.tier, admin: g.admin, title: Some(g.title.clone()) };
        out.insert(g.node.clone(), end);
    }
    out
}

fn follow<'a>(graph: &Graph<'a>, next: &[Option<(usize, usize)>], start: usize) -> Vec<&'a Edge> {
    let mut out = Vec::new();
    let mut node = start;
    // Hops fall or stay at each step and no edge is taken twice, so this ends.
    while let Some((i, _)) = next.get(node).copied().flatten() {
        let Some(edge) = graph.edges.get(i).filter(|_| out.len() < graph.edges.len()) else {
            break;
        };
        out.push(edge);
        let Some(to) = graph.ids.get(&*edge.to) else { break };
        node = *to;
    }
    out
}

fn row(
    name: &Text,
    person: &Person,
    path: &[&Edge],
    ends: &BTreeMap<Text, End>,
    tiers: &BTreeMap<&str, Option<Tier>>,
) -> Option<Escalation> {
    let target = path.last().map(|e| &e.to)?;
    let end = ends.get(target)?;
    let hops: Vec<&&Edge> = path.iter().filter(|e| !e.step.is_empty()).collect();
    if hops.is_empty() {
        // Only relations: a member of a group that administers holds that itself.
        return None;
    }
    let own = tiers.get(&**name).copied().flatten();
    if own.is_some_and(|t| t <= end.tier) {
        return None;
    }
    // What a junction leads to, and who is in a group until when, is as much part of the way.
    let potential = path.iter().any(|e| e.potential);
    let certain = path.iter().all(|e| e.verdict == Tri::Yes);
    let gain = if potential {
        "potential"
    } else if end.title.is_some() {
        "self_grant"
    } else {
        "principal"
    };
    let mut conditions: Vec<Text> =
        path.iter().flat_map(|e| e.conditions.iter().cloned()).collect();
    conditions.sort_unstable();
    conditions.dedup();
    let more = conditions.len().saturating_sub(CONDITIONS);
    conditions.truncate(CONDITIONS);
    if more > 0 {
        conditions.push(text(format!("and {more} more")));
    }
    let mut through = vec![name.clone()];
    for e in path.iter().filter(|e| tiers.contains_key(&*e.to)) {
        if through.last() != Some(&e.to) {
            through.push(e.to.clone());
        }
    }
    let mut steps: Vec<Text> = hops.iter().map(|e| e.step.clone()).collect();
    // A step to everything of a place does not say whom it is worth taking.
    if end.title.is_none()
        && let (Some(hop), Some(last)) = (hops.last(), steps.last_mut())
        && hop.to != *target
    {
        *last = text(format!("{last}, among them `{target}`"));
    }
    Some(Escalation {
        principal_id: name.clone(),
        principal_kind: person.kind,
        platform: person.platform.clone().unwrap_or_default(),
        realm: person.realm.clone(),
        environment: person.environment.clone(),
        tier: own,
        target_id: end.title.clone().unwrap_or_else(|| target.clone()),
        target_tier: Some(end.tier),
        gain: text(gain),
        to_admin: end.admin && end.tier == Tier::T0,
        verdict: if certain { Tri::Yes } else { Tri::Conditional },
        n_hops: i64::try_from(hops.len()).unwrap_or(i64::MAX),
        steps,
        techniques: hops.iter().map(|e| e.technique.clone()).collect(),
        through,
        conditions,
        not_after: path.iter().filter_map(|e| e.not_after).min(),
        provider_owned: person.provider_owned,
        break_glass: person.break_glass,
        owner: person.owner.clone(),
        refs: refs(path.iter().flat_map(|e| e.refs.iter().map(|(s, r)| (s, r)))),
    })
}
