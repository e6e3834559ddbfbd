//! One fact per credential.

use std::collections::BTreeMap;

use super::people::{People, Person};
use super::refs;
use crate::facts::{Credential, CredentialFact, CredentialKind, Facts, Grant, Text, Tier, Time};

/// Rows of `credential_facts`, in the order of holder and credential.
pub fn rows(
    facts: &Facts,
    people: &People,
    tiers: &BTreeMap<&str, Option<Tier>>,
    as_of: Time,
) -> Vec<CredentialFact> {
    let mut grants: BTreeMap<&str, Vec<&Grant>> = BTreeMap::new();
    for g in &facts.grants {
        grants.entry(&g.grant_id).or_default().push(g);
    }
    // Of grants with one id in several ledgers, the one of the same principal.
    let end_of = |c: &Credential| match grants.get(c.grant_id.as_deref()?)?.as_slice() {
        [only] => end(only),
        many => end(many.iter().find(|g| g.beneficiary_id == c.principal_id)?),
    };
    let mut active: BTreeMap<(&str, CredentialKind), i64> = BTreeMap::new();
    for c in &facts.credentials {
        if c.active == Some(true) {
            let id = c.principal_id.as_ref().unwrap_or(&c.principal);
            *active.entry((&**id, c.kind)).or_default() += 1;
        }
    }
    let formats: BTreeMap<&str, Text> =
        facts.sources.iter().map(|s| (&*s.source_id, s.format.clone())).collect();
    let federates = federates(facts);
    let witness = |kind: CredentialKind, id: &str| witnesses(facts, kind, id);
    let nobody = Person::default();
    let mut out: Vec<CredentialFact> = facts
        .credentials
        .iter()
        .map(|c| {
            let id: Text = c.principal_id.clone().unwrap_or_else(|| c.principal.clone());
            let person = people.get(&id).unwrap_or(&nobody);
            let federation = federates.get(&*id);
            let age_from = c.rotated_at.or(c.issued_at);
            let days = |t: Time| as_of.days_since(t).max(0);
            let used = c.last_used_at.filter(|t| *t <= as_of);
            let idle_from = used.or(age_from).filter(|_| c.use_tracked);
            let grant_end = end_of(c);
            let valid_now = valid(c.active, c.expires_at, c.revoked_at, as_of);
            let life_end = match (c.revoked_at, c.expires_at) {
                (Some(a), Some(b)) => Some(a.min(b)),
                (a, b) => a.or(b),
            };
            let outlives = grant_end.and_then(|end| match life_end {
                Some(t) => Some(t.secs_since(end)),
                // Of a grant still to end, the ledger cannot tell yet whether the credential outlives it.
                None if c.no_expiry == Some(true) && valid_now == Some(true) && as_of > end => {
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
                active: valid_now.filter(|valid| !valid).or(c.active),
                issued_at: c.issued_at,
                rotated_at: c.rotated_at,
                age_days: age_from.map(days),
                expires_at: c.expires_at,
                no_expiry: c.no_expiry,
                lifetime_days: c.issued_at.zip(c.expires_at).map(|(a, b)| b.days_since(a)),
                last_used_at: c.last_used_at,
                renewal_factor: renewal_factor(c, as_of),
                idle_days: idle_from.map(days),
                n_active_same_kind: active.get(&(&*id, c.kind)).copied().unwrap_or(0),
                grant_id: c.grant_id.clone(),
                grant_ended_at: grant_end,
                outlives_grant_s: outlives,
                valid_now,
                mfa: c.mfa,
                break_glass: person.break_glass,
                use_source: formats.get(&*c.source_id).filter(|_| c.use_tracked).cloned(),
                can_federate: federation.map(|_| true),
                federation: federation.cloned(),
                corroborated_by: witness(c.kind, &id),
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

/// Holders whose tasks run on a platform that signs tokens for its runs: CI systems and clusters.
fn federates(facts: &Facts) -> BTreeMap<&str, Text> {
    use crate::facts::TaskKind::{CiJob, CiRun, K8sJob};
    let mut out: BTreeMap<&str, Text> = BTreeMap::new();
    for t in facts.tasks.iter().filter(|t| matches!(t.kind, CiRun | CiJob | K8sJob)) {
        if let Some(id) = &t.principal_id {
            let slot = out.entry(id).or_insert_with(|| t.system.clone());
            if t.system < *slot {
                slot.clone_from(&t.system);
            }
        }
    }
    out
}

/// Active findings of the provider about unused credentials of this kind of the holder.
fn witnesses(facts: &Facts, kind: CredentialKind, id: &str) -> Vec<Text> {
    let word = match kind {
        CredentialKind::Key => "UnusedIAMUserAccessKey",
        CredentialKind::Password => "UnusedIAMUserPassword",
        _ => return Vec::new(),
    };
    let found = facts
        .provider_findings
        .iter()
        .filter(|f| &*f.status == "ACTIVE" && &*f.kind == word && &*f.resource_id == id);
    let set: std::collections::BTreeSet<Text> =
        found.map(|f| crate::facts::text(format!("{} {}", f.kind, f.finding_id))).collect();
    set.into_iter().collect()
}

/// Time from issue to the last use over the time to live (grants model, section 5, metric 9). Where a renewal
/// has moved the expiry, the time up to it is no time to live.
#[must_use]
pub fn renewal_factor(c: &Credential, as_of: Time) -> Option<f64> {
    let (issued, used) = (c.issued_at?, c.last_used_at.filter(|t| *t <= as_of)?);
    let renewed = c.rotated_at.is_some_and(|t| t > issued);
    let life = || c.expires_at.filter(|_| !renewed).map(|end| end.secs_since(issued));
    let life = c.ttl_s.or_else(life).filter(|s| *s > 0)?;
    #[expect(clippy::cast_precision_loss, reason = "seconds fit a double exactly")]
    Some(used.secs_since(issued).max(0) as f64 / life as f64)
}

/// End of a grant as the ledger has it.
fn end(g: &Grant) -> Option<Time> {
    g.ended_at_lo.or(g.ended_at_hi).or(g.not_after)
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
