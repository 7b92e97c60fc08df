//! The daily digest: what is new, what lasts, and what has ended, from the memories of findings. It makes no calls.
//!
//! A run claims the day, reads the memories, stores which findings have ended, sends their end and the digest, marks the memories, and
//! confirms the day. Each of these is a conditional write, so that a day has one digest although its schedule may fire twice. A run that is
//! killed is repeated: the marks carry the day, so that the repetition finds the same findings, and sends events with the same ids.
//! An end is stored before it is sent, so that a finding that returns meanwhile is new, and not closed for good.
//!
//! A finding is new until a digest has listed it, whenever its records are from. So a day without a digest loses nothing.
//!
//! `mail` writes the event and the lines of the email, and `resolved` the end of a finding.

pub mod mail;
pub mod resolved;

use std::collections::HashMap;

use jiff::Timestamp;
use jiff::civil::Date;
use serde::{Deserialize, Serialize};

use crate::config::exceptions::Exceptions;
use crate::findings::types::Severity;
use crate::lambda::delivery::memory::entry::{About, Entry};
use crate::lambda::delivery::memory::{Ended, LEASE_SECONDS, Memory, QUIET_SECONDS, REFRESH_SECONDS};
use crate::lambda::delivery::output_keys::UNKNOWN;
use crate::summary::json::line;

/// Maximum size of a stored object of this module, in bytes.
pub const MAX_OBJECT_BYTES: u64 = 4 << 10;
const DAY_SCHEMA: &str = "flowsentry/digest/v1";
/// How long a finding that only reports have stays without another report, in seconds. Nobody may make one of that name again.
const REPORT_SECONDS: i64 = 7 * 24 * 60 * 60;
const PROGRESS_SCHEMA: &str = "flowsentry/progress/v1";

/// The state of a day's digest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DayState {
    schema: String,
    day: String,
    /// The run that sends it.
    token: String,
    /// When it was claimed, in seconds since the Unix epoch by the clock of the run.
    claimed_at: i64,
    /// Whether the event bus has it.
    sent: bool,
}

/// What a run does about a day's digest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DayDecision {
    /// Claim the day and send its digest.
    Send,
    /// It was sent.
    Sent,
    /// Another run is about to send it. Lambda repeats that run if it fails.
    InProgress,
}

impl DayState {
    /// Creates the claim of a run.
    pub fn claim(day: Date, token: &str, now: i64) -> DayState {
        let (schema, token) = (DAY_SCHEMA.to_owned(), token.to_owned());
        DayState { schema, day: day.to_string(), token, claimed_at: now, sent: false }
    }

    /// Returns the state after the digest was sent.
    pub fn confirmed(self) -> DayState {
        DayState { sent: true, ..self }
    }

    /// Parses a stored state. Returns `None` if it is not that of the day.
    pub fn parse(bytes: &[u8], day: Date) -> Option<DayState> {
        let state: DayState = serde_json::from_slice(bytes).ok()?;
        (state.schema == DAY_SCHEMA && state.day == day.to_string()).then_some(state)
    }

    /// Renders the state to store.
    pub fn render(&self) -> Vec<u8> {
        line(self)
    }

    /// Decides about a day. A run has the same token when Lambda repeats it, so that it sends the digest that it may not have sent.
    pub fn decide(state: Option<&DayState>, token: &str, now: i64) -> DayDecision {
        match state {
            Some(state) if state.sent => DayDecision::Sent,
            Some(state) if state.token != token && (now - state.claimed_at).abs() <= LEASE_SECONDS => {
                DayDecision::InProgress
            }
            _ => DayDecision::Send,
        }
    }
}

/// How far the records of an account and Region have come. Without it nobody knows whether a finding has ended, or only its log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Progress {
    schema: String,
    /// Account id of the log, if it is known.
    pub account_id: Option<String>,
    /// Region of the log, if it is known.
    pub region: Option<String>,
    /// Name of the report, if it is the progress of the windows of that name.
    #[serde(default)]
    pub window: Option<String>,
    /// The latest record, in seconds since the Unix epoch.
    pub data_until: i64,
}

