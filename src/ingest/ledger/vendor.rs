//! What adapters of vendor logs in JSON share: records out of their envelopes, fields with names in
//! error messages, recognition by content.

use serde_json::Value;

use super::history::{History, Style};
use crate::facts::time::{parse_duration, parse_time};
use crate::facts::{Layer, Text, Time, text};
use crate::ingest::records::{self, Place, json_message};
use crate::ingest::source::{Adapter, Batch, Context, IngestError, Input, Match, Probe, Shape};
use crate::ingest::{detect, reader, table};

/// An adapter for a log or export that is JSON.
#[derive(Clone, Copy, Debug)]
pub struct JsonAdapter {
    /// Stable id.
    pub format: &'static str,
    /// What it is.
    pub title: &'static str,
    /// Layer it feeds.
    pub layer: Layer,
    /// Whether a file is of this format.
    pub recognise: fn(&Probe<'_>) -> bool,
    /// How the system's log is read.
    pub style: Style,
    /// Reads one record.
    pub record: Record,
}

/// Reads one record into the history of the file, or says why it cannot be read.
pub type Record = fn(Doc<'_>, &Text, &mut History, &mut Batch) -> Result<(), String>;

impl Adapter for JsonAdapter {
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
        (self.recognise)(probe).then_some(Match::Specific)
    }

    fn read(&self, input: &Input, ctx: &Context<'_>, batch: &mut Batch) -> Result<(), IngestError> {
        let _ = ctx;
        let mut history = History::default();
        each(input, batch, &mut |doc, place, batch| {
            (self.record)(doc, place, &mut history, batch)
        })?;
        history.finish(&self.style, batch);
        Ok(())
    }
}

/// Keys under which APIs and exporters put the list of records of a page.
const LISTS: [&str; 11] = [
    "value",
    "data",
    "events",
    "grants",
    "installations",
    "records",
    "items",
    "entries",
    "Records",
    "activities",
    "role_assignments",
];

/// A JSON object that can be pointed into.
#[derive(Clone, Copy, Debug)]
pub struct Doc<'v>(pub &'v Value);

impl<'v> Doc<'v> {
    /// Value at a path of keys joined with `/` (`actor/user/id`). Null is absent.
    #[must_use]
    pub fn at(self, path: &str) -> Option<&'v Value> {
        let mut v = self.0;
        for key in path.split('/') {
            v = v.get(key)?;
        }
        (!v.is_null()).then_some(v)
    }

    /// Text at a path; blank is absent.
    #[must_use]
    pub fn str(self, path: &str) -> Option<&'v str> {
        self.at(path)?.as_str().map(str::trim).filter(|s| !s.is_empty())
    }

    /// Text of the first path that has one.
    #[must_use]
    pub fn first(self, paths: &[&str]) -> Option<&'v str> {
        paths.iter().find_map(|p| self.str(p))
    }

    /// Text or number at a path, as text.
    #[must_use]
    pub fn id(self, path: &str) -> Option<String> {
        match self.at(path)? {
            Value::String(s) => Some(s.trim().to_owned()).filter(|s| !s.is_empty()),
            Value::Number(n) => Some(n.to_string()),
            _ => None,
        }
    }

    /// Text at a path as a fact.
    #[must_use]
    pub fn text(self, path: &str) -> Option<Text> {
        self.str(path).map(text)
    }

    /// True or false at a path.
    #[must_use]
    pub fn flag(self, path: &str) -> Option<bool> {
        self.at(path)?.as_bool()
    }

    /// Elements of a list at a path.
    pub fn list(self, path: &str) -> impl Iterator<Item = Doc<'v>> + use<'v> {
        self.at(path).and_then(Value::as_array).map_or(&[][..], Vec::as_slice).iter().map(Doc)
    }

    /// Time at a path: text in any known format, or an epoch number.
    ///
    /// # Errors
    /// When there is a value that is no time; the message names the field.
    pub fn time(self, path: &str) -> Result<Option<Time>, String> {
        let Some(value) = self.at(path) else { return Ok(None) };
        let written = match value {
            Value::String(s) => s.clone(),
            Value::Number(n) => n.to_string(),
            _ => return Err(format!("`{path}` is neither a text nor a number")),
        };
        parse_time(&written)
            .map(|p| p.map(|p| p.lo))
            .map_err(|e| format!("`{path}` is `{}`: {e}", table::short(&written)))
    }

    /// Time that must be there.
    ///
    /// # Errors
    /// When it is missing or no time.
    pub fn need_time(self, path: &str) -> Result<Time, String> {
        self.time(path)?.ok_or_else(|| format!("`{path}` is missing"))
    }

    /// Text that must be there.
    ///
    /// # Errors
    /// When it is missing.
    pub fn need(self, path: &str) -> Result<&'v str, String> {
        self.str(path).ok_or_else(|| format!("`{path}` is missing"))
    }

    /// Duration in whole seconds at a path (`2700s`, `PT8H`).
    ///
    /// # Errors
    /// When there is a text that is no duration.
    pub fn duration(self, path: &str) -> Result<Option<i64>, String> {
        let Some(s) = self.str(path) else { return Ok(None) };
        parse_duration(s, 1.0)
            .map(Some)
            .ok_or_else(|| format!("`{path}` is `{}`: not a duration", table::short(s)))
    }
}

