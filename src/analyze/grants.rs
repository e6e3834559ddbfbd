//! One [`GrantFact`] per ledger grant: the timeline of access, and the parts that other modules add.
//!
//! Specification: grants model, sections 4 and 5. Every end is a pair; what is certain uses the bound
//! that speaks for the beneficiary, what is possible the other.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use rayon::prelude::*;

use super::index::Index;
use super::{approvals, tasks, uses};
use crate::facts::store::evidence_ref;
use crate::facts::{
    BrokerKind, Confidence, Decision, EVIDENCE_CHAIN, EndKind, EventKind, Grant, GrantFact, Text,
    Time, text,
};
use crate::privilege::glob;

/// What each ledger system records at all. A field that a system never fills is a limit of the
/// source, not an omission of one grant.
#[derive(Clone, Debug, Default)]
pub struct Profile {
    systems: BTreeMap<Text, SystemProfile>,
    /// Grants per approval id.
    pub approval_uses: HashMap<Text, i64>,
    /// What the credentials of a grant show, by grant, and by holder too where several ledgers use the id.
    residual: HashMap<(Text, Option<Text>), Residual>,
    /// Instant up to which a source states that it speaks, by source id. The newest time in it is no such
    /// statement: it may be an end that lies ahead.
    known_until: HashMap<Text, Time>,
    /// Approvals are among the inputs.
    approvals: bool,
    /// Accounts with an inventory.
    pub inventoried_realms: BTreeSet<Text>,
}

/// What the credentials of one grant show.
#[derive(Clone, Copy, Debug, Default)]
struct Residual {
    /// Latest end of validity; the as-of time when one never expires and is not revoked.
    valid_until: Option<Time>,
    /// Last use.
    last_used: Option<Time>,
}

/// Fields that a ledger system fills at least once.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemProfile {
    /// Task, ticket or run reference.
    pub task: bool,
    /// Requester.
    pub requester: bool,
    /// Reason.
    pub reason: bool,
    /// Scope.
    pub scope: bool,
    /// Decision.
    pub decision: bool,
    /// Extensions or extension events.
    pub extensions: bool,
    /// Approvals of at least one grant are among the inputs.
    pub approvals: bool,
}

impl Profile {
    /// Surveys the facts.
    #[must_use]
    pub fn new(ix: &Index<'_>) -> Self {
        let mut out = Self::default();
        let mut reuse: HashMap<Text, BTreeSet<Text>> = HashMap::new();
        for g in &ix.facts.grants {
            let p = out.systems.entry(g.system.clone()).or_default();
            p.task |= g.task_ref.is_some() || g.ticket_id.is_some();
            p.requester |= g.requester.is_some();
            p.reason |= g.justification.is_some();
            p.scope |= g.scope.is_some();
            p.decision |= g.decision != Decision::Unknown;
            p.extensions |= g.n_extensions > 0
                || ix.events_of_grant(g).iter().any(|e| e.kind == EventKind::Extended);
            p.approvals |= !ix.approvals_of_grant(g).is_empty()
                || g.approval_ref.as_ref().is_some_and(|a| !ix.approvals_by_id(a).is_empty());
            if let Some(a) = &g.approval_ref {
                reuse.entry(a.clone()).or_default().insert(g.grant_id.clone());
            }
        }
        for a in ix.facts.approvals.iter().filter(|a| !a.approval_id.is_empty()) {
            if let Some(g) = &a.grant_id {
                reuse.entry(a.approval_id.clone()).or_default().insert(g.clone());
            }
        }
        for (system, fills) in ix.survey.iter().flat_map(|s| &s.systems) {
            let p = out.systems.entry(system.clone()).or_default();
            p.task |= fills.task;
            p.reason |= fills.reason;
            p.scope |= fills.scope;
            p.requester |= fills.requester;
            p.extensions |= fills.extensions;
            p.approvals |= fills.approvals;
        }
        out.approval_uses = reuse.into_iter().map(|(k, v)| (k, v.len() as i64)).collect();
        for c in &ix.facts.credentials {
            let Some(g) = &c.grant_id else { continue };
            // What never expires is valid today; until when it will be, nobody can say.
            let endless = c.no_expiry == Some(true) && c.active != Some(false);
            let end = c.revoked_at.or(c.expires_at).or(endless.then_some(ix.as_of));
            let holder = c.principal_id.clone().filter(|_| ix.is_shared(g));
            let at = out.residual.entry((g.clone(), holder)).or_default();
            at.valid_until = at.valid_until.max(end);
            at.last_used = at.last_used.max(c.last_used_at);
        }
        out.known_until = ix
            .facts
            .sources
            .iter()
            .filter_map(|s| Some((s.source_id.clone(), s.window_end.or(s.collected_at)?)))
            .collect();
        out.approvals = !ix.facts.approvals.is_empty() || ix.survey.is_some_and(|s| s.approvals);
        out.inventoried_realms = ix
            .facts
            .principals
            .iter()
            .filter(|p| p.inventoried)
            .filter_map(|p| p.realm.clone())
            .collect();
        out
    }

