//! Reads a predicate: SQL expression syntax by the `sqlparser` crate, then a closed list of what is
//! allowed, types and vocabularies. What is not named here is refused, with the sound form where there
//! is one.
//!
//! Bounds keep hostile text harmless: the text is cut off before it is parsed, parentheses are counted
//! before the recursive parser sees them, and depth and lowered size are limited.

use std::fmt::Display;

use sqlparser::ast::{
    self, BinaryOperator, Expr as Sql, FunctionArg, FunctionArgExpr, FunctionArguments, Spanned,
    UnaryOperator,
};
use sqlparser::dialect::GenericDialect;
use sqlparser::keywords::Keyword;
use sqlparser::parser::Parser;
use sqlparser::tokenizer::{Token, Tokenizer};

use super::expr::{Arith, Cmp, Kind, Node, Ty};
use super::typing::{check_words, coerce, ordered, pair, to_float, to_whole, unify};
use super::value::Value;
use crate::facts::time::parse_rfc3339;
use crate::facts::{ColType, TableDef};
use crate::settings::LIMITS;

/// Longest predicate, bytes.
pub const MAX_TEXT: usize = 4096;
/// Deepest nesting of parentheses and CASE.
const MAX_NESTING: usize = 24;
/// Deepest typed expression.
const MAX_DEPTH: usize = 64;
/// Largest expression after lowering.
const MAX_WEIGHT: usize = 4000;
/// Longest IN list and most CASE arms.
const MAX_ITEMS: usize = 64;

/// Reads a predicate over a table.
///
/// # Errors
/// A sentence that names the place, what is wrong and the remedy.
pub fn predicate(text: &str, table: &TableDef) -> Result<Node, String> {
    let node = expression(text, table)?;
    match node.ty {
        Ty::Bool | Ty::Null => coerce(node, Ty::Bool),
        other => Err(format!(
            "the predicate gives {}, not true or false; compare it with something",
            other.word()
        )),
    }
}

/// Reads an expression of any type over a table.
///
/// # Errors
/// As [`predicate`].
pub fn expression(text: &str, table: &TableDef) -> Result<Node, String> {
    if text.len() > MAX_TEXT {
        return Err(format!(
            "the expression has {} bytes; at most {MAX_TEXT} are allowed, move the work into the fact table",
            text.len()
        ));
    }
    if text.trim().is_empty() {
        return Err("the expression is empty; write TRUE if every row is meant".into());
    }
    if let Some(c) = text.chars().find(|c| c.is_control() && !matches!(c, '\n' | '\r' | '\t')) {
        return Err(format!("the expression has the control character {}", c.escape_default()));
    }
    let dialect = GenericDialect {};
    let tokens = Tokenizer::new(&dialect, text)
        .tokenize_with_location()
        .map_err(|e| format!("cannot read the expression: {e}"))?;
    bound_nesting(tokens.iter().map(|t| &t.token))?;
    let mut parser = Parser::new(&dialect).with_tokens_with_locations(tokens);
    let sql = parser.parse_expr().map_err(|e| format!("cannot read the expression: {e}"))?;
    let rest = parser.peek_token();
    if rest.token != Token::EOF {
        return Err(format!(
            "unexpected `{}` at line {}, column {}; one expression is allowed and nothing after it",
            rest.token, rest.span.start.line, rest.span.start.column
        ));
    }
    let node = Reader { table }.read(&sql, 0)?;
    let weight = node.weight();
    if weight > MAX_WEIGHT {
        return Err(
            "the expression is too large; split the rule or move the work into the fact table"
                .into(),
        );
    }
    Ok(node)
}

