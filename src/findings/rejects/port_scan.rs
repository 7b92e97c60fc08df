//! `port-scan`: one source is refused at many ports of one destination.
//!
//! TCP and UDP only. Late packets and answers do not count: a server's last packets go to as many ports as it had
//! clients.

use super::super::{Context, FindingDraft, gather, probe_severity};
use crate::findings::types::{Details, Evidence, Finding, FindingType, Subject};

pub(in crate::findings) const MEANING: &str =
    "One source was rejected at many ports of one host: it searches for open ports.";
pub(in crate::findings) const NEXT_STEP: &str = "Check for accepted flows from the same source, and block it in the network ACL. A private \
                                    source may be compromised, or one of your own scanners.";

pub(in crate::findings) fn detect(context: &Context<'_>) -> Vec<Finding> {
    gather(context, context.thresholds.port_scan_ports, |probe| {
        ((probe.src, probe.dst), (probe.protocol, probe.dstport))
    })
    .into_iter()
    .map(|((srcaddr, dstaddr), distinct_ports, records)| {
        let (confidence, flags) = records.confidence_of_probing();
        records.into_finding(
            context,
            FindingDraft {
                finding_type: FindingType::PortScan,
                severity: probe_severity(context, srcaddr),
                confidence,
                title: format!("{srcaddr} was rejected at {distinct_ports} ports of {dstaddr}"),
                subject: Subject::SourceAndDestination { srcaddr, dstaddr },
                details: Details::Ports { distinct_ports },
                evidence: [Evidence::DistinctPorts].into_iter().chain(flags).collect(),
            },
        )
    })
    .collect()
}

#[cfg(test)]
mod tests {
    use super::super::super::tests::{detect_in, gap, record};
    use super::*;
    use crate::findings::types::{Confidence, Severity};

    /// Rejected TCP records of one source to so many ports, with these flags.
    fn probes(src: &'static str, ports: u16, flags: &'static str) -> impl Iterator<Item = String> {
        let ends = move |port| format!("{src} 10.0.0.1 50000 {port}");
        (1..=ports).map(move |port| record("eni-1", &ends(port), 6, "REJECT", flags, "ingress"))
    }

    #[test]
    fn fifteen_ports_are_a_scan() {
        let findings = detect_in(FindingType::PortScan, probes("8.8.8.8", 15, "2"));
        let [finding] = &findings[..] else { panic!("{findings:?}") };
        assert_eq!((finding.severity, finding.confidence), (Severity::Medium, Confidence::High));
        assert_eq!(finding.details, Details::Ports { distinct_ports: 15 });
        assert_eq!((finding.tally.flows, finding.tally.packets, finding.tally.bytes), (15, 150, 6000));
        assert_eq!(finding.evidence, [Evidence::DistinctPorts, Evidence::TcpFlags].into());
        assert_eq!(finding.title, "8.8.8.8 was rejected at 15 ports of 10.0.0.1");
        let ports: Vec<_> = finding.examples.iter().map(|example| (example.srcport, example.dstport)).collect();
        assert_eq!(ports, [1, 2, 3, 4, 5].map(|port| (Some(50_000), Some(port))));
    }

    #[test]
    fn fourteen_ports_are_none() {
        let again = probes("8.8.8.8", 14, "2");
        assert!(detect_in(FindingType::PortScan, probes("8.8.8.8", 14, "2").chain(again)).is_empty());
    }

    #[test]
    fn a_port_is_one_however_often_it_is_tried() {
        let again = |srcport: u16| {
            let ends = move |port: u16| format!("8.8.8.8 10.0.0.1 {srcport} {port}");
            (1..=14).map(move |port| record("eni-1", &ends(port), 6, "REJECT", "-", "ingress"))
        };
        assert!(detect_in(FindingType::PortScan, again(50_000).chain(again(50_001))).is_empty());
    }

    #[test]
    fn a_port_of_tcp_is_another_than_that_of_udp_and_icmp_has_none() {
        let more = |protocol| record("eni-1", "8.8.8.8 10.0.0.1 50000 1", protocol, "REJECT", "-", "ingress");
        assert_eq!(detect_in(FindingType::PortScan, probes("8.8.8.8", 14, "2").chain([more(17)])).len(), 1);
        assert!(detect_in(FindingType::PortScan, probes("8.8.8.8", 14, "2").chain([more(1)])).is_empty());
    }

    #[test]
    fn a_private_source_is_worse() {
        assert_eq!(detect_in(FindingType::PortScan, probes("10.0.0.9", 15, "2"))[0].severity, Severity::High);
    }

    #[test]
    fn late_packets_are_no_scan() {
        assert!(detect_in(FindingType::PortScan, probes("8.8.8.8", 30, "0")).is_empty());
        let mixed = probes("8.8.8.8", 14, "2").chain(probes("8.8.8.8", 30, "4"));
        assert!(detect_in(FindingType::PortScan, mixed).is_empty());
    }

    #[test]
    fn late_packets_without_flags_are_no_scan_where_the_connection_was_let_through() {
        let ends = |port| format!("8.8.8.8 10.0.0.1 443 {port}");
        let rejected = (50_000..50_030).map(|port| record("eni-1", &ends(port), 6, "REJECT", "-", "ingress"));
        let accepted = (50_000..50_030).map(|port| record("eni-1", &ends(port), 6, "ACCEPT", "-", "ingress"));
        assert!(detect_in(FindingType::PortScan, rejected.clone().chain(accepted)).is_empty());
        // Without the accepted records nothing tells them from a scan, but the confidence says so.
        let findings = detect_in(FindingType::PortScan, rejected);
        assert_eq!((findings.len(), findings[0].confidence), (1, Confidence::Medium));
    }

    #[test]
    fn answers_that_a_network_acl_refuses_are_no_scan() {
        let answers = (50_000..50_030)
            .map(|port| record("eni-1", &format!("10.0.0.1 8.8.8.8 443 {port}"), 6, "REJECT", "18", "egress"));
        let requests = (50_000..50_030)
            .map(|port| record("eni-1", &format!("8.8.8.8 10.0.0.1 {port} 443"), 6, "ACCEPT", "2", "ingress"));
        assert!(detect_in(FindingType::PortScan, answers.chain(requests)).is_empty());
    }

    #[test]
    fn holes_in_the_log_lower_the_confidence() {
        let finding = &detect_in(FindingType::PortScan, probes("8.8.8.8", 15, "2").chain([gap("eni-1")]))[0];
        assert_eq!(finding.confidence, Confidence::Medium);
        assert!(finding.evidence.contains(&Evidence::SkipData));
        let elsewhere = &detect_in(FindingType::PortScan, probes("8.8.8.8", 15, "2").chain([gap("eni-2")]))[0];
        assert_eq!(elsewhere.confidence, Confidence::High);
    }
}
