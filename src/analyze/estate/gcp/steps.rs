//! Steps from one identity to a service account (cloud semantics, section 7): tokens, keys and
//! signatures, code that runs as an account, and the pair of `actAs` and a workload.

use std::collections::{BTreeMap, BTreeSet};

use fixedbitset::FixedBitSet;

use super::super::{Edge, Estate, Held, World};
use super::tree::Tree;
use crate::facts::{PrincipalKind, Standing, Text, Time, Tri, text};
use crate::privilege::class::{Breadth, Class};
use crate::privilege::gcp::content::Lexicon;
use crate::privilege::gcp::meaning::{self, ACT_AS};
use crate::privilege::gcp::member::{self, Party};

/// How a permission makes one identity another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Way {
    /// Acts as the account at once.
    Becomes,
    /// Acts as the account if something is there that the inputs do not show.
    MayBecome,
    /// Runs code where an account may already be attached.
    Runs,
    /// Half of a pair: attaches accounts.
    Attaches,
    /// Half of a pair: makes or changes what runs.
    Makes,
    /// The same where something runs already: on one resource nothing new is made.
    Changes,
    /// Decides whom a pool of federated identities lets in.
    Federates,
    /// Deploys as the account of Google's own APIs.
    Deploys,
}

/// A permission that opens a step.
#[derive(Clone, Debug)]
pub struct Power {
    way: Way,
    permission: Text,
    certain: bool,
}

/// Permissions by which an identity acts as a service account on which, or above which, it holds them.
const BECOMES: [(&str, &str); 5] = [
    ("iam.serviceAccounts.getAccessToken", "takes access tokens of"),
    ("iam.serviceAccountKeys.create", "makes keys of"),
    ("iam.serviceAccounts.signJwt", "signs tokens as"),
    ("iam.serviceAccounts.signBlob", "signs tokens as"),
    ("iam.serviceAccounts.setIamPolicy", "lets itself act as"),
];

/// The same, if a second account, a disabled key or a party that takes the token is there.
const MAY: [(&str, &str); 4] = [
    ("iam.serviceAccounts.implicitDelegation", "may delegate through"),
    ("iam.serviceAccounts.getOpenIdToken", "takes identity tokens of"),
    ("iam.serviceAccountKeys.enable", "may enable a disabled key of"),
    ("storage.hmacKeys.create", "makes storage keys of"),
];

/// Code where an account may already run. Which does, the inputs do not show.
const RUNS: [&str; 10] = [
    "compute.instances.setMetadata",
    "compute.projects.setCommonInstanceMetadata",
    "compute.instances.osAdminLogin",
    "compute.instances.osLogin",
    "run.jobs.runWithOverrides",
    "cloudbuild.builds.create",
    "cloudbuild.builds.update",
    "dataproc.jobs.create",
    "composer.environments.update",
    "clouddeploy.releases.create",
];

/// Trust of a pool in a new issuer, or in more of an old one's identities.
const FEDERATES: [&str; 3] = [
    "iam.googleapis.com/workloadIdentityPoolProviders.update",
    "iam.googleapis.com/workloadIdentityPoolProviders.create",
    "iam.googleapis.com/workloadIdentityPools.setAttestationRules",
];

/// Deployments run as the account of Google's own APIs, an editor unless somebody took that away.
const DEPLOYS: [&str; 2] =
    ["deploymentmanager.deployments.create", "deploymentmanager.deployments.update"];

