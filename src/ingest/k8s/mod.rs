//! Kubernetes exports: objects in JSON and YAML, collector envelopes, identity mappings of Amazon EKS,
//! audit logs.
//!
//! Identifiers: with the name R of the cluster (`ctx.realm`) everything begins with `k8s:R`, without it with
//! `k8s`. Two clusters without a name in one run would be taken for one; the formats page says so.

use std::collections::{BTreeMap, BTreeSet};

use super::source::{Adapter, Batch};
use crate::facts::{
    Alias, Confidence, Facts, Principal, PrincipalKind, Quarantined, Role, Text, text,
};

use crate::privilege::k8s::permissions::{DEFAULTS_VERSION, default_roles};
use crate::privilege::k8s::rbac::Document;

pub mod audit;
pub mod eks;
pub mod objects;
mod rbac;
mod rest;
mod workloads;

/// The adapters of this folder.
pub static ADAPTERS: &[&dyn Adapter] = &[&audit::AUDIT, &eks::EKS, &objects::OBJECTS];

/// Names of identities and scopes in one cluster.
#[derive(Clone, Debug)]
pub struct Names {
    prefix: String,
    realm: Option<Text>,
}

impl Names {
    /// Names in a cluster; null when its name is not known.
    #[must_use]
    pub fn new(realm: Option<&str>) -> Self {
        let prefix = realm.map_or_else(|| "k8s".to_owned(), |r| format!("k8s:{r}"));
        Self { prefix, realm: realm.map(text) }
    }

    /// The cluster as a scope.
    #[must_use]
    pub fn cluster(&self) -> Text {
        text(&self.prefix)
    }

    /// Name of the cluster.
    #[must_use]
    pub fn realm(&self) -> Option<Text> {
        self.realm.clone()
    }

    /// A namespace as a scope, or the cluster.
    #[must_use]
    pub fn scope(&self, namespace: Option<&str>) -> Text {
        namespace.map_or_else(|| self.cluster(), |ns| text(format!("{}/ns/{ns}", self.prefix)))
    }

    /// A service account.
    #[must_use]
    pub fn account(&self, namespace: &str, name: &str) -> Text {
        let bare = format!("system:serviceaccount:{namespace}:{name}");
        if self.realm.is_some() { text(format!("{}/{bare}", self.prefix)) } else { text(bare) }
    }

    /// A user by name. A service account's name as a user is the service account; people known by their
    /// e-mail address are known by it everywhere.
    #[must_use]
    pub fn user(&self, name: &str) -> Text {
        if let Some((ns, sa)) = account_name(name) {
            return self.account(ns, sa);
        }
        if is_email(name) {
            return text(name.trim().to_lowercase());
        }
        text(format!("{}/user:{name}", self.prefix))
    }

    /// A group by name.
    #[must_use]
    pub fn group(&self, name: &str) -> Text {
        text(format!("{}/group:{name}", self.prefix))
    }

    /// A role: of the cluster, or of a namespace.
    #[must_use]
    pub fn role(&self, namespace: Option<&str>, name: &str) -> Text {
        text(match namespace {
            None => format!("{}/clusterrole/{name}", self.prefix),
            Some(ns) => format!("{}/ns/{ns}/role/{name}", self.prefix),
        })
    }

    /// A principal row for a service account.
    #[must_use]
    pub fn account_row(&self, namespace: &str, name: &str) -> Principal {
        Principal {
            principal_id: self.account(namespace, name),
            kind: PrincipalKind::ServiceAccount,
            platform: Some(text("k8s")),
            realm: self.realm(),
            name: Some(text(format!("{namespace}/{name}"))),
            is_nhi: Some(true),
            ..Principal::default()
        }
    }

    /// A principal row for a user. Names of the system are the system's; an e-mail address is a person's;
    /// of any other name nothing follows.
    #[must_use]
    pub fn user_row(&self, name: &str) -> Principal {
        if let Some((ns, sa)) = account_name(name) {
            return self.account_row(ns, sa);
        }
        let email = is_email(name);
        let kind = if name.starts_with("system:") {
            PrincipalKind::System
        } else if email {
            PrincipalKind::Human
        } else {
            PrincipalKind::Unknown
        };
        Principal {
            principal_id: self.user(name),
            kind,
            platform: (!email).then(|| text("k8s")),
            realm: (!email).then(|| self.realm()).flatten(),
            name: Some(text(name)),
            email: email.then(|| text(name.trim().to_lowercase())),
            is_nhi: crate::facts::identity::is_nhi(kind),
            ..Principal::default()
        }
    }

    /// A principal row for a group.
    #[must_use]
    pub fn group_row(&self, name: &str) -> Principal {
        Principal {
            principal_id: self.group(name),
            kind: PrincipalKind::Group,
            platform: Some(text("k8s")),
            realm: self.realm(),
            name: Some(text(name)),
            ..Principal::default()
        }
    }

