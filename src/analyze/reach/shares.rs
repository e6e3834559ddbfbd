//! One policy, several lives: the statements of a binding by how long they last (AWS semantics, 5.6,
//! "standing privilege"). A bound on `aws:CurrentTime` in the future makes a statement time-bound, a
//! bound in the past makes it dead: residue, which gives nothing and is never standing.

use std::cmp::Reverse;
use std::collections::BTreeSet;

use super::access::Binding;
use crate::facts::{Standing, Text, Time, text};
use crate::privilege::aws::document::Effect;
use crate::privilege::aws::evaluate::{Bound, Compiled, Subject};
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

/// Which statements a part keeps: those that live as long. In the order of parts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    /// Without an end.
    Open,
    /// With this end, which is still to come; the last first.
    Bound(Reverse<Time>),
    /// With a start that is still to come, and perhaps an end.
    Future(Time, Option<Time>),
    /// Whose end is past.
    Dead,
}

/// Most parts of one policy. Of one with more kinds of statements all that end are one part, and all that
/// are still to start, each with the last end among them.
const PARTS: usize = 32;

impl Kind {
    fn of((start, end): (Option<Time>, Option<Time>), as_of: Time) -> Self {
        match (start, end) {
            (_, Some(end)) if end <= as_of => Self::Dead,
            (Some(start), _) if start > as_of => Self::Future(start, end),
            (_, None) => Self::Open,
            (_, Some(end)) => Self::Bound(Reverse(end)),
        }
    }

    /// The same without its instants.
    fn coarse(self, as_of: Time) -> Self {
        match self {
            Self::Bound(_) => Self::Bound(Reverse(as_of)),
            Self::Future(..) => Self::Future(as_of, None),
            same => same,
        }
    }
}

/// Kind of each statement; `None` for a Deny.
fn kinds(bound: &Bound<'_>, as_of: Time) -> Vec<Option<Kind>> {
    let of = |s: &Compiled| {
        (s.effect == Effect::Allow).then(|| Kind::of(s.condition.time_bounds(), as_of))
    };
    let mut out: Vec<Option<Kind>> = bound.policy.statements.iter().map(of).collect();
    if out.iter().flatten().collect::<BTreeSet<_>>().len() > PARTS {
        for kind in out.iter_mut().flatten() {
            *kind = kind.coarse(as_of);
        }
    }
    out
}

/// The parts of a binding, longest-lived first, each with the policy narrowed to it: what is said of a part
/// is true of each of its statements. Deny statements are no part of this: they are judged over the whole
/// principal.
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
    let kinds = kinds(bound, as_of);
    let there: BTreeSet<Kind> = kinds.iter().flatten().copied().collect();
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
                if let (Kind::Future(..), Some(from)) = (kind, from) {
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

/// A policy without the statements that end by an instant; without one, of those that ever end.
pub fn left_after<'a>(bound: &Bound<'a>, end: Option<Time>) -> Bound<'a> {
    let mut out = bound.clone();
    for (s, applies) in bound.policy.statements.iter().zip(&mut out.applies) {
        let over = |t: Time| end.is_none_or(|end| t <= end);
        if s.effect == Effect::Allow && s.condition.time_bounds().1.is_some_and(over) {
            *applies = Tri::F;
        }
    }
    out
}

/// Ends still to come of the Allow statements of policies, in order.
pub fn ends<'a>(bounds: &[Bound<'a>], as_of: Time) -> BTreeSet<Time> {
    let allows = bounds.iter().flat_map(|b| &b.policy.statements);
    allows
        .filter(|s| s.effect == Effect::Allow)
        .filter_map(|s| s.condition.time_bounds().1)
        .filter(|end| *end > as_of)
        .collect()
}
