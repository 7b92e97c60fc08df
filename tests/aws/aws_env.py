"""The AWS resources of one test: buckets, queues, an event bus, the proxy in front of them, and functions."""

import itertools
import json
import uuid
from dataclasses import dataclass
from urllib.parse import quote_plus

import boto3
from botocore.config import Config

from event_source import batch
from flow_logs import gzip
from function import ACCESS_KEY, REGION, SECRET_KEY, Function, Written
from proxy import Proxy

_numbers = itertools.count(1)


@dataclass(frozen=True)
class Stored:
    """One version of an object."""

    bucket: str
    key: str
    etag: str
    version_id: str | None

    @property
    def uri(self):
        return f"s3://{self.bucket}/{self.key}"


class Clients:
    """Clients of the test, which call the server directly."""

    def __init__(self, endpoint):
        self.endpoint = endpoint
        # The server would repeat a whole-object checksum in each range response; S3 does not.
        config = Config(
            s3={"addressing_style": "path"},
            request_checksum_calculation="when_required",
            retries={"total_max_attempts": 1},
            max_pool_connections=50,
        )
        names = {"aws_access_key_id": ACCESS_KEY, "aws_secret_access_key": SECRET_KEY, "region_name": REGION}
        session = boto3.Session(**names)
        self.of = lambda service: session.client(service, endpoint_url=endpoint, config=config)
        self.s3, self.sqs, self.sns, self.events = map(self.of, ["s3", "sqs", "sns", "events"])


class AwsEnv:
    def __init__(self, clients):
        self.s3, self.sqs, self.sns, self.events = clients.s3, clients.sqs, clients.sns, clients.events
        # Tests share one server, so each uses its own names.
        self.name = f"t{next(_numbers)}-{uuid.uuid4().hex[:8]}"
        self.source, self.output = self.bucket("logs"), self.bucket("out")
        self.endpoint = clients.endpoint
        self.proxy = Proxy(clients.endpoint)
        self._functions, self._alerts_url, self.bus = [], None, None

    def close(self):
        """Stops everything; after a failure, prints the requests and the output of the functions."""
        for line in self.stop().stderr:
            print(line.decode(errors="replace"))
        for request in self.proxy.requests:
            print(request)
        self.proxy.close()

    def function(self, endpoint=None, **settings):
        """Starts a function behind the proxy, with the required settings and the given ones.

        Each finding of each object is an alert, unless a test sets ALERT_REPEAT_HOURS.
        """
        bus = {"EVENT_BUS_NAME": self.bus, "ALERT_REPEAT_HOURS": "0"} if self.bus else {}
        settings = {"OUTPUT_BUCKET": self.output, **bus, **settings}
        self._functions.append(Function(endpoint or self.proxy.url, settings))
        return self._functions[-1]

    def stop(self):
        """Stops all functions and returns everything that they wrote."""
        return sum((function.stop() for function in self._functions), Written())

    def bucket(self, name, versioned=False):
        bucket = f"{self.name}-{name}"
        self.s3.create_bucket(Bucket=bucket)
        if versioned:
            self.s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
        return bucket

    def put(self, key, content, bucket=None, **metadata):
        """Stores an object, compressed if it is text."""
        body = gzip(content) if isinstance(content, str) else content
        bucket = bucket or self.source
        answer = self.s3.put_object(Bucket=bucket, Key=key, Body=body, Metadata=metadata)
        return Stored(bucket, key, answer["ETag"].strip('"'), answer.get("VersionId"))

    def delete(self, stored):
        self.s3.delete_object(Bucket=stored.bucket, Key=stored.key)

    def queue(self, name, dead_letter_queue=None, max_receives=3):
        """Creates a queue and returns its URL."""
        attributes = {}
        if dead_letter_queue:
            policy = {"deadLetterTargetArn": self.queue_arn(dead_letter_queue), "maxReceiveCount": max_receives}
            attributes["RedrivePolicy"] = json.dumps(policy)
        return self.sqs.create_queue(QueueName=f"{self.name}-{name}", Attributes=attributes)["QueueUrl"]

    def queue_arn(self, url):
        attributes = self.sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])
        return attributes["Attributes"]["QueueArn"]

    def received(self, url):
        """Receives and deletes all messages of a queue; returns their bodies."""
        bodies = []
        while messages := self.sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages"):
            bodies += [json.loads(message["Body"]) for message in messages]
            entries = [{"Id": one["MessageId"], "ReceiptHandle": one["ReceiptHandle"]} for one in messages]
            self.sqs.delete_message_batch(QueueUrl=url, Entries=entries)
        return bodies

    def route(self, rule, pattern, queue_url, bus="default"):
        """Adds a rule that sends matching events from the bus to the queue."""
        self.events.put_rule(Name=f"{self.name}-{rule}", EventBusName=bus, EventPattern=json.dumps(pattern))
        target = {"Id": "queue", "Arn": self.queue_arn(queue_url)}
        self.events.put_targets(Rule=f"{self.name}-{rule}", EventBusName=bus, Targets=[target])

    def alerting(self):
        """Configures an event bus for further functions, with a listener."""
        self.bus = f"{self.name}-bus"
        self.events.create_event_bus(Name=self.bus)
        self._alerts_url = self.queue("alerts")
        self.route("alerts", {"source": ["flowsentry"]}, self._alerts_url, self.bus)

    def alerts(self):
        """Returns the events that have arrived since the last call."""
        return self.received(self._alerts_url)

    def keys(self, kind=""):
        """Returns the keys of the outputs, or of one kind of output."""
        prefix = f"flowsentry/{kind}"
        pages = self.s3.get_paginator("list_objects_v2").paginate(Bucket=self.output, Prefix=prefix)
        return [item["Key"] for page in pages for item in page.get("Contents", [])]

    def read(self, key):
        return self.s3.get_object(Bucket=self.output, Key=key)["Body"].read()

    def documents(self, kind):
        """Returns the outputs of one kind."""
        return [json.loads(self.read(key)) for key in self.keys(kind)]

    def only(self, kind):
        """Returns the only output of one kind."""
        [document] = self.documents(kind)
        return document

    def findings(self):
        """Returns the lines of the only findings file."""
        [key] = self.keys("findings")
        return [json.loads(line) for line in self.read(key).splitlines()]


def s3_event(*objects, name="ObjectCreated:Put"):
    """Returns an S3 notification."""
    return {"Records": [_s3_record(stored, name) for stored in objects]}


def _s3_record(stored, name):
    entity = {"key": quote_plus(stored.key, safe="/"), "eTag": stored.etag, "versionId": stored.version_id}
    entity = {name: value for name, value in entity.items() if value}
    return {
        "eventVersion": "2.6",
        "eventSource": "aws:s3",
        "awsRegion": REGION,
        "eventName": name,
        "s3": {"bucket": {"name": stored.bucket}, "object": entity},
    }


def sqs_event(**bodies):
    """Returns an SQS batch: message ids with their bodies."""
    text = lambda body: body if isinstance(body, str) else json.dumps(body)
    return batch([{"MessageId": id, "Body": text(body)} for id, body in bodies.items()])


def in_queue(*objects):
    """Returns an SQS batch with one message, "1", about these objects."""
    return sqs_event(**{"1": s3_event(*objects)})


DONE = {"batchItemFailures": []}
