"""Lambda's event source mapping between a queue and a function:
https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-errorhandling.html
"""

BATCH = 10


def batch(messages, queue_arn="arn:aws:sqs:us-east-1:123456789012:flow-logs"):
    """Returns the event for messages as SQS returns them to a consumer."""
    return {"Records": [_record(message, queue_arn) for message in messages]}


def _record(message, queue_arn):
    return {
        "messageId": message["MessageId"],
        "receiptHandle": message.get("ReceiptHandle", "none"),
        "body": message["Body"],
        "attributes": {"ApproximateReceiveCount": message.get("Attributes", {}).get("ApproximateReceiveCount", "1")},
        "messageAttributes": {},
        "md5OfBody": message.get("MD5OfBody", ""),
        "eventSource": "aws:sqs",
        "eventSourceARN": queue_arn,
        "awsRegion": "us-east-1",
    }


class EventSource:
    """Sends the messages of a queue to a function, and deletes those that did not fail."""

    def __init__(self, sqs, queue_url, function, batch_size=BATCH, amend=None):
        """Sends bodies unchanged, or as returned by `amend`."""
        self._sqs, self._queue_url, self._function = sqs, queue_url, function
        self._batch_size, self._amend = batch_size, amend or (lambda body: body)
        attributes = sqs.get_queue_attributes(QueueUrl=queue_url, AttributeNames=["QueueArn"])
        self._queue_arn = attributes["Attributes"]["QueueArn"]
        self.invocations = self.messages = 0

    def poll(self, seconds=60.0):
        """Processes one batch. Returns the number of received messages and the failed ones, which become visible at once."""
        answer = self._sqs.receive_message(
            QueueUrl=self._queue_url, MaxNumberOfMessages=self._batch_size, AttributeNames=["ApproximateReceiveCount"]
        )
        messages = answer.get("Messages", [])
        if not messages:
            return 0, []
        self.invocations, self.messages = self.invocations + 1, self.messages + len(messages)
        messages = [{**message, "Body": self._amend(message["Body"])} for message in messages]
        failed = self._failed(messages, self._function.invoke(batch(messages, self._queue_arn), seconds))
        for message in messages:
            handle = {"QueueUrl": self._queue_url, "ReceiptHandle": message["ReceiptHandle"]}
            if message["MessageId"] in failed:
                self._sqs.change_message_visibility(**handle, VisibilityTimeout=0)
            else:
                self._sqs.delete_message(**handle)
        return len(messages), failed

    def drain(self, batches=50, seconds=60.0):
        """Processes batches until the queue is empty: each message was completed or moved to the dead-letter queue."""
        for _ in range(batches):
            if self.poll(seconds) == (0, []):
                return
        raise AssertionError(f"after {batches} batches the queue is not empty")

    @staticmethod
    def _failed(messages, answer):
        """Without a response, or with unknown message ids in it, all messages have failed."""
        ids = [message["MessageId"] for message in messages]
        failed = ids if answer.error else answer.failed
        return failed if set(failed) <= set(ids) else ids
