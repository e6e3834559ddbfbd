//! What was worked out once, remembered for all threads.

use std::collections::HashMap;
use std::hash::{BuildHasher, Hash, RandomState};
use std::sync::{Mutex, PoisonError};

/// Parts of the table, each with a lock of its own.
const SHARDS: usize = 16;

/// A table of answers that several threads fill side by side. The answer must depend on its key alone:
/// which thread gives it first is chance, what it says is not. It cannot be walked through, so no order
/// of hashing gets into a result.
#[derive(Debug)]
pub struct Memo<K, V> {
    shards: [Mutex<HashMap<K, V>>; SHARDS],
    hasher: RandomState,
}

impl<K, V> Default for Memo<K, V> {
    fn default() -> Self {
        Self {
            shards: std::array::from_fn(|_| Mutex::new(HashMap::new())),
            hasher: RandomState::new(),
        }
    }
}

impl<K: Hash + Eq, V: Clone> Memo<K, V> {
    fn shard(&self, key: &K) -> &Mutex<HashMap<K, V>> {
        let [first, ..] = &self.shards;
        #[expect(clippy::cast_possible_truncation, reason = "the lowest bits choose the part")]
        let place = self.hasher.hash_one(key) as usize % SHARDS;
        self.shards.get(place).unwrap_or(first)
    }

    /// The answer for a key; worked out when nobody did so before. The lock is not held meanwhile, so two
    /// threads may work out the same; the first answer is kept.
    pub fn get_or(&self, key: K, make: impl FnOnce(&K) -> V) -> V {
        let shard = self.shard(&key);
        if let Some(known) = shard.lock().unwrap_or_else(PoisonError::into_inner).get(&key) {
            return known.clone();
        }
        let made = make(&key);
        let mut table = shard.lock().unwrap_or_else(PoisonError::into_inner);
        table.entry(key).or_insert(made).clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_key_has_one_answer_on_all_threads() {
        let memo: Memo<usize, std::sync::Arc<usize>> = Memo::default();
        let ask =
            || -> Vec<_> { (0..4000).map(|i| memo.get_or(i % 50, |k| (k * 3).into())).collect() };
        let all: Vec<Vec<_>> = std::thread::scope(|s| {
            let threads: Vec<_> = (0..4).map(|_| s.spawn(ask)).collect();
            threads.into_iter().map(|t| t.join().unwrap()).collect()
        });
        for got in &all {
            for (i, one) in got.iter().enumerate() {
                assert_eq!(**one, i % 50 * 3);
                assert!(std::sync::Arc::ptr_eq(one, &all[0][i % 50]));
            }
        }
        assert_eq!(*memo.get_or(7, |_| 0.into()), 21, "known, so not asked again");
    }
}
