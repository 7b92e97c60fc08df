//! What the fuzzer runs, on stable: bytes that are likely to matter, and any bytes.

mod bodies;
#[expect(dead_code, reason = "logs are summarised by other tests")]
mod flow_log;

use std::io::Write;

use flate2::Compression;
use flate2::write::DeflateEncoder;
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

/// Bits, as DEFLATE puts them into bytes.
#[derive(Default)]
struct Bits {
    bytes: Vec<u8>,
    count: usize,
}

impl Bits {
    /// The lowest `count` bits, the lowest first.
    fn push(&mut self, bits: usize, count: usize) {
        for bit in 0..count {
            if self.count.is_multiple_of(8) {
                self.bytes.push(0);
            }
            self.bytes[self.count / 8] |= ((bits >> bit & 1) as u8) << (self.count % 8);
            self.count += 1;
        }
    }
}

/// Lengths of codes of so many symbols that all bits begin with one: that of nothing, split again and again.
fn code_lengths(symbols: usize, splits: &[prop::sample::Index]) -> Vec<usize> {
    let mut leaves = vec![0];
    for split in splits.iter().take(symbols - 1) {
        let at = split.index(leaves.len());
        if leaves[at] < 15 {
            leaves[at] += 1;
            leaves.push(leaves[at]);
        }
    }
    leaves.resize(symbols, 0);
    leaves
}

/// A window full of text, and a block whose codes are any that can be, or nearly, with any bits behind them.
fn coded_block() -> impl Strategy<Value = Vec<u8>> {
    let splits = || prop::collection::vec(any::<prop::sample::Index>(), 0..300);
    let spoilt = prop::option::weighted(0.1, (0..316_usize, 0..16_usize));
    let data = prop::collection::vec(any::<u8>(), 0..3000);
    let turns = (any::<prop::sample::Index>(), any::<prop::sample::Index>());
    (splits(), splits(), spoilt, turns, data).prop_map(|(symbols, distances, spoilt, turns, data)| {
        let mut block = Bits::default();
        block.push(0, 8);
        block.push(33_000, 16);
        block.push(!33_000, 16);
        block.bytes.extend((0..33_000_u32).map(|at| (at.wrapping_mul(0x9e37_79b9) >> 24) as u8));
        block.count = 8 * block.bytes.len();
        // Dynamic codes of 286 symbols and 30 distances, whose lengths are four bits each.
        for (bits, count) in [(0b100, 3), (29, 5), (29, 5), (15, 4)] {
            block.push(bits, count);
        }
        for symbol in [16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15] {
            block.push(if symbol < 16 { 4 } else { 0 }, 3);
        }
        let (mut lengths, mut far) = (code_lengths(286, &symbols), code_lengths(30, &distances));
        lengths.rotate_right(turns.0.index(286));
        far.rotate_right(turns.1.index(30));
        lengths.append(&mut far);
        if let Some((at, length)) = spoilt {
            lengths[at] = length;
        }
        for length in lengths {
            block.push(length.reverse_bits() >> (usize::BITS - 4), 4);
        }
        for byte in data {
            block.push(usize::from(byte), 8);
        }
        block.bytes
    })
}

/// What flate2 makes of text that repeats itself.
fn compressed() -> impl Strategy<Value = Vec<u8>> {
    let words = prop::collection::vec(("[a-d0-9 ]{1,40}", 1..200_usize), 0..60);
    (words, 0..10_u32).prop_map(|(words, level)| {
        let text: String = words.iter().map(|(word, times)| word.repeat(*times)).collect();
        let mut encoder = DeflateEncoder::new(Vec::new(), Compression::new(level));
        encoder.write_all(text.as_bytes()).and_then(|()| encoder.finish()).expect("memory takes everything")
    })
}

proptest! {
    #[test]
    fn data_is_decompressed_as_zlib_does(
        sizes: [u8; 2],
        data in prop_oneof![compressed(), coded_block(), any::<Vec<u8>>()],
        changed in prop::option::of((any::<prop::sample::Index>(), any::<u8>())),
        cut in prop::option::of(any::<prop::sample::Index>()),
        framed: bool,
    ) {
        let mut data = if framed { flow_log::gzip(&data) } else { data };
        if let Some((at, byte)) = changed && !data.is_empty() {
            let at = at.index(data.len());
            data[at] = byte;
        }
        data.truncate(cut.map_or(data.len(), |cut| cut.index(data.len() + 1)));
        bodies::decompression(&[&sizes, &data[..]].concat());
        // And with what has to stand behind the data for a fault to be told from a cut.
        bodies::decompression(&[&sizes, &data[..], &[0x55; 8]].concat());
    }

    #[test]
    fn lines_fall_into_their_classes(text in words(OF_LOGS), any: Vec<u8>) {
        bodies::header_and_lines(text.as_bytes());
        bodies::header_and_lines(&any);
    }

    #[test]
    fn pieces_make_no_difference(lengths: [u8; 8], text in words(OF_LOGS), cut: prop::sample::Index, at: prop::sample::Index, bit in 0u8..8) {
        let gzip = flow_log::gzip(text.as_bytes());
        bodies::chunked_reading(&[&lengths, text.as_bytes()].concat());
        bodies::chunked_reading(&[&lengths, &gzip[..]].concat());
        bodies::chunked_reading(&[&lengths, &gzip[..cut.index(gzip.len())]].concat());
        let mut flipped = gzip.clone();
        flipped[at.index(gzip.len())] ^= 1 << bit;
        bodies::chunked_reading(&[&lengths, &flipped[..]].concat());
    }

    #[test]
    fn events_are_understood_or_refused_in_any_envelope(text in words(OF_EVENTS)) {
        bodies::event_envelopes(text.as_bytes());
    }

    #[test]
    fn keys_are_decoded_byte_by_byte(text in words(OF_KEYS)) {
        bodies::key_decoding(text.as_bytes());
    }

    #[test]
    fn topologies_are_read_or_refused(text in words(OF_TOPOLOGIES)) {
        bodies::topology_documents(text.as_bytes());
    }
}

/// The texts of the repository are where the fuzzer begins, too.
#[test]
fn the_bodies_hold_of_what_the_repository_has() {
    for event in [
        include_str!("../events/s3-put.json"),
        include_str!("../events/sqs-sns-s3.json"),
        include_str!("../events/sqs-destination-s3.json"),
    ] {
        bodies::event_envelopes(event.as_bytes());
    }
    bodies::topology_documents(include_bytes!("../examples/sample/topology/peering.json"));
    let log = include_bytes!("golden/made-every-finding/input.log");
    bodies::header_and_lines(log);
    bodies::chunked_reading(&[&[0; 8], &log[..]].concat());
    bodies::chunked_reading(&[&[7; 8], &flow_log::gzip(log)[..]].concat());
    bodies::decompression(&[&[7; 2], &flow_log::gzip(log)[..]].concat());
    bodies::decompression(&[&[7; 2], &flow_log::gzip(log)[10..]].concat());
    // No code at all.
    for zeros in [12, 60] {
        bodies::decompression(&[&[7, 7, 5][..], &vec![0; zeros]].concat());
    }
}
