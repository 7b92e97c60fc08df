//! `ambiguous-address`: records with an address in a CIDR block of several VPCs that do not show which VPC it is.

use std::collections::{BTreeMap, BTreeSet};

use super::PeeringContext;
use crate::aggregate::peering::TrafficClass;
use crate::findings::evidence::{FindingDraft, MatchedFlows};
use crate::findings::types::{Confidence, Details, Evidence, Finding, FindingType, Severity, Subject};
use crate::topology::{BlockId, VpcIndex};

pub(in crate::findings) const MEANING: &str = "Several VPCs use this CIDR block, and neither the record nor a route shows \
                                             which one applies. Its traffic makes no other peering finding.";
pub(in crate::findings) const NEXT_STEP: &str = "Add `vpc-id` and `subnet-id` to the log format, or the interfaces to the \
                                               topology, and the route tables to the topology. In the long term, give \
                                               each VPC its own CIDR blocks.";

pub(super) fn detect(peering: &PeeringContext<'_>) -> Vec<Finding> {
    // The same block may tie for the peers of several VPCs.
    let mut ties: BTreeMap<BlockId, (MatchedFlows, BTreeSet<VpcIndex>)> = BTreeMap::new();
    for (class, view) in peering.context.classes {
        if let TrafficClass::Ambiguous(tie) = *class {
            let (flows, vpcs) = ties.entry(tie.block).or_default();
            flows.add_class(peering.context, view);
            vpcs.extend(peering.topology.tied_vpcs(tie));
        }
    }
    ties.into_iter().map(|(block, (flows, vpcs))| finding(peering, block, flows, vpcs)).collect()
}

fn finding(peering: &PeeringContext<'_>, block: BlockId, flows: MatchedFlows, vpcs: BTreeSet<VpcIndex>) -> Finding {
    let overlap = peering.topology.block(block);
    let vpc_ids = peering.ids(vpcs);
    let draft = FindingDraft {
        finding_type: FindingType::AmbiguousAddress,
        severity: Severity::Low,
        confidence: Confidence::High,
        title: format!("Addresses in {} may be in {}", overlap.block, peering.labels(&vpc_ids)),
        subject: Subject::CidrBlock { cidr_block: overlap.block },
        details: Details::CandidateVpcs { vpc_ids },
        evidence: [Evidence::Topology].into(),
    };
    flows.into_finding(peering.context, draft)
}

#[cfg(test)]
mod tests {
    use super::super::tests::{connection, detect_in, detect_with, json, pairs, record, records, summarize, types_in};
    use super::*;

    const TYPE: FindingType = FindingType::AmbiguousAddress;

    fn attempts(ends: &str, vpc_id: &str) -> Vec<String> {
        records(2, "eni-1", ends, &format!("6 ACCEPT 2 4 {vpc_id}"))
    }

