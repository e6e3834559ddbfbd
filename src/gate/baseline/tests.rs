use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::gate::testing::{finding, view};
use crate::report::view::UnreadRow;

fn run() -> View {
    view()
}

fn holding(principal: &str, tier: Option<&str>, state: &str) -> HoldingLine {
    HoldingLine {
        principal: principal.into(),
        privilege: "Admin".into(),
        scope: "*".into(),
        tier: tier.map(Into::into),
        standing: "standing".into(),
        state: state.into(),
    }
}

fn held(lines: &[HoldingLine]) -> Held {
    Held { lines: lines.to_vec(), ..Held::default() }
}

fn sample() -> Baseline {
    let holdings = [holding("alice", Some("T1"), "s1"), holding("bob", None, "s2")];
    Baseline::create(&run(), &held(&holdings), false).unwrap()
}

#[test]
fn round_trip_and_line_ends() {
    let b = sample();
    let text = b.to_text();
    assert_eq!(Baseline::parse(&text, "f").unwrap(), b);
    assert_eq!(Baseline::parse(&text.replace('\n', "\r\n"), "f").unwrap(), b);
    assert_eq!(Baseline::parse(text.trim_end(), "f").unwrap(), b);
    assert_eq!(text.lines().count(), 5);
}

#[test]
fn any_damage_is_an_error() {
    let text = sample().to_text();
    let lines: Vec<&str> = text.lines().collect();
    let join = |l: &[&str]| l.join("\n");
    let swapped = join(&[lines[0], lines[2], lines[1], lines[3], lines[4]]);
    let twice = join(&[lines[0], lines[1], lines[1], lines[2], lines[3], lines[4]]);
    for (name, damaged) in [
        ("empty", String::new()),
        ("header only", format!("{}\n", lines[0])),
        ("body only", join(&lines[1..])),
        ("line lost", join(&lines[..4])),
        ("order", swapped),
        ("twice", twice),
        ("severity", text.replacen("\"severity\":\"medium\"", "\"severity\":\"high\"", 1)),
        ("unknown key", text.replacen("\"tier\":", "\"teir\":", 1)),
        ("scope", text.replacen("Acme", "Evil", 1)),
        ("not json", "{{{{\n".repeat(1000)),
        ("other json", "[1,2,3]\n{}\n".into()),
        ("nul", "\0".repeat(4096)),
    ] {
        let got = Baseline::parse(&damaged, "f");
        assert!(matches!(got, Err(BaselineError::Corrupt { .. })), "{name}: {got:?}");
    }
    for cut in 0..text.len() {
        // Only the last line feed may be lost.
        let ok = Baseline::parse(text.get(..cut).unwrap(), "f").is_ok();
        assert_eq!(ok, cut == text.len() - 1, "cut at {cut}");
    }
}

#[test]
fn later_versions_and_deep_nesting_are_refused() {
    let future = sample().to_text().replacen("\"schema_version\":2", "\"schema_version\":3", 1);
    assert!(matches!(Baseline::parse(&future, "f"), Err(BaselineError::Future { version: 3, .. })));
    let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
    assert!(Baseline::parse(&deep, "f").is_err());
}

#[test]
fn missing_files_and_other_bytes_are_errors() {
    let tmp = tempfile::tempdir().unwrap();
    let path = tmp.path().join("b.jsonl");
    assert!(matches!(Baseline::load(&path), Err(BaselineError::Read { .. })));
    std::fs::write(&path, [0xff, 0xfe, 0x00]).unwrap();
    assert!(matches!(Baseline::load(&path), Err(BaselineError::Corrupt { .. })));
    std::fs::write(&path, sample().to_text()).unwrap();
    assert_eq!(Baseline::load(&path).unwrap(), sample());
    let huge = std::fs::File::create(&path).unwrap();
    huge.set_len(MAX_BYTES + 1).unwrap();
    assert!(matches!(Baseline::load(&path), Err(BaselineError::Corrupt { .. })));
}

#[test]
fn incomplete_runs_are_refused() {
    let refused = |edit: fn(&mut View), word: &str| {
        let mut v = run();
        edit(&mut v);
        let e = Baseline::create(&v, &Held::default(), false).unwrap_err().to_string();
        assert!(e.contains(word), "{word}: {e}");
    };
    refused(|v| v.sources.clear(), "no sources");
    refused(|v| v.sources[0].completeness = "truncated".into(), "truncated");
    refused(|v| v.sources[1].quarantined = 2, "quarantine");
    refused(|v| v.rules.iter_mut().for_each(|r| r.outcome = "not_assessed".into()), "no rule");
    refused(|v| v.unread.push(UnreadRow { file: "a.gz".into(), ..UnreadRow::default() }), "a.gz");
    refused(|v| v.findings.clear(), "filtered");
    let mut v = run();
    v.sources[1].quarantined = 2;
    assert_eq!(Baseline::create(&v, &Held::default(), true).unwrap().header.quarantined, 2);
}

