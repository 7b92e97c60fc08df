"""A local Athena: the template's tables over the outputs of the function, and the template's queries.

The engine is DuckDB. Tables are created from the definitions of the Glue tables: columns, types and partition projection,
which determines the objects that they include. Queries are parsed with the grammar of Trino, which Athena uses, and then
translated; test_athena.py tests the translation of each construct.
"""

import datetime
import re
from functools import cached_property

import duckdb
import sqlglot
from sqlglot import exp
from trino_query_parser import parse_statement

# ---- Types ------------------------------------------------------------------------------------------------------------------


def hive_type(text):
    """Parses a Hive type: a name, or ("array", type), ("map", key, value) or ("struct", {name: type})."""
    parsed, rest = _hive_type(text)
    assert rest == "", f"{rest!r} follows a type"
    return parsed


def _hive_type(text):
    name = re.match(r"decimal\(\d+,\d+\)|[a-z]+", text)
    assert name, f"{text!r} is no type"
    name, rest = name[0], text[name.end() :]
    if name not in ("array", "map", "struct"):
        return name, rest
    assert rest.startswith("<"), f"{name} of what?"
    parts, rest = [], rest[1:]
    while not rest.startswith(">"):
        rest = rest.removeprefix(",") if parts else rest
        field = ""
        if name == "struct":
            field, rest = rest.split(":", 1)
            # Hive would treat any other character as part of the name.
            assert re.fullmatch(r"[a-z][a-z0-9_]*", field), f"{field!r} is no name"
        part, rest = _hive_type(rest)
        parts.append((field, part))
    types = [part for _, part in parts]
    if name == "struct":
        assert len(dict(parts)) == len(parts), "a field stands twice in a struct"
        return (name, dict(parts)), rest[1:]
    assert len(types) == (1 if name == "array" else 2), f"{name} of {types}"
    return (name, *types), rest[1:]


_DUCKDB = {"string": "VARCHAR", "boolean": "BOOLEAN", "int": "INTEGER", "bigint": "BIGINT", "double": "DOUBLE"}


def duckdb_type(type):
    match type:
        case ("array", of):
            return f"{duckdb_type(of)}[]"
        case ("map", key, value):
            return f"MAP({duckdb_type(key)}, {duckdb_type(value)})"
        case ("struct", fields):
            return "STRUCT(" + ", ".join(f'"{name}" {duckdb_type(of)}' for name, of in fields.items()) + ")"
        case str() if type.startswith("decimal"):
            return type.upper()
        case _:
            return _DUCKDB[type]


# ---- Tables -----------------------------------------------------------------------------------------------------------------


class Table:
    """A Glue table, from the properties of its resource."""

    def __init__(self, properties):
        table = properties["TableInput"]
        storage = table["StorageDescriptor"]
        self.name, self.parameters, self.location = table["Name"], table["Parameters"], storage["Location"]
        self.serde = storage["SerdeInfo"]["SerializationLibrary"]
        self.columns = {column["Name"]: hive_type(column["Type"]) for column in storage["Columns"]}
        self.comments = {column["Name"]: column["Comment"] for column in storage["Columns"]}
        self.partitions = [column["Name"] for column in table.get("PartitionKeys", [])]
        assert {column["Type"] for column in table.get("PartitionKeys", [])} <= {"string"}

    def reaches(self, uri, today):
        """Returns the partition of an object by partition projection; None if no projected partition contains it."""
        if not self.partitions:
            return {} if uri.startswith(self.location) else None
        found = self._template.match(uri)
        values = found and found.groupdict()
        if not values or not all(self._projects(name, value, today) for name, value in values.items()):
            return None
        return values

    @cached_property
    def _template(self):
        assert self.parameters["projection.enabled"] == "true"
        parts = re.split(r"\$\{(\w+)\}", self.parameters["storage.location.template"])
        assert sorted(parts[1::2]) == sorted(self.partitions)
        # Athena projects a folder, and an object is in it if its key has that prefix.
        pattern = "".join(f"(?P<{part}>[^/]*)" if index % 2 else re.escape(part) for index, part in enumerate(parts))
        return re.compile(pattern)

    def _projects(self, name, value, today):
        setting = lambda name_: self.parameters[f"projection.{name}.{name_}"]
        match setting("type"):
            case "enum":
                return value in setting("values").split(",")
            case "date":
                assert (setting("format"), setting("interval"), setting("interval.unit")) == ("yyyy-MM-dd", "1", "DAYS")
                first, last = (_bound(bound, today) for bound in setting("range").split(","))
                # The range is expanded to days, each formatted with the date format.
                return bool(re.fullmatch(r"\d{4}-\d\d-\d\d", value)) and str(first) <= value <= str(last)
            case other:
                raise ValueError(other)


