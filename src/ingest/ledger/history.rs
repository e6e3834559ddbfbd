//! Grants out of a log: events in any order become grants, approvals and events.
//!
//! Logs are exported newest first, oldest first, or mixed, and within one timeline the array order is
//! not the order of time (grants model, section 4.2). So events are collected, sorted by time and
//! rank, and folded grant by grant. What is held is bounded by the events of grants, not by the lines
//! of the log: records about other things leave nothing but a count.

use std::collections::BTreeMap;

use sha2::{Digest, Sha256};

use super::credentials::truncate_id;
use crate::facts::{
    Approval, ApprovalMethod, Credential, Decision, EndKind, EventKind, Grant, GrantEvent, Outcome,
    Text, Time, Usage, UsageGrain, Verdict, text,
};
use crate::ingest::source::Batch;

/// What makes two events speak of one grant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Keys {
    /// The system has ids of its own for grants.
    Native,
    /// It has none: beneficiary, privilege and scope are the key, and every start after an end is
    /// another grant, named after key and start.
    Slot,
}

/// How a system's log is read.
#[derive(Clone, Copy, Debug)]
pub struct Style {
    /// Name of the ledger system.
    pub system: &'static str,
    /// Platform of the access.
    pub platform: Option<&'static str>,
    /// Keys of grants.
    pub keys: Keys,
    /// What a missing end means: `open` where the log records every end, `unknown` where it does not.
    pub missing_end: EndKind,
    /// What a missing decision means for access that was requested and given: `unknown`, or
    /// `auto_approved` where the system records every human decision.
    pub missing_decision: Decision,
}

/// One event that a record tells.
#[derive(Clone, Debug, Default)]
pub struct Told {
    /// Native id of the grant, or its slot.
    pub key: String,
    /// Kind.
    pub kind: EventKind,
    /// When it happened.
    pub at: Time,
    /// When the log wrote it, where that differs.
    pub recorded_at: Option<Time>,
    /// Actor as written.
    pub actor: Option<Text>,
    /// Outcome; a refused or failed operation is kept as an event and changes no grant.
    pub outcome: Outcome,
    /// New end, for extensions.
    pub new_end: Option<Time>,
    /// Reason.
    pub reason: Option<Text>,
    /// How it ended, for ends. An update that says `superseded` ends what was given before and gives what
    /// `about` says (for [`Keys::Slot`]).
    pub end_kind: EndKind,
    /// How it was decided, for decisions.
    pub method: ApprovalMethod,
    /// What the record says about the grant itself; empty fields say nothing.
    pub about: Option<Box<Grant>>,
    /// Native id of the request that the record belongs to, where that is not the key.
    pub request: Option<Text>,
    /// Object ids of holder and role, where the record calls them by other names.
    pub ids: Option<(Text, Text)>,
    /// Place of the record.
    pub place: Text,
}

/// Sum of equal uses within [`USE_BIN_S`].
#[derive(Clone, Debug)]
struct Sum {
    first: Time,
    last: Time,
    count: i64,
    place: Text,
}

/// Seconds within which equal uses become one row: the bin in which use is measured (grants model,
/// section 4.8). First and last use of the row are exact.
const USE_BIN_S: i64 = 300;

/// Events, credentials and uses of one file.
#[derive(Debug, Default)]
pub struct History {
    told: Vec<Told>,
    credentials: BTreeMap<String, Credential>,
    uses: BTreeMap<(Text, Text, Option<Text>, Outcome, i64), Sum>,
    others: BTreeMap<&'static str, u64>,
}

/// A name for a thing whose id must not be shown whole: the truncated id and eight hex digits of its
/// SHA-256, which keep two things apart that look alike when truncated.
#[must_use]
pub fn opaque(id: &str) -> String {
    let digest = Sha256::digest(id.as_bytes());
    let hex: String = digest.iter().take(4).map(|b| format!("{b:02x}")).collect();
    format!("{}#{hex}", truncate_id(id))
}

/// Key of a grant that has no native id.
#[must_use]
pub fn slot(beneficiary: &str, privilege: &str, scope: Option<&str>) -> String {
    format!("{beneficiary}|{privilege}|{}", scope.unwrap_or(""))
}

impl History {
    /// Takes an event.
    pub fn tell(&mut self, told: Told) {
        self.told.push(told);
    }

