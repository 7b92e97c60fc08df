//! How tuples are written down: what each has in common with those before it is left out.

use std::hint::select_unpredictable;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::Tuple;
use crate::aggregate::interner::{NameId, index};
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
    /// Whose turn it is.
    #[inline(always)]
    pub fn interface(&self) -> Option<NameId> {
        self.interface
    }

    #[cold]
    fn turn_to(&mut self, interface: Option<NameId>) {
        let (last, next) = (index(self.interface), index(interface));
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

impl Block {
    /// Whoever writes has to have asked for [`MOST_AT_ONCE`]: nothing may be left out.
    #[inline(always)]
    fn room<const BYTES: usize>(&mut self) -> &mut [u8; BYTES] {
        self.bytes[self.length..].first_chunk_mut().expect("there is room")
    }
}

/// So large that the memory goes back to the system with it; for tests so small that many are filled.
pub(super) const BLOCK_BYTES: usize = if cfg!(test) { 1 << 8 } else { 4 << 20 };
/// The first block is smaller, as most objects are, and each after it four times as large, up to that.
pub(super) const FIRST_BLOCK_BYTES: usize = if cfg!(test) { 1 << 7 } else { 64 << 10 };
/// A tuple is copied with some bytes behind it, so that all copies are of one length.
pub(super) const COPIED: usize = 48;
/// A block has to have room for whose turn it is and for the copy of a tuple behind that.
pub(super) const MOST_AT_ONCE: usize = TURN + COPIED;
const _: () = assert!(LONGEST <= COPIED);
/// The longest tuple that is written: IPv6 of which everything is new.
const LONGEST: usize = 1 + 1 + 2 * 16 + 2 * 2;

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

/// What follows is no tuple, but whose turn it is.
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

/// Writes whose turn it is: before the first tuple of another interface.
pub(super) fn write_turn(block: &mut Block, contexts: &mut Contexts, interface: Option<NameId>) {
    contexts.turn_to(interface);
    let room = block.room::<TURN>();
    room[0] = NEW_INTERFACE;
    room[1..].copy_from_slice(&interface.map_or(0, NameId::get).to_le_bytes());
    block.length += TURN;
}

/// Bytes of what [`write_turn`] writes.
const TURN: usize = 1 + 4;

/// Reads what [`write_turn`] wrote, if it is that, and says how long it is.
fn read_turn(bytes: &[u8; COPIED], contexts: &mut Contexts) -> Option<usize> {
    let [NEW_INTERFACE, number @ ..] = *bytes.first_chunk::<TURN>()? else { return None };
    contexts.turn_to(NameId::new(u32::from_le_bytes(number)));
    Some(TURN)
}

/// Writes a tuple of IPv4 of which nothing but the service's port is new, as nearly all are, and says whether it is one. Whose
/// turn it is has to be written.
#[inline(always)]
pub(super) fn write_usual(block: &mut Block, contexts: &mut Contexts, tuple: &Tuple) -> bool {
    let (IpAddr::V4(src), IpAddr::V4(dst)) = (tuple.src, tuple.dst) else { return false };
    let (last, protocol) = (&mut contexts.now, PROTOCOL_BITS[usize::from(tuple.protocol)]);
    let own = last.own.to_bits();
    // Of each address, how it differs from the own one. Which is which nobody can foresee: there is no branch here, nor where
    // it is read.
    let (src, dst) = (src.to_bits() ^ own, dst.to_bits() ^ own);
    if src.min(dst) != 0 || protocol == OTHER_PROTOCOL {
        return false;
    }
    let other = src ^ dst ^ own;
    last.other = Ipv4Addr::from_bits(other);
    let room = block.room();
    let (bits, ports, length) = last.write_ports(tuple.srcport, tuple.dstport);
    let bits = bits | protocol | u8::from(src != 0) << OWN_IS_DST.trailing_zeros();
    let bytes = u128::from(ports) << 40 | u128::from(u64::from(other.swap_bytes()) << 8 | u64::from(bits));
    *room = bytes.to_le_bytes();
    block.length += BEFORE_PORTS + length;
    true
}

/// Bytes of a usual tuple before its ports: the bits, and the address that is not the own one.
const BEFORE_PORTS: usize = 1 + size_of::<Ipv4Addr>();
/// The same of one in full.
const BEFORE_PORTS_IN_FULL: usize = 1 + size_of::<Ipv6Addr>();

/// The same for IPv6.
fn write_usual_in_full(block: &mut Block, contexts: &mut Contexts, tuple: &Tuple) -> bool {
    let (IpAddr::V6(src), IpAddr::V6(dst)) = (tuple.src, tuple.dst) else { return false };
    let (last, protocol) = (&mut contexts.now, PROTOCOL_BITS[usize::from(tuple.protocol)]);
    let own = last.own_in_full.to_bits();
    let (src, dst) = (src.to_bits() ^ own, dst.to_bits() ^ own);
    if src.min(dst) != 0 || protocol == OTHER_PROTOCOL {
        return false;
    }
    let other = src ^ dst ^ own;
    last.other_in_full = Ipv6Addr::from_bits(other);
    let room = block.room::<{ BEFORE_PORTS_IN_FULL + size_of::<u32>() }>();
    let (bits, ports, length) = last.write_ports(tuple.srcport, tuple.dstport);
    room[0] = bits | IN_FULL | protocol | u8::from(src != 0) << OWN_IS_DST.trailing_zeros();
    room[1..BEFORE_PORTS_IN_FULL].copy_from_slice(&other.to_be_bytes());
    room[BEFORE_PORTS_IN_FULL..].copy_from_slice(&ports.to_le_bytes());
    block.length += BEFORE_PORTS_IN_FULL + length;
    true
}

impl Context {
    /// The bits of two ports, their bytes from the lowest on, and how many these are.
    #[inline(always)]
    fn write_ports(&mut self, srcport: u16, dstport: u16) -> (u8, u32, usize) {
        let service = srcport.min(dstport);
        let other = srcport ^ dstport ^ service;
        let is_new = u8::from(service != self.service);
        self.service = service;
        let bits =
            u8::from(srcport < dstport) << SERVICE_IS_SRC.trailing_zeros() | is_new << NEW_SERVICE.trailing_zeros();
        let new_bytes = size_of::<u16>() * usize::from(is_new);
        // The service's port goes before the other, where it is new.
        let ports = u32::from(other) << (8 * new_bytes) | u32::from(service & u16::from(is_new).wrapping_neg());
        (bits, ports, size_of::<u16>() + new_bytes)
    }

    /// The service's port and the other, and how many bytes they took.
    #[inline(always)]
    fn read_ports(&mut self, bits: u8, bytes: &[u8; COPIED], at: usize) -> (u16, u16, usize) {
        let ports = u32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]]);
        let is_new = bits & NEW_SERVICE != 0;
        // A cast keeps the bits of the port that is meant.
        let (first, second) = (ports as u16, (ports >> 16) as u16);
        let service = select_unpredictable(is_new, first, self.service);
        let other = select_unpredictable(is_new, second, first);
        self.service = service;
        (service, other, size_of::<u16>() << u8::from(is_new))
    }
}

