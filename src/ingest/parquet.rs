//! Parquet tables as text cells, in bounded slices.

use std::borrow::Cow;
use std::fs::File;

use polars::prelude::*;

use super::source::{IngestError, Input};
use crate::facts::time::Time as Instant;

/// One value as text.
type Cell<'c> = Option<Cow<'c, str>>;

/// Rows converted at a time.
const SLICE: usize = 32_768;

pub(crate) fn open(input: &Input) -> Result<ParquetReader<File>, IngestError> {
    File::open(&input.path)
        .map(ParquetReader::new)
        .map_err(|source| IngestError::Io { file: input.name.clone(), source })
}

pub(crate) fn wrong(input: &Input, e: &PolarsError) -> IngestError {
    IngestError::Malformed {
        file: input.name.clone(),
        place: "Parquet".into(),
        message: format!("{e}; export it again"),
    }
}

/// Column names, from the footer.
///
/// # Errors
/// When the file is not Parquet.
pub fn column_names(input: &Input) -> Result<Vec<String>, IngestError> {
    let schema = open(input)?.schema().map_err(|e| wrong(input, &e))?;
    Ok(schema.iter_names().map(|n| n.trim().to_owned()).collect())
}

/// A table in memory.
#[derive(Debug)]
pub struct Frame<'a> {
    input: &'a Input,
    frame: DataFrame,
    columns: Vec<String>,
    /// Per column: times are instants (adjusted to UTC), not wall-clock times of an unknown zone.
    zoned: Vec<bool>,
}

impl<'a> Frame<'a> {
    /// Reads a file.
    ///
    /// # Errors
    /// When it is not Parquet.
    pub fn open(input: &'a Input) -> Result<Self, IngestError> {
        let mut reader = open(input)?;
        let schema = reader.schema().map_err(|e| wrong(input, &e))?;
        // Asked of the file's own schema, because frames may be built without time zones.
        let zoned = schema
            .iter_values()
            .map(|f| matches!(f.dtype, ArrowDataType::Timestamp(_, Some(_))))
            .collect();
        let frame = reader.finish().map_err(|e| wrong(input, &e))?;
        let columns = frame.get_column_names().iter().map(|n| n.trim().to_owned()).collect();
        Ok(Self { input, frame, columns, zoned })
    }

    /// Column names.
    #[must_use]
    pub fn columns(&self) -> &[String] {
        &self.columns
    }

    /// Calls `each` with the row number (1-based) and the cells in the order of `layout`.
    ///
    /// # Errors
    /// When a needed column has a type that is no text, number, time or list of text.
    pub fn rows(
        &self,
        layout: &[Option<usize>],
        each: &mut dyn FnMut(usize, &[Cell<'_>]),
    ) -> Result<(), IngestError> {
        let all = self.frame.columns();
        let mut number = 0usize;
        while number < self.frame.height() {
            let length = SLICE.min(self.frame.height() - number);
            let offset = i64::try_from(number).unwrap_or(i64::MAX);
            let mut cells = Vec::with_capacity(layout.len());
            for slot in layout {
                cells.push(match slot.and_then(|c| Some((all.get(c)?, self.zoned.get(c)?))) {
                    Some((c, zoned)) => {
                        let slice = c.slice(offset, length);
                        Some(as_text(&slice, *zoned).map_err(|e| wrong(self.input, &e))?)
                    }
                    None => None,
                });
            }
            for i in 0..length {
                let row: Vec<Cell<'_>> = cells
                    .iter()
                    .map(|c| {
                        c.as_ref()
                            .and_then(|c| c.get(i))
                            .and_then(Option::as_deref)
                            .map(Cow::Borrowed)
                    })
                    .collect();
                number += 1;
                each(number, &row);
            }
        }
        Ok(())
    }
}

pub(crate) fn as_text(column: &Column, zoned: bool) -> PolarsResult<Vec<Option<String>>> {
    match column.dtype() {
        DataType::Datetime(unit, _) => {
            let per_us: i64 = match unit {
                TimeUnit::Nanoseconds => -1000,
                TimeUnit::Microseconds => 1,
                TimeUnit::Milliseconds => 1000,
            };
            let physical = column.to_physical_repr();
            let values = physical.i64()?;
            Ok(values
                .iter()
                .map(|v| {
                    v.map(|v| {
                        let us = if per_us < 0 {
                            v.div_euclid(-per_us)
                        } else {
                            v.saturating_mul(per_us)
                        };
                        let text = Instant::from_micros(us).to_rfc3339();
                        if zoned { text } else { text.trim_end_matches('Z').to_owned() }
                    })
                })
                .collect())
        }
        DataType::List(_) => {
            let lists = column.list()?;
            (0..lists.len())
                .map(|i| match lists.get_as_series(i) {
                    None => Ok(None),
                    Some(s) => {
                        let s = s.cast(&DataType::String)?;
                        let items: Vec<Option<&str>> = s.str()?.iter().collect();
                        Ok(serde_json::to_string(&items.into_iter().flatten().collect::<Vec<_>>())
                            .ok())
                    }
                })
                .collect()
        }
        _ => {
            let cast = column.cast(&DataType::String)?;
            Ok(cast.str()?.iter().map(|v| v.map(str::to_owned)).collect())
        }
    }
}
