//! Progress bar on stderr, for long inputs on a terminal.

use std::io::Read;

use indicatif::{ProgressBar, ProgressStyle};

/// Minimum number of input bytes for a progress bar, 32 MiB. Shorter runs end before anyone can read it.
const MIN_PROGRESS_BYTES: u64 = 32 << 20;

/// Shows how much of the inputs has been read.
pub(super) struct Progress(ProgressBar);

impl Progress {
    /// Creates a bar for this number of bytes in all. indicatif hides it if stderr is not a terminal.
    pub(super) fn new(bytes: u64) -> Progress {
        if bytes < MIN_PROGRESS_BYTES {
            return Progress(ProgressBar::hidden());
        }
        let style = ProgressStyle::with_template("{bar:40} {bytes} of {total_bytes}, {eta} left");
        Progress(ProgressBar::new(bytes).with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar())))
    }

    /// Wraps a reader so that its bytes advance the bar.
    pub(super) fn watch<R: Read>(&self, reader: R) -> impl Read {
        self.0.wrap_read(reader)
    }

    /// Removes the bar from the terminal.
    pub(super) fn finish(&self) {
        self.0.finish_and_clear();
    }
}
