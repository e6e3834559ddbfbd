//! Snowflake: grants to roles and users, users, roles, programmatic access tokens and other credentials,
//! from `SHOW ...`, `ACCOUNT_USAGE` and the REST objects, in CSV or JSON and either letter case.
//!
//! Specification: cloud semantics 3.4 and 4.4. A user is `snowflake/user:NAME`, a role
//! `snowflake/role:NAME`, a database role `snowflake/role:DB.NAME`. Rows with `deleted_on` are the ledger of
//! roles that were taken back.

use serde_json::Value;

use super::{Binding, Export, Rec, Sink, columns};
use crate::facts::{Confidence, Credential, CredentialKind, Layer, PrincipalKind, Text, text};
use crate::ingest::ledger::vendor::{Doc, mentions};
use crate::ingest::source::Probe;
use crate::privilege::class::Breadth;

mod history;

/// Platform word.
const PLATFORM: &str = "snowflake";

/// All exports.
pub static STATE: Export = Export {
    format: "snowflake-state",
    title: "Snowflake grants, users, roles, programmatic access tokens",
    layer: Layer::State,
    lower: true,
    recognise: |p| recognise(p) && !history::recognise(p),
    record,
};

/// Query and login history; grants among its rows are read too.
pub static HISTORY: Export = Export {
    format: "snowflake-history",
    title: "Snowflake query and login history",
    layer: Layer::Usage,
    lower: true,
    recognise: history::recognise,
    record,
};

fn recognise(p: &Probe<'_>) -> bool {
    const JSON: [&[&str]; 6] = [
        &["\"privilege\"", "\"granted_on\"", "\"grantee_name\""],
        &["\"PRIVILEGE\"", "\"GRANTED_ON\"", "\"GRANTEE_NAME\""],
        &["\"granted_to\"", "\"grantee_name\"", "\"role\""],
        &["\"GRANTED_TO\"", "\"GRANTEE_NAME\"", "\"ROLE\""],
        &["\"has_rsa_public_key\"", "\"login_name\""],
        &["\"HAS_RSA_PUBLIC_KEY\"", "\"LOGIN_NAME\""],
    ];
    const TOKENS: [&[&str]; 3] = [
        &["\"role_restriction\"", "\"user_name\""],
        &["\"credential_id\"", "\"user_name\"", "\"last_altered\""],
        &["\"assigned_to_users\"", "\"granted_roles\""],
    ];
    JSON.iter().chain(&TOKENS).any(|words| mentions(p, words))
        || columns(p, &["privilege", "granted_on", "grantee_name"])
        || columns(p, &["role", "granted_to", "grantee_name"])
        || columns(p, &["login_name", "has_rsa_public_key"])
        || columns(p, &["user_name", "role_restriction"])
}

fn base(r: &Rec<'_>) -> String {
    r.realm.map_or_else(|| PLATFORM.to_owned(), |realm| format!("{PLATFORM}:{realm}"))
}

fn user_id(r: &Rec<'_>, name: &str) -> Text {
    text(format!("{}/user:{name}", base(r)))
}

fn role_id(r: &Rec<'_>, name: &str) -> Text {
    text(format!("{}/role:{name}", base(r)))
}

fn record(r: &Rec<'_>, sink: &mut Sink<'_>) -> Result<bool, String> {
    let d = r.doc;
    if let Some(read) = history::record(r, sink) {
        return read.map(|()| true);
    }
    if d.str("grantee_name").is_some() {
        return grant(r, sink);
    }
    if d.at("securable_type").is_some() && d.at("privileges").is_some() {
        return rest(r, sink);
    }
    if d.at("role_restriction").is_some()
        || d.at("mins_to_bypass_required_network_policy").is_some()
    {
        return token(r, sink);
    }
    if d.at("credential_id").is_some() && d.str("user_name").is_some() {
        return credential(r, sink);
    }
    if d.str("login_name").is_some() {
        return user(r, sink);
    }
    if d.str("name").is_some()
        && (d.at("assigned_to_users").is_some() || d.str("role_type").is_some())
    {
        let name = match d.str("role_database_name") {
            Some(db) => format!("{db}.{}", d.need("name")?),
            None => d.need("name")?.to_owned(),
        };
        role(r, &name, sink);
        return Ok(true);
    }
    Ok(false)
}

fn role(r: &Rec<'_>, name: &str, sink: &mut Sink<'_>) {
    let id = role_id(r, name);
    if sink.first(&id) {
        sink.principal((&id, PLATFORM, PrincipalKind::Role), |p| {
            p.name = Some(text(name));
            p.realm = r.realm.map(text);
        });
        sink.role(PLATFORM, &id, name, None);
    }
}

/// Object of a grant: kind, scope and its breadth.
struct On {
    kind: String,
    scope: String,
    breadth: Breadth,
}