def _bound(text, today):
    if relative := re.fullmatch(r"NOW([+-]\d+)DAYS", text):
        return today + datetime.timedelta(days=int(relative[1]))
    return datetime.date.fromisoformat(text)


# ---- Queries ----------------------------------------------------------------------------------------------------------------


def parse(sql):
    """Parses a query with the grammar of Trino, the base of Athena engine version 3; anything else is an error."""
    parse_statement(sql)
    return sqlglot.parse_one(sql, read="athena", error_level=sqlglot.ErrorLevel.RAISE)


def translate(sql, today):
    """Translates the query for DuckDB, with a fixed current date."""

    tree = parse(sql)
    for node in list(tree.find_all(exp.CurrentDate)):
        date = exp.cast(exp.Literal.string(str(today)), "date")
        if isinstance(node.parent, (exp.Add, exp.Sub)):
            # Date plus days is a date in Athena, but a timestamp in DuckDB.
            whole = node.parent
            node.replace(date)
            whole.replace(exp.cast(whole.copy(), "date"))
        else:
            node.replace(date)
    for node in list(tree.find_all(exp.RegexpExtract)):
        # Without a match, Athena returns null, but DuckDB an empty string.
        matches = exp.RegexpLike(this=node.this.copy(), expression=node.expression.copy())
        node.replace(exp.Case(ifs=[exp.If(this=matches, true=node.copy())]))
    return tree.sql(dialect="duckdb", unsupported_level=sqlglot.ErrorLevel.RAISE, comments=False)


class Athena:
    """Tables over the objects of a bucket, by key, as of a date."""

    def __init__(self, tables, folder, bucket, objects, today):
        self.today, self.tables = today, {table.name: table for table in tables}
        self._database = duckdb.connect()
        # No downloads; Athena's time zone is UTC.
        self._database.execute("SET autoinstall_known_extensions = false; SET TimeZone = 'UTC'")
        for table in tables:
            self._make(table, folder / table.name, bucket, objects)

    def _make(self, table, folder, bucket, objects):
        folder.mkdir()
        types = {name: duckdb_type(of) for name, of in table.columns.items()}
        beside = {**dict.fromkeys(table.partitions, "VARCHAR"), "$path": "VARCHAR"}
        columns = ", ".join(f'"{name}" {type}' for name, type in {**types, **beside}.items())
        self._database.execute(f'CREATE TABLE "{table.name}" ({columns})')
        # Missing values are null, and values of a wrong type are errors, as with Hive's SerDe.
        read = ", ".join(f"'{name}': '{type}'" for name, type in types.items())
        names, marks = ", ".join(f'"{name}"' for name in types), ", ".join("?" * len(beside))
        for number, (key, content) in enumerate(sorted(objects.items())):
            uri = f"s3://{bucket}/{key}"
            values = table.reaches(uri, self.today)
            if values is None:
                continue
            path = folder / str(number)
            path.write_bytes(content)
            self._database.execute(
                f'INSERT INTO "{table.name}" SELECT {names}, {marks} '
                f"FROM read_json('{path}', columns = {{{read}}}, format = 'newline_delimited')",
                [*(values[name] for name in table.partitions), uri],
            )

    def query(self, sql):
        """Runs a query in Athena's dialect; returns the rows as dictionaries."""
        cursor = self._database.execute(translate(sql, self.today))
        names = [column[0] for column in cursor.description]
        assert len(set(names)) == len(names)
        return [dict(zip(names, row)) for row in cursor.fetchall()]
