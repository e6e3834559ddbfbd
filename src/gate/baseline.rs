//! The baseline file: findings and holdings that were accepted.
//!
//! JSON lines: a header, then sorted body lines of two kinds. The header carries the SHA-256 of the
//! body, so a truncated or edited file is an error and never a silent pass. Lines are compared
//! without their line ends, so a checkout that changes those does no harm.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::facts::{self, Holding, PolicyInForce, Standing, Text};
use crate::findings::fingerprint::{is_sha256, sha256};
use crate::findings::scope::Scope;
use crate::findings::{Finding, Severity};
use crate::privilege::aws::compare::{Layer, Snapshot, document_digest};
use crate::report::View;

mod lines;

pub use lines::{DocumentLine, PolicyLine};
use lines::{Line, Order};

use super::compare::{Comparison, tier_stronger};
use super::held::{Held, Rewordings};
use super::scope::{Reread, SourceKey, scope_of};

/// Version of the file.
pub const BASELINE_VERSION: u32 = 2;

/// Largest baseline that is read, bytes.
const MAX_BYTES: u64 = 1 << 30;

/// Why a baseline cannot be used, or not be made.
#[derive(Debug, thiserror::Error)]
pub enum BaselineError {
    /// It cannot be read.
    #[error("cannot read baseline `{file}`: {source}; make one with `overstay baseline create`")]
    Read {
        /// File.
        file: String,
        /// Cause.
        source: std::io::Error,
    },
    /// It is not a baseline, or was changed.
    #[error(
        "baseline `{file}`, line {line}: {message}; restore it or make a new one with `overstay baseline create`"
    )]
    Corrupt {
        /// File.
        file: String,
        /// Line, from 1.
        line: usize,
        /// What is wrong.
        message: String,
    },
    /// It was written by a later version.
    #[error(
        "baseline `{file}` has schema version {version}, this version of overstay knows {BASELINE_VERSION}; use a newer overstay"
    )]
    Future {
        /// File.
        file: String,
        /// Its version.
        version: u64,
    },
    /// It is about something else.
    #[error("baseline `{file}` is of another scope: {why}")]
    OtherScope {
        /// File.
        file: String,
        /// How they differ.
        why: String,
    },
    /// The run cannot be a baseline.
    #[error("this run cannot become a baseline: {}", .0.join("; "))]
    Incomplete(Vec<String>),
}

/// Header line.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Header {
    /// Always `header`.
    pub kind: String,
    /// Version of the file.
    pub schema_version: u32,
    /// Digest of entity and realms.
    pub scope_id: String,
    /// Entity and realms.
    pub scope: Scope,
    /// Version of the tool that wrote it.
    pub tool_version: String,
    /// Digest of the rule pack.
    pub rule_pack: String,
    /// As-of time of the accepted run.
    pub as_of: String,
    /// Sources of the accepted run.
    pub sources: Vec<HeaderSource>,
    /// Records that could not be read, when the user accepted that.
    pub quarantined: u64,
    /// SHA-256 of the body lines, each ended by a line feed.
    pub body_sha256: String,
}

/// One source of the accepted run.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HeaderSource {
    /// File.
    pub file: String,
    /// Layer.
    pub layer: String,
    /// Format.
    pub format: String,
    /// Realm.
    pub realm: Option<String>,
}

/// An accepted finding.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FindingLine {
    /// Fingerprint.
    pub fingerprint: String,
    /// State digest.
    pub state_digest: String,
    /// Rule.
    pub rule: String,
    /// Severity.
    pub severity: Severity,
    /// Certainty.
    pub certainty: String,
    /// Tier.
    pub tier: Option<String>,
    /// First time it was seen.
    pub first_seen: String,
    /// Principal.
    pub principal: Option<String>,
    /// Privilege.
    pub privilege: Option<String>,
    /// Scope.
    pub scope: Option<String>,
    /// Evidence values, to tell wider from narrower when the state changes.
    pub evidence: BTreeMap<Text, Value>,
    /// Kinds of sources it rests on, to tell gone from not looked at.
    pub sources: BTreeSet<SourceKey>,
}

impl FindingLine {
    /// Line for a finding of a view.
    #[must_use]
    pub fn of(f: &Finding, view: &View) -> Self {
        let by_file: BTreeMap<&str, &crate::report::view::SourceRow> =
            view.sources.iter().map(|s| (s.file.as_str(), s)).collect();
        Self::with(f, &by_file, view)
    }

