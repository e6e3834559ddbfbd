//! Random cases with our verdicts, for `scripts/differential/run.sh`, which puts them to another
//! evaluator.

use std::io::Write as _;

use serde_json::{Value, json};

use super::random::{Built, Flavour, Rng, ask, layers, ours};
use super::reference::World;
use crate::privilege::aws::decide::Programs;

/// Every key known or absent, as a request has it.
const STRICT: Flavour = Flavour { odd: 3, unknown: 0, peer: true };
/// Some keys open.
const OPEN: Flavour = Flavour { odd: 3, unknown: 30, peer: true };

/// Leaves out what the other evaluator knows nothing of (roles and keys without a policy of their own,
/// resource control policies of services that have none), and what cannot be: a service gets at things
/// by resource policies only, and IAM has them for roles to be assumed alone.
fn comparable(w: &World) -> bool {
    let service = w.action.split(':').next().unwrap_or_default();
    let consents = w.action == "sts:AssumeRole" || w.action == "kms:Decrypt";
    let controlled = ["s3", "sts", "kms", "sqs"].contains(&service);
    let possible = w.kind != "service" || service != "iam";
    possible && (w.policy != Some(None) || !consents) && (w.rcps.is_none() || controlled)
}

fn case(id: usize, mode: &str, w: &World, verdict: &str) -> Value {
    let tree = |t: &Option<Vec<(Option<bool>, Vec<Value>)>>| {
        t.as_ref().map(|l| l.iter().map(|(_, d)| d.clone()).collect::<Vec<_>>())
    };
    let principal = match w.kind {
        "role" => format!(
            "arn:aws:sts::{}:assumed-role/{}/{}",
            w.account,
            w.arn.rsplit('/').next().unwrap_or_default(),
            w.session_name.as_deref().unwrap_or_default()
        ),
        _ => w.arn.clone(),
    };
    json!({
        "id": id, "mode": mode, "kind": w.kind, "principal": principal, "role": w.arn,
        "action": w.action, "resource": w.resource, "resource_account": w.resource_account,
        "keys": w.keys.iter().filter(|(_, v)| !v.is_empty()).collect::<std::collections::BTreeMap<_, _>>(),
        "wildcard_only": w.wildcard_only,
        "absent": w.keys.iter().filter(|(_, v)| v.is_empty()).map(|(k, _)| k).collect::<Vec<_>>(),
        "identity": w.identity, "boundary": w.boundary, "session": w.session,
        "scps": tree(&w.scps), "rcps": tree(&w.rcps), "policy": w.policy.clone().flatten(),
        "verdict": verdict,
    })
}

/// Writes this many cases, five in six with all keys known.
fn write(out: &mut impl std::io::Write, seed: u64, count: usize) {
    let mut r = Rng(seed);
    let mut programs = Programs::default();
    let mut written = 0;
    while written < count {
        if written % 6_000 == 0 {
            programs = Programs::default();
        }
        let (mode, flavour) = if r.below(6) == 0 { ("open", OPEN) } else { ("strict", STRICT) };
        let mut w = layers(&mut r, flavour);
        let built = Built::new(&w, &mut programs);
        for _ in 0..4 {
            ask(&mut r, flavour, &mut w);
            if comparable(&w) && written < count {
                writeln!(out, "{}", case(written, mode, &w, ours(&w, &built))).unwrap();
                written += 1;
            }
        }
    }
}

/// Writes cases to the file that `OVERSTAY_DECISION_CASES` names (`OVERSTAY_DECISION_COUNT` of them, 60,000
/// unless told), else 600 of them nowhere, and checks that all verdicts and both modes are among them.
#[test]
fn cases_for_other_evaluators() {
    let asked = std::env::var_os("OVERSTAY_DECISION_CASES");
    let count = std::env::var("OVERSTAY_DECISION_COUNT").ok().map(|n| n.parse().unwrap());
    let count = count.unwrap_or(if asked.is_some() { 60_000 } else { 600 });
    let mut text = Vec::new();
    write(&mut text, 20_261_122, count);
    if let Some(path) = asked {
        std::fs::File::create(path).unwrap().write_all(&text).unwrap();
    }
    let text = String::from_utf8(text).unwrap();
    assert_eq!(text.lines().count(), count);
    for word in ["allow", "conditional", "deny", "explicit"] {
        assert!(text.contains(&format!("\"verdict\":\"{word}\"")), "no {word}");
    }
    assert!(text.contains("\"mode\":\"strict\"") && text.contains("\"mode\":\"open\""));
}
