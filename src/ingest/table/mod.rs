//! One reader for all tables of records: CSV, NDJSON, JSON array and Parquet in, named fields out.
//!
//! A kind of table is a [`TableAdapter`]: its fields with the column names that are understood
//! without configuration, a test on the column names, and a function that turns one row into facts.
//! A mapping of the settings renames columns, fixes values and translates words. A bad record goes
//! to quarantine; the rest of the file is read.

mod options;
mod plan;
mod single;

use std::borrow::Cow;
use std::cell::{Cell, RefCell};
use std::collections::{BTreeSet, HashSet};

use crate::facts::time::{ParsedTime, parse_duration, parse_time};
use crate::facts::{Completeness, Layer, Text, Time, text};
use crate::settings::Mapping;

use super::reader::{self, BOUNDS, LineGuard};
use super::records::{self, Place};
pub use options::Options;
use plan::Plan;
pub use single::Single;

use super::source::{Adapter, Batch, Context, IngestError, Input, Match, Probe, Shape};

/// One field of a kind of table.
#[derive(Debug)]
pub struct Field {
    /// Name that mappings use.
    pub name: &'static str,
    /// Column names understood without mapping, lower case, best first.
    pub headers: &'static [&'static str],
}

/// Declares the fields of a kind: an enum `F` to name them and the list `FIELDS`.
macro_rules! fields {
    ($( $id:ident = $name:literal $(| $alias:literal)* ),* $(,)?) => {
        #[derive(Clone, Copy)]
        enum F { $($id),* }
        impl From<F> for usize { fn from(f: F) -> Self { f as Self } }
        const FIELDS: &[crate::ingest::table::Field] = &[
            $( crate::ingest::table::Field { name: $name, headers: &[$name $(, $alias)*] } ),*
        ];
    };
}
pub(crate) use fields;

/// Columns that are needed: one of each group.
pub type Required = &'static [&'static [&'static str]];

/// A kind of table as an input format.
#[derive(Debug)]
pub struct TableAdapter {
    /// Format id.
    pub format: &'static str,
    /// Title.
    pub title: &'static str,
    /// Layer it feeds.
    pub layer: Layer,
    /// Fields.
    pub fields: &'static [Field],
    /// Needed fields.
    pub required: Required,
    /// Whether column names (lower case) are of this kind.
    pub recognise: fn(&Names) -> bool,
    /// Turns one row into facts, or says why it cannot.
    pub row: fn(&Row<'_>, &mut Batch) -> Result<(), String>,
}

impl Adapter for TableAdapter {
    fn format(&self) -> &'static str {
        self.format
    }

    fn title(&self) -> &'static str {
        self.title
    }

    fn layer(&self) -> Layer {
        self.layer
    }

    fn recognise(&self, probe: &Probe<'_>) -> Option<Match> {
        let tabular = matches!(
            probe.shape,
            Shape::Csv | Shape::Ndjson | Shape::JsonArray | Shape::JsonObject | Shape::Parquet
        );
        (tabular && (self.recognise)(&Names::new(&probe.keys))).then_some(Match::Generic)
    }

    fn read(&self, input: &Input, ctx: &Context<'_>, batch: &mut Batch) -> Result<(), IngestError> {
        let options = Options::new(ctx.mapping).map_err(|m| self.wrong_mapping(input, m))?;
        let plan = Plan::new(self.fields, ctx.mapping).map_err(|m| self.wrong_mapping(input, m))?;
        let (head, complete) = reader::head(input)?;
        let detected = super::detect::detect(&head, complete);
        let run = Run { adapter: self, input, plan, options, pool: RefCell::default() };
        match detected.shape {
            Shape::Csv => run.csv(&head, detected.delimiter, batch, &mut |cells, place, batch| {
                run.row(cells, place, batch);
            }),
            Shape::Ndjson | Shape::JsonArray | Shape::JsonObject => {
                run.json(detected.shape, batch, &mut |cells, place, batch| {
                    run.row(cells, place, batch);
                })
            }
            Shape::Parquet => run.parquet(batch),
            other => {
                Err(run.malformed("start of file", &format!("{other:?} is not a table of records")))
            }
        }
    }
}

