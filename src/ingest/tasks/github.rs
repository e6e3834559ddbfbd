//! GitHub Actions: runs and jobs as the REST API lists them, as webhooks send them, and as the
//! organisation's audit log records them.
//!
//! A run has no end of its own: `updated_at` is one only when the status is `completed`. A job that
//! waits for an environment already has a `started_at`; it is not running.

use serde::Deserialize;
use serde_json::value::RawValue;

use super::document::Pages;
use crate::facts::time::parse_time;
use crate::facts::{Layer, Task, TaskKind, TaskState, Text, Time, text};
use crate::ingest::records::{self, Place, json_message};
use crate::ingest::source::{Adapter, Batch, Context, IngestError, Input, Match, Probe, Shape};

/// The format.
#[derive(Debug)]
pub struct GithubActions;

impl Adapter for GithubActions {
    fn format(&self) -> &'static str {
        "github-actions"
    }

    fn title(&self) -> &'static str {
        "GitHub Actions runs and jobs (REST, webhooks, audit log)"
    }

    fn layer(&self) -> Layer {
        Layer::Task
    }

    fn recognise(&self, probe: &Probe<'_>) -> Option<Match> {
        if !matches!(probe.shape, Shape::JsonObject | Shape::JsonArray | Shape::Ndjson) {
            return None;
        }
        let api =
            probe.has(&["total_count", "workflow_runs"]) || probe.has(&["total_count", "jobs"]);
        let webhook =
            probe.has(&["action", "workflow_run"]) || probe.has(&["action", "workflow_job"]);
        let bare =
            probe.has(&["run_started_at", "workflow_id"]) || probe.has(&["run_id", "runner_name"]);
        let audit = probe.has(&["action"]) || probe.has(&["event"]);
        let text = String::from_utf8_lossy(probe.head);
        let audit = audit
            && (text.contains("workflows.completed_workflow_run")
                || text.contains("workflows.created_workflow_run"));
        (api || webhook || bare || audit).then_some(Match::Specific)
    }

    fn read(&self, input: &Input, ctx: &Context<'_>, batch: &mut Batch) -> Result<(), IngestError> {
        let _ = ctx;
        let (head, complete) = crate::ingest::reader::head(input)?;
        let shape = crate::ingest::detect::detect(&head, complete).shape;
        let mut other = 0u64;
        let mut pages = Pages::default();
        records::each(input, shape, batch, &mut |place: &Place, raw, batch| {
            match document(raw, place, &mut pages, batch) {
                Ok(known) => other += u64::from(!known),
                Err(reason) => batch.quarantine(place.to_string(), reason),
            }
            Ok(())
        })?;
        if other > 0 {
            batch.limitation =
                Some(text(format!("{other} records are of other kinds than runs and jobs")));
        }
        pages.state(batch);
        Ok(())
    }
}

/// A number or a text, as the API and log exporters write ids and times.
#[derive(Deserialize)]
#[serde(untagged, expecting = "an id or time is neither a number nor a text")]
enum Id {
    Number(u64),
    Text(String),
}

impl Id {
    fn as_text(&self) -> String {
        match self {
            Self::Number(n) => n.to_string(),
            Self::Text(s) => s.clone(),
        }
    }
}

#[derive(Deserialize)]
struct Login {
    login: Option<String>,
}

#[derive(Deserialize)]
struct Repository {
    full_name: Option<String>,
}

#[derive(Deserialize)]
struct Deployment {
    environment: Option<String>,
}

#[derive(Deserialize)]
struct Run {
    id: Id,
    name: Option<String>,
    display_title: Option<String>,
    status: Option<String>,
    conclusion: Option<String>,
    run_attempt: Option<u64>,
    created_at: Option<String>,
    run_started_at: Option<String>,
    updated_at: Option<String>,
    html_url: Option<String>,
    actor: Option<Login>,
    triggering_actor: Option<Login>,
    repository: Option<Repository>,
}

#[derive(Deserialize)]
struct Job {
    id: Id,
    run_id: Id,
    run_attempt: Option<u64>,
    name: Option<String>,
    status: Option<String>,
    conclusion: Option<String>,
    created_at: Option<String>,
    started_at: Option<String>,
    completed_at: Option<String>,
    html_url: Option<String>,
    run_url: Option<String>,
}

