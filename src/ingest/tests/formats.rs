use super::*;
use crate::facts::cell::Word;
use crate::facts::time::parse_rfc3339;
use crate::facts::*;

fn t(s: &str) -> Option<Time> {
    Some(parse_rfc3339(s).unwrap())
}

fn word<W: Word>(w: W) -> &'static str {
    w.word()
}

#[test]
fn the_generators_ledger_reads_without_mapping() {
    let path = shared("usage/ledger_synthetic");
    let found = ingest(std::slice::from_ref(&path), &Settings::defaults()).unwrap();
    let truth: serde_json::Value =
        serde_json::from_slice(&std::fs::read(path.join("truth.json")).unwrap()).unwrap();
    let rows = |k: &str| usize::try_from(truth["rows"][k].as_u64().unwrap()).unwrap();
    // Each table lies there twice, as CSV and as NDJSON; it must count once.
    assert_eq!(found.facts.grants.len(), rows("grants"));
    assert_eq!(found.facts.tasks.len(), rows("tasks"));
    assert_eq!(found.facts.approvals.len(), rows("approvals"));
    assert_eq!(found.facts.usage.len(), rows("usage"));
    assert_eq!(found.facts.sources.len(), 8);
    assert!(found.facts.quarantine.is_empty(), "{:?}", quarantine(&found));
    assert!(found.unknown.is_empty() && found.failed.is_empty());
    for s in &found.facts.sources {
        assert_eq!(
            (s.accepted, s.ambiguous_times, s.conflicting_duplicates),
            (s.records, 0, 0),
            "{}",
            s.file
        );
    }
    let open = found.facts.grants.iter().filter(|g| g.end_kind == EndKind::Open).count();
    assert_eq!(Some(open as u64), truth["violations"]["V02_NO_EXPIRY"].as_u64());
    let late = |g: &&Grant| matches!((g.ended_at_hi, g.not_after), (Some(e), Some(n)) if e.secs_since(n) > 900);
    let late = found.facts.grants.iter().filter(late).count();
    assert_eq!(Some(late as u64), truth["violations"]["V13_REVOKED_LATE"].as_u64());
}

#[test]
fn a_grant_row_field_by_field() {
    let csv = format!(
        "{GRANTS}\
        g1,broker-0,AWS,alice@corp.example,human,admin,aws:1,t1,a1,2026-01-01T00:00:00Z,2026-01-01T00:01:00Z,2026-01-01T01:00:00Z,2026-01-01T00:30:00Z,\"fix, now\"\n\
        g2,broker-0,aws,agent:x,agent,read,aws:1,,,2026-01-01T00:00:00Z,2026-01-01T00:01:00Z,,,\n\
        g3,broker-0,aws,agent:x,agent,read,aws:1,,,2026-01-01T00:00:00Z,2026-01-01T00:01:00Z,2026-01-01T01:00:00Z,,\n"
    );
    let found = read(&[("grants.csv", csv.as_bytes())]);
    let g = &found.facts.grants[0];
    assert_eq!((&*g.system, g.platform.as_deref()), ("broker-0", Some("aws")));
    assert_eq!(
        (&*g.beneficiary, g.beneficiary_kind),
        ("alice@corp.example", Some(PrincipalKind::Human))
    );
    assert_eq!((&*g.privilege, g.scope.as_deref()), ("admin", Some("aws:1")));
    assert_eq!((g.task_ref.as_deref(), g.approval_ref.as_deref()), (Some("t1"), Some("a1")));
    assert_eq!((g.not_before, g.not_after), (t("2026-01-01T00:01:00Z"), t("2026-01-01T01:00:00Z")));
    assert_eq!(
        (g.activated_at_lo, g.ended_at_lo, g.ended_at_hi),
        (t("2026-01-01T00:01:00Z"), t("2026-01-01T00:30:00Z"), t("2026-01-01T00:30:00Z"))
    );
    assert_eq!((word(g.decision), word(g.end_kind)), ("unknown", "unknown"));
    assert_eq!(g.justification.as_deref(), Some("fix, now"));
    assert_eq!((&*g.source_id, &*g.source_ref), ("S0001", "L2"));
    // Without end and expiry the ledger says that it is open; with an expiry it does not say how it ended.
    assert_eq!(
        (word(found.facts.grants[1].end_kind), found.facts.grants[1].not_after),
        ("open", None)
    );
    assert_eq!(
        (word(found.facts.grants[2].end_kind), found.facts.grants[2].ended_at_lo),
        ("unknown", None)
    );
    // Expiries lie in the future; they are no evidence of when the ledger was written.
    assert_eq!(found.facts.sources[0].last_time, t("2026-01-01T00:30:00Z"));
}

