//! `overstay rules`: list, show, check, test and document rules.

use std::io::Write;
use std::path::PathBuf;

use anyhow::anyhow;
use serde_json::json;

use super::text::safe;
use super::{Cli, Failure, Outcome, exit};
use crate::rules::error::{Problem, RuleError};
use crate::rules::test::TestResult;
use crate::rules::{Pack, check_pack, controls, docs, test};

/// Arguments.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Directory with rules that are added or override by id; repeatable.
    #[arg(long = "rules", value_name = "DIR", global = true)]
    pub dirs: Vec<PathBuf>,
    /// What to do with the rules.
    #[command(subcommand)]
    pub verb: Verb,
}

/// What to do with rules.
#[derive(Debug, clap::Subcommand)]
pub enum Verb {
    /// List the rules.
    List {
        /// Print one JSON array.
        #[arg(long)]
        json: bool,
    },
    /// Show one rule.
    Show {
        /// Rule id (`GRT-003`).
        id: String,
    },
    /// Check rules without data: fields, expressions, columns, words, tests.
    Check {
        /// Rule files or directories to check instead of the pack.
        paths: Vec<PathBuf>,
    },
    /// Run the tests that rule files carry.
    Test {
        /// Rule files or directories to test instead of the pack.
        paths: Vec<PathBuf>,
    },
    /// Print the rule reference as Markdown.
    Docs,
}

/// Runs the verb.
///
/// # Errors
/// A failure with its exit code.
pub fn run(cli: &Cli, args: &Args) -> Outcome {
    let mut out = anstream::stdout().lock();
    match &args.verb {
        Verb::List { json } => {
            let pack = pack(&args.dirs, &[])?;
            let text = if *json { list_json(&pack) } else { list(&pack) };
            write(&mut out, &text, exit::OK)
        }
        Verb::Show { id } => {
            let pack = pack(&args.dirs, &[])?;
            let entry =
                pack.entries().find(|e| e.rule.id.eq_ignore_ascii_case(id)).ok_or_else(|| {
                    Failure::new(exit::USAGE, RuleError::Unknown { id: safe(id).into_owned() })
                })?;
            write(&mut out, &docs::show(entry), exit::OK)
        }
        Verb::Check { paths } => {
            let pack = pack(&args.dirs, paths)?;
            let problems = check_pack(&pack);
            let code = if problems.is_empty() { exit::OK } else { exit::FINDINGS };
            write(&mut out, &checked(&pack, &problems, cli.quiet), code)
        }
        Verb::Test { paths } => {
            let pack = pack(&args.dirs, paths)?;
            let results = match test::test_pack(&pack) {
                Ok(results) => results,
                Err(RuleError::Invalid { problems }) => {
                    return write(&mut out, &checked(&pack, &problems, cli.quiet), exit::FINDINGS);
                }
                Err(e) => return Err(Failure::new(exit::USAGE, e)),
            };
            let failed = results.iter().any(|r| !r.passed());
            let code = if failed { exit::FINDINGS } else { exit::OK };
            write(&mut out, &tested(&results, cli), code)
        }
        Verb::Docs => {
            let pack = pack(&args.dirs, &[])?;
            write(&mut out, &docs::markdown(&pack), exit::OK)
        }
    }
}

/// The pack the verb works on: the named paths alone, or the built-in rules; then the directories.
fn pack(dirs: &[PathBuf], paths: &[PathBuf]) -> Result<Pack, Failure> {
    let usage = |e: RuleError| Failure::new(exit::USAGE, anyhow!(visible(&e.to_string())));
    let mut pack = if paths.is_empty() { Pack::builtin().map_err(usage)? } else { Pack::default() };
    if let [first, rest @ ..] = paths {
        pack = Pack::from_path(first).map_err(usage)?;
        for path in rest {
            pack.merge(Pack::from_path(path).map_err(usage)?).map_err(usage)?;
        }
        if pack.is_empty() {
            return Err(Failure::new(
                exit::USAGE,
                anyhow!("no rule files (`*.yaml`) in these paths"),
            ));
        }
    }
    for dir in dirs {
        pack.add_dir(dir).map_err(usage)?;
    }
    Ok(pack)
}

