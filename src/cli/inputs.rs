//! The inputs of a run: which they are, and reading several at once.

use std::collections::{BTreeMap, HashSet};
use std::fs::File;
use std::io::{self, Read};
use std::panic::{self, AssertUnwindSafe};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Condvar, Mutex, PoisonError, mpsc};
use std::thread;

use walkdir::WalkDir;

use super::complain;
use super::progress::Progress;
use crate::aggregate::Analysis;
use crate::config::Limits;
use crate::pipeline::{self, Options};

/// What flow logs in a folder are called.
const EXTENSIONS: [&str; 3] = ["log", "gz", "parquet"];

/// One input, or why there is none.
#[derive(Debug)]
pub(super) struct Input {
    uri: String,
    place: Result<InputKind, String>,
}

#[derive(Debug)]
enum InputKind {
    Stdin,
    File(PathBuf),
}

/// The inputs in the order given, those of a folder by path. What is given twice is read once, so that nothing counts
/// twice.
pub(super) fn expand(arguments: &[PathBuf]) -> Vec<Input> {
    let mut inputs = Vec::new();
    for argument in arguments {
        if argument.as_os_str() == "-" {
            inputs.push(Input { uri: "-".to_owned(), place: Ok(InputKind::Stdin) });
        } else if argument.is_dir() {
            inputs.extend(expand_folder(argument));
        } else {
            inputs.push(Input::file(argument));
        }
    }
    let mut known = HashSet::new();
    inputs.retain(|input| {
        let first = input.identity().is_none_or(|identity| known.insert(identity));
        if !first {
            complain(&format!("{}: duplicate input, read once", input.uri));
        }
        first
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
                let path = error.path().unwrap_or(folder).display().to_string();
                inputs.push(Input { uri: path, place: Err(error.to_string()) });
            }
        }
    }
    if inputs.is_empty() {
        let nothing = format!("no *.{} in this folder", EXTENSIONS.join(", *."));
        inputs.push(Input { uri: folder.display().to_string(), place: Err(nothing) });
    }
    inputs
}

fn is_flow_log(path: &Path) -> bool {
    path.extension().is_some_and(|extension| EXTENSIONS.iter().any(|known| extension == *known))
}

impl Input {
    fn file(path: &Path) -> Input {
        Input { uri: path.display().to_string(), place: Ok(InputKind::File(path.to_owned())) }
    }

    /// The same for two names of one file.
    fn identity(&self) -> Option<PathBuf> {
        match self.place.as_ref().ok()? {
            InputKind::Stdin => Some(PathBuf::from("-")),
            InputKind::File(path) => path.canonicalize().ok(),
        }
    }

    /// Bytes to read, where that is known.
    #[expect(clippy::disallowed_methods, reason = "the command line reads files")]
    fn size(&self) -> u64 {
        match &self.place {
            Ok(InputKind::File(path)) => std::fs::metadata(path).map_or(0, |metadata| metadata.len()),
            _ => 0,
        }
    }

    #[expect(clippy::disallowed_methods, reason = "the command line reads files")]
    fn open(&self) -> Result<Box<dyn Read + Send>, String> {
        match &self.place {
            Ok(InputKind::Stdin) => Ok(Box::new(io::stdin())),
            Ok(InputKind::File(path)) => match File::open(path) {
                Ok(file) => Ok(Box::new(file)),
                Err(error) => Err(format!("cannot be opened: {error}")),
            },
            Err(error) => Err(error.clone()),
        }
    }

    fn analyze(&self, options: &Options, progress: &Progress) -> Result<Analysis, String> {
        let reader = progress.watch(self.open()?);
        // Whatever a stranger's file brings about, the other inputs are still read.
        panic::catch_unwind(AssertUnwindSafe(|| pipeline::analyze(&self.uri, reader, options)))
            .map_err(|_| "internal error while reading this input (panic); please report it".to_owned())?
            .map_err(|error| error.to_string())
    }
}

/// Analyses every input by itself, several at once, and merges them in their order.
pub(super) fn analyze(inputs: &[Input], options: &Options, threads: usize) -> Analysis {
    let progress = Progress::over(inputs.iter().map(Input::size).sum());
    let workers = threads.min(inputs.len());
    // Where there are two for each input, both are put to use within it.
    let options = &Options { decompress_in_background: threads / 2 >= inputs.len(), ..options.clone() };
    let queue = Queue::new(inputs, 2 * workers);
    let (send, receive) = mpsc::channel();
    let analysis = thread::scope(|scope| {
        for _ in 0..workers {
            let (queue, send, progress) = (&queue, send.clone(), &progress);
            scope.spawn(move || {
                while let Some((place, input)) = queue.next() {
                    if send.send((place, input.analyze(options, progress))).is_err() {
                        return;
                    }
                }
            });
        }
        drop(send);
        merge(&queue, inputs, &receive, &options.limits)
    });
    progress.finish();
    analysis
}

