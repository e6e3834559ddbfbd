//! Cloud Audit Logs: what was done and by which permission, and how policies changed.

use super::policies::id;
use super::{Sink, scope};
use crate::facts::*;
use crate::ingest::ledger::vendor::Doc;
use crate::ingest::source::Batch;
use crate::privilege::gcp::member;

/// Word in `origin_hint` of rows that a log gives; they date bindings and are none.
pub const FROM_LOG: &str = "policy change in the audit log";

/// One entry.
pub fn entry(
    sink: &mut Sink<'_>,
    doc: Doc<'_>,
    place: &Text,
    batch: &mut Batch,
) -> Result<(), String> {
    let payload = doc.at("protoPayload").map(Doc).ok_or("`protoPayload` is missing")?;
    if !payload.0.is_object() {
        return Err("`protoPayload` is no object".into());
    }
    let at = doc.need_time("timestamp")?;
    batch.see(at);
    let Some(actor) = actor(payload) else {
        sink.aside("entries name no caller");
        return Ok(());
    };
    let failed = payload.at("status/code").and_then(serde_json::Value::as_i64).unwrap_or(0);
    let mut any = false;
    let mut seen: Vec<&str> = Vec::new();
    for info in payload.list("authorizationInfo") {
        let Some(permission) = info.str("permission") else { continue };
        // One request may check one permission twice, by number and by name of the project.
        if seen.contains(&permission) {
            continue;
        }
        seen.push(permission);
        any = true;
        let granted = info.flag("granted").unwrap_or(false);
        let resource = info.str("resource").or_else(|| payload.str("resourceName"));
        batch.facts.usage.push(Usage {
            action: Some(text(permission)),
            resource: resource.map(text),
            scope: resource.and_then(scope::project_in).or_else(|| {
                doc.str("resource/labels/project_id").map(|p| text(format!("projects/{p}")))
            }),
            outcome: match (granted, failed) {
                (false, _) => Outcome::Denied,
                (true, 0) => Outcome::Allowed,
                (true, 7) => Outcome::Denied,
                (true, _) => Outcome::Error,
            },
            ..row(doc, payload, &actor, at, place, batch)
        });
    }
    if !any {
        batch.facts.usage.push(Usage {
            action: payload.str("methodName").map(text),
            resource: payload.text("resourceName"),
            outcome: if failed == 0 { Outcome::Allowed } else { Outcome::Denied },
            ..row(doc, payload, &actor, at, place, batch)
        });
    }
    delegation(payload, &actor, at, place, batch);
    let changes = ["serviceData/policyDelta/bindingDeltas", "metadata/policyDelta/bindingDeltas"];
    for delta in changes.iter().flat_map(|p| payload.list(p).collect::<Vec<_>>()) {
        change(doc, payload, delta, at, place, batch)?;
    }
    Ok(())
}

/// Caller: an address, or the identity from outside that has none.
fn actor(payload: Doc<'_>) -> Option<Text> {
    let info = "authenticationInfo";
    if let Some(email) = payload.str(&format!("{info}/principalEmail")) {
        return Some(text(email.to_lowercase()));
    }
    let subject = payload.str(&format!("{info}/principalSubject"))?;
    Some(member::parse(subject).id)
}

fn row(
    doc: Doc<'_>,
    payload: Doc<'_>,
    actor: &Text,
    at: Time,
    place: &Text,
    batch: &Batch,
) -> Usage {
    let key = payload.str("authenticationInfo/serviceAccountKeyName");
    let _ = doc;
    Usage {
        principal: actor.clone(),
        credential_id: key
            .and_then(super::accounts::parts)
            .map(|(email, key)| super::accounts::key_id(&email, key)),
        platform: Some(text("gcp")),
        first_at: Some(at),
        last_at: Some(at),
        count: Some(1),
        grain: UsageGrain::Event,
        source_ip: payload.text("requestMetadata/callerIp"),
        user_agent: payload.text("requestMetadata/callerSuppliedUserAgent"),
        source_id: batch.source_id.clone(),
        source_ref: place.clone(),
        ..Usage::default()
    }
}

/// Who acted through the service account: each of the chain lends itself the next.
fn delegation(payload: Doc<'_>, actor: &Text, at: Time, place: &Text, batch: &mut Batch) {
    let mut chain: Vec<Text> = payload
        .list("authenticationInfo/serviceAccountDelegationInfo")
        .filter_map(|d| {
            d.str("firstPartyPrincipal/principalEmail")
                .map(|e| text(e.to_lowercase()))
                .or_else(|| d.str("principalSubject").map(|s| member::parse(s).id))
        })
        .collect();
    if chain.is_empty() {
        return;
    }
    // The first entry is the first to ask for a token, the caller of the request the last in line.
    let origin = chain.first().cloned();
    chain.push(actor.clone());
    for pair in chain.array_windows::<2>() {
        let [parent, child] = pair;
        if parent == child {
            continue;
        }
        batch.facts.delegations.push(Delegation {
            parent: parent.clone(),
            child: child.clone(),
            decided: Some(true),
            from: Some(at),
            origin: origin.clone(),
            evidence: text("service_account_delegation"),
            source_id: batch.source_id.clone(),
            source_ref: place.clone(),
            ..Delegation::default()
        });
    }
}

/// One change of a policy: it dates the binding.
fn change(
    doc: Doc<'_>,
    payload: Doc<'_>,
    delta: Doc<'_>,
    at: Time,
    place: &Text,
    batch: &mut Batch,
) -> Result<(), String> {
    let (member, role) = (member::parse(delta.need("member")?), text(delta.need("role")?));
    let resource = payload.str("resourceName").map(str::to_owned);
    let resource = resource
        .or_else(|| doc.str("resource/labels/project_id").map(|p| format!("projects/{p}")))
        .ok_or("the change names no resource")?;
    let (scope, breadth) = scope::canonical(&resource);
    let condition = delta.str("condition/expression").map(text);
    let added = delta.need("action")? == "ADD";
    batch.facts.entitlements.push(Entitlement {
        entitlement_id: id(&member.id, &role, &scope, condition.as_deref()),
        principal_id: member.id,
        via: vec![text("direct")],
        role_id: role.clone(),
        privilege: role,
        scope,
        scope_rank: Some(breadth.rank()),
        platform: text("gcp"),
        condition,
        bound_at_lo: added.then_some(at),
        bound_at_hi: added.then_some(at),
        unbound_at_lo: (!added).then_some(at),
        unbound_at_hi: (!added).then_some(at),
        origin_hint: Some(text(FROM_LOG)),
        source_id: batch.source_id.clone(),
        source_ref: place.clone(),
        ..Entitlement::default()
    });
    Ok(())
}
