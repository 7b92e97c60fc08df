//! Calls to AWS. Everything that needs an SDK client is in this module.
//!
//! [`clients`] builds the clients from the environment. `s3` reads and stores objects, `download` streams a body to a
//! blocking reader, [`documents`] reads the topology and the configuration, [`snapshots`] reads and stores the topology of the discovery, and `eventbridge` sends alerts. [`error`] adds
//! advice for operators to S3's errors.

pub mod documents;
pub(crate) mod download;
pub mod error;
pub(crate) mod eventbridge;
pub(crate) mod s3;
pub mod snapshots;

use std::time::Duration;

use aws_config::timeout::TimeoutConfig;
use aws_config::{BehaviorVersion, SdkConfig};

/// Time limit of one attempt, up to the start of its response. After it the SDK retries.
const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(20);

/// The clients of the AWS services.
#[derive(Debug, Clone)]
pub struct Clients {
    /// S3.
    pub s3: aws_sdk_s3::Client,
    /// EventBridge.
    pub events: aws_sdk_eventbridge::Client,
}

/// Builds the clients from AWS's standard environment variables, `AWS_ENDPOINT_URL` among them.
pub async fn clients() -> Clients {
    let timeouts = TimeoutConfig::builder().operation_attempt_timeout(ATTEMPT_TIMEOUT).build();
    let shared = aws_config::defaults(BehaviorVersion::latest()).timeout_config(timeouts).load().await;
    Clients { s3: s3(&shared), events: aws_sdk_eventbridge::Client::new(&shared) }
}

fn s3(shared: &SdkConfig) -> aws_sdk_s3::Client {
    // Local servers have no host name for each bucket.
    let is_local = shared.endpoint_url().is_some();
    let config = aws_sdk_s3::config::Builder::from(shared).force_path_style(is_local).build();
    aws_sdk_s3::Client::from_conf(config)
}
