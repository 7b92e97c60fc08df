//! Plans a report over a window of time: which objects form a batch, and which parts are merged.
//!
//! Input: objects of a listing, in any order, and a [`Window`]. Output: a [`Plan`], for any engine that runs batches.
//!
//! Invariants:
//! - Each object is in exactly one batch, or is counted in `skipped`.
//! - The plan depends on the set of objects, not on the order in which they were added.
//! - Batches are in the order of account, Region, flow log, time, and key, and so are their objects. A merge of the batches in this order is
//!   an analysis of the objects in this order.
//! - All objects of a flow log are in one batch if they fit, because accepted records decide about rejected ones only within a batch that
//!   is closed. Otherwise the flow log is cut by time. Only objects of the same time that do not fit are cut by key.
//! - Batches are the fewest that these rules allow, and of these the ones whose heaviest batch has the fewest bytes.

mod cut;
mod fingerprint;
pub mod key;
mod listing;
mod options;
mod skipped;
mod tree;
mod window;

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::ops::Range;

use indexmap::IndexSet;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use self::cut::Weight;
use self::key::KeyParts;
pub use self::listing::listing_prefixes;
pub use self::options::{FanIn, InvalidFanIn, PlanOptions};
pub use self::skipped::{SkipReason, Skipped};
pub use self::window::Window;

/// An object of a listing, or a local file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogObject {
    /// The bucket. `None` for a local file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bucket: Option<String>,
    /// The key, or the path of a local file.
    pub key: String,
    /// Length in bytes, as stored.
    pub bytes: u64,
    /// The ETag, which changes with the content.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub etag: Option<String>,
}

impl LogObject {
    /// Returns the S3 URI, or the path of a local file.
    pub fn uri(&self) -> String {
        match &self.bucket {
            Some(bucket) => format!("s3://{bucket}/{}", self.key),
            None => self.key.clone(),
        }
    }
}

/// Objects that are analyzed together.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Batch {
    /// The flow logs of the objects, as far as their names have one, sorted.
    pub flow_log_ids: Vec<String>,
    /// Bytes of the objects, as stored.
    pub bytes: u64,
    /// The objects, in the order in which they are analyzed.
    pub objects: Vec<LogObject>,
}

/// Which objects are analyzed together, and which of the results are merged.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Plan {
    /// The window of the report.
    pub window: Window,
    /// The limits.
    pub options: PlanOptions,
    /// SHA-256 of the window, the limits, and the objects with their ETags, in hexadecimal digits: a late or changed object makes
    /// another plan.
    pub fingerprint: String,
    /// The batches.
    pub batches: Vec<Batch>,
    /// The merge tree. Level 0 merges batches; part `i` of level `k + 1` merges the parts `levels[k][i]` of level `k`, in their order. The last
    /// level has one merge, also if there is one batch only. There is no level if there is no batch.
    pub levels: Vec<Vec<Range<usize>>>,
    /// Objects that are in no batch.
    pub skipped: BTreeMap<SkipReason, Skipped>,
}

impl Plan {
    /// Returns the number of objects in batches.
    pub fn objects(&self) -> usize {
        self.batches.iter().map(|batch| batch.objects.len()).sum()
    }

    /// Returns the bytes of the objects in batches, as stored.
    pub fn bytes(&self) -> u64 {
        self.batches.iter().fold(0, |sum, batch| sum.saturating_add(batch.bytes))
    }
}

/// Collects objects for a plan.
///
/// Memory: about 550 bytes for each object in the window, with keys of AWS's layout, and nothing for others.
#[derive(Debug)]
pub struct Planner {
    options: PlanOptions,
    window: Window,
    flow_logs: IndexSet<FlowLog>,
    entries: Vec<Entry>,
    skipped: BTreeMap<SkipReason, Skipped>,
}

/// A flow log, as far as keys name it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
struct FlowLog {
    account_id: Option<String>,
    region: Option<String>,
    flow_log_id: Option<String>,
}

/// An object in the window.
#[derive(Debug)]
struct Entry {
    /// Index of the flow log. Once all are known, its rank.
    flow_log: usize,
    time: Option<Timestamp>,
    object: LogObject,
}

impl Planner {
    /// Creates a plan without objects.
    pub fn new(options: PlanOptions, window: Window) -> Planner {
        Planner { options, window, flow_logs: IndexSet::new(), entries: Vec::new(), skipped: BTreeMap::new() }
    }

    /// Adds an object, or counts it as skipped.
    pub fn add(&mut self, object: LogObject) {
        let parts = KeyParts::from_key(&object.key);
        if let Some(reason) = self.reason_to_skip(&object, parts.time) {
            self.skip(reason, &object);
            return;
        }
        let flow_log = FlowLog {
            account_id: parts.account_id.map(str::to_owned),
            region: parts.region.map(str::to_owned),
            flow_log_id: parts.flow_log_id.map(str::to_owned),
        };
        let (flow_log, _) = self.flow_logs.insert_full(flow_log);
        self.entries.push(Entry { flow_log, time: parts.time, object });
    }

