//! What the template shows: the view cut to what fits a page, with labels chosen here, so that the
//! template holds markup only.

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::{Value, json};

use super::{headline, honest_lines};
use crate::findings::{ControlRef, Finding, Severity, SourceRef, Status};
use crate::report::charts::{self, Chart};
use crate::report::story::Story;
use crate::report::text::{anchor, clip, count, counted, percent, titled, words};
use crate::report::view::{
    Changes, Conclusion, CoverageRow, CrosswalkRow, GrantRow, NotAssessed, PrincipalRow,
    QuarantineRow, SettingRow, SourceRow, Strip, Summary, Tool, WaiverRow,
};
use crate::report::{ReportError, View};

/// Findings shown with everything.
const FULL: usize = 200;
/// Findings unfolded: enough to see what a block holds.
const OPEN: usize = 3;
/// Findings shown as rows after them.
const ROWS: usize = 2000;
/// Evidence records of one finding.
const RECORDS: usize = 20;
/// Fingerprints of one kind of change.
const CHANGED: usize = 100;
/// Characters of a proposed policy; the whole text is in findings.jsonl.
const PROPOSAL: usize = 6000;
/// Characters of one evidence value.
const VALUE: usize = 400;

#[derive(Serialize)]
pub(super) struct Page<'a> {
    title: String,
    entity: Option<&'a str>,
    as_of: &'a str,
    period: &'a Option<(String, String)>,
    report_id: &'a str,
    tool: &'a Tool,
    summary: &'a Summary,
    headline: String,
    honest: Vec<String>,
    severities: Vec<Value>,
    complete_share: String,
    overstayed_share: String,
    fix_first: Vec<Value>,
    coverage: Vec<Layer<'a>>,
    gaps: Vec<Gaps<'a>>,
    blind_spots: Vec<&'a NotAssessed>,
    charts: Vec<Chart>,
    metrics: Vec<Value>,
    principals: Vec<Value>,
    principal_heads: [&'static str; 6],
    sources: &'a [SourceRow],
    quarantine: &'a [QuarantineRow],
    rules: Vec<Value>,
    frameworks: Vec<Framework<'a>>,
    findings: Vec<Block<'a>>,
    about_evidence: Vec<Block<'a>>,
    rows: Vec<Value>,
    findings_total: u64,
    findings_hidden: u64,
    grants: Vec<Register<'a>>,
    stories: Vec<Told<'a>>,
    grants_total: u64,
    waivers: &'a [WaiverRow],
    changes: Option<Value>,
    settings: &'a [SettingRow],
    crosswalk: &'a [CrosswalkRow],
    digests: &'a BTreeMap<String, String>,
}

#[derive(Serialize)]
struct Layer<'a> {
    row: &'a CoverageRow,
    remedy: Option<&'a str>,
    share: Option<u64>,
    mark: &'static str,
}

#[derive(Serialize)]
struct Gaps<'a> {
    label: &'static str,
    items: Vec<&'a NotAssessed>,
    open: bool,
    counted: bool,
    remedied: bool,
}

#[derive(Serialize)]
struct Framework<'a> {
    name: String,
    note: Option<&'a str>,
    counts: Vec<(String, usize)>,
    open: bool,
    conclusions: Vec<Judged<'a>>,
}

#[derive(Serialize)]
struct Judged<'a> {
    row: &'a Conclusion,
    mark: &'static str,
    word: String,
    statement: String,
    gaps: Vec<String>,
    links: Vec<Link>,
    more: usize,
}

#[derive(Serialize)]
struct Link {
    id: String,
    text: String,
    here: bool,
}

#[derive(Serialize)]
struct Block<'a> {
    id: String,
    finding: &'a Finding,
    open: bool,
    possible: bool,
    criteria: Vec<String>,
    evidence: Vec<(String, String)>,
    records: &'a [SourceRef],
    more_records: usize,
    tests: Vec<&'a ControlRef>,
    supports: Vec<&'a ControlRef>,
    strip: Option<Chart>,
    /// The message, without the steps that the chain shows.
    condition: Cow<'a, str>,
    /// Steps of an escalation: technique and sentence.
    chain: Vec<(Option<String>, String)>,
    /// Where they end.
    chain_end: Option<String>,
    /// A policy of what was used only.
    narrower: Option<String>,
    place: Option<usize>,
    register: Option<usize>,
}

