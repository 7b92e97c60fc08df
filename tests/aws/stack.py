"""A stack of the template on local AWS services, and substitutes for the features that they lack.

SAM's translator transforms the template, and the local CloudFormation creates it, with these changes:

- Numeric parameters become strings (CloudFormation treats them as strings; the local one fails on numbers in mappings).
  A reference to an event bus becomes its name, and conditions are resolved, because the local CloudFormation leaves gaps in
  lists.
- The event source mapping is disabled, because the local Lambda would start containers; `feed` replaces it.
- The local EventBridge cannot reach SNS, so rules send to a queue instead of a topic; `relay` publishes its messages.

The resources of nested stacks are created as part of the template (template.INLINED); windows and topology are not created.

The local CloudFormation does not create these, so this module does, from the template's resources:

- Notifications and versioning of buckets (but it does set their encryption).
- Policies of buckets, queues, topics and keys: iam.py evaluates them for each recorded call, because the local services
  support too few conditions.
- EventBridge events of S3 have the ETag format of notifications, and versions although there are none; they are corrected
  before the function gets them.
- The redrive of dead letters, which the local SQS does not support: `redrive`.
- Firehose streams and subscriptions of a stack next to it: `deploy_stream`; its other resources are not created.

Alarms, saved queries, lifecycle rules, public access blocks, Glue and Athena do not affect the processing of an object.
Parameter rules are checked before, as CloudFormation does.
"""

import json
from contextlib import contextmanager
from urllib.request import Request, urlopen

from botocore.exceptions import ClientError

import iam_calls
import iam
from event_source import EventSource
from function import Function
from template import ACCOUNT, CODE, NESTED_STACK, Resolved, load, transformed
from aws_env import AwsEnv

FUNCTION, MAPPING, QUEUE = "AWS::Lambda::Function", "AWS::Lambda::EventSourceMapping", "AWS::SQS::Queue"
NO_VALUE = {"Ref": "AWS::NoValue"}
BUCKET, RULE, TOPIC = "AWS::S3::Bucket", "AWS::Events::Rule", "AWS::SNS::Topic"