#[test]
fn optional_columns_of_a_ledger() {
    let csv = "Grant_ID ;principal;role;requester;on_behalf_of;status;decided_at;approver;granted_at;expires_at;ended_at;end_reason;ticket;break_glass;session_duration;platform;approved_privilege;n_extensions;extended_until\n\
        g1;agent:x;admin;bob;carol;approved;2026-01-01T00:00:30Z;dave;2026-01-01T00:01:00Z;2026-01-01T01:00:00Z;2026-01-01T02:00:00Z;expired;INC-1;yes;PT8H;k8s;view;;2026-01-01T02:00:00Z\n\
        g2;agent:x;admin;bob;;rejected;2026-01-01T00:00:30Z;dave;;;;;;;;;;;\n\
        g3;agent:x;admin;bob;;weird;;;2026-01-01T00:01:00Z;;;;;;;;;;\n\
        g4;agent:x;admin;bob;;expired;;;;2026-01-01T01:00:00Z;;;;;;;;;\n";
    let found = read(&[("ledger.csv", csv.as_bytes())]);
    let [g1, g2] = &found.facts.grants[..] else { panic!("{:?}", quarantine(&found)) };
    assert_eq!((g1.requester.as_deref(), g1.on_behalf_of.as_deref()), (Some("bob"), Some("carol")));
    assert_eq!((word(g1.decision), word(g1.end_kind)), ("approved", "expired"));
    assert_eq!(
        (g1.ticket_id.as_deref(), g1.break_glass, g1.session_duration_s),
        (Some("INC-1"), Some(true), Some(28_800))
    );
    assert_eq!((g1.approved_privilege.as_deref(), g1.n_extensions), (Some("view"), 1));
    assert_eq!((&*g1.system, g1.platform.as_deref()), ("ledger", Some("k8s")));
    let e = &found.facts.grant_events[0];
    assert_eq!(
        (word(e.kind), e.occurred_at, e.new_end),
        ("extended", t("2026-01-01T01:00:00Z").unwrap(), t("2026-01-01T02:00:00Z"))
    );
    assert_eq!(found.facts.delegations[0].parent.as_ref(), "carol");
    let verdicts: Vec<_> = found
        .facts
        .approvals
        .iter()
        .map(|a| (a.grant_id.as_deref(), a.approver.as_deref(), word(a.verdict)))
        .collect();
    assert_eq!(
        verdicts,
        [(Some("g1"), Some("dave"), "approve"), (Some("g2"), Some("dave"), "deny")]
    );
    assert_eq!(word(g2.decision), "denied");
    let q = quarantine(&found);
    assert_eq!(q.len(), 2);
    assert!(
        q[0].1.contains("`decision` is `weird`") && q[0].1.contains("values.decision"),
        "{q:?}"
    );
    assert!(q[1].1.contains("no start"), "{q:?}");
}

#[test]
fn a_mapping_names_columns_values_and_zone() {
    let s = settings(
        r#"
        [[mapping]]
        file = "export*.csv"
        missing_end_means = "open"
        time_offset = "+02:00"
        duration_unit = "h"
        time_format = "%d.%m.%Y %H:%M"
        columns = { native_id = "Nr", beneficiary = "Wer", privilege = "Recht", not_before = "Von", duration = "Std", decision = "Stand" }
        constants = { platform = "azure", broker = "tool" }
        values = { decision = { "Genehmigt" = "approved" } }
        "#,
    );
    let csv = b"Nr;Wer;Recht;Von;Std;Stand\n1;alice;Admin;05.09.2026 14:30;8;genehmigt\n2;alice;Admin;gestern;8;genehmigt\n";
    let found = read_with(&[("export1.csv", csv)], &s);
    let g = &found.facts.grants[0];
    assert_eq!((g.not_before, g.not_after), (t("2026-09-05T12:30:00Z"), t("2026-09-05T20:30:00Z")));
    assert_eq!((word(g.decision), word(g.end_kind)), ("approved", "open"));
    assert_eq!((&*g.system, g.platform.as_deref()), ("tool", Some("azure")));
    assert_eq!(found.facts.sources[0].ambiguous_times, 0);
    assert!(
        quarantine(&found)[0].1.contains("`not_before` is `gestern`"),
        "{:?}",
        quarantine(&found)
    );
}

