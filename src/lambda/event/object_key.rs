//! Decodes object keys in events, and recognizes objects that AWS stores beside logs.

use std::borrow::Cow;

use percent_encoding::percent_decode_str;

/// Decodes the key of a notification, which is encoded like an HTML form: `+` is a space, `%3D` is `=`.
///
/// AWS does not encode `/`; other senders do, and some encode nothing. So an invalid escape is kept as it is, and a key whose
/// escapes are not valid UTF-8 was not encoded at all.
pub fn decode_form_key(key: &str) -> String {
    let spaced = key.replace('+', " ");
    percent_decode_str(&spaced).decode_utf8().map_or_else(|_| key.to_owned(), Cow::into_owned)
}

/// Returns the decoded key, if it differs.
pub fn alternate_key(key: &str) -> Option<String> {
    Some(decode_form_key(key)).filter(|decoded| decoded != key && !decoded.is_empty())
}

/// Name of the object with which an export task of CloudWatch Logs tests its permission:
/// <https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/S3Export.html>
const EXPORT_TEST: &str = "aws-logs-write-test";
/// Folders in which Firehose stores records that it could not process:
/// <https://docs.aws.amazon.com/firehose/latest/dev/s3-prefixes.html> and
/// <https://docs.aws.amazon.com/firehose/latest/dev/decomp-faq.html>
const FIREHOSE_ERRORS: [&str; 4] =
    ["processing-failed", "decompression-failed", "format-conversion-failed", "splunk-failed"];

/// Reports whether the key is that of an object which AWS stores beside logs and which is none: the test object of an export, the
/// errors of Firehose, or a folder of the console: an empty object whose key ends in a slash.
pub fn is_beside_logs(key: &str) -> bool {
    let (folders, file) = key.rsplit_once('/').unwrap_or(("", key));
    key.ends_with('/') || file == EXPORT_TEST || folders.split('/').any(|folder| FIREHOSE_ERRORS.contains(&folder))
}

#[cfg(test)]
mod tests {
    use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn keys_are_decoded_like_html_forms() {
        assert_eq!(decode_form_key("red+flower%2B.jpg"), "red flower+.jpg");
        assert_eq!(decode_form_key("a%2Fb%3Dc/d"), "a/b=c/d");
        assert_eq!(decode_form_key("%C3%A9t%c3%a9"), "été");
        assert_eq!(decode_form_key("100%"), "100%");
        assert_eq!(decode_form_key("100%zz%4"), "100%zz%4");
        assert_eq!(decode_form_key("a+b%FF"), "a+b%FF");
        assert_eq!(decode_form_key("%252B"), "%2B");
    }

    #[test]
    fn an_alternate_key_differs_from_the_key() {
        assert_eq!(alternate_key("a+b%41").as_deref(), Some("a bA"));
        assert_eq!(alternate_key("a/b=c 100%"), None);
        assert_eq!(alternate_key("a+b%FF"), None);
    }

    #[test]
    fn objects_beside_logs_are_known_by_whole_names() {
        for beside in [
            "folder/",
            "aws-logs-write-test",
            "exports/aws-logs-write-test",
            "processing-failed/2026/11/23/06/stream-1-2026-11-23-06-00-00-0a1b",
            "logs/errors/decompression-failed/x.gz",
            "errors/year=2026/format-conversion-failed/x",
            "errors/splunk-failed/x",
        ] {
            assert!(is_beside_logs(beside), "{beside}");
        }
        for log in [
            "",
            "aws-logs-write-test/x.log",
            "my-aws-logs-write-test",
            "processing-failed",
            "logs/processing-failed.log.gz",
            "not-processing-failed/x.log",
            "AWSLogs/123456789012/vpcflowlogs/us-east-1/2018/06/20/x.log.gz",
        ] {
            assert!(!is_beside_logs(log), "{log}");
        }
    }

    proptest! {
        #[test]
        fn decoding_reverses_encoding(key in "\\PC{0,60}") {
            let encoded = utf8_percent_encode(&key, NON_ALPHANUMERIC).to_string().replace("%20", "+");
            prop_assert_eq!(decode_form_key(&encoded), key);
        }
    }
}