class Stack(AwsEnv):
    """Existing buckets and, once deployed, a stack; then `source` and `output` are the buckets it uses."""

    def __init__(self, clients):
        super().__init__(clients)
        self._clients, self._bridges, self._keys = clients, {}, []
        # Events that the function received, and events that the bus sent to publishing rules.
        self.handed_over, self.alerts_sent = [], []
        self.resolved = self.environment = self.role = None

    def key(self):
        """Creates a customer managed key whose policy delegates to the account; returns its ARN."""
        self._keys.append(self._clients.of("kms").create_key()["KeyMetadata"]["Arn"])
        return self._keys[-1]

    def encrypt(self, bucket, key):
        """Sets the default encryption key of a bucket."""
        by_default = {"SSEAlgorithm": "aws:kms", "KMSMasterKeyID": key}
        rule = {"ApplyServerSideEncryptionByDefault": by_default, "BucketKeyEnabled": True}
        self.s3.put_bucket_encryption(Bucket=bucket, ServerSideEncryptionConfiguration={"Rules": [rule]})

    def deploy(self, **parameters):
        template = transformed(parameters)
        self.resolved = Resolved(template, parameters, stack=self.name)
        assert self.resolved.broken_rules() == []
        self._store_code()
        cloudformation = self._clients.of("cloudformation")
        given = [{"ParameterKey": name, "ParameterValue": str(value)} for name, value in parameters.items()]
        cloudformation.create_stack(
            StackName=self.name,
            TemplateBody=json.dumps(self._for_here(template)),
            Parameters=given,
            Capabilities=["CAPABILITY_IAM", "CAPABILITY_AUTO_EXPAND"],
        )
        [stack] = cloudformation.describe_stacks(StackName=self.name)["Stacks"]
        assert stack["StackStatus"] == "CREATE_COMPLETE", stack
        pages = cloudformation.get_paginator("list_stack_resources").paginate(StackName=self.name)
        made = [resource for page in pages for resource in page["StackResourceSummaries"]]
        names = {resource["LogicalResourceId"]: resource["PhysicalResourceId"] for resource in made}
        self.resolved = Resolved(template, parameters, names, stack=self.name)
        self._configure_buckets()
        function = self.resolved.one(FUNCTION)
        self.role, self.environment = function["Role"], self._deployed_environment(function)
        self.source, self.output = self.resolved.outputs()["SourceBucketName"], self.environment["OUTPUT_BUCKET"]

    def _store_code(self):
        """Returns a dummy package for the local Lambda; the tests run FLOWSENTRY_LAMBDA."""
        bucket, key = CODE.removeprefix("s3://").split("/", 1)
        self.s3.create_bucket(Bucket=bucket)
        self.s3.put_object(Bucket=bucket, Key=key, Body=b"")

    def _for_here(self, template):
        """Returns the template to create (see above)."""
        buses = self.resolved.resources("AWS::Events::EventBus")
        template = _chosen(template, self.resolved.conditions, {id: self.resolved.ref(id) for id in buses})
        made, outputs = self.resolved.resources(), self.resolved.outputs()
        nested = [f'"{id}"' for id, one in template["Resources"].items() if one["Type"] == NESTED_STACK]
        template["Resources"] = {id: one for id, one in template["Resources"].items() if id in made and f'"{id}"' not in nested}
        template["Resources"].pop("NoBucket")
        # Nothing refers to a bus any more, so it comes first.
        template["Resources"] = {**{id: template["Resources"][id] for id in buses}, **template["Resources"]}
        # Without those of the other nested stacks; the tests take outputs from the resolved template.
        kept = {name: one for name, one in template["Outputs"].items() if name in outputs}
        template["Outputs"] = {name: one for name, one in kept.items() if not any(id in json.dumps(one) for id in nested)}
        del template["Conditions"]
        for one in (*template["Resources"].values(), *template["Outputs"].values()):
            one.pop("Condition", None)
        for parameter in template["Parameters"].values():
            if parameter["Type"] == "Number":
                parameter.update(Type="String", Default=str(parameter["Default"]))
        for id, resource in template["Resources"].items():
            if resource["Type"] == MAPPING:
                resource["Properties"]["Enabled"] = False
            if resource["Type"] == RULE:
                known = self.resolved.properties(id)["Targets"]
                for target, known in zip(resource["Properties"]["Targets"], known, strict=True):
                    if known["Arn"].split(":")[2] == "sns":
                        url = self.queue(f"bridge-{id}-{known['Id']}")
                        self._bridges[id, known["Id"]] = url
                        target.clear()
                        target.update(Id=known["Id"], Arn=self.queue_arn(url))
        return template

    def deploy_stream(self, **parameters):
        """Creates the stream and the subscription of a stack of firehose.yaml next to this one; returns the stack."""
        outputs = self.resolved.outputs()
        given = {"BucketName": outputs["SourceBucketName"], "TopicArn": outputs["TopicArn"], **parameters}
        stack = Resolved(load("stacks/firehose.yaml"), given, stack=f"{self.name}-firehose")
        stream = stack.one("AWS::KinesisFirehose::DeliveryStream")
        self._clients.of("firehose").create_delivery_stream(DeliveryStreamName=stack.ref("Stream"), **stream)
        for id, subscription in stack.resources("AWS::Logs::SubscriptionFilter").items():
            named = {f"{name[0].lower()}{name[1:]}": value for name, value in subscription.items()}
            self._clients.of("logs").put_subscription_filter(filterName=stack.ref(id), **named)
        return stack

    def _configure_buckets(self):
        for id, bucket in self.resolved.resources(BUCKET).items():
            if bucket.get("VersioningConfiguration", {}).get("Status") == "Enabled":
                self.version(self.resolved.ref(id))
            if bucket.get("NotificationConfiguration", {}).get("EventBridgeConfiguration", {}).get("EventBridgeEnabled"):
                self.notify(self.resolved.ref(id))

    def version(self, bucket):
        """Enables versioning on a bucket."""
        self.s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})

    def notify(self, bucket):
        """Enables EventBridge events on a bucket; for an existing bucket, this is the operator's task."""
        configuration = {"EventBridgeConfiguration": {}}
        self.s3.put_bucket_notification_configuration(Bucket=bucket, NotificationConfiguration=configuration)

    def _deployed_environment(self, function):
        """Returns the environment of the Lambda function, which comes from the template."""
        name = self.resolved.ref(self._only(FUNCTION))
        deployed = self._clients.of("lambda").get_function_configuration(FunctionName=name)
        environment = {name: str(value) for name, value in function["Environment"]["Variables"].items()}
        assert {name: str(value) for name, value in deployed["Environment"]["Variables"].items()} == environment
        return environment

    def _only(self, kind):
        [id] = self.resolved.resources(kind)
        return id

    def function(self, **more):
        """Starts a function with the template's configuration and role."""
        function = self.resolved.one(FUNCTION)
        session = self._clients.of("sts").assume_role(RoleArn=self.role, RoleSessionName="flowsentry")["Credentials"]
        logging = function["LoggingConfig"]
        assert logging["LogFormat"] == "JSON"
        settings = {
            **self.environment,
            "AWS_LAMBDA_FUNCTION_NAME": self.resolved.ref(self._only(FUNCTION)),
            "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": str(function["MemorySize"]),
            "AWS_LAMBDA_LOG_FORMAT": logging["LogFormat"],
            "AWS_LAMBDA_LOG_LEVEL": logging["ApplicationLogLevel"],
            "AWS_ACCESS_KEY_ID": session["AccessKeyId"],
            "AWS_SECRET_ACCESS_KEY": session["SecretAccessKey"],
            "AWS_SESSION_TOKEN": session["SessionToken"],
            **more,
        }
        self._functions.append(Function(self.proxy.url, settings))
        return self._functions[-1]

    def event_source(self, function):
        """Returns the event source with the template's event source mapping."""
        mapping = self.resolved.one(MAPPING)
        assert mapping["FunctionResponseTypes"] == ["ReportBatchItemFailures"] and mapping.get("Enabled", True)
        url = self.queue_url(mapping["EventSourceArn"])
        return EventSource(self.sqs, url, function, mapping.get("BatchSize", 10), self._hand_over)

    def _hand_over(self, body):
        """Records and returns a message in AWS's form."""
        event = json.loads(body)
        if event.get("source") == "aws.s3":
            entity = event["detail"]["object"]
            entity["etag"] = entity.pop("eTag", None) or entity["etag"]
            if entity.get("version-id") in (None, "null"):
                entity.pop("version-id", None)
        self.handed_over.append(event)
        return json.dumps(event)

    def feed(self, function):
        """Processes the queue until it is empty. Failed messages become visible at once instead of after the visibility
        timeout."""
        self.event_source(function).drain(seconds=self.resolved.one(FUNCTION)["Timeout"])

    def keys(self, kind=""):
        """Returns the keys of the outputs, or of one kind of output."""
        prefix = self.environment["OUTPUT_PREFIX"] + kind
        pages = self.s3.get_paginator("list_objects_v2").paginate(Bucket=self.output, Prefix=prefix)
        return [item["Key"] for page in pages for item in page.get("Contents", [])]

    def queue_url(self, arn):
        return self.sqs.get_queue_url(QueueName=arn.rsplit(":", 1)[-1])["QueueUrl"]

    def url(self, id):
        """Returns the URL of one of the template's queues."""
        return self.queue_url(self.resolved.arn(id))

    def waiting(self, id):
        """Returns the number of messages in one of the template's queues."""
        named = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
        attributes = self.sqs.get_queue_attributes(QueueUrl=self.url(id), AttributeNames=named)["Attributes"]
        return sum(int(attributes[name]) for name in named)

    def redrive(self, id):
        """Does the same as StartMessageMoveTask: moves dead letters back to their source queue, if allowed."""
        arn, queues = self.resolved.arn(id), self.resolved.resources(QUEUE)
        [(source, _)] = [
            item for item in queues.items() if item[1].get("RedrivePolicy", {}).get("deadLetterTargetArn") == arn
        ]
        allowed = queues[id].get("RedriveAllowPolicy", {"redrivePermission": "allowAll"})
        sources = allowed.get("sourceQueueArns", [])
        assert allowed["redrivePermission"] == "allowAll" or self.resolved.arn(source) in sources
        for body in self.received(self.url(id)):
            self.sqs.send_message(QueueUrl=self.url(source), MessageBody=json.dumps(body))

    def subscribe(self):
        """Subscribes a queue to the template's topic."""
        url = self.queue("subscriber")
        topic = self.resolved.ref(self._only(TOPIC))
        self.sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=self.queue_arn(url))
        return url

    def relay(self):
        """Publishes messages like EventBridge would."""
        for (id, target_id), url in self._bridges.items():
            [target] = [one for one in self.resolved.properties(id)["Targets"] if one["Id"] == target_id]
            for event in self.received(url):
                self.alerts_sent.append(event)
                self.sns.publish(TopicArn=target["Arn"], Message=_input(target, event))

    def calls(self):
        """Returns the calls of the function so far, and those of Lambda with its role."""
        seen = iam_calls.of_function(self.proxy.requests, self.role, self._key_of)
        return seen + list(iam_calls.of_lambda(self.resolved, self.role))

    def _key_of(self, bucket, key=None, version=None):
        """Returns the KMS key of an object, or the current key of a bucket, and whether a bucket key is used."""
        if key is not None:
            named = {"VersionId": version} if version else {}
            head = self.s3.head_object(Bucket=bucket, Key=key, **named)
            return head.get("SSEKMSKeyId"), head.get("BucketKeyEnabled", False)
        try:
            answer = self.s3.get_bucket_encryption(Bucket=bucket)
        except ClientError:
            return None, False
        [rule] = answer["ServerSideEncryptionConfiguration"]["Rules"]
        return rule["ApplyServerSideEncryptionByDefault"].get("KMSMasterKeyID"), rule.get("BucketKeyEnabled", False)

    def role_statements(self):
        """Returns the statements of the function's role."""
        [id] = [id for id in self.resolved.resources("AWS::IAM::Role") if self.resolved.arn(id) == self.role]
        role = self.resolved.properties(id)
        assert "ManagedPolicyArns" not in role
        name = self.resolved.ref(id)
        inline = [policy["PolicyDocument"] for policy in role["Policies"]]
        for policy in self.resolved.resources("AWS::IAM::Policy").values():
            assert name not in policy.get("Roles", [])
        return iam.statements(*inline)

    def allow(self, statements):
        """Replaces the statements of the function's role."""
        role, policy = self.role.rsplit("/", 1)[-1], self.resolved.properties("FunctionRole")["Policies"][0]["PolicyName"]
        document = json.dumps({"Version": "2012-10-17", "Statement": statements})
        self._clients.of("iam").put_role_policy(RoleName=role, PolicyName=policy, PolicyDocument=document)

    @contextmanager
    def enforcing(self):
        """Lets the local services enforce IAM within this context."""
        try:
            self._let_pass(b"0")
            yield
        finally:
            self._let_pass(b"inf")

    def _let_pass(self, requests):
        """The server allows this number of requests without an IAM check: https://docs.getmoto.org/en/latest/docs/iam.html"""
        url, kind = f"{self.endpoint}/moto-api/reset-auth", {"Content-Type": "application/octet-stream"}
        urlopen(Request(url, requests, kind)).close()

    def resource_policies(self):
        """Returns the policy statements of buckets, queues, topics and keys, by ARN."""
        resolved, found = self.resolved, {}
        for policy in resolved.resources("AWS::S3::BucketPolicy").values():
            found[f"arn:aws:s3:::{policy['Bucket']}"] = iam.statements(policy["PolicyDocument"])
        urls = {resolved.ref(id): resolved.arn(id) for id in resolved.resources(QUEUE)}
        for policy in resolved.resources("AWS::SQS::QueuePolicy").values():
            for url in policy["Queues"]:
                found[urls[url]] = iam.statements(policy["PolicyDocument"])
        for policy in resolved.resources("AWS::SNS::TopicPolicy").values():
            for arn in policy["Topics"]:
                found[arn] = iam.statements(policy["PolicyDocument"])
        for id, key in resolved.resources("AWS::KMS::Key").items():
            found[resolved.arn(id)] = iam.statements(key["KeyPolicy"])
        for arn in self._keys:
            # Existing keys delegate to the account, like keys of the console. The key of the queues also allows services,
            # like the template's own key.
            root = {"Effect": "Allow", "Principal": {"AWS": f"arn:aws:iam::{ACCOUNT}:root"}}
            theirs = iam.statements(resolved.properties("Key")["KeyPolicy"])
            is_given = arn == resolved.parameters["KmsKey"]
            found[arn] = theirs if is_given else [{**root, "Action": "kms:*", "Resource": "*"}]
        return found


