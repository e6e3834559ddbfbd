//! Builds the finding of an exception row.

use std::collections::BTreeMap;

use super::compile::Compiled;
use super::error::RuleError;
use super::eval::{Env, eval};
use super::severity::{Subject, judge};
use super::value::{Table, Value};
use crate::facts::{Source, Text, Tier, Time};
use crate::findings::fingerprint::{Identity, fingerprint, state_digest};
use crate::findings::{Evidence, Finding, SourceRef, Status};

/// Most evidence records that a finding lists.
pub const MAX_SOURCES: usize = 20;

/// Sources by id.
#[derive(Debug)]
pub struct Sources<'a> {
    by_id: BTreeMap<&'a str, &'a Source>,
    /// As-of time of the run as findings print it.
    as_of: Text,
}

impl<'a> Sources<'a> {
    /// Index of the sources of a run as of this time.
    #[must_use]
    pub fn new(sources: &'a [Source], as_of: Time) -> Self {
        let by_id = sources.iter().map(|s| (s.source_id.as_ref(), s)).collect();
        Self { by_id, as_of: as_of.to_rfc3339().into() }
    }

    /// Resolves `<source_id>#<place>` references: sorted, without repetition, at most twenty.
    ///
    /// A reference to no source keeps its text as the file, so that it is not silently lost.
    fn resolve(&self, refs: &Value) -> Vec<SourceRef> {
        let Value::List(refs) = refs else { return Vec::new() };
        let mut out: Vec<SourceRef> = refs
            .iter()
            .map(|text| {
                let (id, place) = text.split_once('#').unwrap_or((text, ""));
                let source = self.by_id.get(id);
                SourceRef {
                    file: source.map_or_else(|| id.into(), |s| s.file.clone()),
                    place: place.to_string(),
                    sha256: source.map_or_else(|| "".into(), |s| s.sha256.clone()),
                }
            })
            .collect();
        out.sort();
        out.dedup();
        out.truncate(MAX_SOURCES);
        out.shrink_to_fit();
        out
    }
}

/// The finding of a row.
///
/// # Errors
/// When the message cannot be written.
pub fn build(
    compiled: &Compiled<'_>,
    table: &Table,
    row: usize,
    certain: bool,
    (env, sources): (Env<'_>, &Sources<'_>),
) -> Result<Finding, RuleError> {
    let rule = compiled.rule;
    let text = |column: &str| table.text(column, row);
    let at = |column: Option<&str>| column.and_then(text);
    let subject = subject(table, row, compiled.tier_column, certain);
    let applied: Vec<(bool, &str)> = compiled
        .modifiers
        .iter()
        .filter(|(node, ..)| eval(node, table, row, env) == Value::Bool(true))
        .map(|(_, up, reason)| (*up, *reason))
        .collect();
    let (severity, severity_reasons) = judge(compiled.basis, subject, &applied);
    let tier = match subject {
        Subject::Known(t) | Subject::Possible(t) => Some(t.to_string()),
        Subject::Unknown => None,
    };
    let message = compiled
        .message
        .write(table, row, env)
        .map_err(|message| RuleError::Message { rule: rule.id.clone(), message })?;
    Ok(Finding {
        fingerprint: identify(compiled, table, row),
        state_digest: state(compiled, table, row),
        rule: rule.id.clone(),
        title: compiled.title.clone(),
        severity,
        severity_reasons,
        certainty: if certain { "certain" } else { "possible" }.into(),
        confidence: rule.confidence.clone(),
        status: Status::Open,
        principal: at(compiled.identity.subject),
        principal_kind: text("principal_kind"),
        privilege: at(compiled.identity.privilege),
        scope: at(compiled.identity.scope),
        platform: text("platform"),
        tier,
        grant_id: text("grant_id"),
        task_id: text("task_id"),
        credential_id: text("credential_id"),
        message,
        remediation: compiled.remediation.clone(),
        evidence: Evidence::written(&compiled.evidence, |c, out| {
            table.write_json(c, row, out);
        }),
        sources: sources.resolve(&table.get("refs", row)),
        controls: compiled.controls.clone(),
        first_seen: sources.as_of.clone(),
        owner: text("owner"),
    })
}

