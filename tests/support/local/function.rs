//! The function's own program.

use std::io::{BufRead, BufReader, Read};
use std::process::{Child, Command, Stdio};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use super::s3::{ACCESS_KEY, REGION, SECRET_KEY};

/// A running function, which ends with this value, whatever else happens.
pub struct Function {
    child: Child,
    stdout: Option<JoinHandle<Vec<String>>>,
    stderr: Option<JoinHandle<Vec<String>>>,
}

impl Function {
    /// Starts it in an environment that has nothing but what Lambda gives, the local services and the settings.
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

    /// Ends it: what it wrote to stdout and to stderr.
    pub fn stop(mut self) -> (Vec<String>, Vec<String>) {
        self.kill();
        (all(self.stdout.take()), all(self.stderr.take()))
    }

    /// Waits until it ends by itself: its exit status, and what it wrote to stderr.
    #[expect(clippy::disallowed_methods, reason = "a test must end")]
    pub fn wait(mut self, patience: Duration) -> (Option<i32>, Vec<String>) {
        let started = Instant::now();
        let status = loop {
            match self.child.try_wait().expect("its state") {
                Some(status) => break status,
                None if started.elapsed() > patience => panic!("it does not end"),
                None => thread::sleep(Duration::from_millis(20)),
            }
        };
        (status.code(), all(self.stderr.take()))
    }

    /// The most memory that it had so far, in bytes, where the system tells.
    #[expect(clippy::disallowed_methods, reason = "Linux tells it in a file")]
    pub fn peak_memory(&self) -> Option<u64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).ok()?;
        let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")?.strip_suffix("kB"))?;
        peak.trim().parse::<u64>().ok().map(|kibibytes| kibibytes << 10)
    }

    /// How many files and connections it has open, where the system tells.
    #[expect(clippy::disallowed_methods, reason = "Linux tells it in a folder")]
    pub fn open_files(&self) -> Option<usize> {
        std::fs::read_dir(format!("/proc/{}/fd", self.child.id())).ok().map(Iterator::count)
    }

    fn kill(&mut self) {
        for error in [self.child.kill().err(), self.child.wait().err()].into_iter().flatten() {
            println!("the function can't be ended: {error}");
        }
    }
}

impl Drop for Function {
    fn drop(&mut self) {
        self.kill();
        // A test that failed before it could stop the function shows what the function said.
        for line in all(self.stderr.take()) {
            println!("{line}");
        }
    }
}

fn lines(pipe: impl Read + Send + 'static) -> JoinHandle<Vec<String>> {
    thread::spawn(move || BufReader::new(pipe).lines().map_while(Result::ok).collect())
}

fn all(lines: Option<JoinHandle<Vec<String>>>) -> Vec<String> {
    lines.and_then(|lines| lines.join().ok()).unwrap_or_default()
}
