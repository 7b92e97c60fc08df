//! Recognizes the formats of inputs that are not flow logs, by their first bytes, so that the error can name the next step.
//!
//! [`OtherFormat::from_signature`] is certain: the bytes are not text, and the object is an error at once. Otherwise lines
//! inside an archive would be read without their headers. [`OtherFormat::from_text`] is a guess about text of which no line parses.

/// A format that is not a flow log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OtherFormat {
    /// Its name, with the article.
    pub name: &'static str,
    /// Advice how to have it analyzed, or how to keep it out.
    pub next_step: &'static str,
}

/// Number of bytes that decide. A tar header has its signature at byte 257.
pub const HEAD_BYTES: usize = 512;

/// The name of the documents of a topology.
pub const DESCRIBE_OUTPUT: &str = "output of aws ec2 describe-…";

const DECOMPRESS: &str = "decompress it, or compress it with gzip instead";
const EXTRACT: &str = "extract the flow logs in it, and read these";
const CONVERT_JSON: &str = "convert it to objects with a `message`, or with flow log fields as keys";
const SEPARATE: &str = "keep other logs out of the folder or prefix of the flow logs";
const TO_TEXT: &str = "create the flow log with the file format `plain-text`, or convert the file";
const ADD_OUTPUT_JSON: &str = "run the command with --output json";
const SAVE_AS_UTF_8: &str = "save it as UTF-8, such as with iconv -f UTF-16 -t UTF-8";

/// Position, bytes, name, and next step.
const SIGNATURES: &[(usize, &[u8], &str, &str)] = &[
    (0, b"\x1f\x8b\x08", "gzip within gzip within gzip", "decompress it once"),
    (0, b"\x1f\x9d", "compressed by compress (.Z)", DECOMPRESS),
    (4, b"1AY&SY", "compressed by bzip2", DECOMPRESS),
    (0, b"\x28\xb5\x2f\xfd", "compressed by zstd", DECOMPRESS),
    (0, b"\xfd7zXZ\0", "compressed by xz", DECOMPRESS),
    (0, b"\x04\x22\x4d\x18", "compressed by lz4", DECOMPRESS),
    (0, b"\xff\x06\0\0sNaPpY", "compressed by snappy", DECOMPRESS),
    (0, b"FSPART", "a partial of flowsentry", "give it to flowsentry merge"),
    (0, b"PK\x03\x04", "a zip archive", EXTRACT),
    (0, b"7z\xbc\xaf\x27\x1c", "a 7z archive", EXTRACT),
    (0, b"Rar!\x1a\x07", "a rar archive", EXTRACT),
    (257, b"ustar", "a tar archive", EXTRACT),
    (0, b"Obj\x01", "an Avro file", TO_TEXT),
    (0, b"ARROW1\0\0", "an Arrow file", TO_TEXT),
    (0, b"\xff\xfe", "text in UTF-16", SAVE_AS_UTF_8),
    (0, b"\xfe\xff", "text in UTF-16", SAVE_AS_UTF_8),
    (0, b"%PDF-", "a PDF document", SEPARATE),
    (0, b"version https://git-lfs", "a pointer of Git LFS to a file", "fetch the file with git lfs pull"),
];

/// Words of which JSON has one, the name, and the next step. The first that matches decides.
const JSON: &[(&[&str], &str, &str)] = &[
    (
        &["\"flowsentry/summary/"],
        "a summary of flowsentry",
        "keep summaries out of the folder or prefix of the flow logs, or read them with flowsentry report",
    ),
    (&["\"flowsentry/"], "an output of flowsentry", "keep outputs out of the folder or prefix of the flow logs"),
    (&["\"eventVersion\"", "\"digestS3Bucket\""], "a CloudTrail log", SEPARATE),
    (&["\"webaclId\""], "a log of AWS WAF", SEPARATE),
    (&["\"firewall_name\""], "a log of AWS Network Firewall", SEPARATE),
    (&["\"query_timestamp\""], "a query log of Route 53 Resolver", SEPARATE),
    (&["\"configurationItems\"", "\"configSnapshotId\""], "a file of AWS Config", SEPARATE),
    (
        &[
            "\"Vpcs\"",
            "\"Subnets\"",
            "\"VpcPeeringConnections\"",
            "\"NetworkInterfaces\"",
            "\"RouteTables\"",
            "\"SecurityGroups\"",
            "\"NetworkAcls\"",
            "\"PrefixLists\"",
            "\"Entries\"",
        ],
        DESCRIBE_OUTPUT,
        "give it with --topology",
    ),
];

/// Words of JSON that is read. If no record of it parses, the columns are wrong.
const READABLE_JSON: [&str; 4] = ["\"logEvents\"", "\"message\"", "\"srcaddr\"", "\"dstaddr\""];

impl OtherFormat {
    /// Recognizes formats that are not text, by the first [`HEAD_BYTES`] of an input.
    pub fn from_signature(head: &[u8]) -> Option<OtherFormat> {
        let is_at = |at: usize, magic: &[u8]| head.get(at..).is_some_and(|rest| rest.starts_with(magic));
        let known = SIGNATURES.iter().find(|(at, magic, ..)| is_at(*at, magic));
        if let Some((.., name, next_step)) = known {
            return Some(OtherFormat { name, next_step });
        }
        if is_utf_16_without_mark(head) {
            return Some(OtherFormat { name: "text in UTF-16", next_step: SAVE_AS_UTF_8 });
        }
        let is_orc = head.starts_with(b"ORC") && head.contains(&0);
        is_orc.then_some(OtherFormat { name: "an ORC file", next_step: TO_TEXT })
    }

