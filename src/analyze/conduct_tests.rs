//! Approvers, emergencies, machine identities and uses beyond their grants, over small hand-made facts.

use super::{Options, derive, identities};
use crate::facts::*;
use crate::settings::Settings;

const DAY: i64 = 86_400;

fn t(s: i64) -> Time {
    Time::from_secs(s)
}

fn run(mut facts: Facts, as_of: i64) -> Derived {
    let settings = Settings::defaults();
    let resolution = identities(&mut facts, &settings);
    derive(
        &mut facts,
        &settings,
        &resolution,
        &Options { as_of: t(as_of), needed: &|_| true, survey: None },
    )
}

fn grant(id: &str, requester: &str, requested: i64) -> Grant {
    Grant {
        grant_id: text(id),
        system: text("broker"),
        beneficiary: text(requester),
        requester: Some(text(requester)),
        privilege: text("admin"),
        scope: Some(text("prod")),
        requested_at: Some(t(requested)),
        not_before: Some(t(requested + 60)),
        not_after: Some(t(requested + 3660)),
        activated_at_lo: Some(t(requested + 60)),
        activated_at_hi: Some(t(requested + 60)),
        decision: Decision::Approved,
        end_kind: EndKind::Expired,
        source_id: text("S1"),
        source_ref: text("L2"),
        ..Grant::default()
    }
}

fn approval(grant: &str, who: &str, at: i64) -> Approval {
    Approval {
        grant_id: Some(text(grant)),
        approver: Some(text(who)),
        verdict: Verdict::Approve,
        at: Some(t(at)),
        method: ApprovalMethod::Human,
        ..Approval::default()
    }
}

fn source(id: &str, layer: Layer) -> Source {
    Source {
        source_id: text(id),
        layer,
        window_start: Some(t(0)),
        window_end: Some(t(1000 * DAY)),
        ..Source::default()
    }
}

#[test]
fn approver_who_is_fast_bursts_and_exchanges() {
    let mut f = Facts::default();
    for i in 0..6 {
        let (a, b) = (format!("a{i}"), format!("b{i}"));
        f.grants.push(grant(&a, "ann@x.example", 1000 * i));
        f.grants.push(grant(&b, "bob@x.example", 1000 * i));
        // Bob answers within three seconds; Ann takes her time, and answers all at the end.
        f.approvals.push(approval(&a, "bob@x.example", 1000 * i + 3));
        f.approvals.push(approval(&b, "ann@x.example", 9000 + i));
        // The same decision, recorded twice.
        f.approvals.push(approval(&a, "bob@x.example", 1000 * i + 3));
    }
    let rows = run(f, 10 * DAY).approver_facts;
    let [ann, bob] = rows.as_slice() else { panic!("{rows:?}") };
    assert_eq!((&*ann.principal_id, &*bob.principal_id), ("ann@x.example", "bob@x.example"));
    assert_eq!((bob.n_decisions, bob.n_timed, bob.n_fast, bob.median_s), (6, 6, 6, Some(3)));
    assert_eq!((ann.n_decisions, ann.n_fast, ann.fast_share), (6, 0, Some(0.0)));
    assert_eq!((ann.max_burst, bob.max_burst), (Some(6), Some(1)));
    assert_eq!((ann.n_mutual, bob.n_mutual), (6, 6));
    assert_eq!(ann.mutual_with, vec![text("bob@x.example")]);
    assert_eq!(ann.accepted_share, None, "nobody ever refused: refusals may not be recorded");
}

#[test]
fn one_recorded_time_is_no_speed_and_rules_are_no_people() {
    let mut f = Facts::default();
    f.grants.push(grant("g1", "ann@x.example", 1000));
    f.approvals.push(approval("g1", "bob@x.example", 1000));
    let mut by_rule = approval("g1", "policy-engine", 1001);
    by_rule.method = ApprovalMethod::Policy;
    f.approvals.push(by_rule);
    let mut refused = approval("g2", "bob@x.example", 5000);
    refused.verdict = Verdict::Deny;
    f.approvals.push(refused);
    let rows = run(f, DAY).approver_facts;
    let [bob] = rows.as_slice() else { panic!("{rows:?}") };
    assert_eq!((bob.n_timed, bob.fast_share), (0, None));
    assert_eq!(bob.times_unknown.as_deref(), Some("no_request_times"));
    assert_eq!((bob.n_denials, bob.accepted_share), (1, Some(0.5)));
}

