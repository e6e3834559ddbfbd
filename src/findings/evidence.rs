//! The evidence values of a finding, kept as the JSON texts that every output prints.
//!
//! A run holds tens of thousands of findings with a dozen values each. As trees of values they took most
//! of its memory; the texts take a fifth of that, since all findings of a rule share the names.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::Value;
use serde_json::value::RawValue;

use crate::facts::Text;

/// Values by name, in the order of names. Equal values have equal texts.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Evidence {
    /// Names in their order, each once.
    names: Arc<[Text]>,
    /// Compact JSON texts of the values, each on a line: in JSON a line feed is never part of one.
    values: Box<str>,
}

/// One name with the JSON text of its value.
type Entry<'a> = (Cow<'a, str>, &'a str);

impl Evidence {
    /// Values of names, which come in their order and each once. `write` adds the compact JSON text of one.
    pub(crate) fn written(names: &Arc<[Text]>, mut write: impl FnMut(&str, &mut String)) -> Self {
        debug_assert!(names.is_sorted_by(|a, b| a < b), "names of evidence in order");
        let mut values = String::new();
        for (i, name) in names.iter().enumerate() {
            if i > 0 {
                values.push('\n');
            }
            write(name, &mut values);
        }
        Self { names: Arc::clone(names), values: values.into_boxed_str() }
    }

    /// Names with the JSON texts of their values.
    fn entries(&self) -> impl Iterator<Item = (&str, &str)> {
        self.names.iter().map(|name| &**name).zip(self.values.split('\n'))
    }

    /// The value of a name.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<Value> {
        let (_, raw) = self.entries().find(|(n, _)| *n == name)?;
        read(raw)
    }

    /// Names with the JSON texts of their values.
    #[must_use]
    pub fn raw(&self) -> Vec<Entry<'_>> {
        self.entries().map(|(name, raw)| (Cow::Borrowed(name), raw)).collect()
    }

    /// Names and values.
    #[must_use]
    pub fn to_map(&self) -> BTreeMap<Text, Value> {
        self.entries().filter_map(|(name, raw)| Some((name.into(), read(raw)?))).collect()
    }

    /// Puts a value in the place of what the name had, if anything.
    pub fn insert(&mut self, name: Text, value: Value) {
        let mut map = self.to_map();
        map.insert(name, value);
        *self = Self::from(map);
    }

    /// One compact JSON object.
    fn object(&self) -> String {
        let mut out = String::with_capacity(2 * self.values.len() + 2);
        out.push('{');
        for (i, (name, raw)) in self.entries().enumerate() {
            if i > 0 {
                out.push(',');
            }
            put_text(name, &mut out);
            out.push(':');
            out.push_str(raw);
        }
        out.push('}');
        out
    }
}

impl fmt::Debug for Evidence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.object())
    }
}

impl From<BTreeMap<Text, Value>> for Evidence {
    fn from(map: BTreeMap<Text, Value>) -> Self {
        let names: Arc<[Text]> = map.keys().cloned().collect();
        let mut values = map.values();
        Self::written(&names, |_, out| {
            if let Some(value) = values.next() {
                // Writing to a String cannot fail.
                let _ = fmt::Write::write_fmt(out, format_args!("{value}"));
            }
        })
    }
}

impl<const N: usize> From<[(Text, Value); N]> for Evidence {
    fn from(pairs: [(Text, Value); N]) -> Self {
        Self::from(BTreeMap::from(pairs))
    }
}

impl<'a> FromIterator<(&'a str, Value)> for Evidence {
    /// Of a name that comes twice the last value stays.
    fn from_iter<I: IntoIterator<Item = (&'a str, Value)>>(pairs: I) -> Self {
        let map: BTreeMap<Text, Value> =
            pairs.into_iter().map(|(name, value)| (name.into(), value)).collect();
        Self::from(map)
    }
}

/// Writes a text as a JSON string.
pub(crate) fn put_text(s: &str, out: &mut String) {
    if s.bytes().any(|b| b < b' ' || b == b'"' || b == b'\\') {
        // Writing to a String cannot fail.
        let _ = fmt::Write::write_fmt(out, format_args!("{}", Value::from(s)));
        return;
    }
    out.push('"');
    out.push_str(s);
    out.push('"');
}