/// Counts what makes the parser recurse, before it does.
fn bound_nesting<'a>(tokens: impl Iterator<Item = &'a Token>) -> Result<(), String> {
    let mut depth = 0usize;
    let mut prefix_run = 0usize;
    for token in tokens {
        let is_prefix = match token {
            Token::LParen | Token::LBracket | Token::LBrace => {
                depth += 1;
                false
            }
            Token::RParen | Token::RBracket | Token::RBrace => {
                depth = depth.saturating_sub(1);
                false
            }
            Token::Word(w) if w.keyword == Keyword::CASE => {
                depth += 1;
                false
            }
            Token::Word(w) if w.keyword == Keyword::END => {
                depth = depth.saturating_sub(1);
                false
            }
            Token::Word(w) if w.keyword == Keyword::NOT => true,
            Token::Minus | Token::Plus | Token::Tilde | Token::ExclamationMark => true,
            Token::Whitespace(_) => continue,
            _ => false,
        };
        prefix_run = if is_prefix { prefix_run + 1 } else { 0 };
        if depth > MAX_NESTING || prefix_run > MAX_NESTING {
            return Err(format!("the expression is nested deeper than {MAX_NESTING}; simplify it"));
        }
    }
    Ok(())
}

/// The part of the expression a message is about, and where it stands.
fn place(sql: &Sql) -> String {
    let text = sql.to_string();
    let short: String = if text.chars().count() > 60 {
        text.chars().take(57).chain("...".chars()).collect()
    } else {
        text
    };
    let start = sql.span().start;
    if start.line == 0 {
        format!("`{short}`")
    } else {
        format!("`{short}` (line {}, column {})", start.line, start.column)
    }
}

fn refuse(sql: &Sql, why: impl Display) -> String {
    format!("{}: {why}", place(sql))
}

struct Reader<'a> {
    table: &'a TableDef,
}

