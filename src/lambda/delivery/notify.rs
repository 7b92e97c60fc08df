//! Executes the decisions of [`memory`]: reads and stores the memories of findings around the sending of their alerts.

use std::time::{Duration, SystemTime};

use aws_sdk_s3::Client;
use bytes::Bytes;
use futures_util::{StreamExt, TryStreamExt, stream};
use tokio::time;
use tracing::warn;

use crate::lambda::aws::s3::{self, Kind, Output};
use crate::lambda::delivery::alerts::Notification;
use crate::lambda::delivery::alerts::stored::StoredFinding;
use crate::lambda::delivery::memory::entry::{self, About, Entry, MAX_ENTRY_BYTES};
use crate::lambda::delivery::memory::{self, Decision, Memory, Sender, Sighting};
use crate::lambda::delivery::output_keys::OutputKeys;
use crate::lambda::handler::error::ProcessingError;
use crate::lambda::settings::Settings;
use crate::sanitize::escape_truncated;

/// Maximum number of findings of an input that are remembered. The others are always part of the roll-up.
pub(crate) const MAX_REMEMBERED: usize = 200;

/// Number of memories that are read or stored at the same time.
const CONCURRENCY: usize = 8;
/// How often a memory may change between reading and storing it.
const MAX_CHANGES: u32 = 10;
/// How often, and for how long, to wait for another delivery of the same input.
const MAX_WAITS: u32 = 4;
const WAIT: Duration = Duration::from_millis(500);
/// How far the records of a finding may be ahead of the clock, in seconds. Later times are not those of traffic.
const MAX_AHEAD_SECONDS: i64 = 24 * 60 * 60;
const SECONDS_PER_HOUR: i64 = 60 * 60;

/// Longest texts in an entry.
const MAX_TEXT_CHARACTERS: usize = 512;

/// Sends the findings of one delivery with a memory.
pub(crate) struct Notifier<'a> {
    pub(crate) s3: &'a Client,
    pub(crate) settings: &'a Settings,
    pub(crate) keys: &'a OutputKeys,
    /// The token of the delivery.
    pub(crate) token: &'a str,
    pub(crate) repeat_hours: u32,
}

/// The findings to send.
#[derive(Default)]
pub(crate) struct Claims {
    /// With the memories as they are stored, in the order of the findings.
    pub(crate) notifications: Vec<Notification>,
    /// The ids of alerts that earlier deliveries of this input sent.
    pub(crate) sent: Vec<String>,
}

/// What was decided about one finding.
enum Claimed {
    ToSend(Box<Notification>),
    Sent(String),
    Quiet,
}

/// A stored memory.
struct Stored {
    /// `None` if the object is not valid.
    entry: Option<Entry>,
    etag: String,
}

impl Stored {
    fn memory(&self) -> Option<&Memory> {
        self.entry.as_ref().map(|entry| &entry.memory)
    }
}

