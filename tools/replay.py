#!/usr/bin/env python3
"""Sends events again: the messages of the dead-letter queues, or the events of a day's objects.

    python3 tools/replay.py dead-letters --stack flowsentry
    python3 tools/replay.py day --stack flowsentry s3://my-flow-logs/AWSLogs/123456789012/vpcflowlogs/eu-west-1/2026/11/23/

Needs Python 3.11 and the AWS CLI, with its credentials and Region. An object that has a summary is not analyzed again, so it
is safe to send too many events.
"""

import argparse
import json
import subprocess
import sys
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from urllib.parse import quote_plus

# Maximum batch size of SQS:
# https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_SendMessageBatch.html
BATCH = 10
PAGE = 5000
# Each call is a process that takes almost a second to start.
CONCURRENT_CALLS = 8
ATTEMPTS = 5
CALL_SECONDS = 120
# A received batch is forwarded within this time; otherwise it becomes visible again.
VISIBILITY_SECONDS = 300


class ReplayError(Exception):
    """AWS returned an error, or the command line is invalid."""


def main():
    arguments = parse()
    try:
        queues = Queues.from_arguments(arguments)
        if arguments.command == "day":
            return replay_day(queues, arguments.objects, arguments.dry_run)
        return replay_dead_letters(queues, arguments.dry_run)
    except ReplayError as error:
        print(error, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\ninterrupted; run it again, sending events twice is safe", file=sys.stderr)
        return 130


def parse():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("command", choices=["dead-letters", "day"])
    parser.add_argument("objects", nargs="?", help="for day: s3://bucket/prefix of the objects")
    parser.add_argument("--stack", help="stack whose outputs name the queues")
    parser.add_argument("--queue-url", help="queue of events, without a stack")
    parser.add_argument("--dead-letter-queue-url", help="its dead-letter queue")
    parser.add_argument("--undelivered-queue-url", help="dead-letter queue of the rule")
    parser.add_argument("--dry-run", action="store_true", help="only count the events")
    arguments = parser.parse_intermixed_args()
    if (arguments.command == "day") != bool(arguments.objects):
        parser.error("day requires s3://bucket/prefix; dead-letters takes no argument")
    if not (arguments.stack or arguments.queue_url):
        parser.error("pass --stack or the queues")
    if arguments.command == "dead-letters" and not (
        arguments.stack or arguments.dead_letter_queue_url or arguments.undelivered_queue_url
    ):
        parser.error("pass --stack or the queues to replay: --dead-letter-queue-url, --undelivered-queue-url")
    return arguments


class Queues:
    """URLs of the event queue and of its dead-letter queues."""

    def __init__(self, events, dead_letters, undelivered):
        self.events, self.dead_letters, self.undelivered = events, dead_letters, undelivered

    @staticmethod
    def from_arguments(arguments):
        outputs = outputs_of(arguments.stack) if arguments.stack else {}
        return Queues(
            arguments.queue_url or outputs.get("QueueUrl"),
            arguments.dead_letter_queue_url or outputs.get("DeadLetterQueueUrl"),
            arguments.undelivered_queue_url or outputs.get("RuleDeadLetterQueueUrl"),
        )


def outputs_of(stack):
    [description] = aws("cloudformation", "describe-stacks", f"--stack-name={stack}")["Stacks"]
    outputs = {output["OutputKey"]: output["OutputValue"] for output in description.get("Outputs", [])}
    if "QueueUrl" not in outputs:
        raise ReplayError(f"the stack {stack} has no output QueueUrl; is it a flowsentry stack?")
    return outputs


def aws(*arguments):
    """Runs an AWS CLI command and returns its JSON output."""
    command = ["aws", *arguments, "--output=json"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=CALL_SECONDS, check=False)
    except FileNotFoundError:
        raise ReplayError("`aws` not found; install the AWS CLI") from None
    except subprocess.TimeoutExpired:
        raise ReplayError(f"aws {' '.join(arguments[:2])} timed out after {CALL_SECONDS} seconds") from None
    if done.returncode != 0:
        raise ReplayError(f"aws {' '.join(arguments[:2])}: {done.stderr.strip()}")
    return json.loads(done.stdout.strip() or "{}")


def replay_day(queues, objects, dry_run):
    bucket, _, prefix = objects.removeprefix("s3://").partition("/")
    if not objects.startswith("s3://") or not bucket or not prefix:
        # A whole bucket usually has years of logs.
        raise ReplayError("the objects are named as s3://bucket/prefix, and neither is empty")
    region = region_of(bucket)
    events = (notification(bucket, region, item) for item in listed(bucket, region, prefix))
    sent = 0
    with ThreadPoolExecutor(CONCURRENT_CALLS) as pool:
        for batches in batched(batched(events, BATCH), CONCURRENT_CALLS):
            if not dry_run:
                # The first failure stops the replay.
                list(pool.map(lambda batch: send(queues.events, batch), batches))
            sent += sum(map(len, batches))
            if sys.stderr.isatty():
                print(f"\r{sent} …", end="\r", file=sys.stderr, flush=True)
    print(f"{'would send' if dry_run else 'sent'} {sent} event(s) of objects below s3://{bucket}/{prefix}")
    return 0 if sent else 1


def batched(items, size):
    """Yields lists of this size; the last one may be shorter."""
    items = iter(items)
    while batch := list(islice(items, size)):
        yield batch


def region_of(bucket):
    """Returns the Region of a bucket. The oldest Regions have other names here:
    https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetBucketLocation.html
    """
    location = aws("s3api", "get-bucket-location", f"--bucket={bucket}").get("LocationConstraint")
    return {None: "us-east-1", "": "us-east-1", "EU": "eu-west-1"}.get(location, location)


def listed(bucket, region, prefix):
    """Yields the objects under a prefix, page by page, without folder markers of the S3 console."""
    token = []
    while True:
        arguments = [f"--bucket={bucket}", f"--prefix={prefix}", f"--max-items={PAGE}", f"--region={region}", *token]
        page = aws("s3api", "list-objects-v2", *arguments)
        yield from (item for item in page.get("Contents") or [] if not item["Key"].endswith("/"))
        if not (next_token := page.get("NextToken")):
            return
        token = [f"--starting-token={next_token}"]


def notification(bucket, region, item):
    """Returns an S3 notification for an object, with a form-encoded key. The function asks the Region that it names:
    https://docs.aws.amazon.com/AmazonS3/latest/userguide/notification-content-structure.html
    """
    entity = {"key": quote_plus(item["Key"], safe="/"), "size": item["Size"], "eTag": item["ETag"].strip('"')}
    record = {
        "eventVersion": "2.6",
        "eventSource": "aws:s3",
        "awsRegion": region,
        "eventName": "ObjectCreated:Put",
        "s3": {"s3SchemaVersion": "1.0", "bucket": {"name": bucket}, "object": entity},
    }
    return json.dumps({"Records": [record]})


def send(url, bodies):
    """Sends messages. A successful SendMessageBatch may contain failed entries; these are sent again."""
    entries = [{"Id": str(number), "MessageBody": body} for number, body in enumerate(bodies)]
    for attempt in range(ATTEMPTS):
        response = aws("sqs", "send-message-batch", f"--queue-url={url}", f"--entries={json.dumps(entries)}")
        failed = {entry["Id"]: entry for entry in response.get("Failed", [])}
        entries = [entry for entry in entries if entry["Id"] in failed]
        if not entries:
            return
        time.sleep(2**attempt)
    reason = next(iter(failed.values()))
    raise ReplayError(f"{url} rejected {len(entries)} message(s): {reason.get('Code')}: {reason.get('Message')}")


def replay_dead_letters(queues, dry_run):
    """Replays both queues, even if one fails."""
    replays = [(queues.dead_letters, move), (queues.undelivered, forward)]
    return max(replay_queue(url, replay, queues.events, dry_run) for url, replay in replays if url)


def replay_queue(url, replay, events_url, dry_run):
    try:
        waiting = message_count(url)
        print(f"{name(url)}: {waiting} message(s)", flush=True)
        return replay(url, events_url) if waiting and not dry_run else 0
    except ReplayError as error:
        print(error, file=sys.stderr)
        return 1


def message_count(url):
    attributes = "ApproximateNumberOfMessages"
    response = aws("sqs", "get-queue-attributes", f"--queue-url={url}", f"--attribute-names={attributes}")
    return int(response["Attributes"][attributes])


def arn_of(url):
    response = aws("sqs", "get-queue-attributes", f"--queue-url={url}", "--attribute-names=QueueArn")
    return response["Attributes"]["QueueArn"]


def name(url):
    return url.rpartition("/")[2]


def move(url, events_url):
    """Redrives the messages of a dead-letter queue with SQS."""
    source = arn_of(url)
    aws("sqs", "start-message-move-task", f"--source-arn={source}", f"--destination-arn={arn_of(events_url)}")
    while (task := latest_move(source))["Status"] in ("RUNNING", "CANCELLING"):
        time.sleep(2)
    moved, of = task.get("ApproximateNumberOfMessagesMoved", 0), task.get("ApproximateNumberOfMessagesToMove", "?")
    print(f"  moved {moved} of {of}: {task['Status']} {task.get('FailureReason', '')}".rstrip())
    return 0 if task["Status"] == "COMPLETED" else 1


def latest_move(source):
    """Returns the latest move task; SQS may need a moment to list it."""
    for attempt in range(ATTEMPTS):
        if tasks := aws("sqs", "list-message-move-tasks", f"--source-arn={source}").get("Results"):
            return tasks[0]
        time.sleep(2**attempt)
    raise ReplayError("SQS is moving the messages, but does not report how many")


def forward(url, events_url):
    """Forwards events that EventBridge could not deliver to the queue. SQS can only redrive the dead-letter queue of another
    queue: https://docs.aws.amazon.com/goto/WebAPI/sqs-2012-11-05/StartMessageMoveTask
    The body is the original event; the attributes contain the reason. A message is deleted only after it was sent, so at
    worst an event is duplicated.
    """
    reasons = Counter()
    while messages := received(url):
        send(events_url, [message["Body"] for message in messages])
        entries = [{"Id": str(at), "ReceiptHandle": one["ReceiptHandle"]} for at, one in enumerate(messages)]
        aws("sqs", "delete-message-batch", f"--queue-url={url}", f"--entries={json.dumps(entries)}")
        reasons.update(reason(message) for message in messages)
    print(f"  sent {reasons.total()}" + "".join(f"; {count} × {why}" for why, count in reasons.most_common()))
    return 0


def received(url):
    response = aws(
        "sqs",
        "receive-message",
        f"--queue-url={url}",
        f"--max-number-of-messages={BATCH}",
        f"--visibility-timeout={VISIBILITY_SECONDS}",
        # A short poll asks only some servers of SQS and may miss messages.
        "--wait-time-seconds=2",
        "--message-attribute-names=All",
    )
    return response.get("Messages", [])


def reason(message):
    return message.get("MessageAttributes", {}).get("ERROR_CODE", {}).get("StringValue", "unknown reason")


if __name__ == "__main__":
    sys.exit(main())
