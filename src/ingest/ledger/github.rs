//! GitHub: what was let into an organisation, as REST lists and webhooks show it. Fine-grained personal
//! access tokens and the requests for them, app installations, deploy keys, credentials authorised for
//! single sign-on.
//!
//! Field table: grants model, section 8. A deploy key has no expiry. A suspended installation has no
//! access. Key material is never read. A row of a list is both: its dates are the ledger's, what it may
//! do now is state ([`crate::ingest::services::github`]).

use serde_json::Value;

use super::history::{History, Keys, Style, Told, opaque};
use super::vendor::{Doc, JsonAdapter, mentions};
use crate::facts::{
    BrokerKind, Credential, CredentialKind, Decision, EndKind, EventKind, Grant, Layer,
    PrincipalKind, Text, text,
};
use crate::ingest::services::github as state;
use crate::ingest::source::Batch;

/// Lists and webhooks.
pub static ACCESS: JsonAdapter = JsonAdapter {
    format: "github-access",
    title: "GitHub fine-grained tokens, app installations, deploy keys (REST, webhooks)",
    layer: Layer::Ledger,
    recognise: |p| {
        mentions(p, &["\"token_expires_at\"", "\"token_id\"", "\"repository_selection\""])
            || mentions(p, &["\"app_id\"", "\"repository_selection\"", "\"suspended_at\""])
            || mentions(p, &["\"read_only\"", "\"verified\"", "\"key\"", "\"created_at\""])
            || mentions(p, &["\"credential_authorized_at\"", "\"credential_type\""])
    },
    style: Style {
        system: "github",
        platform: Some("github"),
        keys: Keys::Native,
        missing_end: EndKind::Open,
        missing_decision: Decision::Unknown,
    },
    record,
};

fn record(
    doc: Doc<'_>,
    place: &Text,
    history: &mut History,
    batch: &mut Batch,
) -> Result<(), String> {
    if doc.at("credential_authorized_at").is_some() {
        batch.layer = batch.layer.or(Some(Layer::Credential));
        state::classic(doc, place, batch)?;
        return authorised(doc, place, history);
    }
    batch.layer = Some(Layer::Ledger);
    if doc.at("token_id").is_some() {
        state::token(doc, &permissions(doc), place, batch)?;
        return token(doc, place, history);
    }
    if let Some(i) = doc.at("installation").filter(|i| i.get("app_id").is_some()).map(Doc) {
        return installation(i, doc.str("action"), doc.str("sender/login"), place, history);
    }
    if doc.at("app_id").is_some() {
        state::installation(doc, &permissions(doc), place, batch)?;
        return installation(doc, None, None, place, history);
    }
    if let Some(key) = doc.at("key").filter(|k| k.is_object()).map(Doc) {
        let about = (doc.str("repository/full_name"), doc.str("action"), doc.str("sender/login"));
        return deploy_key(key, about, place, history);
    }
    if doc.at("read_only").is_some() {
        state::deploy_key(doc, None, place, batch);
        return deploy_key(doc, (None, None, None), place, history);
    }
    // Keys per repository: `{"owner/name": [...]}`.
    if let Some(map) =
        doc.0.as_object().filter(|m| !m.is_empty() && m.values().all(Value::is_array))
        && !map.values().any(named)
    {
        keys(map, history, batch);
        return Ok(());
    }
    // Lists of several kinds in one object: `{"tokens": [...], "installations": [...]}`.
    let lists = doc.0.as_object().into_iter().flatten().filter(|(_, v)| named(v));
    let mut any = false;
    for (key, list) in lists {
        for (i, element) in list.as_array().into_iter().flatten().enumerate() {
            batch.records += i64::from(any);
            any = true;
            let at = text(format!("/{}/{i}", key.replace('~', "~0").replace('/', "~1")));
            if let Err(reason) = record(Doc(element), &at, history, batch) {
                batch.quarantine(&at, reason);
            }
        }
    }
    if !any {
        history.other("are of other kinds");
    }
    Ok(())
}

/// Whether a list holds records that say themselves what they are.
fn named(list: &Value) -> bool {
    let first = list.as_array().and_then(|l| l.first());
    first.is_some_and(|f| {
        ["token_id", "app_id", "credential_authorized_at"].iter().any(|k| f.get(k).is_some())
    })
}