    /// Takes what a record says about a credential. `id` is the whole id; it stays here, the row
    /// keeps it truncated.
    pub fn credential(&mut self, id: &str, says: Credential) {
        match self.credentials.get_mut(id) {
            None => {
                self.credentials.insert(
                    id.to_owned(),
                    Credential { credential_id: text(truncate_id(id)), ..says },
                );
            }
            Some(have) => complete_credential(have, says),
        }
    }

    /// Takes a use of administrative rights.
    pub fn used(
        &mut self,
        who: &Text,
        action: &str,
        scope: Option<&Text>,
        outcome: Outcome,
        (at, place): (Time, &Text),
    ) {
        let what = (who.clone(), text(action), scope.cloned(), outcome);
        self.lasted(what, (at, at), place);
    }

    /// Takes a use that lasts, such as a session: who, action, scope and outcome; begin and end.
    pub fn lasted(
        &mut self,
        (who, action, scope, outcome): (Text, Text, Option<Text>, Outcome),
        (from, to): (Time, Time),
        place: &Text,
    ) {
        let bin = from.micros().div_euclid(USE_BIN_S * 1_000_000);
        let sum = self.uses.entry((who, action, scope, outcome, bin)).or_insert_with(|| Sum {
            first: from,
            last: to,
            count: 0,
            place: place.clone(),
        });
        if from < sum.first {
            sum.place = place.clone();
        }
        sum.first = sum.first.min(from);
        sum.last = sum.last.max(to);
        sum.count += 1;
    }

    /// Counts a record that tells of no grant.
    pub fn other(&mut self, what: &'static str) {
        *self.others.entry(what).or_default() += 1;
    }

    /// Folds everything into the facts.
    pub fn finish(mut self, style: &Style, batch: &mut Batch) {
        // A stable sort: the order in the file is the last tie-break.
        self.told.sort_by(|a, b| {
            (&a.key, a.at, a.kind, &a.actor, &a.reason)
                .cmp(&(&b.key, b.at, b.kind, &b.actor, &b.reason))
        });
        self.told.dedup_by(|b, a| same(a, b));
        for t in &self.told {
            batch.see(t.at);
        }
        let mut repeats = 0;
        let mut rest = self.told.into_iter().peekable();
        while let Some(first) = rest.next() {
            let key = first.key.clone();
            let mut group = vec![first];
            while let Some(next) = rest.next_if(|t| t.key == key) {
                group.push(next);
            }
            match style.keys {
                Keys::Native => fold(&key, group, style, batch),
                Keys::Slot => repeats += slots(&key, group, style, batch),
            }
        }
        if repeats > 0 {
            self.others.insert("repeat a start while access is given", repeats);
        }
        let others: Vec<String> =
            self.others.iter().map(|(what, n)| format!("{n} records {what}")).collect();
        if !others.is_empty() {
            let said = batch.limitation.take();
            let parts: Vec<String> = said.iter().map(ToString::to_string).chain(others).collect();
            batch.limitation = Some(text(parts.join("; ")));
        }
        // A revocation alone does not say whose credential it was; it is an event.
        for c in self.credentials.into_values().filter(|c| !c.principal.is_empty()) {
            for t in [c.issued_at, c.revoked_at, c.last_used_at].into_iter().flatten() {
                batch.see(t);
            }
            batch.facts.credentials.push(Credential { source_id: batch.source_id.clone(), ..c });
        }
        for ((who, action, scope, outcome, _), sum) in self.uses {
            batch.see(sum.first);
            batch.see(sum.last);
            batch.facts.usage.push(Usage {
                principal: who,
                platform: style.platform.map(text),
                scope,
                action: Some(action),
                first_at: Some(sum.first),
                last_at: Some(sum.last),
                count: Some(sum.count),
                outcome,
                grain: if sum.count == 1 { UsageGrain::Event } else { UsageGrain::Action },
                source_id: batch.source_id.clone(),
                source_ref: sum.place,
                ..Usage::default()
            });
        }
    }
}

/// Whether two events are one that was written twice.
fn same(a: &Told, b: &Told) -> bool {
    (&a.key, a.at, a.kind, &a.actor, a.outcome, a.new_end, &a.reason, &a.request)
        == (&b.key, b.at, b.kind, &b.actor, b.outcome, b.new_end, &b.reason, &b.request)
        && a.about == b.about
}

