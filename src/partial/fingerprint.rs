//! Fingerprints of what all parts of a report must have in common.

use std::fmt;
use std::io::{self, Write};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::config::Config;
use crate::config::exceptions::Exceptions;
use crate::topology::Topology;

/// A SHA-256, displayed by its first 12 hexadecimal digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fingerprint([u8; 32]);

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().take(6).try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl Fingerprint {
    /// Returns the fingerprint of a topology: of its resources, in the order of their ids, whatever documents they come from.
    pub(super) fn of_topology(topology: &Topology) -> Fingerprint {
        let mut hash = HashingWriter(Sha256::new());
        let written = postcard::to_io(topology.resources(), &mut hash).is_ok();
        debug_assert!(written, "resources have no type that the format lacks");
        Fingerprint(hash.0.finalize().into())
    }

    /// Returns the fingerprint of thresholds, limits, and trusted scanners. Column orders are not part of it: they decide how an input is
    /// read, which `formats` of the summary shows.
    pub(super) fn of_configuration(config: &Config) -> Fingerprint {
        let mut hash = Sha256::new();
        for (name, value) in config.thresholds.named().chain(config.limits.named()) {
            hash.update(format!("{name}={value}\n"));
        }
        for block in &config.trusted_scanners {
            hash.update(format!("{block}\n"));
        }
        if config.exceptions != Exceptions::default() {
            // The representation for programmers has every part.
            hash.update(format!("{:?}\n", config.exceptions));
        }
        Fingerprint(hash.finalize().into())
    }
}

/// Hashes what is written.
struct HashingWriter(Sha256);

impl Write for HashingWriter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.update(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::topology::describe_output::Resources;

    fn of_documents(documents: &[(&str, &str)]) -> Fingerprint {
        let mut resources = Resources::default();
        for (name, json) in documents {
            resources.read(name, json.as_bytes()).expect("JSON");
        }
        Fingerprint::of_topology(&Topology::new(resources))
    }

    #[test]
    fn resources_decide_not_their_documents() {
        let (a, b) =
            (r#"{"Vpcs": [{"VpcId": "vpc-a", "CidrBlock": "10.0.0.0/16"}]}"#, r#"{"Vpcs": [{"VpcId": "vpc-b"}]}"#);
        let both = of_documents(&[("1.json", a), ("2.json", b)]);
        assert_eq!(both, of_documents(&[("x.json", b), ("y.json", a)]));
        assert_ne!(both, of_documents(&[("1.json", a)]));
        assert_ne!(both, of_documents(&[("1.json", &a.replace("10.0", "10.1")), ("2.json", b)]));
        assert_eq!(both.to_string().len(), 12);
    }

    #[test]
    fn each_part_of_the_configuration_decides() {
        let of = |toml: &str| Fingerprint::of_configuration(&Config::from_toml(toml).expect("valid"));
        let texts = [
            "",
            "port_scan_ports = 3",
            "max_interfaces = 3",
            r#"trusted_scanners = ["10.0.0.0/8"]"#,
            r#"suppress = [{types = ["port-scan"], reason = "x", expires = 2027-01-31}]"#,
            r#"suppress = [{types = ["port-scan"], reason = "x", expires = 2027-02-01}]"#,
        ];
        for (index, a) in texts.iter().enumerate() {
            assert!(texts.iter().enumerate().all(|(other, b)| (of(a) == of(b)) == (index == other)));
        }
        assert_eq!(of(""), of("port_scan_ports = 15"));
        assert_eq!(of(""), of("[log_formats]\n\"x\" = \"version srcaddr\""));
    }
}
