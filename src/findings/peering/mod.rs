//! Findings about VPC peering: each direction between two VPCs is judged by itself.

pub(super) mod ambiguous_address;
pub(super) mod edge_to_edge_routing;
pub(super) mod inactive_peering;
pub(super) mod one_way_peering;
pub(super) mod peering_path_mismatch;
pub(super) mod rejected_peering;
pub(super) mod transitive_peering;
pub(super) mod unpeered_vpc;

use std::collections::BTreeSet;

use super::{Context, MatchedFlows};
use crate::aggregate::peering::{ClassView, ClassifiedFlows, TrafficClass};
use crate::findings::types::{Confidence, Evidence, Finding};
use crate::topology::{PeeringStatus, Topology, VpcIndex};

/// One direction between two VPCs.
#[derive(Debug, Clone, Copy)]
struct VpcDirection {
    src: VpcIndex,
    dst: VpcIndex,
}

/// What the detectors of peering look at.
struct PeeringContext<'a> {
    context: &'a Context<'a>,
    topology: &'a Topology,
}

pub(super) fn detect(context: &Context<'_>, topology: &Topology) -> Vec<Finding> {
    let view = PeeringContext { context, topology };
    let mut findings = Vec::new();
    for (note, noted) in context.notes {
        if let TrafficClass::Between(src, dst) = *note {
            let way = VpcDirection { src, dst };
            findings.extend(match topology.peering_status(src, dst) {
                PeeringStatus::Peered(id) => {
                    [one_way_peering::detect(&view, way, id, noted), rejected_peering::detect(&view, way, id, noted)]
                }
                PeeringStatus::Inactive(ids) => [inactive_peering::detect(&view, way, ids, noted), None],
                PeeringStatus::None => {
                    [transitive_peering::detect(&view, way, noted), unpeered_vpc::detect(&view, way, noted)]
                }
            });
        }
    }
    let mut findings: Vec<Finding> = findings.into_iter().flatten().collect();
    findings.extend(peering_path_mismatch::detect(&view));
    findings.extend(edge_to_edge_routing::detect(&view));
    findings.extend(ambiguous_address::detect(&view));
    findings
}

impl PeeringContext<'_> {
    fn id(&self, vpc: VpcIndex) -> String {
        self.topology.vpc(vpc).id.clone()
    }

    fn ids(&self, vpcs: impl IntoIterator<Item = VpcIndex>) -> Vec<String> {
        vpcs.into_iter().map(|vpc| self.id(vpc)).collect()
    }

    /// A VPC as a network engineer names it: `10.1.0.0/16 (vpc-a)`.
    fn shown(&self, vpc: VpcIndex) -> String {
        let vpc = self.topology.vpc(vpc);
        match &vpc.blocks[..] {
            [] => vpc.id.clone(),
            [one] => format!("{one} ({})", vpc.id),
            [first, more @ ..] => format!("{first} and {} more ({})", more.len(), vpc.id),
        }
    }

    /// The records without a reply, and what that is worth.
    fn unanswered(&self, noted: &ClassView<'_>, which: impl Fn(&ClassifiedFlows) -> bool) -> Option<Unanswered> {
        let mut records = MatchedFlows::default();
        let mut evidence = BTreeSet::from([Evidence::Topology, Evidence::NoReply]);
        let (mut through, mut elsewhere, mut arrived, mut refused) = (false, false, false, false);
        for noted in noted.unanswered().filter(&which) {
            records.add_noted(self.context, &noted);
            through |= noted.sums.through_peering;
            elsewhere |= noted.sums.by_another_path;
            arrived |= noted.sums.arrived;
            refused |= noted.reply_was_rejected;
            evidence.extend(noted.sums.has_flags.then_some(Evidence::TcpFlags));
        }
        if records.tally.flows == 0 {
            return None;
        }
        evidence.extend((through || elsewhere).then_some(Evidence::TrafficPath));
        evidence.extend(refused.then_some(Evidence::RejectedReply));
        // `traffic-path` shows that the records left through a peering connection. Without it they may have gone
        // elsewhere, to a transit gateway say, and be answered where nothing is logged.
        let mut confidence = match (through, elsewhere) {
            (true, false) if !refused => Confidence::High,
            (false, true) => Confidence::Low,
            _ => Confidence::Medium,
        };
        if !self.context.has_accepted_records {
            // ReplyFlow are accepted records: a log of rejects alone can't have any.
            confidence = Confidence::Low;
            evidence.insert(Evidence::NoAcceptedRecords);
        }
        Some(Unanswered { records, confidence, evidence, arrived, refused })
    }
}

/// MatchedFlows without a reply.
struct Unanswered {
    records: MatchedFlows,
    confidence: Confidence,
    evidence: BTreeSet<Evidence>,
    /// Whether one was seen where it was to go.
    arrived: bool,
    /// Whether an answer came and was refused.
    refused: bool,
}

impl Unanswered {
    /// Between VPCs that no active connection leads between, what arrived went another way.
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

    /// A and B are peered, B and C between regions, A and H in a region that is not told; A and E were, D never was. F
    /// and G have the same block.
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

