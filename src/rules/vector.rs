//! Evaluates a typed expression over a chunk of rows held as plain vectors, three-valued: the third way
//! beside [`super::lower`] (Polars) and [`super::eval`] (one row), for tables of many millions of rows of
//! which few columns exist and most predicates are decided by one comparison. Truth values are bit sets,
//! so logic costs a machine word for 64 rows. What has no vector form goes through the row evaluator's
//! own step, value by value; a property test holds the ways equal.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::eval::{Env, combine};
use super::expr::{Cmp, Kind, Node};
use super::value::Value;
use crate::facts::Time;

/// A set of row numbers of a chunk.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Bits {
    words: Vec<u64>,
    len: usize,
}

impl Bits {
    /// All rows in, or all out.
    #[must_use]
    pub fn all(len: usize, value: bool) -> Self {
        let mut out = Self { words: vec![if value { u64::MAX } else { 0 }; len.div_ceil(64)], len };
        out.trim();
        out
    }

    /// The rows for which a test of their value holds.
    pub fn of<T>(values: &[T], test: impl Fn(&T) -> bool) -> Self {
        let words = values
            .chunks(64)
            .map(|c| c.iter().enumerate().fold(0u64, |w, (i, v)| w | (u64::from(test(v)) << i)))
            .collect();
        Self { words, len: values.len() }
    }

    /// The rows for which a test of two values holds.
    pub fn of_both<T, U>(a: &[T], b: &[U], test: impl Fn(&T, &U) -> bool) -> Self {
        let words = a
            .chunks(64)
            .zip(b.chunks(64))
            .map(|(a, b)| {
                let both = a.iter().zip(b).enumerate();
                both.fold(0u64, |w, (i, (x, y))| w | (u64::from(test(x, y)) << i))
            })
            .collect();
        Self { words, len: a.len() }
    }

    fn trim(&mut self) {
        let rest = self.len % 64;
        if rest > 0
            && let Some(last) = self.words.last_mut()
        {
            *last &= (1u64 << rest) - 1;
        }
    }

    fn join(&self, other: &Self, f: impl Fn(u64, u64) -> u64) -> Self {
        let words = self.words.iter().zip(&other.words).map(|(a, b)| f(*a, *b)).collect();
        let mut out = Self { words, len: self.len };
        out.trim();
        out
    }

    /// Rows in both.
    #[must_use]
    pub fn and(&self, other: &Self) -> Self {
        self.join(other, |a, b| a & b)
    }

    /// Rows in either.
    #[must_use]
    pub fn or(&self, other: &Self) -> Self {
        self.join(other, |a, b| a | b)
    }

    /// Rows of this that are not in the other.
    #[must_use]
    pub fn minus(&self, other: &Self) -> Self {
        self.join(other, |a, b| a & !b)
    }

    /// Rows that are not in it.
    #[must_use]
    pub fn not(&self) -> Self {
        Self::all(self.len, true).minus(self)
    }

    /// Number of rows in it.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.words.iter().map(|w| u64::from(w.count_ones())).sum()
    }

    /// Takes a row in; none beyond the length.
    pub fn put(&mut self, row: usize) {
        if row < self.len
            && let Some(word) = self.words.get_mut(row / 64)
        {
            *word |= 1 << (row % 64);
        }
    }

    /// Whether a row is in it.
    #[must_use]
    #[inline]
    pub fn has(&self, row: usize) -> bool {
        self.words.get(row / 64).is_some_and(|w| w >> (row % 64) & 1 == 1)
    }

    /// The rows in it, in order.
    pub fn rows(&self) -> impl Iterator<Item = usize> + '_ {
        self.words.iter().enumerate().flat_map(|(at, word)| {
            let mut rest = *word;
            std::iter::from_fn(move || {
                (rest != 0).then(|| {
                    let bit = rest.trailing_zeros() as usize;
                    rest &= rest - 1;
                    at * 64 + bit
                })
            })
        })
    }
}

/// What the numbers of a vector stand for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Number {
    /// Counts and seconds.
    Int,
    /// The same, compared with floats.
    Float,
    /// Microseconds since 1970.
    Time,
}

