use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;

use super::plan::{Refusal, files};
use super::{Input, Screened, screen};
use crate::facts::Time;
use crate::facts::time::parse_rfc3339;
use crate::findings::RuleResult;
use crate::ingest;
use crate::pipeline::{self, Scan, ScanRequest};
use crate::rules::Pack;
use crate::settings::Settings;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).to_path_buf()
}

/// A ledger of the generator; its as-of time.
fn generated(dir: &Path, rows: &str, rate: &str, seed: &str, format: &str) -> Time {
    let tool = root().join("../shared/tools/gen_ledger.py");
    assert!(tool.is_file(), "no generator at {}: the shared tools are needed", tool.display());
    let done = Command::new("python3")
        .arg(&tool)
        .args(["--rows", rows, "--rate", rate, "--seed", seed, "--format", format, "--usage"])
        .arg("--out")
        .arg(dir)
        .output()
        .expect("python3 is needed to run the generator");
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    let truth = std::fs::read_to_string(dir.join("truth.json")).unwrap();
    let truth: serde_json::Value = serde_json::from_str(&truth).unwrap();
    parse_rfc3339(truth["asof"].as_str().unwrap()).unwrap()
}

struct Both {
    rows: Scan,
    screened: Result<Screened, Refusal>,
}

fn both(dir: &Path, config: Option<&Path>, as_of: Option<Time>, memory: usize) -> Both {
    let request = ScanRequest {
        inputs: vec![dir.to_path_buf()],
        config: config.map(Path::to_path_buf),
        as_of,
        ..ScanRequest::default()
    };
    let rows = pipeline::scan(&request).unwrap();
    let settings = config.map_or_else(Settings::defaults, |c| Settings::load(c).unwrap());
    let mut pack = Pack::builtin().unwrap();
    for dir in &settings.rule_dirs {
        pack.add_dir(dir).unwrap();
    }
    let collected = ingest::collect(&request.inputs, &settings);
    let screened = files(&collected, &settings, 0).and_then(|files| {
        let most_aside = usize::MAX;
        let pack = &pack;
        screen(&Input { files: &files, settings: &settings, pack, as_of, memory, most_aside })
    });
    Both { rows, screened }
}

/// Everything that both engines say, one against the other.
fn equal(both: &Both) {
    let s = both.screened.as_ref().unwrap();
    let scan = &both.rows;
    assert_eq!(s.as_of, scan.as_of);
    assert_eq!(s.facts.sources, scan.facts.sources);
    assert_eq!(s.facts.quarantine, scan.facts.quarantine);
    let want: BTreeMap<&str, &RuleResult> = scan.view.rules.iter().map(|r| (&*r.rule, r)).collect();
    for have in &s.results {
        assert_eq!(&have, want.get(&*have.rule).unwrap());
    }
    assert_eq!(s.results.iter().filter(|r| super::sweeps(&r.table)).count(), s.results.len());
    let approvers: Vec<_> = scan
        .derived
        .approver_facts
        .iter()
        .map(|f| crate::facts::ApproverFact { refs: Vec::new(), ..f.clone() })
        .collect();
    assert_eq!(s.approvers, approvers);
    // Each exception by rule, certainty and record.
    let grants: BTreeMap<(&str, &str), &str> = scan
        .facts
        .grants
        .iter()
        .map(|g| ((&*g.source_id, g.source_ref.trim_start_matches(['R', 'L'])), &*g.grant_id))
        .collect();
    let ids: Vec<&str> = scan.facts.sources.iter().map(|s| &*s.source_id).collect();
    let mut have: BTreeSet<(&str, bool, &str)> = BTreeSet::new();
    let tables: BTreeMap<&str, &str> = s.results.iter().map(|r| (&*r.rule, &*r.table)).collect();
    let by_grant = |rule: &str| matches!(tables.get(rule), Some(&("grant_facts" | "chains")));
    for hit in &s.hits {
        let source = ids[(hit.place >> 32) as usize];
        let row = (hit.place as u32).to_string();
        let rule = &*s.rules[hit.rule];
        if by_grant(rule) {
            have.insert((rule, hit.certain, grants.get(&(source, &*row)).unwrap()));
        }
    }
    let want: BTreeSet<(&str, bool, &str)> = scan
        .view
        .findings
        .iter()
        .filter(|f| by_grant(&f.rule))
        .map(|f| (&*f.rule, &*f.certainty == "certain", f.grant_id.as_deref().unwrap()))
        .collect();
    assert_eq!(have, want);
}

