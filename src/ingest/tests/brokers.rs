//! Event logs and exports of brokers: the real samples with the numbers that their origin states, and
//! the traps of the field table (grants model, section 8).
//!
//! Teleport, OpenBao and SPIRE have samples of their makers or users. No official sample was found of
//! the others; their records here are written by hand in the documented shape: Boundary after
//! `session.proto`, Glide after `pkg/gevent` and `pkg/access`, ConductorOne, Opal and StrongDM after the
//! models of their Python SDKs (0.17.2, 1.0.8, 18.4.0), Infisical after its table schemas, kube-jit after
//! its operator, audit lines of Vault's life cycle after its formatter.

use super::*;
use crate::facts::cell::Word;
use crate::facts::time::parse_rfc3339;
use crate::facts::*;

fn t(s: &str) -> Option<Time> {
    Some(parse_rfc3339(s).unwrap())
}

fn one(path: &str) -> Ingested {
    let found = ingest(&[shared(path)], &Settings::defaults()).unwrap();
    assert!(
        found.unknown.is_empty() && found.failed.is_empty(),
        "{:?} {:?}",
        found.unknown,
        found.failed
    );
    found
}

/// Reads one file of these records, one a line.
fn log(records: &[&str]) -> Ingested {
    let found = read(&[("log.ndjson", records.join("\n").as_bytes())]);
    assert!(
        found.unknown.is_empty() && found.failed.is_empty(),
        "{:?} {:?}",
        found.unknown,
        found.failed
    );
    found
}

fn formats(found: &Ingested) -> Vec<&str> {
    found.facts.sources.iter().map(|s| &*s.format).collect()
}

fn grant<'a>(found: &'a Ingested, id: &str) -> &'a Grant {
    let ids: Vec<&str> = found.facts.grants.iter().map(|g| &*g.grant_id).collect();
    found.facts.grants.iter().find(|g| &*g.grant_id == id).unwrap_or_else(|| {
        panic!("no grant {id} among {ids:?}; quarantine {:?}", quarantine(found))
    })
}

/// Decision, start, due, end (lo, hi) and how it ended.
fn life(g: &Grant) -> String {
    let time = |t: Option<Time>| t.map_or_else(|| "-".to_owned(), |t| t.to_rfc3339());
    format!(
        "{} from {} to {}; ended {}..{} {}",
        g.decision.word(),
        time(g.activated_at_lo.or(g.not_before)),
        time(g.not_after),
        time(g.ended_at_lo),
        time(g.ended_at_hi),
        g.end_kind.word()
    )
}

#[test]
fn teleport_sample_of_the_web_application() {
    let found = one("grants/teleport/webapps_audit_fixture.jsonl");
    assert_eq!(formats(&found), ["teleport-audit"]);
    assert!(quarantine(&found).is_empty(), "{:?}", quarantine(&found));
    let s = &found.facts.sources[0];
    assert_eq!((s.records, s.accepted), (16, 16));
    // Create, update and delete share one `uid` and one `time`: none may swallow another.
    let [g] = &found.facts.grants[..] else { panic!("{:?}", found.facts.grants) };
    assert_eq!((&*g.beneficiary, &*g.privilege), ("Carrie_Sandoval", "admin"));
    assert_eq!(
        life(g),
        "approved from - to -; ended 2020-06-05T19:26:53Z..- ledger_deleted",
        "to delete a request is not to revoke: by when access was gone is not known"
    );
    let kinds: Vec<_> = found.facts.grant_events.iter().map(|e| e.kind.word()).collect();
    assert_eq!(kinds, ["requested", "approved", "ledger_deleted"]);
    let [a] = &found.facts.approvals[..] else { panic!("{:?}", found.facts.approvals) };
    assert_eq!((a.approver.as_deref(), a.verdict), (Some("Sam_Waters"), Verdict::Approve));
    // The bare certificate says whose, and nothing of its life.
    let [c] = &found.facts.credentials[..] else { panic!("{:?}", found.facts.credentials) };
    assert_eq!((&*c.principal, c.expires_at, c.no_expiry), ("alice", None, None));
    // One session was written down ten months after it ended.
    let root = found.facts.usage.iter().find(|u| &*u.principal == "root").unwrap();
    assert_eq!(root.first_at, t("2020-07-15T19:01:24.660230Z"));
    assert_eq!(root.last_at, t("2020-07-15T19:03:05.193252Z"));
    let mut used: Vec<_> = found
        .facts
        .usage
        .iter()
        .map(|u| format!("{} {}", u.principal, u.action.as_deref().unwrap_or("-")))
        .collect();
    used.sort();
    assert_eq!(
        used,
        [
            "admin@example.com session",
            "alex kube.request:GET",
            "foo session",
            "kimlisa app.session",
            "root session"
        ]
    );
}

#[test]
fn teleport_sample_of_detection_rules() {
    let found = one("grants/teleport/panther_tests.jsonl");
    assert_eq!(formats(&found), ["teleport-audit"]);
    // One time has a second of three digits; the record is shown, not dropped.
    let q = quarantine(&found);
    assert_eq!(q.len(), 1, "{q:?}");
    assert!(q[0].0 == "L8" && q[0].1.contains("`time`"), "{q:?}");
    // Two bot certificates with one `uid`: one lives an hour, one twenty years.
    let mut lives: Vec<i64> = found
        .facts
        .credentials
        .iter()
        .filter_map(|c| Some(c.expires_at?.secs_since(c.issued_at?)))
        .collect();
    lives.sort_unstable();
    assert_eq!(lives, [3600, 631_155_600]);
    assert!(found.facts.credentials.iter().all(|c| &*c.principal == "bot-application"));
    // The lock is on a user who has no request here; it is kept without a grant.
    let [e] = &found.facts.grant_events[..] else { panic!("{:?}", found.facts.grant_events) };
    assert_eq!((e.kind, e.grant_id.as_ref()), (EventKind::Revoked, None));
    assert_eq!(e.actor.as_deref(), Some("max.mustermann@example.com"));
    // Times without a zone are UTC and counted.
    assert!(found.facts.sources[0].ambiguous_times > 0);
}

