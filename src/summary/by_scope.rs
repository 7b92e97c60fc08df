//! Rows with sums by interface, subnet, VPC, cause, and service. Each list is sorted by its sums, highest first.

use std::cmp::Reverse;
use std::collections::{BTreeMap, HashMap};

use super::build::SummaryBuilder;
use crate::aggregate::consensus::Consensus;
use crate::aggregate::counters::Counters;
use crate::aggregate::interner::Symbol;
use crate::aggregate::rejected::cause::Cause;
use crate::aggregate::rejected::{Groups, Placement};
use crate::summary::{CauseRejects, InterfaceRejects, ServiceTraffic, SubnetRejects, Traffic, VpcRejects};

impl SummaryBuilder<'_> {
    /// Returns the rejected traffic of each interface.
    pub(super) fn by_interface(&self) -> Vec<InterfaceRejects> {
        let mut sums: BTreeMap<Option<Symbol>, Counters> = BTreeMap::new();
        for (placement, tally) in self.rejected_by_placement.iter().copied() {
            sums.entry(placement.interface).or_default().merge(tally);
        }
        let mut rows: Vec<InterfaceRejects> = sums
            .into_iter()
            .map(|(id, tally)| {
                let interface = self.analysis.interfaces.get(id);
                let places = &self.analysis.places;
                let interface_id = self.network.interface_name(id);
                let vpc_id = interface.vpc.resolve(self.known_vpc(id), places);
                let subnet_id = interface.subnet.resolve(self.known_subnet(id), places);
                InterfaceRejects {
                    interface_id: interface_id.map(str::to_owned),
                    name: self.name_of(interface_id),
                    vpc_id: vpc_id.map(str::to_owned),
                    vpc_name: self.name_of(vpc_id),
                    subnet_id: subnet_id.map(str::to_owned),
                    subnet_name: self.name_of(subnet_id),
                    tally,
                }
            })
            .collect();
        rows.sort_unstable_by(|a, b| (Reverse(a.tally), &a.interface_id).cmp(&(Reverse(b.tally), &b.interface_id)));
        rows
    }

    /// Returns the rejected traffic of each subnet, with the VPC on which its records agree.
    pub(super) fn by_subnet(&self) -> Vec<SubnetRejects> {
        let mut sums: HashMap<Option<&str>, (Consensus<&str>, Counters)> = HashMap::new();
        for (placement, tally) in self.rejected_by_placement.iter().copied() {
            let known = || self.known_subnet(placement.interface).filter(|_| placement.is_complete);
            let subnet = self.place_name(placement.subnet).or_else(known);
            let (vpc, sum) = sums.entry(subnet).or_default();
            sum.merge(tally);
            if let Some(id) = self.vpc(placement) {
                vpc.observe(id);
            }
        }
        let row = |(subnet, (vpc, tally)): (Option<&str>, (Consensus<&str>, Counters))| SubnetRejects {
            subnet_id: subnet.map(str::to_owned),
            name: self.name_of(subnet),
            vpc_id: vpc.one().map(str::to_owned),
            vpc_name: self.name_of(vpc.one()),
            tally,
        };
        let mut rows: Vec<SubnetRejects> = sums.into_iter().map(row).collect();
        rows.sort_unstable_by(|a, b| (Reverse(a.tally), &a.subnet_id).cmp(&(Reverse(b.tally), &b.subnet_id)));
        rows
    }

    /// Returns the rejected traffic of each VPC.
    pub(super) fn by_vpc(&self) -> Vec<VpcRejects> {
        let mut sums: HashMap<Option<&str>, Counters> = HashMap::new();
        for (placement, tally) in self.rejected_by_placement.iter().copied() {
            sums.entry(self.vpc(placement)).or_default().merge(tally);
        }
        let row = |(vpc, tally): (Option<&str>, Counters)| VpcRejects {
            vpc_id: vpc.map(str::to_owned),
            name: self.name_of(vpc),
            tally,
        };
        let mut rows: Vec<VpcRejects> = sums.into_iter().map(row).collect();
        rows.sort_unstable_by(|a, b| (Reverse(a.tally), &a.vpc_id).cmp(&(Reverse(b.tally), &b.vpc_id)));
        rows
    }

    /// Returns the traffic by the service that owns the interface. Empty unless the topology has interfaces.
    pub(super) fn services(&self) -> Vec<ServiceTraffic> {
        if self.network.topology.is_none_or(|topology| topology.resources().interfaces.is_empty()) {
            return Vec::new();
        }
        let mut sums: BTreeMap<Option<&str>, (u64, Traffic)> = BTreeMap::new();
        for (id, interface) in self.analysis.interfaces.iter() {
            let traffic = Traffic { accepted: interface.accepted, rejected: interface.rejected };
            if traffic == Traffic::default() {
                continue;
            }
            let (interfaces, sum) =
                sums.entry(self.network.known_interface(id).map(|known| known.service)).or_default();
            *interfaces += u64::from(id.is_some());
            sum.merge(traffic);
        }
        let row = |(service, (interfaces, traffic)): (Option<&str>, (u64, Traffic))| ServiceTraffic {
            service: service.map(str::to_owned),
            interfaces,
            traffic,
        };
        let mut rows: Vec<ServiceTraffic> = sums.into_iter().map(row).collect();
        rows.sort_by_key(|row| Reverse(row.traffic.flows()));
        rows
    }

    /// Returns the rejected traffic of each cause that occurs. The records of groups that a memory limit dropped have an unknown cause.
    pub(super) fn by_cause(&self, groups: &Groups) -> Vec<CauseRejects> {
        let mut sums: BTreeMap<Cause, Counters> = BTreeMap::new();
        let (mut all, mut listed) = (Counters::default(), Counters::default());
        self.rejected_by_placement.iter().for_each(|(_, tally)| all.merge(*tally));
        for (_, subgroup) in groups.subgroups() {
            sums.entry(subgroup.cause).or_default().merge(subgroup.tally);
            listed.merge(subgroup.tally);
        }
        let dropped = Counters {
            flows: all.flows.saturating_sub(listed.flows),
            packets: all.packets.saturating_sub(listed.packets),
            bytes: all.bytes.saturating_sub(listed.bytes),
        };
        if dropped.flows > 0 {
            sums.entry(Cause::SecurityGroupOrNetworkAcl).or_default().merge(dropped);
        }
        let mut rows: Vec<CauseRejects> =
            sums.into_iter().map(|(cause, tally)| CauseRejects { cause, tally }).collect();
        rows.sort_by_key(|row| (Reverse(row.tally), row.cause.name()));
        rows
    }

    /// Returns the VPC that the records report. If they report none, the topology's VPC of the interface.
    fn vpc(&self, placement: Placement) -> Option<&str> {
        self.place_name(placement.vpc).or_else(|| self.known_vpc(placement.interface).filter(|_| placement.is_complete))
    }

    fn place_name(&self, id: Option<Symbol>) -> Option<&str> {
        id.map(|id| self.analysis.places.name(id))
    }
}

