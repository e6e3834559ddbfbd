//! Names that others chose, from ledger and export to every output: all of them arrive, none of them
//! does anything.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::program::{files, findings, json, json_file, overstay, ran, root, steers};

/// Texts somebody might put into a name or a justification. They call this port.
pub fn payloads(port: u16) -> Vec<String> {
    let at = format!("http://127.0.0.1:{port}");
    vec![
        format!("<script>document.title='owned';fetch('{at}/s')</script>"),
        format!("\"'><img src={at}/i onerror=\"document.title='owned'\"><svg onload=alert(1)>"),
        format!("=HYPERLINK(\"{at}/h\",\"open\")"),
        format!("=WEBSERVICE(\"{at}/w\")"),
        "@SUM(1+1)*cmd|' /C calc'!A0".into(),
        "+1-1".into(),
        "-2+3".into(),
        "\u{1b}]0;owned\u{7}\u{1b}[31mred\u{1b}[0m\u{9b}2J".into(),
        "a|b|c | d".into(),
        "`rm -rf` ``` **bold** [x](javascript:alert(1)) @team ~~s~~ <!-- c".into(),
        "first line\nsecond: `line`\r\n| cell |\n# head".into(),
        "invoice\u{202e}gnp.exe\u{2066}\u{200b}".into(),
        format!(
            "]]></style></title></textarea>--><a href=\"javascript:1\" style=\"background:url({at}/b)\">"
        ),
        "{{ 7*7 }}{% include '/etc/passwd' %}${7*7}%00%0a".into(),
        "../../../etc/passwd".into(),
        "C:\\temp\\x:y".into(),
        "long".repeat(2_500),
    ]
}

