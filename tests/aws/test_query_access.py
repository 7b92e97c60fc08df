"""Query access: the workgroup, and the policy for people."""

import re

from corpus import HOME
from iam import listed
from template import Resolved, transformed


def test_workgroup_settings_are_enforced():
    group = Resolved(transformed()).one("AWS::Athena::WorkGroup")
    settings = group["WorkGroupConfiguration"]
    assert settings["EnforceWorkGroupConfiguration"] is True and settings["PublishCloudWatchMetricsEnabled"] is True
    assert settings["BytesScannedCutoffPerQuery"] == 10 * 2**30
    assert settings["EngineVersion"] == {"SelectedEngineVersion": "Athena engine version 3"}
    assert settings["ResultConfiguration"]["EncryptionConfiguration"] == {"EncryptionOption": "SSE_S3"}
    assert settings["ResultConfiguration"]["ExpectedBucketOwner"] == HOME
    assert group["RecursiveDeleteOption"] is True and group["State"] == "ENABLED"


def test_query_results_use_the_given_kms_key():
    arn = f"arn:aws:kms:us-east-1:{HOME}:key/0123"
    parameters = {"KmsKey": arn}
    stack = Resolved(transformed(parameters), parameters)
    result = stack.one("AWS::Athena::WorkGroup")["WorkGroupConfiguration"]["ResultConfiguration"]
    assert result["EncryptionConfiguration"] == {"EncryptionOption": "SSE_KMS", "KmsKey": arn}
    [rule] = stack.properties("QueryResultsBucket")["BucketEncryption"]["ServerSideEncryptionConfiguration"]
    assert rule["ServerSideEncryptionByDefault"] == {"SSEAlgorithm": "aws:kms", "KMSMasterKeyID": arn}
    [use] = [one for one in statements(stack) if one["Sid"] == "UseOutputKey"]
    assert (use["Action"], use["Resource"]) == (["kms:Decrypt", "kms:GenerateDataKey"], arn)
    # The key of an existing bucket is not known.
    [use] = [one for one in statements(Resolved(transformed())) if one["Sid"] == "UseOutputKey"]
    assert use["Resource"] == "arn:aws:kms:us-east-1:*:key/*"


def statements(stack):
    return stack.properties("QueryPolicy")["PolicyDocument"]["Statement"]


def test_query_policy_reads_tables_writes_only_results(tables):
    """The policy covers each table's folder; writes go only to the bucket of query results."""
    stack = Resolved(transformed())
    resources = lambda action: [
        resource for one in statements(stack) if action in listed(one["Action"]) for resource in listed(one["Resource"])
    ]
    results = f"{stack.arn('QueryResultsBucket')}/*"
    locations = {f"arn:aws:s3:::{table.location.removeprefix('s3://')}*" for table in tables.values()}
    assert {*resources("s3:GetObject")} == {*locations, results}
    assert resources("s3:PutObject") == [results]
    actions = {action for one in statements(stack) for action in listed(one["Action"])}
    assert {action for action in actions if re.search("Delete|Put|Create|Update|Tag|[*]", action)} == {"s3:PutObject"}
    # Actions without a narrower resource.
    [everywhere] = [one for one in statements(stack) if "*" in listed(one["Resource"])]
    assert everywhere["Action"] == ["athena:ListDataCatalogs", "athena:ListEngineVersions", "athena:ListWorkGroups"]
    location = stack.one("AWS::Athena::WorkGroup")["WorkGroupConfiguration"]["ResultConfiguration"]["OutputLocation"]
    assert results == f"arn:aws:s3:::{location.removeprefix('s3://')}*"


def test_query_policy_covers_only_this_stack():
    """By statement: reads are limited to the workgroup, the database and the kinds of outputs."""
    parameters = {"KmsKey": f"arn:aws:kms:us-east-1:{HOME}:key/0123"}
    stack = Resolved(transformed(parameters), parameters)
    athena, glue = f"arn:aws:athena:us-east-1:{HOME}", f"arn:aws:glue:us-east-1:{HOME}"
    results, own = stack.arn("OutputBucket"), stack.arn("QueryResultsBucket")
    kinds = ["summaries", "findings", "quarantine", "receipts"]
    assert {one["Sid"]: listed(one["Resource"]) for one in statements(stack)} == {
        "RunQueries": [f"{athena}:workgroup/{stack.ref('WorkGroup')}"],
        "ListWorkGroups": ["*"],
        "ReadTableMetadata": [f"{athena}:datacatalog/AwsDataCatalog"],
        "ReadGlueTables": [
            f"{glue}:catalog",
            f"{glue}:database/default",
            f"{glue}:database/{stack.ref('Database')}",
            f"{glue}:table/{stack.ref('Database')}/*",
        ],
        "LocateOutputs": [results],
        "ListOutputs": [results],
        "ReadOutputs": [f"{results}/flowsentry/{kind}/*" for kind in kinds],
        "ListQueryResults": [own],
        "WriteQueryResults": [f"{own}/*"],
        "UseOutputKey": [parameters["KmsKey"]],
    }
    assert {one["Sid"]: one["Condition"] for one in statements(stack) if "Condition" in one} == {
        "ListOutputs": {"StringLike": {"s3:prefix": [f"flowsentry/{kind}/*" for kind in kinds]}},
        "UseOutputKey": {
            "StringEquals": {"kms:ViaService": "s3.us-east-1.amazonaws.com"},
            "StringLike": {"kms:EncryptionContext:aws:s3:arn": [results, f"{results}/flowsentry/*", own, f"{own}/*"]},
        },
    }
    # Requests of a query with partition projection to Glue and Athena.
    asked = {"glue:GetDatabase", "glue:GetTable", "glue:GetPartitions", "s3:GetBucketLocation"}
    asked |= {f"athena:{name}" for name in ("GetWorkGroup", "StartQueryExecution", "GetQueryExecution", "GetQueryResults")}
    assert asked <= {action for one in statements(stack) for action in listed(one["Action"])}
