//! From what bindings give to rows of `holdings` and columns of `identity_facts`.

use std::collections::BTreeMap;

use super::super::reach::activity::Activity;
use super::super::reach::people::{People, Person};
use super::super::reach::{is_privileged, refs, stronger};
use super::{Estate, Held};
use crate::facts::{Escalation, Holding, IdentityFact, Standing, Text, Tier, Time, Tri, text};
use crate::findings::fingerprint::digest;
use crate::privilege::class::{Breadth, Class, ClassSet};

/// One row per binding.
#[must_use]
pub fn holdings(estate: &Estate, people: &People, activity: &Activity) -> Vec<Holding> {
    let nobody = Person::default();
    estate
        .held
        .iter()
        .map(|held| row(held, people.get(&held.principal).unwrap_or(&nobody), activity))
        .collect()
}

fn words(set: ClassSet) -> Vec<Text> {
    set.iter().map(|c| text(c.word())).collect()
}

/// Administration of a whole realm by what is held.
fn admin(held: &Held) -> Tri {
    let wide = held.breadth <= Breadth::Account && held.standing != Standing::Residue;
    if wide && held.certain.contains(Class::Admin) {
        Tri::Yes
    } else if wide && held.possible.contains(Class::Admin) {
        Tri::Conditional
    } else {
        Tri::No
    }
}

fn row(held: &Held, person: &Person, activity: &Activity) -> Holding {
    let known = held.unknown.is_none();
    let tier = known.then(|| held.certain.tier_at(held.breadth));
    let mut conditions = held.conditions.clone();
    conditions.sort_unstable();
    conditions.dedup();
    let mut h = Holding {
        principal_id: held.principal.clone(),
        principal_kind: person.kind,
        principal_name: person
            .name
            .clone()
            .filter(|n| !held.principal.to_lowercase().contains(&n.to_lowercase())),
        platform: held.platform.clone(),
        realm: held.realm.clone().or_else(|| person.realm.clone()),
        environment: person.environment.clone(),
        privilege: held.privilege.clone(),
        role_id: held.role_id.clone(),
        scope: held.scope.clone(),
        via: held.via.clone(),
        classes: words(held.certain),
        classes_possible: words(held.possible.without(held.certain)),
        tier,
        tier_possible: known.then(|| held.possible.tier_at(held.breadth)),
        privileged: is_privileged(tier),
        admin: admin(held),
        reads_secrets: known.then(|| held.certain.contains(Class::Secrets)),
        reads_sensitive: known
            .then(|| held.certain.contains(Class::DataRead))
            .and_then(|reads| (!reads).then_some(false)),
        standing: held.standing,
        residue: held.residue.clone(),
        provider_owned: person.provider_owned || held.provider_owned,
        break_glass: person.break_glass,
        not_before: held.not_before,
        not_after: held.not_after,
        conditions,
        wildcards: held.wildcards.clone(),
        n_actions: held.n_actions,
        strongest_actions: held.strongest.iter().take(12).cloned().collect(),
        by_provider: held.by_provider,
        claimed_end: held.claimed.as_ref().map(|(t, _)| *t),
        claimed_by: held.claimed.as_ref().map(|(_, by)| by.clone()),
        past_claim_days: held
            .claimed
            .as_ref()
            .map(|(t, _)| activity.as_of.dates_since(*t))
            .filter(|d| *d > 0),
        activation_approval: held.activation.as_ref().and_then(|a| a.approval),
        activation_reason: held.activation.as_ref().and_then(|a| a.reason),
        activation_mfa: held.activation.as_ref().and_then(|a| a.mfa),
        activation_max_s: held.activation.as_ref().and_then(|a| a.max_s),
        activation_approvers: held
            .activation
            .as_ref()
            .map(|a| a.approvers.clone())
            .unwrap_or_default(),
        looks_temporary: held.temporary || held.standing == Standing::TimeBound,
        principal_age_days: person.created_at.map(|t| activity.as_of.days_since(t)),
        owner: person.owner.clone(),
        content_unknown: held.unknown.clone(),
        content_basis: known.then(|| held.basis.clone().unwrap_or_else(|| text("inputs"))),
        refs: refs(held.refs.iter().map(|(s, r)| (s, r))),
        ..Holding::default()
    };
    use_columns(&mut h, held, activity);
    let end = h.not_after.map(Time::to_rfc3339).unwrap_or_default();
    let word = h.tier.map(|t| t.as_str()).unwrap_or_default();
    h.state = text(digest(&[&held.normal, &h.conditions.join("\n"), &end, word]));
    h
}

/// Use by binding where the platform knows it, else what the use by the identity allows to say: one that
/// did nothing used nothing, and of one that did something nothing follows for a single binding.
fn use_columns(h: &mut Holding, held: &Held, activity: &Activity) {
    if let Some(used) = &held.used {
        h.last_used_at = used.last;
        h.used = used.used;
        h.idle_days = used.idle_days;
        h.use_unknown = used.unknown.clone();
        return;
    }
    let by = activity.of(&held.principal);
    match (&by.last, by.tracked) {
        (Some((t, _)), true) if !activity.recent(*t) => {
            h.used = Some(false);
            h.idle_days = Some(activity.as_of.dates_since(*t).max(0));
        }
        (None, true) => {
            h.used = Some(false);
            let looked = by.window.map(|t| activity.as_of.days_since(t));
            h.idle_days = h.principal_age_days.or(looked).map(|d| d.max(0));
        }
        (Some(_), _) => h.use_unknown = Some(text("not_by_binding")),
        (None, false) => h.use_unknown = Some(text("no_source")),
    }
}

