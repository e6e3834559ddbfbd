//! Parquet files by row groups: only the columns that are read, as borrowed text and plain numbers.

use std::io::{Read, Seek, SeekFrom};

use polars::prelude::*;
use polars_buffer::Buffer;
use polars_parquet::parquet::metadata::{FileMetadata, RowGroupMetadata};
use polars_parquet::parquet::statistics::Statistics;
use rayon::prelude::*;

use super::block;
use super::cell::Cell;
use super::id::{Id, Key};
use super::memo::Memo;
use super::pages::{self, Column as PageColumn, Form};
use super::plan::{File, Refusal};
use super::read::Worker;
use super::shared::Shared;
use super::vocabulary::Map;
use crate::ingest::parquet::{as_text, open, wrong};
use crate::ingest::table::Single;
use crate::rules::vector::Bits;

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
pub struct Cut {
    /// First row, number of rows and number of the row group of each piece.
    pub pieces: Vec<Piece>,
    /// Per field of ours.
    columns: Vec<Option<Wanted>>,
    footer: Arc<FileMetadata>,
}

impl std::fmt::Debug for Cut {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Cut").field("pieces", &self.pieces).field("columns", &self.columns).finish()
    }
}

/// A row group.
#[derive(Clone, Copy, Debug)]
pub struct Piece {
    /// Rows before it.
    pub from: usize,
    /// Its rows.
    pub rows: usize,
    group: usize,
}

/// A column that is read.
#[derive(Clone, Debug)]
struct Wanted {
    name: String,
    /// Instants have a zone.
    zoned: bool,
    /// Place among the columns of the file, and what it holds, when its pages can be read one by one.
    leaf: Option<(usize, Form)>,
}

/// Rows that Polars reads at a time: a row group may be as large as its file.
const PIECE: usize = 262_144;

/// Rows whose values are taken out of the columns at a time.
const BLOCK: usize = 4096;

/// Bytes of a row group, compressed, that are read at once.
const LARGEST_GROUP: u64 = 512 << 20;

/// Cuts a file at its row groups.
///
/// # Errors
/// When it is not Parquet or lacks a column.
pub fn cut(file: &File, single: &Single<'_>) -> Result<Cut, String> {
    let mut reader = open(&file.input).map_err(|e| e.to_string())?;
    let schema = reader.schema().map_err(|e| wrong(&file.input, &e).to_string())?;
    let header: Vec<String> = schema.iter_names().map(|n| n.trim().to_owned()).collect();
    let layout = single.layout(&header).map_err(|e| e.to_string())?;
    let footer = reader.get_metadata().map_err(|e| wrong(&file.input, &e).to_string())?.clone();
    let column = |name: &str| {
        let field = file.adapter.fields.iter().position(|f| f.name == name)?;
        let (name, of) = schema.get_at_index((*layout.get(field)?)?)?;
        let zoned = matches!(of.dtype, ArrowDataType::Timestamp(_, Some(_)));
        let leaves = footer.schema().columns();
        let leaf = leaves.iter().position(|c| matches!(&c.path_in_schema[..], [n] if n == name));
        let leaf = leaf.zip(form(&of.dtype));
        Some(Wanted { name: name.to_string(), zoned, leaf })
    };
    let columns = file.kind.read().map(column).collect();
    let mut pieces = Vec::new();
    let mut from = 0;
    for (group, rows) in footer.row_groups.iter().map(RowGroupMetadata::num_rows).enumerate() {
        pieces.push(Piece { from, rows, group });
        from += rows;
    }
    Ok(Cut { pieces, columns, footer })
}