/// One grant in full.
#[derive(Serialize)]
struct Told<'a> {
    id: String,
    story: &'a Story,
    /// Parts: a word and its lines.
    parts: Vec<(&'a str, Vec<&'a str>)>,
    links: Vec<Link>,
    strip: Option<Chart>,
}

#[derive(Serialize)]
struct Register<'a> {
    row: &'a GrantRow,
    links: Vec<Link>,
}

/// Findings with an anchor on the page, and their rules.
struct Anchors<'a>(BTreeMap<&'a str, &'a str>);

impl Anchors<'_> {
    fn link(&self, fingerprint: &str) -> Link {
        let digits: String = fingerprint.chars().take(6).collect();
        let rule = self.0.get(fingerprint);
        let text = match rule {
            Some(rule) => format!("{} {digits}", clip(rule, 20)),
            None => crate::report::text::short(fingerprint),
        };
        Link { id: anchor(fingerprint), text, here: rule.is_some() }
    }
}

fn number(n: usize) -> u64 {
    u64::try_from(n).unwrap_or(u64::MAX)
}

/// Builds the page.
pub(super) fn page(view: &View) -> Result<Page<'_>, ReportError> {
    let full = view.findings.get(..FULL).unwrap_or(&view.findings);
    let rest = view.findings.get(full.len()..).unwrap_or_default();
    let rest = rest.get(..ROWS).unwrap_or(rest);
    let s = &view.summary;
    let anchors = Anchors(
        full.iter().chain(rest).map(|f| (f.fingerprint.as_str(), f.rule.as_str())).collect(),
    );
    let open: u64 = s.open.values().sum();
    let (about_evidence, mut findings): (Vec<_>, Vec<_>) =
        blocks(view, full)?.into_iter().partition(|b| b.finding.about_evidence());
    // What is to be fixed first comes first here, too; the rest keeps its order.
    findings.sort_by_key(|b| b.place.unwrap_or(usize::MAX));
    for b in findings.iter_mut().take(OPEN) {
        b.open = true;
    }
    Ok(Page {
        title: view.entity.as_ref().map_or_else(
            || "Access evidence report".to_string(),
            |e| format!("Access evidence report: {}", clip(e, 200)),
        ),
        entity: view.entity.as_deref(),
        as_of: &view.as_of,
        period: &view.period,
        report_id: &view.report_id,
        tool: &view.tool,
        summary: s,
        headline: lead(view),
        honest: honest_lines(view),
        severities: Severity::ALL
            .iter()
            .rev()
            .map(|v| {
                let n = s.open.get(v.as_str()).copied().unwrap_or(0);
                json!({ "word": v, "count": n, "share": percent(n, open) })
            })
            .collect(),
        complete_share: percent(s.complete_grants, s.grants),
        overstayed_share: percent(s.overstayed, s.overstay_assessed),
        fix_first: fix_first(view, &anchors),
        coverage: view.coverage.iter().map(|row| layer(view, row)).collect(),
        gaps: gaps(&view.not_assessed),
        blind_spots: view.not_assessed.iter().filter(|n| n.kind == "blind_spot").collect(),
        charts: charts::overview(view)?,
        metrics: view
            .metrics
            .iter()
            .map(|m| json!({ "title": m.title, "shown": m.shown(), "over": m.items }))
            .collect(),
        principals: view
            .principals
            .iter()
            .map(|p| json!({ "id": p.principal, "name": p.name, "cells": p.cells() }))
            .collect(),
        principal_heads: PrincipalRow::HEADS,
        sources: &view.sources,
        quarantine: &view.quarantine,
        rules: view.rules.iter().map(rule).collect(),
        frameworks: view.frameworks.iter().map(|f| framework(f, &anchors)).collect(),
        findings,
        about_evidence,
        rows: rest.iter().map(row).collect(),
        findings_total: number(view.findings.len()),
        findings_hidden: number(view.findings.len() - full.len() - rest.len()),
        grants: view
            .grants
            .iter()
            .map(|g| Register {
                row: g,
                links: g.findings.iter().take(5).map(|f| anchors.link(f)).collect(),
            })
            .collect(),
        stories: stories(view, &anchors)?,
        grants_total: view.grants_total,
        waivers: &view.waivers,
        changes: view.changes.as_ref().map(|c| changes(c, &anchors)),
        settings: &view.settings,
        crosswalk: &view.crosswalk,
        digests: &view.digests,
    })
}

