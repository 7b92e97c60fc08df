"""Tests of the translation from Athena's dialect to DuckDB: each construct has the result of Athena.

The expected results come from the documentation of Trino's functions, which Athena uses:
https://trino.io/docs/current/functions.html
"""

import datetime
from decimal import Decimal

import pytest
from sqlglot import exp
from trino_query_parser import TrinoSyntaxError

from athena import Athena, Table, duckdb_type, hive_type, parse, translate

TODAY = datetime.date(2026, 3, 2)
MONDAY = datetime.datetime(2026, 3, 2)


def hour(day, number):
    return datetime.datetime(2026, 3, day, number)


# Each function and construct in the queries, by the names that test_queries.py checks.
KNOWN = {
    "abs": [("abs(-3)", 3)],
    "array": [("ARRAY['a', 'b']", ["a", "b"])],
    "array_agg": [("(SELECT array_sort(array_agg(x)) FROM (VALUES 2, 1, 2) AS t (x))", [1, 2, 2])],
    "array_distinct": [("array_sort(array_distinct(ARRAY[2, 1, 2]))", [1, 2])],
    "array_join": [
        ("array_join(ARRAY['a', 'b'], ', ')", "a, b"),
        ("array_join(CAST(NULL AS array(varchar)), ', ')", None),
    ],
    "array_min": [("array_min(ARRAY[3, 2, 4])", 2), ("array_min(CAST(ARRAY[] AS array(integer)))", None)],
    "array_sort": [("array_sort(ARRAY['b', 'a'])", ["a", "b"])],
    "between": [("2 BETWEEN 1 AND 2", True), ("'unknown' NOT BETWEEN '2015-06-01' AND '2026-03-02'", True)],
    "bool_and": [("(SELECT bool_and(x) FROM (VALUES true, NULL) AS t (x))", True)],
    "bool_or": [
        ("(SELECT bool_or(x) FROM (VALUES false, NULL) AS t (x))", False),
        ("(SELECT bool_or(x) FROM (VALUES CAST(NULL AS boolean)) AS t (x))", None),
    ],
    "cardinality": [("cardinality(ARRAY[1, 2])", 2), ("cardinality(CAST(ARRAY[] AS array(integer)))", 0)],
    "case": [
        ("CASE 2 WHEN 1 THEN 'a' WHEN 2 THEN 'b' END", "b"),
        ("CASE WHEN false THEN 'a' END", None),
        ("CASE 'high' WHEN 'high' THEN 3 ELSE 1 END", 3),
    ],
    "cast": [
        ("CAST(current_date AS timestamp)", MONDAY),
        ("CAST(from_iso8601_timestamp('2026-03-02T05:00:00Z') AS timestamp)", hour(2, 5)),
        ("CAST(CAST(7 AS decimal(20, 0)) AS double) / 2", 3.5),
    ],
    "coalesce": [("coalesce(NULL, 2)", 2), ("coalesce(CAST(NULL AS array(varchar)), ARRAY[])", [])],
    "contains": [("contains(split('1,unknown', ','), 'unknown')", True), ("contains(ARRAY['1'], '2')", False)],
    "count": [
        ("(SELECT count(x) FROM (VALUES 1, NULL) AS t (x))", 1),
        ("(SELECT count(*) FROM (VALUES 1, NULL) AS t (x))", 2),
        ("(SELECT count(DISTINCT IF(x > 1, x)) FROM (VALUES 1, 2, 2, 3) AS t (x))", 2),
    ],
    "count_if": [("(SELECT count_if(x > 1) FROM (VALUES 1, 2, NULL, 3) AS t (x))", 2)],
    "current_date": [("current_date", TODAY), ("current_date - INTERVAL '1' DAY", TODAY - datetime.timedelta(days=1))],
    "date_format": [
        ("date_format(current_date - INTERVAL '7' DAY, '%Y-%m-%d')", "2026-02-23"),
        ("date_format(current_date + INTERVAL '1' DAY, '%Y-%m-%d')", "2026-03-03"),
    ],
    "element_at": [
        ("element_at(MAP(ARRAY['network-acl'], ARRAY[7]), 'network-acl')", 7),
        ("element_at(MAP(ARRAY['network-acl'], ARRAY[7]), 'out-of-state')", None),
        ("element_at(ARRAY['low', 'medium', 'high'], 3)", "high"),
    ],
    "flatten": [("flatten(ARRAY[ARRAY[1], ARRAY[2, 3]])", [1, 2, 3])],
    "from_iso8601_timestamp": [
        (
            "from_iso8601_timestamp('2026-03-02T05:59:02Z')",
            datetime.datetime(2026, 3, 2, 5, 59, 2, tzinfo=datetime.timezone.utc),
        )
    ],
    "greatest": [("greatest(1, 3, 2)", 3)],
    "if": [("IF(true, 1, 0)", 1), ("IF(NULL, 1, 0)", 0), ("IF(false, 1)", None)],
    "interval": [
        ("TIMESTAMP '2026-03-02 05:00:00' + INTERVAL '1' HOUR", hour(2, 6)),
        ("TIMESTAMP '2026-03-02 05:00:00' - 3 * INTERVAL '1' HOUR", hour(2, 2)),
    ],
    "map_values": [("map_values(MAP(ARRAY['sg-1'], ARRAY['web']))", ["web"])],
    "max": [("(SELECT max(x) FROM (VALUES 'a', 'b', NULL) AS t (x))", "b")],
    "max_by": [("(SELECT max_by(x, y) FROM (VALUES ('a', 1), ('b', 3), ('c', 2)) AS t (x, y))", "b")],
    "min": [("(SELECT min(x) FROM (VALUES 'b', 'a', NULL) AS t (x))", "a")],
    "nullif": [("nullif(0, 0)", None)],
    "regexp_extract": [
        ("regexp_extract('s3://b/account_id=12/region=x/', '/account_id=([^/]*)/', 1)", "12"),
        ("regexp_extract('b', '/account_id=([^/]*)/', 1)", None),
    ],
    "regexp_replace": [
        ("regexp_replace('aXbX', 'X', '')", "ab"),
        ("regexp_replace('f/a-0123456789abcdef0123456789abcdef.ndjson', '-[0-9a-f]{32}[.]ndjson$', '')", "f/a"),
    ],
    "round": [("round(33.36e0, 1)", 33.4), ("round(100 * 1e0 / 3e0, 1)", 33.3)],
    "row_number": [
        (
            "(SELECT array_sort(array_agg(x)) FROM (SELECT x, row_number() OVER (PARTITION BY y ORDER BY x) AS n "
            "FROM (VALUES (3, 'a'), (1, 'a'), (2, NULL), (5, NULL)) AS t (x, y)) WHERE n = 2)",
            [3, 5],
        )
    ],
    "sequence": [
        (
            "sequence(TIMESTAMP '2026-03-02 05:00:00', TIMESTAMP '2026-03-02 07:00:00', INTERVAL '1' HOUR)",
            [hour(2, 5), hour(2, 6), hour(2, 7)],
        )
    ],
    "split": [("split('a,b', ',')", ["a", "b"])],
    "subscript": [("ARRAY['a', 'b'][1]", "a"), ("ARRAY[ARRAY[7, 8]][1][2]", 8)],
    "sum": [
        # More than a bigint: 2^64 - 1, twice.
        (
            "(SELECT sum(x) FROM (VALUES CAST('18446744073709551615' AS decimal(20, 0)), "
            "CAST('18446744073709551615' AS decimal(20, 0))) AS t (x))",
            Decimal(36893488147419103230),
        ),
        ("(SELECT max(s) FROM (SELECT sum(x) OVER () AS s FROM (VALUES 1, 2, 3) AS t (x)))", 6),
        ("(SELECT sum(x) FROM (VALUES CAST(NULL AS integer)) AS t (x))", None),
    ],
    "transform": [("transform(ARRAY[1, 2], one -> ARRAY[one])", [[1], [2]])],
    "unnest": [
        (
            "(SELECT sum(w[1]) FROM (VALUES ARRAY[1, 2], ARRAY[], NULL) AS t (a) "
            "CROSS JOIN UNNEST(transform(a, one -> ARRAY[one])) AS u (w))",
            3,
        ),
    ],
}

