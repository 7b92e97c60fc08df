#!/usr/bin/env python3
"""Checks the templates with sam validate, cfn-lint and checkov. Every finding fails, unless it is skipped in the template.

    python3 tests/aws/lint.py            sam validate --lint, cfn-lint and checkov
    python3 tests/aws/lint.py --tools    only installs SAM CLI in target/sam
"""

import sys

import tools

TEMPLATE = "template.yaml"
# Nested templates, and those of stacks next to it.
OTHERS = [
    "stacks/alarms.yaml",
    "stacks/alerts.yaml",
    "stacks/athena.yaml",
    "stacks/dashboard.yaml",
    "stacks/event-source.yaml",
    "stacks/firehose.yaml",
    "stacks/key.yaml",
    "stacks/peering-alarm.yaml",
    "stacks/queues.yaml",
    "stacks/storage.yaml",
    "stacks/topology.yaml",
    "stacks/topology-reader.yaml",
    "stacks/windows.yaml",
]
REGION = "us-east-1"
# One of each partition: AWS, GovCloud, China.
REGIONS = [REGION, "us-gov-west-1", "cn-north-1"]


def main():
    sam = tools.sam()
    if sys.argv[1:] == ["--tools"]:
        return 0
    assert not sys.argv[1:], __doc__
    checkov = tools.checkov()
    # Offline rules only.
    options = ["--framework", "cloudformation", "--skip-download", "--compact", "--quiet"]
    checks = [
        (sam, "sam", "validate", "--lint", "--template", TEMPLATE, "--region", REGION),
        # cfn-lint and SAM's own check find different problems.
        (sam, "cfn-lint", "--regions", *REGIONS, "--", TEMPLATE, *OTHERS),
        (checkov, "checkov", "--file", TEMPLATE, *OTHERS, *options),
    ]
    return max(_check(*check) for check in checks)


def _check(folder, *command):
    print(f"\n-- {' '.join(command)}", flush=True)
    status = tools.run(folder, *command)
    print(f"-- {command[0]}: {'no findings' if status == 0 else f'exit status {status}'}", flush=True)
    return status


if __name__ == "__main__":
    sys.exit(main())
