//! The verdict: may this pass? A pure function of a judged view and a policy.
//!
//! A gate must tell "found something" from "could not look": each reason carries its exit code, and
//! the verdict takes the code that stands first in [`PRECEDENCE`].

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use crate::facts::Time;
use crate::facts::time::parse_rfc3339;
use crate::findings::{Finding, Severity, Status};
use crate::report::View;

use super::scope::SourceKey;

/// Exit codes of a verdict and of the command line, stable (documented in the README).
pub mod exit {
    /// Passed, or the command did its work.
    pub const OK: u8 = 0;
    /// The gate failed on findings; `diff` and `verify` found differences.
    pub const FINDINGS: u8 = 1;
    /// Wrong usage or configuration.
    pub const USAGE: u8 = 2;
    /// No usable input, or nothing could be assessed.
    pub const NO_INPUT: u8 = 3;
    /// Evidence too weak or too old.
    pub const WEAK_EVIDENCE: u8 = 4;
    /// Baseline or waiver file invalid.
    pub const BAD_BASELINE: u8 = 5;
    /// Internal error.
    pub const INTERNAL: u8 = 70;
}

/// Order of codes, strongest first.
pub const PRECEDENCE: [u8; 6] = [
    exit::INTERNAL,
    exit::USAGE,
    exit::NO_INPUT,
    exit::BAD_BASELINE,
    exit::WEAK_EVIDENCE,
    exit::FINDINGS,
];

/// Layers whose age and coverage a gate may ask for.
const LAYERS: [&str; 4] = ["ledger", "task", "state", "usage"];

/// One condition of `--fail-on`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase", tag = "kind", content = "value")]
pub enum Condition {
    /// A finding of this severity or worse that is neither baselined nor waived.
    New(Severity),
    /// A finding of this severity or worse that is not waived, accepted by the baseline or not.
    Any(Severity),
    /// A finding of this rule that is neither baselined nor waived.
    Rule(String),
    /// A waiver in this state.
    Waiver(String),
}

/// States of waivers a gate can fail on. An invalid waiver always ends with exit code 5.
const WAIVER_STATES: [&str; 4] = ["expired", "urgent", "warning", "unused"];

/// Reads the list of `--fail-on`.
///
/// # Errors
/// A message that names the word and what is known.
pub fn parse_fail_on(text: &str) -> Result<Vec<Condition>, String> {
    let mut out = Vec::new();
    for word in text.split(',').map(str::trim).filter(|w| !w.is_empty()) {
        let wrong = || {
            format!(
                "`{word}` is not a condition; use `new:SEVERITY`, `any:SEVERITY`, `rule:ID` or `waiver:STATE` \
                 (severities: info, low, medium, high, critical; states: {})",
                WAIVER_STATES.join(", ")
            )
        };
        let (kind, value) = word.split_once(':').ok_or_else(wrong)?;
        out.push(match kind {
            "new" => Condition::New(Severity::from_word(value).ok_or_else(wrong)?),
            "any" => Condition::Any(Severity::from_word(value).ok_or_else(wrong)?),
            "rule" if !value.is_empty() => Condition::Rule(value.to_owned()),
            "waiver" if WAIVER_STATES.contains(&value) => Condition::Waiver(value.to_owned()),
            _ => return Err(wrong()),
        });
    }
    if out.is_empty() {
        return Err("the list of conditions is empty; use for example `new:high`".into());
    }
    Ok(out)
}

/// One layer that must be covered.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct CoverageNeed {
    /// Layer.
    pub layer: String,
    /// Least share of the audited period; any when absent.
    pub share: Option<f64>,
}

/// Reads the list of `--require-coverage` (`ledger,usage:0.95`).
///
/// # Errors
/// A message that names the word and what is known.
pub fn parse_coverage(text: &str) -> Result<Vec<CoverageNeed>, String> {
    let mut out = Vec::new();
    for word in text.split(',').map(str::trim).filter(|w| !w.is_empty()) {
        let (layer, share) = word.split_once(':').map_or((word, None), |(l, s)| (l, Some(s)));
        if !LAYERS.contains(&layer) {
            return Err(format!("`{layer}` is not a layer; use {}", LAYERS.join(", ")));
        }
        let share = match share.map(str::parse::<f64>) {
            None => None,
            Some(Ok(s)) if (0.0..=1.0).contains(&s) => Some(s),
            Some(_) => {
                return Err(format!(
                    "`{word}`: the share must be a number from 0 to 1, as `usage:0.95`"
                ));
            }
        };
        out.push(CoverageNeed { layer: layer.to_owned(), share });
    }
    if out.is_empty() {
        return Err(format!("the list of layers is empty; use {}", LAYERS.join(", ")));
    }
    Ok(out)
}

