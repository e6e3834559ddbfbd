//! Message templates: minijinja without its standard library, plain text, undefined names are errors.

use std::collections::{BTreeMap, BTreeSet};

use minijinja::{Environment, Error, ErrorKind, UndefinedBehavior, Value as Jinja, filters, tests};

use super::eval::Env;
use super::value::{Table, Value};
use crate::facts::time::parse_rfc3339;

/// Names besides the columns that a message may use.
pub const GLOBALS: [&str; 2] = ["as_of", "limits"];
/// Most list items that the filter `list` prints.
const LIST_ITEMS: usize = 5;
const NAME: &str = "message";

/// A compiled message template.
#[derive(Debug)]
pub struct Message {
    environment: Environment<'static>,
    names: BTreeSet<String>,
}

impl Message {
    /// Compiles a template.
    ///
    /// # Errors
    /// A sentence when the template cannot be read or uses an unknown filter or test.
    pub fn new(source: &str) -> Result<Self, String> {
        let mut environment = environment();
        environment.add_template_owned(NAME, source.to_string()).map_err(|e| describe(&e))?;
        let names = environment
            .get_template(NAME)
            .map_err(|e| describe(&e))?
            .undeclared_variables(true)
            .into_iter()
            .collect();
        Ok(Self { environment, names })
    }

    /// Names that the template reads (`overstay_s`, `limits.task_grace_s`).
    #[must_use]
    pub fn names(&self) -> &BTreeSet<String> {
        &self.names
    }

    /// Writes the message for a row.
    ///
    /// # Errors
    /// A sentence when a name is undefined or a filter refuses its value.
    pub fn write(&self, table: &Table, row: usize, env: Env<'_>) -> Result<String, String> {
        let mut context: BTreeMap<&str, Jinja> = BTreeMap::new();
        for name in &self.names {
            match name.split('.').next().unwrap_or(name) {
                "limits" => {
                    let limits = env.limits.iter().map(|(def, v)| (def.name, number(v)));
                    context.insert("limits", Jinja::from_pairs(limits));
                }
                "as_of" => {
                    context.insert("as_of", env.as_of.to_rfc3339().into());
                }
                column if table.has(column) => {
                    context.insert(column, jinja(&table.get(column, row)));
                }
                // Left out: rendering then says that it is undefined.
                _ => {}
            }
        }
        let template = self.environment.get_template(NAME).map_err(|e| describe(&e))?;
        let text = template.render(Jinja::from_pairs(context)).map_err(|e| describe(&e))?;
        Ok(text.split_whitespace().collect::<Vec<_>>().join(" "))
    }
}

/// A limit as integer where it is one, so that messages print `900` and not `900.0`.
fn number(x: f64) -> Jinja {
    #[expect(clippy::cast_possible_truncation, reason = "whole and below 2^53")]
    if x.fract() == 0.0 && x.abs() < 9e15 { (x as i64).into() } else { x.into() }
}

fn jinja(value: &Value) -> Jinja {
    match value {
        Value::Null => ().into(),
        Value::Bool(b) => (*b).into(),
        Value::Int(i) => (*i).into(),
        Value::Float(x) => number(*x),
        Value::Text(s) => s.as_ref().into(),
        Value::Time(t) => t.to_rfc3339().into(),
        Value::List(items) => items.iter().map(|s| Jinja::from(s.as_ref())).collect(),
    }
}

fn environment() -> Environment<'static> {
    let mut env = Environment::empty();
    env.set_undefined_behavior(UndefinedBehavior::Strict);
    env.set_formatter(|out, state, value| {
        if value.is_none() {
            return Ok(out.write_str("unknown")?);
        }
        minijinja::escape_formatter(out, state, value)
    });
    env.add_filter("default", or_default);
    env.add_filter("duration", |v: Jinja| with_number(&v, duration));
    env.add_filter("date", |v: Jinja| with_time(&v, |t| t.to_date()));
    env.add_filter("time", |v: Jinja| with_time(&v, |t| t.to_rfc3339()));
    env.add_filter("list", list);
    env.add_filter("percent", |v: Jinja| with_float(&v, |x| format!("{} %", (x * 100.0).round())));
    env.add_filter("length", filters::length);
    env.add_filter("abs", |v: Jinja| with_number(&v, |i| i.saturating_abs().to_string()));
    env.add_test("none", tests::is_none);
    env.add_test("defined", tests::is_defined);
    env
}

fn describe(error: &Error) -> String {
    let place = error.line().map_or_else(String::new, |l| format!(" (line {l})"));
    match error.detail() {
        Some(detail) => format!("{}: {detail}{place}", error.kind()),
        None => format!("{}{place}", error.kind()),
    }
}

fn bad(filter: &str, value: &Jinja) -> Error {
    Error::new(ErrorKind::InvalidOperation, format!("`{filter}` cannot take {}", value.kind()))
}

/// The value, or the replacement when it is null.
fn or_default(value: Jinja, replacement: Jinja) -> Jinja {
    if value.is_none() || value.is_undefined() { replacement } else { value }
}