/// Codes of the generator's truth and the rule that must find just these grants; chains are counted in
/// scripts/check_gen_ledger.py.
const TRUTH: [(&[&str], &str); 12] = [
    (&["V01_OUTLIVED_TASK"], "GRT-003"),
    (&["V02_NO_EXPIRY"], "GRT-001"),
    (&["V03_UNKNOWN_TASK", "V04_NO_TASK"], "GRT-005"),
    (&["V05_TTL_TOO_LONG"], "GRT-002"),
    (&["V06_SELF_APPROVED"], "APR-002"),
    (&["V07_NOT_APPROVED"], "APR-001"),
    (&["V08_APPROVED_LATE"], "APR-003"),
    (&["V09_GRANTED_EARLY", "V15_BAD_INTERVAL"], "GRT-012"),
    (&["V11_USED_AFTER_END"], "USE-001"),
    (&["V12_NEVER_USED"], "GRT-010"),
    (&["V13_REVOKED_LATE"], "GRT-011"),
    (&["V14_DUPLICATE_ACTIVE"], "GRT-009"),
];

/// As many certain exceptions as the generator planted.
fn as_planted(dir: &Path, s: &Screened) {
    let truth = std::fs::read_to_string(dir.join("truth.json")).unwrap();
    let truth: serde_json::Value = serde_json::from_str(&truth).unwrap();
    for (codes, rule) in TRUTH {
        let of = |code: &&str| truth["violations"][*code].as_u64().unwrap();
        let planted: u64 = codes.iter().map(of).sum();
        let found = s.hits.iter().filter(|h| h.certain && s.rules[h.rule] == rule).count();
        assert_eq!(found as u64, planted, "{rule}");
    }
}

#[test]
fn a_generated_ledger_is_judged_as_by_rows() {
    let config = root().join("tests/data/gen-ledger.toml");
    for (seed, format, memory) in [("1", "csv", 1 << 30), ("2", "ndjson", 0), ("3", "csv", 0)] {
        let dir = tempfile::tempdir().unwrap();
        let as_of = generated(dir.path(), "3000", "0.2", seed, format);
        let with = both(dir.path(), Some(&config), Some(as_of), memory);
        match &with.screened {
            // Reasons of the generator name tickets at times; none of them is a task.
            Err(why) => panic!("seed {seed}: {why}"),
            Ok(s) => as_planted(dir.path(), s),
        }
        equal(&with);
        // In the middle of the ledger, by the settings that come with the program.
        let middle = parse_rfc3339("2026-02-01T07:00:00Z").unwrap();
        equal(&both(dir.path(), None, Some(middle), memory));
        equal(&both(dir.path(), None, None, memory));
    }
}

/// The run over a screened ledger: counts of all, findings of the first, each the same as by rows; commands
/// that decide by findings see all of them.
#[test]
fn a_screened_run_shows_the_first_findings_as_by_rows() {
    let dir = tempfile::tempdir().unwrap();
    let as_of = generated(dir.path(), "2000", "0.2", "6", "csv");
    std::fs::remove_file(dir.path().join("truth.csv")).unwrap();
    let config = dir.path().join("overstay.toml");
    let text = std::fs::read_to_string(root().join("tests/data/gen-ledger.toml")).unwrap();
    let rules = root().join("tests/data/gen-ledger-rules");
    let text = text.replace("gen-ledger-rules", &rules.display().to_string());
    std::fs::write(
        &config,
        format!("{text}\n[screening]\nfrom_grants = 1\nfindings_per_rule = 5\n"),
    )
    .unwrap();
    let by = |screen| {
        pipeline::scan(&ScanRequest {
            inputs: vec![dir.path().to_path_buf()],
            config: Some(config.clone()),
            as_of: Some(as_of),
            screen,
            ..ScanRequest::default()
        })
        .unwrap()
    };
    let (rows, screened) = (by(false), by(true));
    assert!(rows.screening.is_none() && rows.exceptions.is_none());
    assert!(screened.screening.is_some());
    assert_eq!(screened.view.rules, rows.view.rules);
    assert_eq!(screened.view.grants_total, rows.view.grants_total);
    assert_eq!(screened.view.coverage.len(), rows.view.coverage.len());
    assert_eq!(screened.view.summary.overstayed, rows.view.summary.overstayed);
    let all: BTreeMap<&str, _> = rows.view.findings.iter().map(|f| (&*f.fingerprint, f)).collect();
    assert!(screened.view.findings.len() >= 50, "{}", screened.view.findings.len());
    assert!(screened.view.findings.len() < rows.view.findings.len());
    for have in &screened.view.findings {
        assert_eq!(Some(&have), all.get(&*have.fingerprint), "{}", have.rule);
    }
    let exceptions = screened.exceptions.as_ref().unwrap();
    let swept: u64 =
        screened.view.rules.iter().filter(|r| super::sweeps(&r.table)).map(|r| r.exceptions).sum();
    assert_eq!(exceptions.len() as u64, swept);
    let mut file = Vec::new();
    exceptions.file().write_to(&mut file).unwrap();
    let file = String::from_utf8(file).unwrap();
    assert!(file.lines().count() > exceptions.len(), "a chain has a line for each member");
    assert!(!exceptions.is_empty());
}

