//! `manifest.json`: what was read, what was decided with, what was written.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::facts::time::Time;
use crate::gate::scope::Scope;
use crate::report::View;

/// Version of the manifest structure.
pub const MANIFEST_VERSION: u32 = 1;

/// The manifest. Keys are written in the order of declaration, maps sorted, so equal runs give
/// equal bytes.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Manifest {
    /// Version of this structure.
    pub schema_version: u32,
    /// Tool that wrote the bundle.
    pub tool: ToolId,
    /// Report id: digest of inputs, settings, rules and as-of time.
    pub report_id: String,
    /// Audited entity and realms.
    pub scope: Scope,
    /// As-of time, RFC 3339.
    pub as_of: String,
    /// Audited period, half-open.
    pub period: Option<(String, String)>,
    /// Time zone of all times.
    pub time_zone: String,
    /// Digests: `settings`, `rule_pack`, `baseline`, `waivers`.
    pub digests: BTreeMap<String, String>,
    /// Report formats that were asked for.
    pub formats: Vec<String>,
    /// Inputs in the order of sources.
    pub inputs: Vec<InputEntry>,
    /// Every file of the bundle but this one and `SHA256SUMS`, sorted by path.
    pub outputs: Vec<OutputEntry>,
    /// Control totals that anybody can recount from the outputs.
    pub counts: Counts,
    /// What was left out or replaced, and why.
    pub redactions: Vec<String>,
    /// Command that gives the same bytes again.
    pub reproduce: String,
    /// The only field a clock could reach: the as-of time, or `SOURCE_DATE_EPOCH` when that is set.
    pub generated_at: String,
}

/// Name and version of the tool.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ToolId {
    /// Name.
    pub name: String,
    /// Version.
    pub version: String,
}

/// One input file. By default the bundle holds its digest, not its content.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct InputEntry {
    /// Path relative to the input argument it was found under.
    pub name: String,
    /// Format.
    pub format: String,
    /// Evidence layer.
    pub layer: String,
    /// Size, bytes.
    pub size: u64,
    /// SHA-256 of the file as stored.
    pub sha256: String,
    /// Records seen.
    pub records: u64,
    /// Records accepted.
    pub accepted: u64,
    /// Records in quarantine.
    pub quarantined: u64,
    /// First record time.
    pub first_time: Option<String>,
    /// Last record time.
    pub last_time: Option<String>,
}

/// One file of the bundle.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct OutputEntry {
    /// Path relative to the bundle.
    pub path: String,
    /// Size, bytes.
    pub size: u64,
    /// SHA-256.
    pub sha256: String,
    /// Media type.
    pub media_type: String,
}

/// Control totals.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    /// Rows tested or to be tested, by rule.
    pub population: BTreeMap<String, u64>,
    /// Findings by severity word, whatever their status.
    pub findings: BTreeMap<String, u64>,
    /// Findings by status word.
    pub statuses: BTreeMap<String, u64>,
    /// Conclusions by word.
    pub conclusions: BTreeMap<String, u64>,
    /// Rules by outcome.
    pub rules: BTreeMap<String, u64>,
}

impl Counts {
    /// Counts what a view holds.
    #[must_use]
    pub fn of(view: &View) -> Self {
        let mut out = Self::of_findings(&view.findings);
        for r in &view.rules {
            out.population.insert(r.rule.clone(), r.population);
            bump(&mut out.rules, &r.outcome);
        }
        for c in view.frameworks.iter().flat_map(|f| &f.conclusions) {
            bump(&mut out.conclusions, &c.conclusion);
        }
        out
    }

    /// The part of the counts that `findings.jsonl` alone decides.
    #[must_use]
    pub fn of_findings(findings: &[crate::findings::Finding]) -> Self {
        let mut out = Self::default();
        for f in findings {
            bump(&mut out.findings, f.severity.as_str());
            bump(&mut out.statuses, f.status.as_str());
        }
        out
    }
}

fn bump(map: &mut BTreeMap<String, u64>, key: &str) {
    *map.entry(key.to_owned()).or_default() += 1;
}

