//! Explains the first example of a finding by the topology: the first hop that stops it, or its reply.
//!
//! A record shows that its packets passed some hops. The rules of the topology may be of another time, so these hops are not blamed.

use super::Context;
use super::evidence::MatchedFlows;
use super::types::Example;
use crate::aggregate::interner::Symbol;
use crate::aggregate::rejected::cause;
use crate::record::{Action, TCP, UDP};
use crate::topology::path::{Hop, HopDirection, HopKind, HopSite, HopVerdict, Question};
use crate::topology::{Topology, VpcIndex};

/// What the packets of an example are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ExampleKind {
    /// Packets from the end that opens the connection.
    Request,
    /// Packets to that end.
    Reply,
    /// Late packets, whose connection passed before. They are not explained.
    Late,
}

impl ExampleKind {
    /// Guesses by the ports, as far as they show it: from the port of a server to the port of a client.
    fn by_ports(example: &Example) -> ExampleKind {
        let ports = example.srcport.zip(example.dstport);
        let is_reply = ports.is_some_and(|(srcport, dstport)| cause::is_from_server(srcport, dstport));
        if is_reply { ExampleKind::Reply } else { ExampleKind::Request }
    }
}

/// End of a flow at which a record was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum RecordedAt {
    Sender,
    Receiver,
    Unknown,
}

impl MatchedFlows {
    /// Explains the first example, which an interface sent.
    pub(super) fn explain_sent(&self, context: &Context<'_>) -> Option<Box<Hop>> {
        let (topology, example) = (context.network.topology?, self.examples.first()?);
        let recorder = context.network.interface_recorder(self.recorder_of(context, example));
        let (src, dst) = (example.srcaddr?, example.dstaddr?);
        let question = Question {
            source: topology.end_in_vpc(src, recorder.vpc?),
            destination: topology.end_of_address(dst, recorder),
            protocol: example.protocol?,
            port: None,
        };
        explain(topology, question, example, ExampleKind::by_ports(example), RecordedAt::Sender)
    }

    /// Explains the first example, which is from one VPC to another. `kind` is known for rejected records.
    pub(super) fn explain_between(
        &self,
        context: &Context<'_>,
        (src_vpc, dst_vpc): (VpcIndex, VpcIndex),
        kind: impl Fn(Option<Symbol>, &Example) -> Option<ExampleKind>,
    ) -> Option<Box<Hop>> {
        let (topology, example) = (context.network.topology?, self.examples.first()?);
        let interface = self.recorder_of(context, example);
        let (src, dst) = (example.srcaddr?, example.dstaddr?);
        let question = Question {
            source: topology.end_in_vpc(src, src_vpc),
            destination: topology.end_in_vpc(dst, dst_vpc),
            protocol: example.protocol?,
            port: None,
        };
        let recorded_at = match context.network.interface_recorder(interface).vpc {
            Some(vpc) if vpc == src_vpc => RecordedAt::Sender,
            Some(vpc) if vpc == dst_vpc => RecordedAt::Receiver,
            _ => RecordedAt::Unknown,
        };
        let kind = kind(interface, example).unwrap_or_else(|| ExampleKind::by_ports(example));
        explain(topology, question, example, kind, recorded_at)
    }

    /// Returns the interface that recorded an example.
    fn recorder_of(&self, context: &Context<'_>, example: &Example) -> Option<Symbol> {
        let name = example.interface_id.as_deref();
        self.interfaces.iter().copied().find(|id| context.network.interface_name(*id) == name).flatten()
    }
}

/// Walks the path of the connection of an example, and returns the first hop that blocks and that its packets did not pass.
fn explain(
    topology: &Topology,
    sent: Question<'_>,
    example: &Example,
    kind: ExampleKind,
    recorded_at: RecordedAt,
) -> Option<Box<Hop>> {
    let (source, destination, port) = match kind {
        ExampleKind::Request => (sent.source, sent.destination, example.dstport),
        ExampleKind::Reply => (sent.destination, sent.source, example.srcport),
        ExampleKind::Late => return None,
    };
    let port = port.filter(|_| matches!(sent.protocol, TCP | UDP));
    let explanation = topology.explain(&Question { source, destination, protocol: sent.protocol, port });
    let mut blocks = explanation.hops.into_iter().filter(|hop| hop.verdict == HopVerdict::Block);
    blocks.find(|hop| !has_passed(hop, example.action, kind, recorded_at)).map(Box::new)
}

/// Reports whether a record shows that its packets passed a hop.
fn has_passed(hop: &Hop, action: Action, kind: ExampleKind, recorded_at: RecordedAt) -> bool {
    let (direction, sender) = match kind {
        ExampleKind::Reply => (HopDirection::Return, HopSite::Destination),
        ExampleKind::Request | ExampleKind::Late => (HopDirection::Forward, HopSite::Source),
    };
    if hop.direction != direction {
        // A reply shows that its request arrived.
        return kind == ExampleKind::Reply;
    }
    match (recorded_at, action) {
        (RecordedAt::Receiver, Action::Accept) => true,
        (RecordedAt::Receiver, _) => hop.site == sender || hop.site == HopSite::Between,
        // AWS logs what the rules of an interface accept before it routes it.
        (RecordedAt::Sender, Action::Accept) => {
            hop.site == sender && matches!(hop.kind, HopKind::SecurityGroups | HopKind::NetworkAcl)
        }
        (RecordedAt::Sender | RecordedAt::Unknown, _) => false,
    }
}
