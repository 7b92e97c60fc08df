//! What a report's records say → the summary.

use crate::aggregate::Analysis;
use crate::aggregate::accepted::AcceptedFlows;
use crate::aggregate::counters::{Counters, TimeRange};
use crate::aggregate::interfaces::Interfaces;
use crate::aggregate::interner::Symbol;
use crate::aggregate::rejected::Placement;
use crate::config::Limits;
use crate::config::Thresholds;
use crate::findings::{self, Completeness, NetworkContext};
use crate::summary::{ObservedFormat, Rejected, SCHEMA, Summary, Traffic, Window};
use crate::topology::Topology;

/// So many rejected groups are listed unless set otherwise.
pub const DEFAULT_TOP: usize = 100;

/// What to conclude and to show.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SummaryOptions {
    /// From when on a pattern is a finding.
    pub thresholds: Thresholds,
    /// Rejected groups to list.
    pub top: usize,
}

impl Default for SummaryOptions {
    fn default() -> SummaryOptions {
        SummaryOptions { thresholds: Thresholds::default(), top: DEFAULT_TOP }
    }
}

/// Draws the conclusions, by the topology that the records were analysed by. The result depends on nothing but the
/// records, the settings, the topology and the order of the inputs.
pub fn finish(mut analysis: Analysis, settings: &SummaryOptions, topology: Option<&Topology>) -> Summary {
    let causes_are_exact = analysis.rejects.is_exact() && analysis.accepted.is_complete();
    let names =
        [analysis.interfaces.is_complete(), analysis.places.is_complete(), analysis.rejects.places_are_complete()];
    let names_are_complete = !names.contains(&false);
    let limits_reached = limits_reached(&analysis, names_are_complete);
    let mut rejects = std::mem::take(&mut analysis.rejects);
    rejects.correlate_accepted(&analysis.accepted);
    // It takes the most memory, and is needed no more.
    analysis.accepted = AcceptedFlows::default();
    let rejected_by_place = rejects.places().collect();
    let group_count = rejects.group_count();
    let error_bound = rejects.error_bound(analysis.records.rejected, analysis.interfaces.get(None).rejected.flows);
    let groups = rejects.into_groups();
    let exact = Completeness {
        rejected: causes_are_exact && names_are_complete,
        peering: analysis.peering.is_exact() && names_are_complete,
        names: names_are_complete,
    };
    let network = NetworkContext {
        interfaces: &analysis.interfaces,
        places: &analysis.places,
        topology,
        known_interfaces: &findings::known_interfaces(&analysis.interfaces, topology),
    };
    let report = SummaryBuilder { analysis: &analysis, network, rejected_by_place };
    let notes = analysis.peering.by_class();
    let findings = findings::detect(&findings::Context {
        groups: &groups,
        network,
        notes: &notes,
        has_accepted_records: analysis.records.accepted > 0,
        thresholds: &settings.thresholds,
        exact,
    });
    Summary {
        schema: SCHEMA,
        window: window(analysis.window),
        formats: formats(&analysis),
        records: analysis.records,
        traffic: traffic(&analysis.interfaces),
        rejected: Rejected {
            group_count: group_count.unwrap_or(groups.len() as u64),
            exact: exact.rejected,
            error_bound,
            groups: report.top_groups(&groups, settings.top),
            by_interface: report.by_interface(),
            by_subnet: report.by_subnet(),
            by_vpc: report.by_vpc(),
        },
        peering: topology.map(|topology| super::peering::peering(topology, &notes, exact.peering)),
        services: report.services(),
        findings,
        limits_reached,
        sources: analysis.sources.clone(),
        failed: analysis.failed.clone(),
        malformed: analysis.malformed.clone(),
    }
}

fn formats(analysis: &Analysis) -> Vec<ObservedFormat> {
    let formats = analysis.formats.list.iter();
    formats.map(|format| ObservedFormat { version: format.version(), fields: format.names().to_vec() }).collect()
}

/// All analysed records: each is one of an interface, or of none.
fn traffic(interfaces: &Interfaces) -> Traffic {
    interfaces.iter().fold(Traffic::default(), |mut traffic, (_, interface)| {
        traffic.merge(Traffic { accepted: interface.accepted, rejected: interface.rejected });
        traffic
    })
}

/// The names of the limits by which something was left out.
fn limits_reached(analysis: &Analysis, names_are_complete: bool) -> Vec<&'static str> {
    let complete = [
        analysis.rejects.is_exact(),
        !analysis.accepted.limit_reached(),
        !analysis.peering.limit_reached(),
        names_are_complete,
        !analysis.formats.overflowed,
    ];
    Limits::NAMES.iter().zip(complete).filter(|(_, complete)| !complete).map(|(name, _)| *name).collect()
}

fn window(seen: TimeRange) -> Option<Window> {
    let known = seen.first_seen.is_some() || seen.last_seen.is_some();
    known.then_some(Window { start: seen.first_seen, end: seen.last_seen })
}

/// What the records say, beside what is known anyway.
pub(super) struct SummaryBuilder<'a> {
    pub(super) analysis: &'a Analysis,
    pub(super) network: NetworkContext<'a>,
    pub(super) rejected_by_place: Vec<(Placement, Counters)>,
}

impl<'a> SummaryBuilder<'a> {
    pub(super) fn known_vpc(&self, interface: Option<Symbol>) -> Option<&'a str> {
        self.network.known_interface(interface)?.vpc_id.as_deref()
    }

    pub(super) fn known_subnet(&self, interface: Option<Symbol>) -> Option<&'a str> {
        self.network.known_interface(interface)?.subnet_id.as_deref()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pipeline::{self, Options};
    use crate::record::timestamp::Timestamp;

    #[test]
    fn a_window_may_have_one_end_or_none() {
        let window = |header: &str, record: &str| {
            let log = format!("{header}\n{record}\n");
            let analysis = pipeline::analyze("case", log.as_bytes(), &Options::default()).expect("a flow log");
            let window = finish(analysis, &SummaryOptions::default(), None).window;
            window.map(|window| (window.start.map(Timestamp::seconds), window.end.map(Timestamp::seconds)))
        };
        assert_eq!(window("srcaddr action start end", "10.0.0.1 ACCEPT 7 9"), Some((Some(7), Some(9))));
        assert_eq!(window("srcaddr action start", "10.0.0.1 ACCEPT 7"), Some((Some(7), None)));
        assert_eq!(window("srcaddr action end", "10.0.0.1 ACCEPT 9"), Some((None, Some(9))));
        assert_eq!(window("srcaddr action", "10.0.0.1 ACCEPT"), None);
        assert_eq!(window("srcaddr action start", "10.0.0.1 - 7"), None);
    }
}
