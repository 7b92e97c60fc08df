//! Parses the tasks of S3 Batch Operations, each of which is one object.
//!
//! <https://docs.aws.amazon.com/AmazonS3/latest/userguide/batch-ops-invoke-lambda.html>

use serde_json::Value;

use super::object_key::decode_form_key;
use super::{EventError, InputEvent, ObjectReference, describe_shape};

/// The tasks of one invocation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BatchJob {
    /// `invocationSchemaVersion`, which the response repeats.
    pub schema_version: String,
    /// `invocationId`, which the response repeats.
    pub invocation_id: String,
    /// The tasks, each of which has its own result.
    pub tasks: Vec<Task>,
}

/// A task: one object of the job.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Task {
    /// `taskId`, which identifies the task in the response.
    pub id: String,
    /// The object, or why the task can't be parsed.
    pub event: Result<InputEvent, EventError>,
}

/// Parses an event, or returns `None` if it is not one of S3 Batch Operations.
pub(super) fn batch_job(payload: &Value) -> Option<Result<BatchJob, EventError>> {
    let tasks = payload.get("tasks")?.as_array()?;
    let schema_version = text(payload, "invocationSchemaVersion")?.to_owned();
    let invocation_id = text(payload, "invocationId").map(str::to_owned);
    let unknown = || EventError::UnknownShape(describe_shape(payload));
    let tasks: Result<Vec<Task>, EventError> = tasks.iter().map(task).collect();
    Some(
        tasks.and_then(|tasks| {
            Ok(BatchJob { schema_version, invocation_id: invocation_id.ok_or_else(unknown)?, tasks })
        }),
    )
}

fn task(task: &Value) -> Result<Task, EventError> {
    let id = text(task, "taskId").ok_or_else(|| EventError::MissingTaskId(describe_shape(task)))?;
    let unknown = || EventError::UnknownShape(format!("a task that is {}", describe_shape(task)));
    let event = reference(task).map(InputEvent::Created).ok_or_else(unknown);
    Ok(Task { id: id.to_owned(), event })
}

/// Parses the object. Version 1.0 has the ARN of the bucket, version 2.0 its name. The key is encoded like an HTML form.
fn reference(task: &Value) -> Option<ObjectReference> {
    let bucket = text(task, "s3Bucket").or_else(|| bucket_of_arn(text(task, "s3BucketArn")?))?;
    let key = decode_form_key(text(task, "s3Key")?);
    let version_id = text(task, "s3VersionId").map(str::to_owned);
    Some(ObjectReference { version_id, ..ObjectReference::latest(bucket, &key) })
}

/// Returns the bucket of `arn:aws:s3:::bucket`. The ARN of an access point is not that of a bucket.
fn bucket_of_arn(arn: &str) -> Option<&str> {
    match arn.split(':').collect::<Vec<_>>()[..] {
        ["arn", _, "s3", _, _, bucket] if !bucket.is_empty() && !bucket.contains('/') => Some(bucket),
        _ => None,
    }
}

fn text<'a>(value: &'a Value, name: &str) -> Option<&'a str> {
    value.get(name)?.as_str().filter(|text| !text.is_empty())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn object(bucket: &str, key: &str, version_id: Option<&str>) -> Option<ObjectReference> {
        let version_id = version_id.map(str::to_owned);
        Some(ObjectReference { version_id, ..ObjectReference::latest(bucket, key) })
    }

    #[test]
    fn both_versions_name_the_object() {
        let arn = "arn:aws:s3:::logs";
        for (task, expected) in [
            (json!({"s3Key": "a+b%3Dc", "s3VersionId": "1", "s3BucketArn": arn}), object("logs", "a b=c", Some("1"))),
            (json!({"s3Key": "a%2Fb", "s3VersionId": null, "s3Bucket": "logs"}), object("logs", "a/b", None)),
            (json!({"s3Key": "k", "s3BucketArn": "arn:aws-cn:s3:us-east-1:0123456788:b"}), object("b", "k", None)),
            (json!({"s3Key": "k", "s3Bucket": "one", "s3BucketArn": arn}), object("one", "k", None)),
            (json!({"s3Key": "k", "s3BucketArn": "arn:aws:s3:us-east-1:123456789012:accesspoint/ap"}), None),
            (json!({"s3Key": "k", "s3BucketArn": "arn:aws:s3:::"}), None),
            (json!({"s3Key": "k", "s3BucketArn": "logs"}), None),
            (json!({"s3Key": "", "s3Bucket": "logs"}), None),
            (json!({"s3Bucket": "logs"}), None),
            (json!({"s3Key": "k"}), None),
        ] {
            assert_eq!(reference(&task), expected, "{task}");
        }
    }

    #[test]
    fn an_unknown_task_does_not_affect_the_others() {
        let tasks = json!([{"taskId": "1", "s3Key": "k", "s3Bucket": "logs"}, {"taskId": "2", "s3Key": 7}]);
        let payload =
            json!({"invocationSchemaVersion": "2.0", "invocationId": "i", "job": {"id": "j"}, "tasks": tasks});
        let job = batch_job(&payload).expect("a job").expect("valid");
        assert_eq!((job.schema_version.as_str(), job.invocation_id.as_str()), ("2.0", "i"));
        let created = InputEvent::Created(ObjectReference::latest("logs", "k"));
        assert_eq!(job.tasks[0], Task { id: "1".to_owned(), event: Ok(created) });
        let shape = "a task that is an object with the keys \"s3Key\", \"taskId\"".to_owned();
        assert_eq!(job.tasks[1], Task { id: "2".to_owned(), event: Err(EventError::UnknownShape(shape)) });
    }

    #[test]
    fn what_cannot_be_answered_fails_the_invocation() {
        let job =
            |id: Value, task: Value| json!({"invocationSchemaVersion": "1.0", "invocationId": id, "tasks": [task]});
        let parse = |payload: &Value| batch_job(payload).expect("a job");
        let task = json!({"taskId": "1", "s3Key": "k", "s3Bucket": "logs"});
        assert!(parse(&job(json!("i"), task.clone())).is_ok());
        assert!(matches!(parse(&job(json!(null), task)), Err(EventError::UnknownShape(_))));
        for id in [json!(null), json!(""), json!(7)] {
            let task = json!({"taskId": id, "s3Key": "k", "s3Bucket": "logs"});
            assert!(matches!(parse(&job(json!("i"), task)), Err(EventError::MissingTaskId(_))), "{id}");
        }
        for other in [json!({"tasks": []}), json!({"invocationSchemaVersion": "1.0", "tasks": {}}), json!([])] {
            assert_eq!(batch_job(&other), None, "{other}");
        }
    }
}
