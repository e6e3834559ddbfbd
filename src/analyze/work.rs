//! The task axis of the sweep: whether the work ran that access was for.

use std::collections::HashMap;

use super::cells::Work;
use super::index::Index;
use super::tasks;
use crate::facts::{GrantFact, Layer, TaskState, Text, Time};

/// Task intervals by principal, for keys without a grant.
pub type WorkOf = HashMap<Text, Vec<(Time, Option<Time>)>>;

/// Collects them.
#[must_use]
pub fn principal_work(ix: &Index<'_>) -> WorkOf {
    let mut out: WorkOf = HashMap::new();
    for t in &ix.facts.tasks {
        if let (Some(p), Some(s)) = (&t.principal_id, t.started_at_lo) {
            let end = t.ended_at_hi.or(t.ended_at_lo);
            let until = if tasks::is_running(t, ix.as_of) { None } else { Some(end.unwrap_or(s)) };
            out.entry(p.clone()).or_default().push((s, until));
        }
    }
    out
}

/// The word of the axis in a segment.
#[must_use]
pub fn work_word(w: Work) -> &'static str {
    match w {
        Work::None => "-",
        Work::Before | Work::After => "X",
        Work::Running => "R",
    }
}

/// The task axis of a stretch: of the grants in play, else of the work of the principal.
#[must_use]
pub fn work_axis(
    ix: &Index<'_>,
    work: &WorkOf,
    principal: &str,
    in_play: &[&GrantFact],
    at: Time,
) -> Option<Work> {
    if in_play.is_empty() {
        if !ix.has_layer(Layer::Task) {
            return None;
        }
        let own = work.get(principal).map_or(&[][..], Vec::as_slice);
        let running = own.iter().any(|(s, e)| *s <= at && e.is_none_or(|e| at < e));
        let past = own.iter().any(|(s, _)| *s <= at);
        return Some(match (running, past, own.is_empty()) {
            (true, ..) => Work::Running,
            (_, true, _) => Work::After,
            (_, _, false) => Work::Before,
            _ => Work::None,
        });
    }
    let mut best = None;
    for g in in_play {
        let w = match (g.task_resolved, g.task_started_at) {
            (None, _) => return None,
            (Some(false), _) => Work::None,
            (Some(true), Some(s)) if at < s => Work::Before,
            // It waits for its start, or was called off without one.
            (Some(true), None) if unbegun(g, at) => Work::Before,
            (Some(true), _) => match (g.task_running, g.task_ended_at) {
                (Some(true), _) => Work::Running,
                (_, Some(e)) if at < e => Work::Running,
                (_, Some(_)) => Work::After,
                _ => return None,
            },
        };
        // The most favourable linked task speaks for the segment.
        best = Some(best.map_or(w, |b: Work| b.max(w)));
    }
    best
}

/// Whether the linked task, of which no start is known, had not begun at an instant.
fn unbegun(g: &GrantFact, at: Time) -> bool {
    match g.task_state {
        Some(TaskState::Waiting | TaskState::Queued) => g.task_ended_at.is_none(),
        Some(TaskState::Canceled | TaskState::Skipped) => g.task_ended_at.is_some_and(|e| at < e),
        _ => false,
    }
}
