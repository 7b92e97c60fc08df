//! `reply-blocked`: requests are let through, and their answers are refused.
//!
//! A security group is stateful: it lets the answer to what it let through pass. So a network ACL refuses it.

use std::collections::BTreeMap;
use std::net::IpAddr;

use super::super::{Context, FindingDraft, MatchedFlows};
use crate::aggregate::interner::Symbol;
use crate::aggregate::rejected::cause::Cause;
use crate::findings::types::{Confidence, Details, Evidence, Finding, FindingType, Severity, Subject};
use crate::record::iana;

pub(in crate::findings) const MEANING: &str = "Requests are accepted, but their replies are rejected. Only a network ACL does this, \
                                  because it is stateless.";
pub(in crate::findings) const NEXT_STEP: &str = "Allow the replies in the network ACL of the subnet: usually the ephemeral ports 1024 to \
                                    65535 towards the client.";

type Key = (Option<Symbol>, IpAddr, IpAddr, u8);

pub(in crate::findings) fn detect(context: &Context<'_>) -> Vec<Finding> {
    let mut replies: BTreeMap<Key, MatchedFlows> = BTreeMap::new();
    for (key, part) in context.groups.subgroups().filter(|(_, part)| part.cause == Cause::NetworkAcl) {
        if let (Some(src), Some(dst), Some(protocol)) = (key.src, key.dst, key.protocol) {
            replies.entry((key.interface, src, dst, protocol)).or_default().add(context, key, &part);
        }
    }
    replies.into_iter().map(|(key, records)| finding(context, key, records)).collect()
}

fn finding(context: &Context<'_>, (interface, srcaddr, dstaddr, protocol): Key, records: MatchedFlows) -> Finding {
    let verdict = FindingDraft {
        finding_type: FindingType::ReplyBlocked,
        severity: Severity::Medium,
        confidence: Confidence::High,
        title: format!(
            "A network ACL rejects the {} replies from {srcaddr} to {dstaddr}",
            iana::protocol(Some(protocol))
        ),
        subject: Subject::ReplyFlow { interface_id: context.interface_name(interface), srcaddr, dstaddr, protocol },
        details: Details::None {},
        evidence: [Evidence::AcceptedRequest].into(),
    };
    records.into_finding(context, verdict)
}

#[cfg(test)]
mod tests {
    use super::super::super::tests::{detect_in, record};
    use super::*;

    fn answer(protocol: u8, flags: &str) -> String {
        record("eni-1", "10.0.0.1 8.8.8.8 443 50000", protocol, "REJECT", flags, "egress")
    }

    fn request(interface: &str, protocol: u8) -> String {
        record(interface, "8.8.8.8 10.0.0.1 50000 443", protocol, "ACCEPT", "-", "ingress")
    }

    #[test]
    fn an_answer_to_what_was_let_through_is_refused_by_a_network_acl() {
        for (protocol, flags) in [(6, "18"), (6, "-"), (17, "-")] {
            let findings = detect_in(FindingType::ReplyBlocked, [answer(protocol, flags), request("eni-1", protocol)]);
            let [finding] = &findings[..] else { panic!("{findings:?}") };
            assert_eq!((finding.severity, finding.confidence), (Severity::Medium, Confidence::High));
            assert_eq!((finding.tally.flows, finding.evidence.len()), (1, 1));
        }
    }

    #[test]
    fn the_ping_that_aws_documents() {
        let ping = |ends, action, way| record("eni-1", ends, 1, action, "-", way);
        let in_ = ping("203.0.113.12 172.31.16.139 0 0", "ACCEPT", "ingress");
        let out = |action| ping("172.31.16.139 203.0.113.12 0 0", action, "egress");
        let findings = detect_in(FindingType::ReplyBlocked, [in_.clone(), out("REJECT")]);
        assert_eq!(findings[0].title, "A network ACL rejects the ICMP replies from 172.31.16.139 to 203.0.113.12");
        // Where answers were let through as well, it is not the rule that refuses them.
        assert!(detect_in(FindingType::ReplyBlocked, [in_, out("REJECT"), out("ACCEPT")]).is_empty());
    }

    #[test]
    fn each_interface_is_a_subject_of_its_own() {
        let records = ["eni-1", "eni-2"].map(|interface| {
            let answer = record(interface, "10.0.0.1 8.8.8.8 443 50000", 6, "REJECT", "18", "egress");
            answer + &request(interface, 6)
        });
        assert_eq!(detect_in(FindingType::ReplyBlocked, records).len(), 2);
    }

    #[test]
    fn near_misses() {
        let none = |records: Vec<String>| {
            assert!(detect_in(FindingType::ReplyBlocked, records.clone()).is_empty(), "{records:?}");
        };
        // Nothing was let through; or by another interface; or of another protocol.
        none(vec![answer(6, "18")]);
        none(vec![answer(6, "18"), request("eni-2", 6)]);
        none(vec![answer(6, "18"), request("eni-1", 17)]);
        // Late packets of an answer.
        none(vec![answer(6, "0"), request("eni-1", 6)]);
        // From the higher to the lower port: a connection of its own, not an answer.
        none(vec![
            record("eni-1", "10.0.0.1 8.8.8.8 50000 443", 6, "REJECT", "2", "egress"),
            record("eni-1", "8.8.8.8 10.0.0.1 443 50000", 6, "ACCEPT", "18", "ingress"),
        ]);
    }
}
