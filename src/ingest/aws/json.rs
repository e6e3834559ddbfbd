//! Documents of AWS command output: one object, arrays of them, one after the other, or one per line.
//!
//! Values stay raw text until they are asked for, so that a policy keeps its wording and depth is no
//! danger.

use std::borrow::Cow;

use serde_json::value::RawValue;

use super::{account_of, parse_date, reason, utf8};
use crate::facts::{Text, Time, text};
use crate::ingest::records;
use crate::ingest::source::{Batch, IngestError, Input, Probe, Shape};
use crate::ingest::{detect, reader};
use crate::privilege::aws::document::{Document, compact_json, url_decoded};

/// An object of raw values, in the order of the text. A key occurs once.
#[derive(Debug, Default)]
pub struct Obj<'a>(Vec<(String, &'a str)>);

impl<'a> Obj<'a> {
    /// Reads an object; text that is none, or has a key twice, is refused with the reason.
    ///
    /// # Errors
    /// The reason, without values.
    pub fn parse(raw: &'a str) -> Result<Self, String> {
        let mut list: Vec<(String, &'a str)> = Vec::new();
        records::object(raw, &mut |key, value| {
            list.push((key.to_owned(), value));
            Ok(())
        })?;
        let mut keys: Vec<&str> = list.iter().map(|(k, _)| k.as_str()).collect();
        keys.sort_unstable();
        if let Some([twice, _]) = keys.array_windows::<2>().find(|[a, b]| a == b) {
            let twice: String = twice.chars().take(60).collect();
            return Err(format!("the key `{twice}` occurs twice"));
        }
        Ok(Self(list))
    }

    /// Keys and raw values.
    pub fn entries(&self) -> impl Iterator<Item = (&str, &'a str)> {
        self.0.iter().map(|(k, v)| (k.as_str(), *v))
    }

    /// Raw value of a key; `null` counts as absent.
    #[must_use]
    pub fn raw(&self, key: &str) -> Option<&'a str> {
        self.0.iter().find(|(k, v)| k == key && *v != "null").map(|(_, v)| *v)
    }

    /// Whether the key is there with another value than `null`.
    #[must_use]
    pub fn has(&self, key: &str) -> bool {
        self.raw(key).is_some()
    }

    /// Text of the first of these keys that holds a string that is not empty.
    #[must_use]
    pub fn str(&self, keys: &[&str]) -> Option<Cow<'a, str>> {
        keys.iter().find_map(|key| {
            let raw = self.raw(key)?;
            if !raw.starts_with('"') {
                return None;
            }
            records::scalar(raw).ok().flatten().filter(|s| !s.trim().is_empty())
        })
    }

    /// As [`Obj::str`], also for numbers and booleans.
    #[must_use]
    pub fn scalar(&self, keys: &[&str]) -> Option<Cow<'a, str>> {
        keys.iter().find_map(|key| {
            let raw = self.raw(key)?;
            if raw.starts_with(['{', '[']) {
                return None;
            }
            records::scalar(raw).ok().flatten().filter(|s| !s.trim().is_empty())
        })
    }

    /// Whole number of a key.
    #[must_use]
    pub fn int(&self, key: &str) -> Option<i64> {
        self.scalar(&[key])?.trim().parse().ok()
    }

    /// Boolean of a key.
    #[must_use]
    pub fn flag(&self, key: &str) -> Option<bool> {
        match &*self.scalar(&[key])? {
            "true" => Some(true),
            "false" => Some(false),
            _ => None,
        }
    }

    /// Time of a key: `None` when absent, `Err` when it is no date.
    ///
    /// # Errors
    /// Names the key.
    pub fn time(&self, key: &str) -> Result<Option<Time>, String> {
        match self.scalar(&[key]) {
            None => Ok(None),
            Some(s) => parse_date(&s).map(Some).ok_or_else(|| format!("`{key}` is not a date")),
        }
    }

    /// Object under a key.
    #[must_use]
    pub fn obj(&self, key: &str) -> Option<Obj<'a>> {
        Obj::parse(self.raw(key)?).ok()
    }

    /// Elements of the array under a key; empty when it is none.
    #[must_use]
    pub fn list(&self, key: &str) -> Vec<&'a str> {
        self.raw(key).map(elements).unwrap_or_default()
    }

    /// Texts of the array under a key, or its one text.
    #[must_use]
    pub fn texts(&self, key: &str) -> Vec<Text> {
        let one = |raw: &str| {
            raw.starts_with('"').then(|| records::scalar(raw).ok().flatten().map(text)).flatten()
        };
        match self.raw(key) {
            Some(raw) if raw.starts_with('[') => {
                elements(raw).into_iter().filter_map(one).collect()
            }
            Some(raw) => one(raw).into_iter().collect(),
            None => Vec::new(),
        }
    }
}

