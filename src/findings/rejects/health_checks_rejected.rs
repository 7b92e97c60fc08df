//! `health-checks-rejected`: a load balancer's health checks of a target are rejected.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::net::IpAddr;

use foldhash::fast::RandomState;
use ipnet::IpNet;

use super::super::evidence::{FindingDraft, MatchedFlows};
use super::super::{Context, NetworkContext};
use crate::aggregate::rejected::{Group, GroupKey, Groups, Subgroup};
use crate::findings::types::{Details, Evidence, Finding, FindingType, Severity, Subject};
use crate::record::names;
use crate::sanitize::{NAME_CHARACTERS, escape_truncated};
use crate::topology::endpoint::Scope;
use crate::topology::service;

pub(in crate::findings) const MEANING: &str =
    "A load balancer is rejected at its target, so it takes the target out of service.";
pub(in crate::findings) const NEXT_STEP: &str = "Allow the security group of the load balancer, or its subnets, in the target's security group and \
                                    network ACL at this port.";

/// Rejected groups from a load balancer to an address in a known VPC.
#[derive(Debug, Default)]
pub(crate) struct HealthChecks {
    groups: HashSet<GroupKey, RandomState>,
    /// Indexes of these groups.
    indexes: Vec<usize>,
}

impl HealthChecks {
    /// Finds the groups whose source belongs to a load balancer.
    pub(crate) fn find(groups: &Groups, network: &NetworkContext<'_>) -> HealthChecks {
        let Some(topology) = network.topology else { return HealthChecks::default() };
        let interfaces = topology.resources().interfaces.values();
        let balancers = interfaces.filter(|interface| interface.service == service::LOAD_BALANCER);
        let (mut addresses, mut prefixes) = (HashSet::<IpAddr, RandomState>::default(), Vec::<IpNet>::new());
        for balancer in balancers {
            addresses.extend(balancer.addresses.iter().chain(&balancer.public_addresses));
            prefixes.extend(&balancer.prefixes);
        }
        // An address may occur in several VPCs, so that its endpoint decides; nearly all groups need no further look-up.
        let may_check = |src: IpAddr| addresses.contains(&src) || prefixes.iter().any(|prefix| prefix.contains(&src));
        let is_check = |group: &Group<'_>| {
            let recorder = network.recorder(group);
            network.endpoint(group.key.src, recorder).service.as_deref() == Some(service::LOAD_BALANCER)
                && network.endpoint(group.key.dst, recorder).scope == Some(Scope::Vpc)
        };
        let candidates = groups.iter().enumerate().filter(|(_, group)| group.key.src.is_some_and(may_check));
        let (indexes, keys) =
            candidates.filter(|(_, group)| is_check(group)).map(|(id, group)| (id, group.key)).unzip();
        HealthChecks { groups: keys, indexes }
    }

    /// Reports whether a group consists of health checks.
    pub(in crate::findings) fn contains(&self, key: &GroupKey) -> bool {
        !self.groups.is_empty() && self.groups.contains(key)
    }
}

/// Destination address, port, and protocol.
type CheckedService = (IpAddr, Option<u16>, Option<u8>);

/// Rejected health checks of one target.
#[derive(Default)]
struct Target {
    flows: MatchedFlows,
    balancers: BTreeSet<String>,
    /// Names of the load balancers, or the ids of their interfaces.
    names: BTreeSet<String>,
}

pub(in crate::findings) fn detect(context: &Context<'_>) -> Vec<Finding> {
    let mut targets: BTreeMap<CheckedService, Target> = BTreeMap::new();
    for group in context.health_checks.indexes.iter().map(|index| context.groups.get(*index)) {
        let GroupKey { dst: Some(dst), dstport, protocol, .. } = group.key else { continue };
        for checks in group.subgroups().filter(Subgroup::may_be_attempt) {
            let target = targets.entry((dst, dstport, protocol)).or_default();
            target.flows.add(context, group.key, &checks);
            let balancer = context.network.endpoint(group.key.src, context.network.recorder(&group));
            target.names.extend(balancer.name.or_else(|| balancer.interface_id.clone()));
            target.balancers.extend(balancer.interface_id);
        }
    }
    let min_flows = context.thresholds.health_check_flows;
    let targets = targets.into_iter().filter(|(_, target)| target.flows.tally.flows >= min_flows);
    targets.map(|(subject, target)| finding(context, subject, target)).collect()
}

/// Formats the names of load balancers for the title: `ELB app/web/1` or `ELB app/web/1 and 2 more`.
fn format_names(names: &BTreeSet<String>) -> String {
    let first = names.first().map_or("a load balancer", String::as_str);
    let first = escape_truncated(first, NAME_CHARACTERS);
    if names.len() > 1 { format!("{first} and {} more", names.len() - 1) } else { first }
}

fn finding(context: &Context<'_>, (dstaddr, dstport, protocol): CheckedService, target: Target) -> Finding {
    let (confidence, flags) = target.flows.attempt_confidence(context);
    let draft = FindingDraft {
        finding_type: FindingType::HealthChecksRejected,
        severity: Severity::Medium,
        confidence,
        title: format!(
            "Health checks of {} by {} at {} are rejected{}",
            target.flows.address_label(context, dstaddr),
            format_names(&target.names),
            dstport.map_or_else(|| names::protocol(protocol), |port| names::port(port, protocol)),
            target.flows.rules.describe(context, target.flows.tally.flows)
        ),
        subject: Subject::Service { dstaddr, dstport, protocol },
        details: Details::LoadBalancers { interface_ids: target.balancers.into_iter().collect() },
        evidence: [Evidence::Topology, Evidence::RejectedFlows].into_iter().chain(flags).collect(),
    };
    target.flows.into_finding(context, draft)
}
