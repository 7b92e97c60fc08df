//! `reply-blocked`: requests are accepted, but their replies are rejected.
//!
//! A security group is stateful and accepts the reply to an accepted request. So the reply was rejected by a network ACL.

use std::collections::BTreeMap;
use std::net::IpAddr;

use super::super::Context;
use super::super::evidence::{FindingDraft, MatchedFlows, SeenAnswers};
use crate::aggregate::interner::Symbol;
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
    src: Option<IpAddr>,
    dst: Option<IpAddr>,
    protocol: Option<u8>,
}

pub(in crate::findings) fn detect(context: &Context<'_>) -> Vec<Finding> {
    let mut replies: BTreeMap<ReplyKey, MatchedFlows> = BTreeMap::new();
    for (key, subgroup) in context.groups.subgroups().filter(|(_, subgroup)| subgroup.is_answer()) {
        let reply = ReplyKey { interface: key.interface, src: key.src, dst: key.dst, protocol: key.protocol };
        replies.entry(reply).or_default().add(context, key, &subgroup);
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
    let label = |address: Option<IpAddr>| {
        address.map_or_else(|| "an unknown address".to_owned(), |address| flows.address_label(context, address))
    };
    let capitalize = |text: String| text.replacen("network", "Network", 1);
    let draft = FindingDraft {
        finding_type: FindingType::ReplyBlocked,
        severity: Severity::Medium,
        confidence,
        title: format!(
            "{} rejects the {} replies from {} to {}",
            flows.rules.sole_acl(context, flows.tally.flows).map_or_else(|| "A network ACL".to_owned(), capitalize),
            names::protocol(protocol),
            label(srcaddr),
            label(dstaddr)
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
        for (protocol, flags, confidence) in
            [(6, "18", Confidence::High), (6, "-", Confidence::Low), (17, "-", Confidence::Low)]
        {
            let findings = detect_in(FindingType::ReplyBlocked, [reply(protocol, flags), request("eni-1", protocol)]);
            let [finding] = &findings[..] else { panic!("{findings:?}") };
            assert_eq!((finding.severity, finding.confidence), (Severity::Medium, confidence));
            assert_eq!((finding.tally.flows, finding.evidence.len()), (1, 1));
        }
    }

    #[test]
    fn a_syn_ack_that_leaves_needs_no_request() {
        let findings = detect_in(FindingType::ReplyBlocked, [reply(6, "18")]);
        assert_eq!((findings.len(), &findings[0].evidence), (1, &[Evidence::TcpFlags].into()));
    }

    #[test]
    fn a_ping_may_come_from_either_side() {
        let ping = |ends, action, direction| record("eni-1", ends, 1, action, "-", direction);
        let request = ping("203.0.113.12 172.31.16.139 0 0", "ACCEPT", "ingress");
        let reply = ping("172.31.16.139 203.0.113.12 0 0", "REJECT", "egress");
        assert!(detect_in(FindingType::ReplyBlocked, [request, reply]).is_empty());
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
        none(vec![reply(6, "-")]);
        none(vec![reply(6, "-"), request("eni-2", 6)]);
        none(vec![reply(6, "-"), request("eni-1", 17)]);
        // A SYN-ACK that arrives and that nobody asked for.
        none(vec![reply(6, "18").replace("egress", "ingress")]);
        // Late packets of a reply.
        none(vec![reply(6, "0"), request("eni-1", 6)]);
        // A SYN opens a connection, also in answer to another.
        none(vec![
            record("eni-1", "10.0.0.1 8.8.8.8 50000 443", 6, "REJECT", "2", "egress"),
            record("eni-1", "8.8.8.8 10.0.0.1 443 50000", 6, "ACCEPT", "18", "ingress"),
        ]);
    }
}
