"""The workflows on GitHub, as far as they can be checked without it: their parts, names and pinned actions."""

import re
import subprocess

import pytest
import yaml

from run import PROJECT
from test_release import ARCHITECTURES
from test_tools import load

WORKFLOWS = sorted((PROJECT / ".github" / "workflows").glob("*.yml"))


def jobs(name):
    return yaml.safe_load((PROJECT / ".github" / "workflows" / name).read_text())["jobs"]


def steps(jobs):
    return [step for job in jobs.values() for step in job["steps"]]


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_actions_are_pinned(path):
    """To a commit, with the version as comment: a tag can be moved."""
    used = re.findall(r"uses: (.+)", path.read_text())
    assert used and all(re.fullmatch(r"[\w-]+/[\w-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+", one) for one in used), used
    for step in steps(jobs(path.name)):
        if step.get("uses", "").startswith("actions/checkout@"):
            assert step["with"]["persist-credentials"] is False
    assert yaml.safe_load(path.read_text())["permissions"] == {"contents": "read"}


def test_jobs_run_all_parts_of_the_gate():
    gate = (PROJECT / ".ci" / "run").read_text()
    parts = set(re.findall(r"^part_(\w+)\(\)", gate, re.MULTILINE))
    checks = jobs("ci.yml")["checks"]
    # `release` is two other parts, with one compilation.
    named = " ".join(row["parts"] for row in checks["strategy"]["matrix"]["include"])
    assert set(named.split()) == parts - {"release"}
    assert checks["steps"][-1]["run"] == "bash .ci/run ${{ matrix.parts }}"
    # The gate runs all of them but `core`, whose tests are among those of `test`.
    everything, release = (gate.partition(f"{name}() {{")[2].partition("\n}\n")[0] for name in ["everything", "part_release"])
    called = set(re.findall(r'(?:part_|"\$0" |\.ci/run )([a-z]+)', everything + release))
    assert called == parts - {"core"}


def test_gate_names_its_parts():
    done = subprocess.run(["bash", PROJECT / ".ci" / "run", "lints"], capture_output=True, text=True)
    assert done.returncode == 2 and done.stderr.startswith("no part 'lints'; the parts are: aws command core crate docs")


def test_release_has_all_targets():
    release = load("release")
    named = jobs("release.yml")
    matrix = lambda job: named[job]["strategy"]["matrix"]["include"]
    assert [row["target"] for row in matrix("command")] == release.TARGETS
    assert sorted(row["architecture"] for row in matrix("functions")) == ARCHITECTURES
    # Only the last job may write, after all others.
    assert [name for name, job in named.items() if "permissions" in job] == ["release"]
    assert set(named["release"]["needs"]) == {"command", "functions"}


def test_workflows_call_existing_tools():
    makefile = (PROJECT / "Makefile").read_text()
    called = 0
    for name in ["ci.yml", "release.yml"]:
        for step in steps(jobs(name)):
            for path in re.findall(r"python3? (\S+\.py)", step.get("run", "")):
                assert (PROJECT / path).exists()
                called += 1
            for target in re.findall(r"make ([a-z]+)", step.get("run", "")):
                assert re.search(rf"^{target}:", makefile, re.MULTILINE)
                called += 1
    assert called >= 7
