//! Exceptions with a reason and an end: the user's own scanners, and findings that nobody needs to hear of.
//!
//! Whether an exception applies is decided by the time of the records, so that an old log has the same report whenever it is read.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use ipnet::IpNet;
use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::Offset;
use serde::Deserialize;
use serde::de::IntoDeserializer;

use crate::config::{ConfigError, block, contains, merged, value_text};
use crate::record::LossReason;
use crate::sanitize::{NAME_CHARACTERS, did_you_mean, quoted};

/// Name of the list of [`Exceptions::suppressions`].
pub const SUPPRESS: &str = "suppress";

/// The types of findings that can be suppressed, with the members of their subjects. Tests compare them with those of the detectors.
pub const FINDINGS: [(&str, &[&str]); 17] = [
    ("ambiguous-address", &["cidr_block"]),
    ("edge-to-edge-routing", &["dst_scope", "src_vpc_id"]),
    ("egress-blocked", &["interface_id"]),
    ("health-checks-rejected", &["dstaddr", "dstport", "protocol"]),
    ("host-sweep", &["dstport", "protocol", "srcaddr"]),
    ("inactive-peering", &["dst_vpc_id", "src_vpc_id"]),
    ("no-answer", &["dstaddr", "dstport", "interface_id"]),
    ("one-way-peering", &["dst_vpc_id", "peering_connection_id", "src_vpc_id"]),
    ("peering-path-mismatch", &["dst_vpc_id", "peering_connection_id", "src_vpc_id"]),
    ("port-scan", &["dstaddr", "srcaddr"]),
    ("rejected-peering", &["dst_vpc_id", "peering_connection_id", "src_vpc_id"]),
    ("repeated-rejects", &["dstaddr", "dstport", "interface_id", "protocol", "srcaddr"]),
    ("reply-blocked", &["dstaddr", "interface_id", "protocol", "srcaddr"]),
    ("skipped-data", &["interface_id"]),
    ("transit-gateway-loss", &["reason", "tgw_dst_vpc_id", "tgw_id", "tgw_src_vpc_id"]),
    ("transitive-peering", &["dst_vpc_id", "src_vpc_id"]),
    ("unpeered-vpc", &["dst_vpc_id", "src_vpc_id"]),
];
/// The types of findings that scanners make. Their subjects have `srcaddr`.
const SCANS: [&str; 2] = ["host-sweep", "port-scan"];
const MAX_REASON_CHARACTERS: usize = 200;

/// Why an exception was made, and until when it applies.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Exception {
    /// The reason, for people.
    pub reason: String,
    /// The first day, in UTC, on which it does not apply any more.
    pub expires: Date,
}

impl Exception {
    /// Reports whether it applies to records of this time, in seconds since the Unix epoch. It applies to records without a time.
    pub fn applies_at(&self, seconds: Option<u64>) -> bool {
        let date = |seconds: u64| Timestamp::from_second(i64::try_from(seconds).ok()?).ok();
        let date = seconds.and_then(date).map(|time| Offset::UTC.to_datetime(time).date());
        date.is_none_or(|date| date < self.expires)
    }
}

/// Scanners of the user, until a day.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TrustedScanners {
    /// Their CIDR blocks, sorted and without overlap.
    pub blocks: Vec<IpNet>,
    /// The reason and the end.
    pub exception: Exception,
}

/// Findings that are not sent, until a day.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Suppression {
    /// Their types. If it is empty, all types match.
    pub types: Vec<String>,
    /// Members of their subjects, as text. Each of them must be equal.
    pub subject: BTreeMap<String, String>,
    /// The reason and the end.
    pub exception: Exception,
}

/// All exceptions of a configuration file.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Exceptions {
    /// Scanners.
    pub scanners: Vec<TrustedScanners>,
    /// Findings that are not sent. The first one that matches applies.
    pub suppressions: Vec<Suppression>,
}

impl Exceptions {
    /// Returns the blocks of scanners that are trusted at this time.
    pub fn scanners_at(&self, seconds: Option<u64>) -> Vec<IpNet> {
        let current = self.scanners.iter().filter(|scanners| scanners.exception.applies_at(seconds));
        merged(&current.flat_map(|scanners| &scanners.blocks).copied().collect::<Vec<_>>())
    }

