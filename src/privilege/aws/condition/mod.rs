//! Conditions, three-valued (5.3): true, false, or undecided because a key is unknown.

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde::Deserialize;
use serde::de::{self, Deserializer};

use super::tri::Tri;
use super::variable::{self, Filled, Pieces};
use crate::facts::Time;
use crate::privilege::glob;

mod value;

pub use value::may_be_date;
use value::{arn_like, date, in_range, number, range};

/// What is known of a context key (5.3.2).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Known {
    /// Present with these values.
    Values(Vec<String>),
    /// Known to be absent.
    Absent,
    /// Not derivable.
    Unknown,
}

/// [`Known`] without copies, for the path that is walked millions of times.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Seen<'a> {
    /// Present with one value.
    One(Cow<'a, str>),
    /// Present with several values, or with an empty list of them.
    Many(Cow<'a, [String]>),
    /// Present with one value of which only the start is known (`aws:userid` of a role session).
    Prefix(Cow<'a, str>),
    /// Known to be absent.
    Absent,
    /// Not derivable.
    Unknown,
}

impl Seen<'_> {
    /// The owned form; a value of which only the start is known is unknown there.
    #[must_use]
    pub fn known(self) -> Known {
        match self {
            Self::One(v) => Known::Values(vec![v.into_owned()]),
            Self::Many(v) => Known::Values(v.into_owned()),
            Self::Absent => Known::Absent,
            Self::Prefix(_) | Self::Unknown => Known::Unknown,
        }
    }
}

/// Where context keys come from.
pub trait Context {
    /// What is known of a key; `key` is lower case.
    fn get(&self, key: &str) -> Known;

    /// The same, borrowed where the implementation can lend it.
    fn look<'s>(&'s self, key: &str) -> Seen<'s> {
        match self.get(key) {
            Known::Values(mut v) if v.len() == 1 => {
                v.pop().map_or(Seen::Unknown, |v| Seen::One(Cow::Owned(v)))
            }
            Known::Values(v) => Seen::Many(Cow::Owned(v)),
            Known::Absent => Seen::Absent,
            Known::Unknown => Seen::Unknown,
        }
    }
}

/// Base operator without prefix and suffix.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Base {
    StringEquals,
    StringEqualsIgnoreCase,
    StringLike,
    ArnLike,
    Numeric(Order),
    Date(Order),
    Bool,
    Binary,
    Ip,
    Null,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Order {
    Eq,
    Lt,
    Le,
    Gt,
    Ge,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum SetPrefix {
    None,
    All,
    Any,
}

/// One operator on one key.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
struct Clause {
    base: Base,
    negated: bool,
    set: SetPrefix,
    if_exists: bool,
    key: String,
    values: Vec<String>,
}

/// A condition block: all clauses must hold.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Condition {
    clauses: Vec<Clause>,
    /// Operators that are not known; their clauses are undecided.
    unknown: Vec<String>,
}

/// A condition value: text, or the text of a JSON boolean or number (5.1.1).
struct Scalar(String);

impl<'de> Deserialize<'de> for Scalar {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        match serde_json::Value::deserialize(d)? {
            serde_json::Value::String(s) => Ok(Self(s)),
            serde_json::Value::Bool(b) => Ok(Self(b.to_string())),
            serde_json::Value::Number(n) => Ok(Self(n.to_string())),
            _ => Err(de::Error::custom("a condition value is neither text, number nor boolean")),
        }
    }
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Values {
    Many(Vec<Scalar>),
    One(Scalar),
}

impl Condition {
    /// Reads a condition block.
    ///
    /// # Errors
    /// When it is not an object of objects of values.
    pub fn parse(text: &str) -> Result<Self, String> {
        let raw: BTreeMap<String, BTreeMap<String, Values>> =
            serde_json::from_str(text).map_err(|e| e.to_string())?;
        let mut out = Self::default();
        for (operator, keys) in raw {
            let Some((base, negated, set, if_exists)) = operator_of(&operator) else {
                out.unknown.push(operator);
                continue;
            };
            for (key, values) in keys {
                let values = match values {
                    Values::Many(list) => list.into_iter().map(|s| s.0).collect(),
                    Values::One(s) => vec![s.0],
                };
                let key = key.to_ascii_lowercase();
                out.clauses.push(Clause { base, negated, set, if_exists, key, values });
            }
        }
        Ok(out)
    }

