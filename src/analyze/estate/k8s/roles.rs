//! Content of roles: each distinct document is evaluated once, aggregated roles to a fixpoint, and roles
//! that Kubernetes ships from the embedded list when an export does not hold them.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Arc, OnceLock};

use super::super::{Estate, Held};
use super::is_strong;
use crate::facts::{Facts, Text, Tier, text};
use crate::findings::fingerprint::digest;
use crate::privilege::k8s::content::{Content, Named, Place};
use crate::privilege::k8s::permissions::{catalogue, default_roles};
use crate::privilege::k8s::rbac::{Document, Rule};

/// Aggregated roles of one cluster; a cluster has about ten.
const MAX_AGGREGATED: usize = 1_000;

/// A role with what it gives.
#[derive(Debug)]
pub struct Known {
    /// What it gives.
    pub content: Content,
    /// Wildcards, as the report words them.
    pub wildcards: Vec<Text>,
    /// Digest of the rules.
    pub normal: String,
    /// Where the role stands; null for one from the embedded list, and for parts put together.
    pub at: Option<(Text, Text)>,
    /// It is one that Kubernetes ships and that the inputs do not define.
    pub embedded: bool,
    strongest: [Vec<Text>; 3],
}

impl Known {
    fn new(rules: Vec<Rule>, at: Option<(Text, Text)>) -> Self {
        let normal = normal(&rules);
        let content = Content::new(rules);
        let wildcards = content.wildcards.iter().map(text).collect();
        let strongest = [Place::Cluster, Place::KubeSystem, Place::Namespace]
            .map(|place| strongest(&content, place));
        Self { content, wildcards, normal, at, embedded: false, strongest }
    }

    /// The strongest permissions at a place.
    pub fn strongest(&self, place: Place) -> &[Text] {
        let [cluster, system, namespace] = &self.strongest;
        match place {
            Place::Cluster => cluster,
            Place::KubeSystem => system,
            Place::Namespace => namespace,
        }
    }
}

fn strongest(content: &Content, place: Place) -> Vec<Text> {
    let given = content.at(place);
    let mut list: Vec<_> = catalogue()
        .rows()
        .iter()
        .enumerate()
        .filter(|(i, _)| given.all & (1 << i) != 0)
        .map(|(_, row)| (row.class, row.id))
        .collect();
    list.sort_unstable();
    let all = given.admin.then_some("*/*:*").into_iter();
    all.chain(list.into_iter().map(|(_, id)| id)).take(12).map(text).collect()
}

/// Rules in one form: order and repetition say nothing.
fn normal(rules: &[Rule]) -> String {
    let sorted = |l: &[String]| {
        let set: BTreeSet<&str> = l.iter().map(String::as_str).collect();
        set.into_iter().collect::<Vec<_>>().join(",")
    };
    let lines: BTreeSet<String> = rules
        .iter()
        .map(|r| {
            [&r.verbs, &r.groups, &r.resources, &r.names, &r.urls].map(|l| sorted(l)).join(" ")
        })
        .collect();
    let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
    digest(&lines)
}

/// Tier of rules that are bound in the whole cluster.
pub fn tier(rules: &[Rule]) -> Tier {
    let content = Content::new(rules.to_vec());
    content.at(Place::Cluster).classes.tier_at(Place::Cluster.breadth())
}

/// Answer about a role.
pub enum Found {
    /// What it gives.
    Role(Arc<Known>),
    /// The export lists the roles of that place, and this one is not there.
    Missing,
    /// The inputs do not show it, or it cannot be read.
    Unknown(&'static str),
}

/// Roles of one cluster.
#[derive(Default)]
struct Cluster {
    roles: BTreeMap<Text, Result<Arc<Known>, ()>>,
    /// The export holds what only the API server lists.
    whole: bool,
    /// Some namespaced role is listed.
    namespaced: bool,
}

/// All roles.
pub struct Roles<'a> {
    clusters: BTreeMap<&'a str, Cluster>,
}

/// A role as the export shows it.
struct Raw<'a> {
    id: &'a Text,
    document: Option<Arc<Document>>,
    at: (Text, Text),
}

