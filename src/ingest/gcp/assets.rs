//! Records of the Asset Inventory, and nodes of the tree as their own commands print them.

use super::policies::{At, policy};
use super::{Sink, accounts, roles, scope};
use crate::facts::*;
use crate::ingest::ledger::vendor::Doc;
use crate::ingest::source::Batch;

/// One asset: a policy (`asset export --content-type=iam-policy`, `search-all-iam-policies`), or a
/// resource (`--content-type=resource`).
pub fn asset(
    sink: &mut Sink<'_>,
    doc: Doc<'_>,
    place: &Text,
    batch: &mut Batch,
) -> Result<(), String> {
    let kind = doc.first(&["assetType", "asset_type"]).ok_or("no asset type")?;
    let name = doc.first(&["resource", "name"]).ok_or("the asset has no name")?;
    let time = match doc.time("updateTime")? {
        Some(t) => Some(t),
        None => doc.time("update_time")?,
    };
    let (own, _) = scope::canonical(name);
    chain(sink, doc, &own, place, batch);
    let at = At::new(name, time, place);
    let mut read = false;
    for path in ["policy", "iamPolicy", "iam_policy"] {
        if let Some(inner) = doc.at(path) {
            read = true;
            policy(sink, Doc(inner), &at, batch)?;
        }
    }
    if let Some(data) = doc.at("resource/data") {
        read = true;
        let data = Doc(data);
        match kind {
            "iam.googleapis.com/Role" => roles::role(sink, data, place, batch)?,
            "iam.googleapis.com/ServiceAccount" => accounts::account(sink, data, place, batch)?,
            "iam.googleapis.com/ServiceAccountKey" => {
                accounts::named_key(sink, data, name, place, batch)?;
            }
            _ if workload(kind, name, data, doc, place, batch) => {}
            _ => match node(sink, data, place, batch) {
                Some(result) => result?,
                None => sink.aside("assets of other types hold nothing about access"),
            },
        }
    }
    if !read {
        sink.aside("assets carry neither a policy nor data");
    }
    Ok(())
}

/// Where the description of what runs names the account that it runs as, by type of asset; of several
/// versions of an API each has its own place.
const RUNS_AS: [(&str, &[&str]); 15] = [
    ("compute.googleapis.com/Instance", &["serviceAccounts/0/email"]),
    (
        "run.googleapis.com/Service",
        &["spec/template/spec/serviceAccountName", "template/serviceAccount"],
    ),
    (
        "run.googleapis.com/Job",
        &[
            "spec/template/spec/template/spec/serviceAccountName",
            "template/template/serviceAccount",
        ],
    ),
    ("cloudfunctions.googleapis.com/CloudFunction", &["serviceAccountEmail"]),
    (
        "cloudfunctions.googleapis.com/Function",
        &["serviceConfig/serviceAccountEmail", "serviceAccountEmail"],
    ),
    ("cloudbuild.googleapis.com/BuildTrigger", &["serviceAccount"]),
    ("cloudbuild.googleapis.com/Build", &["serviceAccount"]),
    ("dataproc.googleapis.com/Cluster", &["config/gceClusterConfig/serviceAccount"]),
    ("dataflow.googleapis.com/Job", &["environment/serviceAccountEmail"]),
    ("composer.googleapis.com/Environment", &["config/nodeConfig/serviceAccount"]),
    ("notebooks.googleapis.com/Instance", &["serviceAccount"]),
    ("workflows.googleapis.com/Workflow", &["serviceAccount"]),
    ("appengine.googleapis.com/Version", &["serviceAccount"]),
    ("config.googleapis.com/Deployment", &["serviceAccount"]),
    ("container.googleapis.com/NodePool", &["config/serviceAccount"]),
];

