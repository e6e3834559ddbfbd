//! JSON records one by one: NDJSON as a stream, arrays and single objects from memory.
//!
//! Records are handed on as raw text, so that an adapter decodes only what it needs, and so that
//! depth is no danger: skipping values is iterative.

use std::borrow::Cow;
use std::fmt;
use std::io::{BufRead, BufReader};

use serde::de::{Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

use super::reader::{self, BOUNDS, LineGuard};
use super::source::{Batch, IngestError, Input, Shape};

/// Where a record is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// Line, 1-based.
    Line(u64),
    /// Element of the top array.
    Element(usize),
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Line(n) => write!(f, "L{n}"),
            Self::Element(i) => write!(f, "/{i}"),
        }
    }
}

/// What a record is given to.
pub type Each<'a> = dyn FnMut(&Place, &str, &mut Batch) -> Result<(), IngestError> + 'a;

/// Calls `each` for every record and counts it. Lines that are not JSON go to quarantine.
///
/// # Errors
/// When the file cannot be read, or a document is not JSON as a whole.
pub fn each(
    input: &Input,
    shape: Shape,
    batch: &mut Batch,
    each: &mut Each<'_>,
) -> Result<(), IngestError> {
    if shape == Shape::Ndjson {
        return lines(input, batch, each);
    }
    let bytes = reader::read_all(input)?;
    let malformed = |place: String, message: String| IngestError::Malformed {
        file: input.name.clone(),
        place,
        message,
    };
    let document = std::str::from_utf8(&bytes)
        .map_err(|e| malformed(format!("byte {}", e.valid_up_to()), "not UTF-8 text".into()))?;
    let wrong = |e: serde_json::Error| {
        malformed(format!("line {}, column {}", e.line(), e.column()), json_message(&e))
    };
    if shape == Shape::JsonArray {
        let elements: Vec<&RawValue> = serde_json::from_str(document).map_err(wrong)?;
        for (i, element) in elements.iter().enumerate() {
            batch.records += 1;
            each(&Place::Element(i), element.get(), batch)?;
        }
        return Ok(());
    }
    let object: &RawValue = serde_json::from_str(document).map_err(wrong)?;
    batch.records += 1;
    each(&Place::Line(1), object.get(), batch)
}

fn lines(input: &Input, batch: &mut Batch, each: &mut Each<'_>) -> Result<(), IngestError> {
    let stream = LineGuard::new(reader::open(input)?, BOUNDS.line);
    let mut stream = BufReader::with_capacity(256 * 1024, stream);
    let mut line = Vec::new();
    let mut number = 0u64;
    loop {
        line.clear();
        let n = stream.read_until(b'\n', &mut line).map_err(|e| reader::explain(input, e))?;
        if n == 0 {
            return Ok(());
        }
        number += 1;
        let body = line.trim_ascii();
        if body.is_empty() {
            continue;
        }
        batch.records += 1;
        let place = Place::Line(number);
        let Ok(body) = std::str::from_utf8(body) else {
            batch.quarantine(place.to_string(), "not UTF-8 text");
            continue;
        };
        each(&place, body, batch)?;
    }
}

/// Message of a JSON error without its position, with a remedy where one is known.
#[must_use]
pub fn json_message(e: &serde_json::Error) -> String {
    let full = e.to_string();
    let message = full.split(" at line ").next().unwrap_or(&full);
    if e.is_eof() {
        format!("not JSON: {message}; the file is cut off, export it again")
    } else {
        format!("not JSON: {message}")
    }
}

/// Calls `entry` for every key and raw value of a JSON object.
///
/// # Errors
/// When the text is no JSON object, or `entry` refuses one.
pub fn object<'r>(
    raw: &'r str,
    entry: &mut dyn FnMut(&str, &'r str) -> Result<(), String>,
) -> Result<(), String> {
    struct Entries<'f, 'r>(
        &'f mut dyn FnMut(&str, &'r str) -> Result<(), String>,
        &'f mut Option<String>,
    );
    impl<'r> Visitor<'r> for Entries<'_, 'r> {
        type Value = ();

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a JSON object")
        }

        fn visit_map<A: MapAccess<'r>>(self, mut map: A) -> Result<(), A::Error> {
            while let Some(key) = map.next_key::<Key<'r>>()? {
                let value: &'r RawValue = map.next_value()?;
                if self.1.is_none()
                    && let Err(e) = (self.0)(&key.0, value.get())
                {
                    *self.1 = Some(e);
                }
            }
            Ok(())
        }
    }
    let mut refused = None;
    let mut de = serde_json::Deserializer::from_str(raw);
    de.deserialize_map(Entries(entry, &mut refused))
        .and_then(|()| de.end())
        .map_err(|e| json_message(&e))?;
    refused.map_or(Ok(()), Err)
}

#[derive(serde::Deserialize)]
struct Key<'r>(#[serde(borrow)] Cow<'r, str>);

/// A raw JSON value as text: strings unescaped, numbers and booleans as written, arrays and objects
/// as JSON; null is `None`.
///
/// # Errors
/// When a string has an invalid escape.
pub fn scalar(raw: &str) -> Result<Option<Cow<'_, str>>, String> {
    if raw == "null" {
        return Ok(None);
    }
    let Some(inner) = raw.strip_prefix('"').and_then(|r| r.strip_suffix('"')) else {
        return Ok(Some(Cow::Borrowed(raw)));
    };
    if !inner.contains('\\') {
        return Ok(Some(Cow::Borrowed(inner)));
    }
    serde_json::from_str::<String>(raw).map(|s| Some(Cow::Owned(s))).map_err(|e| json_message(&e))
}
