//! The arguments that select records and findings. Only these read the clock: for times such as `2h`.

use std::collections::BTreeSet;
use std::net::IpAddr;

use clap::builder::PossibleValuesParser;
use clap::{Args, builder::TypedValueParser};
use ipnet::IpNet;

use super::output::warn;
use super::{CliError, EXIT_USAGE};
use crate::aggregate::filter::RecordFilter;
use crate::findings::types::Severity;
use crate::record::timestamp::Timestamp;
use crate::record::{Action, ip};
use crate::sanitize::{NAME_CHARACTERS, did_you_mean, truncate_chars};
use crate::topology::Topology;

/// Which records `analyze` counts.
#[derive(Debug, Args)]
#[command(next_help_heading = "Filters")]
pub(super) struct RecordArguments {
    /// Count records that end at this time or later, such as 2026-11-23T06:00:00Z, or 2h for two hours before now (s, m, h, d, w)
    #[arg(long, value_name = "TIME", conflicts_with = "partial")]
    since: Option<GivenTime>,

    /// Count records that start before this time
    #[arg(long, value_name = "TIME", conflicts_with = "partial")]
    until: Option<GivenTime>,

    /// Count records of this interface; repeatable
    #[arg(long, value_name = "ID", value_parser = id, conflicts_with = "partial")]
    interface: Vec<String>,

    /// Count records of the interfaces of this VPC: vpc-id, else the VPC in the topology; repeatable
    #[arg(long, value_name = "ID", value_parser = id, conflicts_with = "partial")]
    vpc: Vec<String>,

    /// Count records from or to this address or CIDR block; repeatable
    #[arg(long, value_name = "ADDRESS", value_parser = address, conflicts_with = "partial")]
    address: Vec<IpNet>,

    /// Count records from or to this port; repeatable
    #[arg(long, value_name = "PORT", value_parser = port, conflicts_with = "partial")]
    port: Vec<u16>,

    /// Count records with this action; repeatable
    #[arg(long, value_parser = actions(), ignore_case = true, conflicts_with = "partial")]
    action: Vec<Action>,
}

/// Which findings a report lists, and which of them fail the run.
#[derive(Debug, Args)]
#[command(next_help_heading = "Filters")]
pub(super) struct FindingArguments {
    /// List findings of this severity or higher
    #[arg(long, value_name = "SEVERITY", value_parser = severities(), ignore_case = true)]
    pub(super) min_severity: Option<Severity>,

    /// Exit with status 4 if a finding that is not suppressed has this severity or a higher one, listed or not
    #[arg(long, value_name = "SEVERITY", value_parser = severities(), ignore_case = true)]
    pub(super) fail_on: Option<Severity>,
}

/// A time as the user gives it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum GivenTime {
    /// This time, in seconds since the epoch.
    At(u64),
    /// So many seconds before now.
    Before(u64),
}

impl RecordArguments {
    /// Returns the filter, or `None` if all records pass.
    pub(super) fn filter(&self) -> Result<Option<RecordFilter>, CliError> {
        let usage_error = |message: &str| CliError { message: message.to_owned(), status: EXIT_USAGE };
        let now = now();
        let time = |given: &Option<GivenTime>, name: &str| {
            let time =
                given.map(|given| given.resolve(now).ok_or_else(|| usage_error(&format!("{name}: {TIME_RANGE}"))));
            time.transpose()
        };
        let (since, until) = (time(&self.since, "--since")?, time(&self.until, "--until")?);
        if since.zip(until).is_some_and(|(since, until)| since >= until) {
            return Err(usage_error("--since must be before --until"));
        }
        let filter = RecordFilter {
            since,
            until,
            interfaces: self.interface.clone(),
            vpcs: self.vpc.clone(),
            addresses: self.address.clone(),
            ports: self.port.clone(),
            actions: self.action.clone(),
        };
        Ok((!filter.is_empty()).then_some(filter))
    }
}

/// Warns of ids that are those of the other option.
fn warn_of_prefixes(arguments: &RecordArguments) {
    for (option, given, prefix, other) in
        [("--interface", &arguments.interface, "vpc-", "--vpc"), ("--vpc", &arguments.vpc, "eni-", "--interface")]
    {
        for id in given.iter().filter(|id| id.starts_with(prefix)) {
            let id = truncate_chars(id, NAME_CHARACTERS);
            warn(&format!("{option} {id}: ids with {prefix} are those of {other}: give {other} {id}"));
        }
    }
}

