//! What records that a filter left out decide about the records that passed, besides causes and replies.

use std::collections::HashSet;

use foldhash::fast::RandomState;

use crate::aggregate::interner::{Symbol, SymbolRemap};

/// Facts about the records that a filter left out. Empty without a filter.
#[derive(Debug, Clone, Default)]
pub struct LeftOut {
    /// Whether one of them was accepted.
    pub has_accepted: bool,
    /// Interfaces whose records AWS skipped. Tracked interfaces, and the entry without one, bound their number.
    gaps: HashSet<Option<Symbol>, RandomState>,
}

impl LeftOut {
    /// Adds a gap of an interface.
    pub(super) fn observe_gap(&mut self, interface: Option<Symbol>) {
        self.gaps.insert(interface);
    }

    /// Returns whether AWS skipped records of the interface.
    pub fn has_gaps(&self, interface: Option<Symbol>) -> bool {
        self.gaps.contains(&interface)
    }

    /// Adds the facts of another analysis. `interfaces` maps its symbols.
    pub(super) fn merge(&mut self, other: &LeftOut, interfaces: &SymbolRemap) {
        self.has_accepted |= other.has_accepted;
        self.gaps.extend(other.gaps.iter().map(|id| id.and_then(|id| interfaces.get(id))));
    }
}
