//! A set of catalogue actions: small, and shared until it is changed.
//!
//! The catalogue has some twenty thousand actions; a principal holds those of a few services, which stand
//! together. Of a set only the words that are not zero are kept, on average one in seven. Most sets of a run
//! are equal to another besides: a statement without condition on all resources gives the same set at every
//! scope, certainly and possibly, to everybody who holds it. A shared set takes a pointer.

use std::ops::{Bound, RangeBounds};
use std::sync::Arc;

/// Members in one word.
const BITS: usize = u64::BITS as usize;
/// Words whose presence one word says.
const BLOCK: usize = BITS;
/// Blocks of words.
const BLOCKS: usize = 8;
/// How many times fewer words are few.
const FEW: usize = 4;

/// A set of catalogue actions, by index below [`ActionSet::ROOM`]. Cloning copies a pointer; the first
/// change after that copies the set.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ActionSet(Option<Arc<Words>>);

/// The words that are not zero, of which there is one at least. Equal content has one form.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Words {
    /// Which words are there, block by block.
    places: [u64; BLOCKS],
    /// Number of words before each block.
    before: [u16; BLOCKS],
    /// The words, in order.
    words: Vec<u64>,
}

/// Places of bits, lowest first.
fn bits(mut left: u64) -> impl Iterator<Item = usize> {
    std::iter::from_fn(move || {
        let bit = (left != 0).then(|| left.trailing_zeros() as usize)?;
        left &= left - 1;
        Some(bit)
    })
}

impl Words {
    /// Each word with its place.
    fn entries(&self) -> impl Iterator<Item = (usize, u64)> + '_ {
        let places = (0..).step_by(BLOCK).zip(self.places);
        let places = places.flat_map(|(from, block)| bits(block).map(move |bit| from + bit));
        places.zip(self.words.iter().copied())
    }

    /// Where the word of a place is, or would be.
    fn find(&self, place: usize) -> (usize, bool) {
        let block = self.places.get(place / BLOCK).copied().unwrap_or(0);
        let bit = 1_u64 << (place % BLOCK);
        let before = self.before.get(place / BLOCK).copied().unwrap_or(0);
        (usize::from(before) + (block & (bit - 1)).count_ones() as usize, block & bit != 0)
    }

    fn word(&self, place: usize) -> u64 {
        match self.find(place) {
            (at, true) => self.words.get(at).copied().unwrap_or(0),
            (_, false) => 0,
        }
    }

    /// Counts the words before each block anew.
    fn count(&mut self) {
        let mut n = 0_u16;
        for (block, before) in self.places.iter().zip(&mut self.before) {
            *before = n;
            n = n.saturating_add(u16::try_from(block.count_ones()).unwrap_or(0));
        }
    }

    /// Changes the word of a place.
    fn change(&mut self, place: usize, change: impl FnOnce(u64) -> u64) {
        let (at, there) = self.find(place);
        let old = if there { self.words.get(at).copied().unwrap_or(0) } else { 0 };
        let new = change(old);
        let bit = 1_u64 << (place % BLOCK);
        let Some(block) = self.places.get_mut(place / BLOCK) else {
            debug_assert!(new == 0, "the catalogue has outgrown its sets");
            return;
        };
        match (there, new != 0) {
            (true, true) => {
                if let Some(word) = self.words.get_mut(at) {
                    *word = new;
                }
                return;
            }
            (true, false) => {
                *block &= !bit;
                self.words.remove(at);
            }
            (false, true) => {
                *block |= bit;
                self.words.insert(at, new);
            }
            (false, false) => return,
        }
        self.count();
    }

    /// A set word by word out of two: `places` says which words may be there, `word` what they are.
    fn of(
        a: &Self,
        b: &Self,
        places: impl Fn(u64, u64) -> u64,
        word: impl Fn(u64, u64) -> u64,
    ) -> Self {
        let most =
            a.places.iter().zip(&b.places).map(|(a, b)| places(*a, *b).count_ones() as usize);
        let mut out = Self { words: Vec::with_capacity(most.sum()), ..Self::default() };
        let (mut of_a, mut of_b) = (a.words.iter(), b.words.iter());
        for ((slot, pa), pb) in out.places.iter_mut().zip(a.places).zip(b.places) {
            let wanted = places(pa, pb);
            if wanted == 0 {
                // None of these words is asked for.
                skip(&mut of_a, pa);
                skip(&mut of_b, pb);
                continue;
            }
            for at in bits(pa | pb) {
                let bit = 1_u64 << at;
                let one = word_at(&mut of_a, pa, bit);
                let other = word_at(&mut of_b, pb, bit);
                let made = word(one, other);
                if made != 0 && wanted & bit != 0 {
                    *slot |= bit;
                    out.words.push(made);
                }
            }
        }
        out.count();
        out
    }

    /// Whether a pair of words that both sets have, or the first alone, is as asked; pairs come in order.
    fn any(a: &Self, b: &Self, asked: impl Fn(u64, u64) -> bool) -> bool {
        let (mut of_a, mut of_b) = (a.words.iter(), b.words.iter());
        for (pa, pb) in a.places.into_iter().zip(b.places) {
            if pa & pb == 0 {
                skip(&mut of_a, pa);
                skip(&mut of_b, pb);
                continue;
            }
            for at in bits(pa | pb) {
                let bit = 1_u64 << at;
                let one = word_at(&mut of_a, pa, bit);
                let other = word_at(&mut of_b, pb, bit);
                if pa & pb & bit != 0 && asked(one, other) {
                    return true;
                }
            }
        }
        false
    }

    /// Whether every word of this is as asked beside the word of the same place in the other set.
    fn all_beside(&self, other: &Self, asked: impl Fn(u64, u64) -> bool) -> bool {
        if self.places == other.places {
            return self.words.iter().zip(&other.words).all(|(a, b)| asked(*a, *b));
        }
        // To find each of few words takes less than to walk through many.
        if self.words.len() * FEW < other.words.len() {
            return self.entries().all(|(place, word)| asked(word, other.word(place)));
        }
        !Self::any(self, other, |a, b| !asked(a, b))
    }

    /// Whether the other set has all of this.
    fn is_subset(&self, other: &Self) -> bool {
        let missing = self.places.iter().zip(&other.places).any(|(a, b)| a & !b != 0);
        !missing && self.all_beside(other, |a, b| a & !b == 0)
    }

    /// Whether no word of this has a bit in common with the other.
    fn is_disjoint(&self, other: &Self) -> bool {
        if self.places.iter().zip(&other.places).all(|(a, b)| a & b == 0) {
            return true;
        }
        let (few, many) =
            if self.words.len() <= other.words.len() { (self, other) } else { (other, self) };
        few.all_beside(many, |a, b| a & b == 0)
    }
}

