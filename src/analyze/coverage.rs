//! What the inputs cover: one row per layer and one per source.

use std::collections::BTreeSet;

use super::grants::Profile;
use super::index::{Index, source_window};
use super::interval::{total_s, union};
use super::shrunken::Shrunken;
use super::tasks;
use crate::facts::store::evidence_ref;
use crate::facts::{Completeness, Coverage, Layer, Source, Time, UsageGrain, text};
use crate::settings::Settings;

/// Layers that the analysis reconciles, in the order reports print them.
const LAYERS: [Layer; 7] = [
    Layer::Ledger,
    Layer::Task,
    Layer::State,
    Layer::Usage,
    Layer::Credential,
    Layer::Owner,
    Layer::Review,
];

/// Derives the coverage table. `needed` says which layers the rules in use need.
#[must_use]
pub fn coverage(
    ix: &Index<'_>,
    profile: &Profile,
    shrunken: &Shrunken<'_>,
    needed: &dyn Fn(Layer) -> bool,
) -> Vec<Coverage> {
    let mut out: Vec<Coverage> =
        LAYERS.iter().map(|l| layer_row(ix, profile, *l, needed(*l))).collect();
    out.extend(ix.facts.sources.iter().map(|s| source_row(ix, s, needed(s.layer))));
    for row in &mut out {
        let ids = row.refs.iter().filter_map(|r| r.split_once('#').map(|(id, _)| id));
        let lost: BTreeSet<&str> =
            ids.filter_map(|id| shrunken.lost(id)).map(|why| &**why).collect();
        if row.layer == Layer::Ledger && !lost.is_empty() {
            truncate(row, &lost);
        }
    }
    out
}

/// A ledger that does not say so, and of which IAM shows that records are missing (section 7).
fn truncate(row: &mut Coverage, lost: &BTreeSet<&str>) {
    row.completeness = Completeness::Truncated;
    row.outcome = text("partial");
    let mut why: Vec<&str> = row.reason.as_deref().into_iter().collect();
    let lost: Vec<&str> = lost.iter().copied().collect();
    let lost = format!("incomplete_ledger: truncated, {}", lost.join("; "));
    why.insert(0, &lost);
    row.reason = Some(text(why.join("; ")));
}

/// The row of a file that was given and of which nothing could be read. What it holds is not known, so
/// nobody can say that it was not needed (grants model, section 0.5).
#[must_use]
pub fn unread(settings: &Settings, file: &str, why: &str) -> Coverage {
    Coverage {
        coverage_id: text(format!("file:{file}")),
        layer: Layer::Context,
        file: Some(text(file)),
        unread: Some(text(why)),
        needed: true,
        period_start: settings.period.map(|p| p.0),
        period_end: settings.period.map(|p| p.1),
        outcome: text("not_assessed"),
        reason: Some(text("unreadable")),
        ..Coverage::default()
    }
}

fn layer_row(ix: &Index<'_>, profile: &Profile, layer: Layer, needed: bool) -> Coverage {
    let mut sources: Vec<&Source> = ix.facts.sources.iter().filter(|s| s.layer == layer).collect();
    let borrowed = sources.is_empty();
    if borrowed {
        // A broker's log may hold uses and credentials beside its grants.
        let carriers = carriers(ix, layer);
        sources = ix.facts.sources.iter().filter(|s| carriers.contains(&*s.source_id)).collect();
    }
    let windows: Vec<_> = sources.iter().map(|s| source_window(s)).collect();
    let start = windows.iter().filter_map(|w| w.0).min();
    let end = windows.iter().filter_map(|w| w.1).max();
    let records: i64 = sources.iter().map(|s| s.records).sum();
    let quarantined: i64 = sources.iter().map(|s| s.quarantined).sum();
    let mut row = Coverage {
        coverage_id: text(format!("layer:{layer}")),
        layer,
        present: !sources.is_empty(),
        needed,
        period_start: ix.settings.period.map(|p| p.0),
        period_end: ix.settings.period.map(|p| p.1),
        window_start: start,
        window_end: end,
        covered_share: covered(ix, layer, &windows),
        age_days: end.map(|e| ix.as_of.days_since(e).max(0)),
        completeness: combined(&sources),
        records,
        quarantined,
        quarantined_share: share(quarantined, records),
        conflicting_duplicates: sources.iter().map(|s| s.conflicting_duplicates).sum(),
        ambiguous_times: sources.iter().map(|s| s.ambiguous_times).sum(),
        inverted_intervals: inverted(ix, |id| sources.iter().any(|s| &*s.source_id == id)),
        limitation: if borrowed && !sources.is_empty() {
            let files: Vec<&str> = sources.iter().map(|s| &*s.file).collect();
            Some(text(format!("no source of its own: its records stand in {}", files.join(", "))))
        } else {
            limitation(profile, layer, &sources)
        },
        refs: sources.iter().map(|s| evidence_ref(&s.source_id, "")).collect(),
        ..Coverage::default()
    };
    judge(ix, &mut row);
    if borrowed && row.present {
        let why = "records of it stand in files of another layer, which may not hold all";
        let more = row.reason.as_deref().map_or_else(String::new, |r| format!("; {r}"));
        row.outcome = text("partial");
        row.reason = Some(text(format!("{why}{more}")));
    }
    row
}

