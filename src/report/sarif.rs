//! SARIF 2.1.0 for code-scanning views.
//!
//! Findings on IAM state have no source code. The location of a result is the evidence record: the
//! ingested file and its line. Code-scanning services compute alert identity from source lines where
//! they can; ours is given as `primaryLocationLineHash`.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufWriter, Write as _};
use std::sync::Arc;

use serde::ser::{Error as _, SerializeSeq as _};
use serde::{Serialize, Serializer};
use serde_json::value::{RawValue, to_raw_value};
use serde_json::{Value, json};

use super::text::{clip, counted, visible};
use super::{Format, OutputFile, ReportError, View};
use crate::findings::{ControlRef, Finding, RuleResult, Severity, Status};

/// The SARIF format.
#[derive(Clone, Copy, Debug)]
pub struct Sarif;

/// Results in the log, the worst first: GitHub takes at most 25,000 per run and shows the 5,000 most
/// severe of them (its documentation of SARIF support for code scanning, limits of objects).
pub const MAX_RESULTS: usize = 5_000;
/// Characters of a rule text.
const MAX_TEXT: usize = 1000;
/// Tags per rule.
const MAX_TAGS: usize = 20;
/// Evidence records per result.
const MAX_LOCATIONS: usize = 100;

impl Format for Sarif {
    fn name(&self) -> &'static str {
        "sarif"
    }

    fn title(&self) -> &'static str {
        "SARIF 2.1.0"
    }

    fn render<'v>(&self, view: &'v View) -> Result<Vec<OutputFile<'v>>, ReportError> {
        Ok(vec![OutputFile::new("sarif/findings.sarif", "application/sarif+json", |out| {
            let mut buffered = BufWriter::with_capacity(1 << 16, out);
            serde_json::to_writer(&mut buffered, &Log::of(view))?;
            buffered.write_all(b"\n")?;
            buffered.flush()
        })])
    }
}

/// The log, in the order of its keys. Results are made one by one while they are written.
#[derive(Serialize)]
struct Log<'a> {
    #[serde(rename = "$schema")]
    schema: &'static str,
    version: &'static str,
    runs: [Run<'a>; 1],
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Run<'a> {
    tool: Value,
    automation_details: Value,
    invocations: Value,
    taxonomies: Vec<Value>,
    column_kind: &'static str,
    properties: Value,
    results: Results<'a>,
}

impl<'a> Log<'a> {
    fn of(view: &'a View) -> Self {
        let kept: Vec<&Finding> = view.findings.iter().take(MAX_RESULTS).collect();
        let rules = rules(view, &kept);
        let taxonomies = taxonomies(view, &kept);
        let left_out = view.findings.len().saturating_sub(MAX_RESULTS);
        let driver_rules: Vec<&Value> = rules.iter().map(|r| &r.value).collect();
        let run = Run {
            tool: json!({ "driver": {
                "name": "overstay",
                "semanticVersion": view.tool.version,
                "rules": driver_rules,
            } }),
            automation_details: json!({ "id": format!("overstay/{}", view.report_id) }),
            invocations: json!([{
                "executionSuccessful": true,
                "toolExecutionNotifications": notes(view, left_out),
            }]),
            taxonomies: taxonomies.values().map(|t| t.value.clone()).collect(),
            column_kind: "unicodeCodePoints",
            properties: json!({ "as_of": view.as_of, "results_left_out": left_out }),
            results: Results {
                of_rule: rules.into_iter().enumerate().map(|(i, r)| (r.id, i)).collect(),
                states: States::of(view),
                view,
                kept,
                taxonomies,
            },
        };
        Self {
            schema: "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json",
            version: "2.1.0",
            runs: [run],
        }
    }
}

