//! Okta: administrator roles and scopes of applications.
//!
//! Types of roles and names of scopes are the vendor's words; what a custom role permits is not in
//! these exports and stays unknown. Group administrators hold by their groups where members are known.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use serde_json::Value;

use super::super::rows::in_force;
use super::tree::once;
use super::{Edge, Estate, Held, Platform, World, bound};
use crate::facts::{Standing, Text, Tier, Tri, text};
use crate::privilege::class::{Breadth, Class, ClassSet};
use crate::privilege::dangerous;

/// Platform word.
const PLATFORM: &str = "okta";
/// Part of the scope of a binding that a resource set limits.
const RESOURCE_SET: &str = "resource-set:";
/// Name of a resource set that holds a whole collection.
const WHOLE: &str = "holds a whole collection";

/// The platform.
#[derive(Debug)]
pub struct Okta;

/// Its only instance.
pub static OKTA: Okta = Okta;

impl Platform for Okta {
    fn names(&self) -> &'static [&'static str] {
        &[PLATFORM]
    }

    fn read(&self, world: &World<'_>) -> Estate {
        let mut out = Estate::default();
        let mut contents: HashMap<&str, Content> = HashMap::new();
        for r in world.facts.roles.iter().filter(|r| &*r.platform == PLATFORM) {
            let Some(content) = r.document.as_deref().and_then(content) else { continue };
            let tier = Some(content.certain.tier_at(Breadth::Tenant));
            contents.insert(&r.role_id, content);
            out.put_tier(text(PLATFORM), r.role_id.clone(), tier);
            out.put_tier(text(PLATFORM), r.name.clone(), tier);
        }
        let sets = sets(world);
        let mut members: BTreeMap<&str, Vec<&Text>> = BTreeMap::new();
        for m in &world.facts.memberships {
            members.entry(&m.group_id).or_default().push(&m.principal_id);
        }
        for e in once(&world.facts.entitlements, PLATFORM) {
            let mut held = bound(e, None, world.as_of);
            match contents.get(&*e.role_id) {
                Some(content) => {
                    (held.certain, held.possible) = (content.certain, content.possible);
                    held.strongest = if content.what.is_empty() {
                        vec![e.privilege.clone()]
                    } else {
                        content.what.iter().take(12).map(|(_, w)| w.clone()).collect()
                    };
                    held.conditions.clone_from(&content.conditions);
                    held.normal = format!("{:?} {:?}", content.certain, content.possible);
                    within(e, &sets, &mut held);
                }
                None => held.unknown = Some(text("role_unexpanded")),
            }
            if e.origin_hint.as_deref() == Some("inactive") {
                held.standing = Standing::Residue;
                held.residue = Some(text("disabled_role"));
            }
            match members.get(&*e.principal_id) {
                Some(list) => out.held.extend(list.iter().map(|m| Held {
                    principal: (**m).clone(),
                    via: vec![text(format!("group:{}", e.principal_id))],
                    ..held.clone()
                })),
                None => out.held.push(held),
            }
        }
        applications(&mut out);
        out
    }

    fn tier_of(&self, privilege: &str) -> Option<Tier> {
        of_type(privilege).or_else(|| of_scope(privilege)).map(|c| c.tier_at(Breadth::Tenant))
    }
}

/// Words that let their holder edit applications, and so add a credential to one.
const EDIT_APPLICATIONS: [&str; 4] =
    ["APP_ADMIN", "okta.apps.manage", "okta.clients.manage", "okta.apps.clientCredentials.manage"];
/// Junction of all applications that hold scopes.
const APPLICATIONS: &str = "okta#applications";

/// Whoever edits applications signs in as one that holds scopes of the management interface. The service
/// keeps that from some administrators (a setting), so the step is conditional.
fn applications(out: &mut Estate) {
    let mut edges = Vec::new();
    let clients: BTreeSet<&Text> = out
        .held
        .iter()
        .filter(|h| in_force(h) && h.role_id.starts_with("okta/scope/"))
        .map(|h| &h.principal)
        .collect();
    edges.extend(clients.iter().map(|c| Edge::relation(text(APPLICATIONS), (**c).clone())));
    for h in out.held.iter().filter(|h| !clients.is_empty() && in_force(h)) {
        let Some(word) = EDIT_APPLICATIONS.iter().find(|w| h.strongest.iter().any(|s| **s == ***w))
        else {
            continue;
        };
        edges.push(Edge {
            technique: text("okta:app_credential"),
            step: text(format!("adds a credential to an application and signs in as it (`{word}`)")),
            verdict: Tri::Conditional,
            conditions: vec![text("the organisation lets administrators of applications edit clients that hold scopes")],
            not_after: h.not_after,
            refs: h.refs.clone(),
            ..Edge::relation(h.principal.clone(), text(APPLICATIONS))
        });
    }
    out.edges.append(&mut edges);
}

fn one(class: Class) -> ClassSet {
    [class].into_iter().collect()
}

