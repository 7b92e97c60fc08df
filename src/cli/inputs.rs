//! The inputs of a run: finds them, analyzes several at once, and merges the results in the order of the inputs.
//!
//! Invariants:
//! - Results are merged in input order, so that the report does not depend on the number of threads.
//! - A file that is given twice is read once, so that no record counts twice.
//! - An input that fails, even by a panic, does not stop the others.
//! - Memory is bounded: a worker waits while its input is more than [`Queue::lookahead`] ahead of the merge.

use std::collections::{BTreeMap, HashSet};
use std::io::{self, Cursor, Read};
use std::panic::{self, AssertUnwindSafe};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError, mpsc};
use std::thread;

use walkdir::WalkDir;

use super::args::Analyze;
use super::output::warn;
use super::progress::Progress;
use super::wrong_input::{self, Expected, STDIN};
use super::{CliError, EXIT_USAGE};
use crate::aggregate::Analysis;
use crate::aggregate::counters::TimeRange;
use crate::aggregate::filter::RecordFilter;
use crate::config::Limits;
use crate::pipeline::{self, Options, ReadRecords};
use crate::plan::key::EXTENSIONS;
use crate::record::Flow;
use crate::summary::{Filters, RecordCounts};

/// Maximum length of a list of inputs. Names of objects have about 150 bytes, so that these are 400,000 objects.
const MAX_LIST_BYTES: u64 = 64 << 20;

const PANIC_MESSAGE: &str = "internal error while reading this input (panic); please report it";

/// One input of the run.
#[derive(Debug)]
pub(super) struct Input {
    uri: String,
    kind: InputKind,
}

#[derive(Debug)]
enum InputKind {
    Stdin,
    /// The rest of stdin, after these bytes that were read of it.
    StdinAfter(Arc<[u8]>),
    File(PathBuf),
    /// There is nothing to read, for this reason.
    Unavailable(String),
}

/// Lists the inputs of `analyze`: those of its arguments, and those of `--inputs-from`.
pub(super) fn list(arguments: &Analyze) -> Result<Vec<Input>, CliError> {
    let Some(list) = &arguments.inputs_from else { return Ok(expand(&arguments.inputs)) };
    let usage_error = |problem: &str| CliError {
        message: format!("--inputs-from {}: {problem}", list.display()),
        status: EXIT_USAGE,
    };
    let is_stdin = |path: &PathBuf| path.as_os_str() == STDIN;
    if is_stdin(list) && arguments.inputs.iter().any(is_stdin) {
        return Err(usage_error("stdin cannot be an input, too"));
    }
    let paths = read_list(list).map_err(|error| usage_error(&error))?;
    if paths.is_empty() {
        return Err(usage_error("has no inputs"));
    }
    let mut inputs = arguments.inputs.clone();
    // A file may have the name that stands for stdin.
    inputs.extend(paths.into_iter().map(|path| if path == STDIN { format!("./{path}") } else { path }.into()));
    Ok(expand(&inputs))
}

/// Reads the names of inputs, one on each line.
fn read_list(path: &Path) -> Result<Vec<String>, String> {
    // Any text is a list of names, so another kind of file must be recognized first.
    if let Some(advice) = wrong_input::advice(path, Expected::Inputs) {
        return Err(advice.to_owned());
    }
    let list = wrong_input::read(path, Expected::Inputs, MAX_LIST_BYTES)?;
    let list = String::from_utf8(list).map_err(|error| error.to_string())?;
    Ok(list.lines().filter(|line| !line.is_empty()).map(str::to_owned).collect())
}

/// Lists the inputs in the given order, and the files of a folder by path. Reports duplicates on stderr and drops them.
pub(super) fn expand(arguments: &[PathBuf]) -> Vec<Input> {
    let mut inputs = Vec::new();
    for argument in arguments {
        if argument.as_os_str() == STDIN {
            inputs.push(Input { uri: STDIN.to_owned(), kind: InputKind::Stdin });
        } else if argument.is_dir() {
            inputs.extend(expand_folder(argument));
        } else {
            inputs.push(Input::file(argument));
        }
    }
    let mut seen = HashSet::new();
    inputs.retain(|input| {
        let is_first = input.identity().is_none_or(|identity| seen.insert(identity));
        if !is_first {
            warn(&format!("{}: duplicate input, read once", input.uri));
        }
        is_first
    });
    inputs
}