/// A tuple that [`write_usual`] wrote, or could have written.
pub(super) struct Usual {
    bits: u8,
    pub protocol: u8,
    own: u32,
    other: u32,
    service: u16,
    other_port: u16,
    /// How many bytes it took.
    pub length: usize,
}

impl Usual {
    /// Reads it, if it is one.
    #[inline(always)]
    pub fn read(bytes: &[u8; COPIED], contexts: &mut Contexts) -> Option<Usual> {
        let bits = bytes[0];
        let protocol = *PROTOCOLS.get(usize::from(bits & OTHER_PROTOCOL))?;
        if bits & (NEW_INTERFACE | NEW_OWN | IN_FULL) != 0 {
            return None;
        }
        let last = &mut contexts.now;
        let (service, other_port, length) = last.read_ports(bits, bytes, BEFORE_PORTS);
        let other = u32::from_be_bytes([bytes[1], bytes[2], bytes[3], bytes[4]]);
        let (own, length) = (last.own.to_bits(), BEFORE_PORTS + length);
        Some(Usual { bits, protocol, own, other, service, other_port, length })
    }

    /// What its two addresses, and its two ports, differ in: of its answer it is the same.
    #[inline(always)]
    pub fn differences(&self) -> (u64, u16) {
        (u64::from(self.own ^ self.other), self.service ^ self.other_port)
    }

