//! PostgreSQL: roles, memberships, privileges on objects, ownership, functions that run as their owner,
//! from CSV or JSON of catalogue queries, and the roles of `pg_dumpall --roles-only`.
//!
//! Specification: cloud semantics 3.4 and 4.4. A role is `postgres/NAME`, or `postgres:CLUSTER/NAME` when
//! something names the cluster; `postgres/PUBLIC` stands for every login. `rolvaliduntil` limits
//! passwords alone and is never an end of access.

use super::{Binding, Export, Rec, Sink, columns};
use crate::facts::{
    Confidence, Credential, CredentialKind, Layer, PrincipalKind, Text, Time, text,
};
use crate::privilege::class::Breadth;
use crate::privilege::postgres::{AclItem, acl, is_predefined};

mod dump;

pub use dump::Dump;

/// Platform word.
const PLATFORM: &str = "postgres";
/// Name of the principal that every login is.
const PUBLIC: &str = "PUBLIC";
/// Scope of what is held in the whole cluster.
const CLUSTER: &str = "cluster";

/// `COPY (SELECT ... FROM pg_roles) TO ... CSV HEADER`.
pub static ROLES: Export = Export {
    format: "postgres-roles",
    title: "PostgreSQL roles (pg_roles)",
    layer: Layer::State,
    lower: true,
    recognise: |p| columns(p, &["rolname", "rolvaliduntil", "rolcanlogin"]),
    record: role,
};

/// `pg_auth_members` with names instead of oids.
pub static MEMBERS: Export = Export {
    format: "postgres-members",
    title: "PostgreSQL memberships (pg_auth_members)",
    layer: Layer::State,
    lower: true,
    recognise: |p| {
        columns(p, &["member", "admin_option"])
            && (columns(p, &["role"]) || columns(p, &["rolname"]))
    },
    record: member,
};

/// Privileges on objects: access lists of the catalogue and views of `information_schema`.
pub static PRIVILEGES: Export = Export {
    format: "postgres-privileges",
    title: "PostgreSQL privileges (access lists, owners, information_schema, SECURITY DEFINER functions)",
    layer: Layer::State,
    lower: true,
    recognise: |p| {
        columns(p, &["grantee", "privilege_type", "is_grantable"])
            || columns(p, &["datname", "owner", "datacl"])
            || columns(p, &["nspname", "owner", "nspacl"])
            || columns(p, &["nspname", "relname", "owner", "relacl"])
            || columns(p, &["nspname", "proname", "owner", "prosecdef"])
            || columns(p, &["defaclobjtype", "defaclacl"])
    },
    record: privilege,
};

/// Canonical id of a role.
pub(crate) fn id(realm: Option<&str>, name: &str) -> Text {
    match realm {
        Some(realm) => text(format!("{PLATFORM}:{realm}/{name}")),
        None => text(format!("{PLATFORM}/{name}")),
    }
}

/// What one source says about a role, whatever its form.
#[derive(Clone, Debug, Default)]
pub(super) struct RoleFacts<'a> {
    pub name: &'a str,
    pub oid: Option<i64>,
    pub login: Option<bool>,
    pub inherit: Option<bool>,
    /// Attributes that are privileges of the whole cluster.
    pub attributes: Vec<&'static str>,
    /// End of the password: `Some(None)` for none.
    pub until: Option<Option<Time>>,
    /// The source shows that there is a password.
    pub password: Option<bool>,
}

/// Columns and the attributes they state.
const ATTRIBUTES: [(&str, &str); 5] = [
    ("rolsuper", "SUPERUSER"),
    ("rolcreaterole", "CREATEROLE"),
    ("rolcreatedb", "CREATEDB"),
    ("rolreplication", "REPLICATION"),
    ("rolbypassrls", "BYPASSRLS"),
];

fn role(r: &Rec<'_>, sink: &mut Sink<'_>) -> Result<bool, String> {
    let Some(name) = r.doc.str("rolname") else { return Ok(false) };
    let mut attributes = Vec::new();
    for (column, word) in ATTRIBUTES {
        if r.flag(column)? == Some(true) {
            attributes.push(word);
        }
    }
    let found = RoleFacts {
        name,
        oid: r.int("oid"),
        login: r.flag("rolcanlogin")?,
        inherit: r.flag("rolinherit")?,
        attributes,
        until: Some(r.time("rolvaliduntil")?),
        // Whether the role has a password at all, the view does not show.
        password: None,
    };
    put_role(r.realm, &found, sink);
    Ok(true)
}

