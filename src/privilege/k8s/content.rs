//! What the rules of a role give: permissions of the catalogue, classes, wildcards, by where it is bound.

use super::permissions::{Names, Permission, Scope, catalogue};
use super::rbac::{Request, Rule};
use crate::privilege::class::{Breadth, Class, ClassSet};

/// Where a role is bound.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Place {
    /// By a ClusterRoleBinding.
    Cluster,
    /// By a RoleBinding in `kube-system`.
    KubeSystem,
    /// By a RoleBinding in another namespace.
    Namespace,
}

impl Place {
    /// The place of a namespace; null is the cluster.
    #[must_use]
    pub fn of(namespace: Option<&str>) -> Self {
        match namespace {
            None => Self::Cluster,
            Some("kube-system") => Self::KubeSystem,
            Some(_) => Self::Namespace,
        }
    }

    /// Breadth of the place (cloud semantics, section 8).
    #[must_use]
    pub fn breadth(self) -> Breadth {
        match self {
            Self::Cluster => Breadth::Tenant,
            Self::KubeSystem => Breadth::Account,
            Self::Namespace => Breadth::Group,
        }
    }

    fn takes(self, scope: Scope) -> bool {
        match scope {
            Scope::Any => true,
            Scope::Cluster => self == Self::Cluster,
            Scope::KubeSystem => self != Self::Namespace,
        }
    }
}

/// A permission that holds for named objects only.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Named {
    /// Position in the catalogue.
    pub row: usize,
    /// Names, sorted.
    pub names: Vec<String>,
}

/// What a role gives at one place.
#[derive(Clone, Debug, Default)]
pub struct Given {
    /// Permissions of the catalogue on all objects of the place, as a set of positions.
    pub all: u128,
    /// Permissions on named objects.
    pub named: Vec<Named>,
    /// Classes by what holds for all objects of the place.
    pub classes: ClassSet,
    /// Classes by what holds for named objects only, and is not among `classes`.
    pub classes_named: ClassSet,
    /// Everything on everything.
    pub admin: bool,
}

/// What a role gives.
#[derive(Clone, Debug, Default)]
pub struct Content {
    given: [Given; 3],
    /// Rules, aggregated ones among them.
    pub rules: Vec<Rule>,
    /// Wildcards in use, at most twelve.
    pub wildcards: Vec<String>,
    /// Number of permissions (verb and resource); null with wildcards.
    pub n_actions: Option<i64>,
}

/// Kinds that lie in no namespace, so that a RoleBinding does not reach them (section 4.1). `*` is left out:
/// it also stands for kinds that do.
const CLUSTER_SCOPED: &[(&str, &[&str])] = &[
    ("", &["nodes", "persistentvolumes", "componentstatuses", "users", "groups"]),
    ("rbac.authorization.k8s.io", &["clusterroles", "clusterrolebindings"]),
    (
        "admissionregistration.k8s.io",
        &[
            "mutatingwebhookconfigurations",
            "validatingwebhookconfigurations",
            "validatingadmissionpolicies",
            "validatingadmissionpolicybindings",
            "mutatingadmissionpolicies",
            "mutatingadmissionpolicybindings",
        ],
    ),
    ("apiextensions.k8s.io", &["customresourcedefinitions"]),
    ("apiregistration.k8s.io", &["apiservices"]),
    ("authentication.k8s.io", &["tokenreviews", "selfsubjectreviews", "userextras", "uids"]),
    (
        "authorization.k8s.io",
        &["selfsubjectaccessreviews", "selfsubjectrulesreviews", "subjectaccessreviews"],
    ),
    ("certificates.k8s.io", &["certificatesigningrequests", "signers", "clustertrustbundles"]),
    ("flowcontrol.apiserver.k8s.io", &["flowschemas", "prioritylevelconfigurations"]),
    ("networking.k8s.io", &["ingressclasses"]),
    ("node.k8s.io", &["runtimeclasses"]),
    ("policy", &["podsecuritypolicies"]),
    ("scheduling.k8s.io", &["priorityclasses"]),
    ("storage.k8s.io", &["storageclasses", "volumeattachments", "csidrivers", "csinodes"]),
    ("snapshot.storage.k8s.io", &["volumesnapshotclasses", "volumesnapshotcontents"]),
    ("metrics.k8s.io", &["nodes"]),
];

/// Objects that are written all the time and decide nothing.
const CHATTER: &[&str] = &["events", "leases"];

fn is_cluster_scoped(group: &str, resource: &str) -> bool {
    let kind = resource.split('/').next().unwrap_or(resource);
    CLUSTER_SCOPED.iter().any(|(g, kinds)| *g == group && kinds.contains(&kind))
}

