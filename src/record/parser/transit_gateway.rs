//! The packets that a transit gateway lost. Few records have any, so they are read in a pass of their own.

use super::{fields, is_absent};
use crate::record::field::{Field, FieldType};
use crate::record::format::Format;
use crate::record::timestamp::Timestamp;
use crate::record::{LossReason, TransitGatewayLoss};

/// Returns the lost packets of a record of class `other`, or `None` if there are none. The values must parse by the format.
pub(super) fn loss<'a>(values: impl Iterator<Item = &'a [u8]>, format: &Format) -> Option<TransitGatewayLoss<'a>> {
    let mut loss = TransitGatewayLoss::default();
    for (token, column) in values.zip(format.columns()) {
        if let Some(field) = column.field()
            && !is_absent(token)
        {
            set(&mut loss, field, token);
        }
    }
    loss.losses().next().is_some().then_some(loss)
}

fn set<'a>(loss: &mut TransitGatewayLoss<'a>, field: Field, token: &'a [u8]) {
    match field.kind() {
        FieldType::Integer(_) => {
            if let Some(value) = fields::number(token) {
                set_number(loss, field, value);
            }
        }
        _ => set_text(loss, field, token),
    }
}

/// Sets a text, if a loss has the field.
pub(super) fn set_text<'a>(loss: &mut TransitGatewayLoss<'a>, field: Field, text: &'a [u8]) {
    match field {
        Field::TgwId => loss.tgw_id = Some(text),
        Field::TgwSrcVpcId => loss.tgw_src_vpc_id = Some(text),
        Field::TgwDstVpcId => loss.tgw_dst_vpc_id = Some(text),
        _ => {}
    }
}

/// Sets a number, if a loss has the field.
pub(super) fn set_number(loss: &mut TransitGatewayLoss<'_>, field: Field, value: u64) {
    match field {
        Field::Start => loss.start = Timestamp::from_seconds(value),
        Field::End => loss.end = Timestamp::from_seconds(value),
        _ => {
            let lost = LossReason::from_field(field).and_then(|reason| loss.packets_lost.get_mut(reason as usize));
            if let Some(lost) = lost {
                *lost = value;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::parser::parse;
    use crate::record::{Origin, OtherRecord, Record, parser::ParseError};

    /// AWS's default format of Transit Gateway flow logs.
    const HEADER: &[u8] = b"version resource-type account-id tgw-id tgw-attachment-id tgw-src-vpc-account-id \
        tgw-dst-vpc-account-id tgw-src-vpc-id tgw-dst-vpc-id tgw-src-subnet-id tgw-dst-subnet-id tgw-src-eni tgw-dst-eni \
        tgw-src-az-id tgw-dst-az-id tgw-pair-attachment-id srcaddr dstaddr srcport dstport protocol packets bytes start end \
        log-status type packets-lost-no-route packets-lost-blackhole packets-lost-mtu-exceeded packets-lost-ttl-expired \
        tcp-flags region flow-direction pkt-src-aws-service pkt-dst-aws-service";

    fn format() -> Format {
        Format::from_header(HEADER).expect("a header")
    }

    fn line(status: &str, lost: &str) -> String {
        format!(
            "6 TransitGateway 000111222333 tgw-0a tgw-attach-0a 000111222333 - vpc-0a - subnet-0a - eni-0a - use1-az1 - - \
             10.0.0.5 10.9.0.5 40000 443 6 500 30000 1700000000 1700000060 {status} IPv4 {lost} 2 us-east-1 ingress - -"
        )
    }

    /// Returns the lost packets of a record that has no action.
    fn loss(line: &str) -> Option<TransitGatewayLoss<'_>> {
        let Ok(Record::Other(other)) = parse(line.as_bytes(), &format()) else { panic!("a record: {line}") };
        assert_eq!(other.origin.start, Timestamp::from_seconds(1_700_000_000));
        other.loss
    }

    #[test]
    fn a_record_with_lost_packets_has_them_by_reason() {
        let line = line("OK", "500 0 7 -");
        let loss = loss(&line).expect("a loss");
        let expected = TransitGatewayLoss {
            tgw_id: Some(b"tgw-0a"),
            tgw_src_vpc_id: Some(b"vpc-0a"),
            tgw_dst_vpc_id: None,
            packets_lost: [500, 0, 7, 0],
            start: Timestamp::from_seconds(1_700_000_000),
            end: Timestamp::from_seconds(1_700_000_060),
        };
        assert_eq!(loss, expected);
        let losses: Vec<_> = loss.losses().map(|(reason, packets)| (reason.name(), packets)).collect();
        assert_eq!(losses, [("no-route", 500), ("mtu-exceeded", 7)]);
    }

    #[test]
    fn each_reason_has_its_own_column() {
        for (column, name) in ["no-route", "blackhole", "mtu-exceeded", "ttl-expired"].into_iter().enumerate() {
            let mut lost = ["0"; 4];
            lost[column] = "18446744073709551615";
            let line = line("OK", &lost.join(" "));
            let loss = loss(&line).expect(name);
            let losses: Vec<_> = loss.losses().map(|(reason, packets)| (reason.name(), packets)).collect();
            assert_eq!(losses, [(name, u64::MAX)]);
        }
    }

    #[test]
    fn records_without_lost_packets_have_no_loss() {
        assert_eq!(loss(&line("OK", "0 0 0 0")), None);
        assert_eq!(loss(&line("OK", "- - - -")), None);
        let (start, end) = (Timestamp::from_seconds(1_700_000_000), Timestamp::from_seconds(1_700_000_060));
        let origin = Origin { start, end, ..Origin::default() };
        assert_eq!(parse(line("NODATA", "1 0 0 0").as_bytes(), &format()), Ok(Record::NoData(origin)));
        let bad = ParseError::Number { field: Field::PacketsLostBlackhole, max: u64::MAX };
        assert_eq!(parse(line("OK", "1 many 0 0").as_bytes(), &format()), Err(bad));
    }

    #[test]
    fn a_repeated_loss_column_counts_once() {
        let format = Format::from_header(b"tgw-id packets-lost-blackhole packets_lost_blackhole").expect("a header");
        let expected = TransitGatewayLoss { tgw_id: Some(b"tgw-1"), packets_lost: [0, 3, 0, 0], ..Default::default() };
        let other = |loss| Ok(Record::Other(OtherRecord { loss, ..OtherRecord::default() }));
        assert_eq!(parse(b"tgw-1 3 9", &format), other(Some(expected)));
        assert_eq!(parse(b"tgw-1 0 9", &format), other(None));
    }
}
