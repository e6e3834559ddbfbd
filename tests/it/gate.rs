//! Every exit code of the gate through the command line, and the verbs around it.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::names::sarif_errors;
use crate::program::{
    LEDGER, Ran, copy, findings, json as parse, json_file, ran, root, sample, sample_bundle,
};

/// A copy of the sample that a test may change, with a baseline made of it.
struct Copy {
    folder: tempfile::TempDir,
}

impl Copy {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        copy(&sample(), &folder.path().join("in"));
        let copy = Self { folder };
        ran!["baseline", "create", sample_bundle(), "-o", copy.baseline(), "--allow-quarantined"]
            .exits(0)
            .says(&["findings", "holdings"]);
        copy
    }

    fn at(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn input(&self) -> PathBuf {
        self.at("in")
    }

    fn baseline(&self) -> PathBuf {
        self.at("baseline.jsonl")
    }

    /// The gate over the copy, with its baseline.
    fn gate(&self, more: &[&str]) -> Ran {
        let mut words: Vec<std::ffi::OsString> = vec!["gate".into(), self.input().into()];
        words.extend(["--baseline".into(), self.baseline().into()]);
        words.extend(more.iter().map(std::ffi::OsString::from));
        crate::program::overstay(&words)
    }

    /// The gate over the bundle of the unchanged sample, which needs no analysis.
    fn gate_bundle(&self, more: &[&str]) -> Ran {
        let mut words: Vec<std::ffi::OsString> = vec!["gate".into(), sample_bundle().into()];
        words.extend(["--baseline".into(), self.baseline().into()]);
        words.extend(more.iter().map(std::ffi::OsString::from));
        crate::program::overstay(&words)
    }

    fn export(&self) -> PathBuf {
        self.at("in/aws/authorization-details.json")
    }

    fn change_export(&self, change: impl FnOnce(&mut Value)) {
        let mut export = json_file(&self.export());
        change(&mut export);
        fs::write(self.export(), export.to_string()).unwrap();
    }
}

const MINE: &str = "arn:aws:iam::111122223333:role/nightly-fix";

