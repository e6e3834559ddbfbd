//! Half-open intervals `[from, until)` of instants; `until` may be open. Specification: grants model, 4.1.

use crate::facts::Time;

/// Half-open interval; `None` = no end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Interval {
    /// Start, included.
    pub from: Time,
    /// End, excluded; `None` = open.
    pub until: Option<Time>,
}

impl Interval {
    /// Whether the instant is inside.
    #[must_use]
    pub fn holds(&self, t: Time) -> bool {
        t >= self.from && self.until.is_none_or(|u| t < u)
    }

    /// Clips to `[from, until)`; `None` when nothing is left.
    #[must_use]
    pub fn clip(&self, from: Time, until: Time) -> Option<(Time, Time)> {
        let a = self.from.max(from);
        let b = self.until.map_or(until, |u| u.min(until));
        (a < b).then_some((a, b))
    }
}

/// Union of clipped intervals, as disjoint pairs in order. Empty pairs vanish.
#[must_use]
pub fn union(mut spans: Vec<(Time, Time)>) -> Vec<(Time, Time)> {
    spans.retain(|(a, b)| a < b);
    spans.sort_unstable();
    let mut out: Vec<(Time, Time)> = Vec::with_capacity(spans.len());
    for (a, b) in spans {
        match out.last_mut() {
            Some((_, end)) if a <= *end => *end = (*end).max(b),
            _ => out.push((a, b)),
        }
    }
    out
}

/// Total length of disjoint pairs, seconds.
#[must_use]
pub fn total_s(spans: &[(Time, Time)]) -> i64 {
    spans.iter().map(|(a, b)| b.secs_since(*a)).sum()
}

/// Longest gap inside `[from, until)` that the disjoint, ordered pairs leave, seconds.
#[must_use]
pub fn longest_gap_s(spans: &[(Time, Time)], from: Time, until: Time) -> i64 {
    let mut at = from;
    let mut longest = 0;
    for (a, b) in spans {
        longest = longest.max(a.secs_since(at));
        at = at.max(*b);
    }
    longest.max(until.secs_since(at)).max(0)
}

/// Length of the intersection of two lists of disjoint, ordered pairs, seconds.
#[must_use]
pub fn overlap_s(a: &[(Time, Time)], b: &[(Time, Time)]) -> i64 {
    let (mut i, mut j) = (a.iter().peekable(), b.iter().peekable());
    let mut sum = 0;
    while let (Some(&&(a0, a1)), Some(&&(b0, b1))) = (i.peek(), j.peek()) {
        sum += a1.min(b1).secs_since(a0.max(b0)).max(0);
        if a1 <= b1 {
            i.next();
        } else {
            j.next();
        }
    }
    sum
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn pairs() -> impl Strategy<Value = Vec<(Time, Time)>> {
        prop::collection::vec((0i64..60, 0i64..30), 0..12).prop_map(|v| {
            v.into_iter().map(|(a, len)| (Time::from_secs(a), Time::from_secs(a + len))).collect()
        })
    }

    /// Slow reference: one flag per second.
    fn seconds(v: &[(Time, Time)]) -> Vec<bool> {
        (0..100)
            .map(|s| {
                let t = Time::from_secs(s);
                v.iter().any(|(a, b)| t >= *a && t < *b)
            })
            .collect()
    }

    fn count(v: &[bool]) -> i64 {
        v.iter().filter(|x| **x).count() as i64
    }

    proptest! {
        #[test]
        fn union_covers_the_same_seconds(v in pairs()) {
            let u = union(v.clone());
            prop_assert_eq!(seconds(&u), seconds(&v));
            prop_assert_eq!(total_s(&u), count(&seconds(&v)));
            prop_assert!(u.windows(2).all(|w| w[0].1 < w[1].0));
        }

        #[test]
        fn overlap_and_gap_equal_the_reference(a in pairs(), b in pairs()) {
            let (ua, ub) = (union(a.clone()), union(b.clone()));
            let both: Vec<bool> =
                seconds(&a).iter().zip(seconds(&b)).map(|(x, y)| *x && y).collect();
            prop_assert_eq!(overlap_s(&ua, &ub), count(&both));
            let mut longest = 0;
            let mut run = 0;
            for held in seconds(&a) {
                run = if held { 0 } else { run + 1 };
                longest = longest.max(run);
            }
            prop_assert_eq!(longest_gap_s(&ua, Time::from_secs(0), Time::from_secs(100)), longest);
        }
    }
}
