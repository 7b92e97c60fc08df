//! Texts for people: times, and links to the console.

use std::fmt::Write;

use jiff::Timestamp;

/// Returns a time, in seconds since the Unix epoch, such as `2026-11-29 06:00 UTC`, or `unknown`.
pub fn time(seconds: Option<i64>) -> String {
    let time = seconds.and_then(|seconds| Timestamp::from_second(seconds).ok());
    time.map_or_else(|| "unknown".to_owned(), |time| time.strftime("%Y-%m-%d %H:%M UTC").to_string())
}

/// Returns the page of an object in the console of S3. The region is that of the bucket, which is that of the function.
pub fn console_url(region: Option<&str>, bucket: &str, key: &str) -> String {
    let region = region.unwrap_or("us-east-1");
    let host = match region {
        region if region.starts_with("cn-") => "console.amazonaws.cn",
        region if region.starts_with("us-gov-") => "console.amazonaws-us-gov.com",
        _ => "console.aws.amazon.com",
    };
    format!("https://{host}/s3/object/{bucket}?region={region}&prefix={}", encoded(key))
}

/// Percent-encodes a key, except for characters that are plain in a query.
fn encoded(key: &str) -> String {
    let mut encoded = String::with_capacity(key.len());
    for byte in key.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~/".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            // Writing to a string does not fail.
            write!(encoded, "%{byte:02X}").unwrap_or_default();
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_in_utc() {
        assert_eq!(time(Some(1_795_932_000)), "2026-11-29 06:00 UTC");
        assert_eq!((time(None), time(Some(i64::MAX))), ("unknown".to_owned(), "unknown".to_owned()));
    }

    #[test]
    fn keys_are_encoded_in_links() {
        let url = |region| console_url(region, "out", "a/date=2026-11-29/é.json");
        let of_key = "prefix=a/date%3D2026-11-29/%C3%A9.json";
        let expected = format!("https://console.aws.amazon.com/s3/object/out?region=eu-west-1&{of_key}");
        assert_eq!(url(Some("eu-west-1")), expected);
        assert!(url(Some("cn-north-1")).starts_with("https://console.amazonaws.cn/s3/"));
        assert!(url(Some("us-gov-west-1")).starts_with("https://console.amazonaws-us-gov.com/s3/"));
    }
}