CASES = [(name, sql, expected) for name, cases in KNOWN.items() for sql, expected in cases]


@pytest.fixture(scope="module")
def athena(tmp_path_factory):
    return Athena([], tmp_path_factory.mktemp("tables"), "b", {}, TODAY)


@pytest.mark.parametrize("name, sql, expected", CASES, ids=[sql for _, sql, _ in CASES])
def test_sql_construct_matches_athena(athena, name, sql, expected):
    assert name in constructs(f"SELECT {sql}")
    [row] = athena.query(f"SELECT {sql} AS given")
    assert row == {"given": expected}
    assert type(row["given"]) is type(expected)


def constructs(sql):
    """Returns the names in KNOWN that occur in a query."""
    found = set()
    for node in parse(sql).walk():
        match node:
            case exp.Anonymous():
                found.add(node.name.lower())
            case exp.Bracket():
                found.add("element_at" if node.args.get("safe") else "subscript")
            case exp.If() if isinstance(node.parent, exp.Case):
                pass
            case exp.And() | exp.Or() | exp.Distinct():
                pass
            case exp.Func():
                found.add(NAMES.get(type(node)) or node.sql(dialect="athena").split("(")[0].lower())
            case exp.Between() | exp.Case() | exp.Interval() | exp.Unnest():
                found.add(type(node).__name__.lower())
    return found