impl Progress {
    /// Creates the progress of an account and Region.
    pub fn new(account_id: Option<&str>, region: Option<&str>, data_until: i64) -> Progress {
        let (account_id, region) = (account_id.map(str::to_owned), region.map(str::to_owned));
        Progress { schema: PROGRESS_SCHEMA.to_owned(), account_id, region, window: None, data_until }
    }

    /// Creates the progress of the windows of a name, from one with records. A long window may have had a finding in its first hour only,
    /// so that it counts as a day: a finding ends with a window that began after it.
    pub fn of_window(name: &str, from: i64, to: i64) -> Progress {
        let data_until = to.min(from.saturating_add(QUIET_SECONDS));
        Progress { window: Some(name.to_owned()), ..Progress::new(None, None, data_until) }
    }

    /// Parses a stored progress. Returns `None` if it is not valid.
    pub fn parse(bytes: &[u8]) -> Option<Progress> {
        let progress: Progress = serde_json::from_slice(bytes).ok()?;
        (progress.schema == PROGRESS_SCHEMA).then_some(progress)
    }

    /// Renders the progress to store.
    pub fn render(&self) -> Vec<u8> {
        line(self)
    }

    /// Returns the key. The prefix of the outputs is empty or ends in a slash.
    pub fn key(&self, output_prefix: &str) -> String {
        let prefix = progress_prefix(output_prefix);
        if let Some(window) = &self.window {
            return format!("{prefix}window/{window}.json");
        }
        let [account_id, region] = [&self.account_id, &self.region].map(|part| part.as_deref().unwrap_or(UNKNOWN));
        format!("{prefix}{account_id}/{region}.json")
    }
}

/// Returns the prefix of the keys of all progress. The prefix of the outputs is empty or ends in a slash.
pub fn progress_prefix(output_prefix: &str) -> String {
    format!("{output_prefix}state/data/")
}

/// Returns the key of a day's digest.
pub fn day_key(output_prefix: &str, day: Date) -> String {
    format!("{output_prefix}state/digests/{day}.json")
}

/// Returns the day of a time, such as `2026-11-29T06:00:00Z`, in UTC.
pub fn day_of(time: &str) -> Option<Date> {
    let time: Timestamp = time.parse().ok()?;
    Some(jiff::tz::Offset::UTC.to_datetime(time).date())
}

/// A part of a digest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Section {
    /// No digest has listed it.
    New,
    /// A digest has listed it, and it lasts.
    Lasting,
    /// The records of its account and Region continue without it.
    Ended,
}

/// A finding in a digest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Item {
    /// The part of the digest.
    pub section: Section,
    /// The finding's id.
    pub id: String,
    /// What it says.
    pub about: About,
    /// Its severity when it was last sent.
    pub severity: Severity,
    /// Its first record, in seconds since the Unix epoch.
    pub first_seen: i64,
    /// Its last record, to the hour.
    pub last_seen: i64,
    /// How far the records had come, if it has ended.
    pub data_until: i64,
}

/// Account, Region, and name of the report.
type Place = (Option<String>, Option<String>, Option<String>);

/// How far the records of all accounts and Regions have come, and the reports of windows.
#[derive(Debug, Clone, Default)]
pub struct AllProgress(HashMap<Place, i64>);

impl AllProgress {
    /// Adds a progress.
    pub fn add(&mut self, progress: Progress) {
        self.0.insert((progress.account_id, progress.region, progress.window), progress.data_until);
    }

    /// Returns how far the records of a finding's account and Region have come, or the reports that have it.
    pub fn of(&self, about: &About) -> Option<i64> {
        self.0.get(&(about.account_id.clone(), about.region.clone(), about.window.clone())).copied()
    }

    /// Returns the latest record of all.
    pub fn latest(&self) -> Option<i64> {
        self.0.values().max().copied()
    }

