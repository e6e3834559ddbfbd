//! Nodes that stand for many identities of a place, and what each leads to: a right over a thousand
//! accounts is one step to a junction and one relation from it to each of them.

use std::collections::{BTreeMap, BTreeSet};

use super::super::{Edge, Estate, World};
use super::tree::Tree;
use super::ways::Inside;
use crate::facts::{PrincipalKind, Text, Tri, text};
use crate::privilege::gcp::member;

/// What a junction stands for, at a scope.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Junction {
    /// Any service account at and below a container.
    Accounts,
    /// Any federated identity of the pools at and below a container.
    Federated,
    /// Any identity of the workforce pools of an organisation.
    Workforce,
    /// The account of Google's own APIs of each project at and below a container.
    Apis,
    /// The account of what runs by a service, at and below a scope.
    Runs(&'static str),
    /// The API keys of the projects at and below a container.
    Keys,
    /// What load balancers serve to holders of signed links.
    Links,
    /// A junction of the clusters of the projects at and below a container.
    Cluster(Inside),
}

/// Services whose workloads carry accounts.
const SERVICES: [&str; 6] = ["compute", "run", "cloudbuild", "dataproc", "composer", "clouddeploy"];

/// Junction of what runs by a service.
pub fn runs(service: &str) -> Option<Junction> {
    SERVICES.iter().find(|s| **s == service).map(|s| Junction::Runs(s))
}

impl Junction {
    /// The node at a scope.
    pub fn at(self, scope: &str) -> Text {
        text(match self {
            Self::Accounts => format!("gcp#any service account of {scope}"),
            Self::Federated => format!("gcp#any federated identity of {scope}"),
            Self::Workforce => format!("gcp#any workforce identity of {scope}"),
            Self::Apis => format!("gcp#the account of Google APIs of {scope}"),
            Self::Runs(service) => format!("gcp#what runs by {service} in {scope}"),
            Self::Keys => format!("gcp#the API keys of {scope}"),
            Self::Links => format!("gcp#what signed links open of {scope}"),
            Self::Cluster(inside) => format!("gcp#{} of the clusters of {scope}", inside.word()),
        })
    }

    /// Whether a right over a container is one over what lies below.
    fn spreads(self) -> bool {
        !matches!(self, Self::Workforce | Self::Links)
    }
}

/// Junctions that some step ends at.
#[derive(Debug, Default)]
pub struct Used(BTreeMap<Junction, BTreeSet<Text>>);

impl Used {
    /// Notes a step that ends at a junction.
    pub fn insert(&mut self, junction: Junction, scope: &Text) {
        let scopes = self.0.entry(junction).or_default();
        if !scopes.contains(scope) {
            scopes.insert(scope.clone());
        }
    }

    /// Scopes at which steps end.
    pub fn at(&self, junction: Junction) -> impl Iterator<Item = &Text> {
        self.0.get(&junction).into_iter().flatten()
    }
}

/// Relations as they are collected: potential ones hang on something that the inputs do not show.
type Relations = BTreeMap<(Text, Text), bool>;

/// Adds what the junctions in use lead to.
pub fn relations(world: &World<'_>, tree: &Tree, used: &Used, out: &mut Estate) {
    let mut relations = Relations::new();
    let mut relate = |from: Text, to: Text, potential: bool| {
        let slot = relations.entry((from, to)).or_insert(potential);
        *slot &= potential;
    };
    // What code runs as may be any account of the project, so these hang together.
    let mut wanted: BTreeSet<Junction> = used.0.keys().copied().collect();
    if wanted.iter().any(|j| matches!(j, Junction::Runs(_))) {
        wanted.insert(Junction::Accounts);
    }
    let mut projects: BTreeSet<&Text> = BTreeSet::new();
    for (child, parent) in tree.nodes().filter(|(c, p)| is_node(c) && is_node(p)) {
        for j in wanted.iter().filter(|j| j.spreads()) {
            relate(j.at(parent), j.at(child), false);
        }
        projects.extend([child, parent]);
    }
    projects.extend(used.0.values().flatten());
    projects.retain(|p| p.starts_with("projects/"));
    if wanted.contains(&Junction::Accounts) {
        for p in &world.facts.principals {
            let account =
                p.kind == PrincipalKind::ServiceAccount && p.platform.as_deref() == Some("gcp");
            if let (true, Some(realm)) = (account, &p.realm) {
                relate(Junction::Accounts.at(realm), p.principal_id.clone(), false);
            }
        }
    }
    running(world, tree, used, &projects, &mut relate);
    outsiders(world, &wanted, &mut relate);
    if wanted.contains(&Junction::Keys) {
        keys(world, &mut relate);
    }
    out.edges.extend(
        relations
            .into_iter()
            .map(|((from, to), potential)| Edge { potential, ..Edge::relation(from, to) }),
    );
    workforce(world, used, out);
}

fn is_node(scope: &str) -> bool {
    !scope.starts_with("//")
}

