//! Traffic between VPCs, by connection and by pair.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use crate::peering::{Note, Noted};
use crate::record::Action;
use crate::summary::{ConnectionTraffic, Peering, Traffic, VpcPair};
use crate::tally::Tally;
use crate::topology::{Relation, Topology};

pub(super) fn peering(topology: &Topology, notes: &BTreeMap<Note, Vec<Noted<'_>>>) -> Peering {
    let mut connections: BTreeMap<&str, Traffic> = BTreeMap::new();
    let mut vpc_pairs = Vec::new();
    for (note, noted) in notes {
        let Note::Between(src, dst) = *note else { continue };
        let (traffic, unanswered) = sums(noted);
        let connection = match topology.relation(src, dst) {
            Relation::Peered(id) => Some(id),
            Relation::Inactive(ids) => ids.first().map(String::as_str),
            Relation::None => None,
        };
        if let Some(id) = connection {
            connections.entry(id).or_default().merge(traffic);
        }
        vpc_pairs.push(VpcPair {
            src_vpc_id: topology.vpc(src).id.clone(),
            dst_vpc_id: topology.vpc(dst).id.clone(),
            peering_connection_id: connection.map(str::to_owned),
            traffic,
            unanswered,
        });
    }
    // Pairs come by their ids, connections too: a stable sort keeps that where flows are equal.
    vpc_pairs.sort_by_key(|pair| Reverse(pair.traffic.flows()));
    let mut connections: Vec<ConnectionTraffic> =
        connections.into_iter().filter_map(|(id, traffic)| connection(topology, id, traffic)).collect();
    connections.sort_by_key(|connection| Reverse(connection.traffic.flows()));
    Peering { exact: true, connections, vpc_pairs }
}

fn sums(noted: &[Noted<'_>]) -> (Traffic, Tally) {
    let (mut traffic, mut unanswered) = (Traffic::default(), Tally::default());
    for noted in noted {
        match noted.action {
            Action::Accept => traffic.accepted.merge(noted.sums.tally),
            Action::Reject => traffic.rejected.merge(noted.sums.tally),
        }
        if noted.action == Action::Accept && !noted.has_reply {
            unanswered.merge(noted.sums.tally);
        }
    }
    (traffic, unanswered)
}

fn connection(topology: &Topology, id: &str, traffic: Traffic) -> Option<ConnectionTraffic> {
    let connection = topology.connection(id)?;
    let (requester, accepter) = (&connection.requester, &connection.accepter);
    let differ = |a: &Option<String>, b: &Option<String>| a.as_ref().zip(b.as_ref()).map(|(a, b)| a != b);
    Some(ConnectionTraffic {
        peering_connection_id: id.to_owned(),
        status: connection.status.clone(),
        requester_vpc_id: requester.vpc_id.clone(),
        accepter_vpc_id: accepter.vpc_id.clone(),
        inter_region: differ(&requester.region, &accepter.region),
        cross_account: differ(&requester.owner_id, &accepter.owner_id),
        traffic,
    })
}
