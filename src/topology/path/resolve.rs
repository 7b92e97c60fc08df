//! Resolves the ends of a question from text: an address, the id of an interface or of an instance, a Name tag, or `internet`.

use std::net::IpAddr;

use thiserror::Error;

use super::end::End;
use crate::record::ip;
use crate::sanitize::{NAME_CHARACTERS, did_you_mean, quoted};
use crate::topology::describe_output::Interface;
use crate::topology::{KnownRecorder, Topology};

/// The word for any public address.
const INTERNET: &str = "internet";

/// Maximum number of candidates in an error.
const MAX_CANDIDATES: usize = 10;

/// Reason why the text of an end cannot be resolved. Names are escaped and truncated.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum EndError {
    /// The topology has nothing with this name or id.
    #[error("the topology has no interface, instance, or Name tag {text}{hint}")]
    NotFound {
        /// The text, quoted.
        text: String,
        /// A similar name, if there is one.
        hint: String,
    },
    /// Several interfaces or VPCs fit.
    #[error("{text} is ambiguous: {candidates}; {advice}")]
    Ambiguous {
        /// The text, quoted.
        text: String,
        /// The interfaces or VPCs that fit.
        candidates: String,
        /// How to choose one.
        advice: &'static str,
    },
    /// One end has only IPv4 addresses, the other only IPv6 addresses.
    #[error("{source_text} and {destination_text} have no addresses of the same family (IPv4 or IPv6)")]
    NoCommonFamily {
        /// The text of the source, quoted.
        source_text: String,
        /// The text of the destination, quoted.
        destination_text: String,
    },
    /// The internet cannot be the source.
    #[error("internet can only be the destination; give the public address of the source")]
    InternetAsSource,
}

/// The resource or address that a text names.
#[derive(Debug, Clone, Copy)]
enum Named<'a> {
    Internet,
    Address(IpAddr),
    Interface(&'a str, &'a Interface),
}

impl Named<'_> {
    fn has_family(&self, is_ipv6: bool) -> bool {
        match self {
            Named::Internet => true,
            Named::Address(address) => address.is_ipv6() == is_ipv6,
            Named::Interface(_, interface) => interface.addresses.iter().any(|address| address.is_ipv6() == is_ipv6),
        }
    }
}

impl Topology {
    /// Resolves both ends, with addresses of the same family. If both have IPv4 and IPv6 addresses, IPv4 is used.
    ///
    /// # Errors
    /// If a text names nothing, or more than one interface; or if the ends have no common family.
    pub fn resolve_ends(&self, source: &str, destination: &str) -> Result<(End<'_>, End<'_>), EndError> {
        let (from, to) = (self.named(source)?, self.named(destination)?);
        let common = |is_ipv6: &bool| from.has_family(*is_ipv6) && to.has_family(*is_ipv6);
        let is_ipv6 = [false, true].into_iter().find(common).ok_or_else(|| EndError::NoCommonFamily {
            source_text: quoted(source, NAME_CHARACTERS),
            destination_text: quoted(destination, NAME_CHARACTERS),
        })?;
        let from = self.resolve_source(source, from, is_ipv6)?;
        let to = self.resolve_destination(destination, to, is_ipv6, &from)?;
        Ok((from, to))
    }

