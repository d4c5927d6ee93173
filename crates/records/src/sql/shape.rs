//! Statements whose text depends on a request's shape (fields, filter, sort), kept by their text.

use std::{
    collections::HashMap,
    sync::{Arc, PoisonError, RwLock},
};

use kernel::FieldSet;

use super::{Layout, Read, Write};

/// So many of each kind are kept; a client that sends ever new shapes only loses the others' warmth.
const KEPT: usize = 512;

/// Reads of one record, by collection, fields and drafts.
type Gets = HashMap<(usize, FieldSet, bool), Arc<(Read, Layout)>>;

/// The bounded cache.
#[derive(Default)]
pub(crate) struct Shapes {
    gets: RwLock<Gets>,
    reads: RwLock<HashMap<String, Arc<Read>>>,
    writes: RwLock<HashMap<String, Arc<Write>>>,
}

impl Shapes {
    /// The read of one record with these fields.
    pub(crate) fn get(
        &self,
        key: (usize, FieldSet, bool),
        make: impl FnOnce() -> (Read, Layout),
    ) -> Arc<(Read, Layout)> {
        let known = self.gets.read().unwrap_or_else(PoisonError::into_inner).get(&key).cloned();
        known.unwrap_or_else(|| keep(&self.gets, key, make()))
    }
    /// The read of a text.
    pub(crate) fn read(&self, text: String) -> Arc<Read> {
        let known = self.reads.read().unwrap_or_else(PoisonError::into_inner).get(&text).cloned();
        known.unwrap_or_else(|| keep(&self.reads, text.clone(), Read::made(text)))
    }
    /// The change of a text.
    pub(crate) fn write(&self, text: String) -> Arc<Write> {
        let known = self.writes.read().unwrap_or_else(PoisonError::into_inner).get(&text).cloned();
        known.unwrap_or_else(|| keep(&self.writes, text.clone(), Write::made(text)))
    }
}

fn keep<K: Eq + std::hash::Hash, V>(map: &RwLock<HashMap<K, Arc<V>>>, key: K, value: V) -> Arc<V> {
    let mut map = map.write().unwrap_or_else(PoisonError::into_inner);
    if map.len() >= KEPT {
        map.clear();
    }
    Arc::clone(map.entry(key).or_insert_with(|| Arc::new(value)))
}
