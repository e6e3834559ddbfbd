use super::*;
use crate::evidence::testing;
use crate::evidence::verify;

fn files(word: &str) -> Vec<OutputFile<'static>> {
    let view: &'static crate::report::View = Box::leak(Box::new(testing::view()));
    let mut out = crate::evidence::files::view_files(view);
    for i in 0..6 {
        out.push(OutputFile::of_bytes(
            format!("charts/deep/{i}.svg"),
            "image/svg+xml",
            format!("<svg>{word}{i}</svg>").into_bytes(),
        ));
    }
    out
}

fn manifest() -> Manifest {
    Manifest::new(&testing::view(), &[], None)
}

fn word(dir: &Path) -> String {
    fs::read_to_string(locate(dir).join("charts/deep/0.svg")).unwrap()
}

fn siblings(dir: &Path) -> usize {
    fs::read_dir(dir.parent().unwrap()).unwrap().count()
}

#[test]
fn writes_checksums_that_hold() {
    let tmp = tempfile::tempdir().unwrap();
    let dir = tmp.path().join("out");
    write(&dir, files("a"), manifest()).unwrap();
    assert_eq!(verify::check(&dir).unwrap(), vec![]);
    let sums = fs::read_to_string(dir.join(SUMS)).unwrap();
    let mut sorted: Vec<&str> = sums.lines().map(|l| l.split_once("  ").unwrap().1).collect();
    assert!(sorted.is_sorted());
    assert!(sorted.contains(&MANIFEST));
    sorted.dedup();
    assert_eq!(sorted.len(), sums.lines().count());
    assert_eq!(read(&dir).unwrap().outputs.len(), files("a").len());
    assert_eq!(siblings(&dir), 1);
}

#[test]
fn same_content_gives_same_bytes() {
    let tmp = tempfile::tempdir().unwrap();
    let (a, b) = (tmp.path().join("a"), tmp.path().join("b"));
    write(&a, files("x"), manifest()).unwrap();
    let mut reversed = files("x");
    reversed.reverse();
    write(&b, reversed, manifest()).unwrap();
    assert_eq!(verify::compare(&a, &b).unwrap(), vec![]);
}

#[test]
fn replaces_a_bundle_and_leaves_nothing_behind() {
    let tmp = tempfile::tempdir().unwrap();
    let dir = tmp.path().join("out");
    write(&dir, files("a"), manifest()).unwrap();
    write(&dir, files("b"), manifest()).unwrap();
    assert_eq!(word(&dir), "<svg>b0</svg>");
    assert_eq!(siblings(&dir), 1);
}

#[test]
fn refuses_what_is_not_a_bundle() {
    let tmp = tempfile::tempdir().unwrap();
    let dir = tmp.path().join("home");
    fs::create_dir(&dir).unwrap();
    write(&dir, files("a"), manifest()).unwrap();
    let other = tmp.path().join("other");
    fs::create_dir(&other).unwrap();
    fs::write(other.join("thesis.txt"), "years of work").unwrap();
    assert!(matches!(write(&other, files("a"), manifest()), Err(BundleError::NotABundle { .. })));
    assert_eq!(fs::read_to_string(other.join("thesis.txt")).unwrap(), "years of work");
    let file = tmp.path().join("file");
    fs::write(&file, "x").unwrap();
    assert!(matches!(write(&file, files("a"), manifest()), Err(BundleError::NotABundle { .. })));
    assert!(write(Path::new(".."), files("a"), manifest()).is_err());
}

#[test]
fn refuses_names_that_leave_the_bundle() {
    let tmp = tempfile::tempdir().unwrap();
    for bad in ["../x", "/etc/x", "a//b", "", "a/../b", "x\ny", "c:\\x", "manifest.json", "./x"] {
        let f = vec![OutputFile::of_bytes(bad, "text/plain", vec![])];
        let got = write(&tmp.path().join("out"), f, manifest());
        assert!(matches!(got, Err(BundleError::BadName { .. })), "{bad:?}");
    }
    let twice = ["A.txt", "a.txt"].map(|p| OutputFile::of_bytes(p, "text/plain", vec![]));
    assert!(write(&tmp.path().join("out"), twice.to_vec(), manifest()).is_err());
    assert!(!tmp.path().join("out").exists());
}

