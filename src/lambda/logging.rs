//! The function's log: one JSON object a line on stderr. What strangers wrote stands in it as JSON text only.

use std::io::{self, Write};

use tracing::error;
use tracing::level_filters::LevelFilter;

use crate::lambda::settings::LogLevel;

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

/// Metrics that can't be written are no reason to read the object again.
pub fn write_metrics(lines: &[u8]) {
    let mut stdout = io::stdout().lock();
    if let Err(error) = stdout.write_all(lines).and_then(|()| stdout.flush()) {
        error!(%error, "metrics could not be written");
    }
}
