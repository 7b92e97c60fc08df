"""IAM calls of the function, derived from its recorded requests, and of AWS services on its behalf."""

import json
from urllib.parse import parse_qs

from function import REGION
from iam import call
from template import ACCOUNT

BUS = f"arn:aws:events:{REGION}:{ACCOUNT}:event-bus/"


def of_function(requests, role, key_of):
    """Returns the IAM calls of recorded requests.

    `key_of` returns the KMS key of an object (bucket, key and version) or of a bucket, and whether a bucket key is used.
    """
    return [one for request in requests for one in _of_request(request, role, key_of)]


def _of_request(request, role, key_of):
    if request.target:
        assert request.target == "AWSEvents.PutEvents", request
        yield from _of_events(request, role)
        return
    bucket, _, key = request.path.removeprefix("/").partition("/")
    arn, query = f"arn:aws:s3:::{bucket}", _query(request)
    because = f"{request.method} {request.path} {request.status}"
    make = lambda action, resource, **more: call(action, resource, role, because, **_known(role), **more)
    match request.method, bool(key):
        case "GET" | "HEAD", True:
            # https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetObject.html
            yield make("s3:GetObjectVersion" if "versionId" in query else "s3:GetObject", f"{arn}/{key}")
            if request.status == 404:
                # S3 returns 404 only to callers with s3:ListBucket. The check has no prefix.
                yield make("s3:ListBucket", arn)
            elif request.method == "GET" and request.status in (200, 206):
                yield from _of_key("kms:Decrypt", role, because, key_of(bucket, key, query.get("versionId")), arn, key)
        case "GET", False:
            assert query.pop("list-type") == "2", request
            yield make("s3:ListBucket", arn, **({"s3__prefix": query["prefix"]} if "prefix" in query else {}))
        case "PUT", True:
            key_header = "x-amz-server-side-encryption-aws-kms-key-id"
            named = ["if-none-match", "if-match", "x-amz-acl", "x-amz-server-side-encryption", key_header]
            headers = {f"s3__{name.replace('-', '_')}": request.headers[name] for name in named if name in request.headers}
            yield make("s3:PutObject", f"{arn}/{key}", **headers)
            if request.status == 200:
                # The key that the request names takes precedence over the key of the bucket, whose bucket key still applies.
                default, has_bucket_key = key_of(bucket)
                found = request.headers.get(key_header, default), has_bucket_key
                yield from _of_key("kms:GenerateDataKey", role, because, found, arn, key)
        case _:
            raise NotImplementedError(str(request))


def _query(request):
    return {name: values[0] for name, values in parse_qs(request.query, keep_blank_values=True).items()}


def _known(role):
    """Returns the IAM context of each request; outside of tests, the endpoint has TLS."""
    account = {"aws__PrincipalAccount": ACCOUNT, "aws__ResourceAccount": ACCOUNT, "s3__ResourceAccount": ACCOUNT}
    return {"aws__SecureTransport": "true", "aws__PrincipalArn": role, **account}


def _of_key(action, role, because, found, bucket, key):
    """S3 uses the key with the caller's permissions: https://docs.aws.amazon.com/AmazonS3/latest/userguide/UsingKMSEncryption.html"""
    kms_key, has_bucket_key = found
    if kms_key:
        yield _by_key(action, kms_key, role, f"{because}, by S3", "s3", s3=bucket if has_bucket_key else f"{bucket}/{key}")


def _by_key(action, key, role, because, service, **encryption_context):
    [(kind, arn)] = encryption_context.items()
    context = {f"kms__EncryptionContext__aws__{kind}__arn": arn, "kms__ViaService": f"{service}.{REGION}.amazonaws.com"}
    return call(action, key, role, because, **_known(role), **context, kms__CallerAccount=ACCOUNT)


def _of_events(request, role):
    for entry in json.loads(request.body)["Entries"]:
        name = entry["EventBusName"]
        context = {"events__source": entry["Source"], "events__detail_type": entry["DetailType"]}
        bus = name if name.startswith("arn:") else BUS + name
        yield call("events:PutEvents", bus, role, "PutEvents", **_known(role), **context)


