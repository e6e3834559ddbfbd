//! What the adapters of task systems share: documents cut into records, look-ups in them, and the
//! rule that a record counts as a whole or not at all.
//!
//! A file is one JSON document, a page with a list of records, an array, NDJSON, or (Kubernetes
//! kinds) YAML documents. A record is decoded alone, so that memory is bounded by the largest record
//! and a bad record costs itself only; the parser bounds nesting.

use std::collections::BTreeMap;

use serde_json::Value;
use serde_json::value::RawValue;

use crate::facts::time::{ParsedTime, parse_time};
use crate::facts::{Completeness, Delegation, Layer, Task, Text, Time, text};
use crate::ingest::records::{self, Place, json_message};
use crate::ingest::source::{Adapter, Batch, Context, IngestError, Input, Match, Probe, Shape};
use crate::ingest::{detect, reader};

/// A format whose records are read one by one.
pub struct TaskFormat {
    /// Stable id.
    pub format: &'static str,
    /// Title.
    pub title: &'static str,
    /// Whether a file is of this format, by keys that only this format has.
    pub recognise: fn(&Probe<'_>) -> bool,
    /// Keys of a page under which its records lie.
    pub lists: &'static [&'static str],
    /// Reads one record; `false` when it is about something else.
    pub record: fn(&Value, &mut Sink) -> Result<bool, String>,
}

impl std::fmt::Debug for TaskFormat {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TaskFormat").field("format", &self.format).finish_non_exhaustive()
    }
}

impl Adapter for TaskFormat {
    fn format(&self) -> &'static str {
        self.format
    }

    fn title(&self) -> &'static str {
        self.title
    }

    fn layer(&self) -> Layer {
        Layer::Task
    }

    fn recognise(&self, probe: &Probe<'_>) -> Option<Match> {
        (self.recognise)(probe).then_some(Match::Specific)
    }

    fn read(&self, input: &Input, _: &Context<'_>, batch: &mut Batch) -> Result<(), IngestError> {
        let (head, complete) = reader::head(input)?;
        let shape = detect::detect(&head, complete).shape;
        let mut notes = Notes::default();
        if is_json(shape) {
            records::each(input, shape, batch, &mut |place, raw, batch| {
                self.document(raw, &above(shape, place), batch, &mut notes);
                Ok(())
            })?;
        } else {
            self.yaml(input, batch, &mut notes)?;
        }
        notes.state(batch);
        Ok(())
    }
}

/// Whether the content is JSON of any arrangement.
#[must_use]
pub fn is_json(shape: Shape) -> bool {
    matches!(shape, Shape::JsonObject | Shape::JsonArray | Shape::Ndjson)
}

/// Pointer of a record; the document itself has none.
fn above(shape: Shape, place: &Place) -> String {
    if shape == Shape::JsonObject { String::new() } else { place.to_string() }
}

/// What the pages in a file say of pages that are not in it.
#[derive(Debug, Default)]
pub struct Pages {
    /// Records listed, by the number of records that pages say there are.
    counted: BTreeMap<u64, u64>,
    /// Whether the last page names a next one.
    more: bool,
}

impl Pages {
    /// Takes a page: records in it, records that it says there are, and whether it names a next page.
    pub fn add(&mut self, here: usize, total: Option<u64>, more: bool) {
        if let Some(total) = total {
            *self.counted.entry(total).or_default() += here as u64;
        }
        self.more = more;
    }

    /// What is missing, in words; `None` where nothing says that anything is.
    #[must_use]
    pub fn missing(&self) -> Option<String> {
        // Pages of one query say the same number.
        let short = self.counted.iter().rev().find(|(total, here)| here < total);
        match short {
            Some((total, here)) => {
                Some(format!("{here} of {total} records are listed; the rest is not in the file"))
            }
            None => self
                .more
                .then(|| "the last page names a next one, which is not in the file".to_owned()),
        }
    }

    /// States in the batch what is missing.
    pub fn state(&self, batch: &mut Batch) {
        let Some(why) = self.missing() else { return };
        batch.completeness = Completeness::Truncated;
        batch.limitation = Some(match batch.limitation.take() {
            Some(said) => text(format!("{said}; {why}")),
            None => text(why),
        });
    }
}