#[test]
fn waived_findings_are_not_accepted_for_ever() {
    let mut v = run();
    v.findings[0].status = crate::findings::Status::Waived;
    let b = Baseline::create(&v, &Held::default(), false).unwrap();
    assert_eq!(b.findings.len(), 1);
}

#[test]
fn other_scopes_are_refused() {
    let b = sample();
    let mut v = run();
    v.entity = Some("Other".into());
    assert!(matches!(b.check_scope("f", &v), Err(BaselineError::OtherScope { .. })));
    let mut v = run();
    v.sources.iter_mut().for_each(|s| s.realm = Some("999".into()));
    assert!(matches!(b.check_scope("f", &v), Err(BaselineError::OtherScope { .. })));
    v.sources[0].realm = Some("111".into());
    assert!(b.check_scope("f", &v).is_ok());
}

#[test]
fn holdings_are_new_wider_or_unchanged() {
    let b = sample();
    let change = |p: &str, tier, state| b.holding_change(p, "Admin", "*", tier, state);
    assert_eq!(change("alice", Some("T1"), "s1"), Some("unchanged"));
    assert_eq!(change("alice", Some("T1"), "s9"), Some("wider"));
    assert_eq!(change("alice", Some("T0"), "s9"), Some("wider"));
    assert_eq!(change("alice", None, "s9"), Some("wider"));
    assert_eq!(change("alice", Some("T3"), "s9"), Some("unchanged"));
    assert_eq!(change("carol", Some("T4"), "s1"), Some("new"));
    let mut blind = b.clone();
    blind.header.sources.retain(|s| s.layer != "state");
    assert_eq!(blind.holding_change("carol", "Admin", "*", None, "x"), None);
}

#[test]
fn eligible_and_residue_are_not_held() {
    let mut h = Holding { standing: Standing::Eligible, ..Holding::default() };
    assert!(HoldingLine::of(&h).is_none());
    h.standing = Standing::Residue;
    assert!(HoldingLine::of(&h).is_none());
    h.standing = Standing::TimeBound;
    assert_eq!(HoldingLine::of(&h).unwrap().standing, "time_bound");
}

#[test]
fn update_keeps_first_seen_and_what_was_not_looked_at() {
    let b = sample();
    let mut v = run();
    v.as_of = "2026-12-01T00:00:00Z".into();
    // alice changed, bob is gone, carol is new.
    v.findings[0].first_seen = v.as_of.as_str().into();
    v.findings[0].state_digest = "1".repeat(64);
    v.findings[1] = finding("carol", Severity::Low);
    let (next, c) = b.update(&v, &Held::default(), false).unwrap();
    let words: Vec<&str> = c.changes.values().map(super::super::Change::word).collect();
    assert_eq!(words.iter().filter(|w| **w == "new").count(), 1);
    assert_eq!(words.iter().filter(|w| **w == "absent").count(), 1);
    assert_eq!(next.findings.len(), 2);
    assert_eq!(next.findings[&v.findings[0].fingerprint].first_seen, "2026-11-01T00:00:00Z");
    assert_eq!(Baseline::parse(&next.to_text(), "f").unwrap(), next);
    // Without the ledger bob is unknown, and stays.
    v.sources.remove(0);
    let (next, _) = b.update(&v, &Held::default(), false).unwrap();
    assert_eq!(next.findings.len(), 3);
}

proptest! {
    #[test]
    fn what_is_written_is_read(
        names in proptest::collection::btree_set("[^\\x00]{1,20}", 0..12),
        n in any::<i64>(),
        note in ".{0,30}",
    ) {
        let mut v = run();
        v.findings = names
            .iter()
            .map(|p| {
                let mut f = finding(p, Severity::High);
                f.evidence.insert("overstay_s".into(), json!(n));
                f.evidence.insert(note.as_str().into(), json!([note.clone()]));
                f
            })
            .collect();
        v.rules[0].exceptions = v.findings.len() as u64;
        let holdings: Vec<_> = names.iter().map(|p| holding(p, Some("T2"), &note)).collect();
        let b = Baseline::create(&v, &held(&holdings), false).unwrap();
        let back = Baseline::parse(&b.to_text(), "f").unwrap();
        prop_assert_eq!(&back, &b);
        // The run it was made of passes it: nothing is new.
        prop_assert!(b.compare("b", &v, &Snapshot::default()).changes.values().all(|c| !c.counts_as_new()));
        // Order of findings does not matter.
        v.findings.reverse();
        prop_assert_eq!(Baseline::create(&v, &held(&holdings), false).unwrap().to_text(), b.to_text());
    }

    #[test]
    fn garbage_never_panics(text in "\\PC{0,200}") {
        prop_assert!(Baseline::parse(&text, "f").is_err());
    }
}
