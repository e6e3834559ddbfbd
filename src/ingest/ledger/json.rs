//! Reading JSON records of brokers: typed access to fields, with errors that name the field.
//!
//! A field of another type than the format has is an error of the record, not an absent field.

use serde_json::{Map, Value};

use super::fold::Event;
use crate::facts::time::{ParsedTime, parse_duration, parse_time};
use crate::facts::{
    Approval, ApprovalMethod, Credential, Entitlement, EventKind, Grant, Layer, Text, Time, Usage,
    Verdict, text,
};
use crate::ingest::records::{self, Place, json_message};
use crate::ingest::source::{Adapter, Batch, Context, IngestError, Input, Match, Probe, Shape};
use crate::ingest::table::short;
use crate::ingest::tasks::document::Pages;
use crate::ingest::{detect, reader};

/// A ledger whose exports and logs are JSON records.
#[derive(Debug)]
pub struct JsonLedger {
    /// Format id.
    pub format: &'static str,
    /// Title.
    pub title: &'static str,
    /// Keys under which lists of records come from the API (`items`, `requests`).
    pub lists: &'static [&'static str],
    /// Lines may have something in front of the record, such as a syslog cookie.
    pub prefixed: bool,
    /// Keys of which a record of this format has all of one set; what else is looked at only then.
    pub keys: &'static [&'static [&'static str]],
    /// Words that only this format has, where the first record need not show what the file is.
    pub hints: &'static [&'static str],
    /// Whether a record is of this format. Of a document that is larger than the head, the values are
    /// null.
    pub is: fn(&Doc<'_>) -> bool,
    /// Reads one record; `false` when it is about something else than access.
    pub read: fn(&Record<'_>, &mut Batch) -> Result<bool, String>,
}

impl Adapter for JsonLedger {
    fn format(&self) -> &'static str {
        self.format
    }

    fn title(&self) -> &'static str {
        self.title
    }

    fn layer(&self) -> Layer {
        Layer::Ledger
    }

    fn recognise(&self, probe: &Probe<'_>) -> Option<Match> {
        let json = matches!(probe.shape, Shape::JsonObject | Shape::JsonArray | Shape::Ndjson);
        let found = if json {
            self.is_first(probe)
        } else {
            self.prefixed && probe.shape == Shape::Text && self.is_prefixed(probe.head)
        };
        found.then_some(Match::Specific)
    }

    fn read(&self, input: &Input, ctx: &Context<'_>, batch: &mut Batch) -> Result<(), IngestError> {
        let _ = ctx;
        let (head, complete) = reader::head(input)?;
        let shape = match detect::detect(&head, complete).shape {
            Shape::Text if self.prefixed => Shape::Ndjson,
            shape => shape,
        };
        let mut other = 0u64;
        let mut pages = Pages::default();
        records::each(input, shape, batch, &mut |place, raw, batch| {
            let raw = if self.prefixed { unprefixed(raw) } else { raw };
            match self.document(place, raw, &mut pages, batch) {
                Ok(others) => other += others,
                Err(reason) => batch.quarantine(place.to_string(), reason),
            }
            Ok(())
        })?;
        if other > 0 && batch.limitation.is_none() {
            let says = format!("{other} records are about other things than access");
            batch.limitation = Some(text(says));
        }
        pages.state(batch);
        Ok(())
    }
}

/// Whether a page of an API names a next one: by a token, a cursor, an address or a word.
fn names_next(page: &Map<String, Value>) -> bool {
    const NEXT: [&str; 6] =
        ["next", "next_page_token", "nextPageToken", "nextCursor", "next_cursor", "nextLink"];
    NEXT.iter().any(|k| page.get(*k).and_then(Value::as_str).is_some_and(|s| !s.trim().is_empty()))
        || page.get("has_more").and_then(Value::as_bool) == Some(true)
}

