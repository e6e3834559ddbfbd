#![no_main]
//! Any text as a time and as a duration; a time that is read survives being written.

use libfuzzer_sys::fuzz_target;
use overstay::facts::time::{parse_duration, parse_time};

fuzz_target!(|data: &str| {
    let _ = parse_duration(data, 1.0);
    if let Ok(Some(t)) = parse_time(data) {
        assert!(t.lo <= t.hi);
        let again = parse_time(&t.lo.to_rfc3339()).expect("own form").expect("no sentinel");
        assert_eq!(again.lo, t.lo);
    }
});
