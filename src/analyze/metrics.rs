//! Metrics over the whole of the inputs: idle and unobserved hours, standing privilege, coverage of
//! just-in-time access, blast radius, renewal, right size.
//!
//! Specification: grants model, section 5, metrics 3, 4, 6, 7, 8, 9 and 11; section 7 for what a missing
//! input leaves unassessed. What a ledger says was in force counts as held where time is set against use;
//! standing privilege is counted where IAM shows the binding.

use std::collections::{BTreeMap, HashMap};

use super::hours::Hours;
use super::index::{Index, source_window};
use super::interval::{overlap_s, total_s, union};
use super::reach::credentials::renewal_factor;
use super::scope;
use super::use_spans::{BIN_S, UseSpans};
use crate::facts::{
    AccessSpan, Chain, Credential, GrantFact, Holding, Layer, Metric, Outcome, Standing, Text,
    Tier, Time, UsageFact, UsageGrain, text,
};

mod jit;
pub mod principals;

/// What the metrics are made of.
#[derive(Debug)]
pub struct Basis<'b> {
    /// Grants.
    pub grants: &'b [GrantFact],
    /// Use of each.
    pub uses: &'b [UseSpans],
    /// Spans of access.
    pub spans: &'b [AccessSpan],
    /// Chains.
    pub chains: &'b [Chain],
    /// Holdings.
    pub holdings: &'b [Holding],
    /// Uses.
    pub usage: &'b [UsageFact],
    /// Hours that the sweep counted.
    pub hours: &'b Hours,
    /// The same by principal.
    pub by_principal: &'b BTreeMap<Text, Hours>,
}