    /// Returns the number of accounts and Regions, and that of the names of reports.
    pub fn counts(&self) -> (usize, usize) {
        let reports = self.0.keys().filter(|(.., window)| window.is_some()).count();
        (self.0.len() - reports, reports)
    }
}

/// Returns the item of a finding in the digest of this day, or `None` if the digest does not list it.
pub fn item(entry: &Entry, progress: &AllProgress, day: Date) -> Option<Item> {
    let memory = &entry.memory;
    let sent = memory.claim.as_ref().map(|claim| &claim.sent).or(memory.sent.as_ref())?;
    let section = section(entry, progress, day)?;
    let (id, about) = (entry.id.clone(), entry.about.clone());
    let Memory { first_seen, last_seen, .. } = *memory;
    let quiet_until = last_seen.saturating_add(QUIET_SECONDS);
    let data_until = progress.of(&entry.about).map_or(quiet_until, |until| until.max(quiet_until));
    Some(Item { section, id, about, severity: sent.severity, first_seen, last_seen, data_until })
}

fn section(entry: &Entry, progress: &AllProgress, day: Date) -> Option<Section> {
    let (memory, on) = (&entry.memory, day.to_string());
    if let Some(ended) = &memory.ended {
        return (ended.digest == on || !ended.sent).then_some(Section::Ended);
    }
    let quiet = progress.of(&entry.about).map_or(0, |until| until.saturating_sub(memory.last_seen));
    let is_old_report = entry.about.window.is_some() && start(day).saturating_sub(memory.last_seen) >= REPORT_SECONDS;
    if quiet >= QUIET_SECONDS + REFRESH_SECONDS || is_old_report {
        return Some(Section::Ended);
    }
    let is_listed = memory.digest.as_deref().is_some_and(|listed| listed != on);
    Some(if is_listed { Section::Lasting } else { Section::New })
}

/// Reports whether the configuration suppresses a finding on a day. Then the digest does not list it, also not as ended.
pub fn is_suppressed(entry: &Entry, exceptions: &Exceptions, day: Date) -> bool {
    let about = &entry.about;
    let member = |name: &str| about.members.get(name).cloned();
    exceptions.of_finding(&about.finding_type, member, u64::try_from(start(day)).ok()).is_some()
}

/// Returns the start of a day, in seconds since the Unix epoch.
fn start(day: Date) -> i64 {
    jiff::tz::Offset::UTC.to_timestamp(day.to_datetime(jiff::civil::Time::midnight())).map_or(0, Timestamp::as_second)
}

/// Returns the memory with the end of a finding, to store before it is sent, or `None` if it has returned since the item was made.
pub fn closed(entry: &Entry, item: &Item, day: Date) -> Option<Entry> {
    let (memory, digest) = (&entry.memory, day.to_string());
    let mut closed = entry.clone();
    match &memory.ended {
        Some(ended) if ended.digest == digest => {}
        Some(ended) if ended.sent => return None,
        Some(ended) => closed.memory.ended = Some(Ended { digest, ..ended.clone() }),
        None if memory.last_seen != item.last_seen => return None,
        None => {
            // A claim that nobody has confirmed for a day is void: the digest lists the finding.
            closed.memory.claim = None;
            closed.memory.ended = Some(Ended { data_until: item.data_until, digest, sent: false });
        }
    }
    Some(closed)
}

/// Returns the memory after the digest of this day was sent, or `None` if nothing changes.
pub fn marked(entry: &Entry, item: &Item, day: Date) -> Option<Entry> {
    let mut marked = entry.clone();
    match (item.section, &mut marked.memory.ended) {
        (Section::New, None) => {
            marked.memory.digest.get_or_insert_with(|| day.to_string());
        }
        // Without an end it has returned, and was sent as new.
        (Section::Ended, Some(ended)) => ended.sent = true,
        _ => {}
    }
    (marked != *entry).then_some(marked)
}

#[cfg(test)]
mod tests;
#[cfg(test)]
mod week;
