//! Thresholds and memory limits: whole numbers of at least 1, each known by its name, and the TOML file that sets them.
//!
//! The command line reads the file by `--config`; the function reads the same names, in capitals, from its environment.

use thiserror::Error;

/// Makes a struct of counts of at least 1, each with its default, and the means to set one by its name.
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
            /// Their names, as in a configuration file; in capitals, those of the environment variables.
            pub const NAMES: &[&str] = &[$(stringify!($name),)*];

            /// Sets one by its name. `None` if none has this name.
            ///
            /// # Errors
            /// Where the value is not a whole number of at least 1.
            pub fn set(&mut self, name: &str, value: &str) -> Option<Result<(), $crate::config::InvalidCount>> {
                let count = match name {
                    $(stringify!($name) => &mut self.$name,)*
                    _ => return None,
                };
                Some($crate::config::count(name, value).map(|value| *count = value))
            }
        }
    };
}

/// A value that is not a whole number of at least 1.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{name} is {value:?}, but must be an integer from 1 to {}", i64::MAX)]
pub struct InvalidCount {
    name: String,
    value: String,
}

/// TOML's integers end at 2^63 − 1; the environment's then do as well.
pub(crate) fn count(name: &str, value: &str) -> Result<u64, InvalidCount> {
    let count = value.parse::<i64>().ok().filter(|count| *count >= 1).map(i64::unsigned_abs);
    count.ok_or_else(|| InvalidCount { name: name.to_owned(), value: value.to_owned() })
}

counts! {
    /// Thresholds of the detectors, each at least 1.
    Thresholds:
    /// `port-scan`: distinct (protocol, port) that one source is refused at one destination.
    port_scan_ports = 15;
    /// `host-sweep`: distinct destinations at which one source is refused the same port.
    host_sweep_hosts = 25;
    /// `repeated-rejects`: flows of one rejected group.
    repeated_reject_flows = 100;
    /// `egress-blocked`: flows of one interface to public addresses that are refused.
    egress_blocked_flows = 5;
    /// `one-way-peering`: accepted TCP flows from one VPC to another that get no answer.
    one_way_min_flows = 5;
}

counts! {
    /// So many of each are kept at most. The totals, and the sums by interface, by place and by pair of VPCs, hold every
    /// record whatever the limits are. The defaults are such that the largest objects that AWS writes, of 75 MB of gzip,
    /// are summarised exactly if no more of their records are rejected than of most.
    Limits:
    /// Rejected groups. Until the limit is reached, a group whose cause hangs on source ports takes one for each of them.
    max_rejected_groups = 196_608;
    /// Accepted 5-tuples, by which causes are decided; one of IPv6 counts as three, as it takes the room of three. ExternalScope it
    /// none is kept.
    max_accepted_tuples = 3_407_872;
    /// Pairs of addresses with traffic that is noteworthy by the topology, both directions together.
    max_address_pairs = 98_304;
    /// Network interfaces; as many VPCs and subnets that records name, and as many combinations of the three.
    max_interfaces = 65_535;
    /// Distinct column lists.
    max_formats = 64;
}

/// What a configuration file sets.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Config {
    /// From when on a pattern is a finding.
    pub thresholds: Thresholds,
    /// How much of a log's variety is kept.
    pub limits: Limits,
}

/// Why a configuration file can't be used.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum ConfigError {
    /// Nothing has this name.
    #[error("unknown threshold or limit {name:?}; valid names: {}", [Thresholds::NAMES, Limits::NAMES].concat().join(", "))]
    Unknown {
        /// The name given.
        name: String,
    },
    /// A value is wrong.
    #[error(transparent)]
    InvalidCount(#[from] InvalidCount),
    /// It is not TOML.
    #[error("line {line} is not TOML: {reason}")]
    NotToml {
        /// From 1.
        line: usize,
        /// What the parser says.
        reason: String,
    },
}

impl Config {
    /// Reads a configuration file: TOML, `name = number` each.
    ///
    /// # Errors
    /// Where it is not TOML, or a name or value in it is wrong; the first of them is told.
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
                toml::Value::Boolean(truth) => truth.to_string(),
                toml::Value::String(text) => format!("'{text}'"),
                other => other.type_str().to_owned(),
            };
            let set = config.thresholds.set(name, &value).or_else(|| config.limits.set(name, &value));
            set.ok_or_else(|| ConfigError::Unknown { name: name.to_owned() })??;
        }
        Ok(config)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_sets_what_it_names() {
        let text = "# ours\nport_scan_ports = 3\negress_blocked_flows = 1_000\nmax_address_pairs = 7\n";
        let thresholds = Thresholds { port_scan_ports: 3, egress_blocked_flows: 1000, ..Thresholds::default() };
        let limits = Limits { max_address_pairs: 7, ..Limits::default() };
        assert_eq!(Config::from_toml(text), Ok(Config { thresholds, limits }));
        assert_eq!(Config::from_toml(""), Ok(Config::default()));
    }

    #[test]
    fn what_is_wrong_is_named_with_what_is_allowed() {
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