fn with_number(value: &Jinja, f: impl Fn(i64) -> String) -> Result<Jinja, Error> {
    if value.is_none() {
        return Ok(().into());
    }
    #[expect(clippy::cast_possible_truncation, reason = "casts of floats saturate")]
    let whole = value.as_i64().or_else(|| f64::try_from(value.clone()).ok().map(|x| x as i64));
    match whole {
        Some(i) if value.is_number() => Ok(f(i).into()),
        _ => Err(bad("a number filter", value)),
    }
}

fn with_float(value: &Jinja, f: impl Fn(f64) -> String) -> Result<Jinja, Error> {
    if value.is_none() {
        return Ok(().into());
    }
    match f64::try_from(value.clone()) {
        Ok(x) => Ok(f(x).into()),
        Err(_) => Err(bad("percent", value)),
    }
}

fn with_time(value: &Jinja, f: impl Fn(crate::facts::Time) -> String) -> Result<Jinja, Error> {
    if value.is_none() {
        return Ok(().into());
    }
    match value.as_str().and_then(parse_rfc3339) {
        Some(t) => Ok(f(t).into()),
        None => Err(bad("a time filter", value)),
    }
}

/// Items with commas, at most five, then how many more.
fn list(value: Jinja) -> Result<Jinja, Error> {
    if value.is_none() {
        return Ok(().into());
    }
    let items: Vec<String> = value.try_iter()?.map(|v| v.to_string()).collect();
    let mut shown = items.iter().take(LIST_ITEMS).cloned().collect::<Vec<_>>().join(", ");
    if items.is_empty() {
        shown.push_str("none");
    } else if items.len() > LIST_ITEMS {
        shown.push_str(&format!(" and {} more", items.len() - LIST_ITEMS));
    }
    Ok(shown.into())
}

/// Seconds as the two largest units: `3 d 4 h`, `2 h 5 min`, `40 s`.
#[must_use]
pub fn duration(seconds: i64) -> String {
    let sign = if seconds < 0 { "-" } else { "" };
    let s = seconds.unsigned_abs();
    let (large, large_unit, small, small_unit) = match s {
        0..60 => return format!("{sign}{s} s"),
        60..3600 => (s / 60, "min", s % 60, "s"),
        3600..86_400 => (s / 3600, "h", s % 3600 / 60, "min"),
        _ => (s / 86_400, "d", s % 86_400 / 3600, "h"),
    };
    if small == 0 {
        format!("{sign}{large} {large_unit}")
    } else {
        format!("{sign}{large} {large_unit} {small} {small_unit}")
    }
}

#[cfg(test)]
mod tests_here {
    use super::*;
    use crate::facts::{GrantFact, Row, Time, text};
    use crate::settings::Limits;

    fn write(template: &str) -> Result<String, String> {
        let frame = GrantFact::frame(&[GrantFact {
            principal_id: text("<b>&u\n"),
            overstay_s: Some(7500),
            started_at: Some(Time::from_secs(1_767_225_600)),
            evidence_missing: ["a", "b", "c", "d", "e", "f", "g"].map(text).to_vec(),
            ..GrantFact::default()
        }])
        .unwrap();
        let table =
            Table::open(&crate::facts::store::table("grant_facts").unwrap(), &frame).unwrap();
        let limits = Limits::default();
        Message::new(template)?.write(
            &table,
            0,
            Env { limits: &limits, as_of: Time::from_secs(60) },
        )
    }

    #[test]
    fn filters() {
        for (template, text) in [
            ("{{ overstay_s | duration }}", "2 h 5 min"),
            ("{{ started_at | date }} {{ started_at | time }}", "2026-01-01 2026-01-01T00:00:00Z"),
            ("{{ evidence_missing | list }}", "a, b, c, d, e and 2 more"),
            ("{{ contradictions | list }}", "none"),
            ("{{ scope | default('nowhere') }}", "nowhere"),
            ("{{ scope }} {{ lead_s | duration }}", "unknown unknown"),
            ("{{ lead_s | duration | default('never') }}", "never"),
            ("{{ principal_id }} x", "<b>&u x"),
            ("{{ limits.task_grace_s | duration }} {{ limits.coverage_share }}", "15 min 0.8"),
            ("{{ as_of }}", "1970-01-01T00:01:00Z"),
            ("{% if scope is none %}a{% else %}b{% endif %}", "a"),
            ("{{ limits.coverage_share | percent }}", "80 %"),
        ] {
            assert_eq!(write(template).as_deref(), Ok(text), "{template}");
        }
    }

    #[test]
    fn mistakes_are_errors() {
        for template in [
            "{{ nothing }}",
            "{{ limits.nothing }}",
            "{{ scope | nothing }}",
            "{{ principal_id | duration }}",
            "{{ overstay_s | date }}",
            "{{ ",
            "{% include 'x' %}",
            "{{ range(10) }}",
        ] {
            assert!(write(template).is_err(), "{template}");
        }
    }

    #[test]
    fn durations() {
        for (s, text) in [
            (0, "0 s"),
            (59, "59 s"),
            (60, "1 min"),
            (61, "1 min 1 s"),
            (7200, "2 h"),
            (90_000, "1 d 1 h"),
            (-90, "-1 min 30 s"),
            (i64::MIN, "-106751991167300 d 15 h"),
        ] {
            assert_eq!(duration(s), text);
        }
    }
}