    fn with(
        f: &Finding,
        by_file: &BTreeMap<&str, &crate::report::view::SourceRow>,
        view: &View,
    ) -> Self {
        let mut sources: BTreeSet<SourceKey> = f
            .sources
            .iter()
            .filter_map(|r| by_file.get(&*r.file))
            .map(|s| SourceKey::of(s))
            .collect();
        if sources.is_empty() {
            // A finding without a file of its own (a missing thing) rests on all that was read.
            sources = view.sources.iter().map(SourceKey::of).collect();
        }
        Self {
            fingerprint: f.fingerprint.clone(),
            state_digest: f.state_digest.clone(),
            rule: f.rule.clone(),
            severity: f.severity,
            certainty: f.certainty.clone(),
            tier: f.tier.clone(),
            first_seen: f.first_seen.to_string(),
            principal: f.principal.clone(),
            privilege: f.privilege.clone(),
            scope: f.scope.clone(),
            evidence: f.evidence.to_map(),
            sources,
        }
    }
}

/// An accepted holding.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HoldingLine {
    /// Principal.
    pub principal: String,
    /// Privilege.
    pub privilege: String,
    /// Scope.
    pub scope: String,
    /// Tier; null when not known.
    pub tier: Option<String>,
    /// Standing state.
    pub standing: String,
    /// State digest.
    pub state: String,
}

impl HoldingLine {
    /// Line for a holding. Eligible roles and residue are not held: `None`, so that their becoming
    /// real shows as new.
    #[must_use]
    pub fn of(h: &Holding) -> Option<Self> {
        (!matches!(h.standing, Standing::Eligible | Standing::Residue)).then(|| Self {
            principal: h.principal_id.to_string(),
            privilege: h.privilege.to_string(),
            scope: h.scope.to_string(),
            tier: h.tier.map(|t| t.as_str().to_owned()),
            standing: h.standing.as_str().to_owned(),
            state: h.state.to_string(),
        })
    }

    fn key(&self) -> (String, String, String) {
        (self.principal.clone(), self.privilege.clone(), self.scope.clone())
    }
}

/// A baseline.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Baseline {
    /// Header.
    pub header: Header,
    /// Findings by fingerprint.
    pub findings: BTreeMap<String, FindingLine>,
    /// Holdings by principal, privilege and scope; several ways of holding the same stay apart.
    pub holdings: BTreeMap<(String, String, String), BTreeSet<HoldingLine>>,
    /// Policies in force on each principal.
    pub access: Snapshot,
}

impl Baseline {
    /// Baseline of a run. Waived findings are left out: a waiver ends, a baseline does not.
    ///
    /// # Errors
    /// When the run is incomplete: what it did not see would later look new, or be taken as gone.
    pub fn create(
        view: &View,
        held: &Held,
        allow_quarantined: bool,
    ) -> Result<Self, BaselineError> {
        let problems = incomplete(view, allow_quarantined);
        if !problems.is_empty() {
            return Err(BaselineError::Incomplete(problems));
        }
        let scope = scope_of(view);
        let mut sources: Vec<HeaderSource> = view
            .sources
            .iter()
            .map(|s| HeaderSource {
                file: s.file.clone(),
                layer: s.layer.clone(),
                format: s.format.clone(),
                realm: s.realm.clone(),
            })
            .collect();
        sources.sort();
        let mut out = Self {
            header: Header {
                kind: "header".into(),
                schema_version: BASELINE_VERSION,
                scope_id: scope.id(),
                scope,
                tool_version: view.tool.version.clone(),
                rule_pack: view.digests.get("rule_pack").cloned().unwrap_or_default(),
                as_of: view.as_of.clone(),
                sources,
                quarantined: view.sources.iter().map(|s| s.quarantined).sum(),
                body_sha256: String::new(),
            },
            findings: BTreeMap::new(),
            holdings: BTreeMap::new(),
            access: held.access.clone(),
        };
        let by_file = view.sources.iter().map(|s| (s.file.as_str(), s)).collect();
        for f in view.findings.iter().filter(|f| f.status != crate::findings::Status::Waived) {
            out.findings.insert(f.fingerprint.clone(), FindingLine::with(f, &by_file, view));
        }
        for h in &held.lines {
            out.holdings.entry(h.key()).or_default().insert(h.clone());
        }
        out.header.body_sha256 = sha256(&out.body());
        Ok(out)
    }

    /// Baseline of a new run that keeps what this one knows: first-seen times, the accepted line of
    /// a finding that did not change, and findings of which it cannot be said that they are gone.
    ///
    /// # Errors
    /// As [`Baseline::create`]; also when the run is of another scope.
    pub fn update(
        &self,
        view: &View,
        held: &Held,
        allow_quarantined: bool,
    ) -> Result<(Self, Comparison), BaselineError> {
        self.check_scope("given", view)?;
        let mut next = Self::create(view, held, allow_quarantined)?;
        let comparison = self.compare("baseline", view, &held.access);
        for (fingerprint, old) in &self.findings {
            match next.findings.get_mut(fingerprint) {
                Some(line)
                    if line.state_digest == old.state_digest && line.severity == old.severity =>
                {
                    line.clone_from(old);
                }
                Some(line) => line.first_seen.clone_from(&old.first_seen),
                None => {
                    if let Some(super::Change::Unknown(_)) = comparison.changes.get(fingerprint) {
                        next.findings.insert(fingerprint.clone(), old.clone());
                    }
                }
            }
        }
        next.header.body_sha256 = sha256(&next.body());
        Ok((next, comparison))
    }

