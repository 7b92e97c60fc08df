"""The parts of Firehose that the local one lacks: processors, compression, and the names of objects.

https://docs.aws.amazon.com/firehose/latest/dev/s3-object-name.html
https://docs.aws.amazon.com/firehose/latest/dev/s3-prefixes.html
"""

import gzip
import json
import re
import uuid
from datetime import datetime, timezone

from moto.s3.models import s3_backends

# Expressions of prefixes, such as !{timestamp:yyyy/MM/dd/HH}, with the letters of Java's DateTimeFormatter.
_TIMESTAMP = re.compile(r"!\{timestamp:([^}]+)\}")
_LETTERS = {"yyyy": "%Y", "MM": "%m", "dd": "%d", "HH": "%H"}


def object_key(stream, version, destination, now=None):
    """Returns the key of the next object. A prefix without an expression is followed by the date and the hour."""
    now = now or datetime.now(timezone.utc)
    prefix, count = _TIMESTAMP.subn(lambda found: _formatted(found[1], now), destination.get("Prefix", ""))
    if "!{" in prefix:
        raise NotImplementedError(f"an expression in {prefix}")
    prefix += "" if count else now.strftime("%Y/%m/%d/%H/")
    default = ".gz" if destination.get("CompressionFormat") == "GZIP" else ""
    extension = destination.get("FileExtension") or default
    return f"{prefix}{stream}-{version}-{now:%Y-%m-%d-%H-%M-%S}-{uuid.uuid4()}{extension}"


def _formatted(pattern, now):
    for letters, code in _LETTERS.items():
        pattern = pattern.replace(letters, now.strftime(code))
    return pattern


def object_body(destination, records):
    """Returns the content of an object with these records."""
    processing = destination.get("ProcessingConfiguration", {})
    for processor in processing.get("Processors", []) if processing.get("Enabled") else []:
        parameters = {one["ParameterName"]: one["ParameterValue"] for one in processor.get("Parameters", [])}
        records = [made for record in records for made in _PROCESSORS[processor["Type"]](record, parameters)]
    body = b"".join(records)
    match destination.get("CompressionFormat", "UNCOMPRESSED"):
        case "GZIP":
            return gzip.compress(body)
        case "UNCOMPRESSED":
            return body
        case other:
            raise NotImplementedError(other)


def _decompress(record, parameters):
    assert parameters == {"CompressionFormat": "GZIP"}
    return [gzip.decompress(record)]


def _extract_messages(record, parameters):
    assert parameters == {"DataMessageExtraction": "true"}
    envelope = json.loads(record)
    return [event["message"].encode() for event in envelope["logEvents"] if envelope["messageType"] == "DATA_MESSAGE"]


def _append_delimiter(record, parameters):
    assert parameters in ({}, {"Delimiter": "\\n"})
    return [record + b"\n"]


_PROCESSORS = {
    "Decompression": _decompress,
    "CloudWatchLogProcessing": _extract_messages,
    "AppendDelimiterToRecord": _append_delimiter,
}


def put_s3_records(self, delivery_stream_name, version_id, s3_destination, records):
    """Replaces the method of the local Firehose. Each call writes one object: nothing is buffered."""
    key = object_key(delivery_stream_name, version_id, s3_destination)
    body = object_body(s3_destination, [record["Data"] for record in records])
    bucket = s3_destination["BucketARN"].rsplit(":", 1)[-1]
    s3_backends[self.account_id][self.partition].put_object(bucket, key, body)
    return [{"RecordId": str(uuid.uuid4())} for _ in records]
