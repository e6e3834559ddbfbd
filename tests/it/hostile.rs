//! Input that is broken, strange or made to hurt: a clear message, the right exit code, no panic; and
//! beside good files it costs itself only, in plain sight.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use flate2::Compression;
use flate2::write::GzEncoder;

use crate::program::{LEDGER, Ran, json_file, ran};

/// One broken input: file name, content, and what must be said about it: its name is always asked
/// for.
struct Bad {
    name: &'static str,
    bytes: Vec<u8>,
    says: &'static [&'static str],
}

pub fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut out = GzEncoder::new(Vec::new(), Compression::best());
    out.write_all(bytes).unwrap();
    out.finish().unwrap()
}

/// A ledger that grows a thousandfold.
fn bomb() -> Vec<u8> {
    let mut bytes = gzip(LEDGER.as_bytes());
    bytes.extend(gzip(&vec![b'\n'; 1 << 20]).repeat(80));
    bytes
}

fn deep(n: usize) -> String {
    "{\"UserDetailList\":[".to_owned() + &"[".repeat(n) + &"]".repeat(n) + "]}"
}

/// Files of which nothing can be used.
fn hopeless() -> Vec<Bad> {
    let bad = |name, bytes: &[u8], says| Bad { name, bytes: bytes.to_vec(), says };
    let utf16: Vec<u8> = LEDGER.encode_utf16().flat_map(u16::to_le_bytes).collect();
    vec![
        bad(
            "cut.json",
            br#"{"UserDetailList":[{"UserName":"a","Arn":"arn:aws:iam::1"#,
            &["line 1", "export the file again"],
        ),
        bad("cut-runs.json", br#"{"total_count":1,"workflow_runs":[{"id":1,"na"#, &["cut off"]),
        bad("binary.dat", b"\x7fELF\0\0\0\x01\x02\xff\xfe", &["binary"]),
        bad("picture.csv", b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR", &["binary"]),
        bad("nothing.csv", b"", &["empty"]),
        bad("prose.txt", b"Dear auditor there is nothing to see.\n", &["text of no known format"]),
        bad("table.csv", b"colour,size\nred,1\n", &["colour, size", "[[mapping]]"]),
        bad("utf16.csv", &utf16, &["UTF-16LE", "iconv"]),
        bad("bomb.csv.gz", &bomb(), &["decompression bomb", "unpack it"]),
        bad("cut.csv.gz", &gzip(LEDGER.as_bytes())[..60], &["ends too early", "fetch the file"]),
        bad("false.csv.gz", b"\x1f\x8b\x08 and then nothing of the kind", &["compressed data"]),
        bad("deep.json", deep(10_000).as_bytes(), &[]),
        bad("flat-deep.json", "[".repeat(10_000).as_bytes(), &[]),
    ]
}

fn scan(input: &Path, out: &Path) -> Ran {
    ran!["scan", input, "-o", out]
}

#[test]
fn a_file_of_no_use_is_no_usable_input_and_says_why() {
    for bad in hopeless() {
        let folder = tempfile::tempdir().unwrap();
        let (file, out) = (folder.path().join(bad.name), folder.path().join("out"));
        fs::write(&file, &bad.bytes).unwrap();
        let start = Instant::now();
        let ran = scan(&file, &out);
        assert!(start.elapsed() < Duration::from_secs(20), "{}: slow", bad.name);
        ran.exits(3).says(&["nothing to assess", bad.name]).says(bad.says);
        assert!(!out.exists(), "{}: a bundle of nothing was written", bad.name);
        if bad.name.contains("bomb") {
            // Takes its time to go off; once is enough.
            continue;
        }
        // A format that is recognised is shown with what is in quarantine.
        let code = if bad.name == "deep.json" { 0 } else { 3 };
        ran!["inspect", &file].exits(code).shows(&[bad.name]).shows(bad.says);
        ran!["gate", &file].exits(3);
    }
}

#[test]
fn good_files_are_judged_and_bad_ones_beside_them_are_listed() {
    let folder = tempfile::tempdir().unwrap();
    let (input, out) = (folder.path().join("in"), folder.path().join("out"));
    fs::create_dir(&input).unwrap();
    fs::write(input.join("grants.csv"), LEDGER).unwrap();
    for bad in hopeless() {
        fs::write(input.join(bad.name), &bad.bytes).unwrap();
    }
    let ragged = format!("{LEDGER}g2,short\n{}", line().replace("g1", "g3"));
    fs::write(input.join("ragged.csv"), ragged).unwrap();
    let mut latin = LEDGER.as_bytes().to_vec();
    latin.extend(line().replace("g1", "g4").replace("alice", "Ren").bytes());
    latin.extend(b"g5,broker,aws,Ren\xe9,human,reader,aws:1,t1,a1,,2026-01-01T08:01:00Z,,,\n");
    fs::write(input.join("latin1.csv"), latin).unwrap();

    let ran = scan(&input, &out).exits(0);
    assert!(ran.out.contains("could not be read") || ran.out.contains("quarantine"), "{}", ran.out);
    let report = fs::read_to_string(out.join("report.json")).unwrap();
    let (html, summary) = (
        fs::read_to_string(out.join("report.html")).unwrap(),
        fs::read_to_string(out.join("summary.md")).unwrap(),
    );
    for name in hopeless().iter().map(|b| b.name).chain(["ragged.csv", "latin1.csv"]) {
        assert!(report.contains(name), "report.json does not name {name}");
        assert!(html.contains(name), "report.html does not name {name}");
    }
    assert!(summary.contains("ragged.csv"), "{summary}");
    let report = json_file(&out.join("report.json"));
    let quarantine = report["quarantine"].as_array().unwrap();
    let of = |file: &str| -> Vec<(&str, &str)> {
        let rows = quarantine.iter().filter(|q| q["file"] == file);
        rows.map(|q| (q["place"].as_str().unwrap(), q["reason"].as_str().unwrap())).collect()
    };
    assert_eq!(of("ragged.csv"), [("L3", "has 2 fields, the header has 14")]);
    let latin = of("latin1.csv");
    assert!(latin.len() == 1 && latin[0].0 == "L4" && latin[0].1.contains("UTF-8"), "{latin:?}");

    ran!["verify", &out].exits(0);
    ran!["verify", &out, "--inputs", &input].exits(0);
    let again = folder.path().join("strict");
    ran!["scan", &input, "-o", &again, "--strict"]
        .exits(4)
        .says(&["--strict", "could not be read"]);
    assert!(again.join("report.html").is_file(), "the report that tells what is wrong is missing");
    let shown = ran!["inspect", &input, "--json"].exits(0);
    let shown: serde_json::Value = serde_json::from_str(&shown.out).unwrap();
    assert_eq!(
        shown["sources"].as_array().map(Vec::len),
        report["sources"].as_array().map(Vec::len)
    );
}

/// An export of one record: with a bad value in it the rest is judged; where nothing of it can be read the
/// run is no clean one.
#[test]
fn an_export_of_one_record_is_never_lost() {
    let folder = tempfile::tempdir().unwrap();
    let (file, out) = (folder.path().join("authz.json"), folder.path().join("out"));
    let user = |created: &str, name: &str| {
        format!(
            r#"{{"UserDetailList":[{{"UserName":{name},"Arn":"arn:aws:iam::111122223333:user/eve","CreateDate":"{created}","UserPolicyList":[{{"PolicyName":"all","PolicyDocument":{{"Version":"2012-10-17","Statement":[{{"Effect":"Allow","Action":"*","Resource":"*"}}]}}}}]}}],"IsTruncated":false}}"#
        )
    };
    fs::write(&file, user("last week", r#""eve""#)).unwrap();
    ran!["scan", &file, "-o", &out, "--as-of", "2026-06-01T00:00:00Z"].exits(0);
    let rules: Vec<String> = crate::program::findings(&out)
        .iter()
        .map(|f| f["rule"].as_str().unwrap_or_default().to_owned())
        .collect();
    assert!(rules.iter().any(|r| r == "STD-001"), "{rules:?}");
    fs::write(&file, user("2026-01-01T00:00:00Z", "5")).unwrap();
    let at = "2026-06-01T00:00:00Z";
    ran!["scan", &file, "-o", folder.path().join("none"), "--as-of", at]
        .exits(3)
        .says(&["nothing to assess", "authz.json"]);
    ran!["gate", &file, "--as-of", at].exits(3);
}

fn line() -> String {
    format!("{}\n", LEDGER.lines().nth(1).unwrap())
}

#[test]
fn a_clean_input_passes_strict() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("grants.csv");
    fs::write(&file, LEDGER).unwrap();
    ran!["scan", &file, "-o", folder.path().join("out"), "--strict"].exits(0);
}

#[test]
fn an_empty_directory_and_a_missing_path_are_named() {
    let folder = tempfile::tempdir().unwrap();
    let (empty, out) = (folder.path().join("empty"), folder.path().join("out"));
    fs::create_dir(&empty).unwrap();
    scan(&empty, &out).exits(3).says(&["nothing to assess", "empty", "overstay inspect"]);
    ran!["inspect", &empty].exits(3);
    ran!["gate", &empty].exits(3);
    let missing = folder.path().join("no-such-file");
    for verb in ["scan", "gate", "inspect"] {
        let mut words: Vec<std::ffi::OsString> = vec![verb.into(), (&missing).into()];
        if verb == "scan" {
            words.extend(["-o".into(), (&out).into()]);
        }
        crate::program::overstay(&words).exits(2).tells(&["no-such-file"]);
    }
    ran!["verify", &missing].exits(3).says(&["no-such-file"]);
    assert!(!out.exists());
}

#[test]
fn wrong_settings_name_file_and_place() {
    let folder = tempfile::tempdir().unwrap();
    let (file, out) = (folder.path().join("grants.csv"), folder.path().join("out"));
    fs::write(&file, LEDGER).unwrap();
    let config = folder.path().join("mine.toml");
    for (text, says) in [
        ("limits = 3\n", "limits"),
        ("[limits]\nno_such_limit = 3\n", "no_such_limit"),
        ("as_of = \"yesterday\"\n", "yesterday"),
        ("entity = \"x\"\nas_of", "line 2"),
        ("disabled_rules = {\"GRT-999\" = \"never heard\"}\n", "GRT-999"),
        ("no_such_key = 1\n", "no_such_key"),
        ("[[mapping]]\nfile = \"*.csv\"\nformat = \"punched-cards\"\n", "punched-cards"),
    ] {
        fs::write(&config, text).unwrap();
        for verb in ["scan", "gate"] {
            let mut words: Vec<std::ffi::OsString> =
                vec![verb.into(), (&file).into(), "--config".into(), (&config).into()];
            if verb == "scan" {
                words.extend(["-o".into(), (&out).into()]);
            }
            crate::program::overstay(&words).exits(2).tells(&["mine.toml", says]);
        }
    }
    ran!["scan", &file, "-o", &out, "--config", folder.path().join("absent.toml")]
        .exits(2)
        .says(&["absent.toml"]);
    ran!["scan", &file, "-o", &out, "--as-of", "soon"].exits(2).says(&["soon"]);
    ran!["scan", &file, "-o", &out, "--format", "docx"].exits(2).says(&["docx", "html"]);
    ran!["--threads", "0", "scan", &file, "-o", &out].exits(2).says(&["threads"]);
    assert!(!out.exists());
    // The directory of somebody else is not overwritten.
    let holiday = folder.path().join("holiday");
    fs::create_dir(&holiday).unwrap();
    fs::write(holiday.join("photo.jpg"), "x").unwrap();
    scan(&file, &holiday).exits(2).says(&["holiday", "choose another directory"]);
    assert_eq!(fs::read_dir(&holiday).unwrap().count(), 1);
}

#[cfg(unix)]
#[test]
fn pipes_and_loops_end() {
    let folder = tempfile::tempdir().unwrap();
    let input = folder.path().join("in");
    fs::create_dir_all(input.join("a/b")).unwrap();
    fs::write(input.join("grants.csv"), LEDGER).unwrap();
    std::os::unix::fs::symlink(&input, input.join("a/b/up")).unwrap();
    std::os::unix::fs::symlink("self", input.join("self")).unwrap();
    let made = std::process::Command::new("mkfifo").arg(input.join("pipe.csv")).status();
    assert!(made.expect("mkfifo is there").success());
    let out = folder.path().join("out");
    let start = Instant::now();
    scan(&input, &out).exits(0);
    assert!(start.elapsed() < Duration::from_secs(20));
    let report = json_file(&out.join("report.json"));
    assert_eq!(report["sources"].as_array().map(Vec::len), Some(1), "the ledger was read twice");
    ran!["inspect", &input].exits(0).shows(&["pipe.csv: not a regular file", "a/b/up", "self"]);
    ran!["scan", input.join("pipe.csv"), "-o", folder.path().join("never")]
        .exits(3)
        .says(&["pipe.csv"]);
}

#[test]
fn standard_input_is_an_input() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("out");
    let file = folder.path().join("grants.csv");
    fs::write(&file, LEDGER).unwrap();
    let output =
        crate::program::command(&["scan".as_ref(), "-".as_ref(), "-o".as_ref(), out.as_os_str()])
            .stdin(fs::File::open(&file).unwrap())
            .output()
            .unwrap();
    Ran::of(output, "scan -").exits(0);
    assert_eq!(json_file(&out.join("report.json"))["sources"][0]["file"], "stdin");
}

#[test]
fn a_reader_that_goes_away_is_no_failure() {
    let folder = tempfile::tempdir().unwrap();
    let file: PathBuf = folder.path().join("grants.csv");
    fs::write(&file, LEDGER).unwrap();
    let out = folder.path().join("out");
    let lines: [Vec<std::ffi::OsString>; 3] = [
        vec!["scan".into(), (&file).into(), "-o".into(), (&out).into()],
        vec!["inspect".into(), (&file).into()],
        vec!["rules".into(), "list".into()],
    ];
    for words in lines {
        let mut child = crate::program::command(&words)
            .stdout(std::process::Stdio::piped())
            .stderr(std::process::Stdio::piped())
            .spawn()
            .unwrap();
        drop(child.stdout.take());
        Ran::of(child.wait_with_output().unwrap(), &format!("{words:?}")).exits(0);
    }
}
