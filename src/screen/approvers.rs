//! How approvers decide, from the decisions of a screening; the same quantities as
//! [`crate::analyze::approvers`] derives from rows.

use std::collections::BTreeMap;
use std::io;
use std::sync::atomic::Ordering;

use rayon::prelude::*;

use super::id::Id;
use super::rows::{Decision, NOBODY, at, verdict};
use super::shared::{Shared, Sums};
use crate::analyze::approvers::burst;
use crate::facts::identity::kind_by_form;
use crate::facts::{ApproverFact, PrincipalKind, Text, Time, text};
use crate::settings::Settings;

/// What the decisions of one approver give.
struct Own {
    fact: ApproverFact,
    number: u32,
    /// Approvals given to others who decide, by their number.
    given: BTreeMap<u32, i64>,
}

/// One row per approver, sorted by id. Evidence references are left out: the table of approvals is the
/// evidence as a whole.
///
/// # Errors
/// When the temporary file cannot be read.
pub fn facts(
    shared: &Shared<'_>,
    names: &[(Id, Text)],
    sums: &Sums,
    settings: &Settings,
) -> io::Result<Vec<ApproverFact>> {
    let refusals = shared.denials.load(Ordering::Relaxed) > 0;
    let decisions = &shared.sides.decisions;
    let of = |part: usize| -> io::Result<Vec<Own>> {
        let mut rows = decisions.take(part)?;
        // Approvals of one id and one approver were refused, so each decision is here once.
        rows.sort_unstable_by_key(|d| d.approver);
        let own = rows.chunk_by(|a, b| a.approver == b.approver);
        Ok(own.filter_map(|own| row(own, names, sums, settings, refusals)).collect())
    };
    let parts: Vec<io::Result<Vec<Own>>> =
        (0..decisions.parts()).into_par_iter().with_max_len(1).map(of).collect();
    let mut all: Vec<Own> = Vec::new();
    for part in parts {
        all.extend(part?);
    }
    let given: BTreeMap<(u32, u32), i64> = all
        .iter()
        .flat_map(|o| o.given.iter().map(|(other, n)| ((o.number, *other), *n)))
        .collect();
    for own in &mut all {
        let mut mutual: Vec<(i64, Text)> = own
            .given
            .iter()
            .filter_map(|(other, n)| {
                let back = given.get(&(*other, own.number))?;
                Some(((*n).min(*back), names.get(*other as usize)?.1.clone()))
            })
            .collect();
        mutual.sort();
        own.fact.n_mutual = mutual.last().map_or(0, |(n, _)| *n);
        own.fact.mutual_with = mutual.into_iter().map(|(_, other)| other).collect();
    }
    let mut out: Vec<ApproverFact> = all.into_iter().map(|o| o.fact).collect();
    out.sort_by(|a, b| a.principal_id.cmp(&b.principal_id));
    Ok(out)
}

fn row(
    own: &[Decision],
    names: &[(Id, Text)],
    sums: &Sums,
    settings: &Settings,
    refusals: bool,
) -> Option<Own> {
    let limits = &settings.limits;
    let number = own.first()?.approver;
    let (who, name) = names.get(number as usize)?;
    let approves = || own.iter().filter(|d| d.verdict & verdict::APPROVE != 0);
    // The same instant for both is one recorded time, not a fast hand.
    let wait = |d: &Decision| Some(at(d.at)?.secs_since(at(d.requested)?)).filter(|s| *s > 0);
    let mut waits: Vec<i64> = approves().filter_map(wait).collect();
    waits.sort_unstable();
    let mut times: Vec<Time> = approves().filter_map(|d| at(d.at)).collect();
    times.sort_unstable();
    let mut given: BTreeMap<u32, i64> = BTreeMap::new();
    for d in approves().filter(|d| d.asked != NOBODY && d.asked != number) {
        *given.entry(d.asked).or_default() += 1;
    }
    let n_approvals = approves().count();
    let n_fast = waits.partition_point(|w| *w <= limits.whole("stamp_fast_s"));
    let share = |n: usize, of: usize| (of > 0).then(|| n as f64 / of as f64);
    let kind = sums.kinds.get(who).map_or_else(|| kind_by_form(name), |(_, kind)| *kind);
    let count = |n: usize| i64::try_from(n).unwrap_or(i64::MAX);
    let fact = ApproverFact {
        principal_kind: if name.is_empty() { PrincipalKind::Unknown } else { kind },
        principal_id: name.clone(),
        n_decisions: count(own.len()),
        n_approvals: count(n_approvals),
        n_denials: count(own.len() - n_approvals),
        n_timed: count(waits.len()),
        n_fast: count(n_fast),
        fast_share: share(n_fast, waits.len()),
        median_s: waits.get(waits.len() / 2).copied(),
        max_burst: (!times.is_empty()).then(|| burst(&times, limits.whole("stamp_burst_s"))),
        accepted_share: if refusals { share(n_approvals, own.len()) } else { None },
        times_unknown: waits.is_empty().then(|| text("no_request_times")),
        first_at: own.iter().filter_map(|d| at(d.at)).min(),
        last_at: own.iter().filter_map(|d| at(d.at)).max(),
        ..ApproverFact::default()
    };
    Some(Own { fact, number, given })
}