/// Elements of a raw array; empty when the text is none.
#[must_use]
pub fn elements(raw: &str) -> Vec<&str> {
    serde_json::from_str::<Vec<&RawValue>>(raw)
        .map(|list| list.into_iter().map(RawValue::get).collect())
        .unwrap_or_default()
}

/// A policy: its text, compact, and what is wrong with it.
#[derive(Debug)]
pub struct Policy {
    /// Compact JSON text.
    pub document: Text,
    /// What is wrong with it, or `None`.
    pub malformed: Option<Text>,
    /// As read.
    pub parsed: Document,
}

/// Policy out of an object, or out of a string that holds one, perhaps URL-encoded.
#[must_use]
pub fn policy(raw: &str) -> Policy {
    let inner = raw.starts_with('"').then(|| serde_json::from_str::<String>(raw).ok()).flatten();
    let document = match inner {
        Some(inner) => compact_json(&url_decoded(&inner)),
        None => compact_json(raw),
    };
    let parsed = Document::parse(&document);
    Policy { malformed: parsed.malformed.as_deref().map(text), document: text(document), parsed }
}

/// What each document is given to: its place, its raw text.
pub type Each<'a> = dyn FnMut(&str, &str, &mut Batch) + 'a;

/// Calls `each` for every object of the file; elements of top-level arrays count one by one. The place
/// is `` for the only document, `/i` in an array, `L<line>` where each line is one.
///
/// # Errors
/// When the file cannot be read, or is not JSON. A line that is not JSON costs that line only.
pub fn documents(input: &Input, batch: &mut Batch, each: &mut Each<'_>) -> Result<(), IngestError> {
    let bytes = reader::read_all(input)?;
    let content = utf8(input, &bytes)?;
    let shape =
        detect::detect(content.as_bytes().get(..reader::HEAD).unwrap_or(&bytes), true).shape;
    if shape == Shape::Ndjson {
        for (i, line) in content.lines().enumerate().filter(|(_, l)| !l.trim().is_empty()) {
            let place = format!("L{}", i + 1);
            match serde_json::from_str::<&RawValue>(line) {
                Ok(raw) => spread(raw.get(), &place, batch, each),
                Err(e) => {
                    batch.records += 1;
                    batch.quarantine(&place, reason(&e));
                }
            }
        }
        return Ok(());
    }
    let stream = serde_json::Deserializer::from_str(content).into_iter::<&RawValue>();
    let mut n = 0usize;
    for item in stream {
        let raw = item.map_err(|e| {
            super::malformed(
                input,
                format!("line {}, column {}", e.line(), e.column()),
                format!("not valid JSON: {}; correct the file or export it again", reason(&e)),
            )
        })?;
        let place = if n == 0 { String::new() } else { format!("/document{n}") };
        n += 1;
        spread(raw.get(), &place, batch, each);
    }
    if n == 0 {
        return Err(super::malformed(input, "line 1", "no JSON document; export the file again"));
    }
    Ok(())
}

fn spread(raw: &str, place: &str, batch: &mut Batch, each: &mut Each<'_>) {
    if raw.starts_with('[') {
        for (i, element) in elements(raw).into_iter().enumerate() {
            each(&format!("{place}/{i}"), element, batch);
        }
    } else {
        each(place, raw, batch);
    }
}

