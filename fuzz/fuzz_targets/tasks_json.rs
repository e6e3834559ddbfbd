#![no_main]
//! Any bytes as a task document: detection, GitHub Actions and generic tasks.

use libfuzzer_sys::fuzz_target;
use overstay::ingest::driver::ingest_bytes;
use overstay::settings::Settings;

fuzz_target!(|data: &[u8]| {
    let found =
        ingest_bytes("tasks.json", data, &Settings::defaults()).expect("no mapping to be wrong");
    for s in &found.facts.sources {
        assert_eq!(s.records, s.accepted + s.quarantined, "a record was lost");
    }
});