impl Manifest {
    /// Manifest of a view. `outputs` is filled by [`super::bundle::write`]. `source_date_epoch` is
    /// the text of the environment variable, when it is set.
    #[must_use]
    pub fn new(view: &View, formats: &[String], source_date_epoch: Option<&str>) -> Self {
        let mut formats = formats.to_vec();
        formats.sort();
        formats.dedup();
        Self {
            schema_version: MANIFEST_VERSION,
            tool: ToolId { name: view.tool.name.clone(), version: view.tool.version.clone() },
            report_id: view.report_id.clone(),
            scope: Scope::of(view),
            as_of: view.as_of.clone(),
            period: view.period.clone(),
            time_zone: "UTC".into(),
            digests: view.digests.clone(),
            reproduce: reproduce_command(view, &formats),
            formats,
            inputs: view.sources.iter().map(InputEntry::of).collect(),
            outputs: Vec::new(),
            counts: Counts::of(view),
            redactions: Vec::new(),
            generated_at: generated_at(&view.as_of, source_date_epoch),
        }
    }

    /// The bytes of `manifest.json`.
    ///
    /// # Errors
    /// When serialisation fails, which these types do not provoke.
    pub fn to_bytes(&self) -> Result<Vec<u8>, serde_json::Error> {
        let mut out = serde_json::to_vec_pretty(self)?;
        out.push(b'\n');
        Ok(out)
    }
}

impl InputEntry {
    fn of(s: &crate::report::view::SourceRow) -> Self {
        Self {
            name: s.file.clone(),
            format: s.format.clone(),
            layer: s.layer.clone(),
            size: s.bytes,
            sha256: s.sha256.clone(),
            records: s.records,
            accepted: s.accepted,
            quarantined: s.quarantined,
            first_time: s.first_time.clone(),
            last_time: s.last_time.clone(),
        }
    }
}

/// A value that is not a whole number of seconds is ignored, as the convention of the variable asks
/// of tools that have another deterministic time at hand.
fn generated_at(as_of: &str, source_date_epoch: Option<&str>) -> String {
    source_date_epoch
        .and_then(|s| s.trim().parse::<i64>().ok())
        .filter(|s| (0..=253_402_300_799).contains(s))
        .map_or_else(|| as_of.to_owned(), |s| Time::from_secs(s).to_rfc3339())
}

/// The exact command, with `INPUTS` and `OUT` to be replaced: paths of the first run are not part
/// of the evidence and would make equal runs differ.
#[must_use]
pub fn reproduce_command(view: &View, formats: &[String]) -> String {
    let mut out =
        format!("overstay scan INPUTS -o OUT --config settings.toml --as-of {}", view.as_of);
    if let Some((a, b)) = &view.period {
        out.push_str(&format!(" --period {a}..{b}"));
    }
    for (digest, flag, file) in [
        ("baseline", "--baseline", super::files::BASELINE),
        ("waivers", "--waivers", super::files::WAIVERS),
    ] {
        if view.digests.get(digest).is_some_and(|d| !d.is_empty()) {
            out.push_str(&format!(" {flag} {file}"));
        }
    }
    if !formats.is_empty() {
        out.push_str(&format!(" --format {}", formats.join(",")));
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gate::testing;

    #[test]
    fn generated_at_takes_the_as_of_time_unless_the_epoch_is_set() {
        assert_eq!(generated_at("2026-11-01T00:00:00Z", None), "2026-11-01T00:00:00Z");
        assert_eq!(generated_at("x", Some("0")), "1970-01-01T00:00:00Z");
        assert_eq!(generated_at("x", Some("soon")), "x");
        assert_eq!(generated_at("x", Some("-5")), "x");
    }

    #[test]
    fn counts_are_those_of_the_view() {
        let view = testing::view();
        let m = Manifest::new(&view, &["md".into(), "html".into(), "md".into()], None);
        assert_eq!(m.counts.findings.values().sum::<u64>(), view.findings.len() as u64);
        assert_eq!(m.formats, ["html", "md"]);
        assert_eq!(m.inputs.len(), view.sources.len());
        assert!(m.reproduce.ends_with("--format html,md"), "{}", m.reproduce);
        let again = Manifest::new(&view, &["html".into(), "md".into()], None);
        assert_eq!(m.to_bytes().unwrap(), again.to_bytes().unwrap());
    }
}
