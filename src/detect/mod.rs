//! Findings: what deserves a look, one per type and subject, never one per record.

mod egress_blocked;
mod host_sweep;
mod peering;
mod port_scan;
mod repeated_rejects;
mod reply_blocked;
mod skipped_data;

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use crate::address;
use crate::cause::Cause;
use crate::finding::{self, Confidence, Details, Evidence, Example, Finding, FindingType, Severity, Subject};
use crate::interfaces::Interfaces;
use crate::names::{NameId, Names};
use crate::peering::{Note, Noted};
use crate::record::{Action, Direction, TCP, UDP};
use crate::rejects::{Group, Part};
use crate::tally::{Seen, Tally};
use crate::thresholds::Thresholds;
use crate::topology::Topology;

/// So many example records a finding has at most.
const MAX_EXAMPLES: usize = 5;

/// A rejected group with what was concluded from the report about it.
#[derive(Debug, Clone)]
pub struct JudgedGroup {
    /// The group.
    pub group: Group,
    /// Seen from its interface.
    pub direction: Direction,
    /// What tells the direction; nothing for `unknown`.
    pub direction_from: Option<Evidence>,
    /// Whether its destination is on the public internet.
    pub dst_is_public: bool,
}

/// All that the detectors look at.
pub struct Context<'a> {
    /// Rejected groups.
    pub groups: &'a [JudgedGroup],
    /// Interfaces.
    pub interfaces: &'a Interfaces,
    /// Names of VPCs and subnets.
    pub places: &'a Names,
    /// What is known of VPCs and their peering.
    pub topology: Option<&'a Topology>,
    /// Records that are noteworthy by the topology.
    pub notes: &'a BTreeMap<Note, Vec<Noted<'a>>>,
    /// Whether there is any accepted record: a flow log may be of rejects alone.
    pub accepts_are_logged: bool,
    /// From when on a pattern is a finding.
    pub thresholds: &'a Thresholds,
}

impl Context<'_> {
    fn interface_name(&self, id: Option<NameId>) -> Option<String> {
        id.map(|id| self.interfaces.name(id).to_owned())
    }

    fn is_public(&self, address: IpAddr) -> bool {
        self.topology.map_or_else(|| address::is_public(address), |topology| topology.is_public(address))
    }

    fn has_gaps(&self, id: Option<NameId>) -> bool {
        self.interfaces.get(id).skipped.flows > 0
    }
}

/// Runs every detector, and puts the worst first.
pub fn detect(context: &Context<'_>) -> Vec<Finding> {
    let mut findings: Vec<Finding> = [
        egress_blocked::detect,
        host_sweep::detect,
        port_scan::detect,
        repeated_rejects::detect,
        reply_blocked::detect,
        skipped_data::detect,
    ]
    .into_iter()
    .flat_map(|detect| detect(context))
    .chain(context.topology.into_iter().flat_map(|topology| peering::detect(context, topology)))
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
        FindingType::EgressBlocked => egress_blocked::MEANING,
        FindingType::HostSweep => host_sweep::MEANING,
        FindingType::PortScan => port_scan::MEANING,
        FindingType::RepeatedRejects => repeated_rejects::MEANING,
        FindingType::ReplyBlocked => reply_blocked::MEANING,
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
        FindingType::EgressBlocked => egress_blocked::NEXT_STEP,
        FindingType::HostSweep => host_sweep::NEXT_STEP,
        FindingType::PortScan => port_scan::NEXT_STEP,
        FindingType::RepeatedRejects => repeated_rejects::NEXT_STEP,
        FindingType::ReplyBlocked => reply_blocked::NEXT_STEP,
        FindingType::SkippedData => skipped_data::NEXT_STEP,
    }
}

/// A source that is not on the public internet is one of ours, or beyond a VPN: its probing is worse.
fn severity_of_probing(context: &Context<'_>, src: IpAddr) -> Severity {
    if context.is_public(src) { Severity::Medium } else { Severity::High }
}

/// Late packets and answers are the end or the answer of something that was let through: no probing, and no egress
/// that is blocked.
fn is_own_attempt(part: &Part) -> bool {
    !matches!(part.cause, Cause::OutOfState | Cause::NetworkAcl)
}

/// Rejected TCP or UDP records that may be part of probing.
struct Probe<'a> {
    src: IpAddr,
    dst: IpAddr,
    dstport: u16,
    protocol: u8,
    group: &'a Group,
    part: &'a Part,
}

