//! Steps from one identity to another (cloud semantics, section 7).
//!
//! A right over a whole namespace leads to a junction of it (`k8s/ns/pay#accounts`), and the junction to each
//! service account, so that the number of steps grows with bindings and accounts, not with their product.

use std::collections::{BTreeMap, BTreeSet};

use super::super::{Edge, Estate, Goal, Held, World, gke};
use super::roles::{Found, Known, Roles};
use super::{OBJECTS, account_of, place_of, subject_of, verdict};
use crate::facts::{Standing, Text, Tier, Workload, text};
use crate::privilege::k8s::content::{Named, Place};
use crate::privilege::k8s::permissions::{Permission, Reaches, catalogue};
use crate::privilege::k8s::rbac::Rule;

/// What hosts lay open, by the path that is mounted: containers of others, their tokens, the node's own keys.
const OPEN_PATHS: &[&str] = &[
    "/",
    "/etc",
    "/etc/kubernetes",
    "/home",
    "/proc",
    "/root",
    "/run",
    "/run/containerd",
    "/run/containerd/containerd.sock",
    "/run/crio/crio.sock",
    "/run/docker.sock",
    "/var",
    "/var/lib",
    "/var/lib/kubelet",
    "/var/run",
    "/var/run/docker.sock",
];

/// Permissions held by one principal, per place.
#[derive(Default)]
struct Power<'a> {
    /// Positions held in the whole cluster.
    cluster: u128,
    /// Positions held in a namespace.
    namespaces: BTreeMap<&'a str, u128>,
    /// Bindings.
    held: Vec<(&'a Held, std::sync::Arc<Known>)>,
}

/// Names of the nodes of the graph.
struct Nodes<'a> {
    cluster: &'a str,
}

impl Nodes<'_> {
    fn scope(&self, namespace: Option<&str>) -> String {
        namespace.map_or_else(|| self.cluster.to_owned(), |ns| format!("{}/ns/{ns}", self.cluster))
    }

    fn of(&self, namespace: Option<&str>, what: &str) -> Text {
        text(format!("{}#{what}", self.scope(namespace)))
    }

    fn node(&self, name: Option<&str>) -> Text {
        text(name.map_or_else(
            || format!("{}#any node", self.cluster),
            |n| format!("{}#node {n}", self.cluster),
        ))
    }
}

/// Adds the steps.
pub fn add(world: &World<'_>, roles: &Roles<'_>, estate: &mut Estate) {
    let mut powers: BTreeMap<(&str, &Text), Power<'_>> = BTreeMap::new();
    for h in estate.held.iter().filter(|h| h.standing != Standing::Residue && h.unknown.is_none()) {
        let (cluster, namespace) = place_of(&h.scope);
        // A row about named objects repeats its binding.
        if h.scope.contains(OBJECTS) {
            continue;
        }
        let Found::Role(role) = roles.find(cluster, &h.role_id) else { continue };
        let power = powers.entry((cluster, &h.principal)).or_default();
        let all = role.content.at(Place::of(namespace)).all;
        match namespace {
            None => power.cluster |= all,
            Some(ns) => *power.namespaces.entry(ns).or_default() |= all,
        }
        power.held.push((h, role));
    }
    let accounts = Accounts::new(world, estate);
    let mut edges = Vec::new();
    let mut goals: BTreeMap<Text, Goal> = BTreeMap::new();
    for ((cluster, principal), power) in &powers {
        let mut out = Steps {
            nodes: Nodes { cluster },
            principal,
            power,
            accounts: &accounts,
            best: BTreeMap::new(),
            goals: &mut goals,
            rules: &[],
            told: BTreeSet::new(),
        };
        out.all(roles);
        edges.extend(out.best.into_values());
    }
    let users: BTreeSet<(&str, &Text)> = powers.keys().copied().collect();
    drop_unused(&mut edges, &accounts, &users, gke::ends(world.facts));
    estate.edges.extend(edges);
    estate.goals.extend(goals.into_values());
}

/// Adds what junctions lead to, for the junctions that some step ends at, here or `from_outside`.
fn drop_unused(
    edges: &mut Vec<Edge>,
    accounts: &Accounts<'_>,
    users: &BTreeSet<(&str, &Text)>,
    from_outside: BTreeSet<Text>,
) {
    accounts.relations(edges, from_outside);
    let wanted: BTreeSet<Text> =
        edges.iter().filter(|e| e.to.ends_with("#users")).map(|e| e.to.clone()).collect();
    for (cluster, id) in users {
        let from = Nodes { cluster }.of(None, "users");
        let user = subject_of(id).map_or(id.contains('@'), |(_, s)| s.starts_with("user:"));
        if user && wanted.contains(&from) {
            edges.push(Edge::relation(from, (*id).clone()));
        }
    }
}

