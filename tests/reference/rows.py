"""Rows of the summary: sums, times, and their order."""

import ipaddress
from datetime import datetime, timezone

from logs import MAX

SEVERITIES = ["high", "medium", "low"]


def order(value):
    """Sort key of a key's part: null, numbers and addresses by value, the rest as text; lists by their parts."""
    if value is None:
        return (0,)
    if isinstance(value, (ipaddress.IPv4Address, ipaddress.IPv6Address)):
        return (1, value.version, int(value))
    if isinstance(value, list):
        return (1, *map(order, value))
    return (1, value)


def sorted_rows(rows, keys):
    """Sorts by flows, packets, bytes, each descending, then by key ascending."""
    return sorted(rows, key=lambda row: (-row["flows"], -row["packets"], -row["bytes"], *(order(row[key]) for key in keys)))


def sorted_by_both(rows, keys):
    return sorted(rows, key=lambda row: (-row["accepted"]["flows"] - row["rejected"]["flows"],
                                         *(order(row[key]) for key in keys)))


def sorted_findings(rows):
    return sorted(rows, key=lambda row: (SEVERITIES.index(row["severity"]), -row["flows"], row["type"],
                                         *map(order, row["subject"].values())))


def total(records):
    return {"flows": len(records), "packets": min(sum(record.packets for record in records), MAX),
            "bytes": min(sum(record.bytes for record in records), MAX)}


def as_time(seconds):
    return None if seconds is None else datetime.fromtimestamp(seconds, timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")


def span(records):
    """Returns least start and greatest end, as times."""
    starts = [record.start for record in records if record.start is not None]
    ends = [record.end for record in records if record.end is not None]
    return as_time(min(starts, default=None)), as_time(max(ends, default=None))
