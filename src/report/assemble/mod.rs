//! Builds the [`View`] from what a run knows. Everything a report states is computed here, once.

mod charts;
mod gaps;
mod ranking;
mod settings;
mod stories;
mod strips;
mod summary;

use std::collections::BTreeMap;

use super::view::{
    Changes, CoverageRow, CrosswalkRow, FrameworkView, GrantRow, MetricRow, NotAssessed,
    PrincipalRow, QuarantineRow, SourceRow, Tool, VIEW_VERSION, View, WaiverRow,
};
use crate::facts::{Derived, Facts, GrantFact, Metric, PrincipalMetric, Time};
use crate::findings::fingerprint::digest;
use crate::findings::{Finding, RuleResult};
use crate::settings::Settings;

/// What a report is made of.
#[derive(Clone, Debug)]
pub struct Assemble<'a> {
    /// Settings in force.
    pub settings: &'a Settings,
    /// As-of time.
    pub as_of: Time,
    /// Audited period.
    pub period: Option<(Time, Time)>,
    /// Base facts.
    pub facts: &'a Facts,
    /// Number of entitlements read; their rows may be gone.
    pub entitlements: usize,
    /// Derived facts.
    pub derived: &'a Derived,
    /// Rule results in rule order.
    pub results: Vec<RuleResult>,
    /// Findings.
    pub findings: Vec<Finding>,
    /// Conclusions by framework.
    pub frameworks: Vec<FrameworkView>,
    /// Citations and the ids they resolve to.
    pub crosswalk: Vec<CrosswalkRow>,
    /// Waivers.
    pub waivers: Vec<WaiverRow>,
    /// Changes against a baseline or an earlier run.
    pub changes: Option<Changes>,
    /// What no input of ours can show.
    pub blind_spots: Vec<NotAssessed>,
    /// Files of no known format, with what they seem to be.
    pub unknown_files: Vec<(String, String)>,
    /// Files that could not be read, with the error.
    pub failed_files: Vec<(String, String)>,
    /// Digests of inputs, settings, rules, baseline, waivers.
    pub digests: BTreeMap<String, String>,
    /// Number of rules in the pack.
    pub rules_total: usize,
}

/// Builds the view.
#[must_use]
pub fn assemble(mut input: Assemble<'_>) -> View {
    if !input.findings.is_sorted_by(|a, b| a.sort_key() <= b.sort_key()) {
        input.findings.sort_by(|a, b| a.sort_key().cmp(&b.sort_key()));
    }
    let period = input.period.map(|(a, b)| (a.to_rfc3339(), b.to_rfc3339()));
    let report_id = report_id(&input);
    let summary = summary::summary(&input);
    let coverage = coverage(&input);
    let fix_first = ranking::fix_first(&input.findings, input.derived);
    let unread = gaps::unread(&input);
    let not_assessed = gaps::not_assessed(&input, &unread);
    let charts = charts::charts(&input);
    let grants = grants(input.derived, &input.findings);
    let stories = stories::stories(&input.findings, input.facts, input.derived, input.as_of);
    let mut view = View {
        version: VIEW_VERSION,
        tool: Tool {
            name: env!("CARGO_PKG_NAME").into(),
            version: env!("CARGO_PKG_VERSION").into(),
            rules: input.rules_total,
        },
        entity: input.settings.entity.clone(),
        as_of: input.as_of.to_rfc3339(),
        report_id,
        period,
        summary,
        coverage,
        sources: sources(input.facts),
        quarantine: quarantine(input.facts),
        unread,
        rules: input.results,
        fix_first,
        frameworks: input.frameworks,
        crosswalk: input.crosswalk,
        waivers: input.waivers,
        changes: input.changes,
        not_assessed,
        charts,
        grants,
        stories,
        metrics: metrics(input.derived),
        principals: principals(input.derived),
        grants_total: number(input.derived.grant_facts.len()),
        settings: settings::rows(input.settings),
        digests: input.digests,
        findings: input.findings,
        findings_total: None,
    };
    view.count_findings();
    view
}

fn metrics(derived: &Derived) -> Vec<MetricRow> {
    let row = |m: &Metric| MetricRow {
        metric: m.metric.to_string(),
        title: m.title.to_string(),
        unit: m.unit.to_string(),
        lo: m.lo,
        hi: m.hi,
        outcome: m.outcome.to_string(),
        reason: owned(m.reason.as_ref()),
        items: unsigned(m.items),
    };
    derived.metrics.iter().map(row).collect()
}

fn principals(derived: &Derived) -> Vec<PrincipalRow> {
    let row = |m: &PrincipalMetric| PrincipalRow {
        principal: m.principal_id.to_string(),
        name: owned(m.principal_name.as_ref()),
        kind: m.principal_kind.as_str().to_owned(),
        standing_hours: m.standing_hours.zip(m.standing_hours_hi),
        privilege_hours: m.privilege_hours.zip(m.privilege_hours_hi),
        overstay_hours: m.overstay_hours.zip(m.overstay_hours_hi),
        idle_hours: m.idle_hours.zip(m.idle_hours_hi),
        blast_radius: m.blast_radius,
        grants: unsigned(m.n_grants),
    };
    derived.principal_metrics.iter().take(View::MAX_PRINCIPALS).map(row).collect()
}

fn number(n: usize) -> u64 {
    u64::try_from(n).unwrap_or(u64::MAX)
}

fn unsigned(n: i64) -> u64 {
    u64::try_from(n).unwrap_or(0)
}

