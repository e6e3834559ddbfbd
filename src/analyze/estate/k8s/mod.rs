//! Kubernetes: bindings joined with the content of their roles, the baseline that every cluster has, what
//! leads from one identity to another.

use std::collections::{BTreeMap, BTreeSet};

use super::{Estate, Held, Platform, World};
use crate::facts::{Entitlement, PrincipalKind, Standing, Text, Tier, Time, Tri, TrustFact, text};
use crate::privilege::class::{Breadth, Class, ClassSet};
use crate::privilege::k8s::DEFAULTS;
use crate::privilege::k8s::content::{Given, Place};
use crate::privilege::k8s::permissions::{DEFAULTS_VERSION, catalogue, default_roles};

mod edges;
mod roles;
mod uses;

use roles::{Found, Roles};

/// The platform.
#[derive(Debug)]
pub struct Kubernetes;

/// Its only instance.
pub static KUBERNETES: Kubernetes = Kubernetes;

/// Groups and users that stand for everybody who reaches the API, with or without a name.
const ANYBODY: &[&str] = &["group:system:unauthenticated", "user:system:anonymous"];
/// Groups that every identity is in.
const EVERYBODY: &[&str] =
    &["group:system:authenticated", "group:system:serviceaccounts", "group:system:unauthenticated"];

impl Platform for Kubernetes {
    fn names(&self) -> &'static [&'static str] {
        &["k8s"]
    }

    fn read(&self, world: &World<'_>) -> Estate {
        let mut estate = Estate::default();
        let roles = Roles::new(world.facts);
        let listed = Listed::new(world);
        let bound = |e: &&Entitlement| &*e.platform == "k8s" && e.unbound_at_hi.is_none();
        for e in world.facts.entitlements.iter().filter(bound) {
            held(e, &roles, &listed, world, &mut estate);
        }
        uses::fill(world, &roles, &mut estate);
        provider_owned(&mut estate);
        roles.tiers(&mut estate);
        edges::add(world, &roles, &mut estate);
        estate
    }

    fn tier_of(&self, privilege: &str) -> Option<Tier> {
        let role = default_roles().get(privilege)?;
        Some(roles::tier(&role.document.rules))
    }
}

/// What stands between a place and the named objects of it that a row is about.
const OBJECTS: &str = "/object/";

/// Cluster and namespace of a scope.
pub(super) fn place_of(scope: &str) -> (&str, Option<&str>) {
    let scope = scope.split(OBJECTS).next().unwrap_or(scope);
    match scope.rsplit_once("/ns/") {
        Some((cluster, namespace)) => (cluster, Some(namespace)),
        None => (scope, None),
    }
}

/// Cluster, namespace and name of a service account.
pub(super) fn account_of(id: &str) -> Option<(&str, &str, &str)> {
    let (cluster, rest) = match id.rsplit_once("/system:serviceaccount:") {
        Some(parts) => parts,
        None => ("k8s", id.strip_prefix("system:serviceaccount:")?),
    };
    let (namespace, name) = rest.split_once(':')?;
    Some((cluster, namespace, name))
}

/// Cluster of an identity: what its name begins with.
pub(super) fn cluster_of(id: &str) -> Option<&str> {
    account_of(id)
        .map(|(cluster, ..)| cluster)
        .or_else(|| subject_of(id).map(|(cluster, _)| cluster))
}

/// Name behind the cluster: `user:x`, `group:y`.
pub(super) fn subject_of(id: &str) -> Option<(&str, &str)> {
    let at = ["/user:", "/group:"].iter().filter_map(|mark| id.find(mark)).min()?;
    Some((id.get(..at)?, id.get(at + 1..)?))
}

/// Service accounts that the inputs list, by cluster and namespace.
struct Listed<'a> {
    accounts: BTreeMap<&'a str, BTreeMap<&'a str, BTreeSet<&'a str>>>,
    /// Clusters that are listed whole, which the account `default` of two namespaces shows.
    whole: BTreeSet<&'a str>,
}

