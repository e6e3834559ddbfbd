//! Objects as `kubectl get -o json` and `-o yaml` write them, manifests, and the files of collectors.
//!
//! A file is a `List`, a list of one kind, an array, NDJSON, one object, a stream of YAML documents, or the
//! envelope of a collector. Each object is decoded alone; a bad one costs itself only.

use std::collections::BTreeMap;

use serde_json::Value;
use serde_json::value::RawValue;

use super::{Names, rbac, rest, workloads};
use crate::facts::{Completeness, Layer, Text, text};
use crate::ingest::aws::json::elements;
use crate::ingest::records::{self, json_message};
use crate::ingest::source::{Adapter, Batch, Context, IngestError, Input, Match, Probe, Shape};
use crate::ingest::tasks::document::{head_has, head_says, is_json, yaml_documents};
use crate::ingest::{detect, reader};

/// Adapter of Kubernetes objects.
#[derive(Debug)]
pub struct Objects;

/// Its only instance.
pub static OBJECTS: Objects = Objects;

/// So many of [`KINDS`] are about access itself.
const RBAC_KINDS: usize = 5;
/// Kinds that are read. Jobs alone are tasks and left to their adapter.
const KINDS: &[&str] = &[
    "ClusterRole",
    "ClusterRoleBinding",
    "Role",
    "RoleBinding",
    "ServiceAccount",
    "Pod",
    "Deployment",
    "DaemonSet",
    "StatefulSet",
    "ReplicaSet",
    "ReplicationController",
    "Namespace",
    "Node",
    "Secret",
    "CertificateSigningRequest",
    "ConfigMap",
    "MutatingWebhookConfiguration",
    "ValidatingWebhookConfiguration",
];

/// Lists of an envelope and the kind of their elements, by the end of the key in lower case.
const ENVELOPE: &[(&str, &str)] = &[
    ("cluster_role_bindings", "ClusterRoleBinding"),
    ("cluster_roles", "ClusterRole"),
    ("role_bindings", "RoleBinding"),
    ("roles", "Role"),
    ("service_accounts", "ServiceAccount"),
    ("pods", "Pod"),
    ("deployments", "Deployment"),
    ("daemon_sets", "DaemonSet"),
    ("stateful_sets", "StatefulSet"),
    ("replica_sets", "ReplicaSet"),
    ("cron_jobs", "CronJob"),
    ("jobs", "Job"),
    ("namespaces", "Namespace"),
    ("nodes", "Node"),
    ("secrets_metadata", "Secret"),
    ("certificate_signing_requests", "CertificateSigningRequest"),
    ("mutating_webhook_configs", "MutatingWebhookConfiguration"),
    ("validating_webhook_configs", "ValidatingWebhookConfiguration"),
];

impl Adapter for Objects {
    fn format(&self) -> &'static str {
        "kubernetes-objects"
    }

    fn title(&self) -> &'static str {
        "Kubernetes objects: RBAC, service accounts, pods (kubectl JSON or YAML, manifests, collectors)"
    }

    fn layer(&self) -> Layer {
        Layer::State
    }

    fn recognise(&self, probe: &Probe<'_>) -> Option<Match> {
        // The operator's own objects are a ledger, and a log repeats objects of requests.
        if head_has(probe, "jit.kubejit.io") || head_has(probe, "audit.k8s.io/v1") {
            return None;
        }
        // Jobs without roles are tasks.
        let says =
            |k: &str| head_says(probe, "kind", k) || head_says(probe, "kind", &format!("{k}List"));
        let jobs = head_has(probe, "batch/v1") && (says("Job") || says("CronJob"));
        if jobs && !KINDS.iter().take(RBAC_KINDS).any(|k| says(k)) {
            return None;
        }
        let json = is_json(probe.shape);
        if json && (is_version(probe) || is_snapshot(probe) || is_dump(probe)) {
            return Some(Match::Specific);
        }
        let yaml = matches!(probe.shape, Shape::Text | Shape::Csv)
            && head_has(probe, "apiVersion:")
            && head_has(probe, "kind:");
        let json = json && probe.has(&["apiVersion"]) || probe.has(&["kind", "items"]);
        if !(json || yaml) {
            return None;
        }
        let ours = KINDS.iter().any(|k| says(k));
        let empty = head_says(probe, "kind", "List") && !head_has(probe, "metadata\":{\"name");
        (ours || (empty && nothing(probe))).then_some(Match::Specific)
    }

    fn read(&self, input: &Input, ctx: &Context<'_>, batch: &mut Batch) -> Result<(), IngestError> {
        let bytes = reader::read_all(input)?;
        let bytes = bytes.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(&bytes);
        let whole = std::str::from_utf8(bytes).map_err(|e| IngestError::Malformed {
            file: input.name.clone(),
            place: format!("byte {}", e.valid_up_to()),
            message: "not UTF-8; export it again as UTF-8".into(),
        })?;
        let head = bytes.get(..reader::HEAD).unwrap_or(bytes);
        let shape = detect::detect(head, head.len() == bytes.len()).shape;
        let mut reading = Reading::new(ctx.realm);
        if is_json(shape) {
            reading.json(whole, shape, input, batch)?;
        } else {
            reading.yaml(whole, batch);
        }
        reading.close(batch);
        Ok(())
    }
}