/// A value from its text. The parser of `serde_json` may miss the last digit of a number with a fraction;
/// such numbers are read by the standard library, which does not.
fn read(raw: &str) -> Option<Value> {
    let number = raw.starts_with(|c: char| c == '-' || c.is_ascii_digit());
    if number && raw.contains(['.', 'e', 'E']) {
        return raw.parse::<f64>().ok().map(Value::from);
    }
    serde_json::from_str(raw).ok()
}

impl Serialize for Evidence {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let object = self.object();
        let raw: &RawValue = serde_json::from_str(&object).map_err(serde::ser::Error::custom)?;
        raw.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Evidence {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        BTreeMap::<Text, Value>::deserialize(deserializer).map(Self::from)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    #[test]
    fn text_and_values_agree() {
        let mut e = Evidence::from([
            ("b".into(), json!(["x\"", null])),
            ("a".into(), json!(1.5)),
            ("odd \"name\"\u{1}".into(), Value::Null),
        ]);
        assert_eq!(e.get("a"), Some(json!(1.5)));
        assert_eq!(e.get("odd \"name\"\u{1}"), Some(Value::Null));
        assert_eq!(e.get("c"), None);
        e.insert("a".into(), json!({"k": 2}));
        e.insert("c".into(), json!("é\n"));
        let map = e.to_map();
        assert_eq!(
            map.keys().map(|k| &**k).collect::<Vec<_>>(),
            ["a", "b", "c", "odd \"name\"\u{1}"]
        );
        assert_eq!(serde_json::to_string(&e).unwrap(), serde_json::to_string(&map).unwrap());
        let raw: Vec<String> = e.raw().iter().map(|(k, v)| format!("{k}={v}")).collect();
        let plain: Vec<String> = map.iter().map(|(k, v)| format!("{k}={v}")).collect();
        assert_eq!(raw, plain);
        assert_eq!(serde_json::to_string(&Evidence::default()).unwrap(), "{}");
        assert!(Evidence::default().raw().is_empty());
    }

    #[test]
    fn texts_are_written_as_values_are() {
        let odd = ["", "plain", "é\n", "a\"b", "back\\slash", "\u{1}\u{7f}\u{2028}", "tab\t"];
        for s in odd {
            let mut out = String::new();
            put_text(s, &mut out);
            assert_eq!(out, Value::from(s).to_string());
        }
        let one = |names: &[&str]| {
            Evidence::written(&names.iter().map(|n| Text::from(*n)).collect(), put_text)
        };
        assert_eq!(one(&[]), Evidence::default());
        let two = Evidence::from([("a".into(), json!("a")), ("b\n".into(), json!("b\n"))]);
        assert_eq!(one(&["a", "b\n"]), two);
    }

    #[test]
    fn numbers_keep_their_last_digit() {
        for x in [0.963_768_115_942_028_9, 0.184_210_526_315_789_47, 1e-300, -2.5e300, 0.1] {
            let e = Evidence::from([("x".into(), json!(x))]);
            assert_eq!(e.get("x"), Some(json!(x)), "{e:?}");
            assert_eq!(e.to_map().get("x"), Some(&json!(x)));
        }
        let whole = Evidence::from([("x".into(), json!(u64::MAX)), ("y".into(), json!(i64::MIN))]);
        assert_eq!(whole.get("x"), Some(json!(u64::MAX)));
        assert_eq!(whole.get("y"), Some(json!(i64::MIN)));
    }

    #[test]
    fn the_last_of_a_name_stays() {
        let e: Evidence = [("b", json!(1)), ("a", json!(2)), ("b", json!(3))].into_iter().collect();
        assert_eq!(format!("{e:?}"), r#"{"a":2,"b":3}"#);
    }

    #[test]
    fn what_is_no_object_is_refused() {
        for text in ["[]", "1", "null", "\"{}\"", "{\"a\"}"] {
            assert!(serde_json::from_str::<Evidence>(text).is_err(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn every_text_comes_back(pairs in prop::collection::btree_map(".{0,8}", ".{0,12}", 0..6)) {
            let map: BTreeMap<Text, Value> =
                pairs.iter().map(|(k, v)| (k.as_str().into(), json!(v))).collect();
            let e = Evidence::from(map.clone());
            prop_assert_eq!(&e.to_map(), &map);
            let back: Evidence = serde_json::from_str(&serde_json::to_string(&e).unwrap()).unwrap();
            prop_assert_eq!(&back, &e);
            for (k, v) in &map {
                prop_assert_eq!(e.get(k), Some(v.clone()));
            }
        }
    }
}
