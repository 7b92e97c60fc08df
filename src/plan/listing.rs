//! Prefixes to list, so that a window of an hour does not list years.

use jiff::ToSpan;
use jiff::civil::Date;
use jiff::tz::Offset;

use super::Window;

/// More years than an archive has. A longer window lists all of a Region.
const MAX_YEARS: i16 = 50;

/// Returns the prefixes of all keys that may belong to the window, in both layouts of AWS, for these accounts and Regions.
///
/// `source_prefix` is the part of the keys before `AWSLogs/`, such as `` or `team/`. `AWSLogs/` may be included. Prefixes end at a day, or at a
/// month or year that the window has completely: hours are folders only if the flow log is set up so. No prefix contains another, and no
/// key has two of them.
pub fn listing_prefixes(source_prefix: &str, accounts_and_regions: &[(&str, &str)], window: Window) -> Vec<String> {
    let root = root(source_prefix);
    let spans = spans(window);
    let mut prefixes = Vec::with_capacity(2 * accounts_and_regions.len() * spans.len());
    for (account, region) in accounts_and_regions {
        prefixes.extend(spans.iter().map(|span| format!("{root}{account}/vpcflowlogs/{region}/{}", span.folders())));
        // The page for transit gateways has `service` instead of `aws-service`.
        for service in ["aws-service", "service"] {
            let hive = format!("{root}aws-account-id={account}/{service}=vpcflowlogs/aws-region={region}/");
            prefixes.extend(spans.iter().map(|span| format!("{hive}{}", span.hive_folders())));
        }
    }
    prefixes
}

/// Returns the prefix with the folder `AWSLogs/`.
fn root(source_prefix: &str) -> String {
    let folder = source_prefix.trim_end_matches('/');
    match folder {
        "" => "AWSLogs/".to_owned(),
        _ if folder == "AWSLogs" || folder.ends_with("/AWSLogs") => format!("{folder}/"),
        _ => format!("{folder}/AWSLogs/"),
    }
}

/// A part of the calendar that has folders of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Span {
    All,
    Year(i16),
    Month(i16, i8),
    Day(Date),
}

impl Span {
    fn folders(self) -> String {
        match self {
            Span::All => String::new(),
            Span::Year(year) => format!("{year:04}/"),
            Span::Month(year, month) => format!("{year:04}/{month:02}/"),
            Span::Day(day) => format!("{:04}/{:02}/{:02}/", day.year(), day.month(), day.day()),
        }
    }

    fn hive_folders(self) -> String {
        match self {
            Span::All => String::new(),
            Span::Year(year) => format!("year={year:04}/"),
            Span::Month(year, month) => format!("year={year:04}/month={month:02}/"),
            Span::Day(day) => format!("year={:04}/month={:02}/day={:02}/", day.year(), day.month(), day.day()),
        }
    }

    /// Returns the largest span that begins on this day and ends until `last`, and its last day.
    fn largest(day: Date, last: Date) -> (Span, Date) {
        if day.day_of_year() == 1 && day.last_of_year() <= last {
            (Span::Year(day.year()), day.last_of_year())
        } else if day.day() == 1 && day.last_of_month() <= last {
            (Span::Month(day.year(), day.month()), day.last_of_month())
        } else {
            (Span::Day(day), day)
        }
    }
}

/// Returns the fewest spans that are the days of a window.
fn spans(window: Window) -> Vec<Span> {
    if window.is_empty() {
        return Vec::new();
    }
    let date = |time| Offset::UTC.to_datetime(time).date();
    // `to` is not in the window: at midnight, its day is not either.
    let last = date(window.to.checked_sub(1.nanosecond()).unwrap_or(window.to));
    let mut day = date(window.from);
    if last.year() - day.year() > MAX_YEARS {
        return vec![Span::All];
    }
    let mut spans = Vec::new();
    while day <= last {
        let (span, end) = Span::largest(day, last);
        spans.push(span);
        let Ok(next) = end.tomorrow() else { break };
        day = next;
    }
    spans
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;
    use proptest::prelude::*;

    use super::*;

    const PAIR: [(&str, &str); 1] = [("123456789012", "eu-west-1")];

    fn window(from: &str, to: &str) -> Window {
        Window { from: from.parse().expect("a time"), to: to.parse().expect("a time") }
    }

    fn plain(source_prefix: &str, from: &str, to: &str) -> Vec<String> {
        let mut prefixes = listing_prefixes(source_prefix, &PAIR, window(from, to));
        prefixes.truncate(prefixes.len() / 3);
        prefixes
    }

    #[test]
    fn an_hour_lists_its_day_in_both_layouts() {
        let hour = window("2026-11-23T06:00:00Z", "2026-11-23T07:00:00Z");
        assert_eq!(
            listing_prefixes("team", &PAIR, hour),
            [
                "team/AWSLogs/123456789012/vpcflowlogs/eu-west-1/2026/11/23/",
                "team/AWSLogs/aws-account-id=123456789012/aws-service=vpcflowlogs/aws-region=eu-west-1/year=2026/month=11/day=23/",
                "team/AWSLogs/aws-account-id=123456789012/service=vpcflowlogs/aws-region=eu-west-1/year=2026/month=11/day=23/",
            ]
        );
        assert_eq!(listing_prefixes("", &[], hour), [""; 0]);
        let pairs = [("123456789012", "eu-west-1"), ("123456789012", "us-east-1"), ("210987654321", "eu-west-1")];
        assert_eq!(listing_prefixes("", &pairs, hour).len(), 9);
    }

    #[test]
    fn midnight_ends_a_day_and_whole_months_are_one_prefix() {
        let root = "AWSLogs/123456789012/vpcflowlogs/eu-west-1/";
        let below = |folders: &[&str]| folders.iter().map(|folder| format!("{root}{folder}")).collect::<Vec<_>>();
        assert_eq!(plain("", "2026-11-23T00:00:00Z", "2026-11-24T00:00:00Z"), below(&["2026/11/23/"]));
        assert_eq!(
            plain("AWSLogs/", "2026-11-23T23:00:00Z", "2026-11-24T00:00:01Z"),
            below(&["2026/11/23/", "2026/11/24/"])
        );
        assert_eq!(
            plain("", "2023-12-31T00:00:00Z", "2025-03-02T00:00:00Z"),
            below(&["2023/12/31/", "2024/", "2025/01/", "2025/02/", "2025/03/01/"])
        );
        assert_eq!(plain("", "2026-11-24T00:00:00Z", "2026-11-24T00:00:00Z"), below(&[]));
        assert_eq!(spans(Window::ALL), [Span::All]);
    }

    proptest! {
        #[test]
        fn each_day_of_a_window_has_one_prefix(from in 0..2_000_000_000_i64, seconds in 1..100_000_000_i64, at in 0..100_000_000_i64) {
            let at_second = |second| Timestamp::from_second(second).expect("a time");
            let window = Window { from: at_second(from), to: at_second(from + seconds) };
            let time = at_second(from + at % (2 * seconds));
            let day = Offset::UTC.to_datetime(time).date();
            let folders = format!("{:04}/{:02}/{:02}/", day.year(), day.month(), day.day());
            let matching = spans(window).into_iter().filter(|span| folders.starts_with(&span.folders())).count();
            let last_day = Offset::UTC.to_datetime(at_second(from + seconds - 1)).date();
            prop_assert_eq!(matching, usize::from(day <= last_day));
            prop_assert!(spans(window).len() <= 2 * (30 + 11) + 4);
        }
    }
}
