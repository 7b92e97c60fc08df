//! Maps with many entries, in insertion order.
//!
//! A [`PackedMap`] keeps the keys that fit into 128 bits in that form: as plain structs they take three times the memory, and
//! these maps take a third of the memory of an analysis. Its invariants:
//! * A key is in `packed` if [`PackedKey::pack`] packs it, and in `wide` if not; never in both.
//! * [`PackedKey::unpack`] is the inverse of [`PackedKey::pack`]: a new field of a key changes both.
//! * Entries are numbered through: those of `packed` come first, each part in insertion order.
//!   [`PackedMap::decrement_all`] and [`PackedMap::rekey`] keep the order and renumber the entries.

use std::hash::Hash;

use foldhash::fast::RandomState;
use indexmap::IndexMap;
use indexmap::map::Entry;

/// A map in insertion order. Hashing is seeded at random, because keys are untrusted input.
pub type OrderedMap<K, V> = IndexMap<K, V, RandomState>;

/// A key that usually fits into 128 bits.
pub trait PackedKey: Copy + Eq + Hash {
    /// Returns the key in 128 bits, if it fits.
    fn pack(&self) -> Option<u128>;

    /// Returns the key that [`PackedKey::pack`] packed.
    fn unpack(packed: u128) -> Self;
}

/// A map whose keys usually fit into 128 bits.
#[derive(Debug, Clone)]
pub struct PackedMap<K, V> {
    packed: OrderedMap<Packed, V>,
    wide: OrderedMap<K, V>,
}

/// 128 bits with the alignment of 64, so that an entry needs no padding.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct Packed([u64; 2]);

impl From<u128> for Packed {
    fn from(packed: u128) -> Packed {
        Packed([(packed >> 64) as u64, packed as u64])
    }
}

impl Packed {
    fn unpack<K: PackedKey>(self) -> K {
        K::unpack(u128::from(self.0[0]) << 64 | u128::from(self.0[1]))
    }
}

impl<K, V> Default for PackedMap<K, V> {
    fn default() -> PackedMap<K, V> {
        PackedMap { packed: OrderedMap::default(), wide: OrderedMap::default() }
    }
}

impl<K: PackedKey, V> PackedMap<K, V> {
    /// Returns the number of entries.
    pub fn len(&self) -> usize {
        self.packed.len() + self.wide.len()
    }

    /// Returns whether the map has no entry.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Returns the value of a key, which is `new()` if the key is new.
    #[inline]
    pub fn entry(&mut self, key: K, new: impl FnOnce() -> V) -> &mut V {
        match key.pack() {
            Some(packed) => self.packed.entry(packed.into()).or_insert_with(new),
            None => self.wide.entry(key).or_insert_with(new),
        }
    }

    /// Returns the value of a key, if the map has it.
    #[inline]
    pub fn get_mut(&mut self, key: K) -> Option<&mut V> {
        match key.pack() {
            Some(packed) => self.packed.get_mut(&Packed::from(packed)),
            None => self.wide.get_mut(&key),
        }
    }

    /// Returns the entry with this number.
    ///
    /// # Panics
    /// If there are fewer entries.
    #[inline]
    #[expect(clippy::expect_used, reason = "documented: the caller passes the number of an entry")]
    pub fn at(&self, number: usize) -> (K, &V) {
        match self.packed.get_index(number) {
            Some((key, value)) => (key.unpack(), value),
            None => {
                let entry = self.wide.get_index(number - self.packed.len());
                let (key, value) = entry.expect("the number of an entry");
                (*key, value)
            }
        }
    }

    /// Returns all entries in the order of their numbers.
    pub fn iter(&self) -> impl Iterator<Item = (K, &V)> {
        let packed = self.packed.iter().map(|(key, value)| (key.unpack(), value));
        packed.chain(self.wide.iter().map(|(key, value)| (*key, value)))
    }

    /// Returns all values in the order of their numbers.
    pub fn values(&self) -> impl Iterator<Item = &V> {
        self.packed.values().chain(self.wide.values())
    }

    /// Returns all values in the order of their numbers.
    pub fn values_mut(&mut self) -> impl Iterator<Item = &mut V> {
        self.packed.values_mut().chain(self.wide.values_mut())
    }

    /// Replaces all keys, and merges entries whose new keys are equal. A key that can be packed must be replaced by one that can
    /// be packed too.
    pub fn rekey(&mut self, new_key: impl Fn(K) -> K, merge: impl Fn(&mut V, &V)) {
        let new_packed = |old: Packed| new_key(old.unpack()).pack().map_or(old, Packed::from);
        rekey(&mut self.packed, new_packed, &merge);
        rekey(&mut self.wide, &new_key, &merge);
    }

