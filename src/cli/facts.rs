//! `overstay facts`: document the tables, or print rows of a bundle.

use std::fmt::Write as _;
use std::path::Path;

use anyhow::anyhow;
use serde_json::{Value, json};

use super::text::{safe, safe_json};
use super::{Cli, Failure, Outcome, exit, input};
use crate::facts::store::{all_tables, table};
use crate::facts::{TableDef, docs};

/// Arguments.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Nothing: list the tables. TABLE: its columns. BUNDLE TABLE: its rows, tab-separated.
    #[arg(value_name = "TABLE | BUNDLE TABLE", num_args = 0..=2)]
    what: Vec<String>,
    /// Print as JSON; rows as newline-delimited JSON.
    #[arg(long)]
    json: bool,
    /// Print the reference of all tables and columns as Markdown.
    #[arg(long, conflicts_with_all = ["what", "json"])]
    markdown: bool,
}

/// Runs the verb.
///
/// # Errors
/// A failure with its exit code.
pub fn run(_cli: &Cli, args: &Args) -> Outcome {
    match args.what.as_slice() {
        [] if args.markdown => input::print(&docs::markdown())?,
        [] if args.json => {
            let all: Vec<Value> = all_tables().iter().map(table_json).collect();
            input::print_json(&all)?;
        }
        [] => input::print(&list())?,
        [name] => {
            let def = table(name).ok_or_else(|| unknown(name))?;
            if args.json {
                input::print_json(&table_json(&def))?;
            } else {
                input::print(&describe(&def))?;
            }
        }
        [bundle, name, ..] => {
            let dir = crate::evidence::bundle::locate(Path::new(bundle));
            let manifest = crate::evidence::read(&dir).map_err(input::bundle_failure)?;
            if table(name).is_none() {
                return Err(unknown(name));
            }
            let rows = input::table_rows(&dir, &manifest, name)?;
            if args.json {
                input::print(&safe_json(&String::from_utf8_lossy(&rows)))?;
            } else {
                input::print(&tabbed(&rows)?)?;
            }
        }
    }
    Ok(exit::OK)
}

fn unknown(name: &str) -> Failure {
    let known: Vec<&str> = all_tables().iter().map(|t| t.name).collect();
    let error = anyhow!("there is no table `{}`; there are: {}", safe(name), known.join(", "));
    Failure::new(exit::USAGE, error)
}

fn list() -> String {
    let mut out = String::new();
    for (title, derived) in [("Read from inputs", false), ("Derived by the analysis", true)] {
        let _ = writeln!(out, "{title}:");
        for t in all_tables().iter().filter(|t| t.derived == derived) {
            let _ = writeln!(out, "  {:<17} {}", t.name, t.doc.trim());
        }
    }
    out
}

fn describe(t: &TableDef) -> String {
    let mut out = format!("{}: {}\n\n", t.name, t.doc.trim());
    let width = t.columns.iter().map(|c| c.name.len()).max().unwrap_or(0);
    for c in t.columns {
        let null = if c.nullable { ", may be null" } else { "" };
        let _ = writeln!(out, "  {:<width$}  {}{null}", c.name, c.ty.word());
        let _ = writeln!(out, "  {:<width$}  {}", "", c.doc.trim());
        if !c.words.is_empty() {
            let _ = writeln!(out, "  {:<width$}  one of: {}", "", c.words.join(", "));
        }
    }
    out
}

fn table_json(t: &TableDef) -> Value {
    let columns: Vec<Value> = t
        .columns
        .iter()
        .map(|c| {
            json!({
                "name": c.name, "type": c.ty.word(), "nullable": c.nullable,
                "words": c.words, "doc": c.doc.trim(),
            })
        })
        .collect();
    json!({"name": t.name, "doc": t.doc.trim(), "derived": t.derived, "columns": columns})
}

/// Rows with a header, cells separated by tabs; null is an empty cell.
fn tabbed(rows: &[u8]) -> Result<String, Failure> {
    let mut out = String::new();
    for (i, line) in rows.split(|b| *b == b'\n').filter(|l| !l.is_empty()).enumerate() {
        let row = Row::read(line)
            .map_err(|e| Failure::new(exit::NO_INPUT, anyhow!("row {}: {e}", i + 1)))?;
        if i == 0 {
            let names: Vec<&str> = row.0.iter().map(|(k, _)| k.as_str()).collect();
            let _ = writeln!(out, "{}", names.join("\t"));
        }
        let cells: Vec<String> = row.0.iter().map(|(_, v)| cell(v)).collect();
        let _ = writeln!(out, "{}", cells.join("\t"));
    }
    Ok(out)
}

fn cell(v: &Value) -> String {
    match v {
        Value::Null => String::new(),
        Value::String(s) => safe(s).into_owned(),
        other => safe(&other.to_string()).into_owned(),
    }
}

/// One row with its keys in the order of the columns, which a sorted map would lose.
struct Row(Vec<(String, Value)>);

impl Row {
    fn read(line: &[u8]) -> Result<Self, serde_json::Error> {
        let mut de = serde_json::Deserializer::from_slice(line);
        serde::Deserializer::deserialize_map(&mut de, RowVisitor).map(Self)
    }
}

struct RowVisitor;

impl<'de> serde::de::Visitor<'de> for RowVisitor {
    type Value = Vec<(String, Value)>;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("a row")
    }

    fn visit_map<A: serde::de::MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut out = Vec::new();
        while let Some(entry) = map.next_entry()? {
            out.push(entry);
        }
        Ok(out)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evidence::tables;
    use crate::facts::{Facts, Quarantined, text};

    #[test]
    fn every_table_and_column_is_documented() {
        let all = list();
        for t in all_tables() {
            assert!(all.contains(t.name));
            let d = describe(&t);
            for c in t.columns {
                assert!(d.contains(c.name) && !c.doc.trim().is_empty(), "{}.{}", t.name, c.name);
            }
            assert_eq!(table_json(&t)["columns"].as_array().unwrap().len(), t.columns.len());
        }
    }

    #[test]
    fn rows_are_safe_to_print_and_in_column_order() {
        let mut f = Facts::default();
        f.quarantine.push(Quarantined {
            source_id: text("S1"),
            source_ref: text("L3"),
            reason: text("a\tb\u{1b}[2J"),
        });
        let frame = f.frames().unwrap().remove("quarantine").unwrap();
        let mut rows = Vec::new();
        tables::write_ndjson(&frame, &mut rows).unwrap();
        assert_eq!(
            tabbed(&rows).unwrap(),
            "source_id\tsource_ref\treason\nS1\tL3\ta\\tb\\u{1b}[2J\n"
        );
        assert!(tabbed(b"[1]\n").is_err());
    }
}
