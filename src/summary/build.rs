//! Builds the summary from the analysis: correlates rejected groups with accepted 5-tuples, runs the detectors, and creates the
//! rows.

use ipnet::IpNet;

use crate::aggregate::Analysis;
use crate::aggregate::counters::{Counters, TimeRange};
use crate::aggregate::interfaces::Interfaces;
use crate::aggregate::interner::Symbol;
use crate::aggregate::peering::FlowsByClass;
use crate::aggregate::rejected::{Groups, Placement};
use crate::aggregate::timeline::BucketSums;
use crate::config::Limits;
use crate::config::Thresholds;
use crate::config::exceptions::Exceptions;
use crate::findings::types::Finding;
use crate::findings::{self, Completeness, HealthChecks, NetworkContext, Rules};
use crate::record::Direction;
use crate::record::timestamp::Timestamp;
use crate::summary::{ObservedFormat, Rejected, SCHEMA, Summary, TimeBucket, Traffic, Window};
use crate::topology::Topology;

/// Default number of listed rejected groups.
pub const DEFAULT_MAX_LISTED_GROUPS: usize = 100;

/// Options of the summary.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SummaryOptions {
    /// Minimum counts for findings.
    pub thresholds: Thresholds,
    /// CIDR blocks of the user's own scanners, sorted and without overlap, as a configuration file is read.
    pub trusted_scanners: Vec<IpNet>,
    /// Scanners and suppressed findings with a reason and an end.
    pub exceptions: Exceptions,
    /// Maximum number of listed rejected groups.
    pub max_listed_groups: usize,
    /// Whether the inputs are all of a time window, as far as they can be read. Then one input is as good as several.
    pub covers_window: bool,
}

impl Default for SummaryOptions {
    fn default() -> SummaryOptions {
        SummaryOptions {
            thresholds: Thresholds::default(),
            trusted_scanners: Vec::new(),
            exceptions: Exceptions::default(),
            max_listed_groups: DEFAULT_MAX_LISTED_GROUPS,
            covers_window: false,
        }
    }
}

/// Builds the summary. `topology` must be the one that was used to analyze the records. The result depends only on the records,
/// the options, the topology, and the order of the inputs.
pub fn build_summary(mut analysis: Analysis, options: &SummaryOptions, topology: Option<&Topology>) -> Summary {
    let completeness = completeness(&analysis);
    let limits_reached = limits_reached(&analysis, completeness.names);
    let mut rejects = std::mem::take(&mut analysis.rejects);
    rejects.correlate_accepted(&analysis.accepted);
    rejects.join_left_out();
    let rejected_by_placement = rejects.places().collect();
    let group_count = rejects.group_count();
    let error_bound = rejects.error_bound(analysis.records.rejected, analysis.interfaces.get(None).rejected.flows);
    let mut groups = rejects.into_groups();
    let network = NetworkContext {
        interfaces: &analysis.interfaces,
        places: &analysis.places,
        topology,
        known_interfaces: &findings::known_interfaces(&analysis.interfaces, topology),
    };
    groups.decide_by_direction(|group| network.direction(group).0 == Direction::Egress);
    let mut rules = Rules::new(network);
    rules.attribute(&mut groups);
    let builder = SummaryBuilder { analysis: &analysis, network, rules: &rules, rejected_by_placement };
    let classes = analysis.peering.by_class(Some(&analysis.accepted).filter(|_| completeness.accepted), &network);
    Summary {
        schema: SCHEMA,
        filters: None,
        window: window(analysis.window),
        formats: formats(&analysis),
        records: analysis.records,
        traffic: traffic(&analysis.interfaces),
        timeline: timeline(&analysis),
        top: builder.top(&groups, completeness),
        rejected: Rejected {
            group_count: group_count.unwrap_or(groups.len() as u64),
            error_bound,
            ..builder.rejected(&groups, completeness, options.max_listed_groups)
        },
        topology: None,
        peering: topology.map(|topology| super::peering::peering(topology, &classes, completeness.peering)),
        services: builder.services(),
        findings: builder.findings(&groups, &classes, completeness, options),
        limits_reached,
        unknown: Vec::new(),
        absent: Vec::new(),
        sources: analysis.sources.clone(),
        failed: analysis.failed.clone(),
        malformed: analysis.malformed.clone(),
    }
}

/// Returns which data is complete. Call it before the accepted 5-tuples are dropped.
fn completeness(analysis: &Analysis) -> Completeness {
    let names =
        analysis.interfaces.is_complete() && analysis.places.is_complete() && analysis.rejects.places_are_complete();
    let rejected = analysis.rejects.is_exact() && analysis.accepted.is_complete() && names;
    let closing = analysis.closing;
    Completeness {
        rejected,
        causes: rejected && (closing.is_whole() || !analysis.rejects.needs_accepted()),
        accepted: closing.is_open(),
        let_through: closing.is_whole() && analysis.let_through.is_complete(),
        groups: !analysis.rejects.has_dropped_groups(),
        peering: analysis.peering.is_exact() && names && (closing.is_open() || !analysis.peering.has_mixed_scopes()),
        openings: analysis.openings.is_exact() && analysis.accepted.is_complete() && names && closing.is_whole(),
        answers: closing.is_whole(),
        names: names && analysis.losses.is_complete(),
    }
}

fn formats(analysis: &Analysis) -> Vec<ObservedFormat> {
    let formats = analysis.formats.list.iter();
    formats.map(|format| ObservedFormat { version: format.version(), fields: format.names().to_vec() }).collect()
}

