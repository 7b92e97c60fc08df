"""The sections of the summary other than the findings."""

from collections import Counter, defaultdict

from by_time import timeline, top as top_section
from findings import THRESHOLDS, findings
from logs import contains
from rows import sorted_by_both, sorted_rows, span, total
from terms import agreed, main_cause, pair_of
from topology import blocks_of


def described(report, records, side):
    """src{} or dst{} of a group, without names."""
    address = getattr(records[0], side)
    row = dict.fromkeys(("scope", "vpc_id", "subnet_id", "interface_id", "service"))
    if address is None:
        return row
    place = records[0].group_places[("src", "dst").index(side)]
    row["scope"] = "vpc" if place.is_known else "public" if report.topology.is_public(address) else "private"
    row["vpc_id"] = place.vpc
    owner = report.owner(address, place)
    if owner:
        row |= {"vpc_id": owner.vpc, "interface_id": owner.id, "subnet_id": owner.subnet, "service": owner.service}
    if row["vpc_id"] and not row["subnet_id"]:
        subnets = [(block.prefixlen, id) for id, item in report.topology.subnets.items() for block in blocks_of(item)
                   if item.get("VpcId") == row["vpc_id"] and contains(block, address)]
        row["subnet_id"] = max(subnets, default=(None, None))[1]
    return row


def group_rows(report):
    keys = ("interface_id", "srcaddr", "dstaddr", "dstport", "protocol")
    rows = []
    for key, records in report.groups.items():
        causes = Counter(record.cause for record in records)
        first_seen, last_seen = span(records)
        rows.append(dict(zip(keys, key)) | {
            "direction": report.directions[key], "cause": main_cause(records), "causes": dict(sorted(causes.items())),
            "denied_by": report.denied_by[key]} | total(records) | {
            "first_seen": first_seen, "last_seen": last_seen,
            "src": described(report, records, "src"), "dst": described(report, records, "dst")})
    return sorted_rows(rows, keys)


def by(records, name, key, **others):
    """Sums records by key(record); `others` make more columns from the records of a row."""
    rows = defaultdict(list)
    for record in records:
        rows[key(record)].append(record)
    return sorted_rows([{name: value} | {column: make(value, of) for column, make in others.items()} | total(of)
                        for value, of in rows.items()], [name])


def by_rule(report):
    """Sums, by element of `denied_by`, the records which that element refused: those of its group whose cause is its kind."""
    keys = ("kind", "id", "rule_number", "ids", "direction")
    rows = defaultdict(list)
    for group, records in report.groups.items():
        for element in report.denied_by[group]:
            refused = [record for record in records if record.cause == element["kind"]]
            if refused:
                ids = tuple(element["ids"]) if "ids" in element else None
                rows[element["kind"], element.get("id"), element.get("rule_number"), ids, report.directions[group]].append(refused)
    made = [dict(zip(keys, key)) | {"ids": key[3] and list(key[3]), "group_count": len(groups)} | total(sum(groups, []))
            for key, groups in rows.items()]
    return sorted_rows(made, keys)


def rejected_section(report, top):
    groups = group_rows(report)

    def interface_says(attribute):
        return lambda interface, _: agreed(getattr(record, attribute) for record in report.of_interface[interface])

    return {
        "group_count": len(groups), "groups": groups[:top],
        "by_cause": by(report.rejected, "cause", lambda record: record.cause),
        "by_rule": by_rule(report),
        "by_interface": by(report.rejected, "interface_id", lambda record: record.interface_id,
                           vpc_id=interface_says("own_vpc"), subnet_id=interface_says("own_subnet")),
        "by_subnet": by(report.rejected, "subnet_id", lambda record: record.own_subnet,
                        vpc_id=lambda _, records: agreed(record.own_vpc for record in records)),
        "by_vpc": by(report.rejected, "vpc_id", lambda record: record.own_vpc),
    }


def peering_section(report):
    if not report.has_topology:
        return None
    pairs = defaultdict(list)
    for record in report.analysed:
        if record.is_cross_vpc:
            pairs[pair_of(record)].append(record)
    rows, sums = [], defaultdict(lambda: ([], []))
    for (src, dst), records in pairs.items():
        accepted, rejected = counted_once(records, src, dst)
        connections = report.topology.active_between(src, dst) or report.topology.between(src, dst)
        id = connections[0].id if connections else None
        rows.append({"src_vpc_id": src, "dst_vpc_id": dst, "peering_connection_id": id,
                     "accepted": total(accepted), "rejected": total(rejected)})
        if id:
            sums[id][0].extend(accepted)
            sums[id][1].extend(rejected)
    connections = [connection_row(report.topology.connections[id], *lists) for id, lists in sums.items() if any(lists)]
    return {"connections": sorted_by_both(connections, ["peering_connection_id"]),
            "vpc_pairs": sorted_by_both(rows, ["src_vpc_id", "dst_vpc_id"])}


def counted_once(records, src, dst):
    """A flow is logged at both ends: accepted ones of the source's side, else of the destination's; all rejected ones."""
    accepted = [record for record in records if record.action == "ACCEPT"]
    near = [record for record in accepted if record.own_vpc in (src, None)]
    far = [record for record in accepted if record.own_vpc == dst]
    return near or far, [record for record in records if record.action == "REJECT"]


def connection_row(connection, accepted, rejected):
    return {"peering_connection_id": connection.id, "status": connection.status, "requester_vpc_id": connection.vpcs[0],
            "accepter_vpc_id": connection.vpcs[1], "inter_region": connection.differ("Region"),
            "cross_account": connection.differ("OwnerId"), "accepted": total(accepted), "rejected": total(rejected)}


def services_section(report):
    """Sums by the service that owns the record's interface, null for interfaces that the topology does not have."""
    services = defaultdict(lambda: (set(), [], []))
    for record in report.analysed if report.topology.interfaces else []:
        interfaces, accepted, rejected = services[record.interface and record.interface.service]
        interfaces.add(record.interface_id)
        (accepted if record.action == "ACCEPT" else rejected).append(record)
    rows = [{"service": name, "interfaces": len(interfaces - {None}), "accepted": total(accepted), "rejected": total(rejected)}
            for name, (interfaces, accepted, rejected) in services.items()]
    return sorted_by_both(rows, ["service"])


def summarize(report, thresholds=None, top=100):
    report.finish()
    start, end = span(report.analysed)
    counts = {name: report.counts[name] for name in ("accepted", "rejected", "no_data", "skip_data", "other", "malformed")}
    return {
        "sources": report.sources, "failed": [row["uri"] for row in report.failed],
        "window": {"start": start, "end": end} if start or end else None,
        "records": {"total": sum(counts.values())} | counts,
        "traffic": {"accepted": total(report.accepted), "rejected": total(report.rejected)},
        "timeline": timeline(report),
        "rejected": rejected_section(report, top),
        "top": top_section(report),
        "peering": peering_section(report),
        "services": services_section(report),
        "findings": findings(report, THRESHOLDS | (thresholds or {})),
    }
