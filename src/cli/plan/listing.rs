//! Listings of a bucket: the output of `aws s3api list-objects-v2`, which is one document or one for each page.

use std::collections::HashSet;
use std::io::{BufReader, Read};
use std::path::Path;

use serde::Deserialize;

use super::usage_error;
use crate::cli::CliError;
use crate::cli::wrong_input::{self, Expected};
use crate::plan::LogObject;
use crate::sanitize::{NAME_CHARACTERS, quoted};

/// A page of a listing. The AWS CLI joins pages to one document, which has the contents only.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Page {
    contents: Option<Vec<Item>>,
    name: Option<String>,
    #[serde(default)]
    is_truncated: bool,
    continuation_token: Option<String>,
    next_continuation_token: Option<String>,
    /// The CLI stopped at `--max-items`.
    next_token: Option<String>,
    #[serde(default)]
    common_prefixes: Vec<serde::de::IgnoredAny>,
    #[serde(default, deserialize_with = "is_present")]
    request_charged: bool,
    #[serde(default, deserialize_with = "is_present")]
    prefix: bool,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Item {
    key: String,
    size: u64,
    #[serde(rename = "ETag")]
    etag: Option<String>,
}

fn is_present<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<bool, D::Error> {
    serde::de::IgnoredAny::deserialize(deserializer).map(|_| true)
}

impl Page {
    /// Returns whether this is a listing at all. Without objects it may have only fields that are always there.
    fn is_listing(&self) -> bool {
        self.contents.is_some() || self.name.is_some() || self.request_charged || self.prefix
    }
}

/// Reads the listing at this path, or of stdin for `-`, and calls `add` with each object. `bucket` is the bucket of documents that do not
/// name one.
pub(super) fn read(path: &Path, bucket: Option<&str>, add: impl FnMut(LogObject)) -> Result<(), CliError> {
    let result = wrong_input::open(path, Expected::Listing).and_then(|input| {
        let or_advice = |error| wrong_input::advice(path, Expected::Listing).map_or(error, str::to_owned);
        objects(input, bucket, add).map_err(or_advice)
    });
    result.map_err(|error| usage_error(format!("--listing {}: {error}", path.display())))
}

/// Calls `add` with each object of the documents. Holds one document in memory.
fn objects(input: impl Read, bucket: Option<&str>, mut add: impl FnMut(LogObject)) -> Result<(), String> {
    let mut expected = HashSet::new();
    let mut present = HashSet::new();
    for page in serde_json::Deserializer::from_reader(BufReader::new(input)).into_iter::<Page>() {
        let page = page.map_err(|error| format!("not the output of aws s3api list-objects-v2: {error}"))?;
        if !page.is_listing() {
            return Err("not the output of aws s3api list-objects-v2: it has no Contents".to_owned());
        }
        if !page.common_prefixes.is_empty() {
            return Err("it has CommonPrefixes, whose objects it does not list; list without --delimiter".to_owned());
        }
        if page.next_token.is_some() || (page.is_truncated && page.next_continuation_token.is_none()) {
            return Err("it ends early; list without --max-items".to_owned());
        }
        expected.extend(page.next_continuation_token.filter(|_| page.is_truncated));
        present.extend(page.continuation_token);
        let contents = page.contents.unwrap_or_default();
        if contents.is_empty() {
            continue;
        }
        let bucket = self::bucket(page.name.as_deref(), bucket)?;
        for Item { key, size, etag } in contents {
            let etag = etag.map(|etag| etag.trim_matches('"').to_owned());
            add(LogObject { bucket: Some(bucket.to_owned()), key, bytes: size, etag });
        }
    }
    if expected.is_subset(&present) { Ok(()) } else { Err("it ends early; a page that follows is missing".to_owned()) }
}

fn bucket<'a>(listed: Option<&'a str>, given: Option<&'a str>) -> Result<&'a str, String> {
    match (listed, given) {
        (Some(listed), Some(given)) if listed != given => {
            Err(format!("it is of the bucket {}, but --bucket is another", quoted(listed, NAME_CHARACTERS)))
        }
        (Some(bucket), _) | (None, Some(bucket)) => Ok(bucket),
        (None, None) => Err("it does not name its bucket; pass --bucket".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn uris(input: &str, bucket: Option<&str>) -> Result<Vec<String>, String> {
        let mut uris = Vec::new();
        objects(input.as_bytes(), bucket, |object| {
            uris.push(format!("{} {} {}", object.uri(), object.bytes, object.etag.as_deref().unwrap_or("-")));
        })?;
        Ok(uris)
    }

    #[test]
    fn joined_pages_and_single_pages_are_read() {
        let joined = r#"{"Contents": [
            {"Key": "a/1.log.gz", "LastModified": "2026-11-23T06:05:00+00:00", "ETag": "\"e1\"", "Size": 7, "StorageClass": "STANDARD"},
            {"Key": "a/2.log.gz", "Size": 0}], "RequestCharged": null}"#;
        let expected = ["s3://b/a/1.log.gz 7 e1".to_owned(), "s3://b/a/2.log.gz 0 -".to_owned()];
        assert_eq!(uris(joined, Some("b")), Ok(expected.to_vec()));
        let pages = r#"{"IsTruncated": true, "Contents": [{"Key": "1", "Size": 1}], "Name": "b", "NextContinuationToken": "t"}
            {"IsTruncated": false, "Contents": [{"Key": "2", "Size": 2}], "Name": "b", "ContinuationToken": "t"}"#;
        assert_eq!(uris(pages, None), Ok(vec!["s3://b/1 1 -".to_owned(), "s3://b/2 2 -".to_owned()]));
        assert_eq!(uris("", None), Ok(vec![]));
        assert_eq!(uris(r#"{"RequestCharged": null, "Prefix": "x"}"#, None), Ok(vec![]));
    }

    #[test]
    fn incomplete_listings_are_errors() {
        for (document, problem) in [
            (r#"{"Contents": [], "NextToken": "x"}"#, "it ends early; list without --max-items"),
            (r#"{"Contents": [], "IsTruncated": true}"#, "it ends early; list without --max-items"),
            (
                r#"{"Contents": [], "IsTruncated": true, "NextContinuationToken": "t"}"#,
                "it ends early; a page that follows is missing",
            ),
            (
                r#"{"Name": "b", "CommonPrefixes": [{"Prefix": "a/"}]}"#,
                "it has CommonPrefixes, whose objects it does not list; list without --delimiter",
            ),
            (r#"{"Contents": [{"Key": "1", "Size": 1}]}"#, "it does not name its bucket; pass --bucket"),
            (r#"{"Vpcs": []}"#, "not the output of aws s3api list-objects-v2: it has no Contents"),
        ] {
            assert_eq!(uris(document, None), Err(problem.to_owned()), "{document}");
        }
        let other = r#"{"Name": "b\u001b", "Contents": [{"Key": "1", "Size": 1}]}"#;
        assert_eq!(uris(other, Some("c")), Err(r#"it is of the bucket "b\u{1b}", but --bucket is another"#.to_owned()));
        for document in ["x", "[]", r#"{"Contents": [{"Key": "1", "Size": -1}]}"#, r#"{"Contents": [{"Key": "1""#] {
            let error = uris(document, Some("b")).expect_err("not a listing");
            assert!(error.starts_with("not the output of aws s3api list-objects-v2: "), "{error}");
        }
    }
}
