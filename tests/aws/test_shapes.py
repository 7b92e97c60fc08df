"""Every shape of flow logs that AWS writes gives the same summary as text with the same records."""

import gzip
import json
import re
import time

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from aws_env import DONE, Stored, in_queue
from flow_logs import ACCOUNT, END, HEADER, START, flow_log, key, records
from function import REGION
from stack import Stack

SCANS, ACCEPTED = 2, 3
TEXT = flow_log(SCANS, ACCEPTED)
LINES = TEXT.removeprefix(HEADER).splitlines()
GROUP, LOG_STREAM = "vpc-flow-logs", "eni-0a1b-all"

# AWS's writer is parquet-mr with Avro: every column is optional, an absent number is null, and an absent string is "-".
LONGS = {"packets", "bytes", "start", "end"}
INTEGERS = {"version", "srcport", "dstport", "protocol"}


def analyze(env, stored):
    """Analyzes one object and returns its summary."""
    function = env.function()
    assert function.invoke(in_queue(stored)).response == DONE
    function.stop()
    [summary] = [one for one in env.documents("summaries") if one["sources"][0]["uri"] == stored.uri]
    return summary


def same_but_for_sources(summary, other):
    without = lambda one: {name: part for name, part in one.items() if name != "sources"}
    assert without(summary) == without(other)


def stored_object(env, bucket, prefix=""):
    """Returns the only object under a prefix."""
    [item] = env.s3.list_objects_v2(Bucket=bucket, Prefix=prefix)["Contents"]
    return Stored(bucket, item["Key"], item["ETag"].strip('"'), None)


@pytest.fixture
def text(env):
    """The summary of the records as text."""
    summary = analyze(env, env.put(key("text"), TEXT))
    assert summary["records"]["total"] == records(SCANS, ACCEPTED) == len(LINES)
    assert (summary["records"]["accepted"], summary["records"]["rejected"]) == (ACCEPTED, len(LINES) - ACCEPTED)
    assert [finding["type"] for finding in summary["findings"]] == ["port-scan"] * SCANS
    assert summary["sources"][0]["shape"] == "text"
    return summary


def flow_log_records(lines):
    """Returns the records that AWS sends to Firehose."""
    return [{"Data": json.dumps({"message": line}, separators=(",", ":")).encode()} for line in lines]


def stream(env, clients, **destination):
    """Creates a Firehose stream as people have it; returns its name."""
    name = f"{env.name}-flow-logs"
    role = f"arn:aws:iam::{ACCOUNT}:role/firehose"
    destination = {"BucketARN": f"arn:aws:s3:::{env.source}", "RoleARN": role, "Prefix": "firehose/", **destination}
    clients.of("firehose").create_delivery_stream(DeliveryStreamName=name, ExtendedS3DestinationConfiguration=destination)
    return name


def log_group(clients, name):
    """Creates a log group with the log stream of an interface."""
    clients.of("logs").create_log_group(logGroupName=name)
    clients.of("logs").create_log_stream(logGroupName=name, logStreamName=LOG_STREAM)


def send_log(clients, group):
    events = [{"timestamp": START * 1000, "message": line} for line in LINES]
    clients.of("logs").put_log_events(logGroupName=group, logStreamName=LOG_STREAM, logEvents=events)


NEW_LINE = {"Enabled": True, "Processors": [{"Type": "AppendDelimiterToRecord"}]}


@pytest.mark.parametrize("compression", ["UNCOMPRESSED", "GZIP"])
@pytest.mark.parametrize("processing", [{"Enabled": False}, NEW_LINE], ids=["joined", "lines"])
def test_firehose_object(env, clients, text, compression, processing):
    """JSON objects, with and without line ends between them."""
    name = stream(env, clients, CompressionFormat=compression, ProcessingConfiguration=processing)
    clients.of("firehose").put_record_batch(DeliveryStreamName=name, Records=flow_log_records(LINES))
    stored = stored_object(env, env.source, "firehose/")
    summary = analyze(env, stored)
    same_but_for_sources(summary, text)
    body = b"".join(record["Data"] + (b"\n" if processing is NEW_LINE else b"") for record in flow_log_records(LINES))
    source = summary["sources"][0]
    assert (source["uri"], source["shape"], source["records"], source["bytes"]) == (stored.uri, "json", len(LINES), len(body))


