//! Findings about VPC peering. Each direction between two VPCs is evaluated separately.

pub(super) mod ambiguous_address;
pub(super) mod edge_to_edge_routing;
pub(super) mod inactive_peering;
pub(super) mod one_way_peering;
pub(super) mod peering_path_mismatch;
pub(super) mod rejected_peering;
mod rejecting_rules;
pub(super) mod transitive_peering;
pub(super) mod unpeered_vpc;

use std::collections::{BTreeSet, HashSet};
use std::net::IpAddr;

use foldhash::fast::RandomState;

use super::Context;
use super::evidence::MatchedFlows;
use crate::aggregate::peering::{AddressPair, ClassView, ClassifiedFlows, Ends, Side, TrafficClass};
use crate::findings::types::{Confidence, Evidence, Finding};
use crate::sanitize::{NAME_CHARACTERS, escape_truncated};
use crate::topology::describe_output::Route;
use crate::topology::{PeeringStatus, Topology, VpcIndex};
use rejecting_rules::RejectingRules;

/// One direction between two VPCs.
#[derive(Debug, Clone, Copy)]
struct VpcDirection {
    src: VpcIndex,
    dst: VpcIndex,
}

/// Maximum number of ids in a title.
const MAX_LABELS: usize = 3;

/// Input of the peering detectors.
struct PeeringContext<'a> {
    context: &'a Context<'a>,
    topology: &'a Topology,
    refused: RefusedTraffic,
    rules: RejectingRules,
}

/// Protocol, source, and destination of rejected records: accepted records with the same may never have arrived. `None` if some that a
/// filter left out are not known: then any may be refused.
struct RefusedTraffic(Option<HashSet<Ends, RandomState>>);

impl RefusedTraffic {
    /// Collects the rejected records from one address to another where accepted ones may have got no reply. Both the rejected groups and
    /// the traffic between VPCs have them.
    fn new(context: &Context<'_>) -> RefusedTraffic {
        // Rejected groups may be many, and few of them matter.
        let between = || context.classes.iter().filter(|(class, _)| matches!(class, TrafficClass::Between(..)));
        let unanswered = between().flat_map(|(_, view)| view.unanswered().filter(ClassifiedFlows::is_accepted_tcp));
        let accepted: HashSet<Ends, RandomState> = unanswered.map(|flows| flows.addresses.ends()).collect();
        let groups = context.groups.iter().map(|group| (group.key.protocol, group.key.src, group.key.dst));
        let classified = between().flat_map(|(_, view)| view.rejected()).map(|flows| flows.addresses.ends());
        let left_out = context.inter_vpc.refused_left_out();
        RefusedTraffic(left_out.map(|left_out| {
            if accepted.is_empty() {
                return HashSet::default();
            }
            groups.chain(classified).chain(left_out).filter(|ends| accepted.contains(ends)).collect()
        }))
    }

    fn contains(&self, addresses: &AddressPair) -> bool {
        self.0.as_ref().is_none_or(|refused| refused.contains(&addresses.ends()))
    }
}

