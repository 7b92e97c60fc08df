//! Says what to change so that a rule lets the traffic of a finding pass.

use std::collections::BTreeSet;
use std::net::IpAddr;

use ipnet::IpNet;

use super::rule_share::{MAX_KEPT, RuleShares, Service, Share};
use super::rules::RejectingRule;
use super::{Context, NetworkContext};
use crate::aggregate::interner::Symbol;
use crate::record::{TCP, UDP, names};
use crate::topology::rules::{Refusal, RuleDirection, Traffic, Verdict};

/// Maximum number of services and of CIDR blocks in a text.
const MAX_LISTED: usize = 3;
/// First port that clients use.
const FIRST_CLIENT_PORT: u16 = 1024;

/// Maximum number of services that a text advises to allow. More than these are no program, but a scan.
const MAX_ADVISED_SERVICES: usize = 5;
/// Ports at which the replies of an advised rule are checked: the first and last port of clients, and the ranges of common systems.
const CHECKED_CLIENT_PORTS: [u16; 4] = [FIRST_CLIENT_PORT, 32_768, 49_152, u16::MAX];

impl RuleShares {
    /// Says what to change so that the main rule lets the traffic pass, as a sentence that begins with `allow`. Returns `None` if no rule is
    /// known.
    pub(super) fn remedy(&self, context: &Context<'_>, allow: &str) -> Option<String> {
        let (rule, share) = self.main(context)?;
        let services: BTreeSet<Service> = share.traffic.iter().map(|(service, _)| *service).collect();
        if services.len() > MAX_ADVISED_SERVICES || share.has_more {
            return None;
        }
        let (traffic, remotes) = share.list_traffic(&context.network, rule.direction);
        let next = share.variants.iter().filter_map(|variant| context.rules.rule(*variant)?.next);
        let next: BTreeSet<Refusal<'_>> = next.collect();
        let refusals = std::iter::once(rule.refusal).chain(next);
        let topology = context.network.topology?;
        let places: Vec<String> =
            refusals.map(|refusal| topology.describe_rule_to_add(&refusal, Some(rule.direction))).collect();
        let replies = if share.blocks_replies(context, rule) {
            let reply = match rule.direction {
                RuleDirection::Ingress => "to",
                RuleDirection::Egress => "from",
            };
            format!(
                ". The network ACL denies the replies, too: allow {} {reply} {remotes} in its {} rules",
                share.reply_services(),
                opposite(rule.direction)
            )
        } else {
            String::new()
        };
        Some(format!("{allow} {traffic} in {}{replies}.", places.join(" and in ")))
    }
}

impl Share {
    /// Lists the traffic to allow, `443/TCP from 10.0.1.0/24`, with the blocks of subnets where these are known; and the remote addresses alone.
    /// Services with the same remote addresses stand together.
    fn list_traffic(&self, network: &NetworkContext<'_>, direction: RuleDirection) -> (String, String) {
        let preposition = match direction {
            RuleDirection::Ingress => "from",
            RuleDirection::Egress => "to",
        };
        let mut all_remotes: Vec<String> = Vec::new();
        let mut by_service: Vec<(String, Vec<String>)> = Vec::new();
        for (service, remote) in &self.traffic {
            let (service, remote) = (self.service(*service), self.block_of(network, *remote));
            push_distinct(&mut all_remotes, &remote);
            match by_service.iter_mut().find(|(known, _)| *known == service) {
                Some((_, remotes)) => push_distinct(remotes, &remote),
                None => by_service.push((service, vec![remote])),
            }
        }
        let mut by_remotes: Vec<(Vec<String>, Vec<String>)> = Vec::new();
        for (service, remotes) in by_service {
            match by_remotes.iter_mut().find(|(known, _)| *known == remotes) {
                Some((_, services)) => services.push(service),
                None => by_remotes.push((remotes, vec![service])),
            }
        }
        let part = |(remotes, services): &(Vec<String>, Vec<String>)| {
            format!("{} {preposition} {}", list(services), list(remotes))
        };
        (list_with(&by_remotes.iter().map(part).collect::<Vec<_>>(), "; "), list(&all_remotes))
    }

