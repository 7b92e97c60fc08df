"""The docs match the template and the other deployment files.

    UPDATE_GOLDEN=1 python3 tests/aws/run.py -k test_docs

updates the tables that are generated from the template; review the diff before you commit it.
"""

import os
import re
import tomllib
from pathlib import Path

import pytest

import template

PROJECT = Path(__file__).resolve().parents[2]
REFERENCE = PROJECT / "docs" / "reference.md"
EMPTY = "empty"

COMPARISONS = {
    "GreaterThanOrEqualToThreshold": "≥",
    "GreaterThanThreshold": ">",
    "LessThanThreshold": "<",
    "LessThanOrEqualToThreshold": "≤",
    "GreaterThanUpperThreshold": "above its band",
    "LessThanLowerOrGreaterThanUpperThreshold": "outside of its band",
    "LessThanLowerThreshold": "below its band",
}


@pytest.fixture(scope="module")
def stack():
    return template.load()


def made(page, name, table):
    """Compares the table between two marks with the generated one, or updates it."""
    text = page.read_text()
    begin = re.compile(rf"(<!-- {name}: made from [^>]+ -->\n).*?(<!-- end of {name} -->)", re.DOTALL)
    assert len(begin.findall(text)) == 1, f"{page.name} has one place for {name}"
    expected = begin.sub(lambda marks: f"{marks[1]}\n{table}\n{marks[2]}", text)
    if os.environ.get("UPDATE_GOLDEN"):
        page.write_text(expected)
    else:
        assert text == expected


def nested(name):
    """Returns the resources of a nested template."""
    return template.load(f"stacks/{name}.yaml")["Resources"]


def row(*cells):
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |\n"


def rows(head, page=REFERENCE):
    """Returns the cells of each row of the table with this header."""
    lines = iter(page.read_text().splitlines())
    assert head in lines, f"there is no table {head}"
    next(lines)
    cells = []
    for line in lines:
        if not line.startswith("|"):
            return cells
        cells.append([cell.strip() for cell in line.strip("|").split(" | ")])
    return cells


def default(parameter):
    if "Default" not in parameter:
        return "required"
    return f"`{parameter['Default']}`" if parameter["Default"] != "" else EMPTY


def test_reference_lists_every_parameter_by_group(stack):
    groups = stack["Metadata"]["AWS::CloudFormation::Interface"]["ParameterGroups"]
    grouped = [name for group in groups for name in group["Parameters"]]
    assert sorted(grouped) == sorted(stack["Parameters"])
    table = ""
    for group in groups:
        table += f"\n**{group['Label']['default']}**\n\n" if table else f"**{group['Label']['default']}**\n\n"
        table += "| parameter | default | allowed | meaning |\n| --- | --- | --- | --- |\n"
        for name in group["Parameters"]:
            parameter = stack["Parameters"][name]
            allowed = parameter["ConstraintDescription"].removeprefix("must be ").removesuffix(".")
            table += row(f"`{name}`", default(parameter), allowed, parameter["Description"].strip())
    made(REFERENCE, "parameters", table)


def test_reference_lists_every_alarm(stack):
    resources = template.inlined(stack)["Resources"]
    for name in ["firehose", "topology", "windows", "peering-alarm"]:
        resources |= nested(name)
    alarms = {name: it for name, it in resources.items() if it["Type"] == "AWS::CloudWatch::Alarm"}
    assert len(alarms) > 8
    table = "| alarm | goes off | means, and what to do |\n| --- | --- | --- |\n"
    for name, alarm in sorted(alarms.items()):
        properties = alarm["Properties"]
        assert properties["AlarmActions"], f"{name} tells nobody"
        # A window without a new execution is OK, which is no news; so is a band.
        assert ("Threshold" in properties and name not in nested("windows")) == ("OKActions" in properties), name
        table += row(f"`{name}`", goes_off(properties), " ".join(properties["AlarmDescription"].split()))
    made(REFERENCE, "alarms", table)


def goes_off(alarm):
    metrics = [alarm] if "MetricName" in alarm else [one["MetricStat"] for one in alarm["Metrics"] if "MetricStat" in one]
    names = " + ".join(metric_name(metric) for metric in metrics)
    period = min(metric["Period"] for metric in metrics) // 60
    limit = f" {value(alarm['Threshold'])}" if "Threshold" in alarm else ""
    times = f"{value(alarm.get('DatapointsToAlarm', alarm['EvaluationPeriods']))} of {value(alarm['EvaluationPeriods'])} × {period} min"
    return f"{names} {COMPARISONS[alarm['ComparisonOperator']]}{limit}, {times}"


def metric_name(metric):
    return f"`{metric.get('MetricName') or metric['Metric']['MetricName']}`"


