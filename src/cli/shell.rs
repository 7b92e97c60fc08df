//! Completions for shells and man pages, both from the definition of the arguments.

use std::fmt::Display;
use std::io;
use std::path::Path;

use clap::CommandFactory;
use clap_complete::Shell;

use super::args::Arguments;
use super::{CliError, EXIT_PARTIAL, EXIT_SUCCESS, output};

/// Name of the program in completions and man pages.
const NAME: &str = "flowsentry";

/// Runs `completions`: writes the script for a shell to stdout. Returns the exit status.
pub(super) fn completions(shell: Shell) -> Result<u8, CliError> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Arguments::command(), NAME, &mut script);
    output::write_bytes(&script)?;
    Ok(EXIT_SUCCESS)
}

/// Runs `man`: writes the man page of the program to stdout, or those of all commands to a folder. Returns the exit status.
pub(super) fn man(folder: Option<&Path>) -> Result<u8, CliError> {
    let mut command = without_help(Arguments::command().name(NAME));
    let Some(folder) = folder else {
        output::write_bytes(&page(command)?)?;
        return Ok(EXIT_SUCCESS);
    };
    create(folder)?;
    // Names the pages of subcommands `flowsentry-analyze.1`, as they are installed.
    command.build();
    for command in with_subcommands(&command) {
        let name = command.get_display_name().unwrap_or(NAME).to_owned();
        let page = page(command.clone())?;
        let path = folder.join(format!("{name}.1"));
        let failed =
            |error| CliError { message: format!("cannot write {}: {error}", path.display()), status: EXIT_PARTIAL };
        output::write_file(&path, |file| io::Write::write_all(file, &page)).map_err(failed)?;
    }
    Ok(EXIT_SUCCESS)
}

/// Creates the folder of the pages, unless it is there.
#[expect(clippy::disallowed_methods, reason = "the command line writes files")]
fn create(folder: &Path) -> Result<(), CliError> {
    let failed = |error| CliError {
        message: format!("cannot create the folder {}: {error}", folder.display()),
        status: EXIT_PARTIAL,
    };
    std::fs::create_dir_all(folder).map_err(failed)
}

/// Returns a command whose `help` subcommands, which have no pages, are removed at all levels.
fn without_help(command: clap::Command) -> clap::Command {
    command.disable_help_subcommand(true).mut_subcommands(without_help)
}

/// Returns a command and all commands below it, except for `help`.
fn with_subcommands(command: &clap::Command) -> Vec<&clap::Command> {
    let below = command.get_subcommands().filter(|command| command.get_name() != "help");
    [command].into_iter().chain(below.flat_map(with_subcommands)).collect()
}

/// Renders the page of a command.
fn page(command: clap::Command) -> Result<Vec<u8>, CliError> {
    let failed =
        |error: &dyn Display| CliError { message: format!("cannot write the man page: {error}"), status: EXIT_PARTIAL };
    let mut page = Vec::new();
    let source = format!("{NAME} {}", env!("CARGO_PKG_VERSION"));
    clap_mangen::Man::new(command).source(source).render(&mut page).map_err(|error| failed(&error))?;
    let page = String::from_utf8(page).map_err(|error| failed(&error))?;
    Ok(unfilled_examples(&page).into_bytes())
}

/// Keeps the lines of examples, which are indented, as they are: `man` would join them.
fn unfilled_examples(page: &str) -> String {
    let mut text = String::with_capacity(page.len());
    let mut is_unfilled = false;
    for line in page.lines() {
        let is_example = line.starts_with("  ");
        if is_example != is_unfilled {
            text += if is_example { ".nf\n" } else { ".fi\n" };
            is_unfilled = is_example;
        }
        text += line;
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_definition_of_the_arguments_is_consistent() {
        Arguments::command().debug_assert();
    }

    fn text_of(command: &clap::Command) -> String {
        let Ok(page) = page(command.clone()) else { panic!("no page") };
        String::from_utf8(page).expect("UTF-8")
    }

    #[test]
    fn each_page_is_that_of_flowsentry_and_refers_to_others() {
        let mut command = without_help(Arguments::command().name(NAME));
        command.build();
        let commands = with_subcommands(&command);
        let names: Vec<&str> = commands.iter().map(|command| command.get_display_name().unwrap_or(NAME)).collect();
        assert!(names.contains(&"flowsentry-man") && names.contains(&"flowsentry-topology-check"), "{names:?}");
        for command in commands {
            let page = text_of(command);
            let title = page.lines().find(|line| line.starts_with(".TH ")).expect("a title");
            assert!(title.contains(&format!("\"{NAME} {}\"", env!("CARGO_PKG_VERSION"))), "{title}");
            for line in page.lines().filter(|line| line.starts_with(NAME) && line.ends_with("(1)")) {
                let name = line.trim_end_matches("(1)").replace('\\', "");
                assert!(names.contains(&name.as_str()), "{line}");
            }
        }
        let page = text_of(&command);
        let examples = "Examples:\n.nf\n  flowsentry analyze logs/                              What is rejected, where, and why\n";
        assert!(page.contains(examples), "{page}");
        assert!(page.contains("shell\n.fi\n\nflowsentry COMMAND"), "{page}");
    }

    #[test]
    fn only_filters_are_below_the_heading_filters() {
        let mut command = Arguments::command();
        command.build();
        for command in with_subcommands(&command) {
            let (filters, others): (Vec<_>, Vec<_>) =
                command.get_arguments().partition(|argument| argument.get_help_heading() == Some("Filters"));
            let names = filters.iter().map(|argument| argument.get_id().as_str()).collect::<Vec<_>>().join(" ");
            let expected = match command.get_name() {
                "analyze" => "min_severity fail_on since until interface vpc address port action",
                "merge" | "report" => "min_severity fail_on",
                _ => "",
            };
            assert_eq!(names, expected, "{}", command.get_name());
            assert!(others.iter().all(|argument| argument.get_help_heading().is_none()));
        }
    }

    #[test]
    fn each_command_has_examples_in_its_long_help() {
        let mut command = Arguments::command();
        command.build();
        for command in with_subcommands(&command) {
            if command.has_subcommands() && command.get_name() != NAME {
                continue;
            }
            let name = command.get_display_name().unwrap_or_default().to_owned();
            let mut command = command.clone();
            let (short, long) = (command.render_help().to_string(), command.render_long_help().to_string());
            assert!(long.contains("Examples:\n  ") && long.contains("  flowsentry "), "{name}: {long}");
            assert!(!short.contains("Examples:") && short.len() < long.len(), "{name}: {short}");
        }
    }
}
