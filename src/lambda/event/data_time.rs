//! The time of the data in an object, as far as its key shows it.

use jiff::civil::{Date, DateTime, Time};

use crate::record::timestamp::Timestamp;

/// Returns the time at which the data of an object begins: that in the file name that AWS uses,
/// `{account}_vpcflowlogs_{region}_{flow log}_{YYYYMMDD}T{HHmm}Z_{hash}.log.gz`, or that of the folders: `…/{year}/{month}/{day}`, or
/// `…/year={year}/month={month}/day={day}`, which an hour may follow. Returns `None` for any other key.
///
/// <https://docs.aws.amazon.com/vpc/latest/userguide/flow-logs-s3-path.html>
pub fn data_time(key: &str) -> Option<Timestamp> {
    let (folders, file) = key.rsplit_once('/').unwrap_or(("", key));
    file.split('_').find_map(from_file_name).or_else(|| from_folders(folders)).and_then(Timestamp::from_utc)
}

/// Parses `{YYYYMMDD}T{HHmm}Z`.
fn from_file_name(part: &str) -> Option<DateTime> {
    let (date, time) = part.strip_suffix('Z')?.split_once('T')?;
    if (date.len(), time.len()) != (8, 4) {
        return None;
    }
    let day = date_of(date.get(..4)?, date.get(4..6)?, date.get(6..)?)?;
    Some(day.to_datetime(Time::new(number(time.get(..2)?)?, number(time.get(2..)?)?, 0, 0).ok()?))
}

/// Parses the last three or four folders.
fn from_folders(folders: &str) -> Option<DateTime> {
    const NAMES: [&str; 4] = ["year=", "month=", "day=", "hour="];
    let value = |(folder, name): (&'_ str, &str)| folder.strip_prefix(name).unwrap_or(folder).to_owned();
    let folders: Vec<&str> = folders.split('/').collect();
    [4, 3].into_iter().find_map(|count| {
        let last = folders.get(folders.len().checked_sub(count)?..)?;
        let parts: Vec<String> = last.iter().copied().zip(NAMES).map(value).collect();
        let [year, month, day, hour @ ..] = parts.as_slice() else { return None };
        let hour = match hour {
            [] => 0,
            [hour, ..] => number(hour).filter(|_| hour.len() == 2)?,
        };
        Some(date_of(year, month, day)?.to_datetime(Time::new(hour, 0, 0, 0).ok()?))
    })
}

fn date_of(year: &str, month: &str, day: &str) -> Option<Date> {
    let has_lengths = (year.len(), month.len(), day.len()) == (4, 2, 2);
    Date::new(number(year)?, number(month)?, number(day)?).ok().filter(|_| has_lengths)
}

/// Parses digits. A sign is none.
fn number<N: std::str::FromStr>(text: &str) -> Option<N> {
    text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_time_is_that_of_the_file_name_or_the_folders() {
        let folder = "AWSLogs/123456789012/vpcflowlogs/us-east-1/2026/11/23";
        let file = "123456789012_vpcflowlogs_us-east-1_fl-0123_20261123T0655Z_2371c8a9.log.gz";
        for (key, expected) in [
            (format!("{folder}/{file}"), "2026-11-23T06:55:00Z"),
            (file.to_owned(), "2026-11-23T06:55:00Z"),
            (format!("{folder}/07/other.log.gz"), "2026-11-23T07:00:00Z"),
            (format!("{folder}/other.log.gz"), "2026-11-23T00:00:00Z"),
            ("a/year=2026/month=11/day=23/hour=06/x.log".to_owned(), "2026-11-23T06:00:00Z"),
            ("a/year=2026/month=11/day=23/x.log".to_owned(), "2026-11-23T00:00:00Z"),
            ("2026/11/23/06/stream-1-2026-11-23-06-14-59-0a1b.log.gz".to_owned(), "2026-11-23T06:00:00Z"),
        ] {
            assert_eq!(data_time(&key).map(|time| time.to_string()).as_deref(), Some(expected), "{key}");
        }
    }

    #[test]
    fn other_keys_have_no_time() {
        for key in [
            "",
            "/",
            "x.log",
            "2026/11/x.log",
            "2026/13/01/x.log",
            "2026/11/23/24/x.log",
            "26/11/23/x.log",
            "x_20261123T2460Z_y.log",
            "x_+0261123T0600Z_y.log",
            "2026/11/23/6/x.log",
            "é/2026é/11/23/x",
        ] {
            assert_eq!(data_time(key), None, "{key}");
        }
    }
}
