//! Sends the daily digest: executes the steps that [`digest`] describes.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::time::Duration;

use futures_util::{StreamExt, TryStreamExt, stream};
use jiff::Timestamp;
use jiff::civil::Date;
use tracing::{info, warn};

use super::Handler;
use super::deadline::Deadline;
use super::error::ProcessingError;
use crate::lambda::aws::eventbridge;
use crate::lambda::aws::s3::{self, ListedObject, SmallObject};
use crate::lambda::delivery::alerts::Alert;
use crate::lambda::delivery::memory::entry::{self, Entry, MAX_ENTRY_BYTES};
use crate::lambda::delivery::notify;
use crate::lambda::digest::mail::Digest;
use crate::lambda::digest::{
    self, AllProgress, DayDecision, DayState, Item, MAX_OBJECT_BYTES, Progress, Section, resolved,
};
use crate::lambda::settings::Alerting;

/// Maximum number of findings of a digest, the latest ones.
const MAX_ENTRIES: usize = 5_000;
/// Maximum number of memories that it reads. Those of findings that ended before are among them, until they expire.
const MAX_READ: usize = 20_000;
/// Maximum number of accounts and Regions whose progress it reads.
const MAX_PROGRESS: usize = 1_000;
/// Number of objects that are read or stored at the same time.
const CONCURRENCY: usize = 16;
/// How often a memory may change between reading and marking it.
const MAX_CHANGES: u32 = 3;

/// The memories and what they say.
struct Contents {
    progress: AllProgress,
    items: Vec<Item>,
    /// Number of memories that were not read.
    not_read: usize,
}

impl Handler {
    /// Sends the digest of a day, unless it was sent. `token` is the request id, which Lambda keeps when it repeats an invocation.
    ///
    /// # Errors
    /// If a call fails or the time is over. Lambda repeats the invocation.
    pub(super) async fn send_digest(
        &self,
        time: Option<&str>,
        token: &str,
        deadline: Deadline,
    ) -> Result<(), ProcessingError> {
        let day = match time {
            Some(time) => {
                digest::day_of(time).ok_or_else(|| ProcessingError::NotATime { time: super::escape(time) })?
            }
            None => today()?,
        };
        let Some(alerting) = self.settings.alerts.as_ref().filter(|alerting| alerting.repeat_hours > 0) else {
            info!(%day, "no digest: EVENT_BUS_NAME is not set, or ALERT_REPEAT_HOURS is 0");
            return Ok(());
        };
        let sent = deadline.with_deadline(self.send_digest_of(day, token, alerting, deadline.remaining())).await;
        sent.unwrap_or(Err(ProcessingError::OutOfTime))
    }

    async fn send_digest_of(
        &self,
        day: Date,
        token: &str,
        alerting: &Alerting,
        timeout: Duration,
    ) -> Result<(), ProcessingError> {
        let Some((claim, etag)) = self.claim_day(day, token).await? else { return Ok(()) };
        let mut contents = self.contents(day, timeout).await?;
        let closed = stream::iter(contents.items).map(|item| self.close(item, day)).buffer_unordered(CONCURRENCY);
        contents.items = closed.try_filter_map(|item| std::future::ready(Ok(item))).try_collect().await?;
        let alerts = self.alerts(day, &contents);
        eventbridge::send(&self.clients.events, &alerting.event_bus, &alerts).await?;
        let marked = stream::iter(&contents.items).map(|item| self.mark(item, day));
        marked.buffer_unordered(CONCURRENCY).try_collect::<()>().await?;
        let key = digest::day_key(&self.settings.output_prefix, day);
        self.store(&key, claim.confirmed().render(), Some(&etag)).await?;
        let count = |section| contents.items.iter().filter(|item| item.section == section).count();
        let (new, lasting, ended) = (count(Section::New), count(Section::Lasting), count(Section::Ended));
        info!(%day, new, lasting, ended, not_read = contents.not_read, events = alerts.len(), "digest sent");
        Ok(())
    }

    /// Claims a day. Returns the claim with its ETag, or `None` if there is nothing to do.
    async fn claim_day(&self, day: Date, token: &str) -> Result<Option<(DayState, String)>, ProcessingError> {
        let key = digest::day_key(&self.settings.output_prefix, day);
        for _ in 0..MAX_CHANGES {
            let stored = self.read(&key, MAX_OBJECT_BYTES).await?;
            let state = stored.as_ref().and_then(|stored| DayState::parse(&stored.bytes, day));
            if stored.is_some() && state.is_none() {
                warn!(key, "state of the digest is not valid; the digest is sent");
            }
            match DayState::decide(state.as_ref(), token, notify::now()) {
                DayDecision::Sent => {
                    info!(%day, "digest was sent already");
                }
                DayDecision::InProgress => {
                    info!(%day, "digest is being sent by another invocation");
                }
                DayDecision::Send => {
                    let claim = DayState::claim(day, token, notify::now());
                    let etag = stored.as_ref().map(|stored| stored.etag.as_str());
                    if let Some(etag) = self.store(&key, claim.render(), etag).await? {
                        return Ok(Some((claim, etag)));
                    }
                    continue;
                }
            }
            return Ok(None);
        }
        Err(ProcessingError::Conflict { key })
    }

