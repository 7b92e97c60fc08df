//! The fingerprint of a plan.

use sha2::{Digest, Sha256};

use super::{LogObject, PlanOptions, Window};

/// Returns the SHA-256 of everything that a report over the objects depends on, in hexadecimal digits.
pub(super) fn fingerprint<'a>(
    window: Window,
    options: PlanOptions,
    objects: impl Iterator<Item = &'a LogObject>,
) -> String {
    let mut hash = Sha256::new();
    for time in [window.from, window.to] {
        hash.update(time.as_nanosecond().to_be_bytes());
    }
    let PlanOptions { max_batch_bytes, max_batch_objects, fan_in } = options;
    for limit in [max_batch_bytes.get(), max_batch_objects.get() as u64, fan_in.get() as u64] {
        hash.update(limit.to_be_bytes());
    }
    for LogObject { bucket, key, bytes, etag } in objects {
        hash.update(bytes.to_be_bytes());
        for text in [bucket.as_deref(), Some(key), etag.as_deref()] {
            // The length precedes each text, so that no two lists have the same bytes. No text has the length of `None`.
            hash.update(text.map_or(u64::MAX, |text| text.len() as u64).to_be_bytes());
            hash.update(text.unwrap_or_default());
        }
    }
    hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
}
