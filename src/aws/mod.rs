//! What knows AWS: clients, made from the environment.

pub mod documents;
pub mod s3;
pub mod topology;

use aws_config::BehaviorVersion;
use aws_sdk_s3::Client;

/// A client of S3 by AWS's standard environment variables, `AWS_ENDPOINT_URL` among them.
pub async fn s3_client() -> Client {
    let shared = aws_config::defaults(BehaviorVersion::latest()).load().await;
    // Local servers have no name for each bucket.
    let local = shared.endpoint_url().is_some();
    Client::from_conf(aws_sdk_s3::config::Builder::from(&shared).force_path_style(local).build())
}
