//! Generates a log of rejected records, most of them in groups of one record, like a flood from spoofed sources: more groups
//! than fit into the memory limits, and some heavy groups that must not be lost.
//!
//! Heavy group n of [`HEAVY_GROUPS`] is 22.0.7.n → interface n, TCP 9093, and has 400 + 40 n records, spread evenly over
//! the log. Every other group has one record, from a unique source. The seed has no effect.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::net::Ipv4Addr;
use std::ops::RangeInclusive;

use super::generator::{FILE_SECONDS, FILE_START};
use super::network::{Interface, SCENARIO_OCTET};
use super::record::{CaptureWindow, Content, Direction, Endpoint, Flow, Record, TCP, flags};
use super::rng::mix;

pub const HEAVY_GROUPS: u8 = 150;
const HEAVY_PORT: u16 = 9093;

/// Sources of the other groups: 23.0.0.0 to 99.255.255.255.
const FIRST_OCTETS: RangeInclusive<u8> = 23..=99;
/// Maximum number of distinct groups: a round number below the 77 × 2^24 possible sources.
pub const MOST_DISTINCT: u64 = 1_000_000_000;
/// Odd, so that products with it are distinct in 24 bits.
const SCATTER: u64 = 0x9e_3779;

const WINDOW_SECONDS: u64 = 60;

/// An iterator over the records.
pub struct HighCardinality<'a> {
    interfaces: &'a [Interface],
    records: u64,
    done: u64,
    distinct_left: u64,
    /// The next record of each heavy group: its position, the group, and the number of its records before.
    heavy: BinaryHeap<Reverse<(u64, u8, u64)>>,
}

impl<'a> HighCardinality<'a> {
    /// Creates a log with this number of groups of one record, at most [`MOST_DISTINCT`], and the heavy ones.
    pub fn new(interfaces: &'a [Interface], distinct: u64) -> Self {
        let records = records(distinct);
        let heavy = (0..HEAVY_GROUPS).map(|group| Reverse((place(group, 0, records), group, 0))).collect();
        Self { interfaces, records, done: 0, distinct_left: distinct, heavy }
    }

    fn next_flow(&mut self) -> (usize, Flow) {
        match self.heavy.peek() {
            Some(&Reverse((place, group, before))) if place <= self.done || self.distinct_left == 0 => {
                self.heavy.pop();
                self.expect_another(group, before + 1);
                self.heavy_flow(group, before)
            }
            _ => {
                self.distinct_left -= 1;
                self.distinct_flow(self.distinct_left)
            }
        }
    }

    fn expect_another(&mut self, group: u8, before: u64) {
        if before < heavy_records(group) {
            self.heavy.push(Reverse((place(group, before, self.records), group, before)));
        }
    }

    fn heavy_flow(&self, group: u8, before: u64) -> (usize, Flow) {
        let client_port = 1024 + (before % 50_000) as u16;
        let source = Endpoint::new(Ipv4Addr::new(SCENARIO_OCTET, 0, 7, group), client_port);
        self.rejected(group.into(), source, HEAVY_PORT)
    }

    fn distinct_flow(&self, number: u64) -> (usize, Flow) {
        let octets = FIRST_OCTETS.len() as u64;
        let [.., second, third, fourth] = (number / octets * SCATTER).to_be_bytes();
        let first = FIRST_OCTETS.start() + (number % octets) as u8;
        let scattered = mix(number);
        let source = Endpoint::new(Ipv4Addr::new(first, second, third, fourth), 1024 + (scattered >> 50) as u16);
        let interface = (scattered % self.interfaces.len() as u64) as usize;
        self.rejected(interface, source, 1 + (scattered >> 32) as u16 % 9000)
    }

    fn rejected(&self, interface: usize, source: Endpoint, port: u16) -> (usize, Flow) {
        let target = Endpoint::new(self.interfaces[interface].address, port);
        (interface, Flow::rejected(Direction::Ingress, TCP, flags::SYN, source, target))
    }
}

/// Returns the number of records with this number of groups of one record.
pub fn records(distinct: u64) -> u64 {
    distinct + (0..HEAVY_GROUPS).map(heavy_records).sum::<u64>()
}

fn heavy_records(group: u8) -> u64 {
    400 + 40 * u64::from(group)
}

/// Returns the position of a record of a heavy group, given the number of its records before.
fn place(group: u8, before: u64, records: u64) -> u64 {
    (2 * before + 1) * records / (2 * heavy_records(group))
}

impl Iterator for HighCardinality<'_> {
    type Item = Record;

    fn next(&mut self) -> Option<Record> {
        if self.done == self.records {
            return None;
        }
        let (interface, flow) = self.next_flow();
        let end = FILE_START + FILE_SECONDS * self.done / self.records;
        self.done += 1;
        let capture_window = CaptureWindow { start: end - WINDOW_SECONDS, end };
        Some(Record { interface, capture_window, content: Content::Flow(flow) })
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::super::network;
    use super::*;

    #[test]
    fn heavy_groups_are_spread_evenly_among_groups_of_one() {
        const DISTINCT: u64 = 300_000;
        let interfaces = network::interfaces();
        let half = records(DISTINCT) / 2;
        let mut groups: HashMap<_, [u64; 2]> = HashMap::new();
        for (place, record) in (0..).zip(HighCardinality::new(&interfaces, DISTINCT)) {
            let Content::Flow(flow) = record.content else { panic!("all are flows") };
            let group = (record.interface, flow.src.address, flow.dst.address, flow.dst.port, flow.protocol);
            groups.entry(group).or_default()[usize::from(place >= half)] += 1;
        }
        let mut heavy: Vec<[u64; 2]> = groups.into_values().filter(|[first, second]| first + second > 1).collect();
        heavy.sort_by_key(|[first, second]| first + second);
        assert!(heavy.iter().all(|[first, second]| first.abs_diff(*second) <= 1), "{heavy:?}");
        let counts: Vec<u64> = heavy.iter().map(|[first, second]| first + second).collect();
        assert_eq!(counts, (0..HEAVY_GROUPS).map(heavy_records).collect::<Vec<_>>());
    }

    #[test]
    fn every_number_of_groups_is_met() {
        let interfaces = network::interfaces();
        for distinct in [0, 1, 2, 1_000] {
            assert_eq!(HighCardinality::new(&interfaces, distinct).count() as u64, records(distinct));
        }
    }
}