#[test]
fn wrong_mappings_are_named() {
    let wrong = |toml: &str| {
        let dir = dir(&[("x.csv", b"a,b,c,d,e\n1,2,3,4,5\n")]);
        let found = ingest(
            &[dir.path().to_path_buf()],
            &settings(&format!("[[mapping]]\nfile = \"x.csv\"\n{toml}")),
        );
        match found {
            Err(e) => e.to_string(),
            Ok(f) => f.failed[0].error.clone(),
        }
    };
    for (toml, part) in [
        ("columns = { grant = \"a\" }", "the field `grant`, which is not known; fields: native_id"),
        ("format = \"nope\"", "unknown format `nope`; formats: "),
        ("columns = { native_id = \"a\", beneficiary = \"a\" }", "given to both"),
        (
            "columns = { native_id = \"z\" }",
            "the column `z`, which the file lacks; columns: a, b, c, d, e",
        ),
        (
            "columns = { native_id = \"a\", beneficiary = \"b\", privilege = \"c\", not_before = \"d\" }",
            "`not_after` or `duration` or `ended_at`",
        ),
        ("columns = { native_id = \"a\" }\ntime_offset = \"2\"", "time_offset `2`"),
        (
            "columns = { native_id = \"a\" }\nmissing_end_means = \"maybe\"",
            "missing_end_means `maybe`",
        ),
        ("columns = { native_id = \"a\" }\ntime_format = \"iso\"", "time_format `iso`"),
        ("columns = { native_id = \"a\" }\nduration_unit = \"y\"", "duration_unit `y`"),
    ] {
        let e = wrong(toml);
        assert!(e.contains(part), "{toml}: {e}");
    }
}

#[test]
fn every_generic_kind_is_recognised_in_every_shape() {
    let tables: [(&str, &str, &str); 9] = [
        (
            "ledger-generic",
            "grant_id,principal,role,granted_at,expires_at",
            "g1,alice,admin,2026-01-01T00:00:00Z,2026-01-01T01:00:00Z",
        ),
        (
            "approvals-generic",
            "approval_id,grant_id,approver,decision,decided_at",
            "a1,g1,bob,approved,2026-01-01T00:00:00Z",
        ),
        (
            "grant-events-generic",
            "grant_id,event,at,actor,new_end,reason",
            "g1,extended,2026-01-01T00:00:00Z,bob,2026-01-02T00:00:00Z,more",
        ),
        (
            "credentials-generic",
            "credential_id,kind,principal,grant_id,issued_at,expires_at,revoked_at,last_used_at",
            "AKIAIOSFODNN7EXAMPLE,key,alice,g1,2026-01-01T00:00:00Z,never,,2026-01-01T00:00:00Z",
        ),
        (
            "tasks-generic",
            "task_id,kind,owner,opened_at,closed_at,status,declared_needs",
            "t1,incident,alice,2026-01-01T00:00:00Z,2026-01-01T01:00:00Z,done,a;b",
        ),
        (
            "usage-generic",
            "principal,system,role,scope,grant_id,day,count,first_seen,last_seen,errors",
            "alice,aws,admin,aws:1,g1,2026-01-01,3,2026-01-01T00:00:00Z,2026-01-01T00:10:00Z,0",
        ),
        (
            "owners-generic",
            "principal,owner,team,active,valid_from,valid_to",
            "role-x,bob,core,true,2026-01-01,",
        ),
        (
            "reviews-generic",
            "principal,privilege,scope,decision,reviewer,reviewed_at",
            "alice,admin,aws:1,keep,bob,2026-01-01",
        ),
        ("resources-generic", "resource,environment,sensitivity", "aws:1,Prod,high"),
    ];
    for (format, header, row) in tables {
        let object: serde_json::Map<String, serde_json::Value> = header
            .split(',')
            .zip(row.split(','))
            .map(|(k, v)| {
                let value = match (v, v.parse::<i64>()) {
                    ("", _) => serde_json::Value::Null,
                    (_, Ok(n)) => n.into(),
                    _ => v.into(),
                };
                (k.to_owned(), value)
            })
            .collect();
        let json = serde_json::to_string(&object).unwrap();
        let pretty = serde_json::to_string_pretty(&object).unwrap();
        let shapes = [
            format!("{header}\n{row}\n"),
            format!(
                "\u{feff}{}\n{}\n",
                header.to_uppercase().replace(',', " ; "),
                row.replace(',', ";").replace("a;b", "\"a;b\"")
            ),
            format!("{}\n{}\n", header.replace(',', "\t"), row.replace(',', "\t")),
            format!("{json}\n{}\n", json.replace("\"g1\"", "\"g2\"")),
            format!("[{pretty}]"),
            pretty,
        ];
        for text in shapes {
            let found = read(&[("input", text.as_bytes())]);
            assert_eq!(
                found.facts.sources.len(),
                1,
                "{format}: {text}\n{:?} {:?}",
                found.unknown,
                found.failed
            );
            let s = &found.facts.sources[0];
            assert_eq!(
                (&*s.format, s.quarantined),
                (format, 0),
                "{text}\n{:?}",
                quarantine(&found)
            );
            let rows: usize = found
                .facts
                .frames()
                .unwrap()
                .iter()
                .filter(|(k, _)| **k != "sources")
                .map(|(_, f)| f.height())
                .sum();
            assert!(rows > 0, "{format}");
        }
    }
}

