//! Parquet files by row groups: only the columns that are read, as borrowed text and plain numbers.

use polars::prelude::*;
use rayon::prelude::*;

use super::cell::Cell;
use super::plan::File;
use super::read::Worker;
use super::shared::Shared;
use crate::ingest::parquet::{as_text, open, wrong};
use crate::ingest::table::Single;

/// One column of a row group.
enum Cells<'a> {
    Absent,
    Text(Vec<Option<&'a str>>),
    Owned(Vec<Option<String>>),
    Instant(Vec<Option<i64>>, bool),
    Whole(Vec<Option<i64>>),
    Day(Vec<Option<i64>>),
}

impl Cells<'_> {
    fn get(&self, row: usize) -> Cell<'_> {
        let cell = match self {
            Self::Absent => None,
            Self::Text(all) => all.get(row).copied().flatten().map(Cell::Text),
            Self::Owned(all) => all.get(row).and_then(Option::as_deref).map(Cell::Text),
            Self::Instant(all, wall) => {
                all.get(row).copied().flatten().map(|us| Cell::Instant(us, *wall))
            }
            Self::Whole(all) => all.get(row).copied().flatten().map(Cell::Whole),
            Self::Day(all) => all.get(row).copied().flatten().map(Cell::Day),
        };
        cell.unwrap_or(Cell::Null)
    }
}

/// Where a file is cut, and what is read of it.
#[derive(Debug)]
pub struct Cut {
    /// First row and number of rows of each piece.
    pub pieces: Vec<(usize, usize)>,
    /// Per field of ours: name of the column, and whether its instants have a zone.
    columns: Vec<Option<(String, bool)>>,
}

/// Rows of a piece at most: a row group may be as large as its file.
const PIECE: usize = 262_144;

/// Rows whose values are taken out of the columns at a time.
const BLOCK: usize = 4096;

/// Cuts a file at its row groups.
///
/// # Errors
/// When it is not Parquet or lacks a column.
pub fn cut(file: &File, single: &Single<'_>) -> Result<Cut, String> {
    let mut reader = open(&file.input).map_err(|e| e.to_string())?;
    let schema = reader.schema().map_err(|e| wrong(&file.input, &e).to_string())?;
    let header: Vec<String> = schema.iter_names().map(|n| n.trim().to_owned()).collect();
    let layout = single.layout(&header).map_err(|e| e.to_string())?;
    let column = |name: &&str| {
        let field = file.adapter.fields.iter().position(|f| f.name == *name)?;
        let (name, of) = schema.get_at_index((*layout.get(field)?)?)?;
        let zoned = matches!(of.dtype, ArrowDataType::Timestamp(_, Some(_)));
        Some((name.to_string(), zoned))
    };
    let columns = file.kind.fields().iter().map(column).collect();
    let metadata = reader.get_metadata().map_err(|e| wrong(&file.input, &e).to_string())?;
    let mut pieces = Vec::new();
    let mut from = 0;
    for group in &metadata.row_groups {
        let end = from + group.num_rows();
        while from < end {
            let rows = PIECE.min(end - from);
            pieces.push((from, rows));
            from += rows;
        }
    }
    Ok(Cut { pieces, columns })
}

/// Reads one piece.
///
/// # Errors
/// When the piece cannot be read.
pub fn piece(
    shared: &Shared<'_>,
    (number, file): (usize, &File),
    cut: &Cut,
    (from, rows): (usize, usize),
) -> Result<(), String> {
    let failed = |e: PolarsError| wrong(&file.input, &e).to_string();
    let single = Single::new(file.adapter, &file.input).map_err(|e| e.to_string())?;
    let names: Vec<String> = cut.columns.iter().flatten().map(|(n, _)| n.clone()).collect();
    let frame = open(&file.input)
        .map_err(|e| e.to_string())?
        .with_slice(Some((from, rows)))
        .with_columns(Some(names))
        .read_parallel(ParallelStrategy::None)
        .finish()
        .map_err(failed)?;
    let mut worker = Worker::new(shared, number, file, single);
    // Block by block, so that what is taken out of the columns stays in the cache.
    for block in (0..frame.height()).step_by(BLOCK) {
        let part = frame.slice(i64::try_from(block).unwrap_or(i64::MAX), BLOCK);
        let cells: Vec<Cells<'_>> = cut
            .columns
            .iter()
            .map(|wanted| match wanted {
                None => Ok(Cells::Absent),
                Some((name, zoned)) => cells(part.column(name)?, *zoned),
            })
            .collect::<PolarsResult<_>>()
            .map_err(failed)?;
        let mut row: Vec<Cell<'_>> = Vec::with_capacity(cells.len());
        for i in 0..part.height() {
            row.clear();
            row.extend(cells.iter().map(|c| c.get(i)));
            let Ok(place) = u32::try_from(from + block + i + 1) else {
                shared.refuse("more rows than 32 bits count");
                break;
            };
            worker.row(&row, place, 'R');
        }
    }
    worker.finish().map_err(|e| e.to_string())
}

