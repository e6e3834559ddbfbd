//! Rows of fact tables as a page reads them.

use serde_json::Value;

use super::Rows;
use crate::facts::Time;
use crate::facts::time::parse_rfc3339;

/// A row with typed access; what is absent or null is `None`.
#[derive(Clone, Copy)]
pub(super) struct Row<'a>(pub &'a Value);

impl<'a> Row<'a> {
    pub fn str(self, name: &str) -> Option<&'a str> {
        self.0.get(name).and_then(Value::as_str).filter(|s| !s.is_empty())
    }
    pub fn int(self, name: &str) -> Option<i64> {
        self.0.get(name).and_then(Value::as_i64)
    }
    pub fn flag(self, name: &str) -> Option<bool> {
        self.0.get(name).and_then(Value::as_bool)
    }
    pub fn time(self, name: &str) -> Option<Time> {
        self.str(name).and_then(parse_rfc3339)
    }
    pub fn list(self, name: &str) -> Vec<&'a str> {
        let items = self.0.get(name).and_then(Value::as_array);
        items.into_iter().flatten().filter_map(Value::as_str).collect()
    }
}

pub(super) fn table<'a>(rows: &'a Rows, name: &str) -> impl Iterator<Item = Row<'a>> + use<'a> {
    rows.get(name).into_iter().flatten().map(Row)
}