    /// Whether nothing is asked.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.clauses.is_empty() && self.unknown.is_empty()
    }

    /// Lower-case keys that are asked, sorted.
    #[must_use]
    pub fn keys(&self) -> Vec<&str> {
        let mut keys: Vec<&str> = self.clauses.iter().map(|c| c.key.as_str()).collect();
        keys.sort_unstable();
        keys.dedup();
        keys
    }

    /// Values that a key is compared with by an operator that is not negated.
    #[must_use]
    pub fn values_of(&self, key: &str) -> Vec<&str> {
        self.clauses
            .iter()
            .filter(|c| c.key == key && !c.negated && c.base != Base::Null)
            .flat_map(|c| c.values.iter().map(String::as_str))
            .collect()
    }

    /// Values that a key is compared with by any operator, negated or not, but for presence.
    #[must_use]
    pub fn compared_with(&self, key: &str) -> Vec<&str> {
        self.clauses
            .iter()
            .filter(|c| c.key == key && c.base != Base::Null)
            .flat_map(|c| c.values.iter().map(String::as_str))
            .collect()
    }

    /// Keys compared for plain equality (no wildcards, not negated), with the values.
    #[must_use]
    pub fn plain_values(&self) -> Vec<(&str, Vec<&str>)> {
        let plain = |c: &&Clause| {
            matches!(c.base, Base::StringEquals | Base::StringEqualsIgnoreCase) && !c.negated
        };
        self.clauses
            .iter()
            .filter(plain)
            .map(|c| (c.key.as_str(), c.values.iter().map(String::as_str).collect()))
            .collect()
    }

    /// Evaluates the block. With `variables`, `${...}` in values is substituted (5.2.6).
    #[must_use]
    pub fn evaluate(&self, context: &dyn Context, variables: bool) -> Tri {
        let known = Tri::all(self.clauses.iter().map(|c| c.evaluate(context, variables)));
        if self.unknown.is_empty() { known } else { known.and(Tri::U) }
    }

    /// Lower-case keys of the clauses that the context leaves undecided, and of variables in them;
    /// sorted. An operator that is not known is named in place of its keys.
    #[must_use]
    pub fn undecided(&self, context: &dyn Context, variables: bool) -> Vec<String> {
        let mut out: Vec<String> =
            self.unknown.iter().map(|operator| format!("operator {operator}")).collect();
        for c in self.clauses.iter().filter(|c| c.evaluate(context, variables) == Tri::U) {
            let open: Vec<String> =
                c.values.iter().flat_map(|v| variable::unknown_keys(v, context)).collect();
            if open.is_empty() || matches!(context.look(&c.key), Seen::Unknown | Seen::Prefix(_)) {
                out.push(c.key.clone());
            }
            out.extend(open);
        }
        out.sort_unstable();
        out.dedup();
        out
    }

    /// Whether `wider` holds whenever this holds (sound, not complete): every clause of the other is
    /// asked here too, with values at least as narrow.
    #[must_use]
    pub fn implies(&self, wider: &Self) -> bool {
        // Of an operator that is not known the values are not kept either.
        wider.unknown.is_empty()
            && wider.clauses.iter().all(|w| self.clauses.iter().any(|c| c.implies(w)))
    }

    /// Values that a key must have: it is compared by an operator that is not negated and fails when the
    /// key is absent, so not with `...IfExists` or `ForAllValues:`.
    #[must_use]
    pub fn demanded(&self, key: &str) -> Vec<&str> {
        let demands = |c: &&Clause| {
            let fails = !c.negated && !c.if_exists && c.set != SetPrefix::All;
            c.key == key && fails && c.base != Base::Null
        };
        self.clauses
            .iter()
            .filter(demands)
            .flat_map(|c| c.values.iter().map(String::as_str))
            .collect()
    }

    /// Values that are compared as dates and are none that AWS documents: what it makes of them is unknown.
    #[must_use]
    pub fn no_dates(&self) -> Vec<&str> {
        let dates = self.clauses.iter().filter(|c| matches!(c.base, Base::Date(_)));
        let values = dates.flat_map(|c| c.values.iter().map(String::as_str));
        values.filter(|v| !v.contains("${") && date(v).is_none()).collect()
    }

    /// Start and end of validity by `aws:CurrentTime` or `aws:EpochTime`.
    #[must_use]
    pub fn time_bounds(&self) -> (Option<Time>, Option<Time>) {
        let (mut start, mut end): (Option<Time>, Option<Time>) = (None, None);
        for c in &self.clauses {
            let (Base::Date(order) | Base::Numeric(order)) = c.base else { continue };
            // With `...IfExists` or a set prefix the bound holds too: the key is always there, once.
            if c.negated || !matches!(c.key.as_str(), "aws:currenttime" | "aws:epochtime") {
                continue;
            }
            let read = |v: &String| match c.base {
                // To these operators the time is a number of seconds, and a year is one too.
                Base::Numeric(_) if c.key == "aws:epochtime" => v.parse().ok().map(Time::from_secs),
                Base::Numeric(_) => None,
                _ => date(v),
            };
            let times: Vec<Time> = c.values.iter().filter_map(read).collect();
            if times.len() != c.values.len() {
                continue;
            }
            let (low, high) = (times.iter().min().copied(), times.iter().max().copied());
            if matches!(order, Order::Gt | Order::Ge | Order::Eq) {
                start = start.max(low);
            }
            if matches!(order, Order::Lt | Order::Le | Order::Eq) {
                end = match (end, high) {
                    (Some(a), Some(b)) => Some(a.min(b)),
                    (a, b) => a.or(b),
                };
            }
        }
        (start, end)
    }
}

