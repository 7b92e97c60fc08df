//! Parquet files give the same summary as the same records in text, however they are written.

#[path = "support/flow_log.rs"]
mod flow_log;
#[path = "support/parquet_writer.rs"]
mod parquet_writer;

use std::net::IpAddr;

use flow_log::{gzip, summarize};
use flowsentry::pipeline::{self, Options};
use flowsentry::record::Action;
use flowsentry::record::field::Field;
use flowsentry::summary::Summary;
use parquet_writer::{Encodings, Integers, Layout, write};
use proptest::prelude::*;

const VERSION_2: [&str; 14] = [
    "version",
    "account-id",
    "interface-id",
    "srcaddr",
    "dstaddr",
    "srcport",
    "dstport",
    "protocol",
    "packets",
    "bytes",
    "start",
    "end",
    "action",
    "log-status",
];

/// Returns a text log with these columns.
fn text(names: &[&str], rows: &[Vec<String>]) -> Vec<u8> {
    let lines = rows.iter().map(|row| row.join(" ") + "\n");
    (names.join(" ") + "\n" + &lines.collect::<String>()).into_bytes()
}

/// Summarizes one input. Line numbers do not count the header, and the text of malformed rows has only the needed columns.
fn summary(bytes: &[u8]) -> Summary {
    let mut summary = summarize([("log", bytes)], None);
    summary.sources.clear();
    // Messages about a whole object name its shape.
    summary.failed.iter_mut().for_each(|failed| failed.error.clear());
    let has_header = !bytes.starts_with(b"PAR1");
    for malformed in &mut summary.malformed {
        malformed.line -= u64::from(has_header);
        malformed.text.clear();
    }
    summary
}

fn rows(lines: &[&str]) -> Vec<Vec<String>> {
    lines.iter().map(|line| line.split(' ').map(str::to_owned).collect()).collect()
}

/// Generates the value of a field.
fn value(field: Field) -> BoxedStrategy<String> {
    let number = |max: u64| prop_oneof![3 => 0..=max.min(3), 2 => 0..=max].prop_map(|number| number.to_string());
    let address = prop_oneof![
        4 => (0..3u8, 0..4u8).prop_map(|(net, host)| format!("10.{net}.0.{host}")),
        1 => any::<u32>().prop_map(|v4| IpAddr::from(v4.to_be_bytes()).to_string()),
        1 => any::<u128>().prop_map(|v6| IpAddr::from(v6.to_be_bytes()).to_string()),
        1 => Just("::ffff:10.0.0.1".to_owned()),
        1 => Just("-".to_owned()),
    ];
    let word = |words: &'static [&'static str]| prop::sample::select(words).prop_map(str::to_owned).boxed();
    let or_absent = |strategy: BoxedStrategy<String>| prop_oneof![6 => strategy, 1 => Just("-".to_owned())].boxed();
    match field {
        Field::Srcaddr | Field::Dstaddr | Field::PktSrcaddr | Field::PktDstaddr => address.boxed(),
        Field::Srcport | Field::Dstport => or_absent(prop_oneof![9 => number(65_535), 1 => number(99_999)].boxed()),
        Field::Protocol => or_absent(prop_oneof![9 => word(&["6", "17", "1"]), 1 => number(260)].boxed()),
        Field::Start | Field::End => {
            or_absent((1_795_413_600..1_795_417_200_u64).prop_map(|time| time.to_string()).boxed())
        }
        Field::TcpFlags => or_absent(word(&["0", "1", "2", "3", "18", "19"])),
        Field::Version | Field::TrafficPath | Field::EncryptionStatus => or_absent(number(9).boxed()),
        Field::Packets | Field::Bytes => or_absent(prop_oneof![number(100_000), number(i64::MAX as u64)].boxed()),
        Field::Action => word(&["ACCEPT", "REJECT", "REJECT", "ACCEPT", "-", "accept"]),
        Field::LogStatus => word(&["OK", "OK", "OK", "OK", "OK", "NODATA", "SKIPDATA", "-", "NEW"]),
        Field::FlowDirection => word(&["ingress", "egress", "-"]),
        Field::RejectReason => word(&["-", "-", "BPA", "EC"]),
        field if field.name().starts_with("packets-lost") => or_absent(number(9).boxed()),
        _ => or_absent(prop::sample::select(&["a-0", "a-1", "a-2"][..]).prop_map(str::to_owned).boxed()),
    }
}

const FIELDS: &[Field] = &[
    Field::RejectReason,
    Field::EncryptionStatus,
    Field::TgwId,
    Field::TgwSrcVpcId,
    Field::PacketsLostNoRoute,
    Field::PacketsLostMtuExceeded,
    Field::InstanceTag,
];

