//! The catalogue of permissions that matter, their conjunctions, and what each lets one reach.
//!
//! Built by `scripts/build_privilege_data.py`; classes as in cloud semantics, section 8.

use std::collections::BTreeMap;
use std::sync::OnceLock;

use super::rbac::Document;
use crate::privilege::class::Class;

const PERMISSIONS: &str = include_str!("../../../rules/privilege/k8s_permissions.csv");
const DEFAULT_ROLES: &str = include_str!("../../../rules/privilege/k8s_default_roles.ndjson");

/// Version of Kubernetes that the embedded default roles are of.
pub const DEFAULTS_VERSION: &str = "v1.20.2";

/// Where a permission of the catalogue has the effect that it is listed for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// In a namespace as well as in the cluster.
    Any,
    /// Cluster-wide only: the resource lies in no namespace.
    Cluster,
    /// In the namespace `kube-system`, so also cluster-wide.
    KubeSystem,
}

/// What names of objects in a rule do to a permission.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Names {
    /// Nothing: who may rewrite one object of the kind may do with it what a new one could.
    Free,
    /// They say which privilege (role, user, signer), not which resource.
    Privilege,
    /// They limit it to these resources.
    Limit,
}

/// Whom or what a permission lets one reach.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reaches {
    /// Nothing beyond itself.
    Nothing,
    /// The administration of the scope: the cluster, or the namespace.
    Administration,
    /// Any service account of the scope.
    Accounts,
    /// The service account of any pod that runs in the scope.
    Pods,
    /// Any node, and with it the service accounts of its pods.
    Node,
    /// Any user.
    Users,
    /// Any group, `system:masters` among them.
    Groups,
}

/// One permission.
#[derive(Clone, Debug)]
pub struct Permission {
    /// Identifier (`core/pods/exec:create+get`).
    pub id: &'static str,
    /// API group; empty for core.
    pub group: &'static str,
    /// Resource with subresource.
    pub resource: &'static str,
    /// Verbs of which one is enough.
    pub verbs: Vec<&'static str>,
    /// Where it has effect.
    pub scope: Scope,
    /// Class when it is complete.
    pub class: Class,
    /// What names do.
    pub names: Names,
    /// What it reaches.
    pub reaches: Reaches,
    /// Depends on something that RBAC does not show; the words of that condition.
    pub condition: Option<&'static str>,
    /// Positions of permissions of which one must be held as well; empty = complete by itself.
    pub partners: Vec<usize>,
}

impl Permission {
    /// Whether the class is one that opens a path.
    #[must_use]
    pub fn is_path(&self) -> bool {
        matches!(
            self.class,
            Class::Permissions | Class::Escalation | Class::EscalationPossible | Class::Admin
        ) && self.reaches != Reaches::Nothing
    }
}

/// Permissions of which the first needs one of the others (cloud semantics, section 7).
const CONJUNCTIONS: &[(&str, &[&str])] = &[
    (
        "rbac.authorization.k8s.io/clusterroles:escalate",
        &["rbac.authorization.k8s.io/clusterroles:create+update+patch"],
    ),
    (
        "rbac.authorization.k8s.io/roles:escalate",
        &["rbac.authorization.k8s.io/roles:create+update+patch"],
    ),
    (
        "rbac.authorization.k8s.io/clusterroles:bind",
        &[
            "rbac.authorization.k8s.io/clusterrolebindings:create+update+patch",
            "rbac.authorization.k8s.io/rolebindings:create+update+patch",
        ],
    ),
    (
        "rbac.authorization.k8s.io/roles:bind",
        &["rbac.authorization.k8s.io/rolebindings:create+update+patch"],
    ),
    ("core/secrets:create+update+patch", &["core/secrets:get", "core/secrets:list+watch"]),
    ("core/persistentvolumes:create+update+patch", &["core/pods:create"]),
    (
        "certificates.k8s.io/certificatesigningrequests/approval:update+patch",
        &["certificates.k8s.io/signers:approve"],
    ),
    (
        "certificates.k8s.io/signers:approve",
        &["certificates.k8s.io/certificatesigningrequests/approval:update+patch"],
    ),
    (
        "certificates.k8s.io/signers:sign",
        &["certificates.k8s.io/certificatesigningrequests/status:update+patch"],
    ),
    (
        "admissionregistration.k8s.io/mutatingadmissionpolicies:create+update+patch",
        &["admissionregistration.k8s.io/mutatingadmissionpolicybindings:create+update+patch"],
    ),
];