    /// Profile of one system.
    #[must_use]
    pub fn system(&self, name: &str) -> SystemProfile {
        self.systems.get(name).copied().unwrap_or_default()
    }

    /// Whether the inputs record approvals of a system: any at all, when it is the only one.
    #[must_use]
    pub fn approvals_recorded(&self, system: &str) -> bool {
        self.approvals && (self.systems.len() < 2 || self.system(system).approvals)
    }

    /// Systems with the fields they never fill, for the coverage statement.
    #[must_use]
    pub fn limits(&self) -> Vec<(Text, Vec<&'static str>)> {
        self.systems
            .iter()
            .map(|(name, p)| {
                let never = [
                    (p.task, "task"),
                    (p.requester, "requester"),
                    (p.reason, "reason"),
                    (p.scope, "scope"),
                ];
                (name.clone(), never.iter().filter(|(has, _)| !has).map(|(_, w)| *w).collect())
            })
            .filter(|(_, never): &(Text, Vec<_>)| !never.is_empty())
            .collect()
    }
}

/// Derives all grant facts but those that need other grants (chains) or IAM state.
#[must_use]
pub fn grant_facts(
    ix: &Index<'_>,
    profile: &Profile,
    unlinked: &uses::Unlinked<'_>,
) -> Vec<GrantFact> {
    ix.facts.grants.par_iter().map(|g| derive(ix, profile, unlinked, g)).collect()
}

fn derive(
    ix: &Index<'_>,
    profile: &Profile,
    unlinked: &uses::Unlinked<'_>,
    g: &Grant,
) -> GrantFact {
    let mut f = timeline(ix, profile, g);
    let holder = g.beneficiary_id.clone().filter(|_| ix.is_shared(&g.grant_id));
    let residual = profile.residual.get(&(g.grant_id.clone(), holder)).copied().unwrap_or_default();
    f.residual_until = later(g.residual_until, residual.valid_until);
    // A use after the end proves the credential, whatever its record says of its end.
    let used = residual.last_used.filter(|t| f.ended_at.is_some_and(|end| *t > end));
    f.residual_until = later(f.residual_until, used);
    f.residual_s = f.residual_until.zip(f.ended_at).map(|(r, e)| r.secs_since(e));
    tasks::link(ix, profile, g, &mut f);
    uses::add(ix, unlinked, g, &mut f);
    tasks::overstay(ix, &mut f);
    approvals::add(ix, profile, g, &mut f);
    extensions(ix, profile, g, &mut f);
    f.contradictions = contradictions(g, &f);
    f.evidence_missing = evidence_missing(ix, profile, g, &f);
    f.evidenced = evidenced(g, &f);
    f
}

fn later(a: Option<Time>, b: Option<Time>) -> Option<Time> {
    match (a, b) {
        (Some(a), Some(b)) => Some(a.max(b)),
        (a, b) => a.or(b),
    }
}

