//! What each binding of a principal contributes, and what only their union gives.

use std::collections::BTreeSet;
use std::sync::Arc;

use rayon::prelude::*;

use super::access::{Evaluated, Plan};
use super::activity::Activity;
use super::sensitive::Sensitive;
use super::shares::{self, Life};
use super::tracked;
use crate::facts::{Text, Tier, Time, Tri, text};
use crate::findings::fingerprint::digest;
use crate::privilege::aws::action::{ActionSet, catalogue};
use crate::privilege::aws::classes::{Class, Judgement, classes};
use crate::privilege::aws::document::Effect;
use crate::privilege::aws::escalation::{Graph, Node, Reached, path_actions};
use crate::privilege::aws::evaluate::{
    Bound, BoundKey, Grants, Rights, Scope, Subject, SubjectKind,
};
use crate::privilege::aws::named::Named;
use crate::privilege::aws::tri;
use crate::privilege::memo::Memo;

/// What one binding, a part of it, or the union of all, gives.
#[derive(Clone, Debug)]
pub struct Part {
    /// How long it lasts.
    pub life: Life,
    /// Classes and tiers; `None` when the content is unknown.
    pub judgement: Option<Judgement>,
    /// Administration.
    pub admin: Tri,
    /// The content is unknown: what is known of it does not say how many actions are allowed.
    pub unknown: bool,
    /// What it holds, shared with all who hold the same.
    pub held: Arc<Held>,
}

/// What a set of permissions holds, whoever holds it.
#[derive(Clone, Debug, Default)]
pub struct Held {
    /// Undecided conditions.
    pub conditions: Vec<Text>,
    /// Wildcard patterns that still have effect.
    pub wildcards: Vec<Text>,
    /// Actions certainly allowed.
    pub n_actions: Option<i64>,
    /// Resources classed as sensitive that it certainly reads; `None` when nothing says how sensitive
    /// the data is that it reads.
    pub sensitive: Option<Vec<Text>>,
    /// Strongest of the actions.
    pub strongest: Vec<Text>,
    /// Services with an action that may be allowed.
    pub services: Vec<&'static str>,
    /// Digest of the permissions.
    pub digest: String,
    /// Actions that may be allowed and that some report of last access tracks.
    pub tracked: Vec<usize>,
    /// Services with an action that may be allowed and that no report tracks.
    pub untracked: Vec<&'static str>,
}

/// What a policy contributes under a frame of Deny statements and ceilings, paths aside.
#[derive(Debug)]
struct Contribution {
    judgement: Judgement,
    admin: tri::Tri,
    /// Actions of escalation paths that it certainly and possibly gives, sorted.
    certain: Vec<usize>,
    possible: Vec<usize>,
    held: Arc<Held>,
}

/// Contributions by frame, policy with the outcomes of its conditions, and whether a boundary guards.
type Contributions = Memo<(usize, BoundKey, bool), Arc<Contribution>>;

/// What all principals are judged with.
struct Judge<'a> {
    sensitive: &'a Sensitive,
    /// Policies that conditions name.
    named: Option<&'a Named>,
    as_of: Time,
    /// Actions that some report of last access tracks.
    tracked: ActionSet,
    known: Contributions,
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
    activity: &Activity,
) -> Vec<Outcome> {
    // The graph goes before the rest is made: both take much room.
    let graph = Graph::new(nodes);
    let reached = plans.par_iter().enumerate().map(|(i, plan)| {
        if plan.subject.kind == SubjectKind::Group { graph.standing(i) } else { graph.reach(i) }
    });
    let reached: Vec<Reached> = reached.collect();
    drop(graph);
    let named = nodes.first().map(|n| n.named);
    let (as_of, tracked) = (activity.as_of, activity.tracked());
    let judge = Judge { sensitive, named, as_of, tracked, known: Memo::default() };
    plans
        .par_iter()
        .zip(reached)
        .enumerate()
        .map(|(i, (plan, reached))| {
            let place = evaluated.place(i);
            match place.and_then(|at| evaluated.distinct().get(at).zip(Some(evaluated.frame(at)))) {
                Some((rights, frame)) => judge.outcome(plan, (rights, frame), reached),
                None => Outcome { reached, parts: Vec::new(), combined: None, unknown: Vec::new() },
            }
        })
        .collect()
}

