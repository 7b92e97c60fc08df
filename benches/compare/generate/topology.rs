//! Writes the topology in the format of aws ec2 describe-…, as input for `flowsentry analyze --topology`.
//!
//! | file | command | content |
//! | --- | --- | --- |
//! | vpcs.json | describe-vpcs | A to D |
//! | subnets.json | describe-subnets | the three logged subnets of each VPC |
//! | peering.json | describe-vpc-peering-connections | A–B, B–C, C–D, all active |
//! | interfaces.json | describe-network-interfaces | the 200 interfaces, by service: see [`Owner`]; perhaps attachments |
//! | security-groups.json, network-acls.json | describe-security-groups, describe-network-acls | see [`rules`] |
//! | pl-….json | get-managed-prefix-list-entries | the hosts of all VPCs |
//! | routes.json | describe-route-tables | two tables per VPC; one of A routes to C via B, which drops the traffic |
//!
//! With the attachments of the transit gateway, the tables of A and D route to each other through it.

use std::fs;
use std::io;
use std::net::Ipv4Addr;
use std::path::Path;

use serde_json::{Value, json};

use super::network::{
    ACCOUNT_ID, FIRST_ATTACHMENT, Interface, REGION, SUBNETS_PER_VPC, VPCS, resource_id, subnet_id, vpc_ipv6_network,
};
use super::rules;

/// Indexes of the peered VPCs.
const PEERINGS: [(usize, usize); 3] = [(0, 1), (1, 2), (2, 3)];

/// Tiers of the subnets.
const TIERS: [&str; 3] = ["web", "app", "db"];

/// Writes the files to a folder, which is created if necessary.
pub fn write(folder: &Path, interfaces: &[Interface]) -> io::Result<()> {
    fs::create_dir_all(folder)?;
    for (name, document) in documents(interfaces) {
        fs::write(folder.join(name), text(&document))?;
    }
    Ok(())
}

/// Returns the documents with their file names.
fn documents(interfaces: &[Interface]) -> Vec<(String, Value)> {
    let vpcs = || 0..VPCS.len();
    let subnets = vpcs().flat_map(|vpc| (0..SUBNETS_PER_VPC).map(move |place| subnet(vpc, place)));
    let has_transit_gateway = interfaces.len() > FIRST_ATTACHMENT;
    let route_tables = vpcs().flat_map(|vpc| route_tables(vpc, has_transit_gateway));
    let list = |key: &str, resources: Vec<Value>| json!({ key: resources });
    let documents = [
        ("vpcs.json", list("Vpcs", vpcs().map(vpc).collect())),
        ("subnets.json", list("Subnets", subnets.collect())),
        ("peering.json", list("VpcPeeringConnections", PEERINGS.into_iter().map(peering).collect())),
        ("interfaces.json", list("NetworkInterfaces", interfaces.iter().enumerate().map(interface).collect())),
        ("routes.json", list("RouteTables", route_tables.collect())),
        ("security-groups.json", list("SecurityGroups", vpcs().flat_map(rules::security_groups).collect())),
        ("network-acls.json", list("NetworkAcls", vpcs().map(rules::network_acl).collect())),
    ];
    let documents = documents.map(|(name, document)| (name.to_owned(), document)).into_iter();
    // AWS's answer does not name the list. The document's name does.
    documents.chain([(format!("{}.json", rules::prefix_list_id()), rules::prefix_list_entries())]).collect()
}

fn text(document: &Value) -> String {
    serde_json::to_string_pretty(document).expect("text and numbers are JSON") + "\n"
}

fn ipv4_block(vpc: usize) -> String {
    format!("10.{vpc}.0.0/16")
}

fn ipv6_block(vpc: usize) -> String {
    format!("{}/56", vpc_ipv6_network(vpc, 0))
}

fn peering_id((requester, accepter): (usize, usize)) -> String {
    resource_id("pcx", 1_000 + (requester * VPCS.len() + accepter) as u32)
}

/// Returns the id of the attachment of a VPC to the transit gateway.
fn attachment_id(vpc: u32) -> String {
    resource_id("tgw-attach", 4_000 + vpc)
}

fn name_tag(name: &str) -> Value {
    json!([{"Key": "Name", "Value": name}])
}