fn on(kind: &str, parts: &[&str]) -> On {
    let kind = kind.trim().to_lowercase().replace(' ', "_");
    let path: Vec<&str> = parts.iter().copied().filter(|p| !p.is_empty()).collect();
    let breadth = match kind.as_str() {
        "account" => Breadth::Account,
        "database" | "schema" => Breadth::Group,
        _ => Breadth::Resource,
    };
    let scope = match kind.as_str() {
        "account" => "account".to_owned(),
        "database" | "schema" => format!("database/{}", path.join("/")),
        _ if path.len() > 1 => format!("database/{}", path.join("/")),
        _ => format!("{kind}/{}", path.join("/")),
    };
    On { kind, scope, breadth }
}

fn grant(r: &Rec<'_>, sink: &mut Sink<'_>) -> Result<bool, String> {
    let d = r.doc;
    if let Some(deleted) = r.time("deleted_on")? {
        return history::taken_back(r, deleted, sink);
    }
    let grantee = d.need("grantee_name")?;
    let to = d.first(&["granted_to", "grantee_type"]).unwrap_or("ROLE").to_uppercase();
    let who = match to.as_str() {
        "USER" => {
            let id = user_id(r, grantee);
            if sink.first(&id) {
                // The list of users says more.
                sink.principal((&id, PLATFORM, PrincipalKind::Unknown), |p| {
                    p.name = Some(text(grantee));
                    p.realm = r.realm.map(text);
                    p.inventoried = false;
                });
                sink.alias(&id, "name", grantee, Confidence::Strong);
            }
            id
        }
        _ => {
            role(r, grantee, sink);
            role_id(r, grantee)
        }
    };
    let bound = r.time("created_on")?;
    let privilege = d.str("privilege").unwrap_or("USAGE").to_uppercase();
    let granted_on = d.str("granted_on").unwrap_or("ROLE");
    if is_role(granted_on) && privilege == "USAGE" {
        let name = d.first(&["role", "name"]).ok_or("the row names no role")?;
        role(r, name, sink);
        let id = role_id(r, name);
        let binding = Binding {
            platform: PLATFORM,
            who: &who,
            role_id: id.to_string(),
            privilege: name,
            scope: "account",
            breadth: Breadth::Account,
        };
        if let Some(e) = sink.entitlement(&binding) {
            (e.bound_at_lo, e.bound_at_hi) = (bound, bound);
            e.origin_hint = d.str("granted_by").map(|g| text(format!("granted by {g}")));
        }
        return Ok(true);
    }
    let name = d.str("name").unwrap_or_default();
    // `SHOW GRANTS` writes the whole name, `ACCOUNT_USAGE` the parts.
    let parts: Vec<&str> = match d.str("table_catalog") {
        Some(db) => vec![db, d.str("table_schema").unwrap_or_default(), name],
        None => name.splitn(3, '.').collect(),
    };
    let grantable = r.flag("grant_option")? == Some(true);
    let future = r.keys.iter().any(|k| k.to_uppercase().contains("FUTURE"))
        || d.at("grant_on").is_some()
        || name.contains('<');
    let object = on(d.first(&["grant_on"]).unwrap_or(granted_on), &parts);
    put(&who, (&privilege, grantable, future), &object, bound, sink);
    Ok(true)
}

/// Whether the object of a grant is a role.
fn is_role(granted_on: &str) -> bool {
    matches!(granted_on.to_uppercase().as_str(), "ROLE" | "DATABASE_ROLE" | "DATABASE ROLE")
}

fn put(
    who: &Text,
    (privilege, grantable, future): (&str, bool, bool),
    object: &On,
    bound: Option<crate::facts::Time>,
    sink: &mut Sink<'_>,
) {
    let (scope, breadth) = match object.scope.rsplit_once('/') {
        // Objects to come: the schema or database is what the grant reaches.
        Some((head, _)) if future && object.breadth == Breadth::Resource => (head, Breadth::Group),
        _ => (object.scope.as_str(), object.breadth),
    };
    let binding = Binding {
        platform: PLATFORM,
        who,
        role_id: format!("{PLATFORM}/{}/{privilege}", object.kind),
        privilege,
        scope,
        breadth,
    };
    if let Some(e) = sink.entitlement(&binding) {
        (e.bound_at_lo, e.bound_at_hi) = (bound, bound);
        e.condition = grantable.then(|| text("with grant option"));
        e.origin_hint = future.then(|| text("future objects"));
    }
}

/// A grant as the REST API writes it; whose it is stands around it.
fn rest(r: &Rec<'_>, sink: &mut Sink<'_>) -> Result<bool, String> {
    let grantee = r.doc.str("grantee_name").or(r.key()).ok_or("the record names no grantee")?;
    role(r, grantee, sink);
    let who = role_id(r, grantee);
    let s = r.doc.at("securable").map(Doc);
    let part = |k: &str| s.and_then(|s| s.str(k)).unwrap_or_default();
    let object =
        on(r.doc.need("securable_type")?, &[part("database"), part("schema"), part("name")]);
    let (bound, grantable) = (r.time("created_on")?, r.flag("grant_option")? == Some(true));
    for word in r.doc.at("privileges").and_then(Value::as_array).into_iter().flatten() {
        let Some(word) = word.as_str() else { continue };
        put(&who, (&word.to_uppercase(), grantable, false), &object, bound, sink);
    }
    Ok(true)
}

