//! One fact per trust statement and party: who may assume a role, or act on a resource by its own
//! policy, and what guards it (AWS semantics, 5.6, "trust").

use std::collections::{BTreeMap, BTreeSet};

use super::guards::{self, Parsed};
use super::people::{People, Person};
use super::refs;
use crate::facts::{Facts, RealmKind, Tier, Trust, TrustFact, text};
use crate::privilege::aws::condition::Condition;
use crate::privilege::aws::document::{Document, Effect, Party};
use crate::privilege::glob;
use crate::settings::Settings;

/// Accounts that belong to the organisation.
struct Ours<'a> {
    known: BTreeSet<&'a str>,
    /// Organisations that the inputs describe.
    organisations: BTreeSet<&'a str>,
    settings: &'a Settings,
}

impl Ours<'_> {
    /// The account of a trusted party is in the inputs or on the allow list.
    fn holds(&self, trusted: &str) -> bool {
        let account = trusted.split(':').nth(4).unwrap_or(trusted);
        let realm = format!("aws:{account}");
        self.known.contains(realm.as_str())
            || self
                .settings
                .trusted_accounts
                .iter()
                .any(|p| glob::matches(p, account) || glob::matches(p, &realm))
    }

    /// The organisation is one that the inputs describe; null when they describe none.
    fn organisation(&self, id: &str) -> Option<bool> {
        (!self.organisations.is_empty()).then(|| self.organisations.contains(id))
    }

    /// Whether a party for which a condition vouches is outside: everybody is, unless the condition lets
    /// in only what is ours.
    fn outside(&self, own: Option<&str>, kind: &str, condition: Option<&Parsed>) -> Option<bool> {
        match condition {
            Some(Ok(c)) if kind == "any" => {
                let account = |a: &str| own == Some(a) || self.holds(a);
                guards::names_ours(c, &account, &|o| self.organisation(o)).map(|ours| !ours)
            }
            _ => Some(true),
        }
    }
}

/// Organisations that the inputs describe, by their id.
fn organisations(facts: &Facts) -> BTreeSet<&str> {
    let aws = facts.realms.iter().filter(|r| &*r.platform == "aws");
    aws.flat_map(|r| {
        let itself = (r.kind == RealmKind::Organisation).then_some(&*r.realm_id);
        itself.into_iter().chain(r.organisation.as_deref())
    })
    .filter(|id| id.starts_with("o-"))
    .collect()
}

/// Rows of `trust_facts`, in the order of principal or resource and place.
pub fn rows(
    facts: &Facts,
    settings: &Settings,
    people: &People,
    tiers: &BTreeMap<&str, Option<Tier>>,
) -> Vec<TrustFact> {
    let mut known: BTreeSet<&str> =
        people.values().filter(|p| p.inventoried).filter_map(|p| p.realm.as_deref()).collect();
    let accounts: Vec<String> = facts
        .realms
        .iter()
        .filter(|r| &*r.platform == "aws" && r.kind == RealmKind::Account)
        .map(|r| format!("aws:{}", r.realm_id))
        .collect();
    known.extend(accounts.iter().map(String::as_str));
    let ours = Ours { known, organisations: organisations(facts), settings };
    let nobody = Person::default();
    let closed = closed(facts);
    let mut out: Vec<TrustFact> = facts
        .trusts
        .iter()
        .filter(|t| t.allow)
        .map(|t| {
            let person = people.get(&t.principal_id).unwrap_or(&nobody);
            let condition = t.condition.as_deref().map(Condition::parse);
            let own = t.principal_id.split(':').nth(4).unwrap_or_default();
            let external = match t.external {
                Some(true) if ours.holds(&t.trusted) => Some(false),
                Some(true) => ours.outside(Some(own), &t.trusted_kind, condition.as_ref()),
                other => other,
            };
            let shut = closed.contains(&(&*t.principal_id, &*t.trusted))
                || guards::dead(condition.as_ref());
            TrustFact {
                principal_id: t.principal_id.clone(),
                principal_kind: person.kind,
                resource_kind: text("role"),
                platform: person.platform.clone().unwrap_or_else(|| text("aws")),
                trusted: t.trusted.clone(),
                trusted_kind: t.trusted_kind.clone(),
                relation: text(relation(&t.trusted_kind, &t.trusted, own, external)),
                external,
                openness: text(if shut { "closed" } else { guards::openness(condition.as_ref()) }),
                missing_guards: guards::missing(
                    &t.trusted_kind,
                    &t.trusted,
                    external,
                    condition.as_ref(),
                ),
                weak_guards: guards::weak(&t.trusted, condition.as_ref()),
                provider: guards::provider(&t.trusted_kind, &t.trusted),
                actions: t.actions.clone(),
                tier: tiers.get(&*t.principal_id).copied().flatten(),
                owner: person.owner.clone(),
                refs: refs([(&t.source_id, &t.source_ref)]),
            }
        })
        .collect();
    resources(facts, &ours, &mut out);
    out.sort_by(|a, b| {
        (&a.principal_id, &a.refs, &a.trusted).cmp(&(&b.principal_id, &b.refs, &b.trusted))
    });
    out
}

