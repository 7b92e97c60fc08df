//! The page of `explain`.

use flowsentry::aggregate::counters::{Counters, TimeRange};
use flowsentry::html;
use flowsentry::record::timestamp::Timestamp;
use flowsentry::summary::InputFailure;
use flowsentry::summary::explain::{DirectionEvidence, Evidence};
use flowsentry::topology::Topology;
use flowsentry::topology::describe_output::Resources;
use flowsentry::topology::path::{Explanation, HopRule, HopVerdict, NOTHING_IN_THE_WAY, Question};
use serde_json::{Value, json};

use super::page::{Element, table};
use super::{HOSTILE, store, text_of};

const HOPS: &str = "The hops to the destination, and back";

/// Builds two peered VPCs, whose resources have this Name tag. The network ACL of the destination denies replies if `denies`.
fn topology(tag: &str, denies: bool) -> Topology {
    let tags = json!([{"Key": "Name", "Value": tag}]);
    let vpc = |id: &str, block: &str| json!({"VpcId": id, "CidrBlock": block, "Tags": tags});
    let side = |vpc: &str, block: &str| json!({"VpcId": vpc, "CidrBlock": block, "Region": "eu-west-1"});
    let subnet =
        |id: &str, vpc: &str, block: &str| json!({"SubnetId": id, "VpcId": vpc, "CidrBlock": block, "Tags": tags});
    let interface = |id: &str, subnet: &str, vpc: &str, address: &str, group: &str| {
        json!({"NetworkInterfaceId": id, "SubnetId": subnet, "VpcId": vpc, "PrivateIpAddress": address, "TagSet": tags,
               "Groups": [{"GroupId": group}]})
    };
    let table = |id: &str, vpc: &str, to: &str| {
        json!({"RouteTableId": id, "VpcId": vpc, "Associations": [{"Main": true}], "Tags": tags,
               "Routes": [{"DestinationCidrBlock": to, "VpcPeeringConnectionId": "pcx-ab"}]})
    };
    let all = json!([{"IpProtocol": "-1", "IpRanges": [{"CidrIp": "0.0.0.0/0"}]}]);
    let group = |id: &str, vpc: &str| json!({"GroupId": id, "GroupName": tag, "VpcId": vpc, "IpPermissions": all, "IpPermissionsEgress": all});
    let entry = |number: u32, action: &str, egress: bool| json!({"RuleNumber": number, "RuleAction": action, "Egress": egress, "Protocol": "-1", "CidrBlock": "0.0.0.0/0"});
    let acl = |id: &str, subnet: &str, entries: Vec<Value>| json!({"NetworkAclId": id, "Associations": [{"SubnetId": subnet}], "Entries": entries, "Tags": tags});
    let denied = if denies { "deny" } else { "allow" };
    let document = json!({
        "Vpcs": [vpc("vpc-a", "10.1.0.0/16"), vpc("vpc-b", "10.2.0.0/16")],
        "Subnets": [subnet("subnet-a", "vpc-a", "10.1.1.0/24"), subnet("subnet-b", "vpc-b", "10.2.1.0/24")],
        "VpcPeeringConnections": [{"VpcPeeringConnectionId": "pcx-ab", "Status": {"Code": "active"}, "Tags": tags,
            "RequesterVpcInfo": side("vpc-a", "10.1.0.0/16"), "AccepterVpcInfo": side("vpc-b", "10.2.0.0/16")}],
        "NetworkInterfaces": [interface("eni-web", "subnet-a", "vpc-a", "10.1.1.5", "sg-a"),
                              interface("eni-db", "subnet-b", "vpc-b", "10.2.1.5", "sg-b")],
        "RouteTables": [table("rtb-a", "vpc-a", "10.2.0.0/16"), table("rtb-b", "vpc-b", "10.1.0.0/16")],
        "SecurityGroups": [group("sg-a", "vpc-a"), group("sg-b", "vpc-b")],
        "NetworkAcls": [acl("acl-a", "subnet-a", vec![entry(100, "allow", true), entry(90, denied, false)]),
                        acl("acl-b", "subnet-b", vec![entry(100, "allow", true), entry(100, "allow", false)])],
    });
    let mut resources = Resources::default();
    resources.read("topology.json", document.to_string().as_bytes()).expect("JSON");
    Topology::new(resources)
}

