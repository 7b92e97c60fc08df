"""Computes the totals and the top ten rejected groups of a flow log with polars, in one thread."""

import json
import os
import sys

os.environ["POLARS_MAX_THREADS"] = "1"
import polars as pl  # polars reads the variable on import.

TEXT, NUMBER = pl.String, pl.Int64
COLUMNS = {"interface-id": TEXT, "srcaddr": TEXT, "dstaddr": TEXT, "dstport": NUMBER, "protocol": NUMBER, "packets": NUMBER,
           "bytes": NUMBER, "start": NUMBER, "end": NUMBER, "action": TEXT}  # fmt: skip

log = pl.read_csv(sys.argv[1], separator=" ", null_values="-", columns=list(COLUMNS), schema_overrides=COLUMNS)
accepted = log.filter(pl.col("action") == "ACCEPT").height
rejected = log.filter(pl.col("action") == "REJECT")
groups = rejected.group_by("interface-id", "srcaddr", "dstaddr", "dstport", "protocol").agg(
    pl.len().alias("flows"), pl.col("packets").sum(), pl.col("bytes").sum(), pl.col("start").min(), pl.col("end").max()
)
order = ["flows", "packets", "bytes"]
top = groups.sort(order, descending=True).head(10).select(order).rows()
sums = [log.height, accepted, rejected.height, rejected["bytes"].sum()]
print(json.dumps({"sums": sums, "top": [list(row) for row in top]}))
