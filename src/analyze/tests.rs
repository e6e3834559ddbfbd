//! Scenarios over small hand-made facts: each names the quantity it shows.

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

/// A grant of `write-x` on `aws:1` to `ann@x.example` from 1000 to 5000, with task and approval.
fn grant(id: &str) -> Grant {
    Grant {
        grant_id: text(id),
        system: text("broker"),
        platform: Some(text("aws")),
        beneficiary: text("ann@x.example"),
        privilege: text("write-x"),
        scope: Some(text("aws:1")),
        requested_at: at(900),
        not_before: at(1000),
        not_after: at(5000),
        activated_at_lo: at(1000),
        activated_at_hi: at(1000),
        end_kind: EndKind::Expired,
        task_ref: Some(text("T1")),
        approval_ref: Some(text(format!("A-{id}"))),
        source_id: text("S1"),
        source_ref: text("L2"),
        ..Grant::default()
    }
}

fn task(id: &str, from: i64, until: Option<i64>) -> Task {
    Task {
        task_id: text(id),
        started_at_lo: at(from),
        started_at_hi: at(from),
        ended_at_lo: until.map(t),
        ended_at_hi: until.map(t),
        state: if until.is_some() { TaskState::Succeeded } else { TaskState::Running },
        ..Task::default()
    }
}

fn approval(grant: &str, who: &str, when: i64) -> Approval {
    Approval {
        approval_id: text(format!("A-{grant}")),
        grant_id: Some(text(grant)),
        approver: Some(text(who)),
        verdict: Verdict::Approve,
        at: at(when),
        method: ApprovalMethod::Human,
        ..Approval::default()
    }
}

fn source(id: &str, layer: Layer, window: (i64, i64)) -> Source {
    Source {
        source_id: text(id),
        layer,
        window_start: at(window.0),
        window_end: at(window.1),
        ..Source::default()
    }
}

fn facts() -> Facts {
    Facts {
        sources: vec![
            source("S1", Layer::Ledger, (0, 100 * DAY)),
            source("S2", Layer::Task, (0, 100 * DAY)),
        ],
        grants: vec![grant("g1")],
        tasks: vec![task("T1", 950, Some(4000))],
        approvals: vec![approval("g1", "bob@x.example", 960)],
        ..Facts::default()
    }
}

fn run_with(facts: &mut Facts, settings: &Settings) -> Derived {
    let resolution = identities(facts, settings);
    let options = Options { as_of: t(100 * DAY), needed: &|_| true, survey: None };
    derive(facts, settings, &resolution, &options)
}

fn run(mut facts: Facts) -> Derived {
    run_with(&mut facts, &Settings::defaults())
}

fn first(facts: Facts) -> GrantFact {
    run(facts).grant_facts.remove(0)
}

#[test]
fn overstay_is_end_minus_task_end_before_grace() {
    let g = first(facts());
    assert_eq!(g.overstay_s, Some(1000));
    assert_eq!(g.task_resolved, Some(true));
    assert_eq!(g.link_kind, Some(LinkKind::NativeId));
    assert!(g.contradictions.is_empty() && g.evidence_missing.is_empty(), "{g:?}");
}

/// An end that nobody recorded is not this day; a grant that is known to be open goes on.
#[test]
fn an_unknown_end_is_no_excess() {
    let with = |kind: EndKind| {
        let mut f = facts();
        let g = &mut f.grants[0];
        (g.not_after, g.ended_at_lo, g.ended_at_hi) = (None, None, None);
        g.end_kind = kind;
        first(f)
    };
    let unknown = with(EndKind::Unknown);
    assert_eq!((unknown.overstay_s, unknown.overstay_hi_s), (None, None));
    assert_eq!(with(EndKind::Open).overstay_s, Some(100 * DAY - 4000));
    assert_eq!(with(EndKind::FailedToRevoke).overstay_s, Some(100 * DAY - 4000));
}

#[test]
fn running_task_means_no_excess() {
    let mut f = facts();
    f.tasks = vec![task("T1", 950, None)];
    assert_eq!(first(f).overstay_s, Some(0));
}

#[test]
fn a_task_that_ends_before_it_begins_proves_nothing() {
    let mut f = facts();
    f.tasks = vec![task("T1", 950, Some(900))];
    f.tasks[0].source_id = text("S2");
    let d = run(f);
    let g = &d.grant_facts[0];
    assert_eq!((g.overstay_s, g.task_unknown.as_deref()), (None, Some("interval_inverted")));
    assert!(g.contradictions.is_empty(), "the fault is the task source's, not the grant's");
    let source = d.coverage.iter().find(|c| &*c.coverage_id == "S2").unwrap();
    assert_eq!(source.inverted_intervals, 1);
}

#[test]
fn a_failed_call_is_use_and_a_denied_one_is_not() {
    let mut f = facts();
    f.sources.push(source("S3", Layer::Usage, (0, 100 * DAY)));
    f.usage = vec![usage(Some("g1"), 1500, 1600)];
    f.usage[0].outcome = Outcome::Error;
    assert_eq!(first(f.clone()).use_count, Some(3));
    f.usage[0].outcome = Outcome::Denied;
    assert_eq!(first(f).use_count, Some(0));
}

#[test]
fn missing_task_is_an_exception_only_inside_the_window_of_the_source() {
    let mut f = facts();
    f.tasks.clear();
    assert_eq!(first(f.clone()).task_resolved, Some(false));
    f.sources[1] = source("S2", Layer::Task, (50 * DAY, 60 * DAY));
    let g = first(f.clone());
    assert_eq!((g.task_resolved, g.task_unknown.as_deref()), (None, Some("out_of_window")));
    f.sources.remove(1);
    let g = first(f);
    assert_eq!((g.task_resolved, g.task_unknown.as_deref()), (None, Some("no_source")));
}

