//! Finds the route that a route table applies to an address or to the internet.
//!
//! AWS's order: the longest destination; at equal lengths a static route to a CIDR block, then one to a prefix list, then a propagated
//! route. Within the VPC's own blocks only a route to a NAT gateway, an interface, or a Gateway Load Balancer endpoint can take
//! precedence over `local`: <https://docs.aws.amazon.com/vpc/latest/userguide/route-tables-priority.html>.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use ipnet::IpNet;

use super::segments::{Remote, remote_parts, size};
use crate::record::ip;
use crate::topology::describe_output::{Destination, Route, RouteState, RouteTable, Target};
use crate::topology::{Topology, VpcIndex};

/// Maximum number of comparisons of a public address with a route. Tables within AWS's quotas need far fewer.
const MAX_COMPARISONS: usize = 1 << 24;

/// The result of a route table for an address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum NextHop<'a> {
    /// The VPC itself, which has the address in this block.
    Local(IpNet),
    /// This route applies.
    Route(&'a Route),
    /// No route has the address.
    NoRoute,
    /// The blocks of this route's prefix list are unknown, and may have the address.
    UnknownList(&'a Route),
    /// Two routes have the same destination, and different targets.
    Tie(&'a Route, &'a Route),
}

/// The result of a route table for the internet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct InternetRoutes<'a> {
    /// The result for most public addresses.
    pub(super) most: NextHop<'a>,
    /// A different result for other public addresses, endpoints of AWS services aside.
    pub(super) exception: Option<NextHop<'a>>,
    /// Whether the table was too large to evaluate.
    pub(super) is_too_large: bool,
}

/// Order of two routes with the same address: length of the destination, then kind of the route.
type Precedence = (u8, u8);

const PROPAGATED: u8 = 1;
const PREFIX_LIST: u8 = 2;
const STATIC: u8 = 3;

impl Topology {
    /// Returns the result of a route table for an address. `own` is the VPC of the table.
    pub(super) fn next_hop<'a>(&'a self, table: &'a RouteTable, own: VpcIndex, address: IpAddr) -> NextHop<'a> {
        let local = self.own_block(own, address);
        let (best, precedence) = self.best_known(table, local, address);
        let whole = if address.is_ipv6() { 128 } else { 32 };
        if precedence >= (whole, STATIC) {
            return best;
        }
        let unknown = table.routes.iter().filter(|route| route.state != RouteState::Unused).find(|route| {
            self.blocks_of(&route.destination).is_none()
                && self.may_take(route, local, address)
                && !matches!(best, NextHop::Route(best) if leads_like(best, route))
        });
        unknown.map_or(best, NextHop::UnknownList)
    }

