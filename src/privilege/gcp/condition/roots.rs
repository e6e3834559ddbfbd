//! What the clauses of a condition are about.

use cel::common::ast::Expr;
use cel::parser::Expression;

/// What an undecided clause is about.
#[derive(Default)]
pub(super) struct Roots {
    pub(super) recurring: bool,
    pub(super) other: bool,
}

/// Parts of a date that come round.
const PARTS: [&str; 9] = [
    "getHours",
    "getMinutes",
    "getSeconds",
    "getMilliseconds",
    "getDayOfWeek",
    "getDayOfMonth",
    "getDayOfYear",
    "getDate",
    "getMonth",
];

impl Roots {
    /// Walks an expression with a stack of its own.
    pub(super) fn read(&mut self, e: &Expression) {
        let mut stack = vec![e];
        while let Some(e) = stack.pop() {
            match &e.expr {
                Expr::Call(c) => {
                    let on_time = c.target.as_deref().is_some_and(is_request_time);
                    if on_time && PARTS.contains(&c.func_name.as_str()) {
                        self.recurring = true;
                    } else {
                        stack.extend(c.target.as_deref());
                    }
                    stack.extend(&c.args);
                }
                Expr::List(l) => stack.extend(&l.elements),
                Expr::Literal(_) => {}
                _ => self.other = true,
            }
        }
    }
}

pub(super) fn is_request_time(e: &Expression) -> bool {
    match &e.expr {
        Expr::Select(s) if s.field == "time" && !s.test => {
            matches!(&s.operand.expr, Expr::Ident(name) if name == "request")
        }
        _ => false,
    }
}
