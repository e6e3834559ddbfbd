//! Deny policies: kept whole as a document, attached to a node of the tree.

use serde_json::json;

use super::{Sink, scope};
use crate::facts::*;
use crate::ingest::ledger::vendor::Doc;
use crate::ingest::source::Batch;
use crate::privilege::gcp::catalogue::catalogue;
use crate::privilege::gcp::deny;

/// One deny policy. `attached` is the node, where the envelope says it.
pub fn policy(
    sink: &mut Sink<'_>,
    doc: Doc<'_>,
    attached: Option<&str>,
    place: &Text,
    batch: &mut Batch,
) -> Result<(), String> {
    let name = doc.str("name").unwrap_or_default();
    // policies/{url-encoded attachment point}/denypolicies/{id}
    let point = name
        .strip_prefix("policies/")
        .and_then(|rest| rest.split_once("/denypolicies/"))
        .map(|(point, _)| decoded(point));
    let resource = match (&point, attached) {
        (Some(point), _) => point.as_str(),
        (None, Some(attached)) => attached,
        (None, None) => return Err("the deny policy names no attachment point".into()),
    };
    let (target, _) = scope::canonical(
        resource.strip_prefix("cloudresourcemanager.googleapis.com/").unwrap_or(resource),
    );
    let id = text(if name.is_empty() { format!("{target}#deny") } else { name.to_owned() });
    let rules = doc.at("rules");
    if rules.is_some_and(|r| !r.is_array()) {
        return Err("`rules` is no list".into());
    }
    if rules.is_none() {
        batch.completeness = Completeness::Truncated;
        sink.notes.insert(
            "lists of deny policies do not show their rules; `gcloud iam policies get` does".into(),
        );
    }
    unmapped(sink, doc);
    sink.realm(&target, None, None, place, batch);
    batch.facts.roles.push(Role {
        role_id: id.clone(),
        platform: text("gcp"),
        realm: Some(target.clone()),
        name: text(doc.first(&["displayName"]).unwrap_or(name)),
        kind: RoleKind::ManagedPolicy,
        document: rules.map(|r| text(json!({ "rules": r }).to_string())),
        updated_at: doc.time("updateTime")?,
        source_id: batch.source_id.clone(),
        source_ref: place.clone(),
        ..Role::default()
    });
    batch.facts.guardrails.push(Guardrail {
        platform: text("gcp"),
        kind: GuardrailKind::Deny,
        target_id: Some(target),
        level: None,
        role_id: id,
        name: text(doc.first(&["displayName"]).unwrap_or(name)),
        source_id: batch.source_id.clone(),
        source_ref: place.clone(),
    });
    Ok(())
}

/// Permissions that no predefined role holds: what such a deny takes away is not known.
fn unmapped(sink: &mut Sink<'_>, doc: Doc<'_>) {
    let known = &catalogue().permissions;
    for written in
        doc.list("rules").flat_map(|r| r.list("denyRule/deniedPermissions").collect::<Vec<_>>())
    {
        let Some(written) = written.0.as_str() else { continue };
        let stands = deny::permission(written).unwrap_or_default();
        let met = |p: &String| match p.split_once('*') {
            None => known.binary_search(p).is_ok(),
            Some(_) => known.iter().any(|k| deny::names(p, k)),
        };
        if !stands.iter().any(met) && sink.notes.len() < 20 {
            let short: String = written.chars().take(120).collect();
            sink.notes.insert(format!(
                "a deny policy names `{short}`, which no predefined role holds: what it takes away is \
                 not known"
            ));
        }
    }
}

/// Percent-decoded text; what is no code stays as it is.
fn decoded(s: &str) -> String {
    let mut out = Vec::with_capacity(s.len());
    let mut bytes = s.bytes();
    while let Some(b) = bytes.next() {
        if b != b'%' {
            out.push(b);
            continue;
        }
        let digit = |b: Option<u8>| b.and_then(|b| char::from(b).to_digit(16));
        let rest = bytes.clone();
        match (digit(bytes.next()), digit(bytes.next())) {
            (Some(a), Some(b)) => out.push(u8::try_from(a * 16 + b).unwrap_or(b'%')),
            _ => {
                out.push(b'%');
                bytes = rest;
            }
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}
