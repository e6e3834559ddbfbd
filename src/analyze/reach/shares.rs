//! One policy, several lives: the statements of a binding by how long they last (AWS semantics, 5.6,
//! "standing privilege"). A bound on `aws:CurrentTime` in the future makes a statement time-bound, a
//! bound in the past makes it dead: residue, which gives nothing and is never standing.

use super::access::Binding;
use crate::facts::{Standing, Text, Time, text};
use crate::privilege::aws::document::Effect;
use crate::privilege::aws::evaluate::{Bound, Subject};
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

impl Life {
    /// The life that ends at an instant, when limits of the principal end it before its own end.
    pub fn until(self, end: Option<Time>, as_of: Time) -> Self {
        let sooner = end.filter(|end| self.not_after.is_none_or(|t| *end < t));
        match sooner {
            Some(end) if self.standing != Standing::Residue => {
                Self { statements: self.statements, ..Self::of(self.not_before, Some(end), as_of) }
            }
            _ => self,
        }
    }
}

/// Which statements a part keeps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// Without an end.
    Open,
    /// With an end that is still to come.
    Bound,
    /// With a start that is still to come.
    Future,
    /// Whose end is past.
    Dead,
}

/// The parts of a binding, longest-lived first, each with the policy narrowed to it. Deny statements
/// are no part of this: they are judged over the whole principal.
///
/// Statements whose start is still to come give nothing yet. They make a part of their own, in which they
/// may apply as they will when they start: what is bound to come true is told before it does.
pub fn split<'a>(
    bound: &Bound<'a>,
    binding: &Binding,
    subject: &Subject,
) -> Vec<(Life, Bound<'a>)> {
    let as_of = subject.as_of;
    let whole = Life::of(binding.not_before, binding.not_after, as_of);
    let kinds: Vec<Option<Kind>> = bound
        .policy
        .statements
        .iter()
        .map(|s| {
            (s.effect == Effect::Allow).then(|| match s.condition.time_bounds() {
                (_, Some(end)) if end <= as_of => Kind::Dead,
                (Some(start), _) if start > as_of => Kind::Future,
                (_, None) => Kind::Open,
                (_, Some(_)) => Kind::Bound,
            })
        })
        .collect();
    let present = |kind| kinds.contains(&Some(kind));
    let there: Vec<Kind> = [Kind::Open, Kind::Bound, Kind::Future, Kind::Dead]
        .into_iter()
        .filter(|k| present(*k))
        .collect();
    if there.iter().all(|k| *k == Kind::Open) {
        return vec![(whole, bound.clone())];
    }
    let several = there.len() > 1;
    there
        .into_iter()
        .map(|kind| {
            let mut part = bound.clone();
            let mut labels = Vec::new();
            let (mut start, mut end): (Option<Option<Time>>, Option<Time>) = (None, None);
            let mut endless = false;
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
                endless |= until.is_none();
                if let Some(from) = from.filter(|_| kind == Kind::Future) {
                    *applies = s.applies_at(subject, from.plus_secs(1)).and(Tri::U);
                }
                labels.push(text(&s.label));
            }
            let end = end.filter(|_| !endless);
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
