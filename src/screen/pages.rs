//! Column chunks of a Parquet file, page by page: values stay where they lie, and what a dictionary lists
//! is looked at once and not in every row. Layout: Apache Parquet format, sections "Data Pages",
//! "Encodings" and "Dictionary Encoding". What is not flat, or encoded in another way, is left to Polars.

use std::io::Cursor;

use polars_buffer::Buffer;
use polars_parquet::parquet::encoding::Encoding;
use polars_parquet::parquet::encoding::hybrid_rle::HybridRleDecoder;
use polars_parquet::parquet::metadata::ColumnChunkMetadata;
use polars_parquet::parquet::page::{CompressedPage, DataPage, DataPageHeader};
use polars_parquet::parquet::read::{BasicDecompressor, PageMetaData, PageReader};
use polars_parquet::parquet::schema::types::PhysicalType;

use super::cell::{Cell, NO_CODE};
use super::rows::NEVER;

/// What the numbers of a column stand for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// Text in UTF-8.
    Text,
    /// Instants: how many of the unit make a microsecond (negative), or how many microseconds make the
    /// unit; and whether they are of a clock on the wall.
    Instant(i64, bool),
    /// Whole numbers.
    Whole,
    /// Days since 1970.
    Day,
}

/// Largest page, bytes; a header may promise any size.
const LARGEST_PAGE: usize = 1 << 30;

/// Row without a value.
const NULL: u32 = u32::MAX;

/// Where a text lies.
#[derive(Clone, Copy, Debug)]
struct Span {
    page: u32,
    at: u32,
    len: u32,
}

/// The rest of the page that is being read.
#[derive(Debug, Default)]
struct Rest {
    /// Rows.
    rows: usize,
    /// Per row whether it has a value; empty when all have.
    there: Vec<u32>,
    /// Rows of `there` that are over.
    over: usize,
    /// Places in the dictionary; none for plain values.
    codes: Option<Vec<u32>>,
    /// Codes that are over.
    coded: usize,
    /// Plain numbers; texts lie in [`Column::texts`].
    bytes: Vec<u8>,
    /// The next plain value.
    at: usize,
}

/// A column chunk.
pub struct Column {
    form: Form,
    wide: bool,
    /// Rows of the chunk that are still to come in further pages.
    left: usize,
    pages: BasicDecompressor,
    /// The dictionary: its texts, or its numbers.
    listed: String,
    entries: Vec<(Span, bool)>,
    numbers: Vec<i64>,
    rest: Rest,
    /// Texts of plain pages that the block holds; the last one is that of `rest`.
    texts: Vec<String>,
    /// The block: per row a place in the dictionary, or beyond it in `spans`; or a number.
    block: Vec<u32>,
    spans: Vec<Span>,
    values: Vec<i64>,
}

impl std::fmt::Debug for Column {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Column").field("form", &self.form).field("left", &self.left).finish()
    }
}

fn said(e: impl std::fmt::Display) -> String {
    e.to_string()
}

fn wrong<T>(what: &str) -> Result<T, String> {
    Err(what.to_owned())
}

fn reader(bytes: &Buffer<u8>, chunk: &ColumnChunkMetadata) -> PageReader {
    let meta = PageMetaData { column_start: 0, ..chunk.into() };
    PageReader::new_with_page_meta(Cursor::new(bytes.clone()), meta, Vec::new(), LARGEST_PAGE)
}

