//! From evaluated rights to the nodes of the escalation graph: where each policy comes from, which
//! versions of it lie dormant, whom a role trusts, which keys and passwords a user has.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use super::access::{Binding, Evaluated, Plan, Store, contents, is_policy, policy_subject};
use crate::facts::{Facts, Text, Tier, Trust, text};
use crate::privilege::aws::action::catalogue;
use crate::privilege::aws::classes::classes;
use crate::privilege::aws::condition::Condition;
use crate::privilege::aws::escalation::{Node, Source, TrustRule};
use crate::privilege::aws::evaluate::{Bound, Boundary, Rights, Scope, Subject, SubjectKind};
use crate::privilege::aws::named::{self, Named};
use crate::privilege::aws::tri::Tri as AwsTri;
use crate::privilege::glob;

/// Versions of policies that are not in force, compiled, by policy.
#[derive(Debug, Default)]
pub struct Dormant {
    store: Store,
    of_policy: BTreeMap<Text, Vec<(String, usize)>>,
    /// Policies that conditions name.
    named: Named,
}

/// Policies of the inputs that conditions name as what may be attached or must be the boundary.
fn name(facts: &Facts, plans: &[Plan], evaluated: &Evaluated<'_>, out: &mut Dormant) {
    let mut seen = HashSet::new();
    let mut wanted: BTreeSet<&str> = BTreeSet::new();
    for b in evaluated.distinct().iter().flat_map(|r| &r.bindings) {
        if seen.insert(std::ptr::from_ref(b.policy).addr()) {
            wanted.extend(b.policy.statements.iter().flat_map(named::names));
        }
    }
    let Some(as_of) = plans.first().map(|p| p.subject.as_of) else { return };
    let roles = contents(facts);
    for arn in wanted {
        let Some(role) = roles.get(arn) else { continue };
        let Some(document) = &role.document else { continue };
        let subject = policy_subject(role, as_of);
        let place = out.store.policy(document, &subject.home);
        let Some(policy) = out.store.policies.get(place) else { continue };
        let bound = Bound::new(policy, &subject);
        let held = Rights::new(vec![bound.clone()], Boundary::Absent).grants;
        let judged = classes().judge(&held, false);
        let admin = match (judged.tier(), judged.tier_possible()) {
            (Tier::T0, _) => AwsTri::T,
            (_, Tier::T0) => AwsTri::U,
            _ => AwsTri::F,
        };
        let limit = Rights::new(Vec::new(), Boundary::Known(bound));
        let leaves = limit.boundary_leaves(classes().critical());
        out.named.put(arn, named::Content { admin, leaves });
    }
}

/// Compiles the versions that are not in force of policies whose holders may put one in force.
pub fn dormant(facts: &Facts, plans: &[Plan], evaluated: &Evaluated<'_>) -> Dormant {
    let mut out = Dormant::default();
    name(facts, plans, evaluated, &mut out);
    let Some(action) = catalogue().id("iam:SetDefaultPolicyVersion") else { return out };
    let roles = contents(facts);
    for (i, plan) in plans.iter().enumerate() {
        let may = evaluated.of(i).is_some_and(|r| r.grants.possible(Scope::Some).contains(action));
        if !may {
            continue;
        }
        let attached = plan.bindings.iter().filter(|b| b.customer_managed).map(|b| &b.role_id);
        for id in attached.chain([&plan.boundary_id]) {
            let Some(role) = roles.get(&**id).filter(|r| !r.other_versions.is_empty()) else {
                continue;
            };
            if out.of_policy.contains_key(id) {
                continue;
            }
            let versions = role.other_versions.iter().filter_map(|v| v.split_once(' '));
            let compiled = versions
                .map(|(name, d)| (name.to_owned(), out.store.policy(&text(d), &plan.subject.home)))
                .collect();
            out.of_policy.insert(id.clone(), compiled);
        }
    }
    out
}

impl Dormant {
    fn of<'n>(&'n self, policy: &Text, subject: &Subject) -> Vec<(String, Bound<'n>)> {
        let list = self.of_policy.get(policy).map_or(&[][..], Vec::as_slice);
        list.iter()
            .filter_map(|(name, i)| {
                Some((name.clone(), Bound::new(self.store.policies.get(*i)?, subject)))
            })
            .collect()
    }
}

