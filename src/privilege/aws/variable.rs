//! Policy variables (5.2.6): values of the request in the place of `${key}`, always as literal text.

use std::borrow::Cow;

use super::condition::{Context, Seen};
use super::tri::Tri;
use crate::privilege::glob;

/// A run of a pattern: text, and whether it stands for itself (its `*` and `?` are no wildcards).
pub type Piece<'a> = (Cow<'a, str>, bool);

/// Runs kept without allocation; a pattern with more variables than that is rare.
const FEW: usize = 6;

/// A pattern after substitution.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pieces<'a> {
    few: [Piece<'a>; FEW],
    len: usize,
    more: Vec<Piece<'a>>,
}

/// Outcome of putting the request's values into a pattern.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Filled<'a> {
    /// All variables have a value.
    Known(Pieces<'a>),
    /// Some are unknown; any run stands in their place.
    Open(Pieces<'a>),
    /// One without default is known to be absent: the pattern matches nothing.
    Absent,
}

impl<'a> Pieces<'a> {
    fn new() -> Self {
        Self { few: std::array::from_fn(|_| (Cow::Borrowed(""), true)), len: 0, more: Vec::new() }
    }

    fn push(&mut self, text: Cow<'a, str>, literal: bool) {
        if text.is_empty() {
            return;
        }
        if self.more.is_empty()
            && let Some(slot) = self.few.get_mut(self.len)
        {
            *slot = (text, literal);
            self.len += 1;
            return;
        }
        if self.more.is_empty() {
            self.more = self.few.to_vec();
        }
        self.more.push((text, literal));
    }

    /// The runs, in order.
    pub(super) fn list(&self) -> &[Piece<'a>] {
        if self.more.is_empty() { self.few.get(..self.len).unwrap_or_default() } else { &self.more }
    }

    /// No run stands for itself: nothing was put in but wildcards.
    pub(super) fn is_plain(&self) -> bool {
        self.list().iter().all(|(_, literal)| !literal)
    }

    /// Whether the whole of `s` matches, case-sensitive.
    #[must_use]
    pub fn matches(&self, s: &str) -> bool {
        glob::matches_pieces(self.list(), s, |a, b| a == b)
    }

    /// Whether the whole of `s` matches, ignoring ASCII case.
    #[must_use]
    pub fn matches_ignore_case(&self, s: &str) -> bool {
        glob::matches_pieces(self.list(), s, |a, b| a.eq_ignore_ascii_case(&b))
    }

    /// The text.
    #[must_use]
    pub fn text(&self) -> String {
        self.list().iter().map(|(t, _)| t.as_ref()).collect()
    }

    /// Six-part comparison with an ARN (5.3.6); `None` when the filled text is no ARN.
    #[must_use]
    pub fn matches_arn(&self, v: &str) -> Option<bool> {
        let mut parts: Vec<Vec<Piece<'_>>> = vec![Vec::new()];
        for (text, literal) in self.list() {
            let mut rest: &str = text;
            while parts.len() < 6
                && let Some((before, after)) = rest.split_once(':')
            {
                if let Some(last) = parts.last_mut() {
                    last.push((Cow::Borrowed(before), *literal));
                }
                parts.push(Vec::new());
                rest = after;
            }
            if let Some(last) = parts.last_mut() {
                last.push((Cow::Borrowed(rest), *literal));
            }
        }
        if parts.len() < 6 {
            return None;
        }
        let values = v.splitn(6, ':');
        Some(
            values.clone().count() == 6
                && parts.iter().zip(values).all(|(p, v)| glob::matches_pieces(p, v, |a, b| a == b)),
        )
    }
}

impl Filled<'_> {
    /// Whether the pattern matches the whole of `s`, case-sensitive: undecided when that depends on an
    /// unknown variable.
    #[must_use]
    pub fn matches(&self, s: &str) -> Tri {
        match self {
            Self::Absent => Tri::F,
            Self::Known(pieces) => Tri::from_bool(pieces.matches(s)),
            Self::Open(pieces) if pieces.matches(s) => Tri::U,
            Self::Open(_) => Tri::F,
        }
    }
}

