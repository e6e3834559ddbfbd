//! Rows of `policy_facts`: each policy document on its own, by our judgement and as cloudsplaining
//! lists it.

use std::collections::{BTreeMap, BTreeSet};

use rayon::prelude::*;

use super::access::{Plan, Store, contents, policy_subject};
use super::refs;
use crate::facts::{Facts, PolicyFact, Text, Time, text};
use crate::privilege::aws::action::ActionSet;
use crate::privilege::aws::classes::classes;
use crate::privilege::aws::compat::compat;
use crate::privilege::aws::document::Effect;
use crate::privilege::aws::evaluate::{Bound, Boundary, Rights, Scope, Subject};
use crate::privilege::aws::exposure::{EXPOSURES, Exposure, by_service, exposures, service_texts};
use crate::privilege::aws::subject::SubjectKind;
use crate::privilege::memo::Memo;

/// Rows in the order of `role_id`; one per policy with a document.
pub fn rows(facts: &Facts, store: &mut Store, plans: &[Plan], as_of: Time) -> Vec<PolicyFact> {
    let mut holders: BTreeMap<&str, i64> = BTreeMap::new();
    let mut sessions = BTreeSet::new();
    for plan in plans.iter().filter(|p| p.subject.kind != SubjectKind::Group) {
        let held: BTreeSet<&str> = plan.bindings.iter().map(|b| &*b.role_id).collect();
        for id in held {
            // A person with one permission set in many accounts is one holder.
            let session = plan.subject.kind == SubjectKind::Policy;
            if !session || sessions.insert((id, &*plan.principal)) {
                *holders.entry(id).or_default() += 1;
            }
        }
    }
    let mut places = Vec::new();
    let mut distinct: BTreeMap<usize, (&Text, Subject)> = BTreeMap::new();
    let documents = contents(facts).into_values();
    let documents: Vec<_> = documents
        .filter_map(|r| Some((r, r.document.as_ref()?, policy_subject(r, as_of))))
        .collect();
    store.prepare(documents.iter().map(|(_, document, subject)| (*document, subject.home.clone())));
    for (r, document, subject) in documents {
        let id = store.policy(document, &subject.home);
        places.push((r, id));
        distinct.entry(id).or_insert((document, subject));
    }
    let store = &*store;
    let work: Vec<(usize, (&Text, Subject))> = distinct.into_iter().collect();
    let pool: Memo<Text, Text> = Memo::default();
    let known: Vec<(usize, PolicyFact)> = work
        .par_iter()
        .map(|(id, (document, subject))| {
            let mut fact = content(store, *id, document, subject, as_of);
            // At once: before they are shared the texts take many times the room.
            share(&mut fact, &pool);
            (*id, fact)
        })
        .collect();
    let mut known: BTreeMap<usize, PolicyFact> = known.into_iter().collect();
    let mut left: BTreeMap<usize, usize> = BTreeMap::new();
    for (_, id) in &places {
        *left.entry(*id).or_default() += 1;
    }
    let mut out = Vec::with_capacity(places.len());
    for (r, id) in places {
        let more = left.get_mut(&id).is_some_and(|n| {
            *n -= 1;
            *n > 0
        });
        // The last policy of a text takes the row, of which most texts have one only.
        let content = if more { known.get(&id).cloned() } else { known.remove(&id) };
        let content = content.unwrap_or_default();
        out.push(PolicyFact {
            role_id: r.role_id.clone(),
            name: r.name.clone(),
            platform: r.platform.clone(),
            realm: r.realm.clone(),
            kind: r.kind,
            provider_managed: r.provider_managed,
            n_holders: holders.get(&*r.role_id).copied().unwrap_or(0),
            refs: refs([(&r.source_id, &r.source_ref)]),
            ..content
        });
    }
    out.sort_by(|a, b| a.role_id.cmp(&b.role_id));
    out
}

/// The columns that depend on the text of the document only.
fn content(
    store: &Store,
    id: usize,
    document: &Text,
    subject: &Subject,
    as_of: Time,
) -> PolicyFact {
    let mut out = PolicyFact::default();
    let Some(policy) = store.policies.get(id) else { return out };
    if let Some(why) = &policy.malformed {
        out.malformed = Some(text(why));
        return out;
    }
    let bound = Bound::new(policy, subject);
    let allows = policy.statements.iter().filter(|s| s.effect == Effect::Allow);
    out.expired_statements = allows
        .filter(|s| s.condition.time_bounds().1.is_some_and(|end| end <= as_of))
        .map(|s| text(&s.label))
        .collect();
    let rights = Rights::new(vec![bound], Boundary::Absent);
    out.tier = Some(classes().judge(&rights.grants, false).tier());
    let all = rights.grants.certain(Scope::All);
    for class in EXPOSURES {
        let found = match class {
            Exposure::ServiceWildcard => exposures().judge(class, &rights.grants).certain,
            _ => exposures().of(class, all),
        };
        let list: Vec<Text> = match class {
            Exposure::ServiceWildcard => service_texts(&found),
            _ => by_service(&found, exposures().universe(class)).iter().map(text).collect(),
        };
        match class {
            Exposure::InfrastructureModification => out.infrastructure_modification = list,
            Exposure::ResourceExposure => out.resource_exposure = list,
            Exposure::DataExfiltration => out.data_exfiltration = list,
            Exposure::CredentialsExposure => out.credentials_exposure = list,
            Exposure::ServiceWildcard => out.service_wildcard = list,
        }
    }
    let Some(parsed) = store.document(document) else { return out };
    let theirs = compat(parsed);
    let texts = |list: &[String]| list.iter().map(text).collect::<Vec<Text>>();
    out.compat_infrastructure_modification = shortened(&theirs.infrastructure_modification);
    out.compat_resource_exposure = shortened(&theirs.resource_exposure);
    out.compat_data_exfiltration = texts(&theirs.data_exfiltration);
    out.compat_credentials_exposure = texts(&theirs.credentials_exposure);
    out.compat_service_wildcard = texts(&theirs.service_wildcard);
    out
}

/// One entry per service with its actions: such lists run to thousands.
fn shortened(set: &ActionSet) -> Vec<Text> {
    by_service(set, None).iter().map(text).collect()
}

/// Lets equal entries of all rows share one text: thousands of documents list the same services.
fn share(fact: &mut PolicyFact, pool: &Memo<Text, Text>) {
    for list in [
        &mut fact.infrastructure_modification,
        &mut fact.resource_exposure,
        &mut fact.data_exfiltration,
        &mut fact.credentials_exposure,
        &mut fact.service_wildcard,
        &mut fact.compat_infrastructure_modification,
        &mut fact.compat_resource_exposure,
        &mut fact.compat_data_exfiltration,
        &mut fact.compat_credentials_exposure,
        &mut fact.compat_service_wildcard,
    ] {
        for entry in list {
            *entry = pool.get_or(entry.clone(), Clone::clone);
        }
    }
}
