//! Links between platforms: pods that act as cloud roles, cloud identities that act in a cluster, runs of a
//! repository that take a cloud role (cloud semantics, section 2).
//!
//! A link is certain where both sides name each other: the annotation of the service account and the trust
//! of the role. Where the inputs show one side only it hangs on the other.

use std::collections::{BTreeMap, BTreeSet};

use super::{Edge, Estate, Goal, World, gke, repositories};
use crate::facts::{Facts, Link, Text, Tier, Tri, Trust, text};
use crate::privilege::aws::condition::Condition;
use crate::privilege::glob;

/// Trust statements and accounts that are compared; more of both is no estate that exists.
pub(super) const MAX_PAIRS: usize = 20_000_000;
/// What is said of an identity whose ways were not looked for, since there are too many to compare.
pub(super) const TOO_MANY: &str = "too many trusts and identities to compare each with each";

/// A trust of an AWS role in an identity provider, with the subjects it takes.
pub(super) struct Federated<'a> {
    /// Statement.
    pub trust: &'a Trust,
    /// Patterns of subjects; empty = any.
    pub subjects: Vec<String>,
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
    let mut by_role: BTreeMap<&str, Vec<&Federated<'_>>> = BTreeMap::new();
    for f in trusts.iter().filter(|f| is_cluster(&f.trust.trusted)) {
        by_role.entry(&f.trust.principal_id).or_default().push(f);
    }
    let mut told: BTreeSet<(&str, &str)> = BTreeSet::new();
    let asked = facts.links.iter().any(|l| &*l.kind == "azure_workload_identity");
    let clients: BTreeMap<String, &Text> = facts
        .aliases
        .iter()
        .filter(|_| asked)
        .map(|a| (a.alias.to_lowercase(), &a.principal_id))
        .collect();
    let agreed: BTreeSet<(&Text, Option<&Text>)> = facts
        .links
        .iter()
        .filter(|f| &*f.kind == "federated_credential")
        .map(|f| (&f.target_id, f.subject.as_ref()))
        .collect();
    for l in facts.links.iter().filter(|l| &*l.platform == "k8s") {
        match &*l.kind {
            "irsa" => {
                irsa(l, &by_role, &roles, estate);
                told.insert((&l.principal_id, &l.target_id));
            }
            "pod_identity" => step(l, "eks:pod_identity", "is given the role", &[], estate),
            "access_entry" => entry(l, estate),
            "azure_workload_identity" => azure(l, &clients, &agreed, estate),
            _ => {}
        }
    }
    unannotated(facts, &trusts, &told, estate);
    gke::add(world, estate);
    repositories::add(world, &trusts, estate);
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
                let all: Vec<&str> = keys.iter().flat_map(|k| c.values_of(k)).collect();
                // Under plain equality a star is a letter, which no subject holds.
                let plain: BTreeSet<&str> =
                    c.plain_values().into_iter().flat_map(|(_, values)| values).collect();
                let alive = |v: &&&str| !(plain.contains(**v) && v.contains(['*', '?']));
                let live: Vec<String> = all.iter().filter(alive).map(|v| (*v).to_owned()).collect();
                if live.is_empty() && !all.is_empty() {
                    return None;
                }
                live
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
fn irsa(
    l: &Link,
    by_role: &BTreeMap<&str, Vec<&Federated<'_>>>,
    roles: &BTreeSet<&str>,
    estate: &mut Estate,
) {
    let does = "runs as a service account that takes the role";
    let subject = l.subject.as_deref().unwrap_or_default();
    let taken = by_role.get(&*l.target_id).into_iter().flatten().find(|f| f.takes(subject));
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
        let open = accounts.iter().map(|(id, _)| ((*id).clone(), text(TOO_MANY)));
        estate.unknown.extend(open);
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

/// The annotation of Azure workload identity names the client; the federated credential of the application
/// is judged where the directory is.
fn azure(
    l: &Link,
    clients: &BTreeMap<String, &Text>,
    agreed: &BTreeSet<(&Text, Option<&Text>)>,
    estate: &mut Estate,
) {
    let target = clients.get(&l.target_id.to_lowercase()).copied().unwrap_or(&l.target_id);
    let open = [text("whether the application has a federated credential for the service account")];
    let sure = agreed.contains(&(target, l.subject.as_ref()));
    let conditions = if sure { &[][..] } else { &open[..] };
    let does = "runs as a service account that signs in as";
    to(l, target, ("azure:workload_identity", does), conditions, None, estate);
}
