//! CircleCI: pipelines, workflows and jobs as the API (v2) lists them, and webhooks.
//!
//! A job `on_hold` waits for an approval and does not run; a workflow `on_hold` has nothing running.
//! A workflow `failing` still runs.

use serde_json::Value;

use super::document::{Sink, TaskFormat, address, at, first_word, head_has, need, word};
use crate::facts::{Task, TaskKind, TaskState, Text, text};
use crate::ingest::source::Probe;

/// The format.
pub static FORMAT: TaskFormat = TaskFormat {
    format: "circleci",
    title: "CircleCI pipelines, workflows and jobs (API v2, webhooks)",
    recognise,
    lists: &["items"],
    record,
};

fn recognise(p: &Probe<'_>) -> bool {
    let marked = head_has(p, "\"project_slug\"") || head_has(p, "\"stopped_at\"");
    // The token behind a long list is not in the head.
    let long = head_has(p, "\"pipeline_number\"") || head_has(p, "\"job_number\"");
    let page = p.has(&["items"]) && marked && (p.has(&["next_page_token"]) || long);
    let hook =
        p.has(&["type", "happened_at", "webhook"]) && (p.has(&["workflow"]) || p.has(&["job"]));
    page || hook
        || p.has(&["pipeline_id", "pipeline_number", "created_at"])
        || p.has(&["project_slug", "started_at", "type"])
}

fn record(r: &Value, sink: &mut Sink) -> Result<bool, String> {
    if at(r, "webhook").is_some() {
        let by =
            word(r, "pipeline.trigger.actor.login").or_else(|| word(r, "pipeline.actor.login"));
        let parent = word(r, "workflow.id");
        return match (at(r, "job"), at(r, "workflow")) {
            (Some(job), _) => {
                one_job(job, parent.as_deref(), by, sink)?;
                Ok(true)
            }
            (None, Some(w)) => {
                workflow(w, word(r, "pipeline.id"), by, sink)?;
                Ok(true)
            }
            (None, None) => Ok(false),
        };
    }
    if at(r, "pipeline_id").is_some() {
        workflow(r, word(r, "pipeline_id"), word(r, "started_by"), sink)?;
    } else if at(r, "trigger").is_some() {
        pipeline(r, sink)?;
    } else if at(r, "status").is_some() {
        one_job(r, first_word(r, &["latest_workflow.id"]).as_deref(), None, sink)?;
    } else {
        return Ok(false);
    }
    Ok(true)
}

fn state(status: Option<&str>) -> TaskState {
    match status {
        Some("success") => TaskState::Succeeded,
        Some("running" | "failing") => TaskState::Running,
        Some("on_hold") => TaskState::Waiting,
        Some("queued" | "blocked" | "not_running") => TaskState::Queued,
        Some("not_run") => TaskState::Skipped,
        Some("canceled") => TaskState::Canceled,
        Some("failed" | "error" | "unauthorized" | "timedout" | "infrastructure_fail") => {
            TaskState::Failed
        }
        _ => TaskState::Unknown,
    }
}

fn over(state: TaskState) -> bool {
    matches!(state, TaskState::Succeeded | TaskState::Failed | TaskState::Canceled)
}

fn begun(state: TaskState) -> bool {
    over(state) || state == TaskState::Running
}

/// A pipeline is the trigger of workflows; it has a creation and no run of its own.
fn pipeline(r: &Value, sink: &mut Sink) -> Result<(), String> {
    let id = need(r, "id")?;
    let slug = word(r, "project_slug");
    let number = word(r, "number");
    let state = match word(r, "state").as_deref() {
        Some("errored") => TaskState::Failed,
        Some("pending" | "setup-pending" | "setup") => TaskState::Queued,
        _ => TaskState::Unknown,
    };
    let queued_at = sink.time(r, "created_at")?;
    sink.task(Task {
        task_id: text(id),
        system: text("circleci"),
        kind: TaskKind::Workflow,
        queued_at,
        state,
        triggered_by: word(r, "trigger.actor.login").map(text),
        other_ids: slug.zip(number).map(|(s, n)| text(format!("{s}/{n}"))).into_iter().collect(),
        title: word(r, "vcs.commit.subject").map(text),
        ..Task::default()
    });
    Ok(())
}

fn workflow(
    r: &Value,
    pipeline: Option<String>,
    by: Option<String>,
    sink: &mut Sink,
) -> Result<(), String> {
    let id = need(r, "id")?;
    let state = state(word(r, "status").as_deref());
    let created = sink.time(r, "created_at")?;
    let stopped = sink.time(r, "stopped_at")?.filter(|_| over(state));
    sink.task(Task {
        task_id: text(&id),
        parent_id: pipeline.map(text),
        system: text("circleci"),
        kind: TaskKind::CiRun,
        queued_at: created,
        // Created is the earliest start; when its first job began, the job says.
        started_at_lo: created.filter(|_| begun(state)),
        started_at_hi: created.filter(|_| begun(state)),
        ended_at_lo: stopped,
        ended_at_hi: stopped,
        state,
        triggered_by: by.map(text),
        other_ids: url(r),
        title: word(r, "name").map(text),
        ..Task::default()
    });
    Ok(())
}

fn url(r: &Value) -> Vec<Text> {
    first_word(r, &["url", "web_url"]).map(|u| text(address(&u))).into_iter().collect()
}

fn one_job(
    r: &Value,
    workflow: Option<&str>,
    by: Option<String>,
    sink: &mut Sink,
) -> Result<(), String> {
    let number = first_word(r, &["job_number", "number"]);
    let slug = first_word(r, &["project_slug", "project.slug"]);
    let by_number = slug.as_ref().zip(number.as_ref()).map(|(s, n)| format!("{s}/jobs/{n}"));
    let id = word(r, "id").or_else(|| by_number.clone()).ok_or("`id` is missing")?;
    let state = match (word(r, "type").as_deref(), state(word(r, "status").as_deref())) {
        // An approval is a person's decision, no work: it never runs.
        (Some("approval"), TaskState::Running) => TaskState::Waiting,
        (_, state) => state,
    };
    let queued = sink.time(r, "queued_at")?.or(sink.time(r, "created_at")?);
    let started = sink.time(r, "started_at")?;
    let stopped = sink.time(r, "stopped_at")?.filter(|_| over(state));
    let mut other_ids = url(r);
    other_ids.extend(by_number.map(text));
    sink.task(Task {
        task_id: text(id),
        parent_id: workflow.map(text),
        system: text("circleci"),
        kind: TaskKind::CiJob,
        queued_at: queued.or(started.filter(|_| !begun(state))),
        started_at_lo: started.filter(|_| begun(state)),
        started_at_hi: started.filter(|_| begun(state)),
        ended_at_lo: stopped,
        ended_at_hi: stopped,
        state,
        triggered_by: by.or_else(|| word(r, "approved_by")).map(text),
        other_ids,
        title: word(r, "name").map(text),
        ..Task::default()
    });
    Ok(())
}
