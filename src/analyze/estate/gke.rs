//! Clusters of Google Kubernetes Engine: whose project a cluster is of, as whom its service accounts act in
//! Google Cloud (workload identity), and what rights of IAM open inside of it (cloud semantics, sections 2
//! and 4.1).

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::gcp::junctions::Junction;
use super::gcp::ways::Inside;
use super::k8s::{account_of, cluster_of};
use super::{Edge, Estate, Goal, World};
use crate::facts::{Facts, Link, Text, Tier, Tri, text};
use crate::privilege::gcp::member::{self, Party};

/// A service account of Kubernetes as IAM writes it.
#[derive(Clone, Debug)]
struct Bound<'a> {
    /// The member of the binding.
    member: &'a Text,
    /// Project of the pool, as a scope.
    project: Text,
}

/// Members by namespace and name; a null name is every account of the namespace.
type Members<'a> = HashMap<(String, Option<String>), Vec<Bound<'a>>>;

/// Namespace and name of `P.svc.id.goog[ns/name]` or of the federated form of it.
fn bound(id: &Text) -> Option<((String, Option<String>), Text)> {
    if let Party::Kubernetes { project, namespace, name } = member::of_id(id).party {
        return Some(((namespace, Some(name)), text(format!("projects/{project}"))));
    }
    let (pool, rest) = member::pool(id)?;
    let project = pool.rsplit('/').next()?.strip_suffix(".svc.id.goog")?;
    let project = text(format!("projects/{project}"));
    if let Some(namespace) = rest.strip_prefix("namespace/") {
        return Some(((namespace.to_owned(), None), project));
    }
    let mut parts = rest.strip_prefix("subject/ns/")?.splitn(3, '/');
    let (namespace, word, name) = (parts.next()?, parts.next()?, parts.next()?);
    (word == "sa").then(|| ((namespace.to_owned(), Some(name.to_owned())), project))
}

fn members(facts: &Facts) -> Members<'_> {
    let mut out = Members::new();
    let mut seen: BTreeSet<&Text> = BTreeSet::new();
    for e in facts.entitlements.iter().filter(|e| &*e.platform == "gcp") {
        if !seen.insert(&e.principal_id) {
            continue;
        }
        if let Some((key, project)) = bound(&e.principal_id) {
            out.entry(key).or_default().push(Bound { member: &e.principal_id, project });
        }
    }
    out
}

/// Project of a cluster by the name that `gcloud container clusters get-credentials` gives it:
/// `gke_PROJECT_LOCATION_NAME`. Ids of projects hold no underscore.
fn project_by_name(cluster: &str) -> Option<Text> {
    let mut parts = cluster.strip_prefix("k8s:gke_")?.splitn(3, '_');
    let (project, location, name) = (parts.next()?, parts.next()?, parts.next()?);
    let all = [project, location, name];
    all.iter().all(|p| !p.is_empty()).then(|| text(format!("projects/{project}")))
}

fn is_link(l: &&Link) -> bool {
    &*l.kind == "gke_workload_identity"
}

/// Clusters of the inputs with their project: by name, else by the one pool that knows an account which
/// names its Google account.
fn clusters<'a>(facts: &'a Facts, members: &Members<'_>) -> BTreeMap<&'a str, Option<Text>> {
    let mut out: BTreeMap<&str, Option<Text>> = BTreeMap::new();
    for p in facts.principals.iter().filter(|p| p.platform.as_deref() == Some("k8s")) {
        let Some(cluster) = cluster_of(&p.principal_id) else { continue };
        out.entry(cluster).or_insert_with(|| project_by_name(cluster));
    }
    let mut pools: BTreeMap<&str, BTreeSet<&Text>> = BTreeMap::new();
    for l in facts.links.iter().filter(is_link) {
        let Some((cluster, ns, name)) = account_of(&l.principal_id) else { continue };
        let known = members.get(&(ns.to_owned(), Some(name.to_owned())));
        pools.entry(cluster).or_default().extend(known.into_iter().flatten().map(|b| &b.project));
    }
    for (cluster, found) in pools {
        if let (None, 1) = (out.get(cluster).and_then(Option::as_ref), found.len()) {
            out.insert(cluster, found.first().map(|p| (*p).clone()));
        }
    }
    out
}

/// Junctions of clusters that rights of IAM lead to.
pub fn ends(facts: &Facts) -> BTreeSet<Text> {
    if !facts.entitlements.iter().any(|e| &*e.platform == "gcp") {
        return BTreeSet::new();
    }
    let members = members(facts);
    clusters(facts, &members)
        .into_iter()
        .filter(|(_, project)| project.is_some())
        .flat_map(|(cluster, _)| Inside::ALL.map(|i| inside(cluster, i)))
        .collect()
}

fn inside(cluster: &str, inside: Inside) -> Text {
    text(format!("{cluster}#{}", inside.word()))
}

/// Adds the links between clusters and projects.
pub fn add(world: &World<'_>, estate: &mut Estate) {
    let facts = world.facts;
    let members = members(facts);
    let clusters = clusters(facts, &members);
    identities(world, &members, &clusters, estate);
    rights(facts, &members, &clusters, estate);
}

