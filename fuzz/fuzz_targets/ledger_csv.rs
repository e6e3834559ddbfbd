#![no_main]
//! A grant ledger as CSV: any rows behind a good header.

use libfuzzer_sys::fuzz_target;
use overstay::ingest::driver::ingest_bytes;
use overstay::settings::Settings;

fuzz_target!(|data: &[u8]| {
    let mut text =
        b"grant_id,principal,role,scope,granted_at,expires_at,revoked_at,decision,approver\n"
            .to_vec();
    text.extend_from_slice(data);
    let found =
        ingest_bytes("grants.csv", &text, &Settings::defaults()).expect("no mapping to be wrong");
    for s in &found.facts.sources {
        assert_eq!(s.records, s.accepted + s.quarantined, "a record was lost");
    }
});