impl Reader<'_> {
    fn read(&self, sql: &Sql, depth: usize) -> Result<Node, String> {
        if depth > MAX_DEPTH {
            return Err(format!("the expression is deeper than {MAX_DEPTH} levels; simplify it"));
        }
        let deeper = depth + 1;
        match sql {
            Sql::Nested(inner) => self.read(inner, deeper),
            Sql::Identifier(name) => self.name(sql, name),
            Sql::CompoundIdentifier(names) => compound(sql, names),
            Sql::Value(value) => literal(sql, &value.value),
            Sql::TypedString(typed) => timestamp(sql, typed),
            Sql::UnaryOp { op, expr } => self.unary(sql, *op, expr, deeper),
            Sql::BinaryOp { left, op, right } => match op {
                BinaryOperator::And | BinaryOperator::Or => self.logic(sql, op, deeper),
                _ => self.binary(sql, (left, op, right), deeper),
            },
            Sql::IsNull(inner) => self.is_null(sql, inner, false, deeper),
            Sql::IsNotNull(inner) => self.is_null(sql, inner, true, deeper),
            Sql::InList { expr, list, negated } => self.in_list(sql, expr, list, *negated, deeper),
            Sql::Between { expr, negated, low, high } => {
                let operand = self.read(expr, deeper)?;
                let (operand, low) = self.comparable(sql, operand, self.read(low, deeper)?)?;
                let (operand, high) = self.comparable(sql, operand, self.read(high, deeper)?)?;
                // The upper end may have widened the operand to float.
                let (operand, low) = pair(operand, low).map_err(|e| refuse(sql, e))?;
                ordered(&operand).map_err(|e| refuse(sql, e))?;
                let (operand, low, high) = (Box::new(operand), Box::new(low), Box::new(high));
                Ok(Node::new(Kind::Between { operand, low, high, negated: *negated }, Ty::Bool))
            }
            Sql::Like { negated, any: false, expr, pattern, escape_char: None } => {
                self.like(sql, expr, pattern, *negated, deeper)
            }
            Sql::AnyOp { left, compare_op: BinaryOperator::Eq, right, .. } => {
                let item = self.read(left, deeper)?;
                self.contains(sql, self.read(right, deeper)?, &item)
            }
            Sql::Case { operand, conditions, else_result, .. } => {
                self.case(sql, operand.as_deref(), conditions, else_result.as_deref(), deeper)
            }
            Sql::Function(function) => self.function(sql, function, deeper),
            other => Err(refuse(sql, remedy(other))),
        }
    }

    fn name(&self, sql: &Sql, name: &ast::Ident) -> Result<Node, String> {
        if name.quote_style.is_none() && name.value.eq_ignore_ascii_case("as_of") {
            return Ok(Node::new(Kind::AsOf, Ty::Time));
        }
        let Some(column) = self.table.column(&name.value) else {
            let hint = if name.quote_style.is_some() {
                "; text stands in single quotes".to_string()
            } else {
                nearest(&name.value, self.table.columns.iter().map(|c| c.name))
            };
            return Err(refuse(
                sql,
                format!("table `{}` has no column `{}`{hint}", self.table.name, name.value),
            ));
        };
        let ty = match column.ty {
            ColType::Text => Ty::Text,
            ColType::Int => Ty::Int,
            ColType::Float => Ty::Float,
            ColType::Bool => Ty::Bool,
            ColType::Time => Ty::Time,
            ColType::List => Ty::List,
        };
        Ok(Node::new(Kind::Column(column), ty))
    }

    fn unary(
        &self,
        sql: &Sql,
        op: UnaryOperator,
        expr: &Sql,
        depth: usize,
    ) -> Result<Node, String> {
        let inner = self.read(expr, depth)?;
        match (op, &inner.kind, inner.ty) {
            (UnaryOperator::Not, _, Ty::Bool | Ty::Null) => {
                Ok(Node::new(Kind::Not(Box::new(coerce(inner, Ty::Bool)?)), Ty::Bool))
            }
            (UnaryOperator::Minus, Kind::Lit(Value::Int(i)), _) => {
                Ok(Node::new(Kind::Lit(i.checked_neg().map_or(Value::Null, Value::Int)), Ty::Int))
            }
            (UnaryOperator::Minus, Kind::Lit(Value::Float(x)), _) => {
                Ok(Node::new(Kind::Lit(Value::Float(-x)), Ty::Float))
            }
            (UnaryOperator::Minus, _, Ty::Int | Ty::Float) => {
                let ty = inner.ty;
                Ok(Node::new(Kind::Neg(Box::new(inner)), ty))
            }
            _ => Err(refuse(sql, format!("`{op}` cannot stand before {}", inner.ty.word()))),
        }
    }

    /// AND and OR chains become one flat node, so that long chains are not deep.
    fn logic(&self, sql: &Sql, op: &BinaryOperator, depth: usize) -> Result<Node, String> {
        let mut parts = Vec::new();
        let mut current = sql;
        loop {
            match current {
                Sql::BinaryOp { left, op: same, right } if same == op => {
                    parts.push(right.as_ref());
                    current = left;
                }
                _ => {
                    parts.push(current);
                    break;
                }
            }
        }
        let mut nodes = Vec::with_capacity(parts.len());
        for part in parts.into_iter().rev() {
            let node = self.read(part, depth)?;
            if !matches!(node.ty, Ty::Bool | Ty::Null) {
                return Err(refuse(
                    part,
                    format!("{op} joins conditions, but this gives {}", node.ty.word()),
                ));
            }
            nodes.push(coerce(node, Ty::Bool)?);
        }
        let kind = if *op == BinaryOperator::And { Kind::And(nodes) } else { Kind::Or(nodes) };
        Ok(Node::new(kind, Ty::Bool))
    }

    fn binary(
        &self,
        sql: &Sql,
        (left, op, right): (&Sql, &BinaryOperator, &Sql),
        depth: usize,
    ) -> Result<Node, String> {
        let cmp = match op {
            BinaryOperator::Eq => Some(Cmp::Eq),
            BinaryOperator::NotEq => Some(Cmp::Ne),
            BinaryOperator::Lt => Some(Cmp::Lt),
            BinaryOperator::LtEq => Some(Cmp::Le),
            BinaryOperator::Gt => Some(Cmp::Gt),
            BinaryOperator::GtEq => Some(Cmp::Ge),
            _ => None,
        };
        let arith = match op {
            BinaryOperator::Plus => Some(Arith::Add),
            BinaryOperator::Minus => Some(Arith::Sub),
            BinaryOperator::Multiply => Some(Arith::Mul),
            BinaryOperator::Divide => Some(Arith::Div),
            _ => None,
        };
        if cmp.is_none() && arith.is_none() {
            return Err(refuse(sql, format!("the operator `{op}` is not allowed in rules")));
        }
        let (a, b) = (self.read(left, depth)?, self.read(right, depth)?);
        if let Some(cmp) = cmp {
            let (a, b) = self.comparable(sql, a, b)?;
            if cmp.ordered() {
                ordered(&a).and_then(|()| ordered(&b)).map_err(|e| refuse(sql, e))?;
            }
            return Ok(Node::new(Kind::Compare(cmp, Box::new(a), Box::new(b)), Ty::Bool));
        }
        match arith {
            Some(arith) => arithmetic(arith, a, b).map_err(|e| refuse(sql, e)),
            None => Err(refuse(sql, "not an operator of rules")),
        }
    }

    /// Two operands of one type that may be compared.
    fn comparable(&self, sql: &Sql, a: Node, b: Node) -> Result<(Node, Node), String> {
        for side in [&a, &b] {
            if side.ty == Ty::Null {
                return Err(refuse(
                    sql,
                    "a comparison with NULL is never true; write `IS NULL` or `IS NOT NULL`",
                ));
            }
            if side.ty == Ty::List {
                return Err(refuse(
                    sql,
                    "a list cannot be compared; write `CONTAINS(list, 'item')` or `LENGTH(list) > 0`",
                ));
            }
        }
        check_words(&a, &b).and_then(|()| check_words(&b, &a)).map_err(|e| refuse(sql, e))?;
        pair(a, b).map_err(|e| refuse(sql, e))
    }

    fn is_null(&self, sql: &Sql, inner: &Sql, negated: bool, depth: usize) -> Result<Node, String> {
        let operand = self.read(inner, depth)?;
        if matches!(operand.kind, Kind::Lit(_)) {
            return Err(refuse(sql, "a literal needs no test for null"));
        }
        Ok(Node::new(Kind::IsNull { operand: Box::new(operand), negated }, Ty::Bool))
    }

    fn in_list(
        &self,
        sql: &Sql,
        expr: &Sql,
        list: &[Sql],
        negated: bool,
        depth: usize,
    ) -> Result<Node, String> {
        if list.is_empty() || list.len() > MAX_ITEMS {
            return Err(refuse(sql, format!("an IN list has 1 to {MAX_ITEMS} items")));
        }
        let mut operand = self.read(expr, depth)?;
        let mut items = Vec::with_capacity(list.len());
        for item in list {
            let node = self.read(item, depth)?;
            if !matches!(node.kind, Kind::Lit(_)) {
                return Err(refuse(item, "an IN list holds literals only"));
            }
            if node.ty == Ty::Null {
                items.push(node);
                continue;
            }
            let (wider, node) = self.comparable(sql, operand, node)?;
            operand = wider;
            items.push(node);
        }
        let ty = operand.ty;
        let items = items
            .into_iter()
            .map(|n| if ty == Ty::Float { to_float(n) } else { coerce(n, ty) })
            .collect::<Result<_, _>>()
            .map_err(|e| refuse(sql, e))?;
        Ok(Node::new(Kind::In { operand: Box::new(operand), list: items, negated }, Ty::Bool))
    }

    fn like(
        &self,
        sql: &Sql,
        expr: &Sql,
        pattern: &Sql,
        negated: bool,
        depth: usize,
    ) -> Result<Node, String> {
        let operand = self.read(expr, depth)?;
        let Kind::Lit(Value::Text(pattern)) = self.read(pattern, depth)?.kind else {
            return Err(refuse(sql, "the pattern of LIKE is a text literal"));
        };
        if operand.ty != Ty::Text {
            return Err(refuse(sql, format!("LIKE looks at text, not at {}", operand.ty.word())));
        }
        if let Kind::Column(c) = &operand.kind
            && !c.words.is_empty()
            && !c.words.iter().any(|w| super::eval::like(&pattern, w))
        {
            return Err(refuse(sql, format!("no word of `{}` matches '{pattern}'", c.name)));
        }
        let pattern = pattern.to_string();
        Ok(Node::new(Kind::Like { operand: Box::new(operand), pattern, negated }, Ty::Bool))
    }

    fn contains(&self, sql: &Sql, list: Node, item: &Node) -> Result<Node, String> {
        let Kind::Lit(Value::Text(item)) = &item.kind else {
            return Err(refuse(sql, "the item looked for is a text literal"));
        };
        if list.ty != Ty::List {
            return Err(refuse(sql, format!("this needs a list, not {}", list.ty.word())));
        }
        let item = item.to_string();
        Ok(Node::new(Kind::Contains { list: Box::new(list), item }, Ty::Bool))
    }

    fn case(
        &self,
        sql: &Sql,
        operand: Option<&Sql>,
        conditions: &[ast::CaseWhen],
        otherwise: Option<&Sql>,
        depth: usize,
    ) -> Result<Node, String> {
        if conditions.is_empty() || conditions.len() > MAX_ITEMS {
            return Err(refuse(sql, format!("CASE has 1 to {MAX_ITEMS} arms")));
        }
        let subject = operand.map(|o| self.read(o, depth)).transpose()?;
        // The subject is repeated in every arm.
        if subject
            .as_ref()
            .is_some_and(|s| s.weight().saturating_mul(conditions.len()) > MAX_WEIGHT)
        {
            return Err(refuse(sql, "the expression is too large; write CASE WHEN condition"));
        }
        let mut whens = Vec::with_capacity(conditions.len());
        let mut results = Vec::with_capacity(conditions.len() + 1);
        for arm in conditions {
            let condition = self.read(&arm.condition, depth)?;
            let condition = match &subject {
                Some(subject) => {
                    let (a, b) = self.comparable(&arm.condition, subject.clone(), condition)?;
                    Node::new(Kind::Compare(Cmp::Eq, Box::new(a), Box::new(b)), Ty::Bool)
                }
                None if matches!(condition.ty, Ty::Bool | Ty::Null) => coerce(condition, Ty::Bool)?,
                None => return Err(refuse(&arm.condition, "WHEN needs a condition")),
            };
            whens.push(condition);
            results.push(self.read(&arm.result, depth)?);
        }
        results.push(match otherwise {
            Some(e) => self.read(e, depth)?,
            None => Node::new(Kind::Lit(Value::Null), Ty::Null),
        });
        let (mut results, ty) = unify(results).map_err(|e| refuse(sql, e))?;
        let Some(otherwise) = results.pop() else {
            return Err(refuse(sql, "CASE has no result"));
        };
        let arms = whens.into_iter().zip(results).collect();
        Ok(Node::new(Kind::Case { arms, otherwise: Box::new(otherwise) }, ty))
    }

    fn function(&self, sql: &Sql, f: &ast::Function, depth: usize) -> Result<Node, String> {
        let name = f.name.to_string().to_ascii_uppercase();
        let args = match &f.args {
            FunctionArguments::List(list)
                if list.duplicate_treatment.is_none() && list.clauses.is_empty() =>
            {
                list.args.as_slice()
            }
            FunctionArguments::None => &[],
            _ => return Err(refuse(sql, "only plain arguments are allowed")),
        };
        let plain = f.filter.is_none()
            && f.over.is_none()
            && f.null_treatment.is_none()
            && f.within_group.is_empty()
            && matches!(f.parameters, FunctionArguments::None)
            && !f.uses_odbc_syntax;
        if !plain {
            return Err(refuse(sql, "windows, filters and orders are not allowed in rules"));
        }
        if args.len() > MAX_ITEMS {
            return Err(refuse(sql, format!("at most {MAX_ITEMS} arguments are allowed")));
        }
        let known = matches!(name.as_str(), "COALESCE" | "CONTAINS" | "LENGTH");
        if !known {
            return Err(refuse(sql, function_remedy(&name)));
        }
        let nodes = args
            .iter()
            .map(|a| match a {
                FunctionArg::Unnamed(FunctionArgExpr::Expr(e)) => self.read(e, depth),
                _ => Err(refuse(sql, "only plain arguments are allowed")),
            })
            .collect::<Result<Vec<_>, _>>()?;
        match (name.as_str(), nodes.as_slice()) {
            ("CONTAINS", [list, item]) => self.contains(sql, list.clone(), item),
            ("LENGTH", [one]) if matches!(one.ty, Ty::List | Ty::Text) => {
                Ok(Node::new(Kind::Length(Box::new(one.clone())), Ty::Int))
            }
            ("COALESCE", [_, _, ..]) => {
                let (nodes, ty) = unify(nodes).map_err(|e| refuse(sql, e))?;
                Ok(Node::new(Kind::Coalesce(nodes), ty))
            }
            ("CONTAINS", _) => Err(refuse(sql, "write CONTAINS(list_column, 'item')")),
            ("LENGTH", _) => Err(refuse(sql, "write LENGTH(list_or_text_column)")),
            _ => Err(refuse(sql, "write COALESCE(first, second, ...)")),
        }
    }
}