/// What is said about a source as a whole.
#[derive(Debug, Default)]
struct Notes {
    /// Records about other things.
    other: u64,
    /// What the pages say.
    pages: Pages,
}

impl Notes {
    fn state(&self, batch: &mut Batch) {
        if self.other > 0 {
            batch.limitation = Some(text(format!("{} records are of other kinds", self.other)));
        }
        self.pages.state(batch);
    }
}

/// The list of a page, and what the page says about further pages.
#[derive(Default)]
struct Page<'r> {
    list: Option<(String, Vec<&'r RawValue>)>,
    total: Option<u64>,
    more: bool,
}

impl<'r> Page<'r> {
    fn of(raw: &'r str, lists: &[&str]) -> Result<Self, String> {
        let mut page = Self::default();
        records::object(raw, &mut |key, value| {
            if lists.contains(&key) && value.starts_with('[') {
                let list: Vec<&'r RawValue> =
                    serde_json::from_str(value).map_err(|e| json_message(&e))?;
                // Of two lists the one with records is the page's.
                if page.list.as_ref().is_none_or(|(_, have)| have.is_empty()) {
                    page.list = Some((key.to_owned(), list));
                }
            }
            match key {
                "total" | "total_count" | "total_entries" => page.total = value.parse().ok(),
                "isLast" => page.more |= value == "false",
                "next_page_token" | "nextPageToken" | "nextCursor" => {
                    page.more |= !matches!(value, "null" | "\"\"");
                }
                "metadata" => page.more |= continues(value),
                _ => {}
            }
            Ok(())
        })?;
        Ok(page)
    }
}

/// Whether the metadata of a Kubernetes list say that more items follow.
fn continues(metadata: &str) -> bool {
    let mut more = false;
    let read = records::object(metadata, &mut |key, value| {
        more |= key == "continue" && !matches!(value, "null" | "\"\"");
        Ok(())
    });
    read.is_ok() && more
}

impl TaskFormat {
    /// Reads a page or a record.
    fn document(&self, raw: &str, above: &str, batch: &mut Batch, notes: &mut Notes) {
        let page =
            if self.lists.is_empty() { Ok(Page::default()) } else { Page::of(raw, self.lists) };
        let page = match page {
            Ok(page) => page,
            Err(reason) => return batch.quarantine(place_or_root(above), reason),
        };
        let Some((key, list)) = page.list else {
            return self.one(raw, place_or_root(above), batch, notes);
        };
        // A page counts as so many records as it lists.
        batch.records += i64::try_from(list.len()).unwrap_or(i64::MAX) - 1;
        notes.pages.add(list.len(), page.total, page.more);
        for (i, element) in list.iter().enumerate() {
            self.one(element.get(), format!("{above}/{key}/{i}"), batch, notes);
        }
    }

    fn one(&self, raw: &str, place: String, batch: &mut Batch, notes: &mut Notes) {
        match serde_json::from_str::<Value>(raw) {
            Ok(value) => self.value(&value, place, batch, notes),
            Err(e) => batch.quarantine(place, json_message(&e)),
        }
    }

    fn value(&self, value: &Value, place: String, batch: &mut Batch, notes: &mut Notes) {
        let mut sink = Sink::new(place, batch.source_id.clone());
        let read = if value.is_object() {
            (self.record)(value, &mut sink)
        } else {
            Err("not an object".to_owned())
        };
        match read {
            Ok(known) => {
                notes.other += u64::from(!known);
                sink.keep(batch);
            }
            Err(reason) => batch.quarantine(sink.place, reason),
        }
    }

