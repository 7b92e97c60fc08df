//! Findings about VPC peering. Each direction between two VPCs is evaluated separately.

pub(super) mod ambiguous_address;
pub(super) mod edge_to_edge_routing;
pub(super) mod inactive_peering;
pub(super) mod one_way_peering;
pub(super) mod peering_path_mismatch;
pub(super) mod rejected_peering;
pub(super) mod transitive_peering;
pub(super) mod unpeered_vpc;

use std::collections::BTreeSet;

use super::Context;
use super::evidence::MatchedFlows;
use crate::aggregate::peering::{ClassView, ClassifiedFlows, TrafficClass};
use crate::findings::types::{Confidence, Evidence, Finding};
use crate::topology::{PeeringStatus, Topology, VpcIndex};

/// One direction between two VPCs.
#[derive(Debug, Clone, Copy)]
struct VpcDirection {
    src: VpcIndex,
    dst: VpcIndex,
}

/// Input of the peering detectors.
struct PeeringContext<'a> {
    context: &'a Context<'a>,
    topology: &'a Topology,
}

pub(super) fn detect(context: &Context<'_>, topology: &Topology) -> Vec<Finding> {
    let peering = PeeringContext { context, topology };
    let mut findings = Vec::new();
    for (class, view) in context.classes {
        if let TrafficClass::Between(src, dst) = *class {
            let direction = VpcDirection { src, dst };
            findings.extend(match topology.peering_status(src, dst) {
                PeeringStatus::Peered(id) => [
                    one_way_peering::detect(&peering, direction, id, view),
                    rejected_peering::detect(&peering, direction, id, view),
                ],
                PeeringStatus::Inactive(ids) => [inactive_peering::detect(&peering, direction, ids, view), None],
                PeeringStatus::None => [
                    transitive_peering::detect(&peering, direction, view),
                    unpeered_vpc::detect(&peering, direction, view),
                ],
            });
        }
    }
    let mut findings: Vec<Finding> = findings.into_iter().flatten().collect();
    findings.extend(peering_path_mismatch::detect(&peering));
    findings.extend(edge_to_edge_routing::detect(&peering));
    findings.extend(ambiguous_address::detect(&peering));
    findings
}

impl PeeringContext<'_> {
    fn id(&self, vpc: VpcIndex) -> String {
        self.topology.vpc(vpc).id.clone()
    }

    fn ids(&self, vpcs: impl IntoIterator<Item = VpcIndex>) -> Vec<String> {
        vpcs.into_iter().map(|vpc| self.id(vpc)).collect()
    }

    /// Formats a VPC for titles: `10.1.0.0/16 (vpc-a)`.
    fn format_vpc(&self, vpc: VpcIndex) -> String {
        let vpc = self.topology.vpc(vpc);
        match &vpc.blocks[..] {
            [] => vpc.id.clone(),
            [one] => format!("{one} ({})", vpc.id),
            [first, more @ ..] => format!("{first} and {} more ({})", more.len(), vpc.id),
        }
    }

    /// Collects the records without a reply that match, and rates the confidence that replies are missing. Returns `None` if
    /// there are no such records.
    fn unanswered(&self, view: &ClassView<'_>, matches: impl Fn(&ClassifiedFlows) -> bool) -> Option<Unanswered> {
        let mut matched = MatchedFlows::default();
        let mut evidence = BTreeSet::from([Evidence::Topology, Evidence::NoReply]);
        let (mut through_peering, mut by_another_path, mut arrived, mut reply_rejected) = (false, false, false, false);
        for flows in view.unanswered().filter(&matches) {
            matched.add_classified(self.context, &flows);
            through_peering |= flows.sums.through_peering;
            by_another_path |= flows.sums.by_another_path;
            arrived |= flows.sums.arrived;
            reply_rejected |= flows.reply_was_rejected;
            evidence.extend(flows.sums.has_flags.then_some(Evidence::TcpFlags));
        }
        if matched.tally.flows == 0 {
            return None;
        }
        evidence.extend((through_peering || by_another_path).then_some(Evidence::TrafficPath));
        evidence.extend(reply_rejected.then_some(Evidence::RejectedReply));
        // `traffic-path` shows whether the records left through a peering connection. Otherwise they may have taken another path,
        // for example a transit gateway, and the replies may not be logged.
        let mut confidence = match (through_peering, by_another_path) {
            (true, false) if !reply_rejected => Confidence::High,
            (false, true) => Confidence::Low,
            _ => Confidence::Medium,
        };
        if !self.context.has_accepted_records {
            // Only accepted records are replies. A flow log of rejected traffic has none.
            confidence = Confidence::Low;
            evidence.insert(Evidence::NoAcceptedRecords);
        }
        Some(Unanswered { flows: matched, confidence, evidence, arrived, reply_rejected })
    }
}