/// Classes of a standard administrator role.
fn of_type(word: &str) -> Option<ClassSet> {
    dangerous::class(PLATFORM, word).filter(|_| word.ends_with("_ADMIN")).map(one)
}

/// Classes of a scope of the management API.
fn of_scope(word: &str) -> Option<ClassSet> {
    let (area, level) = word.strip_prefix("okta.")?.rsplit_once('.')?;
    Some(one(match (area, level) {
        (_, "read") => Class::Read,
        // Decide who administers, or who may call the interface.
        ("roles" | "apiTokens" | "policies" | "authorizationServers" | "idps", "manage") => {
            Class::Permissions
        }
        // Reset a factor, join a group, change an application that others trust.
        (
            "users" | "groups" | "apps" | "factors" | "appGrants" | "clients" | "oauthIntegrations",
            "manage",
        ) => Class::Escalation,
        (_, "manage") => Class::Write,
        _ => return None,
    }))
}

/// What a role permits.
#[derive(Clone, Debug, Default)]
struct Content {
    certain: ClassSet,
    possible: ClassSet,
    /// Permissions of a custom role, strongest first.
    what: Vec<(Class, Text)>,
    conditions: Vec<Text>,
}

/// Class of a permission of a custom role (vendor page "Permissions catalog").
fn of_permission(word: &str) -> Class {
    let Some((area, verb)) = word.strip_prefix("okta.").and_then(|w| w.rsplit_once('.')) else {
        return Class::Write;
    };
    match (area, verb) {
        (_, "read") => Class::Read,
        // Whoever sets a password or a factor, or makes a member, becomes the user or gets the group's
        // rights; whoever edits an application decides whom it takes for whom.
        (
            "users.credentials" | "users.lifecycle" | "groups.members" | "groups" | "users"
            | "apps",
            _,
        )
        | ("apps.assignment" | "realms" | "apps.clientCredentials", "manage") => Class::Escalation,
        (a, "resetPassword" | "resetFactors" | "expirePassword" | "manageTemporaryAccessCode")
            if a.starts_with("users") =>
        {
            Class::Escalation
        }
        ("authzServers" | "identityProviders" | "iam" | "policies" | "apiTokens", _) => {
            Class::Permissions
        }
        ("workflows" | "workflows.flows", "invoke") | ("agents" | "directories", _) => {
            Class::EscalationPossible
        }
        _ => Class::Write,
    }
}

fn custom(doc: &Value) -> Option<Content> {
    let list = |key: &str| -> Vec<&str> {
        doc.get(key)
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
            .filter_map(Value::as_str)
            .collect()
    };
    doc.get("permissions")?.as_array()?;
    let mut out = Content::default();
    for word in list("permissions") {
        let class = of_permission(word);
        out.certain.insert(class);
        out.possible.insert(class);
        out.what.push((class, text(word)));
    }
    for word in list("conditional") {
        let class = of_permission(word);
        out.possible.insert(class);
        out.what.push((class, text(word)));
        out.conditions.push(text(format!("`{word}` holds under a condition of the role")));
    }
    out.what.sort();
    Some(out)
}

fn content(document: &str) -> Option<Content> {
    let doc: Value = serde_json::from_str(document).ok()?;
    custom(&doc).or_else(|| {
        let set = classes(&doc)?;
        Some(Content { certain: set, possible: set, ..Content::default() })
    })
}

/// Resource sets whose resources are known: whether one holds a whole collection.
fn sets<'a>(world: &World<'a>) -> BTreeMap<&'a str, bool> {
    let ours = world.facts.realms.iter().filter(|r| &*r.platform == PLATFORM);
    ours.filter(|r| r.organisation.is_some())
        .map(|r| (&*r.realm_id, r.name.as_deref() == Some(WHOLE)))
        .collect()
}

/// Narrows a role to the resource set of its binding. Of a set whose resources no input lists nothing is
/// certain.
fn within(e: &crate::facts::Entitlement, sets: &BTreeMap<&str, bool>, held: &mut Held) {
    let Some(at) = e.scope.find(RESOURCE_SET) else { return };
    let name = e.scope.get(at..).unwrap_or_default();
    match sets.get(name) {
        Some(true) => held.breadth = Breadth::Tenant,
        Some(false) => held.breadth = Breadth::Group,
        None => {
            held.breadth = Breadth::Tenant;
            held.certain = ClassSet::EMPTY;
            held.conditions
                .push(text(format!("how much `{name}` holds: no input lists its resources")));
        }
    }
}

fn classes(doc: &Value) -> Option<ClassSet> {
    match (doc.get("type").and_then(Value::as_str), doc.get("scope").and_then(Value::as_str)) {
        (Some(kind), _) => of_type(kind),
        // A scope that is not of the management API reads the own profile at most.
        (_, Some(scope)) => of_scope(scope).or(Some(one(Class::Read))),
        _ => None,
    }
}
