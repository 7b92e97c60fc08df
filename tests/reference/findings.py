"""The findings on records, one function per type.

`CONFIDENCE` is this program's reading for each type. "high": the records themselves prove the finding. "absence": the finding
also needs that the report has no reply or no accepted record, unless all its records are TCP with tcp-flags or have a
reject-reason. "detour": the same, and a traffic-path through a peering connection proves it too.
"""

CONFIDENCE = {
    "transitive-peering": "detour",       # no reply
    "unpeered-vpc": "detour",
    "inactive-peering": "detour",
    "one-way-peering": "absence",
    "rejected-peering": "high",            # the rejected records prove it
    "peering-path-mismatch": "high",       # traffic-path
    "edge-to-edge-routing": "high",        # traffic-path
    "ambiguous-address": "high",           # the topology proves it
    "port-scan": "absence",                # without tcp-flags: no accepted record that makes it out-of-state or a reply
    "host-sweep": "absence",
    "egress-blocked": "absence",
    "health-checks-rejected": "absence",
    "reply-blocked": "absence",            # cause 2 has tcp-flags; cause 3 needs that no accepted record is alike
    "repeated-rejects": "high",            # a count of rejected records of any cause
    "no-answer": "absence",                # its records have tcp-flags by definition, so always high
    "transit-gateway-loss": "high",        # the records count the lost packets themselves
    "skipped-data": "medium",              # its interface has SKIPDATA records by definition
}

import collections
from collections import defaultdict

from logs import LOST, MAX, contains, parse_block
from rows import sorted_findings, span, total
from rules import TCP, UDP
from terms import CAUSES, has_reply_shape, is_unanswered, main_cause, pair_of

THRESHOLDS = {"port_scan_ports": 15, "host_sweep_hosts": 25, "repeated_reject_flows": 100, "egress_blocked_flows": 5,
              "one_way_min_flows": 5, "no_answer_flows": 5, "health_check_flows": 3, "trusted_scanners": []}


def finding(report, type, severity, subject, records, details=None):
    """Returns one finding. Its flows, packets, and bytes count `records`."""
    first_seen, last_seen = span(records)
    return {"type": type, "severity": severity, "confidence": confidence(report, type, records), "subject": subject,
            "details": details or {}} | total(records) | {"first_seen": first_seen, "last_seen": last_seen}


def confidence(report, type, records):
    if CONFIDENCE[type] == "medium":
        return "medium"
    if CONFIDENCE[type] == "high" or all(needs_no_absence(type, record) for record in records):
        level = "high"
    else:
        level = "medium" if sum(source["records"] > 0 for source in report.sources) > 1 else "low"
    skipped = {record.interface_id for record in report.all_skipped}
    if type == "transit-gateway-loss":  # its records have no interface
        return level
    return "medium" if level == "high" and any(record.interface_id in skipped for record in records) else level


def needs_no_absence(type, record):
    if record.protocol == TCP and record.tcp_flags is not None:
        return True
    return record.traffic_path in (4, 5) if CONFIDENCE[type] == "detour" else record.cause in CAUSES[:2]


def grouped(records, key):
    rows = defaultdict(list)
    for record in records:
        rows[key(record)].append(record)
    return rows.items()


def findings(report, thresholds):
    report.scanners = [parse_block(block) for block in thresholds["trusted_scanners"]]
    rules = [port_scan, host_sweep, repeated_rejects, egress_blocked, reply_blocked, transit_gateway_loss, skipped_data]
    if report.has_topology:
        rules += [not_peered, one_way_peering, rejected_peering, peering_path_mismatch, edge_to_edge_routing,
                  ambiguous_address, no_answer, health_checks_rejected]
    return sorted_findings([found for rule in rules for found in rule(report, thresholds)])




def cross_vpc(report):
    """Returns the cross-VPC records of each direction."""
    return grouped((record for record in report.analysed if record.is_cross_vpc and not record.is_ambiguous), pair_of)