    /// Compares the accepted findings with a run in which these policies are in force.
    #[must_use]
    pub fn compare(&self, name: &str, view: &View, access: &Snapshot) -> Comparison {
        let against = format!("{name} of {}", self.header.as_of);
        let mut rewordings = Rewordings::new(self, access);
        Comparison::new(
            &against,
            &self.findings,
            &view.findings,
            &Reread::of(view),
            Some(&mut rewordings),
        )
    }

    /// Refuses a baseline of another scope.
    ///
    /// # Errors
    /// When entity differs or no realm is common.
    pub fn check_scope(&self, file: &str, view: &View) -> Result<(), BaselineError> {
        match self.header.scope.differs(&scope_of(view)) {
            Some(why) => Err(BaselineError::OtherScope { file: file.to_owned(), why }),
            None => Ok(()),
        }
    }

    /// Change of one holding against the baseline: `new`, `wider` or `unchanged`; `None` when the
    /// baseline saw no IAM state and so cannot say. A holding whose state differs is wider unless
    /// its tier became lower: the digest alone does not tell more from less, and an acceptance does
    /// not cover what nobody saw.
    #[must_use]
    pub fn holding_change(
        &self,
        principal: &str,
        privilege: &str,
        scope: &str,
        tier: Option<&str>,
        state: &str,
    ) -> Option<&'static str> {
        if !self.header.sources.iter().any(|s| s.layer == "state") {
            return None;
        }
        let key = (principal.to_owned(), privilege.to_owned(), scope.to_owned());
        let Some(lines) = self.holdings.get(&key) else { return Some("new") };
        let covered = lines
            .iter()
            .any(|l| l.state == state || tier_stronger(l.tier.as_deref(), tier).is_lt());
        Some(if covered { "unchanged" } else { "wider" })
    }

    fn body(&self) -> Vec<u8> {
        let mut out = Vec::new();
        let findings = self.findings.values().cloned().map(Line::Finding);
        let holdings = self.holdings.values().flatten().cloned().map(Line::Holding);
        let documents = self.access.documents.iter().map(|(digest, text)| {
            Line::Document(DocumentLine { digest: digest.to_string(), text: text.to_string() })
        });
        let mut policies: Vec<PolicyLine> = self
            .access
            .principals
            .iter()
            .flat_map(|(principal, parts)| {
                parts.iter().map(|p| PolicyLine {
                    principal: principal.to_string(),
                    layer: p.layer.word(),
                    policy: p.role_id.to_string(),
                    digest: p.digest.as_ref().map(ToString::to_string),
                })
            })
            .collect();
        policies.sort_unstable();
        let policies = policies.into_iter().map(Line::Policy);
        for line in findings.chain(holdings).chain(documents).chain(policies) {
            // These types always serialise: string keys and no foreign writers.
            if serde_json::to_writer(&mut out, &line).is_ok() {
                out.push(b'\n');
            }
        }
        out
    }

    /// Text of the file.
    #[must_use]
    pub fn to_text(&self) -> String {
        let body = self.body();
        let header = Header { body_sha256: sha256(&body), ..self.header.clone() };
        let header = serde_json::to_string(&header).unwrap_or_default();
        format!("{header}\n{}", String::from_utf8_lossy(&body))
    }

    /// Reads a baseline file.
    ///
    /// # Errors
    /// When it is missing, corrupt or of a later version.
    pub fn load(path: &Path) -> Result<Self, BaselineError> {
        let file = path.display().to_string();
        let read = |source| BaselineError::Read { file: file.clone(), source };
        let size = std::fs::metadata(path).map_err(read)?.len();
        if size > MAX_BYTES {
            return Err(corrupt(
                &file,
                1,
                format!("is {size} bytes long; the most is {MAX_BYTES}"),
            ));
        }
        let text = String::from_utf8(std::fs::read(path).map_err(read)?).map_err(|e| {
            corrupt(&file, 1, format!("is not UTF-8 at byte {}", e.utf8_error().valid_up_to()))
        })?;
        Self::parse(&text, &file)
    }

    /// Reads baseline text. `file` names it in errors.
    ///
    /// # Errors
    /// When it is corrupt or of a later version.
    pub fn parse(text: &str, file: &str) -> Result<Self, BaselineError> {
        let bad = |line: usize, m: String| corrupt(file, line, m);
        let mut lines = text.lines();
        let first = lines.next().ok_or_else(|| bad(1, "is empty".into()))?;
        let header = parse_header(first, file)?;
        let body: Vec<&str> = lines.collect();
        let joined: Vec<u8> = body.iter().flat_map(|l| l.bytes().chain([b'\n'])).collect();
        let mut out = Self { header, ..Self::default() };
        let mut order = Order::default();
        let mut documents = Vec::new();
        let mut policies = Vec::new();
        for (i, line) in body.iter().enumerate() {
            let n = i + 2;
            let line: Line = serde_json::from_str(line).map_err(|e| bad(n, e.to_string()))?;
            if !order.allows(&line, &out.findings) {
                return Err(bad(n, "is not in the canonical order".into()));
            }
            match line {
                Line::Finding(f) if !is_sha256(&f.fingerprint) => {
                    return Err(bad(n, "the fingerprint is not 64 hex digits".into()));
                }
                Line::Finding(f) => {
                    out.findings.insert(f.fingerprint.clone(), f);
                }
                Line::Holding(h) => {
                    out.holdings.entry(h.key()).or_default().insert(h);
                }
                Line::Document(d) if *document_digest(&d.text) != *d.digest => {
                    return Err(bad(n, "the digest is not that of the document".into()));
                }
                Line::Document(d) => documents.push(facts::text(d.text)),
                Line::Policy(p) if Layer::from_word(&p.layer).is_none() => {
                    return Err(bad(n, format!("`{}` is no layer of policies", p.layer)));
                }
                Line::Policy(p) => policies.push(PolicyInForce {
                    principal_id: facts::text(p.principal),
                    layer: facts::text(p.layer),
                    role_id: facts::text(p.policy),
                    digest: p.digest.map(facts::text),
                }),
            }
        }
        out.access = Snapshot::new(&policies, &documents);
        if sha256(&joined) != out.header.body_sha256 {
            return Err(bad(
                1,
                "the digest of the body is not the one of the header: lines were changed, added or lost".into(),
            ));
        }
        Ok(out)
    }
}

