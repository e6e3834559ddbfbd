//! How approvers decide: how fast, how many at once, how often they refuse, and for whom.
//!
//! Source of the rule: compliance specification, section 5, APR-006. Numbers about people are a
//! pattern to look into, never a proof; so nothing is counted that the records do not show.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::index::Index;
use crate::facts::store::evidence_ref;
use crate::facts::{Approval, ApprovalMethod, ApproverFact, Grant, Text, Time, Verdict, text};

/// Evidence references of one approver.
const MAX_REFS: usize = 24;

/// One decided request.
struct Decided<'a> {
    approval: &'a Approval,
    grant: Option<&'a Grant>,
}

/// One row per approver, sorted by id.
#[must_use]
pub fn approver_facts(ix: &Index<'_>) -> Vec<ApproverFact> {
    let grants = Requests::new(&ix.facts.grants);
    let mut by_person: BTreeMap<&str, BTreeMap<Request<'_>, Decided<'_>>> = BTreeMap::new();
    let mut refusals = false;
    for approval in &ix.facts.approvals {
        if !matches!(approval.verdict, Verdict::Approve | Verdict::Deny) {
            continue;
        }
        refusals |= approval.verdict == Verdict::Deny;
        let (Some(who), false) = (&approval.approver_id, approval.method == ApprovalMethod::Policy)
        else {
            continue;
        };
        let decided = Decided { approval, grant: grants.of(approval) };
        let decisions = by_person.entry(ix.person(who)).or_default();
        // A decision that several records repeat is one decision: the earliest of them.
        match decisions.entry(Request::of(approval)) {
            std::collections::btree_map::Entry::Vacant(free) => {
                free.insert(decided);
            }
            std::collections::btree_map::Entry::Occupied(mut have) => {
                let earlier = |t: Option<Time>| t.map_or((true, None), |t| (false, Some(t)));
                if earlier(approval.at) < earlier(have.get().approval.at) {
                    have.insert(decided);
                }
            }
        }
    }
    let exchanged = exchanged(ix, &by_person);
    by_person
        .iter()
        .map(|(person, decisions)| row(ix, person, decisions, &exchanged, refusals))
        .collect()
}

/// What tells one decision of an approver from another.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Request<'a> {
    request: &'a str,
    place: (&'a str, &'a str),
}

impl<'a> Request<'a> {
    /// What an approval decides on.
    #[must_use]
    pub fn of(a: &'a Approval) -> Self {
        let request = match (&a.grant_id, &*a.approval_id) {
            (_, id) if !id.is_empty() => id,
            (Some(grant), _) => grant,
            // It names nothing: only its place tells it from others.
            (None, _) => return Self { request: "", place: (&a.source_id, &a.source_ref) },
        };
        Self { request, place: ("", "") }
    }
}

/// Grants by what approvals call them. An id that two grants share names none.
#[derive(Debug)]
pub struct Requests<'a> {
    by_id: HashMap<&'a str, Option<&'a Grant>>,
    by_approval: HashMap<&'a str, &'a Grant>,
}

impl<'a> Requests<'a> {
    /// Of these grants.
    #[must_use]
    pub fn new(grants: &'a [Grant]) -> Self {
        let mut out = Self { by_id: HashMap::new(), by_approval: HashMap::new() };
        for g in grants {
            out.by_id.entry(&g.grant_id).and_modify(|have| *have = None).or_insert(Some(g));
            if let Some(id) = &g.approval_ref {
                out.by_approval.entry(id).or_insert(g);
            }
        }
        out
    }

    /// The grant that an approval decides on.
    #[must_use]
    pub fn of(&self, a: &Approval) -> Option<&'a Grant> {
        match &a.grant_id {
            Some(id) => self.by_id.get(&**id).copied().flatten(),
            None => self.by_approval.get(&*a.approval_id).copied(),
        }
    }
}