    /// YAML documents one by one: those of `---` streams, and lists of Kubernetes objects.
    fn yaml(&self, input: &Input, batch: &mut Batch, notes: &mut Notes) -> Result<(), IngestError> {
        let bytes = reader::read_all(input)?;
        let Ok(whole) = std::str::from_utf8(&bytes) else {
            return Err(IngestError::Malformed {
                file: input.name.clone(),
                place: "file".into(),
                message: "not UTF-8 text".into(),
            });
        };
        for (line, document) in yaml_documents(whole) {
            batch.records += 1;
            let place = format!("L{line}");
            // `n`, `no` and `on` are names here, as Kubernetes reads them.
            let options = serde_saphyr::options! { strict_booleans: true };
            let value = match serde_saphyr::from_str_with_options::<Value>(document, options) {
                Ok(value) => value,
                Err(e) => {
                    let message = e.to_string();
                    let first = message.lines().next().unwrap_or("unreadable");
                    batch.quarantine(place, format!("not YAML of a known form: {first}"));
                    continue;
                }
            };
            match value.get("items").and_then(Value::as_array) {
                Some(items) => {
                    batch.records += i64::try_from(items.len()).unwrap_or(i64::MAX) - 1;
                    for (i, item) in items.iter().enumerate() {
                        self.value(item, format!("{place}/items/{i}"), batch, notes);
                    }
                }
                None => self.value(&value, place, batch, notes),
            }
        }
        Ok(())
    }
}

/// Documents of a YAML stream with their first line; a `---` at the start of a line always separates.
pub(crate) fn yaml_documents(whole: &str) -> Vec<(usize, &str)> {
    let mut out = Vec::new();
    let (mut start, mut first, mut at) = (0usize, 1usize, 0usize);
    for (i, line) in whole.split_inclusive('\n').enumerate() {
        if line.starts_with("---") && line.get(3..).is_some_and(|r| r.trim().is_empty()) {
            out.push((first, whole.get(start..at).unwrap_or("")));
            start = at + line.len();
            first = i + 2;
        }
        at += line.len();
    }
    out.push((first, whole.get(start..).unwrap_or("")));
    let blank = |l: &str| l.trim().is_empty() || l.trim_start().starts_with('#');
    out.retain(|(_, d)| !d.lines().all(blank));
    out
}

fn place_or_root(above: &str) -> String {
    if above.is_empty() { "L1".to_owned() } else { above.to_owned() }
}

/// What one record yields. It is kept as a whole, once the record has been read to its end.
#[derive(Debug)]
pub struct Sink {
    /// Place of the record.
    pub place: String,
    source_id: Text,
    tasks: Vec<Task>,
    delegations: Vec<Delegation>,
    seen: Vec<Time>,
    zoneless: i64,
    bad: Vec<(String, String)>,
}

impl Sink {
    /// Empty sink for the record at a place.
    #[must_use]
    pub fn new(place: String, source_id: Text) -> Self {
        Self {
            place,
            source_id,
            tasks: Vec::new(),
            delegations: Vec::new(),
            seen: Vec::new(),
            zoneless: 0,
            bad: Vec::new(),
        }
    }

    /// A time of the record; `None` when it has none. It widens the span of the source.
    ///
    /// # Errors
    /// When there is a value that is no time.
    pub fn time(&mut self, record: &Value, path: &str) -> Result<Option<Time>, String> {
        let parsed = time_at(record, path)?;
        if let Some(p) = parsed {
            self.seen.push(p.lo);
            self.zoneless += i64::from(p.zoneless);
        }
        Ok(parsed.map(|p| p.lo))
    }

    /// Notes an instant of the record.
    pub fn see(&mut self, t: Option<Time>) {
        self.seen.extend(t);
    }

    /// Notes that times of the record had no zone.
    pub fn zoneless(&mut self, n: i64) {
        self.zoneless += n;
    }

    /// Reads the elements of a list of the record; a bad element costs itself only.
    pub fn parts(
        &mut self,
        record: &Value,
        path: &str,
        read: &mut dyn FnMut(&Value, &mut Self) -> Result<(), String>,
    ) {
        for (i, part) in list(record, path).iter().enumerate() {
            let mark = (self.tasks.len(), self.delegations.len());
            let place = format!("{}/{}/{i}", self.place, path.replace('.', "/"));
            let outer = std::mem::replace(&mut self.place, place);
            let result = read(part, self);
            let place = std::mem::replace(&mut self.place, outer);
            if let Err(reason) = result {
                self.tasks.truncate(mark.0);
                self.delegations.truncate(mark.1);
                self.bad.push((place, reason));
            }
        }
    }

    /// Adds a task; its names are put in order.
    pub fn task(&mut self, mut task: Task) {
        task.other_ids.retain(|id| *id != task.task_id && !id.is_empty());
        task.other_ids.sort();
        task.other_ids.dedup();
        task.source_id = self.source_id.clone();
        task.source_ref = text(&self.place);
        self.tasks.push(task);
    }

