//! Opens the files of the arguments, and says what to do about one that is not what the command reads or writes: an address in S3, a
//! pattern, a folder, or a file of another kind.

use std::fs::File;
use std::io::{self, Cursor, Read};
use std::path::Path;

use crate::input::decoder::Decoder;
use crate::input::other_format::{DESCRIBE_OUTPUT, HEAD_BYTES, OtherFormat};
use crate::plan::key::EXTENSIONS;

/// The argument that stands for stdin.
pub(super) const STDIN: &str = "-";

/// What an argument should have been.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Expected {
    FlowLog,
    Topology,
    Partial,
    Summary,
    /// The file of `--config`.
    Config,
    /// The file of `--inputs-from`.
    Inputs,
    /// The file of `--listing`.
    Listing,
}

/// Kinds of files that are mistaken for each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    FlowLog,
    Summary,
    Partial,
    Topology,
    OtherJson,
    Utf16,
}

/// Opens a file, or stdin where it is read. The error says what to do.
#[expect(clippy::disallowed_methods, reason = "the command line reads files")]
pub(super) fn open(path: &Path, expected: Expected) -> Result<Box<dyn Read + Send>, String> {
    if path.as_os_str() == STDIN && expected.may_be_stdin() {
        return without_mark(io::stdin(), expected);
    }
    // Some systems open folders, and fail when they are read.
    if let Some(advice) = expected.instead_of_folder().filter(|_| path.is_dir()) {
        return Err(format!("is a folder: {advice}"));
    }
    without_mark(File::open(path).map_err(|error| cannot_open(path, &error, expected))?, expected)
}

/// Reads a file, or stdin if the command reads it, up to a maximum length.
pub(super) fn read(path: &Path, expected: Expected, max_bytes: u64) -> Result<Vec<u8>, String> {
    let mut bytes = Vec::new();
    let input = open(path, expected)?;
    // Reading one byte more shows that there are more.
    let count = input.take(max_bytes.saturating_add(1)).read_to_end(&mut bytes);
    let count = count.map_err(|error| format!("cannot be read: {error}"))?;
    if count as u64 > max_bytes {
        return Err(format!("is longer than {} MiB, which is the limit of {}", max_bytes >> 20, expected.name()));
    }
    Ok(bytes)
}

/// Skips the byte order mark that some programs of Windows write before text. Readers of flow logs and summaries do so themselves, because it
/// may be compressed.
fn without_mark(mut input: impl Read + Send + 'static, expected: Expected) -> Result<Box<dyn Read + Send>, String> {
    if matches!(expected, Expected::FlowLog | Expected::Summary | Expected::Partial) {
        return Ok(Box::new(input));
    }
    let mut head = Vec::new();
    let count = BYTE_ORDER_MARK.len() as u64;
    input.by_ref().take(count).read_to_end(&mut head).map_err(|error| format!("cannot be read: {error}"))?;
    let head = if head == BYTE_ORDER_MARK { Vec::new() } else { head };
    Ok(Box::new(Cursor::new(head).chain(input)))
}

const BYTE_ORDER_MARK: &[u8] = "\u{feff}".as_bytes();

impl Expected {
    /// Returns whether `-` is stdin.
    fn may_be_stdin(self) -> bool {
        !matches!(self, Expected::Topology | Expected::Config)
    }

    /// Returns its name in messages.
    fn name(self) -> &'static str {
        match self {
            Expected::FlowLog => "a flow log",
            Expected::Topology => "a topology document",
            Expected::Partial => "a partial",
            Expected::Summary => "a summary",
            Expected::Config => "a configuration",
            Expected::Inputs => "a list of inputs",
            Expected::Listing => "a listing",
        }
    }

    /// Returns what to give instead of a folder. `None` if a folder is read.
    fn instead_of_folder(self) -> Option<&'static str> {
        match self {
            Expected::FlowLog | Expected::Topology => None,
            Expected::Partial => Some("give the files in it, such as FOLDER/*.fspart"),
            Expected::Summary => Some("give one summary"),
            Expected::Config => Some("give one TOML file"),
            Expected::Inputs => Some("give it as an input, without --inputs-from"),
            Expected::Listing => Some("give it as an input, without --listing"),
        }
    }

    /// Returns the folder to which files are copied.
    fn folder(self) -> &'static str {
        match self {
            Expected::FlowLog => "logs/",
            Expected::Topology => "topology/",
            Expected::Partial => "partials/",
            Expected::Summary | Expected::Config | Expected::Inputs | Expected::Listing => "./",
        }
    }
}

