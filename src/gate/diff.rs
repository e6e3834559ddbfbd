//! What changed between two runs.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::findings::{Finding, Severity};
use crate::report::View;

use super::baseline::{Baseline, FindingLine};
use super::compare::{Change, Comparison};
use super::scope::{Reread, scope_of};

/// One finding and what became of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct DiffLine {
    /// `new`, `updated`, `unchanged`, `absent`, `unknown`.
    pub change: &'static str,
    /// Fingerprint.
    pub fingerprint: String,
    /// Rule.
    pub rule: String,
    /// Severity, of the newer side where there is one.
    pub severity: Severity,
    /// Principal.
    pub principal: Option<String>,
    /// Privilege.
    pub privilege: Option<String>,
    /// Scope.
    pub scope: Option<String>,
    /// Why, one line.
    pub reason: String,
}

/// Differences of two runs.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Diff {
    /// Older side.
    pub old: String,
    /// Newer side.
    pub new: String,
    /// What makes the sides less comparable.
    pub notes: Vec<String>,
    /// Number of findings by change.
    pub counts: BTreeMap<&'static str, u64>,
    /// One line each: new, updated, absent, unknown, unchanged; worst first within each.
    pub lines: Vec<DiffLine>,
}

const ORDER: [&str; 5] = ["new", "updated", "absent", "unknown", "unchanged"];

impl Diff {
    /// Whether the sides have the same findings in the same states.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.lines.iter().all(|l| l.change == "unchanged")
    }
}

/// Compares two views.
#[must_use]
pub fn diff(old: &View, new: &View) -> Diff {
    let accepted: BTreeMap<String, FindingLine> =
        old.findings.iter().map(|f| (f.fingerprint.clone(), FindingLine::of(f, old))).collect();
    let comparison =
        Comparison::new("the older run", &accepted, &new.findings, &Reread::of(new), None);
    let mut out = of_comparison(&comparison, &accepted, new, Some(&Reread::of(old)));
    out.old = format!("run as of {}", old.as_of);
    if let Some(why) = scope_of(old).differs(&scope_of(new)) {
        out.notes.push(format!("the older run is of another scope: {why}"));
    }
    for (name, what) in [("rule_pack", "the rules"), ("settings", "the settings")] {
        if old.digests.get(name) != new.digests.get(name) {
            out.notes.push(format!("{what} differ between the runs"));
        }
    }
    if old.as_of > new.as_of {
        out.notes.push("the first run is the later one".into());
    }
    out
}

/// The same for a baseline and a run.
#[must_use]
pub fn against_baseline(baseline: &Baseline, comparison: &Comparison, new: &View) -> Diff {
    let mut out = of_comparison(comparison, &baseline.findings, new, None);
    out.old.clone_from(&comparison.against);
    if new.digests.get("rule_pack") != Some(&baseline.header.rule_pack) {
        out.notes.push("the rules differ from those of the baseline".into());
    }
    out
}

fn of_comparison(
    comparison: &Comparison,
    accepted: &BTreeMap<String, FindingLine>,
    new: &View,
    old_reread: Option<&Reread>,
) -> Diff {
    let now: BTreeMap<&str, &Finding> =
        new.findings.iter().map(|f| (f.fingerprint.as_str(), f)).collect();
    let mut lines: Vec<DiffLine> = comparison
        .changes
        .iter()
        .filter_map(|(fingerprint, change)| {
            let current = now.get(fingerprint.as_str());
            match (current, accepted.get(fingerprint)) {
                (Some(f), _) => Some(FindingLine::of(f, new)),
                (None, Some(old)) => Some(old.clone()),
                (None, None) => None,
            }
            .map(|line| to_line(line, change, old_reread))
        })
        .collect();
    let rank = |c: &str| ORDER.iter().position(|o| *o == c);
    lines.sort_by(|a, b| {
        (rank(a.change), std::cmp::Reverse(a.severity), &a.rule, &a.principal, &a.fingerprint).cmp(
            &(rank(b.change), std::cmp::Reverse(b.severity), &b.rule, &b.principal, &b.fingerprint),
        )
    });
    let mut counts: BTreeMap<&'static str, u64> = ORDER.iter().map(|o| (*o, 0)).collect();
    for l in &lines {
        *counts.entry(l.change).or_default() += 1;
    }
    Diff {
        old: String::new(),
        new: format!("run as of {}", new.as_of),
        notes: Vec::new(),
        counts,
        lines,
    }
}

fn to_line(line: FindingLine, change: &Change, old_reread: Option<&Reread>) -> DiffLine {
    // A finding may be new only because nobody looked before.
    let unseen = (*change == Change::New)
        .then(|| old_reread.and_then(|r| r.doubt(&line.rule, &line.sources)))
        .flatten();
    let reason = match (unseen, change) {
        (Some(why), _) => format!("not looked at before: {why}"),
        (None, Change::Stronger(why)) => format!("stronger: {why}"),
        (None, Change::Weaker(why)) => format!("weaker: {why}"),
        (None, other) => other.reason().to_owned(),
    };
    DiffLine {
        change: change.word(),
        fingerprint: line.fingerprint,
        rule: line.rule,
        severity: line.severity,
        principal: line.principal,
        privilege: line.privilege,
        scope: line.scope,
        reason,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gate::testing::{finding, view};

    #[test]
    fn every_kind_of_change_has_its_reason() {
        let mut old = view();
        old.findings =
            ["same", "wider", "gone", "unseen"].map(|p| finding(p, Severity::High)).to_vec();
        old.findings[3].sources[0].file = "iam.json".into();
        let mut new = view();
        new.findings = ["same", "wider", "fresh"].map(|p| finding(p, Severity::High)).to_vec();
        new.findings[1].severity = Severity::Critical;
        new.findings[1].state_digest = "1".repeat(64);
        new.sources.retain(|s| s.layer != "state");
        let d = diff(&old, &new);
        let got: Vec<(&str, &str)> =
            d.lines.iter().map(|l| (l.principal.as_deref().unwrap(), l.change)).collect();
        assert_eq!(
            got,
            [
                ("fresh", "new"),
                ("wider", "updated"),
                ("gone", "absent"),
                ("unseen", "unknown"),
                ("same", "unchanged"),
            ]
        );
        assert_eq!(d.lines[1].reason, "stronger: severity high to critical");
        assert!(d.lines[3].reason.contains("no source of state"), "{}", d.lines[3].reason);
        assert!(d.counts.values().all(|n| *n == 1));
        assert!(!d.is_empty());
        assert!(diff(&old, &old).is_empty());
    }

    #[test]
    fn new_because_nobody_looked_says_so() {
        let mut old = view();
        old.findings.clear();
        old.rules[0].outcome = "not_assessed".into();
        old.digests.insert("rule_pack".into(), "b".into());
        let d = diff(&old, &view());
        assert!(d.lines[0].reason.starts_with("not looked at before: rule GRT-003 was not"));
        assert_eq!(d.notes, ["the rules differ between the runs"]);
    }
}
