//! Conditions, permission blocks, role documents and scopes of Azure: reading and judging never panics.
#![no_main]

use libfuzzer_sys::fuzz_target;
use overstay::facts::Time;
use overstay::privilege::azure::catalogue::catalogue;
use overstay::privilege::azure::classes::{Question, Roster, verdict};
use overstay::privilege::azure::condition::Condition;
use overstay::privilege::azure::permission::{Pattern, blocks};
use overstay::privilege::azure::scope::{Tree, breadth, canonical};
use overstay::privilege::azure::{classes::ASSIGN, entra};

fuzz_target!(|text: &str| {
    let as_of = Time::from_secs(1_780_000_000);
    let condition = Condition::parse(text);
    let _ = condition.grade(ASSIGN, as_of);
    let _ = Pattern::new(text).matches(ASSIGN);
    let scope = canonical(text);
    let _ = (breadth(&scope), Tree::default().above(&scope));
    let _ = entra::content(text);
    if let Ok(blocks) = blocks(text) {
        let question =
            Question { blocks: &blocks, condition: Some(&condition), denied: &[], as_of };
        let _ = verdict(&question, catalogue(), &Roster::default());
    }
});
