//! One fact per trust statement and party: who may assume a role, or act on a resource by its own
//! policy, and what guards it (AWS semantics, 5.6, "trust").

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use super::access::contents;
use super::guards::{self, Parsed};
use super::outsiders::{self, Above, Deny, Opening};
use super::people::{People, Person};
use super::refs;
use crate::analyze::effective::trust::statements;
use crate::facts::{Facts, RealmKind, Text, Tier, Trust, TrustFact, text};
use crate::privilege::aws::condition::Condition;
use crate::privilege::aws::document::{Document, Effect, Party, Statement};
use crate::privilege::aws::tri::Tri as AwsTri;
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

    /// Whether Deny statements keep a party out; `own` is the account of the resource.
    fn shut<'d>(
        &self,
        own: &str,
        opening: &Opening<'_>,
        denies: impl IntoIterator<Item = Deny<'d>>,
    ) -> AwsTri {
        let account = |a: &str| a == own || self.holds(a);
        let home = outsiders::Home { account: &account, organisation: &|o| self.organisation(o) };
        outsiders::shut(&home, opening, denies)
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
    let denies = denies(facts);
    let roles = contents(facts);
    let mut above = Above::new(facts, &roles);
    let unique = facts.aliases.iter().filter(|a| &*a.alias_type == "unique_id");
    let ids: BTreeMap<&str, &str> = unique.map(|a| (&*a.alias, &*a.principal_id)).collect();
    let mut out: Vec<TrustFact> = facts
        .trusts
        .iter()
        .filter(|t| t.allow)
        .map(|t| {
            let person = people.get(&t.principal_id).unwrap_or(&nobody);
            let condition = t.condition.as_deref().map(Condition::parse);
            let own = t.principal_id.split(':').nth(4).unwrap_or_default();
            let (kind, who) = by_id(&t.trusted_kind, &t.trusted, &ids);
            let external = match t.external {
                // An identity of the inputs.
                None if kind != &*t.trusted_kind => Some(false),
                Some(true) if ours.holds(&t.trusted) => Some(false),
                Some(true) => ours.outside(Some(own), &t.trusted_kind, condition.as_ref()),
                other => other,
            };
            let actions = assuming(&t.actions);
            let shut = if actions.is_empty() {
                AwsTri::T
            } else {
                let opening = Opening {
                    kind: &t.trusted_kind,
                    party: &t.trusted,
                    actions,
                    resources: vec![t.principal_id.to_string()],
                };
                let own_denies = denies.get(&*t.principal_id).into_iter().flatten();
                let own_denies =
                    own_denies.map(|statement| Deny { statement, variables: true, above: None });
                // Service-linked roles are free of the policies above.
                let linked = t.principal_id.contains(":role/aws-service-role/");
                let above = if linked { Vec::new() } else { above.denies(own) };
                ours.shut(own, &opening, own_denies.chain(above))
            };
            let trusted = canonical(&t.trusted_kind, &t.trusted, &t.principal_id);
            TrustFact {
                principal_id: t.principal_id.clone(),
                principal_kind: person.kind,
                resource_kind: text("role"),
                platform: person.platform.clone().unwrap_or_else(|| text("aws")),
                trusted: text(trusted),
                trusted_kind: text(kind),
                condition: t.condition.clone(),
                relation: text(relation(kind, who, own, external)),
                external,
                openness: text(openness(shut, condition.as_ref())),
                missing_guards: lacking((kind, &t.trusted), (true, shut), external, &condition),
                weak_guards: guards::weak(&t.trusted, condition.as_ref()),
                provider: guards::provider(&t.trusted_kind, &t.trusted),
                actions: t.actions.clone(),
                tier: tiers.get(&*t.principal_id).copied().flatten(),
                owner: person.owner.clone(),
                refs: refs([(&t.source_id, &t.source_ref)]),
            }
        })
        .collect();
    resources(facts, &ours, &mut above, &ids, &mut out);
    out.sort_by(|a, b| {
        (&a.principal_id, &a.refs, &a.trusted).cmp(&(&b.principal_id, &b.refs, &b.trusted))
    });
    out
}

/// Guards that a statement lacks. A Deny about the caller keeps a service out for some sources: that guards.
fn lacking(
    party: (&str, &str),
    (on_role, shut): (bool, AwsTri),
    external: Option<bool>,
    condition: &Option<Parsed>,
) -> Vec<Text> {
    if party.0 == "service" && shut != AwsTri::F {
        return Vec::new();
    }
    guards::missing(party, on_role, external, condition.as_ref())
}

/// Kind and ARN of a party that is named by a unique id: AWS shows the id of an identity that was deleted; an
/// identity of the inputs with that id is there.
fn by_id<'k>(kind: &'k str, trusted: &'k str, ids: &BTreeMap<&str, &'k str>) -> (&'k str, &'k str) {
    match ids.get(trusted).filter(|_| kind == "deleted") {
        Some(arn) => ("principal", arn),
        None => (kind, trusted),
    }
}

