#![no_main]
//! A grant ledger as NDJSON: any lines behind a good record.

use libfuzzer_sys::fuzz_target;
use overstay::ingest::driver::ingest_bytes;
use overstay::settings::Settings;

fuzz_target!(|data: &[u8]| {
    let mut text =
        br#"{"grant_id":"g","principal":"p","role":"r","granted_at":"2026-01-01T00:00:00Z"}"#
            .to_vec();
    text.push(b'\n');
    text.extend_from_slice(data);
    let found = ingest_bytes("grants.ndjson", &text, &Settings::defaults())
        .expect("no mapping to be wrong");
    for s in &found.facts.sources {
        assert_eq!(s.records, s.accepted + s.quarantined, "a record was lost");
    }
});
