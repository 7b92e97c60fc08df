"""The timeline, and the lists of the heaviest sources, ports, and pairs of addresses."""

from collections import defaultdict

from rows import as_time, order, sorted_rows, total

BUCKETS = 240
ROWS = 10


def timeline(report):
    """Buckets of a minute, doubled until all records fit into 240 of them, from the first to the last."""
    records = [record for record in report.analysed if record.start is not None]
    if not records:
        return []
    seconds = 60
    while max(record.start for record in records) // seconds - min(record.start for record in records) // seconds >= BUCKETS:
        seconds *= 2
    of = defaultdict(list)
    for record in records:
        of[record.start // seconds].append(record)

    def row(number):
        sums = {action: total([record for record in of[number] if record.action == word])
                for action, word in (("accepted", "ACCEPT"), ("rejected", "REJECT"))}
        return {"start": as_time(number * seconds), "seconds": seconds} | sums

    return [row(number) for number in range(min(of), max(of) + 1)]


def top(report):
    return {
        "rejected_sources": heaviest(report.rejected, ("srcaddr",), lambda record: (record.src,)),
        "rejected_ports": heaviest(report.rejected, ("protocol", "dstport"), lambda record: (record.protocol, record.dstport)),
        "talkers": talkers(report),
    }


def heaviest(records, names, key):
    rows = defaultdict(list)
    for record in records:
        rows[key(record)].append(record)
    return sorted_rows([dict(zip(names, parts)) | total(of) for parts, of in rows.items()], names)[:ROWS]


def talkers(report):
    """Pairs with the most accepted bytes, each at the interface that has the most of its bytes."""
    pairs = defaultdict(lambda: defaultdict(list))
    for record in report.accepted:
        if record.src is not None and record.dst is not None:
            pairs[record.src, record.dst][record.interface_id].append(record)
    rows = []
    for (src, dst), interfaces in pairs.items():
        rows.append(min(({"interface_id": id, "srcaddr": src, "dstaddr": dst, "accepted": total(records)}
                         for id, records in interfaces.items()), key=by_bytes))
    return sorted(rows, key=by_bytes_and_pair)[:ROWS]


def by_bytes(row):
    sums = row["accepted"]
    return -sums["bytes"], -sums["packets"], -sums["flows"], order(row["interface_id"])


def by_bytes_and_pair(row):
    return *by_bytes(row)[:3], order(row["srcaddr"]), order(row["dstaddr"])
