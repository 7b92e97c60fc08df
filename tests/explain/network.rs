//! The network of the cases, and the command that explains a path in it.

use std::fs;
use std::process::Command;

use serde_json::{Value, json};

/// The result of one run of the command.
pub struct Run {
    pub status: Option<i32>,
    pub stdout: String,
    pub stderr: String,
}

impl Run {
    pub fn json(&self) -> Value {
        assert_ne!(self.stdout, "", "{}", self.stderr);
        serde_json::from_str(&self.stdout).expect("JSON")
    }

    /// Returns each hop as `forward network-acl acl-a pass`.
    pub fn hops(&self) -> Vec<String> {
        let hop = |hop: &Value| {
            let part = |key: &str| hop[key].as_str().unwrap_or("-").to_owned();
            [part("direction"), part("kind"), part("id"), part("verdict")].join(" ")
        };
        self.json()["hops"].as_array().expect("a list").iter().map(hop).collect()
    }

    /// Returns the hops that do not pass, each with its reason.
    pub fn obstacles(&self) -> Vec<String> {
        let json = self.json();
        let hops = json["hops"].as_array().expect("a list").iter().zip(self.hops());
        let reason = |hop: &Value| hop["reason"].as_str().expect("a reason").to_owned();
        hops.filter(|(hop, _)| hop["verdict"] != "pass").map(|(hop, text)| format!("{text}: {}", reason(hop))).collect()
    }
}

/// A network, and logs of it.
pub struct Network {
    pub topology: Value,
    pub logs: Vec<String>,
}

impl Network {
    /// Returns the network of the module, in which everything is reachable as far as it should be.
    pub fn new() -> Network {
        Network { topology: topology(), logs: Vec::new() }
    }

    /// Returns the network after a change of its topology.
    pub fn with(change: impl FnOnce(&mut Value)) -> Network {
        let mut network = Network::new();
        change(&mut network.topology);
        network
    }

    /// Runs the command with these arguments, as text or JSON.
    pub fn run(&self, arguments: &[&str]) -> Run {
        let folder = tempfile::tempdir().expect("a folder");
        let path = |name: &str| folder.path().join(name).display().to_string();
        fs::write(path("topology.json"), self.topology.to_string()).expect("a file");
        let mut command = Command::new(env!("CARGO_BIN_EXE_flowsentry"));
        command.args(["explain", "--topology", &path("topology.json")]).args(arguments).env("COLUMNS", "120");
        for (number, log) in self.logs.iter().enumerate() {
            let name = path(&format!("{number}.log"));
            fs::write(&name, log).expect("a file");
            command.arg(name);
        }
        let output = command.output().expect("the command ends");
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("UTF-8");
        Run { status: output.status.code(), stdout: text(output.stdout), stderr: text(output.stderr) }
    }

    /// Explains a path as JSON.
    pub fn explain(&self, source: &str, destination: &str) -> Run {
        self.run(&["--format", "json", source, destination])
    }

    /// Explains a path as text.
    pub fn text(&self, source: &str, destination: &str) -> String {
        self.run(&[source, destination]).stdout
    }
}

/// Finds a resource by its id.
pub fn resource<'t>(topology: &'t mut Value, list: &str, id: &str) -> &'t mut Value {
    let ids = [
        "VpcId",
        "SubnetId",
        "VpcPeeringConnectionId",
        "NetworkInterfaceId",
        "RouteTableId",
        "GroupId",
        "NetworkAclId",
    ];
    let key = match list {
        "Vpcs" => ids[0],
        "Subnets" => ids[1],
        "VpcPeeringConnections" => ids[2],
        "NetworkInterfaces" => ids[3],
        "RouteTables" => ids[4],
        "SecurityGroups" => ids[5],
        _ => ids[6],
    };
    let resources = topology[list].as_array_mut().expect("a list");
    resources.iter_mut().find(|resource| resource[key] == id).expect("the resource")
}

/// Adds a route to a table.
pub fn add_route(topology: &mut Value, table: &str, route: Value) {
    resource(topology, "RouteTables", table)["Routes"].as_array_mut().expect("a list").push(route);
}

/// Replaces the routes of a table.
pub fn set_routes(topology: &mut Value, table: &str, routes: Value) {
    resource(topology, "RouteTables", table)["Routes"] = routes;
}

/// Puts entries at the beginning of a network ACL.
pub fn add_entries(topology: &mut Value, acl: &str, entries: &[Value]) {
    let list = resource(topology, "NetworkAcls", acl)["Entries"].as_array_mut().expect("a list");
    list.splice(0..0, entries.iter().cloned());
}

