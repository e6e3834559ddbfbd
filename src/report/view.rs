//! The report's view: one frozen, serialisable structure that every format renders.
//!
//! `report.json` in the bundle is exactly this structure, so `overstay report BUNDLE` renders any
//! format later without the inputs. No renderer looks behind it and no renderer knows a rule.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::story::Story;
use super::text::words;
use crate::findings::{ControlRef, Finding, RuleResult};

/// Latest version of this structure. A view whose JSON holds all findings is of version 1; one that holds
/// the worst of them only ([`View::findings_total`]) is of version 2, so that a program which would take
/// them for all refuses it.
pub const VIEW_VERSION: u32 = 2;

/// Everything a report shows. Times are RFC 3339 UTC, durations seconds.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct View {
    /// Structure version.
    pub version: u32,
    /// Tool name and version.
    pub tool: Tool,
    /// Audited entity.
    pub entity: Option<String>,
    /// As-of time.
    pub as_of: String,
    /// Audited period.
    pub period: Option<(String, String)>,
    /// Deterministic id of the report (digest of inputs, settings, rules, as-of).
    pub report_id: String,
    /// Counts for the summary.
    pub summary: Summary,
    /// Evidence layers and what they cover.
    pub coverage: Vec<CoverageRow>,
    /// Sources.
    pub sources: Vec<SourceRow>,
    /// Quarantined records (at most [`View::MAX_QUARANTINE`]; the full list is in `facts/quarantine.parquet`).
    pub quarantine: Vec<QuarantineRow>,
    /// Files that were given and of which nothing could be read.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unread: Vec<UnreadRow>,
    /// Rule results in rule order.
    pub rules: Vec<RuleResult>,
    /// Findings, worst first ([`Finding::sort_key`]). The JSON form holds at most [`View::MAX_FINDINGS`].
    #[serde(serialize_with = "worst")]
    pub findings: Vec<Finding>,
    /// Number of findings when the JSON form leaves some out; `findings.jsonl` of the bundle holds all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub findings_total: Option<u64>,
    /// Fingerprints of the findings to fix first, at most ten, with the reason of the rank.
    pub fix_first: Vec<FixFirst>,
    /// Conclusions by framework.
    pub frameworks: Vec<FrameworkView>,
    /// Citations of the seed literature and the official ids they resolve to.
    pub crosswalk: Vec<CrosswalkRow>,
    /// Waivers.
    pub waivers: Vec<WaiverRow>,
    /// Changes against baseline or previous run; null when there is none.
    pub changes: Option<Changes>,
    /// What was not assessed: missing inputs, rules, blind spots.
    pub not_assessed: Vec<NotAssessed>,
    /// Data behind the charts.
    pub charts: Charts,
    /// Grant register, in ledger order (at most [`View::MAX_GRANTS`]; the full table is in `facts/grant_facts.parquet`).
    pub grants: Vec<GrantRow>,
    /// All about the grants of the worst open findings, at most ten, worst first.
    #[serde(default)]
    pub stories: Vec<Story>,
    /// Metrics over the whole of the inputs, in the order of the grants model, section 5.
    #[serde(default)]
    pub metrics: Vec<MetricRow>,
    /// Metrics of single principals, the most notable first, at most [`View::MAX_PRINCIPALS`].
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub principals: Vec<PrincipalRow>,
    /// Number of grants in the ledger.
    pub grants_total: u64,
    /// Settings in force as `name = value`, with those looser than their bound marked.
    pub settings: Vec<SettingRow>,
    /// Digests: inputs, settings, rule pack, baseline, waivers.
    pub digests: BTreeMap<String, String>,
}

/// Writes the worst findings: as trees of JSON all of a large run would not fit into the reader's memory.
fn worst<S: serde::Serializer>(findings: &[Finding], serializer: S) -> Result<S::Ok, S::Error> {
    findings.get(..View::MAX_FINDINGS).unwrap_or(findings).serialize(serializer)
}

impl View {
    /// Most findings in the JSON form.
    pub const MAX_FINDINGS: usize = 5_000;

