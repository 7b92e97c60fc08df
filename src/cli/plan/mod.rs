//! Runs `plan`: lists objects, and writes the batches of a report for any program that runs them.
//!
//! - `listing`: reads the listings of a bucket.
//!
//! The plan itself is made by [`crate::plan`]. `plan.json` is written last: a folder that has it is complete.

mod listing;

use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::Path;

use jiff::Timestamp;

use super::output::{self, warn};
use super::{CliError, EXIT_PARTIAL, EXIT_SUCCESS, EXIT_USAGE};
use super::{args, inputs, report, wrong_input};
use crate::plan::{LogObject, Plan, PlanOptions, Planner, Window};

/// Digits in the name of a batch, unless there are more batches.
const MIN_BATCH_DIGITS: usize = 5;

/// Runs `plan`. Returns the exit status, which is 1 if an input cannot be planned.
pub(super) fn plan(arguments: &args::Plan) -> Result<u8, CliError> {
    let window = window(arguments.from, arguments.to)?;
    let args::Plan { max_batch_bytes, max_batch_objects, fan_in, .. } = *arguments;
    let options = PlanOptions { max_batch_bytes, max_batch_objects, fan_in };
    require_empty(&arguments.output)?;
    let mut lister = Lister { planner: Planner::new(options, window), is_complete: true };
    for path in &arguments.listing {
        listing::read(path, arguments.bucket.as_deref(), |object| lister.add(object))?;
    }
    if arguments.listing.is_empty() {
        lister.add_files(arguments)?;
    }
    let plan = lister.planner.finish();
    write(&plan, &arguments.output).map_err(|error| CliError {
        message: format!("cannot write the plan to {}: {error}", arguments.output.display()),
        status: EXIT_PARTIAL,
    })?;
    output::write_text(&report::render_plan(&plan, output::width()))?;
    Ok(if lister.is_complete { EXIT_SUCCESS } else { EXIT_PARTIAL })
}

fn window(from: Option<Timestamp>, to: Option<Timestamp>) -> Result<Window, CliError> {
    let Window { from: first, to: end } = Window::ALL;
    let window = Window { from: from.unwrap_or(first), to: to.unwrap_or(end) };
    if window.is_empty() {
        return Err(usage_error(format!("--from {} is not before --to {}", window.from, window.to)));
    }
    Ok(window)
}

fn usage_error(message: String) -> CliError {
    CliError { message, status: EXIT_USAGE }
}

/// Returns an error for a folder with files: batches of another plan would be analyzed, too.
fn require_empty(folder: &Path) -> Result<(), CliError> {
    if let Some(reason) = wrong_input::cannot_write_folder(folder) {
        return Err(usage_error(format!("--output {}: {reason}", folder.display())));
    }
    #[expect(clippy::disallowed_methods, reason = "the command line writes files")]
    let first = fs::read_dir(folder).map(|mut entries| entries.next().is_some());
    match first {
        Ok(true) => {
            let folder = folder.display();
            Err(usage_error(format!("--output {folder}: is not empty; remove it, or choose another folder")))
        }
        Ok(false) => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(usage_error(format!("--output {}: {error}", folder.display()))),
    }
}

/// Adds objects to the plan, as far as their names can be lines of a file.
struct Lister {
    planner: Planner,
    /// Whether all inputs could be added.
    is_complete: bool,
}

impl Lister {
    fn add(&mut self, object: LogObject) {
        if object.uri().contains(['\n', '\r']) {
            self.refuse(
                &object.uri(),
                "has a line break in its name, so that it cannot be a line of a batch; not planned",
            );
        } else {
            self.planner.add(object);
        }
    }

    fn add_files(&mut self, arguments: &args::Plan) -> Result<(), CliError> {
        for input in inputs::expand(&arguments.inputs) {
            if input.is_stdin() {
                return Err(usage_error("-: stdin cannot be planned; pass files, folders, or --listing -".to_owned()));
            }
            match input.path_and_size() {
                Ok((path, bytes)) => match path.to_str() {
                    Some(path) => self.add(LogObject { bucket: None, key: path.to_owned(), bytes, etag: None }),
                    None => self.refuse(input.uri(), "has a name that is not UTF-8; not planned"),
                },
                Err(reason) => self.refuse(input.uri(), &reason),
            }
        }
        Ok(())
    }

    fn refuse(&mut self, name: &str, reason: &str) {
        warn(&format!("{name}: {reason}"));
        self.is_complete = false;
    }
}

#[expect(clippy::disallowed_methods, reason = "the command line writes files")]
fn write(plan: &Plan, folder: &Path) -> io::Result<()> {
    let batches = folder.join("batches");
    fs::create_dir_all(&batches)?;
    let digits = plan.batches.len().saturating_sub(1).to_string().len().max(MIN_BATCH_DIGITS);
    for (index, batch) in plan.batches.iter().enumerate() {
        let mut file = BufWriter::new(File::create(batches.join(format!("{index:0digits$}.txt")))?);
        batch.objects.iter().try_for_each(|object| writeln!(file, "{}", object.uri()))?;
        file.flush()?;
    }
    output::write_file(&folder.join("plan.json"), |file| {
        serde_json::to_writer(&mut *file, plan)?;
        writeln!(file)
    })
}
