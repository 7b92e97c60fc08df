//! Rows of the rejected groups with the most flows.

use std::cmp::Ordering;
use std::net::IpAddr;

use super::build::SummaryBuilder;
use crate::aggregate::counters::Counters;
use crate::aggregate::rejected::{Group, GroupKey, Groups};
use crate::record::names;
use crate::summary::RejectedGroup;

impl SummaryBuilder<'_> {
    /// Returns the `max` groups with the most flows, as rows.
    pub(super) fn top_groups(&self, groups: &Groups, max: usize) -> Vec<RejectedGroup> {
        let key = |index: u32| self.sort_key(groups.get(index as usize).key);
        // Keys decide only among groups with equal sums. Comparing the keys of all groups would take most of the time.
        let order = |(a_tally, a): &(Counters, u32), (b_tally, b): &(Counters, u32)| {
            b_tally.cmp(a_tally).then_with(|| key(*a).cmp(&key(*b)))
        };
        let mut candidates: Vec<(Counters, u32)> = Vec::new();
        let mut least = Counters::default();
        for (tally, index) in groups.tallies().iter().zip(0..) {
            if *tally >= least {
                candidates.push((*tally, index));
            }
            // Keep a surplus of candidates so that partial sorting is rare.
            if candidates.len() >= max.saturating_mul(2).saturating_add(SURPLUS) {
                least = truncate_to_top(&mut candidates, max, order);
            }
        }
        truncate_to_top(&mut candidates, max, order);
        candidates.sort_unstable_by(order);
        candidates.into_iter().map(|(tally, index)| self.row(tally, &groups.get(index as usize))).collect()
    }

    fn sort_key(&self, key: GroupKey) -> SortKey<'_> {
        (self.network.interface_name(key.interface), key.src, key.dst, key.dstport, key.protocol)
    }

    fn row(&self, tally: Counters, group: &Group<'_>) -> RejectedGroup {
        let key = group.key;
        let recorder = self.network.recorder(group);
        let (direction, _) = self.network.direction(group);
        let interface_id = self.network.interface_name(key.interface);
        RejectedGroup {
            interface_id: interface_id.map(str::to_owned),
            interface_name: self.name_of(interface_id),
            srcaddr: key.src,
            dstaddr: key.dst,
            dstport: key.dstport,
            protocol: key.protocol,
            protocol_name: key.protocol.and_then(names::protocol_name),
            service_name: key
                .dstport
                .zip(key.protocol)
                .and_then(|(port, protocol)| names::service_name(port, protocol)),
            direction,
            cause: group.cause(),
            causes: group.causes(),
            denied_by: self.denied_by(group),
            tally,
            seen: group.seen(),
            src: self.network.endpoint(key.src, recorder),
            dst: self.network.endpoint(key.dst, recorder),
        }
    }
}

/// Minimum number of surplus candidates before a partial sort.
const SURPLUS: usize = 256;

/// Keeps the first `count` candidates. The order must sort by tallies, highest first. Returns the minimum tally of a further
/// candidate.
fn truncate_to_top(
    candidates: &mut Vec<(Counters, u32)>,
    count: usize,
    order: impl Fn(&(Counters, u32), &(Counters, u32)) -> Ordering,
) -> Counters {
    if count < candidates.len() {
        candidates.select_nth_unstable_by(count, order);
        candidates.truncate(count);
    }
    candidates.iter().map(|(tally, _)| *tally).min().unwrap_or_default()
}

