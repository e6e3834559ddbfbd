//! What several verbs share: the options of a run, a judged run or bundle to work on, and printing.

use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::{Context, anyhow};

use super::{Failure, exit};
use crate::evidence::bundle::{self, BundleError, MAX_JSON};
use crate::evidence::manifest::Counts;
use crate::evidence::{Manifest, files, tables};
use crate::facts::time::parse_rfc3339;
use crate::facts::{PolicyInForce, Text, Time};
use crate::findings::fingerprint::sha256;
use crate::gate::baseline::HoldingLine;
use crate::gate::held::Held;
use crate::pipeline::{PipelineError, ScanRequest, access, scan};
use crate::privilege::aws::compare::Snapshot;
use crate::report::View;
use crate::report::story::{Rows, TABLES};
use crate::report::view::VIEW_VERSION;
use crate::settings::{Limits, Settings};

/// Options of a run that analyses inputs.
#[derive(Clone, Debug, Default, clap::Args)]
pub struct RunOptions {
    /// Settings file [default: `overstay.toml` beside the inputs].
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Judge as of this time [default: the settings, else the newest evidence].
    #[arg(long, value_name = "TIME", value_parser = parse_time)]
    pub as_of: Option<Time>,
    /// Audited period, half-open.
    #[arg(long, value_name = "A..B", value_parser = crate::settings::parse_period)]
    pub period: Option<(Time, Time)>,
    /// Directory with further or overriding rules; may be repeated.
    #[arg(long = "rules", value_name = "DIR")]
    pub rule_dirs: Vec<PathBuf>,
}

/// Reads a time argument.
///
/// # Errors
/// When it is not a time.
pub fn parse_time(s: &str) -> Result<Time, String> {
    parse_rfc3339(s).ok_or_else(|| format!("`{s}` is not a time; use 2026-11-01T00:00:00Z"))
}

/// A judged run, fresh or from a bundle.
#[derive(Debug)]
pub struct Loaded {
    /// The view.
    pub view: View,
    /// Privileges held.
    pub held: Held,
    /// Limits in force.
    pub limits: Limits,
}

/// Loads a bundle (one directory with a manifest), or analyses inputs.
///
/// # Errors
/// With the exit code of the cause.
pub fn load(
    paths: &[PathBuf],
    run: &RunOptions,
    baseline: Option<&Path>,
    waivers: Option<&Path>,
) -> Result<Loaded, Failure> {
    if let [dir] = paths
        && bundle::is_bundle(&bundle::locate(dir))
    {
        return load_bundle(dir);
    }
    let scan = scan(&ScanRequest {
        inputs: paths.to_vec(),
        config: run.config.clone(),
        as_of: run.as_of,
        period: run.period,
        rule_dirs: run.rule_dirs.clone(),
        baseline: baseline.map(Path::to_path_buf),
        waivers: waivers.map(Path::to_path_buf),
        // Whoever loads decides by the findings, so all of them are needed.
        screen: false,
        bundle_only: false,
    })
    .map_err(pipeline_failure)?;
    Ok(Loaded {
        held: Held {
            lines: scan.derived.holdings.iter().filter_map(HoldingLine::of).collect(),
            access: access(&scan.facts, &scan.derived),
        },
        limits: scan.settings.limits,
        view: scan.view,
    })
}

/// Exit code of a run that could not finish.
pub fn pipeline_failure(e: PipelineError) -> Failure {
    let code = match &e {
        PipelineError::Config(_) => exit::USAGE,
        PipelineError::NoInput(_) => exit::NO_INPUT,
        PipelineError::Baseline(_) => exit::BAD_BASELINE,
        PipelineError::Internal(_) => exit::INTERNAL,
    };
    Failure::new(code, e)
}

/// A bundle that cannot be read is an input that cannot be read.
pub fn bundle_failure(e: BundleError) -> Failure {
    Failure::new(exit::NO_INPUT, e)
}