/// Inputs that the sweep does not carry are refused with the reason.
#[test]
fn other_inputs_are_refused() {
    let grants = "grant_id,principal,role,granted_at,expires_at,approval_id";
    let row = "ann,admin,2026-01-05T08:00:00Z,2026-01-05T09:00:00Z";
    for (text, more, why) in [
        (format!("{grants},on_behalf_of\ng1,{row},a1,bob\n"), None, "on behalf of somebody"),
        (format!("{grants},break_glass\ng1,{row},a1,yes\n"), None, "emergency access"),
        (format!("{grants},session_tags\ng1,{row},a1,run=run-77\n"), None, "may name a task"),
        (
            format!("{grants}\ng1,{row},a1\n"),
            Some(("owners.csv", "principal,owner\nann,bob\n")),
            "owners.csv",
        ),
    ] {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("grants.csv"), &text).unwrap();
        if let Some((name, text)) = more {
            std::fs::write(dir.path().join(name), text).unwrap();
        }
        match both(dir.path(), None, None, 0).screened {
            Err(e) => assert!(e.to_string().contains(why), "{e} for {text}"),
            Ok(_) => panic!("screened: {text}"),
        }
    }
}

/// Tables of a ledger that is ordinary but for what is added: grants, tasks, approvals, use.
fn with_odd(added: [&str; 4]) -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    let mut tables = [
        "grant_id,system,principal,role,scope,task_id,approval_id,requested_at,granted_at,expires_at,revoked_at,justification\n",
        "task_id,opened_at,closed_at,status\n",
        "approval_id,grant_id,approver,decision,decided_at\n",
        "principal,role,scope,grant_id,first_seen,last_seen,count\n",
    ]
    .map(str::to_owned);
    for i in 0..6 {
        let (day, who) = (i + 10, i % 3);
        let at = |hour: u8| format!("2026-01-{day}T{hour:02}:00:00Z");
        let rows = [
            format!(
                "g{i},b,p{who}@corp.example,admin,z{i},t{i},a{i},{},{},{},,work\n",
                at(7),
                at(8),
                at(20)
            ),
            format!("t{i},{},{},done\n", at(8), at(12)),
            format!("a{i},g{i},boss{who},approved,{}\n", at(7)),
            format!("p{who}@corp.example,admin,z{i},g{i},{},{},2\n", at(9), at(10)),
        ];
        tables.iter_mut().zip(rows).for_each(|(table, row)| table.push_str(&row));
    }
    let names = ["grants.csv", "tasks.csv", "approvals.csv", "usage.csv"];
    for ((name, table), more) in names.iter().zip(tables).zip(added) {
        std::fs::write(dir.path().join(name), table + more).unwrap();
    }
    dir
}

/// Why grants go aside, how many do, and the lines that are added for it, each with the first letter of its
/// table in front. `OWN` is the access of the first grant, `THEN` its times, `LATER` others.
const ODD: [(&str, usize, &[&str]); 19] = [
    ("a grant id that occurs twice", 3, &["g:g0,b,OWN,t0,a0,THEN,,work"]),
    ("a grant id that occurs twice", 3, &["g:g0,b,OWN,t0,a0,LATER,,other"]),
    ("an approval of several grants", 3, &["g:h,b,p1@corp.example,read,q,t1,a0,LATER,,"]),
    (
        "a grant that names another approval than its own",
        3,
        &["g:h,b,OWN,t0,b8,LATER,,", "a:b9,h,boss1,approved,2026-01-18T07:30:00Z"],
    ),
    ("an approval that occurs twice", 2, &["a:a0,g0,boss0,approved,2026-01-10T09:00:00Z"]),
    // Of a grant that nobody lists, and so of none here.
    (
        "an approval that occurs twice",
        0,
        &[
            "a:x,gone,boss0,approved,2026-01-10T09:00:00Z",
            "a:x,gone,boss0,denied,2026-01-10T09:00:00Z",
        ],
    ),
    ("a reference to several tasks", 3, &["g:h,b,OWN,t0;t1,,LATER,,"]),
    ("a reference to a task behind the name of a system", 3, &["g:h,b,OWN,tasks:t1,,LATER,,"]),
    ("a task id that occurs twice", 2, &["t:t0,2026-01-10T08:00:00Z,2026-01-10T19:00:00Z,failed"]),
    (
        "a task id that occurs twice",
        0,
        &[
            "t:idle,2026-01-10T08:00:00Z,2026-01-10T19:00:00Z,failed",
            "t:idle,2026-01-10T08:00:00Z,2026-01-10T18:00:00Z,done",
        ],
    ),
    (
        "a reason that names a task",
        3,
        &[
            "g:h,b,OWN,,,LATER,,for OPS-77",
            "t:OPS-77,2026-01-18T08:00:00Z,2026-01-18T12:00:00Z,done",
        ],
    ),
    (
        "a session name that may name a task",
        1,
        &[
            "g:h,b,arn:aws:sts::1:assumed-role/ci/run-1234567,admin,z0,,,LATER,,",
            "t:run-1234567,2026-01-18T08:00:00Z,2026-01-18T12:00:00Z,done",
        ],
    ),
    ("a grant with an end of the precision of a day", 3, &["g:h,b,OWN,t0,,LATER,2026-01-18,"]),
    (
        "grants in force together whose scopes may nest",
        2,
        &[
            "g:h,b,p9@corp.example,admin,org/a,t1,,,2026-01-11T08:00:00Z,2026-01-11T20:00:00Z,,",
            "g:i,b,p9@corp.example,admin,org,t1,,,2026-01-11T09:00:00Z,2026-01-11T20:00:00Z,,",
        ],
    ),
    ("two grants of one access that start together", 3, &["g:h,b,OWN,t0,,THEN,,"]),
    (
        "use of another privilege or scope than its grant's",
        2,
        &["u:p0@corp.example,read,z0,g0,2026-01-10T09:00:00Z,2026-01-10T10:00:00Z,1"],
    ),
    (
        "use that does not name its privilege and scope",
        2,
        &["u:p0@corp.example,,,g0,2026-01-10T09:00:00Z,2026-01-10T10:00:00Z,1"],
    ),
    (
        "use of a grant that the ledger does not list",
        2,
        &["u:P0@Corp.Example,admin,z0,gone,2026-01-10T09:00:00Z,2026-01-10T10:00:00Z,1"],
    ),
    (
        "use that names no grant",
        2,
        &["u:p0@corp.example,admin,z0,,2026-01-10T09:00:00Z,2026-01-10T10:00:00Z,1"],
    ),
];

