use super::*;
use crate::facts::store::tables_of;
use crate::facts::{GrantFact, Holding, Row, Tier, text};
use crate::findings::Severity;
use proptest::prelude::*;

const GRT: &str = include_str!("../../tests/data/rules-sample/grt/GRT-003-sample.yaml");
const STD: &str = include_str!("../../tests/data/rules-sample/std/STD-001-sample.yaml");
const EVD: &str = include_str!("../../tests/data/rules-sample/evd/EVD-001-sample.yaml");

fn pack() -> Pack {
    Pack::from_texts([("grt.yaml", GRT), ("std.yaml", STD), ("evd.yaml", EVD)]).unwrap()
}

fn words(list: &[&str]) -> BTreeSet<String> {
    list.iter().map(ToString::to_string).collect()
}

struct World {
    frames: BTreeMap<&'static str, DataFrame>,
    limits: Limits,
    sources: Vec<Source>,
    present: BTreeSet<String>,
    disabled: BTreeMap<String, String>,
}

impl World {
    fn new(grants: &[GrantFact], holdings: &[Holding]) -> Self {
        Self {
            frames: BTreeMap::from([
                ("grant_facts", GrantFact::frame(grants).unwrap()),
                ("holdings", Holding::frame(holdings).unwrap()),
            ]),
            limits: Limits::default(),
            sources: vec![Source {
                source_id: text("S0001"),
                file: text("ledger.csv"),
                sha256: text("ab"),
                ..Source::default()
            }],
            present: words(&["ledger", "task", "state"]),
            disabled: BTreeMap::new(),
        }
    }

    fn run(&self) -> RunOutput {
        run(&pack(), &self.input(None)).unwrap()
    }

    fn input<'a>(&'a self, only: Option<&'a BTreeSet<String>>) -> RunInput<'a> {
        RunInput {
            tables: tables_of(&self.frames),
            limits: &self.limits,
            as_of: Time::from_secs(1_767_225_600),
            sources: &self.sources,
            present: &self.present,
            disabled: &self.disabled,
            only,
        }
    }
}

fn grant(id: &str, overstay: Option<i64>) -> GrantFact {
    GrantFact {
        grant_id: text(id),
        principal_id: text("alice"),
        privilege: text("Admin"),
        scope: Some(text("prod")),
        effective: true,
        tier: Some(Tier::T1),
        task_id: Some(text("T-1")),
        overstay_s: overstay,
        refs: vec![text("S0001#L9"), text("S0001#L2"), text("S0001#L2"), text("S0404#L1")],
        ..GrantFact::default()
    }
}

#[test]
fn findings_carry_identity_evidence_and_sources() {
    let world =
        World::new(&[grant("g1", Some(7200)), grant("g2", Some(10)), grant("g3", None)], &[]);
    let out = world.run();
    let result = out.results.iter().find(|r| r.rule == "GRT-003").unwrap();
    assert_eq!(
        (result.population, result.exceptions, result.clean, result.not_assessed),
        (3, 1, 1, 1)
    );
    assert_eq!(result.outcome, "partial");
    assert_eq!(result.reasons, BTreeMap::from([("end_unknown".to_string(), 1)]));
    assert_eq!(result.reason.as_deref(), Some("end_unknown (1)"));
    assert_eq!(result.limits, BTreeMap::from([("task_grace_s".to_string(), "900".to_string())]));
    let f = &out.findings[0];
    assert_eq!(f.rule, "GRT-003");
    assert_eq!(f.severity, Severity::High);
    assert_eq!(f.certainty, "certain");
    assert_eq!(f.message, "`alice` kept `Admin` on `prod` for 2 h after task `T-1` ended");
    assert_eq!(f.principal.as_deref(), Some("alice"));
    assert_eq!(f.grant_id.as_deref(), Some("g1"));
    assert_eq!(&*f.first_seen, "2026-01-01T00:00:00Z");
    assert_eq!(f.evidence.get("overstay_s"), Some(7200.into()));
    assert_eq!(f.evidence.get("ended_at"), Some(serde_json::Value::Null));
    let places: Vec<_> = f.sources.iter().map(|s| (&*s.file, s.place.as_str())).collect();
    assert_eq!(places, [("S0404", "L1"), ("ledger.csv", "L2"), ("ledger.csv", "L9")]);
    let tests: Vec<_> = f.controls.iter().map(|c| (c.id.as_str(), c.relation.as_str())).collect();
    assert_eq!(
        tests,
        [
            ("AC-3(8)", "tests"),
            ("AC-2(2)", "supports"),
            ("ASI03", "supports"),
            ("NHI1:2025", "tests"),
            ("NHI5:2025", "supports"),
        ]
    );
}