/// Identity, decision and interval of access.
fn timeline(ix: &Index<'_>, profile: &Profile, g: &Grant) -> GrantFact {
    let principal_id = g.beneficiary_id.clone().unwrap_or_else(|| g.beneficiary.clone());
    let (tier, max_duration_s) = ix.privilege(g.platform.as_deref(), &g.privilege);
    let activated = g.activated_at_lo.or(g.activated_at_hi);
    let started_at = activated.or(g.not_before).or(match g.decision {
        Decision::Approved | Decision::AutoApproved => g.decided_at,
        _ => None,
    });
    let given = match g.decision {
        Decision::Approved | Decision::AutoApproved | Decision::Unknown => started_at.is_some(),
        _ => activated.is_some(),
    };
    let effective = given && started_at.is_some_and(|t| t <= ix.as_of);
    let recorded_end = g.ended_at_lo.or(g.ended_at_hi);
    let overdue = overdue(ix, profile, g);
    let ended_at = if overdue.is_some() { None } else { recorded_end.or(g.not_after) };
    // By when access was surely gone. What was only asked for, or is only the ledger's own view, does
    // not say it (section 4.3).
    let ended_at_hi = match g.end_kind {
        EndKind::FailedToRevoke => None,
        EndKind::Expired if recorded_end.is_none() => g.not_after,
        _ => g.ended_at_hi,
    };
    let records_ends = g.end_kind != EndKind::Unknown;
    let open_ended = match ended_at.or(g.not_after) {
        Some(_) => Some(false),
        None if records_ends => Some(true),
        None => None,
    };
    let active_now = match ended_at {
        _ if !effective => Some(false),
        Some(end) => Some(end > ix.as_of),
        // Nobody says when it was due to end, nor whether it did (section 7, end_unknown).
        None => open_ended.map(|_| true),
    };
    let interval_inverted = started_at
        .is_some_and(|s| g.not_after.is_some_and(|e| e < s) || recorded_end.is_some_and(|e| e < s));
    let due = match (g.not_after, g.revoke_requested_at) {
        (Some(a), Some(b)) => Some(a.min(b)),
        (a, b) => a.or(b),
    };
    // A removal that the ledger itself calls failed has lasted until now at least.
    let happened = recorded_end.filter(|t| *t <= ix.as_of);
    let removed =
        happened.or((g.end_kind == EndKind::FailedToRevoke).then_some(ix.as_of)).or(overdue);
    let revoked = matches!(
        g.end_kind,
        EndKind::RevokedByUser
            | EndKind::RevokedByOwner
            | EndKind::RevokedByAdmin
            | EndKind::RevokedBySystem
            | EndKind::FailedToRevoke
    ) && (recorded_end.is_none() || happened.is_some())
        || g.revoke_requested_at.is_some_and(|t| t <= ix.as_of)
        || ended_early(g, happened);
    let settings = ix.settings;
    let break_glass = g.break_glass.unwrap_or(false)
        || ix.principal(&principal_id).is_some_and(|p| p.break_glass)
        || settings.break_glass.iter().any(|p| glob::matches(p, &principal_id));
    GrantFact {
        grant_id: g.grant_id.clone(),
        system: g.system.clone(),
        chain_id: g.grant_id.clone(),
        principal_kind: g.beneficiary_kind.unwrap_or_else(|| ix.kind(&principal_id)),
        requester_id: g.requester_id.clone(),
        on_behalf_of_id: g.on_behalf_of_id.clone(),
        privilege: g.privilege.clone(),
        scope: g.scope.clone(),
        platform: g.platform.clone(),
        environment: ix.environment(g.scope.as_deref(), &principal_id),
        tier,
        catalogued: (!settings.approved_roles.is_empty())
            .then(|| settings.approved_roles.iter().any(|p| glob::matches(p, &g.privilege))),
        broker_kind: g.broker_kind,
        decision: g.decision,
        effective,
        break_glass,
        externally_modified: g.externally_modified,
        requested_at: g.requested_at,
        started_at,
        not_after: g.not_after,
        ended_at,
        ended_at_hi,
        end_kind: g.end_kind,
        open_ended,
        active_now,
        revoked,
        interval_inverted,
        duration_s: g
            .not_after
            .zip(g.not_before.or(started_at))
            .map(|(e, s)| e.secs_since(s))
            .filter(|d| *d >= 0),
        held_s: started_at
            .filter(|_| effective && !interval_inverted && active_now.is_some())
            .map(|s| ended_at.map_or(ix.as_of, |e| e.min(ix.as_of)).secs_since(s).max(0)),
        max_duration_s,
        revocation_lag_s: removed.zip(due).map(|(e, d)| e.secs_since(d)),
        owner: ix.owner_name(&principal_id),
        principal_name: name_of(ix, &principal_id),
        principal_id,
        chain_length: 1,
        refs: vec![evidence_ref(&g.source_id, &g.source_ref)],
        ..GrantFact::default()
    }
}