/// Each kind of grant that the sweep does not carry goes aside for its own reason, only what belongs to it
/// goes with it, and everything is judged as by rows.
#[test]
fn odd_grants_go_aside() {
    for (why, aside, lines) in ODD {
        let table = |letter: &str| -> String {
            let own = lines.iter().filter_map(|l| l.strip_prefix(letter));
            own.map(|l| {
                l.replace("OWN", "p0@corp.example,admin,z0")
                    .replace(
                        "THEN",
                        "2026-01-10T07:00:00Z,2026-01-10T08:00:00Z,2026-01-10T20:00:00Z",
                    )
                    .replace(
                        "LATER",
                        "2026-01-18T07:00:00Z,2026-01-18T08:00:00Z,2026-01-18T20:00:00Z",
                    )
                    + "\n"
            })
            .collect()
        };
        let added = ["g:", "t:", "a:", "u:"].map(table);
        let dir = with_odd(added.each_ref().map(String::as_str));
        for as_of in ["2026-01-14T00:00:00Z", "2026-03-01T00:00:00Z"] {
            let both = both(dir.path(), None, Some(parse_rfc3339(as_of).unwrap()), 0);
            match &both.screened {
                Err(e) => panic!("{e} for {added:?}"),
                Ok(s) => {
                    assert_eq!(s.aside.0, aside, "{why}: {added:?}");
                    assert!(s.aside.1.contains(&why), "{why}: {:?}", s.aside.1);
                }
            }
            equal(&both);
        }
    }
    let plain = both(with_odd([""; 4]).path(), None, None, 0);
    assert_eq!(plain.screened.as_ref().unwrap().aside, (0, Vec::new()));
    equal(&plain);
}

/// A ledger that tells everything in its own rows: who asked, who approved and when, by which word, and for
/// which ticket. What says nothing of its own stays in the sweep, the rest goes aside, and all is judged as by
/// rows.
#[test]
fn ledgers_that_tell_everything_in_their_rows_are_screened() {
    // Columns that are added, and the cells of the first grant and of the others.
    let cases: [(&str, &str, &str, usize); 23] = [
        ("requester", "p0@corp.example", "", 0),
        ("requester", "P0@Corp.Example", "p0@corp.example", 4),
        ("requester", "boss", "", 2),
        ("approver,decided_at", "boss,DAYT07:30:00Z", "lead,DAYT07:40:00Z", 0),
        ("approver,decision", "p0@corp.example,", "lead,auto_approved", 0),
        ("approver,decided_at", "boss;lead,DAYT07:30:00Z", "boss,", 0),
        ("approver,decided_at", "boss;boss,DAYT07:30:00Z", "boss,", 2),
        ("decision,decided_at", "approved,DAYT07:30:00Z", "approved,", 0),
        ("decision,decided_at", "auto_approved,DAYT06:30:00Z", ",", 2),
        ("decision", "auto_approved", "unknown", 0),
        ("decision", "denied", "approved", 2),
        ("decision", "expired", "active", 0),
        ("decision", "closed", "revoked", 0),
        ("end_kind", "expired", "open", 0),
        ("end_kind", "failed_to_revoke", "", 2),
        ("ticket", "t0", "t1", 0),
        ("ticket", "t0;t1", "t1", 2),
        ("activated_at", "DAYT08:00:00Z", "", 0),
        ("activated_at", "DAYT08:30:00Z", "", 2),
        ("duration,request_expires_at", "1h,DAYT23:00:00Z", ",", 0),
        ("n_extensions", "2", "0", 2),
        ("break_glass,externally_modified", "no,no", ",no", 0),
        ("end_kind", "admin", "", 2),
    ];
    for (columns, first, others, aside) in cases {
        // Records of approvals beside it matter to what is said of approvals only.
        let matter = ["approver", "decision"].iter().any(|c| columns.starts_with(c));
        for approvals in [false, true].into_iter().filter(|a| !a || matter) {
            let dir = with_odd([""; 4]);
            let path = dir.path().join("grants.csv");
            let text = std::fs::read_to_string(&path).unwrap();
            let lines = text.lines().enumerate().map(|(i, line)| {
                let mut cells: Vec<&str> = line.split(',').collect();
                // The ledger names tickets instead of tasks, and nothing names approvals.
                if i > 0 {
                    cells[6] = "";
                    if columns == "ticket" {
                        cells[5] = "";
                    }
                }
                let day = cells[8].get(..10).unwrap_or_default();
                let more = match i {
                    0 => columns,
                    1 => first,
                    _ => others,
                };
                format!("{},{}\n", cells.join(","), more.replace("DAY", day))
            });
            std::fs::write(&path, lines.collect::<String>()).unwrap();
            if !approvals {
                std::fs::remove_file(dir.path().join("approvals.csv")).unwrap();
            }
            let with = both(dir.path(), None, None, 0);
            let Ok(s) = &with.screened else { panic!("{:?} for {columns}", with.screened) };
            let inline = columns.starts_with("approver") && approvals;
            assert!(inline || s.aside.0 == aside, "{columns} {first}: {:?}", s.aside);
            equal(&with);
        }
    }
}