impl<'a> Listed<'a> {
    fn new(world: &World<'a>) -> Self {
        let mut accounts: BTreeMap<&str, BTreeMap<&str, BTreeSet<&str>>> = BTreeMap::new();
        for p in world.facts.principals.iter().filter(|p| p.inventoried) {
            if let Some((cluster, ns, name)) = account_of(&p.principal_id) {
                accounts.entry(cluster).or_default().entry(ns).or_default().insert(name);
            }
        }
        let defaults = |spaces: &BTreeMap<&str, BTreeSet<&str>>| {
            spaces.values().filter(|names| names.contains("default")).take(2).count()
        };
        let whole = accounts.iter().filter(|(_, spaces)| defaults(spaces) == 2);
        let whole = whole.map(|(cluster, _)| *cluster).collect();
        Self { accounts, whole }
    }

    /// Whether a service account is certainly not there: its namespace is listed with others, or the
    /// cluster is listed whole.
    fn misses(&self, id: &str) -> bool {
        let Some((cluster, ns, name)) = account_of(id) else { return false };
        if ns.is_empty() {
            // A ClusterRoleBinding that names no namespace matches nobody.
            return true;
        }
        let Some(spaces) = self.accounts.get(cluster) else { return false };
        match spaces.get(ns) {
            Some(names) => !names.contains(name),
            None => self.whole.contains(cluster),
        }
    }
}

/// One binding.
fn held(
    e: &Entitlement,
    roles: &Roles<'_>,
    listed: &Listed<'_>,
    world: &World<'_>,
    estate: &mut Estate,
) {
    // The ledger of a broker writes the bare namespace.
    let scope = crate::analyze::scope::canonical(Some("k8s"), &e.scope);
    let (cluster, namespace) = place_of(&scope);
    let place = Place::of(namespace);
    let found = roles.find(cluster, &e.role_id);
    let end = promised_end(e);
    let base = Held {
        principal: e.principal_id.clone(),
        platform: text("k8s"),
        realm: cluster.strip_prefix("k8s:").map(text),
        privilege: e.privilege.clone(),
        role_id: e.role_id.clone(),
        scope: text(&scope),
        breadth: place.breadth(),
        via: if e.via.is_empty() { vec![text("direct")] } else { e.via.clone() },
        standing: if end.is_some_and(|t| t > world.as_of) {
            Standing::TimeBound
        } else {
            Standing::Standing
        },
        not_after: end.filter(|t| *t > world.as_of),
        temporary: e.says_temporary == Some(true),
        refs: vec![(e.source_id.clone(), e.source_ref.clone())],
        ..Held::default()
    };
    let missing = listed.misses(&e.principal_id);
    let role = match found {
        Found::Role(role) => role,
        Found::Missing => {
            let residue = Some(text("missing_role"));
            estate.held.push(Held { standing: Standing::Residue, residue, ..base });
            return;
        }
        Found::Unknown(why) => {
            estate.held.push(Held { unknown: Some(text(why)), ..base });
            return;
        }
    };
    let given = role.content.at(place);
    let mut row = Held {
        certain: given.classes,
        possible: given.classes,
        wildcards: role.wildcards.clone(),
        n_actions: role.content.n_actions,
        strongest: role.strongest(place).to_vec(),
        normal: role.normal.clone(),
        basis: role
            .embedded
            .then(|| text(format!("embedded default roles of Kubernetes {DEFAULTS_VERSION}"))),
        ..base
    };
    row.refs.extend(role.at.clone());
    if missing {
        row.standing = Standing::Residue;
        row.residue = Some(text("missing_principal"));
    }
    row.provider_owned = is_baseline(e, cluster, &row);
    trust(&row, estate);
    let extra = named_row(&row, given, &scope, roles, cluster, place);
    estate.held.push(row);
    estate.held.extend(extra);
}

/// The end that a broker's annotation promises.
fn promised_end(e: &Entitlement) -> Option<Time> {
    let said = e.condition.as_deref()?.strip_prefix("annotation ")?.split_once('=')?.1;
    crate::facts::time::parse_rfc3339(said).or(e.not_after)
}