def not_peered(report, _):
    """transitive-peering, unpeered-vpc, inactive-peering."""
    topology = report.topology
    for (src, dst), records in cross_vpc(report):
        records = [record for record in records if is_unanswered(report, record)]
        connections, subject = topology.between(src, dst), {"src_vpc_id": src, "dst_vpc_id": dst}
        if not records or topology.active_between(src, dst):
            continue
        if connections:
            yield finding(report, "inactive-peering", "high", subject, records, {
                "peering_connection_ids": [connection.id for connection in connections],
                "statuses": sorted({connection.status for connection in connections})})
        elif via := sorted(topology.peers(src) & topology.peers(dst)):
            yield finding(report, "transitive-peering", "high", subject, records, {"via_vpc_ids": via})
        else:
            yield finding(report, "unpeered-vpc", "medium", subject, records)


def peered_directions(report):
    for (src, dst), records in cross_vpc(report):
        if connections := report.topology.active_between(src, dst):
            yield {"src_vpc_id": src, "dst_vpc_id": dst, "peering_connection_id": connections[0].id}, records


def one_way_peering(report, thresholds):
    refused = {(record.protocol, record.src, record.dst) for record in report.all_rejected}
    everything = collections.Counter(pair_of(record) for record in report.all_accepted
                                     if record.is_cross_vpc and not record.is_ambiguous and record.protocol == TCP)
    for subject, records in peered_directions(report):
        accepted = [record for record in records if record.action == "ACCEPT" and record.protocol == TCP]
        lost = [record for record in accepted
                if is_unanswered(report, record) and (record.protocol, record.src, record.dst) not in refused]
        if len(lost) >= thresholds["one_way_min_flows"]:
            is_all = len(lost) == everything[subject["src_vpc_id"], subject["dst_vpc_id"]]
            yield finding(report, "one-way-peering", "high" if is_all else "medium", subject, lost)


def rejected_peering(report, _):
    for subject, records in peered_directions(report):
        if rejected := [record for record in records if record.action == "REJECT"]:
            yield finding(report, "rejected-peering", "medium", subject, rejected)


def peering_path_mismatch(report, _):
    region = report.topology.region
    for subject, records in peered_directions(report):
        regions = [region.get(subject["src_vpc_id"]), region.get(subject["dst_vpc_id"])]
        expected = {4, 5} if None in regions else {4} if regions[0] == regions[1] else {5}
        if wrong := [record for record in records if record.traffic_path not in expected | {None, 1}]:
            paths = sorted({record.traffic_path for record in wrong})
            yield finding(report, "peering-path-mismatch", "medium", subject, wrong, {"traffic_paths": paths})


def leaves_over_peering(record):
    """Returns whether traffic-path shows a peering connection although the destination is in no known VPC."""
    return record.traffic_path in (4, 5) and record.dst is not None and not record.dst_place.is_known


def edge_to_edge_routing(report, _):
    def subject(record):
        return record.src_place.vpc or record.own_vpc, "public" if report.topology.is_public(record.dst) else "private"

    records = [record for record in report.analysed if leaves_over_peering(record) and not record.is_ambiguous]
    for (vpc, scope), of in grouped(records, subject):
        yield finding(report, "edge-to-edge-routing", "high", {"src_vpc_id": vpc, "dst_scope": scope}, of)


def ambiguous_address(report, _):
    rows = defaultdict(lambda: ([], set()))
    for record in report.analysed:
        places = [place for place in (record.src_place, record.dst_place) if place.is_ambiguous]
        for block in {place.block for place in places}:
            rows[block][0].append(record)
            rows[block][1].update(*(place.tied for place in places if place.block == block))
    for block, (records, vpcs) in rows.items():
        yield finding(report, "ambiguous-address", "low", {"cidr_block": block}, records, {"vpc_ids": sorted(vpcs)})


def is_first_packet(record):
    """Returns whether a rejected record is neither an answer, nor out-of-state, nor in the shape of an answer."""
    return not record.is_answer and record.cause != "out-of-state" and not has_reply_shape(record)


def is_health_check(report, record):
    src_place, dst_place = record.group_places
    if not is_first_packet(record) or record.src is None or not dst_place.is_known:
        return False
    owner = report.owner(record.src, src_place)
    return owner is not None and owner.service == "elb"


def suspicious(report):
    """Returns the rejected records that port-scan, host-sweep, and egress-blocked count."""
    return [record for record in report.rejected if is_first_packet(record) and not is_health_check(report, record)
            and not (record.src is not None and any(contains(block, record.src) for block in report.scanners))]


def scan_severity(report, src, accepted_flows):
    return "high" if accepted_flows or not report.topology.is_public(src) else "medium"