/// Writes a ledger, an export and a task list in which every free text is a payload.
pub fn plant(dir: &Path, port: u16) {
    fs::create_dir_all(dir).unwrap();
    let mut ledger = csv::Writer::from_path(dir.join("grants.csv")).unwrap();
    let head = "grant_id,broker,system,principal,principal_type,role,scope,task_id,approval_id,\
                requested_at,granted_at,expires_at,revoked_at,justification,requester,ticket";
    ledger.write_record(head.split(',')).unwrap();
    let (mut users, mut roles, mut policies) = (Vec::new(), Vec::new(), Vec::new());
    let mut tasks = String::new();
    for (i, text) in payloads(port).iter().enumerate() {
        let user = format!("arn:aws:iam::111122223333:user/{text}");
        let end = if i % 2 == 0 { "" } else { "2026-09-01T09:00:00Z" };
        ledger
            .write_record([
                text,
                text,
                "aws",
                &user,
                "human",
                text,
                text,
                text,
                text,
                "2026-09-01T08:00:00Z",
                "2026-09-01T08:01:00Z",
                end,
                "",
                text,
                text,
                text,
            ])
            .unwrap();
        tasks += &json!({"task_id": text, "opened_at": "2026-09-01T08:00:00Z", "closed_at": "2026-09-01T08:10:00Z", "title": text, "assignee": text, "status": "done"}).to_string();
        tasks.push('\n');
        let admin = json!({"Version": "2012-10-17", "Statement": [{"Sid": text, "Effect": "Allow", "Action": "*", "Resource": "*"}]});
        users.push(json!({
            "UserName": text, "UserId": format!("AIDA{i}"), "Arn": user, "Path": "/",
            "CreateDate": "2024-01-01T00:00:00+00:00", "GroupList": [],
            "AttachedManagedPolicies": [], "UserPolicyList": [{"PolicyName": text, "PolicyDocument": admin}],
            "Tags": [{"Key": "owner", "Value": text}],
        }));
        roles.push(json!({
            "RoleName": text, "RoleId": format!("AROA{i}"), "Arn": format!("arn:aws:iam::111122223333:role/{text}"),
            "Path": "/", "CreateDate": "2024-01-01T00:00:00+00:00", "InstanceProfileList": [],
            "AssumeRolePolicyDocument": {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": {"AWS": text}, "Action": "sts:AssumeRole"}]},
            "AttachedManagedPolicies": [{"PolicyName": text, "PolicyArn": format!("arn:aws:iam::111122223333:policy/{text}")}],
            "RolePolicyList": [],
        }));
        policies.push(json!({
            "PolicyName": text, "PolicyId": format!("ANPA{i}"), "Arn": format!("arn:aws:iam::111122223333:policy/{text}"),
            "Path": "/", "DefaultVersionId": "v1", "AttachmentCount": 1,
            "PolicyVersionList": [{"VersionId": "v1", "IsDefaultVersion": true, "Document": admin}],
        }));
    }
    ledger.flush().unwrap();
    fs::write(dir.join("tasks.ndjson"), tasks).unwrap();
    let export = json!({"UserDetailList": users, "GroupDetailList": [], "RoleDetailList": roles, "Policies": policies});
    fs::write(dir.join("export.json"), export.to_string()).unwrap();
    fs::write(
        dir.join("overstay.toml"),
        "entity = \"<b>|=1+1\\u001b[31m\"\nas_of = \"2026-11-01T00:00:00Z\"\n",
    )
    .unwrap();
}

struct Planted {
    _folder: tempfile::TempDir,
    input: PathBuf,
    out: PathBuf,
}

/// Port that nobody is asked at.
const PORT: u16 = 9;

fn planted() -> Planted {
    let folder = tempfile::tempdir().unwrap();
    let (input, out) = (folder.path().join("in"), folder.path().join("out"));
    plant(&input, PORT);
    let name = "<img src=x>|`b`\u{202e}=1.csv";
    fs::rename(input.join("grants.csv"), input.join(name)).unwrap();
    ran!["scan", &input, "-o", &out].exits(0);
    Planted { _folder: folder, input, out }
}

/// Markdown, HTML and drawings: what may not be in them, whatever was read.
fn harmless(name: &str, text: &str) {
    if let Some(c) = text.chars().find(|c| steers(*c)) {
        panic!("{name} holds {c:?}");
    }
    let text = if name.ends_with(".md") { &without_code(text) } else { text };
    let lower = text.to_ascii_lowercase();
    if [".html", ".svg", ".md"].iter().any(|e| name.ends_with(e)) {
        for bad in [
            "<script>document",
            "<img",
            "<svg onload",
            "<a href=\"javascript",
            "<iframe",
            "<!-- c",
            "href='javascript",
        ] {
            assert!(!lower.contains(bad), "{name} holds {bad}");
        }
        assert!(!name.ends_with(".md") || !lower.contains("](javascript"), "{name} holds a link");
    }
}

/// Markdown without its code spans, in which nothing is markup: a run of backticks to the next run of
/// the same length on the line.
fn without_code(text: &str) -> String {
    let mut out = String::new();
    for line in text.lines() {
        let mut rest = line;
        while let Some(at) = rest.find('`') {
            let run = rest[at..].chars().take_while(|c| *c == '`').count();
            let behind = &rest[at + run..];
            let mut end = 0;
            let close = loop {
                let Some(next) = behind[end..].find('`') else { break None };
                let found = behind[end + next..].chars().take_while(|c| *c == '`').count();
                if found == run {
                    break Some(end + next + run);
                }
                end += next + found;
            };
            out.push_str(&rest[..at]);
            out.push_str(if close.is_some() { "" } else { &rest[at..at + run] });
            rest = &behind[close.unwrap_or(0)..];
        }
        out.push_str(rest);
        out.push('\n');
    }
    out
}

#[test]
fn every_file_of_the_bundle_is_harmless() {
    let planted = planted();
    let all = files(&planted.out);
    for (name, bytes) in &all {
        if !name.ends_with(".parquet")
            && !name.ends_with(".json")
            && !name.ends_with(".jsonl")
            && !name.ends_with(".sarif")
            && !name.ends_with(".toml")
            && !name.ends_with(".csv")
        {
            harmless(name, std::str::from_utf8(bytes).unwrap());
        }
        if name.ends_with(".csv") {
            cells(name, bytes);
        }
        assert!(!name.contains("..") && name.is_ascii(), "{name:?} is a name from an input");
    }
    tables_are_whole(std::str::from_utf8(&all["summary.md"]).unwrap());
    // Harmless is not lost: the data files have every name as it was.
    let found = findings(&planted.out);
    for text in payloads(PORT) {
        let user = format!("arn:aws:iam::111122223333:user/{text}");
        assert!(found.iter().any(|f| f["principal"] == user.as_str()), "{text:?} is lost");
        assert!(found.iter().any(|f| f["grant_id"] == text.as_str()), "{text:?} is lost");
    }
    ran!["verify", &planted.out, "--inputs", &planted.input].exits(0);
}

/// No cell is a formula.
fn cells(name: &str, bytes: &[u8]) {
    let mut rows = 0;
    for record in csv::ReaderBuilder::new().has_headers(false).from_reader(bytes).records() {
        for cell in &record.unwrap() {
            let number = cell.parse::<f64>().is_ok() && !cell.starts_with('+');
            assert!(
                number || !cell.starts_with(['=', '+', '-', '@', '\t', '\r']),
                "{name}: {cell:?}"
            );
        }
        rows += 1;
    }
    assert!(rows > 1, "{name} has no rows");
}

/// Every row of a Markdown table has the cells its head has.
fn tables_are_whole(text: &str) {
    let mut width = None;
    let mut tables = 0;
    for line in text.lines() {
        if !line.starts_with('|') {
            width = None;
            continue;
        }
        let bars = line.replace("\\\\", "").replace("\\|", "").matches('|').count();
        tables += usize::from(width.is_none());
        assert_eq!(*width.get_or_insert(bars), bars, "{line}");
    }
    assert!(tables > 0, "no table in the summary");
}

/// Errors of a document against the schema of SARIF.
pub fn sarif_errors(log: &Value) -> Vec<String> {
    let schema = root().join("../shared/data/schemas/sarif/sarif-schema-2.1.0.json");
    let validator = jsonschema::validator_for(&json_file(&schema)).expect("the schema of SARIF");
    validator.iter_errors(log).map(|e| format!("{e} at {}", e.instance_path())).collect()
}

#[test]
fn sarif_of_hostile_names_follows_the_schema() {
    let planted = planted();
    let sarif = planted.out.join("sarif/findings.sarif");
    let log = json_file(&sarif);
    assert_eq!(sarif_errors(&log), Vec::<String>::new());
    assert!(!log["runs"][0]["results"].as_array().unwrap().is_empty());
    let gate = planted.out.with_file_name("gate.sarif");
    ran!["gate", &planted.input, "--sarif", &gate].exits(1);
    assert_eq!(sarif_errors(&json_file(&gate)), Vec::<String>::new());
}

#[test]
fn every_verb_prints_hostile_names_harmlessly() {
    // `Ran` checks each of these for characters that steer a terminal.
    let Planted { _folder, input, out } = planted();
    let summary = out.with_file_name("summary.md");
    ran!["gate", &input, "--summary", &summary].exits(1).shows(&["gate FAILED"]);
    let text = fs::read_to_string(&summary).unwrap();
    harmless("summary.md", &text);
    tables_are_whole(&text);
    json(&ran!["gate", &out, "--json"].exits(1).out);
    ran!["inspect", &input].exits(0).shows(&["<img src=x>", "\\u{202e}"]);
    json(&ran!["inspect", &input, "--json"].exits(0).out);
    for table in ["grants", "grant_facts", "holdings", "principals"] {
        ran!["facts", &out, table].exits(0);
        let rows = ran!["facts", &out, table, "--json"].exits(0).out;
        let rows: Vec<Value> = rows.lines().map(json).collect();
        assert!(!rows.is_empty(), "{table}");
    }
    let mut rules = std::collections::BTreeSet::new();
    for finding in findings(&out) {
        if !rules.insert(finding["rule"].to_string()) {
            continue;
        }
        let fingerprint = finding["fingerprint"].as_str().unwrap();
        let shown = ran!["explain", &out, fingerprint, "--inputs", &input].exits(0);
        let lines = finding["sources"].as_array().unwrap().len();
        let shown = shown.shows(&["evaluated\n"]).out;
        assert_eq!(shown.matches("\n    | ").count(), lines, "{shown}");
        let shown = json(&ran!["explain", &out, fingerprint, "--json"].exits(0).out);
        assert_eq!(shown["principal"], finding["principal"]);
    }
    assert!(rules.len() >= 5, "{rules:?}");
    let baseline = out.with_file_name("baseline.jsonl");
    ran!["baseline", "create", &out, "-o", &baseline].exits(0);
    ran!["baseline", "lint", &baseline].exits(0);
    ran!["gate", &out, "--baseline", &baseline].exits(0);
    let md = out.with_file_name("reports");
    ran!["report", &out, "--format", "md,csv", "-o", &md].exits(0);
    assert_eq!(fs::read(md.join("summary.md")).unwrap(), fs::read(out.join("summary.md")).unwrap());
}

#[cfg(unix)]
#[test]
fn names_of_files_and_errors_about_them_are_harmless() {
    use std::os::unix::ffi::OsStringExt as _;
    let folder = tempfile::tempdir().unwrap();
    let input = folder.path().join("in\u{1b}[31m");
    fs::create_dir(&input).unwrap();
    let names: [OsString; 3] = [
        "a\u{1b}]0;owned\u{7}\nb.csv".into(),
        "2026-11-01T00:00:00Z.csv".into(),
        "c\u{202e}vsc.exe".into(),
    ];
    for (i, name) in names.iter().enumerate() {
        let text = crate::program::LEDGER.replace("g1", &format!("g{i}"));
        fs::write(input.join(name), text).unwrap();
    }
    fs::write(input.join("broken\u{1b}[31m.json"), "{\"UserDetailList\":[").unwrap();
    let out = folder.path().join("out");
    overstay(&["scan".into(), input.clone().into_os_string(), "-o".into(), (&out).into()]).exits(0);
    for (name, bytes) in files(&out) {
        if [".html", ".md", ".svg"].iter().any(|e| name.ends_with(e)) {
            harmless(&name, std::str::from_utf8(&bytes).unwrap());
        }
    }
    ran!["inspect", &input].exits(0).shows(&["broken\\u{1b}[31m.json"]);
    ran!["scan", input.join("broken\u{1b}[31m.json"), "-o", &out].exits(3).says(&["broken\\u{1b}"]);
    // The inputs of a bundle are found again, whatever their names.
    ran!["verify", &out, "--inputs", &input].exits(0);
    // A name that is no text is read and shown with a sign for what cannot be shown.
    fs::write(input.join(OsString::from_vec(b"latin\xe9.csv".to_vec())), crate::program::LEDGER)
        .unwrap();
    ran!["scan", &input, "-o", &out].exits(0);
    ran!["inspect", &input].exits(0).shows(&["latin\u{fffd}.csv"]);
}
