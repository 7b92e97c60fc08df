//! Probes: rejected TCP or UDP records that may belong to a port scan or a host sweep.

use std::collections::HashMap;
use std::hash::{BuildHasher, Hash};
use std::net::IpAddr;

use foldhash::fast::RandomState;

use super::super::Context;
use super::super::evidence::MatchedFlows;
use crate::aggregate::accepted::{AcceptedRow, AddressFilter};
use crate::findings::types::{Evidence, Severity};
use crate::record::{TCP, UDP};

/// A rejected connection attempt over TCP or UDP.
pub(super) struct Probe {
    pub(super) src: IpAddr,
    pub(super) dst: IpAddr,
    pub(super) dstport: u16,
    pub(super) protocol: u8,
    /// Index of its subgroup.
    index: u32,
}

/// The probes of one subject, such as a source and a destination.
pub(super) struct ProbedSubject<S> {
    pub(super) subject: S,
    /// Number of distinct targets, such as ports.
    pub(super) targets: u64,
    pub(super) flows: MatchedFlows,
}

/// Returns the severity of probes from this source. It is high if the source is not on the public internet: then it is one of
/// the user's hosts, or connected over a VPN. It is high, too, if something was accepted from it.
pub(super) fn probe_severity(context: &Context<'_>, src: IpAddr, accepted_flows: Option<u64>) -> Severity {
    let is_harmless = context.is_public(src) && accepted_flows.unwrap_or(0) == 0;
    if is_harmless { Severity::Medium } else { Severity::High }
}

/// The accepted flows from the source of probes to their target.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum AcceptedCount {
    /// All of them.
    Exact(u64),
    /// At least these, and at least one: closed parts may have dropped others.
    AtLeast(u64),
    /// Nothing is known.
    Unknown,
}

impl AcceptedCount {
    /// Combines the accepted records that are kept with those that closed parts counted.
    pub(super) fn new(context: &Context<'_>, kept: Option<u64>, closed: u64) -> AcceptedCount {
        let flows = kept.unwrap_or(0).saturating_add(closed);
        if context.accepted.is_complete() && context.completeness.let_through {
            AcceptedCount::Exact(flows)
        } else if flows > 0 {
            AcceptedCount::AtLeast(flows)
        } else {
            AcceptedCount::Unknown
        }
    }

    /// Returns the number, if something is known.
    pub(super) fn flows(self) -> Option<u64> {
        match self {
            AcceptedCount::Exact(flows) | AcceptedCount::AtLeast(flows) => Some(flows),
            AcceptedCount::Unknown => None,
        }
    }
}

/// Returns what was accepted from the source of probes, for their title, and the evidence. Nothing is said if the log has no accepted
/// records, or if they were discarded.
pub(super) fn describe_accepted(
    context: &Context<'_>,
    accepted: AcceptedCount,
    target: &str,
) -> (String, Option<Evidence>) {
    match accepted {
        AcceptedCount::Unknown => (String::new(), None),
        AcceptedCount::Exact(0) if !context.has_accepted_records => (String::new(), Some(Evidence::NoAcceptedRecords)),
        AcceptedCount::Exact(0) => ("; nothing was accepted from it there".to_owned(), None),
        AcceptedCount::Exact(1) => {
            (format!("; 1 flow from it to {target} was accepted"), Some(Evidence::AcceptedFlows))
        }
        AcceptedCount::Exact(flows) => {
            (format!("; {flows} flows from it to {target} were accepted"), Some(Evidence::AcceptedFlows))
        }
        AcceptedCount::AtLeast(flows) => {
            let (noun, verb) = if flows == 1 { ("flow", "was") } else { ("flows", "were") };
            (format!("; at least {flows} {noun} from it to {target} {verb} accepted"), Some(Evidence::AcceptedFlows))
        }
    }
}