# Names that differ from sqlglot's output.
NAMES = {
    exp.Case: "case",
    exp.Cast: "cast",
    exp.CurrentDate: "current_date",
    exp.Array: "array",
    exp.Unnest: "unnest",
    exp.MaxBy if hasattr(exp, "MaxBy") else exp.ArgMax: "max_by",
}


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT FROM t",
        "SELECT a FROM t WHERE",
        "SELECT (a FROM t",
        "SELECT a FROM t GROUP a",
        # Reserved words.
        "SELECT a.end FROM t",
        "SELECT skip FROM t",
        # Constructs of other dialects.
        "SELECT a::integer FROM t",
        "SELECT a FROM t QUALIFY row_number() OVER (ORDER BY a) = 1",
        "SELECT {'a': 1}",
        "SELECT list_transform(a, lambda x: x) FROM t",
    ],
)
def test_unsupported_sql_is_rejected(sql):
    with pytest.raises(TrinoSyntaxError):
        parse(sql)


def test_types_are_parsed_like_hive():
    """Including invalid names and spaces, which Hive would treat as part of a name."""
    text = "array<struct<end:string,m:map<string,decimal(20,0)>,a:array<int>,exact:boolean>>"
    expected = 'STRUCT("end" VARCHAR, "m" MAP(VARCHAR, DECIMAL(20,0)), "a" INTEGER[], "exact" BOOLEAN)[]'
    assert duckdb_type(hive_type(text)) == expected
    blanks = ["struct<a: string>", "struct<a:string, b:string>"]
    for wrong in [*blanks, "array<string", "array<string>>", "map<string>", "struct<a:int,a:int>"]:
        with pytest.raises((AssertionError, ValueError)):
            hive_type(wrong)
    for wrong in ["struct<a:text>", "integer"]:
        with pytest.raises(KeyError):
            duckdb_type(hive_type(wrong))


