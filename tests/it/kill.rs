//! A run that is killed leaves the bundle that was there, or the new one, whole.

use std::fs;
use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

use crate::program::{LEDGER, command, files, json_file, ran, sample};

fn start(input: &Path, out: &Path) -> std::process::Child {
    let mut scan = command(&["--quiet", "scan"]);
    scan.arg(input).arg("-o").arg(out);
    scan.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
}

/// What lies beside a bundle.
fn beside(out: &Path) -> Vec<String> {
    let entries = fs::read_dir(out.parent().unwrap()).unwrap();
    let mut names: Vec<String> =
        entries.map(|e| e.unwrap().file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    names
}

#[test]
fn the_old_bundle_or_the_new_one_is_whole_whenever_it_is_killed() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("out");
    let ledger = tempfile::tempdir().unwrap();
    let file = ledger.path().join("grants.csv");
    fs::write(&file, LEDGER).unwrap();

    // Two bundles to tell apart: the sample's and the small ledger's.
    let begin = Instant::now();
    ran!["--quiet", "scan", sample(), "-o", &out].exits(0);
    let whole = begin.elapsed();
    let new = files(&out);
    ran!["--quiet", "scan", &file, "-o", &out].exits(0);
    let old = files(&out);
    assert_ne!(old, new);

    let (mut killed, mut stray) = (0, 0);
    // From the start to a little beyond the end, and most of all at the end, where it is written.
    let moments = [0.01, 0.2, 0.6, 0.85, 0.92, 0.96, 1.0];
    for share in moments {
        let mut child = start(&sample(), &out);
        std::thread::sleep(whole.mul_f64(share));
        child.kill().unwrap();
        killed += usize::from(child.wait().unwrap().code().is_none());
        stray += beside(&out).len() - 1;
        ran!["--quiet", "verify", &out].exits(0);
        // A gate may read it too, even in the moment between two renames.
        ran!["gate", &out, "--fail-on", "rule:GRT-003"];
        let sources =
            json_file(&located(&out).join("report.json"))["sources"].as_array().unwrap().len();
        let found = files(&located(&out));
        assert!(found == if sources == 1 { old.clone() } else { new.clone() }, "a mixed bundle");
        if found == new {
            ran!["--quiet", "scan", &file, "-o", &out].exits(0);
        }
    }
    assert!(killed >= 3, "only {killed} of {} runs were killed", moments.len());
    // A run that ends well clears up after those that did not.
    ran!["--quiet", "scan", &file, "-o", &out].exits(0);
    assert_eq!(beside(&out), ["out"], "{stray} were left by killed runs");
    assert!(files(&out) == old);
}

/// The bundle, or the copy of it that is set aside between two renames.
fn located(out: &Path) -> std::path::PathBuf {
    overstay::evidence::bundle::locate(out)
}

/// As soon as the run has a folder of its own beside the bundle, it is killed: in the middle of writing.
#[test]
fn a_run_killed_while_it_writes_leaves_nothing_behind() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("out");
    ran!["--quiet", "scan", sample(), "-o", &out].exits(0);
    let old = files(&out);
    let mut seen = 0;
    for _ in 0..2 {
        let mut child = start(&sample(), &out);
        let start = Instant::now();
        while beside(&out).len() == 1 && child.try_wait().unwrap().is_none() {
            assert!(start.elapsed() < Duration::from_secs(60), "the run does not end");
            std::thread::sleep(Duration::from_micros(200));
        }
        child.kill().unwrap();
        child.wait().unwrap();
        seen += usize::from(beside(&out).len() > 1);
        ran!["--quiet", "verify", &out].exits(0);
        assert!(files(&located(&out)) == old);
    }
    assert!(seen > 0, "no run was killed while it wrote");
    ran!["--quiet", "scan", sample(), "-o", &out].exits(0);
    assert_eq!(beside(&out), ["out"]);
    assert!(files(&out) == old);
}