    /// States version and total of the findings; called once the findings are final.
    pub fn count_findings(&mut self) {
        let cut = self.findings.len() > Self::MAX_FINDINGS;
        self.version = if cut { VIEW_VERSION } else { 1 };
        self.findings_total = cut.then(|| u64::try_from(self.findings.len()).unwrap_or(u64::MAX));
    }

    /// Whether findings were left out when this view was written as JSON.
    #[must_use]
    pub fn is_cut(&self) -> bool {
        let here = u64::try_from(self.findings.len()).unwrap_or(u64::MAX);
        self.findings_total.is_some_and(|n| n != here)
    }

    /// Puts back the findings that the JSON form left out, from the lines of `findings.jsonl`.
    ///
    /// # Errors
    /// A sentence when a line cannot be read, or the number of lines is not the stated total.
    pub fn complete(&mut self, lines: &[u8]) -> Result<(), String> {
        let mut all = Vec::new();
        let lines = lines.split(|b| *b == b'\n').filter(|l| !l.is_empty());
        for (i, line) in lines.enumerate() {
            all.push(serde_json::from_slice(line).map_err(|e| format!("line {}: {e}", i + 1))?);
        }
        self.findings = all;
        match self.findings_total {
            Some(n) if self.is_cut() => {
                Err(format!("{} findings, but report.json was written of {n}", self.findings.len()))
            }
            _ => Ok(()),
        }
    }

    /// Most quarantined records shown.
    pub const MAX_QUARANTINE: usize = 200;
    /// Most grants shown.
    pub const MAX_GRANTS: usize = 2000;
    /// Most principals with metrics of their own.
    pub const MAX_PRINCIPALS: usize = 25;
}

/// One metric: a pair of bounds, or why there is none.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct MetricRow {
    /// Id (`idle_hours`).
    pub metric: String,
    /// What it says.
    pub title: String,
    /// Unit: `h`, `share`, `ratio`, `count`, `radius`, `radius_h`.
    pub unit: String,
    /// Lower bound.
    pub lo: Option<f64>,
    /// Upper bound; null when none is known.
    pub hi: Option<f64>,
    /// `assessed`, `not_assessed`, `not_applicable`.
    pub outcome: String,
    /// Why it is not assessed or not applicable.
    pub reason: Option<String>,
    /// Items that it is over.
    pub items: u64,
}

/// Metrics of one principal. Pairs are proved and possible; null where nothing tells.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct PrincipalRow {
    /// Principal.
    pub principal: String,
    /// Name, where the id does not tell it.
    pub name: Option<String>,
    /// Kind.
    pub kind: String,
    /// Hours of privilege held without a grant in force.
    pub standing_hours: Option<(f64, f64)>,
    /// Hours of privilege held.
    pub privilege_hours: Option<(f64, f64)>,
    /// Hours of access after the end of the task.
    pub overstay_hours: Option<(f64, f64)>,
    /// Granted hours without use.
    pub idle_hours: Option<(f64, f64)>,
    /// Reach, at least.
    pub blast_radius: Option<f64>,
    /// Grants that gave it access.
    pub grants: u64,
}

impl PrincipalRow {
    /// A pair of hours as a reader takes it.
    #[must_use]
    pub fn hours(pair: Option<(f64, f64)>) -> String {
        let one = |h: f64| format!("{h:.1}");
        match pair.map(|(lo, hi)| (one(lo), one(hi))) {
            None => "–".into(),
            Some((lo, hi)) if lo == hi => lo,
            Some((lo, hi)) => format!("{lo} to {hi}"),
        }
    }

    /// The cells of its row in a table: the four hours, reach and grants.
    #[must_use]
    pub fn cells(&self) -> [String; 6] {
        [
            Self::hours(self.standing_hours),
            Self::hours(self.privilege_hours),
            Self::hours(self.overstay_hours),
            Self::hours(self.idle_hours),
            self.blast_radius.map_or_else(|| "–".into(), |r| format!("{r:.0}")),
            self.grants.to_string(),
        ]
    }

