//! Patterns of policies: matching, containment and overlap agree with each other on any three texts, one a line.
#![no_main]

use libfuzzer_sys::fuzz_target;
use overstay::privilege::glob::{
    contains, contains_ignore_case, matches, matches_ignore_case, overlaps, overlaps_ignore_case,
};

fuzz_target!(|input: &str| {
    // Quadratic by design; the adapters bound the length of patterns.
    if input.len() > 2_000 {
        return;
    }
    let mut parts = input.splitn(3, '\n');
    let (a, b) = (parts.next().unwrap_or(""), parts.next().unwrap_or(""));
    let text = parts.next().unwrap_or("");

    assert!(matches("*", text) && contains("*", a) && contains(a, a), "{a:?}");
    assert!(!matches(a, text) || matches_ignore_case(a, text), "{a:?} {text:?}");
    assert_eq!(overlaps(a, b), overlaps(b, a), "{a:?} {b:?}");
    if contains(a, b) {
        assert!(!matches(b, text) || matches(a, text), "{a:?} contains {b:?}, not {text:?}");
    }
    if contains_ignore_case(a, b) {
        assert!(
            !matches_ignore_case(b, text) || matches_ignore_case(a, text),
            "{a:?} {b:?} {text:?}"
        );
    }
    if matches(a, text) && matches(b, text) {
        assert!(
            overlaps(a, b) && overlaps_ignore_case(a, b),
            "{a:?} and {b:?} both match {text:?}"
        );
    }
});
