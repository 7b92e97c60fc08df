//! What a single accepted record shows of a TCP connection.

use crate::record::{Direction, Flow, TCP};

/// What an accepted record shows of a connection that its interface opens.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum ConnectionStage {
    /// No TCP, no `tcp-flags`, to the interface, or to another VPC.
    Irrelevant,
    /// Opens a connection from the interface.
    Opens,
    /// Belongs to a connection from the interface that was answered.
    Answered,
    /// Opens a connection. The record has no direction.
    UndirectedOpens,
    /// Belongs to a connection that was answered. The record has no direction.
    UndirectedAnswered,
}

impl ConnectionStage {
    /// All stages, in the order of their numbers.
    pub const ALL: [ConnectionStage; 5] = [
        ConnectionStage::Irrelevant,
        ConnectionStage::Opens,
        ConnectionStage::Answered,
        ConnectionStage::UndirectedOpens,
        ConnectionStage::UndirectedAnswered,
    ];

    /// Returns the stage of an accepted record. `leaves_vpc` tells whether it goes to another VPC, or into a peering connection.
    #[inline(always)]
    pub fn from_flow(flow: &Flow<'_>, leaves_vpc: bool) -> ConnectionStage {
        if flow.protocol != Some(TCP) || !flow.tcp_flags.are_present() || leaves_vpc {
            return ConnectionStage::Irrelevant;
        }
        match (flow.direction, flow.tcp_flags.is_syn_only()) {
            (Some(Direction::Egress), true) => ConnectionStage::Opens,
            (Some(Direction::Egress), false) => ConnectionStage::Answered,
            (Some(Direction::Ingress), _) => ConnectionStage::Irrelevant,
            (Some(Direction::Unknown) | None, true) => ConnectionStage::UndirectedOpens,
            (Some(Direction::Unknown) | None, false) => ConnectionStage::UndirectedAnswered,
        }
    }

    /// Returns the stage with this number.
    pub(super) fn from_number(number: u32) -> ConnectionStage {
        ConnectionStage::ALL.get(number as usize).copied().unwrap_or(ConnectionStage::Irrelevant)
    }

    /// Returns whether the record opens a connection, and nothing in it shows an answer.
    #[inline(always)]
    pub fn opens(self) -> bool {
        matches!(self, ConnectionStage::Opens | ConnectionStage::UndirectedOpens)
    }

    /// Returns whether the record belongs to a connection that was answered.
    pub fn is_answered(self) -> bool {
        matches!(self, ConnectionStage::Answered | ConnectionStage::UndirectedAnswered)
    }

    /// Returns whether `flow-direction` says that the record leaves the interface.
    pub fn is_directed(self) -> bool {
        matches!(self, ConnectionStage::Opens | ConnectionStage::Answered)
    }
}