    /// Guesses the format of text that is not a flow log, by its first [`HEAD_BYTES`].
    pub fn from_text(head: &[u8]) -> Option<OtherFormat> {
        if head.contains(&0) {
            let next_step = "check what wrote it: it may be encrypted, damaged, or of another kind";
            return Some(OtherFormat { name: "binary data", next_step });
        }
        let text = String::from_utf8_lossy(head);
        let text = text.trim_start_matches('\u{feff}').trim_start();
        let line = text.lines().next().unwrap_or_default();
        match line.as_bytes().first()? {
            b'{' | b'[' => json(text),
            b'<' => Some(markup(text)),
            _ => other_log(line).or_else(|| separated_by_other_characters(line)),
        }
    }
}

/// Returns whether every second one of the first bytes is 0, as in ASCII text that is stored as UTF-16.
fn is_utf_16_without_mark(head: &[u8]) -> bool {
    let (pairs, _) = head.as_chunks::<2>();
    let first = pairs.get(..8).unwrap_or_default();
    let all = |is_ascii: fn(&[u8; 2]) -> bool| !first.is_empty() && first.iter().all(is_ascii);
    all(|[low, high]| *low != 0 && *high == 0) || all(|[high, low]| *low != 0 && *high == 0)
}

fn json(text: &str) -> Option<OtherFormat> {
    let has = |word: &&str| text.contains(word);
    if let Some((_, name, next_step)) = JSON.iter().find(|(words, ..)| words.iter().any(has)) {
        return Some(OtherFormat { name, next_step });
    }
    let is_readable = READABLE_JSON.iter().any(has);
    (!is_readable).then_some(OtherFormat { name: "JSON", next_step: CONVERT_JSON })
}

fn markup(text: &str) -> OtherFormat {
    let text = text.to_ascii_lowercase();
    if text.contains("<code>") {
        return OtherFormat { name: "an error message of S3 in XML", next_step: "download the object again" };
    }
    if text.contains("<html") || text.starts_with("<!doctype html") {
        return OtherFormat {
            name: "an HTML page, such as an error or a login",
            next_step: "download the object again",
        };
    }
    OtherFormat { name: "XML", next_step: SEPARATE }
}

/// Recognizes logs of other services, which have spaces between their fields as well.
fn other_log(line: &str) -> Option<OtherFormat> {
    const LOAD_BALANCER: &str = "an access log of a load balancer";
    let fields: Vec<&str> = line.split_ascii_whitespace().take(3).collect();
    let (first, second) = (*fields.first()?, fields.get(1).copied().unwrap_or_default());
    let name = match first {
        "http" | "https" | "h2" | "grpcs" | "ws" | "wss" if is_time(second) => LOAD_BALANCER,
        "tls" if second == "1.0" || second == "2.0" => LOAD_BALANCER,
        _ if is_time(first) && fields.get(2).is_some_and(|client| client.contains(':')) => LOAD_BALANCER,
        "EVENTS" => {
            return Some(OtherFormat { name: "text of aws logs filter-log-events", next_step: ADD_OUTPUT_JSON });
        }
        "events:" => {
            return Some(OtherFormat { name: "YAML of aws logs filter-log-events", next_step: ADD_OUTPUT_JSON });
        }
        "#Version:" | "#Fields:" => "a log of CloudFront, or another W3C log",
        _ if first.len() == 64 && first.bytes().all(|byte| byte.is_ascii_hexdigit()) => "a server access log of S3",
        _ => return None,
    };
    Some(OtherFormat { name, next_step: SEPARATE })
}

/// Returns whether a field begins like a time in RFC 3339.
fn is_time(field: &str) -> bool {
    let is_like = |(byte, pattern): (u8, u8)| if pattern == b'0' { byte.is_ascii_digit() } else { byte == pattern };
    field.len() > 16 && field.bytes().zip(*b"0000-00-00T00:00").all(is_like)
}

fn separated_by_other_characters(line: &str) -> Option<OtherFormat> {
    const SEPARATORS: [(char, &str, &str); 3] = [
        (
            ',',
            "CSV: it has commas between its fields",
            "add a header with the names of the fields, or write spaces instead, such as with tr ',' ' '",
        ),
        (';', "CSV: it has semicolons between its fields", "write commas instead, such as with tr ';' ','"),
        ('|', "a table: it has vertical bars between its fields", "write spaces instead, such as with tr '|' ' '"),
    ];
    let fields = line.split_ascii_whitespace().count();
    let is_usual = |separator: char| {
        let separators = line.matches(separator).count();
        separators >= 2 && separators + 1 >= fields
    };
    let found = SEPARATORS.into_iter().find(|(separator, ..)| is_usual(*separator));
    found.map(|(_, name, next_step)| OtherFormat { name, next_step })
}

#[cfg(test)]
mod tests;
