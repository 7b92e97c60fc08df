//! Evidence of flow logs: the flows between the ends of an explained path.
//!
//! Only records of the protocol count: to the port in the forward direction, from it in the return direction. A flow is unanswered if
//! it is accepted, its TCP flags do not show a reply, and no accepted record with source and destination swapped was recorded in the
//! same VPC (or, if that is unknown, at the same interface).
//!
//! Records of a VPC that is that of neither end do not count: its hosts have the same addresses. A flow that both ends record counts
//! once ([`recorder`](super::recorder)): accepted flows are those of the sender's records or, if there are none, of the receiver's.
//! Rejected flows all count, since each end rejects by itself.
//!
//! Memory is bounded: at most `MAX_PAIRS` pairs of addresses are kept to look for replies, `MAX_TUPLES` pairs with their ports to look
//! for late packets, and `MAX_INTERFACES` ids.

use std::collections::HashMap;
use std::net::IpAddr;

use foldhash::fast::RandomState;

use super::contradictions::{self, Replies, SiteFlows};
use super::recorder::{RecordedAt, Recorders};
use crate::aggregate::counters::Counters;
use crate::aggregate::inputs::InputFailure;
use crate::record::{Action, Flow, RejectReason, TCP, UDP};
use crate::summary::explain::{DirectionEvidence, Evidence};
use crate::topology::Topology;
use crate::topology::path::{Explanation, HopDirection, PathEnd};

const MAX_PAIRS: usize = 1 << 16;
const MAX_TUPLES: usize = 1 << 16;
const MAX_INTERFACES: usize = 100;

/// Where a record was recorded: the VPC of its interface or, if that is unknown, the interface.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum OwnScope {
    Vpc(Vec<u8>),
    Interface(Option<Vec<u8>>),
}

/// Own scope, address of the source, address of the destination.
type Pair = (OwnScope, IpAddr, IpAddr);

/// Accepted flows, by the end that recorded them.
#[derive(Debug, Clone, Copy, Default)]
struct SideFlows {
    by_sender: Counters,
    by_receiver: Counters,
}

impl SideFlows {
    fn observe(&mut self, flow: &Flow<'_>, at: RecordedAt) {
        match at {
            RecordedAt::Sender => self.by_sender.observe(flow),
            RecordedAt::Receiver => self.by_receiver.observe(flow),
            RecordedAt::Between | RecordedAt::OtherVpc => {}
        }
    }

    fn merge(&mut self, other: SideFlows) {
        self.by_sender.merge(other.by_sender);
        self.by_receiver.merge(other.by_receiver);
    }
}

/// Accepted flows of one pair of addresses.
#[derive(Debug, Clone, Copy, Default)]
struct PairFlows {
    /// Whether there is any accepted flow, by direction.
    is_accepted: [bool; 2],
    /// Accepted flows whose flags do not show a reply, by direction.
    silent: [SideFlows; 2],
}

/// Flows with the same addresses and ports at the interface of an end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct Tuple {
    /// Index of the direction.
    direction: usize,
    /// Index of the end.
    end: usize,
    src: (IpAddr, u16),
    dst: (IpAddr, u16),
}

/// Flows of a [`Tuple`].
#[derive(Debug, Clone, Copy, Default)]
struct TupleFlows {
    is_accepted: bool,
    /// Rejected flows. If others were accepted, these are late packets.
    rejected: Counters,
}

/// Reads evidence from the records of logs.
pub(super) struct EvidenceReader<'a> {
    topology: &'a Topology,
    explanation: &'a Explanation,
    recorders: Recorders<'a>,
    evidence: Evidence,
    /// Accepted flows, by direction.
    accepted: [SideFlows; 2],
    pairs: HashMap<Pair, PairFlows, RandomState>,
    has_all_pairs: bool,
    tuples: HashMap<Tuple, TupleFlows, RandomState>,
    has_all_tuples: bool,
    replies: Replies,
    /// By direction, then by end.
    sites: [[SiteFlows; 2]; 2],
}