#[test]
fn values_of_the_other_tables() {
    let found = read(&[
        ("c.csv", b"credential_id,kind,principal,issued_at,expires_at,last_used_at\nAKIAIOSFODNN7EXAMPLE,access key,alice,2026-01-01,never,\nshort,token,alice,2026-01-01,2026-02-01,2026-01-05\nx,key,alice,2026-01-01,,\n"),
        ("o.csv", b"principal,owner,active\nr1,none,\nr2,bob,no\n"),
        ("t.ndjson", b"{\"task_id\":1,\"opened_at\":\"2026-01-01T00:00:00Z\",\"closed_at\":\"2026-01-01T01:00:00Z\",\"status\":\"in progress\",\"declared_needs\":[\"s3:GetObject\"]}\n{\"task_id\":2,\"opened_at\":1767225600,\"closed_at\":1767229200000,\"status\":\"Closed\"}\n"),
        ("u.csv", b"principal,action,at,outcome\nalice,s3:GetObject,2026-01-01T00:00:00Z,denied\nbob,s3:GetObject,,allowed\n"),
    ]);
    let c: Vec<_> = found
        .facts
        .credentials
        .iter()
        .map(|c| (&*c.credential_id, c.no_expiry, c.use_tracked))
        .collect();
    assert_eq!(
        c,
        [("AKIA...MPLE", Some(true), false), ("s...t", Some(false), true), ("...", None, false)]
    );
    assert_eq!(found.facts.credentials[1].expires_at, t("2026-02-02"));
    let o: Vec<_> = found.facts.owners.iter().map(|o| (o.owner.as_deref(), o.active)).collect();
    assert_eq!(o, [(None, None), (Some("bob"), Some(false))]);
    let [one, two] = &found.facts.tasks[..] else { panic!() };
    assert_eq!((&*one.task_id, one.ended_at_lo, word(one.state)), ("1", None, "running"));
    assert_eq!(one.declared_needs.as_ref().unwrap()[0].as_ref(), "s3:GetObject");
    assert_eq!(
        (two.started_at_lo, two.ended_at_hi, two.declared_needs.is_none()),
        (t("2026-01-01"), t("2026-01-01T01:00:00Z"), true)
    );
    let u = &found.facts.usage[0];
    assert_eq!((word(u.outcome), word(u.grain), u.count), ("denied", "event", Some(1)));
    assert!(quarantine(&found)[0].1.contains("no time of use"));
}