    /// Returns what to say about the exceptions that do not apply any more at this time.
    pub fn expired_at(&self, seconds: Option<u64>) -> Vec<String> {
        let scanners = self.scanners.iter().map(|scanners| ("trusted_scanners", &scanners.exception));
        let suppressions = self.suppressions.iter().map(|suppression| (SUPPRESS, &suppression.exception));
        let expired = scanners.chain(suppressions).filter(|(_, exception)| !exception.applies_at(seconds));
        let text = |(list, Exception { reason, expires }): (&str, &Exception)| {
            format!("{list}: {} has expired on {expires}; renew or remove it", quoted(reason, MAX_REASON_CHARACTERS))
        };
        expired.map(text).collect()
    }

    /// Returns the exception that applies to a finding: the first suppression that matches, or a trusted scanner. `member` returns a
    /// member of its subject as text, and `seconds` is its last record.
    pub fn of_finding(
        &self,
        finding_type: &str,
        member: impl Fn(&str) -> Option<String>,
        seconds: Option<u64>,
    ) -> Option<&Exception> {
        let suppressions = self.suppressions.iter().filter(|suppression| suppression.matches(finding_type, &member));
        let source = Some("srcaddr").filter(|_| SCANS.contains(&finding_type)).and_then(&member);
        let source = source.and_then(|source| source.parse().ok());
        let scanners = self.scanners.iter().filter(|scanners| source.is_some_and(|source| scanners.contains(source)));
        let exceptions = suppressions.map(|one| &one.exception).chain(scanners.map(|one| &one.exception));
        exceptions.into_iter().find(|exception| exception.applies_at(seconds))
    }

    /// Adds a table of `trusted_scanners`.
    pub(super) fn add_scanners(&mut self, table: &toml::Table) -> Result<(), ConfigError> {
        let invalid = |problem| ConfigError::InvalidException { list: "trusted_scanners", problem };
        check_names(table, &["cidr_blocks", "reason", "expires"]).map_err(invalid)?;
        let list = table.get("cidr_blocks").and_then(toml::Value::as_array).filter(|list| !list.is_empty());
        let list =
            list.ok_or_else(|| invalid("cidr_blocks is missing, but must be a list of CIDR blocks".to_owned()))?;
        let blocks: Vec<IpNet> = list.iter().map(block).collect::<Result<_, _>>()?;
        let exception = exception(table).map_err(invalid)?;
        self.scanners.push(TrustedScanners { blocks: merged(&blocks), exception });
        Ok(())
    }

    /// Parses the list `suppress`.
    pub(super) fn parse_suppressions(value: &toml::Value) -> Result<Vec<Suppression>, ConfigError> {
        let invalid = |problem| ConfigError::InvalidException { list: SUPPRESS, problem };
        let no_tables = || invalid(format!("it has {}, but must be a list of tables, [[suppress]]", shown(value)));
        let list = value.as_array().ok_or_else(no_tables)?;
        let tables: Option<Vec<&toml::Table>> = list.iter().map(toml::Value::as_table).collect();
        tables.ok_or_else(no_tables)?.into_iter().map(|table| suppression(table).map_err(invalid)).collect()
    }
}

impl TrustedScanners {
    /// Reports whether one of the blocks contains the address.
    pub fn contains(&self, address: IpAddr) -> bool {
        contains(&self.blocks, address)
    }
}

impl Suppression {
    fn matches(&self, finding_type: &str, member: impl Fn(&str) -> Option<String>) -> bool {
        let has_type = self.types.is_empty() || self.types.iter().any(|one| one == finding_type);
        has_type && self.subject.iter().all(|(name, expected)| member(name).as_ref() == Some(expected))
    }

    /// Reports whether a finding of one of its types has all members of its subject.
    fn may_match(&self) -> bool {
        let has_type = |name: &str| self.types.is_empty() || self.types.iter().any(|one| one == name);
        let mut findings = FINDINGS.iter().filter(|(name, _)| has_type(name));
        findings.any(|(_, members)| self.subject.keys().all(|name| members.contains(&name.as_str())))
    }
}