fn operator_of(text: &str) -> Option<(Base, bool, SetPrefix, bool)> {
    let mut name = text.to_ascii_lowercase();
    let mut set = SetPrefix::None;
    for (prefix, kind) in [("forallvalues:", SetPrefix::All), ("foranyvalue:", SetPrefix::Any)] {
        if let Some(rest) = name.strip_prefix(prefix) {
            set = kind;
            name = rest.to_owned();
            break;
        }
    }
    let if_exists = name.ends_with("ifexists") && name != "nullifexists";
    let name = if if_exists { name.strip_suffix("ifexists")? } else { name.as_str() };
    let (base, negated) = match name {
        "stringequals" => (Base::StringEquals, false),
        "stringnotequals" => (Base::StringEquals, true),
        "stringequalsignorecase" => (Base::StringEqualsIgnoreCase, false),
        "stringnotequalsignorecase" => (Base::StringEqualsIgnoreCase, true),
        "stringlike" => (Base::StringLike, false),
        "stringnotlike" => (Base::StringLike, true),
        "arnequals" | "arnlike" => (Base::ArnLike, false),
        "arnnotequals" | "arnnotlike" => (Base::ArnLike, true),
        "numericequals" => (Base::Numeric(Order::Eq), false),
        "numericnotequals" => (Base::Numeric(Order::Eq), true),
        "numericlessthan" => (Base::Numeric(Order::Lt), false),
        "numericlessthanequals" => (Base::Numeric(Order::Le), false),
        "numericgreaterthan" => (Base::Numeric(Order::Gt), false),
        "numericgreaterthanequals" => (Base::Numeric(Order::Ge), false),
        "dateequals" => (Base::Date(Order::Eq), false),
        "datenotequals" => (Base::Date(Order::Eq), true),
        "datelessthan" => (Base::Date(Order::Lt), false),
        "datelessthanequals" => (Base::Date(Order::Le), false),
        "dategreaterthan" => (Base::Date(Order::Gt), false),
        "dategreaterthanequals" => (Base::Date(Order::Ge), false),
        "bool" => (Base::Bool, false),
        "binaryequals" => (Base::Binary, false),
        "ipaddress" => (Base::Ip, false),
        "notipaddress" => (Base::Ip, true),
        "null" => (Base::Null, false),
        _ => return None,
    };
    Some((base, negated, set, if_exists))
}

