//! Comparing accepted findings with those of a run.

use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;
use serde_json::Value;

use crate::facts::Text;
use crate::facts::time::parse_rfc3339;
use crate::findings::{Finding, Severity, Status};
use crate::privilege::aws::condition::Condition;
use crate::report::view::Changes;

use super::baseline::FindingLine;
use super::held::Rewordings;
use super::scope::Reread;

/// What became of one finding.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case", tag = "kind", content = "reason")]
pub enum Change {
    /// Not accepted before.
    New,
    /// Accepted before, and now wider, longer or stronger, or changed in a way that cannot be
    /// ranked. Counts as new.
    Stronger(String),
    /// Accepted before, and now provably not stronger in anything that can be ranked.
    Weaker(String),
    /// Words differ, and effective rights are no wider than what was accepted.
    Reworded,
    /// Accepted before, in the same state.
    Unchanged,
    /// Gone, and its sources were read again.
    Absent,
    /// Not found, and it cannot be said that it is gone.
    Unknown(String),
}

impl Change {
    /// Word as `diff` prints it.
    #[must_use]
    pub fn word(&self) -> &'static str {
        match self {
            Self::New => "new",
            Self::Stronger(_) | Self::Weaker(_) | Self::Reworded => "updated",
            Self::Unchanged => "unchanged",
            Self::Absent => "absent",
            Self::Unknown(_) => "unknown",
        }
    }

    /// Whether the gate treats it as not accepted.
    #[must_use]
    pub fn counts_as_new(&self) -> bool {
        matches!(self, Self::New | Self::Stronger(_))
    }

    /// Why, one line.
    #[must_use]
    pub fn reason(&self) -> &str {
        match self {
            Self::New => "not there before",
            Self::Stronger(r) | Self::Weaker(r) | Self::Unknown(r) => r,
            Self::Reworded => "other words for rights that were accepted; nothing more is allowed",
            Self::Unchanged => "same state",
            Self::Absent => "gone, and its sources were read again",
        }
    }
}

/// Changes by fingerprint.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Comparison {
    /// What it was compared with, as the report names it.
    pub against: String,
    /// One entry for each fingerprint on either side.
    pub changes: BTreeMap<String, Change>,
}

impl Comparison {
    /// Compares accepted findings with those of a run.
    #[must_use]
    pub fn new(
        against: &str,
        accepted: &BTreeMap<String, FindingLine>,
        now: &[Finding],
        reread: &Reread,
        mut rewordings: Option<&mut Rewordings<'_>>,
    ) -> Self {
        let mut changes = BTreeMap::new();
        for f in now {
            let old = accepted.get(&f.fingerprint);
            let mut change = match old {
                None => Change::New,
                Some(old) => state_change(old, f),
            };
            if change.counts_as_new() && rewordings.as_mut().is_some_and(|r| r.accepts(f, old)) {
                change = Change::Reworded;
            }
            changes.insert(f.fingerprint.clone(), change);
        }
        for (fingerprint, old) in accepted {
            if !changes.contains_key(fingerprint) {
                let change = match reread.doubt(&old.rule, &old.sources) {
                    Some(why) => Change::Unknown(why),
                    None => Change::Absent,
                };
                changes.insert(fingerprint.clone(), change);
            }
        }
        Self { against: against.to_owned(), changes }
    }

    /// Whether a finding counts as new. A fingerprint this comparison does not know is new.
    #[must_use]
    pub fn is_new(&self, fingerprint: &str) -> bool {
        self.changes.get(fingerprint).is_none_or(Change::counts_as_new)
    }

    /// Sets `baselined` on accepted findings and carries their first-seen time over. Run this before
    /// waivers are applied.
    pub fn apply(&self, accepted: &BTreeMap<String, FindingLine>, findings: &mut [Finding]) {
        for f in findings {
            if let Some(old) = accepted.get(&f.fingerprint) {
                f.first_seen = old.first_seen.as_str().into();
            }
            if !self.is_new(&f.fingerprint) && f.status == Status::Open {
                f.status = Status::Baselined;
            }
        }
    }

