//! Values on which records should agree, such as the VPC of an interface.

use crate::aggregate::interner::{Interner, Symbol, SymbolRemap, bytes_eq};

/// The common value of several records: none yet, one, or a conflict. A record without a value does not conflict.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Consensus<T> {
    /// No record has a value.
    #[default]
    Unknown,
    /// Every record with a value has this one.
    One(T),
    /// Records have different values.
    Conflict,
}

impl<T: Copy + PartialEq> Consensus<T> {
    /// Adds the value of one record.
    pub fn observe(&mut self, reported: T) {
        *self = match *self {
            Consensus::Unknown => Consensus::One(reported),
            Consensus::One(one) if one == reported => Consensus::One(one),
            Consensus::One(_) | Consensus::Conflict => Consensus::Conflict,
        };
    }

    /// Adds the consensus of other records.
    pub fn merge(&mut self, other: Consensus<T>) {
        match other {
            Consensus::Unknown => {}
            Consensus::One(reported) => self.observe(reported),
            Consensus::Conflict => *self = Consensus::Conflict,
        }
    }

    /// Returns the common value, if there is one.
    pub fn one(self) -> Option<T> {
        match self {
            Consensus::One(one) => Some(one),
            Consensus::Unknown | Consensus::Conflict => None,
        }
    }

    /// Converts the common value.
    pub fn map<U>(self, f: impl FnOnce(T) -> U) -> Consensus<U> {
        match self {
            Consensus::Unknown => Consensus::Unknown,
            Consensus::One(one) => Consensus::One(f(one)),
            Consensus::Conflict => Consensus::Conflict,
        }
    }
}

/// The VPC or subnet that records report, and whether some records report none (the topology may then supply it).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ReportedId {
    /// The consensus of the records that report one.
    pub id: Consensus<Symbol>,
    /// Whether some records report none.
    pub unreported: bool,
}

impl ReportedId {
    /// Creates the value of one record. `id` is the symbol of the reported id, if there was room for it.
    pub fn new(reported: Option<&[u8]>, id: Option<Symbol>) -> ReportedId {
        match (reported, id) {
            (None, _) => ReportedId { id: Consensus::Unknown, unreported: true },
            (Some(_), Some(id)) => ReportedId { id: Consensus::One(id), unreported: false },
            // An id without a symbol differs from every interned id.
            (Some(_), None) => ReportedId { id: Consensus::Conflict, unreported: false },
        }
    }

    /// Adds one record, and returns the symbol of its id, if it has one. Usually all records report the same id; then no name is looked
    /// up.
    #[inline(always)]
    pub fn observe(&mut self, reported: Option<&[u8]>, places: &mut Interner) -> Option<Symbol> {
        let Some(reported) = reported else {
            self.unreported = true;
            return None;
        };
        match self.id {
            Consensus::One(one) if bytes_eq(places.name(one).as_bytes(), reported) => Some(one),
            _ => self.observe_slow(reported, places),
        }
    }

    #[cold]
    fn observe_slow(&mut self, reported: &[u8], places: &mut Interner) -> Option<Symbol> {
        let id = places.intern(reported);
        match id {
            Some(reported) => self.id.observe(reported),
            // An id without a symbol differs from every interned id.
            None => self.id = Consensus::Conflict,
        }
        id
    }

    /// Adds the records of another analysis. `places` maps its symbols to those of this one.
    pub fn merge(&mut self, other: ReportedId, places: &SymbolRemap) {
        let id = other.id.map(|place| places.get(place));
        self.id.merge(match id {
            Consensus::One(Some(id)) => Consensus::One(id),
            Consensus::Unknown => Consensus::Unknown,
            Consensus::One(None) | Consensus::Conflict => Consensus::Conflict,
        });
        self.unreported |= other.unreported;
    }

    /// Adds other records of the same analysis.
    pub fn add(&mut self, other: ReportedId) {
        self.id.merge(other.id);
        self.unreported |= other.unreported;
    }

    /// Returns the id on which all records agree. `known` is the id of the records that report none.
    pub fn resolve<'a>(self, known: Option<&'a str>, places: &'a Interner) -> Option<&'a str> {
        let mut agreed = self.id.map(|id| places.name(id));
        if let Some(known) = known.filter(|_| self.unreported) {
            agreed.observe(known);
        }
        agreed.one()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_without_a_value_does_not_conflict() {
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
