//! Evaluates a typed expression for one row. The same step serves `overstay explain`, which keeps the
//! value of every sub-expression.

use super::expr::{Arith, Kind, Node};
use super::value::{Table, Value};
use crate::facts::Time;
use crate::settings::Limits;

/// What an expression reads besides the row.
#[derive(Clone, Copy, Debug)]
pub struct Env<'a> {
    /// Limits in force.
    pub limits: &'a Limits,
    /// As-of time of the run.
    pub as_of: Time,
}

/// A sub-expression with its value.
#[derive(Clone, Debug)]
pub struct Trace {
    /// The sub-expression as a rule writes it.
    pub text: String,
    /// Its value.
    pub value: Value,
    /// The operation with the values put in (`7200 > 900`); null for columns, limits and literals.
    pub filled: Option<String>,
    /// Its parts.
    pub parts: Vec<Trace>,
}

/// Value of an expression for one row.
#[must_use]
pub fn eval(node: &Node, table: &Table, row: usize, env: Env<'_>) -> Value {
    let parts: Vec<Value> = node.children().into_iter().map(|c| eval(c, table, row, env)).collect();
    apply(node, &parts, table, row, env)
}

/// Value of an expression and of all its parts for one row.
#[must_use]
pub fn trace(node: &Node, table: &Table, row: usize, env: Env<'_>) -> Trace {
    // A conversion is not something the rule's author wrote.
    if let Kind::ToFloat(inner) | Kind::ToWhole(inner) = &node.kind {
        return trace(inner, table, row, env);
    }
    let parts: Vec<Trace> =
        node.children().into_iter().map(|c| trace(c, table, row, env)).collect();
    let value = eval(node, table, row, env);
    let shown: Vec<String> = parts.iter().map(|p| p.value.to_string()).collect();
    let filled = match (&node.kind, shown.as_slice()) {
        (Kind::Compare(op, ..), [a, b]) => Some(format!("{a} {} {b}", op.sign())),
        (Kind::Arith(op, ..), [a, b]) => Some(format!("{a} {} {b}", op.sign())),
        (Kind::Seconds(..), [a, b]) => Some(format!("{a} - {b}")),
        (Kind::Shift { back, .. }, [a, b]) => {
            Some(format!("{a} {} {b}", if *back { "-" } else { "+" }))
        }
        (Kind::Between { negated, .. }, [a, low, high]) => {
            Some(format!("{a} {}BETWEEN {low} AND {high}", if *negated { "NOT " } else { "" }))
        }
        _ => None,
    };
    Trace { text: node.to_string(), value, filled, parts }
}

/// One step: the value of a node from the values of its parts.
fn apply(node: &Node, parts: &[Value], table: &Table, row: usize, env: Env<'_>) -> Value {
    match &node.kind {
        Kind::Column(c) => table.get(c.name, row),
        _ => combine(node, parts, env),
    }
}

/// The value of a node that is no column from the values of its parts.
pub(crate) fn combine(node: &Node, parts: &[Value], env: Env<'_>) -> Value {
    let truth = |b: Option<bool>| b.map_or(Value::Null, Value::Bool);
    match (&node.kind, parts) {
        (Kind::Limit(name), _) => limit(env.limits, name).map_or(Value::Null, Value::Float),
        (Kind::AsOf, _) => Value::Time(env.as_of),
        (Kind::Lit(v), _) => v.clone(),
        #[expect(clippy::cast_precision_loss, reason = "comparisons with floats are of floats")]
        (Kind::ToFloat(_), [Value::Int(i)]) => Value::Float(*i as f64),
        (Kind::ToWhole(_), [Value::Float(x)]) => whole(*x).map_or(Value::Null, Value::Int),
        (Kind::Not(_), [v]) => truth(v.truth().map(|b| !b)),
        (Kind::And(_), all) => truth(conjunction(all.iter().map(Value::truth))),
        (Kind::Or(_), all) => {
            truth(conjunction(all.iter().map(|v| v.truth().map(|b| !b))).map(|b| !b))
        }
        (Kind::Compare(op, ..), [a, b]) => truth(order(a, b).map(|o| op.holds(o))),
        (Kind::IsNull { negated, .. }, [v]) => Value::Bool(v.is_null() != *negated),
        (Kind::In { negated, .. }, [v, list @ ..]) => {
            let differs = conjunction(list.iter().map(|item| order(v, item).map(|o| o.is_ne())));
            truth(differs.map(|d| d == *negated))
        }
        (Kind::Between { negated, .. }, [v, low, high]) => {
            let inside = conjunction(
                [order(v, low).map(|o| o.is_ge()), order(v, high).map(|o| o.is_le())].into_iter(),
            );
            truth(inside.map(|b| b != *negated))
        }
        (Kind::Like { pattern, negated, .. }, [Value::Text(s)]) => {
            Value::Bool(like(pattern, s) != *negated)
        }
        (Kind::Arith(op, ..), [Value::Int(a), Value::Int(b)]) => {
            integers(*op, *a, *b).map_or(Value::Null, Value::Int)
        }
        (Kind::Arith(op, ..), [Value::Float(a), Value::Float(b)]) => {
            floats(*op, *a, *b).map_or(Value::Null, Value::Float)
        }
        (Kind::Neg(_), [Value::Int(a)]) => a.checked_neg().map_or(Value::Null, Value::Int),
        (Kind::Neg(_), [Value::Float(a)]) => Value::Float(-a),
        (Kind::Seconds(..), [Value::Time(a), Value::Time(b)]) => {
            seconds(a.micros(), b.micros()).map_or(Value::Null, Value::Int)
        }
        (Kind::Shift { back, .. }, [Value::Time(t), Value::Int(s)]) => shift(*back, t.micros(), *s)
            .map_or(Value::Null, |us| Value::Time(Time::from_micros(us))),
        (Kind::Case { .. }, all) => {
            let mut rest = all;
            loop {
                match rest {
                    [Value::Bool(true), then, ..] => return then.clone(),
                    [_, _, more @ ..] => rest = more,
                    [otherwise] => return otherwise.clone(),
                    [] => return Value::Null,
                }
            }
        }
        (Kind::Coalesce(_), all) => {
            all.iter().find(|v| !v.is_null()).cloned().unwrap_or(Value::Null)
        }
        (Kind::Contains { item, .. }, [Value::List(list)]) => {
            Value::Bool(list.iter().any(|s| s.as_ref() == item.as_str()))
        }
        (Kind::Length(_), [Value::List(list)]) => length(list.len()),
        (Kind::Length(_), [Value::Text(s)]) => length(s.chars().count()),
        // Everything else has a null part where a value is needed.
        _ => Value::Null,
    }
}