/// What was left out, and what was not assessed.
fn notes(view: &View, left_out: usize) -> Vec<Value> {
    let mut notes: Vec<Value> = Vec::new();
    if left_out > 0 {
        let n = u64::try_from(left_out).unwrap_or(u64::MAX);
        notes.push(json!({
            "level": "warning",
            "message": { "text": format!(
                "{} left out: the {MAX_RESULTS} worst are here; all are in findings.jsonl",
                counted(n, "result is", "results are")) },
        }));
    }
    for item in view.not_assessed.iter().take(MAX_RESULTS) {
        notes.push(json!({
            "level": "note",
            "message": { "text": message(&format!("not assessed: {}: {}", item.what, item.why)) },
        }));
    }
    notes
}

struct RuleEntry {
    id: String,
    value: Value,
}

/// Rules in the order of their ids: those that ran and those a finding names.
fn rules(view: &View, kept: &[&Finding]) -> Vec<RuleEntry> {
    let mut by_id: BTreeMap<&str, (Option<&RuleResult>, Vec<&Finding>)> = BTreeMap::new();
    for r in &view.rules {
        by_id.entry(&r.rule).or_default().0 = Some(r);
    }
    for f in kept {
        by_id.entry(&f.rule).or_default().1.push(f);
    }
    by_id
        .into_iter()
        .map(|(id, (run, found))| RuleEntry { id: id.into(), value: rule(id, run, &found) })
        .collect()
}

fn rule(id: &str, run: Option<&RuleResult>, found: &[&Finding]) -> Value {
    let first = found.first();
    let title = run.map(|r| r.title.as_str()).or(first.map(|f| &*f.title)).unwrap_or(id);
    // One number per rule is all the format has: the worst severity found, so that none is
    // understated; each result carries its own level.
    let worst = found.iter().map(|f| f.severity).max().unwrap_or(Severity::Info);
    let tested = run.map_or_else(String::new, |r| {
        format!(
            " Tested: {}; exceptions {}, clean {}, not assessed {}.",
            counted(r.population, "item", "items"),
            r.exceptions,
            r.clean,
            r.not_assessed
        )
    });
    let remedy = first.map_or("See the rule reference.", |f| &*f.remediation);
    let controls: &[ControlRef] =
        run.map_or_else(|| first.map_or(&[][..], |f| &f.controls), |r| &r.controls);
    let listed: Vec<String> =
        controls.iter().map(|c| format!("{} {} ({})", c.framework, c.id, c.relation)).collect();
    let mut help = remedy.to_string();
    if !listed.is_empty() {
        help.push_str("\n\nControls: ");
        help.push_str(&listed.join(", "));
    }
    let mut tags: Vec<&str> = controls
        .iter()
        .filter(|c| c.framework.starts_with("owasp-nhi") || c.framework.starts_with("owasp-asi"))
        .map(|c| c.id.as_str())
        .collect();
    tags.sort_unstable();
    tags.dedup();
    tags.truncate(MAX_TAGS - 1);
    let mut all_tags = vec!["security"];
    all_tags.extend(tags);
    let mut value = json!({
        "id": id,
        "name": id,
        "shortDescription": { "text": message(title) },
        "fullDescription": { "text": message(&format!("{title}.{tested}")) },
        "help": { "text": message(&help) },
        "defaultConfiguration": { "level": level(worst) },
        "properties": {
            "security-severity": security_severity(worst),
            "precision": precision(first.map_or("medium", |f| f.confidence.as_str())),
            "tags": all_tags,
        },
    });
    if let (Some(r), Some(map)) = (run, value.as_object_mut()) {
        let run = json!({ "outcome": r.outcome, "population": r.population, "not_assessed": r.not_assessed });
        if let Some(Value::Object(properties)) = map.get_mut("properties") {
            properties.insert("run".into(), run);
        }
    }
    value
}

struct Taxonomy {
    value: Value,
    index: usize,
    taxa: BTreeMap<String, usize>,
}

