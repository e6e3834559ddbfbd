//! Emergency access: whether each use of it was closed, whether an incident stands behind it, and
//! whether it became routine.
//!
//! Source of the rules: compliance specification, section 5, BGL-001 and BGL-002. Whether an
//! emergency identity is tested and alerts is in none of the inputs, and is not judged.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::grants::Profile;
use super::index::Index;
use super::observe::Place;
use crate::facts::identity::normalise;
use crate::facts::store::evidence_ref;
use crate::facts::{
    Approval, ApprovalMethod, EmergencyFact, Grant, GrantFact, IdentityFact, Layer, Outcome,
    Review, Text, Time, UsageGrain, text,
};

const DAY_S: i64 = 86_400;

/// One row per emergency grant that took effect and per emergency identity, sorted by item.
#[must_use]
pub fn emergency_facts(
    ix: &Index<'_>,
    profile: &Profile,
    grants: &[GrantFact],
    identities: &[IdentityFact],
) -> Vec<EmergencyFact> {
    let emergencies: Vec<(&Grant, &GrantFact)> =
        ix.facts.grants.iter().zip(grants).filter(|(_, f)| f.break_glass && f.effective).collect();
    let mut starts: BTreeMap<&str, Vec<Time>> = BTreeMap::new();
    for (_, f) in &emergencies {
        if let Some(t) = f.started_at {
            starts.entry(ix.person(&f.principal_id)).or_default().push(t);
        }
    }
    for times in starts.values_mut() {
        times.sort();
    }
    let reviews = reviews(ix);
    let mut out: Vec<EmergencyFact> = emergencies
        .iter()
        .map(|(g, f)| {
            let mut row = of_grant(ix, profile, f);
            row.n_recent = recent(ix, &starts, f);
            row.recent_unknown = row.n_recent.is_none().then(|| text("start_unknown"));
            closing(ix, g, f, &reviews, &mut row);
            row
        })
        .collect();
    out.extend(identities.iter().filter(|p| p.break_glass).map(|p| of_identity(ix, p)));
    out.sort_by(|a, b| (&a.item, &a.principal_id).cmp(&(&b.item, &b.principal_id)));
    out
}

fn of_grant(ix: &Index<'_>, profile: &Profile, f: &GrantFact) -> EmergencyFact {
    let named = f.task_id.is_some() || (f.task_ref.is_some() && f.task_resolved != Some(false));
    EmergencyFact {
        item: text(format!("grant:{}:{}", f.system, f.grant_id)),
        emergency_kind: text("grant"),
        principal_id: f.principal_id.clone(),
        principal_kind: f.principal_kind,
        grant_id: Some(f.grant_id.clone()),
        privilege: Some(f.privilege.clone()),
        scope: f.scope.clone(),
        platform: f.platform.clone(),
        environment: f.environment.clone(),
        tier: f.tier,
        started_at: f.started_at,
        ended_at: f.ended_at,
        held_s: f.held_s,
        incident_ref: f.task_ref.clone().or_else(|| f.task_id.clone()),
        // A ledger without such a field cannot omit it.
        incident: (named || profile.system(&f.system).task).then_some(named),
        credential_until: f.residual_until,
        owner: ix.owner_name(&f.principal_id),
        refs: f.refs.clone(),
        ..EmergencyFact::default()
    }
}

/// Emergencies of the same person in the window that ends with the start of this one.
fn recent(ix: &Index<'_>, starts: &BTreeMap<&str, Vec<Time>>, f: &GrantFact) -> Option<i64> {
    let start = f.started_at?;
    let from = start.plus_secs(-ix.settings.limits.whole("emergency_window_days") * DAY_S);
    let times = starts.get(ix.person(&f.principal_id))?;
    let n = times.partition_point(|t| *t <= start) - times.partition_point(|t| *t <= from);
    i64::try_from(n).ok()
}

/// Reviews by whom they are about.
fn reviews<'a>(ix: &Index<'a>) -> HashMap<Text, Vec<&'a Review>> {
    let mut out: HashMap<Text, Vec<&Review>> = HashMap::new();
    for r in &ix.facts.reviews {
        out.entry(normalise(&r.principal)).or_default().push(r);
    }
    out
}

