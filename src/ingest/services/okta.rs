//! Okta: API tokens, administrator roles of users, groups and clients, scopes of applications, users and
//! members of groups.
//!
//! Specification: cloud semantics 3.4 and 4.4. A user is its id (`00u...`), with the login as an alias.

use super::{Binding, Export, Rec, Sink};
use crate::facts::{Confidence, Credential, CredentialKind, Layer, PrincipalKind, Text, text};
use crate::ingest::ledger::history::opaque;
use crate::ingest::ledger::vendor::mentions;
use crate::privilege::class::Breadth;

mod custom;

use custom::RESOURCE_SET;

/// Platform word.
const PLATFORM: &str = "okta";

/// Answers of the management API.
pub static STATE: Export = Export {
    format: "okta-state",
    title: "Okta API tokens, administrator roles, application scopes, users, group members",
    layer: Layer::State,
    lower: false,
    recognise: |p| {
        mentions(p, &["\"tokenWindow\"", "\"userId\""])
            || mentions(p, &["\"assignmentType\"", "\"label\"", "\"status\""])
            || mentions(p, &["\"scopeId\"", "\"issuer\""])
            || mentions(p, &["\"profile\"", "\"login\"", "\"statusChanged\""])
            || mentions(p, &["\"label\"", "\"okta.", "\"created\""])
            || mentions(p, &["\"permissions\"", "\"okta."])
            || mentions(p, &["\"resource-sets\"", "\"label\""])
            || mentions(p, &["\"resources\"", "\"orn\""])
            || mentions(p, &["\"label\"", "iam/roles"])
    },
    record,
};

fn record(r: &Rec<'_>, sink: &mut Sink<'_>) -> Result<bool, String> {
    let d = r.doc;
    if let Some(read) = custom::record(r, sink) {
        return read.map(|()| true);
    }
    if d.at("tokenWindow").is_some() {
        return token(r, sink);
    }
    if d.at("assignmentType").is_some() {
        return role(r, sink);
    }
    if d.at("scopeId").is_some() {
        return scope(r, sink);
    }
    if d.at("profile/login").is_some() {
        return user(r, sink);
    }
    Ok(false)
}

fn org(r: &Rec<'_>) -> String {
    r.realm.map_or_else(|| PLATFORM.to_owned(), |realm| format!("{PLATFORM}:{realm}"))
}

fn token(r: &Rec<'_>, sink: &mut Sink<'_>) -> Result<bool, String> {
    let holder = text(r.doc.need("userId")?);
    let issued = r.time("created")?;
    let expires = r.time("expiresAt")?;
    let window = r.doc.duration("tokenWindow")?;
    if r.doc.str("network/connection") == Some("ANYWHERE") {
        sink.limit("some tokens are accepted from any network");
    }
    sink.credential(Credential {
        credential_id: text(format!(
            "{} {}",
            r.doc.str("name").unwrap_or("token"),
            opaque(r.doc.need("id")?)
        )),
        kind: CredentialKind::Token,
        principal: holder,
        active: Some(true),
        issued_at: issued,
        rotated_at: issued,
        // Each use renews it for another window: it ends when nobody uses it, and never else.
        no_expiry: Some(window.is_some() || expires.is_none()),
        expires_at: expires,
        // The end moves with each use, and stands one window behind the last.
        last_used_at: expires.zip(window).map(|(end, s)| end.plus_secs(-s)),
        use_tracked: expires.is_some() && window.is_some(),
        ..Credential::default()
    });
    Ok(true)
}

/// Who holds the roles of an answer: the key they stand under, the name of the file, or what lies beside.
fn holder(r: &Rec<'_>) -> Result<Text, String> {
    let is_id = |s: &&str| s.len() > 3 && s.starts_with("00") || s.starts_with("0oa");
    let found = r.doc.str("assignee").or(r.key());
    let found = found.or(Some(r.stem).filter(is_id)).or(r.realm.filter(is_id));
    found.map(text).ok_or_else(|| {
        "the answer does not say whose roles these are; name the file after the id of the user or group".into()
    })
}