#[derive(Deserialize)]
struct Action {
    action: Option<String>,
}

#[derive(Deserialize)]
struct Audit {
    actor: Option<String>,
    repo: Option<String>,
    name: Option<String>,
    workflow_run_id: Option<Id>,
    run_attempt: Option<u64>,
    created_at: Option<Id>,
    started_at: Option<Id>,
    completed_at: Option<Id>,
    conclusion: Option<String>,
}

/// The top of any of the documents.
#[derive(Deserialize)]
struct Document<'r> {
    #[serde(borrow)]
    workflow_runs: Option<Vec<&'r RawValue>>,
    #[serde(borrow)]
    jobs: Option<Vec<&'r RawValue>>,
    total_count: Option<u64>,
    #[serde(borrow)]
    workflow_run: Option<&'r RawValue>,
    #[serde(borrow)]
    workflow_job: Option<&'r RawValue>,
    repository: Option<Repository>,
    deployment: Option<Deployment>,
    #[serde(borrow)]
    event: Option<&'r RawValue>,
    action: Option<String>,
    run_started_at: Option<String>,
    #[serde(borrow)]
    run_id: Option<&'r RawValue>,
}

/// Reads one document; `false` when it is about something else.
fn document(
    raw: &str,
    place: &Place,
    pages: &mut Pages,
    batch: &mut Batch,
) -> Result<bool, String> {
    let doc: Document<'_> = serde_json::from_str(raw).map_err(|e| json_message(&e))?;
    let repo = doc.repository.as_ref().and_then(|r| r.full_name.as_deref());
    let environment = doc.deployment.as_ref().and_then(|d| d.environment.as_deref());
    if let Some(list) = doc.workflow_runs {
        pages.add(list.len(), doc.total_count, false);
        page(&list, "workflow_runs", place, batch, &|raw, at| run(raw, None, at));
        return Ok(true);
    }
    if let Some(list) = doc.jobs {
        pages.add(list.len(), doc.total_count, false);
        page(&list, "jobs", place, batch, &|raw, at| job(raw, None, None, at));
        return Ok(true);
    }
    let at = place.to_string();
    let audit = |a: &Option<String>| a.as_ref().is_some_and(|a| a.starts_with("workflows."));
    let task = if let Some(raw) = doc.workflow_run {
        run(raw.get(), repo, at)?
    } else if let Some(raw) = doc.workflow_job {
        job(raw.get(), repo, environment, at)?
    } else if let Some(event) = doc.event.map(RawValue::get).filter(|e| e.starts_with('{')) {
        let Some(task) = audit_row(event, at)? else { return Ok(false) };
        task
    } else if audit(&doc.action) {
        let Some(task) = audit_row(raw, at)? else { return Ok(false) };
        task
    } else if doc.run_started_at.is_some() {
        run(raw, None, at)?
    } else if doc.run_id.is_some() {
        job(raw, None, None, at)?
    } else {
        return Ok(false);
    };
    keep(task, batch);
    Ok(true)
}

/// A task and the instants of its record.
type Read = Result<(Task, Vec<Time>), String>;

fn keep((mut task, seen): (Task, Vec<Time>), batch: &mut Batch) {
    for t in seen {
        batch.see(t);
    }
    task.source_id = batch.source_id.clone();
    batch.facts.tasks.push(task);
}

/// A page of the REST API; it counts as so many records as it lists.
fn page(
    list: &[&RawValue],
    key: &str,
    place: &Place,
    batch: &mut Batch,
    read: &dyn Fn(&str, String) -> Read,
) {
    batch.records += i64::try_from(list.len()).unwrap_or(i64::MAX) - 1;
    let above = if let Place::Element(i) = place { format!("/{i}") } else { String::new() };
    for (i, raw) in list.iter().enumerate() {
        let at = format!("{above}/{key}/{i}");
        match read(raw.get(), at.clone()) {
            Ok(task) => keep(task, batch),
            Err(reason) => batch.quarantine(at, reason),
        }
    }
}

