//! `overstay scan`: inputs in, evidence bundle out.

use std::io::Write;
use std::mem::ManuallyDrop;
use std::path::PathBuf;

use super::{Cli, Failure, Outcome, console, exit, summary};
use crate::facts::time::{Time, parse_rfc3339};
use crate::pipeline::{self, PipelineError, Scan, ScanRequest};
use crate::settings::parse_period;

/// Arguments.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Files and directories to read (`-` reads standard input).
    #[arg(required = true, value_name = "PATH")]
    pub inputs: Vec<PathBuf>,
    /// Directory to write the evidence bundle to; an earlier bundle there is replaced as a whole.
    #[arg(long = "output", short = 'o', visible_alias = "out", value_name = "DIR")]
    pub out: PathBuf,
    /// What to read and how to judge it.
    #[command(flatten)]
    pub what: What,
    /// Report formats, comma-separated, or `all`.
    #[arg(long, value_name = "LIST", value_delimiter = ',', default_value = "all")]
    pub format: Vec<String>,
    /// Fail (exit 4) when any file or record could not be read.
    #[arg(long)]
    pub strict: bool,
}

/// Arguments that `scan`, `gate` and `baseline` share.
#[derive(Debug, Default, clap::Args)]
pub struct What {
    /// Settings; default: `overstay.toml` beside the inputs.
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Instant at which everything is judged; default: the settings, else the newest evidence.
    #[arg(long, value_name = "TIME", value_parser = instant)]
    pub as_of: Option<Time>,
    /// Audited period, half-open.
    #[arg(long, value_name = "A..B", value_parser = parse_period)]
    pub period: Option<(Time, Time)>,
    /// Directory with more rules; a rule with a known id replaces the built-in one.
    #[arg(long, value_name = "DIR")]
    pub rules: Vec<PathBuf>,
    /// Accepted baseline.
    #[arg(long, value_name = "FILE")]
    pub baseline: Option<PathBuf>,
    /// Waivers.
    #[arg(long, value_name = "FILE")]
    pub waivers: Option<PathBuf>,
}

impl What {
    /// The request for these inputs.
    #[must_use]
    pub fn request(&self, inputs: &[PathBuf]) -> ScanRequest {
        ScanRequest {
            inputs: inputs.to_vec(),
            config: self.config.clone(),
            as_of: self.as_of,
            period: self.period,
            rule_dirs: self.rules.clone(),
            baseline: self.baseline.clone(),
            waivers: self.waivers.clone(),
            screen: false,
            bundle_only: false,
        }
    }
}

fn instant(s: &str) -> Result<Time, String> {
    parse_rfc3339(s).ok_or_else(|| format!("`{s}` is not a time; use 2026-11-01T00:00:00Z"))
}

impl From<PipelineError> for Failure {
    fn from(e: PipelineError) -> Self {
        let code = match &e {
            PipelineError::Config(_) => exit::USAGE,
            PipelineError::NoInput(_) => exit::NO_INPUT,
            PipelineError::Baseline(_) => exit::BAD_BASELINE,
            PipelineError::Internal(_) => exit::INTERNAL,
        };
        Self::new(code, e)
    }
}

/// Runs the verb. Exits 0 whatever it finds; `overstay gate` decides.
///
/// # Errors
/// A failure with its exit code.
pub fn run(cli: &Cli, args: &Args) -> Outcome {
    // The program ends after this; to free millions of rows one by one first would only take time.
    let request =
        ScanRequest { screen: true, bundle_only: true, ..args.what.request(&args.inputs) };
    let scan = ManuallyDrop::new(pipeline::scan(&request)?);
    pipeline::write_bundle(&scan, &args.out, &args.format)?;
    if !cli.quiet
        && let Err(e) = print(cli, args, &scan)
        // The reader went away (`| head`); the bundle is written.
        && e.kind() != std::io::ErrorKind::BrokenPipe
    {
        return Err(Failure::new(exit::INTERNAL, e));
    }
    if args.strict && scan.unreadable() > 0 {
        return Err(Failure::new(
            exit::WEAK_EVIDENCE,
            anyhow::anyhow!(
                "{} files or records could not be read (`--strict`); see the report's quarantine",
                scan.unreadable()
            ),
        ));
    }
    Ok(exit::OK)
}

fn print(cli: &Cli, args: &Args, scan: &Scan) -> std::io::Result<()> {
    let mut out = console::stdout(cli.color);
    summary::print(&mut out, &scan.view, console::wants_colour(cli.color), console::width())?;
    if let Some(note) = &scan.screening {
        writeln!(out, "\n{note}")?;
    }
    writeln!(out, "\nReport: {}", args.out.join("report.html").display())?;
    if let Some(first) = scan.view.fix_first.first() {
        let digits: String = first.fingerprint.chars().take(8).collect();
        writeln!(out, "Proof:  overstay explain {} {digits}", args.out.display())?;
    }
    out.flush()
}