fn suppression(table: &toml::Table) -> Result<Suppression, String> {
    check_names(table, &["types", "subject", "reason", "expires"])?;
    let types = table.get("types").map_or(Ok(Vec::new()), |types| {
        let known =
            |value: &toml::Value| value.as_str().filter(|name| names().any(|known| known == *name)).map(str::to_owned);
        let parsed: Option<Vec<String>> = types.as_array().and_then(|types| types.iter().map(known).collect());
        parsed.ok_or_else(|| wrong_types(types))
    })?;
    let subject = table.get("subject").map_or(Ok(BTreeMap::new()), |subject| {
        let members =
            subject.as_table().ok_or_else(|| format!("subject is {}, but must be a table", shown(subject)))?;
        members.iter().map(|(name, value)| member(name, value)).collect()
    })?;
    if types.is_empty() && subject.is_empty() {
        return Err("types and subject are missing, so that it would match every finding".to_owned());
    }
    let suppression = Suppression { types, subject, exception: exception(table)? };
    if suppression.may_match() {
        return Ok(suppression);
    }
    let members = suppression.subject.keys().cloned().collect::<Vec<_>>().join(", ");
    Err(format!("no finding of these types has {members} in its subject, so that it would match none"))
}

/// Describes what is wrong with `types`.
fn wrong_types(types: &toml::Value) -> String {
    let valid = names().collect::<Vec<_>>().join(", ");
    let mut given = types.as_array().into_iter().flatten().filter_map(toml::Value::as_str);
    match given.find(|name| names().all(|known| known != *name)) {
        Some(name) => {
            let hint = did_you_mean(name, names());
            format!("types has {}{hint}; valid types: {valid}", quoted(name, NAME_CHARACTERS))
        }
        None => format!("types is {}, but must be a list of {valid}", shown(types)),
    }
}

/// Returns the types of findings.
fn names() -> impl Iterator<Item = &'static str> {
    FINDINGS.into_iter().map(|(name, _)| name)
}

fn member(name: &str, value: &toml::Value) -> Result<(String, String), String> {
    let known: BTreeSet<&str> = FINDINGS.iter().flat_map(|(_, members)| *members).copied().collect();
    if !known.contains(name) {
        let (name, known) = (quoted(name, NAME_CHARACTERS), known.into_iter().collect::<Vec<_>>().join(", "));
        return Err(format!("subject has {name}, but its members are {known}"));
    }
    let text = match value {
        toml::Value::String(text) => Some(text.clone()),
        toml::Value::Integer(number) => Some(number.to_string()),
        _ => None,
    };
    let text = text.ok_or_else(|| format!("{name} is {}, but must be text or a number", shown(value)))?;
    match as_in_findings(name, &text) {
        Ok(text) => Ok((name.to_owned(), text)),
        Err(allowed) => Err(format!("{name} is {}, but must be {allowed}", quoted(&text, NAME_CHARACTERS))),
    }
}

/// Returns a value as subjects have it, or what is allowed.
fn as_in_findings(name: &str, text: &str) -> Result<String, &'static str> {
    let number = |max: u32| text.parse().ok().filter(|number: &u32| *number <= max && !text.starts_with('+'));
    let one_of = |known: &[&str]| known.contains(&text).then(|| text.to_owned());
    match name {
        "srcaddr" | "dstaddr" => {
            let address = text.parse::<IpAddr>().map(|address| address.to_canonical().to_string());
            address.map_err(|_| "an IP address without a prefix length")
        }
        "dstport" => number(u16::MAX.into()).map(|port| port.to_string()).ok_or("a port, 0 to 65535"),
        "protocol" => {
            let allowed = "an IANA protocol number, such as 6 for TCP";
            number(u8::MAX.into()).map(|protocol| protocol.to_string()).ok_or(allowed)
        }
        "cidr_block" => {
            let block = text.parse::<IpNet>().ok().filter(|block| *block == block.trunc());
            block.map(|block| block.to_string()).ok_or("a CIDR block without host bits, such as 10.0.0.0/16")
        }
        "dst_scope" => one_of(&["private", "public"]).ok_or("private or public"),
        "reason" => {
            let known = LossReason::deserialize(text.into_deserializer()).map_err(|_: serde::de::value::Error| ());
            known.map(|_| text.to_owned()).map_err(|()| "no-route, blackhole, mtu-exceeded, or ttl-expired")
        }
        _ if text.is_empty() => Err("an id"),
        _ => Ok(text.to_owned()),
    }
}

