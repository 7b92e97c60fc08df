//! Decides rules for sets of ports and addresses, exactly: the bounds of the rules cut the set into parts that no rule divides, and
//! one representative of each part is evaluated.

use std::fmt;
use std::net::IpAddr;
use std::ops::RangeInclusive;

use ipnet::IpNet;

use crate::record::ip;
use crate::topology::rules::Verdict;

/// Maximum number of parts that are evaluated. Rules within AWS's quotas have far fewer.
const MAX_PARTS: usize = 1 << 16;

/// Maximum number of parts times rules.
const MAX_EVALUATIONS: usize = 1 << 24;

/// Maximum number of blocks that cut the internet into parts. Rules within AWS's quotas have far fewer.
const MAX_BLOCKS: usize = 1 << 18;

/// A range of destination ports.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct PortRange {
    pub(super) first: u16,
    pub(super) last: u16,
}

impl fmt::Display for PortRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.first == self.last { write!(f, "{}", self.first) } else { write!(f, "{}-{}", self.first, self.last) }
    }
}

/// Addresses at the far end of traffic.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Remote {
    /// One address.
    Address(IpAddr),
    /// All public addresses of a family.
    Internet {
        /// Whether these are IPv6 addresses.
        is_ipv6: bool,
    },
}

impl fmt::Display for Remote {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Remote::Address(address) => address.fmt(f),
            Remote::Internet { .. } => f.write_str("the internet"),
        }
    }
}

/// A range of addresses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct AddressRange {
    pub(super) first: IpAddr,
    pub(super) last: IpAddr,
}

impl fmt::Display for AddressRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.first == self.last { self.first.fmt(f) } else { write!(f, "{}-{}", self.first, self.last) }
    }
}

/// A part of a set that no rule divides.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Part {
    pub(super) remotes: AddressRange,
    /// `None` for a protocol without ports.
    pub(super) ports: Option<PortRange>,
}

/// The verdict on all parts of a set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum SetVerdict<V> {
    /// Each part is allowed, the first one by this.
    Allows(V),
    /// Each part is denied, the first one by this.
    Denies(V),
    /// Some parts are allowed, and this one is denied.
    Mixed { denied: Part, by: V },
    /// This is not decided for some part.
    Undecided(V),
    /// There are too many parts, or too many rules.
    TooManyParts,
}

/// Cuts a range of ports at the bounds of other ranges.
pub(super) fn port_parts(ports: PortRange, bounds: impl Iterator<Item = RangeInclusive<u16>>) -> Vec<PortRange> {
    let starts = bounds.flat_map(|range| [Some(*range.start()), range.end().checked_add(1)]).flatten();
    let starts = starts.filter(|start| (ports.first..=ports.last).contains(start));
    let mut starts: Vec<u16> = starts.chain([ports.first]).collect();
    starts.sort_unstable();
    starts.dedup();
    let lasts = starts.iter().skip(1).map(|next| next.saturating_sub(1)).chain([ports.last]);
    starts.iter().zip(lasts).map(|(first, last)| PortRange { first: *first, last }).collect()
}

/// Cuts the remote addresses at the bounds of blocks. Only parts with public addresses that are in none of `private`, the blocks of the
/// VPCs, belong to the internet. A part may enclose such a block. Returns `None` if there are too many blocks.
pub(super) fn remote_parts(
    remote: Remote,
    blocks: impl Iterator<Item = IpNet>,
    private: impl Iterator<Item = IpNet>,
) -> Option<Vec<AddressRange>> {
    let is_ipv6 = match remote {
        Remote::Address(address) => return Some(vec![AddressRange { first: address, last: address }]),
        Remote::Internet { is_ipv6 } => is_ipv6,
    };
    let blocks: Vec<IpNet> = blocks.take(MAX_BLOCKS + 1).collect();
    if blocks.len() > MAX_BLOCKS {
        return None;
    }
    let blocks =
        blocks.into_iter().chain(ip::special_purpose_blocks()).filter(|block| block.addr().is_ipv6() == is_ipv6);
    let greatest = if is_ipv6 { u128::MAX } else { u32::MAX.into() };
    let bounds = blocks.flat_map(|block| [Some(number(block.network())), number(block.broadcast()).checked_add(1)]);
    let mut starts: Vec<u128> = bounds.flatten().filter(|start| *start <= greatest).chain([0]).collect();
    starts.sort_unstable();
    starts.dedup();
    let lasts = starts.iter().skip(1).map(|next| next.saturating_sub(1)).chain([greatest]);
    let is_special = |first: u128| !ip::is_public(address(first, is_ipv6));
    let parts = starts.iter().copied().zip(lasts).filter(|(first, _)| !is_special(*first));
    let private = merged(private.filter(|block| block.addr().is_ipv6() == is_ipv6));
    let parts = parts.filter_map(|(first, last)| trim(first, last, &private));
    let range = |(first, last)| AddressRange { first: address(first, is_ipv6), last: address(last, is_ipv6) };
    Some(parts.map(range).collect())
}

