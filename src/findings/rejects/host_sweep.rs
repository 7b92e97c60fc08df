//! `host-sweep`: one source is refused at one port of many destinations.
//!
//! TCP and UDP only. Late packets and answers do not count.

use super::super::{Context, FindingDraft, gather, probe_severity};
use crate::findings::types::{Details, Evidence, Finding, FindingType, Subject};
use crate::record::iana;

pub(in crate::findings) const MEANING: &str = "One source was rejected at the same port of many hosts: it searches for a host that \
                                  offers the service.";
pub(in crate::findings) const NEXT_STEP: &str = "Check whether any host accepts connections from it at this port. A private source may be \
                                    compromised, misconfigured, or one of your own scanners.";

pub(in crate::findings) fn detect(context: &Context<'_>) -> Vec<Finding> {
    gather(context, context.thresholds.host_sweep_hosts, |probe| {
        ((probe.src, probe.dstport, probe.protocol), probe.dst)
    })
    .into_iter()
    .map(|((srcaddr, dstport, protocol), distinct_hosts, records)| {
        let (confidence, flags) = records.confidence_of_probing();
        records.into_finding(
            context,
            FindingDraft {
                finding_type: FindingType::HostSweep,
                severity: probe_severity(context, srcaddr),
                confidence,
                title: format!(
                    "{srcaddr} was rejected at {} of {distinct_hosts} hosts",
                    iana::port(dstport, Some(protocol))
                ),
                subject: Subject::SourceAndPort { srcaddr, dstport, protocol },
                details: Details::Hosts { distinct_hosts },
                evidence: [Evidence::DistinctHosts].into_iter().chain(flags).collect(),
            },
        )
    })
    .collect()
}

#[cfg(test)]
mod tests {
    use super::super::super::tests::{detect_in, record};
    use super::*;
    use crate::findings::types::{Confidence, Severity};

    fn probes(src: &'static str, hosts: u16, protocol: u8, flags: &'static str) -> impl Iterator<Item = String> {
        let ends = move |host| format!("{src} 10.0.{}.{} 50000 22", host / 250, host % 250 + 1);
        (0..hosts).map(move |host| record("eni-1", &ends(host), protocol, "REJECT", flags, "ingress"))
    }

    #[test]
    fn twenty_five_hosts_are_a_sweep() {
        let findings = detect_in(FindingType::HostSweep, probes("8.8.8.8", 25, 6, "2"));
        let [finding] = &findings[..] else { panic!("{findings:?}") };
        assert_eq!((finding.severity, finding.confidence), (Severity::Medium, Confidence::High));
        assert_eq!(finding.details, Details::Hosts { distinct_hosts: 25 });
        assert_eq!(finding.tally.flows, 25);
        assert_eq!(finding.title, "8.8.8.8 was rejected at 22/TCP (ssh) of 25 hosts");
    }

    #[test]
    fn twenty_four_hosts_are_none() {
        let again = probes("8.8.8.8", 24, 6, "2");
        assert!(detect_in(FindingType::HostSweep, probes("8.8.8.8", 24, 6, "2").chain(again)).is_empty());
    }

    #[test]
    fn a_host_is_one_however_often_it_is_tried() {
        let again = |srcport: u16| {
            let ends = move |host: u16| format!("8.8.8.8 10.0.0.{host} {srcport} 22");
            (1..=24).map(move |host| record("eni-1", &ends(host), 6, "REJECT", "-", "ingress"))
        };
        assert!(detect_in(FindingType::HostSweep, again(50_000).chain(again(50_001))).is_empty());
    }

    #[test]
    fn twenty_four_hosts_by_tcp_and_one_by_udp_are_none() {
        let more = probes("8.8.8.8", 25, 17, "-").skip(24);
        assert!(detect_in(FindingType::HostSweep, probes("8.8.8.8", 24, 6, "2").chain(more)).is_empty());
    }

    #[test]
    fn udp_does_not_show_who_began() {
        let finding = &detect_in(FindingType::HostSweep, probes("10.0.9.9", 25, 17, "-"))[0];
        assert_eq!((finding.severity, finding.confidence), (Severity::High, Confidence::Medium));
        assert_eq!(finding.evidence, [Evidence::DistinctHosts].into());
    }

    #[test]
    fn late_packets_and_protocols_without_ports_are_none() {
        assert!(detect_in(FindingType::HostSweep, probes("8.8.8.8", 30, 6, "1")).is_empty());
        assert!(detect_in(FindingType::HostSweep, probes("8.8.8.8", 30, 1, "-")).is_empty());
    }
}
