//! Vault and OpenBao: policies, AppRole roles, identity entities and groups. Tokens are read with the
//! look-ups (`vault-lookups`), which are ledger and state at once.
//!
//! Specification: cloud semantics 3.4 and 4.4. An AppRole is `auth/approle/role/NAME`; an entity is its
//! id, as tokens and audit lines name it.

use serde_json::Value;

use super::{Binding, Export, Rec, Sink, is_text_list};
use crate::facts::{
    BindingKind, Completeness, Confidence, Layer, PrincipalKind, RoleKind, Text, text,
};
use crate::ingest::ledger::vendor::{contains, mentions};
use crate::ingest::reader;
use crate::ingest::source::{Adapter, Batch, Context, IngestError, Input, Match, Probe, Shape};
use crate::privilege::class::Breadth;

mod auth;

pub use auth::LOGIN;

/// Mark in `roles.version` of a policy that a complete list of policies names.
pub const LISTED: &str = "listed";
/// Platform word.
const PLATFORM: &str = "vault";
/// Scope of everything in one Vault.
const SCOPE: &str = "vault";

/// Longest life of a secret id that still counts as issued for one login, seconds.
const SHORT_S: i64 = 24 * 3600;

/// Policies in JSON, AppRole roles, entities, groups.
pub static STATE: Export = Export {
    format: "vault-state",
    title: "Vault policies (JSON), roles of auth methods, entities and groups",
    layer: Layer::State,
    lower: false,
    recognise: |p| {
        mentions(p, &["\"token_policies\"", "\"bind_secret_id\""])
            || mentions(p, &["\"token_policies\"", "\"token_ttl\""])
            || mentions(p, &["\"allowed_policies\"", "\"orphan\""])
            || (mentions(p, &["\"auth/", "olicies\""]) && !contains(p, "\"request\""))
            || (mentions(p, &["\"path\"", "\"capabilities\""]) && !contains(p, "\"request\""))
            || (mentions(p, &["\"policy\"", "\"name\""]) && contains(p, "path \\\""))
            || (mentions(p, &["\"rules\"", "\"name\""]) && contains(p, "path \\\""))
            || mentions(p, &["\"member_entity_ids\"", "\"policies\""])
            || mentions(p, &["\"direct_group_ids\"", "\"policies\""])
            || mentions(p, &["\"default_lease_ttl\"", "\"accessor\"", "\"config\""])
    },
    record,
};

/// Key of a policy in `roles`.
pub(crate) fn policy_id(name: &str) -> String {
    format!("{PLATFORM}/policy/{name}")
}

/// A binding of a policy.
pub(crate) fn bind<'a>(who: &'a Text, policy: &'a str) -> Binding<'a> {
    Binding {
        platform: PLATFORM,
        who,
        role_id: policy_id(policy),
        privilege: policy,
        scope: SCOPE,
        breadth: Breadth::Tenant,
    }
}

fn policy(name: &str, document: &str, sink: &mut Sink<'_>) {
    let malformed = crate::privilege::vault::parse(document).err();
    sink.role(PLATFORM, &policy_id(name), name, Some(document.to_owned()));
    if let Some(role) = sink.batch.facts.roles.last_mut() {
        role.kind = RoleKind::ManagedPolicy;
        role.malformed = malformed.map(text);
    }
}

fn record(r: &Rec<'_>, sink: &mut Sink<'_>) -> Result<bool, String> {
    let d = r.doc;
    if let Some(method) = auth::method(r) {
        return auth::login(method, r, sink);
    }
    if d.at("token_policies").is_some() || d.at("bind_secret_id").is_some() {
        return approle(r, sink);
    }
    if let Some(document) = d.first(&["policy", "rules"])
        && (d.str("name").is_some() || document.contains("path "))
    {
        policy(d.str("name").unwrap_or(r.stem), document, sink);
        return Ok(true);
    }
    if let Some(path) = d.at("path").filter(|p| p.is_object() || p.is_array()) {
        let document = serde_json::json!({ "path": path }).to_string();
        policy(d.str("name").or(r.key()).unwrap_or(r.stem), &document, sink);
        return Ok(true);
    }
    if d.at("member_entity_ids").is_some() {
        return group(r, sink);
    }
    if d.at("direct_group_ids").is_some()
        || (d.at("aliases").is_some() && d.at("policies").is_some())
    {
        return entity(r, sink);
    }
    if d.at("accessor").is_some() && d.at("config").is_some() && d.str("type").is_some() {
        sink.limit(
            "auth methods are an inventory: what their roles give is in the export of each role",
        );
        return Ok(true);
    }
    Ok(false)
}