/// The export of last week and that of today are one ledger: the grant has its later state, whatever
/// the order of the files.
#[test]
fn exports_at_two_times_show_one_grant() {
    let row =
        "g1,b,aws,alice,human,admin,aws:1,t1,a1,,2026-01-01T00:01:00Z,2026-01-01T01:00:00Z,,\n";
    let ended = row.replace("01:00:00Z,,", "01:00:00Z,2026-01-01T00:30:00Z,");
    for (a, b) in [(row, &*ended), (&*ended, row)] {
        let found = read(&[
            ("a.csv", format!("{GRANTS}{a}").as_bytes()),
            ("b.csv", format!("{GRANTS}{b}").as_bytes()),
        ]);
        assert_eq!(found.facts.grants.len(), 1);
        assert_eq!(found.facts.grants[0].ended_at_lo, t("2026-01-01T00:30:00Z"));
        assert!(found.facts.quarantine.is_empty());
    }
    let other = ended.replace("00:30:00Z", "00:40:00Z");
    let found = read(&[
        ("a.csv", format!("{GRANTS}{ended}").as_bytes()),
        ("b.csv", format!("{GRANTS}{other}").as_bytes()),
    ]);
    assert_eq!(quarantine(&found).len(), 1, "two ends contradict");
}

#[test]
fn duplicates_fold_and_contradictions_are_counted() {
    let row =
        "g1,b,aws,alice,human,admin,aws:1,t1,a1,,2026-01-01T00:01:00Z,2026-01-01T01:00:00Z,,\n";
    let other = row.replace("alice", "mallory");
    let elsewhere = row.replace(",b,", ",c,");
    let usage = "principal,role,count,first_seen,last_seen\nalice,admin,1,2026-01-01,2026-01-01\nalice,admin,1,2026-01-01,2026-01-01\n";
    let found = read(&[
        ("a.csv", format!("{GRANTS}{row}{row}").as_bytes()),
        ("b.csv", format!("{GRANTS}{other}{elsewhere}").as_bytes()),
        ("t1.csv", b"task_id,opened_at,closed_at,status\nt1,2026-01-01,,open\n"),
        ("t2.csv", b"task_id,opened_at,closed_at,status\nt1,2026-01-01,2026-01-02,done\n"),
        ("u1.csv", usage.as_bytes()),
        ("u2.csv", usage.as_bytes()),
    ]);
    let grants: Vec<_> = found.facts.grants.iter().map(|g| (&*g.beneficiary, &*g.system)).collect();
    assert_eq!(grants, [("alice", "b"), ("alice", "c")]);
    let b = &found.facts.sources[1];
    assert_eq!((b.records, b.accepted, b.quarantined, b.conflicting_duplicates), (2, 1, 1, 1));
    assert_eq!(
        quarantine(&found),
        [(
            "L2".to_owned(),
            "grant `g1` is already at S0001#L2 with different content; the first is kept"
                .to_owned()
        )]
    );
    // The later export knows the end; that is no contradiction.
    assert_eq!(found.facts.tasks.len(), 1);
    assert!(found.facts.tasks[0].ended_at_lo.is_some());
    // Two equal rows in one file are two uses; the second file is the same export.
    assert_eq!(found.facts.usage.len(), 2);
}

#[test]
fn approval_in_ledger_and_in_its_own_table_is_one() {
    let found = read(&[
        ("a.csv", b"approval_id,grant_id,approver,decision,decided_at,required\na1,g1,bob,approved,2026-01-01T00:00:00Z,2\n"),
        ("g.csv", b"grant_id,principal,role,granted_at,expires_at,approval_id,approver,decision\ng1,alice,admin,2026-01-01T00:01:00Z,2026-01-02T00:00:00Z,a1,bob,approved\n"),
    ]);
    assert_eq!(found.facts.approvals.len(), 1);
    assert_eq!(found.facts.approvals[0].required, Some(2));
    assert!(found.facts.quarantine.is_empty());
}

#[test]
fn claims_of_the_settings_set_the_window() {
    let s = settings(
        "[[coverage]]\nlayer = \"task\"\nfile = \"t*.csv\"\nstart = \"2026-01-01\"\nend = \"2026-04-01\"\ncomplete = true\n",
    );
    let csv = b"task_id,opened_at\nt1,2026-01-01\n";
    let found = read_with(&[("t1.csv", csv), ("x.csv", b"task_id,opened_at\nt2,2026-01-01\n")], &s);
    let [a, b] = &found.facts.sources[..] else { panic!() };
    assert_eq!(
        (a.window_start, a.window_end, word(a.completeness)),
        (t("2026-01-01"), t("2026-04-01"), "complete")
    );
    assert_eq!((b.window_start, word(b.completeness)), (None, "unknown"));
    assert_eq!(a.ambiguous_times, 1);
    assert_eq!(a.sha256.len(), 64);
}

