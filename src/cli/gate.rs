//! `overstay gate`: may this pass?

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use serde::Serialize;

use super::input::{self, Loaded, RunOptions};
use super::text::safe;
use super::{Cli, Failure, Outcome, exit};
use crate::facts::Time;
use crate::facts::time::parse_rfc3339;
use crate::findings::Finding;
use crate::gate::accept::accept;
use crate::gate::verdict::{
    Condition, CoverageNeed, GateInput, Policy, Reason, Verdict, decide, parse_coverage,
    parse_fail_on,
};
use crate::gate::{Baseline, Waivers};
use crate::report::View;
use crate::settings::limits::parse_duration_s;

/// Arguments.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Conditions of --fail-on, separated by commas; one that holds fails the gate:
  new:SEVERITY   a finding of this severity or worse, neither in the baseline nor waived
  any:SEVERITY   a finding of this severity or worse that is not waived
  rule:ID        a finding of this rule, neither in the baseline nor waived
  waiver:STATE   a waiver that is expired, urgent (7 days left), warning (14 days left) or unused

Exit codes, strongest first: 70 internal error, 2 wrong usage, 3 no usable input or nothing
assessed, 5 baseline or waivers invalid, 4 evidence too weak or too old, 1 findings, 0 passed.")]
pub struct Args {
    /// Inputs to analyse, or one bundle to judge as it is.
    #[arg(required = true, value_name = "PATH|BUNDLE")]
    paths: Vec<PathBuf>,
    #[command(flatten)]
    run: RunOptions,
    /// Accepted baseline.
    #[arg(long, value_name = "FILE")]
    baseline: Option<PathBuf>,
    /// Waivers.
    #[arg(long, value_name = "FILE")]
    waivers: Option<PathBuf>,
    /// What fails the gate.
    #[arg(long, value_name = "EXPR", default_value = "new:high", value_parser = FailOn::parse)]
    fail_on: FailOn,
    /// Oldest evidence allowed (`36h`, `7d`), counted from --as-of, else from now.
    #[arg(long, value_name = "DURATION", value_parser = parse_age)]
    max_source_age: Option<i64>,
    /// Layers that must be covered, with a least share of the period: `ledger,usage:0.95`.
    #[arg(long, value_name = "LIST", value_parser = Coverage::parse)]
    require_coverage: Option<Coverage>,
    /// Possible findings (unknown facts could clear them) do not count.
    #[arg(long)]
    certain_only: bool,
    /// Write a Markdown summary, for a job summary.
    #[arg(long, value_name = "FILE")]
    summary: Option<PathBuf>,
    /// Write the findings as SARIF, for code scanning.
    #[arg(long, value_name = "FILE")]
    sarif: Option<PathBuf>,
    /// Print the verdict as JSON.
    #[arg(long)]
    json: bool,
}

#[derive(Clone, Debug)]
struct FailOn(Vec<Condition>);

impl FailOn {
    fn parse(s: &str) -> Result<Self, String> {
        parse_fail_on(s).map(Self)
    }
}

#[derive(Clone, Debug)]
struct Coverage(Vec<CoverageNeed>);

impl Coverage {
    fn parse(s: &str) -> Result<Self, String> {
        parse_coverage(s).map(Self)
    }
}

fn parse_age(s: &str) -> Result<i64, String> {
    #[expect(clippy::cast_possible_truncation, reason = "bounded to 1000 years")]
    parse_duration_s(s)
        .map(|v| v.min(31_536_000_000.0) as i64)
        .ok_or_else(|| format!("`{s}` is not a duration; use 12h, 7d or 2w"))
}

/// Findings shown in a verdict.
const WORST: usize = 10;

/// Runs the verb.
///
/// # Errors
/// A failure with its exit code.
pub fn run(_cli: &Cli, args: &Args) -> Outcome {
    let policy = Policy {
        fail_on: args.fail_on.0.clone(),
        max_source_age_s: args.max_source_age,
        coverage: args.require_coverage.as_ref().map(|c| c.0.clone()).unwrap_or_default(),
        certain_only: args.certain_only,
    };
    let (view, faults) = judge(args);
    let now = args
        .run
        .as_of
        .or_else(|| args.max_source_age.map(|_| wall_clock()))
        .or_else(|| view.as_ref().and_then(|v| parse_rfc3339(&v.as_of)))
        .unwrap_or_default();
    let verdict = decide(&GateInput { view: view.as_ref(), policy: &policy, now, faults: &faults });
    let worst = worst(view.as_ref(), &verdict);
    if let Some(path) = &args.summary {
        input::write_file(path, markdown(&verdict, &worst, view.as_ref()).as_bytes())?;
    }
    if let Some((path, view)) = args.sarif.as_deref().zip(view.as_ref()) {
        input::write_file(path, &sarif(view)?)?;
    }
    if args.json {
        input::print_json(&Printed {
            verdict: &verdict,
            policy: &policy,
            as_of: view.as_ref().map(|v| v.as_of.as_str()),
            worst: &worst,
        })?;
    } else {
        input::print(&plain(&verdict, &worst, view.as_ref()))?;
    }
    Ok(verdict.code)
}

