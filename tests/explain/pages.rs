//! Pages of `--format html`. `tests/html` checks their markup.

use serde_json::{Value, json};

use crate::network::{Network, add_entries, add_route, entry, resource, set_routes};

/// Explains the path from `web` to `db` as text, as JSON, and as a page, without its markup.
fn formats(network: &Network) -> (String, Value, String) {
    let [text, json, page] =
        ["text", "json", "html"].map(|format| network.run(&["--format", format, "web", "db:5432"]));
    assert_eq!([text.status, json.status], [page.status; 2], "{}", page.stderr);
    assert!(page.stdout.starts_with("<!DOCTYPE html>"), "{}", page.stdout);
    let parts = page.stdout.split('<').map(|part| part.split_once('>').map_or("", |(_, text)| text));
    (text.stdout, json.json(), parts.collect::<String>().replace("&gt;", ">"))
}

/// Returns the next step on a page.
fn advice(network: &Network) -> String {
    let (_, _, page) = formats(network);
    let (_, advice) = page.split_once("What to do: ").expect("advice");
    advice.split_once("Hops").expect("hops").0.to_owned()
}

fn denied() -> Network {
    Network::with(|topology| add_entries(topology, "acl-a", &[entry(90, "deny", false, "10.2.0.0/16", (1024, 65_535))]))
}

#[test]
fn a_page_says_what_text_and_json_say() {
    let header =
        "interface-id srcaddr dstaddr srcport dstport protocol packets bytes start end action log-status tcp-flags\n";
    let log = "eni-web 10.1.1.5 10.2.1.5 50000 5432 6 2 100 1795413600 1795413660 ACCEPT OK 2\n";
    for network in [Network::new(), denied(), Network::with(|topology| set_routes(topology, "rtb-a", json!([])))] {
        let network = Network { logs: vec![header.to_owned() + log, "x".to_owned()], ..network };
        let (text, json, page) = formats(&network);
        let question = text.lines().next().expect("a verdict").replacen("  ", ": ", 1);
        assert!(page.contains(&question), "{question}: {page}");
        for hop in json["hops"].as_array().expect("hops") {
            let reason = hop["reason"].as_str().expect("a reason");
            assert!(page.contains(reason), "{reason}: {page}");
        }
        for contradiction in json["evidence"]["contradictions"].as_array().expect("a list") {
            let contradiction = contradiction.as_str().expect("words");
            assert!(page.contains(contradiction), "{contradiction}: {page}");
        }
        assert!(page.contains("1 input could not be read, so the evidence is incomplete"), "{page}");
        assert_eq!(page.contains(", first in the way"), json["verdict"] != "reachable", "{page}");
    }
}

#[test]
fn a_page_says_what_to_do_about_the_first_hop_in_the_way() {
    let group = |topology: &mut Value| resource(topology, "SecurityGroups", "sg-db")["IpPermissions"] = json!([]);
    let cases = [
        (denied(), "If the replies should pass, allow them in network ACL acl-a (inbound, with a number below 90)."),
        (Network::with(group), "If the traffic should pass, allow it in sg-db (db) (inbound)."),
        (
            Network::with(|topology| {
                add_entries(topology, "acl-a", &[entry(1, "deny", true, "0.0.0.0/0", (0, 65_535))]);
            }),
            "If the traffic should pass, allow it in network ACL acl-a (outbound, before rule 1, which needs another number).",
        ),
        (
            Network::with(|topology| set_routes(topology, "rtb-a", json!([]))),
            "Add a route that leads to the destination to route table rtb-a.",
        ),
        (
            Network::with(|topology| set_routes(topology, "rtb-b", json!([]))),
            "Add a route that leads to the source to route table rtb-b.",
        ),
        (
            Network::with(|topology| {
                let route = json!({"DestinationCidrBlock": "10.2.1.0/24", "VpcPeeringConnectionId": "pcx-gone", "State": "blackhole"});
                add_route(topology, "rtb-a", route);
            }),
            "Replace the route to 10.2.1.0/24 in route table rtb-a by one whose target works.",
        ),
        (
            Network::with(|topology| {
                let route = json!({"DestinationCidrBlock": "10.1.1.0/24", "VpcPeeringConnectionId": "pcx-bc"});
                add_route(topology, "rtb-b", route);
            }),
            "Route the replies back by the way by which the traffic came.",
        ),
        (
            Network::with(|topology| {
                let status = json!({"Code": "pending-acceptance"});
                resource(topology, "VpcPeeringConnections", "pcx-ab")["Status"] = status;
            }),
            "Route the traffic over a peering connection that is active and leads to the VPC of the destination.",
        ),
        (
            Network::with(|topology| {
                add_route(topology, "rtb-a", json!({"DestinationCidrBlock": "10.2.1.0/24", "GatewayId": "igw-1"}));
            }),
            "Give both ends public addresses, or route the traffic over a NAT gateway or a peering connection.",
        ),
        (
            Network::with(|topology| {
                add_route(
                    topology,
                    "rtb-a",
                    json!({"DestinationCidrBlock": "10.2.1.0/24", "TransitGatewayId": "tgw-1"}),
                );
            }),
            "Check transit gateway tgw-1 itself: the topology does not show whether it lets the traffic pass.",
        ),
        (
            Network::with(|topology| topology["SecurityGroups"] = json!([])),
            "Add what the reason names to the topology, or ask about one port and one address. Otherwise check the resource itself.",
        ),
        (
            Network::new(),
            "Nothing in the topology is in the way. If the connection fails all the same, check that the host listens, and what is not \
             evaluated here: the firewall of the host, AWS Network Firewall, VPC Block Public Access, and VPC Encryption Controls.",
        ),
    ];
    for (network, expected) in cases {
        assert_eq!(advice(&network), expected);
    }
}
