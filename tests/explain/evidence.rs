//! Evidence from logs, and its contradictions with the rules.

use serde_json::{Value, json};

use crate::network::{Network, add_entries, entry, resource};

const HEADER: &str =
    "interface-id srcaddr dstaddr srcport dstport protocol packets bytes start end action log-status tcp-flags\n";

/// Returns a record: interface, source, destination, action and flags.
fn record(interface: &str, source: (&str, u16), destination: (&str, u16), action: &str, flags: u8) -> String {
    let ((src, srcport), (dst, dstport)) = (source, destination);
    format!("{interface} {src} {dst} {srcport} {dstport} 6 2 100 1795413600 1795413660 {action} OK {flags}\n")
}

const WEB: (&str, u16) = ("10.1.1.5", 50_000);
const DB: (&str, u16) = ("10.2.1.5", 5432);

fn evidence(network: &Network) -> Value {
    network.explain("web", "db:5432").json()["evidence"].clone()
}

#[test]
fn evidence_counts_flows_between_the_ends() {
    let log = [
        record("eni-web", WEB, DB, "ACCEPT", 2),
        record("eni-web", WEB, DB, "ACCEPT", 3),
        record("eni-db", WEB, DB, "REJECT", 2),
        record("eni-web", DB, WEB, "ACCEPT", 18),
        // Another port, another protocol, and other hosts.
        record("eni-web", WEB, ("10.2.1.5", 22), "ACCEPT", 2),
        record("eni-web", WEB, DB, "ACCEPT", 2).replace(" 6 2 ", " 17 2 "),
        record("eni-web", ("10.1.1.6", 1), DB, "ACCEPT", 2),
    ];
    let network = Network { logs: vec![HEADER.to_owned() + &log.concat()], ..Network::new() };
    let evidence = evidence(&network);
    let counters = |flows: u64| json!({"flows": flows, "packets": 2 * flows, "bytes": 100 * flows});
    let forward = json!({"accepted": counters(2), "rejected": counters(1), "unanswered": counters(0),
        "first_seen": "2026-11-23T06:00:00Z", "last_seen": "2026-11-23T06:01:00Z", "interface_ids": ["eni-db", "eni-web"]});
    assert_eq!(evidence["forward"], forward);
    assert_eq!(evidence["return"]["accepted"], counters(1));
    assert_eq!(evidence["return"]["interface_ids"], json!(["eni-web"]));
    assert_eq!(evidence["failed"], json!([]));
}

#[test]
fn replies_count_only_in_the_same_vpc() {
    let there = record("eni-web", WEB, DB, "ACCEPT", 2);
    let unanswered = |reply: &str| {
        let network = Network { logs: vec![HEADER.to_owned() + &there, HEADER.to_owned() + reply], ..Network::new() };
        evidence(&network)["forward"]["unanswered"]["flows"].clone()
    };
    assert_eq!(unanswered(&record("eni-web", DB, WEB, "ACCEPT", 18)), 0);
    // In the same VPC, at another interface and from another port.
    assert_eq!(unanswered(&record("eni-proxy", ("10.2.1.5", 1), WEB, "ACCEPT", 0)), 0);
    assert_eq!(unanswered(&record("eni-db", DB, WEB, "ACCEPT", 18)), 1);
    assert_eq!(unanswered(&record("eni-web", DB, WEB, "REJECT", 18)), 1);
    // Its flags show a reply.
    let network =
        Network { logs: vec![HEADER.to_owned() + &record("eni-web", WEB, DB, "ACCEPT", 3)], ..Network::new() };
    assert_eq!(evidence(&network)["forward"]["unanswered"]["flows"], 0);
}

