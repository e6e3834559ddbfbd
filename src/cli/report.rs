//! `overstay report`: renders further formats from a bundle, without its inputs.
//!
//! A bundle is sealed: its manifest and `SHA256SUMS` name every file in it. Rendering therefore never
//! writes into a bundle; the reports go to a directory beside it, `<BUNDLE>-reports`, or to `-o DIR`.

use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::{Context, anyhow};

use super::{Cli, Failure, Outcome, exit};
use crate::evidence::bundle::{MAX_JSON, read_file};
use crate::evidence::files::FINDINGS;
use crate::report::text::visible;
use crate::report::view::VIEW_VERSION;
use crate::report::{OutputFile, ReportError, View, registry};

/// Largest `report.json` that is read, bytes.
const MAX_REPORT: u64 = 1 << 30;

/// Arguments.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Bundle written by `overstay scan`.
    pub bundle: PathBuf,
    /// Formats, separated by commas, or `all`: html, md, csv, json, sarif.
    #[arg(long, value_delimiter = ',', default_value = "html", value_name = "LIST")]
    pub format: Vec<String>,
    /// Keep only this framework in conclusions and control lists; may be given several times.
    #[arg(long, value_name = "ID")]
    pub framework: Vec<String>,
    /// Directory to write to [default: the bundle's name with `-reports`, beside it].
    #[arg(long, short, value_name = "DIR")]
    pub output: Option<PathBuf>,
}

/// Runs the verb.
///
/// # Errors
/// A failure with its exit code.
pub fn run(cli: &Cli, args: &Args) -> Outcome {
    let mut view = read(&args.bundle)?;
    keep_frameworks(&mut view, &args.framework).map_err(|e| Failure::new(exit::USAGE, e))?;
    let names: Vec<&str> = args.format.iter().map(|s| s.trim()).collect();
    let files = registry::render(&view, &names).map_err(|e| match e {
        ReportError::Unknown { .. } => Failure::new(exit::USAGE, e),
        ReportError::Render { .. } => Failure::new(exit::INTERNAL, e),
    })?;
    let dir = target(args).map_err(|e| Failure::new(exit::USAGE, e))?;
    for file in &files {
        write(&dir, file).map_err(|e| Failure::new(exit::INTERNAL, e))?;
    }
    if !cli.quiet {
        let mut out = std::io::stdout().lock();
        for file in &files {
            let path = dir.join(&file.path).display().to_string();
            // A closed pipe is the reader's choice; the files are written.
            if writeln!(out, "{}", visible(&path)).is_err() {
                break;
            }
        }
    }
    Ok(exit::OK)
}

/// Reads the view of a bundle.
fn read(bundle: &Path) -> Result<View, Failure> {
    let no_input = |e: anyhow::Error| Failure::new(exit::NO_INPUT, e);
    let path = bundle.join("report.json");
    let shown = path.display().to_string();
    let size = std::fs::metadata(&path)
        .with_context(|| {
            format!("cannot read `{shown}`; give the directory that `overstay scan -o` wrote")
        })
        .map_err(no_input)?
        .len();
    if size > MAX_REPORT {
        return Err(no_input(anyhow!("`{shown}` has {size} bytes; the limit is {MAX_REPORT}")));
    }
    let text =
        std::fs::read(&path).with_context(|| format!("cannot read `{shown}`")).map_err(no_input)?;
    let reader = &mut serde_json::Deserializer::from_slice(&text);
    let mut view: View = serde_path_to_error::deserialize(reader).map_err(|e| {
        no_input(anyhow!(
            "`{shown}` at `{}`: {}; the bundle is damaged or of another version",
            visible(&e.path().to_string()),
            visible(&e.inner().to_string())
        ))
    })?;
    if view.version > VIEW_VERSION || view.version == 0 {
        return Err(no_input(anyhow!(
            "`{shown}` has version {}, this program reads up to version {VIEW_VERSION}; use the \
             program that wrote the bundle, or scan again",
            view.version
        )));
    }
    if view.is_cut() {
        let path = bundle.join(FINDINGS);
        let bad = |e: String| no_input(anyhow!("`{}`: {e}", path.display()));
        let lines = read_file(&path, MAX_JSON).map_err(|e| no_input(e.into()))?;
        view.complete(&lines).map_err(bad)?;
    }
    Ok(view)
}

