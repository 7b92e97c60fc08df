//! Keys of the outputs. They depend only on the input's identity, so that every attempt to analyze an input uses the same
//! keys. They have Hive partitions for Athena.

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::Offset;
use sha2::{Digest, Sha256};

use crate::plan::key::{self, KeyParts};
use crate::summary::{LogEventsIdentity, ObjectIdentity, WindowIdentity};

/// Maximum length of the readable part of a file name, which is taken from the name of the object or of the log stream.
const MAX_STEM_BYTES: usize = 100;
/// Length of a fingerprint: 128 bits.
const FINGERPRINT_BYTES: usize = 16;
/// Value of a partition that is not known.
pub(crate) const UNKNOWN: &str = "unknown";

/// The keys of one input's outputs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OutputKeys {
    /// The summary's key.
    pub summary: String,
    /// The findings' key.
    pub findings: String,
    /// Key of the summary as an HTML page, which only the reports of windows have.
    pub page: Option<String>,
    /// Key of the receipt for the alerts.
    pub receipt: String,
    /// Key of the quarantine receipt, which is stored instead of a summary.
    pub quarantine: String,
    /// 128 bits of a SHA-256 over the identity, in hexadecimal digits.
    pub fingerprint: String,
    /// Account id of the log, if it is known.
    pub account_id: Option<String>,
    /// Region of the log, if it is known.
    pub region: Option<String>,
    /// Name of the report, if these are the keys of a window.
    pub window: Option<String>,
}

impl OutputKeys {
    /// Creates the keys for one version of an object. The prefix is empty or ends in a slash.
    pub fn for_object(prefix: &str, object: &ObjectIdentity) -> OutputKeys {
        OutputKeys::new(prefix, Partition::from_key(&object.key), &stem(&object.key), object_fingerprint(object))
    }

    /// Creates the keys for log events. The prefix is empty or ends in a slash. `region` is that of the log group, and
    /// `timestamp_ms` that of the first event, in milliseconds since the Unix epoch.
    pub fn for_log_events(
        prefix: &str,
        events: &LogEventsIdentity,
        region: Option<&str>,
        timestamp_ms: Option<i64>,
    ) -> OutputKeys {
        let partition = Partition {
            account: key::account_id(&events.owner),
            region: region.and_then(key::region),
            date: timestamp_ms.and_then(utc_date),
        };
        OutputKeys::new(prefix, partition, &stem(&events.log_stream), log_events_fingerprint(events))
    }

    /// Creates the keys for the report of a window. The prefix is empty or ends in a slash.
    pub fn for_window(prefix: &str, window: &WindowIdentity) -> OutputKeys {
        let WindowIdentity { name, from, to, revision, .. } = window;
        let date = from.split('T').next().unwrap_or(UNKNOWN);
        let fingerprint = window_fingerprint(window);
        let compact = |time: &str| time.replace(['-', ':'], "");
        let file = format!("{}-{}-r{revision:04}-{fingerprint}", compact(from), compact(to));
        let key =
            |kind: &str, extension: &str| format!("{prefix}reports/{kind}/name={name}/date={date}/{file}.{extension}");
        OutputKeys {
            summary: key("summaries", "json"),
            findings: key("findings", "ndjson"),
            page: Some(key("pages", "html")),
            receipt: key("receipts", "json"),
            quarantine: key("quarantine", "json"),
            fingerprint,
            account_id: None,
            region: None,
            window: Some(name.clone()),
        }
    }

    fn new(prefix: &str, partition: Partition<'_>, stem: &str, fingerprint: String) -> OutputKeys {
        let account = partition.account.unwrap_or(UNKNOWN);
        let region = partition.region.unwrap_or(UNKNOWN);
        let date = partition.date.map_or_else(|| UNKNOWN.to_owned(), |date| date.to_string());
        let name = format!("{stem}-{fingerprint}");
        let key = |kind: &str, extension: &str| {
            format!("{prefix}{kind}/account_id={account}/region={region}/date={date}/{name}.{extension}")
        };
        OutputKeys {
            summary: key("summaries", "json"),
            findings: key("findings", "ndjson"),
            page: None,
            receipt: key("receipts", "json"),
            quarantine: key("quarantine", "json"),
            fingerprint,
            account_id: partition.account.map(str::to_owned),
            region: partition.region.map(str::to_owned),
            window: None,
        }
    }
}

