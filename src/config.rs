//! Thresholds and memory limits, and the TOML file that sets them. Each is an integer of at least 1 with a name.
//!
//! The command line reads the file with `--config`. The function reads the same names, in capitals, from its environment.

use thiserror::Error;

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
    /// Network interfaces. The same limit applies to the VPCs and subnets that records name, and to combinations of the three.
    max_interfaces = 65_535;
    /// Distinct column orders.
    max_formats = 64;
}

/// Contents of a configuration file.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Config {
    /// Thresholds of the detectors.
    pub thresholds: Thresholds,
    /// Memory limits.
    pub limits: Limits,
}

/// Error of a configuration file.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum ConfigError {
    /// No threshold or limit has this name.
    #[error("unknown threshold or limit {name:?}; valid names: {}", [Thresholds::NAMES, Limits::NAMES].concat().join(", "))]
    Unknown {
        /// The unknown name.
        name: String,
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
    /// Parses a configuration file: TOML with lines `name = number`.
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
            let value = match value {
                toml::Value::Integer(number) => number.to_string(),
                toml::Value::Float(number) => number.to_string(),
                toml::Value::Boolean(boolean) => boolean.to_string(),
                toml::Value::String(text) => format!("'{text}'"),
                other => other.type_str().to_owned(),
            };
            let result = config.thresholds.set(name, &value).or_else(|| config.limits.set(name, &value));
            result.ok_or_else(|| ConfigError::Unknown { name: name.to_owned() })??;
        }
        Ok(config)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn file_sets_the_named_values_and_keeps_the_defaults() {
        let text = "# ours\nport_scan_ports = 3\negress_blocked_flows = 1_000\nmax_address_pairs = 7\n";
        let thresholds = Thresholds { port_scan_ports: 3, egress_blocked_flows: 1000, ..Thresholds::default() };
        let limits = Limits { max_address_pairs: 7, ..Limits::default() };
        assert_eq!(Config::from_toml(text), Ok(Config { thresholds, limits }));
        assert_eq!(Config::from_toml(""), Ok(Config::default()));
    }

    #[test]
    fn errors_state_the_valid_names_and_values() {
        let error = |text: &str| Config::from_toml(text).expect_err("wrong").to_string();
        assert_eq!(
            error("port_scan_port = 3"),
            "unknown threshold or limit \"port_scan_port\"; valid names: port_scan_ports, host_sweep_hosts, \
             repeated_reject_flows, egress_blocked_flows, one_way_min_flows, max_rejected_groups, \
             max_accepted_tuples, max_address_pairs, max_interfaces, max_formats"
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
}
