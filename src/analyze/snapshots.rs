//! Several exports of one policy: what a later whole export lacks was removed between the two.
//!
//! Specification: grants model, 4.7. A binding that two exports show is one binding, seen first and last;
//! one that the later lacks ended in (last seen, next]. An export that is not said to be whole proves no
//! absence. Of some formats one file is the whole policy of its realm. Of others it may be a part (the bindings
//! of one namespace, the assignments of one subscription), even where somebody vouches that it is whole: such a
//! file proves the absence only of what lies where it shows something else. Exports of AWS accounts are ordered
//! when they are read.

use std::collections::{BTreeMap, BTreeSet};

use crate::facts::{
    BindingKind, Completeness, Entitlement, Facts, Layer, Source, Text, Time, text,
};

/// Formats of which one file is the whole policy of its realm.
const WHOLE: [&str; 1] = ["gcp-iam-policy"];

/// Formats of which one file may be a part of the policy of its realm.
const PARTS: [&str; 4] = [
    "kubernetes-objects",
    "azure-role-assignments",
    "entra-role-assignments",
    "entra-pim-instances",
];

/// Limitation text of an export that a later one follows.
const FOLLOWED: &str =
    "a later whole export of the same policy is given; bindings that it lacks have ended";

/// Instant, source and whether it is whole.
type Export = (Time, Text, bool);

/// What makes two rows one binding: id and condition.
type Key = (Text, Option<Text>, Option<Time>, Option<Time>);

fn key(e: &Entitlement) -> Key {
    (e.entitlement_id.clone(), e.condition.clone(), e.not_before, e.not_after)
}

/// Where a binding lies, as far as lists are cut: by the kind of binding, and by namespace or subscription.
type Part = (BindingKind, Text, Text);

fn part(e: &Entitlement) -> Part {
    let object = match (&*e.platform, e.via.first()) {
        ("k8s", Some(way)) => way.split_once(':').map_or(&**way, |(object, _)| object),
        _ => "",
    };
    let place = match e.scope.strip_prefix("/subscriptions/") {
        Some(rest) => rest.split('/').next().unwrap_or(rest),
        None => &e.scope,
    };
    (e.binding_kind, text(object), text(place))
}

/// Exports of one policy in order of time, and what of it each shows.
#[derive(Default)]
struct Series {
    exports: Vec<Export>,
    /// Parts, by source; none where each export is the whole policy.
    parts: Option<BTreeMap<Text, BTreeSet<Part>>>,
}

impl Series {
    /// The first export after an instant that would show a binding if it were still there.
    fn next(&self, e: &Entitlement, last: Time) -> Option<Time> {
        let own = self.parts.as_ref().map(|_| part(e));
        let shows = |id: &Text| match (&self.parts, &own) {
            (Some(parts), Some(own)) => parts.get(id).is_some_and(|of| of.contains(own)),
            _ => true,
        };
        let later = |(then, id, whole): &&Export| *whole && *then > last && shows(id);
        self.exports.iter().find(later).map(|(then, ..)| *then)
    }
}