/// Whether the whole file is a list without items.
fn nothing(probe: &Probe<'_>) -> bool {
    probe.head.len() < 4096
        && serde_json::from_slice::<Value>(probe.head).is_ok_and(|v| {
            let items = v.get("items");
            items.is_some_and(|i| i.is_null() || i.as_array().is_some_and(Vec::is_empty))
        })
}

fn is_version(probe: &Probe<'_>) -> bool {
    probe.has(&["gitVersion", "major", "minor"])
}

fn is_snapshot(probe: &Probe<'_>) -> bool {
    probe.has(&["metadata", "resources"]) && head_has(probe, "kubesplaining_version")
}

/// Lists of API objects under keys that name their kind and cluster.
fn is_dump(probe: &Probe<'_>) -> bool {
    probe.keys.iter().any(|k| {
        let k = k.to_lowercase();
        k.starts_with("kubernetes_") && k.ends_with("_service_accounts_raw")
    })
}

/// One object with what its readers need.
pub(super) struct Object<'a> {
    /// Kind.
    pub kind: &'a str,
    /// The object.
    pub value: &'a Value,
    /// Place in the source.
    pub place: Text,
    /// Names of the cluster.
    pub names: &'a Names,
}

impl Object<'_> {
    /// Text in the metadata.
    pub fn meta(&self, key: &str) -> Option<&str> {
        let outer = self.value.get("metadata").and_then(|m| m.get(key));
        // Collectors flatten the metadata of secrets and requests.
        outer.or_else(|| self.value.get(key)).and_then(Value::as_str).filter(|s| !s.is_empty())
    }

    /// Labels or annotations.
    pub fn map(&self, key: &str) -> BTreeMap<&str, &str> {
        let map = self.value.get("metadata").and_then(|m| m.get(key)).and_then(Value::as_object);
        map.into_iter().flatten().filter_map(|(k, v)| Some((k.as_str(), v.as_str()?))).collect()
    }

    /// Name, which every object has.
    pub fn name(&self) -> Result<&str, String> {
        let name = self.meta("name").ok_or("`metadata.name` is missing")?;
        if name.len() > 1024 {
            Err("`metadata.name` is longer than 1,024 bytes".into())
        } else {
            Ok(name)
        }
    }
}

/// Deepest lists in lists that are taken apart: an envelope of lists of kind `List` takes four.
const LEVELS: usize = 12;

/// A file being read.
struct Reading {
    names: Names,
    /// Objects of kinds that hold no access, counted.
    others: BTreeMap<String, u64>,
    /// Secrets that carried values.
    with_data: u64,
    /// The list says that more follows.
    continues: bool,
    /// Jobs, which are read as tasks as well.
    jobs: u64,
    /// Lists around what is being read.
    level: usize,
}

impl Reading {
    fn new(realm: Option<&str>) -> Self {
        Self {
            names: Names::new(realm),
            others: BTreeMap::new(),
            with_data: 0,
            continues: false,
            jobs: 0,
            level: 0,
        }
    }

    fn json(
        &mut self,
        whole: &str,
        shape: Shape,
        input: &Input,
        batch: &mut Batch,
    ) -> Result<(), IngestError> {
        if shape == Shape::Ndjson {
            for (i, line) in whole.lines().enumerate().filter(|(_, l)| !l.trim().is_empty()) {
                self.raw(line, &format!("L{}", i + 1), None, batch);
            }
            return Ok(());
        }
        // Several documents one after the other are what repeated commands append to one file.
        let stream = serde_json::Deserializer::from_str(whole).into_iter::<&RawValue>();
        for (n, item) in stream.enumerate() {
            let raw = item.map_err(|e| IngestError::Malformed {
                file: input.name.clone(),
                place: format!("line {}, column {}", e.line(), e.column()),
                message: json_message(&e),
            })?;
            let place = if n == 0 { String::new() } else { format!("/document{n}") };
            self.raw(raw.get(), &place, None, batch);
        }
        Ok(())
    }

    /// Takes a document apart until single objects are left.
    fn raw(&mut self, raw: &str, place: &str, kind: Option<&str>, batch: &mut Batch) {
        if self.level >= LEVELS {
            batch.records += 1;
            let why = format!("lists in lists, more than {LEVELS} levels deep");
            return batch.quarantine(or_root(place), why);
        }
        self.level += 1;
        self.apart(raw, place, kind, batch);
        self.level -= 1;
    }