    /// Returns the result by the routes whose blocks are known.
    fn best_known<'a>(
        &'a self,
        table: &'a RouteTable,
        local: Option<IpNet>,
        address: IpAddr,
    ) -> (NextHop<'a>, Precedence) {
        let host = IpNet::from(address);
        let mut best: (NextHop<'a>, Precedence) = (NextHop::NoRoute, (0, 0));
        if let Some(block) = local {
            // A route with the same destination replaces the local one, so that this is the lesser of the two.
            best = (NextHop::Local(block), (block.prefix_len(), STATIC - 1));
        }
        // Several routes may have the same list.
        let mut lengths: BTreeMap<&Destination, Option<u8>> = BTreeMap::new();
        for route in table.routes.iter().filter(|route| route.state != RouteState::Unused) {
            let length = || self.longest_containing(&route.destination, &host);
            let length = match &route.destination {
                Destination::Block(_) => length(),
                list @ Destination::PrefixList(_) => *lengths.entry(list).or_insert_with(length),
            };
            let Some(length) = length else { continue };
            if local.is_some() && !can_override_local(&route.target) {
                continue;
            }
            let precedence = (length, kind(route));
            match best {
                (NextHop::Route(other) | NextHop::Tie(other, _), known)
                    if known == precedence && !leads_like(other, route) =>
                {
                    best = (NextHop::Tie(other, route), precedence);
                }
                (_, known) if known < precedence => best = (NextHop::Route(route), precedence),
                _ => {}
            }
        }
        best
    }

    /// Returns the results of a route table for all public addresses of a family.
    pub(super) fn next_hops_of_internet<'a>(
        &'a self,
        table: &'a RouteTable,
        own: VpcIndex,
        is_ipv6: bool,
    ) -> InternetRoutes<'a> {
        let mut internet = InternetRoutes { most: NextHop::NoRoute, exception: None, is_too_large: true };
        // Several routes may have the same list.
        let destinations: BTreeSet<&Destination> = table.routes.iter().map(|route| &route.destination).collect();
        let blocks = destinations.into_iter().filter_map(|destination| self.blocks_of(destination)).flatten();
        let Some(parts) = remote_parts(Remote::Internet { is_ipv6 }, blocks.copied(), self.vpc_blocks()) else {
            return internet;
        };
        let blocks = |route: &Route| self.blocks_of(&route.destination).map_or(1, <[IpNet]>::len);
        let comparisons = table.routes.iter().map(blocks).fold(0, usize::saturating_add);
        if parts.len().saturating_mul(comparisons) > MAX_COMPARISONS {
            return internet;
        }
        internet.is_too_large = false;
        let mut shares: Vec<(NextHop<'a>, f64)> = Vec::new();
        for part in &parts {
            let (next, _) = self.best_known(table, self.own_block(own, part.first), part.first);
            match shares.iter_mut().find(|(other, _)| leads_equally(*other, next)) {
                Some((_, share)) => *share += size(part),
                None => shares.push((next, size(part))),
            }
        }
        shares.sort_by(|(_, a), (_, b)| b.total_cmp(a));
        let mut results = shares.into_iter().map(|(next, _)| next);
        internet.most = results.next().unwrap_or(NextHop::NoRoute);
        let is_exception = |next: &NextHop<'a>| !matches!(next, NextHop::Local(_)) && !self.leads_to_service(*next);
        let unknown = table.routes.iter().filter(|route| self.blocks_of(&route.destination).is_none());
        let unknown = unknown.filter(|route| !matches!(internet.most, NextHop::Route(most) if leads_like(most, route)));
        internet.exception = results.chain(unknown.map(NextHop::UnknownList)).find(is_exception);
        internet
    }

    /// Returns the blocks of all VPCs, whose addresses are not on the internet.
    pub(super) fn vpc_blocks(&self) -> impl Iterator<Item = IpNet> {
        self.vpcs().flat_map(|(_, vpc)| vpc.blocks.iter().copied())
    }

    /// Returns the block of a VPC that has an address.
    pub(super) fn own_block(&self, vpc: VpcIndex, address: IpAddr) -> Option<IpNet> {
        let blocks = self.vpc(vpc).blocks.iter().filter(|block| block.contains(&address));
        blocks.max_by_key(|block| block.prefix_len()).copied()
    }

    /// Reports whether a route to an unknown prefix list may have an address.
    fn may_take(&self, route: &Route, local: Option<IpNet>, address: IpAddr) -> bool {
        if self.is_gateway_endpoint(route) {
            // The list has the public addresses of an AWS service.
            return local.is_none() && ip::is_public(address);
        }
        local.is_none() || can_override_local(&route.target)
    }

    /// Reports whether a route leads to a gateway endpoint, for S3 or DynamoDB. Unlike a Gateway Load Balancer endpoint, it has no
    /// interface.
    fn is_gateway_endpoint(&self, route: &Route) -> bool {
        matches!((&route.destination, &route.target), (Destination::PrefixList(_), Target::VpcEndpoint(id))
            if !self.interfaces_by_gateway.contains_key(id))
    }

    fn leads_to_service(&self, next: NextHop<'_>) -> bool {
        matches!(next, NextHop::Route(route) | NextHop::UnknownList(route) if self.is_gateway_endpoint(route))
    }
}

fn kind(route: &Route) -> u8 {
    match (&route.destination, &route.target) {
        (Destination::PrefixList(_), _) => PREFIX_LIST,
        // Where another route has the same destination, this one is propagated: a table has no two static ones.
        (Destination::Block(_), Target::VirtualPrivateGateway(_)) => PROPAGATED,
        (Destination::Block(_), _) => STATIC,
    }
}

