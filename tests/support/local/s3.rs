//! An S3 that keeps objects in a folder, and refuses what is not signed well or what a test tells it to refuse.

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
/// Of the test's own client.
const TEST_KEY: &str = "test";

/// The body of an object whose key ends so is shorter than announced.
pub const CUT_IN_TRANSIT: &str = ".cut-in-transit";

/// Short, so that whoever reads but the first page is found out.
const PAGE: usize = 2;

/// What a test has of the server.
#[derive(Default)]
pub struct Desk {
    /// All that was asked for, in order, refused or not.
    pub calls: Vec<Call>,
    /// What is not done. The first that fits holds.
    pub refusals: Vec<Refusal>,
    /// What is slow: operations, parts of keys, and for how long.
    pub delays: Vec<(&'static str, &'static str, Duration)>,
}

/// Something that was asked for.
#[derive(Debug, Clone)]
pub struct Call {
    pub operation: &'static str,
    pub bucket: String,
    /// Or the beginning of keys, in a list.
    pub key: String,
    /// That the request was signed for.
    pub region: String,
    /// Whether the test asked, and not the function.
    pub of_test: bool,
}

/// An operation that is refused of all objects with this part in their keys, with this code of S3's.
#[derive(Debug)]
pub struct Refusal {
    pub operation: &'static str,
    pub key_part: &'static str,
    pub code: S3ErrorCode,
}

/// Serves a folder until the test's runtime ends; its address as a URL.
pub async fn serve(folder: &Path, desk: Arc<Mutex<Desk>>) -> String {
    let files = FileSystem::new(folder).expect("a folder");
    let mut service = S3ServiceBuilder::new(LongKeys { files, objects: Mutex::default(), desk });
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

/// The test's own client.
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

/// The server names a file after the whole of a key, in Base64, and so takes no key that is longer than some 170
/// bytes. Those of flow logs are: so it gets a hash instead, and the keys are kept here, as a list shows them.
struct LongKeys {
    files: FileSystem,
    objects: Mutex<BTreeMap<(String, String), Object>>,
    desk: Arc<Mutex<Desk>>,
}

impl LongKeys {
    fn admit<T>(&self, operation: &'static str, request: &S3Request<T>, bucket: &str, key: &str) -> S3Result<()> {
        let mut desk = locked(&self.desk);
        let region = request.region.as_ref().map(ToString::to_string).unwrap_or_default();
        let of_test = request.credentials.as_ref().is_some_and(|credentials| credentials.access_key == TEST_KEY);
        desk.calls.push(Call { operation, bucket: bucket.to_owned(), key: key.to_owned(), region, of_test });
        let fits = |refusal: &&Refusal| refusal.operation == operation && key.contains(refusal.key_part);
        match desk.refusals.iter().find(fits) {
            Some(Refusal { code, .. }) => Err(S3Error::with_message(code.clone(), "a test refuses it")),
            None => Ok(()),
        }
    }
}

impl LongKeys {
    async fn wait(&self, operation: &'static str, key: &str) {
        let fits = |(of, part, _): &&(&str, &str, Duration)| *of == operation && key.contains(part);
        let delay = locked(&self.desk).delays.iter().find(fits).map(|(_, _, time)| *time);
        tokio::time::sleep(delay.unwrap_or_default()).await;
    }
}

/// A test that failed shows more than that another one can't go on.
pub fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn short(key: &str) -> String {
    Sha256::digest(key).iter().map(|byte| format!("{byte:02x}")).collect()
}

#[async_trait]
impl S3 for LongKeys {
    async fn create_bucket(&self, request: S3Request<CreateBucketInput>) -> S3Result<S3Response<CreateBucketOutput>> {
        self.files.create_bucket(request).await
    }

    async fn get_object(&self, mut request: S3Request<GetObjectInput>) -> S3Result<S3Response<GetObjectOutput>> {
        self.wait("GetObject", &request.input.key).await;
        self.admit("GetObject", &request, &request.input.bucket, &request.input.key)?;
        let cut = request.input.key.ends_with(CUT_IN_TRANSIT);
        request.input.key = short(&request.input.key);
        // There are no versions in the folder: the one asked for is the one that is there.
        let version_id = request.input.version_id.clone();
        let only = request.input.if_match.as_ref().and_then(|condition| condition.as_etag()).cloned();
        let unless = request.input.if_none_match.as_ref().and_then(|condition| condition.as_etag()).cloned();
        let mut answer = self.files.get_object(request).await?;
        if unless.is_some() && unless == answer.output.e_tag {
            return Err(s3_error!(NotModified));
        }
        if only.is_some() && only != answer.output.e_tag {
            return Err(s3_error!(PreconditionFailed));
        }
        answer.output.version_id = version_id;
        if cut {
            answer.output.content_length = answer.output.content_length.map(|length| length + 1);
        }
        Ok(answer)
    }

    async fn head_object(&self, mut request: S3Request<HeadObjectInput>) -> S3Result<S3Response<HeadObjectOutput>> {
        self.admit("HeadObject", &request, &request.input.bucket, &request.input.key)?;
        request.input.key = short(&request.input.key);
        self.files.head_object(request).await
    }

    async fn put_object(&self, mut request: S3Request<PutObjectInput>) -> S3Result<S3Response<PutObjectOutput>> {
        self.wait("PutObject", &request.input.key).await;
        let PutObjectInput { bucket, key, content_length, .. } = &request.input;
        self.admit("PutObject", &request, bucket, key)?;
        let name = (bucket.clone(), key.clone());
        let mut object = Object { key: Some(key.clone()), size: *content_length, ..Object::default() };
        request.input.key = short(&request.input.key);
        let answer = self.files.put_object(request).await?;
        object.e_tag.clone_from(&answer.output.e_tag);
        locked(&self.objects).insert(name, object);
        Ok(answer)
    }

    async fn delete_object(
        &self,
        mut request: S3Request<DeleteObjectInput>,
    ) -> S3Result<S3Response<DeleteObjectOutput>> {
        locked(&self.objects).remove(&(request.input.bucket.clone(), request.input.key.clone()));
        request.input.key = short(&request.input.key);
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
        // The token is the last key of the page before.
        let rest = objects.iter().filter(|((of, key), _)| {
            *of == bucket && key.starts_with(&prefix) && continuation_token.as_ref().is_none_or(|token| key > token)
        });
        let mut contents: Vec<Object> = rest.map(|(_, object)| object.clone()).take(PAGE + 1).collect();
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
