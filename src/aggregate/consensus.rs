//! Values that records should agree on, such as the VPC of an interface.

use crate::aggregate::interner::{Interner, Symbol, SymbolRemap, same};

/// What several records say of the same thing: nothing yet, all the same, or not the same. A record that says nothing
/// contradicts nothing.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Consensus<T> {
    /// No record has said anything.
    #[default]
    Unknown,
    /// Every record that has said anything said this.
    One(T),
    /// Records contradict each other.
    Conflict,
}

impl<T: Copy + PartialEq> Consensus<T> {
    /// Takes in what one more record says.
    pub fn observe(&mut self, said: T) {
        *self = match *self {
            Consensus::Unknown => Consensus::One(said),
            Consensus::One(one) if one == said => Consensus::One(one),
            Consensus::One(_) | Consensus::Conflict => Consensus::Conflict,
        };
    }

    /// Takes in what other records say.
    pub fn merge(&mut self, other: Consensus<T>) {
        match other {
            Consensus::Unknown => {}
            Consensus::One(said) => self.observe(said),
            Consensus::Conflict => *self = Consensus::Conflict,
        }
    }

    /// What all agree on, if they do.
    pub fn one(self) -> Option<T> {
        match self {
            Consensus::One(one) => Some(one),
            Consensus::Unknown | Consensus::Conflict => None,
        }
    }

    /// The same agreement in other terms.
    pub fn map<U>(self, f: impl FnOnce(T) -> U) -> Consensus<U> {
        match self {
            Consensus::Unknown => Consensus::Unknown,
            Consensus::One(one) => Consensus::One(f(one)),
            Consensus::Conflict => Consensus::Conflict,
        }
    }
}

/// The place that records name, and whether some name none: a topology may know it then.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ReportedId {
    /// What those agree on that name one.
    pub named: Consensus<Symbol>,
    /// Whether there are others.
    pub unnamed: bool,
}

impl ReportedId {
    /// What one record names, `id` being the number of that.
    pub fn of(said: Option<&[u8]>, id: Option<Symbol>) -> ReportedId {
        match (said, id) {
            (None, _) => ReportedId { named: Consensus::Unknown, unnamed: true },
            (Some(_), Some(id)) => ReportedId { named: Consensus::One(id), unnamed: false },
            // Another than all that are known.
            (Some(_), None) => ReportedId { named: Consensus::Conflict, unnamed: false },
        }
    }

    /// Takes in what one more record names, and says its number, if there is one. As a rule all name the same: then no name is
    /// looked up.
    #[inline(always)]
    pub fn observe(&mut self, said: Option<&[u8]>, places: &mut Interner) -> Option<Symbol> {
        let Some(said) = said else {
            self.unnamed = true;
            return None;
        };
        match self.named {
            Consensus::One(one) if same(places.name(one).as_bytes(), said) => Some(one),
            _ => self.observe_another(said, places),
        }
    }

    #[cold]
    fn observe_another(&mut self, said: &[u8], places: &mut Interner) -> Option<Symbol> {
        let id = places.intern(said);
        match id {
            Some(said) => self.named.observe(said),
            // Another than all that are known.
            None => self.named = Consensus::Conflict,
        }
        id
    }

    /// Takes in what other records name, whose places have those numbers here.
    pub fn merge(&mut self, other: ReportedId, places: &SymbolRemap) {
        let named = other.named.map(|place| places.of(place));
        self.named.merge(match named {
            Consensus::One(Some(named)) => Consensus::One(named),
            Consensus::Unknown => Consensus::Unknown,
            Consensus::One(None) | Consensus::Conflict => Consensus::Conflict,
        });
        self.unnamed |= other.unnamed;
    }

    /// Takes in what other records of the same report name.
    pub fn add(&mut self, other: ReportedId) {
        self.named.merge(other.named);
        self.unnamed |= other.unnamed;
    }

    /// The place that all agree on, `known` being that of the records that name none.
    pub fn agreed<'a>(self, known: Option<&'a str>, places: &'a Interner) -> Option<&'a str> {
        let mut agreed = self.named.map(|id| places.name(id));
        known.filter(|_| self.unnamed).into_iter().for_each(|known| agreed.observe(known));
        agreed.one()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_says_nothing_contradicts_nothing() {
        let mut vpc = Consensus::Unknown;
        assert_eq!(vpc.one(), None);
        vpc.observe(1);
        vpc.merge(Consensus::Unknown);
        vpc.observe(1);
        assert_eq!(vpc.one(), Some(1));
        vpc.observe(2);
        assert_eq!(vpc.one(), None);
        vpc.observe(2);
        assert_eq!(vpc.one(), None);
    }
}