fn exception(table: &toml::Table) -> Result<Exception, String> {
    let reason = table.get("reason").and_then(toml::Value::as_str).map(str::trim).filter(|reason| !reason.is_empty());
    let reason = reason.ok_or_else(|| "reason is missing, but must be text".to_owned())?;
    if reason.chars().count() > MAX_REASON_CHARACTERS {
        return Err(format!("reason has more than {MAX_REASON_CHARACTERS} characters"));
    }
    let expires = match table.get("expires") {
        Some(toml::Value::Datetime(time)) => time.to_string(),
        Some(toml::Value::String(text)) => text.clone(),
        other => return Err(format!("expires is {}, but must be a date", other.map_or("missing".to_owned(), shown))),
    };
    let date = expires.parse::<Date>().ok().filter(|_| expires.len() == "2027-01-31".len());
    let wrong = || format!("expires is {}, but must be a date such as 2027-01-31", quoted(&expires, NAME_CHARACTERS));
    Ok(Exception { reason: reason.to_owned(), expires: date.ok_or_else(wrong)? })
}

fn check_names(table: &toml::Table, valid: &[&str]) -> Result<(), String> {
    match table.keys().find(|name| !valid.contains(&name.as_str())) {
        Some(name) => {
            let hint = did_you_mean(name, valid.iter().copied());
            Err(format!("unknown name {}{hint}; valid names: {}", quoted(name, NAME_CHARACTERS), valid.join(", ")))
        }
        None => Ok(()),
    }
}

