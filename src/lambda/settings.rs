//! The function's settings: environment variables → what they mean. All that is wrong is told at once.
//!
//! An empty value is as good as none, since CloudFormation can't leave a variable out. `OUTPUT_PREFIX` loses leading
//! slashes and gets one at its end; `/` alone is the bucket's root.

use std::collections::HashMap;
use std::str::FromStr;
use std::time::Duration;

use thiserror::Error;

use crate::config::InvalidCount;
use crate::config::Limits;
use crate::config::Thresholds;
use crate::findings::types::Severity;
use crate::lambda::topology_uri::{ParseTopologyUriError, TopologyLocation, TopologyUri};
use crate::pipeline;
use crate::record::format::Format;
use crate::sanitize::{NAME_CHARACTERS, quoted};
use crate::summary::build;

/// Where outputs go unless set otherwise.
pub const DEFAULT_OUTPUT_PREFIX: &str = "flowsentry/";
/// The metrics' namespace unless set otherwise.
pub const DEFAULT_METRICS_NAMESPACE: &str = "FlowSentry";
/// After so many seconds the function looks for a newer topology, unless set otherwise.
pub const DEFAULT_TOPOLOGY_TTL_SECONDS: u64 = 300;

/// With this much before them, names of outputs stay far below the 1,024 bytes that S3 allows.
const MAX_PREFIX_BYTES: usize = 512;
/// "NamespaceName" in
/// <https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_PutMetricData.html>
const MAX_NAMESPACE_BYTES: usize = 255;

/// "EventBusName" in <https://docs.aws.amazon.com/eventbridge/latest/APIReference/API_PutEventsRequestEntry.html>
const MAX_EVENT_BUS_BYTES: usize = 1600;

/// What the function is told by its environment.
#[derive(Debug, Clone)]
pub struct Settings {
    /// `OUTPUT_BUCKET`: the bucket of summaries and findings.
    pub output_bucket: String,
    /// `OUTPUT_PREFIX`: what their names begin with; empty, or with a slash at its end.
    pub output_prefix: String,
    /// `METRICS_NAMESPACE`: CloudWatch's namespace of the metrics.
    pub metrics_namespace: String,
    /// `EVENT_BUS_NAME` and `ALERT_MIN_SEVERITY`: where which findings are told; nowhere unless set.
    pub alerts: Option<Alerting>,
    /// `ON_PERMANENT_FAILURE`: what becomes of an object that can never be read.
    pub on_permanent_failure: OnPermanentFailure,
    /// `ALLOWED_SOURCES`: objects elsewhere are not read; empty, all are.
    pub allowed_sources: Vec<Source>,
    /// `LOG_FORMAT`, `MAX_OBJECT_BYTES` and `MAX_LINES`: how to read an object.
    pub pipeline: pipeline::Options,
    /// `TOP` and the thresholds: what to conclude and to show.
    pub report: build::SummaryOptions,
    /// `TOPOLOGY_URI`: where the topology is.
    pub topology_uri: Option<TopologyUri>,
    /// `TOPOLOGY_TTL_SECONDS`: for so long it is used without a look at whether there is a newer one.
    pub topology_ttl: Duration,
    /// `AWS_LAMBDA_LOG_LEVEL`: what is logged.
    pub log_level: LogLevel,
}

/// Which findings are told, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Alerting {
    /// Name or ARN of an event bus.
    pub event_bus: String,
    /// The least severity that is told.
    pub min_severity: Severity,
}

/// What becomes of an object that can never be read.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum OnPermanentFailure {
    /// A receipt says why, and its event is done.
    #[default]
    Quarantine,
    /// Its event fails, and in the end lies in the dead-letter queue.
    Fail,
}

/// A bucket, or part of one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source {
    /// Name of the bucket.
    pub bucket: String,
    /// What the keys of its objects begin with; empty for all.
    pub prefix: String,
}

