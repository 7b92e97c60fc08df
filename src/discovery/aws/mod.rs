//! Makes the calls: finds out who is calling, assumes roles, and describes all accounts and Regions, several at once.
//!
//! The failure of one account and Region does not affect the others.

mod client;
mod pair;

use std::collections::BTreeSet;
use std::time::SystemTime;

use aws_config::{BehaviorVersion, SdkConfig};
use aws_credential_types::Credentials;
use aws_credential_types::provider::ProvideCredentials;
use aws_sdk_sts::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_sts::operation::assume_role::AssumeRoleError;
use aws_types::region::Region;
use aws_types::service_config::ServiceConfigKey;
use futures_util::stream::{self, StreamExt};
use thiserror::Error;
use tokio::time::{self, Instant};

use self::client::{Client, Connection};
use super::document::Document;
use super::snapshot::{self, Manifest, PairError};
use super::target::{Pair, Partition};
use crate::sanitize::escape_truncated;

/// Maximum number of accounts and Regions to describe at once. EC2 limits the rate of each by itself.
const MAX_CONCURRENT: usize = 4;
/// Name of the sessions, which CloudTrail shows.
const SESSION_NAME: &str = "flowsentry-topology";
/// Maximum length of a message, in characters.
const MAX_MESSAGE_CHARACTERS: usize = 500;
const DEADLINE_EXCEEDED: &str = "deadline_exceeded";

/// What to describe.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Targets {
    /// Names of the Regions.
    pub regions: Vec<String>,
    /// Other accounts than the caller's, and the role to assume in them.
    pub others: Option<OtherAccounts>,
}

/// Accounts that are described by a role in them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OtherAccounts {
    /// Account ids.
    pub account_ids: Vec<String>,
    /// Name of the role, with its path.
    pub role_name: String,
    /// External id that the role's trust policy asks for.
    pub external_id: Option<String>,
}

/// Nothing can be described.
#[derive(Debug, Error)]
pub enum CallerError {
    /// STS does not say who is calling.
    #[error("GetCallerIdentity failed: {0}; check the credentials and the Region")]
    UnknownCaller(String),
    /// The caller's partition is unknown.
    #[error("the partition of {0} is unknown; use a newer version")]
    UnknownPartition(String),
}

/// The result of each account and Region.
pub type Results = Vec<(Pair, Result<Document, PairError>)>;

/// Loads AWS's configuration from the environment. Without a Region in it, STS is called in `region`.
pub async fn load_config(region: &str) -> SdkConfig {
    let config = aws_config::defaults(BehaviorVersion::latest()).load().await;
    if config.region().is_some() {
        return config;
    }
    config.into_builder().region(Region::new(region.to_owned())).build()
}

/// Describes all accounts and Regions. Those that are not done at the deadline fail, so this begins with those that `previous` lacks, and
/// with the stalest.
///
/// # Errors
/// If the caller is unknown, so that nothing can be described.
pub async fn describe(
    config: &SdkConfig,
    targets: &Targets,
    previous: Option<&Manifest>,
    deadline: Instant,
) -> Result<Results, CallerError> {
    let caller = time::timeout_at(deadline, caller(config)).await;
    let caller = caller.unwrap_or_else(|_| Err(CallerError::UnknownCaller("no answer in time".to_owned())))?;
    let connection = Connection::new(config, endpoint_url(config));
    let accounts = accounts(&caller, targets);
    let accounts = stream::iter(accounts).map(|account| async {
        let credentials = time::timeout_at(deadline, credentials(config, &caller, targets, &account)).await;
        (account, credentials.unwrap_or_else(|_| Err(deadline_exceeded("credentials"))))
    });
    let accounts: Vec<_> = accounts.buffered(MAX_CONCURRENT).collect().await;
    let regions: BTreeSet<&String> = targets.regions.iter().collect();
    let pairs = accounts.into_iter().flat_map(|(account_id, credentials)| {
        let pair = move |region: &&String| Pair { account_id: account_id.clone(), region: (*region).clone() };
        regions.iter().map(pair).map(|pair| (pair, credentials.clone())).collect::<Vec<_>>()
    });
    let mut pairs: Vec<_> = pairs.collect();
    let need = snapshot::needs(previous);
    pairs.sort_by_cached_key(|(pair, _)| need(pair));
    let described = stream::iter(pairs).map(|(pair, credentials)| {
        let connection = &connection;
        async move {
            let result = match credentials {
                Ok(credentials) => describe_pair(connection, caller.partition, &pair, credentials, deadline).await,
                Err(error) => Err(error),
            };
            (pair, result)
        }
    });
    Ok(described.buffer_unordered(MAX_CONCURRENT).collect().await)
}

