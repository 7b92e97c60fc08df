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

/// A recorder whose VPC and subnet are looked up already.
#[derive(Debug, Clone, Copy, Default)]
pub struct KnownRecorder<'a> {
    /// The own VPC.
    pub vpc: Option<VpcIndex>,
    /// Id of the own subnet.
    pub subnet: Option<&'a str>,
}

impl Recorder for KnownRecorder<'_> {
    fn vpc(&mut self) -> Option<VpcIndex> {
        self.vpc
    }

    fn subnet(&mut self) -> Option<Cow<'_, str>> {
        self.subnet.map(Cow::Borrowed)
    }
}

/// Location of an address as far as it does not depend on the record, packed into an integer, so that several checks compile to one
/// branch-free test. Branches would be mispredicted often, because the locations in a flow log are unpredictable.
///
/// The lower 32 bits are the VPC or the block. Bit 32 is set if the address is in one VPC, bit 33 if blocks of several VPCs have it, so
/// that the record decides.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PackedLocation(u64);

impl PackedLocation {
    /// In no known VPC.
    pub const OUTSIDE: PackedLocation = PackedLocation(0);
    const IN: u64 = 1 << 32;
    const CONTESTED: u64 = 1 << 33;

    /// Creates the location of a block of one VPC.
    pub(super) fn inside(vpc: VpcIndex) -> PackedLocation {
        PackedLocation(PackedLocation::IN | u64::from(vpc.0))
    }

    /// Creates the location of a block that overlaps with a block of another VPC.
    pub(super) fn contested(block: BlockId) -> PackedLocation {
        PackedLocation(PackedLocation::CONTESTED | u64::from(block))
    }

    /// Reports whether the address is in exactly one VPC, whatever the record.
    #[inline(always)]
    pub fn is_in_one_vpc(self) -> bool {
        self.0 & PackedLocation::IN != 0
    }

    /// Reports whether one of two addresses is in blocks of several VPCs, so that another record may locate it elsewhere.
    #[inline(always)]
    pub fn is_contested(self, other: PackedLocation) -> bool {
        (self.0 | other.0) & PackedLocation::CONTESTED != 0
    }

    /// Returns the longest block, if it is contested.
    pub(super) fn contested_block(self) -> Option<BlockId> {
        // The cast keeps the lower 32 bits.
        (self.0 & PackedLocation::CONTESTED != 0).then_some(self.0 as BlockId)
    }

    /// Unpacks a location that is not contested.
    pub(super) fn location(self) -> Location {
        // The cast keeps the lower 32 bits.
        if self.is_in_one_vpc() { Location::In(VpcIndex(self.0 as u32)) } else { Location::Outside }
    }
}