/// One value per row of a chunk.
#[derive(Clone, Debug)]
pub enum Vector {
    /// The same value in every row.
    Same(Value),
    /// Truth: rows that are true, and rows that are known. The first lies inside the second.
    Bool {
        /// True.
        yes: Bits,
        /// Not null.
        known: Bits,
    },
    /// Whole numbers or instants; those of unknown rows mean nothing.
    Whole {
        /// Values.
        data: Arc<Vec<i64>>,
        /// Not null.
        known: Arc<Bits>,
        /// What they stand for.
        number: Number,
    },
    /// Shares and ratios; those of unknown rows mean nothing.
    Real {
        /// Values.
        data: Arc<Vec<f64>>,
        /// Not null.
        known: Arc<Bits>,
    },
    /// Words out of a small vocabulary; a code outside of it is null.
    Word {
        /// Place in `words`.
        codes: Arc<Vec<u8>>,
        /// The vocabulary.
        words: &'static [&'static str],
    },
    /// Lists of words out of a vocabulary of at most 16, one bit each; never null.
    Marks {
        /// Bits.
        masks: Arc<Vec<u16>>,
        /// The vocabulary, in the order of the lists.
        words: &'static [&'static str],
    },
    /// Any values.
    Values(Arc<Vec<Value>>),
}

impl Vector {
    /// Truth that is known in every row.
    #[must_use]
    pub fn truth(yes: Bits) -> Self {
        let known = Bits::all(yes.len, true);
        Self::Bool { yes, known }
    }

    /// The value of one row.
    #[must_use]
    pub fn value(&self, row: usize) -> Value {
        match self {
            Self::Same(v) => v.clone(),
            Self::Bool { yes, known } if known.has(row) => Value::Bool(yes.has(row)),
            Self::Whole { data, known, number } if known.has(row) => {
                let x = data.get(row).copied().unwrap_or_default();
                match number {
                    Number::Int => Value::Int(x),
                    #[expect(clippy::cast_precision_loss, reason = "as the row evaluator does")]
                    Number::Float => Value::Float(x as f64),
                    Number::Time => Value::Time(Time::from_micros(x)),
                }
            }
            Self::Real { data, known } if known.has(row) => {
                data.get(row).filter(|x| x.is_finite()).map_or(Value::Null, |x| Value::Float(*x))
            }
            Self::Bool { .. } | Self::Whole { .. } | Self::Real { .. } => Value::Null,
            Self::Word { codes, words } => {
                let word = codes.get(row).and_then(|c| words.get(usize::from(*c)));
                word.map_or(Value::Null, |w| Value::Text((*w).into()))
            }
            Self::Marks { masks, words } => {
                let mask = masks.get(row).copied().unwrap_or_default();
                let held = words.iter().enumerate().filter(|(i, _)| mask >> i & 1 == 1);
                Value::List(held.map(|(_, w)| (*w).into()).collect())
            }
            Self::Values(all) => all.get(row).cloned().unwrap_or(Value::Null),
        }
    }

    /// Rows whose value is not null.
    #[must_use]
    pub fn known(&self, rows: usize) -> Bits {
        match self {
            Self::Same(v) => Bits::all(rows, !v.is_null()),
            Self::Bool { known, .. } => known.clone(),
            Self::Whole { known, .. } => known.as_ref().clone(),
            Self::Real { data, known } => known.and(&Bits::of(data, |x| x.is_finite())),
            Self::Word { codes, words } => Bits::of(codes, |c| usize::from(*c) < words.len()),
            Self::Marks { .. } => Bits::all(rows, true),
            Self::Values(all) => Bits::of(all, |v| !v.is_null()),
        }
    }

    /// Rows that are true, and rows that are known; everything but truth is unknown.
    #[must_use]
    pub fn three(&self, rows: usize) -> (Bits, Bits) {
        match self {
            Self::Same(Value::Bool(b)) => (Bits::all(rows, *b), Bits::all(rows, true)),
            Self::Bool { yes, known } => (yes.clone(), known.clone()),
            Self::Values(all) => {
                (Bits::of(all, |v| v.truth() == Some(true)), Bits::of(all, |v| v.truth().is_some()))
            }
            _ => (Bits::all(rows, false), Bits::all(rows, false)),
        }
    }
}

