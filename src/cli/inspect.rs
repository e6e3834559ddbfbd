//! `overstay inspect`: what the input files are, and how much of them can be read.

use std::collections::BTreeMap;
use std::io::IsTerminal as _;
use std::path::{Path, PathBuf};

use anyhow::anyhow;
use serde_json::{Value, json};

use super::text::{aligned, safe, safe_json};
use super::{Cli, Failure, Outcome, console, exit, input};
use crate::facts::{Quarantined, Source};
use crate::ingest::{Ingested, ingest, registry};
use crate::report::text::{count, counted};
use crate::settings::Settings;

/// Reasons shown per file.
const REASONS: usize = 5;

/// Arguments.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Files and directories; `-` is standard input.
    #[arg(required = true, value_name = "PATH")]
    pub paths: Vec<PathBuf>,
    /// Settings file; default: `overstay.toml` beside the inputs, if there is one.
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Print JSON.
    #[arg(long)]
    pub json: bool,
}

/// Runs the verb.
///
/// # Errors
/// A failure with its exit code.
pub fn run(_cli: &Cli, args: &Args) -> Outcome {
    let settings = match args.config.clone().or_else(|| beside(&args.paths)) {
        Some(file) => Settings::load(&file).map_err(|e| Failure::new(exit::USAGE, e))?,
        None => Settings::defaults(),
    };
    let found = ingest(&args.paths, &settings).map_err(|e| Failure::new(exit::USAGE, e))?;
    let text = if args.json {
        let value = as_json(&found);
        serde_json::to_string_pretty(&value)
            .map(|s| safe_json(&s).into_owned() + "\n")
            .map_err(|e| Failure::new(exit::INTERNAL, e))?
    } else {
        // A program or a file gets the table, whatever its width.
        let terminal = std::io::stdout().is_terminal();
        as_text(&found, if terminal { console::width() } else { usize::MAX })
    };
    input::print(&text)?;
    if found.facts.sources.is_empty() {
        return Err(Failure::new(exit::NO_INPUT, anyhow!("no file could be read as evidence")));
    }
    Ok(exit::OK)
}

/// The settings file that lies beside the inputs.
fn beside(paths: &[PathBuf]) -> Option<PathBuf> {
    paths.iter().find_map(|p| {
        let dir =
            if p.is_dir() { p.as_path() } else { p.parent().unwrap_or_else(|| Path::new(".")) };
        let file = dir.join("overstay.toml");
        file.is_file().then_some(file)
    })
}

fn title(format: &str) -> String {
    registry::by_format(format).map_or_else(|| format.to_owned(), |a| a.title().to_owned())
}

fn unsigned(n: i64) -> u64 {
    u64::try_from(n).unwrap_or(0)
}

fn number(n: i64) -> String {
    count(unsigned(n))
}

fn quarantine(found: &Ingested) -> BTreeMap<&str, Vec<&Quarantined>> {
    let mut by_source: BTreeMap<&str, Vec<&Quarantined>> = BTreeMap::new();
    for q in &found.facts.quarantine {
        by_source.entry(&q.source_id).or_default().push(q);
    }
    by_source
}

/// The format's name without what stands in brackets behind it; `--json` has it whole.
fn short_title(format: &str) -> String {
    let whole = title(format);
    whole.split(" (").next().unwrap_or(&whole).to_owned()
}

/// A table, or where the terminal is too narrow for one two lines per file.
fn as_text(found: &Ingested, width: usize) -> String {
    let day = |t: Option<crate::facts::Time>| {
        t.map_or_else(|| "?".to_owned(), |t| t.to_rfc3339().chars().take(10).collect())
    };
    let rows: Vec<Vec<String>> = found
        .facts
        .sources
        .iter()
        .map(|s| {
            let span = match (s.first_time, s.last_time) {
                (None, None) => "-".to_owned(),
                (a, b) => format!("{} .. {}", day(a), day(b)),
            };
            vec![
                s.file.to_string(),
                short_title(&s.format),
                number(s.records),
                number(s.quarantined),
                span,
            ]
        })
        .collect();
    let mut out = String::new();
    if !rows.is_empty() {
        let table = aligned(&["file", "format", ">records", ">quarantined", "days"], &rows);
        if table.lines().all(|l| l.chars().count() <= width) {
            out = table;
        } else {
            for (row, s) in rows.iter().zip(&found.facts.sources) {
                let [file, format, records, bad, span] = row.as_slice() else { continue };
                let bad =
                    if s.quarantined > 0 { format!(", {bad} quarantined") } else { String::new() };
                let (file, format) = (safe(file), safe(format));
                out.push_str(&format!("{file}\n  {format}: {records} records{bad}, {span}\n"));
            }
        }
    }
    let quarantine = quarantine(found);
    for s in &found.facts.sources {
        notes(s, quarantine.get(&*s.source_id).map_or(&[], Vec::as_slice), &mut out);
    }
    let mut list = |head: &str, items: &mut dyn Iterator<Item = (&String, &String)>| {
        let mut first = true;
        for (file, why) in items {
            if first {
                out.push_str(&format!("\n{head}:\n"));
                first = false;
            }
            out.push_str(&format!("  {}: {}\n", safe(file), safe(why)));
        }
    };
    list("failed", &mut found.failed.iter().map(|f| (&f.file, &f.error)));
    list("not recognised", &mut found.unknown.iter().map(|f| (&f.file, &f.why)));
    list("ignored", &mut found.ignored.iter().map(|f| (&f.file, &f.why)));
    out
}

