//! The command line: one file per verb. Arguments, progress and printing; no analysis.

pub mod baseline;
pub mod can;
pub mod completions;
pub mod console;
pub mod diff;
pub mod explain;
pub mod facts;
pub mod gate;
pub mod grant_page;
pub mod input;
pub mod inspect;
pub mod report;
pub mod rules;
pub mod scan;
pub mod summary;
pub mod text;
pub mod verify;
pub mod waiver;
pub mod who_can;

#[cfg(test)]
mod schema_tests;

use clap::{Parser, Subcommand};

pub use crate::gate::verdict::exit;

/// An error with the exit code it ends the program with.
#[derive(Debug)]
pub struct Failure {
    /// Exit code, one of [`exit`].
    pub code: u8,
    /// What went wrong, with the remedy.
    pub error: anyhow::Error,
}

impl Failure {
    /// Failure with a code.
    pub fn new(code: u8, error: impl Into<anyhow::Error>) -> Self {
        Self { code, error: error.into() }
    }
}

/// Result of a verb: an exit code, or a failure.
pub type Outcome = Result<u8, Failure>;

/// Finds the privileges that overstay their task.
#[derive(Debug, Parser)]
#[command(name = "overstay", version, about, max_term_width = 100, propagate_version = true)]
pub struct Cli {
    /// Print nothing but results and errors.
    #[arg(long, short, global = true)]
    pub quiet: bool,
    /// Print more about what is done.
    #[arg(long, short, global = true, conflicts_with = "quiet")]
    pub verbose: bool,
    /// When to use colour.
    #[arg(long, global = true, value_enum, default_value_t = ColorChoice::Auto)]
    pub color: ColorChoice,
    /// Threads to use; results do not depend on it. (Table operations follow `POLARS_MAX_THREADS`.)
    #[arg(long, global = true, value_name = "N", value_parser = thread_count)]
    pub threads: Option<usize>,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// When to use colour.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum ColorChoice {
    /// On a terminal that wants it (honours `NO_COLOR`).
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

/// The verbs.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Read inputs, analyse them and write an evidence bundle.
    Scan(scan::Args),
    /// Render report formats from a bundle.
    Report(report::Args),
    /// Decide whether inputs or a bundle pass; for CI.
    Gate(gate::Args),
    /// Create, update or check a baseline file.
    Baseline(baseline::Args),
    /// Check a waiver file.
    Waiver(waiver::Args),
    /// Compare two bundles.
    Diff(diff::Args),
    /// Explain one finding: its rule, evaluated, and its evidence lines.
    Explain(explain::Args),
    /// Say whether an AWS principal may do an action on a resource, and what decides.
    Can(can::Args),
    /// List the AWS users and roles that may do an action on a resource.
    WhoCan(who_can::Args),
    /// Show what input files are and how much of them can be read.
    Inspect(inspect::Args),
    /// List, show, check, test and document rules.
    Rules(rules::Args),
    /// Document the fact tables, or print rows of a bundle.
    Facts(facts::Args),
    /// Recheck a bundle's digests and counts; with inputs, rerun it and compare.
    Verify(verify::Args),
    /// Print a shell completion script.
    Completions(completions::Args),
    /// Print the manual page.
    Man,
}

fn thread_count(s: &str) -> Result<usize, String> {
    s.parse()
        .ok()
        .filter(|n| (1..=1024).contains(n))
        .ok_or_else(|| format!("`{s}` is not a number of threads; use 1 to 1024"))
}

/// Runs a parsed command line.
///
/// # Errors
/// A failure with its exit code.
pub fn run(cli: &Cli) -> Outcome {
    if let Some(n) = cli.threads {
        // The pool can be made once only. It exists already when `verify` runs a second command
        // line inside this one, and then has the size that was asked for.
        let _ = rayon::ThreadPoolBuilder::new().num_threads(n).build_global();
    }
    match &cli.command {
        Command::Scan(args) => scan::run(cli, args),
        Command::Report(args) => report::run(cli, args),
        Command::Gate(args) => gate::run(cli, args),
        Command::Baseline(args) => baseline::run(cli, args),
        Command::Waiver(args) => waiver::run(cli, args),
        Command::Diff(args) => diff::run(cli, args),
        Command::Explain(args) => explain::run(cli, args),
        Command::Can(args) => can::run(cli, args),
        Command::WhoCan(args) => who_can::run(cli, args),
        Command::Inspect(args) => inspect::run(cli, args),
        Command::Rules(args) => rules::run(cli, args),
        Command::Facts(args) => facts::run(cli, args),
        Command::Verify(args) => verify::run(cli, args),
        Command::Completions(args) => completions::run(cli, args),
        Command::Man => completions::man(),
    }
}