/// What a gate asks for.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Policy {
    /// Conditions that fail it.
    pub fail_on: Vec<Condition>,
    /// Oldest evidence, seconds before `now`.
    pub max_source_age_s: Option<i64>,
    /// Layers that must be covered.
    pub coverage: Vec<CoverageNeed>,
    /// Possible findings do not count.
    pub certain_only: bool,
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            fail_on: vec![Condition::New(Severity::High)],
            max_source_age_s: None,
            coverage: Vec::new(),
            certain_only: false,
        }
    }
}

/// One reason against passing.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Reason {
    /// Exit code it asks for.
    pub code: u8,
    /// What, one sentence.
    pub text: String,
}

impl Reason {
    /// A reason.
    pub fn new(code: u8, text: impl Into<String>) -> Self {
        Self { code, text: text.into() }
    }
}

/// Everything the verdict depends on.
#[derive(Clone, Copy, Debug)]
pub struct GateInput<'a> {
    /// The judged run, its statuses set ([`super::accept::accept`]); none when it could not be had.
    pub view: Option<&'a View>,
    /// What is asked for.
    pub policy: &'a Policy,
    /// Instant from which the age of sources counts.
    pub now: Time,
    /// What went wrong before.
    pub faults: &'a [Reason],
}

/// Whether it passed, and why not.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Verdict {
    /// Exit code.
    pub code: u8,
    /// Passed.
    pub passed: bool,
    /// Reasons, those of the verdict's code first, then in the order of precedence.
    pub reasons: Vec<Reason>,
    /// Fingerprints of the findings that failed it, worst first.
    pub failing: Vec<String>,
    /// Findings by status, and open ones by severity.
    pub counts: BTreeMap<String, u64>,
    /// What could not be looked at, one line each.
    pub not_assessed: Vec<String>,
}

/// Decides.
#[must_use]
pub fn decide(input: &GateInput<'_>) -> Verdict {
    let mut reasons: Vec<Reason> = input.faults.to_vec();
    let mut out = Verdict::default();
    match input.view {
        None if reasons.is_empty() => {
            reasons.push(Reason::new(exit::NO_INPUT, "there is nothing to judge"));
        }
        None => {}
        Some(view) => {
            usage(view, input.policy, &mut reasons);
            assessed(view, &mut reasons);
            unread(view, &mut reasons);
            waivers(view, &mut reasons);
            coverage(view, input.policy, &mut reasons);
            age(view, input, &mut reasons);
            out.failing = findings(view, input.policy, &mut reasons);
            out.counts = counts(view);
            out.not_assessed = not_assessed(view);
        }
    }
    let rank = |code: u8| PRECEDENCE.iter().position(|c| *c == code).unwrap_or(0);
    // Stable: reasons of one code stay in the order in which they were found.
    reasons.sort_by_key(|r| rank(r.code));
    reasons.dedup();
    out.code = reasons.first().map_or(exit::OK, |r| r.code);
    out.passed = reasons.is_empty();
    out.reasons = reasons;
    out
}

/// A condition on a rule nobody knows would never fail.
fn usage(view: &View, policy: &Policy, reasons: &mut Vec<Reason>) {
    for c in &policy.fail_on {
        if let Condition::Rule(id) = c
            && !view.rules.iter().any(|r| r.rule == *id)
        {
            reasons.push(Reason::new(
                exit::USAGE,
                format!(
                    "`rule:{id}`: there is no such rule in this run; see `overstay rules list`"
                ),
            ));
        }
    }
}

fn assessed(view: &View, reasons: &mut Vec<Reason>) {
    if view.sources.is_empty() {
        reasons.push(Reason::new(exit::NO_INPUT, "no source was read"));
    } else if view.rules.iter().all(|r| r.outcome == "not_assessed") {
        reasons.push(Reason::new(exit::NO_INPUT, "no rule could be assessed: nothing was judged"));
    }
}