/// Nodes of the escalation graph, in the order of the plans.
pub fn nodes<'n>(
    facts: &Facts,
    plans: &'n [Plan],
    evaluated: &'n Evaluated<'_>,
    dormant: &'n Dormant,
) -> Vec<Node<'n>> {
    let mut trust: BTreeMap<&str, Vec<TrustRule>> = BTreeMap::new();
    for t in &facts.trusts {
        trust.entry(&t.principal_id).or_default().push(rule(t));
    }
    let mut profiles: BTreeSet<&str> = BTreeSet::new();
    for a in facts.aliases.iter().filter(|a| &*a.alias_type == "instance_profile") {
        profiles.insert(&a.principal_id);
    }
    let mut keys: BTreeMap<&str, usize> = BTreeMap::new();
    let mut passwords: BTreeMap<&str, bool> = BTreeMap::new();
    let mut reported: BTreeSet<&str> = BTreeSet::new();
    for p in &facts.principals {
        let source = facts.sources.iter().find(|s| s.source_id == p.source_id);
        if source.is_some_and(|s| &*s.format == "aws-credential-report") {
            reported.insert(&p.principal_id);
        }
    }
    for c in &facts.credentials {
        let id = c.principal_id.as_deref().unwrap_or(&c.principal);
        match c.kind {
            crate::facts::CredentialKind::Key => *keys.entry(id).or_default() += 1,
            crate::facts::CredentialKind::Password => {
                passwords.insert(id, c.active == Some(true));
            }
            _ => {}
        }
    }
    plans
        .iter()
        .enumerate()
        .filter_map(|(i, p)| {
            let rights = evaluated.of(i)?;
            let id = &*p.principal;
            let customer = |direct: bool| {
                p.bindings
                    .iter()
                    .filter(|b| b.customer_managed)
                    .filter(|b| !direct || b.via.iter().any(|v| &**v == "attached"))
                    .map(|b| b.role_id.to_string())
                    .collect()
            };
            let known = reported.contains(id);
            Some(Node {
                subject: &p.subject,
                rights,
                sources: p
                    .bindings
                    .iter()
                    .filter(|b| b.policy.is_some())
                    .map(|b| source(b, p, plans, dormant))
                    .collect(),
                groups: p.groups.clone(),
                own_policies: customer(false),
                attached_policies: customer(true),
                trust: trust.remove(id).unwrap_or_default(),
                // The export lists every instance profile of a role.
                instance_profile: (p.subject.kind == SubjectKind::Role)
                    .then(|| profiles.contains(id)),
                access_keys: known.then(|| keys.get(id).copied().unwrap_or(0)),
                login_profile: known.then(|| passwords.get(id).copied().unwrap_or(false)),
                provider_owned: super::people::provider_owned(id),
                boundary_policy: (is_policy(&p.boundary_id)
                    && p.boundary_id.split(':').nth(4) != Some("aws"))
                .then(|| p.boundary_id.to_string()),
                boundary_versions: dormant.of(&p.boundary_id, &p.subject),
                named: &dormant.named,
            })
        })
        .collect()
}

/// Where a binding comes from, as escalation paths ask.
fn source<'n>(binding: &Binding, plan: &Plan, plans: &[Plan], dormant: &'n Dormant) -> Source<'n> {
    let has = |word: &str| binding.via.iter().any(|v| &**v == word);
    let gives = |g: &&usize| {
        let name = plans.get(**g).map_or("", |p| p.subject.name.as_str());
        binding.via.iter().any(|v| v.strip_prefix("group:") == Some(name))
    };
    Source {
        policy: binding.role_id.to_string(),
        inline: has("inline"),
        attached: has("attached"),
        groups: plan.groups.iter().filter(gives).copied().collect(),
        versions: dormant.of(&binding.role_id, &plan.subject),
    }
}

fn rule(t: &Trust) -> TrustRule {
    let condition = t.condition.as_deref().map(Condition::parse);
    let assume = |a: &Text| match a.strip_prefix("not:") {
        Some(not) => !glob::matches_ignore_case(not, "sts:AssumeRole"),
        None => glob::matches_ignore_case(a, "sts:AssumeRole"),
    };
    let negated = t.actions.iter().any(|a| a.starts_with("not:"));
    // China writes some services with a domain of its own (5.1.2, partitions).
    let trusted = match t.trusted.strip_suffix(".cn") {
        Some(service) if &*t.trusted_kind == "service" => service.to_owned(),
        _ => t.trusted.to_string(),
    };
    TrustRule {
        trusted,
        kind: t.trusted_kind.to_string(),
        allow: t.allow,
        assume: if negated { t.actions.iter().all(assume) } else { t.actions.iter().any(assume) },
        doubtful: matches!(condition, Some(Err(_))),
        condition_text: t.condition.as_deref().unwrap_or_default().to_owned(),
        condition: condition.and_then(Result::ok).unwrap_or_default(),
    }
}
