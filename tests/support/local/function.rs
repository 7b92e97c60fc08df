//! The program of the function, as a child process.

use std::io::{BufRead, BufReader, Read};
use std::process::{Child, Command, Stdio};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use super::s3::{ACCESS_KEY, REGION, SECRET_KEY};

/// A running function. Dropping it kills the process.
pub struct Function {
    child: Child,
    stdout: Option<JoinHandle<Vec<String>>>,
    stderr: Option<JoinHandle<Vec<String>>>,
}

impl Function {
    /// Starts the function. Its environment has only Lambda's variables, the addresses of the local services, and the settings.
    pub fn start(runtime_api: &str, endpoint: &str, settings: &[(&str, &str)]) -> Function {
        let mut child = Command::new(env!("CARGO_BIN_EXE_flowsentry-lambda"))
            .env_clear()
            .env("AWS_LAMBDA_RUNTIME_API", runtime_api)
            .env("AWS_LAMBDA_FUNCTION_NAME", "flowsentry")
            .env("AWS_LAMBDA_FUNCTION_VERSION", "$LATEST")
            .env("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "512")
            .env("AWS_ENDPOINT_URL", endpoint)
            .env("AWS_REGION", REGION)
            .env("AWS_ACCESS_KEY_ID", ACCESS_KEY)
            .env("AWS_SECRET_ACCESS_KEY", SECRET_KEY)
            .env("AWS_EC2_METADATA_DISABLED", "true")
            .envs(settings.iter().copied())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the function starts");
        let stdout = child.stdout.take().map(lines);
        let stderr = child.stderr.take().map(lines);
        Function { child, stdout, stderr }
    }

    /// Kills the function. Returns the lines of stdout and of stderr.
    pub fn stop(mut self) -> (Vec<String>, Vec<String>) {
        self.kill();
        (all(self.stdout.take()), all(self.stderr.take()))
    }

    /// Waits until the function exits. Returns the exit status and the lines of stderr.
    #[expect(clippy::disallowed_methods, reason = "a test must end")]
    pub fn wait(mut self, timeout: Duration) -> (Option<i32>, Vec<String>) {
        let started = Instant::now();
        let status = loop {
            match self.child.try_wait().expect("a status") {
                Some(status) => break status,
                None if started.elapsed() > timeout => panic!("the function does not exit"),
                None => thread::sleep(Duration::from_millis(20)),
            }
        };
        (status.code(), all(self.stderr.take()))
    }

    /// Returns the peak memory of the function in bytes. `None` if the system does not report it.
    #[expect(clippy::disallowed_methods, reason = "Linux has it in a file")]
    pub fn peak_memory(&self) -> Option<u64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).ok()?;
        let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")?.strip_suffix("kB"))?;
        peak.trim().parse::<u64>().ok().map(|kibibytes| kibibytes << 10)
    }

    /// Returns the number of open files and connections. `None` if the system does not report it.
    #[expect(clippy::disallowed_methods, reason = "Linux has it in a folder")]
    pub fn open_files(&self) -> Option<usize> {
        std::fs::read_dir(format!("/proc/{}/fd", self.child.id())).ok().map(Iterator::count)
    }

    fn kill(&mut self) {
        for error in [self.child.kill().err(), self.child.wait().err()].into_iter().flatten() {
            println!("the function cannot be killed: {error}");
        }
    }
}

impl Drop for Function {
    fn drop(&mut self) {
        self.kill();
        // If the test failed before it stopped the function, print the log.
        for line in all(self.stderr.take()) {
            println!("{line}");
        }
    }
}

/// Reads the lines of a pipe in the background.
fn lines(pipe: impl Read + Send + 'static) -> JoinHandle<Vec<String>> {
    thread::spawn(move || BufReader::new(pipe).lines().map_while(Result::ok).collect())
}

/// Returns the lines that the thread read.
fn all(lines: Option<JoinHandle<Vec<String>>>) -> Vec<String> {
    lines.and_then(|lines| lines.join().ok()).unwrap_or_default()
}