fn load_bundle(dir: &Path) -> Result<Loaded, Failure> {
    let dir = bundle::locate(dir);
    let (view, manifest) = bundle_view(&dir)?;
    if listed(&manifest, files::EXCEPTIONS).is_some() {
        return Err(Failure::new(
            exit::NO_INPUT,
            anyhow!(
                "`{}` is of a screening: its {} names every exception, but only the first of each rule are \
                 findings, so nothing can be decided by them; give the inputs instead of the bundle",
                dir.display(),
                files::EXCEPTIONS
            ),
        ));
    }
    let limits = bundle_limits(&dir, &manifest)?;
    let rows = match tables::path_in(&dir, "holdings") {
        Some(_) => table_rows(&dir, &manifest, "holdings")?,
        None => Vec::new(),
    };
    let access = bundle_access(&dir, &manifest)?;
    Ok(Loaded { view, limits, held: Held { lines: holding_lines(&rows)?, access } })
}

/// Limits of the run that wrote a bundle.
///
/// # Errors
/// When its settings cannot be read or were changed.
pub fn bundle_limits(dir: &Path, manifest: &Manifest) -> Result<Limits, Failure> {
    if listed(manifest, files::SETTINGS).is_none() {
        return Ok(Limits::default());
    }
    let bytes = checked(dir, manifest, files::SETTINGS)?;
    Settings::parse(&String::from_utf8_lossy(&bytes)).map(|s| s.limits).map_err(|e| {
        Failure::new(exit::NO_INPUT, anyhow!("{} of the bundle: {e}", files::SETTINGS))
    })
}

/// A fact table of a bundle, with its types.
///
/// # Errors
/// When the bundle has no Parquet file of it, or it was changed.
pub fn table_frame(
    dir: &Path,
    manifest: &Manifest,
    table: &str,
) -> Result<polars::prelude::DataFrame, Failure> {
    checked(dir, manifest, &format!("facts/{table}.parquet"))?;
    let path = dir.join("facts").join(format!("{table}.parquet"));
    tables::read_parquet(&path).map_err(bundle_failure)
}

/// The view of a bundle, after its digest and control totals were checked: a verdict must not rest
/// on a file somebody changed.
///
/// # Errors
/// When it cannot be read, was changed, or is of a later version.
pub fn bundle_view(dir: &Path) -> Result<(View, Manifest), Failure> {
    let dir = bundle::locate(dir);
    let manifest = bundle::read(&dir).map_err(bundle_failure)?;
    let bytes = checked(&dir, &manifest, files::REPORT)?;
    let bad = |m: String| {
        Failure::new(exit::NO_INPUT, anyhow!("`{}`: {m}", dir.join(files::REPORT).display()))
    };
    let mut view: View = serde_json::from_slice(&bytes).map_err(|e| bad(e.to_string()))?;
    if view.version > VIEW_VERSION {
        return Err(bad(format!("version {} is not known; use a newer overstay", view.version)));
    }
    if view.is_cut() {
        let lines = checked(&dir, &manifest, files::FINDINGS)?;
        view.complete(&lines).map_err(|e| {
            let path = dir.join(files::FINDINGS);
            Failure::new(exit::NO_INPUT, anyhow!("`{}`: {e}", path.display()))
        })?;
    }
    if Counts::of(&view) != manifest.counts {
        return Err(bad("its counts are not those of the manifest; run `overstay verify`".into()));
    }
    Ok((view, manifest))
}

fn listed<'a>(manifest: &'a Manifest, path: &str) -> Option<&'a str> {
    manifest.outputs.iter().find(|o| o.path == path).map(|o| o.sha256.as_str())
}

/// Bytes of a file of the bundle, if they are those the manifest lists.
fn checked(dir: &Path, manifest: &Manifest, path: &str) -> Result<Vec<u8>, Failure> {
    let file = dir.join(path);
    let bad = |m: &str| Failure::new(exit::NO_INPUT, anyhow!("`{}` {m}", file.display()));
    let want = listed(manifest, path).ok_or_else(|| bad("is not listed in the manifest"))?;
    let bytes = bundle::read_file(&file, MAX_JSON).map_err(bundle_failure)?;
    if sha256(&bytes) != want {
        return Err(bad("was changed after the bundle was written; run `overstay verify`"));
    }
    Ok(bytes)
}

