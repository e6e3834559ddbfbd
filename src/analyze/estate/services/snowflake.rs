//! Snowflake: the tree of roles, and what users hold through it.
//!
//! A user can take every role that is granted to it, so all of them count. Names of system-defined roles
//! are the vendor's and cannot be given to others; every other role is judged by its grants.

use std::collections::BTreeMap;

use super::tree::{Bundle, Right, Tree, once};
use super::{Edge, Estate, Goal, Held, Platform, World, bound, source};
use crate::facts::{Entitlement, Text, Tier, text};
use crate::privilege::class::{Breadth, Class, ClassSet};
use crate::privilege::dangerous;

/// The platform.
#[derive(Debug)]
pub struct Snowflake;

/// Its only instance.
pub static SNOWFLAKE: Snowflake = Snowflake;

/// Platform word.
const PLATFORM: &str = "snowflake";
/// Scope of the whole account.
const ACCOUNT: &str = "account";

impl Platform for Snowflake {
    fn names(&self) -> &'static [&'static str] {
        &[PLATFORM]
    }

    fn read(&self, world: &World<'_>) -> Estate {
        let mut out = Estate::default();
        let mut tree = Tree::default();
        let mut names: BTreeMap<&Text, &str> = BTreeMap::new();
        for p in &world.facts.principals {
            let role = p.platform.as_deref() == Some(PLATFORM) && p.principal_id.contains("/role:");
            let Some(name) = p.name.as_deref().filter(|_| role) else { continue };
            names.insert(&p.principal_id, name);
            let id = tree.id(&p.principal_id);
            if let (Some(classes), Some(own)) = (system(name), tree.own.get_mut(id)) {
                let right = Right {
                    scope: text(ACCOUNT),
                    breadth: Breadth::Account,
                    certain: classes,
                    possible: classes,
                    what: text(name),
                    source: (p.source_id.clone(), p.source_ref.clone()),
                };
                own.add(&right, ACCOUNT);
                out.provider_owned.insert(p.principal_id.clone());
            }
        }
        let all: Vec<&Entitlement> = once(&world.facts.entitlements, PLATFORM).collect();
        for e in &all {
            if names.contains_key(&e.role_id) {
                tree.hold(&e.principal_id, &e.role_id);
            } else {
                let right = right(e);
                let id = tree.id(&e.principal_id);
                if let Some(own) = tree.own.get_mut(id) {
                    own.add(&right, ACCOUNT);
                }
            }
        }
        let closures = tree.closures(ACCOUNT);
        for (id, name) in &names {
            let Some(bundle) = tree.find(id).and_then(|i| closures.get(i)) else { continue };
            let tier = Some(bundle.tier().unwrap_or(Tier::T4));
            out.put_tier(text(PLATFORM), (*id).clone(), tier);
            out.put_tier(text(PLATFORM), text(*name), tier);
        }
        for (id, name) in &names {
            let Some(bundle) = tree.find(id).and_then(|i| closures.get(i)) else { continue };
            let classes =
                bundle.parts.iter().find(|(b, _)| **b <= Breadth::Account).map(|(_, p)| p.certain);
            let Some(classes) = classes else { continue };
            let admin = classes.contains(Class::Admin);
            if admin || classes.contains(Class::Permissions) {
                let title = text(format!("role `{name}` of Snowflake"));
                out.goals.push(Goal { node: (*id).clone(), title, tier: Tier::T0, admin });
            }
        }
        for e in all {
            out.edges.extend(edge(e, &names));
            bindings(e, world, (&tree, &closures), &mut out);
        }
        out
    }

    fn tier_of(&self, privilege: &str) -> Option<Tier> {
        system(privilege).map(|c| c.tier_at(Breadth::Account))
    }
}

fn sure(classes: &[Class]) -> ClassSet {
    classes.iter().copied().collect()
}

/// Meaning of a role that the system defines.
fn system(name: &str) -> Option<ClassSet> {
    match name {
        "ACCOUNTADMIN" | "SECURITYADMIN" | "USERADMIN" | "SYSADMIN" => {
            dangerous::class(PLATFORM, name).map(|c| sure(&[c]))
        }
        "ORGADMIN" | "GLOBALORGADMIN" => Some(sure(&[Class::Admin])),
        _ => None,
    }
}

