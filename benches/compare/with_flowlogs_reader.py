"""Computes the totals and the top ten rejected groups of a flow log with flowlogs-reader, with its code path for S3."""

import csv
import gzip
import json
import sys
from collections import defaultdict

from flowlogs_reader import FlowRecord

total = accepted = 0
groups = defaultdict(lambda: [0, 0, 0])
with gzip.open(sys.argv[1], "rt") as log:
    lines = csv.DictReader(log, delimiter=" ")
    lines.fieldnames = [name.replace("-", "_") for name in lines.fieldnames]
    for record in map(FlowRecord, lines):
        total += 1
        accepted += record.action == "ACCEPT"
        if record.action == "REJECT":
            group = groups[record.interface_id, record.srcaddr, record.dstaddr, record.dstport, record.protocol]
            group[0] += 1
            group[1] += record.packets
            group[2] += record.bytes
sums = [total, accepted, sum(group[0] for group in groups.values()), sum(group[2] for group in groups.values())]
print(json.dumps({"sums": sums, "top": sorted(groups.values(), reverse=True)[:10]}))
