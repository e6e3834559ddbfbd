//! From the events of a grant in order to its decision, interval and end.

use super::{Draft, Event};
use crate::facts::{BrokerKind, Decision, EndKind, EventKind, Grant, Outcome, Time};

/// State of a grant while its events are gone through in order.
#[derive(Default)]
struct Life {
    decision: Option<(Decision, Time)>,
    activated: Option<Time>,
    ended_lo: Option<Time>,
    ended_hi: Option<Time>,
    end_kind: Option<EndKind>,
    revoke_failed: bool,
    /// The end that was stated no longer holds, and no other is.
    end_unknown: bool,
}

impl Life {
    fn take(&mut self, g: &mut Grant, e: &Event) {
        if e.outcome != Outcome::Allowed {
            // A refused or failed attempt changed nothing, except that a removal did not happen.
            self.revoke_failed |= matches!(e.kind, EventKind::RevokeFailed | EventKind::Revoked);
            return;
        }
        match e.kind {
            EventKind::Requested => {
                g.requested_at = Some(g.requested_at.map_or(e.at, |t| t.min(e.at)));
            }
            EventKind::Approved => self.decide(Decision::Approved, e.at),
            EventKind::AutoApproved => self.decide(Decision::AutoApproved, e.at),
            EventKind::Denied => self.decide(Decision::Denied, e.at),
            EventKind::Lapsed if self.decision.is_none() => self.decide(Decision::Lapsed, e.at),
            EventKind::Withdrawn if self.activated.is_none() => {
                self.decide(Decision::Withdrawn, e.at);
            }
            EventKind::Withdrawn => self.end(e, EndKind::Withdrawn),
            EventKind::ActivationFailed if self.activated.is_none() => {
                self.decide(Decision::Failed, e.at);
            }
            // What a broker calls a failure without saying of what: of the removal, when access was on.
            EventKind::ActivationFailed => self.revoke_failed = true,
            EventKind::Activated | EventKind::Reopened => {
                self.activated = Some(self.activated.unwrap_or(e.at));
                // Access that was given again has not ended.
                (self.ended_lo, self.ended_hi, self.end_kind) = (None, None, None);
                self.revoke_failed = false;
            }
            // A credential is access, where nothing else says when access began.
            EventKind::CredentialIssued => {
                self.activated = Some(self.activated.unwrap_or(e.at));
            }
            EventKind::Extended => g.not_after = e.new_end.or(g.not_after),
            EventKind::Renewed => self.renew(g, e),
            EventKind::ExternallyModified => g.externally_modified = true,
            EventKind::RevokeRequested => {
                g.revoke_requested_at = g.revoke_requested_at.or(Some(e.at));
            }
            EventKind::RevokeFailed => self.revoke_failed = true,
            EventKind::Revoked => self.end(e, revoker(g, e)),
            // An end before any decision and any access is the end of the request.
            EventKind::Expired if self.decision.is_none() && self.unbegun(g) => {
                self.decide(Decision::Lapsed, e.at);
            }
            EventKind::Expired => self.end(e, EndKind::Expired),
            EventKind::UnboundObserved => self.end(e, EndKind::Unknown),
            EventKind::LedgerDeleted => self.end(e, EndKind::LedgerDeleted),
            _ => {}
        }
    }

    /// Nothing shows that access was ever given.
    fn unbegun(&self, g: &Grant) -> bool {
        self.activated.is_none()
            && g.activated_at_lo.is_none()
            && matches!(g.decision, Decision::Unknown | Decision::Pending)
            && g.requested_at.is_some()
    }

    /// A renewal leaves an authorised window as it is (section 4.5). Where the grant is nothing but a
    /// credential, the window is the life of the credential and moves with it.
    fn renew(&mut self, g: &mut Grant, e: &Event) {
        g.residual_until = g.residual_until.max(e.new_end);
        if g.broker_kind != BrokerKind::Credential {
            return;
        }
        match (g.not_after, e.new_end) {
            (Some(end), Some(new)) => g.not_after = Some(end.max(new)),
            // Renewed, and until when is not said.
            (Some(end), None) if e.at >= end => {
                g.not_after = None;
                self.end_unknown = true;
            }
            _ => {}
        }
    }

    /// The decision that stands is the last one; one that is only repeated keeps its first time.
    fn decide(&mut self, decision: Decision, at: Time) {
        if self.decision.is_none_or(|(have, _)| have != decision) {
            self.decision = Some((decision, at));
        }
    }

    /// The first event that ends access says how; a later one can only confirm that it is gone.
    fn end(&mut self, e: &Event, by_kind: EndKind) {
        self.ended_lo = Some(self.ended_lo.unwrap_or(e.at));
        if !e.unconfirmed && e.kind != EventKind::LedgerDeleted {
            self.ended_hi = Some(self.ended_hi.unwrap_or(e.at));
            self.revoke_failed = false;
        }
        self.end_kind = self.end_kind.or(Some(e.end.unwrap_or(by_kind)));
    }
}