/// Levels of the log, each with those before it. The words are Lambda's:
/// <https://docs.aws.amazon.com/lambda/latest/dg/monitoring-cloudwatchlogs-log-level.html>. It knows a level above
/// `error`, which here is the same.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum LogLevel {
    /// What went wrong.
    Error,
    /// And what may go wrong.
    Warn,
    /// And what became of each object.
    #[default]
    Info,
    /// And what the libraries do.
    Debug,
    /// And all else.
    Trace,
}

/// Settings that can't be used.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{} invalid environment variable(s): {}", wrong.len(), wrong.join("; "))]
pub struct SettingsError {
    /// Each by its name, with its value and what is allowed.
    pub wrong: Vec<String>,
}

impl Settings {
    /// Reads environment variables; those that are not flowsentry's are passed over.
    ///
    /// # Errors
    /// Where one is missing or wrong; all of them are told.
    pub fn from_variables(variables: impl IntoIterator<Item = (String, String)>) -> Result<Settings, SettingsError> {
        let mut reader = EnvReader::new(variables);
        let settings = Settings {
            output_bucket: reader.required("OUTPUT_BUCKET", bucket_name),
            output_prefix: reader.or("OUTPUT_PREFIX", DEFAULT_OUTPUT_PREFIX.to_owned(), prefix),
            metrics_namespace: reader.or("METRICS_NAMESPACE", DEFAULT_METRICS_NAMESPACE.to_owned(), namespace),
            alerts: reader.alerts(),
            on_permanent_failure: reader.or(
                "ON_PERMANENT_FAILURE",
                OnPermanentFailure::default(),
                on_permanent_failure,
            ),
            allowed_sources: reader.or("ALLOWED_SOURCES", Vec::new(), sources),
            pipeline: reader.pipeline(),
            report: reader.report(),
            topology_uri: reader.or("TOPOLOGY_URI", None, topology_uri),
            topology_ttl: Duration::from_secs(reader.or(
                "TOPOLOGY_TTL_SECONDS",
                DEFAULT_TOPOLOGY_TTL_SECONDS,
                |value| parse_integer(value, 1),
            )),
            log_level: reader.or("AWS_LAMBDA_LOG_LEVEL", LogLevel::default(), log_level),
        };
        reader.check_topology_overlap(&settings);
        if reader.wrong.is_empty() { Ok(settings) } else { Err(SettingsError { wrong: reader.wrong }) }
    }
}

/// Variables, and what is wrong with them so far.
struct EnvReader {
    variables: HashMap<String, String>,
    wrong: Vec<String>,
}

/// Lambda's own: the memory of the function, in MB.
const MEMORY_SIZE: &str = "AWS_LAMBDA_FUNCTION_MEMORY_SIZE";
/// A function has one vCPU for each 1,769 MB: <https://docs.aws.amazon.com/lambda/latest/dg/configuration-memory.html>. With
/// less than two a second thread takes from the first.
const TWO_PROCESSORS_MB: u64 = 2 * 1769;

impl EnvReader {
    fn new(variables: impl IntoIterator<Item = (String, String)>) -> EnvReader {
        EnvReader {
            variables: variables.into_iter().filter(|(_, value)| !value.is_empty()).collect(),
            wrong: Vec::new(),
        }
    }

    /// What a variable says, by `parse`, which else says what is allowed.
    fn or<T>(&mut self, name: &str, default: T, parse: impl FnOnce(&str) -> Result<T, String>) -> T {
        let Some(value) = self.variables.get(name) else { return default };
        match parse(value) {
            Ok(meaning) => meaning,
            Err(allowed) => {
                self.wrong.push(format!("{name} is {}, but must be {allowed}", quoted(value, NAME_CHARACTERS)));
                default
            }
        }
    }

    fn required(&mut self, name: &str, parse: impl Fn(&str) -> Result<String, String>) -> String {
        if !self.variables.contains_key(name) {
            let allowed = parse("").err().unwrap_or_default();
            self.wrong.push(format!("{name} is not set, but must be {allowed}"));
        }
        self.or(name, String::new(), parse)
    }

