//! `overstay baseline`: create, update and check the file of accepted findings and holdings.

use std::path::{Path, PathBuf};

use anyhow::anyhow;

use super::input::{self, RunOptions};
use super::text::safe;
use super::{Cli, Failure, Outcome, diff, exit};
use crate::gate::diff::against_baseline;
use crate::gate::{Baseline, BaselineError};

/// Arguments.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, clap::Subcommand)]
enum Verb {
    /// Accept what a run finds.
    Create(Create),
    /// Accept what a new run finds; keeps first-seen times and prints what changes.
    Update(Update),
    /// Check baseline files.
    Lint(Lint),
}

#[derive(Debug, clap::Args)]
struct Create {
    /// Inputs to analyse, or one bundle.
    #[arg(required = true, value_name = "PATH|BUNDLE")]
    paths: Vec<PathBuf>,
    #[command(flatten)]
    run: RunOptions,
    /// Waivers: what they cover is not accepted for ever.
    #[arg(long, value_name = "FILE")]
    waivers: Option<PathBuf>,
    /// File to write.
    #[arg(long, short, value_name = "FILE", default_value = "baseline.jsonl")]
    output: PathBuf,
    /// Accept that records in quarantine are not covered; their number is kept in the header.
    #[arg(long)]
    allow_quarantined: bool,
}

#[derive(Debug, clap::Args)]
struct Update {
    /// Baseline to update.
    #[arg(long, value_name = "FILE", default_value = "baseline.jsonl")]
    baseline: PathBuf,
    /// Inputs to analyse, or one bundle.
    #[arg(required = true, value_name = "PATH|BUNDLE")]
    paths: Vec<PathBuf>,
    #[command(flatten)]
    run: RunOptions,
    /// Waivers: what they cover is not accepted for ever.
    #[arg(long, value_name = "FILE")]
    waivers: Option<PathBuf>,
    /// File to write [default: the baseline itself].
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Print what would change and write nothing.
    #[arg(long)]
    dry_run: bool,
    /// Accept that records in quarantine are not covered; their number is kept in the header.
    #[arg(long)]
    allow_quarantined: bool,
}

#[derive(Debug, clap::Args)]
struct Lint {
    /// Baseline files.
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
}

/// Runs the verb.
///
/// # Errors
/// A failure with its exit code.
pub fn run(cli: &Cli, args: &Args) -> Outcome {
    match &args.verb {
        Verb::Create(a) => create(cli, a),
        Verb::Update(a) => update(cli, a),
        Verb::Lint(a) => lint(a),
    }
}

/// An incomplete run is weak evidence; all else is a bad baseline.
fn failure(e: BaselineError) -> Failure {
    let code = match e {
        BaselineError::Incomplete(_) => exit::WEAK_EVIDENCE,
        _ => exit::BAD_BASELINE,
    };
    Failure::new(code, e)
}

fn create(cli: &Cli, a: &Create) -> Outcome {
    if a.output.exists() {
        let error = anyhow!(
            "`{}` exists; use `overstay baseline update`, or remove it first",
            a.output.display()
        );
        return Err(Failure::new(exit::USAGE, error));
    }
    let loaded = input::load(&a.paths, &a.run, None, a.waivers.as_deref())?;
    let b = Baseline::create(&loaded.view, &loaded.held, a.allow_quarantined).map_err(failure)?;
    input::write_file(&a.output, b.to_text().as_bytes())?;
    input::note(cli, &format!("wrote {}: {}", a.output.display(), summary(&b)));
    Ok(exit::OK)
}

fn update(cli: &Cli, a: &Update) -> Outcome {
    let old = Baseline::load(&a.baseline).map_err(failure)?;
    let loaded = input::load(&a.paths, &a.run, Some(&a.baseline), a.waivers.as_deref())?;
    old.check_scope(&a.baseline.display().to_string(), &loaded.view).map_err(failure)?;
    let (next, comparison) =
        old.update(&loaded.view, &loaded.held, a.allow_quarantined).map_err(failure)?;
    input::print(&diff::lines(&against_baseline(&old, &comparison, &loaded.view), false))?;
    if !a.dry_run {
        let output = a.output.as_ref().unwrap_or(&a.baseline);
        input::write_file(output, next.to_text().as_bytes())?;
        input::note(cli, &format!("wrote {}: {}", output.display(), summary(&next)));
    }
    Ok(exit::OK)
}