/// The next word, if a block has one at this bit; nothing of the set is there otherwise.
#[inline]
fn word_at(words: &mut std::slice::Iter<'_, u64>, block: u64, bit: u64) -> u64 {
    if block & bit != 0 { words.next().copied().unwrap_or(0) } else { 0 }
}

/// Passes over the words of a block.
fn skip(words: &mut std::slice::Iter<'_, u64>, block: u64) {
    if block != 0 {
        words.nth(block.count_ones() as usize - 1);
    }
}

/// The bits of a word at this place that a range of members takes in.
fn mask(place: usize, from: usize, until: usize) -> u64 {
    let start = place * BITS;
    let below = |end: usize| match end.saturating_sub(start) {
        n if n >= BITS => u64::MAX,
        n => (1_u64 << n) - 1,
    };
    below(until) & !below(from)
}

impl ActionSet {
    /// Members are below this number.
    pub const ROOM: usize = BITS * BLOCK * BLOCKS;

    /// The empty set.
    #[must_use]
    pub fn new() -> Self {
        Self(None)
    }

    /// The set of all members below a number.
    #[must_use]
    pub fn below(n: usize) -> Self {
        let mut out = Self::new();
        out.insert_range(0..n);
        out
    }

    fn made(words: Words) -> Self {
        Self((!words.words.is_empty()).then(|| Arc::new(words)))
    }

    fn words(&self) -> Option<&Words> {
        self.0.as_deref()
    }