/// Returns blocks as ranges in order. Those that overlap or touch are one range.
fn merged(blocks: impl Iterator<Item = IpNet>) -> Vec<(u128, u128)> {
    let mut ranges: Vec<(u128, u128)> =
        blocks.map(|block| (number(block.network()), number(block.broadcast()))).collect();
    ranges.sort_unstable();
    ranges.dedup_by(|(first, last), (_, last_before)| {
        let touches = *first <= last_before.saturating_add(1);
        *last_before = if touches { (*last_before).max(*last) } else { *last_before };
        touches
    });
    ranges
}

/// Returns a range without the excluded addresses at its ends, or `None` if all are excluded. `excluded` is [`merged`].
fn trim(first: u128, last: u128, excluded: &[(u128, u128)]) -> Option<(u128, u128)> {
    let around = |address: u128| {
        let before = excluded.partition_point(|(start, _)| *start <= address);
        excluded.get(before.checked_sub(1)?).filter(|(_, end)| address <= *end)
    };
    let first = around(first).map_or(Some(first), |(_, end)| end.checked_add(1))?;
    let last = around(last).map_or(Some(last), |(start, _)| start.checked_sub(1))?;
    (first <= last).then_some((first, last))
}

/// Returns the number of addresses of a range, rounded.
pub(super) fn size(range: &AddressRange) -> f64 {
    (number(range.last) - number(range.first)) as f64 + 1.0
}

fn number(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(v4) => u32::from(v4).into(),
        IpAddr::V6(v6) => v6.into(),
    }
}

fn address(number: u128, is_ipv6: bool) -> IpAddr {
    match u32::try_from(number) {
        Ok(v4) if !is_ipv6 => IpAddr::from(v4.to_be_bytes()),
        _ => IpAddr::from(number.to_be_bytes()),
    }
}

/// The parts of a set, and the number of the rules that are evaluated for each.
#[derive(Debug, Clone)]
pub(super) struct Parts {
    /// `None` if there are too many.
    pub(super) remotes: Option<Vec<AddressRange>>,
    pub(super) ports: Vec<Option<PortRange>>,
    pub(super) rules: usize,
}

/// Evaluates one representative of each part. `evaluate` takes an address and a port, and returns its verdict with the reason.
pub(super) fn decide<V: Copy + PartialEq>(
    parts: &Parts,
    evaluate: impl Fn(IpAddr, Option<u16>) -> (Verdict, V),
) -> SetVerdict<V> {
    let Parts { remotes: Some(remotes), ports, rules } = parts else { return SetVerdict::TooManyParts };
    let count = remotes.len().saturating_mul(ports.len());
    // One part is always evaluated.
    if count > MAX_PARTS || (count > 1 && count.saturating_mul(*rules) > MAX_EVALUATIONS) {
        return SetVerdict::TooManyParts;
    }
    let mut found = Found { allowed: None, denied: None, undecided: None };
    for remote in remotes {
        for port in ports {
            let (verdict, reason) = evaluate(remote.first, port.map(|range| range.first));
            match verdict {
                Verdict::Allows => found.allowed = found.allowed.or(Some(reason)),
                Verdict::Undecided => found.undecided = found.undecided.or(Some(reason)),
                Verdict::Denies => found.deny(Part { remotes: *remote, ports: *port }, reason),
            }
        }
    }
    found.verdict()
}

