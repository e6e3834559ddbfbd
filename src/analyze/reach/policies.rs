//! Rows of `policy_facts`: each policy document on its own, by our judgement and as cloudsplaining
//! lists it.

use std::collections::{BTreeMap, BTreeSet};

use super::access::{Plan, Store, contents, policy_subject};
use super::refs;
use crate::facts::{Facts, PolicyFact, Text, Time, text};
use crate::privilege::aws::action::{ActionSet, catalogue};
use crate::privilege::aws::classes::classes;
use crate::privilege::aws::compat::compat;
use crate::privilege::aws::document::Effect;
use crate::privilege::aws::evaluate::{Bound, Boundary, Rights, Scope};
use crate::privilege::aws::exposure::{EXPOSURES, Exposure, by_service, exposures, services};
use crate::privilege::aws::subject::SubjectKind;

/// Rows in the order of `role_id`; one per policy with a document.
pub fn rows(facts: &Facts, store: &mut Store, plans: &[Plan], as_of: Time) -> Vec<PolicyFact> {
    let mut holders: BTreeMap<&str, i64> = BTreeMap::new();
    for plan in plans.iter().filter(|p| p.subject.kind != SubjectKind::Group) {
        let held: BTreeSet<&str> = plan.bindings.iter().map(|b| &*b.role_id).collect();
        for id in held {
            *holders.entry(id).or_default() += 1;
        }
    }
    let mut known: BTreeMap<usize, PolicyFact> = BTreeMap::new();
    let mut out = Vec::new();
    for r in contents(facts).values() {
        let Some(document) = &r.document else { continue };
        let subject = policy_subject(r, as_of);
        let id = store.policy(document, &subject.home);
        let content = match known.get(&id) {
            Some(fact) => fact.clone(),
            None => {
                let fact = content(store, id, document, &subject, as_of);
                known.insert(id, fact.clone());
                fact
            }
        };
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
    subject: &crate::privilege::aws::evaluate::Subject,
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
            Exposure::ServiceWildcard => services(&found).iter().map(text).collect(),
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
fn shortened(actions: &[String]) -> Vec<Text> {
    let mut set: ActionSet = catalogue().none();
    set.extend(actions.iter().filter_map(|a| catalogue().id(a)));
    by_service(&set, None).iter().map(text).collect()
}
