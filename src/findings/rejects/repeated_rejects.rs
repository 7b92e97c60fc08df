//! `repeated-rejects`: the same connection is rejected repeatedly.

use std::net::IpAddr;

use super::super::Context;
use super::super::evidence::{FindingDraft, MatchedFlows};
use crate::aggregate::rejected::Group;
use crate::findings::types::{Confidence, Details, Evidence, Finding, FindingType, Severity, Subject};
use crate::record::names;

pub(in crate::findings) const MEANING: &str = "The same connection is attempted and rejected repeatedly: usually a misconfigured \
                                  program or a missing rule.";
pub(in crate::findings) const NEXT_STEP: &str = "If the traffic is intended, add the rule that the cause names. If not, find the \
                                    program at the source and stop it.";

pub(in crate::findings) fn detect(context: &Context<'_>) -> Vec<Finding> {
    let tallies = (0..).zip(context.groups.tallies());
    let repeated = tallies.filter(|(_, tally)| tally.flows >= context.thresholds.repeated_reject_flows);
    let groups = repeated.map(|(index, _)| context.groups.get(index));
    groups.filter(|group| context.is_identified(group.key.interface)).map(|group| finding(context, &group)).collect()
}

fn finding(context: &Context<'_>, group: &Group<'_>) -> Finding {
    let key = group.key;
    let (direction, _) = context.network.direction(group);
    let mut flows = MatchedFlows::default();
    for subgroup in group.subgroups() {
        flows.add(context, key, &subgroup);
    }
    let draft = FindingDraft {
        finding_type: FindingType::RepeatedRejects,
        severity: Severity::Low,
        confidence: Confidence::High,
        title: format!(
            "{} to {} {} was rejected repeatedly{}",
            format_address(context, group, key.src),
            format_address(context, group, key.dst),
            key.dstport.map_or_else(|| names::protocol(key.protocol), |port| names::port(port, key.protocol)),
            flows.rules.describe(context, flows.tally.flows)
        ),
        subject: Subject::Group {
            interface_id: context.interface_name(key.interface),
            srcaddr: key.src,
            dstaddr: key.dst,
            dstport: key.dstport,
            protocol: key.protocol,
        },
        details: Details::Group { direction, cause: group.cause() },
        evidence: [Evidence::RejectedFlows].into(),
    };
    flows.into_finding(context, draft)
}

fn format_address(context: &Context<'_>, group: &Group<'_>, address: Option<IpAddr>) -> String {
    let recorder = context.network.recorder(group);
    address.map_or_else(|| "an unknown address".to_owned(), |address| context.network.address_label(address, recorder))
}

#[cfg(test)]
mod tests {
    use super::super::super::tests::{detect_in, record};
    use super::*;
    use crate::aggregate::rejected::cause::Cause;
    use crate::record::Direction;

    fn rejects(flows: u16, flags: &'static str) -> impl Iterator<Item = String> {
        let ends = |flow: u16| format!("10.0.0.2 10.0.0.1 {} 5432", 50_000 + flow);
        (0..flows).map(move |flow| record("eni-1", &ends(flow), 6, "REJECT", flags, "ingress"))
    }

    #[test]
    fn a_hundred_flows_are_repeated_rejects() {
        let findings = detect_in(FindingType::RepeatedRejects, rejects(100, "2"));
        let [finding] = &findings[..] else { panic!("{findings:?}") };
        assert_eq!((finding.severity, finding.tally.flows), (Severity::Low, 100));
        let group = Details::Group { direction: Direction::Ingress, cause: Cause::SecurityGroupOrNetworkAcl };
        assert_eq!(finding.details, group);
        assert_eq!(finding.title, "10.0.0.2 to 10.0.0.1 5432/TCP (postgresql) was rejected repeatedly");
    }

    #[test]
    fn ninety_nine_flows_are_not_repeated_rejects() {
        assert!(detect_in(FindingType::RepeatedRejects, rejects(99, "2")).is_empty());
    }

    #[test]
    fn each_interface_has_its_own_group() {
        let other = record("eni-2", "10.0.0.2 10.0.0.1 50000 5432", 6, "REJECT", "2", "ingress");
        assert!(detect_in(FindingType::RepeatedRejects, rejects(99, "2").chain([other])).is_empty());
    }

    #[test]
    fn connections_at_two_interfaces_have_two_titles() {
        let at_other = rejects(100, "2").map(|record| record.replace("eni-1", "eni-2"));
        let findings = detect_in(FindingType::RepeatedRejects, rejects(100, "2").chain(at_other));
        let titles: Vec<&str> = findings.iter().map(|finding| finding.title.as_str()).collect();
        let title = "10.0.0.2 to 10.0.0.1 5432/TCP (postgresql) was rejected repeatedly";
        assert_eq!(titles, [format!("{title} at eni-1"), format!("{title} at eni-2")]);
    }

    #[test]
    fn late_packets_count_too() {
        let findings = detect_in(FindingType::RepeatedRejects, rejects(60, "2").chain(rejects(61, "4")));
        assert_eq!(findings[0].tally.flows, 121);
        assert_eq!(findings[0].details, Details::Group { direction: Direction::Ingress, cause: Cause::OutOfState });
    }

    #[test]
    fn examples_have_distinct_source_ports_if_the_cause_needs_them() {
        let findings = detect_in(FindingType::RepeatedRejects, rejects(100, "-"));
        let ports: Vec<_> = findings[0].examples.iter().map(|example| example.srcport).collect();
        assert_eq!(ports, [50_000, 50_001, 50_002, 50_003, 50_004].map(Some));
    }
}
