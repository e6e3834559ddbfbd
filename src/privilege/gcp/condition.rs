//! Conditions of bindings: CEL, judged over time in three values.
//!
//! The inputs decide one attribute, `request.time`. A condition therefore becomes two sets of instants:
//! those at which it surely holds and those at which it may hold (cloud semantics, section 6). A clause
//! about anything else may hold at any time and surely holds at none. Clauses about hours or days come
//! round again and again; they are noted as recurring.

use cel::common::ast::{CallExpr, Expr, LiteralValue, operators};
use cel::parser::{Expression, PrattParser};

use crate::facts::time::parse_rfc3339;
use crate::facts::{Time, Tri};

mod roots;

use roots::{Roots, is_request_time};

/// Longest condition that is read, bytes. Google allows 12 logical operators and 2,048 characters or so;
/// what is far beyond is not theirs.
const LONGEST: usize = 16 * 1024;
/// Deepest nesting that is read.
const DEEPEST: u16 = 64;
/// Most nodes of an expression.
const LARGEST: usize = 4096;
/// Most intervals of a set; a condition with more is undecided.
const INTERVALS: usize = 512;

/// Instants, as sorted, disjoint, half-open intervals of microseconds since 1970.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Instants(Vec<(i64, i64)>);

/// Begin of time.
const MIN: i64 = i64::MIN;
/// End of time.
const MAX: i64 = i64::MAX;

impl Instants {
    /// No instant.
    #[must_use]
    pub fn none() -> Self {
        Self(Vec::new())
    }

    /// All instants.
    #[must_use]
    pub fn all() -> Self {
        Self(vec![(MIN, MAX)])
    }

    fn from_to(from: i64, to: i64) -> Self {
        Self(if from < to { vec![(from, to)] } else { Vec::new() })
    }

    /// Instants of either set.
    #[must_use]
    pub fn or(&self, other: &Self) -> Self {
        let mut all: Vec<(i64, i64)> = self.0.iter().chain(&other.0).copied().collect();
        all.sort_unstable();
        let mut out: Vec<(i64, i64)> = Vec::new();
        for (from, to) in all {
            match out.last_mut() {
                Some(last) if from <= last.1 => last.1 = last.1.max(to),
                _ => out.push((from, to)),
            }
        }
        Self(out)
    }

    /// Instants of both sets.
    #[must_use]
    pub fn and(&self, other: &Self) -> Self {
        let (mut a, mut b) = (self.0.iter().peekable(), other.0.iter().peekable());
        let mut out = Vec::new();
        while let (Some(x), Some(y)) = (a.peek(), b.peek()) {
            let (from, to) = (x.0.max(y.0), x.1.min(y.1));
            if from < to {
                out.push((from, to));
            }
            if x.1 < y.1 {
                a.next();
            } else {
                b.next();
            }
        }
        Self(out)
    }

    /// All other instants.
    #[must_use]
    pub fn not(&self) -> Self {
        let mut out = Vec::new();
        let mut at = MIN;
        for (from, to) in &self.0 {
            if at < *from {
                out.push((at, *from));
            }
            at = *to;
        }
        if at < MAX {
            out.push((at, MAX));
        }
        Self(out)
    }

    /// Whether an instant is in.
    #[must_use]
    pub fn has(&self, t: Time) -> bool {
        let t = t.micros();
        let i = self.0.partition_point(|(from, _)| *from <= t);
        i.checked_sub(1).and_then(|i| self.0.get(i)).is_some_and(|(_, to)| t < *to)
    }

    /// Last instant, exclusive; `None` when there is no end, or nothing at all.
    #[must_use]
    pub fn end(&self) -> Option<Time> {
        self.0.last().map(|(_, to)| *to).filter(|to| *to != MAX).map(Time::from_micros)
    }

    /// First instant from a time on.
    #[must_use]
    pub fn next(&self, t: Time) -> Option<Time> {
        let t = t.micros();
        self.0.iter().find(|(_, to)| *to > t).map(|(from, _)| Time::from_micros((*from).max(t)))
    }

