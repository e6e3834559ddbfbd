//! SARIF 2.1.0 for code-scanning views.
//!
//! Findings on IAM state have no source code. The location of a result is the evidence record: the
//! ingested file and its line. Code-scanning services compute alert identity from source lines where
//! they can; ours is given as `primaryLocationLineHash`.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::text::{clip, counted, visible};
use super::{Format, OutputFile, ReportError, View};
use crate::findings::{ControlRef, Finding, RuleResult, Severity, Status};

/// The SARIF format.
#[derive(Clone, Copy, Debug)]
pub struct Sarif;

/// Results that code-scanning services take per run.
pub const MAX_RESULTS: usize = 25_000;
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

    fn render(&self, view: &View) -> Result<Vec<OutputFile>, ReportError> {
        let mut bytes = serde_json::to_vec_pretty(&log(view))
            .map_err(|e| ReportError::Render { format: "sarif", message: e.to_string() })?;
        bytes.push(b'\n');
        Ok(vec![OutputFile {
            path: "sarif/findings.sarif".into(),
            media_type: "application/sarif+json",
            bytes,
        }])
    }
}

fn log(view: &View) -> Value {
    let kept: Vec<&Finding> = view.findings.iter().take(MAX_RESULTS).collect();
    let rules = rules(view, &kept);
    let taxonomies = taxonomies(view, &kept);
    let results: Vec<Value> =
        kept.iter().enumerate().map(|(i, f)| result(view, f, i, &rules, &taxonomies)).collect();
    let left_out = view.findings.len().saturating_sub(MAX_RESULTS);
    let mut notes: Vec<Value> = Vec::new();
    if left_out > 0 {
        let n = u64::try_from(left_out).unwrap_or(u64::MAX);
        notes.push(json!({
            "level": "warning",
            "message": { "text": format!(
                "{} left out: a run holds at most {MAX_RESULTS} results; all are in findings.jsonl",
                counted(n, "result is", "results are")) },
        }));
    }
    for item in view.not_assessed.iter().take(MAX_RESULTS) {
        notes.push(json!({
            "level": "note",
            "message": { "text": message(&format!("not assessed: {}: {}", item.what, item.why)) },
        }));
    }
    let driver_rules: Vec<&Value> = rules.iter().map(|r| &r.value).collect();
    json!({
        "$schema": "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json",
        "version": "2.1.0",
        "runs": [{
            "tool": { "driver": {
                "name": "overstay",
                "semanticVersion": view.tool.version,
                "rules": driver_rules,
            } },
            "automationDetails": { "id": format!("overstay/{}", view.report_id) },
            "invocations": [{
                "executionSuccessful": true,
                "toolExecutionNotifications": notes,
            }],
            "taxonomies": taxonomies.values().map(|t| &t.value).collect::<Vec<_>>(),
            "results": results,
            "columnKind": "unicodeCodePoints",
            "properties": { "as_of": view.as_of, "results_left_out": left_out },
        }],
    })
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
    let title = run.map(|r| r.title.as_str()).or(first.map(|f| f.title.as_str())).unwrap_or(id);
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
    let remedy = first.map_or("See the rule reference.", |f| f.remediation.as_str());
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
    let mut ids: BTreeMap<&str, std::collections::BTreeSet<&str>> = BTreeMap::new();
    let named = view.rules.iter().flat_map(|r| &r.controls);
    for c in named.chain(kept.iter().flat_map(|f| &f.controls)) {
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

fn result(
    view: &View,
    f: &Finding,
    line: usize,
    rules: &[RuleEntry],
    taxonomies: &BTreeMap<String, Taxonomy>,
) -> Value {
    let taxa: Vec<Value> = f
        .controls
        .iter()
        .filter_map(|c| {
            let t = taxonomies.get(&c.framework)?;
            Some(json!({
                "id": c.id,
                "index": t.taxa.get(&c.id)?,
                "toolComponent": { "name": c.framework, "index": t.index },
            }))
        })
        .collect();
    let logical: Vec<Value> = entitlement(f)
        .map(|name| json!({ "fullyQualifiedName": name, "kind": "resource" }))
        .into_iter()
        .collect();
    let mut locations = physical(f, line);
    if let (Some(Value::Object(first)), false) = (locations.first_mut(), logical.is_empty()) {
        first.insert("logicalLocations".into(), Value::Array(logical));
    }
    let related: Vec<Value> = if locations.len() > 1 { locations.split_off(1) } else { Vec::new() };
    let short: String = f.fingerprint.chars().take(16).collect();
    let mut out = Map::new();
    out.insert("ruleId".into(), json!(f.rule));
    if let Ok(index) = rules.binary_search_by(|r| r.id.as_str().cmp(&f.rule)) {
        out.insert("ruleIndex".into(), json!(index));
    }
    out.insert("level".into(), json!(level(f.severity)));
    out.insert("message".into(), json!({ "text": message(&f.message) }));
    out.insert("locations".into(), Value::Array(locations));
    if !related.is_empty() {
        out.insert("relatedLocations".into(), Value::Array(related));
    }
    out.insert(
        "partialFingerprints".into(),
        json!({ "primaryLocationLineHash": format!("{short}:1"), "overstay/v1": f.fingerprint }),
    );
    if !taxa.is_empty() {
        out.insert("taxa".into(), Value::Array(taxa));
    }
    if let Some(state) = baseline_state(view, f) {
        out.insert("baselineState".into(), json!(state));
    }
    if f.status != Status::Open {
        out.insert("suppressions".into(), suppressions(view, f));
    }
    out.insert("properties".into(), properties(f));
    Value::Object(out)
}

fn properties(f: &Finding) -> Value {
    json!({
        "severity": f.severity,
        "severity_reasons": f.severity_reasons,
        "certainty": f.certainty,
        "confidence": f.confidence,
        "status": f.status,
        "tier": f.tier,
        "owner": f.owner,
        "state_digest": f.state_digest,
        "first_seen": f.first_seen,
    })
}

/// Path of the entitlement: platform, scope, principal, privilege.
fn entitlement(f: &Finding) -> Option<String> {
    let parts: Vec<&str> = [&f.platform, &f.scope, &f.principal, &f.privilege]
        .into_iter()
        .filter_map(|p| p.as_deref())
        .collect();
    (!parts.is_empty()).then(|| parts.join("/"))
}

/// The evidence records; a finding without any is located in the bundle's own list of findings.
fn physical(f: &Finding, line: usize) -> Vec<Value> {
    let location = |file: &str, line: u64| {
        json!({ "physicalLocation": {
            "artifactLocation": { "uri": uri(file) },
            "region": { "startLine": line, "startColumn": 1, "endLine": line, "endColumn": 2 },
        } })
    };
    if f.sources.is_empty() {
        return vec![location("findings.jsonl", u64::try_from(line).unwrap_or(0) + 1)];
    }
    f.sources.iter().take(MAX_LOCATIONS).map(|s| location(&s.file, line_of(&s.place))).collect()
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

fn baseline_state(view: &View, f: &Finding) -> Option<&'static str> {
    let changes = view.changes.as_ref()?;
    Some(if changes.new.contains(&f.fingerprint) {
        "new"
    } else if changes.updated.contains(&f.fingerprint) {
        "updated"
    } else {
        "unchanged"
    })
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
fn message(s: &str) -> String {
    let lines: Vec<String> = clip(s, MAX_TEXT)
        .split('\n')
        .map(|line| visible(line).replace('\\', "\\\\").replace('[', "\\[").replace(']', "\\]"))
        .collect();
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::fixture;

    fn sarif(view: &View) -> Value {
        serde_json::from_slice(&Sarif.render(view).unwrap().remove(0).bytes).unwrap()
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
