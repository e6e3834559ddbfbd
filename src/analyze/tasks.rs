//! Links of grants to tasks, and overstay: how long access outlived the work.
//!
//! Specification: grants model, section 5 (metric 1) and section 9. The metric
//! counts from the end of the task, also where access began after it.

use std::collections::{BTreeSet, HashMap};

use super::grants::Profile;
use super::index::{Index, TaskRef};
use crate::facts::store::evidence_ref;
use crate::facts::{
    Confidence, EndKind, Grant, GrantFact, Layer, LinkKind, Task, TaskKind, TaskLink, TaskState,
    Text, Time, text,
};
use crate::privilege::glob;

/// Links the grant to its tasks and fills the task columns.
pub fn link(ix: &Index<'_>, profile: &Profile, g: &Grant, f: &mut GrantFact) {
    f.task_ref = g.task_ref.clone().or_else(|| g.ticket_id.clone());
    let found = find(ix, g);
    if f.task_ref.is_none() {
        f.task_ref = found.named.map(text);
    }
    let mut ids: BTreeSet<&str> = found.links.iter().map(|l| &*l.task.task_id).collect();
    for u in ix.usage_of_grant(g) {
        if let Some(t) = &u.task_id {
            ids.insert(ix.task(t).map_or(&**t, |task| &task.task_id));
        }
    }
    // What the grant itself names it was given for, be it a run and its ticket: one work.
    let named: BTreeSet<&str> =
        found.links.iter().filter(|l| l.is_named()).map(|l| &*l.task.task_id).collect();
    let one = usize::from(!named.is_empty());
    f.n_tasks = (ids.difference(&named).count() + one) as i64;
    let Some(first) = found.links.first() else {
        unresolved(ix, profile, g, f);
        if found.ambiguous.is_empty() {
            candidates(ix, f);
        } else {
            ambiguous(&found.ambiguous, f);
        }
        if let Some(ticket) = found.written.filter(|_| f.link_kind.is_none()) {
            // What the text calls a ticket and no source knows: weak, and it resolves nothing (section 9).
            f.link_kind = Some(LinkKind::TicketText);
            f.link_confidence = Some(Confidence::Weak);
            f.link_evidence = Some(text(ticket));
        }
        return;
    };
    let links = &found.links;
    f.task_id = Some(first.task.task_id.clone());
    f.link_kind = Some(first.kind);
    f.link_confidence = Some(first.confidence);
    f.link_evidence = Some(text(first.evidence));
    f.task_resolved = Some(true);
    f.task_started_at =
        links.iter().filter_map(|l| l.task.started_at_lo.or(l.task.started_at_hi)).min();
    let running = links.iter().any(|l| is_running(l.task, ix.as_of));
    let ends: Vec<Option<Time>> = links.iter().map(|l| usable_end(l.task)).collect();
    f.task_running = Some(running);
    f.task_state = Some(first.task.state);
    if !running && ends.iter().all(Option::is_some) {
        f.task_ended_at = ends.into_iter().flatten().max();
        let ended = links.iter().map(|l| (usable_end(l.task), &l.task.task_id)).max();
        f.last_task_id = ended.filter(|_| links.len() > 1).map(|(_, id)| id.clone());
    } else if !running {
        let inverted = links.iter().any(|l| is_inverted(l.task));
        f.task_unknown = Some(text(if inverted { "interval_inverted" } else { "end_unknown" }));
    }
    f.lead_s = f.task_started_at.zip(f.started_at).map(|(t, s)| t.secs_since(s));
    for l in links {
        f.refs.push(evidence_ref(&l.task.source_id, &l.task.source_ref));
    }
}

/// Whether a task is a ticket: of those, and not of runs, a grant has one that exists.
#[must_use]
pub fn is_ticket(t: &Task) -> bool {
    matches!(t.kind, TaskKind::Ticket | TaskKind::ChangeWindow)
}

