//! Checks rules without data: everything that can be wrong in a rule file.

use super::compile::{Compiled, compile};
use super::error::{Problem, RuleError};
use super::load::{Pack, valid_id};
use super::model::Rule;
use crate::facts::Layer;
use crate::facts::cell::Word;

/// Settings that rules may need, as keys of `overstay.toml`.
const SETTINGS: [&str; 11] = [
    "approval",
    "approved_roles",
    "approvers",
    "break_glass",
    "duties",
    "environment",
    "identity",
    "max_duration",
    "period",
    "privilege",
    "trusted_accounts",
];

/// Tables whose rows are more than principal, privilege and scope, and the columns that tell them apart.
const ITEMS: [(&str, &[&str]); 7] = [
    ("grant_facts", &["grant_id", "approval_id"]),
    ("chains", &["chain_id", "grant_id"]),
    ("credential_facts", &["credential_id"]),
    ("trust_facts", &["trusted"]),
    ("emergency_facts", &["item", "grant_id"]),
    ("coverage", &["coverage_id"]),
    ("waiver_facts", &["waiver_id"]),
];

/// Checks all rules of a pack. An empty list means that nothing is wrong.
#[must_use]
pub fn check_pack(pack: &Pack) -> Vec<Problem> {
    let mut all: Vec<Problem> = pack.entries().flat_map(|e| check_rule(&e.rule, &e.file)).collect();
    all.sort();
    all
}

/// Checks one rule.
#[must_use]
pub fn check_rule(rule: &Rule, file: &str) -> Vec<Problem> {
    let mut found = Vec::new();
    let mut add = |field: &str, message: String| {
        found.push(Problem {
            file: file.into(),
            rule: rule.id.clone(),
            field: field.into(),
            message,
        });
    };
    if !valid_id(&rule.id) {
        add("id", "use three capital letters, a hyphen and three digits (`GRT-003`)".into());
    }
    texts(rule, &mut add);
    words(rule, &mut add);
    controls(rule, &mut add);
    identity(rule, &mut add);
    match compile(rule, file) {
        Ok(compiled) => tests(&compiled, &mut add),
        Err(RuleError::Invalid { problems }) => found.extend(problems),
        Err(other) => add("rule", other.to_string()),
    }
    found
}

fn texts(rule: &Rule, add: &mut impl FnMut(&str, String)) {
    for (field, text) in [
        ("title", &rule.title),
        ("description", &rule.description),
        ("why", &rule.why),
        ("population.items", &rule.population.items),
        ("message", &rule.message),
        ("remediation", &rule.remediation),
    ] {
        if text.trim().is_empty() {
            add(field, "is empty; readers of the report need it".into());
        }
        if text.chars().any(|c| c.is_control() && c != '\n') {
            add(field, "has control characters".into());
        }
    }
    if rule.title.trim_end().ends_with('.') {
        add("title", "ends with a period; titles have none".into());
    }
}

fn words(rule: &Rule, add: &mut impl FnMut(&str, String)) {
    if !["high", "medium", "low"].contains(&rule.confidence.as_str()) {
        add("confidence", format!("`{}` is not high, medium or low", rule.confidence));
    }
    for word in &rule.needs {
        let known = match word.strip_prefix("settings:") {
            Some(key) => SETTINGS.contains(&key.split('.').next().unwrap_or(key)),
            None => Layer::ALL.contains(&word.as_str()) || word == "baseline" || word == "waivers",
        };
        if !known {
            add(
                "needs",
                format!(
                    "unknown input `{word}`; use {}, baseline, waivers or settings:<key> with one of {}",
                    Layer::ALL.join(", "),
                    SETTINGS.join(", ")
                ),
            );
        }
    }
    if rule.evidence.is_empty() {
        add("evidence", "names no column; a finding shows what it rests on".into());
    }
}

fn controls(rule: &Rule, add: &mut impl FnMut(&str, String)) {
    if rule.controls.is_empty() {
        add("controls", "names no framework".into());
    }
    for (framework, ids) in &rule.controls {
        if framework.trim().is_empty() {
            add("controls", "has a framework without a name".into());
        }
        if ids.is_empty() || ids.iter().any(|id| id.trim().is_empty()) {
            add("controls", format!("framework `{framework}` has no control ids, or an empty one"));
        }
        let mut sorted = ids.clone();
        sorted.sort();
        sorted.dedup();
        if sorted.len() != ids.len() {
            add("controls", format!("framework `{framework}` names a control twice"));
        }
    }
}

/// Rows that differ must not share a fingerprint.
fn identity(rule: &Rule, add: &mut impl FnMut(&str, String)) {
    let table = rule.population.table.as_str();
    let Some((_, items)) = ITEMS.iter().find(|(name, _)| *name == table) else { return };
    let identity = &rule.identity;
    let named = [&identity.item, &identity.subject, &identity.privilege, &identity.scope];
    if !named.iter().any(|n| items.contains(&n.as_str())) {
        add(
            "identity",
            format!(
                "rows of `{table}` are told apart by {}; set `identity: {{item: {}}}`",
                items.iter().map(|i| format!("`{i}`")).collect::<Vec<_>>().join(" or "),
                items.first().copied().unwrap_or_default()
            ),
        );
    }
}