/// Warns of ids that look wrong: those of the other option, Name tags, and ids that are almost those of a resource. Others may have been deleted.
pub(super) fn warn_of_ids(arguments: &RecordArguments, topology: Option<&Topology>) {
    warn_of_prefixes(arguments);
    let Some(topology) = topology else { return };
    let resources = topology.resources();
    let options = [
        ("--interface", &arguments.interface, resources.interfaces.keys().collect::<BTreeSet<_>>()),
        ("--vpc", &arguments.vpc, resources.vpcs.keys().collect()),
    ];
    for (option, given, known) in options {
        for id in given.iter().filter(|id| !known.contains(id)) {
            let named: Vec<&str> =
                known.iter().filter(|known| topology.name_of(known) == Some(id)).map(|id| id.as_str()).collect();
            let hint = match &named[..] {
                [] => did_you_mean(id, known.iter().map(|id| id.as_str())),
                [named] => format!(", but it is the Name tag of {named}: give the id"),
                [named, ..] => format!(", but it is a Name tag, such as that of {named}: give the ids"),
            };
            if !hint.is_empty() {
                warn(&format!("{option} {}: the topology has no such id{hint}", truncate_chars(id, NAME_CHARACTERS)));
            }
        }
    }
}

const TIME_RANGE: &str = "the time must be in the years 1970 to 9999";

impl GivenTime {
    fn resolve(self, now: u64) -> Option<Timestamp> {
        match self {
            GivenTime::At(seconds) => Timestamp::from_seconds(seconds),
            GivenTime::Before(seconds) => Timestamp::from_seconds(now.checked_sub(seconds)?),
        }
    }
}

impl std::str::FromStr for GivenTime {
    type Err = String;

    fn from_str(given: &str) -> Result<GivenTime, String> {
        if let Some(seconds) = duration(given) {
            return Ok(GivenTime::Before(seconds));
        }
        let time = time(given).map_err(|hint| {
            let lower = given.to_ascii_lowercase();
            let hint = duration(&lower).map_or(hint, |_| format!("; did you mean {lower}?"));
            format!("must be a time such as 2026-11-23T06:00:00Z, or 30m, 2h, or 7d for a time before now{hint}")
        })?;
        // Records have whole seconds.
        let seconds = time.as_second() + i64::from(time.subsec_nanosecond() > 0);
        u64::try_from(seconds).map(GivenTime::At).map_err(|_| TIME_RANGE.to_owned())
    }
}

/// Parses a time of a window.
pub(super) fn absolute_time(given: &str) -> Result<jiff::Timestamp, String> {
    time(given).map_err(|hint| format!("must be a time such as 2026-11-23T06:00:00Z{hint}"))
}

/// Parses a time. The error is a hint, which may be empty: a date, or a time without a zone, is taken for one in UTC.
fn time(given: &str) -> Result<jiff::Timestamp, String> {
    given.parse().map_err(|_| {
        let in_utc =
            given.parse().ok().map(|time: jiff::civil::DateTime| time.strftime("%Y-%m-%dT%H:%M:%SZ").to_string());
        in_utc.map_or_else(String::new, |time| format!("; did you mean {time}?"))
    })
}

/// Parses a number with a unit, such as `2h`, to seconds.
fn duration(given: &str) -> Option<u64> {
    let unit = match given.chars().last()? {
        's' => 1,
        'm' => 60,
        'h' => 3_600,
        'd' => 86_400,
        'w' => 604_800,
        _ => return None,
    };
    let number = given.get(..given.len() - 1).filter(|number| number.bytes().all(|byte| byte.is_ascii_digit()))?;
    number.parse::<u64>().ok()?.checked_mul(unit)
}

