//! Values of one row, and a fact table read row by row.

use std::borrow::Cow;
use std::collections::{BTreeSet, HashMap};
use std::fmt::Write as _;
use std::sync::Arc;

use polars::prelude::*;

use super::error::RuleError;
use crate::facts::{ColType, TableDef, Time};
use crate::findings::put_text;

/// A value of a column or of a sub-expression. Null means unknown or not applicable.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// Unknown or not applicable.
    Null,
    /// True or false.
    Bool(bool),
    /// Count or seconds.
    Int(i64),
    /// Share or ratio; never infinite, never not-a-number.
    Float(f64),
    /// Text.
    Text(Arc<str>),
    /// Instant.
    Time(Time),
    /// List of text.
    List(Vec<Arc<str>>),
}

impl Value {
    /// Whether the value is null.
    #[must_use]
    pub fn is_null(&self) -> bool {
        matches!(self, Self::Null)
    }

    /// The truth value; `None` for null and for anything that is not a boolean.
    #[must_use]
    pub fn truth(&self) -> Option<bool> {
        match self {
            Self::Bool(b) => Some(*b),
            _ => None,
        }
    }

    /// The value as plain text, without quotes; `None` for null. Lists are joined with commas.
    #[must_use]
    pub fn plain(&self) -> Option<String> {
        match self {
            Self::Null => None,
            Self::Text(s) => Some(s.to_string()),
            Self::List(items) => Some(items.join(",")),
            other => Some(other.to_string()),
        }
    }

    /// The value as JSON: times as RFC 3339, lists as arrays.
    #[must_use]
    pub fn json(&self) -> serde_json::Value {
        match self {
            Self::Null => serde_json::Value::Null,
            Self::Bool(b) => (*b).into(),
            Self::Int(i) => (*i).into(),
            Self::Float(f) => (*f).into(),
            Self::Text(s) => s.as_ref().into(),
            Self::Time(t) => t.to_rfc3339().into(),
            Self::List(items) => items.iter().map(|s| s.to_string()).collect::<Vec<_>>().into(),
        }
    }
}

/// The form that explanations print: text in single quotes, as rules write it.
impl std::fmt::Display for Value {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Null => f.write_str("null"),
            Self::Bool(b) => write!(f, "{b}"),
            Self::Int(i) => write!(f, "{i}"),
            Self::Float(x) => write!(f, "{x}"),
            Self::Text(s) => write!(f, "'{}'", s.replace('\'', "''")),
            Self::Time(t) => write!(f, "{t}"),
            Self::List(items) => {
                f.write_str("[")?;
                for (i, item) in items.iter().enumerate() {
                    if i > 0 {
                        f.write_str(", ")?;
                    }
                    write!(f, "'{}'", item.replace('\'', "''"))?;
                }
                f.write_str("]")
            }
        }
    }
}

#[derive(Clone, Debug)]
enum Cells {
    Text(StringChunked),
    Int(Int64Chunked),
    Float(Float64Chunked),
    Bool(BooleanChunked),
    Time(Int64Chunked),
    List(ListChunked),
}

/// A fact table with typed access by row. Cloning columns copies pointers only.
#[derive(Clone, Debug)]
pub struct Table {
    columns: HashMap<&'static str, Cells>,
    height: usize,
}

impl Table {
    /// Opens a frame as the given table.
    ///
    /// # Errors
    /// When a column is missing or has another type than the definition says.
    pub fn open(def: &TableDef, frame: &DataFrame) -> Result<Self, RuleError> {
        Self::open_columns(def, frame, &|_| true)
    }

    /// Opens a frame that holds only some columns; the others read as null.
    ///
    /// # Errors
    /// When one of these columns is missing or has another type than the definition says.
    pub fn open_part(
        def: &TableDef,
        frame: &DataFrame,
        columns: &BTreeSet<&'static str>,
    ) -> Result<Self, RuleError> {
        Self::open_columns(def, frame, &|c| columns.contains(c))
    }

    fn open_columns(
        def: &TableDef,
        frame: &DataFrame,
        wanted: &dyn Fn(&str) -> bool,
    ) -> Result<Self, RuleError> {
        let mut columns = HashMap::with_capacity(def.columns.len());
        for column in def.columns.iter().filter(|c| wanted(c.name)) {
            let bad = |e: PolarsError| RuleError::Frame {
                table: def.name.to_string(),
                message: format!("column `{}`: {e}", column.name),
            };
            let data = frame.column(column.name).map_err(bad)?.rechunk();
            let cells = match column.ty {
                ColType::Text => Cells::Text(data.str().map_err(bad)?.clone()),
                ColType::Int => Cells::Int(data.i64().map_err(bad)?.clone()),
                ColType::Float => Cells::Float(data.f64().map_err(bad)?.clone()),
                ColType::Bool => Cells::Bool(data.bool().map_err(bad)?.clone()),
                ColType::Time => {
                    let times = data.datetime().map_err(bad)?;
                    if times.dtype() != &column.ty.dtype() {
                        return Err(bad(PolarsError::SchemaMismatch(
                            format!("{} is not naive microseconds", times.dtype()).into(),
                        )));
                    }
                    Cells::Time(times.physical().clone())
                }
                ColType::List => Cells::List(data.list().map_err(bad)?.clone()),
            };
            columns.insert(column.name, cells);
        }
        Ok(Self { columns, height: frame.height() })
    }

