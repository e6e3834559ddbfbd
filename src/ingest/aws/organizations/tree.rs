//! Joins what several files say of one organisation.

use std::collections::BTreeSet;

use super::*;

/// One row per node of the tree and per attachment, whatever number of files name it. Called once with
/// all facts of a run.
pub fn finish(facts: &mut Facts) {
    fold_realms(facts);
    fold_policies(facts);
    let arns = policy_arns(facts);
    for g in &mut facts.guardrails {
        if let Some((arn, name, kind)) = arns.get(&g.role_id) {
            g.role_id = arn.clone();
            g.name = name.clone();
            g.kind = *kind;
        }
    }
    let attached: BTreeSet<Text> = facts
        .guardrails
        .iter()
        .filter(|g| g.target_id.is_some() || g.level.is_some())
        .map(|g| g.role_id.clone())
        .collect();
    let mut seen = BTreeSet::new();
    facts.guardrails.retain(|g| {
        let free = g.target_id.is_none() && g.level.is_none();
        !(free && attached.contains(&g.role_id))
            && (g.level.is_some() || seen.insert((g.role_id.clone(), g.target_id.clone())))
    });
    let free: BTreeSet<Text> = facts
        .guardrails
        .iter()
        .filter(|g| g.target_id.is_none() && g.level.is_none())
        .map(|g| g.source_id.clone())
        .collect();
    for s in facts.sources.iter_mut().filter(|s| &*s.format == FORMAT) {
        if free.contains(&s.source_id) {
            s.limitation.get_or_insert_with(|| text(UNATTACHED));
        }
    }
}

fn fold_realms(facts: &mut Facts) {
    let mut at: Nodes = BTreeMap::new();
    let mut out: Vec<Realm> = Vec::with_capacity(facts.realms.len());
    for r in std::mem::take(&mut facts.realms) {
        let key = (r.platform.clone(), r.realm_id.clone());
        match at.get(&key).and_then(|i| out.get_mut(*i)) {
            Some(have) => {
                have.parent_id = have.parent_id.take().or(r.parent_id);
                have.organisation = have.organisation.take().or(r.organisation);
                have.name = have.name.take().or(r.name);
                have.management = have.management.or(r.management);
            }
            None => {
                at.insert(key, out.len());
                out.push(r);
            }
        }
    }
    facts.realms = out;
}

/// A policy that one file lists and another holds is one policy.
fn fold_policies(facts: &mut Facts) {
    let is_guardrail = |r: &Role| {
        &*r.platform == "aws"
            && matches!(r.kind, RoleKind::ServiceControlPolicy | RoleKind::ResourceControlPolicy)
    };
    for r in facts.roles.iter_mut().filter(|r| is_guardrail(r) && r.document.is_none()) {
        let id = r.role_id.rsplit('/').next().unwrap_or_default();
        r.document = well_known(id).map(text);
    }
    let held: BTreeSet<Text> = facts
        .roles
        .iter()
        .filter(|r| is_guardrail(r) && r.document.is_some())
        .map(|r| r.role_id.clone())
        .collect();
    let mut seen = BTreeSet::new();
    facts.roles.retain(|r| {
        !is_guardrail(r)
            || if held.contains(&r.role_id) {
                // Two texts of one policy stay two rows: which of them is in force is not known here.
                r.document.is_some() && seen.insert((r.role_id.clone(), r.document.clone()))
            } else {
                seen.insert((r.role_id.clone(), None))
            }
    });
}

/// ARN, name and kind by every key a file may use for a policy.
fn policy_arns(facts: &Facts) -> BTreeMap<Text, (Text, Text, GuardrailKind)> {
    let mut out = BTreeMap::new();
    for r in &facts.roles {
        let kind = match r.kind {
            RoleKind::ServiceControlPolicy => GuardrailKind::Scp,
            RoleKind::ResourceControlPolicy => GuardrailKind::Rcp,
            _ => continue,
        };
        let value = (r.role_id.clone(), r.name.clone(), kind);
        if r.role_id.starts_with("arn:")
            && let Some(id) = r.role_id.rsplit('/').next()
        {
            out.insert(text(id), value.clone());
        }
        out.entry(r.role_id.clone()).or_insert(value);
    }
    out
}
