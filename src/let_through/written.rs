//! How tuples are written down: what each has in common with those before it is left out.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::Tuple;
use crate::names::NameId;
use crate::record::{TCP, UDP};

/// What a tuple has in common with those before it of the same interface, as a rule: records of one interface come in runs,
/// most have its own address, and a service's port.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Context {
    own: Ipv4Addr,
    other: Ipv4Addr,
    own_in_full: Ipv6Addr,
    other_in_full: Ipv6Addr,
    service: u16,
}

/// The contexts of all interfaces, as far as tuples have been written or read.
#[derive(Debug, Clone, Default)]
pub(super) struct Contexts {
    interface: Option<NameId>,
    now: Context,
    /// Those of the interfaces that it is not the turn of, by their numbers.
    others: Vec<Context>,
}

impl Default for Context {
    fn default() -> Context {
        let (v4, v6) = (Ipv4Addr::UNSPECIFIED, Ipv6Addr::UNSPECIFIED);
        Context { own: v4, other: v4, own_in_full: v6, other_in_full: v6, service: 0 }
    }
}

impl Contexts {
    fn turn_to(&mut self, interface: Option<NameId>) {
        let number = |interface: Option<NameId>| interface.map_or(0, NameId::get) as usize;
        let (last, next) = (number(self.interface), number(interface));
        self.others.resize(self.others.len().max(last.max(next) + 1), Context::default());
        self.others[last] = self.now;
        (self.interface, self.now) = (interface, self.others[next]);
    }
}

/// Some tuples, as they are written.
#[derive(Debug, Clone)]
pub(super) struct Block {
    pub bytes: Box<[u8]>,
    pub length: usize,
}

/// So large that the memory goes back to the system with it.
pub(super) const BLOCK_BYTES: usize = 4 << 20;
/// A tuple is copied with some bytes behind it, so that all copies are of one length.
pub(super) const COPIED: usize = 48;
const _: () = assert!(LONGEST <= COPIED);
/// The longest tuple that is written: IPv6 of which everything is new.
const LONGEST: usize = 1 + 4 + 1 + 2 * 16 + 2 * 2;

// What is written of a tuple, by the bits of its first byte. The lowest two tell the protocol: one of these, or another.
const PROTOCOLS: [u8; 3] = [TCP, UDP, ICMP];
const ICMP: u8 = 1;
const OTHER_PROTOCOL: u8 = 3;

static PROTOCOL_BITS: [u8; 1 << 8] = {
    let mut bits = [OTHER_PROTOCOL; 1 << 8];
    let mut number = 0;
    while number < PROTOCOLS.len() {
        bits[PROTOCOLS[number] as usize] = number as u8;
        number += 1;
    }
    bits
};

/// The interface is another.
const NEW_INTERFACE: u8 = 1 << 2;
/// The own address is the destination.
const OWN_IS_DST: u8 = 1 << 3;
/// The service's port is new.
const NEW_SERVICE: u8 = 1 << 4;
/// The source port is the service's.
const SERVICE_IS_SRC: u8 = 1 << 5;
/// The addresses are written in full, as IPv6.
const IN_FULL: u8 = 1 << 6;
/// The interface's own address is another.
const NEW_OWN: u8 = 1 << 7;