    /// Heads of these cells.
    pub const HEADS: [&str; 6] =
        ["Standing h", "Privilege h", "After task h", "Idle h", "Reach", "Grants"];
}

impl MetricRow {
    /// The value as a reader takes it: `3.2 h`, `7 % to 12 %`, `at least 40`; the reason without one.
    #[must_use]
    pub fn shown(&self) -> String {
        let Some(lo) = self.lo else {
            let why = self.reason.as_deref().unwrap_or("no_source");
            return format!("{}: {}", self.outcome.replace('_', " "), words(why));
        };
        let (a, b) = (self.value(lo), self.hi.map(|hi| self.value(hi)));
        match b {
            None => format!("at least {a}"),
            Some(b) if a == b => a,
            Some(b) => format!("{a} to {b}"),
        }
    }

    fn value(&self, v: f64) -> String {
        match self.unit.as_str() {
            "share" => format!("{:.1} %", v * 100.0),
            "h" => format!("{v:.1} h"),
            "ratio" => format!("{v:.1} times"),
            _ => format!("{v:.0}"),
        }
    }
}

/// Tool identity.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Tool {
    /// Name.
    pub name: String,
    /// Version.
    pub version: String,
    /// Number of rules in the pack.
    pub rules: usize,
}

/// Summary counts.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Summary {
    /// Open findings by severity word.
    pub open: BTreeMap<String, u64>,
    /// Of those, possible ones (not certain).
    pub possible: u64,
    /// Baselined findings.
    pub baselined: u64,
    /// Waived findings.
    pub waived: u64,
    /// Principals with standing privilege at T0 or T1.
    pub standing_privileged_principals: u64,
    /// Holdings standing at T0 or T1.
    pub standing_privileged: u64,
    /// Grants assessed for overstay.
    pub overstay_assessed: u64,
    /// Grants that outlived their task beyond the grace.
    pub overstayed: u64,
    /// Median of their excess, seconds.
    pub overstay_median_s: Option<i64>,
    /// 95th percentile of their excess, seconds.
    pub overstay_p95_s: Option<i64>,
    /// Of these, grants whose evidence chain lacks nothing that their ledger, or the inputs, record for others.
    pub complete_grants: u64,
    /// Grants that gave access; denied and pending requests are not among them.
    pub grants: u64,
    /// Principals, entitlements, tasks, usage records.
    pub principals: u64,
    /// Principals by kind (`human`, `role`, `agent`, ...); kinds without any are left out.
    #[serde(default)]
    pub principal_kinds: BTreeMap<String, u64>,
    /// Entitlements.
    pub entitlements: u64,
    /// Holdings that the platform itself makes and would make again, by platform: counted, never a finding.
    #[serde(default)]
    pub provider_holdings: BTreeMap<String, u64>,
    /// Holdings whose role the inputs do not define, by the embedded catalogue that stands in, with its date.
    #[serde(default)]
    pub embedded_content: BTreeMap<String, u64>,
    /// Tasks.
    pub tasks: u64,
    /// Usage records.
    pub usage: u64,
    /// Records read, accepted, quarantined.
    pub records: u64,
    /// Records in quarantine.
    pub quarantined: u64,
    /// Rules assessed, partial, not assessed.
    pub rules_assessed: u64,
    /// Rules with part of their population untested.
    pub rules_partial: u64,
    /// Rules that could not run.
    pub rules_not_assessed: u64,
}

/// Coverage of one layer.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct CoverageRow {
    /// Layer word.
    pub layer: String,
    /// `assessed`, `partial`, `not_assessed`.
    pub outcome: String,
    /// Reason.
    pub reason: Option<String>,
    /// Start of the window.
    pub window_start: Option<String>,
    /// End of the window.
    pub window_end: Option<String>,
    /// Share of the period.
    pub covered_share: Option<f64>,
    /// Sources.
    pub sources: u64,
    /// Records.
    pub records: u64,
    /// Quarantined.
    pub quarantined: u64,
}

