//! Thresholds, memory limits, trusted scanners, and column orders, and the TOML file that sets them. Each threshold or limit is an
//! integer of at least 1 with a name.
//!
//! The command line reads the file with `--config`, the function reads the same file from S3.

pub mod exceptions;
mod log_formats;

use std::net::IpAddr;

use ipnet::{IpNet, Ipv4Net};
use thiserror::Error;

use self::exceptions::{Exceptions, SUPPRESS};
pub use self::log_formats::{LOG_FORMATS, LogFormats};
use crate::sanitize::{NAME_CHARACTERS, did_you_mean, quoted};

/// Defines a struct of integers of at least 1 with their defaults, and a method that sets one by name.
macro_rules! counts {
    ($(#[$doc:meta])* $type:ident: $($(#[$field_doc:meta])* $name:ident = $default:literal;)*) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub struct $type {
            $($(#[$field_doc])* pub $name: u64,)*
        }

        impl Default for $type {
            fn default() -> $type {
                $type { $($name: $default,)* }
            }
        }

        impl $type {
            /// Names of the fields, as in a configuration file. In capitals they are the names of the environment variables.
            pub const NAMES: &[&str] = &[$(stringify!($name),)*];

            /// Returns all fields with their names.
            pub fn named(&self) -> impl Iterator<Item = (&'static str, u64)> {
                [$((stringify!($name), self.$name),)*].into_iter()
            }

            /// Sets the field with this name. Returns `None` if there is no such field.
            ///
            /// # Errors
            /// If the value is not an integer from 1 to [`i64::MAX`].
            pub fn set(&mut self, name: &str, value: &str) -> Option<Result<(), $crate::config::InvalidCount>> {
                let count = match name {
                    $(stringify!($name) => &mut self.$name,)*
                    _ => return None,
                };
                Some($crate::config::parse_count(name, value).map(|value| *count = value))
            }
        }
    };
}

/// Error for a value that is not an integer of at least 1.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{name} is {value:?}, but must be an integer from 1 to {}", i64::MAX)]
pub struct InvalidCount {
    name: String,
    value: String,
}

/// Parses an integer from 1 to 2^63 − 1. TOML has no greater integers, so the environment allows none either.
fn parse_count(name: &str, value: &str) -> Result<u64, InvalidCount> {
    let count = value.parse::<i64>().ok().filter(|count| *count >= 1).map(i64::unsigned_abs);
    count.ok_or_else(|| InvalidCount { name: name.to_owned(), value: value.to_owned() })
}

counts! {
    /// Thresholds of the detectors, each at least 1.
    Thresholds:
    /// `port-scan`: distinct (protocol, port) pairs of one destination at which one source is rejected.
    port_scan_ports = 15;
    /// `host-sweep`: distinct destinations at which one source is rejected on the same port.
    host_sweep_hosts = 25;
    /// `repeated-rejects`: flows of one rejected group.
    repeated_reject_flows = 100;
    /// `egress-blocked`: rejected flows from one interface to public addresses.
    egress_blocked_flows = 5;
    /// `one-way-peering`: accepted TCP flows from one VPC to another without a reply.
    one_way_min_flows = 5;
    /// `no-answer`: accepted TCP flows from one interface to one address and port, all without a reply.
    no_answer_flows = 5;
    /// `health-checks-rejected`: rejected flows of load balancers to one address and port.
    health_check_flows = 3;
}

counts! {
    /// Maximum number of entries of each kind that are kept in memory. The limits do not affect the totals and the sums by
    /// interface, by subnet, by VPC and by pair of VPCs: these include every record. With the defaults, the largest objects
    /// that AWS writes (75 MB of gzip) are summarized exactly, unless their share of rejected records is unusually high.
    Limits:
    /// Rejected groups. Until the limit is reached, a group whose cause depends on source ports uses one entry per source port.
    max_rejected_groups = 196_608;
    /// Accepted 5-tuples, which decide the causes of rejected flows. An IPv6 tuple counts as three, because it uses as much
    /// memory. If the limit is exceeded, all tuples are discarded.
    max_accepted_tuples = 3_407_872;
    /// Address pairs whose traffic has a traffic class (it needs a topology). Both directions share one entry.
    max_address_pairs = 98_304;
    /// Groups of accepted TCP flows that only open a connection, by interface, source, destination, and port.
    max_unanswered_groups = 65_536;
    /// Network interfaces. The same limit applies to the VPCs and subnets that records name, and to combinations of the three.
    max_interfaces = 65_535;
    /// Distinct column orders.
    max_formats = 64;
}

/// Contents of a configuration file.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Config {
    /// Thresholds of the detectors.
    pub thresholds: Thresholds,
    /// Memory limits.
    pub limits: Limits,
    /// CIDR blocks of the user's own scanners, sorted and without overlap. Their rejected probes are not findings.
    pub trusted_scanners: Vec<IpNet>,
    /// Scanners and suppressed findings with a reason and an end.
    pub exceptions: Exceptions,
    /// Column orders of inputs without a header.
    pub log_formats: LogFormats,
}

/// Name of the list of [`Config::trusted_scanners`].
pub const TRUSTED_SCANNERS: &str = "trusted_scanners";

/// Returns the names that a configuration file may have.
fn valid_names() -> Vec<&'static str> {
    [Thresholds::NAMES, &[TRUSTED_SCANNERS, SUPPRESS, LOG_FORMATS], Limits::NAMES].concat()
}

