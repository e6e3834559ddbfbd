//! Tasks and hops of delegation out of kept spans.

use std::collections::{BTreeMap, HashMap};

use super::stream::{Links, Span, user};
use crate::facts::{Delegation, Task, TaskKind, TaskState, Text, Time, text};
use crate::ingest::source::Batch;
use crate::ingest::tasks::document::Sink;

/// Ancestors looked through: a chain of calls is not that deep, a loop is endless.
const MAX_DEPTH: usize = 512;

/// What a span stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Role {
    Agent,
    Tool,
    Workflow,
    Run,
    RunTask,
}

fn role(s: &Span) -> Role {
    match s.own.get("gen_ai.operation.name").map(String::as_str) {
        Some("invoke_agent") => return Role::Agent,
        Some("invoke_workflow") => return Role::Workflow,
        Some("execute_tool") => return Role::Tool,
        _ => {}
    }
    if s.own.contains_key("mcp.method.name") {
        Role::Tool
    } else if s.own.keys().any(|k| k.starts_with("cicd.pipeline.task.")) {
        Role::RunTask
    } else {
        Role::Run
    }
}

/// Own attribute, else that of the resource.
fn either<'s>(s: &'s Span, key: &str) -> Option<&'s str> {
    s.own.get(key).or_else(|| s.resource.get(key)).map(String::as_str)
}

/// Identity of an agent: its id, else its name.
fn agent(s: &Span) -> Option<String> {
    let name = ["gen_ai.agent.id", "gen_ai.agent.name"].iter().find_map(|k| s.own.get(k))?;
    Some(if name.contains(':') { name.clone() } else { format!("agent:{name}") })
}

/// The spans of a file with their relations.
struct Forest<'a> {
    spans: &'a [Span],
    links: &'a Links,
    by_id: HashMap<(&'a str, &'a str), &'a Span>,
}

impl<'a> Forest<'a> {
    fn new(spans: &'a [Span], links: &'a Links) -> Self {
        let mut by_id = HashMap::new();
        for s in spans {
            by_id.entry((s.trace.as_str(), s.id.as_str())).or_insert(s);
        }
        Self { spans, links, by_id }
    }

