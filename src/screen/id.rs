//! Names as 96-bit hashes with a key of the run. Two of a hundred million different names are equal by
//! chance in less than one of 10^12 runs, and nobody who does not know the key can make two equal ones.
//! Scopes are compared among the grants of one principal and privilege only, by 64 bits.

use std::hash::{BuildHasher, Hash, Hasher, RandomState};

/// Hash of a name.
#[derive(Clone, Copy, Debug, Default, Eq, PartialOrd, Ord)]
pub struct Id([u32; 3]);

// Derived, these would compare and hash as slices of bytes, through calls.
impl PartialEq for Id {
    #[inline]
    fn eq(&self, other: &Self) -> bool {
        self.high() == other.high() && self.low() == other.low()
    }
}

impl Hash for Id {
    #[inline]
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write_u64(self.high() ^ u64::from(self.low()));
    }
}

impl Id {
    /// No name.
    pub const NONE: Self = Self([0; 3]);

    /// Of two words.
    #[must_use]
    #[inline]
    pub fn new(high: u64, low: u32) -> Self {
        Self([(high >> 32) as u32, high as u32, low])
    }

    /// Its first 64 bits.
    #[must_use]
    #[inline]
    pub fn high(self) -> u64 {
        let [a, b, _] = self.0;
        u64::from(a) << 32 | u64::from(b)
    }

    /// Its last 32 bits.
    #[must_use]
    #[inline]
    pub fn low(self) -> u32 {
        let [_, _, c] = self.0;
        c
    }

    /// Whether it stands for a name.
    #[must_use]
    #[inline]
    pub fn is_some(self) -> bool {
        self != Self::NONE
    }

    /// One of so many partitions, a power of two.
    #[must_use]
    #[inline]
    pub fn part(self, parts: usize) -> usize {
        // The tables inside a partition go by the other words.
        let [a, ..] = self.0;
        a as usize & (parts - 1)
    }
}

/// Key of a run.
#[derive(Clone, Copy, Debug)]
pub struct Key([u64; 4]);

impl Default for Key {
    fn default() -> Self {
        let state = RandomState::new();
        Self([1u8, 2, 3, 4].map(|n| state.hash_one(n)))
    }
}

impl Key {
    /// Hash of bytes; never [`Id::NONE`].
    #[must_use]
    #[inline]
    pub fn id(&self, bytes: &[u8]) -> Id {
        let [k0, k1, k2, k3] = self.0;
        let (mut a, mut b) = (k0 ^ bytes.len() as u64, k2);
        let mut step = |x: u64, y: u64| {
            a = fold(a ^ x, k1 ^ y);
            b = fold(b ^ y, k3 ^ x);
        };
        let mut rest = bytes;
        while let Some((head, tail)) = rest.split_first_chunk::<16>()
            && !tail.is_empty()
        {
            let (x, y) = head.split_at(8);
            step(word(x), word(y));
            rest = tail;
        }
        let (x, y) = last(rest);
        step(x, y);
        named(Id::new(fold(a ^ k3, b ^ k1), (fold(b, k0 ^ a) >> 32) as u32))
    }

    /// The same for a text that is plain: with something in it, without NUL, and with visible ASCII at both
    /// ends; `None` for another.
    #[must_use]
    #[inline]
    pub fn plain_id(&self, bytes: &[u8]) -> Option<Id> {
        let visible = |c: &u8| (0x21..0x7f).contains(c);
        let ends = bytes.first().is_some_and(visible) && bytes.last().is_some_and(visible);
        (ends && !has_nul(bytes)).then(|| self.id(bytes))
    }

    /// Hash of several parts.
    #[must_use]
    #[inline]
    pub fn join(&self, parts: [u64; 4]) -> Id {
        let [k0, k1, k2, k3] = self.0;
        let [p, q, r, s] = parts;
        let a = fold(p ^ k0, q ^ k1);
        let b = fold(r ^ k2, s ^ k3);
        named(Id::new(fold(a ^ k2, b ^ k0), (fold(b ^ k1, a ^ k3) >> 32) as u32))
    }
}

/// What stands for no name is the hash of none.
#[inline]
fn named(id: Id) -> Id {
    if id.is_some() { id } else { Id([1; 3]) }
}

#[inline]
fn fold(a: u64, b: u64) -> u64 {
    let wide = u128::from(a) * u128::from(b);
    (wide as u64) ^ ((wide >> 64) as u64)
}

/// Whether a byte is 0, eight at a time.
#[inline]
fn has_nul(bytes: &[u8]) -> bool {
    // A byte that is 0 is one of those that a borrow reaches and that had no highest bit.
    let zero = |w: u64| w.wrapping_sub(0x0101_0101_0101_0101) & !w & 0x8080_8080_8080_8080;
    let (words, rest) = bytes.as_chunks::<8>();
    let found = words.iter().fold(0, |f, w| f | zero(u64::from_le_bytes(*w)));
    let tail = match (bytes.last_chunk::<8>(), rest.is_empty()) {
        (_, true) => 0,
        (Some(w), _) => zero(u64::from_le_bytes(*w)),
        (None, _) => u64::from(rest.contains(&0)),
    };
    found | tail != 0
}

#[inline]
fn word(bytes: &[u8]) -> u64 {
    bytes.first_chunk::<8>().map_or(0, |b| u64::from_le_bytes(*b))
}

/// At most 16 bytes as two words; with the length, which is part of the hash, no two texts are alike.
#[inline]
fn last(bytes: &[u8]) -> (u64, u64) {
    if bytes.len() >= 8 {
        let tail = bytes.last_chunk::<8>().map_or(0, |b| u64::from_le_bytes(*b));
        return (word(bytes), tail);
    }
    if bytes.len() >= 4 {
        let half = |b: &[u8; 4]| u64::from(u32::from_le_bytes(*b));
        return (bytes.first_chunk().map_or(0, half), bytes.last_chunk().map_or(0, half));
    }
    (bytes.iter().fold(0, |w, b| w << 8 | u64::from(*b)), 0)
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn plain_names_have_the_same_hash_and_others_none() {
        let key = Key::default();
        for n in 1..40usize {
            let mut bytes = vec![b'x'; n];
            assert_eq!(key.plain_id(&bytes), Some(key.id(&bytes)), "{n}");
            for i in 0..n {
                for (c, plain) in [(0u8, false), (1, i > 0 && i + 1 < n), (b'!', true)] {
                    bytes[i] = c;
                    assert_eq!(key.plain_id(&bytes).is_some(), plain, "{n} {i} {c}");
                    bytes[i] = b'x';
                }
            }
        }
        assert_eq!(key.plain_id(b""), None);
    }

    #[test]
    fn texts_of_every_length_have_ids_of_their_own() {
        let key = Key::default();
        let mut seen = HashSet::new();
        for n in 0..70usize {
            for c in [0u8, 1, b'a', b'b', 255] {
                let mut bytes = vec![b'x'; n];
                seen.insert(key.id(&bytes));
                for i in 0..n {
                    bytes[i] = c;
                    seen.insert(key.id(&bytes));
                    bytes[i] = b'x';
                }
            }
        }
        let want: usize = (0..70).map(|n| 1 + 5 * n).sum();
        assert_eq!(seen.len(), want);
        let same: HashSet<Id> = (0..9).map(|_| key.id(b"grant")).collect();
        assert_eq!(same.len(), 1);
    }
}
