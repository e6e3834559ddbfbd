//! Scenarios of links to tasks and of delegation over small hand-made facts.

use super::{Options, derive, identities};
use crate::facts::*;
use crate::settings::Settings;

const DAY: i64 = 86_400;

fn at(s: i64) -> Option<Time> {
    Some(Time::from_secs(s))
}

/// A grant from 1000 to 5000 that names no task.
fn grant(id: &str, who: &str) -> Grant {
    Grant {
        grant_id: text(id),
        system: text("broker"),
        beneficiary: text(who),
        privilege: text("write-x"),
        scope: Some(text("aws:111122223333")),
        decision: Decision::Approved,
        not_before: at(1000),
        not_after: at(5000),
        activated_at_lo: at(1000),
        activated_at_hi: at(1000),
        ended_at_lo: at(5000),
        ended_at_hi: at(5000),
        end_kind: EndKind::Expired,
        source_id: text("S1"),
        source_ref: text(id),
        ..Grant::default()
    }
}

/// A ticket from 950 to 4000.
fn task(system: &str, id: &str) -> Task {
    Task {
        task_id: text(id),
        system: text(system),
        kind: TaskKind::Ticket,
        started_at_lo: at(950),
        started_at_hi: at(950),
        ended_at_lo: at(4000),
        ended_at_hi: at(4000),
        state: TaskState::Succeeded,
        ..Task::default()
    }
}

fn source(id: &str, layer: Layer) -> Source {
    Source {
        source_id: text(id),
        layer,
        window_start: at(0),
        window_end: at(100 * DAY),
        ..Source::default()
    }
}

fn facts(g: Grant, tasks: Vec<Task>) -> Facts {
    // A second grant shows that the ledger has a field for tasks.
    let other = Grant { task_ref: Some(text("none")), ..grant("other", "zoe@x.example") };
    Facts {
        sources: vec![source("S1", Layer::Ledger), source("S2", Layer::Task)],
        grants: vec![g, other],
        tasks,
        ..Facts::default()
    }
}

fn run_with(mut facts: Facts, settings: &Settings) -> (Derived, Facts) {
    let resolution = identities(&mut facts, settings);
    let options = Options { as_of: Time::from_secs(50 * DAY), needed: &|_| true, survey: None };
    let derived = derive(&mut facts, settings, &resolution, &options);
    (derived, facts)
}

fn first(g: Grant, tasks: Vec<Task>) -> GrantFact {
    run_with(facts(g, tasks), &Settings::defaults()).0.grant_facts.remove(0)
}

/// How a grant was linked: task, kind, confidence, excess.
fn link(g: Grant, tasks: Vec<Task>) -> (Option<String>, &'static str, &'static str, Option<i64>) {
    let f = first(g, tasks);
    (
        f.task_id.as_deref().map(str::to_owned),
        f.link_kind.map_or("", LinkKind::as_str),
        f.link_confidence.map_or("", Confidence::as_str),
        f.overstay_s,
    )
}

fn linked(
    id: &str,
    kind: &'static str,
    confidence: &'static str,
) -> (Option<String>, &'static str, &'static str, Option<i64>) {
    (Some(id.to_owned()), kind, confidence, Some(1000))
}

const NONE: (Option<String>, &str, &str, Option<i64>) = (None, "", "", None);