const STEPS: [Step; 5] =
    [Step::Staged, Step::PartWritten, Step::Written, Step::Aside, Step::Swapped];

#[test]
fn a_whole_bundle_is_there_after_a_stop_at_any_step() {
    for stop in STEPS {
        let tmp = tempfile::tempdir().unwrap();
        let dir = tmp.path().join("out");
        write(&dir, files("old"), manifest()).unwrap();
        let mut reached = false;
        let got = write_steps(&dir, files("new"), manifest(), &mut |s| {
            reached |= s == stop;
            if s == stop { Err(io::Error::other("stopped")) } else { Ok(()) }
        });
        assert!(got.is_err() && reached, "{stop:?}");
        let expected = if stop == Step::Swapped { "<svg>new0</svg>" } else { "<svg>old0</svg>" };
        assert_eq!(word(&dir), expected, "{stop:?}");
        assert_eq!(verify::check(&locate(&dir)).unwrap(), vec![], "{stop:?}");
        // The next run puts everything right. A process that another test starts holds the lock of the run that
        // was stopped here until it has become a program of its own; then the run after that does it.
        for _ in 0..100 {
            write(&dir, files("next"), manifest()).unwrap();
            assert_eq!(word(&dir), "<svg>next0</svg>");
            if siblings(&dir) == 1 {
                break;
            }
            thread::sleep(std::time::Duration::from_millis(20));
        }
        assert_eq!(siblings(&dir), 1, "{stop:?}");
    }
}

/// Not a test of its own: the process that [`a_killed_process_leaves_a_whole_bundle`] kills.
#[test]
fn child_that_dies() {
    let Ok(dir) = std::env::var("OVERSTAY_TEST_KILL_DIR") else { return };
    let stop: usize = std::env::var("OVERSTAY_TEST_KILL_STEP").unwrap().parse().unwrap();
    let _ = write_steps(Path::new(&dir), files("new"), manifest(), &mut |s| {
        if s == STEPS[stop] { std::process::abort() } else { Ok(()) }
    });
}

#[test]
fn a_killed_process_leaves_a_whole_bundle() {
    for (i, step) in STEPS.iter().enumerate() {
        let tmp = tempfile::tempdir().unwrap();
        let dir = tmp.path().join("out");
        write(&dir, files("old"), manifest()).unwrap();
        let status = std::process::Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "evidence::bundle::tests::child_that_dies", "--nocapture"])
            .env("OVERSTAY_TEST_KILL_DIR", &dir)
            .env("OVERSTAY_TEST_KILL_STEP", i.to_string())
            .stdout(std::process::Stdio::null())
            .stderr(std::process::Stdio::null())
            .status()
            .unwrap();
        assert!(!status.success() && status.code().is_none(), "{step:?}: {status}");
        assert_eq!(verify::check(&locate(&dir)).unwrap(), vec![], "{step:?}");
        write(&dir, files("next"), manifest()).unwrap();
        assert_eq!((word(&dir).as_str(), siblings(&dir)), ("<svg>next0</svg>", 1), "{step:?}");
    }
}

#[test]
fn a_live_writer_keeps_its_staging_directory() {
    let tmp = tempfile::tempdir().unwrap();
    let dir = tmp.path().join("out");
    // While the outer run has written everything, an inner run with the same target starts and ends.
    write_steps(&dir, files("outer"), manifest(), &mut |s| {
        if s == Step::Written {
            write(&dir, files("inner"), manifest()).map_err(io::Error::other)?;
        }
        Ok(())
    })
    .unwrap();
    assert_eq!(word(&dir), "<svg>outer0</svg>");
    assert_eq!(siblings(&dir), 1);
}

#[test]
fn manifests_of_later_versions_and_garbage_are_errors() {
    let tmp = tempfile::tempdir().unwrap();
    for text in ["", "{", "[]", "{\"schema_version\":99}", "{\"schema_version\":1}", "null"] {
        fs::write(tmp.path().join(MANIFEST), text).unwrap();
        assert!(matches!(read(tmp.path()), Err(BundleError::Malformed { .. })), "{text}");
    }
    assert!(matches!(read(&tmp.path().join("none")), Err(BundleError::Io { .. })));
}
