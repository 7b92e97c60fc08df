//! The rows of the interfaces.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use super::{Interface, Interfaces, SharedAddresses};
use crate::aggregate::counters::Counters;
use crate::aggregate::interner::Interner;
use crate::aggregate::rows::{InvalidRow, ReportedRow, SeenRow};

/// The records of one interface, or of none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct InterfaceRow<'a> {
    /// Id of the interface. The first row has none.
    #[serde(borrow)]
    name: Option<&'a str>,
    vpc: ReportedRow,
    subnet: ReportedRow,
    accepted: Counters,
    rejected: Counters,
    skipped: Counters,
    skipped_seen: SeenRow,
    shared_addresses: SharedRow,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
enum SharedRow {
    NoRecord,
    Remaining(Option<IpAddr>, Option<IpAddr>),
}

impl From<SharedAddresses> for SharedRow {
    fn from(shared: SharedAddresses) -> SharedRow {
        match shared {
            SharedAddresses::NoRecord => SharedRow::NoRecord,
            SharedAddresses::Remaining(a, b) => SharedRow::Remaining(a, b),
        }
    }
}

impl From<SharedRow> for SharedAddresses {
    fn from(shared: SharedRow) -> SharedAddresses {
        match shared {
            SharedRow::NoRecord => SharedAddresses::NoRecord,
            SharedRow::Remaining(a, b) => SharedAddresses::new(a, b),
        }
    }
}

impl Interfaces {
    /// Returns all rows in the order of their symbols, that of "no interface" first.
    pub fn rows(&self) -> impl Iterator<Item = InterfaceRow<'_>> {
        self.iter().map(|(id, interface)| InterfaceRow {
            name: id.map(|id| self.name(id)),
            vpc: interface.vpc.into(),
            subnet: interface.subnet.into(),
            accepted: interface.accepted,
            rejected: interface.rejected,
            skipped: interface.skipped,
            skipped_seen: interface.skipped_seen.into(),
            shared_addresses: interface.shared_addresses.into(),
        })
    }

    /// Adds the row of the next symbol, or of "no interface".
    ///
    /// # Errors
    /// If the name is that of another row, above the limit, or names a place that does not exist.
    pub fn restore(&mut self, row: InterfaceRow<'_>, places: &Interner) -> Result<(), InvalidRow> {
        let id = match row.name {
            None => None,
            Some(name) if self.names.restore(name) => self.names.ids().last(),
            Some(_) => return Err(InvalidRow("an interface occurs twice, or is above the limit")),
        };
        *self.get_mut(id) = Interface {
            vpc: row.vpc.restore(places)?,
            subnet: row.subnet.restore(places)?,
            accepted: row.accepted,
            rejected: row.rejected,
            skipped: row.skipped,
            skipped_seen: row.skipped_seen.restore()?,
            shared_addresses: row.shared_addresses.into(),
            ..Interface::default()
        };
        Ok(())
    }

    /// Marks that there was no room for an interface.
    pub fn mark_incomplete(&mut self) {
        self.names.mark_incomplete();
    }

    /// Returns the names of the interfaces, whose symbols rows refer to.
    pub fn names(&self) -> &Interner {
        &self.names
    }
}