#[test]
fn every_kind_of_link_is_named() {
    let ann = || grant("g", "ann@x.example");
    let run = || Task { kind: TaskKind::CiRun, ..task("github", "5555555555") };
    let hinted = |hint: &str| Grant { task_hints: vec![text(hint)], ..ann() };
    let by_ref = Grant { task_ref: Some(text("5555555555")), ..ann() };
    assert_eq!(link(by_ref, vec![run()]), linked("5555555555", "native_id", "exact"));
    assert_eq!(
        link(hinted("session_tag:run_id=5555555555"), vec![run()]),
        linked("5555555555", "session_tag", "strong")
    );
    assert_eq!(
        link(hinted("oidc_claim:run_id=5555555555"), vec![run()]),
        linked("5555555555", "oidc_claim", "exact")
    );
    assert_eq!(
        link(hinted("annotation:change=OPS-7"), vec![task("jira", "OPS-7")]),
        linked("OPS-7", "annotation", "strong")
    );
    let field = Grant { ticket_id: Some(text("OPS-7")), ..ann() };
    assert_eq!(link(field, vec![task("jira", "OPS-7")]), linked("OPS-7", "ticket_field", "exact"));
    let reason = |r: &str| Grant { justification: Some(text(r)), ..ann() };
    assert_eq!(
        link(reason("deploy for OPS-7, urgent"), vec![task("jira", "OPS-7")]),
        linked("OPS-7", "ticket_text", "strong")
    );
    assert_eq!(
        link(reason("fix #12"), vec![task("gh", "12")]),
        linked("12", "ticket_text", "strong")
    );
    assert_eq!(link(reason("fix #5555555555"), vec![run()]), NONE, "a run is no issue");
    assert_eq!(
        link(hinted("session_name:gha-5555555555"), vec![run()]),
        linked("5555555555", "session_name", "strong")
    );
    let session = grant("g", "arn:aws:sts::111122223333:assumed-role/deploy/run_5555555555");
    assert_eq!(link(session, vec![run()]), linked("5555555555", "session_name", "strong"));
    // The default session name of the GitHub action carries no run.
    assert_eq!(link(hinted("session_name:GitHubActions"), vec![run()]), NONE);
    assert_eq!(
        link(hinted("session_name:deploy-7"), vec![task("x", "7")]),
        NONE,
        "too short to be an id"
    );
}

#[test]
fn a_trace_links_all_its_work() {
    let span = |id: &str, end: i64| Task {
        ended_at_lo: at(end),
        ended_at_hi: at(end),
        other_ids: vec![text("5b8e")],
        kind: TaskKind::AgentRun,
        ..task("otel", id)
    };
    let g = Grant { task_hints: vec![text("trace_id:00-5b8e-a1-01")], ..grant("g", "agent:x") };
    let f = first(g, vec![span("5b8e/1", 3000), span("5b8e/2", 4000)]);
    assert_eq!((f.link_kind, f.n_tasks), (Some(LinkKind::TraceId), 2));
    assert_eq!(f.overstay_s, Some(1000), "the last of them counts");
}

#[test]
fn a_ticket_in_text_needs_the_ticket_or_a_pattern() {
    let settings = Settings::parse("ticket_patterns = [\"CASE*\"]").unwrap();
    let g = |r: &str| Grant { justification: Some(text(r)), ..grant("g", "ann@x.example") };
    let (d, _) = run_with(facts(g("see CASE77."), vec![task("crm", "CASE77")]), &settings);
    assert_eq!(d.grant_facts[0].link_kind, Some(LinkKind::TicketText));
    let (d, _) = run_with(facts(g("see CASE78."), vec![task("crm", "CASE77")]), &settings);
    let f = &d.grant_facts[0];
    assert_eq!((f.task_ref.as_deref(), f.task_resolved), (Some("CASE78"), Some(false)));
    let f = first(g("see CASE78 and ABC-1"), vec![task("crm", "CASE77")]);
    assert_eq!((f.task_ref, f.task_resolved), (None, Some(false)));
}

