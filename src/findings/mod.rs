//! State to findings.
//!
//! In comes a [`Context`]: rejected groups, classified traffic between VPCs, the topology, thresholds. Each detector reads
//! it and gives [`Finding`]s, one per type and subject and never one per record: [`rejects`] needs the log alone,
//! [`peering`] needs a topology, [`skipped_data`] reads the gaps that AWS reports. Out goes a list in the contract's order.
//! [`topology_check`] gives findings about a topology itself, without any log.
//!
//! A finding depends only on the records, the thresholds and the topology: no clock, no order of the records.

mod direction;
mod peering;
mod rejects;
mod skipped_data;
pub mod topology_check;
pub mod types;

use std::collections::BTreeSet;
use std::hash::{BuildHasher, Hash};
use std::net::IpAddr;

use foldhash::fast::RandomState;

pub use self::direction::{NetworkContext, known_interfaces};
use self::types::{Confidence, Details, Evidence, Example, Finding, FindingType, Severity, Subject};
use crate::aggregate::counters::{Counters, TimeRange};
use crate::aggregate::interner::Symbol;
use crate::aggregate::peering::{ClassView, ClassifiedFlows, FlowsByClass};
use crate::aggregate::rejected::cause::Cause;
use crate::aggregate::rejected::{GroupKey, Groups, Subgroup};
use crate::config::Thresholds;
use crate::record::{Action, TCP, UDP};

/// So many example records a finding has at most.
const MAX_EXAMPLES: usize = 5;

/// All that the detectors look at.
pub struct Context<'a> {
    /// Rejected groups.
    pub groups: &'a Groups,
    /// What tells where an address is and whose it is.
    pub network: NetworkContext<'a>,
    /// MatchedFlows that are noteworthy by the topology.
    pub notes: &'a FlowsByClass<'a>,
    /// Whether there is any accepted record: a flow log may be of rejects alone.
    pub has_accepted_records: bool,
    /// From when on a pattern is a finding.
    pub thresholds: &'a Thresholds,
    /// Whether memory limits left nothing out.
    pub exact: Completeness,
}

/// Whether memory limits left nothing out.
#[derive(Debug, Clone, Copy)]
pub struct Completeness {
    /// Of rejected groups, their records and causes.
    pub rejected: bool,
    /// Of the records that are noteworthy by the topology.
    pub peering: bool,
    /// Of the names of interfaces, VPCs and subnets.
    pub names: bool,
}

impl Context<'_> {
    fn interface_name(&self, id: Option<Symbol>) -> Option<String> {
        self.network.interface_name(id).map(str::to_owned)
    }

    /// Whether records that are kept as this interface's are of one, or of none: records of interfaces that were not kept are
    /// with those that name none.
    fn is_identified(&self, id: Option<Symbol>) -> bool {
        id.is_some() || self.network.interfaces.is_complete()
    }

    fn is_public(&self, address: IpAddr) -> bool {
        self.network.is_public(address)
    }

    fn has_gaps(&self, id: Option<Symbol>) -> bool {
        self.network.interfaces.get(id).skipped.flows > 0
    }
}

/// Runs every detector, and puts the worst first.
pub fn detect(context: &Context<'_>) -> Vec<Finding> {
    let mut findings: Vec<Finding> = [
        rejects::egress_blocked::detect,
        rejects::host_sweep::detect,
        rejects::port_scan::detect,
        rejects::repeated_rejects::detect,
        rejects::reply_blocked::detect,
        skipped_data::detect,
    ]
    .into_iter()
    .flat_map(|detect| detect(context))
    .chain(context.network.topology.into_iter().flat_map(|topology| peering::detect(context, topology)))
    .collect();
    findings.sort_unstable_by(|a, b| {
        (b.severity, b.tally.flows, a.finding_type, &a.subject).cmp(&(
            a.severity,
            a.tally.flows,
            b.finding_type,
            &b.subject,
        ))
    });
    findings
}

/// What findings of a type mean, for people.
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
        FindingType::HostSweep => rejects::host_sweep::MEANING,
        FindingType::PortScan => rejects::port_scan::MEANING,
        FindingType::RepeatedRejects => rejects::repeated_rejects::MEANING,
        FindingType::ReplyBlocked => rejects::reply_blocked::MEANING,
        FindingType::SkippedData => skipped_data::MEANING,
    }
}

