//! Runs the function with local services on the loopback interface: S3, and the Runtime API that delivers events.

mod function;
mod runtime_api;
mod s3;

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex as SyncMutex};
use std::time::Duration;

use aws_sdk_s3::Client;
use s3s::S3ErrorCode;
use serde_json::Value;
use tokio::sync::Mutex;

use self::function::Function;
pub use self::runtime_api::InvocationResult;
use self::runtime_api::RuntimeApi;
use self::s3::{Call, InjectedError, S3Control};
pub use self::s3::{Encryption, TRUNCATED_IN_TRANSIT};

/// The timeout of every step, sufficient for a busy machine.
const TIMEOUT: Duration = Duration::from_secs(60);

/// The bucket of the event fixtures.
pub const SOURCE: &str = "amzn-s3-demo-bucket";
/// The bucket of the outputs.
pub const OUTPUT: &str = "amzn-s3-demo-output";
/// The bucket of the topology.
pub const TOPOLOGY: &str = "amzn-s3-demo-topology";

/// A running function with its local services. Dropping it stops all of them.
pub struct Local {
    s3: Client,
    control: Arc<SyncMutex<S3Control>>,
    runtime_api: Mutex<RuntimeApi>,
    function: Function,
    _folder: tempfile::TempDir,
}

/// The output of the function.
pub struct FunctionOutput {
    /// Each line of stdout: metrics.
    pub metrics: Vec<Value>,
    /// Each line of stderr: its log.
    pub log: Vec<Value>,
}

impl Local {
    /// Starts the function with only the required settings.
    pub async fn start() -> Local {
        Local::start_with(&[("OUTPUT_BUCKET", OUTPUT)]).await
    }

    /// Starts the function with these settings.
    pub async fn start_with(settings: &[(&str, &str)]) -> Local {
        Local::start_with_topology(settings, &[]).await
    }

    /// Stores these documents in the topology's bucket, and starts the function with these settings.
    pub async fn start_with_topology(settings: &[(&str, &str)], topology: &[(&str, &Value)]) -> Local {
        let folder = tempfile::tempdir().expect("a folder");
        let control = Arc::<SyncMutex<S3Control>>::default();
        let endpoint = s3::serve(folder.path(), Arc::clone(&control)).await;
        let s3 = s3::client(&endpoint);
        for bucket in [SOURCE, OUTPUT, TOPOLOGY] {
            s3.create_bucket().bucket(bucket).send().await.expect("a bucket");
        }
        for (key, document) in topology {
            put(&s3, TOPOLOGY, key, document.to_string().into_bytes()).await;
        }
        let runtime_api = RuntimeApi::serve().await;
        let function = Function::start(&runtime_api.address, &endpoint, settings);
        Local { s3, control, runtime_api: Mutex::new(runtime_api), function, _folder: folder }
    }

    /// Returns a client of the local S3.
    pub fn client(&self) -> Client {
        self.s3.clone()
    }

    /// Stores an object in the bucket of the event fixtures. Returns its entity tag without the quotes.
    pub async fn store(&self, key: &str, bytes: Vec<u8>) -> String {
        put(&self.s3, SOURCE, key, bytes).await
    }

    /// Deletes an object from the bucket of the event fixtures.
    pub async fn remove(&self, key: &str) {
        self.s3.delete_object().bucket(SOURCE).key(key).send().await.expect("removed");
    }

    /// Stores an object in the topology's bucket, or deletes it.
    pub async fn set_topology(&self, key: &str, text: Option<&str>) {
        println!("topology {key} is now {}", text.unwrap_or("deleted"));
        match text {
            Some(text) => {
                put(&self.s3, TOPOLOGY, key, text.as_bytes().to_vec()).await;
            }
            None => {
                self.s3.delete_object().bucket(TOPOLOGY).key(key).send().await.expect("removed");
            }
        }
    }