/// Counts the accepted records of each subject, as far as they are kept. `subject` returns the subject to which an accepted record
/// belongs, and `src` its source.
pub(super) fn count_accepted<S: Copy + Eq + Hash>(
    context: &Context<'_>,
    subjects: impl Iterator<Item = S> + Clone,
    subject: impl Fn(&AcceptedRow) -> Option<S>,
    src: impl Fn(S) -> IpAddr,
) -> HashMap<S, u64, RandomState> {
    let mut flows: HashMap<S, u64, RandomState> = subjects.clone().map(|subject| (subject, 0)).collect();
    if !flows.is_empty() {
        let filter = AddressFilter::new(subjects.map(src));
        context.accepted.for_each_from(&filter, |row| {
            if filter.may_contain(row.tuple.src)
                && let Some(count) = subject(&row).and_then(|subject| flows.get_mut(&subject))
            {
                *count += 1;
            }
        });
    }
    flows
}

/// Groups the probes by subject. Keeps the subjects with at least `threshold` distinct targets, in their order.
pub(super) fn group_probes<S: Ord + Copy + Hash, T: Ord + Copy>(
    context: &Context<'_>,
    probes: &[Probe],
    threshold: u64,
    subject_and_target: impl Fn(&Probe) -> (S, T),
) -> Vec<ProbedSubject<S>> {
    let filter = CountingFilter::new(probes.iter().map(|probe| subject_and_target(probe).0), threshold);
    let candidates = probes.iter().zip(&filter.slots).filter(|(_, slot)| filter.may_reach_threshold(**slot));
    let candidates = candidates.map(|(probe, _)| {
        let (subject, target) = subject_and_target(probe);
        (subject, target, probe.index)
    });
    let mut candidates: Vec<(S, T, u32)> = candidates.collect();
    candidates.sort_unstable();
    let probed = |probes: &[(S, T, u32)]| {
        let targets = probes.chunk_by(|(_, a, _), (_, b, _)| a == b).count() as u64;
        if targets < threshold {
            return None;
        }
        let &(subject, ..) = probes.first()?;
        let mut flows = MatchedFlows::default();
        for (_, _, index) in probes {
            let (key, subgroup) = context.groups.subgroup(*index as usize);
            flows.add(context, key, &subgroup);
        }
        Some(ProbedSubject { subject, targets, flows })
    };
    candidates.chunk_by(|(a, ..), (b, ..)| a == b).filter_map(probed).collect()
}

/// Returns all probes.
pub(super) fn probes(context: &Context<'_>) -> impl Iterator<Item = Probe> {
    let subgroups = (0..).zip(context.groups.subgroups());
    let attempts = subgroups.filter(|(_, (key, subgroup))| context.is_attempt(key, subgroup));
    attempts.filter_map(|(index, (key, _))| {
        let protocol = key.protocol.filter(|protocol| [TCP, UDP].contains(protocol))?;
        Some(Probe { src: key.src?, dst: key.dst?, dstport: key.dstport?, protocol, index })
    })
}

/// Approximate counts of the subjects. Nearly all subjects occur only a few times; the filter excludes them before the sort.
struct CountingFilter {
    /// Counts by hash. The length is a power of two.
    counts: Vec<u32>,
    /// The slot of each subject in `counts`.
    slots: Vec<u32>,
    threshold: u64,
}

#[expect(clippy::indexing_slicing, reason = "a slot is a hash masked with the length, which is a power of two")]
impl CountingFilter {
    /// Maximum number of counts. With more counts fewer subjects share one; these fit into the L2 cache.
    const MAX_COUNTS: usize = 1 << 16;

    fn new<S: Hash>(subjects: impl ExactSizeIterator<Item = S>, threshold: u64) -> CountingFilter {
        let len = subjects.len().saturating_mul(2).clamp(1, CountingFilter::MAX_COUNTS);
        let mut counts: Vec<u32> = vec![0; len.next_power_of_two()];
        let (mask, hasher) = (counts.len() - 1, RandomState::default());
        let slot = |subject| {
            let slot = hasher.hash_one(subject) as usize & mask;
            counts[slot] = counts[slot].saturating_add(1);
            slot as u32
        };
        let slots = subjects.map(slot).collect();
        CountingFilter { counts, slots, threshold }
    }

    /// Reports whether the subject with this slot may occur at least `threshold` times. False positives are possible, false negatives are
    /// not.
    fn may_reach_threshold(&self, slot: u32) -> bool {
        let count = self.counts[slot as usize];
        u64::from(count) >= self.threshold || count == u32::MAX
    }
}
