use super::super::reader::tests::gzip;
use super::*;

const GOOD: &str = "g1,b,aws,alice,human,admin,aws:1,t1,a1,2026-01-01T00:00:00Z,2026-01-01T00:01:00Z,2026-01-01T01:00:00Z,,ok\n";

#[test]
fn ragged_rows_are_quarantined_and_the_rest_is_read() {
    for eol in ["\n", "\r\n"] {
        let text = format!(
            "{GRANTS}{GOOD}g2,short\n{}g4,b,\"multi\nline\"\n{}",
            GOOD.replace("g1", "g3"),
            GOOD.replace("g1", "g5")
        )
        .replace('\n', eol);
        let found = read(&[("grants.csv", text.as_bytes())]);
        let ids: Vec<_> =
            found.facts.grants.iter().map(|g| (&*g.grant_id, &*g.source_ref)).collect();
        assert_eq!(ids, [("g1", "L2"), ("g3", "L4"), ("g5", "L7")]);
        let q = quarantine(&found);
        assert_eq!(q.len(), 2);
        assert_eq!((q[0].0.as_str(), q[0].1.as_str()), ("L3", "has 2 fields, the header has 14"));
        assert_eq!(q[1].0, "L5");
        let s = &found.facts.sources[0];
        assert_eq!((s.records, s.accepted, s.quarantined), (5, 3, 2));
    }
}

#[test]
fn an_open_quote_is_named_and_marks_the_source_as_cut() {
    let text = format!("{GRANTS}{GOOD}g2,\"never closed\n{GOOD}{GOOD}{GOOD}");
    let found = read(&[("grants.csv", text.as_bytes())]);
    assert_eq!(found.facts.grants.len(), 1);
    assert!(quarantine(&found)[0].1.contains("is a quote not closed?"), "{:?}", quarantine(&found));
    assert_eq!(found.facts.sources[0].completeness, crate::facts::Completeness::Truncated);
}

