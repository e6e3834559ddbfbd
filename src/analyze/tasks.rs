//! Links of grants to tasks, and overstay: how long access outlived the work.
//!
//! Specification: grants model, section 5 (metric 1) and section 9.

use std::collections::BTreeSet;

use super::grants::Profile;
use super::index::Index;
use crate::facts::store::evidence_ref;
use crate::facts::{
    Confidence, EndKind, Grant, GrantFact, Layer, LinkKind, Task, TaskKind, TaskLink, TaskState,
    Time, text,
};

/// Links the grant to its tasks and fills the task columns.
pub fn link(ix: &Index<'_>, profile: &Profile, g: &Grant, f: &mut GrantFact) {
    f.task_ref = g.task_ref.clone().or_else(|| g.ticket_id.clone());
    let links = find(ix, g);
    let mut ids: BTreeSet<&str> = links.iter().map(|(t, ..)| &*t.task_id).collect();
    for u in ix.usage_of_grant(g) {
        if let Some(t) = &u.task_id {
            ids.insert(ix.task(t).map_or(&**t, |task| &task.task_id));
        }
    }
    f.n_tasks = ids.len() as i64;
    let Some((first, kind, confidence)) = links.first().copied() else {
        unresolved(ix, profile, g, f);
        return;
    };
    f.task_id = Some(first.task_id.clone());
    f.link_kind = Some(kind);
    f.link_confidence = Some(confidence);
    f.task_resolved = Some(true);
    f.task_started_at =
        links.iter().filter_map(|(t, ..)| t.started_at_lo.or(t.started_at_hi)).min();
    let running = links.iter().any(|(t, ..)| is_running(t, ix.as_of));
    let ends: Vec<Option<Time>> = links.iter().map(|(t, ..)| usable_end(t)).collect();
    f.task_running = Some(running);
    f.task_state = Some(first.state);
    if !running && ends.iter().all(Option::is_some) {
        f.task_ended_at = ends.into_iter().flatten().max();
    } else if !running {
        let inverted = links.iter().any(|(t, ..)| is_inverted(t));
        f.task_unknown = Some(text(if inverted { "interval_inverted" } else { "end_unknown" }));
    }
    f.lead_s = f.task_started_at.zip(f.started_at).map(|(t, s)| t.secs_since(s));
    for (t, ..) in &links {
        f.refs.push(evidence_ref(&t.source_id, &t.source_ref));
    }
}

/// The record says that the task ended before it began (section 4.1): a fault of the task source,
/// which the coverage counts; nothing is derived from such an end.
#[must_use]
pub fn is_inverted(t: &Task) -> bool {
    t.ended_at_hi.or(t.ended_at_lo).zip(t.started_at_lo).is_some_and(|(end, start)| end < start)
}

fn usable_end(t: &Task) -> Option<Time> {
    t.ended_at_hi.or(t.ended_at_lo).filter(|_| !is_inverted(t))
}

fn unresolved(ix: &Index<'_>, profile: &Profile, g: &Grant, f: &mut GrantFact) {
    let recorded = f.task_ref.is_some();
    let reason = if !recorded && !profile.system(&g.system).task {
        // The ledger has no such field at all: a limit of the source, stated in the coverage.
        Some("field_not_recorded")
    } else if recorded && !ix.has_layer(Layer::Task) {
        Some("no_source")
    } else if recorded && f.started_at.and_then(|t| ix.covers(Layer::Task, t)) == Some(false) {
        Some("out_of_window")
    } else {
        None
    };
    f.task_resolved = reason.is_none().then_some(false);
    f.task_unknown = Some(text(reason.unwrap_or("no_task_link")));
}

/// Whether a task runs at an instant. Waiting and queued are not running.
#[must_use]
pub fn is_running(t: &Task, at: Time) -> bool {
    let begun = t.started_at_lo.is_some_and(|s| s <= at);
    let ended = t.ended_at_hi.or(t.ended_at_lo).is_some_and(|e| e <= at);
    // Neither an end nor a state that is known: it may have ended long ago.
    let open = t.ended_at_hi.or(t.ended_at_lo).is_some() || t.state == TaskState::Running;
    begun && !ended && open
}

type Link<'a> = (&'a Task, LinkKind, Confidence);

