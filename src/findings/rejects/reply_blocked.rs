//! `reply-blocked`: requests are accepted, but their replies are rejected.
//!
//! A security group is stateful and accepts the reply to an accepted request. So the reply was rejected by a network ACL.

use std::collections::BTreeMap;
use std::net::IpAddr;

use super::super::Context;
use super::super::evidence::{FindingDraft, MatchedFlows, SeenAnswers};
use crate::aggregate::interner::Symbol;
use crate::aggregate::rejected::cause::Cause;
use crate::findings::types::{Confidence, Details, Evidence, Finding, FindingType, Severity, Subject};
use crate::record::names;

pub(in crate::findings) const MEANING: &str = "Requests are accepted, but their replies are rejected. Only a network ACL does this, \
                                  because it is stateless.";
pub(in crate::findings) const NEXT_STEP: &str = "Allow the replies in the network ACL of the subnet: usually the ephemeral ports 1024 to \
                                    65535 towards the client.";

/// Replies with the same interface, addresses, and protocol. Findings are created in the order of this key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct ReplyKey {
    interface: Option<Symbol>,
    src: IpAddr,
    dst: IpAddr,
    protocol: u8,
}

pub(in crate::findings) fn detect(context: &Context<'_>) -> Vec<Finding> {
    let mut replies: BTreeMap<ReplyKey, MatchedFlows> = BTreeMap::new();
    for (key, subgroup) in context.groups.subgroups().filter(|(_, subgroup)| subgroup.cause == Cause::NetworkAcl) {
        if let (Some(src), Some(dst), Some(protocol)) = (key.src, key.dst, key.protocol) {
            let reply = ReplyKey { interface: key.interface, src, dst, protocol };
            replies.entry(reply).or_default().add(context, key, &subgroup);
        }
    }
    replies.into_iter().map(|(key, flows)| finding(context, key, flows)).collect()
}

fn finding(context: &Context<'_>, key: ReplyKey, flows: MatchedFlows) -> Finding {
    let ReplyKey { interface, src: srcaddr, dst: dstaddr, protocol } = key;
    // A SYN-ACK is an answer by itself. Without flags, another input may have accepted the same connection.
    let (confidence, evidence) = match flows.answers {
        SeenAnswers { syn_acks: true, others: false } => (Confidence::High, Evidence::TcpFlags),
        SeenAnswers { syn_acks: false, .. } => (context.confidence_in_absence(), Evidence::AcceptedRequest),
        SeenAnswers { syn_acks: true, others: true } => (context.confidence_in_absence(), Evidence::RejectedReply),
    };
    let draft = FindingDraft {
        finding_type: FindingType::ReplyBlocked,
        severity: Severity::Medium,
        confidence,
        title: format!(
            "A network ACL rejects the {} replies from {} to {}",
            names::protocol(Some(protocol)),
            context.network.address_label(srcaddr, None),
            context.network.address_label(dstaddr, None)
        ),
        subject: Subject::ReplyFlow { interface_id: context.interface_name(interface), srcaddr, dstaddr, protocol },
        details: Details::None {},
        evidence: [evidence].into(),
    };
    flows.into_finding(context, draft)
}

#[cfg(test)]
mod tests {
    use super::super::super::tests::{detect_in, record};
    use super::*;

    fn reply(protocol: u8, flags: &str) -> String {
        record("eni-1", "10.0.0.1 8.8.8.8 443 50000", protocol, "REJECT", flags, "egress")
    }

    fn request(interface: &str, protocol: u8) -> String {
        record(interface, "8.8.8.8 10.0.0.1 50000 443", protocol, "ACCEPT", "-", "ingress")
    }

    #[test]
    fn a_rejected_reply_to_an_accepted_request_is_found() {
        for (protocol, flags) in [(6, "18"), (6, "-"), (17, "-")] {
            let findings = detect_in(FindingType::ReplyBlocked, [reply(protocol, flags), request("eni-1", protocol)]);
            let [finding] = &findings[..] else { panic!("{findings:?}") };
            assert_eq!((finding.severity, finding.confidence), (Severity::Medium, Confidence::High));
            assert_eq!((finding.tally.flows, finding.evidence.len()), (1, 1));
        }
    }

    #[test]
    fn the_ping_example_of_the_aws_docs_is_found() {
        let ping = |ends, action, direction| record("eni-1", ends, 1, action, "-", direction);
        let request = ping("203.0.113.12 172.31.16.139 0 0", "ACCEPT", "ingress");
        let reply = |action| ping("172.31.16.139 203.0.113.12 0 0", action, "egress");
        let findings = detect_in(FindingType::ReplyBlocked, [request.clone(), reply("REJECT")]);
        assert_eq!(findings[0].title, "A network ACL rejects the ICMP replies from 172.31.16.139 to 203.0.113.12");
        // If some replies were accepted, no rule rejects them.
        assert!(detect_in(FindingType::ReplyBlocked, [request, reply("REJECT"), reply("ACCEPT")]).is_empty());
    }

    #[test]
    fn each_interface_has_its_own_finding() {
        let records = ["eni-1", "eni-2"].map(|interface| {
            let reply = record(interface, "10.0.0.1 8.8.8.8 443 50000", 6, "REJECT", "18", "egress");
            reply + &request(interface, 6)
        });
        assert_eq!(detect_in(FindingType::ReplyBlocked, records).len(), 2);
    }

    #[test]
    fn rejects_that_are_not_replies_are_ignored() {
        let none = |records: Vec<String>| {
            assert!(detect_in(FindingType::ReplyBlocked, records.clone()).is_empty(), "{records:?}");
        };
        // No request was accepted, or only by another interface, or only of another protocol.
        none(vec![reply(6, "18")]);
        none(vec![reply(6, "18"), request("eni-2", 6)]);
        none(vec![reply(6, "18"), request("eni-1", 17)]);
        // Late packets of a reply.
        none(vec![reply(6, "0"), request("eni-1", 6)]);
        // From the higher to the lower port: a new connection, not a reply.
        none(vec![
            record("eni-1", "10.0.0.1 8.8.8.8 50000 443", 6, "REJECT", "2", "egress"),
            record("eni-1", "8.8.8.8 10.0.0.1 443 50000", 6, "ACCEPT", "18", "ingress"),
        ]);
    }
}