    /// Returns the function's read requests to the topology's bucket since the last call.
    pub fn topology_reads(&self) -> Vec<String> {
        let reads = self.calls(|call| call.bucket == TOPOLOGY && call.operation != "PutObject");
        reads.into_iter().map(|call| format!("{} {}", call.operation, call.key)).collect()
    }

    /// Returns the keys of the PutObject requests to a bucket since the last call, in order, failed ones included.
    pub fn writes(&self, bucket: &str) -> Vec<String> {
        let writes = self.calls(|call| call.bucket == bucket && call.operation == "PutObject");
        writes.into_iter().map(|call| call.key).collect()
    }

    /// Returns the keys and the encryption of the function's PutObject requests to a bucket since the last call, in order.
    pub fn encryptions(&self, bucket: &str) -> Vec<(String, Option<Encryption>)> {
        let writes = self.calls(|call| call.bucket == bucket && call.operation == "PutObject" && !call.by_test);
        writes.into_iter().map(|call| (call.key, call.encryption)).collect()
    }

    /// Returns the keys of the GetObject requests to a bucket since the last call, in order.
    pub fn reads(&self, bucket: &str) -> Vec<String> {
        let reads = self.calls(|call| call.bucket == bucket && call.operation == "GetObject");
        reads.into_iter().map(|call| call.key).collect()
    }

    /// Returns the regions for which the function's requests to this bucket were signed since the last call, each once.
    pub fn regions(&self, bucket: &str) -> Vec<String> {
        let calls = self.calls(|call| call.bucket == bucket && call.operation != "CreateBucket");
        let regions: BTreeSet<String> =
            calls.into_iter().filter(|call| !call.by_test).map(|call| call.region).collect();
        regions.into_iter().collect()
    }

    /// Removes and returns the recorded requests that match.
    fn calls(&self, wanted: impl Fn(&Call) -> bool) -> Vec<Call> {
        let calls = s3::locked(&self.control).calls.extract_if(.., |call| wanted(call)).collect();
        println!("requests: {calls:?}");
        calls
    }

    /// Makes this operation fail for every key that contains this part.
    pub fn inject_error(&self, operation: &'static str, key_part: &'static str, code: S3ErrorCode) {
        let error = InjectedError { operation, key_part, code };
        println!("from now on: {error:?}");
        s3::locked(&self.control).errors.push(error);
    }

    /// Removes all injected errors and delays.
    pub fn clear_faults(&self) {
        println!("no faults from now on");
        let mut control = s3::locked(&self.control);
        control.errors.clear();
        control.delays.clear();
    }

    /// Delivers an event to the function, and waits for the result.
    pub async fn invoke(&self, event: &Value) -> InvocationResult {
        println!("event in: {event}");
        let mut runtime_api = self.runtime_api.lock().await;
        let result = tokio::time::timeout(TIMEOUT, runtime_api.invoke(event, None)).await.expect("a result in time");
        println!("result: {result:?}");
        result
    }

    /// Delivers an event with this time until Lambda's deadline. Asserts that the result comes three seconds earlier.
    pub async fn invoke_with_timeout(&self, time: Duration, event: &Value) -> InvocationResult {
        println!("event in, for {time:?}: {event}");
        let mut runtime_api = self.runtime_api.lock().await;
        let invoked = runtime_api.invoke(event, Some(time));
        let in_time = time.saturating_sub(Duration::from_secs(3));
        let result = tokio::time::timeout(in_time, invoked).await.expect("a result three seconds before the deadline");
        println!("result: {result:?}");
        result
    }

    /// Delays this operation for every key that contains this part.
    pub fn inject_delay(&self, operation: &'static str, key_part: &'static str, time: Duration) {
        s3::locked(&self.control).delays.push((operation, key_part, time));
    }

    /// Replaces the content of an output, and keeps its metadata.
    pub async fn replace_output(&self, key: &str, bytes: Vec<u8>) {
        let metadata = self.s3.head_object().bucket(OUTPUT).key(key).send().await.expect("an output").metadata;
        let request = self.s3.put_object().bucket(OUTPUT).key(key).set_metadata(metadata);
        request.body(bytes.into()).send().await.expect("stored");
    }

