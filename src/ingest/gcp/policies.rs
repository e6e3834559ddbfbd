//! Allow policies in all their envelopes, and who is eligible for a grant of the Privileged Access
//! Manager.

use super::scope;
use super::{Sink, deny};
use crate::facts::*;
use crate::ingest::ledger::vendor::Doc;
use crate::ingest::source::Batch;
use crate::privilege::gcp::condition::Condition;
use crate::privilege::gcp::member;

/// Where a policy is, and when it was read.
pub struct At<'a> {
    /// Canonical scope.
    pub scope: Text,
    /// Breadth rank.
    pub rank: i64,
    /// Instant, if the record says.
    pub time: Option<Time>,
    /// Place.
    pub place: &'a Text,
}

impl<'a> At<'a> {
    /// A policy of a resource as a command names it.
    pub fn new(resource: &str, time: Option<Time>, place: &'a Text) -> Self {
        let (scope, breadth) = scope::canonical(resource);
        Self { scope, rank: breadth.rank(), time, place }
    }
}

/// `get-iam-policy`: the policy alone. What it is of, something beside the file must say.
pub fn bare(
    sink: &mut Sink<'_>,
    doc: Doc<'_>,
    place: &Text,
    batch: &mut Batch,
) -> Result<(), String> {
    let realm = sink.realm.ok_or(
        "a policy that does not name its resource; put the name (`projects/P`, `folders/N`, a bucket, \
         an account) into a file `<name>.realm` beside it or into `realm` of its [[mapping]]",
    )?;
    policy(sink, doc, &At::new(realm, None, place), batch)
}

/// `get-ancestors-iam-policy`: `{id, type, policy}`.
pub fn ancestor(
    sink: &mut Sink<'_>,
    doc: Doc<'_>,
    place: &Text,
    batch: &mut Batch,
) -> Result<(), String> {
    let (id, kind) = (doc.id("id").ok_or("`id` is missing")?, doc.need("type")?);
    let resource = match kind.to_ascii_lowercase().as_str() {
        "project" => format!("projects/{id}"),
        "folder" => format!("folders/{id}"),
        "organization" => format!("organizations/{id}"),
        other => return Err(format!("`type` is `{other}`, which is no node of the tree")),
    };
    let inner = doc.at("policy").map(Doc).ok_or("`policy` is missing")?;
    if inner.at("rules").is_some() {
        return deny::policy(sink, inner, Some(&resource), place, batch);
    }
    let at = At::new(&resource, None, place);
    sink.realm(&at.scope, None, None, place, batch);
    policy(sink, inner, &at, batch)
}

/// `analyze` and effective policies: `{attached_resource, policy}`.
pub fn attached(
    sink: &mut Sink<'_>,
    doc: Doc<'_>,
    place: &Text,
    batch: &mut Batch,
) -> Result<(), String> {
    let resource = doc.first(&["attached_resource", "attachedResource"]).ok_or("no resource")?;
    let inner = doc.at("policy").map(Doc).ok_or("`policy` is missing")?;
    let at = At::new(resource, None, place);
    sink.realm(&at.scope, None, None, place, batch);
    policy(sink, inner, &at, batch)
}

/// The bindings of a policy.
pub fn policy(
    sink: &mut Sink<'_>,
    doc: Doc<'_>,
    at: &At<'_>,
    batch: &mut Batch,
) -> Result<(), String> {
    if let Some(bindings) = doc.at("bindings")
        && !bindings.is_array()
    {
        return Err("`bindings` is no list".into());
    }
    let version = doc.at("version").and_then(serde_json::Value::as_i64);
    for (i, binding) in doc.list("bindings").enumerate() {
        let place = text(format!("{}/bindings/{i}", at.place.trim_end_matches('/')));
        if let Err(why) = bind(sink, binding, version, at, &place, batch) {
            batch.records += 1;
            batch.quarantine(&place, why);
        }
    }
    if let Some(t) = at.time {
        batch.see(t);
    }
    Ok(())
}

