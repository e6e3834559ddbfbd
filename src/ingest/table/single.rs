//! Rows of a table, read one by one.

use std::borrow::Cow;
use std::cell::RefCell;

use super::options::Options;
use super::plan::Plan;
use super::{EachRow, Run, TableAdapter};
use crate::ingest::detect::Detected;
use crate::ingest::source::{Batch, IngestError, Input, Shape};

/// Rows of one file, read one by one by a caller that has the cells already. It says of a row what a
/// reading of the whole file would.
#[derive(Debug)]
pub struct Single<'a> {
    run: Run<'a>,
}

impl<'a> Single<'a> {
    /// For a file without mapping.
    ///
    /// # Errors
    /// Never in practice: only a mapping can be wrong.
    pub fn new(adapter: &'a TableAdapter, input: &'a Input) -> Result<Self, IngestError> {
        let wrong = |m| adapter.wrong_mapping(input, m);
        let options = Options::new(None).map_err(wrong)?;
        let plan = Plan::new(adapter.fields, None).map_err(wrong)?;
        Ok(Self { run: Run { adapter, input, plan, options, pool: RefCell::default() } })
    }

    /// Column of each field, for a header.
    ///
    /// # Errors
    /// When a needed column is missing or a name occurs twice.
    pub fn layout(&self, header: &[String]) -> Result<Vec<Option<usize>>, IngestError> {
        let resolved = self.run.plan.resolve(header, self.run.adapter.required);
        resolved.map_err(|m| self.run.malformed("header", &m))
    }

    /// Calls `each` for the rows of a CSV or NDJSON file; what is no row goes to the quarantine of the batch.
    ///
    /// # Errors
    /// When the file as a whole cannot be read.
    pub fn each(
        &self,
        head: &[u8],
        detected: &Detected,
        batch: &mut Batch,
        each: &mut EachRow<'_>,
    ) -> Result<(), IngestError> {
        match detected.shape {
            Shape::Csv => self.run.csv(head, detected.delimiter, batch, each),
            shape => self.run.json(shape, batch, each),
        }
    }

    /// Reads one row, cells in the order of the fields.
    pub fn read(&self, cells: &[Option<Cow<'_, str>>], place: &str, batch: &mut Batch) {
        self.run.row(cells, place, batch);
    }
}