/// What a column of a type holds, when it is of the plain kind.
fn form(dtype: &ArrowDataType) -> Option<Form> {
    use ArrowDataType as T;
    Some(match dtype {
        T::Utf8 | T::LargeUtf8 | T::Utf8View => Form::Text,
        T::Int8 | T::Int16 | T::Int32 | T::Int64 => Form::Whole,
        T::Date32 => Form::Day,
        T::Timestamp(unit, zone) => {
            let per = match unit {
                ArrowTimeUnit::Nanosecond => -1000,
                ArrowTimeUnit::Microsecond => 1,
                ArrowTimeUnit::Millisecond => 1000,
                ArrowTimeUnit::Second => return None,
            };
            Form::Instant(per, zone.is_none())
        }
        _ => return None,
    })
}

/// The columns of a row group, when all of them can be read page by page.
fn columns_of(
    file: &File,
    cut: &Cut,
    piece: Piece,
    wanted: &dyn Fn(usize) -> bool,
) -> Result<Option<Vec<Option<PageColumn>>>, String> {
    let failed = |e: String| wrong(&file.input, &polars_err!(ComputeError: "{e}")).to_string();
    let Some(group) = cut.footer.row_groups.get(piece.group) else { return Ok(None) };
    let mut source = std::fs::File::open(&file.input.path).map_err(|e| failed(e.to_string()))?;
    let mut out = Vec::with_capacity(cut.columns.len());
    for (at, column) in cut.columns.iter().enumerate() {
        let Some(column) = column.as_ref().filter(|_| wanted(at)) else {
            out.push(None);
            continue;
        };
        let chunk =
            column.leaf.and_then(|(leaf, form)| Some((group.parquet_columns().get(leaf)?, form)));
        let Some((chunk, form)) = chunk else { return Ok(None) };
        let range = chunk.byte_range();
        let length = range.end.saturating_sub(range.start);
        if length > LARGEST_GROUP {
            return Ok(None);
        }
        let mut bytes = Vec::new();
        source.seek(SeekFrom::Start(range.start)).map_err(|e| failed(e.to_string()))?;
        let read = (&mut source).take(length).read_to_end(&mut bytes);
        read.map_err(|e| failed(e.to_string()))?;
        let bytes = Buffer::from(bytes);
        if !pages::fits(&bytes, chunk, form).map_err(failed)? {
            return Ok(None);
        }
        out.push(Some(PageColumn::open(&bytes, chunk, form, piece.rows).map_err(failed)?));
    }
    Ok(Some(out))
}

/// Reads the columns of a piece block by block, and calls `each` with the first row and the number of rows.
fn blocks(
    file: &File,
    at: Piece,
    columns: &mut [Option<PageColumn>],
    mut each: impl FnMut(usize, usize, &[Option<PageColumn>]),
) -> Result<(), String> {
    let failed = |e: String| wrong(&file.input, &polars_err!(ComputeError: "{e}")).to_string();
    for from in (0..at.rows).step_by(BLOCK) {
        let rows = BLOCK.min(at.rows - from);
        for column in columns.iter_mut().flatten() {
            column.next(rows).map_err(failed)?;
        }
        each(from, rows, columns);
    }
    Ok(())
}

