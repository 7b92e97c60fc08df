//! In which VPC an address is.

use super::{BlockId, VpcIndex};

/// In which VPC an address is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Location {
    /// In none that is known.
    Outside,
    /// In this one.
    In(VpcIndex),
    /// Several VPCs have the longest block that holds it, and nothing tells which is meant.
    Ambiguous(BlockId),
}

/// A [`Location`] in one number, so that several questions are asked of it at once: where an address of a flow log is nobody
/// can foresee, and each question by itself would be a branch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PackedLocation(u64);

impl PackedLocation {
    /// In none that is known.
    pub const OUTSIDE: PackedLocation = PackedLocation(0);
    const IN: u64 = 1 << 32;
    const AMBIGUOUS: u64 = 2 << 32;

    /// Whether it is in one VPC.
    #[inline(always)]
    pub fn is_in_one(self) -> bool {
        self.0 & PackedLocation::IN != 0
    }

    /// The block that several VPCs tie on, if that is where it is.
    #[inline(always)]
    pub(super) fn tie(self) -> Option<BlockId> {
        (self.0 & PackedLocation::AMBIGUOUS != 0).then_some(self.0 as BlockId)
    }

    /// The same in words.
    pub fn location(self) -> Location {
        match self.tie() {
            Some(tie) => Location::Ambiguous(tie),
            // The lower half is a number, which fits.
            None if self.is_in_one() => Location::In(VpcIndex(self.0 as u32)),
            None => Location::Outside,
        }
    }
}

impl From<Location> for PackedLocation {
    fn from(location: Location) -> PackedLocation {
        match location {
            Location::Outside => PackedLocation::OUTSIDE,
            Location::In(vpc) => PackedLocation(PackedLocation::IN | u64::from(vpc.0)),
            Location::Ambiguous(tie) => PackedLocation(PackedLocation::AMBIGUOUS | u64::from(tie)),
        }
    }
}