fn compound(sql: &Sql, names: &[ast::Ident]) -> Result<Node, String> {
    let [space, name] = names else {
        return Err(refuse(sql, "columns have one name; only `limits.<name>` has two"));
    };
    if !space.value.eq_ignore_ascii_case("limits") {
        return Err(refuse(
            sql,
            "columns stand alone, without a table; only `limits.<name>` has two names",
        ));
    }
    match LIMITS.iter().find(|l| l.name == name.value) {
        Some(limit) => Ok(Node::new(Kind::Limit(limit.name), Ty::Float)),
        None => Err(refuse(
            sql,
            format!(
                "unknown limit `{}`{}",
                name.value,
                nearest(&name.value, LIMITS.iter().map(|l| l.name))
            ),
        )),
    }
}

fn literal(sql: &Sql, value: &ast::Value) -> Result<Node, String> {
    match value {
        ast::Value::Number(text, false) => {
            if let Ok(i) = text.parse::<i64>() {
                return Ok(Node::new(Kind::Lit(Value::Int(i)), Ty::Int));
            }
            match text.parse::<f64>() {
                Ok(x) if x.is_finite() => Ok(Node::new(Kind::Lit(Value::Float(x)), Ty::Float)),
                _ => Err(refuse(sql, "the number is out of range")),
            }
        }
        ast::Value::SingleQuotedString(s) => {
            Ok(Node::new(Kind::Lit(Value::Text(s.as_str().into())), Ty::Text))
        }
        ast::Value::Boolean(b) => Ok(Node::new(Kind::Lit(Value::Bool(*b)), Ty::Bool)),
        ast::Value::Null => Ok(Node::new(Kind::Lit(Value::Null), Ty::Null)),
        _ => Err(refuse(
            sql,
            "literals are numbers, 'text', TRUE, FALSE, NULL and TIMESTAMP '2026-11-01T00:00:00Z'",
        )),
    }
}