/// Reads one row group.
fn group(
    shared: &Shared<'_>,
    (number, file): (usize, &File),
    cut: &Cut,
    at: Piece,
) -> Result<(), String> {
    let single = Single::new(file.adapter, &file.input).map_err(|e| e.to_string())?;
    let mut worker = Worker::new(shared, number, file, single);
    let row = |n: usize| u32::try_from(at.from + n + 1);
    if row(at.rows).is_err() {
        shared.refuse("more rows than 32 bits count");
        return Ok(());
    }
    match columns_of(file, cut, at, &|_| true)? {
        Some(mut columns) => {
            blocks(file, at, &mut columns, |from, rows, columns| {
                worker.block(columns, row(from).unwrap_or(u32::MAX), rows);
            })?;
        }
        None => frames(
            file,
            cut,
            at,
            &|_| true,
            |_| true,
            |n, cells| {
                worker.row(cells, row(n).unwrap_or(u32::MAX), 'R');
            },
        )?,
    }
    worker.finish();
    Ok(())
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

/// Rows that are read before those that wait for their grants are brought to them: so many that each
/// partition gets enough to be worth its way into the cache, and so few that they take little memory.
const ROUND: usize = 1 << 21;

/// Reads all pieces of all files, in parallel, and calls `after` when many rows came.
///
/// # Errors
/// The first error, by file and piece; or that of `after`.
pub fn read(
    shared: &Shared<'_>,
    files: &[(usize, &File)],
    after: &dyn Fn() -> Result<(), Refusal>,
) -> Result<(), Refusal> {
    let cuts: Vec<Cut> = files
        .iter()
        .map(|(_, file)| {
            let single = Single::new(file.adapter, &file.input).map_err(|e| e.to_string())?;
            cut(file, &single)
        })
        .collect::<Result<_, String>>()
        .map_err(Refusal::Failed)?;
    type Job<'j> = ((usize, &'j File), &'j Cut, Piece);
    let jobs: Vec<Job<'_>> = files
        .iter()
        .zip(&cuts)
        .flat_map(|(file, cut)| cut.pieces.iter().map(move |p| (*file, cut, *p)))
        .collect();
    let mut rest = jobs.as_slice();
    while !rest.is_empty() {
        let mut rows = 0;
        let full = |(_, _, piece): &Job<'_>| {
            rows += piece.rows;
            rows >= ROUND
        };
        let n = rest.iter().position(full).map_or(rest.len(), |n| n + 1);
        let (round, later) = rest.split_at(n);
        rest = later;
        let done: Vec<Result<(), String>> = round
            .par_iter()
            .with_max_len(1)
            .map(|(file, cut, at)| {
                if shared.refused.load(std::sync::atomic::Ordering::Relaxed) {
                    return Ok(());
                }
                group(shared, *file, cut, *at)
            })
            .collect();
        done.into_iter().collect::<Result<(), String>>().map_err(Refusal::Failed)?;
        after()?;
    }
    Ok(())
}

/// Rows of a piece, counted from 0, of which a field has one of the names.
///
/// # Errors
/// When the piece cannot be read.
pub fn named(
    file: &File,
    cut: &Cut,
    at: Piece,
    field: &str,
    (key, names): (&Key, &Names),
) -> Result<Vec<usize>, String> {
    let Some(field) = file.kind.read().position(|f| f == field) else {
        return Ok(Vec::new());
    };
    if !names.may_be_in(cut, at, field) {
        return Ok(Vec::new());
    }
    let mut out = Vec::new();
    let is = |cell: Cell<'_>| cell.shown().is_some_and(|s| names.has(key.id(s.trim().as_bytes())));
    let Some(mut columns) = columns_of(file, cut, at, &|n| n == field)? else {
        frames(
            file,
            cut,
            at,
            &|n| n == field,
            |_| true,
            |row, cells| {
                if cells.get(field).is_some_and(|c| is(*c)) {
                    out.push(row);
                }
            },
        )?;
        return Ok(out);
    };
    let (mut memo, mut ids, mut odd) = (Memo::default(), Vec::new(), Vec::new());
    blocks(file, at, &mut columns, |from, rows, columns| {
        let Some(column) = columns.get(field).and_then(Option::as_ref) else { return };
        odd.clear();
        odd.resize(rows, false);
        block::names(key, Some(column), &mut memo, &mut ids, &mut odd);
        for (row, (id, odd)) in ids.iter().zip(&odd).enumerate() {
            let found = if *odd { is(column.get(row)) } else { names.has(*id) };
            if found {
                out.push(from + row);
            }
        }
    })?;
    Ok(out)
}

/// Names that are looked for.
#[derive(Debug)]
pub struct Names {
    all: Map<()>,
    /// Bits by the first half of a name: most of those that are not here stop at them.
    bits: Vec<u64>,
    /// Only the first halves of the names are known.
    halves: bool,
    /// The names in words, in order, when they are known.
    texts: Option<Vec<String>>,
}