    /// Nearest kept ancestor that fits.
    fn ancestor(&self, s: &'a Span, fits: impl Fn(&Span) -> bool) -> Option<&'a Span> {
        let mut parent = s.parent.as_str();
        for _ in 0..MAX_DEPTH {
            if parent.is_empty() {
                return None;
            }
            match self.by_id.get(&(s.trace.as_str(), parent)) {
                Some(kept) if fits(kept) => return Some(kept),
                Some(kept) => parent = &kept.parent,
                None => parent = &self.links.get(&(s.trace.clone(), parent.to_owned()))?.parent,
            }
        }
        None
    }

    /// User that the span or the nearest of its ancestors names.
    fn user(&self, s: &'a Span) -> Option<String> {
        if let Some(u) = user(&s.own) {
            return Some(u);
        }
        let mut parent = s.parent.as_str();
        for _ in 0..MAX_DEPTH {
            if parent.is_empty() {
                break;
            }
            if let Some(kept) = self.by_id.get(&(s.trace.as_str(), parent)) {
                if let Some(u) = user(&kept.own) {
                    return Some(u);
                }
                parent = &kept.parent;
            } else if let Some(link) = self.links.get(&(s.trace.clone(), parent.to_owned())) {
                if link.user.is_some() {
                    return link.user.clone();
                }
                parent = &link.parent;
            } else {
                break;
            }
        }
        user(&s.resource)
    }
}

/// Id of the task that a span stands for.
fn task_id(s: &Span) -> String {
    let run = || either(s, "cicd.pipeline.run.id").map(str::to_owned);
    let own = match role(s) {
        Role::Run => run(),
        // The id of a task run is unique inside its pipeline run only.
        Role::RunTask => run()
            .zip(s.own.get("cicd.pipeline.task.run.id"))
            .map(|(run, task)| format!("{run}/{task}")),
        Role::Tool => s.own.get("gen_ai.tool.call.id").cloned(),
        Role::Agent | Role::Workflow => None,
    };
    own.unwrap_or_else(|| format!("{}/{}", s.trace, s.id))
}

fn state(s: &Span) -> TaskState {
    let result = ["cicd.pipeline.task.run.result", "cicd.pipeline.result"]
        .iter()
        .find_map(|k| s.own.get(k))
        .map(String::as_str);
    let live = s.own.get("cicd.pipeline.run.state").map(String::as_str);
    match (result, live) {
        (Some("success"), _) => TaskState::Succeeded,
        (Some("failure" | "error" | "timeout"), _) => TaskState::Failed,
        (Some("cancellation"), _) => TaskState::Canceled,
        (Some("skip" | "skipped"), _) => TaskState::Skipped,
        (_, Some("pending")) => TaskState::Queued,
        // A span is exported when it is over; one without an end was cut off.
        _ if s.end.is_none() => TaskState::Unknown,
        _ if s.failed || s.own.contains_key("error.type") => TaskState::Failed,
        _ => TaskState::Succeeded,
    }
}

/// Adds tasks and hops to the batch.
pub fn tasks(spans: &[Span], links: &Links, batch: &mut Batch) {
    let forest = Forest::new(spans, links);
    let mut conversations: BTreeMap<String, (Time, Option<Time>, String)> = BTreeMap::new();
    for s in forest.spans {
        let mut sink = Sink::new(s.place.clone(), batch.source_id.clone());
        sink.see(s.start);
        sink.see(s.end);
        let task = task(&forest, s);
        let root = forest.ancestor(s, |p| role(p) == Role::Agent).is_none();
        if let (Role::Agent | Role::Workflow, Some(id), Some(start), true) =
            (role(s), s.own.get("gen_ai.conversation.id"), s.start, root)
        {
            let span = conversations.entry(id.clone()).or_insert((start, s.end, s.place.clone()));
            span.0 = span.0.min(start);
            // A turn that is cut off leaves the end of the conversation open.
            span.1 = span.1.zip(s.end).map(|(a, b)| a.max(b));
        }
        if role(s) == Role::Agent {
            hops(&forest, s, &mut sink);
        }
        sink.task(task);
        sink.keep(batch);
    }
    for (id, (start, end, place)) in conversations {
        let mut sink = Sink::new(place, batch.source_id.clone());
        sink.task(Task {
            task_id: text(id),
            system: text("otel"),
            kind: TaskKind::Session,
            started_at_lo: Some(start),
            started_at_hi: Some(start),
            ended_at_lo: end,
            ended_at_hi: end,
            state: if end.is_some() { TaskState::Succeeded } else { TaskState::Unknown },
            ..Task::default()
        });
        sink.keep(batch);
    }
}

fn task(forest: &Forest<'_>, s: &Span) -> Task {
    let role = role(s);
    let above = forest.ancestor(s, |_| true);
    let caller = forest.ancestor(s, |p| agent(p).is_some() && self::role(p) == Role::Agent);
    let principal = match role {
        Role::Agent => agent(s),
        Role::Tool | Role::Workflow => agent(s).or_else(|| caller.and_then(agent)),
        Role::Run | Role::RunTask => None,
    };
    let conversation = s.own.get("gen_ai.conversation.id");
    let parent = match (above, conversation) {
        (Some(p), _) => Some(task_id(p)),
        (None, Some(c)) if matches!(role, Role::Agent | Role::Workflow) => Some(c.clone()),
        _ => None,
    };
    let title = ["gen_ai.tool.name", "gen_ai.agent.name", "gen_ai.workflow.name"]
        .iter()
        .chain(&["cicd.pipeline.task.name", "cicd.pipeline.name"])
        .find_map(|k| s.own.get(k).or_else(|| s.resource.get(k)));
    let state = state(s);
    let begun = !matches!(state, TaskState::Queued | TaskState::Skipped);
    let end = s.end.filter(|_| begun);
    Task {
        task_id: text(task_id(s)),
        parent_id: parent.map(text),
        system: text("otel"),
        kind: match role {
            Role::Agent => TaskKind::AgentRun,
            Role::Tool => TaskKind::ToolCall,
            Role::Workflow => TaskKind::Workflow,
            Role::Run => TaskKind::CiRun,
            Role::RunTask => TaskKind::CiJob,
        },
        queued_at: s.start.filter(|_| !begun),
        started_at_lo: s.start.filter(|_| begun),
        started_at_hi: s.start.filter(|_| begun),
        ended_at_lo: end,
        ended_at_hi: end,
        state,
        principal: principal.map(text),
        triggered_by: forest.user(s).map(text),
        target: ["deployment.environment.name", "deployment.environment"]
            .iter()
            .find_map(|k| either(s, k))
            .map(text),
        other_ids: names(s, above.is_none()),
        title: title.map(text),
        ..Task::default()
    }
}

/// Other names: the span, the address of the run, and for the first work of a trace the trace.
fn names(s: &Span, first: bool) -> Vec<Text> {
    let mut out = vec![text(format!("{}/{}", s.trace, s.id)), text(&s.id)];
    let urls = match role(s) {
        Role::Run => "cicd.pipeline.run.url.full",
        _ => "cicd.pipeline.task.run.url.full",
    };
    out.extend(s.own.get(urls).map(text));
    if first {
        out.push(text(&s.trace));
    }
    out
}

/// Hops of acting on behalf: the agent that called this one, else the user who did.
fn hops(forest: &Forest<'_>, s: &Span, sink: &mut Sink) {
    let Some(child) = agent(s) else { return };
    let user = forest.user(s);
    let caller = forest.ancestor(s, |p| role(p) == Role::Agent && agent(p).is_some());
    let (parent, parent_until) = match caller {
        Some(p) => (agent(p), p.end),
        None => (user.clone(), None),
    };
    let Some(parent) = parent.filter(|p| *p != child) else { return };
    sink.delegation(Delegation {
        parent: text(parent),
        child: text(child),
        from: s.start,
        until: s.end,
        parent_until,
        chain: Some(text(&s.trace)),
        origin: user.map(text),
        evidence: text("agent_span"),
        ..Delegation::default()
    });
}
