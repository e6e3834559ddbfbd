//! A record of an export: keys in either letter case, flat or below `properties`.

use serde_json::Value;

use super::short;
use crate::facts::time::parse_time;
use crate::facts::{PrincipalKind, Text, Time, text};

/// A JSON object of an export.
#[derive(Clone, Copy, Debug)]
pub struct Rec<'v>(pub &'v Value);

fn own<'v>(value: &'v Value, key: &str) -> Option<&'v Value> {
    let map = value.as_object()?;
    map.get(key).or_else(|| map.iter().find(|(k, _)| k.eq_ignore_ascii_case(key)).map(|(_, v)| v))
}

impl<'v> Rec<'v> {
    /// Whether a key is there, whatever its value.
    #[must_use]
    pub fn has(self, key: &str) -> bool {
        own(self.0, key).is_some()
            || own(self.0, "properties").is_some_and(|p| own(p, key).is_some())
    }

    /// Value of a key; null is absent.
    #[must_use]
    pub fn get(self, key: &str) -> Option<&'v Value> {
        own(self.0, key)
            .filter(|v| !v.is_null())
            .or_else(|| own(own(self.0, "properties")?, key))
            .filter(|v| !v.is_null())
    }

    /// Record under a path of keys joined with `/`.
    #[must_use]
    pub fn at(self, path: &str) -> Option<Rec<'v>> {
        let mut r = self;
        for key in path.split('/') {
            r = Rec(r.get(key)?);
        }
        Some(r)
    }

    /// Text of the first of these paths that holds one that is not blank.
    #[must_use]
    pub fn str(self, paths: &[&str]) -> Option<&'v str> {
        paths.iter().find_map(|p| self.at(p)?.0.as_str().map(str::trim).filter(|s| !s.is_empty()))
    }

    /// Text that must be there.
    ///
    /// # Errors
    /// Names the first key.
    pub fn need(self, paths: &[&str]) -> Result<&'v str, String> {
        let first = paths.first().copied().unwrap_or_default();
        self.str(paths).ok_or_else(|| format!("`{first}` is missing"))
    }

    /// Identifier, lower case: ids of the directory and of the resource manager have no case.
    #[must_use]
    pub fn id(self, paths: &[&str]) -> Option<Text> {
        self.str(paths).map(|s| text(s.to_ascii_lowercase()))
    }

    /// As [`Rec::id`], and it must be there.
    ///
    /// # Errors
    /// Names the first key.
    pub fn need_id(self, paths: &[&str]) -> Result<Text, String> {
        self.need(paths).map(|s| text(s.to_ascii_lowercase()))
    }

    /// Truth value; tables write them as text.
    #[must_use]
    pub fn flag(self, key: &str) -> Option<bool> {
        match self.get(key)? {
            Value::Bool(b) => Some(*b),
            Value::String(s) if s.eq_ignore_ascii_case("true") => Some(true),
            Value::String(s) if s.eq_ignore_ascii_case("false") => Some(false),
            _ => None,
        }
    }

    /// Elements of a list; absent is empty.
    pub fn list(self, key: &str) -> impl Iterator<Item = Rec<'v>> + use<'v> {
        self.get(key).and_then(Value::as_array).map_or(&[][..], Vec::as_slice).iter().map(Rec)
    }

    /// Texts of a list.
    #[must_use]
    pub fn texts(self, key: &str) -> Vec<&'v str> {
        self.list(key).filter_map(|r| r.0.as_str()).collect()
    }

    /// Time of the first of these paths that holds one.
    ///
    /// # Errors
    /// When there is a value that is no time; the message names the key.
    pub fn time(self, paths: &[&str]) -> Result<Option<Time>, String> {
        for path in paths {
            let Some(v) = self.at(path) else { continue };
            let Some(s) = v.0.as_str() else {
                return Err(format!("`{path}` is not a time"));
            };
            let read = parse_time(s).map_err(|e| format!("`{path}` is `{}`: {e}", short(s)))?;
            if let Some(t) = read {
                return Ok(Some(t.lo));
            }
        }
        Ok(None)
    }
}

/// Last part of a path of ids, lower case.
#[must_use]
pub fn tail(id: &str) -> String {
    id.trim().trim_end_matches('/').rsplit('/').next().unwrap_or(id).to_ascii_lowercase()
}

/// Kind of a principal by the word of either service.
#[must_use]
pub fn principal_kind(word: &str) -> PrincipalKind {
    match word.trim().to_ascii_lowercase().trim_start_matches("#microsoft.graph.") {
        "user" => PrincipalKind::Human,
        "group" | "foreigngroup" => PrincipalKind::Group,
        "serviceprincipal" | "application" => PrincipalKind::App,
        "device" => PrincipalKind::System,
        _ => PrincipalKind::Unknown,
    }
}

/// A name of our own for a credential: enough of its id to find it, no more.
#[must_use]
pub fn truncated(id: &str) -> Text {
    let short: String = id.chars().take(8).collect();
    if short.len() < id.len() { text(format!("{short}...")) } else { text(short) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_in_both_cases_and_below_properties() {
        let v: Value = serde_json::from_str(
            r#"{"Id":"A/B","properties":{"principalId":"P","X":null,"when":"nonsense"},"x":"y","F":"True"}"#,
        )
        .unwrap();
        let r = Rec(&v);
        assert_eq!(r.id(&["id"]).as_deref(), Some("a/b"));
        assert_eq!((r.str(&["z", "PrincipalID"]), r.str(&["x"])), (Some("P"), Some("y")));
        assert_eq!((r.flag("f"), r.has("X"), r.has("q")), (Some(true), true, false));
        assert!(r.time(&["when"]).unwrap_err().contains("when"));
        assert!(r.need(&["q"]).unwrap_err().contains("`q`"));
        assert_eq!(tail("/a/B/"), "b");
        assert_eq!(&*truncated("12345678-abcd"), "12345678...");
        assert_eq!(&*truncated("k1"), "k1");
    }
}
