//! Apache Airflow: DAG runs and task instances, as the REST API and the command line list them.
//!
//! A task instance that is `deferred` or `up_for_reschedule` has begun and has given its slot back:
//! it waits. `upstream_failed` never ran. The export holds the last try of a task instance.

use serde_json::Value;

use super::document::{Sink, TaskFormat, at, first_word, need, word};
use crate::facts::{Task, TaskKind, TaskState, Text, text};
use crate::ingest::source::Probe;

/// The format.
pub static FORMAT: TaskFormat = TaskFormat {
    format: "airflow",
    title: "Airflow DAG runs and task instances (REST, command line)",
    recognise,
    lists: &["dag_runs", "task_instances"],
    record,
};

fn recognise(p: &Probe<'_>) -> bool {
    p.has(&["dag_runs"])
        || p.has(&["task_instances"])
        || p.has(&["dag_id", "run_id", "state"])
        || p.has(&["dag_id", "dag_run_id", "state"])
        || p.has(&["dag_id", "task_id", "state", "start_date"])
}

fn record(r: &Value, sink: &mut Sink) -> Result<bool, String> {
    let dag = need(r, "dag_id")?;
    let run = first_word(r, &["dag_run_id", "run_id", "logical_date", "execution_date"])
        .ok_or("`dag_run_id` is missing")?;
    let instance = word(r, "task_id");
    let state = state(word(r, "state").as_deref());
    let queued_at = sink.time(r, "queued_at")?.or(sink.time(r, "queued_when")?);
    let started = sink.time(r, "start_date")?;
    let ended = sink.time(r, "end_date")?;
    // A run that waits in the queue after it was cleared still shows the start of its last time.
    let began = !matches!(state, TaskState::Queued | TaskState::Skipped);
    let over = matches!(state, TaskState::Succeeded | TaskState::Failed);
    let run_id = format!("{dag}/{run}");
    let tries = word(r, "try_number").and_then(|n| n.parse::<u32>().ok()).unwrap_or(1);
    let base = instance.as_ref().map(|task| match word(r, "map_index").as_deref() {
        None | Some("-1") => format!("{run_id}/{task}"),
        Some(i) => format!("{run_id}/{task}[{i}]"),
    });
    let task_id = match (&base, tries) {
        (Some(base), n) if n > 1 => format!("{base}#{n}"),
        (Some(base), _) => base.clone(),
        (None, _) => run_id.clone(),
    };
    let mut other_ids: Vec<Text> = base.iter().map(text).collect();
    if instance.is_none() {
        other_ids.push(text(&run));
    }
    sink.task(Task {
        task_id: text(task_id),
        parent_id: instance.is_some().then(|| text(&run_id)),
        system: text("airflow"),
        kind: if instance.is_some() { TaskKind::CiJob } else { TaskKind::Workflow },
        queued_at,
        started_at_lo: started.filter(|_| began),
        started_at_hi: started.filter(|_| began),
        ended_at_lo: ended.filter(|_| over),
        ended_at_hi: ended.filter(|_| over),
        state,
        triggered_by: first_word(r, &["triggering_user_name"]).map(text),
        declared_needs: needs(r),
        other_ids,
        title: Some(text(instance.unwrap_or(dag))),
        ..Task::default()
    });
    Ok(true)
}

/// Privileges that the run's configuration declares under `needs`; a list of texts, nothing else.
fn needs(r: &Value) -> Option<Vec<Text>> {
    let list = at(r, "conf.needs")?.as_array()?;
    Some(list.iter().filter_map(Value::as_str).map(text).collect())
}

fn state(word: Option<&str>) -> TaskState {
    match word {
        Some("queued" | "scheduled" | "none") | None => TaskState::Queued,
        Some("running" | "restarting" | "shutdown") => TaskState::Running,
        Some("deferred" | "up_for_reschedule" | "up_for_retry") => TaskState::Waiting,
        Some("success") => TaskState::Succeeded,
        Some("failed") => TaskState::Failed,
        Some("skipped" | "upstream_failed" | "removed") => TaskState::Skipped,
        Some(_) => TaskState::Unknown,
    }
}
