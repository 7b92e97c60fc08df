//! The records of the log in order: background and scenarios, each in its capture window.

use std::collections::VecDeque;

use super::network::Interface;
use super::record::{CaptureWindow, Content, Record, Run};
use super::rng::{RandomStream, mix};
use super::scenarios::{self, MIN_RECORDS, Planter, Planting};
use super::traffic::Traffic;

/// 2026-11-23T06:00:00Z. All records of a log end within the next five minutes.
pub const FILE_START: u64 = 1_795_413_600;
pub const FILE_SECONDS: u64 = MINUTES * MINUTE;
const MINUTES: u64 = 5;
const MINUTE: u64 = 60;

/// Random streams of one seed.
const TRAFFIC_STREAM: u64 = 0;
const PLACES_STREAM: u64 = 1;
const TIMES_STREAM: u64 = 2;

/// Iterates over the records of one log, or of one object after another. Holds one run at a time.
pub struct Generator<'a> {
    traffic: Traffic<'a>,
    /// Chooses the positions of planted runs.
    places: RandomStream,
    /// All records end within the five minutes from here on.
    start: u64,
    /// Remaining records of the run, in reverse order.
    plantings: Vec<Planting>,
    times: RandomStream,
    background_records: u64,
    background_left: u64,
    ready: VecDeque<Record>,
}

impl<'a> Generator<'a> {
    /// Creates a log of `records` records, of which `malformed` are malformed (at most `records`).
    pub fn new(interfaces: &'a [Interface], seed: u64, records: u64, malformed: u64) -> Self {
        let mut planter = Planter::new(interfaces);
        planter.plant_malformed(malformed);
        if records - malformed >= MIN_RECORDS {
            planter.plant_scenarios();
        }
        let mut generator = Self::without_records(interfaces, seed);
        generator.begin(FILE_START, records, planter.into_runs());
        generator
    }

    /// Creates a log without records. Background traffic is of these interfaces.
    pub fn without_records(interfaces: &'a [Interface], seed: u64) -> Self {
        Self {
            traffic: Traffic::new(interfaces, RandomStream::new(seed, TRAFFIC_STREAM)),
            places: RandomStream::new(seed, PLACES_STREAM),
            start: FILE_START,
            plantings: Vec::new(),
            times: RandomStream::new(seed, TIMES_STREAM),
            background_records: 0,
            background_left: 0,
            ready: VecDeque::new(),
        }
    }

    /// Begins an object of this number of records, at least those that are planted. Call it when no record is left.
    pub fn begin(&mut self, start: u64, records: u64, planted: Vec<Run>) {
        self.start = start;
        self.background_records = records - scenarios::records(&planted);
        self.background_left = self.background_records;
        self.plantings = scenarios::places(planted, self.background_records, &mut self.places);
    }

    /// Returns the next scenario if its position is reached, else the next background run, if any is left.
    fn next_run(&mut self) -> Option<Run> {
        let background_done = self.background_records - self.background_left;
        let due = self.plantings.pop_if(|planting| planting.place <= background_done);
        if let Some(planting) = due {
            return Some(planting.run);
        }
        if self.background_left == 0 {
            return None;
        }
        let run = self.traffic.next_run(self.background_left);
        self.background_left -= run.contents.len() as u64;
        Some(run)
    }

    fn make_ready(&mut self, run: Run) {
        let window = self.capture_window(run.interface);
        for content in run.contents {
            let capture_window = match content {
                Content::NoData | Content::SkipData => window,
                Content::Flow(_) | Content::Malformed(..) => self.narrowed(window),
            };
            self.ready.push_back(Record { interface: run.interface, capture_window, content });
        }
    }

    /// A minute or slightly less. Each interface has its own offset within the minute.
    fn capture_window(&mut self, interface: usize) -> CaptureWindow {
        let background_done = self.background_records - self.background_left;
        let minute = background_done / (self.background_records / MINUTES + 1);
        let second = mix(interface as u64) % MINUTE;
        let end = self.start + minute * MINUTE + second;
        let length = MINUTE - u64::from(self.times.below(8));
        CaptureWindow { start: end - length, end }
    }

    /// Few flows fill the window: most begin later and end earlier.
    fn narrowed(&mut self, window: CaptureWindow) -> CaptureWindow {
        let mut cut = || {
            let is_shorter = self.times.chance(3, 4);
            u64::from(self.times.below(if is_shorter { 25 } else { 1 }))
        };
        CaptureWindow { start: window.start + cut(), end: (window.end - cut()).max(self.start) }
    }
}

impl Iterator for Generator<'_> {
    type Item = Record;

    fn next(&mut self) -> Option<Record> {
        if self.ready.is_empty() {
            let run = self.next_run()?;
            self.make_ready(run);
        }
        self.ready.pop_front()
    }
}
