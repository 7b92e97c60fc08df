//! Receivers of what an object contains.

use std::sync::Arc;

use super::Options;
use crate::aggregate::Analysis;
use crate::aggregate::inputs::MalformedSample;
use crate::input::shape::Shape;
use crate::record::format::Format;
use crate::record::parser::ParseError;
use crate::record::{Flow, Record};
use crate::sanitize::{NAME_CHARACTERS, truncate_chars};
use crate::topology::Topology;

/// Receives the contents of an object in order.
pub(super) trait RecordSink {
    /// Adds the columns of the records that follow.
    fn observe_format(&mut self, format: &Arc<Format>);
    /// Adds an accepted or rejected record.
    fn observe_flow(&mut self, flow: &Flow<'_>);
    /// Adds a record of any class.
    fn observe_record(&mut self, record: &Record<'_>);
    /// Adds a malformed record: its number from 1, and its beginning as text.
    fn observe_malformed(&mut self, number: u64, text: &[u8], reason: &ParseError);
    /// Numbers the malformed records from 1, if there are no others so far.
    fn number_malformed_by_record(&mut self);
    /// Returns the number of records so far.
    fn records(&self) -> u64;
    /// Returns the number of malformed records so far, and the first of them.
    fn malformed(&self) -> (u64, Option<&MalformedSample>);
}

/// Adds everything to an analysis.
pub(super) struct AnalysisSink<'a> {
    uri: &'a str,
    pub(super) topology: Option<&'a Topology>,
    pub(super) analysis: Analysis,
}

impl<'a> AnalysisSink<'a> {
    /// Creates a sink with an empty analysis.
    pub(super) fn new(uri: &'a str, options: &'a Options) -> AnalysisSink<'a> {
        AnalysisSink { uri, topology: options.topology.as_deref(), analysis: Analysis::new(&options.limits) }
    }
}

impl RecordSink for AnalysisSink<'_> {
    fn observe_format(&mut self, format: &Arc<Format>) {
        self.analysis.observe_format(format);
    }

    #[inline(always)]
    fn observe_flow(&mut self, flow: &Flow<'_>) {
        self.analysis.observe_flow(flow, self.topology);
    }

    fn observe_record(&mut self, record: &Record<'_>) {
        self.analysis.observe(record, self.topology);
    }

    fn observe_malformed(&mut self, number: u64, text: &[u8], reason: &ParseError) {
        self.analysis.observe_malformed(self.uri, number, text, reason);
    }

    fn number_malformed_by_record(&mut self) {
        (1..).zip(&mut self.analysis.malformed).for_each(|(number, sample)| sample.line = number);
    }

    fn records(&self) -> u64 {
        self.analysis.records.total
    }

    fn malformed(&self) -> (u64, Option<&MalformedSample>) {
        (self.analysis.records.malformed, self.analysis.malformed.first())
    }
}

/// The records of an object that was read completely.
#[derive(Debug, Clone)]
pub struct ReadRecords {
    /// All records.
    pub total: u64,
    /// Records that do not parse.
    pub malformed: u64,
    /// The first of them.
    pub first_malformed: Option<MalformedSample>,
    /// The kind of object, which says what the number of a malformed record counts.
    pub shape: Shape,
}

/// Calls a function for each accepted or rejected record.
pub(super) struct FlowSink<F> {
    observe: F,
    records: u64,
    malformed: u64,
    first_malformed: Option<MalformedSample>,
}

impl<F: FnMut(&Flow<'_>)> FlowSink<F> {
    /// Creates a sink that has no records yet.
    pub(super) fn new(observe: F) -> FlowSink<F> {
        FlowSink { observe, records: 0, malformed: 0, first_malformed: None }
    }

    /// Returns what was read of this object.
    pub(super) fn finish(self, uri: &str, shape: Shape) -> ReadRecords {
        let FlowSink { records: total, malformed, first_malformed, .. } = self;
        let first_malformed = first_malformed.map(|first| MalformedSample { uri: uri.to_owned(), ..first });
        ReadRecords { total, malformed, first_malformed, shape }
    }
}

impl<F: FnMut(&Flow<'_>)> RecordSink for FlowSink<F> {
    fn observe_format(&mut self, _: &Arc<Format>) {}

    fn observe_flow(&mut self, flow: &Flow<'_>) {
        self.records += 1;
        (self.observe)(flow);
    }

    fn observe_record(&mut self, record: &Record<'_>) {
        match record {
            Record::Flow(flow) => self.observe_flow(flow),
            Record::NoData(_) | Record::SkipData(_) | Record::Other(_) => self.records += 1,
        }
    }

    fn observe_malformed(&mut self, number: u64, text: &[u8], reason: &ParseError) {
        self.records += 1;
        self.malformed += 1;
        self.first_malformed.get_or_insert_with(|| sample(number, text, reason));
    }

    fn number_malformed_by_record(&mut self) {
        self.first_malformed.iter_mut().for_each(|sample| sample.line = 1);
    }

    fn records(&self) -> u64 {
        self.records
    }

    fn malformed(&self) -> (u64, Option<&MalformedSample>) {
        (self.malformed, self.first_malformed.as_ref())
    }
}

fn sample(line: u64, text: &[u8], reason: &ParseError) -> MalformedSample {
    let text = String::from_utf8_lossy(text);
    let text = truncate_chars(&text, NAME_CHARACTERS).to_owned();
    MalformedSample { uri: String::new(), line, reason: reason.to_string(), text }
}