pub(super) fn detect(context: &Context<'_>, topology: &Topology) -> Vec<Finding> {
    let mut peering = PeeringContext {
        context,
        topology,
        refused: RefusedTraffic::new(context),
        rules: RejectingRules::new(context),
    };
    let mut findings = Vec::new();
    for (class, view) in context.classes {
        if let TrafficClass::Between(src, dst) = *class {
            let direction = VpcDirection { src, dst };
            findings.extend(match topology.peering_status(src, dst) {
                PeeringStatus::Peered(id) => [
                    one_way_peering::detect(&peering, direction, id, view),
                    rejected_peering::detect(&mut peering, direction, id, view),
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

    /// Formats a VPC for titles: `prod 10.1.0.0/16 (vpc-a)`, without the name if it has none.
    fn format_vpc(&self, vpc: VpcIndex) -> String {
        let vpc = self.topology.vpc(vpc);
        let name = vpc.name.as_deref().map_or_else(String::new, |name| escape_truncated(name, NAME_CHARACTERS) + " ");
        match &vpc.blocks[..] {
            [] => self.label(&vpc.id),
            [one] => format!("{name}{one} ({})", vpc.id),
            [first, more @ ..] => format!("{name}{first} and {} more ({})", more.len(), vpc.id),
        }
    }

    /// Formats the id of a resource for titles, with its Name tag.
    fn label(&self, id: &str) -> String {
        self.context.network.resource_label(id)
    }

    /// Formats ids for titles: `hub (pcx-1) or pcx-2`.
    fn labels(&self, ids: &[String]) -> String {
        self.join(ids, " or ")
    }

    /// Joins the labels of ids for titles. Lists only the first of many.
    fn join(&self, ids: &[String], word: &str) -> String {
        let mut labels: Vec<String> = ids.iter().take(MAX_LABELS).map(|id| self.label(id)).collect();
        if ids.len() > MAX_LABELS {
            labels.push(format!("{} more", ids.len() - MAX_LABELS));
        }
        labels.join(word)
    }

    /// Returns the route tables that misroute records: those that an address of the VPC uses, and whose route to the other address is
    /// wrong. The first address of `way` is in the VPC. Returns ids, in order.
    fn tables(
        &self,
        vpc: VpcIndex,
        ways: impl Iterator<Item = (Option<IpAddr>, Option<IpAddr>)>,
        is_wrong: impl Fn(Option<&Route>) -> bool,
    ) -> Vec<String> {
        let ways: HashSet<(IpAddr, IpAddr), RandomState> = ways.filter_map(|(from, to)| from.zip(to)).collect();
        let tables = ways.into_iter().filter_map(|(from, to)| self.topology.route_between(vpc, from, to));
        let wrong = tables.filter(|(_, route)| is_wrong(*route)).map(|(id, _)| id.to_owned());
        wrong.collect::<BTreeSet<String>>().into_iter().collect()
    }

    /// Returns the route tables of the source VPC of these records whose route is wrong.
    fn source_tables<'f>(
        &self,
        vpc: VpcIndex,
        flows: impl IntoIterator<Item = &'f AddressPair>,
        is_wrong: impl Fn(Option<&Route>) -> bool,
    ) -> Vec<String> {
        self.tables(vpc, flows.into_iter().map(|addresses| (addresses.src, addresses.dst)), is_wrong)
    }

    /// Formats route tables for the end of a title: `; the route is in rtb-1`, or nothing.
    fn route_note(&self, route_table_ids: &[String]) -> String {
        if route_table_ids.is_empty() {
            String::new()
        } else {
            format!("; the route is in {}", self.join(route_table_ids, " and "))
        }
    }

    /// Collects the records without a reply that match, with the evidence that is true of each. Returns `None` if there are no such
    /// records.
    fn unanswered(&self, view: &ClassView<'_>, matches: impl Fn(&ClassifiedFlows) -> bool) -> Option<Unanswered> {
        let mut unanswered = Unanswered {
            flows: MatchedFlows::default(),
            evidence: BTreeSet::from([Evidence::Topology, Evidence::NoReply]),
            addresses: Vec::new(),
            arrived: Share::default(),
            replies_rejected: Share::default(),
            replies_rejected_here: false,
            with_flags: Share::default(),
            by_peering_path: Share::default(),
            shown: Share::default(),
        };
        for flows in view.unanswered().filter(&matches) {
            unanswered.flows.add_classified(self.context, &flows);
            unanswered.arrived.add(flows.side == Side::Destination);
            unanswered.addresses.push(flows.addresses);
            unanswered.replies_rejected.add(flows.reply_was_rejected);
            unanswered.replies_rejected_here |= flows.reply_was_rejected && flows.side == Side::Source;
            unanswered.with_flags.add(!flows.sums.some_without_flags);
            unanswered.by_peering_path.add(!flows.sums.some_without_peering_path);
            unanswered.shown.add(!flows.sums.some_without_flags || !flows.sums.some_without_peering_path);
        }
        if unanswered.flows.tally.flows == 0 {
            return None;
        }
        let evidence = [
            (unanswered.with_flags, Evidence::TcpFlags),
            (unanswered.by_peering_path, Evidence::TrafficPath),
            (unanswered.replies_rejected, Evidence::RejectedReply),
            (unanswered.arrived, Evidence::SeenAtDestination),
        ];
        unanswered.evidence.extend(evidence.into_iter().filter(|(share, _)| share.all).map(|(_, evidence)| evidence));
        if !self.context.has_accepted_records {
            // Only accepted records are replies. A flow log of rejected traffic has none.
            unanswered.evidence.insert(Evidence::NoAcceptedRecords);
        }
        Some(unanswered)
    }
}

/// Whether something is true of some records, and of all.
#[derive(Debug, Clone, Copy)]
struct Share {
    some: bool,
    all: bool,
}

impl Default for Share {
    fn default() -> Share {
        Share { some: false, all: true }
    }
}

impl Share {
    fn add(&mut self, is_true: bool) {
        self.some |= is_true;
        self.all &= is_true;
    }
}

/// Records without a reply.
struct Unanswered {
    flows: MatchedFlows,
    evidence: BTreeSet<Evidence>,
    /// Their addresses.
    addresses: Vec<AddressPair>,
    /// Which were seen in the destination VPC.
    arrived: Share,
    /// Of which a reply was rejected.
    replies_rejected: Share,
    /// Whether a reply was rejected where the records come from: on arrival. Otherwise it was rejected where it was sent.
    replies_rejected_here: bool,
    /// Which have `tcp-flags`.
    with_flags: Share,
    /// Whose `traffic-path` is a peering connection.
    by_peering_path: Share,
    /// Which show by `tcp-flags` or `traffic-path` that they got nowhere.
    shown: Share,
}

impl Unanswered {
    /// Returns the confidence that traffic goes where no active connection leads. It is high if each record shows that it left through
    /// a peering connection, or has a SYN and nothing else. Otherwise another input may have the replies.
    fn confidence_in_detour(&self, context: &Context<'_>) -> Confidence {
        if self.shown.all { Confidence::High } else { context.confidence_in_absence() }
    }

    /// Returns the confidence that records get no reply. It is high if each has a SYN and nothing else.
    fn confidence_in_silence(&self, context: &Context<'_>) -> Confidence {
        if self.with_flags.all { Confidence::High } else { context.confidence_in_absence() }
    }

    /// Returns a note for the title if records arrived: without an active connection they took another path.
    fn delivery_note(&self) -> &'static str {
        if self.arrived.some { "; some traffic arrived, so another path exists" } else { "" }
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