/// Tier that counts for the severity. For a possible exception the tier under undecided conditions
/// counts when it is stronger than the certain one.
fn subject(table: &Table, row: usize, column: &str, certain: bool) -> Subject {
    let tier = |column: &str| match table.get(column, row) {
        Value::Text(word) => Tier::from_word(&word),
        _ => None,
    };
    let known = tier(column);
    // `tier_possible` is the same tier under conditions; a column of its own has no such twin.
    match (known, tier("tier_possible").filter(|_| !certain && column == "tier")) {
        // Tiers are ordered from the strongest to the weakest.
        (Some(t), Some(p)) if p < t => Subject::Possible(p),
        (None, Some(p)) => Subject::Possible(p),
        (Some(t), _) => Subject::Known(t),
        (None, None) => Subject::Unknown,
    }
}

/// Fingerprint of the finding a row gives under a rule.
#[must_use]
pub fn identify(compiled: &Compiled<'_>, table: &Table, row: usize) -> String {
    let at = |column: Option<&str>| column.and_then(|c| table.text(c, row)).unwrap_or_default();
    fingerprint(&Identity {
        rule: &compiled.rule.id,
        realm: &at(Some("realm")),
        platform: &at(Some("platform")),
        principal: &at(compiled.identity.subject),
        privilege: &at(compiled.identity.privilege),
        scope: &at(compiled.identity.scope),
        item: &at(compiled.identity.item),
    })
}

/// State digest of a row. Null and empty text differ.
fn state(compiled: &Compiled<'_>, table: &Table, row: usize) -> String {
    let fields: Vec<String> = compiled
        .rule
        .state
        .iter()
        .map(|c| match table.get(c, row) {
            Value::Null => "null".to_string(),
            value => format!("={value}"),
        })
        .collect();
    state_digest(&fields.iter().map(String::as_str).collect::<Vec<_>>())
}

/// As [`merge`], of findings in pieces. Findings are large, and mostly all are different: then they stay
/// where they are, in the order in which they come.
#[must_use]
pub fn merge_pieces(pieces: Vec<Vec<Finding>>) -> Vec<Vec<Finding>> {
    let all = pieces.iter().flatten();
    let mut fingerprints: Vec<&str> = all.map(|f| f.fingerprint.as_str()).collect();
    fingerprints.sort_unstable();
    if fingerprints.array_windows().all(|[a, b]| a != b) {
        return pieces;
    }
    vec![merge(pieces.into_iter().flatten().collect())]
}

/// Makes one finding of those with one fingerprint, since a fingerprint names one exception across
/// runs. The worst stands for all; `occurrences` in its evidence says how many rows it stands for.
#[must_use]
pub fn merge(mut findings: Vec<Finding>) -> Vec<Finding> {
    // Stable: rows of equal weight keep the order of the table.
    findings.sort_by(|a, b| {
        a.fingerprint
            .cmp(&b.fingerprint)
            .then_with(|| b.severity.cmp(&a.severity))
            .then_with(|| (a.certainty != "certain").cmp(&(b.certainty != "certain")))
    });
    // Most findings are alone, so they stay where they are; of the others the first takes up the rest.
    let mut states: BTreeMap<String, Vec<String>> = BTreeMap::new();
    findings.dedup_by(|other, first| {
        let same = other.fingerprint == first.fingerprint;
        if same {
            first.sources.append(&mut other.sources);
            let states = states
                .entry(first.fingerprint.clone())
                .or_insert_with(|| vec![first.state_digest.clone()]);
            states.push(std::mem::take(&mut other.state_digest));
        }
        same
    });
    for first in &mut findings {
        let Some(mut states) = states.remove(&first.fingerprint) else { continue };
        first.sources.sort();
        first.sources.dedup();
        first.sources.truncate(MAX_SOURCES);
        first.evidence.insert("occurrences".into(), states.len().into());
        states.sort();
        states.dedup();
        first.state_digest = state_digest(&states.iter().map(String::as_str).collect::<Vec<_>>());
    }
    findings
}
