//! Large ledgers: what the program says when they are screened, when they cannot be, and when there is no
//! room for it.

use std::fmt::Write as _;
use std::path::Path;

use crate::program::{Ran, command};

/// Grants, with the id of the first of them again at the end when a ledger for it is given.
fn ledger(dir: &Path, rows: usize, twice: Option<&str>) {
    let mut text =
        String::from("grant_id,broker,system,principal,role,scope,granted_at,expires_at\n");
    for i in 0..rows + usize::from(twice.is_some()) {
        let broker = if i == rows { twice.unwrap() } else { "jit" };
        let (i, hour) = (i % rows, i % 24);
        writeln!(
            text,
            "g{i},{broker},aws,user{i}@corp.example,admin,aws:{i},2026-01-01T{hour:02}:00:00Z,2026-01-02T{hour:02}:00:00Z"
        )
        .unwrap();
    }
    std::fs::write(dir.join("grants.csv"), text).unwrap();
}

fn scan(dir: &Path, settings: &str, temporary: &Path) -> (i32, String) {
    let home = dir.parent().unwrap();
    let config = home.join("settings.toml");
    std::fs::write(&config, settings).unwrap();
    let (out, to) = (home.join("out"), "-o".as_ref());
    let args = [
        "scan".as_ref(),
        dir.as_os_str(),
        "--config".as_ref(),
        config.as_os_str(),
        to,
        out.as_os_str(),
    ];
    let ran = Ran::of(command(&args).env("TMPDIR", temporary).output().unwrap(), "scan");
    (ran.code, ran.out + &ran.err)
}

#[test]
fn a_screened_ledger_names_every_exception() {
    let home = tempfile::tempdir().unwrap();
    let dir = home.path().join("in");
    std::fs::create_dir(&dir).unwrap();
    ledger(&dir, 300, None);
    let (_, said) =
        scan(&dir, "[screening]\nfrom_grants = 100\nfindings_per_rule = 2\n", home.path());
    assert!(said.contains("The ledger was screened: 300 grants"), "{said}");
    let exceptions = std::fs::read_to_string(home.path().join("out/exceptions.csv")).unwrap();
    let of = |rule: &str| exceptions.lines().filter(|l| l.starts_with(rule)).count();
    assert_eq!(of("GRT-002"), 300, "every grant of a day is longer than the limit allows");
}

/// One odd grant does not keep the others from being screened, however large the ledger is.
#[test]
fn an_odd_grant_is_judged_row_by_row() {
    let home = tempfile::tempdir().unwrap();
    let dir = home.path().join("in");
    std::fs::create_dir(&dir).unwrap();
    ledger(&dir, 5000, Some("jit"));
    let (_, said) = scan(&dir, "[screening]\nfrom_grants = 100\nrows_up_to = 1000\n", home.path());
    for words in [
        "The ledger was screened: 5000 grants",
        "2 of the grants were judged row by row: a grant id that occurs twice",
    ] {
        assert!(said.contains(words), "{words}: {said}");
    }
    let exceptions = std::fs::read_to_string(home.path().join("out/exceptions.csv")).unwrap();
    let of = |what: &str| exceptions.lines().filter(|l| l.starts_with(what)).count();
    assert_eq!(of("GRT-002"), 5000);
    assert_eq!(of("GRT-002,certain,S0001,L2,"), 1);
    // More of them than rows can judge end the run, with the reason.
    let (code, said) = scan(&dir, "[screening]\nfrom_grants = 100\nrows_up_to = 1\n", home.path());
    assert_eq!(code, 3, "{said}");
    assert!(said.contains("2 of its grants need to be judged row by row, more than 1"), "{said}");
}

#[test]
fn a_ledger_that_is_too_large_for_rows_ends_with_the_reason_and_the_remedy() {
    let home = tempfile::tempdir().unwrap();
    let dir = home.path().join("in");
    std::fs::create_dir(&dir).unwrap();
    ledger(&dir, 5000, Some("other"));
    let (code, said) =
        scan(&dir, "[screening]\nfrom_grants = 100\nrows_up_to = 1000\n", home.path());
    assert_eq!(code, 3, "{said}");
    for words in ["a grant id of two ledgers", "split the export", "screening.rows_up_to"] {
        assert!(said.contains(words), "{words}: {said}");
    }
    assert!(!home.path().join("out").exists());
    // With room for them as rows the same ledger is judged, and the reason is told.
    let (_, said) = scan(&dir, "[screening]\nfrom_grants = 100\n", home.path());
    assert!(said.contains("was not screened: a grant id of two ledgers"), "{said}");
}

#[test]
fn no_room_for_the_temporary_file_is_an_error_and_no_reason_to_judge_by_rows() {
    let home = tempfile::tempdir().unwrap();
    let dir = home.path().join("in");
    std::fs::create_dir(&dir).unwrap();
    ledger(&dir, 5000, None);
    let none = home.path().join("none");
    let (code, said) = scan(&dir, "[screening]\nfrom_grants = 100\nmemory_mib = 0\n", &none);
    assert_eq!(code, 70, "{said}");
    for words in ["temporary file", "none", "TMPDIR", "screening.memory_mib"] {
        assert!(said.contains(words), "{words}: {said}");
    }
}
