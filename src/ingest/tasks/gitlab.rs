//! GitLab CI: pipelines and jobs as the REST API lists them and as webhooks send them.
//!
//! `created`, `pending`, `scheduled` and their like wait in a queue and `manual` waits for a person;
//! neither runs. A hook may call a job a success and leave its end out: then it ended between its
//! start and the end of its pipeline. A retried job is a job of its own, with an id of its own.

use serde_json::Value;

use super::document::{Sink, TaskFormat, address, at, first_word, need, word};
use crate::facts::{Task, TaskKind, TaskState, Text, Time, text};
use crate::ingest::source::Probe;

/// The format.
pub static FORMAT: TaskFormat = TaskFormat {
    format: "gitlab-ci",
    title: "GitLab pipelines and jobs (REST, webhooks)",
    recognise,
    lists: &[],
    record,
};

fn recognise(p: &Probe<'_>) -> bool {
    p.has(&["object_kind", "build_id", "pipeline_id"])
        || p.has(&["object_kind", "object_attributes", "builds"])
        || p.has(&["pipeline", "stage", "created_at", "web_url"])
        || p.has(&["project_id", "sha", "ref", "status", "web_url"])
}

fn record(r: &Value, sink: &mut Sink) -> Result<bool, String> {
    match word(r, "object_kind").as_deref() {
        Some("build") => sink_hook_job(r, sink)?,
        Some("pipeline") => hook_pipeline(r, sink)?,
        Some(_) => return Ok(false),
        None if at(r, "pipeline").is_some() => api_job(r, sink)?,
        None if at(r, "sha").is_some() => api_pipeline(r, sink)?,
        None => return Ok(false),
    }
    Ok(true)
}

fn state(status: Option<&str>) -> TaskState {
    match status {
        Some(
            "created"
            | "pending"
            | "preparing"
            | "scheduled"
            | "waiting_for_resource"
            | "waiting_for_callback",
        ) => TaskState::Queued,
        Some("manual") => TaskState::Waiting,
        Some("running" | "canceling") => TaskState::Running,
        Some("success") => TaskState::Succeeded,
        Some("failed") => TaskState::Failed,
        Some("canceled") => TaskState::Canceled,
        Some("skipped") => TaskState::Skipped,
        _ => TaskState::Unknown,
    }
}

/// Whether work in this state has begun, so that its start is one.
fn begun(state: TaskState) -> bool {
    !matches!(state, TaskState::Queued | TaskState::Waiting | TaskState::Skipped)
}

fn over(state: TaskState) -> bool {
    matches!(state, TaskState::Succeeded | TaskState::Failed | TaskState::Canceled)
}

/// Paths in which tickets and tokens name a pipeline or a job.
fn names(project: Option<&str>, part: &str, id: &str, url: Option<&str>) -> Vec<Text> {
    let mut out: Vec<Text> = url.map(|u| text(address(u))).into_iter().collect();
    out.extend(project.map(|p| text(format!("{}/-/{part}/{id}", address(p)))));
    out
}

/// Times of a job as its source names them.
struct JobTimes {
    created: Option<Time>,
    started: Option<Time>,
    ended: Option<Time>,
    /// End of the pipeline, which bounds that of the job.
    pipeline_ended: Option<Time>,
}

fn job(id: &str, status: Option<&str>, times: &JobTimes) -> Task {
    let state = state(status);
    let started = times.started.filter(|_| begun(state));
    let ended = times.ended.filter(|_| over(state));
    // Over, but without its end: not before it began, not after the pipeline.
    let bounded = times.pipeline_ended.filter(|_| over(state) && ended.is_none());
    Task {
        task_id: text(id),
        system: text("gitlab"),
        kind: TaskKind::CiJob,
        queued_at: times.created,
        started_at_lo: started,
        started_at_hi: started,
        ended_at_lo: ended.or(started.filter(|_| bounded.is_some())),
        ended_at_hi: ended.or(bounded),
        state,
        ..Task::default()
    }
}

fn environment(r: &Value) -> Option<Text> {
    first_word(r, &["environment.name", "environment"]).map(text)
}

fn sink_hook_job(r: &Value, sink: &mut Sink) -> Result<(), String> {
    let id = need(r, "build_id")?;
    let times = JobTimes {
        created: sink.time(r, "build_created_at")?,
        started: sink.time(r, "build_started_at")?,
        ended: sink.time(r, "build_finished_at")?,
        pipeline_ended: None,
    };
    let home = word(r, "repository.homepage");
    sink.task(Task {
        parent_id: word(r, "pipeline_id").map(text),
        triggered_by: first_word(r, &["user.username", "user.name"]).map(text),
        target: environment(r),
        other_ids: names(home.as_deref(), "jobs", &id, None),
        title: word(r, "build_name").map(text),
        ..job(&id, word(r, "build_status").as_deref(), &times)
    });
    Ok(())
}

