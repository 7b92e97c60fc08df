#!/usr/bin/env python3
"""Packages the crate like `cargo publish`, and checks its size, its files, and that these alone compile.

    python3 tools/crate.py

Needs Python 3.11 and cargo; without a network, run `cargo fetch --locked` before.
"""

import os
import shutil
import subprocess
import sys
import tarfile

from release import PROJECT, manifest

TARGET = PROJECT / "target"
# The limit of crates.io is 10 MB. The crate has a tenth of that; more would be a file that nobody wants.
MOST_BYTES = 2_000_000
# Besides these there are only sources.
FILES = {
    ".cargo_vcs_info.json",
    "CHANGELOG.md",
    "Cargo.lock",
    "Cargo.toml",
    "Cargo.toml.orig",
    "LICENSE-APACHE",
    "LICENSE-MIT",
    "README.md",
}


def main():
    # Without verification, which would build all dependencies again.
    cargo("package", "--locked", "--no-verify", "--allow-dirty", "--quiet", "--target-dir", TARGET)
    name = f"{manifest()['name']}-{manifest()['version']}"
    crate = TARGET / "package" / f"{name}.crate"
    with tarfile.open(crate) as package:
        files = {path.removeprefix(f"{name}/") for path in package.getnames()}
        others = {path for path in files if not path.startswith("src/")}
        # There is no .cargo_vcs_info.json if files have changed since the last commit.
        assert FILES - {".cargo_vcs_info.json"} <= others <= FILES, others ^ FILES
        folder = TARGET / "package" / "unpacked"
        shutil.rmtree(folder, ignore_errors=True)
        package.extractall(folder, filter="data")
    print(f"{crate.name}: {crate.stat().st_size:,} bytes, {len(files)} files")
    assert crate.stat().st_size <= MOST_BYTES
    # Without the AWS crates. --examples (there are none) gives the dependencies the same features as clippy, so they are not compiled again.
    targets = ["--lib", "--bins", "--examples"]
    cargo("check", "--locked", "--no-default-features", *targets, "--quiet", "--target-dir", TARGET, cwd=folder / name)


def cargo(*arguments, cwd=PROJECT):
    # Uses the installed toolchain; rustup must not download another one.
    variables = dict(os.environ, RUSTUP_DIST_SERVER="http://127.0.0.1:1")
    subprocess.run(["cargo", *arguments], cwd=cwd, env=variables, check=True)


if __name__ == "__main__":
    sys.exit(main())