#[test]
fn a_missing_input_is_named_and_never_passes() {
    let mut world = World::new(&[grant("g1", Some(7200))], &[]);
    world.present = words(&["state"]);
    let out = world.run();
    let result = out.results.iter().find(|r| r.rule == "GRT-003").unwrap();
    assert_eq!(result.outcome, "not_assessed");
    assert_eq!(result.reason.as_deref(), Some("no_source: ledger, task"));
    assert_eq!(result.population, 0);
    assert!(out.findings.is_empty());
}

#[test]
fn a_disabled_rule_says_so() {
    let mut world = World::new(&[grant("g1", Some(7200))], &[]);
    world.disabled.insert("GRT-003".into(), "accepted by the owner".into());
    let out = world.run();
    let result = out.results.iter().find(|r| r.rule == "GRT-003").unwrap();
    assert_eq!(result.reason.as_deref(), Some("disabled: accepted by the owner"));
    assert_eq!(result.outcome, "not_assessed");
}

#[test]
fn nothing_to_test_is_assessed_and_nothing_tested_is_not() {
    let world = World::new(&[], &[]);
    assert!(world.run().results.iter().all(|r| r.outcome == "assessed" && r.population == 0));
    let world = World::new(&[grant("g1", None)], &[]);
    let out = world.run();
    let result = out.results.iter().find(|r| r.rule == "GRT-003").unwrap();
    assert_eq!((result.outcome.as_str(), result.not_assessed), ("not_assessed", 1));
}

#[test]
fn a_missing_table_is_an_error() {
    let mut world = World::new(&[], &[]);
    world.frames.remove("holdings");
    let error = run(&pack(), &world.input(None)).unwrap_err();
    assert!(error.to_string().contains("`holdings`"), "{error}");
    let only = words(&["GRT-003"]);
    assert_eq!(run(&pack(), &world.input(Some(&only))).unwrap().results.len(), 1);
}

#[test]
fn a_possible_finding_takes_the_possible_tier() {
    let holding = |tier, possible, privileged| Holding {
        principal_id: text("p"),
        tier,
        tier_possible: possible,
        privileged,
        ..Holding::default()
    };
    let world = World::new(
        &[],
        &[
            holding(Some(Tier::T3), Some(Tier::T0), Some(false)),
            Holding {
                principal_id: text("q"),
                ..holding(Some(Tier::T1), Some(Tier::T0), Some(true))
            },
        ],
    );
    let out = world.run();
    let f = |p: &str| out.findings.iter().find(|f| f.principal.as_deref() == Some(p)).unwrap();
    assert_eq!((f("p").severity, f("p").certainty.as_str()), (Severity::Critical, "possible"));
    assert!(f("p").severity_reasons[0].contains("if undecided conditions are met"));
    assert_eq!((f("q").severity, f("q").certainty.as_str()), (Severity::High, "certain"));
}

#[test]
fn state_changes_move_the_state_digest_only() {
    let one = World::new(&[grant("g1", Some(7200))], &[]).run().findings.remove(0);
    let mut changed = grant("g1", Some(7200));
    changed.ended_at = Some(Time::from_secs(5));
    let two = World::new(&[changed], &[]).run().findings.remove(0);
    assert_eq!(one.fingerprint, two.fingerprint);
    assert_ne!(one.state_digest, two.state_digest);
    let three = World::new(&[grant("g1", Some(9999))], &[]).run().findings.remove(0);
    assert_eq!(one.state_digest, three.state_digest, "the measure is not state");
}