/// Prints text line by line, with control characters made visible. A closed pipe is no failure.
fn write(out: &mut impl Write, text: &str, code: u8) -> Outcome {
    for line in text.lines() {
        match writeln!(out, "{}", safe(line)) {
            Ok(()) => {}
            Err(e) if e.kind() == std::io::ErrorKind::BrokenPipe => return Ok(code),
            Err(e) => return Err(Failure::new(exit::INTERNAL, e)),
        }
    }
    Ok(code)
}

/// Rule files of others may hold escape sequences and text that reverses its direction: shown, not sent
/// to the terminal. Lines stay lines.
fn visible(text: &str) -> String {
    text.split('\n').map(safe).collect::<Vec<_>>().join("\n")
}

fn list(pack: &Pack) -> String {
    let rows: Vec<[String; 5]> = pack
        .rules()
        .map(|r| {
            [
                r.id.clone(),
                r.severity.0.clone(),
                r.confidence.clone(),
                r.title.clone(),
                r.needs.join(", "),
            ]
        })
        .collect();
    let mut out = table(["RULE", "SEVERITY", "CONFIDENCE", "TITLE", "NEEDS"], &rows);
    out.push_str(&format!("\n{}, pack {}\n", count(pack.len(), "rule"), short(&pack.digest())));
    out
}

/// First digits of a digest.
fn short(digest: &str) -> String {
    digest.chars().take(12).collect()
}

/// A table with columns as wide as their widest cell; the last column is not padded.
fn table<const N: usize>(head: [&str; N], rows: &[[String; N]]) -> String {
    let mut widths = head.map(|h| h.chars().count());
    for row in rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(safe(cell).chars().count());
        }
    }
    let mut out = String::new();
    let head = head.map(String::from);
    for row in std::iter::once(&head).chain(rows) {
        let mut line = String::new();
        for (cell, width) in row.iter().zip(widths) {
            let cell = safe(cell);
            line.push_str(&format!("{cell:<width$}  "));
        }
        out.push_str(line.trim_end());
        out.push('\n');
    }
    out
}

fn list_json(pack: &Pack) -> String {
    let rules: Vec<_> = pack
        .entries()
        .map(|e| {
            let r = &e.rule;
            json!({
                "id": r.id,
                "title": r.title,
                "description": r.description,
                "table": r.population.table,
                "needs": r.needs,
                "severity": r.severity.0,
                "confidence": r.confidence,
                "controls": controls(r),
                "tests": r.tests.len(),
                "file": e.file,
            })
        })
        .collect();
    let text = format!("{:#}\n", serde_json::Value::Array(rules));
    super::text::safe_json(&text).into_owned()
}

fn checked(pack: &Pack, problems: &[Problem], quiet: bool) -> String {
    let mut out = String::new();
    for problem in problems {
        out.push_str(&format!("{problem}\n"));
    }
    if problems.is_empty() {
        if !quiet {
            out.push_str(&format!("{} checked, nothing wrong\n", count(pack.len(), "rule")));
        }
    } else {
        let rules: std::collections::BTreeSet<&str> =
            problems.iter().map(|p| p.rule.as_str()).collect();
        out.push_str(&format!(
            "{} in {} of {}\n",
            count(problems.len(), "problem"),
            rules.len(),
            count(pack.len(), "rule")
        ));
    }
    out
}

fn tested(results: &[TestResult], cli: &Cli) -> String {
    let mut out = String::new();
    for result in results {
        if !result.passed() {
            out.push_str(&format!("FAILED  {}  {}\n", result.rule, result.name));
            for failure in &result.failures {
                out.push_str(&format!("        {failure}\n"));
            }
        } else if cli.verbose {
            out.push_str(&format!("ok      {}  {}\n", result.rule, result.name));
        }
    }
    let failed = results.iter().filter(|r| !r.passed()).count();
    if failed > 0 {
        out.push_str(&format!("{} of {} failed\n", failed, count(results.len(), "test")));
    } else if !cli.quiet {
        out.push_str(&format!("{} passed\n", count(results.len(), "test")));
    }
    out
}

