//! Parses the events that the function's own schedules send: `{"flowsentry": {"digest": {"time": "2026-11-29T06:00:00Z"}}}`.

use serde_json::Value;

use super::{EventError, describe_shape};

/// A task of the function itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OwnTask {
    /// Send the digest of a day.
    Digest {
        /// The time of the schedule, whose day in UTC is that of the digest. Without it, the digest is that of today.
        time: Option<String>,
    },
}

/// Parses an event, or returns `None` if it is not one of flowsentry.
pub(super) fn own_task(payload: &Value) -> Option<Result<OwnTask, EventError>> {
    let task = payload.get("flowsentry")?;
    let unknown = || EventError::UnknownShape(format!("a task of flowsentry that is {}", describe_shape(task)));
    let digest =
        task.get("digest").and_then(Value::as_object).filter(|_| task.as_object().is_some_and(|it| it.len() == 1));
    let time = digest.map(|digest| match digest.get("time") {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(time)) => Ok(Some(time.clone())),
        Some(other) => Err(other),
    });
    Some(match time {
        Some(Ok(time)) => Ok(OwnTask::Digest { time }),
        Some(Err(_)) | None => Err(unknown()),
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_digest_is_recognized_by_its_shape() {
        let digest = |time: Option<&str>| Some(Ok(OwnTask::Digest { time: time.map(str::to_owned) }));
        assert_eq!(own_task(&json!({"flowsentry": {"digest": {}}})), digest(None));
        let time = "2026-11-29T06:00:00Z";
        assert_eq!(own_task(&json!({"flowsentry": {"digest": {"time": time}}})), digest(Some(time)));
        assert_eq!(own_task(&json!({"Records": []})), None);
        for unknown in
            [json!(null), json!({}), json!({"digest": 1}), json!({"digest": {"time": 7}}), json!({"other": {}})]
        {
            let parsed = own_task(&json!({"flowsentry": unknown}));
            assert!(matches!(parsed, Some(Err(EventError::UnknownShape(_)))), "{unknown}: {parsed:?}");
        }
    }
}