/// One more administrator who always stands.
fn add_admin(export: &mut Value) {
    export["RoleDetailList"].as_array_mut().unwrap().push(json!({
        "Path": "/", "RoleName": "nightly-fix", "RoleId": "AROAEXAMPLENIGHTLYFIX", "Arn": MINE,
        "CreateDate": "2026-10-30T08:00:00+00:00", "InstanceProfileList": [],
        "AssumeRolePolicyDocument": {"Version": "2012-10-17", "Statement": [
            {"Effect": "Allow", "Principal": {"Service": "ec2.amazonaws.com"}, "Action": "sts:AssumeRole"}]},
        "RolePolicyList": [{"PolicyName": "all", "PolicyDocument": {"Version": "2012-10-17",
            "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]}}],
        "AttachedManagedPolicies": [], "Tags": [],
    }));
}

/// Turns every list of the export around. It means the same.
fn turn(value: &mut Value) {
    match value {
        Value::Array(items) => {
            items.reverse();
            items.iter_mut().for_each(turn);
        }
        Value::Object(map) => map.values_mut().for_each(turn),
        _ => {}
    }
}

#[test]
fn new_findings_fail_accepted_ones_pass() {
    ran!["gate", sample_bundle()].exits(1).shows(&[
        "gate FAILED",
        "new:high",
        "could not be looked at",
    ]);
    let copy = Copy::new();
    copy.gate_bundle(&[]).exits(0).shows(&["gate passed"]);
    copy.gate_bundle(&["--fail-on", "any:high"]).exits(1).shows(&["any:high"]);
    // A bundle made without a baseline cannot say what stands newly.
    copy.gate_bundle(&["--fail-on", "any:critical,rule:STD-009"]).exits(4).shows(&["STD-009"]);
    // The same export in another order is the same export.
    copy.change_export(turn);
    copy.gate(&["--fail-on", "new:info"]).exits(0);
    // A new administrator is not.
    copy.change_export(add_admin);
    let gate = copy.gate(&["--fail-on", "new:high,rule:STD-009", "--json"]).exits(1);
    let verdict = parse(&gate.out);
    let worst = verdict["worst"].as_array().unwrap();
    let standing = worst.iter().find(|f| f["rule"] == "STD-009").expect("STD-009");
    assert_eq!((&standing["principal"], &standing["status"]), (&json!(MINE), &json!("open")));
    for f in worst {
        assert_eq!(f["principal"], MINE, "an accepted finding fails the gate: {f:#}");
    }
    // Accepted again, it passes; what was there before keeps its first day.
    let next = copy.at("next.jsonl");
    ran![
        "baseline",
        "update",
        "--baseline",
        copy.baseline(),
        copy.input(),
        "-o",
        &next,
        "--allow-quarantined"
    ]
    .exits(0)
    .shows(&["new ", "STD-009", MINE]);
    ran!["gate", copy.input(), "--baseline", &next].exits(0);
    ran!["baseline", "lint", &next].exits(0).shows(&["ok, "]);
}

#[test]
fn what_is_missing_or_stale_is_no_pass() {
    let copy = Copy::new();
    let all = ["--require-coverage", "ledger,task,state,usage"];
    copy.gate_bundle(&all).exits(0);
    copy.gate_bundle(&["--max-source-age", "1d", "--as-of", "2026-11-01T00:00:00Z"]).exits(0);
    copy.gate_bundle(&["--max-source-age", "1d", "--as-of", "2026-11-09T00:00:00Z"])
        .exits(4)
        .shows(&["1 d"]);
    for folder in ["in/broker", "in/events"] {
        fs::remove_dir_all(copy.at(folder)).unwrap();
    }
    let gate = copy.gate(&[&all[..], &["--fail-on", "new:high,rule:GRT-003"]].concat()).exits(4);
    gate.shows(&["required layer ledger", "GRT-003 was asked for and could not be assessed"]);
}

#[test]
fn reasons_are_told_in_their_order() {
    let copy = Copy::new();
    let old = ["--max-source-age", "1h", "--as-of", "2026-11-09T00:00:00Z"];
    let both = [&old[..], &["--fail-on", "any:high", "--json"]].concat();
    let gate = parse(&copy.gate_bundle(&both).exits(4).out);
    let codes: Vec<i64> =
        gate["reasons"].as_array().unwrap().iter().map(|r| r["code"].as_i64().unwrap()).collect();
    assert!(codes.starts_with(&[4]) && codes.ends_with(&[1]), "{codes:?}");
    // A corrupt baseline is worse than old evidence, a wrong condition worse than both.
    let text = fs::read_to_string(copy.baseline()).unwrap();
    fs::write(copy.baseline(), text.replacen("\"severity\":\"high\"", "\"severity\":\"info\"", 1))
        .unwrap();
    copy.gate_bundle(&old).exits(5).tells(&["baseline.jsonl", "digest"]);
    copy.gate_bundle(&[&old[..], &["--fail-on", "rule:NOPE-1"]].concat())
        .exits(2)
        .tells(&["NOPE-1"]);
    copy.gate_bundle(&["--fail-on", "sometimes"]).exits(2).says(&["sometimes"]);
    // No input is worse than a corrupt baseline.
    let empty = copy.at("empty");
    fs::create_dir(&empty).unwrap();
    ran!["gate", &empty, "--baseline", copy.baseline()].exits(3);
}

#[test]
fn a_baseline_that_is_not_one_is_refused() {
    let copy = Copy::new();
    let whole = fs::read_to_string(copy.baseline()).unwrap();
    let lines: Vec<&str> = whole.lines().collect();
    let other = whole.replacen("Meridian", "Another", 1);
    for (text, why) in [
        (String::new(), "empty"),
        (whole.chars().take(whole.len() / 2).collect(), "line"),
        (lines[1..].join("\n"), "header"),
        ([lines[0], lines[2], lines[1]].join("\n"), "line 3"),
        (other, "scope"),
        (whole.replacen("\"schema_version\":2", "\"schema_version\":99", 1), "99"),
    ] {
        fs::write(copy.baseline(), text).unwrap();
        copy.gate_bundle(&[]).exits(5).tells(&["baseline.jsonl", why]);
        ran!["baseline", "lint", copy.baseline()].exits(5).tells(&["baseline.jsonl"]);
    }
    fs::remove_file(copy.baseline()).unwrap();
    copy.gate_bundle(&[]).exits(5).tells(&["baseline.jsonl"]);
    // One is not written over, and not made of an export that was not read whole.
    fs::write(copy.baseline(), &whole).unwrap();
    ran!["baseline", "create", sample_bundle(), "-o", copy.baseline()].exits(2).says(&["exists"]);
    ran!["baseline", "create", sample_bundle(), "-o", copy.at("new.jsonl")]
        .exits(4)
        .says(&["quarantine", "--allow-quarantined"]);
    assert!(!copy.at("new.jsonl").exists());
}

#[test]
fn waivers_hold_until_their_day() {
    let folder = tempfile::tempdir().unwrap();
    let waivers = folder.path().join("waivers.yaml");
    let one = |rule: &str, expires: &str, owner: &str| {
        format!(
            "waivers:\n  - id: W-1\n    match: {{rule: {rule}, principal: \"arn:aws:iam::111122223333:role/warehouse-sync\"}}\n    \
             reason: the pilot runs on\n    owner: {owner}\n    approver: grace.obi@meridian.example\n    ticket: RISK-118\n    \
             created: 2026-10-21\n    expires: {expires}\n"
        )
    };
    let gate = |text: &str, more: &[&str]| {
        fs::write(&waivers, text).unwrap();
        let mut words: Vec<std::ffi::OsString> =
            vec!["gate".into(), sample_bundle().into(), "--fail-on".into(), "rule:GRT-001".into()];
        words.extend(["--waivers".into(), (&waivers).into()]);
        words.extend(more.iter().map(std::ffi::OsString::from));
        crate::program::overstay(&words)
    };
    let good = one("GRT-001", "2026-12-15", "hana.sato@meridian.example");
    gate(&good, &[]).exits(0).shows(&["waived 1"]);
    // On its last day it is over, and the finding is back.
    gate(&good, &["--as-of", "2026-12-15T00:00:00Z"]).exits(1).shows(&["GRT-001"]);
    gate(&good, &["--as-of", "2026-12-15T00:00:00Z", "--fail-on", "waiver:expired"]);
    gate(&one("GRT-001", "2026-10-31", "hana.sato@meridian.example"), &[]).exits(1);
    // Invalid ones end the gate: by form, and by content.
    gate("waivers: [", &[]).exits(5).tells(&["waivers.yaml"]);
    gate("waivers: [{id: W}]\n", &[]).exits(5).tells(&["W"]);
    gate(&one("GRT-001", "2026-12-15", "grace.obi@meridian.example"), &[]).exits(5).tells(&["W-1"]);
    gate(&one("GRT-001", "2999-01-01", "hana.sato@meridian.example"), &[]).exits(5).tells(&["W-1"]);

    let lint = |text: &str| {
        fs::write(&waivers, text).unwrap();
        ran![
            "waiver",
            "lint",
            &waivers,
            "--as-of",
            "2026-11-01T00:00:00Z",
            "--bundle",
            sample_bundle()
        ]
    };
    lint(&good).exits(0).shows(&["W-1"]);
    lint(&one("GRT-001", "2026-10-31", "hana.sato@meridian.example")).exits(1).shows(&["expired"]);
    lint(&one("GRT-001", "2999-01-01", "hana.sato@meridian.example")).exits(5);
    lint(&one("GRT-002", "2026-12-15", "hana.sato@meridian.example")).shows(&["unused"]);
    // The waivers of the sample: one in force, one that ran out and is an exception itself.
    let gate = ran![
        "gate",
        sample(),
        "--waivers",
        sample().join("waivers.yaml"),
        "--fail-on",
        "rule:EVD-004"
    ];
    gate.exits(1).shows(&["EVD-004", "W-2026-004"]);
}

#[test]
fn nothing_assessed_is_not_passed() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("owners.csv");
    fs::copy(sample().join("owners/owners.csv"), &file).unwrap();
    let gate = ran!["gate", &file];
    assert_ne!(gate.code, 0, "owners alone passed the gate: {}", gate.out);
    fs::write(&file, "colour\nred\n").unwrap();
    ran!["gate", &file].exits(3).tells(&["owners.csv"]);
}

#[test]
fn what_could_not_be_read_never_passes() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let input = at("in");
    fs::create_dir(&input).unwrap();
    fs::write(input.join("grants.csv"), LEDGER).unwrap();
    let baseline = at("baseline.jsonl");
    ran!["baseline", "create", &input, "-o", &baseline].exits(0);
    ran!["gate", &input, "--baseline", &baseline].exits(0).shows(&["gate passed"]);
    let whole = crate::hostile::gzip(LEDGER.as_bytes());
    let broken: [(&str, Vec<u8>); 3] = [
        ("more.csv.gz", whole[..whole.len() / 2].to_vec()),
        ("more.csv", LEDGER.replacen("2026", "20\u{0}26", 1).into_bytes()),
        ("more.json", b"[{\"event\": \"access_request.create\", \"id\": \"req".to_vec()),
    ];
    for (name, bytes) in broken {
        let file = input.join(name);
        fs::write(&file, bytes).unwrap();
        let gate = |more: [&str; 2]| {
            ran!["gate", &input, "--baseline", &baseline, more[0], more[1]].exits(4).shows(&[name]);
        };
        gate(["--fail-on", "new:critical"]);
        gate(["--require-coverage", "ledger"]);
        let refused = ran!["baseline", "create", &input, "-o", at("other.jsonl")].tells(&[name]);
        assert_ne!(refused.code, 0);
        let bundle = at("bundle");
        ran!["scan", &input, "-o", &bundle].exits(0);
        ran!["gate", &bundle, "--baseline", &baseline].exits(4).shows(&[name]);
        let found = findings(&bundle);
        assert!(
            found.iter().any(|f| f["rule"] == "EVD-002" && f["message"].to_string().contains(name)),
            "{name}: {found:#?}"
        );
        for framework in json_file(&bundle.join("conclusions.json")).as_array().unwrap() {
            for c in framework["conclusions"].as_array().unwrap() {
                assert_ne!(c["conclusion"], "no_exceptions_noted", "{name}: {c}");
            }
        }
        // A file that is none of the evidence can be named as such.
        fs::write(input.join("overstay.toml"), format!("ignore = [\"{name}\"]\n")).unwrap();
        ran!["gate", &input, "--baseline", &baseline].exits(0);
        fs::remove_file(input.join("overstay.toml")).unwrap();
        fs::remove_file(file).unwrap();
        fs::remove_dir_all(bundle).unwrap();
    }
}

#[test]
fn a_clean_ledger_passes() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("grants.csv");
    fs::write(&file, LEDGER).unwrap();
    ran!["gate", &file, "--fail-on", "rule:GRT-001"].exits(0).shows(&["gate passed"]);
}