/// What a role gives on named objects only, as a row of its own: its scope is narrower.
fn named_row(
    row: &Held,
    given: &Given,
    scope: &str,
    roles: &Roles<'_>,
    cluster: &str,
    place: Place,
) -> Option<Held> {
    let mut classes = given.classes_named;
    let mut breadth = Breadth::Resource;
    let mut objects: BTreeSet<String> = BTreeSet::new();
    let mut strongest: Vec<(Class, Text)> = Vec::new();
    for named in &given.named {
        let Some(permission) = catalogue().rows().get(named.row) else { continue };
        let kind = permission.resource;
        objects.extend(named.names.iter().take(50).map(|n| format!("{kind}/{n}")));
        strongest.push((permission.class, text(permission.id)));
        // Which roles may be bound decides what that right is worth.
        let partner = catalogue().complete(permission, given.all);
        if permission.id.ends_with(":bind")
            && partner
            && roles.any_strong(cluster, row, named, place)
        {
            classes.insert(Class::Permissions);
            breadth = place.breadth();
        }
    }
    if classes.without(row.certain).is_empty() || objects.is_empty() {
        return None;
    }
    strongest.sort();
    let named = match objects.first() {
        Some(one) if objects.len() == 1 => one.clone(),
        _ => format!("{} named objects", objects.len()),
    };
    Some(Held {
        scope: text(format!("{scope}{OBJECTS}{named}")),
        breadth,
        certain: classes,
        possible: classes,
        wildcards: Vec::new(),
        n_actions: None,
        strongest: strongest.into_iter().map(|(_, id)| id).collect(),
        ..row.clone()
    })
}

/// What every cluster has: a binding that the API server made, under its own name, for its own identities.
/// The label alone proves nothing, since whoever writes bindings may set it (cloud semantics, section 0.7).
fn is_baseline(e: &Entitlement, cluster: &str, row: &Held) -> bool {
    if e.origin_hint.as_deref() != Some(DEFAULTS) {
        return false;
    }
    let binding = e.via.first().and_then(|v| v.split_once(':')).map_or("", |(_, name)| name);
    let system = |s: &str| s.starts_with("system:");
    if !(system(binding) || binding == "cluster-admin") {
        return false;
    }
    if let Some((_, ns, _)) = account_of(&e.principal_id) {
        return ns == "kube-system" && e.privilege.starts_with("system:");
    }
    let Some((of, subject)) = subject_of(&e.principal_id) else { return false };
    if of != cluster {
        return false;
    }
    // For everybody only what is harmless.
    if EVERYBODY.contains(&subject) || ANYBODY.contains(&subject) {
        return row.certain.tier_at(row.breadth) >= Tier::T3;
    }
    let masters = subject == "group:system:masters";
    let named = subject.strip_prefix("group:").or_else(|| subject.strip_prefix("user:"));
    let role = match &*e.privilege {
        "cluster-admin" => masters,
        role => system(role) || role == "extension-apiserver-authentication-reader",
    };
    role && named.is_some_and(system)
}

/// A binding that lets strangers in.
fn trust(row: &Held, estate: &mut Estate) {
    let Some((_, subject)) = subject_of(&row.principal) else { return };
    if !ANYBODY.contains(&subject) || row.provider_owned || row.standing == Standing::Residue {
        return;
    }
    let name = subject.split_once(':').map_or(subject, |(_, n)| n);
    estate.trusts.push(TrustFact {
        principal_id: row.role_id.clone(),
        principal_kind: PrincipalKind::Unknown,
        resource_kind: text("cluster role"),
        platform: text("k8s"),
        trusted: text(name),
        trusted_kind: text("any"),
        relation: text("any"),
        external: Some(true),
        openness: text("open"),
        actions: row.strongest.clone(),
        tier: Some(row.certain.tier_at(row.breadth)),
        refs: row.refs.iter().map(|(s, r)| crate::facts::store::evidence_ref(s, r)).collect(),
        ..TrustFact::default()
    });
}

/// Principals that hold nothing but the baseline.
fn provider_owned(estate: &mut Estate) {
    let mut only: BTreeMap<&Text, bool> = BTreeMap::new();
    for h in &estate.held {
        let slot = only.entry(&h.principal).or_insert(true);
        *slot &= h.provider_owned;
    }
    estate.provider_owned =
        only.into_iter().filter(|(_, only)| *only).map(|(id, _)| id.clone()).collect();
}

/// Whether classes open more than they hold.
pub(super) fn is_strong(classes: ClassSet) -> bool {
    [Class::Admin, Class::Permissions, Class::Escalation].iter().any(|c| classes.contains(*c))
}

/// The certain answer, or one that hangs on a condition.
pub(super) fn verdict(conditions: &[Text]) -> Tri {
    if conditions.is_empty() { Tri::Yes } else { Tri::Conditional }
}

#[cfg(test)]
mod peers;
#[cfg(test)]
mod tests;
