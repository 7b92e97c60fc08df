//! Evidence from logs, and its contradictions with the rules.

use serde_json::{Value, json};

use crate::network::{Network, add_entries, entry};

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
    assert!(text.contains(&format!("! {expected}")), "{text}");
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
fn evidence_of_the_internet_is_that_of_public_addresses() {
    let record = |dst: &str| record("eni-proxy", ("10.1.2.9", 50_000), (dst, 443), "ACCEPT", 2);
    let network =
        Network { logs: vec![HEADER.to_owned() + &record("8.8.8.8") + &record("10.2.1.5")], ..Network::new() };
    let evidence = network.explain("proxy", "internet:443").json()["evidence"].clone();
    assert_eq!(evidence["forward"]["accepted"]["flows"], 1);
    assert_eq!(evidence["forward"]["unanswered"]["flows"], 1);
}
