//! Calls actions of EC2's Query API: signs requests, limits their responses, and repeats them if that may help.

use std::error::Error;
use std::time::Duration;

use aws_config::SdkConfig;
use aws_credential_types::Credentials;
use aws_sdk_s3::primitives::{ByteStream, SdkBody};
use aws_sigv4::http_request::{self, SignableBody, SignableRequest, SigningSettings};
use aws_sigv4::sign::v4;
use aws_smithy_async::time::SharedTimeSource;
use aws_smithy_http_client::{Connector, tls};
use aws_smithy_runtime_api::client::http::HttpConnector;
use aws_smithy_runtime_api::client::identity::Identity;
use aws_smithy_runtime_api::client::orchestrator::HttpRequest;
use tokio::time;

use crate::discovery::actions::Action;
use crate::discovery::retry;
use crate::discovery::snapshot::PairError;
use crate::discovery::target::Partition;
use crate::discovery::xml::{self, Page, ServiceError};
use crate::sanitize::escape_truncated;

/// Time limit of one attempt.
const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(30);
/// Maximum size of a response, in bytes: twice that of 100 route tables with 1,000 routes each.
const MAX_RESPONSE_BYTES: usize = 64 << 20;
/// Maximum length of AWS's message in an error, in characters.
const MAX_MESSAGE_CHARACTERS: usize = 500;
const CONTENT_TYPE: &str = "application/x-www-form-urlencoded; charset=utf-8";

/// What the clients of all accounts and Regions share.
pub(super) struct Connection {
    http: Connector,
    clock: SharedTimeSource,
    endpoint_url: Option<String>,
}

impl Connection {
    /// Creates a connection to AWS, or to this URL.
    pub(super) fn new(config: &SdkConfig, endpoint_url: Option<String>) -> Connection {
        let provider = tls::Provider::Rustls(tls::rustls_provider::CryptoMode::AwsLc);
        Connection {
            http: Connector::builder().tls_provider(provider).build(),
            clock: config.time_source().unwrap_or_default(),
            endpoint_url,
        }
    }
}

/// Calls EC2 in one account and Region.
pub(super) struct Client<'a> {
    connection: &'a Connection,
    url: String,
    region: &'a str,
    identity: Identity,
}

/// A call that failed.
#[derive(Debug)]
pub(super) struct CallError {
    action: &'static str,
    code: String,
    message: String,
    /// Whether another attempt may succeed.
    is_transient: bool,
}

impl CallError {
    fn new(action: &'static str, code: &str, message: impl Into<String>, is_transient: bool) -> CallError {
        CallError { action, code: code.to_owned(), message: message.into(), is_transient }
    }

    /// Creates the error of an action whose response makes no sense.
    pub(super) fn invalid(action: &'static str, message: impl Into<String>) -> CallError {
        CallError::new(action, "invalid_response", message, true)
    }

    /// Reports whether AWS has rejected this call, and would reject it again.
    pub(super) fn is_rejection(&self) -> bool {
        !self.is_transient
    }
}

impl From<CallError> for PairError {
    fn from(error: CallError) -> PairError {
        let message = escape_truncated(&error.message, MAX_MESSAGE_CHARACTERS);
        PairError { code: error.code, message: format!("{} failed: {message}", error.action) }
    }
}

impl<'a> Client<'a> {
    pub(super) fn new(
        connection: &'a Connection,
        partition: Partition,
        region: &'a str,
        credentials: Credentials,
    ) -> Client<'a> {
        let url = match &connection.endpoint_url {
            Some(url) => format!("{}/", url.trim_end_matches('/')),
            None => partition.ec2_url(region),
        };
        Client { connection, url, region, identity: credentials.into() }
    }

    /// Requests one page of an action's resources. Repeats the request if that may help.
    ///
    /// # Errors
    /// If AWS rejects the call, or all attempts failed.
    pub(super) async fn page(
        &self,
        action: &Action,
        parameters: &[(&str, &str)],
        next_token: Option<&str>,
    ) -> Result<Page, CallError> {
        let form = action.form(parameters, next_token);
        let mut attempts = 0;
        loop {
            attempts += 1;
            let timed_out = |_| Err(CallError::new(action.name, "timeout", "no response in time", true));
            let result = time::timeout(ATTEMPT_TIMEOUT, self.attempt(action, &form)).await.unwrap_or_else(timed_out);
            match result {
                Err(error) if error.is_transient && attempts < retry::MAX_ATTEMPTS => {
                    time::sleep(retry::delay(attempts, fastrand::f64())).await;
                }
                result => return result,
            }
        }
    }

    async fn attempt(&self, action: &Action, form: &str) -> Result<Page, CallError> {
        let request = self
            .signed(form)
            .map_err(|error| CallError::new(action.name, "invalid_request", error.to_string(), false))?;
        let failed = |error: &dyn Error| CallError::new(action.name, "RequestFailed", error_chain(error), true);
        let response = self.connection.http.call(request).await.map_err(|error| failed(&error))?;
        let status = response.status();
        let mut body = ByteStream::new(response.into_body());
        let mut bytes = Vec::new();
        while let Some(chunk) = body.next().await {
            bytes.extend_from_slice(&chunk.map_err(|error| failed(&error))?);
            if bytes.len() > MAX_RESPONSE_BYTES {
                let message = format!("the response has more than {MAX_RESPONSE_BYTES} bytes");
                return Err(CallError::new(action.name, "response_too_large", message, false));
            }
        }
        if status.is_success() {
            return xml::parse_page(action, &bytes).map_err(|error| CallError::invalid(action.name, error.to_string()));
        }
        Err(error_response(action.name, status.as_u16(), &bytes))
    }

    /// Builds a signed request.
    fn signed(&self, form: &str) -> Result<HttpRequest, Box<dyn Error + Send + Sync>> {
        let params = v4::SigningParams::builder()
            .identity(&self.identity)
            .region(self.region)
            .name("ec2")
            .time(self.connection.clock.now())
            .settings(SigningSettings::default())
            .build()?
            .into();
        let headers = [("content-type", CONTENT_TYPE)];
        let body = SignableBody::Bytes(form.as_bytes());
        let signable = SignableRequest::new("POST", self.url.as_str(), headers.into_iter(), body)?;
        let (instructions, _) = http_request::sign(signable, &params)?.into_parts();
        let mut request = HttpRequest::new(SdkBody::from(form));
        request.set_method("POST")?;
        request.set_uri(self.url.as_str())?;
        for (name, value) in headers.into_iter().chain(instructions.headers()) {
            request.headers_mut().insert(name.to_owned(), value.to_owned());
        }
        Ok(request)
    }
}

fn error_response(action: &'static str, status: u16, body: &[u8]) -> CallError {
    match xml::parse_error(body) {
        Some(ServiceError { code, message }) if is_code(&code) => {
            let is_transient = retry::is_transient(status, Some(&code));
            CallError { action, code, message, is_transient }
        }
        _ => {
            CallError::new(action, "RequestFailed", format!("HTTP status {status}"), retry::is_transient(status, None))
        }
    }
}

/// Reports whether the text has the form of AWS's codes. It becomes part of manifests and logs.
fn is_code(text: &str) -> bool {
    (1..=80).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'.')
}

/// Joins the messages of an error and its causes: the SDK's top-level messages are too general.
pub(super) fn error_chain(error: &dyn Error) -> String {
    let mut message = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        message += &format!(": {error}");
        cause = error.source();
    }
    escape_truncated(&message, MAX_MESSAGE_CHARACTERS)
}