fn explain(topology: &Topology) -> Explanation {
    let (source, destination) = topology.resolve_ends("10.1.1.5", "10.2.1.5").expect("addresses");
    topology.explain(&Question { source, destination, protocol: 6, port: Some(5432) })
}

fn evidence() -> Evidence {
    let tally = |flows: u64| Counters { flows, packets: 2 * flows, bytes: 100 * flows };
    let time = |seconds| Timestamp::from_seconds(seconds);
    let forward = DirectionEvidence {
        accepted: tally(12_345),
        rejected: tally(23_456),
        unanswered: Some(tally(7_654)),
        seen: TimeRange { first_seen: time(1_795_413_600), last_seen: time(1_795_413_660) },
        interface_ids: ["eni-web".to_owned(), "eni-other".to_owned()].into(),
    };
    Evidence { forward, contradictions: vec!["3 flows were accepted".to_owned()], ..Evidence::default() }
}

/// Returns the text of the part of a card with this label.
fn fact<'e>(elements: &'e [Element], label: &str) -> &'e str {
    let (index, _) = elements.iter().enumerate().find(|(_, it)| it.name == "dt" && it.text == label).expect(label);
    &elements[index + 1].text
}

fn next_step(elements: &[Element]) -> &str {
    let todo = elements.iter().find(|element| element.attribute("class") == "todo").expect("advice");
    todo.text.strip_prefix("What to do: ").expect("advice")
}

#[test]
fn the_page_of_a_blocked_path_names_the_first_hop_in_the_way() {
    let topology = topology("prod", true);
    let explanation = explain(&topology);
    let (_, elements) = store("explain-blocked", html::render_explanation(&explanation, Some(&evidence()), &topology));
    let question = "10.1.1.5 (prod, eni-web) to 10.2.1.5 (prod, eni-db), 5432/TCP (postgresql)";
    assert_eq!(text_of(&elements, "h1"), format!("BLOCKED: {question}"));
    let text = text_of(&elements, "main");
    assert!(text.contains("No: 1 hop blocks."));
    let reason = "rule 90 denies 1024-65535/TCP from 10.2.1.5";
    assert!(text.contains(&format!("on the way back, network ACL prod (acl-a): {reason}")), "{text}");
    assert_eq!(fact(&elements, "Rule or route that decides"), "rule 90: all traffic, 0.0.0.0/0");
    let advice =
        "If the replies should pass, allow them in network ACL acl-a (prod) (inbound, with a number below 90).";
    assert_eq!(next_step(&elements), advice);
    let rows = table(&elements, HOPS);
    assert_eq!(rows.len(), explanation.hops.len());
    for (row, hop) in rows.iter().zip(&explanation.hops) {
        assert_eq!(row[4], hop.reason);
        let words = if hop.verdict == HopVerdict::Block { "BLOCK, first in the way" } else { "pass" };
        assert_eq!(row[2], words);
    }
    assert_eq!(
        rows[2][3..],
        ["route table prod rtb-a", "10.2.0.0/16 is routed to pcx-ab", "10.2.0.0/16 to prod pcx-ab"]
    );
    assert_eq!(rows[0][5], "all traffic of prod sg-a");
}

#[test]
fn the_evidence_is_that_of_the_logs() {
    let topology = topology("prod", false);
    let explanation = explain(&topology);
    let page = |evidence: Option<&Evidence>| html::render_explanation(&explanation, evidence, &topology);
    let (_, elements) = store("explain-reachable", page(Some(&evidence())));
    assert!(text_of(&elements, "h1").starts_with("REACHABLE: 10.1.1.5 (prod, eni-web) to "));
    assert_eq!(next_step(&elements), NOTHING_IN_THE_WAY);
    let rows = table(&elements, "Flows between the two in the logs");
    let expected = [
        ["forward", "accepted", "12,345", "24,690", "1.23 MB"],
        ["forward", "accepted and unanswered", "7,654", "15,308", "765.40 kB"],
        ["forward", "rejected", "23,456", "46,912", "2.35 MB"],
        ["return", "accepted", "0", "0", "0 B"],
        ["return", "accepted and unanswered", "unknown", "unknown", "unknown"],
        ["return", "rejected", "0", "0", "0 B"],
    ];
    assert_eq!(rows, expected);
    let text = text_of(&elements, "main");
    for part in
        ["2026-11-23 06:00:00 to 06:01:00 UTC", "At 2 interfaces:", "prod eni-web", "3 flows were accepted", "no flows"]
    {
        assert!(text.contains(part), "{part}: {text}");
    }
    let ends = table(&elements, "The two ends, as the topology has them");
    assert!(ends.contains(&["Subnet", "prod subnet-a", "prod subnet-b"].map(str::to_owned).to_vec()), "{ends:?}");
    let (_, elements) = store("explain-without-logs", page(None));
    assert!(text_of(&elements, "main").contains("No flow logs were given."));
    let failed = vec![InputFailure { uri: "a.log".to_owned(), error: "cut off".to_owned() }];
    let (_, elements) = store("explain-failed", page(Some(&Evidence { failed, ..Evidence::default() })));
    assert!(text_of(&elements, "main").contains("1 input could not be read, so the evidence is incomplete"));
    assert_eq!(table(&elements, "Inputs that could not be read"), [["a.log", "cut off"]]);
}

