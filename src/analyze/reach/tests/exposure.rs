//! Statements with an end, exposure classes, and what is used of what is granted.

use super::*;
use crate::facts::{Completeness, Layer, Outcome, ProviderFinding, Usage, UsageGrain};

fn until(action: &str, end: &str) -> String {
    format!(
        r#"{{"Sid":"T","Effect":"Allow","Action":"{action}","Resource":"*","Condition":{{"DateLessThan":{{"aws:CurrentTime":"{end}"}}}}}}"#
    )
}

fn allow(action: &str) -> String {
    format!(r#"{{"Effect":"Allow","Action":{action},"Resource":"*"}}"#)
}

const SOON: &str = "2026-07-01T00:00:00Z";
const PAST: &str = "2026-05-01T00:00:00Z";

/// 5.6: in a mixed policy the live part stands, the part with an end to come is time-bound with that
/// end, and the dead part is residue: three rows, each judged on its own statements.
#[test]
fn a_mixed_policy_has_several_lives() {
    let mixed =
        format!("{},{},{}", allow(r#""s3:ListBucket""#), until("iam:*", SOON), until("*", PAST));
    let r = run(&export(&user("mixed", &[&mixed], ""), "", "", ""));
    let rows = held(&r, "mixed");
    let of = |s: Standing| {
        let found: Vec<_> = rows.iter().filter(|h| h.standing == s).collect();
        assert_eq!(found.len(), 1, "{s:?}");
        (*found[0]).clone()
    };
    assert_eq!(rows.len(), 3);
    let standing = of(Standing::Standing);
    assert_eq!(
        (standing.tier, standing.admin, standing.not_after),
        (Some(Tier::T4), Tri::No, None)
    );
    assert_eq!(standing.statements.iter().map(|s| &**s).collect::<Vec<_>>(), ["statement 0"]);
    let bound = of(Standing::TimeBound);
    assert_eq!((bound.tier, bound.admin), (Some(Tier::T0), Tri::Yes));
    assert_eq!(bound.not_after.unwrap().to_date(), "2026-07-01");
    assert!(bound.looks_temporary);
    let dead = of(Standing::Residue);
    assert_eq!((dead.n_actions, dead.admin), (Some(0), Tri::No));
    assert_eq!(dead.not_after.unwrap().to_date(), "2026-05-01");
    assert_eq!(dead.statements.iter().map(|s| &**s).collect::<Vec<_>>(), ["statement 2 (T)"]);
    let policy = r.policy_facts.iter().find(|p| &*p.name == "p0").unwrap();
    assert_eq!(policy.expired_statements.len(), 1);
}

/// The same with `DateLessThanEquals` on `aws:EpochTime`, in seconds; and a policy all of whose
/// statements end has no standing row.
#[test]
fn epochs_and_policies_that_end_as_a_whole() {
    let epoch = r#"{"Effect":"Allow","Action":"*","Resource":"*","Condition":{"NumericLessThanEquals":{"aws:EpochTime":"1782864000"}}}"#;
    let both = format!("{},{}", until("iam:*", SOON), until("ec2:*", PAST));
    let users = [user("epoch", &[epoch], ""), user("both", &[&both], "")].join(",");
    let r = run(&export(&users, "", "", ""));
    let epoch = held(&r, "epoch");
    assert_eq!((epoch.len(), epoch[0].standing), (1, Standing::TimeBound));
    let standings: Vec<Standing> = held(&r, "both").iter().map(|h| h.standing).collect();
    assert_eq!(standings, [Standing::TimeBound, Standing::Residue]);
}

/// What only the union gives ends when the part that ends is what makes it so.
#[test]
fn a_union_ends_with_the_part_that_it_needs() {
    let pass = allow(r#""iam:PassRole""#);
    let launch = allow(r#""ec2:RunInstances""#);
    let harmless = until("s3:ListBucket", SOON);
    let admin = role("ec2admin", &[STAR], &trusts(r#"{"Service":"ec2.amazonaws.com"}"#), "")
        .replace(r#""InstanceProfileList":[]"#, r#""InstanceProfileList":[{"Arn":"arn:x"}]"#);
    let users = [
        user("ends", &[&pass, &until("ec2:RunInstances", SOON)], ""),
        user("stays", &[&pass, &launch, &harmless], ""),
    ]
    .join(",");
    let r = run(&export(&users, "", &admin, ""));
    let combined =
        |n: &str| held(&r, n).into_iter().find(|h| &*h.privilege == "combined").cloned().unwrap();
    let ends = combined("ends");
    assert_eq!(ends.standing, Standing::TimeBound);
    assert_eq!(ends.not_after.unwrap().to_date(), "2026-07-01");
    assert_eq!(combined("stays").standing, Standing::Standing);
}

fn exposure<'a>(r: &'a Reach, name: &str, class: &str) -> Option<&'a ExposureFact> {
    let id = &identity(r, name).principal_id;
    r.exposures.iter().find(|e| e.principal_id == *id && &*e.exposure == class)
}

/// Five classes on the effective set, with the statements that contribute and not the others.
#[test]
fn exposures_of_principals() {
    let wide = allow(r#"["s3:GetObject","ec2:TerminateInstances"]"#);
    let narrow = r#"{"Effect":"Allow","Action":"s3:GetObject","Resource":"arn:aws:s3:::b/*"}"#;
    let denied = r#"{"Effect":"Deny","Action":"s3:GetObject","Resource":"*"}"#;
    let mfa = r#"{"Effect":"Allow","Action":"sdb:*","Resource":"*","Condition":{"Bool":{"aws:MultiFactorAuthPresent":"true"}}}"#;
    let users = [
        user("wide", &[narrow, &wide], ""),
        user("denied", &[&wide, denied], ""),
        user("mfa", &[mfa], ""),
        user("star", &[STAR], ""),
    ]
    .join(",");
    let r = run(&export(&users, "", "", ""));
    let e = exposure(&r, "wide", "data_exfiltration").unwrap();
    assert_eq!((e.verdict, &*e.scope, e.n_actions), (Tri::Yes, "all", 1));
    assert_eq!(e.statements.iter().map(|s| &**s).collect::<Vec<_>>(), ["p1: statement 0"]);
    assert!(exposure(&r, "wide", "infrastructure_modification").is_some());
    assert!(exposure(&r, "wide", "service_wildcard").is_none());
    // A Deny in another policy counts (cloudsplaining#188).
    assert!(exposure(&r, "denied", "data_exfiltration").is_none());
    let e = exposure(&r, "mfa", "service_wildcard").unwrap();
    assert_eq!((e.verdict, &*e.services[0], e.n_services), (Tri::Conditional, "sdb", 1));
    let e = exposure(&r, "star", "service_wildcard").unwrap();
    assert_eq!((e.verdict, e.n_services, e.services.len()), (Tri::Yes, 445, 40));
    assert!(exposure(&r, "star", "credentials_exposure").is_some());
}

/// Facts of an account with a complete log of ninety-one days.
fn logged(users: &str, uses: &[(&str, &str, &str, Option<&str>)]) -> Facts {
    let mut facts = export(users, "", "", "");
    let time = |t: &str| Some(as_of(t));
    facts.sources.push(Source {
        source_id: text("LOG"),
        format: text("usage-generic"),
        layer: Layer::Usage,
        completeness: Completeness::Complete,
        window_start: time("2026-03-01T00:00:00Z"),
        window_end: time("2026-06-01T00:00:00Z"),
        ..Source::default()
    });
    for (i, (name, action, at, resource)) in uses.iter().enumerate() {
        let id = text(format!("arn:aws:iam::111122223333:user/{name}"));
        facts.usage.push(Usage {
            principal: id.clone(),
            principal_id: Some(id),
            action: Some(text(action)),
            resource: resource.map(text),
            first_at: time(at),
            last_at: time(at),
            count: Some(1),
            outcome: Outcome::Allowed,
            grain: UsageGrain::Event,
            source_id: text("LOG"),
            source_ref: text(format!("L{i}")),
            ..Usage::default()
        });
    }
    facts
}

fn profile<'a>(r: &'a Reach, name: &str) -> &'a UseProfile {
    let id = &identity(r, name).principal_id;
    r.use_profiles.iter().find(|p| p.principal_id == *id).unwrap()
}

fn words(list: &[Text]) -> Vec<&str> {
    list.iter().map(|t| &**t).collect()
}

/// 5.6, "unused": what the log would show is judged; data actions without data events and actions
/// that are never logged are not; the set that was used comes back as a proposal.
#[test]
fn use_of_what_is_granted() {
    let broad = allow(
        r#"["ec2:DescribeInstances","ec2:StartInstances","ec2:StopInstances","s3:GetObject","sqs:CreateQueue","iam:PassRole"]"#,
    );
    let instance = Some("arn:aws:ec2:eu-west-1:111122223333:instance/i-1");
    let facts = logged(
        &[user("ana", &[&broad], ""), user("eve", &[&broad], "")].join(","),
        &[
            ("ana", "ec2:StartInstances", "2026-03-10T10:00:00Z", instance),
            ("ana", "EC2:startinstances", "2026-04-10T10:00:00Z", instance),
            ("ana", "ec2:DescribeInstances", "2026-04-10T10:01:00Z", None),
            ("ana", "rds:DeleteDBInstance", "2026-04-10T10:02:00Z", None),
        ],
    );
    let r = run(&facts);
    let p = profile(&r, "ana");
    assert_eq!(p.granularity.as_deref(), Some("action"));
    assert_eq!(p.window_days, Some(92));
    assert_eq!((p.n_granted, p.n_observable, p.n_used), (Some(6), Some(4), Some(2)));
    assert_eq!(p.unused_share, Some(0.5));
    assert_eq!(words(&p.used), ["ec2:DescribeInstances", "ec2:StartInstances"]);
    assert_eq!(words(&p.used_not_granted), ["rds:DeleteDBInstance"]);
    assert_eq!(words(&p.unused_services), ["sqs"]);
    assert_eq!(words(&p.not_observable), ["s3"]);
    assert_eq!(words(&p.exempt), ["iam:PassRole"]);
    assert_eq!(p.days_used, Some(2));
    let proposal = p.proposal.as_deref().unwrap();
    assert!(proposal.contains(r#""Resource":["arn:aws:ec2:eu-west-1:111122223333:instance/i-1"]"#));
    assert!(proposal.contains("iam:PassRole") && !proposal.contains("sqs"));
    let eve = profile(&r, "eve");
    assert_eq!((eve.n_used, eve.proposal.as_deref()), (Some(0), None));
}

/// A log that shows data events of a service makes its data actions observable.
#[test]
fn data_events_count_where_the_log_has_them() {
    let reads = allow(r#"["s3:GetObject","s3:PutObject","sqs:SendMessage"]"#);
    let facts = logged(
        &user("ana", &[&reads], ""),
        &[("ana", "s3:GetObject", "2026-03-10T10:00:00Z", Some("arn:aws:s3:::b/k"))],
    );
    let r = run(&facts);
    let p = profile(&r, "ana");
    assert_eq!((p.n_granted, p.n_observable, p.n_used), (Some(3), Some(2), Some(1)));
    assert_eq!(words(&p.not_observable), ["sqs"]);
}

/// Without evidence nothing is said; an incomplete log is none; what is not expanded neither.
#[test]
fn no_evidence_is_not_no_use() {
    let users = user("ana", &[STAR], "");
    let r = run(&export(&users, "", "", ""));
    let p = profile(&r, "ana");
    assert_eq!((p.n_used, p.use_unknown.as_deref()), (None, Some("no_source")));
    assert_eq!((p.tier, p.privileged), (Some(Tier::T0), Some(true)));
    let mut facts = logged(&users, &[("ana", "s3:ListBucket", "2026-03-10T10:00:00Z", None)]);
    for s in &mut facts.sources {
        s.completeness = Completeness::Truncated;
    }
    assert_eq!(profile(&run(&facts), "ana").use_unknown.as_deref(), Some("no_source"));
    // A log with use that names no action is no log of actions.
    let mut facts = logged(&users, &[("ana", "s3:ListBucket", "2026-03-10T10:00:00Z", None)]);
    facts.usage.push(Usage { action: None, ..facts.usage[0].clone() });
    assert_eq!(profile(&run(&facts), "ana").use_unknown.as_deref(), Some("no_source"));
    let attached = r#","AttachedManagedPolicies":[{"PolicyName":"Gone","PolicyArn":"arn:aws:iam::aws:policy/Gone"}]"#;
    let facts = logged(
        &user("gone", &[], attached),
        &[("gone", "s3:ListBucket", "2026-03-10T10:00:00Z", None)],
    );
    assert_eq!(profile(&run(&facts), "gone").use_unknown.as_deref(), Some("role_unexpanded"));
}

/// Privileged days, and the provider's own finding as a second witness.
#[test]
fn just_in_time_candidates() {
    let mut facts = logged(
        &user("ana", &[STAR], ""),
        &[
            ("ana", "iam:AttachRolePolicy", "2026-04-10T10:00:00Z", None),
            ("ana", "iam:AttachRolePolicy", "2026-04-10T11:00:00Z", None),
            ("ana", "ec2:DescribeInstances", "2026-05-02T10:00:00Z", None),
        ],
    );
    facts.provider_findings.push(ProviderFinding {
        platform: text("aws"),
        finding_id: text("f-1"),
        kind: text("UnusedPermission"),
        status: text("ACTIVE"),
        resource_id: text("arn:aws:iam::111122223333:user/ana"),
        ..ProviderFinding::default()
    });
    let r = run(&facts);
    let p = profile(&r, "ana");
    assert_eq!((p.days_used, p.days_privileged, p.days_privileged_hi), (Some(2), Some(1), Some(1)));
    assert_eq!((p.grants_needed, p.longest_idle_days), (Some(1), Some(51)));
    assert_eq!(words(&p.corroborated_by), ["UnusedPermission f-1"]);
}

/// SCP-002: a permission on whole resource types, against the resources and environments of use and tasks.
#[test]
fn breadth_against_use() {
    let wide = allow(r#"["s3:GetObject","s3:ListAllMyBuckets","sqs:SendMessage"]"#);
    let narrow = r#"{"Effect":"Allow","Action":"s3:GetObject","Resource":"arn:aws:s3:::b/*"}"#;
    let users =
        [user("one", &[&wide], ""), user("two", &[&wide], ""), user("narrow", &[narrow], "")];
    let mut facts = export(&users.join(","), "", "", "");
    let queue = |n: &str| format!("arn:aws:sqs:eu-west-1:111122223333:{n}");
    let used = |who: &str, action: &str, resource: Option<&str>| Usage {
        principal: text(format!("arn:aws:iam::111122223333:user/{who}")),
        principal_id: Some(text(format!("arn:aws:iam::111122223333:user/{who}"))),
        action: Some(text(action)),
        resource: resource.map(text),
        first_at: Some(as_of("2026-05-10T00:00:00Z")),
        last_at: Some(as_of("2026-05-10T00:00:00Z")),
        count: Some(1),
        outcome: Outcome::Allowed,
        grain: UsageGrain::Event,
        source_id: text("S0009"),
        ..Usage::default()
    };
    facts.usage = vec![
        used("one", "sqs:SendMessage", Some(&queue("test-a"))),
        used("one", "sqs:SendMessage", Some(&queue("test-a"))),
        // Takes no resource: it could not have been limited.
        used("one", "s3:ListAllMyBuckets", None),
        used("two", "sqs:SendMessage", Some(&queue("test-a"))),
        used("two", "sqs:SendMessage", Some(&queue("prod-a"))),
    ];
    facts.sources.push(Source {
        source_id: text("S0009"),
        format: text("usage-generic"),
        layer: Layer::Usage,
        completeness: Completeness::Complete,
        window_start: Some(as_of("2026-01-01T00:00:00Z")),
        window_end: Some(as_of(NOW)),
        ..Source::default()
    });
    let part = |name: &str| crate::settings::model::Environment {
        name: name.into(),
        scopes: vec![queue(&format!("{name}-*"))],
        principals: Vec::new(),
        jit_only: false,
    };
    let settings =
        Settings { environments: vec![part("prod"), part("test")], ..Settings::defaults() };
    facts.tasks = vec![crate::facts::Task {
        task_id: text("t1"),
        principal_id: Some(text("arn:aws:iam::111122223333:user/one")),
        target: Some(text("TEST")),
        ..crate::facts::Task::default()
    }];
    let profile = |facts: &Facts, settings: &Settings, name: &str| {
        let r = reach(facts, settings, as_of(NOW));
        let p = r.use_profiles.iter().find(|p| p.principal_id.ends_with(&format!("/{name}")));
        p.cloned().unwrap()
    };
    let one = profile(&facts, &settings, "one");
    assert_eq!((one.n_account_wide, one.n_used_resources), (Some(2), Some(1)));
    assert_eq!((one.n_used_environments, one.n_task_environments), (Some(1), Some(1)));
    assert_eq!((one.n_reach_environments, &*one.used_environments[0]), (Some(2), "test"));
    let two = profile(&facts, &settings, "two");
    assert_eq!((two.n_used_resources, two.n_used_environments), (Some(2), Some(2)));
    assert_eq!(two.n_task_environments, None);
    assert_eq!(profile(&facts, &settings, "narrow").n_account_wide, Some(0));
    // Nothing is declared; a use without its resource; a task that may have run anywhere.
    let plain = profile(&facts, &Settings::defaults(), "one");
    assert_eq!((plain.n_used_environments, plain.n_reach_environments), (None, None));
    facts.usage.push(used("one", "s3:GetObject", None));
    facts.tasks.push(crate::facts::Task { target: None, ..facts.tasks[0].clone() });
    let open = profile(&facts, &settings, "one");
    assert_eq!((open.n_used_resources, open.n_used_environments), (None, None));
    assert_eq!(open.n_task_environments, None);
}
