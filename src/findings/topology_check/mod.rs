//! Checks a topology for problems, without any log: overlapping CIDR blocks, missing routes, and routes that lead nowhere.

mod overlaps;
mod routes;
mod types;

pub use self::types::{Check, SCHEMA, TopologyDetails, TopologyFinding, TopologyFindingType, TopologySubject};

use crate::topology::Topology;

/// Checks a topology for all types of problems.
pub fn check(topology: &Topology) -> Check {
    let mut findings = overlaps::overlapping_vpcs(topology);
    findings.extend(routes::unrouted_blocks(topology));
    findings.extend(routes::bad_routes(topology));
    findings.sort_by(|a, b| {
        (b.severity, a.finding_type.name(), &a.subject).cmp(&(a.severity, b.finding_type.name(), &b.subject))
    });
    // A route table may list the same route twice.
    findings.dedup_by(|a, b| a.id == b.id);
    let resources = topology.resources();
    Check {
        schema: SCHEMA,
        vpcs: topology.vpcs().count(),
        peering_connections: resources.peering_connections.len(),
        route_tables: resources.route_tables.len(),
        problems: topology.problems().iter().map(ToString::to_string).collect(),
        findings,
    }
}

#[cfg(test)]
mod properties;
#[cfg(test)]
mod tests;
