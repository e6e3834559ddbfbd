//! The files every bundle holds, whatever report formats are asked for.

use crate::facts::store::Frames;
use crate::report::{OutputFile, View};
use crate::settings::Settings;

use super::bundle::BundleError;

/// Manifest.
pub const MANIFEST: &str = "manifest.json";
/// Checksums in the format of `sha256sum`.
pub const SUMS: &str = "SHA256SUMS";
/// The report's view.
pub const REPORT: &str = "report.json";
/// Findings, one a line.
pub const FINDINGS: &str = "findings.jsonl";
/// Conclusions by framework.
pub const CONCLUSIONS: &str = "conclusions.json";
/// Settings text of the run.
pub const SETTINGS: &str = "settings.toml";
/// Copy of the baseline the run compared with.
pub const BASELINE: &str = "baseline.jsonl";
/// Copy of the waivers the run applied.
pub const WAIVERS: &str = "waivers.yaml";
/// How to get the same bytes again.
pub const REPRODUCE: &str = "reproduce.txt";

/// The files of a view: `report.json`, `findings.jsonl`, `conclusions.json`.
///
/// # Errors
/// When serialisation fails, which these types do not provoke.
pub fn view_files(view: &View) -> Result<Vec<OutputFile>, BundleError> {
    let mut report = serde_json::to_vec(view)?;
    report.push(b'\n');
    let mut conclusions = serde_json::to_vec_pretty(&view.frameworks)?;
    conclusions.push(b'\n');
    let mut findings = Vec::new();
    for f in &view.findings {
        serde_json::to_writer(&mut findings, f)?;
        findings.push(b'\n');
    }
    Ok(vec![
        file(REPORT, "application/json", report),
        file(FINDINGS, "application/x-ndjson", findings),
        file(CONCLUSIONS, "application/json", conclusions),
    ])
}

/// The settings text of a run, so that the bundle alone can be rerun. A run without settings file
/// gets an empty one: both have the same digest.
#[must_use]
pub fn settings_file(_settings: &Settings, text: &str) -> OutputFile {
    file(SETTINGS, "application/toml", text.as_bytes().to_vec())
}

/// Copy of the accepted baseline.
#[must_use]
pub fn baseline_file(text: &str) -> OutputFile {
    file(BASELINE, "application/x-ndjson", text.as_bytes().to_vec())
}

/// Copy of the waiver file.
#[must_use]
pub fn waivers_file(text: &str) -> OutputFile {
    file(WAIVERS, "application/yaml", text.as_bytes().to_vec())
}

/// How to get the same bytes again.
#[must_use]
pub fn reproduce_file(view: &View, formats: &[String]) -> OutputFile {
    let mut formats = formats.to_vec();
    formats.sort();
    formats.dedup();
    let text = format!(
        "{} {}\n{}\n\nINPUTS are the files of manifest.json (check them by SHA-256), OUT is a new directory;\nrun it beside this file. `overstay verify BUNDLE --inputs INPUTS` does the same and compares.\n",
        view.tool.name,
        view.tool.version,
        super::manifest::reproduce_command(view, &formats),
    );
    file(REPRODUCE, "text/plain", text.into_bytes())
}

/// Fact tables, one file each under `facts/`.
///
/// # Errors
/// When a table cannot be encoded.
pub fn facts_files(frames: &Frames) -> Result<Vec<OutputFile>, BundleError> {
    frames.iter().map(|(name, frame)| super::tables::encode(name, frame)).collect()
}

pub(super) fn file(path: &str, media_type: &'static str, bytes: Vec<u8>) -> OutputFile {
    OutputFile { path: path.to_owned(), media_type, bytes }
}