/// Deny statements of the trust policies, by role.
fn denies(facts: &Facts) -> BTreeMap<&str, Vec<Statement>> {
    let mut rows: BTreeMap<&str, Vec<&Trust>> = BTreeMap::new();
    for t in facts.trusts.iter().filter(|t| !t.allow) {
        rows.entry(&t.principal_id).or_default().push(t);
    }
    rows.into_iter().map(|(role, rows)| (role, statements(rows))).collect()
}

/// Actions by which a statement of a trust policy lets its party become the role.
fn assuming(actions: &[Text]) -> Vec<String> {
    let one = |a: &&str| {
        let mut not = actions.iter().filter_map(|p| p.strip_prefix("not:")).peekable();
        if not.peek().is_some() {
            return !not.any(|p| glob::matches_ignore_case(p, a));
        }
        actions.iter().any(|p| glob::matches_ignore_case(p, a))
    };
    outsiders::ASSUME.iter().copied().filter(one).map(str::to_owned).collect()
}

/// Openness of a statement to a party, given whether a Deny shuts the party out.
fn openness(shut: AwsTri, condition: Option<&Parsed>) -> &'static str {
    match shut {
        AwsTri::T => "closed",
        _ if guards::dead(condition) => "closed",
        AwsTri::U => "conditional",
        AwsTri::F => guards::openness(condition),
    }
}

/// An account in its one form: AWS reads its digits as the ARN of its root.
fn canonical<'t>(kind: &str, trusted: &'t str, of: &str) -> Cow<'t, str> {
    if kind == "account" && trusted.len() == 12 && trusted.bytes().all(|b| b.is_ascii_digit()) {
        let partition = of.split(':').nth(1).filter(|p| p.starts_with("aws")).unwrap_or("aws");
        return Cow::Owned(format!("arn:{partition}:iam::{trusted}:root"));
    }
    Cow::Borrowed(trusted)
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
fn resources(
    facts: &Facts,
    ours: &Ours<'_>,
    above: &mut Above<'_>,
    ids: &BTreeMap<&str, &str>,
    out: &mut Vec<TrustFact>,
) {
    for p in facts.resource_policies.iter().filter(|p| &*p.platform == "aws") {
        let Some(document) = &p.document else { continue };
        let parsed = Document::parse(document);
        let by_arn = p.resource_id.split(':').nth(4).filter(|a| !a.is_empty());
        let own = p.realm.as_deref().and_then(|r| r.strip_prefix("aws:").or(Some(r))).or(by_arn);
        let doubtful =
            |s: &Statement| s.doubtful.then(|| Err("the statement could not be read".to_owned()));
        for s in parsed.statements.iter().filter(|s| s.effect == Effect::Allow) {
            let condition: Option<Parsed> =
                doubtful(s).or_else(|| (!s.condition.is_empty()).then(|| Ok(s.condition.clone())));
            // Whom a statement means that cannot be read is not known: it may be anybody.
            let anybody = Party { kind: "*".into(), value: "*".into(), negate: false };
            let unseen = s.doubtful && s.parties.iter().all(|p| p.kind == "unreadable");
            let parties = if unseen { std::slice::from_ref(&anybody) } else { &s.parties };
            for party in parties {
                let (kind, outside) = party_of(party, own);
                let (kind, who) = by_id(kind, &party.value, ids);
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
                let opening = opening(s, kind, &party.value, &p.service, &p.resource_id);
                let denies = outsiders::denies_of(&parsed, None);
                let limits = own.map(|a| above.denies(a)).unwrap_or_default();
                // Of a complement nobody is left to ask about by name.
                let shut = if party.negate {
                    AwsTri::F
                } else {
                    ours.shut(own.unwrap_or_default(), &opening, denies.chain(limits))
                };
                let trusted = if party.negate {
                    Cow::Owned(format!("not:{}", party.value))
                } else {
                    canonical(kind, &party.value, &p.resource_id)
                };
                out.push(TrustFact {
                    principal_id: p.resource_id.clone(),
                    resource_kind: p.service.clone(),
                    platform: p.platform.clone(),
                    relation: text(relation(kind, who, own.unwrap_or_default(), external)),
                    trusted: text(trusted),
                    trusted_kind: text(kind),
                    external,
                    openness: text(openness(shut, condition.as_ref())),
                    condition: (!s.condition_text.is_empty()).then(|| text(&s.condition_text)),
                    missing_guards: if kind == "service" {
                        lacking((kind, &party.value), (false, shut), external, &condition)
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

/// What a statement of a resource policy opens: `*` stands for the actions of the resource's service.
fn opening<'a>(
    s: &Statement,
    kind: &'a str,
    party: &'a str,
    service: &str,
    resource: &str,
) -> Opening<'a> {
    let whole = || format!("{service}:*");
    let actions = if s.actions.negate {
        vec![whole()]
    } else {
        s.actions.list.iter().map(|a| if a == "*" { whole() } else { a.clone() }).collect()
    };
    let resources = match &s.resources {
        Some(r) if !r.negate => r.list.clone(),
        Some(_) => vec!["*".to_owned()],
        None => vec![resource.to_owned()],
    };
    Opening { kind, party, actions, resources }
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
        // The identity of a distribution: its id does not say whose it is.
        "AWS" if account == Some("cloudfront") => ("origin_access_identity", None),
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
