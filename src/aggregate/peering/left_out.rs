//! What records that a filter left out decide about the traffic between VPCs. Their replies and rejections are in the pairs, without sums.

use std::collections::HashSet;

use foldhash::fast::RandomState;

use super::{Ends, InterVpcTraffic, TrafficClass, locate};
use crate::record::{Action, Flow, TCP};
use crate::topology::{PackedLocation, Topology, VpcIndex};

/// Records that a filter left out. Empty without a filter.
#[derive(Debug, Clone, Default)]
pub(super) struct LeftOutTraffic {
    /// Directions between two VPCs with accepted TCP records. The topology bounds their number.
    directions: HashSet<(VpcIndex, VpcIndex), RandomState>,
    /// Ends of rejected TCP records between addresses of VPCs, up to the limit of pairs.
    refused: HashSet<Ends, RandomState>,
    /// Whether rejected records are missing.
    overflowed: bool,
}

impl LeftOutTraffic {
    /// Adds a record of this class.
    pub(super) fn observe(&mut self, class: TrafficClass, flow: &Flow<'_>) {
        if let TrafficClass::Between(src, dst) = class
            && flow.action == Action::Accept
            && flow.protocol == Some(TCP)
        {
            self.directions.insert((src, dst));
        }
    }

    /// Adds the records of another analysis.
    pub(super) fn merge(&mut self, other: &LeftOutTraffic, limit: u64) {
        self.directions.extend(&other.directions);
        other.refused.iter().for_each(|ends| self.refuse(*ends, limit));
        self.overflowed |= other.overflowed;
    }

    fn refuse(&mut self, ends: Ends, limit: u64) {
        if (self.refused.len() as u64) < limit {
            self.refused.insert(ends);
        } else {
            self.overflowed |= !self.refused.contains(&ends);
        }
    }
}

impl InterVpcTraffic {
    /// Adds a rejected record that a filter left out: accepted records with the same ends may never have arrived.
    pub fn observe_refused(&mut self, flow: &Flow<'_>, topology: &Topology) {
        let is_in_vpc = |address| locate(address, topology) != PackedLocation::OUTSIDE;
        if flow.protocol == Some(TCP) && is_in_vpc(flow.src) && is_in_vpc(flow.dst) {
            self.left_out.refuse((flow.protocol, flow.src, flow.dst), self.limit);
        }
    }

    /// Returns the ends of rejected TCP records that a filter left out, or `None` if some are missing.
    pub fn refused_left_out(&self) -> Option<impl Iterator<Item = Ends>> {
        (!self.left_out.overflowed).then(|| self.left_out.refused.iter().copied())
    }

    /// Returns whether a filter left out accepted TCP records from one VPC to another.
    pub fn has_left_out(&self, src: VpcIndex, dst: VpcIndex) -> bool {
        self.left_out.directions.contains(&(src, dst))
    }
}
