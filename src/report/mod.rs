//! What a report's records say → the summary.

mod groups;
mod peering;
mod places;

use std::net::IpAddr;

use crate::address;
use crate::analysis::Analysis;
use crate::detect::{self, JudgedGroup};
use crate::names::NameId;
use crate::summary::{FormatSeen, Rejected, SCHEMA, Summary, Window};
use crate::tally::Seen;
use crate::thresholds::Thresholds;
use crate::topology::Topology;
use crate::topology::document::Interface;

/// So many rejected groups are listed unless set otherwise.
pub const DEFAULT_TOP: usize = 100;

/// What to conclude and to show.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Settings {
    /// From when on a pattern is a finding.
    pub thresholds: Thresholds,
    /// Rejected groups to list.
    pub top: usize,
}

impl Default for Settings {
    fn default() -> Settings {
        Settings { thresholds: Thresholds::default(), top: DEFAULT_TOP }
    }
}

/// Draws the conclusions, by the topology that the records were analysed by. The result depends on nothing but the
/// records, the settings, the topology and the order of the inputs.
pub fn finish(analysis: &Analysis, settings: &Settings, topology: Option<&Topology>) -> Summary {
    let report = Report { analysis, topology };
    let decided = analysis.rejects.decide(&analysis.let_through);
    let groups: Vec<JudgedGroup> = decided.into_iter().map(|group| report.judge(group)).collect();
    let notes = analysis.peering.by_note();
    let findings = detect::detect(&detect::Context {
        groups: &groups,
        interfaces: &analysis.interfaces,
        places: &analysis.places,
        topology: report.topology,
        notes: &notes,
        accepts_are_logged: analysis.records.accepted > 0,
        thresholds: &settings.thresholds,
    });
    Summary {
        schema: SCHEMA,
        sources: analysis.sources.clone(),
        failed: analysis.failed.clone(),
        window: window(analysis.window),
        formats: analysis
            .formats
            .in_order
            .iter()
            .map(|format| FormatSeen { version: format.version(), fields: format.names().to_vec() })
            .collect(),
        records: analysis.records,
        traffic: analysis.traffic,
        malformed: analysis.malformed.clone(),
        rejected: Rejected {
            group_count: groups.len() as u64,
            exact: true,
            groups: report.top_groups(&groups, settings.top),
            by_interface: report.by_interface(),
            by_subnet: report.by_subnet(),
            by_vpc: report.by_vpc(),
        },
        peering: report.topology.map(|topology| peering::peering(topology, &notes)),
        services: report.services(),
        findings,
    }
}

fn window(seen: Seen) -> Option<Window> {
    let known = seen.first_seen.is_some() || seen.last_seen.is_some();
    known.then_some(Window { start: seen.first_seen, end: seen.last_seen })
}

/// What the records say, beside what is known anyway.
struct Report<'a> {
    analysis: &'a Analysis,
    topology: Option<&'a Topology>,
}

impl<'a> Report<'a> {
    fn interface_name(&self, id: Option<NameId>) -> Option<&'a str> {
        id.map(|id| self.analysis.interfaces.name(id))
    }

    /// The interface, if the topology knows it.
    fn known_interface(&self, id: Option<NameId>) -> Option<&'a Interface> {
        self.topology?.interface(self.interface_name(id)?)
    }

    fn known_vpc(&self, interface: Option<NameId>) -> Option<&'a str> {
        self.known_interface(interface)?.vpc_id.as_deref()
    }

    fn known_subnet(&self, interface: Option<NameId>) -> Option<&'a str> {
        self.known_interface(interface)?.subnet_id.as_deref()
    }

    fn is_public(&self, address: IpAddr) -> bool {
        self.topology.map_or_else(|| address::is_public(address), |topology| topology.is_public(address))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pipeline::{self, Options};
    use crate::time::Timestamp;

    #[test]
    fn a_window_may_have_one_end_or_none() {
        let window = |header: &str, record: &str| {
            let log = format!("{header}\n{record}\n");
            let analysis = pipeline::analyze("case", log.as_bytes(), &Options::default()).expect("a flow log");
            let window = finish(&analysis, &Settings::default(), None).window;
            window.map(|window| (window.start.map(Timestamp::seconds), window.end.map(Timestamp::seconds)))
        };
        assert_eq!(window("srcaddr action start end", "10.0.0.1 ACCEPT 7 9"), Some((Some(7), Some(9))));
        assert_eq!(window("srcaddr action start", "10.0.0.1 ACCEPT 7"), Some((Some(7), None)));
        assert_eq!(window("srcaddr action end", "10.0.0.1 ACCEPT 9"), Some((None, Some(9))));
        assert_eq!(window("srcaddr action", "10.0.0.1 ACCEPT"), None);
        assert_eq!(window("srcaddr action start", "10.0.0.1 - 7"), None);
    }
}
