//! ServiceNow tasks: incidents, changes, requests, as the Table API and JSON exports write them.
//!
//! Values may be plain or pairs of value and display value; the value counts. Its times are UTC
//! although they have no zone; plain times beside words instead of numbers as states are in the zone
//! of whoever exported them, and are counted as ambiguous. A change runs between `work_start` and
//! `work_end`; `start_date` and `end_date` are its window.

use serde_json::Value;

use super::document::{Sink, TaskFormat, at, head_has, word};
use crate::facts::time::parse_time;
use crate::facts::{Task, TaskKind, TaskState, Text, Time, text};
use crate::ingest::source::Probe;

/// The format.
pub static FORMAT: TaskFormat = TaskFormat {
    format: "servicenow",
    title: "ServiceNow incidents, changes and requests (Table API, JSON export)",
    recognise,
    lists: &["result", "records"],
    record,
};

fn recognise(p: &Probe<'_>) -> bool {
    let page = (p.has(&["result"]) || p.has(&["records"]))
        && head_has(p, "\"sys_id\"")
        && head_has(p, "\"number\"");
    page || p.has(&["sys_id", "number", "state"])
}

/// Value of a field, whatever its form.
fn field(r: &Value, key: &str) -> Option<String> {
    match at(r, key)? {
        Value::Object(_) => word(r, &format!("{key}.value")),
        _ => word(r, key),
    }
}

/// What a field shows, for names of people and things.
fn shown(r: &Value, key: &str) -> Option<String> {
    word(r, &format!("{key}.display_value")).or_else(|| field(r, key))
}

/// A field with a time.
fn time(r: &Value, key: &str, local: bool, sink: &mut Sink) -> Result<Option<Time>, String> {
    let Some(value) = field(r, key) else { return Ok(None) };
    let parsed = parse_time(&value)
        .map_err(|e| format!("`{key}` is `{}`: {e}", crate::ingest::table::short(&value)))?;
    sink.see(parsed.map(|p| p.lo));
    if local && parsed.is_some_and(|p| p.zoneless) {
        sink.zoneless(1);
    }
    Ok(parsed.map(|p| p.lo))
}

/// Kind of a record by its class, else by the letters in front of its number.
fn table(r: &Value, number: &str) -> Option<&'static str> {
    let class =
        field(r, "sys_class_name").unwrap_or_default().to_ascii_lowercase().replace(' ', "_");
    let letters = number.trim_end_matches(|c: char| c.is_ascii_digit());
    Some(match (class.as_str(), letters) {
        ("incident", _) | (_, "INC") => "incident",
        ("change_request", _) | (_, "CHG") => "change",
        ("change_task" | "sc_task" | "sc_req_item" | "sc_request" | "problem" | "task", _)
        | (_, "CTASK" | "SCTASK" | "RITM" | "REQ" | "PRB" | "TASK") => "task",
        _ => return None,
    })
}

fn record(r: &Value, sink: &mut Sink) -> Result<bool, String> {
    let Some(number) = field(r, "number") else {
        return Err("`number` is missing".to_owned());
    };
    let Some(table) = table(r, &number) else { return Ok(false) };
    let raw_state = field(r, "state").or_else(|| field(r, "incident_state")).unwrap_or_default();
    // Numbers as states show that the raw values were exported.
    let local = raw_state.parse::<i64>().is_err();
    let held = field(r, "on_hold").as_deref() == Some("true");
    let state = match state(table, &raw_state) {
        TaskState::Running if held => TaskState::Waiting,
        state => state,
    };
    let mut get = |key: &str| time(r, key, local, sink);
    let (opened, created) = (get("opened_at")?, get("sys_created_on")?);
    let (work_start, work_end) = (get("work_start")?, get("work_end")?);
    let (resolved, closed) = (get("resolved_at")?, get("closed_at")?);
    let (window_start, window_end) = (get("start_date")?, get("end_date")?);
    let begun = !matches!(state, TaskState::Queued | TaskState::Skipped);
    let started = match table {
        "change" => work_start.or(window_start),
        _ => work_start.or(opened).or(created),
    }
    .filter(|_| begun);
    let over = matches!(state, TaskState::Succeeded | TaskState::Failed | TaskState::Canceled);
    let hi = work_end.or(resolved).or(closed).filter(|_| over);
    // Closed later than the window ended, without a record of the work: over in between.
    let in_window = window_end.filter(|w| {
        work_end.is_none() && resolved.is_none() && Some(*w) < hi && started.is_none_or(|s| *w >= s)
    });
    // A dot-walked address is a key with a dot; else what the field shows.
    let email =
        |key: &str| r.get(format!("{key}.email")).and_then(Value::as_str).map(str::to_owned);
    let person = |keys: &[&str]| keys.iter().find_map(|k| email(k).or_else(|| shown(r, k)));
    sink.task(Task {
        task_id: text(&number),
        parent_id: field(r, "change_request").or_else(|| field(r, "parent")).map(text),
        system: text("servicenow"),
        kind: if table == "change" { TaskKind::ChangeWindow } else { TaskKind::Ticket },
        queued_at: opened.or(created),
        started_at_lo: started,
        started_at_hi: started,
        ended_at_lo: in_window.filter(|_| over).or(hi),
        ended_at_hi: hi,
        state,
        principal: person(&["assigned_to"]).map(text),
        triggered_by: person(&["requested_by", "caller_id", "opened_by"]).map(text),
        target: shown(r, "cmdb_ci").map(text),
        other_ids: field(r, "sys_id").into_iter().map(text).collect::<Vec<Text>>(),
        title: field(r, "short_description").map(text),
        ..Task::default()
    });
    Ok(true)
}

/// States are numbers as texts, with another meaning per table; exports with display values have words.
fn state(table: &str, raw: &str) -> TaskState {
    let word = raw.to_ascii_lowercase();
    match (table, word.as_str()) {
        ("change", "-5" | "-2") | ("incident" | "task", "1") => TaskState::Queued,
        ("change", "-4" | "-3") | ("incident", "3") | ("task", "-5") => TaskState::Waiting,
        ("change", "-1" | "0") | ("incident" | "task", "2") => TaskState::Running,
        ("change" | "task", "3") | ("incident", "6" | "7") => TaskState::Succeeded,
        ("change", "4") | ("incident", "8") => TaskState::Canceled,
        ("task", "4") => TaskState::Failed,
        ("task", "7") => TaskState::Skipped,
        (_, "new" | "open" | "scheduled") => TaskState::Queued,
        (_, "assess" | "authorize" | "on hold" | "pending") => TaskState::Waiting,
        (_, "in progress" | "work in progress" | "implement" | "review") => TaskState::Running,
        (_, "resolved" | "closed" | "closed complete") => TaskState::Succeeded,
        (_, "closed incomplete") => TaskState::Failed,
        (_, "closed skipped") => TaskState::Skipped,
        (_, "canceled" | "cancelled") => TaskState::Canceled,
        _ => TaskState::Unknown,
    }
}
