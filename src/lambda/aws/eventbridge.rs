//! Alerts on an event bus. An answer of EventBridge may be a success and yet name entries that failed: those are sent
//! again, and only those.

use std::time::Duration;

use aws_sdk_eventbridge::Client;
use aws_sdk_eventbridge::types::{PutEventsRequestEntry, PutEventsResultEntry};
use thiserror::Error;
use tokio::time;

use super::error::error_chain;
use crate::lambda::delivery::alerts::Alert;

/// What the events say of their origin and kind.
pub const SOURCE: &str = "flowsentry";
/// Their detail type.
pub const DETAIL_TYPE: &str = "VPC Flow Finding";

/// "PutEvents" in <https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-quota.html>
const MAX_ENTRIES: usize = 10;
/// And of all entries of a request together, with room for what else counts.
const MAX_BYTES: usize = 240 << 10;

/// An entry is sent so often before its event is left to come again.
const ATTEMPTS: u32 = 5;
const INITIAL_BACKOFF: Duration = Duration::from_millis(100);

/// Alerts that could not be sent.
#[derive(Debug, Error)]
#[error("PutEvents on {bus} failed for {failed} of {sent} alert(s): {code}: {message}")]
pub struct BusError {
    bus: String,
    failed: usize,
    sent: usize,
    code: String,
    message: String,
}

impl BusError {
    /// AWS's code; else `RequestFailed`, where there was no answer.
    pub fn code(&self) -> &str {
        &self.code
    }
}

/// Sends alerts. On success, the bus has all of them.
///
/// # Errors
/// Where EventBridge goes on refusing one, or can't be reached. The others may have been sent.
pub async fn send(client: &Client, bus: &str, alerts: &[Alert]) -> Result<(), BusError> {
    for batch in batches(alerts) {
        let mut waiting: Vec<&Alert> = batch.iter().collect();
        let mut attempt = 1;
        while let Err(refused) = send_once(client, bus, &waiting).await? {
            if attempt == ATTEMPTS {
                let (code, message) = refused.reason;
                return Err(BusError {
                    bus: bus.to_owned(),
                    failed: refused.alerts.len(),
                    sent: alerts.len(),
                    code,
                    message,
                });
            }
            time::sleep(INITIAL_BACKOFF * 2_u32.pow(attempt - 1)).await;
            attempt += 1;
            waiting = refused.alerts;
        }
    }
    Ok(())
}

/// Alerts that a request did not place on the bus, and what EventBridge says of the first.
struct FailedEntries<'a> {
    alerts: Vec<&'a Alert>,
    reason: (String, String),
}

async fn send_once<'a>(
    client: &Client,
    bus: &str,
    alerts: &[&'a Alert],
) -> Result<Result<(), FailedEntries<'a>>, BusError> {
    let entries = alerts.iter().map(|alert| entry(bus, alert)).collect();
    match client.put_events().set_entries(Some(entries)).send().await {
        Ok(answer) => Ok(refused(alerts, answer.entries())),
        Err(error) => {
            use aws_sdk_eventbridge::error::ProvideErrorMetadata;
            let code = error.code().unwrap_or("RequestFailed").to_owned();
            let message = error.message().map_or_else(|| error_chain(&error), str::to_owned);
            Err(BusError { bus: bus.to_owned(), failed: alerts.len(), sent: alerts.len(), code, message })
        }
    }
}

fn entry(bus: &str, alert: &Alert) -> PutEventsRequestEntry {
    PutEventsRequestEntry::builder()
        .event_bus_name(bus)
        .source(SOURCE)
        .detail_type(DETAIL_TYPE)
        .detail(&alert.detail)
        .build()
}

/// The answer has an entry for each that was sent, in the same order. One that is missing says nothing good.
fn refused<'a>(alerts: &[&'a Alert], results: &[PutEventsResultEntry]) -> Result<(), FailedEntries<'a>> {
    let mut reason = None;
    let mut refused = Vec::new();
    for (place, alert) in alerts.iter().enumerate() {
        let result = results.get(place);
        if result.is_some_and(|result| result.error_code().is_none() && result.event_id().is_some()) {
            continue;
        }
        refused.push(*alert);
        reason.get_or_insert_with(|| {
            let code = result.and_then(PutEventsResultEntry::error_code).unwrap_or("Unknown");
            let message = result.and_then(PutEventsResultEntry::error_message).unwrap_or("no error message");
            (code.to_owned(), message.to_owned())
        });
    }
    reason.map_or(Ok(()), |reason| Err(FailedEntries { alerts: refused, reason }))
}

/// Requests that EventBridge takes.
fn batches(alerts: &[Alert]) -> Vec<&[Alert]> {
    let mut batches = Vec::new();
    let mut rest = alerts;
    while !rest.is_empty() {
        let mut bytes = 0;
        let fits = rest.iter().take(MAX_ENTRIES).take_while(|alert| {
            bytes += alert.detail.len() + SOURCE.len() + DETAIL_TYPE.len();
            bytes <= MAX_BYTES
        });
        // One that is too long by itself is sent all the same: EventBridge says so.
        let (batch, after) = rest.split_at(fits.count().max(1));
        batches.push(batch);
        rest = after;
    }
    batches
}

#[cfg(test)]
mod tests {
    use super::*;

    fn alerts(lengths: &[usize]) -> Vec<Alert> {
        let alert = |(place, length): (usize, &usize)| Alert { id: place.to_string(), detail: "x".repeat(*length) };
        lengths.iter().enumerate().map(alert).collect()
    }

    fn sizes(lengths: &[usize]) -> Vec<usize> {
        let alerts = alerts(lengths);
        let batches = batches(&alerts);
        assert_eq!(batches.concat(), alerts, "each once and in order");
        batches.iter().map(|batch| batch.len()).collect()
    }

    #[test]
    fn requests_have_ten_entries_and_240_kib_at_most() {
        assert_eq!(sizes(&[]), [0; 0]);
        assert_eq!(sizes(&[5; 21]), [10, 10, 1]);
        assert_eq!(sizes(&[100_000; 5]), [2, 2, 1]);
        assert_eq!(sizes(&[300_000, 1, 1, 300_000]), [1, 2, 1]);
    }

    #[test]
    fn entries_that_failed_are_sent_again_and_only_those() {
        let alerts = alerts(&[1, 2, 3, 4]);
        let alerts: Vec<&Alert> = alerts.iter().collect();
        let good = || PutEventsResultEntry::builder().event_id("1").build();
        let bad = |code: &str| PutEventsResultEntry::builder().error_code(code).error_message("later").build();
        assert!(refused(&alerts, &[good(), good(), good(), good()]).is_ok());
        let Err(partial) = refused(&alerts, &[good(), bad("ThrottlingException"), good(), bad("InternalFailure")])
        else {
            panic!("two failed")
        };
        assert_eq!(partial.alerts, [alerts[1], alerts[3]]);
        assert_eq!(partial.reason, ("ThrottlingException".to_owned(), "later".to_owned()));
        let Err(short) = refused(&alerts, &[good(), good()]) else { panic!("two are not answered") };
        assert_eq!((short.alerts.len(), short.reason.0.as_str()), (2, "Unknown"));
    }
}
