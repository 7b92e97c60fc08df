"""The nested stacks of the template: what each is given, and that the tests may treat those of INLINED as parts of the template."""

import re
from functools import cache

import pytest

from parameter_sets import PARAMETER_SETS
from template import INLINED, NESTED_STACK, PATH, Resolved, defaults, load, transformed
from test_template import references

NAMES = [*INLINED, "topology", "windows"]
each = pytest.mark.parametrize("name", NAMES)
every_set = pytest.mark.parametrize("parameter_set", PARAMETER_SETS)


@cache
def root(parameter_set):
    """Returns the template as CloudFormation has it, with its nested stacks."""
    given = PARAMETER_SETS[parameter_set]
    return Resolved(transformed(given, load()), given)


def stack_of(name):
    """Returns the logical id of a nested stack."""
    [id] = [id for id, one in load()["Resources"].items() if properties(one).get("TemplateURL") == f"stacks/{name}.yaml"]
    return id


def properties(resource):
    return resource["Properties"] if resource["Type"] == NESTED_STACK else {}


def test_every_template_is_nested_or_stands_alone():
    alone = {"firehose", "peering-alarm", "topology-reader", "event-source"}
    assert {path.stem for path in (PATH.parent / "stacks").glob("*.yaml")} == alone | set(NAMES)
    assert len(list(load()["Resources"].values())) == len(NAMES) + 4, "the others: role, function, log group, event bus"


@each
def test_every_parameter_is_described_bounded_and_used(name):
    nested = load(f"stacks/{name}.yaml")
    used = references([nested.get(part, {}) for part in ("Conditions", "Resources", "Outputs")])
    given = properties(load()["Resources"][stack_of(name)])["Parameters"]
    assert set(given) <= set(nested["Parameters"]) <= used
    assert set(nested["Parameters"]) - set(defaults(nested)) <= set(given)
    for parameter, one in nested["Parameters"].items():
        assert 20 <= len(one["Description"]) <= 200 and one["Description"].endswith("."), parameter
        assert {"AllowedValues", "AllowedPattern", "MinValue"} & set(one), parameter


@each
@every_set
def test_given_values_are_allowed(name, parameter_set):
    stack, id = root(parameter_set), stack_of(name)
    if id not in stack.resources():
        pytest.skip("left out")
    nested = load(f"stacks/{name}.yaml")
    for parameter, value in stack.nested(id).parameters.items():
        declared = nested["Parameters"][parameter]
        # Made-up names of buckets have capitals.
        value = value.lower() if re.search("Bucket|Path|InputArns", parameter) else str(value)
        assert re.fullmatch(declared.get("AllowedPattern", ".*"), value), f"{parameter}: {value}"
        assert value in map(str, declared.get("AllowedValues", [value])), f"{parameter}: {value}"
        assert declared.get("MinValue", 0) <= (float(value) if "MinValue" in declared else 0) <= declared.get("MaxValue", 1e18)


@each
def test_conditions_are_covered(name):
    given = {"KmsKey": "none"}
    roots = [*map(root, PARAMETER_SETS), Resolved(transformed(given, load()), given)]
    stacks = [one.nested(stack_of(name)) for one in roots if stack_of(name) in one.resources()]
    for condition in load(f"stacks/{name}.yaml").get("Conditions", {}):
        assert {one.conditions[condition] for one in stacks} == {True, False}, condition


@every_set
def test_every_stack_resolves(parameter_set):
    """With the outputs of the others, and no name that is only that of the nested stack."""
    stack = root(parameter_set)
    for id in stack.resources(NESTED_STACK):
        nested = stack.nested(id)
        assert nested.resources() and all(nested.outputs().values())
    assert all(stack.outputs().values())


@pytest.mark.parametrize("name", INLINED)
def test_inlined_stack_uses_no_name_of_its_own(name):
    text = (PATH.parent / "stacks" / f"{name}.yaml").read_text()
    assert "AWS::StackName" not in text and "AWS::StackId" not in text


@pytest.mark.parametrize(
    ("parts", "stacks"),
    [
        ("none", set()),
        ("alarms", {"AlarmsStack"}),
        ("dashboard", {"DashboardStack"}),
        ("athena", {"AthenaStack"}),
        ("athena,alarms", {"AthenaStack", "AlarmsStack"}),
        ("alarms,dashboard,athena", {"AlarmsStack", "DashboardStack", "AthenaStack"}),
    ],
)
def test_each_part_can_be_left_out(parts, stacks):
    given = {"Parts": parts, "Topology": "none", "KmsKey": "none"}
    stack = Resolved(transformed(given, load()), given)
    assert set(stack.resources(NESTED_STACK)) == stacks | {"StorageStack", "QueuesStack", "AlertsStack"}
    assert all(stack.outputs().values())
    given |= {"Topology": "discover", "KmsKey": "new", "WindowReports": "hourly"}
    stack = Resolved(transformed(given, load()), given)
    more = {"StorageStack", "QueuesStack", "AlertsStack", "TopologyStack", "KeyStack", "WindowsStack"}
    assert set(stack.resources(NESTED_STACK)) == stacks | more
    # Without the part alarms, no nested stack has any.
    alarms = {id for id in stack.resources(NESTED_STACK) if stack.nested(id).resources("AWS::CloudWatch::Alarm")}
    assert alarms == ({"AlarmsStack", "TopologyStack", "WindowsStack"} if "alarms" in parts else set())


@pytest.mark.parametrize("name", ["template.yaml", *(f"stacks/{name}.yaml" for name in NAMES)])
def test_templates_name_no_partition(name):
    """GovCloud and China have other ARNs, and other domains."""
    text = "\n".join(line for line in (PATH.parent / name).read_text().splitlines() if not re.match(r" *#", line))
    text = re.sub(r"(AllowedPattern|Description|ConstraintDescription): .*", "", text)
    assert not re.search(r"arn:aws:|\.amazonaws\.com\b(?! *[}\]])", text), name
    assert not re.search(r"console\.aws\.amazon\.com(?! \})", text)


@pytest.mark.parametrize("name", sorted(path.name for path in (PATH.parent / "stacks").glob("*.yaml")))
def test_templates_are_within_cloudformation_limits(name):
    """CloudFormation rejects YAML aliases; its own parsers accept them."""
    text = (PATH.parent / "stacks" / name).read_text()
    assert not re.search(r"^[^#]*[:\-] [&*][a-z][\w-]*$", text, re.MULTILINE)
    assert max(len(line) for line in text.splitlines()) <= 128
    assert len(text.encode()) <= 1_000_000 and len(load(f"stacks/{name}")["Parameters"]) <= 200


@each
def test_templates_need_no_transform(name):
    """A nested stack with one would need CAPABILITY_AUTO_EXPAND."""
    assert "Transform" not in load(f"stacks/{name}.yaml")