/// Steps that a set of permissions opens: of each way the first, certain before possible.
pub fn powers(lexicon: &Lexicon, certain: &FixedBitSet, possible: &FixedBitSet) -> Vec<Power> {
    let mut out: Vec<Power> = Vec::new();
    let mut first = |way: Way, names: &mut dyn Iterator<Item = &str>| {
        let held: Vec<(&str, usize)> = names.filter_map(|n| Some((n, lexicon.known(n)?))).collect();
        let sure = held.iter().find(|(_, id)| certain.contains(*id));
        let found = sure.or_else(|| held.iter().find(|(_, id)| possible.contains(*id)));
        if let Some((name, _)) = found {
            out.push(Power { way, permission: text(name), certain: sure.is_some() });
        }
    };
    first(Way::Becomes, &mut BECOMES.iter().map(|(n, _)| *n));
    first(Way::MayBecome, &mut MAY.iter().map(|(n, _)| *n));
    first(Way::Runs, &mut RUNS.iter().copied());
    first(Way::Attaches, &mut [ACT_AS].into_iter());
    let halves = meaning::table().iter().filter(|(_, row)| row.needs_act_as);
    first(Way::Makes, &mut halves.clone().map(|(n, _)| n.as_str()));
    let mut changes = halves.map(|(n, _)| n.as_str()).filter(|n| !n.ends_with(".create"));
    first(Way::Changes, &mut changes);
    first(Way::Federates, &mut FEDERATES.iter().copied());
    first(Way::Deploys, &mut DEPLOYS.iter().copied());
    out
}

/// A half of a pair.
#[derive(Clone, Debug)]
struct Half {
    permission: Text,
    role: Text,
    certain: bool,
    conditions: Vec<Text>,
    not_after: Option<Time>,
    refs: Vec<(Text, Text)>,
}

/// Halves of one principal by scope: what attaches accounts, and what runs them.
#[derive(Clone, Debug, Default)]
struct Halves {
    attaches: BTreeMap<Text, Half>,
    makes: BTreeMap<Text, Half>,
}

/// Steps as they are collected.
#[derive(Debug, Default)]
pub struct Steps {
    edges: Vec<Edge>,
    pairs: BTreeMap<Text, Halves>,
}

/// Node for all service accounts at and below a container.
fn junction(scope: &str) -> Text {
    text(format!("gcp#any service account of {scope}"))
}

/// Node for all federated identities of the pools at and below a container.
fn federated(scope: &str) -> Text {
    text(format!("gcp#any federated identity of {scope}"))
}

/// Node for the accounts of Google's own APIs at and below a container.
fn apis(scope: &str) -> Text {
    text(format!("gcp#the account of Google APIs of {scope}"))
}

/// Node that a right over service accounts at a scope reaches.
fn target(scope: &Text) -> Option<Text> {
    if let Some((_, account)) = scope.split_once("/serviceAccounts/") {
        return account.contains('@').then(|| text(account.to_lowercase()));
    }
    (!scope.starts_with("//")).then(|| junction(scope))
}

/// The node in words.
fn whom(scope: &Text) -> String {
    match scope.split_once("/serviceAccounts/") {
        Some((_, account)) => format!("`{account}`"),
        None => format!("any service account of `{scope}`"),
    }
}

impl Steps {
    /// Notes what a holding in force opens. `sure` says that its conditions are met.
    pub fn note(&mut self, powers: &[Power], held: &Held, sure: bool) {
        for p in powers {
            match p.way {
                Way::Attaches | Way::Makes | Way::Changes => self.half(p, held, sure),
                way => self.step(way, p, held, sure),
            }
        }
    }

    fn half(&mut self, p: &Power, held: &Held, sure: bool) {
        let one = held.scope.starts_with("//");
        if (p.way == Way::Makes && one) || (p.way == Way::Changes && !one) {
            return;
        }
        let own = self.pairs.entry(held.principal.clone()).or_default();
        let side = if p.way == Way::Attaches { &mut own.attaches } else { &mut own.makes };
        let half = Half {
            permission: p.permission.clone(),
            role: held.privilege.clone(),
            certain: p.certain && sure,
            conditions: held.conditions.clone(),
            not_after: held.not_after,
            refs: held.refs.clone(),
        };
        match side.get_mut(&held.scope) {
            Some(have) if !have.certain && half.certain => *have = half,
            Some(_) => {}
            None => {
                side.insert(held.scope.clone(), half);
            }
        }
    }