    /// Reports whether the network ACL of a rule that rejects requests would reject their replies, too.
    fn blocks_replies(&self, context: &Context<'_>, rule: RejectingRule<'_>) -> bool {
        let is_acl = matches!(rule.refusal, Refusal::NetworkAcl { .. });
        let direction = match rule.direction {
            RuleDirection::Ingress => RuleDirection::Egress,
            RuleDirection::Egress => RuleDirection::Ingress,
        };
        let denies = |id: &Option<Symbol>, remote: IpAddr, protocol: u8| {
            let Some(rules) = context.rules.of_interface(*id) else { return false };
            CHECKED_CLIENT_PORTS.iter().any(|port| {
                let traffic = Traffic { direction, remote, protocol, dstport: Some(*port) };
                rules.network_acl(&traffic).verdict() == Verdict::Denies
            })
        };
        is_acl
            && !self.are_answers
            && self.interfaces.len() <= MAX_KEPT
            && self.interfaces.iter().any(|id| {
                self.traffic
                    .iter()
                    .any(|((protocol, _), remote)| matches!(*protocol, TCP | UDP) && denies(id, *remote, *protocol))
            })
    }

    /// Lists the protocols of replies with the ports of clients: `1024-65535/TCP`.
    fn reply_services(&self) -> String {
        let mut services = Vec::new();
        for ((protocol, _), _) in self.traffic.iter().filter(|((protocol, _), _)| matches!(*protocol, TCP | UDP)) {
            push_distinct(
                &mut services,
                &format!("{FIRST_CLIENT_PORT}-{}/{}", u16::MAX, names::protocol(Some(*protocol))),
            );
        }
        list(&services)
    }

    /// Returns the block of the subnet that has an address, if all interfaces locate it there. Otherwise returns the address.
    fn block_of(&self, network: &NetworkContext<'_>, address: IpAddr) -> String {
        let mut blocks = self.interfaces.iter().take(MAX_KEPT).map(|id| block_of(network, *id, address));
        let first = blocks.next().flatten().filter(|first| blocks.all(|block| block.as_ref() == Some(first)));
        first
            .filter(|_| self.interfaces.len() <= MAX_KEPT)
            .map_or_else(|| address.to_string(), |block| block.to_string())
    }

    /// Names a service to allow: `5432/TCP`. For answers, the ports of clients.
    fn service(&self, (protocol, port): Service) -> String {
        let name = names::protocol(Some(protocol));
        match port.filter(|_| matches!(protocol, TCP | UDP)) {
            Some(port) if self.are_answers && port >= FIRST_CLIENT_PORT => {
                format!("{FIRST_CLIENT_PORT}-{}/{name}", u16::MAX)
            }
            Some(port) => format!("{port}/{name}"),
            None => name,
        }
    }
}

/// Returns the block of the subnet that has an address, as an interface locates it.
fn block_of(network: &NetworkContext<'_>, interface: Option<Symbol>, address: IpAddr) -> Option<IpNet> {
    let subnet_id = network.endpoint(Some(address), network.interface_recorder(interface)).subnet_id?;
    let subnet = network.topology?.resources().subnets.get(&subnet_id)?;
    subnet.blocks.iter().copied().find(|block| block.contains(&address))
}

/// Appends a text unless it is there.
fn push_distinct(texts: &mut Vec<String>, text: &str) {
    if !texts.iter().any(|known| known == text) {
        texts.push(text.to_owned());
    }
}

fn opposite(direction: RuleDirection) -> &'static str {
    match direction {
        RuleDirection::Ingress => "outbound",
        RuleDirection::Egress => "inbound",
    }
}

/// Joins texts. Lists only the first of many.
fn list(texts: &[String]) -> String {
    list_with(texts, ", ")
}

fn list_with(texts: &[String], separator: &str) -> String {
    let listed = texts.iter().take(MAX_LISTED).map(String::as_str).collect::<Vec<_>>().join(separator);
    match texts.len().checked_sub(MAX_LISTED).filter(|more| *more > 0) {
        Some(more) => format!("{listed} and {more} more"),
        None => listed,
    }
}