#[cfg(test)]
mod tests {
    use crate::config::Limits;
    use crate::pipeline::{self, Options};
    use crate::summary::build::{SummaryOptions, build_summary};

    /// Returns the rows as `cause flows packets bytes`.
    fn by_cause(records: &[&str], limits: Limits) -> Vec<String> {
        let header = "srcaddr dstaddr dstport protocol tcp-flags packets bytes action reject-reason";
        let log = format!("{header}\n{}\n", records.join("\n"));
        let options = Options { limits, ..Options::default() };
        let analysis = pipeline::analyze("case", log.as_bytes(), &options).expect("a flow log");
        assert_eq!(analysis.records.malformed, 0);
        let rows = build_summary(analysis, &SummaryOptions::default(), None).rejected.by_cause;
        let row = |row: &super::CauseRejects| {
            let tally = row.tally;
            format!("{} {} {} {}", row.cause.name(), tally.flows, tally.packets, tally.bytes)
        };
        rows.iter().map(row).collect()
    }

    const RECORDS: [&str; 6] = [
        "8.8.8.8 10.0.0.1 22 6 2 1 10 REJECT -",
        "8.8.8.8 10.0.0.1 22 6 1 2 20 REJECT -",
        "8.8.8.8 10.0.0.1 23 6 2 3 30 REJECT BPA",
        "8.8.8.8 10.0.0.2 23 6 2 4 40 REJECT BPA",
        "8.8.8.8 10.0.0.3 23 6 2 5 50 REJECT BPA",
        "8.8.8.8 10.0.0.3 24 6 2 6 60 ACCEPT -",
    ];

    #[test]
    fn causes_are_summed_over_all_groups() {
        let expected = ["block-public-access 3 12 120", "out-of-state 1 2 20", "security-group-or-network-acl 1 1 10"];
        assert_eq!(by_cause(&RECORDS, Limits::default()), expected);
        assert_eq!(by_cause(&RECORDS[5..], Limits::default()), [""; 0]);
    }

    #[test]
    fn dropped_groups_have_an_unknown_cause() {
        let mut limits = Limits::default();
        assert_eq!(limits.set("max_rejected_groups", "1"), Some(Ok(())));
        let rows = by_cause(&RECORDS, limits);
        let flows: u64 = rows.iter().filter_map(|row| row.split(' ').nth(1)?.parse::<u64>().ok()).sum();
        assert_eq!(flows, 5, "{rows:?}");
        assert!(rows.iter().any(|row| row.starts_with("security-group-or-network-acl")), "{rows:?}");
    }
}
