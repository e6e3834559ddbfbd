//! The files every bundle holds, whatever report formats are asked for.

use std::io::{self, BufWriter, Write};

use serde::Serialize;

use crate::facts::store::{Frames, Rows};
use crate::report::{OutputFile, View, jsonl};
use crate::settings::Settings;

use super::tables;

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
/// Every exception of a screening.
pub const EXCEPTIONS: &str = "exceptions.csv";
/// How to get the same bytes again.
pub const REPRODUCE: &str = "reproduce.txt";

/// The files of a view: `report.json`, `findings.jsonl`, `conclusions.json`.
#[must_use]
pub fn view_files(view: &View) -> Vec<OutputFile<'_>> {
    vec![
        OutputFile::new(REPORT, "application/json", |out| json(out, view, false)),
        OutputFile::new(FINDINGS, "application/x-ndjson", |out| {
            jsonl::write_findings(&view.findings, out)
        }),
        OutputFile::new(CONCLUSIONS, "application/json", |out| json(out, &view.frameworks, true)),
    ]
}

/// Writes one JSON document and a line feed.
fn json(out: &mut dyn Write, value: &impl Serialize, pretty: bool) -> io::Result<()> {
    // The serialiser writes small pieces; they are gathered before they go through the trait object.
    let mut gathered = BufWriter::with_capacity(1 << 16, out);
    if pretty {
        serde_json::to_writer_pretty(&mut gathered, value)?;
    } else {
        serde_json::to_writer(&mut gathered, value)?;
    }
    gathered.write_all(b"\n")?;
    gathered.flush()
}

/// The settings text of a run, so that the bundle alone can be rerun. A run without settings file
/// gets an empty one: both have the same digest.
#[must_use]
pub fn settings_file(_settings: &Settings, text: &str) -> OutputFile<'static> {
    file(SETTINGS, "application/toml", text.as_bytes().to_vec())
}

/// Copy of the accepted baseline.
#[must_use]
pub fn baseline_file(text: &str) -> OutputFile<'static> {
    file(BASELINE, "application/x-ndjson", text.as_bytes().to_vec())
}

/// Copy of the waiver file.
#[must_use]
pub fn waivers_file(text: &str) -> OutputFile<'static> {
    file(WAIVERS, "application/yaml", text.as_bytes().to_vec())
}

/// How to get the same bytes again.
#[must_use]
pub fn reproduce_file(view: &View, formats: &[String]) -> OutputFile<'static> {
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

/// Fact tables given as frames, one file each under `facts/`.
#[must_use]
pub fn facts_files(frames: &Frames) -> Vec<OutputFile<'_>> {
    frames.iter().map(|(name, frame)| tables::file(name, frame)).collect()
}

/// Fact tables as [`facts_files`], given as rows: frames of a group of rows each are built while the file
/// is written, and dropped when it is written.
#[must_use]
pub fn rows_files<'a>(tables: Vec<(&'static str, &'a dyn Rows)>) -> Vec<OutputFile<'a>> {
    tables.into_iter().map(|(name, rows)| tables::file(name, rows)).collect()
}

fn file(path: &str, media_type: &'static str, bytes: Vec<u8>) -> OutputFile<'static> {
    OutputFile::of_bytes(path, media_type, bytes)
}