impl Base {
    /// Whether a request value that agrees with the policy value `v` agrees with `o` too (sound, not
    /// complete). With variables only the same text is the same.
    fn within(self, v: &str, o: &str) -> bool {
        if v == o {
            return true;
        }
        if v.contains("${") || o.contains("${") {
            return false;
        }
        match self {
            Self::StringLike => glob::contains(o, v),
            Self::StringEqualsIgnoreCase => v.eq_ignore_ascii_case(o),
            Self::ArnLike => {
                let parts = |s: &str| s.splitn(6, ':').count() == 6;
                let mut pairs = v.splitn(6, ':').zip(o.splitn(6, ':'));
                parts(v) && parts(o) && pairs.all(|(v, o)| glob::contains(o, v))
            }
            // Any other word than these two agrees with nothing.
            Self::Bool => v.eq_ignore_ascii_case(o),
            Self::Ip => match (range(v), range(o)) {
                (Some(v), Some(o)) => {
                    v.version == o.version && o.first <= v.first && v.last <= o.last
                }
                _ => false,
            },
            _ => false,
        }
    }
}

impl Clause {
    fn evaluate(&self, context: &dyn Context, variables: bool) -> Tri {
        let seen = context.look(&self.key);
        if self.base == Base::Null {
            let absent = match seen {
                Seen::Unknown => return Tri::U,
                Seen::Absent => true,
                Seen::One(_) | Seen::Many(_) | Seen::Prefix(_) => false,
            };
            return Tri::any(self.values.iter().map(|v| {
                Tri::from_bool(v.eq_ignore_ascii_case(if absent { "true" } else { "false" }))
            }));
        }
        let on = |v: &str| self.on_value(v, variables, context);
        match (seen, self.set) {
            (Seen::Unknown, _) => Tri::U,
            (Seen::Absent, set) => Tri::from_bool(match set {
                SetPrefix::All => true,
                SetPrefix::Any => false,
                SetPrefix::None => self.negated || self.if_exists,
            }),
            (Seen::One(v), _) => on(&v),
            (Seen::Prefix(start), _) => self.on_start(&start),
            // 5.3.5: several values need a set operator.
            (Seen::Many(_), SetPrefix::None) => Tri::F,
            (Seen::Many(list), SetPrefix::All) => Tri::all(list.iter().map(|v| on(v))),
            (Seen::Many(list), SetPrefix::Any) => Tri::any(list.iter().map(|v| on(v))),
        }
    }

    /// Whether `w` holds whenever this clause holds.
    fn implies(&self, w: &Self) -> bool {
        let same = self.base == w.base
            && self.negated == w.negated
            && self.set == w.set
            && self.key == w.key
            // Without `...IfExists` a missing key fails a positive operator: that is narrower.
            && (self.if_exists == w.if_exists || w.if_exists);
        if !same {
            return false;
        }
        if self.negated {
            // What the other rules out is ruled out here too.
            return w.values.iter().all(|v| self.values.iter().any(|o| self.base.within(v, o)));
        }
        if self.values.iter().all(|v| w.values.iter().any(|o| self.base.within(v, o))) {
            return true;
        }
        match self.base {
            Base::Date(order) => bounded(order, &self.values, &w.values, date),
            Base::Numeric(order) => {
                bounded(order, &self.values, &w.values, |v| number(v).map(OrderedNumber))
            }
            _ => false,
        }
    }

    /// 5.3.3: positive = some policy value agrees, negated = none does; a policy value of the wrong
    /// type agrees with nothing, and spoils a negated operator. What is compared with a date in no documented
    /// form is undecided.
    fn on_value(&self, v: &str, variables: bool, context: &dyn Context) -> Tri {
        self.over(|p| self.agrees(v, p, variables, context))
    }