#[test]
fn the_gate_writes_what_a_pipeline_reads() {
    let folder = tempfile::tempdir().unwrap();
    let (summary, sarif) = (folder.path().join("summary.md"), folder.path().join("gate.sarif"));
    let gate =
        ran!["gate", sample_bundle(), "--summary", &summary, "--sarif", &sarif, "--json"].exits(1);
    let verdict = parse(&gate.out);
    assert_eq!((&verdict["code"], &verdict["passed"]), (&json!(1), &json!(false)));
    let counts = &verdict["counts"];
    let failing = counts["open_critical"].as_u64().unwrap() + counts["open_high"].as_u64().unwrap();
    assert_eq!(verdict["failing"].as_array().map(Vec::len), usize::try_from(failing).ok());
    let text = fs::read_to_string(&summary).unwrap();
    assert!(
        text.starts_with("## overstay gate: FAILED") && text.contains("| critical | "),
        "{text}"
    );
    let log = json_file(&sarif);
    assert_eq!(sarif_errors(&log), Vec::<String>::new());
    let results = log["runs"][0]["results"].as_array().unwrap();
    assert_eq!(results.len(), findings(sample_bundle()).len());
}

#[test]
fn two_runs_are_compared() {
    let copy = Copy::new();
    copy.change_export(add_admin);
    let new = copy.at("new");
    ran!["--quiet", "scan", copy.input(), "-o", &new].exits(0);
    ran!["diff", sample_bundle(), sample_bundle()].exits(0);
    ran!["diff", sample_bundle(), &new].exits(1).shows(&["new ", MINE]);
    ran!["diff", &new, sample_bundle()].exits(1).shows(&["absent", MINE]);
    let diff = parse(&ran!["diff", sample_bundle(), &new, "--json"].exits(1).out);
    let lines = diff["lines"].as_array().unwrap();
    assert!(
        lines.iter().filter(|l| l["change"] == "new").all(|l| l["principal"] == MINE),
        "{diff:#}"
    );
    ran!["diff", sample_bundle(), copy.at("nowhere")].exits(3).says(&["nowhere"]);
}

