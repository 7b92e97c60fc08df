"""Troubles and harmless look-alikes for a random world. Labels state which findings must appear, and which must not.

Each kind has variants at, below, and above its threshold. Its hosts and interfaces occur nowhere else. A trouble between two
VPCs reserves the pair, and the random traffic of `worlds.py` avoids it.
"""


def add(world):
    kinds = [one_way, not_peered, not_peered, rejected_peering, path_mismatch, edge_to_edge, ambiguous, port_scan, host_sweep,
             repeated_rejects, egress_blocked, reply_blocked, no_answer, health_checks, gateway_loss, skipped_data]
    for kind in kinds:
        if world.chance(0.4):
            kind(world)


def label(world, must, type, **subject):
    world.labels.append({"type": type, "subject": subject, "must": bool(must)})


def record(world, eni, src, dst, ports, protocol=6, action="ACCEPT", flags=None, **more):
    """Adds a record to a file that has all columns with a value here."""
    values = {"interface-id": eni.id, "srcaddr": src, "dstaddr": dst, "srcport": ports[0], "dstport": ports[1],
              "protocol": protocol, "action": action, "tcp-flags": flags} | more
    values = {name: value for name, value in values.items() if value is not None}
    world.add(values | {"needs": {*values, *(["tcp-flags"] if flags is not None else [])}})


def host(world, vpc):
    return vpc.host(world.number())


def pair(world, wanted):
    """Reserves two VPCs for which `wanted` holds, or returns None."""
    pairs = [(a, b) for a in world.vpcs for b in world.vpcs if a is not b and frozenset((a.id, b.id)) not in world.reserved
             and wanted(a, b)]
    if not pairs:
        return None
    chosen = world.pick(pairs)
    world.reserved.add(frozenset((chosen[0].id, chosen[1].id)))
    return chosen


def around(world, threshold):
    return max(threshold + world.pick([-1, 0, 0, 1, 3]), 0)


def peering_labels(world, a, b, present):
    """Labels for all findings on the direction a to b: those in `present` must appear, the others must not."""
    for type in ("one-way-peering", "rejected-peering", "peering-path-mismatch", "transitive-peering", "unpeered-vpc",
                 "inactive-peering"):
        label(world, type in present, type, src_vpc_id=a.id, dst_vpc_id=b.id)


def one_way(world):
    if not (found := pair(world, world.is_peered)):
        return
    a, b = found
    src, dst = host(world, a), host(world, b)
    near, far = world.add_interface(a, [src]), world.add_interface(b, [dst])
    other = world.add_interface(a, [host(world, a)])
    threshold = world.thresholds["one_way_min_flows"]
    count, flags = around(world, threshold), world.pick([2, 2, None])
    variant = world.pick(["plain", "plain", "far-end", "answered", "answered-elsewhere", "answered-there", "middle", "refused",
                          "udp"])
    if variant == "middle":
        flags = world.pick([0, 1, 3, 4, 16, 18, 19])
    for number in range(count):
        record(world, far if variant == "far-end" else near, src, dst, (40000 + number, 443), 17 if variant == "udp" else 6,
               flags=None if variant == "udp" else flags)
    at = {"answered": near, "answered-elsewhere": other, "answered-there": far}.get(variant)
    if at:
        record(world, at, dst, src, (443, 40000), flags=world.pick([18, 19, None]))
    if variant == "refused" and count:
        record(world, far, src, dst, (40000, 443), action="REJECT", flags=2)
    lost = count >= threshold and variant in ("plain", "far-end", "answered-there")
    present = {"one-way-peering"} if lost else {"rejected-peering"} if variant == "refused" and count else set()
    peering_labels(world, a, b, present)