/// Steps of one principal: the best one to each end.
struct Steps<'a, 'g> {
    nodes: Nodes<'a>,
    principal: &'a Text,
    power: &'a Power<'a>,
    accounts: &'a Accounts<'a>,
    best: BTreeMap<(Text, bool), Edge>,
    goals: &'g mut BTreeMap<Text, Goal>,
    /// Rules of the role that is looked at.
    rules: &'a [Rule],
    /// Rights on names that were looked at, by row, namespace and name.
    told: BTreeSet<(usize, Option<Text>, Text)>,
}

impl Steps<'_, '_> {
    fn all(&mut self, roles: &Roles<'_>) {
        let power = self.power;
        // Rows whose other half was looked for in single namespaces: any binding finds the same.
        let mut halves: u128 = 0;
        for (h, role) in &power.held {
            let namespace = place_of(&h.scope).1;
            let given = role.content.at(Place::of(namespace));
            let here = namespace.and_then(|ns| power.namespaces.get(ns)).copied().unwrap_or(0);
            let rows = catalogue().rows();
            self.rules = &role.content.rules;
            for (i, row) in rows.iter().enumerate().filter(|(i, _)| given.all & (1 << i) != 0) {
                self.secrets(row, h, namespace);
                if !row.is_path() {
                    continue;
                }
                if catalogue().complete(row, power.cluster | here) {
                    self.step(row, i, h, namespace);
                } else if namespace.is_none() && halves & (1 << i) == 0 {
                    halves |= 1 << i;
                    // The other half is held in single namespaces.
                    for (ns, held) in &power.namespaces {
                        if catalogue().complete(row, power.cluster | held) {
                            self.step(row, i, h, Some(ns));
                        }
                    }
                }
            }
            for named in &given.named {
                self.named(named, h, namespace, power.cluster | here, roles);
            }
        }
        self.best.retain(|(to, _), _| **to != **self.principal);
    }

    /// A step by a permission on everything of a place.
    fn step(&mut self, row: &Permission, at: usize, h: &Held, namespace: Option<&str>) {
        let mut conditions: Vec<Text> = row.condition.map(text).into_iter().collect();
        let (to, gains) = match row.reaches {
            Reaches::Nothing => return,
            Reaches::Administration => {
                let goal = self.administration(row, at, namespace);
                (goal, "and so give itself every right there")
            }
            Reaches::Groups => {
                // The API asks for a user to be impersonated as well.
                if !self.may_name_a_user() {
                    conditions
                        .push(text("whether a user may be impersonated along with the group"));
                }
                (self.goal(None), "and so act as `system:masters`")
            }
            Reaches::Users => (self.nodes.of(None, "users"), "and so act as any user"),
            Reaches::Accounts => {
                (self.nodes.of(namespace, "accounts"), "and so act as any service account there")
            }
            Reaches::Pods => (
                self.nodes.of(namespace, "pods"),
                "and so act as the service account of a pod there",
            ),
            Reaches::Node => (self.nodes.node(None), "and so reach what runs on a node"),
        };
        self.put(row, h, namespace, (to, gains), conditions);
        if row.id == "core/pods:create" && !self.accounts.hardened(&self.nodes.scope(namespace)) {
            let open = text("whether admission control lets a pod reach its node");
            let to = self.nodes.node(None);
            let end = (to, "and so reach what runs on a node");
            self.put(row, h, namespace, end, vec![open]);
        }
    }

    /// The administration that a permission gives: of the cluster, or of the namespace that it holds in. A
    /// right over all namespaces is one over `kube-system`, whose controllers administer the cluster.
    fn administration(&mut self, row: &Permission, at: usize, namespace: Option<&str>) -> Text {
        let cluster_wide = match row.id {
            "rbac.authorization.k8s.io/roles:escalate" | "rbac.authorization.k8s.io/roles:bind" => {
                false
            }
            "rbac.authorization.k8s.io/clusterroles:bind" => {
                let cluster = "rbac.authorization.k8s.io/clusterrolebindings:create+update+patch";
                let held = catalogue().position(cluster);
                held.is_some_and(|i| self.power.cluster & (1 << i) != 0)
            }
            _ => true,
        };
        let _ = at;
        match namespace {
            Some(ns) => self.goal(Some(ns)),
            None if cluster_wide => self.goal(None),
            None => self.goal(Some("kube-system")),
        }
    }