    fn apart(&mut self, raw: &str, place: &str, kind: Option<&str>, batch: &mut Batch) {
        if raw.starts_with('[') {
            for (i, element) in elements(raw).into_iter().enumerate() {
                self.raw(element, &format!("{place}/{i}"), kind, batch);
            }
            return;
        }
        let mut parts: BTreeMap<String, &str> = BTreeMap::new();
        let read = records::object(raw, &mut |key, value| {
            parts.insert(key.to_owned(), value);
            Ok(())
        });
        if let Err(e) = read {
            batch.records += 1;
            return batch.quarantine(or_root(place), e);
        }
        let word =
            |key: &str| parts.get(key).and_then(|raw| serde_json::from_str::<String>(raw).ok());
        let own = word("kind");
        if let Some(items) = parts.get("items") {
            self.continues |= parts.get("metadata").is_some_and(|m| continues(m));
            let of_list = own.as_deref().and_then(|k| k.strip_suffix("List"));
            let of_list = of_list.filter(|k| !k.is_empty()).or(kind);
            if items.starts_with('[') {
                self.raw(items, &format!("{place}/items"), of_list, batch);
            }
            return;
        }
        if own.is_none() && kind.is_none() && self.envelope(&parts, place, batch) {
            return;
        }
        match serde_json::from_str::<Value>(raw) {
            Ok(value) => self.object(&value, kind, place, batch),
            Err(e) => {
                batch.records += 1;
                batch.quarantine(or_root(place), json_message(&e));
            }
        }
    }

    /// Envelopes of collectors: lists under keys that name the kind.
    fn envelope(&mut self, parts: &BTreeMap<String, &str>, place: &str, batch: &mut Batch) -> bool {
        if let (Some(metadata), Some(resources)) = (parts.get("metadata"), parts.get("resources"))
            && metadata.contains("kubesplaining_version")
        {
            self.snapshot(metadata, resources, place, batch);
            return true;
        }
        let dumped: Vec<_> =
            parts.iter().filter(|(k, _)| k.to_lowercase().ends_with("_raw")).collect();
        if dumped.is_empty() {
            return false;
        }
        let given = self.names.clone();
        for (key, raw) in &dumped {
            let lower = key.to_lowercase();
            let stem = lower.strip_suffix("_raw").unwrap_or(&lower);
            let found = ENVELOPE.iter().find(|(end, _)| stem.ends_with(end));
            let Some((end, kind)) = found else { continue };
            let cluster = stem.strip_suffix(end).unwrap_or(stem).trim_matches('_');
            // Two clusters in one file are told apart by their key.
            self.names = Names::new(Some(cluster.strip_prefix("kubernetes_").unwrap_or(cluster)));
            self.raw(raw, &format!("{place}/{key}"), Some(kind), batch);
        }
        self.names = given;
        let rest = parts.len() - dumped.len();
        *self.others.entry("other lists".into()).or_default() += rest as u64;
        true
    }

    fn snapshot(&mut self, metadata: &str, resources: &str, place: &str, batch: &mut Batch) {
        if let Ok(m) = serde_json::from_str::<Value>(metadata) {
            let word = |key: &str| m.get(key).and_then(Value::as_str);
            if self.names.realm().is_none()
                && let Some(name) = word("cluster_name")
            {
                self.names = Names::new(Some(name));
                batch.realm = Some(text(name));
            }
            if let Some(t) = word("snapshot_timestamp").and_then(crate::facts::time::parse_rfc3339)
            {
                batch.collected_at = Some(t);
            }
        }
        let mut lists: Vec<(String, &str)> = Vec::new();
        let read = records::object(resources, &mut |key, value| {
            lists.push((key.to_owned(), value));
            Ok(())
        });
        if let Err(e) = read {
            return batch.quarantine(format!("{place}/resources"), e);
        }
        for (key, raw) in lists {
            match ENVELOPE.iter().find(|(k, _)| *k == key) {
                Some((_, kind)) if raw.starts_with('[') => {
                    self.raw(raw, &format!("{place}/resources/{key}"), Some(kind), batch);
                }
                Some(_) => {}
                None => *self.others.entry(key).or_default() += elements(raw).len() as u64,
            }
        }
    }

    fn yaml(&mut self, whole: &str, batch: &mut Batch) {
        for (line, document) in yaml_documents(whole) {
            let place = format!("L{line}");
            // `no` and `on` are names here, as Kubernetes reads them.
            let options = serde_saphyr::options! { strict_booleans: true };
            match serde_saphyr::from_str_with_options::<Value>(document, options) {
                Ok(value) => self.value(&value, &place, None, batch),
                Err(e) => {
                    batch.records += 1;
                    let message = e.to_string();
                    let first: String =
                        message.lines().next().unwrap_or("unreadable").chars().take(200).collect();
                    batch.quarantine(place, format!("not YAML of a known form: {first}"));
                }
            }
        }
    }

