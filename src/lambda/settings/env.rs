//! Reads the environment variables, and collects the errors.

use std::collections::HashMap;
use std::time::Duration;

use super::parse;
use super::{
    Alerting, DEFAULT_METRICS_NAMESPACE, DEFAULT_OUTPUT_PREFIX, DEFAULT_TOPOLOGY_TTL_SECONDS, LogLevel,
    OnPermanentFailure, Settings, SettingsError,
};
use crate::config::{InvalidCount, Limits, Thresholds};
use crate::findings::types::Severity;
use crate::lambda::topology_uri::{TopologyLocation, TopologyUri};
use crate::pipeline;
use crate::sanitize::{NAME_CHARACTERS, quoted};
use crate::summary::build;

/// The memory of the function in MB, which Lambda sets.
pub(super) const MEMORY_SIZE: &str = "AWS_LAMBDA_FUNCTION_MEMORY_SIZE";
/// The memory at which a function has two vCPUs. It has one per 1,769 MB:
/// <https://docs.aws.amazon.com/lambda/latest/dg/configuration-memory.html>. With less than two, a second thread takes time
/// from the first.
const TWO_VCPUS_MB: u64 = 2 * 1769;

/// The variables that are set, and the errors so far.
pub(super) struct EnvReader {
    variables: HashMap<String, String>,
    errors: Vec<String>,
}

impl EnvReader {
    pub(super) fn new(variables: impl IntoIterator<Item = (String, String)>) -> EnvReader {
        EnvReader {
            variables: variables.into_iter().filter(|(_, value)| !value.is_empty()).collect(),
            errors: Vec::new(),
        }
    }

    /// Reads all settings. Invalid ones get their defaults, and an error is added.
    pub(super) fn settings(&mut self) -> Settings {
        let settings = Settings {
            output_bucket: self.required("OUTPUT_BUCKET", parse::bucket_name),
            output_prefix: self.parse_or("OUTPUT_PREFIX", DEFAULT_OUTPUT_PREFIX.to_owned(), parse::prefix),
            metrics_namespace: self.parse_or(
                "METRICS_NAMESPACE",
                DEFAULT_METRICS_NAMESPACE.to_owned(),
                parse::namespace,
            ),
            alerts: self.alerts(),
            on_permanent_failure: self.parse_or(
                "ON_PERMANENT_FAILURE",
                OnPermanentFailure::default(),
                parse::on_permanent_failure,
            ),
            allowed_sources: self.parse_or("ALLOWED_SOURCES", Vec::new(), parse::sources),
            pipeline: self.pipeline(),
            summary: self.summary(),
            topology_uri: self.parse_or("TOPOLOGY_URI", None, |value| parse::topology_uri(value).map(Some)),
            topology_ttl: Duration::from_secs(self.parse_or(
                "TOPOLOGY_TTL_SECONDS",
                DEFAULT_TOPOLOGY_TTL_SECONDS,
                |value| parse::integer(value, 1),
            )),
            log_level: self.parse_or("AWS_LAMBDA_LOG_LEVEL", LogLevel::default(), parse::log_level),
        };
        self.check_topology_overlap(&settings);
        settings
    }

    /// Returns the settings, or the errors if there are any.
    pub(super) fn finish(self, settings: Settings) -> Result<Settings, SettingsError> {
        if self.errors.is_empty() { Ok(settings) } else { Err(SettingsError { errors: self.errors }) }
    }

    /// Parses a variable, or returns the default if it is unset. An error of `parse` describes the allowed values.
    fn parse_or<T>(&mut self, name: &str, default: T, parse: impl FnOnce(&str) -> Result<T, String>) -> T {
        let Some(value) = self.variables.get(name) else { return default };
        match parse(value) {
            Ok(value) => value,
            Err(allowed) => {
                self.errors.push(format!("{name} is {}, but must be {allowed}", quoted(value, NAME_CHARACTERS)));
                default
            }
        }
    }

    fn required(&mut self, name: &str, parse: impl Fn(&str) -> Result<String, String>) -> String {
        if !self.variables.contains_key(name) {
            let allowed = parse("").err().unwrap_or_default();
            self.errors.push(format!("{name} is not set, but must be {allowed}"));
        }
        self.parse_or(name, String::new(), parse)
    }

    /// Reads the settings of alerts. The severity is parsed even without a bus, so that its errors are reported.
    fn alerts(&mut self) -> Option<Alerting> {
        let min_severity = self.parse_or("ALERT_MIN_SEVERITY", Severity::Medium, parse::severity);
        let event_bus = self.parse_or("EVENT_BUS_NAME", None, |value| parse::event_bus(value).map(Some))?;
        Some(Alerting { event_bus, min_severity })
    }

    fn pipeline(&mut self) -> pipeline::Options {
        let default = pipeline::Options::default();
        let at_least_1 = |value: &str| parse::integer(value, 1);
        pipeline::Options {
            topology: None,
            format: self.parse_or("LOG_FORMAT", default.format, parse::log_format),
            max_object_bytes: self.parse_or("MAX_OBJECT_BYTES", default.max_object_bytes, at_least_1),
            max_lines: self.parse_or("MAX_LINES", default.max_lines, at_least_1),
            limits: self.limits(),
            decompress_in_background: self.has_two_vcpus(),
        }
    }

    /// Reports whether the function's memory gives it two vCPUs. An invalid value is not an error here: Lambda sets the
    /// variable, and the runtime stops if it is not a number.
    fn has_two_vcpus(&self) -> bool {
        let memory = self.variables.get(MEMORY_SIZE).and_then(|value| value.parse().ok());
        memory.is_some_and(|megabytes: u64| megabytes >= TWO_VCPUS_MB)
    }

    fn limits(&mut self) -> Limits {
        let mut limits = Limits::default();
        self.counts(Limits::NAMES, |name, value| limits.set(name, value));
        limits
    }

    /// Sets the counts whose names are also names of variables, in lower case.
    fn counts(&mut self, names: &[&str], mut set: impl FnMut(&str, &str) -> Option<Result<(), InvalidCount>>) {
        for name in names {
            self.parse_or(&name.to_ascii_uppercase(), (), |value| match set(name, value) {
                Some(Err(_)) => Err(format!("an integer from 1 to {}", i64::MAX)),
                Some(Ok(())) | None => Ok(()),
            });
        }
    }

    fn summary(&mut self) -> build::SummaryOptions {
        let default = build::SummaryOptions::default();
        let max_listed_groups = self.parse_or("TOP", default.max_listed_groups, |value| parse::integer(value, 0));
        let mut thresholds = default.thresholds;
        self.counts(Thresholds::NAMES, |name, value| thresholds.set(name, value));
        build::SummaryOptions { thresholds, max_listed_groups, ..default }
    }

    /// Rejects a topology folder that contains the outputs: summaries end in `.json` too, so all of them would be read.
    fn check_topology_overlap(&mut self, settings: &Settings) {
        let Some(TopologyUri { bucket, location: TopologyLocation::Folder(folder) }) = &settings.topology_uri else {
            return;
        };
        if *bucket == settings.output_bucket && settings.output_prefix.starts_with(folder) {
            self.errors.push(format!(
                "TOPOLOGY_URI is {}, but must not contain OUTPUT_PREFIX",
                quoted(&format!("s3://{bucket}/{folder}"), NAME_CHARACTERS)
            ));
        }
    }
}
