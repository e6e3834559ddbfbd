//! Explains a verdict: the rule's expressions for one row, with the value of every part.

use polars::prelude::DataFrame;

use super::compile::{Compiled, compile};
use super::error::RuleError;
use super::eval::{Env, Trace, eval, trace};
use super::expr::Kind;
use super::finding::{Sources, build, identify};
use super::model::Rule;
use super::run::{Verdict, reason};
use super::test::verdict_of_row;
use super::value::{Table, Value};
use crate::facts::{TableDef, Time, store};
use crate::settings::Limits;

/// A verdict with everything it rests on.
#[derive(Clone, Debug)]
pub struct Explanation {
    /// Rule id.
    pub rule: String,
    /// Rule title.
    pub title: String,
    /// Table.
    pub table: String,
    /// Row in the table, from 0.
    pub row: usize,
    /// What became of the row.
    pub verdict: Verdict,
    /// Why it could not be tested.
    pub reason: Option<String>,
    /// The rule's expressions: name of the field and evaluated tree.
    pub steps: Vec<(&'static str, Trace)>,
    /// Modifiers: whether it applies, what it says, evaluated tree.
    pub modifiers: Vec<(bool, String, Trace)>,
    /// Severity and its reasons, for an exception.
    pub severity: Option<(String, Vec<String>)>,
    /// Columns that the rule reads, with value and meaning.
    pub columns: Vec<(String, Value, &'static str)>,
    /// Limits that the rule reads, with value and meaning.
    pub limits: Vec<(String, f64, &'static str)>,
}

/// Explains what a rule says about one row of its table.
///
/// # Errors
/// When the rule is wrong, or the frame is not the rule's table.
pub fn explain(
    rule: &Rule,
    frame: &DataFrame,
    row: usize,
    limits: &Limits,
    as_of: Time,
) -> Result<Explanation, RuleError> {
    let compiled = compile(rule, "rule")?;
    let table = Table::open(&compiled.table, frame)?;
    if row >= table.height() {
        return Err(RuleError::Frame {
            table: compiled.table.name.into(),
            message: format!("there is no row {row}; the table has {}", table.height()),
        });
    }
    let env = Env { limits, as_of };
    let verdict = verdict_of_row(&compiled, &table, row, env);
    let mut steps = Vec::new();
    if let Some(filter) = &compiled.filter {
        steps.push(("population", trace(filter, &table, row, env)));
    }
    steps.push(("exception", trace(&compiled.exception, &table, row, env)));
    if let Some(possible) = &compiled.possible {
        steps.push(("possible", trace(possible, &table, row, env)));
    }
    let severity = match verdict {
        Verdict::Exception | Verdict::Possible => {
            let certain = verdict == Verdict::Exception;
            let found =
                build(&compiled, &table, row, certain, (env, &Sources::new(&[], env.as_of)))?;
            Some((found.severity.to_string(), found.severity_reasons))
        }
        _ => None,
    };
    Ok(Explanation {
        rule: rule.id.clone(),
        title: rule.title.clone(),
        table: compiled.table.name.into(),
        row,
        verdict,
        reason: (verdict == Verdict::NotAssessed)
            .then(|| reason(&compiled, &table, row).into_owned()),
        steps,
        modifiers: modifiers(&compiled, &table, row, env),
        severity,
        columns: columns(&compiled, &table, row),
        limits: used_limits(&compiled, limits),
    })
}

/// Rows of the rule's table whose finding has this fingerprint, worst verdict first.
///
/// # Errors
/// When the rule is wrong, or the frame is not the rule's table.
pub fn find_rows(
    rule: &Rule,
    frame: &DataFrame,
    fingerprint: &str,
    limits: &Limits,
    as_of: Time,
) -> Result<Vec<usize>, RuleError> {
    let compiled = compile(rule, "rule")?;
    let table = Table::open(&compiled.table, frame)?;
    let env = Env { limits, as_of };
    let mut rows: Vec<(u8, usize)> = (0..table.height())
        .filter_map(|row| {
            let rank = match verdict_of_row(&compiled, &table, row, env) {
                Verdict::Exception => 0,
                Verdict::Possible => 1,
                _ => return None,
            };
            (identify(&compiled, &table, row) == fingerprint).then_some((rank, row))
        })
        .collect();
    rows.sort_unstable();
    Ok(rows.into_iter().map(|(_, row)| row).collect())
}

fn modifiers(
    compiled: &Compiled<'_>,
    table: &Table,
    row: usize,
    env: Env<'_>,
) -> Vec<(bool, String, Trace)> {
    compiled
        .modifiers
        .iter()
        .map(|(node, up, why)| {
            let applies = eval(node, table, row, env) == Value::Bool(true);
            let step = if *up { "up" } else { "down" };
            (applies, format!("one step {step}: {why}"), trace(node, table, row, env))
        })
        .collect()
}

fn columns(
    compiled: &Compiled<'_>,
    table: &Table,
    row: usize,
) -> Vec<(String, Value, &'static str)> {
    let mut seen = std::collections::BTreeSet::new();
    for node in compiled.expressions() {
        node.walk(&mut |n| {
            if let Kind::Column(c) = n.kind {
                seen.insert(c.name);
            }
        });
    }
    let def: Option<TableDef> = store::table(compiled.table.name);
    seen.into_iter()
        .map(|name| {
            let doc = def.and_then(|d| d.column(name)).map_or("", |c| c.doc.trim());
            (name.to_string(), table.get(name, row), doc)
        })
        .collect()
}

fn used_limits(compiled: &Compiled<'_>, limits: &Limits) -> Vec<(String, f64, &'static str)> {
    let used = compiled.limits();
    limits
        .iter()
        .filter(|(def, _)| used.contains(def.name))
        .map(|(def, value)| (def.name.to_string(), value, def.doc))
        .collect()
}

/// The explanation as plain text, ending with a line end. Values come from the inputs: whoever prints
/// it to a terminal makes it safe first.
#[must_use]
pub fn render(e: &Explanation) -> String {
    let mut lines = vec![format!("{} {}", e.rule, e.title)];
    let verdict = match (&e.reason, e.verdict) {
        (Some(reason), _) => format!("not assessed: {reason}"),
        (None, Verdict::Out) => "not in the population".into(),
        (None, Verdict::Possible) => "possible exception".into(),
        (None, other) => other.word().into(),
    };
    lines.push(format!("verdict  {verdict}"));
    for (field, trace) in &e.steps {
        lines.push(String::new());
        lines.push(format!("{field}: {}", trace.text));
        let mut rows = Vec::new();
        tree(trace, 1, &mut rows);
        let width = rows.iter().map(|(l, _)| l.chars().count()).max().unwrap_or(0).min(60);
        lines.extend(rows.into_iter().map(|(left, right)| format!("{left:<width$}   {right}")));
    }
    if let Some((severity, reasons)) = &e.severity {
        lines.push(String::new());
        lines.push(format!("severity: {severity}"));
        lines.extend(reasons.iter().map(|r| format!("  {r}")));
        for (applies, text, trace) in e.modifiers.iter().filter(|(applies, ..)| !applies) {
            debug_assert!(!applies);
            lines.push(format!("  not applied: {text} ({} = {})", trace.text, trace.value));
        }
    }
    lines.push(String::new());
    lines.push("read from the facts".into());
    let width = e.columns.iter().map(|(n, ..)| n.len()).max().unwrap_or(0);
    lines.extend(e.columns.iter().map(|(name, value, doc)| {
        format!("  {name:<width$}  {value}  ({})", doc.trim_end_matches('.'))
    }));
    for (name, value, doc) in &e.limits {
        lines.push(format!("  limits.{name}  {value}  ({})", doc.trim_end_matches('.')));
    }
    lines.push(String::new());
    lines.join("\n")
}

/// Indented lines of a tree: expression left, values right. Columns and literals are not repeated as
/// lines of their own below a comparison that already shows them.
fn tree(trace: &Trace, depth: usize, out: &mut Vec<(String, String)>) {
    let left = format!("{}{}", "  ".repeat(depth), trace.text);
    let right = match &trace.filled {
        Some(filled) => format!("{filled} = {}", trace.value),
        None => format!("= {}", trace.value),
    };
    out.push((left, right));
    for part in &trace.parts {
        if !part.parts.is_empty() || (trace.filled.is_none() && !is_literal(&part.text)) {
            tree(part, depth + 1, out);
        }
    }
}

/// Whether a leaf is a literal, whose value is its text.
fn is_literal(text: &str) -> bool {
    text.starts_with(['\'', '-'])
        || text.starts_with(|c: char| c.is_ascii_digit())
        || matches!(text, "TRUE" | "FALSE" | "NULL")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::facts::{GrantFact, Row, Tier, text};
    use crate::rules::Pack;

    const GRT: &str = include_str!("../../tests/data/rules-sample/grt/GRT-003-sample.yaml");

    #[test]
    fn shows_every_part_with_its_value() {
        let pack = Pack::from_texts([("x.yaml", GRT)]).unwrap();
        let rule = pack.get("GRT-003").unwrap();
        let rows = [
            GrantFact::default(),
            GrantFact {
                grant_id: text("g"),
                effective: true,
                tier: Some(Tier::T1),
                overstay_s: Some(7200),
                ..GrantFact::default()
            },
            GrantFact { effective: true, ..GrantFact::default() },
        ];
        let frame = GrantFact::frame(&rows).unwrap();
        let limits = Limits::default();
        let at = Time::from_secs(0);
        let e = explain(rule, &frame, 1, &limits, at).unwrap();
        assert_eq!(e.verdict, Verdict::Exception);
        let shown = render(&e);
        for part in [
            "verdict  exception",
            "population: effective AND (NOT COALESCE(open_ended, FALSE)) AND (NOT interval_inverted)",
            "overstay_s > limits.task_grace_s   7200 > 900 = true",
            "severity: high",
            "not applied: one step up: the access was used after the task ended (uses_after_task > 0 = null)",
            "limits.task_grace_s  900",
        ] {
            assert!(shown.contains(part), "{part} is not in\n{shown}");
        }
        let fingerprint = {
            let compiled = compile(rule, "x").unwrap();
            identify(&compiled, &Table::open(&compiled.table, &frame).unwrap(), 1)
        };
        assert_eq!(find_rows(rule, &frame, &fingerprint, &limits, at).unwrap(), [1]);
        let e = explain(rule, &frame, 0, &limits, at).unwrap();
        assert!(render(&e).contains("not in the population"));
        let e = explain(rule, &frame, 2, &limits, at).unwrap();
        assert!(render(&e).contains("not assessed: unknown"), "{}", render(&e));
        assert!(explain(rule, &frame, 3, &limits, at).is_err());
    }
}
