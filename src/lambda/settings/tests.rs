use proptest::prelude::*;

use super::env::MEMORY_SIZE;
use super::*;
use crate::config::Limits;
use crate::record::format::Format;

fn read(variables: &[(&str, &str)]) -> Result<Settings, SettingsError> {
    Settings::from_variables(variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())))
}

const KEY: &str = "arn:aws:kms:eu-west-1:123456789012:key/1234abcd-12ab-34cd-56ef-1234567890ab";

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
    assert_eq!((settings.topology_uri, settings.config_uri), (None, None));
    assert_eq!((settings.topology_ttl, settings.output_kms_key_arn), (Duration::from_secs(300), None));
    assert_eq!(settings.pipeline.limits, Limits::default());
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
        ("OUTPUT_KMS_KEY_ARN", KEY),
        ("CONFIG_URI", "s3://inventory/flowsentry.toml"),
        ("EVENT_BUS_NAME", "security"),
        ("ALERT_MIN_SEVERITY", "High"),
        ("ALERT_REPEAT_HOURS", "0"),
        ("WINDOW_REPORTS", "Hourly"),
        ("ON_PERMANENT_FAILURE", "fail"),
        ("ALLOWED_SOURCES", "logs/AWSLogs/, old-logs"),
        ("TOP", "0"),
        ("TOPOLOGY_URI", "s3://inventory/vpc"),
        ("TOPOLOGY_TTL_SECONDS", "60"),
        ("AWS_LAMBDA_LOG_LEVEL", "DEBUG"),
        ("AWS_REGION", "eu-west-1"),
        ("PATH", "/bin"),
    ])
    .expect("valid settings");
    assert_eq!(settings.output_prefix, "a/b/");
    assert_eq!(settings.metrics_namespace, "Net/Flow Logs");
    assert_eq!(settings.pipeline.format.names(), ["srcaddr", "dstaddr"]);
    assert_eq!((settings.pipeline.max_object_bytes, settings.pipeline.max_lines), (1024, 2048));
    assert_eq!(settings.output_kms_key_arn.as_deref(), Some(KEY));
    assert_eq!(settings.config_uri.map(|uri| uri.to_string()).as_deref(), Some("s3://inventory/flowsentry.toml"));
    let event_bus = "security".to_owned();
    let window_reports = WindowReports::Hourly;
    let alerting = Alerting { event_bus, min_severity: Severity::High, repeat_hours: 0, window_reports };
    assert_eq!(alerting.of_objects(), Selection { min_severity: Severity::High, only_certain: true });
    assert_eq!(settings.alerts, Some(alerting));
    assert_eq!(settings.on_permanent_failure, OnPermanentFailure::Fail);
    let source = |bucket: &str, prefix: &str| Source::Objects { bucket: bucket.to_owned(), prefix: prefix.to_owned() };
    assert_eq!(settings.allowed_sources, [source("logs", "AWSLogs/"), source("old-logs", "")]);
    assert_eq!(settings.region.as_deref(), Some("eu-west-1"));
    assert_eq!(settings.topology_uri.map(|uri| uri.to_string()).as_deref(), Some("s3://inventory/vpc/"));
    assert_eq!(settings.topology_ttl, Duration::from_secs(60));
    assert_eq!(settings.log_level, LogLevel::Debug);
    assert_eq!(settings.summary, build::SummaryOptions { max_listed_groups: 0, ..build::SummaryOptions::default() });
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
        ("CONFIG_URI", "s3://inventory/"),
        ("OUTPUT_KMS_KEY_ARN", "alias/outputs"),
        ("EVENT_BUS_NAME", "my bus"),
        ("ALERT_MIN_SEVERITY", "critical"),
        ("ON_PERMANENT_FAILURE", "ignore"),
        ("ALLOWED_SOURCES", "logs,,old-logs"),
        ("MAX_LINES", "0"),
    ])
    .expect_err("invalid")
    .to_string();
    for part in [
        "17 invalid environment variable(s): OUTPUT_BUCKET is not set, but must be a bucket name",
        "; OUTPUT_PREFIX is \"a b\", but must be at most 512 of",
        "; METRICS_NAMESPACE is \":x\", but must be 1 to 255 of",
        "; LOG_FORMAT is \"a b c\", but must be a list of flow log fields",
        "; MAX_OBJECT_BYTES is \"0\", but must be an integer of at least 1, in digits",
        "; TOP is \"-1\", but must be an integer of at least 0, in digits",
        "; TOPOLOGY_URI is \"inventory/vpc.json\", but must be s3://bucket/key.json for one document or s3://bucket/",
        "; TOPOLOGY_TTL_SECONDS is \"5m\", but must be an integer of at least 1, in digits",
        "; AWS_LAMBDA_LOG_LEVEL is \"verbose\", but must be one of TRACE, DEBUG, INFO, WARN, ERROR, FATAL",
        "; HOST_SWEEP_HOSTS is \"many\\n\", but must be unset: write host_sweep_hosts into a TOML file in S3",
        "; CONFIG_URI is \"s3://inventory/\", but must be s3://bucket/key of one TOML file",
        "; OUTPUT_KMS_KEY_ARN is \"alias/outputs\", but must be the ARN of a KMS key, arn:aws:kms:region:account:key/id",
        "; EVENT_BUS_NAME is \"my bus\", but must be the name of an event bus or its ARN, arn:aws:events:",
        "; ALERT_MIN_SEVERITY is \"critical\", but must be one of low, medium, high",
        "; ON_PERMANENT_FAILURE is \"ignore\", but must be quarantine or fail",
        "; ALLOWED_SOURCES is \"logs,,old-logs\", but must be a comma-separated list of bucket/prefix or cloudwatch-logs:log-group",
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
fn sources_are_prefixes_of_keys_or_of_log_groups() {
    let events = |log_group: &str| LogEventsIdentity {
        owner: "123456789012".to_owned(),
        log_group: log_group.to_owned(),
        log_stream: "eni-1-all".to_owned(),
        first_event_id: "1".to_owned(),
        last_event_id: "2".to_owned(),
    };
    let value = "logs/AWSLogs/, cloudwatch-logs:/vpc/flow,cloudwatch-logs:exact/";
    let sources = with("ALLOWED_SOURCES", value).expect("valid").allowed_sources;
    let has = |check: &dyn Fn(&Source) -> bool| sources.iter().any(check);
    for (log_group, expected) in
        [("/vpc/flow-logs", true), ("exact", true), ("exactly", false), ("vpc/flow", false), ("logs/AWSLogs/", false)]
    {
        assert_eq!(has(&|source| source.has_log_events(&events(log_group))), expected, "{log_group}");
    }
    for (bucket, key, expected) in
        [("logs", "AWSLogs/x", true), ("logs", "x", false), ("cloudwatch-logs:", "/vpc/flow", false)]
    {
        let object = ObjectReference::latest(bucket, key);
        assert_eq!(has(&|source| source.has_object(&object)), expected, "{bucket}/{key}");
    }
    let all = with("ALLOWED_SOURCES", "cloudwatch-logs:").expect("valid").allowed_sources;
    assert!(all[0].has_log_events(&events("/any")));
    for invalid in ["cloudwatch-logs:/vpc/*", "cloudwatch-logs:arn:aws:logs:eu-west-1:123456789012:log-group:x"] {
        assert!(with("ALLOWED_SOURCES", invalid).is_err(), "{invalid}");
    }
    assert!(with("AWS_REGION", "eu west").is_err());
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

#[test]
fn an_unknown_field_of_log_format_is_an_error() {
    let error = with("LOG_FORMAT", "${version} ${srcaddr} ${dst-port}").expect_err("invalid");
    assert!(error.starts_with("LOG_FORMAT is \"${version} ${srcaddr} ${dst-port}\", but must be a list of"), "{error}");
    assert!(error.ends_with("; unknown field \"dst-port\", did you mean \"dstport\"?"), "{error}");
    let settings = with("LOG_FORMAT", "${version} ${srcaddr} ${dstport}").expect("valid");
    assert_eq!(settings.pipeline.format.names(), ["version", "srcaddr", "dstport"]);
}

#[test]
fn a_topology_must_not_contain_the_configuration() {
    let overlap = |topology: &str, config: &str| {
        let variables = [("OUTPUT_BUCKET", "out"), ("TOPOLOGY_URI", topology), ("CONFIG_URI", config)];
        read(&variables).err().map(|error| error.errors.join("\n"))
    };
    let message = "TOPOLOGY_URI is \"s3://inventory/vpc/\", but must not contain CONFIG_URI";
    assert_eq!(overlap("s3://inventory/vpc", "s3://inventory/vpc/config.json").as_deref(), Some(message));
    assert!(overlap("s3://inventory/all.json", "s3://inventory/all.json").is_some());
    for config in ["s3://inventory/vpc/config.toml", "s3://inventory/config.json", "s3://other-one/vpc/config.json"] {
        assert_eq!(overlap("s3://inventory/vpc", config), None, "{config}");
    }
}

#[test]
fn values_of_the_configuration_are_not_variables() {
    for (variable, name) in [
        ("PORT_SCAN_PORTS", "port_scan_ports"),
        ("HEALTH_CHECK_FLOWS", "health_check_flows"),
        ("MAX_REJECTED_GROUPS", "max_rejected_groups"),
        ("TRUSTED_SCANNERS", "trusted_scanners"),
        ("LOG_FORMATS", "log_formats"),
    ] {
        let error = with(variable, "15").expect_err("set");
        let expected = format!("{variable} is \"15\", but must be unset: write {name} into a TOML file in S3 and set");
        assert!(error.starts_with(&expected), "{error}");
        assert!(with(variable, "").is_ok(), "an empty variable counts as unset");
        assert!(with(name, "15").is_ok(), "the name in lower case is another variable");
    }
}

#[test]
fn only_arns_of_kms_keys_are_accepted() {
    let arn = |value: &str| with("OUTPUT_KMS_KEY_ARN", value).map(|settings| settings.output_kms_key_arn);
    let multi_region = "arn:aws-us-gov:kms:us-gov-west-1:123456789012:key/mrk-1234abcd12ab34cd56ef1234567890ab";
    for valid in [KEY, multi_region] {
        assert_eq!(arn(valid), Ok(Some(valid.to_owned())));
    }
    for invalid in [
        "1234abcd-12ab-34cd-56ef-1234567890ab",
        "arn:aws:kms:eu-west-1:123456789012:alias/outputs",
        "arn:aws:kms:eu-west-1:123456789012:key/",
        "arn:aws:kms:eu-west-1:12345678901:key/1234abcd",
        "arn:aws:kms::123456789012:key/1234abcd",
        "arn:aws:s3:eu-west-1:123456789012:key/1234abcd",
        "arn:aws:kms:eu-west-1:123456789012:key/1234abcd:2",
        "arn:aws:kms:eu-west-1:123456789012:key/1234 abcd",
    ] {
        assert!(arn(invalid).is_err(), "{invalid}");
    }
}

proptest! {
    #[test]
    fn any_value_is_parsed_or_reported(value in "\\PC{1,200}", index in 0usize..11) {
        let names = [
            "OUTPUT_BUCKET", "OUTPUT_PREFIX", "METRICS_NAMESPACE", "LOG_FORMAT", "MAX_OBJECT_BYTES", "TOP",
            "PORT_SCAN_PORTS", "TOPOLOGY_URI", "ALLOWED_SOURCES", "CONFIG_URI", "OUTPUT_KMS_KEY_ARN",
        ];
        if let Err(error) = read(&[("OUTPUT_BUCKET", "out"), (names[index], &value)]) {
            prop_assert_eq!(error.errors.len(), 1);
            prop_assert!(error.errors[0].starts_with(names[index]));
        }
    }
}