    /// First instant; `None` when there is no begin, or nothing at all.
    #[must_use]
    pub fn begin(&self) -> Option<Time> {
        self.0.first().map(|(from, _)| *from).filter(|from| *from != MIN).map(Time::from_micros)
    }

    /// Whether no instant is in.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// A condition over time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Condition {
    /// Instants at which it surely holds.
    pub surely: Instants,
    /// Instants at which it may hold.
    pub maybe: Instants,
    /// As `surely`, if clauses that come round with the hour or the day count as met.
    pub within: Instants,
    /// It has clauses that come round with the hour, the day, the month.
    pub recurring: bool,
    /// It has clauses that the inputs do not decide, besides recurring ones.
    pub undecided: bool,
    /// Roles that may be granted or taken, where it guards the change of policies
    /// (`api.getAttribute("iam.googleapis.com/modifiedGrantsByRole", []).hasOnly([...])`).
    pub delegable: Option<Vec<String>>,
    /// Why it could not be read.
    pub malformed: Option<String>,
}

/// Value of an expression under one polarity.
#[derive(Clone, Debug)]
struct Value {
    surely: Instants,
    maybe: Instants,
    within: Instants,
}

impl Value {
    fn known(at: Instants) -> Self {
        Self { surely: at.clone(), maybe: at.clone(), within: at }
    }

    fn truth(holds: bool) -> Self {
        Self::known(if holds { Instants::all() } else { Instants::none() })
    }

    fn unknown() -> Self {
        Self { surely: Instants::none(), maybe: Instants::all(), within: Instants::none() }
    }

    fn recurring() -> Self {
        Self { within: Instants::all(), ..Self::unknown() }
    }

    fn and(&self, other: &Self) -> Self {
        Self {
            surely: self.surely.and(&other.surely),
            maybe: self.maybe.and(&other.maybe),
            within: self.within.and(&other.within),
        }
    }

    fn or(&self, other: &Self) -> Self {
        Self {
            surely: self.surely.or(&other.surely),
            maybe: self.maybe.or(&other.maybe),
            within: self.within.or(&other.within),
        }
    }

    fn bounded(self) -> Self {
        let many = [&self.surely, &self.maybe, &self.within].iter().any(|s| s.0.len() > INTERVALS);
        if many { Self::unknown() } else { self }
    }
}

impl Condition {
    /// The condition of a binding that has none.
    #[must_use]
    pub fn always() -> Self {
        Self::of(Value::truth(true))
    }

    fn of(value: Value) -> Self {
        Self {
            surely: value.surely,
            maybe: value.maybe,
            within: value.within,
            recurring: false,
            undecided: false,
            delegable: None,
            malformed: None,
        }
    }

    /// Reads a condition. What cannot be read may hold at any time.
    #[must_use]
    pub fn parse(text: &str) -> Self {
        let unread = |why: String| Self {
            undecided: true,
            malformed: Some(why),
            ..Self::of(Value::unknown())
        };
        if text.trim().is_empty() {
            return Self::always();
        }
        if text.len() > LONGEST {
            return unread(format!("longer than {LONGEST} bytes"));
        }
        let parser = PrattParser::new()
            .max_recursion_depth(DEEPEST)
            .max_expression_node_count(LARGEST)
            .error_recovery_limit(1)
            .error_reporting_limit(1);
        match parser.parse(text) {
            Err(_) => unread("not a CEL expression".to_owned()),
            Ok(ast) => {
                let mut reading = Reading::default();
                let value = reading.value(&ast, false);
                Self {
                    recurring: reading.recurring,
                    undecided: reading.undecided,
                    delegable: reading.delegable,
                    ..Self::of(value)
                }
            }
        }
    }

    /// Value at an instant.
    #[must_use]
    pub fn at(&self, t: Time) -> Tri {
        if self.surely.has(t) {
            Tri::Yes
        } else if self.maybe.has(t) {
            Tri::Conditional
        } else {
            Tri::No
        }
    }
}