    /// A value of which only the start is known: patterns of text that all or no such values match.
    fn on_start(&self, start: &str) -> Tri {
        self.over(|p| {
            if p.contains("${") {
                return Some(Tri::U);
            }
            let is_start = |p: &str| p.get(..start.len()).is_some_and(|s| s == start);
            Some(match self.base {
                Base::StringLike => {
                    let all = format!("{start}*");
                    if glob::contains(p, &all) {
                        Tri::T
                    } else if glob::overlaps(p, &all) {
                        Tri::U
                    } else {
                        Tri::F
                    }
                }
                Base::StringEquals if !is_start(p) => Tri::F,
                _ => Tri::U,
            })
        })
    }

    fn over(&self, agrees: impl Fn(&str) -> Option<Tri>) -> Tri {
        let each = self.values.iter().map(|p| match (agrees(p), self.negated) {
            (None, _) => Tri::F,
            (Some(t), true) => !t,
            (Some(t), false) => t,
        });
        if self.negated { Tri::all(each) } else { Tri::any(each) }
    }

    /// Whether a policy value agrees with a request value; `None` when it has the wrong type.
    fn agrees(&self, v: &str, p: &str, variables: bool, context: &dyn Context) -> Option<Tri> {
        if !variables || !p.contains("${") {
            return self.judged(v, p);
        }
        let wild = matches!(self.base, Base::StringLike | Base::ArnLike);
        let (pieces, open) = match variable::fill(p, context, wild) {
            Filled::Absent => return Some(Tri::F),
            Filled::Known(pieces) => (pieces, false),
            Filled::Open(pieces) => (pieces, true),
        };
        let like = |pieces: &Pieces<'_>, ignore_case: bool| {
            let yes = if ignore_case { pieces.matches_ignore_case(v) } else { pieces.matches(v) };
            // With a variable free the rest of the value may still rule it out.
            Some(if yes && open { Tri::U } else { Tri::from_bool(yes) })
        };
        match self.base {
            Base::StringEquals | Base::Binary | Base::StringLike => like(&pieces, false),
            Base::StringEqualsIgnoreCase => like(&pieces, true),
            _ if open => Some(Tri::U),
            Base::ArnLike => pieces.matches_arn(v).map(Tri::from_bool),
            _ => self.judged(v, &pieces.text()),
        }
    }

    /// [`Self::compare`], undecided for what may be a date in a form that nobody documents. Other texts are of
    /// the wrong type.
    fn judged(&self, v: &str, p: &str) -> Option<Tri> {
        match self.compare(v, p) {
            None if matches!(self.base, Base::Date(_)) && may_be_date(p) => Some(Tri::U),
            said => said.map(Tri::from_bool),
        }
    }

    /// [`Self::agrees`] for a policy value without variables.
    fn compare(&self, v: &str, p: &str) -> Option<bool> {
        Some(match self.base {
            Base::StringEquals | Base::Binary => v == p,
            Base::StringEqualsIgnoreCase => v.eq_ignore_ascii_case(p),
            Base::StringLike => glob::matches(p, v),
            Base::ArnLike => arn_like(p, v)?,
            Base::Numeric(order) => {
                let right = number(p)?;
                number(v).is_some_and(|left| order.holds(left.total_cmp(&right)))
            }
            Base::Date(order) => {
                let right = date(p)?;
                date(v).is_some_and(|left| order.holds(left.cmp(&right)))
            }
            Base::Bool => {
                if !p.eq_ignore_ascii_case("true") && !p.eq_ignore_ascii_case("false") {
                    return None;
                }
                v.eq_ignore_ascii_case(p)
            }
            Base::Ip => in_range(v, p)?,
            Base::Null => false,
        })
    }
}

/// A finite number with a total order.
#[derive(Clone, Copy, PartialEq)]
struct OrderedNumber(f64);

impl Eq for OrderedNumber {}

impl PartialOrd for OrderedNumber {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for OrderedNumber {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.0.total_cmp(&other.0)
    }
}

