//! Interns names from the log, so that records need no strings.
//!
//! Invariant: a symbol is valid only for the interner that created it, or after a [`SymbolRemap`].

use std::hash::BuildHasher;
use std::num::NonZeroU32;

use foldhash::fast::RandomState;
use hashbrown::HashTable;

use crate::aggregate::invalid_row::InvalidRow;
use crate::config::Limits;

/// Symbol of a name in the [`Interner`] that created it. Symbols start at 1, so that `Option<Symbol>` has the same size.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Symbol(NonZeroU32);

impl Symbol {
    /// Creates a symbol from its number. Returns `None` for 0.
    pub fn new(number: u32) -> Option<Symbol> {
        NonZeroU32::new(number).map(Symbol)
    }

    /// Returns the number of the symbol.
    pub fn get(self) -> u32 {
        self.0.get()
    }

    /// Creates the symbol of the name at this index.
    #[expect(clippy::expect_used, reason = "each name takes memory, so there are never 2^32")]
    fn at(position: usize) -> Symbol {
        let number = u32::try_from(position + 1).ok().and_then(Symbol::new);
        number.expect("every name takes memory: there are never 2^32")
    }

    fn position(self) -> usize {
        self.get() as usize - 1
    }
}

/// Returns the index of a symbol in a table by symbol. Index 0 is for "no name".
pub fn index(name: Option<Symbol>) -> usize {
    name.map_or(0, Symbol::get) as usize
}

/// Distinct names in the order of their first use. Hashing is seeded at random, because names are untrusted input.
#[derive(Debug, Clone)]
pub struct Interner {
    ids: HashTable<Symbol>,
    hasher: RandomState,
    names: Vec<Box<str>>,
    limit: usize,
    /// Bytes left for names.
    room: usize,
    complete: bool,
}

/// Bytes per name in the limit. AWS's ids have about 20.
const ROOM_PER_NAME: usize = 64;

impl Default for Interner {
    fn default() -> Interner {
        Interner::new(Limits::default().max_interfaces)
    }
}

impl Interner {
    /// Creates an interner for at most `limit` names, of 64 bytes on average.
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

    /// Returns the symbol of a name, which may be new, or `None` if there is no room for it. Invalid UTF-8 is replaced, as it will be
    /// displayed.
    pub fn intern(&mut self, name: &[u8]) -> Option<Symbol> {
        self.find(name).or_else(|| self.intern_lossy(&String::from_utf8_lossy(name)))
    }

    #[cold]
    #[expect(clippy::indexing_slicing, reason = "a symbol is valid for the interner that gave it out")]
    fn intern_lossy(&mut self, name: &str) -> Option<Symbol> {
        if let Some(id) = self.find(name.as_bytes()) {
            return Some(id);
        }
        let room = self.room.checked_sub(name.len()).filter(|_| self.names.len() < self.limit);
        self.complete &= room.is_some();
        self.room = room?;
        let id = Symbol::at(self.names.len());
        self.names.push(name.into());
        let hash = |id: &Symbol| self.hasher.hash_one(self.names[id.position()].as_bytes());
        self.ids.insert_unique(hash(&id), id, hash);
        Some(id)
    }

    /// Looks up raw bytes. Invalid UTF-8 never matches, because interned names are valid UTF-8.
    #[inline]
    #[expect(clippy::indexing_slicing, reason = "a symbol is valid for the interner that gave it out")]
    fn find(&self, name: &[u8]) -> Option<Symbol> {
        let is_it = |id: &Symbol| bytes_eq(self.names[id.position()].as_bytes(), name);
        self.ids.find(self.hasher.hash_one(name), is_it).copied()
    }

    /// Returns whether there was room for all names.
    pub fn is_complete(&self) -> bool {
        self.complete
    }

    /// Returns the name of a symbol.
    #[expect(clippy::indexing_slicing, reason = "a symbol is valid for the interner that gave it out")]
    pub fn name(&self, id: Symbol) -> &str {
        &self.names[id.position()]
    }

    /// Returns all symbols in order.
    pub fn ids(&self) -> impl Iterator<Item = Symbol> {
        (0..self.names.len()).map(Symbol::at)
    }

    /// Returns all names in the order of their symbols.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.names.iter().map(AsRef::as_ref)
    }

    /// Adds the name of the next symbol. Returns `false` if the name has a symbol already, or there is no room for it.
    #[must_use]
    pub fn restore(&mut self, name: &str) -> bool {
        let next = Symbol::at(self.names.len());
        self.intern(name.as_bytes()) == Some(next)
    }

    /// Returns the symbol with this number, or `None` for 0.
    ///
    /// # Errors
    /// If no name has the number.
    pub fn symbol(&self, number: u32) -> Result<Option<Symbol>, InvalidRow> {
        match Symbol::new(number) {
            Some(symbol) if symbol.position() >= self.names.len() => Err(InvalidRow("a symbol has no name")),
            symbol => Ok(symbol),
        }
    }

    /// Marks that there was no room for a name.
    pub fn mark_incomplete(&mut self) {
        self.complete = false;
    }

    /// Interns all names of another interner. Returns the map from its symbols to those of this one.
    pub fn merge(&mut self, other: &Interner) -> SymbolRemap {
        self.complete &= other.complete;
        SymbolRemap(other.names.iter().map(|name| self.intern(name.as_bytes())).collect())
    }
}

/// Maps the symbols of one interner to those of another.
#[derive(Debug)]
pub struct SymbolRemap(Vec<Option<Symbol>>);

impl SymbolRemap {
    /// Returns the symbol in the other interner, or `None` if it had no room for the name.
    #[expect(clippy::indexing_slicing, reason = "a symbol is valid for the interner that gave it out")]
    pub fn get(&self, id: Symbol) -> Option<Symbol> {
        self.0[id.position()]
    }

    /// Returns whether there was room for all names.
    pub fn is_complete(&self) -> bool {
        !self.0.contains(&None)
    }
}

/// Returns whether two names are equal. Names of 16 to 32 bytes, as AWS's ids are, are compared in two words each.
#[inline]
pub fn bytes_eq(a: &[u8], b: &[u8]) -> bool {
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
    fn a_name_has_one_symbol() {
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
        assert_eq!(ours.name(renumbered.get(a).expect("there is room")), "eni-a");
        assert_eq!(renumbered.get(b).map(|b| ours.name(b)), Some("eni-b"));
        assert_eq!(ours.intern(b"eni-b"), renumbered.get(b));
    }

    #[test]
    fn names_are_equal_if_all_bytes_are() {
        for length in 0..40 {
            let name = vec![b'a'; length];
            assert!(bytes_eq(&name, &name.clone()));
            assert!(!bytes_eq(&name, &vec![b'a'; length + 1]));
            for at in 0..length {
                let mut other = name.clone();
                other[at] = b'b';
                assert!(!bytes_eq(&name, &other), "{length} {at}");
            }
        }
    }

    #[test]
    fn names_above_the_limit_have_no_symbol() {
        let mut names = Interner::new(2);
        let [a, b, c] = [&b"a"[..], b"b", b"c"].map(|name| names.intern(name));
        assert!(a.is_some() && b.is_some() && a == names.intern(b"a"));
        assert_eq!((c, names.is_complete()), (None, false));
        let mut names = Interner::new(2);
        assert_eq!(names.intern(&[b'x'; 3 * ROOM_PER_NAME]), None);
        assert!(names.intern(b"a").is_some());
    }

    #[test]
    fn names_with_the_same_display_are_equal() {
        let mut names = Interner::default();
        assert_eq!(names.intern(b"eni-\xff"), names.intern(b"eni-\xfe"));
    }
}
