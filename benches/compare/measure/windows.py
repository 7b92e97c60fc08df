"""Measures a report over many objects: a closed partial of each, merged at once and in a tree.

The growth of `merge` is measured by the number of partials, and by the number of rejected groups in each.
"""

import json
import shutil
import subprocess
from concurrent.futures import ThreadPoolExecutor
from os import cpu_count

from . import build, logs
from .flowsentry import FEW_BLOCKS, ONE_THREAD, summary
from .rounds import median, print_table, rounds, show_progress, timed

# Objects, and records of each.
BY_NUMBER = (10_000, 300)
PARTIALS = [100, 1_000, 10_000]
# The last has more rejected groups than the limit.
BY_GROUPS = [(1_000, 100), (1_000, 1_000), (1_000, 3_000), (1_000, 10_000)]
FAN_IN = 64

ROUNDS = 3
HEAD = ["partials", "records of each", "MB of partials", "groups", "CPU s", "CPU µs a partial", "CPU s a MB", "peak MiB"]


def measure():
    topology = logs.topology(FEW_BLOCKS)
    archive = Archive(*BY_NUMBER, topology)
    by_number = {count: archive.partials[:count] for count in PARTIALS}
    print_table(
        f"Merging closed partials, by their number; medians of {ROUNDS} rounds.",
        HEAD,
        [row(archive, partials, topology) for partials in by_number.values()],
    )
    archives = [Archive(*size, topology) for size in BY_GROUPS]
    print_table(
        f"Merging closed partials, by the size of each; medians of {ROUNDS} rounds.",
        HEAD,
        [row(other, other.partials, topology) for other in archives],
    )
    compare_with_tree(archive, topology)


def row(archive, partials, topology):
    command = merge(topology, partials)
    [runs] = rounds({f"{len(partials)} partials": command}, ROUNDS).values()
    groups = summary(command)["rejected"]["group_count"]
    cpu, memory = median(runs, "cpu"), median(runs, "memory")
    megabytes = sum(partial.stat().st_size for partial in partials) / 1e6
    per_partial = f"{cpu / len(partials) * 1e6:,.0f}"
    return [
        f"{len(partials):,}",
        f"{archive.records:,}",
        f"{megabytes:.2f}",
        f"{groups:,}",
        f"{cpu:.2f}",
        per_partial,
        f"{cpu / megabytes:.2f}",
        f"{memory:,.0f}",
    ]


def merge(topology, partials, *options):
    return [build.flowsentry(), "merge", *(options or ["--format", "json"]), "--topology", topology, *partials]


def compare_with_tree(archive, topology):
    """Merges by the levels of the plan, and compares the report with that of one merge."""
    [flat] = rounds({"one merge": merge(topology, archive.partials)}, 1).values()
    tree, report = [], None
    parts = archive.partials
    folder = fresh(archive.folder / "tree")
    for number, level in enumerate(archive.plan["levels"]):
        merged = []
        for index, part in enumerate(level):
            show_progress(f"level {number}, merge {index + 1} of {len(level)}")
            children = parts[part["start"] : part["end"]]
            if len(level) == 1:
                tree.append(timed(merge(topology, children)))
                report = summary(merge(topology, children))
            else:
                merged.append(folder / f"{number}-{index:05}.fspart")
                tree.append(timed(merge(topology, children, "--partial", merged[-1])))
        parts = merged
    show_progress("")
    if report != summary(merge(topology, archive.partials)):
        raise SystemExit("the report of the tree differs from that of one merge")
    rows = [
        ["one merge", "1", f"{flat[0].cpu:.2f}", f"{flat[0].memory:,.0f}"],
        [
            f"tree of {FAN_IN}",
            str(len(tree)),
            f"{sum(run.cpu for run in tree):.2f}",
            f"{max(run.memory for run in tree):,.0f}",
        ],
    ]
    title = f"{len(archive.partials):,} partials in one merge and in a tree, whose reports are equal."
    print_table(title, ["way", "merges", "CPU s, all merges", "peak MiB, of one"], rows)


class Archive:
    """Objects of a generated log, their plan with one object a batch, and the closed partial of each batch."""

    def __init__(self, objects, records, topology):
        self.records = records
        self.folder = fresh(build.FOLDER / f"archive-{objects}-{records}")
        show_progress(f"{objects:,} objects of {records:,} records")
        log = self.folder / "logs"
        logs.generate("--files", objects, "--records", objects * records, "--malformed", 0, "--out", log)
        run("plan", "--max-batch-objects", 1, "--fan-in", FAN_IN, "--output", self.folder / "plan", log)
        self.plan = json.loads((self.folder / "plan" / "plan.json").read_text())
        batches = sorted((self.folder / "plan" / "batches").iterdir())
        partials = fresh(self.folder / "partials")
        self.partials = [partials / f"{batch.stem}.fspart" for batch in batches]

        def analyze(batch, partial):
            run("analyze", *ONE_THREAD, "--topology", topology, "--close", "--inputs-from", batch, "--partial", partial)

        with ThreadPoolExecutor(cpu_count()) as pool:
            list(pool.map(analyze, batches, self.partials))
        show_progress("")


def run(*arguments):
    subprocess.run([build.flowsentry(), *map(str, arguments)], check=True, stdout=subprocess.DEVNULL)


def fresh(folder):
    """Returns an empty folder."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    return folder
