//! `rejected-peering`: rejected records from one peered VPC to the other.

use super::{PeeringContext, VpcDirection};
use crate::aggregate::peering::ClassView;
use crate::findings::evidence::{FindingDraft, MatchedFlows};
use crate::findings::types::{Confidence, Details, Evidence, Finding, FindingType, Severity, Subject};

pub(in crate::findings) const MEANING: &str = "Traffic between peered VPCs is rejected by a security group or a network \
                                             ACL, or because its connection was already closed.";
pub(in crate::findings) const NEXT_STEP: &str = "If it is intended, allow the peer's CIDR blocks, or its security groups if \
                                               both VPCs are in one Region. If not, find the program at the source.";

pub(super) fn detect(
    peering: &mut PeeringContext<'_>,
    direction: VpcDirection,
    id: &str,
    view: &ClassView<'_>,
) -> Option<Finding> {
    let mut flows = MatchedFlows::default();
    for rejected in view.rejected() {
        flows.add_classified(peering.context, &rejected);
    }
    // The totals of the class include records that a memory limit dropped.
    flows.tally = view.totals.rejected;
    if flows.tally.flows == 0 {
        return None;
    }
    flows.rules = peering.rules.take(direction);
    let explanation = flows.explain_between(peering.context, (direction.src, direction.dst), |interface, example| {
        peering.rules.kind_of(interface, example)
    });
    let draft = FindingDraft {
        finding_type: FindingType::RejectedPeering,
        severity: Severity::Medium,
        confidence: Confidence::High,
        title: format!(
            "Traffic from {} to {} via {} is rejected{}",
            peering.format_vpc(direction.src),
            peering.format_vpc(direction.dst),
            peering.label(id),
            flows.rules.describe(peering.context, flows.tally.flows)
        ),
        subject: Subject::Peers {
            src_vpc_id: peering.id(direction.src),
            dst_vpc_id: peering.id(direction.dst),
            peering_connection_id: id.to_owned(),
        },
        details: Details::Explained { explanation },
        evidence: [Evidence::Topology, Evidence::RejectedFlows].into(),
    };
    Some(flows.into_finding(peering.context, draft))
}

#[cfg(test)]
mod tests {
    use super::super::tests::{detect_in, gap, json, record, records};
    use super::*;
    use crate::record::Action;

    const TYPE: FindingType = FindingType::RejectedPeering;

    #[test]
    fn one_rejected_record_between_peers_is_found() {
        let findings = detect_in(TYPE, records(1, "eni-b", "10.1.0.5 10.2.0.7 443", "17 REJECT - - vpc-b"));
        let [finding] = &findings[..] else { panic!("{findings:?}") };
        assert_eq!((finding.severity, finding.confidence), (Severity::Medium, Confidence::High));
        assert_eq!(finding.title, "Traffic from 10.1.0.0/16 (vpc-a) to 10.2.0.0/16 (vpc-b) via pcx-ab is rejected");
        assert_eq!(
            json(&finding.subject),
            r#"{"src_vpc_id":"vpc-a","dst_vpc_id":"vpc-b","peering_connection_id":"pcx-ab"}"#
        );
        assert_eq!(json(&finding.details), r#"{"explanation":null}"#);
        assert_eq!(finding.evidence, [Evidence::RejectedFlows, Evidence::Topology].into());
        assert_eq!((finding.tally.flows, finding.tally.packets, finding.tally.bytes), (1, 10, 400));
        assert_eq!(
            json(&finding.examples),
            r#"[{"interface_id":"eni-b","srcaddr":"10.1.0.5","dstaddr":"10.2.0.7","srcport":60000,"dstport":443,"protocol":17,"action":"REJECT"}]"#
        );
    }

    #[test]
    fn replies_and_accepted_records_do_not_change_it() {
        let log = vec![
            record("eni-b", "10.1.0.5 10.2.0.7 60000 443", "6 REJECT 2 - vpc-b"),
            record("eni-b", "10.1.0.5 10.2.0.7 60001 443", "6 ACCEPT 2 - vpc-b"),
            record("eni-b", "10.2.0.7 10.1.0.5 443 60001", "6 ACCEPT 18 4 vpc-b"),
        ];
        let findings = detect_in(TYPE, log);
        let [finding] = &findings[..] else { panic!("{findings:?}") };
        assert_eq!(finding.tally.flows, 1);
        let examples: Vec<_> = finding.examples.iter().map(|example| (example.srcport, example.action)).collect();
        assert_eq!(examples, [(Some(60_000), Action::Reject)]);
        assert_eq!(json(&finding.seen), r#"{"first_seen":"2026-11-23T06:00:00Z","last_seen":"2026-11-23T06:01:00Z"}"#);
    }

    #[test]
    fn accepted_records_are_ignored() {
        assert_eq!(detect_in(TYPE, records(20, "eni-b", "10.1.0.5 10.2.0.7 443", "6 ACCEPT 2 - vpc-b")), []);
    }

    #[test]
    fn vpcs_that_are_not_peered_are_ignored() {
        for dst in ["10.3.0.7", "10.4.0.7", "10.5.0.7", "10.1.0.7", "10.77.0.7"] {
            assert_eq!(detect_in(TYPE, records(9, "eni-a", &format!("10.1.0.5 {dst} 443"), "6 REJECT 2 - vpc-a")), []);
        }
    }

    #[test]
    fn skipped_records_lower_the_confidence() {
        let mut log = records(1, "eni-b", "10.1.0.5 10.2.0.7 443", "6 REJECT 2 - vpc-b");
        log.push(gap("eni-b"));
        let finding = &detect_in(TYPE, log)[0];
        assert_eq!(finding.confidence, Confidence::Medium);
        assert!(finding.evidence.contains(&Evidence::SkipData));
    }
}
