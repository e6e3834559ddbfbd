//! The adapters of Azure and Entra read any bytes without a panic; the first byte chooses the adapter.
#![no_main]

use libfuzzer_sys::fuzz_target;
use overstay::ingest::azure::{ADAPTERS, finish};
use overstay_fuzz::read_with;

fuzz_target!(|data: &[u8]| {
    let realm = data.first().is_some_and(|choice| choice & 1 == 1).then_some("groups/g/members");
    let Some(mut batch) = read_with(ADAPTERS, data, "fuzz.json", realm) else { return };
    finish(&mut batch.facts);
});
