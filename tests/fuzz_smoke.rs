//! What the fuzzer runs, on stable: bytes that are likely to matter, and any bytes.

#[expect(dead_code, reason = "logs are summarised by other tests")]
#[path = "support/flow_log.rs"]
mod flow_log;
#[path = "support/fuzz_bodies.rs"]
mod fuzz_bodies;

use proptest::prelude::*;

fn words(words: &'static [&'static str]) -> impl Strategy<Value = String> {
    let word = prop_oneof![
        6 => prop::sample::select(words).prop_map(str::to_owned),
        1 => "[0-9]{1,22}",
        1 => "\\PC{0,6}",
    ];
    prop::collection::vec(word, 0..60).prop_map(|words| words.concat())
}

const OF_LOGS: &[&str] = &[
    " ",
    " ",
    " ",
    " ",
    " ",
    "\n",
    "-",
    "version",
    "srcaddr",
    "dstaddr",
    "dstport",
    "protocol",
    "action",
    "log-status",
    "log_status",
    "tcp-flags",
    "pkt-srcaddr",
    "10.0.0.1",
    "::1",
    "::ffff:10.0.0.1",
    "fe80::1%eth0",
    "010.0.0.1",
    "ACCEPT",
    "REJECT",
    "NODATA",
    "SKIPDATA",
    "FAILURE",
    "OK",
    "0",
    "65535",
    "65536",
    "255",
    "256",
    "18446744073709551615",
    "18446744073709551616",
    "+1",
    "-1",
];

const OF_KEYS: &[&str] = &["%", "+", "a", "/", "%2F", "%3d", "%C3%A9", "%C3", "%zz", "%2", "=", "é", "%00"];

const OF_EVENTS: &[&str] = &[
    "{",
    "}",
    "[",
    "]",
    ",",
    ":",
    "\"Records\":",
    "\"s3\":",
    "\"bucket\":",
    "\"object\":",
    "\"name\":\"b\"",
    "\"key\":\"k+%41\"",
    "\"detail\":",
    "\"requestPayload\":",
    "\"Type\":\"Notification\"",
    "\"Message\":",
    "\"body\":",
    "\"messageId\":\"1\"",
    "\"Sns\":",
    "\"Event\":\"s3:TestEvent\"",
    "\"\"",
    "null",
    "{}",
    "[]",
    "\"{}\"",
    "\"eTag\":\"e\"",
];

const OF_TOPOLOGIES: &[&str] = &[
    "{",
    "}",
    "[",
    "]",
    ",",
    "\"Vpcs\":[",
    "\"VpcId\":\"vpc-a\"",
    "\"VpcId\":\"vpc-b\"",
    "\"CidrBlock\":\"10.0.0.0/16\"",
    "\"CidrBlock\":\"10.1.0.0/99\"",
    "\"VpcPeeringConnections\":[",
    "\"VpcPeeringConnectionId\":\"pcx-1\"",
    "\"Status\":{\"Code\":\"active\"}",
    "\"RequesterVpcInfo\":{\"VpcId\":\"vpc-a\"}",
    "\"AccepterVpcInfo\":{\"VpcId\":\"vpc-b\"}",
    "\"RouteTables\":[",
    "\"Routes\":[",
    "null",
    "{}",
    "[]",
    "7",
];

proptest! {
    #[test]
    fn lines_have_the_class_of_a_simple_parser(text in words(OF_LOGS), any: Vec<u8>) {
        fuzz_bodies::header_and_lines(text.as_bytes());
        fuzz_bodies::header_and_lines(&any);
    }

    #[test]
    fn chunk_sizes_do_not_change_the_result(lengths: [u8; 8], text in words(OF_LOGS), cut: prop::sample::Index, at: prop::sample::Index, bit in 0u8..8) {
        let gzip = flow_log::gzip(text.as_bytes());
        fuzz_bodies::chunked_reading(&[&lengths, text.as_bytes()].concat());
        fuzz_bodies::chunked_reading(&[&lengths, &gzip[..]].concat());
        fuzz_bodies::chunked_reading(&[&lengths, &gzip[..cut.index(gzip.len())]].concat());
        let mut flipped = gzip.clone();
        flipped[at.index(gzip.len())] ^= 1 << bit;
        fuzz_bodies::chunked_reading(&[&lengths, &flipped[..]].concat());
    }

    #[test]
    fn an_event_means_the_same_in_every_envelope(text in words(OF_EVENTS)) {
        fuzz_bodies::event_envelopes(text.as_bytes());
    }

    #[test]
    fn key_decoding_equals_byte_by_byte_decoding(text in words(OF_KEYS)) {
        fuzz_bodies::key_decoding(text.as_bytes());
    }

    #[test]
    fn any_topology_document_is_read_or_an_error(text in words(OF_TOPOLOGIES)) {
        fuzz_bodies::topology_documents(text.as_bytes());
    }
}

/// The texts of the repository are where the fuzzer begins, too.
#[test]
fn properties_hold_for_the_example_files() {
    for event in [
        include_str!("../events/s3-put.json"),
        include_str!("../events/sqs-sns-s3.json"),
        include_str!("../events/sqs-destination-s3.json"),
    ] {
        fuzz_bodies::event_envelopes(event.as_bytes());
    }
    fuzz_bodies::topology_documents(include_bytes!("../examples/sample/topology/peering.json"));
    let log = include_bytes!("golden/made-every-finding/input.log");
    fuzz_bodies::header_and_lines(log);
    fuzz_bodies::chunked_reading(&[&[0; 8], &log[..]].concat());
    fuzz_bodies::chunked_reading(&[&[7; 8], &flow_log::gzip(log)[..]].concat());
}
