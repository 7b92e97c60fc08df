//! `host-sweep`: one source is refused at one port of many destinations.
//!
//! TCP and UDP only. Late packets and answers do not count.

use super::{Context, Verdict, gather, severity_of_probing};
use crate::finding::{Details, Evidence, Finding, FindingType, Subject};
use crate::iana;

pub(super) const MEANING: &str = "One source was refused at the same port of many hosts: it looks for a host that \
                                  offers the service.";
pub(super) const NEXT_STEP: &str = "Look for hosts that let it in at this port. A private source is compromised, \
                                    misconfigured, or a scanner of your own.";

pub(super) fn detect(context: &Context<'_>) -> Vec<Finding> {
    gather(context, context.thresholds.host_sweep_hosts, |probe| {
        ((probe.src, probe.dstport, probe.protocol), probe.dst)
    })
    .into_iter()
    .map(|((srcaddr, dstport, protocol), distinct_hosts, records)| {
        let (confidence, flags) = records.confidence_of_probing();
        records.into_finding(
            context,
            Verdict {
                finding_type: FindingType::HostSweep,
                severity: severity_of_probing(srcaddr),
                confidence,
                title: format!(
                    "{srcaddr} was refused at {} of {distinct_hosts} hosts",
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
