//! Completions for shells and man pages, both from the definition of the arguments.

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
    let mut command = Arguments::command().name(NAME);
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

/// Returns a command and all commands below it, except for `help`.
fn with_subcommands(command: &clap::Command) -> Vec<&clap::Command> {
    let below = command.get_subcommands().filter(|command| command.get_name() != "help" && !command.is_hide_set());
    [command].into_iter().chain(below.flat_map(with_subcommands)).collect()
}

fn page(command: clap::Command) -> Result<Vec<u8>, CliError> {
    let mut page = Vec::new();
    let failed =
        |error: io::Error| CliError { message: format!("cannot write the man page: {error}"), status: EXIT_PARTIAL };
    clap_mangen::Man::new(command).render(&mut page).map_err(failed)?;
    Ok(page)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_definition_of_the_arguments_is_consistent() {
        Arguments::command().debug_assert();
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
