//! Explains whether traffic can pass from one end to another: walks the path there and back as AWS would, and says at each hop
//! whether the traffic passes, and which rule or route decides.
//!
//! In: a [`Question`], whose ends are resolved from text (`resolve`) or from the addresses of a flow
//! ([`Topology::question_of_flow`]). Out: an [`Explanation`] with one [`Hop`] after another:
//!
//! 1. `forward`: the groups and the network ACL of the source, the route table of its subnet, and the target of the route: `local`, a
//!    peering connection, an internet gateway, or a NAT gateway (`gateways`, `nat`). Then network ACL and groups of the destination.
//!    A destination on the source's link or at its own interface is one hop (`local`).
//! 2. `return_way`: the way back. Security groups are stateful; network ACLs and routes are evaluated again, for the ephemeral ports.
//!
//! [`Topology::remedy`] has the next step about a hop that does not pass (`remedy`).
//!
//! Invariants:
//! - A hop that a rule blocks does not end the walk, so that all obstacles show. A route that leads nowhere ends it, as does a connection
//!   or a gateway that blocks. A gateway that the topology does not describe (a transit gateway, a VPN, an appliance) ends it as
//!   unknown. Then there is no way back.
//! - A set of ports or addresses is decided exactly, by one representative of each part that no rule divides (`segments`).
//!   The work is bounded; beyond the bounds the hop is unknown.
//! - Nothing is guessed: missing resources make a hop unknown, and its reason names the missing part.
//!
//! Sources: <https://docs.aws.amazon.com/vpc/latest/userguide/route-tables-priority.html>,
//! <https://docs.aws.amazon.com/vpc/latest/peering/vpc-peering-basics.html>,
//! <https://docs.aws.amazon.com/vpc/latest/peering/vpc-peering-security-groups.html>,
//! <https://docs.aws.amazon.com/vpc/latest/userguide/nat-gateway-basics.html>.

mod acl;
mod checks;
pub mod end;
mod forward;
mod gateways;
mod groups;
pub mod hop;
mod local;
mod nat;
mod next_hop;
mod references;
mod remedy;
pub mod resolve;
mod return_way;
mod segments;
mod target;
mod walk;
mod way;

use std::net::IpAddr;

use super::{KnownRecorder, Topology};
pub use end::{End, PathEnd};
pub use hop::{Explanation, Hop, HopDirection, HopKind, HopRule, HopSite, HopVerdict, PathVerdict};
pub use remedy::NOTHING_IN_THE_WAY;
use walk::Walk;

/// The question whether traffic of a protocol can pass from one end to another, and its replies back.
#[derive(Debug, Clone, Copy)]
pub struct Question<'a> {
    /// The end that opens the connection.
    pub source: End<'a>,
    /// The other end.
    pub destination: End<'a>,
    /// IANA protocol number.
    pub protocol: u8,
    /// Destination port. TCP or UDP without a port stands for all ports.
    pub port: Option<u16>,
}

impl Topology {
    /// Returns the question of a flow: whether it can pass from `src` to `dst`. The interface that recorded the flow locates the
    /// addresses, as for the flow's record.
    pub fn question_of_flow(
        &self,
        src: IpAddr,
        dst: IpAddr,
        protocol: u8,
        dstport: Option<u16>,
        interface_id: Option<&str>,
    ) -> Question<'_> {
        let recorder = interface_id.and_then(|id| self.interface(id).map(|interface| (id, interface)));
        let known = KnownRecorder {
            vpc: recorder.and_then(|(id, _)| self.vpc_of_interface(id)),
            subnet: recorder.and_then(|(_, interface)| interface.subnet_id.as_deref()),
        };
        Question {
            source: self.end_of_address(src, known),
            destination: self.end_of_address(dst, known),
            protocol,
            port: dstport,
        }
    }

    /// Walks the path of a question, there and back.
    pub fn explain(&self, question: &Question<'_>) -> Explanation {
        let Question { source, destination, protocol, port } = *question;
        let mut walk = Walk {
            topology: self,
            protocol,
            port,
            source,
            destination,
            direction: HopDirection::Forward,
            hops: Vec::new(),
        };
        if let Some(way) = walk.walk_forward() {
            walk.direction = HopDirection::Return;
            walk.walk_back(&way);
        }
        Explanation {
            source: self.describe_end(&walk.source),
            destination: self.describe_end(&walk.destination),
            protocol,
            port,
            hops: walk.hops,
        }
    }
}

#[cfg(test)]
mod properties;
#[cfg(test)]
mod tests;