impl Names {
    /// Of these, or of first halves with nothing behind them.
    #[must_use]
    pub fn new(all: Map<()>, texts: Option<Vec<String>>, halves: bool) -> Self {
        let mut bits = vec![0u64; (all.len() / 4).next_power_of_two().max(64)];
        let words = bits.len();
        #[expect(clippy::iter_over_hash_type, reason = "bits have no order")]
        for id in all.keys() {
            if let Some(word) = bits.get_mut(id.high() as usize / 64 % words) {
                *word |= 1 << (id.high() % 64);
            }
        }
        Self { all, bits, halves, texts }
    }

    /// Whether a piece may hold one of the names in a field, by the least and the greatest value that the
    /// footer tells of it. Ledgers are often in the order of their ids.
    fn may_be_in(&self, cut: &Cut, at: Piece, field: usize) -> bool {
        let Some(texts) = &self.texts else { return true };
        let range = || {
            let (leaf, form) = cut.columns.get(field)?.as_ref()?.leaf?;
            let group = cut.footer.row_groups.get(at.group).filter(|_| form == Form::Text)?;
            let told = group.parquet_columns().get(leaf)?.statistics(&cut.footer.footer_buf)?;
            let Ok(Statistics::Binary(told)) = told else { return None };
            Some((told.min_value?, told.max_value?))
        };
        range().is_none_or(|(least, most)| some_within(texts, &least, &most))
    }

    #[inline]
    fn has(&self, id: Id) -> bool {
        let word = self.bits.get(id.high() as usize / 64 % self.bits.len());
        let here = word.is_some_and(|w| w >> (id.high() % 64) & 1 == 1);
        let id = if self.halves { Id::new(id.high(), 0) } else { id };
        here && self.all.contains_key(&id)
    }
}

/// Whether one of the texts, which are in order, may stand in a column between these values, be it with blanks
/// around it.
fn some_within(texts: &[String], least: &[u8], most: &[u8]) -> bool {
    let (Some(first), Some(last)) = (least.first(), most.first()) else { return true };
    // Then some may begin with blanks.
    if *first <= b' ' || *last >= 0x80 {
        return true;
    }
    let from = texts.partition_point(|t| t.as_bytes() < least);
    let here = texts.get(from).is_some_and(|t| t.as_bytes() <= most);
    // A text with blanks behind it is greater than without.
    let starts = (1..least.len()).filter_map(|n| least.get(..n));
    here || starts.into_iter().any(|s| texts.binary_search_by(|t| t.as_bytes().cmp(s)).is_ok())
}

