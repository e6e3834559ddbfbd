//! Runs rules over fact tables: whole columns at once, one rule per thread, and only exceptions become
//! rows. Results do not depend on the number of threads.

use std::collections::{BTreeMap, BTreeSet};

use polars::prelude::*;
use rayon::prelude::*;

use super::compile::{Compiled, Reason, compile};
use super::error::RuleError;
use super::eval::Env;
use super::finding;
use super::load::{Entry, Pack};
use super::lower::lower;
use super::value::Table;
use crate::facts::{Source, Time};
use crate::findings::{Finding, RuleResult};
use crate::settings::Limits;

/// What a run of the rules reads.
#[derive(Clone, Copy, Debug)]
pub struct RunInput<'a> {
    /// Fact tables by name.
    pub frames: &'a BTreeMap<&'static str, DataFrame>,
    /// Limits in force.
    pub limits: &'a Limits,
    /// As-of time.
    pub as_of: Time,
    /// Sources, to which evidence references point.
    pub sources: &'a [Source],
    /// Inputs that are there, in the words of `needs`.
    pub present: &'a BTreeSet<String>,
    /// Rules that are switched off, with the reason.
    pub disabled: &'a BTreeMap<String, String>,
    /// Only these rules run; the others are left out of the results.
    pub only: Option<&'a BTreeSet<String>>,
}

/// What a run of the rules gives.
#[derive(Clone, Debug, Default)]
pub struct RunOutput {
    /// One result per rule, by id.
    pub results: Vec<RuleResult>,
    /// Findings, in the order of [`Finding::sort_key`].
    pub findings: Vec<Finding>,
}

/// What became of one row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Not in the population.
    Out,
    /// Tested, nothing found.
    Clean,
    /// An exception.
    Exception,
    /// An exception for some completion of what is unknown.
    Possible,
    /// Could not be tested.
    NotAssessed,
}

impl Verdict {
    /// The word that tests in rule files use.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Out => "out",
            Self::Clean => "clean",
            Self::Exception => "exception",
            Self::Possible => "possible",
            Self::NotAssessed => "not_assessed",
        }
    }

    /// The verdict from the three predicates of a rule.
    ///
    /// An undecided filter leaves the row in the population: it cannot be shown to be out.
    #[must_use]
    pub fn of(filter: Option<bool>, exception: Option<bool>, possible: Option<bool>) -> Self {
        match (filter, exception, possible) {
            (Some(false), ..) => Self::Out,
            (None, ..) => Self::NotAssessed,
            (Some(true), Some(true), _) => Self::Exception,
            (Some(true), _, Some(true)) => Self::Possible,
            (Some(true), Some(false), _) => Self::Clean,
            (Some(true), None, _) => Self::NotAssessed,
        }
    }
}

/// Runs all rules of a pack.
///
/// # Errors
/// When a rule is wrong, or a table it needs is not there or has other columns.
pub fn run(pack: &Pack, input: &RunInput<'_>) -> Result<RunOutput, RuleError> {
    let entries: Vec<&Entry> = pack
        .entries()
        .filter(|e| input.only.is_none_or(|only| only.contains(&e.rule.id)))
        .collect();
    let tables: BTreeSet<&str> = entries.iter().map(|e| e.rule.population.table.as_str()).collect();
    let tables = open(&tables, input)?;
    let sources = finding::Sources::new(input.sources, input.as_of);
    let parts: Vec<_> = entries
        .par_iter()
        .map(|entry| run_one(entry, input, &tables, &sources))
        .collect::<Result<_, _>>()?;
    let mut out = RunOutput::default();
    for (result, findings) in parts {
        out.results.push(result);
        out.findings.extend(findings);
    }
    out.findings.sort_by(|a, b| a.sort_key().cmp(&b.sort_key()));
    Ok(out)
}

/// Opens each needed table once; a table without a frame is an error only for a rule that runs.
fn open<'a>(
    names: &BTreeSet<&'a str>,
    input: &RunInput<'_>,
) -> Result<BTreeMap<&'a str, Table>, RuleError> {
    let mut tables = BTreeMap::new();
    for name in names {
        if let (Some(def), Some(frame)) = (crate::facts::store::table(name), input.frames.get(name))
        {
            tables.insert(*name, Table::open(&def, frame)?);
        }
    }
    Ok(tables)
}