fn instant(name: &str, value: Option<&str>) -> Result<Option<Time>, String> {
    let Some(s) = value else { return Ok(None) };
    parse_time(s)
        .map(|p| p.map(|p| p.lo))
        .map_err(|e| format!("`{name}` is `{}`: {e}", crate::ingest::table::short(s)))
}

fn state(status: Option<&str>, conclusion: Option<&str>) -> TaskState {
    match status {
        Some("queued" | "requested" | "pending") => TaskState::Queued,
        Some("waiting") => TaskState::Waiting,
        Some("in_progress") => TaskState::Running,
        Some("completed") => match conclusion {
            Some("success" | "neutral") => TaskState::Succeeded,
            Some("failure" | "timed_out" | "startup_failure") => TaskState::Failed,
            Some("cancelled" | "stale") => TaskState::Canceled,
            Some("skipped") => TaskState::Skipped,
            // Completed before it ran: it waits for somebody to allow it.
            Some("action_required") => TaskState::Waiting,
            // Words to come: over, but how is not said.
            _ => TaskState::Unknown,
        },
        _ => TaskState::Unknown,
    }
}

/// Id of a run: attempts after the first are runs of their own.
fn run_key(id: &str, attempt: Option<u64>) -> Text {
    match attempt {
        Some(n) if n > 1 => text(format!("{id}#{n}")),
        _ => text(id),
    }
}

/// The other ways in which tokens, tickets and session names refer to a run.
fn run_names(id: &str, attempt: Option<u64>, repo: Option<&str>, url: Option<&str>) -> Vec<Text> {
    let n = attempt.unwrap_or(1);
    let mut names = vec![text(id), text(format!("{id}#{n}"))];
    if let Some(repo) = repo {
        names.push(text(format!("{repo}/actions/runs/{id}")));
        names.push(text(format!("{repo}/actions/runs/{id}/attempts/{n}")));
    }
    names.extend(url.map(text));
    let key = run_key(id, attempt);
    names.retain(|x| *x != key);
    names.sort();
    names.dedup();
    names
}

/// `owner/name` out of an API or web address.
fn repo_of(url: Option<&str>) -> Option<String> {
    let url = url?;
    let path = url
        .strip_prefix("https://api.github.com/repos/")
        .or_else(|| url.strip_prefix("https://github.com/"))?;
    let mut parts = path.split('/');
    Some(format!("{}/{}", parts.next()?, parts.next()?))
}

fn run(raw: &str, repo: Option<&str>, at: String) -> Read {
    let r: Run = serde_json::from_str(raw).map_err(|e| json_message(&e))?;
    let id = r.id.as_text();
    let state = state(r.status.as_deref(), r.conclusion.as_deref());
    let completed = r.status.as_deref() == Some("completed") && state != TaskState::Waiting;
    let began = completed || state == TaskState::Running;
    let queued_at = instant("created_at", r.created_at.as_deref())?;
    let started = instant("run_started_at", r.run_started_at.as_deref())?.filter(|_| began);
    let updated = instant("updated_at", r.updated_at.as_deref())?;
    let ended = updated.filter(|_| completed);
    let own = r.repository.and_then(|r| r.full_name);
    let repo = repo.map(str::to_owned).or(own).or_else(|| repo_of(r.html_url.as_deref()));
    let actor = r.triggering_actor.or(r.actor).and_then(|l| l.login);
    let task = Task {
        task_id: run_key(&id, r.run_attempt),
        system: text("github"),
        kind: TaskKind::CiRun,
        queued_at,
        started_at_lo: started,
        started_at_hi: started,
        ended_at_lo: ended,
        ended_at_hi: ended,
        state,
        triggered_by: actor.map(text),
        other_ids: run_names(&id, r.run_attempt, repo.as_deref(), r.html_url.as_deref()),
        title: r.display_title.or(r.name).filter(|s| !s.is_empty()).map(text),
        source_ref: text(at),
        ..Task::default()
    };
    Ok((task, [queued_at, started, updated].into_iter().flatten().collect()))
}