/// Reports whether AWS allows a route to this target within the blocks of the VPC.
fn can_override_local(target: &Target) -> bool {
    matches!(target, Target::NatGateway(_) | Target::Interface(_) | Target::VpcEndpoint(_) | Target::Other(_))
}

/// Reports whether two routes do the same with traffic.
fn leads_like(a: &Route, b: &Route) -> bool {
    a.target == b.target && a.state == b.state
}

fn leads_equally(a: NextHop<'_>, b: NextHop<'_>) -> bool {
    match (a, b) {
        (NextHop::Local(_), NextHop::Local(_)) => true,
        (NextHop::Route(a), NextHop::Route(b)) => leads_like(a, b),
        (a, b) => a == b,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::topology::describe_output::Resources;

    /// Builds a topology with one VPC, 10.1.0.0/16 and 2600:1f18::/56, whose table has these routes.
    fn with_routes(routes: &serde_json::Value, lists: &serde_json::Value) -> Topology {
        let document = serde_json::json!({
            "Vpcs": [{"VpcId": "vpc-a", "CidrBlock": "10.1.0.0/16",
                      "Ipv6CidrBlockAssociationSet": [{"Ipv6CidrBlock": "2600:1f18::/56"}]}],
            "RouteTables": [{"RouteTableId": "rtb-1", "VpcId": "vpc-a", "Associations": [{"Main": true}], "Routes": routes}],
            "PrefixLists": lists,
        });
        let mut resources = Resources::default();
        resources.read("1", document.to_string().as_bytes()).expect("JSON");
        Topology::new(resources)
    }

    /// Returns the target for each address: `local`, an id, `none`, `pl-…?` or `tie`.
    fn targets(topology: &Topology, addresses: &[&str]) -> Vec<String> {
        let table = &topology.resources().route_tables["rtb-1"];
        let own = topology.vpc_index("vpc-a").expect("a VPC");
        let of = |text: &&str| words(topology.next_hop(table, own, text.parse().expect("an address")));
        addresses.iter().map(of).collect()
    }

    fn words(next: NextHop<'_>) -> String {
        match next {
            NextHop::Local(_) => "local".to_owned(),
            NextHop::Route(route) => route.target.id().to_owned(),
            NextHop::NoRoute => "none".to_owned(),
            NextHop::UnknownList(route) => format!("{}?", route.destination),
            NextHop::Tie(..) => "tie".to_owned(),
        }
    }

    #[test]
    fn longest_destination_wins_and_own_blocks_are_local() {
        let topology = with_routes(
            &serde_json::json!([
                {"DestinationCidrBlock": "0.0.0.0/0", "GatewayId": "igw-1"},
                {"DestinationCidrBlock": "10.0.0.0/8", "TransitGatewayId": "tgw-1"},
                {"DestinationCidrBlock": "10.2.0.0/16", "VpcPeeringConnectionId": "pcx-1"},
                // Not more specific than local: AWS does not allow it, and propagated routes do not override.
                {"DestinationCidrBlock": "10.1.3.0/24", "GatewayId": "vgw-1"},
                {"DestinationCidrBlock": "10.1.4.0/24", "NetworkInterfaceId": "eni-fw"},
                {"DestinationIpv6CidrBlock": "::/0", "EgressOnlyInternetGatewayId": "eigw-1"},
            ]),
            &serde_json::json!([]),
        );
        let addresses =
            ["10.1.2.3", "10.1.3.1", "10.1.4.1", "10.2.0.1", "10.3.0.1", "8.8.8.8", "2600:1f18::1", "2600::1"];
        let expected = ["local", "local", "eni-fw", "pcx-1", "tgw-1", "igw-1", "local", "eigw-1"];
        assert_eq!(targets(&topology, &addresses), expected);
    }

    #[test]
    fn static_routes_precede_lists_and_propagated_routes() {
        let topology = with_routes(
            &serde_json::json!([
                {"DestinationCidrBlock": "10.2.0.0/16", "GatewayId": "vgw-1"},
                {"DestinationCidrBlock": "10.2.0.0/16", "TransitGatewayId": "tgw-1"},
                {"DestinationPrefixListId": "pl-1", "VpcPeeringConnectionId": "pcx-1"},
                {"DestinationCidrBlock": "10.3.0.0/16", "GatewayId": "vgw-1"},
                {"DestinationCidrBlock": "10.4.0.0/16", "TransitGatewayId": "tgw-1"},
                {"DestinationCidrBlock": "10.4.0.0/16", "VpcPeeringConnectionId": "pcx-1"},
                {"DestinationCidrBlock": "10.5.0.0/16", "GatewayId": "vgw-1", "State": "filtered"},
            ]),
            &serde_json::json!([{"PrefixListId": "pl-1", "Cidrs": ["10.2.0.0/16", "10.3.0.0/16", "10.2.9.0/24"]}]),
        );
        let addresses = ["10.2.0.1", "10.2.9.1", "10.3.0.1", "10.4.0.1", "10.5.0.1"];
        assert_eq!(targets(&topology, &addresses), ["tgw-1", "pcx-1", "pcx-1", "tie", "none"]);
    }

    #[test]
    fn an_unknown_list_matters_only_where_it_may_match() {
        let topology = with_routes(
            &serde_json::json!([
                {"DestinationCidrBlock": "10.2.0.0/16", "VpcPeeringConnectionId": "pcx-1"},
                {"DestinationCidrBlock": "10.3.0.1/32", "VpcPeeringConnectionId": "pcx-1"},
                {"DestinationCidrBlock": "0.0.0.0/0", "GatewayId": "igw-1"},
                {"DestinationPrefixListId": "pl-s3", "GatewayId": "vpce-1"},
                {"DestinationPrefixListId": "pl-tgw", "TransitGatewayId": "tgw-1"},
            ]),
            &serde_json::json!([]),
        );
        let addresses = ["10.1.0.1", "10.2.0.1", "10.3.0.1", "8.8.8.8"];
        assert_eq!(targets(&topology, &addresses), ["local", "pl-tgw?", "pcx-1", "pl-s3?"]);
    }

    #[test]
    fn the_internet_is_the_route_of_most_public_addresses() {
        let internet = |routes: serde_json::Value, is_ipv6: bool| {
            let topology =
                with_routes(&routes, &serde_json::json!([{"PrefixListId": "pl-s3", "Cidrs": ["52.216.0.0/15"]}]));
            let table = &topology.resources().route_tables["rtb-1"];
            let own = topology.vpc_index("vpc-a").expect("a VPC");
            let InternetRoutes { most, exception, .. } = topology.next_hops_of_internet(table, own, is_ipv6);
            (words(most), exception.map(words))
        };
        let default = serde_json::json!({"DestinationCidrBlock": "0.0.0.0/0", "GatewayId": "igw-1"});
        let s3 = serde_json::json!({"DestinationPrefixListId": "pl-s3", "GatewayId": "vpce-1"});
        let unknown_s3 = serde_json::json!({"DestinationPrefixListId": "pl-9", "GatewayId": "vpce-1"});
        let vpn = serde_json::json!({"DestinationCidrBlock": "52.1.0.0/16", "GatewayId": "vgw-1"});
        let private = serde_json::json!({"DestinationCidrBlock": "10.0.0.0/8", "TransitGatewayId": "tgw-1"});
        let half = serde_json::json!({"DestinationCidrBlock": "128.0.0.0/1", "GatewayId": "igw-1"});
        for (routes, most, exception) in [
            (serde_json::json!([default, s3, private]), "igw-1", None),
            (serde_json::json!([default, unknown_s3]), "igw-1", None),
            (serde_json::json!([default, vpn]), "igw-1", Some("vgw-1")),
            (serde_json::json!([half]), "none", Some("igw-1")),
            (serde_json::json!([private]), "none", None),
        ] {
            assert_eq!(internet(routes.clone(), false), (most.to_owned(), exception.map(str::to_owned)), "{routes}");
        }
        assert_eq!(internet(serde_json::json!([default]), true).0, "none");
    }
}
