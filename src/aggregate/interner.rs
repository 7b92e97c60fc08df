//! Interner from the log, each kept once and known by a small number, so that records need no strings.

use std::hash::BuildHasher;
use std::num::NonZeroU32;

use foldhash::fast::RandomState;
use hashbrown::HashTable;

use crate::config::Limits;

/// The number of a name in the [`Interner`] that gave it out, from 1: an absent name, as `Option<Symbol>`, takes no
/// more room.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Symbol(NonZeroU32);

impl Symbol {
    /// The name of this number; none has the number 0.
    pub fn new(number: u32) -> Option<Symbol> {
        NonZeroU32::new(number).map(Symbol)
    }

    /// The number.
    pub fn get(self) -> u32 {
        self.0.get()
    }

    /// The name that comes at this place, from 0.
    fn at(place: usize) -> Symbol {
        let number = u32::try_from(place + 1).ok().and_then(Symbol::new);
        number.expect("every name takes memory: there are never 2^32")
    }

    fn place(self) -> usize {
        self.get() as usize - 1
    }
}

/// Where what is kept by the numbers of names has that of a name: at 0 what stands for none.
pub fn index(name: Option<Symbol>) -> usize {
    name.map_or(0, Symbol::get) as usize
}

/// Distinct names in the order in which they were met. Hashing is seeded at random: names come from strangers.
#[derive(Debug, Clone)]
pub struct Interner {
    ids: HashTable<Symbol>,
    hasher: RandomState,
    names: Vec<Box<str>>,
    limit: usize,
    /// Room that is left for names, in bytes.
    room: usize,
    complete: bool,
}

/// AWS's names are of some twenty bytes.
const ROOM_PER_NAME: usize = 64;

impl Default for Interner {
    fn default() -> Interner {
        Interner::new(Limits::default().max_interfaces)
    }
}

impl Interner {
    /// For at most so many names, and as many bytes as such a number of AWS's names has at most.
    pub fn new(limit: u64) -> Interner {
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        let room = limit.saturating_mul(ROOM_PER_NAME);
        Interner {
            ids: HashTable::new(),
            hasher: RandomState::default(),
            names: Vec::new(),
            limit,
            room,
            complete: true,
        }
    }

    /// The number of a name, new or not; none if there is no room for it. Bytes that are not UTF-8 are replaced, as they will
    /// be shown.
    pub fn intern(&mut self, name: &[u8]) -> Option<Symbol> {
        self.find(name).or_else(|| self.intern_lossy(&String::from_utf8_lossy(name)))
    }

    #[cold]
    fn intern_lossy(&mut self, name: &str) -> Option<Symbol> {
        if let Some(id) = self.find(name.as_bytes()) {
            return Some(id);
        }
        let room = self.room.checked_sub(name.len()).filter(|_| self.names.len() < self.limit);
        self.complete &= room.is_some();
        self.room = room?;
        let id = Symbol::at(self.names.len());
        self.names.push(name.into());
        let hash = |id: &Symbol| self.hasher.hash_one(self.names[id.place()].as_bytes());
        self.ids.insert_unique(hash(&id), id, hash);
        Some(id)
    }

    /// A name that is right as it is: one that is not is like none of those that are kept.
    #[inline]
    fn find(&self, name: &[u8]) -> Option<Symbol> {
        let is_it = |id: &Symbol| same(self.names[id.place()].as_bytes(), name);
        self.ids.find(self.hasher.hash_one(name), is_it).copied()
    }

    /// Whether there was room for all.
    pub fn is_complete(&self) -> bool {
        self.complete
    }

    /// The name with this number.
    pub fn name(&self, id: Symbol) -> &str {
        &self.names[id.place()]
    }

    /// All numbers, in order.
    pub fn ids(&self) -> impl Iterator<Item = Symbol> {
        (0..self.names.len()).map(Symbol::at)
    }

    /// Takes in all names of another collection. Says which number each has here.
    pub fn merge(&mut self, other: &Interner) -> SymbolRemap {
        self.complete &= other.complete;
        SymbolRemap(other.names.iter().map(|name| self.intern(name.as_bytes())).collect())
    }
}

/// The numbers that the names of one collection have in another.
#[derive(Debug)]
pub struct SymbolRemap(Vec<Option<Symbol>>);

impl SymbolRemap {
    /// The number there of the name that has this number here; none if there was no room for it.
    pub fn of(&self, id: Symbol) -> Option<Symbol> {
        self.0[id.place()]
    }

    /// Whether there was room for all.
    pub fn is_complete(&self) -> bool {
        !self.0.contains(&None)
    }
}

/// Whether two names are the same. AWS's names have 16 to 32 bytes: those are compared in two words each.
#[inline]
pub fn same(a: &[u8], b: &[u8]) -> bool {
    if a.len() != b.len() {
        return false;
    }
    match (a.first_chunk::<16>(), a.last_chunk::<16>(), b.first_chunk::<16>(), b.last_chunk::<16>()) {
        (Some(a_first), Some(a_last), Some(b_first), Some(b_last)) if a.len() <= 32 => {
            let differ = |a: &[u8; 16], b: &[u8; 16]| u128::from_ne_bytes(*a) ^ u128::from_ne_bytes(*b);
            differ(a_first, b_first) | differ(a_last, b_last) == 0
        }
        _ => a == b,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_has_one_number() {
        let mut names = Interner::default();
        let (a, b) = (names.intern(b"eni-a"), names.intern(b"eni-b"));
        assert_ne!(a, b);
        assert_eq!(names.intern(b"eni-a"), a);
        assert_eq!(b.map(|b| names.name(b)), Some("eni-b"));
        assert_eq!(size_of::<Option<Symbol>>(), 4);
    }

    #[test]
    fn merged_names_keep_their_meaning() {
        let (mut ours, mut theirs) = (Interner::default(), Interner::default());
        ours.intern(b"eni-b");
        let [a, b] = [b"eni-a", b"eni-b"].map(|name| theirs.intern(name).expect("there is room"));
        let renumbered = ours.merge(&theirs);
        assert_eq!(ours.name(renumbered.of(a).expect("there is room")), "eni-a");
        assert_eq!(renumbered.of(b).map(|b| ours.name(b)), Some("eni-b"));
        assert_eq!(ours.intern(b"eni-b"), renumbered.of(b));
    }

    #[test]
    fn names_are_the_same_if_all_their_bytes_are() {
        for length in 0..40 {
            let name = vec![b'a'; length];
            assert!(same(&name, &name.clone()));
            assert!(!same(&name, &vec![b'a'; length + 1]));
            for at in 0..length {
                let mut other = name.clone();
                other[at] = b'b';
                assert!(!same(&name, &other), "{length} {at}");
            }
        }
    }

    #[test]
    fn names_beyond_the_limit_have_no_number() {
        let mut names = Interner::new(2);
        let [a, b, c] = [&b"a"[..], b"b", b"c"].map(|name| names.intern(name));
        assert!(a.is_some() && b.is_some() && a == names.intern(b"a"));
        assert_eq!((c, names.is_complete()), (None, false));
        let mut names = Interner::new(2);
        assert_eq!(names.intern(&[b'x'; 3 * ROOM_PER_NAME]), None);
        assert!(names.intern(b"a").is_some());
    }

    #[test]
    fn names_that_look_the_same_are_the_same() {
        let mut names = Interner::default();
        assert_eq!(names.intern(b"eni-\xff"), names.intern(b"eni-\xfe"));
    }
}