fn complete_credential(have: &mut Credential, says: Credential) {
    if have.principal.is_empty() {
        have.principal = says.principal;
    }
    have.grant_id = have.grant_id.take().or(says.grant_id);
    have.issued_at = have.issued_at.or(says.issued_at);
    if says.rotated_at > have.rotated_at {
        // A later change states the end anew.
        have.expires_at = says.expires_at.or(have.expires_at);
        have.no_expiry = says.no_expiry.or(have.no_expiry);
    }
    have.expires_at = have.expires_at.or(says.expires_at);
    have.no_expiry = have.no_expiry.or(says.no_expiry);
    have.rotated_at = have.rotated_at.max(says.rotated_at);
    have.revoked_at = have.revoked_at.or(says.revoked_at);
    have.last_used_at = have.last_used_at.max(says.last_used_at);
    have.active = match (have.active, says.active) {
        (Some(false), _) | (_, Some(false)) => Some(false),
        (a, b) => a.or(b),
    };
}

/// Whether access or the record of it ends here.
fn ends(kind: EventKind) -> bool {
    matches!(kind, EventKind::Revoked | EventKind::Expired | EventKind::LedgerDeleted)
}

/// Whether a request ends here without access.
fn refuses(kind: EventKind) -> bool {
    matches!(
        kind,
        EventKind::Denied | EventKind::Withdrawn | EventKind::Lapsed | EventKind::ActivationFailed
    )
}

/// Cuts the events of one slot into grants: a start after an end is another grant. An end without a
/// start is an event of a grant that began before the log; it is kept without a grant.
///
/// Returns how many records repeat a start while access is given already.
fn slots(key: &str, group: Vec<Told>, style: &Style, batch: &mut Batch) -> u64 {
    let mut parts: Vec<Vec<Told>> = Vec::new();
    let (mut over, mut began, mut until) = (true, false, None);
    let mut repeats = 0u64;
    for mut t in group {
        let done = t.outcome == Outcome::Allowed;
        // Access of another privilege takes the place of what was there.
        if done && t.kind == EventKind::RequestUpdated && t.end_kind == EndKind::Superseded {
            if let (true, false, Some(part)) = (began, over, parts.last_mut()) {
                part.push(Told { kind: EventKind::Revoked, about: None, ..t.clone() });
            }
            (t.kind, t.end_kind, over) = (EventKind::Activated, EndKind::Unknown, true);
        }
        let activates = done && t.kind == EventKind::Activated;
        let starts = activates || (done && t.kind == EventKind::Requested);
        let stated = t.about.as_ref().and_then(|g| g.not_after);
        // Systems that write no end have their grants end as stated.
        let lapsed = until.is_some_and(|u| u <= t.at);
        if parts.is_empty() || (starts && (over || lapsed)) {
            (over, began, until) = (!starts, false, None);
            parts.push(Vec::new());
        }
        if activates && began && !over && stated > until && until.is_some() {
            // Given again while it ran: the end moves.
            t.kind = EventKind::Extended;
            t.new_end = stated;
        } else if activates && began && !over {
            repeats += 1;
            continue;
        }
        began |= activates;
        if done && t.kind != EventKind::Requested {
            until = until.max(stated);
        }
        over |= done && (ends(t.kind) || (!began && refuses(t.kind)));
        if let Some(part) = parts.last_mut() {
            part.push(t);
        }
    }
    for part in parts {
        let begun = part.iter().find(|t| {
            t.outcome == Outcome::Allowed
                && matches!(t.kind, EventKind::Activated | EventKind::Requested)
        });
        match begun {
            Some(t) => {
                let id = format!("{key}@{}", t.at.to_rfc3339());
                fold(&id, part, style, batch);
            }
            None => {
                for t in &part {
                    let mut event = event(t, None, batch);
                    if ends(t.kind) && event.reason.is_none() {
                        let key = crate::ingest::table::short(key);
                        event.reason = Some(text(format!("the log has no begin of `{key}`")));
                    }
                    batch.facts.grant_events.push(event);
                }
            }
        }
    }
    repeats
}

fn event(t: &Told, grant_id: Option<&str>, batch: &Batch) -> GrantEvent {
    GrantEvent {
        grant_id: grant_id.map(text),
        kind: t.kind,
        occurred_at: t.at,
        recorded_at: t.recorded_at,
        actor: t.actor.clone(),
        outcome: t.outcome,
        new_end: t.new_end,
        reason: match (&t.reason, &t.request) {
            (Some(reason), Some(id)) => Some(text(format!("{reason} (request {id})"))),
            (None, Some(id)) => Some(text(format!("request {id}"))),
            (reason, None) => reason.clone(),
        },
        source_id: batch.source_id.clone(),
        source_ref: t.place.clone(),
    }
}