/// A rule shows by its own tests that it fires, that it does not, and that it knows what it does not know.
fn tests(compiled: &Compiled<'_>, add: &mut impl FnMut(&str, String)) {
    let rule = compiled.rule;
    let expects = |word: &str| rule.tests.iter().any(|t| t.expect.iter().any(|e| e == word));
    if !expects("exception") && !expects("possible") {
        add("tests", "no test expects an exception".into());
    }
    if !expects("clean") {
        add("tests", "no test expects a clean row".into());
    }
    let undecided = compiled.filter.iter().chain([&compiled.exception]).any(|n| n.can_be_null());
    if undecided && !expects("not_assessed") {
        add("tests", "the rule can be undecided, but no test expects `not_assessed`".into());
    }
    if undecided && rule.not_assessed.is_empty() {
        add("not_assessed", "the rule can be undecided, but no reason is listed".into());
    }
    for (i, test) in rule.tests.iter().enumerate() {
        if test.name.trim().is_empty() {
            add(&format!("tests[{i}]"), "has no name".into());
        }
        if test.given.len() != test.expect.len() {
            add(
                &format!("tests[{i}]"),
                format!("{} rows are given, {} expected", test.given.len(), test.expect.len()),
            );
        }
    }
}

#[cfg(test)]
mod tests_here {
    use super::*;

    const GRT: &str = include_str!("../../tests/data/rules-sample/grt/GRT-003-sample.yaml");
    const STD: &str = include_str!("../../tests/data/rules-sample/std/STD-001-sample.yaml");
    const EVD: &str = include_str!("../../tests/data/rules-sample/evd/EVD-001-sample.yaml");

    fn problems(text: &str) -> Vec<String> {
        let pack = Pack::from_texts([("x.yaml", text)]).unwrap();
        check_pack(&pack).into_iter().map(|p| p.to_string()).collect()
    }

    #[test]
    fn sample_rules_are_sound() {
        for text in [GRT, STD, EVD] {
            assert_eq!(problems(text), Vec::<String>::new());
        }
    }

    #[test]
    fn embedded_rules_are_sound() {
        assert_eq!(check_pack(&Pack::builtin().unwrap()), Vec::new());
    }

    #[test]
    fn each_mistake_is_found() {
        for (from, to, part) in [
            ("table: grant_facts", "table: grant_fact", "population.table: unknown table"),
            ("\"effective AND", "\"effectiv AND", "population.where: `effectiv`"),
            ("exception: \"overstay_s >", "exception: \"overstay >", "exception: `overstay`"),
            ("possible: \"overstay_hi_s >", "possible: \"overstay_hi >", "possible: `overstay_hi`"),
            ("task_id: \"@task_unknown\"", "task_id: \"@tsk_unknown\"", "no column `tsk_unknown`"),
            ("overstay_s: end_unknown", "overstay_s: End unknown", "not a reason code"),
            ("severity: tier", "severity: worst", "unknown severity `worst`"),
            ("step: up", "step: upwards", "unknown step"),
            ("uses_after_task > 0", "uses_after_task > 'x'", "modifiers[0].when"),
            ("confidence: high", "confidence: sure", "confidence"),
            ("identity: {item: grant_id}", "identity: {}", "told apart by `grant_id`"),
            ("identity: {item: grant_id}", "identity: {item: grantid}", "no column `grantid`"),
            ("state: [tier,", "state: [tiger,", "no column `tiger`"),
            ("evidence: [grant_id,", "evidence: [grnt_id,", "no column `grnt_id`"),
            ("{{ principal_id }}", "{{ principal }}", "`principal` is not a column"),
            ("overstay_s | duration }}", "overstay_s | durations }}", "message:"),
            ("needs: [ledger, task]", "needs: [legder]", "unknown input `legder`"),
            ("needs: [ledger, task]", "needs: [settings:nothing]", "unknown input"),
            ("[\"NHI1:2025\", \"NHI5:2025\"]", "[]", "no control ids"),
            ("[\"NHI1:2025\", \"NHI5:2025\"]", "[\"NHI1:2025\", \"NHI1:2025\"]", "twice"),
            ("expect: [clean]", "expect: [out]", "no test expects a clean row"),
            ("expect: [out, out]", "expect: [out]", "2 rows are given, 1 expected"),
            ("title: Grant outlives its task", "title: Grant outlives its task.", "period"),
            (
                "why: Access without its reason is standing access under another name.",
                "why: \"\"",
                "why: is empty",
            ),
        ] {
            let text = GRT.replacen(from, to, 1);
            assert_ne!(text, GRT, "{from}");
            let all = problems(&text).join("\n");
            assert!(all.contains(part), "{to}: {all}");
        }
    }

    #[test]
    fn a_rule_that_can_be_undecided_must_show_it() {
        let text = GRT.replace("not_assessed, not_assessed, not_assessed", "clean, clean, clean");
        assert!(problems(&text).join("\n").contains("no test expects `not_assessed`"));
    }
}
