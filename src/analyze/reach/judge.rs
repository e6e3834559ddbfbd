//! What each binding of a principal contributes, and what only their union gives.

use std::collections::BTreeSet;

use rayon::prelude::*;

use super::access::{Evaluated, Plan};
use super::sensitive::Sensitive;
use super::shares::{self, Life};
use crate::facts::{Text, Time, Tri, text};
use crate::findings::fingerprint::digest;
use crate::privilege::aws::action::{ActionSet, catalogue};
use crate::privilege::aws::classes::{Class, Judgement, classes};
use crate::privilege::aws::document::Effect;
use crate::privilege::aws::escalation::{Graph, Node, Reached};
use crate::privilege::aws::evaluate::{Bound, Grants, Rights, Scope, SubjectKind};
use crate::privilege::aws::tri;

/// What one binding, a part of it, or the union of all, gives.
#[derive(Clone, Debug)]
pub struct Part {
    /// How long it lasts.
    pub life: Life,
    /// Classes and tiers; `None` when the content is unknown.
    pub judgement: Option<Judgement>,
    /// Administration.
    pub admin: Tri,
    /// Undecided conditions.
    pub conditions: Vec<Text>,
    /// Wildcard patterns that still have effect.
    pub wildcards: Vec<Text>,
    /// Actions certainly allowed.
    pub n_actions: Option<i64>,
    /// Resources classed as sensitive that it certainly reads; `None` when nothing says how sensitive
    /// the data is that it reads.
    pub sensitive: Option<Vec<Text>>,
    /// Strongest of them.
    pub strongest: Vec<Text>,
    /// Services with an action that may be allowed.
    pub services: Vec<&'static str>,
    /// Digest of the permissions.
    pub digest: String,
}

/// Everything about one principal.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// Paths and administration.
    pub reached: Reached,
    /// Per binding, in its order: its parts by how long they last.
    pub parts: Vec<Vec<Part>>,
    /// What only the union gives.
    pub combined: Option<Part>,
    /// Some binding's content is unknown.
    pub unknown: Vec<Text>,
}

const STRONGEST: usize = 12;

