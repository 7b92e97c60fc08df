//! Detectors: they turn the aggregated state into findings.
//!
//! Input: a `Context` with rejected groups, classified traffic between VPCs, the topology, and thresholds. Output: a list of
//! [`Finding`]s in a fixed order, with one finding per type and subject. `rejects` needs only the log, `peering` needs a
//! topology, and `skipped_data` reads SKIPDATA records. [`topology_check`] checks a topology without any log.
//! A finding depends only on the records, the thresholds, and the topology, never on the clock or the order of the records.
//!
//! To add a detector:
//!
//! 1. Add a variant to [`FindingType`] in alphabetical order, to `FindingType::ALL`, and to `FindingType::name`. Add variants to
//!    [`types::Subject`], [`types::Details`], and [`types::Evidence`] if the existing ones do not fit.
//! 2. Write a module in `rejects/` or `peering/` with the texts `MEANING` and `NEXT_STEP` and a function `detect`. It collects
//!    records in a `MatchedFlows`, fills in a `FindingDraft`, and calls `MatchedFlows::into_finding`.
//! 3. Call `detect` in `findings::detect` below or in `peering::detect`. Add the type to [`meaning`], [`next_step`], and
//!    `Completeness::covers`.
//! 4. Test the module at its threshold, below it, and with similar traffic that must not match.
//! 5. Run the tests with `UPDATE_GOLDEN=1`: they update the JSON Schema and the generated docs. `docs/architecture.md` lists the
//!    other pages and files ("Add a detector").

mod direction;
mod evidence;
mod explanation;
mod no_answer;
mod peering;
mod rejects;
mod rule_remedy;
mod rule_share;
mod rules;
mod skipped_data;
pub(crate) mod stored;
pub(crate) mod suppressions;
pub mod topology_check;
mod transit_gateway_loss;
pub mod types;

use std::collections::{HashMap, HashSet};
use std::net::IpAddr;

use ipnet::IpNet;

pub(crate) use self::direction::{NetworkContext, known_interfaces};
pub(crate) use self::rejects::health_checks_rejected::HealthChecks;
pub(crate) use self::rules::{RejectingRule, Rules};
use self::types::{Confidence, Finding, FindingType, Subject};
use crate::aggregate::accepted::AcceptedFlows;
use crate::aggregate::interner::Symbol;
use crate::aggregate::left_out::LeftOut;
use crate::aggregate::let_through::LetThrough;
use crate::aggregate::peering::{FlowsByClass, InterVpcTraffic};
use crate::aggregate::rejected::{GroupKey, Groups, Subgroup};
use crate::aggregate::transit_gateway::TransitGatewayLosses;
use crate::aggregate::unanswered::OpeningFlows;
use crate::config::{self, Thresholds};

/// Input of the detectors.
pub(crate) struct Context<'a> {
    /// Rejected groups.
    pub(crate) groups: &'a Groups,
    /// Interfaces and topology, which locate addresses.
    pub(crate) network: NetworkContext<'a>,
    /// Rules of the topology that reject traffic.
    pub(crate) rules: &'a Rules<'a>,
    /// Records that the topology classified, by class.
    pub(crate) classes: &'a FlowsByClass<'a>,
    /// Accepted records.
    pub(crate) accepted: &'a AcceptedFlows,
    /// Accepted flows of closed parts, from sources that were rejected.
    pub(crate) let_through: &'a LetThrough,
    /// Facts about records that a filter left out.
    pub(crate) left_out: &'a LeftOut,
    /// Traffic between VPCs, with the records that a filter left out.
    pub(crate) inter_vpc: &'a InterVpcTraffic,
    /// Accepted records that open connections.
    pub(crate) openings: &'a OpeningFlows,
    /// Losses of transit gateways.
    pub(crate) losses: &'a TransitGatewayLosses,
    /// Rejected groups that are health checks of load balancers.
    pub(crate) health_checks: HealthChecks,
    /// Whether there are accepted records. A flow log may be limited to rejected traffic.
    pub(crate) has_accepted_records: bool,
    /// Number of inputs that have records.
    pub(crate) inputs: usize,
    /// Whether the inputs are all of a time window.
    pub(crate) covers_window: bool,
    /// Minimum counts for findings.
    pub(crate) thresholds: &'a Thresholds,
    /// CIDR blocks of the user's own scanners.
    pub(crate) trusted_scanners: &'a [IpNet],
    /// Scanners with an end. Their scans are findings that are suppressed.
    pub(crate) announced_scanners: &'a [IpNet],
    /// Whether memory limits dropped nothing.
    pub(crate) completeness: Completeness,
}

