//! Cache of documents in S3, the topology or the configuration: refreshed after a TTL if their ETags changed. A failed refresh
//! keeps the last good version.
//!
//! An invocation asks once and uses the result for all of its objects, so that each object is analyzed with one version.

use std::sync::Arc;
use std::time::{Duration, Instant};

use aws_sdk_s3::Client;
use tokio::sync::Mutex;
use tokio::time;

use crate::lambda::aws::documents::content::Content;
use crate::lambda::aws::documents::error::DocumentsError;
use crate::lambda::aws::documents::{self, Etags, Loaded};
use crate::lambda::document_uri::DocumentUri;

/// Time limit of a refresh while an older version can be used.
const REFRESH_TIMEOUT: Duration = Duration::from_secs(5);

/// Keeps the content of documents between invocations.
#[derive(Debug)]
pub struct DocumentCache<C> {
    client: Client,
    uri: DocumentUri,
    ttl: Duration,
    state: Mutex<State<C>>,
}

/// The documents could not be read or used.
#[derive(Debug)]
pub struct RefreshFailed<C> {
    /// The content that was read before and stays in use.
    pub last_good: Option<Arc<C>>,
    /// The cause.
    pub error: DocumentsError,
}

#[derive(Debug)]
struct State<C> {
    cached: Option<Cached<C>>,
    /// When the documents were last checked, successfully or not.
    last_checked: Option<Instant>,
}

#[derive(Debug)]
struct Cached<C> {
    content: Arc<C>,
    /// The ETags of the documents that it was built from.
    etags: Etags,
}

impl<C> State<C> {
    fn new() -> State<C> {
        State { cached: None, last_checked: None }
    }

    /// Returns the content if it needs no check. Without any content, every call needs one.
    fn fresh(&self, now: Instant, ttl: Duration) -> Option<Arc<C>> {
        let last_checked = self.last_checked.filter(|then| now.saturating_duration_since(*then) < ttl);
        self.content().filter(|_| last_checked.is_some())
    }

    fn content(&self) -> Option<Arc<C>> {
        self.cached.as_ref().map(|cached| Arc::clone(&cached.content))
    }

    /// Takes in the result of a check, and returns the content to use.
    fn update(&mut self, checked: Result<Cached<C>, DocumentsError>) -> Result<Arc<C>, RefreshFailed<C>> {
        match checked {
            Ok(cached) => Ok(Arc::clone(&self.cached.insert(cached).content)),
            Err(error) => Err(RefreshFailed { last_good: self.content(), error }),
        }
    }
}

impl<C> Cached<C> {
    fn new(loaded: Loaded<C>) -> Cached<C> {
        Cached { content: Arc::new(loaded.content), etags: loaded.etags }
    }

    /// Returns the same content: the documents did not change.
    fn unchanged(&self) -> Cached<C> {
        Cached { content: Arc::clone(&self.content), etags: self.etags.clone() }
    }
}

impl<C: Content> DocumentCache<C> {
    /// Creates an empty cache. The first call of [`current`](DocumentCache::current) reads the documents.
    pub fn new(client: Client, uri: DocumentUri, ttl: Duration) -> DocumentCache<C> {
        DocumentCache { client, uri, ttl, state: Mutex::new(State::new()) }
    }

    /// Returns the content. If the last check was at least the TTL ago, this checks whether the documents changed, and then
    /// reads them. Otherwise it makes no call. A check takes at most `timeout`, and at most a third of it while an older
    /// version can be used.
    ///
    /// # Errors
    /// If a check was due and the documents can't be read or used.
    pub async fn current(&self, now: Instant, timeout: Duration) -> Result<Arc<C>, RefreshFailed<C>> {
        let mut state = self.state.lock().await;
        if let Some(content) = state.fresh(now, self.ttl) {
            return Ok(content);
        }
        state.last_checked = Some(now);
        // An older version is better than an invocation that spends its time waiting.
        let timeout = if state.cached.is_some() { REFRESH_TIMEOUT.min(timeout / 3) } else { timeout };
        let checked = time::timeout(timeout, self.check(state.cached.as_ref())).await;
        let timed_out = |_| Err(DocumentsError::TimedOut { kind: C::KIND, uri: self.uri.to_string() });
        state.update(checked.unwrap_or_else(timed_out))
    }

    /// Reads the documents, if they are not the cached ones.
    async fn check(&self, cached: Option<&Cached<C>>) -> Result<Cached<C>, DocumentsError> {
        let loaded = match cached {
            None => documents::read(&self.client, &self.uri).await?,
            Some(cached) => match documents::read_if_changed(&self.client, &self.uri, &cached.etags).await? {
                Some(loaded) => loaded,
                None => return Ok(cached.unchanged()),
            },
        };
        loaded.log(&self.uri);
        Ok(Cached::new(loaded))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TTL: Duration = Duration::from_secs(300);

    #[expect(clippy::disallowed_methods, reason = "there is no other way to create an `Instant`")]
    fn start() -> Instant {
        Instant::now()
    }

    fn version(number: u32) -> Result<Cached<u32>, DocumentsError> {
        Ok(Cached::new(Loaded { content: number, etags: Etags::new() }))
    }

    fn broken() -> Result<Cached<u32>, DocumentsError> {
        Err(DocumentsError::Missing { uri: "s3://inventory/vpc/".to_owned() })
    }

    /// Returns the last good content and the code of the error.
    fn failure(result: Result<Arc<u32>, RefreshFailed<u32>>) -> (Option<u32>, String) {
        let RefreshFailed { last_good, error } = result.expect_err("it failed");
        (last_good.map(|content| *content), error.code().to_owned())
    }

    #[test]
    fn content_is_fresh_until_the_ttl_after_the_last_check() {
        let start = start();
        let is_fresh = |state: &State<u32>, seconds| state.fresh(start + Duration::from_secs(seconds), TTL).is_some();
        let mut state = State { cached: None, last_checked: Some(start) };
        assert!(!is_fresh(&state, 0), "without content, every call checks");
        assert_eq!(state.update(version(1)).expect("read").as_ref(), &1);
        assert!(is_fresh(&state, 0) && is_fresh(&state, 299));
        assert!(!is_fresh(&state, 300));
        // A failed check counts too: the next one is a TTL later.
        state.last_checked = Some(start + TTL);
        assert!(is_fresh(&state, 599) && !is_fresh(&state, 600));
    }

    #[test]
    fn a_failed_check_keeps_the_last_good_content() {
        let mut state = State::new();
        assert_eq!(failure(state.update(broken())), (None, "topology_missing".to_owned()), "broken at first");
        let first = state.update(version(1)).expect("read");
        assert_eq!(failure(state.update(broken())), (Some(1), "topology_missing".to_owned()), "broken later");
        let unchanged = state.cached.as_ref().map(Cached::unchanged).expect("cached");
        assert!(Arc::ptr_eq(&state.update(Ok(unchanged)).expect("unchanged"), &first));
        assert_eq!(state.update(version(2)).expect("read").as_ref(), &2);
        assert_eq!(*first, 1, "an invocation keeps the version that it got");
        assert_eq!(failure(state.update(broken())).0, Some(2));
    }
}