/// The first part of each verdict.
struct Found<V> {
    allowed: Option<V>,
    denied: Option<(Part, V)>,
    undecided: Option<V>,
}

impl<V: Copy + PartialEq> Found<V> {
    /// Keeps the first denied part, and extends it by the neighbors that the same rule denies.
    fn deny(&mut self, part: Part, by: V) {
        match &mut self.denied {
            None => self.denied = Some((part, by)),
            Some((first, first_by)) if *first_by == by => {
                let (a, b) = (first.ports, part.ports);
                if first.remotes == part.remotes && a.is_some_and(|a| b.is_some_and(|b| precedes(a.last, b.first))) {
                    first.ports = a.zip(b).map(|(a, b)| PortRange { first: a.first, last: b.last });
                } else if a == b && number(first.remotes.last).checked_add(1) == Some(number(part.remotes.first)) {
                    first.remotes.last = part.remotes.last;
                }
            }
            Some(_) => {}
        }
    }

    fn verdict(self) -> SetVerdict<V> {
        match (self.allowed, self.denied, self.undecided) {
            (Some(_), Some((denied, by)), _) => SetVerdict::Mixed { denied, by },
            (_, _, Some(undecided)) => SetVerdict::Undecided(undecided),
            (Some(allowed), None, None) => SetVerdict::Allows(allowed),
            (None, Some((_, by)), None) => SetVerdict::Denies(by),
            // A set has at least one part.
            (None, None, None) => SetVerdict::TooManyParts,
        }
    }
}

