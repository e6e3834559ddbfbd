//! One fact per trust statement: who may assume a role, and what guards it.

use std::collections::{BTreeMap, BTreeSet};

use super::people::{People, Person};
use super::refs;
use crate::facts::{Facts, Text, Tier, Trust, TrustFact, text};
use crate::privilege::aws::condition::Condition;
use crate::privilege::glob;
use crate::settings::Settings;

/// Rows of `trust_facts`, in the order of role and place.
pub fn rows(
    facts: &Facts,
    settings: &Settings,
    people: &People,
    tiers: &BTreeMap<&str, Option<Tier>>,
) -> Vec<TrustFact> {
    let known: BTreeSet<&str> =
        people.values().filter(|p| p.inventoried).filter_map(|p| p.realm.as_deref()).collect();
    let nobody = Person::default();
    let mut out: Vec<TrustFact> = facts
        .trusts
        .iter()
        .filter(|t| t.allow)
        .map(|t| {
            let person = people.get(&t.principal_id).unwrap_or(&nobody);
            let external = t.external.map(|e| e && !is_ours(&t.trusted, &known, settings));
            let condition = t.condition.as_deref().map(Condition::parse);
            TrustFact {
                principal_id: t.principal_id.clone(),
                principal_kind: person.kind,
                platform: person.platform.clone().unwrap_or_else(|| text("aws")),
                trusted: t.trusted.clone(),
                trusted_kind: t.trusted_kind.clone(),
                external,
                openness: text(openness(condition.as_ref())),
                missing_guards: missing(t, external, condition.as_ref()),
                tier: tiers.get(&*t.principal_id).copied().flatten(),
                owner: person.owner.clone(),
                refs: refs([(&t.source_id, &t.source_ref)]),
            }
        })
        .collect();
    out.sort_by(|a, b| {
        (&a.principal_id, &a.refs, &a.trusted).cmp(&(&b.principal_id, &b.refs, &b.trusted))
    });
    out
}

/// The account of a trusted party is in the inputs or on the allow list.
fn is_ours(trusted: &str, known: &BTreeSet<&str>, settings: &Settings) -> bool {
    let account = trusted.split(':').nth(4).unwrap_or(trusted);
    let realm = format!("aws:{account}");
    known.contains(realm.as_str())
        || settings
            .trusted_accounts
            .iter()
            .any(|p| glob::matches(p, account) || glob::matches(p, &realm))
}

type Parsed = Result<Condition, String>;

/// Open when nothing narrows; a pattern that matches everything does not narrow.
fn openness(condition: Option<&Parsed>) -> &'static str {
    match condition {
        None => "open",
        Some(Err(_)) => "conditional",
        Some(Ok(c)) if c.is_empty() => "open",
        Some(Ok(c)) => {
            let wide = |k: &&str| {
                let values = c.values_of(k);
                !values.is_empty() && values.iter().any(|v| matches_all(v))
            };
            // Audience alone lets in every customer of the identity provider.
            let audience = |k: &&str| k.ends_with(":aud");
            let keys = c.keys();
            if !keys.is_empty() && keys.iter().all(|k| wide(k) || audience(k)) {
                if keys.iter().any(|k| k.starts_with("saml:")) { "conditional" } else { "open" }
            } else {
                "conditional"
            }
        }
    }
}

/// `*`, `repo:*` and the like: a subject pattern without a name in it.
fn matches_all(value: &str) -> bool {
    let rest = value.strip_prefix("repo:").unwrap_or(value);
    !rest.is_empty() && rest.chars().all(|c| matches!(c, '*' | '/' | ':' | '?'))
}

fn missing(t: &Trust, external: Option<bool>, condition: Option<&Parsed>) -> Vec<Text> {
    let c = match condition {
        Some(Ok(c)) => Some(c),
        // A condition that cannot be read cannot be said to lack anything.
        Some(Err(_)) => return Vec::new(),
        None => None,
    };
    let asks = |test: &dyn Fn(&str) -> bool| c.is_some_and(|c| c.keys().iter().any(|k| test(k)));
    let mut out = Vec::new();
    match &*t.trusted_kind {
        "oidc" => {
            if !asks(&|k| k.ends_with(":aud")) {
                out.push("aud");
            }
            let narrow = c.is_some_and(|c| {
                c.keys().iter().any(|k| {
                    k.ends_with(":sub")
                        && !c.values_of(k).is_empty()
                        && !c.values_of(k).iter().any(|v| matches_all(v))
                })
            });
            if !narrow {
                out.push("sub");
            }
        }
        "saml" if !asks(&|k| k == "saml:aud") => out.push("aud"),
        "account" | "principal" | "any" if external == Some(true) => {
            let guarded = asks(&|k| {
                k == "sts:externalid"
                    || k.starts_with("aws:principalorg")
                    || k == "aws:principalarn"
            });
            if !guarded {
                out.push("external_id");
            }
        }
        // EC2 hands out roles by instance profile; it sets no source keys.
        "service" if &*t.trusted != "ec2.amazonaws.com" => {
            let guarded = asks(&|k| k.starts_with("aws:source"));
            if !guarded {
                out.push("source_account");
            }
        }
        _ => {}
    }
    out.into_iter().map(text).collect()
}
