//! Screening of large flat ledgers: the second engine, for tables of our own schema with millions of rows.
//!
//! The row engine of [`crate::analyze`] makes a struct of a hundred columns of every grant; here a grant is
//! some hundred bytes. Names become hashes with a key of the run, rows are partitioned by what they are
//! joined on (spilled to disk beyond a limit), joined by hash and swept in one sort per partition. Chunks
//! of 4,096 rows then have the columns of `grant_facts` and its like, over which the same compiled
//! predicates run that the row engine uses, so no rule is written twice. Grants that the sweep does not carry
//! go aside with all that belongs to them, and the row engine judges those ([`marks`], [`aside`]); inputs
//! that it does not carry are refused as a whole, with the reason. Tests hold the two engines equal.

pub mod add;
mod after;
pub mod approvers;
pub mod aside;
#[cfg(feature = "columnar-io")]
pub mod block;
pub mod cell;
#[cfg(feature = "columnar-io")]
pub mod columnar;
pub mod columns;
pub mod id;
pub mod join;
pub mod judge;
pub mod lanes;
pub mod marks;
pub mod memo;
#[cfg(feature = "columnar-io")]
pub mod pages;
pub mod part;
pub mod plan;
pub mod read;
pub mod reading;
pub mod rows;
pub mod shared;
pub mod store;
pub mod table;
pub mod told;
pub mod usage;
pub mod vocabulary;
pub mod whole;

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::sync::PoisonError;
use std::sync::atomic::Ordering;

use rayon::prelude::*;

use crate::analyze::survey::Survey;
use crate::facts::{ApproverFact, Facts, Source, Time};
use crate::findings::RuleResult;
use crate::ingest::source::Batch;
use crate::rules::compile::{Compiled, compile};
use crate::rules::run::{conclude, opening, why_not_run};
use crate::rules::{Pack, RunInput};
use crate::settings::Settings;
use after::{Sweep, Swept};
use judge::{Columns, Hit, Judge, Sums};
use plan::{File, Kind, Refusal};
use rows::Place;
use shared::Shared;
use store::Budget;

/// What a screening reads.
#[derive(Debug)]
pub struct Input<'a> {
    /// Files.
    pub files: &'a [File],
    /// Settings.
    pub settings: &'a Settings,
    /// Rules.
    pub pack: &'a Pack,
    /// As-of time asked for; else the newest evidence.
    pub as_of: Option<Time>,
    /// Bytes that rows may take in memory.
    pub memory: usize,
    /// Grants that may go to the row engine.
    pub most_aside: usize,
}