fn precedes(last: u16, first: u16) -> bool {
    last.checked_add(1) == Some(first)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn range(first: u16, last: u16) -> PortRange {
        PortRange { first, last }
    }

    fn blocks(texts: &[&str]) -> Vec<IpNet> {
        texts.iter().map(|text| text.parse().expect("a block")).collect()
    }

    #[test]
    fn ports_are_cut_at_the_bounds_of_rules() {
        let parts = |bounds: &[RangeInclusive<u16>]| {
            let parts = port_parts(range(1024, 65_535), bounds.iter().cloned());
            parts.iter().map(|part| (part.first, part.last)).collect::<Vec<_>>()
        };
        assert_eq!(parts(&[]), [(1024, 65_535)]);
        assert_eq!(parts(&[0..=65_535, 22..=22]), [(1024, 65_535)]);
        assert_eq!(parts(&[1000..=2000, 65_535..=65_535]), [(1024, 2000), (2001, 65_534), (65_535, 65_535)]);
        assert_eq!(port_parts(range(443, 443), [443..=443].into_iter()), [range(443, 443)]);
    }

    #[test]
    fn only_public_addresses_are_parts_of_the_internet() {
        let v4 = Remote::Internet { is_ipv6: false };
        let parts =
            remote_parts(v4, blocks(&["52.0.0.0/8", "10.1.0.0/16", "2600::/16"]).into_iter(), std::iter::empty());
        let parts = parts.expect("few blocks");
        assert!(parts.iter().all(|part| ip::is_public(part.first) && ip::is_public(part.last)));
        assert_eq!(parts.first().map(ToString::to_string).as_deref(), Some("1.0.0.0-9.255.255.255"));
        assert!(parts.iter().any(|part| part.to_string() == "52.0.0.0-52.255.255.255"), "{parts:?}");
        assert_eq!(parts.last().map(ToString::to_string).as_deref(), Some("203.0.114.0-223.255.255.255"));
        let is_ipv6 = true;
        let v6 = remote_parts(Remote::Internet { is_ipv6 }, blocks(&["2600::/16"]).into_iter(), std::iter::empty());
        let v6 = v6.expect("few blocks");
        assert!(v6.iter().any(|part| part.first == "2600::".parse::<IpAddr>().expect("an address")));
        assert_eq!(size(&AddressRange { first: [0; 4].into(), last: [0, 0, 0, 255].into() }), 256.0);
    }

    #[test]
    fn blocks_of_vpcs_are_no_parts_of_the_internet() {
        let parts = |rules: &[&str], private: &[&str]| {
            let (rules, private) = (blocks(rules).into_iter(), blocks(private).into_iter());
            let parts = remote_parts(Remote::Internet { is_ipv6: false }, rules, private).expect("few blocks");
            let parts = parts.iter().filter(|part| part.first >= IpAddr::from([52, 0, 0, 0]));
            parts.take(3).map(ToString::to_string).collect::<Vec<_>>()
        };
        // The rule is for a block of a VPC, or for more.
        assert_eq!(parts(&["52.0.0.0/8"], &["52.0.0.0/8"])[0], "53.0.0.0-100.63.255.255");
        assert_eq!(parts(&["52.0.0.0/8"], &["52.0.0.0/9", "52.1.0.0/16"])[0], "52.128.0.0-52.255.255.255");
        assert_eq!(parts(&["52.0.0.0/8"], &["52.0.0.0/9", "52.128.0.0/9"])[0], "53.0.0.0-100.63.255.255");
        assert_eq!(
            parts(&["52.0.0.0/8"], &["52.255.0.0/16", "53.0.0.0/8"])[..2],
            ["52.0.0.0-52.254.255.255", "54.0.0.0-100.63.255.255"]
        );
        assert_eq!(parts(&["52.0.0.0/8"], &["52.7.0.0/16"])[0], "52.0.0.0-52.255.255.255");
        assert_eq!(parts(&[], &["0.0.0.0/0"]), [""; 0]);
    }

    #[test]
    fn the_first_denied_part_has_all_its_neighbors() {
        let remotes = [AddressRange { first: [1; 4].into(), last: [1; 4].into() }];
        let ports = [range(1, 9), range(10, 19), range(20, 29), range(30, 39)].map(Some);
        let parts = Parts { remotes: Some(remotes.to_vec()), ports: ports.to_vec(), rules: 4 };
        let by_port = |allowed: fn(u16) -> bool| {
            decide(&parts, |_, port| match port.is_some_and(allowed) {
                true => (Verdict::Allows, 1),
                false => (Verdict::Denies, 2),
            })
        };
        assert_eq!(by_port(|_| true), SetVerdict::Allows(1));
        assert_eq!(by_port(|_| false), SetVerdict::Denies(2));
        let denied = Part { remotes: remotes[0], ports: Some(range(10, 29)) };
        assert_eq!(by_port(|port| !(10..30).contains(&port)), SetVerdict::Mixed { denied, by: 2 });
        let undecided =
            decide(&parts, |_, port| (if port == Some(30) { Verdict::Undecided } else { Verdict::Allows }, port));
        assert_eq!(undecided, SetVerdict::Undecided(Some(30)));
    }

    #[test]
    fn too_many_parts_or_rules_are_not_evaluated() {
        let address = AddressRange { first: [1; 4].into(), last: [1; 4].into() };
        let verdict = |remotes: usize, rules: usize| {
            let parts = Parts { remotes: Some(vec![address; remotes]), ports: vec![None], rules };
            decide(&parts, |_, _| (Verdict::Allows, 1))
        };
        assert_eq!(verdict(MAX_PARTS, 1), SetVerdict::Allows(1));
        assert_eq!(verdict(MAX_PARTS + 1, 1), SetVerdict::TooManyParts);
        assert_eq!(verdict(MAX_PARTS, MAX_EVALUATIONS / MAX_PARTS + 1), SetVerdict::TooManyParts);
        // A single part needs no limit.
        assert_eq!(verdict(1, MAX_EVALUATIONS + 1), SetVerdict::Allows(1));
        let many = std::iter::repeat_n(blocks(&["52.0.0.0/8"])[0], MAX_BLOCKS + 1);
        assert_eq!(remote_parts(Remote::Internet { is_ipv6: false }, many, std::iter::empty()), None);
    }
}
