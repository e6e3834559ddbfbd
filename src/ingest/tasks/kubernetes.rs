//! Kubernetes Jobs and CronJobs, as `kubectl get -o json` and `-o yaml` write them.
//!
//! `completionTime` is set on success only; a failed Job ended when its condition `Failed` became
//! true. A suspended Job does not run. A Job that `ttlSecondsAfterFinished` removed is not here: its
//! absence proves nothing.

use serde_json::Value;

use super::argo::qualified;
use super::document::{Sink, TaskFormat, at, head_has, head_says, is_true, list, need, word};
use crate::facts::{Task, TaskKind, TaskState, Text, text};
use crate::ingest::source::Probe;

/// The format.
pub static FORMAT: TaskFormat = TaskFormat {
    format: "kubernetes-jobs",
    title: "Kubernetes Jobs and CronJobs (objects in JSON or YAML)",
    recognise,
    lists: &["items"],
    record,
};

fn recognise(p: &Probe<'_>) -> bool {
    head_has(p, "batch/v1")
        && ["Job", "CronJob", "JobList", "CronJobList"].iter().any(|k| head_says(p, "kind", k))
}

fn record(r: &Value, sink: &mut Sink) -> Result<bool, String> {
    match word(r, "kind").as_deref() {
        Some("Job") => job(r, sink)?,
        Some("CronJob") => cron_job(r, sink)?,
        Some(_) => return Ok(false),
        // Items of a typed list have no kind; only a CronJob has a schedule.
        None if word(r, "spec.schedule").is_some() => cron_job(r, sink)?,
        None if at(r, "metadata").is_some() => job(r, sink)?,
        None => return Ok(false),
    }
    Ok(true)
}

/// Pods of a template without a service account run as `default` of their namespace.
fn service_account(namespace: Option<&str>, spec: Option<&Value>) -> Option<Text> {
    let pod = at(spec?, "template.spec")?;
    let name = word(pod, "serviceAccountName").unwrap_or_else(|| "default".to_owned());
    Some(text(format!("system:serviceaccount:{}:{name}", namespace?)))
}

fn condition<'v>(r: &'v Value, kind: &str) -> Option<&'v Value> {
    list(r, "status.conditions").iter().find(|c| {
        word(c, "type").as_deref() == Some(kind) && word(c, "status").as_deref() == Some("True")
    })
}

fn job(r: &Value, sink: &mut Sink) -> Result<(), String> {
    let name = need(r, "metadata.name")?;
    let namespace = word(r, "metadata.namespace");
    let created = sink.time(r, "metadata.creationTimestamp")?;
    let started = sink.time(r, "status.startTime")?;
    let completed = sink.time(r, "status.completionTime")?;
    let failed = condition(r, "Failed");
    let (state, ended) = if let Some(c) = failed {
        (TaskState::Failed, sink.time(c, "lastTransitionTime")?)
    } else if completed.is_some() || condition(r, "Complete").is_some() {
        let since = match condition(r, "Complete") {
            Some(c) => sink.time(c, "lastTransitionTime")?,
            None => None,
        };
        (TaskState::Succeeded, completed.or(since))
    } else if is_true(r, "spec.suspend") || condition(r, "Suspended").is_some() {
        (TaskState::Waiting, None)
    } else if started.is_some() {
        (TaskState::Running, None)
    } else {
        (TaskState::Queued, None)
    };
    let owner = list(r, "metadata.ownerReferences")
        .iter()
        .find(|o| is_true(o, "controller"))
        .and_then(|o| word(o, "name"));
    sink.task(Task {
        task_id: text(qualified(namespace.as_deref(), &name)),
        parent_id: owner.map(|o| text(qualified(namespace.as_deref(), &o))),
        system: text("kubernetes"),
        kind: TaskKind::K8sJob,
        queued_at: created,
        started_at_lo: started,
        started_at_hi: started,
        ended_at_lo: ended,
        ended_at_hi: ended,
        state,
        principal: service_account(namespace.as_deref(), at(r, "spec")),
        target: namespace.map(text),
        other_ids: names(r, &name),
        title: Some(text(name)),
        ..Task::default()
    });
    Ok(())
}

/// A CronJob runs nothing itself: it is the parent of its Jobs.
fn cron_job(r: &Value, sink: &mut Sink) -> Result<(), String> {
    let name = need(r, "metadata.name")?;
    let namespace = word(r, "metadata.namespace");
    let queued_at = sink.time(r, "metadata.creationTimestamp")?;
    sink.task(Task {
        task_id: text(qualified(namespace.as_deref(), &name)),
        system: text("kubernetes"),
        kind: TaskKind::Workflow,
        queued_at,
        state: TaskState::Waiting,
        principal: service_account(namespace.as_deref(), at(r, "spec.jobTemplate.spec")),
        target: namespace.map(text),
        other_ids: names(r, &name),
        title: Some(text(name)),
        ..Task::default()
    });
    Ok(())
}

fn names(r: &Value, name: &str) -> Vec<Text> {
    let mut out = vec![text(name)];
    out.extend(word(r, "metadata.uid").map(text));
    out
}
