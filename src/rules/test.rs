//! Runs the tests that rule files carry: rows in, verdicts, severities and reasons out.

use std::collections::BTreeMap;

use polars::prelude::*;
use serde_json::Value as Json;

use super::compile::{Compiled, compile};
use super::error::RuleError;
use super::eval::{Env, eval};
use super::finding::{Sources, build};
use super::load::Pack;
use super::model::{Rule, RuleTest};
use super::run::{Verdict, judge, reason};
use super::value::Table;
use crate::facts::time::parse_rfc3339;
use crate::facts::{ColType, ColumnDef, Derived, Facts, TableDef, Time};
use crate::settings::Limits;

/// As-of time of tests in rule files: 2026-11-01T00:00:00Z.
pub const AS_OF: Time = Time::from_secs(1_793_491_200);

/// Outcome of one test.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TestResult {
    /// Rule id.
    pub rule: String,
    /// Name of the test.
    pub name: String,
    /// What differs from the expectation; empty when the test passed.
    pub failures: Vec<String>,
}

impl TestResult {
    /// Whether the test passed.
    #[must_use]
    pub fn passed(&self) -> bool {
        self.failures.is_empty()
    }
}

/// Runs the tests of all rules of a pack, by rule and in order of the file.
///
/// # Errors
/// When a rule is wrong.
pub fn test_pack(pack: &Pack) -> Result<Vec<TestResult>, RuleError> {
    let mut all = Vec::new();
    for entry in pack.entries() {
        all.extend(test_rule(&entry.rule, &entry.file)?);
    }
    Ok(all)
}

/// Runs the tests of one rule.
///
/// # Errors
/// When the rule is wrong. A test that cannot be run is a failed test.
pub fn test_rule(rule: &Rule, file: &str) -> Result<Vec<TestResult>, RuleError> {
    let compiled = compile(rule, file)?;
    Ok(rule
        .tests
        .iter()
        .map(|test| TestResult {
            rule: rule.id.clone(),
            name: test.name.clone(),
            failures: test_case(&compiled, test).unwrap_or_else(|e| vec![e]),
        })
        .collect())
}

fn test_case(compiled: &Compiled<'_>, test: &RuleTest) -> Result<Vec<String>, String> {
    if test.given.is_empty() {
        return Err("`given` has no rows".into());
    }
    let mut limits = Limits::default();
    for (name, value) in &test.limits {
        limits.set(name, *value)?;
    }
    let frame = frame(&compiled.table, &test.given)?;
    let table = Table::open(&compiled.table, &frame).map_err(|e| e.to_string())?;
    let env = Env { limits: &limits, as_of: AS_OF };
    let verdicts = judge(compiled, &frame, env).map_err(|e| e.to_string())?;
    let mut failures = both_ways(compiled, &table, &verdicts, env);
    let got: Vec<&str> = verdicts.iter().map(|v| v.word()).collect();
    if let Some(word) = test.expect.iter().find(|w| !WORDS.contains(&w.as_str())) {
        return Err(format!("unknown expectation `{word}`; use {}", WORDS.join(", ")));
    }
    if got != test.expect {
        failures.push(format!("expected {}, got {}", show(&test.expect), show(&got)));
    }
    let mut severities = Vec::new();
    let mut reasons = Vec::new();
    let sources = Sources::new(&[], AS_OF);
    for (row, verdict) in verdicts.iter().enumerate() {
        match verdict {
            Verdict::Exception | Verdict::Possible => {
                let certain = *verdict == Verdict::Exception;
                // Built for every exception, so that a message that cannot be written fails here.
                let finding = build(compiled, &table, row, certain, (env, &sources))
                    .map_err(|e| e.to_string())?;
                severities.push(finding.severity.as_str());
            }
            Verdict::NotAssessed => reasons.push(reason(compiled, &table, row)),
            Verdict::Out | Verdict::Clean => {}
        }
    }
    if !test.severity.is_empty() && severities != test.severity {
        failures.push(format!(
            "expected severity {}, got {}",
            show(&test.severity),
            show(&severities)
        ));
    }
    if !test.reasons.is_empty() && reasons != test.reasons {
        failures.push(format!("expected reasons {}, got {}", show(&test.reasons), show(&reasons)));
    }
    Ok(failures)
}