def value(of):
    """Returns a number, or the name of the parameter."""
    return f"`{of['Ref']}`" if isinstance(of, dict) else str(of)


def refs(of):
    """Yields all parameters and resources in a value."""
    if isinstance(of, dict):
        if isinstance(of.get("Ref"), str):
            yield of["Ref"]
        if text := of.get("Fn::Sub"):
            yield from re.findall(r"\$\{(\w+)\}", text if isinstance(text, str) else text[0])
        for inner in of.values():
            yield from refs(inner)
    elif isinstance(of, list):
        for inner in of:
            yield from refs(inner)


def test_reference_maps_variables_to_parameters(stack):
    function = stack["Resources"]["Function"]["Properties"]
    variables = {name: set(refs(of)) for name, of in function["Environment"]["Variables"].items()}
    # Set through the function's logging configuration.
    variables["AWS_LAMBDA_LOG_LEVEL"] = set(refs(function["LoggingConfig"]["ApplicationLogLevel"]))
    parameters = set(stack["Parameters"])
    documented = {row[0].strip("`"): row[1] for row in rows(VARIABLES)}
    not_set = {name for name, parameter in documented.items() if parameter == "not set"}
    assert set(documented) - not_set == set(variables)
    documented = {name: set(re.findall(r"`(\w+)`", parameter)) for name, parameter in documented.items()}
    for name, named in documented.items():
        if name in not_set:
            continue
        assert named <= parameters, name
        # Conditions choose among parameters; the value itself has no Ref to them.
        assert variables[name] & parameters <= named, name


VARIABLES = "| variable | parameter | default | meaning |"


def test_variable_defaults_match_the_program():
    """Those of the variables that the template does not set."""
    source = lambda name, pattern: re.search(pattern, (PROJECT / "src" / name).read_text()).group(1).replace("_", "")
    assert source("input/decoder.rs", r"DEFAULT_MAX_OBJECT_BYTES: u64 = (.*);") == "16 << 30"
    expected = {
        "TOPOLOGY_TTL_SECONDS": source("lambda/settings.rs", r"DEFAULT_TOPOLOGY_TTL_SECONDS: u64 = (\d+);"),
        "TOP": source("summary/build.rs", r"DEFAULT_MAX_LISTED_GROUPS: usize = (\d+);"),
        "ALERT_MIN_SEVERITY": source("lambda/settings/env.rs", r"Severity::(\w+), parse::severity\)").lower(),
        "ALERT_REPEAT_HOURS": source("lambda/settings.rs", r"DEFAULT_ALERT_REPEAT_HOURS: u32 = (\d+);"),
        "ON_PERMANENT_FAILURE": source("lambda/settings.rs", r"#\[default\]\s+(Quarantine),").lower(),
        "MAX_OBJECT_BYTES": str(16 << 30),
        "MAX_LINES": source("input/lines.rs", r"DEFAULT_MAX_LINES: u64 = (.*);"),
        "LOG_FORMAT": "version 2",
    }
    found = {variable: default.strip("`") for variable, parameter, default, _ in rows(VARIABLES) if parameter == "not set"}
    assert {f"`{name}`": default for name, default in expected.items()} == found


def test_security_page_lists_every_role_statement(stack):
    [policy] = stack["Resources"]["FunctionRole"]["Properties"]["Policies"]
    allowed = {}
    for statement in policy["PolicyDocument"]["Statement"]:
        for one in statement.get("Fn::If", [None, statement])[1:]:
            if "Sid" in one:
                actions = one["Action"] if isinstance(one["Action"], list) else [one["Action"]]
                assert allowed.setdefault(one["Sid"], set(actions)) == set(actions)
                assert one["Effect"] == "Allow"
    security = PROJECT / "docs" / "security.md"
    reported = rows("| statement | actions | on | why |", security)
    assert {sid.strip("`"): set(re.findall(r"`([^`]+)`", actions)) for sid, actions, *_ in reported} == allowed
    assert len(reported) == len(allowed) > 10
    nested = template.load("stacks/firehose.yaml")["Resources"]
    of_services = set()
    for role in (nested["DeliveryRole"], nested["SubscriptionRole"]):
        for statement in role["Properties"]["Policies"][0]["PolicyDocument"]["Statement"]:
            statement = statement.get("Fn::If", [None, statement])[1]
            actions = statement["Action"]
            of_services.add(frozenset(actions if isinstance(actions, list) else [actions]))
    documented = rows("| role | assumed by | actions | on | why |", security)
    assert {frozenset(re.findall(r"`([^`]+)`", row[2])) for row in documented} == of_services