#[test]
fn ledger_without_any_task_field_is_a_limit_of_the_source() {
    let mut f = facts();
    f.grants[0].task_ref = None;
    let g = first(f.clone());
    assert_eq!((g.task_resolved, g.task_unknown.as_deref()), (None, Some("field_not_recorded")));
    f.grants.push(grant("g2"));
    assert_eq!(first(f).task_resolved, Some(false), "another grant of the ledger has a reference");
}

#[test]
fn ticket_in_the_reason_links_only_if_the_ticket_exists() {
    let mut f = facts();
    f.grants[0].task_ref = None;
    f.grants[0].justification = Some(text("OPS-12: restart"));
    f.grants.push(grant("g2"));
    assert_eq!(first(f.clone()).task_resolved, Some(false));
    f.tasks.push(task("OPS-12", 0, Some(2000)));
    let g = first(f);
    assert_eq!(g.link_kind, Some(LinkKind::TicketText));
    assert_eq!(g.overstay_s, Some(3000));
}

#[test]
fn open_end_is_standing_only_when_the_ledger_records_ends() {
    let mut f = facts();
    f.grants[0].not_after = None;
    f.grants[0].end_kind = EndKind::Open;
    assert_eq!(first(f.clone()).open_ended, Some(true));
    f.grants[0].end_kind = EndKind::Unknown;
    assert_eq!(first(f).open_ended, None);
}

#[test]
fn denied_request_is_not_access() {
    let mut f = facts();
    f.grants[0].decision = Decision::Denied;
    f.grants[0].activated_at_lo = None;
    f.grants[0].activated_at_hi = None;
    let g = first(f);
    assert!(!g.effective);
    assert_eq!(g.held_s, None);
}

#[test]
fn inverted_interval_is_a_contradiction() {
    let mut f = facts();
    f.grants[0].not_after = at(500);
    let g = first(f);
    assert!(g.interval_inverted);
    assert_eq!(g.contradictions, [text("ended before it started")]);
    assert_eq!(g.duration_s, None);
}

#[test]
fn self_approval_through_a_second_account() {
    let mut f = facts();
    f.approvals = vec![approval("g1", "ann-admin@x.example", 960)];
    let settings = Settings::parse(
        "[[identity]]\nprincipal = \"ann@x.example\"\nperson = \"ann\"\n\
         [[identity]]\nprincipal = \"ann-admin@x.example\"\nperson = \"ann\"\n",
    )
    .unwrap();
    let g = run_with(&mut f, &settings).grant_facts.remove(0);
    assert_eq!(g.self_approved, Some(true));
    assert_eq!(g.self_approval_relation.as_deref(), Some("beneficiary, under another identity"));
}

#[test]
fn an_independent_approval_outweighs_the_own_one() {
    let mut f = facts();
    f.approvals.push(approval("g1", "ann@x.example", 950));
    assert_eq!(first(f).self_approved, Some(false));
}

#[test]
fn approval_record_is_needed_once_an_approval_source_is_given() {
    let mut f = facts();
    f.approvals = vec![approval("other", "bob@x.example", 960)];
    assert_eq!(first(f.clone()).approved, Some(false));
    f.approvals.clear();
    assert_eq!(first(f.clone()).approved, None, "no approval evidence at all");
    f.grants[0].decision = Decision::Approved;
    assert_eq!(first(f).approved, Some(true));
}

#[test]
fn late_and_reused_approval() {
    let mut f = facts();
    f.approvals = vec![approval("g1", "bob@x.example", 1600)];
    let mut other = grant("g2");
    other.approval_ref = Some(text("A-g1"));
    f.grants.push(other);
    let g = first(f);
    assert_eq!((g.approval_late_s, g.approval_reuse), (Some(600), Some(2)));
}

#[test]
fn silent_extension_needs_an_approval_between() {
    let mut f = facts();
    let extended = |at_s, end| GrantEvent {
        grant_id: Some(text("g1")),
        kind: EventKind::Extended,
        occurred_at: t(at_s),
        new_end: at(end),
        ..GrantEvent::default()
    };
    f.grant_events = vec![extended(3000, 9000)];
    assert_eq!(first(f.clone()).silent_extension, Some(true));
    f.approvals.push(approval("g1", "bob@x.example", 2900));
    assert_eq!(first(f).silent_extension, Some(false));
}

fn usage(grant: Option<&str>, from: i64, until: i64) -> Usage {
    Usage {
        principal: text("ann@x.example"),
        grant_id: grant.map(text),
        platform: Some(text("aws")),
        privilege: Some(text("write-x")),
        scope: Some(text("aws:1")),
        first_at: at(from),
        last_at: at(until),
        count: Some(3),
        grain: UsageGrain::Action,
        source_id: text("S3"),
        ..Usage::default()
    }
}

#[test]
fn use_outside_the_window_and_dormancy() {
    let mut f = facts();
    assert_eq!(first(f.clone()).use_unknown.as_deref(), Some("no_source"));
    f.sources.push(source("S3", Layer::Usage, (0, 100 * DAY)));
    f.usage = vec![usage(Some("other"), 10, 20)];
    assert_eq!(first(f.clone()).use_count, Some(0));
    f.usage.push(usage(Some("g1"), 1500, 6000));
    let g = first(f.clone());
    assert_eq!((g.use_count, g.used_after_end_s), (Some(3), Some(1000)));
    assert_eq!(g.uses_after_task, Some(1));
    f.sources[2] = source("S3", Layer::Usage, (2000, 3000));
    f.usage.truncate(1);
    assert_eq!(first(f).use_unknown.as_deref(), Some("out_of_window"));
}

#[test]
fn use_without_a_grant() {
    let mut f = facts();
    f.sources.push(source("S3", Layer::Usage, (0, 100 * DAY)));
    f.usage = vec![usage(None, 2000, 2100), usage(None, 7000, 7001), usage(None, 4900, 5200)];
    let d = run(f);
    let facts: Vec<_> = d.usage_facts.iter().map(|u| (u.in_grant, u.link.as_deref())).collect();
    assert_eq!(
        facts,
        [(Some(true), Some("key_and_time")), (Some(false), None), (Some(false), None)]
    );
}