/// Whether memory limits dropped nothing, by kind of data.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Completeness {
    /// Rejected groups, their records, and causes as far as accepted records that are kept decide them.
    pub(crate) rejected: bool,
    /// Rejected groups, their records, and causes.
    pub(crate) causes: bool,
    /// Accepted records, unless a limit was reached: no part was closed.
    pub(crate) accepted: bool,
    /// Accepted flows from the sources of rejected records, unless a limit on accepted records was reached.
    pub(crate) let_through: bool,
    /// Rejected groups, whatever their causes.
    pub(crate) groups: bool,
    /// Records that the topology classified.
    pub(crate) peering: bool,
    /// Accepted records that open connections, and their answers.
    pub(crate) openings: bool,
    /// Answers to accepted records that open connections: no part was closed before others were read.
    pub(crate) answers: bool,
    /// Ids of interfaces, VPCs, and subnets.
    pub(crate) names: bool,
}

impl Context<'_> {
    fn interface_name(&self, id: Option<Symbol>) -> Option<String> {
        self.network.interface_name(id).map(str::to_owned)
    }

    /// Reports whether the records under this id belong to one known interface, or to none. Records of untracked interfaces
    /// share the entry "no interface".
    fn is_identified(&self, id: Option<Symbol>) -> bool {
        id.is_some() || self.network.interfaces.is_complete()
    }

    /// Returns the confidence in a finding that rests on the report having no reply, or no accepted record: another input may have it.
    fn confidence_in_absence(&self) -> Confidence {
        if self.inputs > 1 || self.covers_window { Confidence::Medium } else { Confidence::Low }
    }

    /// Reports whether rejected records of a group are attempts to open a connection. Late packets, answers, and what may be an answer belong
    /// to connections that were accepted.
    fn is_attempt(&self, key: &GroupKey, subgroup: &Subgroup) -> bool {
        subgroup.may_be_attempt() && !self.is_expected(key)
    }

    /// Reports whether a rejected group comes from the user's own scanners, or consists of health checks.
    fn is_expected(&self, key: &GroupKey) -> bool {
        let is_trusted = |src: IpAddr| config::contains(self.trusted_scanners, src);
        key.src.is_some_and(is_trusted) || self.health_checks.contains(key)
    }

    /// Reports whether a rejected group comes from a scanner with an end.
    fn is_announced(&self, key: &GroupKey) -> bool {
        key.src.is_some_and(|src| config::contains(self.announced_scanners, src))
    }

    fn is_public(&self, address: IpAddr) -> bool {
        self.network.is_public(address)
    }

    fn has_gaps(&self, id: Option<Symbol>) -> bool {
        self.network.interfaces.get(id).skipped.flows > 0 || self.left_out.has_gaps(id)
    }
}

/// Runs all detectors. Sorts the findings by severity, then flows (highest first), then type and subject.
pub(crate) fn detect(context: &Context<'_>) -> Vec<Finding> {
    let mut findings: Vec<Finding> = [
        no_answer::detect,
        rejects::egress_blocked::detect,
        rejects::health_checks_rejected::detect,
        rejects::scans::detect,
        rejects::repeated_rejects::detect,
        rejects::reply_blocked::detect,
        skipped_data::detect,
        transit_gateway_loss::detect,
    ]
    .into_iter()
    .flat_map(|detect| detect(context))
    .chain(context.network.topology.into_iter().flat_map(|topology| peering::detect(context, topology)))
    .collect();
    drop_advice_for_scanners(&mut findings);
    findings.sort_unstable_by(|a, b| {
        (b.severity, b.tally.flows, a.finding_type, &a.subject).cmp(&(
            a.severity,
            a.tally.flows,
            b.finding_type,
            &b.subject,
        ))
    });
    name_interfaces(&mut findings, &context.network);
    findings
}

/// Adds the interface to titles that several findings have.
fn name_interfaces(findings: &mut [Finding], network: &NetworkContext<'_>) {
    let mut counts: HashMap<(FindingType, String), u32> = HashMap::new();
    for finding in &*findings {
        *counts.entry((finding.finding_type, finding.title.clone())).or_default() += 1;
    }
    for finding in findings {
        let is_shared = counts.get(&(finding.finding_type, finding.title.clone())).is_some_and(|count| *count > 1);
        if let Some(id) = finding.subject.interface_id().filter(|_| is_shared) {
            finding.title = format!("{} at {}", finding.title, network.resource_label(id));
        }
    }
}