/// One taxonomy per framework, with the controls that rules or findings name.
fn taxonomies(view: &View, kept: &[&Finding]) -> BTreeMap<String, Taxonomy> {
    let mut ids: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    let named = view.rules.iter().flat_map(|r| &r.controls);
    for c in named.chain(kept.iter().flat_map(|f| f.controls.iter())) {
        ids.entry(&c.framework).or_default().insert(&c.id);
    }
    ids.into_iter()
        .enumerate()
        .map(|(index, (framework, ids))| {
            let known = view.frameworks.iter().find(|f| f.id == framework);
            let titles: BTreeMap<&str, &str> = known
                .map(|f| {
                    f.conclusions.iter().map(|c| (c.control.as_str(), c.title.as_str())).collect()
                })
                .unwrap_or_default();
            let taxa: Vec<Value> = ids
                .iter()
                .map(|id| match titles.get(id) {
                    Some(title) => {
                        json!({ "id": id, "shortDescription": { "text": message(title) } })
                    }
                    None => json!({ "id": id }),
                })
                .collect();
            let mut value = json!({ "name": framework, "isComprehensive": false, "taxa": taxa });
            if let (Some(f), Some(map)) = (known, value.as_object_mut()) {
                map.insert("fullName".into(), json!(f.name));
                map.insert("version".into(), json!(f.version));
            }
            let taxa = ids.iter().enumerate().map(|(i, id)| ((*id).to_string(), i)).collect();
            (framework.to_string(), Taxonomy { value, index, taxa })
        })
        .collect()
}

/// Results, made one by one.
struct Results<'a> {
    view: &'a View,
    kept: Vec<&'a Finding>,
    /// Places of the rules in the list of the driver.
    of_rule: BTreeMap<String, usize>,
    taxonomies: BTreeMap<String, Taxonomy>,
    states: Option<States<'a>>,
}

impl Serialize for Results<'_> {
    fn serialize<S: Serializer>(&self, out: S) -> Result<S::Ok, S::Error> {
        let mut list = out.serialize_seq(Some(self.kept.len()))?;
        // The findings of a rule share one list of controls, and so their taxa.
        let mut last: Option<(&Arc<[ControlRef]>, Box<RawValue>)> = None;
        for (i, f) in self.kept.iter().enumerate() {
            if last.as_ref().is_none_or(|(of, _)| !Arc::ptr_eq(of, &f.controls)) {
                let taxa = to_raw_value(&self.taxa(&f.controls)).map_err(S::Error::custom)?;
                last = Some((&f.controls, taxa));
            }
            let taxa = last.as_ref().map(|(_, taxa)| &**taxa);
            list.serialize_element(&self.result(f, i, taxa.filter(|_| !f.controls.is_empty())))?;
        }
        list.end()
    }
}

/// One result.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Outcome<'a> {
    rule_id: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    rule_index: Option<usize>,
    level: &'static str,
    message: Message<'a>,
    locations: [Location; 1],
    #[serde(skip_serializing_if = "Vec::is_empty")]
    related_locations: Vec<Location>,
    partial_fingerprints: Fingerprints<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    taxa: Option<&'a RawValue>,
    #[serde(skip_serializing_if = "Option::is_none")]
    baseline_state: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    suppressions: Option<Value>,
    properties: Properties<'a>,
}

#[derive(Serialize)]
struct Message<'a> {
    text: Cow<'a, str>,
}

#[derive(Serialize)]
struct Fingerprints<'a> {
    #[serde(rename = "primaryLocationLineHash")]
    line: String,
    #[serde(rename = "overstay/v1")]
    ours: &'a str,
}

#[derive(Serialize)]
struct Taxon<'a> {
    id: &'a str,
    index: usize,
    #[serde(rename = "toolComponent")]
    component: Component<'a>,
}

