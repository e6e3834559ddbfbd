//! The same inputs give the same bytes, on one thread and on two, and a bundle tells when a byte of it
//! is not what it was.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use crate::program::{LEDGER, Ran, command, copy, files, ran, sample, sample_bundle};

fn scan_with(threads: &str, out: &Path) -> BTreeMap<String, Vec<u8>> {
    let words = ["--quiet", "--threads", threads, "scan"].map(std::ffi::OsString::from);
    let mut command = command(&words);
    command.arg(sample()).arg("-o").arg(out).env("POLARS_MAX_THREADS", threads);
    let ran = Ran::of(command.output().unwrap(), "scan").exits(0);
    assert_eq!((ran.out.as_str(), ran.err.as_str()), ("", ""), "`--quiet` was not quiet");
    files(out)
}

/// Files that differ; the whole bytes would drown the message.
fn differing(a: &BTreeMap<String, Vec<u8>>, b: &BTreeMap<String, Vec<u8>>) -> Vec<String> {
    let names: std::collections::BTreeSet<&String> = a.keys().chain(b.keys()).collect();
    names.into_iter().filter(|n| a.get(*n) != b.get(*n)).cloned().collect()
}

#[test]
fn one_thread_and_two_give_the_same_bytes() {
    let folder = tempfile::tempdir().unwrap();
    let one = scan_with("1", &folder.path().join("one"));
    let two = scan_with("2", &folder.path().join("two"));
    assert!(one.len() > 40, "{:?}", one.keys());
    assert_eq!(differing(&one, &two), Vec::<String>::new());
    // And neither the place of the clone nor of the output is in them.
    let moved = folder.path().join("elsewhere/sample-data");
    copy(&sample(), &moved);
    let out = folder.path().join("three");
    ran!["scan", moved, "-o", &out].exits(0);
    assert_eq!(differing(&one, &files(&out)), Vec::<String>::new());
}

#[cfg(target_os = "linux")]
#[test]
fn the_number_of_threads_is_kept_to() {
    // Counted from outside: a run that starts a hundred threads where one was asked for is not kept.
    let count = |n: &str| {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("grants.csv");
        fs::write(&file, LEDGER).unwrap();
        let words = ["--threads", n, "scan"].map(std::ffi::OsString::from);
        let mut child = command(&words);
        child.arg(&file).arg("-o").arg(folder.path().join("out")).env("POLARS_MAX_THREADS", "1");
        let mut child = child.stdout(std::process::Stdio::null()).spawn().unwrap();
        let tasks = format!("/proc/{}/task", child.id());
        let mut most = 0;
        while child.try_wait().unwrap().is_none() {
            most = most.max(fs::read_dir(&tasks).map_or(0, Iterator::count));
            std::thread::sleep(std::time::Duration::from_millis(2));
        }
        most
    };
    let (one, nine) = (count("1"), count("9"));
    assert_eq!(nine, one + 8, "threads with --threads 1 and 9");
}

#[test]
fn the_sample_can_be_verified_and_made_again() {
    let bundle = sample_bundle();
    ran!["verify", bundle].exits(0).shows(&["bundle holds"]);
    ran!["verify", bundle, "--inputs", sample()].exits(0).shows(&["bundle holds", "a rerun"]);
}

#[test]
fn changed_inputs_are_named() {
    let folder = tempfile::tempdir().unwrap();
    let (input, out) = (folder.path().join("in"), folder.path().join("out"));
    fs::create_dir(&input).unwrap();
    fs::write(input.join("grants.csv"), LEDGER).unwrap();
    fs::write(input.join("more.csv"), LEDGER.replace("g1", "g2")).unwrap();
    ran!["scan", &input, "-o", &out].exits(0);
    ran!["verify", &out, "--inputs", &input].exits(0);
    fs::write(input.join("grants.csv"), LEDGER.replace("queue", "queues")).unwrap();
    ran!["verify", &out, "--inputs", &input].exits(1).shows(&["changed   grants.csv"]);
    fs::remove_file(input.join("more.csv")).unwrap();
    ran!["verify", &out, "--inputs", &input].exits(1).shows(&["missing   more.csv"]);
    // A file that was not there then changes what a rerun finds.
    fs::write(input.join("grants.csv"), LEDGER).unwrap();
    fs::write(input.join("more.csv"), LEDGER.replace("g1", "g2")).unwrap();
    fs::write(input.join("new.csv"), LEDGER.replace("g1", "g3")).unwrap();
    ran!["verify", &out, "--inputs", &input].exits(1).shows(&["DOES NOT HOLD"]);
}

