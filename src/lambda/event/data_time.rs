//! The time of the data in an object, as far as its key shows it.

use crate::plan::key::{self, KeyParts};
use crate::record::timestamp::Timestamp;

/// Returns the time at which the data of an object begins: that in the file name of AWS's delivery or of Firehose, or that of the folders:
/// `…/{year}/{month}/{day}`, or `…/year={year}/month={month}/day={day}`, which an hour may follow. Returns `None` for any other key.
pub fn data_time(key: &str) -> Option<Timestamp> {
    let (folders, _) = key.rsplit_once('/').unwrap_or(("", key));
    let time = KeyParts::from_key(key).time.or_else(|| from_folders(folders))?;
    Timestamp::from_seconds(u64::try_from(time.as_second()).ok()?)
}

/// Parses the last three or four folders.
fn from_folders(folders: &str) -> Option<jiff::Timestamp> {
    const NAMES: [&str; 4] = ["year=", "month=", "day=", "hour="];
    let value = |(folder, name): (&'_ str, &str)| folder.strip_prefix(name).unwrap_or(folder).to_owned();
    let folders: Vec<&str> = folders.split('/').collect();
    [4, 3].into_iter().find_map(|count| {
        let last = folders.get(folders.len().checked_sub(count)?..)?;
        let parts: Vec<String> = last.iter().copied().zip(NAMES).map(value).collect();
        let [year, month, day, hour @ ..] = parts.as_slice() else { return None };
        let hour = hour.first().map_or("00", String::as_str);
        key::utc(key::date(year, month, day)?, key::time(hour, "00", "00")?)
    })
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
