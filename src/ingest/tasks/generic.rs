//! Generic table of tasks: tickets, changes, runs of any system.

use crate::facts::{Layer, Task, TaskKind, TaskState, text};
use crate::ingest::source::Batch;
use crate::ingest::table::{Row, TableAdapter, fields};

fields! {
    TaskId = "task_id" | "ticket_id" | "run_id" | "change_id",
    ParentId = "parent_id" | "parent",
    System = "system",
    Kind = "kind" | "type" | "task_type",
    QueuedAt = "queued_at",
    StartedAt = "started_at" | "opened_at" | "start_time" | "work_start",
    EndedAt = "ended_at" | "closed_at" | "completed_at" | "finished_at" | "resolved_at" | "end_time" | "work_end",
    State = "state" | "status",
    Principal = "principal" | "runs_as",
    Owner = "owner" | "triggered_by" | "assignee",
    Target = "target" | "environment",
    Needs = "declared_needs" | "needs",
    OtherIds = "other_ids" | "aliases",
    Title = "title" | "name" | "summary",
}

/// The format.
pub const ADAPTER: TableAdapter = TableAdapter {
    format: "tasks-generic",
    title: "Tasks (generic table)",
    layer: Layer::Task,
    fields: FIELDS,
    required: &[&["task_id"], &["started_at"]],
    recognise: |n| {
        n.any(&["task_id", "ticket_id", "change_id"])
            && n.any(&["opened_at", "started_at", "start_time", "work_start"])
            && !n.any(&["grant_id", "native_id", "role", "privilege", "credential_id", "approver"])
    },
    row,
};

fn row(row: &Row<'_>, batch: &mut Batch) -> Result<(), String> {
    let kind = row.word(F::Kind).map_or(TaskKind::Other, |w| kind(&w));
    let state = row.word(F::State).map_or(TaskState::Unknown, |w| state(&w));
    let queued_at = row.instant(F::QueuedAt)?;
    let started = row.time(F::StartedAt)?;
    // A task that is open now has not ended, whatever an earlier closing left behind.
    let ended = row
        .time(F::EndedAt)?
        .filter(|_| !matches!(state, TaskState::Queued | TaskState::Waiting | TaskState::Running));
    for t in [queued_at, started.map(|p| p.lo), ended.map(|p| p.lo)].into_iter().flatten() {
        batch.see(t);
    }
    let task = Task {
        task_id: text(row.need(F::TaskId)?),
        parent_id: row.text(F::ParentId),
        system: row.shared(F::System).unwrap_or_else(|| row.share("tasks")),
        kind,
        queued_at,
        started_at_lo: started.map(|p| p.lo),
        started_at_hi: started.map(|p| p.hi),
        ended_at_lo: ended.map(|p| p.lo),
        ended_at_hi: ended.map(|p| p.hi),
        state,
        principal: row.shared(F::Principal),
        principal_id: None,
        triggered_by: row.shared(F::Owner),
        declared_needs: row.list(F::Needs),
        target: row.shared(F::Target),
        other_ids: row.list(F::OtherIds).unwrap_or_default(),
        title: row.text(F::Title),
        source_id: row.source_id.clone(),
        source_ref: row.source_ref.clone(),
    };
    batch.facts.tasks.push(task);
    Ok(())
}

fn kind(word: &str) -> TaskKind {
    match word {
        "incident" | "ticket" | "issue" | "request" | "case" => TaskKind::Ticket,
        "change" | "change_window" | "change_request" | "maintenance" => TaskKind::ChangeWindow,
        "deploy" | "deployment" | "workflow" | "pipeline" | "release" => TaskKind::Workflow,
        "build" | "run" | "ci" => TaskKind::CiRun,
        "job" => TaskKind::CiJob,
        "agent" | "agent_task" => TaskKind::AgentRun,
        other => TaskKind::from_word(other).unwrap_or(TaskKind::Other),
    }
}

/// State of a task; a word that is not known says nothing.
#[must_use]
pub fn state(word: &str) -> TaskState {
    match word {
        "done" | "closed" | "completed" | "complete" | "resolved" | "success" | "successful"
        | "finished" | "passed" => TaskState::Succeeded,
        "open" | "opened" | "in_progress" | "active" | "started" | "working" => TaskState::Running,
        "failure" | "error" | "timed_out" => TaskState::Failed,
        "cancelled" | "aborted" | "rejected" => TaskState::Canceled,
        "new" | "pending" | "created" | "planned" | "scheduled" => TaskState::Queued,
        "on_hold" | "blocked" | "input_required" => TaskState::Waiting,
        other => TaskState::from_word(other).unwrap_or(TaskState::Unknown),
    }
}
