//! The VPC of an address.

use super::{BlockId, VpcIndex};

/// Location of an address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Location {
    /// In no known VPC.
    Outside,
    /// In this VPC.
    In(VpcIndex),
    /// In a block that several VPCs use, and the record does not show which one applies.
    Ambiguous(BlockId),
}

/// [`Location`] packed into an integer, so that several checks compile to one branch-free test. Branches would be
/// mispredicted often, because the locations in a flow log are unpredictable.
///
/// The lower 32 bits are the VPC or the block. Bit 32 is set if the address is in one VPC, bit 33 if it is ambiguous.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PackedLocation(u64);

impl PackedLocation {
    /// In no known VPC.
    pub const OUTSIDE: PackedLocation = PackedLocation(0);
    const IN: u64 = 1 << 32;
    const AMBIGUOUS: u64 = 2 << 32;

    /// Reports whether the address is in exactly one VPC.
    #[inline(always)]
    pub fn is_in_one_vpc(self) -> bool {
        self.0 & PackedLocation::IN != 0
    }

    /// Returns the block that several VPCs use, if the address is ambiguous.
    #[inline(always)]
    pub(super) fn ambiguous_block(self) -> Option<BlockId> {
        (self.0 & PackedLocation::AMBIGUOUS != 0).then_some(self.0 as BlockId)
    }

    /// Unpacks the location.
    pub fn location(self) -> Location {
        match self.ambiguous_block() {
            Some(block) => Location::Ambiguous(block),
            // The cast keeps the lower 32 bits.
            None if self.is_in_one_vpc() => Location::In(VpcIndex(self.0 as u32)),
            None => Location::Outside,
        }
    }
}

impl From<Location> for PackedLocation {
    fn from(location: Location) -> PackedLocation {
        match location {
            Location::Outside => PackedLocation::OUTSIDE,
            Location::In(vpc) => PackedLocation(PackedLocation::IN | u64::from(vpc.0)),
            Location::Ambiguous(block) => PackedLocation(PackedLocation::AMBIGUOUS | u64::from(block)),
        }
    }
}