fn keys(map: &serde_json::Map<String, Value>, history: &mut History, batch: &mut Batch) {
    let lists: usize = map.values().filter_map(Value::as_array).map(Vec::len).sum();
    batch.records += i64::try_from(lists).unwrap_or(i64::MAX) - 1;
    for (repo, keys) in map {
        for (i, key) in keys.as_array().into_iter().flatten().enumerate() {
            let at = text(format!("/{}/{i}", repo.replace('~', "~0").replace('/', "~1")));
            match deploy_key(Doc(key), (Some(repo), None, None), &at, history) {
                Ok(()) => state::deploy_key(Doc(key), Some(repo), &at, batch),
                Err(reason) => batch.quarantine(&at, reason),
            }
        }
    }
}

/// Permissions as one text: `contents:write, metadata:read`.
fn permissions(doc: Doc<'_>) -> Text {
    let mut all = Vec::new();
    for (name, level) in doc.at("permissions").and_then(Value::as_object).into_iter().flatten() {
        match level {
            Value::String(level) => all.push(format!("{name}:{level}")),
            // Tokens group theirs by organisation and repository.
            Value::Object(inner) => all.extend(
                inner.iter().filter_map(|(n, l)| Some(format!("{name}/{n}:{}", l.as_str()?))),
            ),
            _ => {}
        }
    }
    all.sort();
    if all.is_empty() { text("no permissions") } else { text(all.join(", ")) }
}

/// `organizations/652551` out of an address of the API.
pub(crate) fn organisation(url: Option<&str>) -> Option<Text> {
    let mut parts = url?.split('/').skip_while(|p| *p != "organizations" && *p != "orgs");
    let (kind, id) = (parts.next()?, parts.next()?);
    Some(text(format!("{kind}/{id}")))
}

/// A fine-grained personal access token with access, or a request for it.
fn token(doc: Doc<'_>, place: &Text, history: &mut History) -> Result<(), String> {
    let id = doc.id("token_id").ok_or("`token_id` is missing")?;
    let owner = text(doc.need("owner/login")?);
    let granted = doc.time("access_granted_at")?;
    let at = granted
        .or(doc.time("created_at")?)
        .ok_or("neither `access_granted_at` nor `created_at` is there")?;
    let expires = doc.time("token_expires_at")?;
    let expired = doc.flag("token_expired") == Some(true);
    let key = format!("pat:{id}");
    let about = Grant {
        beneficiary: owner.clone(),
        beneficiary_kind: Some(PrincipalKind::Human),
        requester: Some(owner.clone()),
        privilege: permissions(doc),
        scope: organisation(doc.str("repositories_url")),
        broker_kind: BrokerKind::Credential,
        not_after: expires,
        justification: doc.text("reason"),
        grant_kind: Some(text("fine-grained token")),
        ..Grant::default()
    };
    let told = Told { key: key.clone(), at, place: place.clone(), ..Told::default() };
    let kind = if granted.is_some() { EventKind::Activated } else { EventKind::Requested };
    history.tell(Told { kind, about: Some(Box::new(about)), ..told.clone() });
    if let Some(end) = expires.filter(|_| expired && granted.is_some()) {
        history.tell(Told { kind: EventKind::Expired, at: end, ..told });
    }
    // A token that no organisation let in yet gives nothing there.
    if granted.is_some() {
        history.credential(
            &format!("pat:{id}"),
            Credential {
                kind: CredentialKind::Pat,
                principal: owner,
                grant_id: Some(text(key)),
                active: Some(!expired),
                issued_at: granted,
                rotated_at: granted,
                expires_at: expires,
                no_expiry: Some(expires.is_none()),
                last_used_at: doc.time("token_last_used_at")?,
                use_tracked: true,
                source_ref: place.clone(),
                ..Credential::default()
            },
        );
    }
    Ok(())
}