/// Writes a tuple of which nothing but the service's port is new, as nearly all are, and says whether it is one.
#[inline(always)]
pub(super) fn write_usual(block: &mut Block, contexts: &mut Contexts, tuple: &Tuple) -> bool {
    let (IpAddr::V4(src), IpAddr::V4(dst)) = (tuple.src, tuple.dst) else { return false };
    let last = &mut contexts.now;
    let protocol = PROTOCOL_BITS[usize::from(tuple.protocol)];
    // Of each address, how it differs from the own one. Which is which nobody can foresee: there is no branch here, nor where
    // it is read.
    let (src, dst) = (src.to_bits() ^ last.own.to_bits(), dst.to_bits() ^ last.own.to_bits());
    if protocol == OTHER_PROTOCOL || tuple.interface != contexts.interface || src.min(dst) != 0 {
        return false;
    }
    let other = src ^ dst ^ last.own.to_bits();
    last.other = Ipv4Addr::from_bits(other);
    let service = tuple.srcport.min(tuple.dstport);
    let other_port = tuple.srcport ^ tuple.dstport ^ service;
    let is_new = u8::from(service != last.service);
    last.service = service;
    let bits = protocol
        | u8::from(src != 0) << OWN_IS_DST.trailing_zeros()
        | u8::from(tuple.srcport < tuple.dstport) << SERVICE_IS_SRC.trailing_zeros()
        | is_new << NEW_SERVICE.trailing_zeros();
    let new_bytes = size_of::<u16>() * usize::from(is_new);
    // The service's port goes before the other, or is written over by it.
    let ports = u64::from(other_port) << (8 * new_bytes) | u64::from(service & u16::from(is_new).wrapping_neg());
    let bytes = u128::from(ports) << 40 | u128::from(u64::from(other.swap_bytes()) << 8 | u64::from(bits));
    let Some(room) = block.bytes.get_mut(block.length..).and_then(|room| room.first_chunk_mut()) else { return false };
    *room = bytes.to_le_bytes();
    block.length += USUAL + new_bytes;
    true
}

/// Bytes of a usual tuple whose service's port is that of the last.
const USUAL: usize = 1 + 4 + 2;

/// Reads a tuple that [`write_usual`] wrote, or could have written, and says how long it is.
#[inline]
pub(super) fn read_usual(bytes: &[u8; COPIED], contexts: &mut Contexts) -> Option<(Tuple, usize)> {
    let bits = bytes[0];
    let protocol = *PROTOCOLS.get(usize::from(bits & OTHER_PROTOCOL))?;
    if bits & (NEW_INTERFACE | NEW_OWN | IN_FULL) != 0 {
        return None;
    }
    let last = &mut contexts.now;
    let word = |at: usize| u16::from_le_bytes([bytes[at], bytes[at + 1]]);
    let is_new = bits >> NEW_SERVICE.trailing_zeros() & 1;
    let new_bytes = size_of::<u16>() * usize::from(is_new);
    // A port that is new, else that of the last tuple.
    let service = last.service ^ (last.service ^ word(5)) & u16::from(is_new).wrapping_neg();
    last.service = service;
    let other_port = word(5 + new_bytes);
    let own = last.own.to_bits();
    let other = u32::from_be_bytes([bytes[1], bytes[2], bytes[3], bytes[4]]);
    // By masks that are all ones where they are the other way round.
    let turn = (own ^ other) & u32::from(bits >> OWN_IS_DST.trailing_zeros() & 1).wrapping_neg();
    let turn_ports = (service ^ other_port) & u16::from(!bits >> SERVICE_IS_SRC.trailing_zeros() & 1).wrapping_neg();
    let tuple = Tuple {
        interface: contexts.interface,
        protocol,
        src: Ipv4Addr::from_bits(own ^ turn).into(),
        dst: Ipv4Addr::from_bits(other ^ turn).into(),
        srcport: service ^ turn_ports,
        dstport: other_port ^ turn_ports,
    };
    Some((tuple, USUAL + new_bytes))
}