/// Kinds whose content an operator turns into its own acts: the condition is what that operator may do.
const OPERATORS: &[&str] = &[
    "argoproj.io/applications",
    "kustomize.toolkit.fluxcd.io/kustomizations",
    "helm.toolkit.fluxcd.io/helmreleases",
    "velero.io/restores",
    "kyverno.io/clusterpolicies",
];

/// The catalogue.
#[derive(Debug)]
pub struct Catalogue {
    rows: Vec<Permission>,
    by_id: BTreeMap<&'static str, usize>,
}

impl Catalogue {
    /// All permissions, in order of their identifiers; at most 128.
    #[must_use]
    pub fn rows(&self) -> &[Permission] {
        &self.rows
    }

    /// Position of a permission.
    #[must_use]
    pub fn position(&self, id: &str) -> Option<usize> {
        self.by_id.get(id).copied()
    }

    /// Whether a set of positions holds a partner that a permission needs.
    #[must_use]
    pub fn complete(&self, row: &Permission, held: u128) -> bool {
        row.partners.is_empty() || row.partners.iter().any(|p| held & (1 << p) != 0)
    }
}

/// The catalogue, read once.
pub fn catalogue() -> &'static Catalogue {
    static CATALOGUE: OnceLock<Catalogue> = OnceLock::new();
    CATALOGUE.get_or_init(read)
}

fn read() -> Catalogue {
    let mut rows: Vec<Permission> = PERMISSIONS.lines().skip(1).take(128).filter_map(row).collect();
    let by_id: BTreeMap<&'static str, usize> =
        rows.iter().enumerate().map(|(i, r)| (r.id, i)).collect();
    for (id, partners) in CONJUNCTIONS {
        let found = partners.iter().filter_map(|p| by_id.get(p).copied()).collect();
        if let Some(row) = by_id.get(id).and_then(|i| rows.get_mut(*i)) {
            row.partners = found;
        }
    }
    Catalogue { rows, by_id }
}

fn row(line: &'static str) -> Option<Permission> {
    let mut cells = line.split(',');
    let mut next = || cells.next();
    let (id, group, resource) = (next()?, next()?, next()?);
    let verbs = next()?.split(' ').collect();
    let scope = match next()? {
        // A request for one namespace counts as made in it, so a Role reaches its own namespace object.
        _ if resource == "namespaces" => Scope::Any,
        "cluster" => Scope::Cluster,
        "kube-system" => Scope::KubeSystem,
        _ => Scope::Any,
    };
    let class = class(next()?)?;
    let reaches = reaches(group, resource, id);
    let condition = condition(group, resource, class);
    let names = names(group, resource, id);
    Some(Permission {
        id,
        group,
        resource,
        verbs,
        scope,
        class,
        names,
        reaches,
        condition,
        partners: Vec::new(),
    })
}

fn class(word: &str) -> Option<Class> {
    Some(match word {
        "permissions-management" => Class::Permissions,
        "permissions-management-limited" => Class::PermissionsLimited,
        "escalation" => Class::Escalation,
        "escalation-conditional" => Class::EscalationPossible,
        "secrets" => Class::Secrets,
        "data-read" => Class::DataRead,
        "destructive" => Class::Destructive,
        "write" => Class::Write,
        _ => return None,
    })
}