    /// The form that the report shows.
    #[must_use]
    pub fn to_changes(&self) -> Changes {
        let with = |word: &str| -> Vec<String> {
            self.changes.iter().filter(|(_, c)| c.word() == word).map(|(f, _)| f.clone()).collect()
        };
        Changes {
            against: self.against.clone(),
            new: with("new"),
            updated: with("updated"),
            unchanged: with("unchanged").len() as u64,
            absent: with("absent"),
            unknown: with("unknown"),
        }
    }
}

/// Rank of a tier word, stronger is larger. A tier that is not known is stronger than any: the
/// content might be anything, and acceptance of a known tier does not cover that.
fn tier_rank(tier: Option<&str>) -> u8 {
    match tier {
        Some("T4") => 0,
        Some("T3") => 1,
        Some("T2") => 2,
        Some("T1") => 3,
        Some("T0") => 4,
        _ => 5,
    }
}

/// Whether tier `now` is stronger than `old`.
#[must_use]
pub fn tier_stronger(old: Option<&str>, now: Option<&str>) -> Ordering {
    tier_rank(now).cmp(&tier_rank(old))
}

/// Evidence that grows or moves by the mere passing of time, or that only counts. It never makes an
/// accepted finding stronger.
const NOT_RANKED: &[&str] = &[
    "idle_days",
    "age_days",
    "days_used",
    "last_used_at",
    "first_used_at",
    "use_count",
    "started_at",
    "created_at",
    "rotated_at",
];

/// How an accepted finding changed.
#[must_use]
pub fn state_change(old: &FindingLine, now: &Finding) -> Change {
    if old.state_digest == now.state_digest
        && old.severity == now.severity
        && old.certainty == now.certainty
        && old.tier == now.tier
    {
        return Change::Unchanged;
    }
    let (mut stronger, mut weaker) = (Vec::new(), Vec::new());
    let mut note = |order: Ordering, text: String| match order {
        Ordering::Greater => stronger.push(text),
        Ordering::Less => weaker.push(text),
        Ordering::Equal => {}
    };
    let step = |a: &str, b: &str| format!("{a} to {b}");
    note(now.severity.cmp(&old.severity), severity_step(old.severity, now.severity));
    note(
        (now.certainty == "certain").cmp(&(old.certainty == "certain")),
        step(&old.certainty, &now.certainty),
    );
    let (a, b) = (old.tier.as_deref(), now.tier.as_deref());
    note(
        tier_stronger(a, b),
        format!("tier {}", step(a.unwrap_or("unknown"), b.unwrap_or("unknown"))),
    );
    let found = now.evidence.to_map();
    let names: BTreeSet<&Text> = old.evidence.keys().chain(found.keys()).collect();
    for name in names.into_iter().filter(|n| !NOT_RANKED.contains(&&***n)) {
        let (a, b) = (old.evidence.get(name), found.get(name));
        if &**name == CONDITION {
            note(condition_order(old, &found), format!("{name} {}", step(&brief(a), &brief(b))));
            continue;
        }
        if let Some(order) = rank(a.unwrap_or(&Value::Null), b.unwrap_or(&Value::Null)) {
            note(order, format!("{name} {}", step(&brief(a), &brief(b))));
        }
    }
    if !stronger.is_empty() {
        return Change::Stronger(stronger.join(", "));
    }
    if weaker.is_empty() {
        // The state differs in something that has no order: nobody accepted this state.
        return Change::Stronger("the state changed in a way that cannot be ranked".into());
    }
    Change::Weaker(weaker.join(", "))
}

/// Evidence that holds the condition of a statement as compact JSON; null when it has none.
const CONDITION: &str = "condition";