    /// A decoded document: an object, or lists of them. Lists do not nest.
    fn value(&mut self, value: &Value, place: &str, kind: Option<&str>, batch: &mut Batch) {
        let list = value.as_array().or_else(|| value.get("items").and_then(Value::as_array));
        let Some(items) = list else {
            let empty = value.get("items").is_some_and(Value::is_null);
            if !empty {
                self.object(value, kind, place, batch);
            }
            return;
        };
        let own = value.get("kind").and_then(Value::as_str);
        let of_list = own.and_then(|k| k.strip_suffix("List")).filter(|k| !k.is_empty());
        for (i, item) in items.iter().enumerate() {
            self.object(item, of_list.or(kind), &format!("{place}/items/{i}"), batch);
        }
    }

    fn object(&mut self, value: &Value, kind: Option<&str>, place: &str, batch: &mut Batch) {
        batch.records += 1;
        if !value.is_object() {
            return batch.quarantine(or_root(place), "not an object");
        }
        if value.get("gitVersion").is_some() {
            return rest::version(value, &self.names, &text(or_root(place)), batch);
        }
        let Some(kind) = value.get("kind").and_then(Value::as_str).or(kind) else {
            return batch.quarantine(or_root(place), "an object without `kind`");
        };
        let names = self.names.clone();
        let object = Object { kind, value, place: text(or_root(place)), names: &names };
        match self.read(&object, batch) {
            Ok(true) => {}
            Ok(false) => {
                let short: String = kind.chars().take(60).collect();
                if self.others.len() < 200 || self.others.contains_key(&short) {
                    *self.others.entry(short).or_default() += 1;
                } else {
                    *self.others.entry("other kinds".into()).or_default() += 1;
                }
            }
            Err(reason) => batch.quarantine(or_root(place), format!("{kind}: {reason}")),
        }
    }

    fn read(&mut self, o: &Object<'_>, batch: &mut Batch) -> Result<bool, String> {
        match o.kind {
            "Role" | "ClusterRole" => rbac::role(o, batch)?,
            "RoleBinding" | "ClusterRoleBinding" => rbac::binding(o, batch)?,
            "ServiceAccount" => rbac::account(o, batch)?,
            "Pod"
            | "Deployment"
            | "DaemonSet"
            | "StatefulSet"
            | "ReplicaSet"
            | "ReplicationController" => workloads::read(o, batch)?,
            "Job" | "CronJob" => {
                workloads::read(o, batch)?;
                workloads::task(o, batch)?;
                self.jobs += 1;
            }
            "Namespace" => rest::namespace(o, batch)?,
            "Node" => rest::node(o, batch)?,
            "Secret" => self.with_data += u64::from(rest::secret(o, batch)?),
            "CertificateSigningRequest" => rest::request(o, batch)?,
            "ConfigMap" => return rest::config_map(o, batch),
            // They hold no access; what may change them is judged by the roles.
            "MutatingWebhookConfiguration" | "ValidatingWebhookConfiguration" => {}
            _ => return Ok(false),
        }
        Ok(true)
    }

    fn close(self, batch: &mut Batch) {
        let mut limits = Vec::new();
        if self.continues {
            batch.completeness = Completeness::Truncated;
            limits.push("the list says that more objects follow".to_owned());
        }
        if self.with_data > 0 {
            limits.push(format!(
                "{} secrets carry values, which were not read; export them without `data`",
                self.with_data
            ));
        }
        if self.jobs > 0 {
            limits.push(format!(
                "{} jobs are tasks; in a file of their own they count as a source of tasks",
                self.jobs
            ));
        }
        if !self.others.is_empty() {
            let all: u64 = self.others.values().sum();
            let named: Vec<String> =
                self.others.iter().take(8).map(|(k, n)| format!("{k} {n}")).collect();
            let more = if self.others.len() > 8 { ", ..." } else { "" };
            limits.push(format!(
                "{all} objects of other kinds hold no access and are not assessed ({}{more})",
                named.join(", ")
            ));
        }
        if !limits.is_empty() {
            batch.limitation = Some(text(limits.join("; ")));
        }
        if batch.realm.is_none() {
            batch.realm = self.names.realm();
        }
    }
}

/// Whether the metadata of a list say that more items follow.
fn continues(metadata: &str) -> bool {
    let mut more = false;
    let read = records::object(metadata, &mut |key, value| {
        more |= key == "continue" && !matches!(value, "null" | "\"\"");
        Ok(())
    });
    read.is_ok() && more
}

fn or_root(place: &str) -> &str {
    if place.is_empty() { "/" } else { place }
}