#[test]
fn every_finding_of_the_sample_can_be_explained_down_to_its_lines() {
    let bundle = sample_bundle();
    let mut rules = std::collections::BTreeSet::new();
    for finding in findings(bundle) {
        let rule = finding["rule"].as_str().unwrap().to_owned();
        if !rules.insert(rule.clone()) {
            continue;
        }
        let prefix: String = finding["fingerprint"].as_str().unwrap().chars().take(12).collect();
        let shown = ran!["explain", bundle, &prefix, "--inputs", sample()].exits(0);
        let shown = shown.shows(&[&rule, &prefix, "evidence\n", "sources\n", "remediation\n"]);
        assert!(shown.out.contains("evaluated\n"), "{rule} is not evaluated: {}", shown.out);
        // A record for each source; a finding about a file has no record of it to show.
        let whole =
            shown.out.matches("(not shown: the finding is about the file as a whole)").count();
        let records = shown.out.matches("\n    | ").count();
        let sources = finding["sources"].as_array().unwrap().len();
        assert_eq!(records + whole, sources, "{rule}: {}", shown.out);
    }
    assert!(rules.len() >= 35, "{rules:?}");
    ran!["explain", bundle, "abc"].exits(2).says(&["at least 6"]);
    ran!["explain", bundle, "000000000000"].exits(2).says(&["no finding"]);
}