    /// The administration of a cluster or namespace as an end.
    fn goal(&mut self, namespace: Option<&str>) -> Text {
        let node = self.nodes.of(namespace, "administration");
        let place = Place::of(namespace);
        let title = match namespace {
            None => format!("administration of the cluster `{}`", self.nodes.cluster),
            Some(ns) => {
                format!("administration of the namespace `{ns}` of `{}`", self.nodes.cluster)
            }
        };
        let tier = if place == Place::Namespace { Tier::T1 } else { Tier::T0 };
        let goal = Goal { node: node.clone(), title: text(title), tier, admin: tier == Tier::T0 };
        self.goals.entry(node.clone()).or_insert(goal);
        node
    }

    fn may_name_a_user(&self) -> bool {
        ["core/users:impersonate", "core/serviceaccounts:impersonate"]
            .iter()
            .filter_map(|id| catalogue().position(id))
            .any(|i| self.power.cluster & (1 << i) != 0)
    }

    /// Tokens among the secrets that may be read, where the inputs list any.
    fn secrets(&mut self, row: &Permission, h: &Held, namespace: Option<&str>) {
        if !matches!(row.id, "core/secrets:get" | "core/secrets:list+watch") {
            return;
        }
        if self.accounts.has_tokens(self.nodes.cluster, namespace) {
            let to = self.nodes.of(namespace, "tokens");
            let gains = "and so use the token of a service account that is kept there";
            self.put(row, h, namespace, (to, gains), Vec::new());
        }
    }

    /// Steps by a permission on named objects, where the name is that of an identity or a role.
    fn named(
        &mut self,
        named: &Named,
        h: &Held,
        namespace: Option<&str>,
        held: u128,
        roles: &Roles<'_>,
    ) {
        let Some(row) = catalogue().rows().get(named.row) else { return };
        if !catalogue().complete(row, held) {
            return;
        }
        if row.id.ends_with(":bind") {
            if roles.any_strong(self.nodes.cluster, h, named, Place::of(namespace)) {
                let to = self.administration(row, named.row, namespace);
                let end = (to, "and so give itself such a role");
                self.put(row, h, namespace, end, Vec::new());
            }
            return;
        }
        for name in named.names.iter().take(200) {
            // A second binding of the same right on the same name adds nothing.
            if !self.told.insert((named.row, namespace.map(text), text(name))) {
                continue;
            }
            let targets: Vec<Text> = match row.reaches {
                Reaches::Users => vec![text(format!("{}/user:{name}", self.nodes.cluster))],
                Reaches::Groups => vec![text(format!("{}/group:{name}", self.nodes.cluster))],
                Reaches::Accounts if row.resource.starts_with("serviceaccounts") => {
                    self.accounts.by_name(self.nodes.cluster, namespace, name)
                }
                _ => Vec::new(),
            };
            for to in targets {
                let gains = format!("and so act as `{name}`");
                self.put(row, h, namespace, (to, &gains), Vec::new());
            }
        }
    }

    /// The verbs of a permission that the role gives.
    fn verbs(&self, row: &Permission) -> String {
        let fits = |v: &&&str| {
            self.rules
                .iter()
                .any(|r| r.has_group(row.group) && r.has_resource(row.resource) && r.has_verb(v))
        };
        let held: Vec<&str> = row.verbs.iter().filter(fits).copied().collect();
        if held.is_empty() { row.verbs.join(" or ") } else { held.join(" and ") }
    }

    fn put(
        &mut self,
        row: &Permission,
        h: &Held,
        namespace: Option<&str>,
        (to, gains): (Text, &str),
        conditions: Vec<Text>,
    ) {
        let key = (to.clone(), conditions.is_empty());
        if self.best.contains_key(&key) || self.best.contains_key(&(to.clone(), true)) {
            return;
        }
        let place = match namespace {
            Some(ns) => format!("in the namespace `{ns}`"),
            None => "in the whole cluster".to_owned(),
        };
        let verbs = self.verbs(row);
        let step = format!(
            "{} may {verbs} `{}` {place} by the role `{}` {gains}",
            short(self.principal),
            row.resource,
            h.privilege
        );
        let edge = Edge {
            technique: text(format!("k8s:{}", row.id)),
            step: text(step),
            verdict: verdict(&conditions),
            conditions,
            not_after: h.not_after,
            refs: h.refs.clone(),
            ..Edge::relation(self.principal.clone(), to)
        };
        self.best.insert(key, edge);
    }
}

