//! Any text as `overstay.toml`: it is refused with a message, or read; limits that are read are usable numbers.
#![no_main]

use libfuzzer_sys::fuzz_target;
use overstay::settings::{LIMITS, Settings};

fuzz_target!(|text: &str| {
    let Ok(settings) = Settings::parse(text) else { return };
    assert_eq!(settings.digest.len(), 64);
    for limit in LIMITS {
        let value = settings.limits.get(limit.name).expect("a limit that is listed");
        assert!(value.is_finite() && value >= 0.0, "{} = {value}", limit.name);
    }
    assert!(settings.max_duration_s.values().all(|s| *s >= 0));
    assert!(settings.period.is_none_or(|(from, to)| from < to));
});
