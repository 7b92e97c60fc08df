//! Remembers how far the records of an account and Region have come, so that the digest knows which findings have ended.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use aws_sdk_s3::Client;
use tracing::warn;

use crate::lambda::aws::error::S3Error;
use crate::lambda::aws::s3;
use crate::lambda::delivery::notify;
use crate::lambda::delivery::output_keys::OutputKeys;
use crate::lambda::digest::{MAX_OBJECT_BYTES, Progress};
use crate::lambda::settings::Settings;
use crate::summary::{Summary, WindowIdentity};

/// How far the records must advance before the progress is stored, in seconds.
const STEP_SECONDS: i64 = 15 * 60;
/// How far they may be ahead of the clock, in seconds. Later times are not those of traffic, and would end every finding.
const MAX_AHEAD_SECONDS: i64 = 60 * 60;
/// Maximum number of accounts and Regions that are remembered in memory.
const MAX_KNOWN: usize = 1_000;

/// The progress that this function has seen, by key.
#[derive(Debug, Default)]
pub(super) struct KnownProgress(Mutex<HashMap<String, i64>>);

impl KnownProgress {
    /// Stores a progress, if it is news. If that fails, findings end later, so it is only logged.
    pub(super) async fn note(&self, s3: &Client, settings: &Settings, progress: Option<Progress>) {
        let is_remembering = settings.alerts.as_ref().is_some_and(|alerting| alerting.repeat_hours > 0);
        let Some(progress) = progress.filter(|_| is_remembering) else { return };
        let data_until = progress.data_until;
        if data_until > notify::now().saturating_add(MAX_AHEAD_SECONDS) {
            warn!(data_until, "records are of the future; they do not end any finding");
            return;
        }
        let key = progress.key(&settings.output_prefix);
        if !self.is_news(&key, data_until) {
            return;
        }
        match store(s3, settings, &key, &progress).await {
            Ok(latest) => self.remember(key, latest),
            Err(error) => {
                let (code, error) = (error.code(), super::escape(&error.to_string()));
                warn!(key, code, error, "progress of a flow log not stored");
            }
        }
    }

    fn is_news(&self, key: &str, data_until: i64) -> bool {
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        known.get(key).is_none_or(|known| data_until >= known.saturating_add(STEP_SECONDS))
    }

    fn remember(&self, key: String, data_until: i64) {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= MAX_KNOWN {
            known.clear();
        }
        known.insert(key, data_until);
    }
}

/// Returns the time of the latest record of an object's summary.
pub(super) fn of_object(keys: &OutputKeys, summary: &Summary) -> Option<Progress> {
    let end = summary.window.as_ref().and_then(|window| window.end.or(window.start))?;
    let data_until = i64::try_from(end.seconds()).ok()?;
    Some(Progress::new(keys.account_id.as_deref(), keys.region.as_deref(), data_until))
}

/// Returns the progress of a report. One without records says nothing: its flow logs may have ended.
pub(super) fn of_window(window: &WindowIdentity, summary: &Summary) -> Option<Progress> {
    summary.window.as_ref()?;
    let seconds = |time: &str| time.parse().ok().map(jiff::Timestamp::as_second);
    Some(Progress::of_window(&window.name, seconds(&window.from)?, seconds(&window.to)?))
}

/// Stores a progress, unless a later one is stored. Returns the later one.
async fn store(s3: &Client, settings: &Settings, key: &str, progress: &Progress) -> Result<i64, S3Error> {
    let stored = s3::read_small(s3, &settings.output_bucket, key, MAX_OBJECT_BYTES).await?;
    let known = stored.as_ref().and_then(|stored| Progress::parse(&stored.bytes));
    let latest = known.map_or(i64::MIN, |known| known.data_until);
    if progress.data_until >= latest.saturating_add(STEP_SECONDS) {
        let output = notify::state_output(settings, key, progress.render().into());
        // If it has changed, another object has advanced it.
        s3::put_if(s3, &output, stored.as_ref().map(|stored| stored.etag.as_str())).await?;
    }
    Ok(progress.data_until.max(latest))
}
