//! The `flowsentry` command.

fn main() -> std::process::ExitCode {
    flowsentry::cli::run()
}