/// Name of the principal, where its id does not tell it.
#[must_use]
pub fn name_of(ix: &Index<'_>, id: &str) -> Option<Text> {
    let p = ix.principal(id)?;
    let name = p.name.clone().or_else(|| p.email.clone())?;
    (!id.to_lowercase().contains(&name.to_lowercase())).then_some(name)
}

/// Until when, up to the as-of time, the ledger itself shows access in force beyond its authorised end:
/// it was activated, its state is still active, and its source speaks of a time after the due time.
/// `None` when it does not (section 8, Privileged Access Manager: no removal recorded is still held).
fn overdue(ix: &Index<'_>, profile: &Profile, g: &Grant) -> Option<Time> {
    let activated = g.activated_at_lo.or(g.activated_at_hi).is_some();
    let recorded_end = g.ended_at_lo.or(g.ended_at_hi).is_some();
    if g.end_kind != EndKind::Open || !activated || recorded_end {
        return None;
    }
    let until = profile.known_until.get(&g.source_id)?.min(&ix.as_of);
    (until.secs_since(g.not_after?) > EXPIRY_LAG_S).then_some(*until)
}

/// Time that a ledger may take to note an end, seconds (section 4.6, expiry_lag_tol).
const EXPIRY_LAG_S: i64 = 120;

/// A ledger that records an end before the due time, and not how it came, records a revocation.
fn ended_early(g: &Grant, recorded_end: Option<Time>) -> bool {
    g.end_kind == EndKind::Unknown
        && recorded_end.is_some_and(|end| g.not_after.is_none_or(|due| end < due))
}

/// Extensions: the end moved later; silent unless an approval lies between the extension and the one
/// before it.
fn extensions(ix: &Index<'_>, profile: &Profile, g: &Grant, f: &mut GrantFact) {
    let mut moves: Vec<_> =
        ix.events_of_grant(g).into_iter().filter(|e| e.kind == EventKind::Extended).collect();
    moves.sort_by_key(|e| (e.occurred_at, e.new_end));
    if moves.is_empty() {
        f.silent_extension = profile.system(&g.system).extensions.then_some(g.n_extensions > 0);
        if g.n_extensions > 0 {
            // The ledger counts extensions without saying when: an approval for each must exist.
            f.silent_extension = approvals::given(ix, g, f).map(|n| n < 1 + g.n_extensions);
        }
        return;
    }
    let mut times = approvals::approve_times(ix, g);
    times.extend(
        ix.events_of_grant(g)
            .iter()
            .filter(|e| matches!(e.kind, EventKind::Approved | EventKind::AutoApproved))
            .map(|e| e.occurred_at),
    );
    let mut since = f.approved_at;
    let mut silent = false;
    for e in &moves {
        f.refs.push(evidence_ref(&e.source_id, &e.source_ref));
        let fresh = times.iter().any(|t| since.is_none_or(|s| *t > s) && *t <= e.occurred_at);
        silent |= !fresh;
        since = Some(e.occurred_at);
    }
    // Without any record of approvals, nobody can say that one is missing.
    let known = !times.is_empty() || approvals::recorded(ix, profile, g);
    f.silent_extension = (!silent || known).then_some(silent);
    let authorised = g.not_before.or(f.started_at);
    f.extended_by_s = moves
        .last()
        .and_then(|e| e.new_end)
        .zip(authorised.zip(g.duration_requested_s).map(|(s, d)| s.plus_secs(d)))
        .map(|(now, first)| now.secs_since(first))
        .filter(|s| *s > 0);
}