#[test]
fn chain_of_renewals_and_overlap() {
    let mut f = facts();
    let mut second = grant("g2");
    (second.not_before, second.activated_at_lo) = (at(5100), at(5100));
    (second.activated_at_hi, second.not_after) = (at(5100), at(9000));
    let mut third = grant("g3");
    (third.not_before, third.activated_at_lo) = (at(8000), at(8000));
    (third.activated_at_hi, third.not_after) = (at(8000), at(9500));
    let mut apart = grant("g4");
    (apart.not_before, apart.activated_at_lo) = (at(20_000), at(20_000));
    (apart.activated_at_hi, apart.not_after) = (at(20_000), at(21_000));
    f.grants.extend([second, third, apart]);
    let d = run(f);
    let chains: Vec<_> = d.chains.iter().map(|c| (c.n_grants, c.span_s)).collect();
    assert_eq!(chains, [(3, Some(8500)), (1, Some(1000))]);
    let overlaps: Vec<_> =
        d.grant_facts.iter().map(|g| (g.overlaps_earlier, g.overlap_s)).collect();
    assert_eq!(overlaps, [(false, None), (false, None), (true, Some(1000)), (false, None)]);
    assert_eq!(d.grant_facts[2].overlap_grant_id.as_deref(), Some("g2"));
}

#[test]
fn nested_scopes_overlap_both_ways() {
    let mut f = facts();
    let mut inner = grant("g2");
    inner.scope = Some(text("aws:1/bucket/x"));
    (inner.not_before, inner.activated_at_lo) = (at(2000), at(2000));
    f.grants.push(inner);
    let d = run(f.clone());
    assert_eq!(d.grant_facts[1].overlap_grant_id.as_deref(), Some("g1"));
    f.grants.swap(0, 1);
    (f.grants[0].not_before, f.grants[0].activated_at_lo) = (at(900), at(900));
    let d = run(f);
    assert_eq!(d.grant_facts[1].overlap_grant_id.as_deref(), Some("g2"));
}

#[test]
fn end_equal_to_start_of_the_next_is_no_overlap() {
    let mut f = facts();
    let mut next = grant("g2");
    (next.not_before, next.activated_at_lo, next.not_after) = (at(5000), at(5000), at(6000));
    f.grants.push(next);
    assert!(!run(f).grant_facts[1].overlaps_earlier);
}

#[test]
fn coverage_says_what_is_missing_first() {
    let d = run(facts());
    let outcome =
        |id: &str| d.coverage.iter().find(|c| &*c.coverage_id == id).map(|c| c.outcome.to_string());
    assert_eq!(outcome("layer:ledger").as_deref(), Some("assessed"));
    assert_eq!(outcome("layer:state").as_deref(), Some("not_assessed"));
}

#[test]
fn before_a_snapshot_state_is_possible_and_without_any_it_is_not_assessed() {
    let ended = |d: &Derived| -> Vec<Segment> {
        d.segments.iter().filter(|s| &*s.ledger == "E").cloned().collect()
    };
    assert!(ended(&run(facts())).is_empty(), "no state source at all: the coverage says so once");
    let mut f = facts();
    f.sources.push(source("S4", Layer::State, (90 * DAY, 90 * DAY)));
    f.principals.push(Principal {
        principal_id: text("ann@x.example"),
        inventoried: true,
        source_id: text("S4"),
        ..Principal::default()
    });
    let found = ended(&run(f));
    assert!(!found.is_empty());
    assert!(found.iter().all(|s| s.certainty == Certainty::Possible), "{found:?}");
    assert!(found.iter().all(|s| s.silent_layers.contains(&text("state"))));
    assert!(found.iter().all(|s| s.until.is_some_and(|t_end| t_end <= t(90 * DAY))));
}

#[test]
fn two_ledgers_may_use_one_id() {
    let mut f = facts();
    f.sources.push(source("S3", Layer::Usage, (0, 100 * DAY)));
    f.sources.push(source("S4", Layer::Ledger, (0, 100 * DAY)));
    let mut other = grant("g1");
    other.system = text("other broker");
    other.beneficiary = text("eve@x.example");
    other.approval_ref = None;
    other.source_id = text("S4");
    f.grants.push(other);
    let mut late = usage(Some("g1"), 1500, 9000);
    late.principal = text("eve@x.example");
    f.usage = vec![late, usage(Some("g1"), 1500, 1600)];
    f.approvals[0].source_id = text("S1");
    let credential = |who: &str, end| Credential {
        principal: text(who),
        grant_id: Some(text("g1")),
        expires_at: at(end),
        ..Credential::default()
    };
    f.credentials = vec![credential("eve@x.example", 90_000), credential("ann@x.example", 5100)];
    let d = run(f);
    let of = |who: &str| d.grant_facts.iter().find(|g| &*g.principal_id == who).unwrap();
    let (ann, eve) = (of("ann@x.example"), of("eve@x.example"));
    assert_eq!((ann.used_after_end_s, eve.used_after_end_s), (Some(-3400), Some(4000)));
    assert_eq!((ann.residual_s, eve.residual_s), (Some(100), Some(85_000)));
    assert_eq!((ann.approved, eve.approved), (Some(true), None));
    let outlives: Vec<_> = d.credential_facts.iter().map(|c| c.outlives_grant_s).collect();
    assert_eq!(outlives, [Some(100), Some(85_000)]);
}

#[test]
fn approvals_of_one_broker_say_nothing_of_another() {
    let mut f = facts();
    let mut other = grant("h1");
    other.system = text("other broker");
    other.approval_ref = None;
    other.decision = Decision::Approved;
    f.grants.push(other);
    let d = run(f.clone());
    assert_eq!(d.grant_facts[1].approved, Some(true), "its ledger says so");
    assert_eq!(d.grant_facts[1].n_approvals, None, "and not by how many");
    f.approvals.push(approval("h2", "bob@x.example", 960));
    f.grants.push(Grant { system: text("other broker"), ..grant("h2") });
    assert_eq!(run(f).grant_facts[1].approved, Some(false), "its other grants have records");
}

