//! A local Runtime API of Lambda, with the endpoints that a function uses:
//! <https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html>

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::sync::{Mutex, mpsc};

/// A deadline in the year 2100.
const NO_DEADLINE_MS: u64 = 4_102_444_800_000;

/// The result of one invocation.
#[derive(Debug, PartialEq)]
pub enum InvocationResult {
    /// The function succeeded.
    Response(Value),
    /// The function failed.
    Error { error_type: String, message: String },
}

/// The test's side of the API.
pub struct RuntimeApi {
    /// Host and port.
    pub address: String,
    events: mpsc::UnboundedSender<PendingInvocation>,
    results: mpsc::UnboundedReceiver<(String, InvocationResult)>,
    polls: Arc<AtomicU64>,
    invocations: u64,
}

/// The id of an invocation, its event, and its deadline in milliseconds.
type PendingInvocation = (String, String, u64);

/// The function's side of the API.
struct Server {
    events: Mutex<mpsc::UnboundedReceiver<PendingInvocation>>,
    results: mpsc::UnboundedSender<(String, InvocationResult)>,
    polls: Arc<AtomicU64>,
}

impl RuntimeApi {
    /// Serves until the test's runtime ends.
    pub async fn serve() -> RuntimeApi {
        let (events, next_events) = mpsc::unbounded_channel();
        let (send_results, results) = mpsc::unbounded_channel();
        let polls = Arc::new(AtomicU64::new(0));
        let server =
            Arc::new(Server { events: Mutex::new(next_events), results: send_results, polls: Arc::clone(&polls) });
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address").to_string();
        tokio::spawn(async move {
            while let Ok((connection, _)) = listener.accept().await {
                let server = Arc::clone(&server);
                let service = service_fn(move |request| respond(Arc::clone(&server), request));
                tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(connection), service));
            }
        });
        RuntimeApi { address, events, results, polls, invocations: 0 }
    }

    /// Delivers an event with this time until the deadline, and waits for the result.
    #[expect(clippy::disallowed_methods, reason = "Lambda sends the deadline as Unix time")]
    pub async fn invoke(&mut self, event: &Value, time: Option<Duration>) -> InvocationResult {
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).expect("after 1970");
        let in_milliseconds = |time: Duration| u64::try_from((now + time).as_millis()).expect("64 bits");
        let deadline = time.map_or(NO_DEADLINE_MS, in_milliseconds);
        self.invocations += 1;
        let id = format!("8476a536-e9f4-11e8-9739-{:012}", self.invocations);
        self.events.send((id.clone(), event.to_string(), deadline)).expect("the server runs");
        let (answered_id, result) = self.results.recv().await.expect("the server runs");
        assert_eq!(answered_id, id);
        result
    }

    /// Returns the number of requests for an event.
    pub fn polls(&self) -> u64 {
        self.polls.load(Ordering::SeqCst)
    }
}

/// Responds to a request of the function.
async fn respond(server: Arc<Server>, request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
    let path = request.uri().path().to_owned();
    let parts: Vec<&str> = path.strip_prefix("/2018-06-01/runtime/").unwrap_or_default().split('/').collect();
    Ok(match (request.method(), &parts[..]) {
        (&Method::GET, ["invocation", "next"]) => server.next().await,
        (&Method::POST, ["invocation", id, "response"]) => {
            let response = body(request).await;
            server.take(id, InvocationResult::Response(response))
        }
        (&Method::POST, ["invocation", id, "error"]) => {
            let error = body(request).await;
            let text = |name: &str| error[name].as_str().unwrap_or_default().to_owned();
            server.take(id, InvocationResult::Error { error_type: text("errorType"), message: text("errorMessage") })
        }
        _ => status(StatusCode::NOT_FOUND),
    })
}

impl Server {
    /// Responds with the next event.
    async fn next(&self) -> Response<Full<Bytes>> {
        self.polls.fetch_add(1, Ordering::SeqCst);
        let Some((id, event, deadline)) = self.events.lock().await.recv().await else {
            return status(StatusCode::GONE);
        };
        Response::builder()
            .header("content-type", "application/json")
            .header("lambda-runtime-aws-request-id", id)
            .header("lambda-runtime-deadline-ms", deadline)
            .header("lambda-runtime-invoked-function-arn", "arn:aws:lambda:us-east-1:123456789012:function:flowsentry")
            .body(Full::from(event))
            .expect("the headers are valid")
    }

    /// Passes a result to the test.
    fn take(&self, id: &str, result: InvocationResult) -> Response<Full<Bytes>> {
        self.results.send((id.to_owned(), result)).expect("the test runs");
        status(StatusCode::ACCEPTED)
    }
}

/// Returns a response without a body.
fn status(status: StatusCode) -> Response<Full<Bytes>> {
    Response::builder().status(status).body(Full::default()).expect("a valid response")
}

/// Reads and parses the body of a request.
async fn body(request: Request<Incoming>) -> Value {
    let bytes = request.into_body().collect().await.expect("a complete body").to_bytes();
    serde_json::from_slice(&bytes).unwrap_or_else(|error| panic!("{error}: {bytes:?}"))
}