def not_peered(world):
    """Between two VPCs without an active connection."""
    if not (found := pair(world, lambda a, b: not world.is_peered(a, b))):
        return
    a, b = found
    src, dst = host(world, a), host(world, b)
    near, other = world.add_interface(a, [src]), world.add_interface(a, [host(world, a)])
    far = world.add_interface(b, [dst])
    variant = world.pick(["plain", "rejected", "udp", "icmp", "answered", "answered-elsewhere", "answered-there", "middle"])
    protocol, ports = {"udp": (17, (5000, 53)), "icmp": (1, (0, 0))}.get(variant, (6, (40000, 443)))
    flags = world.pick([1, 3, 19]) if variant == "middle" else world.pick([2, None]) if protocol == 6 else None
    for _ in range(world.pick([1, 2, 3])):
        record(world, near, src, dst, ports, protocol, "REJECT" if variant == "rejected" else "ACCEPT", flags)
    at = {"answered": near, "answered-elsewhere": other, "answered-there": far}.get(variant)
    if at:
        record(world, at, dst, src, (443, 40000), flags=world.pick([18, 19]))
    hub = any(world.is_peered(a, via) and world.is_peered(b, via) for via in world.vpcs)
    connected = frozenset((a.id, b.id)) in world.status
    type = "inactive-peering" if connected else "transitive-peering" if hub else "unpeered-vpc"
    silent = variant not in ("answered", "answered-elsewhere", "middle")
    peering_labels(world, a, b, {type} if silent else set())


def rejected_peering(world):
    if not (found := pair(world, world.is_peered)):
        return
    a, b = found
    src, dst = host(world, a), host(world, b)
    far = world.add_interface(b, [dst])
    action = world.pick(["REJECT", "ACCEPT"])
    for number in range(world.pick([1, 2, 3])):
        record(world, far, src, dst, (40000 + number, 22), action=action, flags=2 if action == "REJECT" else 19)
    peering_labels(world, a, b, {"rejected-peering"} if action == "REJECT" else set())


def path_mismatch(world):
    if not (found := pair(world, world.is_peered)):
        return
    a, b = found
    src, dst = host(world, a), host(world, b)
    near = world.add_interface(a, [src])
    path = world.pick([1, 2, 3, 4, 5, 6, 8])
    record(world, near, src, dst, (40000, 443), flags=19, **{"traffic-path": path, "flow-direction": "egress"})
    right = 4 if a.region == b.region else 5
    peering_labels(world, a, b, set() if path in (1, right) else {"peering-path-mismatch"})


def edge_to_edge(world):
    vpc = world.pick(world.vpcs)
    src = host(world, vpc)
    near = world.add_interface(vpc, [src])
    for scope, dst in (("private", "192.168.60.7"), ("public", "9.8.7.6")):
        path = world.pick([None, 1, 2, 3, 4, 4, 5, 5])
        record(world, near, src, dst, (40000, 443), flags=19, **({"traffic-path": path} if path else {}))
        label(world, path in (4, 5), "edge-to-edge-routing", src_vpc_id=vpc.id, dst_scope=scope)


def ambiguous(world):
    """A block of several VPCs, all or none of which are peered with the source's; it has no route table that could decide."""
    sharing = [vpc for vpc in world.vpcs if "10.99.0.0/16" in vpc.blocks]
    tables = {table["VpcId"] for table in world.documents["RouteTables"]}
    sources = [vpc for vpc in world.vpcs if vpc not in sharing and vpc.id not in tables
               and sum(world.is_peered(vpc, other) for other in sharing) != 1]
    if len(sharing) < 2 or not sources:
        return
    vpc = world.pick(sources)
    src = host(world, vpc)
    record(world, world.add_interface(vpc, [src]), src, "10.99.7.9", (40000, 443), flags=2)
    label(world, True, "ambiguous-address", cidr_block="10.99.0.0/16")


def scan_variant(world):
    """Returns the variant, source, flags, source port, and protocol of a scan or a look-alike."""
    number = world.number()
    src = world.pick([f"9.9.{number % 250}.1", f"172.30.{number % 250}.1"])
    kind = world.pick(["syn", "syn", "plain", "udp", "synack", "late", "shape", "alike", "trusted"])
    flags = {"syn": 2, "trusted": 2, "synack": 18, "late": world.pick([0, 1, 4])}.get(kind)
    if kind == "trusted":
        src = f"203.0.113.{64 + number % 60}"
    return kind, src, flags, 443 if kind == "shape" else 50000, 17 if kind == "udp" else 6


