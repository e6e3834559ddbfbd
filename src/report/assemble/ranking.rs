//! Which findings to fix first, and why, in words.
//!
//! Access before evidence: a gap in the records is no emergency while a privilege is. Then worst
//! severity first, certain before possible; then what is most dangerous whatever rule found it:
//! standing administration, privilege used after its task or its end, access that outlasts its
//! revocation, approval of one's own request. The list should show ten different problems: one
//! finding per principal and privilege and at most three per rule while there are others.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use super::grants_of;
use crate::facts::{Derived, GrantFact, Standing, Tri};
use crate::findings::{Finding, Status};
use crate::report::text::duration;
use crate::report::view::FixFirst;

/// Length of the list.
const FIRST: usize = 10;
/// Findings of one rule while others are left.
const PER_RULE: usize = 3;

struct Candidate<'a> {
    finding: &'a Finding,
    admin: bool,
    grant: Option<&'a GrantFact>,
    /// Whether the owner of any finding is known; if not, the report says so once.
    owners: bool,
}

impl Candidate<'_> {
    fn used_after(&self) -> bool {
        self.grant.is_some_and(|g| {
            g.uses_after_task.is_some_and(|n| n > 0) || g.used_after_end_s.is_some_and(|s| s > 0)
        })
    }

    /// Rank among findings of one severity, most dangerous first.
    fn danger(&self) -> u8 {
        let standing = self.finding.grant_id.is_none() && self.finding.rule.starts_with("STD-");
        let grant = |test: fn(&GrantFact) -> bool| self.grant.is_some_and(test);
        match self {
            c if c.admin && standing => 0,
            c if c.admin => 1,
            c if c.used_after() => 2,
            _ if grant(|g| g.present_after_end == Some(true)) => 3,
            _ if grant(|g| g.self_approved == Some(true)) => 4,
            _ => 5,
        }
    }

    fn key(&self) -> impl Ord + use<'_> {
        let f = self.finding;
        (
            f.about_evidence(),
            Reverse(f.severity),
            f.certainty != "certain",
            self.danger(),
            confidence(&f.confidence),
            f.sort_key(),
        )
    }

    fn why(&self) -> String {
        let f = self.finding;
        let mut parts: Vec<String> = Vec::new();
        if self.admin {
            parts.push("standing administrator".into());
        }
        if let Some(g) = self.grant {
            // Records may sum several uses: that it was used is sure, how often is not.
            if g.uses_after_task.is_some_and(|n| n > 0) {
                parts.push("used after the task ended".into());
            } else if let Some(s) = g.used_after_end_s.filter(|s| *s > 0) {
                parts.push(format!("used {} after its end", duration(s)));
            }
            if g.present_after_end == Some(true) {
                parts.push("still effective after its recorded end".into());
            }
            if g.self_approved == Some(true) {
                parts.push("self approval".into());
            }
        }
        if let Some(tier) = &f.tier {
            parts.push(format!("tier {tier}"));
        }
        if f.owner.is_none() && self.owners {
            parts.push("no owner known".into());
        }
        parts.join("; ")
    }
}

fn confidence(word: &str) -> u8 {
    match word {
        "high" => 0,
        "medium" => 1,
        _ => 2,
    }
}

/// The findings to fix first.
pub(super) fn fix_first(findings: &[Finding], derived: &Derived) -> Vec<FixFirst> {
    let admins: BTreeSet<(&str, &str)> = derived
        .holdings
        .iter()
        .filter(|h| h.admin == Tri::Yes && h.standing == Standing::Standing)
        .map(|h| (&*h.principal_id, &*h.privilege))
        .collect();
    let open: Vec<&Finding> = findings.iter().filter(|f| f.status == Status::Open).collect();
    let grants = grants_of(&open, derived);
    let owners = findings.iter().any(|f| f.owner.is_some());
    let mut ranked: Vec<Candidate<'_>> = open
        .iter()
        .map(|&f| Candidate {
            finding: f,
            owners,
            // A finding about the identity as a whole names no privilege and is no worse for it.
            admin: match (&f.principal, &f.privilege) {
                (Some(p), Some(privilege)) => admins.contains(&(p.as_str(), privilege.as_str())),
                _ => false,
            },
            grant: f
                .grant_id
                .as_deref()
                .zip(f.principal.as_deref())
                .and_then(|key| grants.get(&key).copied().flatten()),
        })
        .collect();
    ranked.sort_by(|a, b| a.key().cmp(&b.key()));
    pick(&ranked)
        .into_iter()
        .map(|c| FixFirst { fingerprint: c.finding.fingerprint.clone(), why: c.why() })
        .collect()
}

/// Takes the first of each principal and privilege, and no rule too often; then fills up in rank.
fn pick<'a, 'f>(ranked: &'a [Candidate<'f>]) -> Vec<&'a Candidate<'f>> {
    let mut seen = BTreeSet::new();
    let mut per_rule: BTreeMap<&str, usize> = BTreeMap::new();
    let mut chosen: Vec<usize> = Vec::new();
    for (i, c) in ranked.iter().enumerate() {
        if chosen.len() == FIRST {
            break;
        }
        let f = c.finding;
        let key = f.principal.as_deref().zip(f.privilege.as_deref());
        let n = per_rule.entry(&f.rule).or_default();
        if *n < PER_RULE && key.is_none_or(|k| !seen.contains(&k)) {
            seen.extend(key);
            *n += 1;
            chosen.push(i);
        }
    }
    for i in 0..ranked.len() {
        if chosen.len() == FIRST {
            break;
        }
        if !chosen.contains(&i) {
            chosen.push(i);
        }
    }
    chosen.sort_unstable();
    chosen.into_iter().filter_map(|i| ranked.get(i)).collect()
}