/// Cluster of a role by its identifier, and its name when it is a cluster role.
fn parts(id: &str) -> (&str, Option<&str>) {
    if let Some((cluster, name)) = id.rsplit_once("/clusterrole/") {
        return (cluster, Some(name));
    }
    let head = id.rsplit_once("/role/").map_or(id, |(head, _)| head);
    (head.rsplit_once("/ns/").map_or(head, |(cluster, _)| cluster), None)
}

/// Key of a role in the embedded list.
fn shipped(id: &str) -> Option<String> {
    let (_, name) = parts(id);
    if let Some(name) = name {
        return Some(name.to_owned());
    }
    let (head, name) = id.rsplit_once("/role/")?;
    let (_, namespace) = head.rsplit_once("/ns/")?;
    Some(format!("{namespace}/{name}"))
}

impl<'a> Roles<'a> {
    /// Reads all roles of the facts.
    pub fn new(facts: &'a Facts) -> Self {
        let mut documents: HashMap<&str, Option<Arc<Document>>> = HashMap::new();
        let mut raw: BTreeMap<&str, Vec<Raw<'_>>> = BTreeMap::new();
        for r in facts.roles.iter().filter(|r| &*r.platform == "k8s") {
            let document = r.document.as_deref().and_then(|d| {
                documents.entry(d).or_insert_with(|| Document::parse(d).ok().map(Arc::new)).clone()
            });
            let at = (r.source_id.clone(), r.source_ref.clone());
            raw.entry(parts(&r.role_id).0).or_default().push(Raw { id: &r.role_id, document, at });
        }
        let clusters = raw.into_iter().map(|(name, list)| (name, cluster(list))).collect();
        Self { clusters }
    }

    /// Role by its identifier, in a cluster.
    pub fn find(&self, cluster: &str, id: &str) -> Found {
        // A broker's record names the role only.
        let full;
        let id = if id.contains('/') {
            id
        } else {
            full = format!("{cluster}/clusterrole/{id}");
            &full
        };
        let known = self.clusters.get(cluster);
        match known.and_then(|c| c.roles.get(id)) {
            Some(Ok(role)) => return Found::Role(role.clone()),
            Some(Err(())) => return Found::Unknown("malformed"),
            None => {}
        }
        let is_cluster_role = parts(id).1.is_some();
        if known.is_some_and(|c| c.whole && (is_cluster_role || c.namespaced)) {
            return Found::Missing;
        }
        match shipped(id).and_then(|key| fallback(&key)) {
            Some(role) => Found::Role(role),
            None => Found::Unknown("role_unexpanded"),
        }
    }

    /// Whether one of the roles that a permission names is strong at a place.
    pub fn any_strong(&self, cluster: &str, row: &Held, named: &Named, place: Place) -> bool {
        let of_cluster =
            catalogue().rows().get(named.row).is_some_and(|p| p.resource == "clusterroles");
        named.names.iter().take(1_000).any(|name| {
            let id = if of_cluster {
                format!("{cluster}/clusterrole/{name}")
            } else {
                format!("{}/role/{name}", row.scope)
            };
            match self.find(cluster, &id) {
                Found::Role(role) => is_strong(role.content.at(place).classes),
                Found::Missing | Found::Unknown(_) => false,
            }
        })
    }

    /// Tiers of all roles by identifier and by name.
    pub fn tiers(&self, estate: &mut Estate) {
        for cluster in self.clusters.values() {
            for (id, role) in &cluster.roles {
                let Ok(role) = role else { continue };
                let (of_cluster, name) = (parts(id).1, id.rsplit_once('/').map(|(_, n)| n));
                let place = if of_cluster.is_some() { Place::Cluster } else { Place::Namespace };
                let tier = role.content.at(place).classes.tier_at(place.breadth());
                estate.put_tier(text("k8s"), id.clone(), Some(tier));
                if let Some(name) = name {
                    estate.put_tier(text("k8s"), text(name), Some(tier));
                }
            }
        }
    }
}

