//! Databricks audit log: administrators, group memberships, owners of metastores, tokens.
//!
//! Shape: delivered audit logs (vendor reference). `timestamp` is epoch milliseconds;
//! `tokenExpirationTime` is a text of epoch milliseconds, `-1` for a token without end. A token is
//! created under the hash of it and revoked under its id: the two cannot be joined.

use super::history::{History, Keys, Style, Told, opaque, slot};
use super::vendor::{Doc, JsonAdapter, mentions};
use crate::facts::{
    Credential, CredentialKind, Decision, EndKind, EventKind, Grant, Layer, Outcome, PrincipalKind,
    Text, Time, text,
};
use crate::ingest::source::Batch;

/// NDJSON as delivered, or arrays of it.
pub static AUDIT: JsonAdapter = JsonAdapter {
    format: "databricks-audit",
    title: "Databricks audit log",
    layer: Layer::Ledger,
    recognise: |p| mentions(p, &["\"serviceName\"", "\"actionName\"", "\"userIdentity\""]),
    style: Style {
        system: "databricks",
        platform: Some("databricks"),
        keys: Keys::Slot,
        missing_end: EndKind::Open,
        missing_decision: Decision::Unknown,
    },
    record,
};

fn record(doc: Doc<'_>, place: &Text, history: &mut History, _: &mut Batch) -> Result<(), String> {
    let action = doc.need("actionName")?;
    let new_owner = doc.str("requestParams/owner");
    let (kind, word) = match action {
        "setAccountAdmin" => (EventKind::Activated, "account admin"),
        "removeAccountAdmin" => (EventKind::Revoked, "account admin"),
        "setAdmin" => (EventKind::Activated, "admin"),
        "removeAdmin" => (EventKind::Revoked, "admin"),
        "changeAccountOwner" => (EventKind::Activated, "account owner"),
        "addPrincipalToGroup" | "addPrincipalsToGroup" => (EventKind::Activated, ""),
        "removePrincipalFromGroup" | "removePrincipalsFromGroup" => (EventKind::Revoked, ""),
        "updateMetastore" if new_owner.is_some() => (EventKind::Activated, "metastore owner"),
        "generateDbToken" => (EventKind::CredentialIssued, "token"),
        "revokeDbToken" => (EventKind::Revoked, "token"),
        _ => {
            history.other("are of other actions");
            return Ok(());
        }
    };
    let at = doc.need_time("timestamp")?;
    let actor = doc.text("userIdentity/email");
    let code = doc.at("response/statusCode").and_then(serde_json::Value::as_i64).unwrap_or(200);
    let outcome = match code {
        401 | 403 => Outcome::Denied,
        400.. => Outcome::Error,
        _ => Outcome::Allowed,
    };
    let told = Told {
        kind,
        at,
        actor: actor.clone(),
        outcome,
        reason: doc.text("response/errorMessage"),
        place: place.clone(),
        ..Told::default()
    };
    if word == "token" {
        return token(doc, told, history);
    }
    let who = doc
        .first(&["requestParams/principal", "requestParams/targetUserName", "requestParams/owner"])
        .ok_or("`requestParams` names nobody who receives or loses")?;
    let group = doc.str("requestParams/targetGroupName");
    let privilege = match group {
        _ if !word.is_empty() => word.to_owned(),
        Some(group) => format!("group {group}"),
        None => return Err("`requestParams.targetGroupName` is missing".into()),
    };
    let metastore = doc.id("requestParams/metastoreId").map(|id| format!("metastore/{id}"));
    let workspace =
        doc.id("workspaceId").filter(|id| id != "0").map(|id| format!("workspace/{id}"));
    let account = doc.id("accountId").map(|id| format!("account/{id}"));
    let scope = metastore.or(workspace).or(account);
    let grant = Grant {
        beneficiary: text(who),
        beneficiary_kind: if who.contains('@') { Some(PrincipalKind::Human) } else { None },
        privilege: text(&privilege),
        scope: scope.as_deref().map(text),
        grant_kind: Some(text(if group.is_some() { "membership" } else { "role assignment" })),
        ..Grant::default()
    };
    if let Some(actor) = &actor {
        history.used(actor, action, grant.scope.as_ref(), outcome, (at, place));
    }
    let own = actor.as_ref() == Some(&grant.beneficiary);
    history.tell(Told {
        key: slot(who, &privilege, scope.as_deref()),
        end_kind: match (kind, own) {
            (EventKind::Revoked, true) => EndKind::RevokedByOwner,
            (EventKind::Revoked, false) => EndKind::RevokedByAdmin,
            _ => EndKind::Unknown,
        },
        about: Some(Box::new(grant)),
        ..told
    });
    Ok(())
}

/// A personal access token of the user who calls.
fn token(doc: Doc<'_>, told: Told, history: &mut History) -> Result<(), String> {
    let id = doc
        .first(&["requestParams/tokenHash", "requestParams/tokenId", "response/result"])
        .map(str::to_owned)
        // Some records name no token; each is then about one of its own.
        .unwrap_or_else(|| format!("unnamed at {}", told.place));
    let issued = told.kind == EventKind::CredentialIssued;
    if issued && told.outcome == Outcome::Allowed {
        let unlimited = doc.id("requestParams/tokenExpirationTime").is_some_and(|s| s == "-1");
        let expires: Option<Time> =
            if unlimited { None } else { doc.time("requestParams/tokenExpirationTime")? };
        history.credential(
            &id,
            Credential {
                kind: CredentialKind::Token,
                principal: told.actor.clone().ok_or("`userIdentity.email` is missing")?,
                issued_at: Some(told.at),
                rotated_at: Some(told.at),
                expires_at: expires,
                no_expiry: expires.map(|_| false).or(unlimited.then_some(true)),
                source_ref: told.place.clone(),
                ..Credential::default()
            },
        );
    }
    let end_kind = if issued { EndKind::Unknown } else { EndKind::RevokedByUser };
    history.tell(Told { key: format!("token {}", opaque(&id)), end_kind, ..told });
    Ok(())
}
