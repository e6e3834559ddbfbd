//! Jenkins builds, as the JSON API gives them for a build or a job with its builds.
//!
//! A build ends at `timestamp` + `duration`, and only when `building` is false: while it runs the
//! duration is zero. Stages of a pipeline are parts of the build.

use serde_json::Value;

use super::document::{Sink, TaskFormat, address, at, first_word, is_true, list, need, word};
use crate::facts::{Task, TaskKind, TaskState, Text, Time, text};
use crate::ingest::source::Probe;

/// The format.
pub static FORMAT: TaskFormat = TaskFormat {
    format: "jenkins",
    title: "Jenkins builds (JSON API)",
    recognise,
    lists: &["builds", "allBuilds"],
    record,
};

fn recognise(p: &Probe<'_>) -> bool {
    p.has(&["building", "timestamp", "number"])
        || p.has(&["building", "timestamp", "fullDisplayName"])
        || (p.has(&["_class"]) && (p.has(&["builds"]) || p.has(&["allBuilds"])))
}

fn record(r: &Value, sink: &mut Sink) -> Result<bool, String> {
    let number = need(r, "number")?;
    let url = word(r, "url");
    let full = word(r, "fullDisplayName");
    let job = url
        .as_deref()
        .and_then(job_of)
        .or_else(|| full.as_deref().and_then(|f| f.rsplit_once(" #").map(|(j, _)| j.to_owned())))
        .ok_or("neither `url` nor `fullDisplayName` names the job")?;
    let id = format!("{job}#{number}");
    let started = sink.time(r, "timestamp")?.ok_or("`timestamp` is missing")?;
    let building = is_true(r, "building");
    let ended = end(r, "duration", started)?.filter(|_| !building);
    sink.see(ended);
    let state = if building { TaskState::Running } else { result(word(r, "result").as_deref()) };
    let (triggered_by, parent_id) = causes(r);
    let mut other_ids: Vec<Text> = url.iter().map(|u| text(address(u))).collect();
    other_ids.extend(full.as_ref().map(text));
    // The build's own name for itself in its environment (BUILD_TAG).
    other_ids.push(text(format!("jenkins-{}-{number}", job.replace('/', "-"))));
    sink.task(Task {
        task_id: text(&id),
        parent_id,
        system: text("jenkins"),
        kind: TaskKind::CiRun,
        started_at_lo: Some(started),
        started_at_hi: Some(started),
        ended_at_lo: ended,
        ended_at_hi: ended,
        state,
        triggered_by,
        other_ids,
        title: first_word(r, &["fullDisplayName", "displayName"]).map(text),
        ..Task::default()
    });
    sink.parts(r, "stages", &mut |stage, sink| {
        let stage_id = need(stage, "id")?;
        let began = sink.time(stage, "startTimeMillis")?;
        let state = stage_state(word(stage, "status").as_deref());
        let over = !matches!(state, TaskState::Running | TaskState::Waiting | TaskState::Skipped);
        let ended = match began.filter(|_| over) {
            Some(began) => end(stage, "durationMillis", began)?,
            None => None,
        };
        sink.task(Task {
            task_id: text(format!("{id}/{stage_id}")),
            parent_id: Some(text(&id)),
            system: text("jenkins"),
            kind: TaskKind::CiJob,
            started_at_lo: began.filter(|_| state != TaskState::Skipped),
            started_at_hi: began.filter(|_| state != TaskState::Skipped),
            ended_at_lo: ended,
            ended_at_hi: ended,
            state,
            title: word(stage, "name").map(text),
            ..Task::default()
        });
        Ok(())
    });
    Ok(true)
}

/// Begin and a duration in milliseconds make the end.
fn end(r: &Value, key: &str, began: Time) -> Result<Option<Time>, String> {
    let Some(value) = at(r, key) else { return Ok(None) };
    let ms =
        value.as_i64().filter(|ms| *ms >= 0).ok_or_else(|| format!("`{key}` is no duration"))?;
    let micros = ms.checked_mul(1000).and_then(|us| began.micros().checked_add(us));
    Ok(Some(Time::from_micros(micros.ok_or_else(|| format!("`{key}` is out of range"))?)))
}

/// Name of the job in an address: `.../job/a/job/b/12/` is `a/b`.
fn job_of(url: &str) -> Option<String> {
    let (_, path) = url.split_once("/job/")?;
    let path = address(path);
    let (path, _number) = path.rsplit_once('/')?;
    Some(path.replace("/job/", "/"))
}

/// `UNSTABLE` is a build that ran to its end with failing tests: not a success.
fn result(word: Option<&str>) -> TaskState {
    match word {
        Some("SUCCESS") => TaskState::Succeeded,
        Some("FAILURE" | "UNSTABLE") => TaskState::Failed,
        Some("ABORTED") => TaskState::Canceled,
        Some("NOT_BUILT") => TaskState::Skipped,
        _ => TaskState::Unknown,
    }
}

fn stage_state(word: Option<&str>) -> TaskState {
    match word {
        Some("IN_PROGRESS") => TaskState::Running,
        Some("PAUSED_PENDING_INPUT") => TaskState::Waiting,
        Some("NOT_EXECUTED") => TaskState::Skipped,
        Some("FAILED") => TaskState::Failed,
        other => result(other),
    }
}

/// Who or what started the build, and the build that did.
fn causes(r: &Value) -> (Option<Text>, Option<Text>) {
    let causes = list(r, "actions").iter().flat_map(|a| list(a, "causes"));
    let (mut by, mut parent) = (None, None);
    for c in causes {
        by = by.or_else(|| first_word(c, &["userId", "userName"]).map(text));
        parent = parent.or_else(|| {
            let (project, build) = (word(c, "upstreamProject")?, word(c, "upstreamBuild")?);
            Some(text(format!("{project}#{build}")))
        });
    }
    (by, parent)
}
