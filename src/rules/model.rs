//! The rule file as typed data.

use std::collections::BTreeMap;

use serde::Deserialize;

/// One rule, as its YAML file states it.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rule {
    /// Id: family and number (`GRT-003`). Never reused.
    pub id: String,
    /// Title, sentence case, no period.
    pub title: String,
    /// What it detects, one or two sentences.
    pub description: String,
    /// Why it matters, for the rule reference.
    pub why: String,
    /// Evidence layers without which nothing can be said (`ledger`, `task`, `state`, `usage`,
    /// `credential`, `owner`, `review`, or `baseline`, `waivers`, `settings:<key>`). A missing one makes the rule
    /// not assessed and is named.
    #[serde(default)]
    pub needs: Vec<String>,
    /// Rows that are tested.
    pub population: Population,
    /// True = exception (certain), false = clean, null = not assessed.
    pub exception: String,
    /// Optional: rows for which `exception` is not true but this is true are *possible* exceptions.
    #[serde(default)]
    pub possible: Option<String>,
    /// Null column -> reason code, tried in order of the file, when `exception` or `where` is null.
    /// The value may name another column that holds the reason: `"@task_unknown"`.
    #[serde(default)]
    pub not_assessed: Vec<BTreeMap<String, String>>,
    /// `tier`, `tier+1`, `tier-1`, `tier of COLUMN` for a tier in another column, or a fixed word.
    pub severity: SeverityBasis,
    /// Severity modifiers; together at most one step up or down.
    #[serde(default)]
    pub modifiers: Vec<Modifier>,
    /// `high`, `medium` or `low`.
    pub confidence: String,
    /// Columns of the fingerprint and of the finding's identity fields.
    #[serde(default)]
    pub identity: Identity,
    /// Columns that make the state digest: a change of any makes the finding `updated`.
    #[serde(default)]
    pub state: Vec<String>,
    /// Columns copied into `evidence` of the finding.
    pub evidence: Vec<String>,
    /// Message template (minijinja; columns of the table, `limits`, filters `duration`, `date`, `list`).
    pub message: String,
    /// What to do.
    pub remediation: String,
    /// Framework id -> control ids; the first id of a list tests the control, later ones support it,
    /// except in `owasp-asi-2026`, `csa-maestro-2025` and `nist-ai-rmf-1.0`, where all support.
    #[serde(default)]
    pub controls: BTreeMap<String, Vec<String>>,
    /// Known false positives that the tests of this rule cover.
    #[serde(default)]
    pub false_positives: Vec<String>,
    /// Tests.
    pub tests: Vec<RuleTest>,
}

/// Which rows are tested.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Population {
    /// Fact table.
    pub table: String,
    /// Filter: true is in, false is out, null is counted as not assessed. Absent = all rows.
    #[serde(default, rename = "where")]
    pub filter: Option<String>,
    /// What one row is, plural, for sentences ("grants with a task").
    pub items: String,
}

/// Basis of the severity.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
#[serde(transparent)]
pub struct SeverityBasis(pub String);

/// One severity modifier.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Modifier {
    /// Predicate over the same table; applies when true.
    pub when: String,
    /// `up` or `down`.
    pub step: String,
    /// Reason, as printed in `severity_reasons`.
    pub reason: String,
}

/// Columns that identify the finding. Empty strings mean "the column of the same name if the table has it".
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Identity {
    /// Principal column (default `principal_id`).
    pub subject: String,
    /// Privilege column (default `privilege`).
    pub privilege: String,
    /// Scope column (default `scope`).
    pub scope: String,
    /// Grant, credential, waiver or source column, where the rule is per item (default none).
    pub item: String,
}

/// One test in a rule file.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RuleTest {
    /// What the case shows.
    pub name: String,
    /// Rows of the population table; columns left out are null (or empty for non-null columns).
    pub given: Vec<BTreeMap<String, serde_json::Value>>,
    /// Limits that differ from the defaults.
    #[serde(default)]
    pub limits: BTreeMap<String, f64>,
    /// Expected outcome per row: `exception`, `possible`, `clean`, `not_assessed`, `out`.
    pub expect: Vec<String>,
    /// Expected severity of the exceptions, in order; optional.
    #[serde(default)]
    pub severity: Vec<String>,
    /// Expected reasons of the rows not assessed, in order; optional.
    #[serde(default)]
    pub reasons: Vec<String>,
}
