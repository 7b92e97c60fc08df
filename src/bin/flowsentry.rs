//! The command line.

fn main() -> std::process::ExitCode {
    flowsentry::cli::run()
}
