//! Topology cache: refreshed after its TTL if the documents' ETags changed. A failed refresh keeps the last good version.

use std::sync::Arc;
use std::time::{Duration, Instant};

use aws_sdk_s3::Client;
use tokio::sync::Mutex;
use tokio::time;
use tracing::{info, warn};

use crate::lambda::aws::documents::{self, Documents, DocumentsError, Etags};
use crate::lambda::topology_uri::TopologyUri;
use crate::sanitize::truncate_chars;
use crate::topology::Topology;

/// Time limit of a refresh while an older topology can be used.
const REFRESH_TIMEOUT: Duration = Duration::from_secs(5);

/// Maximum number of problems to log each time a topology is loaded.
const MAX_LOGGED_PROBLEMS: usize = 10;
/// Maximum length of a logged problem, in characters.
const MAX_PROBLEM_CHARACTERS: usize = 500;

/// Keeps the topology between invocations.
#[derive(Debug)]
pub struct TopologyCache {
    client: Client,
    uri: TopologyUri,
    ttl: Duration,
    state: Mutex<State>,
}

/// The documents could not be read or used.
#[derive(Debug)]
pub struct RefreshFailed {
    /// The topology that was read before and stays in use.
    pub last_good: Option<Arc<Topology>>,
    /// The cause.
    pub error: DocumentsError,
}

#[derive(Debug, Default)]
struct State {
    cached: Option<CachedTopology>,
    /// When the documents were last checked, successfully or not.
    last_checked: Option<Instant>,
}

#[derive(Debug, Clone)]
struct CachedTopology {
    topology: Arc<Topology>,
    /// The ETags of the documents that it was built from.
    etags: Etags,
}

impl State {
    /// Returns the topology if it needs no check. Without a topology every call needs one.
    fn fresh(&self, now: Instant, ttl: Duration) -> Option<Arc<Topology>> {
        let last_checked = self.last_checked.filter(|then| now.saturating_duration_since(*then) < ttl);
        self.topology().filter(|_| last_checked.is_some())
    }

    fn topology(&self) -> Option<Arc<Topology>> {
        self.cached.as_ref().map(|cached| Arc::clone(&cached.topology))
    }
}

impl TopologyCache {
    /// Creates an empty cache. The first call of [`current`](TopologyCache::current) reads the documents.
    pub fn new(client: Client, uri: TopologyUri, ttl: Duration) -> TopologyCache {
        TopologyCache { client, uri, ttl, state: Mutex::default() }
    }

    /// Returns the topology. If the last check was at least the TTL ago, this checks whether the documents changed, and
    /// then reads them. Otherwise it makes no call. A check takes at most `timeout`, and at most a third of it while an
    /// older topology can be used.
    ///
    /// # Errors
    /// If a check was due and the documents can't be read or used.
    pub async fn current(&self, now: Instant, timeout: Duration) -> Result<Arc<Topology>, RefreshFailed> {
        let mut state = self.state.lock().await;
        if let Some(topology) = state.fresh(now, self.ttl) {
            return Ok(topology);
        }
        state.last_checked = Some(now);
        // An older topology is better than an invocation that spends its time waiting.
        let timeout = if state.cached.is_some() { REFRESH_TIMEOUT.min(timeout / 3) } else { timeout };
        let refreshed = time::timeout(timeout, self.refresh(state.cached.as_ref())).await;
        match refreshed.unwrap_or_else(|_| Err(DocumentsError::TimedOut { uri: self.uri.to_string() })) {
            Ok(cached) => Ok(Arc::clone(&state.cached.insert(cached).topology)),
            Err(error) => Err(RefreshFailed { last_good: state.topology(), error }),
        }
    }

    async fn refresh(&self, cached: Option<&CachedTopology>) -> Result<CachedTopology, DocumentsError> {
        let Some(cached) = cached else {
            return documents::read(&self.client, &self.uri).await.map(|documents| self.install(documents));
        };
        let changed = documents::read_if_changed(&self.client, &self.uri, &cached.etags).await?;
        Ok(changed.map_or_else(|| cached.clone(), |documents| self.install(documents)))
    }

    fn install(&self, documents: Documents) -> CachedTopology {
        let topology = Topology::new(documents.resources);
        self.log_loaded(&topology, &documents.etags);
        CachedTopology { topology: Arc::new(topology), etags: documents.etags }
    }

    /// Logs that a topology was loaded, and the first of its problems.
    fn log_loaded(&self, topology: &Topology, etags: &Etags) {
        let (documents, vpcs) = (etags.len(), topology.vpcs().count());
        let peering_connections = topology.resources().peering_connections.len();
        let problems = topology.problems();
        let uri = self.uri.to_string();
        info!(uri, documents, vpcs, peering_connections, problems = problems.len(), "topology loaded");
        for problem in problems.iter().take(MAX_LOGGED_PROBLEMS) {
            let problem = problem.to_string();
            warn!(problem = truncate_chars(&problem, MAX_PROBLEM_CHARACTERS), "topology problem");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::topology::describe_output::Resources;

    #[test]
    fn topology_is_fresh_until_the_ttl_after_the_last_check() {
        #[expect(clippy::disallowed_methods, reason = "there is no other way to create an `Instant`")]
        let start = Instant::now();
        let ttl = Duration::from_secs(300);
        let is_fresh = |state: &State, seconds| state.fresh(start + Duration::from_secs(seconds), ttl).is_some();
        let mut state = State { cached: None, last_checked: Some(start) };
        assert!(!is_fresh(&state, 0), "without a topology, every call checks");
        let topology = Arc::new(Topology::new(Resources::default()));
        state.cached = Some(CachedTopology { topology, etags: Etags::new() });
        assert!(is_fresh(&state, 0) && is_fresh(&state, 299));
        assert!(!is_fresh(&state, 300));
        // A failed check counts too: the next one is a TTL later.
        state.last_checked = Some(start + ttl);
        assert!(is_fresh(&state, 599) && !is_fresh(&state, 600));
    }
}