/// Order of groups with equal sums.
type SortKey<'a> = (Option<&'a str>, Option<IpAddr>, Option<IpAddr>, Option<u16>, Option<u8>);

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use serde_json::json;

    use crate::pipeline::{self, Options};
    use crate::summary::Rejected;
    use crate::summary::build::{self, SummaryOptions};
    use crate::topology::Topology;
    use crate::topology::describe_output::Resources;
    use crate::topology::endpoint::Endpoint;

    /// Creates a topology of two VPCs and an interface in the first, with an address and a delegated prefix.
    fn topology() -> Topology {
        let interface = json!({
            "NetworkInterfaceId": "eni-known", "VpcId": "vpc-a", "SubnetId": "subnet-a", "PrivateIpAddress": "10.1.0.5",
            "Ipv4Prefixes": [{"Ipv4Prefix": "10.1.9.0/28"}], "TagSet": [{"Key": "Name", "Value": "web"}],
        });
        let document = json!({
            "Vpcs": [{"VpcId": "vpc-a", "CidrBlock": "10.1.0.0/16", "Tags": [{"Key": "Name", "Value": "prod"}]},
                     {"VpcId": "vpc-b", "CidrBlock": "52.0.0.0/16"}],
            "Subnets": [{"SubnetId": "subnet-a", "VpcId": "vpc-a", "CidrBlock": "10.1.0.0/24"}],
            "NetworkInterfaces": [interface],
        });
        let mut resources = Resources::default();
        resources.read("case.json", document.to_string().as_bytes()).expect("JSON");
        Topology::new(resources)
    }

    fn rejected(records: &[&str]) -> Rejected {
        let topology = Arc::new(topology());
        let header = "interface-id vpc-id srcaddr dstaddr action flow-direction";
        let log = format!("{header}\n{}\n", records.join("\n"));
        let options = Options { topology: Some(Arc::clone(&topology)), ..Options::default() };
        let analysis = pipeline::analyze("case", log.as_bytes(), &options).expect("a flow log");
        assert_eq!(analysis.records.malformed, 0);
        build::build_summary(analysis, &SummaryOptions::default(), Some(&topology)).rejected
    }

    fn direction(records: &[&str]) -> &'static str {
        let rejected = rejected(records);
        assert_eq!(rejected.groups.len(), 1);
        rejected.groups[0].direction.name()
    }

    #[test]
    fn the_first_groups_do_not_depend_on_the_maximum() {
        // Many more groups than one partial sort takes. Most have equal sums, and the largest are spread over the log.
        let record =
            |n: u32| format!("eni-1 10.0.{}.{} 10.1.0.7 REJECT\n", n * 7919 % 4001 / 256, n * 7919 % 4001 % 256);
        let records: String =
            (0..4001_u32).flat_map(|n| std::iter::repeat_n(record(n), 1 + usize::from(n % 50 == 3))).collect();
        let log = format!("interface-id srcaddr dstaddr action\n{records}");
        let rows = |max_listed_groups| {
            let analysis = pipeline::analyze("case", log.as_bytes(), &Options::default()).expect("a flow log");
            let settings = SummaryOptions { max_listed_groups, ..SummaryOptions::default() };
            build::build_summary(analysis, &settings, None).rejected.groups
        };
        let all = rows(usize::MAX);
        assert_eq!(all.len(), 4001);
        assert!(all.is_sorted_by_key(|row| std::cmp::Reverse(row.tally.flows)));
        assert_eq!(all.iter().filter(|row| row.tally.flows == 2).count(), 80);
        for max in [0, 1, 79, 80, 81, 90, 500, 1000, 2000, 4000, 4001, 4002] {
            assert!(rows(max) == all[..max.min(4001)], "{max}");
        }
    }

    #[test]
    fn addresses_of_the_interface_decide_the_direction() {
        assert_eq!(direction(&["eni-known - 8.8.8.8 10.1.0.5 REJECT -"]), "ingress");
        assert_eq!(direction(&["eni-known - 10.1.0.5 8.8.8.8 REJECT -"]), "egress");
        assert_eq!(direction(&["eni-known - 10.1.0.7 10.1.9.3 REJECT -"]), "ingress");
        assert_eq!(direction(&["eni-known - 10.1.9.3 10.1.0.7 REJECT -"]), "egress");
        // The `flow-direction` of the records takes precedence.
        assert_eq!(direction(&["eni-known - 8.8.8.8 10.1.0.5 REJECT egress"]), "egress");
    }

    #[test]
    fn the_vpc_decides_the_direction_without_a_known_interface() {
        assert_eq!(direction(&["eni-1 vpc-a 8.8.8.8 10.1.0.7 REJECT -"]), "ingress");
        assert_eq!(direction(&["eni-1 vpc-a 10.1.0.7 8.8.8.8 REJECT -"]), "egress");
        assert_eq!(direction(&["eni-1 vpc-a 52.0.0.1 10.1.0.7 REJECT -"]), "ingress");
        assert_eq!(direction(&["- vpc-a 10.1.0.7 8.8.8.8 REJECT -"]), "egress");
        // The VPC of the interface in the topology, if the records report none.
        assert_eq!(direction(&["eni-known - 8.8.8.8 10.1.0.7 REJECT -"]), "ingress");
        // Both addresses in the VPC, neither in it, or records that disagree on the VPC. Neither is the only private address.
        assert_eq!(direction(&["eni-1 vpc-a 10.1.0.8 10.1.0.7 REJECT -"]), "unknown");
        assert_eq!(direction(&["eni-1 vpc-a 8.8.8.8 9.9.9.9 REJECT -"]), "unknown");
        assert_eq!(direction(&["eni-1 - 10.9.0.1 10.1.0.7 REJECT -"]), "unknown");
        let disputed = ["eni-1 vpc-a 10.9.0.1 10.1.0.7 REJECT -", "eni-1 vpc-b 10.9.0.1 10.1.0.7 REJECT -"];
        assert_eq!(direction(&disputed), "unknown");
        let disputed = ["eni-known vpc-b 10.9.0.1 10.1.0.7 REJECT -", "eni-known - 10.9.0.1 10.1.0.7 REJECT -"];
        assert_eq!(direction(&disputed), "unknown");
    }

    #[test]
    fn rows_have_the_known_facts_of_both_ends() {
        let rejected = rejected(&["eni-known - 52.0.0.1 10.1.0.5 REJECT -"]);
        let some = |text: &str| Some(text.to_owned());
        let row = serde_json::to_value(&rejected.groups[0].src).expect("JSON");
        let vpc_b = json!({
            "scope": "vpc", "vpc_id": "vpc-b", "vpc_name": null, "subnet_id": null, "subnet_name": null,
            "interface_id": null, "service": null, "name": null,
        });
        assert_eq!(row, vpc_b);
        let dst = Endpoint {
            scope: Some(crate::topology::endpoint::Scope::Vpc),
            vpc_id: some("vpc-a"),
            vpc_name: some("prod"),
            subnet_id: some("subnet-a"),
            subnet_name: None,
            interface_id: some("eni-known"),
            service: some("ec2"),
            name: some("web"),
        };
        assert_eq!(rejected.groups[0].dst, dst);
    }

    #[test]
    fn the_topology_supplies_missing_vpcs_and_subnets() {
        let rejected = rejected(&[
            "eni-known - 8.8.8.8 10.1.0.5 REJECT -",
            "eni-known vpc-b 8.8.4.4 10.1.0.5 REJECT -",
            "eni-1 - 8.8.8.8 10.1.0.7 REJECT -",
        ]);
        let name = |id: &Option<String>| id.clone().unwrap_or_else(|| "-".to_owned());
        let vpcs: Vec<_> = rejected.by_vpc.iter().map(|row| (name(&row.vpc_id), row.tally.flows)).collect();
        assert_eq!(vpcs, [("-".to_owned(), 1), ("vpc-a".to_owned(), 1), ("vpc-b".to_owned(), 1)]);
        let subnets: Vec<_> =
            rejected.by_subnet.iter().map(|row| (name(&row.subnet_id), name(&row.vpc_id), row.tally.flows)).collect();
        let expected = [("subnet-a", "-", 2), ("-", "-", 1)].map(|(a, b, n)| (a.to_owned(), b.to_owned(), n));
        assert_eq!(subnets, expected);
        let interfaces: Vec<_> = rejected
            .by_interface
            .iter()
            .map(|row| (name(&row.interface_id), name(&row.vpc_id), name(&row.subnet_id)))
            .collect();
        let expected = [("eni-known", "-", "subnet-a"), ("eni-1", "-", "-")];
        assert_eq!(interfaces, expected.map(|(a, b, c)| (a.to_owned(), b.to_owned(), c.to_owned())));
    }

    #[test]
    fn a_subnet_has_the_vpc_of_its_interface() {
        let rejected = rejected(&["eni-known - 8.8.8.8 10.1.0.5 REJECT -"]);
        assert_eq!(rejected.by_subnet[0].vpc_id.as_deref(), Some("vpc-a"));
        assert_eq!(rejected.by_interface[0].vpc_id.as_deref(), Some("vpc-a"));
    }

    #[test]
    fn an_address_in_a_known_vpc_is_not_public() {
        // 52.0.0.0/16 belongs to a VPC here, so traffic to it is not traffic to the internet.
        let egress = |dst: &str| -> Vec<String> {
            (0..6).map(|n| format!("eni-known - 10.1.0.5 {dst} REJECT egress{}", " ".repeat(n))).collect()
        };
        let findings = |records: Vec<String>| {
            let topology = Arc::new(topology());
            let log = format!("interface-id vpc-id srcaddr dstaddr action flow-direction\n{}\n", records.join("\n"));
            let options = Options { topology: Some(Arc::clone(&topology)), ..Options::default() };
            let analysis = pipeline::analyze("case", log.as_bytes(), &options).expect("a flow log");
            let findings = build::build_summary(analysis, &SummaryOptions::default(), Some(&topology)).findings;
            findings.iter().filter(|finding| finding.finding_type.name() == "egress-blocked").count()
        };
        assert_eq!(findings(egress("52.1.0.1")), 1);
        assert_eq!(findings(egress("52.0.0.1")), 0);
    }
}
