//! The `flowsentry` command.

#![warn(clippy::expect_used, clippy::indexing_slicing)]

fn main() -> std::process::ExitCode {
    flowsentry::cli::run()
}
