//! Reading JSON records of brokers: typed access to fields, with errors that name the field.
//!
//! A field of another type than the format has is an error of the record, not an absent field.

use serde_json::{Map, Value};

use crate::facts::time::{ParsedTime, parse_duration, parse_time};
use crate::facts::{Text, Time, text};
use crate::ingest::records::json_message;
use crate::ingest::source::Batch;
use crate::ingest::table::short;

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

/// Parses one record and takes it out of the wrapping that log shippers put around: an object under
/// `event`, beside keys that are not the record's own.
///
/// # Errors
/// When the text is no JSON object.
pub fn parse_event(raw: &str) -> Result<Map<String, Value>, String> {
    let mut map = parse(raw)?;
    match map.remove("event") {
        Some(Value::Object(inner)) => Ok(inner),
        Some(other) => {
            map.insert("event".into(), other);
            Ok(map)
        }
        None => Ok(map),
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
