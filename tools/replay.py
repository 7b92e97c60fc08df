#!/usr/bin/env python3
"""Sends events again: what lies in the dead-letter queues, or what a day's objects would have sent.

    python3 tools/replay.py dead-letters --stack flowsentry
    python3 tools/replay.py day --stack flowsentry s3://my-flow-logs/AWSLogs/123456789012/vpcflowlogs/eu-west-1/2026/11/23/

Needs Python 3.11 and the AWS CLI, with the credentials and the region that `aws` uses. An object that has a summary is
not analysed anew, however often its event comes: it is safe to send more than is missing.
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

# The most that SQS takes and gives at once:
# https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_SendMessageBatch.html
BATCH = 10
PAGE = 5000
# Each call is a process of its own, which takes most of a second to start.
AT_ONCE = 8
ATTEMPTS = 5
CALL_SECONDS = 120
# A batch that was received is sent on within this time, or can be received again.
VISIBILITY_SECONDS = 300


class Refused(Exception):
    """AWS said no, or the command line can't be used so."""


def main():
    arguments = parse()
    try:
        queues = Queues.of(arguments)
        if arguments.command == "day":
            return replay_day(queues, arguments.objects, arguments.dry_run)
        return replay_dead_letters(queues, arguments.dry_run)
    except Refused as refused:
        print(refused, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\ninterrupted: call it again, what was sent already does no harm", file=sys.stderr)
        return 130


def parse():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("command", choices=["dead-letters", "day"])
    parser.add_argument("objects", nargs="?", help="of day: s3://bucket/prefix, the beginning of the objects' keys")
    parser.add_argument("--stack", help="the stack whose outputs name the queues")
    parser.add_argument("--queue-url", help="the queue of events, where there is no stack")
    parser.add_argument("--dead-letter-queue-url", help="its dead-letter queue")
    parser.add_argument("--undelivered-queue-url", help="the dead-letter queue of the rule that feeds it")
    parser.add_argument("--dry-run", action="store_true", help="only say how many events there are")
    arguments = parser.parse_intermixed_args()
    if (arguments.command == "day") != bool(arguments.objects):
        parser.error("day takes s3://bucket/prefix, and dead-letters takes nothing")
    if not (arguments.stack or arguments.queue_url):
        parser.error("name the --stack, or the queues")
    if arguments.command == "dead-letters" and not (
        arguments.stack or arguments.dead_letter_queue_url or arguments.undelivered_queue_url
    ):
        parser.error("name the --stack, or the queues to empty: --dead-letter-queue-url, --undelivered-queue-url")
    return arguments


class Queues:
    """URLs of the queue of events and of those that hold what did not get through it."""

    def __init__(self, events, dead_letters, undelivered):
        self.events, self.dead_letters, self.undelivered = events, dead_letters, undelivered

    @staticmethod
    def of(arguments):
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
        raise Refused(f"the stack {stack} has no output QueueUrl: is it flowsentry's?")
    return outputs


def aws(*arguments):
    """What the AWS CLI answers to a command."""
    command = ["aws", *arguments, "--output=json"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=CALL_SECONDS, check=False)
    except FileNotFoundError:
        raise Refused("there is no `aws` here: install the AWS CLI") from None
    except subprocess.TimeoutExpired:
        raise Refused(f"aws {' '.join(arguments[:2])} did not answer in {CALL_SECONDS} seconds") from None
    if done.returncode != 0:
        raise Refused(f"aws {' '.join(arguments[:2])}: {done.stderr.strip()}")
    return json.loads(done.stdout.strip() or "{}")


def replay_day(queues, objects, dry_run):
    bucket, _, prefix = objects.removeprefix("s3://").partition("/")
    if not objects.startswith("s3://") or not bucket or not prefix:
        # A whole bucket is years of logs, as a rule.
        raise Refused("the objects are named as s3://bucket/prefix, and neither is empty")
    events = (notification(bucket, item) for item in listed(bucket, prefix))
    sent = 0
    with ThreadPoolExecutor(AT_ONCE) as pool:
        for batches in batched(batched(events, BATCH), AT_ONCE):
            if not dry_run:
                # The first that fails ends it all.
                list(pool.map(lambda batch: send(queues.events, batch), batches))
            sent += sum(map(len, batches))
            if sys.stderr.isatty():
                print(f"\r{sent} …", end="\r", file=sys.stderr, flush=True)
    print(f"{'would send' if dry_run else 'sent'} {sent} event(s) of objects below s3://{bucket}/{prefix}")
    return 0 if sent else 1


def batched(items, size):
    """Lists of so many items, the last one of what is left."""
    items = iter(items)
    while batch := list(islice(items, size)):
        yield batch


def listed(bucket, prefix):
    """The objects whose keys begin so, page by page, without the folders that S3's console makes."""
    token = []
    while True:
        arguments = [f"--bucket={bucket}", f"--prefix={prefix}", f"--max-items={PAGE}", *token]
        page = aws("s3api", "list-objects-v2", *arguments)
        yield from (item for item in page.get("Contents") or [] if not item["Key"].endswith("/"))
        if not (next_token := page.get("NextToken")):
            return
        token = [f"--starting-token={next_token}"]


def notification(bucket, item):
    """S3's own message of an object, with the key in the encoding of forms:
    https://docs.aws.amazon.com/AmazonS3/latest/userguide/notification-content-structure.html
    """
    entity = {"key": quote_plus(item["Key"], safe="/"), "size": item["Size"], "eTag": item["ETag"].strip('"')}
    record = {
        "eventVersion": "2.6",
        "eventSource": "aws:s3",
        "eventName": "ObjectCreated:Put",
        "s3": {"s3SchemaVersion": "1.0", "bucket": {"name": bucket}, "object": entity},
    }
    return json.dumps({"Records": [record]})


def send(url, bodies):
    """Sends messages. A success of SendMessageBatch may name entries that failed: those are sent again."""
    entries = [{"Id": str(number), "MessageBody": body} for number, body in enumerate(bodies)]
    for attempt in range(ATTEMPTS):
        answer = aws("sqs", "send-message-batch", f"--queue-url={url}", f"--entries={json.dumps(entries)}")
        failed = {entry["Id"]: entry for entry in answer.get("Failed", [])}
        entries = [entry for entry in entries if entry["Id"] in failed]
        if not entries:
            return
        time.sleep(2**attempt)
    reason = next(iter(failed.values()))
    raise Refused(f"{url} refuses {len(entries)} message(s): {reason.get('Code')}: {reason.get('Message')}")


def replay_dead_letters(queues, dry_run):
    """Each queue has its turn, whatever becomes of the other."""
    turns = [(queues.dead_letters, move), (queues.undelivered, forward)]
    return max(turn(url, replay, queues.events, dry_run) for url, replay in turns if url)


def turn(url, replay, events_url, dry_run):
    try:
        waiting = waiting_in(url)
        print(f"{name(url)}: {waiting} message(s)", flush=True)
        return replay(url, events_url) if waiting and not dry_run else 0
    except Refused as refused:
        print(refused, file=sys.stderr)
        return 1


def waiting_in(url):
    attributes = "ApproximateNumberOfMessages"
    answer = aws("sqs", "get-queue-attributes", f"--queue-url={url}", f"--attribute-names={attributes}")
    return int(answer["Attributes"][attributes])


def arn_of(url):
    answer = aws("sqs", "get-queue-attributes", f"--queue-url={url}", "--attribute-names=QueueArn")
    return answer["Attributes"]["QueueArn"]


def name(url):
    return url.rpartition("/")[2]


def move(url, events_url):
    """Has SQS move the messages of a queue's dead-letter queue back."""
    source = arn_of(url)
    aws("sqs", "start-message-move-task", f"--source-arn={source}", f"--destination-arn={arn_of(events_url)}")
    while (task := latest_move(source))["Status"] in ("RUNNING", "CANCELLING"):
        time.sleep(2)
    moved, of = task.get("ApproximateNumberOfMessagesMoved", 0), task.get("ApproximateNumberOfMessagesToMove", "?")
    print(f"  moved {moved} of {of}: {task['Status']} {task.get('FailureReason', '')}".rstrip())
    return 0 if task["Status"] == "COMPLETED" else 1


def latest_move(source):
    """What SQS says of the newest task; it may need a moment until it knows of one."""
    for attempt in range(ATTEMPTS):
        if tasks := aws("sqs", "list-message-move-tasks", f"--source-arn={source}").get("Results"):
            return tasks[0]
        time.sleep(2**attempt)
    raise Refused("the messages are on their way back, but SQS does not say how many")


def forward(url, events_url):
    """Sends on what EventBridge could not deliver to the queue. SQS moves nothing out of a queue that is no other
    queue's dead-letter queue: https://docs.aws.amazon.com/goto/WebAPI/sqs-2012-11-05/StartMessageMoveTask
    A body is the event as it was, and why it was not delivered stands in the attributes. It is removed only when the
    queue has it, so at worst an event comes twice.
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
    answer = aws(
        "sqs",
        "receive-message",
        f"--queue-url={url}",
        f"--max-number-of-messages={BATCH}",
        f"--visibility-timeout={VISIBILITY_SECONDS}",
        # A short poll asks some of SQS's machines only, and may find nothing where there is something.
        "--wait-time-seconds=2",
        "--message-attribute-names=All",
    )
    return answer.get("Messages", [])


def reason(message):
    return message.get("MessageAttributes", {}).get("ERROR_CODE", {}).get("StringValue", "no reason given")


if __name__ == "__main__":
    sys.exit(main())
