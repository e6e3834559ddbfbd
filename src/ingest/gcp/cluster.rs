//! Entries of Cloud Audit Logs about calls to clusters (`serviceName` `k8s.io`): rows of use as the log of
//! the API server itself gives them.
//!
//! A cluster is named as `gcloud container clusters get-credentials` names it, `gke_PROJECT_LOCATION_NAME`, so
//! that the export of the same context and its log are of one cluster.

use std::collections::BTreeMap;

use super::Sink;
use crate::facts::{Facts, Text, text};
use crate::ingest::k8s::audit::{Call, Log};
use crate::ingest::ledger::vendor::Doc;
use crate::ingest::source::Batch;

/// Most clusters that one file is taken apart into.
const MAX_CLUSTERS: usize = 10_000;

/// Calls by cluster.
#[derive(Debug, Default)]
pub(super) struct Logs(BTreeMap<Option<String>, Log>);

impl Logs {
    /// Hands over the rows; returns what is to say about them.
    pub(super) fn close(self, batch: &mut Batch) -> Vec<String> {
        let mut notes = Vec::new();
        if self.0.is_empty() {
            return notes;
        }
        let reasons = self.0.values().any(Log::says_reasons);
        for mut log in self.0.into_values() {
            log.rows(batch);
        }
        if !reasons {
            notes.push("no call to a cluster says which binding allowed it".to_owned());
        }
        notes.push(
            "reads of a cluster are logged only where its data access logs are switched on"
                .to_owned(),
        );
        notes
    }
}

/// Whether an entry is of a call to a cluster's API.
pub(super) fn is_call(doc: Doc<'_>) -> bool {
    doc.str("protoPayload/serviceName") == Some("k8s.io")
        || doc.str("protoPayload/methodName").is_some_and(|m| m.starts_with("io.k8s."))
}

/// Name of the cluster of an entry.
fn cluster(doc: Doc<'_>) -> Option<String> {
    let label = |key: &str| doc.str(&format!("resource/labels/{key}")).filter(|v| v.len() < 200);
    let name = label("cluster_name")?;
    Some(match (label("project_id"), label("location")) {
        (Some(project), Some(location)) => format!("gke_{project}_{location}_{name}"),
        _ => name.to_owned(),
    })
}

/// One entry.
pub(super) fn entry(
    sink: &mut Sink<'_>,
    doc: Doc<'_>,
    place: &Text,
    batch: &mut Batch,
) -> Result<(), String> {
    let method = doc.need("protoPayload/methodName")?;
    let verb = method.rsplit('.').next().unwrap_or(method);
    let time = doc
        .str("timestamp")
        .or_else(|| doc.str("protoPayload/timestamp"))
        .ok_or("`timestamp` is missing")?;
    let user = doc
        .str("protoPayload/authenticationInfo/principalEmail")
        .or_else(|| doc.str("protoPayload/authenticationInfo/principalSubject"));
    let path = doc.str("protoPayload/resourceName").unwrap_or_default();
    let object = object(path);
    let refused =
        doc.list("protoPayload/authorizationInfo").any(|i| i.flag("granted") == Some(false))
            || label(doc, "decision") == Some("forbid");
    let grpc = doc.at("protoPayload/status/code").and_then(serde_json::Value::as_i64).unwrap_or(0);
    let code = match grpc {
        _ if refused => 403,
        0 => 200,
        7 => 403,
        16 => 401,
        // Some entries carry the status of HTTP itself.
        100..=599 => grpc,
        _ => 500,
    };
    let call = Call {
        id: doc.str("insertId"),
        verb,
        user,
        resource: object.as_ref().map(|o| (o.group, o.resource)),
        subresource: object.as_ref().and_then(|o| o.subresource),
        namespace: object.as_ref().and_then(|o| o.namespace),
        path: Some(path),
        time,
        code,
        reason: label(doc, "reason"),
    };
    let realm = cluster(doc);
    let logs = &mut sink.clusters.0;
    let realm = if logs.len() < MAX_CLUSTERS || logs.contains_key(&realm) { realm } else { None };
    let log = logs.entry(realm.clone()).or_insert_with(|| Log::new(realm.as_deref()));
    log.call(&call, place, batch)
}

/// What the authoriser says, in the labels of the entry.
fn label<'a>(doc: Doc<'a>, key: &str) -> Option<&'a str> {
    // The key holds slashes, so it is looked up whole.
    doc.0.get("labels")?.get(format!("authorization.k8s.io/{key}"))?.as_str()
}

/// An object of the API.
#[derive(Debug, PartialEq, Eq)]
struct Object<'a> {
    group: &'a str,
    resource: &'a str,
    subresource: Option<&'a str>,
    namespace: Option<&'a str>,
}