/// Rows of a fact table of a bundle as newline-delimited JSON.
///
/// # Errors
/// When the bundle has no such table, or it was changed.
pub fn table_rows(dir: &Path, manifest: &Manifest, table: &str) -> Result<Vec<u8>, Failure> {
    let Some((path, suffix)) = tables::path_in(dir, table) else {
        let known: Vec<&str> = manifest
            .outputs
            .iter()
            .filter_map(|o| o.path.strip_prefix("facts/")?.rsplit_once('.').map(|(n, _)| n))
            .collect();
        let error = anyhow!("the bundle has no table `{table}`; it has: {}", known.join(", "));
        return Err(Failure::new(exit::USAGE, error));
    };
    let bytes = checked(dir, manifest, &format!("facts/{table}.{suffix}"))?;
    if suffix == "ndjson" {
        return Ok(bytes);
    }
    let frame = tables::read_parquet(&path).map_err(bundle_failure)?;
    let mut out = Vec::new();
    tables::write_ndjson(&frame, &mut out)
        .with_context(|| format!("cannot read table `{table}`"))
        .map_err(|e| Failure::new(exit::NO_INPUT, e))?;
    Ok(out)
}

fn holding_lines(rows: &[u8]) -> Result<Vec<HoldingLine>, Failure> {
    let mut out = Vec::new();
    for line in rows.split(|b| *b == b'\n').filter(|l| !l.is_empty()) {
        let row: serde_json::Value = serde_json::from_slice(line)
            .context("table `holdings` of the bundle")
            .map_err(|e| Failure::new(exit::NO_INPUT, e))?;
        let field =
            |name: &str| row.get(name).and_then(serde_json::Value::as_str).map(str::to_owned);
        let standing = field("standing").unwrap_or_default();
        if matches!(standing.as_str(), "eligible" | "residue") {
            continue;
        }
        out.push(HoldingLine {
            principal: field("principal_id").unwrap_or_default(),
            privilege: field("privilege").unwrap_or_default(),
            scope: field("scope").unwrap_or_default(),
            tier: field("tier"),
            standing,
            state: field("state").unwrap_or_default(),
        });
    }
    Ok(out)
}

/// Policies in force of a bundle; none when it was written without these tables.
fn bundle_access(dir: &Path, manifest: &Manifest) -> Result<Snapshot, Failure> {
    let there = |table: &str| tables::path_in(dir, table).is_some();
    if !there("policies_in_force") || !there("roles") {
        return Ok(Snapshot::default());
    }
    let rows = rows_of(dir, manifest, "policies_in_force")?;
    let field = |row: &serde_json::Value, name: &str| {
        row.get(name).and_then(serde_json::Value::as_str).map(crate::facts::text)
    };
    let policies: Vec<PolicyInForce> = rows
        .iter()
        .map(|r| PolicyInForce {
            principal_id: field(r, "principal_id").unwrap_or_default(),
            layer: field(r, "layer").unwrap_or_default(),
            role_id: field(r, "role_id").unwrap_or_default(),
            digest: field(r, "digest"),
        })
        .collect();
    let roles = rows_of(dir, manifest, "roles")?;
    let documents: Vec<Text> = roles.iter().filter_map(|r| field(r, "document")).collect();
    Ok(Snapshot::new(&policies, &documents))
}

/// The view and the tables that the page of a grant shows, from a bundle or from inputs.
///
/// # Errors
/// With the exit code of the cause.
pub fn grant_rows(path: &Path, rule_dirs: &[PathBuf]) -> Result<(View, Rows), Failure> {
    let dir = bundle::locate(path);
    if bundle::is_bundle(&dir) {
        let (view, manifest) = bundle_view(&dir)?;
        let mut rows = Rows::new();
        for table in TABLES {
            if tables::path_in(&dir, table).is_some() {
                rows.insert(table.to_owned(), rows_of(&dir, &manifest, table)?);
            }
        }
        return Ok((view, rows));
    }
    let scan = scan(&ScanRequest {
        inputs: vec![path.to_path_buf()],
        rule_dirs: rule_dirs.to_vec(),
        ..ScanRequest::default()
    })
    .map_err(pipeline_failure)?;
    let internal = |e: polars::error::PolarsError| Failure::new(exit::INTERNAL, e);
    let base = scan.facts.frames().map_err(internal)?;
    let derived = scan.derived.frames().map_err(internal)?;
    let mut rows = Rows::new();
    for table in TABLES {
        let Some(frame) = base.get(table).or_else(|| derived.get(table)) else { continue };
        let mut text = Vec::new();
        tables::write_ndjson(frame, &mut text).map_err(internal)?;
        rows.insert(table.to_owned(), lines_of(&text, table)?);
    }
    Ok((scan.view, rows))
}