#[test]
fn files_of_the_same_name_in_two_folders_are_told_apart_and_found_again() {
    let folder = tempfile::tempdir().unwrap();
    let (a, b, out) = (folder.path().join("a"), folder.path().join("b"), folder.path().join("out"));
    for (dir, id) in [(&a, "g1"), (&b, "g2")] {
        fs::create_dir(dir).unwrap();
        fs::write(dir.join("grants.csv"), LEDGER.replace("g1", id)).unwrap();
    }
    ran!["scan", &a, &b, "-o", &out].exits(0);
    ran!["verify", &out, "--inputs", &a, &b].exits(0);
    fs::write(b.join("grants.csv"), LEDGER).unwrap();
    ran!["verify", &out, "--inputs", &a, &b].exits(1).shows(&["changed"]);
    // Files given by name.
    let (x, y) = (a.join("grants.csv"), b.join("grants.csv"));
    ran!["scan", &x, &y, "-o", &out].exits(0);
    ran!["verify", &out, "--inputs", &x, &y].exits(0);
}

#[test]
fn one_flipped_byte_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let (input, out) = (folder.path().join("grants.csv"), folder.path().join("out"));
    fs::write(&input, LEDGER.replace("2026-01-01T09:00:00Z,2026-01-01T09:00:00Z", ",")).unwrap();
    ran!["scan", &input, "-o", &out].exits(0);
    ran!["verify", &out].exits(0);
    let all = files(&out);
    assert!(all.len() > 30);
    for (name, bytes) in &all {
        let path = out.join(name);
        if bytes.is_empty() {
            fs::write(&path, "x").unwrap();
            ran!["verify", &out].exits(1).shows(&[name]);
            fs::write(&path, bytes).unwrap();
            continue;
        }
        // Somewhere in the middle for each; the lists themselves at several places.
        let spots: Vec<usize> = match name.as_str() {
            "manifest.json" | "SHA256SUMS" => {
                let n = bytes.len() - 1;
                vec![0, 1, 63, 64, 65, 66, 70, n / 3, n / 2, n - 1, n]
            }
            _ => vec![bytes.len() / 2],
        };
        for at in spots {
            let mut changed = bytes.clone();
            changed[at] ^= 1;
            fs::write(&path, &changed).unwrap();
            let ran = ran!["verify", &out];
            assert_eq!(ran.code, 1, "{name}, byte {at}: {} {}", ran.out, ran.err);
            assert!(ran.out.contains(name), "{name}, byte {at}: {}", ran.out);
        }
        fs::write(&path, bytes).unwrap();
    }
    ran!["verify", &out].exits(0);
    // A whole file less or more is named too; what is no bundle cannot be verified.
    fs::remove_file(out.join("report.html")).unwrap();
    fs::write(out.join("facts/extra.parquet"), "x").unwrap();
    ran!["verify", &out]
        .exits(1)
        .shows(&["missing   report.html", "extra     facts/extra.parquet"]);
    fs::remove_file(out.join("manifest.json")).unwrap();
    ran!["verify", &out].exits(1).shows(&["missing   manifest.json"]);
    ran!["verify", &out, "--inputs", &input].exits(1).says(&["inputs not compared"]);
    ran!["verify", &input].exits(3).says(&["grants.csv"]);
    ran!["verify", folder.path()].exits(3).says(&["manifest.json"]);
}
