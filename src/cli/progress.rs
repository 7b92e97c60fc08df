//! A progress bar on stderr, for long inputs on a terminal.

use std::io::Read;

use indicatif::{ProgressBar, ProgressStyle};

/// Shorter runs are over before anyone has read the bar: 32 MiB.
const MIN_PROGRESS_BYTES: u64 = 32 << 20;

/// How much of the inputs has been read.
pub(super) struct Progress(ProgressBar);

impl Progress {
    /// Over so many bytes in all. indicatif shows nothing where stderr is no terminal.
    pub(super) fn over(bytes: u64) -> Progress {
        if bytes < MIN_PROGRESS_BYTES {
            return Progress(ProgressBar::hidden());
        }
        let style = ProgressStyle::with_template("{bar:40} {bytes} of {total_bytes}, {eta} left");
        Progress(ProgressBar::new(bytes).with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar())))
    }

    /// Counts what is read.
    pub(super) fn watch<R: Read>(&self, reader: R) -> impl Read {
        self.0.wrap_read(reader)
    }

    pub(super) fn finish(&self) {
        self.0.finish_and_clear();
    }
}
