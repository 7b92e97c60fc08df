#!/usr/bin/env python3
"""Writes a software bill of materials of the function: target/sbom/*.cdx.json, CycloneDX 1.5, per architecture.

    python3 tools/sbom.py

It contains the linked crates, as `cargo tree` resolves them, without build and test dependencies (tools that use
`cargo metadata` include these). The output is reproducible: it has no time and no serial number. Needs Python 3.11 and cargo;
without a network, run `cargo fetch --locked` before.
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
    checksums = {(one["name"], one["version"]): one for one in lock["package"]}
    FOLDER.mkdir(parents=True, exist_ok=True)
    for target in TARGETS:
        bill = document(packages(target), checksums)
        path = FOLDER / f"{PROGRAM}-{bill['metadata']['component']['version']}-{target}.cdx.json"
        path.write_text(json.dumps(bill, indent=2) + "\n")
        print(f"{path.relative_to(PROJECT)}: {len(bill['components'])} components")


def packages(target):
    """Returns the linked packages, root first: (name, version) → (license, set of dependencies)."""
    # Each line begins with its depth. Dependencies of repeated packages are omitted.
    tree = ["cargo", "tree", "--locked", "--edges", "normal,no-proc-macro", "--prefix", "depth", "--target", target]
    # Uses the installed toolchain; rustup must not download another one.
    variables = dict(os.environ, RUSTUP_DIST_SERVER="http://127.0.0.1:1")
    command = [*tree, "--format", "\t{p}\t{l}"]
    done = subprocess.run(command, cwd=PROJECT, env=variables, stdout=subprocess.PIPE, text=True, check=True)
    found, path = {}, []
    for line in done.stdout.splitlines():
        depth, package, license = line.split("\t")
        name, version = package.split()[:2]
        key = (name, version.removeprefix("v"))
        del path[int(depth) :]
        if path:
            found[path[-1]][1].add(key)
        found.setdefault(key, (license.removesuffix(" (*)"), set()))
        path.append(key)
    return found


def document(packages, checksums):
    (root, (license, _)), *others = packages.items()
    return {
        "bomFormat": "CycloneDX",
        "specVersion": "1.5",
        "version": 1,
        "metadata": {
            "lifecycles": [{"phase": "pre-build"}],
            "component": {"type": "application", **component(root, license), "name": PROGRAM},
        },
        "components": [
            {"type": "library", **component(key, license), "hashes": [hash_of(checksums[key])]}
            for key, (license, _) in sorted(others)
        ],
        "dependencies": [
            {"ref": purl(key), "dependsOn": sorted(purl(used) for used in uses)}
            for key, (_, uses) in sorted(packages.items())
        ],
    }


def component(key, license):
    name, version = key
    # Some crates still use the deprecated slash, which means OR.
    expression = " OR ".join(part.strip() for part in license.split("/"))
    licenses = [{"expression": expression}]
    return {"bom-ref": purl(key), "name": name, "version": version, "purl": purl(key), "licenses": licenses}


def hash_of(package):
    assert package["source"] == REGISTRY, f"{package['name']} is not from crates.io"
    return {"alg": "SHA-256", "content": package["checksum"]}


def purl(key):
    name, version = key
    return f"pkg:cargo/{name}@{quote(version, safe='')}"


if __name__ == "__main__":
    argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter).parse_args()
    sys.exit(main())