#[test]
fn approval_delivered_twice_is_one() {
    let mut f = Facts { grants: vec![grant("g1", "ann@x.example", 1000)], ..Facts::default() };
    let mut one = approval("g1", "bob@x.example", 1003);
    one.required = Some(2);
    f.approvals = vec![one.clone(), one.clone()];
    assert_eq!(run(f.clone(), DAY).grant_facts[0].n_approvals, Some(1), "one person, once");
    f.approvals.push(Approval { approver: Some(text("eve@x.example")), ..one });
    assert_eq!(run(f, DAY).grant_facts[0].n_approvals, Some(2));
}

fn emergency(id: &str, at: i64, ticket: Option<&str>) -> Grant {
    Grant { break_glass: Some(true), task_ref: ticket.map(text), ..grant(id, "ann@x.example", at) }
}

fn missing(e: &EmergencyFact) -> Option<Vec<&str>> {
    e.closing_missing.as_ref().map(|m| m.iter().map(|w| &**w).collect())
}

#[test]
fn emergencies_are_closed_by_an_end_and_a_review() {
    let mut f = Facts { sources: vec![source("S1", Layer::Ledger)], ..Facts::default() };
    f.grants = vec![emergency("g1", 0, Some("INC-1")), emergency("g2", 20 * DAY, None)];
    let rows = run(f.clone(), 21 * DAY).emergency_facts;
    let [one, two] = rows.as_slice() else { panic!("{rows:?}") };
    assert_eq!((one.incident, two.incident), (Some(true), Some(false)));
    assert_eq!((one.n_recent, two.n_recent), (Some(1), Some(2)));
    assert_eq!(missing(one), None, "no input records reviews");
    assert_eq!(one.closing_unknown.as_deref(), Some("no_source"));
    assert_eq!(missing(two), Some(vec![]), "its review is not due yet");

    // With reviews among the inputs, a missing one is missing.
    f.sources.push(source("S2", Layer::Review));
    f.reviews.push(Review {
        principal: text("ann@x.example"),
        privilege: text("admin"),
        at: Some(t(21 * DAY)),
        ..Review::default()
    });
    let rows = run(f.clone(), 60 * DAY).emergency_facts;
    assert_eq!(missing(&rows[0]), Some(vec!["review"]), "eighteen days late: {rows:?}");
    assert_eq!(missing(&rows[1]), Some(vec![]));

    // An approval after the fact is a review.
    f.approvals.push(approval("g1", "bob@x.example", DAY));
    assert_eq!(missing(&run(f, 60 * DAY).emergency_facts[0]), Some(vec![]));
}

#[test]
fn emergency_that_never_ends_and_ledger_without_incidents() {
    let mut f = Facts { sources: vec![source("S1", Layer::Ledger)], ..Facts::default() };
    let mut g = emergency("g1", 0, None);
    (g.not_after, g.end_kind) = (None, EndKind::Open);
    f.grants = vec![g];
    let rows = run(f, 30 * DAY).emergency_facts;
    assert_eq!(missing(&rows[0]), Some(vec!["end"]));
    assert_eq!(rows[0].incident, None, "the ledger never records one");
}

#[test]
fn emergency_identity_in_use() {
    let mut f = Facts { sources: vec![source("S1", Layer::Usage)], ..Facts::default() };
    f.principals.push(Principal {
        principal_id: text("bg"),
        kind: PrincipalKind::Human,
        break_glass: true,
        inventoried: true,
        ..Principal::default()
    });
    for day in 0..5 {
        f.usage.push(Usage { first_at: Some(t(day * DAY)), ..used("bg") });
    }
    let rows = run(f, 10 * DAY).emergency_facts;
    assert_eq!((&*rows[0].item, rows[0].n_recent), ("identity:bg", Some(5)), "{rows:?}");
    assert_eq!(rows[0].owner_missing, None, "no input says who owns what");
}

fn used(who: &str) -> Usage {
    Usage {
        principal: text(who),
        first_at: Some(t(100)),
        last_at: None,
        grain: UsageGrain::Event,
        source_id: text("S1"),
        source_ref: text("L9"),
        ..Usage::default()
    }
}

fn machine(agent: Option<&str>, ip: Option<&str>, people: usize) -> Vec<MachineUse> {
    let mut f = Facts::default();
    let kinds = (0..people).map(|i| (format!("p{i}"), PrincipalKind::Human));
    for (id, kind) in kinds.chain([("svc".to_owned(), PrincipalKind::ServiceAccount)]) {
        let person = kind == PrincipalKind::Human;
        f.principals.push(Principal { principal_id: text(&id), kind, ..Principal::default() });
        f.usage.push(Usage {
            source_ip: ip.map(text),
            user_agent: agent.filter(|_| !person).map(text),
            ..used(&id)
        });
    }
    run(f, DAY).machine_uses
}