/// One grant out of its events, in order of time.
fn fold(id: &str, group: Vec<Told>, style: &Style, batch: &mut Batch) {
    let mut g = Grant::default();
    let mut place = None;
    for t in &group {
        let event = event(t, Some(id), batch);
        batch.facts.grant_events.push(event);
        if t.request.is_some() || t.ids.is_some() {
            let native = style.keys == Keys::Native;
            batch.book.view(style.system, id, native, t.request.as_ref(), t.ids.as_ref());
        }
        if let Some(about) = &t.about {
            complete(&mut g, about);
            if place.is_none() && !about.beneficiary.is_empty() {
                place = Some(t.place.clone());
            }
        }
    }
    for t in &group {
        if t.outcome == Outcome::Allowed {
            apply(&mut g, t, id, batch);
        } else if matches!(t.kind, EventKind::Revoked | EventKind::RevokeFailed) {
            apply_failed_revoke(&mut g, t);
        }
    }
    // Events alone speak of a grant that another file lists.
    let Some(place) = place.filter(|_| !g.privilege.is_empty()) else { return };
    g.grant_id = text(id);
    g.system = text(style.system);
    g.platform = g.platform.take().or_else(|| style.platform.map(text));
    g.source_id = batch.source_id.clone();
    g.source_ref = place;
    // A log that begins after the request may have lost the decision too.
    let asked =
        group.iter().any(|t| t.kind == EventKind::Requested && t.outcome == Outcome::Allowed);
    close(&mut g, style, asked);
    batch.facts.grants.push(g);
}

/// Fills what is open in a grant from what another record says about it.
pub fn complete(g: &mut Grant, about: &Grant) {
    macro_rules! fill {
        ($($field:ident),*) => { $( if g.$field.is_none() { g.$field = about.$field.clone(); } )* };
    }
    if g.beneficiary.is_empty() {
        g.beneficiary = about.beneficiary.clone();
        g.beneficiary_kind = about.beneficiary_kind;
    }
    if g.privilege.is_empty() {
        g.privilege = about.privilege.clone();
        g.broker_kind = about.broker_kind;
    }
    fill!(
        platform,
        requester,
        on_behalf_of,
        scope,
        requested_at,
        request_expires_at,
        decided_at,
        not_before,
        not_after,
        duration_requested_s,
        activated_at_lo,
        activated_at_hi,
        revoke_requested_at,
        ended_at_lo,
        ended_at_hi,
        residual_until,
        justification,
        ticket_system,
        ticket_id,
        task_ref,
        approval_ref,
        break_glass,
        approved_privilege,
        grant_kind,
        session_duration_s
    );
    if g.decision == Decision::Unknown {
        g.decision = about.decision;
    }
    if g.end_kind == EndKind::Unknown {
        g.end_kind = about.end_kind;
    }
    g.externally_modified |= about.externally_modified;
}

/// One grant in two exports of a system that tell different parts of it, such as a list of grants and
/// the audit log: what is open in one is filled from the other. `None` when they contradict.
#[must_use]
pub fn join_views(a: &Grant, b: &Grant) -> Option<Grant> {
    let systems = ["gcp-pam", "entra-pim"];
    let one = (&a.beneficiary, &a.privilege, &a.scope) == (&b.beneficiary, &b.privilege, &b.scope);
    if !one || a.source_id == b.source_id || !systems.contains(&&*a.system) {
        return None;
    }
    let mut g = a.clone();
    // An export that ends earlier knows less.
    if matches!(g.decision, Decision::Pending) {
        g.decision = b.decision;
    }
    if g.end_kind == EndKind::Open && (b.ended_at_lo.is_some() || b.end_kind != EndKind::Unknown) {
        g.end_kind = b.end_kind;
    }
    complete(&mut g, b);
    // Both ends are evidence of one removal.
    g.ended_at_lo = g.ended_at_lo.min(b.ended_at_lo).or(g.ended_at_lo);
    g.ended_at_hi = g.ended_at_hi.max(b.ended_at_hi);
    g.n_extensions = g.n_extensions.max(b.n_extensions);
    Some(g)
}

