//! Says what to do about an argument that is not what the command reads: an address in S3, a pattern, or a file of another kind.

use std::io;
use std::path::Path;

use crate::input::other_format::HEAD_BYTES;
use crate::plan::key::EXTENSIONS;

/// What an argument should have been.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Expected {
    FlowLog,
    Topology,
    Partial,
}

/// Kinds of files that are mistaken for each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    FlowLog,
    Summary,
    Partial,
}

/// Returns why a file cannot be opened, and what to do.
pub(super) fn cannot_open(path: &Path, error: &io::Error, expected: Expected) -> String {
    let text = path.to_string_lossy();
    if text.starts_with("s3:") {
        return in_s3(&text, expected);
    }
    if error.kind() == io::ErrorKind::NotFound && text.contains(['*', '?', '[']) {
        return "cannot be opened: the shell leaves a pattern as it is if it is in quotes or nothing matches; a folder works, too".to_owned();
    }
    format!("cannot be opened: {error}")
}

/// Says how to read from S3.
fn in_s3(uri: &str, expected: Expected) -> String {
    let is_plain = |character: char| character.is_ascii_alphanumeric() || "/-_.=+:".contains(character);
    // A name that a shell would change is not repeated.
    let uri = if uri.starts_with("s3://") && uri.chars().all(is_plain) { uri } else { "s3://BUCKET/PREFIX/" };
    let name = uri.rsplit('/').next().unwrap_or_default();
    let is_object = EXTENSIONS.iter().chain(&["json", "fspart"]).any(|known| name.ends_with(&format!(".{known}")));
    let folder = match expected {
        Expected::FlowLog => "logs/",
        Expected::Topology => "topology/",
        Expected::Partial => "partials/",
    };
    let copy = if is_object { format!("aws s3 cp {uri} {folder}") } else { format!("aws s3 sync {uri} {folder}") };
    let function = if expected == Expected::FlowLog { ", or deploy the function, which reads from S3" } else { "" };
    format!("is in S3, which this command does not read: copy it with {copy} and give {folder}{function}")
}

/// Returns what a file is that was given as something else, by its first bytes, and what to do. `None` if it may be what was expected.
pub(super) fn of_other_kind(bytes: &[u8], expected: Expected) -> Option<&'static str> {
    advice(kind(bytes.get(..HEAD_BYTES).unwrap_or(bytes))?, expected)
}

fn advice(kind: Kind, expected: Expected) -> Option<&'static str> {
    match (kind, expected) {
        (Kind::FlowLog, Expected::Topology) => {
            Some("looks like a flow log: give it as an input, and the output of aws ec2 describe-… with --topology")
        }
        (Kind::FlowLog, Expected::Partial) => Some("looks like a flow log: read it with flowsentry analyze"),
        (Kind::Summary, Expected::Topology) => {
            Some("is a summary of flowsentry: give the output of aws ec2 describe-… with --topology")
        }
        (Kind::Summary, Expected::Partial) => {
            Some("is a summary of flowsentry, which cannot be merged: make a partial with flowsentry analyze --partial")
        }
        (Kind::Partial, Expected::Topology) => Some("is a partial of flowsentry: give it to flowsentry merge"),
        (_, Expected::FlowLog) | (Kind::Partial, Expected::Partial) => None,
    }
}

/// Recognizes a file by its first bytes.
fn kind(head: &[u8]) -> Option<Kind> {
    if head.starts_with(b"FSPART") {
        return Some(Kind::Partial);
    }
    if head.starts_with(b"\x1f\x8b") || head.starts_with(b"PAR1") {
        return Some(Kind::FlowLog);
    }
    let text = String::from_utf8_lossy(head);
    if text.trim_start().starts_with('{') && text.contains("\"flowsentry/summary/") {
        return Some(Kind::Summary);
    }
    let mut words = text.lines().next()?.split_ascii_whitespace();
    let is_log = words.any(|word| ["srcaddr", "${srcaddr}", "ACCEPT", "REJECT", "NODATA", "SKIPDATA"].contains(&word));
    is_log.then_some(Kind::FlowLog)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn s3_is_copied_first() {
        let message =
            |path: &str, expected| cannot_open(Path::new(path), &io::Error::from(io::ErrorKind::NotFound), expected);
        for (path, expected, command) in [
            (
                "s3://b/AWSLogs/1/",
                Expected::FlowLog,
                "with aws s3 sync s3://b/AWSLogs/1/ logs/ and give logs/, or deploy",
            ),
            ("s3://b/a.log.gz", Expected::FlowLog, "with aws s3 cp s3://b/a.log.gz logs/ and give logs/, or deploy"),
            ("s3://b/vpcs.json", Expected::Topology, "with aws s3 cp s3://b/vpcs.json topology/ and give topology/"),
            ("s3://b/$(x)/", Expected::Partial, "with aws s3 sync s3://BUCKET/PREFIX/ partials/ and give partials/"),
        ] {
            let message = message(path, expected);
            assert!(message.starts_with("is in S3, which") && message.contains(command), "{message}");
        }
    }

    #[test]
    fn a_pattern_is_explained_if_nothing_has_its_name() {
        let message = |path: &str, kind| cannot_open(Path::new(path), &io::Error::from(kind), Expected::FlowLog);
        assert!(message("logs/*.gz", io::ErrorKind::NotFound).contains("in quotes or nothing matches"));
        assert_eq!(message("logs/*.gz", io::ErrorKind::PermissionDenied), "cannot be opened: permission denied");
        assert_eq!(message("logs/a.gz", io::ErrorKind::NotFound), "cannot be opened: entity not found");
    }

    #[test]
    fn files_of_another_kind_are_recognized() {
        for (head, expected) in [
            (&b"FSPART\r\n\x02\0"[..], Some(Kind::Partial)),
            (b"\x1f\x8b\x08\0", Some(Kind::FlowLog)),
            (b"PAR1\x15\x04", Some(Kind::FlowLog)),
            (b"version srcaddr dstaddr\n", Some(Kind::FlowLog)),
            (b"2 1 eni-1 10.0.0.1 10.0.0.2 1 2 6 1 40 1 2 ACCEPT OK\n", Some(Kind::FlowLog)),
            (br#"{"schema":"flowsentry/summary/v1","sources":[]}"#, Some(Kind::Summary)),
            (br#"{"schema":"flowsentry/topology-snapshot/v1"}"#, None),
            (br#"{"Vpcs": [{"VpcId": "vpc-1"}]}"#, None),
            (b"", None),
        ] {
            assert_eq!(kind(head), expected, "{}", String::from_utf8_lossy(head));
        }
    }
}
