use proptest::prelude::*;

use super::*;
use crate::gate::testing::{finding, rule, view};
use crate::report::view::{UnreadRow, WaiverRow};

fn now() -> Time {
    parse_rfc3339("2026-11-01T00:00:00Z").unwrap()
}

fn policy(fail_on: &str) -> Policy {
    Policy { fail_on: parse_fail_on(fail_on).unwrap(), ..Policy::default() }
}

fn run(view: &View, policy: &Policy) -> Verdict {
    decide(&GateInput { view: Some(view), policy, now: now(), faults: &[] })
}

fn clean() -> View {
    View { findings: vec![], ..view() }
}

fn waiver(state: &str) -> WaiverRow {
    WaiverRow { id: "W-1".into(), state: state.into(), ..WaiverRow::default() }
}

#[test]
fn conditions() {
    // (condition, status of a high finding, its certainty, code)
    for (fail_on, status, certainty, certain_only, code) in [
        ("new:high", Status::Open, "certain", false, 1),
        ("new:critical", Status::Open, "certain", false, 0),
        ("new:medium", Status::Open, "certain", false, 1),
        ("new:high", Status::Baselined, "certain", false, 0),
        ("new:high", Status::Waived, "certain", false, 0),
        ("any:high", Status::Baselined, "certain", false, 1),
        ("any:high", Status::Waived, "certain", false, 0),
        ("new:high", Status::Open, "possible", false, 1),
        ("new:high", Status::Open, "possible", true, 0),
        ("rule:GRT-003", Status::Open, "possible", true, 0),
        ("rule:GRT-003", Status::Open, "certain", true, 1),
        ("rule:GRT-003", Status::Baselined, "certain", false, 0),
        ("rule:STD-001", Status::Open, "certain", false, 0),
        ("new:critical,rule:GRT-003", Status::Open, "certain", false, 1),
        ("waiver:expired", Status::Open, "certain", false, 0),
    ] {
        let mut v = clean();
        let mut f = finding("alice", Severity::High);
        f.status = status;
        f.certainty = certainty.into();
        v.findings.push(f);
        let p = Policy { certain_only, ..policy(fail_on) };
        assert_eq!(run(&v, &p).code, code, "{fail_on} {status:?} {certainty} {certain_only}");
    }
}

#[test]
fn each_code_alone() {
    type Edit = fn(&mut View, &mut Policy);
    let cases: [(&str, u8, Edit); 18] = [
        ("clean", 0, |_, _| {}),
        ("finding", 1, |v, _| v.findings.push(finding("a", Severity::High))),
        ("unknown rule", 2, |_, p| p.fail_on = vec![Condition::Rule("NO-1".into())]),
        ("no sources", 3, |v, _| v.sources.clear()),
        ("no rules", 3, |v, _| v.rules.clear()),
        ("nothing assessed", 3, |v, _| v.rules = vec![rule("GRT-003", "not_assessed")]),
        ("partial is assessed", 0, |v, _| v.rules = vec![rule("GRT-003", "partial")]),
        ("layer missing", 4, |_, p| p.coverage = parse_coverage("usage").unwrap()),
        ("layer covered", 0, |_, p| p.coverage = parse_coverage("ledger:1,state").unwrap()),
        ("layer half covered", 4, |v, p| {
            v.coverage[0].covered_share = Some(0.5);
            p.coverage = parse_coverage("ledger:0.51").unwrap();
        }),
        ("share unknown", 4, |v, p| {
            v.coverage[0].covered_share = None;
            p.coverage = parse_coverage("ledger:0.01").unwrap();
        }),
        ("layer not assessed", 4, |v, p| {
            v.coverage[0].outcome = "not_assessed".into();
            p.coverage = parse_coverage("ledger").unwrap();
        }),
        ("asked rule not assessed", 4, |v, p| {
            v.rules[0].outcome = "not_assessed".into();
            p.fail_on = vec![Condition::Rule("GRT-003".into())];
        }),
        ("file not read", 4, |v, _| v.unread.push(UnreadRow::default())),
        ("file not read, layer covered", 4, |v, p| {
            v.unread.push(UnreadRow::default());
            p.coverage = parse_coverage("ledger").unwrap();
        }),
        ("waiver invalid", 5, |v, _| v.waivers.push(waiver("invalid"))),
        ("waiver expired, not asked", 0, |v, _| v.waivers.push(waiver("expired"))),
        ("waiver expired, asked", 1, |v, p| {
            v.waivers.push(waiver("expired"));
            p.fail_on = parse_fail_on("waiver:expired").unwrap();
        }),
    ];
    for (name, code, edit) in cases {
        let (mut v, mut p) = (clean(), Policy::default());
        edit(&mut v, &mut p);
        let got = run(&v, &p);
        assert_eq!((got.code, got.passed), (code, code == 0), "{name}: {:?}", got.reasons);
    }
    let nothing =
        decide(&GateInput { view: None, policy: &Policy::default(), now: now(), faults: &[] });
    assert_eq!(nothing.code, 3);
}

#[test]
fn files_that_could_not_be_read_are_named_with_the_remedy() {
    let mut v = clean();
    v.unread = (0..25)
        .map(|n| UnreadRow {
            file: format!("f{n}.gz"),
            why: "could not be read: compressed data ends too early".into(),
            remedy: "export the file again".into(),
        })
        .collect();
    let got = run(&v, &Policy::default());
    assert_eq!(got.code, 4);
    assert_eq!(got.reasons.len(), 21);
    assert_eq!(
        got.reasons[0].text,
        "`f0.gz` was given and nothing of it was judged: could not be read: compressed data ends too early; export the file again"
    );
    assert_eq!(got.reasons[20].text, "5 more files could not be read; see `overstay inspect`");
}

