//! Which accounts and Regions to describe, and where their API is.

use std::collections::BTreeSet;
use std::fmt;

use crate::sanitize::{NAME_CHARACTERS, quoted};

/// Maximum number of accounts and Regions in a snapshot.
pub const MAX_PAIRS: usize = 1000;

/// An account and a Region.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Pair {
    /// Account id, 12 digits.
    pub account_id: String,
    /// Name of the Region, such as `eu-west-1`.
    pub region: String,
}

impl fmt::Display for Pair {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.account_id, self.region)
    }
}

impl Pair {
    /// Returns the name of its document in a snapshot.
    pub fn file_name(&self) -> String {
        format!("{}-{}.json", self.account_id, self.region)
    }
}

/// The domains of AWS's partitions, by the partition in ARNs:
/// <https://docs.aws.amazon.com/whitepapers/latest/aws-fault-isolation-boundaries/partitions.html>
const DOMAINS: [(&str, &str); 8] = [
    ("aws", "amazonaws.com"),
    ("aws-cn", "amazonaws.com.cn"),
    ("aws-us-gov", "amazonaws.com"),
    ("aws-eusc", "amazonaws.eu"),
    ("aws-iso", "c2s.ic.gov"),
    ("aws-iso-b", "sc2s.sgov.gov"),
    ("aws-iso-e", "cloud.adc-e.uk"),
    ("aws-iso-f", "csp.hci.ic.gov"),
];

/// The partition of AWS that an account belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Partition {
    name: &'static str,
    domain: &'static str,
}

impl Partition {
    /// Returns the partition of an ARN, such as that of a caller. Returns `None` if it is unknown.
    pub fn from_arn(arn: &str) -> Option<Partition> {
        let name = arn.strip_prefix("arn:")?.split(':').next()?;
        let (name, domain) = DOMAINS.into_iter().find(|(known, _)| *known == name)?;
        Some(Partition { name, domain })
    }

    /// Returns the URL of EC2's API in a Region.
    pub fn ec2_url(self, region: &str) -> String {
        format!("https://ec2.{region}.{}/", self.domain)
    }

    /// Returns the ARN of a role. Its name may begin with a path.
    pub fn role_arn(self, account_id: &str, role_name: &str) -> String {
        format!("arn:{}:iam::{account_id}:role/{role_name}", self.name)
    }
}

/// Checks the number of accounts and Regions to describe. `others` are the accounts besides the caller's.
///
/// # Errors
/// If a snapshot can't have that many. The error says what is allowed.
pub fn check_pairs(regions: &[String], others: &[String]) -> Result<(), String> {
    let distinct = |names: &[String]| names.iter().collect::<BTreeSet<_>>().len();
    let pairs = distinct(regions).saturating_mul(distinct(others).saturating_add(1));
    if pairs <= MAX_PAIRS {
        return Ok(());
    }
    let (regions, accounts) = (distinct(regions), distinct(others) + 1);
    Err(format!(
        "{accounts} accounts in {regions} Regions are {pairs} to describe, but the maximum is {MAX_PAIRS}; leave out Regions or accounts"
    ))
}

/// Parses an account id.
///
/// # Errors
/// If the text is not one. The error says what is allowed.
pub fn account_id(text: &str) -> Result<String, String> {
    let is_account = text.len() == 12 && text.bytes().all(|byte| byte.is_ascii_digit());
    if is_account { Ok(text.to_owned()) } else { Err(not("an account id of 12 digits", text)) }
}

/// Parses the name of a Region. New Regions need no new version of this program.
///
/// # Errors
/// If the text can't be the name of a Region. The error says what is allowed.
pub fn region(text: &str) -> Result<String, String> {
    let is_part = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit());
    let is_region = (5..=32).contains(&text.len()) && text.split('-').count() >= 3 && text.split('-').all(is_part);
    if is_region { Ok(text.to_owned()) } else { Err(not("the name of a Region, such as eu-west-1", text)) }
}