/// Whether the record of a grant names a ticket, and whether that exists in the inputs; null where nobody looked
/// at its time, or several are meant.
#[must_use]
pub fn has_ticket(ix: &Index<'_>, g: &Grant, f: &GrantFact) -> (bool, Option<bool>) {
    let mut found = find(ix, g);
    if !found.links.is_empty() {
        // A grant of a run may name its ticket in the reason, too.
        by_text(ix, g, &mut found);
    }
    let named = g.ticket_id.is_some() || found.written.is_some() || found.named.is_some();
    if found.links.iter().any(|l| is_ticket(l.task)) {
        return (named, Some(true));
    }
    let at = f.requested_at.or(f.started_at);
    let outside = at.and_then(|t| ix.covers(Layer::Task, t)) == Some(false);
    let open = named && (outside || found.ambiguous.iter().any(|t| is_ticket(t)));
    (named, (!open).then_some(false))
}

/// The reference fits tasks of several works: it is named as such, and none of them is taken.
fn ambiguous(tasks: &[&Task], f: &mut GrantFact) {
    f.task_resolved = None;
    f.task_unknown = Some(text("ambiguous_task"));
    name_candidates(tasks, f);
}

fn name_candidates(tasks: &[&Task], f: &mut GrantFact) {
    let named: BTreeSet<String> =
        tasks.iter().take(MAX_CANDIDATES).map(|t| format!("{}:{}", t.system, t.task_id)).collect();
    f.task_candidates = named.into_iter().map(text).collect();
}

/// Candidates named per grant.
const MAX_CANDIDATES: usize = 12;

/// Nothing names a task: those of the beneficiary that ran meanwhile are candidates. Such a link is weak:
/// the grant goes on counting as one without a task, and an excess over all of them is possible only.
fn candidates(ix: &Index<'_>, f: &mut GrantFact) {
    let Some(start) = f.started_at.filter(|_| f.effective) else { return };
    let end = f.ended_at.map_or(ix.as_of, |e| e.min(ix.as_of));
    let tasks: Vec<&Task> = ix.tasks_of_principal(&f.principal_id, start, end).collect();
    if tasks.is_empty() {
        return;
    }
    name_candidates(&tasks, f);
    f.link_kind = Some(LinkKind::TimeOverlap);
    f.link_confidence = Some(Confidence::Weak);
    let ends: Option<Vec<Time>> = tasks.iter().map(|t| usable_end(t)).collect();
    f.candidate_ended_at = ends.and_then(|ends| ends.into_iter().max());
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

/// A link of a grant to a task.
#[derive(Clone, Copy, Debug)]
struct Link<'a> {
    task: &'a Task,
    kind: LinkKind,
    confidence: Confidence,
    /// The text that links.
    evidence: &'a str,
}

impl Link<'_> {
    /// The grant's own record refers to the task.
    fn is_named(&self) -> bool {
        matches!(self.kind, LinkKind::NativeId | LinkKind::TicketField)
    }
}

/// What the references of a grant lead to.
#[derive(Default)]
struct Found<'a> {
    /// Strongest first.
    links: Vec<Link<'a>>,
    /// Tasks of which one is meant.
    ambiguous: Vec<&'a Task>,
    /// Ticket that the text names by a pattern of the settings, whether it exists or not.
    named: Option<&'a str>,
    /// First word of the text in one of the usual forms of tickets, whether it exists or not.
    written: Option<&'a str>,
}

impl<'a> Found<'a> {
    fn take(
        &mut self,
        tasks: TaskRef<'a>,
        kind: LinkKind,
        confidence: Confidence,
        evidence: &'a str,
    ) {
        let tasks = match tasks {
            TaskRef::Nothing => return,
            TaskRef::These(tasks) => tasks,
            // All work of one trace is one piece of work.
            TaskRef::Ambiguous(tasks)
                if kind == LinkKind::TraceId && tasks.iter().all(|t| &*t.system == "otel") =>
            {
                tasks
            }
            TaskRef::Ambiguous(tasks) => {
                self.ambiguous.extend(tasks);
                return;
            }
        };
        for task in tasks {
            if !self.links.iter().any(|l| std::ptr::eq(l.task, task)) {
                self.links.push(Link { task, kind, confidence, evidence });
            }
        }
    }
}