fn expand_folder(folder: &Path) -> Vec<Input> {
    let mut inputs = Vec::new();
    for entry in WalkDir::new(folder).follow_links(true).sort_by_file_name() {
        match entry {
            Ok(entry) if entry.file_type().is_file() && is_flow_log(entry.path()) => {
                inputs.push(Input::file(entry.path()));
            }
            Ok(_) => {}
            Err(error) => {
                inputs.push(Input::unavailable(error.path().unwrap_or(folder), error.to_string()));
            }
        }
    }
    if inputs.is_empty() {
        inputs.push(Input::unavailable(folder, format!("no *.{} in this folder", EXTENSIONS.join(", *."))));
    }
    inputs
}

fn is_flow_log(path: &Path) -> bool {
    path.extension().is_some_and(|extension| EXTENSIONS.iter().any(|known| extension == *known))
}

impl Input {
    fn file(path: &Path) -> Input {
        Input { uri: path.display().to_string(), kind: InputKind::File(path.to_owned()) }
    }

    /// Creates the input that is stdin, of which these bytes were read.
    pub(super) fn stdin_after(read: Vec<u8>) -> Input {
        Input { uri: STDIN.to_owned(), kind: InputKind::StdinAfter(read.into()) }
    }

    fn unavailable(path: &Path, reason: String) -> Input {
        Input { uri: path.display().to_string(), kind: InputKind::Unavailable(reason) }
    }

    /// Returns a key that is equal for two names of the same file.
    fn identity(&self) -> Option<PathBuf> {
        match &self.kind {
            InputKind::Stdin | InputKind::StdinAfter(_) => Some(PathBuf::from(STDIN)),
            InputKind::File(path) => path.canonicalize().ok(),
            InputKind::Unavailable(_) => None,
        }
    }

    /// Returns the number of bytes to read, or 0 if it is unknown.
    #[expect(clippy::disallowed_methods, reason = "the command line reads files")]
    fn size(&self) -> u64 {
        match &self.kind {
            InputKind::File(path) => std::fs::metadata(path).map_or(0, |metadata| metadata.len()),
            InputKind::Stdin | InputKind::StdinAfter(_) | InputKind::Unavailable(_) => 0,
        }
    }

    fn open(&self) -> Result<Box<dyn Read + Send>, String> {
        match &self.kind {
            InputKind::Stdin => Ok(Box::new(io::stdin())),
            InputKind::StdinAfter(read) => Ok(Box::new(Cursor::new(Arc::clone(read)).chain(io::stdin()))),
            InputKind::File(path) => wrong_input::open(path, Expected::FlowLog),
            InputKind::Unavailable(reason) => Err(reason.clone()),
        }
    }

    pub(super) fn is_stdin(&self) -> bool {
        matches!(self.kind, InputKind::Stdin | InputKind::StdinAfter(_))
    }

    /// Returns the path and the length of a file, or the reason why it cannot be read.
    #[expect(clippy::disallowed_methods, reason = "the command line reads files")]
    pub(super) fn path_and_size(&self) -> Result<(&Path, u64), String> {
        match &self.kind {
            InputKind::File(path) => match std::fs::metadata(path) {
                Ok(metadata) => Ok((path, metadata.len())),
                Err(error) => Err(wrong_input::cannot_open(path, &error, Expected::FlowLog)),
            },
            InputKind::Stdin | InputKind::StdinAfter(_) => Err("is not a file".to_owned()),
            InputKind::Unavailable(reason) => Err(reason.clone()),
        }
    }

    /// Returns the name of the input in messages.
    pub(super) fn uri(&self) -> &str {
        &self.uri
    }

