//! Policy documents: parsing and normalisation (5.1). A malformed document is unknown, never a crash
//! and never silently empty: what cannot be seen of it may allow and may deny anything.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde::Deserialize;
use serde::de::{MapAccess, Visitor};
use serde_json::value::RawValue;

use super::condition::{Condition, may_be_date};
use crate::facts::Time;

/// What is said of a permission set whose boundary the inputs name and do not hold.
pub const UNSEEN_BOUNDARY: &str = "it is limited by a permissions boundary";

/// Allow or Deny.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Effect {
    /// Allow.
    Allow,
    /// Deny.
    Deny,
}

/// A list of patterns or its complement (`NotAction`, `NotResource`).
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Patterns {
    /// Patterns as written.
    pub list: Vec<String>,
    /// Everything but what the patterns match.
    pub negate: bool,
}

/// A trusted or addressed party of a resource-based statement.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Party {
    /// `AWS`, `Service`, `Federated`, `CanonicalUser`, or `*` for the bare star.
    pub kind: String,
    /// The text.
    pub value: String,
    /// Out of `NotPrincipal`.
    pub negate: bool,
}

/// One statement.
#[derive(Clone, Debug)]
pub struct Statement {
    /// Place in the document.
    pub index: usize,
    /// Sid, if any.
    pub sid: Option<String>,
    /// Effect.
    pub effect: Effect,
    /// Actions.
    pub actions: Patterns,
    /// Resources; `None` in trust policies.
    pub resources: Option<Patterns>,
    /// Parties of a resource-based policy.
    pub parties: Vec<Party>,
    /// Condition.
    pub condition: Condition,
    /// Condition as compact JSON; empty when there is none.
    pub condition_text: String,
    /// The statement could not be read in full: what it allows or denies is undecided.
    pub doubtful: bool,
}

/// A policy document.
#[derive(Clone, Debug, Default)]
pub struct Document {
    /// Policy variables are substituted (version 2012-10-17 or later).
    pub variables: bool,
    /// Statements in order.
    pub statements: Vec<Statement>,
    /// What is wrong with it, or `None`. Allow statements of a malformed document are doubtful.
    pub malformed: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawDocument<'a> {
    #[serde(rename = "Version")]
    version: Option<String>,
    #[serde(rename = "Id")]
    _id: Option<&'a RawValue>,
    #[serde(rename = "Statement", borrow)]
    statement: &'a RawValue,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum OneOrMany {
    One(String),
    Many(Vec<String>),
}

impl OneOrMany {
    fn list(self) -> Vec<String> {
        match self {
            Self::One(s) => vec![s],
            Self::Many(v) => v,
        }
    }
}

#[derive(Deserialize)]
#[serde(untagged)]
enum RawParties {
    Star(String),
    Kinds(BTreeMap<String, OneOrMany>),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawStatement<'a> {
    #[serde(rename = "Sid")]
    sid: Option<String>,
    #[serde(rename = "Effect")]
    effect: Option<String>,
    #[serde(rename = "Action")]
    action: Option<OneOrMany>,
    #[serde(rename = "NotAction")]
    not_action: Option<OneOrMany>,
    #[serde(rename = "Resource")]
    resource: Option<OneOrMany>,
    #[serde(rename = "NotResource")]
    not_resource: Option<OneOrMany>,
    #[serde(rename = "Principal")]
    principal: Option<RawParties>,
    #[serde(rename = "NotPrincipal")]
    not_principal: Option<RawParties>,
    #[serde(rename = "Condition", borrow)]
    condition: Option<&'a RawValue>,
}

