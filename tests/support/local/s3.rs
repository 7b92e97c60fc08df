//! A local S3 that stores objects in a folder. It checks signatures, and injects the errors and delays that a test sets.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use aws_sdk_s3::Client;
use aws_sdk_s3::config::{BehaviorVersion, Credentials, Region};
use hyper::server::conn::http1;
use hyper_util::rt::TokioIo;
use s3s::auth::SimpleAuth;
use s3s::dto::{
    CreateBucketInput, CreateBucketOutput, DeleteObjectInput, DeleteObjectOutput, GetObjectInput, GetObjectOutput,
    HeadObjectInput, HeadObjectOutput, ListObjectsV2Input, ListObjectsV2Output, Object, PutObjectInput,
    PutObjectOutput,
};
use s3s::service::S3ServiceBuilder;
use s3s::{S3, S3Error, S3ErrorCode, S3Request, S3Response, S3Result, s3_error};
use s3s_fs::FileSystem;
use sha2::{Digest, Sha256};
use tokio::net::TcpListener;

pub const REGION: &str = "us-east-1";
pub const ACCESS_KEY: &str = "local";
pub const SECRET_KEY: &str = "not a secret";
/// The access key of the test's own client.
const TEST_KEY: &str = "test";

/// The body of an object whose key has this suffix is shorter than its `Content-Length`.
pub const TRUNCATED_IN_TRANSIT: &str = ".cut-in-transit";

/// The size of a page of keys. It is small, so that a client that ignores further pages fails a test.
const PAGE: usize = 2;

/// The requests that the server received, and the faults that it injects.
#[derive(Default)]
pub struct S3Control {
    /// All requests in order, failed ones included.
    pub calls: Vec<Call>,
    /// Errors to inject. The first match applies.
    pub errors: Vec<InjectedError>,
    /// Delays to inject: the operation, a part of the key, and the time.
    pub delays: Vec<(&'static str, &'static str, Duration)>,
}

/// A request.
#[derive(Debug, Clone)]
pub struct Call {
    pub operation: &'static str,
    pub bucket: String,
    /// The key, or the prefix of a list request.
    pub key: String,
    /// The region for which the request was signed.
    pub region: String,
    /// Whether the client is the test and not the function.
    pub by_test: bool,
    /// The encryption that a PUT asks for.
    pub encryption: Option<Encryption>,
}

/// The encryption that a PUT asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Encryption {
    /// The header `x-amz-server-side-encryption`.
    pub algorithm: String,
    /// The header `x-amz-server-side-encryption-aws-kms-key-id`.
    pub kms_key_id: Option<String>,
}

/// An error of S3 for an operation on every key that contains this part.
#[derive(Debug)]
pub struct InjectedError {
    pub operation: &'static str,
    pub key_part: &'static str,
    pub code: S3ErrorCode,
}

/// Serves a folder until the test's runtime ends. Returns the URL of the server.
pub async fn serve(folder: &Path, control: Arc<Mutex<S3Control>>) -> String {
    let files = FileSystem::new(folder).expect("a folder");
    let mut service = S3ServiceBuilder::new(HashedKeys { files, objects: Mutex::default(), control });
    let mut auth = SimpleAuth::from_single(ACCESS_KEY, SECRET_KEY);
    auth.register(TEST_KEY.to_owned(), SECRET_KEY.into());
    service.set_auth(auth);
    let service = service.build();
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let endpoint = format!("http://{}", listener.local_addr().expect("an address"));
    tokio::spawn(async move {
        while let Ok((connection, _)) = listener.accept().await {
            tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(connection), service.clone()));
        }
    });
    endpoint
}

/// Returns the test's own client.
pub fn client(endpoint: &str) -> Client {
    let config = aws_sdk_s3::Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new(REGION))
        .credentials_provider(Credentials::new(TEST_KEY, SECRET_KEY, None, None, "test"))
        .endpoint_url(endpoint)
        .force_path_style(true)
        .build();
    Client::from_conf(config)
}

/// The file system server, with hashed keys.
///
/// The server names each file after the key in Base64, which limits keys to about 170 bytes. Keys of flow logs are longer, so
/// the server gets a hash of each key, and this type stores the keys for list requests.
struct HashedKeys {
    files: FileSystem,
    objects: Mutex<BTreeMap<(String, String), Object>>,
    control: Arc<Mutex<S3Control>>,
}

impl HashedKeys {
    /// Records a request. Returns the injected error that matches, if any.
    fn admit<T>(&self, operation: &'static str, request: &S3Request<T>, bucket: &str, key: &str) -> S3Result<()> {
        let mut control = locked(&self.control);
        let region = request.region.as_ref().map(ToString::to_string).unwrap_or_default();
        let by_test = request.credentials.as_ref().is_some_and(|credentials| credentials.access_key == TEST_KEY);
        control.calls.push(Call {
            operation,
            bucket: bucket.to_owned(),
            key: key.to_owned(),
            region,
            by_test,
            encryption: None,
        });
        let matches = |error: &&InjectedError| error.operation == operation && key.contains(error.key_part);
        match control.errors.iter().find(matches) {
            Some(InjectedError { code, .. }) => Err(S3Error::with_message(code.clone(), "injected by a test")),
            None => Ok(()),
        }
    }
}