/// Bits of rows in the making, in the order of the rows.
#[derive(Debug)]
pub struct Maker {
    words: Vec<u64>,
    word: u64,
    len: usize,
}

impl Maker {
    /// With room for so many rows.
    #[must_use]
    pub fn new(rows: usize) -> Self {
        Self { words: Vec::with_capacity(rows.div_ceil(64)), word: 0, len: 0 }
    }

    /// Adds a row.
    #[inline]
    pub fn push(&mut self, bit: bool) {
        self.word |= u64::from(bit) << (self.len % 64);
        self.len += 1;
        if self.len.is_multiple_of(64) {
            self.words.push(self.word);
            self.word = 0;
        }
    }

    /// The rows.
    #[must_use]
    pub fn done(mut self) -> Bits {
        if !self.len.is_multiple_of(64) {
            self.words.push(self.word);
        }
        Bits { words: self.words, len: self.len }
    }
}

/// The columns of a chunk.
#[derive(Clone, Debug, Default)]
pub struct Chunk {
    /// Number of rows.
    pub rows: usize,
    /// Columns by name.
    pub columns: BTreeMap<&'static str, Vector>,
}

/// The value of an expression in every row of a chunk. A column that the chunk lacks is null.
#[must_use]
pub fn eval(node: &Node, chunk: &Chunk, env: Env<'_>) -> Vector {
    if let Kind::Column(c) = &node.kind {
        return chunk.columns.get(c.name).cloned().unwrap_or(Vector::Same(Value::Null));
    }
    let parts: Vec<Vector> = node.children().into_iter().map(|c| eval(c, chunk, env)).collect();
    let same: Option<Vec<Value>> = parts
        .iter()
        .map(|p| if let Vector::Same(v) = p { Some(v.clone()) } else { None })
        .collect();
    if let Some(values) = same {
        return Vector::Same(combine(node, &values, env));
    }
    fast(node, &parts, chunk.rows).unwrap_or_else(|| {
        let value = |row| {
            let values: Vec<Value> = parts.iter().map(|p| p.value(row)).collect();
            combine(node, &values, env)
        };
        Vector::Values(Arc::new((0..chunk.rows).map(value).collect()))
    })
}

/// The vector form of a step, where there is one.
fn fast(node: &Node, parts: &[Vector], rows: usize) -> Option<Vector> {
    match (&node.kind, parts) {
        (Kind::ToFloat(_), [Vector::Whole { data, known, number: Number::Int }]) => {
            let (data, known) = (data.clone(), known.clone());
            Some(Vector::Whole { data, known, number: Number::Float })
        }
        (Kind::Not(_), [v]) => {
            let (yes, known) = v.three(rows);
            Some(Vector::Bool { yes: known.minus(&yes), known })
        }
        (Kind::And(_), all) => Some(conjunction(all, rows, false)),
        (Kind::Or(_), all) => Some(conjunction(all, rows, true)),
        (Kind::Compare(op, ..), [a, b]) => compare(*op, a, b),
        (Kind::IsNull { negated, .. }, [v]) => {
            let known = v.known(rows);
            Some(Vector::truth(if *negated { known } else { known.not() }))
        }
        (Kind::In { .. }, [Vector::Word { codes, words }, list @ ..]) => {
            in_words(node, codes, words, list)
        }
        (Kind::Case { .. }, all) => case(all, rows),
        (Kind::Coalesce(_), all) => coalesce(all, rows),
        (Kind::Contains { item, .. }, [Vector::Marks { masks, words }]) => {
            let bit = words.iter().position(|w| w == item);
            Some(Vector::truth(Bits::of(masks, |m| bit.is_some_and(|b| m >> b & 1 == 1))))
        }
        (Kind::Length(_), [Vector::Marks { masks, .. }]) => Some(Vector::Whole {
            data: Arc::new(masks.iter().map(|m| i64::from(m.count_ones())).collect()),
            known: Arc::new(Bits::all(rows, true)),
            number: Number::Int,
        }),
        _ => None,
    }
}

