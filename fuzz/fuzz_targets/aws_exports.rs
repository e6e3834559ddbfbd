//! The AWS adapters read any bytes without a panic; the first byte chooses the adapter.
#![no_main]

use libfuzzer_sys::fuzz_target;
use overstay::ingest::aws::ADAPTERS;
use overstay_fuzz::{quarantine_is_bounded, read_with};

fuzz_target!(|data: &[u8]| {
    let Some(batch) = read_with(ADAPTERS, data, "111122223333_role_fuzz.json", None) else { return };
    quarantine_is_bounded(&batch);
});
