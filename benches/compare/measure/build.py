"""Builds or installs the measured programs on first use, and reports their versions."""

import functools
import json
import os
import platform
import shutil
import subprocess
import sys
import tomllib
import venv
from datetime import date
from pathlib import Path

PROGRAMS = Path(__file__).resolve().parent.parent
PROJECT = PROGRAMS.parent.parent
TARGET = Path(os.environ.get("CARGO_TARGET_DIR", PROJECT / "target")).resolve()
FOLDER = TARGET / "bench"
PACKAGES = {"duckdb": "2.0.1", "polars": "2.1.0", "flowlogs-reader": "5.0.1", "pyarrow": "26.0.1"}

# Uses the installed toolchain; rustup must not download another one.
ENVIRONMENT = dict(os.environ, RUSTUP_DIST_SERVER="http://127.0.0.1:1")
# Rust programs are built for the processor of the function: cargo-lambda builds for x86-64-v3 (haswell) or Graviton2. On other machines,
# and with the option --baseline, for the baseline of the architecture, as `cargo build` does.
FUNCTION_CPU = {"x86_64": "x86-64-v3", "aarch64": "neoverse-n1"}
baseline = False


def flowsentry():
    """Returns the command, built for the processor of the function. `FLOWSENTRY` names one that is ready."""
    if ready := os.environ.get("FLOWSENTRY"):
        return Path(ready).resolve(strict=True)
    return built("flowsentry", PROJECT, "--no-default-features")


def function():
    return built("flowsentry-lambda", PROJECT)


def decompress():
    require_same_version("flate2", "zlib-rs")
    return built("decompress", PROGRAMS)


def generate():
    return built("generate", PROGRAMS)


def with_vrl():
    return built("with-vrl", PROGRAMS, "--features", "vrl")


@functools.cache
def python():
    """Returns the interpreter of a virtual environment with the Python programs to compare."""
    folder, wanted = FOLDER / "python", "\n".join(f"{name}=={version}" for name, version in PACKAGES.items())
    installed, interpreter = folder / "packages", folder / "bin" / "python"
    if not installed.exists() or installed.read_text() != wanted:
        shutil.rmtree(folder, ignore_errors=True)
        venv.create(folder, with_pip=True)
        subprocess.run([interpreter, "-m", "pip", "install", "--quiet", *wanted.splitlines()], check=True)
        installed.write_text(wanted)
    return interpreter


@functools.cache
def built(name, package, *features):
    """Builds a program with flowsentry's release profile and returns its path."""
    profile = manifest(PROJECT).get("profile", {}).get("release", {})
    # Settings for single packages concern AWS crates, which the other programs do not use.
    whole = {key: value for key, value in profile.items() if key != "package"}
    settings = [f"--config=profile.release.{key}={json.dumps(value)}" for key, value in whole.items()]
    cpu = target_cpu()
    # Programs for different processors have folders of their own.
    target = TARGET / "bench" / cpu if cpu else TARGET
    flags = {"RUSTFLAGS": f"-C target-cpu={cpu}"} if cpu else {}
    command = ["cargo", "build", "--release", "--locked", "--target-dir", target, "--bin", name, *features, *settings]
    subprocess.run(command, cwd=package, env=ENVIRONMENT | flags, check=True)
    return target / "release" / name


def target_cpu():
    """Returns the processor to build for, or `None` for the baseline of the architecture."""
    cpu = None if baseline else FUNCTION_CPU.get(platform.machine())
    return cpu if cpu != "x86-64-v3" or {"avx2", "bmi2"} <= set(cpu_flags()) else None


def require_same_version(*crates):
    """Exits unless the baseline uses the same versions of these crates as flowsentry."""
    for crate in crates:
        ours, its = locked(PROJECT, crate), locked(PROGRAMS, crate)
        if ours != its:
            sys.exit(f"{PROGRAMS}: {crate} is {its}, but {ours} in flowsentry: cargo update {crate} --precise {ours}")


def manifest(package):
    return tomllib.loads((package / "Cargo.toml").read_text())


def locked(package, crate):
    lock = tomllib.loads((package / "Cargo.lock").read_text())
    return next(entry["version"] for entry in lock["package"] if entry["name"] == crate)


def environment():
    """Describes date, machine and versions, as one sentence for the docs."""
    crates = [f"{crate} {locked(PROGRAMS, crate)}" for crate in ("zlib-rs", "vrl")]
    packages = [f"{name} {version}" for name, version in PACKAGES.items()]
    tools = [
        "flowsentry " + said("git", "describe", "--always", "--dirty"),
        " ".join(said("rustc", "--version").split()[:2]),
        "Python " + platform.python_version(),
        said("gzip", "--version"),
        said("awk", "-W", "version"),
        said("valgrind", "--version"),
    ]
    built_for = target_cpu() or "the baseline of the architecture"
    return f"{date.today()}, {processor()}, built for {built_for}, {', '.join(tools + crates + packages)}."


def said(*command):
    """The first line that a program says, or that there is no such program."""
    if not shutil.which(command[0]):
        return f"no {command[0]}"
    result = subprocess.run(command, cwd=PROJECT, stdin=subprocess.DEVNULL, capture_output=True, text=True)
    return (result.stdout or result.stderr).partition("\n")[0].strip()


def cpu_flags():
    """Returns the features of the processor, as Linux lists them for x86."""
    about = Path("/proc/cpuinfo").read_text() if platform.system() == "Linux" else ""
    return next((line.partition(":")[2].split() for line in about.splitlines() if line.startswith("flags")), [])


def processor():
    about = Path("/proc/cpuinfo").read_text() if platform.system() == "Linux" else ""
    values = dict(map(str.strip, line.split(":", 1)) for line in about.splitlines() if ":" in line)
    widest = next((f" with {name}" for name in ("avx512bw", "avx2") if name in cpu_flags()), "")
    return f"{os.cpu_count()} cores of {platform.machine()}{widest} ({values.get('model name', 'unknown')})"