@pytest.mark.parametrize("compression", ["UNCOMPRESSED", "GZIP"])
def test_firehose_object_with_envelopes(env, clients, text, compression):
    """A subscription through a stream without processors: gzip documents one after another, perhaps in gzip."""
    name, group = stream(env, clients, CompressionFormat=compression), f"{env.name}-{GROUP}"
    log_group(clients, group)
    arn = f"arn:aws:firehose:{REGION}:{ACCOUNT}:deliverystream/{name}"
    role = f"arn:aws:iam::{ACCOUNT}:role/logs"
    clients.of("logs").put_subscription_filter(
        logGroupName=group, filterName="all", filterPattern="", destinationArn=arn, roleArn=role
    )
    send_log(clients, group)
    summary = analyze(env, stored_object(env, env.source, "firehose/"))
    same_but_for_sources(summary, text)
    assert summary["sources"][0]["shape"] == "json"


def test_export_of_cloudwatch_logs(env, clients, text):
    """A line has the time of its event before the record."""
    logs, group = clients.of("logs"), f"{env.name}-{GROUP}"
    log_group(clients, group)
    send_log(clients, group)
    folder = key("export").removesuffix(".gz")
    logs.create_export_task(
        logGroupName=group,
        fromTime=(START - 60) * 1000,
        to=(END + 60) * 1000,
        destination=env.source,
        destinationPrefix=folder,
    )
    stored = stored_object(env, env.source, f"{folder}/")
    assert stored.key.endswith(f"/{LOG_STREAM}/000000.gz")
    summary = analyze(env, stored)
    same_but_for_sources(summary, text)
    assert (summary["sources"][0]["shape"], summary["sources"][0]["records"]) == ("cloudwatch-export", len(LINES))
    # The folders of the prefix give the partition.
    [written] = [name for name in env.keys("summaries/") if "/000000-" in name]
    day = time.strftime("%Y-%m-%d", time.gmtime(START))
    assert written.startswith(f"flowsentry/summaries/account_id={ACCOUNT}/region={REGION}/date={day}/")


@pytest.mark.parametrize(
    "name", ["aws-logs-write-test", "errors/decompression-failed/2026/11/23/06/x", "errors/processing-failed/2026/11/23/06/x"]
)
def test_objects_beside_logs_are_ignored(env, name):
    stored = env.put(f"export/{name}", b"Permission Check Successful")
    function = env.function()
    assert function.invoke(in_queue(stored)).response == DONE
    [(outcome, reason)] = function.stop().outcomes()
    assert outcome == "ignored" and reason
    assert env.keys() == [] and not [one for one in env.proxy.requests if name in one.path]


def parquet(lines, path, empty_groups=0, **options):
    """Writes records in the layout of AWS's writer, and row groups without records around them; returns the content."""
    names = HEADER.split()
    columns = []
    for name, values in zip(names, zip(*(line.split() for line in lines)), strict=True):
        kind = pa.int64() if name in LONGS else pa.int32() if name in INTEGERS else pa.string()
        cells = values if kind == pa.string() else [None if value == "-" else int(value) for value in values]
        columns.append(pa.array(cells, kind))
    avro = lambda name: ["null", "long"] if name in LONGS else ["null", "int"] if name in INTEGERS else ["string", "null"]
    schema = {
        "type": "record",
        "name": "LogFormatInfo",
        "namespace": "LogFormatSchema",
        "fields": [{"name": name.replace("-", "_"), "type": avro(name)} for name in names],
    }
    metadata = {"parquet.avro.schema": json.dumps(schema), "writer.model.name": "avro"}
    table = pa.table(columns, [name.replace("-", "_") for name in names]).replace_schema_metadata(metadata)
    empty = [table.slice(0, 0)] * empty_groups
    row_group_size = options.pop("row_group_size", None)
    with pq.ParquetWriter(path, table.schema, version="1.0", store_schema=False, use_dictionary=True, **options) as writer:
        for part in [*empty, table, *empty]:
            writer.write_table(part, row_group_size=row_group_size)
    return path.read_bytes()


@pytest.mark.parametrize("compression", ["gzip", "snappy", "zstd", "none"])
def test_parquet_object(env, text, tmp_path, compression):
    content = parquet(LINES, tmp_path / "a.parquet", compression=compression)
    stored = env.put(key("a").replace(".log.gz", ".log.parquet"), content)
    summary = analyze(env, stored)
    same_but_for_sources(summary, text)
    source = summary["sources"][0]
    assert (source["shape"], source["records"], source["compressed_bytes"]) == ("parquet", len(LINES), len(content))


def test_parquet_row_groups_and_pages(env, text, tmp_path):
    """Many row groups, some of them empty, and many pages: the records are the same."""
    options = {"empty_groups": 2, "row_group_size": 7, "data_page_size": 64, "write_batch_size": 2}
    content = parquet(LINES, tmp_path / "a.parquet", compression="gzip", **options)
    same_but_for_sources(analyze(env, env.put(key("a").replace(".gz", ".parquet"), content)), text)