/// Returns why a file cannot be opened, and what to do.
pub(super) fn cannot_open(path: &Path, error: &io::Error, expected: Expected) -> String {
    let text = path.to_string_lossy();
    if let Some(uri) = s3_uri(&text) {
        return in_s3(&uri, expected);
    }
    if text == STDIN {
        return "stdin is not read here: give a file".to_owned();
    }
    if error.kind() == io::ErrorKind::NotFound && text.contains(['*', '?', '[']) {
        let folder = if expected.instead_of_folder().is_none() { "; a folder works, too" } else { "" };
        return format!(
            "cannot be opened: the shell leaves a pattern as it is if it is in quotes or nothing matches{folder}"
        );
    }
    format!("cannot be opened: {error}")
}

/// Returns the `s3://` form of an address in S3: the same in capitals, an ARN, or the address of the object in HTTPS.
fn s3_uri(text: &str) -> Option<String> {
    let scheme = text.get(..3).filter(|scheme| scheme.eq_ignore_ascii_case("s3:"));
    if let Some(rest) = scheme.and_then(|_| text.get(3..)) {
        return Some(format!("s3:{rest}"));
    }
    if let Some((_, path)) = text.strip_prefix("arn:aws").and_then(|arn| arn.split_once(":s3:::")) {
        return Some(format!("s3://{path}"));
    }
    let (host, path) = text.strip_prefix("https://")?.split_once('/')?;
    let host = host.strip_suffix(".amazonaws.com").or_else(|| host.strip_suffix(".amazonaws.com.cn"))?;
    match host.split_once(".s3") {
        Some((bucket, rest)) if rest.is_empty() || rest.starts_with(['.', '-']) => {
            Some(format!("s3://{bucket}/{path}"))
        }
        _ => (host == "s3" || host.starts_with("s3.") || host.starts_with("s3-")).then(|| format!("s3://{path}")),
    }
}

/// Says how to read from S3.
fn in_s3(uri: &str, expected: Expected) -> String {
    // A name that a shell would change is not repeated.
    let uri = if is_plain_uri(uri) { uri } else { "s3://BUCKET/PREFIX/" };
    let name = uri.rsplit('/').next().unwrap_or_default();
    let folder = expected.folder();
    if expected == Expected::FlowLog && name.ends_with(".json") {
        // A folder of logs is read without its documents.
        return format!(
            "is in S3, which this command does not read: copy it with aws s3 cp {uri} ./ and give the copy"
        );
    }
    if folder == "./" && name.is_empty() {
        return format!(
            "is a prefix in S3, which this command does not read: choose one object with aws s3 ls {uri}, and copy that one with aws s3 cp"
        );
    }
    if folder == "./" {
        let pipe =
            if expected.may_be_stdin() { format!(", or pipe it to -: aws s3 cp {uri} -") } else { String::new() };
        return format!(
            "is in S3, which this command does not read: copy it with aws s3 cp {uri} ./ and give the copy{pipe}"
        );
    }
    let is_object = EXTENSIONS.iter().chain(&["json", "fspart"]).any(|known| name.ends_with(&format!(".{known}")));
    let copy = if is_object { format!("aws s3 cp {uri} {folder}") } else { format!("aws s3 sync {uri} {folder}") };
    let give = if expected == Expected::Partial { "partials/*.fspart" } else { folder };
    let function = if expected == Expected::FlowLog { ", or deploy the function, which reads from S3" } else { "" };
    format!("is in S3, which this command does not read: copy it with {copy} and give {give}{function}")
}

