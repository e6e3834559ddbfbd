//! Pods, and controllers whose templates make pods.

use std::collections::BTreeSet;

use serde_json::Value;

use super::objects::Object;
use crate::facts::{Text, Workload, text};
use crate::ingest::source::Batch;
use crate::ingest::tasks::document::Sink;
use crate::ingest::tasks::kubernetes;

/// Keys of labels and annotations that matter for identity.
const KEYS: &[&str] = &["azure.workload.identity/use"];

fn list<'v>(value: &'v Value, key: &str) -> &'v [Value] {
    value.get(key).and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

fn flag(value: &Value, key: &str) -> bool {
    value.get(key).and_then(Value::as_bool).unwrap_or(false)
}

/// The specification of the pod, or of the pods that a controller makes.
fn pod_spec<'v>(o: &Object<'v>) -> Option<(&'v Value, Option<&'v Value>)> {
    let spec = o.value.get("spec")?;
    let template = match o.kind {
        "Pod" => return Some((spec, o.value.get("metadata"))),
        "CronJob" => spec.get("jobTemplate")?.get("spec")?.get("template")?,
        _ => spec.get("template")?,
    };
    Some((template.get("spec")?, template.get("metadata")))
}

/// A workload. One that a controller made is listed as well: it says on which node it runs.
pub(super) fn read(o: &Object<'_>, batch: &mut Batch) -> Result<(), String> {
    let name = o.name()?;
    let namespace = o.meta("namespace").unwrap_or("default");
    let Some((spec, metadata)) = pod_spec(o) else {
        return Err("no specification of a pod".into());
    };
    let word = |key: &str| spec.get(key).and_then(Value::as_str).filter(|s| !s.is_empty());
    // Without a service account a pod runs as `default` of its namespace.
    let account =
        word("serviceAccountName").or_else(|| word("serviceAccount")).unwrap_or("default");
    let labels = metadata.and_then(|m| m.get("labels"));
    let kept = KEYS.iter().filter_map(|k| {
        let value = labels?.get(k)?.as_str()?;
        Some(text(format!("{k}={value}")))
    });
    batch.facts.workloads.push(Workload {
        platform: text("k8s"),
        realm: o.names.realm(),
        workload_id: text(format!("{namespace}/{}/{name}", o.kind)),
        kind: text(o.kind),
        group: Some(o.names.scope(Some(namespace))),
        principal_id: Some(o.names.account(namespace, account)),
        node: word("nodeName").map(text),
        host_access: host_access(spec),
        mounts_token: mounts_token(spec),
        labels: kept.collect(),
        source_id: batch.source_id.clone(),
        source_ref: o.place.clone(),
    });
    Ok(())
}

/// What a pod's own specification says of its token; null when the service account decides.
fn mounts_token(spec: &Value) -> Option<bool> {
    let projected = list(spec, "volumes").iter().any(|v| {
        v.get("projected").is_some_and(|p| {
            list(p, "sources").iter().any(|s| s.get("serviceAccountToken").is_some())
        })
    });
    if projected {
        return Some(true);
    }
    spec.get("automountServiceAccountToken").and_then(Value::as_bool)
}

/// Ways out to the host.
fn host_access(spec: &Value) -> Vec<Text> {
    let mut out: BTreeSet<Text> = BTreeSet::new();
    for (key, word) in
        [("hostPID", "host_pid"), ("hostNetwork", "host_network"), ("hostIPC", "host_ipc")]
    {
        if flag(spec, key) {
            out.insert(text(word));
        }
    }
    let containers =
        ["containers", "initContainers", "ephemeralContainers"].iter().flat_map(|k| list(spec, k));
    for c in containers {
        let context = c.get("securityContext");
        if context.is_some_and(|s| flag(s, "privileged")) {
            out.insert(text("privileged"));
        }
        let added = context.and_then(|s| s.get("capabilities")).map_or(&[][..], |c| list(c, "add"));
        for capability in added.iter().filter_map(Value::as_str) {
            if matches!(
                capability,
                "SYS_ADMIN" | "CAP_SYS_ADMIN" | "ALL" | "SYS_MODULE" | "SYS_PTRACE"
            ) {
                out.insert(text(format!("capability:{capability}")));
            }
        }
    }
    for path in list(spec, "volumes").iter().take(200) {
        let path = path.get("hostPath").and_then(|h| h.get("path")).and_then(Value::as_str);
        if let Some(path) = path.filter(|p| p.len() < 1024) {
            out.insert(text(format!("host_path:{path}")));
        }
    }
    out.into_iter().collect()
}

/// A Job among other objects is also a task.
pub(super) fn task(o: &Object<'_>, batch: &mut Batch) -> Result<(), String> {
    let mut sink = Sink::new(o.place.to_string(), batch.source_id.clone());
    (kubernetes::FORMAT.record)(o.value, &mut sink)?;
    sink.keep(batch);
    Ok(())
}