fn bind(
    sink: &mut Sink<'_>,
    doc: Doc<'_>,
    version: Option<i64>,
    at: &At<'_>,
    place: &Text,
    batch: &mut Batch,
) -> Result<(), String> {
    let role = doc.need("role")?;
    if role.contains("_withcond_") {
        // Version 1 shows conditional bindings as a role of a made-up name, without the condition.
        batch.completeness = Completeness::Truncated;
        sink.notes.insert(
            "a policy of version 1 hides the conditions of its bindings (role names with \
             `_withcond_`); export it with version 3"
                .into(),
        );
    }
    let condition = doc.str("condition/expression");
    if condition.is_some() && version.is_some_and(|v| v < 3) {
        sink.notes.insert("a policy with conditions calls itself older than version 3".into());
    }
    let members = doc.at("members").ok_or("`members` is missing")?;
    let members = members.as_array().ok_or("`members` is no list")?;
    let role_id = sink.role(role, place, batch);
    let condition = condition.map(text);
    let read = condition.as_deref().map(Condition::parse);
    let title = doc.str("condition/title");
    for m in members {
        let Some(written) = m.as_str().map(str::trim).filter(|m| !m.is_empty()) else {
            batch.records += 1;
            batch.quarantine(place, "a member that is no text");
            continue;
        };
        let member = member::parse(written);
        sink.member(&member, place, batch);
        batch.facts.entitlements.push(Entitlement {
            entitlement_id: id(&member.id, &role_id, &at.scope, condition.as_deref()),
            principal_id: member.id,
            via: vec![text("direct")],
            role_id: role_id.clone(),
            privilege: role_id.clone(),
            scope: at.scope.clone(),
            scope_rank: Some(at.rank),
            platform: text("gcp"),
            binding_kind: BindingKind::Active,
            not_before: read.as_ref().and_then(|c| c.maybe.begin()),
            not_after: read.as_ref().and_then(|c| c.maybe.end()),
            condition: condition.clone(),
            first_seen: at.time,
            last_seen: at.time,
            origin_hint: title.filter(|t| t.contains("PAM")).map(text),
            says_temporary: None,
            source_id: batch.source_id.clone(),
            source_ref: place.clone(),
            ..Entitlement::default()
        });
    }
    Ok(())
}

/// Identifier of a binding of one member.
pub fn id(principal: &str, role: &str, scope: &str, condition: Option<&str>) -> Text {
    match condition {
        None => text(format!("gcp|{principal}|{role}|{scope}")),
        Some(c) => text(format!("gcp|{principal}|{role}|{scope}|{c}")),
    }
}

/// An entitlement of the Privileged Access Manager: who may ask for which roles.
pub fn entitlement(
    sink: &mut Sink<'_>,
    doc: Doc<'_>,
    place: &Text,
    batch: &mut Batch,
) -> Result<(), String> {
    let access = doc.at("privilegedAccess/gcpIamAccess").map(Doc).ok_or("no `gcpIamAccess`")?;
    let at = At::new(access.need("resource")?, doc.time("updateTime")?, place);
    let state = doc.str("state").unwrap_or("AVAILABLE");
    if matches!(state, "DELETING" | "DELETED") {
        sink.aside("entitlements that are being deleted were left out");
        return Ok(());
    }
    for binding in access.list("roleBindings") {
        let role_id = sink.role(binding.need("role")?, place, batch);
        let condition = binding.str("conditionExpression").map(text);
        for who in doc.list("eligibleUsers").flat_map(|u| u.list("principals").collect::<Vec<_>>())
        {
            let Some(written) = who.0.as_str() else {
                return Err("a principal that is no text".into());
            };
            let member = member::parse(written);
            sink.member(&member, place, batch);
            let key = id(&member.id, &role_id, &at.scope, condition.as_deref());
            batch.facts.entitlements.push(Entitlement {
                entitlement_id: text(format!("{key}|eligible")),
                principal_id: member.id,
                via: vec![text(format!("entitlement:{}", doc.str("name").unwrap_or_default()))],
                role_id: role_id.clone(),
                privilege: role_id.clone(),
                scope: at.scope.clone(),
                scope_rank: Some(at.rank),
                platform: text("gcp"),
                binding_kind: BindingKind::Eligible,
                condition: condition.clone(),
                bound_at_lo: doc.time("createTime")?,
                bound_at_hi: doc.time("createTime")?,
                origin_hint: Some(text("Privileged Access Manager")),
                says_temporary: Some(true),
                source_id: batch.source_id.clone(),
                source_ref: place.clone(),
                ..Entitlement::default()
            });
        }
    }
    Ok(())
}
