"""Parameter sets for the template. Together they make each condition true once and false once."""

from functools import cache

from template import Resolved, transformed

KEY = "arn:aws:kms:us-east-1:123456789012:key/11111111-2222-3333-4444-555555555555"

# Maximum retry policy of EventBridge:
# https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-rule-retry-policy.html
A_DAY = {"MaximumEventAgeInSeconds": 86400, "MaximumRetryAttempts": 185}

PARAMETER_SETS = {
    "defaults": {},
    "existing buckets, no keys, no email": {
        "SourceBucketName": "our-logs",
        "OutputBucketName": "our-results",
        "KmsKey": "none",
        "Topology": "upload",
        "ConfigUri": "s3://our-results/flowsentry/config.toml",
        "Parts": "none",
        "WindowReports": "manual",
    },
    "new buckets, own key, own topology bucket": {
        "SourceKeyPattern": "network/AWSLogs/*vpcflowlogs/*.log*",
        "SourceRetentionDays": "365",
        "AccountIds": "111122223333",
        "Regions": "us-east-1,eu-west-1",
        "KmsKey": f"{KEY}3",
        "Topology": "s3://our-inventory/vpc/",
        "ConfigUri": "s3://our-settings/flowsentry.toml",
        "WindowReports": "hourly",
        "PermissionsBoundaryArn": "arn:aws:iam::123456789012:policy/boundary",
        "AlertEmail": "night@example.com",
        "Architecture": "x86_64",
    },
    "one bucket": {
        "SourceBucketName": "our-bucket",
        "OutputBucketName": "our-bucket",
        "Topology": "upload",
        "Parts": "alarms,dashboard",
    },
    "another key pattern": {
        "SourceBucketName": "our-logs",
        "SourceKeyPattern": "network/exports/*.gz",
        "OutputBucketName": "our-results",
        "WindowReports": "daily",
        "Topology": "none",
        "Parts": "athena",
    },
    "new buckets, discovery of other accounts": {
        "KmsKey": f"{KEY}3",
        "PermissionsBoundaryArn": "arn:aws:iam::123456789012:policy/boundary",
        "Regions": "us-east-1,eu-west-1",
        "AccountIds": "111122223333,444455556666",
        "OutputRetentionDays": "3653",
    },
    "new buckets, reports, no alarms": {"WindowReports": "manual", "Parts": "dashboard"},
}


@cache
def deployed(parameter_set):
    """Returns the resolved template."""
    return Resolved(transformed(PARAMETER_SETS[parameter_set]), PARAMETER_SETS[parameter_set])
