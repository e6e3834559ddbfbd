//! One fact per credential.

use std::collections::BTreeMap;

use super::people::{People, Person};
use super::refs;
use crate::facts::{CredentialFact, CredentialKind, Facts, Text, Tier, Time};

/// Rows of `credential_facts`, in the order of holder and credential.
pub fn rows(
    facts: &Facts,
    people: &People,
    tiers: &BTreeMap<&str, Option<Tier>>,
    as_of: Time,
) -> Vec<CredentialFact> {
    let ends: BTreeMap<&str, Option<Time>> =
        facts.grants.iter().map(|g| (&*g.grant_id, g.ended_at_lo.or(g.not_after))).collect();
    let mut active: BTreeMap<(&str, CredentialKind), i64> = BTreeMap::new();
    for c in &facts.credentials {
        if c.active == Some(true) {
            let id = c.principal_id.as_ref().unwrap_or(&c.principal);
            *active.entry((&**id, c.kind)).or_default() += 1;
        }
    }
    let nobody = Person::default();
    let mut out: Vec<CredentialFact> = facts
        .credentials
        .iter()
        .map(|c| {
            let id: Text = c.principal_id.clone().unwrap_or_else(|| c.principal.clone());
            let person = people.get(&id).unwrap_or(&nobody);
            let age_from = c.rotated_at.or(c.issued_at);
            let days = |t: Time| as_of.days_since(t).max(0);
            let used = c.last_used_at.filter(|t| *t <= as_of);
            let idle_from = used.or(age_from).filter(|_| c.use_tracked);
            let grant_end = c.grant_id.as_ref().and_then(|g| ends.get(&**g).copied().flatten());
            let valid_now = valid(c.active, c.expires_at, c.revoked_at, as_of);
            let life_end = c.revoked_at.or(c.expires_at);
            let outlives = grant_end.and_then(|end| match life_end {
                Some(t) => Some(t.secs_since(end)),
                None if c.no_expiry == Some(true) && valid_now == Some(true) => {
                    Some(as_of.secs_since(end))
                }
                None => None,
            });
            CredentialFact {
                credential_id: c.credential_id.clone(),
                credential_kind: c.kind,
                principal_kind: person.kind,
                platform: person.platform.clone(),
                environment: person.environment.clone(),
                tier: tiers.get(&*id).copied().flatten(),
                root: id.ends_with(":root"),
                // What has expired or was revoked is not usable, whatever the inventory says of it.
                active: c.active.or(valid_now.filter(|valid| !valid)),
                issued_at: c.issued_at,
                rotated_at: c.rotated_at,
                age_days: age_from.map(days),
                expires_at: c.expires_at,
                no_expiry: c.no_expiry,
                lifetime_days: c.issued_at.zip(c.expires_at).map(|(a, b)| b.days_since(a)),
                last_used_at: c.last_used_at,
                idle_days: idle_from.map(days),
                n_active_same_kind: active.get(&(&*id, c.kind)).copied().unwrap_or(0),
                grant_id: c.grant_id.clone(),
                grant_ended_at: grant_end,
                outlives_grant_s: outlives,
                valid_now,
                mfa: c.mfa,
                owner: person.owner.clone(),
                refs: refs([(&c.source_id, &c.source_ref)]),
                principal_id: id,
            }
        })
        .collect();
    out.sort_by(|a, b| {
        (&a.principal_id, &a.credential_id, &a.refs).cmp(&(
            &b.principal_id,
            &b.credential_id,
            &b.refs,
        ))
    });
    out
}

/// Still valid: not revoked, not expired, not switched off; null when nothing says so.
fn valid(
    active: Option<bool>,
    expires: Option<Time>,
    revoked: Option<Time>,
    as_of: Time,
) -> Option<bool> {
    if active == Some(false)
        || revoked.is_some_and(|t| t <= as_of)
        || expires.is_some_and(|t| t <= as_of)
    {
        return Some(false);
    }
    active.or_else(|| expires.map(|_| true))
}
