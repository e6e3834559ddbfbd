//! The sample data, judged by the built program and held against its planted truth, both ways.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use assert_cmd::Command;
use overstay::findings::{Finding, Severity};

/// One line of `truth.csv`: what was planted.
#[derive(Debug)]
struct Planted {
    rule: String,
    principal: String,
    grant_id: String,
    note: String,
}

impl Planted {
    /// An empty cell of the truth says nothing: such findings are about a source, not a principal or a grant.
    fn explains(&self, finding: &Finding) -> bool {
        let same = |cell: &str, value: Option<&str>| cell.is_empty() || value == Some(cell);
        self.rule == finding.rule
            && same(&self.principal, finding.principal.as_deref())
            && same(&self.grant_id, finding.grant_id.as_deref())
    }
}

fn sample() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("sample-data")
}

fn truth() -> Vec<Planted> {
    let mut reader = csv::Reader::from_path(sample().join("truth.csv")).expect("truth.csv");
    reader
        .records()
        .map(|record| {
            let record = record.expect("a line of truth.csv");
            let cell = |i: usize| record.get(i).expect("four columns").to_owned();
            Planted { rule: cell(0), principal: cell(1), grant_id: cell(2), note: cell(3) }
        })
        .collect()
}

fn scan(out: &Path) -> Vec<Finding> {
    Command::cargo_bin("overstay")
        .expect("the program is built")
        .args(["--quiet", "scan"])
        .arg(sample())
        .arg("-o")
        .arg(out)
        .assert()
        .success();
    let text = std::fs::read_to_string(out.join("findings.jsonl")).expect("findings.jsonl");
    text.lines().map(|line| serde_json::from_str(line).expect("a finding")).collect()
}

#[test]
fn every_planted_problem_is_found_and_nothing_else_of_weight() {
    let folder = tempfile::tempdir().unwrap();
    let findings = scan(&folder.path().join("out"));
    let truth = truth();
    assert!(truth.len() >= 40, "the truth has shrunk to {} lines", truth.len());

    let mut report = String::new();
    for planted in &truth {
        if !findings.iter().any(|f| planted.explains(f)) {
            report += &format!(
                "planted, not found: {} {} {} ({})\n",
                planted.rule, planted.principal, planted.grant_id, planted.note
            );
        }
    }
    for f in &findings {
        if f.severity >= Severity::Medium && !truth.iter().any(|planted| planted.explains(f)) {
            report += &format!(
                "found, not planted: {} {} {} {} ({}): {}\n",
                f.rule,
                f.principal.as_deref().unwrap_or("-"),
                f.grant_id.as_deref().unwrap_or("-"),
                f.severity,
                f.certainty,
                f.message
            );
        }
    }
    assert!(report.is_empty(), "the sample and its truth differ:\n{report}");
}

#[test]
fn the_truth_covers_the_rules_it_promises() {
    let promised = [
        "STD-001", "STD-004", "STD-008", "SCP-001", "SCP-004", "SCP-005", "GRT-001", "GRT-002",
        "GRT-003", "GRT-004", "GRT-005", "GRT-006", "GRT-007", "GRT-009", "GRT-010", "GRT-011",
        "GRT-012", "REC-001", "REC-002", "REC-003", "REC-004", "REC-005", "APR-001", "APR-002",
        "APR-003", "APR-004", "APR-005", "APR-007", "USE-001", "USE-003", "USE-005", "IDN-001",
        "IDN-002", "IDN-004", "STD-002", "CRD-001", "CRD-002", "CRD-003", "EVD-001", "EVD-002",
        "EVD-003", "ESC-001", "ESC-002", "EXT-001", "BGL-001", "BGL-002", "USE-002",
    ];
    let planted: BTreeSet<String> = truth().into_iter().map(|p| p.rule).collect();
    let missing: Vec<&str> = promised.into_iter().filter(|r| !planted.contains(*r)).collect();
    assert!(missing.is_empty(), "no case is planted for {missing:?}");
}

#[test]
fn the_truth_names_grants_and_principals_that_the_sample_has() {
    let text = |name: &str| std::fs::read_to_string(sample().join(name)).unwrap();
    let (ledger, account) = (text("broker/grants.csv"), text("aws/authorization-details.json"));
    for planted in truth() {
        if !planted.grant_id.is_empty() {
            let line = ledger.lines().find(|l| l.starts_with(&format!("{},", planted.grant_id)));
            let line = line.unwrap_or_else(|| panic!("{planted:?}: no such grant"));
            assert!(line.contains(&planted.principal), "{planted:?}: the grant is not theirs");
        }
        if !planted.principal.is_empty() {
            // A repository is named in the trust of roles only, as the start of a subject.
            let end = if planted.principal.starts_with("repo:") { ':' } else { '"' };
            assert!(
                account.contains(&format!("\"{}{end}", planted.principal)),
                "{planted:?}: no such principal"
            );
        }
    }
}