    fn step(&mut self, way: Way, p: &Power, held: &Held, sure: bool) {
        let container = !held.scope.starts_with("//");
        let to = match way {
            Way::Federates => container.then(|| federated(&held.scope)),
            Way::Deploys => container.then(|| apis(&held.scope)),
            _ => target(&held.scope),
        };
        let Some(to) = to.filter(|to| *to != held.principal) else { return };
        let verb = BECOMES.iter().chain(&MAY).find(|(n, _)| *n == &*p.permission).map(|(_, v)| *v);
        let certain = p.certain && sure;
        let whom = whom(&held.scope);
        let does = match (way, verb) {
            (Way::Runs, _) => format!("runs code that may act as {whom}"),
            (Way::Federates, _) => {
                format!("decides whom the federated identities of `{}` are", held.scope)
            }
            (Way::Deploys, _) => {
                format!("deploys as the account of Google's own APIs of `{}`", held.scope)
            }
            (_, Some(verb)) => format!("{verb} {whom}"),
            (_, None) => format!("acts as {whom}"),
        };
        self.edges.push(Edge {
            technique: text(format!("gcp:{}", p.permission)),
            step: text(format!(
                "`{}` {does} (`{}` by `{}` on `{}`)",
                held.principal, p.permission, held.privilege, held.scope
            )),
            verdict: if certain { Tri::Yes } else { Tri::Conditional },
            potential: matches!(way, Way::MayBecome | Way::Runs),
            conditions: held.conditions.clone(),
            not_after: held.not_after,
            refs: held.refs.clone(),
            ..Edge::relation(held.principal.clone(), to)
        });
    }

    /// Completes the pairs and opens the junctions down to the accounts.
    pub fn finish(&mut self, world: &World<'_>, tree: &Tree, out: &mut Estate) {
        let pairs = std::mem::take(&mut self.pairs);
        for (principal, halves) in &pairs {
            self.complete(principal, halves, tree, out);
        }
        if self.edges.is_empty() {
            return;
        }
        let mut relations: BTreeSet<(Text, Text)> = BTreeSet::new();
        for (child, parent) in
            tree.nodes().filter(|(c, p)| !c.starts_with("//") && !p.starts_with("//"))
        {
            for node in [junction, federated, apis] {
                relations.insert((node(parent), node(child)));
            }
        }
        outsiders(world, &mut relations);
        for p in &world.facts.principals {
            let account =
                p.kind == PrincipalKind::ServiceAccount && p.platform.as_deref() == Some("gcp");
            if let (true, Some(realm)) = (account, &p.realm) {
                relations.insert((junction(realm), p.principal_id.clone()));
            }
        }
        kubernetes(world, &mut relations);
        out.edges.append(&mut self.edges);
        out.edges.extend(relations.into_iter().map(|(from, to)| Edge::relation(from, to)));
    }

    /// The pairs of one principal: `actAs` and a workload meet where one scope lies in the other.
    fn complete(&mut self, principal: &Text, halves: &Halves, tree: &Tree, out: &mut Estate) {
        let mut done: BTreeSet<Text> = BTreeSet::new();
        for (at, act) in &halves.attaches {
            for node in tree.up(at) {
                if let Some(make) = halves.makes.get(&node) {
                    self.pair(principal, (at, act), (&node, make), tree, &mut done, out);
                }
            }
        }
        for (at, make) in &halves.makes {
            for node in tree.up(at) {
                if let Some(act) = halves.attaches.get(&node).filter(|_| node != *at) {
                    self.pair(principal, (&node, act), (at, make), tree, &mut done, out);
                }
            }
        }
    }