#[derive(Default)]
struct Reading {
    recurring: bool,
    undecided: bool,
    delegable: Option<Vec<String>>,
}

impl Reading {
    /// Value of an expression, or of its negation. The depth is that of the parser's bound; chains of
    /// one operator nest to the left and are unrolled.
    fn value(&mut self, e: &Expression, negated: bool) -> Value {
        let Expr::Call(call) = &e.expr else {
            return match &e.expr {
                Expr::Literal(LiteralValue::Boolean(b)) => Value::truth(*b.inner() != negated),
                _ => self.leaf(e),
            };
        };
        match (call.func_name.as_str(), call.args.as_slice()) {
            (operators::LOGICAL_NOT, [inner]) => self.value(inner, !negated),
            (word @ (operators::LOGICAL_AND | operators::LOGICAL_OR), [_, _]) => {
                let mut parts = Vec::new();
                operands(e, word, &mut parts);
                let both = (word == operators::LOGICAL_AND) != negated;
                let mut out = Value::truth(both);
                for part in parts {
                    let v = self.value(part, negated);
                    out = if both { out.and(&v) } else { out.or(&v) }.bounded();
                }
                out
            }
            (operators::CONDITIONAL, [test, then, otherwise]) => {
                let (a, b) = (self.value(then, negated), self.value(otherwise, negated));
                let yes = self.value(test, false).and(&a);
                let no = self.value(test, true).and(&b);
                // Where both branches agree the test does not matter.
                yes.or(&no).or(&a.and(&b)).bounded()
            }
            (word, [left, right]) => match self.comparison(word, left, right, negated) {
                Some(value) => value,
                None => self.leaf(e),
            },
            _ if !negated && self.guard(call) => Value::truth(true),
            _ => self.leaf(e),
        }
    }

    /// A clause about something else than a fixed instant.
    fn leaf(&mut self, e: &Expression) -> Value {
        let mut roots = Roots::default();
        roots.read(e);
        if roots.recurring && !roots.other {
            self.recurring = true;
            return Value::recurring();
        }
        self.recurring |= roots.recurring;
        self.undecided = true;
        Value::unknown()
    }

    /// `api.getAttribute("iam.googleapis.com/modifiedGrantsByRole", []).hasOnly([roles])`: true of every
    /// request that changes no policy, and a limit on those that do.
    fn guard(&mut self, call: &CallExpr) -> bool {
        let (Some(target), [list]) = (&call.target, call.args.as_slice()) else { return false };
        let Expr::Call(get) = &target.expr else { return false };
        let named = get.args.first().and_then(string);
        if call.func_name != "hasOnly"
            || get.func_name != "getAttribute"
            || named != Some("iam.googleapis.com/modifiedGrantsByRole")
        {
            return false;
        }
        let Expr::List(list) = &list.expr else { return false };
        let roles: Option<Vec<String>> =
            list.elements.iter().map(|e| string(e).map(str::to_owned)).collect();
        let Some(roles) = roles else { return false };
        match &mut self.delegable {
            // Two guards: what either lists is the most that may be granted.
            Some(have) => have.extend(roles),
            None => self.delegable = Some(roles),
        }
        true
    }

    /// A comparison of `request.time`, shifted by durations, with an instant; or of its year.
    fn comparison(
        &mut self,
        word: &str,
        left: &Expression,
        right: &Expression,
        negated: bool,
    ) -> Option<Value> {
        let op = Op::from_word(word)?;
        let op = if negated { op.negated() } else { op };
        if let Some(value) = year(op, left, right).or_else(|| year(op.flipped(), right, left)) {
            return Some(value);
        }
        let (a, b) = (linear(left, 0)?, linear(right, 0)?);
        // Instants compare with instants, and durations with durations.
        if a.instants != b.instants {
            return None;
        }
        let (factor, rest) = (a.factor - b.factor, b.constant - a.constant);
        match factor {
            0 => Some(Value::truth(op.holds(0, rest))),
            1 => Some(Value::known(op.set(rest))),
            -1 => Some(Value::known(op.flipped().set(-rest))),
            _ => None,
        }
    }
}

