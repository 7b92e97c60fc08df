//! `egress-blocked`: traffic from an interface to public addresses is rejected.
//!
//! Late packets and replies do not count: they belong to accepted connections.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use super::super::Context;
use super::super::evidence::{FindingDraft, MatchedFlows};
use crate::aggregate::interner::Symbol;
use crate::aggregate::rejected::Group;
use crate::findings::types::{Details, Evidence, Finding, FindingType, Severity, Subject};
use crate::record::Direction;

pub(in crate::findings) const MEANING: &str = "One of your hosts tries to reach the internet and is rejected: either a rule is missing \
                                  or the host should not connect.";
pub(in crate::findings) const NEXT_STEP: &str = "Check the destinations. If they are intended, allow them in the security group and the \
                                    network ACL. If not, investigate the host: malware calls home this way.";

#[derive(Default)]
struct BlockedEgress {
    flows: MatchedFlows,
    destinations: BTreeSet<IpAddr>,
    evidence: BTreeSet<Evidence>,
}

pub(in crate::findings) fn detect(context: &Context<'_>) -> Vec<Finding> {
    let mut interfaces: BTreeMap<Option<Symbol>, BlockedEgress> = BTreeMap::new();
    let groups = context.groups.iter().filter(|group| !context.is_announced(&group.key));
    for group in groups.filter(|group| context.is_identified(group.key.interface)) {
        let Some(dst) = group.key.dst.filter(|dst| context.is_public(*dst)) else { continue };
        if let (Direction::Egress, evidence) = context.network.direction(&group) {
            interfaces.entry(group.key.interface).or_default().add(context, &group, dst, evidence);
        }
    }
    interfaces
        .into_iter()
        .filter(|(_, blocked)| blocked.flows.tally.flows >= context.thresholds.egress_blocked_flows)
        .map(|(interface, blocked)| blocked.into_finding(context, interface))
        .collect()
}

impl BlockedEgress {
    fn add(&mut self, context: &Context<'_>, group: &Group<'_>, dst: IpAddr, evidence: Option<Evidence>) {
        for subgroup in group.subgroups().filter(|subgroup| context.is_attempt(&group.key, subgroup)) {
            self.flows.add(context, group.key, &subgroup);
            self.destinations.insert(dst);
            self.evidence.extend(evidence);
        }
    }

    fn into_finding(self, context: &Context<'_>, interface: Option<Symbol>) -> Finding {
        let interface_id = context.interface_name(interface);
        let distinct_hosts = self.destinations.len() as u64;
        let (confidence, flags) = self.flows.attempt_confidence(context);
        let is_uniform = self.evidence.len() == 1;
        let draft = FindingDraft {
            finding_type: FindingType::EgressBlocked,
            severity: Severity::Medium,
            confidence,
            title: format!(
                "{} was blocked from reaching {distinct_hosts} public {}{}",
                context.network.interface_label(interface).as_deref().unwrap_or("an unnamed interface"),
                if distinct_hosts == 1 { "address" } else { "addresses" },
                self.flows.rules.describe(context, self.flows.tally.flows)
            ),
            subject: Subject::Interface { interface_id },
            details: Details::Hosts { distinct_hosts, explanation: self.flows.explain_sent(context) },
            // Evidence of the direction counts if it is that of every record.
            evidence: self.evidence.into_iter().filter(|_| is_uniform).chain(flags).collect(),
        };
        self.flows.into_finding(context, draft)
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::tests::{detect_in, gap, record};
    use super::*;
    use crate::findings::types::Confidence;

    fn blocked(dst: &str, flows: u16, flags: &str, direction: &str) -> Vec<String> {
        let ends = |flow: u16| format!("10.0.0.1 {dst} {} 443", 50_000 + flow);
        (0..flows).map(|flow| record("eni-1", &ends(flow), 6, "REJECT", flags, direction)).collect()
    }

    #[test]
    fn five_flows_to_public_addresses_are_blocked_egress() {
        let records = [blocked("8.8.8.8", 3, "2", "egress"), blocked("2600::1", 2, "2", "egress")].concat();
        let findings = detect_in(FindingType::EgressBlocked, records);
        let [finding] = &findings[..] else { panic!("{findings:?}") };
        assert_eq!((finding.severity, finding.confidence), (Severity::Medium, Confidence::High));
        assert_eq!(finding.details, Details::Hosts { distinct_hosts: 2, explanation: None });
        assert_eq!(
            (finding.tally.flows, finding.title.as_str()),
            (5, "eni-1 was blocked from reaching 2 public addresses")
        );
        assert_eq!(finding.evidence, [Evidence::FlowDirection, Evidence::TcpFlags].into());
    }

    #[test]
    fn four_flows_are_not_blocked_egress() {
        assert!(detect_in(FindingType::EgressBlocked, blocked("8.8.8.8", 4, "2", "egress")).is_empty());
    }

    #[test]
    fn private_destinations_ingress_and_late_packets_are_ignored() {
        let four = blocked("8.8.8.8", 4, "2", "egress");
        for more in [
            blocked("10.9.9.9", 5, "2", "egress"),
            blocked("9.9.9.9", 5, "2", "ingress"),
            blocked("9.9.9.9", 5, "0", "egress"),
            // The shape of an answer: from a server's port to a client's, without flags.
            (0..5)
                .map(|n| record("eni-1", &format!("10.0.0.1 9.9.9.9 443 {}", 50_000 + n), 6, "REJECT", "-", "egress"))
                .collect(),
        ] {
            assert!(detect_in(FindingType::EgressBlocked, [four.clone(), more].concat()).is_empty());
        }
    }

    #[test]
    fn a_shared_address_replaces_flow_direction() {
        let records = [blocked("8.8.8.8", 3, "2", "-"), blocked("9.9.9.9", 3, "2", "-")].concat();
        let finding = &detect_in(FindingType::EgressBlocked, records)[0];
        assert_eq!((finding.tally.flows, finding.confidence), (6, Confidence::High));
        assert_eq!(finding.evidence, [Evidence::ConstantAddress, Evidence::TcpFlags].into());
        // With one destination, the address that is not public is the interface's own.
        assert_eq!(detect_in(FindingType::EgressBlocked, blocked("8.8.8.8", 6, "2", "-")).len(), 1);
        let between_public = blocked("8.8.8.8", 6, "2", "-")
            .iter()
            .map(|record| record.replace("10.0.0.1", "9.9.9.9"))
            .collect::<Vec<_>>();
        assert!(detect_in(FindingType::EgressBlocked, between_public).is_empty());
    }

    #[test]
    fn skipped_records_lower_the_confidence() {
        let records = [blocked("8.8.8.8", 5, "2", "egress"), vec![gap("eni-1")]].concat();
        assert_eq!(detect_in(FindingType::EgressBlocked, records)[0].confidence, Confidence::Medium);
    }
}