/// How much is open, beside the counts by severity.
fn lead(view: &View) -> String {
    let open: u64 = view.summary.open.values().sum();
    if open == 0 {
        return headline(&view.summary);
    }
    let about = |f: &&Finding| f.status == Status::Open && f.about_evidence();
    let n = number(view.findings.iter().filter(about).count());
    let rest = if n == 0 {
        String::new()
    } else {
        format!(", {} of them about the evidence itself", count(n))
    };
    format!("{}{rest}", counted(open, "open finding", "open findings"))
}

fn fix_first(view: &View, anchors: &Anchors<'_>) -> Vec<Value> {
    let by_id: BTreeMap<&str, &Finding> =
        view.findings.iter().map(|f| (f.fingerprint.as_str(), f)).collect();
    view.fix_first
        .iter()
        .filter_map(|item| {
            let f = by_id.get(item.fingerprint.as_str())?;
            Some(json!({
                "severity": f.severity,
                "rule": f.rule,
                "message": f.message,
                "owner": f.owner,
                "remediation": f.remediation,
                "why": item.why,
                "link": anchors.link(&item.fingerprint),
                "possible": f.certainty != "certain",
            }))
        })
        .collect()
}

/// Sign of an outcome; a shape as well as a colour.
fn mark(outcome: &str) -> &'static str {
    match outcome {
        "assessed" | "no_exceptions_noted" | "complete" => "good",
        "partial" | "partially_assessed" | "exceptions_accepted" => "part",
        "exceptions_noted" => "bad",
        _ => "none",
    }
}

fn layer<'a>(view: &'a View, row: &'a CoverageRow) -> Layer<'a> {
    let share = row
        .covered_share
        .filter(|v| v.is_finite())
        .map(|v| (v.clamp(0.0, 1.0) * 100.0).floor() as u64);
    let gap = view.not_assessed.iter().find(|n| n.kind == "layer" && n.what == row.layer);
    Layer { row, remedy: gap.and_then(|n| n.remedy.as_deref()), share, mark: mark(&row.outcome) }
}

fn gap<'a>(label: &'static str, items: Vec<&'a NotAssessed>) -> Gaps<'a> {
    let remedied = items.iter().any(|n| n.remedy.is_some());
    Gaps {
        label,
        open: remedied && items.len() <= 12,
        counted: items.iter().any(|n| n.items > 0),
        remedied,
        items,
    }
}

fn gaps(all: &[NotAssessed]) -> Vec<Gaps<'_>> {
    let kinds = [
        ("input", "Inputs not read, or only in part"),
        ("ignored", "Inputs left out by the settings"),
        ("rule", "Rules not assessed, or only in part"),
        ("framework", "Frameworks not assessed, or only in part"),
    ];
    let mut out: Vec<Gaps<'_>> = kinds
        .iter()
        .map(|(kind, label)| gap(label, all.iter().filter(|n| n.kind == *kind).collect()))
        .collect();
    // Layers stand in the table of layers, blind spots in their own section.
    let known = |n: &&NotAssessed| {
        ["blind_spot", "layer"].contains(&n.kind.as_str())
            || kinds.iter().any(|(k, _)| *k == n.kind)
    };
    out.push(gap("Other gaps", all.iter().filter(|n| !known(n)).collect()));
    out.retain(|g| !g.items.is_empty());
    out
}