pub(super) fn put_role(realm: Option<&str>, found: &RoleFacts<'_>, sink: &mut Sink<'_>) {
    let who = id(realm, found.name);
    let predefined = is_predefined(found.name);
    // A role that cannot log in is what others are members of.
    let kind = match found.login {
        Some(false) => PrincipalKind::Role,
        _ => PrincipalKind::Unknown,
    };
    sink.principal((&who, PLATFORM, kind), |p| {
        p.name = Some(text(found.name));
        p.realm = realm.map(text);
        if let Some(login) = found.login {
            p.tags.push(text(format!("login={login}")));
        }
        if found.inherit == Some(false) {
            p.tags.push(text("inherit=false"));
        }
        if let Some(oid) = found.oid {
            p.tags.push(text(format!("oid={oid}")));
        }
        p.tags.sort_unstable();
    });
    sink.alias(&who, "name", found.name, Confidence::Strong);
    sink.role(PLATFORM, &who, found.name, None);
    if let Some(row) = sink.batch.facts.roles.last_mut() {
        row.provider_managed = predefined;
        row.realm = realm.map(text);
    }
    for word in &found.attributes {
        sink.entitlement(&Binding {
            platform: PLATFORM,
            who: &who,
            role_id: format!("{PLATFORM}/attribute/{word}"),
            privilege: word,
            scope: CLUSTER,
            breadth: Breadth::Account,
        });
    }
    if found.login == Some(true)
        && let Some(until) = found.until
        && found.password != Some(false)
    {
        sink.credential(Credential {
            credential_id: text(format!("password of {}", found.name)),
            kind: CredentialKind::Password,
            principal: who,
            active: found.password,
            expires_at: until,
            no_expiry: Some(until.is_none()),
            ..Credential::default()
        });
    }
}

/// What one source says about a membership.
#[derive(Clone, Debug, Default)]
pub(super) struct MemberFacts<'a> {
    pub role: &'a str,
    pub member: &'a str,
    pub grantor: Option<&'a str>,
    pub admin: bool,
    /// Since version 16; null before.
    pub inherit: Option<bool>,
    /// Since version 16; null before.
    pub set: Option<bool>,
}

fn member(r: &Rec<'_>, sink: &mut Sink<'_>) -> Result<bool, String> {
    let Some(member) = r.doc.str("member") else { return Ok(false) };
    let Some(role) = r.doc.first(&["role", "rolname"]) else { return Ok(false) };
    let found = MemberFacts {
        role,
        member,
        grantor: r.doc.str("grantor"),
        admin: r.flag("admin_option")? == Some(true),
        inherit: r.flag("inherit_option")?,
        set: r.flag("set_option")?,
    };
    put_member(r.realm, &found, sink);
    Ok(true)
}

pub(super) fn put_member(realm: Option<&str>, found: &MemberFacts<'_>, sink: &mut Sink<'_>) {
    let (who, role) = (named(realm, found.member, sink), named(realm, found.role, sink));
    let mut options = Vec::new();
    if found.admin {
        options.push("admin option");
    }
    // Since version 16: without INHERIT the rights need SET ROLE, without SET that is refused.
    if found.inherit == Some(false) {
        options.push("no inherit");
    }
    if found.set == Some(false) {
        options.push("no set role");
    }
    let binding = Binding {
        platform: PLATFORM,
        who: &who,
        role_id: role.to_string(),
        privilege: found.role,
        scope: CLUSTER,
        breadth: Breadth::Account,
    };
    if let Some(e) = sink.entitlement(&binding) {
        e.condition = (!options.is_empty()).then(|| text(options.join(", ")));
        e.origin_hint = found.grantor.map(|g| text(format!("granted by {g}")));
    }
    if found.inherit != Some(false) {
        sink.member(&who, &role);
    }
    // Written out: `inherit=...` tells versions apart.
    let version = found.inherit.map(|_| text("16+"));
    if found.set != Some(false) {
        sink.link((PLATFORM, "set_role"), (&who, &role), version.clone());
    }
    if found.admin {
        sink.link((PLATFORM, "admin_option"), (&who, &role), version);
    }
}

/// An object with its scope.
struct Object<'a> {
    realm: Option<&'a str>,
    /// Kind, as in the key of the privilege: `database`, `schema`, `table`, `view`, `function`, ...
    kind: &'static str,
    scope: String,
    breadth: Breadth,
    /// Made by the installation.
    system: bool,
}

