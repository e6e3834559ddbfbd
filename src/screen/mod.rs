//! Screening of large flat ledgers: the second engine, for tables of our own schema with millions of rows.
//!
//! The row engine of [`crate::analyze`] makes a struct of a hundred columns of every grant; here a grant is
//! some hundred bytes. Names become hashes with a key of the run, rows are partitioned by what they are
//! joined on (spilled to disk beyond a limit), joined by hash and swept in one sort per partition. Chunks
//! of 4,096 rows then have the columns of `grant_facts` and its like, over which the same compiled
//! predicates run that the row engine uses, so no rule is written twice. What the sweep does not carry it
//! refuses as a whole, with the reason; the row engine then judges everything. A test holds the two equal.

pub mod add;
pub mod approvers;
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

use crate::analyze::index::{Window, source_window};
use crate::analyze::survey::{Fills, Survey};
use crate::facts::cell::Word;
use crate::facts::{ApproverFact, Facts, Layer, PrincipalKind, Source, Text, Tier, Time};
use crate::findings::RuleResult;
use crate::ingest::source::Batch;
use crate::privilege::glob;
use crate::rules::compile::{Compiled, compile};
use crate::rules::run::{conclude, opening, why_not_run};
use crate::rules::value::Value;
use crate::rules::vector::{Bits, Chunk, Number, Vector};
use crate::rules::{Pack, RunInput};
use crate::settings::Settings;
use id::Id;
use judge::{Columns, Hit, Judge, Sums};
use lanes::{Observed, System};
use plan::{File, Kind, Refusal};
use rows::Place;
use shared::Shared;
use store::Budget;
use whole::Demands;

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
    let shared = Shared::new(parts, &budget, has(Kind::Tasks));
    let (digests, read) = rayon::join(
        || reading::digests(input.files),
        || reading::all(&shared, input.files, &budget),
    );
    read?;
    refused(&shared)?;
    let mut sums = std::mem::take(&mut *lock(&shared.sums));
    let facts = sources(input, &mut sums, digests?);
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
    let grants = sums.grants;
    let sweep =
        Sweep { input, shared: &shared, judge: &judge, sums, sources: &facts.sources, as_of };
    let (mut tallies, survey, approvers) = sweep.run()?;
    refused(&shared)?;
    let results = results(&rules, &run, &mut tallies);
    tallies.hits.sort_unstable();
    let rules = rules.iter().map(|r| r.rule.id.clone()).collect();
    let Sums { hits, lanes, chains, .. } = tallies;
    Ok(Screened { as_of, results, rules, hits, lanes, chains, approvers, survey, grants, facts })
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

/// The part of a screening that follows the reading.
struct Sweep<'a> {
    input: &'a Input<'a>,
    shared: &'a Shared<'a>,
    judge: &'a Judge<'a>,
    sums: shared::Sums,
    sources: &'a [Source],
    as_of: Time,
}

