//! Audit log of an OpenAI organisation: role assignments, users, service accounts, API keys.
//!
//! Shape: `GET /v1/organization/audit_logs` (vendor reference); `effective_at` is epoch seconds. What
//! happened lies under a key that is the type (`role.assignment.created`; log pipelines write
//! `role_assignment_created`). A role assignment names its role only inside its id.

use super::history::{History, Keys, Style, Told, opaque, slot};
use super::vendor::{Doc, JsonAdapter, mentions};
use crate::facts::{
    BrokerKind, Credential, CredentialKind, Decision, EndKind, EventKind, Grant, Layer, Outcome,
    PrincipalKind, Text, Time, text,
};
use crate::ingest::source::Batch;

/// Pages, arrays and NDJSON of the log.
pub static AUDIT: JsonAdapter = JsonAdapter {
    format: "openai-audit",
    title: "OpenAI organisation audit log",
    layer: Layer::Ledger,
    recognise: |p| {
        mentions(p, &["\"effective_at\"", "\"actor\"", "\"type\""])
            && (mentions(p, &["organization.audit_log"]) || mentions(p, &["audit_log"]))
    },
    style: Style {
        system: "openai",
        platform: Some("openai"),
        keys: Keys::Slot,
        missing_end: EndKind::Open,
        missing_decision: Decision::Unknown,
    },
    record,
};

fn actor(doc: Doc<'_>) -> Option<Text> {
    let paths = [
        "actor/session/user/email",
        "actor/session/user/id",
        "actor/api_key/user/email",
        "actor/api_key/user/id",
        "actor/api_key/service_account/id",
    ];
    doc.first(&paths)
        .map(text)
        .or_else(|| doc.str("actor/api_key/id").map(|id| text(format!("API key {}", opaque(id)))))
}

/// Role inside the id of an assignment: `role_assignment_<role>__<kind>__<resource>_<principal>`.
fn role_of(id: &str) -> &str {
    let rest = id.strip_prefix("role_assignment_").unwrap_or(id);
    rest.split_once("__").map_or(rest, |(role, _)| role)
}

fn record(doc: Doc<'_>, place: &Text, history: &mut History, _: &mut Batch) -> Result<(), String> {
    let event = doc.need("type")?;
    let (family, verb) = event.rsplit_once('.').unwrap_or((event, ""));
    let kind = match (family, verb) {
        ("role.assignment" | "api_key" | "service_account", "created") | ("user", "added") => {
            EventKind::Activated
        }
        ("role.assignment" | "api_key" | "service_account" | "user", "deleted") => {
            EventKind::Revoked
        }
        ("api_key" | "service_account" | "user", "updated") => EventKind::RequestUpdated,
        _ => {
            history.other("are of other types");
            return Ok(());
        }
    };
    let at = doc.need_time("effective_at")?;
    // The API names the field as the type; some pipelines put underscores for its dots.
    let says = doc
        .at(event)
        .or_else(|| doc.at(&event.replace('.', "_")))
        .map(Doc)
        .ok_or_else(|| format!("`{event}` is missing"))?;
    let id = says.need("id")?;
    let actor = actor(doc);
    let project = doc.str("project/id");
    let word = |s: &str| says.first(&[&format!("data/{s}"), &format!("changes_requested/{s}")]);
    let scopes = ["data/scopes", "changes_requested/scopes"]
        .iter()
        .find_map(|p| says.at(p)?.as_array())
        .map(|list| {
            let mut all: Vec<&str> = list.iter().filter_map(serde_json::Value::as_str).collect();
            all.sort_unstable();
            all.join(", ")
        })
        .filter(|s| !s.is_empty());
    let (key, grant) = match family {
        "role.assignment" => (id.to_owned(), assignment(id, says)),
        "api_key" => {
            let key = format!("API key {}", opaque(id));
            let grant = Grant {
                beneficiary: actor.clone().unwrap_or_default(),
                privilege: text(scopes.as_deref().unwrap_or("API key without stated scopes")),
                scope: project.map(text),
                broker_kind: BrokerKind::Credential,
                grant_kind: Some(text("API key")),
                ..Grant::default()
            };
            credential(id, &key, (kind, at), actor.as_ref(), place, history);
            (key, grant)
        }
        _ => {
            let who = word("email").unwrap_or(id);
            let grant = Grant {
                beneficiary: text(who),
                beneficiary_kind: Some(if family == "user" {
                    PrincipalKind::Human
                } else {
                    PrincipalKind::ServiceAccount
                }),
                privilege: text(word("role").unwrap_or("member")),
                scope: project.map(text),
                grant_kind: Some(text("membership")),
                ..Grant::default()
            };
            (slot(id, family, project), grant)
        }
    };
    if let Some(actor) = &actor {
        history.used(actor, event, grant.scope.as_ref(), Outcome::Allowed, (at, place));
    }
    let own = actor.as_ref() == Some(&grant.beneficiary);
    let change = kind == EventKind::RequestUpdated;
    let reason = scopes.or_else(|| word("role").map(str::to_owned)).filter(|_| change);
    history.tell(Told {
        key,
        kind,
        at,
        actor,
        reason: reason.map(|r| text(format!("changed to {r}"))),
        end_kind: match (kind, family == "api_key", own) {
            (EventKind::Revoked, false, true) => EndKind::RevokedByOwner,
            // Whose key it was stands in the record of its creation, not here.
            (EventKind::Revoked, true, _) => EndKind::RevokedByUser,
            (EventKind::Revoked, ..) => EndKind::RevokedByAdmin,
            _ => EndKind::Unknown,
        },
        about: (kind == EventKind::Activated && !grant.beneficiary.is_empty())
            .then(|| Box::new(grant)),
        place: place.clone(),
        ..Told::default()
    });
    Ok(())
}

/// The key itself; a change of its scopes says nothing about its life.
fn credential(
    id: &str,
    key: &str,
    (kind, at): (EventKind, Time),
    actor: Option<&Text>,
    place: &Text,
    history: &mut History,
) {
    let revoked = Some(at).filter(|_| kind == EventKind::Revoked);
    let issued = Some(at).filter(|_| kind == EventKind::Activated);
    if issued.is_none() && revoked.is_none() {
        return;
    }
    history.credential(
        id,
        Credential {
            kind: CredentialKind::Key,
            // Whoever makes a key holds it; whoever deletes it may be anybody.
            principal: actor.filter(|_| issued.is_some()).cloned().unwrap_or_default(),
            grant_id: issued.map(|t| text(format!("{key}@{}", t.to_rfc3339()))),
            active: revoked.map(|_| false),
            issued_at: issued,
            rotated_at: issued,
            revoked_at: revoked,
            source_ref: place.clone(),
            ..Credential::default()
        },
    );
}

/// Grant of a role, of which only the id of the assignment holds the name.
fn assignment(id: &str, says: Doc<'_>) -> Grant {
    let who = says.str("principal_id").unwrap_or(id);
    let kind = match says.str("principal_type") {
        Some("user") => PrincipalKind::Human,
        Some("group") => PrincipalKind::Group,
        Some("service_account") => PrincipalKind::ServiceAccount,
        _ => PrincipalKind::Unknown,
    };
    Grant {
        beneficiary: text(who),
        beneficiary_kind: Some(kind),
        privilege: text(role_of(id)),
        scope: says.text("resource_id"),
        grant_kind: Some(text("role assignment")),
        ..Grant::default()
    }
}