/// Decodes `%xx` when the text is a URL-encoded document (raw IAM API), else gives it back.
#[must_use]
pub fn url_decoded(text: &str) -> String {
    let trimmed = text.trim_start();
    if !trimmed.get(..3).is_some_and(|s| s.eq_ignore_ascii_case("%7B")) {
        return text.to_owned();
    }
    let mut out = Vec::with_capacity(trimmed.len());
    let mut bytes = trimmed.bytes();
    while let Some(b) = bytes.next() {
        let decoded = (b == b'%').then(|| {
            let mut ahead = bytes.clone();
            let hi = ahead.next().and_then(|c| char::from(c).to_digit(16))?;
            let lo = ahead.next().and_then(|c| char::from(c).to_digit(16))?;
            bytes = ahead;
            u8::try_from(hi * 16 + lo).ok()
        });
        match (b, decoded.flatten()) {
            (_, Some(d)) => out.push(d),
            (b'+', None) => out.push(b' '),
            (other, None) => out.push(other),
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}

/// JSON text without white space outside of strings; key order stays.
#[must_use]
pub fn compact_json(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let (mut inside, mut escaped) = (false, false);
    for c in text.chars() {
        if inside {
            out.push(c);
            inside = escaped || c != '"';
            escaped = !escaped && c == '\\';
        } else if !matches!(c, ' ' | '\n' | '\r' | '\t') {
            out.push(c);
            inside = c == '"';
        }
    }
    out
}

impl Document {
    /// Reads a document. Never fails: what cannot be read makes it [`Document::malformed`].
    #[must_use]
    pub fn parse(text: &str) -> Self {
        let raw: RawDocument<'_> = match serde_json::from_str(text) {
            Ok(raw) => raw,
            Err(e) => return Self::broken(text, &e),
        };
        let mut out =
            Self { variables: raw.version.as_deref() == Some("2012-10-17"), ..Self::default() };
        if let Some(v) = raw.version.as_deref()
            && !matches!(v, "2012-10-17" | "2008-10-17")
        {
            out.malformed = Some(format!("unknown version `{v}`"));
            // What a version to come does with variables is not known; they match more than their text.
            out.variables = true;
        }
        out.read_statements(raw.statement.get());
        out.finish()
    }

    /// A document whose envelope is not as it should be: what can be seen of its statements still counts.
    /// Where none can be seen there may be any.
    fn broken(text: &str, cause: &serde_json::Error) -> Self {
        let mut out = Self { variables: true, ..Self::default() };
        let keys = Pairs::of(text).unwrap_or_default();
        for (_, statement) in keys.0.iter().filter(|(key, _)| key == "Statement") {
            out.read_statements(statement.get());
        }
        if out.statements.is_empty() {
            out.statements.extend(Statement::unseen(0));
        }
        out.malformed = Some(shorten(&cause.to_string()));
        out.finish()
    }

    fn read_statements(&mut self, text: &str) {
        let list: Vec<&RawValue> = match serde_json::from_str(text) {
            Ok(list) => list,
            Err(_) => match serde_json::from_str(text) {
                Ok(one) => vec![one],
                Err(e) => {
                    self.note(shorten(&e.to_string()));
                    self.statements.extend(Statement::unseen(0));
                    return;
                }
            },
        };
        for (index, raw) in list.iter().enumerate() {
            let (statement, open, reason) = Statement::parse(index, raw.get());
            if let Some(reason) = reason {
                self.note(format!("statement {index}: {reason}"));
            }
            // Without an effect that can be read it may be either.
            let other = open.then(|| Statement { effect: Effect::Deny, ..statement.clone() });
            self.statements.push(statement);
            self.statements.extend(other);
        }
    }

    fn note(&mut self, reason: String) {
        self.malformed.get_or_insert(reason);
    }

    /// In a malformed document no Allow is certain; a Deny that can be read counts (5.1.1).
    fn finish(mut self) -> Self {
        if self.malformed.is_some() {
            for s in self.statements.iter_mut().filter(|s| s.effect == Effect::Allow) {
                s.doubtful = true;
            }
        }
        self
    }

    /// What of a document that can be read never holds, or stays undecided, because a value in it is no date
    /// (5.3.3): the first such statement, for people.
    #[must_use]
    pub fn unreadable_date(&self) -> Option<String> {
        self.statements.iter().find_map(|s| {
            let text = *s.condition.no_dates().first()?;
            let so = if may_be_date(text) { "may or may not hold" } else { "never holds" };
            let value = shorten(text);
            Some(format!(
                "statement {}: `{value}` is not a date that AWS documents; what is compared with it {so}",
                s.index
            ))
        })
    }

    /// Validity that `aws:CurrentTime` conditions give, when every Allow statement has a bound of that
    /// kind: earliest start and latest end over the statements.
    #[must_use]
    pub fn time_bounds(&self) -> (Option<Time>, Option<Time>) {
        let mut allows = self.statements.iter().filter(|s| s.effect == Effect::Allow);
        let Some(first) = allows.next() else { return (None, None) };
        allows.fold(first.condition.time_bounds(), |(lo, hi), s| {
            let (a, b) = s.condition.time_bounds();
            (lo.zip(a).map(|(x, y)| x.min(y)), hi.zip(b).map(|(x, y)| x.max(y)))
        })
    }
}

fn shorten(message: &str) -> String {
    message.chars().take(160).collect()
}

impl Statement {
    /// The statement, whether its effect is open (it is given as an Allow then), and what is wrong with it.
    fn parse(index: usize, text: &str) -> (Self, bool, Option<String>) {
        let raw: RawStatement<'_> = match serde_json::from_str(text) {
            Ok(raw) => raw,
            Err(e) => {
                let (statement, open) = Self::salvage(index, text);
                return (statement, open, Some(shorten(&e.to_string())));
            }
        };
        let mut reason = None;
        let effect = raw.effect.as_deref().map_or(Seen::Open, Seen::of);
        if !matches!(raw.effect.as_deref(), Some("Allow" | "Deny")) {
            reason = Some(match &raw.effect {
                Some(word) => format!("effect `{}`", shorten(word)),
                None => "no effect".to_owned(),
            });
        }
        let actions = pair(raw.action, raw.not_action);
        let resources = pair(raw.resource, raw.not_resource);
        let actions = actions.flatten();
        if actions.is_none() {
            reason.get_or_insert("neither or both of `Action` and `NotAction`".into());
        }
        let mut parties = Vec::new();
        collect_parties(raw.principal, false, &mut parties);
        collect_parties(raw.not_principal, true, &mut parties);
        let (condition, condition_text) = match raw.condition {
            None => (Condition::default(), String::new()),
            Some(c) => match read_condition(c.get()) {
                Ok(parsed) => (parsed, compact_json(c.get())),
                Err(e) => {
                    reason.get_or_insert(format!("condition: {}", shorten(&e)));
                    (Condition::default(), compact_json(c.get()))
                }
            },
        };
        let condition_text = if condition_text == "{}" { String::new() } else { condition_text };
        let both = matches!(resources, Some(None));
        if both {
            reason.get_or_insert("both `Resource` and `NotResource`".into());
        }
        let statement = Self {
            index,
            sid: raw.sid,
            effect: effect.effect(),
            actions: actions.unwrap_or_else(anything),
            resources: resources.flatten(),
            parties,
            condition,
            condition_text,
            doubtful: reason.is_some(),
        };
        (statement, effect == Seen::Open, reason)
    }

    /// What can still be seen of a statement with a wrong shape, and whether its effect is open. What
    /// cannot be seen is taken as wide as it may be, so that the statement counts as possible.
    fn salvage(index: usize, text: &str) -> (Self, bool) {
        let keys = Pairs::of(text).unwrap_or_default();
        let all = |name: &str| -> Vec<&RawValue> {
            keys.0.iter().filter(|(key, _)| key == name).map(|(_, v)| *v).collect()
        };
        // The texts under a key, wherever it is repeated; `None` when one of them cannot be read.
        let list = |name: &str| -> Option<Vec<String>> {
            let mut out = Vec::new();
            for raw in all(name) {
                out.extend(serde_json::from_str::<OneOrMany>(raw.get()).ok()?.list());
            }
            Some(out)
        };
        let there = |name: &str| keys.0.iter().any(|(key, _)| key == name);
        let mut effects = BTreeSet::new();
        for raw in all("Effect") {
            let word = serde_json::from_str::<String>(raw.get()).ok();
            effects.insert(word.map_or(Seen::Open, |word| Seen::of(&word)));
        }
        let effect = match effects.len() {
            1 => effects.first().copied().unwrap_or(Seen::Open),
            _ => Seen::Open,
        };
        let patterns = |plain: &str, negated: &str| match (there(plain), there(negated)) {
            (true, false) => list(plain).map(|list| Patterns { list, negate: false }),
            (false, true) if all(negated).len() == 1 => {
                list(negated).map(|list| Patterns { list, negate: true })
            }
            _ => None,
        };
        let mut parties = Vec::new();
        for (name, negate) in [("Principal", false), ("NotPrincipal", true)] {
            for raw in all(name) {
                match serde_json::from_str::<RawParties>(raw.get()) {
                    Ok(read) => collect_parties(Some(read), negate, &mut parties),
                    Err(_) => parties.push(unreadable_party()),
                }
            }
        }
        let statement = Self {
            parties,
            actions: patterns("Action", "NotAction").unwrap_or_else(anything),
            resources: Some(patterns("Resource", "NotResource").unwrap_or_else(anything)),
            effect: effect.effect(),
            ..Self::unread(index, Effect::Allow)
        };
        (statement, effect == Seen::Open)
    }

    /// A statement of which nothing but a possible effect is known.
    fn unread(index: usize, effect: Effect) -> Self {
        Self {
            index,
            sid: None,
            effect,
            actions: anything(),
            resources: Some(anything()),
            parties: Vec::new(),
            condition: Condition::default(),
            condition_text: String::new(),
            doubtful: true,
        }
    }

    /// What stands for statements that cannot be seen: they may allow anything, and deny anything (5.1.1).
    fn unseen(index: usize) -> [Self; 2] {
        [Effect::Allow, Effect::Deny].map(|effect| Self::unread(index, effect))
    }
}

