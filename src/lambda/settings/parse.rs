//! Parses the values of settings. An error describes the allowed values, as the end of "… must be".

use std::str::FromStr;

use super::{LogLevel, OnPermanentFailure, Source, WindowReports};
use crate::findings::types::Severity;
use crate::lambda::document_uri::DocumentUri;
use crate::record::format::Format;

/// Maximum length of the prefix of output keys, with a wide margin below the 1,024 bytes that S3 allows for a key.
const MAX_PREFIX_BYTES: usize = 512;
/// "NamespaceName" in
/// <https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_PutMetricData.html>
const MAX_NAMESPACE_BYTES: usize = 255;
/// "EventBusName" in <https://docs.aws.amazon.com/eventbridge/latest/APIReference/API_PutEventsRequestEntry.html>
const MAX_EVENT_BUS_BYTES: usize = 1600;
/// Hours of a year.
const MAX_HOURS: u32 = 8760;
/// Longer than the id of any key, which is a UUID with or without `mrk-`.
const MAX_KEY_ID_BYTES: usize = 64;

pub(super) fn topology_uri(value: &str) -> Result<DocumentUri, String> {
    DocumentUri::parse_topology(value).map_err(|error| error.to_string())
}

pub(super) fn config_uri(value: &str) -> Result<DocumentUri, String> {
    DocumentUri::parse_config(value).map_err(|error| error.to_string())
}

/// Parses the ARN of a KMS key. An alias is rejected: S3 resolves it in the account of the caller, and keys of other accounts
/// are common.
pub(super) fn kms_key_arn(value: &str) -> Result<String, String> {
    let id = match value.split(':').collect::<Vec<_>>()[..] {
        ["arn", partition, "kms", region, account, key]
            if is_partition(partition) && !region.is_empty() && is_plain(region) && is_account(account) =>
        {
            key.strip_prefix("key/")
        }
        _ => None,
    };
    match id {
        Some(id) if (1..=MAX_KEY_ID_BYTES).contains(&id.len()) && is_plain(id) => Ok(value.to_owned()),
        _ => Err("the ARN of a KMS key, arn:aws:kms:region:account:key/id, not an alias".to_owned()),
    }
}

/// Reports whether the text has only letters, digits and hyphens.
fn is_plain(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
}

/// Reports whether the text is a partition of AWS, such as `aws` or `aws-cn`.
fn is_partition(text: &str) -> bool {
    is_plain(text) && text.starts_with("aws")
}

fn is_account(text: &str) -> bool {
    text.len() == 12 && text.bytes().all(|byte| byte.is_ascii_digit())
}

pub(super) fn log_format(value: &str) -> Result<Format, String> {
    Format::from_setting(value).map_err(|error| error.to_string())
}

pub(super) fn log_level(value: &str) -> Result<LogLevel, String> {
    match value.to_ascii_lowercase().as_str() {
        "fatal" | "error" => Ok(LogLevel::Error),
        "warn" => Ok(LogLevel::Warn),
        "info" => Ok(LogLevel::Info),
        "debug" => Ok(LogLevel::Debug),
        "trace" => Ok(LogLevel::Trace),
        _ => Err("one of TRACE, DEBUG, INFO, WARN, ERROR, FATAL".to_owned()),
    }
}

pub(super) fn severity(value: &str) -> Result<Severity, String> {
    let severity = Severity::ALL.iter().find(|severity| severity.name() == value.to_ascii_lowercase());
    severity.copied().ok_or_else(|| format!("one of {}", Severity::ALL.map(Severity::name).join(", ")))
}

/// Parses hours, of at most a year.
pub(super) fn hours(value: &str) -> Result<u32, String> {
    let hours = integer(value, 0).ok().filter(|hours| *hours <= MAX_HOURS);
    hours.ok_or_else(|| format!("an integer from 0 to {MAX_HOURS}, in digits"))
}

pub(super) fn window_reports(value: &str) -> Result<WindowReports, String> {
    match value.to_ascii_lowercase().as_str() {
        "off" => Ok(WindowReports::Off),
        "hourly" => Ok(WindowReports::Hourly),
        "daily" => Ok(WindowReports::Daily),
        _ => Err("one of off, hourly, daily".to_owned()),
    }
}

pub(super) fn on_permanent_failure(value: &str) -> Result<OnPermanentFailure, String> {
    match value.to_ascii_lowercase().as_str() {
        "quarantine" => Ok(OnPermanentFailure::Quarantine),
        "fail" => Ok(OnPermanentFailure::Fail),
        _ => Err("quarantine or fail".to_owned()),
    }
}

