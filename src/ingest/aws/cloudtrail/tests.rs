use super::*;
use crate::facts::time::parse_rfc3339;
use crate::ingest::{Ingested, ingest};
use crate::settings::Settings;

fn shared(path: &str) -> std::path::PathBuf {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/data").join(path);
    assert!(path.exists(), "this test needs the shared data at `{}`", path.display());
    path
}

fn read_all(paths: &[std::path::PathBuf]) -> Ingested {
    let found = ingest(paths, &Settings::defaults()).unwrap();
    assert!(found.unknown.is_empty() && found.failed.is_empty(), "{:?}", found.unknown);
    found
}

fn read(files: &[(&str, &str)]) -> Ingested {
    let dir = tempfile::tempdir().unwrap();
    for (name, content) in files {
        std::fs::write(dir.path().join(name), content).unwrap();
    }
    read_all(&[dir.path().to_path_buf()])
}

/// Seconds of the union of these intervals inside the window.
fn seconds(mut spans: Vec<(i64, i64)>, window: (i64, i64)) -> i64 {
    spans.sort_unstable();
    let (mut total, mut reach) = (0, window.0);
    for (a, b) in spans {
        let (a, b) = (a.max(reach), b.min(window.1));
        total += (b - a).max(0);
        reach = reach.max(b);
    }
    total
}

/// The measured oracle: of 24,759 credential-seconds held inside the sample's window, 1,874 were used.
#[test]
fn duty_cycle_of_the_sample() {
    let found = read_all(&[shared("grants/aws_sts/invictus_assumerole_and_use.json")]);
    let f = &found.facts;
    assert!(f.quarantine.is_empty(), "{:?}", f.quarantine);
    let s = &f.sources[0];
    let window = (s.first_time.unwrap().secs(), s.last_time.unwrap().secs());
    assert_eq!(s.first_time, parse_rfc3339("2023-07-10T11:54:42Z"));
    assert_eq!(s.last_time, parse_rfc3339("2023-07-10T12:32:01Z"));
    let issued: Vec<&Credential> =
        f.credentials.iter().filter(|c| c.kind == CredentialKind::Sts).collect();
    assert_eq!(issued.len(), 23);
    assert_eq!(issued.iter().filter(|c| c.last_used_at.is_some()).count(), 7);
    let customer = issued.iter().filter(|c| !c.principal.contains("/aws-service-role/"));
    assert_eq!(customer.count(), 12);
    let ids: BTreeSet<&Text> = issued.iter().map(|c| &c.credential_id).collect();
    assert_eq!(ids.len(), 23, "cut ids still tell sessions apart");
    assert!(ids.iter().all(|id| id.starts_with("ASIA...")), "{ids:?}");
    let (mut held, mut used, mut called, mut lived) = (0, 0, 0, 0);
    for c in issued {
        let life = (c.issued_at.unwrap().secs(), c.expires_at.unwrap().secs());
        lived += life.1 - life.0;
        let life = (life.0.max(window.0), life.1.min(window.1));
        held += life.1 - life.0;
        let bins = |refused: bool| {
            f.usage
                .iter()
                .filter(|u| {
                    u.grain == UsageGrain::Credential
                        && u.credential_id.as_ref() == Some(&c.credential_id)
                        && (refused || u.outcome != Outcome::Denied)
                })
                .map(|u| {
                    let bin = u.first_at.unwrap().secs().div_euclid(USE_BIN_S) * USE_BIN_S;
                    assert!(u.last_at.unwrap().secs() < bin + USE_BIN_S);
                    (bin, bin + USE_BIN_S)
                })
                .collect()
        };
        called += seconds(bins(true), life);
        used += seconds(bins(false), life);
    }
    // The measurement counted every record; refused calls are no use, which leaves less.
    assert_eq!((called, held), (1_874, 24_759));
    assert_eq!(used, 1_685);
    assert!((lived as f64 / 3600.0 - 37.50).abs() < 0.01, "{lived}");
    let refused: i64 = f
        .usage
        .iter()
        .filter(|u| u.action.as_deref() == Some("sts:AssumeRole") && u.outcome != Outcome::Allowed)
        .filter_map(|u| u.count)
        .sum();
    assert_eq!(refused, 10);
}

