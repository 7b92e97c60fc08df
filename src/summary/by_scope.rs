//! Sums by interface, subnet, VPC and service.

use std::cmp::Reverse;
use std::collections::{BTreeMap, HashMap};

use super::build::SummaryBuilder;
use crate::aggregate::consensus::Consensus;
use crate::aggregate::counters::Counters;
use crate::aggregate::interner::Symbol;
use crate::aggregate::rejected::Placement;
use crate::summary::{InterfaceRejects, ServiceTraffic, SubnetRejects, Traffic, VpcRejects};

impl SummaryBuilder<'_> {
    pub(super) fn by_interface(&self) -> Vec<InterfaceRejects> {
        let mut sums: BTreeMap<Option<Symbol>, Counters> = BTreeMap::new();
        for (place, tally) in self.rejected_by_place.iter().copied() {
            sums.entry(place.interface).or_default().merge(tally);
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

    pub(super) fn by_subnet(&self) -> Vec<SubnetRejects> {
        let mut sums: HashMap<Option<&str>, (Consensus<&str>, Counters)> = HashMap::new();
        for (place, tally) in self.rejected_by_place.iter().copied() {
            let known = || self.known_subnet(place.interface).filter(|_| place.is_complete);
            let subnet = self.place(place.subnet).or_else(known);
            let (vpc, sum) = sums.entry(subnet).or_default();
            sum.merge(tally);
            self.own_vpc(place).into_iter().for_each(|own| vpc.observe(own));
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

    pub(super) fn by_vpc(&self) -> Vec<VpcRejects> {
        let mut sums: HashMap<Option<&str>, Counters> = HashMap::new();
        for (place, tally) in self.rejected_by_place.iter().copied() {
            sums.entry(self.own_vpc(place)).or_default().merge(tally);
        }
        let row = |(vpc, tally): (Option<&str>, Counters)| VpcRejects { vpc_id: vpc.map(str::to_owned), tally };
        let mut rows: Vec<VpcRejects> = sums.into_iter().map(row).collect();
        rows.sort_unstable_by(|a, b| (Reverse(a.tally), &a.vpc_id).cmp(&(Reverse(b.tally), &b.vpc_id)));
        rows
    }

    /// Traffic by the service that owns the interface; none unless the topology has interfaces.
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

    fn own_vpc(&self, place: Placement) -> Option<&str> {
        self.place(place.vpc).or_else(|| self.known_vpc(place.interface).filter(|_| place.is_complete))
    }

    fn place(&self, id: Option<Symbol>) -> Option<&str> {
        id.map(|id| self.analysis.places.name(id))
    }
}
