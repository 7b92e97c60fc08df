//! Overlapping CIDR blocks.

use std::collections::{BTreeMap, BTreeSet};

use ipnet::IpNet;

use super::types::{TopologyDetails, TopologyFinding, TopologyFindingType, TopologySubject};
use crate::findings::types::Severity;
use crate::topology::{Topology, VpcIndex};

/// Finds VPCs with overlapping blocks that are peered or have a common peer. AWS rejects the first, but allows the second.
pub(super) fn overlapping_vpcs(topology: &Topology) -> Vec<TopologyFinding> {
    // Pairs of VPCs, each with the common peers.
    let mut pairs: BTreeMap<(VpcIndex, VpcIndex), BTreeSet<VpcIndex>> = BTreeMap::new();
    for (vpc, _) in topology.vpcs() {
        let mut peers: Vec<VpcIndex> = topology.peers(vpc).collect();
        while let Some(a) = peers.pop() {
            pairs.entry((vpc.min(a), vpc.max(a))).or_default();
            for &b in &peers {
                pairs.entry((a.min(b), a.max(b))).or_default().insert(vpc);
            }
        }
    }
    pairs.into_iter().filter_map(|((a, b), common)| overlap(topology, a, b, common)).collect()
}

fn overlap(topology: &Topology, a: VpcIndex, b: VpcIndex, common: BTreeSet<VpcIndex>) -> Option<TopologyFinding> {
    let [vpc_a, vpc_b] = [a, b].map(|vpc| topology.vpc(vpc));
    let cidr_blocks = common_blocks(&vpc_a.blocks, &vpc_b.blocks);
    let first = cidr_blocks.first()?;
    let peered = topology.is_peered(a, b);
    let via_vpc_ids: Vec<String> = common.into_iter().map(|vpc| topology.vpc(vpc).id.clone()).collect();
    let via = || via_vpc_ids.iter().map(|id| topology.label(id)).collect::<Vec<_>>().join(", ");
    let how = if peered { "are peered".to_owned() } else { format!("are both peered with {}", via()) };
    let title = format!("{} and {} {how} and overlap in {first}", topology.label(&vpc_a.id), topology.label(&vpc_b.id));
    let severity = if peered { Severity::High } else { Severity::Medium };
    let subject = TopologySubject::Vpcs { vpc_ids: vec![vpc_a.id.clone(), vpc_b.id.clone()] };
    let details = TopologyDetails::Overlap { cidr_blocks, via_vpc_ids };
    Some(TopologyFinding::new(topology, TopologyFindingType::OverlappingCidr, severity, title, subject, details))
}

/// Returns the smaller block of each overlapping pair, sorted and without duplicates.
fn common_blocks(a: &[IpNet], b: &[IpNet]) -> Vec<IpNet> {
    let mut common: Vec<IpNet> = Vec::new();
    for block in a {
        let overlapping = b.iter().filter(|other| block.contains(*other) || other.contains(block));
        common.extend(overlapping.map(|other| if block.prefix_len() > other.prefix_len() { *block } else { *other }));
    }
    common.sort_unstable();
    common.dedup();
    common
}