fn vpc(vpc: usize) -> Value {
    let associated = json!({"State": "associated"});
    json!({
        "CidrBlock": ipv4_block(vpc),
        "CidrBlockAssociationSet": [{"CidrBlock": ipv4_block(vpc), "CidrBlockState": associated}],
        "Ipv6CidrBlockAssociationSet": [{"Ipv6CidrBlock": ipv6_block(vpc), "Ipv6CidrBlockState": associated}],
        "IsDefault": false,
        "OwnerId": ACCOUNT_ID,
        "State": "available",
        "Tags": name_tag(VPCS[vpc].name),
        "VpcId": VPCS[vpc].id,
    })
}

fn subnet(vpc: usize, place: usize) -> Value {
    let ipv6 = format!("{}/64", vpc_ipv6_network(vpc, 1 + place));
    json!({
        "CidrBlock": format!("10.{vpc}.{}.0/24", 1 + place),
        "Ipv6CidrBlockAssociationSet": [{"Ipv6CidrBlock": ipv6, "Ipv6CidrBlockState": {"State": "associated"}}],
        "OwnerId": ACCOUNT_ID,
        "State": "available",
        "SubnetId": subnet_id(vpc, place),
        "Tags": name_tag(&format!("{}-{}", VPCS[vpc].name, TIERS[place])),
        "VpcId": VPCS[vpc].id,
    })
}

fn peering(sides: (usize, usize)) -> Value {
    let side = |vpc: usize| {
        json!({
            "CidrBlock": ipv4_block(vpc),
            "CidrBlockSet": [{"CidrBlock": ipv4_block(vpc)}],
            "Ipv6CidrBlockSet": [{"Ipv6CidrBlock": ipv6_block(vpc)}],
            "OwnerId": ACCOUNT_ID,
            "Region": REGION,
            "VpcId": VPCS[vpc].id,
        })
    };
    json!({
        "AccepterVpcInfo": side(sides.1),
        "RequesterVpcInfo": side(sides.0),
        "Status": {"Code": "active", "Message": "Active"},
        "Tags": name_tag(&format!("{}-{}", VPCS[sides.0].name, VPCS[sides.1].name)),
        "VpcPeeringConnectionId": peering_id(sides),
    })
}

/// Owner of an interface. Interfaces of instances have a name, interfaces of AWS services a description.
enum Owner {
    Instance,
    NatGateway,
    LoadBalancer,
    Database,
    Function,
    TransitGateway,
}

impl Owner {
    fn of(number: usize, interface: &Interface) -> Self {
        match (&interface.instance_id, interface.is_nat_gateway, number / 8 % 3) {
            (Some(_), ..) => Self::Instance,
            (None, ..) if number >= FIRST_ATTACHMENT => Self::TransitGateway,
            (None, true, _) => Self::NatGateway,
            (None, false, 0) => Self::LoadBalancer,
            (None, false, 1) => Self::Database,
            (None, false, _) => Self::Function,
        }
    }

    /// Returns the security group, if the interface has one. NAT gateways and transit gateways have none.
    fn group(&self, interface: &Interface, tier: &'static str) -> Option<String> {
        let group = match self {
            Self::Instance => tier,
            Self::LoadBalancer => "elb",
            Self::Database => "rds",
            Self::Function => "lambda",
            Self::NatGateway | Self::TransitGateway => return None,
        };
        Some(rules::group_id(interface.vpc, group))
    }

    /// `InterfaceType`, `RequesterId` and `Description`.
    fn traits(&self, interface: &Interface) -> [String; 3] {
        let hash = &interface.id["eni-0".len()..];
        match self {
            Self::Instance => ["interface".to_owned(), ACCOUNT_ID.to_owned(), String::new()],
            Self::NatGateway => {
                ["nat_gateway".to_owned(), ACCOUNT_ID.to_owned(), format!("Interface for NAT Gateway nat-0{hash}")]
            }
            Self::LoadBalancer => ["interface".to_owned(), "amazon-elb".to_owned(), format!("ELB app/front/{hash}")],
            Self::Database => ["interface".to_owned(), "amazon-rds".to_owned(), "RDSNetworkInterface".to_owned()],
            Self::TransitGateway => {
                let description = format!("Network Interface for Transit Gateway Attachment {}", attachment_id(0));
                ["transit_gateway".to_owned(), ACCOUNT_ID.to_owned(), description]
            }
            Self::Function => {
                ["lambda".to_owned(), "AROAEXAMPLE:orders".to_owned(), format!("AWS Lambda VPC ENI-orders-{hash}")]
            }
        }
    }
}