/// Drops what belongs to other frameworks. Findings stay: they do not depend on a framework.
fn keep_frameworks(view: &mut View, ids: &[String]) -> Result<(), anyhow::Error> {
    if ids.is_empty() {
        return Ok(());
    }
    for id in ids {
        if !view.frameworks.iter().any(|f| f.id == *id) {
            let known: Vec<&str> = view.frameworks.iter().map(|f| f.id.as_str()).collect();
            return Err(anyhow!(
                "unknown framework `{}`; in this bundle: {}",
                visible(id),
                visible(&known.join(", "))
            ));
        }
    }
    let keep = |framework: &str| ids.iter().any(|id| id == framework);
    view.frameworks.retain(|f| keep(&f.id));
    for rule in &mut view.rules {
        rule.controls.retain(|c| keep(&c.framework));
    }
    for finding in &mut view.findings {
        if finding.controls.iter().any(|c| !keep(&c.framework)) {
            finding.controls =
                finding.controls.iter().filter(|c| keep(&c.framework)).cloned().collect();
        }
    }
    Ok(())
}

/// Where the files go; never into the bundle.
fn target(args: &Args) -> Result<PathBuf, anyhow::Error> {
    let bundle = std::fs::canonicalize(&args.bundle)
        .with_context(|| format!("cannot find `{}`", args.bundle.display()))?;
    let dir = match &args.output {
        Some(dir) => dir.clone(),
        None => {
            let mut name = bundle
                .file_name()
                .ok_or_else(|| anyhow!("`{}` has no name; give `-o DIR`", bundle.display()))?
                .to_os_string();
            name.push("-reports");
            bundle.with_file_name(name)
        }
    };
    std::fs::create_dir_all(&dir).with_context(|| format!("cannot create `{}`", dir.display()))?;
    let dir =
        std::fs::canonicalize(&dir).with_context(|| format!("cannot find `{}`", dir.display()))?;
    if dir.starts_with(&bundle) {
        return Err(anyhow!(
            "`{}` lies in the bundle, whose manifest would no longer be true; give another `-o DIR`",
            dir.display()
        ));
    }
    Ok(dir)
}

/// Writes one file whole: readers never see half of it.
fn write(dir: &Path, file: &OutputFile<'_>) -> Result<(), anyhow::Error> {
    let path = dir.join(&file.path);
    let parent = path.parent().unwrap_or(dir);
    let place = || format!("cannot write `{}`", path.display());
    std::fs::create_dir_all(parent).with_context(place)?;
    let mut temporary =
        tempfile::Builder::new().prefix(".overstay-").tempfile_in(parent).with_context(place)?;
    let mut buffered = std::io::BufWriter::with_capacity(1 << 16, temporary.as_file_mut());
    file.write_to(&mut buffered).and_then(|()| buffered.flush()).with_context(place)?;
    drop(buffered);
    readable(temporary.as_file()).with_context(place)?;
    temporary.persist(&path).map_err(|e| e.error).with_context(place)?;
    Ok(())
}

/// Reports are as private as the bundle: for owner and group.
#[cfg(unix)]
fn readable(file: &std::fs::File) -> std::io::Result<()> {
    use std::os::unix::fs::PermissionsExt as _;
    file.set_permissions(std::fs::Permissions::from_mode(0o640))
}

