//! From when on a pattern is a finding.

use thiserror::Error;

macro_rules! thresholds {
    ($($(#[$doc:meta])* $name:ident = $default:literal;)*) => {
        /// Thresholds of the detectors, each at least 1.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub struct Thresholds {
            $($(#[$doc])* pub $name: u64,)*
        }

        impl Default for Thresholds {
            fn default() -> Thresholds {
                Thresholds { $($name: $default,)* }
            }
        }

        impl Thresholds {
            /// Their names, as in a configuration file; in capitals, those of the environment variables.
            pub const NAMES: &[&str] = &[$(stringify!($name),)*];

            fn get_mut(&mut self, name: &str) -> Option<&mut u64> {
                match name {
                    $(stringify!($name) => Some(&mut self.$name),)*
                    _ => None,
                }
            }
        }
    };
}

thresholds! {
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

/// A threshold that can't be set.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum ThresholdError {
    /// No threshold has this name.
    #[error("{name:?} is no threshold; there are {}", Thresholds::NAMES.join(", "))]
    Unknown {
        /// The name given.
        name: String,
    },
    /// The value is not a whole number of at least 1.
    #[error("{name} is {value:?}, and must be a whole number from 1 to {}", i64::MAX)]
    NotACount {
        /// The name of the threshold.
        name: String,
        /// The value given.
        value: String,
    },
    /// The configuration file is not TOML.
    #[error("line {line} is not TOML: {reason}")]
    NotToml {
        /// From 1.
        line: usize,
        /// What the parser says.
        reason: String,
    },
}

impl Thresholds {
    /// Sets one by its name.
    ///
    /// # Errors
    /// Where there is no such threshold, or the value is not a whole number of at least 1.
    pub fn set(&mut self, name: &str, value: &str) -> Result<(), ThresholdError> {
        let threshold = self.get_mut(name).ok_or_else(|| ThresholdError::Unknown { name: name.to_owned() })?;
        // TOML's integers end at 2^63 − 1; the environment's then do as well.
        *threshold = value
            .parse::<i64>()
            .ok()
            .filter(|count| *count >= 1)
            .map(i64::unsigned_abs)
            .ok_or_else(|| ThresholdError::NotACount { name: name.to_owned(), value: value.to_owned() })?;
        Ok(())
    }

    /// Reads a configuration file: TOML, `name = number` each.
    ///
    /// # Errors
    /// Where it is not TOML, or a name or value in it is wrong; the first of them is told.
    pub fn from_toml(text: &str) -> Result<Thresholds, ThresholdError> {
        let table: toml::Table = text.parse().map_err(|error: toml::de::Error| {
            let before = error.span().and_then(|span| text.get(..span.start)).unwrap_or_default();
            ThresholdError::NotToml { line: 1 + before.matches('\n').count(), reason: error.message().to_owned() }
        })?;
        let mut thresholds = Thresholds::default();
        for (name, value) in &table {
            let value = match value {
                toml::Value::Integer(number) => number.to_string(),
                toml::Value::Float(number) => number.to_string(),
                toml::Value::Boolean(truth) => truth.to_string(),
                toml::Value::String(text) => format!("'{text}'"),
                other => other.type_str().to_owned(),
            };
            thresholds.set(name, &value)?;
        }
        Ok(thresholds)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_sets_what_it_names() {
        let thresholds = Thresholds::from_toml("# ours\nport_scan_ports = 3\negress_blocked_flows = 1_000\n");
        let expected = Thresholds { port_scan_ports: 3, egress_blocked_flows: 1000, ..Thresholds::default() };
        assert_eq!(thresholds, Ok(expected));
        assert_eq!(Thresholds::from_toml(""), Ok(Thresholds::default()));
    }

    #[test]
    fn what_is_wrong_is_named_with_what_is_allowed() {
        let error = |text: &str| Thresholds::from_toml(text).expect_err("wrong").to_string();
        assert_eq!(
            error("port_scan_port = 3"),
            "\"port_scan_port\" is no threshold; there are port_scan_ports, host_sweep_hosts, repeated_reject_flows, \
             egress_blocked_flows, one_way_min_flows"
        );
        for value in ["0", "-1", "1.5", "\"three\"", "9223372036854775808", "[1]"] {
            let text = format!("host_sweep_hosts = {value}");
            assert!(Thresholds::from_toml(&text).is_err(), "{text}");
        }
        assert_eq!(
            error("host_sweep_hosts = 0"),
            "host_sweep_hosts is \"0\", and must be a whole number from 1 to 9223372036854775807"
        );
        assert!(error("host_sweep_hosts = 1.5").starts_with("host_sweep_hosts is \"1.5\", and must be"));
        let syntax = error("port_scan_ports = 3\nhost_sweep_hosts = = 3");
        assert!(syntax.starts_with("line 2 is not TOML: ") && !syntax.contains('\n'), "{syntax}");
    }
}