#[test]
fn one_id_in_two_systems_is_resolved_by_system_or_named_ambiguous() {
    let tasks = || {
        let mut late = task("servicenow", "OPS-7");
        late.ended_at_lo = at(4500);
        late.ended_at_hi = at(4500);
        vec![task("jira", "OPS-7"), late]
    };
    let g = |system: Option<&str>| Grant {
        ticket_id: Some(text("OPS-7")),
        ticket_system: system.map(text),
        ..grant("g", "ann@x.example")
    };
    assert_eq!(first(g(Some("Service Now")), tasks()).overstay_s, Some(500));
    assert_eq!(first(g(Some("JIRA")), tasks()).overstay_s, Some(1000));
    let (d, after) = run_with(facts(g(None), tasks()), &Settings::defaults());
    let f = &d.grant_facts[0];
    assert_eq!((f.task_id.as_deref(), f.task_resolved, f.overstay_s), (None, None, None));
    assert_eq!(f.task_unknown.as_deref(), Some("ambiguous_task"));
    assert_eq!(f.task_candidates, [text("jira:OPS-7"), text("servicenow:OPS-7")]);
    let weak = after.task_links.iter().filter(|l| l.confidence == Confidence::Weak).count();
    assert_eq!(weak, 2);
    // A system of which no task is there cannot choose; one of which there are, excludes the others.
    assert_eq!(first(g(Some("zendesk")), tasks()).task_unknown.as_deref(), Some("ambiguous_task"));
    let f = first(g(Some("jira")), vec![task("servicenow", "OPS-7"), task("jira", "OPS-8")]);
    assert_eq!(f.task_resolved, Some(false));
    let by_prefix = Grant { task_ref: Some(text("jira:OPS-7")), ..grant("g", "ann@x.example") };
    assert_eq!(first(by_prefix, tasks()).overstay_s, Some(1000));
}

#[test]
fn attempts_of_one_run_are_one_work() {
    let attempt = |n: i64, end: i64| Task {
        ended_at_lo: at(end),
        ended_at_hi: at(end),
        kind: TaskKind::CiRun,
        other_ids: vec![text("77")],
        ..task("github", &format!("77#{n}"))
    };
    let g = Grant { task_ref: Some(text("77")), ..grant("g", "ann@x.example") };
    assert_eq!(first(g, vec![attempt(2, 3000), attempt(3, 4000)]).overstay_s, Some(1000));
}

#[test]
fn overlap_in_time_clears_nothing_and_is_possible_at_most() {
    let own = |end: Option<i64>| Task {
        principal: Some(text("ann@x.example")),
        ended_at_lo: end.map(Time::from_secs),
        ended_at_hi: end.map(Time::from_secs),
        state: if end.is_some() { TaskState::Succeeded } else { TaskState::Running },
        ..task("jira", "OPS-7")
    };
    let f = first(grant("g", "ann@x.example"), vec![own(Some(4000))]);
    assert_eq!(
        (f.link_kind, f.link_confidence),
        (Some(LinkKind::TimeOverlap), Some(Confidence::Weak))
    );
    assert_eq!((f.task_id, f.task_resolved), (None, Some(false)), "still a grant without a task");
    assert_eq!((f.overstay_s, f.overstay_hi_s), (None, Some(1000)));
    assert!(f.evidence_missing.iter().any(|e| &**e == "task"));
    // One that still runs leaves nothing to be possible, and does not clear either.
    let f = first(grant("g", "ann@x.example"), vec![own(None)]);
    assert_eq!((f.overstay_s, f.overstay_hi_s, f.task_resolved), (None, None, Some(false)));
    // Before and after the grant is not meanwhile.
    let f = first(grant("g", "ann@x.example"), vec![own(Some(1000))]);
    assert_eq!(f.link_kind, None);
    // Somebody else's work is none.
    let f = first(grant("g", "bob@x.example"), vec![own(Some(4000))]);
    assert_eq!(f.link_kind, None);
}

fn hop(parent: &str, child: &str, from: i64, until: i64) -> Delegation {
    Delegation {
        parent: text(parent),
        child: text(child),
        from: at(from),
        until: at(until),
        chain: Some(text("t1")),
        evidence: text("agent_span"),
        source_id: text("S2"),
        source_ref: text(format!("{parent}>{child}")),
        ..Delegation::default()
    }
}

fn human(id: &str) -> Principal {
    Principal { principal_id: text(id), kind: PrincipalKind::Human, ..Principal::default() }
}