fn timestamp(sql: &Sql, typed: &ast::TypedString) -> Result<Node, String> {
    let is_timestamp =
        matches!(&typed.data_type, ast::DataType::Timestamp(None, ast::TimezoneInfo::None));
    match (&typed.value.value, is_timestamp && !typed.uses_odbc_syntax) {
        (ast::Value::SingleQuotedString(s), true) => match parse_rfc3339(s) {
            Some(t) => Ok(Node::new(Kind::Lit(Value::Time(t)), Ty::Time)),
            None => Err(refuse(sql, "not a time; write TIMESTAMP '2026-11-01T00:00:00Z'")),
        },
        _ => Err(refuse(sql, "the only typed literal is TIMESTAMP '2026-11-01T00:00:00Z'")),
    }
}

fn arithmetic(op: Arith, a: Node, b: Node) -> Result<Node, String> {
    match (a.ty, op, b.ty) {
        (Ty::Time, Arith::Sub, Ty::Time) => {
            Ok(Node::new(Kind::Seconds(Box::new(a), Box::new(b)), Ty::Int))
        }
        (Ty::Time, Arith::Add | Arith::Sub, Ty::Int | Ty::Float) => {
            let seconds = Box::new(to_whole(b));
            let back = op == Arith::Sub;
            Ok(Node::new(Kind::Shift { time: Box::new(a), seconds, back }, Ty::Time))
        }
        (Ty::Int | Ty::Float, Arith::Add, Ty::Time) => {
            let seconds = Box::new(to_whole(a));
            Ok(Node::new(Kind::Shift { time: Box::new(b), seconds, back: false }, Ty::Time))
        }
        (Ty::Int | Ty::Float, _, Ty::Int | Ty::Float) => {
            let (a, b) = if op == Arith::Div { (to_float(a)?, to_float(b)?) } else { pair(a, b)? };
            let ty = a.ty;
            Ok(Node::new(Kind::Arith(op, Box::new(a), Box::new(b)), ty))
        }
        (x, _, y) => Err(format!("`{}` cannot join {} and {}", op.sign(), x.word(), y.word())),
    }
}

