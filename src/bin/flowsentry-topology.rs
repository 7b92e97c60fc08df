//! The Lambda function that discovers the network: describes VPCs and stores snapshots of them.

#![warn(clippy::expect_used, clippy::indexing_slicing)]

use std::collections::HashMap;
use std::process::ExitCode;

use flowsentry::lambda::aws;
use flowsentry::lambda::discovery::DiscoveryHandler;
use flowsentry::lambda::logging;
use flowsentry::lambda::settings::{DiscoverySettings, LogLevel};
use lambda_runtime::service_fn;
use tracing::error;

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let settings = DiscoverySettings::from_variables(environment());
    logging::start(settings.as_ref().map_or_else(|_| LogLevel::default(), |settings| settings.log_level));
    let settings = match settings {
        Ok(settings) => settings,
        Err(error) => {
            error!(%error, "invalid configuration");
            return ExitCode::FAILURE;
        }
    };
    let handler = DiscoveryHandler::new(aws::clients().await.s3, settings).await;
    match lambda_runtime::run(service_fn(|event| handler.handle(event))).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            error!(%error, "Lambda runtime stopped");
            ExitCode::FAILURE
        }
    }
}

/// Returns the environment variables. Invalid UTF-8 is replaced, and rejected later if a setting has it.
#[expect(clippy::disallowed_methods, reason = "the only place where the program reads its environment")]
fn environment() -> HashMap<String, String> {
    let text = |text: std::ffi::OsString| text.to_string_lossy().into_owned();
    std::env::vars_os().map(|(name, value)| (text(name), text(value))).collect()
}
