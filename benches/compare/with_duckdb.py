"""Computes the totals and the top ten rejected groups of a flow log with DuckDB, in one thread."""

import gzip
import json
import sys

import duckdb

NUMBERS = {"version", "srcport", "dstport", "protocol", "packets", "bytes", "start", "end", "tcp-flags", "traffic-path"}

LOAD = """
CREATE TEMP TABLE log AS
SELECT action, "interface-id", srcaddr, dstaddr, dstport, protocol, packets, bytes, start, "end"
FROM read_csv($log, delim = ' ', header = true, nullstr = '-', columns = $columns)
"""

SUMS = """
SELECT count(*), count(*) FILTER (action = 'ACCEPT'), count(*) FILTER (action = 'REJECT'), sum(bytes) FILTER (action = 'REJECT')
FROM log
"""

TOP = """
SELECT count(*), sum(packets), sum(bytes), min(start), max("end") FROM log WHERE action = 'REJECT'
GROUP BY "interface-id", srcaddr, dstaddr, dstport, protocol
ORDER BY 1 DESC, 2 DESC, 3 DESC LIMIT 10
"""

with gzip.open(sys.argv[1], "rt") as log:
    names = log.readline().split()
columns = {name: "BIGINT" if name in NUMBERS else "VARCHAR" for name in names}
database = duckdb.connect(config={"threads": 1})
database.execute("SET enable_progress_bar = false")
# CREATE TABLE takes no parameters.
database.execute(LOAD.replace("$log", repr(sys.argv[1])).replace("$columns", repr(columns)))
sums = database.execute(SUMS).fetchone()
top = database.execute(TOP).fetchall()
print(json.dumps({"sums": [int(sum) for sum in sums], "top": [[int(cell) for cell in row[:3]] for row in top]}))