    /// The severity is looked at even where no bus is set: what is wrong is told.
    fn alerts(&mut self) -> Option<Alerting> {
        let min_severity = self.or("ALERT_MIN_SEVERITY", Severity::Medium, severity);
        let event_bus = self.or("EVENT_BUS_NAME", None, |value| event_bus(value).map(Some))?;
        Some(Alerting { event_bus, min_severity })
    }

    fn pipeline(&mut self) -> pipeline::Options {
        let default = pipeline::Options::default();
        pipeline::Options {
            topology: None,
            format: self.or("LOG_FORMAT", default.format, |value| {
                Format::from_setting(value).map_err(|_| {
                    "a list of flow log fields, at least half of them documented by AWS, such as \
                     \"${version} ${account-id} ${interface-id}\" or \"version account-id interface-id\""
                        .to_owned()
                })
            }),
            max_object_bytes: self.or("MAX_OBJECT_BYTES", default.max_object_bytes, |value| parse_integer(value, 1)),
            max_lines: self.or("MAX_LINES", default.max_lines, |value| parse_integer(value, 1)),
            limits: self.limits(),
            decompress_in_background: self.has_two_processors(),
        }
    }

    /// As the function's memory tells. It is Lambda's to set: the runtime ends where it is no number.
    fn has_two_processors(&self) -> bool {
        let memory = self.variables.get(MEMORY_SIZE).and_then(|value| value.parse().ok());
        memory.is_some_and(|megabytes: u64| megabytes >= TWO_PROCESSORS_MB)
    }

    fn limits(&mut self) -> Limits {
        let mut limits = Limits::default();
        self.counts(Limits::NAMES, |name, value| limits.set(name, value));
        limits
    }

    /// Sets the counts that have variables of their names.
    fn counts(&mut self, names: &[&str], mut set: impl FnMut(&str, &str) -> Option<Result<(), InvalidCount>>) {
        for name in names {
            self.or(&name.to_ascii_uppercase(), (), |value| {
                set(name, value).transpose().map(|_| ()).map_err(|_| format!("an integer from 1 to {}", i64::MAX))
            });
        }
    }

    fn report(&mut self) -> build::SummaryOptions {
        let default = build::SummaryOptions::default();
        let max_listed_groups = self.or("TOP", default.max_listed_groups, |value| parse_integer(value, 0));
        let mut thresholds = default.thresholds;
        self.counts(Thresholds::NAMES, |name, value| thresholds.set(name, value));
        build::SummaryOptions { thresholds, max_listed_groups }
    }

    /// Summaries end in `.json` too: all of them would be listed and read.
    fn check_topology_overlap(&mut self, settings: &Settings) {
        let Some(TopologyUri { bucket, place: TopologyLocation::Folder(folder) }) = &settings.topology_uri else {
            return;
        };
        if *bucket == settings.output_bucket && settings.output_prefix.starts_with(folder) {
            self.wrong.push(format!(
                "TOPOLOGY_URI is {}, but must not contain OUTPUT_PREFIX",
                quoted(&format!("s3://{bucket}/{folder}"), NAME_CHARACTERS)
            ));
        }
    }
}

fn topology_uri(value: &str) -> Result<Option<TopologyUri>, String> {
    value.parse().map(Some).map_err(|allowed: ParseTopologyUriError| allowed.to_string())
}

fn log_level(value: &str) -> Result<LogLevel, String> {
    match value.to_ascii_lowercase().as_str() {
        "fatal" | "error" => Ok(LogLevel::Error),
        "warn" => Ok(LogLevel::Warn),
        "info" => Ok(LogLevel::Info),
        "debug" => Ok(LogLevel::Debug),
        "trace" => Ok(LogLevel::Trace),
        _ => Err("one of TRACE, DEBUG, INFO, WARN, ERROR, FATAL".to_owned()),
    }
}

