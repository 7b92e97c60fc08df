//! Cache of the snapshots of the network that are in S3: which ones there are, and the last few that were used.
//!
//! A snapshot is never changed, so it is read once. Only the list of the snapshots is refreshed after a TTL. Which snapshot is used
//! depends on the time of the data, so that an object that is analyzed again is analyzed with the same one.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

use aws_sdk_s3::Client;
use tokio::sync::Mutex;
use tokio::time;
use tracing::{error, info};

use crate::discovery::snapshot::{self, SnapshotId};
use crate::lambda::aws::documents::DocumentKind;
use crate::lambda::aws::documents::error::DocumentsError;
use crate::lambda::aws::snapshots::SnapshotFolder;
use crate::record::timestamp::Timestamp;
use crate::topology::Topology;

/// Number of snapshots that stay in memory. Objects arrive in the order of their time, with few exceptions.
const MAX_CACHED: usize = 3;
/// Time limit of a refresh of the list while an older one can be used.
const REFRESH_TIMEOUT: Duration = Duration::from_secs(5);

/// Keeps snapshots between invocations.
#[derive(Debug)]
pub struct SnapshotCache {
    folder: SnapshotFolder,
    ttl: Duration,
    state: Mutex<State>,
}

/// A snapshot in use.
#[derive(Debug, Clone)]
pub struct Snapshot {
    /// Id.
    pub id: SnapshotId,
    /// The topology in it.
    pub topology: Arc<Topology>,
}

#[derive(Debug, Default)]
struct State {
    ids: BTreeSet<SnapshotId>,
    /// When the list was last requested, successfully or not. `None` before the first success.
    last_listed: Option<Instant>,
    /// Snapshots that can't be used, until the next list, and whether they are damaged. The others have no manifest: one of them may
    /// be written right now.
    unusable: BTreeMap<SnapshotId, bool>,
    /// The last used one is first.
    cached: VecDeque<Snapshot>,
}

impl State {
    fn take_cached(&mut self, id: SnapshotId) -> Option<Snapshot> {
        let index = self.cached.iter().position(|snapshot| snapshot.id == id)?;
        let snapshot = self.cached.remove(index)?;
        self.keep(snapshot.clone());
        Some(snapshot)
    }

    fn keep(&mut self, snapshot: Snapshot) {
        self.cached.push_front(snapshot);
        self.cached.truncate(MAX_CACHED);
    }
}

impl SnapshotCache {
    /// Creates an empty cache of the snapshots in this folder.
    pub fn new(client: Client, bucket: String, folder: String, ttl: Duration) -> SnapshotCache {
        SnapshotCache { folder: SnapshotFolder { client, bucket, folder }, ttl, state: Mutex::default() }
    }

    /// Returns the snapshot in force at this time, or the newest one if the time is unknown. Returns `None` while there is none.
    /// Requests the list of the snapshots if the last one is older than the TTL. All calls take at most `timeout`.
    ///
    /// # Errors
    /// If the snapshot can't be read now, all of them are damaged, or no list could be read yet.
    pub async fn in_force(
        &self,
        data_time: Option<Timestamp>,
        now: Instant,
        timeout: Duration,
    ) -> Result<Option<Snapshot>, DocumentsError> {
        let work = async {
            let mut state = self.state.lock().await;
            self.refresh(&mut state, now, timeout).await?;
            self.choose(&mut state, data_time.unwrap_or(Timestamp::MAX)).await
        };
        let timed_out = |_| Err(DocumentsError::TimedOut { kind: DocumentKind::Topology, uri: self.folder.uri() });
        time::timeout(timeout, work).await.unwrap_or_else(timed_out)
    }

    /// Requests the list of the snapshots if it is due. An older list is used if that fails.
    async fn refresh(&self, state: &mut State, now: Instant, timeout: Duration) -> Result<(), DocumentsError> {
        if state.last_listed.is_some_and(|then| now.saturating_duration_since(then) < self.ttl) {
            return Ok(());
        }
        let is_first = state.last_listed.is_none();
        let timeout = if is_first { timeout } else { REFRESH_TIMEOUT.min(timeout / 3) };
        let listed = time::timeout(timeout, self.folder.list(state.ids.last().copied())).await;
        let timed_out = |_| Err(DocumentsError::TimedOut { kind: DocumentKind::Topology, uri: self.folder.uri() });
        match listed.unwrap_or_else(timed_out) {
            Ok(ids) => {
                state.ids.extend(ids);
                state.unusable.clear();
            }
            Err(failure) if is_first => return Err(failure),
            Err(failure) => {
                error!(code = failure.code(), error = %failure, "list of snapshots not refreshed");
            }
        }
        state.last_listed = Some(now);
        Ok(())
    }

    /// Returns the first usable snapshot. If there are only damaged ones, that is an error: without a topology, their problems would
    /// be missed.
    async fn choose(&self, state: &mut State, data_time: Timestamp) -> Result<Option<Snapshot>, DocumentsError> {
        let ids: Vec<SnapshotId> = state.ids.iter().copied().collect();
        for id in snapshot::in_force(&ids, data_time) {
            if let Some(snapshot) = state.take_cached(id) {
                return Ok(Some(snapshot));
            }
            if state.unusable.contains_key(&id) {
                continue;
            }
            let is_damaged = match self.load(id).await {
                Ok(Some(snapshot)) => {
                    state.keep(snapshot.clone());
                    return Ok(Some(snapshot));
                }
                Ok(None) => false,
                Err(failure) if failure.is_permanent() => {
                    error!(snapshot = %id, code = failure.code(), error = %failure, "snapshot not usable");
                    true
                }
                Err(failure) => return Err(failure),
            };
            state.unusable.insert(id, is_damaged);
        }
        let has_damaged = state.unusable.values().any(|is_damaged| *is_damaged);
        if has_damaged { Err(DocumentsError::NoUsableSnapshot { uri: self.folder.uri() }) } else { Ok(None) }
    }

    /// Reads a snapshot. Returns `None` if it has no manifest, because its writer stopped or is not done.
    async fn load(&self, id: SnapshotId) -> Result<Option<Snapshot>, DocumentsError> {
        let Some(manifest) = self.folder.manifest(id).await? else { return Ok(None) };
        let topology = self.folder.topology(id, &manifest).await?;
        let stale = manifest.stale().count();
        let vpcs = topology.vpcs().count();
        info!(snapshot = %id, documents = manifest.files().count(), vpcs, stale, "snapshot loaded");
        Ok(Some(Snapshot { id, topology: Arc::new(topology) }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::topology::describe_output::Resources;

    fn snapshot(hour: u64) -> Snapshot {
        let id = SnapshotId(Timestamp::from_seconds(hour * 3600).expect("a time"));
        Snapshot { id, topology: Arc::new(Topology::new(Resources::default())) }
    }

    #[test]
    fn the_last_used_snapshots_stay() {
        let mut state = State::default();
        for hour in 0..4 {
            state.keep(snapshot(hour));
        }
        assert!(state.take_cached(snapshot(0).id).is_none());
        assert!(state.take_cached(snapshot(1).id).is_some());
        state.keep(snapshot(5));
        let kept: Vec<u64> = state.cached.iter().map(|snapshot| snapshot.id.0.seconds() / 3600).collect();
        assert_eq!(kept, [5, 1, 3]);
    }
}
