//! Maps by parts of a record, for many entries: nearly every key fits into 128 bits, and what is kept of it lies in one
//! vector, in the order in which it was first met.

use std::hash::{BuildHasher, Hash};

use foldhash::fast::RandomState;
use hashbrown::HashTable;

/// A key that as a rule fits into 128 bits.
pub trait PackedKey: Copy + Eq + Hash {
    /// In 128 bits, if it fits.
    fn pack(&self) -> Option<u128>;

    /// What [`PackedKey::pack`] packed.
    fn unpack(packed: u128) -> Self;
}

/// A map. Hashing is seeded at random: keys come from strangers.
#[derive(Debug, Clone)]
pub struct PackedMap<K, V> {
    packed: Entries<Packed, V>,
    wide: Entries<K, V>,
}

/// Aligned as its halves, so that it takes no more room than it needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct Packed([u64; 2]);

#[derive(Debug, Clone)]
struct Entries<K, V> {
    numbers: HashTable<u32>,
    entries: Vec<(K, V)>,
    hasher: RandomState,
}

/// A key that is to be looked for, perhaps with others at once: one by one, each waits for memory.
#[derive(Debug, Clone, Copy)]
pub struct Sought<K> {
    key: SoughtKey<K>,
    hash: u64,
    /// Where it may be.
    place: u32,
}

#[derive(Debug, Clone, Copy)]
enum SoughtKey<K> {
    Packed(Packed),
    Wide(K),
}

/// So many are looked for at once: enough for the processor to wait for several at a time, and few enough to stay near it.
pub const AT_ONCE: usize = 64;

impl<K: PackedKey> Sought<K> {
    /// The key.
    pub fn key(&self) -> K {
        match self.key {
            SoughtKey::Packed(packed) => K::unpack(packed.get()),
            SoughtKey::Wide(key) => key,
        }
    }
}

impl<K, V> Default for PackedMap<K, V> {
    fn default() -> PackedMap<K, V> {
        PackedMap { packed: Entries::default(), wide: Entries::default() }
    }
}

impl<K, V> Default for Entries<K, V> {
    fn default() -> Entries<K, V> {
        Entries { numbers: HashTable::new(), entries: Vec::new(), hasher: RandomState::default() }
    }
}

impl<K: PackedKey, V> PackedMap<K, V> {
    /// How many entries there are.
    pub fn len(&self) -> usize {
        self.packed.entries.len() + self.wide.entries.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The value of a key; `new` gives that of a new one.
    #[inline]
    pub fn entry(&mut self, key: K, new: impl FnOnce() -> V) -> &mut V {
        self.entry_for(&self.seek(key), new)
    }

    /// To look for a key later.
    #[inline]
    pub fn seek(&self, key: K) -> Sought<K> {
        let (key, hash) = match key.pack().map(Packed::from) {
            Some(packed) => (SoughtKey::Packed(packed), self.packed.hash(packed)),
            None => (SoughtKey::Wide(key), self.wide.hash(key)),
        };
        Sought { key, hash, place: u32::MAX }
    }

    /// Makes out where it may be. For all that are sought this goes first: none waits for what another finds.
    #[inline]
    pub fn locate(&self, sought: &mut Sought<K>) {
        sought.place = match sought.key {
            SoughtKey::Packed(_) => self.packed.locate(sought.hash),
            SoughtKey::Wide(_) => self.wide.locate(sought.hash),
        };
    }

    /// Reads there, so that it is at hand when its value is asked for: a value that is probably its.
    #[inline]
    pub fn prefetch(&self, sought: &Sought<K>) -> Option<&V> {
        match sought.key {
            SoughtKey::Packed(_) => self.packed.prefetch(sought.place),
            SoughtKey::Wide(_) => self.wide.prefetch(sought.place),
        }
    }

    /// Its value, wherever it is by now; `new` gives that of a new one.
    #[inline]
    pub fn entry_for(&mut self, sought: &Sought<K>, new: impl FnOnce() -> V) -> &mut V {
        match sought.key {
            SoughtKey::Packed(packed) => self.packed.entry(packed, sought.hash, sought.place, new),
            SoughtKey::Wide(key) => self.wide.entry(key, sought.hash, sought.place, new),
        }
    }

    /// The value of a key, if it is there.
    #[inline]
    pub fn get_mut(&mut self, key: K) -> Option<&mut V> {
        match key.pack() {
            Some(packed) => self.packed.get_mut(Packed::from(packed)),
            None => self.wide.get_mut(key),
        }
    }

    /// All entries: the packed ones first, each kind in the order in which they were first met.
    pub fn iter(&self) -> impl Iterator<Item = (K, &V)> {
        let packed = self.packed.entries.iter().map(|(key, value)| (K::unpack(key.get()), value));
        packed.chain(self.wide.entries.iter().map(|(key, value)| (*key, value)))
    }

    /// The entry at this place of [`PackedMap::iter`].
    ///
    /// # Panics
    /// If there are fewer.
    #[inline]
    pub fn at(&self, place: usize) -> (K, &V) {
        match self.packed.entries.get(place) {
            Some((key, value)) => (K::unpack(key.get()), value),
            None => {
                let (key, value) = &self.wide.entries[place - self.packed.entries.len()];
                (*key, value)
            }
        }
    }

    /// All entries, as [`PackedMap::iter`].
    pub fn iter_mut(&mut self) -> impl Iterator<Item = (K, &mut V)> {
        let packed = self.packed.entries.iter_mut().map(|(key, value)| (K::unpack(key.get()), value));
        packed.chain(self.wide.entries.iter_mut().map(|(key, value)| (*key, value)))
    }

    /// Gives entries other keys, each of which fits if the old one did, and merges those that have one key now: where they are.
    pub fn rekey(&mut self, key: impl Fn(K) -> K, merge: impl Fn(&mut V, &V)) {
        let packed = |old: Packed| key(K::unpack(old.get())).pack().map_or(old, Packed::from);
        self.packed.rekey(packed, &merge);
        self.wide.rekey(&key, &merge);
    }

    /// Lowers all weights by the median, at least by 1, and removes what falls to nothing: so goes one step of the algorithm of
    /// Misra and Gries. There has to be an entry. Says by how much the weights were lowered.
    pub fn lower(&mut self, weight: impl Fn(&V) -> u64) -> u64 {
        let mut weights: Vec<u64> = self.iter().map(|(_, value)| weight(value)).collect();
        let middle = weights.len() / 2;
        let (_, median, _) = weights.select_nth_unstable(middle);
        let by = (*median).max(1);
        self.packed.retain(&|value| weight(value) > by);
        self.wide.retain(&|value| weight(value) > by);
        by
    }
}

impl<K: Copy + Eq + Hash, V> Entries<K, V> {
    #[inline]
    fn hash(&self, key: K) -> u64 {
        self.hasher.hash_one(key)
    }