fn merge(
    queue: &Queue<'_>,
    inputs: &[Input],
    outcomes: &mpsc::Receiver<(usize, Result<Analysis, String>)>,
    limits: &Limits,
) -> Analysis {
    let mut merged = Analysis::new(limits);
    let mut early = BTreeMap::new();
    let mut next = 0;
    for (place, outcome) in outcomes {
        early.insert(place, outcome);
        while let Some(outcome) = early.remove(&next) {
            match outcome {
                Ok(analysis) => merged.merge(analysis),
                Err(error) => merged.observe_failure(inputs[next].uri.clone(), error),
            }
            next += 1;
            queue.mark_merged(next);
        }
    }
    merged
}

/// Hands out inputs in their order, and no more than a few beyond the one that is merged next: the analyses of the
/// others would pile up in memory behind a large one.
struct Queue<'a> {
    inputs: &'a [Input],
    ahead: usize,
    taken: AtomicUsize,
    merged: Mutex<usize>,
    moved: Condvar,
}

impl<'a> Queue<'a> {
    fn new(inputs: &'a [Input], ahead: usize) -> Queue<'a> {
        Queue { inputs, ahead, taken: AtomicUsize::new(0), merged: Mutex::new(0), moved: Condvar::new() }
    }

    fn next(&self) -> Option<(usize, &'a Input)> {
        let place = self.taken.fetch_add(1, Ordering::Relaxed);
        let input = self.inputs.get(place)?;
        let merged = self.merged.lock().unwrap_or_else(PoisonError::into_inner);
        let too_early = |merged: &mut usize| place >= *merged + self.ahead;
        drop(self.moved.wait_while(merged, too_early).unwrap_or_else(PoisonError::into_inner));
        Some((place, input))
    }

    fn mark_merged(&self, next: usize) {
        *self.merged.lock().unwrap_or_else(PoisonError::into_inner) = next;
        self.moved.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn uris(arguments: &[&Path]) -> Vec<String> {
        let arguments: Vec<PathBuf> = arguments.iter().map(|path| path.to_path_buf()).collect();
        expand(&arguments).into_iter().map(|input| input.uri).collect()
    }

    #[expect(clippy::disallowed_methods, reason = "the test lays out a folder")]
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
    fn a_folder_is_its_flow_logs_by_path() {
        let folder = folder(&["b.gz", "a/z.log", "a.log.gz", "c.parquet", "notes.txt", "gz", ".log"]);
        let expected: Vec<String> = ["a/z.log", "a.log.gz", "b.gz", "c.parquet"]
            .map(|file| folder.path().join(file).display().to_string())
            .into();
        assert_eq!(uris(&[folder.path()]), expected);
    }

    #[test]
    fn what_is_given_twice_is_read_once() {
        let folder = folder(&["a.log", "b.log"]);
        let a = folder.path().join("a.log");
        let again = folder.path().join("./a.log");
        let expected = [a.display().to_string(), folder.path().join("b.log").display().to_string()];
        assert_eq!(uris(&[&a, &again, folder.path()]), expected);
        assert_eq!(uris(&[Path::new("-"), Path::new("-")]), ["-"]);
    }

    #[test]
    fn a_folder_without_flow_logs_is_a_failure() {
        let folder = folder(&["notes.txt"]);
        let analysis = analyze(&expand(&[folder.path().to_owned()]), &Options::default(), 4);
        assert_eq!(analysis.failed.len(), 1);
        assert_eq!(analysis.failed[0].error, "no *.log, *.gz, *.parquet in this folder");
    }

    #[test]
    fn no_more_than_a_few_inputs_are_handed_out_early() {
        let inputs: Vec<Input> = (0..4).map(|n| Input::file(Path::new(&n.to_string()))).collect();
        let queue = Queue::new(&inputs, 2);
        assert_eq!((queue.next().map(|(n, _)| n), queue.next().map(|(n, _)| n)), (Some(0), Some(1)));
        thread::scope(|scope| {
            let third = scope.spawn(|| queue.next().map(|(n, _)| n));
            thread::sleep(std::time::Duration::from_millis(50));
            assert!(!third.is_finished());
            queue.mark_merged(1);
            assert_eq!(third.join().expect("no panic"), Some(2));
        });
        queue.mark_merged(2);
        assert_eq!(queue.next().map(|(n, _)| n), Some(3));
        assert!(queue.next().is_none());
    }
}