/// Calls `each` with every record of a file: NDJSON as a stream, arrays, and pages of an API
/// (`{"value": [...]}`). A record inside an exporter's envelope (`{"event": {...}}`) is taken out. A
/// record that `each` refuses goes to quarantine. Nesting is bounded by the JSON reader (128 levels).
///
/// # Errors
/// When the file as a whole cannot be read.
pub fn each(
    input: &Input,
    batch: &mut Batch,
    each: &mut dyn FnMut(Doc<'_>, &Text, &mut Batch) -> Result<(), String>,
) -> Result<(), IngestError> {
    let (head, complete) = reader::head(input)?;
    let shape = detect::detect(&head, complete).shape;
    records::each(input, shape, batch, &mut |place: &Place, raw, batch| {
        let whole = shape == Shape::JsonObject;
        let at = if whole { String::new() } else { place.to_string() };
        match serde_json::from_str::<Value>(raw) {
            Err(e) => batch.quarantine(place.to_string(), json_message(&e)),
            Ok(value) => record(&value, &at, batch, each),
        }
        Ok(())
    })
}

/// One record, or the records of one page.
fn record(
    value: &Value,
    at: &str,
    batch: &mut Batch,
    each: &mut dyn FnMut(Doc<'_>, &Text, &mut Batch) -> Result<(), String>,
) {
    let mut one = |value: &Value, at: String, batch: &mut Batch| {
        let place = text(if at.is_empty() { "L1" } else { &at });
        if !value.is_object() {
            batch.quarantine(&place, "not a JSON object");
        } else if let Err(reason) = each(Doc(unwrapped(value)), &place, batch) {
            batch.quarantine(&place, reason);
        }
    };
    let list = LISTS.iter().find_map(|k| Some((k, value.get(k)?.as_array()?)));
    match list {
        // A page has nothing of a record beside its list.
        Some((key, list)) if is_page(value) => {
            // The page itself was counted as one record.
            batch.records += i64::try_from(list.len()).unwrap_or(i64::MAX) - 1;
            for (i, v) in list.iter().enumerate() {
                one(v, format!("{at}/{key}/{i}"), batch);
            }
            if ["@odata.nextLink", "nextLink", "nextPageToken", "next_page"]
                .iter()
                .any(|k| value.get(k).and_then(Value::as_str).is_some_and(|s| !s.is_empty()))
                || value.get("has_more").and_then(Value::as_bool) == Some(true)
            {
                batch.completeness = crate::facts::Completeness::Truncated;
                batch.limitation =
                    Some(text("a page names a next one; whether it is there is not known"));
            }
        }
        _ => one(value, at.to_owned(), batch),
    }
}

/// Whether an object is the page of an API: it holds a list and neither an identity nor a time.
fn is_page(value: &Value) -> bool {
    !["id", "uuid", "time", "timestamp", "created_at", "eventType", "action", "name"]
        .iter()
        .any(|k| value.get(k).is_some())
}

/// The record inside an exporter's envelope.
fn unwrapped(value: &Value) -> &Value {
    match value.get("event") {
        Some(inner) if inner.is_object() => inner,
        _ => value,
    }
}

/// Bytes of the head that [`mentions`] looks at.
const LOOK: usize = 64 * 1024;

/// Whether a JSON file mentions all of these texts near its begin.
#[must_use]
pub fn mentions(probe: &Probe<'_>, all: &[&str]) -> bool {
    matches!(probe.shape, Shape::JsonObject | Shape::JsonArray | Shape::Ndjson)
        && all.iter().all(|word| contains(probe, word))
}

/// Whether a file mentions a text near its begin.
#[must_use]
pub fn contains(probe: &Probe<'_>, word: &str) -> bool {
    let head = probe.head.get(..LOOK).unwrap_or(probe.head);
    let word = word.as_bytes();
    let Some(first) = word.first() else { return true };
    head.iter()
        .enumerate()
        .filter(|(_, b)| *b == first)
        .any(|(i, _)| head.get(i..).is_some_and(|rest| rest.starts_with(word)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ingest::reader::tests::file;

    fn places(content: &str) -> (Vec<(String, Option<String>)>, i64, usize) {
        let (_dir, input) = file("x.json", content.as_bytes());
        let mut batch = Batch::new(&text("S1"));
        let mut seen = Vec::new();
        each(&input, &mut batch, &mut |d, at, _| {
            seen.push((at.to_string(), d.id("id")));
            Ok(())
        })
        .unwrap();
        (seen, batch.records, batch.facts.quarantine.len())
    }

    #[test]
    fn records_come_out_of_every_envelope() {
        let id = |s: &str| Some(s.to_owned());
        for (content, want) in [
            ("{\"id\":1,\"x\":2}\n{\"id\":\"b\"}\n", vec![("L1", id("1")), ("L2", id("b"))]),
            ("[{\"id\":1},{\"event\":{\"id\":2}}]", vec![("/0", id("1")), ("/1", id("2"))]),
            (
                "{\"value\":[{\"id\":1},{\"id\":2}]}",
                vec![("/value/0", id("1")), ("/value/1", id("2"))],
            ),
            ("{\"id\":7,\"events\":[{\"id\":1}]}", vec![("L1", id("7"))]),
        ] {
            let (seen, records, _) = places(content);
            let want: Vec<_> = want.into_iter().map(|(p, i)| (p.to_owned(), i)).collect();
            assert_eq!(seen, want, "{content}");
            assert_eq!(records, i64::try_from(seen.len()).unwrap());
        }
    }

    #[test]
    fn records_that_are_none_are_quarantined() {
        let deep = "[".repeat(5000) + &"]".repeat(5000);
        let (seen, records, bad) =
            places(&format!("{{\"id\":1}}\n17\n{{\"x\":{deep}}}\nnot json\n"));
        assert_eq!((seen.len(), records, bad), (1, 4, 3));
    }

    #[test]
    fn a_page_with_a_next_one_is_truncated() {
        let (_dir, input) =
            file("x.json", br#"{"@odata.nextLink":"https://x","value":[{"id":1}]}"#);
        let mut batch = Batch::new(&text("S1"));
        each(&input, &mut batch, &mut |_, _, _| Ok(())).unwrap();
        assert_eq!(batch.completeness, crate::facts::Completeness::Truncated);
    }
}