/// A resource that runs something; false for any other type.
fn workload(
    kind: &str,
    name: &str,
    data: Doc<'_>,
    doc: Doc<'_>,
    place: &Text,
    batch: &mut Batch,
) -> bool {
    let Some((_, places)) = RUNS_AS.iter().find(|(k, _)| *k == kind) else { return false };
    let written = places.iter().find_map(|at| match at.strip_suffix("/0/email") {
        Some(list) => data.list(list).next().and_then(|one| one.str("email")),
        None => data.str(at),
    });
    // `projects/-/serviceAccounts/ADDRESS` is the address; `default` is that of the service, by number.
    let account = written.and_then(|w| w.rsplit('/').next()).filter(|w| w.contains('@'));
    let (id, _) = scope::canonical(name);
    let realm = scope::project_in(&id).or_else(|| {
        doc.list("ancestors")
            .filter_map(|a| a.0.as_str())
            .find(|a| a.starts_with("projects/"))
            .map(text)
    });
    batch.facts.workloads.push(Workload {
        platform: text("gcp"),
        realm,
        workload_id: id,
        kind: text(kind),
        principal_id: account.map(|a| text(a.to_lowercase())),
        source_id: batch.source_id.clone(),
        source_ref: place.clone(),
        ..Workload::default()
    });
    true
}

/// The nodes above an asset: `ancestors` of an export (nearest first, the node itself included), or
/// `project`, `folders` and `organization` of a search.
fn chain(sink: &mut Sink<'_>, doc: Doc<'_>, own: &Text, place: &Text, batch: &mut Batch) {
    let mut up: Vec<Text> = doc.list("ancestors").filter_map(|a| a.0.as_str()).map(text).collect();
    if up.is_empty() {
        let project = doc.str("project").map(text);
        let folders = doc.list("folders").filter_map(|f| f.0.as_str()).map(text);
        let organization = doc.str("organization").map(text);
        up = project.into_iter().chain(folders).chain(organization).collect();
    }
    let organisation = up.iter().find(|n| n.starts_with("organizations/")).cloned();
    // The node itself stands first, a project by its number.
    if let (Some(first), true) = (up.first().cloned(), own.starts_with("projects/"))
        && first.starts_with("projects/")
    {
        sink.number(&first, own, place, batch);
        if let Some(slot) = up.first_mut() {
            slot.clone_from(own);
        }
    } else if let (Some(first), Some(named)) = (up.first(), scope::project_in(own))
        && first.starts_with("projects/")
        && own.starts_with("//iam.googleapis.com/")
    {
        sink.number(&first.clone(), &named, place, batch);
    }
    for pair in up.array_windows::<2>() {
        let [below, above] = pair;
        sink.realm(below, Some(above.clone()), organisation.clone(), place, batch);
    }
    if let Some(top) = up.last() {
        sink.realm(top, None, organisation.clone(), place, batch);
    }
    if own.starts_with("//")
        && let Some(nearest) = up.first()
        && sink.realms.insert((own.clone(), Some(nearest.clone())))
    {
        batch.facts.realms.push(Realm {
            platform: text("gcp"),
            realm_id: own.clone(),
            kind: RealmKind::Resource,
            parent_id: Some(nearest.clone()),
            organisation,
            source_id: batch.source_id.clone(),
            source_ref: place.clone(),
            ..Realm::default()
        });
    }
}

/// An organisation, folder or project; `None` for anything else.
pub fn node(
    sink: &mut Sink<'_>,
    doc: Doc<'_>,
    place: &Text,
    batch: &mut Batch,
) -> Option<Result<(), String>> {
    let name = doc.str("name").unwrap_or_default();
    let project = doc.str("projectId").filter(|_| {
        doc.at("projectNumber").is_some()
            || doc.at("lifecycleState").is_some()
            || doc.at("state").is_some()
    });
    let id = match project {
        Some(p) => text(format!("projects/{p}")),
        None if scope::kind(name).is_some() => text(name),
        None => return None,
    };
    if let (Some(p), Some(number)) = (
        project,
        doc.id("projectNumber").or_else(|| name.strip_prefix("projects/").map(str::to_owned)),
    ) {
        sink.number(&number, p, place, batch);
    }
    let parent = match (doc.str("parent"), doc.str("parent/type"), doc.id("parent/id")) {
        (Some(p), _, _) => Some(scope::canonical(p).0),
        (None, Some(kind), Some(id)) => Some(text(format!("{kind}s/{id}"))),
        _ => None,
    };
    let organisation = parent.clone().filter(|p| p.starts_with("organizations/"));
    batch.facts.realms.push(Realm {
        platform: text("gcp"),
        realm_id: id.clone(),
        kind: scope::kind(&id)?,
        parent_id: parent,
        organisation,
        name: doc.first(&["displayName", "name"]).map(text),
        source_id: batch.source_id.clone(),
        source_ref: place.clone(),
        ..Realm::default()
    });
    Some(Ok(()))
}