fn user(r: &Rec<'_>, sink: &mut Sink<'_>) -> Result<bool, String> {
    let d = r.doc;
    let name = d.first(&["name", "login_name"]).ok_or("the user has no name")?;
    let id = user_id(r, name);
    let kind = match d.str("type").map(str::to_uppercase).as_deref() {
        Some("PERSON") => PrincipalKind::Human,
        Some("SERVICE" | "LEGACY_SERVICE") => PrincipalKind::ServiceAccount,
        _ => PrincipalKind::Unknown,
    };
    let (disabled, created) = (r.flag("disabled")?, r.time("created_on")?);
    sink.principal((&id, PLATFORM, kind), |p| {
        p.name = Some(text(name));
        p.email = d.str("email").map(|e| text(e.to_lowercase()));
        p.created_at = created;
        p.disabled = disabled;
        p.realm = r.realm.map(text);
    });
    sink.alias(&id, "name", name, Confidence::Strong);
    let used = match r.time("last_success_login")? {
        Some(t) => Some(t),
        None => r.time("last_successful_login")?,
    };
    let tracked =
        ["last_success_login", "last_successful_login"].iter().any(|k| d.0.get(*k).is_some());
    let expires = r.time("expires_at_time")?;
    let mfa = r.flag("ext_authn_duo")?.or(r.flag("has_mfa")?);
    let kinds = [
        ("has_password", "password", CredentialKind::Password, mfa),
        ("has_rsa_public_key", "key pair", CredentialKind::Key, None),
    ];
    for (column, what, kind, mfa) in kinds {
        if r.flag(column)? == Some(true) {
            let set = r.time("password_last_set")?.filter(|_| kind == CredentialKind::Password);
            sink.credential(Credential {
                credential_id: text(format!("{what} of {name}")),
                kind,
                principal: id.clone(),
                active: Some(disabled != Some(true)),
                issued_at: created,
                rotated_at: set.or(created),
                expires_at: expires,
                no_expiry: Some(expires.is_none()),
                mfa,
                ..Credential::default()
            });
        }
    }
    // The login is tracked by user, not by credential.
    if let Some(at) = used.filter(|_| tracked) {
        sink.was_there(&id, PLATFORM, at);
    }
    Ok(true)
}

/// A programmatic access token.
fn token(r: &Rec<'_>, sink: &mut Sink<'_>) -> Result<bool, String> {
    let d = r.doc;
    let (name, user) = (d.need("name")?, d.need("user_name")?);
    let issued = r.time("created_on")?;
    let expires = r.time("expires_at")?;
    let restricted = match d.str("role_restriction") {
        Some(role) => format!("token {name} of {user}, role {role} only"),
        None => format!("token {name} of {user}, every role of the user"),
    };
    let status = d.str("status").map(str::to_uppercase);
    sink.credential(Credential {
        credential_id: text(restricted),
        kind: CredentialKind::Pat,
        principal: user_id(r, user),
        active: status.map(|s| s == "ACTIVE"),
        issued_at: issued,
        rotated_at: issued,
        expires_at: expires,
        no_expiry: Some(expires.is_none()),
        ..Credential::default()
    });
    Ok(true)
}

/// A row of `ACCOUNT_USAGE.CREDENTIALS`.
fn credential(r: &Rec<'_>, sink: &mut Sink<'_>) -> Result<bool, String> {
    let d = r.doc;
    let kind = match d.str("type").map(str::to_uppercase).as_deref() {
        Some("PASSWORD") => CredentialKind::Password,
        Some("KEYPAIR") => CredentialKind::Key,
        Some("PAT") => CredentialKind::Pat,
        // A second factor opens nothing by itself.
        Some("TOTP" | "PASSKEY" | "DUO") => return Ok(true),
        _ => CredentialKind::Token,
    };
    let (issued, expires) = (r.time("created_on")?, r.time("expiration_date")?);
    let user = d.need("user_name")?;
    sink.credential(Credential {
        credential_id: text(format!("{} of {user}", d.str("name").unwrap_or("credential"))),
        kind,
        principal: user_id(r, user),
        active: d.str("status").map(|s| s.eq_ignore_ascii_case("active")),
        issued_at: issued,
        rotated_at: r.time("last_altered")?.or(issued),
        expires_at: expires,
        no_expiry: Some(expires.is_none()),
        last_used_at: r.time("last_used_on")?,
        use_tracked: true,
        ..Credential::default()
    });
    Ok(true)
}
