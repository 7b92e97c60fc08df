//! Which end of a path recorded a flow.

use crate::record::Flow;
use crate::topology::Topology;
use crate::topology::path::{Explanation, HopDirection, PathEnd};
use crate::topology::service::NAT_GATEWAY;

/// Where a flow was recorded, as seen from the flow.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum RecordedAt {
    /// At the end that sent it. Also if the record does not tell.
    Sender,
    /// At the end that received it.
    Receiver,
    /// In between, such as at a NAT gateway.
    Between,
    /// In a VPC of neither end: its hosts have the same addresses.
    OtherVpc,
}

/// Tells which end of a path recorded a flow.
#[derive(Debug, Clone, Copy)]
pub(super) struct Recorders<'a> {
    topology: &'a Topology,
    explanation: &'a Explanation,
}

impl<'a> Recorders<'a> {
    pub(super) fn new(topology: &'a Topology, explanation: &'a Explanation) -> Recorders<'a> {
        Recorders { topology, explanation }
    }

    /// Returns the VPC of the interface that recorded a flow, if it is known.
    pub(super) fn own_vpc<'f>(&self, flow: &Flow<'f>) -> Option<&'f [u8]>
    where
        'a: 'f,
    {
        flow.vpc_id.or_else(|| {
            let vpc = self.topology.vpc_of_interface(interface_id(flow)?)?;
            Some(self.topology.vpc(vpc).id.as_bytes())
        })
    }

    /// Returns where a flow was recorded.
    pub(super) fn recorded_at(&self, flow: &Flow<'_>, direction: HopDirection) -> RecordedAt {
        let Explanation { source, destination, .. } = self.explanation;
        let (sender, receiver) = match direction {
            HopDirection::Forward => (source, destination),
            HopDirection::Return => (destination, source),
        };
        let own_vpc = self.own_vpc(flow);
        if own_vpc.is_some_and(|vpc| self.is_other_vpc(vpc, [sender, receiver])) {
            return RecordedAt::OtherVpc;
        }
        let is_interface_of = |end: &PathEnd| {
            flow.interface_id.is_some() && end.interface_id.as_deref().map(str::as_bytes) == flow.interface_id
        };
        if is_interface_of(sender) {
            return RecordedAt::Sender;
        }
        if is_interface_of(receiver) {
            return RecordedAt::Receiver;
        }
        let interface = interface_id(flow).and_then(|id| self.topology.interface(id));
        if interface.is_some_and(|interface| interface.service == NAT_GATEWAY) {
            return RecordedAt::Between;
        }
        let Some(own_vpc) = own_vpc else { return RecordedAt::Sender };
        let is_vpc_of = |end: &PathEnd| end.vpc_id.as_deref().map(str::as_bytes) == Some(own_vpc);
        match (is_vpc_of(sender), is_vpc_of(receiver)) {
            (true, false) => RecordedAt::Sender,
            (false, true) => RecordedAt::Receiver,
            // The interface of an end may be unknown.
            (true, true) if flow.interface_id.is_none() || sender.interface_id.is_none() => RecordedAt::Sender,
            (true, true) if receiver.interface_id.is_none() => RecordedAt::Receiver,
            (true, true) => RecordedAt::Between,
            // A VPC that the topology does not have may be that of an end in no known VPC.
            (false, false) if sender.vpc_id.is_none() => RecordedAt::Sender,
            (false, false) => RecordedAt::Receiver,
        }
    }

    /// Reports whether a VPC cannot be that of an end. A VPC that the topology does not have may be that of an end in no known VPC.
    fn is_other_vpc(&self, vpc: &[u8], ends: [&PathEnd; 2]) -> bool {
        let known: Vec<&[u8]> = ends.iter().filter_map(|end| end.vpc_id.as_deref().map(str::as_bytes)).collect();
        let may_be_unknown = known.len() < ends.len() && !self.has_vpc(vpc);
        !known.is_empty() && !known.contains(&vpc) && !may_be_unknown
    }

    fn has_vpc(&self, id: &[u8]) -> bool {
        str::from_utf8(id).is_ok_and(|id| self.topology.vpc_index(id).is_some())
    }
}

fn interface_id<'f>(flow: &Flow<'f>) -> Option<&'f str> {
    str::from_utf8(flow.interface_id?).ok()
}
