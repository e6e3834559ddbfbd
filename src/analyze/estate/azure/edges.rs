//! Steps by which one identity becomes another (cloud semantics, section 7): code that runs under a
//! managed identity, secrets put on applications, ways into groups and accounts.
//!
//! What runs under an identity is a tree of junctions by type of resource and scope, so that a right on
//! a subscription is one edge, however much runs there.

use std::collections::{BTreeMap, BTreeSet};

use super::super::{Edge, Estate, Goal, World};
use super::members::Members;
use super::{Bound, Reach, Tree, catalogue, text};
use crate::facts::{PrincipalKind, Text, Tier, Tri};
use crate::privilege::azure::scope::{DIRECTORY, canonical, is_group};
use crate::privilege::azure::{MANAGED, RESOURCE, ROLE_ASSIGNABLE};
use crate::privilege::class::{Breadth, Class, ClassSet};

/// Type of user-assigned identities; their own junction stands for attaching one.
const IDENTITIES: &str = "microsoft.managedidentity/userassignedidentities";
/// Node of the root of the resource manager.
const ROOT: &str = "azure#/";

/// Fills edges and goals.
pub(super) fn fill(
    world: &World<'_>,
    bound: &[Bound<'_>],
    members: &Members,
    tree: &Tree,
    estate: &mut Estate,
) {
    for (member, group, end) in members.pairs() {
        let mut edge = Edge::relation(member.clone(), group.clone());
        edge.not_after = end;
        estate.edges.push(edge);
    }
    let running = workloads(world, tree, estate);
    for b in bound {
        runs(b, &running, estate);
        directory(b, estate);
    }
    Unplaced::new(&running, tree).add(bound, tree, estate);
    junctions(world, bound, estate);
    links(world, estate);
    groups(world, bound, estate);
}

/// The first two parts of a type or an operation, lower case: `microsoft.compute/virtualmachines`.
fn family(name: &str) -> Option<&str> {
    let (at, _) = name.match_indices('/').nth(1).unwrap_or((name.len(), ""));
    name.get(..at).filter(|f| f.contains('/'))
}

fn node(family: &str, scope: &str) -> Text {
    text(format!("azure#{family}@{scope}"))
}

/// Junctions of what runs under an identity. Returns families by scope that lead somewhere.
fn workloads(
    world: &World<'_>,
    tree: &Tree,
    estate: &mut Estate,
) -> BTreeMap<String, BTreeSet<String>> {
    let mut pairs: BTreeSet<(String, String, String)> = BTreeSet::new();
    let mut ends: BTreeSet<(Text, Text)> = BTreeSet::new();
    let mut known: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    let mut put = |family: &str, id: &str, principal: &Text| {
        ends.insert((node(family, id), principal.clone()));
        let mut below = id.to_owned();
        known.entry(below.clone()).or_default().insert(family.to_owned());
        for above in tree.above(id) {
            known.entry(above.clone()).or_default().insert(family.to_owned());
            pairs.insert((family.to_owned(), above.clone(), below));
            below = above;
        }
    };
    for w in world.facts.workloads.iter().filter(|w| &*w.platform == "azure") {
        let kind = w.kind.to_ascii_lowercase();
        if let (Some(family), Some(principal)) = (family(&kind), &w.principal_id) {
            put(family, &w.workload_id, principal);
        }
    }
    // A managed identity says by itself which resource it is.
    for p in &world.facts.principals {
        let path = p.tags.iter().find_map(|t| t.strip_prefix(RESOURCE));
        let Some(path) = path.filter(|_| p.tags.iter().any(|t| &**t == MANAGED)) else { continue };
        let path = canonical(path);
        let kind = path.rsplit_once("/providers/").map(|(_, k)| k.to_owned());
        if let Some(family) = kind.as_deref().and_then(family) {
            put(family, &path, &p.principal_id);
        }
    }
    for (family, above, below) in pairs {
        estate.edges.push(Edge::relation(node(&family, &above), node(&family, &below)));
    }
    for (from, to) in ends {
        estate.edges.push(Edge::relation(from, to));
    }
    known
}

/// Running code as an identity, or attaching one, by what an assignment gives.
fn runs(b: &Bound<'_>, running: &BTreeMap<String, BTreeSet<String>>, estate: &mut Estate) {
    let Some(there) = running.get(&*b.entitlement.scope) else { return };
    for run in ways(b, there) {
        let to = node(&run.family, &b.entitlement.scope);
        estate.edges.push(run.edge(b, to, None));
    }
}

/// One way to run code as an identity.
struct Run {
    family: String,
    /// Needs a partner that the assignment does not give.
    half: bool,
    unsure: bool,
    operation: &'static str,
}

impl Run {
    /// The step to a junction; `perhaps` says what no input decides about the place.
    fn edge(&self, b: &Bound<'_>, to: Text, perhaps: Option<Text>) -> Edge {
        let e = b.entitlement;
        let (technique, what) = if self.family == IDENTITIES {
            ("azure-identity-take", "acts as a managed identity in")
        } else {
            ("azure-run-as-identity", "runs code under the managed identity of a resource in")
        };
        let mut conditions = if self.unsure { b.rights.conditions.clone() } else { Vec::new() };
        let open = self.unsure || perhaps.is_some();
        conditions.extend(perhaps);
        Edge {
            technique: text(technique),
            step: text(format!("{what} `{}` (`{}` by `{}`)", e.scope, self.operation, e.privilege)),
            verdict: if open { Tri::Conditional } else { Tri::Yes },
            potential: self.half,
            conditions,
            not_after: b.not_after,
            refs: vec![(e.source_id.clone(), e.source_ref.clone())],
            ..Edge::relation(e.principal_id.clone(), to)
        }
    }
}

/// The best way of an assignment into each family of what runs in a place.
fn ways(b: &Bound<'_>, there: &BTreeSet<String>) -> Vec<Run> {
    let operations = &catalogue().operations;
    let mut best: BTreeMap<&str, (bool, bool, &'static str)> = BTreeMap::new();
    // Somebody who attaches an identity needs something of his own to attach it to.
    let computes = b.rights.steps.iter().any(|(i, sure)| {
        operations
            .get(*i)
            .is_some_and(|o| *sure && o.key.ends_with("/write") && !o.key.starts_with(IDENTITIES))
    });
    for (i, sure) in &b.rights.steps {
        let Some(op) = operations.get(*i) else { continue };
        let Some(family) = family(&op.key).filter(|f| there.contains(*f)) else { continue };
        let half =
            op.key.starts_with(IDENTITIES) && op.key.ends_with("/assign/action") && !computes;
        let new = (half, !*sure, op.name.as_str());
        let slot = best.entry(family).or_insert(new);
        if new < *slot {
            *slot = new;
        }
    }
    let run = |(family, (half, unsure, operation)): (&str, (bool, bool, &'static str))| Run {
        family: family.to_owned(),
        half,
        unsure,
        operation,
    };
    best.into_iter().map(run).collect()
}

/// Management groups without a known place that are looked at one by one; beyond that they are taken
/// together, and a group may be offered what hangs above it as possible.
const ONE_BY_ONE: usize = 64;

/// What runs in subscriptions and management groups of which no input says where they hang: rights on a
/// management group may reach it.
struct Unplaced<'a> {
    running: &'a BTreeMap<String, BTreeSet<String>>,
    subscriptions: Vec<&'a str>,
    groups: Vec<&'a str>,
}

impl<'a> Unplaced<'a> {
    fn new(running: &'a BTreeMap<String, BTreeSet<String>>, tree: &Tree) -> Self {
        let open = |s: &&str| tree.unplaced(s).as_deref() == Some(s);
        let all: Vec<&str> = running.keys().map(String::as_str).filter(open).collect();
        let (groups, subscriptions) = all.into_iter().partition(|s| is_group(s));
        Self { running, subscriptions, groups }
    }

    /// Steps from what is assigned at management groups.
    fn add(&self, bound: &[Bound<'_>], tree: &Tree, estate: &mut Estate) {
        let subscriptions = self.junction("azure#subscriptions", &self.subscriptions, estate);
        let many = self.groups.len() > ONE_BY_ONE;
        let groups = if many {
            self.junction("azure#groups", &self.groups, estate)
        } else {
            BTreeSet::new()
        };
        for b in bound.iter().filter(|b| is_group(&b.entitlement.scope)) {
            let scope = &*b.entitlement.scope;
            let mut put = |there: &BTreeSet<String>, at: &str| {
                for run in ways(b, there) {
                    let what = if is_group(at) { at } else { "the subscription of what runs" };
                    let perhaps = text(format!(
                        "whether `{scope}` holds {what}: no input holds the tree of management groups"
                    ));
                    let to = node(&run.family, at);
                    estate.edges.push(run.edge(b, to, Some(perhaps)));
                }
            };
            put(&subscriptions, "azure#subscriptions");
            if many {
                put(&groups, "azure#groups");
            }
            for group in self.groups.iter().filter(|_| !many) {
                if tree.relation(scope, group) == Tri::Conditional
                    && let Some(there) = self.running.get(*group)
                {
                    put(there, group);
                }
            }
        }
    }

    /// A junction that leads to all of these scopes. Returns the families there.
    fn junction(&self, name: &str, scopes: &[&str], estate: &mut Estate) -> BTreeSet<String> {
        let mut out = BTreeSet::new();
        for scope in scopes {
            for family in self.running.get(*scope).into_iter().flatten() {
                estate.edges.push(Edge::relation(node(family, name), node(family, scope)));
                out.insert(family.clone());
            }
        }
        out
    }
}

/// Node of everything of a kind in the directory.
fn all_of(reach: Reach) -> Option<(&'static str, &'static str, &'static str)> {
    Some(match reach {
        Reach::Apps => (
            "entra#applications",
            "entra-add-secret",
            "adds a credential to any application and signs in as it",
        ),
        Reach::Groups => (
            "entra#groups",
            "entra-add-member",
            "adds itself to any group that is not role-assignable",
        ),
        Reach::Users => {
            ("entra#users", "entra-reset-sign-in", "sets a new sign-in method of any user")
        }
        Reach::Members => (
            "entra#members",
            "entra-reset-sign-in",
            "sets a new password or sign-in method of any user without a directory role",
        ),
        Reach::Domains => (
            "entra#users",
            "entra-federate-domain",
            "makes a domain trust an issuer of its own and signs in as its users",
        ),
        Reach::Certificates => (
            "entra#users",
            "entra-certificate-authority",
            "makes an authority of certificates trusted and signs in as any user",
        ),
        Reach::Root => {
            (ROOT, "azure-elevate-access", "elevates itself to User Access Administrator of `/`")
        }
        // Which applications are its own, the links say.
        Reach::Owned => return None,
    })
}

fn directory(b: &Bound<'_>, estate: &mut Estate) {
    let e = b.entitlement;
    for reach in &b.rights.reach {
        let Some((to, technique, step)) = all_of(*reach) else { continue };
        let whole = &*e.scope == DIRECTORY;
        let mut conditions = b.rights.conditions.clone();
        conditions.extend(match reach {
            Reach::Domains => Some(text("the user's name is in a domain that may be federated")),
            Reach::Certificates => Some(text("sign-in with certificates is switched on")),
            _ => None,
        });
        let conditional = !conditions.is_empty();
        estate.edges.push(Edge {
            technique: text(technique),
            step: text(if whole {
                format!("{step} (by `{}`)", e.privilege)
            } else {
                format!("{step} that is in `{}` (by `{}`)", e.scope, e.privilege)
            }),
            verdict: if conditional { Tri::Conditional } else { Tri::Yes },
            // Who is in a part of the directory the inputs do not show.
            potential: !whole,
            conditions,
            not_after: b.not_after,
            refs: vec![(e.source_id.clone(), e.source_ref.clone())],
            ..Edge::relation(e.principal_id.clone(), text(to))
        });
    }
}

/// What the nodes of the directory lead to: only who holds something is worth a step.
fn junctions(world: &World<'_>, bound: &[Bound<'_>], estate: &mut Estate) {
    let holders: BTreeSet<Text> = estate
        .held
        .iter()
        .filter(|h| super::super::rows::in_force(h))
        .map(|h| h.principal.clone())
        .chain(bound.iter().map(|b| b.entitlement.principal_id.clone()))
        .collect();
    let administers: BTreeSet<&Text> = estate
        .held
        .iter()
        .filter(|h| &*h.platform == "entra" && super::super::rows::in_force(h))
        .map(|h| &h.principal)
        .collect();
    let has_directory_role: BTreeSet<&Text> = world
        .facts
        .entitlements
        .iter()
        .filter(|e| &*e.platform == "entra")
        .filter(|e| &*e.scope == DIRECTORY || e.scope.starts_with("entra/administrativeunits/"))
        .filter(|e| catalogue().entra.get(&*e.role_id).is_none_or(|p| p.role))
        .map(|e| &e.principal_id)
        .collect();
    let mut relations = Vec::new();
    for id in &holders {
        let Some(p) = world.people.get(id) else { continue };
        let mut to = |node: &str| relations.push(Edge::relation(text(node), id.clone()));
        match p.kind {
            PrincipalKind::App if p.disabled != Some(true) => to("entra#applications"),
            // A directory role may be assigned to no other group, so one that holds such a role is
            // assignable whether or not its own record was exported.
            PrincipalKind::Group
                if !p.tags.iter().any(|t| &**t == ROLE_ASSIGNABLE)
                    && !has_directory_role.contains(id) =>
            {
                to("entra#groups");
            }
            PrincipalKind::Human if p.platform.as_deref() == Some("entra") => {
                to("entra#users");
                if !administers.contains(id) {
                    to("entra#members");
                }
            }
            _ => {}
        }
    }
    estate.edges.append(&mut relations);
    estate.goals.push(Goal {
        node: text(ROOT),
        title: text("User Access Administrator of every subscription"),
        tier: Tier::T0,
        admin: true,
    });
}

/// Owners and federated identities.
fn links(world: &World<'_>, estate: &mut Estate) {
    let aliases: BTreeMap<&str, &Text> =
        world.facts.aliases.iter().map(|a| (&*a.alias, &a.principal_id)).collect();
    for l in world.facts.links.iter().filter(|l| &*l.platform == "entra") {
        let target = world.people.get(&l.target_id);
        let name = target.and_then(|p| p.name.as_deref()).unwrap_or(&l.target_id);
        let group = target.is_some_and(|p| p.kind == PrincipalKind::Group);
        let (technique, step, from) = match &*l.kind {
            "owner" if group => (
                "entra-owner-add-member",
                format!("adds itself to the group `{name}`, which it owns"),
                l.principal_id.clone(),
            ),
            "owner" => (
                "entra-owner-add-secret",
                format!("adds a credential to the application `{name}`, which it owns"),
                l.principal_id.clone(),
            ),
            "federated_credential" => {
                let subject = l.subject.as_deref().unwrap_or_default();
                let from = aliases.get(subject).copied().unwrap_or(&l.principal_id);
                (
                    "entra-federated-credential",
                    format!("signs in as the application `{name}`, which trusts `{subject}`"),
                    from.clone(),
                )
            }
            _ => continue,
        };
        estate.edges.push(Edge {
            technique: text(technique),
            step: text(step),
            verdict: Tri::Yes,
            not_after: l.not_after,
            refs: vec![(l.source_id.clone(), l.source_ref.clone())],
            ..Edge::relation(from, l.target_id.clone())
        });
    }
}

/// Groups that administer something are ends of their own: their members hold it, and whoever gets in
/// does too.
fn groups(world: &World<'_>, bound: &[Bound<'_>], estate: &mut Estate) {
    let mut best: BTreeMap<&Text, (Tier, bool)> = BTreeMap::new();
    for b in bound {
        let id = &b.entitlement.principal_id;
        if world.people.get(id).is_none_or(|p| p.kind != PrincipalKind::Group) {
            continue;
        }
        let strong: ClassSet = b
            .rights
            .certain
            .iter()
            .filter(|c| matches!(c, Class::Admin | Class::Permissions))
            .collect();
        if strong.is_empty() {
            continue;
        }
        let new = (strong.tier_at(b.breadth), b.breadth <= Breadth::Account);
        let slot = best.entry(id).or_insert(new);
        *slot = (slot.0.min(new.0), slot.1 || new.1);
    }
    for (id, (tier, admin)) in best {
        let name = world.people.get(id).and_then(|p| p.name.as_deref()).unwrap_or(id);
        estate.goals.push(Goal {
            node: id.clone(),
            title: text(format!("what the group `{name}` holds")),
            tier,
            admin,
        });
    }
}