/// Returns the seconds since the epoch.
#[expect(
    clippy::disallowed_methods,
    reason = "the command line reads the clock for times that are given relative to now"
)]
fn now() -> u64 {
    std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

/// Parses an address or a block. IPv4 addresses in the notation of IPv6 are IPv4 addresses, as in records.
fn address(given: &str) -> Result<IpNet, String> {
    let parsed = match given.split_once('/') {
        None => ip::parse(given.as_bytes()).map(IpNet::from),
        Some(_) => given.parse().ok().map(|block: IpNet| without_mapping(block.trunc())),
    };
    parsed.ok_or_else(|| "must be an IPv4 or IPv6 address, or a CIDR block such as 10.0.0.0/16".to_owned())
}

/// Parses an id. An empty one selects nothing: it is a shell variable that is not set.
fn id(given: &str) -> Result<String, String> {
    if given.trim().is_empty() { Err("is empty: give an id".to_owned()) } else { Ok(given.to_owned()) }
}

fn port(given: &str) -> Result<u16, String> {
    given.parse().map_err(|_| "must be a number from 0 to 65535".to_owned())
}

fn without_mapping(block: IpNet) -> IpNet {
    let IpNet::V6(block) = block else { return block };
    let mapped = block.addr().to_ipv4_mapped().zip(block.prefix_len().checked_sub(96));
    let ipv4 = mapped.and_then(|(address, length)| IpNet::new(IpAddr::V4(address), length).ok());
    ipv4.unwrap_or(IpNet::V6(block))
}

fn actions() -> impl TypedValueParser<Value = Action> {
    PossibleValuesParser::new(["ACCEPT", "REJECT"])
        .map(|name| if name.eq_ignore_ascii_case("ACCEPT") { Action::Accept } else { Action::Reject })
}

/// Returns the parser of a severity.
pub(super) fn severities() -> impl TypedValueParser<Value = Severity> {
    PossibleValuesParser::new(Severity::ALL.map(Severity::name)).try_map(|name| {
        let severity = Severity::ALL.into_iter().find(|severity| name.eq_ignore_ascii_case(severity.name()));
        severity.ok_or("is not a severity")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_absolute_or_before_now() {
        let parse = |given: &str| given.parse::<GivenTime>();
        assert_eq!(parse("2026-11-23T06:00:00Z"), Ok(GivenTime::At(1_795_413_600)));
        assert_eq!(parse("2026-11-23T07:00:00+01:00"), Ok(GivenTime::At(1_795_413_600)));
        assert_eq!(parse("2026-11-23T06:00:00.1Z"), Ok(GivenTime::At(1_795_413_601)));
        let seconds = [("30s", 30), ("15m", 900), ("2h", 7_200), ("7d", 604_800), ("1w", 604_800)];
        for (given, expected) in seconds {
            assert_eq!(parse(given), Ok(GivenTime::Before(expected)));
        }
        for wrong in [
            "",
            "h",
            "2",
            "2H",
            "-2h",
            "2 h",
            "99999999999999999999h",
            "yesterday",
            "2026-11-23",
            "1969-01-01T00:00:00Z",
        ] {
            assert!(parse(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_wrong_time_has_the_right_one() {
        for (given, hint) in [
            ("2026-11-23", "; did you mean 2026-11-23T00:00:00Z?"),
            ("2026-11-23 06:00", "; did you mean 2026-11-23T06:00:00Z?"),
            ("2026-11-23T06:00:07", "; did you mean 2026-11-23T06:00:07Z?"),
            ("2H", "; did you mean 2h?"),
            ("yesterday", "a time before now"),
        ] {
            let error = given.parse::<GivenTime>().expect_err("wrong");
            assert!(error.ends_with(hint), "{error}");
        }
        assert!(absolute_time("2026-11-23").is_err_and(|error| error.ends_with("did you mean 2026-11-23T00:00:00Z?")));
    }

    #[test]
    fn a_time_before_now_counts_from_the_clock() {
        let now = 1_795_413_600;
        assert_eq!(GivenTime::Before(60).resolve(now), Timestamp::from_seconds(now - 60));
        assert_eq!(GivenTime::Before(now + 1).resolve(now), None);
        assert_eq!(GivenTime::At(u64::MAX).resolve(now), None);
    }

    #[test]
    fn addresses_are_read_as_those_of_records() {
        let parse = |given: &str| address(given).map(|block| block.to_string()).ok();
        for (given, expected) in [
            ("10.0.0.1", "10.0.0.1/32"),
            ("10.0.0.7/24", "10.0.0.0/24"),
            ("2600::1", "2600::1/128"),
            ("::ffff:10.0.0.1", "10.0.0.1/32"),
            ("::ffff:10.0.0.0/112", "10.0.0.0/16"),
            ("::/0", "::/0"),
        ] {
            assert_eq!(parse(given).as_deref(), Some(expected), "{given}");
        }
        for wrong in ["", "10.0.0", "10.0.0.0/33", "host", "10.0.0.0/", "fe80::1%eth0"] {
            assert_eq!(parse(wrong), None, "{wrong}");
        }
    }
}