#[test]
fn the_other_verbs_answer() {
    let folder = tempfile::tempdir().unwrap();
    ran!["completions", "bash"].exits(0).shows(&["_overstay()", "baseline"]);
    ran!["man"].exits(0).shows(&[".TH", "fail\\-on"]);
    ran!["--help"].exits(0).shows(&["scan", "gate", "verify"]);
    ran!["--version"].exits(0).shows(&[env!("CARGO_PKG_VERSION")]);
    ran!["frobnicate"].exits(2).says(&["frobnicate"]);
    ran!["facts"].exits(0).shows(&["grant_facts", "segments", "credential_facts"]);
    ran!["facts", "grant_facts"].exits(0).shows(&["overstay_s", "principal_id"]);
    ran!["facts", "no_table"].exits(2).says(&["no_table", "grant_facts"]);
    ran!["facts", sample_bundle(), "grants"].exits(0).shows(&["grant_id", "MF-00091"]);
    let rows = ran!["facts", sample_bundle(), "grants", "--json"].exits(0).out;
    assert!(rows.lines().map(parse).any(|r| r["grant_id"] == "MF-00091"));
    let md = folder.path().join("reports");
    ran!["report", sample_bundle(), "--format", "md", "-o", &md].exits(0).shows(&["summary.md"]);
    assert_eq!(
        fs::read(md.join("summary.md")).unwrap(),
        fs::read(sample_bundle().join("summary.md")).unwrap()
    );
    let seen = parse(&ran!["inspect", sample(), "--json"].exits(0).out);
    let quarantined: i64 = seen["sources"]
        .as_array()
        .unwrap()
        .iter()
        .map(|s| s["quarantined"].as_i64().unwrap())
        .sum();
    assert_eq!(quarantined, 1, "{seen:#}");
    ran!["verify", sample_bundle(), "--json"].exits(0).shows(&["[]"]);
}

#[test]
fn the_rules_answer_for_themselves() {
    ran!["rules", "list"].exits(0).shows(&["GRT-003", "STD-009"]);
    ran!["rules", "show", "grt-003"].exits(0).shows(&["GRT-003", "overstay_s"]);
    ran!["rules", "show", "GRT-999"].exits(2).says(&["GRT-999"]);
    ran!["rules", "check"].exits(0);
    ran!["rules", "test"].exits(0).shows(&["passed"]);
    let listed = parse(&ran!["rules", "list", "--json"].exits(0).out);
    assert!(listed.as_array().unwrap().iter().all(|r| r["tests"].as_u64() > Some(0)));
}

