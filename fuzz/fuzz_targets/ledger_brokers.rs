#![no_main]
//! Any bytes as an export of each broker: no record is lost, no grant lacks its holder.

use libfuzzer_sys::fuzz_target;
use overstay::ingest::driver::ingest_bytes;
use overstay::ingest::ledger::LEDGERS;
use overstay::settings::Settings;

fuzz_target!(|data: &[u8]| {
    let Some((pick, data)) = data.split_first() else { return };
    let format = LEDGERS[usize::from(*pick) % LEDGERS.len()].format();
    let settings = Settings::parse(&format!("[[mapping]]\nfile = \"*\"\nformat = \"{format}\"\n"))
        .expect("a mapping of a known format");
    let found = ingest_bytes("log.ndjson", data, &settings).expect("no mapping to be wrong");
    for s in &found.facts.sources {
        assert_eq!(s.records, s.accepted + s.quarantined, "a record was lost");
    }
    assert!(found.facts.grants.iter().all(|g| !g.beneficiary.is_empty()));
});