impl HashedKeys {
    /// Waits for the injected delay that matches, if any.
    async fn wait(&self, operation: &'static str, key: &str) {
        let matches = |(delayed, part, _): &&(&str, &str, Duration)| *delayed == operation && key.contains(part);
        let delay = locked(&self.control).delays.iter().find(matches).map(|(_, _, time)| *time);
        tokio::time::sleep(delay.unwrap_or_default()).await;
    }
}

/// Locks a mutex, also after a panic: the first failure is more informative than a poisoned mutex.
pub fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Returns the hash that replaces a key.
fn hashed(key: &str) -> String {
    Sha256::digest(key).iter().map(|byte| format!("{byte:02x}")).collect()
}

#[async_trait]
impl S3 for HashedKeys {
    async fn create_bucket(&self, request: S3Request<CreateBucketInput>) -> S3Result<S3Response<CreateBucketOutput>> {
        self.files.create_bucket(request).await
    }

    async fn get_object(&self, mut request: S3Request<GetObjectInput>) -> S3Result<S3Response<GetObjectOutput>> {
        self.wait("GetObject", &request.input.key).await;
        self.admit("GetObject", &request, &request.input.bucket, &request.input.key)?;
        let truncate = request.input.key.ends_with(TRUNCATED_IN_TRANSIT);
        request.input.key = hashed(&request.input.key);
        // The folder has no versions: the response names the requested one.
        let version_id = request.input.version_id.clone();
        let only = request.input.if_match.as_ref().and_then(|condition| condition.as_etag()).cloned();
        let unless = request.input.if_none_match.as_ref().and_then(|condition| condition.as_etag()).cloned();
        let mut response = self.files.get_object(request).await?;
        if unless.is_some() && unless == response.output.e_tag {
            return Err(s3_error!(NotModified));
        }
        if only.is_some() && only != response.output.e_tag {
            return Err(s3_error!(PreconditionFailed));
        }
        response.output.version_id = version_id;
        if truncate {
            response.output.content_length = response.output.content_length.map(|length| length + 1);
        }
        Ok(response)
    }

    async fn head_object(&self, mut request: S3Request<HeadObjectInput>) -> S3Result<S3Response<HeadObjectOutput>> {
        self.admit("HeadObject", &request, &request.input.bucket, &request.input.key)?;
        request.input.key = hashed(&request.input.key);
        self.files.head_object(request).await
    }

    async fn put_object(&self, mut request: S3Request<PutObjectInput>) -> S3Result<S3Response<PutObjectOutput>> {
        self.wait("PutObject", &request.input.key).await;
        let PutObjectInput { bucket, key, content_length, .. } = &request.input;
        let kms_key_id = request.input.ssekms_key_id.clone();
        let algorithm = request.input.server_side_encryption.as_ref().map(|algorithm| algorithm.as_str().to_owned());
        let encryption = algorithm.map(|algorithm| Encryption { algorithm, kms_key_id });
        let admitted = self.admit("PutObject", &request, bucket, key);
        if let Some(call) = locked(&self.control).calls.last_mut() {
            call.encryption = encryption;
        }
        admitted?;
        let name = (bucket.clone(), key.clone());
        let mut object = Object { key: Some(key.clone()), size: *content_length, ..Object::default() };
        request.input.key = hashed(&request.input.key);
        let response = self.files.put_object(request).await?;
        object.e_tag.clone_from(&response.output.e_tag);
        locked(&self.objects).insert(name, object);
        Ok(response)
    }

    async fn delete_object(
        &self,
        mut request: S3Request<DeleteObjectInput>,
    ) -> S3Result<S3Response<DeleteObjectOutput>> {
        locked(&self.objects).remove(&(request.input.bucket.clone(), request.input.key.clone()));
        request.input.key = hashed(&request.input.key);
        self.files.delete_object(request).await
    }

    async fn list_objects_v2(
        &self,
        request: S3Request<ListObjectsV2Input>,
    ) -> S3Result<S3Response<ListObjectsV2Output>> {
        let ListObjectsV2Input { bucket, prefix, continuation_token, .. } = request.input.clone();
        let prefix = prefix.unwrap_or_default();
        self.admit("ListObjectsV2", &request, &bucket, &prefix)?;
        let objects = locked(&self.objects);
        // The token is the last key of the previous page.
        let remaining = objects.iter().filter(|((of_bucket, key), _)| {
            *of_bucket == bucket
                && key.starts_with(&prefix)
                && continuation_token.as_ref().is_none_or(|token| key > token)
        });
        let mut contents: Vec<Object> = remaining.map(|(_, object)| object.clone()).take(PAGE + 1).collect();
        let is_truncated = contents.len() > PAGE;
        contents.truncate(PAGE);
        Ok(S3Response::new(ListObjectsV2Output {
            next_continuation_token: contents.last().and_then(|object| object.key.clone()).filter(|_| is_truncated),
            is_truncated: Some(is_truncated),
            contents: Some(contents),
            ..ListObjectsV2Output::default()
        }))
    }
}