#[cfg(not(unix))]
fn readable(_file: &std::fs::File) -> std::io::Result<()> {
    Ok(())
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::*;
    use crate::cli::{Command, run as run_cli};
    use crate::report::fixture;

    fn bundle() -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        let bundle = dir.path().join("evidence");
        std::fs::create_dir(&bundle).unwrap();
        let json = serde_json::to_vec(&fixture::plausible()).unwrap();
        std::fs::write(bundle.join("report.json"), json).unwrap();
        dir
    }

    fn report(dir: &Path, more: &[&str]) -> Outcome {
        let bundle = dir.join("evidence").display().to_string();
        let mut all = vec!["overstay", "--quiet", "report", &bundle];
        all.extend(more);
        run_cli(&Cli::try_parse_from(all).unwrap())
    }

    #[test]
    fn the_bundle_stays_as_it_was() {
        let dir = bundle();
        assert_eq!(report(dir.path(), &["--format", "all"]).unwrap(), exit::OK);
        let inside: Vec<_> = std::fs::read_dir(dir.path().join("evidence")).unwrap().collect();
        assert_eq!(inside.len(), 1);
        let reports = dir.path().join("evidence-reports");
        for file in ["report.html", "summary.md", "sarif/findings.sarif", "charts/standing.svg"] {
            assert!(reports.join(file).is_file(), "{file}");
        }
        let hidden = std::fs::read_dir(&reports)
            .unwrap()
            .any(|f| f.unwrap().file_name().to_string_lossy().starts_with('.'));
        assert!(!hidden, "a temporary file was left");
    }

    #[test]
    fn nothing_is_written_into_the_bundle() {
        let dir = bundle();
        let inside = dir.path().join("evidence/reports").display().to_string();
        let failure = report(dir.path(), &["-o", &inside]).unwrap_err();
        assert_eq!(failure.code, exit::USAGE);
    }

    #[test]
    fn frameworks_are_kept_by_id() {
        let dir = bundle();
        let out = dir.path().join("out");
        let args = ["--format", "json", "--framework", "nist-800-53-r5", "-o"];
        report(dir.path(), &[&args[..], &[&out.display().to_string()]].concat()).unwrap();
        let view: View =
            serde_json::from_slice(&std::fs::read(out.join("report.json")).unwrap()).unwrap();
        assert_eq!(view.frameworks.len(), 1);
        assert!(
            view.findings
                .iter()
                .flat_map(|f| f.controls.iter())
                .all(|c| c.framework == "nist-800-53-r5")
        );
        assert_eq!(view.findings.len(), fixture::plausible().findings.len());
    }

    #[test]
    fn failures_have_their_codes() {
        let dir = bundle();
        assert_eq!(report(dir.path(), &["--format", "docx"]).unwrap_err().code, exit::USAGE);
        assert_eq!(report(dir.path(), &["--framework", "x"]).unwrap_err().code, exit::USAGE);
        let path = dir.path().join("evidence/report.json");
        std::fs::write(&path, "{\"version\": \"\u{1b}\"}").unwrap();
        let failure = report(dir.path(), &[]).unwrap_err();
        assert_eq!(failure.code, exit::NO_INPUT);
        assert!(failure.error.to_string().contains("at `version`"), "{}", failure.error);
        std::fs::remove_file(path).unwrap();
        assert_eq!(report(dir.path(), &[]).unwrap_err().code, exit::NO_INPUT);
    }

    #[test]
    fn another_version_is_refused() {
        let dir = bundle();
        let mut view = fixture::plausible();
        view.version = VIEW_VERSION + 1;
        let json = serde_json::to_vec(&view).unwrap();
        std::fs::write(dir.path().join("evidence/report.json"), json).unwrap();
        assert_eq!(report(dir.path(), &[]).unwrap_err().code, exit::NO_INPUT);
    }

    #[test]
    fn the_verb_is_named_report() {
        let cli = Cli::try_parse_from(["overstay", "report", "b", "--format", "md,csv"]).unwrap();
        let Command::Report(args) = cli.command else { panic!("another verb") };
        assert_eq!(args.format, ["md", "csv"]);
    }
}