/// Returns an entry of a network ACL for TCP.
pub fn entry(number: u32, action: &str, is_egress: bool, block: &str, ports: (u16, u16)) -> Value {
    let key = if block.contains(':') { "Ipv6CidrBlock" } else { "CidrBlock" };
    json!({"RuleNumber": number, "RuleAction": action, "Egress": is_egress, "Protocol": "6", key: block,
           "PortRange": {"From": ports.0, "To": ports.1}})
}

fn acl(id: &str, subnets: &[&str]) -> Value {
    let all = |is_egress: bool, number: u32, action: &str, key: &str, block: &str| json!({"RuleNumber": number, "RuleAction": action, "Egress": is_egress, "Protocol": "-1", key: block});
    let entries: Vec<Value> = [false, true]
        .into_iter()
        .flat_map(|egress| {
            [
                all(egress, 100, "allow", "CidrBlock", "0.0.0.0/0"),
                all(egress, 101, "allow", "Ipv6CidrBlock", "::/0"),
                all(egress, 32767, "deny", "CidrBlock", "0.0.0.0/0"),
                all(egress, 32768, "deny", "Ipv6CidrBlock", "::/0"),
            ]
        })
        .collect();
    let associations: Vec<Value> = subnets.iter().map(|subnet| json!({"SubnetId": subnet})).collect();
    json!({"NetworkAclId": id, "Associations": associations, "Entries": entries})
}

fn group(id: &str, name: &str, vpc: &str, ingress: &Value) -> Value {
    let everything =
        json!([{"IpProtocol": "-1", "IpRanges": [{"CidrIp": "0.0.0.0/0"}], "Ipv6Ranges": [{"CidrIpv6": "::/0"}]}]);
    json!({"GroupId": id, "GroupName": name, "VpcId": vpc, "IpPermissions": ingress, "IpPermissionsEgress": everything})
}

/// Returns a permission for a port, from these blocks.
pub fn permission(port: u16, ipv4: &[&str], ipv6: &[&str]) -> Value {
    let ipv4: Vec<Value> = ipv4.iter().map(|block| json!({"CidrIp": block})).collect();
    let ipv6: Vec<Value> = ipv6.iter().map(|block| json!({"CidrIpv6": block})).collect();
    json!({"IpProtocol": "tcp", "FromPort": port, "ToPort": port, "IpRanges": ipv4, "Ipv6Ranges": ipv6})
}

/// Returns an interface in a subnet, whose name ends with the letter of its VPC or is `subnet-public`.
pub fn interface(name: &str, subnet: &str, address: &str, ipv6: Option<&str>, groups: &[&str]) -> Value {
    let vpc = if subnet == "subnet-public" { "vpc-a".to_owned() } else { subnet.replace("subnet", "vpc") };
    let groups: Vec<Value> = groups.iter().map(|group| json!({"GroupId": group})).collect();
    let ipv6: Vec<Value> = ipv6.into_iter().map(|address| json!({"Ipv6Address": address})).collect();
    json!({"NetworkInterfaceId": format!("eni-{name}"), "SubnetId": subnet, "VpcId": vpc, "PrivateIpAddress": address,
           "PrivateIpAddresses": [{"PrivateIpAddress": address}], "Ipv6Addresses": ipv6, "Groups": groups,
           "Attachment": {"InstanceId": format!("i-{name}")}, "TagSet": [{"Key": "Name", "Value": name}]})
}

fn table(id: &str, vpc: &str, subnet: &str, routes: &Value) -> Value {
    json!({"RouteTableId": id, "VpcId": vpc, "Associations": [{"SubnetId": subnet}], "Routes": routes})
}

fn connection(id: &str, requester: (&str, &str), accepter: (&str, &str)) -> Value {
    let side = |(vpc, block): (&str, &str)| json!({"VpcId": vpc, "CidrBlock": block, "Region": "eu-west-1"});
    json!({"VpcPeeringConnectionId": id, "Status": {"Code": "active"}, "RequesterVpcInfo": side(requester),
           "AccepterVpcInfo": side(accepter)})
}