impl Notifier<'_> {
    /// Decides which findings are sent, and stores the claims.
    ///
    /// # Errors
    /// If S3 returns an error, or if a memory changes all the time.
    pub(crate) async fn claim(&self, findings: Vec<StoredFinding>) -> Result<Claims, ProcessingError> {
        let decided = stream::iter(findings).map(|finding| self.claim_one(finding)).buffered(CONCURRENCY);
        let decided: Vec<Claimed> = decided.try_collect().await?;
        let mut claims = Claims::default();
        for claimed in decided {
            match claimed {
                Claimed::ToSend(notification) => claims.notifications.push(*notification),
                Claimed::Sent(uid) => claims.sent.push(uid),
                Claimed::Quiet => {}
            }
        }
        Ok(claims)
    }

    /// Stores that suppressed findings last, if they are remembered, so that they do not seem to have ended when the suppression does.
    ///
    /// # Errors
    /// If S3 returns an error.
    pub(crate) async fn refresh(&self, suppressed: Vec<StoredFinding>) -> Result<(), ProcessingError> {
        let suppressed = stream::iter(suppressed).take(MAX_REMEMBERED);
        let refreshed = suppressed.map(|finding| self.refresh_one(finding));
        refreshed.buffer_unordered(CONCURRENCY).try_collect().await
    }

    async fn refresh_one(&self, finding: StoredFinding) -> Result<(), ProcessingError> {
        let Some(key) = entry::key(&self.settings.output_prefix, &finding.id) else { return Ok(()) };
        let stored = self.read(&key, &finding.id).await?;
        // A claim is left to its delivery, which stores a record that is about as late.
        let known = stored.as_ref().and_then(Stored::memory).filter(|memory| memory.claim.is_none());
        if let Some(later) = known.and_then(|known| memory::refreshed(known, &sighting(&finding, ""))) {
            // If it has changed, somebody else has stored a later record.
            self.store(&key, &finding, &later, stored.as_ref()).await?;
        }
        Ok(())
    }

    /// Stores that the findings were sent. A claim that another delivery has replaced is left to that one.
    ///
    /// # Errors
    /// If S3 returns an error. The alerts are sent again.
    pub(crate) async fn confirm(&self, notifications: &[Notification]) -> Result<(), ProcessingError> {
        let confirmed = stream::iter(notifications).map(|notification| self.confirm_one(notification));
        confirmed.buffer_unordered(CONCURRENCY).try_collect().await
    }

    async fn claim_one(&self, finding: StoredFinding) -> Result<Claimed, ProcessingError> {
        // An id that is not one of flowsentry has no key, so that its finding is sent without a memory.
        let Some(key) = entry::key(&self.settings.output_prefix, &finding.id) else {
            return Ok(Claimed::ToSend(Box::new(Notification { finding, memory: None })));
        };
        let uid = format!("{}-{}", self.keys.fingerprint, finding.id);
        let (mut changes, mut waits) = (0, 0);
        while changes < MAX_CHANGES {
            let stored = self.read(&key, &finding.id).await?;
            let known = stored.as_ref().and_then(Stored::memory);
            match memory::decide(known, &sighting(&finding, &uid), &self.sender(waits < MAX_WAITS)) {
                Decision::Claim(claimed) => {
                    if self.store(&key, &finding, &claimed, stored.as_ref()).await? {
                        let memory = Some(claimed);
                        return Ok(Claimed::ToSend(Box::new(Notification { finding, memory })));
                    }
                    changes += 1;
                }
                Decision::Send => {
                    let memory = known.cloned();
                    return Ok(Claimed::ToSend(Box::new(Notification { finding, memory })));
                }
                Decision::Wait => {
                    waits += 1;
                    time::sleep(WAIT).await;
                }
                Decision::Sent => return Ok(Claimed::Sent(uid)),
                Decision::Quiet(later) => {
                    if let Some(later) = later {
                        // If it has changed, somebody else has stored a later record.
                        self.store(&key, &finding, &later, stored.as_ref()).await?;
                    }
                    return Ok(Claimed::Quiet);
                }
            }
        }
        Err(ProcessingError::Conflict { key })
    }

    async fn confirm_one(&self, Notification { finding, .. }: &Notification) -> Result<(), ProcessingError> {
        let Some(key) = entry::key(&self.settings.output_prefix, &finding.id) else { return Ok(()) };
        for _ in 0..MAX_CHANGES {
            let Some(stored) = self.read(&key, &finding.id).await? else { return Ok(()) };
            let confirmed = stored.memory().and_then(|memory| memory::confirm(memory, self.token));
            let Some(confirmed) = confirmed else { return Ok(()) };
            if self.store(&key, finding, &confirmed, Some(&stored)).await? {
                return Ok(());
            }
        }
        Err(ProcessingError::Conflict { key })
    }

    fn sender(&self, may_wait: bool) -> Sender<'_> {
        let repeat_seconds = i64::from(self.repeat_hours) * SECONDS_PER_HOUR;
        Sender { token: self.token, now: now(), repeat_seconds, may_wait }
    }

    async fn read(&self, key: &str, id: &str) -> Result<Option<Stored>, ProcessingError> {
        let bucket = &self.settings.output_bucket;
        let Some(object) = s3::read_small(self.s3, bucket, key, MAX_ENTRY_BYTES).await? else { return Ok(None) };
        let entry = match Entry::parse(&object.bytes, id) {
            Ok(entry) => Some(entry),
            Err(error) => {
                let error = escape_truncated(&error, MAX_TEXT_CHARACTERS);
                warn!(key, error, "memory of a finding is not valid; the finding counts as new");
                None
            }
        };
        Ok(Some(Stored { entry, etag: object.etag }))
    }

    /// Stores a memory if nobody has changed it. Returns whether it was stored.
    async fn store(
        &self,
        key: &str,
        finding: &StoredFinding,
        memory: &Memory,
        before: Option<&Stored>,
    ) -> Result<bool, ProcessingError> {
        // A finding that begins anew has the place of its new records.
        let known = before.and_then(|stored| stored.entry.as_ref()).filter(|entry| entry.memory.ended.is_none());
        let mut about = self.about(finding);
        if let Some(known) = known {
            about = about.with_known_place(&known.about);
        }
        let bytes = Entry::new(&finding.id, about, memory.clone()).render().into();
        let output = state_output(self.settings, key, bytes);
        Ok(s3::put_if(self.s3, &output, before.map(|stored| stored.etag.as_str())).await?.is_some())
    }

    fn about(&self, finding: &StoredFinding) -> About {
        let text = |text: &str| escape_truncated(text, MAX_TEXT_CHARACTERS);
        About {
            finding_type: text(&finding.finding_type),
            title: text(&finding.title),
            subject: finding.subject_text(),
            members: finding.subject_members(),
            next_step: text(finding.remediation().unwrap_or_default()),
            account_id: self.keys.account_id.clone(),
            region: self.keys.region.clone(),
            window: self.keys.window.clone(),
            summary: self.keys.summary.clone(),
        }
    }
}

/// Returns an object below `state/` to store.
pub(crate) fn state_output<'a>(settings: &'a Settings, key: &'a str, bytes: Bytes) -> Output<'a> {
    Output {
        bucket: &settings.output_bucket,
        key,
        kms_key_arn: settings.output_kms_key_arn.as_deref(),
        kind: Kind::State.name(),
        content_type: "application/json",
        metadata: Vec::new(),
        bytes,
    }
}

/// Returns the sighting of a finding. Records without a time are of now, and no record is of the far future, because a memory with such a
/// time would be silent for as long.
fn sighting<'a>(finding: &StoredFinding, uid: &'a str) -> Sighting<'a> {
    let now = now();
    let (first_seen, last_seen) = finding.seen();
    let last_seen = last_seen.or(first_seen).unwrap_or(now).min(now.saturating_add(MAX_AHEAD_SECONDS));
    Sighting { severity: finding.severity, first_seen: first_seen.unwrap_or(last_seen).min(last_seen), last_seen, uid }
}

/// Returns the time in seconds since the Unix epoch.
#[expect(clippy::disallowed_methods, reason = "leases, and records without a time, need the clock")]
pub(crate) fn now() -> i64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_secs()).unwrap_or(i64::MAX)
}
