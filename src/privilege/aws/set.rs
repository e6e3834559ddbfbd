//! A set of catalogue actions that is shared until it is changed.
//!
//! Most sets of a run are equal to another: a statement without condition on all resources gives the
//! same set at every scope, certainly and possibly, to everybody who holds it. A set of the whole
//! catalogue takes 2.5 KB; a shared one takes a pointer.

use std::ops::{Deref, DerefMut};
use std::sync::Arc;

use fixedbitset::FixedBitSet;

/// A set of catalogue actions, by index. Cloning copies a pointer; the first change after that copies
/// the set.
#[derive(Clone, Debug)]
pub struct ActionSet(Arc<FixedBitSet>);

impl ActionSet {
    /// The empty set, which grows when something is joined to it.
    #[must_use]
    pub fn new() -> Self {
        Self(Arc::new(FixedBitSet::new()))
    }

    /// The empty set with room for this many actions.
    #[must_use]
    pub fn with_capacity(bits: usize) -> Self {
        Self(Arc::new(FixedBitSet::with_capacity(bits)))
    }

    /// Whether the other set holds all of this.
    #[must_use]
    pub fn is_subset(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0) || self.0.is_subset(&other.0)
    }

    /// Members of both sets, in order. Goes by words, so few members in large sets are found quickly.
    pub fn in_common<'s>(&'s self, other: &'s Self) -> impl Iterator<Item = usize> + 's {
        const BITS: usize = usize::BITS as usize;
        let words = self.as_slice().iter().zip(other.as_slice());
        words.enumerate().flat_map(|(place, (a, b))| {
            let mut left = a & b;
            std::iter::from_fn(move || {
                let bit = (left != 0).then(|| left.trailing_zeros() as usize)?;
                left &= left - 1;
                Some(place * BITS + bit)
            })
        })
    }

    /// Whether some member is in both other sets.
    #[must_use]
    pub fn meets_within(&self, a: &Self, b: &Self) -> bool {
        let words = self.as_slice().iter().zip(a.as_slice()).zip(b.as_slice());
        words.into_iter().any(|((mine, a), b)| mine & a & b != 0)
    }

    /// Whether some member is in one other set and not in a second.
    #[must_use]
    pub fn meets_outside(&self, a: &Self, b: &Self) -> bool {
        let (mine, a, b) = (self.as_slice(), a.as_slice(), b.as_slice());
        let excluded = b.iter().copied().chain(std::iter::repeat(0));
        mine.iter().zip(a).zip(excluded).any(|((mine, a), b)| mine & a & !b != 0)
    }

    /// Joins the other set. Whichever holds the other already becomes the result, uncopied.
    pub fn union_with(&mut self, other: &Self) {
        if other.is_subset(self) {
            return;
        }
        if other.len() >= self.len() && self.is_subset(other) {
            self.0 = Arc::clone(&other.0);
            return;
        }
        Arc::make_mut(&mut self.0).union_with(&other.0);
    }

    /// Keeps what the other set holds too.
    pub fn intersect_with(&mut self, other: &Self) {
        if !self.is_subset(other) {
            Arc::make_mut(&mut self.0).intersect_with(&other.0);
        }
    }

    /// Removes what the other set holds.
    pub fn difference_with(&mut self, other: &Self) {
        if !self.0.is_disjoint(&other.0) {
            Arc::make_mut(&mut self.0).difference_with(&other.0);
        }
    }
}

/// The words of a set that are not zero, with their places: quick to compare when they are few.
#[derive(Clone, Debug)]
pub struct Sparse(Vec<(u16, usize)>);

impl Sparse {
    /// `None` when more than `most` words are not zero, or the set is too large.
    #[must_use]
    pub fn of(set: &ActionSet, most: usize) -> Option<Self> {
        let mut out = Vec::new();
        for (place, word) in set.as_slice().iter().enumerate().filter(|(_, w)| **w != 0) {
            if out.len() == most {
                return None;
            }
            out.push((u16::try_from(place).ok()?, *word));
        }
        out.shrink_to_fit();
        Some(Self(out))
    }