/// What to look at next, for people.
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
        FindingType::HostSweep => rejects::host_sweep::NEXT_STEP,
        FindingType::PortScan => rejects::port_scan::NEXT_STEP,
        FindingType::RepeatedRejects => rejects::repeated_rejects::NEXT_STEP,
        FindingType::ReplyBlocked => rejects::reply_blocked::NEXT_STEP,
        FindingType::SkippedData => skipped_data::NEXT_STEP,
    }
}

/// A source that is not on the public internet is one of ours, or beyond a VPN: its probing is worse.
fn probe_severity(context: &Context<'_>, src: IpAddr) -> Severity {
    if context.is_public(src) { Severity::Medium } else { Severity::High }
}

/// Late packets and answers are the end or the answer of something that was let through: no probing, and no egress
/// that is blocked.
fn is_new_connection(part: &Subgroup) -> bool {
    !matches!(part.cause, Cause::OutOfState | Cause::NetworkAcl)
}

/// Rejected TCP or UDP records that may be part of probing.
struct Probe {
    src: IpAddr,
    dst: IpAddr,
    dstport: u16,
    protocol: u8,
}

/// All probes, each with the number of its part.
fn probes(context: &Context<'_>) -> impl Iterator<Item = (u32, Probe)> {
    let own = (0..).zip(context.groups.subgroups()).filter(|(_, (_, part))| is_new_connection(part));
    own.filter_map(|(number, (key, _))| {
        let protocol = key.protocol.filter(|protocol| [TCP, UDP].contains(protocol))?;
        Some((number, Probe { src: key.src?, dst: key.dst?, dstport: key.dstport?, protocol }))
    })
}

/// Gathers probes by subject, and keeps the subjects with at least so many distinct targets.
fn gather<S: Ord + Copy + Hash, T: Ord + Copy>(
    context: &Context<'_>,
    at_least: u64,
    subject_and_target: impl Fn(&Probe) -> (S, T),
) -> Vec<(S, u64, MatchedFlows)> {
    let subjects = probes(context).map(|(_, probe)| subject_and_target(&probe).0);
    let many = CountingFilter::of(subjects, at_least);
    let of_many = |(number, probe)| {
        let (subject, target) = subject_and_target(&probe);
        many.may_be(&subject).then_some((subject, target, number))
    };
    let mut found: Vec<(S, T, u32)> = probes(context).filter_map(of_many).collect();
    found.sort_unstable();
    let of_subject = |of_subject: &[(S, T, u32)]| {
        let distinct = of_subject.chunk_by(|(_, a, _), (_, b, _)| a == b).count() as u64;
        if distinct < at_least {
            return None;
        }
        let mut records = MatchedFlows::default();
        for (_, _, number) in of_subject {
            let (key, part) = context.groups.subgroup(*number as usize);
            records.add(context, key, &part);
        }
        Some((of_subject[0].0, distinct, records))
    };
    found.chunk_by(|(a, ..), (b, ..)| a == b).filter_map(of_subject).collect()
}

/// Which subjects may occur many times: nearly all occur a few times only, and are not to be sorted.
struct CountingFilter {
    counts: Vec<u32>,
    at_least: u64,
    hasher: RandomState,
}

impl CountingFilter {
    /// The more counts there are, the fewer subjects share one; these stay near the processor.
    const MOST_COUNTS: usize = 1 << 16;

    fn of<S: Hash>(subjects: impl Iterator<Item = S>, at_least: u64) -> CountingFilter {
        let (_, at_most) = subjects.size_hint();
        let counts =
            at_most.unwrap_or(usize::MAX).saturating_mul(2).clamp(1, CountingFilter::MOST_COUNTS).next_power_of_two();
        let mut many = CountingFilter { counts: vec![0; counts], at_least, hasher: RandomState::default() };
        for subject in subjects {
            let place = many.place(&subject);
            many.counts[place] = many.counts[place].saturating_add(1);
        }
        many
    }

    /// No subject that occurs so many times is denied.
    fn may_be(&self, subject: &impl Hash) -> bool {
        let count = self.counts[self.place(subject)];
        u64::from(count) >= self.at_least || count == u32::MAX
    }

    fn place(&self, subject: &impl Hash) -> usize {
        self.hasher.hash_one(subject) as usize & (self.counts.len() - 1)
    }
}

/// The records that make a finding hold, as they are gathered.
#[derive(Default)]
struct MatchedFlows {
    tally: Counters,
    seen: TimeRange,
    interfaces: BTreeSet<Option<Symbol>>,
    /// Whether a record does not show that it was to open a connection.
    unproven: bool,
    examples: BTreeSet<Example>,
}