impl TableAdapter {
    fn wrong_mapping(&self, input: &Input, message: String) -> IngestError {
        IngestError::Malformed { file: input.name.clone(), place: "mapping".into(), message }
    }

    /// Column of each field for a header without mapping; `None` when the header does not do.
    #[must_use]
    pub fn columns(&self, header: &[String]) -> Option<Vec<Option<usize>>> {
        Plan::new(self.fields, None).ok()?.resolve(header, self.required).ok()
    }

    /// Checks a mapping without a file.
    ///
    /// # Errors
    /// What is wrong, with the remedy.
    pub fn check_mapping(&self, mapping: &Mapping) -> Result<(), String> {
        Options::new(Some(mapping))?;
        Plan::new(self.fields, Some(mapping)).map(|_| ())
    }
}

/// Takes the cells of a row in the order of the fields, and its place.
pub type EachRow<'e> = dyn FnMut(&[Option<Cow<'_, str>>], &str, &mut Batch) + 'e;

/// Column names of a file, for recognition.
#[derive(Debug)]
pub struct Names(BTreeSet<String>);

impl Names {
    /// From keys as found.
    #[must_use]
    pub fn new(keys: &[String]) -> Self {
        Self(keys.iter().map(|k| k.trim().to_lowercase()).collect())
    }

    /// Whether any of these is there.
    #[must_use]
    pub fn any(&self, names: &[&str]) -> bool {
        names.iter().any(|n| self.0.contains(*n))
    }

    /// Whether all of these are there.
    #[must_use]
    pub fn all(&self, names: &[&str]) -> bool {
        names.iter().all(|n| self.0.contains(*n))
    }
}

/// One record, by field.
#[derive(Debug)]
pub struct Row<'a> {
    cells: &'a [Option<Cow<'a, str>>],
    plan: &'a Plan,
    /// How values are to be read.
    pub options: &'a Options,
    pool: &'a RefCell<HashSet<Text>>,
    zoneless: Cell<i64>,
    /// Source id.
    pub source_id: Text,
    /// Place in the source.
    pub source_ref: Text,
}

/// Distinct values that are shared between rows; ids are not worth it.
const POOL: usize = 200_000;

