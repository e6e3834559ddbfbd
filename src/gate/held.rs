//! What is held, as a baseline keeps it, and how it changed: by effective rights where both sides
//! know the policies (AWS), by digest elsewhere.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::baseline::{Baseline, FindingLine, HoldingLine};
use super::compare::tier_stronger;
use crate::facts::{Holding, Text, Tier, text};
use crate::findings::Finding;
use crate::privilege::aws::compare::{AccessChange, Comparer, Snapshot};

/// Everything held in one run.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Held {
    /// Holdings, but eligible ones and residue.
    pub lines: Vec<HoldingLine>,
    /// Policies in force on each principal.
    pub access: Snapshot,
}

/// Word of a privilege that only several bindings together give.
const COMBINED: &str = "combined";

/// Fills the baseline columns of the holdings: `new`, `wider`, `reworded` (other words, and nothing is
/// allowed that was not), `unchanged`; null when the baseline saw no IAM state and so cannot say.
pub fn mark(baseline: &Baseline, now: &Snapshot, holdings: &mut [Holding]) {
    let mut comparer = Comparer::new(&baseline.access, now);
    for h in holdings {
        let word = change(baseline, &mut comparer, now, h);
        h.in_baseline = Some(word.is_some_and(|w| w != "new"));
        h.baseline_change = word.map(text);
    }
}

fn change(
    baseline: &Baseline,
    comparer: &mut Comparer<'_>,
    now: &Snapshot,
    h: &Holding,
) -> Option<&'static str> {
    let tier = h.tier.map(Tier::as_str);
    let (principal, privilege) = (&*h.principal_id, &*h.privilege);
    let by_words = baseline.holding_change(principal, privilege, &h.scope, tier, &h.state)?;
    if by_words == "unchanged" || now.parts(principal).is_empty() || baseline.access.is_empty() {
        return Some(by_words);
    }
    let access = if privilege == COMBINED {
        comparer.principal(principal)
    } else {
        comparer.policy(principal, &h.role_id)
    };
    Some(match access {
        // The same policies give another state only through what is not policy: an end, a tier by
        // settings. The digest has the word then.
        AccessChange::Same => by_words,
        AccessChange::Covered => "reworded",
        AccessChange::Wider(_) => by_words,
    })
}

/// Evidence that words access and says nothing else.
const WORDS: &[&str] = &[
    "classes",
    "classes_possible",
    "conditions",
    "n_actions",
    "privilege",
    "role_id",
    "strongest_actions",
    "via",
    "wildcards",
    "baseline_change",
    "in_baseline",
];

/// Rules that judge nothing but what standing access allows. Access that was accepted under one of
/// them and became narrower may now be found by another; that is no new access.
const RIGHTS: &[&str] = &["SCP-001", "STD-001", "STD-002", "STD-009"];

/// Tells findings that only word accepted access anew from findings about more access.
#[derive(Debug)]
pub struct Rewordings<'a> {
    comparer: Comparer<'a>,
    accepted: BTreeMap<(&'a str, &'a str, Option<&'a str>), Vec<&'a FindingLine>>,
    held: BTreeSet<(&'a str, &'a str)>,
    covered: BTreeMap<String, bool>,
    blind: bool,
}

impl<'a> Rewordings<'a> {
    /// For a baseline and the policies in force now.
    #[must_use]
    pub fn new(baseline: &'a Baseline, now: &'a Snapshot) -> Self {
        let mut accepted: BTreeMap<_, Vec<&FindingLine>> = BTreeMap::new();
        for line in baseline.findings.values() {
            let Some(principal) = line.principal.as_deref() else { continue };
            let key = (line.rule.as_str(), principal, line.scope.as_deref());
            accepted.entry(key).or_default().push(line);
        }
        Self {
            comparer: Comparer::new(&baseline.access, now),
            accepted,
            held: baseline.holdings.keys().map(|(p, x, _)| (p.as_str(), x.as_str())).collect(),
            covered: BTreeMap::new(),
            blind: baseline.access.is_empty() || now.is_empty(),
        }
    }

    /// Whether a finding is about access that was accepted under other words: effective rights of the
    /// principal are no wider, and the same rule found at least as much there. `old` is the accepted
    /// line of the same finding, if there is one.
    pub fn accepts(&mut self, f: &Finding, old: Option<&FindingLine>) -> bool {
        let (Some(principal), Some(privilege)) = (f.principal.as_deref(), f.privilege.as_deref())
        else {
            return false;
        };
        if self.blind {
            return false;
        }
        let as_strong = |line: &FindingLine| {
            line.severity >= f.severity
                && (line.certainty == "certain" || f.certainty != "certain")
                && !tier_stronger(line.tier.as_deref(), f.tier.as_deref()).is_gt()
        };
        let known = match old {
            Some(line) => as_strong(line) && differs_in_words_only(line, f),
            // A privilege held before under this very name was not found then: that is no rewording.
            None => {
                let held = self.held.contains(&(principal, privilege));
                let of_rights = RIGHTS.contains(&f.rule.as_str());
                let rules: &[&str] = match (of_rights, held) {
                    (true, _) => RIGHTS,
                    (false, true) => &[],
                    (false, false) => &[f.rule.as_str()],
                };
                rules.iter().any(|rule| {
                    let key = (*rule, principal, f.scope.as_deref());
                    self.accepted.get(&key).is_some_and(|lines| lines.iter().any(|l| as_strong(l)))
                })
            }
        };
        known && self.covered(principal)
    }

    fn covered(&mut self, principal: &str) -> bool {
        if let Some(known) = self.covered.get(principal) {
            return *known;
        }
        let found = self.comparer.principal(principal).is_covered();
        self.covered.insert(principal.to_owned(), found);
        found
    }
}

fn differs_in_words_only(old: &FindingLine, now: &Finding) -> bool {
    let found = now.evidence.to_map();
    let names: BTreeSet<&str> = old.evidence.keys().chain(found.keys()).map(|k| &**k).collect();
    names.into_iter().filter(|n| old.evidence.get(*n) != found.get(*n)).all(|n| {
        let tier = |e: &BTreeMap<Text, Value>| e.get(n).and_then(Value::as_str).map(str::to_owned);
        let weaker_tier = n.starts_with("tier")
            && tier_stronger(tier(&old.evidence).as_deref(), tier(&found).as_deref()).is_le();
        WORDS.contains(&n) || weaker_tier
    })
}

#[cfg(test)]
mod tests;