/// A rule of the house, as CONTRIBUTING tells to write it.
const HOUSE_RULE: &str = r#"id: ACM-001
title: Nightly optimisation holds its right for more than a day
description: A rule of our own, about one privilege.
why: We want to see these each week.
needs: [ledger]
population:
  table: grant_facts
  where: "privilege = 'jit-data-pipeline'"
  items: grants of the pipeline
exception: "duration_s > 86400"
not_assessed:
  - duration_s: end_unknown
severity: medium
confidence: high
identity: {item: grant_id}
state: [ended_at]
evidence: [grant_id, duration_s]
message: "`{{ principal_id }}` held `{{ privilege }}` for {{ duration_s | duration }}"
remediation: End it with the night.
controls:
  nist-800-53-r5: ["AC-2(2)"]
tests:
  - name: a day and an hour
    given: [{grant_id: g, privilege: jit-data-pipeline, duration_s: 90000}]
    expect: [exception]
  - name: a night
    given: [{grant_id: g, privilege: jit-data-pipeline, duration_s: 30000}]
    expect: [clean]
  - name: nobody knows how long
    given: [{grant_id: g, privilege: jit-data-pipeline}]
    expect: [not_assessed]
"#;

#[test]
fn a_rule_in_a_folder_is_in_the_list_the_report_and_sarif() {
    let folder = tempfile::tempdir().unwrap();
    let (rules, out) = (folder.path().join("house/acm"), folder.path().join("out"));
    fs::create_dir_all(&rules).unwrap();
    fs::write(rules.join("ACM-001-nightly.yaml"), HOUSE_RULE).unwrap();
    let dir = folder.path().join("house");
    ran!["rules", "list", "--rules", &dir].exits(0).shows(&["ACM-001", "GRT-003"]);
    ran!["rules", "check", &dir].exits(0);
    ran!["rules", "test", &dir].exits(0).shows(&["3 tests passed"]);
    ran!["rules", "show", "ACM-001", "--rules", &dir].exits(0).shows(&["Nightly"]);
    ran!["--quiet", "scan", sample(), "-o", &out, "--rules", &dir].exits(0);
    let found: Vec<Value> = findings(&out).into_iter().filter(|f| f["rule"] == "ACM-001").collect();
    assert!(!found.is_empty(), "the rule found nothing");
    assert!(fs::read_to_string(out.join("report.html")).unwrap().contains("ACM-001"));
    let log = json_file(&out.join("sarif/findings.sarif"));
    let listed = log["runs"][0]["tool"]["driver"]["rules"]
        .as_array()
        .unwrap()
        .iter()
        .any(|r| r["id"] == "ACM-001");
    let resulted =
        log["runs"][0]["results"].as_array().unwrap().iter().any(|r| r["ruleId"] == "ACM-001");
    assert!(listed && resulted);
    assert_eq!(sarif_errors(&log), Vec::<String>::new());
    ran!["verify", &out, "--inputs", sample(), "--rules", &dir].exits(0);
    let fingerprint = found[0]["fingerprint"].as_str().unwrap();
    ran!["explain", &out, fingerprint, "--rules", &dir].exits(0).shows(&["evaluated\n"]);
    ran!["gate", sample(), "--rules", &dir, "--fail-on", "rule:ACM-001"].exits(1);
    // A broken one names its file and the place.
    fs::write(
        rules.join("ACM-002-broken.yaml"),
        HOUSE_RULE.replace("ACM-001", "ACM-002").replace("duration_s >", "lenght >"),
    )
    .unwrap();
    ran!["rules", "check", &dir].exits(1).tells(&["ACM-002", "lenght"]);
    ran!["scan", sample(), "-o", &out, "--rules", &dir].exits(2).says(&["ACM-002", "lenght"]);
    assert!(root().join("CONTRIBUTING.md").is_file());
}

#[test]
fn scan_ends_with_zero_whatever_it_finds() {
    let folder = tempfile::tempdir().unwrap();
    let out: &Path = &folder.path().join("out");
    let scan = ran!["scan", sample(), "-o", out].exits(0).shows(&["report.html"]);
    assert!(scan.out.contains("critical"), "{}", scan.out);
}