/// Writes any tuple.
#[cold]
pub(super) fn write(block: &mut Block, contexts: &mut Contexts, tuple: Tuple) {
    let mut bytes = [0_u8; COPIED];
    let mut length = 1;
    let mut put = |more: &[u8]| {
        bytes[length..length + more.len()].copy_from_slice(more);
        length += more.len();
    };
    let protocol = PROTOCOL_BITS[usize::from(tuple.protocol)];
    let mut bits = protocol;
    if protocol == OTHER_PROTOCOL {
        put(&[tuple.protocol]);
    }
    if tuple.interface != contexts.interface {
        contexts.turn_to(tuple.interface);
        bits |= NEW_INTERFACE;
        put(&tuple.interface.map_or(0, NameId::get).to_le_bytes());
    }
    let last = &mut contexts.now;
    match (tuple.src, tuple.dst) {
        (IpAddr::V4(src), IpAddr::V4(dst)) => {
            if src != last.own && dst != last.own {
                // Whose address it is shows with the next tuple: what they have in common.
                last.own = if dst == last.other { dst } else { src };
                bits |= NEW_OWN;
                put(&last.own.octets());
            }
            last.other = if src == last.own { dst } else { src };
            bits |= if src == last.own { 0 } else { OWN_IS_DST };
            put(&last.other.octets());
        }
        (src, dst) => {
            bits |= IN_FULL;
            let (src, dst) = (in_full(src), in_full(dst));
            if src != last.own_in_full && dst != last.own_in_full {
                last.own_in_full = if dst == last.other_in_full { dst } else { src };
                bits |= NEW_OWN;
                put(&last.own_in_full.octets());
            }
            last.other_in_full = if src == last.own_in_full { dst } else { src };
            bits |= if src == last.own_in_full { 0 } else { OWN_IS_DST };
            put(&last.other_in_full.octets());
        }
    }
    let is_src = tuple.srcport < tuple.dstport;
    let (service, other) = if is_src { (tuple.srcport, tuple.dstport) } else { (tuple.dstport, tuple.srcport) };
    bits |= if is_src { SERVICE_IS_SRC } else { 0 };
    if service != last.service {
        last.service = service;
        bits |= NEW_SERVICE;
        put(&service.to_le_bytes());
    }
    put(&other.to_le_bytes());
    bytes[0] = bits;
    if let Some(room) = block.bytes.get_mut(block.length..).and_then(|room| room.first_chunk_mut()) {
        *room = bytes;
        block.length += length;
    }
}

/// Reads any tuple.
#[cold]
pub(super) fn read(rest: &mut &[u8], contexts: &mut Contexts) -> Option<Tuple> {
    let [bits] = take(rest)?;
    let protocol = match PROTOCOLS.get(usize::from(bits & OTHER_PROTOCOL)) {
        Some(protocol) => *protocol,
        None => take::<1>(rest)?[0],
    };
    if bits & NEW_INTERFACE != 0 {
        contexts.turn_to(NameId::new(u32::from_le_bytes(take(rest)?)));
    }
    let (interface, last) = (contexts.interface, &mut contexts.now);
    let (own, other) = if bits & IN_FULL == 0 {
        if bits & NEW_OWN != 0 {
            last.own = take::<4>(rest)?.into();
        }
        (IpAddr::V4(last.own), IpAddr::V4(Ipv4Addr::from(take::<4>(rest)?)))
    } else {
        if bits & NEW_OWN != 0 {
            last.own_in_full = take::<16>(rest)?.into();
        }
        (of_full(last.own_in_full), of_full(take::<16>(rest)?.into()))
    };
    let (src, dst) = if bits & OWN_IS_DST == 0 { (own, other) } else { (other, own) };
    if bits & NEW_SERVICE != 0 {
        last.service = u16::from_le_bytes(take(rest)?);
    }
    let other = u16::from_le_bytes(take(rest)?);
    let (srcport, dstport) = if bits & SERVICE_IS_SRC != 0 { (last.service, other) } else { (other, last.service) };
    Some(Tuple { interface, protocol, src, dst, srcport, dstport })
}

#[inline]
fn take<const N: usize>(rest: &mut &[u8]) -> Option<[u8; N]> {
    let (bytes, behind) = rest.split_first_chunk()?;
    *rest = behind;
    Some(*bytes)
}

/// An IPv4 address as its mapped one: no other address is written so, as all of those are read as IPv4.
fn in_full(address: IpAddr) -> Ipv6Addr {
    match address {
        IpAddr::V4(v4) => v4.to_ipv6_mapped(),
        IpAddr::V6(v6) => v6,
    }
}

pub(super) fn of_full(v6: Ipv6Addr) -> IpAddr {
    v6.to_ipv4_mapped().map_or(IpAddr::V6(v6), IpAddr::V4)
}