#[test]
fn an_unknown_path_says_what_is_missing() {
    let topology = Topology::new(Resources::default());
    let explanation = explain(&topology);
    let (_, elements) = store("explain-unknown", html::render_explanation(&explanation, None, &topology));
    assert_eq!(text_of(&elements, "h1"), "UNKNOWN: 10.1.1.5 to 10.2.1.5, 5432/TCP (postgresql)");
    assert!(text_of(&elements, "main").contains(&explanation.hops[0].reason));
    assert_eq!(table(&elements, HOPS)[0][2], "unknown, first in the way");
    let none = Explanation { hops: Vec::new(), ..explanation };
    let (_, elements) = store("explain-no-hops", html::render_explanation(&none, None, &topology));
    assert!(
        text_of(&elements, "main").contains("No hop is known.") && text_of(&elements, "h1").starts_with("UNKNOWN: ")
    );
}

#[test]
fn hostile_names_of_a_topology_stay_text() {
    let topology = topology(HOSTILE, true);
    let mut explanation = explain(&topology);
    explanation.hops[1].reason = HOSTILE.to_owned();
    explanation.hops[2].rule = Some(HopRule::Route { destination: HOSTILE.to_owned(), target: HOSTILE.to_owned() });
    let mut evidence = evidence();
    evidence.contradictions = vec![HOSTILE.to_owned()];
    evidence.back.interface_ids.insert(HOSTILE.to_owned());
    evidence.failed = vec![InputFailure { uri: HOSTILE.to_owned(), error: HOSTILE.to_owned() }];
    let (page, elements) = store("explain-hostile", html::render_explanation(&explanation, Some(&evidence), &topology));
    assert!(page.contains("&lt;script&gt;alert(1)") && page.contains("\\u{202e}") && page.contains("\\u{1b}"));
    assert!(!page.contains("<script") && !page.contains("<img"), "{page}");
    assert!(text_of(&elements, "h1").contains("\"'><script>"));
}

#[test]
fn no_explanation_makes_a_large_page() {
    let topology = topology(HOSTILE, true);
    let mut explanation = explain(&topology);
    let long = "\"<&>\u{202e}'".repeat(500);
    for hop in &mut explanation.hops {
        hop.id = Some(long.clone());
        hop.reason.clone_from(&long);
        hop.rule = Some(HopRule::SecurityGroups { group_id: None, group_ids: vec![long.clone(); 6], traffic: None });
    }
    explanation.hops = explanation.hops.iter().cloned().cycle().take(5000).collect();
    let texts = || (0..1000).map(|number| format!("{number}{long}"));
    let direction = DirectionEvidence { interface_ids: texts().collect(), ..evidence().forward };
    let failed = texts().map(|uri| InputFailure { error: uri.clone(), uri }).collect();
    let evidence = Evidence { forward: direction.clone(), back: direction, contradictions: texts().collect(), failed };
    let (page, elements) = store("explain-largest", html::render_explanation(&explanation, Some(&evidence), &topology));
    assert!(page.len() > 200_000, "{} bytes: the case fills the lists", page.len());
    let text = text_of(&elements, "body");
    for member in [
        "hops",
        "evidence.failed",
        "evidence.contradictions",
        "evidence.forward.interface_ids",
        "evidence.return.interface_ids",
    ] {
        assert!(text.contains(&format!(" more, in {member} of the output of --format json")), "{member}");
    }
}