/// Effect of a statement as far as it can be read. AWS knows `Allow` and `Deny` in this case only; in
/// another case it is plain what is meant, but not that it holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Seen {
    Allow,
    Deny,
    /// It may be either.
    Open,
}

impl Seen {
    fn of(word: &str) -> Self {
        if word.eq_ignore_ascii_case("Deny") {
            Self::Deny
        } else if word.eq_ignore_ascii_case("Allow") {
            Self::Allow
        } else {
            Self::Open
        }
    }

    fn effect(self) -> Effect {
        if self == Self::Deny { Effect::Deny } else { Effect::Allow }
    }
}

fn anything() -> Patterns {
    Patterns { list: vec!["*".into()], negate: false }
}

/// A party that is there and cannot be read: it may be anybody or nobody.
fn unreadable_party() -> Party {
    Party { kind: "unreadable".into(), value: "unreadable".into(), negate: false }
}

/// A condition block. An operator or key that is there twice leaves open which of the two counts.
fn read_condition(text: &str) -> Result<Condition, String> {
    let parsed = Condition::parse(text)?;
    let twice = |pairs: &Pairs<'_>| {
        let mut seen = BTreeSet::new();
        pairs.0.iter().find(|(key, _)| !seen.insert(key.clone())).map(|(key, _)| shorten(key))
    };
    let operators = Pairs::of(text).map_err(|e| e.to_string())?;
    let mut found = twice(&operators);
    for (_, keys) in &operators.0 {
        found = found.or_else(|| Pairs::of(keys.get()).ok().and_then(|keys| twice(&keys)));
    }
    match found {
        Some(key) => Err(format!("`{key}` is there twice")),
        None => Ok(parsed),
    }
}

