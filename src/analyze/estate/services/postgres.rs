//! PostgreSQL: what logins hold through memberships, and how they become superuser.
//!
//! Rights on objects come with a membership, either inherited or after `SET ROLE`; attributes come with
//! `SET ROLE` alone, so those are steps of a path. A role that cannot log in and has members holds
//! nothing by itself: its members do.

use std::collections::{BTreeMap, BTreeSet};

use super::tree::{Bundle, Right, Tree, once};
use super::{Edge, Estate, Goal, Held, Platform, World};
use crate::facts::{Entitlement, Facts, Link, Principal, Text, Tier, Tri, text};
use crate::privilege::class::{Breadth, Class};
use crate::privilege::postgres::{
    Classes, Version, attribute, is_predefined, on_object, predefined,
};

/// Platform word.
const PLATFORM: &str = "postgres";
/// Scope of what is held in the whole cluster.
const CLUSTER: &str = "cluster";
/// Name of the principal that every login is.
const PUBLIC: &str = "PUBLIC";

/// The platform.
#[derive(Debug)]
pub struct Postgres;

/// Its only instance.
pub static POSTGRES: Postgres = Postgres;

impl Platform for Postgres {
    fn names(&self) -> &'static [&'static str] {
        &[PLATFORM]
    }

    fn read(&self, world: &World<'_>) -> Estate {
        let facts = world.facts;
        let mut clusters: BTreeMap<Option<&str>, Vec<&Principal>> = BTreeMap::new();
        for p in facts.principals.iter().filter(|p| p.platform.as_deref() == Some(PLATFORM)) {
            clusters.entry(realm_of(&p.principal_id)).or_default().push(p);
        }
        let mut out = Estate::default();
        for (realm, principals) in clusters {
            out.append(Cluster::new(facts, realm, &principals).estate());
        }
        out
    }

    fn tier_of(&self, privilege: &str) -> Option<Tier> {
        let classes = predefined(privilege).or_else(|| {
            let known = ["SUPERUSER", "CREATEROLE", "CREATEDB", "REPLICATION", "BYPASSRLS"];
            known.contains(&privilege).then(|| attribute(privilege, Version::Unknown))
        })?;
        Some(classes.certain.tier_at(Breadth::Account))
    }
}

/// Cluster in the id of a role (`postgres:CLUSTER/NAME`).
fn realm_of(id: &str) -> Option<&str> {
    id.strip_prefix("postgres:").and_then(|r| r.split_once('/')).map(|(realm, _)| realm)
}

/// Name in the id of a role.
fn name_of(id: &str) -> &str {
    id.split_once('/').map_or(id, |(_, name)| name)
}

/// One database cluster.
struct Cluster<'a> {
    realm: Option<&'a str>,
    version: Version,
    /// The only database that the inputs name, for access lists that name none.
    database: Option<&'a str>,
    principals: &'a [&'a Principal],
    entitlements: Vec<&'a Entitlement>,
    links: Vec<&'a Link>,
    tree: Tree,
}