impl MatchedFlows {
    fn add(&mut self, context: &Context<'_>, key: GroupKey, part: &Subgroup) {
        self.tally.merge(part.tally);
        self.seen.merge(part.seen);
        self.interfaces.insert(key.interface);
        self.unproven |= !part.is_syn;
        let ends = (context.network.interface_name(key.interface), key.src, key.dst);
        self.add_example(ends, (part.srcport, key.dstport, key.protocol), Action::Reject);
    }

    /// Adds records that are noteworthy by the topology.
    fn add_noted(&mut self, context: &Context<'_>, noted: &ClassifiedFlows) {
        let ClassifiedFlows { addresses, action, sums, .. } = *noted;
        let (srcport, dstport) = sums.least_ports.unwrap_or_default();
        self.tally.merge(sums.tally);
        self.seen.merge(sums.seen);
        self.interfaces.insert(addresses.interface);
        let ends = (context.network.interface_name(addresses.interface), addresses.src, addresses.dst);
        self.add_example(ends, (srcport, dstport, addresses.protocol), action);
    }

    /// Adds all records that are noteworthy in one way: their sums hold whatever was left out for lack of memory.
    fn add_all(&mut self, context: &Context<'_>, of_note: &ClassView<'_>) {
        let mut tally = self.tally;
        of_note.flows().for_each(|noted| self.add_noted(context, &noted));
        tally.merge(of_note.tally());
        self.tally = tally;
    }

    /// Keeps the least. Of many records few are: the others need not be made into examples.
    fn add_example(
        &mut self,
        ends: (Option<&str>, Option<IpAddr>, Option<IpAddr>),
        ports: (Option<u16>, Option<u16>, Option<u8>),
        action: Action,
    ) {
        let (interface_id, srcaddr, dstaddr) = ends;
        if self.examples.len() == MAX_EXAMPLES
            && self
                .examples
                .last()
                .is_some_and(|last| (last.interface_id.as_deref(), last.srcaddr, last.dstaddr) < ends)
        {
            return;
        }
        let (srcport, dstport, protocol) = ports;
        let interface_id = interface_id.map(str::to_owned);
        self.examples.insert(Example { interface_id, srcaddr, dstaddr, srcport, dstport, protocol, action });
        if self.examples.len() > MAX_EXAMPLES {
            self.examples.pop_last();
        }
    }

    /// Probing is sure where `tcp-flags` of every record shows it. Without them it may be the end of connections that
    /// were let through before the log begins.
    fn confidence_of_probing(&self) -> (Confidence, Option<Evidence>) {
        if self.unproven { (Confidence::Medium, None) } else { (Confidence::High, Some(Evidence::TcpFlags)) }
    }

    fn into_finding(self, context: &Context<'_>, verdict: FindingDraft) -> Finding {
        let mut evidence = verdict.evidence;
        let mut confidence = verdict.confidence;
        if self.interfaces.iter().any(|id| context.has_gaps(*id)) {
            confidence = confidence.min(Confidence::Medium);
            evidence.insert(Evidence::SkipData);
        }
        Finding {
            id: types::id(verdict.finding_type.name(), &verdict.subject),
            finding_type: verdict.finding_type,
            severity: verdict.severity,
            confidence,
            title: verdict.title,
            subject: verdict.subject,
            details: verdict.details,
            evidence,
            tally: self.tally,
            seen: self.seen,
            exact: verdict.finding_type.is_exact(context.exact),
            examples: self.examples.into_iter().collect(),
        }
    }
}

impl FindingType {
    /// Whether nothing that a finding of this type rests on was left out for lack of memory.
    fn is_exact(self, exact: Completeness) -> bool {
        match self {
            FindingType::EgressBlocked
            | FindingType::HostSweep
            | FindingType::PortScan
            | FindingType::RepeatedRejects
            | FindingType::ReplyBlocked => exact.rejected,
            FindingType::AmbiguousAddress
            | FindingType::EdgeToEdgeRouting
            | FindingType::InactivePeering
            | FindingType::OneWayPeering
            | FindingType::PeeringPathMismatch
            | FindingType::RejectedPeering
            | FindingType::TransitivePeering
            | FindingType::UnpeeredVpc => exact.peering,
            FindingType::SkippedData => exact.names,
        }
    }
}

/// What a detector says of some records.
struct FindingDraft {
    finding_type: FindingType,
    severity: Severity,
    confidence: Confidence,
    title: String,
    subject: Subject,
    details: Details,
    evidence: BTreeSet<Evidence>,
}

#[cfg(test)]
mod tests;