/// Whether a chunk is of the kind that is read here: flat, plain or of a dictionary.
///
/// # Errors
/// When its pages are damaged.
pub fn fits(bytes: &Buffer<u8>, chunk: &ColumnChunkMetadata, form: Form) -> Result<bool, String> {
    let of = &chunk.descriptor().descriptor;
    let physical = chunk.physical_type();
    let typed = match form {
        Form::Text => physical == PhysicalType::ByteArray,
        Form::Day => physical == PhysicalType::Int32,
        Form::Instant(..) => physical == PhysicalType::Int64,
        Form::Whole => matches!(physical, PhysicalType::Int32 | PhysicalType::Int64),
    };
    if !typed || of.max_rep_level > 0 || of.max_def_level > 1 {
        return Ok(false);
    }
    for page in reader(bytes, chunk) {
        if let CompressedPage::Data(page) = page.map_err(said)? {
            let (values, levels) = match page.header() {
                DataPageHeader::V1(h) => (
                    Encoding::try_from(h.encoding),
                    Encoding::try_from(h.definition_level_encoding),
                ),
                DataPageHeader::V2(_) => return Ok(false),
            };
            let plain = matches!(
                values,
                Ok(Encoding::Plain | Encoding::PlainDictionary | Encoding::RleDictionary)
            );
            if !plain || (of.max_def_level > 0 && !matches!(levels, Ok(Encoding::Rle))) {
                return Ok(false);
            }
        }
    }
    Ok(true)
}

impl Column {
    /// Opens a chunk of so many rows.
    ///
    /// # Errors
    /// When its dictionary is damaged.
    pub fn open(
        bytes: &Buffer<u8>,
        chunk: &ColumnChunkMetadata,
        form: Form,
        rows: usize,
    ) -> Result<Self, String> {
        let mut out = Self {
            form,
            wide: chunk.physical_type() == PhysicalType::Int64,
            left: rows,
            pages: BasicDecompressor::new(reader(bytes, chunk), Vec::new()),
            listed: String::new(),
            entries: Vec::new(),
            numbers: Vec::new(),
            rest: Rest::default(),
            texts: Vec::new(),
            block: Vec::new(),
            spans: Vec::new(),
            values: Vec::new(),
        };
        if let Some(dict) = out.pages.read_dict_page().map_err(said)? {
            let bytes = dict.buffer.into_vec();
            if form == Form::Text {
                let (listed, n) = one_text(bytes, 0, usize::MAX)?;
                let mut at = 0;
                for _ in 0..n {
                    let head = listed.as_bytes().get(at..).and_then(|b| b.first_chunk());
                    let len = head.map_or(0, |h| length(*h));
                    let span = Span { page: 0, at: at as u32 + 4, len: len as u32 };
                    out.entries.push((span, is_plain(&listed, span)));
                    at += 4 + len;
                }
                out.listed = listed;
            } else {
                let mut at = 0;
                while at < bytes.len() {
                    out.numbers.push(number(&bytes, &mut at, out.wide)?);
                }
            }
        }
        Ok(out)
    }

    /// Reads the next rows into the block, in place of those that were there.
    ///
    /// # Errors
    /// When a page is damaged.
    pub fn next(&mut self, rows: usize) -> Result<(), String> {
        self.block.clear();
        self.values.clear();
        self.spans.clear();
        if self.texts.len() > 1 {
            self.texts = self.texts.pop().into_iter().collect();
        }
        let mut wanted = rows;
        while wanted > 0 {
            if self.rest.rows == 0 {
                self.turn()?;
            }
            let n = wanted.min(self.rest.rows);
            if self.form == Form::Text {
                self.take_texts(n)?
            } else {
                self.take_numbers(n)?
            }
            self.rest.rows -= n;
            wanted -= n;
        }
        Ok(())
    }

