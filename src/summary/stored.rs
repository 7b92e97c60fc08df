//! Reads stored summaries. A summary may be damaged, or of an earlier or later version.
//!
//! Unknown members are ignored. Absent members that earlier versions did not write are empty. Elements of lists that this version does not know,
//! such as findings of a new type, are left out and counted.

use std::collections::BTreeMap;
use std::io::{self, BufReader, Read};

use indexmap::IndexSet;
use serde::de::IgnoredAny;
use serde::{Deserialize, Deserializer};
use serde_json::Value;
use thiserror::Error;

use super::{Filters, PortRejects, RejectedGroup, SCHEMA, Summary};
use crate::config::Limits;
use crate::error::ObjectError;
use crate::findings::stored::known;
use crate::input::decoder::Decoder;
use crate::record::names;
use crate::sanitize::escape_truncated;

/// Maximum size of a summary that is read, in bytes.
pub const MAX_SUMMARY_BYTES: u64 = 256 * 1024 * 1024;

/// Characters of a foreign schema that an error shows.
const MAX_SCHEMA_CHARACTERS: usize = 80;

/// A limit that this version does not know.
const UNKNOWN_LIMIT: &str = "a limit of a later version";

/// Why a stored summary cannot be read.
#[derive(Debug, Error)]
pub enum SummaryError {
    /// The input cannot be read or decompressed.
    #[error("{0}")]
    Input(ObjectError),
    /// It is larger than [`MAX_SUMMARY_BYTES`].
    #[error("is larger than {} MiB; analyze fewer inputs at once, or list fewer rejected groups (--top)", MAX_SUMMARY_BYTES >> 20)]
    TooLarge,
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
            // Its advice is for flow logs.
            ObjectError::TooLarge { .. } => SummaryError::TooLarge,
            other => SummaryError::Input(other),
        }
    }
}

/// Reads a summary, plain or gzip. Memory is bounded by [`MAX_SUMMARY_BYTES`].
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

/// The lengths of the lists whose elements may be unknown.
#[derive(Deserialize)]
struct Counts {
    sources: Vec<IgnoredAny>,
    #[serde(default)]
    filters: Option<BTreeMap<String, Value>>,
    rejected: RejectedCounts,
    findings: Vec<IgnoredAny>,
}

#[derive(Deserialize)]
struct RejectedCounts {
    groups: Vec<IgnoredAny>,
    #[serde(default)]
    by_cause: Vec<IgnoredAny>,
    #[serde(default)]
    by_rule: Vec<IgnoredAny>,
}

impl Counts {
    fn unknown(&self, summary: &Summary) -> Vec<(&'static str, u64)> {
        let Counts { sources, filters, rejected, findings } = self;
        let filters = filters.iter().flatten().filter(|(_, value)| is_filter(value)).map(|(name, _)| name.as_str());
        let lists = [
            ("sources", sources.len(), summary.sources.len()),
            ("filters", filters.filter(|name| !Filters::NAMES.contains(name)).count(), 0),
            ("rejected.groups", rejected.groups.len(), summary.rejected.groups.len()),
            ("rejected.by_cause", rejected.by_cause.len(), summary.rejected.by_cause.len()),
            ("rejected.by_rule", rejected.by_rule.len(), summary.rejected.by_rule.len()),
            ("findings", findings.len(), summary.findings.len()),
        ];
        let unknown = lists.map(|(list, stored, understood)| (list, stored.saturating_sub(understood) as u64));
        unknown.into_iter().filter(|(_, count)| *count > 0).collect()
    }
}

/// Returns whether a member of `filters` selects anything.
fn is_filter(value: &Value) -> bool {
    !value.is_null() && value.as_array().is_none_or(|values| !values.is_empty())
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
    let mut ports = Vec::<PortRejects>::deserialize(deserializer)?;
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