/// What an event that took place does to its grant.
fn apply(g: &mut Grant, t: &Told, id: &str, batch: &mut Batch) {
    match t.kind {
        EventKind::Requested => {
            g.requested_at = g.requested_at.or(Some(t.at));
            if g.decision == Decision::Unknown {
                g.decision = Decision::Pending;
            }
            g.justification = g.justification.take().or_else(|| t.reason.clone());
        }
        EventKind::Approved | EventKind::AutoApproved | EventKind::Denied => {
            decide(g, t, id, batch);
        }
        EventKind::Withdrawn => {
            g.decision = Decision::Withdrawn;
            g.end_kind = EndKind::Withdrawn;
        }
        EventKind::Lapsed => g.decision = Decision::Lapsed,
        EventKind::ActivationFailed => {
            g.decision = Decision::Failed;
            g.end_kind = EndKind::Failed;
        }
        EventKind::Activated => {
            if g.activated_at_lo.is_none() {
                // What was asked for counts from the request; what was given says its own end.
                g.not_after = t.about.as_ref().and_then(|a| a.not_after).or(g.not_after);
                g.activated_at_lo = Some(t.at);
                g.activated_at_hi = g.activated_at_hi.max(Some(t.at));
            }
            g.not_before = g.not_before.or(Some(t.at));
        }
        EventKind::Renewed => g.n_renewals += 1,
        EventKind::Extended => {
            g.n_extensions += 1;
            g.not_after = g.not_after.max(t.new_end);
        }
        // Closed, and the record does not say how.
        EventKind::Reviewed if g.decision == Decision::Pending => g.decision = Decision::Unknown,
        EventKind::Reopened => {
            g.ended_at_lo = None;
            g.ended_at_hi = None;
            g.end_kind = EndKind::Unknown;
        }
        EventKind::RequestUpdated => g.not_after = t.new_end.or(g.not_after),
        EventKind::ExternallyModified => g.externally_modified = true,
        EventKind::RevokeRequested => {
            g.revoke_requested_at = g.revoke_requested_at.or(Some(t.at));
        }
        EventKind::RevokeFailed => apply_failed_revoke(g, t),
        // The first end holds: brokers run their removal again at the planned end.
        EventKind::Revoked | EventKind::Expired
            if g.ended_at_lo.is_none()
                || g.ended_at_hi.is_none()
                || g.end_kind == EndKind::FailedToRevoke =>
        {
            g.ended_at_lo = g.ended_at_lo.or(Some(t.at));
            g.ended_at_hi = g.ended_at_hi.max(Some(t.at));
            g.end_kind = match (t.kind, t.end_kind) {
                (EventKind::Expired, EndKind::Unknown) => EndKind::Expired,
                (_, kind) => kind,
            };
        }
        // The record of the grant is gone; whether access is gone, it does not say.
        EventKind::LedgerDeleted if g.ended_at_lo.is_none() => g.end_kind = EndKind::LedgerDeleted,
        _ => {}
    }
}

fn apply_failed_revoke(g: &mut Grant, t: &Told) {
    g.revoke_requested_at = g.revoke_requested_at.or(Some(t.at));
    if g.ended_at_lo.is_none() {
        g.end_kind = EndKind::FailedToRevoke;
    }
}

fn decide(g: &mut Grant, t: &Told, id: &str, batch: &mut Batch) {
    let (decision, verdict) = match t.kind {
        EventKind::Denied => (Decision::Denied, Verdict::Deny),
        EventKind::AutoApproved => (Decision::AutoApproved, Verdict::Approve),
        _ => (Decision::Approved, Verdict::Approve),
    };
    g.decided_at = Some(g.decided_at.map_or(t.at, |d| d.min(t.at)));
    // One approver of several may approve what another denied; the denial holds.
    if g.decision != Decision::Denied {
        g.decision = decision;
    }
    let method = match (t.kind, t.method) {
        (EventKind::AutoApproved, ApprovalMethod::Unknown) => ApprovalMethod::Policy,
        (_, m) => m,
    };
    batch.facts.approvals.push(Approval {
        grant_id: Some(text(id)),
        approver: t.actor.clone(),
        verdict,
        at: Some(t.at),
        method,
        source_id: batch.source_id.clone(),
        source_ref: t.place.clone(),
        ..Approval::default()
    });
}

