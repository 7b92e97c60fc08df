//! `port-scan`: one source is rejected at many ports of one destination.
//!
//! Only TCP and UDP count. Late packets, answers, and what has the shape of an answer do not: the last packets of a server go to as
//! many ports as it had connections.

use std::net::IpAddr;

use super::super::Context;
use super::super::evidence::FindingDraft;
use super::probes::{
    AcceptedCount, Probe, ProbedSubject, count_accepted, describe_accepted, group_probes, probe_severity,
};
use crate::findings::types::{Details, Evidence, Finding, FindingType, Subject};

pub(in crate::findings) const MEANING: &str =
    "One source was rejected at many ports of one host: it searches for open ports.";
pub(in crate::findings) const NEXT_STEP: &str = "If flows from it were accepted there, check that host first. Block the source in the network ACL. A \
                                    private source may be compromised; if it is your own scanner, add it to `trusted_scanners`.";

pub(super) fn detect(context: &Context<'_>, probes: &[Probe]) -> Vec<Finding> {
    let scans = group_probes(context, probes, context.thresholds.port_scan_ports, |probe| {
        ((probe.src, probe.dst), (probe.protocol, probe.dstport))
    });
    let subjects = scans.iter().map(|scan| scan.subject);
    let accepted = count_accepted(context, subjects, |row| row.ends().map(|(_, src, dst)| (src, dst)), |(src, _)| src);
    let accepted = |scan: &ProbedSubject<_>| {
        let earlier = context.let_through.to_host(scan.subject);
        AcceptedCount::new(context, accepted.get(&scan.subject).copied(), earlier)
    };
    scans.into_iter().map(|scan| finding(context, accepted(&scan), scan)).collect()
}

fn finding(context: &Context<'_>, accepted: AcceptedCount, scan: ProbedSubject<(IpAddr, IpAddr)>) -> Finding {
    let (srcaddr, dstaddr) = scan.subject;
    let distinct_ports = scan.targets;
    let (confidence, flags) = scan.flows.attempt_confidence(context);
    let accepted_flows = accepted.flows();
    let (accepted, evidence) = describe_accepted(context, accepted, "this host");
    let draft = FindingDraft {
        finding_type: FindingType::PortScan,
        severity: probe_severity(context, srcaddr, accepted_flows),
        confidence,
        title: format!(
            "{} was rejected at {distinct_ports} ports of {}{accepted}",
            scan.flows.address_label(context, srcaddr),
            scan.flows.address_label(context, dstaddr)
        ),
        subject: Subject::SourceAndDestination { srcaddr, dstaddr },
        details: Details::Ports { distinct_ports, accepted_flows },
        evidence: [Evidence::DistinctPorts].into_iter().chain(flags).chain(evidence).collect(),
    };
    scan.flows.into_finding(context, draft)
}

#[cfg(test)]
mod tests {
    use super::super::super::tests::{detect_in, gap, record};
    use super::*;
    use crate::findings::types::{Confidence, Severity};

    /// Returns rejected TCP records from one source to `ports` ports, with these flags.
    fn probes(src: &'static str, ports: u16, flags: &'static str) -> impl Iterator<Item = String> {
        let ends = move |port| format!("{src} 10.0.0.1 50000 {port}");
        (1..=ports).map(move |port| record("eni-1", &ends(port), 6, "REJECT", flags, "ingress"))
    }

    #[test]
    fn fifteen_ports_are_a_scan() {
        let findings = detect_in(FindingType::PortScan, probes("8.8.8.8", 15, "2"));
        let [finding] = &findings[..] else { panic!("{findings:?}") };
        assert_eq!((finding.severity, finding.confidence), (Severity::Medium, Confidence::High));
        assert_eq!(finding.details, Details::Ports { distinct_ports: 15, accepted_flows: Some(0) });
        assert_eq!((finding.tally.flows, finding.tally.packets, finding.tally.bytes), (15, 150, 6000));
        let evidence = [Evidence::DistinctPorts, Evidence::NoAcceptedRecords, Evidence::TcpFlags];
        assert_eq!(finding.evidence, evidence.into());
        assert_eq!(finding.title, "8.8.8.8 was rejected at 15 ports of 10.0.0.1");
        let ports: Vec<_> = finding.examples.iter().map(|example| (example.srcport, example.dstport)).collect();
        assert_eq!(ports, [1, 2, 3, 4, 5].map(|port| (Some(50_000), Some(port))));
    }