/// Every record of the samples is counted once, whatever wrapping it came in.
#[test]
fn the_samples_add_up() {
    let found = read_all(&[shared("aws/cloudtrail")]);
    let f = &found.facts;
    assert!(f.quarantine.is_empty(), "{:?}", f.quarantine);
    assert_eq!(f.sources.len(), 37 + 43 - 8);
    let records: i64 = f.sources.iter().map(|s| s.records).sum();
    assert_eq!(records, 2_432);
    let events: i64 =
        f.usage.iter().filter(|u| u.grain != UsageGrain::Credential).filter_map(|u| u.count).sum();
    let nameless: i64 = f
        .sources
        .iter()
        .filter_map(|s| s.limitation.as_deref()?.split(' ').next()?.parse::<i64>().ok())
        .sum();
    assert_eq!(events + nameless, records);
    assert!(f.usage.iter().all(|u| u.first_at <= u.last_at && u.count > Some(0)));
    // A federated token and its user.
    let federated = f.credentials.iter().find(|c| c.principal.contains(":federated-user/"));
    assert_eq!(federated.unwrap().expires_at, parse_rfc3339("2024-11-30T20:43:17Z"));
}

#[test]
fn entries_of_lookup_events() {
    let found = read_all(&[shared("grants/aws_sts/cartography_github_web_identity.json")]);
    let f = &found.facts;
    assert!(f.quarantine.is_empty(), "{:?}", f.quarantine);
    let hops: Vec<_> =
        f.delegations.iter().map(|d| (&*d.parent, &*d.child, &*d.evidence)).collect();
    assert_eq!(
        hops[0],
        (
            "repo:example-org/example-repo:ref:refs/heads/main",
            "arn:aws:iam::123456789012:role/GitHubActionsRole",
            "web_identity"
        )
    );
    assert_eq!(hops.len(), 2);
    assert_eq!(f.sources[0].ambiguous_times, 2);
    assert_eq!(f.usage[0].action.as_deref(), Some("sts:AssumeRoleWithWebIdentity"));
}

fn event(id: &str, time: &str, more: &str) -> String {
    format!(
        r#"{{"eventVersion":"1.08","eventID":"{id}","eventTime":"{time}","recipientAccountId":"111122223333",{more}}}"#
    )
}

