//! Rows of `identity_facts`.

use std::collections::{BTreeMap, BTreeSet};

use super::access::Outcome;
use super::activity::Activity;
use super::people::{People, Person};
use super::{refs, stronger};
use crate::facts::{Facts, Holding, IdentityFact, PrincipalKind, Text, Tier, Time, Tri, text};

/// Counts per principal that several tables give.
#[derive(Default)]
struct Counts<'a> {
    entitlements: BTreeMap<&'a str, i64>,
    grants: BTreeMap<&'a str, i64>,
    credentials: BTreeMap<&'a str, i64>,
    holdings: BTreeMap<&'a str, Vec<&'a Holding>>,
}

fn counts<'a>(facts: &'a Facts, holdings: &'a [Holding]) -> Counts<'a> {
    let mut c = Counts::default();
    let mut groups: BTreeMap<&str, i64> = BTreeMap::new();
    for e in facts.entitlements.iter().filter(|e| {
        e.binding_kind == crate::facts::BindingKind::Active && e.unbound_at_hi.is_none()
    }) {
        *c.entitlements.entry(&e.principal_id).or_default() += 1;
        *groups.entry(&e.principal_id).or_default() += 1;
    }
    for m in &facts.memberships {
        if let Some(n) = groups.get(&*m.group_id) {
            *c.entitlements.entry(&m.principal_id).or_default() += n;
        }
    }
    for g in &facts.grants {
        if let Some(id) = &g.beneficiary_id {
            *c.grants.entry(id).or_default() += 1;
        }
    }
    for k in facts.credentials.iter().filter(|k| k.active == Some(true)) {
        *c.credentials.entry(k.principal_id.as_ref().unwrap_or(&k.principal)).or_default() += 1;
    }
    for h in holdings {
        c.holdings.entry(&h.principal_id).or_default().push(h);
    }
    c
}

/// One row per principal, by id.
pub fn rows(
    facts: &Facts,
    people: &People,
    verdicts: &BTreeMap<Text, Vec<&Outcome>>,
    holdings: &[Holding],
    activity: &Activity,
    as_of: Time,
) -> Vec<IdentityFact> {
    let c = counts(facts, holdings);
    let with_members: BTreeSet<&str> = facts.memberships.iter().map(|m| &*m.group_id).collect();
    // AWS lists the members of a group beside it, so that a group without any is empty.
    let listed =
        |id: &str, p: &Person| p.platform.as_deref() == Some("aws") || with_members.contains(id);
    people
        .iter()
        .map(|(id, p)| {
            let held = c.holdings.get(&**id).map_or(&[][..], Vec::as_slice);
            let mut row = IdentityFact {
                principal_id: id.clone(),
                principal_kind: p.kind,
                is_nhi: p.is_nhi,
                platform: p.platform.clone(),
                realm: p.realm.clone(),
                environment: p.environment.clone(),
                name: p.name.clone(),
                members_known: (p.kind == PrincipalKind::Group).then(|| listed(id, p)),
                inventoried: p.inventoried,
                provider_owned: p.provider_owned,
                break_glass: p.break_glass,
                created_at: p.created_at,
                age_days: p.created_at.map(|t| as_of.days_since(t)),
                disabled: p.disabled,
                n_entitlements: c.entitlements.get(&**id).copied().unwrap_or(0),
                n_privileged: count(held),
                tier: held.iter().filter_map(|h| h.tier).min(),
                owner: p.owner.clone(),
                owner_state: p.owner_state.map(text),
                n_active_credentials: c.credentials.get(&**id).copied().unwrap_or(0),
                n_grants: c.grants.get(&**id).copied().unwrap_or(0),
                refs: refs(p.refs.iter().map(|(s, r)| (s, r))),
                ..IdentityFact::default()
            };
            for o in verdicts.get(id).into_iter().flatten() {
                verdict(&mut row, o, held);
            }
            if id.ends_with(":root") && p.platform.as_deref() == Some("aws") {
                row.tier = Some(Tier::T0);
                row.admin = Tri::Yes;
                row.full_admin = Tri::Yes;
                row.proof = vec![text("root user of the account: no identity policy limits it")];
            }
            activity_columns(&mut row, p, activity, as_of);
            row
        })
        .collect()
}

