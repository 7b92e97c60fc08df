"""The template's tables over real outputs: complete, with the right types."""

import json
from collections import Counter
from pathlib import Path

import pytest

from corpus import HOME, OTHER
from iam import listed
from template import Resolved, transformed

PROJECT = Path(__file__).resolve().parents[2]
SCHEMA = json.loads((PROJECT / "docs" / "summary.schema.json").read_text())
# Only reports of windows have it, which are not in the tables.
del SCHEMA["$defs"]["InputSource"]["properties"]["window"]
# Only the command has filters.
del SCHEMA["properties"]["filters"]
del SCHEMA["$defs"]["RecordCounts"]["properties"]["filtered"]

# Fields without a column, and why.
SHOWN = dict.fromkeys(["timeline", "top"], "reports show them; queries sum what they need")
LEFT_OUT = {
    "summaries": {"findings": "the table findings has them, a row each", **SHOWN},
    "every_summary": SHOWN
    | {
        name: "the table summaries has it; this one tells what that leaves out"
        for name in ["schema", "failed", "formats", "malformed", "rejected", "topology", "peering", "services", "findings"]
    },
    "findings": {},
}


def of_schema(part):
    """Returns the Hive type of a part of the summary schema."""
    part = _resolved(part)
    kinds = {one["type"] for one in part.get("oneOf", [])}
    if kinds:
        assert kinds in ({"string"}, {"object"})
    if kinds == {"string"}:
        return "string"
    if kinds or "anyOf" in part:
        # One of several objects: a struct with all of their fields.
        fields = {name: of_schema(field) for name, field in part.get("properties", {}).items()}
        for one in part.get("oneOf", part.get("anyOf", [])):
            for name, field in _resolved(one).get("properties", {}).items():
                assert fields.setdefault(name, of_schema(field)) == of_schema(field), name
        return "struct", fields
    match [type for type in listed(part["type"]) if type != "null"]:
        case ["integer"]:
            # 2^64 - 1 has twenty digits, which exceeds a bigint.
            return {"uint64": "decimal(20,0)", "uint32": "bigint", "uint16": "int", "uint8": "int"}[part["format"]]
        case ["array"]:
            return "array", of_schema(part["items"])
        case ["object"] if "properties" in part:
            return "struct", {name: of_schema(field) for name, field in part["properties"].items()}
        case ["object"]:
            return "map", "string", of_schema(part["additionalProperties"])
        case [("string" | "boolean") as name]:
            return name


def _resolved(part):
    """Resolves a reference, without its null alternative."""
    if "$ref" in part:
        return _resolved(SCHEMA["$defs"][part["$ref"].rsplit("/", 1)[1]])
    others = [one for one in part.get("anyOf", []) if one.get("type") != "null"]
    return _resolved(others[0]) if len(others) == 1 else part


@pytest.mark.parametrize("name", LEFT_OUT)
def test_columns_match_the_schema(tables, name):
    """With types, down to the last field; every omission has a reason."""
    schema = SCHEMA["$defs"]["Finding"] if name == "findings" else SCHEMA
    expected = {column: of_schema(part) for column, part in schema["properties"].items()}
    assert LEFT_OUT[name].keys() <= expected.keys()
    assert tables[name].columns == {column: type for column, type in expected.items() if column not in LEFT_OUT[name]}


@pytest.mark.parametrize("kind", ["summaries", "findings", "quarantine", "receipts"])
def test_columns_match_the_stored_fields(run, tables, kind):
    """Including documents without a schema; every column occurs in some document."""
    texts = [text for key, content in run.objects.items() if f"/{kind}/" in key for text in content.splitlines()]
    fields = set.union(*(set(json.loads(text)) for text in texts))
    # No configuration of the corpus suppresses a finding; test_memory.py does.
    fields |= {"suppressed"} if kind == "findings" else set()
    # The logs were analyzed without a snapshot; test_discovery_function.py has summaries with one.
    not_stored = {"summaries": {"topology"}}.get(kind, set())
    assert fields - set(LEFT_OUT.get(kind, {})) == set(tables[kind].columns) - not_stored


def test_stored_documents_fit_the_serde(run):
    """One document per terminated line, in files that Athena does not treat as hidden; the SerDe supports all types."""
    assert len(run.objects) > 100
    for key, content in run.objects.items():
        assert content.endswith(b"}\n") and all(line.startswith(b"{") for line in content.splitlines())
        assert "/findings/" in key or content.count(b"\n") == 1
        assert key.rsplit("/", 1)[1][0] not in "_."
    assert {table.serde for table in run.athena.tables.values()} == {"org.apache.hive.hcatalog.data.JsonSerDe"}