/// States what the events left open.
fn close(g: &mut Grant, style: &Style, asked: bool) {
    let given = g.activated_at_lo.is_some();
    if g.not_after.is_none()
        && let (Some(start), Some(s)) = (g.activated_at_lo.or(g.not_before), g.duration_requested_s)
    {
        g.not_after = Some(start.plus_secs(s));
    }
    if given && matches!(g.decision, Decision::Unknown | Decision::Pending) {
        g.decision = if asked { style.missing_decision } else { Decision::Unknown };
    }
    if given && g.ended_at_lo.is_none() && g.end_kind == EndKind::Unknown {
        g.end_kind = style.missing_end;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::facts::time::parse_rfc3339;

    const STYLE: Style = Style {
        system: "s",
        platform: Some("p"),
        keys: Keys::Slot,
        missing_end: EndKind::Open,
        missing_decision: Decision::Unknown,
    };

    fn at(s: i64) -> Time {
        parse_rfc3339("2026-01-01T00:00:00Z").unwrap().plus_secs(s)
    }

    fn told(kind: EventKind, s: i64) -> Told {
        let about =
            Grant { beneficiary: text("ann"), privilege: text("admin"), ..Grant::default() };
        Told {
            key: slot("ann", "admin", None),
            kind,
            at: at(s),
            about: Some(Box::new(about)),
            place: text(format!("L{s}")),
            ..Told::default()
        }
    }

    fn run(told: Vec<Told>, style: &Style) -> Batch {
        let mut history = History::default();
        for t in told {
            history.tell(t);
        }
        let mut batch = Batch::new(&text("S1"));
        history.finish(style, &mut batch);
        batch
    }

    #[test]
    fn a_start_after_an_end_is_another_grant_whatever_the_order_of_lines() {
        use EventKind::{Activated, Revoked};
        let mut all = vec![
            told(Revoked, 5),
            told(Activated, 10),
            told(Revoked, 20),
            told(Activated, 30),
            told(Activated, 35),
        ];
        let one = run(all.clone(), &STYLE);
        all.reverse();
        let two = run(all, &STYLE);
        assert_eq!(one.facts.grants, two.facts.grants);
        let g = &one.facts.grants;
        assert_eq!(g.len(), 2);
        assert_eq!((g[0].activated_at_lo, g[0].ended_at_lo), (Some(at(10)), Some(at(20))));
        assert_eq!((g[1].activated_at_lo, g[1].end_kind), (Some(at(30)), EndKind::Open));
        assert_ne!(g[0].grant_id, g[1].grant_id);
        let loose: Vec<_> =
            one.facts.grant_events.iter().filter(|e| e.grant_id.is_none()).collect();
        assert_eq!(loose.len(), 1);
        assert!(loose[0].reason.as_deref().unwrap().contains("no begin"));
    }

    #[test]
    fn a_refused_operation_is_an_event_and_changes_no_grant() {
        let mut denied = told(EventKind::Revoked, 20);
        denied.outcome = Outcome::Denied;
        let batch = run(vec![told(EventKind::Activated, 10), denied], &STYLE);
        assert_eq!(batch.facts.grants[0].end_kind, EndKind::FailedToRevoke);
        assert_eq!(batch.facts.grants[0].ended_at_lo, None);
        let mut refused = told(EventKind::Activated, 10);
        refused.outcome = Outcome::Denied;
        let batch = run(vec![refused], &STYLE);
        assert!(batch.facts.grants.is_empty());
        assert_eq!(batch.facts.grant_events.len(), 1);
    }

    #[test]
    fn the_first_end_holds_and_a_record_twice_counts_once() {
        let batch = run(
            vec![
                told(EventKind::Activated, 10),
                told(EventKind::Activated, 10),
                told(EventKind::Revoked, 20),
                told(EventKind::Expired, 90),
            ],
            &Style { keys: Keys::Native, ..STYLE },
        );
        assert_eq!(batch.facts.grant_events.len(), 3);
        assert_eq!(batch.facts.grants[0].ended_at_lo, Some(at(20)));
        assert_eq!(batch.facts.grants[0].end_kind, EndKind::Unknown);
    }

    #[test]
    fn uses_within_five_minutes_become_one_row_with_exact_ends() {
        let mut history = History::default();
        for s in [10, 200, 5, 400] {
            let place = text(format!("L{s}"));
            history.used(&text("ann"), "x", None, Outcome::Allowed, (at(s), &place));
        }
        let mut batch = Batch::new(&text("S1"));
        history.finish(&STYLE, &mut batch);
        let rows: Vec<_> = batch
            .facts
            .usage
            .iter()
            .map(|u| (u.first_at.unwrap(), u.last_at.unwrap(), u.count.unwrap(), &*u.source_ref))
            .collect();
        assert_eq!(rows, [(at(5), at(200), 3, "L5"), (at(400), at(400), 1, "L400")]);
    }

    #[test]
    fn ids_that_look_alike_when_cut_stay_apart() {
        let (a, b) = (opaque("key-0000000000-abcd"), opaque("key-0000000001-abcd"));
        assert_ne!(a, b);
        assert!(a.starts_with("key-...abcd#") && !a.contains("0000000000"));
    }
}
