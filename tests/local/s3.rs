//! An S3 that keeps objects in a folder, and refuses what is not signed well.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use async_trait::async_trait;
use aws_sdk_s3::Client;
use aws_sdk_s3::config::{BehaviorVersion, Credentials, Region};
use hyper::server::conn::http1;
use hyper_util::rt::TokioIo;
use s3s::auth::SimpleAuth;
use s3s::dto::{
    CreateBucketInput, CreateBucketOutput, GetObjectInput, GetObjectOutput, ListObjectsV2Input, ListObjectsV2Output,
    Object, PutObjectInput, PutObjectOutput,
};
use s3s::service::S3ServiceBuilder;
use s3s::{S3, S3Request, S3Response, S3Result};
use s3s_fs::FileSystem;
use sha2::{Digest, Sha256};
use tokio::net::TcpListener;

pub const REGION: &str = "us-east-1";
pub const ACCESS_KEY: &str = "local";
pub const SECRET_KEY: &str = "not a secret";

/// The body of an object whose key ends so is shorter than announced.
pub const CUT_IN_TRANSIT: &str = ".cut-in-transit";

/// Serves a folder until the test's runtime ends; its address as a URL.
pub async fn serve(folder: &Path) -> String {
    let files = FileSystem::new(folder).expect("a folder");
    let mut service = S3ServiceBuilder::new(LongKeys { files, keys: Mutex::default() });
    service.set_auth(SimpleAuth::from_single(ACCESS_KEY, SECRET_KEY));
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
        .credentials_provider(Credentials::new(ACCESS_KEY, SECRET_KEY, None, None, "test"))
        .endpoint_url(endpoint)
        .force_path_style(true)
        .build();
    Client::from_conf(config)
}

/// The server names a file after the whole of a key, in Base64, and so takes no key that is longer than some 170
/// bytes. Those of flow logs are: so it gets a hash instead, and the keys are kept here.
struct LongKeys {
    files: FileSystem,
    keys: Mutex<BTreeSet<(String, String)>>,
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
        let cut = request.input.key.ends_with(CUT_IN_TRANSIT);
        request.input.key = short(&request.input.key);
        // There are no versions in the folder: the one asked for is the one that is there.
        let version_id = request.input.version_id.clone();
        let mut answer = self.files.get_object(request).await?;
        answer.output.version_id = version_id;
        if cut {
            answer.output.content_length = answer.output.content_length.map(|length| length + 1);
        }
        Ok(answer)
    }

    async fn put_object(&self, mut request: S3Request<PutObjectInput>) -> S3Result<S3Response<PutObjectOutput>> {
        let key = (request.input.bucket.clone(), request.input.key.clone());
        request.input.key = short(&request.input.key);
        let answer = self.files.put_object(request).await?;
        self.keys.lock().unwrap_or_else(PoisonError::into_inner).insert(key);
        Ok(answer)
    }

    async fn list_objects_v2(
        &self,
        request: S3Request<ListObjectsV2Input>,
    ) -> S3Result<S3Response<ListObjectsV2Output>> {
        let keys = self.keys.lock().unwrap_or_else(PoisonError::into_inner);
        let in_bucket = keys.iter().filter(|(bucket, _)| *bucket == request.input.bucket);
        let contents = in_bucket.map(|(_, key)| Object { key: Some(key.clone()), ..Object::default() }).collect();
        Ok(S3Response::new(ListObjectsV2Output { contents: Some(contents), ..ListObjectsV2Output::default() }))
    }
}