    /// Reads the accepted and rejected records of the input. Turns a panic into an error, as `analyze` does.
    pub(super) fn for_each_flow(
        &self,
        options: &Options,
        observe: impl FnMut(&Flow<'_>),
    ) -> Result<ReadRecords, String> {
        let reader = self.open()?;
        panic::catch_unwind(AssertUnwindSafe(|| pipeline::for_each_flow(&self.uri, reader, options, observe)))
            .map_err(|_| PANIC_MESSAGE.to_owned())?
            .map_err(|error| error.to_string())
    }

    /// Analyzes the input. Turns a panic into an error, so that a bug that one input triggers does not lose the others.
    fn analyze(
        &self,
        options: &Options,
        filter: Option<&RecordFilter>,
        progress: &Progress,
    ) -> Result<Analysis, String> {
        let reader = progress.watch(self.open()?);
        let analyze = || match filter {
            None => pipeline::analyze(&self.uri, reader, options),
            Some(filter) => pipeline::analyze_filtered(&self.uri, reader, options, filter),
        };
        panic::catch_unwind(AssertUnwindSafe(analyze))
            .map_err(|_| PANIC_MESSAGE.to_owned())?
            .map_err(|error| error.to_string())
    }
}

/// Analyzes each input separately, several at once, and merges the results in order. Only records that pass the filter count.
pub(super) fn analyze(inputs: &[Input], options: &Options, filter: Option<&RecordFilter>, threads: usize) -> Analysis {
    let progress = Progress::new(inputs.iter().map(Input::size).sum());
    let workers = threads.min(inputs.len());
    // With two threads per input, the second one decompresses.
    let options = &Options { decompress_in_background: threads / 2 >= inputs.len(), ..options.clone() };
    let queue = Queue::new(inputs, 2 * workers);
    let (send, receive) = mpsc::channel();
    let analysis = thread::scope(|scope| {
        for _ in 0..workers {
            let (queue, send, progress) = (&queue, send.clone(), &progress);
            scope.spawn(move || {
                while let Some((index, input)) = queue.next() {
                    let result = input.analyze(options, filter, progress);
                    if send.send(Outcome { index, input, result }).is_err() {
                        return;
                    }
                }
            });
        }
        drop(send);
        merge(&queue, &receive, &options.limits)
    });
    progress.finish();
    analysis
}

/// Warns if filters with a time leave no record. Has the times of the first input, which is read again for them if it is a file.
pub(super) fn warn_if_none_passes(records: &RecordCounts, filter: &RecordFilter, inputs: &[Input], options: &Options) {
    let has_time = filter.since.is_some() || filter.until.is_some();
    let RecordCounts { total, filtered, malformed, .. } = *records;
    // Filters do not leave out malformed records.
    if !has_time || filtered == 0 || filtered.saturating_add(malformed) < total {
        return;
    }
    let times = inputs.iter().find(|input| !input.is_stdin()).and_then(|input| {
        let mut seen = TimeRange::default();
        input.for_each_flow(options, |flow| seen.observe(flow.start, flow.end)).ok()?;
        let (first, last) = (seen.first_seen?, seen.last_seen?);
        Some(format!("; the traffic of {} is from {first} to {last}", input.uri()))
    });
    let given = Filters::from(filter).record_options();
    let which = if malformed == 0 { "records" } else { "records that are not malformed" };
    warn(&format!("all {filtered} {which} are left out by {given}{}", times.unwrap_or_default()));
}

/// The result of one input.
struct Outcome<'a> {
    index: usize,
    input: &'a Input,
    result: Result<Analysis, String>,
}

/// Merges the outcomes in the order of the inputs. Keeps those that arrive early until their turn.
fn merge<'a>(queue: &Queue<'a>, outcomes: &mpsc::Receiver<Outcome<'a>>, limits: &Limits) -> Analysis {
    let mut merged = Analysis::new(limits);
    let mut early = BTreeMap::new();
    let mut next = 0;
    for outcome in outcomes {
        early.insert(outcome.index, outcome);
        while let Some(Outcome { input, result, .. }) = early.remove(&next) {
            match result {
                Ok(analysis) => merged.merge(analysis),
                Err(error) => merged.observe_failure(input.uri.clone(), error),
            }
            next += 1;
            queue.mark_merged(next);
        }
    }
    merged
}

