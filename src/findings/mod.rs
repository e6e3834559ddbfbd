//! Findings: what a rule found, in the stable form that every output shares.
//!
//! One of the two contracts of the house; imports nothing of ours but [`crate::facts`] vocabulary.
//! The JSON form is one line of `findings.jsonl`; keys and their meaning are stable.

mod evidence;
pub mod fingerprint;
pub mod scope;

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

pub use evidence::Evidence;
pub(crate) use evidence::put_text;

use crate::facts::Text;

/// Severity, ordered from harmless to worst.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// For information; never fails a gate by default.
    Info,
    /// Low.
    Low,
    /// Medium.
    Medium,
    /// High.
    High,
    /// Critical.
    Critical,
}

impl Severity {
    /// All severities, harmless first.
    pub const ALL: [Self; 5] = [Self::Info, Self::Low, Self::Medium, Self::High, Self::Critical];

    /// Lower-case word.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Info => "info",
            Self::Low => "low",
            Self::Medium => "medium",
            Self::High => "high",
            Self::Critical => "critical",
        }
    }

    /// Reads the lower-case word.
    #[must_use]
    pub fn from_word(s: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|v| v.as_str() == s)
    }

    /// One step up, at most critical.
    #[must_use]
    pub fn up(self) -> Self {
        match self {
            Self::Info => Self::Low,
            Self::Low => Self::Medium,
            Self::Medium => Self::High,
            Self::High | Self::Critical => Self::Critical,
        }
    }

    /// One step down, at least info.
    #[must_use]
    pub fn down(self) -> Self {
        match self {
            Self::Critical => Self::High,
            Self::High => Self::Medium,
            Self::Medium => Self::Low,
            Self::Low | Self::Info => Self::Info,
        }
    }
}

impl std::fmt::Display for Severity {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Whether a finding counts.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// Neither in the baseline nor waived.
    #[default]
    Open,
    /// Accepted by the baseline, unchanged.
    Baselined,
    /// Covered by a valid waiver.
    Waived,
}

impl Status {
    /// Lower-case word.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Baselined => "baselined",
            Self::Waived => "waived",
        }
    }
}

/// One evidence record behind a finding.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct SourceRef {
    /// File as named in the manifest.
    pub file: Text,
    /// Place: `L<line>`, `R<row>` or a JSON pointer.
    #[serde(rename = "ref")]
    pub place: String,
    /// SHA-256 of the file.
    pub sha256: Text,
}

/// One control a finding touches.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct ControlRef {
    /// Framework id with version (`nist-800-53-r5`).
    pub framework: String,
    /// Control id (`AC-6`).
    pub id: String,
    /// `tests` when the exception is by itself an exception of the control, else `supports`.
    pub relation: String,
}

/// One finding. Optional keys are written as null, so that every line has the same keys.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Finding {
    /// Identity of the finding across runs (see [`fingerprint`]); 64 hex digits.
    pub fingerprint: String,
    /// Digest of the state found; differs when the exception became wider, longer or stronger.
    pub state_digest: String,
    /// Rule id.
    pub rule: String,
    /// Rule title.
    pub title: Text,
    /// Severity.
    pub severity: Severity,
    /// Why this severity.
    pub severity_reasons: Vec<String>,
    /// `certain` or `possible`.
    pub certainty: String,
    /// Confidence of the rule: `high`, `medium`, `low`.
    pub confidence: String,
    /// Open, baselined or waived.
    pub status: Status,
    /// The platform's own full identifier of the principal.
    pub principal: Option<String>,
    /// Kind of the principal.
    pub principal_kind: Option<String>,
    /// Privilege.
    pub privilege: Option<String>,
    /// Scope.
    pub scope: Option<String>,
    /// Platform.
    pub platform: Option<String>,
    /// Tier `T0`..`T4`.
    pub tier: Option<String>,
    /// The ledger's own grant id.
    pub grant_id: Option<String>,
    /// Task id.
    pub task_id: Option<String>,
    /// Truncated credential id.
    pub credential_id: Option<String>,
    /// What was found, one sentence.
    pub message: String,
    /// What to do.
    pub remediation: Text,
    /// Values the rule names as evidence.
    pub evidence: Evidence,
    /// Evidence records.
    pub sources: Vec<SourceRef>,
    /// Controls; all findings of a rule share one list.
    pub controls: Arc<[ControlRef]>,
    /// First time this fingerprint was seen (RFC 3339): from the baseline or history, else the as-of time.
    pub first_seen: Text,
    /// Owner of the principal.
    pub owner: Option<String>,
}

