"""Measures the same records in every shape, as ratios to text."""

import gzip
import json
import subprocess
import sys

from . import build, logs
from .flowsentry import ONE_THREAD, analyze, summary
from .rounds import median, print_table, ratios, rounds

HEAD = ["shape", "MB", "records", "CPU s", "÷ text", "peak MiB"]

# AWS writes Parquet by parquet-mr with Avro: every column is optional, and numbers have no logical type.
PARQUET = """
import gzip, json, sys
import pyarrow as pa, pyarrow.parquet as pq
source, target, codec = sys.argv[1:]
lines = gzip.open(source, "rt").read().split("\\n")
names = lines[0].replace("-", "_").split()
longs, integers = {"packets", "bytes", "start", "end"}, {"version", "srcport", "dstport", "protocol", "tcp_flags", "traffic_path"}
columns = list(zip(*(line.split(" ") for line in lines[1:] if line)))
def column(name, values):
    if name in longs | integers:
        type = pa.int64() if name in longs else pa.int32()
        return pa.array((None if value == "-" else int(value) for value in values), type)
    return pa.array(values, pa.string())
arrays = [column(name, values) for name, values in zip(names, columns)]
schema = pa.schema([pa.field(name, array.type) for name, array in zip(names, arrays)])
pq.write_table(pa.Table.from_arrays(arrays, schema=schema), target, compression=codec, version="1.0", store_schema=False)
"""

TIME, MILLISECONDS, STREAM = "2026-11-23T06:00:04.000Z", 1_795_413_604_000, "eni-0a1b2c3d4e5f60718-all"
# Messages of a subscription.
EVENTS = 100


def measure(records, format, count):
    text = logs.log(records, format)
    objects = {"text": text, **written(text)}
    commands = {name: analyze(path, None, *ONE_THREAD) for name, path in objects.items()}
    counts = {name: summary(command)["records"] for name, command in commands.items()}
    if wrong := [name for name, found in counts.items() if found != counts["text"]]:
        sys.exit(f"other records than in text: {', '.join(wrong)}")
    figures = rounds(commands, count)
    rows = [
        [
            name,
            f"{objects[name].stat().st_size / 1e6:.1f}",
            f"{counts[name]['total']:,}",
            f"{median(runs, 'cpu'):.2f}",
            ratios(runs, figures["text"]),
            f"{median(runs, 'memory'):,.0f}",
        ]
        for name, runs in figures.items()
    ]
    title = f"The same {records:,} records in every shape, format {format!r}, 1 thread, medians of {count} rounds. All is in gzip but Parquet."
    print_table(title, HEAD, rows)


def written(text):
    """Returns the records of a text in every other shape, by name. They are written once."""
    folder = text.with_suffix(".shapes")
    paths = {name: folder / f"{index}" for index, name in enumerate([*SHAPES, *PARQUETS, "twice compressed"])}
    if not all(path.exists() for path in paths.values()):
        folder.mkdir(exist_ok=True)
        header, *lines = gzip.open(text, "rt").read().split("\n")
        lines = [line for line in lines if line]
        for name, shape in SHAPES.items():
            content = "".join(shape(header, lines))
            paths[name].write_bytes(gzip.compress(content.encode(), 6))
        members(lines, paths["CloudWatch Logs by Firehose, a member each"])
        for name, codec in PARQUETS.items():
            subprocess.run([build.python(), "-c", PARQUET, text, paths[name], codec], check=True)
        paths["twice compressed"].write_bytes(gzip.compress(text.read_bytes(), 6))
    return paths


def members(lines, path):
    """Writes one gzip member for each message, as CloudWatch Logs sends them."""
    with open(path, "wb") as file:
        for message in envelopes("", lines):
            file.write(gzip.compress(message.encode(), 6))


def firehose(_, lines):
    return (f'{{"message":"{line}"}}' for line in lines)


def log_event(line, number):
    return f'{{"id":"3918{number:026d}","timestamp":{MILLISECONDS},"message":"{line}"}}'


def envelopes(_, lines):
    head = '{"messageType":"DATA_MESSAGE","owner":"123456789012","logGroup":"flow-logs","logStream":"%s",' % STREAM
    for start in range(0, len(lines), EVENTS):
        events = (log_event(line, start + number) for number, line in enumerate(lines[start : start + EVENTS]))
        yield head + '"subscriptionFilters":["all"],"logEvents":[' + ",".join(events) + "]}"


def filtered(_, lines):
    event = lambda number, line: {"logStreamName": STREAM, "timestamp": MILLISECONDS, "message": line,
                                  "ingestionTime": MILLISECONDS, "eventId": f"3918{number:026d}"}
    events = [event(number, line) for number, line in enumerate(lines)]
    yield json.dumps({"events": events, "searchedLogStreams": []}, indent=4)


def export(_, lines):
    return (f"{TIME} {line}\n" for line in lines)


def tail(_, lines):
    return (f"{TIME} {STREAM} {line}\n" for line in lines)


def commas(header, lines):
    return (line.replace(" ", ",") + "\n" for line in [header, *lines])


def athena(header, lines):
    quoted = lambda line: ",".join(f'"{value}"' for value in line.split()) + "\n"
    return [quoted(header.replace("-", "_")), *map(quoted, lines)]


def console(_, lines):
    return ["timestamp,message\n", *(f"{MILLISECONDS},{line}\n" for line in lines)]


def by_field(header, lines):
    names = header.replace("-", "_").split()
    value = lambda text: int(text) if text.isdigit() else None if text == "-" else text
    return (json.dumps(dict(zip(names, map(value, line.split()))), separators=(",", ":")) + "\n" for line in lines)


SHAPES = {
    "JSON of Firehose": firehose,
    "CloudWatch Logs by Firehose": envelopes,
    "CloudWatch Logs by Firehose, a member each": envelopes,
    "`aws logs filter-log-events`": filtered,
    "export of CloudWatch Logs": export,
    "`aws logs tail`": tail,
    "CSV": commas,
    "CSV of Athena": athena,
    "CSV of the console": console,
    "JSON by field name": by_field,
}

PARQUETS = {"Parquet, gzip": "gzip", "Parquet, Snappy": "snappy"}
