//! Rows of `exposures`: what each principal's effective permissions lay open, with the statements
//! that contribute.

use std::collections::BTreeMap;

use rayon::prelude::*;

use super::access::{Evaluated, Plan};
use super::people::{People, Person};
use super::{aws, sorted};
use crate::facts::{ExposureFact, IdentityFact, Text, Tri, text};
use crate::privilege::aws::action::{ActionSet, catalogue};
use crate::privilege::aws::document::Effect;
use crate::privilege::aws::evaluate::{Bound, Rights, Scope, SubjectKind};
use crate::privilege::aws::exposure::{EXPOSURES, Exposure, exposures, service_texts};
use crate::privilege::aws::tri;
use crate::privilege::memo::Memo;

/// Actions that a row names.
const ACTIONS: usize = 12;
/// Services that a row names.
const SERVICES: usize = 40;
/// Statements that a row names.
const STATEMENTS: usize = 20;

/// What one set of policies lays open in one class.
#[derive(Debug)]
pub struct Laid {
    class_text: Text,
    verdict: Tri,
    all: bool,
    n_actions: usize,
    actions: Vec<Text>,
    services: Vec<Text>,
    n_services: usize,
    /// Place of the binding and label of the statement.
    from: Vec<(usize, Text)>,
}

/// What each of the distinct rights lays open, which principals with the same policies share, and the
/// place of each plan in it. Rights take much room and go one by one.
pub fn laid(evaluated: Evaluated<'_>) -> (Vec<Vec<Laid>>, Vec<usize>) {
    let (rights, places) = evaluated.into_parts();
    (rights.into_par_iter().map(|r| laid_open(&r)).collect(), places)
}

/// Rows in the order of principal and class. `places`: of the rights of each plan among what is laid open.
pub fn rows(
    plans: &[Plan],
    (laid, places): (&[Vec<Laid>], &[usize]),
    people: &People,
) -> Vec<ExposureFact> {
    let nobody = Person::default();
    // Thousands hold the same policies: what names a statement is one text for all of them.
    let statements: Memo<String, Text> = Memo::default();
    let statements = &statements;
    let rows = plans.par_iter().enumerate().flat_map_iter(|(i, plan)| {
        // Members hold what a group gives, as in `holdings`.
        let member_of = plan.subject.kind == SubjectKind::Group && plan.has_members;
        let person = people.get(&plan.principal).unwrap_or(&nobody);
        let names: Vec<&Text> =
            plan.bindings.iter().filter(|b| b.policy.is_some()).map(|b| &b.privilege).collect();
        let of = places.get(i).filter(|_| !member_of).and_then(|place| laid.get(*place));
        of.into_iter().flatten().map(move |l| row(plan, person, &names, l, statements))
    });
    let mut out: Vec<ExposureFact> = rows.collect();
    out.par_sort_by(|a, b| (&a.principal_id, &a.exposure).cmp(&(&b.principal_id, &b.exposure)));
    out
}

/// Copies the classes to the rows of their principals.
pub fn mark(identities: &mut [IdentityFact], exposures: &[ExposureFact]) {
    let mut by_principal: BTreeMap<&str, Vec<&ExposureFact>> = BTreeMap::new();
    for e in exposures {
        by_principal.entry(&e.principal_id).or_default().push(e);
    }
    for fact in identities {
        for e in by_principal.get(&*fact.principal_id).into_iter().flatten() {
            let list = match e.verdict {
                Tri::Yes => &mut fact.exposures,
                _ => &mut fact.exposures_possible,
            };
            // People of the identity store have a row for each session.
            if !list.contains(&e.exposure) {
                list.push(e.exposure.clone());
            }
        }
    }
}

fn row(
    plan: &Plan,
    person: &Person,
    names: &[&Text],
    l: &Laid,
    known: &Memo<String, Text>,
) -> ExposureFact {
    let statements = l.from.iter().map(|(at, label)| {
        let named = format!("{}: {label}", names.get(*at).map_or("?", |name| name));
        known.get_or(named, |named| text(named))
    });
    let contributing = l.from.iter().filter_map(|(at, _)| plan.bindings.get(*at));
    let places = contributing.flat_map(|b| b.refs.iter().cloned());
    let count = |n: usize| i64::try_from(n).unwrap_or(i64::MAX);
    ExposureFact {
        principal_id: plan.principal.clone(),
        principal_kind: person.kind,
        platform: aws(),
        realm: person.realm.clone(),
        environment: person.environment.clone(),
        exposure: l.class_text.clone(),
        verdict: l.verdict,
        scope: text(if l.all { "all" } else { "all_except" }),
        n_actions: count(l.n_actions),
        actions: l.actions.clone(),
        services: l.services.clone(),
        n_services: count(l.n_services),
        statements: statements.collect(),
        provider_owned: person.provider_owned,
        break_glass: person.break_glass,
        owner: person.owner.clone(),
        refs: sorted(places),
    }
}

fn laid_open(rights: &Rights<'_>) -> Vec<Laid> {
    EXPOSURES.into_iter().filter_map(|class| one(rights, class)).collect()
}

fn one(rights: &Rights<'_>, class: Exposure) -> Option<Laid> {
    let found = exposures().judge(class, &rights.grants);
    let (set, verdict) = if !found.certain.is_clear() {
        (found.certain, Tri::Yes)
    } else if !found.possible.is_clear() {
        (found.possible, Tri::Conditional)
    } else {
        return None;
    };
    let mut of = service_texts(&set);
    let n_services = of.len();
    of.truncate(SERVICES);
    of.shrink_to_fit();
    Some(Laid {
        class_text: text(class.word()),
        verdict,
        all: found.all,
        n_actions: set.count_ones(..),
        actions: catalogue().texts(set.ones().take(ACTIONS)),
        n_services,
        services: of,
        from: contributing(rights, class, &set),
    })
}

/// Statements that by themselves, under the principal's Deny and boundary, lay open some of the set.
fn contributing(rights: &Rights<'_>, class: Exposure, set: &ActionSet) -> Vec<(usize, Text)> {
    let scope = match class {
        Exposure::ServiceWildcard => Scope::Some,
        _ => Scope::AllExcept,
    };
    let uncut = rights.is_uncut();
    let mut out = Vec::new();
    for (at, b) in rights.bindings.iter().enumerate() {
        for (k, s) in b.policy.statements.iter().enumerate() {
            let live = b.applies.get(k).is_some_and(|m| m.possible());
            if s.effect != Effect::Allow || !live || s.actions.is_disjoint(set) {
                continue;
            }
            if !s.gives_any(scope, set) {
                continue;
            }
            if uncut {
                out.push((at, text(&s.label)));
                if out.len() >= STATEMENTS {
                    return out;
                }
                continue;
            }
            let mut alone: Bound<'_> = b.clone();
            for (other, m) in alone.applies.iter_mut().enumerate() {
                if other != k {
                    *m = tri::Tri::F;
                }
            }
            let gives = rights.contribution_of(std::slice::from_ref(&alone));
            if !gives.possible(scope).is_disjoint(set) {
                out.push((at, text(&s.label)));
            }
            if out.len() >= STATEMENTS {
                return out;
            }
        }
    }
    out
}