/// Gives bindings of followed exports their end, and those that later exports repeat their first and last
/// sight: of these the row of the latest export stays.
pub fn fold(facts: &mut Facts, as_of: Time) {
    let all = series(facts, as_of);
    if all.is_empty() {
        return;
    }
    let place: BTreeMap<&Text, (usize, Time)> = all
        .iter()
        .enumerate()
        .flat_map(|(n, s)| s.exports.iter().map(move |(at, id, _)| (id, (n, *at))))
        .collect();
    // First and last sight of each binding, by series.
    let mut seen: BTreeMap<(usize, Key), (Time, Time)> = BTreeMap::new();
    for e in &facts.entitlements {
        if let Some((series, at)) = place.get(&e.source_id) {
            let slot = seen.entry((*series, key(e))).or_insert((*at, *at));
            *slot = (slot.0.min(*at), slot.1.max(*at));
        }
    }
    let mut followed: BTreeSet<Text> = BTreeSet::new();
    facts.entitlements.retain_mut(|e| {
        let Some((series, at)) = place.get(&e.source_id) else { return true };
        let Some((first, last)) = seen.get(&(*series, key(e))).copied() else { return true };
        if *at < last {
            return false;
        }
        e.first_seen = Some(first);
        e.last_seen = Some(last);
        if let Some(gone) = all.get(*series).and_then(|s| s.next(e, last)) {
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

/// Policies of which several exports with an instant up to the as-of time are there.
fn series(facts: &Facts, as_of: Time) -> Vec<Series> {
    let alike = alike(facts);
    let mut all: BTreeMap<(&Text, &Text), Series> = BTreeMap::new();
    let mut of: BTreeMap<&Text, (&Text, &Text)> = BTreeMap::new();
    for s in facts.sources.iter().filter(|s| s.layer == Layer::State) {
        let (Some(at), Some(id)) = (s.collected_at.or(s.window_end), policy(s, &alike)) else {
            continue;
        };
        let (whole, in_parts) = (WHOLE.contains(&&*s.format), PARTS.contains(&&*s.format));
        if at <= as_of && (whole || in_parts) {
            let series = all.entry((&s.format, id)).or_default();
            let complete = s.completeness == Completeness::Complete;
            series.exports.push((at, s.source_id.clone(), complete));
            if in_parts {
                series.parts.get_or_insert_default();
                of.insert(&s.source_id, (&s.format, id));
            }
        }
    }
    all.retain(|_, s| s.exports.len() > 1);
    for e in &facts.entitlements {
        let series = of.get(&e.source_id).and_then(|id| all.get_mut(id));
        if let Some(parts) = series.and_then(|s| s.parts.as_mut()) {
            parts.entry(e.source_id.clone()).or_default().insert(part(e));
        }
    }
    let mut out: Vec<Series> = all.into_values().collect();
    out.iter_mut().for_each(|s| s.exports.sort());
    out
}

/// What names the policy of an export: its realm; without one the first export that shows a binding of it, since
/// the ids of a directory's objects are nobody else's.
fn policy<'f>(s: &'f Source, alike: &BTreeMap<&'f Text, &'f Text>) -> Option<&'f Text> {
    s.realm.as_ref().or_else(|| alike.get(&s.source_id).copied())
}

/// Of exports in parts that name no realm those with a binding in common, by source: the first of them.
fn alike(facts: &Facts) -> BTreeMap<&Text, &Text> {
    let unnamed = |s: &&Source| s.realm.is_none() && PARTS.contains(&&*s.format);
    let mut first: BTreeMap<&Text, &Text> =
        facts.sources.iter().filter(unnamed).map(|s| (&s.source_id, &s.source_id)).collect();
    if first.len() < 2 {
        return first;
    }
    let mut shown: BTreeMap<Key, &Text> = BTreeMap::new();
    for e in &facts.entitlements {
        let Some(own) = first.get(&e.source_id).copied() else { continue };
        let other = *shown.entry(key(e)).or_insert(&e.source_id);
        let theirs = first.get(other).copied().unwrap_or(other);
        if own != theirs {
            let (keep, give) = (own.min(theirs), own.max(theirs));
            first.values_mut().filter(|v| **v == give).for_each(|v| *v = keep);
        }
    }
    first
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

    /// Two exports in parts, the second without the bindings `gone`.
    fn in_parts(
        format: &str,
        realm: Option<&str>,
        platform: &str,
        rows: [&[(&str, &str, &str)]; 2],
    ) -> Facts {
        let mut f = Facts::default();
        for (n, rows) in rows.iter().enumerate() {
            let id = text(format!("S{n}"));
            f.sources.push(Source {
                source_id: id.clone(),
                layer: Layer::State,
                format: text(format),
                realm: realm.map(text),
                window_end: Some(at(5 + 5 * n as i64)),
                completeness: Completeness::Complete,
                ..Source::default()
            });
            f.entitlements.extend(rows.iter().map(|(name, way, scope)| Entitlement {
                entitlement_id: text(format!("{platform}|{name}|{scope}")),
                platform: text(platform),
                via: vec![text(way)],
                scope: text(scope),
                source_id: id.clone(),
                ..Entitlement::default()
            }));
        }
        f
    }

    fn ended(f: &Facts) -> Vec<&str> {
        let gone = f.entitlements.iter().filter(|e| e.unbound_at_hi == Some(at(10)));
        gone.map(|e| e.entitlement_id.split('|').nth(1).unwrap()).collect()
    }

    #[test]
    fn a_part_shows_the_absence_only_of_what_lies_in_it() {
        let before: &[_] = &[
            ("stays", "RoleBinding:a", "k8s:c/ns/pay"),
            ("gone", "RoleBinding:b", "k8s:c/ns/pay"),
            ("elsewhere", "RoleBinding:c", "k8s:c/ns/web"),
            ("cluster", "ClusterRoleBinding:d", "k8s:c"),
        ];
        let after: &[_] = &[("stays", "RoleBinding:a", "k8s:c/ns/pay")];
        let kubernetes = |realm| in_parts("kubernetes-objects", realm, "k8s", [before, after]);
        let mut f = kubernetes(Some("c"));
        fold(&mut f, at(20));
        assert_eq!(ended(&f), ["gone"]);
        assert_eq!(f.entitlements.len(), 4, "what both show is one row");
        let mut f = kubernetes(Some("c"));
        f.sources[1].completeness = Completeness::Unknown;
        fold(&mut f, at(20));
        assert!(ended(&f).is_empty(), "nobody says that it is whole");
        let mut f = kubernetes(Some("c"));
        f.sources[1].realm = Some(text("other"));
        fold(&mut f, at(20));
        assert!(ended(&f).is_empty() && f.entitlements.len() == 5);
    }

    #[test]
    fn exports_without_a_realm_are_of_one_directory_when_they_share_a_binding() {
        let before: &[_] = &[("u1", "", "/"), ("u2", "", "/")];
        let entra = |after| in_parts("entra-role-assignments", None, "entra", [before, after]);
        let mut f = entra(&[("u1", "", "/")]);
        fold(&mut f, at(20));
        assert_eq!(ended(&f), ["u2"]);
        // Another tenant shows none of them.
        let mut f = entra(&[("v1", "", "/")]);
        fold(&mut f, at(20));
        assert!(ended(&f).is_empty());
        // Below a subscription lists are whole by subscription.
        let before: &[_] = &[
            ("u1", "", "/subscriptions/s"),
            ("u2", "", "/subscriptions/s/resourcegroups/g"),
            ("u3", "", "/subscriptions/t"),
        ];
        let after: &[_] = &[("u1", "", "/subscriptions/s")];
        let mut f = in_parts("azure-role-assignments", None, "azure", [before, after]);
        fold(&mut f, at(20));
        assert_eq!(ended(&f), ["u2"]);
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
