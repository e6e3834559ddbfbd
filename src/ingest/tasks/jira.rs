//! Jira issues with their changelog: the search result, a single issue, and webhooks.
//!
//! Work begins at the first move of the issue into progress, else, without a changelog, when the
//! issue was created. It ends at `resolutiondate` while the status is in the category `done`: an issue
//! that was reopened is open, whatever it was resolved at before. A moved issue keeps its old key as
//! another name.

use serde_json::Value;

use super::document::{Sink, TaskFormat, address, at, first_word, head_has, list, need, word};
use crate::facts::{Task, TaskKind, TaskState, Text, Time, text};
use crate::ingest::source::Probe;

/// The format.
pub static FORMAT: TaskFormat = TaskFormat {
    format: "jira",
    title: "Jira issues with changelog (REST, webhooks)",
    recognise,
    lists: &["issues"],
    record,
};

fn recognise(p: &Probe<'_>) -> bool {
    let page = p.has(&["issues"])
        && ["startAt", "nextPageToken", "isLast", "total", "expand", "maxResults"]
            .iter()
            .any(|k| p.has(&[k]));
    // The keys behind a long list are not in the head.
    let long = p.has(&["issues"]) && head_has(p, "\"fields\"") && head_has(p, "\"key\"");
    page || long || p.has(&["webhookEvent", "issue"]) || p.has(&["key", "fields"])
}

fn record(r: &Value, sink: &mut Sink) -> Result<bool, String> {
    let issue = match at(r, "issue") {
        Some(issue) => issue,
        None if at(r, "webhookEvent").is_some() => return Ok(false),
        None => r,
    };
    let key = need(issue, "key")?;
    if at(issue, "fields").is_none() {
        return Err("`fields` is missing; export the issues with their fields".to_owned());
    }
    let moves = moves(issue, sink)?;
    let created = sink.time(issue, "fields.created")?;
    let resolved = sink.time(issue, "fields.resolutiondate")?;
    let status = word(issue, "fields.status.name").unwrap_or_default();
    let category = word(issue, "fields.status.statusCategory.key");
    let state = state(category.as_deref(), &status, word(issue, "fields.resolution.name"));
    let over = matches!(state, TaskState::Succeeded | TaskState::Canceled);
    let progressing = (category.as_deref() == Some("indeterminate")).then_some(status.as_str());
    let began = began(&moves, progressing, over);
    let started = match (began, moves.is_empty()) {
        (Some(t), _) => Some(t),
        // Without a changelog nobody knows when it was taken up; its creation is the bound.
        (None, true) => created,
        (None, false) => None,
    }
    .filter(|_| state != TaskState::Queued);
    let last_move = moves.iter().rev().find(|m| m.to.eq_ignore_ascii_case(&status)).map(|m| m.at);
    let ended = match resolved.or(last_move) {
        Some(t) => Some(t),
        None => sink.time(issue, "fields.statuscategorychangedate")?,
    }
    .filter(|_| over);
    let person = |field: &str| {
        let path = |k: &str| format!("fields.{field}.{k}");
        ["emailAddress", "accountId", "name"].iter().find_map(|k| word(issue, &path(k))).map(text)
    };
    sink.task(Task {
        task_id: text(&key),
        parent_id: word(issue, "fields.parent.key").map(text),
        system: text("jira"),
        kind: TaskKind::Ticket,
        queued_at: created,
        started_at_lo: started,
        started_at_hi: started,
        ended_at_lo: ended,
        ended_at_hi: ended,
        state,
        principal: person("assignee"),
        triggered_by: person("reporter"),
        target: first_word(issue, &["fields.environment"]).map(text),
        other_ids: names(issue, &key),
        title: word(issue, "fields.summary").map(text),
        ..Task::default()
    });
    Ok(true)
}

/// A change of the status.
struct Move {
    at: Time,
    from: String,
    to: String,
}

/// Changes of status in order of time.
fn moves(issue: &Value, sink: &mut Sink) -> Result<Vec<Move>, String> {
    let mut out = Vec::new();
    for h in list(issue, "changelog.histories") {
        for item in list(h, "items") {
            if word(item, "field").as_deref() != Some("status") {
                continue;
            }
            let at = sink.time(h, "created")?.ok_or("a change in the changelog has no time")?;
            out.push(Move {
                at,
                from: word(item, "fromString").unwrap_or_default(),
                to: word(item, "toString").unwrap_or_default(),
            });
        }
    }
    out.sort_by_key(|m| m.at);
    Ok(out)
}

/// First move into progress: into a status that is in progress by its name or by the issue's current
/// category; else the first move out of the status the issue was created in, unless that closed it.
fn began(moves: &[Move], progressing: Option<&str>, over: bool) -> Option<Time> {
    let into = |m: &&Move| {
        m.to.eq_ignore_ascii_case("in progress")
            || progressing.is_some_and(|p| m.to.eq_ignore_ascii_case(p))
    };
    if let Some(m) = moves.iter().find(into) {
        return Some(m.at);
    }
    let first = moves.first()?;
    // Straight from new to done: the only move is both.
    let only = over && moves.len() == 1;
    (!only || !first.from.is_empty()).then_some(first.at)
}

/// State by category; what waits for somebody does not run.
fn state(category: Option<&str>, status: &str, resolution: Option<String>) -> TaskState {
    let status = status.to_ascii_lowercase();
    let waits = ["waiting", "pending", "on hold", "blocked"].iter().any(|w| status.contains(w));
    let dropped = resolution.is_some_and(|r| {
        [
            "won't do",
            "won't fix",
            "declined",
            "duplicate",
            "cannot reproduce",
            "canceled",
            "cancelled",
        ]
        .iter()
        .any(|w| r.eq_ignore_ascii_case(w))
    });
    match category {
        Some("new") => TaskState::Queued,
        Some("indeterminate") if waits => TaskState::Waiting,
        Some("indeterminate") => TaskState::Running,
        Some("done") if dropped => TaskState::Canceled,
        Some("done") => TaskState::Succeeded,
        _ => TaskState::Unknown,
    }
}

/// Keys the issue had before it was moved, and its address.
fn names(issue: &Value, key: &str) -> Vec<Text> {
    let mut out = Vec::new();
    for h in list(issue, "changelog.histories") {
        for item in list(h, "items") {
            if word(item, "field").as_deref() == Some("Key") {
                out.extend(word(item, "fromString").map(text));
            }
        }
    }
    if let Some(site) = word(issue, "self").as_deref().and_then(|s| s.split_once("/rest/")) {
        out.push(text(format!("{}/browse/{key}", address(site.0))));
    }
    out
}