def scan(world, kind, eni, src, dst, ports, flags, protocol):
    record(world, eni, src, dst, ports, protocol, "REJECT", flags, **world.pick([{}, {"flow-direction": "ingress"}]))
    if kind == "alike":
        record(world, eni, src, dst, ports, protocol)


def port_scan(world):
    kind, src, flags, srcport, protocol = scan_variant(world)
    vpc, threshold = world.pick(world.vpcs), world.thresholds["port_scan_ports"]
    dst = host(world, vpc)
    eni, count = world.add_interface(vpc, [dst]), around(world, threshold)
    same = world.chance(0.15)
    for number in range(count):
        target = (20000 if kind == "shape" else 21) + (0 if same else number)
        scan(world, kind, eni, src, dst, (srcport, target), flags, protocol)
    must = count >= threshold and kind in ("syn", "plain", "udp") and not same
    label(world, must, "port-scan", srcaddr=src, dstaddr=dst)
    label(world, False, "host-sweep", srcaddr=src)


def host_sweep(world):
    kind, src, flags, srcport, protocol = scan_variant(world)
    vpc, threshold = world.pick(world.vpcs), world.thresholds["host_sweep_hosts"]
    count, target = around(world, threshold), 20000 if kind == "shape" else 445
    for _ in range(count):
        dst = host(world, vpc)
        scan(world, kind, world.add_interface(vpc, [dst]), src, dst, (srcport, target), flags, protocol)
    must = count >= threshold and kind in ("syn", "plain", "udp")
    label(world, must, "host-sweep", srcaddr=src, dstport=target, protocol=protocol)
    label(world, False, "port-scan", srcaddr=src)


def repeated_rejects(world):
    vpc, threshold = world.pick(world.vpcs), world.thresholds["repeated_reject_flows"]
    dst, src, count = host(world, vpc), f"9.7.{world.number() % 250}.1", around(world, threshold)
    eni = world.add_interface(vpc, [dst])
    for number in range(count):
        record(world, eni, src, dst, (50000 + number, 8080), action="REJECT", flags=world.pick([2, 1, None]))
    label(world, count >= threshold, "repeated-rejects", interface_id=eni.id, srcaddr=src, dstaddr=dst, dstport=8080,
          protocol=6)


def egress_blocked(world):
    vpc, threshold = world.pick(world.vpcs), world.thresholds["egress_blocked_flows"]
    src, count = host(world, vpc), around(world, threshold)
    eni = world.add_interface(vpc, [src])
    variant = world.pick(["plain", "plain", "udp", "private", "late", "shape", "answer"])
    flags = {"plain": 2, "private": 2, "late": world.pick([0, 1, 4]), "answer": 18}.get(variant)
    ports = (443, 40000) if variant in ("shape", "answer") else (40000, 443)
    for number in range(count):
        dst = f"172.31.0.{number + 1}" if variant == "private" else f"9.6.{number}.1"
        record(world, eni, src, dst, ports, 17 if variant == "udp" else 6, "REJECT", flags,
               **world.pick([{}, {"flow-direction": "egress"}]))
    label(world, count >= threshold and variant in ("plain", "udp"), "egress-blocked", interface_id=eni.id)
    if variant == "answer" and count:
        label(world, True, "reply-blocked", interface_id=eni.id, srcaddr=src, dstaddr="9.6.0.1", protocol=6)


def reply_blocked(world):
    vpc, client = world.pick(world.vpcs), f"9.5.{world.number() % 250}.1"
    server = host(world, vpc)
    eni, other = world.add_interface(vpc, [server]), world.add_interface(vpc, [host(world, vpc)])
    variant = world.pick(["asked", "asked", "udp", "alike", "equal-ports", "other-interface", "not-asked"])
    protocol = 17 if variant == "udp" else 6
    ports = (500, 500) if variant == "equal-ports" else (1024, 27017)
    if variant != "not-asked":
        record(world, other if variant == "other-interface" else eni, client, server, ports, protocol)
    record(world, eni, server, client, ports[::-1], protocol, "REJECT")
    if variant == "alike":
        record(world, eni, server, client, ports[::-1], protocol)
    must = variant in ("asked", "udp")
    label(world, must, "reply-blocked", interface_id=eni.id, srcaddr=server, dstaddr=client, protocol=protocol)