/// What a screening gives.
#[derive(Debug)]
pub struct Screened {
    /// As-of time.
    pub as_of: Time,
    /// Sources and quarantine; no other table has rows.
    pub facts: Facts,
    /// One result per rule over a table of the sweep.
    pub results: Vec<RuleResult>,
    /// Ids of the rules, by the number of [`Hit::rule`].
    pub rules: Vec<String>,
    /// Exceptions, sorted.
    pub hits: Vec<Hit>,
    /// Members of the lanes that hold exceptions, by [`Hit::lane`].
    pub lanes: Vec<Vec<Place>>,
    /// Members of the chains that are exceptions, by the first.
    pub chains: BTreeMap<Place, Vec<Place>>,
    /// Rows of `approver_facts`.
    pub approvers: Vec<ApproverFact>,
    /// What only the whole of the inputs shows, for an analysis of a part of them.
    pub survey: Survey,
    /// Grants.
    pub grants: u64,
    /// Records of grants that the row engine judged, and why.
    pub aside: (usize, Vec<&'static str>),
}

/// What the sweep has of `machine_uses`.
const MACHINES: Columns = Columns {
    table: "machine_uses",
    values: &["n_records", "n_described", "n_interactive", "people", "clients_unknown"],
    nulls: &[],
    same: &[],
};

/// Tables of the sweep.
const TABLES: [Columns; 5] =
    [columns::GRANTS, columns::CHAINS, columns::SPANS, usage::COLUMNS, MACHINES];

/// Rows of a partition, about: its rows and hash tables fit the cache.
const PARTITION: usize = 20_000;

fn failed(e: io::Error) -> Refusal {
    Refusal::Temporary(e.to_string())
}

/// Whether a table is one of the sweep.
#[must_use]
pub fn sweeps(table: &str) -> bool {
    TABLES.iter().any(|c| c.table == table)
}

/// Screens.
///
/// # Errors
/// Why the inputs cannot be screened.
pub fn screen(input: &Input<'_>) -> Result<Screened, Refusal> {
    let rules: Vec<Compiled<'_>> = input
        .pack
        .entries()
        .map(|e| compile(&e.rule, &e.file))
        .collect::<Result<_, _>>()
        .map_err(|e| Refusal::Failed(e.to_string()))?;
    let rows = input.files.iter().map(|f| f.rows).max().unwrap_or(0);
    let parts = (rows / PARTITION).next_power_of_two().clamp(1, 1024);
    let budget = Budget::new(input.memory);
    let has = |kind| input.files.iter().any(|f| f.kind == kind);
    let fixed = input.as_of.or(input.settings.as_of);
    let shared = Shared::new(parts, &budget, has(Kind::Tasks), fixed);
    let (digests, read) = rayon::join(
        || reading::digests(input.files),
        || reading::all(&shared, input.files, &budget),
    );
    read?;
    refused(&shared)?;
    let mut sums = std::mem::take(&mut *lock(&shared.sums));
    let mut facts = sources(input, &mut sums, digests?);
    let as_of = as_of(input, &facts.sources)?;
    let present = present(input, &facts.sources);
    let run = RunInput {
        tables: BTreeMap::new(),
        limits: &input.settings.limits,
        as_of,
        sources: &facts.sources,
        present: &present,
        disabled: &input.settings.disabled_rules,
        only: None,
    };
    let judge = judge(&rules, &run, input)?;
    let mut grants = sums.grants;
    let sweep =
        Sweep { input, shared: &shared, judge: &judge, sums, sources: &facts.sources, as_of };
    let Swept { mut tallies, survey, approvers, aside } = sweep.run()?;
    refused(&shared)?;
    let results = results(&rules, &run, &mut tallies);
    if let Some(aside) = aside {
        grants -= aside.dropped;
        facts.sources = aside.facts.sources;
        facts.quarantine.extend(aside.facts.quarantine);
        facts.quarantine.sort_by(|a, b| a.source_id.cmp(&b.source_id));
    }
    tallies.hits.sort_unstable();
    let rules = rules.iter().map(|r| r.rule.id.clone()).collect();
    let Sums { hits, lanes, chains, aside, .. } = tallies;
    let aside = (aside.len(), shared.marks.reasons());
    Ok(Screened {
        as_of,
        results,
        rules,
        hits,
        lanes,
        chains,
        approvers,
        survey,
        grants,
        aside,
        facts,
    })
}

fn lock<T>(m: &std::sync::Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    m.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What somebody refused meanwhile.
fn refused(shared: &Shared<'_>) -> Result<(), Refusal> {
    if !shared.refused.load(Ordering::Relaxed) {
        return Ok(());
    }
    if let Some(e) = lock(&shared.failure).take() {
        return Err(Refusal::Temporary(e));
    }
    let all: Vec<&str> = lock(&shared.refusals).iter().copied().collect();
    Err(Refusal::NotFlat(all.join("; ")))
}

/// The rows of `sources`, and the quarantine.
fn sources(input: &Input<'_>, sums: &mut shared::Sums, digests: Vec<(String, u64)>) -> Facts {
    let mut out = Facts::default();
    for ((number, file), digest) in input.files.iter().enumerate().zip(digests) {
        let mut batch = sums.files.remove(&number).unwrap_or_else(|| Batch::new(&file.id));
        batch.source_id = file.id.clone();
        batch.facts.quarantine.sort_by_key(|q| place_order(&q.source_ref));
        let (facts, source) = crate::ingest::driver::source_of(
            &file.input,
            file.format,
            &file.id,
            batch,
            digest,
            input.settings,
        );
        out.append(facts);
        out.sources.push(source);
    }
    out.quarantine.sort_by(|a, b| a.source_id.cmp(&b.source_id));
    out
}

/// `R12` and `L12` in the order of the rows.
fn place_order(place: &str) -> u64 {
    place.get(1..).and_then(|n| n.parse().ok()).unwrap_or(u64::MAX)
}

fn as_of(input: &Input<'_>, sources: &[Source]) -> Result<Time, Refusal> {
    let newest =
        sources.iter().flat_map(|s| [s.last_time, s.collected_at, s.window_end]).flatten().max();
    input
        .as_of
        .or(input.settings.as_of)
        .or(newest)
        .ok_or_else(|| Refusal::NotFlat("no record carries a time".into()))
}

/// Inputs that are there, in the words of `needs`.
fn present(input: &Input<'_>, sources: &[Source]) -> BTreeSet<String> {
    let mut out: BTreeSet<String> = sources.iter().map(|s| s.layer.as_str().to_owned()).collect();
    let s = input.settings;
    for (there, word) in [
        (!s.approved_roles.is_empty(), "settings:approved_roles"),
        (!s.duties.is_empty(), "settings:duties"),
        (s.environments.iter().any(|e| e.jit_only), "settings:environment"),
    ] {
        if there {
            out.insert(word.to_owned());
        }
    }
    out
}

/// The rules over tables of the sweep that run.
fn judge<'a>(
    rules: &'a [Compiled<'a>],
    run: &RunInput<'a>,
    input: &Input<'a>,
) -> Result<Judge<'a>, Refusal> {
    let mut out =
        Judge { rules: BTreeMap::new(), limits: &input.settings.limits, as_of: run.as_of };
    for (at, rule) in rules.iter().enumerate() {
        let Some(columns) = TABLES.iter().find(|c| c.table == rule.table.name) else { continue };
        if why_not_run(rule, run).is_some() {
            continue;
        }
        if let Some(column) = columns.lacks(rule) {
            return Err(Refusal::NotFlat(format!(
                "rule {} reads the column `{column}` of `{}`",
                rule.rule.id, columns.table
            )));
        }
        out.rules.entry(columns.table).or_default().push((at, rule));
    }
    Ok(out)
}