#[test]
fn rows_of_one_identity_become_one_finding() {
    let mut worse = grant("g1", Some(7200));
    worse.uses_after_task = Some(1);
    worse.refs = vec![text("S0001#L3")];
    let out = World::new(&[grant("g1", Some(7200)), worse], &[]).run();
    let found: Vec<_> = out.findings.iter().filter(|f| f.rule == "GRT-003").collect();
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].severity, Severity::Critical);
    assert_eq!(found[0].evidence.get("occurrences"), Some(2.into()));
    assert_eq!(found[0].sources.len(), 4);
    assert_eq!(out.results.iter().find(|r| r.rule == "GRT-003").unwrap().exceptions, 2);
}

#[test]
fn order_of_threads_does_not_matter() {
    let grants: Vec<_> =
        (0..200).map(|i| grant(&format!("g{}", i * 7919 % 200), Some(i * 37))).collect();
    let world = World::new(&grants, &[]);
    let at =
        |n| rayon::ThreadPoolBuilder::new().num_threads(n).build().unwrap().install(|| world.run());
    let (one, four) = (at(1), at(4));
    assert_eq!(one.findings, four.findings);
    assert_eq!(one.results, four.results);
}

#[test]
fn a_wrong_rule_stops_the_run_even_without_its_input() {
    let wrong = GRT.replace("overstay_s > limits", "oversty_s > limits");
    let pack = Pack::from_texts([("grt.yaml", wrong.as_str())]).unwrap();
    let mut world = World::new(&[], &[]);
    world.present.clear();
    let error = run(&pack, &world.input(None)).unwrap_err().to_string();
    assert!(error.contains("grt.yaml") && error.contains("exception"), "{error}");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn population_is_exceptions_clean_and_not_assessed(
        rows in proptest::collection::vec((any::<bool>(), any::<bool>(),
            proptest::option::of(-5000i64..5000), proptest::option::of(-5000i64..5000)), 0..40)
    ) {
        let grants: Vec<_> = rows.iter().enumerate().map(|(i, (effective, open, a, b))| GrantFact {
            effective: *effective, open_ended: Some(*open), overstay_hi_s: *b, ..grant(&format!("g{i}"), *a)
        }).collect();
        let out = World::new(&grants, &[]).run();
        for r in &out.results {
            prop_assert_eq!(r.population, r.exceptions + r.clean + r.not_assessed);
            prop_assert_eq!(r.reasons.values().sum::<u64>(), r.not_assessed);
            let found = out.findings.iter().filter(|f| f.rule == r.rule).count() as u64;
            prop_assert_eq!(found, r.exceptions);
        }
        let in_population = rows.iter().filter(|(e, o, ..)| *e && !*o).count() as u64;
        prop_assert_eq!(out.results.iter().find(|r| r.rule == "GRT-003").unwrap().population, in_population);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 32, ..ProptestConfig::default() })]

    /// However a table is cut, results and findings are the same; so are those of rows and of their frame.
    #[test]
    fn pieces_do_not_show(
        rows in proptest::collection::vec((0..6u8, any::<bool>(), any::<bool>(),
            proptest::option::of(-5000i64..5000), proptest::option::of(0..3i64)), 0..40),
        piece in 1..12usize,
    ) {
        let grants: Vec<_> = rows.iter().enumerate().map(|(i, (id, effective, open, over, uses))| GrantFact {
            effective: *effective,
            open_ended: Some(*open),
            uses_after_task: *uses,
            refs: vec![text(format!("S0001#L{i}"))],
            // Few ids: rows of one identity lie in several pieces.
            ..grant(&format!("g{id}"), *over)
        }).collect();
        let holdings: Vec<_> = rows.iter().map(|(id, privileged, ..)| Holding {
            principal_id: text(format!("p{id}")),
            privileged: Some(*privileged),
            ..Holding::default()
        }).collect();
        let world = World::new(&grants, &holdings);
        let whole = run_in_pieces(&pack(), &world.input(None), usize::MAX).unwrap();
        let cut = run_in_pieces(&pack(), &world.input(None), piece).unwrap();
        prop_assert_eq!(&whole.results, &cut.results);
        prop_assert_eq!(&whole.findings, &cut.findings);
        let mut input = world.input(None);
        input.tables.insert("grant_facts", &grants);
        input.tables.insert("holdings", &holdings);
        let rows = run_in_pieces(&pack(), &input, piece).unwrap();
        prop_assert_eq!(&whole.results, &rows.results);
        prop_assert_eq!(&whole.findings, &rows.findings);
    }

    /// Counts of a rule are the same however rows are put together.
    #[test]
    fn absorbing_is_a_sum(
        parts in proptest::collection::vec(proptest::collection::vec(0..4usize, 0..9), 1..6),
    ) {
        let count = |rows: &[usize]| {
            let mut r = RuleResult::default();
            for row in rows {
                r.population += 1;
                match row {
                    0 => r.exceptions += 1,
                    1 => r.clean += 1,
                    n => {
                        r.not_assessed += 1;
                        *r.reasons.entry(format!("because_{n}")).or_default() += 1;
                    }
                }
            }
            r
        };
        let whole = count(&parts.concat());
        let sum = |parts: Vec<&Vec<usize>>| {
            parts.into_iter().fold(RuleResult::default(), |mut all, part| {
                all.absorb(count(part));
                all
            })
        };
        prop_assert_eq!(&sum(parts.iter().collect()), &whole);
        prop_assert_eq!(&sum(parts.iter().rev().collect()), &whole);
        prop_assert_eq!(whole.population, whole.exceptions + whole.clean + whole.not_assessed);
    }
}

