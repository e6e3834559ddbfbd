//! Activity log of an Anthropic organisation: role assignments, administrator and service keys,
//! connected MCP servers.
//!
//! Shape: the activity feed of the compliance interface, as in the samples. Records of keys do not name
//! the key, so that a removal cannot be joined to a creation: both are kept, unjoined.

use super::history::{History, Keys, Style, Told, opaque};
use super::vendor::{Doc, JsonAdapter, mentions};
use crate::facts::{
    BrokerKind, Decision, EndKind, EventKind, Grant, Layer, Outcome, PrincipalKind, Text, text,
};
use crate::ingest::source::Batch;

/// Pages, arrays and NDJSON of the feed.
pub static ACTIVITY: JsonAdapter = JsonAdapter {
    format: "anthropic-activity",
    title: "Anthropic organisation activity log",
    layer: Layer::Ledger,
    recognise: |p| {
        mentions(p, &["\"organization_id\"", "\"actor\"", "\"created_at\"", "\"type\""])
            && ["user_actor", "api_actor", "activity_", "_actor\""]
                .iter()
                .any(|w| mentions(p, &[w]))
    },
    style: Style {
        system: "anthropic",
        platform: Some("anthropic"),
        keys: Keys::Slot,
        missing_end: EndKind::Open,
        missing_decision: Decision::Unknown,
    },
    record,
};

/// Types by what they are about, with the words for begin and end.
const FAMILIES: [(&str, &str); 5] = [
    ("role_assignment_", "role"),
    ("admin_api_key_", "administrator API key"),
    ("service_key_", "service key"),
    ("api_key_", "API key"),
    ("mcp_server_", "MCP server"),
];

fn record(doc: Doc<'_>, place: &Text, history: &mut History, _: &mut Batch) -> Result<(), String> {
    let event = doc.need("type")?;
    let family = FAMILIES.iter().find_map(|(p, word)| Some((*word, event.strip_prefix(p)?)));
    let (word, kind) = match family {
        Some((word, "granted" | "created")) => (word, EventKind::Activated),
        Some((word, "revoked" | "deleted" | "removed")) => (word, EventKind::Revoked),
        _ => {
            history.other("are of other types");
            return Ok(());
        }
    };
    let at = doc.need_time("created_at")?;
    let actor = doc.first(&["actor/email_address", "actor/user_id", "actor/api_key_id"]).map(text);
    let organisation = doc.text("organization_id");
    let (key, grant) = match word {
        "role" => {
            let (who, role) = (doc.need("target_id")?, doc.need("role")?);
            let resource = doc.text("resource_id").or(organisation);
            let grant = Grant {
                beneficiary: text(who),
                beneficiary_kind: match doc.str("target_type") {
                    Some("organization_member" | "user") => Some(PrincipalKind::Human),
                    Some("group") => Some(PrincipalKind::Group),
                    _ => None,
                },
                privilege: text(role),
                scope: resource.clone(),
                grant_kind: Some(text("role assignment")),
                ..Grant::default()
            };
            (format!("{who}|{role}|{}", resource.as_deref().unwrap_or("")), grant)
        }
        "MCP server" => {
            let id = doc.need("mcp_server_id")?;
            let grant = Grant {
                beneficiary: text(doc.str("mcp_server_name").unwrap_or(id)),
                beneficiary_kind: Some(PrincipalKind::App),
                requester: actor.clone().filter(|_| kind == EventKind::Activated),
                privilege: text(word),
                scope: organisation,
                grant_kind: Some(text("connection")),
                ..Grant::default()
            };
            (format!("mcp_server|{id}"), grant)
        }
        _ => {
            let named = ["admin_api_key_id", "service_key_id", "api_key_id", "key_id", "target_id"];
            let key = match doc.first(&named) {
                Some(id) => format!("{word}|{}", opaque(id)),
                // Each record is about a key of its own as far as it tells.
                None => format!("{word}|{}|{}|{event}", doc.need("id")?, at.to_rfc3339()),
            };
            let grant = Grant {
                beneficiary: actor.clone().ok_or("`actor` is missing")?,
                privilege: text(word),
                scope: organisation,
                broker_kind: BrokerKind::Credential,
                grant_kind: Some(text(word)),
                ..Grant::default()
            };
            (key, grant)
        }
    };
    if let Some(actor) = &actor {
        history.used(actor, event, grant.scope.as_ref(), Outcome::Allowed, (at, place));
    }
    let own = actor.as_ref() == Some(&grant.beneficiary);
    history.tell(Told {
        key,
        kind,
        at,
        end_kind: match (kind, word, own) {
            (EventKind::Revoked, "role", true) => EndKind::RevokedByOwner,
            (EventKind::Revoked, "role" | "MCP server", _) => EndKind::RevokedByAdmin,
            (EventKind::Revoked, ..) => EndKind::RevokedByUser,
            _ => EndKind::Unknown,
        },
        actor,
        about: (kind == EventKind::Activated).then(|| Box::new(grant)),
        place: place.clone(),
        ..Told::default()
    });
    Ok(())
}