/// Error of a configuration file.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum ConfigError {
    /// No threshold or limit has this name.
    #[error("unknown name {name:?}{}; valid names: {}", did_you_mean(name, valid_names()), valid_names().join(", "))]
    Unknown {
        /// The unknown name.
        name: String,
    },
    /// `trusted_scanners` is not a list of blocks.
    #[error(
        "trusted_scanners has {value}, but must be a list of CIDR blocks in quotes, such as [\"10.0.9.0/24\", \"2001:db8::/32\"]"
    )]
    NotABlock {
        /// The invalid value, quoted.
        value: String,
    },
    /// A table of `trusted_scanners` or `suppress` is not valid.
    #[error("{list}: {problem}")]
    InvalidException {
        /// Name of the list.
        list: &'static str,
        /// The problem and the allowed values.
        problem: String,
    },
    /// `log_formats` is not a table.
    #[error(
        "log_formats is {value}, but must be a table of prefixes and column orders, such as \
         [log_formats] \"s3://bucket/prefix/\" = \"version srcaddr dstaddr action\""
    )]
    NotATable {
        /// The invalid value, quoted.
        value: String,
    },
    /// A prefix in `log_formats` is empty, so that it would match every input.
    #[error("log_formats has an empty prefix; set --log-format or LOG_FORMAT for all inputs")]
    EmptyPrefix,
    /// A value in `log_formats` is not a column order.
    #[error("log_formats of {prefix} is {value}, but must be {allowed}")]
    InvalidFormat {
        /// The prefix, quoted.
        prefix: String,
        /// The invalid value, quoted.
        value: String,
        /// The allowed values, and the problem.
        allowed: String,
    },
    /// A value is not an integer of at least 1.
    #[error(transparent)]
    InvalidCount(#[from] InvalidCount),
    /// The file is not TOML.
    #[error("line {line} is not TOML: {reason}")]
    NotToml {
        /// Line number, from 1.
        line: usize,
        /// Message of the parser.
        reason: String,
    },
}

