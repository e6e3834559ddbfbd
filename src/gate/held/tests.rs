use serde_json::json;

use super::*;
use crate::facts::{PolicyInForce, Standing, Text};
use crate::findings::Severity;
use crate::findings::fingerprint::{Identity, fingerprint, state_digest};
use crate::gate::Change;
use crate::gate::testing::{finding, view};
use crate::privilege::aws::compare::document_digest;

const ALICE: &str = "arn:aws:iam::111122223333:user/alice";

/// Policies of one user: name and action.
fn access(policies: &[(&str, &str)]) -> Snapshot {
    let document = |action: &str| -> Text {
        text(format!(
            r#"{{"Version":"2012-10-17","Statement":{{"Effect":"Allow","Action":"{action}","Resource":"*"}}}}"#
        ))
    };
    let documents: Vec<Text> = policies.iter().map(|(_, a)| document(a)).collect();
    let rows: Vec<PolicyInForce> = policies
        .iter()
        .zip(&documents)
        .map(|((name, _), d)| PolicyInForce {
            principal_id: text(ALICE),
            layer: text("identity"),
            role_id: text(name),
            digest: Some(document_digest(d)),
        })
        .collect();
    Snapshot::new(&rows, &documents)
}

fn holding(privilege: &str, state: &str) -> Holding {
    Holding {
        principal_id: text(ALICE),
        privilege: text(privilege),
        role_id: text(privilege),
        scope: text("aws:111122223333"),
        tier: Some(Tier::T1),
        standing: Standing::Standing,
        state: text(state),
        ..Holding::default()
    }
}

fn about(privilege: &str, state: &str) -> Finding {
    Finding {
        fingerprint: fingerprint(&Identity {
            rule: "STD-001",
            principal: ALICE,
            privilege,
            ..Identity::default()
        }),
        state_digest: state_digest(&[state]),
        rule: "STD-001".into(),
        principal: Some(ALICE.into()),
        privilege: Some(privilege.into()),
        scope: Some("aws:111122223333".into()),
        evidence: [("strongest_actions".into(), json!([state]))].into(),
        ..finding("x", Severity::High)
    }
}

fn accepted(policies: &[(&str, &str)], privilege: &str) -> Baseline {
    let mut v = view();
    v.findings.push(about(privilege, "s"));
    let lines = HoldingLine::of(&holding(privilege, "s")).into_iter().collect();
    Baseline::create(&v, &Held { lines, access: access(policies) }, false).unwrap()
}

fn word(b: &Baseline, now: &[(&str, &str)], h: Holding) -> String {
    let mut list = [h];
    mark(b, &access(now), &mut list);
    let [h] = list;
    h.baseline_change.unwrap().to_string()
}

#[test]
fn holdings_are_compared_by_rights() {
    let b = accepted(&[("Read", "s3:*")], "Read");
    assert_eq!(word(&b, &[("Read", "s3:*")], holding("Read", "s")), "unchanged");
    // Another name, other words, fewer rights.
    assert_eq!(word(&b, &[("Reader", "S3:*")], holding("Reader", "t")), "reworded");
    assert_eq!(word(&b, &[("Read", "s3:Get*")], holding("Read", "t")), "reworded");
    // More rights, whatever the name and though the tier is the same.
    assert_eq!(word(&b, &[("Read", "*")], holding("Read", "t")), "wider");
    assert_eq!(word(&b, &[("Reader", "*")], holding("Reader", "t")), "new");
    // Another reason than the policies: the state decides.
    assert_eq!(word(&b, &[("Read", "s3:*")], holding("Read", "t")), "wider");
}

#[test]
fn a_baseline_without_policies_falls_back_to_digests() {
    let mut b = accepted(&[("Read", "s3:*")], "Read");
    b.access = Snapshot::default();
    assert_eq!(word(&b, &[("Reader", "s3:*")], holding("Reader", "s")), "new");
    assert_eq!(word(&b, &[("Read", "s3:Get*")], holding("Read", "t")), "wider");
}

fn changes(b: &Baseline, now: &[(&str, &str)], f: &Finding) -> Change {
    let mut v = view();
    v.findings = vec![f.clone()];
    b.compare("b", &v, &access(now)).changes.get(&f.fingerprint).unwrap().clone()
}

#[test]
fn a_reworded_policy_is_no_new_finding() {
    let b = accepted(&[("Read", "s3:*")], "Read");
    assert_eq!(changes(&b, &[("Reader", "s3:*")], &about("Reader", "s")), Change::Reworded);
    assert_eq!(changes(&b, &[("Read", "S3:*")], &about("Read", "t")), Change::Reworded);
    assert!(!Change::Reworded.counts_as_new());
    // Wider rights under any name, and a finding of another rule, are new.
    assert_eq!(changes(&b, &[("Reader", "*")], &about("Reader", "s")), Change::New);
    let mut other = about("Reader", "s");
    other.rule = "STD-004".into();
    assert_eq!(changes(&b, &[("Reader", "s3:*")], &other), Change::New);
    // So is one that is more severe than what was accepted.
    let worse = Finding { severity: Severity::Critical, ..about("Reader", "s") };
    assert_eq!(changes(&b, &[("Reader", "s3:*")], &worse), Change::New);
}

#[test]
fn a_privilege_that_was_held_and_not_found_is_new_when_found() {
    let mut b = accepted(&[("Read", "s3:*"), ("Lone", "s3:Get*")], "Read");
    let lone = HoldingLine::of(&holding("Lone", "s")).unwrap();
    b.holdings
        .entry((lone.principal.clone(), lone.privilege.clone(), lone.scope.clone()))
        .or_default()
        .insert(lone);
    // A rule about use: the other policy was found unused before, this one only now.
    let unused = |privilege: &str| Finding {
        fingerprint: fingerprint(&Identity {
            rule: "STD-004",
            principal: ALICE,
            privilege,
            ..Identity::default()
        }),
        rule: "STD-004".into(),
        ..about(privilege, "s")
    };
    let line = FindingLine::of(&unused("Read"), &view());
    b.findings.insert(line.fingerprint.clone(), line);
    let now = [("Read", "s3:*"), ("Lone", "s3:Get*")];
    assert_eq!(changes(&b, &now, &unused("Lone")), Change::New);
    assert_eq!(changes(&b, &now, &unused("Read")), Change::Unchanged);
    // Under a name that was not held it is the same access in other words.
    assert_eq!(changes(&b, &[("Reader", "s3:*")], &unused("Reader")), Change::Reworded);
}

#[test]
fn other_evidence_than_words_keeps_a_change_stronger() {
    let b = accepted(&[("Read", "s3:*")], "Read");
    let mut f = about("Read", "t");
    f.evidence.insert("overstay_s".into(), json!(9));
    assert!(changes(&b, &[("Read", "s3:*")], &f).counts_as_new());
}