impl Finding {
    /// Whether the finding is about the evidence itself (family EVD), not about access: such findings
    /// have a place of their own in reports.
    #[must_use]
    pub fn about_evidence(&self) -> bool {
        self.rule.starts_with("EVD-")
    }

    /// Steps of the path that the evidence holds, each with the identifier of its technique; empty for
    /// findings that are not about a path.
    #[must_use]
    pub fn path_steps(&self) -> Vec<(Option<String>, String)> {
        let list = |name: &str| -> Vec<String> {
            let values = self.evidence.get(name);
            let values = values.as_ref().and_then(|v| v.as_array()).into_iter().flatten();
            values.filter_map(|s| s.as_str().map(str::to_owned)).collect()
        };
        let (steps, techniques) = (list("path"), list("path_techniques"));
        let mut techniques = techniques.into_iter();
        steps.into_iter().map(|s| (techniques.next(), s)).collect()
    }

    /// Where that path ends, in words.
    #[must_use]
    pub fn path_end(&self) -> Option<String> {
        let values = self.evidence.to_map();
        let text = |name: &str| values.get(name).and_then(|v| v.as_str());
        let end = text("path_end")?;
        let admin = text("escalates_to_admin").is_some_and(|w| w != "no");
        let tier = text("path_tier").unwrap_or("unknown");
        // An end that is no principal is a phrase, with names of its own in it.
        let phrase = end.contains('`');
        let quoted = if phrase { end.to_owned() } else { format!("`{end}`") };
        Some(match (text("path_gain"), admin) {
            (Some("potential"), _) => format!("{quoted}, if such a resource exists"),
            (_, true) if phrase => quoted,
            (_, true) => format!("administrator, as {quoted}"),
            _ => format!("{quoted}, tier {tier}"),
        })
    }

    /// The narrower policy that the finding proposes, set on lines; `None` when it proposes none.
    #[must_use]
    pub fn proposal(&self) -> Option<String> {
        let proposal = self.evidence.get("proposal")?;
        let value: serde_json::Value = serde_json::from_str(proposal.as_str()?).ok()?;
        serde_json::to_string_pretty(&value).ok()
    }

    /// Order of all lists of findings: worst first, certain before possible, then stable keys.
    #[must_use]
    pub fn sort_key(&self) -> (std::cmp::Reverse<Severity>, bool, &str, &str, &str) {
        (
            std::cmp::Reverse(self.severity),
            self.certainty != "certain",
            &self.rule,
            self.principal.as_deref().unwrap_or(""),
            &self.fingerprint,
        )
    }
}

/// What became of one rule: population = exceptions + clean + not assessed, always.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct RuleResult {
    /// Rule id.
    pub rule: String,
    /// Rule title.
    pub title: String,
    /// Table the rule reads.
    pub table: String,
    /// Rows for which `where` is true or undecided.
    pub population: u64,
    /// Rows with an exception (certain or possible).
    pub exceptions: u64,
    /// Rows tested and clean.
    pub clean: u64,
    /// Rows that could not be tested.
    pub not_assessed: u64,
    /// Not-assessed rows by reason.
    pub reasons: BTreeMap<String, u64>,
    /// `assessed`, `partial` (some rows not assessed, or coverage partial), `not_assessed` (nothing could be tested).
    pub outcome: String,
    /// Why the outcome is not `assessed`; names the missing input.
    pub reason: Option<String>,
    /// Controls of the rule.
    pub controls: Vec<ControlRef>,
    /// Limits of the settings that the rule used, as `name=value`.
    pub limits: BTreeMap<String, String>,
}

impl RuleResult {
    /// Adds the counts of the same rule over other rows. Counts are sums, so the order does not matter and
    /// population = exceptions + clean + not assessed holds for the sum if it holds for both. What is said
    /// of the rule as a whole (title, outcome, limits) stays.
    pub fn absorb(&mut self, other: Self) {
        self.population += other.population;
        self.exceptions += other.exceptions;
        self.clean += other.clean;
        self.not_assessed += other.not_assessed;
        for (reason, n) in other.reasons {
            *self.reasons.entry(reason).or_default() += n;
        }
    }
}
