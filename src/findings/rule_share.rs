//! The rules that reject the records of a finding: their words for the title, and what to change.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use super::rules::RejectingRule;
use super::{Context, NetworkContext};
use crate::aggregate::interner::Symbol;
use crate::aggregate::rejected::cause::RuleId;
use crate::aggregate::rejected::{GroupKey, Subgroup};
use crate::record::{TCP, UDP, names};
use crate::topology::describe_output::DEFAULT_RULE_NUMBER;
use crate::topology::rules::{Refusal, RuleDirection, Traffic};

/// Maximum number of services and remote addresses of a rule that are kept.
const MAX_KEPT: usize = 64;
/// Maximum number of services and of CIDR blocks in a text.
const MAX_LISTED: usize = 3;
/// First port that clients use.
const FIRST_CLIENT_PORT: u16 = 1024;

/// The rules that reject the records of a finding.
#[derive(Default)]
pub(super) struct RuleShares {
    by_rule: BTreeMap<RuleId, Share>,
}

/// The records that one rule rejects.
#[derive(Default)]
struct Share {
    flows: u64,
    /// Whether all of them are answers.
    are_answers: bool,
    /// Protocols and destination ports.
    services: BTreeSet<(u8, Option<u16>)>,
    /// Remote addresses, with the interface that locates them.
    remotes: BTreeSet<(Option<Symbol>, IpAddr)>,
}

impl RuleShares {
    /// Adds the records of a subgroup.
    pub(super) fn add(&mut self, context: &Context<'_>, key: &GroupKey, subgroup: &Subgroup) {
        let Some((id, rule)) = subgroup.rule.and_then(|id| Some((id, context.rules.rule(id)?))) else { return };
        let remote = match rule.direction {
            RuleDirection::Ingress => key.src,
            RuleDirection::Egress => key.dst,
        };
        let share = self.by_rule.entry(id).or_insert_with(|| Share { are_answers: true, ..Share::default() });
        share.flows = share.flows.saturating_add(subgroup.tally.flows);
        share.are_answers &= subgroup.is_answer();
        insert_bounded(&mut share.services, key.protocol.map(|protocol| (protocol, key.dstport)));
        insert_bounded(&mut share.remotes, remote.map(|remote| (key.interface, remote)));
    }

    /// Returns the rule that rejects most records. At a tie, the first one wins.
    fn main<'a>(&self, context: &Context<'a>) -> Option<(RejectingRule<'a>, &Share)> {
        let (id, share) = self.by_rule.iter().rev().max_by_key(|(_, share)| share.flows)?;
        Some((context.rules.rule(*id)?, share))
    }

    /// Names the main rule for a title: `: no rule of sg-1 (web) lets 10.0.0.5 in at 22/TCP (ssh)`. Empty if no rule is known. `flows` are all
    /// flows of the finding.
    pub(super) fn describe(&self, context: &Context<'_>, flows: u64) -> String {
        let Some(((rule, share), topology)) = self.main(context).zip(context.network.topology) else {
            return String::new();
        };
        let words = match share.single_traffic(rule.direction) {
            Some(traffic) => topology.describe_refusal(&rule.refusal, &traffic),
            None => match rule.refusal {
                Refusal::NetworkAcl { .. } => format!("{} denies", topology.describe_rule(&rule.refusal)),
                Refusal::SecurityGroups { .. } => {
                    format!("no rule of {} allows it", topology.describe_rule(&rule.refusal))
                }
            },
        };
        if share.flows == flows {
            format!(": {words}")
        } else {
            format!(": {words} ({} of {flows} flows)", share.flows)
        }
    }

    /// Names the main rule if it is a network ACL that rejects all records.
    pub(super) fn sole_acl(&self, context: &Context<'_>, flows: u64) -> Option<String> {
        let (rule, share) = self.main(context).filter(|(_, share)| share.flows == flows)?;
        debug_assert!(share.flows > 0);
        match rule.refusal {
            Refusal::NetworkAcl { .. } => Some(context.network.topology?.describe_rule(&rule.refusal)),
            Refusal::SecurityGroups { .. } => None,
        }
    }

    /// Says what to change so that the main rule lets the traffic pass, as a sentence that begins with `allow`. Returns `None` if no rule is
    /// known.
    pub(super) fn remedy(&self, context: &Context<'_>, allow: &str) -> Option<String> {
        let (rule, share) = self.main(context)?;
        let services = share.services();
        let remotes = share.remotes(&context.network);
        let preposition = match rule.direction {
            RuleDirection::Ingress => "from",
            RuleDirection::Egress => "to",
        };
        let places: Vec<String> = [Some(rule.refusal), rule.next]
            .into_iter()
            .flatten()
            .filter_map(|refusal| place(context, &refusal, rule.direction))
            .collect();
        Some(format!("{allow} {services} {preposition} {remotes} in {}.", places.join(" and in ")))
    }
}