/// One source.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct SourceRow {
    /// Source id.
    pub id: String,
    /// File.
    pub file: String,
    /// Format.
    pub format: String,
    /// Layer.
    pub layer: String,
    /// SHA-256.
    pub sha256: String,
    /// Bytes.
    pub bytes: u64,
    /// Records.
    pub records: u64,
    /// Accepted.
    pub accepted: u64,
    /// Quarantined.
    pub quarantined: u64,
    /// First record time.
    pub first_time: Option<String>,
    /// Last record time.
    pub last_time: Option<String>,
    /// Completeness.
    pub completeness: String,
    /// Limitation.
    pub limitation: Option<String>,
    /// Account, tenant or cluster covered; null when the format does not say.
    #[serde(default)]
    pub realm: Option<String>,
    /// End of the window the source covers; null when unknown.
    #[serde(default)]
    pub window_end: Option<String>,
}

/// One quarantined record.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct QuarantineRow {
    /// File.
    pub file: String,
    /// Place.
    pub place: String,
    /// Reason.
    pub reason: String,
}

/// A file of which nothing could be read.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct UnreadRow {
    /// File.
    pub file: String,
    /// Why, one sentence with the place where it is known.
    pub why: String,
    /// What to do about it.
    pub remedy: String,
}

/// A finding to fix first.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct FixFirst {
    /// Fingerprint.
    pub fingerprint: String,
    /// Why it ranks here.
    pub why: String,
}

/// One framework with its conclusions.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct FrameworkView {
    /// Id (`nist-800-53-r5`).
    pub id: String,
    /// Name.
    pub name: String,
    /// Version.
    pub version: String,
    /// Note on wording (tenets, outcomes).
    pub note: Option<String>,
    /// Conclusions in catalogue order.
    pub conclusions: Vec<Conclusion>,
}

/// Conclusion on one control, in the fixed vocabulary of the compliance specification, section 6.1.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Conclusion {
    /// Framework id.
    pub framework: String,
    /// Control id.
    pub control: String,
    /// Title.
    pub title: String,
    /// `exceptions_noted`, `exceptions_accepted`, `no_exceptions_noted`, `partially_assessed`, `not_assessed`, `not_applicable`.
    pub conclusion: String,
    /// Sentence in the wording of the specification.
    pub statement: String,
    /// Items tested.
    pub population: u64,
    /// Open exceptions under rules that test the control.
    pub exceptions: u64,
    /// Waived or baselined exceptions.
    pub accepted: u64,
    /// Items not assessed.
    pub not_assessed: u64,
    /// Rules that test the control.
    pub rules_testing: Vec<String>,
    /// Rules that support it.
    pub rules_supporting: Vec<String>,
    /// What is missing for a full assessment.
    pub gaps: Vec<String>,
    /// Fingerprints of findings (at most fifty).
    pub findings: Vec<String>,
}

/// A citation and the official ids it resolves to.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct CrosswalkRow {
    /// Framework as cited.
    pub cited_framework: String,
    /// Id as cited.
    pub cited_id: String,
    /// What the citation means to say.
    pub meaning: String,
    /// What the official catalogue says about that number.
    pub verdict: String,
    /// Official ids (`framework id`), first is primary.
    pub official: Vec<ControlRef>,
}

/// One waiver.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct WaiverRow {
    /// Id.
    pub id: String,
    /// `active`, `warning` (14 days left), `urgent` (7 days left), `expired`, `unused`, `invalid`.
    pub state: String,
    /// What it matches.
    pub matches: String,
    /// Reason.
    pub reason: Option<String>,
    /// Owner.
    pub owner: Option<String>,
    /// Approver.
    pub approver: Option<String>,
    /// Ticket.
    pub ticket: Option<String>,
    /// Expiry.
    pub expires: Option<String>,
    /// Findings matched.
    pub matched: u64,
}

/// Changes against a baseline or an earlier bundle. Values are fingerprints.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Changes {
    /// What it was compared with.
    pub against: String,
    /// Not there before.
    pub new: Vec<String>,
    /// There before, in another state.
    pub updated: Vec<String>,
    /// There before, unchanged.
    pub unchanged: u64,
    /// Gone, and its sources were read again.
    pub absent: Vec<String>,
    /// Gone, but its sources were not read again.
    pub unknown: Vec<String>,
}