impl Object<'_> {
    fn put(&self, grantee: &str, privilege: &str, hint: Hint<'_>, sink: &mut Sink<'_>) {
        let grantee = if grantee.is_empty() { PUBLIC } else { grantee };
        let who = named(self.realm, grantee, sink);
        let binding = Binding {
            platform: PLATFORM,
            who: &who,
            role_id: format!("{PLATFORM}/{}/{privilege}", self.kind),
            privilege,
            scope: &self.scope,
            breadth: self.breadth,
        };
        if let Some(e) = sink.entitlement(&binding) {
            e.condition = hint.grantable.then(|| text("with grant option"));
            e.origin_hint = match hint.grantor {
                _ if self.system || hint.default => Some(text("default")),
                Some(g) => Some(text(format!("granted by {g}"))),
                None => None,
            };
        }
    }

    /// Entries of an access list; the owner's own are within ownership.
    fn list(&self, owner: &str, items: &[AclItem], sink: &mut Sink<'_>) {
        self.put(owner, "OWNER", Hint::default(), sink);
        for item in items.iter().filter(|i| i.grantee != owner) {
            for (privilege, grantable) in &item.privileges {
                let hint =
                    Hint { grantor: Some(&item.grantor), grantable: *grantable, default: false };
                self.put(&item.grantee, privilege, hint, sink);
            }
        }
    }
}

#[derive(Clone, Copy, Default)]
struct Hint<'a> {
    grantor: Option<&'a str>,
    grantable: bool,
    /// Held without anybody having granted it.
    default: bool,
}

/// A role that a right or a membership names; the list of roles says more about it.
fn named(realm: Option<&str>, name: &str, sink: &mut Sink<'_>) -> Text {
    let who = id(realm, name);
    if sink.first(&who) {
        let every = name == PUBLIC;
        let kind = if every { PrincipalKind::Group } else { PrincipalKind::Unknown };
        sink.principal((&who, PLATFORM, kind), |p| {
            p.name = Some(text(name));
            p.realm = realm.map(text);
            p.inventoried = every;
        });
        sink.alias(&who, "name", name, Confidence::Strong);
    }
    who
}

fn list(r: &Rec<'_>, key: &str) -> Result<Option<Vec<AclItem>>, String> {
    match r.doc.at(key) {
        None => Ok(None),
        Some(serde_json::Value::Array(items)) => {
            let all: Vec<&str> = items.iter().filter_map(serde_json::Value::as_str).collect();
            AclItem::all(all.into_iter()).map(Some)
        }
        Some(v) => match v.as_str() {
            Some(s) => acl(s).map(Some).map_err(|e| format!("`{key}`: {e}")),
            None => Err(format!("`{key}` is no access list")),
        },
    }
}

fn system_schema(name: &str) -> bool {
    name == "information_schema" || name.starts_with("pg_")
}

fn privilege(r: &Rec<'_>, sink: &mut Sink<'_>) -> Result<bool, String> {
    let d = r.doc;
    if d.str("privilege_type").is_some() && d.str("grantee").is_some() {
        return information_schema(r, sink);
    }
    if d.str("defaclobjtype").is_some() {
        return default_privileges(r, sink);
    }
    let Some(owner) = d.first(&["owner", "datdba", "nspowner", "relowner"]) else {
        return Ok(false);
    };
    if let Some(name) = d.str("datname") {
        let o = Object {
            realm: r.realm,
            kind: "database",
            scope: format!("database/{name}"),
            breadth: Breadth::Group,
            system: matches!(name, "template0" | "template1"),
        };
        let items = list(r, "datacl")?;
        o.list(owner, items.as_deref().unwrap_or_default(), sink);
        if items.is_none() {
            for word in ["CONNECT", "TEMPORARY"] {
                o.put(PUBLIC, word, Hint { default: true, ..Hint::default() }, sink);
            }
        }
        return Ok(true);
    }
    let Some(schema) = d.str("nspname") else { return Ok(false) };
    let within = format!("database/{}/{schema}", d.first(&["database", "catalog"]).unwrap_or("?"));
    if let Some(name) = d.str("relname") {
        let o = Object {
            realm: r.realm,
            kind: relation(d.str("relkind")),
            scope: format!("{within}/{name}"),
            breadth: Breadth::Resource,
            system: system_schema(schema),
        };
        o.list(owner, &list(r, "relacl")?.unwrap_or_default(), sink);
    } else if let Some(name) = d.str("proname") {
        let o = Object {
            realm: r.realm,
            kind: "function",
            scope: format!("{within}/{name}"),
            breadth: Breadth::Resource,
            system: system_schema(schema),
        };
        function(r, &o, (owner, &format!("{schema}.{name}")), sink)?;
    } else {
        let o = Object {
            realm: r.realm,
            kind: "schema",
            scope: within,
            breadth: Breadth::Group,
            system: system_schema(schema) || owner == "pg_database_owner",
        };
        o.list(owner, &list(r, "nspacl")?.unwrap_or_default(), sink);
    }
    Ok(true)
}

