//! Settings of the function that discovers the network, read from environment variables.

use super::env::{EnvReader, REGION};
use super::{DEFAULT_METRICS_NAMESPACE, LogLevel, SettingsError, parse};
use crate::discovery::target;
use crate::lambda::document_uri::DocumentUri;

/// The settings of the function that discovers the network.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DiscoverySettings {
    /// `TOPOLOGY_URI`: the bucket of the snapshots.
    pub bucket: String,
    /// `TOPOLOGY_URI`: the folder of the snapshots, which ends in `snapshots/`.
    pub folder: String,
    /// `TOPOLOGY_REGIONS`: the Regions to describe.
    pub regions: Vec<String>,
    /// `TOPOLOGY_ACCOUNTS`: the accounts to describe besides that of the function.
    pub accounts: Vec<String>,
    /// `TOPOLOGY_ROLE_NAME`: the role to assume in these accounts.
    pub role_name: Option<String>,
    /// `TOPOLOGY_EXTERNAL_ID`: the external id that the role asks for.
    pub external_id: Option<String>,
    /// `OUTPUT_KMS_KEY_ARN`: the KMS key that encrypts the snapshots. Without it, the bucket's default encryption applies.
    pub kms_key_arn: Option<String>,
    /// `METRICS_NAMESPACE`: the CloudWatch namespace of the metrics.
    pub metrics_namespace: String,
    /// `AWS_LAMBDA_LOG_LEVEL`: the level of the log.
    pub log_level: LogLevel,
}

impl DiscoverySettings {
    /// Reads the settings from environment variables. Other variables are ignored.
    ///
    /// # Errors
    /// If a variable is missing or invalid. The error contains all of them.
    pub fn from_variables(
        variables: impl IntoIterator<Item = (String, String)>,
    ) -> Result<DiscoverySettings, SettingsError> {
        let mut reader = EnvReader::new(variables);
        let region = reader.parse_or(REGION, None, |value| target::region(value).map(Some));
        let (bucket, folder) = reader.required("TOPOLOGY_URI", snapshots);
        let settings = DiscoverySettings {
            bucket,
            folder,
            regions: reader
                .parse_or("TOPOLOGY_REGIONS", region.into_iter().collect(), |value| list(value, target::region)),
            accounts: reader.parse_or("TOPOLOGY_ACCOUNTS", Vec::new(), |value| list(value, target::account_id)),
            role_name: reader.parse_or("TOPOLOGY_ROLE_NAME", None, |value| target::role_name(value).map(Some)),
            external_id: reader.parse_or("TOPOLOGY_EXTERNAL_ID", None, |value| target::external_id(value).map(Some)),
            kms_key_arn: reader.parse_or("OUTPUT_KMS_KEY_ARN", None, |value| parse::kms_key_arn(value).map(Some)),
            metrics_namespace: reader.parse_or(
                "METRICS_NAMESPACE",
                DEFAULT_METRICS_NAMESPACE.to_owned(),
                parse::namespace,
            ),
            log_level: reader.parse_or("AWS_LAMBDA_LOG_LEVEL", LogLevel::default(), parse::log_level),
        };
        if settings.regions.is_empty() {
            reader.reject("TOPOLOGY_REGIONS is not set, but must be names of Regions, separated by commas");
        }
        if !settings.accounts.is_empty() && settings.role_name.is_none() {
            reader.reject("TOPOLOGY_ROLE_NAME is not set, but TOPOLOGY_ACCOUNTS needs it");
        }
        if let Err(error) = target::check_pairs(&settings.regions, &settings.accounts) {
            reader.reject(&format!("TOPOLOGY_REGIONS and TOPOLOGY_ACCOUNTS: {error}"));
        }
        reader.finish(settings)
    }
}