    /// Changes the word of a place.
    fn change(&mut self, place: usize, change: impl FnOnce(u64) -> u64) {
        let words = Arc::make_mut(self.0.get_or_insert_default());
        words.change(place, change);
        if words.words.is_empty() {
            self.0 = None;
        }
    }

    /// Whether nothing is in it.
    #[must_use]
    pub fn is_clear(&self) -> bool {
        self.0.is_none()
    }

    /// Whether an action is in it.
    #[must_use]
    pub fn contains(&self, id: usize) -> bool {
        self.words().is_some_and(|w| w.word(id / BITS) >> (id % BITS) & 1 != 0)
    }

    /// Adds an action.
    pub fn insert(&mut self, id: usize) {
        if !self.contains(id) {
            self.change(id / BITS, |word| word | 1 << (id % BITS));
        }
    }

    /// Takes an action away.
    pub fn remove(&mut self, id: usize) {
        if self.contains(id) {
            self.change(id / BITS, |word| word & !(1 << (id % BITS)));
        }
    }

    /// Adds all actions of a range.
    pub fn insert_range(&mut self, range: std::ops::Range<usize>) {
        if range.is_empty() {
            return;
        }
        for place in range.start / BITS..=(range.end - 1) / BITS {
            self.change(place, |word| word | mask(place, range.start, range.end));
        }
    }

    /// Members in order.
    pub fn ones(&self) -> impl Iterator<Item = usize> + '_ {
        let words = self.words().into_iter().flat_map(Words::entries);
        words.flat_map(|(place, word)| bits(word).map(move |bit| place * BITS + bit))
    }

    /// The first member that is not below a number.
    #[must_use]
    pub fn next_from(&self, from: usize) -> Option<usize> {
        let words = self.words()?;
        let (block, inside) = (from / (BITS * BLOCK), from / BITS % BLOCK);
        let whole = words.word(from / BITS) & (u64::MAX << (from % BITS));
        if whole != 0 {
            return Some(from - from % BITS + whole.trailing_zeros() as usize);
        }
        let of = |k: usize| words.places.get(k).copied().unwrap_or(0);
        let rest = of(block) & (u64::MAX << inside) & !(1 << inside);
        let later = (block + 1..BLOCKS).map(|k| (k, of(k)));
        let (k, left) = std::iter::once((block, rest)).chain(later).find(|(_, left)| *left != 0)?;
        let place = k * BLOCK + left.trailing_zeros() as usize;
        Some(place * BITS + words.word(place).trailing_zeros() as usize)
    }

    /// Number of members in a range.
    #[must_use]
    pub fn count_ones(&self, range: impl RangeBounds<usize>) -> usize {
        let Some(words) = self.words() else { return 0 };
        let from = match range.start_bound() {
            Bound::Included(n) => *n,
            Bound::Excluded(n) => n.saturating_add(1),
            Bound::Unbounded => 0,
        };
        let until = match range.end_bound() {
            Bound::Included(n) => n.saturating_add(1),
            Bound::Excluded(n) => *n,
            Bound::Unbounded => Self::ROOM,
        };
        if from == 0 && until >= Self::ROOM {
            return words.words.iter().map(|w| w.count_ones() as usize).sum();
        }
        // Ranges are those of services, which are short.
        let until = until.min(Self::ROOM);
        let places = from / BITS..until.div_ceil(BITS);
        places.map(|p| (words.word(p) & mask(p, from, until)).count_ones() as usize).sum()
    }

    /// Whether the other set holds all of this.
    #[must_use]
    pub fn is_subset(&self, other: &Self) -> bool {
        match (&self.0, &other.0) {
            (None, _) => true,
            (_, None) => false,
            (Some(a), Some(b)) => Arc::ptr_eq(a, b) || a.is_subset(b),
        }
    }

    /// Whether the sets have no member in common.
    #[must_use]
    pub fn is_disjoint(&self, other: &Self) -> bool {
        match (self.words(), other.words()) {
            (Some(a), Some(b)) => a.is_disjoint(b),
            _ => true,
        }
    }

    /// Members of both sets, in order.
    pub fn in_common<'s>(&'s self, other: &'s Self) -> impl Iterator<Item = usize> + 's {
        let both = self.words().zip(other.words());
        both.into_iter().flat_map(|(a, b)| {
            let shared = (0..).step_by(BLOCK).zip(a.places.into_iter().zip(b.places));
            let places = shared.flat_map(|(from, (a, b))| bits(a & b).map(move |at| from + at));
            places.flat_map(|place| {
                bits(a.word(place) & b.word(place)).map(move |bit| place * BITS + bit)
            })
        })
    }

    /// Whether some member is in both other sets.
    #[must_use]
    pub fn meets_within(&self, a: &Self, b: &Self) -> bool {
        let (Some(mine), Some(a), Some(b)) = (self.words(), a.words(), b.words()) else {
            return false;
        };
        let places = mine.places.iter().zip(&a.places).zip(&b.places);
        if places.into_iter().all(|((mine, a), b)| mine & a & b == 0) {
            return false;
        }
        mine.entries().any(|(place, word)| word & a.word(place) & b.word(place) != 0)
    }

    /// Whether some member is in one other set and not in a second.
    #[must_use]
    pub fn meets_outside(&self, a: &Self, b: &Self) -> bool {
        let (Some(mine), Some(a)) = (self.words(), a.words()) else { return false };
        let outside = |place: usize| b.words().map_or(u64::MAX, |b| !b.word(place));
        mine.entries().any(|(place, word)| word & a.word(place) & outside(place) != 0)
    }

    /// Joins the other set. Whichever holds the other already becomes the result, uncopied.
    pub fn union_with(&mut self, other: &Self) {
        if other.is_subset(self) {
            return;
        }
        if self.is_subset(other) {
            self.0.clone_from(&other.0);
            return;
        }
        if let (Some(a), Some(b)) = (self.words(), other.words()) {
            *self = Self::made(Words::of(a, b, |a, b| a | b, |a, b| a | b));
        }
    }

    /// Keeps what the other set holds too.
    pub fn intersect_with(&mut self, other: &Self) {
        if self.is_subset(other) {
            return;
        }
        if other.is_subset(self) {
            self.0.clone_from(&other.0);
            return;
        }
        if let (Some(a), Some(b)) = (self.words(), other.words()) {
            *self = Self::made(Words::of(a, b, |a, b| a & b, |a, b| a & b));
        }
    }

    /// Removes what the other set holds.
    pub fn difference_with(&mut self, other: &Self) {
        if self.is_disjoint(other) {
            return;
        }
        if let (Some(a), Some(b)) = (self.words(), other.words()) {
            *self = Self::made(Words::of(a, b, |a, _| a, |a, b| a & !b));
        }
    }

    /// Gives back room that building the set took, unless others share it.
    pub fn shrink(&mut self) {
        if let Some(words) = self.0.as_mut().and_then(Arc::get_mut)
            && words.words.capacity() - words.words.len() > words.words.len() / 8
        {
            words.words.shrink_to_fit();
        }
    }
}

