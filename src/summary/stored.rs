//! Reads stored summaries. A summary may be damaged, or of an earlier or later version.
//!
//! Unknown members are ignored. Absent members that earlier versions did not write are empty. Elements of lists that this version does not know,
//! such as findings of a new type, are left out and counted. So are damaged ones: they look the same.

use std::io::{self, BufReader, Read};

use indexmap::IndexSet;
use serde::de::{DeserializeOwned, Error as _, IgnoredAny};
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;
use serde_json::{Map, Value};
use thiserror::Error;

use super::{Filters, PortRejects, RejectedGroup, SCHEMA, Summary};
use crate::config::Limits;
use crate::error::ObjectError;
use crate::findings::stored::{each_element, known, parse, unknown_evidence};
use crate::findings::types::{Finding, Severity};
use crate::input::decoder::Decoder;
use crate::record::{Action, names};
use crate::sanitize::escape_truncated;

/// Maximum size of a summary that is read, in bytes of text. The summary takes up to 10 times as much memory: a list may have an empty
/// name in three bytes of text. Summaries of this program take about twice their text.
pub const MAX_SUMMARY_BYTES: u64 = 128 * 1024 * 1024;

/// Characters of a foreign schema that an error shows.
const MAX_SCHEMA_CHARACTERS: usize = 80;

/// A limit that this version does not know.
pub(crate) const UNKNOWN_LIMIT: &str = "a limit of a later version";

/// Why a stored summary cannot be read.
#[derive(Debug, Error)]
pub enum SummaryError {
    /// The input cannot be read or decompressed.
    #[error("{0}")]
    Input(ObjectError),
    /// It is larger than [`MAX_SUMMARY_BYTES`].
    #[error("is larger than {} MiB; analyze fewer inputs at once, or list fewer rejected groups (--top)", MAX_SUMMARY_BYTES >> 20)]
    TooLarge,
    /// It expands more than any summary does.
    #[error(
        "its compression ratio exceeds 200:1 ({compressed_bytes} bytes stored, at least {bytes} bytes decompressed), which no summary \
         reaches; write it again with analyze --format json"
    )]
    CompressionRatio {
        /// Bytes as stored.
        compressed_bytes: u64,
        /// Bytes after decompression, so far.
        bytes: u64,
    },
    /// It is not JSON, is cut off, or is not a summary.
    #[error(
        "is not a summary of flowsentry, or is damaged: {0}; give the output of analyze --format json, or an object below summaries/ or reports/"
    )]
    NotASummary(serde_json::Error),
    /// It is a partial, a flow log, or another file.
    #[error(
        "is not a summary of flowsentry: it does not begin with {{; give the output of analyze --format json, or an object below summaries/ or reports/"
    )]
    NotJson,
    /// It has another schema.
    #[error("has the schema {0}, not {SCHEMA}; read it with the version of flowsentry that wrote it")]
    Schema(String),
    /// Text follows the summary.
    #[error("has several documents; give one summary in one file")]
    Several,
}

impl From<ObjectError> for SummaryError {
    fn from(error: ObjectError) -> SummaryError {
        match error {
            // Their advice is for flow logs.
            ObjectError::TooLarge { .. } => SummaryError::TooLarge,
            ObjectError::CompressionRatio { compressed_bytes, bytes } => {
                SummaryError::CompressionRatio { compressed_bytes, bytes }
            }
            other => SummaryError::Input(other),
        }
    }
}

/// Reads a summary, plain or gzip. Memory is bounded by 10 times [`MAX_SUMMARY_BYTES`].
///
/// # Errors
/// If the input fails, is too large, or is not one summary of this schema.
pub fn read(input: impl Read) -> Result<Summary, SummaryError> {
    let text = decompress(input)?;
    let text = text.strip_prefix(BYTE_ORDER_MARK).unwrap_or(&text);
    if !is_object(text) {
        return Err(SummaryError::NotJson);
    }
    let envelope: Envelope = from_slice(text)?;
    if envelope.schema != SCHEMA {
        return Err(SummaryError::Schema(escape_truncated(&envelope.schema, MAX_SCHEMA_CHARACTERS)));
    }
    let mut summary: Summary = from_slice(text)?;
    let counts: Counts = from_slice(text)?;
    summary.unknown = counts.unknown(&summary);
    summary.absent = counts.absent();
    Ok(summary)
}

