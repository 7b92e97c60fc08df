//! The function's log: one JSON object a line on stderr. What strangers wrote stands in it as JSON text only.

use std::io;

use tracing::error;
use tracing_subscriber::EnvFilter;

/// The variables that may give the level, the first one first. Lambda sets the second:
/// <https://docs.aws.amazon.com/lambda/latest/dg/monitoring-cloudwatchlogs-log-level.html>.
pub const LEVEL_NAMES: [&str; 2] = ["RUST_LOG", "AWS_LAMBDA_LOG_LEVEL"];

/// Starts the log, at this level, or with what else `RUST_LOG` may say; at `info` where that is empty or wrong.
///
/// # Panics
/// Where it runs already.
pub fn start(level: &str) {
    let filter = EnvFilter::builder().parse(directives(level));
    tracing_subscriber::fmt()
        .json()
        .flatten_event(true)
        .with_span_list(false)
        .with_writer(io::stderr)
        .with_env_filter(filter.unwrap_or_else(|_| EnvFilter::new("info")))
        .init();
    std::panic::set_hook(Box::new(|panic| error!(error = %panic, "flowsentry has a mistake")));
}

/// Lambda knows a level above `error`.
fn directives(setting: &str) -> String {
    match setting.to_ascii_lowercase().as_str() {
        "" => "info".to_owned(),
        "fatal" => "error".to_owned(),
        _ => setting.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lambda_s_levels_are_known() {
        for level in ["TRACE", "DEBUG", "INFO", "WARN", "ERROR", "FATAL", "", "flowsentry=debug,info"] {
            assert!(EnvFilter::builder().parse(directives(level)).is_ok(), "{level}");
        }
        assert_eq!(directives("FATAL"), "error");
        assert_eq!(directives(""), "info");
    }
}