/// A limit that is a number; the settings accept no other.
pub(super) fn limit(limits: &Limits, name: &str) -> Option<f64> {
    limits.get(name).filter(|x| x.is_finite())
}

fn length(n: usize) -> Value {
    i64::try_from(n).map_or(Value::Null, Value::Int)
}

/// Kleene AND: one false decides; else one null leaves it open.
fn conjunction(all: impl Iterator<Item = Option<bool>>) -> Option<bool> {
    let mut open = false;
    for part in all {
        match part {
            Some(false) => return Some(false),
            Some(true) => {}
            None => open = true,
        }
    }
    (!open).then_some(true)
}

fn order(a: &Value, b: &Value) -> Option<std::cmp::Ordering> {
    match (a, b) {
        (Value::Bool(a), Value::Bool(b)) => Some(a.cmp(b)),
        (Value::Int(a), Value::Int(b)) => Some(a.cmp(b)),
        (Value::Float(a), Value::Float(b)) => a.partial_cmp(b),
        (Value::Text(a), Value::Text(b)) => Some(a.as_bytes().cmp(b.as_bytes())),
        (Value::Time(a), Value::Time(b)) => Some(a.cmp(b)),
        _ => None,
    }
}

/// Integer arithmetic; overflow is null. Division is always of floats.
pub(super) fn integers(op: Arith, a: i64, b: i64) -> Option<i64> {
    match op {
        Arith::Add => a.checked_add(b),
        Arith::Sub => a.checked_sub(b),
        Arith::Mul => a.checked_mul(b),
        Arith::Div => None,
    }
}

/// Float arithmetic; a result that is not finite, division by zero included, is null.
pub(super) fn floats(op: Arith, a: f64, b: f64) -> Option<f64> {
    let result = match op {
        Arith::Add => a + b,
        Arith::Sub => a - b,
        Arith::Mul => a * b,
        Arith::Div => a / b,
    };
    result.is_finite().then_some(result)
}

/// Whole seconds between two instants in microseconds, cut towards zero.
pub(super) fn seconds(a: i64, b: i64) -> Option<i64> {
    a.checked_sub(b).map(|us| us / 1_000_000)
}

/// An instant in microseconds moved by seconds.
pub(super) fn shift(back: bool, us: i64, s: i64) -> Option<i64> {
    let delta = s.checked_mul(1_000_000)?;
    if back { us.checked_sub(delta) } else { us.checked_add(delta) }
}

/// A float cut towards zero; null where 64 bits cannot hold it.
pub(super) fn whole(x: f64) -> Option<i64> {
    // 2^63 is exact as float, the largest integer is not.
    let bound = 9_223_372_036_854_775_808.0;
    #[expect(clippy::cast_possible_truncation, reason = "the range is checked")]
    (x >= -bound && x < bound).then_some(x as i64)
}

/// SQL LIKE by characters: `%` any run, `_` one character. Linear backtracking to the last `%` only.
pub(super) fn like(pattern: &str, text: &str) -> bool {
    let pattern: Vec<char> = pattern.chars().collect();
    let text: Vec<char> = text.chars().collect();
    let (mut p, mut t) = (0usize, 0usize);
    let mut star: Option<(usize, usize)> = None;
    while let Some(c) = text.get(t) {
        match pattern.get(p) {
            Some('%') => {
                star = Some((p, t));
                p += 1;
            }
            Some(q) if *q == '_' || q == c => {
                p += 1;
                t += 1;
            }
            _ => match star {
                Some((sp, st)) => {
                    p = sp + 1;
                    t = st + 1;
                    star = Some((sp, st + 1));
                }
                None => return false,
            },
        }
    }
    pattern.iter().skip(p).all(|c| *c == '%')
}

#[cfg(test)]
mod tests {
    use super::like;

    #[test]
    fn like_takes_runs_and_single_characters() {
        for (pattern, text, holds) in [
            ("%", "", true),
            ("a%c", "abbc", true),
            ("a_c", "aéc", true),
            ("a_c", "ac", false),
            ("%a%b%", "xxaxxbxx", true),
            ("%a%b", "xxaxxbxx", false),
            ("a.c", "abc", false),
            ("%%x", "a\nx", true),
            ("", "", true),
            ("", "a", false),
        ] {
            assert_eq!(like(pattern, text), holds, "{pattern} against {text}");
        }
    }
}