/// Returns whether an input is a summary of any version, by its first JSON value. An input that cannot be read is none.
pub fn is_summary(input: impl Read) -> bool {
    let Ok(mut decoder) = Decoder::open(input, MAX_SUMMARY_BYTES) else { return false };
    if decoder.peek(BYTE_ORDER_MARK.len()).is_ok_and(|first| first == BYTE_ORDER_MARK) {
        drop(decoder.read(&mut [0; BYTE_ORDER_MARK.len()]));
    }
    if !decoder.peek(MAX_INDENT).is_ok_and(is_object) {
        return false;
    }
    let mut values = serde_json::Deserializer::from_reader(BufReader::new(Content(decoder))).into_iter::<Envelope>();
    values.next().is_some_and(|value| value.is_ok_and(|envelope| envelope.schema.starts_with(SCHEMA_FAMILY)))
}

/// Returns whether a text begins as a JSON object.
fn is_object(text: &[u8]) -> bool {
    text.trim_ascii_start().starts_with(b"{")
}

/// What some programs of Windows write before a text.
const BYTE_ORDER_MARK: &[u8] = "\u{feff}".as_bytes();
/// Maximum number of spaces before the JSON of a summary among other files.
const MAX_INDENT: usize = 64;

/// The beginning of the schemas of all versions.
const SCHEMA_FAMILY: &str = "flowsentry/summary/";

/// Reads the decompressed content.
struct Content<R>(Decoder<R>);

impl<R: Read> Read for Content<R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        self.0.read(out).map_err(io::Error::other)
    }
}

fn decompress(input: impl Read) -> Result<Vec<u8>, ObjectError> {
    let mut decoder = Decoder::open(input, MAX_SUMMARY_BYTES)?;
    let mut text = Vec::new();
    loop {
        let length = text.len();
        text.resize(length + CHUNK_BYTES, 0);
        let read = decoder.read(text.get_mut(length..).unwrap_or_default())?;
        text.truncate(length + read);
        if read == 0 {
            return Ok(text);
        }
    }
}

const CHUNK_BYTES: usize = 64 * 1024;

fn from_slice<'a, T: Deserialize<'a>>(text: &'a [u8]) -> Result<T, SummaryError> {
    serde_json::from_slice(text).map_err(|error| {
        let is_trailing = error.is_syntax() && error.to_string().starts_with("trailing characters");
        if is_trailing { SummaryError::Several } else { SummaryError::NotASummary(error) }
    })
}

/// What is read first: it decides whether the rest can be understood.
#[derive(Deserialize)]
struct Envelope {
    schema: String,
}

/// The lengths of the lists whose elements may be unknown. Counting takes no memory: `IgnoredAny` has no size.
#[derive(Deserialize)]
struct Counts {
    sources: Vec<IgnoredAny>,
    #[serde(default, deserialize_with = "unknown_filters")]
    filters: u64,
    timeline: Option<Vec<IgnoredAny>>,
    rejected: RejectedCounts,
    top: Option<TopCounts>,
    peering: Option<PeeringCounts>,
    services: Vec<IgnoredAny>,
    findings: FindingCounts,
    limits_reached: Option<IgnoredAny>,
}

#[derive(Deserialize)]
struct RejectedCounts {
    groups: Vec<IgnoredAny>,
    by_interface: Vec<IgnoredAny>,
    by_subnet: Vec<IgnoredAny>,
    by_vpc: Vec<IgnoredAny>,
    by_cause: Option<Vec<IgnoredAny>>,
    by_cause_exact: Option<IgnoredAny>,
    by_rule: Option<Vec<IgnoredAny>>,
}

#[derive(Deserialize)]
struct TopCounts {
    rejected_sources: Vec<IgnoredAny>,
    rejected_ports: Vec<IgnoredAny>,
    talkers: Vec<IgnoredAny>,
}

