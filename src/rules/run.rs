//! Runs rules over fact tables: a table piece by piece, within a piece whole columns at once, and only
//! exceptions become rows. A rule looks at one row at a time, so its result over a table is the sum of
//! its results over the pieces; results depend neither on the pieces nor on the number of threads.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use polars::prelude::*;
use rayon::prelude::*;

use super::compile::{Compiled, Reason, compile};
use super::error::RuleError;
use super::eval::Env;
use super::finding;
use super::load::{Entry, Pack};
use super::lower::lower;
use super::value::Table;
use crate::facts::store::{Rows, Tables};
use crate::facts::{Source, Time};
use crate::findings::{Finding, RuleResult};
use crate::settings::Limits;

/// What a run of the rules reads.
#[derive(Clone, Debug)]
pub struct RunInput<'a> {
    /// Fact tables by name.
    pub tables: Tables<'a>,
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

/// Rows that are judged together. A piece holds only the columns that the rules of its table read, so that
/// memory does not grow with the table.
const PIECE: usize = 4_096;

/// Runs all rules of a pack.
///
/// # Errors
/// When a rule is wrong, or a table it needs is not there or has other columns.
pub fn run(pack: &Pack, input: &RunInput<'_>) -> Result<RunOutput, RuleError> {
    run_in_pieces(pack, input, PIECE)
}

/// [`run`] with pieces of so many rows; the result is the same for every number.
fn run_in_pieces(pack: &Pack, input: &RunInput<'_>, piece: usize) -> Result<RunOutput, RuleError> {
    let entries: Vec<&Entry> = pack
        .entries()
        .filter(|e| input.only.is_none_or(|only| only.contains(&e.rule.id)))
        .collect();
    // Compiled also when it will not run: a wrong rule must not hide behind a missing input.
    let rules: Vec<Compiled<'_>> =
        entries.par_iter().map(|e| compile(&e.rule, &e.file)).collect::<Result<_, _>>()?;
    let mut parts: Vec<(RuleResult, Vec<Vec<Finding>>)> =
        rules.iter().map(|rule| (opening(rule, input), Vec::new())).collect();
    let plans = plans(&rules, input)?;
    let jobs: Vec<(&Plan<'_, '_>, Range<usize>)> = plans
        .iter()
        .flat_map(|plan| {
            let height = plan.rows.height();
            let starts = (0..height).step_by(piece.max(1));
            starts.map(move |from| (plan, from..height.min(from.saturating_add(piece))))
        })
        .collect();
    let sources = finding::Sources::new(input.sources, input.as_of);
    let judged = side_by_side(&jobs, |(plan, range)| plan.judge(range.clone(), input, &sources))?;
    // In the order of the rows, which decides between findings of one identity and of equal weight.
    for (rule, counts, found) in judged.into_iter().flatten() {
        if let Some((result, findings)) = parts.get_mut(rule) {
            result.absorb(counts);
            findings.push(found);
        }
    }
    let mut out = RunOutput::default();
    let merged: Vec<(RuleResult, Vec<Vec<Finding>>)> = parts
        .into_par_iter()
        .map(|(mut result, found)| {
            if result.outcome.is_empty() {
                conclude(&mut result);
            }
            (result, finding::merge_pieces(found))
        })
        .collect();
    // Findings are large, so they are moved once and not again and again as the list grows.
    out.findings.reserve_exact(merged.iter().flat_map(|(_, found)| found).map(Vec::len).sum());
    for (result, found) in merged {
        out.results.push(result);
        found.into_iter().for_each(|piece| out.findings.extend(piece));
    }
    sort(&mut out.findings);
    Ok(out)
}