fn lint(a: &Lint) -> Outcome {
    let mut code = exit::OK;
    for file in &a.files {
        match Baseline::load(file) {
            Ok(b) => input::print(&format!("{}: ok, {}\n", name(file), summary(&b)))?,
            Err(e) => {
                code = exit::BAD_BASELINE;
                input::print(&format!("{}\n", safe(&e.to_string())))?;
            }
        }
    }
    Ok(code)
}

fn name(file: &Path) -> String {
    safe(&file.display().to_string()).into_owned()
}

fn summary(b: &Baseline) -> String {
    let holdings: usize = b.holdings.values().map(std::collections::BTreeSet::len).sum();
    format!(
        "{} findings, {holdings} holdings, {} sources, as of {}, scope {}",
        b.findings.len(),
        b.header.sources.len(),
        safe(&b.header.as_of),
        safe(b.header.scope_id.get(..12).unwrap_or_default())
    )
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;
    use crate::evidence::{Manifest, bundle, files};
    use crate::facts::{Derived, Holding, Standing, Tier, text};
    use crate::findings::Severity;
    use crate::gate::testing;

    fn overstay(words: &[&str]) -> Result<u8, u8> {
        let cli =
            Cli::try_parse_from(std::iter::once("overstay").chain(words.iter().copied())).unwrap();
        crate::cli::run(&cli).map_err(|f| f.code)
    }

    #[test]
    fn create_update_and_lint_on_bundles() {
        let tmp = tempfile::tempdir().unwrap();
        let mut view = testing::view();
        let derived = Derived {
            holdings: vec![Holding {
                principal_id: text("alice"),
                tier: Some(Tier::T1),
                standing: Standing::Standing,
                state: text("s"),
                ..Holding::default()
            }],
            ..Derived::default()
        };
        let dir = tmp.path().join("b");
        let write = |view: &crate::report::View| {
            let mut all = files::view_files(view);
            all.extend(files::rows_files(derived.rows()));
            bundle::write(&dir, all, Manifest::new(view, &[], None)).unwrap();
        };
        write(&view);
        let (dir, out) = (dir.to_str().unwrap().to_owned(), tmp.path().join("base.jsonl"));
        let file = out.to_str().unwrap();
        assert_eq!(overstay(&["-q", "baseline", "create", &dir, "-o", file]), Ok(0));
        assert_eq!(overstay(&["-q", "baseline", "create", &dir, "-o", file]), Err(2));
        assert_eq!(overstay(&["baseline", "lint", file]), Ok(0));
        let first = Baseline::load(&out).unwrap();
        assert_eq!(first.holding_change("alice", "", "", Some("T1"), "s"), Some("unchanged"));

        view.findings[0] = testing::finding("carol", Severity::High);
        write(&view);
        assert_eq!(
            overstay(&["-q", "baseline", "update", "--baseline", file, &dir, "--dry-run"]),
            Ok(0)
        );
        assert_eq!(Baseline::load(&out).unwrap(), first);
        assert_eq!(overstay(&["-q", "baseline", "update", "--baseline", file, &dir]), Ok(0));
        assert_ne!(Baseline::load(&out).unwrap(), first);

        view.sources[0].completeness = "truncated".into();
        write(&view);
        assert_eq!(overstay(&["-q", "baseline", "update", "--baseline", file, &dir]), Err(4));
        view.entity = None;
        write(&view);
        assert_eq!(overstay(&["-q", "baseline", "update", "--baseline", file, &dir]), Err(5));
        std::fs::write(&out, "x").unwrap();
        assert_eq!(overstay(&["baseline", "lint", file]), Ok(5));
    }
}