/// Service accounts of clusters as identities of Google Cloud.
fn identities(
    world: &World<'_>,
    members: &Members<'_>,
    clusters: &BTreeMap<&str, Option<Text>>,
    estate: &mut Estate,
) {
    // What members reach at once, whatever the role is called.
    let known: BTreeSet<&Text> = members.values().flatten().map(|b| b.member).collect();
    let reached: BTreeSet<(Text, Text)> = estate
        .edges
        .iter()
        .filter(|e| known.contains(&e.from) && !e.potential)
        .map(|e| (e.from.clone(), e.to.clone()))
        .collect();
    let mut linked: BTreeSet<&Text> = BTreeSet::new();
    for l in world.facts.links.iter().filter(is_link) {
        linked.insert(&l.principal_id);
        annotated(l, members, clusters, &reached, estate);
    }
    if members.is_empty() {
        return;
    }
    let mut seen: BTreeSet<&Text> = BTreeSet::new();
    for p in &world.facts.principals {
        let id = &p.principal_id;
        let Some((cluster, ns, name)) = account_of(id).filter(|_| seen.insert(id)) else {
            continue;
        };
        let exact = members.get(&(ns.to_owned(), Some(name.to_owned())));
        let space = members.get(&(ns.to_owned(), None));
        let of = clusters.get(cluster).and_then(Option::as_ref);
        for b in exact.into_iter().chain(space).flatten() {
            if of.is_some_and(|p| *p != b.project) {
                continue;
            }
            let mut edge = Edge::relation(id.clone(), b.member.clone());
            if of.is_none() {
                edge.verdict = Tri::Conditional;
                edge.conditions =
                    vec![text(format!("whether the cluster is one of `{}`", b.project))];
            }
            estate.edges.push(edge);
        }
    }
}

/// The annotation of a service account: certain with a binding by which the Google account lets itself be
/// used, by a pool of the cluster's own project.
fn annotated(
    l: &Link,
    members: &Members<'_>,
    clusters: &BTreeMap<&str, Option<Text>>,
    reached: &BTreeSet<(Text, Text)>,
    estate: &mut Estate,
) {
    let Some((cluster, ns, name)) = account_of(&l.principal_id) else { return };
    let email = text(l.target_id.to_lowercase());
    let of = clusters.get(cluster).and_then(Option::as_ref);
    let home = member::project_of(&email).map(|p| Junction::Accounts.at(&format!("projects/{p}")));
    let key = (ns.to_owned(), Some(name.to_owned()));
    let lets = |b: &&Bound<'_>| {
        let to = [Some(&email), home.as_ref()];
        of.is_none_or(|p| *p == b.project)
            && to.into_iter().flatten().any(|to| reached.contains(&(b.member.clone(), to.clone())))
    };
    let sure = members.get(&key).into_iter().flatten().any(|b| lets(&b));
    let conditions = if sure {
        Vec::new()
    } else {
        vec![text("whether the service account of the project lets itself be used")]
    };
    estate.edges.push(Edge {
        technique: text("gke:workload_identity"),
        step: text(format!(
            "`{}` runs as a service account that acts as `{email}`",
            l.principal_id
        )),
        verdict: if sure { Tri::Yes } else { Tri::Conditional },
        conditions,
        not_after: l.not_after,
        refs: vec![(l.source_id.clone(), l.source_ref.clone())],
        ..Edge::relation(l.principal_id.clone(), email)
    });
}

/// Rights of IAM inside clusters: to the clusters of the project that the inputs show; to those that only
/// its policies give away as an end of its own.
fn rights(
    facts: &Facts,
    members: &Members<'_>,
    clusters: &BTreeMap<&str, Option<Text>>,
    estate: &mut Estate,
) {
    let begun: BTreeSet<Text> = estate.edges.iter().map(|e| e.to.clone()).collect();
    let mut shown: BTreeSet<&Text> = BTreeSet::new();
    for (cluster, project) in clusters {
        let Some(project) = project else { continue };
        shown.insert(project);
        for i in Inside::ALL {
            let from = Junction::Cluster(i).at(project);
            if begun.contains(&from) {
                estate.edges.push(Edge::relation(from, inside(cluster, i)));
            }
        }
        if begun.contains(&Junction::Cluster(Inside::Administration).at(project)) {
            estate.goals.push(Goal {
                node: inside(cluster, Inside::Administration),
                title: text(format!("administration of the cluster `{cluster}`")),
                tier: Tier::T0,
                admin: true,
            });
        }
    }
    let mut with: BTreeSet<Text> = members.values().flatten().map(|b| b.project.clone()).collect();
    with.extend(agents(facts));
    for project in with.iter().filter(|p| !shown.contains(p)) {
        for i in Inside::ALL {
            let node = Junction::Cluster(i).at(project);
            if begun.contains(&node) {
                let what = if i == Inside::Administration { "rights" } else { "service accounts" };
                let title =
                    format!("the {what} in the clusters of `{project}` (none is in the inputs)");
                estate.goals.push(Goal { node, title: text(title), tier: Tier::T1, admin: false });
            }
        }
    }
}

/// Projects that use the service: it has an agent there as soon as it is switched on.
fn agents(facts: &Facts) -> Vec<Text> {
    let names: HashMap<&str, &Text> = facts
        .aliases
        .iter()
        .filter(|a| &*a.alias_type == "project_number")
        .map(|a| (&*a.alias, &a.principal_id))
        .collect();
    let mut seen: BTreeSet<&str> = BTreeSet::new();
    facts
        .entitlements
        .iter()
        .filter(|e| &*e.platform == "gcp")
        .filter_map(|e| {
            let (name, host) = e.principal_id.split_once('@')?;
            let number = name.strip_prefix("service-")?;
            (host == "container-engine-robot.iam.gserviceaccount.com" && seen.insert(number))
                .then(|| format!("projects/{number}"))
        })
        .map(|p| names.get(p.as_str()).map_or_else(|| text(&p), |name| (*name).clone()))
        .collect()
}