impl<'a> Cluster<'a> {
    fn new(facts: &'a Facts, realm: Option<&'a str>, principals: &'a [&'a Principal]) -> Self {
        let of = |id: &str| realm_of(id) == realm;
        let entitlements: Vec<&Entitlement> =
            once(&facts.entitlements, PLATFORM).filter(|e| of(&e.principal_id)).collect();
        let links: Vec<&Link> = facts
            .links
            .iter()
            .filter(|l| &*l.platform == PLATFORM && of(&l.principal_id))
            .collect();
        let named: BTreeSet<&str> = entitlements
            .iter()
            .filter_map(|e| e.scope.strip_prefix("database/")?.split_once('/'))
            .map(|(db, _)| db)
            .filter(|db| *db != "?")
            .collect();
        let database = named.first().copied().filter(|_| named.len() == 1);
        // Of the list of roles; what a membership names says nothing about what is not there.
        let names: BTreeSet<&str> =
            principals.iter().filter(|p| p.inventoried).map(|p| name_of(&p.principal_id)).collect();
        let since = links.iter().any(|l| l.subject.as_deref() == Some("16+"))
            || names.contains("pg_use_reserved_connections");
        let version = match (since, names.contains("pg_monitor")) {
            (true, _) => Version::Since16,
            // The list of roles holds those the server makes, and the newer ones are not there.
            (false, true) => Version::Before16,
            _ => Version::Unknown,
        };
        let tree = Tree::default();
        Self { realm, version, database, principals, entitlements, links, tree }
    }

    fn scope(&self, e: &Entitlement) -> Text {
        match (e.scope.strip_prefix("database/?"), self.database) {
            (Some(rest), Some(db)) => text(format!("database/{db}{rest}")),
            _ => e.scope.clone(),
        }
    }

    /// The goal of paths.
    fn superuser(&self) -> Text {
        match self.realm {
            Some(realm) => text(format!("postgres:{realm}#superuser")),
            None => text("postgres#superuser"),
        }
    }

    fn estate(mut self) -> Estate {
        let mut out = Estate::default();
        self.rights();
        let closures = self.tree.closures(CLUSTER);
        let logins: BTreeMap<&str, bool> = self
            .principals
            .iter()
            .map(|p| (&*p.principal_id, p.tags.iter().any(|t| &**t == "login=true")))
            .collect();
        for p in self.principals {
            if is_predefined(name_of(&p.principal_id)) {
                out.provider_owned.insert(p.principal_id.clone());
            }
        }
        let lists = |id: &str| {
            let member_of = self.tree.find(id).and_then(|i| self.tree.held.get(i)).copied();
            logins.get(id).copied().unwrap_or(false) || member_of != Some(true)
        };
        // Who bypasses every check holds nothing more by the other attributes.
        let superusers: BTreeSet<&str> = self
            .entitlements
            .iter()
            .filter(|e| &*e.role_id == "postgres/attribute/SUPERUSER")
            .map(|e| &*e.principal_id)
            .collect();
        let mut objects: BTreeMap<(Text, Breadth), Vec<&Entitlement>> = BTreeMap::new();
        for e in self.entitlements.iter().copied().filter(|e| lists(&e.principal_id)) {
            if let Some(word) = e.role_id.strip_prefix("postgres/attribute/") {
                if word != "SUPERUSER" && superusers.contains(&*e.principal_id) {
                    continue;
                }
                let classes = attribute(word, self.version);
                out.held.push(Held {
                    certain: classes.certain,
                    possible: classes.possible,
                    strongest: vec![text(word)],
                    normal: word.to_owned(),
                    conditions: self.doubt(word),
                    ..self.held(e)
                });
            } else if is_object(&e.role_id) {
                let breadth = e.scope_rank.map_or(Breadth::Resource, Breadth::from_rank);
                objects.entry((e.principal_id.clone(), breadth)).or_default().push(e);
            } else if let Some(bundle) = self.tree.find(&e.role_id).and_then(|i| closures.get(i)) {
                self.membership(e, bundle, &mut out);
            }
        }
        for e in self.entitlements.iter().filter(|e| !lists(&e.principal_id)) {
            // A role that nobody logs in as is still an end: its members become it.
            if &*e.role_id == "postgres/attribute/SUPERUSER" {
                out.goals.push(Goal {
                    node: e.principal_id.clone(),
                    title: text(format!("superuser `{}`", name_of(&e.principal_id))),
                    tier: Tier::T0,
                    admin: true,
                });
            }
        }
        for list in objects.into_values() {
            self.objects(&list, &mut out);
        }
        self.tiers(&closures, &mut out);
        self.edges(&mut out);
        out
    }

    /// A binding, before it is known what it gives.
    fn held(&self, e: &Entitlement) -> Held {
        Held {
            principal: e.principal_id.clone(),
            platform: text(PLATFORM),
            realm: self.realm.map(text),
            privilege: e.privilege.clone(),
            role_id: e.role_id.clone(),
            scope: self.scope(e),
            breadth: e.scope_rank.map_or(Breadth::Resource, Breadth::from_rank),
            via: vec![text("direct")],
            provider_owned: e.origin_hint.as_deref() == Some("default")
                || is_predefined(name_of(&e.principal_id)),
            refs: vec![(e.source_id.clone(), e.source_ref.clone())],
            ..Held::default()
        }
    }

    fn doubt(&self, word: &str) -> Vec<Text> {
        match (word, self.version) {
            ("CREATEROLE", Version::Unknown) => {
                vec![text("the server is older than version 16")]
            }
            ("BYPASSRLS", _) => vec![text("it may read the tables that row security protects")],
            _ => Vec::new(),
        }
    }

    /// Own rights of every role, and who holds whom.
    fn rights(&mut self) {
        for p in self.principals {
            let id = self.tree.id(&p.principal_id);
            let Some(classes) = predefined(name_of(&p.principal_id)) else { continue };
            if classes != Classes::default()
                && let Some(own) = self.tree.own.get_mut(id)
            {
                let right = Right {
                    scope: text(CLUSTER),
                    breadth: Breadth::Account,
                    certain: classes.certain,
                    possible: classes.possible,
                    what: text(name_of(&p.principal_id)),
                    source: (p.source_id.clone(), p.source_ref.clone()),
                };
                own.add(&right, CLUSTER);
            }
        }
        let usable: BTreeSet<(&str, &str)> =
            self.links.iter().filter(|l| &*l.kind == "set_role").map(pair).collect();
        for i in 0..self.entitlements.len() {
            let Some(e) = self.entitlements.get(i).copied() else { break };
            if is_object(&e.role_id) {
                let right = self.right(e);
                let id = self.tree.id(&e.principal_id);
                if let Some(own) = self.tree.own.get_mut(id) {
                    own.add(&right, CLUSTER);
                }
            } else if !e.role_id.starts_with("postgres/attribute/") {
                let inherits = !e.condition.as_deref().is_some_and(|c| c.contains("no inherit"));
                // Without INHERIT the rights are a `SET ROLE` away; without both they are out of reach.
                if inherits || usable.contains(&(&*e.principal_id, &*e.role_id)) {
                    self.tree.hold(&e.principal_id, &e.role_id);
                }
            }
        }
    }

    fn right(&self, e: &Entitlement) -> Right {
        let classes = classes_of(e);
        let scope = self.scope(e);
        let place = scope.strip_prefix("database/").unwrap_or(&scope);
        Right {
            what: text(format!("{} on {place}", e.privilege)),
            breadth: e.scope_rank.map_or(Breadth::Resource, Breadth::from_rank),
            certain: classes.certain,
            possible: classes.possible,
            scope: scope.clone(),
            source: (e.source_id.clone(), e.source_ref.clone()),
        }
    }

    fn membership(&self, e: &Entitlement, bundle: &Bundle, out: &mut Estate) {
        let mut like = self.held(e);
        let reached = self.tree.find(&e.principal_id).zip(self.tree.find(&e.role_id));
        let usable = reached
            .and_then(|(who, role)| self.tree.holds.get(who).map(|l| l.contains(&role)))
            .unwrap_or(false);
        let administers = e.condition.as_deref().is_some_and(|c| c.contains("admin option"));
        if !usable || bundle.parts.is_empty() {
            like.normal = "empty".into();
            like.breadth = Breadth::Resource;
            if administers {
                like.certain.insert(Class::PermissionsLimited);
                like.possible.insert(Class::PermissionsLimited);
            }
            out.held.push(like);
            return;
        }
        let mut rows = bundle.held(&like);
        // Handing the role on decides who holds the widest of what it gives.
        if administers && let Some(first) = rows.first_mut() {
            first.certain.insert(Class::PermissionsLimited);
            first.possible.insert(Class::PermissionsLimited);
            first.strongest.insert(0, text("ADMIN OPTION"));
            first.normal.push_str(" admin");
        }
        out.held.extend(rows);
    }

    /// Rights of one principal on objects, one row per schema and breadth.
    fn objects(&self, list: &[&Entitlement], out: &mut Estate) {
        let mut groups: BTreeMap<(Text, bool), (Bundle, BTreeSet<Text>)> = BTreeMap::new();
        for e in list {
            let scope = self.scope(e);
            let breadth = e.scope_rank.map_or(Breadth::Resource, Breadth::from_rank);
            let within = match scope.rsplit_once('/') {
                Some((head, _)) if breadth == Breadth::Resource => text(head),
                _ => scope,
            };
            let default = e.origin_hint.as_deref() == Some("default");
            let (bundle, words) = groups.entry((within, default)).or_default();
            bundle.add(&self.right(e), CLUSTER);
            words.insert(e.privilege.clone());
        }
        for ((scope, default), (bundle, words)) in groups {
            let Some(first) = list.first() else { continue };
            let privilege: Vec<&str> = words.iter().map(|w| &**w).collect();
            let like = Held {
                privilege: text(privilege.join(", ")),
                role_id: text("postgres/objects"),
                provider_owned: default || is_predefined(name_of(&first.principal_id)),
                refs: Vec::new(),
                ..self.held(first)
            };
            for row in bundle.held(&like) {
                out.held.push(Held { scope: scope.clone(), ..row });
            }
        }
    }

    fn tiers(&self, closures: &[Bundle], out: &mut Estate) {
        let mut own: BTreeMap<&str, Tier> = BTreeMap::new();
        for e in &self.entitlements {
            if let Some(word) = e.role_id.strip_prefix("postgres/attribute/") {
                let tier = attribute(word, self.version).certain.tier_at(Breadth::Account);
                let slot = own.entry(&e.principal_id).or_insert(tier);
                *slot = tier.min(*slot);
            }
        }
        for p in self.principals {
            let Some(bundle) = self.tree.find(&p.principal_id).and_then(|i| closures.get(i)) else {
                continue;
            };
            let own = own.get(&*p.principal_id).copied();
            let tier = bundle.tier().into_iter().chain(own).min().or(Some(Tier::T4));
            out.put_tier(text(PLATFORM), p.principal_id.clone(), tier);
            out.put_tier(text(PLATFORM), text(name_of(&p.principal_id)), tier);
        }
    }

    fn edges(&self, out: &mut Estate) {
        let inner = |id: &Text| text(format!("{id}#inherits"));
        for p in self.principals {
            let (id, name) = (&p.principal_id, name_of(&p.principal_id));
            out.edges.push(Edge::relation(id.clone(), inner(id)));
            let takes = match name {
                "pg_execute_server_program" => {
                    "runs programs as the account of the server and makes itself superuser"
                }
                "pg_write_server_files" => {
                    "writes files of the server, its configuration among them, and makes itself superuser"
                }
                _ => continue,
            };
            let step = text(format!("A member of `{name}` {takes}"));
            out.edges.push(Edge {
                technique: text(format!("postgres:{name}")),
                step,
                refs: vec![(p.source_id.clone(), p.source_ref.clone())],
                ..Edge::relation(inner(id), self.superuser())
            });
        }
        for e in &self.entitlements {
            if &*e.role_id == "postgres/attribute/CREATEROLE" && self.version != Version::Since16 {
                out.edges.push(self.createrole(e));
            }
            let membership =
                !is_object(&e.role_id) && !e.role_id.starts_with("postgres/attribute/");
            let inherits = !e.condition.as_deref().is_some_and(|c| c.contains("no inherit"));
            if membership && inherits {
                out.edges.push(Edge::relation(inner(&e.principal_id), inner(&e.role_id)));
            }
        }
        for l in &self.links {
            out.edges.extend(step(l));
        }
        out.goals.push(Goal {
            node: self.superuser(),
            title: text(match self.realm {
                Some(realm) => format!("superuser of PostgreSQL `{realm}`"),
                None => "superuser of PostgreSQL".to_owned(),
            }),
            tier: Tier::T0,
            admin: true,
        });
    }

    /// Before version 16 the attribute lets its holder grant itself every role but superusers, those
    /// that run programs of the server among them.
    fn createrole(&self, e: &Entitlement) -> Edge {
        let known = self.version == Version::Before16;
        Edge {
            technique: text("postgres:createrole"),
            step: text(format!(
                "`{}` grants itself `pg_execute_server_program` by CREATEROLE, runs programs as the account of the server and makes itself superuser",
                name_of(&e.principal_id)
            )),
            verdict: if known { Tri::Yes } else { Tri::Conditional },
            conditions: self.doubt("CREATEROLE"),
            refs: vec![(e.source_id.clone(), e.source_ref.clone())],
            ..Edge::relation(e.principal_id.clone(), self.superuser())
        }
    }
}