/// A machine whose only use comes after the as-of time has no recorded use yet.
#[test]
fn later_use_of_a_machine_counts_for_neither() {
    let who = "svc@p.iam.gserviceaccount.com";
    let grant = format!(
        "h,b,{who},admin,z9,,,2026-01-18T07:00:00Z,2026-01-18T08:00:00Z,2026-01-18T20:00:00Z,,work\n"
    );
    let used = format!("{who},admin,z9,h,2026-01-18T09:00:00Z,2026-01-18T10:00:00Z,2\n");
    let dir = with_odd([&grant, "", "", &used]);
    for (as_of, n) in [("2026-01-14T00:00:00Z", 0), ("2026-03-01T00:00:00Z", 1)] {
        let both = both(dir.path(), None, Some(parse_rfc3339(as_of).unwrap()), 0);
        equal(&both);
        let results = &both.screened.as_ref().unwrap().results;
        let machines = results.iter().find(|r| &*r.rule == "USE-004").unwrap();
        assert_eq!(machines.population, n, "{as_of}");
    }
}

/// Grants that name no approval, and approvals that name them, are an ordinary ledger.
#[test]
fn approvals_that_grants_do_not_name_are_theirs() {
    let dir = with_odd([""; 4]);
    let path = dir.path().join("grants.csv");
    let text = std::fs::read_to_string(&path).unwrap();
    for (nobody, refused) in [(true, false), (false, true)] {
        let lines: Vec<String> = text
            .lines()
            .map(|line| {
                let mut cells: Vec<&str> = line.split(',').collect();
                match cells[6] {
                    // One that names nothing, while another grant names its approval.
                    "a0" if !nobody => cells[6] = "",
                    "a1" if !nobody => cells[6] = "a0",
                    "approval_id" => {}
                    _ if nobody => cells[6] = "",
                    _ => {}
                }
                cells.join(",")
            })
            .collect();
        std::fs::write(&path, lines.join("\n")).unwrap();
        let both = both(dir.path(), None, None, 0);
        match &both.screened {
            Ok(s) if !refused => assert_eq!(s.aside, (0, Vec::new())),
            Err(e) if refused => {
                assert!(e.to_string().contains("an approval of several grants"), "{e}");
                continue;
            }
            other => panic!("{other:?}"),
        }
        equal(&both);
    }
}