#[test]
fn a_decision_word_is_no_count_of_approvals() {
    let mut f = facts();
    f.approvals.clear();
    f.grants[0].approval_ref = None;
    f.grants[0].decision = Decision::Approved;
    let g = first(f);
    assert_eq!((g.approved, g.n_approvals), (Some(true), None));
}

#[test]
fn extension_is_silent_only_where_approvals_are_recorded() {
    let mut f = facts();
    f.grant_events = vec![GrantEvent {
        grant_id: Some(text("g1")),
        kind: EventKind::Extended,
        occurred_at: t(3000),
        new_end: at(9000),
        ..GrantEvent::default()
    }];
    f.approvals.clear();
    f.grants[0].approval_ref = None;
    assert_eq!(first(f.clone()).silent_extension, None);
    let mut approved = f.grant_events[0].clone();
    (approved.kind, approved.occurred_at) = (EventKind::Approved, t(2990));
    f.grant_events.push(approved);
    assert_eq!(first(f).silent_extension, Some(false));
}

#[test]
fn sums_of_uses_that_reach_into_a_grant_leave_its_use_open() {
    let mut f = facts();
    f.sources.push(source("S3", Layer::Usage, (0, 100 * DAY)));
    f.usage = vec![usage(None, 500, 3000)];
    let g = first(f.clone());
    assert_eq!((g.use_count, g.use_unknown.as_deref()), (None, Some("use_aggregated")));
    f.usage = vec![usage(None, 500, 900)];
    assert_eq!(first(f.clone()).use_count, Some(0));
    // Of a row that goes on after the grant the first use is in it and the last after its end.
    f.usage = vec![usage(None, 3000, 9000)];
    let g = first(f);
    assert_eq!((g.use_count, g.uses_after_task, g.last_used_at), (Some(3), Some(0), at(9000)));
    assert_eq!((g.first_used_at, g.used_after_end_s), (at(3000), Some(4000)));
}

fn segments_used(d: &Derived) -> Vec<(&str, &str, &str)> {
    let used = d.segments.iter().filter(|s| &*s.usage == "1");
    used.map(|s| (&*s.ledger, &*s.cell, &*s.severity)).collect()
}

/// Rows N, D and E with U1 (grants model, section 6).
#[test]
fn use_that_no_grant_explains() {
    let settings =
        Settings::parse("[[privilege]]\npattern = \"write-x\"\ntier = \"T0\"\n").unwrap();
    let mut f = facts();
    f.sources.push(source("S3", Layer::Usage, (0, 100 * DAY)));
    f.usage = vec![usage(None, 7000, 7000)];
    let d = run_with(&mut f.clone(), &settings);
    let g = &d.grant_facts[0];
    assert_eq!((g.use_count, g.used_after_end_s, g.last_used_at), (Some(3), Some(2000), at(7000)));
    assert!(g.refs.contains(&text("S3#")), "{:?}", g.refs);
    assert_eq!(segments_used(&d), [("E", "residual session after task", "critical")]);
    // A later grant in force explains it.
    let mut next = grant("g2");
    (next.not_before, next.activated_at_lo, next.not_after) = (at(6000), at(6000), at(8000));
    let mut with = f.clone();
    with.grants.push(next);
    let d = run_with(&mut with, &settings);
    let after: Vec<_> = d.grant_facts.iter().map(|g| g.used_after_end_s).collect();
    assert_eq!(after, [Some(0), Some(0)]);
    // A refused request, and none at all.
    let mut denied = f.clone();
    (denied.grants[0].activated_at_lo, denied.grants[0].activated_at_hi) = (None, None);
    denied.grants[0].decision = Decision::Denied;
    let d = run_with(&mut denied, &settings);
    assert_eq!(segments_used(&d), [("D", "denied but used", "critical")]);
    let mut none = f.clone();
    none.grants[0].beneficiary = text("eve@x.example");
    let d = run_with(&mut none.clone(), &settings);
    assert_eq!(segments_used(&d), [("N", "ghost use", "critical")]);
    // What is not known to be privileged has no lane of its own, nor what no ledger covers.
    assert_eq!(segments_used(&run(none.clone())), []);
    none.sources[0].window_end = at(6000);
    assert_eq!(segments_used(&run_with(&mut none, &settings)), []);
}

/// A record that names an action alone may rest on anything that its principal has.
#[test]
fn use_of_an_unnamed_privilege_is_possible_after_the_end() {
    let mut f = facts();
    f.sources.push(source("S3", Layer::Usage, (0, 100 * DAY)));
    f.usage = vec![usage(None, 7000, 7000)];
    f.usage[0].privilege = None;
    let d = run(f);
    assert_eq!(d.grant_facts[0].use_count, Some(0));
    let open: Vec<_> = d.segments.iter().filter(|s| &*s.usage == "?").collect();
    assert_eq!((open.len(), open[0].certainty), (1, Certainty::Possible), "{open:?}");
    assert_eq!((open[0].from, open[0].until), (t(7000), at(7001)));
}

#[test]
fn what_comes_after_the_as_of_time_is_not_known() {
    let mut f = facts();
    f.sources.push(source("S3", Layer::Usage, (0, 100 * DAY)));
    f.usage = vec![usage(Some("g1"), 200 * DAY, 200 * DAY)];
    f.grants[0].not_after = at(300 * DAY);
    f.grants[0].end_kind = EndKind::RevokedByAdmin;
    (f.grants[0].ended_at_lo, f.grants[0].ended_at_hi) = (at(150 * DAY), at(150 * DAY));
    f.approvals[0].at = at(120 * DAY);
    let d = run(f);
    let g = &d.grant_facts[0];
    assert_eq!((g.use_count, g.revoked, g.revocation_lag_s), (Some(0), false, None));
    assert_eq!((g.approved, g.approved_at), (Some(false), None));
    assert!(d.usage_facts.is_empty());
}

