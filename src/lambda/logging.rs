//! Logs of the function: one JSON object per line on stderr. Untrusted text appears only inside JSON strings.
//!
//! Metrics are written to stdout, so that log lines and metric documents never mix.

use std::io::{self, Write};

use tracing::error;
use tracing::level_filters::LevelFilter;

use crate::lambda::settings::LogLevel;

/// Starts logging, and logs panics as errors. Failures to write to stderr are ignored.
///
/// # Panics
/// If logging was started before.
pub fn start(level: LogLevel) {
    tracing_subscriber::fmt()
        .json()
        .flatten_event(true)
        .with_span_list(false)
        .with_writer(io::stderr)
        .with_max_level(level_filter(level))
        // The subscriber reports its own errors as plain text, and panics if that fails too.
        .log_internal_errors(false)
        .init();
    std::panic::set_hook(Box::new(|panic| error!(error = %panic, "internal error (panic)")));
}

fn level_filter(level: LogLevel) -> LevelFilter {
    match level {
        LogLevel::Error => LevelFilter::ERROR,
        LogLevel::Warn => LevelFilter::WARN,
        LogLevel::Info => LevelFilter::INFO,
        LogLevel::Debug => LevelFilter::DEBUG,
        LogLevel::Trace => LevelFilter::TRACE,
    }
}

/// Writes metric documents to stdout. A failure is only logged: reading the object again would not repair it.
pub(crate) fn write_metrics(lines: &[u8]) {
    let mut stdout = io::stdout().lock();
    if let Err(error) = stdout.write_all(lines).and_then(|()| stdout.flush()) {
        error!(%error, "metrics could not be written");
    }
}