/// Number of approvals from one person to another.
fn exchanged<'a>(
    ix: &'a Index<'_>,
    by_person: &BTreeMap<&'a str, BTreeMap<Request<'_>, Decided<'_>>>,
) -> BTreeMap<&'a str, BTreeMap<&'a str, i64>> {
    let mut out: BTreeMap<&str, BTreeMap<&str, i64>> = BTreeMap::new();
    for (&person, decisions) in by_person {
        for d in decisions.values().filter(|d| d.approval.verdict == Verdict::Approve) {
            let asked = d.grant.and_then(|g| g.requester_id.as_ref().or(g.beneficiary_id.as_ref()));
            let Some(requester) = asked.map(|id| ix.person(id)) else { continue };
            // The other must approve too, or it is no exchange.
            let Some((&other, _)) = by_person.get_key_value(requester) else { continue };
            if other != person {
                *out.entry(person).or_default().entry(other).or_default() += 1;
            }
        }
    }
    out
}

fn row(
    ix: &Index<'_>,
    person: &str,
    decisions: &BTreeMap<Request<'_>, Decided<'_>>,
    exchanged: &BTreeMap<&str, BTreeMap<&str, i64>>,
    refusals: bool,
) -> ApproverFact {
    let approves = || decisions.values().filter(|d| d.approval.verdict == Verdict::Approve);
    let n_decisions = count(decisions.len());
    let n_approvals = count(approves().count());
    let mut waits: Vec<i64> = approves().filter_map(wait).collect();
    waits.sort_unstable();
    let limits = &ix.settings.limits;
    let n_fast = count(waits.partition_point(|w| *w <= limits.whole("stamp_fast_s")));
    let mut times: Vec<Time> = approves().filter_map(|d| d.approval.at).collect();
    times.sort();
    let mut mutual: Vec<(i64, Text)> = exchanged
        .get(person)
        .into_iter()
        .flatten()
        .filter_map(|(other, given)| {
            let back = exchanged.get(other)?.get(person)?;
            Some(((*given).min(*back), text(other)))
        })
        .collect();
    mutual.sort();
    let all = || decisions.values().filter_map(|d| d.approval.at);
    let refs: BTreeSet<Text> = decisions
        .values()
        .map(|d| evidence_ref(&d.approval.source_id, &d.approval.source_ref))
        .collect();
    ApproverFact {
        principal_id: text(person),
        principal_kind: ix.kind(person),
        n_decisions,
        n_approvals,
        n_denials: n_decisions - n_approvals,
        n_timed: count(waits.len()),
        n_fast,
        fast_share: share(n_fast, waits.len()),
        median_s: waits.get(waits.len() / 2).copied(),
        max_burst: (!times.is_empty()).then(|| burst(&times, limits.whole("stamp_burst_s"))),
        accepted_share: if refusals { share(n_approvals, decisions.len()) } else { None },
        n_mutual: mutual.last().map_or(0, |(n, _)| *n),
        mutual_with: mutual.into_iter().map(|(_, who)| who).collect(),
        times_unknown: waits.is_empty().then(|| text("no_request_times")),
        first_at: all().min(),
        last_at: all().max(),
        owner: ix.owner_name(person),
        refs: refs.into_iter().take(MAX_REFS).collect(),
    }
}

/// Seconds from request to approval. The same instant for both is one recorded time, not a fast hand.
fn wait(d: &Decided<'_>) -> Option<i64> {
    let asked = d.grant?.requested_at?;
    Some(d.approval.at?.secs_since(asked)).filter(|s| *s > 0)
}

/// Most instants inside any window of so many seconds; sorted input, one pass.
#[must_use]
pub fn burst(times: &[Time], window_s: i64) -> i64 {
    let mut most = 0;
    let mut oldest = times.iter().enumerate().peekable();
    for (i, t) in times.iter().enumerate() {
        while oldest.next_if(|(_, first)| t.secs_since(**first) > window_s).is_some() {}
        let from = oldest.peek().map_or(i, |(n, _)| *n);
        most = most.max(i + 1 - from);
    }
    count(most)
}

fn count(n: usize) -> i64 {
    i64::try_from(n).unwrap_or(i64::MAX)
}

fn share(n: i64, of: usize) -> Option<f64> {
    (of > 0).then(|| n as f64 / of as f64)
}
