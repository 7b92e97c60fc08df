//! `unpeered-vpc`: records from one VPC to another that get no reply. The two have neither a connection nor a common peer.

use super::{PeeringContext, VpcDirection};
use crate::aggregate::peering::ClassView;
use crate::findings::evidence::FindingDraft;
use crate::findings::types::{Details, Finding, FindingType, Severity, Subject};

pub(in crate::findings) const MEANING: &str = "Traffic tries to reach a VPC without a peering connection, direct or through \
                                             a third VPC.";
pub(in crate::findings) const NEXT_STEP: &str = "If the two VPCs should communicate, peer them or connect them with a transit \
                                               gateway. If not, check the client's configuration: it targets the wrong \
                                               address.";

pub(super) fn detect(peering: &PeeringContext<'_>, direction: VpcDirection, view: &ClassView<'_>) -> Option<Finding> {
    if !peering.topology.common_peers(direction.src, direction.dst).is_empty() {
        return None;
    }
    let unanswered = peering.unanswered(view, |_| true)?;
    let doubt = unanswered.delivery_note();
    let draft = FindingDraft {
        finding_type: FindingType::UnpeeredVpc,
        severity: Severity::Medium,
        confidence: unanswered.confidence_in_detour(peering.context),
        title: format!(
            "{} tries to reach {}, but they have no peering connection{doubt}",
            peering.format_vpc(direction.src),
            peering.format_vpc(direction.dst)
        ),
        subject: Subject::Vpcs { src_vpc_id: peering.id(direction.src), dst_vpc_id: peering.id(direction.dst) },
        details: Details::None {},
        evidence: unanswered.evidence,
    };
    Some(unanswered.flows.into_finding(peering.context, draft))
}

#[cfg(test)]
mod tests {
    use super::super::tests::{connection, detect_in, detect_with, json, pairs, record, records, summarize};
    use super::*;
    use crate::findings::types::{Confidence, Evidence};

    const TYPE: FindingType = FindingType::UnpeeredVpc;

    fn attempts() -> Vec<String> {
        records(2, "eni-a", "10.1.0.5 10.4.0.7 443", "6 ACCEPT 2 - vpc-a")
    }

    #[test]
    fn traffic_to_an_unpeered_vpc_is_found() {
        let findings = detect_in(TYPE, attempts());
        let [finding] = &findings[..] else { panic!("{findings:?}") };
        assert_eq!((finding.severity, finding.confidence), (Severity::Medium, Confidence::Medium));
        assert_eq!(
            finding.title,
            "10.1.0.0/16 (vpc-a) tries to reach 10.4.0.0/16 (vpc-d), but they have no peering connection"
        );
        assert_eq!(json(&finding.subject), r#"{"src_vpc_id":"vpc-a","dst_vpc_id":"vpc-d"}"#);
        assert_eq!(json(&finding.details), "{}");
        assert_eq!(finding.evidence, [Evidence::NoReply, Evidence::TcpFlags, Evidence::Topology].into());
        assert_eq!((finding.tally.flows, finding.tally.packets, finding.tally.bytes), (2, 20, 800));
    }

    #[test]
    fn a_common_peer_makes_it_transitive() {
        let common_peer = [connection("pcx-bd", "active", "vpc-b", "vpc-d")];
        assert_eq!(detect_with(&common_peer, TYPE, attempts()), []);
        assert_eq!(detect_with(&common_peer, FindingType::TransitivePeering, attempts()).len(), 1);
    }

    #[test]
    fn an_inactive_connection_makes_no_common_peer() {
        assert_eq!(detect_with(&[connection("pcx-bd", "failed", "vpc-b", "vpc-d")], TYPE, attempts()).len(), 1);
    }

    #[test]
    fn a_connection_of_any_status_suppresses_it() {
        for status in ["active", "pending-acceptance", "deleted"] {
            assert_eq!(
                detect_with(&[connection("pcx-ad", status, "vpc-d", "vpc-a")], TYPE, attempts()),
                [],
                "{status}"
            );
        }
    }

    #[test]
    fn a_reply_suppresses_it_and_keeps_the_pair() {
        let mut log = attempts();
        log.push(record("eni-a", "10.4.0.7 10.1.0.5 443 60000", "6 ACCEPT 18 - vpc-a"));
        let summary = summarize(&[], &[log]);
        assert_eq!(summary.findings, []);
        assert_eq!(pairs(&summary), ["vpc-a vpc-d - 2 0", "vpc-d vpc-a - 1 0"]);
    }

    #[test]
    fn an_address_in_no_known_vpc_is_ignored() {
        assert_eq!(detect_in(TYPE, records(9, "eni-a", "10.1.0.5 10.77.0.7 443", "6 ACCEPT 2 - vpc-a")), []);
    }
}