#[derive(Serialize)]
struct Component<'a> {
    name: &'a str,
    index: usize,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Location {
    physical_location: Physical,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    logical_locations: Vec<Logical>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Physical {
    artifact_location: Artifact,
    region: Region,
}

#[derive(Serialize)]
struct Artifact {
    uri: String,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Region {
    start_line: u64,
    start_column: u64,
    end_line: u64,
    end_column: u64,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Logical {
    fully_qualified_name: String,
    kind: &'static str,
}

/// Ours, for readers that know us.
#[derive(Serialize)]
struct Properties<'a> {
    severity: Severity,
    severity_reasons: &'a [String],
    certainty: &'a str,
    confidence: &'a str,
    status: Status,
    tier: Option<&'a str>,
    owner: Option<&'a str>,
    state_digest: &'a str,
    first_seen: &'a str,
}

impl<'a> Results<'a> {
    fn taxa<'t>(&'t self, controls: &'t [ControlRef]) -> Vec<Taxon<'t>> {
        let one = |c: &'t ControlRef| {
            let t = self.taxonomies.get(&c.framework)?;
            Some(Taxon {
                id: &c.id,
                index: *t.taxa.get(&c.id)?,
                component: Component { name: &c.framework, index: t.index },
            })
        };
        controls.iter().filter_map(one).collect()
    }

    fn result<'r>(
        &'r self,
        f: &'r Finding,
        line: usize,
        taxa: Option<&'r RawValue>,
    ) -> Outcome<'r> {
        let (mut first, related_locations) = physical(f, line);
        if let Some(fully_qualified_name) = entitlement(f) {
            first.logical_locations.push(Logical { fully_qualified_name, kind: "resource" });
        }
        let short: String = f.fingerprint.chars().take(16).collect();
        Outcome {
            rule_id: &f.rule,
            rule_index: self.of_rule.get(&f.rule).copied(),
            level: level(f.severity),
            message: Message { text: message(&f.message) },
            locations: [first],
            related_locations,
            partial_fingerprints: Fingerprints { line: format!("{short}:1"), ours: &f.fingerprint },
            taxa,
            baseline_state: self.states.as_ref().map(|s| s.of_finding(f)),
            suppressions: (f.status != Status::Open).then(|| suppressions(self.view, f)),
            properties: Properties {
                severity: f.severity,
                severity_reasons: &f.severity_reasons,
                certainty: &f.certainty,
                confidence: &f.confidence,
                status: f.status,
                tier: f.tier.as_deref(),
                owner: f.owner.as_deref(),
                state_digest: &f.state_digest,
                first_seen: &f.first_seen,
            },
        }
    }
}

/// Path of the entitlement: platform, scope, principal, privilege.
fn entitlement(f: &Finding) -> Option<String> {
    let parts: Vec<&str> = [&f.platform, &f.scope, &f.principal, &f.privilege]
        .into_iter()
        .filter_map(|p| p.as_deref())
        .collect();
    (!parts.is_empty()).then(|| parts.join("/"))
}

/// The evidence records, the first apart; a finding without any is located in the bundle's own list
/// of findings.
fn physical(f: &Finding, line: usize) -> (Location, Vec<Location>) {
    let location = |file: &str, line: u64| Location {
        physical_location: Physical {
            artifact_location: Artifact { uri: uri(file) },
            region: Region { start_line: line, start_column: 1, end_line: line, end_column: 2 },
        },
        logical_locations: Vec::new(),
    };
    // Places inside of one line, as JSON pointers have, are one location, and SARIF wants each once.
    let mut seen = BTreeSet::new();
    let mut all = f
        .sources
        .iter()
        .map(|s| (&*s.file, line_of(&s.place)))
        .filter(|place| seen.insert(*place))
        .take(MAX_LOCATIONS)
        .map(|(file, line)| location(file, line));
    match all.next() {
        Some(first) => (first, all.collect()),
        None => {
            let line = u64::try_from(line).unwrap_or(0) + 1;
            (location("findings.jsonl", line), Vec::new())
        }
    }
}

/// Line of a place: `L<n>`; rows and JSON pointers have none, so the first.
fn line_of(place: &str) -> u64 {
    place
        .strip_prefix('L')
        .and_then(|n| n.parse::<u32>().ok())
        .map_or(1, |n| u64::from(n.clamp(1, i32::MAX.unsigned_abs())))
}