/// Operands of a chain of one operator.
fn operands<'e>(e: &'e Expression, word: &str, out: &mut Vec<&'e Expression>) {
    let mut stack = vec![e];
    while let Some(e) = stack.pop() {
        match &e.expr {
            Expr::Call(c) if c.func_name == word && c.args.len() == 2 => {
                stack.extend(c.args.iter().rev());
            }
            _ => out.push(e),
        }
    }
}

#[derive(Clone, Copy)]
enum Op {
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
    Equal,
    NotEqual,
}

impl Op {
    fn from_word(word: &str) -> Option<Self> {
        Some(match word {
            operators::LESS => Self::Less,
            operators::LESS_EQUALS => Self::LessOrEqual,
            operators::GREATER => Self::Greater,
            operators::GREATER_EQUALS => Self::GreaterOrEqual,
            operators::EQUALS => Self::Equal,
            operators::NOT_EQUALS => Self::NotEqual,
            _ => return None,
        })
    }

    fn negated(self) -> Self {
        match self {
            Self::Less => Self::GreaterOrEqual,
            Self::LessOrEqual => Self::Greater,
            Self::Greater => Self::LessOrEqual,
            Self::GreaterOrEqual => Self::Less,
            Self::Equal => Self::NotEqual,
            Self::NotEqual => Self::Equal,
        }
    }

    /// The same with the sides exchanged.
    fn flipped(self) -> Self {
        match self {
            Self::Less => Self::Greater,
            Self::LessOrEqual => Self::GreaterOrEqual,
            Self::Greater => Self::Less,
            Self::GreaterOrEqual => Self::LessOrEqual,
            other => other,
        }
    }

    fn holds(self, a: i128, b: i128) -> bool {
        match self {
            Self::Less => a < b,
            Self::LessOrEqual => a <= b,
            Self::Greater => a > b,
            Self::GreaterOrEqual => a >= b,
            Self::Equal => a == b,
            Self::NotEqual => a != b,
        }
    }

    /// Instants in this relation to `x`.
    fn set(self, x: i128) -> Instants {
        let cut = |v: i128| i64::try_from(v).unwrap_or(if v < 0 { MIN } else { MAX });
        let (at, after) = (cut(x), cut(x + 1));
        match self {
            Self::Less => Instants::from_to(MIN, at),
            Self::LessOrEqual => Instants::from_to(MIN, after),
            Self::Greater => Instants::from_to(after, MAX),
            Self::GreaterOrEqual => Instants::from_to(at, MAX),
            Self::Equal => Instants::from_to(at, after),
            Self::NotEqual => Instants::from_to(at, after).not(),
        }
    }
}

/// `factor * request.time + constant`, microseconds; `instants` counts instants less those taken off, so
/// that 1 is an instant and 0 a duration.
#[derive(Clone, Copy)]
struct Linear {
    factor: i64,
    constant: i128,
    instants: i64,
}

fn linear(e: &Expression, depth: usize) -> Option<Linear> {
    if is_request_time(e) {
        return Some(Linear { factor: 1, constant: 0, instants: 1 });
    }
    let Expr::Call(call) = &e.expr else { return None };
    if call.target.is_some() || depth > usize::from(DEEPEST) {
        return None;
    }
    match (call.func_name.as_str(), call.args.as_slice()) {
        ("timestamp", [one]) => match string(one) {
            Some(written) => {
                let t = parse_rfc3339(written)?;
                Some(Linear { factor: 0, constant: i128::from(t.micros()), instants: 1 })
            }
            // `timestamp(request.time)` is itself.
            None => linear(one, depth + 1).filter(|l| l.instants == 1),
        },
        ("duration", [one]) => {
            let constant = duration(string(one)?)?;
            Some(Linear { factor: 0, constant, instants: 0 })
        }
        (operators::ADD, [a, b]) => {
            let (a, b) = (linear(a, depth + 1)?, linear(b, depth + 1)?);
            let sum = Linear {
                factor: a.factor + b.factor,
                constant: a.constant + b.constant,
                instants: a.instants + b.instants,
            };
            (0..=1).contains(&sum.instants).then_some(sum)
        }
        (operators::SUBSTRACT, [a, b]) => {
            let (a, b) = (linear(a, depth + 1)?, linear(b, depth + 1)?);
            let rest = Linear {
                factor: a.factor - b.factor,
                constant: a.constant - b.constant,
                instants: a.instants - b.instants,
            };
            (0..=1).contains(&rest.instants).then_some(rest)
        }
        _ => None,
    }
}