/// Whether a bound is at least as narrow as another: of several values the widest counts.
fn bounded<T: Ord>(
    order: Order,
    narrow: &[String],
    wide: &[String],
    read: impl Fn(&str) -> Option<T>,
) -> bool {
    let all = |list: &[String]| list.iter().map(|v| read(v)).collect::<Option<Vec<T>>>();
    let (Some(narrow), Some(wide)) = (all(narrow), all(wide)) else { return false };
    match order {
        Order::Lt | Order::Le => narrow.iter().max() <= wide.iter().max(),
        Order::Gt | Order::Ge => {
            narrow.iter().min().zip(wide.iter().min()).is_some_and(|(n, w)| n >= w)
        }
        Order::Eq => false,
    }
}

impl Order {
    fn holds(self, o: std::cmp::Ordering) -> bool {
        match self {
            Self::Eq => o.is_eq(),
            Self::Lt => o.is_lt(),
            Self::Le => o.is_le(),
            Self::Gt => o.is_gt(),
            Self::Ge => o.is_ge(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Map(BTreeMap<&'static str, Known>);
    impl Context for Map {
        fn get(&self, key: &str) -> Known {
            self.0.get(key).cloned().unwrap_or(Known::Unknown)
        }
    }

    fn known(values: &[&str]) -> Known {
        Known::Values(values.iter().map(|v| (*v).to_owned()).collect())
    }

    fn context() -> Map {
        Map(BTreeMap::from([
            ("k", known(&["abc"])),
            ("n", known(&["10"])),
            ("b", known(&["true"])),
            ("multi", known(&["a", "b"])),
            ("gone", Known::Absent),
            ("ip", known(&["10.1.2.3"])),
            ("arn", known(&["arn:aws:iam::1:role/path/Name"])),
            ("d", known(&["2026-06-01T00:00:00Z"])),
            ("star", known(&["a*c"])),
        ]))
    }

    fn eval(op: &str, key: &str, values: &str) -> Tri {
        let c = Condition::parse(&format!(r#"{{"{op}":{{"{key}":{values}}}}}"#)).unwrap();
        c.evaluate(&context(), true)
    }

    /// 5.3.3 to 5.3.6, one line per rule.
    #[test]
    fn golden() {
        use Tri::{F, T, U};
        for (op, key, values, want) in [
            ("StringEquals", "K", r#"["x","abc"]"#, T),
            ("stringequals", "k", r#""ABC""#, F),
            ("StringEqualsIgnoreCase", "k", r#""ABC""#, T),
            ("StringNotEquals", "k", r#"["abc","x"]"#, F),
            ("StringNotEquals", "k", r#"["y","x"]"#, T),
            ("StringNotEquals", "gone", r#""x""#, T),
            ("StringNotLike", "gone", r#""x""#, T),
            ("StringEquals", "gone", r#""x""#, F),
            ("StringEqualsIfExists", "gone", r#""x""#, T),
            ("NumericLessThanIfExists", "n", r#""11""#, T),
            ("NumericLessThanIfExists", "n", r#""9""#, F),
            ("DateGreaterThanIfExists", "d", r#"["2027-01-01","2026-01-01"]"#, T),
            ("IpAddressIfExists", "ip", r#""10.0.0.0/8""#, T),
            ("StringLike", "k", r#""a?c""#, T),
            ("StringLike", "k", r#""A*""#, F),
            ("StringEquals", "other", r#""x""#, U),
            ("StringNotEquals", "other", r#""x""#, U),
            ("Null", "gone", "true", T),
            ("Null", "gone", r#""false""#, F),
            ("Null", "k", r#""false""#, T),
            ("Null", "other", r#""true""#, U),
            ("Bool", "b", "true", T),
            ("Bool", "b", r#""TRUE""#, T),
            ("Bool", "b", r#""yes""#, F),
            ("BoolIfExists", "other", r#""false""#, U),
            ("NumericEquals", "n", "10.0", T),
            ("NumericNotEquals", "n", r#""ten""#, F),
            ("NumericGreaterThanEquals", "n", r#""10""#, T),
            ("DateLessThan", "d", "1893456000", T),
            ("DateLessThan", "d", r#""2026-06-01T00:00Z""#, F),
            ("DateEquals", "d", r#""2026-06-01""#, T),
            ("DateEquals", "d", r#""2026-06""#, T),
            ("DateLessThan", "d", r#""2026-07-01T00:00:00+0000""#, U),
            ("DateLessThan", "d", r#"["soon","2026-07"]"#, T),
            ("DateLessThan", "d", r#"["soon","2026-05"]"#, F),
            ("DateLessThan", "d", r#"["2026-07-01T00:00","2026-07"]"#, T),
            ("DateLessThan", "d", r#"["2026-07-01T00:00","2026-05"]"#, U),
            ("DateNotEquals", "d", r#""2026-07-01 00:00:00Z""#, U),
            ("DateNotEquals", "d", r#""soon""#, F),
            ("DateNotEquals", "d", r#"["soon","2026-06-01"]"#, F),
            ("DateLessThan", "gone", r#""soon""#, F),
            ("IpAddress", "ip", r#"["192.168.0.0/16","10.1.2.3"]"#, T),
            ("NotIpAddress", "ip", r#""::/0""#, T),
            ("NotIpAddress", "ip", r#""10.0.0.0/40""#, F),
            ("ArnLike", "arn", r#""arn:aws:iam::*:role/*""#, T),
            ("ArnEquals", "arn", r#""arn:*:role/*""#, F),
            ("ArnLike", "arn", r#""arn:aws:iam::1:role/path/name""#, F),
            ("StringEquals", "multi", r#"["a","b"]"#, F),
            ("ForAllValues:StringEquals", "multi", r#"["a","b","c"]"#, T),
            ("ForAllValues:StringEquals", "multi", r#""a""#, F),
            ("ForAnyValue:StringEquals", "multi", r#""a""#, T),
            ("forallvalues:StringEquals", "gone", r#""a""#, T),
            ("ForAnyValue:StringEqualsIfExists", "gone", r#""a""#, F),
            ("NoSuchOperator", "k", r#""abc""#, U),
            ("StringEquals", "k", r#""${k}""#, T),
            ("StringEquals", "k", r#""${other}""#, U),
            ("StringEquals", "k", r#""${gone}""#, F),
            ("StringLike", "k", r#""${star}""#, F),
            ("StringLike", "star", r#""${star}""#, T),
            ("StringEquals", "star", r#""${star}""#, T),
        ] {
            assert_eq!(eval(op, key, values), want, "{op} {key} {values}");
        }
    }

    /// 5.6, no-new-access: a narrower condition implies a wider one; what cannot be compared does not.
    #[test]
    fn narrower_conditions_imply_wider_ones() {
        let c = |text: &str| Condition::parse(text).unwrap();
        let one = |op: &str, values: &str| c(&format!(r#"{{"{op}":{{"k":{values}}}}}"#));
        for (op, narrow, wide) in [
            ("IpAddress", r#""10.0.0.0/16""#, r#""10.0.0.0/8""#),
            ("IpAddress", r#"["10.1.0.0/16","10.2.3.4"]"#, r#"["192.168.0.0/16","10.0.0.0/8"]"#),
            ("IpAddress", r#""2001:db8:1::/48""#, r#""2001:db8::/32""#),
            ("IpAddress", r#""10.0.0.0/8""#, r#""0.0.0.0/0""#),
            ("NotIpAddress", r#""10.0.0.0/8""#, r#""10.1.0.0/16""#),
            ("Bool", r#""true""#, "true"),
            ("Bool", r#""True""#, r#""true""#),
            ("StringNotLike", r#""a*""#, r#""ab*""#),
            ("StringEqualsIgnoreCase", r#""ABC""#, r#"["x","abc"]"#),
            ("ArnLike", r#""arn:aws:iam::1:role/a""#, r#""arn:aws:iam::*:role/*""#),
            ("ArnNotLike", r#""arn:aws:iam::*:role/*""#, r#""arn:aws:iam::1:role/a""#),
        ] {
            assert!(one(op, narrow).implies(&one(op, wide)), "{op} {narrow} {wide}");
            if narrow.to_lowercase().replace('"', "") != wide.replace('"', "") {
                assert!(!one(op, wide).implies(&one(op, narrow)), "{op} {wide} {narrow}");
            }
        }
        for (op, a, b) in [
            ("IpAddress", r#""10.0.0.0/8""#, r#""::/0""#),
            ("IpAddress", r#""10.0.0.0/33""#, r#""0.0.0.0/0""#),
            ("IpAddress", r#""${k}""#, r#""0.0.0.0/0""#),
            ("Bool", r#""true""#, r#""false""#),
            ("ArnLike", r#""arn:aws:iam::1:role/a""#, r#""arn:*""#),
            ("StringLike", r#""a${k}""#, r#""a*""#),
        ] {
            assert!(!one(op, a).implies(&one(op, b)), "{op} {a} {b}");
        }
    }

    /// Bounds are what the operators compare: numbers of seconds, or dates.
    #[test]
    fn bounds_by_operator() {
        let end = |op: &str, key: &str, value: &str| {
            let c = Condition::parse(&format!(r#"{{"{op}":{{"{key}":{value}}}}}"#)).unwrap();
            c.time_bounds().1.map(|t| t.to_date())
        };
        for (op, key, value, want) in [
            ("DateLessThan", "aws:CurrentTime", r#""2026-07""#, Some("2026-07-01")),
            ("DateLessThan", "aws:EpochTime", "1782864000", Some("2026-07-01")),
            ("NumericLessThan", "aws:EpochTime", "1782864000", Some("2026-07-01")),
            ("NumericLessThan", "aws:EpochTime", "2026", Some("1970-01-01")),
            ("NumericLessThan", "aws:EpochTime", r#""2026-07-01""#, None),
            ("NumericLessThan", "aws:CurrentTime", "1782864000", None),
            ("DateLessThan", "aws:CurrentTime", r#""2026-07-01T00:00:00""#, None),
            ("DateLessThan", "aws:TokenIssueTime", r#""2026-07-01""#, None),
        ] {
            assert_eq!(end(op, key, value).as_deref(), want, "{op} {key} {value}");
        }
    }

    /// 5.3.1: a false clause decides whatever is unknown.
    #[test]
    fn conjunction() {
        let c = Condition::parse(r#"{"StringEquals":{"other":"x"},"Bool":{"b":"false"}}"#).unwrap();
        assert_eq!(c.evaluate(&context(), true), Tri::F);
        assert!(Condition::parse(r#"{"StringEquals":{"k":[[]]}}"#).is_err());
        assert!(Condition::parse("{}").unwrap().is_empty());
    }

    proptest::proptest! {
        /// 5.4.9: a decided answer holds for every completion of the unknown key.
        #[test]
        fn sound(op in "(StringEquals|StringNotEquals|StringLike|StringNotLike|Null|ForAllValues:StringLike|ForAnyValue:StringNotEquals|StringEqualsIfExists)",
                 other in "(StringEquals|StringNotLike|Null|StringLikeIfExists)",
                 p in "[ab*]{0,3}|true|false", q in "[ab*]{0,3}", full in "[ab]{0,2}") {
            let text = format!(r#"{{"{op}":{{"x":"{p}"}},"{other}":{{"k":"{q}"}}}}"#);
            let Ok(c) = Condition::parse(&text) else { return Ok(()) };
            let open = Map(BTreeMap::from([("k", known(&["ab"]))]));
            let answer = c.evaluate(&open, true);
            for x in [Known::Absent, known(&[&full]), known(&["a", "b"])] {
                let closed = Map(BTreeMap::from([("k", known(&["ab"])), ("x", x)]));
                let strict = c.evaluate(&closed, true);
                proptest::prop_assert!(strict != Tri::U);
                if answer != Tri::U { proptest::prop_assert_eq!(answer, strict); }
            }
        }
    }
}