    /// Subtracts the median weight, at least 1, from all weights, and drops the entries whose weight falls to 0: one step of the
    /// algorithm of Misra and Gries. Returns the amount. The map stores no weights, so the caller subtracts the sum of all
    /// amounts.
    ///
    /// # Panics
    /// If the map is empty.
    pub fn decrement_all(&mut self, weight: impl Fn(&V) -> u64) -> u64 {
        let mut weights: Vec<u64> = self.values().map(&weight).collect();
        let middle = weights.len() / 2;
        let (_, median, _) = weights.select_nth_unstable(middle);
        let amount = (*median).max(1);
        self.packed.retain(|_, value| weight(value) > amount);
        self.wide.retain(|_, value| weight(value) > amount);
        amount
    }
}

/// The old map returns memory each time it has lost this many entries.
const REKEYED_AT_ONCE: usize = 16_384;

/// Replaces all keys in order. The old map shrinks while the new one grows: both at full size would be the peak of memory.
fn rekey<K: Eq + Hash, V>(map: &mut OrderedMap<K, V>, new_key: impl Fn(K) -> K, merge: impl Fn(&mut V, &V)) {
    let mut old = std::mem::take(map);
    old.reverse();
    while let Some((key, value)) = old.pop() {
        match map.entry(new_key(key)) {
            Entry::Occupied(mut entry) => merge(entry.get_mut(), &value),
            Entry::Vacant(entry) => {
                entry.insert(value);
            }
        }
        if old.len().is_multiple_of(REKEYED_AT_ONCE) {
            old.shrink_to_fit();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Odd numbers can be packed.
    impl PackedKey for u32 {
        fn pack(&self) -> Option<u128> {
            (self % 2 == 1).then_some(u128::from(*self) << 70)
        }

        fn unpack(packed: u128) -> u32 {
            (packed >> 70) as u32
        }
    }

    #[test]
    fn a_key_has_one_value_whether_it_is_packed_or_not() {
        let mut map = PackedMap::default();
        for key in [5_u32, 4, 5, 7, 4, 5] {
            *map.entry(key, || 0) += 1;
        }
        assert_eq!(map.iter().collect::<Vec<_>>(), [(5, &3), (7, &1), (4, &2)]);
        assert_eq!([0, 1, 2].map(|number| map.at(number)), [(5, &3), (7, &1), (4, &2)]);
        assert_eq!((map.len(), map.is_empty()), (3, false));
        assert_eq!((map.get_mut(4).copied(), map.get_mut(6).copied()), (Some(2), None));
        map.values_mut().for_each(|value| *value += 1);
        assert_eq!(map.values().collect::<Vec<_>>(), [&4, &2, &3]);
    }

    #[test]
    fn entries_with_equal_new_keys_are_merged_and_found() {
        let mut map = PackedMap::default();
        // More of each kind than `REKEYED_AT_ONCE`.
        (0..50_000_u32).for_each(|key| *map.entry(key, || 0) += key);
        // The kinds stay apart: an odd number has an odd last digit.
        map.rekey(|key| key % 10, |value, other| *value += other);
        assert_eq!(map.len(), 10);
        for key in 0..10 {
            assert_eq!(map.get_mut(key).copied(), Some((0..50_000).filter(|n| n % 10 == key).sum()));
        }
        assert_eq!(map.iter().map(|(key, _)| key).collect::<Vec<_>>(), [1, 3, 5, 7, 9, 0, 2, 4, 6, 8]);
    }

    #[test]
    fn entries_above_the_median_are_found_and_all_others_are_new() {
        let mut map = PackedMap::default();
        (0..1000_u32).for_each(|key| *map.entry(key, || key) += 0);
        // Every third weighs 5, the others 1 or 2.
        let weight = |value: &u32| if value.is_multiple_of(3) { 5 } else { u64::from(value % 3) };
        assert_eq!(map.decrement_all(weight), 2);
        assert_eq!(map.len(), 334);
        assert!((0..1000_u32).all(|key| map.get_mut(key).copied() == (key % 3 == 0).then_some(key)));
        map.entry(1, || 1);
        assert_eq!(map.len(), 335);
        assert_eq!((map.decrement_all(|_| 0), map.len()), (1, 0));
    }
}
