//! Rows of `escalations`: the shortest path to each kind of gain, in words and with its evidence.

use std::collections::{BTreeMap, BTreeSet};

use rayon::prelude::*;

use super::access::{Binding, Outcome, Plan};
use super::people::{People, Person};
use super::{aws, sorted};
use crate::facts::{Escalation, IdentityFact, Text, Tier, Time, text};
use crate::privilege::aws::chain::{self, Act};
use crate::privilege::aws::classes::classes;
use crate::privilege::aws::escalation::{Change, Found, Gain, Hop, Node};
use crate::privilege::aws::tri::Tri;

/// Most conditions that a row lists; the rest is counted.
const CONDITIONS: usize = 12;
/// Longest text of a condition that is carried along.
const CONDITION: usize = 400;

/// One row per principal and kind of gain, in the order of principals; [`on_tiers`] fills the tiers that
/// only the facts about identities say.
pub fn rows(
    plans: &[Plan],
    nodes: &[Node<'_>],
    judged: &[Outcome],
    people: &People,
) -> Vec<Escalation> {
    let nobody = Person::default();
    let of_plans = plans.par_iter().zip(judged).flat_map_iter(|(plan, outcome)| {
        let person = people.get(&plan.principal).unwrap_or(&nobody);
        let found = outcome.reached.found.iter();
        found.map(move |found| row(plan, plans, nodes, person, found))
    });
    of_plans.collect()
}

/// Fills the tier of each principal, and of targets whose rights are gained as they are.
pub fn on_tiers(rows: &mut [Escalation], tiers: &BTreeMap<&str, Option<Tier>>) {
    let of = |id: &str| tiers.get(id).copied().flatten();
    for row in rows {
        row.tier = of(&row.principal_id);
        row.target_tier = row.target_tier.or_else(|| of(&row.target_id));
    }
}

fn row(
    plan: &Plan,
    plans: &[Plan],
    nodes: &[Node<'_>],
    person: &Person,
    found: &Found,
) -> Escalation {
    let mut told = Told::default();
    for hop in &found.hops {
        told.hop(plans, nodes, hop);
    }
    let end = found
        .hops
        .last()
        .map_or(&plan.principal, |h| plans.get(h.to).map_or(&plan.principal, |p| &p.principal));
    let gained = || found.gained.as_ref().map(|grants| classes().judge(grants, true).tier());
    let target_tier = if found.to_admin { Some(Tier::T0) } else { gained() };
    let ids = found.hops.iter().filter_map(chain::technique).map(|t| text(t.id));
    Escalation {
        principal_id: plan.principal.clone(),
        principal_kind: person.kind,
        platform: aws(),
        realm: person.realm.clone(),
        environment: person.environment.clone(),
        tier: None,
        target_id: end.clone(),
        target_tier,
        gain: text(found.gain.word()),
        to_admin: found.to_admin,
        verdict: found.verdict.word(),
        n_hops: i64::try_from(found.hops.len()).unwrap_or(i64::MAX),
        techniques: ids.collect(),
        through: through(plan, plans, &found.hops),
        conditions: limited(told.conditions),
        not_after: told.not_after,
        steps: told.steps.into_iter().map(text).collect(),
        provider_owned: person.provider_owned,
        break_glass: person.break_glass,
        owner: person.owner.clone(),
        refs: sorted(told.refs),
    }
}

/// Principals from start to end, each once in a row.
fn through(plan: &Plan, plans: &[Plan], hops: &[Hop]) -> Vec<Text> {
    let mut out = vec![plan.principal.clone()];
    for p in hops.iter().filter_map(|h| plans.get(h.to)) {
        if out.last() != Some(&p.principal) {
            out.push(p.principal.clone());
        }
    }
    out
}

fn limited(conditions: BTreeSet<String>) -> Vec<Text> {
    let more = conditions.len().saturating_sub(CONDITIONS);
    let cut = |c: String| match c.char_indices().nth(CONDITION) {
        Some((at, _)) => format!("{} ...", c.get(..at).unwrap_or_default()),
        None => c,
    };
    let mut out: Vec<Text> = conditions.into_iter().take(CONDITIONS).map(cut).map(text).collect();
    if more > 0 {
        out.push(text(format!("and {more} more")));
    }
    out
}

/// What is told of the hops.
#[derive(Default)]
struct Told {
    steps: Vec<String>,
    conditions: BTreeSet<String>,
    not_after: Option<Time>,
    refs: Vec<Text>,
}

impl Told {
    fn hop(&mut self, plans: &[Plan], nodes: &[Node<'_>], hop: &Hop) {
        let (Some(from), Some(to)) = (nodes.get(hop.from), nodes.get(hop.to)) else { return };
        let bindings: Vec<&Binding> = plans
            .get(hop.from)
            .map(|p| p.bindings.iter().filter(|b| b.policy.is_some()).collect())
            .unwrap_or_default();
        let acts = chain::acts(from, to, hop);
        // Actions that one statement allows are told together, with that statement once.
        let mut told: Vec<(Vec<String>, Option<String>)> = Vec::new();
        for act in &acts {
            self.conditions.extend(act.conditions());
            let (action, statement) = self.act(act, &bindings, to, hop);
            match told.last_mut() {
                Some((actions, same)) if *same == statement => actions.push(action),
                _ => told.push((vec![action], statement)),
            }
        }
        let parts: Vec<String> = told.iter().map(|(a, s)| together(a, s.as_deref())).collect();
        if let Some(p) = plans.get(hop.to) {
            // Whose rights are gained: the bindings that make it worth reaching.
            self.refs.extend(p.bindings.iter().flat_map(|b| b.refs.iter().cloned()).take(4));
        }
        if hop.verdict != Tri::T {
            self.conditions.extend(chain::open_questions(from, to, hop));
        }
        self.steps.push(sentence(from, to, hop, &parts));
    }

    /// One action, and the statement that allows it; its end and evidence are kept.
    fn act(
        &mut self,
        act: &Act<'_>,
        bindings: &[&Binding],
        to: &Node<'_>,
        hop: &Hop,
    ) -> (String, Option<String>) {
        let mut out = act.action.to_owned();
        if act.on.is_some() {
            out.push_str(" on ");
            out.push_str(&match (&hop.resource, &act.on) {
                (Some(r), _) if *r == to.subject.arn => "itself".to_owned(),
                (Some(r), _) => format!("`{r}`"),
                // The policy that is the boundary of the target.
                (None, Some(on)) if Some(on) == to.boundary_policy.as_ref() => format!("`{on}`"),
                (None, _) => chain::title(to),
            });
        }
        let binding_of = |place: Option<usize>| place.and_then(|i| bindings.get(i));
        let mut statement = None;
        if let Some(w) = act.witness()
            && let Some(b) = binding_of(w.binding)
        {
            statement = Some(format!("policy `{}`, {}", b.privilege, w.statement.label));
            self.refs.extend(b.refs.iter().cloned());
        }
        // The statement that lasts longest keeps the action open.
        let ends = act.deciders.iter().filter(|d| {
            d.binding.is_some()
                && d.statement.effect == crate::privilege::aws::document::Effect::Allow
        });
        let ends: Vec<Option<Time>> = ends
            .map(|d| {
                let bound = d.statement.condition.time_bounds().1;
                let binding = binding_of(d.binding).and_then(|b| b.not_after);
                [bound, binding].into_iter().flatten().min()
            })
            .collect();
        if !ends.is_empty() && ends.iter().all(Option::is_some) {
            let end = ends.into_iter().flatten().max();
            self.not_after = [self.not_after, end].into_iter().flatten().min();
        }
        (out, statement)
    }
}

/// Actions and the statement that allows them all.
fn together(actions: &[String], statement: Option<&str>) -> String {
    let list = match actions {
        [most @ .., last] if !most.is_empty() => format!("{} and {last}", most.join(", ")),
        _ => actions.concat(),
    };
    statement.map_or_else(|| list.clone(), |s| format!("{list} ({s})"))
}

/// Who does what and becomes whom.
fn sentence(from: &Node<'_>, to: &Node<'_>, hop: &Hop, parts: &[String]) -> String {
    let who = chain::title(from);
    let Some(technique) = chain::technique(hop) else { return who };
    let mut out = if parts.is_empty() {
        format!("{who} may assume {}, whose trust policy lets it in", chain::title(to))
    } else {
        format!("{who} may {}", parts.join(" and "))
    };
    if hop.resource.is_none() && !parts.is_empty() {
        let services = technique.services.join(" and ");
        if technique.potential {
            out.push_str(&format!(" and so use an existing resource of `{services}`"));
        } else if !services.is_empty() {
            out.push_str(&format!(" and so run `{services}`"));
        }
        let end = match hop.change {
            None => "",
            Some(Change::Policies) => ", raised to administrator",
            Some(Change::Boundary) => ", freed of its permissions boundary",
            Some(Change::Both) => ", freed of its permissions boundary and raised to administrator",
        };
        let account = if chain::same_account(from, to) {
            String::new()
        } else {
            format!(" of account `{}`", to.subject.home.account)
        };
        out.push_str(&format!(", and act as {}{account}{end}", chain::title(to)));
    }
    if hop.verdict != Tri::T {
        out.push_str(" (conditional)");
    }
    out
}

/// Puts the path that weighs most into the facts about each identity.
pub fn on_identities(rows: &[Escalation], identities: &mut [IdentityFact]) {
    let mut best: BTreeMap<&str, &Escalation> = BTreeMap::new();
    for row in rows {
        let have = best.entry(&row.principal_id).or_insert(row);
        if weight(row) > weight(have) {
            *have = row;
        }
    }
    for identity in identities {
        let Some(row) = best.get(&*identity.principal_id) else { continue };
        identity.path = row.steps.clone();
        identity.path_techniques = row.techniques.clone();
        identity.path_end = Some(row.target_id.clone());
        identity.path_gain = Some(row.gain.clone());
        identity.path_not_after = row.not_after;
        identity.path_conditions = row.conditions.clone();
        // What needs a resource that nobody showed is not graver than ordinary write access.
        let potential = &*row.gain == Gain::Potential.word();
        identity.path_tier = if potential { Some(Tier::T3) } else { row.target_tier };
    }
}

/// Seen before unseen, certain before conditional, administration before less, few hops before many.
fn weight(row: &Escalation) -> (bool, u8, bool, std::cmp::Reverse<i64>) {
    let sure = match row.verdict {
        crate::facts::Tri::Yes => 2,
        crate::facts::Tri::Conditional => 1,
        crate::facts::Tri::No => 0,
    };
    let seen = &*row.gain != Gain::Potential.word();
    (seen, sure, row.to_admin, std::cmp::Reverse(row.n_hops))
}