fn is_plain_uri(uri: &str) -> bool {
    let is_plain = |character: char| character.is_ascii_alphanumeric() || "/-_.=+:".contains(character);
    uri.starts_with("s3://") && uri.chars().all(is_plain)
}

/// Returns why a file cannot be written, before there is anything to write. `None` if it probably can.
pub(super) fn cannot_write(path: &Path) -> Option<String> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    cannot_write_folder(path)
        .or_else(|| path.is_dir().then(|| "is a folder: give the name of a file in it".to_owned()))
        .or_else(|| {
            folder.filter(|folder| !folder.is_dir()).map(|folder| format!("{} is not a folder", folder.display()))
        })
}

/// Returns why a folder cannot be written. `None` if it probably can.
pub(super) fn cannot_write_folder(path: &Path) -> Option<String> {
    s3_uri(&path.to_string_lossy())
        .map(|_| "is in S3, which this command does not write: write it here, and copy it with aws s3 cp".to_owned())
}

/// Returns what a file is that was given as something else, by its first bytes, and what to do. `None` if it is not recognized.
pub(super) fn advice(path: &Path, expected: Expected) -> Option<&'static str> {
    // What is read of a pipe would be lost.
    if path.as_os_str() == STDIN || !path.is_file() {
        return None;
    }
    let mut head = Vec::new();
    open(path, expected).ok()?.take(MAX_RAW_HEAD_BYTES).read_to_end(&mut head).ok()?;
    of_other_kind(&head, expected)
}

/// As [`advice`], for a file that was read.
pub(super) fn of_other_kind(bytes: &[u8], expected: Expected) -> Option<&'static str> {
    let is_gzip = bytes.starts_with(GZIP);
    let content = Decoder::open(bytes, MAX_RAW_HEAD_BYTES).and_then(|mut decoder| decoder.peek(HEAD_BYTES).map(kind));
    // Only flow logs and summaries are compressed, and a damaged summary is no flow log.
    let is_log = |_| (expected != Expected::Summary).then_some(Kind::FlowLog);
    match content.unwrap_or_else(is_log)? {
        Kind::Partial if is_gzip => of_zipped_partial(expected),
        kind => of_kind(kind, expected),
    }
}

/// First bytes of what gzip compresses.
const GZIP: &[u8] = b"\x1f\x8b";

fn of_zipped_partial(expected: Expected) -> Option<&'static str> {
    match expected {
        Expected::FlowLog => None,
        Expected::Partial => Some("is a partial that is compressed: decompress it with gunzip, and give the result"),
        _ => Some(
            "is a partial of flowsentry that is compressed: decompress it with gunzip, and give it to flowsentry merge",
        ),
    }
}

/// Bytes of a file that are read to recognize it, compressed or not.
const MAX_RAW_HEAD_BYTES: u64 = 64 * 1024;

fn of_kind(kind: Kind, expected: Expected) -> Option<&'static str> {
    match (kind, expected) {
        (_, Expected::FlowLog) => None,
        (Kind::Utf16, _) => Some("is text in UTF-16, as some versions of PowerShell write it: save it as UTF-8"),
        (Kind::FlowLog, Expected::Topology) => {
            Some("looks like a flow log: give it as an input, and the output of aws ec2 describe-… with --topology")
        }
        (Kind::FlowLog, Expected::Partial) => Some("looks like a flow log: read it with flowsentry analyze"),
        (Kind::FlowLog, Expected::Summary) => {
            Some("looks like a flow log: read it with flowsentry analyze, top, or timeline")
        }
        (Kind::FlowLog, Expected::Config | Expected::Inputs | Expected::Listing) => {
            Some("looks like a flow log: give it as an input, without the option")
        }
        (Kind::Summary, Expected::Topology) => {
            Some("is a summary of flowsentry: give the output of aws ec2 describe-… with --topology")
        }
        (Kind::Summary, Expected::Partial) => {
            Some("is a summary of flowsentry, which cannot be merged: make a partial with flowsentry analyze --partial")
        }
        (Kind::Summary, Expected::Config | Expected::Inputs | Expected::Listing) => {
            Some("is a summary of flowsentry: read it with flowsentry report")
        }
        (
            Kind::Partial,
            Expected::Topology | Expected::Summary | Expected::Config | Expected::Inputs | Expected::Listing,
        ) => Some("is a partial of flowsentry: give it to flowsentry merge"),
        (
            Kind::Topology,
            Expected::Partial | Expected::Summary | Expected::Config | Expected::Inputs | Expected::Listing,
        ) => Some("looks like output of aws ec2 describe-…: give it with --topology"),
        (Kind::OtherJson, Expected::Inputs) => {
            Some("is JSON: give a file with an input on each line, such as batches/00000.txt of flowsentry plan")
        }
        (Kind::OtherJson, Expected::Config) => Some("is JSON: the configuration is TOML"),
        (Kind::OtherJson, _)
        | (Kind::Partial, Expected::Partial)
        | (Kind::Summary, Expected::Summary)
        | (Kind::Topology, Expected::Topology) => None,
    }
}