/// The log of one account shows nothing of another, and that of Vault nothing of a database.
#[test]
fn a_log_of_another_place_shows_no_use() {
    let mut f = facts();
    f.sources.push(source("S3", Layer::Usage, (0, 100 * DAY)));
    f.sources[2].realm = Some(text("aws:111122223333"));
    f.usage = vec![usage(Some("other"), 10, 20)];
    f.grants[0].scope = Some(text("aws:111122223333"));
    assert_eq!(first(f.clone()).use_count, Some(0));
    f.grants[0].scope = Some(text("444455556666"));
    assert_eq!(first(f.clone()).use_unknown.as_deref(), Some("no_source"));
    f.grants[0].scope = None;
    f.grants[0].beneficiary = text("arn:aws:iam::444455556666:user/ann");
    assert_eq!(first(f.clone()).use_unknown.as_deref(), Some("no_source"));
    f.usage[0].platform = Some(text("vault"));
    f.sources[2].realm = None;
    f.grants[0].platform = Some(text("vault"));
    assert_eq!(first(f.clone()).use_count, Some(0));
    f.grants[0].privilege = text("database/creds/readonly");
    assert_eq!(first(f.clone()).use_unknown.as_deref(), Some("no_source"));
    // A ledger that shows uses by the way shows all of them only if that is said.
    f.grants[0].privilege = text("write-x");
    f.sources[2].layer = Layer::Ledger;
    assert_eq!(first(f.clone()).use_count, Some(0));
    (f.sources[2].window_start, f.sources[2].window_end) = (None, None);
    (f.sources[2].first_time, f.sources[2].last_time) = (at(0), at(100 * DAY));
    assert_eq!(first(f).use_unknown.as_deref(), Some("no_source"));
}

/// Grants model, rule A5: the role that Identity Center made for a permission set, and its sessions.
#[test]
fn sessions_of_a_permission_set_are_their_persons() {
    use super::observe::reserved_set;
    let role = "arn:aws:iam::111122223333:role/aws-reserved/sso.amazonaws.com/eu-west-1/AWSReservedSSO_write_x_0123456789abcdef";
    assert_eq!(reserved_set(role), Some("write_x"));
    for other in ["AWSReservedSSO_write_x", "AWSReservedSSO_write_0123456789abcdeg", "write"] {
        let role = format!("arn:aws:iam::111122223333:role/{other}");
        assert_eq!(reserved_set(&role), None, "{other}");
    }
    let mut f = facts();
    f.grants[0].privilege = text("write_x");
    f.sources.push(source("S3", Layer::Usage, (0, 100 * DAY)));
    let session = |when: i64, who: &str| {
        let mut u = usage(None, when, when);
        u.principal = text(role);
        u.privilege = None;
        u.on_behalf_of = Some(text(who));
        u
    };
    f.usage = vec![
        session(1500, "Ann@x.example"),
        session(7000, "ann@x.example"),
        session(7000, "eve@x.example"),
    ];
    let d = run(f);
    let g = &d.grant_facts[0];
    assert_eq!((g.use_count, g.used_after_end_s), (Some(6), Some(2000)));
    let links: Vec<_> = d.usage_facts.iter().map(|u| u.grant_id.as_deref()).collect();
    assert_eq!(links, [Some("g1"), None, None]);
    assert!(d.delegation_facts.iter().all(|x| x.decided == Some(true)), "{:?}", d.delegation_facts);
}

/// AWS TEAM names a person by the address and by a login that need not be one; sessions carry the login.
#[test]
fn a_login_that_is_no_address_is_its_persons() {
    let request = r#"{"id":"r1","email":"Ann@corp.example","username":"idc_abrown","accountId":"111122223333","role":"Admin","roleId":"arn:aws:sso:::permissionSet/ssoins-1/ps-1","startTime":"2026-01-01T10:00:00Z","duration":"2","status":"ended","endTime":"2026-01-01T12:00:00Z","createdAt":"2026-01-01T09:50:00Z","approver":"bob@corp.example"}"#;
    let mut f = of_files(&[("requests.json", request)]);
    let role = "arn:aws:iam::111122223333:role/aws-reserved/sso.amazonaws.com/AWSReservedSSO_Admin_0123456789abcdef";
    let used = |person: &str| Usage {
        principal: text(role),
        platform: Some(text("aws")),
        action: Some(text("s3:PutObject")),
        on_behalf_of: Some(text(person)),
        first_at: time::parse_rfc3339("2026-01-01T11:00:00Z"),
        grain: UsageGrain::Event,
        ..Usage::default()
    };
    // A bare name elsewhere stays somebody else's.
    f.usage = vec![used("abrown"), used("eve"), Usage { principal: text("abrown"), ..used("x") }];
    f.usage[2].on_behalf_of = None;
    let settings = Settings::defaults();
    let resolution = identities(&mut f, &settings);
    let as_of = time::parse_rfc3339("2026-01-02T00:00:00Z").unwrap();
    let options = Options { as_of, needed: &|_| true, survey: None };
    let d = derive(&mut f, &settings, &resolution, &options);
    let told: Vec<_> = d.usage_facts.iter().map(|u| u.grant_id.as_deref()).collect();
    assert_eq!(told, [Some("r1"), None, None]);
    assert_eq!(&*d.usage_facts[2].principal_id, "abrown");
}