fn severity(value: &str) -> Result<Severity, String> {
    let named = Severity::ALL.iter().find(|severity| severity.name() == value.to_ascii_lowercase());
    named.copied().ok_or_else(|| format!("one of {}", Severity::ALL.map(Severity::name).join(", ")))
}

fn on_permanent_failure(value: &str) -> Result<OnPermanentFailure, String> {
    match value.to_ascii_lowercase().as_str() {
        "quarantine" => Ok(OnPermanentFailure::Quarantine),
        "fail" => Ok(OnPermanentFailure::Fail),
        _ => Err("quarantine or fail".to_owned()),
    }
}

/// `arn:aws:events:eu-west-1:123456789012:event-bus/name`, or the name alone.
fn event_bus(value: &str) -> Result<String, String> {
    let name = match value.split(':').collect::<Vec<_>>()[..] {
        [name] => Some(name),
        ["arn", partition, "events", region, account, bus]
            if partition.starts_with("aws") && !region.is_empty() && account.len() == 12 =>
        {
            bus.strip_prefix("event-bus/")
        }
        _ => None,
    };
    let named = |name: &str| name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"/.-_".contains(&byte));
    match name {
        Some(name) if !name.is_empty() && named(name) && value.len() <= MAX_EVENT_BUS_BYTES => Ok(value.to_owned()),
        _ => Err("the name of an event bus or its ARN, arn:aws:events:region:account:event-bus/name".to_owned()),
    }
}

/// Commas part the sources, and white space around them is none of their names. A leading slash would fit no key.
fn sources(value: &str) -> Result<Vec<Source>, String> {
    let source = |text: &str| {
        let (bucket, prefix) = text.split_once('/').unwrap_or((text, ""));
        let source = Source { bucket: bucket_name(bucket)?, prefix: prefix.to_owned() };
        if prefix.starts_with('/') { Err("no leading slash in the key".to_owned()) } else { Ok(source) }
    };
    let sources: Result<Vec<Source>, String> = value.split(',').map(|text| source(text.trim())).collect();
    sources.map_err(|_| "a comma-separated list of bucket/prefix".to_owned())
}

fn parse_integer<T: FromStr + PartialOrd + From<u8>>(value: &str, least: u8) -> Result<T, String> {
    let digits = value.bytes().all(|byte| byte.is_ascii_digit());
    let number = value.parse().ok().filter(|number| digits && *number >= T::from(least));
    number.ok_or_else(|| format!("an integer of at least {least}, in digits"))
}

/// "General purpose bucket naming rules"; some old buckets have capitals and underscores. An access point or its alias
/// would not do: events tell the bucket's own name, by which the function knows its outputs.
fn bucket_name(value: &str) -> Result<String, String> {
    let named = value.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._".contains(&byte));
    let alias = ["-s3alias", "--ol-s3"].iter().any(|suffix| value.ends_with(suffix));
    if named && !alias && (3..=255).contains(&value.len()) {
        Ok(value.to_owned())
    } else {
        Err("a bucket name, not an ARN, a URI or an access point alias".to_owned())
    }
}

fn prefix(value: &str) -> Result<String, String> {
    let trimmed = value.trim_start_matches('/');
    let end = if trimmed.is_empty() || trimmed.ends_with('/') { "" } else { "/" };
    let prefix = format!("{trimmed}{end}");
    let named = prefix.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._=/".contains(&byte));
    let parts = prefix.split_terminator('/').all(|part| !matches!(part, "" | "." | ".."));
    if named && parts && prefix.len() <= MAX_PREFIX_BYTES {
        Ok(prefix)
    } else {
        Err(format!(
            "at most {MAX_PREFIX_BYTES} of the characters a-z A-Z 0-9 . _ = - /, without empty, . or .. segments"
        ))
    }
}