#[test]
fn age_of_sources() {
    let day = 86_400;
    // The sources of the view end one day before now.
    for (max, code) in [(day - 1, 4), (day, 0), (30 * day, 0)] {
        let p = Policy { max_source_age_s: Some(max), ..Policy::default() };
        assert_eq!(run(&clean(), &p).code, code, "{max}");
    }
    let p = Policy { max_source_age_s: Some(day), ..Policy::default() };
    let aged = |edit: fn(&mut View)| {
        let mut v = clean();
        edit(&mut v);
        run(&v, &p).code
    };
    // An archive beside the current file does no harm; a stale account does.
    assert_eq!(
        aged(|v| {
            let mut old = v.sources[0].clone();
            old.last_time = Some("2025-01-01T00:00:00Z".into());
            v.sources.push(old);
        }),
        0
    );
    assert_eq!(
        aged(|v| {
            let mut old = v.sources[0].clone();
            old.last_time = Some("2025-01-01T00:00:00Z".into());
            old.realm = Some("222".into());
            v.sources.push(old);
        }),
        4
    );
    assert_eq!(aged(|v| v.sources[0].last_time = None), 4);
    assert_eq!(aged(|v| v.sources[0].last_time = Some("2099-01-01T00:00:00Z".into())), 4);
    // The end of the window counts before the last record.
    assert_eq!(
        aged(|v| {
            v.sources[0].last_time = None;
            v.sources[0].window_end = Some("2026-11-01T00:00:00Z".into());
        }),
        0
    );
    assert_eq!(
        aged(|v| {
            v.sources[0].layer = "owner".into();
            v.sources[0].last_time = None;
        }),
        0
    );
}

#[test]
fn precedence_of_every_pair() {
    let order = [70, 2, 3, 5, 4, 1];
    assert_eq!(PRECEDENCE, order);
    for (i, a) in order.iter().enumerate() {
        for b in &order[i..] {
            let faults = [Reason::new(*b, "b"), Reason::new(*a, "a")];
            let input =
                GateInput { view: None, policy: &Policy::default(), now: now(), faults: &faults };
            assert_eq!(decide(&input).code, *a, "{a} and {b}");
        }
    }
}

#[test]
fn all_at_once_lists_all_reasons() {
    let mut v = view();
    v.waivers.push(waiver("invalid"));
    let p = Policy { coverage: parse_coverage("usage").unwrap(), ..policy("new:high,any:low") };
    let got = run(&v, &p);
    let codes: Vec<u8> = got.reasons.iter().map(|r| r.code).collect();
    assert_eq!(codes, [5, 4, 1, 1]);
    assert_eq!(got.failing.len(), 2);
    assert_eq!(got.failing[0], v.findings[0].fingerprint);
    assert_eq!(got.counts["open_high"], 1);
}

#[test]
fn what_could_not_be_looked_at_is_listed_even_when_it_passes() {
    let mut v = clean();
    v.rules.push(rule("USE-001", "not_assessed"));
    v.rules.push(rule("USE-002", "not_assessed"));
    v.rules.push(rule("STD-004", "partial"));
    v.sources[0].quarantined = 3;
    v.coverage[1].outcome = "partial".into();
    let got = run(&v, &Policy::default());
    assert_eq!(got.code, 0);
    let all = got.not_assessed.join("\n");
    for part in [
        "2 rules not assessed (USE-001, USE-002): no usage source",
        "STD-004 (0 of 10)",
        "3 of 5 records",
        "layer state partly covered",
    ] {
        assert!(all.contains(part), "{part} in {all}");
    }
}

#[test]
fn expressions() {
    assert_eq!(parse_fail_on("new:high").unwrap(), Policy::default().fail_on);
    assert_eq!(parse_fail_on(" any:critical , waiver:unused,").unwrap().len(), 2);
    for bad in [
        "",
        ",",
        "new",
        "new:",
        "new:High",
        "new:worst",
        "rule:",
        "waiver:invalid",
        "x:high",
        "new:high;any:low",
    ] {
        assert!(parse_fail_on(bad).is_err(), "{bad}");
    }
    assert_eq!(parse_coverage("usage:0.95").unwrap()[0].share, Some(0.95));
    for bad in ["", "logs", "usage:", "usage:2", "usage:-1", "usage:NaN", "usage:inf", "usage:a"] {
        assert!(parse_coverage(bad).is_err(), "{bad}");
    }
}

proptest! {
    /// More findings, or worse ones, never turn a failure into a pass.
    #[test]
    fn worse_never_passes_more(
        severities in proptest::collection::vec(0usize..5, 1..8),
        up in 0usize..8,
        threshold in 0usize..5,
    ) {
        let p = Policy { fail_on: vec![Condition::New(Severity::ALL[threshold])], ..Policy::default() };
        let mut v = clean();
        v.findings = severities
            .iter()
            .enumerate()
            .map(|(i, s)| finding(&format!("p{i}"), Severity::ALL[*s]))
            .collect();
        let before = run(&v, &p);
        prop_assert_eq!(before.passed, severities.iter().all(|s| *s < threshold));
        let i = up % v.findings.len();
        v.findings[i].severity = v.findings[i].severity.up();
        let after = run(&v, &p);
        prop_assert!(before.passed || !after.passed);
        prop_assert!(after.failing.len() >= before.failing.len());
    }
}
