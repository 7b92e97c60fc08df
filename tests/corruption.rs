//! Damages a valid object: truncates it at every byte and flips every bit. The result is an error or the same summary.

#[path = "support/flow_log.rs"]
mod flow_log;

use std::io::{self, Read};

use flowsentry::pipeline::{self, Options};
use flowsentry::summary::build::{self, SummaryOptions};

use flow_log::{gzip, summarize};

const HEADER: &str = "version account-id interface-id srcaddr dstaddr srcport dstport protocol packets bytes start end \
                      action log-status\n";

/// Returns this number of records, a third of them accepted.
fn records(count: u32) -> String {
    let record = |n: u32| {
        let (action, end) = (if n.is_multiple_of(3) { "ACCEPT" } else { "REJECT" }, 1_795_413_660 + n);
        format!("2 123456789012 eni-0{n} 10.0.0.{n} 10.0.1.9 4{n:04} 22 6 {n} 40{n} 1795413600 {end} {action} OK\n")
    };
    (1..=count).map(record).collect()
}

/// Returns the summary as JSON, without the sources and their sizes, or the code of the error.
fn read(object: &[u8]) -> Result<String, &'static str> {
    let analysis = pipeline::analyze("x.log.gz", object, &Options::default()).map_err(|error| error.code())?;
    let mut summary = build::build_summary(analysis, &SummaryOptions::default(), None);
    summary.sources.clear();
    Ok(serde_json::to_string(&summary).expect("JSON"))
}

#[test]
fn a_truncated_object_is_an_error_unless_a_member_ends_there() {
    let members = [gzip(HEADER.as_bytes()), gzip(records(9).as_bytes()), gzip(b""), gzip(records(5).as_bytes())];
    let mut ends = vec![0];
    ends.extend(members.iter().scan(0, |end, member| {
        *end += member.len();
        Some(*end)
    }));
    let whole = members.concat();
    let mut truncations = 0;
    for length in 0..whole.len() {
        let result = read(&whole[..length]);
        match length {
            // The first byte of the magic number alone is a line of text that is not a record.
            1 => assert_eq!(result, Err("not_a_flow_log")),
            length if ends.contains(&length) => assert!(result.is_ok(), "{length}: {result:?}"),
            length => assert_eq!(result, Err("gzip_truncated"), "{length}"),
        }
        truncations += 1;
    }
    assert!(truncations > 300, "{truncations}");
}

#[test]
fn a_flipped_bit_is_an_error_or_changes_nothing() {
    let whole = [gzip(HEADER.as_bytes()), gzip(records(9).as_bytes())].concat();
    let expected = read(&whole).expect("a valid object");
    let (mut errors, mut same) = (0, 0);
    for index in 0..whole.len() {
        for bit in 0..8 {
            let mut flipped = whole.clone();
            flipped[index] ^= 1 << bit;
            match read(&flipped) {
                Ok(summary) => {
                    assert_eq!(summary, expected, "bit {bit} of byte {index}");
                    same += 1;
                }
                Err(code) => {
                    let expected = ["gzip_corrupt", "gzip_truncated", "gzip_trailing_data", "not_a_flow_log"];
                    assert!(expected.contains(&code), "{code}");
                    errors += 1;
                }
            }
        }
    }
    // The time, the operating system, and some flags in a member's header do not affect the text.
    assert!(errors > 1500 && (1..200).contains(&same), "{errors} errors, {same} the same");
}

#[test]
fn a_200_mb_line_is_one_malformed_record() {
    let long = 200 << 20;
    let (before, after) = (HEADER.to_owned() + &records(1), format!("\n{}", records(2)));
    let object = before.as_bytes().chain(io::repeat(b'A').take(long)).chain(after.as_bytes());
    let analysis = pipeline::analyze("x.log", object, &Options::default()).expect("a flow log");
    let summary = build::build_summary(analysis, &SummaryOptions::default(), None);
    let counts = (summary.records.total, summary.records.malformed, summary.records.rejected);
    assert_eq!((counts, summary.sources[0].bytes > long), ((4, 1, 3), true));
    assert_eq!((summary.malformed[0].line, summary.malformed[0].text.len()), (3, 200));
}

#[test]
fn huge_json_values_are_one_malformed_record_each() {
    let (length, depth) = (1 << 30, 20 << 20);
    let record = format!("{{\"message\":\"{}\"}}", records(1).trim_end());
    let nested = "[".repeat(depth) + &"]".repeat(depth);
    let before = format!("{record}{{\"message\":\"");
    let after = format!("\"}}{record}{{\"a\":{nested}}}{record}[7,{nested}]");
    let object = before.as_bytes().chain(io::repeat(b'A').take(length)).chain(after.as_bytes());
    let analysis = pipeline::analyze("x", object, &Options::default()).expect("a flow log");
    let summary = build::build_summary(analysis, &SummaryOptions::default(), None);
    let counts = (summary.records.total, summary.records.malformed, summary.records.rejected);
    assert_eq!((counts, summary.sources[0].bytes > length), ((7, 4, 3), true));
    let numbers: Vec<u64> = summary.malformed.iter().map(|sample| sample.line).collect();
    assert_eq!(numbers, [2, 4, 6, 7]);
}

#[test]
fn one_gzip_member_per_line_changes_nothing() {
    let text = HEADER.to_owned() + &records(9);
    let whole = summarize([("x", text.as_bytes())], None);
    let lines: Vec<Vec<u8>> = text.split_inclusive('\n').map(|line| gzip(line.as_bytes())).collect();
    let packed = summarize([("x", &lines.concat()[..])], None);
    assert_eq!((packed.records, packed.rejected, packed.findings), (whole.records, whole.rejected, whole.findings));
}
