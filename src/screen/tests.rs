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
        screen(&Input { files: &files, settings: &settings, pack: &pack, as_of, memory })
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
            Ok(s) => assert!(s.hits.len() > 300, "{}", s.hits.len()),
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

/// What the sweep does not carry is refused with the reason.
#[test]
fn other_inputs_are_refused() {
    let grants = "grant_id,principal,role,granted_at,expires_at,approval_id";
    let row = "ann,admin,2026-01-05T08:00:00Z,2026-01-05T09:00:00Z";
    for (text, more, why) in [
        (format!("{grants}\ng1,{row},a1\ng1,{row},a2\n"), None, "occurs twice"),
        (format!("{grants}\ng1,{row},a1\ng2,{row},a1\n"), None, "several grants"),
        (format!("{grants},ticket\ng1,{row},a1,OPS-1\n"), None, "column `ticket`"),
        (
            format!("{grants}\ng1,{row},a1\n"),
            Some((
                "use.csv",
                "principal,role,scope,grant_id,first_seen,last_seen,count\nann,admin,z,g9,2026-01-05T08:00:00Z,2026-01-05T08:00:00Z,1\n",
            )),
            "does not list",
        ),
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

    fn ledger() -> impl Strategy<Value = [String; 4]> {
        let times = || TIMES.to_vec();
        let grants = (0..9usize, prop::collection::vec((0..3usize, 0..3usize, 0..4usize), 9))
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
                    ),
                    n,
                );
                rest.prop_map(move |rows| {
                    let mut out = String::from(
                        "grant_id,broker,system,principal,principal_type,role,scope,task_id,approval_id,requested_at,granted_at,expires_at,revoked_at,justification\n",
                    );
                    for (i, ((p, r, s), (a, b, c, d, task, why, approval))) in
                        names.iter().zip(rows).enumerate()
                    {
                        let who = ["Ann@corp.example", "ann@corp.example", "agent:x"][*p];
                        let kind = ["human", "", "agent"][*p];
                        let role = ["adminAccess", "readLogs", "readLogs"][*r];
                        let scope = ["", "z", "z/*", "z/y"][*s];
                        let own = format!("a{i}");
                        let approval = if approval == "own" { own.as_str() } else { approval };
                        out.push_str(&format!(
                            "g{i},b{},aws,{who},{kind},{role},{scope},{task},{approval},{a},{b},{c},{d},{why}\n",
                            r % 2
                        ));
                    }
                    out
                })
            });
        let tasks = table(
            "task_id,kind,owner,opened_at,closed_at,status",
            vec![
                vec!["t1", "t2", "t3", "OPS-1"],
                vec!["incident"],
                vec!["ann"],
                times(),
                times(),
                vec!["open", "done", "failed", "", "cancelled"],
            ],
            0..4,
        );
        let approvals = table(
            "approval_id,grant_id,approver,decision,decided_at",
            vec![
                vec!["a0", "a1", "a2", "a3", "a9"],
                vec!["g0", "g1", "g2", "g3", "g9"],
                vec!["ann@corp.example", "boss", "", "agent:x"],
                vec!["approved", "denied", "expired", "auto_approved", "what"],
                times(),
            ],
            0..5,
        );
        let usage = table(
            "principal,system,role,scope,grant_id,day,count,first_seen,last_seen,errors",
            vec![
                vec!["ann@corp.example", "agent:x"],
                vec!["aws"],
                vec!["adminAccess", "readLogs"],
                vec!["z"],
                vec!["g0", "g1", "g2"],
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

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(48))]

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
            if with.screened.is_ok() {
                equal(&with);
            }
        }
    }
}