/// Recognizes a file by its first bytes.
fn kind(head: &[u8]) -> Option<Kind> {
    if head.starts_with(b"FSPART") {
        return Some(Kind::Partial);
    }
    if head.starts_with(b"\xff\xfe") || head.starts_with(b"\xfe\xff") {
        return Some(Kind::Utf16);
    }
    if head.starts_with(b"PAR1") {
        return Some(Kind::FlowLog);
    }
    let text = String::from_utf8_lossy(head);
    let text = text.trim_start_matches('\u{feff}').trim_start();
    if text.starts_with('{') && (text.contains("\"flowsentry/summary/") || has_sorted_keys(text)) {
        return Some(Kind::Summary);
    }
    if text.starts_with('{') && OtherFormat::from_text(head).is_some_and(|other| other.name == DESCRIBE_OUTPUT) {
        return Some(Kind::Topology);
    }
    if text.starts_with('{') && !["\"srcaddr\"", "\"message\"", "\"logEvents\""].iter().any(|word| text.contains(word))
    {
        return Some(Kind::OtherJson);
    }
    let mut words = text.lines().next()?.split(|character: char| character.is_ascii_whitespace() || character == '"');
    let is_log = words.any(|word| ["srcaddr", "${srcaddr}", "ACCEPT", "REJECT", "NODATA", "SKIPDATA"].contains(&word));
    is_log.then_some(Kind::FlowLog)
}