fn probes<'a>(context: &Context<'a>) -> impl Iterator<Item = Probe<'a>> {
    context.groups.iter().flat_map(|judged| {
        let group = &judged.group;
        group.parts.iter().filter(|part| is_own_attempt(part)).filter_map(|part| {
            Some(Probe {
                src: group.key.src?,
                dst: group.key.dst?,
                dstport: group.key.dstport?,
                protocol: group.key.protocol.filter(|protocol| [TCP, UDP].contains(protocol))?,
                group,
                part,
            })
        })
    })
}

/// Gathers probes by subject, and keeps the subjects with at least so many distinct targets.
fn gather<'a, S: Ord + Copy, T: Ord>(
    context: &Context<'a>,
    at_least: u64,
    subject_and_target: impl Fn(&Probe<'a>) -> (S, T),
) -> Vec<(S, u64, Records)> {
    let mut targets: Vec<(S, T)> = probes(context).map(|probe| subject_and_target(&probe)).collect();
    targets.sort_unstable();
    targets.dedup();
    let mut found: BTreeMap<S, (u64, Records)> = targets
        .chunk_by(|(a, _), (b, _)| a == b)
        .filter(|of_subject| of_subject.len() as u64 >= at_least)
        .map(|of_subject| (of_subject[0].0, (of_subject.len() as u64, Records::default())))
        .collect();
    if found.is_empty() {
        return Vec::new();
    }
    for probe in probes(context) {
        if let Some((_, records)) = found.get_mut(&subject_and_target(&probe).0) {
            records.add(context, probe.group, probe.part);
        }
    }
    found.into_iter().map(|(subject, (distinct, records))| (subject, distinct, records)).collect()
}

/// The records that make a finding hold, as they are gathered.
#[derive(Default)]
struct Records {
    tally: Tally,
    seen: Seen,
    interfaces: BTreeSet<Option<NameId>>,
    /// Whether a record does not show that it was to open a connection.
    unproven: bool,
    examples: BTreeSet<Example>,
}

impl Records {
    fn add(&mut self, context: &Context<'_>, group: &Group, part: &Part) {
        let key = group.key;
        self.tally.merge(part.tally);
        self.seen.merge(part.seen);
        self.interfaces.insert(key.interface);
        self.unproven |= !part.opening;
        self.add_example(Example {
            interface_id: context.interface_name(key.interface),
            srcaddr: key.src,
            dstaddr: key.dst,
            srcport: part.srcport,
            dstport: key.dstport,
            protocol: key.protocol,
            action: Action::Reject,
        });
    }

    /// Adds records that are noteworthy by the topology.
    fn add_noted(&mut self, context: &Context<'_>, noted: &Noted<'_>) {
        let Noted { addresses, action, sums, .. } = *noted;
        let (srcport, dstport) = sums.least_ports.unwrap_or_default();
        self.tally.merge(sums.tally);
        self.seen.merge(sums.seen);
        self.interfaces.insert(addresses.interface);
        self.add_example(Example {
            interface_id: context.interface_name(addresses.interface),
            srcaddr: addresses.src,
            dstaddr: addresses.dst,
            srcport,
            dstport,
            protocol: addresses.protocol,
            action,
        });
    }

    fn add_example(&mut self, example: Example) {
        self.examples.insert(example);
        if self.examples.len() > MAX_EXAMPLES {
            self.examples.pop_last();
        }
    }

    /// Probing is sure where `tcp-flags` of every record shows it. Without them it may be the end of connections that
    /// were let through before the log begins.
    fn confidence_of_probing(&self) -> (Confidence, Option<Evidence>) {
        if self.unproven { (Confidence::Medium, None) } else { (Confidence::High, Some(Evidence::TcpFlags)) }
    }

    fn into_finding(self, context: &Context<'_>, verdict: Verdict) -> Finding {
        let mut evidence = verdict.evidence;
        let mut confidence = verdict.confidence;
        if self.interfaces.iter().any(|id| context.has_gaps(*id)) {
            confidence = confidence.min(Confidence::Medium);
            evidence.insert(Evidence::SkipData);
        }
        Finding {
            id: finding::id(verdict.finding_type.name(), &verdict.subject),
            finding_type: verdict.finding_type,
            severity: verdict.severity,
            confidence,
            title: verdict.title,
            subject: verdict.subject,
            details: verdict.details,
            evidence,
            tally: self.tally,
            seen: self.seen,
            exact: true,
            examples: self.examples.into_iter().collect(),
        }
    }
}

/// What a detector says of some records.
struct Verdict {
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