async fn describe_pair(
    connection: &Connection,
    partition: Partition,
    pair: &Pair,
    credentials: Credentials,
    deadline: Instant,
) -> Result<Document, PairError> {
    let client = Client::new(connection, partition, &pair.region, credentials);
    let described = time::timeout_at(deadline, pair::describe(&client)).await;
    described.unwrap_or_else(|_| Err(deadline_exceeded("the describe calls")))
}

/// Returns the accounts, each once.
fn accounts(caller: &Caller, targets: &Targets) -> BTreeSet<String> {
    let others = targets.others.iter().flat_map(|others| &others.account_ids).cloned();
    others.chain([caller.account_id.clone()]).collect()
}

fn deadline_exceeded(what: &str) -> PairError {
    PairError { code: DEADLINE_EXCEEDED.to_owned(), message: format!("{what} took too long") }
}

/// Who is calling.
struct Caller {
    account_id: String,
    partition: Partition,
}

async fn caller(config: &SdkConfig) -> Result<Caller, CallerError> {
    let identity = aws_sdk_sts::Client::new(config).get_caller_identity().send().await;
    let identity = identity.map_err(|error| CallerError::UnknownCaller(client::error_chain(&error)))?;
    let arn = identity.arn().unwrap_or_default();
    let partition = Partition::from_arn(arn).ok_or_else(|| CallerError::UnknownPartition(arn.to_owned()))?;
    let account_id = super::target::account_id(identity.account().unwrap_or_default());
    Ok(Caller { account_id: account_id.map_err(CallerError::UnknownCaller)?, partition })
}

/// Returns credentials for an account: the caller's own, or those of the role in it.
async fn credentials(
    config: &SdkConfig,
    caller: &Caller,
    targets: &Targets,
    account_id: &str,
) -> Result<Credentials, PairError> {
    let unavailable = |code: Option<&str>, message: String| PairError {
        code: code.unwrap_or("credentials_unavailable").to_owned(),
        message: escape_truncated(&message, MAX_MESSAGE_CHARACTERS),
    };
    if let Some(others) = targets.others.as_ref().filter(|_| account_id != caller.account_id) {
        let assumed = assume_role(config, caller, others, account_id).await;
        return assumed.map_err(|error| {
            unavailable(
                error.code(),
                format!("AssumeRole of {} failed: {}", others.role_name, client::error_chain(&error)),
            )
        });
    }
    match config.credentials_provider() {
        Some(provider) => {
            provider.provide_credentials().await.map_err(|error| unavailable(None, client::error_chain(&error)))
        }
        None => Err(unavailable(None, "there are no credentials".to_owned())),
    }
}

async fn assume_role(
    config: &SdkConfig,
    caller: &Caller,
    others: &OtherAccounts,
    account_id: &str,
) -> Result<Credentials, SdkError<AssumeRoleError>> {
    let request = aws_sdk_sts::Client::new(config).assume_role().role_session_name(SESSION_NAME);
    let request = request.role_arn(caller.partition.role_arn(account_id, &others.role_name));
    let assumed = request.set_external_id(others.external_id.clone()).send().await?;
    let given = assumed.credentials.ok_or_else(|| SdkError::construction_failure("the response has no credentials"))?;
    let expiry = SystemTime::try_from(given.expiration).ok();
    let (id, secret, token) = (given.access_key_id, given.secret_access_key, given.session_token);
    Ok(Credentials::new(id, secret, Some(token), expiry, "AssumeRole"))
}

/// Returns the URL of EC2's API, if the environment or the profile names another one than AWS's.
fn endpoint_url(config: &SdkConfig) -> Option<String> {
    let key = ServiceConfigKey::builder().service_id("EC2").env("AWS_ENDPOINT_URL").profile("endpoint_url").build();
    let service = key.ok().and_then(|key| config.service_config()?.load_config(key));
    service.or_else(|| config.endpoint_url().map(str::to_owned))
}
