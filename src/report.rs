//! What a report's records say → the summary.

use std::cmp::Reverse;
use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;

use crate::address;
use crate::analysis::Analysis;
use crate::detect::{self, JudgedGroup};
use crate::finding::Evidence;
use crate::iana;
use crate::names::{Agreed, NameId};
use crate::record::Direction;
use crate::rejects::{Group, GroupKey};
use crate::summary::{
    Endpoint, FormatSeen, InterfaceRejects, Rejected, RejectedGroup, SCHEMA, Scope, SubnetRejects, Summary, VpcRejects,
    Window,
};
use crate::tally::{Seen, Tally};
use crate::thresholds::Thresholds;

/// So many rejected groups are listed unless set otherwise.
pub const DEFAULT_TOP: usize = 100;

/// What to conclude and to show.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Settings {
    /// From when on a pattern is a finding.
    pub thresholds: Thresholds,
    /// Rejected groups to list.
    pub top: usize,
}

impl Default for Settings {
    fn default() -> Settings {
        Settings { thresholds: Thresholds::default(), top: DEFAULT_TOP }
    }
}

/// Draws the conclusions. The result depends on nothing but the records, the settings and the order of the inputs.
pub fn finish(analysis: &Analysis, settings: &Settings) -> Summary {
    let groups: Vec<JudgedGroup> =
        analysis.rejects.decide(&analysis.let_through).into_iter().map(|group| judge(analysis, group)).collect();
    let findings = detect::detect(&detect::Context {
        groups: &groups,
        interfaces: &analysis.interfaces,
        thresholds: &settings.thresholds,
    });
    Summary {
        schema: SCHEMA,
        sources: analysis.sources.clone(),
        failed: analysis.failed.clone(),
        window: window(analysis.window),
        formats: analysis
            .formats
            .in_order
            .iter()
            .map(|format| FormatSeen { version: format.version(), fields: format.names().to_vec() })
            .collect(),
        records: analysis.records,
        traffic: analysis.traffic,
        malformed: analysis.malformed.clone(),
        rejected: rejected(analysis, &groups, settings.top),
        peering: (),
        services: [],
        findings,
    }
}

fn window(seen: Seen) -> Option<Window> {
    let known = seen.first_seen.is_some() || seen.last_seen.is_some();
    known.then_some(Window { start: seen.first_seen, end: seen.last_seen })
}

/// Which way a group goes: as its records say, else by the address that all records of its interface share.
fn judge(analysis: &Analysis, group: Group) -> JudgedGroup {
    let said = group.direction.one();
    let own = group.key.interface.and_then(|id| analysis.interfaces.get(Some(id)).constant.one());
    let (direction, direction_from) = match (said, own) {
        (Some(direction), _) => (direction, Some(Evidence::FlowDirection)),
        (None, Some(own)) if group.key.dst == Some(own) => (Direction::Ingress, Some(Evidence::ConstantAddress)),
        (None, Some(own)) if group.key.src == Some(own) => (Direction::Egress, Some(Evidence::ConstantAddress)),
        (None, _) => (Direction::Unknown, None),
    };
    JudgedGroup { group, direction, direction_from }
}

fn rejected(analysis: &Analysis, groups: &[JudgedGroup], top: usize) -> Rejected {
    let mut rows: Vec<(Tally, &JudgedGroup)> = groups.iter().map(|judged| (judged.group.tally(), judged)).collect();
    let order = |(a_tally, a): &(Tally, &JudgedGroup), (b_tally, b): &(Tally, &JudgedGroup)| {
        b_tally.cmp(a_tally).then_with(|| shown_key(analysis, a.group.key).cmp(&shown_key(analysis, b.group.key)))
    };
    if top < rows.len() {
        rows.select_nth_unstable_by(top, order);
        rows.truncate(top);
    }
    rows.sort_unstable_by(order);
    Rejected {
        group_count: groups.len() as u64,
        exact: true,
        groups: rows.into_iter().map(|(tally, judged)| row(analysis, tally, judged)).collect(),
        by_interface: by_interface(analysis),
        by_subnet: by_subnet(analysis),
        by_vpc: by_vpc(analysis),
    }
}

