//! Everything that the function meets in AWS, on this machine's loopback: S3, and the Runtime API that gives it events.

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
pub use self::runtime_api::Answer;
use self::runtime_api::RuntimeApi;
pub use self::s3::CUT_IN_TRANSIT;
use self::s3::{Call, Desk, Refusal};

/// Nothing here takes longer, however busy the machine.
const PATIENCE: Duration = Duration::from_secs(60);

/// The bucket of the events' fixtures.
pub const SOURCE: &str = "amzn-s3-demo-bucket";
/// The bucket of the outputs.
pub const OUTPUT: &str = "amzn-s3-demo-output";
/// The bucket of the topology.
pub const TOPOLOGY: &str = "amzn-s3-demo-topology";

/// The function at work. Dropping it ends all of it.
pub struct Local {
    s3: Client,
    desk: Arc<SyncMutex<Desk>>,
    runtime_api: Mutex<RuntimeApi>,
    function: Function,
    _folder: tempfile::TempDir,
}

/// All that the function wrote.
pub struct Written {
    /// Each line of stdout: metrics.
    pub metrics: Vec<Value>,
    /// Each line of stderr: its log.
    pub log: Vec<Value>,
}

impl Local {
    /// Starts the function with nothing but the settings that it needs.
    pub async fn start() -> Local {
        Local::start_with(&[("OUTPUT_BUCKET", OUTPUT)]).await
    }

    /// Starts the function with these settings.
    pub async fn start_with(settings: &[(&str, &str)]) -> Local {
        Local::start_beside(settings, &[]).await
    }

    /// Starts the function with these settings, when the bucket of the topology has these documents.
    pub async fn start_beside(settings: &[(&str, &str)], topology: &[(&str, &Value)]) -> Local {
        let folder = tempfile::tempdir().expect("a folder");
        let desk = Arc::<SyncMutex<Desk>>::default();
        let endpoint = s3::serve(folder.path(), Arc::clone(&desk)).await;
        let s3 = s3::client(&endpoint);
        for bucket in [SOURCE, OUTPUT, TOPOLOGY] {
            s3.create_bucket().bucket(bucket).send().await.expect("a bucket");
        }
        for (key, document) in topology {
            put(&s3, TOPOLOGY, key, document.to_string().into_bytes()).await;
        }
        let runtime_api = RuntimeApi::serve().await;
        let function = Function::start(&runtime_api.address, &endpoint, settings);
        Local { s3, desk, runtime_api: Mutex::new(runtime_api), function, _folder: folder }
    }

    /// A client of this S3.
    pub fn client(&self) -> Client {
        self.s3.clone()
    }

    /// Stores an object in the bucket of the events' fixtures: its entity tag, without the quotes.
    pub async fn store(&self, key: &str, bytes: Vec<u8>) -> String {
        put(&self.s3, SOURCE, key, bytes).await
    }

    /// Removes an object from the bucket of the events' fixtures.
    pub async fn remove(&self, key: &str) {
        self.s3.delete_object().bucket(SOURCE).key(key).send().await.expect("removed");
    }

    /// Stores an object in the bucket of the topology, or removes it.
    pub async fn set_topology(&self, key: &str, text: Option<&str>) {
        println!("topology {key} is now {}", text.unwrap_or("away"));
        match text {
            Some(text) => {
                put(&self.s3, TOPOLOGY, key, text.as_bytes().to_vec()).await;
            }
            None => {
                self.s3.delete_object().bucket(TOPOLOGY).key(key).send().await.expect("removed");
            }
        }
    }

    /// What the function asked of the topology's bucket since this was last called.
    pub fn topology_reads(&self) -> Vec<String> {
        let reads = self.calls(|call| call.bucket == TOPOLOGY && call.operation != "PutObject");
        reads.into_iter().map(|call| format!("{} {}", call.operation, call.key)).collect()
    }

    /// The keys that the function wrote or was refused to write to a bucket since this was last called, in order.
    pub fn writes(&self, bucket: &str) -> Vec<String> {
        let writes = self.calls(|call| call.bucket == bucket && call.operation == "PutObject");
        writes.into_iter().map(|call| call.key).collect()
    }

    /// The keys that the function asked a bucket for since this was last called, in order.
    pub fn reads(&self, bucket: &str) -> Vec<String> {
        let reads = self.calls(|call| call.bucket == bucket && call.operation == "GetObject");
        reads.into_iter().map(|call| call.key).collect()
    }

    /// The regions that calls of this bucket were signed for since this was last called, each once; but for those of
    /// the test.
    pub fn regions(&self, bucket: &str) -> Vec<String> {
        let calls = self.calls(|call| call.bucket == bucket && call.operation != "CreateBucket");
        let regions: BTreeSet<String> =
            calls.into_iter().filter(|call| !call.of_test).map(|call| call.region).collect();
        regions.into_iter().collect()
    }

    fn calls(&self, wanted: impl Fn(&Call) -> bool) -> Vec<Call> {
        let calls = s3::locked(&self.desk).calls.extract_if(.., |call| wanted(call)).collect();
        println!("asked for: {calls:?}");
        calls
    }