/// What is due to close the emergency and missing.
fn closing(
    ix: &Index<'_>,
    g: &Grant,
    f: &GrantFact,
    reviews: &HashMap<Text, Vec<&Review>>,
    row: &mut EmergencyFact,
) {
    let limits = &ix.settings.limits;
    let mut missing: Vec<Text> = Vec::new();
    let mut unknown: Option<&str> = None;
    match f.held_s {
        Some(held) if held > limits.whole("emergency_max_s") => missing.push(text("end")),
        // A ledger that records no ends does not show that this one never ended.
        Some(_) if f.ended_at.is_some() || f.active_now == Some(true) => {}
        _ => unknown = Some("end_unknown"),
    }
    if f.present_after_end == Some(true) {
        missing.push(text("removal"));
    }
    if let (Some(end), Some(valid)) = (f.ended_at, f.residual_until)
        && end <= ix.as_of
        && valid > ix.as_of
    {
        missing.push(text("credential"));
    }
    let since = f.started_at.or(f.requested_at);
    let subject = [normalise(&g.beneficiary), f.principal_id.clone()];
    let mut of_person: Vec<&Review> =
        subject.iter().filter_map(|s| reviews.get(s)).flatten().copied().collect();
    of_person.sort_by_key(|r| (r.at, &r.source_id, &r.source_ref));
    let after = |t: Option<Time>| t.filter(|t| since.is_none_or(|s| *t >= s));
    let review = of_person.iter().find(|r| after(r.at).is_some());
    let approvals = ix.approvals_of_grant(g);
    let approval = approvals.iter().filter(|a| looks_back(a, since)).min_by_key(|a| a.at);
    row.reviewed_at = match (review.and_then(|r| r.at), approval.and_then(|a| a.at)) {
        (Some(a), Some(b)) => Some(a.min(b)),
        (a, b) => a.or(b),
    };
    if let Some(r) = review {
        row.refs.push(evidence_ref(&r.source_id, &r.source_ref));
    }
    let due = f.ended_at.map(|e| e.plus_secs(limits.whole("emergency_review_s")));
    match (row.reviewed_at, due) {
        (Some(at), Some(due)) if at > due => missing.push(text("review")),
        (Some(_), _) => {}
        (None, Some(due)) if due < ix.as_of => {
            if ix.has_layer(Layer::Review) {
                missing.push(text("review"));
            } else {
                unknown = Some("no_source");
            }
        }
        (None, _) => {}
    }
    if missing.is_empty() && unknown.is_some() {
        row.closing_unknown = unknown.map(text);
    } else {
        row.closing_missing = Some(missing);
    }
}

/// An approval by a person after access began: the emergency was looked at afterwards.
fn looks_back(a: &Approval, since: Option<Time>) -> bool {
    a.method != ApprovalMethod::Policy
        && a.approver_id.is_some()
        && a.at.zip(since).is_some_and(|(at, since)| at > since)
}

fn of_identity(ix: &Index<'_>, p: &IdentityFact) -> EmergencyFact {
    let (n_recent, unknown) = match days_used(ix, p) {
        Ok(n) => (Some(n), None),
        Err(why) => (None, Some(text(why))),
    };
    EmergencyFact {
        item: text(format!("identity:{}", p.principal_id)),
        emergency_kind: text("identity"),
        principal_id: p.principal_id.clone(),
        principal_kind: p.principal_kind,
        platform: p.platform.clone(),
        environment: p.environment.clone(),
        tier: p.tier,
        incident: Some(true),
        n_recent,
        recent_unknown: unknown,
        owner_missing: p.owner_state.as_deref().map(|s| s != "present"),
        owner: p.owner.clone(),
        refs: p.refs.clone(),
        ..EmergencyFact::default()
    }
}

/// Days with use in the window before the as-of time.
fn days_used(ix: &Index<'_>, p: &IdentityFact) -> Result<i64, &'static str> {
    let limits = &ix.settings.limits;
    let from = ix.as_of.plus_secs(-limits.whole("emergency_window_days") * DAY_S);
    let mut days: BTreeSet<i64> = BTreeSet::new();
    for u in ix.usage_of_principal(&p.principal_id) {
        let listed = matches!(u.grain, UsageGrain::Event | UsageGrain::Action);
        if listed && u.outcome != Outcome::Denied && u.count != Some(0) {
            let ends = [u.first_at, u.last_at].into_iter().flatten();
            days.extend(ends.filter(|t| *t >= from && *t <= ix.as_of).map(day));
        }
    }
    let seen = i64::try_from(days.len()).unwrap_or(i64::MAX);
    // What was seen is enough when it is already routine.
    if seen > limits.whole("emergency_uses") {
        return Ok(seen);
    }
    let place =
        Place { platform: p.platform.as_deref(), principal: &p.principal_id, ..Place::default() };
    ix.use_observable(place, from, ix.as_of).map(|()| seen)
}

fn day(t: Time) -> i64 {
    t.secs_since(Time::from_secs(0)).div_euclid(DAY_S)
}
