"""Generates the flow logs and topologies for the measurements, and caches them."""

import json
import shutil
import subprocess

from . import build


def log(records, format="default"):
    """Returns a log of ordinary traffic with this number of records."""
    return generated(f"{format}-{records}.log.gz", "--records", records, "--format", format, "--malformed", 0)


def log_of_rejects(groups):
    """Returns a log with this number of rejected groups of one record each, and some heavy groups."""
    return generated(f"rejects-{groups}.log.gz", "--distinct-rejects", groups)


def generated(name, *arguments):
    log = build.FOLDER / name
    if not log.exists():
        build.FOLDER.mkdir(parents=True, exist_ok=True)
        # An interrupted run leaves only the unfinished file.
        unfinished = log.with_suffix(".unfinished")
        generate(*arguments, "--out", unfinished)
        unfinished.rename(log)
    return log


def topology(blocks):
    """Returns the topology of the generated network without its rules, extended to this number of CIDR blocks with one VPC each."""
    folder = build.FOLDER / f"{blocks}-blocks"
    shutil.rmtree(folder, ignore_errors=True)
    generate("--records", 0, "--malformed", 0, "--topology", folder, "--out", "/dev/null")
    for rules in ["security-groups.json", "network-acls.json", *(path.name for path in folder.glob("pl-*.json"))]:
        (folder / rules).unlink()
    vpcs = json.loads((folder / "vpcs.json").read_text())
    # CidrBlockAssociationSet includes the primary block of a VPC.
    known = sum(
        len(vpc["CidrBlockAssociationSet"]) + len(vpc["Ipv6CidrBlockAssociationSet"]) for vpc in vpcs["Vpcs"]
    )
    for number in range(blocks - known):
        block = f"100.{64 + number // 4096}.{number // 16 % 256}.{number % 16 * 16}/28"
        vpcs["Vpcs"].append({"VpcId": f"vpc-{number:017x}", "CidrBlock": block})
    (folder / "vpcs.json").write_text(json.dumps(vpcs))
    return folder


def generate(*arguments):
    subprocess.run([build.generate(), *map(str, arguments)], check=True, stderr=subprocess.DEVNULL)