#[test]
fn accepted_flows_contradict_a_block() {
    let mut network = Network::with(|topology| {
        add_entries(topology, "acl-b", &[entry(90, "deny", false, "10.1.1.0/24", (5432, 5432))]);
    });
    network.logs = vec![HEADER.to_owned() + &record("eni-db", WEB, DB, "ACCEPT", 3)];
    let expected = "1 flow was accepted at eni-db (db), but network ACL acl-b: rule 90 denies 5432/TCP (postgresql) from 10.1.1.5: \
                    the rules were changed since, or the topology is outdated";
    assert_eq!(evidence(&network)["contradictions"], json!([expected]));
    let run = network.run(&["web", "db:5432"]);
    // The exit status remains that of the verdict.
    assert_eq!(run.status, Some(1));
    let text = run.stdout.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(
        text.contains(
            "EVIDENCE flows between the two in the logs forward: 1 flow accepted (unanswered: 0), 0 rejected"
        ),
        "{text}"
    );
    assert!(text.contains(&format!("! {}", expected.replace("eni-db (db)", "db (eni-db)"))), "{text}");
    assert!(text.contains("06:01:00Z, at db (eni-db)"), "{text}");
}

#[test]
fn rejected_flows_contradict_rules_that_allow() {
    let contradictions = |records: &[String]| {
        let network = Network { logs: vec![HEADER.to_owned() + &records.concat()], ..Network::new() };
        evidence(&network)["contradictions"].clone()
    };
    let rejected = record("eni-db", WEB, DB, "REJECT", 2);
    let expected = "2 flows were rejected at eni-db (db), but its rules let them pass: the rules were changed since, or the topology is outdated";
    assert_eq!(contradictions(&[rejected.clone(), rejected]), json!([expected]));
    // Late packets of a connection that is gone.
    assert_eq!(contradictions(&[record("eni-db", WEB, DB, "REJECT", 1)]), json!([]));
    let expected = "1 flow was accepted and not answered, although no hop blocks: check the host, which may not listen or may reject it";
    assert_eq!(contradictions(&[record("eni-web", WEB, DB, "ACCEPT", 2)]), json!([expected]));
}

#[test]
fn a_failed_input_is_named_and_its_records_do_not_count() {
    let good = HEADER.to_owned() + &record("eni-web", WEB, DB, "ACCEPT", 3);
    let network = Network { logs: vec![good, "garbage\n".to_owned()], ..Network::new() };
    let run = network.explain("web", "db:5432");
    assert_eq!(run.status, Some(0));
    assert!(run.stderr.contains("1.log: not a flow log"), "{}", run.stderr);
    let evidence = &run.json()["evidence"];
    assert_eq!(evidence["forward"]["accepted"]["flows"], 1);
    assert_eq!(evidence["failed"].as_array().map(Vec::len), Some(1));
    let text = network.text("web", "db:5432");
    assert!(text.contains("1 input could not be read, so the evidence is incomplete"), "{text}");
}

#[test]
fn a_majority_of_malformed_records_is_warned_of() {
    let good = record("eni-web", WEB, DB, "ACCEPT", 3);
    let malformed = good.replace("10.2.1.5", "host");
    let stderr = |number: usize| {
        let logs = vec![HEADER.to_owned() + &good, HEADER.to_owned() + &good + &malformed.repeat(number)];
        let run = Network { logs, ..Network::new() }.explain("web", "db:5432");
        assert_eq!(run.json()["evidence"]["forward"]["accepted"]["flows"], 2);
        run.stderr
    };
    assert_eq!(stderr(2), "");
    let warning = stderr(3);
    let (start, end) =
        ("flowsentry: 3 of 5 records (60.0 %) are malformed and do not count. First: ", "1.log line 3: dstaddr is not");
    assert!(warning.starts_with(start) && warning.contains(end) && warning.lines().count() == 1, "{warning}");
}

#[test]
fn evidence_of_the_internet_is_that_of_public_addresses() {
    let record = |dst: &str| record("eni-proxy", ("10.1.2.9", 50_000), (dst, 443), "ACCEPT", 2);
    let network =
        Network { logs: vec![HEADER.to_owned() + &record("8.8.8.8") + &record("10.2.1.5")], ..Network::new() };
    let evidence = network.explain("proxy", "internet:443").json()["evidence"].clone();
    assert_eq!(evidence["forward"]["accepted"]["flows"], 1);
    assert_eq!(evidence["forward"]["unanswered"]["flows"], 1);
}