    /// Turns the page.
    fn turn(&mut self) -> Result<(), String> {
        let Some(item) = self.pages.next() else { return wrong("a column with too few values") };
        let page = item.and_then(|p| p.decompress(&mut self.pages)).map_err(said)?;
        let rows = page.num_values();
        if rows > self.left {
            return wrong("a column with too many values");
        }
        self.left -= rows;
        let mut rest = Rest { rows, ..Rest::default() };
        let coded = matches!(page.encoding(), Encoding::PlainDictionary | Encoding::RleDictionary);
        let (levels, at) = levels(&page)?;
        let mut n = rows;
        if let Some((from, to)) = levels {
            let levels = page.buffer().get(from..to).unwrap_or(&[]);
            let there = HybridRleDecoder::new(levels, 1, rows).collect().map_err(said)?;
            if there.len() != rows {
                return wrong("a page with too few definition levels");
            }
            n = there.iter().map(|l| *l as usize).sum();
            if n != rows {
                rest.there = there;
            }
        }
        if coded {
            let values = page.buffer().get(at..).unwrap_or(&[]);
            let codes = codes(values, n)?;
            let text = self.form == Form::Text;
            let listed = if text { self.entries.len() } else { self.numbers.len() };
            if codes.iter().max().is_some_and(|c| *c as usize >= listed) {
                return wrong("a value beyond its dictionary");
            }
            rest.codes = Some(codes);
            self.pages.reuse_page_buffer(page);
        } else {
            let mut page = page;
            let mut bytes = std::mem::take(page.buffer_mut());
            rest.at = at;
            if self.form == Form::Text {
                // Levels are no text.
                bytes.iter_mut().take(at).for_each(|b| *b = 0);
                self.texts.push(one_text(bytes, at, n)?.0);
            } else {
                rest.bytes = bytes;
            }
        }
        self.rest = rest;
        Ok(())
    }

    /// Calls `value` for each of the next rows of the page that has a value, `null` for each that has none.
    fn each(
        &mut self,
        n: usize,
        mut value: impl FnMut(&mut Self) -> Result<(), String>,
        null: fn(&mut Self),
    ) -> Result<(), String> {
        if self.rest.there.is_empty() {
            for _ in 0..n {
                value(self)?;
            }
            return Ok(());
        }
        for _ in 0..n {
            let there = self.rest.there.get(self.rest.over).is_some_and(|l| *l == 1);
            self.rest.over += 1;
            if there { value(self)? } else { null(self) }
        }
        Ok(())
    }

    fn take_texts(&mut self, n: usize) -> Result<(), String> {
        if let (Some(codes), true) = (&self.rest.codes, self.rest.there.is_empty()) {
            let Some(part) = codes.get(self.rest.coded..self.rest.coded + n) else {
                return wrong("a page with too few values");
            };
            self.block.extend_from_slice(part);
            self.rest.coded += n;
            return Ok(());
        }
        if self.rest.codes.is_some() {
            return self.each(
                n,
                |c| {
                    let code = c.code()?;
                    c.block.push(code);
                    Ok(())
                },
                |c| c.block.push(NULL),
            );
        }
        let page = u32::try_from(self.texts.len()).map_err(said)? - 1;
        let listed = u32::try_from(self.entries.len()).map_err(said)?;
        let value = |c: &mut Self| {
            let bytes = c.texts.last().map_or(&[][..], |t| t.as_bytes());
            let Some(head) = bytes.get(c.rest.at..).and_then(|b| b.first_chunk::<4>()) else {
                return wrong("a page with too few values");
            };
            let len = length(*head);
            let at = c.rest.at + 4;
            c.rest.at = at + len;
            c.block.push(listed + u32::try_from(c.spans.len()).map_err(said)?);
            c.spans.push(Span { page, at: at as u32, len: len as u32 });
            Ok(())
        };
        self.each(n, value, |c| c.block.push(NULL))
    }

    fn take_numbers(&mut self, n: usize) -> Result<(), String> {
        let null = |c: &mut Self| c.values.push(NEVER);
        if self.rest.codes.is_some() {
            let value = |c: &mut Self| {
                let code = c.code()?;
                c.values.push(c.numbers.get(code as usize).copied().unwrap_or(NEVER));
                Ok(())
            };
            return self.each(n, value, null);
        }
        if self.wide && self.rest.there.is_empty() {
            let from = self.rest.at;
            let Some(part) = self.rest.bytes.get(from..from + 8 * n) else {
                return wrong("a page with too few values");
            };
            let (numbers, _) = part.as_chunks::<8>();
            self.values.extend(numbers.iter().map(long));
            self.rest.at += 8 * n;
            return Ok(());
        }
        if self.wide {
            return self.take_some(n);
        }
        let value = |c: &mut Self| {
            let x = number(&c.rest.bytes, &mut c.rest.at, c.wide)?;
            c.values.push(x);
            Ok(())
        };
        self.each(n, value, null)
    }