#[test]
fn rows_by_day_outcome_and_person() {
    let who = r#""userIdentity":{"type":"AssumedRole","arn":"arn:aws:sts::111122223333:assumed-role/AWSReservedSSO_Ops_0123456789abcdef/ann@corp.example","accountId":"111122223333","sessionContext":{"sessionIssuer":{"arn":"arn:aws:iam::111122223333:role/aws-reserved/sso.amazonaws.com/AWSReservedSSO_Ops_0123456789abcdef"}}}"#;
    let get = |extra: &str| {
        format!(r#""eventSource":"s3.amazonaws.com","eventName":"HeadObject",{who}{extra}"#)
    };
    let a = event("1", "2026-01-01T10:00:00Z", &get(""));
    let b = event("2", "2026-01-01T12:00:00Z", &get(""));
    let c = event("3", "2026-01-02T10:00:00Z", &get(""));
    let d = event("4", "2026-01-01T13:00:00Z", &get(r#","errorCode":"AccessDenied""#));
    let e = event("5", "2026-01-01T14:00:00Z", &get(r#","errorCode":"NoSuchKey""#));
    let lines = [&a, &b, &c, &d, &e, &a].map(String::as_str).join("\n");
    let list = format!("[{}]", [&a, &b, &c, &d, &e, &a].map(String::as_str).join(","));
    let records = format!(r#"{{"Records":{list}}}"#);
    for content in [&lines, &list, &records] {
        let found = read(&[("log.json", content)]);
        let f = &found.facts;
        let rows: Vec<_> = f
            .usage
            .iter()
            .map(|u| (u.first_at.unwrap().to_date(), u.count, u.outcome.as_str(), u.errors))
            .collect();
        let one = "2026-01-01".to_owned();
        assert_eq!(
            rows,
            [
                (one.clone(), Some(2), "allowed", Some(0)),
                (one.clone(), Some(1), "denied", Some(0)),
                (one, Some(1), "error", Some(1)),
                ("2026-01-02".to_owned(), Some(1), "allowed", Some(0)),
            ]
        );
        let u = &f.usage[0];
        assert_eq!(u.action.as_deref(), Some("s3:GetObject"));
        assert_eq!(u.on_behalf_of.as_deref(), Some("ann@corp.example"));
        assert!(u.principal.contains(":role/aws-reserved/"), "the role, not the session");
        assert!(f.sources[0].limitation.as_deref().unwrap().contains("delivered twice"));
        assert_eq!(f.sources[0].realm.as_deref(), Some("aws:111122223333"));
    }
}

#[test]
fn assignments_are_bound_and_unbound() {
    let change = |id: &str, time: &str, what: &str| {
        event(
            id,
            time,
            &format!(
                r#""eventSource":"sso.amazonaws.com","eventName":"{what}AccountAssignment","userIdentity":{{"type":"IAMUser","arn":"arn:aws:iam::1:user/broker"}},"requestParameters":{{"targetId":"111122223333","permissionSetArn":"arn:aws:sso:::permissionSet/ssoins-1/ps-1","principalType":"USER","principalId":"u-1"}}"#
            ),
        )
    };
    let made = change("1", "2026-01-01T10:00:00Z", "Create");
    let gone = change("2", "2026-01-01T12:00:00Z", "Delete");
    let again = change("3", "2026-01-02T10:00:00Z", "Create");
    let state = r#"{"AccountAssignments":[{"AccountId":"111122223333","PermissionSetArn":"arn:aws:sso:::permissionSet/ssoins-1/ps-1","PrincipalType":"USER","PrincipalId":"u-1"}]}"#;
    let log = format!("{again}\n{gone}\n");
    let found = read(&[("a.ndjson", log.as_str()), ("b.ndjson", &made), ("state.json", state)]);
    let mut rows: Vec<_> = found
        .facts
        .entitlements
        .iter()
        .map(|e| (e.bound_at_lo.map(Time::to_rfc3339), e.unbound_at_hi.map(Time::to_rfc3339)))
        .collect();
    rows.sort();
    let at = |s: &str| Some(s.to_owned());
    assert_eq!(
        rows,
        [
            (at("2026-01-01T10:00:00Z"), at("2026-01-01T12:00:00Z")),
            (at("2026-01-02T10:00:00Z"), None),
        ]
    );
}

#[test]
fn hostile_events_cost_themselves_only() {
    let deep = "[".repeat(20_000) + &"]".repeat(20_000);
    let good = event(
        "1",
        "2026-01-01T10:00:00Z",
        r#""eventSource":"sts.amazonaws.com","eventName":"AssumeRole","userIdentity":{"arn":"arn:aws:iam::1:user/a"},"requestParameters":{"roleArn":"arn:aws:iam::1:role/r","durationSeconds":99999999999},"responseElements":{"credentials":{"accessKeyId":"ASIAIOSFODNN7EXAMPLE","expiration":"soon"}}"#,
    );
    let found = read(&[
        (
            "a.json",
            &format!(
                r#"{{"Records":[{good},{{"eventVersion":"1","eventName":7}},{{"eventVersion":"1","eventName":"X","eventTime":"then"}},3,null,{{"eventVersion":"1","eventName":"Y","eventTime":"2026-01-01T00:00:00Z","userIdentity":{deep}}}]}}"#
            ),
        ),
        (
            "b.ndjson",
            &format!("{}\nnot json\n{{\"eventSource\":1}}\n", good.replace("\"1\"", "\"2\"")),
        ),
        ("c.json", r#"{"Records":[]}"#),
        (
            "d.json",
            r#"{"Events":[{"EventName":"X","CloudTrailEvent":"not json"}],"NextToken":"t"}"#,
        ),
    ]);
    let f = &found.facts;
    assert_eq!(f.credentials.len(), 1, "one session, delivered by two files");
    assert_eq!(f.credentials[0].expires_at, None, "what is not known is not made up");
    let count = |name: &str| {
        let s = f.sources.iter().find(|s| &*s.file == name).unwrap();
        (s.records, s.quarantined)
    };
    assert_eq!(
        [count("a.json"), count("b.ndjson"), count("c.json"), count("d.json")],
        [(6, 6), (3, 3), (0, 0), (1, 1)]
    );
}

#[test]
fn notifications_of_buckets_are_no_log() {
    let dir = tempfile::tempdir().unwrap();
    let content = r#"{"Records":[{"eventVersion":"2.1","eventSource":"aws:s3","awsRegion":"us-east-1","eventTime":"2026-01-01T00:00:00.000Z","eventName":"ObjectCreated:Put","userIdentity":{"principalId":"AIDA1"}}]}"#;
    std::fs::write(dir.path().join("a.json"), content).unwrap();
    let found = ingest(&[dir.path().to_path_buf()], &Settings::defaults()).unwrap();
    assert_eq!((found.unknown.len(), found.facts.sources.len()), (1, 0));
}
