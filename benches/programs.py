#!/usr/bin/env python3
"""Measures whole programs at the same work, on the same file, in the same run.

    python3 benches/programs.py [--records 3260000] [--runs 7] [--blocks 200] [--format default]

Makes a virtual environment in target/bench with what it compares with, builds flowsentry, and makes a flow log. The
programs run in turn, so that what disturbs one disturbs all; figures are CPU seconds (user and system), and ratios are
the medians of the ratios of each turn. Before anything is timed, all programs have to give the same answer.
"""

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import venv
from pathlib import Path

PROJECT = Path(__file__).resolve().parent.parent
FOLDER = PROJECT / "target" / "bench"
PACKAGES = ["duckdb==2.0.1", "polars==2.1.0"]

DUCKDB = """
import duckdb, json, sys
con = duckdb.connect(); con.execute("SET threads TO " + sys.argv[2]); con.execute("SET enable_progress_bar = false")
con.execute('''CREATE TEMP VIEW log AS SELECT * FROM read_csv(?, delim=' ', header=true, nullstr='-', columns={
 'version':'INTEGER','account-id':'VARCHAR','interface-id':'VARCHAR','srcaddr':'VARCHAR','dstaddr':'VARCHAR',
 'srcport':'INTEGER','dstport':'INTEGER','protocol':'INTEGER','packets':'BIGINT','bytes':'BIGINT','start':'BIGINT',
 'end':'BIGINT','action':'VARCHAR','log-status':'VARCHAR'})'''.replace('?', "'" + sys.argv[1] + "'"))
rows = con.execute('''SELECT action, "interface-id", srcaddr, dstaddr, dstport, protocol, count(*), sum(packets), sum(bytes),
 min(start), max("end") FROM log WHERE action IS NOT NULL AND action = 'REJECT' GROUP BY ALL
 ORDER BY 7 DESC, 8 DESC, 9 DESC LIMIT 10''').fetchall()
sums = con.execute('''SELECT count(*), count(*) FILTER (action = 'ACCEPT'), count(*) FILTER (action = 'REJECT'),
 sum(bytes) FILTER (action = 'REJECT') FROM log''').fetchone()
print(json.dumps({"sums": sums, "top": [list(row[6:9]) for row in rows]}))
"""
# One scan for both answers.
DUCKDB = DUCKDB.replace("CREATE TEMP VIEW log", "CREATE TEMP TABLE log").replace(
    "SELECT * FROM read_csv",
    "SELECT action, \"interface-id\", srcaddr, dstaddr, dstport, protocol, packets, bytes, start, \"end\" FROM read_csv",
)

POLARS = """
import os, sys, json
os.environ["POLARS_MAX_THREADS"] = "1"
import polars as pl
log = pl.read_csv(sys.argv[1], separator=" ", null_values="-", schema_overrides={"account-id": pl.String})
rejected = log.filter(pl.col("action") == "REJECT")
top = (rejected.group_by(["interface-id", "srcaddr", "dstaddr", "dstport", "protocol"])
  .agg(pl.len().alias("flows"), pl.col("packets").sum(), pl.col("bytes").sum(), pl.col("start").min(), pl.col("end").max())
  .sort(["flows", "packets", "bytes"], descending=True).head(10))
accepted = log.filter(pl.col("action") == "ACCEPT").height
print(json.dumps({"sums": [log.height, accepted, rejected.height, rejected["bytes"].sum()],
  "top": [list(row) for row in top.select(["flows", "packets", "bytes"]).rows()]}))
"""

AWK = r"""
NR == 1 { next }
{ total++ }
$13 == "ACCEPT" { accepted++ }
$13 == "REJECT" { rejected++; bytes += $10; key = $3 " " $4 " " $5 " " $7 " " $8; flows[key]++; packets[key] += $9; sums[key] += $10 }
END { for (key in flows) print flows[key], packets[key], sums[key] | "sort -k1,1nr -k2,2nr -k3,3nr | head -10";
  close("sort -k1,1nr -k2,2nr -k3,3nr | head -10"); print total, accepted, rejected, bytes }
"""


def main():
    arguments = parsed()
    FOLDER.mkdir(parents=True, exist_ok=True)
    python = environment()
    flowsentry, decompress, generate = built()
    log, topology = made(generate, arguments)
    programs = {
        "decompression alone": [decompress, log],
        "flowsentry": [flowsentry, "analyze", "--format", "json", "--topology", topology, log],
        "flowsentry, no topology": [flowsentry, "analyze", "--format", "json", log],
        "gzip -dc": ["gzip", "-dc", log],
    }
    if arguments.format == "default":
        programs |= {
            "DuckDB, 1 thread": [python, "-c", DUCKDB, log, "1"],
            "polars, 1 thread": [python, "-c", POLARS, log],
            "gzip -dc | awk": ["sh", "-c", 'gzip -dc "$0" | awk "$1"', log, AWK],
        }
    compare(programs)
    report(programs, runs(programs, arguments.runs))


def parsed():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--records", type=int, default=3_260_000, help="75 MB of gzip, more than AWS puts in a file")
    parser.add_argument("--runs", type=int, default=7)
    parser.add_argument("--blocks", type=int, default=200, help="CIDR blocks of the topology")
    parser.add_argument("--format", choices=["default", "wide"], default="default")
    return parser.parse_args()


