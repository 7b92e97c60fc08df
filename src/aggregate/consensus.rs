//! Values that records should agree on, such as the VPC of an interface.

use crate::aggregate::interner::{NameId, Names, Renumbered, same};

/// What several records say of the same thing: nothing yet, all the same, or not the same. A record that says nothing
/// contradicts nothing.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Agreed<T> {
    /// No record has said anything.
    #[default]
    Unsaid,
    /// Every record that has said anything said this.
    One(T),
    /// Records contradict each other.
    Many,
}

impl<T: Copy + PartialEq> Agreed<T> {
    /// Takes in what one more record says.
    pub fn observe(&mut self, said: T) {
        *self = match *self {
            Agreed::Unsaid => Agreed::One(said),
            Agreed::One(one) if one == said => Agreed::One(one),
            Agreed::One(_) | Agreed::Many => Agreed::Many,
        };
    }

    /// Takes in what other records say.
    pub fn merge(&mut self, other: Agreed<T>) {
        match other {
            Agreed::Unsaid => {}
            Agreed::One(said) => self.observe(said),
            Agreed::Many => *self = Agreed::Many,
        }
    }

    /// What all agree on, if they do.
    pub fn one(self) -> Option<T> {
        match self {
            Agreed::One(one) => Some(one),
            Agreed::Unsaid | Agreed::Many => None,
        }
    }

    /// The same agreement in other terms.
    pub fn map<U>(self, f: impl FnOnce(T) -> U) -> Agreed<U> {
        match self {
            Agreed::Unsaid => Agreed::Unsaid,
            Agreed::One(one) => Agreed::One(f(one)),
            Agreed::Many => Agreed::Many,
        }
    }
}

/// The place that records name, and whether some name none: a topology may know it then.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Said {
    /// What those agree on that name one.
    pub named: Agreed<NameId>,
    /// Whether there are others.
    pub unnamed: bool,
}

impl Said {
    /// What one record names, `id` being the number of that.
    pub fn of(said: Option<&[u8]>, id: Option<NameId>) -> Said {
        match (said, id) {
            (None, _) => Said { named: Agreed::Unsaid, unnamed: true },
            (Some(_), Some(id)) => Said { named: Agreed::One(id), unnamed: false },
            // Another than all that are known.
            (Some(_), None) => Said { named: Agreed::Many, unnamed: false },
        }
    }

    /// Takes in what one more record names, and says its number, if there is one. As a rule all name the same: then no name is
    /// looked up.
    #[inline(always)]
    pub fn observe(&mut self, said: Option<&[u8]>, places: &mut Names) -> Option<NameId> {
        let Some(said) = said else {
            self.unnamed = true;
            return None;
        };
        match self.named {
            Agreed::One(one) if same(places.name(one).as_bytes(), said) => Some(one),
            _ => self.observe_another(said, places),
        }
    }

    #[cold]
    fn observe_another(&mut self, said: &[u8], places: &mut Names) -> Option<NameId> {
        let id = places.intern(said);
        match id {
            Some(said) => self.named.observe(said),
            // Another than all that are known.
            None => self.named = Agreed::Many,
        }
        id
    }

    /// Takes in what other records name, whose places have those numbers here.
    pub fn merge(&mut self, other: Said, places: &Renumbered) {
        let named = other.named.map(|place| places.of(place));
        self.named.merge(match named {
            Agreed::One(Some(named)) => Agreed::One(named),
            Agreed::Unsaid => Agreed::Unsaid,
            Agreed::One(None) | Agreed::Many => Agreed::Many,
        });
        self.unnamed |= other.unnamed;
    }

    /// Takes in what other records of the same report name.
    pub fn add(&mut self, other: Said) {
        self.named.merge(other.named);
        self.unnamed |= other.unnamed;
    }

    /// The place that all agree on, `known` being that of the records that name none.
    pub fn agreed<'a>(self, known: Option<&'a str>, places: &'a Names) -> Option<&'a str> {
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
        let mut vpc = Agreed::Unsaid;
        assert_eq!(vpc.one(), None);
        vpc.observe(1);
        vpc.merge(Agreed::Unsaid);
        vpc.observe(1);
        assert_eq!(vpc.one(), Some(1));
        vpc.observe(2);
        assert_eq!(vpc.one(), None);
        vpc.observe(2);
        assert_eq!(vpc.one(), None);
    }
}
