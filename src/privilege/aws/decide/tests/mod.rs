//! The evaluator against golden cases, a slow reference, and what must hold for every completion.

mod differential;
mod golden;
mod peers;
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

/// As many decisions as `OVERSTAY_RANDOM_DECISIONS` says (the continuous integration asks for a million),
/// else 20,000, on all processors.
#[test]
fn agrees_with_the_reference() {
    let asked = std::env::var("OVERSTAY_RANDOM_DECISIONS").ok();
    let count: usize = asked.map_or(20_000, |n| n.parse().expect("a number of decisions"));
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let each = count.div_ceil(EACH * threads);
    let seen = std::thread::scope(|scope| {
        let seeds = 1..=u64::try_from(threads).unwrap();
        let runs: Vec<_> = seeds.map(|seed| scope.spawn(move || property(seed, each))).collect();
        runs.into_iter().fold([0; 4], |acc, run| {
            let one = run.join().expect("a decision differs");
            std::array::from_fn(|i| acc[i] + one[i])
        })
    });
    assert!(seen.iter().sum::<usize>() >= count);
    assert!(seen.iter().all(|n| *n > count / 50), "{seen:?}");
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

/// Decisions a second and core, without reasons; printed, since seconds belong to the machine.
#[test]
fn throughput() {
    let mut r = Rng(3);
    let mut programs = Programs::default();
    let count = if cfg!(debug_assertions) { 200 } else { 20_000 };
    let cases: Vec<_> = (0..count)
        .map(|_| {
            let mut w = layers(&mut r, EVERYTHING);
            let built = Built::new(&w, &mut programs);
            ask(&mut r, EVERYTHING, &mut w);
            (w, built)
        })
        .collect();
    let mut allowed = 0;
    let mut took = std::time::Duration::ZERO;
    for (w, built) in &cases {
        built.with(|l| {
            let request = random::request(w);
            let began = std::time::Instant::now();
            for _ in 0..20 {
                let verdict =
                    super::decide(std::hint::black_box(&request), std::hint::black_box(l));
                allowed += usize::from(verdict == super::Verdict::Allow);
            }
            took += began.elapsed();
        });
    }
    let decisions = cases.len() * 20;
    assert!(allowed > 0 && allowed < decisions);
    let rate = decisions as f64 / took.as_secs_f64();
    std::io::Write::write_all(
        &mut std::io::stderr(),
        format!("{decisions} decisions in {took:?}: {rate:.0} a second and core\n").as_bytes(),
    )
    .unwrap();
}

/// The console writes `"Sid": ""` into policies made with its editor: that names nothing.
#[test]
fn an_empty_sid_is_none() {
    let mut programs = Programs::default();
    let sid = |sid: &str, programs: &mut Programs| {
        let text = format!(
            r#"{{"Statement":{{"Sid":"{sid}","Effect":"Allow","Action":"*","Resource":"*"}}}}"#
        );
        programs.of(&text).lines[0].sid.clone()
    };
    assert_eq!(sid("", &mut programs), None);
    assert_eq!(sid("A", &mut programs), Some("A".to_owned()));
}