impl Config {
    /// Parses a configuration file: TOML with lines `name = number`, a list of blocks, and a table of column orders.
    ///
    /// # Errors
    /// If the file is not TOML or has an invalid name or value. Returns the first error.
    pub fn from_toml(text: &str) -> Result<Config, ConfigError> {
        let table: toml::Table = text.parse().map_err(|error: toml::de::Error| {
            let before = error.span().and_then(|span| text.get(..span.start)).unwrap_or_default();
            ConfigError::NotToml { line: 1 + before.matches('\n').count(), reason: error.message().to_owned() }
        })?;
        let mut config = Config::default();
        for (name, value) in &table {
            match name.as_str() {
                TRUSTED_SCANNERS => config.set_scanners(value)?,
                SUPPRESS => config.exceptions.suppressions = Exceptions::parse_suppressions(value)?,
                LOG_FORMATS => config.log_formats = LogFormats::from_toml(value)?,
                _ => config.set_count(name, &value_text(value))?,
            }
        }
        Ok(config)
    }

    /// Parses a list of blocks, of tables with blocks, or of both.
    fn set_scanners(&mut self, value: &toml::Value) -> Result<(), ConfigError> {
        let mut blocks = Vec::new();
        for value in value.as_array().ok_or_else(|| not_a_block(value))? {
            match value.as_table() {
                Some(table) => self.exceptions.add_scanners(table)?,
                None => blocks.push(block(value)?),
            }
        }
        self.trusted_scanners = merged(&blocks);
        Ok(())
    }

    fn set_count(&mut self, name: &str, value: &str) -> Result<(), ConfigError> {
        let result = self.thresholds.set(name, value).or_else(|| self.limits.set(name, value));
        Ok(result.ok_or_else(|| ConfigError::Unknown { name: name.to_owned() })??)
    }
}

/// Returns a value as text for an error.
fn value_text(value: &toml::Value) -> String {
    match value {
        toml::Value::Integer(number) => number.to_string(),
        toml::Value::Float(number) => number.to_string(),
        toml::Value::Boolean(boolean) => boolean.to_string(),
        toml::Value::String(text) => format!("'{text}'"),
        other => other.type_str().to_owned(),
    }
}

fn not_a_block(value: &toml::Value) -> ConfigError {
    ConfigError::NotABlock { value: quoted(&value_text(value), NAME_CHARACTERS) }
}

/// Parses a CIDR block. An address is a block of its own, and an IPv4-mapped IPv6 one is the IPv4 one.
fn block(value: &toml::Value) -> Result<IpNet, ConfigError> {
    let parse = |text: &str| {
        let block = text.parse::<IpNet>().ok().filter(|block| block.network() == block.addr());
        block.or_else(|| text.parse::<IpAddr>().ok().map(IpNet::from)).map(unmapped)
    };
    value.as_str().and_then(parse).ok_or_else(|| not_a_block(value))
}

/// Returns the blocks sorted and without overlap, so that their order does not matter, and the block of an address is found by a
/// binary search.
fn merged(blocks: &[IpNet]) -> Vec<IpNet> {
    let mut blocks = IpNet::aggregate(&blocks.to_vec());
    blocks.sort_unstable();
    blocks
}

/// Returns the IPv4 block of an IPv4-mapped IPv6 block, as the addresses of records are read.
fn unmapped(block: IpNet) -> IpNet {
    let IpNet::V6(v6) = block else { return block };
    let mapped = v6.addr().to_ipv4_mapped().zip(v6.prefix_len().checked_sub(96));
    mapped.and_then(|(addr, length)| Ipv4Net::new(addr, length).ok()).map_or(block, IpNet::V4)
}