/// A relative URI reference of a file name: unreserved characters and `/` stay, all else is encoded,
/// so that no name can pass for a scheme, a query or another directory.
fn uri(file: &str) -> String {
    use std::fmt::Write as _;
    let mut out = String::with_capacity(file.len());
    for segment in file.split('/').filter(|s| !s.is_empty() && *s != "." && *s != "..") {
        if !out.is_empty() {
            out.push('/');
        }
        for b in segment.bytes() {
            if b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'_' | b'~') {
                out.push(char::from(b));
            } else {
                // Writing to a String cannot fail.
                let _ = write!(out, "%{b:02X}");
            }
        }
    }
    if out.is_empty() { "unnamed".into() } else { out }
}

/// What changed against the baseline, by fingerprint.
struct States<'a> {
    new: BTreeSet<&'a str>,
    updated: BTreeSet<&'a str>,
}

impl<'a> States<'a> {
    fn of(view: &'a View) -> Option<Self> {
        let changes = view.changes.as_ref()?;
        let set = |list: &'a [String]| list.iter().map(String::as_str).collect();
        Some(Self { new: set(&changes.new), updated: set(&changes.updated) })
    }

    fn of_finding(&self, f: &Finding) -> &'static str {
        if self.new.contains(f.fingerprint.as_str()) {
            "new"
        } else if self.updated.contains(f.fingerprint.as_str()) {
            "updated"
        } else {
            "unchanged"
        }
    }
}

fn suppressions(view: &View, f: &Finding) -> Value {
    let reason = match f.status {
        Status::Waived => view
            .waivers
            .iter()
            .find(|w| w.matches.contains(&f.fingerprint))
            .and_then(|w| Some(format!("waiver {}: {}", w.id, w.reason.as_deref()?)))
            .unwrap_or_else(|| "covered by a waiver".into()),
        _ => "accepted by the baseline".into(),
    };
    json!([{ "kind": "external", "status": "accepted", "justification": message(&reason) }])
}

fn level(severity: Severity) -> &'static str {
    match severity {
        Severity::Critical | Severity::High => "error",
        Severity::Medium => "warning",
        Severity::Low | Severity::Info => "note",
    }
}

fn security_severity(severity: Severity) -> &'static str {
    match severity {
        Severity::Critical => "9.5",
        Severity::High => "8.0",
        Severity::Medium => "5.5",
        Severity::Low => "2.5",
        Severity::Info => "0.1",
    }
}

fn precision(confidence: &str) -> &'static str {
    match confidence {
        "high" => "high",
        "low" => "low",
        _ => "medium",
    }
}