def environment():
    """The interpreter of a virtual environment with what flowsentry is compared with."""
    folder, wanted = FOLDER / "python", "\n".join(PACKAGES)
    installed, python = folder / "packages", folder / "bin" / "python"
    if not installed.exists() or installed.read_text() != wanted:
        shutil.rmtree(folder, ignore_errors=True)
        venv.create(folder, with_pip=True)
        subprocess.run([python, "-m", "pip", "install", "--quiet", *PACKAGES], check=True)
        installed.write_text(wanted)
    return python


def built():
    build = ["cargo", "build", "--release", "--locked", "--no-default-features"]
    variables = dict(os.environ, RUSTUP_DIST_SERVER="http://127.0.0.1:1")
    subprocess.run([*build, "--bin", "flowsentry"], cwd=PROJECT, env=variables, check=True)
    subprocess.run([*build, "--example", "decompress", "--example", "generate"], cwd=PROJECT, env=variables, check=True)
    release = PROJECT / "target" / "release"
    return release / "flowsentry", release / "examples" / "decompress", release / "examples" / "generate"


def made(generate, arguments):
    """A flow log, and a topology with so many blocks, each of a VPC of its own but those of the log."""
    name = f"{arguments.format}-{arguments.records}"
    log, network = FOLDER / f"{name}.log.gz", FOLDER / f"{name}-network"
    if not log.exists():
        subprocess.run(
            [generate, "--records", str(arguments.records), "--format", arguments.format, "--malformed", "0",
             "--topology", network, "--out", log],
            check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )
    topology = FOLDER / f"{name}-{arguments.blocks}-blocks"
    shutil.rmtree(topology, ignore_errors=True)
    shutil.copytree(network, topology)
    vpcs = json.loads((topology / "vpcs.json").read_text())
    known = sum(1 + len(vpc.get("CidrBlockAssociationSet", [])[1:]) for vpc in vpcs["Vpcs"])
    for number in range(max(0, arguments.blocks - known)):
        block = f"100.{64 + number // 4096}.{number // 16 % 256}.{number % 16 * 16}/28"
        vpcs["Vpcs"].append({"VpcId": f"vpc-{number:017x}", "CidrBlock": block})
    (topology / "vpcs.json").write_text(json.dumps(vpcs))
    return log, topology


def compare(programs):
    """Ends unless all programs that answer give the same answer."""
    answers = {name: answer(name, output(command)) for name, command in programs.items()}
    answers = {name: answer for name, answer in answers.items() if answer}
    (first, expected), *others = answers.items()
    for name, found in others:
        if found != expected:
            sys.exit(f"{name} and {first} do not agree:\n{json.dumps(found)}\n{json.dumps(expected)}")
    print(f"all {len(answers)} agree: {expected['sums'][0]:,} records, {expected['sums'][2]:,} rejected")


def output(command):
    return subprocess.run(command, check=True, capture_output=True).stdout


def answer(name, output):
    """Records, accepted and rejected ones, bytes of these, and flows, packets and bytes of the ten first groups."""
    if name.startswith("flowsentry"):
        summary = json.loads(output)
        counts, rejected = summary["records"], summary["traffic"]["rejected"]
        top = [[group["flows"], group["packets"], group["bytes"]] for group in summary["rejected"]["groups"][:10]]
        return {"sums": [counts["total"], counts["accepted"], counts["rejected"], rejected["bytes"]], "top": top}
    if name.startswith(("DuckDB", "polars")):
        answer = json.loads(output)
        return {"sums": [int(sum) for sum in answer["sums"]], "top": [[int(cell) for cell in row] for row in answer["top"]]}
    if name.endswith("awk"):
        *top, sums = [[int(float(cell)) for cell in line.split()] for line in output.decode().splitlines()]
        return {"sums": sums, "top": top}
    return None


def runs(programs, count):
    """For each program, (CPU seconds, wall seconds, peak memory in MiB) of each turn."""
    figures = {name: [] for name in programs}
    for turn in range(count):
        for name, command in programs.items():
            figures[name].append(timed(command))
            print(f"\rturn {turn + 1} of {count}: {name:30}", end="", file=sys.stderr)
    print(file=sys.stderr)
    return figures


# The peak memory of a process is at least that of the process which started it: so that is a small one, of some 9 MiB.
TIMED = """
import os, sys, time
started = time.perf_counter()
child = os.posix_spawnp(sys.argv[1], sys.argv[1:], os.environ, file_actions=[(os.POSIX_SPAWN_OPEN, 1, os.devnull, os.O_WRONLY, 0)])
_, status, used = os.wait4(child, 0)
print(used.ru_utime + used.ru_stime, time.perf_counter() - started, used.ru_maxrss / 1024, status)
"""


def timed(command):
    figures = subprocess.run([sys.executable, "-S", "-c", TIMED, *command], check=True, capture_output=True).stdout
    *figures, status = map(float, figures.split())
    if status != 0:
        sys.exit(f"{command} failed")
    return figures


def report(programs, figures):
    print(f"\n{'program':26} {'CPU s':>7} {'least':>7} {'most':>7} {'÷ decompression':>16} {'÷ flowsentry':>13} {'wall s':>7} {'MiB':>6}")
    for name in programs:
        cpu = [run[0] for run in figures[name]]
        ratio = lambda other: statistics.median(a[0] / b[0] for a, b in zip(figures[name], figures[other]))
        wall, memory = (statistics.median(run[column] for run in figures[name]) for column in (1, 2))
        print(
            f"{name:26} {statistics.median(cpu):7.2f} {min(cpu):7.2f} {max(cpu):7.2f} "
            f"{ratio('decompression alone'):16.2f} {ratio('flowsentry'):13.2f} {wall:7.2f} {memory:6.0f}"
        )


if __name__ == "__main__":
    main()