fn strings(r: &Rec<'_>, key: &str) -> Vec<String> {
    r.doc
        .at(key)
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
        .filter_map(|v| v.as_str().map(str::to_owned))
        .collect()
}

fn approle(r: &Rec<'_>, sink: &mut Sink<'_>) -> Result<bool, String> {
    let name = r.doc.str("role_name").or(r.key()).unwrap_or(r.stem);
    let who = text(format!("auth/approle/role/{name}"));
    sink.principal((&who, PLATFORM, PrincipalKind::Workload), |p| {
        p.name = Some(text(name));
        p.realm = r.realm.map(text);
    });
    let mut policies = strings(r, "token_policies");
    policies.extend(strings(r, "policies"));
    if r.flag("token_no_default_policy")? != Some(true) {
        policies.push("default".into());
    }
    let ttl = r.int("secret_id_ttl").unwrap_or(0);
    let uses = r.int("secret_id_num_uses").unwrap_or(0);
    // A secret id for one login must be issued anew each time, by somebody who may.
    let issued = uses == 1 || (ttl > 0 && ttl <= SHORT_S);
    let periodic = r.int("token_period").unwrap_or(0) > 0;
    let bound =
        ["secret_id_bound_cidrs", "token_bound_cidrs"].iter().any(|k| !strings(r, k).is_empty());
    policies.sort_unstable();
    policies.dedup();
    for name in &policies {
        if let Some(e) = sink.entitlement(&bind(&who, name)) {
            e.binding_kind =
                if issued && !periodic { BindingKind::Eligible } else { BindingKind::Active };
            e.via = vec![text("approle")];
            e.origin_hint = bound.then(|| text("only from the networks it is bound to"));
        }
    }
    Ok(true)
}

fn entity(r: &Rec<'_>, sink: &mut Sink<'_>) -> Result<bool, String> {
    let id = text(r.doc.need("id")?);
    let created = r.time("creation_time")?;
    let disabled = r.flag("disabled")?;
    sink.principal((&id, PLATFORM, PrincipalKind::Unknown), |p| {
        p.name = r.doc.text("name");
        p.realm = r.realm.map(text);
        p.created_at = created;
        p.disabled = disabled;
    });
    if let Some(name) = r.doc.str("name") {
        sink.alias(&id, "name", name, Confidence::Strong);
    }
    for name in strings(r, "policies") {
        if let Some(e) = sink.entitlement(&bind(&id, &name)) {
            e.via = vec![text("entity")];
        }
    }
    for group in strings(r, "group_ids").iter().chain(&strings(r, "direct_group_ids")) {
        if sink.first(&text(format!("{id} in {group}"))) {
            sink.member(&id, &text(group));
        }
    }
    Ok(true)
}

fn group(r: &Rec<'_>, sink: &mut Sink<'_>) -> Result<bool, String> {
    let id = text(r.doc.need("id")?);
    sink.principal((&id, PLATFORM, PrincipalKind::Group), |p| {
        p.name = r.doc.text("name");
        p.realm = r.realm.map(text);
    });
    for name in strings(r, "policies") {
        sink.entitlement(&bind(&id, &name));
    }
    for member in strings(r, "member_entity_ids").iter().chain(&strings(r, "member_group_ids")) {
        sink.member(&text(member), &id);
    }
    Ok(true)
}

/// One policy in HCL; its name is that of the file.
#[derive(Debug)]
pub struct Policy;

