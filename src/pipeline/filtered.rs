//! Reads one object for a report of the records that pass a filter.
//!
//! Without a filter, [`analyze`](super::analyze) does not ask for each record whether it passes.

use std::io::Read;
use std::sync::Arc;

use super::sink::{AnalysisSink, RecordSink};
use super::{Options, read_object, with_source};
use crate::aggregate::Analysis;
use crate::aggregate::filter::RecordFilter;
use crate::aggregate::inputs::MalformedSample;
use crate::error::ObjectError;
use crate::record::format::Format;
use crate::record::parser::ParseError;
use crate::record::{Flow, Record};

/// Reads one object to its verified end, and returns the analysis of the records that pass the filter. The others are counted as
/// filtered, and only help to decide about those that pass.
///
/// # Errors
/// As [`analyze`](super::analyze).
pub fn analyze_filtered(
    uri: &str,
    reader: impl Read + Send,
    options: &Options,
    filter: &RecordFilter,
) -> Result<Analysis, ObjectError> {
    let mut sink = FilteredSink { inner: AnalysisSink::new(uri, options), filter };
    let read = read_object(uri, reader, options, &mut sink)?;
    Ok(with_source(sink.inner.analysis, uri, &read))
}

/// Adds the records that pass to an analysis, and the others as left out.
struct FilteredSink<'a> {
    inner: AnalysisSink<'a>,
    filter: &'a RecordFilter,
}

impl RecordSink for FilteredSink<'_> {
    fn observe_format(&mut self, format: &Arc<Format>) {
        self.inner.observe_format(format);
    }

    /// Adds a record. Out of line, so that the code of [`analyze`](super::analyze) is compiled as if there were no filters.
    #[inline(never)]
    fn observe_flow(&mut self, flow: &Flow<'_>) {
        if self.filter.passes_flow(flow, self.inner.topology) {
            self.inner.observe_flow(flow);
        } else {
            self.inner.analysis.observe_left_out_flow(flow, self.inner.topology);
        }
    }

    fn observe_record(&mut self, record: &Record<'_>) {
        if self.filter.passes(record, self.inner.topology) {
            self.inner.observe_record(record);
        } else {
            self.inner.analysis.observe_left_out(record, self.inner.topology);
        }
    }

    fn observe_malformed(&mut self, number: u64, text: &[u8], reason: &ParseError) {
        self.inner.observe_malformed(number, text, reason);
    }

    fn number_malformed_by_record(&mut self) {
        self.inner.number_malformed_by_record();
    }

    fn records(&self) -> u64 {
        self.inner.records()
    }

    fn malformed(&self) -> (u64, Option<&MalformedSample>) {
        self.inner.malformed()
    }
}
