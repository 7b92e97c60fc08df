//! Rejected groups, as the rows that are shown.

use std::cmp::Ordering;
use std::net::IpAddr;

use super::build::SummaryBuilder;
use crate::aggregate::counters::Counters;
use crate::aggregate::rejected::{Group, GroupKey, Groups};
use crate::record::iana;
use crate::summary::RejectedGroup;
use crate::topology::VpcIndex;
use crate::topology::endpoint::Endpoint;
use crate::topology::endpoint::Scope;

impl SummaryBuilder<'_> {
    /// The groups with the most flows, as rows.
    pub(super) fn top_groups(&self, groups: &Groups, top: usize) -> Vec<RejectedGroup> {
        let key = |number: u32| self.shown_key(groups.get(number as usize).key);
        // Keys decide among groups that tie alone: to look at those of all takes longer than all else here.
        let order = |(a_tally, a): &(Counters, u32), (b_tally, b): &(Counters, u32)| {
            b_tally.cmp(a_tally).then_with(|| key(*a).cmp(&key(*b)))
        };
        let mut rows: Vec<(Counters, u32)> = Vec::new();
        let mut least = Counters::default();
        for (tally, number) in groups.tallies().iter().zip(0..) {
            if *tally >= least {
                rows.push((*tally, number));
            }
            // Few are kept while the others are looked at: so many that to sort them out is seldom.
            if rows.len() >= top.saturating_mul(2).saturating_add(AT_ONCE) {
                least = truncate_to_top(&mut rows, top, order);
            }
        }
        truncate_to_top(&mut rows, top, order);
        rows.sort_unstable_by(order);
        rows.into_iter().map(|(tally, number)| self.row(tally, &groups.get(number as usize))).collect()
    }

    fn shown_key(&self, key: GroupKey) -> SortKey<'_> {
        (self.network.interface_name(key.interface), key.src, key.dst, key.dstport, key.protocol)
    }

    fn row(&self, tally: Counters, group: &Group<'_>) -> RejectedGroup {
        let key = group.key;
        let own = self.network.own_vpc(group);
        let (direction, _) = self.network.direction(group);
        RejectedGroup {
            interface_id: self.network.interface_name(key.interface).map(str::to_owned),
            srcaddr: key.src,
            dstaddr: key.dst,
            dstport: key.dstport,
            protocol: key.protocol,
            protocol_name: key.protocol.and_then(iana::protocol_name),
            service_name: key.dstport.zip(key.protocol).and_then(|(port, protocol)| iana::service_name(port, protocol)),
            direction,
            cause: group.cause(),
            causes: group.causes(),
            tally,
            seen: group.seen(),
            src: self.endpoint(key.src, own),
            dst: self.endpoint(key.dst, own),
        }
    }

    fn endpoint(&self, address: Option<IpAddr>, own: Option<VpcIndex>) -> Endpoint {
        match (address, self.network.topology) {
            (None, _) => Endpoint::default(),
            (Some(known), Some(topology)) => topology.endpoint(known, self.network.locate(address, own)),
            (Some(known), None) => {
                let scope = if self.network.is_public(known) { Scope::Public } else { Scope::Private };
                Endpoint { scope: Some(scope), ..Endpoint::default() }
            }
        }
    }
}

/// Sorted out at once, beside as many again as are shown.
const AT_ONCE: usize = 256;