fn shown(value: &toml::Value) -> String {
    quoted(&value_text(value), NAME_CHARACTERS)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;

    const DAY: u64 = 1_795_910_400; // 2026-11-29

    fn parse(toml: &str) -> Result<Config, String> {
        Config::from_toml(toml).map_err(|error| error.to_string())
    }

    #[test]
    fn scanners_are_trusted_until_they_expire() {
        let toml = r#"trusted_scanners = [
            "10.0.9.0/24", {cidr_blocks = ["10.0.8.0/24", "192.0.2.1"], reason = "pen test", expires = 2026-11-29}]"#;
        let config = parse(toml).expect("valid");
        let at = |seconds| {
            let blocks = config.exceptions.scanners_at(seconds);
            blocks.iter().map(IpNet::to_string).collect::<Vec<_>>().join(" ")
        };
        assert_eq!(at(Some(DAY - 1)), "10.0.8.0/24 192.0.2.1/32");
        assert_eq!((at(Some(DAY)), at(None)), (String::new(), "10.0.8.0/24 192.0.2.1/32".to_owned()));
        assert_eq!(config.exceptions.expired_at(Some(DAY - 1)), [""; 0]);
        let expired = r#"trusted_scanners: "pen test" has expired on 2026-11-29; renew or remove it"#;
        assert_eq!(config.exceptions.expired_at(Some(DAY)), [expired]);
        let tables =
            "[[trusted_scanners]]\ncidr_blocks = [\"10.0.8.0/24\"]\nreason = \"x\"\nexpires = \"2026-11-29\"\n";
        assert_eq!(parse(tables).map(|config| config.exceptions.scanners.len()), Ok(1));
    }

    #[test]
    fn a_suppression_has_types_or_a_subject() {
        let toml = "[[suppress]]\ntypes = [\"host-sweep\"]\nsubject = {srcaddr = \"2001:DB8::1\", dstport = 22}\n\
                    reason = \"known\"\nexpires = 2026-11-29\n";
        let suppressions = parse(toml).expect("valid").exceptions.suppressions;
        let subject = [("dstport", "22"), ("srcaddr", "2001:db8::1")];
        let subject = subject.map(|(name, value)| (name.to_owned(), value.to_owned()));
        let exception = Exception { reason: "known".to_owned(), expires: jiff::civil::date(2026, 11, 29) };
        let types = vec!["host-sweep".to_owned()];
        assert_eq!(suppressions, [Suppression { types, subject: subject.into(), exception }]);
    }

    #[test]
    fn values_of_subjects_are_as_in_findings() {
        for (name, value, expected) in [
            ("srcaddr", "::ffff:10.9.0.1", "10.9.0.1"),
            ("dstport", "022", "22"),
            ("protocol", "06", "6"),
            ("cidr_block", "2001:DB8::/32", "2001:db8::/32"),
            ("dst_scope", "public", "public"),
            ("reason", "no-route", "no-route"),
        ] {
            assert_eq!(as_in_findings(name, value).as_deref(), Ok(expected));
        }
    }

    #[test]
    fn invalid_exceptions_are_errors_that_name_the_problem() {
        let rest = "reason = \"x\"\nexpires = 2026-11-29\n";
        for (table, problem) in [
            (rest.to_owned(), "types and subject are missing"),
            (
                format!("types = [\"port-scam\"]\n{rest}"),
                "types has \"port-scam\", did you mean \"port-scan\"?; valid types: amb",
            ),
            (format!("types = 3\n{rest}"), "types is \"3\", but must be a list of ambiguous-address"),
            (format!("subject = {{vpc = \"x\"}}\n{rest}"), "subject has \"vpc\", but its members are cidr_block"),
            (
                format!("types = [\"port-scan\"]\nsubject = {{dstport = 22}}\n{rest}"),
                "no finding of these types has dstport in its subject",
            ),
            (
                format!("subject = {{tgw_id = \"tgw-1\", srcaddr = \"10.0.0.1\"}}\n{rest}"),
                "no finding of these types has srcaddr, tgw_id in its subject",
            ),
            (format!("subject = {{srcaddr = true}}\n{rest}"), "srcaddr is \"true\", but must be text or a number"),
            (
                format!("subject = {{srcaddr = \"10.9.0.0/24\"}}\n{rest}"),
                "must be an IP address without a prefix length",
            ),
            (format!("subject = {{dstport = \"+22\"}}\n{rest}"), "dstport is \"+22\", but must be a port"),
            (format!("subject = {{cidr_block = \"10.0.0.5/16\"}}\n{rest}"), "must be a CIDR block without host bits"),
            (format!("subject = {{dst_scope = \"vpc\"}}\n{rest}"), "must be private or public"),
            (format!("subject = {{reason = \"no route\"}}\n{rest}"), "must be no-route, blackhole, mtu-exceeded"),
            (format!("subject = {{interface_id = \"\"}}\n{rest}"), "must be an id"),
            (
                format!("subject = {{protocol = \"tcp\"}}\n{rest}"),
                "protocol is \"tcp\", but must be an IANA protocol number",
            ),
            (format!("subject = {{dstport = 65536}}\n{rest}"), "dstport is \"65536\", but must be a port"),
            (
                format!("subject = {{cidr_block = \"10.0.0.0\"}}\n{rest}"),
                "cidr_block is \"10.0.0.0\", but must be a CIDR block without host bits",
            ),
            (
                format!("type = \"port-scan\"\n{rest}"),
                "unknown name \"type\", did you mean \"types\"?; valid names: types, subject",
            ),
            ("types = [\"port-scan\"]\nexpires = 2026-11-29\n".to_owned(), "reason is missing"),
            ("types = [\"port-scan\"]\nreason = \"x\"\n".to_owned(), "expires is missing, but must be a date"),
            (
                "types = [\"port-scan\"]\nreason = \"x\"\nexpires = 2026-11-29T00:00:00Z\n".to_owned(),
                "must be a date such as",
            ),
        ] {
            let error = parse(&format!("[[suppress]]\n{table}")).expect_err("invalid");
            assert!(error.starts_with("suppress: ") && error.contains(problem), "{error}");
        }
        assert!(parse("suppress = [1]").expect_err("invalid").contains("must be a list of tables"));
        let no_blocks = format!("[[trusted_scanners]]\n{rest}");
        assert!(parse(&no_blocks).expect_err("invalid").starts_with("trusted_scanners: cidr_blocks is missing"));
    }
}