impl Extend<usize> for ActionSet {
    fn extend<I: IntoIterator<Item = usize>>(&mut self, ids: I) {
        // Members mostly come in order, so those of one word come together.
        let mut word = (0, 0_u64);
        for id in ids {
            if id / BITS != word.0 {
                self.join(word);
                word = (id / BITS, 0);
            }
            word.1 |= 1 << (id % BITS);
        }
        self.join(word);
    }
}

impl ActionSet {
    fn join(&mut self, (place, more): (usize, u64)) {
        if more != 0 {
            self.change(place, |word| word | more);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    fn set(members: &[usize]) -> ActionSet {
        let mut out = ActionSet::new();
        out.extend(members.iter().copied());
        out
    }

    fn members(s: &ActionSet) -> Vec<usize> {
        s.ones().collect()
    }

    #[test]
    fn a_change_of_one_leaves_the_other() {
        let a = set(&[1, 70]);
        let mut b = a.clone();
        b.insert(3);
        assert_eq!((members(&a), members(&b)), (vec![1, 70], vec![1, 3, 70]));
        let mut c = ActionSet::new();
        c.union_with(&a);
        c.difference_with(&b);
        assert_eq!((members(&a), members(&c)), (vec![1, 70], vec![]));
        assert_eq!(c, ActionSet::new(), "nothing left is the empty set");
        assert_ne!(a, b);
    }

    #[test]
    fn ranges_cross_words_and_blocks() {
        for range in [0..0, 0..1, 63..65, 4_000..4_200, 100..9_000, 32_000..ActionSet::ROOM] {
            let mut s = set(&[5, 20_000]);
            s.insert_range(range.clone());
            let mut wanted: BTreeSet<usize> = range.clone().collect();
            wanted.extend([5, 20_000]);
            assert_eq!(members(&s), wanted.iter().copied().collect::<Vec<_>>());
            for cut in [0..64, 63..4_097, range] {
                assert_eq!(s.count_ones(cut.clone()), wanted.range(cut).count());
            }
        }
        assert_eq!(ActionSet::below(130).count_ones(..), 130);
        assert_eq!(ActionSet::below(0), ActionSet::new());
    }

    #[test]
    fn a_set_is_as_small_as_what_it_holds() {
        let mut s = ActionSet::below(20_000);
        s.intersect_with(&set(&[7, 19_999, 20_001]));
        s.shrink();
        let words = s.words().unwrap();
        assert_eq!((words.words.len(), words.words.capacity()), (2, 2));
        s.remove(7);
        s.remove(19_999);
        assert!(s.is_clear() && s.0.is_none());
    }

    /// Members that stand together and apart, at the ends of words and blocks.
    fn some() -> impl Strategy<Value = BTreeSet<usize>> {
        let near = 0usize..200;
        let ends = prop::sample::select(vec![63usize, 64, 4_095, 4_096, 8_191, 32_767]);
        let any = 0usize..ActionSet::ROOM;
        prop::collection::btree_set(prop_oneof![3 => near, 2 => ends, 1 => any], 0..14)
    }

    proptest! {
        /// Sets of words do what plain sets do, whatever is in them.
        #[test]
        fn operations_agree_with_plain_sets(
            a in some(), b in some(), third in some(), id in 0usize..ActionSet::ROOM,
        ) {
            let of = |s: &BTreeSet<usize>| {
                let mut out = ActionSet::new();
                // In no order, so that words are put between others.
                s.iter().rev().for_each(|m| out.insert(*m));
                out
            };
            let (sa, sb, sc) = (of(&a), of(&b), of(&third));
            prop_assert_eq!(&sa, &set(&a.iter().copied().collect::<Vec<_>>()));
            let ours = |f: fn(&mut ActionSet, &ActionSet)| -> Vec<usize> {
                let mut out = sa.clone();
                f(&mut out, &sb);
                out.shrink();
                // The form is the same however a set was made.
                assert_eq!(out, set(&members(&out)));
                members(&out)
            };
            let plain = |out: BTreeSet<usize>| -> Vec<usize> { out.into_iter().collect() };
            prop_assert_eq!(ours(ActionSet::union_with), plain(&a | &b));
            prop_assert_eq!(ours(ActionSet::intersect_with), plain(&a & &b));
            prop_assert_eq!(ours(ActionSet::difference_with), plain(&a - &b));
            prop_assert_eq!(sa == sb, a == b);
            prop_assert_eq!(sa.is_subset(&sb), a.is_subset(&b));
            prop_assert_eq!(sa.is_disjoint(&sb), a.is_disjoint(&b));
            prop_assert_eq!(sa.in_common(&sb).collect::<Vec<_>>(), plain(&a & &b));
            prop_assert_eq!(sa.meets_within(&sb, &sc), !(&(&a & &b) & &third).is_empty());
            prop_assert_eq!(sa.meets_outside(&sb, &sc), !(&(&a & &b) - &third).is_empty());
            prop_assert_eq!(sa.contains(id), a.contains(&id));
            prop_assert_eq!(sa.next_from(id), a.range(id..).next().copied());
            prop_assert_eq!(sa.count_ones(..), a.len());
            prop_assert_eq!(sa.count_ones(id / 2..id), a.range(id / 2..id).count());
            for m in a.iter().chain(&b) {
                prop_assert_eq!(sa.next_from(*m), a.range(*m..).next().copied());
                let mut less = sa.clone();
                less.remove(*m);
                let mut wanted = a.clone();
                wanted.remove(m);
                prop_assert_eq!(members(&less), plain(wanted));
            }
        }
    }
}
