"""Malicious objects and names: they cost bounded memory and cannot inject log lines or fields."""

import gzip
import io
import json
import re
import zlib

import pytest

import faults
from event_source import EventSource
from flow_logs import HEADER, flow_log, key, record, scan
from aws_env import DONE, Stored, in_queue, s3_event, sqs_event

MIB = 1 << 20
# Memory limit in MiB; the function has 512 MiB.
MOST_MEMORY = 128 * MIB


def repeated(piece, total):
    """Yields gzip data of one repeated chunk, up to a size; it is never in memory as a whole."""
    packed = zlib.compressobj(9, wbits=31)
    body = b"".join(packed.compress(piece) for _ in range(total // len(piece)))
    return body + packed.flush()


# Each is larger than the function's memory, and is abandoned long before its end.
BOMBS = {
    "one line of zeros": lambda: repeated(bytes(MIB), 512 * MIB),
    "blank lines": lambda: repeated((b" " * 63 + b"\n") * 8192, 512 * MIB),
    "a record over and over": lambda: repeated(record().encode() * 8192, 512 * MIB),
    "many members": lambda: repeated(bytes(MIB), 4 * MIB) * 128,
    "behind a good beginning": lambda: gzip.compress(flow_log(scans=1).encode()) + repeated(bytes(MIB), 512 * MIB),
}


@pytest.mark.parametrize("bomb", BOMBS)
def test_decompression_bomb_is_quarantined(env, bomb, report):
    """Small gzip data that expands to far more text than any flow log."""
    body = BOMBS[bomb]()
    stored = env.put(key("bomb"), body)
    function = env.function()
    assert function.invoke(in_queue(stored)).response == DONE
    peak = function.peak_memory()
    receipt = env.only("quarantine")
    report(f"bomb, {bomb}: {len(body):,} bytes, {peak / MIB:.0f} MiB of memory at most")
    assert receipt["error"] == "compression_ratio"
    assert peak < MOST_MEMORY
    assert env.keys() == env.keys("quarantine")


@pytest.mark.parametrize(("layers", "error"), [(1, "compression_ratio"), (2, "not_a_flow_log")])
def test_nested_bomb_is_quarantined(env, layers, error):
    """One layer of gzip within gzip is read, under the limits of the outer one. A second layer is not."""
    body = repeated(bytes(MIB), 512 * MIB)
    for _ in range(layers):
        body = gzip.compress(body)
    function = env.function()
    assert function.invoke(in_queue(env.put(key("bomb"), body))).response == DONE
    assert env.only("quarantine")["error"] == error
    assert function.peak_memory() < MOST_MEMORY


class LongLine(io.RawIOBase):
    """Yields text around one line of this many bytes."""

    def __init__(self, before, length, after):
        self._parts, self._length = (before, after), length
        self._whole = len(before) + length + len(after)
        self._at = 0

    def readable(self):
        return True

    def seekable(self):
        return True

    def tell(self):
        return self._at

    def seek(self, offset, whence=io.SEEK_SET):
        self._at = offset + {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._whole}[whence]
        return self._at

    def readinto(self, buffer):
        before, after = self._parts
        end = len(before) + self._length
        if self._at < len(before):
            piece = before[self._at :]
        elif self._at < end:
            piece = b"x" * (end - self._at if end - self._at < len(buffer) else len(buffer))
        else:
            piece = after[self._at - end :]
        piece = piece[: len(buffer)]
        buffer[: len(piece)] = piece
        self._at += len(piece)
        return len(piece)


def test_200_mb_line_is_one_malformed_record(env, report):
    """The records around it count, and it uses no memory."""
    log = LongLine((HEADER + record()).encode(), 200_000_000, ("\n" + record()).encode())
    env.s3.put_object(Bucket=env.source, Key="long.log", Body=log)
    function = env.function(env.endpoint)
    assert function.invoke(s3_event(Stored(env.source, "long.log", "", None))).error is None
    peak = function.peak_memory()
    report(f"a line of 200 MB: {peak / MIB:.0f} MiB of memory at most")
    records = env.only("summaries")["records"]
    assert (records["total"], records["accepted"], records["malformed"]) == (3, 2, 1)
    assert peak < MOST_MEMORY
    [malformed] = env.only("summaries")["malformed"]
    assert malformed["line"] == 3 and len(malformed["text"]) <= 200


# A line end, a terminal escape, a bidirectional override, and characters that break JSON.
ODD = [
    "a\nb",
    'x"}\r\n{"level":"ERROR"',
    "\x1b[31mred\x1b]0;title\x07",
    "\x00\x7f\x85\u2028\u2029",
    "\u202etxt.exe\u2066\u200f",
    "\x9b2J",
]


def acting(text):
    """Returns the control characters of a line."""
    bidirectional = "\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\u2028\u2029"
    return [one for one in text if ord(one) < 0x20 or 0x7F <= ord(one) < 0xA0 or one in bidirectional]


def test_odd_names_cannot_inject_log_lines(env):
    """For read, deleted, denied and ignored objects, and for buckets, messages and events: one JSON object per line."""
    env.alerting()
    # The server cannot store all of these keys; S3 can.
    log = gzip.compress(flow_log(scans=1).encode())
    env.proxy.add(faults.reject(404, "NoSuchBucket"), "GET", path="^/no ")
    env.proxy.add(faults.reject(404, "NoSuchKey"), "GET", path="/gone$")
    for odd in ODD:
        reject = faults.reject(403, "AccessDenied", f"{odd} is not yours")
        env.proxy.add(reject, "GET", path=f"{re.escape(odd)}/denied$")
    env.proxy.add(lambda exchange: exchange.answer(200, "binary/octet-stream", log), "GET", path=f"^/{env.source}/")
    bodies = {}
    for number, odd in enumerate(ODD):
        found, gone, denied = [Stored(env.source, odd + end, "0", None) for end in ["", "/gone", "/denied"]]
        bodies[f"{number} {odd}"] = s3_event(found, gone, denied)
        bodies[f"{number} {odd} ignored"] = s3_event(found, name=f"ObjectRemoved:{odd}")
        bodies[f"{number} {odd} unknown"] = {odd: odd}
        bodies[f"{number} {odd} bucket"] = s3_event(Stored(f"no {odd}", odd, "0", None))
        bodies[f"{number} {odd} text"] = odd
    function = env.function()
    for id, body in bodies.items():
        answer = function.invoke(sqs_event(**{id: body}))
        assert answer.error is None and set(answer.failed) <= {id}
        function.invoke(body)
    written = function.stop()
    outcomes = [outcome for outcome, _ in written.outcomes()]
    assert outcomes.count("summarized") == outcomes.count("quarantined") == len(ODD)
    assert outcomes.count("failed") > len(ODD)
    for line in written.stdout + written.stderr:
        text = line.decode()
        assert isinstance(json.loads(text), dict)
        assert acting(text) == [], text
        # The fields contain no control characters either.
        assert acting("".join(strings(json.loads(text)))) == [], text
    alerts = env.alerts()
    assert len(alerts) == len(ODD)
    for alert in alerts:
        assert acting("".join(strings(alert["detail"]))) == []
    for name in env.keys():
        assert acting(name) == [] and name.isascii()


def strings(value):
    """Yields all strings in a JSON value, including names."""
    if isinstance(value, dict):
        return [text for name, member in value.items() for text in [name, *strings(member)]]
    if isinstance(value, list):
        return [text for member in value for text in strings(member)]
    return [value] if isinstance(value, str) else []


def test_odd_text_cannot_inject_summary_fields(env):
    """Malformed lines contain untrusted text; the summary is still one line of JSON."""
    odd = "".join(f"2 {one} eni\n".replace("\n", " ").strip() + "\n" for one in ODD)
    log = HEADER + scan("10.0.0.9") + odd
    function = env.function()
    assert function.invoke(in_queue(env.put(key("a"), log))).response == DONE
    [name] = env.keys("summaries")
    body = env.read(name)
    assert body.count(b"\n") == 1 and body.endswith(b"\n")
    malformed = json.loads(body)["malformed"]
    assert len(malformed) == len(ODD) and all(len(line["text"]) <= 200 for line in malformed)
    written = function.stop()
    assert all(acting(line.decode()) == [] for line in written.stdout + written.stderr)


def test_own_outputs_in_watched_bucket_are_ignored(env):
    """Each output sends an event too. The function ignores it, so there is no summary of a summary."""
    env.alerting()
    url = env.queue("events")
    configuration = {"QueueConfigurations": [{"QueueArn": env.queue_arn(url), "Events": ["s3:ObjectCreated:*"]}]}
    env.s3.put_bucket_notification_configuration(Bucket=env.source, NotificationConfiguration=configuration)
    env.put(key("good"), flow_log(scans=1))
    env.put(key("bad"), b"PARE no text")
    function = env.function(OUTPUT_BUCKET=env.source)
    source = EventSource(env.sqs, url, function)
    source.drain()
    written = function.stop()
    # Two objects; a summary, its findings and receipt, and a quarantine receipt.
    assert sorted(written.outcomes(), key=str) == sorted(
        [("summarized", None), ("quarantined", "unsupported_format_parquet")] + [("ignored", "own-output")] * 4, key=str
    )
    assert source.invocations <= 3
    assert written.values("ObjectsIgnored") == [1] * 4
    assert [request.path for request in env.proxy.sent("GET") if "/flowsentry/" in request.path] == []


def test_outputs_of_another_function_are_ignored(env):
    """Each has its own prefix, unknown to the other; the metadata mark shows that flowsentry stored the object."""
    env.alerting()
    first = env.function(OUTPUT_PREFIX="one/")
    second = env.function(OUTPUT_PREFIX="two/")
    good, bad = env.put(key("a"), flow_log(scans=1)), env.put(key("b"), b"PARE no text")
    assert first.invoke(in_queue(good, bad)).response == DONE
    listed = env.s3.list_objects_v2(Bucket=env.output)["Contents"]
    outputs = [Stored(env.output, item["Key"], item["ETag"].strip('"'), None) for item in listed]
    assert len(outputs) == 4
    assert second.invoke(in_queue(*outputs)).response == DONE
    assert second.stop().outcomes() == [("ignored", "flowsentry-output")] * 4
    assert len(env.s3.list_objects_v2(Bucket=env.output)["Contents"]) == 4
