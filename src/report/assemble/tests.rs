//! What the view says about a small run made by hand.

use super::*;
use crate::facts::{Coverage, Holding, Segment, Source, Standing, Tier, Tri, text};
use crate::findings::Status;
use crate::report::fixture;

const HOUR: i64 = 3600;

fn at(hours: i64) -> Time {
    Time::from_secs(1_772_000_000 + hours * HOUR)
}

fn grant(id: &str, principal: &str) -> GrantFact {
    GrantFact {
        grant_id: text(id),
        principal_id: text(principal),
        privilege: text("db-admin"),
        effective: true,
        started_at: Some(at(0)),
        ended_at: Some(at(30)),
        task_id: Some(text("T-1")),
        task_started_at: Some(at(1)),
        task_ended_at: Some(at(10)),
        overstay_s: Some(20 * HOUR),
        uses_after_task: Some(3),
        ..GrantFact::default()
    }
}

fn finding(n: usize, principal: &str, privilege: &str, grant: Option<&str>) -> Finding {
    let mut f = fixture::plausible().findings.remove(0);
    f.fingerprint = digest(&[&n.to_string()]);
    f.principal = Some(principal.into());
    f.privilege = Some(privilege.into());
    f.grant_id = grant.map(Into::into);
    f.status = Status::Open;
    f.certainty = "certain".into();
    f
}

struct Run {
    settings: Settings,
    facts: Facts,
    derived: Derived,
    findings: Vec<Finding>,
}

impl Run {
    fn new(findings: Vec<Finding>) -> Self {
        Self {
            settings: Settings::defaults(),
            facts: Facts::default(),
            derived: Derived::default(),
            findings,
        }
    }

    fn view(&self) -> View {
        assemble(Assemble {
            settings: &self.settings,
            as_of: at(100),
            period: None,
            facts: &self.facts,
            entitlements: self.facts.entitlements.len(),
            derived: &self.derived,
            results: Vec::new(),
            findings: self.findings.clone(),
            frameworks: Vec::new(),
            crosswalk: Vec::new(),
            waivers: Vec::new(),
            changes: None,
            blind_spots: Vec::new(),
            unknown_files: vec![("notes.txt".into(), "text".into())],
            failed_files: vec![("broken.json".into(), "line 3".into())],
            digests: BTreeMap::from([("inputs".to_string(), "ab".to_string())]),
            rules_total: 70,
        })
    }
}

#[test]
fn nothing_in_says_nothing_was_assessed() {
    let view = Run::new(Vec::new()).view();
    assert!(view.fix_first.is_empty() && view.charts.overstay_curve.is_empty());
    assert_eq!(view.summary.overstay_median_s, None);
    let lines = crate::report::html::honest_lines(&view).join(" ");
    assert!(lines.contains("nothing was assessed") && lines.contains("2 inputs were not read"));
}

#[test]
fn standing_administration_and_late_use_rank_before_their_equals() {
    let mut run = Run::new(vec![
        finding(1, "a", "reader", None),
        finding(2, "b", "db-admin", Some("g1")),
        finding(3, "c", "root", None),
    ]);
    run.derived.grant_facts.push(grant("g1", "b"));
    run.derived.holdings.push(Holding {
        principal_id: text("c"),
        privilege: text("root"),
        admin: Tri::Yes,
        standing: Standing::Standing,
        tier: Some(Tier::T0),
        ..Holding::default()
    });
    let view = run.view();
    let order: Vec<&str> = view
        .fix_first
        .iter()
        .map(|i| {
            let f = view.findings.iter().find(|f| f.fingerprint == i.fingerprint).unwrap();
            f.principal.as_deref().unwrap()
        })
        .collect();
    assert_eq!(order, ["c", "b", "a"]);
    assert!(view.fix_first[0].why.contains("standing administrator"), "{:?}", view.fix_first);
    assert!(view.fix_first[1].why.contains("used after the task ended"));
    assert_eq!(view.summary.standing_privileged, 1);
}

#[test]
fn access_ranks_before_evidence_and_standing_before_the_rest() {
    let mut run = Run::new(vec![
        finding(1, "a", "x", None),
        finding(2, "c", "root", None),
        finding(3, "c", "root", None),
        finding(4, "d", "y", Some("g4")),
        finding(5, "e", "z", Some("g5")),
    ]);
    run.findings[0].rule = "EVD-002".into();
    run.findings[1].rule = "SCP-001".into();
    run.findings[2].rule = "STD-001".into();
    run.findings[3].rule = "APR-002".into();
    run.findings[4].rule = "REC-001".into();
    let quiet = |id, p| GrantFact {
        uses_after_task: Some(0),
        used_after_end_s: None,
        present_after_end: None,
        ..grant(id, p)
    };
    run.derived.grant_facts.push(GrantFact { self_approved: Some(true), ..quiet("g4", "d") });
    run.derived.grant_facts.push(GrantFact { present_after_end: Some(true), ..quiet("g5", "e") });
    run.derived.holdings.push(Holding {
        principal_id: text("c"),
        privilege: text("root"),
        admin: Tri::Yes,
        standing: Standing::Standing,
        ..Holding::default()
    });
    let view = run.view();
    let order: Vec<&str> = view
        .fix_first
        .iter()
        .map(|i| {
            let f = view.findings.iter().find(|f| f.fingerprint == i.fingerprint).unwrap();
            f.rule.as_str()
        })
        .collect();
    assert_eq!(order, ["STD-001", "SCP-001", "REC-001", "APR-002", "EVD-002"]);
    assert!(view.fix_first[3].why.contains("self approval"), "{:?}", view.fix_first);
}