    /// Whether the other set holds all of this.
    #[must_use]
    pub fn is_subset(&self, other: &ActionSet) -> bool {
        let words = other.as_slice();
        let there = |place: u16| words.get(usize::from(place)).copied().unwrap_or(0);
        self.0.iter().all(|(place, word)| word & !there(*place) == 0)
    }
}

impl Default for ActionSet {
    fn default() -> Self {
        Self::new()
    }
}

impl PartialEq for ActionSet {
    /// Equal content; how far the sets grew does not matter.
    fn eq(&self, other: &Self) -> bool {
        self.is_subset(other) && other.is_subset(self)
    }
}

impl Eq for ActionSet {}

impl Deref for ActionSet {
    type Target = FixedBitSet;

    fn deref(&self) -> &FixedBitSet {
        &self.0
    }
}

impl DerefMut for ActionSet {
    fn deref_mut(&mut self) -> &mut FixedBitSet {
        Arc::make_mut(&mut self.0)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn set(members: &[usize], room: usize) -> ActionSet {
        let mut out = ActionSet::with_capacity(room);
        out.extend(members.iter().copied().filter(|m| *m < room));
        out
    }

    fn members(s: &ActionSet) -> Vec<usize> {
        s.ones().collect()
    }

    #[test]
    fn a_change_of_one_leaves_the_other() {
        let a = set(&[1, 70], 128);
        let mut b = a.clone();
        b.insert(3);
        assert_eq!((members(&a), members(&b)), (vec![1, 70], vec![1, 3, 70]));
        let mut c = ActionSet::new();
        c.union_with(&a);
        c.difference_with(&b);
        assert_eq!((members(&a), members(&c)), (vec![1, 70], vec![]));
        assert_eq!(c, ActionSet::new(), "length is no content");
        assert_ne!(a, b);
    }

    proptest! {
        /// The short cuts give what the plain operations give, whatever the lengths.
        #[test]
        fn operations_agree_with_plain_sets(
            a in prop::collection::vec(0usize..200, 0..12),
            b in prop::collection::vec(0usize..200, 0..12),
            third in prop::collection::vec(0usize..200, 0..12),
            room_a in prop::sample::select(vec![0usize, 1, 64, 100, 200]),
            room_b in prop::sample::select(vec![0usize, 1, 64, 100, 200]),
        ) {
            let (a, b) = (set(&a, room_a), set(&b, room_b));
            let plain = |f: fn(&mut FixedBitSet, &FixedBitSet)| -> Vec<usize> {
                let mut out = (*a).clone();
                f(&mut out, &b);
                out.ones().collect()
            };
            let ours = |f: fn(&mut ActionSet, &ActionSet)| -> Vec<usize> {
                let mut out = a.clone();
                f(&mut out, &b);
                members(&out)
            };
            prop_assert_eq!(ours(ActionSet::union_with), plain(|x, y| x.union_with(y)));
            prop_assert_eq!(ours(ActionSet::intersect_with), plain(FixedBitSet::intersect_with));
            prop_assert_eq!(ours(ActionSet::difference_with), plain(FixedBitSet::difference_with));
            prop_assert_eq!(a == b, members(&a) == members(&b));
            prop_assert_eq!(a.is_subset(&b), members(&a).iter().all(|m| b.contains(*m)));
            let common: Vec<usize> =
                members(&a).into_iter().filter(|m| b.contains(*m)).collect();
            prop_assert_eq!(a.in_common(&b).collect::<Vec<_>>(), common);
            let c = set(&third, room_b);
            let both = |m: &usize| b.contains(*m) && c.contains(*m);
            prop_assert_eq!(a.meets_within(&b, &c), members(&a).iter().any(both));
            let one = |m: &usize| b.contains(*m) && !c.contains(*m);
            prop_assert_eq!(a.meets_outside(&b, &c), members(&a).iter().any(one));
            let sparse = Sparse::of(&a, 3);
            prop_assert_eq!(sparse.is_some(), a.as_slice().iter().filter(|w| **w != 0).count() <= 3);
            prop_assert!(sparse.is_none_or(|s| s.is_subset(&b) == a.is_subset(&b)));
        }
    }
}
