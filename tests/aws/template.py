"""The template as CloudFormation evaluates it: transformed by SAM's translator, then resolved for parameters."""

import os
import re
from copy import deepcopy
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from unittest.mock import patch

from samtranslator.translator.transform import transform
from samtranslator.yaml_helper import yaml_parse

from function import REGION
from inline import inlined_stack

ACCOUNT = "123456789012"
PATH = Path(__file__).resolve().parents[2] / "template.yaml"
NESTED_STACK = "AWS::CloudFormation::Stack"

# Last part of the ID of a stack.
STACK_UUID = "0a1b2c3d-4e5f-11f0-8a9b-0123456789ab"
# Placeholder for the upload of `sam package`.
CODE = "s3://flowsentry-code/package.zip"


# Nested stacks that the tests see as part of the template; their resources have unique logical ids. test_template_stacks.py
# checks that this changes nothing: each of them gets valid values, and none uses its own name.
INLINED = ["key", "storage", "queues", "alerts", "alarms", "dashboard", "athena"]


def load(name=PATH.name):
    """Loads the template or a nested one, with intrinsic functions in their long form."""
    return deepcopy(_parsed(name))


@cache
def _parsed(name):
    return yaml_parse((PATH.parent / name).read_text())


def transformed(parameters=None, template=None):
    """Returns the CloudFormation template that SAM generates in `sam deploy`; by default that of all stacks of INLINED as one."""
    template = template or inlined(load())
    for resource in template["Resources"].values():
        if resource["Type"] == "AWS::Serverless::Function":
            resource["Properties"]["CodeUri"] = CODE
    values = {**defaults(template), **(parameters or {})}
    # The translator needs a Region and the managed policies, of which there are none.
    with patch.dict(os.environ, AWS_DEFAULT_REGION=REGION):
        return transform(template, values, _NoManagedPolicies())


def inlined(template):
    """Returns the template with the resources of INLINED in the place of these stacks."""
    for id, resource in list(template["Resources"].items()):
        url = resource.get("Properties", {}).get("TemplateURL") if resource["Type"] == NESTED_STACK else None
        if url in {f"stacks/{name}.yaml" for name in INLINED}:
            template = inlined_stack(template, id, load(url))
    return template


def defaults(template):
    """Returns the default parameters."""
    parameters = template.get("Parameters", {}).items()
    return {name: parameter["Default"] for name, parameter in parameters if "Default" in parameter}


class _NoManagedPolicies:
    @staticmethod
    def load():
        return {}


@dataclass(frozen=True)
class Made:
    """A resource by its name and its other identifiers."""

    name: str
    ref: str
    attributes: dict


def _made(kind, id, account, region, properties):
    """Returns Ref and GetAtt of a resource with this Ref or name."""
    regional = lambda service, rest: f"arn:aws:{service}:{region}:{account}:{rest}"
    name = id
    match kind:
        case "AWS::S3::Bucket":
            return Made(name, name, {"Arn": f"arn:aws:s3:::{name}"})
        case "AWS::SQS::Queue":
            name = id.rsplit("/", 1)[-1]
            url = f"https://sqs.{region}.amazonaws.com/{account}/{name}"
            return Made(name, url, {"Arn": regional("sqs", name), "QueueName": name, "QueueUrl": url})
        case "AWS::SNS::Topic":
            name = id.rsplit(":", 1)[-1]
            return Made(name, regional("sns", name), {"TopicArn": regional("sns", name), "TopicName": name})
        case "AWS::Events::EventBus":
            return Made(name, name, {"Arn": regional("events", f"event-bus/{name}"), "Name": name})
        case "AWS::Events::Rule":
            bus = properties.get("EventBusName", "default")
            path = name if bus == "default" else f"{bus}/{name}"
            return Made(name, name, {"Arn": regional("events", f"rule/{path}")})
        case "AWS::Lambda::Function":
            return Made(name, name, {"Arn": regional("lambda", f"function:{name}")})
        case "AWS::Scheduler::Schedule":
            return Made(name, name, {"Arn": regional("scheduler", f"schedule/default/{name}")})
        case "AWS::KinesisFirehose::DeliveryStream":
            return Made(name, name, {"Arn": regional("firehose", f"deliverystream/{name}")})
        case "AWS::StepFunctions::StateMachine":
            return Made(name, regional("states", f"stateMachine:{name}"), {"Arn": regional("states", f"stateMachine:{name}")})
        case "AWS::IAM::Role":
            path = properties.get("Path", "/")
            return Made(name, name, {"Arn": f"arn:aws:iam::{account}:role{path}{name}"})
        case "AWS::IAM::ManagedPolicy":
            name = id.rsplit("/", 1)[-1]
            arn = f"arn:aws:iam::{account}:policy{properties.get('Path', '/')}{name}"
            return Made(name, arn, {"PolicyArn": arn})
        case "AWS::KMS::Key":
            return Made(name, name, {"Arn": regional("kms", f"key/{name}"), "KeyId": name})
        case "AWS::Logs::LogGroup":
            return Made(name, name, {"Arn": regional("logs", f"log-group:{name}:*")})
        case "AWS::CloudWatch::Alarm" | "AWS::CloudWatch::CompositeAlarm":
            return Made(name, name, {"Arn": regional("cloudwatch", f"alarm:{name}")})
        case _:
            return Made(name, name, {})


