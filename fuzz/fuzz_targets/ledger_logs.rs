#![no_main]
//! The log of a broker, an identity provider or a host: any bytes behind a first record that makes the
//! file one of each format.

use libfuzzer_sys::fuzz_target;
use overstay::ingest::driver::ingest_bytes;
use overstay::settings::Settings;

/// First records by which a file is recognised.
const HEADS: [&str; 9] = [
    r#"{"eventType":"user.account.privilege.grant","published":"2026-01-01T00:00:00Z","actor":{},"debugContext":{}}"#,
    r#"{"type":"role.assignment.created","effective_at":1702857600,"actor":{},"object":"organization.audit_log"}"#,
    r#"{"serviceName":"accounts","actionName":"setAdmin","userIdentity":{}}"#,
    r#"{"action":"org.add_member","actor":"a","user":"b","created_at":1621305118553}"#,
    r#"{"activityDisplayName":"x","loggedByService":"PIM","targetResources":[]}"#,
    r#"{"protoPayload":{"serviceName":"privilegedaccessmanager.googleapis.com","methodName":"x"}}"#,
    r#"{"accept":{"submituser":"u","server_time":{"seconds":1}}}"#,
    "2026-01-01T00:00:00Z h sudo[1]: u : PWD=/ ; USER=root ; COMMAND=/bin/x",
    "2026-01-01 00:00:00 UTC [1] a@b LOG:  statement: GRANT a TO b;",
];

fuzz_target!(|data: &[u8]| {
    let (head, rest) = match data.split_first() {
        Some((n, rest)) => (HEADS[usize::from(*n) % HEADS.len()], rest),
        None => (HEADS[0], data),
    };
    let mut text = head.as_bytes().to_vec();
    text.push(b'\n');
    text.extend_from_slice(rest);
    let found = ingest_bytes("log", &text, &Settings::defaults()).expect("no mapping to be wrong");
    for s in &found.facts.sources {
        assert_eq!(s.records, s.accepted + s.quarantined, "a record was lost");
    }
});
