//! Background traffic: the records of an ordinary network, run by run.
//!
//! A run is about 12 records of one interface in one capture window, as AWS writes them:
//! [`connections`](super::connections) mixed with [`rejects`](super::rejects).

use super::connections::{Connections, MAX_RECORDS_PER_CONNECTION};
use super::network::{self, Interface};
use super::record::{Content, Run};
use super::rejects::RejectedFlows;
use super::rng::{RandomStream, Zipf};

const RUN_LENGTH: (u32, u32) = (6, 17);

/// Runs per 1,000 with a single NODATA record; 1 % of the records.
const NO_DATA_RUNS: u32 = 110;
/// One run in this many is a single SKIPDATA record of one of the busiest interfaces.
const RUNS_PER_SKIP_DATA: u32 = 3_000;
const OVERLOADED_INTERFACES: usize = 2;

/// Scans per 1,000 connections and scans; together with the misconfigured peers, 6 % of the records are rejected.
const SCANS: u32 = 105;
/// Runs per 1,000 with attempts of a misconfigured peer; 12 % of the rejected records.
const MISCONFIGURED_RUNS: u32 = 43;
const MISCONFIGURED_TRIES: (u32, u32) = (1, 3);

/// An endless source of runs.
pub struct Traffic<'a> {
    interfaces: &'a [Interface],
    rng: RandomStream,
    busy_interfaces: Zipf,
    connections: Connections,
    rejects: RejectedFlows,
}

impl<'a> Traffic<'a> {
    pub fn new(interfaces: &'a [Interface], rng: RandomStream) -> Self {
        Self {
            interfaces,
            rng,
            busy_interfaces: Zipf::new(network::INTERFACES),
            connections: Connections::new(),
            rejects: RejectedFlows::new(),
        }
    }

    /// Returns the next run with at most `room` records; `room` is at least 1.
    pub fn next_run(&mut self, room: u64) -> Run {
        if self.rng.chance(NO_DATA_RUNS, 1000) {
            let interface = self.rng.index(self.interfaces.len());
            return Run { interface, contents: vec![Content::NoData] };
        }
        if self.rng.chance(1, RUNS_PER_SKIP_DATA) {
            let interface = self.rng.index(OVERLOADED_INTERFACES);
            return Run { interface, contents: vec![Content::SkipData] };
        }
        let room = usize::try_from(room).unwrap_or(usize::MAX);
        let mut run = self.begin_run(room);
        self.fill(&mut run, room);
        self.rng.shuffle(&mut run.contents);
        run
    }

    /// Chooses the interface, weighted by load or as the target of a misconfigured peer.
    fn begin_run(&mut self, room: usize) -> Run {
        if !self.rng.chance(MISCONFIGURED_RUNS, 1000) {
            let interface = self.busy_interfaces.rank(&mut self.rng) as usize;
            return Run { interface, contents: Vec::new() };
        }
        let (low, high) = MISCONFIGURED_TRIES;
        let tries = self.rng.between(low, high) as usize;
        let peer = self.rejects.misconfigured_peer(&mut self.rng, self.interfaces);
        let contents = (0..tries.min(room)).map(|_| Content::Flow(peer.try_again(&mut self.rng)));
        Run { interface: peer.interface, contents: contents.collect() }
    }

    fn fill(&mut self, run: &mut Run, room: usize) {
        let interface = &self.interfaces[run.interface];
        let (low, high) = RUN_LENGTH;
        let length = self.rng.between(low, high) as usize;
        while run.contents.len() < length.min(room) {
            let is_tight = room - run.contents.len() < MAX_RECORDS_PER_CONNECTION;
            if is_tight || self.rng.chance(SCANS, 1000) {
                let scan = self.rejects.scan(&mut self.rng, interface);
                run.contents.push(Content::Flow(scan));
            } else {
                let flows = self.connections.connection(&mut self.rng, interface);
                run.contents.extend(flows.into_iter().map(Content::Flow));
            }
        }
    }
}