/// The answers to all jobs, in their order. One job after the other on each thread: a job that waits for
/// its parts would begin another on the same stack, and that one the next.
fn side_by_side<J: Sync, T: Send>(
    jobs: &[J],
    work: impl Fn(&J) -> Result<T, RuleError> + Sync,
) -> Result<Vec<T>, RuleError> {
    let next = AtomicUsize::new(0);
    let done: Mutex<Vec<(usize, Result<T, RuleError>)>> = Mutex::default();
    rayon::scope(|scope| {
        for _ in 0..rayon::current_num_threads().min(jobs.len()) {
            scope.spawn(|_| {
                loop {
                    let at = next.fetch_add(1, Ordering::Relaxed);
                    let Some(job) = jobs.get(at) else { return };
                    let answer = work(job);
                    done.lock().unwrap_or_else(PoisonError::into_inner).push((at, answer));
                }
            });
        }
    });
    let mut done = done.into_inner().unwrap_or_else(PoisonError::into_inner);
    done.sort_unstable_by_key(|(at, _)| *at);
    done.into_iter().map(|(_, answer)| answer).collect()
}

/// Puts findings in the order of [`Finding::sort_key`]; those of equal keys stay in their order. Findings
/// are large: their places are sorted, and then each moves once, which takes no second room for them.
fn sort(findings: &mut [Finding]) {
    let mut order: Vec<usize> = (0..findings.len()).collect();
    order.par_sort_unstable_by(|a, b| {
        let key = |i: &usize| findings.get(*i).map(Finding::sort_key);
        key(a).cmp(&key(b)).then(a.cmp(b))
    });
    // Place `i` takes what stood at `order[i]`; what was moved from there meanwhile is found by its trail.
    for to in 0..order.len() {
        let mut from = order.get(to).copied().unwrap_or(to);
        while from < to {
            from = order.get(from).copied().unwrap_or(to);
        }
        findings.swap(to, from);
    }
}

/// The result of a rule before it has seen a row; it has an outcome when the rule does not run.
pub(crate) fn opening(rule: &Compiled<'_>, input: &RunInput<'_>) -> RuleResult {
    let mut result = RuleResult {
        rule: rule.rule.id.clone(),
        title: rule.rule.title.clone(),
        table: rule.table.name.into(),
        controls: rule.controls.to_vec(),
        limits: rule
            .limits()
            .into_iter()
            .filter_map(|name| Some((name.to_string(), input.limits.get(name)?.to_string())))
            .collect(),
        ..RuleResult::default()
    };
    if let Some(reason) = why_not_run(rule, input) {
        result.outcome = "not_assessed".into();
        result.reason = Some(reason);
    }
    result
}

/// One table and the rules that run over it.
struct Plan<'a, 'r> {
    rows: &'a dyn Rows,
    /// Rules with their place in the list of all.
    rules: Vec<(usize, &'a Compiled<'r>)>,
    /// Columns that judging takes, findings apart.
    columns: BTreeSet<&'static str>,
}

/// A plan for each table that a rule which runs needs. A table that is not there is an error only then.
fn plans<'a, 'r>(
    rules: &'a [Compiled<'r>],
    input: &RunInput<'a>,
) -> Result<Vec<Plan<'a, 'r>>, RuleError> {
    let mut plans: BTreeMap<&str, Plan<'a, 'r>> = BTreeMap::new();
    for (place, rule) in rules.iter().enumerate() {
        if why_not_run(rule, input).is_some() {
            continue;
        }
        let rows = *input.tables.get(rule.table.name).ok_or_else(|| RuleError::Frame {
            table: rule.table.name.into(),
            message: "the table is not there".into(),
        })?;
        plans.entry(rule.table.name).or_insert_with(|| Plan::new(rows)).add(place, rule);
    }
    Ok(plans.into_values().collect())
}

/// What a rule says of a table: its place among all, the counts, and the rows of exceptions with whether
/// they are certain.
pub(crate) type Judged = (usize, RuleResult, Vec<(usize, bool)>);