fn interface((number, interface): (usize, &Interface)) -> Value {
    let owner = Owner::of(number, interface);
    let [interface_type, requester_id, description] = owner.traits(interface);
    let tier = TIERS[number / VPCS.len() % SUBNETS_PER_VPC];
    let tags = match interface.instance_id {
        Some(_) => name_tag(&format!("{}-{tier}-{number}", VPCS[interface.vpc].name)),
        None => json!([]),
    };
    let ipv6_addresses: Vec<Value> =
        interface.ipv6_address.iter().map(|address| json!({"Ipv6Address": address.to_string()})).collect();
    let address = interface.address.to_string();
    let association = public_address(number).map(|address| json!({"IpOwnerId": ACCOUNT_ID, "PublicIp": address}));
    let mut private = json!({"Primary": true, "PrivateIpAddress": address});
    let mut document = json!({
        "Attachment": {"InstanceId": interface.instance_id, "Status": "attached"},
        "AvailabilityZoneId": interface.az_id,
        "Description": description,
        "Groups": owner.group(interface, tier).map(|id| json!({"GroupId": id})).into_iter().collect::<Vec<Value>>(),
        "InterfaceType": interface_type,
        "Ipv6Addresses": ipv6_addresses,
        "NetworkInterfaceId": interface.id,
        "OwnerId": ACCOUNT_ID,
        "PrivateIpAddress": address,
        "RequesterId": requester_id,
        "RequesterManaged": interface.instance_id.is_none(),
        "Status": "in-use",
        "SubnetId": interface.subnet_id,
        "TagSet": tags,
        "VpcId": VPCS[interface.vpc].id,
    });
    if let Some(association) = association {
        document["Association"] = association.clone();
        private["Association"] = association;
    }
    document["PrivateIpAddresses"] = json!([private]);
    document
}

/// Returns the public address that AWS translates to the private one. The log has only the private one. Attachments of the transit
/// gateway have no public address.
fn public_address(number: usize) -> Option<Ipv4Addr> {
    let number = u8::try_from(number).ok().filter(|_| number < FIRST_ATTACHMENT)?;
    Some(Ipv4Addr::new(15, 177, 80, number))
}

/// VPCs that the transit gateway connects.
const ATTACHED: (usize, usize) = (0, 3);

/// Returns the two route tables of a VPC, with routes to the peers and to the internet: the main table, which the app and db
/// subnets use, and the table of the web subnet. In A, the latter also routes to C via B, which drops the traffic.
fn route_tables(vpc: usize, has_transit_gateway: bool) -> [Value; 2] {
    let mut routes = vec![
        json!({"DestinationCidrBlock": ipv4_block(vpc), "GatewayId": "local", "State": "active"}),
        json!({"DestinationIpv6CidrBlock": ipv6_block(vpc), "GatewayId": "local", "State": "active"}),
        json!({"DestinationCidrBlock": format!("{}/0", Ipv4Addr::UNSPECIFIED), "State": "active",
               "GatewayId": resource_id("igw", 2_000 + vpc as u32)}),
    ];
    routes.extend(routes_to_peers(vpc));
    if has_transit_gateway {
        routes.extend(route_to_attached(vpc));
    }
    let association = |main: bool| json!({"AssociationState": {"State": "associated"}, "Main": main});
    let mut web = association(false);
    web["SubnetId"] = json!(subnet_id(vpc, 0));
    let main = route_table(vpc, "main", 3_000 + vpc as u32, &association(true), &routes);
    if vpc == 0 {
        routes.push(route("DestinationCidrBlock", &ipv4_block(2), PEERINGS[0]));
    }
    [main, route_table(vpc, TIERS[0], 3_100 + vpc as u32, &web, &routes)]
}

fn route_table(vpc: usize, name: &str, number: u32, association: &Value, routes: &[Value]) -> Value {
    json!({
        "Associations": [association],
        "OwnerId": ACCOUNT_ID,
        "RouteTableId": resource_id("rtb", number),
        "Routes": routes,
        "Tags": name_tag(&format!("{}-{name}", VPCS[vpc].name)),
        "VpcId": VPCS[vpc].id,
    })
}

/// Returns the routes to both blocks of each peer.
fn routes_to_peers(vpc: usize) -> Vec<Value> {
    let peerings = PEERINGS.into_iter().filter(|(a, b)| vpc == *a || vpc == *b);
    let routes = peerings.flat_map(|(a, b)| {
        let peer = if vpc == a { b } else { a };
        [
            route("DestinationCidrBlock", &ipv4_block(peer), (a, b)),
            route("DestinationIpv6CidrBlock", &ipv6_block(peer), (a, b)),
        ]
    });
    routes.collect()
}

