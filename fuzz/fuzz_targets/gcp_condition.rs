//! Conditions of Google Cloud bindings: any text is judged without a panic and in bounded time, and what
//! surely holds at an instant may hold at it.
#![no_main]

use libfuzzer_sys::fuzz_target;
use overstay::facts::Time;
use overstay::privilege::gcp::condition::Condition;

fuzz_target!(|text: &str| {
    let c = Condition::parse(text);
    for day in [0i64, 20_000, 20_600, 40_000] {
        let t = Time::from_secs(day * 86_400);
        assert!(!c.surely.has(t) || c.maybe.has(t));
        let _ = (c.at(t), c.maybe.end(), c.maybe.begin(), c.maybe.next(t), c.within.has(t));
    }
});