/// Something not assessed.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct NotAssessed {
    /// `rule`, `layer`, `framework`, `input`, `ignored` (left out by the settings), `blind_spot`.
    pub kind: String,
    /// What.
    pub what: String,
    /// Why.
    pub why: String,
    /// What would make it assessable.
    pub remedy: Option<String>,
    /// Items concerned; 0 when not countable.
    pub items: u64,
}

/// Data behind the charts.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Charts {
    /// Standing holdings by platform and tier.
    pub standing: Vec<StandingCount>,
    /// Overstay as a cumulative curve: (excess seconds, share of assessed grants with at most this excess); at most 200 points.
    pub overstay_curve: Vec<(i64, f64)>,
    /// Grace line of the curve, seconds.
    pub overstay_grace_s: i64,
    /// Ledger to IAM reconciliation: label (`matched`, `drift`, `shadow`, `residue`, `still present`, `missing`, `not assessed`) and count.
    pub reconciliation: Vec<(String, u64)>,
    /// Evidence completeness: component, grants with it, grants assessed.
    pub completeness: Vec<(String, u64, u64)>,
    /// Strips of the worst exceptions, at most ten.
    pub strips: Vec<Strip>,
}

/// Standing holdings of one platform and tier.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct StandingCount {
    /// Platform.
    pub platform: String,
    /// Tier, `unknown` when the content is not known.
    pub tier: String,
    /// Holdings.
    pub count: u64,
}

/// Timeline of one exception.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Strip {
    /// Fingerprint of the finding.
    pub fingerprint: String,
    /// Title.
    pub title: String,
    /// Bars from top to bottom.
    pub bars: Vec<Bar>,
    /// Instants.
    pub marks: Vec<Mark>,
}

/// One bar of a strip.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Bar {
    /// Lane label: `Task`, `Grant`, `IAM`, `Use`, `Credential`, `Cell`.
    pub lane: String,
    /// Kind: `task`, `grant`, `excess`, `state`, `use`, `credential`, `cell`, `cell_high` (critical or high).
    pub kind: String,
    /// Start, RFC 3339.
    pub from: String,
    /// End, RFC 3339; null = open at the as-of time.
    pub until: Option<String>,
    /// Text on or beside the bar; may be empty.
    pub label: String,
}

/// One instant of a strip.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Mark {
    /// Lane label.
    pub lane: String,
    /// Time, RFC 3339.
    pub at: String,
    /// Text (`requested`, `approved by x`).
    pub label: String,
}

/// One grant of the register.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct GrantRow {
    /// Grant id.
    pub grant_id: String,
    /// Principal.
    pub principal: String,
    /// Person behind it.
    pub on_behalf_of: Option<String>,
    /// Privilege.
    pub privilege: String,
    /// Scope.
    pub scope: Option<String>,
    /// Tier.
    pub tier: Option<String>,
    /// Requester.
    pub requester: Option<String>,
    /// Approver.
    pub approver: Option<String>,
    /// Start.
    pub started_at: Option<String>,
    /// Authorised end.
    pub not_after: Option<String>,
    /// End.
    pub ended_at: Option<String>,
    /// How it ended.
    pub end_kind: String,
    /// Task.
    pub task_id: Option<String>,
    /// End of the task.
    pub task_ended_at: Option<String>,
    /// Certain overstay, seconds.
    pub overstay_s: Option<i64>,
    /// Uses.
    pub use_count: Option<i64>,
    /// The evidence chain lacks nothing that its ledger, or the inputs, record for others.
    pub complete: bool,
    /// What is missing.
    pub missing: Vec<String>,
    /// Findings.
    pub findings: Vec<String>,
}

/// One setting.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct SettingRow {
    /// Name.
    pub name: String,
    /// Value with unit.
    pub value: String,
    /// Default value with unit.
    pub default: String,
    /// Looser than the bound that frameworks and common practice allow.
    pub loosened: bool,
}
