"""The terms of the rules: recording VPC, VPC of an address, reply, unanswered, direction, cause."""

from collections import Counter, defaultdict

from filters import Filter
from logs import ObjectError, contains, read_log
from rules import NO_CAUSE, TCP, UDP, judge
from topology import Topology

FIN, SYN, RST, ACK = 1, 2, 4, 16
SERVICE_PORTS = {1433, 1521, 2049, 3306, 3389, 5432, 5671, 5672, 5900, 6379, 8080, 8443, 9042, 9092, 9200, 11211, 27017}
CAUSES = ["block-public-access", "encryption-controls", "out-of-state", "network-acl", "security-group", "rules-allow",
          NO_CAUSE]


class Place:
    """Where an address is: in a VPC, in one of several (`tied` on `block`), or in none."""

    def __init__(self, vpc=None, tied=(), block=None):
        self.vpc, self.tied, self.block = vpc, tuple(sorted(tied)), block

    is_ambiguous = property(lambda self: self.vpc is None and bool(self.tied))
    is_known = property(lambda self: self.vpc is not None or bool(self.tied))


def route_table_of(topology, subnet, own_vpc):
    """Returns the route table of a record's subnet, or None.

    If the subnet is unknown and no table of the VPC is associated with a subnet, only the main table is possible.
    """
    tables = topology.tables.values()
    for table in tables:
        if subnet is not None and subnet in table.subnets:
            return table
    vpc = topology.subnets.get(subnet, {}).get("VpcId") or own_vpc
    of_vpc = [table for table in tables if table.vpc == vpc]
    if vpc is None or (subnet is None and any(table.subnets for table in of_vpc)):
        return None
    return next((table for table in of_vpc if table.main), None)


def decide_by_route(topology, address, tied, table):
    """Returns the VPC among `tied` to which the longest destination leads, or None."""
    best = {}
    for route in table.routes if table else []:
        connection = topology.connections.get(route.get("VpcPeeringConnectionId"))
        if connection is None or table.vpc not in connection.vpcs or connection.other(table.vpc) not in tied:
            continue
        for destination in topology.destinations(route) or []:
            if contains(destination, address):
                best.setdefault(destination.prefixlen, set()).add(connection.other(table.vpc))
    vpcs = best[max(best)] if best else set()
    return vpcs.pop() if len(vpcs) == 1 else None


def locate(topology, address, own_vpc, own_subnet):
    key = (address, own_vpc, own_subnet)
    if key not in topology.located:
        topology.located[key] = locate_uncached(topology, *key)
    return topology.located[key]


def locate_uncached(topology, address, own_vpc, own_subnet):
    """Returns the place of an address: the recording VPC, else its peers, else all VPCs, each by the longest prefix."""
    if address is None:
        return Place()
    if any(contains(block, address) for block in topology.blocks.get(own_vpc, ())):
        return Place(own_vpc)
    for candidates in (topology.peers(own_vpc) if own_vpc else set(), set(topology.blocks)):
        having = [(block, vpc) for vpc in candidates for block in topology.blocks[vpc] if contains(block, address)]
        if having:
            longest = max(block.prefixlen for block, _ in having)
            tied = {vpc for block, vpc in having if block.prefixlen == longest}
            block = next(block for block, _ in having if block.prefixlen == longest)
            if len(tied) == 1:
                return Place(tied.pop())
            decided = decide_by_route(topology, address, tied, route_table_of(topology, own_subnet, own_vpc))
            return Place(decided) if decided else Place(None, tied, block)
    return Place()


def agreed(values):
    """Returns the one value that all have who have one, else None."""
    values = {value for value in values if value is not None}
    return values.pop() if len(values) == 1 else None


def pair_of(record):
    return record.src_place.vpc, record.dst_place.vpc


def opens(record):
    flags = record.tcp_flags
    return record.protocol == TCP and (flags is None or (flags & SYN != 0 and flags & ACK == 0))