def scanning(report):
    return [record for record in suspicious(report)
            if record.protocol in (TCP, UDP) and None not in (record.src, record.dst, record.dstport)]


def port_scan(report, thresholds):
    for (src, dst), records in grouped(scanning(report), lambda record: (record.src, record.dst)):
        if len({(record.protocol, record.dstport) for record in records}) >= thresholds["port_scan_ports"]:
            accepted = sum((record.src, record.dst) == (src, dst) for record in report.all_accepted)
            yield finding(report, "port-scan", scan_severity(report, src, accepted), {"srcaddr": src, "dstaddr": dst}, records,
                          {"accepted_flows": accepted})


def host_sweep(report, thresholds):
    def target(record):
        return record.src, record.dstport, record.protocol

    for key, records in grouped(scanning(report), target):
        if len({record.dst for record in records}) >= thresholds["host_sweep_hosts"]:
            accepted = sum(target(record) == key for record in report.all_accepted)
            yield finding(report, "host-sweep", scan_severity(report, key[0], accepted),
                          dict(zip(("srcaddr", "dstport", "protocol"), key)), records, {"accepted_flows": accepted})


def repeated_rejects(report, thresholds):
    for key, records in report.groups.items():
        if len(records) >= thresholds["repeated_reject_flows"]:
            subject = dict(zip(("interface_id", "srcaddr", "dstaddr", "dstport", "protocol"), key))
            details = {"direction": report.directions[key], "cause": main_cause(records)}
            yield finding(report, "repeated-rejects", "low", subject, records, details)


def egress_blocked(report, thresholds):
    blocked = [record for record in suspicious(report) if record.direction == "egress" and record.dst is not None
               and report.topology.is_public(record.dst)]
    for interface, records in grouped(blocked, lambda record: record.interface_id):
        if len(records) >= thresholds["egress_blocked_flows"]:
            yield finding(report, "egress-blocked", "medium", {"interface_id": interface}, records)


def reply_blocked(report, _):
    def subject(record):
        return record.interface_id, record.src, record.dst, record.protocol

    for key, records in grouped((record for record in report.rejected if record.is_answer), subject):
        yield finding(report, "reply-blocked", "medium", dict(zip(("interface_id", "srcaddr", "dstaddr", "protocol"), key)),
                      records)


def is_egress(record):
    """Returns whether a record is egress: by flow-direction, else because the interface owns src."""
    if record.flow_direction is not None:
        return record.flow_direction == "egress"
    return record.interface is not None and record.interface.owns(record.src)


def no_answer(report, thresholds):
    counted = {id(record) for record in report.accepted}
    asking = [record for record in report.all_accepted
              if record.protocol == TCP and record.tcp_flags is not None and None not in (record.dst, record.dstport)
              and is_egress(record) and not record.is_cross_vpc and not leaves_over_peering(record)]
    for key, records in grouped(asking, lambda record: (record.interface_id, record.dst, record.dstport)):
        passing = [record for record in records if id(record) in counted]
        if len(passing) >= thresholds["no_answer_flows"] and all(is_unanswered(report, record) for record in records):
            severity = "low" if report.topology.is_public(key[1]) else "medium"
            yield finding(report, "no-answer", severity, dict(zip(("interface_id", "dstaddr", "dstport"), key)), passing)


def health_checks_rejected(report, thresholds):
    checks = [record for record in report.rejected if is_health_check(report, record)]
    for key, records in grouped(checks, lambda record: (record.dst, record.dstport, record.protocol)):
        if len(records) >= thresholds["health_check_flows"]:
            yield finding(report, "health-checks-rejected", "medium", dict(zip(("dstaddr", "dstport", "protocol"), key)),
                          records)


def transit_gateway_loss(report, _):
    names = ("tgw_id", "tgw_src_vpc_id", "tgw_dst_vpc_id")
    for reason, column in LOST.items():
        lossy = [record for record in report.other if record.fields.get(column)]
        for key, records in grouped(lossy, lambda record: tuple(map(record.fields.get, names))):
            found = finding(report, "transit-gateway-loss", "medium", dict(zip(names, key)) | {"reason": reason}, records)
            yield found | {"packets": min(sum(record.fields[column] for record in records), MAX), "bytes": 0}


def skipped_data(report, _):
    for interface, records in grouped(report.skipped, lambda record: record.interface_id):
        yield finding(report, "skipped-data", "low", {"interface_id": interface}, records)
