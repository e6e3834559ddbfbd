//! ARNs in order: which of them a pattern takes in, found without comparing it with each, and what many
//! patterns together tell apart.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use super::super::arn;
use super::super::condition::Context;
use super::super::variable::{self, Filled, Pieces};
use crate::privilege::glob;

/// Comparisons of patterns with ARNs for each ARN, and at least. Where it takes more to find the classes,
/// the search goes without.
const COMPARISONS: usize = 1_024;
const COMPARISONS_LEAST: usize = 1 << 20;

/// ARNs in their order, each once.
#[derive(Debug, Default)]
pub(super) struct Names<'a> {
    arns: Vec<&'a str>,
    /// Runs of ARNs with the same first five parts, and these.
    heads: Vec<(Range<usize>, &'a str)>,
}

/// The first five parts of an ARN; `None` when it has fewer than six.
fn head(arn: &str) -> Option<&str> {
    arn::split_tail(arn).map(|(head, _)| head)
}

impl<'a> Names<'a> {
    /// `None` when the ARNs are not in their order, each once.
    pub(super) fn new(arns: Vec<&'a str>) -> Option<Self> {
        if !arns.is_sorted_by(|a, b| a < b) {
            return None;
        }
        let mut heads = Vec::new();
        let mut start = 0;
        for run in arns.chunk_by(|a, b| head(a) == head(b)) {
            let end = start + run.len();
            heads.extend(run.first().and_then(|a| head(a)).map(|h| (start..end, h)));
            start = end;
        }
        Some(Self { arns, heads })
    }

    /// Place of an ARN.
    pub(super) fn find(&self, arn: &str) -> Option<usize> {
        self.arns.binary_search(&arn).ok()
    }

    /// The ARNs of a run whose sixth part begins like this: their place.
    fn beginning(&self, run: &Range<usize>, head: &str, tail: &str) -> Range<usize> {
        let start = format!("{head}:{tail}");
        let of = self.arns.get(run.clone()).unwrap_or_default();
        let from = of.partition_point(|a| *a < start.as_str());
        let near = of.get(from..).unwrap_or_default();
        let n = near.partition_point(|a| a.starts_with(&start));
        run.start + from..run.start + from + n
    }

    /// What patterns tell apart; `None` when that takes too many comparisons.
    pub(super) fn classes(&self, patterns: &BTreeSet<Cow<'_, str>>) -> Option<Refinement> {
        let mut classes = Refinement::one(self.arns.len());
        let mut left = self.arns.len().saturating_mul(COMPARISONS).max(COMPARISONS_LEAST);
        for (run, _) in &self.heads {
            classes.split(&run.clone().collect::<Vec<_>>());
        }
        for pattern in patterns {
            for (run, head) in &self.heads {
                left = left.checked_sub(1)?;
                let Some(tail) = arn::tail_under(pattern, head) else { continue };
                let begins = tail.split(['*', '?']).next().unwrap_or_default();
                let near = self.beginning(run, head, begins);
                left = left.checked_sub(near.len())?;
                let taken: Vec<usize> = match tail.strip_prefix(begins) {
                    Some("*") => near.collect(),
                    _ => near.filter(|i| glob::matches(tail, self.tail(*i, head))).collect(),
                };
                classes.split(&taken);
            }
        }
        for i in
            (0..self.arns.len()).filter(|i| self.arns.get(*i).is_none_or(|a| head(a).is_none()))
        {
            classes.split(&[i]);
        }
        Some(classes)
    }

    /// The sixth part of an ARN.
    fn tail(&self, i: usize, head: &str) -> &'a str {
        self.arns.get(i).and_then(|a| a.get(head.len() + 1..)).unwrap_or_default()
    }

    /// ARNs that a pattern with variables takes in once they stand for the values of a context, unless
    /// all of them are unknown: then it tells no more apart than the same pattern with wildcards does.
    pub(super) fn filled(&self, pattern: &str, context: &dyn Context) -> Vec<usize> {
        let mut out = Vec::new();
        let Some((_, tail)) = arn::split_tail(pattern) else { return out };
        let (Filled::Known(pieces) | Filled::Open(pieces)) = variable::fill(tail, context, true)
        else {
            return out;
        };
        if tail.contains("${") && pieces.is_plain() && pieces.text() == arn::widen_variables(tail) {
            return out;
        }
        let begins = beginning_of(&pieces);
        for (run, head) in &self.heads {
            if arn::tail_under(pattern, head).is_some() {
                let near = self.beginning(run, head, &begins);
                out.extend(near.filter(|i| pieces.matches(self.tail(*i, head))));
            }
        }
        out
    }
}

/// The text before the first wildcard.
fn beginning_of(pieces: &Pieces<'_>) -> String {
    let mut out = String::new();
    for (text, literal) in pieces.list() {
        let known = if *literal { Some(text.len()) } else { text.find(['*', '?']) };
        out.push_str(text.get(..known.unwrap_or(text.len())).unwrap_or_default());
        if !literal && known.is_some() {
            break;
        }
    }
    out
}