fn cells(column: &Column, zoned: bool) -> PolarsResult<Cells<'_>> {
    match column.dtype() {
        DataType::String => Ok(Cells::Text(column.str()?.iter().collect())),
        DataType::Datetime(unit, _) => {
            let physical = column.to_physical_repr();
            let values = physical.i64()?.iter();
            let us: Vec<Option<i64>> = match unit {
                TimeUnit::Nanoseconds => values.map(|v| v.map(|v| v.div_euclid(1000))).collect(),
                TimeUnit::Microseconds => values.collect(),
                TimeUnit::Milliseconds => {
                    values.map(|v| v.map(|v| v.saturating_mul(1000))).collect()
                }
            };
            Ok(Cells::Instant(us, !zoned))
        }
        DataType::Date => {
            let physical = column.to_physical_repr();
            let day = |d: i32| i64::from(d) * 86_400_000_000;
            Ok(Cells::Day(physical.i32()?.iter().map(|d| d.map(day)).collect()))
        }
        t if t.is_integer() && !matches!(t, DataType::UInt64 | DataType::Int128) => {
            let whole = column.cast(&DataType::Int64)?;
            Ok(Cells::Whole(whole.i64()?.iter().collect()))
        }
        _ => Ok(Cells::Owned(as_text(column, zoned)?)),
    }
}

/// Reads all pieces of all files, in parallel.
///
/// # Errors
/// The first error, by file and piece.
pub fn read(shared: &Shared<'_>, files: &[(usize, &File)]) -> Result<(), String> {
    let cuts: Vec<Cut> = files
        .iter()
        .map(|(_, file)| {
            let single = Single::new(file.adapter, &file.input).map_err(|e| e.to_string())?;
            cut(file, &single)
        })
        .collect::<Result<_, String>>()?;
    let jobs: Vec<((usize, &File), &Cut, (usize, usize))> = files
        .iter()
        .zip(&cuts)
        .flat_map(|(file, cut)| cut.pieces.iter().map(move |p| (*file, cut, *p)))
        .collect();
    let done: Vec<Result<(), String>> = jobs
        .into_par_iter()
        .with_max_len(1)
        .map(|(file, cut, at)| {
            if shared.refused.load(std::sync::atomic::Ordering::Relaxed) {
                return Ok(());
            }
            piece(shared, file, cut, at)
        })
        .collect();
    done.into_iter().collect()
}

/// One piece of a file, of which columns are read as they are asked for.
#[derive(Debug)]
pub struct Part<'a> {
    file: &'a File,
    cut: &'a Cut,
    at: (usize, usize),
}

impl Part<'_> {
    fn frame(&self, names: Vec<String>) -> Result<DataFrame, String> {
        open(&self.file.input)
            .map_err(|e| e.to_string())?
            .with_slice(Some(self.at))
            .with_columns(Some(names))
            .read_parallel(ParallelStrategy::None)
            .finish()
            .map_err(|e| wrong(&self.file.input, &e).to_string())
    }

    /// Rows of the piece for which a test of a field holds.
    ///
    /// # Errors
    /// When the piece cannot be read.
    pub fn named(
        &self,
        file: &File,
        field: &str,
        test: &dyn Fn(&str) -> bool,
    ) -> Result<Vec<usize>, String> {
        let at = file.kind.fields().iter().position(|f| *f == field);
        let column = at.and_then(|at| self.cut.columns.get(at)?.as_ref());
        let Some((name, zoned)) = column else { return Ok(Vec::new()) };
        let frame = self.frame(vec![name.clone()])?;
        let failed = |e: PolarsError| wrong(&file.input, &e).to_string();
        let cells = cells(frame.column(name).map_err(failed)?, *zoned).map_err(failed)?;
        let fits = |row: &usize| cells.get(*row).shown().is_some_and(|s| test(&s));
        Ok((0..frame.height()).filter(fits).collect())
    }
}

/// Reads those rows of a piece that `choose` names, through the adapter.
///
/// # Errors
/// When the piece cannot be read.
pub fn pick(
    file: &File,
    cut: &Cut,
    at: (usize, usize),
    choose: &dyn Fn(&Part<'_>) -> Result<Vec<usize>, String>,
    single: &Single<'_>,
    batch: &mut crate::ingest::source::Batch,
) -> Result<(), String> {
    let part = Part { file, cut, at };
    let rows = choose(&part)?;
    if rows.is_empty() {
        return Ok(());
    }
    let failed = |e: PolarsError| wrong(&file.input, &e).to_string();
    let frame = part.frame(cut.columns.iter().flatten().map(|(n, _)| n.clone()).collect())?;
    let take: Vec<IdxSize> = rows.iter().filter_map(|r| IdxSize::try_from(*r).ok()).collect();
    let frame = frame.take(&IdxCa::from_vec("rows".into(), take)).map_err(failed)?;
    let mut columns: Vec<(usize, Cells<'_>)> = Vec::new();
    for (name, wanted) in file.kind.fields().iter().zip(&cut.columns) {
        let field = file.adapter.fields.iter().position(|f| f.name == *name);
        if let (Some(field), Some((column, zoned))) = (field, wanted) {
            let column = frame.column(column).map_err(failed)?;
            columns.push((field, cells(column, *zoned).map_err(failed)?));
        }
    }
    for (i, row) in rows.iter().enumerate() {
        let mut all = vec![None; file.adapter.fields.len()];
        for (field, cells) in &columns {
            if let Some(slot) = all.get_mut(*field) {
                *slot = cells.get(i).shown();
            }
        }
        single.read(&all, &format!("R{}", at.0 + row + 1), batch);
    }
    Ok(())
}
