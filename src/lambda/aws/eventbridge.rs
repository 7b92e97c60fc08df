//! Sends alerts to an event bus. A successful response of EventBridge may list entries that failed: only those are sent
//! again.

use std::time::Duration;

use aws_sdk_eventbridge::Client;
use aws_sdk_eventbridge::types::{PutEventsRequestEntry, PutEventsResultEntry};
use thiserror::Error;
use tokio::time;

use super::error::error_chain;
use crate::lambda::delivery::alerts::Alert;

/// `source` of the events.
const SOURCE: &str = "flowsentry";

/// Maximum entries of a request: "PutEvents" in
/// <https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-quota.html>
const MAX_ENTRIES: usize = 10;
/// Maximum bytes of all entries of a request, with a margin below the limit for the rest of the request.
const MAX_BYTES: usize = 240 << 10;

/// How often an entry is sent before the object's event is left to be redelivered.
const ATTEMPTS: u32 = 5;
const INITIAL_BACKOFF: Duration = Duration::from_millis(100);

/// Alerts that could not be sent.
#[derive(Debug, Error)]
#[error("PutEvents on {bus} failed for {failed} of {sent} alert(s): {}: {}", cause.code, cause.message)]
pub struct BusError {
    bus: String,
    failed: usize,
    sent: usize,
    cause: EntryError,
}

/// EventBridge's code and message for one entry or for a whole request.
#[derive(Debug, Clone, PartialEq, Eq)]
struct EntryError {
    code: String,
    message: String,
}

impl BusError {
    /// Returns AWS's error code, or `RequestFailed` if there was no response.
    pub fn code(&self) -> &str {
        &self.cause.code
    }
}

/// Sends alerts. On success the bus has all of them.
///
/// # Errors
/// If an entry fails in every attempt, or EventBridge can't be reached. Other alerts may have been sent.
pub async fn send(client: &Client, bus: &str, alerts: &[Alert]) -> Result<(), BusError> {
    for batch in batches(alerts) {
        let mut pending: Vec<&Alert> = batch.iter().collect();
        let mut attempt = 1;
        while let Some(failed) = send_once(client, bus, &pending).await? {
            if attempt == ATTEMPTS {
                return Err(BusError {
                    bus: bus.to_owned(),
                    failed: failed.alerts.len(),
                    sent: alerts.len(),
                    cause: failed.first_error,
                });
            }
            time::sleep(INITIAL_BACKOFF * 2_u32.pow(attempt - 1)).await;
            attempt += 1;
            pending = failed.alerts;
        }
    }
    Ok(())
}

/// Alerts that a request did not put on the bus, and the error of the first one.
#[derive(Debug)]
struct FailedEntries<'a> {
    alerts: Vec<&'a Alert>,
    first_error: EntryError,
}

/// Sends one request. Returns the entries that failed, if any.
async fn send_once<'a>(
    client: &Client,
    bus: &str,
    alerts: &[&'a Alert],
) -> Result<Option<FailedEntries<'a>>, BusError> {
    let entries = alerts.iter().map(|alert| entry(bus, alert)).collect();
    match client.put_events().set_entries(Some(entries)).send().await {
        Ok(response) => Ok(failed_entries(alerts, response.entries())),
        Err(error) => {
            use aws_sdk_eventbridge::error::ProvideErrorMetadata;
            let code = error.code().unwrap_or("RequestFailed").to_owned();
            let message = error.message().map_or_else(|| error_chain(&error), str::to_owned);
            let cause = EntryError { code, message };
            Err(BusError { bus: bus.to_owned(), failed: alerts.len(), sent: alerts.len(), cause })
        }
    }
}

fn entry(bus: &str, alert: &Alert) -> PutEventsRequestEntry {
    PutEventsRequestEntry::builder()
        .event_bus_name(bus)
        .source(SOURCE)
        .detail_type(alert.detail_type)
        .detail(&alert.detail)
        .build()
}

/// Returns the alerts that failed. The response has one result per entry, in the same order; a missing result counts as a
/// failure.
fn failed_entries<'a>(alerts: &[&'a Alert], results: &[PutEventsResultEntry]) -> Option<FailedEntries<'a>> {
    let mut first_error = None;
    let mut failed = Vec::new();
    for (index, alert) in alerts.iter().enumerate() {
        let result = results.get(index);
        if result.is_some_and(|result| result.error_code().is_none() && result.event_id().is_some()) {
            continue;
        }
        failed.push(*alert);
        first_error.get_or_insert_with(|| {
            let code = result.and_then(PutEventsResultEntry::error_code).unwrap_or("Unknown");
            let message = result.and_then(PutEventsResultEntry::error_message).unwrap_or("no error message");
            EntryError { code: code.to_owned(), message: message.to_owned() }
        });
    }
    first_error.map(|first_error| FailedEntries { alerts: failed, first_error })
}

/// Splits the alerts into requests that EventBridge accepts.
fn batches(alerts: &[Alert]) -> Vec<&[Alert]> {
    let mut batches = Vec::new();
    let mut remaining = alerts;
    while !remaining.is_empty() {
        let mut bytes = 0;
        let fits = remaining.iter().take(MAX_ENTRIES).take_while(|alert| {
            bytes += alert.detail.len() + SOURCE.len() + alert.detail_type.len();
            bytes <= MAX_BYTES
        });
        // An alert that is too long by itself is sent anyway: EventBridge reports the error.
        let (batch, after) = remaining.split_at(fits.count().max(1));
        batches.push(batch);
        remaining = after;
    }
    batches
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lambda::delivery::alerts::FINDING;

    fn alerts(lengths: &[usize]) -> Vec<Alert> {
        let alert = |(index, length): (usize, &usize)| Alert {
            id: index.to_string(),
            detail_type: FINDING,
            detail: "x".repeat(*length),
        };
        lengths.iter().enumerate().map(alert).collect()
    }

    fn sizes(lengths: &[usize]) -> Vec<usize> {
        let alerts = alerts(lengths);
        let batches = batches(&alerts);
        assert_eq!(batches.concat(), alerts, "each once and in order");
        batches.iter().map(|batch| batch.len()).collect()
    }

    #[test]
    fn requests_have_at_most_ten_entries_and_240_kib() {
        assert_eq!(sizes(&[]), [0; 0]);
        assert_eq!(sizes(&[5; 21]), [10, 10, 1]);
        assert_eq!(sizes(&[100_000; 5]), [2, 2, 1]);
        assert_eq!(sizes(&[300_000, 1, 1, 300_000]), [1, 2, 1]);
    }

    #[test]
    fn only_failed_entries_are_sent_again() {
        let alerts = alerts(&[1, 2, 3, 4]);
        let alerts: Vec<&Alert> = alerts.iter().collect();
        let good = || PutEventsResultEntry::builder().event_id("1").build();
        let bad = |code: &str| PutEventsResultEntry::builder().error_code(code).error_message("later").build();
        assert!(failed_entries(&alerts, &[good(), good(), good(), good()]).is_none());
        let results = [good(), bad("ThrottlingException"), good(), bad("InternalFailure")];
        let partial = failed_entries(&alerts, &results).expect("two failed");
        assert_eq!(partial.alerts, [alerts[1], alerts[3]]);
        let expected = EntryError { code: "ThrottlingException".to_owned(), message: "later".to_owned() };
        assert_eq!(partial.first_error, expected);
        let short = failed_entries(&alerts, &[good(), good()]).expect("two results are missing");
        assert_eq!((short.alerts.len(), short.first_error.code.as_str()), (2, "Unknown"));
    }
}
