//! Who logs in to Vault with an identity of elsewhere: service accounts of clusters, runs of repositories,
//! roles and accounts of clouds.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;
use serde_json::{Map, Value};

use super::super::super::cross::{MAX_PAIRS, TOO_MANY};
use super::super::super::rows::in_force;
use super::{Edge, Estate, PLATFORM, World};
use crate::facts::store::evidence_ref;
use crate::facts::{Link, PrincipalKind, Text, Tier, Tri, TrustFact, text};
use crate::privilege::glob;

/// Kind of the links that an adapter makes of the roles of auth methods.
const LOGIN: &str = "vault_login";

/// What a token must carry besides its subject.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Written {
    claims: Map<String, Value>,
    glob: bool,
}

/// Fills edges and trusts.
pub(super) fn fill(world: &World<'_>, estate: &mut Estate) {
    let links: Vec<&Link> = world
        .facts
        .links
        .iter()
        .filter(|l| &*l.platform == PLATFORM && &*l.kind == LOGIN)
        .collect();
    if links.is_empty() {
        return;
    }
    let accounts: BTreeMap<&str, Vec<&Text>> = accounts(world);
    let wild = |s: &str| s.contains(['*', '?']);
    let patterns = links.iter().filter(|l| wild(&l.principal_id)).count();
    let compare = patterns.saturating_mul(world.facts.principals.len()) <= MAX_PAIRS;
    if !compare {
        let others =
            world.facts.principals.iter().filter(|p| p.platform.as_deref() != Some(PLATFORM));
        estate.unknown.extend(others.map(|p| (p.principal_id.clone(), text(TOO_MANY))));
    }
    for l in &links {
        let from = &*l.principal_id;
        if from.starts_with("repo:") {
            // Runs of repositories come in beside those that other platforms take.
        } else if from.starts_with("system:serviceaccount:") {
            let open = || {
                let what = "whether the role takes service accounts of this cluster";
                (Tri::Conditional, vec![text(what)])
            };
            if wild(from) {
                for (subject, ids) in accounts.iter().filter(|_| compare) {
                    if glob::matches(from, subject) {
                        for id in ids {
                            step(l, (*id).clone(), &format!("`{id}`"), open(), estate);
                        }
                    }
                }
            } else {
                for id in accounts.get(from).into_iter().flatten() {
                    step(l, (*id).clone(), &format!("`{id}`"), open(), estate);
                }
            }
        } else if from == "*" {
            // Nobody in particular; the trust says it.
        } else if wild(from) {
            let fits = |p: &&crate::facts::Principal| {
                compare
                    && p.platform.as_deref() != Some(PLATFORM)
                    && glob::matches(from, &p.principal_id)
            };
            let ids: BTreeSet<&Text> =
                world.facts.principals.iter().filter(fits).map(|p| &p.principal_id).collect();
            for id in ids {
                step(l, id.clone(), &format!("`{id}`"), (Tri::Yes, Vec::new()), estate);
            }
        } else {
            let what = format!("`{from}`");
            step(l, l.principal_id.clone(), &what, (Tri::Yes, Vec::new()), estate);
        }
    }
    trusts(world, &links, estate);
}

/// Service accounts of all clusters by their subject.
fn accounts<'a>(world: &World<'a>) -> BTreeMap<&'a str, Vec<&'a Text>> {
    let mut out: BTreeMap<&str, Vec<&Text>> = BTreeMap::new();
    for p in &world.facts.principals {
        let at = p.principal_id.find("system:serviceaccount:");
        if let Some(subject) = at.and_then(|at| p.principal_id.get(at..)) {
            let ids = out.entry(subject).or_default();
            if !ids.contains(&&p.principal_id) {
                ids.push(&p.principal_id);
            }
        }
    }
    out
}

