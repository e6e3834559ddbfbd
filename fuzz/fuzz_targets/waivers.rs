//! Any text as a waiver file: it is refused, or every entry of the list is kept, with its faults.
#![no_main]

use std::collections::BTreeSet;

use libfuzzer_sys::fuzz_target;
use overstay::facts::Time;
use overstay::gate::Waivers;
use overstay::settings::Settings;

fuzz_target!(|text: &str| {
    let Ok(waivers) = Waivers::parse(text, "waivers.yaml") else { return };
    let ids: BTreeSet<&str> = waivers.list.iter().map(|w| &*w.id).collect();
    assert_eq!(ids.len(), waivers.list.len(), "two waivers with one id");
    let limits = Settings::defaults().limits;
    let applied = waivers.apply(&mut [], Time::from_secs(1_780_000_000), &limits);
    assert_eq!(applied.rows.len(), waivers.list.len(), "a waiver was lost");
});