    #[test]
    fn fourteen_ports_are_not_a_scan() {
        let again = probes("8.8.8.8", 14, "2");
        assert!(detect_in(FindingType::PortScan, probes("8.8.8.8", 14, "2").chain(again)).is_empty());
    }

    #[test]
    fn repeated_probes_of_a_port_count_once() {
        let again = |srcport: u16| {
            let ends = move |port: u16| format!("8.8.8.8 10.0.0.1 {srcport} {port}");
            (1..=14).map(move |port| record("eni-1", &ends(port), 6, "REJECT", "-", "ingress"))
        };
        assert!(detect_in(FindingType::PortScan, again(50_000).chain(again(50_001))).is_empty());
    }

    #[test]
    fn tcp_and_udp_ports_are_distinct_and_icmp_is_ignored() {
        let more = |protocol| record("eni-1", "8.8.8.8 10.0.0.1 50000 1", protocol, "REJECT", "-", "ingress");
        assert_eq!(detect_in(FindingType::PortScan, probes("8.8.8.8", 14, "2").chain([more(17)])).len(), 1);
        assert!(detect_in(FindingType::PortScan, probes("8.8.8.8", 14, "2").chain([more(1)])).is_empty());
    }

    #[test]
    fn a_private_source_is_more_severe() {
        assert_eq!(detect_in(FindingType::PortScan, probes("10.0.0.9", 15, "2"))[0].severity, Severity::High);
    }

    #[test]
    fn late_packets_are_not_a_scan() {
        assert!(detect_in(FindingType::PortScan, probes("8.8.8.8", 30, "0")).is_empty());
        let mixed = probes("8.8.8.8", 14, "2").chain(probes("8.8.8.8", 30, "4"));
        assert!(detect_in(FindingType::PortScan, mixed).is_empty());
    }

    #[test]
    fn late_packets_without_flags_of_accepted_flows_are_not_a_scan() {
        let ends = |port| format!("8.8.8.8 10.0.0.1 443 {port}");
        let rejected = (50_000..50_030).map(|port| record("eni-1", &ends(port), 6, "REJECT", "-", "ingress"));
        let accepted = (50_000..50_030).map(|port| record("eni-1", &ends(port), 6, "ACCEPT", "-", "ingress"));
        assert!(detect_in(FindingType::PortScan, rejected.clone().chain(accepted)).is_empty());
        // Without the accepted records, which another input may have, they have the shape of answers.
        assert!(detect_in(FindingType::PortScan, rejected).is_empty());
        let from_client_port = (50_000..50_030)
            .map(|port| record("eni-1", &format!("8.8.8.8 10.0.0.1 40000 {port}"), 6, "REJECT", "-", "ingress"));
        let findings = detect_in(FindingType::PortScan, from_client_port);
        assert_eq!((findings.len(), findings[0].confidence), (1, Confidence::Low));
    }

    #[test]
    fn accepted_flows_to_the_same_host_raise_the_severity() {
        let accepted = |host: &str| record("eni-1", &format!("8.8.8.8 {host} 50000 443"), 6, "ACCEPT", "3", "ingress");
        let finding = |host: &str| {
            let records = probes("8.8.8.8", 15, "2").chain([accepted(host), accepted(host)]);
            detect_in(FindingType::PortScan, records).remove(0)
        };
        let found = finding("10.0.0.1");
        assert_eq!(found.details, Details::Ports { distinct_ports: 15, accepted_flows: Some(2) });
        assert_eq!((found.severity, found.evidence.contains(&Evidence::AcceptedFlows)), (Severity::High, true));
        assert!(found.title.ends_with("of 10.0.0.1; 2 flows from it to this host were accepted"), "{}", found.title);
        let found = finding("10.0.0.2");
        assert_eq!(found.details, Details::Ports { distinct_ports: 15, accepted_flows: Some(0) });
        assert_eq!((found.severity, found.evidence.contains(&Evidence::AcceptedFlows)), (Severity::Medium, false));
    }

