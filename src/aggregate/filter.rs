//! Which records a report counts, by what they show: time, interface, VPC, addresses, ports, and action.
//!
//! A record passes if each kind of criterion that is given holds, and a kind holds if one of its values does. A record without the
//! field does not pass: nothing is guessed. Malformed records are never asked.
//!
//! A record that does not pass is neither counted nor listed, but it still decides about those that are
//! ([`Analysis::observe_left_out`](super::Analysis::observe_left_out)): it may be the reply to one of them.

use std::net::IpAddr;

use ipnet::IpNet;

use crate::record::timestamp::Timestamp;
use crate::record::{Action, Flow, Origin, Record};
use crate::topology::Topology;

/// Criteria for records. An empty list, or an absent time, lets all records pass.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RecordFilter {
    /// The record ends at this time or later.
    pub since: Option<Timestamp>,
    /// The record starts before this time.
    pub until: Option<Timestamp>,
    /// Ids of interfaces that record traffic.
    pub interfaces: Vec<String>,
    /// Ids of VPCs that record traffic: `vpc-id`, or else the VPC of the interface in the topology.
    pub vpcs: Vec<String>,
    /// Blocks with the source or the destination.
    pub addresses: Vec<IpNet>,
    /// Source or destination ports.
    pub ports: Vec<u16>,
    /// Actions.
    pub actions: Vec<Action>,
}

impl RecordFilter {
    /// Returns whether all records pass.
    pub fn is_empty(&self) -> bool {
        *self == RecordFilter::default()
    }

    /// Returns whether an accepted or rejected record passes.
    pub fn passes_flow(&self, flow: &Flow<'_>, topology: Option<&Topology>) -> bool {
        (self.actions.is_empty() || self.actions.contains(&flow.action))
            && (self.ports.is_empty() || self.has_port(flow.srcport) || self.has_port(flow.dstport))
            && (self.addresses.is_empty() || self.has_address(flow.src) || self.has_address(flow.dst))
            && self.passes_origin(&flow.origin(), topology)
    }

    /// Returns whether a record of any class passes. Only accepted and rejected records have an action, ports, and addresses.
    pub fn passes(&self, record: &Record<'_>, topology: Option<&Topology>) -> bool {
        let origin = match record {
            Record::Flow(flow) => return self.passes_flow(flow, topology),
            Record::NoData(origin) => origin,
            Record::SkipData(gap) => &gap.origin,
            Record::Other(other) => &other.origin,
        };
        let needs_traffic = !(self.actions.is_empty() && self.ports.is_empty() && self.addresses.is_empty());
        !needs_traffic && self.passes_origin(origin, topology)
    }

    fn has_port(&self, port: Option<u16>) -> bool {
        port.is_some_and(|port| self.ports.contains(&port))
    }

    fn has_address(&self, address: Option<IpAddr>) -> bool {
        address.is_some_and(|address| self.addresses.iter().any(|block| block.contains(&address)))
    }

    fn passes_origin(&self, origin: &Origin<'_>, topology: Option<&Topology>) -> bool {
        self.passes_time(origin)
            && (self.interfaces.is_empty() || origin.interface_id.is_some_and(|id| has_id(&self.interfaces, id)))
            && (self.vpcs.is_empty() || self.passes_vpc(origin, topology))
    }

    /// Returns whether the capture window of the record overlaps. A record with one time has a window of one second.
    fn passes_time(&self, origin: &Origin<'_>) -> bool {
        let (first, last) = (origin.start.or(origin.end), origin.end.or(origin.start));
        self.since.is_none_or(|since| last.is_some_and(|last| last >= since))
            && self.until.is_none_or(|until| first.is_some_and(|first| first < until))
    }

    fn passes_vpc(&self, origin: &Origin<'_>, topology: Option<&Topology>) -> bool {
        if let Some(id) = origin.vpc_id {
            return has_id(&self.vpcs, id);
        }
        let interface = origin.interface_id.and_then(|id| topology?.interface(&String::from_utf8_lossy(id)));
        interface.and_then(|interface| interface.vpc_id.as_ref()).is_some_and(|id| self.vpcs.contains(id))
    }
}

