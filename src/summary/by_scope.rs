//! Rows with sums by interface, subnet, VPC, and service. Each list is sorted by its sums, highest first.

use std::cmp::Reverse;
use std::collections::{BTreeMap, HashMap};

use super::build::SummaryBuilder;
use crate::aggregate::consensus::Consensus;
use crate::aggregate::counters::Counters;
use crate::aggregate::interner::Symbol;
use crate::aggregate::rejected::Placement;
use crate::summary::{InterfaceRejects, ServiceTraffic, SubnetRejects, Traffic, VpcRejects};

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
                InterfaceRejects {
                    interface_id: self.network.interface_name(id).map(str::to_owned),
                    vpc_id: interface.vpc.resolve(self.known_vpc(id), places).map(str::to_owned),
                    subnet_id: interface.subnet.resolve(self.known_subnet(id), places).map(str::to_owned),
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
            vpc_id: vpc.one().map(str::to_owned),
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
        let row = |(vpc, tally): (Option<&str>, Counters)| VpcRejects { vpc_id: vpc.map(str::to_owned), tally };
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

    /// Returns the VPC that the records report. If they report none, the topology's VPC of the interface.
    fn vpc(&self, placement: Placement) -> Option<&str> {
        self.place_name(placement.vpc).or_else(|| self.known_vpc(placement.interface).filter(|_| placement.is_complete))
    }

    fn place_name(&self, id: Option<Symbol>) -> Option<&str> {
        id.map(|id| self.analysis.places.name(id))
    }
}