fn delegated(delegations: Vec<Delegation>, grants: Vec<Grant>) -> Vec<DelegationFact> {
    let facts = Facts {
        sources: vec![source("S1", Layer::Ledger), source("S2", Layer::Task)],
        principals: vec![human("ana@x.example")],
        grants,
        delegations,
        ..Facts::default()
    };
    run_with(facts, &Settings::defaults()).0.delegation_facts
}

#[test]
fn a_chain_is_walked_to_its_origin() {
    let rows = delegated(
        vec![
            hop("ana@x.example", "agent:a", 1000, 2000),
            hop("agent:a", "agent:b", 1100, 1900),
            Delegation { parent_until: at(1900), ..hop("agent:b", "agent:c", 1200, 9100) },
            // The same agents in another trace: no part of this chain.
            Delegation { chain: Some(text("t2")), ..hop("agent:z", "agent:b", 1150, 1300) },
        ],
        vec![],
    );
    let c = &rows[2];
    assert_eq!((c.hop, &*c.root_id, c.root_kind), (3, "ana@x.example", PrincipalKind::Human));
    let chain: Vec<&str> = c.chain.iter().map(|s| &**s).collect();
    assert_eq!(chain, ["ana@x.example", "agent:a", "agent:b", "agent:c"]);
    assert_eq!((c.origin_known, c.outlives_s), (Some(true), Some(7200)));
    assert_eq!((rows[1].outlives_s, rows[1].parent_until), (Some(-100), at(2000)));
    // Other hops of this kind name a person; the chain that does not has lost it.
    assert_eq!((rows[3].hop, rows[3].origin_known), (1, Some(false)));
    assert_eq!(
        rows[0].outlives_unknown.as_deref(),
        Some("end_unknown"),
        "nothing bounds the person"
    );
}

#[test]
fn sources_that_record_no_origin_are_not_blamed_and_circles_end() {
    let rows = delegated(vec![hop("agent:a", "agent:b", 1000, 2000)], vec![]);
    assert_eq!(
        (rows[0].origin_known, rows[0].origin_unknown.as_deref()),
        (None, Some("field_not_recorded"))
    );
    let rows = delegated(
        vec![hop("agent:a", "agent:b", 1000, 2000), hop("agent:b", "agent:a", 1000, 2000)],
        vec![],
    );
    assert!(rows.iter().all(|r| r.origin_known == Some(false)), "a circle has no origin");
    let two = |o: &str, d: Delegation| Delegation { origin: Some(text(o)), ..d };
    let rows = delegated(
        vec![
            two("bob@x.example", hop("agent:a", "agent:b", 1000, 2000)),
            two("eve@x.example", hop("agent:b", "agent:c", 1100, 1900)),
        ],
        vec![],
    );
    assert_eq!(
        (rows[0].origin_known, rows[1].origin_known),
        (Some(true), Some(false)),
        "contradicts"
    );
}

#[test]
fn what_the_child_gets_is_set_against_what_the_parent_has() {
    let for_ana = |scope: &str, privilege: &str| Grant {
        on_behalf_of: Some(text("ana@x.example")),
        beneficiary_kind: Some(PrincipalKind::Agent),
        privilege: text(privilege),
        scope: Some(text(scope)),
        ..grant("g1", "agent:a")
    };
    let own = |scope: &str| Grant { scope: Some(text(scope)), ..grant("g0", "ana@x.example") };
    let row = |g: Grant, held: Vec<Grant>| {
        let mut grants = vec![g];
        grants.extend(held);
        delegated(vec![], grants).remove(0)
    };
    let account = "aws:111122223333";
    let bucket = "arn:aws:iam::111122223333:role/r";
    let r = row(for_ana(bucket, "write-x"), vec![own(account)]);
    assert_eq!((r.contained, r.decided, r.boundary), (Some(true), Some(true), Some(true)));
    assert_eq!((r.outlives_s, r.parent_until, r.origin_known), (Some(0), at(5000), Some(true)));
    let r = row(for_ana(account, "write-x"), vec![own(bucket)]);
    assert_eq!(r.contained, Some(false), "wider scope");
    assert_eq!(r.parent_holds, [text(format!("write-x on {bucket}"))]);
    let r = row(for_ana(account, "other"), vec![own(account)]);
    assert_eq!((r.contained, r.contained_unknown.as_deref()), (None, Some("role_unexpanded")));
    let r = row(for_ana(account, "write-x"), vec![]);
    assert_eq!((r.contained, r.contained_unknown.as_deref()), (None, Some("identity_unresolved")));
    assert_eq!(r.evidence.as_ref(), "ledger");
}