type ShownKey<'a> = (Option<&'a str>, Option<IpAddr>, Option<IpAddr>, Option<u16>, Option<u8>);

fn shown_key(analysis: &Analysis, key: GroupKey) -> ShownKey<'_> {
    let interface = key.interface.map(|id| analysis.interfaces.name(id));
    (interface, key.src, key.dst, key.dstport, key.protocol)
}

fn row(analysis: &Analysis, tally: Tally, judged: &JudgedGroup) -> RejectedGroup {
    let JudgedGroup { group, direction, .. } = judged;
    let key = group.key;
    RejectedGroup {
        interface_id: key.interface.map(|id| analysis.interfaces.name(id).to_owned()),
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
        src: endpoint(key.src),
        dst: endpoint(key.dst),
    }
}

fn endpoint(address: Option<IpAddr>) -> Endpoint {
    let scope = |address| if address::is_public(address) { Scope::Public } else { Scope::Private };
    Endpoint { scope: address.map(scope), ..Endpoint::default() }
}

fn by_interface(analysis: &Analysis) -> Vec<InterfaceRejects> {
    let mut sums: BTreeMap<Option<NameId>, Tally> = BTreeMap::new();
    for (place, tally) in analysis.rejects.places() {
        sums.entry(place.interface).or_default().merge(tally);
    }
    let mut rows: Vec<InterfaceRejects> = sums
        .into_iter()
        .map(|(id, tally)| {
            let interface = analysis.interfaces.get(id);
            InterfaceRejects {
                interface_id: id.map(|id| analysis.interfaces.name(id).to_owned()),
                vpc_id: place_name(analysis, interface.vpc.one()),
                subnet_id: place_name(analysis, interface.subnet.one()),
                tally,
            }
        })
        .collect();
    rows.sort_unstable_by(|a, b| (Reverse(a.tally), &a.interface_id).cmp(&(Reverse(b.tally), &b.interface_id)));
    rows
}

fn by_subnet(analysis: &Analysis) -> Vec<SubnetRejects> {
    let mut sums: HashMap<Option<NameId>, (Agreed<NameId>, Tally)> = HashMap::new();
    for (place, tally) in analysis.rejects.places() {
        let (vpc, sum) = sums.entry(place.subnet).or_default();
        sum.merge(tally);
        place.vpc.into_iter().for_each(|said| vpc.observe(said));
    }
    let mut rows: Vec<SubnetRejects> = sums
        .into_iter()
        .map(|(subnet, (vpc, tally))| SubnetRejects {
            subnet_id: place_name(analysis, subnet),
            vpc_id: place_name(analysis, vpc.one()),
            tally,
        })
        .collect();
    rows.sort_unstable_by(|a, b| (Reverse(a.tally), &a.subnet_id).cmp(&(Reverse(b.tally), &b.subnet_id)));
    rows
}

fn by_vpc(analysis: &Analysis) -> Vec<VpcRejects> {
    let mut sums: HashMap<Option<NameId>, Tally> = HashMap::new();
    for (place, tally) in analysis.rejects.places() {
        sums.entry(place.vpc).or_default().merge(tally);
    }
    let mut rows: Vec<VpcRejects> =
        sums.into_iter().map(|(vpc, tally)| VpcRejects { vpc_id: place_name(analysis, vpc), tally }).collect();
    rows.sort_unstable_by(|a, b| (Reverse(a.tally), &a.vpc_id).cmp(&(Reverse(b.tally), &b.vpc_id)));
    rows
}

fn place_name(analysis: &Analysis, id: Option<NameId>) -> Option<String> {
    id.map(|id| analysis.places.name(id).to_owned())
}