/// Keeps so many rows, the first ones by this order of falling tallies, and says what another has to have at least.
fn truncate_to_top(
    rows: &mut Vec<(Counters, u32)>,
    count: usize,
    order: impl Fn(&(Counters, u32), &(Counters, u32)) -> Ordering,
) -> Counters {
    if count < rows.len() {
        rows.select_nth_unstable_by(count, order);
        rows.truncate(count);
    }
    rows.iter().map(|(tally, _)| *tally).min().unwrap_or_default()
}

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

    /// Two peered VPCs and an interface in the first, with an address and a delegated prefix.
    fn topology() -> Topology {
        let interface = json!({
            "NetworkInterfaceId": "eni-known", "VpcId": "vpc-a", "SubnetId": "subnet-a", "PrivateIpAddress": "10.1.0.5",
            "Ipv4Prefixes": [{"Ipv4Prefix": "10.1.9.0/28"}], "TagSet": [{"Key": "Name", "Value": "web"}],
        });
        let document = json!({
            "Vpcs": [{"VpcId": "vpc-a", "CidrBlock": "10.1.0.0/16"}, {"VpcId": "vpc-b", "CidrBlock": "52.0.0.0/16"}],
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
        build::finish(analysis, &SummaryOptions::default(), Some(&topology)).rejected
    }

    fn direction(records: &[&str]) -> &'static str {
        let rejected = rejected(records);
        assert_eq!(rejected.groups.len(), 1);
        rejected.groups[0].direction.name()
    }

    #[test]
    fn the_first_groups_are_the_same_however_many_are_shown() {
        // Many more than are sorted out at once, most of which tie; the heaviest ones stand anywhere.
        let record =
            |n: u32| format!("eni-1 10.0.{}.{} 10.1.0.7 REJECT\n", n * 7919 % 4001 / 256, n * 7919 % 4001 % 256);
        let records: String =
            (0..4001_u32).flat_map(|n| std::iter::repeat_n(record(n), 1 + usize::from(n % 50 == 3))).collect();
        let log = format!("interface-id srcaddr dstaddr action\n{records}");
        let rows = |top| {
            let analysis = pipeline::analyze("case", log.as_bytes(), &Options::default()).expect("a flow log");
            let settings = SummaryOptions { top, ..SummaryOptions::default() };
            build::finish(analysis, &settings, None).rejected.groups
        };
        let all = rows(usize::MAX);
        assert_eq!(all.len(), 4001);
        assert!(all.is_sorted_by_key(|row| std::cmp::Reverse(row.tally.flows)));
        assert_eq!(all.iter().filter(|row| row.tally.flows == 2).count(), 80);
        for top in [0, 1, 79, 80, 81, 90, 500, 1000, 2000, 4000, 4001, 4002] {
            assert!(rows(top) == all[..top.min(4001)], "{top}");
        }
    }

    #[test]
    fn what_the_interface_owns_tells_the_direction() {
        assert_eq!(direction(&["eni-known - 8.8.8.8 10.1.0.5 REJECT -"]), "ingress");
        assert_eq!(direction(&["eni-known - 10.1.0.5 8.8.8.8 REJECT -"]), "egress");
        assert_eq!(direction(&["eni-known - 10.1.0.7 10.1.9.3 REJECT -"]), "ingress");
        assert_eq!(direction(&["eni-known - 10.1.9.3 10.1.0.7 REJECT -"]), "egress");
        // The records' own word comes first.
        assert_eq!(direction(&["eni-known - 8.8.8.8 10.1.0.5 REJECT egress"]), "egress");
    }

    #[test]
    fn else_the_own_vpc_tells_it() {
        assert_eq!(direction(&["eni-1 vpc-a 8.8.8.8 10.1.0.7 REJECT -"]), "ingress");
        assert_eq!(direction(&["eni-1 vpc-a 10.1.0.7 8.8.8.8 REJECT -"]), "egress");
        assert_eq!(direction(&["eni-1 vpc-a 52.0.0.1 10.1.0.7 REJECT -"]), "ingress");
        assert_eq!(direction(&["- vpc-a 10.1.0.7 8.8.8.8 REJECT -"]), "egress");
        // Of the interface, where the records name none.
        assert_eq!(direction(&["eni-known - 8.8.8.8 10.1.0.7 REJECT -"]), "ingress");
        // Both in it, none in it, or none that all records agree on.
        assert_eq!(direction(&["eni-1 vpc-a 10.1.0.8 10.1.0.7 REJECT -"]), "unknown");
        assert_eq!(direction(&["eni-1 vpc-a 8.8.8.8 9.9.9.9 REJECT -"]), "unknown");
        assert_eq!(direction(&["eni-1 - 8.8.8.8 10.1.0.7 REJECT -"]), "unknown");
        let disputed = ["eni-1 vpc-a 8.8.8.8 10.1.0.7 REJECT -", "eni-1 vpc-b 8.8.8.8 10.1.0.7 REJECT -"];
        assert_eq!(direction(&disputed), "unknown");
        let disputed = ["eni-known vpc-b 8.8.8.8 10.1.0.7 REJECT -", "eni-known - 8.8.8.8 10.1.0.7 REJECT -"];
        assert_eq!(direction(&disputed), "unknown");
    }

    #[test]
    fn what_is_known_of_both_ends_is_told() {
        let rejected = rejected(&["eni-known - 52.0.0.1 10.1.0.5 REJECT -"]);
        let some = |text: &str| Some(text.to_owned());
        let row = serde_json::to_value(&rejected.groups[0].src).expect("JSON");
        let vpc_b = json!({"scope": "vpc", "vpc_id": "vpc-b", "subnet_id": null, "interface_id": null, "service": null, "name": null});
        assert_eq!(row, vpc_b);
        let dst = Endpoint {
            scope: Some(crate::topology::endpoint::Scope::Vpc),
            vpc_id: some("vpc-a"),
            subnet_id: some("subnet-a"),
            interface_id: some("eni-known"),
            service: some("ec2"),
            name: some("web"),
        };
        assert_eq!(rejected.groups[0].dst, dst);
    }

    #[test]
    fn sums_are_by_the_place_that_is_known_where_records_name_none() {
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
        // 52.0.0.0/16 is a VPC's here: what goes there is not refused its way to the internet.
        let egress = |dst: &str| -> Vec<String> {
            (0..6).map(|n| format!("eni-known - 10.1.0.5 {dst} REJECT egress{}", " ".repeat(n))).collect()
        };
        let findings = |records: Vec<String>| {
            let topology = Arc::new(topology());
            let log = format!("interface-id vpc-id srcaddr dstaddr action flow-direction\n{}\n", records.join("\n"));
            let options = Options { topology: Some(Arc::clone(&topology)), ..Options::default() };
            let analysis = pipeline::analyze("case", log.as_bytes(), &options).expect("a flow log");
            let findings = build::finish(analysis, &SummaryOptions::default(), Some(&topology)).findings;
            findings.iter().filter(|finding| finding.finding_type.name() == "egress-blocked").count()
        };
        assert_eq!(findings(egress("52.1.0.1")), 1);
        assert_eq!(findings(egress("52.0.0.1")), 0);
    }
}