/// From what runs to its account. Where no inventory shows what runs by a service, it may be any account
/// of the project.
fn running(
    world: &World<'_>,
    tree: &Tree,
    used: &Used,
    projects: &BTreeSet<&Text>,
    relate: &mut impl FnMut(Text, Text, bool),
) {
    let services: Vec<&'static str> =
        SERVICES.into_iter().filter(|s| used.0.contains_key(&Junction::Runs(s))).collect();
    if services.is_empty() {
        return;
    }
    let mut shown: BTreeSet<(&'static str, &Text)> = BTreeSet::new();
    let mut known: BTreeSet<&Text> = BTreeSet::new();
    for w in world.facts.workloads.iter().filter(|w| &*w.platform == "gcp") {
        let of = w.kind.split('.').next().unwrap_or_default();
        let Some(service) = services.iter().find(|s| **s == of) else { continue };
        let Some(realm) = &w.realm else { continue };
        shown.insert((service, realm));
        known.insert(&w.workload_id);
        if let Some(account) = &w.principal_id {
            let j = Junction::Runs(service);
            relate(j.at(realm), account.clone(), false);
            relate(j.at(&w.workload_id), account.clone(), false);
        }
    }
    for service in services {
        let j = Junction::Runs(service);
        for project in projects.iter().filter(|p| !shown.contains(&(service, **p))) {
            relate(j.at(project), Junction::Accounts.at(project), true);
        }
        for scope in used.at(j).filter(|s| !is_node(s) && !known.contains(s)) {
            if let Some(realm) = tree.realm(scope) {
                relate(j.at(scope), Junction::Accounts.at(&realm), true);
            }
        }
    }
}

/// Names of projects by their numbers, both as scopes.
fn names<'w>(world: &World<'w>) -> BTreeMap<&'w str, &'w Text> {
    let numbers = world.facts.aliases.iter().filter(|a| &*a.alias_type == "project_number");
    numbers.map(|a| (&*a.alias, &a.principal_id)).collect()
}

/// Accounts of Google's own APIs and federated identities, each below the project it is of.
fn outsiders(
    world: &World<'_>,
    wanted: &BTreeSet<Junction>,
    relate: &mut impl FnMut(Text, Text, bool),
) {
    if !wanted.contains(&Junction::Apis) && !wanted.contains(&Junction::Federated) {
        return;
    }
    let names = names(world);
    for e in world.facts.entitlements.iter().filter(|e| &*e.platform == "gcp") {
        let id = &e.principal_id;
        let (junction, number) = if id.ends_with("@cloudservices.gserviceaccount.com") {
            (Junction::Apis, member::number_of(id).unwrap_or_default())
        } else if let Some((pool, _)) = member::pool(id) {
            let number = pool.strip_prefix("projects/").and_then(|p| p.split('/').next());
            (Junction::Federated, number.unwrap_or_default())
        } else {
            continue;
        };
        if number.is_empty() {
            continue;
        }
        let scope = format!("projects/{number}");
        let project = names.get(scope.as_str()).map_or(scope.as_str(), |name| &***name);
        relate(junction.at(project), id.clone(), false);
    }
}

/// API keys that are bound to an account.
fn keys(world: &World<'_>, relate: &mut impl FnMut(Text, Text, bool)) {
    let names = names(world);
    let live = world.facts.credentials.iter().filter(|c| c.active != Some(false));
    for c in live {
        let Some((project, _)) = c.credential_id.split_once("/keys/") else { continue };
        let who = c.principal_id.as_ref().unwrap_or(&c.principal);
        if project.starts_with("projects/") && who.contains('@') {
            // The list of keys knows the project by its number.
            let project = names.get(project).map_or(project, |name| &***name);
            relate(Junction::Keys.at(project), who.clone(), false);
        }
    }
}

/// Identities of workforce pools. Their names do not say of which organisation the pool is; with one in
/// the inputs it is taken for that one.
fn workforce(world: &World<'_>, used: &Used, out: &mut Estate) {
    let organisations: Vec<&Text> = used.at(Junction::Workforce).collect();
    if organisations.is_empty() {
        return;
    }
    let all: BTreeSet<&Text> = world
        .facts
        .realms
        .iter()
        .map(|r| &r.realm_id)
        .filter(|r| r.starts_with("organizations/"))
        .chain(organisations.iter().copied())
        .collect();
    let open = text("whether the workforce pool is one of the organisation");
    let people: BTreeSet<&Text> = world
        .facts
        .entitlements
        .iter()
        .map(|e| &e.principal_id)
        .filter(|id| member::pool(id).is_some_and(|(pool, _)| pool.starts_with("locations/")))
        .collect();
    for organisation in organisations {
        for id in &people {
            let mut edge = Edge::relation(Junction::Workforce.at(organisation), (*id).clone());
            if all.len() > 1 {
                edge.verdict = Tri::Conditional;
                edge.conditions = vec![open.clone()];
            }
            out.edges.push(edge);
        }
    }
}