/// Generates the names of columns in any order, and rows.
fn table() -> impl Strategy<Value = (Vec<&'static str>, Vec<Vec<String>>)> {
    let known: Vec<Field> = Field::ALL[..29].iter().chain(FIELDS).copied().collect();
    let fields = prop_oneof![
        2 => Just(Field::ALL[..14].to_vec()),
        2 => Just(Field::ALL[..29].to_vec()),
        4 => prop::sample::subsequence(known.clone(), 1..known.len()).prop_shuffle(),
    ];
    fields.prop_flat_map(|fields| {
        let names = fields.iter().map(|field| field.name()).collect::<Vec<_>>();
        let row = fields.iter().map(|field| value(*field)).collect::<Vec<_>>();
        (Just(names), prop::collection::vec(row, 1..80))
    })
}

fn layout() -> impl Strategy<Value = Layout> {
    let codec = prop::sample::select(&["none", "snappy", "gzip", "zstd"][..]);
    let integers = prop::sample::select(&[Integers::Aws, Integers::Signed64, Integers::Unsigned, Integers::Texts][..]);
    let encodings = prop::sample::select(&[Encodings::Plain, Encodings::Delta, Encodings::Other][..]);
    let pages = (1..60_usize, 1..80_usize, prop::sample::select(&[1 << 20, 40][..]));
    (codec, 1..=2_u8, any::<[bool; 2]>(), pages, integers, encodings).prop_map(
        |(codec, version, [has_dictionary, has_null_texts], pages, integers, encodings)| {
            let (rows_per_page, rows_per_group, dictionary_bytes) = pages;
            Layout {
                codec,
                version,
                has_dictionary,
                dictionary_bytes,
                rows_per_page,
                rows_per_group,
                integers,
                encodings,
                has_null_texts,
            }
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn the_same_records_give_the_same_summary((names, rows) in table(), layout in layout()) {
        let parquet = write(&names, &rows, &layout);
        prop_assert_eq!(summary(&parquet), summary(&text(&names, &rows)));
    }

    #[test]
    fn flows_are_those_of_the_text((names, rows) in table(), layout in layout()) {
        let flows = |bytes: &[u8]| {
            let mut seen = Vec::new();
            let result = pipeline::for_each_flow("x", bytes, &Options::default(), |flow| seen.push(format!("{flow:?}")));
            result.map(|_| seen).map_err(|error| error.code())
        };
        prop_assert_eq!(flows(&write(&names, &rows, &layout)), flows(&text(&names, &rows)));
    }
}

#[test]
fn the_layout_of_aws_is_read() {
    let rows = rows(&[
        "2 123456789010 eni-1 172.31.16.139 172.31.16.21 20641 22 6 20 4249 1418530010 1418530070 ACCEPT OK",
        "2 123456789010 eni-1 172.31.9.69 172.31.9.12 49761 3389 6 20 4249 1418530010 1418530070 REJECT OK",
        "2 123456789010 eni-1 - - - - - - - 1431280876 1431280934 - NODATA",
        "2 123456789010 eni-2 - - - - - - - 1431280876 1431280934 - SKIPDATA",
    ]);
    let file = write(&VERSION_2, &rows, &Layout::aws());
    let found = summarize([("x.log.parquet", &file[..])], None);
    let records = found.records;
    assert_eq!(
        (records.total, records.accepted, records.rejected, records.no_data, records.skip_data),
        (4, 1, 1, 1, 1)
    );
    assert_eq!((found.sources[0].compressed_bytes, found.sources[0].records), (file.len() as u64, 4));
    let names: Vec<String> = VERSION_2.iter().map(|name| name.replace('-', "_")).collect();
    assert_eq!((found.formats[0].version, &found.formats[0].fields), (Some(2), &names));
    assert_eq!(found.rejected.groups[0].service_name, Some("rdp"));
    // In gzip, too.
    assert_eq!(summarize([("x", &gzip(&file)[..])], None).records, records);
}

#[test]
fn a_bad_value_is_a_malformed_row() {
    let good = "2 1 eni-1 10.0.0.1 10.0.0.2 1 22 6 1 40 1418530010 1418530070 REJECT OK";
    let cases = [
        (good.replace(" 22 ", " 70000 "), "dstport is not an integer from 0 to 65535"),
        (good.replace(" 22 ", " -1 "), "dstport is not an integer from 0 to 65535"),
        (good.replace(" 40 ", " -40 "), "bytes is not an integer from 0 to 18446744073709551615"),
        (good.replace(" 6 ", " 256 "), "protocol is not an integer from 0 to 255"),
        (good.replace("10.0.0.2", "10.0.0"), "dstaddr is not an IPv4 or IPv6 address"),
        (good.replace("10.0.0.1", "-"), "srcaddr is missing in a record with an action"),
    ];
    for has_dictionary in [true, false] {
        for (line, reason) in &cases {
            let file = write(&VERSION_2, &rows(&[good, line, good]), &Layout { has_dictionary, ..Layout::aws() });
            let found = summarize([("x", &file[..])], None);
            assert_eq!((found.records.total, found.records.rejected, found.records.malformed), (3, 2, 1), "{line}");
            let sample = &found.malformed[0];
            let shown = line.replacen("2 1 ", "2 ", 1);
            assert_eq!((sample.line, &*sample.reason, &*sample.text), (2, *reason, &*shown));
        }
    }
    // The first bad value in the order of the columns decides.
    let file =
        write(&VERSION_2, &rows(&[good, &good.replace("10.0.0.1", "x").replace(" 22 ", " 70000 ")]), &Layout::aws());
    assert_eq!(summarize([("x", &file[..])], None).malformed[0].reason, "srcaddr is not an IPv4 or IPv6 address");
}

#[test]
fn a_file_without_a_record_is_not_a_flow_log() {
    let bad = "2 1 eni-1 10.0.0.1 10.0.0 1 22 6 1 40 1418530010 1418530070 REJECT OK";
    let file = write(&VERSION_2, &rows(&[bad, bad]), &Layout::aws());
    let error = pipeline::analyze("x", &file[..], &Options::default()).expect_err("no record");
    assert_eq!(
        error.to_string(),
        "not a flow log: none of its 2 rows is a record with the columns of its header: dstaddr is not an IPv4 or IPv6 \
         address; check the program that wrote it (row 1 begins with \"2 eni-1 10.0.0.1 10.0.0 1 22 6 1 40 1418530010 \
         1418530070 REJECT OK\")"
    );
    let error = pipeline::for_each_flow("x", &file[..], &Options::default(), |_| ()).expect_err("no record");
    assert_eq!(error.code(), "not_a_flow_log");
    let empty = write(&VERSION_2, &[], &Layout::aws());
    assert_eq!(summarize([("x", &empty[..])], None).records.total, 0);
}

#[test]
fn columns_of_other_files_are_named() {
    let error = |names: &[&str]| {
        let file = write(names, &rows(&[&vec!["1"; names.len()].join(" ")]), &Layout::aws());
        pipeline::analyze("x", &file[..], &Options::default()).expect_err("not a flow log").to_string()
    };
    assert_eq!(
        error(&["class_uid", "category_uid", "metadata", "start"]),
        "not a flow log: it is a Parquet file in OCSF, as Security Lake writes it; create a flow log that delivers to S3, and \
         read that (column 1 begins with \"class_uid category_uid metadata start\")"
    );
    assert_eq!(
        error(&["start", "name", "value"]),
        "not a flow log: it is a Parquet file, and its columns are not those of a flow log; keep other files out of the folder \
         or prefix of the flow logs (column 1 begins with \"start name value\")"
    );
    assert!(
        summarize([("x", &write(&["start", "name"], &rows(&["1 x"]), &Layout::aws())[..])], None).failed.is_empty()
    );
}

#[test]
fn limits_are_those_of_text() {
    let line = "2 1 eni-1 10.0.0.1 10.0.0.2 1 22 6 1 40 1418530010 1418530070 REJECT OK";
    let file = write(&VERSION_2, &rows(&[line; 4]), &Layout { codec: "none", ..Layout::aws() });
    let code = |options: Options| pipeline::analyze("x", &file[..], &options).map(|_| ()).map_err(|error| error.code());
    let options = Options::default;
    assert_eq!(code(Options { max_lines: 4, ..options() }), Ok(()));
    assert_eq!(code(Options { max_lines: 3, ..options() }), Err("too_many_lines"));
    let bytes = summarize([("x", &file[..])], None).sources[0].bytes;
    assert_eq!(code(Options { max_object_bytes: file.len() as u64, ..options() }), Ok(()));
    assert_eq!(code(Options { max_object_bytes: bytes - 1, ..options() }), Err("too_large"));
}

#[test]
fn a_dictionary_that_is_used_again_is_read_again() {
    // Among many distinct values the writer gives up the dictionary in each row group.
    let line = |n: u32| {
        format!("2 1 eni-1 10.0.{}.{} 10.0.0.2 1 {} 6 1 {n} 1418530010 1418530070 REJECT OK", n / 250, n % 250, n % 9)
    };
    let lines: Vec<String> = (0..9000).map(line).collect();
    let rows = rows(&lines.iter().map(String::as_str).collect::<Vec<_>>());
    let layout = Layout { dictionary_bytes: 1000, rows_per_page: 100, rows_per_group: 4000, ..Layout::aws() };
    assert_eq!(summary(&write(&VERSION_2, &rows, &layout)), summary(&text(&VERSION_2, &rows)));
    let mut actions = Vec::new();
    pipeline::for_each_flow("x", &write(&VERSION_2, &rows, &layout)[..], &Options::default(), |flow| {
        actions.push(flow.action);
    })
    .expect("a flow log");
    assert_eq!(actions, vec![Action::Reject; 9000]);
}
