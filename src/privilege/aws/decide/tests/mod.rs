//! The evaluator against golden cases, a slow reference, and what must hold for every completion.

mod golden;
mod random;
mod reference;

use super::Programs;
use random::{Built, Flavour, Rng, ask, complete, layers, ours, reasons};

const EVERYTHING: Flavour = Flavour { odd: 6, unknown: 30, peer: false };
/// Requests put to one set of layers.
const EACH: usize = 25;

/// Checks this many random decisions against the reference; prints the first that differs.
fn property(seed: u64, count: usize) -> [usize; 4] {
    let mut r = Rng(seed);
    let mut programs = Programs::default();
    let mut seen = [0; 4];
    for i in 0..count {
        if i % 5_000 == 0 {
            programs = Programs::default();
        }
        let mut w = layers(&mut r, EVERYTHING);
        let built = Built::new(&w, &mut programs);
        for _ in 0..EACH {
            ask(&mut r, EVERYTHING, &mut w);
            let (fast, slow) = (ours(&w, &built), reference::decide(&w));
            assert_eq!(fast, slow, "seed {seed}, layers {i}: {w:#?}\n{:#?}", reasons(&w, &built));
            let at = ["allow", "conditional", "deny", "explicit"].iter().position(|x| *x == fast);
            seen[at.unwrap()] += 1;
        }
    }
    seen
}

#[test]
fn agrees_with_the_reference() {
    let seen = property(1, 800);
    assert!(seen.iter().all(|n| *n > 500), "{seen:?}");
}

/// 5.4.9: what is decided holds for every completion of the unknown keys.
#[test]
fn decided_is_decided_for_every_completion() {
    let mut r = Rng(2);
    let mut programs = Programs::default();
    for i in 0..400 {
        let mut w = layers(&mut r, EVERYTHING);
        let built = Built::new(&w, &mut programs);
        for _ in 0..10 {
            ask(&mut r, EVERYTHING, &mut w);
            let open = ours(&w, &built);
            if open == "conditional" {
                continue;
            }
            for _ in 0..6 {
                let closed = complete(&mut r, &w);
                let strict = ours(&closed, &built);
                let holds = match open {
                    "allow" => strict == "allow",
                    "explicit" => strict == "explicit",
                    _ => strict == "deny" || strict == "explicit",
                };
                assert!(holds, "{i}: {open} became {strict}: {w:#?}\n{closed:#?}");
            }
        }
    }
}
