//! What gates remember of the database: bounded, and never older than a revocation.

use std::{
    borrow::Borrow,
    collections::HashMap,
    hash::{BuildHasher, Hash, RandomState},
    sync::{PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard},
};

const SHARDS: usize = 16;

/// Values read from the database, dropped when they are revoked.
///
/// Take [`Memory::seen`] before the read and give it to [`Memory::keep`]: when something was forgotten between the two, the
/// value may be the one from before, and is not kept. So a revocation is never lost to a read that ran beside it.
pub struct Memory<K, V> {
    shards: Vec<RwLock<Shard<K, V>>>,
    random: RandomState,
    cap: usize,
}

/// Two generations: what was not asked for while the younger one filled up goes with the older one.
struct Shard<K, V> {
    young: HashMap<K, V>,
    old: HashMap<K, V>,
    forgotten: u64,
}

/// The state of a memory before a read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Seen(u64);

impl<K: Eq + Hash, V: Clone> Memory<K, V> {
    /// Keeps at most about `capacity` values.
    #[must_use]
    pub fn new(capacity: usize) -> Self {
        let shard = || RwLock::new(Shard { young: HashMap::new(), old: HashMap::new(), forgotten: 0 });
        Self {
            shards: (0..SHARDS).map(|_| shard()).collect(),
            random: RandomState::new(),
            cap: (capacity / SHARDS / 2).max(1),
        }
    }

    /// The value, if it is remembered.
    pub fn get<Q: Eq + Hash + ?Sized>(&self, key: &Q) -> Option<V>
    where
        K: Borrow<Q>,
    {
        self.read(key)?.find(key).cloned()
    }

    /// To be taken before the database is read.
    pub fn seen<Q: Eq + Hash + ?Sized>(&self, key: &Q) -> Seen
    where
        K: Borrow<Q>,
    {
        Seen(self.read(key).map_or(u64::MAX, |shard| shard.forgotten))
    }

    /// Remembers what was read, unless something was forgotten since `seen`.
    pub fn keep(&self, key: K, value: V, seen: Seen) {
        let Some(mut shard) = self.write(&key) else { return };
        if Seen(shard.forgotten) != seen {
            return;
        }
        if shard.young.len() >= self.cap {
            shard.old = std::mem::take(&mut shard.young);
        }
        shard.old.remove(&key);
        shard.young.insert(key, value);
    }

    /// Forgets one value.
    pub fn forget<Q: Eq + Hash + ?Sized>(&self, key: &Q)
    where
        K: Borrow<Q>,
    {
        if let Some(mut shard) = self.write(key) {
            shard.forgotten = shard.forgotten.wrapping_add(1);
            shard.young.remove(key);
            shard.old.remove(key);
        }
    }

    /// Values held, for metrics.
    #[must_use]
    pub fn held(&self) -> usize {
        let len = |shard: &RwLock<Shard<K, V>>| {
            let shard = shard.read().unwrap_or_else(PoisonError::into_inner);
            shard.young.len() + shard.old.len()
        };
        self.shards.iter().map(len).sum()
    }

    fn shard<Q: Hash + ?Sized>(&self, key: &Q) -> Option<&RwLock<Shard<K, V>>> {
        let at = usize::try_from(self.random.hash_one(key) >> 40).unwrap_or(0) % SHARDS;
        self.shards.get(at)
    }
    fn read<Q: Hash + ?Sized>(&self, key: &Q) -> Option<RwLockReadGuard<'_, Shard<K, V>>> {
        Some(self.shard(key)?.read().unwrap_or_else(PoisonError::into_inner))
    }
    fn write<Q: Hash + ?Sized>(&self, key: &Q) -> Option<RwLockWriteGuard<'_, Shard<K, V>>> {
        Some(self.shard(key)?.write().unwrap_or_else(PoisonError::into_inner))
    }
}

impl<K: Eq + Hash, V> Shard<K, V> {
    fn find<Q: Eq + Hash + ?Sized>(&self, key: &Q) -> Option<&V>
    where
        K: Borrow<Q>,
    {
        self.young.get(key).or_else(|| self.old.get(key))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_read_that_ran_beside_a_revocation_is_not_kept() {
        let memory = Memory::new(100);
        let seen = memory.seen(&1);
        memory.forget(&1);
        memory.keep(1, "from before", seen);
        assert_eq!(memory.get(&1), None);
        memory.keep(1, "after", memory.seen(&1));
        assert_eq!(memory.get(&1), Some("after"));
        memory.forget(&1);
        assert_eq!(memory.get(&1), None);
    }

    #[test]
    fn it_is_bounded() {
        let memory = Memory::new(1000);
        for key in 0..100_000 {
            memory.keep(key, key, memory.seen(&key));
        }
        assert!(memory.held() <= 1000, "{}", memory.held());
        assert_eq!(memory.get(&99_999), Some(99_999));
    }

    #[test]
    fn forgetting_reaches_the_older_generation() {
        let memory = Memory::new(SHARDS * 2 * 4);
        for key in 0..200 {
            memory.keep(key, key, memory.seen(&key));
        }
        let held: Vec<i32> = (0..200).filter(|k| memory.get(k).is_some()).collect();
        for key in &held {
            memory.forget(key);
        }
        assert_eq!(memory.held(), 0);
    }
}