const TELEPORT: [&str; 4] = [
    r#"{"event":"access_request.create","code":"T5000I","time":"2026-01-01T10:00:00Z","uid":"u1","id":"r1","user":"alice","user_kind":1,"roles":["prod","db"],"state":"PENDING","expires":"2026-01-01T11:00:00Z","max_duration":"2026-01-01T18:00:00Z","assume_start_time":"2026-01-01T10:30:00Z","reason":"INC-7","resource_ids":[{"cluster":"main","kind":"node","name":"n1"}]}"#,
    r#"{"event":"access_request.review","code":"T5002I","time":"2026-01-01T10:05:00Z","uid":"u2","id":"r1","reviewer":"bob","proposed_state":"APPROVED","state":"APPROVED"}"#,
    r#"{"event":"cert.create","code":"TC000I","time":"2026-01-01T10:31:00Z","uid":"u3","cert_type":"user","identity":{"user":"alice","expires":"2026-01-01T20:00:00Z","access_requests":["r1"],"logins":["-teleport-internal-join"]}}"#,
    r#"{"event":"db.session.start","code":"TDB00I","time":"2026-01-01T10:40:00Z","uid":"u4","sid":"s1","user":"alice","db_service":"orders","access_requests":["r1"]}"#,
];

#[test]
fn teleport_requests_certificates_and_use() {
    let found = log(&TELEPORT);
    let g = grant(&found, "r1");
    // `max_duration` is a time, and wins over the expiry of the request.
    assert_eq!(
        life(g),
        "approved from 2026-01-01T10:31:00Z to 2026-01-01T18:00:00Z; ended -..- open"
    );
    assert_eq!((&*g.privilege, g.scope.as_deref()), ("db,prod", Some("main/node/n1")));
    assert_eq!(
        (g.not_before, g.request_expires_at),
        (t("2026-01-01T10:30:00Z"), t("2026-01-01T11:00:00Z"))
    );
    assert_eq!(g.beneficiary_kind, Some(PrincipalKind::Human));
    // The certificate lives two hours longer than the grant.
    assert_eq!(g.residual_until, t("2026-01-01T20:00:00Z"));
    assert_eq!(found.facts.usage[0].grant_id.as_deref(), Some("r1"));
    assert_eq!(found.facts.approvals[0].approver.as_deref(), Some("bob"));
    // A log cut in two files, in the wrong order of names, is the same log.
    let cut = read(&[
        ("b.ndjson", TELEPORT[..1].join("\n").as_bytes()),
        ("a.ndjson", TELEPORT[1..].join("\n").as_bytes()),
    ]);
    assert_eq!(life(grant(&cut, "r1")), life(g));
    assert_eq!(cut.facts.grant_events.len(), found.facts.grant_events.len());
    // Without `max_duration` access ends with the request.
    let plain = TELEPORT[0].replace(r#""max_duration":"2026-01-01T18:00:00Z","#, "");
    let found = log(&[&plain, TELEPORT[1]]);
    assert_eq!(grant(&found, "r1").not_after, t("2026-01-01T11:00:00Z"));
}

#[test]
fn teleport_ends() {
    let with = |record: &str| {
        let mut all = TELEPORT.to_vec();
        all.push(record);
        life(grant(&log(&all), "r1"))
    };
    let expired = r#"{"event":"access_request.expire","code":"T5005I","time":"2026-01-01T18:00:01Z","id":"r1"}"#;
    assert!(with(expired).ends_with("ended 2026-01-01T18:00:00Z..- expired"), "{}", with(expired));
    let lock = r#"{"event":"lock.created","code":"TLK00I","time":"2026-01-01T12:00:00Z","uid":"l","user":"root","target":{"user":"alice"},"expires":"0001-01-01T00:00:00Z"}"#;
    assert!(
        with(lock).ends_with("ended 2026-01-01T12:00:00Z..2026-01-01T12:00:00Z revoked_by_system"),
        "{}",
        with(lock)
    );
    let role = lock.replace(r#""user":"alice""#, r#""role":"db""#);
    assert!(with(&role).ends_with("revoked_by_system"), "{}", with(&role));
    let device = lock.replace(r#""user":"alice""#, r#""device":"laptop""#);
    assert!(with(&device).ends_with("open"), "{}", with(&device));
    let brief = lock.replace("0001-01-01", "2026-01-02");
    assert!(with(&brief).ends_with("ended 2026-01-01T12:00:00Z..- revoked_by_system"));
    // A request that became a permanent member of an access list has no end.
    let promoted = r#"{"event":"access_request.update","code":"T5001I","time":"2026-01-01T10:50:00Z","id":"r1","state":"PROMOTED","updated_by":"bob"}"#;
    assert!(with(promoted).contains("to -; ended -..- open"), "{}", with(promoted));
    let denied = log(&[TELEPORT[0], &TELEPORT[1].replace("APPROVED", "DENIED")]);
    assert_eq!(grant(&denied, "r1").decision, Decision::Denied);
}

#[test]
fn vault_audit_sample() {
    let found = one("grants/vault/openbao_format_test.jsonl");
    assert_eq!(formats(&found), ["vault-audit"]);
    let [c] = &found.facts.credentials[..] else { panic!("{:?}", quarantine(&found)) };
    assert_eq!((&*c.principal, c.kind), ("foobarentity", CredentialKind::Token));
    assert_eq!((c.issued_at, c.expires_at), (t("2020-05-28T18:40:18Z"), t("2020-05-28T22:40:18Z")));
    assert_eq!(c.last_used_at, t("2015-08-05T13:45:46Z"));
    let [g] = &found.facts.grants[..] else { panic!() };
    assert_eq!((&*g.privilege, g.duration_requested_s), ("root", Some(14_400)));
    // A request without its response shows no use.
    assert!(found.facts.usage.is_empty());
}

/// A response of the audit log.
fn vault(at: &str, path: &str, more: &str) -> String {
    format!(
        r#"{{"type":"response","time":"{at}","auth":{{"accessor":"hmac-sha256:a1b2c3d4e5f60718","client_token":"hmac-sha256:ffff","display_name":"oidc-alice","entity_id":"e-1","policies":["default","ops"],"token_ttl":3600,"token_issue_time":"2026-01-01T10:00:00Z","token_type":"service"}},"request":{{"id":"{at}{path}","operation":"read","path":"{path}","mount_point":"database/"}}{more}}}"#
    )
}

const LEASE: &str = "database/creds/app/Zq8a";

#[test]
fn vault_leases_have_no_end_in_the_log() {
    let issue = vault(
        "2026-01-01T10:01:00Z",
        "database/creds/app",
        r#","response":{"secret":{"lease_id":"database/creds/app/Zq8a"},"data":{"password":"hmac-sha256:1"}}"#,
    );
    let read = vault("2026-01-01T10:02:00Z", "secret/data/x", r#","response":{"data":{}}"#);
    let denied = vault(
        "2026-01-01T10:03:00Z",
        "secret/data/y",
        r#","error":"1 error occurred: permission denied""#,
    );
    let found = log(&[&issue, &read, &denied]);
    let g = grant(&found, LEASE);
    assert_eq!(
        (&*g.beneficiary, &*g.privilege, g.broker_kind),
        ("e-1", "database/creds/app", BrokerKind::Credential)
    );
    assert_eq!(life(g), "unknown from 2026-01-01T10:01:00Z to -; ended -..- unknown");
    let used: Vec<_> = found
        .facts
        .usage
        .iter()
        .map(|u| (u.resource.as_deref(), u.outcome.word(), u.count))
        .collect();
    assert_eq!(
        used,
        [(Some("database/"), "allowed", Some(1)), (Some("database/"), "denied", Some(1))]
    );
    // Ids never leave whole; a token is named by a digest of its accessor.
    let text = format!("{:?}", found.facts);
    assert!(!text.contains("a1b2c3d4e5f60718") && !text.contains("hmac-sha256"), "{text}");
    // A prefix such as a syslog cookie does not hide the record.
    let cookie = read_lines(&[&format!("@cee: {issue}")]);
    assert_eq!(grant(&cookie, LEASE).beneficiary, g.beneficiary);
}

fn read_lines(lines: &[&str]) -> Ingested {
    read(&[("audit.log", lines.join("\n").as_bytes())])
}

#[test]
fn vault_revocations() {
    let issue = vault(
        "2026-01-01T10:01:00Z",
        "database/creds/app",
        r#","response":{"secret":{"lease_id":"database/creds/app/Zq8a"}}"#,
    );
    let with = |path: &str, more: &str| {
        let end = vault("2026-01-01T10:30:00Z", path, more);
        let found = log(&[&issue, &end]);
        let unlinked = found.facts.grant_events.iter().filter(|e| e.grant_id.is_none()).count();
        (life(grant(&found, LEASE)).split("; ").nth(1).unwrap().to_owned(), unlinked)
    };
    let half = "ended 2026-01-01T10:30:00Z..- revoked_by_user".to_owned();
    assert_eq!(with(&format!("sys/leases/revoke/{LEASE}"), ""), (half.clone(), 0));
    assert_eq!(with("sys/leases/revoke-prefix/database/creds", ""), (half.clone(), 0));
    assert_eq!(
        with("sys/leases/revoke-force/database/", ""),
        (half, 0),
        "a forced one proves nothing"
    );
    // In the body the id is an HMAC: it cannot be joined, and is kept.
    assert_eq!(with("sys/leases/revoke", ""), ("ended -..- unknown".into(), 1));
    let failed =
        with(&format!("sys/leases/revoke/{LEASE}"), r#","error":"failed to revoke entry""#);
    assert_eq!(failed.0, "ended -..- failed_to_revoke");
}

#[test]
fn vault_tokens_stand_by_renewal() {
    let token = |found: &Ingested| {
        let g = found.facts.grants.iter().find(|g| g.grant_id.starts_with("token-")).unwrap();
        (life(g), g.n_renewals)
    };
    let plain = vault("2026-01-01T10:02:00Z", "secret/data/x", "");
    assert_eq!(
        token(&log(&[&plain])),
        ("unknown from 2026-01-01T10:00:00Z to 2026-01-01T11:00:00Z; ended -..- open".into(), 0)
    );
    let renewed = vault(
        "2026-01-01T10:50:00Z",
        "auth/token/renew-self",
        r#","response":{"auth":{"accessor":"hmac-sha256:a1b2c3d4e5f60718","token_ttl":7200}}"#,
    );
    assert_eq!(
        token(&log(&[&plain, &renewed])),
        ("unknown from 2026-01-01T10:00:00Z to 2026-01-01T12:50:00Z; ended -..- open".into(), 1)
    );
    // Used 60 days after a time to live of an hour: renewed before the log, until when is not known.
    let late = vault("2026-03-02T10:02:00Z", "secret/data/x", "");
    assert_eq!(
        token(&log(&[&plain, &late])),
        ("unknown from 2026-01-01T10:00:00Z to -; ended -..- unknown".into(), 1)
    );
    let revoked = vault("2026-01-01T10:20:00Z", "auth/token/revoke-self", "");
    assert!(token(&log(&[&plain, &revoked])).0.ends_with("revoked_by_user"));
    let root = plain.replace("\"token_ttl\":3600", "\"token_ttl\":0");
    assert!(token(&log(&[&root])).0.ends_with("to -; ended -..- open"), "a root token stands");
}

#[test]
fn vault_lookup_samples() {
    let found = one("grants/vault/openbao_leases_api.json");
    assert_eq!(formats(&found), ["vault-lookups"]);
    let [g] = &found.facts.grants[..] else { panic!("{:?}", quarantine(&found)) };
    assert_eq!((&*g.beneficiary, &*g.privilege), ("user", "auth/userpass/login/user"));
    assert_eq!(g.not_after.unwrap().secs_since(g.activated_at_lo.unwrap()), 2_764_799);
    assert_eq!(g.end_kind, EndKind::Open, "the lookup was before the due time");
    assert_eq!(&*found.facts.credentials[0].credential_id, "auth...4225");

    let found = one("grants/vault/openbao_token_api.json");
    let [g] = &found.facts.grants[..] else {
        panic!("three lookups of one token: {:?}", found.facts.grants)
    };
    assert_eq!(
        (&*g.beneficiary, &*g.privilege),
        ("7d2e3179-f69b-450c-7179-ac8ee8bd8ca9", "default,dev-group-policy,testgroup2-policy")
    );
    assert_eq!(g.not_after.unwrap().secs_since(g.activated_at_lo.unwrap()), 2_764_800);
    assert_eq!(found.facts.credentials.len(), 1);
    // `id` is the token itself.
    assert!(!format!("{:?}", found.facts).contains("cf64a70f"));
}

#[test]
fn vault_periodic_tokens_and_irrevocable_leases() {
    let token = |more: &str| {
        let text = format!(
            r#"{{"data":{{"accessor":"8609694a-cdbc","creation_time":1767261600,"creation_ttl":3600,"display_name":"ci","expire_time":"2026-01-01T11:00:00Z","issue_time":"2026-01-01T10:00:00Z","policies":["ops"],"ttl":1800{more}}}}}"#
        );
        let found = read(&[("t.json", text.as_bytes())]);
        (life(&found.facts.grants[0]), found.facts.credentials[0].max_expires_at)
    };
    let (standing, max) = token(r#","period":3600,"explicit_max_ttl":0"#);
    assert!(standing.ends_with("to -; ended -..- open") && max.is_none(), "{standing}");
    let (bound, max) = token(r#","period":3600,"explicit_max_ttl":86400"#);
    assert!(bound.contains("to 2026-01-02T10:00:00Z"), "{bound}");
    assert_eq!(max, t("2026-01-02T10:00:00Z"));
    assert!(token(r#","explicit_max_ttl":0"#).0.contains("to 2026-01-01T11:00:00Z"));

    let issue = vault(
        "2026-01-01T10:01:00Z",
        "database/creds/app",
        r#","response":{"secret":{"lease_id":"database/creds/app/Zq8a"}}"#,
    );
    let revoke = vault("2026-01-01T10:30:00Z", &format!("sys/leases/revoke/{LEASE}"), "");
    let found = read(&[
        ("audit.ndjson", [issue, revoke].join("\n").as_bytes()),
        ("irrevocable.json", br#"{"data":{"counts":{"x":1},"lease_count":1,"leases":[{"lease_id":"database/creds/app/Zq8a","mount_id":"m","err":"no route"}]}}"#),
    ]);
    assert!(
        life(grant(&found, LEASE)).ends_with("ended -..- failed_to_revoke"),
        "accepted, and failed for good"
    );
    let keys: Vec<String> = (0..10_000).map(|i| format!("\"k{i}\"")).collect();
    let list = format!(
        r#"[{{"data":{{"keys":[{}]}}}},{{"data":{{"issue_time":"2026-01-01T10:00:00Z","expire_time":"2026-01-01T11:00:00Z","last_renewal":null,"id":"auth/userpass/login/bob/h1","ttl":60}}}}]"#,
        keys.join(",")
    );
    let found = read(&[("leases.json", list.as_bytes())]);
    assert_eq!(found.facts.sources[0].completeness, Completeness::Truncated);
}

#[test]
fn boundary_sessions() {
    let session = |states: &str, reason: &str| {
        let text = format!(
            r#"{{"items":[{{"id":"s_1","target_id":"ttcp_1","user_id":"u_1","created_time":"2026-01-01T10:00:00.5Z","expiration_time":"2026-01-01T18:00:00Z","status":"terminated","termination_reason":"{reason}","endpoint":"tcp://db:5432","states":[{states}],"connections":[{{"client_tcp_address":"10.0.0.9","closed_reason":"closed by end-user"}}]}}]}}"#
        );
        let found = read(&[("sessions.json", text.as_bytes())]);
        assert_eq!(formats(&found), ["boundary-sessions"]);
        let used = found.facts.usage.first().map(|u| (u.first_at, u.last_at, u.count));
        (life(grant(&found, "s_1")), used)
    };
    // Newest first, as the API lists them.
    let run = r#"{"status":"terminated","start_time":"2026-01-01T11:00:00Z"},{"status":"canceling","start_time":"2026-01-01T10:59:00Z","end_time":"2026-01-01T11:00:00Z"},{"status":"active","start_time":"2026-01-01T10:00:02Z"},{"status":"pending","start_time":"2026-01-01T10:00:00.5Z"}"#;
    for (reason, kind) in [
        ("closed by end-user", "revoked_by_user"),
        ("timed out", "expired"),
        ("connection limit", "revoked_by_system"),
        ("canceled", "unknown"),
    ] {
        let (life, used) = session(run, reason);
        assert_eq!(
            life,
            format!("unknown from 2026-01-01T10:00:02Z to 2026-01-01T18:00:00Z; ended 2026-01-01T11:00:00Z..2026-01-01T11:00:00Z {kind}").replace("unknown from", if life.starts_with("pending") { "pending from" } else { "unknown from" })
        );
        assert_eq!(used, Some((t("2026-01-01T10:00:02Z"), t("2026-01-01T11:00:00Z"), Some(1))));
    }
    let (open, _) = session(r#"{"status":"active","start_time":"2026-01-01T10:00:02Z"}"#, "");
    assert!(open.ends_with("ended -..- open"), "{open}");
    let (never, used) = session(r#"{"status":"pending","start_time":"2026-01-01T10:00:00Z"}"#, "");
    assert!(never.starts_with("pending") && used.is_none(), "{never}");
}

fn glide(what: &str, at: &str, detail: &str) -> String {
    format!(
        r#"{{"version":"0","id":"{what}-{at}","detail-type":"{what}","source":"commonfate.io/granted","time":"{at}","detail":{detail}}}"#
    )
}

#[test]
fn glide_requests_and_grants() {
    let request = r#"{"request":{"id":"req_1","requestedBy":"usr_a","rule":"rul_1","status":"PENDING","data":{"reason":"fix"},"requestedTiming":{"duration":3600000000000},"approvalMethod":"REVIEWED"},"reviewerId":"usr_b"}"#;
    let grant_of = r#"{"grant":{"id":"req_1","provider":"aws-sso-v2","subject":"a@x.example","start":"2026-01-01T10:10:00Z","end":"2026-01-01T11:10:00Z","status":"ACTIVE","with":{"accountId":"111122223333","permissionSetArn":"arn:aws:sso:::permissionSet/p"}},"actor":"usr_c","reason":"throttled"}"#;
    let begin = [
        glide("request.created", "2026-01-01T10:00:00Z", request),
        glide("request.approved", "2026-01-01T10:09:00Z", request),
        glide("grant.created", "2026-01-01T10:09:01Z", grant_of),
        glide("grant.activated", "2026-01-01T10:10:02Z", grant_of),
    ];
    let with = |what: &str, twice: bool| {
        let mut all: Vec<&str> = begin.iter().map(String::as_str).collect();
        let end = glide(what, "2026-01-01T11:10:03Z", grant_of);
        all.push(&end);
        if twice {
            all.push(&end);
        }
        log(&all)
    };
    let found = with("grant.expired", false);
    assert_eq!(formats(&found), ["common-fate-glide"]);
    let g = grant(&found, "req_1");
    // Expired means: removed when it was due.
    assert_eq!(
        life(g),
        "approved from 2026-01-01T10:10:02Z to 2026-01-01T11:10:00Z; ended 2026-01-01T11:10:03Z..2026-01-01T11:10:03Z expired"
    );
    assert_eq!(
        (g.duration_requested_s, g.scope.as_deref()),
        (Some(3600), Some("aws:111122223333"))
    );
    assert_eq!((&*g.beneficiary, g.requester.as_deref()), ("a@x.example", Some("usr_a")));
    // A revocation that is delivered twice is one; a failure after activation is one of the removal.
    let found = with("grant.revoked", true);
    assert_eq!(grant(&found, "req_1").end_kind, EndKind::RevokedByAdmin);
    assert_eq!(found.facts.grant_events.iter().filter(|e| e.kind == EventKind::Revoked).count(), 1);
    assert_eq!(grant(&with("grant.failed", false), "req_1").end_kind, EndKind::FailedToRevoke);
    // An approver may give another time than was asked for.
    let stored = r#"{"id":"req_2","requestedBy":"usr_a","rule":"rul_1","status":"APPROVED","requestedTiming":{"duration":3600000000000},"overrideTiming":{"duration":600000000000,"start":"2026-01-01T12:00:00Z"},"grant":{"provider":"okta","subject":"a@x.example","with":{"groupId":"g"},"start":"2026-01-01T12:00:00Z","end":"2026-01-01T12:10:00Z","status":"EXPIRED","createdAt":"2026-01-01T10:09:00Z","updatedAt":"2026-01-01T12:10:01Z"},"createdAt":"2026-01-01T10:00:00Z","updatedAt":"2026-01-01T12:10:01Z"}"#;
    let found = log(&[stored, &stored.replace("req_2", "req_3").replace("EXPIRED", "REVOKED")]);
    let g = grant(&found, "req_2");
    assert_eq!(
        life(g),
        "approved from 2026-01-01T12:00:00Z to 2026-01-01T12:10:00Z; ended 2026-01-01T12:10:01Z..2026-01-01T12:10:01Z expired"
    );
    assert_eq!((g.duration_requested_s, &*g.privilege), (Some(3600), "g"));
}

fn c1(task: &str) -> String {
    format!(r#"{{"task":{{"numericId":"1","state":"TASK_STATE_CLOSED",{task}}}}}"#)
}

#[test]
fn conductorone_tasks() {
    let give = c1(
        r#""id":"t1","createdAt":"2026-01-01T10:00:00Z","createdByUserId":"u1","emergencyAccess":true,"policy":{"history":[{"approval":{"approved":{"approvedAt":"2026-01-01T10:05:00Z","userId":"u2"}}}]},"type":{"grant":{"appId":"app","appUserId":"au1","appEntitlementId":"ent","identityUserId":"u1","grantDuration":"3600s","outcome":"GRANT_OUTCOME_GRANTED","outcomeTime":"2026-01-01T10:06:00Z","source":{"externalUrl":"https://tickets.example/INC-1"}}}"#,
    );
    let take = |origin: &str, outcome: &str, source: &str| {
        c1(&format!(
            r#""id":"t2","createdAt":"2026-01-01T11:06:00Z","createdByUserId":"u9","origin":"{origin}","type":{{"revoke":{{"appId":"app","appUserId":"au1","appEntitlementId":"ent","identityUserId":"u1","outcome":"REVOKE_OUTCOME_{outcome}","outcomeTime":"2026-01-01T11:06:30Z","source":{source}}}}}"#
        ))
    };
    let with =
        |end: &str| life(grant(&log(&[&give, end]), "t1")).split("; ").nth(1).unwrap().to_owned();
    let found = log(&[&give]);
    let g = grant(&found, "t1");
    assert_eq!(formats(&found), ["conductorone"]);
    assert_eq!(
        life(g),
        "approved from 2026-01-01T10:06:00Z to 2026-01-01T11:06:00Z; ended -..- open"
    );
    assert_eq!(
        (g.break_glass, g.ticket_id.as_deref()),
        (Some(true), Some("https://tickets.example/INC-1"))
    );
    assert_eq!(found.facts.approvals[0].approver.as_deref(), Some("u2"));
    // Why it was revoked stays: by time, for lack of use, by a review.
    let at = "2026-01-01T11:06:30Z";
    assert_eq!(
        with(&take("TASK_ORIGIN_TIME_REVOKE", "REVOKED", r#"{"expired":{}}"#)),
        format!("ended {at}..{at} expired")
    );
    assert_eq!(
        with(&take("TASK_ORIGIN_NON_USAGE_REVOKE", "REVOKED", r#"{"nonUsage":{}}"#)),
        format!("ended {at}..{at} revoked_by_system")
    );
    assert_eq!(
        with(&take("TASK_ORIGIN_ACCESS_REVIEW", "REVOKED", r#"{"review":{}}"#)),
        format!("ended {at}..{at} revoked_by_admin")
    );
    assert_eq!(
        with(&take("TASK_ORIGIN_WEBAPP", "ERROR", r#"{"request":{}}"#)),
        "ended -..- failed_to_revoke"
    );
    assert_eq!(
        with(&take("TASK_ORIGIN_WEBAPP", "DENIED", r#"{"request":{}}"#)),
        "ended -..- unknown"
    );
    for (word, decision) in [
        ("DENIED", Decision::Denied),
        ("ERROR", Decision::Failed),
        ("CANCELLED", Decision::Withdrawn),
        ("WAIT_TIMED_OUT", Decision::Lapsed),
    ] {
        let found = log(&[&give.replace("OUTCOME_GRANTED", &format!("OUTCOME_{word}"))]);
        let g = grant(&found, "t1");
        assert_eq!((g.decision, g.ended_at_lo), (decision, None), "{word}");
    }
    // The binding itself is state, and its removal the end of the grant.
    let binding = r#"{"appId":"app","appUserId":"au1","appEntitlementId":"ent","createdAt":"2026-01-01T10:06:02Z","deprovisionAt":"2026-01-01T11:06:02Z","deletedAt":"2026-01-01T11:06:20Z"}"#;
    let found = read(&[
        ("tasks.ndjson", format!("{give}\n{give}").as_bytes()),
        ("bindings.ndjson", format!("{binding}\n{binding}").as_bytes()),
    ]);
    assert!(life(grant(&found, "t1")).contains("ended 2026-01-01T11:06:20Z..2026-01-01T11:06:20Z"));
    assert_eq!(found.facts.entitlements[0].bound_at_lo, t("2026-01-01T10:06:02Z"));
    // A connector's grant has no time: it is a binding.
    let connector = r#"{"id":"g","entitlement":{"id":"repo:admin","resource":{"id":{"resourceType":"repo","resource":"r1"}}},"principal":{"id":{"resourceType":"user","resource":"u7"}},"sources":{}}"#;
    let found = log(&[connector, &connector.replace("u7", "u8")]);
    assert_eq!((found.facts.grants.len(), found.facts.entitlements.len()), (0, 2));
    assert_eq!(found.facts.sources[0].layer, Layer::State);
}

#[test]
fn opal_requests() {
    let request = r#"{"id":"q1","created_at":"2026-01-01T10:00:00Z","updated_at":"2026-01-01T10:05:00Z","requester_id":"u1","target_user_id":"u2","status":"APPROVED","reason":"x","duration_minutes":120,"requested_items_list":[{"resource_id":"res1","access_level_name":"admin"},{"group_id":"grp1"}]}"#;
    let text = format!(
        r#"{{"results":[{request},{}]}}"#,
        request.replace("q1", "q2").replace("120", "null").replace("\"APPROVED\"", "\"DENIED\"")
    );
    let found = read(&[("requests.json", text.as_bytes())]);
    assert_eq!(formats(&found), ["opal"]);
    let g = grant(&found, "q1#1");
    assert_eq!(
        life(g),
        "approved from 2026-01-01T10:00:00Z to 2026-01-01T12:05:00Z; ended -..- open"
    );
    assert_eq!(
        (g.activated_at_hi, &*g.beneficiary, &*g.privilege),
        (t("2026-01-01T10:05:00Z"), "u2", "admin")
    );
    assert_eq!(grant(&found, "q1#2").scope.as_deref(), Some("group:grp1"));
    assert_eq!(grant(&found, "q2#1").decision, Decision::Denied);
    // No duration is for ever.
    let found = log(&[&request.replace("120", "null"), request]);
    assert_eq!(life(grant(&found, "q1#1")).split("; ").nth(1), Some("ended -..- open"));
    let users = r#"{"results":[{"resource_id":"res1","user_id":"u2","access_level":{"access_level_name":"admin","access_level_remote_id":"arn:x"},"full_name":"Al","email":"Al@x.example","expiration_date":"2026-01-01T12:05:00Z"}]}"#;
    let found = read(&[("users.json", users.as_bytes())]);
    let [e] = &found.facts.entitlements[..] else { panic!() };
    assert_eq!((&*e.role_id, e.not_after), ("arn:x", t("2026-01-01T12:05:00Z")));
    assert_eq!(found.facts.principals[0].email.as_deref(), Some("al@x.example"));
}

#[test]
fn strongdm_records() {
    let request = |status: &str, grant: &str| {
        format!(
            r#"{{"id":"ar-1","account_id":"a-1","resource_id":"rs-1","workflow_id":"w","status":"{status}","status_at":"2026-01-01T10:05:00Z","start_from":"2026-01-01T10:05:00Z","valid_until":"2026-01-01T11:05:00Z","requestedduration":"2h0m0s","resultduration":"1h0m0s","grant_id":"{grant}","reason":"x"}}"#
        )
    };
    let history = |deleted: &str| {
        format!(
            r#"{{"account_grant":{{"id":"ag-1","access_request_id":"ar-1","account_id":"a-1","resource_id":"rs-1","start_from":"2026-01-01T10:05:00Z","valid_until":"2026-01-01T11:05:00Z"}},"activity_id":"x","timestamp":"2026-01-01T10:05:00Z","deleted_at":"{deleted}"}}"#
        )
    };
    let with = |deleted: &str| {
        life(grant(&log(&[&request("approved", "ag-1"), &history(deleted)]), "ar-1"))
    };
    let early = with("2026-01-01T10:30:00Z");
    assert_eq!(
        early,
        "approved from 2026-01-01T10:05:00Z to 2026-01-01T11:05:00Z; ended 2026-01-01T10:30:00Z..2026-01-01T10:30:00Z unknown"
    );
    assert!(with("2026-01-01T11:05:01Z").ends_with("expired"));
    assert!(with("0001-01-01T00:00:00Z").ends_with("ended -..- open"), "Go's zero time is no time");
    let found = log(&[&request("approved", "ag-1"), &request("approved", "ag-1")]);
    assert_eq!(
        grant(&found, "ar-1").duration_requested_s,
        Some(3600),
        "what was given, not what was asked"
    );
    // Expired without a grant: the request ran out, not access.
    let found = log(&[&request("expired", ""), &request("expired", "")]);
    assert_eq!(grant(&found, "ar-1").decision, Decision::Lapsed);
    // A long query is logged twice under one id.
    let query = |done: &str| {
        format!(
            r#"{{"id":"q1","account_id":"a-1","resource_id":"rs-1","resource_name":"db","query_hash":"h","timestamp":"2026-01-01T10:10:00Z"{done}}}"#
        )
    };
    let found = log(&[&query(""), &query(r#","completed_at":"2026-01-01T10:20:00Z""#)]);
    let [u] = &found.facts.usage[..] else { panic!("{:?}", found.facts.usage) };
    assert_eq!(
        (u.first_at, u.last_at, u.count),
        (t("2026-01-01T10:10:00Z"), t("2026-01-01T10:20:00Z"), Some(1))
    );
    let reach = r#"{"account_id":"a-1","resource_id":"rs-1","account_grant_id":"ag-1","created_at":"2026-01-01T10:00:00Z","granted_at":"2026-01-01T10:05:00Z","expires_at":"2026-01-01T11:05:00Z"}"#;
    let found = log(&[reach, reach]);
    assert_eq!(
        (found.facts.entitlements[0].bound_at_lo, found.facts.entitlements[0].bound_at_hi),
        (t("2026-01-01T10:00:00Z"), t("2026-01-01T10:05:00Z"))
    );
}

#[test]
fn infisical_requests_and_leases() {
    let request = |temporary: bool, more: &str| {
        format!(
            r#"{{"requests":[{{"id":"i1","policyId":"p","requestedByUserId":"u1","isTemporary":{temporary},"temporaryRange":"1h","permissions":[{{"action":["read","edit"],"subject":"secrets"}}],"projectId":"prj","environment":"prod","policy":{{"secretPath":"/db"}},"createdAt":"2026-01-01T10:00:00Z","updatedAt":"2026-01-01T10:05:00Z"{more}}}]}}"#
        )
    };
    let with =
        |temporary, more: &str| read(&[("requests.json", request(temporary, more).as_bytes())]);
    let found = with(
        true,
        r#","isApproved":true,"privilege":{"temporaryAccessStartTime":"2026-01-01T10:05:00Z","temporaryAccessEndTime":"2026-01-01T11:05:00Z"},"reviewers":[{"userId":"u2","status":"approved"}]"#,
    );
    assert_eq!(formats(&found), ["infisical"]);
    let g = grant(&found, "i1");
    assert_eq!(
        life(g),
        "approved from 2026-01-01T10:05:00Z to 2026-01-01T11:05:00Z; ended -..- open"
    );
    assert_eq!((&*g.privilege, g.scope.as_deref()), ("read+edit secrets", Some("prj/prod/db")));
    assert_eq!(found.facts.approvals[0].approver.as_deref(), Some("u2"));
    // Approved and not temporary: standing by design.
    let found = with(false, r#","isApproved":true"#);
    assert!(
        life(grant(&found, "i1")).ends_with("to -; ended -..- open"),
        "{}",
        life(grant(&found, "i1"))
    );
    assert_eq!(grant(&with(true, ""), "i1").decision, Decision::Pending);
    let lease = |status: &str| {
        let text = format!(
            r#"{{"leases":[{{"id":"l1","version":1,"externalEntityId":"db_user_7","expireAt":"2026-01-01T11:00:00Z","status":{status},"statusDetails":"connection refused","dynamicSecretId":"ds","createdAt":"2026-01-01T10:00:00Z","updatedAt":"2026-01-01T11:00:09Z"}}]}}"#
        );
        let found = read(&[("leases.json", text.as_bytes())]);
        (life(grant(&found, "l1")), found.facts.credentials.len())
    };
    let (failed, n) = lease(r#""Failed to delete""#);
    assert!(failed.ends_with("ended -..- failed_to_revoke") && n == 1, "{failed}");
    assert!(lease("null").0.contains("to 2026-01-01T11:00:00Z; ended -..-"));
}

#[test]
fn kube_jit_requests_and_deletion() {
    let request = |state: &str| {
        format!(
            r#"{{"apiVersion":"jit.kubejit.io/v1","kind":"JitRequest","metadata":{{"name":"jit-1","creationTimestamp":"2026-01-01T10:00:00Z"}},"spec":{{"user":"al@x.example","approver":"bo@x.example","justification":"x","clusterRole":"edit","namespaces":["a","b"],"startTime":"2026-01-01T10:05:00Z","endTime":"2026-01-01T11:05:00Z","ticketID":"CHG-1"}},"status":{{"state":"{state}"}}}}"#
        )
    };
    let list = |state: &str| {
        format!(r#"{{"apiVersion":"v1","kind":"List","items":[{}]}}"#, request(state))
    };
    let audit = r#"{"kind":"Event","apiVersion":"audit.k8s.io/v1","auditID":"x1","stage":"ResponseComplete","verb":"delete","user":{"username":"system:serviceaccount:kube-jit:operator"},"objectRef":{"resource":"jitrequests","apiGroup":"jit.kubejit.io","name":"jit-1"},"responseStatus":{"code":200},"requestReceivedTimestamp":"2026-01-01T11:05:01.1Z","stageTimestamp":"2026-01-01T11:05:01.2Z"}"#;
    let gone = audit
        .replace("jitrequests", "rolebindings")
        .replace("jit.kubejit.io", "rbac.authorization.k8s.io")
        .replace("\"jit-1\"", "\"jit-1-jit\",\"namespace\":\"a\"")
        .replace("x1", "x2")
        .replace(":01.2Z", ":03Z");
    let found = read(&[("crs.json", list("Succeeded").as_bytes())]);
    assert_eq!(formats(&found), ["kube-jit"]);
    assert_eq!(found.facts.grants.len(), 2, "one for each namespace");
    let g = grant(&found, "jit-1/a/al@x.example");
    // The resource keeps no end: whether access went is not known.
    assert_eq!(
        life(g),
        "approved from 2026-01-01T10:05:00Z to 2026-01-01T11:05:00Z; ended -..- open"
    );
    assert_eq!(
        (&*g.privilege, g.scope.as_deref(), g.ticket_id.as_deref()),
        ("edit", Some("a"), Some("CHG-1"))
    );
    let found = read(&[
        ("audit.ndjson", format!("{audit}\n{gone}").as_bytes()),
        ("crs.json", list("Succeeded").as_bytes()),
    ]);
    let g = grant(&found, "jit-1/a/al@x.example");
    assert!(life(g).contains("ended 2026-01-01T11:05:01.200000Z.."), "{}", life(g));
    let found = read(&[("crs.json", list("Rejected").as_bytes())]);
    assert_eq!(grant(&found, "jit-1/a/al@x.example").decision, Decision::Denied);
    let binding = r#"{"kind":"RoleBinding","apiVersion":"rbac.authorization.k8s.io/v1","metadata":{"name":"jit-1-jit","namespace":"a","creationTimestamp":"2026-01-01T10:05:01Z","annotations":{"jit.kubejit.io/expiry":"2026-01-01T11:05:00Z"}},"subjects":[{"kind":"User","name":"al@x.example"}],"roleRef":{"kind":"ClusterRole","name":"edit"}}"#;
    let found = log(&[binding, binding]);
    let e = &found.facts.entitlements[0];
    // Kubernetes does not end a binding: the annotation is a promise, and no end of validity.
    assert_eq!((e.not_after, e.says_temporary), (None, Some(true)));
    assert!(e.condition.as_deref().unwrap().contains("2026-01-01T11:05:00Z"));
}

#[test]
fn spire_sample() {
    let found = one("grants/spire/entry_create_test_outputs.json");
    assert_eq!(formats(&found), ["spire-entries"]);
    assert!(quarantine(&found).is_empty(), "{:?}", quarantine(&found));
    let mut ids: Vec<_> = found.facts.grants.iter().map(|g| &*g.grant_id).collect();
    ids.sort_unstable();
    assert_eq!(ids, ["entry-id", "entry-id-1", "entry-id-2", "entry-id-3", "entry-id-4"]);
    let bound = grant(&found, "entry-id");
    assert_eq!(bound.not_after.unwrap().secs_since(bound.activated_at_lo.unwrap()), 4_827_069);
    assert_eq!(
        (&*bound.beneficiary, &*bound.privilege),
        ("spiffe://example.org/workload", "admin,downstream,identity")
    );
    // `"0"` is no time: four registrations stand, although their documents rotate every 200 seconds.
    let standing: Vec<_> = found.facts.grants.iter().filter(|g| g.not_after.is_none()).collect();
    assert_eq!(standing.len(), 4);
    assert!(
        standing.iter().all(|g| g.end_kind == EndKind::Open && g.session_duration_s == Some(200))
    );
}

#[test]
fn large_documents_are_recognised_by_their_beginning() {
    let item = r#"{"id":"s_1","target_id":"ttcp_1","user_id":"u_1","created_time":"2026-01-01T10:00:00Z","expiration_time":"2026-01-01T18:00:00Z","states":[]}"#;
    let many: Vec<String> = (0..4000).map(|i| item.replace("s_1", &format!("s_{i}"))).collect();
    let text = format!(r#"{{"items":[{}]}}"#, many.join(","));
    assert!(text.len() > 300 * 1024);
    let found = read(&[("sessions.json", text.as_bytes())]);
    assert_eq!(found.facts.grants.len(), 4000);
    assert_eq!(found.facts.sources[0].records, 4000);
    assert!(found.facts.grants.iter().any(|g| &*g.source_ref == "/items/3999"));
}
