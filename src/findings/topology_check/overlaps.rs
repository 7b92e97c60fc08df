//! Overlapping CIDR blocks.

use std::collections::{BTreeMap, BTreeSet};

use ipnet::IpNet;

use super::types::{TopologyDetails, TopologyFinding, TopologyFindingType, TopologySubject};
use crate::findings::types::Severity;
use crate::topology::{Topology, VpcIndex};

/// Finds VPCs with overlapping blocks that are peered or have a common peer. AWS rejects the first, but allows the second.
pub(super) fn overlapping_vpcs(topology: &Topology) -> Vec<TopologyFinding> {
    // Pairs of VPCs that are peered or overlap, each with the common peers. Most peers of a hub do not overlap: to keep all pairs of
    // them would take quadratic time and memory.
    let mut pairs: BTreeMap<(VpcIndex, VpcIndex), BTreeSet<VpcIndex>> = BTreeMap::new();
    for (vpc, _) in topology.vpcs() {
        for peer in topology.peers(vpc) {
            pairs.entry((vpc.min(peer), vpc.max(peer))).or_default();
        }
        for_each_overlap(topology, topology.peers(vpc), |a, b| {
            pairs.entry((a, b)).or_default().insert(vpc);
        });
    }
    pairs.into_iter().filter_map(|((a, b), common)| overlap(topology, a, b, common)).collect()
}

/// Calls `f` with the two VPCs of each overlap of blocks, the lesser VPC first. A pair with several overlaps occurs several times.
fn for_each_overlap(topology: &Topology, vpcs: impl Iterator<Item = VpcIndex>, mut f: impl FnMut(VpcIndex, VpcIndex)) {
    let blocks_of = |vpc| topology.vpc(vpc).blocks.iter().map(move |block| (*block, vpc));
    let mut blocks: Vec<(IpNet, VpcIndex)> = vpcs.flat_map(blocks_of).collect();
    blocks.sort_unstable();
    // Blocks are in order, so those that contain the current one are the last that do not end before it.
    let mut containing: Vec<(IpNet, VpcIndex)> = Vec::new();
    for (block, vpc) in blocks {
        while containing.pop_if(|(outer, _)| !outer.contains(&block)).is_some() {}
        let others = containing.iter().map(|(_, other)| *other).filter(|other| *other != vpc);
        others.for_each(|other| f(vpc.min(other), vpc.max(other)));
        containing.push((block, vpc));
    }
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

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::*;
    use crate::topology::describe_output::Resources;

    /// Builds VPCs with these blocks. The first is peered with all others.
    fn star(blocks: &[Vec<String>]) -> Topology {
        let vpc = |(number, blocks): (usize, &Vec<String>)| {
            let (ipv6, ipv4): (Vec<_>, Vec<_>) = blocks.iter().partition(|block| block.contains(':'));
            let ipv4: Value = ipv4.iter().map(|block| json!({"CidrBlock": block})).collect();
            let ipv6: Value = ipv6.iter().map(|block| json!({"Ipv6CidrBlock": block})).collect();
            json!({"VpcId": format!("vpc-{number:04}"), "CidrBlockAssociationSet": ipv4, "Ipv6CidrBlockAssociationSet": ipv6})
        };
        let connection = |number: usize| {
            json!({"VpcPeeringConnectionId": format!("pcx-{number}"), "Status": {"Code": "active"},
                   "RequesterVpcInfo": {"VpcId": "vpc-0000"}, "AccepterVpcInfo": {"VpcId": format!("vpc-{number:04}")}})
        };
        let document = json!({"Vpcs": blocks.iter().enumerate().map(vpc).collect::<Value>(),
                              "VpcPeeringConnections": (1..blocks.len()).map(connection).collect::<Value>()});
        let mut resources = Resources::default();
        resources.read("1", document.to_string().as_bytes()).expect("JSON");
        Topology::new(resources)
    }

    fn subjects(topology: &Topology) -> Vec<TopologySubject> {
        overlapping_vpcs(topology).into_iter().map(|finding| finding.subject).collect()
    }

    fn a_block() -> impl Strategy<Value = String> {
        (0_u8..16, 0_u8..3, any::<bool>()).prop_map(|(part, shift, is_ipv6)| {
            let first = part >> shift << shift;
            if is_ipv6 { format!("2600::{first:x}/{}", 128 - shift) } else { format!("10.0.0.{first}/{}", 32 - shift) }
        })
    }

    proptest! {
        #[test]
        fn pairs_of_a_star_are_those_with_common_blocks(blocks in vec(vec(a_block(), 0..4), 1..7)) {
            let topology = star(&blocks);
            let vpcs: Vec<_> = topology.vpcs().map(|(_, vpc)| vpc).collect();
            let mut expected = Vec::new();
            for (number, a) in vpcs.iter().enumerate() {
                for b in vpcs.iter().skip(number + 1).filter(|b| !common_blocks(&a.blocks, &b.blocks).is_empty()) {
                    expected.push(TopologySubject::Vpcs { vpc_ids: vec![a.id.clone(), b.id.clone()] });
                }
            }
            prop_assert_eq!(subjects(&topology), expected);
        }
    }

    #[test]
    fn two_of_many_peers_overlap() {
        let blocks = |last: &str| {
            let mut blocks: Vec<Vec<String>> =
                (0..3_000).map(|number| vec![format!("10.{}.{}.0/24", number / 256, number % 256)]).collect();
            blocks.push(vec![last.to_owned()]);
            star(&blocks)
        };
        let expected = TopologySubject::Vpcs { vpc_ids: vec!["vpc-2999".to_owned(), "vpc-3000".to_owned()] };
        assert_eq!(subjects(&blocks("10.11.183.128/25")), [expected]);
        assert_eq!(subjects(&blocks("10.11.184.128/25")), []);
    }
}
