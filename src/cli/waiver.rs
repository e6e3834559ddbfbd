//! `overstay waiver`: check waiver files.

use std::fmt::Write as _;
use std::path::PathBuf;

use super::input::{self, parse_time};
use super::text::safe;
use super::{Cli, Failure, Outcome, exit};
use crate::facts::Time;
use crate::gate::Waivers;
use crate::gate::waivers::Applied;
use crate::settings::{Limits, Settings};

/// Arguments.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, clap::Subcommand)]
enum Verb {
    /// Check waiver files: form, owner, approver, term, expiry.
    #[command(after_help = "Exit codes: 0 all hold, 1 one is expired, 5 one is invalid.")]
    Lint(Lint),
}

#[derive(Debug, clap::Args)]
struct Lint {
    /// Waiver files.
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// Judge expiry as of this time [default: the time of the bundle, else now].
    #[arg(long, value_name = "TIME", value_parser = parse_time)]
    as_of: Option<Time>,
    /// Bundle whose findings they are matched with: shows unused waivers and terms by severity.
    #[arg(long, value_name = "DIR")]
    bundle: Option<PathBuf>,
    /// Settings file with the longest terms.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
}

/// Runs the verb.
///
/// # Errors
/// A failure with its exit code.
pub fn run(_cli: &Cli, args: &Args) -> Outcome {
    let Verb::Lint(a) = &args.verb;
    let mut view = a.bundle.as_deref().map(input::bundle_view).transpose()?.map(|(v, _)| v);
    let limits = match &a.config {
        Some(path) => Settings::load(path).map_err(|e| Failure::new(exit::USAGE, e))?.limits,
        None => Limits::default(),
    };
    let as_of = a
        .as_of
        .or_else(|| view.as_ref().and_then(|v| parse_time(&v.as_of).ok()))
        .unwrap_or_else(|| Time::from_micros(chrono::Utc::now().timestamp_micros()));
    let mut code = exit::OK;
    for file in &a.files {
        let mut none = Vec::new();
        let findings = view.as_mut().map_or(&mut none, |v| &mut v.findings);
        match Waivers::load(file) {
            Ok(w) => {
                let applied = w.apply(findings, as_of, &limits);
                let (text, worst) = lines(&applied, a.bundle.is_some());
                input::print(&text)?;
                code = code.max(worst);
            }
            Err(e) => {
                input::print(&format!("{}\n", safe(&e.to_string())))?;
                code = exit::BAD_BASELINE;
            }
        }
    }
    Ok(code)
}

/// One line per waiver, and the exit code they ask for.
fn lines(applied: &Applied, matched: bool) -> (String, u8) {
    let mut out = String::new();
    let mut code = exit::OK;
    for row in &applied.rows {
        // Without findings nothing can be said about use.
        let state = if row.state == "unused" && !matched { "ok" } else { &row.state };
        let _ = write!(out, "{:<8} {}", state, safe(&row.id));
        if let Some(e) = &row.expires {
            let _ = write!(out, "  expires {}", safe(e));
        }
        if matched {
            let _ = write!(out, "  covers {}", row.matched);
        }
        let faults = applied.faults.get(&row.id).map_or(&[][..], Vec::as_slice);
        if !faults.is_empty() {
            let _ = write!(out, "  {}", safe(&faults.join("; ")));
        }
        out.push('\n');
        code = code.max(match row.state.as_str() {
            "invalid" => exit::BAD_BASELINE,
            "expired" => exit::FINDINGS,
            _ => exit::OK,
        });
    }
    (out, code)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_and_lines() {
        let limits = Limits::default();
        let lint = |text: &str, as_of: &str| {
            let w = Waivers::parse(text, "w").unwrap();
            lines(&w.apply(&mut [], parse_time(as_of).unwrap(), &limits), false)
        };
        let good = "waivers: [{id: W, match: {rule: A-1, principal: p}, reason: r, owner: o, approver: a, created: 2026-01-01, expires: 2026-02-01}]";
        assert_eq!(
            lint(good, "2026-01-02"),
            ("ok       W  expires 2026-02-01T00:00:00Z\n".into(), 0)
        );
        assert_eq!(lint(good, "2026-02-01").1, 1);
        let (text, code) = lint(&good.replace("owner: o, ", ""), "2026-02-01");
        assert_eq!(code, 5);
        assert!(text.contains("has no `owner`"), "{text}");
    }
}