/// The partition of a log, as far as it is known.
#[derive(Debug, Clone, Copy, Default)]
struct Partition<'a> {
    account: Option<&'a str>,
    region: Option<&'a str>,
    date: Option<Date>,
}

impl<'a> Partition<'a> {
    fn from_key(key: &'a str) -> Partition<'a> {
        let KeyParts { account_id, region, date, .. } = KeyParts::from_key(key);
        Partition { account: account_id, region, date }
    }
}

fn utc_date(timestamp_ms: i64) -> Option<Date> {
    Some(Offset::UTC.to_datetime(Timestamp::from_millisecond(timestamp_ms).ok()?).date())
}

/// Returns the readable part of the file name, from a key or the name of a log stream. It starts with a letter or a digit, because
/// Athena ignores files whose names start with an underscore or a dot.
fn stem(key: &str) -> String {
    let file = key.rsplit('/').next().unwrap_or_default();
    let file = file.strip_suffix(".gz").unwrap_or(file);
    let file = file.strip_suffix(".log").unwrap_or(file);
    let replace = |character: char| if is_plain(character) { character } else { '_' };
    let stem: String =
        file.chars().map(replace).skip_while(|first| !first.is_ascii_alphanumeric()).take(MAX_STEM_BYTES).collect();
    if stem.is_empty() { "object".to_owned() } else { stem }
}

fn is_plain(character: char) -> bool {
    character.is_ascii_alphanumeric() || matches!(character, '.' | '_' | '-')
}

/// Returns the fingerprint of bucket, key and version, or the ETag if there is no version.
fn object_fingerprint(object: &ObjectIdentity) -> String {
    let (kind, version) = match (&object.version_id, &object.etag) {
        (Some(version_id), _) => ("version", version_id.as_str()),
        (None, Some(etag)) => ("etag", etag.as_str()),
        (None, None) => ("", ""),
    };
    fingerprint(&[&object.bucket, &object.key, kind, version])
}

/// Returns the fingerprint of log events. It has more parts than that of an object, so that the two are never equal.
fn log_events_fingerprint(events: &LogEventsIdentity) -> String {
    let LogEventsIdentity { owner, log_group, log_stream, first_event_id, last_event_id } = events;
    fingerprint(&["cloudwatch-logs", owner, log_group, log_stream, first_event_id, last_event_id])
}

/// Returns the fingerprint of a window's report. It has more parts than the others.
fn window_fingerprint(window: &WindowIdentity) -> String {
    let WindowIdentity { name, from, to, revision, inputs, objects: _, manifest: _ } = window;
    fingerprint(&["window", name, from, to, &revision.to_string(), inputs, ""])
}

/// Returns 128 bits of a SHA-256 over the parts. A length precedes each part.
fn fingerprint(parts: &[&str]) -> String {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part);
    }
    hash.finalize().iter().take(FINGERPRINT_BYTES).map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const FILE: &str = "123456789012_vpcflowlogs_us-east-1_fl-1234abcd_20180620T1620Z_fe123456.log.gz";

    fn object(bucket: &str, key: &str, version_id: Option<&str>, etag: Option<&str>) -> ObjectIdentity {
        ObjectIdentity {
            bucket: bucket.to_owned(),
            key: key.to_owned(),
            version_id: version_id.map(str::to_owned),
            etag: etag.map(str::to_owned),
        }
    }

    /// Returns the partition folders: the part between `summaries/` and the file name.
    fn partition(key: &str) -> String {
        let summary = OutputKeys::for_object("", &object("b", key, None, Some("e"))).summary;
        let (folders, _) = summary.rsplit_once('/').expect("folders");
        folders.strip_prefix("summaries/").expect("summaries").to_owned()
    }

    #[test]
    fn keys_are_stable() {
        let keys = OutputKeys::for_object(
            "flowsentry/",
            &object("logs", FILE, None, Some("d41d8cd98f00b204e9800998ecf8427e")),
        );
        let stem = "123456789012_vpcflowlogs_us-east-1_fl-1234abcd_20180620T1620Z_fe123456";
        let folders = "account_id=123456789012/region=us-east-1/date=2018-06-20";
        let name = format!("{folders}/{stem}-e5c4c367dfea9753e6dcd82b1d4a3c3f");
        assert_eq!(keys.summary, format!("flowsentry/summaries/{name}.json"));
        assert_eq!(keys.findings, format!("flowsentry/findings/{name}.ndjson"));
        assert_eq!(keys.receipt, format!("flowsentry/receipts/{name}.json"));
        assert_eq!(keys.quarantine, format!("flowsentry/quarantine/{name}.json"));
        assert_eq!(keys.fingerprint, "e5c4c367dfea9753e6dcd82b1d4a3c3f");
    }

    #[test]
    fn a_window_has_a_page_beside_its_summary() {
        let window = WindowIdentity {
            name: "hourly".to_owned(),
            from: "2026-11-23T06:00:00Z".to_owned(),
            to: "2026-11-23T07:00:00Z".to_owned(),
            revision: 1,
            inputs: "ab".to_owned(),
            objects: 3,
            manifest: "s3://out/m.json".to_owned(),
        };
        let keys = OutputKeys::for_window("f/", &window);
        let page = keys.page.expect("a page");
        assert!(
            page.starts_with("f/reports/pages/name=hourly/date=2026-11-23/20261123T060000Z-20261123T070000Z-r0001-")
        );
        assert_eq!(keys.summary.replace("/summaries/", "/pages/").replace(".json", ".html"), page);
        assert_eq!(OutputKeys::for_object("f/", &object("b", FILE, None, None)).page, None);
    }

    #[test]
    fn the_folder_layouts_of_aws_are_recognized() {
        let expected = "account_id=123456789012/region=us-east-1/date=2018-06-20";
        for folders in [
            "AWSLogs/123456789012/vpcflowlogs/us-east-1/2018/06/20/",
            "any prefix/AWSLogs/123456789012/vpcflowlogs/us-east-1/2018/06/20/16/",
            "AWSLogs/aws-account-id=123456789012/aws-service=vpcflowlogs/aws-region=us-east-1/year=2018/month=06/day=20/",
            "p/AWSLogs/aws-account-id=123456789012/service=vpcflowlogs/aws-region=us-east-1/year=2018/month=06/day=20/\
             hour=16/",
        ] {
            assert_eq!(partition(&format!("{folders}x.log.gz")), expected, "{folders}");
        }
        assert_eq!(partition(&format!("copied/{FILE}")), expected);
        assert_eq!(partition(FILE), expected);
        assert_eq!(partition(&FILE.replace(".gz", "")), expected);
    }

    #[test]
    fn folders_take_precedence_and_other_keys_are_unknown() {
        let key = format!("AWSLogs/999999999999/vpcflowlogs/eu-west-1/{FILE}");
        assert_eq!(partition(&key), "account_id=999999999999/region=eu-west-1/date=2018-06-20");
        let unknown = "account_id=unknown/region=unknown/date=unknown";
        for key in [
            "x.log",
            "",
            "vpcflowlogs",
            "vpcflowlogs/x",
            "AWSLogs/12345678901/vpcflowlogs/us_east/2018/13/20/x",
            "aws-account-id=12345678901x/aws-region=../year=2018/month=02/day=30/x",
            "1_vpcflowlogs_useast1_fl_2018Ω620T_x",
        ] {
            assert_eq!(partition(key), unknown, "{key}");
        }
    }

    #[test]
    fn stems_are_plain_bounded_and_not_hidden() {
        assert_eq!(stem("a/b/rdp attempt.log.gz"), "rdp_attempt");
        assert_eq!(stem("a/_.hidden.log"), "hidden");
        assert_eq!(stem("a/../.."), "object");
        assert_eq!(stem("a/"), "object");
        assert_eq!(stem("été.txt"), "t_.txt");
        assert_eq!(stem(&"x".repeat(1000)), "x".repeat(100));
    }

    #[test]
    fn each_version_has_its_own_fingerprint() {
        let names = [
            object("b", "k", None, None),
            object("b", "k", None, Some("1")),
            object("b", "k", Some("1"), None),
            object("b", "k", Some("2"), None),
            object("bk", "", Some("1"), None),
            object("b", "k\0", Some("1"), None),
        ]
        .map(|object| object_fingerprint(&object));
        let distinct: std::collections::HashSet<&String> = names.iter().collect();
        assert_eq!(distinct.len(), names.len());
        // With a version, the ETag is not used.
        assert_eq!(object_fingerprint(&object("b", "k", Some("1"), Some("x"))), names[2]);
    }

    fn log_events(log_group: &str, log_stream: &str, ids: [&str; 2]) -> LogEventsIdentity {
        LogEventsIdentity {
            owner: "123456789012".to_owned(),
            log_group: log_group.to_owned(),
            log_stream: log_stream.to_owned(),
            first_event_id: ids[0].to_owned(),
            last_event_id: ids[1].to_owned(),
        }
    }

    #[test]
    fn keys_of_log_events_have_the_same_layout() {
        let events = log_events("/vpc/flow-logs", "eni-0a1b-all", ["1", "2"]);
        let keys = OutputKeys::for_log_events("p/", &events, Some("eu-west-1"), Some(1_542_009_599_999));
        let folders = "account_id=123456789012/region=eu-west-1/date=2018-11-12";
        let name = format!("{folders}/eni-0a1b-all-128f0e2e983dddbc00ade98e260c9705");
        assert_eq!(keys.summary, format!("p/summaries/{name}.json"));
        assert_eq!(keys.quarantine, format!("p/quarantine/{name}.json"));
        assert_eq!((keys.account_id.as_deref(), keys.region.as_deref()), (Some("123456789012"), Some("eu-west-1")));
        // Neither is part of the identity.
        let elsewhere = OutputKeys::for_log_events("p/", &events, None, None);
        assert_eq!(elsewhere.fingerprint, keys.fingerprint);
        let unknown = "p/summaries/account_id=123456789012/region=unknown/date=unknown/eni-0a1b-all-";
        assert!(elsewhere.summary.starts_with(unknown), "{}", elsewhere.summary);
        for timestamp_ms in [i64::MIN, i64::MAX] {
            let keys = OutputKeys::for_log_events("p/", &events, None, Some(timestamp_ms));
            assert_eq!(keys.summary, elsewhere.summary);
        }
    }

    #[test]
    fn other_log_events_have_another_fingerprint() {
        let all = [
            log_events("g", "s", ["1", "2"]),
            log_events("g/s", "", ["1", "2"]),
            log_events("g", "s", ["1", "3"]),
            log_events("g", "s", ["0", "2"]),
            log_events("g", "t", ["1", "2"]),
            LogEventsIdentity { owner: "123456789013".to_owned(), ..log_events("g", "s", ["1", "2"]) },
        ];
        let distinct: std::collections::HashSet<String> = all.iter().map(log_events_fingerprint).collect();
        assert_eq!(distinct.len(), all.len());
    }

    proptest! {
        #[test]
        fn every_log_stream_gives_plain_output_keys(owner in "\\PC{0,20}", name in any::<String>(), region in "\\PC{0,40}", time: i64) {
            let events = LogEventsIdentity { owner, ..log_events(&name, &name, [&name, &name]) };
            let keys = OutputKeys::for_log_events("flowsentry/", &events, Some(&region), Some(time));
            for name in [keys.summary, keys.findings, keys.receipt, keys.quarantine] {
                prop_assert!(name.chars().all(|character| is_plain(character) || "=/".contains(character)), "{name}");
                prop_assert!(name.split('/').all(|part| !matches!(part, "" | "." | "..")), "{name}");
                prop_assert!(name.len() < 300, "{name}");
            }
        }

        #[test]
        fn every_key_gives_plain_output_keys(bucket in "\\PC{0,70}", key in any::<String>(), etag in "\\PC{0,70}") {
            for key in [key.clone(), format!("AWSLogs/{key}/vpcflowlogs/{key}/{key}/01/02/{key}"), format!("../{key}/..")] {
                let keys = OutputKeys::for_object("flowsentry/", &object(&bucket, &key, None, Some(&etag)));
                for name in [keys.summary, keys.findings, keys.receipt, keys.quarantine] {
                    prop_assert!(name.chars().all(|character| is_plain(character) || "=/".contains(character)), "{name}");
                    prop_assert!(name.split('/').all(|part| !matches!(part, "" | "." | "..")), "{name}");
                    prop_assert!(name.len() < 300, "{name}");
                }
            }
        }

        #[test]
        fn different_objects_have_different_keys(
            a in ("[ab/]{0,3}", "[ab/]{0,3}", "[ab]{0,2}"), b in ("[ab/]{0,3}", "[ab/]{0,3}", "[ab]{0,2}"),
        ) {
            let name = |(bucket, key, etag): &(String, String, String)| {
                OutputKeys::for_object("", &object(bucket, key, None, Some(etag))).summary
            };
            prop_assert_eq!(a == b, name(&a) == name(&b));
        }
    }
}
