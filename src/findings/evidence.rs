//! The evidence values of a finding, kept as the JSON text that every output prints.
//!
//! A run holds tens of thousands of findings with a dozen values each. As trees of values they took most
//! of its memory; the text takes a third of that and is written as it stands.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;

use serde::de::{MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::Value;
use serde_json::value::RawValue;

use crate::facts::Text;

/// Values by name, in the order of names: one compact JSON object. Equal values have equal texts.
#[derive(Clone, PartialEq, Eq)]
pub struct Evidence(Box<str>);

/// One name with the JSON text of its value.
type Entry<'a> = (Cow<'a, str>, &'a str);

impl Evidence {
    /// The value of a name.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<Value> {
        let (_, raw) = self.raw().into_iter().find(|(n, _)| n == name)?;
        read(raw)
    }

    /// Names with the JSON texts of their values.
    #[must_use]
    pub fn raw(&self) -> Vec<Entry<'_>> {
        serde_json::from_str::<Entries<'_>>(&self.0).map(|e| e.0).unwrap_or_default()
    }

    /// Names and values.
    #[must_use]
    pub fn to_map(&self) -> BTreeMap<Text, Value> {
        let known = self.raw().into_iter();
        known.filter_map(|(name, raw)| Some((name.into(), read(raw)?))).collect()
    }

    /// Puts a value in the place of what the name had, if anything.
    pub fn insert(&mut self, name: Text, value: Value) {
        let mut map = self.to_map();
        map.insert(name, value);
        *self = Self::from(map);
    }
}

impl Default for Evidence {
    fn default() -> Self {
        Self("{}".into())
    }
}

impl fmt::Debug for Evidence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl From<BTreeMap<Text, Value>> for Evidence {
    fn from(map: BTreeMap<Text, Value>) -> Self {
        map.iter().map(|(name, value)| (&**name, value.clone())).collect()
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
        let mut pairs: Vec<(&str, Value)> = pairs.into_iter().collect();
        // Stable, so the last of a name is the last of its run.
        if !pairs.is_sorted_by(|a, b| a.0 < b.0) {
            pairs.sort_by_key(|(name, _)| *name);
        }
        let mut text = String::from("{");
        for (i, (name, value)) in pairs.iter().enumerate() {
            if pairs.get(i + 1).is_some_and(|next| next.0 == *name) {
                continue;
            }
            if text.len() > 1 {
                text.push(',');
            }
            // Writing to a String cannot fail.
            let _ = fmt::Write::write_fmt(&mut text, format_args!("{}:{value}", Name(name)));
        }
        text.push('}');
        Self(text.into_boxed_str())
    }
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

/// A name as a JSON string.
struct Name<'a>(&'a str);

impl fmt::Display for Name<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let plain = |c: char| c.is_ascii_alphanumeric() || c == '_';
        if self.0.chars().all(plain) {
            return write!(f, "\"{}\"", self.0);
        }
        write!(f, "{}", Value::from(self.0))
    }
}

impl Serialize for Evidence {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let raw: &RawValue = serde_json::from_str(&self.0).map_err(serde::ser::Error::custom)?;
        raw.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Evidence {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        BTreeMap::<Text, Value>::deserialize(deserializer).map(Self::from)
    }
}

/// The members of an object, unread.
struct Entries<'a>(Vec<Entry<'a>>);

#[derive(Deserialize)]
struct Key<'a>(#[serde(borrow)] Cow<'a, str>);

impl<'de: 'a, 'a> Deserialize<'de> for Entries<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Members;
        impl<'de> Visitor<'de> for Members {
            type Value = Entries<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Entries<'de>, A::Error> {
                let mut out = Vec::new();
                while let Some((name, value)) = map.next_entry::<Key<'de>, &'de RawValue>()? {
                    out.push((name.0, value.get()));
                }
                Ok(Entries(out))
            }
        }
        deserializer.deserialize_map(Members)
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
