//! Policy documents: parsing and normalisation (5.1). A malformed document is unknown, never a crash
//! and never silently empty.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::value::RawValue;

use super::condition::Condition;
use crate::facts::Time;

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
        }
        out.read_statements(raw.statement.get());
        out.finish()
    }

    /// A document whose envelope is not as it should be: what can be seen of its statements still counts.
    fn broken(text: &str, cause: &serde_json::Error) -> Self {
        let mut out = Self { variables: true, ..Self::default() };
        let loose: Result<BTreeMap<String, &RawValue>, _> = serde_json::from_str(text);
        if let Ok(keys) = loose
            && let Some(statement) = keys.get("Statement")
        {
            out.read_statements(statement.get());
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
                    return;
                }
            },
        };
        for (index, raw) in list.iter().enumerate() {
            let (statement, reason) = Statement::parse(index, raw.get());
            if let Some(reason) = reason {
                self.note(format!("statement {index}: {reason}"));
            }
            self.statements.push(statement);
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
    fn parse(index: usize, text: &str) -> (Self, Option<String>) {
        let raw: RawStatement<'_> = match serde_json::from_str(text) {
            Ok(raw) => raw,
            Err(e) => return (Self::salvage(index, text), Some(shorten(&e.to_string()))),
        };
        let mut reason = None;
        let effect = match raw.effect.as_deref() {
            Some("Allow") => Effect::Allow,
            Some("Deny") => Effect::Deny,
            other => {
                reason = Some(match other {
                    Some(word) => format!("effect `{}`", shorten(word)),
                    None => "no effect".to_owned(),
                });
                match other {
                    Some(word) if word.eq_ignore_ascii_case("Deny") => Effect::Deny,
                    _ => Effect::Allow,
                }
            }
        };
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
            Some(c) => match Condition::parse(c.get()) {
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
            effect,
            actions: actions.unwrap_or_else(|| Patterns { list: vec!["*".into()], negate: false }),
            resources: resources.flatten(),
            parties,
            condition,
            condition_text,
            doubtful: reason.is_some(),
        };
        (statement, reason)
    }

    /// What can still be seen of a statement with a wrong shape: enough to be counted as possible.
    fn salvage(index: usize, text: &str) -> Self {
        let keys: BTreeMap<String, serde_json::Value> =
            serde_json::from_str(text).unwrap_or_default();
        let list = |key: &str| -> Vec<String> {
            match keys.get(key) {
                Some(serde_json::Value::String(s)) => vec![s.clone()],
                Some(serde_json::Value::Array(a)) => {
                    a.iter().filter_map(|v| v.as_str().map(str::to_owned)).collect()
                }
                _ => Vec::new(),
            }
        };
        let deny = keys.get("Effect").and_then(|e| e.as_str()) == Some("Deny");
        let negate = keys.contains_key("NotAction") && !keys.contains_key("Action");
        let actions = list(if negate { "NotAction" } else { "Action" });
        let resources = list("Resource");
        Self {
            index,
            sid: None,
            effect: if deny { Effect::Deny } else { Effect::Allow },
            actions: Patterns { list: actions, negate },
            resources: Some(Patterns {
                list: if resources.is_empty() { vec!["*".into()] } else { resources },
                negate: false,
            }),
            parties: Vec::new(),
            condition: Condition::default(),
            condition_text: String::new(),
            doubtful: true,
        }
    }
}

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

    /// 5.1.1: each kind of malformed document keeps its statements, in doubt.
    #[test]
    fn malformed_is_unknown() {
        for (text, kept) in [
            ("", 0),
            ("[]", 0),
            ("{}", 0),
            (r#"{"Statement":3}"#, 1),
            (r#"{"Statement":[{"Action":"*","Resource":"*"}]}"#, 1),
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
                1,
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