/// Tasks of a grant, strongest link first. A reference that resolves is exact; a ticket id found in
/// free text is strong only because that ticket exists in a task source.
fn find<'a>(ix: &Index<'a>, g: &Grant) -> Vec<Link<'a>> {
    let mut out: Vec<Link<'a>> = Vec::new();
    let mut add = |task: Option<&'a Task>, kind: LinkKind, confidence: Confidence| {
        if let Some(t) = task
            && !out.iter().any(|(have, ..)| have.task_id == t.task_id)
        {
            out.push((t, kind, confidence));
        }
    };
    for id in split_refs(g.task_ref.as_deref()) {
        let task = ix.task(id);
        let kind = match task.map(|t| t.kind) {
            Some(TaskKind::Ticket | TaskKind::ChangeWindow) => LinkKind::TicketField,
            _ => LinkKind::NativeId,
        };
        add(task, kind, Confidence::Exact);
    }
    for id in split_refs(g.ticket_id.as_deref()) {
        add(ix.task(id), LinkKind::TicketField, Confidence::Exact);
    }
    if out.is_empty() {
        for id in ticket_ids(g.justification.as_deref().unwrap_or("")) {
            if let Some(t) = ix.task(id)
                && !out.iter().any(|(have, ..)| have.task_id == t.task_id)
            {
                out.push((t, LinkKind::TicketText, Confidence::Strong));
            }
        }
    }
    out
}

fn split_refs(refs: Option<&str>) -> impl Iterator<Item = &str> {
    refs.into_iter().flat_map(|s| s.split([',', ';'])).map(str::trim).filter(|s| !s.is_empty())
}

/// Ticket ids in free text: `ABC-123` forms and `INC0012345` forms (section 9, default patterns).
fn ticket_ids(s: &str) -> impl Iterator<Item = &str> {
    s.split(|c: char| !(c.is_ascii_alphanumeric() || c == '-')).filter(|w| looks_like_ticket(w))
}

fn looks_like_ticket(w: &str) -> bool {
    if let Some((key, number)) = w.split_once('-') {
        let key_ok = (2..=10).contains(&key.len())
            && key.starts_with(|c: char| c.is_ascii_uppercase())
            && key.bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit());
        return key_ok
            && (1..=7).contains(&number.len())
            && number.bytes().all(|b| b.is_ascii_digit());
    }
    ["INC", "CHG", "RITM", "REQ", "TASK"].iter().any(|p| {
        w.strip_prefix(p)
            .is_some_and(|n| (7..=10).contains(&n.len()) && n.bytes().all(|b| b.is_ascii_digit()))
    })
}

/// Overstay at the three ends, lower and upper bounds. State is added later, when it is known.
pub fn overstay(ix: &Index<'_>, f: &mut GrantFact) {
    if !f.effective || f.interval_inverted {
        return;
    }
    if f.task_running == Some(true) {
        // Work goes on: no excess yet, whatever the end.
        f.overstay_ledger_s = Some(0);
        f.overstay_s = Some(0);
        f.overstay_hi_s = Some(0);
        return;
    }
    let Some(task_end) = f.task_ended_at else { return };
    // Without a recorded end the excess so far is a lower bound; a future end has not happened yet.
    let end_lo = f.ended_at.map_or(ix.as_of, |e| e.min(ix.as_of));
    f.overstay_ledger_s = Some(end_lo.secs_since(task_end));
    f.overstay_credential_s = f.residual_until.map(|r| r.min(ix.as_of).secs_since(task_end));
    bounds(f, task_end, ix.as_of);
}

/// Largest of the known bounds.
pub fn bounds(f: &mut GrantFact, task_end: Time, as_of: Time) {
    f.overstay_s = [f.overstay_ledger_s, f.overstay_state_s, f.overstay_credential_s]
        .into_iter()
        .flatten()
        .max();
    // After a failed removal access may go on to this day.
    let failed =
        (f.end_kind == EndKind::FailedToRevoke && f.ended_at_hi.is_none()).then_some(as_of);
    let hi = f.ended_at_hi.or(failed).or(f.ended_at).map(|e| e.secs_since(task_end));
    let residual = f.residual_until.map(|r| r.secs_since(task_end));
    f.overstay_hi_s = [f.overstay_s, hi, residual].into_iter().flatten().max();
}

/// Rows of `task_links` for the bundle.
#[must_use]
pub fn links(facts: &[GrantFact]) -> Vec<TaskLink> {
    facts
        .iter()
        .filter_map(|f| {
            Some(TaskLink {
                grant_id: f.grant_id.clone(),
                system: f.system.clone(),
                task_id: f.task_id.clone()?,
                link_kind: f.link_kind?,
                confidence: f.link_confidence?,
                evidence: f.task_ref.clone().unwrap_or_else(|| text("justification")),
            })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticket_patterns() {
        let found: Vec<&str> =
            ticket_ids("see OPS-123, INC0012345 and x-1; CHG12 or A-1 do not count").collect();
        assert_eq!(found, ["OPS-123", "INC0012345"]);
    }

    #[test]
    fn waiting_is_not_running() {
        let at = Time::from_secs(100);
        let mut t = Task {
            started_at_lo: Some(Time::from_secs(10)),
            state: TaskState::Waiting,
            ..Task::default()
        };
        assert!(!is_running(&t, at));
        t.state = TaskState::Running;
        assert!(is_running(&t, at));
        t.ended_at_lo = Some(at);
        assert!(!is_running(&t, at), "half-open: not running at its end");
    }
}