/// Parses the location of snapshots into bucket and folder.
fn snapshots(value: &str) -> Result<(String, String), String> {
    let uri = DocumentUri::parse_topology(value).ok();
    let folder = uri.as_ref().and_then(DocumentUri::snapshots_folder).map(str::to_owned);
    let parts = uri.zip(folder).map(|(uri, folder)| (uri.bucket, folder));
    parts.ok_or_else(|| "s3://bucket/prefix/snapshots/, the folder of the snapshots".to_owned())
}

/// Parses values that commas separate.
fn list(value: &str, parse: impl Fn(&str) -> Result<String, String>) -> Result<Vec<String>, String> {
    let values: Result<Vec<String>, String> = value.split(',').map(parse).collect();
    values.map_err(|error| format!("separated by commas, and {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(variables: &[(&str, &str)]) -> Result<DiscoverySettings, Vec<String>> {
        let variables = variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        DiscoverySettings::from_variables(variables).map_err(|error| error.errors)
    }

    const URI: (&str, &str) = ("TOPOLOGY_URI", "s3://out/flowsentry/topology/snapshots/");

    #[test]
    fn defaults_are_the_own_account_and_region() {
        let settings = settings(&[URI, ("AWS_REGION", "eu-west-1"), ("TOPOLOGY_ACCOUNTS", "")]).expect("valid");
        assert_eq!((settings.bucket.as_str(), settings.folder.as_str()), ("out", "flowsentry/topology/snapshots/"));
        assert_eq!((settings.regions, settings.accounts), (vec!["eu-west-1".to_owned()], Vec::new()));
        assert_eq!((settings.role_name, settings.metrics_namespace.as_str()), (None, "FlowSentry"));
    }

    #[test]
    fn lists_are_separated_by_commas() {
        let accounts = ("TOPOLOGY_ACCOUNTS", "111122223333,444455556666");
        let given = [URI, ("TOPOLOGY_REGIONS", "eu-west-1,us-east-1"), accounts, ("TOPOLOGY_ROLE_NAME", "reader")];
        let settings = settings(&given).expect("valid");
        assert_eq!(
            (settings.regions, settings.accounts.len()),
            (vec!["eu-west-1".to_owned(), "us-east-1".to_owned()], 2)
        );
    }

    #[test]
    fn more_pairs_than_a_snapshot_may_have_are_rejected() {
        let accounts: Vec<String> = (0..1000).map(|number| format!("{number:012}")).collect();
        let accounts = accounts.join(",");
        let given = [URI, ("AWS_REGION", "eu-west-1"), ("TOPOLOGY_ACCOUNTS", &accounts), ("TOPOLOGY_ROLE_NAME", "r")];
        let errors = settings(&given).expect_err("too many");
        assert!(
            errors[0].starts_with("TOPOLOGY_REGIONS and TOPOLOGY_ACCOUNTS: 1001 accounts in 1 Regions"),
            "{errors:?}"
        );
    }

    #[test]
    fn every_error_is_reported() {
        let given = [
            ("TOPOLOGY_URI", "s3://out/topology/"),
            ("TOPOLOGY_REGIONS", "eu-west-1,x"),
            ("TOPOLOGY_ACCOUNTS", "111122223333"),
        ];
        let expected = [
            "TOPOLOGY_URI is \"s3://out/topology/\", but must be s3://bucket/prefix/snapshots/, the folder of the snapshots",
            "TOPOLOGY_REGIONS is \"eu-west-1,x\", but must be separated by commas, and \"x\" is not the name of a Region, \
             such as eu-west-1",
            "TOPOLOGY_REGIONS is not set, but must be names of Regions, separated by commas",
            "TOPOLOGY_ROLE_NAME is not set, but TOPOLOGY_ACCOUNTS needs it",
        ];
        assert_eq!(settings(&given), Err(expected.map(str::to_owned).to_vec()));
        let missing = settings(&[("AWS_REGION", "eu-west-1")]).expect_err("required");
        assert_eq!(
            missing,
            ["TOPOLOGY_URI is not set, but must be s3://bucket/prefix/snapshots/, the folder of the snapshots"]
        );
    }
}
