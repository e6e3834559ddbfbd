//! Approval facts of a grant: who decided, when, with what authority, and for how many grants.

use std::collections::{BTreeSet, HashMap};

use super::grants::Profile;
use super::index::Index;
use super::scope;
use crate::facts::store::evidence_ref;
use crate::facts::{
    Approval, ApprovalMethod, Decision, Grant, GrantFact, Text, Time, Verdict, text,
};
use crate::privilege::glob;

/// Fills the approval columns. Needs the timeline and the use of the grant.
pub fn add(ix: &Index<'_>, profile: &Profile, g: &Grant, f: &mut GrantFact) {
    requirements(ix, f);
    let all = of_grant(ix, g);
    for a in &all {
        f.refs.push(evidence_ref(&a.source_id, &a.source_ref));
        f.approvals_needed = f.approvals_needed.max(a.required.unwrap_or(0));
    }
    let approves = one_each(ix, folded(all.iter().copied().filter(is_approval)));
    f.approved = approved(ix, profile, g, &approves);
    // A decision word without a record of approvals does not say how many there were.
    f.n_approvals = match f.approved {
        Some(true) if !approves.is_empty() => people(&approves, f.approvals_needed),
        Some(false) => Some(0),
        _ => None,
    };
    f.approval_id = approves
        .first()
        .map(|a| a.approval_id.clone())
        .filter(|id| !id.is_empty())
        .or_else(|| g.approval_ref.clone());
    f.approval_reuse = f.approval_id.as_ref().and_then(|id| profile.approval_uses.get(id)).copied();
    if approves.is_empty() {
        f.approved_by_rule_only = match g.decision {
            Decision::AutoApproved => Some(true),
            _ => None,
        };
        f.approved_at = g.decided_at.filter(|_| f.approved == Some(true));
    } else {
        decide(ix, g, f, &approves);
    }
    times(f);
    f.wider_than_approved = wider(ix, g, &approves);
}

fn requirements(ix: &Index<'_>, f: &mut GrantFact) {
    let policy = &ix.settings.approval;
    let (required, human, quorum) = match f.tier {
        Some(t) => (
            policy.required_tiers.contains(&t),
            policy.human_tiers.contains(&t),
            policy.quorum.get(&t).copied().unwrap_or(1),
        ),
        None => (policy.required_unknown, false, 1),
    };
    // Emergency access is approved afterwards; its own rules judge it.
    f.approval_required = required && !f.break_glass;
    f.human_approval_required = human && !f.break_glass;
    f.approvals_needed = if f.approval_required { quorum } else { 0 };
}

/// Approvals that name the grant, or that the grant names; each once, in order of time.
fn of_grant<'a>(ix: &Index<'a>, g: &Grant) -> Vec<&'a Approval> {
    let mut out: Vec<&Approval> = ix.approvals_of_grant(g);
    // What was decided after the as-of time was not decided then.
    let known = |a: &&Approval| a.at.is_none_or(|t| t <= ix.as_of);
    if let Some(id) = &g.approval_ref {
        for a in ix.approvals_by_id(id) {
            if !out.iter().any(|have| std::ptr::eq(*have, *a)) {
                out.push(a);
            }
        }
    }
    out.retain(known);
    out.sort_by(|a, b| {
        (a.at, &a.approver_id, &a.source_id).cmp(&(b.at, &b.approver_id, &b.source_id))
    });
    out
}

/// One approval that was delivered twice is one: the same approver, and the same id or the same time.
/// A record with neither (a column of the ledger that names the approver) adds nothing to another of
/// the same approver. Else a repeated record would fill a quorum. Input sorted by time; the first of
/// each is kept.
fn folded<'a>(approves: impl Iterator<Item = &'a Approval>) -> Vec<&'a Approval> {
    let bare = |a: &Approval| a.approval_id.is_empty() && a.at.is_none();
    let all: Vec<&Approval> = approves.collect();
    let told: BTreeSet<&Text> =
        all.iter().filter(|a| !bare(a)).filter_map(|a| a.approver_id.as_ref()).collect();
    let mut by_id: BTreeSet<(&Text, Option<&Text>)> = BTreeSet::new();
    let mut by_time: BTreeSet<(Time, &Text)> = BTreeSet::new();
    all.into_iter()
        .filter(|a| !bare(a) || a.approver_id.as_ref().is_none_or(|who| !told.contains(who)))
        .filter(|a| {
            let known_id = !a.approval_id.is_empty();
            let new_id = !known_id || by_id.insert((&a.approval_id, a.approver_id.as_ref()));
            let new_time =
                a.at.zip(a.approver_id.as_ref()).is_none_or(|(at, who)| by_time.insert((at, who)));
            new_id && new_time
        })
        .collect()
}