def test_query_page_lists_every_query_and_table(stack):
    page = PROJECT / "docs" / "query.md"
    of_type = lambda kind: [one["Properties"] for one in nested("athena").values() if one["Type"] == kind]
    queries = [query["Name"] for query in of_type("AWS::Athena::NamedQuery")]
    assert sorted(name for name, _ in rows("| query | shows |", page)) == sorted(queries)
    tables = [table["TableInput"]["Name"] for table in of_type("AWS::Glue::Table")]
    assert sorted(row[0].strip("`") for row in rows("| table | one row per | start with |", page)) == sorted(tables)


def test_samconfig_example_uses_valid_parameters(stack):
    example = tomllib.loads((PROJECT / "samconfig.example.toml").read_text())
    # The comments have all other parameters, with their defaults.
    shown = dict(re.findall(r'^    # "(\w+)=([^"]*)", # \w', (PROJECT / "samconfig.example.toml").read_text(), re.MULTILINE))
    # SAM refuses a parameter without a value.
    value = lambda it: str(it["Default"]) or "''"
    assert shown == {name: value(it) for name, it in stack["Parameters"].items() if name != "AlertEmail"}
    environments = {name for name, it in example.items() if name != "version"}
    assert environments == {"default", "existing"}
    for name in environments:
        settings = example[name]["deploy"]["parameters"]
        # sam build also needs the parameters; otherwise it builds for the default Architecture.
        assert not [command for command, it in example[name].items() if "parameter_overrides" in it["parameters"]][1:]
        given = dict(one.split("=", 1) for one in example[name]["global"]["parameters"]["parameter_overrides"])
        assert set(given) <= set(stack["Parameters"]), name
        # SAM would use only the first word.
        assert not [one for one in given.values() if " " in one and not re.fullmatch('"[^"]*"', one)]
        for parameter, text in given.items():
            text = text.strip('"')
            pattern, allowed = (stack["Parameters"][parameter].get(key) for key in ("AllowedPattern", "AllowedValues"))
            assert not pattern or re.search(pattern, text), (parameter, text)
            assert not allowed or text in allowed, (parameter, text)
    # Roles and policies have no custom names, so the weaker capability is enough.
    named = {"RoleName", "ManagedPolicyName", "UserName", "GroupName", "InstanceProfileName"}
    resources = [*stack["Resources"].items()]
    for name in ("firehose", "event-source", "topology", "windows", *template.INLINED):
        resources += nested(name).items()
    assert not [id for id, it in resources if named & set(it.get("Properties", {}))]
    assert settings["capabilities"] == "CAPABILITY_IAM"


def test_outputs_used_by_tools_exist(stack):
    asked = re.findall(r'outputs\.get\("(\w+)"\)', (PROJECT / "tools" / "replay.py").read_text())
    assert len(asked) == 3 and set(asked) <= set(stack["Outputs"])


def test_events_page_lists_every_event():
    readme = (PROJECT / "events" / "README.md").read_text()
    listed = re.findall(r"^\| `([\w-]+\.json)` \|", readme, re.MULTILINE)
    assert sorted(listed) == sorted(path.name for path in (PROJECT / "events").glob("*.json"))


def test_template_names_in_docs_exist(stack):
    """Every name in backticks with an assignment, and every output in the docs, exists in the template."""
    known = set(stack["Parameters"]) | set(stack["Outputs"]) | set(stack["Resources"])
    for page in [PROJECT / "README.md", PROJECT / "SECURITY.md", *sorted((PROJECT / "docs").glob("*.md"))]:
        for line in page.read_text().splitlines():
            for name in re.findall(r"the outputs? `(\w+)`", line):
                assert name in stack["Outputs"], f"{page.name}: {name}"
            for name, assigned in re.findall(r"`([A-Z][a-z]+[A-Za-z]*)(=[^`]*)?`", line):
                if assigned:
                    assert name in known, f"{page.name}: {name}{assigned}"


def test_links_resolve():
    """Links between pages, and to headings."""
    pages = [PROJECT / "README.md", PROJECT / "SECURITY.md", PROJECT / "CHANGELOG.md", PROJECT / "events" / "README.md"]
    links = 0
    for page in [*pages, *sorted((PROJECT / "docs").glob("*.md"))]:
        for target in re.findall(r"\]\(([^)\s]+)\)", page.read_text()):
            if "://" in target:
                continue
            path, _, heading = target.partition("#")
            file = (page.parent / path).resolve() if path else page
            assert file.exists(), f"{page.name}: {target}"
            assert not heading or heading in headings(file), f"{page.name}: {target}"
            links += 1
    assert links > 40


def headings(page):
    """Returns the anchors of a page, as GitHub generates them."""
    titles = re.findall(r"^#+ (.+)$", page.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}