/// Files named one by one.
const MAX_UNREAD: usize = 20;

/// What could not be looked at may hold anything: it never passes.
fn unread(view: &View, reasons: &mut Vec<Reason>) {
    for f in view.unread.iter().take(MAX_UNREAD) {
        let text =
            format!("`{}` was given and nothing of it was judged: {}; {}", f.file, f.why, f.remedy);
        reasons.push(Reason::new(exit::WEAK_EVIDENCE, text));
    }
    let rest = view.unread.len().saturating_sub(MAX_UNREAD);
    if rest > 0 {
        let noun = if rest == 1 { "file" } else { "files" };
        let text = format!("{rest} more {noun} could not be read; see `overstay inspect`");
        reasons.push(Reason::new(exit::WEAK_EVIDENCE, text));
    }
}

fn waivers(view: &View, reasons: &mut Vec<Reason>) {
    for w in view.waivers.iter().filter(|w| w.state == "invalid") {
        reasons.push(Reason::new(
            exit::BAD_BASELINE,
            format!("waiver {} is invalid; see `overstay waiver lint`", w.id),
        ));
    }
}

fn coverage(view: &View, policy: &Policy, reasons: &mut Vec<Reason>) {
    let mut weak = |text: String| reasons.push(Reason::new(exit::WEAK_EVIDENCE, text));
    for need in &policy.coverage {
        let layer = &need.layer;
        let Some(row) = view.coverage.iter().find(|c| c.layer == *layer) else {
            weak(format!("required layer {layer}: no source of it was read"));
            continue;
        };
        if row.outcome == "not_assessed" {
            let why = row.reason.as_deref().unwrap_or("no source of it was read");
            weak(format!("required layer {layer}: {why}"));
            continue;
        }
        match (need.share, row.covered_share) {
            (Some(share), Some(have)) if have < share => {
                weak(format!(
                    "required layer {layer}: covers {have:.3} of the period, {share} is required"
                ));
            }
            (Some(share), None) => {
                weak(format!(
                    "required layer {layer}: what it covers is not known, {share} of the period is required"
                ));
            }
            _ => {}
        }
    }
    for c in &policy.fail_on {
        if let Condition::Rule(id) = c
            && let Some(r) =
                view.rules.iter().find(|r| r.rule == *id && r.outcome == "not_assessed")
        {
            let why = r.reason.as_deref().unwrap_or("its input is missing");
            weak(format!("rule {id} was asked for and could not be assessed: {why}"));
        }
    }
}

/// The newest evidence of each kind of source must be young enough. Sources are taken by kind, so
/// that an archive of old ledgers beside the current one does no harm; kinds by realm, so that one
/// fresh account does not hide another that nobody exports any more.
fn age(view: &View, input: &GateInput<'_>, reasons: &mut Vec<Reason>) {
    let Some(max) = input.policy.max_source_age_s else { return };
    let mut newest: BTreeMap<SourceKey, Option<Time>> = BTreeMap::new();
    for s in view.sources.iter().filter(|s| LAYERS.contains(&s.layer.as_str())) {
        let end = s.window_end.as_deref().or(s.last_time.as_deref()).and_then(parse_rfc3339);
        let slot = newest.entry(SourceKey::of(s)).or_default();
        *slot = (*slot).max(end);
    }
    for (key, end) in newest {
        let text = match end.map(|e| (e, input.now.secs_since(e))) {
            None => format!("the age of {key} is not known"),
            Some((e, age)) if age < -86_400 => {
                format!("{key} ends in the future, at {e}; check the clocks or --as-of")
            }
            Some((e, age)) if age > max => {
                format!(
                    "{key} ends at {e}, {} before {}; at most {} is allowed",
                    days(age),
                    input.now,
                    days(max)
                )
            }
            Some(_) => continue,
        };
        reasons.push(Reason::new(exit::WEAK_EVIDENCE, text));
    }
}

fn days(seconds: i64) -> String {
    let (d, h) = (seconds.div_euclid(86_400), seconds.rem_euclid(86_400) / 3600);
    if d > 0 { format!("{d} d {h} h") } else { format!("{h} h {} min", seconds % 3600 / 60) }
}