/// Tasks of a grant, strongest link first (section 9). A reference of the ledger that resolves and a claim
/// that an issuer signed are exact; tags, annotations, traces and session names are set by whoever asked,
/// and a ticket in free text is strong only because it exists in a task source.
fn find<'a>(ix: &Index<'a>, g: &'a Grant) -> Found<'a> {
    let mut out = Found::default();
    for id in split_refs(g.task_ref.as_deref()) {
        let tasks = ix.resolve_task(id, None);
        let ticket = match &tasks {
            TaskRef::These(list) => list.first().is_some_and(|t| is_ticket(t)),
            _ => false,
        };
        let kind = if ticket { LinkKind::TicketField } else { LinkKind::NativeId };
        out.take(tasks, kind, Confidence::Exact, id);
    }
    for id in split_refs(g.ticket_id.as_deref()) {
        let tasks = ix.resolve_task(id, g.ticket_system.as_deref());
        out.take(tasks, LinkKind::TicketField, Confidence::Exact, id);
    }
    for hint in &g.task_hints {
        follow(ix, hint, &mut out);
    }
    if out.links.is_empty() {
        let hinted = g.task_hints.iter().filter_map(|h| h.strip_prefix("session_name:"));
        for name in hinted.chain(session_of(g)) {
            by_session_name(ix, name, &mut out);
        }
    }
    if out.links.is_empty() {
        by_text(ix, g, &mut out);
    }
    out
}

/// Follows what came with the access: `kind:value`, where a tag or a claim is `key=value` in turn.
fn follow<'a>(ix: &Index<'a>, hint: &'a str, out: &mut Found<'a>) {
    let Some((kind, value)) = hint.split_once(':') else { return };
    let (kind, confidence) = match kind {
        "session_tag" => (LinkKind::SessionTag, Confidence::Strong),
        "oidc_claim" => (LinkKind::OidcClaim, Confidence::Exact),
        "annotation" => (LinkKind::Annotation, Confidence::Strong),
        "trace_id" => (LinkKind::TraceId, Confidence::Strong),
        _ => return,
    };
    let (key, value) = value.split_once('=').map_or((None, value), |(k, v)| (Some(k), v));
    let value = value.trim();
    if !may_name_work(kind, key, value) {
        return;
    }
    // A traceparent holds the trace between its version and the span.
    let trace = (kind == LinkKind::TraceId).then(|| value.split('-').nth(1)).flatten();
    for id in [Some(value), trace].into_iter().flatten() {
        out.take(ix.resolve_task(id, None), kind, confidence, hint);
    }
}

/// Names by which a grant of a flat ledger may refer to tasks, whether they are there or not: its
/// reference and its ticket, with and without a system in front of it, its session and the tickets of its
/// reason.
pub fn referred(g: &Grant) -> impl Iterator<Item = &str> {
    let refs = split_refs(g.task_ref.as_deref()).chain(split_refs(g.ticket_id.as_deref()));
    let behind = |id| std::iter::successors(Some(id), |id: &&str| Some(id.split_once(':')?.1));
    let refs = refs.flat_map(move |id| behind(id).take(MAX_SYSTEMS));
    let reason = g.justification.as_deref().unwrap_or("");
    let session = session_of(g).into_iter().flat_map(session_words);
    refs.chain(session).chain(ticket_ids(reason)).chain(issue_numbers(reason))
}

/// Names of systems that are looked for in front of a task.
const MAX_SYSTEMS: usize = 4;

/// Session in the name of an assumed role.
fn session_of(g: &Grant) -> Option<&str> {
    let (_, rest) = g.beneficiary.split_once(":assumed-role/")?;
    Some(rest.split_once('/')?.1)
}

/// What of a session name may be the id of a task.
fn session_words(name: &str) -> impl Iterator<Item = &str> {
    let parts = name.split(['@', '=', ',', '.', '_', '/', '+']);
    let pieces = name.split(|c: char| !c.is_ascii_alphanumeric());
    std::iter::once(name).chain(parts).chain(pieces).filter(|w| is_numbered(w))
}

/// Whether what came with the access may name a task. A claim does by its key only: the other claims of a
/// token count attempts, name repositories and people. Tags and annotations have any key; under one that
/// speaks of no work, a value must look like an id, since a small number is one of some ticket by chance.
fn may_name_work(kind: LinkKind, key: Option<&str>, value: &str) -> bool {
    match (kind, key) {
        (LinkKind::TraceId, _) => true,
        (_, Some(key)) if names_work(key) => true,
        (LinkKind::OidcClaim, Some(_)) => false,
        (_, Some(_)) => is_numbered(value) || looks_like_ticket(value),
        (_, None) => value.len() >= MIN_SESSION_ID || !value.bytes().all(|b| b.is_ascii_digit()),
    }
}

