//! Service accounts, their keys, and API keys.

use super::{Sink, scope};
use crate::facts::*;
use crate::ingest::ledger::vendor::Doc;
use crate::ingest::source::Batch;
use crate::privilege::gcp::member::{self, Party};

/// `iam service-accounts list`.
pub fn account(
    sink: &mut Sink<'_>,
    doc: Doc<'_>,
    place: &Text,
    batch: &mut Batch,
) -> Result<(), String> {
    let member = member::parse(&format!("serviceAccount:{}", doc.need("email")?));
    if member.party != Party::ServiceAccount {
        return Err("`email` is no address of a service account".into());
    }
    let realm = doc
        .str("projectId")
        .map(|p| text(format!("projects/{p}")))
        .or_else(|| doc.str("name").and_then(scope::project_in));
    let agent = member::is_service_agent(&member.id);
    let kind = if agent { PrincipalKind::System } else { PrincipalKind::ServiceAccount };
    if let Some(unique) = doc.id("uniqueId") {
        batch.facts.aliases.push(Alias {
            principal_id: member.id.clone(),
            alias_type: text("unique_id"),
            alias: text(unique),
            confidence: Confidence::Exact,
            rule: text("A1"),
            source_id: batch.source_id.clone(),
            source_ref: place.clone(),
            ..Alias::default()
        });
    }
    sink.seen.insert(member.id.clone());
    batch.facts.principals.push(Principal {
        email: Some(member.id.clone()),
        principal_id: member.id,
        kind,
        platform: Some(text("gcp")),
        realm,
        name: doc.text("displayName"),
        is_nhi: Some(true),
        disabled: Some(doc.flag("disabled").unwrap_or(false)),
        inventoried: true,
        source_id: batch.source_id.clone(),
        source_ref: place.clone(),
        ..Principal::default()
    });
    Ok(())
}

/// `iam service-accounts keys list`.
pub fn key(
    sink: &mut Sink<'_>,
    doc: Doc<'_>,
    place: &Text,
    batch: &mut Batch,
) -> Result<(), String> {
    let name = doc.need("name")?.to_owned();
    named_key(sink, doc, &name, place, batch)
}

/// A key whose full name stands elsewhere (an asset).
pub fn named_key(
    sink: &mut Sink<'_>,
    doc: Doc<'_>,
    name: &str,
    place: &Text,
    batch: &mut Batch,
) -> Result<(), String> {
    let (email, key) = parts(name).ok_or("`name` is not that of a key")?;
    if doc.str("keyType") == Some("SYSTEM_MANAGED") {
        // Google makes, rotates and guards these; nobody can take one away.
        sink.aside("keys that Google manages itself were left out");
        return Ok(());
    }
    let issued = doc.time("validAfterTime")?;
    let until = doc.time("validBeforeTime")?;
    // The last second of the year 9999 stands for no expiry.
    let never = doc.str("validBeforeTime").is_some_and(|s| s.starts_with("9999-12-31"));
    batch.facts.credentials.push(Credential {
        credential_id: key_id(&email, key),
        kind: CredentialKind::Key,
        principal: text(&email),
        active: Some(!doc.flag("disabled").unwrap_or(false)),
        issued_at: issued,
        rotated_at: issued,
        expires_at: until.filter(|_| !never),
        no_expiry: if never { Some(true) } else { until.map(|_| false) },
        source_id: batch.source_id.clone(),
        source_ref: place.clone(),
        ..Credential::default()
    });
    Ok(())
}

/// Account and id of a key, out of its name.
pub fn parts(name: &str) -> Option<(String, &str)> {
    let (_, rest) = name.split_once("/serviceAccounts/")?;
    let (account, key) = rest.split_once("/keys/")?;
    (!account.is_empty() && !key.is_empty()).then(|| (account.to_lowercase(), key))
}

/// Name of a key: the account and the first characters of the key's id, which is no secret and is cut
/// all the same.
pub fn key_id(email: &str, key: &str) -> Text {
    let short: String = key.chars().take(8).collect();
    let more = if key.chars().count() > 8 { "..." } else { "" };
    text(format!("{email}/keys/{short}{more}"))
}

/// `services api-keys list`. A key that is bound to a service account acts as it.
pub fn api_key(
    sink: &mut Sink<'_>,
    doc: Doc<'_>,
    place: &Text,
    batch: &mut Batch,
) -> Result<(), String> {
    let name = doc.need("name")?;
    let project = scope::project_in(name).ok_or("`name` names no project")?;
    let id: String = name.rsplit('/').next().unwrap_or_default().chars().take(8).collect();
    let holder = match doc.str("serviceAccountEmail") {
        Some(email) => {
            let member = member::parse(&format!("serviceAccount:{email}"));
            sink.member(&member, place, batch);
            member.id
        }
        // A key of a project identifies the project that pays and authorises nobody.
        None => text(format!("{project}#api keys")),
    };
    let created = doc.time("createTime")?;
    batch.facts.credentials.push(Credential {
        credential_id: text(format!("{project}/keys/{id}")),
        kind: CredentialKind::Token,
        principal: holder,
        active: Some(doc.at("deleteTime").is_none()),
        issued_at: created,
        rotated_at: created,
        no_expiry: Some(true),
        revoked_at: doc.time("deleteTime")?,
        source_id: batch.source_id.clone(),
        source_ref: place.clone(),
        ..Credential::default()
    });
    if doc.at("restrictions").is_none() {
        sink.aside("API keys without any restriction");
    }
    Ok(())
}
