//! Links between platforms: pods that act as cloud roles, cloud identities that act in a cluster, runs of a
//! repository that take a cloud role (cloud semantics, section 2).
//!
//! A link is certain where both sides name each other: the annotation of the service account and the trust
//! of the role. Where the inputs show one side only it hangs on the other.

use std::collections::{BTreeMap, BTreeSet};

use super::protections::Protections;
use super::{Edge, Estate, Goal, World};
use crate::facts::{Facts, Link, Text, Tier, Tri, Trust, text};
use crate::privilege::aws::condition::Condition;
use crate::privilege::glob;

/// Host of the tokens of GitHub runs.
const GITHUB: &str = "token.actions.githubusercontent.com";
/// Trust statements and accounts that are compared; more of both is no estate that exists.
const MAX_PAIRS: usize = 20_000_000;

/// A trust of an AWS role in an identity provider, with the subjects it takes.
struct Federated<'a> {
    trust: &'a Trust,
    /// Patterns of subjects; empty = any.
    subjects: Vec<String>,
}

impl Federated<'_> {
    fn takes(&self, subject: &str) -> bool {
        self.subjects.is_empty() || self.subjects.iter().any(|p| glob::matches(p, subject))
    }
}

/// Adds the links to what the platforms say.
pub fn add(world: &World<'_>, estate: &mut Estate) {
    let facts = world.facts;
    let trusts = federated(facts);
    let roles: BTreeSet<&str> = facts.trusts.iter().map(|t| &*t.principal_id).collect();
    let mut told: BTreeSet<(&str, &str)> = BTreeSet::new();
    for l in facts.links.iter().filter(|l| &*l.platform == "k8s") {
        match &*l.kind {
            "irsa" => {
                irsa(l, &trusts, &roles, estate);
                told.insert((&l.principal_id, &l.target_id));
            }
            "pod_identity" => step(l, "eks:pod_identity", "is given the role", &[], estate),
            "access_entry" => entry(l, estate),
            "gke_workload_identity" => gke(l, facts, estate),
            "azure_workload_identity" => azure(l, facts, estate),
            _ => {}
        }
    }
    unannotated(facts, &trusts, &told, estate);
    repositories(&trusts, &Protections::new(facts), estate);
    elsewhere(facts, estate);
    pushes(estate);
}

/// Trusts in providers of tokens, by the subjects that their conditions name.
fn federated(facts: &Facts) -> Vec<Federated<'_>> {
    let oidc = facts.trusts.iter().filter(|t| t.allow && &*t.trusted_kind == "oidc");
    oidc.filter_map(|trust| {
        let subjects = match trust.condition.as_deref().map(Condition::parse) {
            None => Vec::new(),
            Some(Err(_)) => return None,
            Some(Ok(c)) => {
                let keys: Vec<String> = c
                    .keys()
                    .into_iter()
                    .filter(|k| k.ends_with(":sub"))
                    .map(str::to_owned)
                    .collect();
                keys.iter().flat_map(|k| c.values_of(k)).map(str::to_owned).collect()
            }
        };
        Some(Federated { trust, subjects })
    })
    .collect()
}

fn is_cluster(trusted: &str) -> bool {
    !trusted.contains("githubusercontent") && !trusted.contains("gitlab")
}

/// A step that the inputs show, or that hangs on conditions.
fn step(l: &Link, technique: &str, does: &str, conditions: &[Text], estate: &mut Estate) {
    to(l, &l.target_id, (technique, does), conditions, None, estate);
}

fn to(
    l: &Link,
    target: &Text,
    (technique, does): (&str, &str),
    conditions: &[Text],
    also: Option<&Trust>,
    estate: &mut Estate,
) {
    let mut refs = vec![(l.source_id.clone(), l.source_ref.clone())];
    refs.extend(also.map(|t| (t.source_id.clone(), t.source_ref.clone())));
    estate.edges.push(Edge {
        technique: text(technique),
        step: text(format!("`{}` {does} `{target}`", l.principal_id)),
        verdict: if conditions.is_empty() { Tri::Yes } else { Tri::Conditional },
        conditions: conditions.to_vec(),
        not_after: l.not_after,
        refs,
        ..Edge::relation(l.principal_id.clone(), target.clone())
    });
}