fn results(rules: &[Compiled<'_>], run: &RunInput<'_>, sums: &mut Sums) -> Vec<RuleResult> {
    let swept = rules.iter().enumerate().filter(|(_, r)| sweeps(r.table.name));
    swept
        .map(|(at, rule)| {
            let mut result = opening(rule, run);
            if let Some(counts) = sums.counts.remove(&at) {
                result.absorb(counts);
            }
            if result.outcome.is_empty() {
                conclude(&mut result);
            }
            result
        })
        .collect()
}

/// Runs over all partitions in parallel.
fn each_part(
    shared: &Shared<'_>,
    run: impl Fn(usize) -> io::Result<()> + Sync,
) -> Result<(), Refusal> {
    each(shared.grants.parts(), |at, _| run(at)).map(|_| ())
}

/// Runs over all partitions in parallel and sums up.
fn each(
    parts: usize,
    run: impl Fn(usize, &mut Sums) -> io::Result<()> + Sync,
) -> Result<Sums, Refusal> {
    let done: Vec<io::Result<Sums>> = (0..parts)
        .into_par_iter()
        .with_max_len(1)
        .map(|at| {
            let mut sums = Sums::default();
            run(at, &mut sums)?;
            Ok(sums)
        })
        .collect();
    let mut out = Sums::default();
    for sums in done {
        out.absorb(sums.map_err(failed)?);
    }
    Ok(out)
}

#[cfg(test)]
mod tests;
