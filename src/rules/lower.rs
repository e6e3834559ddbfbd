//! Turns a typed expression into a Polars expression over the whole table, three-valued.
//!
//! Arithmetic goes through the same functions as the row evaluator, so that overflow and division by
//! zero are null on both ways; comparison, logic and text go through Polars' own kernels.

use polars::prelude::*;

use super::eval::{Env, floats, integers, limit, seconds, shift, whole};
use super::expr::{Cmp, Kind, Node, Ty};
use super::value::Value;

/// The Polars expression of a node.
#[must_use]
pub fn lower(node: &Node, env: Env<'_>) -> Expr {
    match &node.kind {
        Kind::Column(c) if node.ty == Ty::Float => {
            // Infinite and not-a-number say nothing about a share: they are unknown.
            let column = col(c.name);
            when(column.clone().is_finite()).then(column).otherwise(null(Ty::Float))
        }
        Kind::Column(c) => col(c.name),
        Kind::Limit(name) => limit(env.limits, name).map_or_else(|| null(Ty::Float), float),
        Kind::AsOf => time(env.as_of.micros()),
        Kind::Lit(v) => literal(v, node.ty),
        Kind::ToFloat(a) => lower(a, env).cast(DataType::Float64),
        Kind::ToWhole(a) => map_float_to_int(lower(a, env), whole),
        Kind::Not(a) => lower(a, env).not(),
        Kind::And(all) => balanced(all.iter().map(|n| lower(n, env)).collect(), Expr::and),
        Kind::Or(all) => balanced(all.iter().map(|n| lower(n, env)).collect(), Expr::or),
        Kind::Compare(op, a, b) => compare(*op, lower(a, env), lower(b, env)),
        Kind::IsNull { operand, negated: false } => lower(operand, env).is_null(),
        Kind::IsNull { operand, negated: true } => lower(operand, env).is_not_null(),
        Kind::In { operand, list, negated } => {
            let operand = lower(operand, env);
            let hits = list.iter().map(|n| operand.clone().eq(lower(n, env))).collect();
            negate(balanced(hits, Expr::or), *negated)
        }
        Kind::Between { operand, low, high, negated } => {
            let operand = lower(operand, env);
            let above = operand.clone().gt_eq(lower(low, env));
            negate(above.and(operand.lt_eq(lower(high, env))), *negated)
        }
        Kind::Like { operand, pattern, negated } => {
            negate(lower(operand, env).str().contains(lit(regex(pattern)), true), *negated)
        }
        Kind::Arith(op, a, b) => {
            let (op, a, b) = (*op, lower(a, env), lower(b, env));
            if node.ty == Ty::Float {
                map_floats(a, b, move |x, y| floats(op, x, y))
            } else {
                map_ints(a, b, move |x, y| integers(op, x, y))
            }
        }
        Kind::Neg(a) if node.ty == Ty::Float => {
            map_floats(float(0.0), lower(a, env), |_, x| Some(-x))
        }
        Kind::Neg(a) => map_ints(int(0), lower(a, env), |_, x| x.checked_neg()),
        Kind::Seconds(a, b) => map_ints(micros(lower(a, env)), micros(lower(b, env)), seconds),
        Kind::Shift { time, seconds, back } => {
            let back = *back;
            map_ints(micros(lower(time, env)), lower(seconds, env), move |us, s| shift(back, us, s))
                .cast(instant())
        }
        Kind::Case { arms, otherwise } => {
            arms.iter().rev().fold(lower(otherwise, env), |rest, (condition, then)| {
                when(lower(condition, env)).then(lower(then, env)).otherwise(rest)
            })
        }
        Kind::Coalesce(all) => coalesce(&all.iter().map(|n| lower(n, env)).collect::<Vec<_>>()),
        Kind::Contains { list, item } => {
            lower(list, env).list().contains(lit(item.as_str()), false)
        }
        Kind::Length(a) if a.ty == Ty::List => lower(a, env).list().len().cast(DataType::Int64),
        Kind::Length(a) => lower(a, env).str().len_chars().cast(DataType::Int64),
    }
}

fn instant() -> DataType {
    DataType::Datetime(TimeUnit::Microseconds, None)
}

fn time(us: i64) -> Expr {
    int(us).cast(instant())
}

fn micros(time: Expr) -> Expr {
    time.cast(DataType::Int64)
}

fn null(ty: Ty) -> Expr {
    lit(NULL).cast(match ty {
        Ty::Bool | Ty::Null => DataType::Boolean,
        Ty::Int => DataType::Int64,
        Ty::Float => DataType::Float64,
        Ty::Text => DataType::String,
        Ty::Time => instant(),
        Ty::List => DataType::List(Box::new(DataType::String)),
    })
}

fn literal(value: &Value, ty: Ty) -> Expr {
    match value {
        Value::Null | Value::List(_) => null(ty),
        Value::Bool(b) => lit(*b),
        Value::Int(i) => int(*i),
        Value::Float(x) => float(*x),
        Value::Text(s) => lit(s.as_ref()),
        Value::Time(t) => time(t.micros()),
    }
}