/// Pointer to a part of a document; the root is `/`.
#[must_use]
pub fn at(place: &str, path: &str) -> Text {
    match (place, path) {
        ("", "") => text("/"),
        _ => text(format!("{place}{path}")),
    }
}

/// Puts a record into quarantine and counts it.
pub fn refuse(batch: &mut Batch, place: &str, why: impl AsRef<str>) {
    batch.records += 1;
    batch.quarantine(if place.is_empty() { "/" } else { place }, why);
}

/// Whether the first bytes of a file hold a word.
#[must_use]
pub fn says(probe: &Probe<'_>, word: &str) -> bool {
    probe.head.windows(word.len()).any(|w| w == word.as_bytes())
}

/// Whether the whole file is an object with few keys whose list under `key` is empty: commands and logs
/// write these too, and they show that there was nothing.
#[must_use]
pub fn is_empty_list(probe: &Probe<'_>, key: &str) -> bool {
    probe.keys.len() <= 2
        && probe.head.len() < 4096
        && std::str::from_utf8(probe.head)
            .is_ok_and(|t| Obj::parse(t.trim()).is_ok_and(|o| o.raw(key).is_some_and(is_none)))
}

fn is_none(raw: &str) -> bool {
    raw.starts_with('[') && elements(raw).is_empty()
}

/// Whether a file looks like JSON of one of the kinds that [`documents`] reads.
#[must_use]
pub fn is_json(probe: &Probe<'_>) -> bool {
    matches!(probe.shape, Shape::JsonObject | Shape::JsonArray | Shape::Ndjson)
}

/// Whether a text is an account number.
#[must_use]
pub fn is_account(s: &str) -> bool {
    s.len() == 12 && s.bytes().all(|b| b.is_ascii_digit())
}

/// Last part of a file name, folder by folder from the inside, that `is` accepts. Parts are what
/// `_`, `.`, `,`, `=`, `+`, `@` and blanks separate.
pub fn in_name(name: &str, is: impl Fn(&str) -> bool) -> Option<&str> {
    name.rsplit('/').find_map(|segment| {
        segment.rsplit(['_', '.', ',', '=', '+', '@', ' ']).find(|part| is(part))
    })
}

/// Account of a resource: of its ARN, else a folder or part of the file name that is an account number.
#[must_use]
pub fn account_or_folder(arn: &str, name: &str) -> Option<String> {
    account_of(arn).or_else(|| in_name(name, is_account)).map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn objects_keep_raw_values() {
        let o = Obj::parse(
            r#"{"a":"x\n","b":null,"c":[1,"y"],"d":{"e":"2026-01-01T00:00:00Z"},"f":7,"g":" "}"#,
        )
        .unwrap();
        assert_eq!(o.str(&["z", "a"]).as_deref(), Some("x\n"));
        assert!(!o.has("b") && o.str(&["c", "f", "g"]).is_none());
        assert_eq!((o.int("f"), o.list("c").len(), o.texts("c").len()), (Some(7), 2, 1));
        assert_eq!(o.obj("d").unwrap().time("e").unwrap().unwrap().to_date(), "2026-01-01");
        assert!(o.time("a").is_err());
        assert!(Obj::parse(r#"{"a":1,"a":2}"#).unwrap_err().contains("twice"));
        assert!(Obj::parse("[]").is_err() && Obj::parse("{").is_err());
    }

    #[test]
    fn parts_of_names() {
        let account = |s: &str| in_name(s, is_account).map(str::to_owned);
        assert_eq!(account("a/111122223333/x_444455556666.json").as_deref(), Some("444455556666"));
        assert_eq!(account("111122223333/x.json").as_deref(), Some("111122223333"));
        assert_eq!(account("é/x.json"), None);
    }

    #[test]
    fn a_policy_out_of_a_string() {
        let object = policy(r#"{ "Version":"2012-10-17", "Statement": [] }"#);
        let string = policy(r#""{\"Version\": \"2012-10-17\", \"Statement\": []}""#);
        assert_eq!(object.document, string.document);
        assert!(object.malformed.is_none());
        assert!(policy(r#""not json""#).malformed.is_some());
    }
}