/// Returns the route of an attached VPC to the other one.
fn route_to_attached(vpc: usize) -> Option<Value> {
    let (_, other) = [ATTACHED, (ATTACHED.1, ATTACHED.0)].into_iter().find(|(from, _)| *from == vpc)?;
    let gateway = resource_id("tgw", 5_000);
    Some(json!({"DestinationCidrBlock": ipv4_block(other), "State": "active", "TransitGatewayId": gateway}))
}

fn route(kind: &str, block: &str, sides: (usize, usize)) -> Value {
    json!({kind: block, "State": "active", "VpcPeeringConnectionId": peering_id(sides)})
}

#[cfg(test)]
mod tests {
    use flowsentry::findings::topology_check;
    use flowsentry::topology::describe_output::Resources;
    use flowsentry::topology::{KnownRecorder, Location, Topology};

    use super::super::network;
    use super::*;

    fn topology() -> Topology {
        topology_of(&network::interfaces())
    }

    fn topology_of(interfaces: &[Interface]) -> Topology {
        let mut resources = Resources::default();
        for (name, document) in documents(interfaces) {
            resources.read(&name, text(&document).as_bytes()).expect("JSON");
        }
        Topology::new(resources)
    }

    #[test]
    fn the_sample_has_what_is_written_here() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/sample/topology");
        for (name, document) in documents(&network::interfaces()) {
            let kept = fs::read_to_string(folder.join(&name)).unwrap_or_default();
            assert!(
                kept == text(&document),
                "{name}: see benches/compare/generate/main.rs for the command that updates it"
            );
        }
    }

    #[test]
    fn every_interface_is_where_its_address_is() {
        let topology = topology();
        assert_eq!(topology.problems(), []);
        for interface in network::interfaces() {
            let addresses = [Some(interface.address.into()), interface.ipv6_address.map(Into::into)];
            for address in addresses.into_iter().flatten() {
                let location = topology.locate(address, &mut KnownRecorder::default());
                assert_eq!(location, Location::In(topology.vpc_index(VPCS[interface.vpc].id).expect("it is known")));
                let endpoint = topology.endpoint(address, location);
                assert_eq!(
                    (endpoint.interface_id, endpoint.subnet_id),
                    (Some(interface.id.clone()), Some(interface.subnet_id.clone()))
                );
            }
        }
    }

    #[test]
    fn the_peers_are_those_of_the_traffic() {
        let topology = topology();
        for vpc in &VPCS {
            let number = topology.vpc_index(vpc.id).expect("it is known");
            let peers: Vec<&str> = topology.peers(number).map(|peer| topology.vpc(peer).id.as_str()).collect();
            assert_eq!(peers, vpc.peers.iter().map(|peer| VPCS[*peer].id).collect::<Vec<_>>());
        }
    }

    #[test]
    fn only_the_route_to_c_via_b_is_wrong() {
        let findings = topology_check::check(&topology()).findings;
        let titles: Vec<&str> = findings.iter().map(|finding| finding.title.as_str()).collect();
        let [a, b, c] = [0, 1, 2].map(|vpc| VPCS[vpc].name);
        let expected = format!("{a}-{} (rtb-", TIERS[0]);
        assert_eq!(titles.len(), 1, "{titles:?}");
        assert!(titles[0].starts_with(&expected), "{titles:?}");
        assert!(titles[0].contains(&format!("routes {} to {a}-{b} (pcx-", ipv4_block(2))), "{titles:?}");
        assert!(titles[0].contains(&format!("but these addresses are in {c} (vpc-")), "{titles:?}");
    }

    #[test]
    fn each_service_has_interfaces() {
        let topology = topology();
        for (service, expected) in [("ec2", 172), ("nat-gateway", 4), ("elb", 8), ("rds", 8), ("lambda", 8)] {
            let count = topology.resources().interfaces.values().filter(|known| known.service == service).count();
            assert_eq!(count, expected, "{service}");
        }
    }

    #[test]
    fn attachments_belong_to_the_transit_gateway() {
        let topology = topology_of(&network::interfaces_with_attachments());
        assert_eq!(topology.problems(), []);
        let attachments = topology.resources().interfaces.values().filter(|known| known.service == "transit-gateway");
        assert_eq!(attachments.count(), 2);
        let routes =
            |vpc, has_gateway| json!(route_tables(vpc, has_gateway)).to_string().matches("TransitGatewayId").count();
        assert_eq!([0, 1, 2, 3].map(|vpc| routes(vpc, true)), [2, 0, 0, 2]);
        assert_eq!(routes(0, false), 0);
    }
}
