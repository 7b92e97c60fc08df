//! `edge-to-edge-routing`: records that leave through a peering connection to an address in no known VPC. An internet gateway,
//! NAT device, VPN, or endpoint of the peer VPC cannot be used through peering.

use super::PeeringContext;
use crate::aggregate::peering::{AddressPair, ClassView, ExternalScope, TrafficClass};
use crate::aggregate::recorder::VpcRef;
use crate::findings::evidence::{FindingDraft, MatchedFlows};
use crate::findings::types::{Confidence, Details, Evidence, Finding, FindingType, Severity, Subject};

pub(in crate::findings) const MEANING: &str = "Traffic enters a peering connection for a destination in no known VPC. AWS \
                                             drops it: an internet gateway, NAT device, VPN or endpoint of the peer \
                                             cannot be used through peering.";
pub(in crate::findings) const NEXT_STEP: &str = "Give the source VPC its own gateway, or route through a transit gateway. \
                                               If the destination is one of your VPCs, add it to the topology.";

pub(super) fn detect(peering: &PeeringContext<'_>) -> Vec<Finding> {
    let findings = peering.context.classes.iter().filter_map(|(class, view)| match class {
        TrafficClass::External(origin, scope) => Some(finding(peering, *origin, *scope, view)),
        _ => None,
    });
    findings.collect()
}

fn finding(peering: &PeeringContext<'_>, origin: VpcRef, scope: ExternalScope, view: &ClassView<'_>) -> Finding {
    let mut flows = MatchedFlows::default();
    flows.add_class(peering.context, view);
    let (src_vpc_id, source) = match origin {
        VpcRef::Known(vpc) => (Some(peering.id(vpc)), peering.format_vpc(vpc)),
        VpcRef::Named(name) => {
            let name = peering.context.network.places.name(name).to_owned();
            (Some(name.clone()), name)
        }
        VpcRef::Unknown => (None, "an unknown VPC".to_owned()),
    };
    let destination = match scope {
        ExternalScope::Public => "the internet",
        ExternalScope::Private => "private addresses in no known VPC",
    };
    let addresses: Vec<AddressPair> = view.flows().map(|flows| flows.addresses).collect();
    let route_table_ids = match origin {
        VpcRef::Known(vpc) => {
            peering.source_tables(vpc, &addresses, |route| route.is_some_and(|route| route.connection_id().is_some()))
        }
        VpcRef::Named(_) | VpcRef::Unknown => Vec::new(),
    };
    let draft = FindingDraft {
        finding_type: FindingType::EdgeToEdgeRouting,
        severity: Severity::High,
        confidence: Confidence::High,
        title: format!(
            "{source} tries to reach {destination} through a peering connection{}",
            peering.route_note(&route_table_ids)
        ),
        subject: Subject::Edge { src_vpc_id, dst_scope: scope.scope() },
        details: Details::RouteTables { route_table_ids },
        evidence: [Evidence::Topology, Evidence::TrafficPath].into(),
    };
    flows.into_finding(peering.context, draft)
}

#[cfg(test)]
mod tests {
    use super::super::tests::{detect_in, detect_with, json, record, records, summarize_by};
    use super::*;

    const TYPE: FindingType = FindingType::EdgeToEdgeRouting;

