//! The function's log: one JSON object a line on stderr. What strangers wrote stands in it as JSON text only.

use std::io;

use tracing::error;
use tracing::level_filters::LevelFilter;

use crate::settings::LogLevel;

/// Starts the log. A stderr that can't be written to stops nothing.
///
/// # Panics
/// Where it runs already.
pub fn start(level: LogLevel) {
    tracing_subscriber::fmt()
        .json()
        .flatten_event(true)
        .with_span_list(false)
        .with_writer(io::stderr)
        .with_max_level(filter(level))
        // It would write a line that is not JSON, and panic where even that can't be written.
        .log_internal_errors(false)
        .init();
    std::panic::set_hook(Box::new(|panic| error!(error = %panic, "internal error (panic)")));
}

fn filter(level: LogLevel) -> LevelFilter {
    match level {
        LogLevel::Error => LevelFilter::ERROR,
        LogLevel::Warn => LevelFilter::WARN,
        LogLevel::Info => LevelFilter::INFO,
        LogLevel::Debug => LevelFilter::DEBUG,
        LogLevel::Trace => LevelFilter::TRACE,
    }
}