impl Row<'_> {
    /// Value of a field: trimmed, not empty; the constant of the mapping when the column has none.
    #[must_use]
    pub fn get(&self, field: impl Into<usize>) -> Option<&str> {
        let i = field.into();
        let own = self.cells.get(i).and_then(Option::as_deref).map(str::trim);
        own.filter(|s| !s.is_empty()).or_else(|| self.plan.constants.get(i)?.as_deref())
    }

    fn name(&self, i: usize) -> &'static str {
        self.plan.fields.get(i).map_or("", |f| f.name)
    }

    /// Value as text.
    #[must_use]
    pub fn text(&self, field: impl Into<usize>) -> Option<Text> {
        self.get(field).map(text)
    }

    /// Value as text that many rows share.
    #[must_use]
    pub fn shared(&self, field: impl Into<usize>) -> Option<Text> {
        self.get(field).map(|s| self.share(s))
    }

    /// Text that many rows share.
    #[must_use]
    pub fn share(&self, s: &str) -> Text {
        let mut pool = self.pool.borrow_mut();
        if let Some(t) = pool.get(s) {
            return t.clone();
        }
        let t = text(s);
        if pool.len() < POOL {
            pool.insert(t.clone());
        }
        t
    }

    /// Value that must be there.
    ///
    /// # Errors
    /// When it is missing.
    pub fn need(&self, field: impl Into<usize>) -> Result<&str, String> {
        let i = field.into();
        self.get(i).ok_or_else(|| format!("`{}` is missing", self.name(i)))
    }

    /// Checks that a value is a time, without using it.
    ///
    /// # Errors
    /// When it is none.
    pub fn check_time(&self, field: impl Into<usize>) -> Result<(), String> {
        let zoneless = self.zoneless.get();
        let outcome = self.time(field).map(|_| ());
        self.zoneless.set(zoneless);
        outcome
    }

    /// Value as a time; sentinels are `None`.
    ///
    /// # Errors
    /// When it is no time.
    pub fn time(&self, field: impl Into<usize>) -> Result<Option<ParsedTime>, String> {
        let i = field.into();
        let Some(s) = self.get(i) else { return Ok(None) };
        let parsed = self
            .options
            .time(s)
            .map_err(|e| format!("`{}` is `{}`: {e}", self.name(i), short(s)))?;
        if parsed.is_some_and(|p| p.zoneless) {
            self.zoneless.set(self.zoneless.get() + 1);
        }
        Ok(parsed)
    }

    /// Value as an instant: the start of the day for a text with day precision.
    ///
    /// # Errors
    /// When it is no time.
    pub fn instant(&self, field: impl Into<usize>) -> Result<Option<Time>, String> {
        Ok(self.time(field)?.map(|p| p.lo))
    }

    /// Value as a duration in seconds, in the unit of the mapping where it has none.
    ///
    /// # Errors
    /// When it is no duration.
    pub fn duration(&self, field: impl Into<usize>) -> Result<Option<i64>, String> {
        let i = field.into();
        let Some(s) =
            self.get(i).filter(|s| !matches!(parse_time(s), Ok(None)) || s.parse::<f64>().is_ok())
        else {
            return Ok(None);
        };
        parse_duration(s, self.options.duration_unit_s)
            .map(Some)
            .ok_or_else(|| format!("`{}` is `{}`, not a duration", self.name(i), short(s)))
    }

    /// Value as a whole number of 0 or more.
    ///
    /// # Errors
    /// When it is no such number.
    pub fn count(&self, field: impl Into<usize>) -> Result<Option<i64>, String> {
        let i = field.into();
        let Some(s) = self.get(i) else { return Ok(None) };
        let whole = s.strip_suffix(".0").unwrap_or(s);
        whole.parse::<i64>().ok().filter(|v| *v >= 0).map(Some).ok_or_else(|| {
            format!("`{}` is `{}`, not a whole number of 0 or more", self.name(i), short(s))
        })
    }

    /// Value as yes or no.
    ///
    /// # Errors
    /// When it is neither.
    pub fn flag(&self, field: impl Into<usize>) -> Result<Option<bool>, String> {
        let i = field.into();
        let Some(s) = self.get(i) else { return Ok(None) };
        match s.to_ascii_lowercase().as_str() {
            "true" | "yes" | "y" | "1" | "t" => Ok(Some(true)),
            "false" | "no" | "n" | "0" | "f" => Ok(Some(false)),
            "null" | "none" | "unknown" | "n/a" => Ok(None),
            _ => Err(format!("`{}` is `{}`, not true or false", self.name(i), short(s))),
        }
    }

    /// Value as a word: translated by the `values` of the mapping, lower case, `_` for blank and `-`.
    #[must_use]
    pub fn word(&self, field: impl Into<usize>) -> Option<String> {
        let i = field.into();
        let s = self.get(i)?;
        let table = self.options.values.get(self.name(i));
        let translated = table.and_then(|t| {
            t.get(s).or_else(|| t.iter().find(|(k, _)| k.eq_ignore_ascii_case(s)).map(|(_, v)| v))
        });
        Some(translated.map_or(s, String::as_str).to_ascii_lowercase().replace([' ', '-'], "_"))
    }

    /// Error for a word that is not understood.
    pub fn unknown_word(&self, field: impl Into<usize>) -> String {
        let i = field.into();
        format!(
            "`{}` is `{}`, which is not known; translate it in `values.{}` of a [[mapping]]",
            self.name(i),
            short(self.get(i).unwrap_or("")),
            self.name(i)
        )
    }

    /// Value as a list: a JSON array, or separated by `;`, `|` or blanks around them.
    #[must_use]
    pub fn list(&self, field: impl Into<usize>) -> Option<Vec<Text>> {
        let s = self.get(field)?;
        let mut out: Vec<Text> = match serde_json::from_str::<Vec<String>>(s) {
            Ok(list) => list.iter().map(|v| self.share(v.trim())).collect(),
            Err(_) => s.split([';', '|']).map(|v| self.share(v.trim())).collect(),
        };
        out.retain(|v| !v.is_empty());
        Some(out)
    }
}

