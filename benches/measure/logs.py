"""The flow logs that are read, and the topologies with which they are: made once, and kept."""

import json
import shutil
import subprocess

from . import build


def log(records, format="default"):
    """A log of everyday traffic, of so many records."""
    return generated(f"{format}-{records}.log.gz", "--records", records, "--format", format, "--malformed", 0)


def log_of_rejects(groups):
    """A log of so many rejected groups of one record, and of the heavy groups among them."""
    return generated(f"rejects-{groups}.log.gz", "--distinct-rejects", groups)


def generated(name, *arguments):
    log = build.FOLDER / name
    if not log.exists():
        build.FOLDER.mkdir(parents=True, exist_ok=True)
        # What is made by half is made anew.
        unfinished = log.with_suffix(".unfinished")
        generate(*arguments, "--out", unfinished)
        unfinished.rename(log)
    return log


def topology(blocks):
    """The network of the logs with so many CIDR blocks, each of a VPC of its own but those of the network itself."""
    folder = build.FOLDER / f"{blocks}-blocks"
    shutil.rmtree(folder, ignore_errors=True)
    generate("--records", 0, "--malformed", 0, "--topology", folder, "--out", "/dev/null")
    vpcs = json.loads((folder / "vpcs.json").read_text())
    # The first block of a VPC is among its associations as well.
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