/// Keys of a JSON object with their raw values, repeated ones too.
#[derive(Debug, Default)]
struct Pairs<'a>(Vec<(Cow<'a, str>, &'a RawValue)>);

impl<'a> Pairs<'a> {
    fn of(text: &'a str) -> Result<Self, serde_json::Error> {
        serde_json::from_str(text)
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Pairs<'a> {
    fn deserialize<D: serde::Deserializer<'de>>(decoder: D) -> Result<Self, D::Error> {
        struct Read;
        impl<'de> Visitor<'de> for Read {
            type Value = Pairs<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Pairs<'de>, A::Error> {
                let mut out = Vec::new();
                while let Some(Key(key)) = map.next_key()? {
                    out.push((key, map.next_value()?));
                }
                Ok(Pairs(out))
            }
        }
        decoder.deserialize_map(Read)
    }
}

#[derive(Deserialize)]
struct Key<'a>(#[serde(borrow)] Cow<'a, str>);

/// `None`: neither; `Some(None)`: both; else the patterns.
#[expect(clippy::option_option, reason = "three outcomes that callers tell apart")]
fn pair(plain: Option<OneOrMany>, negated: Option<OneOrMany>) -> Option<Option<Patterns>> {
    match (plain, negated) {
        (Some(p), None) => Some(Some(Patterns { list: p.list(), negate: false })),
        (None, Some(n)) => Some(Some(Patterns { list: n.list(), negate: true })),
        (Some(_), Some(_)) => Some(None),
        (None, None) => None,
    }
}