/// Parses the name of an event bus, or its ARN, such as `arn:aws:events:eu-west-1:123456789012:event-bus/name`.
pub(super) fn event_bus(value: &str) -> Result<String, String> {
    let name = match value.split(':').collect::<Vec<_>>()[..] {
        [name] => Some(name),
        ["arn", partition, "events", region, account, bus]
            if is_partition(partition) && !region.is_empty() && is_account(account) =>
        {
            bus.strip_prefix("event-bus/")
        }
        _ => None,
    };
    let is_name = |name: &str| name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"/.-_".contains(&byte));
    match name {
        Some(name) if !name.is_empty() && is_name(name) && value.len() <= MAX_EVENT_BUS_BYTES => Ok(value.to_owned()),
        _ => Err("the name of an event bus or its ARN, arn:aws:events:region:account:event-bus/name".to_owned()),
    }
}

/// Parses a comma-separated list. White space around the sources is ignored.
pub(super) fn sources(value: &str) -> Result<Vec<Source>, String> {
    let sources: Option<Vec<Source>> = value.split(',').map(|text| source(text.trim())).collect();
    sources.ok_or_else(|| "a comma-separated list of bucket/prefix or cloudwatch-logs:log-group".to_owned())
}

/// Parses a source. A leading slash in a key prefix is an error, because no key would match. So is a colon or a star in the name of
/// a log group, as an ARN or a pattern has it.
fn source(text: &str) -> Option<Source> {
    if let Some(prefix) = text.strip_prefix("cloudwatch-logs:") {
        return (!prefix.contains([':', '*'])).then(|| Source::LogEvents { prefix: prefix.to_owned() });
    }
    let (bucket, prefix) = text.split_once('/').unwrap_or((text, ""));
    let bucket = bucket_name(bucket).ok()?;
    (!prefix.starts_with('/')).then(|| Source::Objects { bucket, prefix: prefix.to_owned() })
}

/// Parses the name of a region.
pub(super) fn region(value: &str) -> Result<String, String> {
    let is_name = value.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-');
    if is_name { Ok(value.to_owned()) } else { Err("the name of an AWS Region".to_owned()) }
}

/// Parses an integer in plain digits: no sign is allowed.
pub(super) fn integer<T: FromStr + PartialOrd + From<u8>>(value: &str, min: u8) -> Result<T, String> {
    let is_digits = value.bytes().all(|byte| byte.is_ascii_digit());
    let number = value.parse().ok().filter(|number| is_digits && *number >= T::from(min));
    number.ok_or_else(|| format!("an integer of at least {min}, in digits"))
}

/// Parses the name of a bucket: "General purpose bucket naming rules", plus the capitals and underscores of some old buckets.
/// Access points and their aliases are rejected: events contain the name of the bucket, which the function compares to
/// recognize its outputs.
pub(super) fn bucket_name(value: &str) -> Result<String, String> {
    let is_name = value.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._".contains(&byte));
    let is_alias = ["-s3alias", "--ol-s3"].iter().any(|suffix| value.ends_with(suffix));
    if is_name && !is_alias && (3..=255).contains(&value.len()) {
        Ok(value.to_owned())
    } else {
        Err("a bucket name, not an ARN, a URI or an access point alias".to_owned())
    }
}

pub(super) fn prefix(value: &str) -> Result<String, String> {
    let trimmed = value.trim_start_matches('/');
    let end = if trimmed.is_empty() || trimmed.ends_with('/') { "" } else { "/" };
    let prefix = format!("{trimmed}{end}");
    let is_plain = prefix.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._=/".contains(&byte));
    let has_valid_segments = prefix.split_terminator('/').all(|part| !matches!(part, "" | "." | ".."));
    if is_plain && has_valid_segments && prefix.len() <= MAX_PREFIX_BYTES {
        Ok(prefix)
    } else {
        Err(format!(
            "at most {MAX_PREFIX_BYTES} of the characters a-z A-Z 0-9 . _ = - /, without empty, . or .. segments"
        ))
    }
}

pub(super) fn namespace(value: &str) -> Result<String, String> {
    let is_allowed = value.bytes().all(|byte| byte.is_ascii_alphanumeric() || b".-_/#: ".contains(&byte));
    let is_reserved = value.starts_with(':') || value.starts_with("AWS/") || value.trim().is_empty();
    if is_allowed && !is_reserved && value.len() <= MAX_NAMESPACE_BYTES {
        Ok(value.to_owned())
    } else {
        Err(format!(
            "1 to {MAX_NAMESPACE_BYTES} of the characters a-z A-Z 0-9 . - _ / # : and space, not only spaces, and not \
             beginning with : or AWS/"
        ))
    }
}