def of_lambda(resolved, role):
    """Yields the calls of the Lambda service with the function's role, which are not among the recorded requests.

    https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-configure.html: to read the queue.
    https://docs.aws.amazon.com/lambda/latest/dg/monitoring-cloudwatchlogs.html: to write the log.
    """
    [function] = resolved.resources("AWS::Lambda::Function").values()
    for named in ["VpcConfig", "DeadLetterConfig", "FileSystemConfigs", "KmsKeyArn"]:
        assert named not in function, f"what does {named} need of the role?"
    assert function.get("TracingConfig", {}).get("Mode", "PassThrough") == "PassThrough", "what does tracing need?"
    group = function["LoggingConfig"]["LogGroup"]
    stream = f"arn:aws:logs:{REGION}:{ACCOUNT}:log-group:{group}:log-stream:2026/11/24/[$LATEST]0"
    for action in ["logs:CreateLogStream", "logs:PutLogEvents"]:
        yield call(action, stream, role, "Lambda writes the log", **_known(role))
    for mapping in resolved.resources("AWS::Lambda::EventSourceMapping").values():
        queue = mapping["EventSourceArn"]
        for action in ["sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:GetQueueAttributes"]:
            yield call(action, queue, role, "Lambda reads the queue", **_known(role))
        if key := keys_of_resources(resolved).get(queue):
            yield _by_key("kms:Decrypt", key, role, "Lambda reads the queue", "sqs", sqs=queue)


def of_services(resolved):
    """Yields calls of other services, allowed by resource policies."""
    keys = keys_of_resources(resolved)
    for id, rule in resolved.resources("AWS::Events::Rule").items():
        arn = resolved.arn(id)
        for target in rule["Targets"]:
            also = target.get("DeadLetterConfig", {}).get("Arn")
            for receiver in filter(None, [target["Arn"], also]):
                yield from _of_service("events.amazonaws.com", receiver, arn, keys, f"{id} sends")
    for id, alarm in _alarms(resolved):
        for receiver in [*alarm.get("AlarmActions", []), *alarm.get("OKActions", [])]:
            yield from _of_service("cloudwatch.amazonaws.com", receiver, resolved.arn(id), keys, f"{id} tells")
    for id, group in resolved.resources("AWS::Logs::LogGroup").items():
        if "KmsKeyId" in group:
            # https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/encrypt-log-data-kms.html
            context = {"kms__EncryptionContext__aws__logs__arn": resolved.arn(id).removesuffix(":*")}
            for action in ["kms:Encrypt", "kms:Decrypt", "kms:ReEncryptFrom", "kms:GenerateDataKey", "kms:DescribeKey"]:
                yield call(action, group["KmsKeyId"], f"logs.{REGION}.amazonaws.com", f"{id} is written", **context)


def of_log_delivery(bucket, prefix):
    """Yields the calls of AWS to deliver flow logs: https://docs.aws.amazon.com/vpc/latest/userguide/flow-logs-s3-permissions.html"""
    source = {"aws__SourceAccount": ACCOUNT, "aws__SourceArn": f"arn:aws:logs:{REGION}:{ACCOUNT}:*"}
    make = lambda action, resource, **more: call(
        action, resource, "delivery.logs.amazonaws.com", "flow logs come", **source, aws__SecureTransport="true", **more
    )
    arn = f"arn:aws:s3:::{bucket}"
    key = f"{arn}/{prefix}AWSLogs/{ACCOUNT}/vpcflowlogs/{REGION}/2026/11/24/x.log.gz"
    yield make("s3:PutObject", key, s3__x_amz_acl="bucket-owner-full-control")
    # AWS checks that the bucket exists and is writable.
    for action in ["s3:GetBucketAcl", "s3:ListBucket"]:
        yield make(action, arn)


def _alarms(resolved):
    kinds = ["AWS::CloudWatch::Alarm", "AWS::CloudWatch::CompositeAlarm"]
    return [item for kind in kinds for item in resolved.resources(kind).items()]


def _of_service(service, receiver, source, keys, because):
    action = {"sqs": "sqs:SendMessage", "sns": "sns:Publish"}[receiver.split(":")[2]]
    known = {"aws__SourceArn": source, "aws__SourceAccount": ACCOUNT}
    yield call(action, receiver, service, because, **known, aws__SecureTransport="true")
    if key := keys.get(receiver):
        # EventBridge sends no source to KMS: a condition on it would drop events without an error.
        # https://docs.aws.amazon.com/sns/latest/dg/sns-key-management.html
        reported = {} if service == "events.amazonaws.com" else known
        for use in ["kms:GenerateDataKey", "kms:Decrypt"]:
            yield call(use, key, service, f"{because}, encrypted", **reported)


def keys_of_resources(resolved):
    """Returns the customer managed keys of queues and topics, by their ARN."""
    kinds = {"AWS::SQS::Queue": "KmsMasterKeyId", "AWS::SNS::Topic": "KmsMasterKeyId"}
    made_keys = {resolved.ref(id): resolved.arn(id) for id in resolved.resources("AWS::KMS::Key")}
    keys = {}
    for kind, named in kinds.items():
        for id, properties in resolved.resources(kind).items():
            if (key := properties.get(named)) and not key.startswith("alias/aws/"):
                keys[resolved.arn(id)] = made_keys.get(key, key)
    return keys
