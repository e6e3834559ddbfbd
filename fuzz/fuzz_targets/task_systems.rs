#![no_main]
//! Any bytes behind the marks of each task system: nothing panics, no record is lost.

use libfuzzer_sys::fuzz_target;
use overstay::ingest::driver::ingest_bytes;
use overstay::settings::Settings;

/// Beginnings that each adapter takes for its own.
const HEADS: [&str; 9] = [
    r#"{"object_kind":"pipeline","object_attributes":{"id":1},"builds":"#,
    r#"{"building":false,"number":1,"timestamp":"#,
    r#"{"pipeline_id":"p","pipeline_number":1,"created_at":"#,
    r#"{"dag_id":"d","run_id":"r","state":"#,
    "apiVersion: batch/v1\nkind: Job\nmetadata: {name: a}\n",
    r#"{"key":"A-1","fields":{"created":"#,
    r#"{"sys_id":"s","number":"INC0010001","state":"#,
    r#"{"resourceSpans":[{"scopeSpans":[{"spans":[{"traceId":"aa","spanId":"b","attributes":[{"key":"gen_ai.operation.name","value":{"stringValue":"invoke_agent"}}],"#,
    r#"{"jsonrpc":"2.0","method":"notifications/tasks/status","params":"#,
];

fuzz_target!(|data: (u8, &[u8])| {
    let (which, rest) = data;
    let head = HEADS[usize::from(which) % HEADS.len()];
    let bytes = [head.as_bytes(), rest].concat();
    let found =
        ingest_bytes("tasks", &bytes, &Settings::defaults()).expect("no mapping to be wrong");
    for s in &found.facts.sources {
        assert_eq!(s.records, s.accepted + s.quarantined, "a record was lost");
    }
});
