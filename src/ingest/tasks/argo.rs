//! Argo Workflows: workflow objects as `kubectl` and `argo` write them, JSON or YAML.
//!
//! A workflow ends at `status.finishedAt`; when that is missing and the phase says that it is over,
//! at the last end of its nodes. A workflow whose phase is `Running` goes on, whatever its nodes say.

use serde_json::Value;

use super::document::{Sink, TaskFormat, at, head_has, head_says, need, word};
use crate::facts::{Task, TaskKind, TaskState, Text, Time, text};
use crate::ingest::source::Probe;

/// The format.
pub static FORMAT: TaskFormat = TaskFormat {
    format: "argo-workflows",
    title: "Argo Workflows (objects in JSON or YAML)",
    recognise,
    lists: &["items"],
    record,
};

fn recognise(p: &Probe<'_>) -> bool {
    let kind = head_says(p, "kind", "Workflow") || head_says(p, "kind", "WorkflowList");
    // An object taken out of a list may have lost its kind, not its labels.
    let bare = head_has(p, "workflows.argoproj.io/phase") && head_has(p, "templates:");
    head_has(p, "argoproj.io/") && (kind || bare)
}

fn record(r: &Value, sink: &mut Sink) -> Result<bool, String> {
    // Items of a WorkflowList have no kind of their own.
    if word(r, "kind").is_some_and(|k| k != "Workflow") || at(r, "metadata").is_none() {
        return Ok(false);
    }
    let name = need(r, "metadata.name")?;
    let namespace = word(r, "metadata.namespace");
    let id = qualified(namespace.as_deref(), &name);
    let phase = word(r, "status.phase")
        .or_else(|| label(r, "workflows.argoproj.io/phase"))
        .filter(|p| !p.is_empty());
    let suspended = at(r, "spec.suspend").and_then(Value::as_bool) == Some(true);
    let state = match state(phase.as_deref()) {
        TaskState::Running if suspended => TaskState::Waiting,
        state => state,
    };
    let queued_at = sink.time(r, "metadata.creationTimestamp")?;
    let started = sink.time(r, "status.startedAt")?;
    let finished = sink.time(r, "status.finishedAt")?;
    let principal = namespace
        .as_deref()
        .zip(word(r, "spec.serviceAccountName"))
        .map(|(ns, sa)| text(format!("system:serviceaccount:{ns}:{sa}")));
    let last = nodes(r, &id, namespace.as_deref(), principal.as_ref(), sink);
    let ended = finished.or(last).filter(|_| over(state));
    sink.task(Task {
        task_id: text(&id),
        system: text("argo"),
        kind: TaskKind::Workflow,
        queued_at,
        started_at_lo: started,
        started_at_hi: started,
        ended_at_lo: ended,
        ended_at_hi: ended,
        state,
        principal,
        triggered_by: label(r, "workflows.argoproj.io/creator-email")
            .or_else(|| label(r, "workflows.argoproj.io/creator"))
            .map(text),
        target: namespace.map(text),
        other_ids: [Some(name.clone()), word(r, "metadata.uid")]
            .into_iter()
            .flatten()
            .map(text)
            .collect(),
        title: Some(text(name)),
        ..Task::default()
    });
    Ok(true)
}

/// `namespace/name`; the name alone where the export has no namespace.
#[must_use]
pub fn qualified(namespace: Option<&str>, name: &str) -> String {
    namespace.map_or_else(|| name.to_owned(), |ns| format!("{ns}/{name}"))
}

/// Value of a label; label keys hold dots, so that no path reaches them.
fn label(r: &Value, key: &str) -> Option<String> {
    let value = at(r, "metadata.labels")?.get(key)?.as_str()?.trim();
    (!value.is_empty()).then(|| value.to_owned())
}

fn state(phase: Option<&str>) -> TaskState {
    match phase {
        Some("Pending") => TaskState::Queued,
        Some("Running") => TaskState::Running,
        Some("Succeeded") => TaskState::Succeeded,
        Some("Failed" | "Error") => TaskState::Failed,
        Some("Skipped" | "Omitted") => TaskState::Skipped,
        _ => TaskState::Unknown,
    }
}

fn over(state: TaskState) -> bool {
    matches!(state, TaskState::Succeeded | TaskState::Failed)
}

/// Adds the pods and the pauses of a workflow; each retry is a pod of its own. Returns the last end.
fn nodes(
    r: &Value,
    workflow: &str,
    namespace: Option<&str>,
    principal: Option<&Text>,
    sink: &mut Sink,
) -> Option<Time> {
    let nodes = at(r, "status.nodes").and_then(Value::as_object)?;
    let listed = Value::Object(
        [("nodes".to_owned(), Value::Array(nodes.values().cloned().collect()))]
            .into_iter()
            .collect(),
    );
    let mut last: Option<Time> = None;
    sink.parts(&listed, "nodes", &mut |node, sink| {
        let started = sink.time(node, "startedAt")?;
        let finished = sink.time(node, "finishedAt")?;
        last = last.max(finished);
        let kind = word(node, "type");
        let pause = kind.as_deref() == Some("Suspend");
        if !pause && kind.as_deref() != Some("Pod") {
            return Ok(());
        }
        let id = need(node, "id")?;
        let state = match state(word(node, "phase").as_deref()) {
            TaskState::Running if pause => TaskState::Waiting,
            state => state,
        };
        let began = started.filter(|_| !matches!(state, TaskState::Queued | TaskState::Skipped));
        let ended = finished.filter(|_| over(state));
        sink.task(Task {
            task_id: text(qualified(namespace, &id)),
            parent_id: Some(text(workflow)),
            system: text("argo"),
            kind: TaskKind::CiJob,
            started_at_lo: began,
            started_at_hi: began,
            ended_at_lo: ended,
            ended_at_hi: ended,
            state,
            principal: principal.filter(|_| !pause).cloned(),
            target: namespace.map(text),
            other_ids: vec![text(id)],
            title: word(node, "name").map(text),
            ..Task::default()
        });
        Ok(())
    });
    last
}
