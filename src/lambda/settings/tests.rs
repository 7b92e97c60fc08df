use proptest::prelude::*;

use super::env::MEMORY_SIZE;
use super::*;
use crate::config::{Limits, Thresholds};
use crate::record::format::Format;

fn read(variables: &[(&str, &str)]) -> Result<Settings, SettingsError> {
    Settings::from_variables(variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())))
}

fn with(name: &str, value: &str) -> Result<Settings, String> {
    read(&[("OUTPUT_BUCKET", "out"), (name, value)]).map_err(|error| error.errors.join("\n"))
}

#[test]
fn only_the_bucket_is_required() {
    let settings = with("EVENT_BUS_NAME", "").expect("defaults");
    assert_eq!(settings.output_bucket, "out");
    assert_eq!(settings.output_prefix, "flowsentry/");
    assert_eq!(settings.metrics_namespace, "FlowSentry");
    assert_eq!(settings.summary, build::SummaryOptions::default());
    assert_eq!(settings.pipeline.max_object_bytes, 16 << 30);
    assert_eq!(settings.pipeline.format, Format::version_2());
    assert_eq!((settings.topology_uri, settings.topology_ttl), (None, Duration::from_secs(300)));
    assert_eq!(settings.pipeline.max_lines, 1_000_000_000);
    assert_eq!((settings.alerts, settings.allowed_sources), (None, vec![]));
    assert_eq!(settings.on_permanent_failure, OnPermanentFailure::Quarantine);
}

#[test]
fn a_function_with_two_vcpus_decompresses_in_background() {
    let in_background = |memory: &str| {
        let variables = [("OUTPUT_BUCKET", "out"), (MEMORY_SIZE, memory)];
        let variables = variables.map(|(name, value)| (name.to_owned(), value.to_owned()));
        Settings::from_variables(variables).expect("settings").pipeline.decompress_in_background
    };
    assert_eq!(["512", "3537", "3538", "10240", ""].map(in_background), [false, false, true, true, false]);
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
    .expect("valid settings");
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
        ..Thresholds::default()
    };
    assert_eq!(
        settings.summary,
        build::SummaryOptions { thresholds, max_listed_groups: 0, trusted_scanners: Vec::new() }
    );
}

#[test]
fn slashes_of_prefixes_are_normalized() {
    let output_prefix = |value: &str| with("OUTPUT_PREFIX", value).map(|settings| settings.output_prefix).ok();
    assert_eq!(output_prefix("x").as_deref(), Some("x/"));
    assert_eq!(output_prefix("//x/y=1/").as_deref(), Some("x/y=1/"));
    assert_eq!(output_prefix("/").as_deref(), Some(""));
    for invalid in ["a//b", "../a", "a/./b", "a b", "é", &"x".repeat(512)] {
        assert_eq!(output_prefix(invalid), None, "{invalid}");
    }
}

#[test]
fn all_invalid_settings_are_reported_at_once() {
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
    .expect_err("invalid")
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
fn invalid_buckets_and_namespaces_are_rejected() {
    for invalid in ["ab", "ap-0123-s3alias", "arn:aws:s3:us-east-1:123456789012:accesspoint/x", "s3://out", "a/b"] {
        assert!(read(&[("OUTPUT_BUCKET", invalid)]).is_err(), "{invalid}");
    }
    for invalid in ["AWS/Lambda", "   ", "é", &"x".repeat(256)] {
        assert!(with("METRICS_NAMESPACE", invalid).is_err(), "{invalid}");
    }
    assert!(with("METRICS_NAMESPACE", &"x".repeat(255)).is_ok());
    assert!(with("MAX_OBJECT_BYTES", "+5").is_err());
}

#[test]
fn invalid_event_buses_and_sources_are_rejected() {
    let bus = |value: &str| with("EVENT_BUS_NAME", value).map(|settings| settings.alerts.map(|it| it.event_bus));
    for valid in ["default", "team/x.y-z_1", "arn:aws:events:eu-west-1:123456789012:event-bus/security"] {
        assert_eq!(bus(valid), Ok(Some(valid.to_owned())));
    }
    for invalid in ["a:b", "a b", "é", "arn:", "arn:aws:sns:eu-west-1:123456789012:topic", &"x".repeat(1601)] {
        assert!(bus(invalid).is_err(), "{invalid}");
    }
    for invalid in ["s3://logs/x", "a/b", ",", "logs//x", "logs,"] {
        assert!(with("ALLOWED_SOURCES", invalid).is_err(), "{invalid}");
    }
    let alone = with("ALERT_MIN_SEVERITY", "critical").expect_err("invalid even without a bus");
    assert!(alone.starts_with("ALERT_MIN_SEVERITY is \"critical\""), "{alone}");
}

#[test]
fn a_topology_folder_must_not_contain_the_outputs() {
    let message = "TOPOLOGY_URI is \"s3://out/\", but must not contain OUTPUT_PREFIX";
    assert_eq!(with("TOPOLOGY_URI", "s3://out").expect_err("invalid"), message);
    for valid in ["s3://out/topology", "s3://out/flowsentry/topology/", "s3://out/flowsentry.json", "s3://other"] {
        assert!(with("TOPOLOGY_URI", valid).is_ok(), "{valid}");
    }
    assert!(with("TOPOLOGY_URI", "s3://out/flowsentry").is_err());
}

proptest! {
    #[test]
    fn any_value_is_parsed_or_reported(value in "\\PC{1,200}", index in 0usize..9) {
        let names = [
            "OUTPUT_BUCKET", "OUTPUT_PREFIX", "METRICS_NAMESPACE", "LOG_FORMAT", "MAX_OBJECT_BYTES", "TOP",
            "PORT_SCAN_PORTS", "TOPOLOGY_URI", "ALLOWED_SOURCES",
        ];
        if let Err(error) = read(&[("OUTPUT_BUCKET", "out"), (names[index], &value)]) {
            prop_assert_eq!(error.errors.len(), 1);
            prop_assert!(error.errors[0].starts_with(names[index]));
        }
    }
}