fn has_id(ids: &[String], id: &[u8]) -> bool {
    ids.iter().any(|known| known.as_bytes() == id)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::format::Format;
    use crate::record::parser;
    use crate::topology::describe_output::Resources;

    const HEADER: &[u8] = b"interface-id vpc-id srcaddr dstaddr srcport dstport start end action log-status";
    const FLOW: &str = "eni-1 vpc-a 10.0.0.1 10.0.1.2 50000 443 100 160 ACCEPT OK";

    /// Returns whether a line passes.
    fn passes(filter: &RecordFilter, line: &str) -> bool {
        let mut resources = Resources::default();
        let json = br#"{"NetworkInterfaces": [{"NetworkInterfaceId": "eni-9", "VpcId": "vpc-b"}]}"#;
        resources.read("topology.json", json).expect("JSON");
        let format = Format::from_header(HEADER).expect("a header");
        let record = parser::parse(line.as_bytes(), &format).expect("a record");
        filter.passes(&record, Some(&Topology::new(resources)))
    }

    fn at(seconds: u64) -> Option<Timestamp> {
        Timestamp::from_seconds(seconds)
    }

    fn ids(ids: &[&str]) -> Vec<String> {
        ids.iter().map(|id| (*id).to_owned()).collect()
    }

    #[test]
    fn a_record_passes_if_its_window_overlaps() {
        let window = |since, until| RecordFilter { since, until, ..RecordFilter::default() };
        assert!(passes(&window(at(160), None), FLOW) && !passes(&window(at(161), None), FLOW));
        assert!(passes(&window(None, at(101)), FLOW) && !passes(&window(None, at(100)), FLOW));
        assert!(passes(&window(at(120), at(130)), FLOW));
        // With one time only, and with none.
        let (start, end) = (FLOW.replace(" 160", " -"), FLOW.replace(" 100", " -"));
        assert!(passes(&window(at(100), at(101)), &start) && !passes(&window(at(101), None), &start));
        assert!(passes(&window(at(160), at(161)), &end) && !passes(&window(None, at(160)), &end));
        let none = start.replace(" 100", " -");
        assert!(!passes(&window(at(0), None), &none) && !passes(&window(None, at(1000)), &none));
        assert!(passes(&RecordFilter::default(), &none));
    }

    #[test]
    fn addresses_and_ports_match_either_end() {
        let addresses =
            |block: &str| RecordFilter { addresses: vec![block.parse().expect("a block")], ..Default::default() };
        for block in ["10.0.0.1/32", "10.0.1.0/24", "0.0.0.0/0"] {
            assert!(passes(&addresses(block), FLOW), "{block}");
        }
        for block in ["10.0.0.2/32", "10.0.2.0/24", "::/0"] {
            assert!(!passes(&addresses(block), FLOW), "{block}");
        }
        let ports = |ports: &[u16]| RecordFilter { ports: ports.to_vec(), ..RecordFilter::default() };
        assert!(passes(&ports(&[443]), FLOW) && passes(&ports(&[1, 50000]), FLOW) && !passes(&ports(&[44]), FLOW));
        assert!(!passes(&ports(&[443]), &FLOW.replace("50000 443", "- -")));
    }

    #[test]
    fn the_vpc_is_that_of_the_record_or_its_interface() {
        let vpcs = |names: &[&str]| RecordFilter { vpcs: ids(names), ..RecordFilter::default() };
        assert!(passes(&vpcs(&["vpc-a"]), FLOW) && !passes(&vpcs(&["vpc-b", "vpc"]), FLOW));
        let known = FLOW.replace("eni-1 vpc-a", "eni-9 -");
        assert!(passes(&vpcs(&["vpc-a", "vpc-b"]), &known) && !passes(&vpcs(&["vpc-a"]), &known));
        assert!(!passes(&vpcs(&["vpc-a", "vpc-b"]), &FLOW.replace("vpc-a", "-")));
    }

    #[test]
    fn all_kinds_of_criteria_must_hold() {
        let filter = |interface: &str, action| RecordFilter {
            interfaces: ids(&[interface, "eni-3"]),
            actions: vec![action],
            ..RecordFilter::default()
        };
        assert!(passes(&filter("eni-1", Action::Accept), FLOW));
        assert!(!passes(&filter("eni-2", Action::Accept), FLOW));
        assert!(!passes(&filter("eni-1", Action::Reject), FLOW));
        assert!(!passes(&filter("eni-1", Action::Accept), &FLOW.replace("eni-1", "-")));
    }

    #[test]
    fn records_without_traffic_have_interface_and_time_only() {
        for status in ["- NODATA", "- SKIPDATA", "- OK"] {
            let line = FLOW.replace("ACCEPT OK", status);
            let interfaces = RecordFilter { interfaces: ids(&["eni-1"]), since: at(160), ..RecordFilter::default() };
            assert!(passes(&interfaces, &line), "{status}");
            assert!(!passes(&RecordFilter { since: at(161), ..interfaces.clone() }, &line), "{status}");
            assert!(!passes(&RecordFilter { ports: vec![443], ..interfaces.clone() }, &line), "{status}");
            assert!(!passes(&RecordFilter { actions: vec![Action::Accept], ..interfaces }, &line), "{status}");
        }
    }
}
