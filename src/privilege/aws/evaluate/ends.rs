//! When a limit ends what statements without an end allow: a boundary or an organisation policy whose
//! Allow statements all end, and a Deny that starts and stays (5.6, standing privilege).

use super::{ActionSet, Bound, Boundary, Effect, Rights, Subject, Tri, minus};
use crate::facts::Time;
use crate::privilege::aws::action::catalogue;

/// Instants from which limits leave nothing of some actions.
#[derive(Clone, Debug, Default)]
pub struct Ends {
    /// Actions of which nothing is left from an instant on, in the order of time.
    lost: Vec<(Time, ActionSet)>,
}

impl Ends {
    /// The instant from which nothing is left of what a binding gives; `None` when something stays.
    #[must_use]
    pub fn of(&self, binding: &Bound<'_>) -> Option<Time> {
        self.of_all(&[binding])
    }

    /// The instant from which nothing is left of what bindings give.
    #[must_use]
    pub fn of_all(&self, bindings: &[&Bound<'_>]) -> Option<Time> {
        if self.lost.is_empty() {
            return None;
        }
        let mut left = catalogue().none();
        for (s, _) in bindings.iter().flat_map(|b| b.live(Effect::Allow)) {
            left.union_with(&s.actions);
        }
        if left.is_clear() {
            return None;
        }
        for (end, lost) in &self.lost {
            left.difference_with(lost);
            if left.is_clear() {
                return Some(*end);
            }
        }
        None
    }
}

impl Rights<'_> {
    /// When limits end what the principal is allowed without an end.
    #[must_use]
    pub fn ends(&self, subject: &Subject) -> Ends {
        let as_of = subject.as_of;
        let mut lost = Vec::new();
        let boundary = match &self.boundary {
            Boundary::Known(b) => std::slice::from_ref(b),
            Boundary::Absent | Boundary::Missing => &[],
        };
        let sure = self.guardrails.iter().filter(|g| !g.open).map(|g| g.policies.as_slice());
        let layers: Vec<&[Bound<'_>]> = boundary.chunks(1).chain(sure).collect();
        for layer in &layers {
            layer_ends(layer, as_of, &mut lost);
        }
        let denying = self.bindings.iter().chain(layers.iter().copied().flatten());
        for s in denying.flat_map(|b| &b.policy.statements).filter(|s| s.effect == Effect::Deny) {
            let (Some(start), None) = s.condition.time_bounds() else { continue };
            if start > as_of
                && s.takes_in("*")
                && s.applies_at(subject, start.plus_secs(1)) == Tri::T
            {
                lost.push((start, (*s.actions).clone()));
            }
        }
        lost.sort_by_key(|(end, _)| *end);
        Ends { lost }
    }
}

/// Actions that a layer lets through for a time only.
fn layer_ends(layer: &[Bound<'_>], as_of: Time, lost: &mut Vec<(Time, ActionSet)>) {
    let allows = || layer.iter().flat_map(|b| b.live(Effect::Allow));
    let mut ends: Vec<Time> = allows()
        .filter_map(|(s, _)| s.condition.time_bounds().1.filter(|end| *end > as_of))
        .collect();
    ends.sort_unstable();
    ends.dedup();
    for end in ends {
        // What no statement allows that lasts longer is gone from here on.
        let mut gone = catalogue().none();
        gone.extend(0..catalogue().len());
        for (s, _) in allows() {
            if s.condition.time_bounds().1.is_none_or(|t| t > end) {
                gone = minus(&gone, &s.actions);
            }
        }
        lost.push((end, gone));
    }
}
