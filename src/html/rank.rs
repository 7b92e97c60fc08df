//! The order of findings on a page: worst first, and within a severity the problems of the user's own network before scans from the
//! internet, which never end.

use std::collections::{BTreeMap, HashSet};
use std::net::IpAddr;

use crate::findings::types::{Finding, FindingType, Severity, Subject};
use crate::record::ip;
use crate::summary::Summary;
use crate::topology::endpoint::Scope;

/// The findings of a summary, by severity.
pub(super) struct Ranking<'a> {
    /// Highest severity first. Only severities that occur.
    pub levels: Vec<Level<'a>>,
    /// Findings that the configuration suppresses.
    pub suppressed: Vec<&'a Finding>,
}

/// The findings of one severity, in the order of the summary.
pub(super) struct Level<'a> {
    pub severity: Severity,
    /// Problems of the user's own network.
    pub own: Vec<&'a Finding>,
    /// Scans from the internet, by source. The source with the most flows is first.
    pub scanners: Vec<Scanner<'a>>,
}

/// The scans of one source on the internet.
pub(super) struct Scanner<'a> {
    pub source: IpAddr,
    pub scans: Vec<&'a Finding>,
}

impl Scanner<'_> {
    /// Returns the number of findings of a type.
    pub(super) fn count(&self, finding_type: FindingType) -> usize {
        self.scans.iter().filter(|scan| scan.finding_type == finding_type).count()
    }

    /// Returns the number of flows, or a lower bound: a flow may belong to a port scan and to a host sweep.
    pub(super) fn flows(&self) -> u64 {
        let sum = |finding_type| {
            let scans = self.scans.iter().filter(|scan| scan.finding_type == finding_type);
            scans.map(|scan| scan.tally.flows).fold(0, u64::saturating_add)
        };
        sum(FindingType::PortScan).max(sum(FindingType::HostSweep))
    }

    /// Reports whether [`Scanner::flows`] is a lower bound.
    pub(super) fn flows_overlap(&self) -> bool {
        self.count(FindingType::PortScan) > 0 && self.count(FindingType::HostSweep) > 0
    }
}

impl<'a> Ranking<'a> {
    /// Ranks the findings of a summary.
    pub(super) fn new(summary: &'a Summary) -> Ranking<'a> {
        let inside = addresses_in_vpcs(summary);
        let (suppressed, active): (Vec<&Finding>, Vec<&Finding>) =
            summary.findings.iter().partition(|finding| finding.suppressed.is_some());
        let level = |severity: &Severity| {
            let of_level = active.iter().copied().filter(|finding| finding.severity == *severity);
            let (mut own, mut by_source) = (Vec::new(), BTreeMap::<IpAddr, Vec<&'a Finding>>::new());
            for finding in of_level {
                // A scan of high severity was let through: that is a problem of the user's own network.
                let is_outside = |source: &IpAddr| {
                    finding.severity < Severity::High && ip::is_public(*source) && !inside.contains(source)
                };
                match scan_source(finding).filter(is_outside) {
                    Some(source) => by_source.entry(source).or_default().push(finding),
                    None => own.push(finding),
                }
            }
            let mut scanners: Vec<Scanner<'a>> =
                by_source.into_iter().map(|(source, scans)| Scanner { source, scans }).collect();
            scanners.sort_by_key(|scanner| std::cmp::Reverse(scanner.flows()));
            Level { severity: *severity, own, scanners }
        };
        let levels = Severity::ALL.iter().rev().map(level);
        let levels = levels.filter(|level| !level.own.is_empty() || !level.scanners.is_empty()).collect();
        Ranking { levels, suppressed }
    }

    /// Returns the problems of the user's own network, worst first.
    pub(super) fn own(&self) -> impl Iterator<Item = &'a Finding> {
        self.levels.iter().flat_map(|level| level.own.iter().copied())
    }

    /// Returns the number of sources on the internet that scan.
    pub(super) fn scanners(&self) -> u64 {
        let sources = self.levels.iter().flat_map(|level| level.scanners.iter().map(|scanner| scanner.source));
        sources.collect::<HashSet<_>>().len() as u64
    }
}

/// Returns the source of a port scan or a host sweep.
fn scan_source(finding: &Finding) -> Option<IpAddr> {
    match (finding.finding_type, &finding.subject) {
        (FindingType::PortScan, Subject::SourceAndDestination { srcaddr, .. })
        | (FindingType::HostSweep, Subject::SourceAndPort { srcaddr, .. }) => Some(*srcaddr),
        _ => None,
    }
}

/// Returns the sources of rejected connections that are in a known VPC. A VPC may use a public block.
fn addresses_in_vpcs(summary: &Summary) -> HashSet<IpAddr> {
    let in_vpc = summary.rejected.groups.iter().filter(|group| group.src.scope == Some(Scope::Vpc));
    in_vpc.filter_map(|group| group.srcaddr).collect()
}
