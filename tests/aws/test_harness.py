"""Tests of the test tools: a proxy that lets faults pass would prove nothing."""

import http.client
import threading
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import urlsplit

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

import faults
from event_source import EventSource, batch
from function import ACCESS_KEY, REGION, SECRET_KEY
from runtime_api import Answer, Died
from aws_env import s3_event


@pytest.fixture
def client(env):
    """A client of the proxy without retries."""
    config = Config(s3={"addressing_style": "path"}, retries={"total_max_attempts": 1}, read_timeout=10)
    names = {"aws_access_key_id": ACCESS_KEY, "aws_secret_access_key": SECRET_KEY, "region_name": REGION}
    return lambda service: boto3.client(service, endpoint_url=env.proxy.url, config=config, **names)


def test_proxy_forwards_and_records_requests(env, client):
    """Chunked bodies with trailing checksums, 100-continue, HEAD, Range and reused connections work."""
    s3, content = client("s3"), bytes(range(256)) * 2000
    s3.put_object(Bucket=env.output, Key="a b/é=+", Body=content, ChecksumAlgorithm="SHA256")
    assert s3.head_object(Bucket=env.output, Key="a b/é=+")["ContentLength"] == len(content)
    assert s3.get_object(Bucket=env.output, Key="a b/é=+")["Body"].read() == content
    assert s3.get_object(Bucket=env.output, Key="a b/é=+", Range="bytes=5-7")["Body"].read() == content[5:8]
    asked = [(request.method, request.path, request.status) for request in env.proxy.requests]
    path = f"/{env.output}/a b/é=+"
    assert asked == [("PUT", path, 200), ("HEAD", path, 200), ("GET", path, 200), ("GET", path, 206)]


def test_concurrent_conditional_puts_have_one_winner(clients, env):
    """Like S3, which checks and stores atomically."""
    start = threading.Barrier(8)

    def store(number):
        start.wait(60)
        try:
            clients.s3.put_object(Bucket=env.output, Key=str(number), Body=b"", IfNoneMatch="*")
        except ClientError as rejected:
            return rejected.response["Error"]["Code"]
        return "stored"

    with ThreadPoolExecutor(start.parties) as pool:
        for number in range(50):
            outcomes = sorted(pool.map(store, [number] * start.parties))
            assert outcomes == ["PreconditionFailed"] * (start.parties - 1) + ["stored"], number


def test_proxy_accepts_chunked_bodies(env):
    """HTTP chunks and S3 chunks with a trailing checksum reach the server unchanged."""
    connection = http.client.HTTPConnection("127.0.0.1", urlsplit(env.proxy.url).port, timeout=10)
    own = b"5\r\nabcde\r\n0\r\nx-amz-checksum-crc32:hYfWlQ==\r\n\r\n"
    own_headers = {
        "Content-Encoding": "aws-chunked",
        "Content-Length": str(len(own)),
        "X-Amz-Content-Sha256": "STREAMING-UNSIGNED-PAYLOAD-TRAILER",
        "X-Amz-Decoded-Content-Length": "5",
        "X-Amz-Trailer": "x-amz-checksum-crc32",
    }
    http_s = b"3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n"
    for key, body, headers in [("http", http_s, {"Transfer-Encoding": "chunked"}), ("s3", own, own_headers)]:
        connection.putrequest("PUT", f"/{env.output}/{key}")
        for name, value in {**headers, "Expect": "100-continue"}.items():
            connection.putheader(name, value)
        connection.endheaders()
        connection.send(body)
        answer = connection.getresponse()
        assert (answer.status, answer.read()) == (200, b"")
        assert env.proxy.requests[-1].body == body
        assert env.s3.get_object(Bucket=env.output, Key=key)["Body"].read() == b"abcde"


def test_rules_apply_to_given_number_of_requests(env, client):
    """The first request passes, two are rejected, and all further ones pass."""
    s3 = client("s3")
    env.proxy.add(faults.reject(503, "SlowDown"), "PUT", path="/k$", after=1, times=2)
    codes = []
    for _ in range(4):
        try:
            s3.put_object(Bucket=env.output, Key="k", Body=b"")
            codes.append(None)
        except ClientError as error:
            codes.append(error.response["Error"]["Code"])
    assert codes == [None, "SlowDown", "SlowDown", None]
    assert [request.status for request in env.proxy.sent("PUT")] == [200, None, None, 200]


def test_unanswered_put_is_stored(env, client):
    """After an error, and after a reset."""
    s3 = client("s3")
    env.proxy.add(faults.fail_after, "PUT", path="/fails$")
    env.proxy.add(faults.reset_after, "PUT", path="/breaks$")
    with pytest.raises(ClientError, match="InternalError"):
        s3.put_object(Bucket=env.output, Key="fails", Body=b"1")
    with pytest.raises(BotoCoreError):
        s3.put_object(Bucket=env.output, Key="breaks", Body=b"2")
    assert [env.read(key) for key in ["fails", "breaks"]] == [b"1", b"2"]


