//! The topology that the function uses: kept in memory, and read again when it is older than it may be and the
//! documents changed. What can't be read replaces nothing.

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

/// A look at the documents takes no longer while there is a topology to use.
const REFRESH_TIMEOUT: Duration = Duration::from_secs(5);

/// So many problems are logged each time that a topology is read.
const SHOWN_PROBLEMS: usize = 10;
/// So much of each.
const SHOWN_CHARACTERS: usize = 500;

/// The topology between two invocations.
#[derive(Debug)]
pub struct TopologyCache {
    client: Client,
    uri: TopologyUri,
    ttl: Duration,
    state: Mutex<State>,
}

/// The documents could not be read, or not be used.
#[derive(Debug)]
pub struct RefreshFailed {
    /// What was read before, which stays in use.
    pub last_good: Option<Arc<Topology>>,
    /// Why.
    pub error: DocumentsError,
}

#[derive(Debug, Default)]
struct State {
    kept: Option<CachedTopology>,
    /// When the documents were last looked at, with whatever result.
    last_checked: Option<Instant>,
}

#[derive(Debug, Clone)]
struct CachedTopology {
    topology: Arc<Topology>,
    /// Of the documents that it was made of.
    etags: Etags,
}

impl State {
    /// What needs no look at the documents. While there is nothing, each look may find something.
    fn fresh(&self, now: Instant, ttl: Duration) -> Option<Arc<Topology>> {
        let last_checked = self.last_checked.filter(|then| now.saturating_duration_since(*then) < ttl);
        self.topology().filter(|_| last_checked.is_some())
    }

    fn topology(&self) -> Option<Arc<Topology>> {
        self.kept.as_ref().map(|kept| Arc::clone(&kept.topology))
    }
}

impl TopologyCache {
    /// One that is still to be read from there.
    pub fn new(client: Client, uri: TopologyUri, ttl: Duration) -> TopologyCache {
        TopologyCache { client, uri, ttl, state: Mutex::default() }
    }

    /// The topology, read anew if the last look at the documents was `ttl` ago and they changed. In between this asks
    /// nobody. A look takes no longer than `patience`, and a third of it at most where there is one in use.
    ///
    /// # Errors
    /// Where it was time to look, and they can't be read or used.
    pub async fn current(&self, now: Instant, patience: Duration) -> Result<Arc<Topology>, RefreshFailed> {
        let mut state = self.state.lock().await;
        if let Some(topology) = state.fresh(now, self.ttl) {
            return Ok(topology);
        }
        state.last_checked = Some(now);
        // What is in use already is better than an invocation that did nothing but wait.
        let patience = if state.kept.is_some() { REFRESH_TIMEOUT.min(patience / 3) } else { patience };
        let look = time::timeout(patience, self.look(state.kept.as_ref())).await;
        match look.unwrap_or_else(|_| Err(DocumentsError::TimedOut { uri: self.uri.to_string() })) {
            Ok(kept) => Ok(Arc::clone(&state.kept.insert(kept).topology)),
            Err(error) => Err(RefreshFailed { last_good: state.topology(), error }),
        }
    }

    async fn look(&self, kept: Option<&CachedTopology>) -> Result<CachedTopology, DocumentsError> {
        let Some(kept) = kept else {
            return documents::read(&self.client, &self.uri).await.map(|read| self.take(read));
        };
        let changed = documents::read_if_changed(&self.client, &self.uri, &kept.etags).await?;
        Ok(changed.map_or_else(|| kept.clone(), |documents| self.take(documents)))
    }

    fn take(&self, documents: Documents) -> CachedTopology {
        let topology = Topology::new(documents.resources);
        self.tell(&topology, &documents.etags);
        CachedTopology { topology: Arc::new(topology), etags: documents.etags }
    }

    /// A line of each topology that is taken in use, and the first of its problems.
    fn tell(&self, topology: &Topology, etags: &Etags) {
        let (documents, vpcs) = (etags.len(), topology.vpcs().count());
        let peering_connections = topology.resources().peering_connections.len();
        let problems = topology.problems();
        let uri = self.uri.to_string();
        info!(uri, documents, vpcs, peering_connections, problems = problems.len(), "topology loaded");
        for problem in problems.iter().take(SHOWN_PROBLEMS) {
            let problem = problem.to_string();
            warn!(problem = truncate_chars(&problem, SHOWN_CHARACTERS), "topology problem");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::topology::describe_output::Resources;

    #[test]
    fn it_is_fresh_until_the_last_look_is_as_old_as_it_may_be() {
        #[expect(clippy::disallowed_methods, reason = "there is no other way to have an instant")]
        let start = Instant::now();
        let ttl = Duration::from_secs(300);
        let is_fresh = |state: &State, seconds| state.fresh(start + Duration::from_secs(seconds), ttl).is_some();
        let mut state = State { kept: None, last_checked: Some(start) };
        assert!(!is_fresh(&state, 0), "with nothing to use, every look is worth it");
        let topology = Arc::new(Topology::new(Resources::default()));
        state.kept = Some(CachedTopology { topology, etags: Etags::new() });
        assert!(is_fresh(&state, 0) && is_fresh(&state, 299));
        assert!(!is_fresh(&state, 300));
        // A look that failed counts as one: the next is as far away.
        state.last_checked = Some(start + ttl);
        assert!(is_fresh(&state, 599) && !is_fresh(&state, 600));
    }
}
