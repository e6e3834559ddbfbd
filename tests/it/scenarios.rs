//! Complaints of users of access brokers, one folder each: inputs, and the cell or metric they must give.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::program::{findings, json, ran, root};

/// Scenarios of the landscape of grants, and two that other ledgers gave.
const SCENARIOS: usize = 23;
/// Cases of ledgers, use, tasks and snapshots against each other.
const LEDGER_CASES: usize = 10;

fn folders(under: &str) -> Vec<PathBuf> {
    let base = root().join("tests/data").join(under);
    let mut all: Vec<PathBuf> = fs::read_dir(&base)
        .unwrap_or_else(|e| panic!("{}: {e}", base.display()))
        .map(|entry| entry.unwrap().path())
        .filter(|p| p.is_dir())
        .collect();
    all.sort();
    all
}

fn rows(bundle: &Path, table: &str) -> Vec<Value> {
    let shown = ran!["facts", bundle, table, "--json"].exits(0);
    shown.out.lines().map(json).collect()
}

/// Whether a row holds all the cells of another.
fn holds(row: &Value, want: &Value) -> bool {
    want.as_object().unwrap().iter().all(|(k, v)| {
        let cell = row.get(k).unwrap_or_else(|| panic!("no column {k}"));
        cell == v
    })
}

fn matching(bundle: &Path, want: &Value) -> (usize, Vec<Value>) {
    let all = rows(bundle, want["table"].as_str().unwrap());
    (all.iter().filter(|r| holds(r, &want["row"])).count(), all)
}

fn list<'a>(expect: &'a Value, key: &str) -> &'a [Value] {
    expect.get(key).map_or(&[], |v| v.as_array().unwrap())
}

fn check(folder: &Path, problems: &mut Vec<String>) {
    let name = folder.file_name().unwrap().to_string_lossy().into_owned();
    let expect = json(&fs::read_to_string(folder.join("expect.json")).unwrap());
    let out = tempfile::tempdir().unwrap();
    let bundle = out.path().join("out");
    ran!["--quiet", "scan", folder.join("in"), "-o", &bundle].exits(0);
    let mut wrong = |text: String| problems.push(format!("{name}: {text}"));
    for want in list(&expect, "has") {
        let (n, all) = matching(&bundle, want);
        if n == 0 {
            wrong(format!("no row {want} in {all:#?}"));
        }
    }
    for want in list(&expect, "lacks") {
        let (n, all) = matching(&bundle, want);
        if n > 0 {
            wrong(format!("{n} rows {want} in {all:#?}"));
        }
    }
    for want in list(&expect, "count") {
        let (n, all) = matching(&bundle, want);
        if u64::try_from(n).unwrap() != want["n"].as_u64().unwrap() {
            wrong(format!("{n} rows {want} in {all:#?}"));
        }
    }
    let found = findings(&bundle);
    let rules: Vec<&str> = found.iter().map(|f| f["rule"].as_str().unwrap()).collect();
    for want in list(&expect, "findings") {
        let Some(f) = found.iter().find(|f| f["rule"] == *want) else {
            wrong(format!("no finding of {want}, but {rules:?}"));
            continue;
        };
        for part in list(&expect, "finding_names") {
            if !f.to_string().contains(part.as_str().unwrap()) {
                wrong(format!("{part} is not in {f}"));
            }
        }
        if f["sources"].as_array().unwrap().is_empty() {
            wrong(format!("{want} names no record"));
        }
    }
    for want in list(&expect, "no_finding") {
        if rules.contains(&want.as_str().unwrap()) {
            wrong(format!("a finding of {want}"));
        }
    }
    // Evidence about sources is about the exports, not about access.
    let of_access: Vec<&&str> = rules.iter().filter(|r| !r.starts_with("EVD")).collect();
    if expect.get("no_findings").is_some() && !of_access.is_empty() {
        wrong(format!("findings of {of_access:?}"));
    }
    let view = json(&fs::read_to_string(bundle.join("report.json")).unwrap());
    for want in list(&expect, "not_assessed") {
        let result = view["rules"].as_array().unwrap().iter().find(|r| r["rule"] == *want).unwrap();
        if result["outcome"] != "not_assessed" {
            wrong(format!("{want} is {}", result["outcome"]));
        }
    }
}

fn check_all(under: &str, expected: usize) {
    let all = folders(under);
    assert_eq!(all.len(), expected, "a folder per case");
    let mut problems = Vec::new();
    for folder in &all {
        check(folder, &mut problems);
    }
    assert!(problems.is_empty(), "{}", problems.join("\n"));
}

#[test]
fn every_complaint_gives_its_cell_or_metric() {
    check_all("scenarios", SCENARIOS);
}

#[test]
fn every_case_of_a_ledger_gives_its_cell_or_metric() {
    check_all("ledger-cases", LEDGER_CASES);
}