/// An approval of several grants is one also where only approvals name grants, and where one of the grants
/// is listed by nobody.
#[test]
fn approvals_of_several_grants_are_seen_from_either_side() {
    let dir = with_odd([""; 4]);
    let names = |table: &str, cell: usize, keep: &dyn Fn(usize) -> bool| {
        let path = dir.path().join(table);
        let text = std::fs::read_to_string(&path).unwrap();
        let lines = text.lines().enumerate().map(|(i, line)| {
            let mut cells: Vec<&str> = line.split(',').collect();
            if i > 0 && !keep(i) {
                cells[cell] = "";
            }
            cells.join(",") + "\n"
        });
        std::fs::write(&path, lines.collect::<String>()).unwrap();
    };
    let approvals = dir.path().join("approvals.csv");
    let plain = std::fs::read_to_string(&approvals).unwrap();
    let add = |lines: &[&str]| std::fs::write(&approvals, plain.clone() + &lines.concat()).unwrap();
    let gone = "a0,gone,boss1,approved,2026-01-10T07:30:00Z\n";
    // Grants name their approvals, but for the first, of which the approval is also that of another.
    names("grants.csv", 6, &|row| row != 1);
    add(&[gone]);
    let with = both(dir.path(), None, None, 0);
    let Err(why) = &with.screened else { panic!("screened: {:?}", with.screened) };
    assert!(why.to_string().contains("an approval of several grants"), "{why}");
    // No grant names one.
    names("grants.csv", 6, &|_| false);
    let of_two = "a1,g2,boss1,approved,2026-01-12T07:00:00Z\n";
    for (added, aside) in [(&[gone][..], 2), (&[of_two], 4), (&[gone, of_two], 6), (&[], 0)] {
        add(added);
        let with = both(dir.path(), None, None, 0);
        assert_eq!(with.screened.as_ref().unwrap().aside.0, aside, "{added:?}");
        equal(&with);
    }
}

/// A record of an approval may name the grant, or be named by it, and need not say both.
#[test]
fn approvals_find_their_grants_by_either_name() {
    for (cell, aside) in [(0, 0), (1, 0)] {
        let dir = with_odd([""; 4]);
        let path = dir.path().join("approvals.csv");
        let text = std::fs::read_to_string(&path).unwrap();
        let lines = text.lines().enumerate().map(|(i, line)| {
            let mut cells: Vec<&str> = line.split(',').collect();
            if i > 0 {
                cells[cell] = "";
            }
            cells.join(",") + "\n"
        });
        let lines: String = lines.collect();
        for more in ["", "a1,,boss1,denied,2026-01-12T07:00:00Z\n", "x,,boss0,approved,\n"] {
            std::fs::write(&path, lines.clone() + more).unwrap();
            let with = both(dir.path(), None, None, 0);
            let n = with.screened.as_ref().unwrap().aside.0;
            assert!(n == aside || more.starts_with('a'), "{n} go aside with {more}");
            equal(&with);
        }
    }
}

/// The same ledger as Parquet, with times as text and as instants, is the same.
#[cfg(feature = "columnar-io")]
#[test]
fn parquet_is_judged_as_by_rows() {
    use polars::prelude::*;
    let config = root().join("tests/data/gen-ledger.toml");
    let dir = tempfile::tempdir().unwrap();
    let as_of = generated(dir.path(), "2000", "0.2", "4", "csv");
    for typed in [false, true] {
        let out = tempfile::tempdir().unwrap();
        for table in ["grants", "tasks", "approvals", "usage"] {
            let text = std::fs::read_to_string(dir.path().join(format!("{table}.csv"))).unwrap();
            let mut rows = csv::Reader::from_reader(text.as_bytes());
            let header: Vec<String> = rows.headers().unwrap().iter().map(str::to_owned).collect();
            let records: Vec<csv::StringRecord> = rows.records().map(Result::unwrap).collect();
            let columns = header
                .iter()
                .enumerate()
                .map(|(i, name)| {
                    let cells: Vec<Option<String>> = records
                        .iter()
                        .map(|r| Some(r[i].to_owned()).filter(|s| !s.is_empty()))
                        .collect();
                    let time = name.ends_with("_at") || name.ends_with("_seen");
                    let series = Series::new(name.as_str().into(), cells.clone());
                    if typed && time {
                        let us: Vec<Option<i64>> = cells
                            .iter()
                            .map(|c| c.as_deref().map(|c| parse_rfc3339(c).unwrap().micros()))
                            .collect();
                        let unit = DataType::Datetime(TimeUnit::Microseconds, None);
                        Series::new(name.as_str().into(), us).cast(&unit).unwrap().into_column()
                    } else if typed && (name == "count" || name == "errors") {
                        series.cast(&DataType::Int32).unwrap().into_column()
                    } else {
                        series.into_column()
                    }
                })
                .collect();
            let mut frame = DataFrame::new(records.len(), columns).unwrap();
            let file = std::fs::File::create(out.path().join(format!("{table}.parquet"))).unwrap();
            ParquetWriter::new(file).with_row_group_size(Some(500)).finish(&mut frame).unwrap();
        }
        let with = both(out.path(), Some(&config), Some(as_of), 1 << 20);
        assert!(with.screened.as_ref().is_ok_and(|s| s.hits.len() > 200));
        equal(&with);
    }
}

mod odd {
    use polars::prelude::{Column, DataFrame, NamedFrom, ParquetWriter, Series};
    use proptest::prelude::*;
    use proptest::test_runner::RngSeed;

    use super::*;

    /// Small tables full of coincidences: few names, few instants, records that contradict each other.
    fn table(
        header: &'static str,
        columns: Vec<Vec<&'static str>>,
        rows: std::ops::Range<usize>,
    ) -> impl Strategy<Value = String> {
        let row: Vec<_> = columns.into_iter().map(prop::sample::select).collect();
        prop::collection::vec(row, rows).prop_map(move |rows| {
            let mut out = format!("{header}\n");
            for row in rows {
                out.push_str(&row.join(","));
                out.push('\n');
            }
            out
        })
    }