def _chosen(node, conditions, names):
    """Returns a copy with resolved conditions and references."""
    if isinstance(node, list):
        parts = [_chosen(part, conditions, names) for part in node]
        return [part for part in parts if part != NO_VALUE]
    if not isinstance(node, dict):
        return node
    if node.keys() == {"Fn::If"}:
        condition, yes, no = node["Fn::If"]
        return _chosen(yes if conditions[condition] else no, conditions, names)
    if node.keys() == {"Ref"} and node["Ref"] in names:
        return names[node["Ref"]]
    return {name: _chosen(part, conditions, names) for name, part in node.items()}


def _input(target, event):
    """Returns the input that EventBridge sends to a target.

    https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-transform-target-input.html
    """
    if "InputTransformer" not in target:
        return json.dumps(event)
    transformer = target["InputTransformer"]
    values = {name: _at(path, event) for name, path in transformer["InputPathsMap"].items()}
    text = transformer["InputTemplate"]
    for name, value in values.items():
        text = text.replace(f"<{name}>", value if isinstance(value, str) else json.dumps(value))
    # The quotes of the lines are removed.
    lines = [line.strip() for line in text.strip().splitlines()]
    quoted = all(line.startswith('"') and line.endswith('"') for line in lines)
    return "\n".join(line[1:-1] for line in lines) if quoted else text


def _at(path, event):
    """Returns the value at a path such as $.detail.count; a missing value is omitted."""
    assert path.startswith("$.") and "[" not in path, path
    for part in path.removeprefix("$.").split("."):
        if part not in event:
            return ""
        event = event[part]
    return event