/// Kleene AND, or OR as the AND of the negations.
fn conjunction(all: &[Vector], rows: usize, or: bool) -> Vector {
    let mut holds = Bits::all(rows, true);
    let mut fails = Bits::all(rows, false);
    for v in all {
        let (yes, known) = v.three(rows);
        let no = known.minus(&yes);
        let (good, bad) = if or { (no, yes) } else { (yes, no) };
        holds = holds.and(&good);
        fails = fails.or(&bad);
    }
    let known = holds.or(&fails);
    Vector::Bool { yes: if or { fails } else { holds }, known }
}

fn compare(op: Cmp, a: &Vector, b: &Vector) -> Option<Vector> {
    use Vector::{Same, Whole, Word};
    match (a, b) {
        (Whole { data, known, number }, Same(v)) => {
            let yes = against(*number, data, v, op)?;
            Some(masked(yes, known))
        }
        (Same(v), Whole { data, known, number }) => {
            let yes = against(*number, data, v, op.reversed())?;
            Some(masked(yes, known))
        }
        (Whole { data: x, known: k, number: n }, Whole { data: y, known: l, number: m })
            if n == m =>
        {
            let yes = match n {
                #[expect(clippy::cast_precision_loss, reason = "as the row evaluator does")]
                Number::Float => Bits::of_both(x, y, |x, y| {
                    (*x as f64).partial_cmp(&(*y as f64)).is_some_and(|o| op.holds(o))
                }),
                _ => ordered_both(x, y, op),
            };
            Some(masked(yes, &k.and(l)))
        }
        (Vector::Real { data, .. }, Same(Value::Float(y))) => {
            let yes = Bits::of(data, |x| x.partial_cmp(y).is_some_and(|o| op.holds(o)));
            Some(masked(yes, &a.known(data.len())))
        }
        (Vector::Bool { yes, known }, Same(Value::Bool(y))) => {
            let holds = |x: bool| op.holds(x.cmp(y));
            Some(match (holds(false), holds(true)) {
                (false, false) => masked(Bits::all(yes.len, false), known),
                (false, true) => masked(yes.clone(), known),
                (true, false) => masked(known.minus(yes), known),
                (true, true) => masked(known.clone(), known),
            })
        }
        (Word { codes, words }, Same(Value::Text(t))) => {
            Some(by_word(codes, words, |w| op.holds(w.as_bytes().cmp(t.as_bytes()))))
        }
        _ => None,
    }
}

fn masked(yes: Bits, known: &Bits) -> Vector {
    Vector::Bool { yes: yes.and(known), known: known.clone() }
}

/// Rows whose order against a value fits; `None` when the types differ.
fn against(number: Number, data: &[i64], value: &Value, op: Cmp) -> Option<Bits> {
    match (number, value) {
        (Number::Int, Value::Int(y)) => Some(ordered(data, *y, op)),
        (Number::Time, Value::Time(y)) => Some(ordered(data, y.micros(), op)),
        #[expect(clippy::cast_precision_loss, reason = "as the row evaluator does")]
        (Number::Float, Value::Float(y)) => {
            Some(Bits::of(data, |x| (*x as f64).partial_cmp(y).is_some_and(|o| op.holds(o))))
        }
        _ => None,
    }
}

/// Rows whose number stands so to another one; the comparison is chosen once and not in every row.
fn ordered(data: &[i64], y: i64, op: Cmp) -> Bits {
    match op {
        Cmp::Eq => Bits::of(data, |x| *x == y),
        Cmp::Ne => Bits::of(data, |x| *x != y),
        Cmp::Lt => Bits::of(data, |x| *x < y),
        Cmp::Le => Bits::of(data, |x| *x <= y),
        Cmp::Gt => Bits::of(data, |x| *x > y),
        Cmp::Ge => Bits::of(data, |x| *x >= y),
    }
}