fn names(group: &str, resource: &str, id: &str) -> Names {
    match (group, resource) {
        (_, "signers" | "users" | "groups" | "uids" | "userextras/*") => Names::Privilege,
        ("rbac.authorization.k8s.io", _) if id.ends_with(":bind") || id.ends_with(":escalate") => {
            Names::Privilege
        }
        ("", "serviceaccounts") if id.ends_with(":impersonate") => Names::Privilege,
        // To change the template of one controller is to start any pod in its namespace.
        ("apps" | "batch" | "argoproj.io" | "tekton.dev" | "velero.io" | "kyverno.io", _)
        | ("kustomize.toolkit.fluxcd.io" | "helm.toolkit.fluxcd.io" | "external-secrets.io", _)
        | ("admissionregistration.k8s.io" | "apiregistration.k8s.io", _)
        | ("apiextensions.k8s.io" | "cert-manager.io" | "storage.k8s.io", _)
        | ("", "replicationcontrollers" | "persistentvolumes") => {
            if id.contains("delete") && !id.contains("update") { Names::Limit } else { Names::Free }
        }
        _ => Names::Limit,
    }
}

fn reaches(group: &str, resource: &str, id: &str) -> Reaches {
    match (group, resource) {
        ("rbac.authorization.k8s.io", _) if id.ends_with(":escalate") || id.ends_with(":bind") => {
            Reaches::Administration
        }
        ("", "users") => Reaches::Users,
        ("", "groups") => Reaches::Groups,
        ("", "serviceaccounts") if id.ends_with(":impersonate") => Reaches::Accounts,
        ("", "serviceaccounts/token") => Reaches::Accounts,
        ("", "secrets") if id.contains("create") => Reaches::Accounts,
        ("", "pods") if id.ends_with(":create") => Reaches::Accounts,
        ("", "replicationcontrollers") | ("apps" | "batch" | "tekton.dev", _) => Reaches::Accounts,
        ("argoproj.io", "workflows") => Reaches::Accounts,
        ("", "pods/exec" | "pods/attach" | "pods/ephemeralcontainers") => Reaches::Pods,
        ("", "pods") if id.contains("update") => Reaches::Pods,
        ("", "nodes/proxy") => Reaches::Pods,
        ("", "persistentvolumes") => Reaches::Node,
        ("", "nodes" | "nodes/status" | "pods/binding" | "bindings") if !id.contains("delete") => {
            Reaches::Pods
        }
        ("", "namespaces") if id.contains("update") => Reaches::Node,
        ("certificates.k8s.io", "signers" | "certificatesigningrequests/approval")
        | ("admissionregistration.k8s.io", "mutatingwebhookconfigurations")
        | ("admissionregistration.k8s.io", "mutatingadmissionpolicies")
        | ("apiregistration.k8s.io" | "velero.io" | "kyverno.io", _)
        | ("argoproj.io" | "kustomize.toolkit.fluxcd.io" | "helm.toolkit.fluxcd.io", _)
        | ("authentication.k8s.io" | "cert-manager.io" | "storage.k8s.io", _) => {
            Reaches::Administration
        }
        ("apiextensions.k8s.io", _) if id.contains("update") => Reaches::Administration,
        ("", "configmaps") if id.contains("update") => Reaches::Administration,
        _ => Reaches::Nothing,
    }
}

fn condition(group: &str, resource: &str, class: Class) -> Option<&'static str> {
    if OPERATORS.iter().any(|o| o.split_once('/') == Some((group, resource))) {
        return Some("what the operator behind the resource may do");
    }
    if class != Class::EscalationPossible {
        return None;
    }
    Some(match (group, resource) {
        ("authentication.k8s.io", _) => "whether an authoriser reads these attributes",
        ("", "nodes" | "nodes/status" | "pods/binding" | "bindings") => {
            "whether a pod with more rights can be drawn to a node that is controlled"
        }
        ("storage.k8s.io", _) => "what the provisioner of the storage class may do",
        ("apiextensions.k8s.io", _) => "whether a conversion webhook sees objects that matter",
        ("", "configmaps") => {
            "whether the cluster maps identities or runs its DNS by a config map of kube-system (EKS aws-auth)"
        }
        ("", "namespaces") => "whether pods may be created in the namespace",
        ("cert-manager.io", _) => "whether the API server trusts the issuer",
        _ => "something that the inputs do not show",
    })
}