impl Content {
    /// Evaluates the rules of a role.
    #[must_use]
    pub fn new(rules: Vec<Rule>) -> Self {
        let mut given: [Given; 3] = Default::default();
        for (place, slot) in PLACES.iter().zip(&mut given) {
            *slot = at(*place, &rules);
        }
        let wildcards = wildcards(&rules);
        let n_actions = wildcards.is_empty().then(|| count(&rules));
        Self { given, rules, wildcards, n_actions }
    }

    /// What it gives at a place.
    #[must_use]
    pub fn at(&self, place: Place) -> &Given {
        let [cluster, system, namespace] = &self.given;
        match place {
            Place::Cluster => cluster,
            Place::KubeSystem => system,
            Place::Namespace => namespace,
        }
    }
}

const PLACES: [Place; 3] = [Place::Cluster, Place::KubeSystem, Place::Namespace];

fn at(place: Place, rules: &[Rule]) -> Given {
    let mut given = Given::default();
    for (i, row) in catalogue().rows().iter().enumerate() {
        if !place.takes(row.scope) {
            continue;
        }
        let mut names: Vec<String> = Vec::new();
        for rule in rules {
            match hit(row, rule) {
                Some(true) => given.all |= 1 << i,
                Some(false) => names.extend(rule.names.iter().cloned()),
                None => {}
            }
        }
        names.sort_unstable();
        names.dedup();
        if given.all & (1 << i) == 0 && !names.is_empty() {
            if whole(row, place, &names) {
                given.all |= 1 << i;
            } else {
                given.named.push(Named { row: i, names });
            }
        }
    }
    given.admin = rules.iter().any(is_everything);
    given.classes = classes(given.all);
    if given.admin {
        given.classes.insert(Class::Admin);
    }
    for named in &given.named {
        if let Some(row) = catalogue().rows().get(named.row) {
            given.classes_named.insert(named_class(row, given.all));
        }
    }
    for rule in rules {
        let set = plain(rule, place);
        let into =
            if rule.names.is_empty() { &mut given.classes } else { &mut given.classes_named };
        into.extend(set);
    }
    given.classes_named = given.classes_named.without(given.classes);
    given
}

/// Whether a rule gives a permission: on all objects (`true`), on named ones (`false`), or not.
fn hit(row: &Permission, rule: &Rule) -> Option<bool> {
    let resource = if row.resource == "userextras/*" { "userextras/x" } else { row.resource };
    let extras = row.resource == "userextras/*"
        && rule.resources.iter().any(|r| r.starts_with("userextras/"));
    if !rule.has_group(row.group) || !(extras || rule.has_resource(resource)) {
        return None;
    }
    let has = |v: &&&str| rule.has_verb(v);
    if rule.names.is_empty() {
        return row.verbs.iter().any(|v| has(&v)).then_some(true);
    }
    // A request that makes an object carries no name, unless it is for a subresource.
    let nameless =
        |v: &str| matches!(v, "create" | "deletecollection") && !row.resource.contains('/');
    let left = row.verbs.iter().filter(|v| !nameless(v)).any(|v| has(&v));
    left.then_some(row.names == Names::Free)
}

/// Names that limit nothing.
fn whole(row: &Permission, place: Place, names: &[String]) -> bool {
    let has = |n: &str| names.iter().any(|have| have == n);
    match row.resource {
        "signers" => has("kubernetes.io/kube-apiserver-client") || has("kubernetes.io/*"),
        "groups" => has("system:masters"),
        // Whom the cluster takes for whom, and what its DNS answers.
        "configmaps" if row.scope == Scope::KubeSystem && place == Place::KubeSystem => {
            has("aws-auth") || has("coredns")
        }
        _ => false,
    }
}

/// Class of a permission on named objects.
fn named_class(row: &Permission, held: u128) -> Class {
    match row.names {
        // Which privilege it is decides; whoever reads the roles that are named can say more.
        Names::Privilege if row.id.ends_with(":bind") => Class::PermissionsLimited,
        Names::Privilege => Class::EscalationPossible,
        _ if row.class == Class::Escalation || !catalogue().complete(row, held) => {
            Class::EscalationPossible
        }
        _ => row.class,
    }
}

/// Classes of a set of permissions; half of a conjunction is a possible escalation.
#[must_use]
pub fn classes(held: u128) -> ClassSet {
    let c = catalogue();
    let rows = c.rows().iter().enumerate().filter(|(i, _)| held & (1 << i) != 0);
    rows.map(|(_, row)| if c.complete(row, held) { row.class } else { Class::EscalationPossible })
        .collect()
}

