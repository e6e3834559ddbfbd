//! Findings and views for the tests of gate and evidence.

use std::collections::BTreeMap;

use serde_json::json;

use crate::findings::fingerprint::{Identity, fingerprint, state_digest};
use crate::findings::{Evidence, Finding, RuleResult, Severity, SourceRef, Status};
use crate::report::View;
use crate::report::view::{CoverageRow, SourceRow, Tool};

/// Open, certain finding of rule GRT-003 at tier T1.
pub fn finding(principal: &str, severity: Severity) -> Finding {
    Finding {
        fingerprint: fingerprint(&Identity { rule: "GRT-003", principal, ..Identity::default() }),
        state_digest: state_digest(&["3600"]),
        rule: "GRT-003".into(),
        title: "Grant outlives its task".into(),
        severity,
        severity_reasons: vec!["tier T1".into()],
        certainty: "certain".into(),
        confidence: "high".into(),
        status: Status::Open,
        principal: Some(principal.into()),
        principal_kind: Some("role".into()),
        privilege: Some("Admin".into()),
        scope: Some("arn:aws:iam::1".into()),
        platform: Some("aws".into()),
        tier: Some("T1".into()),
        grant_id: Some("g1".into()),
        task_id: None,
        credential_id: None,
        message: format!("{principal} kept Admin for 1 h"),
        remediation: "Remove it.".into(),
        evidence: Evidence::from([
            ("overstay_s".into(), json!(3600)),
            ("classes".into(), json!(["read"])),
        ]),
        sources: vec![SourceRef {
            file: "ledger.csv".into(),
            place: "L2".into(),
            sha256: "0".repeat(64).into(),
        }],
        controls: [].into(),
        first_seen: "2026-11-01T00:00:00Z".into(),
        owner: None,
    }
}

fn source(file: &str, layer: &str, format: &str) -> SourceRow {
    SourceRow {
        id: format!("S-{layer}"),
        file: file.into(),
        format: format.into(),
        layer: layer.into(),
        sha256: "0".repeat(64),
        bytes: 10,
        records: 5,
        accepted: 5,
        first_time: Some("2026-10-01T00:00:00Z".into()),
        last_time: Some("2026-10-31T00:00:00Z".into()),
        completeness: "complete".into(),
        realm: Some("111".into()),
        ..SourceRow::default()
    }
}

/// A rule result.
pub fn rule(id: &str, outcome: &str) -> RuleResult {
    RuleResult {
        rule: id.into(),
        title: format!("Title of {id}"),
        table: "grant_facts".into(),
        population: 10,
        exceptions: 2,
        clean: 8,
        outcome: outcome.into(),
        reason: (outcome != "assessed").then(|| "no usage source".into()),
        ..RuleResult::default()
    }
}

/// A view with two findings, two sources, two rules.
pub fn view() -> View {
    let coverage = |layer: &str| CoverageRow {
        layer: layer.into(),
        outcome: "assessed".into(),
        covered_share: Some(1.0),
        sources: 1,
        records: 5,
        ..CoverageRow::default()
    };
    View {
        version: 1,
        tool: Tool { name: "overstay".into(), version: "0.1.0".into(), rules: 2 },
        entity: Some("Acme".into()),
        as_of: "2026-11-01T00:00:00Z".into(),
        report_id: "r".into(),
        sources: vec![
            source("ledger.csv", "ledger", "ledger-generic"),
            source("iam.json", "state", "aws-authorization-details"),
        ],
        coverage: vec![coverage("ledger"), coverage("state")],
        rules: vec![
            rule("GRT-003", "assessed"),
            RuleResult { exceptions: 0, clean: 10, ..rule("STD-001", "assessed") },
        ],
        findings: vec![finding("alice", Severity::High), finding("bob", Severity::Medium)],
        digests: BTreeMap::from([("rule_pack".into(), "a".repeat(64))]),
        ..View::default()
    }
}