    /// Numbers of eight bytes, of which some rows have none.
    fn take_some(&mut self, n: usize) -> Result<(), String> {
        let rest = &mut self.rest;
        let there = rest.there.get(rest.over..rest.over + n).unwrap_or(&[]);
        let (numbers, _) = rest.bytes.get(rest.at..).unwrap_or(&[]).as_chunks::<8>();
        let mut numbers = numbers.iter();
        let mut met = 0;
        for level in there {
            let x = match level {
                1 => {
                    met += 1;
                    numbers.next().map(long)
                }
                _ => Some(NEVER),
            };
            let Some(x) = x else { return wrong("a page with too few values") };
            self.values.push(x);
        }
        rest.over += n;
        rest.at += 8 * met;
        if there.len() == n { Ok(()) } else { wrong("a page with too few levels") }
    }

    #[inline]
    fn code(&mut self) -> Result<u32, String> {
        let code = self.rest.codes.as_ref().and_then(|c| c.get(self.rest.coded).copied());
        self.rest.coded += 1;
        code.map_or_else(|| wrong("a page with too few values"), Ok)
    }

    /// What its values are.
    #[must_use]
    #[inline]
    pub fn form(&self) -> Form {
        self.form
    }

    /// Per row of the block the place of its text in the dictionary, or a larger number.
    #[must_use]
    #[inline]
    pub fn codes(&self) -> &[u32] {
        &self.block
    }

    /// Numbers of the block as they lie in the file; [`NEVER`] for none.
    #[must_use]
    #[inline]
    pub fn values(&self) -> &[i64] {
        &self.values
    }

    /// Whether a code is a place in the dictionary at which a text lies without blanks at its ends and NUL.
    #[must_use]
    #[inline]
    pub fn is_known(&self, code: u32) -> bool {
        self.entries.get(code as usize).is_some_and(|(_, plain)| *plain)
    }

    /// Place in the dictionary of a row of the block, as [`Cell::code`] gives it.
    #[must_use]
    #[inline]
    pub fn known_code(&self, row: usize) -> u32 {
        let code = self.block.get(row).copied().unwrap_or(NULL);
        if self.is_known(code) { code } else { NO_CODE }
    }

    /// Whether a row of the block has no value.
    #[must_use]
    #[inline]
    pub fn is_null(&self, row: usize) -> bool {
        match self.form {
            Form::Text => self.block.get(row).is_none_or(|c| *c == NULL),
            _ => self.values.get(row).is_none_or(|x| *x == NEVER),
        }
    }

    /// Bytes of a text that lies in no dictionary, by its code.
    #[must_use]
    #[inline]
    pub fn plain(&self, code: u32) -> Option<&[u8]> {
        let span = self.spans.get((code as usize).checked_sub(self.entries.len())?)?;
        let text = self.texts.get(span.page as usize)?;
        text.get(self.part(text, *span)?).map(str::as_bytes)
    }

    /// Text of a row of the block.
    #[must_use]
    #[inline]
    pub fn said(&self, row: usize) -> Option<&str> {
        match self.get(row) {
            Cell::Text(s) | Cell::Known(s, _) => Some(s),
            _ => None,
        }
    }

    /// Where a text lies in a page or dictionary.
    #[inline]
    fn part(&self, from: &str, s: Span) -> Option<std::ops::Range<usize>> {
        let at = s.at as usize;
        let range = at..at + s.len as usize;
        from.is_char_boundary(range.end).then_some(range)
    }

