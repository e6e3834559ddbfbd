//! Roles, bindings and service accounts.

use serde_json::{Map, Value, json};

use super::Names;
use super::objects::Object;
use crate::facts::time::parse_rfc3339;
use crate::facts::{
    BindingKind, Entitlement, Link, Owner, OwnerSource, Principal, Role, RoleKind, Text, Time, text,
};
use crate::ingest::source::Batch;
use crate::privilege::k8s::DEFAULTS;
use crate::privilege::k8s::content::Place;
use crate::privilege::k8s::rbac as semantics;

/// Annotations by which a broker says when a binding is to end; the cluster does not enforce them.
const EXPIRIES: &[&str] = &["jit.kubejit.io/expiry", "janitor/expires"];
/// Subjects of one binding that are read.
const MAX_SUBJECTS: usize = 20_000;

/// Time of creation.
pub(super) fn created(o: &Object<'_>) -> Option<Time> {
    o.meta("creationTimestamp").and_then(parse_rfc3339)
}

/// Last change that the managed fields show (`--show-managed-fields`).
fn changed(o: &Object<'_>) -> Option<Time> {
    let fields = o.value.get("metadata").and_then(|m| m.get("managedFields"))?;
    let times = fields.as_array()?.iter();
    times.filter_map(|f| parse_rfc3339(f.get("time")?.as_str()?)).max()
}

fn is_default(o: &Object<'_>) -> bool {
    DEFAULTS.split_once('=').is_some_and(|(k, v)| o.map("labels").get(k) == Some(&v))
}

/// A Role or ClusterRole.
pub(super) fn role(o: &Object<'_>, batch: &mut Batch) -> Result<(), String> {
    let name = o.name()?;
    let namespace = match o.kind {
        "Role" => Some(o.meta("namespace").unwrap_or("default")),
        _ => None,
    };
    let rules = o.value.get("rules");
    let read = semantics::rules(rules);
    let mut document = Map::new();
    document.insert("rules".into(), rules.cloned().unwrap_or(Value::Null));
    if let Some(rule) = o.value.get("aggregationRule").filter(|r| !r.is_null()) {
        document.insert("aggregationRule".into(), rule.clone());
    }
    let labels = o.map("labels");
    if !labels.is_empty() {
        document.insert("labels".into(), json!(labels));
    }
    // Only the API server writes these, so rules of an aggregated role are then filled in.
    if o.meta("uid").is_some() || o.meta("creationTimestamp").is_some() {
        document.insert("live".into(), Value::Bool(true));
    }
    batch.facts.roles.push(Role {
        role_id: o.names.role(namespace, name),
        platform: text("k8s"),
        realm: o.names.realm(),
        name: text(name),
        kind: RoleKind::Role,
        provider_managed: is_default(o),
        document: Some(text(Value::Object(document).to_string())),
        malformed: read.err().map(text),
        updated_at: changed(o),
        source_id: batch.source_id.clone(),
        source_ref: o.place.clone(),
        ..Role::default()
    });
    Ok(())
}

/// A RoleBinding or ClusterRoleBinding: one entitlement for each subject.
pub(super) fn binding(o: &Object<'_>, batch: &mut Batch) -> Result<(), String> {
    let name = o.name()?;
    let namespace = match o.kind {
        "RoleBinding" => Some(o.meta("namespace").unwrap_or("default")),
        _ => None,
    };
    let reference = o.value.get("roleRef").ok_or("`roleRef` is missing")?;
    let word = |key: &str| reference.get(key).and_then(Value::as_str).filter(|s| !s.is_empty());
    let role = word("name").ok_or("`roleRef.name` is missing")?;
    let role_id = match word("kind") {
        Some("ClusterRole") => o.names.role(None, role),
        Some("Role") if namespace.is_some() => o.names.role(namespace, role),
        Some("Role") => return Err("a ClusterRoleBinding refers to a Role".into()),
        _ => return Err("`roleRef.kind` is neither Role nor ClusterRole".into()),
    };
    let subjects = match o.value.get("subjects") {
        None | Some(Value::Null) => return Ok(()),
        Some(Value::Array(list)) => list,
        Some(_) => return Err("`subjects` is not a list".into()),
    };
    if subjects.len() > MAX_SUBJECTS {
        return Err(format!("more than {MAX_SUBJECTS} subjects"));
    }
    let scope = o.names.scope(namespace);
    let bound = created(o);
    let annotations = o.map("annotations");
    let expiry = EXPIRIES.iter().find_map(|k| Some((*k, *annotations.get(k)?)));
    for (i, subject) in subjects.iter().enumerate() {
        let row = match principal(subject, namespace, o.names) {
            Ok(row) => row,
            Err(reason) => {
                batch.quarantine_part(format!("{}/subjects/{i}", o.place), reason);
                continue;
            }
        };
        batch.facts.entitlements.push(Entitlement {
            entitlement_id: text(format!("k8s|{}|{role}|{scope}", row.principal_id)),
            principal_id: row.principal_id.clone(),
            via: vec![text(format!("{}:{name}", o.kind))],
            role_id: role_id.clone(),
            privilege: text(role),
            scope: scope.clone(),
            scope_rank: Some(Place::of(namespace).breadth().rank()),
            platform: text("k8s"),
            binding_kind: BindingKind::Active,
            // The cluster does not enforce the annotation: it is a promise of the broker.
            condition: expiry.map(|(k, v)| text(format!("annotation {k}={v}"))),
            bound_at_lo: bound,
            // Who is bound may have been changed later; the role never can be.
            bound_at_hi: bound.max(changed(o)),
            origin_hint: is_default(o).then(|| text(DEFAULTS)),
            says_temporary: expiry.is_some().then_some(true),
            source_id: batch.source_id.clone(),
            source_ref: o.place.clone(),
            ..Entitlement::default()
        });
        put(row, o.names, &o.place, batch);
    }
    Ok(())
}

