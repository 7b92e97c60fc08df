//! Scans that no single input shows.

use crate::build::{SYN, Version2, Version5, found, none, summary_of_logs, with_dstports};
use crate::records::{Columns, Record, log};

/// Returns the logs of a scan: two ports in each, five minutes apart.
fn slow_scan(columns: Columns, count: u16, probe: &Record) -> Vec<Vec<u8>> {
    let input = |number: u16| {
        let records = with_dstports([100 + 7 * number, 5000 + 7 * number], probe);
        let later = |record: Record| Record { start: record.start + 300 * u64::from(number), ..record };
        log(columns, &records.into_iter().map(later).collect::<Vec<_>>())
    };
    (0..count).map(input).collect()
}

#[test]
fn a_slow_scan_is_found_over_all_inputs() {
    for (from, to) in [("10.40.7.77:50000", "10.40.0.9:1"), ("[fd00:40::77]:50000", "[fd00:40::9]:1")] {
        let probe = Record::new("eni-1", from, to).flags(SYN).ingress().rejected();
        let mut inputs = slow_scan(Version5, 12, &probe);
        for input in &inputs {
            assert_eq!(found(&summary_of_logs(None, std::slice::from_ref(input))), none());
        }
        let complete = summary_of_logs(None, &inputs);
        assert_eq!(found(&complete), ["high port-scan 24"]);
        let details = serde_json::to_value(&complete.findings[0].details).expect("JSON");
        assert_eq!((details["distinct_ports"].as_u64(), details["accepted_flows"].as_u64()), (Some(24), Some(0)));
        inputs.reverse();
        assert_eq!(summary_of_logs(None, &inputs).findings, complete.findings);
        // Near miss: 7 inputs have 14 ports.
        assert_eq!(found(&summary_of_logs(None, &inputs[..8])), ["high port-scan 16"]);
        assert_eq!(found(&summary_of_logs(None, &inputs[..7])), none());
    }
}

#[test]
fn the_same_ports_in_every_input_are_no_scan() {
    let probe = Record::new("eni-1", "10.40.7.77:50000", "10.40.0.9:1").rejected();
    let repeated: Vec<Vec<u8>> = (0..12).map(|_| log(Version2, &with_dstports([22, 23], &probe))).collect();
    assert_eq!(found(&summary_of_logs(None, &repeated)), none());
    assert_eq!(found(&summary_of_logs(None, &slow_scan(Version2, 12, &probe))), ["high port-scan 24"]);
}

#[test]
fn accepted_flows_of_another_input_raise_the_severity() {
    let probe = Record::new("eni-1", "81.2.69.142:50000", "10.40.0.9:1").rejected();
    let mut inputs = slow_scan(Version2, 8, &probe);
    assert_eq!(found(&summary_of_logs(None, &inputs)), ["medium port-scan 16"]);
    inputs.push(log(Version2, &[Record::new("eni-1", "81.2.69.142:50009", "10.40.0.9:443")]));
    let scan = summary_of_logs(None, &inputs);
    assert_eq!(found(&scan), ["high port-scan 16"]);
    assert!(scan.findings[0].title.contains("1 flow"), "{}", scan.findings[0].title);
}