fn corrupt(file: &str, line: usize, message: String) -> BaselineError {
    BaselineError::Corrupt { file: file.to_owned(), line, message }
}

fn parse_header(line: &str, file: &str) -> Result<Header, BaselineError> {
    let bad = |m: String| corrupt(file, 1, m);
    let value: Value =
        serde_json::from_str(line).map_err(|e| bad(format!("the header is not JSON: {e}")))?;
    if value.get("kind").and_then(Value::as_str) != Some("header") {
        return Err(bad("the first line is not the header of a baseline".into()));
    }
    // The version is looked at before the rest, whose keys a later version may have changed.
    match value.get("schema_version").and_then(Value::as_u64) {
        // Version 1 knew neither documents nor policies; the rest is the same.
        Some(v) if (1..=u64::from(BASELINE_VERSION)).contains(&v) => {}
        Some(v) if v > u64::from(BASELINE_VERSION) => {
            return Err(BaselineError::Future { file: file.to_owned(), version: v });
        }
        _ => return Err(bad("the header has no valid `schema_version`".into())),
    }
    let header: Header =
        serde_json::from_value(value).map_err(|e| bad(format!("the header: {e}")))?;
    if header.scope.id() != header.scope_id {
        return Err(bad("the scope id is not that of entity and realms".into()));
    }
    Ok(header)
}

/// Why a run cannot become a baseline.
fn incomplete(view: &View, allow_quarantined: bool) -> Vec<String> {
    let mut out = Vec::new();
    if view.sources.is_empty() {
        out.push("it has no sources".into());
    }
    if !view.rules.iter().any(|r| r.outcome != "not_assessed") {
        out.push("no rule could be assessed".into());
    }
    for s in &view.sources {
        if s.completeness == "truncated" {
            out.push(format!("source `{}` is truncated", s.file));
        }
        if s.quarantined > 0 && !allow_quarantined {
            out.push(format!(
                "{} of {} records of `{}` are in quarantine (correct the file, or accept the loss with --allow-quarantined)",
                s.quarantined, s.records, s.file
            ));
        }
    }
    for f in &view.unread {
        out.push(format!("nothing of `{}` was judged: {} ({})", f.file, f.why, f.remedy));
    }
    // Several rows may make one finding, so only their absence tells that a run was filtered.
    for r in view.rules.iter().filter(|r| r.exceptions > 0) {
        if !view.findings.iter().any(|f| f.rule == r.rule) {
            out.push(format!(
                "rule {} has {} exceptions and no finding is listed (the run was filtered)",
                r.rule, r.exceptions
            ));
        }
    }
    out
}

#[cfg(test)]
mod tests;
