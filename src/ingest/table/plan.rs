//! Which column of a file feeds which field.

use std::collections::{BTreeSet, HashMap};

use super::{Field, Required};
use crate::settings::Mapping;

/// Which column feeds which field.
#[derive(Debug)]
pub(super) struct Plan {
    pub(super) fields: &'static [Field],
    /// Lower-case column name -> (field, rank among the names of that field).
    columns: HashMap<String, (usize, usize)>,
    pub(super) constants: Vec<Option<String>>,
    /// Columns that the mapping names: field, column.
    pub(super) mapped: Vec<(&'static str, String)>,
}

impl Plan {
    pub(super) fn new(fields: &'static [Field], mapping: Option<&Mapping>) -> Result<Self, String> {
        let mut plan = Self {
            fields,
            columns: HashMap::new(),
            constants: vec![None; fields.len()],
            mapped: Vec::new(),
        };
        let position = |name: &str, what: &str| {
            fields.iter().position(|f| f.name == name).ok_or_else(|| {
                let known = fields.iter().map(|f| f.name).collect::<Vec<_>>().join(", ");
                format!("{what} names the field `{name}`, which is not known; fields: {known}")
            })
        };
        let mut taken = BTreeSet::new();
        if let Some(m) = mapping {
            for (name, column) in &m.columns {
                let i = position(name, "columns")?;
                let key = column.trim().to_lowercase();
                if let Some((other, _)) = plan.columns.insert(key, (i, 0)) {
                    let other = fields.get(other).map_or("", |f| f.name);
                    return Err(format!(
                        "column `{column}` is given to both `{other}` and `{name}`"
                    ));
                }
                taken.insert(i);
                plan.mapped.push((fields.get(i).map_or("", |f| f.name), column.trim().to_owned()));
            }
            for (name, value) in &m.constants {
                let i = position(name, "constants")?;
                if let Some(slot) = plan.constants.get_mut(i) {
                    *slot = Some(value.clone());
                }
            }
            for name in m.values.keys() {
                position(name, "values")?;
            }
        }
        for (i, field) in fields.iter().enumerate().filter(|(i, _)| !taken.contains(i)) {
            for (rank, header) in field.headers.iter().enumerate() {
                plan.columns.entry((*header).to_owned()).or_insert((i, rank));
            }
        }
        Ok(plan)
    }

    pub(super) fn field_of(&self, column: &str) -> Option<(usize, usize)> {
        self.columns
            .get(column)
            .or_else(|| self.columns.get(&column.trim().to_lowercase()))
            .copied()
    }

    /// Column index per field, for a header.
    pub(super) fn resolve(
        &self,
        header: &[String],
        required: Required,
    ) -> Result<Vec<Option<usize>>, String> {
        let mut best: Vec<Option<(usize, usize)>> = vec![None; self.fields.len()];
        let mut seen = BTreeSet::new();
        for (column, name) in header.iter().enumerate() {
            let Some((field, rank)) = self.field_of(name) else { continue };
            if !seen.insert(name.trim().to_lowercase()) {
                return Err(format!("the column `{}` occurs twice", name.trim()));
            }
            if let Some(slot) = best.get_mut(field)
                && slot.is_none_or(|(_, r)| rank < r)
            {
                *slot = Some((column, rank));
            }
        }
        for (field, column) in &self.mapped {
            if !header.iter().any(|h| h.trim().eq_ignore_ascii_case(column)) {
                let have = header.iter().map(|h| h.trim()).collect::<Vec<_>>().join(", ");
                return Err(format!(
                    "the mapping reads `{field}` from the column `{column}`, which the file lacks; columns: {have}"
                ));
            }
        }
        for group in required {
            let there = |name: &&str| {
                self.fields.iter().position(|f| f.name == *name).is_some_and(|i| {
                    best.get(i).is_some_and(Option::is_some)
                        || self.constants.get(i).is_some_and(Option::is_some)
                })
            };
            if !group.iter().any(there) {
                return Err(format!(
                    "no column for {}; name it in a [[mapping]] of the settings",
                    group.iter().map(|n| format!("`{n}`")).collect::<Vec<_>>().join(" or ")
                ));
            }
        }
        Ok(best.into_iter().map(|slot| slot.map(|(column, _)| column)).collect())
    }
}
