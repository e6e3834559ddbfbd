//! Timelines of the worst findings about grants.

use std::collections::BTreeMap;

use super::{grants_of, instant};
use crate::facts::{Certainty, Derived, EndKind, GrantFact, Segment, Text, Time};
use crate::findings::{Finding, Status};
use crate::report::text::{arn, counted, duration};
use crate::report::view::{Bar, Mark, Strip};

/// Strips in a report.
pub(super) const MAX_STRIPS: usize = 10;

/// Builds the strips, worst finding first, one per grant.
pub(super) fn strips(findings: &[Finding], derived: &Derived, as_of: Time) -> Vec<Strip> {
    let mut seen = std::collections::BTreeSet::new();
    let worst: Vec<&Finding> = findings
        .iter()
        .filter(|f| f.status == Status::Open)
        .filter(|f| f.grant_id.is_some() && seen.insert((&f.grant_id, &f.principal)))
        .take(MAX_STRIPS)
        .collect();
    let grants = grants_of(&worst, derived);
    let ids: std::collections::BTreeSet<&str> =
        worst.iter().filter_map(|f| f.grant_id.as_deref()).collect();
    let mut states: BTreeMap<&str, Vec<&Segment>> = BTreeMap::new();
    for s in &derived.segments {
        for id in s.grant_ids.iter().filter(|id| ids.contains(&***id)) {
            states.entry(id).or_default().push(s);
        }
    }
    worst
        .iter()
        .filter_map(|f| {
            let key = f.grant_id.as_deref().zip(f.principal.as_deref())?;
            let g = grants.get(&key).copied().flatten()?;
            let segments = states.get(&*g.grant_id).map_or(&[][..], Vec::as_slice);
            let strip = strip(f, g, segments, as_of);
            (!strip.bars.is_empty()).then_some(strip)
        })
        .collect()
}

fn bar(lane: &str, kind: &str, from: Time, until: Option<Time>, label: String) -> Bar {
    Bar {
        lane: lane.into(),
        kind: kind.into(),
        from: from.to_rfc3339(),
        until: instant(until),
        label,
    }
}

fn strip(f: &Finding, g: &GrantFact, segments: &[&Segment], as_of: Time) -> Strip {
    let mut bars = Vec::new();
    if let Some(from) = g.task_started_at.or(g.task_ended_at) {
        let label = g.task_id.as_deref().unwrap_or("task").to_string();
        bars.push(bar("Task", "task", from, g.task_ended_at, label));
    }
    bars.extend(granted(g, as_of));
    bars.extend(state(g, segments));
    bars.extend(used(g, segments));
    if let (Some(from), Some(until)) = (g.started_at, g.residual_until) {
        let label = match g.residual_s.filter(|s| *s > 0) {
            Some(s) => format!("valid {} beyond the grant", duration(s)),
            None => "credential".into(),
        };
        bars.push(bar("Credential", "credential", from, Some(until.max(from)), label));
    }
    bars.extend(cells(g, segments));
    Strip {
        fingerprint: f.fingerprint.clone(),
        title: format!("{}: {}, {}", g.grant_id, g.principal_id, g.privilege),
        bars,
        marks: marks(g),
    }
}

/// The grant, cut at the end of its task: what follows is excess.
fn granted(g: &GrantFact, as_of: Time) -> Vec<Bar> {
    let Some(from) = g.started_at else { return Vec::new() };
    // An inverted interval is shown as an instant; the finding tells of the contradiction.
    let until = g.ended_at.map(|t| t.max(from));
    let id = g.grant_id.to_string();
    let cut = g.task_ended_at.filter(|cut| until.is_none_or(|u| u > *cut) && *cut < as_of);
    let Some(cut) = cut else { return vec![bar("Grant", "grant", from, until, id)] };
    let cut = cut.max(from);
    let length = until.unwrap_or(as_of).secs_since(cut).max(0);
    let mut bars = Vec::new();
    if cut > from {
        bars.push(bar("Grant", "grant", from, Some(cut), id));
    }
    let more = if until.is_none() { " or more" } else { "" };
    bars.push(bar("Grant", "excess", cut, until, format!("+{}{more}", duration(length))));
    bars
}

/// Bars of cells in one strip.
const MAX_CELLS: usize = 24;