fn rows_of(
    dir: &Path,
    manifest: &Manifest,
    table: &str,
) -> Result<Vec<serde_json::Value>, Failure> {
    lines_of(&table_rows(dir, manifest, table)?, table)
}

fn lines_of(rows: &[u8], table: &str) -> Result<Vec<serde_json::Value>, Failure> {
    rows.split(|b| *b == b'\n')
        .filter(|l| !l.is_empty())
        .map(|line| {
            serde_json::from_slice(line)
                .with_context(|| format!("table `{table}`"))
                .map_err(|e| Failure::new(exit::NO_INPUT, e))
        })
        .collect()
}

/// Writes to standard output. A reader that went away is no error.
///
/// # Errors
/// When writing fails.
pub fn print(text: &str) -> Result<(), Failure> {
    print_bytes(text.as_bytes())
}

/// [`print`] for bytes.
///
/// # Errors
/// When writing fails.
pub fn print_bytes(bytes: &[u8]) -> Result<(), Failure> {
    let mut out = anstream::stdout().lock();
    match out.write_all(bytes).and_then(|()| out.flush()) {
        Err(e) if e.kind() != std::io::ErrorKind::BrokenPipe => {
            Err(Failure::new(exit::INTERNAL, anyhow!("cannot write to standard output: {e}")))
        }
        _ => Ok(()),
    }
}

/// Prints a value as JSON, harmless on a terminal.
///
/// # Errors
/// When writing fails.
pub fn print_json(value: &impl serde::Serialize) -> Result<(), Failure> {
    let text = serde_json::to_string_pretty(value)
        .context("cannot serialise the result")
        .map_err(|e| Failure::new(exit::INTERNAL, e))?;
    print(&format!("{}\n", super::text::safe_json(&text)))
}

/// Writes a note to standard error, unless `--quiet`.
pub fn note(cli: &super::Cli, text: &str) {
    if !cli.quiet {
        // Nothing can be done when standard error is closed.
        let _ = writeln!(anstream::stderr().lock(), "{text}");
    }
}

/// Writes a file whole or not at all.
///
/// # Errors
/// When the file system refuses.
pub fn write_file(path: &Path, bytes: &[u8]) -> Result<(), Failure> {
    let failed = |e: std::io::Error| {
        Failure::new(exit::INTERNAL, anyhow!("cannot write `{}`: {e}", path.display()))
    };
    // A pipe or terminal (`/dev/stdout`) cannot be replaced, only written to.
    if std::fs::metadata(path).is_ok_and(|m| !m.is_file()) {
        return std::fs::write(path, bytes).map_err(failed);
    }
    let parent = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    std::fs::create_dir_all(parent).map_err(failed)?;
    let mut file =
        tempfile::Builder::new().prefix(".overstay-").tempfile_in(parent).map_err(failed)?;
    file.write_all(bytes).and_then(|()| file.as_file().sync_all()).map_err(failed)?;
    #[cfg(unix)]
    {
        // The temporary file is private; what it becomes is for all, as a plain new file would be.
        use std::os::unix::fs::PermissionsExt as _;
        let mode = std::fs::metadata(path).map_or(0o644, |m| m.permissions().mode());
        file.as_file().set_permissions(std::fs::Permissions::from_mode(mode)).map_err(failed)?;
    }
    file.persist(path).map(|_| ()).map_err(|e| failed(e.error))
}