def no_answer(world):
    vpc, threshold = world.pick(world.vpcs), world.thresholds["no_answer_flows"]
    src, count = host(world, vpc), around(world, threshold)
    dst = world.pick(["9.4.0.{}", "172.31.5.{}"]).format(world.number() % 250)
    eni, other = world.add_interface(vpc, [src]), world.add_interface(vpc, [host(world, vpc)])
    variant = world.pick(["plain", "plain", "answered", "answered-elsewhere", "one-middle", "no-flags", "ingress"])
    way = {"flow-direction": "ingress"} if variant == "ingress" else world.pick([{}, {"flow-direction": "egress"}])
    for number in range(count):
        flags = None if variant == "no-flags" else 3 if variant == "one-middle" and number == 0 else 2
        record(world, eni, src, dst, (40000 + number, 25), flags=flags, **way)
    if variant.startswith("answered"):
        record(world, eni if variant == "answered" else other, dst, src, (25, 40000), flags=18)
    must = count >= threshold and variant == "plain"
    label(world, must, "no-answer", interface_id=eni.id, dstaddr=dst, dstport=25)


def health_checks(world):
    vpc, threshold = world.pick(world.vpcs), world.thresholds["health_check_flows"]
    src, dst, count = host(world, vpc), host(world, vpc), around(world, threshold)
    variant = world.pick(["plain", "plain", "no-flags", "not-elb", "late", "shape"])
    world.add_interface(vpc, [src], service="ec2" if variant == "not-elb" else "elb")
    eni = world.add_interface(vpc, [dst])
    flags = {"plain": 2, "not-elb": 2, "late": world.pick([0, 1, 4])}.get(variant)
    ports = (443, 20000) if variant == "shape" else (20001, 8443)
    for _ in range(count):
        record(world, eni, src, dst, ports, action="REJECT", flags=flags)
    must = count >= threshold and variant in ("plain", "no-flags")
    label(world, must, "health-checks-rejected", dstaddr=dst, dstport=ports[1], protocol=6)
    label(world, False, "port-scan", srcaddr=src)


def gateway_loss(world):
    """A file of a transit gateway; these records have no action."""
    columns = world.random.sample(world.tgw_columns, len(world.tgw_columns))
    file = {"columns": columns, "header": True, "lines": []}
    world.files.append(file)
    reasons, tgw = ["no-route", "blackhole", "mtu-exceeded", "ttl-expired"], f"tgw-{world.number()}"
    lost = dict.fromkeys(reasons, 0)
    for _ in range(world.random.randint(1, 4)):
        losses = {reason: world.pick([0, 0, 0, None, 5, 2**63]) for reason in reasons}
        lost = {reason: lost[reason] + (losses[reason] or 0) for reason in reasons}
        world.add({"version": 6, "resource-type": "TransitGateway", "tgw-id": tgw, "tgw-src-vpc-id": "vpc-0000",
                   "tgw-dst-vpc-id": world.pick([None, "vpc-0001"]),
                   "srcaddr": "10.20.0.1", "dstaddr": "10.21.0.1", "srcport": 1, "dstport": 2, "protocol": 6}
                  | {f"packets-lost-{reason}": value for reason, value in losses.items()}, file)
    for reason in reasons:
        label(world, lost[reason] > 0, "transit-gateway-loss", tgw_id=tgw, reason=reason)


def skipped_data(world):
    status = world.pick(["SKIPDATA", "SKIPDATA", "FAILURE", "NODATA"])
    eni = world.add_interface(world.pick(world.vpcs), [])
    file = world.pick(world.files[:1])
    for _ in range(world.pick([1, 2])):
        world.add({"interface-id": eni.id, "log-status": status, "packets": None, "bytes": None}, file)
    label(world, status != "NODATA", "skipped-data", interface_id=eni.id)
