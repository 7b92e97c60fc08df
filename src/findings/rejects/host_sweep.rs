//! `host-sweep`: one source is rejected at one port of many destinations.
//!
//! Only TCP and UDP count. Late packets, answers, and what has the shape of an answer do not.

use std::net::IpAddr;

use super::super::Context;
use super::super::evidence::FindingDraft;
use super::probes::{
    AcceptedCount, Probe, ProbedSubject, count_accepted, describe_accepted, group_probes, probe_severity,
};
use crate::aggregate::accepted::AcceptedRow;
use crate::findings::types::{Details, Evidence, Finding, FindingType, Subject};
use crate::record::names;

pub(in crate::findings) const MEANING: &str = "One source was rejected at the same port of many hosts: it searches for a host that \
                                  offers the service.";
pub(in crate::findings) const NEXT_STEP: &str = "If flows from it to this port were accepted, check those hosts first. A private source may be compromised or \
                                    misconfigured; if it is your own scanner, add it to `trusted_scanners`.";

pub(super) fn detect(context: &Context<'_>, probes: &[Probe]) -> Vec<Finding> {
    let sweeps = group_probes(context, probes, context.thresholds.host_sweep_hosts, |probe| {
        ((probe.src, probe.dstport, probe.protocol), probe.dst)
    });
    let subjects = sweeps.iter().map(|sweep| sweep.subject);
    let accepted = count_accepted(context, subjects, AcceptedRow::port_target, |(src, ..)| src);
    let accepted = |sweep: &ProbedSubject<_>| {
        let earlier = context.let_through.to_port(sweep.subject);
        AcceptedCount::new(context, accepted.get(&sweep.subject).copied(), earlier)
    };
    sweeps.into_iter().map(|sweep| finding(context, accepted(&sweep), sweep)).collect()
}

fn finding(context: &Context<'_>, accepted: AcceptedCount, sweep: ProbedSubject<(IpAddr, u16, u8)>) -> Finding {
    let (srcaddr, dstport, protocol) = sweep.subject;
    let distinct_hosts = sweep.targets;
    let (confidence, flags) = sweep.flows.attempt_confidence(context);
    let accepted_flows = accepted.flows();
    let (accepted, evidence) = describe_accepted(context, accepted, "this port");
    let draft = FindingDraft {
        finding_type: FindingType::HostSweep,
        severity: probe_severity(context, srcaddr, accepted_flows),
        confidence,
        title: format!(
            "{} was rejected at {} of {distinct_hosts} hosts{accepted}",
            sweep.flows.address_label(context, srcaddr),
            names::port(dstport, Some(protocol))
        ),
        subject: Subject::SourceAndPort { srcaddr, dstport, protocol },
        details: Details::SweptHosts { distinct_hosts, accepted_flows },
        evidence: [Evidence::DistinctHosts].into_iter().chain(flags).chain(evidence).collect(),
    };
    sweep.flows.into_finding(context, draft)
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
        assert_eq!(finding.details, Details::SweptHosts { distinct_hosts: 25, accepted_flows: Some(0) });
        assert_eq!(finding.tally.flows, 25);
        assert_eq!(finding.title, "8.8.8.8 was rejected at 22/TCP (ssh) of 25 hosts");
    }

    #[test]
    fn twenty_four_hosts_are_not_a_sweep() {
        let again = probes("8.8.8.8", 24, 6, "2");
        assert!(detect_in(FindingType::HostSweep, probes("8.8.8.8", 24, 6, "2").chain(again)).is_empty());
    }

    #[test]
    fn repeated_probes_of_a_host_count_once() {
        let again = |srcport: u16| {
            let ends = move |host: u16| format!("8.8.8.8 10.0.0.{host} {srcport} 22");
            (1..=24).map(move |host| record("eni-1", &ends(host), 6, "REJECT", "-", "ingress"))
        };
        assert!(detect_in(FindingType::HostSweep, again(50_000).chain(again(50_001))).is_empty());
    }

    #[test]
    fn tcp_and_udp_are_separate_sweeps() {
        let more = probes("8.8.8.8", 25, 17, "-").skip(24);
        assert!(detect_in(FindingType::HostSweep, probes("8.8.8.8", 24, 6, "2").chain(more)).is_empty());
    }

    #[test]
    fn a_udp_sweep_of_one_input_has_low_confidence() {
        let finding = &detect_in(FindingType::HostSweep, probes("10.0.9.9", 25, 17, "-"))[0];
        assert_eq!((finding.severity, finding.confidence), (Severity::High, Confidence::Low));
        assert_eq!(finding.evidence, [Evidence::DistinctHosts, Evidence::NoAcceptedRecords].into());
    }

    #[test]
    fn accepted_flows_to_the_same_port_raise_the_severity() {
        let accepted = |protocol: u8, port: u16| {
            record("eni-9", &format!("8.8.8.8 10.9.9.9 50000 {port}"), protocol, "ACCEPT", "3", "ingress")
        };
        let finding = |accepted: String| {
            detect_in(FindingType::HostSweep, probes("8.8.8.8", 25, 6, "2").chain([accepted])).remove(0)
        };
        let found = finding(accepted(6, 22));
        assert_eq!(found.details, Details::SweptHosts { distinct_hosts: 25, accepted_flows: Some(1) });
        assert_eq!((found.severity, found.evidence.contains(&Evidence::AcceptedFlows)), (Severity::High, true));
        assert!(found.title.ends_with("of 25 hosts; 1 flow from it to this port was accepted"), "{}", found.title);
        for other in [accepted(6, 23), accepted(17, 22)] {
            let found = finding(other);
            assert_eq!(found.details, Details::SweptHosts { distinct_hosts: 25, accepted_flows: Some(0) });
            assert!(found.title.ends_with("of 25 hosts; nothing was accepted from it there"), "{}", found.title);
            assert_eq!(found.severity, Severity::Medium);
        }
    }

    #[test]
    fn late_packets_and_protocols_without_ports_are_ignored() {
        assert!(detect_in(FindingType::HostSweep, probes("8.8.8.8", 30, 6, "1")).is_empty());
        assert!(detect_in(FindingType::HostSweep, probes("8.8.8.8", 30, 1, "-")).is_empty());
    }
}