/// Adds a principal that no inventory lists, with its bare name.
pub(super) fn put(row: Principal, names: &Names, place: &Text, batch: &mut Batch) {
    batch.facts.aliases.extend(names.alias(&row, batch, place));
    batch.facts.principals.push(Principal {
        source_id: batch.source_id.clone(),
        source_ref: place.clone(),
        ..row
    });
}

/// The principal that a subject means.
fn principal(subject: &Value, namespace: Option<&str>, names: &Names) -> Result<Principal, String> {
    let word = |key: &str| subject.get(key).and_then(Value::as_str).filter(|s| !s.is_empty());
    let name = word("name").ok_or("a subject without `name`")?;
    if name.len() > 1024 {
        return Err("the name of a subject is longer than 1,024 bytes".into());
    }
    match word("kind") {
        // Without a namespace a RoleBinding means its own, and a ClusterRoleBinding nobody at all.
        Some("ServiceAccount") => {
            let own = word("namespace").or(namespace).unwrap_or("");
            Ok(names.account_row(own, name))
        }
        Some("User") => Ok(names.user_row(name)),
        Some("Group") => Ok(names.group_row(name)),
        _ => Err("`kind` of a subject is neither User, Group nor ServiceAccount".into()),
    }
}

/// Annotations that say as which cloud identity a service account acts, with the kind of link.
const CLOUD: &[(&str, &str)] = &[
    ("eks.amazonaws.com/role-arn", "irsa"),
    ("iam.gke.io/gcp-service-account", "gke_workload_identity"),
    ("azure.workload.identity/client-id", "azure_workload_identity"),
];

/// A service account.
pub(super) fn account(o: &Object<'_>, batch: &mut Batch) -> Result<(), String> {
    let name = o.name()?;
    let namespace = o.meta("namespace").unwrap_or("default");
    let annotations = o.map("annotations");
    let labels = o.map("labels");
    let mut row = o.names.account_row(namespace, name);
    row.inventoried = true;
    row.created_at = created(o);
    if o.value.get("automountServiceAccountToken") == Some(&Value::Bool(false)) {
        row.tags.push(text("automountServiceAccountToken=false"));
    }
    let id = row.principal_id.clone();
    for (key, kind) in CLOUD {
        let Some(target) = annotations.get(key).filter(|t| !t.is_empty() && t.len() < 2048) else {
            continue;
        };
        batch.facts.links.push(Link {
            platform: text("k8s"),
            kind: text(kind),
            principal_id: id.clone(),
            target_id: text(target),
            subject: Some(text(format!("system:serviceaccount:{namespace}:{name}"))),
            source_id: batch.source_id.clone(),
            source_ref: o.place.clone(),
            ..Link::default()
        });
    }
    let said = |keys: &[&str]| {
        keys.iter().find_map(|k| annotations.get(k).or_else(|| labels.get(k))).copied()
    };
    let team = said(&["team", "app.kubernetes.io/team"]);
    if let Some(owner) = said(&["owner", "contact"]).or(team) {
        batch.facts.owners.push(Owner {
            principal: id.clone(),
            principal_id: Some(id),
            owner: Some(text(owner)),
            team: team.map(text),
            owner_source: OwnerSource::Annotation,
            source_id: batch.source_id.clone(),
            source_ref: o.place.clone(),
            ..Owner::default()
        });
    }
    put(row, o.names, &o.place, batch);
    Ok(())
}