fn owned(s: Option<&crate::facts::Text>) -> Option<String> {
    s.map(ToString::to_string)
}

fn instant(t: Option<Time>) -> Option<String> {
    t.map(Time::to_rfc3339)
}

/// Same inputs, settings, rules and as-of time give the same id.
fn report_id(input: &Assemble<'_>) -> String {
    let as_of = input.as_of.to_rfc3339();
    let (from, until) = input
        .period
        .map_or((String::new(), String::new()), |(a, b)| (a.to_rfc3339(), b.to_rfc3339()));
    let mut fields = vec!["overstay-report-v1", env!("CARGO_PKG_VERSION"), &as_of, &from, &until];
    for (name, value) in &input.digests {
        fields.push(name);
        fields.push(value);
    }
    digest(&fields)
}

fn coverage(input: &Assemble<'_>) -> Vec<CoverageRow> {
    let rows = &input.derived.coverage;
    rows.iter()
        .filter(|c| c.coverage_id.starts_with("layer:"))
        .map(|c| CoverageRow {
            layer: c.layer.as_str().into(),
            outcome: c.outcome.to_string(),
            reason: owned(c.reason.as_ref()),
            window_start: instant(c.window_start),
            window_end: instant(c.window_end),
            covered_share: c.covered_share,
            sources: number(
                rows.iter()
                    .filter(|s| s.layer == c.layer && !s.coverage_id.starts_with("layer:"))
                    .count(),
            ),
            records: unsigned(c.records),
            quarantined: unsigned(c.quarantined),
        })
        .collect()
}

fn sources(facts: &Facts) -> Vec<SourceRow> {
    facts
        .sources
        .iter()
        .map(|s| SourceRow {
            id: s.source_id.to_string(),
            file: s.file.to_string(),
            format: s.format.to_string(),
            layer: s.layer.as_str().into(),
            sha256: s.sha256.to_string(),
            bytes: unsigned(s.bytes),
            records: unsigned(s.records),
            accepted: unsigned(s.accepted),
            quarantined: unsigned(s.quarantined),
            first_time: instant(s.first_time),
            last_time: instant(s.last_time),
            completeness: s.completeness.as_str().into(),
            limitation: owned(s.limitation.as_ref()),
            realm: owned(s.realm.as_ref()),
            window_end: instant(s.window_end),
        })
        .collect()
}

fn quarantine(facts: &Facts) -> Vec<QuarantineRow> {
    let files: BTreeMap<&str, &str> =
        facts.sources.iter().map(|s| (&*s.source_id, &*s.file)).collect();
    facts
        .quarantine
        .iter()
        .take(View::MAX_QUARANTINE)
        .map(|q| QuarantineRow {
            file: files.get(&*q.source_id).map_or(&*q.source_id, |f| f).into(),
            place: q.source_ref.to_string(),
            reason: q.reason.to_string(),
        })
        .collect()
}

fn grants(derived: &Derived, findings: &[Finding]) -> Vec<GrantRow> {
    let mut by_grant: BTreeMap<(&str, Option<&str>), Vec<String>> = BTreeMap::new();
    for f in findings {
        if let Some(grant) = &f.grant_id {
            let key = (grant.as_str(), f.principal.as_deref());
            by_grant.entry(key).or_default().push(f.fingerprint.clone());
        }
    }
    derived
        .grant_facts
        .iter()
        .take(View::MAX_GRANTS)
        .map(|g| GrantRow {
            grant_id: g.grant_id.to_string(),
            principal: g.principal_id.to_string(),
            on_behalf_of: owned(g.on_behalf_of_id.as_ref()),
            privilege: g.privilege.to_string(),
            scope: owned(g.scope.as_ref()),
            tier: g.tier.map(|t| t.as_str().into()),
            requester: owned(g.requester_id.as_ref()),
            approver: owned(g.approver_id.as_ref()),
            started_at: instant(g.started_at),
            not_after: instant(g.not_after),
            ended_at: instant(g.ended_at),
            end_kind: g.end_kind.as_str().into(),
            task_id: owned(g.task_id.as_ref()),
            task_ended_at: instant(g.task_ended_at),
            overstay_s: g.overstay_s,
            use_count: g.use_count,
            complete: g.evidence_missing.is_empty(),
            missing: g.evidence_missing.iter().map(ToString::to_string).collect(),
            findings: by_grant
                .get(&(&*g.grant_id, Some(&*g.principal_id)))
                .cloned()
                .unwrap_or_default(),
        })
        .collect()
}

/// The grant facts that findings name, by grant id and principal: grant ids are unique in one ledger
/// only, so a pair that several grants share resolves to none.
fn grants_of<'a>(
    findings: &[&'a Finding],
    derived: &'a Derived,
) -> BTreeMap<(&'a str, &'a str), Option<&'a GrantFact>> {
    let mut out: BTreeMap<(&str, &str), Option<&GrantFact>> = findings
        .iter()
        .filter_map(|f| Some((f.grant_id.as_deref()?, f.principal.as_deref()?)))
        .map(|key| (key, None))
        .collect();
    if out.is_empty() {
        return out;
    }
    let mut seen = std::collections::BTreeSet::new();
    for g in &derived.grant_facts {
        let key = (&*g.grant_id, &*g.principal_id);
        if let Some(slot) = out.get_mut(&key) {
            *slot = seen.insert(key).then_some(g);
        }
    }
    out
}

#[cfg(test)]
mod tests;
