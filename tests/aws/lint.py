#!/usr/bin/env python3
"""Checks template.yaml as AWS's tools and an auditor's do. What they find fails it, unless it is skipped in place.

    python3 tests/aws/lint.py            sam validate --lint, cfn-lint and checkov
    python3 tests/aws/lint.py --tools    only makes the environment of SAM CLI, target/sam
"""

import sys

import tools

TEMPLATE = "template.yaml"
REGION = "us-east-1"


def main():
    sam = tools.sam()
    if sys.argv[1:] == ["--tools"]:
        return 0
    assert not sys.argv[1:], __doc__
    checkov = tools.checkov()
    checks = [
        (sam, "sam", "validate", "--lint", "--template", TEMPLATE, "--region", REGION),
        # Not the same: what SAM's own check lets pass is found here, and the other way round.
        (sam, "cfn-lint", "--regions", REGION, "--", TEMPLATE),
        # By its own rules, without asking its maker's service for more.
        (checkov, "checkov", "--file", TEMPLATE, "--framework", "cloudformation", "--skip-download", "--compact", "--quiet"),
    ]
    return max(_check(*check) for check in checks)


def _check(folder, *command):
    print(f"\n-- {' '.join(command)}", flush=True)
    status = tools.run(folder, *command)
    print(f"-- {command[0]}: {'no findings' if status == 0 else f'exit status {status}'}", flush=True)
    return status


if __name__ == "__main__":
    sys.exit(main())