fn ordered_both(x: &[i64], y: &[i64], op: Cmp) -> Bits {
    match op {
        Cmp::Eq => Bits::of_both(x, y, |x, y| x == y),
        Cmp::Ne => Bits::of_both(x, y, |x, y| x != y),
        Cmp::Lt => Bits::of_both(x, y, |x, y| x < y),
        Cmp::Le => Bits::of_both(x, y, |x, y| x <= y),
        Cmp::Gt => Bits::of_both(x, y, |x, y| x > y),
        Cmp::Ge => Bits::of_both(x, y, |x, y| x >= y),
    }
}

fn by_word(codes: &[u8], words: &[&str], test: impl Fn(&str) -> bool) -> Vector {
    let holds: Vec<bool> = words.iter().map(|w| test(w)).collect();
    let at = |c: &u8| holds.get(usize::from(*c)).copied();
    Vector::Bool {
        yes: Bits::of(codes, |c| at(c) == Some(true)),
        known: Bits::of(codes, |c| at(c).is_some()),
    }
}

fn in_words(
    node: &Node,
    codes: &[u8],
    words: &'static [&'static str],
    list: &[Vector],
) -> Option<Vector> {
    let Kind::In { negated, .. } = &node.kind else { return None };
    let texts: Option<Vec<&str>> = list
        .iter()
        .map(|v| if let Vector::Same(Value::Text(t)) = v { Some(t.as_ref()) } else { None })
        .collect();
    let texts = texts?;
    Some(by_word(codes, words, |w| texts.contains(&w) != *negated))
}

/// Branches of truth or of whole numbers of one kind; `parts` are conditions and results in turn, then the
/// result when no condition holds.
fn case(parts: &[Vector], rows: usize) -> Option<Vector> {
    let mut open = Bits::all(rows, true);
    let mut chosen: Vec<(Bits, &Vector)> = Vec::new();
    let mut rest = parts;
    loop {
        match rest {
            [when, then, more @ ..] => {
                let taken = open.and(&when.three(rows).0);
                open = open.minus(&taken);
                chosen.push((taken, then));
                rest = more;
            }
            [otherwise] => {
                chosen.push((open, otherwise));
                return pick(&chosen, rows);
            }
            [] => return None,
        }
    }
}

fn coalesce(parts: &[Vector], rows: usize) -> Option<Vector> {
    let mut open = Bits::all(rows, true);
    let mut chosen = Vec::new();
    for v in parts {
        let taken = open.and(&v.known(rows));
        open = open.minus(&taken);
        chosen.push((taken, v));
    }
    pick(&chosen, rows)
}

/// Joins the chosen rows of several vectors; rows that nobody chose are null.
fn pick(chosen: &[(Bits, &Vector)], rows: usize) -> Option<Vector> {
    let truth =
        |v: &Vector| matches!(v, Vector::Bool { .. } | Vector::Same(Value::Bool(_) | Value::Null));
    if chosen.iter().all(|(_, v)| truth(v)) {
        let (mut yes, mut known) = (Bits::all(rows, false), Bits::all(rows, false));
        for (taken, v) in chosen {
            let (y, k) = v.three(rows);
            yes = yes.or(&taken.and(&y));
            known = known.or(&taken.and(&k));
        }
        return Some(Vector::Bool { yes, known });
    }
    let mut number = None;
    let mut data = vec![0i64; rows];
    let mut known = Bits::all(rows, false);
    for (taken, v) in chosen {
        match v {
            Vector::Same(Value::Null) => {}
            Vector::Whole { data: from, known: k, number: n }
                if number.is_none_or(|have| have == *n) =>
            {
                number = Some(*n);
                for (i, (to, x)) in data.iter_mut().zip(from.iter()).enumerate() {
                    if taken.has(i) {
                        *to = *x;
                    }
                }
                known = known.or(&taken.and(k));
            }
            _ => return None,
        }
    }
    Some(Vector::Whole { data: Arc::new(data), known: Arc::new(known), number: number? })
}