fn relation(kind: Option<&str>) -> &'static str {
    match kind {
        Some("S") => "sequence",
        Some("v" | "m") => "view",
        _ => "table",
    }
}

fn function(
    r: &Rec<'_>,
    o: &Object<'_>,
    (owner, name): (&str, &str),
    sink: &mut Sink<'_>,
) -> Result<(), String> {
    let items = list(r, "proacl")?;
    o.list(owner, items.as_deref().unwrap_or_default(), sink);
    let definer = r.flag("prosecdef")? == Some(true);
    let mut callers: Vec<String> = Vec::new();
    match &items {
        // Without an access list everybody may call it.
        None => {
            o.put(PUBLIC, "EXECUTE", Hint { default: true, ..Hint::default() }, sink);
            callers.push(PUBLIC.to_owned());
        }
        Some(items) => {
            for i in items.iter().filter(|i| i.grantee != owner) {
                let who = if i.grantee.is_empty() { PUBLIC } else { &i.grantee };
                if i.privileges.iter().any(|(p, _)| *p == "EXECUTE") {
                    callers.push(who.to_owned());
                }
            }
        }
    }
    if definer {
        for who in callers {
            let (from, to) = (named(r.realm, &who, sink), named(r.realm, owner, sink));
            sink.link((PLATFORM, "security_definer"), (&from, &to), Some(text(name)));
        }
    }
    Ok(())
}

fn information_schema(r: &Rec<'_>, sink: &mut Sink<'_>) -> Result<bool, String> {
    let d = r.doc;
    let (grantee, word) = (d.need("grantee")?, d.need("privilege_type")?.to_uppercase());
    let column = d.str("column_name").is_some();
    let (kind, schema, name) = if let Some(name) = d.str("routine_name") {
        ("function", d.first(&["routine_schema", "specific_schema"]), name)
    } else if let Some(name) = d.str("table_name") {
        (if column { "column" } else { "table" }, d.str("table_schema"), name)
    } else if let Some(name) = d.str("object_name") {
        ("object", d.str("object_schema"), name)
    } else {
        return Ok(false);
    };
    let schema = schema.ok_or("the row names no schema")?;
    let catalog =
        d.first(&["table_catalog", "routine_catalog", "specific_catalog", "object_catalog"]);
    let o = Object {
        realm: r.realm,
        kind,
        scope: format!("database/{}/{schema}/{name}", catalog.unwrap_or("?")),
        breadth: Breadth::Resource,
        system: system_schema(schema),
    };
    let grantor = d.str("grantor");
    // Only an owner grants to itself, and an owner has everything.
    let own = grantor == Some(grantee) && grantee != PUBLIC;
    let word = if own && !column { "OWNER" } else { word.as_str() };
    if own && column {
        return Ok(true);
    }
    let hint = Hint { grantor, grantable: r.flag("is_grantable")? == Some(true), default: false };
    o.put(grantee, word, hint, sink);
    Ok(true)
}

/// Rights on objects to come.
fn default_privileges(r: &Rec<'_>, sink: &mut Sink<'_>) -> Result<bool, String> {
    let d = r.doc;
    let owner = d.first(&["role", "defaclrole", "owner"]).unwrap_or_default();
    let kind = match d.need("defaclobjtype")? {
        "r" => "table",
        "S" => "sequence",
        "f" => "function",
        "n" => "schema",
        _ => "object",
    };
    let scope = match d.first(&["schema", "nspname", "defaclnamespace"]).filter(|s| *s != "0") {
        Some(schema) => format!("database/?/{schema}"),
        None => "database/?".to_owned(),
    };
    let o = Object { realm: r.realm, kind, scope, breadth: Breadth::Group, system: false };
    for item in list(r, "defaclacl")?.unwrap_or_default().iter().filter(|i| i.grantee != owner) {
        for (privilege, grantable) in &item.privileges {
            let hint = Hint { grantor: Some(&item.grantor), grantable: *grantable, default: false };
            o.put(&item.grantee, privilege, hint, sink);
        }
    }
    Ok(true)
}