    /// Number of rows.
    #[must_use]
    pub fn height(&self) -> usize {
        self.height
    }

    /// Whether the table has a column.
    #[must_use]
    pub fn has(&self, column: &str) -> bool {
        self.columns.contains_key(column)
    }

    /// Value of a column in a row; null for a column or row that is not there.
    #[must_use]
    pub fn get(&self, column: &str, row: usize) -> Value {
        self.columns.get(column).and_then(|c| c.get(row)).unwrap_or(Value::Null)
    }

    /// Whether [`Table::get`] is null.
    #[must_use]
    pub fn is_null(&self, column: &str, row: usize) -> bool {
        match self.columns.get(column) {
            Some(Cells::Text(c)) if row < c.len() => c.get(row).is_none(),
            Some(other) => other.get(row).is_none(),
            None => true,
        }
    }

    /// [`Table::text`] without a copy where the column is text.
    #[must_use]
    pub fn words(&self, column: &str, row: usize) -> Option<Cow<'_, str>> {
        match self.columns.get(column)? {
            Cells::Text(c) if row < c.len() => c.get(row).map(Cow::Borrowed),
            other => other.get(row)?.plain().map(Cow::Owned),
        }
    }

    /// Value of a column in a row as plain text; `None` for null and for a column that is not there.
    #[must_use]
    pub fn text(&self, column: &str, row: usize) -> Option<String> {
        match self.columns.get(column)? {
            Cells::Text(c) if row < c.len() => c.get(row).map(str::to_owned),
            other => other.get(row)?.plain(),
        }
    }

    /// Writes the text of [`Table::json`].
    pub(crate) fn write_json(&self, column: &str, row: usize, out: &mut String) {
        match self.columns.get(column) {
            Some(Cells::Text(c)) if row < c.len() => match c.get(row) {
                Some(text) => put_text(text, out),
                None => out.push_str("null"),
            },
            Some(Cells::List(c)) if row < c.len() => {
                let items = c.get_as_series(row);
                let Some(items) = items.as_ref().and_then(|items| items.str().ok()) else {
                    out.push_str("null");
                    return;
                };
                out.push('[');
                for (i, item) in items.iter().flatten().enumerate() {
                    if i > 0 {
                        out.push(',');
                    }
                    put_text(item, out);
                }
                out.push(']');
            }
            // Writing to a String cannot fail.
            _ => _ = write!(out, "{}", self.json(column, row)),
        }
    }

    /// Value of a column in a row as JSON: times as RFC 3339, lists as arrays.
    #[must_use]
    pub fn json(&self, column: &str, row: usize) -> serde_json::Value {
        match self.columns.get(column) {
            Some(Cells::Text(c)) if row < c.len() => c.get(row).into(),
            Some(other) => other.get(row).unwrap_or(Value::Null).json(),
            None => serde_json::Value::Null,
        }
    }
}

impl Cells {
    fn get(&self, row: usize) -> Option<Value> {
        match self {
            Self::Text(c) if row < c.len() => c.get(row).map(|s| Value::Text(Arc::from(s))),
            Self::Int(c) if row < c.len() => c.get(row).map(Value::Int),
            // Infinite and not-a-number say nothing about a share: they are unknown.
            Self::Float(c) if row < c.len() => {
                c.get(row).filter(|x| x.is_finite()).map(Value::Float)
            }
            Self::Bool(c) if row < c.len() => c.get(row).map(Value::Bool),
            Self::Time(c) if row < c.len() => {
                c.get(row).map(|us| Value::Time(Time::from_micros(us)))
            }
            Self::List(c) if row < c.len() => c.get_as_series(row).and_then(|items| {
                let items = items.str().ok()?;
                Some(Value::List(items.iter().flatten().map(Arc::from).collect()))
            }),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::facts::schema::Row;
    use crate::facts::{Derived, IdentityFact, Tri, text};

    #[test]
    fn texts_of_cells_are_those_of_their_values() {
        let odd = |s: &str| Some(text(s));
        let rows = vec![
            IdentityFact {
                principal_id: text("a\"b\n\u{1}é\\"),
                name: odd("plain"),
                admin: Tri::Yes,
                age_days: Some(-7),
                disabled: Some(true),
                created_at: Some(Time::from_secs(1)),
                refs: vec![text("S1#/a"), text("quo\"te"), text("")],
                ..IdentityFact::default()
            },
            IdentityFact::default(),
        ];
        let derived = Derived { identity_facts: rows, ..Derived::default() };
        let (_, rows) =
            derived.rows().into_iter().find(|(name, _)| *name == IdentityFact::TABLE.name).unwrap();
        let frame = rows.whole().unwrap();
        let table = Table::open(&IdentityFact::TABLE, &frame).unwrap();
        for column in IdentityFact::TABLE.columns.iter().map(|c| c.name).chain(["no column"]) {
            for row in 0..3 {
                let mut out = String::new();
                table.write_json(column, row, &mut out);
                assert_eq!(out, table.json(column, row).to_string(), "{column} {row}");
            }
        }
    }
}