fn count(n: usize, what: &str) -> String {
    if n == 1 { format!("1 {what}") } else { format!("{n} {what}s") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;
    use std::path::Path;

    fn sample() -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/rules-sample")
    }

    fn call(args: &[&str]) -> Result<u8, u8> {
        let cli = Cli::try_parse_from(["overstay", "rules"].iter().chain(args)).unwrap();
        super::super::run(&cli).map_err(|f| f.code)
    }

    #[test]
    fn exit_codes() {
        let sample = sample();
        let sample = sample.to_str().unwrap();
        let dir = tempfile::tempdir().unwrap();
        let text =
            std::fs::read_to_string(Path::new(sample).join("evd/EVD-001-sample.yaml")).unwrap();
        let wrong = dir.path().join("wrong.yaml");
        std::fs::write(&wrong, text.replace("LENGTH(evidence_missing)", "LENGTH(evidence)"))
            .unwrap();
        let fails = dir.path().join("fails.yaml");
        std::fs::write(&fails, text.replace("expect: [clean]", "expect: [exception]")).unwrap();
        let unreadable = dir.path().join("unreadable.yaml");
        std::fs::write(&unreadable, "id: [").unwrap();
        let at = |p: &Path| p.to_str().unwrap().to_string();
        assert_eq!(call(&["list", "--rules", sample]), Ok(0));
        assert_eq!(call(&["list", "--json", "--rules", sample]), Ok(0));
        assert_eq!(call(&["show", "evd-001", "--rules", sample]), Ok(0));
        assert_eq!(call(&["show", "ZZZ-999"]), Err(2));
        assert_eq!(call(&["check", sample]), Ok(0));
        assert_eq!(call(&["test", sample]), Ok(0));
        assert_eq!(call(&["docs", "--rules", sample]), Ok(0));
        assert_eq!(call(&["check", &at(&wrong)]), Ok(1));
        assert_eq!(call(&["test", &at(&wrong)]), Ok(1));
        assert_eq!(call(&["test", &at(&fails)]), Ok(1));
        assert_eq!(call(&["check", &at(&unreadable)]), Err(2));
        assert_eq!(call(&["check", "/nowhere/at/all"]), Err(2));
        assert_eq!(call(&["check", &at(&fails), sample]), Err(2), "one id in two files");
        assert_eq!(call(&["list", "--rules", &at(&unreadable)]), Err(2));
    }

    #[test]
    fn tables_line_up_and_hostile_text_is_shown() {
        let rows = [["a".to_string(), "\u{1b}[31mred".to_string()], ["long".into(), "x".into()]];
        let text = table(["N", "TEXT"], &rows);
        assert_eq!(text, "N     TEXT\na     \\u{1b}[31mred\nlong  x\n");
        let rows = [["a\nb".to_string(), "zero\u{200b}width".to_string()]];
        assert_eq!(table(["N", "TEXT"], &rows), "N     TEXT\na\\nb  zero\\u{200b}width\n");
        assert_eq!(visible("a\u{202e}b\nc\u{feff}"), "a\\u{202e}b\nc\\u{feff}");
    }

    #[test]
    fn the_list_names_rules_and_digest() {
        let pack = Pack::from_path(&sample()).unwrap();
        let text = list(&pack);
        assert!(text.starts_with("RULE     SEVERITY  CONFIDENCE  TITLE"), "{text}");
        assert!(text.contains("3 rules, pack "), "{text}");
        let json: serde_json::Value = serde_json::from_str(&list_json(&pack)).unwrap();
        assert_eq!(json[0]["id"], "EVD-001");
    }
}
