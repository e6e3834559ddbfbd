//! Ends that a ledger does not tell, people behind approvals, credentials that live on, and ledgers that
//! lost records, over small hand-made facts.

use super::{Options, derive, identities};
use crate::facts::*;
use crate::settings::Settings;

const DAY: i64 = 86_400;

fn t(s: i64) -> Time {
    Time::from_secs(s)
}

fn at(s: i64) -> Option<Time> {
    Some(t(s))
}

/// A grant in force from 1000 to 5000, whose source speaks of everything up to day 100.
fn facts() -> Facts {
    Facts {
        sources: vec![Source {
            source_id: text("S1"),
            layer: Layer::Ledger,
            window_start: at(0),
            window_end: at(100 * DAY),
            ..Source::default()
        }],
        grants: vec![grant("g1", "ann@x.example")],
        ..Facts::default()
    }
}

fn grant(id: &str, who: &str) -> Grant {
    Grant {
        grant_id: text(id),
        system: text("broker"),
        beneficiary: text(who),
        privilege: text("admin"),
        not_after: at(5000),
        activated_at_lo: at(1000),
        activated_at_hi: at(1000),
        decision: Decision::Approved,
        end_kind: EndKind::Expired,
        source_id: text("S1"),
        source_ref: text("L2"),
        ..Grant::default()
    }
}

fn approval(id: &str, who: Option<&str>, when: Option<i64>) -> Approval {
    Approval {
        approval_id: text(id),
        grant_id: Some(text("g1")),
        approver: who.map(text),
        verdict: Verdict::Approve,
        at: when.map(t),
        method: ApprovalMethod::Human,
        ..Approval::default()
    }
}

fn run_with(mut facts: Facts, settings: &Settings) -> Derived {
    let resolution = identities(&mut facts, settings);
    let options = Options { as_of: t(100 * DAY), needed: &|_| true, survey: None };
    derive(&mut facts, settings, &resolution, &options)
}

fn run(facts: Facts) -> Derived {
    run_with(facts, &Settings::defaults())
}

fn first(facts: Facts) -> GrantFact {
    run(facts).grant_facts.remove(0)
}

#[test]
fn an_end_that_nobody_tells_is_unknown() {
    let mut f = facts();
    (f.grants[0].not_after, f.grants[0].end_kind) = (None, EndKind::Unknown);
    let g = first(f.clone());
    assert!(g.effective);
    assert_eq!((g.active_now, g.open_ended, g.held_s), (None, None, None));
    assert!(g.evidence_missing.iter().any(|m| &**m == "end"));
    // The ledger that records ends and has none says that it goes on.
    f.grants[0].end_kind = EndKind::Open;
    let g = first(f.clone());
    assert_eq!((g.active_now, g.open_ended), (Some(true), Some(true)));
    assert_eq!(g.held_s, Some(100 * DAY - 1000));
    // What never began is not in force.
    (f.grants[0].end_kind, f.grants[0].decision) = (EndKind::Unknown, Decision::Denied);
    (f.grants[0].activated_at_lo, f.grants[0].activated_at_hi) = (None, None);
    assert_eq!(first(f).active_now, Some(false));
}

#[test]
fn grants_of_unknown_end_are_no_chain() {
    let mut f = facts();
    f.grants = (0..9)
        .map(|n| Grant {
            activated_at_lo: at(1000 + n * DAY),
            activated_at_hi: at(1000 + n * DAY),
            not_after: None,
            end_kind: EndKind::Unknown,
            ..grant(&format!("g{n}"), "ann@x.example")
        })
        .collect();
    assert!(run(f).grant_facts.iter().all(|g| g.chain_length == 1));
}

#[test]
fn a_ledger_that_still_calls_it_active_says_that_it_is_overdue() {
    let mut f = facts();
    f.grants[0].end_kind = EndKind::Open;
    f.grants[0].task_ref = Some(text("T1"));
    f.tasks = vec![Task {
        task_id: text("T1"),
        started_at_lo: at(900),
        ended_at_hi: at(4000),
        state: TaskState::Succeeded,
        ..Task::default()
    }];
    let g = first(f.clone());
    assert_eq!((g.active_now, g.ended_at, g.open_ended), (Some(true), None, Some(false)));
    assert_eq!(g.revocation_lag_s, Some(100 * DAY - 5000));
    assert_eq!(g.overstay_s, Some(100 * DAY - 4000));
    // The source ends before the due time, or just after it: nothing was to be seen yet.
    for until in [4000, 5100] {
        f.sources[0].window_end = at(until);
        let g = first(f.clone());
        assert_eq!((g.active_now, g.ended_at), (Some(false), at(5000)), "{until}");
        assert_eq!(g.revocation_lag_s, None);
    }
    // The newest time that it holds may lie ahead: it does not say when the export was made.
    (f.sources[0].window_start, f.sources[0].window_end) = (None, None);
    f.sources[0].last_time = at(50 * DAY);
    assert_eq!(first(f.clone()).active_now, Some(false));
    // Scheduled, and never begun.
    f.sources[0].window_end = at(100 * DAY);
    (f.grants[0].activated_at_lo, f.grants[0].activated_at_hi) = (None, None);
    f.grants[0].not_before = at(1000);
    assert_eq!(first(f).active_now, Some(false));
}