def flags_prove_a_reply(record):
    """Returns whether the TCP flags prove that there was a reply, even if it is not logged."""
    flags = record.tcp_flags
    return record.protocol == TCP and flags is not None and flags & (FIN | SYN | RST | ACK) != SYN


def has_reply_shape(record):
    """Returns whether a record looks like a reply whose request another object may contain."""
    source, target = record.srcport, record.dstport
    if source is None or target is None or not (record.protocol == UDP or record.protocol == TCP and record.tcp_flags is None):
        return False
    return (source < 1024 or source in SERVICE_PORTS) and target >= 1024 and target not in SERVICE_PORTS


def tuple_of(record):
    """Returns the interface and 5-tuple of a record, or None if a part but the interface is absent."""
    parts = (record.protocol, record.src, record.dst, record.srcport, record.dstport)
    return None if None in parts else (record.interface_id, *parts)


def reversed_tuple(record):
    parts = tuple_of(record)
    return parts and (*parts[:2], parts[3], parts[2], parts[5], parts[4])


class Report:
    """All records that are analysed together. The lists named `all_…` have those that the filter left out, too: they decide
    about the others."""

    def __init__(self, topology, filter=None):
        self.filter = filter or Filter()
        self.topology = topology or Topology()
        self.has_topology = topology is not None
        self.counts = Counter()
        self.sources, self.failed = [], []
        self.accepted, self.rejected, self.skipped, self.other = [], [], [], []
        self.all_accepted, self.all_rejected, self.all_skipped = [], [], []

    def read(self, uri, data):
        try:
            records = read_log(data)
        except ObjectError as error:
            self.failed.append({"uri": uri, "error": str(error)})
            return
        self.sources.append({"uri": uri, "records": len(records)})
        lists = {"accepted": self.accepted, "rejected": self.rejected, "skip_data": self.skipped, "other": self.other}
        all_lists = {"accepted": self.all_accepted, "rejected": self.all_rejected, "skip_data": self.all_skipped}
        for kind, record in records:
            passes = kind == "malformed" or self.filter.passes(kind, record, self.topology)
            self.counts[kind if passes else "filtered"] += 1
            if kind in all_lists:
                all_lists[kind].append(record)
            if kind in lists and passes:
                lists[kind].append(record)

    def finish(self):
        """Derives the values that depend on more than one record."""
        self.analysed = self.accepted + self.rejected
        self.all_analysed = self.all_accepted + self.all_rejected
        self.replies, self.tuples, self.groups = defaultdict(set), set(), defaultdict(list)
        self.of_interface = defaultdict(list)
        for record in self.all_analysed:
            interface = self.topology.interfaces.get(record.interface_id)
            record.interface = interface
            record.own_vpc = record.vpc_id or (interface and interface.vpc)
            record.own_subnet = record.subnet_id or (interface and interface.subnet)
            record.src_place = locate(self.topology, record.src, record.own_vpc, record.own_subnet)
            record.dst_place = locate(self.topology, record.dst, record.own_vpc, record.own_subnet)
            places = (record.src_place, record.dst_place)
            record.is_ambiguous = any(place.is_ambiguous for place in places)
            record.is_cross_vpc = all(place.vpc for place in places) and places[0].vpc != places[1].vpc
            self.of_interface[record.interface_id].append(record)
        for record in self.all_accepted:
            self.replies[record.protocol, record.src, record.dst].add((record.own_vpc, record.interface_id))
            self.tuples.add(tuple_of(record))
        self.tuples.discard(None)
        all_groups = defaultdict(list)
        for records, groups in ((self.rejected, self.groups), (self.all_rejected, all_groups)):
            for record in records:
                groups[record.interface_id, record.src, record.dst, record.dstport, record.protocol].append(record)
        self.directions = {key: direction(self, key, all_groups[key]) for key in self.groups}
        for key, records in self.groups.items():
            own_vpc, own_subnet = (agreed(getattr(record, name) for record in all_groups[key])
                                   for name in ("own_vpc", "own_subnet"))
            for record in records:  # what is said of a group is what its records agree on
                record.group_places = [locate(self.topology, address, own_vpc, own_subnet)
                                       for address in (record.src, record.dst)]
        for key, records in self.groups.items():
            for record in records:
                record.direction = self.directions[key]
                record.cause = cause(self, record)
                record.is_answer = record.cause == "network-acl"
        self.apply_rules()

    def apply_rules(self):
        """Finds what denies each group, and gives the records that have no cause yet the cause by the rules."""
        self.denied_by = {}
        for key, records in self.groups.items():
            self.denied_by[key], by_rules = judge(self.topology, key, self.directions[key], records)
            for record in records:
                record.cause = by_rules if record.cause == NO_CAUSE else record.cause

    def owner(self, address, place):
        """Returns the interface that an address belongs to, if exactly one does."""
        interfaces = self.topology.interfaces.values()
        if place.is_known:
            if place.is_ambiguous:
                return None
            near = [interface for interface in interfaces if interface.vpc == place.vpc]
            found = [interface for interface in near if address in interface.addresses]
            found = found or [interface for interface in near if interface.owns(address)]
        else:
            found = [interface for interface in interfaces if address in interface.public]
        return found[0] if len(found) == 1 else None


