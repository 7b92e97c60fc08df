//! Scans of one source as one line. A scanner that tries a whole subnet makes a finding for each host, which would hide all others.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::net::IpAddr;

use indexmap::IndexMap;

use super::format::{display_name, format_count, format_port, plural};
use super::names::Names;
use crate::aggregate::counters::TimeRange;
use crate::findings::types::{Confidence, Details, Evidence, Finding, FindingType, Severity, Subject};

/// What all scans of one source have in common.
#[derive(Debug, Clone, Copy)]
pub(super) struct Scanner {
    /// Highest severity of its scans.
    pub severity: Severity,
    /// Whether the source is on the public internet.
    pub is_from_outside: bool,
    /// Type of all its scans. `None` if it has port scans and host sweeps.
    pub finding_type: Option<FindingType>,
}

impl Scanner {
    /// Returns the scanners of all findings, by their address.
    pub(super) fn by_source(findings: &[&Finding], names: Names<'_>) -> BTreeMap<IpAddr, Scanner> {
        let mut scanners: BTreeMap<IpAddr, Scanner> = BTreeMap::new();
        for finding in findings {
            let Some(source) = source(finding) else { continue };
            let one = Scanner {
                severity: finding.severity,
                is_from_outside: names.is_public(source),
                finding_type: Some(finding.finding_type),
            };
            scanners.entry(source).and_modify(|known| known.merge(one)).or_insert(one);
        }
        scanners
    }

    fn merge(&mut self, other: Scanner) {
        self.severity = self.severity.max(other.severity);
        self.is_from_outside &= other.is_from_outside;
        self.finding_type = self.finding_type.filter(|_| self.finding_type == other.finding_type);
    }
}

/// Returns the source of a port scan or a host sweep. `None` for other findings.
pub(super) fn source(finding: &Finding) -> Option<IpAddr> {
    match (finding.finding_type, &finding.subject) {
        (FindingType::PortScan, Subject::SourceAndDestination { srcaddr, .. })
        | (FindingType::HostSweep, Subject::SourceAndPort { srcaddr, .. }) => Some(*srcaddr),
        _ => None,
    }
}

fn accepted_flows(finding: &Finding) -> Option<u64> {
    match finding.details {
        Details::Ports { accepted_flows, .. } | Details::SweptHosts { accepted_flows, .. } => accepted_flows,
        _ => None,
    }
}

/// The scans of one source, at least one. Port scans have distinct hosts, and host sweeps distinct ports: within a type, flows do not
/// overlap.
pub(super) struct Scans<'a> {
    source: IpAddr,
    findings: Vec<&'a Finding>,
}