/// Returns the sums of all analyzed records. Each record belongs to one interface, or to the entry without an interface.
pub(super) fn traffic(interfaces: &Interfaces) -> Traffic {
    interfaces.iter().fold(Traffic::default(), |mut traffic, (_, interface)| {
        traffic.merge(Traffic { accepted: interface.accepted, rejected: interface.rejected });
        traffic
    })
}

fn timeline(analysis: &Analysis) -> Vec<TimeBucket> {
    let seconds = analysis.timeline.seconds();
    let bucket = |(start, BucketSums { accepted, rejected })| {
        let traffic = Traffic { accepted, rejected };
        TimeBucket { start, seconds, traffic }
    };
    analysis.timeline.buckets().map(bucket).collect()
}

/// Returns the names of the limits that were reached. The order of the flags is the order of [`Limits::NAMES`].
fn limits_reached(analysis: &Analysis, names_are_complete: bool) -> Vec<&'static str> {
    let complete = [
        analysis.rejects.is_exact(),
        !analysis.accepted.limit_reached(),
        !analysis.peering.limit_reached(),
        !analysis.openings.limit_reached(),
        names_are_complete,
        !analysis.formats.overflowed,
    ];
    Limits::NAMES.iter().zip(complete).filter(|(_, complete)| !complete).map(|(name, _)| *name).collect()
}

fn window(seen: TimeRange) -> Option<Window> {
    let known = seen.first_seen.is_some() || seen.last_seen.is_some();
    known.then_some(Window { start: seen.first_seen, end: seen.last_seen })
}

/// Data from which the rows of the summary are built.
pub(super) struct SummaryBuilder<'a> {
    pub(super) analysis: &'a Analysis,
    pub(super) network: NetworkContext<'a>,
    pub(super) rules: &'a Rules<'a>,
    /// Sums of rejected records by interface, VPC, and subnet.
    pub(super) rejected_by_placement: Vec<(Placement, Counters)>,
}

impl<'a> SummaryBuilder<'a> {
    /// Returns the rejected connections, as if no memory limit had dropped one.
    fn rejected(&self, groups: &Groups, completeness: Completeness, max_listed: usize) -> Rejected {
        Rejected {
            group_count: groups.len() as u64,
            exact: completeness.rejected,
            error_bound: 0,
            groups: self.top_groups(groups, max_listed),
            by_interface: self.by_interface(),
            by_subnet: self.by_subnet(),
            by_vpc: self.by_vpc(),
            by_cause: self.by_cause(groups),
            by_cause_exact: completeness.causes,
            by_rule: self.by_rule(groups),
        }
    }

    /// Runs the detectors, and marks the findings that the configuration suppresses.
    fn findings(
        &self,
        groups: &Groups,
        classes: &FlowsByClass<'_>,
        completeness: Completeness,
        options: &SummaryOptions,
    ) -> Vec<Finding> {
        let (analysis, network) = (self.analysis, self.network);
        let latest = analysis.window.last_seen.or(analysis.window.first_seen).map(Timestamp::seconds);
        let announced_scanners = options.exceptions.scanners_at(latest);
        let context = findings::Context {
            groups,
            network,
            rules: self.rules,
            classes,
            accepted: &analysis.accepted,
            let_through: &analysis.let_through,
            left_out: &analysis.left_out,
            inter_vpc: &analysis.peering,
            openings: &analysis.openings,
            losses: &analysis.losses,
            health_checks: HealthChecks::find(groups, &network),
            has_accepted_records: analysis.records.accepted > 0 || analysis.left_out.has_accepted,
            // An empty input is no further evidence.
            inputs: analysis.sources.iter().filter(|source| source.records > 0).count(),
            covers_window: options.covers_window,
            thresholds: &options.thresholds,
            trusted_scanners: &options.trusted_scanners,
            announced_scanners: &announced_scanners,
            completeness,
        };
        let mut findings = findings::detect(&context);
        findings::suppressions::mark(&mut findings, &options.exceptions);
        findings
    }

    /// Returns the Name tag of the resource with this id.
    pub(super) fn name_of(&self, id: Option<&str>) -> Option<String> {
        self.network.topology?.name_of(id?).map(str::to_owned)
    }

    /// Returns the VPC of an interface in the topology.
    pub(super) fn known_vpc(&self, interface: Option<Symbol>) -> Option<&'a str> {
        self.network.known_interface(interface)?.vpc_id.as_deref()
    }

    /// Returns the subnet of an interface in the topology.
    pub(super) fn known_subnet(&self, interface: Option<Symbol>) -> Option<&'a str> {
        self.network.known_interface(interface)?.subnet_id.as_deref()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pipeline::{self, Options};

    #[test]
    fn a_window_may_lack_one_or_both_ends() {
        let window = |header: &str, record: &str| {
            let log = format!("{header}\n{record}\n");
            let analysis = pipeline::analyze("case", log.as_bytes(), &Options::default()).expect("a flow log");
            let window = build_summary(analysis, &SummaryOptions::default(), None).window;
            window.map(|window| (window.start.map(Timestamp::seconds), window.end.map(Timestamp::seconds)))
        };
        assert_eq!(window("srcaddr action start end", "10.0.0.1 ACCEPT 7 9"), Some((Some(7), Some(9))));
        assert_eq!(window("srcaddr action start", "10.0.0.1 ACCEPT 7"), Some((Some(7), None)));
        assert_eq!(window("srcaddr action end", "10.0.0.1 ACCEPT 9"), Some((None, Some(9))));
        assert_eq!(window("srcaddr action", "10.0.0.1 ACCEPT"), None);
        assert_eq!(window("srcaddr action start", "10.0.0.1 - 7"), None);
    }
}