impl Judge<'_> {
    fn outcome(
        &self,
        plan: &Plan,
        (rights, frame): (&Rights<'_>, usize),
        reached: Reached,
    ) -> Outcome {
        let critical = classes().critical();
        // A level that lists what is allowed holds like a boundary (5.6, bounded_self_grant); one that
        // denies some actions leaves room to gain nearly everything.
        let limited = plan.boundary.is_some() && rights.boundary_leaves(critical) != tri::Tri::T
            || rights.guardrails_list_less_than(critical);
        let guarded = limited && reached.admin() != tri::Tri::T;
        let ends = rights.ends(&plan.subject);
        let mut bound = rights.bindings.iter();
        let mut parts = Vec::with_capacity(plan.bindings.len());
        let mut unknown = Vec::new();
        for b in &plan.bindings {
            if b.unknown.is_some() {
                unknown.push(b.privilege.clone());
            }
            let Some(binding) = b.policy.and_then(|_| bound.next()) else {
                parts.push(vec![empty(Life::of(b.not_before, b.not_after, self.as_of))]);
                continue;
            };
            let split =
                shares::split(binding, b, &plan.subject).into_iter().map(|(life, binding)| {
                    let mut part =
                        self.part(&binding, (rights, frame), &reached, (guarded, &plan.subject));
                    part.life = life.until(ends.of(&binding), self.as_of);
                    if b.unknown.is_some() {
                        // What is privileged for certain stays so, whatever else there is (5.1.1).
                        part.judgement = part.judgement.filter(|j| j.tier() <= Tier::T1);
                        part.unknown = true;
                        if part.admin == Tri::No {
                            part.admin = Tri::Conditional;
                        }
                    }
                    part
                });
            parts.push(split.collect());
        }
        let combined = self.combined(plan, rights, &reached, guarded, &parts);
        Outcome { reached, parts, combined, unknown }
    }

    /// What one binding contributes.
    fn part(
        &self,
        binding: &Bound<'_>,
        (rights, frame): (&Rights<'_>, usize),
        reached: &Reached,
        (guarded, subject): (bool, &Subject),
    ) -> Part {
        let found = self.known.get_or((frame, binding.key(), guarded), |_| {
            Arc::new(self.contribution(binding, rights, guarded, subject))
        });
        let has = |list: &[usize], a: usize| list.binary_search(&a).is_ok();
        let (judgement, admin) = with_paths(
            (found.judgement.clone(), found.admin),
            reached,
            |a| has(&found.certain, a),
            |a| has(&found.possible, a),
        );
        let held = Arc::clone(&found.held);
        Part { life: Life::default(), judgement: Some(judgement), admin, unknown: false, held }
    }

    fn contribution(
        &self,
        binding: &Bound<'_>,
        rights: &Rights<'_>,
        guarded: bool,
        subject: &Subject,
    ) -> Contribution {
        let grants = rights.contribution(binding);
        let limited = self.limited(&[binding], subject);
        let of = |set: &ActionSet| path_actions().in_common(set).collect();
        Contribution {
            judgement: classes().judge_within(&grants, guarded, &limited),
            admin: admin_within(&grants, &limited),
            certain: of(grants.certain(Scope::Some)),
            possible: of(grants.possible(Scope::Some)),
            held: Arc::new(self.describe(&grants, &[binding], rights)),
        }
    }

    /// What only the union of all bindings and their parts gives, if it gives more than each of them. It
    /// stands when the statements without an end alone give as much; else it ends with the first end after
    /// which what is left gives less.
    fn combined(
        &self,
        plan: &Plan,
        rights: &Rights<'_>,
        reached: &Reached,
        guarded: bool,
        parts: &[Vec<Part>],
    ) -> Option<Part> {
        if parts.iter().map(Vec::len).sum::<usize>() < 2 {
            return None;
        }
        let as_of = self.as_of;
        let all: Vec<&Bound<'_>> = rights.bindings.iter().collect();
        let limited = self.limited(&all, &plan.subject);
        let (classes, admin) = classify(&rights.grants, reached, (guarded, &limited));
        let known: Vec<&Judgement> =
            parts.iter().flatten().filter_map(|p| p.judgement.as_ref()).collect();
        let stronger_admin = parts.iter().flatten().all(|p| rank(p.admin) < rank(admin));
        if !stronger_admin && !classes.beyond(&known) {
            return None;
        }
        let by_statement = shares::ends(&rights.bindings, as_of);
        let end = if by_statement.is_empty() {
            let of_bindings = plan.bindings.iter().filter_map(|b| b.not_after);
            of_bindings.filter(|end| *end > as_of).min()
        } else {
            // Whether what only the union gives goes with the statements that end by then.
            let goes = |end: Option<Time>| {
                let open: Vec<Bound<'_>> =
                    rights.bindings.iter().map(|b| shares::left_after(b, end)).collect();
                let (left, left_admin) =
                    classify(&rights.contribution_of(&open), reached, (guarded, &limited));
                let lost_admin = stronger_admin && rank(left_admin) < rank(admin);
                let with: Vec<&Judgement> = known.iter().copied().chain([&left]).collect();
                lost_admin || classes.beyond(&with)
            };
            goes(None).then(|| first(&by_statement, |end| goes(Some(end)))).flatten()
        };
        Some(Part {
            life: Life::of(None, end, as_of).until(rights.ends(&plan.subject).of_all(&all), as_of),
            judgement: Some(classes),
            admin,
            unknown: false,
            held: Arc::new(self.describe(&rights.grants, &all, rights)),
        })
    }

    fn limited(&self, from: &[&Bound<'_>], subject: &Subject) -> ActionSet {
        self.named.map_or_else(|| catalogue().none(), |n| n.limited(from, subject))
    }

    /// What the grants hold, and the texts that say where it comes from.
    fn describe(&self, grants: &Grants, from: &[&Bound<'_>], rights: &Rights<'_>) -> Held {
        let (certain, possible) = (grants.certain(Scope::Some), grants.possible(Scope::Some));
        let conditions = conditions(from, rights, possible);
        let n = i64::try_from(certain.count_ones(..)).ok();
        let (tracked, untracked) = tracked::split(possible, &self.tracked);
        Held {
            tracked,
            untracked,
            wildcards: wildcards(from, possible),
            n_actions: n,
            sensitive: self.sensitive.read_by(grants, from, rights),
            strongest: classes().strongest(certain, STRONGEST),
            services: services(possible),
            digest: permissions_digest(grants, &resources(from, rights, possible), &conditions),
            conditions,
        }
    }
}

/// The first of some instants from which on something holds, which holds after the last of them.
fn first(instants: &BTreeSet<Time>, holds: impl Fn(Time) -> bool) -> Option<Time> {
    let list: Vec<Time> = instants.iter().copied().collect();
    // What is left only gets less with time.
    let at = list.partition_point(|t| !holds(*t));
    list.get(at).or(list.last()).copied()
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
    Part { life, judgement: None, admin: Tri::Conditional, unknown: true, held: Arc::default() }
}

/// Administration, but for what is possible only with policies that do not administrate.
fn admin_within(grants: &Grants, limited: &ActionSet) -> tri::Tri {
    let admin = classes().admin(grants);
    let open = admin == tri::Tri::U && !classes().critical().is_disjoint(limited);
    if open { tri::Tri::F } else { admin }
}

/// Classes and administration, with the paths that rest on these grants.
fn classify(
    grants: &Grants,
    reached: &Reached,
    (guarded, limited): (bool, &ActionSet),
) -> (Judgement, Tri) {
    let (certain, possible) = (grants.certain(Scope::Some), grants.possible(Scope::Some));
    with_paths(
        (classes().judge_within(grants, guarded, limited), admin_within(grants, limited)),
        reached,
        |a| certain.contains(a),
        |a| possible.contains(a),
    )
}

/// Adds the paths all of whose actions are there, certainly or possibly.
fn with_paths(
    (mut judgement, mut admin): (Judgement, tri::Tri),
    reached: &Reached,
    certain: impl Fn(usize) -> bool,
    possible: impl Fn(usize) -> bool,
) -> (Judgement, Tri) {
    // A path that needs what nobody showed is told by itself, and gives no class (5.6, potential).
    for path in reached.used.iter().filter(|p| !p.potential) {
        let sure = path.verdict == tri::Tri::T && path.actions.iter().all(|a| certain(*a));
        if !sure && !path.actions.iter().all(|a| possible(*a)) {
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

/// Texts of the conditions that decide: undecided ones of Allow and Deny statements that matter here, and
/// of what boundary and organisation policies let through.
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
    for s in rights.undecided_limits(possible) {
        if !s.condition_text.is_empty() {
            out.insert(text(format!("within {}", s.condition_text)));
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
        if set.count_ones(range.clone()) == range.len() {
            out.push('*');
            continue;
        }
        let mut between = "";
        for id in range.filter(|id| set.contains(*id)) {
            let name = catalogue().name(id);
            out.push_str(between);
            // The name begins with the service and a colon.
            out.push_str(name.get(service.len() + 1..).unwrap_or(name));
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
