//! Findings: what deserves a look, one per type and subject, never one per record.

mod egress_blocked;
mod host_sweep;
mod port_scan;
mod repeated_rejects;
mod reply_blocked;
mod skipped_data;

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::hash::Hash;
use std::net::IpAddr;

use foldhash::fast::RandomState;
use serde::Serialize;
use sha2::{Digest, Sha256};

use crate::address;
use crate::interfaces::Interfaces;
use crate::names::NameId;
use crate::record::{Action, TCP, UDP};
use crate::rejects::{Group, Part};
use crate::summary::{Cause, Direction};
use crate::tally::{Seen, Tally};
use crate::thresholds::Thresholds;

/// So many example records a finding has at most.
const MAX_EXAMPLES: usize = 5;

/// Something that deserves a look.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Finding {
    /// A hash of type and subject: the same trouble in the next file has the same id.
    pub id: String,
    /// What kind of trouble.
    #[serde(rename = "type")]
    pub finding_type: FindingType,
    /// How bad it is.
    pub severity: Severity,
    /// How sure it is.
    pub confidence: Confidence,
    /// One line for people.
    pub title: String,
    /// What it is about.
    pub subject: Subject,
    /// What may differ from report to report.
    pub details: Details,
    /// What the verdict rests on, in fixed words.
    pub evidence: BTreeSet<Evidence>,
    /// Sums over the records that make the finding hold.
    #[serde(flatten)]
    pub tally: Tally,
    /// When those were seen.
    #[serde(flatten)]
    pub seen: Seen,
    /// False where a memory limit made the finding approximate.
    pub exact: bool,
    /// Up to five of those records.
    pub examples: Vec<Example>,
}

/// The kinds of trouble. The order is that of the names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum FindingType {
    /// See [`egress_blocked`].
    EgressBlocked,
    /// See [`host_sweep`].
    HostSweep,
    /// See [`port_scan`].
    PortScan,
    /// See [`repeated_rejects`].
    RepeatedRejects,
    /// See [`reply_blocked`].
    ReplyBlocked,
    /// See [`skipped_data`].
    SkippedData,
}

impl FindingType {
    /// Every type.
    pub const ALL: &[FindingType] = &[
        FindingType::EgressBlocked,
        FindingType::HostSweep,
        FindingType::PortScan,
        FindingType::RepeatedRejects,
        FindingType::ReplyBlocked,
        FindingType::SkippedData,
    ];

    /// The word in JSON, metrics and reports.
    pub fn name(self) -> &'static str {
        match self {
            FindingType::EgressBlocked => "egress-blocked",
            FindingType::HostSweep => "host-sweep",
            FindingType::PortScan => "port-scan",
            FindingType::RepeatedRejects => "repeated-rejects",
            FindingType::ReplyBlocked => "reply-blocked",
            FindingType::SkippedData => "skipped-data",
        }
    }

    /// What it means, for people.
    pub fn meaning(self) -> &'static str {
        match self {
            FindingType::EgressBlocked => egress_blocked::MEANING,
            FindingType::HostSweep => host_sweep::MEANING,
            FindingType::PortScan => port_scan::MEANING,
            FindingType::RepeatedRejects => repeated_rejects::MEANING,
            FindingType::ReplyBlocked => reply_blocked::MEANING,
            FindingType::SkippedData => skipped_data::MEANING,
        }
    }

    /// What to look at next, for people.
    pub fn next_step(self) -> &'static str {
        match self {
            FindingType::EgressBlocked => egress_blocked::NEXT_STEP,
            FindingType::HostSweep => host_sweep::NEXT_STEP,
            FindingType::PortScan => port_scan::NEXT_STEP,
            FindingType::RepeatedRejects => repeated_rejects::NEXT_STEP,
            FindingType::ReplyBlocked => reply_blocked::NEXT_STEP,
            FindingType::SkippedData => skipped_data::NEXT_STEP,
        }
    }
}

/// How bad it is, the least first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum Severity {
    /// Worth knowing.
    Low,
    /// Worth a look today.
    Medium,
    /// Worth a look now.
    High,
}

impl Severity {
    /// The word in JSON and in reports.
    pub fn name(self) -> &'static str {
        match self {
            Severity::Low => "low",
            Severity::Medium => "medium",
            Severity::High => "high",
        }
    }
}

/// How sure it is, the least first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum Confidence {
    /// A hint.
    Low,
    /// What the log shows, but the log does not show all.
    Medium,
    /// What the log shows.
    High,
}

impl Confidence {
    /// The word in JSON and in reports.
    pub fn name(self) -> &'static str {
        match self {
            Confidence::Low => "low",
            Confidence::Medium => "medium",
            Confidence::High => "high",
        }
    }
}

/// What a verdict rests on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum Evidence {
    /// A request was let through by the same interface.
    AcceptedRequest,
    /// The one address that all records of the interface share.
    ConstantAddress,
    /// Distinct destinations.
    DistinctHosts,
    /// Distinct destination ports.
    DistinctPorts,
    /// `flow-direction` of the records.
    FlowDirection,
    /// The number of rejected records.
    RejectedFlows,
    /// AWS left records out.
    SkipData,
    /// `tcp-flags` of the records.
    TcpFlags,
}