def table(columns, name="t", values="1,unknown"):
    return Table(
        {
            "TableInput": {
                "Name": name,
                "Parameters": {
                    "projection.enabled": "true",
                    "projection.account_id.type": "enum",
                    "projection.account_id.values": values,
                    "projection.date.type": "date",
                    "projection.date.format": "yyyy-MM-dd",
                    "projection.date.range": "2015-06-01,NOW+1DAYS",
                    "projection.date.interval": "1",
                    "projection.date.interval.unit": "DAYS",
                    "storage.location.template": "s3://b/f/account_id=${account_id}/date=${date}/",
                },
                "PartitionKeys": [{"Name": "account_id", "Type": "string"}, {"Name": "date", "Type": "string"}],
                "StorageDescriptor": {
                    "Location": "s3://b/f/",
                    "SerdeInfo": {"SerializationLibrary": "none"},
                    "Columns": [{"Name": name, "Type": type, "Comment": ""} for name, type in columns.items()],
                },
            }
        }
    )


@pytest.mark.parametrize(
    "key, expected",
    [
        ("f/account_id=1/date=2026-03-02/a.json", ("1", "2026-03-02")),
        ("f/account_id=unknown/date=2015-06-01/a.json", ("unknown", "2015-06-01")),
        ("f/account_id=1/date=2026-03-03/a.json", ("1", "2026-03-03")),
        ("f/account_id=1/date=2026-03-04/a.json", None),
        ("f/account_id=1/date=2015-05-31/a.json", None),
        ("f/account_id=1/date=unknown/a.json", None),
        ("f/account_id=2/date=2026-03-02/a.json", None),
        ("f/account_id=/date=2026-03-02/a.json", None),
        ("g/account_id=1/date=2026-03-02/a.json", None),
    ],
)
def test_projection_reads_only_projected_folders(tmp_path, key, expected):
    athena = Athena([table({"n": "int"})], tmp_path, "b", {key: b'{"n": 1}\n'}, TODAY)
    rows = athena.query('SELECT account_id, "date", "$path" AS path FROM t')
    assert rows == ([{"account_id": expected[0], "date": expected[1], "path": f"s3://b/{key}"}] if expected else [])


KEY = "f/account_id=1/date=2026-03-02/a.json"


@pytest.mark.parametrize(
    "columns, json, expected",
    [
        ({"n": "decimal(20,0)"}, '{"n": 18446744073709551615}', [{"n": Decimal(18446744073709551615)}]),
        ({"n": "int"}, '{"other": 1}', [{"n": None}]),
        ({"n": "int"}, '{"n": null}', [{"n": None}]),
        ({"n": "int"}, '{"n": 1}\n{"n": 2}', [{"n": 1}, {"n": 2}]),
        ({"n": "struct<a:int,b:string>"}, '{"n": {"a": 1, "c": 2}}', [{"n": {"a": 1, "b": None}}]),
        ({"n": "map<string,int>"}, '{"n": {"network-acl": 1}}', [{"n": {"network-acl": 1}}]),
    ],
)
def test_documents_are_read_by_column(tmp_path, columns, json, expected):
    assert Athena([table(columns)], tmp_path, "b", {KEY: json.encode()}, TODAY).query("SELECT n FROM t") == expected


@pytest.mark.parametrize(
    "type, json",
    [
        ("bigint", '{"n": 18446744073709551615}'),
        ("int", '{"n": "many"}'),
        ("boolean", '{"n": "perhaps"}'),
        ("array<int>", '{"n": 1}'),
        ("struct<a:int>", '{"n": [1]}'),
        ("int", '{"n": 1'),
    ],
)
def test_value_of_wrong_type_is_an_error(tmp_path, type, json):
    with pytest.raises(Exception, match="(?i)malformed|cast|convert|expected|transform|type"):
        Athena([table({"n": type})], tmp_path, "b", {KEY: json.encode()}, TODAY)


def test_query_uses_the_given_date():
    assert "2026-03-02" in translate("SELECT current_date", TODAY)