fn sarif(view: &View) -> Result<Vec<u8>, Failure> {
    let files = crate::report::registry::render(view, &["sarif"])
        .map_err(|e| Failure::new(exit::INTERNAL, e))?;
    files
        .into_iter()
        .find(|f| f.path.ends_with(".sarif"))
        .ok_or_else(|| Failure::new(exit::INTERNAL, anyhow::anyhow!("no SARIF was rendered")))?
        .to_bytes()
        .map_err(|e| Failure::new(exit::INTERNAL, e))
}

/// How old evidence is, is a question about today; nothing else in the program asks the clock.
fn wall_clock() -> Time {
    Time::from_micros(chrono::Utc::now().timestamp_micros())
}

/// Loads and judges; what goes wrong becomes a reason, so that all reasons are shown at once.
fn judge(args: &Args) -> (Option<View>, Vec<Reason>) {
    let mut faults = Vec::new();
    let baseline = keep(args.baseline.as_deref().map(Baseline::load), &mut faults);
    let waivers = keep(args.waivers.as_deref().map(Waivers::load), &mut faults);
    // A file known to be bad would only stop the analysis at the same place again.
    let usable = |ok: bool, path: &Option<PathBuf>| if ok { path.clone() } else { None };
    let loaded = input::load(
        &args.paths,
        &args.run,
        usable(baseline.is_some(), &args.baseline).as_deref(),
        usable(waivers.is_some(), &args.waivers).as_deref(),
    );
    let Loaded { mut view, limits, held } = match loaded {
        Ok(loaded) => loaded,
        Err(Failure { code, error }) => {
            faults.push(Reason::new(code, format!("{error:#}")));
            return (None, faults);
        }
    };
    let name = args.baseline.as_deref().map(file_name).unwrap_or_default();
    if let Some(Err(e)) = baseline.as_ref().map(|b| b.check_scope(&name, &view)) {
        faults.push(Reason::new(exit::BAD_BASELINE, e.to_string()));
    }
    let as_of = args.run.as_of.or_else(|| parse_rfc3339(&view.as_of));
    let Some(as_of) = as_of else {
        faults.push(Reason::new(
            exit::NO_INPUT,
            format!("the as-of time `{}` is not a time", view.as_of),
        ));
        return (Some(view), faults);
    };
    accept(
        &mut view,
        baseline.as_ref().map(|b| (name.as_str(), b)),
        &held.access,
        waivers.as_ref(),
        as_of,
        &limits,
    );
    (Some(view), faults)
}

fn keep<T, E: std::fmt::Display>(got: Option<Result<T, E>>, faults: &mut Vec<Reason>) -> Option<T> {
    match got? {
        Ok(v) => Some(v),
        Err(e) => {
            faults.push(Reason::new(exit::BAD_BASELINE, e.to_string()));
            None
        }
    }
}

fn file_name(path: &Path) -> String {
    path.file_name()
        .map_or_else(|| path.display().to_string(), |n| n.to_string_lossy().into_owned())
}

fn worst<'a>(view: Option<&'a View>, verdict: &Verdict) -> Vec<&'a Finding> {
    let Some(view) = view else { return Vec::new() };
    verdict
        .failing
        .iter()
        .take(WORST)
        .filter_map(|fp| view.findings.iter().find(|f| f.fingerprint == *fp))
        .collect()
}

#[derive(Serialize)]
struct Printed<'a> {
    #[serde(flatten)]
    verdict: &'a Verdict,
    policy: &'a Policy,
    as_of: Option<&'a str>,
    worst: &'a [&'a Finding],
}

fn headline(v: &Verdict) -> String {
    if v.passed { "passed".into() } else { format!("FAILED (exit code {})", v.code) }
}

