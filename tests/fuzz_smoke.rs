//! Runs the properties of the fuzz targets on stable Rust, with words of each input format and with random bytes.

#[expect(dead_code, reason = "other tests summarize logs")]
#[path = "support/flow_log.rs"]
mod flow_log;
#[path = "support/fuzz_bodies.rs"]
mod fuzz_bodies;

use proptest::prelude::*;

/// Generates texts of these words, of numbers, and of random characters.
fn words(words: &'static [&'static str]) -> impl Strategy<Value = String> {
    let word = prop_oneof![
        6 => prop::sample::select(words).prop_map(str::to_owned),
        1 => "[0-9]{1,22}",
        1 => "\\PC{0,6}",
    ];
    prop::collection::vec(word, 0..60).prop_map(|words| words.concat())
}

const LOG_WORDS: &[&str] = &[
    " ",
    "\t",
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

const KEY_WORDS: &[&str] = &["%", "+", "a", "/", "%2F", "%3d", "%C3%A9", "%C3", "%zz", "%2", "=", "é", "%00"];

const EVENT_WORDS: &[&str] = &[
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
    "\"awslogs\":",
    "\"data\":\"H4sIAAAAAAACA6tWyk0tLk5MTw2pLEhVslJy9vcLCfL3ifd1DQ52dHdVqgUAG/cvDCEAAAA=\"",
    "\"tasks\":[",
    "\"taskId\":\"1\"",
    "\"s3Bucket\":\"b\"",
    "\"s3Key\":\"k+%41\"",
    "\"invocationSchemaVersion\":\"2.0\"",
    "\"invocationId\":\"i\"",
];

/// Generates JSON: log events, records, arrays of them, and other values.
fn json_values() -> impl Strategy<Value = String> {
    let value = prop::sample::select(JSON_VALUES).prop_map(str::to_owned);
    let value = value.prop_recursive(3, 40, 5, |value| {
        let values = prop::collection::vec(value, 0..5).prop_map(|values| values.join(", "));
        (values, prop::sample::select(JSON_FRAMES)).prop_map(|(values, (start, end))| format!("{start}{values}{end}"))
    });
    (prop::collection::vec(value, 0..6), prop::sample::select(&["", "\n", " \r\n"][..]))
        .prop_map(|(values, separator)| values.join(separator))
}

const JSON_VALUES: &[&str] = &[
    "{\"message\":\"2 1 eni-1\"}",
    "{\"message\":\"a\\n\",\"timestamp\":7}",
    "{\"timestamp\":7, \"message\":\"a\"}",
    "{\"@message\":\"b\\u0020c\\nd\",\"message\":\"second\"}",
    "{\"message\":7,\"logEvents\":null}",
    "{\"messageType\":\"CONTROL_MESSAGE\",\"events\":[{\"message\":\"check\"}]}",
    "{\"srcaddr\":\"10.0.0.1\",\"dstport\":22}",
    "{\"a\":{\"message\":[\"}\"]},\"b\":null}",
    "{}",
    "[]",
    "\"\\\"]\"",
    "null",
    "-2.5e3",
];

const JSON_FRAMES: &[(&str, &str)] = &[
    ("[", "]"),
    ("{\"logEvents\":[", "],\"owner\":\"1\"}"),
    ("{\"nextToken\":null, \"events\" : [", " ] }"),
    ("{\"message\":\"m\",\"logEvents\":[", "]}"),
    ("{\"x\":[", "]}"),
];

const TOPOLOGY_WORDS: &[&str] = &[
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
    "\"NetworkInterfaces\":[{\"NetworkInterfaceId\":\"eni-1\",\"SubnetId\":\"s-1\",\"PrivateIpAddress\":\"10.0.0.1\",",
    "\"Groups\":[{\"GroupId\":\"sg-1\"}]}]",
    "\"SecurityGroups\":[{\"GroupId\":\"sg-1\",\"IpPermissions\":[",
    "{\"IpProtocol\":\"tcp\",\"FromPort\":",
    "\"ToPort\":",
    "\"IpRanges\":[{\"CidrIp\":\"10.1.0.0/16\"}]",
    "\"NetworkAcls\":[{\"NetworkAclId\":\"acl-1\",\"Associations\":[{\"SubnetId\":\"s-1\"}],\"Entries\":[",
    "{\"RuleNumber\":7,\"Egress\":true,\"RuleAction\":\"deny\",\"Protocol\":\"-1\",\"CidrBlock\":\"0.0.0.0/0\"}",
    "null",
    "{}",
    "[]",
    "7",
];

proptest! {
    #[test]
    fn json_has_the_values_that_a_simple_reader_finds(text in json_values(), random: Vec<u8>) {
        fuzz_bodies::json_values(text.as_bytes());
        fuzz_bodies::json_values(&random);
    }

    #[test]
    fn lines_have_the_class_of_a_simple_parser(text in words(LOG_WORDS), random: Vec<u8>) {
        fuzz_bodies::header_and_lines(text.as_bytes());
        fuzz_bodies::header_and_lines(&random);
    }

    #[test]
    fn chunk_sizes_do_not_change_the_result(lengths: [u8; 8], text in words(LOG_WORDS), truncation: prop::sample::Index, byte: prop::sample::Index, bit in 0u8..8) {
        let gzip = flow_log::gzip(text.as_bytes());
        fuzz_bodies::chunked_reading(&[&lengths, text.as_bytes()].concat());
        fuzz_bodies::chunked_reading(&[&lengths, &gzip[..]].concat());
        fuzz_bodies::chunked_reading(&[&lengths, &gzip[..truncation.index(gzip.len())]].concat());
        let mut flipped = gzip.clone();
        flipped[byte.index(gzip.len())] ^= 1 << bit;
        fuzz_bodies::chunked_reading(&[&lengths, &flipped[..]].concat());
    }

    #[test]
    fn an_event_means_the_same_in_every_envelope(text in words(EVENT_WORDS)) {
        fuzz_bodies::event_envelopes(text.as_bytes());
    }

    #[test]
    fn key_decoding_equals_byte_by_byte_decoding(text in words(KEY_WORDS)) {
        fuzz_bodies::key_decoding(text.as_bytes());
    }

    #[test]
    fn any_pages_are_read_or_an_error(shape: [u8; 2], rows in 0u8..9, random: Vec<u8>, encoding in 0u8..10, flip: Option<(prop::sample::Index, u8)>) {
        let head = [shape[0], shape[1], rows, 0];
        // A header of a data page without compression, in Thrift: type, sizes, number of values, and encodings.
        let size = (random.len() % 64) as u8 * 2;
        let body = &random[..random.len() % 64];
        let header = [0x15, 0, 0x15, size, 0x15, size, 0x2c, 0x15, rows * 2, 0x15, encoding * 2, 0x15, 6, 0x15, 6, 0, 0];
        let mut page = [&head[..], &header, body].concat();
        fuzz_bodies::parquet_pages(&page);
        if let Some((byte, bit)) = flip {
            *byte.get_mut(&mut page) ^= 1 << (bit & 7);
            fuzz_bodies::parquet_pages(&page);
        }
        fuzz_bodies::parquet_pages(&[&head[..], &random].concat());
        fuzz_bodies::parquet_pages(&[b"PAR1", &random[..], b"\x09\0\0\0PAR1"].concat());
    }

    #[test]
    fn any_partial_is_read_or_an_error(changes: Vec<[u8; 4]>, one: [u8; 4], random: Vec<u8>) {
        fuzz_bodies::partials(&one);
        fuzz_bodies::partials(&changes.concat());
        fuzz_bodies::partials(&[b"FSPART\r\n\x01\0\x01x", &random[..]].concat());
    }

    #[test]
    fn any_topology_document_is_read_or_an_error(text in words(TOPOLOGY_WORDS)) {
        fuzz_bodies::topology_documents(text.as_bytes());
    }
}

/// Checks the files that are also the fuzzer's initial corpus.
#[test]
fn properties_hold_for_the_example_files() {
    for event in [
        include_str!("../events/s3-put.json"),
        include_str!("../events/sqs-sns-s3.json"),
        include_str!("../events/sqs-destination-s3.json"),
        include_str!("../events/pipes-sqs.json"),
        include_str!("../events/cloudwatch-logs.json"),
        include_str!("../events/s3-batch-v2.json"),
    ] {
        fuzz_bodies::event_envelopes(event.as_bytes());
    }
    fuzz_bodies::topology_documents(include_bytes!("../examples/sample/topology/peering.json"));
    fuzz_bodies::topology_documents(include_bytes!("../examples/sample/topology/network-acls.json"));
    fuzz_bodies::topology_documents(include_bytes!("golden/made-rules/topology.json"));
    let log = include_bytes!("golden/made-every-finding/input-1.log");
    fuzz_bodies::header_and_lines(log);
    fuzz_bodies::chunked_reading(&[&[0; 8], &log[..]].concat());
    fuzz_bodies::chunked_reading(&[&[7; 8], &flow_log::gzip(log)[..]].concat());
}