#[test]
fn sums_over_two_grants_and_uses_of_refused_requests() {
    let mut f = facts();
    f.sources.push(source("S3", Layer::Usage, (0, 100 * DAY)));
    let mut next = grant("g2");
    (next.not_before, next.activated_at_lo, next.not_after) = (at(6000), at(6000), at(8000));
    let mut denied = grant("g3");
    (denied.activated_at_lo, denied.activated_at_hi) = (None, None);
    denied.decision = Decision::Denied;
    f.grants.extend([next, denied]);
    f.usage = vec![usage(None, 4000, 7000), usage(Some("g3"), 4000, 4100)];
    let d = run(f);
    let rows: Vec<_> =
        d.usage_facts.iter().map(|u| (u.in_grant, u.in_grant_unknown.as_deref())).collect();
    assert_eq!(rows, [(None, Some("use_aggregated")), (Some(false), None)]);
}

/// Grants model, section 6, row D with use: the broker said no, and it was done all the same.
#[test]
fn use_of_what_was_refused_names_the_request() {
    let mut f = facts();
    f.sources.push(source("S3", Layer::Usage, (0, 100 * DAY)));
    let mut denied = grant("r1");
    (denied.activated_at_lo, denied.activated_at_hi) = (None, None);
    (denied.requested_at, denied.decision) = (at(10_000), Decision::Denied);
    denied.source_ref = text("L7");
    f.grants = vec![denied];
    f.usage = vec![usage(None, 10_500, 10_500)];
    let told = |f: &Facts| {
        let u = run(f.clone()).usage_facts.remove(0);
        (u.in_grant, u.after_refusal, u.request_id.map(|r| r.to_string()), u.refs.len())
    };
    let bypass = (Some(false), true, Some("r1".to_owned()), 2);
    assert_eq!(told(&f), bypass);
    let u = run(f.clone()).usage_facts.remove(0);
    assert_eq!((u.request_decision, u.requested_at), (Some(Decision::Denied), at(10_000)));
    assert!(u.refs.iter().any(|r| r.ends_with("L7")), "the denial is evidence: {:?}", u.refs);
    let plain = (Some(false), false, None, 1);
    let changed = |change: &dyn Fn(&mut Facts)| {
        let mut f = f.clone();
        change(&mut f);
        told(&f)
    };
    // Before the request, elsewhere, of something else, or of nothing that the log names.
    assert_eq!(changed(&|f| f.usage = vec![usage(None, 9000, 9000)]), plain);
    assert_eq!(changed(&|f| f.usage[0].scope = Some(text("aws:2"))), plain);
    assert_eq!(changed(&|f| f.usage[0].scope = None), plain);
    assert_eq!(changed(&|f| f.usage[0].privilege = Some(text("read-x"))), plain);
    assert_eq!(changed(&|f| f.usage[0].privilege = None), plain);
    // A request that lapsed, is still open, or was named by the use.
    assert_eq!(changed(&|f| f.grants[0].decision = Decision::Lapsed), bypass);
    assert_eq!(changed(&|f| f.grants[0].decision = Decision::Pending), bypass);
    assert_eq!(changed(&|f| f.usage[0].grant_id = Some(text("r1"))), bypass);
    // Nobody refused what was withdrawn.
    assert_eq!(changed(&|f| f.grants[0].decision = Decision::Withdrawn), plain);
    // Granted since: in the grant it is covered, and after it its use after the end.
    let mut later = grant("g2");
    (later.requested_at, later.not_before) = (at(10_100), at(10_200));
    (later.activated_at_lo, later.activated_at_hi) = (at(10_200), at(10_200));
    later.not_after = at(10_400);
    assert_eq!(changed(&|f| f.grants.push(later.clone())), plain);
    later.not_after = at(11_000);
    assert_eq!(changed(&|f| f.grants.push(later.clone())).0, Some(true));
    // An earlier grant has ended before the request: what follows is not its residue.
    assert_eq!(changed(&|f| f.grants.push(grant("g1"))), bypass);
}

#[test]
fn failed_removal_goes_on() {
    let mut f = facts();
    f.grants[0].end_kind = EndKind::FailedToRevoke;
    let g = first(f);
    assert_eq!(g.revocation_lag_s, Some(100 * DAY - 5000));
    assert_eq!((g.overstay_s, g.overstay_hi_s), (Some(1000), Some(100 * DAY - 4000)));
}

#[test]
fn task_without_end_or_state_is_not_known_to_run() {
    let mut f = facts();
    f.tasks = vec![Task { state: TaskState::Unknown, ..task("T1", 950, None) }];
    let g = first(f);
    assert_eq!((g.overstay_s, g.task_unknown.as_deref()), (None, Some("end_unknown")));
}

#[test]
fn person_is_found_whatever_the_case() {
    let mut f = facts();
    f.approvals = vec![approval("g1", "ann@x.example", 960)];
    f.grants[0].beneficiary = text("ann-admin@x.example");
    let settings = Settings::parse(
        "[[identity]]\nprincipal = \"Ann-Admin@X.example\"\nperson = \"Ann@x.example\"\n",
    )
    .unwrap();
    let g = run_with(&mut f, &settings).grant_facts.remove(0);
    assert_eq!(g.self_approved, Some(true));
}

#[test]
fn ownership_has_a_time() {
    let mut f = facts();
    let owner = |who: &str, from, to| Owner {
        principal: text("ann@x.example"),
        owner: Some(text(who)),
        valid_from: from,
        valid_to: to,
        ..Owner::default()
    };
    f.owners = vec![owner("before", None, at(50)), owner("later", at(200 * DAY), None)];
    let state = |f: &Facts| {
        let d = run(f.clone());
        let i = d.identity_facts.iter().find(|i| &*i.principal_id == "ann@x.example").unwrap();
        (i.owner_state.clone(), i.owner.clone(), d.grant_facts[0].owner.clone())
    };
    assert_eq!(state(&f), (Some(text("inactive")), Some(text("before")), None));
    f.owners.push(owner("now", at(10), None));
    assert_eq!(state(&f), (Some(text("present")), Some(text("now")), Some(text("now"))));
}