fn totals(v: &Verdict) -> String {
    let n = |k: &str| v.counts.get(k).copied().unwrap_or(0);
    let by: Vec<String> = ["critical", "high", "medium", "low", "info"]
        .iter()
        .map(|s| (s, n(&format!("open_{s}"))))
        .filter(|(_, n)| *n > 0)
        .map(|(s, n)| format!("{n} {s}"))
        .collect();
    let by = if by.is_empty() { String::new() } else { format!(" ({})", by.join(", ")) };
    format!(
        "open {}{by}, possible among them {}, baselined {}, waived {}; rules assessed {}, partly {}, not {}",
        n("open"),
        n("possible"),
        n("baselined"),
        n("waived"),
        n("rules_assessed"),
        n("rules_partial"),
        n("rules_not_assessed"),
    )
}

/// First twelve digits, enough to name a finding to `overstay explain`.
fn short(fingerprint: &str) -> &str {
    fingerprint.get(..12).unwrap_or(fingerprint)
}

fn plain(v: &Verdict, worst: &[&Finding], view: Option<&View>) -> String {
    let mut out = format!("gate {}\n", headline(v));
    for r in &v.reasons {
        let _ = writeln!(out, "  {}", safe(&r.text));
    }
    if !worst.is_empty() {
        let _ = writeln!(out, "worst of {}:", v.failing.len());
        for f in worst {
            let possible = if f.certainty == "certain" { "" } else { " (possible)" };
            let _ = writeln!(
                out,
                "  {:<8} {} {}  {}{possible}",
                f.severity.as_str(),
                safe(&f.rule),
                safe(short(&f.fingerprint)),
                safe(&f.message)
            );
        }
    }
    if !v.not_assessed.is_empty() {
        out.push_str("could not be looked at:\n");
        for line in &v.not_assessed {
            let _ = writeln!(out, "  {}", safe(line));
        }
    }
    if let Some(view) = view {
        let _ = writeln!(out, "{}; as of {}", totals(v), safe(&view.as_of));
    }
    out
}

fn markdown(v: &Verdict, worst: &[&Finding], view: Option<&View>) -> String {
    let mut out = format!("## overstay gate: {}\n\n", headline(v));
    for r in &v.reasons {
        let _ = writeln!(out, "- {}", md(&r.text));
    }
    if !worst.is_empty() {
        let _ = writeln!(out, "\nWorst of {}:\n", v.failing.len());
        out.push_str("| severity | rule | finding | fingerprint |\n| --- | --- | --- | --- |\n");
        for f in worst {
            let possible = if f.certainty == "certain" { "" } else { " (possible)" };
            let _ = writeln!(
                out,
                "| {} | {} | {}{possible} | `{}` |",
                f.severity.as_str(),
                md(&f.rule),
                md(&f.message),
                md(short(&f.fingerprint))
            );
        }
    }
    if !v.not_assessed.is_empty() {
        out.push_str("\nCould not be looked at:\n\n");
        for line in &v.not_assessed {
            let _ = writeln!(out, "- {}", md(line));
        }
    }
    if let Some(view) = view {
        let _ = writeln!(out, "\n{}; as of {}.", totals(v), md(&view.as_of));
    }
    out
}