fn compare(op: Cmp, a: Expr, b: Expr) -> Expr {
    match op {
        Cmp::Eq => a.eq(b),
        Cmp::Ne => a.neq(b),
        Cmp::Lt => a.lt(b),
        Cmp::Le => a.lt_eq(b),
        Cmp::Gt => a.gt(b),
        Cmp::Ge => a.gt_eq(b),
    }
}

fn negate(expr: Expr, negated: bool) -> Expr {
    if negated { expr.not() } else { expr }
}

/// Joins pairwise, so that a long chain does not become a deep tree.
fn balanced(mut parts: Vec<Expr>, join: fn(Expr, Expr) -> Expr) -> Expr {
    while parts.len() > 1 {
        let mut next = Vec::with_capacity(parts.len().div_ceil(2));
        let mut rest = parts.into_iter();
        while let Some(a) = rest.next() {
            next.push(match rest.next() {
                Some(b) => join(a, b),
                None => a,
            });
        }
        parts = next;
    }
    parts.pop().unwrap_or_else(|| null(Ty::Bool))
}

/// The regular expression of a LIKE pattern: anchored, `.` matches line ends, all else is literal.
fn regex(pattern: &str) -> String {
    let mut out = String::from("(?s)^");
    let mut plain = String::new();
    let mut previous = None;
    for c in pattern.chars() {
        match c {
            '%' | '_' => {
                escape(&plain, &mut out);
                plain.clear();
                if c == '_' {
                    out.push('.');
                } else if previous != Some('%') {
                    out.push_str(".*");
                }
            }
            other => plain.push(other),
        }
        previous = Some(c);
    }
    escape(&plain, &mut out);
    out.push_str("$");
    out
}

/// Appends text so that a regular expression takes it literally.
fn escape(text: &str, out: &mut String) {
    for c in text.chars() {
        if c.is_ascii() && !c.is_ascii_alphanumeric() && c != ' ' {
            out.push_str(&format!("\\x{:02X}", u32::from(c)));
        } else {
            out.push(c);
        }
    }
}

fn map_ints(a: Expr, b: Expr, f: impl Fn(i64, i64) -> Option<i64> + Send + Sync + 'static) -> Expr {
    a.map_many(
        move |columns| {
            let [a, b] = columns else {
                polars_bail!(ComputeError: "two operands are needed");
            };
            let out: Int64Chunked = zip(a.i64()?, b.i64()?, &f)?;
            Ok(out.into_column())
        },
        &[b],
        |_, fields| named(fields, DataType::Int64),
    )
}

fn map_floats(
    a: Expr,
    b: Expr,
    f: impl Fn(f64, f64) -> Option<f64> + Send + Sync + 'static,
) -> Expr {
    a.map_many(
        move |columns| {
            let [a, b] = columns else {
                polars_bail!(ComputeError: "two operands are needed");
            };
            let out: Float64Chunked = zip(a.f64()?, b.f64()?, &f)?;
            Ok(out.into_column())
        },
        &[b],
        |_, fields| named(fields, DataType::Float64),
    )
}

fn map_float_to_int(a: Expr, f: fn(f64) -> Option<i64>) -> Expr {
    a.map(
        move |column| {
            let input = column.f64()?;
            let out: Int64Chunked = input.iter().map(|x| x.and_then(f)).collect();
            Ok(out.with_name(input.name().clone()).into_column())
        },
        |_, field| Ok(Field::new(field.name().clone(), DataType::Int64)),
    )
}

fn named(fields: &[Field], dtype: DataType) -> PolarsResult<Field> {
    let name = fields.first().map(|f| f.name().clone()).unwrap_or_default();
    Ok(Field::new(name, dtype))
}

/// Applies a partial function to two columns; a column of one value stands for every row.
fn zip<T: PolarsNumericType>(
    a: &ChunkedArray<T>,
    b: &ChunkedArray<T>,
    f: &impl Fn(T::Native, T::Native) -> Option<T::Native>,
) -> PolarsResult<ChunkedArray<T>> {
    let both = |x: Option<T::Native>, y: Option<T::Native>| f(x?, y?);
    let name = a.name().clone();
    let out: ChunkedArray<T> = match (a.len(), b.len()) {
        (n, m) if n == m => a.iter().zip(b.iter()).map(|(x, y)| both(x, y)).collect(),
        (1, _) => {
            let x = a.get(0);
            b.iter().map(|y| both(x, y)).collect()
        }
        (_, 1) => {
            let y = b.get(0);
            a.iter().map(|x| both(x, y)).collect()
        }
        (n, m) => polars_bail!(ShapeMismatch: "operands have {n} and {m} rows"),
    };
    Ok(out.with_name(name))
}

/// A literal of exactly this type; a bare one would take the narrowest.
fn int(i: i64) -> Expr {
    lit(i).cast(DataType::Int64)
}

/// A literal of exactly this type.
fn float(x: f64) -> Expr {
    lit(x).cast(DataType::Float64)
}
