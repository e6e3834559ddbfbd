//! The compiled rules over chunks of columns: counts of all rows, and the rows that are exceptions.

use std::collections::{BTreeMap, BTreeSet};

use super::rows::Place;
use crate::facts::Time;
use crate::findings::RuleResult;
use crate::rules::compile::{Compiled, Reason};
use crate::rules::eval::Env;
use crate::rules::expr::{Kind, Node};
use crate::rules::value::Value;
use crate::rules::vector::{Bits, Chunk, Vector, eval};
use crate::settings::Limits;

/// Rows of a chunk: its columns fit the cache together.
pub const CHUNK: usize = 2048;

/// An exception.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Hit {
    /// Place of the grant, or of the first grant of a chain or span.
    pub place: Place,
    /// Place of the rule among all.
    pub rule: usize,
    /// It holds whatever is unknown.
    pub certain: bool,
    /// The lane it lies in, by the number of its list of members.
    pub lane: u32,
    /// It is of a chain, and `place` is that of its first grant.
    pub chain: bool,
}

/// Counts of the rules.
#[derive(Debug, Default)]
pub struct Sums {
    /// By place of the rule.
    pub counts: BTreeMap<usize, RuleResult>,
    /// Exceptions.
    pub hits: Vec<Hit>,
    /// Members of the lanes that hold exceptions.
    pub lanes: Vec<Vec<Place>>,
    /// Members of the chains that are exceptions, by the first.
    pub chains: BTreeMap<Place, Vec<Place>>,
    /// Grants that the row engine judges.
    pub aside: BTreeSet<Place>,
}

impl Sums {
    /// Adds those of another partition.
    pub fn absorb(&mut self, other: Self) {
        for (rule, counts) in other.counts {
            self.counts.entry(rule).or_default().absorb(counts);
        }
        let shift = u32::try_from(self.lanes.len()).unwrap_or(u32::MAX);
        self.hits.extend(
            other.hits.into_iter().map(|h| Hit { lane: h.lane.saturating_add(shift), ..h }),
        );
        self.lanes.extend(other.lanes);
        self.chains.extend(other.chains);
        self.aside.extend(other.aside);
    }
}

/// The rules to judge by.
#[derive(Debug)]
pub struct Judge<'a> {
    /// Rules with their place among all, by table.
    pub rules: BTreeMap<&'static str, Vec<(usize, &'a Compiled<'a>)>>,
    /// Limits.
    pub limits: &'a Limits,
    /// As-of time.
    pub as_of: Time,
}

/// Columns that a table of the sweep has, and those of which only the null is known.
#[derive(Clone, Copy, Debug)]
pub struct Columns {
    /// Table.
    pub table: &'static str,
    /// Columns with values.
    pub values: &'static [&'static str],
    /// Columns of which only null or not is known.
    pub nulls: &'static [&'static str],
    /// Columns that have one value in all rows, whatever the inputs.
    pub same: &'static [(&'static str, bool)],
}

