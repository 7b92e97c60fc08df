//! The same records in every shape give the same summary, however they are compressed. A cut or a flipped bit never goes unnoticed where
//! the shape can show it.

#[path = "support/flow_log.rs"]
mod flow_log;

use flowsentry::input::shape::Shape;
use flowsentry::pipeline::{self, Options};
use flowsentry::record::format::Format;
use flowsentry::summary::Summary;
use flowsentry::summary::build::{self, SummaryOptions};
use serde_json::{Value, json};

use flow_log::{gzip, summarize};

const HEADER: &str = "version account-id interface-id srcaddr dstaddr srcport dstport protocol packets bytes start end action log-status";

/// Records of every class.
const RECORDS: &[&str] = &[
    "2 123456789012 eni-0a 22.9.4.7 10.20.0.9 51515 23 6 1 40 1795413604 1795413660 REJECT OK",
    "2 123456789012 eni-0a 10.20.1.4 10.20.0.9 40001 443 6 9 1200 1795413604 1795413660 ACCEPT OK",
    "2 123456789012 eni-0b 2001:db8::5 ::ffff:10.20.0.9 40001 443 17 9 18446744073709551615 1795413604 1795413660 ACCEPT OK",
    "2 unknown eni-0a - - - - - - - 1795413664 1795413720 - NODATA",
    "2 123456789012 eni-0b - - - - - - - 1795413664 1795413720 - SKIPDATA",
    "2 123456789012 eni-0a 10.20.1.4 10.20.0.9 40001 443 6 9 1200 1795413604 1795413660 - OK",
    "2 123456789012 eni-0a - 10.20.0.9 40001 443 6 9 1200 1795413604 1795413660 REJECT OK",
    "2 123456789012 eni-0a 10.20.1.4 10.20.0.9 40001 70000 6 9 1200 1795413604 1795413660 REJECT OK",
];