#[test]
fn people_behind_machines() {
    let browser = "Mozilla/5.0 (X11; Linux x86_64) Firefox/128.0";
    let row = &machine(Some(browser), None, 0)[0];
    assert_eq!((row.n_interactive, row.signals.clone()), (Some(1), vec![text("browser")]));
    for quiet in
        ["aws-sdk-go/1.44", "Mozilla/5.0 HeadlessChrome/126", "Mozilla/5.0 (compatible; Bot/1)"]
    {
        assert_eq!(machine(Some(quiet), None, 0)[0].n_interactive, Some(0), "{quiet}");
    }
    let row = &machine(None, Some("198.51.100.7"), 1)[0];
    assert_eq!((row.n_interactive, row.people.clone()), (Some(0), vec![text("p0")]));
    // A gateway and a service of the provider say nothing.
    assert!(machine(None, Some("198.51.100.7"), 5)[0].people.is_empty());
    let row = &machine(None, Some("s3.amazonaws.com"), 1)[0];
    assert_eq!(row.clients_unknown.as_deref(), Some("client_not_recorded"));
}

/// What lies after the as-of time had not happened then.
#[test]
fn later_use_of_a_machine_does_not_count() {
    let mut f = Facts::default();
    let kind = PrincipalKind::ServiceAccount;
    f.principals.push(Principal { principal_id: text("svc"), kind, ..Principal::default() });
    let browser = |first: i64, last: i64| Usage {
        user_agent: Some(text("Mozilla/5.0 Firefox/128.0")),
        first_at: Some(t(first)),
        last_at: Some(t(last)),
        ..used("svc")
    };
    f.usage = vec![browser(2 * DAY, 2 * DAY)];
    assert!(run(f.clone(), DAY).machine_uses.is_empty());
    f.usage.push(browser(100, 3 * DAY));
    let row = &run(f.clone(), DAY).machine_uses[0];
    assert_eq!((row.n_records, row.n_interactive), (1, Some(1)));
    assert_eq!(row.last_interactive_at, Some(t(100)));
    assert_eq!(run(f, 4 * DAY).machine_uses[0].last_interactive_at, Some(t(3 * DAY)));
}

/// A use under `g1`, on an AWS grant of the policy `ops` in account 111122223333.
fn beyond(change: impl FnOnce(&mut Usage)) -> (Option<bool>, Vec<Text>, Option<Text>) {
    let mut g = grant("g1", "ann@x.example", 0);
    (g.platform, g.scope) = (Some(text("aws")), Some(text("111122223333")));
    g.privilege = text("ops");
    let document = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"s3:Get*","Resource":"arn:aws:s3:::logs/*"}]}"#;
    let role = Role {
        role_id: text("arn:aws:iam::111122223333:policy/ops"),
        platform: text("aws"),
        realm: Some(text("aws:111122223333")),
        name: text("ops"),
        document: Some(text(document)),
        ..Role::default()
    };
    let mut u =
        Usage { grant_id: Some(text("g1")), platform: Some(text("aws")), ..used("ann@x.example") };
    change(&mut u);
    let f = Facts {
        sources: vec![source("S1", Layer::Ledger)],
        grants: vec![g],
        roles: vec![role],
        usage: vec![u],
        ..Facts::default()
    };
    let row = run(f, DAY).usage_facts.remove(0);
    assert_eq!(row.in_window, Some(true));
    (row.beyond_grant, row.beyond, row.beyond_unknown)
}

#[test]
fn uses_beyond_their_grant() {
    let within = (Some(false), vec![], None);
    let out = |word: &str| (Some(true), vec![text(word)], None);
    let open = |why: &str| (None, vec![], Some(text(why)));
    assert_eq!(beyond(|u| u.scope = Some(text("aws:111122223333"))), within);
    assert_eq!(beyond(|u| u.scope = Some(text("444455556666"))), out("scope"));
    assert_eq!(beyond(|u| u.scope = Some(text("prod"))), open("scope_not_comparable"));
    assert_eq!(beyond(|u| u.action = Some(text("s3:GetObject"))), within);
    assert_eq!(beyond(|u| u.action = Some(text("iam:CreateUser"))), out("action"));
    assert_eq!(
        beyond(|u| {
            u.action = Some(text("s3:GetObject"));
            u.resource = Some(text("arn:aws:s3:::payroll/x"));
        }),
        out("action")
    );
    assert_eq!(
        beyond(|u| u.resource = Some(text("arn:aws:iam::444455556666:role/x"))),
        out("resource")
    );
    assert_eq!(beyond(|_| ()), open("use_names_nothing"));
    assert_eq!(beyond(|u| u.privilege = Some(text("ops"))), within);
    let other = beyond(|u| u.privilege = Some(text("admin")));
    assert_eq!(other, (None, vec![text("privilege")], Some(text("other_privilege_name"))));
}