/// Counts stay exact over many rows and rules, whatever the number of threads.
#[test]
fn many_rows_and_rules() {
    let grants: Vec<_> = (0..20_000)
        .map(|i| grant(&format!("g{i}"), (i % 3 != 0).then_some(i64::from(i % 1000 == 1) * 7200)))
        .collect();
    let world = World::new(&grants, &[]);
    let texts: Vec<(String, String)> = (100..104)
        .map(|i| (format!("{i}.yaml"), GRT.replace("id: GRT-003", &format!("id: GRT-{i}"))))
        .collect();
    let pack = Pack::from_texts(texts.iter().map(|(f, t)| (f.as_str(), t.as_str()))).unwrap();
    let out = run(&pack, &world.input(None)).unwrap();
    let over = (0..20_000).filter(|i| i % 3 != 0 && i % 1000 == 1).count();
    let unknown = (0..20_000).filter(|i| i % 3 == 0).count() as u64;
    assert_eq!(out.findings.len(), over * 4);
    for r in &out.results {
        assert_eq!((r.population, r.exceptions, r.not_assessed), (20_000, over as u64, unknown));
    }
}

#[test]
fn jobs_do_not_begin_on_the_stack_of_another() {
    use std::cell::Cell;
    use std::sync::atomic::{AtomicUsize, Ordering};

    thread_local!(static DEPTH: Cell<usize> = const { Cell::new(0) });
    let deepest = AtomicUsize::new(0);
    let jobs: Vec<usize> = (0..2_000).collect();
    let answers = side_by_side(&jobs, |job| {
        let depth = DEPTH.get() + 1;
        DEPTH.set(depth);
        deepest.fetch_max(depth, Ordering::Relaxed);
        // Parts for others to take, so that whoever began them has to wait.
        let sum: usize = (0..64_usize).into_par_iter().with_max_len(1).map(|n| n * job % 7).sum();
        DEPTH.set(depth - 1);
        Ok(sum)
    });
    let wanted: Vec<usize> = jobs.iter().map(|job| (0..64).map(|n| n * job % 7).sum()).collect();
    assert_eq!(answers.unwrap(), wanted);
    let deepest = deepest.into_inner();
    assert!(deepest <= rayon::current_num_threads(), "{deepest} jobs on one stack");
}