/// Clock skew between systems below which an order is not a contradiction, seconds (section 4.6).
const SKEW_S: i64 = 120;

fn contradictions(g: &Grant, f: &GrantFact) -> Vec<Text> {
    let mut out = Vec::new();
    let mut before = |a: Option<Time>, b: Option<Time>, what: &str| {
        if a.zip(b).is_some_and(|(a, b)| b.secs_since(a) > SKEW_S) {
            out.push(text(what));
        }
    };
    before(f.started_at, f.requested_at, "started before it was requested");
    before(g.decided_at, f.requested_at, "decided before it was requested");
    before(f.approved_at, f.requested_at, "approved before it was requested");
    if f.interval_inverted {
        out.push(text("ended before it started"));
    }
    out
}

/// Elements of the evidence chain that this grant lacks although its ledger records them.
fn evidence_missing(ix: &Index<'_>, profile: &Profile, g: &Grant, f: &GrantFact) -> Vec<Text> {
    let system = profile.system(&g.system);
    let mut out = Vec::new();
    let mut lacks = |missing: bool, what: &str| {
        if missing {
            out.push(text(what));
        }
    };
    lacks(system.requester && g.requester.is_none(), "requester");
    lacks(system.reason && g.justification.is_none() && g.ticket_id.is_none(), "reason");
    let nobody = f.approved == Some(true)
        && f.approver_id.is_none()
        && f.approved_by_rule_only != Some(true)
        && approvals::recorded(ix, profile, g);
    lacks(f.approval_required && nobody, "approver");
    lacks(system.scope && g.scope.is_none(), "scope");
    lacks(f.effective && f.started_at.is_none(), "start");
    lacks(f.active_now.is_none(), "end");
    lacks(f.task_resolved == Some(false), "task");
    lacks(unknown_principal(ix, profile, &f.principal_id), "principal");
    out
}

/// What the inputs show of the chain (section 5.12), whatever the ledger records elsewhere.
fn evidenced(g: &Grant, f: &GrantFact) -> Vec<Text> {
    let shown = [
        g.requested_at.is_some(),
        g.requester.is_some(),
        g.justification.is_some() || g.ticket_id.is_some(),
        f.approved.is_some() || matches!(g.decision, Decision::Denied | Decision::Withdrawn),
        f.approver_id.is_some() || f.approved_by_rule_only == Some(true),
        g.scope.is_some(),
        f.started_at.is_some(),
        f.open_ended.is_some(),
        f.task_id.is_some(),
        f.use_count.is_some(),
    ];
    EVIDENCE_CHAIN
        .iter()
        .zip(shown)
        .filter(|(_, shown)| *shown)
        .map(|(part, _)| text(part))
        .collect()
}

/// The record names a platform identity of an inventoried account that the inventory does not have.
fn unknown_principal(ix: &Index<'_>, profile: &Profile, id: &str) -> bool {
    if ix.principal(id).is_some_and(|p| p.inventoried) {
        return false;
    }
    let mut parts = id.splitn(6, ':');
    if parts.next() != Some("arn") {
        return false;
    }
    parts
        .nth(3)
        .is_some_and(|account| profile.inventoried_realms.contains(&text(format!("aws:{account}"))))
}

/// Whether a link is good enough to clear or to raise a certain finding.
#[must_use]
pub fn is_firm(c: Confidence) -> bool {
    matches!(c, Confidence::Exact | Confidence::Strong)
}

/// Whether the grant is expected to show as a binding in IAM.
#[must_use]
pub fn expects_binding(f: &GrantFact) -> bool {
    f.broker_kind == BrokerKind::Binding
}