const WORDS: [&str; 5] = ["exception", "possible", "clean", "not_assessed", "out"];

/// Holds the row evaluator against the verdicts of the engine.
fn both_ways(
    compiled: &Compiled<'_>,
    table: &Table,
    verdicts: &[Verdict],
    env: Env<'_>,
) -> Vec<String> {
    let mut failures = Vec::new();
    for (row, verdict) in verdicts.iter().enumerate() {
        let by_row = verdict_of_row(compiled, table, row, env);
        if by_row != *verdict {
            failures.push(format!(
                "row {}: the engine says {}, the row evaluator says {}; please report this",
                row + 1,
                verdict.word(),
                by_row.word()
            ));
        }
    }
    failures
}

/// Verdict of one row by the row evaluator.
#[must_use]
pub fn verdict_of_row(compiled: &Compiled<'_>, table: &Table, row: usize, env: Env<'_>) -> Verdict {
    let truth = |node| eval(node, table, row, env).truth();
    Verdict::of(
        compiled.filter.as_ref().map_or(Some(true), truth),
        truth(&compiled.exception),
        compiled.possible.as_ref().map_or(Some(false), truth),
    )
}

fn show(words: &[impl AsRef<str>]) -> String {
    let words: Vec<&str> = words.iter().map(AsRef::as_ref).collect();
    format!("[{}]", words.join(", "))
}

/// Builds a frame of JSON rows. Columns left out take the value of a default row: null, or the empty
/// value of a column that is never null.
///
/// # Errors
/// When a column is unknown or a value does not fit it.
pub fn frame(def: &TableDef, rows: &[BTreeMap<String, Json>]) -> Result<DataFrame, String> {
    for (i, row) in rows.iter().enumerate() {
        if let Some(name) = row.keys().find(|k| def.column(k).is_none()) {
            return Err(format!("row {}: table `{}` has no column `{name}`", i + 1, def.name));
        }
    }
    let defaults = default_rows()
        .remove(def.name)
        .ok_or_else(|| format!("table `{}` has no default row", def.name))?;
    let columns = def
        .columns
        .iter()
        .map(|c| {
            let default = defaults.column(c.name).map_err(|e| e.to_string())?;
            column(c, default, rows)
        })
        .collect::<Result<Vec<_>, String>>()?;
    DataFrame::new(rows.len(), columns).map_err(|e| e.to_string())
}

/// One column of the rows.
fn column(
    def: &ColumnDef,
    default: &Column,
    rows: &[BTreeMap<String, Json>],
) -> Result<Column, String> {
    let mut parts = Vec::with_capacity(rows.len());
    for (i, row) in rows.iter().enumerate() {
        parts.push(match row.get(def.name) {
            None => default.clone(),
            Some(value) => {
                cell(def, value).map_err(|e| format!("row {}: `{}`: {e}", i + 1, def.name))?
            }
        });
    }
    let mut parts = parts.into_iter();
    let Some(mut all) = parts.next() else {
        return Err("no rows".into());
    };
    for part in parts {
        all.append_owned(part).map_err(|e| e.to_string())?;
    }
    Ok(all)
}

/// A column of one value.
fn cell(def: &ColumnDef, value: &Json) -> Result<Column, String> {
    let name: PlSmallStr = def.name.into();
    let wrong = || format!("{value} is not {}", def.ty.word());
    if value.is_null() {
        if !def.nullable {
            return Err("this column is never null".into());
        }
        return Ok(Series::full_null(name, 1, &def.ty.dtype()).into_column());
    }
    Ok(match def.ty {
        ColType::Text => {
            let text = value.as_str().ok_or_else(wrong)?;
            if !def.words.is_empty() && !def.words.contains(&text) {
                return Err(format!("'{text}' is none of its words: {}", def.words.join(", ")));
            }
            Column::new(name, [text])
        }
        ColType::Int => Column::new(name, [value.as_i64().ok_or_else(wrong)?]),
        ColType::Float => Column::new(name, [value.as_f64().ok_or_else(wrong)?]),
        ColType::Bool => Column::new(name, [value.as_bool().ok_or_else(wrong)?]),
        ColType::Time => {
            let time = value.as_str().and_then(parse_rfc3339).ok_or_else(wrong)?;
            Int64Chunked::from_slice(name, &[time.micros()])
                .into_datetime(TimeUnit::Microseconds, None)
                .into_column()
        }
        ColType::List => {
            let items = value.as_array().ok_or_else(wrong)?;
            let texts: Vec<&str> =
                items.iter().map(Json::as_str).collect::<Option<_>>().ok_or_else(wrong)?;
            let mut builder = ListStringChunkedBuilder::new(name, 1, texts.len());
            builder.append_values_iter(texts.into_iter());
            builder.finish().into_column()
        }
    })
}