/// A duration of CEL (`72h3m0.5s`), microseconds.
fn duration(written: &str) -> Option<i128> {
    let (negative, mut rest) = match written.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, written),
    };
    if rest.is_empty() || rest.len() > 64 {
        return None;
    }
    let mut sum: i128 = 0;
    while !rest.is_empty() {
        let end = rest.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let (number, tail) = rest.split_at_checked(end)?;
        let unit_end = tail.find(|c: char| c.is_ascii_digit() || c == '.').unwrap_or(tail.len());
        let (unit, next) = tail.split_at_checked(unit_end)?;
        let nanos: i128 = match unit {
            "h" => 3_600_000_000_000,
            "m" => 60_000_000_000,
            "s" => 1_000_000_000,
            "ms" => 1_000_000,
            "us" | "µs" => 1_000,
            "ns" => 1,
            _ => return None,
        };
        let (whole, part) = number.split_once('.').unwrap_or((number, ""));
        let whole: i128 = if whole.is_empty() { 0 } else { whole.parse::<i64>().ok()?.into() };
        let mut value = whole * nanos;
        if !part.is_empty() {
            let digits = part.get(..part.len().min(9))?;
            let scale = 10i128.checked_pow(u32::try_from(digits.len()).ok()?)?;
            value += i128::from(digits.parse::<i64>().ok()?) * nanos / scale;
        }
        sum = sum.checked_add(value)?;
        rest = next;
    }
    let micros = sum / 1000;
    Some(if negative { -micros } else { micros })
}

/// `request.time.getFullYear(zone) OP year`. Away from UTC the bound is only known to fourteen hours.
fn year(op: Op, left: &Expression, right: &Expression) -> Option<Value> {
    let Expr::Call(call) = &left.expr else { return None };
    if call.func_name != "getFullYear" || !call.target.as_deref().is_some_and(is_request_time) {
        return None;
    }
    let Expr::Literal(LiteralValue::Int(year)) = &right.expr else { return None };
    let year = *year.inner();
    if !(1..=9998).contains(&year) {
        return None;
    }
    let day =
        |y: i64| parse_rfc3339(&format!("{y:04}-01-01T00:00:00Z")).map(|t| i128::from(t.micros()));
    let (from, to) = (day(year)?, day(year + 1)?);
    let set = |shift: i128| match op {
        Op::Less => Op::Less.set(from + shift),
        Op::LessOrEqual => Op::Less.set(to + shift),
        Op::Greater => Op::GreaterOrEqual.set(to + shift),
        Op::GreaterOrEqual => Op::GreaterOrEqual.set(from + shift),
        Op::Equal => Op::GreaterOrEqual.set(from + shift).and(&Op::Less.set(to + shift)),
        Op::NotEqual => Op::GreaterOrEqual.set(from + shift).and(&Op::Less.set(to + shift)).not(),
    };
    let utc = call.args.is_empty() || matches!(call.args.first().and_then(string), Some("UTC"));
    if utc {
        return Some(Value::known(set(0)));
    }
    let (early, late) = (set(-14 * 3_600_000_000), set(14 * 3_600_000_000));
    let surely = early.and(&late).and(&set(0));
    Some(Value { within: surely.clone(), surely, maybe: early.or(&late).or(&set(0)) })
}

fn string(e: &Expression) -> Option<&str> {
    match &e.expr {
        Expr::Literal(LiteralValue::String(s)) => Some(s.inner()),
        _ => None,
    }
}

#[cfg(test)]
mod tests;