/// Service accounts and what runs as them.
struct Accounts<'a> {
    /// Accounts by cluster and namespace.
    by_place: BTreeMap<&'a str, BTreeMap<&'a str, BTreeSet<&'a Text>>>,
    /// Workloads that carry the token of their account, by cluster.
    workloads: BTreeMap<String, Vec<&'a Workload>>,
    /// Accounts with a token that is kept as a secret.
    tokens: BTreeSet<&'a Text>,
    /// Clusters and namespaces of those.
    token_places: BTreeSet<(&'a str, Option<&'a str>)>,
    /// Accounts by cluster and name.
    named: BTreeMap<(&'a str, &'a str), Vec<(&'a str, &'a Text)>>,
    /// Namespaces whose admission forbids the ways to the node.
    hardened: BTreeSet<&'a str>,
}

impl<'a> Accounts<'a> {
    fn new(world: &World<'a>, estate: &Estate) -> Self {
        let mut by_place: BTreeMap<&str, BTreeMap<&str, BTreeSet<&Text>>> = BTreeMap::new();
        let gone: BTreeSet<&str> = estate
            .held
            .iter()
            .filter(|h| h.residue.as_deref() == Some("missing_principal"))
            .map(|h| &*h.principal)
            .collect();
        let mut without: BTreeSet<&str> = BTreeSet::new();
        for p in &world.facts.principals {
            let Some((cluster, ns, _)) = account_of(&p.principal_id) else { continue };
            if gone.contains(&*p.principal_id) {
                continue;
            }
            if p.tags.iter().any(|t| &**t == "automountServiceAccountToken=false") {
                without.insert(&p.principal_id);
            }
            by_place.entry(cluster).or_default().entry(ns).or_default().insert(&p.principal_id);
        }
        let mut workloads: BTreeMap<String, Vec<&Workload>> = BTreeMap::new();
        for w in world.facts.workloads.iter().filter(|w| &*w.platform == "k8s") {
            let own = w.principal_id.as_deref().is_some_and(|id| without.contains(id));
            if w.mounts_token.unwrap_or(!own) {
                let cluster =
                    w.realm.as_ref().map_or_else(|| "k8s".to_owned(), |r| format!("k8s:{r}"));
                workloads.entry(cluster).or_default().push(w);
            }
        }
        let tokens: BTreeSet<&Text> = world
            .facts
            .credentials
            .iter()
            .filter(|c| c.credential_id.starts_with("secret ") && c.active != Some(false))
            .filter_map(|c| c.principal_id.as_ref())
            .filter(|id| account_of(id).is_some())
            .collect();
        let hardened = world
            .facts
            .guardrails
            .iter()
            .filter(|g| {
                &*g.platform == "k8s"
                    && matches!(&*g.role_id, "pod-security/baseline" | "pod-security/restricted")
            })
            .filter_map(|g| g.target_id.as_deref())
            .collect();
        let kept = tokens.iter().filter_map(|id| account_of(id));
        let token_places =
            kept.flat_map(|(cluster, ns, _)| [(cluster, None), (cluster, Some(ns))]).collect();
        let mut named: BTreeMap<(&str, &str), Vec<(&str, &Text)>> = BTreeMap::new();
        for id in by_place.values().flat_map(BTreeMap::values).flatten() {
            if let Some((cluster, ns, name)) = account_of(id) {
                named.entry((cluster, name)).or_default().push((ns, id));
            }
        }
        Self { by_place, workloads, tokens, token_places, named, hardened }
    }

    fn hardened(&self, scope: &str) -> bool {
        self.hardened.contains(scope)
    }

    fn has_tokens(&self, cluster: &str, namespace: Option<&str>) -> bool {
        self.token_places.contains(&(cluster, namespace))
    }

    /// Accounts of a name: in one namespace, or in all.
    fn by_name(&self, cluster: &str, namespace: Option<&str>, name: &str) -> Vec<Text> {
        let all = self.named.get(&(cluster, name)).into_iter().flatten();
        all.filter(|(ns, _)| namespace.is_none_or(|n| n == *ns))
            .map(|(_, id)| (*id).clone())
            .collect()
    }