/// What to write instead of a construct that is not allowed.
fn remedy(sql: &Sql) -> String {
    match sql {
        Sql::IsTrue(e) => {
            format!(
                "IS TRUE hides unknown; write `{e}`, or `COALESCE({e}, FALSE)` if unknown is to count as false"
            )
        }
        Sql::IsNotTrue(e) => {
            format!(
                "IS NOT TRUE hides unknown; write `NOT ({e})`, or `COALESCE({e}, FALSE) = FALSE`"
            )
        }
        Sql::IsFalse(e) => {
            format!("IS FALSE hides unknown; write `NOT ({e})`, or `COALESCE({e}, TRUE) = FALSE`")
        }
        Sql::IsNotFalse(e) => {
            format!("IS NOT FALSE hides unknown; write `{e}`, or `COALESCE({e}, TRUE)`")
        }
        Sql::IsUnknown(e) => format!("write `({e}) IS NULL`"),
        Sql::IsNotUnknown(e) => format!("write `({e}) IS NOT NULL`"),
        Sql::IsDistinctFrom(..) | Sql::IsNotDistinctFrom(..) => {
            "write the comparison and `IS NULL` apart".into()
        }
        Sql::ILike { .. } | Sql::RLike { .. } | Sql::SimilarTo { .. } | Sql::Like { .. } => {
            "only `column LIKE 'pattern'` is allowed, with `%` and `_`, without ESCAPE".into()
        }
        Sql::AnyOp { .. } | Sql::AllOp { .. } => {
            "only `'item' = ANY(list_column)` is allowed; negate it with NOT".into()
        }
        Sql::Subquery(_) | Sql::Exists { .. } | Sql::InSubquery { .. } => {
            "queries are not allowed; a rule sees one row of one table".into()
        }
        Sql::Cast { .. } | Sql::Convert { .. } => "casts are not allowed".into(),
        Sql::Interval(_) => "intervals are not allowed; add or subtract seconds".into(),
        _ => "not allowed in rules; see the rule language in docs/rules.md".into(),
    }
}

