//! The function that discovers the network: describes accounts and Regions, and stores a snapshot if something changed.
//!
//! It needs no event: each invocation is a check. Two at once are harmless, because each writes its own snapshot, or one of them
//! fails.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use aws_config::SdkConfig;
use lambda_runtime::{Diagnostic, LambdaEvent};
use serde::Serialize;
use serde_json::Value;
use thiserror::Error;
use tokio::time::Instant;
use tracing::{error, info};

use crate::discovery::aws::{self, CallerError, OtherAccounts, Results, Targets};
use crate::discovery::snapshot::{self, Manifest, Plan, SnapshotId};
use crate::lambda::aws::documents::error::DocumentsError;
use crate::lambda::aws::snapshots::{SnapshotFolder, StoreError};
use crate::lambda::handler::deadline::Deadline;
use crate::lambda::logging::write_metrics;
use crate::lambda::metrics;
use crate::lambda::settings::DiscoverySettings;
use crate::record::timestamp::Timestamp;

/// Time that is left for storing a snapshot.
const STORE_TIME: Duration = Duration::from_secs(30);

/// Checks the network.
#[derive(Debug)]
pub struct DiscoveryHandler {
    config: SdkConfig,
    folder: SnapshotFolder,
    settings: DiscoverySettings,
    targets: Targets,
}

/// The result of a check.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct DiscoveryResponse {
    /// The snapshot that has the network as it was found.
    pub snapshot: String,
    /// Whether this check stored it.
    pub is_new: bool,
    /// Number of accounts and Regions that could not be described.
    pub stale: usize,
}

/// Why a check failed. The names are stable, because alarms may use them.
#[derive(Debug, Error)]
pub enum DiscoveryError {
    /// Nothing can be described.
    #[error(transparent)]
    Caller(#[from] CallerError),
    /// Nothing could be described, and there is no snapshot to keep.
    #[error("no account and Region could be described; the log has the reasons")]
    NothingDescribed,
    /// The last snapshot can't be read.
    #[error(transparent)]
    Read(#[from] DocumentsError),
    /// A snapshot could not be stored.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<DiscoveryError> for Diagnostic {
    fn from(error: DiscoveryError) -> Diagnostic {
        let error_type = match &error {
            DiscoveryError::Caller(_) => "CallerUnknown",
            DiscoveryError::NothingDescribed => "NothingDescribed",
            DiscoveryError::Read(_) => "SnapshotUnreadable",
            DiscoveryError::Store(_) => "SnapshotNotStored",
        };
        Diagnostic { error_type: error_type.to_owned(), error_message: error.to_string() }
    }
}

impl DiscoveryHandler {
    /// Creates a handler with the credentials of the environment.
    pub async fn new(s3: aws_sdk_s3::Client, settings: DiscoverySettings) -> DiscoveryHandler {
        let region = settings.regions.first().map_or("", String::as_str);
        let config = aws::load_config(region).await;
        let folder = SnapshotFolder { client: s3, bucket: settings.bucket.clone(), folder: settings.folder.clone() };
        let others = settings.role_name.clone().filter(|_| !settings.accounts.is_empty());
        let others = others.map(|role_name| OtherAccounts {
            account_ids: settings.accounts.clone(),
            role_name,
            external_id: settings.external_id.clone(),
        });
        let targets = Targets { regions: settings.regions.clone(), others };
        DiscoveryHandler { config, folder, settings, targets }
    }

    /// Checks the network. The content of the event does not matter.
    ///
    /// # Errors
    /// If nothing can be described, or the snapshots can't be read or stored.
    #[expect(clippy::disallowed_methods, reason = "a snapshot is named after the time of its calls")]
    pub async fn handle(&self, event: LambdaEvent<Value>) -> Result<DiscoveryResponse, DiscoveryError> {
        let time = SystemTime::now();
        let now = timestamp(time);
        let time_left = Deadline::from_context(&event.context).remaining();
        let deadline = Instant::now() + time_left.saturating_sub(STORE_TIME);
        let previous = self.folder.newest().await?;
        let known = previous.as_ref().map(|(id, manifest)| (*id, manifest));
        let results = aws::describe(&self.config, &self.targets, known.map(|(_, manifest)| manifest), deadline).await?;
        log_failures(&results);
        let plan = snapshot::plan(now, known, results);
        let (id, manifest, is_new) = self.store(plan, previous).await?;
        self.folder.record_check(now, id, &manifest, self.settings.kms_key_arn.as_deref()).await?;
        let stale = manifest.stale().count();
        write_metrics(&metrics::topology_checked(&self.settings.metrics_namespace, stale as u64, time));
        info!(snapshot = %id, is_new, stale, "network checked");
        Ok(DiscoveryResponse { snapshot: id.to_string(), is_new, stale })
    }

    /// Stores the snapshot, if there is a new one. Returns the snapshot that has the network, and whether it is new.
    async fn store(
        &self,
        plan: Plan,
        previous: Option<(SnapshotId, Manifest)>,
    ) -> Result<(SnapshotId, Manifest, bool), DiscoveryError> {
        match (plan, previous) {
            (Plan::Write(mut new), previous) => {
                let previous = previous.map(|(id, _)| id);
                self.folder.write(&mut new, previous, self.settings.kms_key_arn.as_deref()).await?;
                Ok((new.id, new.manifest, true))
            }
            (Plan::Unchanged, Some((id, manifest))) => Ok((id, manifest, false)),
            (Plan::Nothing | Plan::Unchanged, _) => Err(DiscoveryError::NothingDescribed),
        }
    }
}

fn log_failures(results: &Results) {
    for (pair, result) in results {
        if let Err(failure) = result {
            let (account_id, region) = (&pair.account_id, &pair.region);
            let (code, reason) = (&failure.code, &failure.message);
            error!(account_id, region, code, error = reason, "account and Region not described");
        }
    }
}

fn timestamp(time: SystemTime) -> Timestamp {
    let since_epoch = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp::from_seconds(since_epoch.as_secs()).unwrap_or(Timestamp::EPOCH)
}
