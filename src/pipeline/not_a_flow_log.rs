//! The error for an object that is not a flow log: its actual format, the next step, and the beginning of its first line.

use crate::aggregate::inputs::MalformedSample;
use crate::error::ObjectError;
use crate::input::other_format::OtherFormat;
use crate::input::shape::Shape;
use crate::record::format::Format;
use crate::sanitize::{NAME_CHARACTERS, quoted};

/// Column names that a message lists. The command shows at most 1,000 characters of a message.
const MAX_NAMES: usize = 20;

/// Returns an error if the first bytes of the text are those of a format that is not text.
pub(super) fn check_signature(head: &[u8]) -> Result<(), ObjectError> {
    let Some(other) = OtherFormat::from_signature(head) else { return Ok(()) };
    let line = head.split(|byte| *byte == b'\n').next().unwrap_or_default();
    Err(ObjectError::NotAFlowLog {
        diagnosis: format!("it is {}", other.name),
        next_step: other.next_step,
        unit: "line",
        number: 1,
        text: quoted(&String::from_utf8_lossy(line), NAME_CHARACTERS),
    })
}

/// Returns the error for an object none of whose records parses. `first` is the first of them, `head` the first bytes of the
/// content if it has no header.
pub(super) fn error(
    shape: Shape,
    records: u64,
    first: Option<&MalformedSample>,
    head: &[u8],
    format: &Format,
) -> ObjectError {
    let (line, reason, text) = first.map_or((1, "", ""), |first| (first.line, &first.reason[..], &first.text[..]));
    let has_header = head.is_empty();
    let start = if has_header { text.as_bytes() } else { head };
    let unit = shape.unit();
    let lines = if records == 1 { format!("its only {unit}") } else { format!("none of its {records} {unit}s") };
    let negated = if records == 1 { "is not" } else { "is" };
    let (diagnosis, next_step) = match OtherFormat::from_text(start) {
        Some(other) => (format!("{lines} {negated} a record, and it looks like {}", other.name), other.next_step),
        None if shape == Shape::Json => (
            format!("{lines} {negated} one of a flow log in JSON, with the format \"{}\": {reason}", names(format)),
            "if it is a flow log, set the column order of its messages with --log-format or LOG_FORMAT",
        ),
        None if has_header => (
            format!("{lines} {negated} a record with the columns of its header: {reason}"),
            "check the program that wrote it",
        ),
        None => (
            format!("it has no header, and {lines} {negated} a record of the format \"{}\": {reason}", names(format)),
            "if it is a flow log, set the column order with --log-format or LOG_FORMAT",
        ),
    };
    ObjectError::NotAFlowLog { diagnosis, next_step, unit, number: line, text: quoted(text, NAME_CHARACTERS) }
}

