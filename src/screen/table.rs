//! Hash tables over names of grants, one per partition of the names; what is looked up lies in few lines of
//! memory, and lookups of a block do not wait for each other.

use std::io;
use std::sync::atomic::{AtomicU8, Ordering};

use rayon::prelude::*;

use super::id::Id;
use super::rows::{Key, Spot};
use super::store::{Budget, Held, Store};

/// First slot of a name: tables are two thirds full, whatever their size.
#[inline]
fn slot(id: Id, slots: usize) -> usize {
    ((u64::from(id.low()) * slots as u64) >> 32) as usize
}

/// Slots for so many names.
fn slots(names: usize) -> usize {
    names + names / 2 + 1
}

fn each<T: Send>(store: &Store<'_, Key>, of: impl Fn(Vec<Key>) -> T + Sync) -> io::Result<Vec<T>> {
    let parts = (0..store.parts()).into_par_iter().with_max_len(1);
    parts.map(|at| Ok(of(store.take(at)?))).collect()
}

/// Grants by their id.
#[derive(Debug)]
pub struct Known<'b> {
    parts: Vec<Vec<Key>>,
    _held: Held<'b>,
}

impl<'b> Known<'b> {
    /// Of these names; those that have one before are told with it, and the first of them is found.
    ///
    /// # Errors
    /// When the temporary file cannot be read.
    pub fn new(
        store: &Store<'_, Key>,
        budget: &'b Budget,
        again: impl Fn(Spot, Spot) + Sync,
    ) -> io::Result<Self> {
        let parts: Vec<Vec<Key>> = each(store, |keys| table(&keys, &again))?;
        let held = parts.iter().map(Vec::len).sum::<usize>() * size_of::<Key>();
        Ok(Self { _held: budget.hold(held), parts })
    }

    /// Where a grant lies.
    #[must_use]
    #[inline]
    pub fn find(&self, id: Id) -> Option<Spot> {
        let part = self.parts.get(id.part(self.parts.len()))?;
        let mut at = slot(id, part.len());
        loop {
            let key = part.get(at)?;
            if key.id == id {
                return Some(key.spot());
            }
            if key.id == Id::NONE {
                return None;
            }
            at = if at + 1 == part.len() { 0 } else { at + 1 };
        }
    }
}

fn table(keys: &[Key], again: impl Fn(Spot, Spot)) -> Vec<Key> {
    let mut out = vec![Key::default(); slots(keys.len())];
    for key in keys {
        let mut at = slot(key.id, out.len());
        while let Some(have) = out.get_mut(at) {
            if have.id == Id::NONE {
                *have = *key;
                break;
            }
            if have.id == key.id {
                again(have.spot(), key.spot());
                break;
            }
            at = if at + 1 == out.len() { 0 } else { at + 1 };
        }
    }
    out
}

/// No further key.
const LAST: u32 = u32::MAX;

/// Grants by the tasks that they name; many may name one.
#[derive(Debug)]
pub struct Wanted<'b> {
    parts: Vec<Part>,
    _held: Held<'b>,
}

#[derive(Debug)]
struct Part {
    /// Per slot the place of the first key of a name.
    slots: Vec<u32>,
    keys: Vec<Key>,
    /// Per key the next of the same name.
    next: Vec<u32>,
    /// Per key that is the first of its name, whether the task was met.
    met: Vec<AtomicU8>,
}

impl<'b> Wanted<'b> {
    /// Of the names that grants refer to.
    ///
    /// # Errors
    /// When the temporary file cannot be read.
    pub fn new(store: &Store<'_, Key>, budget: &'b Budget) -> io::Result<Self> {
        let parts = each(store, Part::new)?;
        let bytes = |p: &Part| p.slots.len() * 4 + p.keys.len() * (size_of::<Key>() + 5);
        Ok(Self { _held: budget.hold(parts.iter().map(bytes).sum()), parts })
    }

    /// Calls `each` with the grants that name a task, and whether the task was met before; says whether
    /// some do.
    #[inline]
    pub fn meet(&self, id: Id, mut each: impl FnMut(Spot, bool)) -> bool {
        let Some(part) = self.parts.get(id.part(self.parts.len())) else { return false };
        let Some(mut at) = part.first(id) else { return false };
        let met = part.met.get(at as usize);
        let again = met.is_some_and(|met| met.swap(1, Ordering::Relaxed) != 0);
        while let Some(key) = part.keys.get(at as usize) {
            each(key.spot(), again);
            at = part.next.get(at as usize).copied().unwrap_or(LAST);
        }
        true
    }
}