/// Parses the name of a role, which may begin with a path.
///
/// # Errors
/// If the text can't be a role's name. The error says what is allowed.
pub fn role_name(text: &str) -> Result<String, String> {
    let is_character = |byte: u8| byte.is_ascii_alphanumeric() || b"+=,.@_-/".contains(&byte);
    let is_role = (1..=512).contains(&text.len()) && text.bytes().all(is_character) && !text.starts_with('/');
    if is_role { Ok(text.to_owned()) } else { Err(not("the name of a role, not its ARN", text)) }
}

/// Parses an external id.
///
/// # Errors
/// If the text can't be one. The error says what is allowed.
pub fn external_id(text: &str) -> Result<String, String> {
    let is_character = |byte: u8| byte.is_ascii_alphanumeric() || b"+=,.@:/_-".contains(&byte);
    let is_external_id = (2..=1224).contains(&text.len()) && text.bytes().all(is_character);
    if is_external_id {
        Ok(text.to_owned())
    } else {
        Err(not("2 to 1224 of the characters A-Z a-z 0-9 + = , . @ : / _ -", text))
    }
}

fn not(what: &str, text: &str) -> String {
    format!("{} is not {what}", quoted(text, NAME_CHARACTERS))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_partition_decides_url_and_role() {
        let url = |arn: &str, region: &str| Partition::from_arn(arn).map(|partition| partition.ec2_url(region));
        let caller = "arn:aws:sts::123456789012:assumed-role/flowsentry/x";
        assert_eq!(url(caller, "eu-west-1").as_deref(), Some("https://ec2.eu-west-1.amazonaws.com/"));
        let china = "arn:aws-cn:iam::123456789012:user/x";
        assert_eq!(url(china, "cn-north-1").as_deref(), Some("https://ec2.cn-north-1.amazonaws.com.cn/"));
        assert_eq!(url("arn:aws-moon:iam::1:user/x", "moon-1"), None);
        assert_eq!(url("aws", "eu-west-1"), None);
        let role = Partition::from_arn(china).map(|partition| partition.role_arn("999999999999", "reader/a"));
        assert_eq!(role.as_deref(), Some("arn:aws-cn:iam::999999999999:role/reader/a"));
    }

    #[test]
    fn more_pairs_than_a_snapshot_may_have_are_rejected() {
        let names = |count: usize| (0..count).map(|number| number.to_string()).collect::<Vec<_>>();
        assert_eq!(check_pairs(&names(10), &names(99)), Ok(()));
        let twice = [names(10), names(10)].concat();
        assert_eq!(check_pairs(&twice, &names(99)), Ok(()), "each name counts once");
        let error = check_pairs(&names(10), &names(100)).expect_err("1,010 pairs");
        assert!(
            error.starts_with("101 accounts in 10 Regions are 1010 to describe, but the maximum is 1000"),
            "{error}"
        );
    }

    #[test]
    fn names_that_could_change_a_url_or_a_path_are_rejected() {
        for name in ["eu-west-1", "us-gov-east-1", "mx-central-1", "us-isob-east-1", "eusc-de-east-1"] {
            assert_eq!(region(name).as_deref(), Ok(name));
        }
        for name in ["", "eu-west", "eu-west-1.evil.example/", "../x-y-1", "EU-WEST-1", "a--b", &"a-".repeat(30)] {
            assert!(region(name).is_err(), "{name}");
        }
        assert_eq!(account_id("123456789012").as_deref(), Ok("123456789012"));
        for id in ["12345678901", "1234567890123", "12345678901a", "../../../../"] {
            assert_eq!(account_id(id), Err(format!("\"{id}\" is not an account id of 12 digits")));
        }
        assert!(role_name("path/reader").is_ok() && role_name("arn:aws:iam::1:role/x").is_err());
        assert!(external_id("a1").is_ok() && external_id("a").is_err() && external_id("a b").is_err());
    }
}