fn metric<'d>(d: &'d Derived, id: &str) -> (Option<f64>, Option<f64>, &'d str) {
    let m = d.metrics.iter().find(|m| &*m.metric == id).unwrap_or_else(|| panic!("no {id}"));
    (m.lo, m.hi, m.reason.as_deref().unwrap_or(&m.outcome))
}

#[test]
fn metrics_are_pairs_or_say_why_not() {
    let d = run(facts());
    assert_eq!(metric(&d, "idle_hours"), (None, None, "no_source"));
    let unseen = Some(4000.0 / 3600.0);
    assert_eq!(metric(&d, "unobserved_hours"), (unseen, unseen, "assessed"));
    assert_eq!(metric(&d, "zsp_score"), (None, None, "no_source"));
    assert_eq!(metric(&d, "jit_coverage_task"), (Some(1.0), Some(1.0), "assessed"));
    assert_eq!(metric(&d, "renewal_factor").2, "no_used_credential_with_lifetime");
    let mut f = facts();
    f.sources.push(source("S3", Layer::Usage, (0, 100 * DAY)));
    f.usage = vec![usage(Some("g1"), 1500, 2500)];
    // Three uses: two bins are proved, all between is possible.
    let d = run(f.clone());
    let close = |(lo, hi, _): (Option<f64>, Option<f64>, &str), want: (f64, f64)| {
        assert!((lo.unwrap() - want.0).abs() < 1e-9, "{lo:?}");
        assert!((hi.unwrap() - want.1).abs() < 1e-9, "{hi:?}");
    };
    close(metric(&d, "duty_cycle"), (0.15, 0.3));
    close(metric(&d, "right_size"), (0.15, 0.3));
    close(metric(&d, "idle_hours"), (2800.0 / 3600.0, 3400.0 / 3600.0));
    close(metric(&d, "unobserved_hours"), (0.0, 0.0));
    close(metric(&d, "unused_grants"), (0.0, 0.0));
    close(metric(&d, "extension_ratio"), (1.0, 1.0));
    // One use from one to the other is a session.
    f.usage[0].count = Some(1);
    close(metric(&run(f), "duty_cycle"), (0.25, 0.25));
    let empty = run(Facts::default());
    assert_eq!(metric(&empty, "duty_cycle"), (None, None, "no_grants"));
    assert_eq!(metric(&empty, "unused_grants"), (None, None, "no_grants"));
}

/// A ticket counts when the inputs hold it; one that may lie where nobody looked leaves the share open.
#[test]
fn tickets_that_exist() {
    let told = |f: &Facts| metric_of(f, "ticket_coverage");
    let mut f = facts();
    assert_eq!(told(&f), (None, None, "field_not_recorded".into()), "runs are no tickets");
    let mut ticket = task("INC-7", 900, Some(4100));
    ticket.kind = TaskKind::Ticket;
    f.grants = ["g1", "g2", "g3"].map(grant).to_vec();
    f.grants[0].ticket_id = Some(text("INC-7"));
    f.grants[1].justification = Some(text("see INC-99 for why"));
    assert_eq!(told(&f), (None, None, "no_source".into()), "the tasks are runs only");
    f.tasks.push(ticket);
    let third = |n: f64| Some(n / 3.0);
    assert_eq!(told(&f), (third(1.0), third(1.0), "assessed".into()));
    // Outside the window of the task source the other ticket may exist.
    f.sources[1] = source("S2", Layer::Task, (0, 950));
    f.grants[0].requested_at = at(900);
    f.grants[1].requested_at = at(2000);
    assert_eq!(told(&f), (third(1.0), third(2.0), "assessed".into()));
    // A request that gave nothing needs none.
    f.grants[1].decision = Decision::Denied;
    (f.grants[1].activated_at_lo, f.grants[1].activated_at_hi) = (None, None);
    assert_eq!(told(&f), (Some(0.5), Some(0.5), "assessed".into()));
}

fn metric_of(f: &Facts, id: &str) -> (Option<f64>, Option<f64>, String) {
    let settings =
        Settings::parse("[[privilege]]\npattern = \"write-x\"\ntier = \"T1\"\n").unwrap();
    let d = run_with(&mut f.clone(), &settings);
    let (lo, hi, why) = metric(&d, id);
    (lo, hi, why.to_owned())
}

/// Metric 7a: bindings that IAM dates, and the grants that explain them.
#[test]
fn activations_in_iam_with_a_grant() {
    let told = |f: &Facts| metric_of(f, "jit_coverage_issue");
    let mut f = facts();
    assert_eq!(told(&f), (None, None, "no_source".into()));
    f.sources.push(source("S4", Layer::State, (90 * DAY, 90 * DAY)));
    let bound = |when: Option<i64>, privilege: &str| Entitlement {
        principal_id: text("ann@x.example"),
        platform: text("aws"),
        privilege: text(privilege),
        role_id: text(privilege),
        scope: text("aws:1"),
        bound_at_lo: when.map(t),
        bound_at_hi: when.map(t),
        source_id: text("S4"),
        ..Entitlement::default()
    };
    f.entitlements = vec![bound(None, "write-x")];
    assert_eq!(told(&f), (None, None, "activations_not_recorded".into()));
    f.entitlements = vec![bound(Some(1060), "write-x"), bound(Some(20_000), "write-x")];
    assert_eq!(told(&f), (Some(0.5), Some(0.5), "assessed".into()));
    // What is not strong, or lies before the ledger, is no part of it.
    f.entitlements.push(bound(Some(1060), "read-x"));
    f.entitlements.push(bound(Some(-50), "write-x"));
    assert_eq!(told(&f), (Some(0.5), Some(0.5), "assessed".into()));
    f.entitlements.remove(0);
    f.entitlements.remove(0);
    assert_eq!(told(&f), (None, None, "no_activations".into()));
}