fn rule(r: &crate::findings::RuleResult) -> Value {
    let reasons: Vec<String> =
        r.reasons.iter().map(|(why, n)| format!("{}: {}", words(why), count(*n))).collect();
    json!({
        "id": r.rule,
        "title": r.title,
        "population": r.population,
        "exceptions": r.exceptions,
        "clean": r.clean,
        "not_assessed": r.not_assessed,
        "outcome": words(&r.outcome),
        "mark": mark(&r.outcome),
        "reason": r.reason.as_deref().map(words),
        "reasons": reasons.join(", "),
    })
}

fn framework<'a>(
    f: &'a crate::report::view::FrameworkView,
    anchors: &Anchors<'_>,
) -> Framework<'a> {
    let order = [
        "exceptions_noted",
        "exceptions_accepted",
        "partially_assessed",
        "no_exceptions_noted",
        "not_assessed",
        "not_applicable",
    ];
    let n = |word: &str| f.conclusions.iter().filter(|c| c.conclusion == word).count();
    Framework {
        name: titled(&f.name, &f.version),
        note: f.note.as_deref(),
        counts: order.iter().map(|w| (words(w), n(w))).filter(|(_, n)| *n > 0).collect(),
        open: n("exceptions_noted") > 0,
        conclusions: f
            .conclusions
            .iter()
            .map(|c| Judged {
                row: c,
                mark: mark(&c.conclusion),
                word: words(&c.conclusion),
                statement: c.statement.replace("T00:00:00Z", ""),
                gaps: c.gaps.iter().map(|g| words(g)).collect(),
                links: c.findings.iter().take(10).map(|f| anchors.link(f)).collect(),
                more: c.findings.len().saturating_sub(10),
            })
            .collect(),
    }
}

fn blocks<'a>(view: &'a View, full: &'a [Finding]) -> Result<Vec<Block<'a>>, ReportError> {
    let rules: BTreeMap<&str, &crate::findings::RuleResult> =
        view.rules.iter().map(|r| (r.rule.as_str(), r)).collect();
    let mut strips: BTreeMap<&str, Chart> = BTreeMap::new();
    for s in &view.charts.strips {
        strips.insert(&s.fingerprint, charts::strip::chart(s, &view.as_of)?);
    }
    let places: BTreeMap<&str, usize> =
        view.fix_first.iter().zip(1..).map(|(item, n)| (item.fingerprint.as_str(), n)).collect();
    let mut register: BTreeMap<&str, usize> = BTreeMap::new();
    for (n, g) in view.grants.iter().enumerate() {
        for f in &g.findings {
            register.entry(f).or_insert(n);
        }
    }
    Ok(full
        .iter()
        .map(|f| {
            let related = |relation: &str| {
                f.controls.iter().filter(|c| c.relation == relation).collect::<Vec<_>>()
            };
            let limits = rules.get(f.rule.as_str()).map(|r| &r.limits);
            let chain = f.path_steps();
            // Steps that are drawn as a chain are not told again.
            let told =
                |name: &str| !chain.is_empty() && (name == "path" || name == "path_techniques");
            Block {
                id: anchor(&f.fingerprint),
                finding: f,
                open: false,
                possible: f.certainty != "certain",
                criteria: limits
                    .map(|l| l.iter().map(|(k, v)| limit(k, v)).collect())
                    .unwrap_or_default(),
                evidence: f
                    .evidence
                    .to_map()
                    .iter()
                    // It stands on its own, as a policy.
                    .filter(|(k, v)| (&***k != "proposal" || v.is_null()) && !told(k))
                    .map(|(k, v)| (k.to_string(), value(k, v)))
                    .collect(),
                records: f.sources.get(..RECORDS).unwrap_or(&f.sources),
                more_records: f.sources.len().saturating_sub(RECORDS),
                tests: related("tests"),
                supports: related("supports"),
                strip: strips.remove(f.fingerprint.as_str()),
                condition: without_steps(&f.message, &chain),
                chain,
                chain_end: f.path_end(),
                narrower: f.proposal().map(|p| clip(&p, PROPOSAL).into_owned()),
                place: places.get(f.fingerprint.as_str()).copied(),
                register: register.get(f.fingerprint.as_str()).copied(),
            }
        })
        .collect())
}