impl Adapter for Policy {
    fn format(&self) -> &'static str {
        "vault-policy"
    }

    fn title(&self) -> &'static str {
        "Vault policy (HCL)"
    }

    fn layer(&self) -> Layer {
        Layer::State
    }

    fn recognise(&self, probe: &Probe<'_>) -> Option<Match> {
        let text = matches!(probe.shape, Shape::Text | Shape::Csv);
        let block = contains(probe, "path \"") || contains(probe, "path\"");
        let body = contains(probe, "capabilities") || contains(probe, "policy");
        (text && block && body && contains(probe, "{")).then_some(Match::Generic)
    }

    fn read(&self, input: &Input, ctx: &Context<'_>, batch: &mut Batch) -> Result<(), IngestError> {
        let _ = ctx;
        let bytes = reader::read_all(input)?;
        let base = input.name.rsplit('/').next().unwrap_or(&input.name);
        let name = base.trim_end_matches(".gz").trim_end_matches(".hcl").to_owned();
        batch.records = 1;
        match std::str::from_utf8(&bytes) {
            Err(_) => batch.quarantine("L1", "not UTF-8 text"),
            Ok(document) => {
                let mut seen = std::collections::BTreeSet::new();
                policy(&name, document, &mut Sink { batch, place: text("L1"), seen: &mut seen });
            }
        }
        Ok(())
    }
}

/// `vault policy list -format=json`, or `sys/policies/acl`: the names of all policies there are.
#[derive(Debug)]
pub struct PolicyList;

/// Names in a list of policies, plain or in the answer of the API.
fn names(value: &Value) -> Option<Vec<&str>> {
    let keys = ["/keys", "/data/keys", "/policies", "/data/policies"];
    let list = std::iter::once(value)
        .chain(keys.iter().filter_map(|k| value.pointer(k)))
        .find(|v| v.as_array().is_some_and(|l| !l.is_empty()) && is_text_list(v))?;
    Some(list.as_array()?.iter().filter_map(Value::as_str).collect())
}

impl Adapter for PolicyList {
    fn format(&self) -> &'static str {
        "vault-policy-list"
    }

    fn title(&self) -> &'static str {
        "Vault, list of all policies"
    }

    fn layer(&self) -> Layer {
        Layer::Context
    }

    fn recognise(&self, probe: &Probe<'_>) -> Option<Match> {
        // Every Vault has these two, and they are in every list.
        let json = matches!(probe.shape, Shape::JsonArray | Shape::JsonObject);
        let both = contains(probe, "\"default\"") && contains(probe, "\"root\"");
        if !json || !both {
            return None;
        }
        let value: Value = serde_json::from_slice(probe.head).ok()?;
        let found = names(&value)?;
        (found.contains(&"default") && found.contains(&"root")).then_some(Match::Specific)
    }

    fn read(&self, input: &Input, ctx: &Context<'_>, batch: &mut Batch) -> Result<(), IngestError> {
        let _ = ctx;
        let bytes = reader::read_all(input)?;
        batch.records = 1;
        let value: Value = match serde_json::from_slice(&bytes) {
            Ok(value) => value,
            Err(e) => {
                batch.quarantine("L1", crate::ingest::records::json_message(&e));
                return Ok(());
            }
        };
        let Some(found) = names(&value) else {
            batch.quarantine("L1", "not a list of names");
            return Ok(());
        };
        batch.records = i64::try_from(found.len()).unwrap_or(i64::MAX);
        batch.completeness = Completeness::Complete;
        let mut seen = std::collections::BTreeSet::new();
        for (i, name) in found.iter().enumerate() {
            let place = text(format!("/{i}"));
            let mut sink = Sink { batch, place, seen: &mut seen };
            sink.role(PLATFORM, &policy_id(name), name, None);
            if let Some(role) = sink.batch.facts.roles.last_mut() {
                role.kind = RoleKind::ManagedPolicy;
                role.version = Some(text(LISTED));
            }
        }
        Ok(())
    }
}