#[test]
fn the_list_shows_different_problems_while_there_are_any() {
    let mut findings: Vec<Finding> = (0..12).map(|n| finding(n, "same", "same", None)).collect();
    let mut low = finding(50, "other", "other", None);
    low.severity = crate::findings::Severity::Low;
    findings.push(low);
    let view = Run::new(findings).view();
    assert_eq!(view.fix_first.len(), 10);
    let low = &view.findings.last().unwrap().fingerprint;
    assert_eq!(&view.fix_first.last().unwrap().fingerprint, low, "rank order holds");
}

#[test]
fn accepted_findings_are_not_to_be_fixed_first() {
    let mut f = finding(1, "a", "b", None);
    f.status = Status::Waived;
    let view = Run::new(vec![f]).view();
    assert!(view.fix_first.is_empty());
    assert_eq!((view.summary.waived, view.summary.open["critical"]), (1, 0));
}

#[test]
fn a_strip_cuts_the_grant_at_the_end_of_its_task() {
    let mut run = Run::new(vec![finding(1, "p", "db-admin", Some("g1"))]);
    run.derived.grant_facts.push(grant("g1", "p"));
    for (from, until) in [(0, Some(5)), (5, None), (2, Some(3))] {
        run.derived.segments.push(Segment {
            principal_id: text("p"),
            from: at(from),
            until: until.map(at),
            state: text("1"),
            grant_ids: vec![text("g1")],
            ..Segment::default()
        });
    }
    let view = run.view();
    let cells = view.charts.strips[0].bars.iter().filter(|b| b.lane == "Cell").count();
    assert_eq!(cells, 3);
    let bars: Vec<(&str, &str, Option<&str>)> = view.charts.strips[0]
        .bars
        .iter()
        .filter(|b| b.lane != "Cell")
        .map(|b| (b.kind.as_str(), b.from.as_str(), b.until.as_deref()))
        .collect();
    let time = |h| at(h).to_rfc3339();
    assert_eq!(
        bars,
        [
            ("task", &*time(1), Some(&*time(10))),
            ("grant", &*time(0), Some(&*time(10))),
            ("excess", &*time(10), Some(&*time(30))),
            ("state", &*time(0), None),
        ]
    );
}

#[test]
fn an_ambiguous_grant_id_yields_no_strip() {
    let mut run = Run::new(vec![finding(1, "p", "db-admin", Some("g1"))]);
    run.derived.grant_facts.extend([grant("g1", "p"), grant("g1", "p"), grant("g1", "p")]);
    assert!(run.view().charts.strips.is_empty());
}

#[test]
fn excess_is_counted_beyond_the_grace_only() {
    let mut run = Run::new(Vec::new());
    for overstay in [Some(-5), Some(900), Some(901), Some(9_000), None] {
        run.derived.grant_facts.push(GrantFact { overstay_s: overstay, ..grant("g", "p") });
    }
    let mut denied = grant("g", "p");
    denied.effective = false;
    run.derived.grant_facts.push(denied);
    let s = run.view().summary;
    assert_eq!((s.overstay_assessed, s.overstayed), (4, 2));
    assert_eq!((s.complete_grants, s.grants), (5, 5), "a denied request gave nothing");
    assert_eq!((s.overstay_median_s, s.overstay_p95_s), (Some(901), Some(9_000)));
}

#[test]
fn gaps_name_layers_inputs_and_quarantine() {
    let mut run = Run::new(Vec::new());
    run.settings.disabled_rules.insert("GRT-003".into(), "noise".into());
    run.facts.sources.push(Source {
        source_id: text("S0001"),
        file: text("a.csv"),
        records: 10,
        quarantined: 2,
        ..Source::default()
    });
    run.derived.coverage.push(Coverage {
        coverage_id: text("layer:usage"),
        outcome: text("not_assessed"),
        reason: Some(text("no_source")),
        ..Coverage::default()
    });
    let view = run.view();
    let kinds: Vec<&str> = view.not_assessed.iter().map(|n| n.kind.as_str()).collect();
    assert_eq!(kinds, ["layer", "input", "input", "input", "rule"]);
    assert_eq!(view.not_assessed[3].items, 2);
    assert!(view.not_assessed[4].why.contains("noise"));
    assert_eq!(view.coverage.len(), 1);
}

#[test]
fn the_report_id_follows_its_inputs() {
    let run = Run::new(Vec::new());
    assert_eq!(run.view().report_id, run.view().report_id);
    let changed = report_id(&Assemble {
        settings: &run.settings,
        as_of: at(100),
        period: None,
        facts: &run.facts,
        entitlements: run.facts.entitlements.len(),
        derived: &run.derived,
        results: Vec::new(),
        findings: Vec::new(),
        frameworks: Vec::new(),
        crosswalk: Vec::new(),
        waivers: Vec::new(),
        changes: None,
        blind_spots: Vec::new(),
        unknown_files: Vec::new(),
        failed_files: Vec::new(),
        digests: BTreeMap::from([("inputs".to_string(), "cd".to_string())]),
        rules_total: 70,
    });
    assert_ne!(run.view().report_id, changed);
}