    fn named(&self, text: &str) -> Result<Named<'_>, EndError> {
        if text == INTERNET {
            return Ok(Named::Internet);
        }
        if let Some(address) = ip::parse(text.as_bytes()) {
            return Ok(Named::Address(address));
        }
        let interfaces = &self.resources().interfaces;
        if let Some((id, interface)) = interfaces.get_key_value(text) {
            return Ok(Named::Interface(id, interface));
        }
        let fits = |interface: &Interface| {
            interface.instance_id.as_deref() == Some(text) || interface.name.as_deref() == Some(text)
        };
        let found: Vec<(&str, &Interface)> = interfaces
            .iter()
            .filter(|(_, interface)| fits(interface))
            .map(|(id, found)| (id.as_str(), found))
            .collect();
        match found[..] {
            [(id, interface)] => Ok(Named::Interface(id, interface)),
            [] => Err(EndError::NotFound { text: quoted(text, NAME_CHARACTERS), hint: self.similar_to(text) }),
            _ => Err(self.ambiguous(text, &found)),
        }
    }

    fn resolve_source<'a>(&'a self, text: &str, named: Named<'a>, is_ipv6: bool) -> Result<End<'a>, EndError> {
        match named {
            Named::Internet => Err(EndError::InternetAsSource),
            Named::Interface(id, interface) => Ok(self.end_of_family(id, interface, is_ipv6)),
            Named::Address(address) => match self.interfaces_with(address)[..] {
                [] => self.unambiguous(text, self.end_of_address(address, KnownRecorder::default())),
                [(id, interface)] => Ok(self.end_of_interface(id, interface, address)),
                ref several => Err(self.ambiguous(text, several)),
            },
        }
    }

    fn resolve_destination<'a>(
        &'a self,
        text: &str,
        named: Named<'a>,
        is_ipv6: bool,
        source: &End<'a>,
    ) -> Result<End<'a>, EndError> {
        let address = match named {
            Named::Internet => return Ok(End::internet(is_ipv6)),
            Named::Interface(id, interface) => return Ok(self.end_of_family(id, interface, is_ipv6)),
            Named::Address(address) => address,
        };
        let recorder = KnownRecorder { vpc: source.vpc, subnet: source.subnet_id };
        let end = self.settle(source, self.end_of_address(address, recorder));
        let mut owners = self.interfaces_with(address);
        if end.vpc.is_some() {
            owners.retain(|(id, _)| self.vpc_of_interface(id) == end.vpc);
        }
        match owners[..] {
            [(id, interface)] if end.interface.is_none() => Ok(self.end_of_interface(id, interface, address)),
            [] | [_] => self.unambiguous(text, end),
            ref several => Err(self.ambiguous(text, several)),
        }
    }

    /// Returns an error if nothing shows which VPC has the address of an end.
    fn unambiguous<'a>(&self, text: &str, end: End<'a>) -> Result<End<'a>, EndError> {
        if !end.is_ambiguous {
            return Ok(end);
        }
        let vpcs = self.vpcs().filter(|(index, _)| self.own_block(*index, end.address).is_some());
        let labels: Vec<String> = vpcs.map(|(_, vpc)| self.id_with_name(&vpc.id)).collect();
        Err(EndError::Ambiguous {
            text: quoted(text, NAME_CHARACTERS),
            candidates: format!("it is in {}", list(&labels)),
            advice: "give the id of an interface",
        })
    }

    fn ambiguous(&self, text: &str, found: &[(&str, &Interface)]) -> EndError {
        let describe = |(id, interface): &(&str, &Interface)| {
            let addresses = interface.addresses.iter().take(2).map(IpAddr::to_string);
            let subnet = interface.subnet_id.as_deref().map(|id| self.id_with_name(id));
            let vpc = interface.vpc_id.as_deref().map(|id| self.id_with_name(id));
            let known: Vec<String> = addresses.chain(subnet).chain(vpc).collect();
            format!("{} ({})", self.id_with_name(id), known.join(", "))
        };
        let shown: Vec<String> = found.iter().take(MAX_CANDIDATES).map(describe).collect();
        let more = found.len().saturating_sub(shown.len());
        let more = if more > 0 { format!(", and {more} more") } else { String::new() };
        EndError::Ambiguous {
            text: quoted(text, NAME_CHARACTERS),
            candidates: format!("{}{more}", shown.join(", ")),
            advice: "give the id of one of these interfaces",
        }
    }

    /// Returns the end of an interface by its first address of a family, which is the primary one for IPv4.
    fn end_of_family<'a>(&'a self, id: &'a str, interface: &'a Interface, is_ipv6: bool) -> End<'a> {
        let first = interface.addresses.iter().find(|address| address.is_ipv6() == is_ipv6).copied();
        let primary = interface.primary_address.filter(|_| !is_ipv6);
        // The family is one that the interface has.
        let address = primary.or(first).unwrap_or_else(|| End::internet(is_ipv6).address);
        self.end_of_interface(id, interface, address)
    }

    fn interfaces_with(&self, address: IpAddr) -> Vec<(&str, &Interface)> {
        let ids = self.interfaces_by_address.get(&address).into_iter().flatten();
        ids.filter_map(|id| Some((id.as_str(), self.interface(id)?))).collect()
    }

    /// Returns a hint with the most similar name or id, or an empty string if none is similar.
    fn similar_to(&self, text: &str) -> String {
        let interfaces = self.resources().interfaces.iter();
        let names = interfaces.flat_map(|(id, interface)| {
            [Some(id.as_str()), interface.name.as_deref(), interface.instance_id.as_deref()]
        });
        did_you_mean(text, names.flatten())
    }
}

fn list(labels: &[String]) -> String {
    let more = labels.len().saturating_sub(MAX_CANDIDATES);
    let shown = labels.iter().take(MAX_CANDIDATES).map(String::as_str).collect::<Vec<_>>().join(" and ");
    if more > 0 { format!("{shown} and {more} more") } else { shown }
}
