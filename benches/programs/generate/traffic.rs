//! The background: what the interfaces of an ordinary network record, run after run.
//!
//! A run is some 12 records of one interface in one capture window, as AWS writes them:
//! [`connections`](super::connections) and, among them, [`rejects`](super::rejects).

use super::connections::{Connections, MAX_RECORDS_PER_CONNECTION};
use super::dice::{Dice, Zipf};
use super::network::{self, Interface};
use super::record::{Content, Run};
use super::rejects::Rejects;

const RUN_LENGTH: (u32, u32) = (6, 17);

/// Of 1,000 runs, those that are a lone NODATA record; they make 1 % of the records.
const NO_DATA_RUNS: u32 = 110;
/// One run of so many is a lone SKIPDATA record, of one of the few busiest interfaces.
const RUNS_PER_SKIP_DATA: u32 = 3_000;
const OVERLOADED_INTERFACES: usize = 2;

/// Of 1,000 connections and scans, those that are scans; with the misconfigurations 6 % of the records are rejected.
const SCANS: u32 = 105;
/// Of 1,000 runs, those with tries of a misconfigured peer; they make 12 % of the rejected records.
const MISCONFIGURED_RUNS: u32 = 43;
const MISCONFIGURED_TRIES: (u32, u32) = (1, 3);

/// An endless source of runs.
pub struct Traffic<'a> {
    interfaces: &'a [Interface],
    dice: Dice,
    busy_interfaces: Zipf,
    connections: Connections,
    rejects: Rejects,
}

impl<'a> Traffic<'a> {
    pub fn new(interfaces: &'a [Interface], dice: Dice) -> Self {
        Self {
            interfaces,
            dice,
            busy_interfaces: Zipf::new(network::INTERFACES),
            connections: Connections::new(),
            rejects: Rejects::new(),
        }
    }

    /// The next run, of at most `room` records; `room` is at least 1.
    pub fn next_run(&mut self, room: u64) -> Run {
        if self.dice.chance(NO_DATA_RUNS, 1000) {
            let interface = self.dice.index(self.interfaces.len());
            return Run { interface, contents: vec![Content::NoData] };
        }
        if self.dice.chance(1, RUNS_PER_SKIP_DATA) {
            let interface = self.dice.index(OVERLOADED_INTERFACES);
            return Run { interface, contents: vec![Content::SkipData] };
        }
        let room = usize::try_from(room).unwrap_or(usize::MAX);
        let mut run = self.begin_run(room);
        self.fill(&mut run, room);
        self.dice.shuffle(&mut run.contents);
        run
    }

    /// Chooses the interface: by how busy it is, or because a misconfigured peer tries it.
    fn begin_run(&mut self, room: usize) -> Run {
        if !self.dice.chance(MISCONFIGURED_RUNS, 1000) {
            let interface = self.busy_interfaces.rank(&mut self.dice) as usize;
            return Run { interface, contents: Vec::new() };
        }
        let (low, high) = MISCONFIGURED_TRIES;
        let tries = self.dice.between(low, high) as usize;
        let peer = self.rejects.misconfigured_peer(&mut self.dice, self.interfaces);
        let contents = (0..tries.min(room)).map(|_| Content::Flow(peer.try_again(&mut self.dice)));
        Run { interface: peer.interface, contents: contents.collect() }
    }

    fn fill(&mut self, run: &mut Run, room: usize) {
        let interface = &self.interfaces[run.interface];
        let (low, high) = RUN_LENGTH;
        let length = self.dice.between(low, high) as usize;
        while run.contents.len() < length.min(room) {
            let is_tight = room - run.contents.len() < MAX_RECORDS_PER_CONNECTION;
            if is_tight || self.dice.chance(SCANS, 1000) {
                let scan = self.rejects.scan(&mut self.dice, interface);
                run.contents.push(Content::Flow(scan));
            } else {
                let flows = self.connections.connection(&mut self.dice, interface);
                run.contents.extend(flows.into_iter().map(Content::Flow));
            }
        }
    }
}
