//! Principals as the analysis sees them: rows of several sources merged by canonical id.

use std::collections::{BTreeMap, BTreeSet};

use crate::facts::{Facts, PrincipalKind, Text, Time};
use crate::privilege::glob;
use crate::settings::Settings;

/// A principal out of all sources.
#[derive(Clone, Debug, Default)]
pub struct Person {
    pub kind: PrincipalKind,
    pub is_nhi: Option<bool>,
    pub platform: Option<Text>,
    pub realm: Option<Text>,
    pub environment: Option<Text>,
    pub name: Option<Text>,
    pub inventoried: bool,
    pub provider_owned: bool,
    pub break_glass: bool,
    pub created_at: Option<Time>,
    pub disabled: Option<bool>,
    pub tags: Vec<Text>,
    pub owner: Option<Text>,
    pub owner_state: Option<&'static str>,
    pub refs: Vec<(Text, Text)>,
}

/// People by canonical id.
pub type People = BTreeMap<Text, Person>;

/// Whether the provider owns the principal, so that nobody else can change or pass it: service-linked and
/// single-sign-on roles.
pub fn provider_owned(id: &str) -> bool {
    id.contains(":role/aws-service-role/") || id.contains(":role/aws-reserved/")
}

/// Assignments of permission sets, by scope and name.
fn assignments(facts: &Facts) -> BTreeSet<(&str, &str)> {
    let sets = facts.entitlements.iter().filter(|e| e.role_id.contains(":permissionSet/"));
    sets.map(|e| (&*e.scope, &*e.privilege)).collect()
}

/// Whether what a principal may do is the provider's own affair. A role that IAM Identity Center made is
/// the provider's, but what it may do is what the customer wrote into the permission set; where the inputs
/// hold the assignments of that set, the people who have it are judged, and the role is not.
fn provider_governed(id: &str, person: &Person, assigned: &BTreeSet<(&str, &str)>) -> bool {
    let set = id
        .contains(":role/aws-reserved/sso.amazonaws.com/")
        .then(|| id.rsplit('/').next()?.strip_prefix("AWSReservedSSO_")?.rsplit_once('_'))
        .flatten();
    match (set, person.realm.as_deref()) {
        (Some((name, _)), Some(realm)) => assigned.contains(&(realm, name)),
        _ => provider_owned(id),
    }
}

/// Merges all principals that any table names.
pub fn collect(facts: &Facts, settings: &Settings, as_of: Time) -> People {
    let mut people = People::new();
    for p in &facts.principals {
        let person = people.entry(p.principal_id.clone()).or_default();
        if person.kind == PrincipalKind::Unknown {
            person.kind = p.kind;
        }
        person.is_nhi = person.is_nhi.or(p.is_nhi);
        person.platform = person.platform.take().or_else(|| p.platform.clone());
        person.realm = person.realm.take().or_else(|| p.realm.clone());
        person.environment = person.environment.take().or_else(|| p.environment.clone());
        person.name = person.name.take().or_else(|| p.name.clone());
        person.inventoried |= p.inventoried;
        person.break_glass |= p.break_glass;
        person.created_at = person.created_at.or(p.created_at);
        person.disabled = person.disabled.or(p.disabled);
        person.tags.extend(p.tags.iter().cloned());
        person.refs.push((p.source_id.clone(), p.source_ref.clone()));
    }
    named_elsewhere(facts, &mut people);
    owners(facts, &mut people, as_of);
    let assigned = assignments(facts);
    for (id, person) in &mut people {
        person.tags.sort_unstable();
        person.tags.dedup();
        person.provider_owned = provider_governed(id, person, &assigned);
        let matches = |pattern: &String| {
            glob::matches(pattern, id)
                || person.name.as_deref().is_some_and(|n| glob::matches(pattern, n))
        };
        person.break_glass |= settings.break_glass.iter().any(matches);
        let declared = settings.environments.iter().find(|e| {
            e.principals.iter().any(matches)
                || person
                    .realm
                    .as_deref()
                    .is_some_and(|r| e.scopes.iter().any(|s| glob::matches(s, r)))
        });
        if let Some(e) = declared {
            person.environment = Some(crate::facts::text(&e.name));
        }
        if person.is_nhi.is_none() {
            person.is_nhi = match person.kind {
                PrincipalKind::Unknown | PrincipalKind::Group => None,
                kind => Some(kind != PrincipalKind::Human),
            };
        }
    }
    people
}

/// Principals that no inventory lists: beneficiaries, holders of bindings and credentials, users.
fn named_elsewhere(facts: &Facts, people: &mut People) {
    let mut add =
        |id: &Text, kind: Option<PrincipalKind>, platform: Option<&Text>, at: (&Text, &Text)| {
            let person = people.entry(id.clone()).or_default();
            if person.inventoried {
                return;
            }
            if person.kind == PrincipalKind::Unknown
                && let Some(kind) = kind
            {
                person.kind = kind;
            }
            // A ledger may name people of no platform; what they use does not make them of it.
            if person.platform.is_none() && id.starts_with("arn:") {
                person.platform = platform.cloned();
            }
            if person.refs.len() < 8 {
                person.refs.push((at.0.clone(), at.1.clone()));
            }
        };
    for g in &facts.grants {
        if let Some(id) = &g.beneficiary_id {
            add(id, g.beneficiary_kind, g.platform.as_ref(), (&g.source_id, &g.source_ref));
        }
    }
    for e in &facts.entitlements {
        add(&e.principal_id, None, Some(&e.platform), (&e.source_id, &e.source_ref));
    }
    for c in &facts.credentials {
        if let Some(id) = &c.principal_id {
            add(id, None, None, (&c.source_id, &c.source_ref));
        }
    }
    for u in &facts.usage {
        if let Some(id) = &u.principal_id {
            add(id, None, u.platform.as_ref(), (&u.source_id, &u.source_ref));
        }
    }
}

/// Owner and state of ownership; null everywhere when no input says anything about owners.
fn owners(facts: &Facts, people: &mut People, as_of: Time) {
    if facts.owners.is_empty() {
        return;
    }
    for o in &facts.owners {
        let id = o.principal_id.as_ref().unwrap_or(&o.principal);
        let Some(person) = people.get_mut(id) else { continue };
        if person.owner_state == Some("present") || o.valid_from.is_some_and(|t| t > as_of) {
            continue;
        }
        let over = o.valid_to.is_some_and(|t| t <= as_of);
        if let Some(name) = o.owner.as_ref().filter(|n| !n.trim().is_empty()) {
            person.owner = Some(name.clone());
            let gone = over || o.active == Some(false);
            person.owner_state = Some(if gone { "inactive" } else { "present" });
        }
    }
    for person in people.values_mut() {
        person.owner_state.get_or_insert("missing");
    }
}