impl Sweep<'_> {
    fn run(mut self) -> Result<(Sums, Survey, Vec<ApproverFact>), Refusal> {
        let shared = self.shared;
        let parts = shared.grants.parts();
        let demands = self.demands();
        let names = shared.approvers.entries();
        let approvers: Vec<Id> = names.iter().map(|(id, _)| *id).collect();
        let deciders = approvers.iter().copied().zip(0u32..).collect();
        let survey = self.survey();
        let systems = self.systems(&survey);
        let observed = self.observed(&survey);
        let limits = &self.input.settings.limits;
        let period = self.period(&survey);
        let period_s = period.1.secs_since(period.0);
        let whole = whole::Context {
            shared,
            demands: &demands,
            approvers: &approvers,
            deciders: &deciders,
            as_of: self.as_of,
            judge: self.judge,
        };
        let sweep = lanes::Context {
            shared,
            demands: &demands,
            observed: &observed,
            systems: &systems,
            task_windows: self.stated(Layer::Task),
            as_of: self.as_of,
            period,
            long_enough: period_s > 0 && period_s >= limits.whole("coverage_min_period_s"),
            gap_s: limits.whole("chain_gap_s"),
            judge: self.judge,
        };
        let mut tallies = each(parts, |at, sums| {
            let rows = whole::grants(&whole, at, sums)?;
            lanes::sweep(&sweep, &rows, sums);
            Ok(())
        })?;
        // What the disk must hold at once is a matter of gigabytes.
        shared.grants.close();
        shared.sides.close();
        let settings = self.input.settings;
        let approvers = approvers::facts(shared, &names, &self.sums, settings).map_err(failed)?;
        tallies.absorb(self.machines());
        Ok((tallies, survey, approvers))
    }

    /// What each privilege asks for, by its number.
    fn demands(&self) -> Vec<Demands> {
        let s = self.input.settings;
        let of = |p: &vocabulary::Privilege| {
            let declared = s.privileges.iter().find(|d| {
                glob::matches(&d.pattern, &p.name)
                    && (d.platform.is_none() || d.platform.as_deref() == p.platform.as_deref())
            });
            let tier = declared.and_then(|d| d.tier);
            let limit = declared.and_then(|d| d.max_duration_s).or_else(|| match tier {
                Some(t) => s.max_duration_s.get(&t).copied(),
                None => s.max_duration_unknown_s,
            });
            let policy = &s.approval;
            let (approval, human, quorum) = match tier {
                Some(t) => (
                    policy.required_tiers.contains(&t),
                    policy.human_tiers.contains(&t),
                    policy.quorum.get(&t).copied().unwrap_or(1),
                ),
                None => (policy.required_unknown, false, 1),
            };
            let word = tier.and_then(|t| Tier::ALL.iter().position(|w| *w == t.word()));
            Demands {
                tier: word.and_then(|w| u8::try_from(w).ok()).unwrap_or(u8::MAX),
                max_duration_s: limit,
                approval,
                human,
                needed: if approval { quorum } else { 0 },
                catalogued: (!s.approved_roles.is_empty())
                    .then(|| s.approved_roles.iter().any(|r| glob::matches(r, &p.name))),
            }
        };
        self.shared.privileges.entries().iter().map(of).collect()
    }

    fn survey(&mut self) -> Survey {
        let names = self.shared.systems.entries();
        let approved = lock(&self.shared.approved_systems);
        let mut systems: BTreeMap<Text, Fills> = BTreeMap::new();
        for (number, [task, reason, scope]) in &self.sums.fills {
            if let Some(name) = names.get(*number as usize) {
                let (task, reason, scope) = (*task, *reason, *scope);
                let approvals = approved.contains(number);
                systems.insert(name.clone(), Fills { task, reason, scope, approvals });
            }
        }
        let source = |n: &usize| self.input.files.get(*n).map(|f| f.id.clone());
        let grains = std::mem::take(&mut self.sums.grains);
        Survey {
            systems,
            approvals: self.sums.approvals > 0,
            grains: grains.iter().filter_map(|(n, p)| Some((source(n)?, p.clone()))).collect(),
            first_start: self.sums.first_start.map(Time::from_micros),
            inverted_tasks: std::mem::take(&mut self.sums.inverted)
                .iter()
                .filter_map(|(n, tasks)| Some((source(n)?, *tasks)))
                .collect(),
        }
    }

    fn systems(&self, survey: &Survey) -> Vec<System> {
        let recorded = |own: bool| survey.approvals && (survey.systems.len() < 2 || own);
        let of = |name: &Text| {
            let f = survey.systems.get(name).copied().unwrap_or_default();
            let approvals = recorded(f.approvals);
            System { task: f.task, reason: f.reason, scope: f.scope, approvals }
        };
        self.shared.systems.entries().iter().map(of).collect()
    }

    /// Windows in which use of each privilege would have been seen, by its number.
    fn observed(&self, survey: &Survey) -> Vec<Observed> {
        let of = |p: &vocabulary::Privilege| {
            let fits = |platforms: &BTreeSet<Option<Text>>| {
                platforms.contains(&None) || p.platform.is_none() || platforms.contains(&p.platform)
            };
            let sources = self.sources.iter().filter(|s| s.layer != Layer::Context);
            let windows = sources
                .filter(|s| survey.grains.get(&s.source_id).is_some_and(fits))
                .map(source_window);
            Observed { windows: windows.collect() }
        };
        self.shared.privileges.entries().iter().map(of).collect()
    }

    /// Windows that sources of a layer state; `None` when none does.
    fn stated(&self, layer: Layer) -> Option<Vec<Window>> {
        let of = self.sources.iter().filter(|s| s.layer == layer);
        let windows: Vec<Window> =
            of.map(|s| (s.window_start, s.window_end)).filter(|w| *w != (None, None)).collect();
        (!windows.is_empty()).then_some(windows)
    }

    fn period(&self, survey: &Survey) -> (Time, Time) {
        match self.input.settings.period {
            Some((a, b)) => (a, b.min(self.as_of).max(a)),
            None => {
                let first = survey.first_start.filter(|t| *t <= self.as_of);
                (first.unwrap_or(self.as_of), self.as_of)
            }
        }
    }

    /// Machine identities with recorded use. The tables of the sweep name no client.
    fn machines(&self) -> Sums {
        let mut out = Sums::default();
        if !self.judge.asks(MACHINES.table) {
            return out;
        }
        let machine = |kind| {
            matches!(
                kind,
                PrincipalKind::ServiceAccount
                    | PrincipalKind::Workload
                    | PrincipalKind::Agent
                    | PrincipalKind::Bot
                    | PrincipalKind::App
            )
        };
        let mut records: Vec<i64> = self
            .sums
            .users
            .iter()
            .filter(|(id, (by_name, _))| {
                machine(self.sums.kinds.get(id).map_or(*by_name, |(_, kind)| *kind))
            })
            .map(|(_, (_, n))| *n)
            .collect();
        records.sort_unstable();
        for part in records.chunks(judge::CHUNK) {
            let rows = part.len();
            let known = std::sync::Arc::new(Bits::all(rows, true));
            let data = std::sync::Arc::new(part.to_vec());
            let why = std::sync::Arc::new(vec![0u8; rows]);
            let none = std::sync::Arc::new(vec![0u16; rows]);
            let columns = [
                ("n_records", Vector::Whole { data, known, number: Number::Int }),
                ("n_described", Vector::Same(Value::Int(0))),
                ("n_interactive", Vector::Same(Value::Null)),
                ("people", Vector::Marks { masks: none, words: &[] }),
                ("clients_unknown", Vector::Word { codes: why, words: &["client_not_recorded"] }),
            ];
            let chunk = Chunk { rows, columns: columns.into_iter().collect() };
            self.judge.chunk(MACHINES.table, &chunk, &mut out.counts, &mut |_, _, _| {
                self.shared.refuse("a finding about a machine identity");
            });
        }
        out
    }
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