fn run_one(
    entry: &Entry,
    input: &RunInput<'_>,
    tables: &BTreeMap<&str, Table>,
    sources: &finding::Sources<'_>,
) -> Result<(RuleResult, Vec<Finding>), RuleError> {
    // Compiled also when it will not run: a wrong rule must not hide behind a missing input.
    let compiled = compile(&entry.rule, &entry.file)?;
    let rule = compiled.rule;
    let mut result = RuleResult {
        rule: rule.id.clone(),
        title: rule.title.clone(),
        table: compiled.table.name.into(),
        controls: compiled.controls.to_vec(),
        limits: compiled
            .limits()
            .into_iter()
            .filter_map(|name| Some((name.to_string(), input.limits.get(name)?.to_string())))
            .collect(),
        ..RuleResult::default()
    };
    if let Some(reason) = why_not_run(&compiled, input) {
        result.outcome = "not_assessed".into();
        result.reason = Some(reason);
        return Ok((result, Vec::new()));
    }
    let missing = || RuleError::Frame {
        table: compiled.table.name.into(),
        message: "the table is not there".into(),
    };
    let frame = input.frames.get(compiled.table.name).ok_or_else(missing)?;
    let table = tables.get(compiled.table.name).ok_or_else(missing)?;
    let env = Env { limits: input.limits, as_of: input.as_of };
    let verdicts = judge(&compiled, frame, env)?;
    let mut found = Vec::new();
    for (row, verdict) in verdicts.iter().enumerate() {
        match verdict {
            Verdict::Out => continue,
            Verdict::Clean => result.clean += 1,
            Verdict::NotAssessed => {
                result.not_assessed += 1;
                *result.reasons.entry(reason(&compiled, table, row)).or_default() += 1;
            }
            Verdict::Exception | Verdict::Possible => {
                result.exceptions += 1;
                let certain = *verdict == Verdict::Exception;
                found.push(finding::build(&compiled, table, row, certain, (env, sources))?);
            }
        }
        result.population += 1;
    }
    debug_assert_eq!(result.population, result.exceptions + result.clean + result.not_assessed);
    conclude(&mut result);
    Ok((result, finding::merge(found)))
}

/// Why a rule does not run at all: switched off, or an input is missing.
fn why_not_run(compiled: &Compiled<'_>, input: &RunInput<'_>) -> Option<String> {
    if let Some(reason) = input.disabled.get(&compiled.rule.id) {
        return Some(format!("disabled: {reason}"));
    }
    let missing: Vec<&str> = compiled
        .rule
        .needs
        .iter()
        .map(String::as_str)
        .filter(|word| !input.present.contains(*word))
        .collect();
    (!missing.is_empty()).then(|| format!("no_source: {}", missing.join(", ")))
}

/// Outcome and reason from the counts.
fn conclude(result: &mut RuleResult) {
    let outcome = if result.not_assessed == 0 {
        "assessed"
    } else if result.not_assessed == result.population {
        "not_assessed"
    } else {
        "partial"
    };
    result.outcome = outcome.into();
    if result.not_assessed > 0 {
        // Most frequent first; equal counts by name.
        let mut reasons: Vec<_> = result.reasons.iter().collect();
        reasons.sort_by_key(|(name, n)| (std::cmp::Reverse(**n), name.as_str()));
        let words: Vec<String> = reasons.iter().map(|(name, n)| format!("{name} ({n})")).collect();
        result.reason = Some(words.join(", "));
    }
}

/// Why a row could not be tested: the first listed column that is null in it.
#[must_use]
pub fn reason(compiled: &Compiled<'_>, table: &Table, row: usize) -> String {
    for (column, reason) in &compiled.unknown {
        if table.get(column, row).is_null() {
            return match reason {
                Reason::Code(code) => (*code).to_string(),
                Reason::Column(c) => {
                    table.text(c, row).filter(|s| !s.is_empty()).unwrap_or_else(|| "unknown".into())
                }
            };
        }
    }
    "unknown".into()
}

/// Verdict of every row, by whole columns.
///
/// # Errors
/// When the frame does not have the columns of the table.
pub fn judge(
    compiled: &Compiled<'_>,
    frame: &DataFrame,
    env: Env<'_>,
) -> Result<Vec<Verdict>, RuleError> {
    if frame.height() == 0 {
        return Ok(Vec::new());
    }
    let engine = |source| RuleError::Engine { rule: compiled.rule.id.clone(), source };
    let mut wanted = vec![lower(&compiled.exception, env).alias("__exception")];
    if let Some(filter) = &compiled.filter {
        wanted.push(lower(filter, env).alias("__filter"));
    }
    if let Some(possible) = &compiled.possible {
        wanted.push(lower(possible, env).alias("__possible"));
    }
    // Only the columns that are read go in; the predicates of literals alone are spread by
    // `with_columns`. Optimisations are off: each expression is evaluated as it was checked.
    let columns = compiled.columns();
    let input = if columns.is_empty() {
        frame.clone()
    } else {
        frame.select(columns.iter().copied()).map_err(engine)?
    };
    let out =
        input.lazy().without_optimizations().with_columns(wanted).collect().map_err(engine)?;
    let height = out.height();
    let mask = |name: &str, absent: Option<bool>| -> Result<Vec<Option<bool>>, RuleError> {
        match out.column(name) {
            Ok(column) => Ok(column.bool().map_err(engine)?.iter().collect()),
            Err(_) => Ok(vec![absent; height]),
        }
    };
    let filter = mask("__filter", Some(true))?;
    let exception = mask("__exception", None)?;
    let possible = mask("__possible", Some(false))?;
    Ok(filter
        .into_iter()
        .zip(exception)
        .zip(possible)
        .map(|((f, e), p)| Verdict::of(f, e, p))
        .collect())
}

#[cfg(test)]
#[path = "run_tests.rs"]
mod tests;