/// How far the line numbers of the CSV reader lag: with CRLF it ends a record at the CR, and counts
/// the line only when it meets the LF with the next record.
fn behind_lines(head: &[u8]) -> u64 {
    let first = head.split_inclusive(|b| *b == b'\n').next().unwrap_or(&[]);
    u64::from(first.ends_with(b"\r\n"))
}

/// At most 60 characters of a value, for a message.
#[must_use]
pub fn short(s: &str) -> Cow<'_, str> {
    match s.char_indices().nth(60).and_then(|(at, _)| s.get(..at)) {
        Some(cut) => Cow::Owned(format!("{cut}…")),
        None => Cow::Borrowed(s),
    }
}

/// One file being read.
#[derive(Debug)]
struct Run<'a> {
    adapter: &'a TableAdapter,
    input: &'a Input,
    plan: Plan,
    options: Options,
    pool: RefCell<HashSet<Text>>,
}

impl Run<'_> {
    fn malformed(&self, place: &str, message: &str) -> IngestError {
        IngestError::Malformed {
            file: self.input.name.clone(),
            place: place.to_owned(),
            message: message.to_owned(),
        }
    }

    fn row(&self, cells: &[Option<Cow<'_, str>>], place: &str, batch: &mut Batch) {
        let row = Row {
            cells,
            plan: &self.plan,
            options: &self.options,
            pool: &self.pool,
            zoneless: Cell::new(0),
            source_id: batch.source_id.clone(),
            source_ref: text(place),
        };
        let nul = cells.iter().flatten().any(|c| c.as_bytes().contains(&0));
        let outcome = if nul {
            Err("a value holds a NUL byte".into())
        } else {
            (self.adapter.row)(&row, batch)
        };
        match outcome {
            Ok(()) => batch.ambiguous_times += row.zoneless.get(),
            Err(reason) => batch.quarantine(place, reason),
        }
    }

    fn csv(
        &self,
        head: &[u8],
        delimiter: u8,
        batch: &mut Batch,
        each: &mut EachRow<'_>,
    ) -> Result<(), IngestError> {
        let behind = behind_lines(head);
        let stream = LineGuard::new(reader::open(self.input)?, BOUNDS.line);
        let mut rows = csv::ReaderBuilder::new()
            .has_headers(false)
            .flexible(true)
            .delimiter(delimiter)
            .buffer_capacity(256 * 1024)
            .from_reader(stream);
        let mut header = csv::ByteRecord::new();
        rows.read_byte_record(&mut header).map_err(|e| self.csv_error(e))?;
        let names: Vec<String> =
            header.iter().map(|c| String::from_utf8_lossy(c).trim().to_owned()).collect();
        let layout = self
            .plan
            .resolve(&names, self.adapter.required)
            .map_err(|m| self.malformed("header", &m))?;
        let mut record = csv::StringRecord::new();
        loop {
            let start = rows.position().line() + behind;
            let read = rows.read_record(&mut record);
            let line = record.position().map_or(start, |p| p.line() + behind);
            let place = format!("L{line}");
            match read {
                Ok(false) => return Ok(()),
                Ok(true) => {}
                Err(e) if matches!(e.kind(), csv::ErrorKind::Utf8 { .. }) => {
                    let line = e.position().map_or(start, |p| p.line() + behind);
                    batch.records += 1;
                    batch.quarantine(format!("L{line}"), "not UTF-8 text");
                    continue;
                }
                Err(e) => return Err(self.csv_error(e)),
            }
            batch.records += 1;
            if record.len() != names.len() {
                let end = rows.position().line() + behind;
                let mut reason =
                    format!("has {} fields, the header has {}", record.len(), names.len());
                if end > line + 1 {
                    reason.push_str(&format!("; it runs to line {end}: is a quote not closed?"));
                    batch.completeness = Completeness::Truncated;
                    batch.limitation =
                        Some(text(format!("the record at {place} swallows lines up to {end}")));
                }
                batch.quarantine(place, reason);
                continue;
            }
            let cells: Vec<Option<Cow<'_, str>>> = layout
                .iter()
                .map(|column| column.and_then(|c| record.get(c)).map(Cow::Borrowed))
                .collect();
            each(&cells, &place, batch);
        }
    }

    fn csv_error(&self, e: csv::Error) -> IngestError {
        let place = e.position().map_or_else(|| "CSV".to_owned(), |p| format!("L{}", p.line()));
        match e.into_kind() {
            csv::ErrorKind::Io(io) => reader::explain(self.input, io),
            other => self.malformed(&place, &format!("{other:?}")),
        }
    }

    fn json(
        &self,
        shape: Shape,
        batch: &mut Batch,
        each: &mut EachRow<'_>,
    ) -> Result<(), IngestError> {
        let mut seen: BTreeSet<usize> = BTreeSet::new();
        let outcome = records::each(self.input, shape, batch, &mut |place: &Place, raw, batch| {
            match self.cells(raw) {
                Ok(cells) => {
                    seen.extend(
                        cells.iter().enumerate().filter(|(_, c)| c.is_some()).map(|(i, _)| i),
                    );
                    each(&cells, &place.to_string(), batch);
                }
                Err(reason) => batch.quarantine(place.to_string(), reason),
            }
            Ok(())
        });
        outcome?;
        for (field, column) in &self.plan.mapped {
            let index = self.plan.fields.iter().position(|f| f.name == *field);
            if batch.records > 0 && index.is_some_and(|i| !seen.contains(&i)) {
                return Err(self.malformed(
                    "mapping",
                    &format!("reads `{field}` from the key `{column}`, which no record has"),
                ));
            }
        }
        Ok(())
    }

    fn cells<'r>(&self, raw: &'r str) -> Result<Vec<Option<Cow<'r, str>>>, String> {
        let mut cells: Vec<Option<Cow<'r, str>>> = vec![None; self.plan.fields.len()];
        let mut ranks: Vec<usize> = vec![usize::MAX; self.plan.fields.len()];
        let mut names: BTreeSet<(usize, usize)> = BTreeSet::new();
        records::object(raw, &mut |key, value| {
            let Some((field, rank)) = self.plan.field_of(key) else { return Ok(()) };
            if !names.insert((field, rank)) {
                return Err(format!("the key `{}` occurs twice", short(key)));
            }
            let Some(value) = records::scalar(value)? else { return Ok(()) };
            if let (Some(cell), Some(best)) = (cells.get_mut(field), ranks.get_mut(field))
                && rank < *best
            {
                *best = rank;
                *cell = Some(value);
            }
            Ok(())
        })?;
        Ok(cells)
    }

    #[cfg(feature = "columnar-io")]
    fn parquet(&self, batch: &mut Batch) -> Result<(), IngestError> {
        let frame = super::parquet::Frame::open(self.input)?;
        let layout = self
            .plan
            .resolve(frame.columns(), self.adapter.required)
            .map_err(|m| self.malformed("schema", &m))?;
        frame.rows(&layout, &mut |number, cells| {
            batch.records += 1;
            self.row(cells, &format!("R{number}"), batch);
        })
    }

    #[cfg(not(feature = "columnar-io"))]
    fn parquet(&self, _batch: &mut Batch) -> Result<(), IngestError> {
        parquet_columns(self.input).map(|_| ())
    }
}

/// Column names of a Parquet file.
///
/// # Errors
/// When it is not Parquet, or the program is built without it.
#[cfg(feature = "columnar-io")]
pub fn parquet_columns(input: &Input) -> Result<Vec<String>, IngestError> {
    super::parquet::column_names(input)
}

/// Column names of a Parquet file.
///
/// # Errors
/// Always: the program is built without Parquet.
#[cfg(not(feature = "columnar-io"))]
pub fn parquet_columns(input: &Input) -> Result<Vec<String>, IngestError> {
    Err(IngestError::Malformed {
        file: input.name.clone(),
        place: "start of file".into(),
        message: "Parquet needs a build with the feature `columnar-io`; export CSV or NDJSON"
            .into(),
    })
}