fn is_everything(rule: &Rule) -> bool {
    let all = |l: &[String]| l.iter().any(|s| s == "*");
    all(&rule.verbs) && all(&rule.groups) && all(&rule.resources) && rule.names.is_empty()
}

/// Classes by the kind of verb, whatever the resource.
fn plain(rule: &Rule, place: Place) -> ClassSet {
    let mut out = ClassSet::EMPTY;
    if !rule.urls.is_empty() && place == Place::Cluster {
        let reads = rule.has_verb("get") || rule.has_verb("head");
        let writes = rule.verbs.iter().any(|v| !matches!(v.as_str(), "get" | "head" | "options"));
        out.extend(reads.then_some(Class::Read).into_iter().collect());
        out.extend(writes.then_some(Class::Write).into_iter().collect());
    }
    for resource in &rule.resources {
        for group in &rule.groups {
            if place != Place::Cluster && is_cluster_scoped(group, resource) {
                continue;
            }
            for verb in &rule.verbs {
                if verb_is_nameless(verb, resource) && !rule.names.is_empty() {
                    continue;
                }
                out.extend(of_verb(verb, resource));
            }
        }
    }
    out
}

fn verb_is_nameless(verb: &str, resource: &str) -> bool {
    matches!(verb, "create" | "deletecollection") && !resource.contains('/')
}

fn of_verb(verb: &str, resource: &str) -> ClassSet {
    let (kind, sub) = resource.split_once('/').unwrap_or((resource, ""));
    let quiet = CHATTER.contains(&kind) || matches!(sub, "status" | "finalizers");
    match verb {
        "get" | "list" | "watch" => [Class::Read].into_iter().collect(),
        "create" if kind.ends_with("reviews") => [Class::Read].into_iter().collect(),
        "create" | "update" | "patch" if quiet => [Class::Write].into_iter().collect(),
        "create" | "update" | "patch" => [Class::DataWrite].into_iter().collect(),
        "delete" | "deletecollection" if quiet => [Class::Write].into_iter().collect(),
        "delete" | "deletecollection" => [Class::Destructive].into_iter().collect(),
        "*" if quiet => [Class::Write, Class::Read].into_iter().collect(),
        "*" => [Class::DataWrite, Class::Destructive, Class::Read].into_iter().collect(),
        // `use`, `bind` and other words: what matters of them is in the catalogue.
        _ => [Class::Write].into_iter().collect(),
    }
}

/// Wildcards as `group/resource:verb`, sorted, at most twelve.
fn wildcards(rules: &[Rule]) -> Vec<String> {
    let mut out: Vec<String> = Vec::new();
    for rule in rules {
        for url in rule.urls.iter().filter(|u| *u == "*") {
            out.push(format!("url {url}"));
        }
        let verb = rule.verbs.iter().any(|v| v == "*");
        for group in &rule.groups {
            for resource in &rule.resources {
                let wide = verb || group == "*" || resource == "*";
                if !wide || out.len() > 500 {
                    continue;
                }
                let verbs = if verb { "*".to_owned() } else { rule.verbs.join("+") };
                out.push(format!("{}:{verbs}", kind_name(group, resource)));
            }
        }
    }
    out.sort_unstable();
    out.dedup();
    out.truncate(12);
    out
}

/// `core/pods`, `apps/deployments`, `*/*`.
#[must_use]
pub fn kind_name(group: &str, resource: &str) -> String {
    let group = if group.is_empty() { "core" } else { group };
    format!("{group}/{resource}")
}

fn count(rules: &[Rule]) -> i64 {
    let mut seen: std::collections::HashSet<(&str, &str, &str)> = std::collections::HashSet::new();
    for rule in rules {
        for group in &rule.groups {
            for resource in &rule.resources {
                for verb in &rule.verbs {
                    if seen.len() < 100_000 {
                        seen.insert((group, resource, verb));
                    }
                }
            }
        }
        for url in &rule.urls {
            for verb in &rule.verbs {
                seen.insert(("url", url, verb));
            }
        }
    }
    i64::try_from(seen.len()).unwrap_or(i64::MAX)
}

/// Whether any rule matches a request, for a role bound at a place.
#[must_use]
pub fn allows(rules: &[Rule], place: Place, request: &Request<'_>) -> bool {
    if place != Place::Cluster && is_cluster_scoped(request.group, request.resource) {
        return false;
    }
    rules.iter().any(|r| r.allows(request))
}

#[cfg(test)]
#[path = "content_tests.rs"]
mod tests;
