//! Trust in parties outside: federated credentials of applications, and applications whose secrets
//! another tenant keeps.

use std::collections::{BTreeMap, BTreeSet};

use super::super::super::reach::{guards, refs};
use super::super::{Estate, World};
use super::MICROSOFT;
use crate::facts::{Link, RealmKind, Text, Tier, TrustFact, text};
use crate::privilege::aws::condition::Condition;
use crate::privilege::azure::{DELEGATED_TO, HOME_TENANT};
use crate::privilege::glob;

/// Fills `estate.trusts`.
pub(super) fn fill(world: &World<'_>, estate: &mut Estate) {
    let mut tiers: BTreeMap<&str, Tier> = BTreeMap::new();
    for h in estate.held.iter().filter(|h| super::super::rows::in_force(h)) {
        let tier = h.certain.tier_at(h.breadth);
        tiers.entry(&h.principal).and_modify(|t| *t = tier.min(*t)).or_insert(tier);
    }
    let mut out = Vec::new();
    for l in &world.facts.links {
        if &*l.platform == "entra" && &*l.kind == "federated_credential" {
            let tier = tiers.get(&*l.target_id).copied();
            out.push(federated(world, l, tier));
        }
    }
    out.extend(foreign(world, &tiers));
    estate.trusts.extend(out);
}

/// A federated credential: the subject is compared as text, so an exact one is as narrow as its
/// provider makes it; an expression over claims may be wider.
fn federated(world: &World<'_>, l: &Link, tier: Option<Tier>) -> TrustFact {
    let issuer = l.issuer.as_deref().unwrap_or_default();
    let host = issuer.strip_prefix("https://").unwrap_or(issuer).trim_end_matches('/');
    let condition = l.subject.as_deref().map(|s| {
        let key = format!("{host}:sub");
        Condition::parse(&serde_json::json!({ "StringEquals": { key: s } }).to_string())
    });
    let mut weak = guards::weak(host, condition.as_ref());
    if l.subject.is_none() {
        weak.extend(expression(l.condition.as_deref().unwrap_or_default()));
    }
    let mut missing = Vec::new();
    if l.audiences.is_empty() {
        missing.push(text("aud"));
    }
    let person = world.people.get(&l.target_id);
    let closed = person.is_some_and(|p| p.disabled == Some(true));
    TrustFact {
        condition: None,
        principal_id: l.target_id.clone(),
        principal_kind: person.map(|p| p.kind).unwrap_or_default(),
        resource_kind: text("application"),
        platform: text("entra"),
        trusted: text(host),
        trusted_kind: text("oidc"),
        relation: text("oidc"),
        provider: guards::provider("oidc", host),
        external: Some(false),
        openness: text(if closed { "closed" } else { "conditional" }),
        missing_guards: missing,
        weak_guards: weak,
        actions: l.subject.iter().chain(&l.condition).cloned().collect(),
        tier,
        owner: person.and_then(|p| p.owner.clone()),
        refs: refs([(&l.source_id, &l.source_ref)]),
    }
}

/// An expression over claims that matches by pattern.
fn expression(text_: &str) -> Option<Text> {
    let wild = text_.contains('*') || text_.contains('?');
    wild.then(|| text(format!("`{text_}`: has a wildcard")))
}

/// Applications of other tenants that hold something here: whoever keeps their secrets is outside.
fn foreign(world: &World<'_>, tiers: &BTreeMap<&str, Tier>) -> Vec<TrustFact> {
    let ours: BTreeSet<&str> = world
        .facts
        .realms
        .iter()
        .filter(|r| matches!(&*r.platform, "azure" | "entra"))
        .flat_map(|r| {
            let itself = (r.kind == RealmKind::Organisation).then_some(&*r.realm_id);
            itself.into_iter().chain(r.organisation.as_deref())
        })
        .collect();
    let allowed =
        |tenant: &str| world.settings.trusted_accounts.iter().any(|p| glob::matches(p, tenant));
    let mut out = Vec::new();
    let mut seen: BTreeSet<(&str, &str)> = BTreeSet::new();
    for p in &world.facts.principals {
        let Some(home) = p.tags.iter().find_map(|t| t.strip_prefix(HOME_TENANT)) else { continue };
        let Some(tier) = tiers.get(&*p.principal_id) else { continue };
        if MICROSOFT.contains(&home) || ours.contains(home) {
            continue;
        }
        // Several files may list it; one party is trusted once.
        if !seen.insert((&p.principal_id, home)) {
            continue;
        }
        let delegated = p.tags.iter().any(|t| &**t == DELEGATED_TO);
        let external = if allowed(home) {
            Some(false)
        } else {
            // Without anything that names our tenant it may be ours.
            (!ours.is_empty()).then_some(true)
        };
        out.push(TrustFact {
            principal_id: p.principal_id.clone(),
            principal_kind: p.kind,
            resource_kind: text(if delegated { "delegation" } else { "application" }),
            platform: text("entra"),
            trusted: text(format!("tenant {home}")),
            trusted_kind: text("account"),
            relation: text(match external {
                Some(true) => "unknown_account",
                Some(false) => "known_account",
                None => "unknown",
            }),
            external,
            openness: text(if p.disabled == Some(true) { "closed" } else { "open" }),
            tier: Some(*tier),
            owner: world.people.get(&p.principal_id).and_then(|p| p.owner.clone()),
            refs: refs([(&p.source_id, &p.source_ref)]),
            ..TrustFact::default()
        });
    }
    out
}