fn hook_pipeline(r: &Value, sink: &mut Sink) -> Result<(), String> {
    let p = at(r, "object_attributes").ok_or("`object_attributes` is missing")?;
    let id = need(p, "id")?;
    let status = state(word(p, "status").as_deref());
    let created = sink.time(p, "created_at")?;
    let ended = sink.time(p, "finished_at")?.filter(|_| over(status));
    let home = word(r, "project.web_url");
    let mut first_job: Option<Time> = None;
    sink.parts(r, "builds", &mut |b, sink| {
        let job_id = need(b, "id")?;
        let times = JobTimes {
            created: sink.time(b, "created_at")?,
            started: sink.time(b, "started_at")?,
            ended: sink.time(b, "finished_at")?,
            pipeline_ended: ended,
        };
        let task = Task {
            parent_id: Some(text(&id)),
            triggered_by: first_word(b, &["user.username", "user.name"]).map(text),
            target: environment(b),
            other_ids: names(home.as_deref(), "jobs", &job_id, None),
            title: word(b, "name").map(text),
            ..job(&job_id, word(b, "status").as_deref(), &times)
        };
        if let Some(t) = task.started_at_lo {
            first_job = Some(first_job.map_or(t, |f| f.min(t)));
        }
        sink.task(task);
        Ok(())
    });
    // The hook has no start: it lies between the end of the queue and the start of the first job.
    let waited =
        at(p, "queued_duration").and_then(Value::as_f64).filter(|w| (0.0..1e9).contains(w));
    #[expect(clippy::cast_possible_truncation, reason = "bounded above")]
    let left_queue = created.zip(waited).map(|(c, w)| c.plus_secs(w as i64));
    let (lo, hi) = (left_queue.or(first_job), first_job.or(left_queue));
    let started = lo.zip(hi).filter(|_| begun(status));
    sink.task(Task {
        task_id: text(&id),
        system: text("gitlab"),
        kind: TaskKind::CiRun,
        queued_at: created,
        started_at_lo: started.map(|(a, b)| a.min(b)),
        started_at_hi: started.map(|(a, b)| a.max(b)),
        ended_at_lo: ended,
        ended_at_hi: ended,
        state: status,
        triggered_by: first_word(r, &["user.username", "user.name"]).map(text),
        other_ids: names(home.as_deref(), "pipelines", &id, word(p, "url").as_deref()),
        title: first_word(p, &["name", "ref"]).map(text),
        ..Task::default()
    });
    Ok(())
}

/// Address of the project out of the address of one of its pipelines or jobs.
fn project_of(url: Option<&str>) -> Option<&str> {
    url?.split_once("/-/").map(|(project, _)| project)
}

fn api_job(r: &Value, sink: &mut Sink) -> Result<(), String> {
    let id = need(r, "id")?;
    let url = word(r, "web_url");
    let times = JobTimes {
        created: sink.time(r, "created_at")?,
        started: sink.time(r, "started_at")?,
        ended: sink.time(r, "finished_at")?,
        pipeline_ended: None,
    };
    sink.task(Task {
        parent_id: word(r, "pipeline.id").map(text),
        triggered_by: first_word(r, &["user.username", "user.name"]).map(text),
        target: environment(r),
        other_ids: names(project_of(url.as_deref()), "jobs", &id, url.as_deref()),
        title: word(r, "name").map(text),
        ..job(&id, word(r, "status").as_deref(), &times)
    });
    Ok(())
}

fn api_pipeline(r: &Value, sink: &mut Sink) -> Result<(), String> {
    let id = need(r, "id")?;
    let url = word(r, "web_url");
    let status = state(word(r, "status").as_deref());
    let created = sink.time(r, "created_at")?;
    let started = sink.time(r, "started_at")?.filter(|_| begun(status));
    let finished = sink.time(r, "finished_at")?;
    // The list has neither start nor end; `updated_at` moves later than the end, never earlier.
    let updated = sink.time(r, "updated_at")?.filter(|_| over(status));
    let began = started.or(created.filter(|_| begun(status) && over(status)));
    sink.task(Task {
        task_id: text(&id),
        system: text("gitlab"),
        kind: TaskKind::CiRun,
        queued_at: created,
        started_at_lo: started.or(created.filter(|_| begun(status))),
        started_at_hi: started,
        ended_at_lo: finished.filter(|_| over(status)).or(began.filter(|_| updated.is_some())),
        ended_at_hi: finished.filter(|_| over(status)).or(updated),
        state: status,
        triggered_by: first_word(r, &["user.username", "user.name"]).map(text),
        other_ids: names(project_of(url.as_deref()), "pipelines", &id, url.as_deref()),
        title: first_word(r, &["name", "ref"]).map(text),
        ..Task::default()
    });
    Ok(())
}
