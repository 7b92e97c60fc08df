//! Reads the environment variables, and collects the errors.

use std::collections::HashMap;
use std::time::Duration;

use super::parse;
use super::{
    Alerting, DEFAULT_ALERT_REPEAT_HOURS, DEFAULT_METRICS_NAMESPACE, DEFAULT_OUTPUT_PREFIX,
    DEFAULT_TOPOLOGY_TTL_SECONDS, LogLevel, OnPermanentFailure, Settings, SettingsError, WindowReports,
};
use crate::config::exceptions::SUPPRESS;
use crate::config::{LOG_FORMATS, Limits, TRUSTED_SCANNERS, Thresholds};
use crate::findings::types::Severity;
use crate::lambda::document_uri::{DocumentLocation, DocumentUri};
use crate::pipeline;
use crate::sanitize::{NAME_CHARACTERS, quoted};
use crate::summary::build;

/// The memory of the function in MB, which Lambda sets.
pub(super) const MEMORY_SIZE: &str = "AWS_LAMBDA_FUNCTION_MEMORY_SIZE";
/// The region of the function, which Lambda sets.
pub(super) const REGION: &str = "AWS_REGION";
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
            output_kms_key_arn: self.parse_or("OUTPUT_KMS_KEY_ARN", None, |value| parse::kms_key_arn(value).map(Some)),
            pipeline: self.pipeline(),
            summary: self.summary(),
            config_uri: self.parse_or("CONFIG_URI", None, |value| parse::config_uri(value).map(Some)),
            topology_uri: self.parse_or("TOPOLOGY_URI", None, |value| parse::topology_uri(value).map(Some)),
            topology_ttl: Duration::from_secs(self.parse_or(
                "TOPOLOGY_TTL_SECONDS",
                DEFAULT_TOPOLOGY_TTL_SECONDS,
                |value| parse::integer(value, 1),
            )),
            region: self.parse_or(REGION, None, |value| parse::region(value).map(Some)),
            log_level: self.parse_or("AWS_LAMBDA_LOG_LEVEL", LogLevel::default(), parse::log_level),
        };
        self.check_topology_overlap(&settings);
        self.reject_settings_of_the_configuration();
        settings
    }

    /// Returns the settings, or the errors if there are any.
    pub(super) fn finish<S>(self, settings: S) -> Result<S, SettingsError> {
        if self.errors.is_empty() { Ok(settings) } else { Err(SettingsError { errors: self.errors }) }
    }

    /// Parses a variable, or returns the default if it is unset. An error of `parse` describes the allowed values.
    pub(super) fn parse_or<T>(&mut self, name: &str, default: T, parse: impl FnOnce(&str) -> Result<T, String>) -> T {
        let Some(value) = self.variables.get(name) else { return default };
        match parse(value) {
            Ok(value) => value,
            Err(allowed) => {
                self.errors.push(format!("{name} is {}, but must be {allowed}", quoted(value, NAME_CHARACTERS)));
                default
            }
        }
    }

    /// Adds an error.
    pub(super) fn reject(&mut self, message: &str) {
        self.errors.push(message.to_owned());
    }

    pub(super) fn required<T: Default>(&mut self, name: &str, parse: impl Fn(&str) -> Result<T, String>) -> T {
        if !self.variables.contains_key(name) {
            let allowed = parse("").err().unwrap_or_default();
            self.errors.push(format!("{name} is not set, but must be {allowed}"));
        }
        self.parse_or(name, T::default(), parse)
    }

    /// Reads the settings of alerts. All are parsed even without a bus, so that their errors are reported.
    fn alerts(&mut self) -> Option<Alerting> {
        let min_severity = self.parse_or("ALERT_MIN_SEVERITY", Severity::Medium, parse::severity);
        let repeat_hours = self.parse_or("ALERT_REPEAT_HOURS", DEFAULT_ALERT_REPEAT_HOURS, parse::hours);
        let window_reports = self.parse_or("WINDOW_REPORTS", WindowReports::default(), parse::window_reports);
        let event_bus = self.parse_or("EVENT_BUS_NAME", None, |value| parse::event_bus(value).map(Some))?;
        Some(Alerting { event_bus, min_severity, repeat_hours, window_reports })
    }

    fn pipeline(&mut self) -> pipeline::Options {
        let default = pipeline::Options::default();
        let at_least_1 = |value: &str| parse::integer(value, 1);
        pipeline::Options {
            topology: None,
            format: self.parse_or("LOG_FORMAT", default.format, parse::log_format),
            max_object_bytes: self.parse_or("MAX_OBJECT_BYTES", default.max_object_bytes, at_least_1),
            max_lines: self.parse_or("MAX_LINES", default.max_lines, at_least_1),
            log_formats: default.log_formats,
            limits: default.limits,
            decompress_in_background: self.has_two_vcpus(),
        }
    }

    /// Reports whether the function's memory gives it two vCPUs. An invalid value is not an error here: Lambda sets the
    /// variable, and the runtime stops if it is not a number.
    fn has_two_vcpus(&self) -> bool {
        let memory = self.variables.get(MEMORY_SIZE).and_then(|value| value.parse().ok());
        memory.is_some_and(|megabytes: u64| megabytes >= TWO_VCPUS_MB)
    }

    fn summary(&mut self) -> build::SummaryOptions {
        let default = build::SummaryOptions::default();
        let max_listed_groups = self.parse_or("TOP", default.max_listed_groups, |value| parse::integer(value, 0));
        build::SummaryOptions { max_listed_groups, ..default }
    }

    /// Rejects variables that are named like values of the configuration: no setting is ignored silently.
    fn reject_settings_of_the_configuration(&mut self) {
        for name in [Thresholds::NAMES, Limits::NAMES, &[TRUSTED_SCANNERS, SUPPRESS, LOG_FORMATS]].concat() {
            let variable = name.to_ascii_uppercase();
            if let Some(value) = self.variables.get(&variable) {
                self.errors.push(format!(
                    "{variable} is {}, but must be unset: write {name} into a TOML file in S3 and set CONFIG_URI to its URI",
                    quoted(value, NAME_CHARACTERS)
                ));
            }
        }
    }

    /// Rejects a topology that contains other documents: the outputs, which end in `.json` too, or the configuration.
    fn check_topology_overlap(&mut self, settings: &Settings) {
        let Some(topology) = &settings.topology_uri else { return };
        let contains = |uri: &DocumentUri| match &uri.location {
            DocumentLocation::Document(key) => topology.bucket == uri.bucket && topology.matches(key),
            DocumentLocation::Folder(_) => false,
        };
        let has_outputs = match &topology.location {
            DocumentLocation::Document(_) => false,
            DocumentLocation::Folder(folder) => {
                topology.bucket == settings.output_bucket && settings.output_prefix.starts_with(folder)
            }
        };
        let has_config = settings.config_uri.as_ref().is_some_and(contains);
        for (overlaps, other) in [(has_outputs, "OUTPUT_PREFIX"), (has_config, "CONFIG_URI")] {
            if overlaps {
                let uri = quoted(&topology.to_string(), NAME_CHARACTERS);
                self.errors.push(format!("TOPOLOGY_URI is {uri}, but must not contain {other}"));
            }
        }
    }
}