/// Hands out the inputs in order, at most [`Queue::lookahead`] beyond the next one to merge. Without this bound, many
/// small analyses would pile up in memory while a large input is read.
struct Queue<'a> {
    inputs: &'a [Input],
    lookahead: usize,
    taken: AtomicUsize,
    /// Number of merged inputs, which is also the index of the next one to merge.
    merged: Mutex<usize>,
    merge_advanced: Condvar,
}

impl<'a> Queue<'a> {
    fn new(inputs: &'a [Input], lookahead: usize) -> Queue<'a> {
        Queue { inputs, lookahead, taken: AtomicUsize::new(0), merged: Mutex::new(0), merge_advanced: Condvar::new() }
    }

    /// Takes the next input and its index. Waits while the input is too far ahead of the merge.
    fn next(&self) -> Option<(usize, &'a Input)> {
        let index = self.taken.fetch_add(1, Ordering::Relaxed);
        let input = self.inputs.get(index)?;
        let merged = self.merged.lock().unwrap_or_else(PoisonError::into_inner);
        let is_too_early = |merged: &mut usize| index >= *merged + self.lookahead;
        drop(self.merge_advanced.wait_while(merged, is_too_early).unwrap_or_else(PoisonError::into_inner));
        Some((index, input))
    }

    /// Sets the number of merged inputs, and wakes waiting workers.
    fn mark_merged(&self, count: usize) {
        *self.merged.lock().unwrap_or_else(PoisonError::into_inner) = count;
        self.merge_advanced.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn uris(arguments: &[&Path]) -> Vec<String> {
        let arguments: Vec<PathBuf> = arguments.iter().map(|path| path.to_path_buf()).collect();
        expand(&arguments).into_iter().map(|input| input.uri).collect()
    }

    #[expect(clippy::disallowed_methods, reason = "the test creates a folder")]
    fn folder(files: &[&str]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().expect("a folder");
        for file in files {
            let path = folder.path().join(file);
            std::fs::create_dir_all(path.parent().expect("below the folder")).expect("a folder");
            std::fs::write(path, "").expect("a file");
        }
        folder
    }

    #[test]
    fn folder_expands_to_its_flow_logs_by_path() {
        let folder = folder(&["b.gz", "a/z.log", "a.log.gz", "c.parquet", "notes.txt", "gz", ".log"]);
        let expected: Vec<String> = ["a/z.log", "a.log.gz", "b.gz", "c.parquet"]
            .map(|file| folder.path().join(file).display().to_string())
            .into();
        assert_eq!(uris(&[folder.path()]), expected);
    }

    #[test]
    fn duplicate_input_is_read_once() {
        let folder = folder(&["a.log", "b.log"]);
        let a = folder.path().join("a.log");
        let duplicate = folder.path().join("./a.log");
        let expected = [a.display().to_string(), folder.path().join("b.log").display().to_string()];
        assert_eq!(uris(&[&a, &duplicate, folder.path()]), expected);
        assert_eq!(uris(&[Path::new("-"), Path::new("-")]), ["-"]);
    }

    #[test]
    fn folder_without_flow_logs_is_a_failure() {
        let folder = folder(&["notes.txt"]);
        let analysis = analyze(&expand(&[folder.path().to_owned()]), &Options::default(), None, 4);
        assert_eq!(analysis.failed.len(), 1);
        assert_eq!(analysis.failed[0].error, "no *.log, *.gz, *.parquet in this folder");
    }

    #[test]
    fn queue_hands_out_a_bounded_number_of_inputs_early() {
        let inputs: Vec<Input> = (0..4).map(|index| Input::file(Path::new(&index.to_string()))).collect();
        let queue = Queue::new(&inputs, 2);
        assert_eq!((queue.next().map(|(index, _)| index), queue.next().map(|(index, _)| index)), (Some(0), Some(1)));
        thread::scope(|scope| {
            let third = scope.spawn(|| queue.next().map(|(index, _)| index));
            thread::sleep(std::time::Duration::from_millis(50));
            assert!(!third.is_finished());
            queue.mark_merged(1);
            assert_eq!(third.join().expect("no panic"), Some(2));
        });
        queue.mark_merged(2);
        assert_eq!(queue.next().map(|(index, _)| index), Some(3));
        assert!(queue.next().is_none());
    }
}