#[derive(Deserialize)]
struct PeeringCounts {
    connections: Vec<IgnoredAny>,
    vpc_pairs: Vec<IgnoredAny>,
}

#[derive(Default)]
struct FindingCounts {
    all: usize,
    /// Words of the findings that this version knows.
    unknown_evidence: u64,
}

impl<'de> Deserialize<'de> for FindingCounts {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<FindingCounts, D::Error> {
        let mut counts = FindingCounts::default();
        each_element(deserializer, |finding| {
            counts.all += 1;
            let unknown = unknown_evidence(finding);
            if unknown > 0 && parse::<Finding>(finding).is_some() {
                counts.unknown_evidence += unknown;
            }
        })?;
        Ok(counts)
    }
}

impl Counts {
    /// Returns the number of elements that the summary lacks, by list.
    fn unknown(&self, summary: &Summary) -> Vec<(&'static str, u64)> {
        let Counts { sources, timeline, rejected, top, peering, services, findings, .. } = self;
        let (rows, ranked) = (&summary.rejected, &summary.top);
        let of_top = |list: fn(&TopCounts) -> &Vec<IgnoredAny>| top.as_ref().map_or(0, |top| list(top).len());
        let of_list = |list: &Option<Vec<IgnoredAny>>| list.as_ref().map_or(0, Vec::len);
        let pairs = peering.as_ref().zip(summary.peering.as_ref());
        let pairs = pairs.map_or([("", 0, 0); 2], |(stored, peering)| {
            [
                ("peering.connections", stored.connections.len(), peering.connections.len()),
                ("peering.vpc_pairs", stored.vpc_pairs.len(), peering.vpc_pairs.len()),
            ]
        });
        let lists = [
            ("sources", sources.len(), summary.sources.len()),
            ("timeline", of_list(timeline), summary.timeline.len()),
            ("rejected.groups", rejected.groups.len(), rows.groups.len()),
            ("rejected.by_interface", rejected.by_interface.len(), rows.by_interface.len()),
            ("rejected.by_subnet", rejected.by_subnet.len(), rows.by_subnet.len()),
            ("rejected.by_vpc", rejected.by_vpc.len(), rows.by_vpc.len()),
            ("rejected.by_cause", of_list(&rejected.by_cause), rows.by_cause.len()),
            ("rejected.by_rule", of_list(&rejected.by_rule), rows.by_rule.len()),
            ("top.rejected_sources", of_top(|top| &top.rejected_sources), ranked.rejected_sources.len()),
            ("top.rejected_ports", of_top(|top| &top.rejected_ports), ranked.rejected_ports.len()),
            ("top.talkers", of_top(|top| &top.talkers), ranked.talkers.len()),
            ("services", services.len(), summary.services.len()),
            ("findings", findings.all, summary.findings.len()),
        ];
        let lists = lists.into_iter().chain(pairs);
        let unknown = lists.map(|(list, stored, understood)| (list, stored.saturating_sub(understood) as u64));
        let words = [("findings.evidence", findings.unknown_evidence), ("filters", self.filters)];
        unknown.chain(words).filter(|(_, count)| *count > 0).collect()
    }

    /// Returns the members that earlier versions did not write, and that this summary does not have.
    fn absent(&self) -> Vec<&'static str> {
        let Counts { timeline, top, rejected, limits_reached, .. } = self;
        let members = [
            ("timeline", timeline.is_some()),
            ("top", top.is_some()),
            ("rejected.by_cause", rejected.by_cause.is_some()),
            ("rejected.by_cause_exact", rejected.by_cause_exact.is_some()),
            ("rejected.by_rule", rejected.by_rule.is_some()),
            ("limits_reached", limits_reached.is_some()),
        ];
        members.into_iter().filter(|(_, is_present)| !is_present).map(|(member, _)| member).collect()
    }
}

/// Deserializes the filters, without the keywords that this version does not know.
pub(super) fn filters<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Filters>, D::Error> {
    let Some(stored) = StoredFilters::read(deserializer)? else { return Ok(None) };
    serde_json::from_value(Value::Object(stored.known)).map(Some).map_err(D::Error::custom)
}