/// Counts and exceptions of rules of one table, given with their places among all, over all rows of it.
///
/// # Errors
/// When the table has other columns than the rules read.
pub(crate) fn exceptions(
    rules: &[(usize, &Compiled<'_>)],
    rows: &dyn Rows,
    env: Env<'_>,
) -> Result<Vec<Judged>, RuleError> {
    let mut plan = Plan::new(rows);
    rules.iter().for_each(|(place, rule)| plan.add(*place, rule));
    let mut out: Vec<Judged> =
        rules.iter().map(|(at, _)| (*at, RuleResult::default(), Vec::new())).collect();
    for from in (0..rows.height()).step_by(PIECE) {
        let tallies = plan.tallies(from..rows.height().min(from + PIECE), env)?;
        for ((_, counts, found), tally) in out.iter_mut().zip(tallies) {
            counts.absorb(tally.counts);
            found.extend(tally.found.iter().map(|(row, certain)| (from + row, *certain)));
        }
    }
    Ok(out)
}

impl<'a, 'r> Plan<'a, 'r> {
    fn new(rows: &'a dyn Rows) -> Self {
        Self { rows, rules: Vec::new(), columns: BTreeSet::new() }
    }

    fn add(&mut self, place: usize, rule: &'a Compiled<'r>) {
        self.columns.extend(rule.columns());
        for (column, reason) in &rule.unknown {
            self.columns.insert(column);
            if let Reason::Column(other) = reason {
                self.columns.insert(other);
            }
        }
        // Without any column a frame would lose its height.
        self.columns.extend(rule.table.columns.first().map(|c| c.name));
        self.rules.push((place, rule));
    }

    /// What each rule says of a range of rows, counted from its begin.
    fn tallies(&self, range: Range<usize>, env: Env<'_>) -> Result<Vec<Tally>, RuleError> {
        let Some((_, first)) = self.rules.first() else { return Ok(Vec::new()) };
        let def = first.table;
        let wanted = |c: &str| self.columns.contains(c);
        let frame = self.rows.piece(range, &wanted).map_err(|e| broken(def.name, &e))?;
        let table = Table::open_part(&def, &frame, &self.columns)?;
        let rules: Vec<&Compiled<'_>> = self.rules.iter().map(|(_, rule)| *rule).collect();
        let verdicts = judge_all(&rules, &frame, env)?;
        let all = rules.par_iter().zip(&verdicts);
        Ok(all.map(|(rule, verdicts)| tally(rule, &table, verdicts)).collect())
    }

    /// Counts and findings of every rule over a range of rows.
    fn judge(
        &self,
        range: Range<usize>,
        input: &RunInput<'_>,
        sources: &finding::Sources<'_>,
    ) -> Result<Vec<(usize, RuleResult, Vec<Finding>)>, RuleError> {
        let Some((_, first)) = self.rules.first() else { return Ok(Vec::new()) };
        let def = first.table;
        let env = Env { limits: input.limits, as_of: input.as_of };
        let from = range.start;
        let tallies = self.tallies(range, env)?;
        // Rows of which findings are made, once for all rules.
        let rows: BTreeSet<usize> =
            tallies.iter().flat_map(|t| t.found.iter().map(|(row, _)| *row)).collect();
        let rows: Vec<usize> = rows.into_iter().collect();
        let absolute: Vec<usize> = rows.iter().map(|row| from + row).collect();
        let picked = self.rows.pick(&absolute).map_err(|e| broken(def.name, &e))?;
        let picked = Table::open(&def, &picked)?;
        self.rules
            .par_iter()
            .zip(tallies)
            .map(|((place, rule), tally)| {
                let mut found = Vec::with_capacity(tally.found.len());
                for (row, certain) in &tally.found {
                    let Ok(at) = rows.binary_search(row) else { continue };
                    found.push(finding::build(rule, &picked, at, *certain, (env, sources))?);
                }
                Ok((*place, tally.counts, found))
            })
            .collect()
    }
}

fn broken(table: &str, e: &PolarsError) -> RuleError {
    RuleError::Frame { table: table.into(), message: e.to_string() }
}

/// What a rule says of a piece: the counts, and rows of exceptions with whether they are certain.
struct Tally {
    counts: RuleResult,
    found: Vec<(usize, bool)>,
}

fn tally(rule: &Compiled<'_>, table: &Table, verdicts: &[Verdict]) -> Tally {
    let mut counts = RuleResult::default();
    let mut found = Vec::new();
    for (row, verdict) in verdicts.iter().enumerate() {
        match verdict {
            Verdict::Out => continue,
            Verdict::Clean => counts.clean += 1,
            Verdict::NotAssessed => {
                counts.not_assessed += 1;
                let why = reason(rule, table, row);
                match counts.reasons.get_mut(&*why) {
                    Some(n) => *n += 1,
                    None => _ = counts.reasons.insert(why.into_owned(), 1),
                }
            }
            Verdict::Exception | Verdict::Possible => {
                counts.exceptions += 1;
                found.push((row, *verdict == Verdict::Exception));
            }
        }
        counts.population += 1;
    }
    debug_assert_eq!(counts.population, counts.exceptions + counts.clean + counts.not_assessed);
    Tally { counts, found }
}

/// Why a rule does not run at all: switched off, or an input is missing.
pub(crate) fn why_not_run(compiled: &Compiled<'_>, input: &RunInput<'_>) -> Option<String> {
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
pub(crate) fn conclude(result: &mut RuleResult) {
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
pub fn reason<'a>(compiled: &Compiled<'a>, table: &'a Table, row: usize) -> Cow<'a, str> {
    for (column, reason) in &compiled.unknown {
        if table.is_null(column, row) {
            return match reason {
                Reason::Code(code) => Cow::Borrowed(*code),
                Reason::Column(c) => {
                    table.words(c, row).filter(|s| !s.is_empty()).unwrap_or("unknown".into())
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
    let engine = |source| RuleError::Engine { rule: compiled.rule.id.clone(), source };
    let verdicts = judge_together(&[compiled], frame, env).map_err(engine)?;
    Ok(verdicts.into_iter().next().unwrap_or_default())
}

/// Verdicts of several rules of one table: to plan and run one query takes less than one for each.
fn judge_all(
    rules: &[&Compiled<'_>],
    frame: &DataFrame,
    env: Env<'_>,
) -> Result<Vec<Vec<Verdict>>, RuleError> {
    // An error does not name the rule it belongs to; one by one they do.
    judge_together(rules, frame, env)
        .or_else(|_| rules.iter().map(|rule| judge(rule, frame, env)).collect())
}

/// Verdicts of the rows of a frame, rule by rule.
fn judge_together(
    rules: &[&Compiled<'_>],
    frame: &DataFrame,
    env: Env<'_>,
) -> PolarsResult<Vec<Vec<Verdict>>> {
    let height = frame.height();
    if height == 0 {
        return Ok(vec![Vec::new(); rules.len()]);
    }
    let mut wanted = Vec::with_capacity(3 * rules.len());
    for (i, rule) in rules.iter().enumerate() {
        wanted.push(lower(&rule.exception, env).alias(format!("__exception{i}")));
        if let Some(filter) = &rule.filter {
            wanted.push(lower(filter, env).alias(format!("__filter{i}")));
        }
        if let Some(possible) = &rule.possible {
            wanted.push(lower(possible, env).alias(format!("__possible{i}")));
        }
    }
    // Only the columns that are read go in; the predicates of literals alone are spread by
    // `with_columns`. Optimisations are off: each expression is evaluated as it was checked.
    let columns: BTreeSet<&str> = rules.iter().flat_map(|rule| rule.columns()).collect();
    let input =
        if columns.is_empty() { frame.clone() } else { frame.select(columns.iter().copied())? };
    let out = input.lazy().without_optimizations().with_columns(wanted).collect()?;
    let mask = |name: String, absent: Option<bool>| -> PolarsResult<Vec<Option<bool>>> {
        match out.column(&name) {
            Ok(column) => Ok(column.bool()?.iter().collect()),
            Err(_) => Ok(vec![absent; height]),
        }
    };
    let verdicts = (0..rules.len()).map(|i| {
        let filter = mask(format!("__filter{i}"), Some(true))?;
        let exception = mask(format!("__exception{i}"), None)?;
        let possible = mask(format!("__possible{i}"), Some(false))?;
        let rows = filter.into_iter().zip(exception).zip(possible);
        Ok(rows.map(|((f, e), p)| Verdict::of(f, e, p)).collect())
    });
    verdicts.collect()
}

#[cfg(test)]
#[path = "run_tests.rs"]
mod tests;