    /// Stores an output without flowsentry's metadata.
    pub async fn put_output(&self, key: &str, bytes: Vec<u8>) {
        put(&self.s3, OUTPUT, key, bytes).await;
    }

    /// Deletes an output.
    pub async fn delete_output(&self, key: &str) {
        self.s3.delete_object().bucket(OUTPUT).key(key).send().await.expect("removed");
    }

    /// Returns the keys of the outputs, sorted.
    pub async fn output_keys(&self) -> Vec<String> {
        self.keys(OUTPUT).await
    }

    /// Returns the keys in a bucket, sorted.
    pub async fn keys(&self, bucket: &str) -> Vec<String> {
        let mut pages = self.s3.list_objects_v2().bucket(bucket).into_paginator().send();
        let mut keys = Vec::new();
        while let Some(page) = pages.next().await {
            let page = page.expect("a page");
            keys.extend(page.contents().iter().filter_map(|object| object.key()).map(str::to_owned));
        }
        keys.sort();
        println!("keys in {bucket}: {keys:#?}");
        keys
    }

    /// Copies an output with its metadata to the bucket of the event fixtures.
    pub async fn copy_output(&self, output: &str, key: &str) {
        let object = self.s3.get_object().bucket(OUTPUT).key(output).send().await.expect("an output");
        let request = self.s3.put_object().bucket(SOURCE).key(key).set_metadata(object.metadata);
        let bytes = object.body.collect().await.expect("its bytes").into_bytes();
        request.body(bytes.into()).send().await.expect("stored");
    }

    /// Deletes all outputs, so that objects are analyzed again.
    pub async fn delete_outputs(&self) {
        for key in self.output_keys().await {
            self.delete_output(&key).await;
        }
    }

    /// Returns an output's content type and bytes.
    pub async fn output(&self, key: &str) -> (String, Vec<u8>) {
        let object = self.s3.get_object().bucket(OUTPUT).key(key).send().await.expect("an output");
        let content_type = object.content_type().unwrap_or_default().to_owned();
        (content_type, object.body.collect().await.expect("its bytes").to_vec())
    }

    /// Returns the peak memory of the function in bytes. `None` if the system does not report it.
    pub fn peak_memory(&self) -> Option<u64> {
        self.function.peak_memory()
    }

    /// Returns the number of open files and connections. `None` if the system does not report it.
    pub fn open_files(&self) -> Option<usize> {
        self.function.open_files()
    }

    /// Kills the function and returns its output. Asserts that every line is a JSON object.
    pub fn finish(self) -> FunctionOutput {
        let (stdout, stderr) = self.function.stop();
        println!("metrics out:\n{}\nlog:\n{}", stdout.join("\n"), stderr.join("\n"));
        FunctionOutput { metrics: objects(&stdout), log: objects(&stderr) }
    }

    /// Waits until the function exits. Returns the exit status, the log, and the number of requests for an event.
    pub async fn wait(self) -> (Option<i32>, Vec<Value>, u64) {
        let (status, stderr) = self.function.wait(TIMEOUT);
        println!("log:\n{}", stderr.join("\n"));
        (status, objects(&stderr), self.runtime_api.lock().await.polls())
    }
}

/// Stores an object. Returns its entity tag without the quotes.
async fn put(s3: &Client, bucket: &str, key: &str, bytes: Vec<u8>) -> String {
    let response = s3.put_object().bucket(bucket).key(key).body(bytes.into()).send().await.expect("stored");
    response.e_tag().expect("an entity tag").trim_matches('"').to_owned()
}

/// Parses lines as JSON objects.
fn objects(lines: &[String]) -> Vec<Value> {
    lines
        .iter()
        .map(|line| {
            let value: Value = serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
            assert!(value.is_object(), "{line}");
            value
        })
        .collect()
}