/// Reports whether a document begins as a summary does whose keys are sorted, such as by jq -S: with the list of inputs that failed.
fn has_sorted_keys(text: &str) -> bool {
    let first = text.strip_prefix('{').and_then(|text| text.trim_start().strip_prefix("\"failed\""));
    let value = first.and_then(|rest| rest.trim_start().strip_prefix(':'));
    value.is_some_and(|value| value.trim_start().starts_with('['))
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
            (
                "s3://b/$(x)/",
                Expected::Partial,
                "with aws s3 sync s3://BUCKET/PREFIX/ partials/ and give partials/*.fspart",
            ),
        ] {
            let message = message(path, expected);
            assert!(message.starts_with("is in S3, which") && message.contains(command), "{message}");
        }
    }

    #[test]
    #[expect(clippy::disallowed_methods, reason = "the test writes a file")]
    fn a_file_that_is_too_long_is_not_read() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("list.txt");
        let max = 1 << 20;
        std::fs::write(&path, vec![b'a'; max]).expect("a file");
        assert_eq!(read(&path, Expected::Inputs, max as u64).map(|bytes| bytes.len()), Ok(max));
        std::fs::write(&path, vec![b'a'; max + 1]).expect("a file");
        let error = read(&path, Expected::Topology, max as u64);
        assert_eq!(error, Err("is longer than 1 MiB, which is the limit of a topology document".to_owned()));
    }

    #[test]
    fn each_form_of_an_address_in_s3_is_known() {
        for (given, expected) in [
            ("S3://b/p/a.log", "s3://b/p/a.log"),
            ("s3://b/p/", "s3://b/p/"),
            ("arn:aws:s3:::b/p/a.log", "s3://b/p/a.log"),
            ("arn:aws-cn:s3:::b", "s3://b"),
            ("https://b.s3.amazonaws.com/p/a.log", "s3://b/p/a.log"),
            ("https://b.s3.eu-west-1.amazonaws.com/a.log", "s3://b/a.log"),
            ("https://b.s3-eu-west-1.amazonaws.com/a.log", "s3://b/a.log"),
            ("https://s3.eu-west-1.amazonaws.com/b/a.log", "s3://b/a.log"),
        ] {
            assert_eq!(s3_uri(given).as_deref(), Some(expected), "{given}");
        }
        for other in
            ["a.log", "s3/a.log", "ß", "arn:aws:ec2:::x", "https://example.com/a", "https://logs.amazonaws.com/a", ""]
        {
            assert_eq!(s3_uri(other), None, "{other}");
        }
        let error = io::Error::from(io::ErrorKind::NotFound);
        let message = cannot_open(Path::new("S3://b/a.log.gz"), &error, Expected::FlowLog);
        assert!(message.contains("with aws s3 cp s3://b/a.log.gz logs/"), "{message}");
    }

    #[test]
    fn one_document_in_s3_is_copied_by_itself() {
        let message =
            |path: &str, expected| cannot_open(Path::new(path), &io::Error::from(io::ErrorKind::NotFound), expected);
        assert_eq!(
            message("s3://b/p/a.json", Expected::FlowLog),
            "is in S3, which this command does not read: copy it with aws s3 cp s3://b/p/a.json ./ and give the copy"
        );
        assert_eq!(
            message("s3://b/p/", Expected::Summary),
            "is a prefix in S3, which this command does not read: choose one object with aws s3 ls s3://b/p/, and copy that one \
             with aws s3 cp"
        );
        let of_object = message("s3://b/p/a.json", Expected::Summary);
        assert!(of_object.contains("aws s3 cp s3://b/p/a.json ./ and give the copy, or pipe it"), "{of_object}");
    }

    #[test]
    fn a_zipped_partial_is_unzipped_first() {
        let mut zipped = Vec::new();
        flate2::read::GzEncoder::new(&b"FSPART\r\n\x02\0"[..], flate2::Compression::fast())
            .read_to_end(&mut zipped)
            .expect("gzip");
        let partial = "is a partial that is compressed: decompress it with gunzip, and give the result";
        assert_eq!(of_other_kind(&zipped, Expected::Partial), Some(partial));
        let summary =
            "is a partial of flowsentry that is compressed: decompress it with gunzip, and give it to flowsentry merge";
        assert_eq!(of_other_kind(&zipped, Expected::Summary), Some(summary));
        assert_eq!(of_other_kind(b"FSPART\r\n\x02\0", Expected::Partial), None);
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
            (b"PAR1\x15\x04", Some(Kind::FlowLog)),
            (b"\xff\xfe{\0", Some(Kind::Utf16)),
            (b"version srcaddr dstaddr\n", Some(Kind::FlowLog)),
            (b"2 1 eni-1 10.0.0.1 10.0.0.2 1 2 6 1 40 1 2 ACCEPT OK\n", Some(Kind::FlowLog)),
            (br#"{"schema":"flowsentry/summary/v1","sources":[]}"#, Some(Kind::Summary)),
            (b"{\n  \"failed\": [],\n  \"findings\": [", Some(Kind::Summary)),
            (b"{\"failed\": true}", Some(Kind::OtherJson)),
            (br#"{"schema":"flowsentry/topology-snapshot/v1"}"#, Some(Kind::OtherJson)),
            (br#"{"Vpcs": [{"VpcId": "vpc-1"}]}"#, Some(Kind::Topology)),
            (b"port_scan_ports = 15\n", None),
            (b"", None),
        ] {
            assert_eq!(kind(head), expected, "{}", String::from_utf8_lossy(head));
        }
    }
}
