//! `port-scan`: one source is refused at many ports of one destination.
//!
//! TCP and UDP only. Late packets and answers do not count: a server's last packets go to as many ports as it had
//! clients.

use super::{Context, Verdict, gather, severity_of_probing};
use crate::finding::{Details, Evidence, Finding, FindingType, Subject};

pub(super) const MEANING: &str = "One source was refused at many ports of one host: it looks for what is open.";
pub(super) const NEXT_STEP: &str = "Look for accepted flows from the same source, and block it at the network ACL. A \
                                    private source is compromised, or a scanner of your own.";

pub(super) fn detect(context: &Context<'_>) -> Vec<Finding> {
    gather(context, context.thresholds.port_scan_ports, |probe| {
        ((probe.src, probe.dst), (probe.protocol, probe.dstport))
    })
    .into_iter()
    .map(|((srcaddr, dstaddr), distinct_ports, records)| {
        let (confidence, flags) = records.confidence_of_probing();
        records.into_finding(
            context,
            Verdict {
                finding_type: FindingType::PortScan,
                severity: severity_of_probing(srcaddr),
                confidence,
                title: format!("{srcaddr} was refused at {distinct_ports} ports of {dstaddr}"),
                subject: Subject::SourceAndDestination { srcaddr, dstaddr },
                details: Details::Ports { distinct_ports },
                evidence: [Evidence::DistinctPorts].into_iter().chain(flags).collect(),
            },
        )
    })
    .collect()
}