impl<'a> EvidenceReader<'a> {
    pub(super) fn new(topology: &'a Topology, explanation: &'a Explanation) -> EvidenceReader<'a> {
        EvidenceReader {
            topology,
            explanation,
            recorders: Recorders::new(topology, explanation),
            evidence: Evidence::default(),
            accepted: Default::default(),
            pairs: HashMap::default(),
            has_all_pairs: true,
            tuples: HashMap::default(),
            has_all_tuples: true,
            replies: Replies::default(),
            sites: Default::default(),
        }
    }

    /// Adds a record, if it is between the two ends.
    pub(super) fn observe(&mut self, flow: &Flow<'_>) {
        let (Some(src), Some(dst)) = (flow.src, flow.dst) else { return };
        if flow.protocol != Some(self.explanation.protocol) {
            return;
        }
        let Explanation { source, destination, port, .. } = self.explanation;
        if self.is_at(source, src) && self.is_at(destination, dst) {
            let is_of_port = port.is_none() || flow.dstport == *port;
            self.observe_between(flow, HopDirection::Forward, (src, dst), is_of_port);
        } else if self.is_at(destination, src) && self.is_at(source, dst) {
            let is_of_port = port.is_none() || flow.srcport == *port;
            self.observe_between(flow, HopDirection::Return, (dst, src), is_of_port);
        }
    }

    fn is_at(&self, end: &PathEnd, address: IpAddr) -> bool {
        match end.address {
            Some(own) => own == address || end.public_address == Some(address),
            None => self.topology.is_public(address),
        }
    }

    fn observe_between(&mut self, flow: &Flow<'_>, direction: HopDirection, ends: (IpAddr, IpAddr), is_of_port: bool) {
        let at = self.recorders.recorded_at(flow, direction);
        if at == RecordedAt::OtherVpc {
            return;
        }
        if flow.action == Action::Accept {
            self.observe_pair(flow, direction, ends, is_of_port.then_some(at));
        }
        if !is_of_port {
            return;
        }
        let evidence = match direction {
            HopDirection::Forward => &mut self.evidence.forward,
            HopDirection::Return => &mut self.evidence.back,
        };
        match (flow.action, self.accepted.get_mut(index(direction))) {
            (Action::Accept, Some(accepted)) => accepted.observe(flow, at),
            (Action::Accept, None) => {}
            (Action::Reject, _) => evidence.rejected.observe(flow),
        }
        if direction == HopDirection::Return {
            self.replies.observe(flow);
        }
        evidence.seen.observe(flow.start, flow.end);
        if let Some(id) = flow.interface_id
            && evidence.interface_ids.len() < MAX_INTERFACES
        {
            evidence.interface_ids.insert(String::from_utf8_lossy(id).into_owned());
        }
        self.observe_site(flow, direction);
    }

    /// Keeps the pair of addresses, to find replies at the end. `counts_at` is where a flow that counts was recorded.
    fn observe_pair(
        &mut self,
        flow: &Flow<'_>,
        direction: HopDirection,
        ends: (IpAddr, IpAddr),
        counts_at: Option<RecordedAt>,
    ) {
        let key = (self.own_scope(flow), ends.0, ends.1);
        if self.pairs.len() >= MAX_PAIRS && !self.pairs.contains_key(&key) {
            self.has_all_pairs = false;
            return;
        }
        let pair = self.pairs.entry(key).or_default();
        let index = index(direction);
        let shows_answer = flow.protocol == Some(TCP) && flow.tcp_flags.show_an_answer();
        if let Some(is_accepted) = pair.is_accepted.get_mut(index) {
            *is_accepted = true;
        }
        if let (Some(silent), Some(at)) = (pair.silent.get_mut(index), counts_at.filter(|_| !shows_answer)) {
            silent.observe(flow, at);
        }
    }

    fn own_scope(&self, flow: &Flow<'_>) -> OwnScope {
        let vpc = self.recorders.own_vpc(flow).map(<[u8]>::to_vec);
        vpc.map_or_else(|| OwnScope::Interface(flow.interface_id.map(<[u8]>::to_vec)), OwnScope::Vpc)
    }

    fn observe_site(&mut self, flow: &Flow<'_>, direction: HopDirection) {
        let ends = [&self.explanation.source, &self.explanation.destination];
        let is_recorder = |end: &&PathEnd| {
            flow.interface_id.is_some() && end.interface_id.as_deref().map(str::as_bytes) == flow.interface_id
        };
        let Some(end) = ends.iter().position(is_recorder) else { return };
        let is_reply = direction == HopDirection::Return && self.is_reply(flow);
        let direction_index = index(direction);
        let is_late = match direction {
            _ if flow.protocol != Some(TCP) => false,
            HopDirection::Forward => !flow.tcp_flags.may_open(),
            HopDirection::Return => flow.tcp_flags.are_present() && !flow.tcp_flags.is_syn_ack(),
        };
        let tuple = self.tuple(flow, direction_index, end);
        let Some(site) = self.sites.get_mut(direction_index).and_then(|sites| sites.get_mut(end)) else { return };
        match (flow.action, flow.reject_reason) {
            (Action::Accept, _) => {
                site.accepted.observe(flow);
                if is_reply {
                    site.replies.observe(flow);
                }
                self.update(tuple, |flows| flows.is_accepted = true);
            }
            (Action::Reject, RejectReason::Unspecified) => match tuple {
                _ if is_late => {}
                Some(_) => self.update(tuple, |flows| flows.rejected.observe(flow)),
                None => site.rejected.observe(flow),
            },
            (Action::Reject, _) => site.rejected_otherwise.observe(flow),
        }
    }

    /// Reports whether an accepted flow in the return direction answers a connection of the source: it is a SYN-ACK, or from the port of
    /// the question to another port. Of other protocols and of equal ports, either end may have sent the first packet.
    fn is_reply(&self, flow: &Flow<'_>) -> bool {
        let is_from_port = self.explanation.port.is_some() && flow.dstport.is_some() && flow.srcport != flow.dstport;
        let flags = flow.tcp_flags;
        match flow.protocol {
            Some(TCP) => flags.is_syn_ack() || (is_from_port && !(flags.are_present() && flags.may_open())),
            Some(UDP) => is_from_port,
            _ => false,
        }
    }

    /// Returns the tuple of a flow, if its protocol has ports.
    fn tuple(&self, flow: &Flow<'_>, direction: usize, end: usize) -> Option<Tuple> {
        let has_ports = matches!(flow.protocol, Some(TCP | UDP));
        let (src, dst) = (flow.src.zip(flow.srcport)?, flow.dst.zip(flow.dstport)?);
        has_ports.then_some(Tuple { direction, end, src, dst })
    }

    fn update(&mut self, tuple: Option<Tuple>, change: impl FnOnce(&mut TupleFlows)) {
        let Some(tuple) = tuple else { return };
        if self.tuples.len() >= MAX_TUPLES && !self.tuples.contains_key(&tuple) {
            self.has_all_tuples = false;
            return;
        }
        change(self.tuples.entry(tuple).or_default());
    }

    /// Adds the evidence of another input.
    pub(super) fn merge(&mut self, other: EvidenceReader<'_>) {
        merge_direction(&mut self.evidence.forward, other.evidence.forward);
        merge_direction(&mut self.evidence.back, other.evidence.back);
        for (own, other) in self.accepted.iter_mut().zip(other.accepted) {
            own.merge(other);
        }
        self.has_all_pairs &= other.has_all_pairs;
        for (key, flows) in other.pairs {
            if self.pairs.len() >= MAX_PAIRS && !self.pairs.contains_key(&key) {
                self.has_all_pairs = false;
                continue;
            }
            let pair = self.pairs.entry(key).or_default();
            for (own, other) in pair.is_accepted.iter_mut().zip(flows.is_accepted) {
                *own |= other;
            }
            pair.silent.iter_mut().zip(flows.silent).for_each(|(own, other)| own.merge(other));
        }
        self.has_all_tuples &= other.has_all_tuples;
        for (tuple, other) in other.tuples {
            self.update(Some(tuple), |flows| {
                flows.is_accepted |= other.is_accepted;
                flows.rejected.merge(other.rejected);
            });
        }
        self.replies.merge(other.replies);
        for (own, other) in self.sites.iter_mut().flatten().zip(other.sites.into_iter().flatten()) {
            own.merge(other);
        }
    }

    /// Adds the rejected flows that are not late packets to those of the ends. If some are not kept, nothing shows which ones are late.
    fn add_rejected(&mut self) {
        for (tuple, flows) in self.tuples.iter().filter(|(_, flows)| self.has_all_tuples && !flows.is_accepted) {
            let site = self.sites.get_mut(tuple.direction).and_then(|sites| sites.get_mut(tuple.end));
            if let Some(site) = site {
                site.rejected.merge(flows.rejected);
            }
        }
    }

    /// Returns the evidence.
    pub(super) fn finish(mut self, failed: Vec<InputFailure>) -> Evidence {
        let mut silent = [SideFlows::default(); 2];
        for PairFlows { is_accepted: [has_request, has_reply], silent: flows } in self.pairs.values() {
            for ((silent, flows), is_answered) in silent.iter_mut().zip(flows).zip([has_reply, has_request]) {
                silent.merge(if *is_answered { SideFlows::default() } else { *flows });
            }
        }
        let directions = [&mut self.evidence.forward, &mut self.evidence.back];
        for (evidence, (accepted, silent)) in directions.into_iter().zip(self.accepted.into_iter().zip(silent)) {
            let (accepted, unanswered) = if accepted.by_sender.flows > 0 {
                (accepted.by_sender, silent.by_sender)
            } else {
                (accepted.by_receiver, silent.by_receiver)
            };
            evidence.accepted = accepted;
            evidence.unanswered = self.has_all_pairs.then_some(unanswered);
        }
        self.add_rejected();
        let DirectionEvidence { accepted, unanswered, .. } = self.evidence.forward;
        let silent = unanswered.filter(|unanswered| *unanswered == accepted && accepted.flows > 0);
        let contradictions = contradictions::find(
            self.topology,
            self.explanation,
            silent.map(|silent| (silent, &self.replies)),
            &self.sites,
        );
        Evidence { contradictions, failed, ..self.evidence }
    }
}

/// Adds the evidence of another input in the same direction. The accepted flows and those without a reply follow from all inputs.
fn merge_direction(own: &mut DirectionEvidence, other: DirectionEvidence) {
    own.rejected.merge(other.rejected);
    own.seen.merge(other.seen);
    for id in other.interface_ids {
        if own.interface_ids.len() < MAX_INTERFACES {
            own.interface_ids.insert(id);
        }
    }
}

fn index(direction: HopDirection) -> usize {
    usize::from(direction == HopDirection::Return)
}

#[cfg(test)]
mod tests;