#[test]
fn a_revocation_that_was_only_asked_for_has_no_sure_end() {
    let mut f = facts();
    (f.grants[0].end_kind, f.grants[0].ended_at_lo) = (EndKind::RevokedByUser, at(2000));
    let g = first(f.clone());
    assert_eq!((g.ended_at, g.ended_at_hi), (at(2000), None));
    f.grants[0].ended_at_hi = at(2003);
    assert_eq!(first(f).ended_at_hi, at(2003));
}

#[test]
fn a_quorum_needs_different_people() {
    let settings = Settings::parse(
        "[approval]\nquorum = { T0 = 2 }\n[[privilege]]\npattern = \"admin\"\ntier = \"T0\"\n\
         [[identity]]\nprincipal = \"bob@x.example\"\nperson = \"bob\"\n\
         [[identity]]\nprincipal = \"bob-admin@x.example\"\nperson = \"bob\"\n",
    )
    .unwrap();
    let n = |list: &[(&str, Option<&str>, Option<i64>)]| {
        let mut f = facts();
        f.approvals = list.iter().map(|(id, who, when)| approval(id, *who, *when)).collect();
        let g = run_with(f, &settings).grant_facts.remove(0);
        (g.n_approvals, g.approved_at)
    };
    let (bob, cat) = (Some("bob@x.example"), Some("cat@x.example"));
    assert_eq!(n(&[("A1", bob, Some(900)), ("A2", bob, Some(950))]), (Some(1), at(900)));
    assert_eq!(
        n(&[("A1", bob, Some(900)), ("A2", Some("bob-admin@x.example"), Some(950))]).0,
        Some(1)
    );
    assert_eq!(n(&[("A1", bob, None), ("A2", bob, Some(950))]), (Some(1), at(950)));
    // The second person decides when the quorum is met.
    let three = [("A1", bob, Some(900)), ("A2", bob, Some(920)), ("A3", cat, Some(940))];
    assert_eq!(n(&three), (Some(2), at(940)));
    // Nobody knows whether a record without a name is of a second person.
    assert_eq!(n(&[("A1", bob, Some(900)), ("A2", None, Some(950))]).0, None);
    assert_eq!(n(&[("A1", None, Some(900)), ("A2", None, Some(950))]).0, None);
    assert_eq!(n(&[("A1", None, Some(900))]).0, Some(1));
}

#[test]
fn extensions_count_the_approvals_of_one_person() {
    let mut f = facts();
    f.grants[0].n_extensions = 1;
    f.approvals = vec![approval("A1", Some("bob@x.example"), Some(900))];
    assert_eq!(first(f.clone()).silent_extension, Some(true));
    f.approvals.push(approval("A2", Some("bob@x.example"), Some(3000)));
    let g = first(f);
    assert_eq!((g.n_approvals, g.silent_extension), (Some(1), Some(false)));
}

#[test]
fn the_self_approver_is_named() {
    let mut f = facts();
    f.approvals = vec![
        approval("A1", Some("bob@x.example"), Some(900)),
        approval("A2", Some("ANN@x.example"), Some(950)),
    ];
    f.approvals[0].required = Some(2);
    let g = first(f);
    assert_eq!(g.self_approved, Some(true));
    assert_eq!(g.approver_id.as_deref(), Some("bob@x.example"));
    assert_eq!(g.self_approver_id.as_deref(), Some("ann@x.example"));
}

#[test]
fn a_record_without_a_decision_does_not_say_that_nobody_approved() {
    let mut f = facts();
    f.grants.push(grant("g2", "bob@x.example"));
    for decision in [Decision::Unknown, Decision::Failed] {
        f.grants[0].decision = decision;
        assert_eq!(first(f.clone()).approved, None, "{decision:?}");
    }
    f.grants[0].decision = Decision::Denied;
    assert_eq!(first(f).approved, Some(false));
}

#[test]
fn a_key_without_end_outlives_its_grant() {
    let mut f = facts();
    let key = Credential {
        credential_id: text("AKIA...0005"),
        grant_id: Some(text("g1")),
        no_expiry: Some(true),
        ..Credential::default()
    };
    f.credentials = vec![key.clone()];
    let g = first(f.clone());
    assert_eq!((g.residual_until, g.residual_s), (at(100 * DAY), Some(100 * DAY - 5000)));
    // Switched off, and used after the end all the same: up to then it worked.
    f.credentials[0].active = Some(false);
    assert_eq!(first(f.clone()).residual_until, None);
    f.credentials[0].last_used_at = at(9000);
    assert_eq!(first(f.clone()).residual_s, Some(4000));
    // Use before the end shows nothing.
    f.credentials[0].last_used_at = at(4000);
    assert_eq!(first(f.clone()).residual_until, None);
    f.credentials[0] = Credential { revoked_at: at(5000), ..key };
    assert_eq!(first(f).residual_s, Some(0));
}