def has_reply(report, record):
    """Returns whether an accepted record goes the other way in the same VPC (if one is not known: at the same interface)."""
    if record.src is None or record.dst is None:
        return False
    return any(vpc == record.own_vpc if vpc and record.own_vpc else interface == record.interface_id
               for vpc, interface in report.replies.get((record.protocol, record.dst, record.src), ()))


def is_unanswered(report, record):
    return not flags_prove_a_reply(record) and not has_reply(report, record)


def direction(report, key, records):
    """Returns the direction of a rejected group, from the first source that has one."""
    interface_id, src, dst = key[:3]
    stated = agreed(record.flow_direction for record in records)
    if stated:
        return stated
    interface = report.topology.interfaces.get(interface_id)
    if interface and interface.owns(dst):
        return "ingress"
    if interface and interface.owns(src):
        return "egress"
    blocks = report.topology.blocks.get(agreed(record.own_vpc for record in records), ())
    src_in, dst_in = (address is not None and any(contains(block, address) for block in blocks) for address in (src, dst))
    if src_in != dst_in:
        return "ingress" if dst_in else "egress"
    own = only_common_address(report, interface_id) if interface_id is not None else None
    if own is not None and own in (src, dst):
        return "ingress" if dst == own else "egress"
    return "unknown"


def only_common_address(report, interface_id):
    """Returns the one address, of several the one that is not public, that is in every record of an interface."""
    common = set.intersection(*({record.src, record.dst} - {None} for record in report.of_interface[interface_id]))
    if len(common) > 1:
        common = {address for address in common if not report.topology.is_public(address)}
    return common.pop() if len(common) == 1 else None


def cause(report, record):
    """Cause of a rejected record by the traffic: the first that holds, before the rules are asked."""
    if record.reject_reason in ("BPA", "EC"):
        return {"BPA": "block-public-access", "EC": "encryption-controls"}[record.reject_reason]
    alike = tuple_of(record) in report.tuples
    asked = reversed_tuple(record) in report.tuples
    if record.protocol == TCP and record.tcp_flags is not None:
        if record.tcp_flags & (SYN | ACK) == SYN | ACK and (record.direction == "egress" or asked):
            return "network-acl"
        return NO_CAUSE if opens(record) else "out-of-state"
    if record.protocol in (TCP, UDP) and alike:
        return "out-of-state"
    if asked and not alike and record.srcport != record.dstport:
        return "network-acl"
    return NO_CAUSE


def main_cause(records):
    """Returns the cause of most records of a group, at a tie the earlier of `CAUSES`."""
    causes = Counter(record.cause for record in records)
    return min(causes, key=lambda name: (-causes[name], CAUSES.index(name)))