    /// Makes the plan.
    pub fn finish(mut self) -> Plan {
        self.sort();
        let Planner { options, window, flow_logs, entries, skipped } = self;
        let fingerprint = fingerprint::fingerprint(window, options, entries.iter().map(|entry| &entry.object));
        let atoms = atoms(&entries, &options);
        let weights: Vec<Weight> = atoms.iter().map(|(_, weight)| *weight).collect();
        let mut sizes = atoms.iter().map(|(objects, _)| *objects);
        let mut entries = entries.into_iter();
        let batches: Vec<Batch> = cut::cut(&weights, &options)
            .into_iter()
            .map(|run| {
                let objects = sizes.by_ref().take(run.len()).sum();
                batch(entries.by_ref().take(objects), &flow_logs)
            })
            .collect();
        let levels = tree::levels(batches.len(), options.fan_in);
        Plan { window, options, fingerprint, batches, levels, skipped }
    }

    fn reason_to_skip(&self, object: &LogObject, time: Option<Timestamp>) -> Option<SkipReason> {
        if !key::is_flow_log(&object.key) {
            return Some(SkipReason::NotAFlowLog);
        }
        match time {
            None if self.window != Window::ALL => return Some(SkipReason::NoTime),
            Some(time) if !self.window.contains(time) => return Some(SkipReason::OutsideWindow),
            _ => {}
        }
        (object.bytes == 0).then_some(SkipReason::Empty)
    }

    fn skip(&mut self, reason: SkipReason, object: &LogObject) {
        self.skipped.entry(reason).or_default().add(object.uri());
    }

    /// Sorts the flow logs and the objects, and removes duplicates.
    fn sort(&mut self) {
        let mut ranks = vec![0; self.flow_logs.len()];
        let mut sorted: Vec<(usize, &FlowLog)> = self.flow_logs.iter().enumerate().collect();
        sorted.sort_unstable_by_key(|(_, flow_log)| *flow_log);
        for (rank, (index, _)) in sorted.into_iter().enumerate() {
            if let Some(slot) = ranks.get_mut(index) {
                *slot = rank;
            }
        }
        for entry in &mut self.entries {
            entry.flow_log = ranks.get(entry.flow_log).copied().unwrap_or_default();
        }
        self.flow_logs.sort();
        self.entries.sort_unstable_by(Entry::order);
        let (entries, skipped) = (&mut self.entries, &mut self.skipped);
        entries.dedup_by(|later, kept| {
            let is_duplicate = later.object.key == kept.object.key && later.object.bucket == kept.object.bucket;
            if is_duplicate {
                skipped.entry(SkipReason::Duplicate).or_default().add(later.object.uri());
            }
            is_duplicate
        });
    }
}

impl Entry {
    /// Compares two objects by their order in a plan. If an object was listed twice, its larger version comes first.
    fn order(&self, other: &Entry) -> Ordering {
        let by_log = (self.flow_log, self.time).cmp(&(other.flow_log, other.time));
        let (a, b) = (&self.object, &other.object);
        by_log
            .then_with(|| a.key.cmp(&b.key))
            .then_with(|| a.bucket.cmp(&b.bucket))
            .then_with(|| b.bytes.cmp(&a.bytes))
            .then_with(|| b.etag.cmp(&a.etag))
    }

    fn weight(&self) -> Weight {
        Weight { bytes: self.object.bytes, objects: 1 }
    }
}

/// Returns the parts that are never cut, with their numbers of objects: flow logs that fit, times that fit, and else objects.
fn atoms(entries: &[Entry], options: &PlanOptions) -> Vec<(usize, Weight)> {
    let atom =
        |entries: &[Entry]| (entries.len(), entries.iter().map(Entry::weight).fold(Weight::default(), Weight::plus));
    let mut atoms = Vec::new();
    for log in entries.chunk_by(|a, b| a.flow_log == b.flow_log) {
        if atom(log).1.fits(options) {
            atoms.push(atom(log));
            continue;
        }
        for slot in log.chunk_by(|a, b| a.time == b.time) {
            if slot.first().is_some_and(|entry| entry.time.is_some()) && atom(slot).1.fits(options) {
                atoms.push(atom(slot));
            } else {
                atoms.extend(slot.iter().map(|entry| (1, entry.weight())));
            }
        }
    }
    atoms
}

fn batch(entries: impl Iterator<Item = Entry>, flow_logs: &IndexSet<FlowLog>) -> Batch {
    let mut batch = Batch { flow_log_ids: Vec::new(), bytes: 0, objects: Vec::new() };
    for Entry { flow_log, object, .. } in entries {
        let flow_log_id = flow_logs.get_index(flow_log).and_then(|flow_log| flow_log.flow_log_id.clone());
        batch.flow_log_ids.extend(flow_log_id.filter(|id| batch.flow_log_ids.last() != Some(id)));
        batch.bytes = batch.bytes.saturating_add(object.bytes);
        batch.objects.push(object);
    }
    batch.flow_log_ids.sort_unstable();
    batch.flow_log_ids.dedup();
    batch
}

#[cfg(test)]
mod tests;