/// A frame with one default row for every table.
fn default_rows() -> BTreeMap<&'static str, DataFrame> {
    macro_rules! one_row {
        ($store:ident: $($field:ident),* $(,)?) => {
            $store { $( $field: vec![Default::default()], )* }.frames().unwrap_or_default()
        };
    }
    // No `..`: a new table does not compile until it is named here.
    let mut all = one_row!(Facts: sources, quarantine, principals, aliases, memberships, entitlements,
        roles, grants, grant_events, approvals, tasks, task_links, usage, credentials, delegations,
        links, workloads, trusts, realms, guardrails, resource_policies, provider_findings, resources, owners, reviews);
    all.extend(one_row!(Derived: grant_facts, chains, access_spans, segments, holdings,
        identity_facts, credential_facts, usage_facts, trust_facts, escalations, policies_in_force, exposures,
        policy_facts, use_profiles, delegation_facts, approver_facts, emergency_facts,
        machine_uses, metrics, principal_metrics, coverage, waiver_facts));
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    const GRT: &str = include_str!("../../tests/data/rules-sample/grt/GRT-003-sample.yaml");
    const STD: &str = include_str!("../../tests/data/rules-sample/std/STD-001-sample.yaml");
    const EVD: &str = include_str!("../../tests/data/rules-sample/evd/EVD-001-sample.yaml");

    fn failures(text: &str) -> Vec<String> {
        let pack = Pack::from_texts([("x.yaml", text)]).unwrap();
        test_pack(&pack).unwrap().into_iter().flat_map(|t| t.failures).collect()
    }

    #[test]
    fn sample_rules_pass_their_tests() {
        for text in [GRT, STD, EVD] {
            assert_eq!(failures(text), Vec::<String>::new());
        }
    }

    #[test]
    fn embedded_rules_pass_their_tests() {
        let failed: Vec<_> = test_pack(&Pack::builtin().unwrap())
            .unwrap()
            .into_iter()
            .filter(|t| !t.passed())
            .collect();
        assert!(failed.is_empty(), "{failed:#?}");
    }

    #[test]
    fn wrong_expectations_fail() {
        for (from, to, part) in [
            ("expect: [clean]", "expect: [exception]", "expected [exception], got [clean]"),
            ("severity: [high]", "severity: [low]", "expected severity [low], got [high]"),
            ("[no_task_link, unknown,", "[no_task_link, no_task_link,", "expected reasons"),
            ("expect: [clean]", "expect: [celan]", "unknown expectation `celan`"),
            ("task_grace_s: 3600", "task_graze_s: 3600", "unknown limit"),
            ("overstay_s: 3000", "overstay: 3000", "no column `overstay`"),
            ("overstay_s: 3000", "overstay_s: soon", "is not integer"),
            ("overstay_s: 3000", "interval_inverted: null", "never null"),
            ("tier: T2", "tier: T9", "none of its words"),
            ("tier: T2", "started_at: later", "is not time"),
            ("tier: T2", "drift: end", "is not list"),
        ] {
            let text = GRT.replacen(from, to, 1);
            assert_ne!(text, GRT, "{from}");
            let all = failures(&text).join("\n");
            assert!(all.contains(part), "{to}: {all}");
        }
    }

    #[test]
    fn every_table_has_a_default_row_of_its_columns() {
        let rows = default_rows();
        for def in crate::facts::store::all_tables() {
            let frame = &rows[def.name];
            assert_eq!(frame.height(), 1, "{}", def.name);
            assert!(Table::open(&def, frame).is_ok(), "{}", def.name);
        }
    }

    #[test]
    fn the_as_of_time_of_tests_is_as_documented() {
        assert_eq!(AS_OF.to_rfc3339(), "2026-11-01T00:00:00Z");
    }
}
