"""Parameter sets for the template. Together they make each condition true once and false once."""

from functools import cache

from template import Resolved, transformed

KEY = "arn:aws:kms:us-east-1:123456789012:key/11111111-2222-3333-4444-555555555555"
PCX = "pcx-0bd681fd4c20588b"

# Maximum retry policy of EventBridge:
# https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-rule-retry-policy.html
A_DAY = {"MaximumEventAgeInSeconds": 86400, "MaximumRetryAttempts": 185}

PARAMETER_SETS = {
    "defaults": {},
    "existing buckets, no keys, no email": {
        "SourceBucketName": "our-logs",
        "OutputBucketName": "our-results",
        "PipelineKey": "aws-managed",
        "Topology": "output-bucket",
        "ConfigUri": "s3://our-results/flowsentry/config.toml",
        "CreateAthena": "no",
        "WindowReports": "manual",
    },
    "new buckets, own keys, own topology bucket": {
        "SourcePrefix": "network/",
        "CreateFirehoseStream": "yes",
        "SubscribedLogGroupName": "/vpc/flow-logs",
        "FirehoseBufferMegabytes": "128",
        "FirehoseBufferSeconds": "300",
        "LogFormat": "version srcaddr dstaddr action",
        "SourceKmsKeyArn": f"{KEY}1",
        "SourceAccountIds": "111122223333,123456789012",
        "OutputPrefix": "results/vpc/",
        "OutputKmsKeyArn": f"{KEY}2",
        "PipelineKey": "existing",
        "PipelineKmsKeyArn": f"{KEY}3",
        "Topology": "own-bucket",
        "TopologyBucketName": "our-inventory",
        "TopologyPrefix": "vpc/",
        "TopologyKmsKeyArn": f"{KEY}4",
        "ConfigUri": "s3://our-settings/flowsentry.toml",
        "ConfigKmsKeyArn": f"{KEY}5",
        "WindowReports": "hourly",
        "PermissionsBoundaryArn": "arn:aws:iam::123456789012:policy/boundary",
        "AlertEmail": "night@example.com",
        "PeeringConnectionIds": ",".join(f"{PCX}{number}" for number in range(1, 6)),
        "AthenaAccountIds": "111122223333",
        "AthenaRegions": "us-east-1,eu-west-1",
        "ReserveConcurrency": "yes",
        "MaximumConcurrency": "50",
        "TimeoutSeconds": "900",
        "Architecture": "x86_64",
    },
    "one bucket": {
        "SourceBucketName": "our-bucket",
        "SourcePrefix": "network/",
        "OutputBucketName": "our-bucket",
        "OutputPrefix": "network/flowsentry/",
        "Topology": "output-bucket",
        "PeeringConnectionIds": f"{PCX}1,{PCX}2",
    },
    "another key pattern": {
        "SourceBucketName": "our-logs",
        "SourcePrefix": "network/",
        "SourceKeyPattern": "exports/*.gz",
        "OutputBucketName": "our-results",
        "WindowReports": "daily",
        "AlertRepeatHours": "0",
        "DiscoverTopology": "no",
    },
    "new buckets, discovery of other accounts": {
        "OutputPrefix": "results/vpc/",
        "OutputKmsKeyArn": f"{KEY}2",
        "PipelineKey": "existing",
        "PipelineKmsKeyArn": f"{KEY}3",
        "PermissionsBoundaryArn": "arn:aws:iam::123456789012:policy/boundary",
        "PeeringConnectionIds": f"{PCX}1",
        "TopologyRegions": "us-east-1,eu-west-1",
        "TopologyAccountIds": "111122223333,444455556666",
        "TopologyExternalId": "0a1b2c3d-4e5f",
        "ReserveConcurrency": "yes",
        "MetricsNamespace": "Network/Flows",
        "LogRetentionDays": "90",
    },
}


@cache
def deployed(parameter_set):
    """Returns the resolved template."""
    return Resolved(transformed(PARAMETER_SETS[parameter_set]), PARAMETER_SETS[parameter_set])