impl Share {
    /// Returns the traffic, if all records have the same.
    fn single_traffic(&self, direction: RuleDirection) -> Option<Traffic> {
        let remotes: BTreeSet<IpAddr> = self.remotes.iter().map(|(_, remote)| *remote).collect();
        let (remote, (protocol, dstport)) = (only(&remotes)?, only(&self.services)?);
        Some(Traffic { direction, remote, protocol, dstport })
    }

    /// Lists the services to allow: `5432/TCP`. For answers, the ports of clients.
    fn services(&self) -> String {
        let is_client_port = |port: &Option<u16>| port.is_some_and(|port| port >= FIRST_CLIENT_PORT);
        let are_client_ports = self.are_answers && self.services.iter().all(|(_, port)| is_client_port(port));
        let text = |(protocol, port): &(u8, Option<u16>)| match port {
            Some(_) if are_client_ports && matches!(*protocol, TCP | UDP) => {
                format!("{FIRST_CLIENT_PORT}-{}/{}", u16::MAX, names::protocol(Some(*protocol)))
            }
            Some(port) if matches!(*protocol, TCP | UDP) => format!("{port}/{}", names::protocol(Some(*protocol))),
            _ => names::protocol(Some(*protocol)),
        };
        let mut texts: Vec<String> = self.services.iter().map(text).collect();
        texts.dedup();
        list(&texts)
    }

    /// Lists the remote addresses: the blocks of their subnets, where these are known.
    fn remotes(&self, network: &NetworkContext<'_>) -> String {
        let blocks: BTreeSet<String> =
            self.remotes.iter().map(|(id, remote)| block_of(network, *id, *remote)).collect();
        list(&blocks.into_iter().collect::<Vec<_>>())
    }
}

/// Returns the block of the subnet that has an address, or the address.
fn block_of(network: &NetworkContext<'_>, interface: Option<Symbol>, address: IpAddr) -> String {
    let endpoint = network.endpoint(Some(address), network.interface_recorder(interface));
    let subnet =
        endpoint.subnet_id.zip(network.topology).and_then(|(id, topology)| topology.resources().subnets.get(&id));
    let block = subnet.and_then(|subnet| subnet.blocks.iter().find(|block| block.contains(&address)));
    block.map_or_else(|| address.to_string(), ToString::to_string)
}

/// Names where to add a rule: `sg-1 (web)`, or `network ACL acl-1 (public), inbound, with a number below 100`.
fn place(context: &Context<'_>, refusal: &Refusal<'_>, direction: RuleDirection) -> Option<String> {
    let topology = context.network.topology?;
    let direction = match direction {
        RuleDirection::Ingress => "inbound",
        RuleDirection::Egress => "outbound",
    };
    Some(match *refusal {
        Refusal::NetworkAcl { acl_id, rule_number } => {
            let before = rule_number.filter(|number| *number < DEFAULT_RULE_NUMBER);
            let before = before.map_or_else(String::new, |number| format!(", with a number below {number}"));
            format!("network ACL {} ({direction}{before})", topology.id_with_name(acl_id))
        }
        Refusal::SecurityGroups { group_ids: [only] } => format!("{} ({direction})", topology.id_with_name(only)),
        Refusal::SecurityGroups { .. } => format!("one of {} ({direction})", topology.describe_rule(refusal)),
    })
}

/// Joins texts. Lists only the first of many.
fn list(texts: &[String]) -> String {
    let listed = texts.iter().take(MAX_LISTED).map(String::as_str).collect::<Vec<_>>().join(", ");
    match texts.len().checked_sub(MAX_LISTED).filter(|more| *more > 0) {
        Some(more) => format!("{listed} and {more} more"),
        None => listed,
    }
}

fn only<T: Copy + Ord>(values: &BTreeSet<T>) -> Option<T> {
    values.first().filter(|_| values.len() == 1).copied()
}

/// Inserts a value, and keeps the first [`MAX_KEPT`] in order.
fn insert_bounded<T: Ord>(values: &mut BTreeSet<T>, value: Option<T>) {
    values.extend(value);
    if values.len() > MAX_KEPT {
        values.pop_last();
    }
}
