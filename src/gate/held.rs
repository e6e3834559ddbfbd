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
/// allowed that was not), `unchanged`; null when the baseline saw no IAM state and so cannot say. Where
/// both sides know the policies, these decide (5.6, no-new-access): a digest of the state that stayed the
/// same does not know of all that limits, as a condition of the boundary.
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
    if now.parts(principal).is_empty() || baseline.access.is_empty() {
        return Some(by_words);
    }
    // Policies do not say where they are held: the same permission set may be held in one more account.
    if by_words == "new" && !baseline.holds_in(principal, &h.scope) {
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
        AccessChange::Covered if by_words == "unchanged" => by_words,
        AccessChange::Covered => "reworded",
        AccessChange::Wider(_) if by_words == "unchanged" => "wider",
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

/// Evidence of rules about rights that follows from the rights.
const OF_RIGHTS: &[&str] = &[
    "admin",
    "bounded_self_grant",
    "by_provider",
    "classes",
    "classes_possible",
    "conditions",
    "controls_itself",
    "controls_itself_by",
    "n_actions",
    "n_bindings",
    "n_entitlements",
    "n_privileged",
    "not_before",
    "privilege",
    "reads_secrets",
    "reads_sensitive",
    "role_id",
    "sensitive_resources",
    "standing",
    "statements",
    "strongest_actions",
    "tier",
    "tier_possible",
    "via",
    "wildcards",
];

/// Rules that judge nothing but what the access of a principal allows. Access that was accepted under one
/// of them and became narrower, or went from one policy to another, may now be found by another; that is
/// no new access.
const RIGHTS: &[&str] = &["ESC-002", "SCP-001", "STD-001", "STD-002", "STD-009"];
/// The rule about access that no baseline holds.
const NEW_STANDING: &str = "STD-009";
/// The rule about what access leads to. Whoever was accepted as administrator of an account, and holds no
/// more now, reaches nothing new there.
const PATHS: &str = "ESC-001";

/// Tells findings that only word accepted access anew from findings about more access.
#[derive(Debug)]
pub struct Rewordings<'a> {
    comparer: Comparer<'a>,
    /// By rule and principal.
    accepted: BTreeMap<(&'a str, &'a str), Vec<&'a FindingLine>>,
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
            accepted.entry((line.rule.as_str(), principal)).or_default().push(line);
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
    /// principal are no wider, and the same rule, or for rules about rights one of these, found at least
    /// as much there. `old` is the accepted line of the same finding, if there is one.
    pub fn accepts(&mut self, f: &Finding, old: Option<&FindingLine>) -> bool {
        let Some(principal) = f.principal.as_deref() else { return false };
        let rule = f.rule.as_str();
        // What holdings are marked with has asked the policies already.
        if self.blind || rule == NEW_STANDING {
            return false;
        }
        let of_rights = RIGHTS.contains(&rule);
        let from_rights = of_rights || (rule == PATHS && ends_at_home(f, principal));
        let known = old.is_some_and(|line| as_strong(line, f) && differs_in_words_only(line, f))
            || (from_rights
                && old.is_none_or(|line| differs_in_rights_only(line, f))
                && self.lines(RIGHTS, principal, f).any(|line| {
                    as_strong(line, f)
                        && lasts(line, f)
                        // Only an administrator had everything that a path can lead to.
                        && (of_rights || is_administration(line))
                }))
            || (!of_rights && old.is_none() && self.under_another_name(f, principal));
        known && self.covered(principal)
    }

    /// A privilege held before under this very name was not found then: that is no rewording.
    fn under_another_name(&self, f: &Finding, principal: &str) -> bool {
        f.privilege.as_deref().is_some_and(|privilege| {
            !self.held.contains(&(principal, privilege))
                && self.lines(&[f.rule.as_str()], principal, f).any(|line| as_strong(line, f))
        })
    }

    /// Accepted findings of some rules about a principal, where the scope is the same or not said.
    fn lines(
        &self,
        rules: &[&str],
        principal: &str,
        f: &Finding,
    ) -> impl Iterator<Item = &'a FindingLine> {
        let lines = rules.iter().filter_map(|rule| self.accepted.get(&(*rule, principal)));
        let fits = |line: &&'a FindingLine| {
            let (a, b) = (line.scope.as_deref(), f.scope.as_deref());
            a == b || (RIGHTS.contains(&line.rule.as_str()) && b.is_none())
        };
        lines.flatten().copied().filter(fits).collect::<Vec<_>>().into_iter()
    }

    fn covered(&mut self, principal: &str) -> bool {
        if let Some(known) = self.covered.get(principal) {
            return *known;
        }
        // Nothing is known of the policies of other platforms: that is not the same as no change.
        let found =
            self.comparer.knows(principal) && self.comparer.principal(principal).is_covered();
        self.covered.insert(principal.to_owned(), found);
        found
    }
}

/// Whether what was accepted weighs at least as much as what is found.
fn as_strong(line: &FindingLine, f: &Finding) -> bool {
    line.severity >= f.severity
        && (line.certainty == "certain" || f.certainty != "certain")
        && !tier_stronger(line.tier.as_deref(), f.tier.as_deref()).is_gt()
}

/// Whether what was accepted lasted at least as long as what is found, as far as findings say: ends that
/// no policy sets are not among the policies compared.
fn lasts(line: &FindingLine, f: &Finding) -> bool {
    let bounded = |word: Option<Value>| word.as_ref().and_then(Value::as_str) == Some("time_bound");
    !bounded(line.evidence.get("standing").cloned()) || bounded(f.evidence.get("standing"))
}

/// Whether a path ends in the account of the principal, or at the principal itself.
fn ends_at_home(f: &Finding, principal: &str) -> bool {
    let Some(end) = f.evidence.get("path_end") else { return false };
    let account = |arn: &str| arn.split(':').nth(4).filter(|a| !a.is_empty()).map(str::to_owned);
    end.as_str().is_some_and(|end| {
        end == principal || account(end).is_some_and(|a| account(principal) == Some(a))
    })
}

/// An accepted finding that the principal certainly administrates.
fn is_administration(line: &FindingLine) -> bool {
    line.certainty == "certain" && line.tier.as_deref() == Some("T0")
}

fn differs_in_words_only(old: &FindingLine, now: &Finding) -> bool {
    differs_only_in(old, now, WORDS)
}

fn differs_in_rights_only(old: &FindingLine, now: &Finding) -> bool {
    differs_only_in(old, now, OF_RIGHTS)
}

fn differs_only_in(old: &FindingLine, now: &Finding, allowed: &[&str]) -> bool {
    let found = now.evidence.to_map();
    let names: BTreeSet<&str> = old.evidence.keys().chain(found.keys()).map(|k| &**k).collect();
    names.into_iter().filter(|n| old.evidence.get(*n) != found.get(*n)).all(|n| {
        let tier = |e: &BTreeMap<Text, Value>| e.get(n).and_then(Value::as_str).map(str::to_owned);
        let weaker_tier = n.starts_with("tier")
            && tier_stronger(tier(&old.evidence).as_deref(), tier(&found).as_deref()).is_le();
        allowed.contains(&n) || weaker_tier
    })
}

#[cfg(test)]
mod tests;