/// Text from inputs inside Markdown: no markup, no table cell, no HTML, no mention and no link.
fn md(s: &str) -> String {
    let mut out = String::with_capacity(s.len());
    for c in safe(s).chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '@' => out.push_str("&#64;"),
            ':' => out.push_str("&#58;"),
            '\\' | '`' | '*' | '_' | '[' | ']' | '(' | ')' | '#' | '|' | '!' | '~' | '$' => {
                out.push('\\');
                out.push(c);
            }
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;
    use crate::cli::Command;
    use crate::evidence::{Manifest, bundle, files};
    use crate::findings::Severity;
    use crate::gate::testing;

    /// Runs `overstay gate` on a bundle of this view.
    fn gate(view: &View, more: &[&str]) -> (u8, Vec<Reason>) {
        let tmp = tempfile::tempdir().unwrap();
        let dir = tmp.path().join("b");
        bundle::write(&dir, files::view_files(view), Manifest::new(view, &[], None)).unwrap();
        let mut words = vec!["overstay", "gate", dir.to_str().unwrap()];
        words.extend(more);
        let cli = Cli::try_parse_from(words).unwrap();
        let Command::Gate(args) = &cli.command else { panic!("not a gate") };
        let (v, faults) = judge(args);
        let policy = Policy { fail_on: args.fail_on.0.clone(), ..Policy::default() };
        let d = decide(&GateInput {
            view: v.as_ref(),
            policy: &policy,
            now: Time::default(),
            faults: &faults,
        });
        assert_eq!(run(&cli, args).unwrap(), d.code);
        (d.code, d.reasons)
    }

    #[test]
    fn exit_codes_are_those_of_the_verdict() {
        use crate::gate::verdict::exit as v;
        assert_eq!(
            [
                exit::OK,
                exit::FINDINGS,
                exit::USAGE,
                exit::NO_INPUT,
                exit::WEAK_EVIDENCE,
                exit::BAD_BASELINE,
                exit::INTERNAL
            ],
            [
                v::OK,
                v::FINDINGS,
                v::USAGE,
                v::NO_INPUT,
                v::WEAK_EVIDENCE,
                v::BAD_BASELINE,
                v::INTERNAL
            ]
        );
    }

    #[test]
    fn a_bundle_is_judged_with_baseline_and_waivers() {
        let tmp = tempfile::tempdir().unwrap();
        let view = testing::view();
        assert_eq!(gate(&view, &[]).0, 1);
        let path = tmp.path().join("b.jsonl");
        let file = path.to_str().unwrap();
        std::fs::write(
            &path,
            Baseline::create(&view, &crate::gate::held::Held::default(), false).unwrap().to_text(),
        )
        .unwrap();
        assert_eq!(gate(&view, &["--baseline", file]).0, 0);
        assert_eq!(gate(&view, &["--baseline", file, "--fail-on", "any:high"]).0, 1);
        let mut wider = view.clone();
        wider.findings[0].severity = Severity::Critical;
        assert_eq!(gate(&wider, &["--baseline", file]).0, 1);
        let mut other = view.clone();
        other.entity = Some("Other".into());
        assert_eq!(gate(&other, &["--baseline", file]).0, 5);
        std::fs::write(&path, "").unwrap();
        assert_eq!(gate(&view, &["--baseline", file]).0, 5);
        assert_eq!(gate(&view, &["--baseline", "/nonexistent"]).0, 5);

        let yaml = tmp.path().join("w.yaml");
        let file = yaml.to_str().unwrap();
        std::fs::write(
            &yaml,
            "waivers: [{id: W, match: {rule: GRT-003, principal: alice}, reason: r, owner: o, approver: a, created: 2026-10-20, expires: 2026-11-02}]",
        )
        .unwrap();
        assert_eq!(gate(&view, &["--waivers", file]).0, 0);
        assert_eq!(gate(&view, &["--waivers", file, "--as-of", "2026-11-02"]).0, 1);
        assert_eq!(gate(&view, &["--waivers", file, "--fail-on", "waiver:urgent"]).0, 1);
        std::fs::write(&yaml, "waivers: [{id: W}]").unwrap();
        assert_eq!(gate(&view, &["--waivers", file]).0, 5);
    }

    #[test]
    fn a_changed_bundle_is_not_judged() {
        let tmp = tempfile::tempdir().unwrap();
        let dir = tmp.path().join("b");
        let view = testing::view();
        bundle::write(&dir, files::view_files(&view), Manifest::new(&view, &[], None)).unwrap();
        let clean = View { findings: vec![], ..view };
        std::fs::write(dir.join("report.json"), serde_json::to_vec(&clean).unwrap()).unwrap();
        let failure = input::load(&[dir], &RunOptions::default(), None, None).unwrap_err();
        assert_eq!(failure.code, exit::NO_INPUT);
        assert!(failure.error.to_string().contains("was changed"));
    }

    #[test]
    fn untrusted_text_stays_text() {
        let mut view = testing::view();
        view.findings[0].message = "\u{1b}[31m<script>| [x](javascript:1) `@team`\n# head".into();
        let verdict = decide(&GateInput {
            view: Some(&view),
            policy: &Policy::default(),
            now: Time::default(),
            faults: &[],
        });
        let w = worst(Some(&view), &verdict);
        let text = plain(&verdict, &w, Some(&view));
        assert!(!text.contains('\u{1b}') && text.contains("\\u{1b}[31m"));
        let md = markdown(&verdict, &w, Some(&view));
        let row = md.lines().find(|l| l.contains("script")).unwrap();
        assert!(row.starts_with("| high |") && row.ends_with("` |"), "{row}");
        for bad in ["<script", "](", " `@", "\u{1b}", "javascript:"] {
            assert!(!md.contains(bad), "{bad} in {md}");
        }
        assert_eq!(row.replace("\\|", "").matches('|').count(), 5);
    }

    #[test]
    fn plain_verdict() {
        let view = testing::view();
        let verdict = decide(&GateInput {
            view: Some(&view),
            policy: &Policy::default(),
            now: Time::default(),
            faults: &[],
        });
        let text = plain(&verdict, &worst(Some(&view), &verdict), Some(&view));
        assert_eq!(text.lines().next(), Some("gate FAILED (exit code 1)"),);
        assert!(text.contains("1 new finding of severity high or worse (new:high)"));
        assert!(text.contains("open 2 (1 high, 1 medium)"), "{text}");
    }
}