#[test]
fn github_documents_mean_what_the_api_says() {
    let path = shared("tasks/github_actions");
    let found = ingest(&[path], &Settings::defaults()).unwrap();
    let tasks = &found.facts.tasks;
    let task = |id: &str, kind| {
        tasks.iter().find(|t| &*t.task_id == id && t.kind == kind).unwrap_or_else(|| panic!("{id}"))
    };
    // `action` says completed, `status` says queued: the run has not ended and not begun.
    let run = task("1589141559", TaskKind::CiRun);
    assert_eq!((word(run.state), run.started_at_lo, run.ended_at_hi), ("queued", None, None));
    assert_eq!(run.queued_at, t("2021-12-16T19:37:22Z"));
    assert!(run.other_ids.iter().any(|i| &**i == "Codertocat/Hello-World/actions/runs/1589141559"));
    assert!(run.other_ids.iter().any(|i| &**i == "1589141559#1"));
    let run = task("289782451", TaskKind::CiRun);
    assert_eq!((word(run.state), run.ended_at_hi), ("succeeded", t("2020-10-05T16:33:49Z")));
    // A job that waits for its environment is not running.
    let job = task("12877621891", TaskKind::CiJob);
    assert_eq!((word(job.state), job.started_at_lo, job.ended_at_lo), ("waiting", None, None));
    assert_eq!(
        (job.queued_at, job.parent_id.as_deref()),
        (t("2023-04-19T21:12:12Z"), Some("4747967848"))
    );
    let job = task("14541957942", TaskKind::CiJob);
    assert_eq!(
        (word(job.state), job.started_at_lo, job.ended_at_lo),
        ("running", t("2023-06-26T03:31:36Z"), None)
    );
    // Audit rows: the attempt is part of the id.
    let run = task("5555555555#3", TaskKind::CiRun);
    assert_eq!(
        (run.started_at_lo, run.ended_at_hi, word(run.state)),
        (t("2023-01-31T18:58:04Z"), t("2023-01-31T18:58:27Z"), "failed")
    );
    // One row has no run; two samples tell of one job, and of two outcomes.
    let q = quarantine(&found);
    assert_eq!(q.len(), 2, "{q:?}");
    assert!(q[0].1.contains("task `289782451` is already at"), "{q:?}");
    assert_eq!(word(task("289782451", TaskKind::CiJob).state), "unknown");
}

#[test]
fn github_pages_list_runs_and_jobs() {
    let runs = br#"{"total_count": 3, "workflow_runs": [
        {"id": 7, "run_attempt": 1, "status": "completed", "conclusion": "success", "created_at": "2026-01-01T00:00:00Z",
         "run_started_at": "2026-01-01T00:00:05Z", "updated_at": "2026-01-01T00:20:00Z", "actor": {"login": "alice"},
         "html_url": "https://github.com/o/r/actions/runs/7", "repository": {"full_name": "o/r"}},
        {"id": 8, "run_attempt": 2, "status": "in_progress", "created_at": "2026-01-01T00:00:00Z",
         "run_started_at": "2026-01-01T00:00:05Z", "updated_at": "2026-01-01T00:20:00Z"},
        {"status": "queued"}]}"#;
    let jobs = br#"{"total_count": 1, "jobs": [
        {"id": 70, "run_id": 7, "run_attempt": 1, "status": "completed", "conclusion": "success", "name": "deploy",
         "started_at": "2026-01-01T00:00:10Z", "completed_at": "2026-01-01T00:10:00Z", "html_url": "https://github.com/o/r/actions/runs/7/job/70"}]}"#;
    let found = read(&[("runs.json", runs), ("jobs.json", jobs)]);
    let ids: Vec<_> = found.facts.tasks.iter().map(|t| &*t.task_id).collect();
    assert_eq!(ids, ["70", "7", "8#2"]);
    let run = &found.facts.tasks[1];
    // The last job ended ten minutes before the run was last touched: that is its end.
    let end = t("2026-01-01T00:10:00Z");
    assert_eq!((run.ended_at_lo, run.ended_at_hi), (end, end));
    assert_eq!(run.triggered_by.as_deref(), Some("alice"));
    assert_eq!(found.facts.tasks[2].ended_at_lo, None);
    assert_eq!(found.facts.tasks[0].parent_id.as_deref(), Some("7"));
    let q = quarantine(&found);
    assert_eq!(q[0].0, "/workflow_runs/2");
    let s = &found.facts.sources[1];
    assert_eq!((s.records, s.accepted, s.quarantined), (3, 2, 1));
}