/// Segments that belong to the grant, in order of time.
fn own<'s>(g: &GrantFact, segments: &[&'s Segment]) -> Vec<&'s Segment> {
    let mut own: Vec<&Segment> =
        segments.iter().copied().filter(|s| s.principal_id == g.principal_id).collect();
    own.sort_by_key(|s| (s.from, s.until));
    own
}

/// When it was used: as the sweep has it, else the first and the last use. What lies between those two is
/// not proved to be use.
fn used(g: &GrantFact, segments: &[&Segment]) -> Vec<Bar> {
    let n = g.use_count.and_then(|n| u64::try_from(n).ok()).filter(|n| *n > 0);
    let label = n.map_or("used".into(), |n| counted(n, "use", "uses"));
    let mut bars: Vec<Bar> = own(g, segments)
        .into_iter()
        .filter(|s| &*s.usage == "1")
        .map(|s| bar("Use", "use", s.from, s.until, String::new()))
        .collect();
    if bars.is_empty() {
        let ends: std::collections::BTreeSet<Time> =
            [g.first_used_at, g.last_used_at].into_iter().flatten().collect();
        bars.extend(ends.into_iter().map(|t| bar("Use", "use", t, Some(t), String::new())));
    }
    if let Some(last) = bars.last_mut() {
        last.label = label;
    }
    bars
}

/// The cells of the reconciliation, one bar each.
fn cells(g: &GrantFact, segments: &[&Segment]) -> Vec<Bar> {
    own(g, segments)
        .into_iter()
        .take(MAX_CELLS)
        .map(|s| {
            let kind = match &*s.severity {
                "critical" | "high" => "cell_high",
                _ => "cell",
            };
            let doubt = if s.certainty == Certainty::Possible { "?" } else { "" };
            bar("Cell", kind, s.from, s.until, format!("{}{doubt}", s.cell))
        })
        .collect()
}

/// Time in which the IAM state shows the binding: from the sweep where there is one, else what the
/// comparison with the snapshot proves.
fn state(g: &GrantFact, segments: &[&Segment]) -> Vec<Bar> {
    let mut own: Vec<(Time, Option<Time>)> = segments
        .iter()
        .filter(|s| s.principal_id == g.principal_id && &*s.state == "1")
        .map(|s| (s.from, s.until))
        .collect();
    own.sort();
    let mut merged: Vec<(Time, Option<Time>)> = Vec::new();
    for (from, until) in own {
        match merged.last_mut() {
            Some((_, end)) if end.is_none_or(|e| e >= from) => {
                // An open end outlasts every known one.
                *end = end.and_then(|e| until.map(|u| u.max(e)));
            }
            _ => merged.push((from, until)),
        }
    }
    if merged.is_empty()
        && let (Some(true), Some(end), Some(s)) =
            (g.present_after_end, g.ended_at, g.present_after_end_s.filter(|s| *s > 0))
    {
        merged.push((end, Some(end.plus_secs(s))));
    }
    merged
        .into_iter()
        .map(|(from, until)| bar("IAM", "state", from, until, "present in IAM".into()))
        .collect()
}

fn marks(g: &GrantFact) -> Vec<Mark> {
    let by = |verb: &str, who: Option<&Text>| {
        who.map_or_else(|| verb.to_string(), |w| format!("{verb} by {}", arn(w).1))
    };
    let mut out: Vec<(Time, &str, String)> = Vec::new();
    out.extend(g.requested_at.map(|t| (t, "Grant", by("requested", g.requester_id.as_ref()))));
    out.extend(g.approved_at.map(|t| (t, "Grant", by("approved", g.approver_id.as_ref()))));
    out.extend(g.not_after.map(|t| (t, "Grant", "authorised end".to_string())));
    if g.end_kind != EndKind::Open {
        let word = g.end_kind.as_str().replace('_', " ");
        out.extend(g.ended_at.map(|t| (t, "Grant", format!("ended: {word}"))));
    }
    if g.used_after_end_s.is_some_and(|s| s > 0) || g.uses_after_task.is_some_and(|n| n > 0) {
        out.extend(g.last_used_at.map(|t| (t, "Use", "last use".to_string())));
    }
    out.sort();
    out.into_iter()
        .map(|(at, lane, label)| Mark { lane: lane.into(), at: at.to_rfc3339(), label })
        .collect()
}