/// Reads `core/v1/namespaces/shop/pods/web-1/exec`; `None` for a path that is no resource.
fn object(path: &str) -> Option<Object<'_>> {
    let mut parts = path.split('/').filter(|p| !p.is_empty());
    let (group, version) = (parts.next()?, parts.next()?);
    let digits = version.strip_prefix('v')?;
    if !digits.starts_with(|c: char| c.is_ascii_digit()) {
        return None;
    }
    let rest: Vec<&str> = parts.take(5).collect();
    let group = if group == "core" { "" } else { group };
    let make =
        |namespace, resource, subresource| Object { group, resource, subresource, namespace };
    Some(match *rest.as_slice() {
        [] => return None,
        // The namespace itself, and its own subresources; a request for one counts as made in it.
        ["namespaces"] => make(None, "namespaces", None),
        ["namespaces", ns] => make(Some(ns), "namespaces", None),
        ["namespaces", ns, sub @ ("finalize" | "status")] => {
            make(Some(ns), "namespaces", Some(sub))
        }
        ["namespaces", ns, resource] | ["namespaces", ns, resource, _] => {
            make(Some(ns), resource, None)
        }
        ["namespaces", ns, resource, _, sub, ..] => make(Some(ns), resource, Some(sub)),
        [resource] | [resource, _] => make(None, resource, None),
        [resource, _, sub, ..] => make(None, resource, Some(sub)),
    })
}

/// A log names a cluster in full. An export without that name is of the same cluster where it bears the
/// short name, or where it is the one cluster of the inputs and has no name at all.
pub(super) fn names(facts: &mut Facts) {
    let full = |scope: &str| -> Option<String> {
        let cluster = scope.split("/ns/").next()?;
        cluster.starts_with("k8s:gke_").then(|| cluster.to_owned())
    };
    let logged: std::collections::BTreeSet<String> = facts
        .usage
        .iter()
        .filter(|u| u.platform.as_deref() == Some("k8s"))
        .filter_map(|u| full(u.scope.as_deref()?))
        .collect();
    if logged.is_empty() {
        return;
    }
    let listed: std::collections::BTreeSet<String> = facts
        .roles
        .iter()
        .filter(|r| &*r.platform == "k8s")
        .filter_map(|r| {
            let (head, _) =
                r.role_id.rsplit_once("/clusterrole/").or_else(|| r.role_id.split_once("/ns/"))?;
            Some(head.to_owned())
        })
        .collect();
    let mut new: BTreeMap<String, String> = BTreeMap::new();
    for cluster in logged.iter().filter(|c| !listed.contains(*c)) {
        let short = cluster.splitn(4, '_').nth(3).map(|name| format!("k8s:{name}"));
        let by_name = short.filter(|s| listed.contains(s));
        let alone = (logged.len() == 1 && listed.len() == 1 && listed.contains("k8s"))
            .then(|| "k8s".to_owned());
        if let Some(to) = by_name.or(alone) {
            new.insert(cluster.clone(), to);
        }
    }
    for u in facts.usage.iter_mut().filter(|u| u.platform.as_deref() == Some("k8s")) {
        let Some(from) = u.scope.as_deref().and_then(full) else { continue };
        let Some(to) = new.get(&from) else { continue };
        let rename = |id: &Text| -> Option<Text> {
            let rest = id.strip_prefix(&*from).filter(|r| r.is_empty() || r.starts_with('/'))?;
            // Without a name of the cluster service accounts carry none either.
            let bare = rest.strip_prefix("/system:serviceaccount:").filter(|_| to == "k8s");
            Some(match bare {
                Some(account) => text(format!("system:serviceaccount:{account}")),
                None => text(format!("{to}{rest}")),
            })
        };
        for id in [Some(&mut u.principal), u.scope.as_mut(), u.principal_id.as_mut()]
            .into_iter()
            .flatten()
        {
            if let Some(name) = rename(id) {
                *id = name;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_of_the_api_are_objects() {
        let of = |path: &'static str| {
            object(path).map(|o| (o.group, o.resource, o.subresource, o.namespace))
        };
        assert_eq!(
            of("core/v1/namespaces/shop/pods/web-1/exec"),
            Some(("", "pods", Some("exec"), Some("shop")))
        );
        assert_eq!(of("core/v1/namespaces/shop/pods"), Some(("", "pods", None, Some("shop"))));
        assert_eq!(of("core/v1/namespaces/shop"), Some(("", "namespaces", None, Some("shop"))));
        assert_eq!(
            of("core/v1/namespaces/shop/finalize"),
            Some(("", "namespaces", Some("finalize"), Some("shop")))
        );
        assert_eq!(of("core/v1/nodes/n1/proxy"), Some(("", "nodes", Some("proxy"), None)));
        assert_eq!(
            of("rbac.authorization.k8s.io/v1/clusterrolebindings/b"),
            Some(("rbac.authorization.k8s.io", "clusterrolebindings", None, None))
        );
        for none in ["", "healthz", "core", "core/v1", "readyz/ping", "///", "core/vx/pods"] {
            assert_eq!(of(none), None, "{none}");
        }
    }
}