#[test]
fn cut_json_fails_alone_and_says_where() {
    let whole = r#"{"task_id":"t1","opened_at":"2026-01-01T00:00:00Z"}"#;
    let found = read(&[
        ("a.json", br#"[{"task_id":"t1","opened_at":"2026-01-01T00:00:00Z"},{"task_id":"t"#),
        ("b.json", format!("[{whole}]").as_bytes()),
        (
            "c.ndjson",
            format!("{whole}\n{{\"task_id\":\n{}\n", whole.replace("t1", "t2")).as_bytes(),
        ),
    ]);
    assert_eq!(found.failed.len(), 1);
    assert!(found.failed[0].error.contains("cut off"), "{}", found.failed[0].error);
    assert_eq!(found.facts.tasks.len(), 2);
    assert_eq!(quarantine(&found)[0].0, "L2");
}

#[test]
fn keys_that_occur_twice_are_refused() {
    let found = read(&[
        ("a.ndjson", b"{\"task_id\":\"t1\",\"opened_at\":\"2026-01-01\"}\n{\"task_id\":\"t2\",\"task_id\":\"t3\",\"opened_at\":\"2026-01-01\"}\n"),
        ("b.csv", b"task_id,opened_at,Task_ID\nt1,2026-01-01,t2\n"),
    ]);
    assert_eq!(
        quarantine(&found),
        [("L2".to_owned(), "the key `task_id` occurs twice".to_owned())]
    );
    assert!(found.failed[0].error.contains("`Task_ID` occurs twice"), "{:?}", found.failed);
}

#[test]
fn files_that_are_no_evidence_are_named() {
    let utf16: Vec<u8> = GRANTS.encode_utf16().flat_map(u16::to_le_bytes).collect();
    let found = read(&[
        ("empty.csv", b""),
        ("binary.dat", b"\x7fELF\0\0\0\x01\x02"),
        ("prose.txt", b"nothing to see"),
        ("README.md", b"# x"),
        (".hidden", b"x"),
        ("sub/table.csv", b"colour,size\nred,1\n"),
        ("utf16.csv", &utf16),
    ]);
    assert!(found.facts.sources.is_empty());
    let unknown: Vec<_> = found.unknown.iter().map(|u| u.file.as_str()).collect();
    assert_eq!(unknown, ["binary.dat", "empty.csv", "prose.txt", "sub/table.csv"]);
    assert!(found.unknown[3].why.contains("colour, size"), "{}", found.unknown[3].why);
    let ignored: Vec<_> = found.ignored.iter().map(|u| u.file.as_str()).collect();
    assert_eq!(ignored, [".hidden", "README.md"]);
    assert!(found.failed[0].error.contains("iconv"), "{:?}", found.failed);
}

#[test]
fn an_empty_directory_is_no_error() {
    let found = read(&[]);
    assert!(found.facts.sources.is_empty() && found.failed.is_empty());
}

#[test]
fn a_missing_argument_is_an_error() {
    let e = ingest(&[PathBuf::from("/no/such/file")], &Settings::defaults()).unwrap_err();
    assert!(e.to_string().contains("/no/such/file"), "{e}");
}

#[test]
fn depth_does_not_exhaust_the_stack() {
    let deep = "[".repeat(10_000) + &"]".repeat(10_000);
    let record = format!(
        "{{\"task_id\":\"t1\",\"opened_at\":\"2026-01-01\",\"x\":{deep},\"needs\":{deep}}}"
    );
    let found = read(&[
        ("deep.json", deep.as_bytes()),
        ("deep.ndjson", format!("{record}\n{}\n", record.replace("t1", "t2")).as_bytes()),
        ("deep_array.json", format!("[{}]", record.replace("t1", "t3")).as_bytes()),
        ("run.json", format!("{{\"action\":\"x\",\"workflow_run\":{deep}}}").as_bytes()),
    ]);
    assert_eq!(found.facts.tasks.len(), 3);
    assert_eq!(found.unknown.len(), 1);
    assert_eq!(found.facts.quarantine.len(), 1);
}

#[test]
fn a_gzip_bomb_is_refused() {
    let mut bomb = gzip(GRANTS.as_bytes());
    bomb.extend(gzip(&vec![b'\n'; 1 << 20]).repeat(80));
    let found = read(&[("grants.csv.gz", &bomb)]);
    assert!(found.facts.grants.is_empty());
    assert!(found.failed[0].error.contains("decompression bomb"), "{:?}", found.failed);
}

#[test]
fn a_line_beyond_the_bound_is_refused() {
    let mut line = b"{\"task_id\":\"t1\",\"opened_at\":\"2026-01-01\"}\n{\"task_id\":\"".to_vec();
    line.resize(17 << 20, b'x');
    let mut csv = b"task_id,opened_at\nt1,2026-01-01\n".to_vec();
    csv.resize(17 << 20, b'x');
    let found = read(&[("long.ndjson", &line), ("long.csv", &csv)]);
    assert_eq!(found.failed.len(), 2);
    for f in &found.failed {
        assert!(f.error.contains("a line is longer than 16 MiB"), "{}", f.error);
    }
}

#[test]
fn bytes_that_are_no_text_cost_one_record() {
    let mut text = format!("{GRANTS}{GOOD}").into_bytes();
    text.extend(b"g2,b,aws,al\xffice,human,admin,aws:1,t1,a1,,2026-01-01T00:01:00Z,,,\n");
    text.extend(b"g3,b,aws,al\0ice,human,admin,aws:1,t1,a1,,2026-01-01T00:01:00Z,,,\n");
    text.extend(GOOD.replace("g1", "g4").bytes());
    let found = read(&[("grants.csv", &text)]);
    // A NUL that early makes the file binary; further behind it costs the record only.
    assert_eq!(found.unknown.len(), 1);
    let padded: Vec<u8> = [
        GRANTS.as_bytes(),
        GOOD.repeat(60).as_bytes(),
        text.strip_prefix(GRANTS.as_bytes()).unwrap(),
    ]
    .concat();
    let found = read(&[("grants.csv", &padded)]);
    let q = quarantine(&found);
    let own: Vec<_> = q.iter().filter(|(_, r)| !r.contains("already")).collect();
    assert_eq!(own.len(), 2, "{q:?}");
    assert_eq!((own[0].0.as_str(), own[0].1.as_str()), ("L63", "not UTF-8 text"));
    assert_eq!((own[1].0.as_str(), own[1].1.as_str()), ("L64", "a value holds a NUL byte"));
    assert_eq!(found.facts.grants.len(), 2);
}

#[cfg(unix)]
#[test]
fn links_do_not_loop_and_no_file_counts_twice() {
    let dir = dir(&[("a/grants.csv", format!("{GRANTS}{GOOD}").as_bytes())]);
    std::os::unix::fs::symlink(dir.path(), dir.path().join("a/loop")).unwrap();
    std::os::unix::fs::symlink(dir.path().join("a/grants.csv"), dir.path().join("b.csv")).unwrap();
    std::os::unix::fs::symlink(dir.path().join("nowhere"), dir.path().join("dangling.csv"))
        .unwrap();
    let found = ingest(&[dir.path().to_path_buf()], &Settings::defaults()).unwrap();
    assert_eq!(found.facts.sources.len(), 1);
    assert_eq!(found.facts.grants.len(), 1);
    assert_eq!(found.failed.len(), 1);
    assert!(found.ignored.iter().any(|i| i.file == "a/loop"));
}

#[test]
fn the_order_of_arguments_and_threads_changes_nothing() {
    let a = dir(&[("x.csv", format!("{GRANTS}{GOOD}").as_bytes())]);
    let b = dir(&[
        ("x.csv", format!("{GRANTS}{}", GOOD.replace("g1", "g2")).as_bytes()),
        ("y.csv", b"task_id,opened_at\nt1,2026-01-01\n"),
    ]);
    let paths = [a.path().to_path_buf(), b.path().to_path_buf()];
    let reversed = [b.path().to_path_buf(), a.path().to_path_buf()];
    let one = ingest(&paths, &Settings::defaults()).unwrap();
    let pool = rayon::ThreadPoolBuilder::new().num_threads(1).build().unwrap();
    let two = pool.install(|| ingest(&reversed, &Settings::defaults())).unwrap();
    assert_eq!(one.facts.grants, two.facts.grants);
    assert_eq!(one.facts.sources, two.facts.sources);
    assert_ne!(one.facts.sources[0].file, one.facts.sources[1].file);
}

/// Documents with the keys that recognition looks for, and values of every wrong kind: nothing panics,
/// nothing is taken silently, and the neighbours are read.
#[test]
fn wrong_values_under_the_right_keys_of_aws() {
    let deep = "[".repeat(5_000) + &"]".repeat(5_000);
    let values =
        ["null", "7", "\"x\"", "[]", "{}", "[null,7,\"x\",[],{}]", "{\"a\":{\"b\":[]}}", &deep];
    let shapes = [
        r#"{"Policy":V,"x":"PolicySummary"}"#,
        r#"{"Policies":V,"x":"SERVICE_CONTROL_POLICY"}"#,
        r#"{"Targets":V,"x":"TargetId"}"#,
        r#"{"Roots":V,"Accounts":V,"OrganizationalUnits":V,"Parents":V,"x":":organizations::"}"#,
        r#"{"levels":V}"#,
        r#"{"PermissionSet":V,"PermissionSets":V,"x":":permissionSet/"}"#,
        r#"{"AccountAssignments":V,"Users":V,"Groups":V,"GroupMemberships":V,"x":"IdentityStoreId"}"#,
        r#"{"InlinePolicy":V,"PermissionSetArn":"arn:aws:sso:::permissionSet/a/ps-1"}"#,
        r#"{"findings":V,"x":"resourceOwnerAccount"}"#,
        r#"{"detail-type":"t","detail":V,"x":"aws.access-analyzer"}"#,
        r#"{"arn":"arn:aws:s3:::b","policy":V,"x":"Statement"}"#,
        r#"{"Records":V,"x":"eventVersion"}"#,
        r#"{"eventVersion":"1","eventName":"AssumeRole","eventSource":"sts.amazonaws.com","eventTime":"2026-01-01T00:00:00Z","requestParameters":V,"responseElements":V,"userIdentity":{"arn":"a"}}"#,
        r#"{"Role":V,"x":"RoleName"}"#,
        r#"{"Items":V,"x":["roleId","startTime","duration","accountId"]}"#,
        r#"{"operation_type":V,"permission_duration":V,"requester_email":V}"#,
        r#"{"id":"1","request_status":V,"changes":V,"requester_email":"a","timestamp":"2026-01-01"}"#,
    ];
    for shape in shapes {
        for value in values {
            let content = shape.replace('V', value);
            let csv = format!("{GRANTS}{GOOD}");
            let found = read(&[("a.json", content.as_bytes()), ("g.csv", csv.as_bytes())]);
            assert_eq!(found.facts.grants.iter().filter(|g| &*g.system == "b").count(), 1);
            let told = found.unknown.len() + found.failed.len() + found.facts.sources.len();
            assert_eq!(told, 2, "{content}");
            for s in &found.facts.sources {
                assert!(s.accepted + s.quarantined >= s.records, "{content}");
            }
        }
    }
}
/// Records of each broker that are right as they stand.
const BROKERS: [&str; 10] = [
    r#"{"event":"access_request.create","code":"T5000I","time":"2026-01-01T10:00:00Z","id":"g1","user":"alice","roles":["a"]}"#,
    r#"{"type":"response","time":"2026-01-01T10:00:00Z","auth":{"accessor":"a","display_name":"d","policies":["p"],"token_ttl":60,"token_issue_time":"2026-01-01T10:00:00Z"},"request":{"id":"g1","path":"x/y","operation":"read"}}"#,
    r#"{"data":{"id":"auth/m/login/bob/g1","issue_time":"2026-01-01T10:00:00Z","expire_time":"2026-01-01T11:00:00Z","last_renewal":null,"ttl":5}}"#,
    r#"{"id":"g1","target_id":"t","user_id":"u","created_time":"2026-01-01T10:00:00Z","expiration_time":"2026-01-01T11:00:00Z","states":[]}"#,
    r#"{"id":"e","detail-type":"grant.created","time":"2026-01-01T10:00:00Z","detail":{"grant":{"id":"g1","provider":"p","subject":"s","start":"2026-01-01T10:00:00Z","end":"2026-01-01T11:00:00Z","with":{}}}}"#,
    r#"{"id":"g1","state":"TASK_STATE_OPEN","numericId":"1","createdAt":"2026-01-01T10:00:00Z","type":{"grant":{"appEntitlementId":"e","identityUserId":"u","outcome":""}}}"#,
    r#"{"id":"g1","created_at":"2026-01-01T10:00:00Z","requester_id":"u","status":"APPROVED","duration_minutes":5,"requested_items_list":[{"resource_id":"r"}]}"#,
    r#"{"id":"g1","account_id":"a","resource_id":"r","status":"approved","status_at":"2026-01-01T10:00:00Z"}"#,
    r#"{"id":"g1","isTemporary":true,"permissions":[],"requestedByUserId":"u","createdAt":"2026-01-01T10:00:00Z"}"#,
    r#"{"id":"g1","spiffe_id":"spiffe://d/p","parent_id":"spiffe://d/a","selectors":[],"created_at":"1547583197","expires_at":"0"}"#,
];

#[test]
fn hostile_records_of_brokers_cost_one_record() {
    let deep = "[".repeat(5_000) + &"]".repeat(5_000);
    for good in BROKERS {
        let format = |found: &Ingested| found.facts.sources.first().map(|s| s.format.to_string());
        let own = format(&read(&[("log.ndjson", format!("{good}\n{good}").as_bytes())]));
        let bad = [
            // Every text another type, every object a list, every time no time, nested beyond reason.
            good.replace(":\"", ":[\"").replace("\",", "\"],").replace("\"}", "\"]}"),
            good.replace("2026-01-01T10:00:00Z", "2026-13-45T99:00:00Z"),
            good.replace('{', "[").replace('}', "]"),
            good.replacen('{', &format!("{{\"x\":{deep},"), 1),
            good.get(..good.len() / 2).unwrap().to_owned(),
            "null".to_owned(),
        ];
        let mut text = format!("{good}\n");
        for line in &bad {
            text.push_str(line);
            text.push('\n');
        }
        text.push_str(&good.replace("g1", "g2"));
        let found = read(&[("log.ndjson", text.as_bytes())]);
        assert_eq!(format(&found), own, "{good}");
        assert!(found.failed.is_empty() && found.unknown.is_empty(), "{:?}", found.failed);
        let s = &found.facts.sources[0];
        assert_eq!(s.records, 8, "{good}");
        assert!(s.quarantined >= 4, "{}: {:?}", s.format, quarantine(&found));
        assert!(!found.facts.grants.is_empty(), "{good}: {:?}", quarantine(&found));
        for (_, reason) in quarantine(&found) {
            assert!(reason.len() < 400, "{reason}");
        }
    }
}

#[test]
fn a_flood_of_events_stays_linear() {
    let lock = |i: usize| {
        format!(
            r#"{{"event":"lock.created","code":"TLK00I","time":"2026-01-01T10:00:{:02}Z","uid":"l{i}","target":{{"user":"alice"}}}}"#,
            i % 60
        )
    };
    let ask = |i: usize| {
        format!(
            r#"{{"event":"access_request.create","code":"T5000I","time":"2026-01-01T10:00:{:02}Z","id":"r{i}","user":"alice","roles":["a"]}}"#,
            i % 60
        )
    };
    let mut text = String::new();
    for i in 0..20_000 {
        text.push_str(&ask(i));
        text.push('\n');
        text.push_str(&lock(i));
        text.push('\n');
    }
    let began = std::time::Instant::now();
    let found = read(&[("log.ndjson", text.as_bytes())]);
    assert_eq!(found.facts.grants.len(), 20_000);
    // Minutes, were each lock compared with each request.
    assert!(began.elapsed().as_secs() < 60, "{:?}", began.elapsed());
}

/// One hostile document per task system: a field of a wrong type, a time that is none, nesting without end.
/// Each costs its record only, and is named.
#[test]
fn hostile_task_documents_cost_their_record() {
    let deep = "[".repeat(10_000) + &"]".repeat(10_000);
    let good_bad: [(&str, String, &str); 9] = [
        ("gitlab-ci", r#"{"object_kind":"build","build_id":1,"pipeline_id":2,"build_status":"success"}"#.into(),
            r#"{"object_kind":"build","build_id":{},"pipeline_id":2}"#),
        ("jenkins", r#"{"building":false,"number":1,"timestamp":1767225600000,"duration":5,"url":"http://h/job/a/1/"}"#.into(),
            r#"{"building":false,"number":1,"timestamp":1767225600000,"duration":9223372036854775807,"url":"http://h/job/a/1/"}"#),
        ("circleci", r#"{"pipeline_id":"p","pipeline_number":1,"created_at":"2026-01-05T10:00:00Z","id":"w","status":"success"}"#.into(),
            r#"{"pipeline_id":"p","pipeline_number":1,"created_at":["x"],"id":"w"}"#),
        ("airflow", r#"{"dag_id":"d","run_id":"r","state":"success","start_date":"2026-01-05T10:00:00Z"}"#.into(),
            r#"{"dag_id":"d","run_id":"r","state":"success","start_date":"32 May"}"#),
        ("argo-workflows", r#"{"apiVersion":"argoproj.io/v1alpha1","kind":"Workflow","metadata":{"name":"w"},"status":{"phase":"Running"}}"#.into(),
            r#"{"apiVersion":"argoproj.io/v1alpha1","kind":"Workflow","metadata":{"name":[]}}"#),
        ("kubernetes-jobs", r#"{"apiVersion":"batch/v1","kind":"Job","metadata":{"name":"j"}}"#.into(),
            r#"{"apiVersion":"batch/v1","kind":"Job","metadata":{"name":"j"},"status":{"startTime":{}}}"#),
        ("jira", r#"{"key":"A-1","fields":{"created":"2026-01-05T10:00:00.000+0000"}}"#.into(),
            r#"{"key":"A-1","fields":{},"changelog":{"histories":[{"items":[{"field":"status"}]}]}}"#),
        ("servicenow", r#"{"sys_id":"s","number":"INC0010001","state":"2","opened_at":"2026-01-05 10:00:00"}"#.into(),
            r#"{"sys_id":"s","number":[],"state":"2"}"#),
        ("mcp", r#"{"jsonrpc":"2.0","timestamp":"2026-01-05T10:00:00Z","id":1,"method":"tools/call","params":{"name":"x"}}"#.into(),
            r#"{"jsonrpc":"2.0","method":"notifications/tasks/status","params":{"taskId":"t","status":"\u0000"}}"#),
    ];
    for (format, good, bad) in good_bad {
        let nested = format!("{},\"zz\":{deep}}}", good.strip_suffix('}').unwrap());
        let text = format!("{good}\n{bad}\n{nested}\n{{\n[]\n\"x\"\n{good}\n");
        let found = read(&[("input.ndjson", text.as_bytes())]);
        let s =
            &found.facts.sources.first().unwrap_or_else(|| panic!("{format}: {:?}", found.unknown));
        assert_eq!(&*s.format, format);
        assert_eq!(s.records, 7, "{format}");
        assert_eq!(s.records, s.accepted + s.quarantined, "{format}");
        assert!(s.quarantined == 5, "{format}: {:?}", quarantine(&found));
        assert_eq!(quarantine(&found)[0].0, "L2", "{format}: {:?}", quarantine(&found));
        assert!(!found.facts.tasks.is_empty(), "{format}");
    }
}

/// A page of a hundred thousand nothings, YAML that multiplies itself, and spans without an end.
#[test]
fn hostile_lists_yaml_and_traces_are_bounded() {
    let page = format!(r#"{{"total":1,"issues":[{}null]}}"#, "null,".repeat(100_000));
    let mut bomb = String::from(
        "apiVersion: batch/v1\nkind: Job\nmetadata: {name: a}\na0: &a0 [x,x,x,x,x,x,x,x,x,x]\n",
    );
    for i in 1..30 {
        let row = vec![format!("*a{}", i - 1); 10].join(",");
        bomb.push_str(&format!("a{i}: &a{i} [{row}]\n"));
    }
    let loops = r#"{"resourceSpans":[{"scopeSpans":[{"spans":[
        {"traceId":"aa","spanId":"b1","parentSpanId":"b2","startTimeUnixNano":"1767225600000000000","endTimeUnixNano":"1767225601000000000","attributes":[{"key":"gen_ai.operation.name","value":{"stringValue":"invoke_agent"}},{"key":"gen_ai.agent.name","value":{"stringValue":"a"}}]},
        {"traceId":"aa","spanId":"b2","parentSpanId":"b1","startTimeUnixNano":"1767225600000000000","endTimeUnixNano":"1767225601000000000","attributes":[{"key":"gen_ai.operation.name","value":{"stringValue":"invoke_agent"}},{"key":"gen_ai.agent.name","value":{"stringValue":"b"}}]},
        {"traceId":[],"spanId":"b3","startTimeUnixNano":"-1","attributes":[{"key":"gen_ai.operation.name","value":{"stringValue":"invoke_agent"}}]},
        {"traceId":"aa","spanId":"b4","startTimeUnixNano":"x","attributes":[{"key":"gen_ai.operation.name","value":{"stringValue":"execute_tool"}},{"key":7,"value":[[]]}]}]}]}]}"#;
    let found = read(&[
        ("a.json", page.as_bytes()),
        ("b.yaml", bomb.as_bytes()),
        ("c.json", loops.as_bytes()),
        ("d.json", br#"{"resourceSpans":[{"scopeSpans":[{"spans":7}]}]}"#),
    ]);
    let by = |file: &str| found.facts.sources.iter().find(|s| &*s.file == file).unwrap();
    assert_eq!((by("a.json").records, by("a.json").quarantined), (100_001, 100_001));
    assert_eq!((by("b.yaml").records, by("b.yaml").quarantined), (1, 1));
    assert_eq!((by("c.json").records, by("c.json").quarantined), (4, 2));
    assert_eq!(found.facts.tasks.len(), 2);
    assert_eq!(found.failed.len(), 1, "{:?}", found.failed);
}