impl JsonLedger {
    /// Whether the first record is of this format. Keys alone decide unless it is wrapped.
    fn is_first(&self, probe: &Probe<'_>) -> bool {
        let bare: Map<String, Value> =
            probe.keys.iter().map(|k| (k.clone(), Value::Null)).collect();
        let wrapped = probe.keys.iter().any(|k| k == "event" || self.lists.contains(&k.as_str()));
        if !wrapped && !self.keys.iter().any(|set| probe.has(set)) {
            return false;
        }
        if self.hints.iter().any(|hint| contains(probe.head, hint.as_bytes())) {
            return true;
        }
        let body = probe.head.trim_ascii_start();
        let body = body.strip_prefix(b"[").unwrap_or(body);
        let first = serde_json::Deserializer::from_slice(body).into_iter::<Value>().next();
        match first {
            Some(Ok(Value::Object(map))) => self.is_record(&unwrapped(map)),
            // The document is larger than the head: its keys, or the first record of its list.
            _ => (self.is)(&Doc(&bare)) || self.lists.iter().any(|k| self.leads(k, probe.head)),
        }
    }

    /// Whether the list under a key begins with a record of this format, in a head that may be cut.
    fn leads(&self, key: &str, head: &[u8]) -> bool {
        let head = String::from_utf8_lossy(head);
        let Some((_, rest)) = head.split_once(&format!("\"{key}\"")) else { return false };
        let rest = rest.trim_start().strip_prefix(':').unwrap_or("").trim_start();
        let Some(rest) = rest.strip_prefix('[') else { return false };
        match serde_json::Deserializer::from_str(rest).into_iter::<Value>().next() {
            Some(Ok(Value::Object(first))) => (self.is)(&Doc(&first)),
            _ => false,
        }
    }

    fn is_record(&self, map: &Map<String, Value>) -> bool {
        if (self.is)(&Doc(map)) {
            return true;
        }
        self.lists
            .iter()
            .filter_map(|key| map.get(*key)?.as_array()?.first()?.as_object())
            .any(|first| (self.is)(&Doc(first)))
    }

    fn is_prefixed(&self, head: &[u8]) -> bool {
        let line = head.split(|b| *b == b'\n').next().unwrap_or(head);
        let Ok(line) = std::str::from_utf8(line) else { return false };
        parse(unprefixed(line)).is_ok_and(|map| self.is_record(&map))
    }

    /// Reads a record, or the list of records in a document. Returns how many are of other kinds.
    fn document(
        &self,
        place: &Place,
        raw: &str,
        pages: &mut Pages,
        batch: &mut Batch,
    ) -> Result<u64, String> {
        let map = unwrapped(parse(raw)?);
        let list = self.lists.iter().find_map(|k| Some((*k, map.get(*k)?.as_array()?)));
        let Some((key, list)) = list.filter(|_| !(self.is)(&Doc(&map))) else {
            return Ok(u64::from(!self.record(&map, place.to_string(), batch)?));
        };
        batch.records += i64::try_from(list.len()).unwrap_or(i64::MAX).saturating_sub(1);
        pages.add(list.len(), None, names_next(&map));
        let above = if let Place::Element(i) = place { format!("/{i}") } else { String::new() };
        let mut other = 0;
        for (i, element) in list.iter().enumerate() {
            let at = format!("{above}/{key}/{i}");
            match element {
                Value::Object(map) => match self.record(map, at.clone(), batch) {
                    Ok(known) => other += u64::from(!known),
                    Err(reason) => batch.quarantine(at, reason),
                },
                v => batch.quarantine(at, format!("a {}, not an object", kind(v))),
            }
        }
        Ok(other)
    }

    fn record(
        &self,
        map: &Map<String, Value>,
        place: String,
        batch: &mut Batch,
    ) -> Result<bool, String> {
        let source_id = batch.source_id.clone();
        let record = Record { doc: Doc(map), source_id, source_ref: text(place) };
        (self.read)(&record, batch)
    }
}

fn contains(head: &[u8], word: &[u8]) -> bool {
    head.windows(word.len()).any(|w| w == word)
}