fn job(raw: &str, repo: Option<&str>, environment: Option<&str>, at: String) -> Read {
    let j: Job = serde_json::from_str(raw).map_err(|e| json_message(&e))?;
    let (id, run_id) = (j.id.as_text(), j.run_id.as_text());
    let state = state(j.status.as_deref(), j.conclusion.as_deref());
    let completed = j.status.as_deref() == Some("completed") && state != TaskState::Waiting;
    let began = completed || state == TaskState::Running;
    let created = instant("created_at", j.created_at.as_deref())?;
    let started = instant("started_at", j.started_at.as_deref())?;
    let ended = instant("completed_at", j.completed_at.as_deref())?.filter(|_| completed);
    let repo = repo
        .map(str::to_owned)
        .or_else(|| repo_of(j.html_url.as_deref()))
        .or_else(|| repo_of(j.run_url.as_deref()));
    let mut other_ids: Vec<Text> = j.html_url.iter().map(text).collect();
    if let Some(repo) = repo {
        other_ids.push(text(format!("{repo}/actions/runs/{run_id}/job/{id}")));
    }
    other_ids.sort();
    let task = Task {
        task_id: text(id),
        parent_id: Some(run_key(&run_id, j.run_attempt)),
        system: text("github"),
        kind: TaskKind::CiJob,
        queued_at: created.or(started.filter(|_| !began)),
        started_at_lo: started.filter(|_| began),
        started_at_hi: started.filter(|_| began),
        ended_at_lo: ended,
        ended_at_hi: ended,
        state,
        target: environment.map(text),
        other_ids,
        title: j.name.filter(|s| !s.is_empty()).map(text),
        source_ref: text(at),
        ..Task::default()
    };
    Ok((task, [created, started, ended].into_iter().flatten().collect()))
}

/// Reads a row of the audit log that another adapter came upon; `false` when it is about no run.
///
/// # Errors
/// When it is about a run and cannot be read.
pub fn audited(value: &serde_json::Value, place: &Text, batch: &mut Batch) -> Result<bool, String> {
    let Some(task) = audit_row(&value.to_string(), place.to_string())? else { return Ok(false) };
    keep(task, batch);
    Ok(true)
}

/// A row of the audit log; `None` for other actions.
fn audit_row(raw: &str, at: String) -> Result<Option<(Task, Vec<Time>)>, String> {
    // The action alone first: rows of other actions give the same keys other types.
    let kind: Action = serde_json::from_str(raw).map_err(|e| json_message(&e))?;
    let completed = match kind.action.as_deref() {
        Some("workflows.completed_workflow_run") => true,
        Some("workflows.created_workflow_run") => false,
        _ => return Ok(None),
    };
    let a: Audit = serde_json::from_str(raw).map_err(|e| json_message(&e))?;
    let id = a.workflow_run_id.map(|id| id.as_text()).ok_or("`workflow_run_id` is missing")?;
    let time = |name: &str, v: &Option<Id>| instant(name, v.as_ref().map(Id::as_text).as_deref());
    let created = time("created_at", &a.created_at)?;
    let started = time("started_at", &a.started_at)?;
    let ended = time("completed_at", &a.completed_at)?.filter(|_| completed);
    let repo = a.repo.as_deref();
    let task = Task {
        task_id: run_key(&id, a.run_attempt),
        system: text("github"),
        kind: TaskKind::CiRun,
        // In a completion row `created_at` is the time of the row, not of the run.
        queued_at: created.filter(|_| !completed).or(started.filter(|_| !completed)),
        started_at_lo: started.filter(|_| completed),
        started_at_hi: started.filter(|_| completed),
        ended_at_lo: ended,
        ended_at_hi: ended,
        state: if completed {
            state(Some("completed"), a.conclusion.as_deref())
        } else {
            TaskState::Queued
        },
        triggered_by: a.actor.map(text),
        other_ids: run_names(&id, a.run_attempt, repo, None),
        title: a.name.filter(|s| !s.is_empty()).map(text),
        source_ref: text(at),
        ..Task::default()
    };
    Ok(Some((task, [created, started, ended].into_iter().flatten().collect())))
}
