use super::*;

fn signature(head: &[u8]) -> Option<&'static str> {
    OtherFormat::from_signature(head).map(|found| found.name)
}

fn text(head: &str) -> Option<&'static str> {
    OtherFormat::from_text(head.as_bytes()).map(|found| found.name)
}

const RECORD: &str = "2 123456789012 eni-1 10.0.0.1 10.0.0.2 50000 22 6 1 40 1795413600 1795413660 REJECT OK";

#[test]
fn each_signature_is_recognized_at_its_position() {
    for (at, magic, name, _) in SIGNATURES {
        let head = [&vec![b'1'; *at][..], magic].concat();
        assert_eq!(signature(&head), Some(*name), "{name}");
        assert_eq!(signature(&head[..head.len() - 1]), None, "{name}");
        assert_eq!(signature(&[b"1", &head[..]].concat()), None, "{name}");
    }
}

#[test]
fn a_byte_order_mark_hides_no_json() {
    let summary = "\u{feff}{\"schema\":\"flowsentry/summary/v1\",\"sources\":[]}";
    assert_eq!(text(summary), Some("a summary of flowsentry"));
}

#[test]
fn utf_16_is_recognized_without_a_mark() {
    let little: Vec<u8> = RECORD.encode_utf16().flat_map(u16::to_le_bytes).collect();
    let big: Vec<u8> = RECORD.encode_utf16().flat_map(u16::to_be_bytes).collect();
    for head in [&little, &big] {
        assert_eq!(signature(head), Some("text in UTF-16"));
        assert_eq!(signature(&[b"2 12345678901234", &head[..]].concat()), None);
    }
    assert_eq!(signature(RECORD.as_bytes()), None);
    assert_eq!(signature(b""), None);
    assert_eq!(signature(&[0; 64]), None);
}

#[test]
fn orc_is_binary() {
    assert_eq!(signature(b"ORC\n\x00\x01"), Some("an ORC file"));
    assert_eq!(signature(b"ORCA 1 2"), None);
}

#[test]
fn json_is_named_by_its_keys() {
    for (json, name) in [
        ("{\n  \"Records\": [\n {\"eventVersion\": \"1.08\"", "a CloudTrail log"),
        (r#"{"timestamp":1,"formatVersion":1,"webaclId":"arn"}"#, "a log of AWS WAF"),
        (r#"{"Vpcs": [{"VpcId": "vpc-1"}]}"#, "output of aws ec2 describe-…"),
        (r#"{"schema":"flowsentry/summary/v1"}"#, "a summary of flowsentry"),
        (r#"{"schema":"flowsentry/topology-snapshot/v1"}"#, "an output of flowsentry"),
        (r#"{"SecurityGroups": []}"#, "output of aws ec2 describe-…"),
        (r#"{"a":1}"#, "JSON"),
    ] {
        assert_eq!(text(json), Some(name));
    }
    // JSON that is read is not another format, even if no record of it parses.
    for json in
        [r#"{"messageType":"DATA_MESSAGE","logEvents":[]}"#, r#"[{"srcaddr":""}]"#, r#"{"message":"2 1 eni-1"}"#]
    {
        assert_eq!(text(json), None);
    }
    assert_eq!(text(&RECORD.replace("eni-1", "\"eventVersion\"")), None);
}

#[test]
fn pages_of_errors_are_named() {
    let s3 = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Error><Code>AccessDenied</Code>";
    assert_eq!(text(s3), Some("an error message of S3 in XML"));
    assert_eq!(text("<!DOCTYPE html>\n<html>"), Some("an HTML page, such as an error or a login"));
    assert_eq!(text("<HTML><body>"), Some("an HTML page, such as an error or a login"));
    assert_eq!(text("<log/>"), Some("XML"));
}

#[test]
fn logs_of_other_services_are_named() {
    let balancer = "an access log of a load balancer";
    for (line, name) in [
        ("http 2026-07-02T22:23:00.186641Z app/my/50dc6c495c0c9188 192.168.131.39:2817 10.0.0.1:80 0.000", balancer),
        ("tls 2.0 2026-12-20T02:59:40 net/network/c6e77e28c25b2234 g3d4b5e8bb8464cd 72.21.218.154:51341", balancer),
        ("2026-05-13T23:39:43.945958Z my-loadbalancer 192.168.131.39:2817 10.0.0.1:80 0.000073", balancer),
        ("#Version: 1.0\n#Fields: date time", "a log of CloudFront, or another W3C log"),
    ] {
        assert_eq!(text(line), Some(name));
    }
    assert_eq!(text(&format!("{} bucket [06/Feb/2026", "79a5".repeat(16))), Some("a server access log of S3"));
    assert_eq!(text(&format!("{} bucket [06/Feb/2026", "79a5".repeat(15))), None);
    assert_eq!(text("http 10.0.0.1 10.0.0.2"), None);
    assert_eq!(text("tls 3.0 a b"), None);
}

#[test]
fn other_separators_are_named() {
    let commas = Some("CSV: it has commas between its fields");
    assert_eq!(text(&RECORD.replace(' ', ",")), commas);
    assert_eq!(text(&RECORD.replace(' ', ", ")), commas);
    assert_eq!(text("a,b,c\n1,2,3"), commas);
    assert_eq!(text("one, sentence of words"), None);
    assert_eq!(text(&RECORD.replace(' ', ";")), Some("CSV: it has semicolons between its fields"));
    assert_eq!(text(&RECORD.replace(' ', "|")), Some("a table: it has vertical bars between its fields"));
    // Near misses: a list in one field, and a sentence.
    assert_eq!(text(&RECORD.replace("eni-1", "a,b,c,d")), None);
    assert_eq!(text("one, two, three, four five six"), None);
}

#[test]
fn bytes_that_are_not_text_are_named() {
    assert_eq!(text("\u{1}\u{2}\0\u{3}"), Some("binary data"));
    assert_eq!(text("hello world"), None);
    assert_eq!(text(""), None);
    assert_eq!(text("  \n "), None);
}