fn count(held: &[&Holding]) -> i64 {
    i64::try_from(held.iter().filter(|h| h.privileged == Some(true)).count()).unwrap_or(i64::MAX)
}

fn verdict(row: &mut IdentityFact, o: &Outcome, held: &[&Holding]) {
    let by_paths = o.reached.admin().word();
    row.admin = held
        .iter()
        .filter(|h| h.content_unknown.is_none() || h.tier.is_some())
        .map(|h| h.admin)
        .fold(stronger(row.admin, by_paths), stronger);
    row.full_admin = stronger(row.full_admin, o.reached.full_admin.word());
    row.admin_equivalent = stronger(row.admin_equivalent, o.reached.self_admin.word());
    row.bounded_self_grant = stronger(row.bounded_self_grant, o.reached.bounded_self_grant.word());
    row.escalates = stronger(row.escalates, o.reached.escalates.word());
    row.escalates_to_admin = stronger(row.escalates_to_admin, o.reached.to_admin.word());
    row.retired_paths.extend(o.reached.retired.iter().map(text));
    row.retired_paths.sort_unstable();
    row.retired_paths.dedup();
    let proof: Vec<Text> = o.reached.proof.iter().map(text).collect();
    row.proof.extend(proof.into_iter().filter(|p| !row.proof.contains(p)).collect::<Vec<_>>());
    for name in &o.unknown {
        // What the inputs lack may hold anything.
        row.admin = stronger(row.admin, Tri::Conditional);
        row.escalates = stronger(row.escalates, Tri::Conditional);
        let line = text(format!("the content of `{name}` is not known from the inputs"));
        if !row.proof.contains(&line) {
            row.proof.push(line);
        }
    }
}

/// Days for which AWS keeps when a role was last used (AWS IAM User Guide, "View the last time an IAM role
/// was used"; 5.6): older use is not in the tracking window.
pub(super) const ROLE_TRACKED_DAYS: i64 = 400;

fn activity_columns(row: &mut IdentityFact, p: &Person, activity: &Activity, as_of: Time) {
    let used = activity.of(&row.principal_id);
    // Of what came after the last look, and of what else there is beside the one credential that a source
    // tells of, nobody knows. Recent use is use whatever else there is.
    let recent = used.last.as_ref().is_some_and(|(t, _)| activity.recent(*t));
    let unknown = if recent {
        None
    } else if used.looked_until.is_some_and(|until| activity.too_old(until)) {
        Some("out_of_window")
    } else if used.in_part && !used.tracked {
        Some("incomplete_snapshot")
    } else {
        None
    };
    if let Some((t, source)) = &used.last {
        row.last_activity_at = Some(*t);
        row.activity_source = Some(source.clone());
        row.never_active = Some(false);
        if unknown.is_none() {
            row.idle_days = Some(as_of.days_since((*t).max(used.replaced_at.unwrap_or(*t))).max(0));
        }
    } else if used.tracked && unknown.is_none() {
        row.never_active = Some(true);
        // Without a date of birth, for as long as somebody looked.
        let since = p.created_at.or(used.window).max(used.replaced_at);
        let days = since.map(|t| as_of.days_since(t).max(0));
        let role = matches!(used.identity, Some(None)) && row.principal_id.contains(":role/");
        row.idle_days = days.map(|n| if role { n.min(ROLE_TRACKED_DAYS) } else { n });
    } else if unknown.is_none() {
        row.activity_unknown = Some(text("no_source"));
    }
    if let Some(why) = unknown {
        row.activity_unknown = Some(text(why));
    }
}
