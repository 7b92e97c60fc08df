//! Output of the program: the report on stdout, warnings on stderr, and files.
//!
//! A broken pipe is not an error: a reader of the report, such as `head`, may close it early.

use std::io::{self, BufWriter, IsTerminal, Write};
use std::path::Path;

use tempfile::NamedTempFile;

use super::report;
use super::{CliError, EXIT_PARTIAL};

/// Width of the text report, in columns, when stdout is not a terminal and `COLUMNS` has none.
const DEFAULT_WIDTH: usize = 100;

/// Writes a JSON report to stdout, byte for byte: a filter for ANSI styles would also remove control characters that
/// belong to names.
pub(super) fn write_json(json: &[u8]) -> Result<(), CliError> {
    write_bytes(json)
}

/// Writes to stdout, byte for byte.
pub(super) fn write_bytes(bytes: &[u8]) -> Result<(), CliError> {
    ignore_broken_pipe(write_all(io::stdout(), bytes))
}

/// Writes CSV to stdout, byte for byte.
pub(super) fn write_csv(csv: &str) -> Result<(), CliError> {
    ignore_broken_pipe(write_all(io::stdout(), csv.as_bytes()))
}

/// Writes a page to stdout.
pub(super) fn write_html(page: &str) -> Result<(), CliError> {
    ignore_broken_pipe(write_all(io::stdout(), page.as_bytes()))
}

/// Writes a text report to stdout, with its styles if stdout supports them.
pub(super) fn write_text(text: &str) -> Result<(), CliError> {
    ignore_broken_pipe(write_all(anstream::stdout(), text.as_bytes()))
}

/// Writes a file, which gets its name only when it is complete.
pub(super) fn write_file(
    path: &Path,
    write: impl FnOnce(&mut BufWriter<NamedTempFile>) -> io::Result<()>,
) -> io::Result<()> {
    write_complete(path, write).map_err(|error| without_path(&error))
}

/// Returns the error without the path, which is that of a temporary file.
fn without_path(error: &io::Error) -> io::Error {
    let text = error.to_string();
    io::Error::new(error.kind(), text.split_once(" at path ").map_or(text.as_str(), |(reason, _)| reason))
}

fn write_complete(path: &Path, write: impl FnOnce(&mut BufWriter<NamedTempFile>) -> io::Result<()>) -> io::Result<()> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut temporary = tempfile::Builder::new();
    #[cfg(unix)]
    temporary.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
    let mut file = BufWriter::new(temporary.prefix(".flowsentry-").tempfile_in(folder)?);
    write(&mut file)?;
    let file = file.into_inner().map_err(io::IntoInnerError::into_error)?;
    file.as_file().sync_all()?;
    file.persist(path)?;
    Ok(())
}

/// Returns the width of the text report, in columns: that of the terminal, or of `COLUMNS` for a pipe or a file.
#[expect(clippy::disallowed_methods, reason = "the width of a pipe is known to its reader only, as for other commands")]
pub(super) fn width() -> usize {
    let terminal = io::stdout().is_terminal().then(terminal_size::terminal_size).flatten();
    let columns = || std::env::var("COLUMNS").ok()?.parse().ok().filter(|columns| *columns > 0);
    terminal.map(|(width, _)| width.0.into()).or_else(columns).unwrap_or(DEFAULT_WIDTH)
}

/// Prints one line on stderr. Escapes the message, because it may quote untrusted input. Ignores a failed write, which
/// must not stop the run.
pub(super) fn warn(message: &str) {
    drop(writeln!(anstream::stderr(), "flowsentry: {}", report::escape_unprintable(message)));
}

fn ignore_broken_pipe(result: io::Result<()>) -> Result<(), CliError> {
    match result {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        Err(error) => Err(CliError { message: format!("cannot write the report: {error}"), status: EXIT_PARTIAL }),
        Ok(()) => Ok(()),
    }
}

fn write_all(mut output: impl Write, bytes: &[u8]) -> io::Result<()> {
    output.write_all(bytes)?;
    output.flush()
}
