//! Model Context Protocol: tasks (specification of 2025-11-25) and logs of tool calls.
//!
//! A task ends at `lastUpdatedAt` once its status is final. `ttl` says how long the result is kept;
//! it limits no privilege and is not read. The protocol has no clock: a plain tool call has times only
//! when its logger wrote them beside the message.

use std::collections::HashMap;

use serde_json::Value;

use super::document::{Pages, Sink, at, first_word, head_has, is_json, is_true, need, word};
use crate::facts::{Layer, Task, TaskKind, TaskState, Text, Time, text};
use crate::ingest::records::{self, json_message};
use crate::ingest::source::{Adapter, Batch, Context, IngestError, Input, Match, Probe};
use crate::ingest::{detect, reader};

/// The format.
#[derive(Debug)]
pub struct Mcp;

/// Calls that wait for their answer at once; beyond them the log is cut or forged.
const MAX_OPEN: usize = 65_536;

impl Adapter for Mcp {
    fn format(&self) -> &'static str {
        "mcp"
    }

    fn title(&self) -> &'static str {
        "Model Context Protocol tasks and tool calls (JSON-RPC log)"
    }

    fn layer(&self) -> Layer {
        Layer::Task
    }

    fn recognise(&self, p: &Probe<'_>) -> Option<Match> {
        let rpc = p.has(&["jsonrpc"]) || (head_has(p, "\"jsonrpc\"") && wrapped(p));
        (is_json(p.shape)
            && rpc
            && (head_has(p, "tools/call") || head_has(p, "\"taskId\"") || head_has(p, "tasks/")))
        .then_some(Match::Specific)
    }

    fn read(&self, input: &Input, _: &Context<'_>, batch: &mut Batch) -> Result<(), IngestError> {
        let (head, complete) = reader::head(input)?;
        let shape = detect::detect(&head, complete).shape;
        let mut log = Log::default();
        records::each(input, shape, batch, &mut |place, raw, batch| {
            let mut sink = Sink::new(place.to_string(), batch.source_id.clone());
            let read = serde_json::from_str::<Value>(raw)
                .map_err(|e| json_message(&e))
                .and_then(|r| log.record(&r, &mut sink));
            match read {
                Ok(()) => sink.keep(batch),
                Err(reason) => batch.quarantine(sink.place, reason),
            }
            Ok(())
        })?;
        log.finish(batch);
        Ok(())
    }
}

/// Keys under which loggers put the message.
const MESSAGES: [&str; 5] = ["message", "msg", "payload", "data", "body"];
/// Keys of a logger's clock.
const CLOCKS: [&str; 5] = ["timestamp", "time", "ts", "@timestamp", "at"];
/// Keys of a session.
const SESSIONS: [&str; 5] =
    ["mcp.session.id", "sessionId", "session_id", "mcpSessionId", "mcp-session-id"];
/// Keys of the identity that called.
const CALLERS: [&str; 5] = ["principal", "agent", "user", "client_id", "client"];

fn wrapped(p: &Probe<'_>) -> bool {
    MESSAGES.iter().any(|k| p.has(&[k])) && CLOCKS.iter().any(|k| p.has(&[k]))
}

/// A call that was not answered yet.
struct Open {
    task: Task,
    place: String,
}

#[derive(Default)]
struct Log {
    open: HashMap<(String, String), Open>,
    /// Last state seen of each task, so that polling does not pile up.
    seen: HashMap<String, TaskState>,
    /// Calls without any time.
    clockless: u64,
    /// Calls beyond the bound on unanswered ones.
    crowded: u64,
    /// Lists of tasks and what they say of further pages.
    pages: Pages,
}

/// A key of the wrapper; keys such as `mcp.session.id` hold dots.
fn plain(r: &Value, keys: &[&str]) -> Option<String> {
    keys.iter().find_map(|k| match r.get(k)? {
        Value::String(s) if !s.trim().is_empty() => Some(s.trim().to_owned()),
        Value::Number(n) => Some(n.to_string()),
        _ => None,
    })
}

impl Log {
    fn record(&mut self, r: &Value, sink: &mut Sink) -> Result<(), String> {
        let message = match MESSAGES.iter().find_map(|k| r.get(k).filter(|m| m.is_object())) {
            Some(inner) if r.get("jsonrpc").is_none() => inner,
            _ => r,
        };
        if word(message, "jsonrpc").is_none() {
            return Err("no JSON-RPC message".to_owned());
        }
        let clock = match CLOCKS.iter().find(|k| r.get(k).is_some()) {
            Some(key) => sink.time(r, key)?,
            None => None,
        };
        let session = plain(r, &SESSIONS);
        let method = word(message, "method");
        let id = word(message, "id");
        match (method.as_deref(), id) {
            (Some("tools/call"), Some(id)) => {
                let caller = plain(r, &CALLERS);
                self.call(message, (session, id), clock, caller, sink);
            }
            (Some("notifications/tasks/status"), _) => {
                self.status(at(message, "params").unwrap_or(&Value::Null), None, sink)?;
            }
            (None, Some(id)) => self.answer(message, (session, id), clock, sink)?,
            // Requests of other methods and other notifications say nothing about work.
            _ => {}
        }
        Ok(())
    }