/// Parties that an unconditional Deny of the same role shuts out of everything it trusts.
fn closed(facts: &Facts) -> BTreeSet<(&str, &str)> {
    let mut denied: BTreeMap<&str, Vec<&Trust>> = BTreeMap::new();
    for t in facts.trusts.iter().filter(|t| !t.allow && t.condition.is_none()) {
        denied.entry(&t.principal_id).or_default().push(t);
    }
    let covers = |deny: &Trust, allow: &Trust| {
        // `not:` complements shut out an unknown rest; they are left to the evaluator.
        let party = deny.trusted == allow.trusted || &*deny.trusted == "*";
        party
            && allow.actions.iter().all(|a| {
                deny.actions
                    .iter()
                    .any(|d| glob::contains_ignore_case(d, a) && !d.starts_with("not:"))
            })
    };
    facts
        .trusts
        .iter()
        .filter(|t| t.allow)
        .filter(|t| {
            let denies = denied.get(&*t.principal_id);
            denies.is_some_and(|list| list.iter().any(|d| covers(d, t)))
        })
        .map(|t| (&*t.principal_id, &*t.trusted))
        .collect()
}

/// What the party is to the account that trusts (5.6).
fn relation(kind: &str, trusted: &str, own: &str, external: Option<bool>) -> &'static str {
    let same = trusted.split(':').nth(4).is_some_and(|a| a == own) || trusted == own;
    match (kind, external) {
        ("service", _) => "service",
        ("oidc", _) => "oidc",
        ("saml", _) => "saml",
        ("deleted", _) => "deleted",
        ("any", _) if trusted.contains(":iam::*:") => "any_account",
        ("any", _) => "any",
        ("account", _) if same => "own_account",
        ("principal", _) if same => "own_principal",
        (_, Some(true)) => "unknown_account",
        (_, Some(false)) => "known_account",
        (_, None) => "unknown",
    }
}