    const TIMES: [&str; 10] = [
        "",
        "2026-01-05T08:00:00Z",
        "2026-01-05T09:00:00Z",
        "2026-01-05T09:04:59Z",
        "2026-01-05T12:30:00Z",
        "2026-01-06T00:00:00.250Z",
        "2026-01-07T10:00:00+02:00",
        "2026-01-09T10:00:00Z",
        "never",
        "9999-12-31T00:00:00Z",
    ];

    /// Columns of grants that the adapter reads, in the order of [`more`].
    const MORE: &str = ",requester,approver,decision,decided_at,activated_at,duration,ticket,n_extensions,extended_until,break_glass,end_kind\n";

    /// Their cells. Most say nothing.
    fn more() -> impl Strategy<Value = Vec<&'static str>> {
        let of =
            |often: Vec<&'static str>| prop_oneof![1 => Just(""), 1 => prop::sample::select(often)];
        let rare = |seldom: Vec<&'static str>| prop_oneof![12 => Just(""), 1 => prop::sample::select(seldom)];
        (
            of(vec!["ann@corp.example", "Ann@corp.example", "agent:x", "boss"]),
            of(vec!["ann@corp.example", "boss", "boss;ann@corp.example", "agent:x"]),
            of(vec![
                "approved",
                "approved",
                "auto_approved",
                "denied",
                "active",
                "expired",
                "ended",
            ]),
            of(vec!["2026-01-05T07:30:00Z", "2026-01-05T08:30:00Z", "2026-01-07T10:00:00Z"]),
            rare(vec!["2026-01-05T08:00:00Z", "2026-01-05"]),
            rare(vec!["1h", "86400"]),
            of(vec!["t1", "t2", "t1;t2", "t9", "OPS-1"]),
            rare(vec!["0", "1", "2"]),
            rare(vec!["2026-01-06T00:00:00Z"]),
            rare(vec!["no", "no", "yes"]),
            rare(vec!["expired", "admin", "revoked"]),
        )
            .prop_map(|(a, b, c, d, e, f, g, h, i, j, k)| vec![a, b, c, d, e, f, g, h, i, j, k])
    }

    fn ledger() -> impl Strategy<Value = [String; 4]> {
        let times = || TIMES.to_vec();
        let name = (0..3usize, 0..3usize, 0..4usize, prop::bool::weighted(0.1));
        let grants = (0..9usize, prop::collection::vec(name, 9))
            .prop_flat_map(move |(n, names)| {
                let rest = prop::collection::vec(
                    (
                        prop::sample::select(times()),
                        prop::sample::select(times()),
                        prop::sample::select(times()),
                        prop::sample::select(times()),
                        prop::sample::select(vec!["", "t1", "t2", "t9", "tasks:t1", "t1;t2"]),
                        prop::sample::select(vec!["", "why", "OPS-1 again", "#7"]),
                        prop::sample::select(vec!["", "a0", "a1", "own", "own", "own"]),
                        more(),
                    ),
                    n,
                );
                // Half of the ledgers have none of the columns that are read by the adapter.
                (rest, any::<bool>()).prop_map(move |(rows, rich)| {
                    let mut out = String::from(
                        "grant_id,broker,system,principal,principal_type,role,scope,task_id,approval_id,requested_at,granted_at,expires_at,revoked_at,justification",
                    );
                    out.push_str(if rich { MORE } else { "\n" });
                    for (i, ((p, r, s, twice), (a, b, c, d, task, why, approval, more))) in
                        names.iter().zip(rows).enumerate()
                    {
                        let who = ["Ann@corp.example", "ann@corp.example", "agent:x"][*p];
                        let kind = ["human", "", "agent"][*p];
                        let role = ["adminAccess", "readLogs", "readLogs"][*r];
                        let scope = ["", "z", "z/*", "z/y"][*s];
                        let own = format!("a{i}");
                        let approval = if approval == "own" { own.as_str() } else { approval };
                        // Some ids come again, with what is nearly the same or with something else.
                        let id = if *twice { i / 2 } else { i };
                        out.push_str(&format!(
                            "g{id},b{},aws,{who},{kind},{role},{scope},{task},{approval},{a},{b},{c},{d},{why}",
                            r % 2
                        ));
                        if rich {
                            out.push(',');
                            out.push_str(&more.join(","));
                        }
                        out.push('\n');
                    }
                    out
                })
            });
        let tasks = table(
            "task_id,kind,owner,opened_at,closed_at,status,system,queued_at",
            vec![
                vec!["t1", "t2", "t3", "OPS-1"],
                vec!["incident"],
                vec!["ann"],
                times(),
                times(),
                vec!["open", "done", "failed", "", "cancelled"],
                vec!["", "", "jira"],
                times(),
            ],
            0..4,
        );
        let approvals = table(
            "approval_id,grant_id,approver,decision,decided_at,method,required",
            vec![
                vec!["a0", "a1", "a2", "a3", "a9", ""],
                vec!["g0", "g1", "g2", "g3", "g9", ""],
                vec!["ann@corp.example", "boss", "", "agent:x"],
                vec!["approved", "denied", "expired", "auto_approved", "what"],
                times(),
                vec!["", "", "", "policy", "manual"],
                vec!["", "", "", "", "2"],
            ],
            0..5,
        );
        let usage = table(
            "principal,system,role,scope,grant_id,day,count,first_seen,last_seen,errors",
            vec![
                vec!["ann@corp.example", "agent:x"],
                vec!["aws"],
                vec!["adminAccess", "readLogs", "readLogs", ""],
                vec!["z", "z", "z", ""],
                vec!["g0", "g1", "g2", "g2", "g9", ""],
                vec!["2026-01-05", "2026-01-31", ""],
                vec!["0", "1", "5", "", "-1"],
                times(),
                times(),
                vec!["0", "5", ""],
            ],
            0..4,
        );
        (grants, tasks, approvals, usage).prop_map(|(a, b, c, d)| [a, b, c, d])
    }

    /// The same table as Parquet: texts as they are, of which an empty one is null.
    fn columnar(text: &str, path: &Path) {
        let mut lines = text.lines().map(|l| l.split(',').collect::<Vec<&str>>());
        let header = lines.next().unwrap();
        let rows: Vec<Vec<&str>> = lines.collect();
        let column = |(at, name): (usize, &&str)| {
            let cells: Vec<Option<&str>> =
                rows.iter().map(|r| r.get(at).copied().filter(|c| !c.is_empty())).collect();
            Column::from(Series::new((*name).into(), cells))
        };
        let columns: Vec<Column> = header.iter().enumerate().map(column).collect();
        let mut frame = DataFrame::new(rows.len(), columns).unwrap();
        let file = std::fs::File::create(path).unwrap();
        ParquetWriter::new(file).with_row_group_size(Some(3)).finish(&mut frame).unwrap();
    }

    fn write(tables: &[String; 4], aligned: bool, parquet: bool) -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        for (name, text) in ["grants", "tasks", "approvals", "usage"].iter().zip(tables) {
            // Half of the cases pair each approval with its grant, or nearly all would be refused.
            let text = if aligned && *name == "approvals" {
                let mut out = String::new();
                for (i, line) in text.lines().enumerate() {
                    let mut cells: Vec<String> = line.split(',').map(str::to_owned).collect();
                    if i > 0 {
                        cells[1] = cells[0].replace('a', "g");
                    }
                    out.push_str(&cells.join(","));
                    out.push('\n');
                }
                out
            } else {
                text.clone()
            };
            if parquet {
                columnar(&text, &dir.path().join(format!("{name}.parquet")));
            } else {
                std::fs::write(dir.path().join(format!("{name}.csv")), text).unwrap();
            }
        }
        dir
    }

    /// The same cases in each run, so that a change is judged by what it changes; `PROPTEST_CASES` asks for
    /// a run of so many new ones.
    fn config() -> ProptestConfig {
        let asked = std::env::var("PROPTEST_CASES").ok().and_then(|n| n.parse().ok());
        match asked {
            Some(cases) => ProptestConfig::with_cases(cases),
            None => ProptestConfig {
                cases: 96,
                rng_seed: RngSeed::Fixed(20_260_105),
                ..ProptestConfig::default()
            },
        }
    }

    proptest! {
        #![proptest_config(config())]

        /// Whatever is screened is judged as by rows; the rest is refused with a reason.
        #[test]
        fn odd_ledgers_are_refused_or_judged_as_by_rows(
            tables in ledger(),
            aligned in any::<bool>(),
            parquet in any::<bool>(),
        ) {
            let dir = write(&tables, aligned, parquet);
            let as_of = parse_rfc3339("2026-01-07T12:00:00Z").unwrap();
            let request = ScanRequest {
                inputs: vec![dir.path().to_path_buf()],
                as_of: Some(as_of),
                ..ScanRequest::default()
            };
            // A ledger of which nothing can be read is no ledger for either.
            prop_assume!(pipeline::scan(&request).is_ok());
            let with = both(dir.path(), None, Some(as_of), 0);
            match &with.screened {
                Ok(_) => equal(&with),
                Err(why) => {
                    let why = why.to_string();
                    prop_assert!(REFUSED.iter().any(|known| why.contains(known)), "{}", why);
                }
            }
        }
    }

    /// What is left to refuse of such ledgers as a whole.
    const REFUSED: [&str; 7] = [
        "the ledger is small",
        "a grant id of two ledgers",
        "an approval of several grants",
        "an approver who decides twice on a grant that no ledger lists",
        "emergency access",
        "tells what no other record tells",
        "no record carries a time",
    ];
}
