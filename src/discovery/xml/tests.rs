use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::discovery::actions::{PREFIX_LISTS, RESOURCES};

fn vpcs(content: &str) -> Result<Page, XmlError> {
    let xml = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<DescribeVpcsResponse \
         xmlns=\"http://ec2.amazonaws.com/doc/2016-11-15/\">{content}</DescribeVpcsResponse>\n"
    );
    parse_page(&RESOURCES[0], xml.as_bytes())
}

fn message(content: &str) -> String {
    vpcs(content).expect_err("damaged").to_string()
}

#[test]
fn a_page_becomes_the_json_of_aws() {
    let page = vpcs(
        "<requestId>59dbff89</requestId><vpcSet>\n  <item><vpcId>vpc-a</vpcId><state>available</state>\
         <cidrBlock>10.0.0.0/16</cidrBlock><cidrBlockAssociationSet><item><associationId>a</associationId>\
         <cidrBlock>10.0.0.0/16</cidrBlock><cidrBlockState><state>associated</state></cidrBlockState></item>\
         </cidrBlockAssociationSet><ipv6CidrBlockAssociationSet/><tagSet><item><key>Name</key>\
         <value>a &lt;&amp;&#62; <![CDATA[<b>]]> \u{e9}</value></item><item><key>empty</key><value/></item></tagSet>\
         <isDefault>true</isDefault></item>\n<item><vpcId>vpc-b</vpcId></item></vpcSet><nextToken>t/1</nextToken>",
    );
    let page = page.expect("a page");
    let expected = json!([
        {
            "VpcId": "vpc-a", "CidrBlock": "10.0.0.0/16",
            "CidrBlockAssociationSet": [{"CidrBlock": "10.0.0.0/16", "CidrBlockState": {"State": "associated"}}],
            "Ipv6CidrBlockAssociationSet": [],
            "Tags": [{"Key": "Name", "Value": "a <&> <b> \u{e9}"}, {"Key": "empty"}],
        },
        {"VpcId": "vpc-b"},
    ]);
    assert_eq!(Value::Array(page.items), expected);
    assert_eq!(page.next_token.as_deref(), Some("t/1"));
}

#[test]
fn an_empty_page_is_the_last_one() {
    for content in ["<vpcSet/>", "<vpcSet></vpcSet><nextToken/>", ""] {
        assert_eq!(vpcs(content), Ok(Page { items: Vec::new(), next_token: None }), "{content}");
    }
}

#[test]
fn numbers_and_flags_have_their_type() {
    let xml = b"<DescribeNetworkAclsResponse><networkAclSet><item><networkAclId>acl-1</networkAclId><entrySet><item>\
        <ruleNumber>100</ruleNumber><egress>false</egress><protocol>6</protocol><portRange><from>22</from><to>22</to>\
        </portRange><icmpTypeCode><type>-1</type></icmpTypeCode></item></entrySet></item></networkAclSet>\
        </DescribeNetworkAclsResponse>";
    let page = parse_page(&RESOURCES[6], xml).expect("a page");
    let entry = json!({
        "RuleNumber": 100, "Egress": false, "Protocol": "6", "PortRange": {"From": 22, "To": 22},
        "IcmpTypeCode": {"Type": -1},
    });
    assert_eq!(page.items, [json!({"NetworkAclId": "acl-1", "Entries": [entry]})]);
    let lists = b"<DescribePrefixListsResponse><prefixListSet><item><prefixListId>pl-1</prefixListId><cidrSet>\
        <item>10.0.0.0/8</item><item>192.0.2.0/24</item></cidrSet></item></prefixListSet></DescribePrefixListsResponse>";
    let lists = parse_page(&PREFIX_LISTS, lists).expect("a page").items;
    assert_eq!(lists, [json!({"PrefixListId": "pl-1", "Cidrs": ["10.0.0.0/8", "192.0.2.0/24"]})]);
    let wrong =
        b"<DescribeNetworkAclsResponse><networkAclSet><item><entrySet><item><egress>no</egress></item></entrySet>\
        </item></networkAclSet></DescribeNetworkAclsResponse>";
    assert!(parse_page(&RESOURCES[6], wrong).expect_err("no flag").to_string().ends_with("neither true nor false"));
}

#[test]
fn hostile_responses_are_rejected() {
    let doctype = "<!DOCTYPE x [<!ENTITY a \"aaaa\"><!ENTITY b \"&a;&a;\">]><DescribeVpcsResponse/>";
    let error = parse_page(&RESOURCES[0], doctype.as_bytes()).expect_err("a document type");
    assert!(error.to_string().ends_with("a document type"), "{error}");
    let entity = message("<vpcSet><item><vpcId>&b;</vpcId></item></vpcSet>");
    assert!(entity.ends_with("an unknown entity"), "{entity}");
    let deep = message(&format!("{}{}", "<a>".repeat(1_000_000), "</a>".repeat(1_000_000)));
    assert!(deep.ends_with("elements more than 32 deep"), "{deep}");
    let token = message(&format!("<nextToken>{}</nextToken>", "a".repeat(4097)));
    assert!(token.ends_with("nextToken has more than 4096 bytes"), "{token}");
    assert!(message("<vpcSet><item></vpcSet>").contains("not XML near byte"));
    assert!(parse_page(&RESOURCES[0], b"<DescribeVpcsResponse>\xff</DescribeVpcsResponse>").is_err());
}

#[test]
fn other_and_incomplete_responses_are_rejected() {
    let other = Err(XmlError::OtherResponse { action: "DescribeVpcs" });
    assert_eq!(parse_page(&RESOURCES[0], b"<DescribeSubnetsResponse/>"), other);
    assert_eq!(parse_page(&RESOURCES[0], b"<html><body>login</body></html>"), other);
    let whole = "<DescribeVpcsResponse><vpcSet><item><vpcId>vpc-a</vpcId></item></vpcSet></DescribeVpcsResponse>";
    assert!(parse_page(&RESOURCES[0], whole.as_bytes()).is_ok());
    for end in 0..whole.len() {
        assert!(parse_page(&RESOURCES[0], &whole.as_bytes()[..end]).is_err(), "{end}");
    }
    assert!(parse_page(&RESOURCES[0], format!("{whole}<more/>").as_bytes()).is_err());
}

#[test]
fn an_error_of_ec2_has_its_code() {
    let xml =
        b"<?xml version=\"1.0\"?><Response><Errors><Error><Code>RequestLimitExceeded</Code><Message>Request limit \
        exceeded.</Message></Error></Errors><RequestID>r</RequestID></Response>";
    let error = ServiceError { code: "RequestLimitExceeded".to_owned(), message: "Request limit exceeded.".to_owned() };
    assert_eq!(parse_error(xml), Some(error));
    for other in ["", "<html/>", "<Response/>", "<Response><Errors/></Response>", "Service Unavailable"] {
        assert_eq!(parse_error(other.as_bytes()), None, "{other}");
    }
}

proptest! {
    #[test]
    fn any_bytes_give_a_page_or_an_error(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        for action in &RESOURCES {
            prop_assert!(parse_page(action, &bytes).is_err());
        }
        prop_assert_eq!(parse_error(&bytes), None);
    }

    #[test]
    fn any_text_survives(text in "[^\u{0}-\u{8}\u{b}\u{c}\u{d}\u{e}-\u{1f}\u{fffe}\u{ffff}]{1,40}") {
        let escaped = text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
        let page = vpcs(&format!("<vpcSet><item><vpcId>{escaped}</vpcId></item></vpcSet>"));
        prop_assert_eq!(&page.expect("a page").items[0]["VpcId"], &json!(text));
    }
}