/// One role that Kubernetes ships.
#[derive(Debug)]
pub struct DefaultRole {
    /// Namespace; null for a cluster role.
    pub namespace: Option<String>,
    /// Name.
    pub name: String,
    /// Content, aggregated rules filled in.
    pub document: Document,
}

/// The roles that Kubernetes ships, as of [`DEFAULTS_VERSION`]: cluster roles by name, namespaced roles by
/// `namespace/name`.
pub fn default_roles() -> &'static BTreeMap<String, DefaultRole> {
    static ROLES: OnceLock<BTreeMap<String, DefaultRole>> = OnceLock::new();
    ROLES.get_or_init(|| DEFAULT_ROLES.lines().filter_map(default_role).collect())
}

fn default_role(line: &str) -> Option<(String, DefaultRole)> {
    let value: serde_json::Value = serde_json::from_str(line).ok()?;
    let name = value.get("name")?.as_str()?.to_owned();
    let namespace = value.get("namespace").and_then(|n| n.as_str()).map(str::to_owned);
    let key = namespace.as_ref().map_or_else(|| name.clone(), |ns| format!("{ns}/{name}"));
    let document = Document::read(&value).ok()?;
    Some((key, DefaultRole { namespace, name, document }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_row_is_read_and_every_partner_is_there() {
        let c = catalogue();
        assert_eq!(c.rows().len(), PERMISSIONS.lines().count() - 1);
        assert_eq!(c.rows().len(), 75);
        for (id, partners) in CONJUNCTIONS {
            assert!(c.position(id).is_some(), "{id}");
            assert!(partners.iter().all(|p| c.position(p).is_some()), "{id}");
        }
    }

    #[test]
    fn every_escalating_row_leads_somewhere() {
        for row in catalogue().rows() {
            let path = matches!(
                row.class,
                Class::Permissions | Class::Escalation | Class::EscalationPossible
            );
            assert_eq!(path, row.is_path(), "{}", row.id);
        }
    }

    /// Why a row of each other class opens no step; a class that is not here must.
    fn quiet(row: &Permission) -> Option<&'static str> {
        Some(match row.class {
            Class::PermissionsLimited => "hands on or completes only rights that are held already",
            // Tokens that are kept as secrets are a step of their own, where the inputs list any.
            Class::Secrets => "reads what is kept or admitted",
            Class::DataRead | Class::Destructive => "is about data and workloads",
            // The trust of a cloud role names the account, whatever its annotation says.
            Class::Write if row.resource == "serviceaccounts" => "the cloud side names the account",
            Class::Write => "moves traffic or completes another permission",
            _ => return None,
        })
    }

    #[test]
    fn every_row_opens_a_step_or_says_why_not() {
        for row in catalogue().rows() {
            assert!(row.is_path() != quiet(row).is_some(), "{}", row.id);
            // A half leads somewhere only with its partner, so it must name one.
            let half = CONJUNCTIONS.iter().any(|(id, _)| *id == row.id);
            assert_eq!(half, !row.partners.is_empty(), "{}", row.id);
        }
    }

    #[test]
    fn default_roles_are_read_whole() {
        assert_eq!(default_roles().len(), DEFAULT_ROLES.lines().count());
        assert!(
            default_roles()
                .values()
                .all(|r| !r.document.rules.is_empty() || r.name == "system:node")
        );
        assert!(
            default_roles().contains_key("kube-system/extension-apiserver-authentication-reader")
        );
    }
}