/// Statements of resource policies that let somebody outside of the resource's account in. What stays
/// inside the account is left to the permissions of its identities.
fn resources(facts: &Facts, ours: &Ours<'_>, out: &mut Vec<TrustFact>) {
    for p in facts.resource_policies.iter().filter(|p| &*p.platform == "aws") {
        let Some(document) = &p.document else { continue };
        let parsed = Document::parse(document);
        let by_arn = p.resource_id.split(':').nth(4).filter(|a| !a.is_empty());
        let own = p.realm.as_deref().and_then(|r| r.strip_prefix("aws:").or(Some(r))).or(by_arn);
        let doubtful = |s: &crate::privilege::aws::document::Statement| {
            s.doubtful.then(|| Err("the statement could not be read".to_owned()))
        };
        for s in parsed.statements.iter().filter(|s| s.effect == Effect::Allow) {
            let condition: Option<Parsed> =
                doubtful(s).or_else(|| (!s.condition.is_empty()).then(|| Ok(s.condition.clone())));
            let shut = parsed.statements.iter().any(|d| {
                d.effect == Effect::Deny
                    && d.condition.is_empty()
                    && !d.doubtful
                    && d.parties.iter().any(|party| party.value == "*" && !party.negate)
                    && !d.actions.negate
                    && d.actions.list.iter().any(|a| a == "*")
                    && d.resources
                        .as_ref()
                        .is_none_or(|r| !r.negate && r.list.iter().any(|x| x == "*"))
            });
            // Whom a statement means that cannot be read is not known: it may be anybody.
            let anybody = Party { kind: "*".into(), value: "*".into(), negate: false };
            let unseen = s.doubtful && s.parties.iter().all(|p| p.kind == "unreadable");
            let parties = if unseen { std::slice::from_ref(&anybody) } else { &s.parties };
            for party in parties {
                let (kind, outside) = party_of(party, own);
                let outside = outside.filter(|_| !unseen);
                if outside == Some(false) && kind != "service" {
                    continue;
                }
                // A condition on the account, the organisation or its principals keeps strangers out.
                let external = match outside {
                    Some(true) if ours.holds(&party.value) => Some(false),
                    Some(true) => ours.outside(own, kind, condition.as_ref()),
                    other => other,
                };
                let shut = shut || guards::dead(condition.as_ref());
                let trusted =
                    if party.negate { format!("not:{}", party.value) } else { party.value.clone() };
                out.push(TrustFact {
                    principal_id: p.resource_id.clone(),
                    resource_kind: p.service.clone(),
                    platform: p.platform.clone(),
                    relation: text(relation(kind, &party.value, own.unwrap_or_default(), external)),
                    trusted: text(trusted),
                    trusted_kind: text(kind),
                    external,
                    openness: text(if shut {
                        "closed"
                    } else {
                        guards::openness(condition.as_ref())
                    }),
                    missing_guards: if kind == "service" {
                        guards::missing(kind, &party.value, external, condition.as_ref())
                    } else {
                        Vec::new()
                    },
                    // Of a complement the entries are what is left out, as in the trust policy of a role.
                    actions: s
                        .actions
                        .list
                        .iter()
                        .map(|a| match s.actions.negate {
                            true => text(format!("not:{a}")),
                            false => text(a),
                        })
                        .collect(),
                    refs: refs([(
                        &p.source_id,
                        &text(format!("{}/Statement/{}", p.source_ref, s.index)),
                    )]),
                    ..TrustFact::default()
                });
            }
        }
    }
}

/// Kind of a party of a resource policy, and whether it is outside of the account that owns it.
fn party_of(party: &Party, own: Option<&str>) -> (&'static str, Option<bool>) {
    let v = party.value.as_str();
    let account = v.split(':').nth(4).filter(|a| !a.is_empty());
    let is_account = v.len() == 12 && v.bytes().all(|b| b.is_ascii_digit());
    let outside = |a: &str| own.map(|own| own != a);
    match party.kind.as_str() {
        _ if v == "*" || party.negate => ("any", Some(true)),
        "Service" => ("service", Some(false)),
        "CanonicalUser" => ("canonical_user", None),
        "Federated" if v.contains(":saml-provider/") => ("saml", account.and_then(outside)),
        "Federated" => ("oidc", account.and_then(outside)),
        _ if is_account => ("account", outside(v)),
        _ if v.starts_with("AIDA") || v.starts_with("AROA") => ("deleted", None),
        _ => match account {
            Some(a) if a.contains(['*', '?']) => ("any", Some(true)),
            Some(a) if v.ends_with(":root") => ("account", outside(a)),
            Some(a) => ("principal", outside(a)),
            None => ("principal", None),
        },
    }
}