/// What a finding is about.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(untagged)]
pub enum Subject {
    /// Of `repeated-rejects`.
    Group {
        /// Interface that recorded the traffic.
        interface_id: Option<String>,
        /// Source.
        srcaddr: Option<IpAddr>,
        /// Destination.
        dstaddr: Option<IpAddr>,
        /// Destination port.
        dstport: Option<u16>,
        /// IANA protocol number.
        protocol: Option<u8>,
    },
    /// Of `reply-blocked`.
    Replies {
        /// Interface that recorded the traffic.
        interface_id: Option<String>,
        /// Source of the replies.
        srcaddr: IpAddr,
        /// Destination of the replies.
        dstaddr: IpAddr,
        /// IANA protocol number.
        protocol: u8,
    },
    /// Of `host-sweep`.
    SourceAndPort {
        /// Source.
        srcaddr: IpAddr,
        /// Destination port.
        dstport: u16,
        /// IANA protocol number.
        protocol: u8,
    },
    /// Of `port-scan`.
    SourceAndDestination {
        /// Source.
        srcaddr: IpAddr,
        /// Destination.
        dstaddr: IpAddr,
    },
    /// Of `egress-blocked` and `skipped-data`.
    Interface {
        /// Null for records without an interface.
        interface_id: Option<String>,
    },
}

/// What may differ from report to report, by type.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(untagged)]
pub enum Details {
    /// Of `port-scan`.
    Ports {
        /// Distinct (protocol, port).
        distinct_ports: u64,
    },
    /// Of `host-sweep` and `egress-blocked`.
    Hosts {
        /// Distinct destinations.
        distinct_hosts: u64,
    },
    /// Of `repeated-rejects`.
    Group {
        /// Seen from the interface.
        direction: Direction,
        /// The cause of most of its flows.
        cause: Cause,
    },
    /// Of the others.
    None {},
}

/// A record that makes a finding hold.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Example {
    /// Interface that recorded it.
    pub interface_id: Option<String>,
    /// Source.
    pub srcaddr: Option<IpAddr>,
    /// Destination.
    pub dstaddr: Option<IpAddr>,
    /// Source port.
    pub srcport: Option<u16>,
    /// Destination port.
    pub dstport: Option<u16>,
    /// IANA protocol number.
    pub protocol: Option<u8>,
    /// `ACCEPT` or `REJECT`.
    pub action: Action,
}

/// A rejected group with what was concluded from the report about it.
#[derive(Debug, Clone)]
pub struct JudgedGroup {
    /// The group.
    pub group: Group,
    /// Seen from its interface.
    pub direction: Direction,
    /// What tells the direction; nothing for `unknown`.
    pub direction_from: Option<Evidence>,
}

/// All that the detectors look at.
pub struct Context<'a> {
    /// Rejected groups.
    pub groups: &'a [JudgedGroup],
    /// Interfaces.
    pub interfaces: &'a Interfaces,
    /// From when on a pattern is a finding.
    pub thresholds: &'a Thresholds,
}

impl Context<'_> {
    fn interface_name(&self, id: Option<NameId>) -> Option<String> {
        id.map(|id| self.interfaces.name(id).to_owned())
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

/// A source that is not on the public internet is one of ours, or beyond a VPN: its probing is worse.
fn severity_of_probing(src: IpAddr) -> Severity {
    if address::is_public(src) { Severity::Medium } else { Severity::High }
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
fn gather<'a, S: Ord + Copy, T: Hash + Eq>(
    context: &Context<'a>,
    at_least: u64,
    subject_and_target: impl Fn(&Probe<'a>) -> (S, T),
) -> Vec<(S, u64, Records)> {
    let mut targets: BTreeMap<S, HashSet<T, RandomState>> = BTreeMap::new();
    for probe in probes(context) {
        let (subject, target) = subject_and_target(&probe);
        targets.entry(subject).or_default().insert(target);
    }
    let mut found: BTreeMap<S, (u64, Records)> = targets
        .into_iter()
        .map(|(subject, targets)| (subject, targets.len() as u64))
        .filter(|(_, distinct)| *distinct >= at_least)
        .map(|(subject, distinct)| (subject, (distinct, Records::default())))
        .collect();
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
        self.examples.insert(Example {
            interface_id: context.interface_name(key.interface),
            srcaddr: key.src,
            dstaddr: key.dst,
            srcport: part.srcport,
            dstport: key.dstport,
            protocol: key.protocol,
            action: Action::Reject,
        });
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
            id: id(verdict.finding_type, &verdict.subject),
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

/// 128 bits of a SHA-256 over type and subject, in hexadecimal digits.
fn id(finding_type: FindingType, subject: &Subject) -> String {
    let subject = serde_json::to_string(subject).expect("text, numbers and addresses are JSON");
    let digest = Sha256::digest(format!("{}\0{subject}", finding_type.name()));
    digest[..16].iter().map(|byte| format!("{byte:02x}")).collect()
}