#[test]
fn a_flow_that_both_ends_record_counts_once() {
    let accepted = |log: &[String], destination: &str| {
        let network = Network { logs: vec![HEADER.to_owned() + &log.concat()], ..Network::new() };
        let evidence = network.explain("web", destination).json()["evidence"].clone();
        let flows = |direction: &str, count: &str| evidence[direction][count]["flows"].as_u64();
        [
            flows("forward", "accepted"),
            flows("forward", "unanswered"),
            flows("forward", "rejected"),
            flows("return", "accepted"),
        ]
        .map(Option::unwrap_or_default)
    };
    let there = |interface: &str| record(interface, WEB, DB, "ACCEPT", 2);
    let back = |interface: &str| record(interface, DB, WEB, "ACCEPT", 18);
    assert_eq!(accepted(&[there("eni-web"), there("eni-db")], "db:5432"), [1, 1, 0, 0]);
    assert_eq!(accepted(&[there("eni-db"), there("eni-db")], "db:5432"), [2, 2, 0, 0]);
    // A record that does not tell where it was recorded counts.
    assert_eq!(accepted(&[there("eni-9"), there("-"), there("eni-db")], "db:5432"), [2, 2, 0, 0]);
    assert_eq!(accepted(&[there("eni-web"), back("eni-web"), back("eni-db")], "db:5432"), [1, 0, 0, 1]);
    // Each end rejects by itself.
    let rejected = |interface: &str| record(interface, WEB, DB, "REJECT", 2);
    assert_eq!(accepted(&[rejected("eni-web"), rejected("eni-db")], "db:5432"), [0, 0, 2, 0]);
    // Within a VPC the interface decides.
    let app = ("10.1.1.6", 8080);
    let to_app = |interface: &str| record(interface, WEB, app, "ACCEPT", 2);
    assert_eq!(accepted(&[to_app("eni-app"), to_app("eni-web")], "app:8080"), [1, 1, 0, 0]);
    assert_eq!(accepted(&[to_app("eni-app"), to_app("eni-proxy")], "app:8080"), [1, 1, 0, 0]);
    // The NAT gateway records what the source has recorded.
    let out = |interface: &str| record(interface, WEB, ("8.8.8.8", 443), "ACCEPT", 2);
    assert_eq!(accepted(&[out("eni-web"), out("eni-nat")], "8.8.8.8:443"), [1, 1, 0, 0]);
    assert_eq!(accepted(&[out("eni-nat")], "8.8.8.8:443"), [0, 0, 0, 0]);
}

#[test]
fn records_of_another_vpc_with_the_same_addresses_do_not_count() {
    let header = HEADER.replace("interface-id", "vpc-id interface-id");
    let accepted = |vpc: &str, destination: &str, address: &str| {
        let flow = record("eni-9", WEB, (address, 5432), "ACCEPT", 2);
        let network = Network { logs: vec![format!("{header}{vpc} {flow}")], ..Network::new() };
        network.explain("web", destination).json()["evidence"]["forward"]["accepted"]["flows"].clone()
    };
    for (vpc, flows) in [("vpc-a", 1), ("vpc-b", 1), ("-", 1), ("vpc-c", 0), ("vpc-9", 0)] {
        assert_eq!(accepted(vpc, "db:5432", "10.2.1.5"), flows, "{vpc}");
    }
    // The destination may be in a VPC that the topology does not have.
    for (vpc, flows) in [("vpc-a", 1), ("vpc-c", 0), ("vpc-9", 1)] {
        assert_eq!(accepted(vpc, "192.168.0.1:5432", "192.168.0.1"), flows, "{vpc}");
    }
}

fn contradictions(network: &Network) -> Vec<String> {
    let found = evidence(network)["contradictions"].clone();
    serde_json::from_value(found).expect("texts")
}

fn with_logs(records: &[String]) -> Network {
    Network { logs: vec![HEADER.to_owned() + &records.concat()], ..Network::new() }
}