/// Why there is no value.
enum Without {
    /// An input is missing.
    NotAssessed(&'static str),
    /// Nothing to measure.
    NotApplicable(&'static str),
}

/// Lower bound, upper bound if there is one, and number of items.
type Found = Result<(f64, Option<f64>, i64), Without>;

const NO_SOURCE: Without = Without::NotAssessed("no_source");

/// All metrics, in the order of the specification.
#[must_use]
pub fn metrics(ix: &Index<'_>, b: &Basis<'_>) -> Vec<Metric> {
    let (idle, unobserved, duty) = idle(b);
    let (radius, largest) = radius(ix, b);
    let all: [(&str, &str, &str, Found); 20] = [
        ("idle_hours", "Granted hours without use", "h", idle),
        ("unobserved_hours", "Granted hours that no log of use covers", "h", unobserved),
        ("duty_cycle", "Share of granted time with use", "share", duty),
        (
            "duty_cycle_credentials",
            "Share of the life of issued credentials with use (upper bound: with refused calls)",
            "share",
            credentials(ix),
        ),
        ("privilege_hours", "Hours of privilege held in IAM", "h", held(ix, b, |h| h.held)),
        (
            "standing_privilege_hours",
            "Of these, hours without a grant in force",
            "h",
            ledger(ix).and_then(|()| held(ix, b, |h| h.bare)),
        ),
        ("standing_principals", "Principals with such hours", "count", standing(ix, b)),
        ("zsp_score", "Share of privilege hours under a grant", "share", score(ix, b, |h| h.bare)),
        (
            "zsp_task_score",
            "Share of privilege hours under a grant while its task ran",
            "share",
            layer(ix, Layer::Task).and_then(|()| score(ix, b, |h| h.off_task)),
        ),
        ("jit_coverage_issue", "Activations in IAM with a grant", "share", jit::by_issue(ix, b)),
        ("jit_coverage_use", "Privileged uses inside a grant", "share", jit::by_use(ix, b)),
        ("jit_coverage_task", "Grants with a task", "share", jit::by_task(b)),
        ("ticket_coverage", "Grants with a ticket that exists", "share", jit::by_ticket(ix, b)),
        ("blast_radius", "Reach of all principals, without assumed roles", "radius", radius),
        ("blast_radius_largest", "Reach of the farthest-reaching principal", "radius", largest),
        (
            "exposure",
            "Reach over time",
            "radius_h",
            held(ix, b, |h| (h.radius_s, 0)).map(|(lo, _, n)| (lo, None, n)),
        ),
        ("renewal_factor", "Longest use of a credential over its lifetime", "ratio", renewal(ix)),
        ("extension_ratio", "Longest chain of grants over its first", "ratio", extension(b)),
        ("right_size", "Share of authorised time with use", "share", right_size(ix, b)),
        ("unused_grants", "Ended grants without a use", "share", unused(b)),
    ];
    all.into_iter().map(|(id, title, unit, found)| row(ix, (id, title, unit), found)).collect()
}

fn row(ix: &Index<'_>, (id, title, unit): (&str, &str, &str), found: Found) -> Metric {
    // The rows of a screening are a part: its sums are not those of the whole.
    let found = match ix.survey {
        Some(_) => Err(Without::NotAssessed("screened")),
        None => found,
    };
    let mut out = Metric {
        metric: text(id),
        title: text(title),
        unit: text(unit),
        outcome: text("assessed"),
        ..Metric::default()
    };
    match found {
        Ok((lo, hi, n)) => (out.lo, out.hi, out.items) = (Some(lo), hi, n),
        Err(Without::NotAssessed(why)) => {
            (out.outcome, out.reason) = (text("not_assessed"), Some(text(why)));
        }
        Err(Without::NotApplicable(why)) => {
            (out.outcome, out.reason) = (text("not_applicable"), Some(text(why)));
        }
    }
    out
}

fn layer(ix: &Index<'_>, layer: Layer) -> Result<(), Without> {
    if ix.has_layer(layer) { Ok(()) } else { Err(NO_SOURCE) }
}

fn ledger(ix: &Index<'_>) -> Result<(), Without> {
    layer(ix, Layer::Ledger)
}

#[expect(clippy::cast_precision_loss, reason = "seconds and counts fit a double exactly")]
fn float(n: i64) -> f64 {
    n as f64
}

fn hours(s: f64) -> f64 {
    s / 3600.0
}

fn len<T>(items: &[T]) -> i64 {
    i64::try_from(items.len()).unwrap_or(i64::MAX)
}

/// Metrics 3 and 4 over spans of access: idle, unobserved, duty cycle.
fn idle(b: &Basis<'_>) -> (Found, Found, Found) {
    let held: Vec<&AccessSpan> = b.spans.iter().filter(|s| s.covered_s > 0).collect();
    let nothing = || Err(Without::NotApplicable("no_grants"));
    if held.is_empty() {
        return (nothing(), nothing(), nothing());
    }
    let (mut all, mut lo, mut hi, mut seen) = (0.0, 0.0, 0.0, 0);
    let mut unobserved = 0;
    for s in &held {
        let covered = float(s.covered_s);
        match (s.duty_cycle, s.duty_cycle_hi) {
            (Some(sure), Some(most)) => {
                seen += 1;
                all += covered;
                lo += sure * covered;
                hi += most * covered;
            }
            _ => unobserved += s.covered_s,
        }
    }
    let missing = hours(float(unobserved));
    let unobserved = Ok((missing, Some(missing), len(&held) - seen));
    if seen == 0 {
        return (Err(NO_SOURCE), unobserved, Err(NO_SOURCE));
    }
    let idle = Ok((hours(all - hi), Some(hours(all - lo)), seen));
    (idle, unobserved, Ok((lo / all, Some(hi / all), seen)))
}

/// Metric 4 over issued credentials, inside the time that the log which lists their uses covers. Refused
/// calls are no use; they are the difference between the bounds.
fn credentials(ix: &Index<'_>) -> Found {
    let windows: HashMap<&str, (Time, Time)> = ix
        .facts
        .sources
        .iter()
        .filter_map(|s| {
            let (a, b) = source_window(s);
            Some((&*s.source_id, (a?, b?.min(ix.as_of))))
        })
        .collect();
    let mut uses: HashMap<&str, [UseSpans; 2]> = HashMap::new();
    for u in ix.facts.usage.iter().filter(|u| u.grain == UsageGrain::Credential) {
        let Some(id) = &u.credential_id else { continue };
        let [done, tried] = uses.entry(id).or_default();
        let begin = Time::from_micros(i64::MIN);
        tried.note(u, begin, None, ix.as_of);
        if u.outcome != Outcome::Denied {
            done.note(u, begin, None, ix.as_of);
        }
    }
    let (mut held, mut lo, mut hi, mut n) = (0, 0, 0, 0);
    for c in ix.facts.credentials.iter().filter(|c| c.use_tracked) {
        let Some((from, until)) = life(c, &windows) else { continue };
        n += 1;
        held += until.secs_since(from);
        if let Some([done, tried]) = uses.get(&*c.credential_id) {
            lo += total_s(&done.used(from, until, BIN_S));
            hi += total_s(&tried.used_at_most(from, until, BIN_S));
        }
    }
    if held == 0 {
        return Err(Without::NotApplicable("no_issued_credentials"));
    }
    Ok((float(lo) / float(held), Some(float(hi) / float(held)), n))
}

/// Life of a credential inside the window of the log that shows its uses; `None` without a lifetime.
fn life(c: &Credential, windows: &HashMap<&str, (Time, Time)>) -> Option<(Time, Time)> {
    let (from, until) = windows.get(&*c.source_id).copied()?;
    let (issued, expires) = (c.issued_at?, c.revoked_at.or(c.expires_at)?);
    let (a, b) = (issued.max(from), expires.min(until));
    (a < b).then_some((a, b))
}

/// Metric 6: hours of one kind, as proved and as possible.
fn held(ix: &Index<'_>, b: &Basis<'_>, of: impl Fn(&Hours) -> (i64, i64)) -> Found {
    layer(ix, Layer::State)?;
    let (sure, open) = of(b.hours);
    let lo = hours(float(sure));
    Ok((lo, Some(lo + hours(float(open))), b.hours.lanes))
}

fn standing(ix: &Index<'_>, b: &Basis<'_>) -> Found {
    layer(ix, Layer::State)?;
    ledger(ix)?;
    let (sure, open) = b.hours.standing;
    Ok((float(sure), Some(float(sure + open)), b.hours.lanes))
}

/// One minus the share of the hours held that are of the kind that should be zero. No hours held is no
/// success: then it is not applicable.
fn score(ix: &Index<'_>, b: &Basis<'_>, of: impl Fn(&Hours) -> (i64, i64)) -> Found {
    layer(ix, Layer::State)?;
    ledger(ix)?;
    let ((sure, open), (held, held_open)) = (of(b.hours), b.hours.held);
    if held + held_open == 0 {
        return Err(Without::NotApplicable("nothing_held"));
    }
    // Worst: all that is open and unwanted was held, nothing else of what is open. Best: the reverse.
    let share = |bad: i64, all: i64| if all == 0 { 0.0 } else { float(bad) / float(all) };
    let worst = share(sure + open, held + open);
    let best = share(sure, held + (held_open - open).max(0));
    Ok((1.0 - worst.max(best), Some(1.0 - best.min(worst)), b.hours.lanes))
}

/// Share of a whole, of which some are not known. When none is known there is nothing to say.
fn share_of(yes: usize, open: usize, all: usize) -> Found {
    if all == 0 {
        return Err(Without::NotApplicable("no_grants"));
    }
    if open == all {
        return Err(NO_SOURCE);
    }
    let n = |n: usize| float(i64::try_from(n).unwrap_or(i64::MAX));
    Ok((n(yes) / n(all), Some(n(yes + open) / n(all)), i64::try_from(all).unwrap_or(i64::MAX)))
}

/// Weight of a privilege by its tier; `None` counts nothing and makes the sum a lower bound.
#[must_use]
pub fn privilege_weight(tier: Option<Tier>) -> i64 {
    match tier {
        Some(Tier::T0 | Tier::T1) => 8,
        Some(Tier::T2) => 4,
        Some(Tier::T3) => 2,
        Some(Tier::T4) => 1,
        None => 0,
    }
}

/// Weight of a canonical scope: resource 1, namespace 3, account 10, folder 30, organisation 100.
#[must_use]
pub fn scope_weight(place: &str) -> i64 {
    let below = |prefix: &str| place.strip_prefix(prefix);
    let top = |rest: &str| !rest.trim_matches('/').contains('/');
    if matches!(place, "*" | "/" | "entra") || below("organizations/").is_some_and(top) {
        return 100;
    }
    if below("folders/").is_some_and(top)
        || place
            .to_ascii_lowercase()
            .starts_with("/providers/microsoft.management/managementgroups/")
    {
        return 30;
    }
    if place.contains("/ns/") || place.to_ascii_lowercase().contains("/resourcegroups/") {
        return if place.split('/').count() > 5 { 1 } else { 3 };
    }
    let account = ["aws:", "projects/", "/subscriptions/", "k8s:"];
    if place == "k8s" || account.iter().any(|a| below(a).is_some_and(top)) {
        return 10;
    }
    1
}

/// Metric 8: per principal the sum over its widest scopes of scope times privilege, by tiers that are
/// certain and by those that are possible. Roles that could be assumed are not followed: at least.
fn radius(ix: &Index<'_>, b: &Basis<'_>) -> (Found, Found) {
    if let Err(e) = layer(ix, Layer::State) {
        return (Err(e), layer(ix, Layer::State).map(|()| (0.0, None, 0)));
    }
    let radii = radii(b.holdings);
    let sum = radii.values().fold(0_i64, |sum, own| sum.saturating_add(*own));
    let largest = radii.values().copied().max().unwrap_or(0);
    let n = i64::try_from(radii.len()).unwrap_or(i64::MAX);
    (Ok((float(sum), None, n)), Ok((float(largest), None, n)))
}

/// Reach of each principal: the sum over its widest scopes.
fn radii(holdings: &[Holding]) -> BTreeMap<&str, i64> {
    let mut of: BTreeMap<&str, BTreeMap<String, i64>> = BTreeMap::new();
    for h in holdings {
        if matches!(h.standing, Standing::Residue | Standing::Eligible) {
            continue;
        }
        let place = scope::canonical(Some(&h.platform), &h.scope).into_owned();
        let weight = privilege_weight(h.tier) * scope_weight(&place);
        let slot = of.entry(&h.principal_id).or_default().entry(place).or_default();
        *slot = (*slot).max(weight);
    }
    let own = |places: &BTreeMap<String, i64>| {
        let nested = |place: &str, weight: i64| {
            let above = |a: &str| a != place && places.get(a).is_some_and(|w| *w >= weight);
            above("*") || scope::ancestors(place).any(|a| above(&a))
        };
        places.iter().filter(|(p, w)| !nested(p, **w)).map(|(_, w)| *w).sum()
    };
    of.iter().map(|(who, places)| (*who, own(places))).collect()
}

/// Metric 9: time from issue to last use over the lifetime, the largest.
fn renewal(ix: &Index<'_>) -> Found {
    let each = ix.facts.credentials.iter().filter_map(|c| renewal_factor(c, ix.as_of));
    largest(each, "no_used_credential_with_lifetime")
}

/// The largest of some values, and how many there are; the reason without any.
fn largest(values: impl Iterator<Item = f64>, none: &'static str) -> Found {
    let mut found: Option<(f64, i64)> = None;
    for v in values {
        found = Some(found.map_or((v, 1), |(max, n)| (max.max(v), n + 1)));
    }
    found.map_or(Err(Without::NotApplicable(none)), |(max, n)| Ok((max, Some(max), n)))
}

/// Metric 9: what a chain of grants gave in all over what its first one gave, the largest.
fn extension(b: &Basis<'_>) -> Found {
    let ratios = b.chains.iter().filter_map(|c| {
        let first = c.first_duration_s.filter(|s| *s > 0)?;
        Some(float(c.held_s?) / float(first))
    });
    largest(ratios, "no_grants")
}

/// Metric 11: authorised time with use over authorised time, of grants whose use is observable.
fn right_size(ix: &Index<'_>, b: &Basis<'_>) -> Found {
    let (mut all, mut lo, mut hi, mut n) = (0, 0, 0, 0);
    for (g, used) in b.grants.iter().zip(b.uses) {
        let (true, Some(from), Some(end)) = (g.effective, g.started_at, g.not_after.or(g.ended_at))
        else {
            continue;
        };
        let until = end.min(ix.as_of);
        if g.use_count.is_none() || g.interval_inverted || until <= from {
            continue;
        }
        let window = union(vec![(from, until)]);
        n += 1;
        all += total_s(&window);
        lo += overlap_s(&window, &used.used(from, until, BIN_S));
        hi += overlap_s(&window, &used.used_at_most(from, until, BIN_S));
    }
    if n == 0 {
        let any = b.grants.iter().any(|g| g.effective);
        return Err(if any { NO_SOURCE } else { Without::NotApplicable("no_grants") });
    }
    Ok((float(lo) / float(all), Some(float(hi) / float(all)), n))
}

/// Metric 11: ended grants that nobody used.
fn unused(b: &Basis<'_>) -> Found {
    let ended: Vec<&GrantFact> = b
        .grants
        .iter()
        .filter(|g| g.effective && g.active_now == Some(false) && g.ended_at.is_some())
        .collect();
    share_of(
        ended.iter().filter(|g| g.use_count == Some(0)).count(),
        ended.iter().filter(|g| g.use_count.is_none()).count(),
        ended.len(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn weights_of_scopes() {
        for (place, want) in [
            ("*", 100),
            ("organizations/1", 100),
            ("folders/2", 30),
            ("/providers/Microsoft.Management/managementGroups/mg", 30),
            ("projects/p", 10),
            ("aws:111122223333", 10),
            ("/subscriptions/s", 10),
            ("k8s:prod", 10),
            ("k8s:prod/ns/pay", 3),
            ("/subscriptions/s/resourcegroups/g", 3),
            ("/subscriptions/s/resourcegroups/g/providers/x/y/z", 1),
            ("projects/p/topics/t", 1),
            ("arn:aws:s3:::bucket", 1),
            ("", 1),
        ] {
            assert_eq!(scope_weight(place), want, "{place}");
        }
        assert_eq!(privilege_weight(Some(Tier::T0)), 8);
        assert_eq!(privilege_weight(None), 0);
    }

    #[test]
    fn shares_of_what_is_partly_known() {
        let told = |yes, open, all| match share_of(yes, open, all) {
            Ok((lo, hi, n)) => Ok((lo, hi, n)),
            Err(Without::NotAssessed(why) | Without::NotApplicable(why)) => Err(why),
        };
        assert_eq!(told(1, 1, 4), Ok((0.25, Some(0.5), 4)));
        assert_eq!(told(0, 4, 4), Err("no_source"));
        assert_eq!(told(0, 0, 0), Err("no_grants"));
    }
}
