//! What only all files together say: which service principal an application id means, and which
//! assignment a schedule made.

use std::collections::{BTreeMap, BTreeSet};

use super::delegation::{ASSIGNED, DEFINED};
use crate::facts::{
    BindingKind, Confidence, Entitlement, Facts, Link, Principal, Realm, RealmKind, Role, RoleKind,
    Text, Time, text,
};
use crate::privilege::azure::catalogue::catalogue;
use crate::privilege::azure::{DELEGATED_TO, HOME_TENANT, SCHEDULED, scope};

/// Joins the rows of Azure and Entra.
pub(super) fn finish(facts: &mut Facts) {
    delegations(facts);
    applications(facts);
    repeated(facts);
    schedules(facts);
}

/// One principal of a managing tenant and its role.
#[derive(Debug)]
pub(super) struct Authorization {
    pub principal: Text,
    pub name: Option<Text>,
    pub role: Text,
    /// Roles that it may give away; empty when it may give none, or all.
    pub delegable: Vec<Text>,
    pub eligible: bool,
}

/// A delegation to another tenant.
#[derive(Debug)]
pub(super) struct Definition {
    pub tenant: Text,
    pub list: Vec<Authorization>,
}

/// User Access Administrator, which a delegation narrows: whoever has it there may give the listed roles
/// to managed identities, and nothing else of the role applies (vendor page "Azure Lighthouse: roles").
const ACCESS_ADMINISTRATOR: &str = "18d7d88d-d35e-4fb5-a5c3-7773c20a72d9";
const NARROWED: &str =
    r#"[{"actions":["*/read","Microsoft.Authorization/roleAssignments/write"]}]"#;

/// Rows of one authorisation in force at a scope.
pub(super) fn definition_rows(
    facts: &mut Facts,
    tenant: &Text,
    a: &Authorization,
    at: &Text,
    (source_id, source_ref): (&Text, &Text),
) {
    facts.principals.push(Principal {
        principal_id: a.principal.clone(),
        platform: Some(text("entra")),
        name: a.name.clone(),
        tags: vec![text(format!("{HOME_TENANT}{tenant}")), text(DELEGATED_TO)],
        source_id: source_id.clone(),
        source_ref: source_ref.clone(),
        ..Principal::default()
    });
    let name = catalogue().roles.get(&*a.role).map_or(&*a.role, |r| r.name.as_str());
    // The definition lists the roles that may be given away, as a condition would.
    let ids: Vec<&str> = a.delegable.iter().map(|d| &**d).collect();
    let condition = (!ids.is_empty()).then(|| {
        text(format!(
            "((!(ActionMatches{{'Microsoft.Authorization/roleAssignments/write'}})) OR (@Request[Microsoft.Authorization/roleAssignments:RoleDefinitionId] ForAnyOfAnyValues:GuidEquals {{{}}}))",
            ids.join(", ")
        ))
    });
    let role_id = if &*a.role == ACCESS_ADMINISTRATOR {
        text(format!("lighthouse:{}", a.role))
    } else {
        a.role.clone()
    };
    if role_id != a.role {
        facts.roles.push(Role {
            role_id: role_id.clone(),
            platform: text("azure"),
            name: text(name),
            kind: RoleKind::Role,
            provider_managed: true,
            document: Some(text(NARROWED)),
            source_id: source_id.clone(),
            source_ref: source_ref.clone(),
            ..Role::default()
        });
    }
    facts.entitlements.push(Entitlement {
        entitlement_id: text(format!("azure|{}|{}|{at}|lighthouse", a.principal, a.role)),
        principal_id: a.principal.clone(),
        via: vec![text("delegation to another tenant")],
        role_id,
        privilege: text(name),
        scope_rank: Some(scope::breadth(at).rank()),
        scope: at.clone(),
        platform: text("azure"),
        binding_kind: if a.eligible { BindingKind::Eligible } else { BindingKind::Active },
        condition,
        origin_hint: Some(text(format!("Azure Lighthouse, tenant {tenant}"))),
        source_id: source_id.clone(),
        source_ref: source_ref.clone(),
        ..Entitlement::default()
    });
}

/// Delegations to other tenants: a definition is in force where it is assigned. An assignment whose
/// definition no input holds gives somebody something, and the row says that it is not known what.
fn delegations(facts: &mut Facts) {
    let (ours, rest): (Vec<Link>, Vec<Link>) = std::mem::take(&mut facts.links)
        .into_iter()
        .partition(|l| matches!(&*l.kind, DEFINED | ASSIGNED));
    facts.links = rest;
    let mut defined: BTreeMap<Text, Vec<&Link>> = BTreeMap::new();
    for l in ours.iter().filter(|l| &*l.kind == DEFINED) {
        defined.entry(l.target_id.clone()).or_default().push(l);
    }
    let mut seen: BTreeSet<(&Text, &Text)> = BTreeSet::new();
    for l in ours.iter().filter(|l| &*l.kind == ASSIGNED) {
        if !seen.insert((&l.principal_id, &l.target_id)) {
            continue;
        }
        let place = (&l.source_id, &l.source_ref);
        let Some(list) = defined.get(&l.principal_id) else {
            let what = text(format!("lighthouse:{}", l.principal_id));
            let a = Authorization {
                principal: what.clone(),
                name: Some(text("another tenant, by a delegation that no input defines")),
                role: what,
                delegable: Vec::new(),
                eligible: false,
            };
            definition_rows(facts, &text("unknown"), &a, &l.target_id, place);
            continue;
        };
        for d in list {
            let a = Authorization {
                principal: d.principal_id.clone(),
                name: None,
                role: d.subject.clone().unwrap_or_default(),
                delegable: d.audiences.clone(),
                eligible: d.condition.is_some(),
            };
            definition_rows(facts, &d.issuer.clone().unwrap_or_default(), &a, &l.target_id, place);
        }
    }
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
        claim(have, e.claimed_end.zip(e.claimed_by));
    }
    let mut i = 0;
    facts.entitlements.retain(|_| {
        i += 1;
        !gone.contains_key(&(i - 1))
    });
}

/// Of two ends that are claimed the later one stays.
fn claim(have: &mut Entitlement, other: Option<(Time, Text)>) {
    if let Some((end, by)) = other
        && have.claimed_end.is_none_or(|own| own < end)
    {
        (have.claimed_end, have.claimed_by) = (Some(end), Some(by));
    }
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
    let mut claims: Vec<(usize, Option<(Time, Text)>)> = Vec::new();
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
        claims.push((*twin, e.claimed_end.zip(e.claimed_by.clone())));
    }
    for (i, claimed) in claims {
        if let Some(e) = facts.entitlements.get_mut(i) {
            claim(e, claimed);
        }
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