/// Order of the conditions under which an outside party is let in: a condition that surely holds less
/// often is weaker. What cannot be compared is stronger, as is one row of several, whose other rows the
/// evidence does not show.
fn condition_order(old: &FindingLine, now: &BTreeMap<Text, Value>) -> Ordering {
    let read = |evidence: &BTreeMap<Text, Value>| match evidence.get(CONDITION) {
        Some(Value::Null) => Some(Condition::default()),
        Some(Value::String(text)) => Condition::parse(text).ok(),
        _ => None,
    };
    let several = |evidence: &BTreeMap<Text, Value>| evidence.contains_key("occurrences");
    if several(&old.evidence) || several(now) {
        return Ordering::Greater;
    }
    match (read(&old.evidence), read(now)) {
        _ if old.evidence.get(CONDITION) == now.get(CONDITION) => Ordering::Equal,
        // Other words for the same are no more than it was.
        (Some(a), Some(b)) if b.implies(&a) => Ordering::Less,
        _ => Ordering::Greater,
    }
}

fn severity_step(a: Severity, b: Severity) -> String {
    format!("severity {a} to {b}")
}

/// Order of two evidence values: numbers and times by size, lists by inclusion (neither contains
/// the other: stronger). `None` when the values have no order. A value that became unknown is
/// stronger, and one that was unknown is not compared with what it turned out to be.
fn rank(a: &Value, b: &Value) -> Option<Ordering> {
    if a == b {
        return Some(Ordering::Equal);
    }
    match (a, b) {
        (Value::Number(x), Value::Number(y)) => y.as_f64()?.partial_cmp(&x.as_f64()?),
        (Value::String(x), Value::String(y)) => Some(parse_rfc3339(y)?.cmp(&parse_rfc3339(x)?)),
        (Value::Array(x), Value::Array(y)) => {
            let gained = y.iter().any(|v| !x.contains(v));
            Some(if gained { Ordering::Greater } else { Ordering::Less })
        }
        (Value::Bool(x), Value::Bool(y)) if x != y => None,
        (Value::Number(_) | Value::Array(_), Value::Null) => Some(Ordering::Greater),
        (Value::String(x), Value::Null) if parse_rfc3339(x).is_some() => Some(Ordering::Greater),
        _ => None,
    }
}