/// Meaning of a privilege on a kind of object.
fn on_object(kind: &str, privilege: &str) -> ClassSet {
    match (kind, privilege) {
        ("account", "MANAGE GRANTS" | "CREATE USER" | "CREATE ROLE" | "APPLY ANY TAG") => {
            sure(&[Class::Permissions])
        }
        ("account", "OWNERSHIP") => sure(&[Class::Admin]),
        ("account", "CREATE INTEGRATION" | "EXECUTE AS" | "IMPERSONATE") => {
            sure(&[Class::Escalation])
        }
        ("integration", "USAGE") | ("user", "IMPERSONATE") | (_, "EXECUTE AS") => {
            sure(&[Class::EscalationPossible])
        }
        // A role whose owner one is is a role that one grants oneself.
        ("role" | "database_role" | "user", "OWNERSHIP") => sure(&[Class::PermissionsLimited]),
        (_, "OWNERSHIP" | "ALL" | "ALL PRIVILEGES") => sure(&[
            Class::PermissionsLimited,
            Class::Destructive,
            Class::DataWrite,
            Class::DataRead,
        ]),
        (_, "SELECT" | "READ" | "IMPORTED PRIVILEGES" | "READ SESSION") => sure(&[Class::DataRead]),
        (_, "INSERT" | "UPDATE" | "WRITE" | "EVOLVE SCHEMA") => sure(&[Class::DataWrite]),
        (_, "DELETE" | "TRUNCATE" | "DROP") => sure(&[Class::Destructive]),
        ("account", p) if p.starts_with("APPLY") || p.starts_with("ATTACH") => {
            sure(&[Class::PermissionsLimited])
        }
        (_, p)
            if p.starts_with("CREATE") || p.starts_with("MODIFY") || p.starts_with("EXECUTE") =>
        {
            sure(&[Class::Write])
        }
        (_, "OPERATE") => sure(&[Class::Write]),
        _ => sure(&[Class::Read]),
    }
}

fn right(e: &Entitlement) -> Right {
    let kind = e.role_id.strip_prefix("snowflake/").and_then(|r| r.split_once('/'));
    let mut classes = kind.map_or(ClassSet::EMPTY, |(kind, word)| on_object(kind, word));
    if e.condition.is_some() {
        classes.insert(Class::PermissionsLimited);
    }
    let place = e.scope.strip_prefix("database/").unwrap_or(&e.scope);
    let future =
        if e.origin_hint.as_deref() == Some("future objects") { "future objects of " } else { "" };
    Right {
        what: text(format!("{} on {future}{place}", e.privilege)),
        breadth: e.scope_rank.map_or(Breadth::Resource, Breadth::from_rank),
        certain: classes,
        possible: classes,
        scope: e.scope.clone(),
        source: source(e),
    }
}

/// Roles that a role holds, and those it owns: an owner grants its role to itself.
fn edge(e: &Entitlement, names: &BTreeMap<&Text, &str>) -> Option<Edge> {
    if names.contains_key(&e.role_id) {
        return Some(Edge::relation(e.principal_id.clone(), e.role_id.clone()));
    }
    if &*e.role_id == "snowflake/user/IMPERSONATE" {
        let (base, _) = e.principal_id.split_once('/')?;
        let user = e.scope.strip_prefix("user/")?;
        return Some(Edge {
            technique: text("snowflake:impersonate"),
            step: text(format!("acts as the user `{user}` (IMPERSONATE)")),
            refs: vec![source(e)],
            ..Edge::relation(e.principal_id.clone(), text(format!("{base}/user:{user}")))
        });
    }
    let owned =
        e.scope.strip_prefix("role/").filter(|_| &*e.role_id == "snowflake/role/OWNERSHIP")?;
    let (base, _) = e.principal_id.split_once('/')?;
    let target = text(format!("{base}/role:{owned}"));
    let name = e.principal_id.rsplit_once(':').map_or(&*e.principal_id, |(_, n)| n);
    names.contains_key(&target).then(|| Edge {
        technique: text("snowflake:role_ownership"),
        step: text(format!("`{name}` owns the role `{owned}` and grants it to itself")),
        refs: vec![source(e)],
        ..Edge::relation(e.principal_id.clone(), target.clone())
    })
}

fn bindings(
    e: &Entitlement,
    world: &World<'_>,
    (tree, closures): (&Tree, &[Bundle]),
    out: &mut Estate,
) {
    let like = bound(e, None, world.as_of);
    let role = tree.find(&e.role_id);
    // Roles that others hold are ways to rights, not holders.
    let holder = tree.find(&e.principal_id);
    let inner = e.principal_id.contains("/role:")
        && holder.and_then(|i| tree.held.get(i)).copied().unwrap_or(false);
    if inner {
        return;
    }
    match role.and_then(|i| closures.get(i)) {
        Some(bundle) if bundle.parts.is_empty() => {
            out.held.push(Held { normal: "empty".into(), breadth: Breadth::Resource, ..like });
        }
        Some(bundle) => out.held.extend(bundle.held(&like)),
        None => {
            let mut own = Bundle::default();
            own.add(&right(e), ACCOUNT);
            let rows = own.held(&Held { refs: Vec::new(), ..like });
            out.held.extend(rows);
        }
    }
}