    #[test]
    fn the_title_names_the_host_of_the_own_vpc() {
        let interface = |id: &str, vpc: &str, name: &str| {
            format!(
                r#"{{"NetworkInterfaceId": "{id}", "VpcId": "{vpc}", "PrivateIpAddress": "10.0.0.1",
                     "TagSet": [{{"Key": "Name", "Value": "{name}"}}]}}"#
            )
        };
        let document = format!(
            r#"{{"Vpcs": [{{"VpcId": "vpc-a", "CidrBlock": "10.0.0.0/16"}}, {{"VpcId": "vpc-b", "CidrBlock": "10.0.0.0/24"}}],
                 "NetworkInterfaces": [{}, {}]}}"#,
            interface("eni-1", "vpc-a", "payments"),
            interface("eni-2", "vpc-b", "toy")
        );
        let mut resources = crate::topology::describe_output::Resources::default();
        resources.read("t.json", document.as_bytes()).expect("JSON");
        let topology = std::sync::Arc::new(crate::topology::Topology::new(resources));
        let log = format!("{}\n{}", super::super::super::tests::HEADER, probes("8.8.8.8", 15, "2").collect::<String>());
        let options = crate::pipeline::Options { topology: Some(topology.clone()), ..Default::default() };
        let analysis = crate::pipeline::analyze("case", log.as_bytes(), &options).expect("a flow log");
        let findings = crate::summary::build::build_summary(analysis, &Default::default(), Some(&topology)).findings;
        assert_eq!(findings[0].title, "8.8.8.8 was rejected at 15 ports of 10.0.0.1 (payments)");
    }

    #[test]
    fn trusted_scanners_make_no_finding() {
        let found = |block: &str| {
            let log =
                format!("{}\n{}", super::super::super::tests::HEADER, probes("10.0.9.9", 15, "2").collect::<String>());
            let analysis = crate::pipeline::analyze("case", log.as_bytes(), &Default::default()).expect("a flow log");
            let trusted_scanners = vec![block.parse().expect("a block")];
            let options = crate::summary::build::SummaryOptions { trusted_scanners, ..Default::default() };
            crate::summary::build::build_summary(analysis, &options, None).findings.len()
        };
        assert_eq!((found("10.0.9.0/24"), found("10.0.9.8/32")), (0, 1));
    }

    #[test]
    fn replies_rejected_by_a_network_acl_are_not_a_scan() {
        let replies = (50_000..50_030)
            .map(|port| record("eni-1", &format!("10.0.0.1 8.8.8.8 443 {port}"), 6, "REJECT", "18", "egress"));
        let requests = (50_000..50_030)
            .map(|port| record("eni-1", &format!("8.8.8.8 10.0.0.1 {port} 443"), 6, "ACCEPT", "2", "ingress"));
        assert!(detect_in(FindingType::PortScan, replies.chain(requests)).is_empty());
    }

    #[test]
    fn skipped_records_lower_the_confidence() {
        let finding = &detect_in(FindingType::PortScan, probes("8.8.8.8", 15, "2").chain([gap("eni-1")]))[0];
        assert_eq!(finding.confidence, Confidence::Medium);
        assert!(finding.evidence.contains(&Evidence::SkipData));
        let elsewhere = &detect_in(FindingType::PortScan, probes("8.8.8.8", 15, "2").chain([gap("eni-2")]))[0];
        assert_eq!(elsewhere.confidence, Confidence::High);
    }
}