#[test]
fn a_hop_without_grant_is_undecided_where_the_ledger_looks() {
    let used = |f: &mut Facts| {
        f.sources.push(source("S3", Layer::Usage));
        f.usage.push(Usage {
            principal: text("agent:b"),
            first_at: at(1500),
            last_at: at(1500),
            count: Some(1),
            source_id: text("S3"),
            ..Usage::default()
        });
    };
    let base = |grants: Vec<Grant>| Facts {
        sources: vec![source("S1", Layer::Ledger), source("S2", Layer::Task)],
        principals: vec![human("ana@x.example")],
        grants,
        delegations: vec![hop("ana@x.example", "agent:b", 1100, 2000)],
        ..Facts::default()
    };
    let row = |f: Facts| run_with(f, &Settings::defaults()).0.delegation_facts.remove(0);
    let mut f = base(vec![]);
    used(&mut f);
    let r = row(f);
    assert_eq!((r.boundary, r.decided), (Some(true), Some(false)));
    let mut f = base(vec![grant("g", "agent:b")]);
    used(&mut f);
    assert_eq!(row(f).decided, Some(true), "its own grant was in force");
    let mut f = base(vec![]);
    f.sources.push(source("S3", Layer::Usage));
    assert_eq!(row(f).boundary, None, "the usage source lists no uses");
    let mut f = base(vec![]);
    f.sources.remove(0);
    used(&mut f);
    assert_eq!(row(f).decided_unknown.as_deref(), Some("no_source"));
}

#[test]
fn use_on_behalf_of_another_is_a_hop() {
    let facts = Facts {
        sources: vec![source("S3", Layer::Usage)],
        usage: [1500, 1700]
            .iter()
            .map(|t| Usage {
                principal: text("agent:b"),
                on_behalf_of: Some(text("Ana@x.example")),
                privilege: Some(text("write-x")),
                first_at: at(*t),
                last_at: at(*t),
                count: Some(1),
                source_id: text("S3"),
                source_ref: text(t.to_string()),
                ..Usage::default()
            })
            .collect(),
        ..Facts::default()
    };
    let rows = run_with(facts, &Settings::defaults()).0.delegation_facts;
    assert_eq!(rows.len(), 1);
    let r = &rows[0];
    assert_eq!((&*r.parent_id, r.started_at, r.until), ("ana@x.example", at(1500), at(1700)));
    assert_eq!((r.evidence.as_ref(), r.refs.len()), ("usage", 2));
}

#[test]
fn an_agent_that_runs_is_an_agent() {
    let mut f = facts(
        grant("g", "ann@x.example"),
        vec![Task {
            kind: TaskKind::AgentRun,
            principal: Some(text("agent:planner")),
            ..task("otel", "t/1")
        }],
    );
    identities(&mut f, &Settings::defaults());
    let p = f.principals.iter().find(|p| &*p.principal_id == "agent:planner").unwrap();
    assert_eq!((p.kind, p.is_nhi), (PrincipalKind::Agent, Some(true)));
}