#[test]
fn github_audit_rows_of_other_actions_are_counted_not_refused() {
    let log = br#"{"action":"repo.create","created_at":{"odd":1},"workflow_run_id":[]}
{"action":"workflows.completed_workflow_run","workflow_run_id":"9","repo":"o/r","started_at":1767225600000,"completed_at":1767225660000,"conclusion":"cancelled"}
"#;
    let found = read(&[("audit.ndjson", log)]);
    let run = &found.facts.tasks[0];
    assert_eq!((&*run.task_id, word(run.state)), ("9", "canceled"));
    assert_eq!((run.started_at_lo, run.ended_at_hi), (t("2026-01-01"), t("2026-01-01T00:01:00Z")));
    assert!(found.facts.quarantine.is_empty(), "{:?}", quarantine(&found));
    assert!(
        found.facts.sources[0]
            .limitation
            .as_deref()
            .unwrap()
            .starts_with("1 records are of other kinds")
    );
}

#[cfg(feature = "columnar-io")]
#[test]
fn parquet_reads_like_csv() {
    use polars::prelude::*;
    let mut frame = DataFrame::new(
        2,
        vec![
            Column::new("grant_id".into(), ["g1", "g2"]),
            Column::new("principal".into(), ["alice", "bob"]),
            Column::new("role".into(), [Some("admin"), None]),
            Column::new("granted_at".into(), [1_767_225_600_000i64, 1_767_225_600_000])
                .cast(&DataType::Datetime(TimeUnit::Milliseconds, None))
                .unwrap(),
            Column::new("expires_at".into(), [1_767_229_200_000_000i64, 0])
                .cast(&DataType::Datetime(TimeUnit::Microseconds, None))
                .unwrap(),
        ],
    )
    .unwrap();
    let mut bytes = Vec::new();
    ParquetWriter::new(&mut bytes).finish(&mut frame).unwrap();
    let found = read(&[("grants.parquet", &bytes), ("cut.parquet", &bytes[..bytes.len() / 2])]);
    assert_eq!(found.facts.grants.len(), 1, "{:?} {:?}", found.failed, found.unknown);
    let g = &found.facts.grants[0];
    assert_eq!(
        (g.not_before, g.not_after, &*g.source_ref),
        (t("2026-01-01"), t("2026-01-01T01:00:00Z"), "R1")
    );
    assert_eq!(quarantine(&found), [("R2".to_owned(), "`privilege` is missing".to_owned())]);
    // Both times of the accepted row are without zone.
    assert_eq!(found.facts.sources[0].ambiguous_times, 2);
    assert!(found.failed[0].error.contains("Parquet"), "{:?}", found.failed);
}

#[test]
fn approvals_and_events_alone_are_no_ledger() {
    let events: (&str, &[u8]) =
        ("events.csv", b"grant_id,event,at\ng-1,extended,2026-10-01T10:00:00Z\n");
    let approvals: (&str, &[u8]) = (
        "approvals.csv",
        b"approval_id,grant_id,approver,decision,decided_at\na-1,g-1,ana,approved,2026-10-01T08:50:00Z\n",
    );
    let grants: (&str, &[u8]) = (
        "grants.csv",
        b"grant_id,principal,role,granted_at,expires_at\ng-1,p,r,2026-10-01T09:00:00Z,2026-10-01T11:00:00Z\n",
    );
    let layers = |found: &Ingested| found.facts.sources.iter().map(|s| s.layer).collect::<Vec<_>>();

    let found = read(&[events, approvals]);
    assert_eq!(layers(&found), [Layer::Context, Layer::Context]);
    assert!(found.facts.sources.iter().all(|s| s.limitation.is_some()), "says why");

    let found = read(&[events, approvals, grants]);
    assert_eq!(layers(&found), [Layer::Ledger, Layer::Ledger, Layer::Ledger]);
}