/// Records without a reply.
struct Unanswered {
    flows: MatchedFlows,
    confidence: Confidence,
    evidence: BTreeSet<Evidence>,
    /// Whether a record was seen in the destination VPC.
    arrived: bool,
    /// Whether a reply arrived and was rejected.
    reply_rejected: bool,
}

impl Unanswered {
    /// Lowers the confidence if records arrived: without an active connection they took another path. Returns the note for the
    /// title, which is empty if none arrived.
    fn downgrade_if_delivered(&mut self) -> &'static str {
        if !self.arrived {
            return "";
        }
        self.confidence = Confidence::Low;
        self.evidence.insert(Evidence::SeenAtDestination);
        "; some traffic arrived, so another path exists"
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use crate::findings::types::{Finding, FindingType};
    use crate::pipeline::{self, Options};
    use crate::summary::build::{self, SummaryOptions};
    use crate::summary::{Summary, VpcPair};
    use crate::topology::Topology;
    use crate::topology::describe_output::Resources;

    /// A is peered with B in the same region, and B with C between regions. A is also peered with H, whose region is not
    /// known. The connections of A and E are inactive. D has no connection. F and G have the same block.
    const TOPOLOGY: &str = r#"{
      "Vpcs": [
        {"VpcId": "vpc-a", "CidrBlock": "10.1.0.0/16"},
        {"VpcId": "vpc-b", "CidrBlock": "10.2.0.0/16"},
        {"VpcId": "vpc-c", "CidrBlock": "10.3.0.0/16"},
        {"VpcId": "vpc-d", "CidrBlock": "10.4.0.0/16"},
        {"VpcId": "vpc-e", "CidrBlock": "10.5.0.0/16"},
        {"VpcId": "vpc-f", "CidrBlock": "10.9.0.0/16"},
        {"VpcId": "vpc-g", "CidrBlock": "10.9.0.0/16"}
      ],
      "VpcPeeringConnections": [
        {"VpcPeeringConnectionId": "pcx-ab", "Status": {"Code": "active"},
         "RequesterVpcInfo": {"VpcId": "vpc-a", "Region": "us-east-1"},
         "AccepterVpcInfo": {"VpcId": "vpc-b", "Region": "us-east-1"}},
        {"VpcPeeringConnectionId": "pcx-bc", "Status": {"Code": "active"},
         "RequesterVpcInfo": {"VpcId": "vpc-c", "Region": "eu-west-1"},
         "AccepterVpcInfo": {"VpcId": "vpc-b", "Region": "us-east-1"}},
        {"VpcPeeringConnectionId": "pcx-ah", "Status": {"Code": "active"},
         "RequesterVpcInfo": {"VpcId": "vpc-a", "Region": "us-east-1"},
         "AccepterVpcInfo": {"VpcId": "vpc-h", "CidrBlock": "10.8.0.0/16"}},
        {"VpcPeeringConnectionId": "pcx-ae2", "Status": {"Code": "rejected"},
         "RequesterVpcInfo": {"VpcId": "vpc-a", "CidrBlock": "10.1.0.0/16"}, "AccepterVpcInfo": {"VpcId": "vpc-e"}},
        {"VpcPeeringConnectionId": "pcx-ae1", "Status": {"Code": "rejected"},
         "RequesterVpcInfo": {"VpcId": "vpc-e"}, "AccepterVpcInfo": {"VpcId": "vpc-a"}},
        {"VpcPeeringConnectionId": "pcx-ae3", "Status": {"Code": "deleted"},
         "RequesterVpcInfo": {"VpcId": "vpc-e"}, "AccepterVpcInfo": {"VpcId": "vpc-a"}}
      ]
    }"#;

    const HEADER: &str = "interface-id srcaddr dstaddr srcport dstport protocol action tcp-flags traffic-path vpc-id \
                          log-status packets bytes start end";

    /// Returns a record of ten packets, 400 bytes, and one minute. Its start is 1795413600 plus the source port modulo 60000.
    /// `ends` has the addresses and ports; `fields` has protocol, action, tcp-flags, traffic-path, and vpc-id.
    pub(super) fn record(interface: &str, ends: &str, fields: &str) -> String {
        let srcport: u64 = ends.split(' ').nth(2).and_then(|port| port.parse().ok()).expect("a source port");
        let start = 1_795_413_600 + srcport % 60_000;
        format!("{interface} {ends} {fields} OK 10 400 {start} {}\n", start + 60)
    }

    /// Returns `count` such records with source ports from 60000 upward. `ends` has the addresses and the destination port.
    pub(super) fn records(count: u32, interface: &str, ends: &str, fields: &str) -> Vec<String> {
        let [src, dst, dstport] = ends.split(' ').collect::<Vec<_>>()[..] else { panic!("src, dst, dstport: {ends}") };
        (0..count).map(|n| record(interface, &format!("{src} {dst} {} {dstport}", 60_000 + n), fields)).collect()
    }

    /// Returns a SKIPDATA record of an interface.
    pub(super) fn gap(interface: &str) -> String {
        format!("{interface} - - - - - - - - - SKIPDATA - - 1795413600 1795413660\n")
    }

    /// Returns a topology document with one peering connection.
    pub(super) fn connection(id: &str, status: &str, requester: &str, accepter: &str) -> String {
        format!(
            r#"{{"VpcPeeringConnections": [{{"VpcPeeringConnectionId": "{id}", "Status": {{"Code": "{status}"}},
                 "RequesterVpcInfo": {{"VpcId": "{requester}"}}, "AccepterVpcInfo": {{"VpcId": "{accepter}"}}}}]}}"#
        )
    }

    /// Summarizes the inputs with the topology above and these documents.
    pub(super) fn summarize(documents: &[String], inputs: &[Vec<String>]) -> Summary {
        let all: Vec<&str> = std::iter::once(TOPOLOGY).chain(documents.iter().map(String::as_str)).collect();
        summarize_by(&all, inputs)
    }

    /// Summarizes the inputs with only these documents.
    pub(super) fn summarize_by(documents: &[&str], inputs: &[Vec<String>]) -> Summary {
        let mut resources = Resources::default();
        for document in documents {
            resources.read("topology.json", document.as_bytes()).expect("JSON");
        }
        let topology = Arc::new(Topology::new(resources));
        assert_eq!(topology.problems(), []);
        let options = Options { topology: Some(Arc::clone(&topology)), ..Options::default() };
        let analyses = inputs.iter().map(|records| {
            let log = format!("{HEADER}\n{}", records.concat());
            let analysis = pipeline::analyze("case", log.as_bytes(), &options).expect("a flow log");
            assert_eq!(analysis.records.malformed, 0, "{:?}", analysis.malformed);
            analysis
        });
        let merged = analyses.reduce(|mut merged, next| {
            merged.merge(next);
            merged
        });
        build::build_summary(merged.expect("an input"), &SummaryOptions::default(), Some(&topology))
    }

    /// Returns the findings of one type in the records, with the topology above and these documents.
    pub(super) fn detect_with(documents: &[String], finding_type: FindingType, records: Vec<String>) -> Vec<Finding> {
        let findings = summarize(documents, &[records]).findings;
        findings.into_iter().filter(|finding| finding.finding_type == finding_type).collect()
    }

    /// Returns the findings of one type in the records, with the topology above.
    pub(super) fn detect_in(finding_type: FindingType, records: Vec<String>) -> Vec<Finding> {
        detect_with(&[], finding_type, records)
    }

    /// Returns the types of all findings in the records.
    pub(super) fn types_in(records: Vec<String>) -> Vec<&'static str> {
        summarize(&[], &[records]).findings.iter().map(|finding| finding.finding_type.name()).collect()
    }

    /// Serializes a part of a finding.
    pub(super) fn json(part: &impl serde::Serialize) -> String {
        serde_json::to_string(part).expect("JSON")
    }

    /// Returns the VPC pairs as text: ids, connection, accepted flows, and rejected flows.
    pub(super) fn pairs(summary: &Summary) -> Vec<String> {
        let pair = |pair: &VpcPair| {
            let connection = pair.peering_connection_id.as_deref().unwrap_or("-");
            let (accepted, rejected) = (pair.traffic.accepted.flows, pair.traffic.rejected.flows);
            format!("{} {} {connection} {accepted} {rejected}", pair.src_vpc_id, pair.dst_vpc_id)
        };
        summary.peering.as_ref().expect("there is a topology").vpc_pairs.iter().map(pair).collect()
    }

    #[test]
    fn traffic_within_a_vpc_or_outside_of_all_vpcs_is_ignored() {
        let log = vec![
            record("eni-1", "10.1.0.5 10.1.0.6 60000 443", "6 ACCEPT 2 1 vpc-a"),
            record("eni-1", "10.1.0.5 8.8.8.8 60000 443", "6 ACCEPT 2 8 vpc-a"),
            record("eni-1", "192.168.0.1 10.1.0.5 60000 443", "6 REJECT 2 - vpc-a"),
            record("eni-1", "10.1.0.5 10.99.0.5 60000 443", "6 ACCEPT 2 - vpc-a"),
        ];
        assert!(pairs(&summarize(&[], std::slice::from_ref(&log))).is_empty());
        assert!(types_in(log).is_empty());
    }

    #[test]
    fn a_connection_with_replies_between_peers_is_not_a_finding() {
        let mut log = records(9, "eni-a", "10.1.0.5 10.2.0.6 443", "6 ACCEPT 3 4 vpc-a");
        log.push(record("eni-a", "10.2.0.6 10.1.0.5 443 60000", "6 ACCEPT 19 - vpc-a"));
        assert_eq!(
            pairs(&summarize(&[], std::slice::from_ref(&log))),
            ["vpc-a vpc-b pcx-ab 9 0", "vpc-b vpc-a pcx-ab 1 0"]
        );
        assert!(types_in(log).is_empty());
    }
}