impl Columns {
    /// A column that a rule reads and the sweep does not have.
    #[must_use]
    pub fn lacks(&self, rule: &Compiled<'_>) -> Option<&'static str> {
        let mut read: BTreeSet<&'static str> = rule.columns().into_iter().collect();
        let mut lacking = read.iter().copied().find(|c| !self.values.contains(c));
        if lacking.is_some() && self.is_out(rule) {
            return None;
        }
        if lacking.is_none() {
            read.clear();
            for (column, reason) in &rule.unknown {
                read.insert(column);
                if let Reason::Column(c) = reason {
                    read.insert(c);
                }
            }
            lacking =
                read.into_iter().find(|c| !self.values.contains(c) && !self.nulls.contains(c));
        }
        lacking
    }

    /// Whether no row is in the population, whatever the columns that are lacking hold: the filter fails
    /// with nulls in their place, and asks of no null.
    fn is_out(&self, rule: &Compiled<'_>) -> bool {
        let Some(filter) = &rule.filter else { return false };
        let mut plain = true;
        filter.walk(&mut |n: &Node| {
            plain &= !matches!(
                n.kind,
                Kind::IsNull { .. } | Kind::Coalesce(_) | Kind::Case { .. } | Kind::Limit(_)
            );
        });
        let same =
            |(name, value): &(&'static str, bool)| (*name, Vector::Same(Value::Bool(*value)));
        let chunk = Chunk { rows: 1, columns: self.same.iter().map(same).collect() };
        let limits = Limits::default();
        let env = Env { limits: &limits, as_of: Time::from_micros(0) };
        plain && eval(filter, &chunk, env).value(0) == Value::Bool(false)
    }
}

impl Judge<'_> {
    /// Whether rules ask for a table.
    #[must_use]
    pub fn asks(&self, table: &str) -> bool {
        self.rules.get(table).is_some_and(|r| !r.is_empty())
    }

    /// Judges a chunk of a table; calls `found` with the rule, the row and whether it is certain.
    pub fn chunk(
        &self,
        table: &str,
        chunk: &Chunk,
        counts: &mut BTreeMap<usize, RuleResult>,
        found: &mut dyn FnMut(usize, usize, bool),
    ) {
        let env = Env { limits: self.limits, as_of: self.as_of };
        for (at, rule) in self.rules.get(table).into_iter().flatten() {
            let verdicts = verdicts(rule, chunk, env);
            let sum = counts.entry(*at).or_default();
            tally(rule, chunk, &verdicts, sum);
            for row in verdicts.certain.rows() {
                found(*at, row, true);
            }
            for row in verdicts.possible.rows() {
                found(*at, row, false);
            }
        }
    }
}

/// Rows by verdict; what is in none is out.
#[derive(Debug)]
pub struct Verdicts {
    /// Exceptions.
    pub certain: Bits,
    /// Exceptions for some completion of the unknowns.
    pub possible: Bits,
    /// Clean.
    pub clean: Bits,
    /// Not assessed.
    pub open: Bits,
}

/// The verdicts of a rule, as [`crate::rules::run::Verdict::of`] gives them for single rows.
#[must_use]
pub fn verdicts(rule: &Compiled<'_>, chunk: &Chunk, env: Env<'_>) -> Verdicts {
    let rows = chunk.rows;
    let three = |node: &Option<Node>, absent: bool| match node {
        Some(node) => eval(node, chunk, env).three(rows),
        None => (Bits::all(rows, absent), Bits::all(rows, true)),
    };
    let (inside, decided) = three(&rule.filter, true);
    let (bad, known) = eval(&rule.exception, chunk, env).three(rows);
    let (maybe, _) = three(&rule.possible, false);
    let certain = inside.and(&bad);
    let possible = inside.and(&maybe).minus(&bad);
    let rest = inside.minus(&certain).minus(&possible);
    let clean = rest.and(&known);
    let open = rest.minus(&known).or(&decided.not());
    Verdicts { certain, possible, clean, open }
}

fn tally(rule: &Compiled<'_>, chunk: &Chunk, v: &Verdicts, sum: &mut RuleResult) {
    let (certain, possible) = (v.certain.count(), v.possible.count());
    let (clean, open) = (v.clean.count(), v.open.count());
    sum.exceptions += certain + possible;
    sum.clean += clean;
    sum.not_assessed += open;
    sum.population += certain + possible + clean + open;
    if open == 0 {
        return;
    }
    let mut add = |reason: &str, n: u64| {
        if n == 0 {
            return;
        }
        match sum.reasons.get_mut(reason) {
            Some(have) => *have += n,
            None => _ = sum.reasons.insert(reason.to_owned(), n),
        }
    };
    let null = Vector::Same(Value::Null);
    let mut rest = v.open.clone();
    for (column, reason) in &rule.unknown {
        let known = chunk.columns.get(column).unwrap_or(&null).known(chunk.rows);
        let here = rest.minus(&known);
        match reason {
            Reason::Code(code) => add(code, here.count()),
            Reason::Column(of) => by_word(chunk.columns.get(of).unwrap_or(&null), &here, &mut add),
        }
        rest = rest.and(&known);
    }
    add("unknown", rest.count());
}

fn by_word(words: &Vector, rows: &Bits, add: &mut dyn FnMut(&str, u64)) {
    match words {
        Vector::Word { codes, words } => {
            let mut told = 0;
            for (i, word) in words.iter().enumerate() {
                let n = Bits::of(codes, |c| usize::from(*c) == i).and(rows).count();
                told += n;
                add(word, n);
            }
            add("unknown", rows.count() - told);
        }
        other => {
            for row in rows.rows() {
                match other.value(row) {
                    Value::Text(s) if !s.is_empty() => add(&s, 1),
                    _ => add("unknown", 1),
                }
            }
        }
    }
}