    #[test]
    fn a_block_of_two_vpcs_is_ambiguous() {
        let findings = detect_in(TYPE, attempts("10.1.0.5 10.9.0.7 443", "vpc-a"));
        let [finding] = &findings[..] else { panic!("{findings:?}") };
        assert_eq!((finding.severity, finding.confidence), (Severity::Low, Confidence::High));
        assert_eq!(finding.title, "Addresses in 10.9.0.0/16 may be in vpc-f or vpc-g");
        assert_eq!(json(&finding.subject), r#"{"cidr_block":"10.9.0.0/16"}"#);
        assert_eq!(json(&finding.details), r#"{"vpc_ids":["vpc-f","vpc-g"]}"#);
        assert_eq!(finding.evidence, [Evidence::Topology].into());
        assert_eq!((finding.tally.flows, finding.tally.packets, finding.tally.bytes), (2, 20, 800));
        assert_eq!(finding.examples.len(), 1);
    }

    #[test]
    fn ambiguous_records_make_no_pair_and_no_other_peering_finding() {
        for ends in ["10.1.0.5 10.9.0.7 443", "10.9.0.7 10.1.0.5 443", "10.9.0.7 8.8.8.8 443"] {
            for action in ["ACCEPT", "REJECT"] {
                let log = records(9, "eni-1", ends, &format!("6 {action} 2 4 vpc-a"));
                assert_eq!(pairs(&summarize(&[], std::slice::from_ref(&log))), [""; 0]);
                let types = types_in(log).into_iter().filter(|name| *name != "egress-blocked").collect::<Vec<_>>();
                assert_eq!(types, ["ambiguous-address"], "{ends} {action}");
            }
        }
    }

    #[test]
    fn the_vpc_of_the_interface_resolves_the_ambiguity() {
        let log = attempts("10.9.0.5 10.4.0.7 443", "vpc-f");
        assert_eq!(detect_in(TYPE, log.clone()), []);
        assert_eq!(pairs(&summarize(&[], &[log])), ["vpc-f vpc-d - 2 0"]);
        // Both addresses are in the VPC of the interface, although another VPC has the same block.
        assert_eq!(types_in(attempts("10.9.0.5 10.9.0.7 443", "vpc-g")), [""; 0]);
    }

    #[test]
    fn the_only_peer_of_the_interface_vpc_resolves_the_ambiguity() {
        let one = [connection("pcx-ag", "active", "vpc-a", "vpc-g")];
        let log = attempts("10.1.0.5 10.9.0.7 443", "vpc-a");
        assert_eq!(detect_with(&one, TYPE, log.clone()), []);
        assert_eq!(pairs(&summarize(&one, std::slice::from_ref(&log))), ["vpc-a vpc-g pcx-ag 2 0"]);
        let both = [one[0].clone(), connection("pcx-af", "active", "vpc-f", "vpc-a")];
        assert_eq!(detect_with(&both, TYPE, log.clone()).len(), 1);
        let inactive = [connection("pcx-ag", "deleted", "vpc-a", "vpc-g")];
        assert_eq!(detect_with(&inactive, TYPE, log).len(), 1);
        // The VPC of the interface is not known here: a peering of the other end does not count.
        assert_eq!(detect_with(&one, TYPE, attempts("10.1.0.5 10.9.0.7 443", "-")).len(), 1);
        assert_eq!(detect_with(&one, TYPE, attempts("10.1.0.5 10.9.0.7 443", "vpc-b")).len(), 1);
    }

    #[test]
    fn the_topology_supplies_the_vpc_of_the_interface() {
        let interface = r#"{"NetworkInterfaces": [{"NetworkInterfaceId": "eni-1", "VpcId": "vpc-f"}]}"#.to_owned();
        let log = attempts("10.9.0.5 10.4.0.7 443", "-");
        assert_eq!(detect_in(TYPE, log.clone()).len(), 1);
        assert_eq!(detect_with(std::slice::from_ref(&interface), TYPE, log), []);
        // The record takes precedence over the topology's entry of its interface.
        assert_eq!(detect_with(&[interface], TYPE, attempts("10.9.0.5 10.4.0.7 443", "vpc-d")).len(), 1);
    }

    #[test]
    fn a_longer_block_of_one_vpc_is_not_ambiguous() {
        let longer = r#"{"Vpcs": [{"VpcId": "vpc-x", "CidrBlock": "10.9.7.0/24"}]}"#.to_owned();
        let found = |dst: &str| {
            let log = attempts(&format!("10.1.0.5 {dst} 443"), "vpc-a");
            detect_with(std::slice::from_ref(&longer), TYPE, log).len()
        };
        assert_eq!((found("10.9.6.255"), found("10.9.7.0"), found("10.9.7.255"), found("10.9.8.0")), (1, 0, 0, 1));
    }

    #[test]
    fn a_record_counts_once_per_ambiguous_block() {
        let other = r#"{"Vpcs": [{"VpcId": "vpc-x", "CidrBlock": "10.10.0.0/16"},
                                 {"VpcId": "vpc-y", "CidrBlock": "10.10.0.0/16"}]}"#;
        let blocks = |ends: &str| -> Vec<(String, u64)> {
            let findings = detect_with(&[other.to_owned()], TYPE, attempts(ends, "-"));
            findings.iter().map(|finding| (json(&finding.subject), finding.tally.flows)).collect()
        };
        let block = |block: &str| (format!(r#"{{"cidr_block":"{block}"}}"#), 2);
        assert_eq!(blocks("10.9.0.5 10.9.0.6 443"), [block("10.9.0.0/16")]);
        assert_eq!(blocks("10.10.0.5 10.9.0.6 443"), [block("10.9.0.0/16"), block("10.10.0.0/16")]);
    }

    #[test]
    fn an_ambiguous_record_is_still_a_reply() {
        let mut log = attempts("10.9.0.5 10.4.0.7 443", "vpc-f");
        log.push(record("eni-1", "10.4.0.7 10.9.0.5 443 60000", "6 ACCEPT 18 - -"));
        assert_eq!(types_in(log), ["ambiguous-address"], "the VPC of the interface is not known, the addresses are");
        let mut log = attempts("10.9.0.5 10.4.0.7 443", "vpc-f");
        log.push(record("eni-1", "10.4.0.7 10.9.0.5 443 60000", "6 REJECT 18 - -"));
        assert_eq!(types_in(log), ["unpeered-vpc", "reply-blocked", "ambiguous-address"]);
    }
}