/// An object: its name, its shape, and its content.
type Object = (&'static str, Shape, String);

/// Returns one object per way to write the records.
fn objects() -> Vec<Object> {
    let joined = |format: &dyn Fn(&str) -> String, separator: &str| {
        RECORDS.iter().map(|record| format(record)).collect::<Vec<_>>().join(separator)
    };
    let message = |record: &str| json!({ "message": record }).to_string();
    let event =
        |record: &str| json!({ "id": "371", "timestamp": 1_795_413_604_000_u64, "message": record }).to_string();
    let fields = |record: &str| {
        let values = record.split(' ').map(|value| match value.parse::<u64>() {
            Ok(number) => json!(number),
            Err(_) if value == "-" => Value::Null,
            Err(_) => json!(value),
        });
        let members =
            HEADER.split(' ').zip(values).map(|(name, value)| format!("\"{}\":{value}", name.replace('-', "_")));
        format!("{{{}}}", members.collect::<Vec<_>>().join(","))
    };
    let envelope = |events: String| {
        let before = r#"{"messageType":"DATA_MESSAGE","owner":"1","logGroup":"g","logStream":"eni-0a-all","subscriptionFilters":["f"]"#;
        format!("{before},\"logEvents\":[{events}]}}")
    };
    let exported = |prefix: &'static str| move |record: &str| format!("{prefix} {record}");
    let quoted = |record: &str| record.split(' ').map(|value| format!("\"{value}\"")).collect::<Vec<_>>().join(",");
    let empty_for_absent = |record: &str| record.replace(" -", " ").replace(' ', ",");
    let commas = HEADER.replace(' ', ",");
    let control =
        r#"{"messageType":"CONTROL_MESSAGE","logEvents":[{"id":"","timestamp":1,"message":"CWL CONTROL MESSAGE"}]}"#;
    vec![
        ("text", Shape::Text, joined(&str::to_owned, "\n")),
        ("header", Shape::Text, format!("{HEADER}\n{}\n", joined(&str::to_owned, "\r\n"))),
        ("tabs", Shape::Text, joined(&|record| record.replace(' ', "\t"), "\n")),
        ("messages", Shape::Json, joined(&message, "")),
        ("messages by line", Shape::Json, joined(&message, "\n")),
        ("array of messages", Shape::Json, format!("[{}]", joined(&message, ", "))),
        ("subscription", Shape::Json, format!("{control}{}", RECORDS.map_envelopes(&|record| envelope(event(record))))),
        ("one subscription", Shape::Json, envelope(joined(&event, ","))),
        (
            "log events",
            Shape::Json,
            format!("{{\"events\": [{}],\n \"searchedLogStreams\": []}}", joined(&event, ",\n")),
        ),
        ("fields", Shape::Json, joined(&fields, "\n")),
        ("export", Shape::CloudwatchExport, joined(&exported("2026-11-23T06:00:04.000Z"), "\n")),
        ("tail", Shape::CloudwatchExport, joined(&exported("2026-11-23T06:00:04.000000+00:00 eni-0a-all"), "\n")),
        ("short tail", Shape::CloudwatchExport, joined(&exported("2026-11-23T06:00:04"), "\n")),
        ("CSV", Shape::Csv, format!("{commas}\n{}\n", joined(&|record| record.replace(' ', ","), "\n"))),
        ("CSV with empty values", Shape::Csv, format!("{commas}\r\n{}\r\n", joined(&empty_for_absent, "\r\n"))),
        ("quoted CSV", Shape::Csv, format!("{}\n{}\n", quoted(&HEADER.replace('-', "_")), joined(&quoted, "\n"))),
        ("tabs and header", Shape::Csv, format!("{}\n{}", HEADER, joined(&str::to_owned, "\n")).replace(' ', "\t")),
        (
            "console",
            Shape::Csv,
            format!("timestamp,message\n{}", joined(&|record| format!("1795413604000,{record}"), "\n")),
        ),
        ("query", Shape::Csv, format!("@message,@timestamp\n{}", joined(&|record| format!("\"{record}\",7"), "\n"))),
    ]
}

/// Formats each record as a value of its own.
trait MapEnvelopes {
    fn map_envelopes(&self, format: &dyn Fn(&str) -> String) -> String;
}

impl MapEnvelopes for &[&str] {
    fn map_envelopes(&self, format: &dyn Fn(&str) -> String) -> String {
        self.iter().map(|record| format(record)).collect()
    }
}

/// Returns what does not depend on the shape.
fn comparable(mut summary: Summary) -> Summary {
    summary.sources.clear();
    for sample in &mut summary.malformed {
        sample.text.clear();
        sample.line = 0;
    }
    summary
}

fn read(content: &[u8]) -> Summary {
    summarize([("x", content)], None)
}

#[test]
fn every_shape_gives_the_same_summary_in_every_compression() {
    let expected = comparable(read(RECORDS.join("\n").as_bytes()));
    let records = expected.records;
    let classes =
        [records.accepted, records.rejected, records.no_data, records.skip_data, records.other, records.malformed];
    assert_eq!((records.total, classes), (8, [2, 1, 1, 1, 1, 2]));
    for (name, shape, content) in objects() {
        let bytes = content.as_bytes();
        let middle = bytes.len() / 2;
        let members = [gzip(&bytes[..middle]), gzip(&bytes[middle..])].concat();
        for object in [bytes.to_vec(), gzip(bytes), members.clone(), gzip(&gzip(bytes)), gzip(&members)] {
            let summary = read(&object);
            assert_eq!(summary.failed, [], "{name}");
            let source = &summary.sources[0];
            assert_eq!((source.shape, source.records, source.bytes), (shape, 8, bytes.len() as u64), "{name}");
            assert_eq!(source.compressed_bytes, object.len() as u64, "{name}");
            // The two ways to write the header differ in nothing that is shown.
            let compared = comparable(summary);
            assert_eq!(compared.records, expected.records, "{name}");
            assert_eq!(serde_json::to_string(&compared).ok(), serde_json::to_string(&expected).ok(), "{name}");
        }
    }
}

#[test]
fn a_column_of_messages_goes_before_columns_of_fields() {
    let [first, second] = [RECORDS[0], RECORDS[1]];
    let expected = comparable(read(format!("{first}\n{second}\n").as_bytes()));
    for content in [
        format!("@message,action,bytes\n{first},REJECT,7\n{second},ACCEPT,8\n"),
        format!("@message\n{first}\n{second}\n"),
        format!("\"@message\"\n\"{first}\"\n\"{second}\"\n"),
        format!("\n \n@timestamp,@message\n7,{first}\n8,{second}\n"),
    ] {
        let summary = read(content.as_bytes());
        assert_eq!(summary.sources[0].shape, Shape::Csv, "{content}");
        assert_eq!(comparable(summary), expected, "{content}");
    }
}

#[test]
fn malformed_records_of_an_export_are_numbered_from_its_start() {
    let time = "2026-11-23T06:00:04.000Z ";
    let record = format!("{time}{}", RECORDS[0]);
    let summary = read(format!("\n\ngarbage\n{record}\nbad\n\nbad\n{record}\n").as_bytes());
    let numbers: Vec<u64> = summary.malformed.iter().map(|sample| sample.line).collect();
    assert_eq!((numbers, summary.records.total), (vec![1, 3, 4], 5));
}

#[test]
fn malformed_records_have_their_number() {
    for (name, shape, content) in objects() {
        let summary = read(content.as_bytes());
        let lines: Vec<u64> = summary.malformed.iter().map(|sample| sample.line).collect();
        let is_below_header = shape == Shape::Text && content.starts_with("version");
        assert_eq!(lines, if is_below_header { [8, 9] } else { [7, 8] }, "{name}");
        assert_eq!(summary.malformed[1].reason, "dstport is not an integer from 0 to 65535", "{name}");
        assert!(summary.malformed[1].text.contains("70000"), "{name}");
    }
}

#[test]
fn background_decompression_changes_nothing() {
    for (name, _, content) in objects() {
        let read = |decompress_in_background| {
            let options = Options { decompress_in_background, ..Options::default() };
            let analysis = pipeline::analyze("x", &gzip(content.as_bytes())[..], &options).expect("a flow log");
            serde_json::to_string(&build::build_summary(analysis, &SummaryOptions::default(), None)).expect("JSON")
        };
        assert_eq!(read(true), read(false), "{name}");
    }
}

#[test]
fn a_setting_gives_the_columns_of_messages() {
    let columns = "${interface-id} ${srcaddr} ${dstaddr} ${action} ${log-status}";
    let options = Options { format: Format::from_setting(columns).expect("a format"), ..Options::default() };
    let line = "eni-1 10.0.0.1 10.0.0.2 REJECT OK";
    for content in [
        format!("{{\"message\":\"{line}\"}}"),
        format!("{{\"logEvents\":[{{\"message\":\"{line}\"}}]}}"),
        format!("2026-11-23T06:00:04.000Z {line}"),
        format!("timestamp,message\n7,{line}"),
    ] {
        let analysis = pipeline::analyze("x", content.as_bytes(), &options).expect("a flow log");
        let summary = build::build_summary(analysis, &SummaryOptions::default(), None);
        assert_eq!((summary.records.rejected, summary.records.total), (1, 1), "{content}");
        assert_eq!(summary.formats[0].fields, ["interface_id", "srcaddr", "dstaddr", "action", "log_status"]);
    }
}

#[test]
fn records_by_field_name_do_not_change_the_columns_of_messages() {
    let fields = r#"{"dstaddr":"10.0.0.2","srcaddr":"10.0.0.1","action":"REJECT","extra":[1]}"#;
    let content = format!("{fields}\n{{\"message\":\"{}\"}}\n{fields}", RECORDS[0]);
    let summary = read(content.as_bytes());
    assert_eq!((summary.records.total, summary.records.rejected), (3, 3));
    let formats: Vec<_> = summary.formats.iter().map(|format| format.fields.len()).collect();
    assert_eq!(formats, [4, 14]);
    // Fewer than half of the names are those of fields.
    let other = r#"{"srcaddr":"10.0.0.1","a":1,"b":2}"#;
    let summary = read(format!("{fields}{other}").as_bytes());
    assert_eq!((summary.records.rejected, summary.records.malformed), (1, 1));
}

#[test]
fn headers_of_csv_may_repeat_and_change() {
    let content = "srcaddr,dstaddr,action\n10.0.0.1,10.0.0.2,REJECT\nsrcaddr,dstaddr,action\n10.0.0.1,10.0.0.3,REJECT\n\
                   action,dstaddr,srcaddr\nACCEPT,10.0.0.4,10.0.0.1\n,,\n\n";
    let records = read(content.as_bytes()).records;
    assert_eq!((records.total, records.rejected, records.accepted), (3, 2, 1));
}

#[test]
fn lines_of_an_export_are_told_apart_one_by_one() {
    let time = "2026-11-23T06:00:04.000Z ";
    let (record, more) = (RECORDS[0], format!("{} more", RECORDS[0]));
    let content = [&format!("{time}{record}"), record, &format!("{time}{more}"), &format!("x{time}{record}"), record]
        .map(|line| line.to_string() + "\n");
    let summary = read(content.concat().repeat(50).as_bytes());
    assert_eq!((summary.records.rejected, summary.records.malformed), (150, 100));
    assert_eq!(summary.sources[0].shape, Shape::CloudwatchExport);
    // A header of an export has no time of its own.
    let summary = read(format!("{time}{HEADER}\n{time}{record}\n").as_bytes());
    assert_eq!((summary.records.total, summary.formats[0].fields.len()), (1, 14));
}

#[test]
fn a_cut_is_an_error_where_the_shape_shows_it() {
    for (name, shape, content) in objects() {
        let compressed = gzip(&gzip(content.as_bytes()));
        for cut in 2..compressed.len() {
            let error = pipeline::analyze("x", &compressed[..cut], &Options::default()).expect_err("cut off");
            assert_eq!(error.code(), "gzip_truncated", "{name} {cut}");
        }
        if shape != Shape::Json || !content.starts_with('[') && !content.ends_with("]}") {
            continue;
        }
        for cut in 1..content.len() {
            let result = pipeline::analyze("x", &content.as_bytes()[..cut], &Options::default());
            let code = result.map(|_| ()).map_err(|error| error.code());
            // A value may end there.
            assert!(
                code == Err("json_truncated") || code.is_ok() || code == Err("not_a_flow_log"),
                "{name} {cut}: {code:?}"
            );
        }
    }
}

#[test]
fn a_flipped_bit_never_panics_and_never_adds_records() {
    for (name, _, content) in objects() {
        let compressed = gzip(content.as_bytes());
        // Steps of three flip each of the bits.
        for index in (0..compressed.len()).step_by(3) {
            let mut flipped = compressed.clone();
            flipped[index] ^= 1 << (index % 8);
            if index >= 2
                && let Ok(analysis) = pipeline::analyze("x", &flipped[..], &Options::default())
            {
                let summary = build::build_summary(analysis, &SummaryOptions::default(), None);
                assert_eq!(summary.records.total, 8, "{name} {index}");
            }
        }
        for index in (0..content.len()).step_by(3) {
            let mut flipped = content.clone().into_bytes();
            flipped[index] ^= 1 << (index % 7);
            if let Ok(analysis) = pipeline::analyze("x", &flipped[..], &Options::default()) {
                let summary = build::build_summary(analysis, &SummaryOptions::default(), None);
                // A bracket or a quote in the wrong place may leave pieces that are malformed.
                let well_formed = summary.records.total - summary.records.malformed;
                assert!(well_formed <= 8, "{name} {index}: {:?}", summary.records);
            }
        }
    }
}