fn is_approval(a: &&Approval) -> bool {
    a.verdict == Verdict::Approve
}

/// The approval of each person: a quorum needs different people, and who decides twice is one of them.
/// The one with a time stands, the earliest of several. Records that name nobody all stay.
fn one_each<'a>(ix: &Index<'a>, approves: Vec<&'a Approval>) -> Vec<&'a Approval> {
    let rank = |a: &Approval| (a.at.is_none(), a.at, a.approval_id.is_empty());
    let mut best: HashMap<&str, &Approval> = HashMap::new();
    for a in &approves {
        let Some(who) = &a.approver_id else { continue };
        let have = best.entry(ix.person(who)).or_insert(a);
        if rank(a) < rank(have) {
            *have = a;
        }
    }
    let stands = |a: &&Approval| {
        a.approver_id
            .as_ref()
            .is_none_or(|who| best.get(ix.person(who)).is_some_and(|have| std::ptr::eq(*have, *a)))
    };
    approves.into_iter().filter(stands).collect()
}

/// Number of people who approved. A record that names nobody may be of a further person or of one of
/// the others: where that decides whether there are enough, the number is not known.
fn people(approves: &[&Approval], needed: i64) -> Option<i64> {
    let count = |n: usize| i64::try_from(n).unwrap_or(i64::MAX);
    let named = count(approves.iter().filter(|a| a.approver_id.is_some()).count());
    let most = count(approves.len());
    let least = named.max(1);
    (most < needed || least >= needed || least == most).then_some(most)
}

/// Number of approvals on record, those that one person gave again for an extension included. `None`
/// when it is not known.
#[must_use]
pub fn given(ix: &Index<'_>, g: &Grant, f: &GrantFact) -> Option<i64> {
    let n = folded(of_grant(ix, g).into_iter().filter(is_approval)).len();
    match f.approved? {
        true if n == 0 => None,
        _ => Some(i64::try_from(n).unwrap_or(i64::MAX)),
    }
}

/// Times of approve verdicts of a grant.
#[must_use]
pub fn approve_times(ix: &Index<'_>, g: &Grant) -> Vec<Time> {
    of_grant(ix, g).iter().filter(|a| is_approval(a)).filter_map(|a| a.at).collect()
}

/// Whether the inputs record approvals of this grant's ledger. The approvals of one broker say nothing
/// about the grants of another.
#[must_use]
pub fn recorded(ix: &Index<'_>, profile: &Profile, g: &Grant) -> bool {
    // A list without origin that names an id of two ledgers cannot be read either way.
    !ix.is_shared(&g.grant_id) && profile.approvals_recorded(&g.system)
}

fn approved(ix: &Index<'_>, profile: &Profile, g: &Grant, approves: &[&Approval]) -> Option<bool> {
    if !approves.is_empty() || g.decision == Decision::AutoApproved {
        return Some(true);
    }
    if recorded(ix, profile, g) {
        // An approval source is given: a decision word in the ledger is not the record of it.
        return Some(false);
    }
    if !profile.system(&g.system).decision {
        return None;
    }
    match g.decision {
        Decision::Approved => Some(true),
        // A record without a decision, or of an activation that failed, does not say that nobody
        // approved.
        Decision::Unknown | Decision::Failed => None,
        _ => Some(false),
    }
}

fn decide(ix: &Index<'_>, g: &Grant, f: &mut GrantFact, approves: &[&Approval]) {
    let needed = usize::try_from(f.approvals_needed.max(1)).unwrap_or(1);
    let timed: Vec<&&Approval> = approves.iter().filter(|a| a.at.is_some()).collect();
    let deciding = timed.get(needed - 1).or_else(|| timed.last()).copied();
    f.approved_at = deciding.and_then(|a| a.at);
    f.approver_id = approves.iter().find_map(|a| a.approver_id.clone());
    let by_rule = |a: &Approval| a.method == ApprovalMethod::Policy;
    let named = |a: &Approval| a.approver_id.is_some() && !by_rule(a);
    f.approved_by_rule_only = if approves.iter().any(|a| named(a)) {
        Some(false)
    } else if approves.iter().all(|a| by_rule(a)) {
        Some(true)
    } else {
        None
    };
    self_approval(ix, g, f, approves, needed);
    authority(ix, f, approves);
}