/// Behind whatever stands in front of the first brace.
fn unprefixed(line: &str) -> &str {
    line.find('{').and_then(|at| line.get(at..)).unwrap_or(line)
}

/// A record with its place, and rows that stand at that place.
#[derive(Clone, Debug)]
pub struct Record<'a> {
    /// The record.
    pub doc: Doc<'a>,
    /// Source.
    pub source_id: Text,
    /// Place in the source.
    pub source_ref: Text,
}

impl Record<'_> {
    /// A grant at this place.
    #[must_use]
    pub fn grant(&self) -> Grant {
        Grant {
            source_id: self.source_id.clone(),
            source_ref: self.source_ref.clone(),
            ..Grant::default()
        }
    }

    /// An event at this place.
    #[must_use]
    pub fn event(&self, kind: EventKind, at: ParsedTime) -> Event {
        Event {
            kind,
            at: at.lo,
            nanos: at.nanos,
            source_id: self.source_id.clone(),
            source_ref: self.source_ref.clone(),
            ..Event::default()
        }
    }

    /// A credential at this place.
    #[must_use]
    pub fn credential(&self) -> Credential {
        Credential {
            source_id: self.source_id.clone(),
            source_ref: self.source_ref.clone(),
            ..Credential::default()
        }
    }

    /// A use at this place.
    #[must_use]
    pub fn usage(&self) -> Usage {
        Usage {
            source_id: self.source_id.clone(),
            source_ref: self.source_ref.clone(),
            ..Usage::default()
        }
    }

    /// A binding at this place.
    #[must_use]
    pub fn entitlement(&self) -> Entitlement {
        Entitlement {
            source_id: self.source_id.clone(),
            source_ref: self.source_ref.clone(),
            ..Entitlement::default()
        }
    }

    /// A person's decision on a request at this place.
    #[must_use]
    pub fn approval(&self, grant_id: &str, approver: Option<Text>, verdict: Verdict) -> Approval {
        let method =
            if approver.is_some() { ApprovalMethod::Human } else { ApprovalMethod::Unknown };
        Approval {
            grant_id: Some(text(grant_id)),
            approver,
            verdict,
            method,
            source_id: self.source_id.clone(),
            source_ref: self.source_ref.clone(),
            ..Approval::default()
        }
    }
}

/// A JSON object of a record.
#[derive(Clone, Copy, Debug)]
pub struct Doc<'a>(pub &'a Map<String, Value>);

/// Parses one record. The depth of nesting is bounded by the parser.
///
/// # Errors
/// When the text is no JSON object.
pub fn parse(raw: &str) -> Result<Map<String, Value>, String> {
    match serde_json::from_str(raw).map_err(|e| json_message(&e))? {
        Value::Object(map) => Ok(map),
        other => Err(format!("a {}, not an object", kind(&other))),
    }
}

/// Takes a record out of the wrapping that log shippers put around: an object under `event`.
fn unwrapped(mut map: Map<String, Value>) -> Map<String, Value> {
    match map.remove("event") {
        Some(Value::Object(inner)) => inner,
        Some(other) => {
            map.insert("event".into(), other);
            map
        }
        None => map,
    }
}

fn kind(v: &Value) -> &'static str {
    match v {
        Value::Null => "null",
        Value::Bool(_) => "truth value",
        Value::Number(_) => "number",
        Value::String(_) => "text",
        Value::Array(_) => "list",
        Value::Object(_) => "object",
    }
}