/// Calls `each` with the wanted rows of a piece and their cells, of which those of unwanted fields are null.
fn walk(
    file: &File,
    cut: &Cut,
    at: Piece,
    wanted: &dyn Fn(usize) -> bool,
    rows_wanted: impl Fn(usize) -> bool,
    mut each: impl FnMut(usize, &[Cell<'_>]),
) -> Result<(), String> {
    if let Some(mut columns) = columns_of(file, cut, at, wanted)? {
        return blocks(file, at, &mut columns, |from, rows, columns| {
            let mut row: Vec<Cell<'_>> = Vec::with_capacity(columns.len());
            for i in (0..rows).filter(|i| rows_wanted(from + i)) {
                row.clear();
                row.extend(columns.iter().map(|c| c.as_ref().map_or(Cell::Null, |c| c.get(i))));
                each(from + i, &row);
            }
        });
    }
    frames(file, cut, at, wanted, rows_wanted, each)
}

/// The same for what cannot be read page by page.
fn frames(
    file: &File,
    cut: &Cut,
    at: Piece,
    wanted: &dyn Fn(usize) -> bool,
    rows_wanted: impl Fn(usize) -> bool,
    mut each: impl FnMut(usize, &[Cell<'_>]),
) -> Result<(), String> {
    let failed = |e: PolarsError| wrong(&file.input, &e).to_string();
    for from in (0..at.rows).step_by(PIECE) {
        let rows = PIECE.min(at.rows - from);
        let of =
            |(n, w): (usize, &Option<Wanted>)| Some(w.as_ref().filter(|_| wanted(n))?.name.clone());
        let names: Vec<String> = cut.columns.iter().enumerate().filter_map(of).collect();
        let frame = open(&file.input)
            .map_err(|e| e.to_string())?
            .with_slice(Some((at.from + from, rows)))
            .with_columns(Some(names))
            .read_parallel(ParallelStrategy::None)
            .finish()
            .map_err(failed)?;
        // Block by block, so that what is taken out of the columns stays in the cache.
        for block in (0..frame.height()).step_by(BLOCK) {
            let part = frame.slice(i64::try_from(block).unwrap_or(i64::MAX), BLOCK);
            let all: Vec<Cells<'_>> = cut
                .columns
                .iter()
                .enumerate()
                .map(|(n, w)| match w {
                    Some(w) if wanted(n) => cells(part.column(&w.name)?, w.zoned),
                    _ => Ok(Cells::Absent),
                })
                .collect::<PolarsResult<_>>()
                .map_err(failed)?;
            let from = from + block;
            let mut row: Vec<Cell<'_>> = Vec::with_capacity(all.len());
            for i in (0..part.height()).filter(|i| rows_wanted(from + i)) {
                row.clear();
                row.extend(all.iter().map(|c| c.get(i)));
                each(from + i, &row);
            }
        }
    }
    Ok(())
}

/// Reads those rows of a piece, counted from 0 and in order, through the adapter.
///
/// # Errors
/// When the piece cannot be read.
pub fn pick(
    file: &File,
    cut: &Cut,
    at: Piece,
    rows: &[usize],
    single: &Single<'_>,
    batch: &mut crate::ingest::source::Batch,
) -> Result<(), String> {
    if rows.is_empty() {
        return Ok(());
    }
    let place = |name: &str| file.adapter.fields.iter().position(|f| f.name == name);
    let fields: Vec<Option<usize>> = file.kind.read().map(place).collect();
    let mut wanted = Bits::all(at.rows, false);
    rows.iter().for_each(|row| wanted.put(*row));
    walk(
        file,
        cut,
        at,
        &|_| true,
        |row| wanted.has(row),
        |row, cells| {
            let mut all = vec![None; file.adapter.fields.len()];
            for (field, cell) in fields.iter().zip(cells) {
                if let Some(slot) = field.and_then(|f| all.get_mut(f)) {
                    *slot = cell.shown();
                }
            }
            single.read(&all, &format!("R{}", at.from + row + 1), batch);
        },
    )
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::some_within;

    proptest! {
        /// No name that stands in a column is missed, whatever blanks stand around it.
        #[test]
        fn names_are_looked_for_where_they_may_be(
            cells in prop::collection::vec("[ \u{a0}]{0,2}[ab]{0,3}[ \t\u{a0}]{0,2}", 1..5),
            texts in prop::collection::btree_set("[ab]{1,3}", 0..4),
        ) {
            let texts: Vec<String> = texts.into_iter().collect();
            let least = cells.iter().min().unwrap().as_bytes();
            let most = cells.iter().max().unwrap().as_bytes();
            let there = cells.iter().any(|c| texts.iter().any(|t| t == c.trim()));
            prop_assert!(!there || some_within(&texts, least, most));
        }
    }

    #[test]
    fn names_are_not_looked_for_elsewhere() {
        let texts = ["g10", "g20"].map(str::to_owned);
        for (least, most, want) in [
            ("g00", "g09", false),
            ("g00", "g10", true),
            ("g11", "g19", false),
            ("g20", "g20", true),
            ("g21", "g99", false),
            ("g20 ", "g99", true),
            (" g0", "g09", true),
            ("", "g09", true),
        ] {
            assert_eq!(some_within(&texts, least.as_bytes(), most.as_bytes()), want, "{least}");
        }
    }
}