fn topology() -> Value {
    let vpc = |id: &str, block: &str, ipv6: &str| json!({"VpcId": id, "CidrBlock": block, "Ipv6CidrBlockAssociationSet": [{"Ipv6CidrBlock": ipv6}]});
    let subnet = |id: &str, vpc: &str, block: &str, ipv6: &str| json!({"SubnetId": id, "VpcId": vpc, "CidrBlock": block, "Ipv6CidrBlockAssociationSet": [{"Ipv6CidrBlock": ipv6}]});
    let to_igw = json!({"DestinationCidrBlock": "0.0.0.0/0", "GatewayId": "igw-1"});
    let to_eigw = json!({"DestinationIpv6CidrBlock": "::/0", "EgressOnlyInternetGatewayId": "eigw-1"});
    let to_peer = |block: &str, id: &str| json!({"DestinationCidrBlock": block, "VpcPeeringConnectionId": id});
    let to_peer_v6 = |block: &str, id: &str| json!({"DestinationIpv6CidrBlock": block, "VpcPeeringConnectionId": id});
    let mut proxy = interface("proxy", "subnet-public", "10.1.2.9", None, &["sg-proxy"]);
    proxy["PrivateIpAddresses"][0]["Association"] = json!({"PublicIp": "52.0.0.9"});
    let nat = json!({"NetworkInterfaceId": "eni-nat", "SubnetId": "subnet-public", "VpcId": "vpc-a", "InterfaceType": "nat_gateway",
                     "PrivateIpAddress": "10.1.2.4", "Association": {"PublicIp": "52.0.0.4"},
                     "Description": "Interface for NAT Gateway nat-1"});
    json!({
        "Vpcs": [vpc("vpc-a", "10.1.0.0/16", "2600:1f18:a::/56"), vpc("vpc-b", "10.2.0.0/16", "2600:1f18:b::/56"),
                 vpc("vpc-c", "10.3.0.0/16", "2600:1f18:c::/56")],
        "Subnets": [
            subnet("subnet-a", "vpc-a", "10.1.1.0/24", "2600:1f18:a:1::/64"),
            subnet("subnet-public", "vpc-a", "10.1.2.0/24", "2600:1f18:a:2::/64"),
            subnet("subnet-b", "vpc-b", "10.2.1.0/24", "2600:1f18:b:1::/64"),
            subnet("subnet-c", "vpc-c", "10.3.1.0/24", "2600:1f18:c:1::/64"),
        ],
        "VpcPeeringConnections": [
            connection("pcx-ab", ("vpc-a", "10.1.0.0/16"), ("vpc-b", "10.2.0.0/16")),
            connection("pcx-bc", ("vpc-b", "10.2.0.0/16"), ("vpc-c", "10.3.0.0/16")),
        ],
        "NetworkInterfaces": [
            interface("web", "subnet-a", "10.1.1.5", Some("2600:1f18:a:1::5"), &["sg-web"]),
            interface("app", "subnet-a", "10.1.1.6", None, &["sg-app"]),
            interface("db", "subnet-b", "10.2.1.5", Some("2600:1f18:b:1::5"), &["sg-db"]),
            interface("cache", "subnet-c", "10.3.1.5", None, &["sg-cache"]),
            proxy,
            nat,
        ],
        "RouteTables": [
            table("rtb-a", "vpc-a", "subnet-a", &json!([
                {"DestinationCidrBlock": "10.1.0.0/16", "GatewayId": "local"}, to_peer("10.2.0.0/16", "pcx-ab"),
                to_peer_v6("2600:1f18:b::/56", "pcx-ab"), {"DestinationCidrBlock": "0.0.0.0/0", "NatGatewayId": "nat-1"}, to_eigw])),
            table("rtb-public", "vpc-a", "subnet-public", &json!([to_igw])),
            table("rtb-b", "vpc-b", "subnet-b", &json!([
                to_peer("10.1.0.0/16", "pcx-ab"), to_peer_v6("2600:1f18:a::/56", "pcx-ab"), to_peer("10.3.0.0/16", "pcx-bc")])),
            table("rtb-c", "vpc-c", "subnet-c", &json!([to_peer("10.2.0.0/16", "pcx-bc")])),
        ],
        "SecurityGroups": [
            group("sg-web", "web", "vpc-a", &json!([])),
            group("sg-app", "app", "vpc-a", &json!([permission(8080, &["10.1.1.0/24"], &[])])),
            group("sg-proxy", "proxy", "vpc-a", &json!([permission(443, &["0.0.0.0/0"], &[])])),
            group("sg-db", "db", "vpc-b", &json!([permission(5432, &["10.1.0.0/16"], &["2600:1f18:a::/56"])])),
            group("sg-cache", "cache", "vpc-c", &json!([permission(6379, &["10.0.0.0/8"], &[])])),
        ],
        "NetworkAcls": [acl("acl-a", &["subnet-a"]), acl("acl-public", &["subnet-public"]), acl("acl-b", &["subnet-b"]),
                        acl("acl-c", &["subnet-c"])],
    })
}