    #[inline]
    fn find(&self, key: K, hash: u64) -> Option<u32> {
        self.numbers.find(hash, |number| self.entries[*number as usize].0 == key).copied()
    }

    /// Makes the number of an entry known.
    fn insert(&mut self, hash: u64, number: u32) {
        if self.numbers.len() == self.numbers.capacity() {
            self.grow(number);
        }
        self.numbers.insert_unique(hash, number, |other| self.hasher.hash_one(self.entries[*other as usize].0));
    }

    /// Makes room for twice as many numbers as there are, which are those up to `end`. The table by itself would look at the
    /// keys in the order of their hashes, and wait for each.
    fn grow(&mut self, end: u32) {
        self.numbers = HashTable::new();
        let rehash = |number: &u32| self.hasher.hash_one(self.entries[*number as usize].0);
        self.numbers.reserve(2 * end as usize, rehash);
        for number in 0..end {
            self.numbers.insert_unique(rehash(&number), number, rehash);
        }
    }

    /// The number of the first entry whose hash has the same few bits that the table keeps: nearly always that of the key, if it
    /// is there.
    #[inline]
    fn locate(&self, hash: u64) -> u32 {
        self.numbers.find(hash, |_| true).map_or(u32::MAX, |number| *number)
    }

    #[inline]
    fn prefetch(&self, place: u32) -> Option<&V> {
        let (key, value) = self.entries.get(place as usize)?;
        std::hint::black_box(*key);
        Some(value)
    }

    #[inline]
    fn entry(&mut self, key: K, hash: u64, place: u32, new: impl FnOnce() -> V) -> &mut V {
        let is_there = self.entries.get(place as usize).is_some_and(|(there, _)| *there == key);
        let number = if is_there { Some(place) } else { self.find(key, hash) };
        let number = number.unwrap_or_else(|| {
            let number = u32::try_from(self.entries.len()).expect("every entry takes memory: there are never 2^32");
            self.insert(hash, number);
            self.entries.push((key, new()));
            number
        });
        &mut self.entries[number as usize].1
    }

    #[inline]
    fn get_mut(&mut self, key: K) -> Option<&mut V> {
        let number = self.find(key, self.hash(key))?;
        Some(&mut self.entries[number as usize].1)
    }