#[test]
fn a_small_number_is_no_task_under_a_key_that_names_none() {
    let hinted = |hint: &str| Grant { task_hints: vec![text(hint)], ..grant("g", "ann@x.example") };
    for (hint, id, found) in [
        ("oidc_claim:run_attempt=1", "1", false),
        ("oidc_claim:repository_id=5555555555", "5555555555", false),
        ("oidc_claim:job_workflow_ref=5555555555", "5555555555", false),
        ("oidc_claim:run_number=12", "12", false),
        ("oidc_claim:ci_pipeline_id=12", "12", true),
        ("session_tag:count=12", "12", false),
        ("session_tag:12", "12", false),
        ("session_tag:ticketNumber=12", "12", true),
        ("session_tag:RunId=12", "12", true),
        ("session_tag:reason=OPS-7", "OPS-7", true),
        ("annotation:x=5555555555", "5555555555", true),
        ("annotation:team=ops", "ops", false),
    ] {
        let (task_id, ..) = link(hinted(hint), vec![task("jira", id)]);
        assert_eq!(task_id.is_some(), found, "{hint}");
    }
}

#[test]
fn tasks_that_a_grant_names_are_one_work_and_all_are_linked() {
    let g = Grant {
        task_ref: Some(text("T-100;T-200")),
        ticket_id: Some(text("OPS-7")),
        ..grant("g", "ann@x.example")
    };
    let tasks = || vec![task("ci", "T-100"), task("ci", "T-200"), task("jira", "OPS-7")];
    let (derived, facts_of) = run_with(facts(g.clone(), tasks()), &Settings::defaults());
    assert_eq!(derived.grant_facts[0].n_tasks, 1);
    let linked: Vec<_> = facts_of
        .task_links
        .iter()
        .map(|l| (&*l.task_id, l.link_kind.as_str(), &*l.evidence))
        .collect();
    assert_eq!(
        linked,
        [
            ("T-100", "ticket_field", "T-100"),
            ("T-200", "ticket_field", "T-200"),
            ("OPS-7", "ticket_field", "OPS-7")
        ]
    );
    // A use for a task that it does not name is another work.
    let mut more = facts(g, tasks());
    more.tasks.push(task("ci", "T-300"));
    more.usage.push(Usage {
        principal: text("ann@x.example"),
        grant_id: Some(text("g")),
        task_id: Some(text("T-300")),
        first_at: at(2000),
        last_at: at(2000),
        count: Some(1),
        source_id: text("S1"),
        ..Usage::default()
    });
    assert_eq!(run_with(more, &Settings::defaults()).0.grant_facts[0].n_tasks, 2);
}

#[test]
fn excess_counts_from_the_end_of_the_task() {
    let named = Grant { task_ref: Some(text("T")), ..grant("g", "ann@x.example") };
    let old = |from: Option<i64>, to: i64, state: TaskState| Task {
        started_at_lo: from.and_then(at),
        started_at_hi: from.and_then(at),
        ended_at_lo: at(to),
        ended_at_hi: at(to),
        state,
        ..task("ci", "T")
    };
    // Held from 1000 to 5000.
    for (task, excess) in [
        (old(Some(100), 200, TaskState::Succeeded), 4800),
        (old(None, 200, TaskState::Canceled), 4800),
        (old(Some(950), 4000, TaskState::Failed), 1000),
        (old(Some(950), 6000, TaskState::Succeeded), -1000),
    ] {
        let f = first(named.clone(), vec![task]);
        assert_eq!((f.overstay_s, f.overstay_hi_s), (Some(excess), Some(excess)));
    }
    let work = |task: Task| {
        // A credential is access while it lives, with no need of a snapshot.
        let g = Grant { broker_kind: BrokerKind::Credential, ..named.clone() };
        let (derived, _) = run_with(facts(g, vec![task]), &Settings::defaults());
        let of = |s: &&Segment| s.grant_ids.iter().any(|g| &**g == "g") && &*s.ledger == "A";
        let found: Vec<String> =
            derived.segments.iter().filter(of).map(|s| s.task.to_string()).collect();
        found
    };
    let waiting = Task {
        started_at_lo: None,
        started_at_hi: None,
        ended_at_lo: None,
        ended_at_hi: None,
        state: TaskState::Waiting,
        ..task("ci", "T")
    };
    for task in [waiting, old(None, 3000, TaskState::Canceled)] {
        let words = work(task.clone());
        assert!(!words.is_empty() && words.iter().all(|w| w == "X"), "{words:?} {task:?}");
    }
}
