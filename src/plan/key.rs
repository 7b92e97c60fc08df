//! Keys of flow logs in S3: account, Region, flow log, and time, from the folders and the file name that AWS uses.
//!
//! <https://docs.aws.amazon.com/vpc/latest/userguide/flow-logs-s3-path.html>

use jiff::Timestamp;
use jiff::civil::{Date, Time};
use jiff::tz::Offset;

/// Extensions of flow logs. Other files of a folder, and other objects of a bucket, are no flow logs.
pub const EXTENSIONS: [&str; 3] = ["log", "gz", "parquet"];

/// Longer than the name of any AWS Region.
const MAX_REGION_BYTES: usize = 32;
/// Longer than the id of any flow log, which has 17 digits.
const MAX_FLOW_LOG_ID_BYTES: usize = 40;
/// The name of the service in keys, also of transit gateways.
const SERVICE: &str = "vpcflowlogs";

/// The flow log of an object, and its time.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LogKey {
    /// Account id, 12 digits.
    pub account_id: String,
    /// Region, such as `us-east-1`.
    pub region: String,
    /// Flow log id, such as `fl-1234abcd`.
    pub flow_log_id: String,
    /// Time in the file name, to the minute: the object has the records that end in the five minutes from there.
    pub time: Timestamp,
}

impl LogKey {
    /// Parses a key. Returns `None` unless the file name is that of AWS. Folders take precedence for account and Region.
    pub fn from_key(key: &str) -> Option<LogKey> {
        let KeyParts { account_id, region, flow_log_id, time, .. } = KeyParts::from_key(key);
        Some(LogKey {
            account_id: account_id?.to_owned(),
            region: region?.to_owned(),
            flow_log_id: flow_log_id?.to_owned(),
            time: time?,
        })
    }
}

/// Facts of a key, as far as it has them. The clock is not used.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct KeyParts<'a> {
    /// Account id, 12 digits.
    pub account_id: Option<&'a str>,
    /// Region.
    pub region: Option<&'a str>,
    /// Date of the folders, or of the file name.
    pub date: Option<Date>,
    /// Flow log id. Only the file name of AWS's own delivery has it.
    pub flow_log_id: Option<&'a str>,
    /// Time. Only the file name has it: to the minute, or to the second for Firehose.
    pub time: Option<Timestamp>,
}