/// What limits a source.
fn notes(s: &Source, quarantined: &[&Quarantined], out: &mut String) {
    let mut lines = Vec::new();
    if let Some(limitation) = &s.limitation {
        lines.push(format!("limited: {}", safe(limitation)));
    }
    if s.ambiguous_times > 0 {
        let n = counted(unsigned(s.ambiguous_times), "time", "times");
        lines.push(format!("{n} without zone, read as UTC"));
    }
    if s.conflicting_duplicates > 0 {
        let n = counted(unsigned(s.conflicting_duplicates), "record repeats", "records repeat");
        lines.push(format!("{n} an id with different content"));
    }
    for q in quarantined.iter().take(REASONS) {
        lines.push(format!("quarantined {}: {}", safe(&q.source_ref), safe(&q.reason)));
    }
    if quarantined.len() > REASONS {
        lines.push(format!("... and {} more", quarantined.len() - REASONS));
    }
    if !lines.is_empty() {
        out.push_str(&format!("\n{}\n", safe(&s.file)));
        for line in lines {
            out.push_str(&format!("  {line}\n"));
        }
    }
}

fn as_json(found: &Ingested) -> Value {
    let quarantine = quarantine(found);
    let time = |t: Option<crate::facts::Time>| t.map(crate::facts::Time::to_rfc3339);
    let sources: Vec<Value> = found
        .facts
        .sources
        .iter()
        .map(|s| {
            let bad = quarantine.get(&*s.source_id).map_or(&[][..], Vec::as_slice);
            json!({
                "file": &*s.file,
                "format": &*s.format,
                "title": title(&s.format),
                "layer": s.layer.as_str(),
                "sha256": &*s.sha256,
                "bytes": s.bytes,
                "records": s.records,
                "accepted": s.accepted,
                "quarantined": s.quarantined,
                "first_time": time(s.first_time),
                "last_time": time(s.last_time),
                "window_start": time(s.window_start),
                "window_end": time(s.window_end),
                "completeness": s.completeness.as_str(),
                "limitation": s.limitation.as_deref(),
                "conflicting_duplicates": s.conflicting_duplicates,
                "ambiguous_times": s.ambiguous_times,
                "quarantine": bad.iter().take(REASONS)
                    .map(|q| json!({"ref": &*q.source_ref, "reason": &*q.reason}))
                    .collect::<Vec<_>>(),
            })
        })
        .collect();
    json!({
        "sources": sources,
        "failed": found.failed.iter().map(|f| json!({"file": f.file, "error": f.error})).collect::<Vec<_>>(),
        "unknown": found.unknown.iter().map(|f| json!({"file": f.file, "why": f.why})).collect::<Vec<_>>(),
        "ignored": found.ignored.iter().map(|f| json!({"file": f.file, "why": f.why})).collect::<Vec<_>>(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ingest::driver::ingest_bytes;

    fn found(name: &str, bytes: &[u8]) -> Ingested {
        ingest_bytes(name, bytes, &Settings::defaults()).unwrap()
    }

    const TASKS: &[u8] = b"task_id,opened_at\nt1,2026-01-01 10:00\nt2,soon\x1b[2J\n";

    #[test]
    fn rows_span_and_first_reasons_are_shown() {
        let text = as_text(&found("tasks.csv", TASKS), 120);
        let want = "\
file       format  records  quarantined  days
tasks.csv  Tasks         2            1  2026-01-01 .. 2026-01-01

tasks.csv
  1 time without zone, read as UTC
  quarantined L3: `started_at` is `soon\\u{1b}[2J`: not a time in a known format
";
        assert_eq!(text, want);
    }

    #[test]
    fn narrow_terminals_get_two_lines_per_file() {
        let text = as_text(&found("tasks.csv", TASKS), 40);
        assert!(
            text.starts_with("tasks.csv\n  Tasks: 2 records, 1 quarantined, 2026-01-01"),
            "{text}"
        );
    }

    #[test]
    fn hostile_names_reach_no_terminal() {
        let text = as_text(&found("a\u{1b}]0;x\u{7}\u{202e}.csv", b"just words"), 120);
        assert!(
            text.contains("not recognised:\n  a\\u{1b}]0;x\\u{7}\\u{202e}.csv: text of no known"),
            "{text}"
        );
    }

    #[test]
    fn json_has_the_same_numbers() {
        let value = as_json(&found("tasks.csv", TASKS));
        let source = &value["sources"][0];
        assert_eq!(source["format"], "tasks-generic");
        assert_eq!(
            (&source["records"], &source["accepted"], &source["quarantined"]),
            (&json!(2), &json!(1), &json!(1))
        );
        assert_eq!(source["quarantine"][0]["ref"], "L3");
        assert_eq!(source["sha256"].as_str().map(str::len), Some(64));
    }
}