fn names(format: &Format) -> String {
    let names = format.names();
    let more = if names.len() > MAX_NAMES { " …" } else { "" };
    names.iter().take(MAX_NAMES).map(String::as_str).collect::<Vec<_>>().join(" ") + more
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use flate2::{Compression, write::GzEncoder};

    use crate::pipeline::{Options, analyze};

    const HEADER: &str = "version account-id interface-id srcaddr dstaddr srcport dstport protocol packets bytes start end \
                          action log-status\n";
    const LOG: &str = "2 1 eni-1 10.0.0.1 10.0.0.2 1 22 6 1 40 1418530010 1418530070 REJECT OK\n";

    fn error(object: &[u8]) -> (&'static str, String) {
        let error = analyze("x.log", object, &Options::default()).expect_err("not a flow log");
        (error.code(), error.to_string())
    }

    fn message(object: &[u8]) -> String {
        let (code, message) = error(object);
        assert_eq!(code, "not_a_flow_log");
        message.strip_prefix("not a flow log: ").expect("the problem first").to_owned()
    }

    fn gzip(text: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
        encoder.write_all(text).and_then(|()| encoder.finish()).expect("a Vec takes every byte")
    }

    #[test]
    fn a_header_does_not_make_a_flow_log() {
        let object = format!("{HEADER}foo\nbar baz\n");
        assert_eq!(
            message(object.as_bytes()),
            "none of its 2 lines is a record with the columns of its header: 1 columns instead of 14; check the program \
             that wrote it (line 2 begins with \"foo\")"
        );
        let analysis = analyze("x.log", (object + LOG).as_bytes(), &Options::default()).expect("one record");
        assert_eq!((analysis.records.malformed, analysis.records.rejected), (2, 1));
        let analysis = analyze("x.log", HEADER.as_bytes(), &Options::default()).expect("no records");
        assert_eq!(analysis.records.total, 0);
    }

    #[test]
    fn without_a_header_the_format_is_named() {
        let message = message(b"hello \x1b[2Jworld\n");
        assert!(
            message
                .starts_with("it has no header, and its only line is not a record of the format \"version account_id")
        );
        assert!(message.ends_with(
            "log_status\": 2 columns instead of 14; if it is a flow log, set the column order with --log-format or LOG_FORMAT \
             (line 1 begins with \"hello \\u{1b}[2Jworld\")"
        ));
    }

    #[test]
    fn the_message_does_not_grow_with_the_object() {
        let long = "x".repeat(1 << 20);
        let names = format!("srcaddr {} dstaddr\n{long}\n", "srcaddr ".repeat(8000));
        for object in [&long, &names] {
            assert!(message(object.as_bytes()).len() < 1000);
        }
    }

    #[test]
    fn an_archive_is_an_error_although_lines_in_it_parse() {
        let mut tar = vec![0; 512];
        tar[257..262].copy_from_slice(b"ustar");
        tar[..9].copy_from_slice(b"a/log.txt");
        tar.extend_from_slice(LOG.repeat(3).as_bytes());
        for object in [tar.clone(), gzip(&tar)] {
            let message = message(&object);
            assert!(
                message.starts_with("it is a tar archive; extract the flow logs in it, and read these"),
                "{message}"
            );
            assert!(message.contains("(line 1 begins with \"a/log.txt\\0"), "{message}");
        }
        tar[257] = b'v';
        assert_eq!(analyze("x.log", &tar[..], &Options::default()).expect("two lines").records.rejected, 2);
    }

    #[test]
    fn parquet_is_recognized_plain_and_in_gzip() {
        for object in [b"PAR1....".to_vec(), gzip(b"PAR1....")] {
            assert_eq!(error(&object).0, "parquet_corrupt");
        }
        assert_eq!(error(b"PARE....").0, "unsupported_format_parquet");
        assert_eq!(error(b"PAR2....").0, "not_a_flow_log");
        assert_eq!(error(b"PAR").0, "not_a_flow_log");
    }

    #[test]
    fn a_third_layer_of_gzip_is_named() {
        let message = message(&gzip(&gzip(&gzip(LOG.as_bytes()))));
        assert!(
            message.starts_with("it is gzip within gzip within gzip; decompress it once (line 1 begins"),
            "{message}"
        );
    }

    #[test]
    fn text_of_another_kind_is_named() {
        assert_eq!(
            message(LOG.repeat(3).replace(' ', ",").as_bytes()),
            "none of its 3 lines is a record, and it looks like CSV: it has commas between its fields; add a header with the names of the fields, or write \
             spaces instead, such as with tr ',' ' ' (line 1 begins with \"2,1,eni-1,10.0.0.1,10.0.0.2,1,22,6,1,40,1418530010,1418530070,REJECT,OK\")"
        );
        let after_header = format!("{HEADER}{}", LOG.replace(' ', ","));
        assert!(message(after_header.as_bytes()).contains("its only line is not a record, and it looks like CSV"));
    }

    #[test]
    fn json_of_another_kind_is_named() {
        let cloud_trail = message(b"{\n  \"Records\": [\n    {\"eventVersion\": \"1.08\"}\n  ]\n}\n");
        assert_eq!(
            cloud_trail,
            "its only value is not a record, and it looks like a CloudTrail log; keep other logs out of the folder or prefix of \
             the flow logs (value 1 begins with \"{\\n  \\\"Records\\\": [\\n    {\\\"eventVersion\\\": \\\"1.08\\\"}\\n  ]\\n}\")"
        );
        let messages = message(b"{\"message\":\"hello\"}{\"message\":\"world\"}");
        assert!(
            messages.starts_with("none of its 2 values is one of a flow log in JSON, with the format \"version "),
            "{messages}"
        );
        assert!(
            messages.ends_with(
                "log_status\": 1 columns instead of 14; if it is a flow log, set the column order of its messages with \
                 --log-format or LOG_FORMAT (value 1 begins with \"hello\")"
            ),
            "{messages}"
        );
    }
}