def test_bodies_are_truncated_at_given_offset(env, client):
    """At every byte, but not in the resumed download; slow bodies are complete."""
    s3 = client("s3")
    stored = env.put("k", b"0123456789")
    for after in range(10):
        env.proxy.clear()
        env.proxy.add(faults.cut(after), "GET", times=1)
        body = s3.get_object(Bucket=stored.bucket, Key="k")["Body"]
        with pytest.raises(BotoCoreError):
            body.read()
        rest = s3.get_object(Bucket=stored.bucket, Key="k", Range=f"bytes={after}-")["Body"].read()
        assert rest == b"0123456789"[after:]
    env.proxy.clear()
    env.proxy.add(faults.drip(3, 0.01), "GET")
    assert s3.get_object(Bucket=stored.bucket, Key="k")["Body"].read() == b"0123456789"


def test_some_entries_of_a_request_fail(env, client):
    """The bus gets the other entries, and the response lists the failed ones."""
    env.alerting()
    env.proxy.add(faults.fail_entries(lambda place: place == 1), target="PutEvents")
    entries = [
        {"Source": "flowsentry", "DetailType": "t", "EventBusName": env.bus, "Detail": f'{{"n": {number}}}'}
        for number in [1, 2, 3]
    ]
    answer = client("events").put_events(Entries=entries)
    assert answer["FailedEntryCount"] == 1
    assert [entry.get("ErrorCode") for entry in answer["Entries"]] == [None, "ThrottlingException", None]
    assert [event["detail"] for event in env.alerts()] == [{"n": 1}, {"n": 3}]


@pytest.mark.parametrize("forwarded", [False, True])
def test_request_is_held(env, client, forwarded):
    """Before it is forwarded, or before the response."""
    hold = env.proxy.add(faults.Hold(forwarded), "PUT")
    put = lambda: client("s3").put_object(Bucket=env.output, Key="k", Body=b"")
    thread = threading.Thread(target=lambda: pytest.raises(BotoCoreError, put), daemon=True)
    thread.start()
    hold.wait()
    assert env.keys("") == [] and thread.is_alive()
    assert bool(env.s3.list_objects_v2(Bucket=env.output).get("Contents")) == forwarded
    env.proxy.close()
    thread.join(10)
    assert not thread.is_alive()


class OneFails:
    """A function that fails the message "bad"."""

    def __init__(self):
        self.batches = []

    def invoke(self, event, _seconds):
        receives = [item["attributes"]["ApproximateReceiveCount"] for item in event["Records"]]
        self.batches.append([(item["body"], count) for item, count in zip(event["Records"], receives, strict=True)])
        failed = [{"itemIdentifier": item["messageId"]} for item in event["Records"] if item["body"] == "bad"]
        return Answer("id", 1.0, {"batchItemFailures": failed})


def test_event_source_deletes_successful_messages(env):
    """A failed message is retried until it moves to the dead-letter queue."""
    dead_letters = env.queue("dead")
    url, function = env.queue("events", dead_letters, max_receives=2), OneFails()
    for body in ["good", "bad"]:
        env.sqs.send_message(QueueUrl=url, MessageBody=body)
    EventSource(env.sqs, url, function).drain()
    assert function.batches == [[("good", "1"), ("bad", "1")], [("bad", "2")]]
    [message] = env.sqs.receive_message(QueueUrl=dead_letters)["Messages"]
    assert message["Body"] == "bad"


def test_unknown_failure_id_fails_the_whole_batch():
    """Like Lambda."""
    messages = [{"MessageId": "1", "Body": ""}, {"MessageId": "2", "Body": ""}]
    failed = lambda answer: EventSource._failed(messages, answer)
    assert failed(Answer("id", 1.0, {"batchItemFailures": [{"itemIdentifier": "2"}]})) == ["2"]
    assert failed(Answer("id", 1.0, {"batchItemFailures": [{"itemIdentifier": "3"}]})) == ["1", "2"]
    assert failed(Answer("id", 1.0, error={"errorType": "x"})) == ["1", "2"]
    assert batch(messages)["Records"][1]["messageId"] == "2"


def test_exited_function_is_not_waited_for(env):
    """It reports the reason, and no test mistakes it for a response."""
    function = env.function(OUTPUT_BUCKET="")
    with pytest.raises(Died):
        function.invoke(s3_event())
    assert b"OUTPUT_BUCKET" in b"".join(function.stop().stderr)
