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

/// Policies of a principal: layer, policy, statement.
fn layers(principal: &str, parts: &[(&str, &str, &str)]) -> Snapshot {
    let documents: Vec<Text> = parts
        .iter()
        .map(|(_, _, s)| text(format!(r#"{{"Version":"2012-10-17","Statement":{s}}}"#)))
        .collect();
    let rows: Vec<PolicyInForce> = parts
        .iter()
        .zip(&documents)
        .map(|((layer, role, _), d)| PolicyInForce {
            principal_id: text(principal),
            layer: text(layer),
            role_id: text(role),
            digest: Some(document_digest(d)),
        })
        .collect();
    Snapshot::new(&rows, &documents)
}

const ALL: &str = r#"{"Effect":"Allow","Action":"*","Resource":"*"}"#;

/// 5.6, no-new-access: what limits may go, or let more through, while the digest of what is held stays.
#[test]
fn policies_decide_where_the_digest_stayed() {
    let from = |net: &str| {
        format!(
            r#"{{"Effect":"Allow","Action":"iam:*","Resource":"*","Condition":{{"IpAddress":{{"aws:SourceIp":"{net}"}}}}}}"#
        )
    };
    let deny = r#"{"Effect":"Deny","Action":"iam:*","Resource":"*"}"#;
    let (near, far) = (from("10.0.0.0/8"), from("0.0.0.0/0"));
    let p = ("identity", "Read", ALL);
    let mut b = accepted(&[("Read", "*")], "Read");
    let word = |b: &Baseline, now: &Snapshot| {
        let mut list = [holding("Read", "s")];
        mark(b, now, &mut list);
        list[0].baseline_change.clone().unwrap().to_string()
    };
    b.access = layers(ALICE, &[p, ("boundary", "b", &near)]);
    assert_eq!(word(&b, &layers(ALICE, &[p, ("boundary", "b", &far)])), "wider");
    assert_eq!(word(&b, &b.access), "unchanged");
    let scp = ("guardrail:r-1", "scp", deny);
    b.access = layers(ALICE, &[p, scp]);
    assert_eq!(word(&b, &layers(ALICE, &[p])), "wider");
    // Narrower, and the digest did not see it.
    assert_eq!(word(&b, &layers(ALICE, &[p, scp, ("boundary", "b", &near)])), "unchanged");
}

/// The same policy on one more account is new, however narrow it became.
#[test]
fn another_scope_is_new() {
    let b = accepted(&[("Read", "s3:*")], "Read");
    let elsewhere = Holding { scope: text("aws:444455556666"), ..holding("Read", "s") };
    assert_eq!(word(&b, &[("Read", "s3:Get*")], elsewhere), "new");
}

fn of_rule(rule: &str, privilege: Option<&str>, evidence: &[(&str, Value)]) -> Finding {
    let identity = Identity {
        rule,
        principal: ALICE,
        privilege: privilege.unwrap_or_default(),
        ..Identity::default()
    };
    let mut f = Finding {
        fingerprint: fingerprint(&identity),
        rule: rule.into(),
        privilege: privilege.map(str::to_owned),
        tier: Some("T0".into()),
        severity: Severity::Critical,
        ..about("x", "s")
    };
    if privilege.is_none() {
        f.scope = None;
    }
    for (name, value) in evidence {
        f.evidence.insert((*name).into(), value.clone());
    }
    f
}

/// Access that narrows or goes from one policy to another is found by other rules; that is no more.
#[test]
fn findings_about_rights_follow_the_rights() {
    let mut v = view();
    v.findings.push(of_rule("STD-001", Some("a"), &[("standing", json!("standing"))]));
    let held = Held { lines: Vec::new(), access: access(&[("a", "iam:*"), ("b", "s3:*")]) };
    let mut b = Baseline::create(&v, &held, false).unwrap();
    let swapped = [("a", "s3:*"), ("b", "iam:*")];
    let key = |p: &str| (ALICE.to_owned(), p.to_owned(), "aws:111122223333".to_owned());
    for p in ["a", "b"] {
        b.holdings.entry(key(p)).or_default();
    }
    let lasting = [("standing", json!("standing"))];
    assert_eq!(changes(&b, &swapped, &of_rule("STD-001", Some("b"), &lasting)), Change::Reworded);
    assert_eq!(changes(&b, &swapped, &of_rule("ESC-002", None, &[])), Change::Reworded);
    let home = [("path_end", json!("arn:aws:iam::111122223333:role/admin"))];
    assert_eq!(changes(&b, &swapped, &of_rule("ESC-001", None, &home)), Change::Reworded);
    // A path into another account is none that an administrator of this one had.
    let away = [("path_end", json!("arn:aws:iam::999988887777:role/admin"))];
    assert_eq!(changes(&b, &swapped, &of_rule("ESC-001", None, &away)), Change::New);
    // Rules about something else than rights do not follow.
    assert_eq!(changes(&b, &swapped, &of_rule("STD-004", Some("b"), &[])), Change::New);
    assert_eq!(changes(&b, &swapped, &of_rule("STD-009", Some("b"), &[])), Change::New);
    // More rights are new under every rule.
    let more = [("a", "s3:*"), ("b", "*")];
    assert_eq!(changes(&b, &more, &of_rule("ESC-002", None, &[])), Change::New);
}

/// A finding that ended, and one that does not: ends that no policy sets are not compared with policies.
#[test]
fn an_end_added_is_no_more_and_an_end_lost_is() {
    let end = |word: &str| of_rule("SCP-001", Some("a"), &[("standing", json!(word))]);
    let accepted = |word: &str| {
        let mut v = view();
        v.findings.push(end(word));
        let held = Held { lines: Vec::new(), access: access(&[("a", "iam:*"), ("b", "s3:*")]) };
        Baseline::create(&v, &held, false).unwrap()
    };
    let now = |word: &str| Finding { state_digest: "2".repeat(64), ..end(word) };
    let same = [("a", "iam:*")];
    assert_eq!(changes(&accepted("standing"), &same, &now("time_bound")), Change::Reworded);
    assert!(changes(&accepted("time_bound"), &same, &now("standing")).counts_as_new());
    // A change of something else than rights is none of rights.
    let mut other = now("standing");
    other.evidence.insert("break_glass".into(), json!(true));
    assert!(changes(&accepted("standing"), &same, &other).counts_as_new());
}

/// Nothing is known of the policies of other platforms: that is no proof that nothing changed.
#[test]
fn principals_without_policies_are_not_covered() {
    let mut b = accepted(&[("Read", "s3:*")], "Read");
    b.access = layers("arn:aws:iam::111122223333:user/bob", &[("identity", "p", ALL)]);
    let mut v = view();
    v.findings = vec![Finding { state_digest: "2".repeat(64), ..about("Owner", "t") }];
    let f = v.findings[0].clone();
    let got = b.compare("b", &v, &b.access.clone()).changes.get(&f.fingerprint).unwrap().clone();
    assert!(got.counts_as_new(), "{got:?}");
}