    #[test]
    fn the_route_table_is_named() {
        let table = r#"{"RouteTables": [{"RouteTableId": "rtb-a", "VpcId": "vpc-a", "Associations": [{"Main": true}],
            "Routes": [{"DestinationCidrBlock": "0.0.0.0/0", "VpcPeeringConnectionId": "pcx-ab", "State": "active"},
                       {"DestinationCidrBlock": "9.0.0.0/8", "GatewayId": "igw-1", "State": "active"}]}]}"#;
        let title = |dst: &str| {
            let records = records(1, "eni-1", &format!("10.1.0.5 {dst} 443"), "6 ACCEPT 2 4 vpc-a");
            detect_with(&[table.to_owned()], TYPE, records).remove(0).title
        };
        assert!(title("8.8.8.8").ends_with("through a peering connection; the route is in rtb-a"));
        // By now another route takes it.
        assert!(title("9.9.9.9").ends_with("through a peering connection"));
    }

    /// Returns the subjects of the findings in one record.
    fn subjects(ends: &str, fields: &str) -> Vec<String> {
        detect_in(TYPE, records(1, "eni-1", ends, fields)).iter().map(|finding| json(&finding.subject)).collect()
    }

    fn subject(src_vpc_id: &str, dst_scope: &str) -> [String; 1] {
        [format!(r#"{{"src_vpc_id":{src_vpc_id},"dst_scope":"{dst_scope}"}}"#)]
    }

    #[test]
    fn ties_are_sorted_by_the_name_of_the_scope() {
        let log = ["8.8.8.8", "192.168.0.1"]
            .map(|dst| record("eni-a", &format!("10.1.0.5 {dst} 60000 443"), "6 ACCEPT 2 4 vpc-a"));
        let found = detect_in(FindingType::EdgeToEdgeRouting, log.into());
        let scopes: Vec<_> = found.iter().map(|finding| json(&finding.subject)).collect();
        assert!(scopes[0].contains("private") && scopes[1].contains("public"), "{scopes:?}");
    }

    #[test]
    fn traffic_to_the_internet_through_a_peer_is_found() {
        let mut log = records(2, "eni-a", "10.1.0.5 8.8.8.8 443", "6 ACCEPT 2 4 vpc-a");
        log.push(record("eni-a", "10.1.0.6 2600::1 60009 53", "17 REJECT - 5 vpc-a"));
        let findings = detect_in(TYPE, log);
        let [finding] = &findings[..] else { panic!("{findings:?}") };
        assert_eq!((finding.severity, finding.confidence), (Severity::High, Confidence::High));
        assert_eq!(finding.title, "10.1.0.0/16 (vpc-a) tries to reach the internet through a peering connection");
        assert_eq!(json(&finding.subject), subject(r#""vpc-a""#, "public")[0]);
        assert_eq!(json(&finding.details), r#"{"route_table_ids":[]}"#);
        assert_eq!(finding.evidence, [Evidence::Topology, Evidence::TrafficPath].into());
        assert_eq!((finding.tally.flows, finding.tally.packets, finding.tally.bytes), (3, 30, 1200));
        assert_eq!(finding.examples.len(), 2);
    }

    #[test]
    fn it_is_found_without_ambiguous_blocks() {
        let log = records(1, "eni-a", "10.1.0.5 8.8.8.8 443", "6 ACCEPT 2 4 vpc-a");
        let summary = summarize_by(&[r#"{"Vpcs": [{"VpcId": "vpc-a", "CidrBlock": "10.1.0.0/16"}]}"#], &[log]);
        let found: Vec<_> = summary.findings.iter().map(|finding| json(&finding.subject)).collect();
        assert_eq!(found, subject(r#""vpc-a""#, "public"));
    }

    #[test]
    fn public_and_private_are_two_subjects() {
        assert_eq!(subjects("10.1.0.5 8.8.8.8 443", "6 ACCEPT 2 4 -"), subject(r#""vpc-a""#, "public"));
        assert_eq!(subjects("10.1.0.5 192.168.0.1 443", "6 ACCEPT 2 5 -"), subject(r#""vpc-a""#, "private"));
        assert_eq!(subjects("10.1.0.5 fd00::1 443", "6 ACCEPT 2 5 -"), subject(r#""vpc-a""#, "private"));
    }

    #[test]
    fn other_paths_are_ignored() {
        for path in ["-", "1", "2", "3", "6", "7", "8"] {
            assert_eq!(subjects("10.1.0.5 8.8.8.8 443", &format!("6 ACCEPT 2 {path} vpc-a")), [""; 0], "{path}");
        }
    }

    #[test]
    fn destinations_in_a_known_vpc_are_ignored() {
        for dst in ["10.2.0.7", "10.4.0.7", "10.1.0.7"] {
            assert_eq!(subjects(&format!("10.1.0.5 {dst} 443"), "6 ACCEPT 2 4 vpc-a"), [""; 0], "{dst}");
        }
    }

    #[test]
    fn ambiguous_addresses_are_ignored() {
        assert_eq!(subjects("10.1.0.5 10.9.0.7 443", "6 ACCEPT 2 4 vpc-a"), [""; 0]);
        assert_eq!(subjects("10.9.0.7 8.8.8.8 443", "6 ACCEPT 2 4 vpc-a"), [""; 0]);
    }

    #[test]
    fn the_source_vpc_comes_from_the_address_then_the_interface() {
        assert_eq!(subjects("10.1.0.5 8.8.8.8 443", "6 ACCEPT 2 4 vpc-b"), subject(r#""vpc-a""#, "public"));
        assert_eq!(subjects("10.77.0.5 8.8.8.8 443", "6 ACCEPT 2 4 vpc-b"), subject(r#""vpc-b""#, "public"));
        assert_eq!(
            subjects("10.77.0.5 8.8.8.8 443", "6 ACCEPT 2 4 vpc-nowhere"),
            subject(r#""vpc-nowhere""#, "public")
        );
        assert_eq!(subjects("10.77.0.5 8.8.8.8 443", "6 ACCEPT 2 4 -"), subject("null", "public"));
        assert_eq!(subjects("10.9.0.5 8.8.8.8 443", "6 ACCEPT 2 4 vpc-f"), subject(r#""vpc-f""#, "public"));
    }

    #[test]
    fn the_topology_supplies_the_vpc_of_the_interface() {
        for vpc_id in ["vpc-d", "vpc-elsewhere"] {
            let document =
                format!(r#"{{"NetworkInterfaces": [{{"NetworkInterfaceId": "eni-1", "VpcId": "{vpc_id}"}}]}}"#);
            let log = records(1, "eni-1", "10.77.0.5 8.8.8.8 443", "6 ACCEPT 2 4 -");
            let finding = &detect_with(&[document], TYPE, log)[0];
            assert_eq!(json(&finding.subject), subject(&format!("\"{vpc_id}\""), "public")[0]);
        }
    }

    #[test]
    fn a_reply_does_not_suppress_it() {
        let log = vec![
            record("eni-a", "10.1.0.5 8.8.8.8 60000 443", "6 ACCEPT 2 4 vpc-a"),
            record("eni-a", "8.8.8.8 10.1.0.5 443 60000", "6 ACCEPT 18 - vpc-a"),
        ];
        assert_eq!(detect_in(TYPE, log)[0].tally.flows, 1);
    }
}