    /// A record of ten packets, 400 bytes, one minute, that starts in the second by which its source port is over
    /// 60000. `ends` are addresses and ports; `what` is protocol, action, tcp-flags, traffic-path and vpc-id.
    pub(super) fn record(interface: &str, ends: &str, what: &str) -> String {
        let srcport: u64 = ends.split(' ').nth(2).and_then(|port| port.parse().ok()).expect("a source port");
        let start = 1_795_413_600 + srcport % 60_000;
        format!("{interface} {ends} {what} OK 10 400 {start} {}\n", start + 60)
    }

    /// The same record so many times, each from the next port, from 60000 on.
    pub(super) fn records(count: u32, interface: &str, ends: &str, what: &str) -> Vec<String> {
        let [src, dst, dstport] = ends.split(' ').collect::<Vec<_>>()[..] else { panic!("src, dst, dstport: {ends}") };
        (0..count).map(|n| record(interface, &format!("{src} {dst} {} {dstport}", 60_000 + n), what)).collect()
    }

    /// A hole in the log of an interface.
    pub(super) fn gap(interface: &str) -> String {
        format!("{interface} - - - - - - - - - SKIPDATA - - 1795413600 1795413660\n")
    }

    /// A connection between two VPCs, as a document of its own.
    pub(super) fn connection(id: &str, status: &str, requester: &str, accepter: &str) -> String {
        format!(
            r#"{{"VpcPeeringConnections": [{{"VpcPeeringConnectionId": "{id}", "Status": {{"Code": "{status}"}},
                 "RequesterVpcInfo": {{"VpcId": "{requester}"}}, "AccepterVpcInfo": {{"VpcId": "{accepter}"}}}}]}}"#
        )
    }

    /// The summary over these inputs, by the topology above and these documents.
    pub(super) fn summarise(documents: &[String], inputs: &[Vec<String>]) -> Summary {
        let all: Vec<&str> = std::iter::once(TOPOLOGY).chain(documents.iter().map(String::as_str)).collect();
        summarise_by(&all, inputs)
    }

    /// The summary over these inputs, by these documents alone.
    pub(super) fn summarise_by(documents: &[&str], inputs: &[Vec<String>]) -> Summary {
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
        build::finish(merged.expect("an input"), &SummaryOptions::default(), Some(&topology))
    }

    /// What is found in some records by the topology above and these documents.
    pub(super) fn detect_with(documents: &[String], finding_type: FindingType, records: Vec<String>) -> Vec<Finding> {
        let findings = summarise(documents, &[records]).findings;
        findings.into_iter().filter(|finding| finding.finding_type == finding_type).collect()
    }

    /// What is found in some records.
    pub(super) fn detect_in(finding_type: FindingType, records: Vec<String>) -> Vec<Finding> {
        detect_with(&[], finding_type, records)
    }

    /// The types of all that is found in some records.
    pub(super) fn types_in(records: Vec<String>) -> Vec<&'static str> {
        summarise(&[], &[records]).findings.iter().map(|finding| finding.finding_type.name()).collect()
    }

    /// A part of a finding, as the summary has it.
    pub(super) fn json(part: &impl serde::Serialize) -> String {
        serde_json::to_string(part).expect("JSON")
    }

    /// The pairs of VPCs, each with its connection, its accepted and its rejected flows.
    pub(super) fn pairs(summary: &Summary) -> Vec<String> {
        let pair = |pair: &VpcPair| {
            let connection = pair.peering_connection_id.as_deref().unwrap_or("-");
            let (accepted, rejected) = (pair.traffic.accepted.flows, pair.traffic.rejected.flows);
            format!("{} {} {connection} {accepted} {rejected}", pair.src_vpc_id, pair.dst_vpc_id)
        };
        summary.peering.as_ref().expect("there is a topology").vpc_pairs.iter().map(pair).collect()
    }

    #[test]
    fn records_within_a_vpc_or_beyond_all_of_them_are_no_concern_of_peering() {
        let log = vec![
            record("eni-1", "10.1.0.5 10.1.0.6 60000 443", "6 ACCEPT 2 1 vpc-a"),
            record("eni-1", "10.1.0.5 8.8.8.8 60000 443", "6 ACCEPT 2 8 vpc-a"),
            record("eni-1", "192.168.0.1 10.1.0.5 60000 443", "6 REJECT 2 - vpc-a"),
            record("eni-1", "10.1.0.5 10.99.0.5 60000 443", "6 ACCEPT 2 - vpc-a"),
        ];
        assert!(pairs(&summarise(&[], std::slice::from_ref(&log))).is_empty());
        assert!(types_in(log).is_empty());
    }

    #[test]
    fn an_answered_connection_between_peers_is_no_finding() {
        let mut log = records(9, "eni-a", "10.1.0.5 10.2.0.6 443", "6 ACCEPT 3 4 vpc-a");
        log.push(record("eni-a", "10.2.0.6 10.1.0.5 443 60000", "6 ACCEPT 19 - vpc-a"));
        assert_eq!(
            pairs(&summarise(&[], std::slice::from_ref(&log))),
            ["vpc-a vpc-b pcx-ab 9 0", "vpc-b vpc-a pcx-ab 1 0"]
        );
        assert!(types_in(log).is_empty());
    }
}
