//! Several exports of one policy: what a later whole export lacks was removed between the two.
//!
//! Specification: grants model, 4.7. A binding that two exports show is one binding, seen first and last;
//! one that the later lacks ended in (last seen, next]. An export that is not said to be whole proves no
//! absence. Only formats of which one file is the whole policy of its realm are compared: elsewhere the
//! bindings of one realm may lie in several files, of which none lacks what another holds.

use std::collections::{BTreeMap, BTreeSet};

use crate::facts::{Completeness, Entitlement, Facts, Layer, Source, Text, Time, text};

/// Formats of which one file is the whole policy of its realm.
const WHOLE: [&str; 1] = ["gcp-iam-policy"];

/// Limitation text of an export that a later one follows.
const FOLLOWED: &str =
    "a later whole export of the same policy is given; bindings that it lacks have ended";

/// An export: its instant, and whether it proves absence.
type Taken = (Time, bool);

/// Instant, source and whether it is whole.
type Export = (Time, Text, bool);

/// What makes two rows one binding: id and condition.
type Key = (Text, Option<Text>, Option<Time>, Option<Time>);

fn key(e: &Entitlement) -> Key {
    (e.entitlement_id.clone(), e.condition.clone(), e.not_before, e.not_after)
}

/// Gives bindings of followed exports their end, and those that later exports repeat their first and last
/// sight: of these the row of the latest export stays.
pub fn fold(facts: &mut Facts, as_of: Time) {
    let mut series: BTreeMap<(Text, Text), Vec<Export>> = BTreeMap::new();
    for s in &facts.sources {
        if let (true, Some(realm), Some(at)) =
            (compared(s), &s.realm, s.collected_at.or(s.window_end))
            && at <= as_of
        {
            let whole = s.completeness == Completeness::Complete;
            let of = series.entry((s.format.clone(), realm.clone())).or_default();
            of.push((at, s.source_id.clone(), whole));
        }
    }
    series.retain(|_, list| list.len() > 1);
    if series.is_empty() {
        return;
    }
    let mut place: BTreeMap<Text, (usize, Taken)> = BTreeMap::new();
    let mut instants: Vec<Vec<Taken>> = Vec::new();
    for list in series.values_mut() {
        list.sort();
        for (at, id, whole) in list.iter() {
            place.insert(id.clone(), (instants.len(), (*at, *whole)));
        }
        instants.push(list.iter().map(|(at, _, whole)| (*at, *whole)).collect());
    }
    // First and last sight of each binding, by series.
    let mut seen: BTreeMap<(usize, Key), (Time, Time)> = BTreeMap::new();
    for e in &facts.entitlements {
        if let Some((series, (at, _))) = place.get(&e.source_id) {
            let slot = seen.entry((*series, key(e))).or_insert((*at, *at));
            *slot = (slot.0.min(*at), slot.1.max(*at));
        }
    }
    let mut followed: BTreeSet<Text> = BTreeSet::new();
    facts.entitlements.retain_mut(|e| {
        let Some((series, (at, _))) = place.get(&e.source_id) else { return true };
        let Some((first, last)) = seen.get(&(*series, key(e))).copied() else { return true };
        if *at < last {
            return false;
        }
        e.first_seen = Some(first);
        e.last_seen = Some(last);
        let later = instants.get(*series).and_then(|all| {
            all.iter().find(|(then, whole)| *whole && *then > last).map(|(then, _)| *then)
        });
        if let Some(gone) = later {
            e.unbound_at_lo = e.unbound_at_lo.or(Some(last));
            e.unbound_at_hi = e.unbound_at_hi.or(Some(gone));
            followed.insert(e.source_id.clone());
        }
        true
    });
    for s in facts.sources.iter_mut().filter(|s| followed.contains(&s.source_id)) {
        s.limitation = Some(match s.limitation.take() {
            Some(own) => text(format!("{own}; {FOLLOWED}")),
            None => text(FOLLOWED),
        });
    }
}

fn compared(s: &Source) -> bool {
    s.layer == Layer::State && WHOLE.contains(&&*s.format)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(day: i64) -> Time {
        Time::from_secs(day * 86_400)
    }

    fn facts(whole: bool) -> Facts {
        let source = |id: &str, day: i64, whole: bool| Source {
            source_id: text(id),
            layer: Layer::State,
            format: text("gcp-iam-policy"),
            realm: Some(text("projects/p")),
            window_end: Some(at(day)),
            completeness: if whole { Completeness::Complete } else { Completeness::Unknown },
            ..Source::default()
        };
        let bound = |id: &str, source: &str| Entitlement {
            entitlement_id: text(id),
            source_id: text(source),
            ..Entitlement::default()
        };
        Facts {
            // The later export is listed first: the order of files must not matter.
            sources: vec![source("S1", 10, whole), source("S2", 5, true)],
            entitlements: vec![
                bound("new", "S1"),
                bound("both", "S1"),
                bound("both", "S2"),
                bound("gone", "S2"),
            ],
            ..Facts::default()
        }
    }

    /// Binding, first and last time it was seen, and the latest instant of its removal.
    type Told<'f> = (&'f str, Option<Time>, Option<Time>, Option<Time>);

    fn told(f: &Facts) -> Vec<Told<'_>> {
        f.entitlements
            .iter()
            .map(|e| (&*e.entitlement_id, e.first_seen, e.last_seen, e.unbound_at_hi))
            .collect()
    }

    #[test]
    fn what_a_later_whole_export_lacks_has_ended() {
        let mut f = facts(true);
        fold(&mut f, at(20));
        let (then, now) = (Some(at(5)), Some(at(10)));
        assert_eq!(
            told(&f),
            [("new", now, now, None), ("both", then, now, None), ("gone", then, then, now)]
        );
        assert_eq!(f.entitlements[2].unbound_at_lo, then);
        assert!(f.sources[1].limitation.is_some() && f.sources[0].limitation.is_none());
    }

    #[test]
    fn an_export_that_may_lack_rows_or_lies_ahead_ends_nothing() {
        let mut f = facts(false);
        fold(&mut f, at(20));
        assert!(f.entitlements.iter().all(|e| e.unbound_at_hi.is_none()));
        let mut f = facts(true);
        fold(&mut f, at(7));
        assert_eq!(f.entitlements.len(), 4, "one export alone is compared with nothing");
        let mut f = facts(true);
        f.sources[0].realm = Some(text("projects/q"));
        fold(&mut f, at(20));
        assert!(f.entitlements.iter().all(|e| e.unbound_at_hi.is_none()));
    }
}