    /// The tuple, of that interface.
    pub fn tuple(&self, interface: Option<NameId>) -> Tuple {
        let [own, other] = [self.own, self.other].map(|bits| IpAddr::V4(Ipv4Addr::from_bits(bits)));
        let (src, dst) = if self.bits & OWN_IS_DST == 0 { (own, other) } else { (other, own) };
        let (srcport, dstport) = in_order(self.bits, self.service, self.other_port);
        Tuple { interface, protocol: self.protocol, src, dst, srcport, dstport }
    }
}

/// Source and destination port.
fn in_order(bits: u8, service: u16, other: u16) -> (u16, u16) {
    if bits & SERVICE_IS_SRC == 0 { (other, service) } else { (service, other) }
}

/// Reads a tuple that [`write_usual_in_full`] wrote, or could have written, and says how long it is.
fn read_usual_in_full(bytes: &[u8; COPIED], contexts: &mut Contexts) -> Option<(Tuple, usize)> {
    let bits = bytes[0];
    let protocol = *PROTOCOLS.get(usize::from(bits & OTHER_PROTOCOL))?;
    if bits & (NEW_INTERFACE | NEW_OWN | IN_FULL) != IN_FULL {
        return None;
    }
    let (interface, last) = (contexts.interface, &mut contexts.now);
    let (service, other_port, length) = last.read_ports(bits, bytes, BEFORE_PORTS_IN_FULL);
    let (srcport, dstport) = in_order(bits, service, other_port);
    let (own, other) = (of_full(last.own_in_full), of_full(Ipv6Addr::from_octets(*bytes[1..].first_chunk()?)));
    let (src, dst) = if bits & OWN_IS_DST == 0 { (own, other) } else { (other, own) };
    Some((Tuple { interface, protocol, src, dst, srcport, dstport }, BEFORE_PORTS_IN_FULL + length))
}

/// Writes any tuple. Whose turn it is has to be written.
#[cold]
pub(super) fn write(block: &mut Block, contexts: &mut Contexts, tuple: Tuple) {
    if write_usual_in_full(block, contexts, &tuple) {
        return;
    }
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
    *block.room() = bytes;
    block.length += length;
}

/// Reads any tuple, or whose turn it is, and says how long that is.
#[cold]
pub(super) fn read(bytes: &[u8; COPIED], contexts: &mut Contexts) -> Option<(Option<Tuple>, usize)> {
    if let Some(length) = read_turn(bytes, contexts) {
        return Some((None, length));
    }
    if let Some((tuple, length)) = read_usual_in_full(bytes, contexts) {
        return Some((Some(tuple), length));
    }
    let mut rest = &bytes[..];
    let tuple = read_unusual(&mut rest, contexts)?;
    Some((Some(tuple), COPIED - rest.len()))
}

fn read_unusual(rest: &mut &[u8], contexts: &mut Contexts) -> Option<Tuple> {
    let [bits] = take(rest)?;
    let protocol = match PROTOCOLS.get(usize::from(bits & OTHER_PROTOCOL)) {
        Some(protocol) => *protocol,
        None => take::<1>(rest)?[0],
    };
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
    let (srcport, dstport) = in_order(bits, last.service, other);
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
