#!/usr/bin/env python3
"""Writes what the function is made of: target/sbom/*.cdx.json, CycloneDX 1.5, for each processor.

    python3 tools/sbom.py

What is linked, as `cargo tree` resolves it, and nothing that only builds or tests it: tools that ask `cargo metadata` name
crates too that are there for tests alone. The same source gives the same bytes: there is no time and no serial number in them.
Needs Python 3.11 and cargo; run `cargo fetch --locked` before, where there is no network.
"""

import argparse
import json
import os
import subprocess
import sys
import tomllib
from pathlib import Path
from urllib.parse import quote

PROJECT = Path(__file__).resolve().parent.parent
FOLDER = PROJECT / "target" / "sbom"
TARGETS = ["aarch64-unknown-linux-gnu", "x86_64-unknown-linux-gnu"]
PROGRAM = "flowsentry-lambda"
REGISTRY = "registry+https://github.com/rust-lang/crates.io-index"


def main():
    lock = tomllib.loads((PROJECT / "Cargo.lock").read_text())
    check_sums = {(one["name"], one["version"]): one for one in lock["package"]}
    FOLDER.mkdir(parents=True, exist_ok=True)
    for target in TARGETS:
        bill = document(packages(target), check_sums)
        path = FOLDER / f"{PROGRAM}-{bill['metadata']['component']['version']}-{target}.cdx.json"
        path.write_text(json.dumps(bill, indent=2) + "\n")
        print(f"{path.relative_to(PROJECT)}: {len(bill['components'])} components")


def packages(target):
    """Each package that is linked, as (name, version): licence and what it uses, the program's own first."""
    # Each line has its depth first; of a package that was shown already, what it uses is left out.
    tree = ["cargo", "tree", "--locked", "--edges", "normal,no-proc-macro", "--prefix", "depth", "--target", target]
    # The toolchain is what the machine has: nothing may fetch another.
    variables = dict(os.environ, RUSTUP_DIST_SERVER="http://127.0.0.1:1")
    command = [*tree, "--format", "\t{p}\t{l}"]
    done = subprocess.run(command, cwd=PROJECT, env=variables, stdout=subprocess.PIPE, text=True, check=True)
    found, path = {}, []
    for line in done.stdout.splitlines():
        depth, package, licence = line.split("\t")
        name, version = package.split()[:2]
        key = (name, version.removeprefix("v"))
        del path[int(depth) :]
        if path:
            found[path[-1]][1].add(key)
        found.setdefault(key, (licence.removesuffix(" (*)"), set()))
        path.append(key)
    return found


def document(packages, check_sums):
    (root, (licence, _)), *others = packages.items()
    return {
        "bomFormat": "CycloneDX",
        "specVersion": "1.5",
        "version": 1,
        "metadata": {
            "lifecycles": [{"phase": "pre-build"}],
            "component": {"type": "application", **component(root, licence), "name": PROGRAM},
        },
        "components": [
            {"type": "library", **component(key, licence), "hashes": [hash_of(check_sums[key])]}
            for key, (licence, _) in sorted(others)
        ],
        "dependencies": [
            {"ref": purl(key), "dependsOn": sorted(purl(used) for used in uses)}
            for key, (_, uses) in sorted(packages.items())
        ],
    }


def component(key, licence):
    name, version = key
    # Some crates still part them by a slash, which meant OR.
    expression = " OR ".join(part.strip() for part in licence.split("/"))
    licences = [{"expression": expression}]
    return {"bom-ref": purl(key), "name": name, "version": version, "purl": purl(key), "licenses": licences}


def hash_of(package):
    assert package["source"] == REGISTRY, f"{package['name']} is not from crates.io"
    return {"alg": "SHA-256", "content": package["checksum"]}


def purl(key):
    name, version = key
    return f"pkg:cargo/{name}@{quote(version, safe='')}"


if __name__ == "__main__":
    argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter).parse_args()
    sys.exit(main())