fn step(
    l: &Link,
    from: Text,
    who: &str,
    (verdict, conditions): (Tri, Vec<Text>),
    estate: &mut Estate,
) {
    estate.edges.push(Edge {
        technique: text("vault:login"),
        step: text(format!("{who} logs in to Vault as `{}`", l.target_id)),
        verdict,
        conditions,
        refs: vec![(l.source_id.clone(), l.source_ref.clone())],
        ..Edge::relation(from, l.target_id.clone())
    });
}

/// A role that takes tokens of an issuer or service accounts of a cluster is federation: what it asks of
/// them, and what it leaves out.
fn trusts(world: &World<'_>, links: &[&Link], estate: &mut Estate) {
    let mut tiers: BTreeMap<Text, Tier> = BTreeMap::new();
    for h in estate.held.iter().filter(|h| in_force(h)) {
        let tier = h.certain.tier_at(h.breadth);
        let slot = tiers.entry(h.principal.clone()).or_insert(tier);
        *slot = tier.min(*slot);
    }
    let mut by: BTreeMap<&Text, Vec<&Link>> = BTreeMap::new();
    for l in links {
        by.entry(&l.target_id).or_default().push(l);
    }
    for (role, list) in by {
        let Some(first) = list.first() else { continue };
        let cluster = first.principal_id.starts_with("system:serviceaccount:");
        if !cluster && first.condition.is_none() {
            // A cloud vouches for an identity that is named.
            continue;
        }
        let written: Written = first
            .condition
            .as_deref()
            .and_then(|c| serde_json::from_str(c).ok())
            .unwrap_or_default();
        let (mut missing, mut weak) = (Vec::new(), Vec::new());
        if !cluster && first.audiences.is_empty() {
            missing.push(text("aud"));
        }
        if first.subject.is_none() && written.claims.is_empty() {
            missing.push(text("sub"));
        }
        for l in &list {
            weak.extend(l.subject.as_deref().and_then(|s| loose(s, cluster)));
        }
        for (claim, value) in &written.claims {
            if written.glob && value.to_string().contains('*') {
                weak.push(text(format!("`{claim}` = {value}: a pattern")));
            }
        }
        let open = missing.iter().any(|m| &**m == "sub");
        estate.trusts.push(TrustFact {
            condition: None,
            principal_id: role.clone(),
            principal_kind: world.people.get(role).map_or(PrincipalKind::Role, |p| p.kind),
            resource_kind: text("role"),
            platform: text(PLATFORM),
            trusted: text(role.rsplit_once("/role/").map_or(&**role, |(mount, _)| mount)),
            trusted_kind: text("oidc"),
            relation: text("oidc"),
            provider: cluster.then(|| text("kubernetes")),
            external: Some(false),
            openness: text(if open { "open" } else { "conditional" }),
            missing_guards: missing,
            weak_guards: weak,
            actions: list.iter().filter_map(|l| l.subject.clone()).take(12).collect(),
            tier: tiers.get(role).copied(),
            owner: world.people.get(role).and_then(|p| p.owner.clone()),
            refs: vec![evidence_ref(&first.source_id, &first.source_ref)],
        });
    }
}

/// What is too loose in a subject.
fn loose(subject: &str, cluster: bool) -> Option<Text> {
    if cluster {
        let (space, name) = subject.strip_prefix("system:serviceaccount:")?.split_once(':')?;
        return match (space, name) {
            ("*", "*") => Some(text("any service account of the cluster")),
            ("*", _) => Some(text(format!("the service account `{name}` of any namespace"))),
            (_, "*") => Some(text(format!("any service account of the namespace `{space}`"))),
            _ => None,
        };
    }
    let rest = subject.strip_prefix("repo:")?;
    let (repo, part) = rest.split_once(':').unwrap_or((rest, "*"));
    if repo.contains('*') {
        Some(text(format!("`{subject}`: any repository of the organisation")))
    } else if matches!(part, "*" | "pull_request") {
        Some(text(format!("`{subject}`: any branch or pull request of the repository")))
    } else {
        None
    }
}