    /// From now on, this operation fails for every object with this part in its key.
    pub fn refuse(&self, operation: &'static str, key_part: &'static str, code: S3ErrorCode) {
        let refusal = Refusal { operation, key_part, code };
        println!("from now on: {refusal:?}");
        s3::locked(&self.desk).refusals.push(refusal);
    }

    /// From now on, nothing is refused.
    pub fn refuse_nothing(&self) {
        println!("nothing is refused any more");
        let mut desk = s3::locked(&self.desk);
        desk.refusals.clear();
        desk.delays.clear();
    }

    /// Gives the function an event, and waits for its answer.
    pub async fn invoke(&self, event: &Value) -> Answer {
        println!("event in: {event}");
        let mut runtime_api = self.runtime_api.lock().await;
        let answer = tokio::time::timeout(PATIENCE, runtime_api.invoke(event, None)).await.expect("an answer in time");
        println!("answer: {answer:?}");
        answer
    }

    /// The same, with so much time until Lambda would end the function: it has to answer three seconds before.
    pub async fn invoke_within(&self, time: Duration, event: &Value) -> Answer {
        println!("event in, for {time:?}: {event}");
        let mut runtime_api = self.runtime_api.lock().await;
        let invoked = runtime_api.invoke(event, Some(time));
        let in_time = time.saturating_sub(Duration::from_secs(3));
        let answer = tokio::time::timeout(in_time, invoked).await.expect("an answer three seconds before the end");
        println!("answer: {answer:?}");
        answer
    }

    /// From now on, this operation takes so long for every object with this part in its key.
    pub fn delay(&self, operation: &'static str, key_part: &'static str, time: Duration) {
        s3::locked(&self.desk).delays.push((operation, key_part, time));
    }

    /// Replaces an output, and keeps its metadata.
    pub async fn replace_output(&self, key: &str, bytes: Vec<u8>) {
        let metadata = self.s3.head_object().bucket(OUTPUT).key(key).send().await.expect("an output").metadata;
        let request = self.s3.put_object().bucket(OUTPUT).key(key).set_metadata(metadata);
        request.body(bytes.into()).send().await.expect("stored");
    }

    /// Stores an output as somebody else would.
    pub async fn put_output(&self, key: &str, bytes: Vec<u8>) {
        put(&self.s3, OUTPUT, key, bytes).await;
    }

    /// Removes an output.
    pub async fn forget_output(&self, key: &str) {
        self.s3.delete_object().bucket(OUTPUT).key(key).send().await.expect("removed");
    }

    /// The keys of the outputs, in order.
    pub async fn output_keys(&self) -> Vec<String> {
        self.keys(OUTPUT).await
    }

    /// The keys of a bucket's objects, in order.
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

    /// Copies an output, metadata and all, to the bucket of the events' fixtures.
    pub async fn copy_output(&self, output: &str, key: &str) {
        let object = self.s3.get_object().bucket(OUTPUT).key(output).send().await.expect("an output");
        let request = self.s3.put_object().bucket(SOURCE).key(key).set_metadata(object.metadata);
        let bytes = object.body.collect().await.expect("its bytes").into_bytes();
        request.body(bytes.into()).send().await.expect("stored");
    }

    /// Removes all outputs: objects are analysed anew then.
    pub async fn forget_outputs(&self) {
        for key in self.output_keys().await {
            self.forget_output(&key).await;
        }
    }

    /// An output's content type and bytes.
    pub async fn output(&self, key: &str) -> (String, Vec<u8>) {
        let object = self.s3.get_object().bucket(OUTPUT).key(key).send().await.expect("an output");
        let content_type = object.content_type().unwrap_or_default().to_owned();
        (content_type, object.body.collect().await.expect("its bytes").to_vec())
    }

    /// The most memory that the function had so far, in bytes, where the system tells.
    pub fn peak_memory(&self) -> Option<u64> {
        self.function.peak_memory()
    }

    /// How many files and connections the function has open, where the system tells.
    pub fn open_files(&self) -> Option<usize> {
        self.function.open_files()
    }

    /// Ends the function. All that it wrote has to be JSON, one object a line.
    pub fn finish(self) -> Written {
        let (stdout, stderr) = self.function.stop();
        println!("metrics out:\n{}\nlog:\n{}", stdout.join("\n"), stderr.join("\n"));
        Written { metrics: objects(&stdout), log: objects(&stderr) }
    }

    /// Waits for a function that ends by itself: its exit status, its log, and how often it asked for an event.
    pub async fn wait(self) -> (Option<i32>, Vec<Value>, u64) {
        let (status, stderr) = self.function.wait(PATIENCE);
        println!("log:\n{}", stderr.join("\n"));
        (status, objects(&stderr), self.runtime_api.lock().await.polls())
    }
}

async fn put(s3: &Client, bucket: &str, key: &str, bytes: Vec<u8>) -> String {
    let answer = s3.put_object().bucket(bucket).key(key).body(bytes.into()).send().await.expect("stored");
    answer.e_tag().expect("an entity tag").trim_matches('"').to_owned()
}

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