    /// The bare name of a principal as an alias of the qualified one; null where they are equal or the name
    /// is one of every cluster.
    #[must_use]
    pub fn alias(&self, row: &Principal, batch: &Batch, place: &Text) -> Option<Alias> {
        let id = &*row.principal_id;
        let rest = id.strip_prefix(&self.prefix).and_then(|r| r.strip_prefix('/'))?;
        let bare = match rest.strip_prefix("user:") {
            Some(name) => name,
            None if rest.starts_with("system:serviceaccount:") => rest,
            None => return None,
        };
        if row.kind == PrincipalKind::System {
            return None;
        }
        Some(Alias {
            principal_id: row.principal_id.clone(),
            alias_type: text("name"),
            alias: text(bare),
            issuer: self.realm(),
            confidence: Confidence::Strong,
            rule: text("A1"),
            source_id: batch.source_id.clone(),
            source_ref: place.clone(),
            ..Alias::default()
        })
    }
}

/// Namespace and name out of `system:serviceaccount:NS:NAME`.
#[must_use]
pub fn account_name(name: &str) -> Option<(&str, &str)> {
    name.strip_prefix("system:serviceaccount:")?.split_once(':')
}

fn is_email(name: &str) -> bool {
    match name.trim().split_once('@') {
        Some((user, host)) => {
            !user.is_empty()
                && host.contains('.')
                && !host.contains('@')
                && !name.contains([' ', '/', ':'])
        }
        None => false,
    }
}

/// Joins what several files say of one cluster: an object that two files list counts once, and of two
/// versions the first is kept and the other reported. Called once with all facts, before resolution.
pub fn finish(facts: &mut Facts) {
    let conflicts = roles(&mut facts.roles);
    let mut seen: std::collections::HashSet<(Text, Text, Text, Vec<Text>)> =
        std::collections::HashSet::new();
    facts.entitlements.retain(|e| {
        &*e.platform != "k8s"
            || seen.insert((
                e.principal_id.clone(),
                e.role_id.clone(),
                e.scope.clone(),
                e.via.clone(),
            ))
    });
    let mut seen: std::collections::HashSet<(Option<Text>, Text)> =
        std::collections::HashSet::new();
    facts
        .workloads
        .retain(|w| &*w.platform != "k8s" || seen.insert((w.realm.clone(), w.workload_id.clone())));
    let mut seen: std::collections::HashSet<(Text, Text, Text)> = std::collections::HashSet::new();
    facts.links.retain(|l| {
        &*l.platform != "k8s"
            || seen.insert((l.kind.clone(), l.principal_id.clone(), l.target_id.clone()))
    });
    super::fold::count_conflicts(facts, conflicts);
    fallbacks(facts);
}

/// Says in the source of a binding which roles the embedded list stands in for. An export that holds the
/// live role `cluster-admin` holds all cluster roles, so that what is not in it is not there.
fn fallbacks(facts: &mut Facts) {
    let rows = || facts.roles.iter().filter(|r| &*r.platform == "k8s");
    let defined: BTreeSet<&Text> = rows().map(|r| &r.role_id).collect();
    let whole: BTreeSet<&str> = rows()
        .filter_map(|r| {
            let cluster = r.role_id.strip_suffix("/clusterrole/cluster-admin")?;
            let live = Document::parse(r.document.as_deref()?).is_ok_and(|d| d.live);
            live.then_some(cluster)
        })
        .collect();
    let mut by: BTreeMap<Text, BTreeSet<&Text>> = BTreeMap::new();
    for e in facts.entitlements.iter().filter(|e| &*e.platform == "k8s") {
        let Some((cluster, name)) = e.role_id.rsplit_once("/clusterrole/") else { continue };
        let shipped = default_roles().get(name).is_some();
        if shipped && !whole.contains(cluster) && !defined.contains(&e.role_id) {
            by.entry(e.source_id.clone()).or_default().insert(&e.role_id);
        }
    }
    let notes: Vec<(Text, String)> = by
        .into_iter()
        .map(|(source, roles)| {
            let note = format!(
                "the content of {} roles that Kubernetes ships is not in the inputs and is taken from an \
                 embedded list ({DEFAULTS_VERSION})",
                roles.len()
            );
            (source, note)
        })
        .collect();
    for (source, note) in notes {
        for s in facts.sources.iter_mut().filter(|s| s.source_id == source) {
            s.limitation = Some(match &s.limitation {
                Some(have) if !have.is_empty() => text(format!("{have}; {note}")),
                _ => text(&note),
            });
        }
    }
}

fn roles(roles: &mut Vec<Role>) -> Vec<Quarantined> {
    let mut first: BTreeMap<Text, (Option<Text>, Text, Text)> = BTreeMap::new();
    let mut conflicts = Vec::new();
    roles.retain(|r| {
        if &*r.platform != "k8s" {
            return true;
        }
        let Some((document, source, place)) = first.get(&r.role_id) else {
            let at = (r.document.clone(), r.source_id.clone(), r.source_ref.clone());
            first.insert(r.role_id.clone(), at);
            return true;
        };
        if *document != r.document {
            conflicts.push(Quarantined {
                source_id: r.source_id.clone(),
                source_ref: r.source_ref.clone(),
                reason: text(format!(
                    "role `{}` is already at {source}#{place} with other rules; the first is kept",
                    r.role_id
                )),
            });
        }
        false
    });
    conflicts
}

#[cfg(test)]
mod tests;