fn namespace(value: &str) -> Result<String, String> {
    let named = value.bytes().all(|byte| byte.is_ascii_alphanumeric() || b".-_/#: ".contains(&byte));
    let reserved = value.starts_with(':') || value.starts_with("AWS/") || value.trim().is_empty();
    if named && !reserved && value.len() <= MAX_NAMESPACE_BYTES {
        Ok(value.to_owned())
    } else {
        Err(format!(
            "1 to {MAX_NAMESPACE_BYTES} of the characters a-z A-Z 0-9 . - _ / # : and space, not only spaces, and not \
             beginning with : or AWS/"
        ))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read(variables: &[(&str, &str)]) -> Result<Settings, SettingsError> {
        Settings::from_variables(variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())))
    }

    fn with(name: &str, value: &str) -> Result<Settings, String> {
        read(&[("OUTPUT_BUCKET", "out"), (name, value)]).map_err(|error| error.wrong.join("\n"))
    }

    #[test]
    fn only_the_bucket_is_required() {
        let settings = with("EVENT_BUS_NAME", "").expect("defaults");
        assert_eq!(settings.output_bucket, "out");
        assert_eq!(settings.output_prefix, "flowsentry/");
        assert_eq!(settings.metrics_namespace, "FlowSentry");
        assert_eq!(settings.report, build::SummaryOptions::default());
        assert_eq!(settings.pipeline.max_object_bytes, 16 << 30);
        assert_eq!(settings.pipeline.format, Format::version_2());
        assert_eq!((settings.topology_uri, settings.topology_ttl), (None, Duration::from_secs(300)));
        assert_eq!(settings.pipeline.max_lines, 1_000_000_000);
        assert_eq!((settings.alerts, settings.allowed_sources), (None, vec![]));
        assert_eq!(settings.on_permanent_failure, OnPermanentFailure::Quarantine);
    }

    #[test]
    fn a_function_with_two_processors_decompresses_ahead() {
        let ahead = |memory: &str| {
            let variables = [("OUTPUT_BUCKET", "out"), (MEMORY_SIZE, memory)];
            let variables = variables.map(|(name, value)| (name.to_owned(), value.to_owned()));
            Settings::from_variables(variables).expect("settings").pipeline.decompress_in_background
        };
        assert_eq!(["512", "3537", "3538", "10240", ""].map(ahead), [false, false, true, true, false]);
    }

    #[test]
    fn every_setting_takes_effect() {
        let settings = read(&[
            ("OUTPUT_BUCKET", "out"),
            ("OUTPUT_PREFIX", "a/b"),
            ("METRICS_NAMESPACE", "Net/Flow Logs"),
            ("LOG_FORMAT", "${srcaddr} ${dstaddr}"),
            ("MAX_OBJECT_BYTES", "1024"),
            ("MAX_LINES", "2048"),
            ("MAX_REJECTED_GROUPS", "5"),
            ("MAX_FORMATS", "6"),
            ("EVENT_BUS_NAME", "security"),
            ("ALERT_MIN_SEVERITY", "High"),
            ("ON_PERMANENT_FAILURE", "fail"),
            ("ALLOWED_SOURCES", "logs/AWSLogs/, old-logs"),
            ("TOP", "0"),
            ("TOPOLOGY_URI", "s3://inventory/vpc"),
            ("TOPOLOGY_TTL_SECONDS", "60"),
            ("AWS_LAMBDA_LOG_LEVEL", "DEBUG"),
            ("PORT_SCAN_PORTS", "3"),
            ("HOST_SWEEP_HOSTS", "4"),
            ("REPEATED_REJECT_FLOWS", "5"),
            ("EGRESS_BLOCKED_FLOWS", "6"),
            ("ONE_WAY_MIN_FLOWS", "7"),
            ("PATH", "/bin"),
        ])
        .expect("right");
        assert_eq!(settings.output_prefix, "a/b/");
        assert_eq!(settings.metrics_namespace, "Net/Flow Logs");
        assert_eq!(settings.pipeline.format.names(), ["srcaddr", "dstaddr"]);
        assert_eq!((settings.pipeline.max_object_bytes, settings.pipeline.max_lines), (1024, 2048));
        let limits = Limits { max_rejected_groups: 5, max_formats: 6, ..Limits::default() };
        assert_eq!(settings.pipeline.limits, limits);
        let alerting = Alerting { event_bus: "security".to_owned(), min_severity: Severity::High };
        assert_eq!(settings.alerts, Some(alerting));
        assert_eq!(settings.on_permanent_failure, OnPermanentFailure::Fail);
        let source = |bucket: &str, prefix: &str| Source { bucket: bucket.to_owned(), prefix: prefix.to_owned() };
        assert_eq!(settings.allowed_sources, [source("logs", "AWSLogs/"), source("old-logs", "")]);
        assert_eq!(settings.topology_uri.map(|uri| uri.to_string()).as_deref(), Some("s3://inventory/vpc/"));
        assert_eq!(settings.topology_ttl, Duration::from_secs(60));
        assert_eq!(settings.log_level, LogLevel::Debug);
        let thresholds = Thresholds {
            port_scan_ports: 3,
            host_sweep_hosts: 4,
            repeated_reject_flows: 5,
            egress_blocked_flows: 6,
            one_way_min_flows: 7,
        };
        assert_eq!(settings.report, build::SummaryOptions { thresholds, max_listed_groups: 0 });
    }

    #[test]
    fn prefixes_get_their_slashes_right() {
        let of = |value: &str| with("OUTPUT_PREFIX", value).map(|settings| settings.output_prefix).ok();
        assert_eq!(of("x").as_deref(), Some("x/"));
        assert_eq!(of("//x/y=1/").as_deref(), Some("x/y=1/"));
        assert_eq!(of("/").as_deref(), Some(""));
        for wrong in ["a//b", "../a", "a/./b", "a b", "é", &"x".repeat(512)] {
            assert_eq!(of(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn all_wrong_ones_are_told_at_once() {
        let error = read(&[
            ("OUTPUT_PREFIX", "a b"),
            ("METRICS_NAMESPACE", ":x"),
            ("LOG_FORMAT", "a b c"),
            ("MAX_OBJECT_BYTES", "0"),
            ("TOP", "-1"),
            ("TOPOLOGY_URI", "inventory/vpc.json"),
            ("TOPOLOGY_TTL_SECONDS", "5m"),
            ("AWS_LAMBDA_LOG_LEVEL", "verbose"),
            ("HOST_SWEEP_HOSTS", "many\n"),
            ("EVENT_BUS_NAME", "my bus"),
            ("ALERT_MIN_SEVERITY", "critical"),
            ("ON_PERMANENT_FAILURE", "ignore"),
            ("ALLOWED_SOURCES", "logs,,old-logs"),
            ("MAX_LINES", "0"),
        ])
        .expect_err("wrong")
        .to_string();
        for part in [
            "15 invalid environment variable(s): OUTPUT_BUCKET is not set, but must be a bucket name",
            "; OUTPUT_PREFIX is \"a b\", but must be at most 512 of",
            "; METRICS_NAMESPACE is \":x\", but must be 1 to 255 of",
            "; LOG_FORMAT is \"a b c\", but must be a list of flow log fields",
            "; MAX_OBJECT_BYTES is \"0\", but must be an integer of at least 1, in digits",
            "; TOP is \"-1\", but must be an integer of at least 0, in digits",
            "; TOPOLOGY_URI is \"inventory/vpc.json\", but must be s3://bucket/key.json for one document or s3://bucket/",
            "; TOPOLOGY_TTL_SECONDS is \"5m\", but must be an integer of at least 1, in digits",
            "; AWS_LAMBDA_LOG_LEVEL is \"verbose\", but must be one of TRACE, DEBUG, INFO, WARN, ERROR, FATAL",
            "; HOST_SWEEP_HOSTS is \"many\\n\", but must be an integer from 1 to 9223372036854775807",
            "; EVENT_BUS_NAME is \"my bus\", but must be the name of an event bus or its ARN, arn:aws:events:",
            "; ALERT_MIN_SEVERITY is \"critical\", but must be one of low, medium, high",
            "; ON_PERMANENT_FAILURE is \"ignore\", but must be quarantine or fail",
            "; ALLOWED_SOURCES is \"logs,,old-logs\", but must be a comma-separated list of bucket/prefix",
            "; MAX_LINES is \"0\", but must be an integer of at least 1, in digits",
        ] {
            assert!(error.contains(part), "{part} in {error}");
        }
        assert!(!error.contains('\n'), "{error}");
    }

    #[test]
    fn names_of_buckets_and_namespaces_have_limits() {
        for wrong in ["ab", "ap-0123-s3alias", "arn:aws:s3:us-east-1:123456789012:accesspoint/x", "s3://out", "a/b"] {
            assert!(read(&[("OUTPUT_BUCKET", wrong)]).is_err(), "{wrong}");
        }
        for wrong in ["AWS/Lambda", "   ", "é", &"x".repeat(256)] {
            assert!(with("METRICS_NAMESPACE", wrong).is_err(), "{wrong}");
        }
        assert!(with("METRICS_NAMESPACE", &"x".repeat(255)).is_ok());
        assert!(with("MAX_OBJECT_BYTES", "+5").is_err());
    }

    #[test]
    fn event_buses_and_sources_have_forms() {
        let bus = |value: &str| with("EVENT_BUS_NAME", value).map(|settings| settings.alerts.map(|it| it.event_bus));
        for right in ["default", "team/x.y-z_1", "arn:aws:events:eu-west-1:123456789012:event-bus/security"] {
            assert_eq!(bus(right), Ok(Some(right.to_owned())));
        }
        for wrong in ["a:b", "a b", "é", "arn:", "arn:aws:sns:eu-west-1:123456789012:topic", &"x".repeat(1601)] {
            assert!(bus(wrong).is_err(), "{wrong}");
        }
        for wrong in ["s3://logs/x", "a/b", ",", "logs//x", "logs,"] {
            assert!(with("ALLOWED_SOURCES", wrong).is_err(), "{wrong}");
        }
        let alone = with("ALERT_MIN_SEVERITY", "critical").expect_err("wrong even without a bus");
        assert!(alone.starts_with("ALERT_MIN_SEVERITY is \"critical\""), "{alone}");
    }

    #[test]
    fn the_topology_is_not_looked_for_among_the_outputs() {
        let wrong = "TOPOLOGY_URI is \"s3://out/\", but must not contain OUTPUT_PREFIX";
        assert_eq!(with("TOPOLOGY_URI", "s3://out").expect_err("wrong"), wrong);
        for right in ["s3://out/topology", "s3://out/flowsentry/topology/", "s3://out/flowsentry.json", "s3://other"] {
            assert!(with("TOPOLOGY_URI", right).is_ok(), "{right}");
        }
        assert!(with("TOPOLOGY_URI", "s3://out/flowsentry").is_err());
    }

    proptest! {
        #[test]
        fn any_value_is_read_or_named(value in "\\PC{1,200}", at in 0usize..9) {
            let names = [
                "OUTPUT_BUCKET", "OUTPUT_PREFIX", "METRICS_NAMESPACE", "LOG_FORMAT", "MAX_OBJECT_BYTES", "TOP",
                "PORT_SCAN_PORTS", "TOPOLOGY_URI", "ALLOWED_SOURCES",
            ];
            if let Err(error) = read(&[("OUTPUT_BUCKET", "out"), (names[at], &value)]) {
                prop_assert_eq!(error.wrong.len(), 1);
                prop_assert!(error.wrong[0].starts_with(names[at]));
            }
        }
    }
}