/// Deserializes the number of keywords and members of the filters that this version does not know.
fn unknown_filters<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u64, D::Error> {
    Ok(StoredFilters::read(deserializer)?.map_or(0, |stored| stored.unknown))
}

/// The members of filters.
struct StoredFilters {
    known: Map<String, Value>,
    /// Keywords and members that select something unknown.
    unknown: u64,
}

impl StoredFilters {
    fn read<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<StoredFilters>, D::Error> {
        let Some(stored) = Option::<Box<RawValue>>::deserialize(deserializer)? else { return Ok(None) };
        let members: Map<String, Value> = parse(&stored).ok_or_else(|| D::Error::custom("the filters are damaged"))?;
        let defaults = serde_json::to_value(Filters::default()).map_err(D::Error::custom)?;
        let mut filters = StoredFilters { known: Map::new(), unknown: 0 };
        for (name, value) in members {
            match (name.as_str(), value) {
                ("actions", Value::Array(actions)) => {
                    let (known, unknown): (Vec<_>, Vec<_>) = actions.into_iter().partition(is_known::<Action>);
                    filters.unknown += unknown.len() as u64;
                    filters.known.insert(name, Value::Array(known));
                }
                ("min_severity", value) if !is_known::<Option<Severity>>(&value) => {
                    filters.unknown += 1;
                    filters.known.insert(name, Value::Null);
                }
                (_, value) if defaults.get(&name).is_some() => {
                    filters.known.insert(name, value);
                }
                (_, value) => filters.unknown += u64::from(selects(&value)),
            }
        }
        Ok(Some(filters))
    }
}

fn is_known<T: DeserializeOwned>(value: &Value) -> bool {
    T::deserialize(value).is_ok()
}

/// Returns whether a member of filters selects something. Members that select nothing are null or empty, as those of this version.
fn selects(value: &Value) -> bool {
    !value.is_null() && value.as_array().is_none_or(|list| !list.is_empty())
}

/// Deserializes the schema.
pub(super) fn schema<'de, D: Deserializer<'de>>(deserializer: D) -> Result<&'static str, D::Error> {
    let schema = String::deserialize(deserializer)?;
    let is_known = schema == SCHEMA;
    is_known.then_some(SCHEMA).ok_or_else(|| serde::de::Error::custom(format!("the schema must be {SCHEMA}")))
}

/// Deserializes the names of limits, each once.
pub(super) fn limits<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<&'static str>, D::Error> {
    let names = Vec::<String>::deserialize(deserializer)?;
    let known = |name: &String| Limits::NAMES.iter().find(|known| *known == name).copied().unwrap_or(UNKNOWN_LIMIT);
    let known: IndexSet<&'static str> = names.iter().map(known).collect();
    Ok(known.into_iter().collect())
}

/// Skips a name that follows from numbers: those of this version are used.
pub(super) fn derived<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<&'static str>, D::Error> {
    IgnoredAny::deserialize(deserializer)?;
    Ok(None)
}

/// Deserializes rejected groups, and names their protocols and services.
pub(super) fn groups<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<RejectedGroup>, D::Error> {
    let mut groups: Vec<RejectedGroup> = known(deserializer)?;
    for group in &mut groups {
        (group.protocol_name, group.service_name) = names_of(group.protocol, group.dstport);
    }
    Ok(groups)
}

/// Deserializes rejected ports, and names their protocols and services.
pub(super) fn ports<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<PortRejects>, D::Error> {
    let mut ports: Vec<PortRejects> = known(deserializer)?;
    for port in &mut ports {
        (port.protocol_name, port.service_name) = names_of(port.protocol, port.dstport);
    }
    Ok(ports)
}

/// Returns the names of a protocol and of the service that usually uses a port.
pub(super) fn names_of(protocol: Option<u8>, port: Option<u16>) -> (Option<&'static str>, Option<&'static str>) {
    let service = port.zip(protocol).and_then(|(port, protocol)| names::service_name(port, protocol));
    (protocol.and_then(names::protocol_name), service)
}
