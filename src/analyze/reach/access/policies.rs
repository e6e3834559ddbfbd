//! Policies on their own, whoever holds them.

use std::collections::BTreeMap;

use super::super::PrivilegeTiers;
use super::contents;
use crate::facts::{Facts, PolicyFact, Role, RoleKind, Tier, Time};
use crate::privilege::aws::arn::Home;
use crate::privilege::aws::evaluate::{Subject, SubjectKind};

/// Whoever may hold a policy: only the account is known.
pub fn policy_subject(r: &Role, as_of: Time) -> Subject {
    let account = r.realm.as_deref().and_then(|x| x.strip_prefix("aws:")).unwrap_or_default();
    let partition = r.role_id.split(':').nth(1).filter(|p| p.starts_with("aws"));
    Subject {
        arn: String::new(),
        kind: SubjectKind::Policy,
        home: Home {
            partition: partition.unwrap_or("aws").to_owned(),
            account: account.to_owned(),
        },
        name: String::new(),
        unique_id: None,
        tags: Vec::new(),
        organisation: None,
        as_of,
    }
}

/// Tier of every policy on its own. `known`: what each policy with a document gives by itself.
pub fn policy_tiers(facts: &Facts, known: &[PolicyFact], tiers: &mut PrivilegeTiers) {
    // A policy of the organisation limits; it gives nothing that could have a tier.
    let gives = |r: &&&Role| {
        !matches!(
            r.kind,
            RoleKind::ServiceControlPolicy | RoleKind::ResourceControlPolicy | RoleKind::Role
        )
    };
    let of: BTreeMap<&str, Option<Tier>> = known.iter().map(|f| (&*f.role_id, f.tier)).collect();
    for r in contents(facts).values().filter(gives) {
        let tier = of.get(&*r.role_id).copied().flatten();
        tiers.put(&r.role_id, tier);
        tiers.put(&r.name, tier);
    }
}