/// Puts the request's values into a pattern. `${*}`, `${?}` and `${$}` are literal characters;
/// `${key, 'default'}` stands for the default where the key is absent. Text after an unclosed `${`
/// stands for itself. Without `wild` the pattern's own `*` and `?` are plain characters, as they are for
/// operators such as `StringEquals`.
pub fn fill<'a>(pattern: &'a str, context: &'a dyn Context, wild: bool) -> Filled<'a> {
    let mut pieces = Pieces::new();
    let mut open = false;
    let mut rest = pattern;
    while let Some((before, after)) = rest.split_once("${") {
        pieces.push(Cow::Borrowed(before), !wild);
        let Some((inside, tail)) = after.split_once('}') else {
            let at = rest.len() - after.len() - 2;
            pieces.push(Cow::Borrowed(rest.get(at..).unwrap_or_default()), true);
            rest = "";
            break;
        };
        let (key, default) = match inside.split_once(',') {
            Some((k, d)) => (k.trim(), Some(d.trim().trim_matches('\''))),
            None => (inside.trim(), None),
        };
        if default.is_none() && matches!(key, "*" | "?" | "$") {
            pieces.push(Cow::Borrowed(key), true);
        } else {
            let seen = if key.bytes().any(|b| b.is_ascii_uppercase()) {
                context.look(&key.to_ascii_lowercase())
            } else {
                context.look(key)
            };
            match (seen, default) {
                (Seen::One(v), _) => pieces.push(v, true),
                (Seen::Absent, Some(d)) => pieces.push(Cow::Borrowed(d), true),
                (Seen::Absent, None) => return Filled::Absent,
                (Seen::Prefix(v), _) => {
                    pieces.push(v, true);
                    pieces.push(Cow::Borrowed("*"), false);
                    open = true;
                }
                // Several values do not fit into one place; what AWS does then is not documented.
                (Seen::Many(_) | Seen::Unknown, _) => {
                    pieces.push(Cow::Borrowed("*"), false);
                    open = true;
                }
            }
        }
        rest = tail;
    }
    pieces.push(Cow::Borrowed(rest), !wild);
    if open { Filled::Open(pieces) } else { Filled::Known(pieces) }
}

/// Whether a variable of the pattern is known to be absent and has no default.
#[must_use]
pub fn lacks(pattern: &str, context: &dyn Context) -> bool {
    pattern.contains("${") && matches!(fill(pattern, context, true), Filled::Absent)
}

/// Variables of a pattern: lower-case key, and whether there is a default.
pub(super) fn variables(pattern: &str) -> impl Iterator<Item = (String, bool)> + '_ {
    let closed = pattern.split("${").skip(1).map_while(|after| Some(after.split_once('}')?.0));
    closed
        .map(|inside| {
            let key = inside.split(',').next().unwrap_or_default();
            (key.trim().to_ascii_lowercase(), inside.contains(','))
        })
        .filter(|(key, default)| *default || !matches!(key.as_str(), "*" | "?" | "$"))
}

/// Lower-case keys of the variables of a pattern that the context does not know.
#[must_use]
pub fn unknown_keys(pattern: &str, context: &dyn Context) -> Vec<String> {
    let open =
        |key: &String| matches!(context.look(key), Seen::Unknown | Seen::Prefix(_) | Seen::Many(_));
    variables(pattern).map(|(key, _)| key).filter(open).collect()
}

/// Whether a variable without default is absent, or may be.
#[must_use]
pub fn may_lack(pattern: &str, context: &dyn Context) -> bool {
    let absent = |key: &str| matches!(context.look(key), Seen::Absent | Seen::Unknown);
    variables(pattern).any(|(key, default)| !default && absent(&key))
}