    fn rekey(&mut self, key: impl Fn(K) -> K, merge: impl Fn(&mut V, &V)) {
        self.numbers.clear();
        let mut kept = 0;
        for read in 0..self.entries.len() {
            let key = key(self.entries[read].0);
            let hash = self.hash(key);
            if let Some(number) = self.find(key, hash) {
                // An entry that is kept stands before those that are still to be looked at.
                let (before, from) = self.entries.split_at_mut(read);
                merge(&mut before[number as usize].1, &from[0].1);
                continue;
            }
            self.entries.swap(kept, read);
            self.entries[kept].0 = key;
            self.insert(hash, kept as u32);
            kept += 1;
        }
        self.entries.truncate(kept);
    }

    fn retain(&mut self, keep: &impl Fn(&V) -> bool) {
        self.entries.retain(|(_, value)| keep(value));
        self.numbers.clear();
        for place in 0..self.entries.len() {
            let hash = self.hash(self.entries[place].0);
            self.insert(hash, place as u32);
        }
    }
}

impl From<u128> for Packed {
    fn from(packed: u128) -> Packed {
        Packed([(packed >> 64) as u64, packed as u64])
    }
}

impl Packed {
    fn get(self) -> u128 {
        u128::from(self.0[0]) << 64 | u128::from(self.0[1])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Odd numbers fit.
    impl PackedKey for u32 {
        fn pack(&self) -> Option<u128> {
            (self % 2 == 1).then_some(u128::from(*self) << 70)
        }

        fn unpack(packed: u128) -> u32 {
            (packed >> 70) as u32
        }
    }

    #[test]
    fn a_key_has_one_value_whether_it_fits_or_not() {
        let mut keyed = PackedMap::default();
        for key in [5_u32, 4, 5, 7, 4, 5] {
            *keyed.entry(key, || 0) += 1;
        }
        assert_eq!(keyed.iter().collect::<Vec<_>>(), [(5, &3), (7, &1), (4, &2)]);
        assert_eq!([0, 1, 2].map(|place| keyed.at(place)), [(5, &3), (7, &1), (4, &2)]);
        assert_eq!((keyed.len(), keyed.is_empty()), (3, false));
        assert_eq!((keyed.get_mut(4).copied(), keyed.get_mut(6).copied()), (Some(2), None));
    }

    #[test]
    fn entries_with_other_keys_are_merged_and_found() {
        let mut keyed = PackedMap::default();
        (0..1000_u32).for_each(|key| *keyed.entry(key, || 0) += key);
        // As many odd numbers as even ones are left.
        keyed.rekey(|key| key % 10, |value, other| *value += other);
        assert_eq!(keyed.len(), 10);
        for key in 0..10 {
            assert_eq!(keyed.get_mut(key).copied(), Some((0..1000).filter(|n| n % 10 == key).sum()));
        }
        assert_eq!(keyed.iter().map(|(key, _)| key).collect::<Vec<_>>(), [1, 3, 5, 7, 9, 0, 2, 4, 6, 8]);
    }

    #[test]
    fn what_is_kept_is_found_and_all_else_is_new() {
        let mut keyed = PackedMap::default();
        (0..1000_u32).for_each(|key| *keyed.entry(key, || key) += 0);
        // Each third weighs 5, the others 1 or 2.
        let weight = |value: &u32| if value.is_multiple_of(3) { 5 } else { u64::from(value % 3) };
        assert_eq!(keyed.lower(weight), 2);
        assert_eq!(keyed.len(), 334);
        assert!((0..1000_u32).all(|key| keyed.get_mut(key).copied() == (key % 3 == 0).then_some(key)));
        keyed.entry(1, || 1);
        assert_eq!(keyed.len(), 335);
        assert_eq!((keyed.lower(|_| 0), keyed.len()), (1, 0));
    }

    #[test]
    fn what_was_looked_for_ahead_is_found_wherever_it_went() {
        let mut keyed = PackedMap::default();
        (0..1000_u32).for_each(|key| *keyed.entry(key, || key) += 0);
        let mut sought = [2, 3, 998, 999, 5000, 5001].map(|key| keyed.seek(key));
        sought.iter_mut().for_each(|sought| keyed.locate(sought));
        // Another may be made out, but hardly for each of those that are there.
        let seen = sought.each_ref().map(|sought| keyed.prefetch(sought).copied());
        assert!(seen.iter().zip([2, 3, 998, 999]).any(|(seen, key)| *seen == Some(key)), "{seen:?}");
        // Those below 998 go, so the others stand elsewhere, and one that was not there comes.
        keyed.lower(|value| if *value < 998 { 1 } else { 5 });
        *keyed.entry(5001, || 7) += 0;
        let found = sought.map(|sought| (sought.key(), *keyed.entry_for(&sought, || 1)));
        assert_eq!(found, [(2, 1), (3, 1), (998, 998), (999, 999), (5000, 1), (5001, 7)]);
        assert_eq!(keyed.len(), 6);
    }
}