    /// Adds a hop of acting on behalf of another identity.
    pub fn delegation(&mut self, d: Delegation) {
        self.delegations.push(Delegation {
            source_id: self.source_id.clone(),
            source_ref: text(&self.place),
            ..d
        });
    }

    /// Puts what was read into the batch.
    pub fn keep(self, batch: &mut Batch) {
        for t in self.seen {
            batch.see(t);
        }
        batch.ambiguous_times += self.zoneless;
        batch.facts.tasks.extend(self.tasks);
        batch.facts.delegations.extend(self.delegations);
        for (place, reason) in self.bad {
            // A part that cannot be read is a record of its own.
            batch.records += 1;
            batch.quarantine(place, reason);
        }
    }
}

/// Value at a path of keys joined with `.`; null is absent.
#[must_use]
pub fn at<'v>(record: &'v Value, path: &str) -> Option<&'v Value> {
    let mut value = record;
    for key in path.split('.') {
        value = value.get(key)?;
    }
    (!value.is_null()).then_some(value)
}

/// Text, number or boolean at a path, as text without blanks around it; empty is absent.
#[must_use]
pub fn word(record: &Value, path: &str) -> Option<String> {
    let word = match at(record, path)? {
        Value::String(s) => s.trim().to_owned(),
        Value::Number(n) => n.to_string(),
        Value::Bool(b) => b.to_string(),
        _ => return None,
    };
    (!word.is_empty()).then_some(word)
}

/// The first of several paths that holds a word.
#[must_use]
pub fn first_word(record: &Value, paths: &[&str]) -> Option<String> {
    paths.iter().find_map(|p| word(record, p))
}

/// Word at a path that must be there.
///
/// # Errors
/// When it is not.
pub fn need(record: &Value, path: &str) -> Result<String, String> {
    word(record, path).ok_or_else(|| format!("`{path}` is missing"))
}

/// Whether the boolean at a path is true.
#[must_use]
pub fn is_true(record: &Value, path: &str) -> bool {
    at(record, path).and_then(Value::as_bool).unwrap_or(false)
}

/// List at a path, empty when there is none.
#[must_use]
pub fn list<'v>(record: &'v Value, path: &str) -> &'v [Value] {
    at(record, path).and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

fn time_at(record: &Value, path: &str) -> Result<Option<ParsedTime>, String> {
    match at(record, path) {
        None => Ok(None),
        Some(Value::String(_) | Value::Number(_)) => match word(record, path) {
            None => Ok(None),
            Some(w) => parse_time(&w)
                .map_err(|e| format!("`{path}` is `{}`: {e}", crate::ingest::table::short(&w))),
        },
        Some(_) => Err(format!("`{path}` is no time")),
    }
}

/// Whether the head of a file holds a text.
#[must_use]
pub fn head_has(probe: &Probe<'_>, needle: &str) -> bool {
    let n = needle.as_bytes();
    !n.is_empty() && probe.head.windows(n.len()).any(|w| w == n)
}

/// Whether the head of a file holds `"key": "value"` (JSON, any blanks) or `key: value` (YAML).
#[must_use]
pub fn head_says(probe: &Probe<'_>, key: &str, value: &str) -> bool {
    let head = String::from_utf8_lossy(probe.head);
    head.match_indices(key).any(|(i, _)| {
        let rest = head.get(i + key.len()..).unwrap_or("");
        let rest = rest.strip_prefix('"').unwrap_or(rest).trim_start();
        let Some(rest) = rest.strip_prefix(':') else { return false };
        let rest = rest.trim_start();
        let rest = rest.strip_prefix('"').unwrap_or(rest);
        rest.strip_prefix(value)
            .is_some_and(|r| r.is_empty() || r.starts_with(['"', '\n', '\r', ' ', ',', '}']))
    })
}

/// Address without a slash at its end.
#[must_use]
pub fn address(url: &str) -> &str {
    url.trim_end_matches('/')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn streams_of_yaml_are_cut_at_their_markers() {
        let docs = yaml_documents("# a\n---\na: 1\n---\n\n---\nb: |\n  ---\n  x\n");
        assert_eq!(docs, [(3, "a: 1\n"), (7, "b: |\n  ---\n  x\n")]);
    }
}