impl<'a> Scans<'a> {
    /// Groups scans by source. The source with the most flows is first. Ignores other findings.
    pub(super) fn by_source(findings: &[&'a Finding]) -> Vec<Scans<'a>> {
        let mut by_source: IndexMap<IpAddr, Vec<&'a Finding>> = IndexMap::new();
        for finding in findings {
            if let Some(source) = source(finding) {
                by_source.entry(source).or_default().push(finding);
            }
        }
        let mut scans: Vec<Scans<'a>> =
            by_source.into_iter().map(|(source, findings)| Scans { source, findings }).collect();
        scans.sort_by_key(|scans| Reverse(scans.flows()));
        scans
    }

    /// Describes the scans in one sentence: `203.0.113.9 was rejected at 15 to 40 ports of 12 hosts`.
    pub(super) fn title(&self) -> String {
        if let [only] = self.findings[..] {
            return only.title.clone();
        }
        let parts: Vec<String> = [self.port_scans(), self.host_sweeps()].into_iter().flatten().collect();
        format!("{} was rejected {}{}", self.label(), parts.join(", and "), self.accepted())
    }

    /// Formats the source with its name, which is in the titles of its findings: `10.0.1.5 (web-1)`.
    fn label(&self) -> String {
        let address = self.source.to_string();
        let label = self.first().and_then(|finding| finding.title.split_once(" was rejected"));
        let name = label.and_then(|(label, _)| label.strip_prefix(&address)?.strip_prefix(" (")?.strip_suffix(')'));
        name.map_or_else(|| address.clone(), |name| format!("{address} ({})", display_name(name)))
    }

    /// Describes what was accepted from the source at the hosts and ports of the scans. Empty if that is unknown.
    fn accepted(&self) -> String {
        let has_no_accepted = |finding: &&Finding| finding.evidence.contains(&Evidence::NoAcceptedRecords);
        let is_unknown =
            self.findings.iter().any(|finding| accepted_flows(finding).is_none() || has_no_accepted(finding));
        let is_exact = !is_unknown && !self.flows_overlap() && self.is_exact();
        match self.least(|finding| accepted_flows(finding).unwrap_or(0)) {
            0 if is_unknown => String::new(),
            0 => "; nothing was accepted from it there".to_owned(),
            1 if is_exact => "; 1 flow from it was accepted".to_owned(),
            flows if is_exact => {
                format!("; {} flows from it were accepted", format_count(flows))
            }
            flows => format!("; at least {} from it accepted", plural(flows, "flow")),
        }
    }

    fn of_type(&self, finding_type: FindingType) -> impl Iterator<Item = &'a Finding> {
        self.findings.iter().copied().filter(move |finding| finding.finding_type == finding_type)
    }

    fn port_scans(&self) -> Option<String> {
        let counts = self.of_type(FindingType::PortScan).filter_map(|finding| match finding.details {
            Details::Ports { distinct_ports, .. } => Some(distinct_ports),
            _ => None,
        });
        let (ports, hosts) = range(counts)?;
        Some(format!("at {ports} ports of {}", plural(hosts, "host")))
    }

    fn host_sweeps(&self) -> Option<String> {
        let sweeps = || self.of_type(FindingType::HostSweep);
        let counts = sweeps().filter_map(|finding| match finding.details {
            Details::SweptHosts { distinct_hosts, .. } => Some(distinct_hosts),
            _ => None,
        });
        let (hosts, ports) = range(counts)?;
        let port = sweeps().find_map(|finding| match finding.subject {
            Subject::SourceAndPort { dstport, protocol, .. } => Some(format_port(Some(dstport), Some(protocol))),
            _ => None,
        })?;
        let more = match ports {
            1 => String::new(),
            ports => format!(" and {}", plural(ports - 1, "more port")),
        };
        Some(format!("at {port}{more} of {hosts} hosts"))
    }

    pub(super) fn findings(&self) -> &[&'a Finding] {
        &self.findings
    }

    /// Returns the first finding, which has the most flows.
    pub(super) fn first(&self) -> Option<&'a Finding> {
        self.findings.first().copied()
    }

    /// Reports whether the same flow may support several findings: a port scan and a host sweep.
    pub(super) fn flows_overlap(&self) -> bool {
        self.of_type(FindingType::PortScan).next().is_some() && self.of_type(FindingType::HostSweep).next().is_some()
    }

    /// Returns the number of flows, or a lower bound if flows overlap.
    pub(super) fn flows(&self) -> u64 {
        self.least(|finding| finding.tally.flows)
    }

    pub(super) fn seen(&self) -> TimeRange {
        let mut seen = TimeRange::default();
        self.findings.iter().for_each(|finding| seen.merge(finding.seen));
        seen
    }

    /// Reports whether the numbers of all findings are exact.
    pub(super) fn is_exact(&self) -> bool {
        self.findings.iter().all(|finding| finding.exact)
    }

    /// Returns the highest confidence: one certain scan makes its source a scanner.
    pub(super) fn confidence(&self) -> Confidence {
        self.findings.iter().map(|finding| finding.confidence).max().unwrap_or(Confidence::Low)
    }

    /// Sums a count over the port scans and over the host sweeps, and returns the greater sum.
    fn least(&self, count: impl Fn(&Finding) -> u64) -> u64 {
        let sum = |finding_type| self.of_type(finding_type).map(&count).fold(0, u64::saturating_add);
        sum(FindingType::PortScan).max(sum(FindingType::HostSweep))
    }
}

/// Formats the least and the greatest count as `15` or `15 to 40`. Also returns their number. `None` if there are none.
fn range(counts: impl Iterator<Item = u64>) -> Option<(String, u64)> {
    let (least, greatest, number) = counts
        .fold((u64::MAX, 0, 0), |(least, greatest, number), count| (count.min(least), count.max(greatest), number + 1));
    let text = match number {
        0 => return None,
        _ if least == greatest => format_count(least),
        _ => format!("{} to {}", format_count(least), format_count(greatest)),
    };
    Some((text, number))
}