fn installation(
    doc: Doc<'_>,
    action: Option<&str>,
    sender: Option<&str>,
    place: &Text,
    history: &mut History,
) -> Result<(), String> {
    let id = doc.id("id").ok_or("`id` is missing")?;
    let app = match doc.str("app_slug") {
        Some(slug) => slug.to_owned(),
        None => format!("app/{}", doc.id("app_id").ok_or("`app_id` is missing")?),
    };
    let created = doc.need_time("created_at")?;
    let updated = doc.time("updated_at")?.unwrap_or(created);
    let suspended = doc.time("suspended_at")?;
    let actor = sender.map(text);
    let about = Grant {
        beneficiary: text(&app),
        beneficiary_kind: Some(PrincipalKind::App),
        requester: actor.clone().filter(|_| action == Some("created")),
        privilege: permissions(doc),
        scope: doc.first(&["account/login", "account/slug"]).map(text),
        grant_kind: Some(text("installation")),
        // The hook says that it is gone, not since when: no earlier than the last change.
        ended_at_lo: (action == Some("deleted")).then_some(updated),
        end_kind: if action == Some("deleted") {
            EndKind::RevokedByAdmin
        } else {
            EndKind::Unknown
        },
        ..Grant::default()
    };
    let told = Told {
        key: format!("app_installation:{id}"),
        at: created,
        place: place.clone(),
        ..Told::default()
    };
    history.tell(Told { kind: EventKind::Activated, about: Some(Box::new(about)), ..told.clone() });
    let change = |kind, reason: &str| Told {
        kind,
        at: updated,
        actor: actor.clone(),
        reason: Some(text(reason)),
        ..told.clone()
    };
    match action {
        Some("new_permissions_accepted") => {
            let now = format!("new permissions accepted: {}", permissions(doc));
            history.tell(change(EventKind::RequestUpdated, &now));
        }
        Some("unsuspend") => history.tell(change(EventKind::Reopened, "unsuspended")),
        _ => {}
    }
    if let Some(at) = suspended {
        let actor = doc.text("suspended_by/login").or(actor);
        let end_kind = EndKind::RevokedByAdmin;
        let reason = Some(text("suspended"));
        history.tell(Told { kind: EventKind::Revoked, at, actor, end_kind, reason, ..told });
    }
    Ok(())
}

/// Name of what a deploy key lets in.
pub(crate) fn key_holder(doc: Doc<'_>, repo: Option<&str>) -> Text {
    let title = doc.str("title").unwrap_or("untitled");
    text(format!("deploy key {title} of {}", repo.unwrap_or("an unnamed repository")))
}

/// A deploy key; repository, action and sender come from a webhook or the list it stands in.
fn deploy_key(
    doc: Doc<'_>,
    (repo, action, sender): (Option<&str>, Option<&str>, Option<&str>),
    place: &Text,
    history: &mut History,
) -> Result<(), String> {
    let id = doc.id("id").ok_or("`id` is missing")?;
    let created = doc.need_time("created_at")?;
    let from_url = doc
        .str("url")
        .and_then(|u| u.split_once("/repos/"))
        .and_then(|(_, path)| path.split_once("/keys/"))
        .map(|(repo, _)| repo);
    let repo = repo.or(from_url);
    let write = doc.flag("read_only") == Some(false);
    let holder = key_holder(doc, repo);
    let key = format!("deploy_key:{id}");
    let deleted = action == Some("deleted");
    let disabled = doc.flag("enabled") == Some(false);
    let about = Grant {
        beneficiary: holder.clone(),
        beneficiary_kind: Some(PrincipalKind::Workload),
        requester: doc.str("added_by").or(sender.filter(|_| action == Some("created"))).map(text),
        privilege: text(if write { "write" } else { "read" }),
        scope: repo.map(text),
        broker_kind: BrokerKind::Credential,
        grant_kind: Some(text("deploy key")),
        end_kind: if deleted || disabled { EndKind::RevokedByAdmin } else { EndKind::Unknown },
        ..Grant::default()
    };
    history.tell(Told {
        key: key.clone(),
        kind: EventKind::Activated,
        at: created,
        about: Some(Box::new(about)),
        place: place.clone(),
        ..Told::default()
    });
    history.credential(
        &format!("deploy_key:{id}"),
        Credential {
            kind: CredentialKind::DeployKey,
            principal: holder,
            grant_id: Some(text(key)),
            active: Some(!deleted && !disabled),
            issued_at: Some(created),
            rotated_at: Some(created),
            no_expiry: Some(true),
            last_used_at: doc.time("last_used")?,
            // The list has the field even where it is null; hooks do not.
            use_tracked: doc.0.get("last_used").is_some(),
            source_ref: place.clone(),
            ..Credential::default()
        },
    );
    Ok(())
}

/// A credential that a member authorised for an organisation with single sign-on.
fn authorised(doc: Doc<'_>, place: &Text, history: &mut History) -> Result<(), String> {
    let id = doc.id("credential_id").ok_or("`credential_id` is missing")?;
    let issued = doc.time("credential_authorized_at")?;
    let expires = doc.time("authorized_credential_expires_at")?;
    let token = doc.str("credential_type").is_some_and(|t| t.contains("token"));
    history.credential(
        &opaque(&id),
        Credential {
            kind: if token { CredentialKind::Pat } else { CredentialKind::Key },
            principal: text(doc.need("login")?),
            issued_at: issued,
            rotated_at: issued,
            expires_at: expires,
            no_expiry: expires.map(|_| false),
            last_used_at: doc.time("credential_accessed_at")?,
            use_tracked: true,
            source_ref: place.clone(),
            ..Credential::default()
        },
    );
    Ok(())
}