fn brief(v: Option<&Value>) -> String {
    match v {
        None | Some(Value::Null) => "unknown".into(),
        Some(Value::Array(a)) => format!("{} items", a.len()),
        Some(Value::String(s)) => s.chars().take(80).collect(),
        Some(other) => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gate::testing::{finding, view};
    use serde_json::json;

    fn change(edit: impl FnOnce(&mut Finding)) -> Change {
        let v = view();
        let f = finding("alice", Severity::High);
        let old = FindingLine::of(&f, &v);
        let mut now = f;
        edit(&mut now);
        state_change(&old, &now)
    }

    #[test]
    fn stronger_states_count_as_new() {
        type Edit = fn(&mut Finding);
        let cases: [(&str, Edit); 7] = [
            ("severity high to critical", |f| f.severity = Severity::Critical),
            ("tier T1 to T0", |f| f.tier = Some("T0".into())),
            ("tier T1 to unknown", |f| f.tier = None),
            ("overstay_s 3600 to 7200", |f| {
                f.evidence.insert("overstay_s".into(), json!(7200));
            }),
            ("classes 1 items to 2 items", |f| {
                f.evidence.insert("classes".into(), json!(["admin", "read"]));
            }),
            ("overstay_s 3600 to unknown", |f| {
                f.evidence.insert("overstay_s".into(), Value::Null);
            }),
            ("cannot be ranked", |_| {}),
        ];
        for (want, edit) in cases {
            let got = change(|f| {
                f.state_digest = "1".repeat(64);
                edit(f);
            });
            assert!(got.counts_as_new() && got.reason().contains(want), "{want}: {got:?}");
        }
    }

    #[test]
    fn a_stronger_severity_counts_even_with_the_same_state() {
        assert!(change(|f| f.severity = Severity::Critical).counts_as_new());
        assert_eq!(change(|_| {}), Change::Unchanged);
    }

    #[test]
    fn passing_time_is_no_change() {
        assert_eq!(
            change(|f| {
                f.evidence.insert("overstay_s".into(), json!(99_999));
                f.message = "other words".into();
            }),
            Change::Unchanged
        );
    }

    #[test]
    fn weaker_states_stay_accepted() {
        let got = change(|f| {
            f.state_digest = "1".repeat(64);
            f.evidence.insert("overstay_s".into(), json!(60));
        });
        assert_eq!(got, Change::Weaker("overstay_s 3600 to 60".into()));
        assert!(!got.counts_as_new());
        // One thing less does not pay for another more.
        let mixed = change(|f| {
            f.state_digest = "1".repeat(64);
            f.severity = Severity::Low;
            f.evidence.insert("overstay_s".into(), json!(4000));
        });
        assert!(mixed.counts_as_new());
    }

    /// 5.6: a wider condition on an outside party is more, a narrower one or other words are not.
    #[test]
    fn conditions_are_ranked_by_what_they_let_in() {
        let with = |old: Value, new: Value| {
            let v = view();
            let mut f = finding("alice", Severity::High);
            f.evidence.insert("condition".into(), old);
            let line = FindingLine::of(&f, &v);
            f.evidence.insert("condition".into(), new);
            f.state_digest = "1".repeat(64);
            state_change(&line, &f)
        };
        let ip = |net: &str| json!(format!(r#"{{"IpAddress":{{"aws:SourceIp":"{net}"}}}}"#));
        let id = |ids: &str| json!(format!(r#"{{"StringEquals":{{"sts:ExternalId":{ids}}}}}"#));
        for (old, new) in [
            (ip("203.0.113.0/24"), ip("0.0.0.0/1")),
            (id(r#""a""#), id(r#"["a","b"]"#)),
            (id(r#""a""#), Value::Null),
            (id(r#""a""#), json!("unreadable")),
            (Value::Null, json!("unreadable")),
        ] {
            assert!(with(old.clone(), new.clone()).counts_as_new(), "{old} {new}");
        }
        for (old, new) in [
            (ip("0.0.0.0/1"), ip("10.0.0.0/8")),
            (id(r#"["b","a"]"#), id(r#"["a","b"]"#)),
            (Value::Null, id(r#""a""#)),
        ] {
            assert!(matches!(with(old.clone(), new.clone()), Change::Weaker(_)), "{old} {new}");
        }
        // Evidence of one of several statements does not speak for the others.
        let mut f = finding("alice", Severity::High);
        f.evidence.insert("condition".into(), ip("0.0.0.0/1"));
        f.evidence.insert("occurrences".into(), json!(2));
        let line = FindingLine::of(&f, &view());
        f.evidence.insert("condition".into(), ip("10.0.0.0/8"));
        f.state_digest = "1".repeat(64);
        assert!(state_change(&line, &f).counts_as_new());
    }

    #[test]
    fn absent_needs_a_second_look() {
        let v = view();
        let accepted: BTreeMap<_, _> =
            v.findings.iter().map(|f| (f.fingerprint.clone(), FindingLine::of(f, &v))).collect();
        let gone = Comparison::new("b", &accepted, &[], &Reread::of(&v), None);
        assert!(gone.changes.values().all(|c| *c == Change::Absent));
        let mut blind = v.clone();
        blind.sources.clear();
        let unknown = Comparison::new("b", &accepted, &[], &Reread::of(&blind), None);
        assert!(unknown.changes.values().all(|c| matches!(c, Change::Unknown(_))));
        let mut later = v.findings.clone();
        for f in &mut later {
            f.first_seen = "2027-01-01T00:00:00Z".into();
        }
        let same = Comparison::new("b", &accepted, &later, &Reread::of(&v), None);
        same.apply(&accepted, &mut later);
        assert!(later.iter().all(|f| f.status == Status::Baselined));
        assert!(later.iter().all(|f| &*f.first_seen == "2026-11-01T00:00:00Z"));
        assert_eq!(same.to_changes().unchanged, 2);
    }
}
