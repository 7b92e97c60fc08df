//! Accounts and Regions of the folders below `AWSLogs/`, in both layouts of AWS.

use crate::plan::key;

/// Folders of flow logs below the folder of an account. The last one is that of transit gateways:
/// <https://docs.aws.amazon.com/vpc/latest/tgw/flow-logs-s3.html>
pub const SERVICE_FOLDERS: [&str; 3] = ["vpcflowlogs/", "aws-service=vpcflowlogs/", "service=vpcflowlogs/"];

/// Returns the account of a folder, which ends in a slash.
pub fn account(folder: &str) -> Option<&str> {
    let name = name(folder);
    key::account_id(name.strip_prefix("aws-account-id=").unwrap_or(name))
}

/// Returns the Region of a folder, which ends in a slash.
pub fn region(folder: &str) -> Option<&str> {
    let name = name(folder);
    key::region(name.strip_prefix("aws-region=").unwrap_or(name))
}

fn name(folder: &str) -> &str {
    folder.trim_end_matches('/').rsplit('/').next().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_layouts_have_accounts_and_regions() {
        assert_eq!(account("p/AWSLogs/123456789012/"), Some("123456789012"));
        assert_eq!(account("AWSLogs/aws-account-id=123456789012/"), Some("123456789012"));
        assert_eq!((account("AWSLogs/o-abcdef1234/"), account("")), (None, None));
        assert_eq!(region("AWSLogs/123456789012/vpcflowlogs/us-east-1/"), Some("us-east-1"));
        assert_eq!(region("x/aws-service=vpcflowlogs/aws-region=eu-west-1/"), Some("eu-west-1"));
        assert_eq!(region("AWSLogs/123456789012/vpcflowlogs/2026/"), None);
    }
}