#[test]
fn replies_elsewhere_show_that_the_host_listens() {
    let there = record("eni-web", WEB, DB, "ACCEPT", 2);
    let sent = record("eni-db", DB, WEB, "ACCEPT", 18);
    let rejected = record("eni-web", DB, WEB, "REJECT", 18);
    let expected = "1 flow was accepted and not answered in the same VPC, but 1 flow was sent back and accepted at eni-db (db): \
                    replies were lost in between, or the log is incomplete";
    assert_eq!(contradictions(&with_logs(&[there.clone(), sent.clone()])), [expected]);
    let expected = [
        "1 flow was rejected at eni-web (web), but its rules let it pass: the rules were changed since, or the topology is outdated",
        "1 flow was accepted and not answered: 1 flow was sent back, but rejected at eni-web (web)",
    ];
    assert_eq!(contradictions(&with_logs(&[there.clone(), sent, rejected.clone()])), expected);
    assert_eq!(contradictions(&with_logs(&[there, rejected])), expected);
}

#[test]
fn replies_at_the_source_contradict_a_forward_block() {
    let explain = |records: &[String], port: u16| {
        let mut network = Network::with(|topology| {
            resource(topology, "SecurityGroups", "sg-db")["IpPermissions"] = json!([]);
        });
        network.logs = vec![HEADER.to_owned() + &records.concat()];
        let found = network.explain("web", &format!("db:{port}")).json()["evidence"]["contradictions"].clone();
        serde_json::from_value::<Vec<String>>(found).expect("texts")
    };
    let back = |flags: u8| record("eni-web", DB, WEB, "ACCEPT", flags);
    let expected = |replies: &str| {
        format!(
            "{replies} accepted at eni-web (web), but security groups sg-db: no rule of sg-db (db) lets 10.1.1.5 in at \
             5432/TCP (postgresql): the rules were changed since, or the topology is outdated"
        )
    };
    assert_eq!(explain(&[back(18)], 5432), [expected("1 reply was")]);
    assert_eq!(explain(&[back(19), back(0), back(4)], 5432), [expected("3 replies were")]);
    let without_flags = back(0).replace("OK 0", "OK -");
    assert_eq!(explain(&[without_flags], 5432), [expected("1 reply was")]);
    // The destination opens a connection of its own.
    assert_eq!(explain(&[back(2)], 5432), [""; 0]);
    // Either end may have sent the first packet.
    let equal = record("eni-web", ("10.2.1.5", 123), ("10.1.1.5", 123), "ACCEPT", 0);
    assert_eq!(explain(&[equal], 123), [""; 0]);
    // It was recorded where the replies start.
    assert_eq!(explain(&[record("eni-db", DB, WEB, "ACCEPT", 18)], 5432), [""; 0]);
}

#[test]
fn late_packets_contradict_nothing() {
    let rejected = record("eni-db", WEB, DB, "REJECT", 0).replace("OK 0", "OK -");
    let accepted = record("eni-db", WEB, DB, "ACCEPT", 3);
    let expected = "1 flow was rejected at eni-db (db), but its rules let it pass: the rules were changed since, or the topology is outdated";
    assert_eq!(contradictions(&with_logs(std::slice::from_ref(&rejected))), [expected]);
    assert_eq!(contradictions(&with_logs(&[rejected.clone(), accepted.clone()])), [""; 0]);
    // In another input.
    let mut network = with_logs(std::slice::from_ref(&accepted));
    network.logs.push(HEADER.to_owned() + &rejected);
    assert_eq!(contradictions(&network), [""; 0]);
    // Another port, or another interface.
    let other = record("eni-db", ("10.1.1.5", 50_001), DB, "ACCEPT", 3);
    assert_eq!(contradictions(&with_logs(&[rejected.clone(), other])), [expected]);
    let other = record("eni-web", WEB, DB, "ACCEPT", 3);
    assert_eq!(contradictions(&with_logs(&[rejected, other])), [expected]);
}