/// Plain message text: nothing deceptive, and no `[text](target)`, which the format would link.
fn message(s: &str) -> Cow<'_, str> {
    let clipped = clip(s, MAX_TEXT);
    let plain = |b: u8| matches!(b, b' '..=b'~') && !matches!(b, b'\\' | b'[' | b']');
    if clipped.bytes().all(plain) {
        return clipped;
    }
    let lines: Vec<String> = clipped
        .split('\n')
        .map(|line| visible(line).replace('\\', "\\\\").replace('[', "\\[").replace(']', "\\]"))
        .collect();
    Cow::Owned(lines.join("\n"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::fixture;

    fn sarif(view: &View) -> Value {
        serde_json::from_slice(&Sarif.render(view).unwrap().remove(0).to_bytes().unwrap()).unwrap()
    }

    fn validator() -> jsonschema::Validator {
        let path = concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/../shared/data/schemas/sarif/sarif-schema-2.1.0.json"
        );
        let text = std::fs::read_to_string(path)
            .unwrap_or_else(|e| panic!("this test needs the shared schema `{path}`: {e}"));
        jsonschema::validator_for(&serde_json::from_str(&text).unwrap()).unwrap()
    }

    #[test]
    fn logs_follow_the_schema() {
        let validator = validator();
        for view in [fixture::plausible(), fixture::hostile(), View::default()] {
            let log = sarif(&view);
            let errors: Vec<String> = validator
                .iter_errors(&log)
                .map(|e| format!("{} at {}", e, e.instance_path()))
                .collect();
            assert!(errors.is_empty(), "{errors:#?}");
        }
    }

    /// Places in one JSON file have no lines; SARIF takes no location twice.
    #[test]
    fn places_of_one_line_are_one_location() {
        let mut view = fixture::plausible();
        let one = view.findings[0].sources[0].clone();
        view.findings[0].sources = ["/a", "/b", "/c", "L7", "L7"]
            .map(|place| crate::findings::SourceRef { place: place.into(), ..one.clone() })
            .to_vec();
        let log = sarif(&view);
        let related = log["runs"][0]["results"][0]["relatedLocations"].as_array().unwrap().len();
        assert_eq!(related, 1, "{}", log["runs"][0]["results"][0]);
        assert!(validator().is_valid(&log));
    }

    #[test]
    fn the_schema_check_can_fail() {
        let mut log = sarif(&fixture::plausible());
        log["runs"][0]["results"][0]["level"] = json!("fatal");
        assert!(!validator().is_valid(&log));
    }

    #[test]
    fn results_point_to_their_rule_and_taxa() {
        let view = fixture::plausible();
        let log = sarif(&view);
        let run = &log["runs"][0];
        for (result, finding) in run["results"].as_array().unwrap().iter().zip(&view.findings) {
            let index = usize::try_from(result["ruleIndex"].as_u64().unwrap()).unwrap();
            assert_eq!(run["tool"]["driver"]["rules"][index]["id"], result["ruleId"]);
            for taxon in result["taxa"].as_array().unwrap() {
                let t = usize::try_from(taxon["toolComponent"]["index"].as_u64().unwrap()).unwrap();
                let i = usize::try_from(taxon["index"].as_u64().unwrap()).unwrap();
                assert_eq!(run["taxonomies"][t]["name"], taxon["toolComponent"]["name"]);
                assert_eq!(run["taxonomies"][t]["taxa"][i]["id"], taxon["id"]);
            }
            let hash = result["partialFingerprints"]["primaryLocationLineHash"].as_str().unwrap();
            assert!(finding.fingerprint.starts_with(hash.strip_suffix(":1").unwrap()));
            assert_eq!(hash.len(), 18);
            assert_eq!(result["suppressions"].is_array(), finding.status != Status::Open);
        }
    }

    #[test]
    fn states_follow_the_changes() {
        let view = fixture::plausible();
        let log = sarif(&view);
        let state = |n: usize| log["runs"][0]["results"][n]["baselineState"].as_str().unwrap();
        let changes = view.changes.as_ref().unwrap();
        for (i, f) in view.findings.iter().enumerate() {
            let want = if changes.new.contains(&f.fingerprint) {
                "new"
            } else if changes.updated.contains(&f.fingerprint) {
                "updated"
            } else {
                "unchanged"
            };
            assert_eq!(state(i), want);
        }
    }

    #[test]
    fn a_run_beyond_the_limit_says_what_it_leaves_out() {
        let mut view = fixture::plausible();
        let one = view.findings.remove(0);
        view.findings = vec![one; MAX_RESULTS + 3];
        let log = sarif(&view);
        let run = &log["runs"][0];
        assert_eq!(run["results"].as_array().unwrap().len(), MAX_RESULTS);
        assert_eq!(run["properties"]["results_left_out"], 3);
        let note =
            run["invocations"][0]["toolExecutionNotifications"][0]["message"]["text"].clone();
        assert!(note.as_str().unwrap().starts_with("3 results are left out"), "{note}");
    }

    #[test]
    fn places_become_lines() {
        for (place, line) in [("L12", 12), ("R9", 1), ("/a/b", 1), ("L0", 1), ("L99999999999", 1)] {
            assert_eq!(line_of(place), line, "{place}");
        }
    }

    #[test]
    fn names_become_relative_references() {
        assert_eq!(uri("a b/c.json"), "a%20b/c.json");
        assert_eq!(uri("../../etc/passwd"), "etc/passwd");
        assert_eq!(uri("http://x/?q#f"), "http%3A/x/%3Fq%23f");
        assert_eq!(uri(""), "unnamed");
    }

    #[test]
    fn messages_hold_no_links() {
        assert_eq!(message("[a](http://x)"), "\\[a\\](http://x)");
    }
}