def test_tables_read_text_lines_at_output_location():
    """Properties that the local engine ignores: the Hive classes, and the root folder."""
    stack = Resolved(transformed())
    for properties in stack.resources("AWS::Glue::Table").values():
        table = properties["TableInput"]
        storage, parameters = table["StorageDescriptor"], table["Parameters"]
        kind = "summaries" if table["Name"] == "every_summary" else table["Name"]
        assert storage["Location"] == f"s3://{stack.ref('OutputBucket')}/flowsentry/{kind}/"
        assert parameters.get("storage.location.template", storage["Location"]).startswith(storage["Location"])
        # VPC Flow Logs exist since then; tomorrow allows for clocks that are ahead.
        assert parameters.get("projection.date.range") == ("2015-06-01,NOW+1DAYS" if table.get("PartitionKeys") else None)
        formats = "org.apache.hadoop.mapred.TextInputFormat", "org.apache.hadoop.hive.ql.io.HiveIgnoreKeyTextOutputFormat"
        assert (storage["InputFormat"], storage["OutputFormat"]) == formats
        assert (table["TableType"], parameters["EXTERNAL"], parameters["classification"]) == ("EXTERNAL_TABLE", "TRUE", "json")


def test_every_column_has_a_comment(tables):
    for table in tables.values():
        for name, comment in table.comments.items():
            assert 3 <= len(comment) <= 255 and comment.endswith("."), f"{table.name}.{name}: {comment}"


def test_every_object_is_in_a_partition_or_reported(run):
    """For any form of the object key."""
    left_out = Counter()
    for key in run.objects:
        _, folder, account, region, date, _ = key.split("/")
        values = {part.split("=")[0]: part.split("=")[1] for part in (account, region, date)}
        reached = run.athena.tables[folder].reaches(f"s3://{run.env.output}/{key}", run.today)
        if reached is None:
            left_out[folder] += 1
            assert folder == "summaries"
        else:
            assert reached == values
    reported = {(row["account_id"], row["region"]): row for row in run.query("OutsidePartitions")}
    expected = {
        ("unknown", "unknown"): ("unknown", "unknown", 1),
        (HOME, "us-east-1"): ("2014-12-14", "unknown", 3),
        ("999999999999", "us-east-1"): (str(run.day(1)), str(run.day(1)), 1),
        (HOME, "ap-south-1"): (str(run.day(1)), str(run.day(1)), 1),
    }
    assert {place: (row["first_date"], row["last_date"], row["objects"]) for place, row in reported.items()} == expected
    assert sum(row["objects"] for row in reported.values()) == left_out["summaries"] == 6


def test_tables_contain_exactly_the_stored_objects(run):
    queries = {"summaries": "SELECT sources[1].uri AS uri FROM summaries", "quarantine": "SELECT uri FROM quarantine"}
    for kind, query in queries.items():
        stored = [json.loads(content) for key, content in run.objects.items() if f"/{kind}/" in key]
        uris = Counter(document["sources"][0]["uri"] if kind == "summaries" else document["uri"] for document in stored)
        found = Counter(row["uri"] for row in run.athena.query(query))
        assert sum((uris - found).values()) == (6 if kind == "summaries" else 0) and not found - uris
    everywhere = run.athena.query("SELECT count(*) AS n FROM every_summary")
    assert everywhere == [{"n": sum("/summaries/" in key for key in run.objects)}]


def test_default_partitions_are_this_account_and_region(tables):
    for table in tables.values():
        if table.partitions:
            assert table.parameters["projection.account_id.values"] == f"{HOME},unknown"
            assert table.parameters["projection.region.values"] == "us-east-1,unknown"


def test_source_accounts_are_in_the_partitions():
    parameters = {"AccountIds": OTHER}
    tables = Resolved(transformed(parameters), parameters).resources("AWS::Glue::Table").values()
    values = [table["TableInput"]["Parameters"].get("projection.account_id.values") for table in tables]
    assert sorted(filter(None, values)) == [f"{HOME},{OTHER},unknown"] * 4


def test_no_athena_resources_without_athena():
    parameters = {"Parts": "alarms,dashboard"}
    stack = Resolved(transformed(parameters), parameters)
    kinds = {resource["Type"].split("::")[1] for resource in stack.resources().values()}
    assert not kinds & {"Glue", "Athena"}
    # Including its bucket, its policy and its outputs; the Logs Insights queries are independent of it.
    others = [id for id, resource in stack.resources().items() if resource["Type"] != "AWS::Logs::QueryDefinition"]
    assert not [id for id in [*others, *stack.outputs()] if "Query" in id]
    assert stack.broken_rules() == []