/// Self approval: too few approvals remain once those by the people involved are left out.
fn self_approval(
    ix: &Index<'_>,
    g: &Grant,
    f: &mut GrantFact,
    approves: &[&Approval],
    needed: usize,
) {
    let owner = ix.owner(&f.principal_id).and_then(|o| o.owner.clone());
    let involved: Vec<(&str, Option<Text>)> = vec![
        ("beneficiary", Some(f.principal_id.clone())),
        ("requester", g.requester_id.clone()),
        ("person behind the agent", g.on_behalf_of_id.clone()),
        // The owner of a person is that person's manager, who may well approve; the owner of a
        // machine identity decides for herself.
        (
            "owner of the identity",
            owner.filter(|_| ix.kind(&f.principal_id) != crate::facts::PrincipalKind::Human),
        ),
    ];
    let mut relation = None;
    let mut independent: BTreeSet<&str> = BTreeSet::new();
    let mut known = false;
    for a in approves {
        let Some(who) = &a.approver_id else { continue };
        known = true;
        let person = ix.person(who);
        let hit = involved.iter().find(|(_, id)| {
            id.as_deref().is_some_and(|id| id == &**who || ix.person(id) == person)
        });
        match hit {
            Some((name, id)) => {
                let same_account = id.as_deref() == Some(&**who);
                relation.get_or_insert_with(|| {
                    let name = if same_account {
                        (*name).to_owned()
                    } else {
                        format!("{name}, under another identity")
                    };
                    (name, who.clone())
                });
            }
            None => {
                independent.insert(person);
            }
        }
    }
    f.self_approved = known.then(|| relation.is_some() && independent.len() < needed);
    if let Some((name, who)) = relation.filter(|_| f.self_approved == Some(true)) {
        f.self_approval_relation = Some(text(name));
        f.self_approver_id = Some(who);
    }
}

fn authority(ix: &Index<'_>, f: &mut GrantFact, approves: &[&Approval]) {
    let Some(set) =
        ix.settings.approval.approvers.iter().find(|s| glob::matches(&s.privilege, &f.privilege))
    else {
        return;
    };
    let allowed: BTreeSet<Text> =
        set.approvers.iter().map(|a| crate::facts::identity::normalise(a)).collect();
    let named: Vec<&Approval> = approves.iter().copied().filter(|a| a.approver.is_some()).collect();
    if named.is_empty() {
        return;
    }
    f.approver_authorised = Some(named.iter().all(|a| {
        let written = a.approver.as_deref().map(crate::facts::identity::normalise);
        written.is_some_and(|w| allowed.contains(&w))
            || a.approver_id.as_ref().is_some_and(|id| allowed.contains(id))
    }));
}

fn times(f: &mut GrantFact) {
    let begun = match (f.started_at, f.first_used_at) {
        (Some(a), Some(b)) => Some(a.min(b)),
        (a, b) => a.or(b),
    };
    f.approval_late_s = f.approved_at.zip(begun).map(|(a, b)| a.secs_since(b));
    f.approval_age_s = f.approved_at.zip(f.started_at).map(|(a, s)| s.secs_since(a));
}

/// Whether the grant goes beyond what its approval names. `None` when the approval names nothing.
fn wider(ix: &Index<'_>, g: &Grant, approves: &[&Approval]) -> Option<bool> {
    let named = |a: &&Approval| a.privilege.is_some() || a.scope.is_some();
    let record = approves.iter().copied().find(named);
    let privilege = record.and_then(|a| a.privilege.as_deref()).or(g.approved_privilege.as_deref());
    let approved_scope = record.and_then(|a| a.scope.as_deref());
    if privilege.is_none() && approved_scope.is_none() {
        return None;
    }
    let platform = g.platform.as_deref();
    let privilege_wider = privilege.is_some_and(|p| {
        let weaker = match (ix.privilege(platform, &g.privilege).0, ix.privilege(platform, p).0) {
            (Some(granted), Some(approved)) => granted > approved,
            _ => false,
        };
        p != &*g.privilege && !weaker
    });
    let scope_wider = approved_scope.zip(g.scope.as_deref()).is_some_and(|(approved, granted)| {
        let (a, b) = (scope::canonical(platform, approved), scope::canonical(platform, granted));
        !scope::contains(&a, &b)
    });
    Some(privilege_wider || scope_wider)
}
