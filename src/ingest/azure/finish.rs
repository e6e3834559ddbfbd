//! What only all files together say: which service principal an application id means, and which
//! assignment a schedule made.

use std::collections::{BTreeMap, BTreeSet};

use crate::facts::{BindingKind, Confidence, Entitlement, Facts, Realm, RealmKind, Text, text};
use crate::privilege::azure::{HOME_TENANT, SCHEDULED};

/// Joins the rows of Azure and Entra.
pub(super) fn finish(facts: &mut Facts) {
    applications(facts);
    repeated(facts);
    schedules(facts);
}

/// Application ids and paths of managed identities become the service principals they stand for, in
/// the tables whose ids are not resolved by names later.
fn applications(facts: &mut Facts) {
    let entra: BTreeSet<&Text> = facts
        .principals
        .iter()
        .filter(|p| p.platform.as_deref() == Some("entra"))
        .map(|p| &p.principal_id)
        .collect();
    let mut ids: BTreeMap<Text, Text> = BTreeMap::new();
    for a in &facts.aliases {
        let exact = a.confidence == Confidence::Exact
            && matches!(&*a.alias_type, "app_id" | "resource_id")
            && entra.contains(&a.principal_id);
        if exact {
            ids.entry(a.alias.clone()).or_insert_with(|| a.principal_id.clone());
        }
    }
    // The object of an application leads to its id, and that to the service principal.
    let objects: Vec<(Text, Text)> = facts
        .links
        .iter()
        .filter(|l| &*l.kind == "application")
        .map(|l| (l.principal_id.clone(), l.target_id.clone()))
        .collect();
    own_tenants(facts, &ids);
    facts.links.retain(|l| &*l.kind != "application");
    for (object, app) in objects {
        let to = ids.get(&app).cloned().unwrap_or(app);
        ids.entry(object).or_insert(to);
    }
    if ids.is_empty() {
        return;
    }
    let put = |id: &mut Text| {
        if let Some(to) = ids.get(id) {
            *id = to.clone();
        }
    };
    facts.links.iter_mut().for_each(|l| {
        put(&mut l.target_id);
        put(&mut l.principal_id);
    });
    facts.workloads.iter_mut().filter_map(|w| w.principal_id.as_mut()).for_each(put);
    facts.credentials.iter_mut().for_each(|c| put(&mut c.principal));
    facts.memberships.iter_mut().for_each(|m| put(&mut m.principal_id));
}

/// The object of an application stands in its home tenant only: where one is beside its service
/// principal, that tenant is ours.
fn own_tenants(facts: &mut Facts, ids: &BTreeMap<Text, Text>) {
    let ours: BTreeMap<&Text, (&Text, &Text)> = facts
        .links
        .iter()
        .filter(|l| &*l.kind == "application")
        .filter_map(|l| Some((ids.get(&l.target_id)?, (&l.source_id, &l.source_ref))))
        .collect();
    let mut found: BTreeMap<Text, Realm> = BTreeMap::new();
    for p in &facts.principals {
        let Some((source_id, source_ref)) = ours.get(&p.principal_id) else { continue };
        let Some(home) = p.tags.iter().find_map(|t| t.strip_prefix(HOME_TENANT)) else { continue };
        found.entry(text(home)).or_insert_with(|| Realm {
            platform: text("entra"),
            realm_id: text(home),
            kind: RealmKind::Organisation,
            source_id: (*source_id).clone(),
            source_ref: (*source_ref).clone(),
            ..Realm::default()
        });
    }
    facts.realms.extend(found.into_values());
}

/// The services know one assignment of a role to a principal at a scope: a second row is the same from
/// another file, and fills what the first leaves open.
fn repeated(facts: &mut Facts) {
    type Key = (Text, Text, Text, Text);
    let mut first: BTreeMap<Key, usize> = BTreeMap::new();
    let mut gone: BTreeMap<usize, usize> = BTreeMap::new();
    for (i, e) in facts.entitlements.iter().enumerate() {
        let ours = matches!(&*e.platform, "azure" | "entra");
        if !ours || e.binding_kind != BindingKind::Active || scheduled(e) {
            continue;
        }
        let key = (e.platform.clone(), e.principal_id.clone(), e.role_id.clone(), e.scope.clone());
        match first.get(&key) {
            Some(have) => drop(gone.insert(i, *have)),
            None => drop(first.insert(key, i)),
        }
    }
    if gone.is_empty() {
        return;
    }
    for (from, to) in &gone {
        let Some(e) = facts.entitlements.get(*from).cloned() else { continue };
        let Some(have) = facts.entitlements.get_mut(*to) else { continue };
        have.condition = have.condition.take().or(e.condition);
        have.bound_at_lo = have.bound_at_lo.or(e.bound_at_lo);
        have.bound_at_hi = have.bound_at_hi.or(e.bound_at_hi);
        have.origin_hint = have.origin_hint.take().or(e.origin_hint);
        have.says_temporary = have.says_temporary.or(e.says_temporary);
    }
    let mut i = 0;
    facts.entitlements.retain(|_| {
        i += 1;
        !gone.contains_key(&(i - 1))
    });
}

/// Whether a schedule made it.
fn scheduled(e: &Entitlement) -> bool {
    e.origin_hint.as_deref().is_some_and(|h| h.starts_with(SCHEDULED))
}

/// An active assignment that a schedule made is listed twice: among all assignments, where nothing
/// shows its end, and among the instances of schedules, where everything does. The instance stays.
fn schedules(facts: &mut Facts) {
    let ours = |platform: &str| matches!(platform, "azure" | "entra");
    let mut made: BTreeMap<(Text, Text, Text), Vec<usize>> = BTreeMap::new();
    for (i, e) in facts.entitlements.iter().enumerate() {
        let active = e.binding_kind == BindingKind::Active;
        if ours(&e.platform) && active && scheduled(e) {
            let key = (e.principal_id.clone(), e.role_id.clone(), e.scope.clone());
            made.entry(key).or_default().push(i);
        }
    }
    if made.is_empty() {
        return;
    }
    let mut gone: BTreeSet<usize> = BTreeSet::new();
    let mut conditions: Vec<(usize, Text)> = Vec::new();
    for (i, e) in facts.entitlements.iter().enumerate() {
        if !ours(&e.platform) || scheduled(e) {
            continue;
        }
        let key = (e.principal_id.clone(), e.role_id.clone(), e.scope.clone());
        let Some(twins) = made.get(&key) else { continue };
        // Another condition is another assignment.
        let same = |at: &&usize| {
            facts.entitlements.get(**at).is_some_and(|t| {
                t.condition.is_none() || e.condition.is_none() || t.condition == e.condition
            })
        };
        let Some(twin) = twins.iter().find(same) else { continue };
        gone.insert(i);
        conditions.extend(e.condition.clone().map(|c| (*twin, c)));
    }
    for (i, condition) in conditions {
        if let Some(e) = facts.entitlements.get_mut(i) {
            e.condition.get_or_insert(condition);
        }
    }
    let mut i = 0;
    facts.entitlements.retain(|_| {
        i += 1;
        !gone.contains(&(i - 1))
    });
}
