//! Any text as a baseline: as a whole file, and as the body behind a header whose digest fits. What is read is
//! written back and read as the same.
#![no_main]

use libfuzzer_sys::fuzz_target;
use overstay::gate::Baseline;
use sha2::{Digest, Sha256};

fuzz_target!(|text: &str| {
    let _ = Baseline::parse(text, "baseline.jsonl");

    let mut empty = Baseline::default();
    empty.header.kind = "header".into();
    empty.header.schema_version = 1;
    empty.header.scope_id = empty.header.scope.id();
    let none = empty.to_text();
    Baseline::parse(&none, "baseline.jsonl").expect("an empty baseline");

    let body: String = text.lines().map(|line| format!("{line}\n")).collect();
    let digest = |body: &str| -> String {
        Sha256::digest(body.as_bytes()).iter().map(|b| format!("{b:02x}")).collect()
    };
    let whole = none.replace(&digest(""), &digest(&body)) + &body;
    if let Ok(read) = Baseline::parse(&whole, "baseline.jsonl") {
        let again = Baseline::parse(&read.to_text(), "baseline.jsonl").expect("its own text");
        assert_eq!((&again.findings, &again.holdings), (&read.findings, &read.holdings));
    }
});
