//! Reads the accepted and rejected records of one object, without an analysis.

use std::io::Read;

use super::sink::{FlowSink, ReadRecords};
use super::{Options, read_object};
use crate::error::ObjectError;
use crate::record::Flow;

/// Reads one object to its verified end, and calls `observe` for each accepted or rejected record. The classes are those of
/// [`analyze`](super::analyze).
///
/// # Errors
/// If the object cannot be read completely, or is not a flow log. Then the caller discards all records that it observed.
pub fn for_each_flow(
    uri: &str,
    reader: impl Read + Send,
    options: &Options,
    observe: impl FnMut(&Flow<'_>),
) -> Result<ReadRecords, ObjectError> {
    let mut sink = FlowSink::new(observe);
    let object = read_object(uri, reader, options, &mut sink)?;
    Ok(sink.finish(uri, object.shape))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::input::shape::Shape;
    use crate::pipeline::analyze;
    use crate::record::Action;

    const LOG: &str = "2 1 eni-1 10.0.0.1 10.0.0.2 1 22 6 1 40 1418530010 1418530070 REJECT OK\n";

    /// Returns the number of accepted and of rejected records, or the error.
    fn flows(log: &str, options: &Options) -> Result<(u64, u64), String> {
        let (mut accepted, mut rejected) = (0, 0);
        let result = for_each_flow("x.log", log.as_bytes(), options, |flow| match flow.action {
            Action::Accept => accepted += 1,
            Action::Reject => rejected += 1,
        });
        result.map(|_| (accepted, rejected)).map_err(|error| error.to_string())
    }

    #[test]
    fn malformed_records_are_counted() {
        let log = "garbage\n".to_owned() + LOG + "more garbage\n";
        let read = for_each_flow("x.log", log.as_bytes(), &Options::default(), |_| ()).expect("a flow log");
        assert_eq!((read.total, read.malformed, read.shape), (3, 2, Shape::Text));
        let first = read.first_malformed.expect("the first");
        assert_eq!((first.uri.as_str(), first.line, first.text.as_str()), ("x.log", 1, "garbage"));
    }

    #[test]
    fn flows_and_errors_are_those_of_the_analysis() {
        let header = "version account-id interface-id srcaddr dstaddr srcport dstport protocol packets bytes start end \
                      action log-status\n";
        let options = Options::default();
        let few = Options { max_lines: 2, ..Options::default() };
        let logs = [
            (LOG.repeat(3), &options),
            (LOG.replace("REJECT", "ACCEPT") + LOG + "garbage\n\n" + &LOG.replace("OK", "NODATA"), &options),
            (header.to_owned() + LOG, &options),
            (format!("{header}foo\nbar baz\n"), &options),
            ("foo\n".to_owned(), &options),
            (LOG.repeat(3), &few),
            (String::new(), &options),
            ("PAR1....PAR1".to_owned(), &options),
        ];
        for (log, options) in logs {
            let analyzed = analyze("x", log.as_bytes(), options).map_err(|error| error.to_string());
            let analyzed = analyzed.map(|analysis| (analysis.records.accepted, analysis.records.rejected));
            assert_eq!(flows(&log, options), analyzed, "{log}");
        }
        assert_eq!(flows(&(LOG.replace("REJECT", "ACCEPT") + LOG), &options), Ok((1, 1)));
    }
}