/// Removes the advice to allow traffic of a source that scans.
fn drop_advice_for_scanners(findings: &mut [Finding]) {
    let scanner = |finding: &Finding| match finding.subject {
        Subject::SourceAndPort { srcaddr, .. } | Subject::SourceAndDestination { srcaddr, .. } => Some(srcaddr),
        _ => None,
    };
    let scanners: HashSet<IpAddr> = findings.iter().filter_map(scanner).collect();
    for finding in findings {
        let mut sources = finding.examples.iter().filter_map(|example| example.srcaddr);
        if sources.any(|source| scanners.contains(&source)) {
            finding.next_step = None;
        }
    }
}

/// Returns the meaning of findings of this type, as text for users.
pub fn meaning(finding_type: FindingType) -> &'static str {
    match finding_type {
        FindingType::AmbiguousAddress => peering::ambiguous_address::MEANING,
        FindingType::EdgeToEdgeRouting => peering::edge_to_edge_routing::MEANING,
        FindingType::InactivePeering => peering::inactive_peering::MEANING,
        FindingType::OneWayPeering => peering::one_way_peering::MEANING,
        FindingType::PeeringPathMismatch => peering::peering_path_mismatch::MEANING,
        FindingType::RejectedPeering => peering::rejected_peering::MEANING,
        FindingType::TransitivePeering => peering::transitive_peering::MEANING,
        FindingType::UnpeeredVpc => peering::unpeered_vpc::MEANING,
        FindingType::EgressBlocked => rejects::egress_blocked::MEANING,
        FindingType::HealthChecksRejected => rejects::health_checks_rejected::MEANING,
        FindingType::NoAnswer => no_answer::MEANING,
        FindingType::TransitGatewayLoss => transit_gateway_loss::MEANING,
        FindingType::HostSweep => rejects::host_sweep::MEANING,
        FindingType::PortScan => rejects::port_scan::MEANING,
        FindingType::RepeatedRejects => rejects::repeated_rejects::MEANING,
        FindingType::ReplyBlocked => rejects::reply_blocked::MEANING,
        FindingType::SkippedData => skipped_data::MEANING,
    }
}

/// Returns the recommended next step for findings of this type, as text for users.
pub fn next_step(finding_type: FindingType) -> &'static str {
    match finding_type {
        FindingType::AmbiguousAddress => peering::ambiguous_address::NEXT_STEP,
        FindingType::EdgeToEdgeRouting => peering::edge_to_edge_routing::NEXT_STEP,
        FindingType::InactivePeering => peering::inactive_peering::NEXT_STEP,
        FindingType::OneWayPeering => peering::one_way_peering::NEXT_STEP,
        FindingType::PeeringPathMismatch => peering::peering_path_mismatch::NEXT_STEP,
        FindingType::RejectedPeering => peering::rejected_peering::NEXT_STEP,
        FindingType::TransitivePeering => peering::transitive_peering::NEXT_STEP,
        FindingType::UnpeeredVpc => peering::unpeered_vpc::NEXT_STEP,
        FindingType::EgressBlocked => rejects::egress_blocked::NEXT_STEP,
        FindingType::HealthChecksRejected => rejects::health_checks_rejected::NEXT_STEP,
        FindingType::NoAnswer => no_answer::NEXT_STEP,
        FindingType::TransitGatewayLoss => transit_gateway_loss::NEXT_STEP,
        FindingType::HostSweep => rejects::host_sweep::NEXT_STEP,
        FindingType::PortScan => rejects::port_scan::NEXT_STEP,
        FindingType::RepeatedRejects => rejects::repeated_rejects::NEXT_STEP,
        FindingType::ReplyBlocked => rejects::reply_blocked::NEXT_STEP,
        FindingType::SkippedData => skipped_data::NEXT_STEP,
    }
}

impl Completeness {
    /// Reports whether all data that findings of this type depend on is complete.
    fn covers(self, finding_type: FindingType) -> bool {
        match finding_type {
            FindingType::EgressBlocked
            | FindingType::HealthChecksRejected
            | FindingType::RepeatedRejects
            | FindingType::ReplyBlocked => self.causes,
            // They also tell what was accepted from the source.
            FindingType::HostSweep | FindingType::PortScan => self.causes && self.let_through,
            FindingType::AmbiguousAddress
            | FindingType::EdgeToEdgeRouting
            | FindingType::InactivePeering
            | FindingType::PeeringPathMismatch
            | FindingType::RejectedPeering
            | FindingType::TransitivePeering
            | FindingType::UnpeeredVpc => self.peering,
            // Records that were rejected at their destination are left out.
            FindingType::OneWayPeering => self.peering && self.groups,
            FindingType::NoAnswer => self.openings,
            FindingType::SkippedData | FindingType::TransitGatewayLoss => self.names,
        }
    }
}

#[cfg(test)]
mod tests;