/// Judges every principal. Contributions of a policy under the same Deny and boundary are the same;
/// the graph is walked once per principal.
pub fn judge(
    plans: &[Plan],
    evaluated: &Evaluated<'_>,
    nodes: &[Node<'_>],
    sensitive: &Sensitive,
    as_of: Time,
) -> Vec<Outcome> {
    let graph = Graph::new(nodes);
    plans
        .par_iter()
        .enumerate()
        .map(|(i, plan)| {
            let reached = if plan.subject.kind == SubjectKind::Group {
                graph.standing(i)
            } else {
                graph.reach(i)
            };
            match evaluated.of(i) {
                Some(rights) => outcome(plan, rights, reached, (sensitive, as_of)),
                None => Outcome { reached, parts: Vec::new(), combined: None, unknown: Vec::new() },
            }
        })
        .collect()
}

fn outcome(
    plan: &Plan,
    rights: &Rights<'_>,
    reached: Reached,
    (sensitive, as_of): (&Sensitive, Time),
) -> Outcome {
    let critical = classes().critical();
    let guarded = rights.boundary_leaves(critical) != tri::Tri::T
        && reached.admin() != tri::Tri::T
        && plan.boundary.is_some();
    let mut bound = rights.bindings.iter();
    let mut parts = Vec::new();
    let mut unknown = Vec::new();
    for b in &plan.bindings {
        if b.unknown.is_some() {
            unknown.push(b.privilege.clone());
        }
        let Some(binding) = b.policy.and_then(|_| bound.next()) else {
            parts.push(vec![empty(Life::of(b.not_before, b.not_after, as_of))]);
            continue;
        };
        let split = shares::split(binding, b, as_of).into_iter().map(|(life, binding)| {
            let grants = rights.contribution(&binding);
            let mut part = judge_part(&grants, &[&binding], rights, &reached, guarded);
            part.life = life;
            part.sensitive = sensitive.read_by(&grants, &[&binding], rights);
            if b.unknown.is_some() {
                part.judgement = None;
                part.n_actions = None;
                if part.admin == Tri::No {
                    part.admin = Tri::Conditional;
                }
            }
            part
        });
        parts.push(split.collect());
    }
    let mut combined = combined(plan, rights, &reached, guarded, (&parts, as_of));
    if let Some(part) = &mut combined {
        let all: Vec<&Bound<'_>> = rights.bindings.iter().collect();
        part.sensitive = sensitive.read_by(&rights.grants, &all, rights);
    }
    Outcome { reached, parts, combined, unknown }
}

/// What only the union of all bindings gives, if it gives more than each of them. It stands when the
/// statements without an end alone give as much; else it ends with the first of those that end.
fn combined(
    plan: &Plan,
    rights: &Rights<'_>,
    reached: &Reached,
    guarded: bool,
    (parts, as_of): (&[Vec<Part>], Time),
) -> Option<Part> {
    if plan.bindings.len() < 2 {
        return None;
    }
    let (classes, admin) = classify(&rights.grants, reached, guarded);
    let known: Vec<Judgement> =
        parts.iter().flatten().filter_map(|p| p.judgement.clone()).collect();
    let stronger_admin = parts.iter().flatten().all(|p| rank(p.admin) < rank(admin));
    if !stronger_admin && !classes.beyond(&known) {
        return None;
    }
    let ends = plan.bindings.iter().filter_map(|b| b.not_after).filter(|end| *end > as_of);
    let by_binding = ends.min();
    let timed = rights.bindings.iter().any(|b| shares::ends(b, as_of));
    let end = if timed {
        let open: Vec<Bound<'_>> = rights.bindings.iter().map(shares::standing_part).collect();
        let (left, left_admin) = classify(&rights.contribution_of(&open), reached, guarded);
        // Whether what only the union gives goes with the statements that end.
        let lost_admin = stronger_admin && rank(left_admin) < rank(admin);
        let with: Vec<Judgement> = known.iter().cloned().chain([left]).collect();
        let less = lost_admin || classes.beyond(&with);
        less.then(|| shares::first_end(&rights.bindings, as_of)).flatten()
    } else {
        by_binding
    };
    let all: Vec<&Bound<'_>> = rights.bindings.iter().collect();
    let mut union = describe(&rights.grants, &all, rights, (classes, admin));
    union.life = Life::of(None, end, as_of);
    Some(union)
}

fn rank(t: Tri) -> u8 {
    match t {
        Tri::No => 0,
        Tri::Conditional => 1,
        Tri::Yes => 2,
    }
}

/// A binding whose content the inputs lack: nothing is known, not even that it is harmless.
fn empty(life: Life) -> Part {
    Part {
        life,
        judgement: None,
        admin: Tri::Conditional,
        conditions: Vec::new(),
        wildcards: Vec::new(),
        n_actions: None,
        sensitive: None,
        strongest: Vec::new(),
        services: Vec::new(),
        digest: String::new(),
    }
}

fn judge_part(
    grants: &Grants,
    from: &[&Bound<'_>],
    rights: &Rights<'_>,
    reached: &Reached,
    guarded: bool,
) -> Part {
    describe(grants, from, rights, classify(grants, reached, guarded))
}

/// Classes and administration, with the paths that rest on these grants.
fn classify(grants: &Grants, reached: &Reached, guarded: bool) -> (Judgement, Tri) {
    let mut judgement = classes().judge(grants, guarded);
    let mut admin = classes().admin(grants);
    let (certain, possible) = (grants.certain(Scope::Some), grants.possible(Scope::Some));
    for path in &reached.used {
        let has = |set: &ActionSet| path.actions.iter().all(|a| set.contains(*a));
        let sure = path.verdict == tri::Tri::T && has(certain);
        if !sure && !has(possible) {
            continue;
        }
        if sure {
            judgement.certain(Class::Escalation, path.to_admin);
        } else {
            judgement.possible(Class::Escalation, path.to_admin);
        }
        if path.own && path.to_admin {
            admin = admin.or(if sure { tri::Tri::T } else { tri::Tri::U });
        }
    }
    if judgement.holds(Class::Admin) && admin != tri::Tri::T {
        admin = tri::Tri::T;
    }
    (judgement, admin.word())
}

/// What the grants hold, and the texts that say where it comes from.
fn describe(
    grants: &Grants,
    from: &[&Bound<'_>],
    rights: &Rights<'_>,
    (judgement, admin): (Judgement, Tri),
) -> Part {
    let (certain, possible) = (grants.certain(Scope::Some), grants.possible(Scope::Some));
    let conditions = conditions(from, rights, possible);
    let n = i64::try_from(certain.count_ones(..)).ok();
    let strongest = classes().strongest(certain, STRONGEST).into_iter().map(text).collect();
    Part {
        life: Life::default(),
        judgement: Some(judgement),
        admin,
        wildcards: wildcards(from, possible),
        n_actions: n,
        sensitive: None,
        strongest,
        services: services(possible),
        digest: permissions_digest(grants, &resources(from, rights, possible), &conditions),
        conditions,
    }
}

/// Texts of the conditions that decide: undecided ones of Allow and Deny statements that matter here.
fn conditions(from: &[&Bound<'_>], rights: &Rights<'_>, possible: &ActionSet) -> Vec<Text> {
    let mut out = BTreeSet::new();
    for b in from {
        for (s, m) in b.live(Effect::Allow) {
            if m == tri::Tri::U && !s.condition_text.is_empty() && !s.actions.is_disjoint(possible)
            {
                out.insert(text(&s.condition_text));
            }
        }
    }
    for (s, m) in rights.denying() {
        if m == tri::Tri::U && !s.condition_text.is_empty() && !s.actions.is_disjoint(possible) {
            out.insert(text(format!("unless {}", s.condition_text)));
        }
    }
    out.into_iter().collect()
}

/// `*`, whole services, and open-ended `NotAction` in Allow statements that still have effect.
fn wildcards(from: &[&Bound<'_>], possible: &ActionSet) -> Vec<Text> {
    let mut out = BTreeSet::new();
    for b in from {
        for (s, _) in b.live(Effect::Allow) {
            if s.actions.is_disjoint(possible) {
                continue;
            }
            if s.patterns.negate {
                out.insert(text(format!("NotAction: {}", s.patterns.list.join(", "))));
                continue;
            }
            for p in &s.patterns.list {
                let tail = p.split_once(':').map_or(p.as_str(), |(_, t)| t);
                if !tail.is_empty() && tail.bytes().all(|c| c == b'*') {
                    out.insert(text(p));
                }
            }
        }
    }
    out.into_iter().collect()
}

fn services(possible: &ActionSet) -> Vec<&'static str> {
    catalogue().services_in(possible).map(|(name, _)| name).collect()
}

/// Resource patterns of the statements that matter here: who may act on one more bucket holds more.
fn resources(from: &[&Bound<'_>], rights: &Rights<'_>, possible: &ActionSet) -> BTreeSet<String> {
    let mut out = BTreeSet::new();
    for (s, _) in from.iter().flat_map(|b| b.live(Effect::Allow)) {
        if !s.actions.is_disjoint(possible) {
            out.extend(s.narrowing());
        }
    }
    for (s, _) in rights.denying().filter(|(s, _)| !s.actions.is_disjoint(possible)) {
        out.extend(s.narrowing().into_iter().map(|r| format!("unless {r}")));
    }
    out
}

/// What a set holds, by service: `s3:*` for all of a service, else its actions. Names, not places in
/// the catalogue: a newer catalogue must not change old digests.
fn held(set: &ActionSet) -> String {
    let mut out = String::new();
    for (service, range) in catalogue().services_in(set) {
        if !out.is_empty() {
            out.push(' ');
        }
        out.push_str(service);
        out.push(':');
        // A set may not have grown as far as the catalogue.
        let seen = range.start..range.end.min(set.len());
        if set.count_ones(seen.clone()) == range.len() {
            out.push('*');
            continue;
        }
        let mut between = "";
        for id in seen.filter(|id| set.contains(*id)) {
            let name = catalogue().name(id);
            out.push_str(between);
            out.push_str(name.split_once(':').map_or(name, |(_, action)| action));
            between = ",";
        }
    }
    out
}

fn permissions_digest(
    grants: &Grants,
    resources: &BTreeSet<String>,
    conditions: &[Text],
) -> String {
    let mut fields: Vec<String> = vec![resources.iter().cloned().collect::<Vec<_>>().join(" ")];
    let mut sets: Vec<&ActionSet> = Vec::new();
    for scope in [Scope::Some, Scope::AllExcept, Scope::All] {
        for set in [grants.certain(scope), grants.possible(scope)] {
            // Most sets are equal to one before: rights are mostly whole and unconditional.
            fields.push(match sets.iter().position(|before| *before == set) {
                Some(same) => format!("={same}"),
                None => held(set),
            });
            sets.push(set);
        }
    }
    fields.extend(conditions.iter().map(ToString::to_string));
    let fields: Vec<&str> = fields.iter().map(String::as_str).collect();
    digest(&fields)
}