/// Who revoked, by the actor: the holder or the requester, else somebody with authority over them.
/// Without an actor it is not said.
fn revoker(g: &Grant, e: &Event) -> EndKind {
    match &e.actor {
        None => EndKind::Unknown,
        Some(a) if *a == g.beneficiary || g.requester.as_ref() == Some(a) => EndKind::RevokedByUser,
        Some(_) => EndKind::RevokedByAdmin,
    }
}

/// Builds the grant row from what was stated and what happened.
pub(super) fn build(draft: &Draft, until: Option<Time>) -> Grant {
    let mut g = draft.facts.clone();
    let mut life = Life::default();
    for e in &draft.events {
        life.take(&mut g, e);
    }
    let count = |kind: EventKind| {
        let n = draft.events.iter().filter(|e| e.kind == kind && e.outcome == Outcome::Allowed);
        i64::try_from(n.count()).unwrap_or(i64::MAX)
    };
    g.n_extensions = g.n_extensions.max(count(EventKind::Extended));
    g.n_renewals = g.n_renewals.max(count(EventKind::Renewed));
    if let Some((decision, at)) = life.decision {
        g.decision = decision;
        g.decided_at = Some(at);
    } else if g.decision == Decision::Unknown && only_asked(draft, &g, &life) {
        g.decision = Decision::Pending;
    }
    if let Some(t) = life.activated {
        g.activated_at_lo = Some(g.activated_at_lo.map_or(t, |have| have.min(t)));
        g.activated_at_hi = g.activated_at_hi.or(Some(t));
    }
    let approved = matches!(g.decision, Decision::Approved | Decision::AutoApproved);
    if draft.request_end_holds && g.not_after.is_none() {
        g.not_after = g.request_expires_at;
    }
    let start = g.activated_at_lo.or(g.not_before).or(g.decided_at.filter(|_| approved));
    if g.not_after.is_none() {
        let length = g.duration_requested_s.filter(|_| !life.end_unknown);
        g.not_after = start.zip(length).map(|(s, d)| s.plus_secs(d));
    }
    if draft.endless {
        g.not_after = None;
    }
    finish_end(draft, &mut g, &life, start, until);
    g
}

/// A request is in the log, and nothing that came of it.
fn only_asked(draft: &Draft, g: &Grant, life: &Life) -> bool {
    life.activated.is_none()
        && g.activated_at_lo.is_none()
        && draft.events.iter().any(|e| e.kind == EventKind::Requested)
        && !draft.events.iter().any(|e| {
            matches!(e.kind, EventKind::CredentialIssued | EventKind::Used | EventKind::Scheduled)
        })
}

fn finish_end(draft: &Draft, g: &mut Grant, life: &Life, start: Option<Time>, until: Option<Time>) {
    if life.end_kind.is_some() {
        (g.ended_at_lo, g.ended_at_hi) = (life.ended_lo, life.ended_hi);
        // A record that is cleared away after the due time does not show that access went on until then
        // (landscape, scenarios 14 and 15).
        if life.end_kind == Some(EndKind::Expired) && life.ended_hi.is_none() {
            g.ended_at_lo = g.ended_at_lo.map(|at| g.not_after.map_or(at, |due| at.min(due)));
        }
    }
    let refused = matches!(
        g.decision,
        Decision::Denied | Decision::Withdrawn | Decision::Lapsed | Decision::Failed
    );
    let given = g.activated_at_lo.is_some() || (start.is_some() && !refused);
    g.end_kind = if life.revoke_failed || g.end_kind == EndKind::FailedToRevoke {
        (g.ended_at_lo, g.ended_at_hi) = (None, None);
        EndKind::FailedToRevoke
    } else if let Some(kind) = life.end_kind.filter(|_| given) {
        kind
    } else if g.end_kind != EndKind::Unknown {
        g.end_kind
    } else if !given {
        // What never began did not end; deleting the record of a refused request ends nothing.
        (g.ended_at_lo, g.ended_at_hi) = (None, None);
        match g.decision {
            Decision::Withdrawn => EndKind::Withdrawn,
            Decision::Failed => EndKind::Failed,
            _ => EndKind::Unknown,
        }
    } else if g.ended_at_lo.is_some() || g.decision == Decision::Pending {
        EndKind::Unknown
    } else {
        match g.not_after {
            None if draft.ends_unstated || life.end_unknown => EndKind::Unknown,
            None => EndKind::Open,
            Some(end) if until.is_none_or(|u| end > u) => EndKind::Open,
            // The log goes on after the due time and does not say that access was removed.
            Some(_) => EndKind::Unknown,
        }
    };
}