fn collect_parties(raw: Option<RawParties>, negate: bool, out: &mut Vec<Party>) {
    match raw {
        None => {}
        Some(RawParties::Star(value)) => {
            let kind = if value == "*" { "*" } else { "AWS" };
            out.push(Party { kind: kind.into(), value, negate });
        }
        Some(RawParties::Kinds(map)) => {
            for (kind, values) in map {
                for value in values.list() {
                    out.push(Party { kind: kind.clone(), value, negate });
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 5.1.1: single statement, single strings, URL encoding.
    #[test]
    fn shapes() {
        let d = Document::parse(
            r#"{"Version":"2012-10-17","Id":"x","Statement":{"Effect":"Allow","Action":"s3:*","Resource":["*"]}}"#,
        );
        assert!(d.malformed.is_none() && d.variables);
        assert_eq!(d.statements[0].actions.list, ["s3:*"]);
        assert_eq!(url_decoded("%7B%22a%22%3A+1%7D"), "{\"a\": 1}");
        assert_eq!(url_decoded("%7B%zz%e"), "{%zz%e");
        assert_eq!(url_decoded("{\"a\":\"%20\"}"), "{\"a\":\"%20\"}");
        assert_eq!(compact_json("{ \"a b\\\" \" : [1, 2]\n}"), "{\"a b\\\" \":[1,2]}");
    }

    /// 5.1.1: each kind of malformed document keeps its statements, in doubt; where the effect cannot be
    /// seen there are two of them, and two stand for a document of which nothing can be seen.
    #[test]
    fn malformed_is_unknown() {
        for (text, kept) in [
            ("", 2),
            ("[]", 2),
            ("{}", 2),
            (r#"{"Version":"2012-10-17"}"#, 2),
            (r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"*","Res"#, 2),
            (r#"{"Statement":3}"#, 2),
            (r#"{"Statement":null}"#, 2),
            (r#"{"Statement":["x",[]]}"#, 4),
            (r#"{"Statement":[{"Effect":"Maybe","Action":"*","Resource":"*"}]}"#, 2),
            (r#"{"Statement":[{"Effect":5,"Action":"*","Resource":"*"}]}"#, 2),
            (r#"{"Statement":[],"Statement":[{"Effect":"Allow","Action":"*","Resource":"*"}]}"#, 1),
            (r#"{"Statement":[{"Action":"*","Resource":"*"}]}"#, 2),
            (r#"{"Statement":[{"Effect":"allow","Action":"*","Resource":"*"}]}"#, 1),
            (r#"{"Statement":[{"Effect":"Allow","Resource":"*"}]}"#, 1),
            (
                r#"{"Statement":[{"Effect":"Allow","Action":"*","NotAction":"*","Resource":"*"}]}"#,
                1,
            ),
            (
                r#"{"Statement":[{"Effect":"Allow","Action":"*","Resource":"*","NotResource":"a"}]}"#,
                1,
            ),
            (r#"{"Statement":[{"Effect":"Allow","Action":"*","Resource":"*","Extra":1}]}"#, 1),
            (
                r#"{"Statement":[{"Effect":"Allow","Effect":"Deny","Action":"*","Resource":"*"}]}"#,
                2,
            ),
            (r#"{"Statement":[{"Effect":"Allow","Action":["*",3],"Resource":"*"}]}"#, 1),
            (r#"{"Statement":[{"Effect":"Allow","Action":"*","Resource":"*","Condition":[]}]}"#, 1),
            (
                r#"{"Version":"2030-01-01","Statement":[{"Effect":"Allow","Action":"*","Resource":"*"}]}"#,
                1,
            ),
            (r#"{"Extra":1,"Statement":[{"Effect":"Allow","Action":"*","Resource":"*"}]}"#, 1),
        ] {
            let d = Document::parse(text);
            assert!(d.malformed.is_some(), "{text}");
            assert_eq!(d.statements.len(), kept, "{text}");
            assert!(d.statements.iter().all(|s| s.doubtful), "{text}");
        }
    }

    /// What cannot be seen of a statement is taken as wide as it may be: nothing of it is lost.
    #[test]
    fn a_broken_statement_keeps_all_that_it_may_say() {
        let one = |body: &str| {
            Document::parse(&format!(r#"{{"Version":"2012-10-17","Statement":[{{{body}}}]}}"#))
        };
        let number = one(r#""Effect":"Deny","Action":5,"Resource":"*""#);
        assert_eq!(number.statements.len(), 1);
        assert_eq!(
            (number.statements[0].effect, number.statements[0].doubtful),
            (Effect::Deny, true)
        );
        assert_eq!(number.statements[0].actions, anything());
        let twice = one(
            r#""Effect":"Allow","Action":"s3:Get*","Action":["iam:*"],"Resource":"a","Resource":7"#,
        );
        assert_eq!(twice.statements[0].actions.list, ["s3:Get*", "iam:*"]);
        assert_eq!(twice.statements[0].resources, Some(anything()));
        let not = one(r#""Effect":"Allow","NotAction":"s3:*","NotResource":"b","Extra":1"#);
        assert!(not.statements[0].actions.negate);
        assert_eq!(not.statements[0].resources.as_ref().map(|r| r.negate), Some(true));
        let not = one(r#""Effect":"Allow","NotAction":["s3:*",5],"Resource":"b""#);
        assert_eq!(not.statements[0].actions, anything());
        let party = one(r#""Effect":"Allow","Action":"*","Principal":{"AWS":5}"#);
        assert_eq!(party.statements[0].parties, [unreadable_party()]);
        let party = one(r#""Effect":"Allow","Action":"*","Principal":{"AWS":"1"},"Extra":1"#);
        assert_eq!(party.statements[0].parties[0].value, "1");
    }

    /// Of a key that is there twice in a condition it is not known which counts (5.1.1).
    #[test]
    fn a_repeated_key_of_a_condition_is_malformed() {
        for condition in [
            r#"{"StringEquals":{"aws:a":"1"},"StringEquals":{"aws:b":"1"}}"#,
            r#"{"StringEquals":{"aws:a":"1","aws:a":"2"}}"#,
        ] {
            let d = Document::parse(&format!(
                r#"{{"Version":"2012-10-17","Statement":{{"Effect":"Deny","Action":"*","Resource":"*","Condition":{condition}}}}}"#
            ));
            assert!(d.malformed.as_deref().unwrap().contains("twice"), "{condition}");
            assert!(d.statements[0].doubtful && d.statements[0].condition.is_empty());
        }
        let two = r#"{"StringEquals":{"aws:a":"1","aws:b":"1"},"StringLike":{"aws:a":"1"}}"#;
        assert!(read_condition(two).is_ok());
    }

    #[test]
    fn bounds_need_every_allow() {
        let bound = |until: &str| {
            format!(
                r#"{{"Effect":"Allow","Action":"*","Resource":"*","Condition":{{"DateLessThan":{{"aws:CurrentTime":"{until}"}}}}}}"#
            )
        };
        let free = r#"{"Effect":"Allow","Action":"s3:*","Resource":"*"}"#;
        let doc = |s: &[String]| {
            Document::parse(&format!(r#"{{"Version":"2012-10-17","Statement":[{}]}}"#, s.join(",")))
        };
        let two = doc(&[bound("2026-01-01T00:00:00Z"), bound("2026-03-01T00:00:00Z")]);
        assert_eq!(two.time_bounds().1.unwrap().to_date(), "2026-03-01");
        assert_eq!(doc(&[bound("2026-01-01T00:00:00Z"), free.into()]).time_bounds().1, None);
    }
}