/// A role that Kubernetes ships, evaluated once.
fn fallback(key: &str) -> Option<Arc<Known>> {
    static KNOWN: OnceLock<BTreeMap<&'static str, Arc<Known>>> = OnceLock::new();
    let known = KNOWN.get_or_init(|| {
        let of =
            |rules: &[Rule]| Arc::new(Known { embedded: true, ..Known::new(rules.to_vec(), None) });
        default_roles().iter().map(|(k, r)| (k.as_str(), of(&r.document.rules))).collect()
    });
    known.get(key).cloned()
}

fn cluster(list: Vec<Raw<'_>>) -> Cluster {
    let mut out = Cluster::default();
    let mut evaluated: HashMap<*const Document, Arc<Known>> = HashMap::new();
    let union = aggregated(&list);
    for (i, raw) in list.iter().enumerate() {
        let name = parts(raw.id).1;
        out.namespaced |= name.is_none();
        let live = raw.document.as_ref().is_some_and(|d| d.live);
        out.whole |= name == Some("cluster-admin") && live;
        let known = match (&raw.document, union.get(&i)) {
            (None, _) | (_, Some(None)) => Err(()),
            (Some(_), Some(Some(rules))) => {
                Ok(Arc::new(Known::new(rules.clone(), Some(raw.at.clone()))))
            }
            // Equal rules at two places are evaluated once; the first place stands for both.
            (Some(d), None) => Ok(evaluated
                .entry(Arc::as_ptr(d))
                .or_insert_with(|| Arc::new(Known::new(d.rules.clone(), Some(raw.at.clone()))))
                .clone()),
        };
        out.roles.entry(raw.id.clone()).or_insert(known);
    }
    out
}

/// Rules of each aggregated role: those of every role that its selectors reach, however far. What the API
/// server wrote already holds them; what stands in a repository is overwritten by it. Null where there are
/// too many aggregated roles to follow.
fn aggregated(list: &[Raw<'_>]) -> BTreeMap<usize, Option<Vec<Rule>>> {
    let of_cluster = |raw: &&Raw<'_>| parts(raw.id).1.is_some();
    let document = |i: usize| list.get(i).and_then(|r| r.document.as_deref());
    let heads: Vec<usize> = (0..list.len())
        .filter(|i| list.get(*i).filter(of_cluster).is_some())
        .filter(|i| document(*i).is_some_and(|d| !d.aggregation.is_empty()))
        .collect();
    let labelled: Vec<usize> = (0..list.len())
        .filter(|i| list.get(*i).filter(of_cluster).is_some())
        .filter(|i| document(*i).is_some_and(|d| !d.labels.is_empty()))
        .collect();
    if heads.len() > MAX_AGGREGATED {
        return heads.into_iter().map(|i| (i, None)).collect();
    }
    let chosen: BTreeMap<usize, Vec<usize>> = heads
        .iter()
        .map(|head| {
            let selects = |i: &&usize| {
                let labels = document(**i).map(|d| &d.labels);
                let own = document(*head).map_or(&[][..], |d| &d.aggregation);
                **i != *head && labels.is_some_and(|l| own.iter().any(|s| s.selects(l)))
            };
            (*head, labelled.iter().filter(selects).copied().collect())
        })
        .collect();
    heads.iter().map(|head| (*head, Some(reached(*head, &chosen, &document)))).collect()
}

fn reached<'d>(
    head: usize,
    chosen: &BTreeMap<usize, Vec<usize>>,
    document: &dyn Fn(usize) -> Option<&'d Document>,
) -> Vec<Rule> {
    let mut seen: BTreeSet<usize> = [head].into();
    let mut stack = vec![head];
    let mut rules: BTreeSet<&Rule> = BTreeSet::new();
    while let Some(i) = stack.pop() {
        let next = chosen.get(&i);
        if let Some(d) = document(i)
            && (next.is_none() || d.live)
        {
            rules.extend(&d.rules);
        }
        stack.extend(next.into_iter().flatten().filter(|n| seen.insert(**n)));
    }
    rules.into_iter().cloned().collect()
}