    /// What junctions lead to.
    fn relations(&self, edges: &mut Vec<Edge>, from_outside: BTreeSet<Text>) {
        let mut ends = from_outside;
        ends.extend(edges.iter().map(|e| e.to.clone()));
        for (cluster, spaces) in &self.by_place {
            let nodes = Nodes { cluster };
            let all = |what: &str| ends.contains(&nodes.of(None, what));
            for (ns, ids) in spaces {
                let from = nodes.of(Some(ns), "accounts");
                let no_pods = !self.workloads.contains_key(*cluster);
                if all("accounts") {
                    edges.push(Edge::relation(nodes.of(None, "accounts"), from.clone()));
                }
                if no_pods {
                    edges.extend(self.unseen_pods(&nodes, ns, from.clone(), &ends));
                }
                if all("accounts") || ends.contains(&from) || no_pods {
                    edges.extend(ids.iter().map(|id| Edge::relation(from.clone(), (*id).clone())));
                }
                let kept = ids.iter().filter(|id| self.tokens.contains(**id));
                for id in kept {
                    let tokens = nodes.of(Some(ns), "tokens");
                    edges.push(Edge::relation(nodes.of(None, "tokens"), tokens.clone()));
                    edges.push(Edge::relation(tokens, (*id).clone()));
                }
            }
            self.running(&nodes, edges);
        }
    }

    /// Without a list of pods any account may run some.
    fn unseen_pods(
        &self,
        nodes: &Nodes<'_>,
        ns: &str,
        accounts: Text,
        ends: &BTreeSet<Text>,
    ) -> Vec<Edge> {
        let conditions =
            vec![text("whether a pod runs as the service account (no pods were given)")];
        let relation = |from: Text| Edge {
            verdict: verdict(&conditions),
            conditions: conditions.clone(),
            ..Edge::relation(from, accounts.clone())
        };
        [nodes.of(Some(ns), "pods"), nodes.of(None, "pods"), nodes.node(None)]
            .into_iter()
            .filter(|from| ends.contains(from))
            .map(relation)
            .collect()
    }

    /// Pods to their accounts, and the ways between pods and nodes.
    fn running(&self, nodes: &Nodes<'_>, edges: &mut Vec<Edge>) {
        let mut seen: BTreeSet<(Text, Text)> = BTreeSet::new();
        for w in self.workloads.get(nodes.cluster).into_iter().flatten() {
            let (Some(id), Some(group)) = (&w.principal_id, &w.group) else { continue };
            let space = text(format!("{group}#pods"));
            let mut relate = |from: Text, to: Text, edges: &mut Vec<Edge>| {
                if seen.insert((from.clone(), to.clone())) {
                    edges.push(Edge::relation(from, to));
                }
            };
            relate(nodes.of(None, "pods"), space.clone(), edges);
            relate(space, id.clone(), edges);
            let on = nodes.node(w.node.as_deref());
            if w.node.is_some() {
                relate(nodes.node(None), on.clone(), edges);
            }
            relate(on.clone(), id.clone(), edges);
            if let Some(edge) = escape(w, id, on) {
                edges.push(edge);
            }
        }
    }
}

/// A principal as a sentence names it: the cluster stands in the row.
fn short(id: &str) -> String {
    if let Some((_, ns, name)) = account_of(id) {
        return format!("service account `{ns}/{name}`");
    }
    match subject_of(id).and_then(|(_, s)| s.split_once(':')) {
        Some((kind, name)) => format!("{kind} `{name}`"),
        None => format!("`{id}`"),
    }
}

/// The way from a pod to its node.
fn escape(w: &Workload, id: &Text, node: Text) -> Option<Edge> {
    let open = |a: &&Text| {
        &***a == "privileged"
            || a.starts_with("capability:")
            || a.strip_prefix("host_path:").is_some_and(|p| {
                OPEN_PATHS.contains(&if p == "/" { p } else { p.trim_end_matches('/') })
            })
    };
    let way = w.host_access.iter().find(open)?;
    let certain = &**way == "privileged" && w.node.is_some();
    let conditions = if certain {
        Vec::new()
    } else {
        vec![text("whether the pod may write to the host or read the files of others there")]
    };
    Some(Edge {
        technique: text("k8s:host_access"),
        step: text(format!(
            "{} runs the workload `{}`, which reaches its node ({way}) and so what runs there",
            short(id),
            w.workload_id
        )),
        verdict: verdict(&conditions),
        conditions,
        refs: vec![(w.source_id.clone(), w.source_ref.clone())],
        ..Edge::relation(id.clone(), node)
    })
}