    /// Reads the memories, the latest ones first.
    async fn contents(&self, day: Date, timeout: Duration) -> Result<Contents, ProcessingError> {
        let config = self.current(self.config.as_ref(), timeout).await?;
        let prefix = &self.settings.output_prefix;
        let (keys, _) = self.latest_keys(&digest::progress_prefix(prefix), MAX_PROGRESS).await?;
        let mut progress = AllProgress::default();
        let mut read = stream::iter(keys).map(|key| self.progress(key)).buffer_unordered(CONCURRENCY);
        while let Some(one) = read.try_next().await? {
            one.into_iter().for_each(|one| progress.add(one));
        }
        let (keys, others) = self.latest_keys(&entry::prefix(prefix), MAX_READ).await?;
        let exceptions = config.map(|config| config.exceptions.clone()).unwrap_or_default();
        let (mut items, mut unread) = (Vec::new(), keys.len());
        let mut read = stream::iter(keys).map(|key| self.entry(key)).buffered(CONCURRENCY);
        while items.len() < MAX_ENTRIES
            && let Some(one) = read.try_next().await?
        {
            unread -= 1;
            let told = one.filter(|(entry, _)| !digest::is_suppressed(entry, &exceptions, day));
            items.extend(told.and_then(|(entry, _)| digest::item(&entry, &progress, day)));
        }
        Ok(Contents { progress, items, not_read: others + unread })
    }

    /// Returns the keys with this prefix that were changed last, the latest first, and the number of the others.
    async fn latest_keys(&self, prefix: &str, max: usize) -> Result<(Vec<String>, usize), ProcessingError> {
        let mut latest = BinaryHeap::new();
        let mut others = 0;
        let take = |object: ListedObject| {
            latest.push(Reverse((object.modified, object.key)));
            if latest.len() > max {
                latest.pop();
                others += 1;
            }
            Ok::<(), ProcessingError>(())
        };
        s3::list(&self.clients.s3, &self.settings.output_bucket, prefix, take).await?;
        Ok((latest.into_sorted_vec().into_iter().map(|Reverse((_, key))| key).collect(), others))
    }

    async fn progress(&self, key: String) -> Result<Option<Progress>, ProcessingError> {
        let stored = self.read(&key, MAX_OBJECT_BYTES).await?;
        let progress = stored.as_ref().and_then(|stored| Progress::parse(&stored.bytes));
        if stored.is_some() && progress.is_none() {
            warn!(
                key = super::escape(&key),
                "progress of a flow log is not valid; its findings do not end until the next one"
            );
        }
        Ok(progress)
    }

    /// Reads a memory. One that is not valid is logged; the next object that has the finding replaces it.
    async fn entry(&self, key: String) -> Result<Option<(Entry, String)>, ProcessingError> {
        let Some(id) = entry::id_of(&self.settings.output_prefix, &key) else { return Ok(None) };
        let Some(stored) = self.read(&key, MAX_ENTRY_BYTES).await? else { return Ok(None) };
        match Entry::parse(&stored.bytes, id) {
            Ok(entry) => Ok(Some((entry, stored.etag))),
            Err(error) => {
                warn!(
                    key,
                    error = super::escape(&error),
                    "memory of a finding is not valid; the digest does not list it"
                );
                Ok(None)
            }
        }
    }

    /// Returns the ends of findings, and the digest if it has something to say.
    fn alerts(&self, day: Date, contents: &Contents) -> Vec<Alert> {
        let (output_bucket, console_region) = (self.settings.output_bucket.as_str(), self.settings.region.as_deref());
        let ended: Vec<&Item> = contents.items.iter().filter(|item| item.section == Section::Ended).collect();
        let mut alerts = resolved::render_all(&ended, day, output_bucket, console_region);
        let Contents { progress, items, not_read } = contents;
        let (items, not_read) = (items.clone(), *not_read);
        alerts.extend(Digest { day, items, not_read, progress, output_bucket, console_region }.render());
        alerts
    }

    /// Stores the end of a finding, if it has ended. Returns `None` if it has returned since it was read: the next digest lists it.
    async fn close(&self, item: Item, day: Date) -> Result<Option<Item>, ProcessingError> {
        if item.section != Section::Ended {
            return Ok(Some(item));
        }
        let Some(key) = entry::key(&self.settings.output_prefix, &item.id) else { return Ok(None) };
        for _ in 0..MAX_CHANGES {
            let Some((entry, etag)) = self.entry(key.clone()).await? else { return Ok(None) };
            let Some(closed) = digest::closed(&entry, &item, day) else { return Ok(None) };
            if closed == entry || self.store(&key, closed.render(), Some(&etag)).await?.is_some() {
                return Ok(Some(item));
            }
        }
        Err(ProcessingError::Conflict { key })
    }

    /// Marks a memory with the digest, unless the finding has changed since.
    async fn mark(&self, item: &Item, day: Date) -> Result<(), ProcessingError> {
        let Some(key) = entry::key(&self.settings.output_prefix, &item.id) else { return Ok(()) };
        for _ in 0..MAX_CHANGES {
            let Some((entry, etag)) = self.entry(key.clone()).await? else { return Ok(()) };
            let Some(marked) = digest::marked(&entry, item, day) else { return Ok(()) };
            if self.store(&key, marked.render(), Some(&etag)).await?.is_some() {
                return Ok(());
            }
        }
        Err(ProcessingError::Conflict { key })
    }

    async fn read(&self, key: &str, max_bytes: u64) -> Result<Option<SmallObject>, ProcessingError> {
        Ok(s3::read_small(&self.clients.s3, &self.settings.output_bucket, key, max_bytes).await?)
    }

    /// Stores an object if it has not changed. Returns its ETag.
    async fn store(&self, key: &str, bytes: Vec<u8>, etag: Option<&str>) -> Result<Option<String>, ProcessingError> {
        let output = notify::state_output(&self.settings, key, bytes.into());
        Ok(s3::put_if(&self.clients.s3, &output, etag).await?)
    }
}

fn today() -> Result<Date, ProcessingError> {
    let now = Timestamp::from_second(notify::now()).map(|now| now.to_string()).unwrap_or_default();
    digest::day_of(&now).ok_or(ProcessingError::NotATime { time: now })
}