impl Part {
    fn new(keys: Vec<Key>) -> Self {
        let mut out = Self {
            slots: vec![LAST; slots(keys.len())],
            next: vec![LAST; keys.len()],
            met: (0..keys.len()).map(|_| AtomicU8::new(0)).collect(),
            keys,
        };
        for (i, key) in out.keys.iter().enumerate() {
            let mut at = slot(key.id, out.slots.len());
            let i = u32::try_from(i).unwrap_or(LAST);
            while let Some(slot) = out.slots.get_mut(at) {
                if *slot == LAST {
                    *slot = i;
                    break;
                }
                if out.keys.get(*slot as usize).is_some_and(|k| k.id == key.id) {
                    // In front, so that a name of many grants is not walked for each.
                    if let Some(next) = out.next.get_mut(i as usize) {
                        *next = *slot;
                    }
                    *slot = i;
                    break;
                }
                at = if at + 1 == out.slots.len() { 0 } else { at + 1 };
            }
        }
        out
    }

    #[inline]
    fn first(&self, id: Id) -> Option<u32> {
        let mut at = slot(id, self.slots.len());
        loop {
            let i = *self.slots.get(at)?;
            if self.keys.get(i as usize)?.id == id {
                return Some(i);
            }
            at = if at + 1 == self.slots.len() { 0 } else { at + 1 };
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::{any, prop_assert_eq, proptest};

    use super::*;
    use crate::screen::store::gather;

    fn store<'b>(budget: &'b Budget, names: &[u8]) -> Store<'b, Key> {
        let store = Store::new(4, budget);
        let mut rows = gather(4);
        for (i, n) in names.iter().enumerate() {
            let id = name(*n);
            rows[id.part(4)].push(Key::new(id, Spot::new(3, i as u32, u16::from(*n))));
        }
        store.add(&mut rows).unwrap();
        store
    }

    /// Few slots, so that names meet.
    fn name(n: u8) -> Id {
        Id::new(u64::from(n) << 32 | 1, u32::from(n % 5) << 29)
    }

    proptest! {
        #[test]
        fn names_are_found(names in proptest::collection::btree_set(any::<u8>(), 0..60)) {
            let names: Vec<u8> = names.into_iter().collect();
            let budget = Budget::new(usize::MAX);
            let never = |_, _| unreachable!("no name is here twice");
            let known = Known::new(&store(&budget, &names), &budget, never).unwrap();
            for n in 0..=255u8 {
                let want = names.iter().position(|m| *m == n).map(|i| (i as u32, u16::from(n)));
                let found = known.find(name(n)).map(|s| (s.at(), s.number()));
                prop_assert_eq!(found, want);
            }
        }

        #[test]
        fn all_that_want_a_task_are_met_once(names in proptest::collection::vec(0u8..40, 0..90)) {
            let budget = Budget::new(usize::MAX);
            let wanted = Wanted::new(&store(&budget, &names), &budget).unwrap();
            let mut want: BTreeMap<u8, Vec<u32>> = BTreeMap::new();
            for (i, n) in names.iter().enumerate() {
                want.entry(*n).or_default().push(i as u32);
            }
            for n in 0..50u8 {
                let mut found = Vec::new();
                for before in [false, true] {
                    found.clear();
                    let met = wanted.meet(name(n), |s, again| found.push((s.at(), again)));
                    found.sort_unstable();
                    prop_assert_eq!(met, want.contains_key(&n));
                    let all = want.get(&n).into_iter().flatten().map(|at| (*at, before));
                    prop_assert_eq!(&found, &all.collect::<Vec<_>>());
                }
            }
        }
    }

    #[test]
    fn a_name_twice_is_told_with_the_first() {
        let budget = Budget::new(usize::MAX);
        let told = std::sync::Mutex::new(Vec::new());
        let again = |a: Spot, b: Spot| told.lock().unwrap().push((a.at(), b.at()));
        let known = Known::new(&store(&budget, &[1, 2, 1, 1]), &budget, again).unwrap();
        assert_eq!(*told.lock().unwrap(), [(0, 2), (0, 3)]);
        assert_eq!(known.find(name(1)).map(Spot::at), Some(0));
    }
}