/// Returns whether one of the blocks, which are sorted and do not overlap, contains the address.
pub fn contains(blocks: &[IpNet], address: IpAddr) -> bool {
    let end = blocks.partition_point(|block| block.addr() <= address);
    end.checked_sub(1).and_then(|last| blocks.get(last)).is_some_and(|block| block.contains(&address))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn file_sets_the_named_values_and_keeps_the_defaults() {
        let text = "# ours\nport_scan_ports = 3\negress_blocked_flows = 1_000\nmax_address_pairs = 7\n";
        let thresholds = Thresholds { port_scan_ports: 3, egress_blocked_flows: 1000, ..Thresholds::default() };
        let limits = Limits { max_address_pairs: 7, ..Limits::default() };
        assert_eq!(Config::from_toml(text), Ok(Config { thresholds, limits, ..Config::default() }));
        assert_eq!(Config::from_toml(""), Ok(Config::default()));
    }

    #[test]
    fn the_block_of_an_address_is_found() {
        let list = r#"trusted_scanners = ["10.0.9.0/24", "10.0.11.0/24", "192.0.2.1", "2001:db8::/32"]"#;
        let blocks = Config::from_toml(list).expect("valid").trusted_scanners;
        let found = |address: &str| contains(&blocks, address.parse().expect("an address"));
        for inside in ["10.0.9.0", "10.0.9.255", "10.0.11.7", "192.0.2.1", "2001:db8::1"] {
            assert!(found(inside), "{inside}");
        }
        for outside in ["10.0.8.255", "10.0.10.0", "10.0.12.0", "192.0.2.2", "0.0.0.0", "::1", "2001:db9::"] {
            assert!(!found(outside), "{outside}");
        }
    }

    #[test]
    fn errors_state_the_valid_names_and_values() {
        let error = |text: &str| Config::from_toml(text).expect_err("wrong").to_string();
        assert_eq!(
            error("port_scan_port = 3"),
            "unknown name \"port_scan_port\", did you mean \"port_scan_ports\"?; valid names: port_scan_ports, host_sweep_hosts, \
             repeated_reject_flows, egress_blocked_flows, one_way_min_flows, no_answer_flows, health_check_flows, \
             trusted_scanners, suppress, log_formats, max_rejected_groups, max_accepted_tuples, max_address_pairs, max_unanswered_groups, \
             max_interfaces, max_formats"
        );
        for value in ["0", "-1", "1.5", "\"three\"", "9223372036854775808", "[1]"] {
            let text = format!("host_sweep_hosts = {value}");
            assert!(Config::from_toml(&text).is_err(), "{text}");
        }
        assert_eq!(
            error("host_sweep_hosts = 0"),
            "host_sweep_hosts is \"0\", but must be an integer from 1 to 9223372036854775807"
        );
        assert!(error("host_sweep_hosts = 1.5").starts_with("host_sweep_hosts is \"1.5\", but must be"));
        let syntax = error("port_scan_ports = 3\nhost_sweep_hosts = = 3");
        assert!(syntax.starts_with("line 2 is not TOML: ") && !syntax.contains('\n'), "{syntax}");
    }

    #[test]
    fn trusted_scanners_are_blocks_or_addresses() {
        let scanners =
            |list: &str| Config::from_toml(&format!("trusted_scanners = {list}")).map(|c| c.trusted_scanners);
        let blocks = ["10.0.0.5/32", "10.0.9.0/24", "2001:db8::/32"].map(|block| block.parse().expect("a block"));
        assert_eq!(
            scanners(r#"["2001:db8::/32", "10.0.9.0/24", "10.0.0.5", "10.0.0.5/32"]"#).as_deref(),
            Ok(&blocks[..])
        );
        assert_eq!(scanners("[]").as_deref(), Ok(&[][..]));
        let mapped = scanners(r#"["::ffff:10.0.0.0/104", "10.1.0.0/16", "::ffff:192.0.2.1"]"#);
        let blocks = ["10.0.0.0/8", "192.0.2.1/32"].map(|block| block.parse().expect("a block"));
        assert_eq!(mapped.as_deref(), Ok(&blocks[..]));
        for invalid in [r#"["10.0.9.1/24"]"#, "[10]", r#""10.0.9.0/24""#, r#"["scanner"]"#, "true"] {
            let error = scanners(invalid).expect_err("not blocks").to_string();
            assert!(error.starts_with("trusted_scanners has ") && error.contains("list of CIDR blocks"), "{error}");
        }
    }
}