    /// The value of a row of the block.
    #[must_use]
    #[inline]
    pub fn get(&self, row: usize) -> Cell<'_> {
        if self.form == Form::Text {
            return self.text(row);
        }
        match (self.values.get(row).copied(), self.form) {
            (None | Some(NEVER), _) | (_, Form::Text) => Cell::Null,
            (Some(x), Form::Whole) => Cell::Whole(x),
            (Some(x), Form::Day) => Cell::Day(x.saturating_mul(86_400_000_000)),
            (Some(x), Form::Instant(per, wall)) => Cell::Instant(micros(x, per), wall),
        }
    }

    #[inline]
    fn text(&self, row: usize) -> Cell<'_> {
        let Some(code) = self.block.get(row).copied().filter(|c| *c != NULL) else {
            return Cell::Null;
        };
        if let Some((span, plain)) = self.entries.get(code as usize) {
            let found = self.part(&self.listed, *span).and_then(|r| self.listed.get(r));
            return match found {
                Some(s) if *plain => Cell::Known(s, code),
                Some(s) => Cell::Text(s),
                None => Cell::Null,
            };
        }
        let span = self.spans.get(code as usize - self.entries.len());
        let found = span.and_then(|s| {
            let text = self.texts.get(s.page as usize)?;
            text.get(self.part(text, *s)?)
        });
        found.map_or(Cell::Null, Cell::Text)
    }
}

/// Where the definition levels of a page lie, when it has any, and where its values begin.
fn levels(page: &DataPage) -> Result<(Option<(usize, usize)>, usize), String> {
    let bytes = page.buffer();
    let optional = page.descriptor.max_def_level > 0;
    let (from, to) = match page.header() {
        DataPageHeader::V1(_) if optional => {
            let Some(head) = bytes.first_chunk::<4>() else {
                return wrong("a page without levels");
            };
            (4, 4 + u32::from_le_bytes(*head) as usize)
        }
        DataPageHeader::V1(_) => (0, 0),
        DataPageHeader::V2(_) => return wrong("a page of the second version"),
    };
    if to > bytes.len() {
        return wrong("levels beyond the end of their page");
    }
    Ok((optional.then_some((from, to)), to))
}

/// Places in the dictionary: the width in bits, then runs.
fn codes(values: &[u8], n: usize) -> Result<Vec<u32>, String> {
    let Some((width, runs)) = values.split_first() else {
        return if n == 0 { Ok(Vec::new()) } else { wrong("a page with too few values") };
    };
    if *width > 32 {
        return wrong("places in a dictionary of more than 32 bits");
    }
    let codes = HybridRleDecoder::new(runs, u32::from(*width), n).collect().map_err(said)?;
    if codes.len() == n { Ok(codes) } else { wrong("a page with too few values") }
}

/// Length of a text, out of four bytes of seven bits.
#[inline]
fn length(head: [u8; 4]) -> usize {
    head.iter().rev().fold(0, |n, b| n << 7 | usize::from(*b & 0x7f))
}

/// Makes one text of plain values that follow each other from a place on, and says how many there are (at
/// most `n`). Their lengths are written anew in bytes of seven bits, so that the whole is UTF-8 exactly if
/// each value is, and is checked at once.
fn one_text(mut bytes: Vec<u8>, mut at: usize, n: usize) -> Result<(String, usize), String> {
    let mut met = 0;
    while met < n && at < bytes.len() {
        let Some(head) = bytes.get_mut(at..).and_then(|b| b.first_chunk_mut::<4>()) else {
            return wrong("a text that its page cuts off");
        };
        let len = u32::from_le_bytes(*head) as usize;
        if len >= 1 << 28 {
            return wrong("a text of more than 256 MiB");
        }
        if len >= 1 << 7 {
            *head = [0, 7, 14, 21].map(|by| (len >> by) as u8 & 0x7f);
        }
        at += 4 + len;
        met += 1;
    }
    if at > bytes.len() || (met < n && n != usize::MAX) {
        return wrong("a text that its page cuts off");
    }
    bytes.truncate(at);
    let text = String::from_utf8(bytes).map_err(|_| "a text that is not UTF-8".to_owned())?;
    Ok((text, met))
}

