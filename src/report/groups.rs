//! Rejected groups: which way they go, and the rows that are shown.

use std::net::IpAddr;

use super::Report;
use crate::detect::JudgedGroup;
use crate::finding::Evidence;
use crate::iana;
use crate::record::Direction;
use crate::rejects::{Group, GroupKey};
use crate::scope::Scope;
use crate::summary::{Endpoint, RejectedGroup};
use crate::tally::Tally;
use crate::topology::{Location, VpcNumber};

impl Report<'_> {
    /// Which way a group goes: as its records say; else by the addresses that its interface owns; else by its VPC; else
    /// by the address that all records of its interface share.
    pub(super) fn judge(&self, group: Group) -> JudgedGroup {
        let said = group.direction.one().map(|direction| (direction, Evidence::FlowDirection));
        let judged = said
            .or_else(|| self.by_owner(&group).map(|direction| (direction, Evidence::Topology)))
            .or_else(|| self.by_own_vpc(&group).map(|direction| (direction, Evidence::Topology)))
            .or_else(|| self.by_constant_address(&group).map(|direction| (direction, Evidence::ConstantAddress)));
        let (direction, direction_from) = judged.unzip();
        let dst_is_public = group.key.dst.is_some_and(|dst| self.is_public(dst));
        JudgedGroup { group, direction: direction.unwrap_or(Direction::Unknown), direction_from, dst_is_public }
    }

    fn by_owner(&self, group: &Group) -> Option<Direction> {
        let owner = self.known_interface(group.key.interface)?;
        way(group.key, |address| owner.owns(address))
    }

    fn by_own_vpc(&self, group: &Group) -> Option<Direction> {
        let own = self.own_vpc(group)?;
        let is_in = |address: Option<IpAddr>| self.locate(address, Some(own)) == Location::In(own);
        match (is_in(group.key.src), is_in(group.key.dst)) {
            (false, true) => Some(Direction::Ingress),
            (true, false) => Some(Direction::Egress),
            _ => None,
        }
    }

    fn by_constant_address(&self, group: &Group) -> Option<Direction> {
        let interface = group.key.interface?;
        let own = self.analysis.interfaces.get(Some(interface)).constant.one()?;
        way(group.key, |address| address == own)
    }

    /// The VPC that the records of a group agree on.
    fn own_vpc(&self, group: &Group) -> Option<VpcNumber> {
        let agreed = group.vpc.agreed(self.known_vpc(group.key.interface), &self.analysis.places);
        self.topology?.number(agreed?)
    }

    fn locate(&self, address: Option<IpAddr>, own: Option<VpcNumber>) -> Location {
        let located = address.zip(self.topology).map(|(address, topology)| topology.locate(address, || own));
        located.unwrap_or(Location::Outside)
    }

    /// The groups with the most flows, as rows.
    pub(super) fn top_groups(&self, groups: &[JudgedGroup], top: usize) -> Vec<RejectedGroup> {
        let mut rows: Vec<(Tally, &JudgedGroup)> = groups.iter().map(|judged| (judged.group.tally(), judged)).collect();
        let order = |(a_tally, a): &(Tally, &JudgedGroup), (b_tally, b): &(Tally, &JudgedGroup)| {
            b_tally.cmp(a_tally).then_with(|| self.shown_key(a.group.key).cmp(&self.shown_key(b.group.key)))
        };
        if top < rows.len() {
            rows.select_nth_unstable_by(top, order);
            rows.truncate(top);
        }
        rows.sort_unstable_by(order);
        rows.into_iter().map(|(tally, judged)| self.row(tally, judged)).collect()
    }

    fn shown_key(&self, key: GroupKey) -> ShownKey<'_> {
        (self.interface_name(key.interface), key.src, key.dst, key.dstport, key.protocol)
    }

    fn row(&self, tally: Tally, judged: &JudgedGroup) -> RejectedGroup {
        let JudgedGroup { group, direction, .. } = judged;
        let key = group.key;
        let own = self.own_vpc(group);
        RejectedGroup {
            interface_id: self.interface_name(key.interface).map(str::to_owned),
            srcaddr: key.src,
            dstaddr: key.dst,
            dstport: key.dstport,
            protocol: key.protocol,
            protocol_name: key.protocol.and_then(iana::protocol_name),
            service_name: key.dstport.zip(key.protocol).and_then(|(port, protocol)| iana::service_name(port, protocol)),
            direction: *direction,
            cause: group.cause(),
            causes: group.causes(),
            tally,
            seen: group.seen(),
            src: self.endpoint(key.src, own),
            dst: self.endpoint(key.dst, own),
        }
    }

    fn endpoint(&self, address: Option<IpAddr>, own: Option<VpcNumber>) -> Endpoint {
        match (address, self.topology) {
            (None, _) => Endpoint::default(),
            (Some(known), Some(topology)) => topology.endpoint(known, self.locate(address, own)),
            (Some(known), None) => {
                let scope = if self.is_public(known) { Scope::Public } else { Scope::Private };
                Endpoint { scope: Some(scope), ..Endpoint::default() }
            }
        }
    }
}

type ShownKey<'a> = (Option<&'a str>, Option<IpAddr>, Option<IpAddr>, Option<u16>, Option<u8>);

/// To what is one's own, or from it.
fn way(key: GroupKey, is_own: impl Fn(IpAddr) -> bool) -> Option<Direction> {
    if key.dst.is_some_and(&is_own) {
        Some(Direction::Ingress)
    } else if key.src.is_some_and(&is_own) {
        Some(Direction::Egress)
    } else {
        None
    }
}