/// The annotation of EKS: certain with a trust of the role that takes the subject, nothing with trusts that
/// do not, open where the inputs do not hold the role.
fn irsa(l: &Link, trusts: &[Federated<'_>], roles: &BTreeSet<&str>, estate: &mut Estate) {
    let does = "runs as a service account that takes the role";
    let subject = l.subject.as_deref().unwrap_or_default();
    let of_role = |f: &&Federated<'_>| f.trust.principal_id == l.target_id;
    let taken =
        trusts.iter().filter(of_role).find(|f| is_cluster(&f.trust.trusted) && f.takes(subject));
    if let Some(f) = taken {
        to(l, &l.target_id, ("eks:irsa", does), &[], Some(f.trust), estate);
    } else if !roles.contains(&*l.target_id) {
        let open = [text("whether the trust policy of the role takes the service account")];
        step(l, "eks:irsa", does, &open, estate);
    }
}

/// Roles that trust a service account which carries no annotation: a pod may ask for the token by itself.
fn unannotated(
    facts: &Facts,
    trusts: &[Federated<'_>],
    told: &BTreeSet<(&str, &str)>,
    estate: &mut Estate,
) {
    let accounts: Vec<(&Text, &str)> = facts
        .principals
        .iter()
        .filter_map(|p| {
            let at = p.principal_id.find("system:serviceaccount:")?;
            Some((&p.principal_id, p.principal_id.get(at..)?))
        })
        .collect();
    let named: Vec<&Federated<'_>> = trusts
        .iter()
        .filter(|f| is_cluster(&f.trust.trusted) && !f.subjects.is_empty())
        .filter(|f| f.subjects.iter().any(|s| s.starts_with("system:serviceaccount:")))
        .collect();
    if accounts.len().saturating_mul(named.len()) > MAX_PAIRS {
        return;
    }
    for f in named {
        for (id, subject) in &accounts {
            let role = &f.trust.principal_id;
            if !f.takes(subject) || told.contains(&(&***id, &**role)) {
                continue;
            }
            estate.edges.push(Edge {
                technique: text("eks:irsa"),
                step: text(format!("`{id}` is trusted by the role `{role}`")),
                verdict: Tri::Conditional,
                conditions: vec![text("whether the role trusts the issuer of this cluster")],
                refs: vec![(f.trust.source_id.clone(), f.trust.source_ref.clone())],
                ..Edge::relation((*id).clone(), role.clone())
            });
        }
    }
}

/// An AWS identity that the cluster takes for a user or a member of a group.
fn entry(l: &Link, estate: &mut Estate) {
    step(l, "eks:access_entry", "acts in the cluster as", &[], estate);
    // No binding gives this group its rights, and none takes them away.
    if l.target_id.ends_with("/group:system:masters") {
        estate.goals.push(Goal {
            node: l.target_id.clone(),
            title: text(format!("`{}`, which administers the cluster", l.target_id)),
            tier: Tier::T0,
            admin: true,
        });
    }
}

/// The annotation of GKE: certain with a binding that lets the account be used.
fn gke(l: &Link, facts: &Facts, estate: &mut Estate) {
    let subject = l.subject.as_deref().unwrap_or_default();
    let Some((ns, name)) =
        subject.strip_prefix("system:serviceaccount:").and_then(|s| s.split_once(':'))
    else {
        return;
    };
    let member = format!(".svc.id.goog[{ns}/{name}]");
    let email = l.target_id.to_lowercase();
    let bound = facts.entitlements.iter().any(|e| {
        &*e.platform == "gcp"
            && e.principal_id.ends_with(&member)
            && e.privilege.contains("workloadIdentityUser")
            && e.scope.to_lowercase().contains(&email)
    });
    let open = [text("whether the service account of the project lets itself be used")];
    let conditions = if bound { &[][..] } else { &open[..] };
    let does = "runs as a service account that acts as";
    to(l, &text(email), ("gke:workload_identity", does), conditions, None, estate);
}

/// The annotation of Azure workload identity names the client; the federated credential of the application
/// is judged where the directory is.
fn azure(l: &Link, facts: &Facts, estate: &mut Estate) {
    let mut names: BTreeMap<String, &Text> = BTreeMap::new();
    for a in &facts.aliases {
        if a.alias.eq_ignore_ascii_case(&l.target_id) {
            names.insert(a.alias.to_lowercase(), &a.principal_id);
        }
    }
    let target = names.get(&l.target_id.to_lowercase()).copied().unwrap_or(&l.target_id);
    let agreed = facts.links.iter().any(|f| {
        &*f.kind == "federated_credential" && f.target_id == *target && f.subject == l.subject
    });
    let open = [text("whether the application has a federated credential for the service account")];
    let conditions = if agreed { &[][..] } else { &open[..] };
    let does = "runs as a service account that signs in as";
    to(l, target, ("azure:workload_identity", does), conditions, None, estate);
}

/// Runs of a repository, as the principal `repo:OWNER/NAME`, to the roles that trust them.
fn repositories(trusts: &[Federated<'_>], protections: &Protections, estate: &mut Estate) {
    for f in trusts.iter().filter(|f| f.trust.trusted.contains(GITHUB)) {
        for subject in &f.subjects {
            let subject = subject.as_str();
            let Some(rest) = subject.strip_prefix("repo:") else { continue };
            let repo = rest.split(':').next().unwrap_or(rest);
            let (owner, name) = repo.split_once('/').unwrap_or_default();
            let wild = |s: &str| s.contains(['*', '?']);
            // `OWNER/*` is any repository of an owner; looser patterns name nobody.
            let whole = !owner.is_empty() && !wild(owner) && (name == "*" || !wild(name));
            if !whole {
                continue;
            }
            let role = &f.trust.principal_id;
            let (verdict, conditions) = protections.of(subject);
            estate.edges.push(Edge {
                technique: text("aws:github_oidc"),
                step: text(format!("a run of `{repo}` (`{subject}`) takes the role `{role}`")),
                verdict,
                conditions,
                refs: vec![(f.trust.source_id.clone(), f.trust.source_ref.clone())],
                ..Edge::relation(text(format!("repo:{repo}")), role.clone())
            });
        }
    }
}

/// Runs of a repository as the names by which Google Cloud and Entra know them.
fn elsewhere(facts: &Facts, estate: &mut Estate) {
    let mut pairs: BTreeSet<(String, &Text)> = BTreeSet::new();
    for e in facts.entitlements.iter().filter(|e| &*e.platform == "gcp") {
        if let Some((_, repo)) = e.principal_id.split_once("/attribute.repository/") {
            pairs.insert((format!("repo:{repo}"), &e.principal_id));
        }
    }
    for l in facts.links.iter().filter(|l| &*l.kind == "federated_credential") {
        let subject = l.subject.as_deref().and_then(|s| s.strip_prefix("repo:"));
        if let Some(repo) = subject.and_then(|s| s.split(':').next()) {
            pairs.insert((format!("repo:{repo}"), &l.principal_id));
        }
    }
    for (repo, id) in pairs {
        if *repo != **id {
            estate.edges.push(Edge::relation(text(repo), id.clone()));
        }
    }
}

/// Junction of the repositories of an organisation, for rights that name none.
pub(super) fn repositories_of(organisation: &str) -> Text {
    text(format!("github#repositories of {}", organisation.to_lowercase()))
}

/// Node of what runs in a repository; names of repositories have no case.
pub(super) fn repository(name: &str) -> Text {
    text(format!("github#repository {}", name.to_lowercase()))
}

/// Who may push to a repository decides what its runs do: from its junction to the node that trusts name.
/// Where a right names the organisation only, all repositories of it that some trust names.
fn pushes(estate: &mut Estate) {
    let mut repos: BTreeSet<&str> = BTreeSet::new();
    for e in &estate.edges {
        repos.extend(e.from.strip_prefix("repo:"));
    }
    let mut relations = Vec::new();
    // Repositories that rights name, by owner.
    let mut known: BTreeMap<&str, BTreeSet<&Text>> = BTreeMap::new();
    for e in &estate.edges {
        let name = e.to.strip_prefix("github#repository ");
        if let Some((owner, _)) = name.and_then(|n| n.split_once('/')) {
            known.entry(owner).or_default().insert(&e.to);
        }
    }
    for repo in repos {
        let name = repo.split(':').next().unwrap_or(repo);
        if let Some(owner) = name.strip_suffix("/*") {
            for one in known.get(&*owner.to_lowercase()).into_iter().flatten() {
                relations.push(Edge::relation((*one).clone(), text(format!("repo:{repo}"))));
            }
        }
        relations.push(Edge::relation(repository(name), text(format!("repo:{repo}"))));
        if let Some((owner, _)) = name.split_once('/') {
            relations.push(Edge::relation(repositories_of(owner), repository(name)));
        }
        // Rights of a list that does not name its organisation; their steps say so.
        relations.push(Edge::relation(repositories_of("organization"), repository(name)));
    }
    relations.sort_by(|a, b| (&a.from, &a.to).cmp(&(&b.from, &b.to)));
    relations.dedup_by(|a, b| (&a.from, &a.to) == (&b.from, &b.to));
    estate.edges.append(&mut relations);
}
