//! Any text as a predicate: it is refused with a bounded message, or it is accepted and prints as a
//! text that is accepted again and prints the same.
#![no_main]

use libfuzzer_sys::fuzz_target;
use overstay::facts::store;
use overstay::rules::parse::predicate;

fuzz_target!(|text: &str| {
    let Some(table) = store::table("grant_facts") else { return };
    match predicate(text, &table) {
        Ok(node) => {
            let shown = node.to_string();
            // Printing adds parentheses, so it may pass a bound that the input did not.
            if let Ok(again) = predicate(&shown, &table) {
                assert_eq!(again.to_string(), shown);
            }
        }
        Err(message) => assert!(message.len() < 10_000, "{message}"),
    }
});