# The property with the resource's name, by type.
NAMED_BY = {
    "AWS::Athena::WorkGroup": "Name",
    "AWS::CloudWatch::Alarm": "AlarmName",
    "AWS::CloudWatch::CompositeAlarm": "AlarmName",
    "AWS::CloudWatch::Dashboard": "DashboardName",
    "AWS::Events::EventBus": "Name",
    "AWS::Events::Rule": "Name",
    "AWS::IAM::ManagedPolicy": "ManagedPolicyName",
    "AWS::IAM::Role": "RoleName",
    "AWS::KMS::Alias": "AliasName",
    "AWS::KinesisFirehose::DeliveryStream": "DeliveryStreamName",
    "AWS::Lambda::Function": "FunctionName",
    "AWS::Logs::LogGroup": "LogGroupName",
    "AWS::Logs::LogStream": "LogStreamName",
    "AWS::S3::Bucket": "BucketName",
    "AWS::SNS::Topic": "TopicName",
    "AWS::Scheduler::Schedule": "Name",
    "AWS::SQS::Queue": "QueueName",
    "AWS::StepFunctions::StateMachine": "StateMachineName",
}

_NO_VALUE = object()
_PLACEHOLDER = re.compile(r"\$\{(!?)([^}]+)\}")


class Resolved:
    """A CloudFormation template with resolved parameters, conditions and intrinsic functions.

    `physical` has the physical names of a stack's resources, by logical id; other resources get plausible names.
    Invalid templates raise an error, such as a reference to a missing resource or a parameter without a value.
    """

    def __init__(self, template, parameters=None, physical=None, stack="flowsentry", account=ACCOUNT, region=REGION):
        self._template, self._physical = template, physical or {}
        self._account, self._region = account, region
        self._pseudo = {
            "AWS::AccountId": account,
            "AWS::NoValue": _NO_VALUE,
            "AWS::Partition": "aws",
            "AWS::Region": region,
            "AWS::StackId": f"arn:aws:cloudformation:{region}:{account}:stack/{stack}/{STACK_UUID}",
            "AWS::StackName": stack,
            "AWS::URLSuffix": "amazonaws.com",
        }
        self._stack, self._nested = stack, {}
        self.parameters = self._parameters(parameters or {})
        # One after the other, because those of an inlined stack may need the values of others.
        self.conditions = {}
        for name, node in template.get("Conditions", {}).items():
            self.conditions[name] = self._condition(node)

    def resources(self, kind=None):
        """Returns the created resources by logical id: complete, or the properties of one type."""
        made = {id: node for id, node in self._template["Resources"].items() if self._is_made(id)}
        if kind is None:
            return {id: self.value(node) for id, node in made.items()}
        return {id: self.value(node.get("Properties", {})) for id, node in made.items() if node["Type"] == kind}

    def one(self, kind):
        """Returns the properties of the only resource of a type."""
        [properties] = self.resources(kind).values()
        return properties

    def properties(self, id):
        return self.value(self._template["Resources"][id].get("Properties", {}))

    def ref(self, id):
        return self.value({"Ref": id})

    def arn(self, id):
        """Returns the ARN of a created resource."""
        made = self._made(id)
        return made.attributes.get("Arn") or made.ref

    def nested(self, id):
        """Returns the nested stack of a resource."""
        if id not in self._nested:
            self._nested[id] = self._nested_stack(id)
        return self._nested[id]

    def _nested_stack(self, id):
        properties, stack = self.properties(id), f"{self._stack}-{id}"
        template = load(properties["TemplateURL"])
        if "Transform" in template:
            template = transformed(properties["Parameters"], template)
        return Resolved(template, properties["Parameters"], stack=stack, account=self._account, region=self._region)

    def outputs(self):
        outputs = self._template.get("Outputs", {}).items()
        made = {name: node for name, node in outputs if self.conditions.get(node.get("Condition"), True)}
        return {name: self.value(node["Value"]) for name, node in made.items()}

    def broken_rules(self):
        """Returns the messages of violated rules."""
        said = []
        for rule in self._template.get("Rules", {}).values():
            if "RuleCondition" in rule and not self._condition(rule["RuleCondition"]):
                continue
            said += [one["AssertDescription"] for one in rule["Assertions"] if not self._condition(one["Assert"])]
        return said

    def value(self, node):
        """Returns the value of a part of the template."""
        if isinstance(node, list):
            return [value for value in map(self.value, node) if value is not _NO_VALUE]
        if not isinstance(node, dict):
            return node
        if len(node) == 1:
            [(name, argument)] = node.items()
            if name == "Ref" or name.startswith("Fn::"):
                return self._intrinsic(name, argument)
        values = {name: self.value(part) for name, part in node.items()}
        return {name: value for name, value in values.items() if value is not _NO_VALUE}

    def _intrinsic(self, name, argument):
        match name, argument:
            case "Ref", _:
                return self._ref(argument)
            case "Fn::GetAtt", _:
                id, attribute = argument if isinstance(argument, list) else argument.split(".", 1)
                return self._made(id).attributes[attribute]
            case "Fn::If", [condition, yes, no]:
                return self.value(yes if self.conditions[condition] else no)
            case "Fn::Sub", [text, values]:
                return self._sub(text, {key: self.value(value) for key, value in values.items()})
            case "Fn::Sub", _:
                return self._sub(argument, {})
            case "Fn::Join", [separator, parts]:
                return separator.join(map(str, self.value(parts)))
            case "Fn::Split", [separator, text]:
                return self.value(text).split(separator)
            case "Fn::Select", [index, values]:
                return self.value(values)[int(self.value(index))]
            case "Fn::FindInMap", [table, first, second]:
                return self._template["Mappings"][table][str(self.value(first))][str(self.value(second))]
            case _:
                raise NotImplementedError(f"{name}: {argument}")

    def _ref(self, name):
        if name in self._pseudo:
            return self._pseudo[name]
        if name in self.parameters:
            return self.parameters[name]
        return self._made(name).ref

    def _sub(self, text, values):
        def replacement(match):
            literal, name = match.groups()
            if literal:
                return f"${{{name}}}"
            if name in values:
                return str(values[name])
            return str(self._intrinsic("Fn::GetAtt", name) if "." in name else self._ref(name))

        return _PLACEHOLDER.sub(replacement, text)

    def _is_made(self, id):
        return self.conditions.get(self._template["Resources"][id].get("Condition"), True)

    def _made(self, id):
        node = self._template["Resources"][id]
        if not self._is_made(id):
            raise ValueError(f"{id} is referred to, and not made as {node['Condition']} is false")
        if node["Type"] == NESTED_STACK:
            outputs = self.nested(id).outputs()
            return Made(id, f"{self._stack}-{id}", {f"Outputs.{name}": value for name, value in outputs.items()})
        # Resolves only the naming properties, because other properties may have circular references.
        wanted = {"Path", "EventBusName", NAMED_BY.get(node["Type"])}
        named = {name: part for name, part in node.get("Properties", {}).items() if name in wanted}
        properties = self.value(named)
        name = self._physical.get(id) or properties.get(NAMED_BY.get(node["Type"])) or f"{self._stack}-{id}"
        return _made(node["Type"], name, self._account, self._region, properties)

    def _parameters(self, given):
        declared = self._template.get("Parameters", {})
        if unknown := set(given) - set(declared):
            raise ValueError(f"no parameters of the template: {sorted(unknown)}")
        values = {**defaults(self._template), **given}
        if missing := set(declared) - set(values):
            raise ValueError(f"parameters without a value: {sorted(missing)}")
        return {name: self._parameter(declared[name]["Type"], value) for name, value in values.items()}

    @staticmethod
    def _parameter(kind, value):
        if kind == "Number":
            return int(value) if str(value).lstrip("-").isdigit() else float(value)
        return str(value).split(",") if kind == "CommaDelimitedList" or kind.startswith("List<") else value

    def _condition(self, node):
        [(name, argument)] = node.items()
        match name:
            case "Condition":
                # The resource may follow the one that refers to it.
                return self._condition(self._template["Conditions"][argument])
            case "Fn::Equals":
                first, second = map(self.value, argument)
                return str(first) == str(second)
            case "Fn::Not":
                return not self._condition(argument[0])
            case "Fn::And":
                return all(map(self._condition, argument))
            case "Fn::Or":
                return any(map(self._condition, argument))
            case "Fn::Contains":
                values, wanted = map(self.value, argument)
                return wanted in values
            case _:
                raise NotImplementedError(f"{name}: {argument}")