/// Sources of other layers that hold records of a layer.
fn carriers<'a>(ix: &Index<'a>, layer: Layer) -> BTreeSet<&'a str> {
    let facts = ix.facts;
    match layer {
        Layer::Usage => facts
            .usage
            .iter()
            .filter(|u| matches!(u.grain, UsageGrain::Event | UsageGrain::Action))
            .map(|u| &*u.source_id)
            .collect(),
        Layer::Credential => facts.credentials.iter().map(|c| &*c.source_id).collect(),
        _ => BTreeSet::new(),
    }
}

fn source_row(ix: &Index<'_>, s: &Source, needed: bool) -> Coverage {
    let window = source_window(s);
    let mut row = Coverage {
        coverage_id: s.source_id.clone(),
        layer: s.layer,
        file: Some(s.file.clone()),
        format: Some(s.format.clone()),
        present: true,
        needed,
        period_start: ix.settings.period.map(|p| p.0),
        period_end: ix.settings.period.map(|p| p.1),
        window_start: window.0,
        window_end: window.1,
        covered_share: covered(ix, s.layer, &[window]),
        age_days: window.1.map(|e| ix.as_of.days_since(e).max(0)),
        completeness: s.completeness,
        records: s.records,
        quarantined: s.quarantined,
        quarantined_share: share(s.quarantined, s.records),
        conflicting_duplicates: s.conflicting_duplicates,
        ambiguous_times: s.ambiguous_times,
        inverted_intervals: inverted(ix, |id| &*s.source_id == id),
        limitation: s.limitation.clone(),
        refs: vec![evidence_ref(&s.source_id, "")],
        ..Coverage::default()
    };
    judge(ix, &mut row);
    row
}

/// Tasks of the chosen sources that ended before they began.
fn inverted(ix: &Index<'_>, mine: impl Fn(&str) -> bool) -> i64 {
    if let Some(s) = ix.survey {
        return s.inverted_tasks.iter().filter(|(id, _)| mine(id)).map(|(_, n)| n).sum();
    }
    ix.facts.tasks.iter().filter(|t| tasks::is_inverted(t) && mine(&t.source_id)).count() as i64
}

#[expect(clippy::cast_precision_loss, reason = "record counts fit a double exactly")]
fn share(part: i64, whole: i64) -> Option<f64> {
    (whole > 0).then(|| part as f64 / whole as f64)
}

/// Share of the audited period inside the windows. A snapshot (state, owners, credentials, reviews)
/// speaks for its instant: it covers the period when it was taken inside it or at its end.
fn covered(ix: &Index<'_>, layer: Layer, windows: &[(Option<Time>, Option<Time>)]) -> Option<f64> {
    let (from, until) = ix.settings.period?;
    let until = until.min(ix.as_of);
    if until <= from || windows.is_empty() || windows.iter().all(|w| *w == (None, None)) {
        return None;
    }
    if matches!(layer, Layer::State | Layer::Owner | Layer::Credential | Layer::Review) {
        let inside = windows.iter().any(|(_, b)| b.is_some_and(|b| b >= from));
        return Some(if inside { 1.0 } else { 0.0 });
    }
    let spans = windows
        .iter()
        .filter(|w| **w != (None, None))
        .map(|(a, b)| (a.unwrap_or(from).max(from), b.unwrap_or(until).min(until)))
        .collect();
    #[expect(clippy::cast_precision_loss, reason = "seconds of a period fit a double exactly")]
    Some(total_s(&union(spans)) as f64 / until.secs_since(from) as f64)
}

fn combined(sources: &[&Source]) -> Completeness {
    if sources.iter().any(|s| s.completeness == Completeness::Truncated) {
        Completeness::Truncated
    } else if !sources.is_empty()
        && sources.iter().all(|s| s.completeness == Completeness::Complete)
    {
        Completeness::Complete
    } else {
        Completeness::Unknown
    }
}

fn limitation(profile: &Profile, layer: Layer, sources: &[&Source]) -> Option<crate::facts::Text> {
    let mut parts: Vec<String> = sources
        .iter()
        .filter_map(|s| s.limitation.as_ref().map(|l| format!("{}: {l}", s.file)))
        .collect();
    if layer == Layer::Ledger {
        for (system, never) in profile.limits() {
            parts.push(format!("ledger `{system}` never records: {}", never.join(", ")));
        }
    }
    parts.dedup();
    (!parts.is_empty()).then(|| text(parts.join("; ")))
}

fn judge(ix: &Index<'_>, row: &mut Coverage) {
    let limits = &ix.settings.limits;
    let mut why: Vec<String> = Vec::new();
    if !row.present {
        row.outcome = text("not_assessed");
        row.reason = Some(text("no_source"));
        return;
    }
    if row.completeness == Completeness::Truncated {
        let what = if row.layer == Layer::Ledger { "ledger" } else { "snapshot" };
        why.push(format!("incomplete_{what}: the export is truncated"));
    }
    if row.quarantined > 0 {
        why.push(format!("{} of {} records in quarantine", row.quarantined, row.records));
    }
    let gap = limits.get("max_period_gap_share").unwrap_or(0.0);
    if let Some(s) = row.covered_share
        && s < 1.0 - gap - 1e-9
    {
        why.push(format!("out_of_window: {:.0} % of the period covered", (s * 100.0).floor()));
    }
    if row.age_days.is_some_and(|d| d > limits.whole("max_source_age_days")) {
        why.push(format!("stale: {} days old", row.age_days.unwrap_or(0)));
    }
    row.outcome = text(if why.is_empty() { "assessed" } else { "partial" });
    row.reason = (!why.is_empty()).then(|| text(why.join("; ")));
}
