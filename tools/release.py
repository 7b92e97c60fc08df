#!/usr/bin/env python3
"""Makes the files of a release in target/dist. .github/workflows/release.yml calls these steps; none needs a network.

    python3 tools/release.py notes TAG                 checks the tag, and writes the changelog's section to target/notes.md
    python3 tools/release.py archive TARGET PROGRAM    archives the command, with the licenses
    python3 tools/release.py checksums                 writes SHA256SUMS

tests/aws/package.py makes the functions' packages, and tools/prebuilt.py the templates. The same files give the same archive,
byte for byte, with the same version of Python. Needs Python 3.11.
"""

import argparse
import gzip
import hashlib
import io
import os
import re
import sys
import tarfile
import tomllib
import zipfile
from pathlib import Path

PROJECT = Path(__file__).resolve().parent.parent
DIST = PROJECT / "target" / "dist"
NOTES = PROJECT / "target" / "notes.md"
# Targets of the command. The matrix of release.yml has the same.
TARGETS = [
    "x86_64-unknown-linux-gnu",
    "aarch64-unknown-linux-gnu",
    "aarch64-apple-darwin",
    "x86_64-pc-windows-msvc",
]
BESIDE = ["LICENSE-APACHE", "LICENSE-MIT", "README.md"]
# glibc of Amazon Linux 2023, which AWS CloudShell and the runtime provided.al2023 have, and of RHEL 9.
# https://docs.aws.amazon.com/linux/al2023/ug/compare-with-al2.html
GLIBC = (2, 34)
# The earliest time that a zip file can have, 1980-01-01, as a tuple and in Unix time.
ZIP_TIME, UNIX_TIME = (1980, 1, 1, 0, 0, 0), 315_532_800
PROGRAM_MODE, FILE_MODE = 0o755, 0o644


def main():
    arguments = parsed()
    DIST.mkdir(parents=True, exist_ok=True)
    match arguments.step:
        case "notes":
            NOTES.write_text(notes(arguments.tag))
        case "archive":
            path = archive(arguments.target, arguments.program)
            print(f"{path.relative_to(PROJECT)}: {path.stat().st_size:,} bytes")
        case "checksums":
            print(checksums(), end="")


def parsed():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    steps = parser.add_subparsers(dest="step", required=True)
    steps.add_parser("notes").add_argument("tag")
    archive = steps.add_parser("archive")
    archive.add_argument("target", choices=TARGETS)
    archive.add_argument("program", type=Path)
    steps.add_parser("checksums")
    return parser.parse_args()


def manifest():
    return tomllib.loads((PROJECT / "Cargo.toml").read_text())["package"]


def notes(tag):
    """Returns the changelog's section of a tag, which must be the version of Cargo.toml."""
    package = manifest()
    version = package["version"]
    if tag != f"v{version}":
        sys.exit(f"the tag is {tag}, but Cargo.toml has the version {version}")
    # `cargo binstall` downloads from there.
    here = f"{os.environ.get('GITHUB_SERVER_URL', '')}/{os.environ.get('GITHUB_REPOSITORY', '')}"
    if here != "/" and package.get("repository") != here:
        sys.exit(f"Cargo.toml needs repository = \"{here}\", so that cargo binstall finds this release")
    changelog = (PROJECT / "CHANGELOG.md").read_text()
    sections = re.split(r"^## ", changelog, flags=re.MULTILINE)
    for section in sections[1:]:
        heading, _, text = section.partition("\n")
        if heading.split()[:1] == [version] and text.strip():
            return text.strip() + "\n"
    sys.exit(f"CHANGELOG.md has no section {version}, or an empty one")


def archive_name(target):
    return f"flowsentry-v{manifest()['version']}-{target}" + (".zip" if "windows" in target else ".tar.gz")


def archive(target, program):
    """Writes the archive of the command for a target and returns its path."""
    if target.endswith("linux-gnu"):
        require_glibc(program)
    path = DIST / archive_name(target)
    folder = path.name.removesuffix(".zip").removesuffix(".tar.gz")
    name = "flowsentry.exe" if path.suffix == ".zip" else "flowsentry"
    files = {f"{folder}/{name}": (program.read_bytes(), PROGRAM_MODE)}
    files |= {f"{folder}/{name}": ((PROJECT / name).read_bytes(), FILE_MODE) for name in BESIDE}
    path.write_bytes(zipped(files) if path.suffix == ".zip" else tar_gz(files))
    return path


def function_zip(name, architecture, program):
    """Writes the package of a function, as Lambda wants it, and returns its path."""
    require_glibc(program)
    DIST.mkdir(parents=True, exist_ok=True)
    path = DIST / f"{name}-{architecture}.zip"
    path.write_bytes(zipped({"bootstrap": (program.read_bytes(), PROGRAM_MODE)}))
    return path


def zipped(files):
    """Returns a zip file of (content, mode) by path."""
    output = io.BytesIO()
    with zipfile.ZipFile(output, "w") as package:
        for name, (content, mode) in files.items():
            entry = zipfile.ZipInfo(name, ZIP_TIME)
            # Made by Unix, whatever the machine: otherwise the mode is lost.
            entry.create_system, entry.external_attr = 3, (0o100000 | mode) << 16
            package.writestr(entry, content, zipfile.ZIP_DEFLATED, compresslevel=9)
    return output.getvalue()


def tar_gz(files):
    """Returns a compressed tar file of (content, mode) by path, owned by root."""
    output = io.BytesIO()
    with tarfile.open(fileobj=output, mode="w", format=tarfile.USTAR_FORMAT) as package:
        for name, (content, mode) in files.items():
            entry = tarfile.TarInfo(name)
            entry.size, entry.mode, entry.mtime = len(content), mode, UNIX_TIME
            package.addfile(entry, io.BytesIO(content))
    return gzip.compress(output.getvalue(), mtime=0)


def require_glibc(program):
    if (newest := newest_glibc(program)) > GLIBC:
        sys.exit(f"{program} needs glibc {newest[0]}.{newest[1]}; build it on a system with {GLIBC[0]}.{GLIBC[1]} or older")


def newest_glibc(program):
    """Returns the newest glibc version that a program requires."""
    versions = re.findall(rb"GLIBC_(\d+)\.(\d+)", program.read_bytes())
    return max(((int(major), int(minor)) for major, minor in versions), default=(0, 0))


def checksums():
    """Writes SHA256SUMS, for `sha256sum --check`, and returns it."""
    paths = [path for path in sorted(DIST.iterdir()) if path.is_file() and path.name != "SHA256SUMS"]
    lines = [f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {path.name}\n" for path in paths]
    (DIST / "SHA256SUMS").write_text("".join(lines))
    return "".join(lines)


if __name__ == "__main__":
    sys.exit(main())