/// Words of a key under which the id of a piece of work stands (`run_id`, `ci-job`, `ticketId`).
const WORK: [&str; 18] = [
    "run",
    "job",
    "pipeline",
    "build",
    "task",
    "ticket",
    "issue",
    "change",
    "chg",
    "incident",
    "inc",
    "case",
    "request",
    "execution",
    "story",
    "workitem",
    "trace",
    "jira",
];

/// Words of a key that is about work and does not hold its id (`run_attempt`, `job_workflow_ref`).
const NO_ID: [&str; 9] =
    ["attempt", "attempts", "count", "ref", "sha", "name", "environment", "status", "type"];

fn names_work(key: &str) -> bool {
    let mut words: Vec<String> = Vec::new();
    let mut before = '_';
    for c in key.chars().take(MAX_TICKET) {
        let cut = !c.is_alphanumeric() || (c.is_uppercase() && before.is_lowercase());
        if cut || words.is_empty() {
            words.push(String::new());
        }
        if let (true, Some(word)) = (c.is_alphanumeric(), words.last_mut()) {
            word.extend(c.to_lowercase());
        }
        before = c;
    }
    let has = |list: &[&str]| words.iter().any(|w| list.contains(&w.trim_end_matches("id")));
    // The number of a run counts runs, that of a ticket is its id.
    let counts = has(&["number"]) && has(&["run", "job", "pipeline", "build"]);
    has(&WORK) && !has(&NO_ID) && !counts
}

/// Long enough for an id, and with a digit.
fn is_numbered(word: &str) -> bool {
    word.len() >= MIN_SESSION_ID && word.bytes().any(|b| b.is_ascii_digit())
}

/// Shortest part of a session name that is taken for the id of a task: `deploy-42` names no run.
const MIN_SESSION_ID: usize = 6;

/// A session name that is a task's id, or has one between its separators.
fn by_session_name<'a>(ix: &Index<'a>, name: &'a str, out: &mut Found<'a>) {
    for word in session_words(name) {
        out.take(ix.resolve_task(word, None), LinkKind::SessionName, Confidence::Strong, word);
        if !out.links.is_empty() {
            return;
        }
    }
}

/// Tickets in the reason, by the usual forms and the patterns of the settings.
fn by_text<'a>(ix: &Index<'a>, g: &'a Grant, out: &mut Found<'a>) {
    let reason = g.justification.as_deref().unwrap_or("");
    for id in ticket_ids(reason) {
        out.written = out.written.or(Some(id));
        let tasks = ix.resolve_task(id, None);
        out.take(tasks, LinkKind::TicketText, Confidence::Strong, id);
    }
    for number in issue_numbers(reason) {
        // A bare number is a ticket only where a ticket has it as its own id.
        if let TaskRef::These(tasks) = ix.resolve_task(number, None)
            && tasks.iter().all(|t| t.kind == TaskKind::Ticket && *t.task_id == *number)
        {
            out.take(TaskRef::These(tasks), LinkKind::TicketText, Confidence::Strong, number);
        }
    }
    let patterns = &ix.settings.ticket_patterns;
    if patterns.is_empty() {
        return;
    }
    for word in reason.split_whitespace().take(MAX_WORDS) {
        let word = word.trim_matches(|c: char| !(c.is_alphanumeric() || c == '#'));
        if word.len() <= MAX_TICKET && patterns.iter().any(|p| glob::matches(p, word)) {
            out.named = out.named.or(Some(word));
            out.take(ix.resolve_task(word, None), LinkKind::TicketText, Confidence::Strong, word);
        }
    }
}

/// Words of a reason that are looked at.
const MAX_WORDS: usize = 1024;

/// Longest ticket id, bytes.
const MAX_TICKET: usize = 64;

/// `#123` at the start of a word.
pub fn issue_numbers(s: &str) -> impl Iterator<Item = &str> {
    s.split_whitespace().filter_map(|w| {
        let n = w.strip_prefix('#')?.trim_end_matches([',', '.', ';', ':', ')']);
        ((1..=9).contains(&n.len()) && n.bytes().all(|b| b.is_ascii_digit())).then_some(n)
    })
}

