//! The configuration file of the command line.

use thiserror::Error;

use crate::counts::NotACount;
use crate::limits::Limits;
use crate::thresholds::Thresholds;

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
    NotACount(#[from] NotACount),
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