/// Says of each row how often its principal holds the role, and which row is to speak for it: the one
/// with wildcards, of the strongest tier, on the widest scope. Rows must be sorted by principal.
pub fn repeats(holdings: &mut [Holding]) {
    for of in holdings.chunk_by_mut(|a, b| a.principal_id == b.principal_id) {
        let mut groups: BTreeMap<(Text, Text, Vec<Text>), Vec<usize>> = BTreeMap::new();
        for (i, h) in of.iter().enumerate() {
            if matches!(h.standing, Standing::Residue | Standing::Eligible) {
                continue;
            }
            // Statements of one policy that live longer than others are a matter of their own.
            let key = (h.platform.clone(), h.role_id.clone(), h.statements.clone());
            groups.entry(key).or_default().push(i);
        }
        for rows in groups.values() {
            let first = rows.iter().copied().min_by_key(|i| {
                let h = of.get(*i);
                let depth = |s: &str| s.matches('/').count();
                h.map(|h| (h.wildcards.is_empty(), h.tier.is_none(), h.tier, depth(&h.scope), *i))
            });
            for i in rows {
                if let Some(h) = of.get_mut(*i) {
                    h.n_bindings = i64::try_from(rows.len()).unwrap_or(i64::MAX);
                    h.repeats = Some(*i) != first;
                }
            }
        }
    }
}

/// Completes the facts about identities with what they hold beyond AWS.
pub fn on_identities(estate: &Estate, identities: &mut [IdentityFact]) {
    let mut held: BTreeMap<&str, Vec<&Held>> = BTreeMap::new();
    for h in estate.held.iter().filter(|h| h.standing != Standing::Residue) {
        held.entry(&h.principal).or_default().push(h);
    }
    for identity in identities {
        let Some(list) = held.get(&*identity.principal_id) else {
            if let Some(why) = estate.unknown.get(&identity.principal_id) {
                unknown(identity, why);
            }
            continue;
        };
        for h in list.iter().filter(|h| h.standing != Standing::Eligible) {
            one(identity, h);
        }
        if let Some(why) = estate.unknown.get(&identity.principal_id) {
            unknown(identity, why);
        }
    }
}

fn one(identity: &mut IdentityFact, h: &Held) {
    if h.unknown.is_some() {
        unknown(identity, &text(format!("the content of `{}` is not known", h.privilege)));
        return;
    }
    let all = admin(h);
    identity.full_admin = stronger(identity.full_admin, all);
    identity.admin = stronger(identity.admin, all);
    let wide = h.breadth <= Breadth::Account;
    let by = |class| {
        if !wide {
            Tri::No
        } else if h.certain.contains(class) {
            Tri::Yes
        } else if h.possible.contains(class) {
            Tri::Conditional
        } else {
            Tri::No
        }
    };
    let equivalent = by(Class::Permissions);
    identity.admin_equivalent = stronger(identity.admin_equivalent, equivalent);
    identity.admin = stronger(identity.admin, equivalent);
    if (all, equivalent) != (Tri::No, Tri::No) && identity.proof.len() < 12 {
        let what = h.strongest.first().map(|s| format!(" ({s})")).unwrap_or_default();
        identity.proof.push(text(format!("`{}` on `{}`{what}", h.privilege, h.scope)));
    }
}

fn unknown(identity: &mut IdentityFact, why: &Text) {
    identity.admin = stronger(identity.admin, Tri::Conditional);
    identity.escalates = stronger(identity.escalates, Tri::Conditional);
    if !identity.proof.contains(why) {
        identity.proof.push(why.clone());
    }
}

/// Whether what is held counts at the as-of time, and is known.
pub(super) fn in_force(h: &Held) -> bool {
    !matches!(h.standing, Standing::Residue | Standing::Eligible) && h.unknown.is_none()
}

/// Whether a principal is an end of paths by what it holds, and its tier there.
pub(super) fn end(list: &[&Held]) -> Option<(Tier, bool)> {
    let strong =
        |h: &&&Held| h.certain.contains(Class::Admin) || h.certain.contains(Class::Permissions);
    list.iter()
        .filter(|h| in_force(h))
        .filter(strong)
        .map(|h| (h.certain.tier_at(h.breadth), h.breadth <= Breadth::Account))
        .min_by_key(|(tier, wide)| (*tier, !*wide))
}

/// What the paths that were found say about the identities at their start.
pub fn on_escalating(found: &[Escalation], identities: &mut [IdentityFact]) {
    let mut by: BTreeMap<&str, Vec<&Escalation>> = BTreeMap::new();
    for row in found {
        by.entry(&row.principal_id).or_default().push(row);
    }
    for identity in identities {
        for row in by.get(&*identity.principal_id).into_iter().flatten() {
            // Something must still be there that nobody showed: a path of lesser certainty.
            let sure = if &*row.gain == "potential" { Tri::Conditional } else { row.verdict };
            identity.escalates = stronger(identity.escalates, sure);
            if row.to_admin {
                identity.escalates_to_admin = stronger(identity.escalates_to_admin, sure);
            }
            if let Some(step) = row.steps.first()
                && identity.proof.len() < 12
                && !identity.proof.contains(step)
            {
                identity.proof.push(step.clone());
            }
        }
    }
}
