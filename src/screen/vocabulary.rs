//! Texts of which a ledger has few, each under a number. Workers look up in their own copy first.

use std::collections::HashMap;
use std::hash::{BuildHasher, Hasher};
use std::sync::{Mutex, PoisonError};

use super::id::Id;
use crate::facts::Text;

/// Hashes what is a hash already.
#[derive(Clone, Copy, Debug, Default)]
pub struct AsIs(u64);

impl Hasher for AsIs {
    #[inline]
    fn finish(&self) -> u64 {
        self.0
    }
    fn write(&mut self, bytes: &[u8]) {
        bytes.iter().for_each(|b| self.write_u64(u64::from(*b)));
    }
    #[inline]
    fn write_u64(&mut self, n: u64) {
        self.0 = (self.0.rotate_left(23) ^ n).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    }
}

impl BuildHasher for AsIs {
    type Hasher = Self;
    fn build_hasher(&self) -> Self {
        Self(0)
    }
}

/// Map by names.
pub type Map<T> = HashMap<Id, T, AsIs>;

/// Texts under numbers; the numbers depend on the order in which workers come, and mean nothing outside.
#[derive(Debug)]
pub struct Vocabulary<T> {
    known: Mutex<(Map<u32>, Vec<T>)>,
}

impl<T> Default for Vocabulary<T> {
    fn default() -> Self {
        Self { known: Mutex::new((Map::default(), Vec::new())) }
    }
}

impl<T: Clone> Vocabulary<T> {
    /// Number of an entry; made by `new` when the name is met for the first time.
    #[inline]
    pub fn number(&self, own: &mut Map<u32>, id: Id, new: impl FnOnce() -> T) -> u32 {
        if let Some(n) = own.get(&id) {
            return *n;
        }
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let (numbers, entries) = &mut *known;
        let n = *numbers.entry(id).or_insert_with(|| {
            entries.push(new());
            u32::try_from(entries.len() - 1).unwrap_or(u32::MAX)
        });
        own.insert(id, n);
        n
    }

    /// All entries by number.
    pub fn entries(&self) -> Vec<T> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner).1.clone()
    }
}

/// A privilege of the ledger.
#[derive(Clone, Debug)]
pub struct Privilege {
    /// Platform.
    pub platform: Option<Text>,
    /// Name.
    pub name: Text,
}