#[test]
fn principals_stand_out_by_what_they_hold_and_keep() {
    let mut f = facts();
    f.sources.push(source("S3", Layer::Usage, (0, 100 * DAY)));
    f.usage = vec![usage(Some("g1"), 1500, 1500)];
    let mut other = grant("g2");
    (other.beneficiary, other.not_after) = (text("zed@x.example"), at(4000));
    let mut refused = grant("g3");
    refused.beneficiary = text("quiet@x.example");
    refused.decision = Decision::Denied;
    (refused.activated_at_lo, refused.activated_at_hi) = (None, None);
    f.grants.extend([other, refused]);
    let d = run(f.clone());
    let ids: Vec<&str> = d.principal_metrics.iter().map(|m| &*m.principal_id).collect();
    assert_eq!(ids, ["ann@x.example", "zed@x.example"], "who kept it longest after the task");
    let ann = &d.principal_metrics[0];
    assert_eq!(ann.overstay_hours, Some(1000.0 / 3600.0));
    assert_eq!((ann.n_grants, ann.n_unused), (1, Some(0)));
    // One instant is one bin of five minutes.
    assert!((ann.idle_hours.unwrap() - 3700.0 / 3600.0).abs() < 1e-9, "{:?}", ann.idle_hours);
    assert_eq!((ann.standing_hours, ann.blast_radius), (None, None), "no snapshot is given");
    assert_eq!(d.principal_metrics[1].n_unused, Some(1));
    // Bounded, and the same whatever the order of the ledger.
    let many = (0..150).map(|n| {
        let mut g = grant(&format!("h{n}"));
        g.beneficiary = text(format!("p{n:03}@x.example"));
        g.not_after = at(4100 + n);
        g
    });
    f.grants.extend(many);
    let d = run(f.clone());
    assert_eq!(d.principal_metrics.len(), super::metrics::principals::MAX_PRINCIPALS);
    assert_eq!(&*d.principal_metrics[1].principal_id, "p149@x.example");
    f.grants.reverse();
    assert_eq!(run(f).principal_metrics, d.principal_metrics);
}

/// The measured oracle of the grants model, section 5: 1,874 of 24,759 seconds, of which 189 are refused
/// calls, which are no use.
#[test]
fn duty_cycle_of_issued_credentials() {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../shared/data/grants/aws_sts/invictus_assumerole_and_use.json");
    assert!(path.exists(), "this test needs the shared data at `{}`", path.display());
    let settings = Settings::defaults();
    let mut f = crate::ingest::ingest(&[path], &settings).unwrap().facts;
    let resolution = identities(&mut f, &settings);
    let as_of = time::parse_rfc3339("2023-07-11T00:00:00Z").unwrap();
    let options = Options { as_of, needed: &|_| true, survey: None };
    let d = derive(&mut f, &settings, &resolution, &options);
    let (lo, hi, _) = metric(&d, "duty_cycle_credentials");
    assert!((lo.unwrap() - 1685.0 / 24_759.0).abs() < 1e-9, "{lo:?}");
    assert!((hi.unwrap() - 1874.0 / 24_759.0).abs() < 1e-9, "{hi:?}");
}

/// Hours that IAM shows against hours that the ledger gave.
#[test]
fn standing_hours_are_those_without_a_grant() {
    use super::hours::Hours;
    let settings =
        Settings::parse("[[privilege]]\npattern = \"write-x\"\ntier = \"T0\"\n").unwrap();
    let mut f = facts();
    f.sources.push(source("S4", Layer::State, (2000, 2000)));
    f.principals.push(Principal {
        principal_id: text("ann@x.example"),
        inventoried: true,
        source_id: text("S4"),
        ..Principal::default()
    });
    let d = run_with(&mut f.clone(), &settings);
    // Nothing is bound at the snapshot; what was before it is open.
    let (lo, hi, _) = metric(&d, "privilege_hours");
    assert_eq!(lo, Some(0.0));
    assert!((hi.unwrap() - 1100.0 / 3600.0).abs() < 1e-9, "{hi:?}");
    assert_eq!(metric(&d, "standing_principals"), (Some(0.0), Some(1.0), "assessed"));
    let held = Holding {
        principal_id: text("ann@x.example"),
        platform: text("aws"),
        privilege: text("write-x"),
        scope: text("aws:1"),
        tier: Some(Tier::T0),
        known_to_ledger: Some(true),
        ..Holding::default()
    };
    let resolution = identities(&mut f, &settings);
    let tiers = super::index::NoTiers;
    let ix = super::index::Index::new(&f, &settings, &resolution, t(7000), &tiers);
    let profile = super::grants::Profile::new(&ix);
    let unlinked = super::uses::Unlinked::new(&ix);
    let grants = super::grants::grant_facts(&ix, &profile, &unlinked);
    let strays = super::strays::Strays::default();
    let uses = super::timeline::Uses { of_grants: &[], strays: &strays };
    let swept = super::timeline::segments(&ix, &grants, &[held], &uses);
    let hours: Hours = swept.hours;
    assert_eq!(swept.by_principal.get("ann@x.example").unwrap().bare, hours.bare);
    // Seen from 2000 on, granted until 5000, the task ended at 4000; before 2000 all is open.
    assert_eq!(hours.held, (5000, 1100));
    assert_eq!(hours.bare, (2000, 100));
    assert_eq!(hours.off_task, (3000, 100));
    assert_eq!((hours.standing, hours.lanes), ((1, 0), 1));
    assert_eq!(hours.radius_s, 5000 * 8 * 10);
}

/// Facts of several files, identities resolved.
pub(super) fn of_files(list: &[(&str, &str)]) -> Facts {
    let dir = tempfile::tempdir().unwrap();
    for (name, content) in list {
        let path = dir.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, content).unwrap();
    }
    let settings = Settings::defaults();
    let mut found = crate::ingest::ingest(&[dir.path().to_path_buf()], &settings).unwrap();
    assert!(found.failed.is_empty() && found.unknown.is_empty(), "{:?}", found.unknown);
    identities(&mut found.facts, &settings);
    found.facts
}