    #[expect(clippy::too_many_arguments, reason = "two halves with their places")]
    fn pair(
        &mut self,
        principal: &Text,
        (act_at, act): (&Text, &Half),
        (make_at, make): (&Text, &Half),
        tree: &Tree,
        done: &mut BTreeSet<Text>,
        out: &mut Estate,
    ) {
        // Accounts that can be attached, in what can be made: the narrower of both.
        let narrow = if act_at.starts_with("//") || !make_at.starts_with("projects/") {
            act_at
        } else {
            make_at
        };
        let Some(to) = target(narrow).filter(|to| to != principal) else { return };
        if !done.insert(to.clone()) {
            return;
        }
        let certain = act.certain && make.certain;
        let mut conditions = act.conditions.clone();
        conditions.extend(make.conditions.iter().cloned());
        let mut refs = act.refs.clone();
        refs.extend(make.refs.iter().cloned());
        let not_after = super::earlier(act.not_after, make.not_after);
        self.edges.push(Edge {
            technique: text(format!("gcp:{ACT_AS}+{}", make.permission)),
            step: text(format!(
                "`{principal}` attaches {} to what it runs (`{ACT_AS}` by `{}` on `{act_at}`, `{}` by \
                 `{}` on `{make_at}`)",
                whom(narrow), act.role, make.permission, make.role
            )),
            verdict: if certain { Tri::Yes } else { Tri::Conditional },
            potential: false,
            conditions: conditions.clone(),
            not_after,
            refs: refs.clone(),
            ..Edge::relation(principal.clone(), to)
        });
        if act_at == make_at && act.role == make.role {
            // One role holds both; its own holding says so.
            return;
        }
        let breadth = match narrow.split('/').next() {
            Some("organizations") => Breadth::Tenant,
            Some("folders") => Breadth::Folder,
            Some("projects") => Breadth::Account,
            _ => Breadth::Resource,
        };
        let classes = [Class::Escalation].into_iter().collect();
        out.held.push(Held {
            principal: principal.clone(),
            platform: text("gcp"),
            realm: tree.realm(narrow),
            privilege: text("combined"),
            role_id: text(format!("{}+{}", act.role, make.role)),
            scope: narrow.clone(),
            breadth,
            via: vec![text("combined")],
            certain: if certain { classes } else { Default::default() },
            possible: classes,
            standing: if not_after.is_some() { Standing::TimeBound } else { Standing::Standing },
            not_after,
            conditions,
            n_actions: Some(2),
            strongest: vec![text(ACT_AS), make.permission.clone()],
            normal: format!("{ACT_AS}+{}", make.permission),
            refs,
            ..Held::default()
        });
    }
}

/// Accounts of Google's own APIs and federated identities, each below the project it is of.
fn outsiders(world: &World<'_>, relations: &mut BTreeSet<(Text, Text)>) {
    let names: BTreeMap<&str, &Text> = world
        .facts
        .aliases
        .iter()
        .filter(|a| &*a.alias_type == "project_number")
        .map(|a| (&*a.alias, &a.principal_id))
        .collect();
    for e in world.facts.entitlements.iter().filter(|e| &*e.platform == "gcp") {
        let id = &e.principal_id;
        let (node, number): (fn(&str) -> Text, &str) =
            if id.ends_with("@cloudservices.gserviceaccount.com") {
                (apis, member::number_of(id).unwrap_or_default())
            } else if let Some((pool, _)) = member::pool(id) {
                let number = pool.strip_prefix("projects/").and_then(|p| p.split('/').next());
                (federated, number.unwrap_or_default())
            } else {
                continue;
            };
        let scope = format!("projects/{number}");
        let project = names.get(scope.as_str()).map_or(scope.as_str(), |name| &***name);
        relations.insert((node(project), id.clone()));
    }
}

/// A Kubernetes service account whose annotation names a Google one is what the binding means by
/// `P.svc.id.goog[ns/name]`.
fn kubernetes(world: &World<'_>, relations: &mut BTreeSet<(Text, Text)>) {
    let mut members: BTreeMap<(String, String), Vec<Text>> = BTreeMap::new();
    for e in world.facts.entitlements.iter().filter(|e| &*e.platform == "gcp") {
        if let Party::Kubernetes { namespace, name, .. } = member::of_id(&e.principal_id).party {
            members.entry((namespace, name)).or_default().push(e.principal_id.clone());
        }
    }
    for l in world.facts.links.iter().filter(|l| &*l.kind == "gke_workload_identity") {
        let who = l.subject.as_deref().unwrap_or(&l.principal_id);
        let mut parts = who.rsplit(':');
        let (Some(name), Some(namespace)) = (parts.next(), parts.next()) else { continue };
        let key = (namespace.to_owned(), name.to_owned());
        for member in members.get(&key).into_iter().flatten() {
            relations.insert((l.principal_id.clone(), member.clone()));
        }
    }
}
