//! What knows AWS: clients, made from the environment.

pub mod documents;
pub mod download;
pub mod error;
pub mod eventbridge;
pub mod s3;

use std::time::Duration;

use aws_config::timeout::TimeoutConfig;
use aws_config::{BehaviorVersion, SdkConfig};

/// An attempt that takes longer, up to the beginning of its answer, is made anew.
const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(20);

/// The clients of the services.
#[derive(Debug, Clone)]
pub struct Clients {
    /// Of S3.
    pub s3: aws_sdk_s3::Client,
    /// Of EventBridge.
    pub events: aws_sdk_eventbridge::Client,
}

/// Clients by AWS's standard environment variables, `AWS_ENDPOINT_URL` among them.
pub async fn clients() -> Clients {
    let timeouts = TimeoutConfig::builder().operation_attempt_timeout(ATTEMPT_TIMEOUT).build();
    let shared = aws_config::defaults(BehaviorVersion::latest()).timeout_config(timeouts).load().await;
    Clients { s3: s3(&shared), events: aws_sdk_eventbridge::Client::new(&shared) }
}

fn s3(shared: &SdkConfig) -> aws_sdk_s3::Client {
    // Local servers have no name for each bucket.
    let local = shared.endpoint_url().is_some();
    let config = aws_sdk_s3::config::Builder::from(shared).force_path_style(local).build();
    aws_sdk_s3::Client::from_conf(config)
}