/// Whether a text is one as most are: with something in it, no blank at either end and no NUL.
fn is_plain(all: &str, s: Span) -> bool {
    let text = all.get(s.at as usize..(s.at + s.len) as usize).unwrap_or("");
    Cell::Text(text).text().is_ok_and(|t| t.is_some_and(|t| t.len() == text.len()))
}

/// Microseconds of a number, by the unit of [`Form::Instant`]. What is beyond all time stays so, and is not
/// taken for none.
#[must_use]
#[inline]
pub fn micros(x: i64, per: i64) -> i64 {
    let us = if per < 0 { x.div_euclid(-per) } else { x.saturating_mul(per) };
    us.max(NEVER + 1)
}

/// A number of eight bytes. The smallest stands for none; its neighbour is as far from every time and count.
#[inline]
fn long(bytes: &[u8; 8]) -> i64 {
    i64::from_le_bytes(*bytes).max(NEVER + 1)
}

#[inline]
fn number(bytes: &[u8], at: &mut usize, wide: bool) -> Result<i64, String> {
    let rest = bytes.get(*at..).unwrap_or(&[]);
    let found = if wide {
        *at += 8;
        rest.first_chunk().map(long)
    } else {
        *at += 4;
        rest.first_chunk().map(|b| i64::from(i32::from_le_bytes(*b)))
    };
    found.map_or_else(|| wrong("a page with too few values"), Ok)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use polars::prelude::*;
    use proptest::prelude::{Strategy, any, prop_assert, prop_assert_eq, prop_oneof, proptest};

    use super::*;

    /// A unit that does not fit ends before all time, where no reader takes it, and not as no value.
    #[test]
    fn an_instant_beyond_all_time_is_not_none() {
        for per in [-1000, 1, 1000] {
            for x in [NEVER + 1, NEVER / 2, i64::MAX] {
                assert_ne!(micros(x, per), NEVER, "{x} {per}");
            }
        }
        assert_eq!((micros(-1, -1000), micros(2, 1000)), (-1, 2000));
    }

    type Row = (Option<String>, String, Option<i64>, i32, Option<i64>);

    /// By column and row.
    type Texts = Vec<Vec<Option<String>>>;

    fn frame(rows: &[Row]) -> DataFrame {
        let few: Vec<Option<&str>> = rows.iter().map(|r| r.0.as_deref()).collect();
        let many: Vec<&str> = rows.iter().map(|r| r.1.as_str()).collect();
        let number: Vec<Option<i64>> = rows.iter().map(|r| r.2).collect();
        let day: Vec<i32> = rows.iter().map(|r| r.3).collect();
        let at: Vec<Option<i64>> = rows.iter().map(|r| r.4).collect();
        let day = Series::new("day".into(), day).cast(&DataType::Date).unwrap();
        let time = DataType::Datetime(TimeUnit::Microseconds, None);
        let at = Series::new("at".into(), at).cast(&time).unwrap();
        DataFrame::new(
            rows.len(),
            vec![
                Series::new("few".into(), few).into(),
                Series::new("many".into(), many).into(),
                Series::new("number".into(), number).into(),
                day.into(),
                at.into(),
            ],
        )
        .unwrap()
    }

    fn written(frame: &mut DataFrame, page: usize, compression: ParquetCompression) -> Vec<u8> {
        let mut out = Vec::new();
        ParquetWriter::new(&mut out)
            .with_compression(compression)
            .with_row_group_size(Some(700))
            .with_data_page_size(Some(page))
            .finish(frame)
            .unwrap();
        out
    }

    /// Every cell in the words that an adapter would be given, and how many texts were of a dictionary.
    fn read(bytes: &[u8], block: usize) -> Result<(Texts, usize), String> {
        let mut reader = ParquetReader::new(Cursor::new(bytes));
        let footer = Arc::clone(reader.get_metadata().map_err(said)?);
        let forms = [Form::Text, Form::Text, Form::Whole, Form::Day, Form::Instant(1, true)];
        let (mut out, mut known) = (vec![Vec::new(); forms.len()], 0);
        for group in &footer.row_groups {
            for ((chunk, form), out) in group.parquet_columns().iter().zip(forms).zip(&mut out) {
                let range = chunk.byte_range();
                let part = bytes.get(range.start as usize..range.end as usize);
                let part = Buffer::from(part.ok_or("a chunk outside of the file")?.to_vec());
                if !fits(&part, chunk, form)? {
                    return Err("not of the plain kind".into());
                }
                let mut column = super::Column::open(&part, chunk, form, group.num_rows())?;
                for from in (0..group.num_rows()).step_by(block) {
                    let n = block.min(group.num_rows() - from);
                    column.next(n)?;
                    for row in 0..n {
                        let cell = column.get(row);
                        known += usize::from(matches!(cell, Cell::Known(..)));
                        out.push(cell.shown().map(|s| s.into_owned()));
                    }
                }
            }
        }
        Ok((out, known))
    }

    fn by_polars(frame: &DataFrame) -> Texts {
        frame.columns().iter().map(|c| crate::ingest::parquet::as_text(c, false).unwrap()).collect()
    }

    fn row() -> impl Strategy<Value = Row> {
        let few = proptest::option::of(prop_oneof![
            proptest::strategy::Just("role/reader".to_owned()),
            proptest::strategy::Just(" blank ".to_owned()),
            proptest::strategy::Just("é\0".to_owned()),
            proptest::strategy::Just("x".repeat(300)),
            proptest::strategy::Just(String::new()),
        ]);
        let many = prop_oneof!["[a-zé\u{0}]{0,9}", "[a-z]{120,140}"];
        let number = proptest::option::of(prop_oneof![
            0i64..9,
            any::<i64>().prop_map(|n| n.max(i64::MIN + 1))
        ]);
        (few, many, number, -40_000i32..40_000, proptest::option::of(0i64..4_000_000_000_000_000))
    }

    proptest! {
        #![proptest_config(proptest::prelude::ProptestConfig { cases: 48, ..Default::default() })]

        /// Page by page or through Polars: the same cells, however the file and the blocks are cut.
        #[test]
        fn pages_give_what_polars_gives(
            rows in proptest::collection::vec(row(), 1..1500),
            page in 64usize..4000,
            block in 1usize..900,
            packed in any::<bool>(),
        ) {
            let mut frame = frame(&rows);
            let how = if packed { ParquetCompression::Zstd(None) } else { ParquetCompression::Uncompressed };
            let bytes = written(&mut frame, page, how);
            let (cells, _) = read(&bytes, block).unwrap();
            prop_assert_eq!(cells, by_polars(&frame));
        }

        /// A damaged file gives an error or other values, and never a panic.
        #[test]
        fn damage_is_an_error(
            rows in proptest::collection::vec(row(), 1..60),
            at in any::<proptest::sample::Index>(),
            with in any::<u8>(),
        ) {
            let mut frame = frame(&rows);
            let mut bytes = written(&mut frame, 300, ParquetCompression::Uncompressed);
            // The footer is for the library to read.
            let data = bytes.len() - 8 - u32::from_le_bytes(*bytes[..bytes.len() - 4].last_chunk().unwrap()) as usize;
            let at = at.index(data);
            bytes[at] = with;
            prop_assert!(read(&bytes, 100).is_ok_and(|(cells, _)| cells.len() == 5) || read(&bytes, 100).is_err());
        }
    }

    /// Both ways in which texts lie are met: else the tests above would show nothing of one.
    #[test]
    fn dictionaries_and_plain_pages_are_met() {
        let rows: Vec<Row> = (0..900)
            .map(|i| (Some("role/reader".into()), format!("grant-{i}"), Some(i), 0, Some(i)))
            .collect();
        let bytes = written(&mut frame(&rows), 1000, ParquetCompression::Zstd(None));
        let (cells, known) = read(&bytes, 128).unwrap();
        assert_eq!(cells[1].len(), 900);
        assert_eq!(known, 900, "one column of text has a dictionary, the other has none");
    }
}
