//! Types of operands: how two sides of an operator come to one type, and which words a vocabulary
//! column may be compared with.

use super::expr::{Kind, Node, Ty};
use super::value::Value;
use crate::facts::cell::Word;
use crate::facts::{ColType, Tier};

/// Gives the literal NULL the type its place asks for; any other node must have it already.
pub(super) fn coerce(node: Node, ty: Ty) -> Result<Node, String> {
    match node.ty {
        Ty::Null => Ok(Node::new(node.kind, ty)),
        have if have == ty => Ok(node),
        have => Err(format!("{} is needed here, not {}", ty.word(), have.word())),
    }
}

/// An integer as float; a float stays.
pub(super) fn to_float(node: Node) -> Result<Node, String> {
    match (&node.kind, node.ty) {
        (_, Ty::Float) => Ok(node),
        #[expect(clippy::cast_precision_loss, reason = "comparisons with floats are of floats")]
        (Kind::Lit(Value::Int(i)), _) => {
            Ok(Node::new(Kind::Lit(Value::Float(*i as f64)), Ty::Float))
        }
        (_, Ty::Null) => coerce(node, Ty::Float),
        (_, Ty::Int) => Ok(Node::new(Kind::ToFloat(Box::new(node)), Ty::Float)),
        (_, other) => Err(format!("a number is needed here, not {}", other.word())),
    }
}

/// A number of seconds as integer.
pub(super) fn to_whole(node: Node) -> Node {
    if node.ty == Ty::Float { Node::new(Kind::ToWhole(Box::new(node)), Ty::Int) } else { node }
}

/// Brings two operands to one type.
pub(super) fn pair(a: Node, b: Node) -> Result<(Node, Node), String> {
    match (a.ty, b.ty) {
        (Ty::Int, Ty::Float) => Ok((to_float(a)?, b)),
        (Ty::Float, Ty::Int) => Ok((a, to_float(b)?)),
        (Ty::Null, ty) => Ok((coerce(a, ty)?, b)),
        (ty, Ty::Null) => Ok((a, coerce(b, ty)?)),
        (x, y) if x == y => Ok((a, b)),
        (Ty::Time, Ty::Text) | (Ty::Text, Ty::Time) => {
            Err("a time is compared with TIMESTAMP '2026-11-01T00:00:00Z', not with text".into())
        }
        (x, y) => Err(format!("{} cannot be compared or joined with {}", x.word(), y.word())),
    }
}

/// Brings all results of COALESCE or CASE to one type.
pub(super) fn unify(nodes: Vec<Node>) -> Result<(Vec<Node>, Ty), String> {
    let mut ty = Ty::Null;
    for node in &nodes {
        ty = match (ty, node.ty) {
            (_, Ty::List) => return Err("lists cannot be results of COALESCE or CASE".into()),
            (Ty::Null, other) => other,
            (have, Ty::Null) => have,
            (Ty::Int, Ty::Float) | (Ty::Float, Ty::Int) => Ty::Float,
            (have, other) if have == other => have,
            (have, other) => {
                return Err(format!(
                    "results differ in type: {} and {}",
                    have.word(),
                    other.word()
                ));
            }
        };
    }
    if ty == Ty::Null {
        return Err("all results are NULL".into());
    }
    let nodes = nodes
        .into_iter()
        .map(|n| if ty == Ty::Float { to_float(n) } else { coerce(n, ty) })
        .collect::<Result<_, _>>()?;
    Ok((nodes, ty))
}

/// Words a node can give, when it is known: a vocabulary column, or COALESCE of one with literals.
fn words(node: &Node) -> Option<(&'static str, Vec<String>)> {
    match &node.kind {
        Kind::Column(c) if c.ty == ColType::Text && !c.words.is_empty() => {
            Some((c.name, c.words.iter().map(ToString::to_string).collect()))
        }
        Kind::Coalesce(all) => {
            let (name, mut known) = all.iter().find_map(words)?;
            for node in all {
                match &node.kind {
                    Kind::Lit(Value::Text(s)) => known.push(s.to_string()),
                    Kind::Lit(Value::Null) => {}
                    _ => known.extend(words(node)?.1),
                }
            }
            Some((name, known))
        }
        _ => None,
    }
}

/// Refuses a comparison of a vocabulary with a word it does not have: it would never be true.
pub(super) fn check_words(side: &Node, other: &Node) -> Result<(), String> {
    let (Some((name, known)), Kind::Lit(Value::Text(word))) = (words(side), &other.kind) else {
        return Ok(());
    };
    if known.iter().any(|k| k.as_str() == word.as_ref()) {
        return Ok(());
    }
    Err(format!("`{name}` never is '{word}'; its words are {}", known.join(", ")))
}

/// Refuses an order where there is none.
pub(super) fn ordered(node: &Node) -> Result<(), String> {
    if node.ty == Ty::Bool {
        return Err("true and false have no order; use = or <>".into());
    }
    match words(node) {
        Some((name, known)) if !Tier::ALL.iter().all(|t| known.iter().any(|k| k == t)) => {
            Err(format!("the words of `{name}` have no order; use = or IN"))
        }
        _ => Ok(()),
    }
}