fn pair<'a>(l: &&'a Link) -> (&'a str, &'a str) {
    (&l.principal_id, &l.target_id)
}

/// A privilege on an object, not a membership or an attribute.
fn is_object(role_id: &str) -> bool {
    const KINDS: [&str; 8] =
        ["database", "schema", "table", "view", "sequence", "function", "column", "object"];
    let kind = role_id.strip_prefix("postgres/").and_then(|r| r.split_once('/'));
    kind.is_some_and(|(kind, _)| KINDS.contains(&kind))
}

fn classes_of(e: &Entitlement) -> Classes {
    let kind = e.role_id.strip_prefix("postgres/").and_then(|r| r.split_once('/'));
    let grantable = e.condition.is_some();
    kind.map_or(Classes::default(), |(kind, word)| on_object(kind, word, grantable))
}

/// The step that a link of the catalogue is.
fn step(l: &Link) -> Option<Edge> {
    let (who, role) = (name_of(&l.principal_id), name_of(&l.target_id));
    let whole = Edge {
        refs: vec![(l.source_id.clone(), l.source_ref.clone())],
        ..Edge::relation(l.principal_id.clone(), l.target_id.clone())
    };
    match &*l.kind {
        "set_role" => Some(Edge {
            technique: text("postgres:set_role"),
            step: text(format!("`{who}` becomes `{role}` by SET ROLE")),
            ..whole
        }),
        "admin_option" => Some(Edge {
            technique: text("postgres:admin_option"),
            step: text(format!(
                "`{who}` grants itself `{role}`, which it administers (ADMIN OPTION)"
            )),
            ..whole
        }),
        "security_definer" => {
            let function = l.subject.as_deref().unwrap_or("a function");
            let caller = if who == PUBLIC { "Every login".to_owned() } else { format!("`{who}`") };
            Some(Edge {
                technique: text("postgres:security_definer"),
                step: text(format!(
                    "{caller} calls `{function}`, which runs as `{role}` (SECURITY DEFINER)"
                )),
                // What the function does, the inputs do not show.
                potential: true,
                ..whole
            })
        }
        _ => None,
    }
}