impl<'a> Doc<'a> {
    /// The value of a key; null is absent.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&'a Value> {
        self.0.get(key).filter(|v| !v.is_null())
    }

    /// The value under the first of these keys that is there.
    #[must_use]
    pub fn any(&self, keys: &[&'static str]) -> Option<(&'static str, &'a Value)> {
        keys.iter().find_map(|k| Some((*k, self.get(k)?)))
    }

    /// Whether all of these keys are there, whatever their values.
    #[must_use]
    pub fn names(&self, keys: &[&str]) -> bool {
        keys.iter().all(|k| self.0.contains_key(*k))
    }

    /// The word of a text, lower case; empty when absent or of another type.
    #[must_use]
    pub fn word(&self, key: &str) -> String {
        self.get(key).and_then(Value::as_str).map(|s| s.trim().to_lowercase()).unwrap_or_default()
    }

    /// Whether a key is there and not null.
    #[must_use]
    pub fn has(&self, key: &str) -> bool {
        self.get(key).is_some()
    }

    /// A text that is not empty; blanks around it are trimmed.
    ///
    /// # Errors
    /// When the value is of another type.
    pub fn str(&self, key: &str) -> Result<Option<&'a str>, String> {
        match self.get(key) {
            None => Ok(None),
            Some(Value::String(s)) => Ok(Some(s.trim()).filter(|s| !s.is_empty())),
            Some(other) => Err(format!("`{key}` is a {}, not a text", kind(other))),
        }
    }

    /// As [`Doc::str`], shared.
    ///
    /// # Errors
    /// When the value is of another type.
    pub fn text(&self, key: &str) -> Result<Option<Text>, String> {
        Ok(self.str(key)?.map(text))
    }

    /// A text that must be there.
    ///
    /// # Errors
    /// When it is missing, empty or of another type.
    pub fn need(&self, key: &str) -> Result<&'a str, String> {
        self.str(key)?.ok_or_else(|| format!("`{key}` is missing"))
    }

    /// An id: a text or a whole number.
    ///
    /// # Errors
    /// When the value is of another type.
    pub fn id(&self, key: &str) -> Result<Option<String>, String> {
        match self.get(key) {
            Some(Value::Number(n)) if n.is_i64() || n.is_u64() => Ok(Some(n.to_string())),
            _ => Ok(self.str(key)?.map(str::to_owned)),
        }
    }

    /// A truth value.
    ///
    /// # Errors
    /// When the value is of another type.
    pub fn flag(&self, key: &str) -> Result<Option<bool>, String> {
        match self.get(key) {
            None => Ok(None),
            Some(Value::Bool(b)) => Ok(Some(*b)),
            Some(Value::String(s)) if s.eq_ignore_ascii_case("true") => Ok(Some(true)),
            Some(Value::String(s)) if s.eq_ignore_ascii_case("false") => Ok(Some(false)),
            Some(other) => Err(format!("`{key}` is a {}, not a truth value", kind(other))),
        }
    }

    /// A whole number, also written as text.
    ///
    /// # Errors
    /// When the value is of another type or no whole number.
    pub fn int(&self, key: &str) -> Result<Option<i64>, String> {
        match self.get(key) {
            None => Ok(None),
            Some(Value::Number(n)) => {
                n.as_i64().map(Some).ok_or_else(|| format!("`{key}` is `{n}`, no whole number"))
            }
            Some(Value::String(s)) if s.trim().is_empty() => Ok(None),
            Some(Value::String(s)) => s
                .trim()
                .parse()
                .map(Some)
                .map_err(|_| format!("`{key}` is `{}`, no whole number", short(s))),
            Some(other) => Err(format!("`{key}` is a {}, not a number", kind(other))),
        }
    }

    /// A time: a text in any known format, or an epoch number. Sentinels (Go's zero time, `0`, small
    /// numbers) are absent. A time without zone is UTC and counted.
    ///
    /// # Errors
    /// When the value is no time.
    pub fn parsed(&self, key: &str, batch: &mut Batch) -> Result<Option<ParsedTime>, String> {
        let number;
        let s = match self.get(key) {
            None => return Ok(None),
            Some(Value::String(s)) => s.as_str(),
            Some(Value::Number(n)) => {
                number = n.to_string();
                &number
            }
            Some(other) => return Err(format!("`{key}` is a {}, not a time", kind(other))),
        };
        let parsed = parse_time(s).map_err(|e| format!("`{key}` is `{}`: {e}", short(s)))?;
        if parsed.is_some_and(|p| p.zoneless) {
            batch.ambiguous_times += 1;
        }
        Ok(parsed)
    }

    /// As [`Doc::parsed`], the instant alone.
    ///
    /// # Errors
    /// When the value is no time.
    pub fn time(&self, key: &str, batch: &mut Batch) -> Result<Option<Time>, String> {
        Ok(self.parsed(key, batch)?.map(|p| p.lo))
    }

    /// A time that must be there.
    ///
    /// # Errors
    /// When it is missing or no time.
    pub fn need_time(&self, key: &str, batch: &mut Batch) -> Result<ParsedTime, String> {
        self.parsed(key, batch)?.ok_or_else(|| format!("`{key}` is missing"))
    }

    /// A duration in seconds: a number of `unit_s` seconds, or a text with units (`2700s`, `15m0s`,
    /// `PT8H`).
    ///
    /// # Errors
    /// When the value is no duration.
    pub fn duration(&self, key: &str, unit_s: f64) -> Result<Option<i64>, String> {
        let number;
        let s = match self.get(key) {
            None => return Ok(None),
            Some(Value::String(s)) if s.trim().is_empty() => return Ok(None),
            Some(Value::String(s)) => s.as_str(),
            Some(Value::Number(n)) => {
                number = n.to_string();
                &number
            }
            Some(other) => return Err(format!("`{key}` is a {}, not a duration", kind(other))),
        };
        parse_duration(s, unit_s)
            .map(Some)
            .ok_or_else(|| format!("`{key}` is `{}`, not a duration", short(s)))
    }

    /// A nested object.
    ///
    /// # Errors
    /// When the value is of another type.
    pub fn child(&self, key: &str) -> Result<Option<Doc<'a>>, String> {
        match self.get(key) {
            None => Ok(None),
            Some(Value::Object(map)) => Ok(Some(Doc(map))),
            Some(other) => Err(format!("`{key}` is a {}, not an object", kind(other))),
        }
    }

    /// A list of values; absent is empty.
    ///
    /// # Errors
    /// When the value is of another type.
    pub fn list(&self, key: &str) -> Result<&'a [Value], String> {
        match self.get(key) {
            None => Ok(&[]),
            Some(Value::Array(list)) => Ok(list),
            Some(other) => Err(format!("`{key}` is a {}, not a list", kind(other))),
        }
    }

    /// A list of objects; absent is empty.
    ///
    /// # Errors
    /// When the value is no list, or an element no object.
    pub fn children(&self, key: &str) -> Result<Vec<Doc<'a>>, String> {
        self.list(key)?
            .iter()
            .map(|v| match v {
                Value::Object(map) => Ok(Doc(map)),
                other => Err(format!("an element of `{key}` is a {}, not an object", kind(other))),
            })
            .collect()
    }

    /// A list of texts, without the empty ones; absent is empty.
    ///
    /// # Errors
    /// When the value is no list, or an element no text.
    pub fn strings(&self, key: &str) -> Result<Vec<&'a str>, String> {
        let mut out = Vec::new();
        for v in self.list(key)? {
            match v {
                Value::String(s) if s.trim().is_empty() => {}
                Value::String(s) => out.push(s.trim()),
                other => {
                    return Err(format!("an element of `{key}` is a {}, not a text", kind(other)));
                }
            }
        }
        Ok(out)
    }
}

/// Several privileges or scopes of one grant as one name: sorted, without repetition, joined by a
/// comma. `None` for none.
#[must_use]
pub fn joined<S: AsRef<str>>(parts: &[S]) -> Option<Text> {
    let mut parts: Vec<&str> = parts.iter().map(AsRef::as_ref).filter(|p| !p.is_empty()).collect();
    parts.sort_unstable();
    parts.dedup();
    (!parts.is_empty()).then(|| text(parts.join(",")))
}