fn function_remedy(name: &str) -> String {
    match name {
        "NOW" | "CURRENT_TIMESTAMP" | "CURRENT_DATE" | "LOCALTIMESTAMP" => {
            "the clock is not read; write `as_of`".into()
        }
        "ARRAY_CONTAINS" | "LIST_CONTAINS" => "write CONTAINS(list_column, 'item')".into(),
        "ARRAY_LENGTH" | "LEN" | "CARDINALITY" => "write LENGTH(list_column)".into(),
        _ => "the functions of rules are COALESCE, CONTAINS and LENGTH".into(),
    }
}

/// A hint with the most similar name, when one is near.
fn nearest<'a>(name: &str, known: impl Iterator<Item = &'a str>) -> String {
    let name: String = name.chars().take(64).collect();
    known
        .map(|k| (distance(&name, k), k))
        .min()
        .filter(|(d, k)| *d <= 1 + k.len() / 4)
        .map_or_else(String::new, |(_, k)| format!("; did you mean `{k}`?"))
}

/// Edit distance; both sides are short.
fn distance(a: &str, b: &str) -> usize {
    let mut row: Vec<usize> = (0..=b.chars().count()).collect();
    for (i, x) in a.chars().enumerate() {
        let mut diagonal = i;
        let mut left = i + 1;
        if let Some(first) = row.first_mut() {
            *first = left;
        }
        for (cell, y) in row.iter_mut().skip(1).zip(b.chars()) {
            let cost = (diagonal + usize::from(x != y)).min(left + 1).min(*cell + 1);
            diagonal = *cell;
            *cell = cost;
            left = cost;
        }
    }
    row.last().copied().unwrap_or(0)
}

#[cfg(test)]
#[path = "parse_tests.rs"]
mod tests;
