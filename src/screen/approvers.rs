//! How approvers decide, from the decisions of a screening; the same quantities as
//! [`crate::analyze::approvers`] derives from rows.

use std::collections::BTreeMap;
use std::io;

use super::id::Id;
use super::join::Joined;
use super::rows::{Decision, NEVER, verdict};
use super::shared::Sums;
use super::vocabulary::Map;
use crate::analyze::approvers::burst;
use crate::facts::identity::kind_by_form;
use crate::facts::{ApproverFact, PrincipalKind, Text, Time, text};
use crate::settings::Settings;
use std::sync::atomic::Ordering;

/// One row per approver, sorted by id. Evidence references are left out: the table of approvals is the
/// evidence as a whole.
///
/// # Errors
/// When the temporary file cannot be read.
pub fn facts(
    joined: &Joined<'_>,
    sums: &Sums,
    settings: &Settings,
) -> io::Result<Vec<ApproverFact>> {
    let mut all: Vec<(Id, ApproverFact)> = Vec::new();
    let mut exchanged: BTreeMap<(Id, Id), i64> = BTreeMap::new();
    for part in 0..joined.decisions.parts() {
        let rows = in_order(&joined.decisions.take(part)?);
        for own in rows.chunk_by(|a, b| a.approver == b.approver) {
            let Some(who) = own.first().map(|d| d.approver) else { continue };
            for d in own.iter().filter(|d| d.verdict & verdict::APPROVE != 0) {
                if d.asked != who && d.asked.is_some() && sums.approvers.contains_key(&d.asked) {
                    *exchanged.entry((who, d.asked)).or_default() += 1;
                }
            }
            all.push((who, row(own, sums, settings, joined.refusals.load(Ordering::Relaxed))));
        }
    }
    let deciders: Map<Text> = all.iter().map(|(id, f)| (*id, f.principal_id.clone())).collect();
    for (who, fact) in &mut all {
        let mut mutual: Vec<(i64, Text)> = exchanged
            .range((*who, Id::NONE)..)
            .take_while(|((from, _), _)| from == who)
            .filter_map(|((_, other), given)| {
                let back = exchanged.get(&(*other, *who))?;
                Some(((*given).min(*back), deciders.get(other)?.clone()))
            })
            .collect();
        mutual.sort();
        fact.n_mutual = mutual.last().map_or(0, |(n, _)| *n);
        fact.mutual_with = mutual.into_iter().map(|(_, other)| other).collect();
    }
    let mut out: Vec<ApproverFact> = all.into_iter().map(|(_, f)| f).collect();
    out.sort_by(|a, b| a.principal_id.cmp(&b.principal_id));
    Ok(out)
}

/// Decisions by approver, each once: of one that several records repeat, the earliest counts, and one
/// without a time comes last. Sorted by what is short; whole ids are compared where that is equal.
fn in_order(rows: &[Decision]) -> Vec<Decision> {
    let mut order: Vec<(u64, u64, u32)> =
        rows.iter().zip(0u32..).map(|(d, i)| (d.approver.high(), d.request.high(), i)).collect();
    order.sort_unstable();
    let mut out: Vec<Decision> =
        order.iter().filter_map(|(_, _, i)| rows.get(*i as usize).copied()).collect();
    let whole = |d: &Decision| (d.approver, d.request, d.at == NEVER, d.at);
    let short = |d: &Decision| (d.approver.high(), d.request.high());
    let mut from = 0;
    let lengths: Vec<usize> = out.chunk_by(|a, b| short(a) == short(b)).map(<[_]>::len).collect();
    for n in lengths {
        if n > 1
            && let Some(same) = out.get_mut(from..from + n)
        {
            same.sort_unstable_by_key(whole);
        }
        from += n;
    }
    out.dedup_by_key(|d| (d.approver, d.request));
    out
}

fn row(own: &[Decision], sums: &Sums, settings: &Settings, refusals: bool) -> ApproverFact {
    let limits = &settings.limits;
    let time = |us: i64| (us != NEVER).then(|| Time::from_micros(us));
    let approves: Vec<&Decision> =
        own.iter().filter(|d| d.verdict & verdict::APPROVE != 0).collect();
    // The same instant for both is one recorded time, not a fast hand.
    let wait = |d: &&Decision| Some(time(d.at)?.secs_since(time(d.requested)?)).filter(|s| *s > 0);
    let mut waits: Vec<i64> = approves.iter().filter_map(wait).collect();
    waits.sort_unstable();
    let mut times: Vec<Time> = approves.iter().filter_map(|d| time(d.at)).collect();
    times.sort();
    let n_fast = waits.partition_point(|w| *w <= limits.whole("stamp_fast_s"));
    let share = |n: usize, of: usize| (of > 0).then(|| n as f64 / of as f64);
    let who = own.first().map_or(Id::NONE, |d| d.approver);
    let name = sums.approvers.get(&who).cloned().unwrap_or_else(|| text(""));
    let kind = sums.kinds.get(&who).map_or_else(|| kind_by_form(&name), |(_, kind)| *kind);
    let count = |n: usize| i64::try_from(n).unwrap_or(i64::MAX);
    ApproverFact {
        principal_kind: if name.is_empty() { PrincipalKind::Unknown } else { kind },
        principal_id: name,
        n_decisions: count(own.len()),
        n_approvals: count(approves.len()),
        n_denials: count(own.len() - approves.len()),
        n_timed: count(waits.len()),
        n_fast: count(n_fast),
        fast_share: share(n_fast, waits.len()),
        median_s: waits.get(waits.len() / 2).copied(),
        max_burst: (!times.is_empty()).then(|| burst(&times, limits.whole("stamp_burst_s"))),
        accepted_share: if refusals { share(approves.len(), own.len()) } else { None },
        times_unknown: waits.is_empty().then(|| text("no_request_times")),
        first_at: own.iter().filter_map(|d| time(d.at)).min(),
        last_at: own.iter().filter_map(|d| time(d.at)).max(),
        ..ApproverFact::default()
    }
}