fn findings(view: &View, policy: &Policy, reasons: &mut Vec<Reason>) -> Vec<String> {
    let mut failing: BTreeSet<(_, &str)> = BTreeSet::new();
    for condition in &policy.fail_on {
        if let Condition::Waiver(state) = condition {
            for w in view.waivers.iter().filter(|w| w.state == *state) {
                let text = format!("waiver {} is {state}", w.id);
                reasons.push(Reason::new(exit::FINDINGS, text));
            }
            continue;
        }
        let hit: Vec<&Finding> = view
            .findings
            .iter()
            .filter(|f| !policy.certain_only || f.certainty == "certain")
            .filter(|f| meets(condition, f))
            .collect();
        if !hit.is_empty() {
            let text = format!("{} {}", hit.len(), describe(condition, hit.len()));
            reasons.push(Reason::new(exit::FINDINGS, text));
        }
        failing.extend(hit.iter().map(|f| (f.sort_key(), f.fingerprint.as_str())));
    }
    failing.into_iter().map(|(_, f)| f.to_owned()).collect()
}

fn meets(condition: &Condition, f: &Finding) -> bool {
    match condition {
        Condition::New(s) => f.status == Status::Open && f.severity >= *s,
        Condition::Any(s) => f.status != Status::Waived && f.severity >= *s,
        Condition::Rule(id) => f.status == Status::Open && f.rule == *id,
        Condition::Waiver(_) => false,
    }
}

fn describe(condition: &Condition, n: usize) -> String {
    let noun = if n == 1 { "finding" } else { "findings" };
    match condition {
        Condition::New(s) => format!("new {noun} of severity {s} or worse (new:{s})"),
        Condition::Any(s) => format!("{noun} of severity {s} or worse (any:{s})"),
        Condition::Rule(id) => format!("new {noun} of rule {id} (rule:{id})"),
        Condition::Waiver(state) => format!("waivers (waiver:{state})"),
    }
}

fn counts(view: &View) -> BTreeMap<String, u64> {
    let mut out: BTreeMap<String, u64> = ["open", "baselined", "waived", "possible"]
        .into_iter()
        .map(|k| (k.to_owned(), 0))
        .collect();
    for f in &view.findings {
        *out.entry(f.status.as_str().to_owned()).or_default() += 1;
        if f.status == Status::Open {
            *out.entry(format!("open_{}", f.severity)).or_default() += 1;
            *out.entry("possible".into()).or_default() += u64::from(f.certainty != "certain");
        }
    }
    for r in &view.rules {
        *out.entry(format!("rules_{}", r.outcome)).or_default() += 1;
    }
    out
}

fn not_assessed(view: &View) -> Vec<String> {
    let mut out = Vec::new();
    for c in view.coverage.iter().filter(|c| c.outcome != "assessed") {
        let word = if c.outcome == "partial" { "partly covered" } else { "not covered" };
        let why = c.reason.as_deref().map_or_else(String::new, |r| format!(": {r}"));
        out.push(format!("layer {} {word}{why}", c.layer));
    }
    for s in &view.sources {
        if s.completeness == "truncated" {
            out.push(format!("source {} is truncated", s.file));
        }
        if s.quarantined > 0 {
            out.push(format!(
                "source {}: {} of {} records could not be read",
                s.file, s.quarantined, s.records
            ));
        }
    }
    let mut by_reason: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for r in view.rules.iter().filter(|r| r.outcome == "not_assessed") {
        by_reason.entry(r.reason.as_deref().unwrap_or("input missing")).or_default().push(&r.rule);
    }
    for (reason, rules) in by_reason {
        out.push(format!("{} rules not assessed ({}): {reason}", rules.len(), rules.join(", ")));
    }
    let partial: Vec<String> = view
        .rules
        .iter()
        .filter(|r| r.outcome == "partial")
        .map(|r| format!("{} ({} of {})", r.rule, r.not_assessed, r.population))
        .collect();
    if !partial.is_empty() {
        out.push(format!("rules with items not assessed: {}", partial.join(", ")));
    }
    out
}

#[cfg(test)]
mod tests;