    fn call(
        &mut self,
        message: &Value,
        (session, id): (Option<String>, String),
        clock: Option<Time>,
        caller: Option<String>,
        sink: &mut Sink,
    ) {
        let session = session.unwrap_or_default();
        if self.open.len() >= MAX_OPEN && !self.open.contains_key(&(session.clone(), id.clone())) {
            self.crowded += 1;
            return;
        }
        let task = Task {
            task_id: text(if session.is_empty() { id.clone() } else { format!("{session}/{id}") }),
            parent_id: related(message, "params").map(text),
            system: text("mcp"),
            kind: TaskKind::ToolCall,
            started_at_lo: clock,
            started_at_hi: clock,
            state: TaskState::Running,
            principal: caller.map(text),
            title: word(message, "params.name").map(text),
            ..Task::default()
        };
        let open = Open { task, place: sink.place.clone() };
        // The same id again, unanswered: the earlier call is reported as it stands.
        if let Some(before) = self.open.insert((session, id), open) {
            self.put(before, sink);
        }
    }

    fn answer(
        &mut self,
        message: &Value,
        (session, id): (Option<String>, String),
        clock: Option<Time>,
        sink: &mut Sink,
    ) -> Result<(), String> {
        let call = self.open.remove(&(session.unwrap_or_default(), id));
        let title = call.as_ref().and_then(|c| c.task.title.clone());
        if let Some(task) = at(message, "result.task") {
            // The call became a task, which speaks for it from here on.
            return self.status(task, title, sink);
        }
        if at(message, "result.taskId").is_some() {
            self.status(at(message, "result").unwrap_or(&Value::Null), None, sink)?;
        }
        let mut bad = None;
        if let Some(list) = at(message, "result.tasks").and_then(Value::as_array) {
            self.pages.add(list.len(), None, word(message, "result.nextCursor").is_some());
        }
        for task in super::document::list(message, "result.tasks") {
            if let Err(e) = self.status(task, None, sink) {
                bad = Some(e);
            }
        }
        if let Some(e) = bad {
            return Err(e);
        }
        if let Some(mut call) = call {
            let failed = at(message, "error").is_some() || is_true(message, "result.isError");
            call.task.state = if failed { TaskState::Failed } else { TaskState::Succeeded };
            call.task.ended_at_lo = clock;
            call.task.ended_at_hi = clock;
            if let Some(parent) = related(message, "result") {
                call.task.parent_id = Some(text(parent));
            }
            self.put(call, sink);
        }
        Ok(())
    }

    /// A call without any time proves nothing about work and is only counted.
    fn put(&mut self, call: Open, sink: &mut Sink) {
        if call.task.started_at_lo.is_none() {
            self.clockless += 1;
            return;
        }
        let here = std::mem::replace(&mut sink.place, call.place);
        sink.task(call.task);
        sink.place = here;
    }

    /// One observation of a task.
    fn status(&mut self, t: &Value, title: Option<Text>, sink: &mut Sink) -> Result<(), String> {
        let id = need(t, "taskId")?;
        let state = match need(t, "status")?.as_str() {
            "working" => TaskState::Running,
            "input_required" => TaskState::Waiting,
            "completed" => TaskState::Succeeded,
            "failed" => TaskState::Failed,
            "cancelled" => TaskState::Canceled,
            other => {
                return Err(format!("`status` is `{}`", crate::ingest::table::short(other)));
            }
        };
        let created = sink.time(t, "createdAt")?;
        let updated = sink.time(t, "lastUpdatedAt")?;
        let over = !matches!(state, TaskState::Running | TaskState::Waiting);
        if !over && self.seen.get(&id).is_some_and(|s| *s == state) {
            return Ok(());
        }
        self.seen.insert(id.clone(), state);
        sink.task(Task {
            task_id: text(id),
            system: text("mcp"),
            kind: TaskKind::AgentRun,
            started_at_lo: created,
            started_at_hi: created,
            ended_at_lo: updated.filter(|_| over),
            ended_at_hi: updated.filter(|_| over),
            state,
            title: title.or_else(|| first_word(t, &["statusMessage"]).map(text)),
            ..Task::default()
        });
        Ok(())
    }

    /// Calls without an answer, in order, and what the log lacks.
    fn finish(mut self, batch: &mut Batch) {
        let mut open: Vec<((String, String), Open)> =
            std::mem::take(&mut self.open).into_iter().collect();
        open.sort_by(|a, b| a.0.cmp(&b.0));
        for (_, mut call) in open {
            // No answer was logged: whether it still runs is not known.
            call.task.state = TaskState::Unknown;
            let mut sink = Sink::new(call.place.clone(), batch.source_id.clone());
            self.put(call, &mut sink);
            sink.keep(batch);
        }
        let mut parts = Vec::new();
        if self.clockless > 0 {
            parts.push(format!(
                "{} tool calls have no time; the protocol has none, their logger must write it",
                self.clockless
            ));
        }
        if self.crowded > 0 {
            parts.push(format!("{} tool calls beyond {MAX_OPEN} unanswered ones", self.crowded));
        }
        if !parts.is_empty() {
            batch.limitation = Some(text(parts.join("; ")));
        }
        self.pages.state(batch);
    }
}

/// Task that a message belongs to; its key holds dots.
fn related(message: &Value, part: &str) -> Option<String> {
    let meta = at(message, part)?.get("_meta")?;
    word(meta.get("io.modelcontextprotocol/related-task")?, "taskId")
}