/// A message without the steps of a path, where it tells them all as the chain does.
fn without_steps<'a>(message: &'a str, chain: &[(Option<String>, String)]) -> Cow<'a, str> {
    let steps: Vec<&str> = chain.iter().map(|(_, step)| step.as_str()).collect();
    let told = format!(": {}", steps.join("; then "));
    match message.split_once(&told) {
        Some((before, after)) if !steps.is_empty() => {
            Cow::Owned(format!("{before} by the path shown{after}"))
        }
        _ => Cow::Borrowed(message),
    }
}

/// The grants of the worst findings, each with its timeline.
fn stories<'a>(view: &'a View, anchors: &Anchors<'_>) -> Result<Vec<Told<'a>>, ReportError> {
    let mut out = Vec::new();
    for (n, story) in view.stories.iter().enumerate() {
        let mut parts: Vec<(&str, Vec<&str>)> = Vec::new();
        for (name, text) in &story.lines {
            match parts.last_mut() {
                Some((_, lines)) if name.is_empty() => lines.push(text),
                _ => parts.push((name, vec![text])),
            }
        }
        let about = |s: &&Strip| story.findings.contains(&s.fingerprint);
        let strip = match view.charts.strips.iter().find(about) {
            // The same timeline stands at its finding; an id may stand once.
            Some(s) => {
                let own = Strip { fingerprint: format!("grant-{n}"), ..s.clone() };
                Some(charts::strip::chart(&own, &view.as_of)?)
            }
            None => None,
        };
        out.push(Told {
            id: format!("grant-{n}"),
            story,
            parts,
            links: story.findings.iter().take(10).map(|f| anchors.link(f)).collect(),
            strip,
        });
    }
    Ok(out)
}

/// A limit as the reader thinks of it.
fn limit(name: &str, text: &str) -> String {
    match (name.strip_suffix("_s"), text.parse::<i64>()) {
        (Some(name), Ok(s)) => format!("{} = {}", words(name), crate::report::text::duration(s)),
        _ => format!("{} = {text}", words(name)),
    }
}

/// An evidence value as text; null is what it is: not known.
fn value(name: &str, v: &Value) -> String {
    let text = match v {
        Value::Null => "not known".to_string(),
        Value::Bool(b) => if *b { "yes" } else { "no" }.into(),
        Value::Number(n) => match n.as_i64().filter(|_| name.ends_with("_s")) {
            Some(s) => format!("{} ({s} s)", crate::report::text::duration(s)),
            None => n.to_string(),
        },
        Value::String(s) if name.ends_with("_at") => crate::report::text::when(s).into_owned(),
        Value::String(s) => s.clone(),
        Value::Array(items) if items.is_empty() => "none".into(),
        Value::Array(items) => items
            .iter()
            .map(|i| i.as_str().map_or_else(|| i.to_string(), ToString::to_string))
            .collect::<Vec<_>>()
            .join(", "),
        Value::Object(_) => v.to_string(),
    };
    clip(&text, VALUE).into_owned()
}

fn row(f: &Finding) -> Value {
    json!({
        "id": anchor(&f.fingerprint),
        "severity": f.severity,
        "rank": Severity::ALL.iter().position(|s| *s == f.severity),
        "rule": f.rule,
        "principal": f.principal,
        "privilege": f.privilege,
        "scope": f.scope,
        "owner": f.owner,
        "message": f.message,
        "status": if f.status == Status::Open { "" } else { f.status.as_str() },
        "possible": f.certainty != "certain",
    })
}

fn changes(c: &Changes, anchors: &Anchors<'_>) -> Value {
    let list = |label: &str, meaning: &str, all: &[String]| {
        json!({
            "label": label,
            "meaning": meaning,
            "count": all.len(),
            "links": all.iter().take(CHANGED).map(|f| anchors.link(f)).collect::<Vec<_>>(),
            "more": all.len().saturating_sub(CHANGED),
        })
    };
    json!({
        "against": c.against,
        "unchanged": c.unchanged,
        "lists": [
            list("New", "not there before", &c.new),
            list("Updated", "there before, wider, longer or stronger now", &c.updated),
            list("Absent", "gone, and its sources were read again", &c.absent),
            list("Unknown", "gone, but its sources were not read again", &c.unknown),
        ],
    })
}