fn role(r: &Rec<'_>, sink: &mut Sink<'_>) -> Result<bool, String> {
    let who = holder(r)?;
    let kind = r.doc.need("type")?;
    // The type is the vendor's word; the label can be changed. Custom roles are known by their id.
    let role =
        if kind == "CUSTOM" { r.doc.first(&["role", "label"]).unwrap_or(kind) } else { kind };
    let group = who.starts_with("00g");
    if sink.first(&who) {
        let of = if group {
            PrincipalKind::Group
        } else if r.doc.str("assignmentType") == Some("CLIENT") {
            PrincipalKind::App
        } else {
            PrincipalKind::Unknown
        };
        sink.principal((&who, PLATFORM, of), |p| p.realm = r.realm.map(text));
    }
    let id = format!("{PLATFORM}/role/{role}");
    let within = r.doc.str("resource-set");
    let scope = match within {
        Some(set) => format!("{}/{RESOURCE_SET}{set}", org(r)),
        None => org(r),
    };
    let bound = r.time("created")?;
    if sink.first(&text(format!("role {id}"))) {
        // What a custom role permits is in another export.
        if kind != "CUSTOM" {
            let content = serde_json::json!({ "type": kind }).to_string();
            sink.role(PLATFORM, &id, role, Some(content));
        }
    }
    let via_group = r.doc.str("assignmentType") == Some("GROUP") && !group;
    let inactive = r.doc.str("status").is_some_and(|s| s != "ACTIVE");
    let binding = Binding {
        platform: PLATFORM,
        who: &who,
        role_id: id,
        privilege: role,
        scope: &scope,
        // How much a resource set holds is decided where all of it is known.
        breadth: if within.is_some() { Breadth::Group } else { Breadth::Tenant },
    };
    if let Some(e) = sink.entitlement(&binding) {
        e.via = vec![text(if via_group { "group" } else { "direct" })];
        (e.bound_at_lo, e.bound_at_hi) = (bound, bound);
        e.origin_hint = inactive.then(|| text("inactive"));
    }
    Ok(true)
}

fn scope(r: &Rec<'_>, sink: &mut Sink<'_>) -> Result<bool, String> {
    let who = match r.doc.str("clientId") {
        Some(client) => text(client),
        None => holder(r)?,
    };
    if sink.first(&who) {
        sink.principal((&who, PLATFORM, PrincipalKind::App), |p| p.realm = r.realm.map(text));
    }
    let name = r.doc.need("scopeId")?;
    let (scope, bound) = (org(r), r.time("created")?);
    let id = format!("{PLATFORM}/scope/{name}");
    if sink.first(&text(format!("role {id}"))) {
        sink.role(PLATFORM, &id, name, Some(serde_json::json!({ "scope": name }).to_string()));
    }
    let inactive = r.doc.str("status").is_some_and(|s| s != "ACTIVE");
    let binding = Binding {
        platform: PLATFORM,
        who: &who,
        role_id: id,
        privilege: name,
        scope: &scope,
        breadth: Breadth::Tenant,
    };
    if let Some(e) = sink.entitlement(&binding) {
        (e.bound_at_lo, e.bound_at_hi) = (bound, bound);
        e.origin_hint = inactive.then(|| text("inactive"));
    }
    Ok(true)
}

fn user(r: &Rec<'_>, sink: &mut Sink<'_>) -> Result<bool, String> {
    let id = text(r.doc.need("id")?);
    let created = r.time("created")?;
    let status = r.doc.str("status").unwrap_or_default();
    let email = r.doc.str("profile/email").map(str::to_lowercase);
    sink.principal((&id, PLATFORM, PrincipalKind::Human), |p| {
        p.name = r.doc.text("profile/login");
        p.email = email.map(text);
        p.created_at = created;
        p.realm = r.realm.map(text);
        p.disabled = match status {
            "SUSPENDED" | "DEPROVISIONED" => Some(true),
            "" => None,
            _ => Some(false),
        };
    });
    if let Some(login) = r.doc.str("profile/login") {
        sink.alias(&id, "login", login, Confidence::Strong);
    }
    // Members of a group stand under its id.
    if let Some(group) = r.key().filter(|k| k.starts_with("00g")) {
        sink.member(&id, &text(group));
    }
    if let Some(at) = r.time("lastLogin")? {
        sink.was_there(&id, PLATFORM, at);
    }
    Ok(true)
}
