//! The VPC of an address.

use std::borrow::Cow;

use super::{BlockId, VpcIndex};

/// Location of an address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Location {
    /// In no known VPC.
    Outside,
    /// In this VPC.
    In(VpcIndex),
    /// In a block that several VPCs use, and neither the record nor a route shows which one applies.
    Ambiguous(Tie),
}

/// VPCs that use the same block, so that an address in it is ambiguous.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Tie {
    /// The block.
    pub block: BlockId,
    /// The VPC whose peers tie. `None` if all VPCs that use the block do.
    pub peers_of: Option<VpcIndex>,
}

/// What locates the addresses of a record: the interface that recorded it.
pub trait Recorder {
    /// Returns the own VPC of the record.
    fn vpc(&mut self) -> Option<VpcIndex>;

    /// Returns the id of the own subnet of the record.
    fn subnet(&mut self) -> Option<Cow<'_, str>>;
}

/// A recorder whose subnet is unknown.
impl Recorder for Option<VpcIndex> {
    fn vpc(&mut self) -> Option<VpcIndex> {
        *self
    }

    fn subnet(&mut self) -> Option<Cow<'_, str>> {
        None
    }
}

/// [`Location`] packed into an integer, so that several checks compile to one branch-free test. Branches would be
/// mispredicted often, because the locations in a flow log are unpredictable.
///
/// The lower 32 bits are the VPC or the block. Bit 32 is set if the address is in one VPC, bit 33 if it is ambiguous, bit 34 if blocks
/// of several VPCs have it. The 29 bits above are the VPC whose peers tie, plus 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PackedLocation(u64);

impl PackedLocation {
    /// In no known VPC.
    pub const OUTSIDE: PackedLocation = PackedLocation(0);
    const IN: u64 = 1 << 32;
    const AMBIGUOUS: u64 = 1 << 33;
    const CONTESTED: u64 = 1 << 34;
    const PEERS_OF_SHIFT: u32 = 35;

    /// Creates the location of a block that overlaps with a block of another VPC, so that the record decides.
    pub(super) fn contested(block: BlockId) -> PackedLocation {
        PackedLocation(PackedLocation::CONTESTED | u64::from(block))
    }

    /// Reports whether the address is in exactly one VPC.
    #[inline(always)]
    pub fn is_in_one_vpc(self) -> bool {
        self.0 & PackedLocation::IN != 0
    }

    /// Reports whether blocks of several VPCs have the address, so that it may be located differently in another record.
    #[inline(always)]
    pub fn is_contested(self) -> bool {
        self.0 & PackedLocation::CONTESTED != 0
    }

    /// Returns the location after the record decided: still marked as contested.
    pub(super) fn decided(location: Location) -> PackedLocation {
        PackedLocation(PackedLocation::from(location).0 | PackedLocation::CONTESTED)
    }

    /// Returns the block of a contested location that is not decided yet.
    pub(super) fn block(self) -> BlockId {
        self.0 as BlockId
    }

    /// Unpacks the location.
    pub fn location(self) -> Location {
        // The casts keep the lower 32 bits.
        if self.is_in_one_vpc() {
            Location::In(VpcIndex(self.0 as u32))
        } else if self.0 & PackedLocation::AMBIGUOUS != 0 {
            let peers_of = (self.0 >> PackedLocation::PEERS_OF_SHIFT) as u32;
            Location::Ambiguous(Tie { block: self.0 as BlockId, peers_of: peers_of.checked_sub(1).map(VpcIndex) })
        } else {
            Location::Outside
        }
    }
}

impl From<Location> for PackedLocation {
    fn from(location: Location) -> PackedLocation {
        match location {
            Location::Outside => PackedLocation::OUTSIDE,
            Location::In(vpc) => PackedLocation(PackedLocation::IN | u64::from(vpc.0)),
            Location::Ambiguous(Tie { block, peers_of }) => {
                let peers_of = peers_of.map_or(0, |vpc| u64::from(vpc.0) + 1) << PackedLocation::PEERS_OF_SHIFT;
                PackedLocation(PackedLocation::AMBIGUOUS | peers_of | u64::from(block))
            }
        }
    }
}
