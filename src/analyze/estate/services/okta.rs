//! Okta: administrator roles and scopes of applications.
//!
//! Types of roles and names of scopes are the vendor's words; what a custom role permits is not in
//! these exports and stays unknown. Group administrators hold by their groups where members are known.

use std::collections::{BTreeMap, HashMap};

use serde_json::Value;

use super::tree::once;
use super::{Estate, Held, Platform, World, bound};
use crate::facts::{Standing, Text, Tier, text};
use crate::privilege::class::{Breadth, Class, ClassSet};
use crate::privilege::dangerous;

/// Platform word.
const PLATFORM: &str = "okta";

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
        let mut contents: HashMap<&str, ClassSet> = HashMap::new();
        for r in world.facts.roles.iter().filter(|r| &*r.platform == PLATFORM) {
            let Some(classes) = r.document.as_deref().and_then(classes) else { continue };
            contents.insert(&r.role_id, classes);
            let tier = Some(classes.tier_at(Breadth::Tenant));
            out.put_tier(text(PLATFORM), r.role_id.clone(), tier);
            out.put_tier(text(PLATFORM), r.name.clone(), tier);
        }
        let mut members: BTreeMap<&str, Vec<&Text>> = BTreeMap::new();
        for m in &world.facts.memberships {
            members.entry(&m.group_id).or_default().push(&m.principal_id);
        }
        for e in once(&world.facts.entitlements, PLATFORM) {
            let mut held = bound(e, None, world.as_of);
            match contents.get(&*e.role_id) {
                Some(classes) => {
                    (held.certain, held.possible) = (*classes, *classes);
                    held.strongest = vec![e.privilege.clone()];
                    held.normal = format!("{:?}", classes);
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
        out
    }

    fn tier_of(&self, privilege: &str) -> Option<Tier> {
        of_type(privilege).or_else(|| of_scope(privilege)).map(|c| c.tier_at(Breadth::Tenant))
    }
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

fn classes(document: &str) -> Option<ClassSet> {
    let doc: Value = serde_json::from_str(document).ok()?;
    match (doc.get("type").and_then(Value::as_str), doc.get("scope").and_then(Value::as_str)) {
        (Some(kind), _) => of_type(kind),
        // A scope that is not of the management API reads the own profile at most.
        (_, Some(scope)) => of_scope(scope).or(Some(one(Class::Read))),
        _ => None,
    }
}