impl<'a> KeyParts<'a> {
    /// Parses the folders that AWS uses, in both layouts, and the file name of flow logs or of Firehose. Folders take precedence. Anything
    /// else stays unknown.
    pub fn from_key(key: &'a str) -> KeyParts<'a> {
        let (folders, file) = key.rsplit_once('/').unwrap_or(("", key));
        let folders: Vec<&str> = folders.split('/').collect();
        let in_folders = KeyParts::from_folders(&folders).or(KeyParts::from_hive_folders(&folders));
        in_folders.or(KeyParts::from_file_name(file)).or(KeyParts::from_firehose_name(file))
    }

    fn or(self, other: KeyParts<'a>) -> KeyParts<'a> {
        KeyParts {
            account_id: self.account_id.or(other.account_id),
            region: self.region.or(other.region),
            date: self.date.or(other.date),
            flow_log_id: self.flow_log_id.or(other.flow_log_id),
            time: self.time.or(other.time),
        }
    }

    /// Parses `{account}/vpcflowlogs/{region}/{year}/{month}/{day}`, which an hour may follow.
    fn from_folders(folders: &[&'a str]) -> KeyParts<'a> {
        let Some(service) = folders.iter().rposition(|folder| *folder == SERVICE) else {
            return KeyParts::default();
        };
        let folder = |index: Option<usize>| index.and_then(|index| folders.get(index)).copied();
        let after = |count: usize| folder(Some(service + count)).unwrap_or_default();
        KeyParts {
            account_id: folder(service.checked_sub(1)).and_then(account_id),
            region: region(after(1)),
            date: date(after(2), after(3), after(4)),
            ..KeyParts::default()
        }
    }

    /// Parses `aws-account-id={account}/aws-service=vpcflowlogs/aws-region={region}/year={year}/month={month}/day={day}`,
    /// which an hour may follow.
    fn from_hive_folders(folders: &[&'a str]) -> KeyParts<'a> {
        let value = |name: &str| {
            folders.iter().rev().find_map(|folder| folder.strip_prefix(name)?.strip_prefix('=')).unwrap_or_default()
        };
        KeyParts {
            account_id: account_id(value("aws-account-id")),
            region: region(value("aws-region")),
            date: date(value("year"), value("month"), value("day")),
            ..KeyParts::default()
        }
    }

    /// Parses `{account}_vpcflowlogs_{region}_{flow log}_{YYYYMMDD}T{HHmm}Z_{hash}.log.gz`, or `.log.parquet`.
    fn from_file_name(name: &'a str) -> KeyParts<'a> {
        let mut parts = name.split('_');
        let mut part = || parts.next().unwrap_or_default();
        let (account, service, region_name, flow_log, time) = (part(), part(), part(), part(), part());
        if service != SERVICE {
            return KeyParts::default();
        }
        KeyParts {
            account_id: account_id(account),
            region: region(region_name),
            date: compact_date(time),
            flow_log_id: flow_log_id(flow_log),
            time: compact_time(time),
        }
    }
}

impl KeyParts<'_> {
    /// Parses `{stream}-{version}-{YYYY}-{MM}-{DD}-{HH}-{MM}-{SS}-{uuid}.log.gz`:
    /// <https://docs.aws.amazon.com/firehose/latest/dev/s3-object-name.html>. The time is when Firehose began to buffer the records.
    fn from_firehose_name(name: &str) -> KeyParts<'static> {
        let stem = name.split('.').next().unwrap_or_default();
        let mut parts = stem.rsplit('-');
        let is_hex = |text: &str| text.bytes().all(|byte| byte.is_ascii_hexdigit());
        let mut lengths = [12, 4, 4, 4, 8].into_iter();
        if !lengths.all(|length| parts.next().is_some_and(|group| group.len() == length && is_hex(group))) {
            return KeyParts::default();
        }
        let mut part = || parts.next().unwrap_or_default();
        let (second, minute, hour, day, month, year) = (part(), part(), part(), part(), part(), part());
        let date = date(year, month, day);
        let time = time(hour, minute, second).zip(date).and_then(|(time, date)| utc(date, time));
        KeyParts { date: date.filter(|_| time.is_some()), time, ..KeyParts::default() }
    }
}

/// Returns whether a name is that of a flow log: it has one of the [`EXTENSIONS`], and is not the name that another service of AWS
/// gives to its logs, `{account}_{service}_…`.
pub fn is_flow_log(key: &str) -> bool {
    let name = key.rsplit('/').next().unwrap_or_default();
    let has_extension =
        name.rsplit_once('.').is_some_and(|(stem, extension)| !stem.is_empty() && EXTENSIONS.contains(&extension));
    let mut parts = name.split('_');
    let is_of_aws = parts.next().and_then(account_id).is_some();
    let is_of_other_service = is_of_aws && parts.next().is_some_and(|service| service != SERVICE);
    has_extension && !is_of_other_service
}

/// Returns the text if it is an account id.
pub fn account_id(text: &str) -> Option<&str> {
    (text.len() == 12 && is_digits(text)).then_some(text)
}

/// Returns the text if it may be the name of a Region.
pub fn region(text: &str) -> Option<&str> {
    let is_name = text.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-');
    let starts_with_letter = text.starts_with(|first: char| first.is_ascii_lowercase());
    (is_name && starts_with_letter && text.contains('-') && text.len() <= MAX_REGION_BYTES).then_some(text)
}

fn flow_log_id(text: &str) -> Option<&str> {
    let digits = text.strip_prefix("fl-")?;
    let is_id = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_alphanumeric());
    (is_id && text.len() <= MAX_FLOW_LOG_ID_BYTES).then_some(text)
}

/// Parses the parts of a date, with 4, 2, and 2 digits.
pub fn date(year: &str, month: &str, day: &str) -> Option<Date> {
    let has_lengths = year.len() == 4 && month.len() == 2 && day.len() == 2;
    if !has_lengths || ![year, month, day].into_iter().all(is_digits) {
        return None;
    }
    Date::new(year.parse().ok()?, month.parse().ok()?, day.parse().ok()?).ok()
}

/// Parses the date of `{YYYYMMDD}T{HHmm}Z`.
fn compact_date(text: &str) -> Option<Date> {
    date(text.get(..4)?, text.get(4..6)?, text.get(6..8)?)
}

/// Parses `{YYYYMMDD}T{HHmm}Z`.
fn compact_time(text: &str) -> Option<Timestamp> {
    let digits = text.get(8..)?.strip_prefix('T')?.strip_suffix('Z')?;
    let (hour, minute) = (digits.get(..2)?, digits.get(2..)?);
    utc(compact_date(text)?, time(hour, minute, "00")?)
}

/// Parses the parts of a time, with 2 digits each.
pub fn time(hour: &str, minute: &str, second: &str) -> Option<Time> {
    let parts = [hour, minute, second];
    if !parts.into_iter().all(|part| part.len() == 2 && is_digits(part)) {
        return None;
    }
    Time::new(hour.parse().ok()?, minute.parse().ok()?, second.parse().ok()?, 0).ok()
}

/// Returns the moment of a date and time in UTC.
pub fn utc(date: Date, time: Time) -> Option<Timestamp> {
    Offset::UTC.to_timestamp(date.to_datetime(time)).ok()
}

fn is_digits(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const FILE: &str = "123456789012_vpcflowlogs_us-east-1_fl-1234abcd_20180620T1620Z_fe123456.log.gz";

    fn log_key(account_id: &str) -> LogKey {
        LogKey {
            account_id: account_id.to_owned(),
            region: "us-east-1".to_owned(),
            flow_log_id: "fl-1234abcd".to_owned(),
            time: "2018-06-20T16:20:00Z".parse().expect("a time"),
        }
    }

    #[test]
    fn both_layouts_have_the_parts_of_a_log() {
        for key in [
            FILE.to_owned(),
            FILE.replace(".gz", ".parquet"),
            format!("AWSLogs/123456789012/vpcflowlogs/us-east-1/2018/06/20/{FILE}"),
            format!("team/AWSLogs/123456789012/vpcflowlogs/us-east-1/2018/06/20/16/{FILE}"),
            format!(
                "AWSLogs/aws-account-id=123456789012/aws-service=vpcflowlogs/aws-region=us-east-1/year=2018/month=06/\
                 day=20/{FILE}"
            ),
            format!(
                "p/AWSLogs/aws-account-id=123456789012/service=vpcflowlogs/aws-region=us-east-1/year=2018/month=06/day=20/\
                 hour=16/{FILE}"
            ),
        ] {
            assert_eq!(LogKey::from_key(&key), Some(log_key("123456789012")), "{key}");
            assert!(is_flow_log(&key), "{key}");
        }
        let copied = format!("AWSLogs/999999999999/vpcflowlogs/{FILE}");
        assert_eq!(LogKey::from_key(&copied), Some(log_key("999999999999")));
    }

    #[test]
    fn only_a_valid_time_is_a_time() {
        for time in
            ["20180620T1620", "20180620T2460Z", "20180620T162Z", "20180631T1620Z", "20180620 1620Z", "2018-6-20T1Z"]
        {
            let key = FILE.replace("20180620T1620Z", time);
            assert_eq!(KeyParts::from_key(&key).time, None, "{key}");
            assert_eq!(LogKey::from_key(&key), None, "{key}");
        }
        assert_eq!(LogKey::from_key(&FILE.replace("fl-1234abcd", "x")), None);
    }

    #[test]
    fn objects_of_firehose_have_a_time() {
        let uuid = "b6a9f3de-1c1d-4b57-8e2c-0123456789ab";
        let key = |times: &str| {
            format!(
                "AWSLogs/firehose/123456789012/vpcflowlogs/us-east-1/2026/11/23/06/flow-logs-1-{times}-{uuid}.log.gz"
            )
        };
        let parts = KeyParts::from_key(&key("2026-11-23-06-14-59")).time.map(|time| time.to_string());
        assert_eq!(parts.as_deref(), Some("2026-11-23T06:14:59Z"));
        for invalid in
            ["2026-11-23-06-14", "2026-11-31-06-14-59", "2026-11-23-24-14-59", "2026-11-23-6-14-59", "a-b-c-d-e-f"]
        {
            assert_eq!(KeyParts::from_key(&key(invalid)).time, None, "{invalid}");
        }
        assert_eq!(KeyParts::from_key(&format!("x-{uuid}")), KeyParts::default());
        let alone = format!("s-1-2026-11-23-06-14-59-{uuid}.log.gz");
        assert_eq!(KeyParts::from_key(&alone).date.map(|date| date.to_string()).as_deref(), Some("2026-11-23"));
    }

    #[test]
    fn logs_of_other_services_and_folders_are_no_flow_logs() {
        for key in [
            "",
            "logs/",
            "a/.log",
            "a/gz",
            "a/notes.txt",
            "AWSLogs/123456789012/CloudTrail/us-east-1/2018/06/20/123456789012_CloudTrail_us-east-1_20180620T1620Z_x.json.gz",
            "123456789012_elasticloadbalancing_us-east-1_app.a_20180620T1620Z_10.0.0.1_x.log.gz",
        ] {
            assert!(!is_flow_log(key), "{key}");
        }
        for key in ["x.log", "a b/x.log.gz", "x.parquet", "123456789012.gz"] {
            assert!(is_flow_log(key), "{key}");
        }
    }

    proptest! {
        #[test]
        fn any_key_parses_without_a_panic(key in any::<String>(), time in "[0-9TZΩ]{0,16}") {
            for key in [key.clone(), format!("{key}_vpcflowlogs_{key}_fl-{key}_{time}_{key}"), FILE.replace("20180620T1620Z", &time)] {
                let parts = KeyParts::from_key(&key);
                prop_assert!(parts.time.is_none() || parts.date.is_some());
                let _ = (LogKey::from_key(&key), is_flow_log(&key));
            }
        }
    }
}