/// Classes that are split pattern by pattern.
#[derive(Debug)]
pub(super) struct Refinement {
    class: Vec<u32>,
    size: Vec<usize>,
}

impl Refinement {
    /// All in one class.
    fn one(n: usize) -> Self {
        Self { class: vec![0; n], size: vec![n] }
    }

    /// Class of a member.
    pub(super) fn of(&self, i: usize) -> u32 {
        self.class.get(i).copied().unwrap_or_default()
    }

    /// Parts the members of a list, each of which is in it once, from the rest of their classes.
    fn split(&mut self, list: &[usize]) {
        let mut hits: BTreeMap<u32, usize> = BTreeMap::new();
        // Neighbours are mostly of one class.
        for run in list.chunk_by(|a, b| self.class.get(*a) == self.class.get(*b)) {
            let class = run.first().map_or(0, |i| self.of(*i));
            *hits.entry(class).or_default() += run.len();
        }
        let mut parted: BTreeMap<u32, u32> = BTreeMap::new();
        for (class, n) in hits {
            let Some(size) = self.size.get_mut(class as usize).filter(|size| **size > n) else {
                continue;
            };
            *size -= n;
            let Ok(new) = u32::try_from(self.size.len()) else { return };
            self.size.push(n);
            parted.insert(class, new);
        }
        if parted.is_empty() {
            return;
        }
        for i in list {
            if let Some(slot) = self.class.get_mut(*i)
                && let Some(new) = parted.get(slot)
            {
                *slot = *new;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::privilege::aws::condition::Known;
    use crate::privilege::aws::tri::Tri;

    #[test]
    fn classes_are_split_as_often_as_patterns_tell_apart() {
        let mut r = Refinement::one(6);
        r.split(&[0, 1, 2]);
        r.split(&[1, 4]);
        r.split(&[0, 1, 2, 3, 4, 5]);
        r.split(&[]);
        let same = |a: usize, b: usize| r.of(a) == r.of(b);
        assert!(same(0, 2) && same(3, 5));
        assert!(!same(0, 1) && !same(3, 4) && !same(1, 4) && !same(0, 3));
        assert_eq!(r.size.iter().sum::<usize>(), 6);
        assert_eq!(r.size.len(), 4);
    }

    struct Keys;
    impl Context for Keys {
        fn get(&self, key: &str) -> Known {
            match key {
                "aws:username" => Known::Values(vec!["b*".into()]),
                "aws:principaltag/team" => Known::Values(vec!["a".into()]),
                "aws:principaltag/no" => Known::Values(vec![String::new()]),
                "aws:principaltag/none" => Known::Absent,
                _ => Known::Unknown,
            }
        }
    }

    proptest! {
        /// What is found by order is what comparing with each finds, and what is of one class is taken in
        /// together.
        #[test]
        fn order_finds_what_comparing_finds(
            mut arns in prop::collection::btree_set(
                "arn:aws(-cn)?:iam::[12]:(role|user)/[ab*]{0,3}|arn:aws:s3:::a|odd[ab:]{0,6}", 0..24),
            patterns in prop::collection::btree_set(
                "\\*|arn:(aws|\\*):iam::[12*]:(role/|user/|\\*)?([ab*?/]|\\$\\{aws:username\\}|\\$\\{aws:PrincipalTag/(team|no|none|who)\\}|\\$\\{\\*\\}){0,3}|arn:aws:iam|arn:\\$\\{aws:username\\}", 0..6),
        ) {
            arns.insert("arn:aws:iam::1:role/ab*".to_owned());
            let list: Vec<&str> = arns.iter().map(String::as_str).collect();
            let names = Names::new(list.clone()).unwrap();
            let widened: BTreeSet<Cow<'_, str>> =
                patterns.iter().map(|p| arn::widen_variables(p)).collect();
            let classes = names.classes(&widened).unwrap();
            for pattern in &patterns {
                let takes = |a: &&str| arn::matches_with(pattern, a, &Keys);
                let found: BTreeSet<usize> = names.filled(pattern, &Keys).into_iter().collect();
                if pattern.contains("${") {
                    prop_assert!(found.iter().all(|i| takes(&list[*i]) != Tri::F), "{}", pattern);
                }
                for (i, a) in list.iter().enumerate() {
                    for (j, b) in list.iter().enumerate().filter(|(j, _)| classes.of(*j) == classes.of(i)) {
                        // Odd texts are classes of their own.
                        prop_assert!(i == j || head(a).is_some());
                        if !found.contains(&i) && !found.contains(&j) {
                            prop_assert_eq!(takes(a), takes(b), "{} {} {}", pattern, a, b);
                        }
                    }
                }
            }
        }
    }
}
