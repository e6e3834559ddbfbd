//! One policy, several lives: the statements of a binding by how long they last (AWS semantics, 5.6,
//! "standing privilege"). A bound on `aws:CurrentTime` in the future makes a statement time-bound, a
//! bound in the past makes it dead: residue, which gives nothing and is never standing.

use super::access::Binding;
use crate::facts::{Standing, Text, Time, text};
use crate::privilege::aws::document::Effect;
use crate::privilege::aws::evaluate::Bound;
use crate::privilege::aws::tri::Tri;

/// The life of a part of a policy.
#[derive(Clone, Debug, Default)]
pub struct Life {
    /// Standing state at the as-of time.
    pub standing: Standing,
    /// Start of validity; null when some statement of the part has none.
    pub not_before: Option<Time>,
    /// End of validity, the latest of its statements; null when it has none.
    pub not_after: Option<Time>,
    /// The statements, when the policy has others that live longer or shorter; else empty.
    pub statements: Vec<Text>,
}

impl Life {
    /// The life that a whole binding has when its statements say nothing about time.
    pub fn of(not_before: Option<Time>, not_after: Option<Time>, as_of: Time) -> Self {
        let standing = match not_after {
            None => Standing::Standing,
            Some(t) if t <= as_of => Standing::Residue,
            Some(_) => Standing::TimeBound,
        };
        Self { standing, not_before, not_after, statements: Vec::new() }
    }
}

/// Which statements a part keeps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// Without an end.
    Open,
    /// With an end that is still to come.
    Bound,
    /// Whose end is past.
    Dead,
}

/// The parts of a binding, longest-lived first, each with the policy narrowed to it. Deny statements
/// are no part of this: they are judged over the whole principal.
pub fn split<'a>(bound: &Bound<'a>, binding: &Binding, as_of: Time) -> Vec<(Life, Bound<'a>)> {
    let whole = Life::of(binding.not_before, binding.not_after, as_of);
    let kinds: Vec<Option<Kind>> = bound
        .policy
        .statements
        .iter()
        .map(|s| {
            (s.effect == Effect::Allow).then(|| match s.condition.time_bounds().1 {
                None => Kind::Open,
                Some(end) if end <= as_of => Kind::Dead,
                Some(_) => Kind::Bound,
            })
        })
        .collect();
    let present = |kind| kinds.contains(&Some(kind));
    if !present(Kind::Bound) && !present(Kind::Dead) {
        return vec![(whole, bound.clone())];
    }
    let there: Vec<Kind> =
        [Kind::Open, Kind::Bound, Kind::Dead].into_iter().filter(|k| present(*k)).collect();
    let several = there.len() > 1;
    there
        .into_iter()
        .map(|kind| {
            let mut part = bound.clone();
            let mut labels = Vec::new();
            let (mut start, mut end): (Option<Option<Time>>, Option<Time>) = (None, None);
            let all = bound.policy.statements.iter().zip(&kinds);
            for ((s, of), applies) in all.zip(&mut part.applies) {
                if *of != Some(kind) {
                    if of.is_some() {
                        *applies = Tri::F;
                    }
                    continue;
                }
                let (from, until) = s.condition.time_bounds();
                start = Some(start.map_or(from, |have| have.zip(from).map(|(a, b)| a.min(b))));
                end = end.max(until);
                labels.push(text(&s.label));
            }
            // The binding itself may end before its statements do.
            let end = match (end, whole.not_after) {
                (Some(a), Some(b)) => Some(a.min(b)),
                (a, b) => a.or(b),
            };
            let mut life = Life::of(start.flatten().or(whole.not_before), end, as_of);
            if several {
                life.statements = labels;
            }
            (life, part)
        })
        .collect()
}

/// A policy without the statements that end: what of it stands.
pub fn standing_part<'a>(bound: &Bound<'a>) -> Bound<'a> {
    let mut out = bound.clone();
    for (s, applies) in bound.policy.statements.iter().zip(&mut out.applies) {
        if s.effect == Effect::Allow && s.condition.time_bounds().1.is_some() {
            *applies = Tri::F;
        }
    }
    out
}

/// Whether some Allow statement has an end still to come.
pub fn ends(bound: &Bound<'_>, as_of: Time) -> bool {
    let allows = bound.policy.statements.iter().filter(|s| s.effect == Effect::Allow);
    allows.filter_map(|s| s.condition.time_bounds().1).any(|end| end > as_of)
}

/// The earliest end still to come of the Allow statements of policies.
pub fn first_end<'a>(bounds: &[Bound<'a>], as_of: Time) -> Option<Time> {
    let allows = bounds.iter().flat_map(|b| &b.policy.statements);
    let ends = allows
        .filter(|s| s.effect == Effect::Allow)
        .filter_map(|s| s.condition.time_bounds().1)
        .filter(|end| *end > as_of);
    ends.min()
}