def test_parquet_without_data(env, tmp_path):
    """Absent numbers are null, absent strings are a hyphen."""
    line = f"2 {ACCOUNT} eni-0a1b - - - - - - - {START} {END} - NODATA"
    content = parquet([line, line.replace("NODATA", "SKIPDATA")], tmp_path / "a.parquet", compression="gzip")
    records = analyze(env, env.put(key("a").replace(".gz", ".parquet"), content))["records"]
    assert {name: count for name, count in records.items() if count} == {"total": 2, "no_data": 1, "skip_data": 1}


class TestDeployedStreams:
    """The streams of the template: from a record to the summary by stream, bucket, rule, queue and function."""

    @pytest.fixture
    def stack(self, clients):
        stack = Stack(clients)
        self.group = f"{stack.name}-{GROUP}"
        log_group(clients, self.group)
        yield stack
        stack.close()

    def deploy(self, stack, clients, **parameters):
        stack.deploy(KmsKey="none", SourceBucketName=stack.source, **parameters)
        stack.notify(stack.source)

    def outcome(self, stack, folder, shape):
        """Analyzes the object and checks its key, its counts, and the partition of its outputs."""
        function = stack.function()
        stack.feed(function)
        written = function.stop()
        stored = stored_object(stack, stack.source)
        hour = time.strftime("%Y/%m/%d", time.gmtime())
        assert stored.key.startswith(f"AWSLogs/{folder}/{ACCOUNT}/vpcflowlogs/{REGION}/{hour}/")
        assert written.outcomes() == [("summarized", None)]
        [summary] = stack.documents("summaries/")
        assert (summary["records"]["total"], summary["records"]["accepted"]) == (len(LINES), ACCEPTED)
        assert [finding["type"] for finding in summary["findings"]] == ["port-scan"] * SCANS
        assert (summary["sources"][0]["uri"], summary["sources"][0]["shape"]) == (stored.uri, shape)
        partition = f"account_id={ACCOUNT}/region={REGION}/date={hour.replace('/', '-')}"
        assert [name.split("summaries/")[1].rsplit("/", 1)[0] for name in stack.keys("summaries/")] == [partition]

    def test_flow_logs_by_firehose(self, stack, clients):
        self.deploy(stack, clients)
        name = stack.deploy_stream().ref("Stream")
        clients.of("firehose").put_record_batch(DeliveryStreamName=name, Records=flow_log_records(LINES))
        self.outcome(stack, "firehose", "json")

    def test_flow_logs_by_subscription(self, stack, clients):
        """Firehose extracts the messages, so that the object is text."""
        self.deploy(stack, clients)
        stack.deploy_stream(SubscribedLogGroupName=self.group)
        send_log(clients, self.group)
        self.outcome(stack, "cloudwatch-logs", "text")

    def test_any_key_pattern(self, stack, clients):
        """An own stream with the default prefix of Firehose, and outputs in another bucket."""
        self.deploy(stack, clients, SourceKeyPattern="*", OutputBucketName=stack.output)
        name = stream(stack, clients, CompressionFormat="GZIP", Prefix="")
        clients.of("firehose").put_record_batch(DeliveryStreamName=name, Records=flow_log_records(LINES))
        function = stack.function()
        stack.feed(function)
        assert function.stop().outcomes() == [("summarized", None)]
        [written] = stack.keys("summaries/")
        # Firehose's name has the time.
        assert re.search(r"/account_id=unknown/region=unknown/date=\d{4}-\d\d-\d\d/", written)

    @pytest.mark.parametrize("log_format", ["dstaddr srcaddr action", "${dstaddr} ${srcaddr} ${action}"])
    def test_columns_of_the_configuration_file(self, stack, clients, log_format):
        """By the beginning of the object's URI, as the output of the stream's stack says."""
        settings = stack.bucket("settings")
        self.deploy(stack, clients, ConfigUri=f"s3://{settings}/flowsentry.toml")
        nested = stack.deploy_stream()
        [_, prefix, *_] = nested.outputs()["LogFormatsEntry"].split('"')
        stack.s3.put_object(Bucket=settings, Key="flowsentry.toml", Body=f'[log_formats]\n"{prefix}" = "{log_format}"\n')
        name = nested.ref("Stream")
        lines = ["10.0.0.5 10.0.0.9 REJECT"] * 2
        clients.of("firehose").put_record_batch(DeliveryStreamName=name, Records=flow_log_records(lines))
        stack.feed(stack.function())
        [summary] = stack.documents("summaries/")
        [group] = summary["rejected"]["groups"]
        assert (group["srcaddr"], group["dstaddr"], group["flows"]) == ("10.0.0.9", "10.0.0.5", 2)