fn split_refs(refs: Option<&str>) -> impl Iterator<Item = &str> {
    refs.into_iter().flat_map(|s| s.split([',', ';'])).map(str::trim).filter(|s| !s.is_empty())
}

/// Ticket ids in free text: `ABC-123` forms and `INC0012345` forms (section 9, default patterns).
pub fn ticket_ids(s: &str) -> impl Iterator<Item = &str> {
    // What is no ASCII parts words, so words are found byte by byte.
    s.as_bytes()
        .split(|c| !(c.is_ascii_alphanumeric() || *c == b'-'))
        .filter(|w| w.first().is_some_and(u8::is_ascii_uppercase))
        .filter_map(|w| std::str::from_utf8(w).ok())
        .filter(|w| looks_like_ticket(w))
}

/// Of a word that begins with a capital.
fn looks_like_ticket(w: &str) -> bool {
    if let Some((key, number)) = w.split_once('-') {
        let key_ok = (2..=10).contains(&key.len())
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
    // Of a grant that is known to go on, or whose removal failed, the excess so far is a lower bound; a future
    // end has not happened yet. An end that nobody recorded says nothing.
    let goes_on = f.active_now == Some(true) || f.end_kind == EndKind::FailedToRevoke;
    let end_lo = f.ended_at.or(goes_on.then_some(ix.as_of)).map(|e| e.min(ix.as_of));
    let Some(task_end) = f.task_ended_at else {
        // Only candidates: whichever is meant, access went on after the last of them.
        f.overstay_hi_s = end_lo.zip(f.candidate_ended_at).map(|(e, t)| e.secs_since(t));
        return;
    };
    f.overstay_ledger_s = end_lo.map(|e| e.secs_since(task_end));
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

/// Rows of `task_links` for the bundle: the links of a grant (of a trace, which is one piece of work, the
/// first), else the candidates that clear nothing.
#[must_use]
pub fn links(ix: &Index<'_>, facts: &[GrantFact]) -> Vec<TaskLink> {
    // Grants with several references; most have one, whose link is in the facts.
    let several: HashMap<(&str, &str), &Grant> = ix
        .facts
        .grants
        .iter()
        .filter(|g| {
            let fields = [&g.task_ref, &g.ticket_id];
            let refs: usize = fields.map(|r| split_refs(r.as_deref()).count()).iter().sum();
            refs + g.task_hints.len() > 1
        })
        .map(|g| ((&*g.system, &*g.grant_id), g))
        .collect();
    let mut out = Vec::new();
    for f in facts {
        let link = |task_id: Text, kind, confidence, evidence| TaskLink {
            grant_id: f.grant_id.clone(),
            system: f.system.clone(),
            task_id,
            link_kind: kind,
            confidence,
            evidence,
        };
        if let (Some(id), Some(kind), Some(confidence)) =
            (&f.task_id, f.link_kind, f.link_confidence)
        {
            let evidence = f.link_evidence.clone().or_else(|| f.task_ref.clone());
            let evidence = evidence.unwrap_or_else(|| text("justification"));
            out.push(link(id.clone(), kind, confidence, evidence));
            if let Some(g) = several.get(&(&*f.system, &*f.grant_id)) {
                let more = find(ix, g).links.into_iter().skip(1);
                out.extend(
                    more.filter(|l| l.kind != LinkKind::TraceId).map(|l| {
                        link(l.task.task_id.clone(), l.kind, l.confidence, text(l.evidence))
                    }),
                );
            }
        }
        let overlap = f.link_kind == Some(LinkKind::TimeOverlap);
        let (kind, why) = if overlap {
            (LinkKind::TimeOverlap, "ran at the same time")
        } else {
            (LinkKind::NativeId, "one of several tasks with this id")
        };
        for candidate in &f.task_candidates {
            let id = candidate.split_once(':').map_or(&**candidate, |(_, id)| id);
            out.push(link(text(id), kind, Confidence::Weak, text(why)));
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticket_patterns() {
        let found: Vec<&str> =
            ticket_ids("see OPS-123, INC0012345 and x-1; CHG12 or A-1 do not count").collect();
        assert_eq!(found, ["OPS-123", "INC0012345"]);
        let numbers: Vec<&str> = issue_numbers("fix #12, see #7x and a#3 (#9)").collect();
        assert_eq!(numbers, ["12"]);
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
