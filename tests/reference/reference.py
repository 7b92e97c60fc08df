"""A second, independent reading of what flowsentry must compute.

This program is slow, plain, and shares no code with flowsentry. It prints the part of the summary that has exact rules, so
that `run.py` can compare both programs on random inputs. One function per rule, from the records to the findings.

    python3 reference.py LOG... [--topology PATH...] [--config FILE] [--top N]
    python3 reference.py --topology-check PATH...
    python3 -m unittest reference        (run it in this folder)

Left out: approximate results at a memory limit, the rules of security groups and network ACLs, and inputs that are not text.

What a finding's confidence rests on, by type. "high" needs nothing that is missing from the logs. "absence" rests on the report
having no reply or no accepted record, unless every record of the finding is TCP with tcp-flags or has a reject-reason:
"""

CONFIDENCE = {
    "transitive-peering": "absence",       # no reply
    "unpeered-vpc": "absence",
    "inactive-peering": "absence",
    "one-way-peering": "absence",
    "rejected-peering": "high",            # the rejected records say so themselves
    "peering-path-mismatch": "high",       # traffic-path
    "edge-to-edge-routing": "high",        # traffic-path
    "ambiguous-address": "high",           # the topology says so
    "port-scan": "absence",                # without tcp-flags: no accepted record that makes it out-of-state or a reply
    "host-sweep": "absence",
    "egress-blocked": "absence",
    "health-checks-rejected": "absence",
    "reply-blocked": "absence",            # cause 2 has tcp-flags; cause 3 needs that no accepted record is alike
    "repeated-rejects": "high",            # a count of rejected records, whatever their cause
    "no-answer": "absence",                # its records have tcp-flags by definition, so always high
    "transit-gateway-loss": "high",        # the records count the lost packets themselves
    "skipped-data": "high",                # its interface has SKIPDATA records by definition, so always medium
}

import argparse
import functools
import gzip
import ipaddress
import json
import pathlib
import sys
import tomllib
import unittest
import zlib
from collections import Counter, defaultdict
from datetime import datetime, timezone

MAX = 2**64 - 1
V2 = ("version account_id interface_id srcaddr dstaddr srcport dstport protocol packets bytes start end action "
      "log_status").split()
KNOWN = set(V2) | set("""
    vpc_id subnet_id instance_id tcp_flags type pkt_srcaddr pkt_dstaddr region az_id sublocation_type sublocation_id
    pkt_src_aws_service pkt_dst_aws_service flow_direction traffic_path ecs_cluster_arn ecs_cluster_name
    ecs_container_instance_arn ecs_container_instance_id ecs_container_id ecs_second_container_id ecs_service_name
    ecs_task_definition_arn ecs_task_arn ecs_task_id reject_reason resource_id encryption_status instance_tag instance_tag_2
    interface_tag interface_tag_2 asg_tag asg_tag_2 interface_type next_hop_interface_id next_hop_subnet_id next_hop_az_id
    next_hop_vpc_id next_hop_interface_type
    resource_type tgw_id tgw_attachment_id tgw_src_vpc_account_id tgw_dst_vpc_account_id tgw_src_vpc_id tgw_dst_vpc_id
    tgw_src_subnet_id tgw_dst_subnet_id tgw_src_eni tgw_dst_eni tgw_src_az_id tgw_dst_az_id tgw_pair_attachment_id
    packets_lost_no_route packets_lost_blackhole packets_lost_mtu_exceeded packets_lost_ttl_expired""".split())
LOSSES = ("no-route", "blackhole", "mtu-exceeded", "ttl-expired")
LOST = {reason: "packets_lost_" + reason.replace("-", "_") for reason in LOSSES}
INTEGERS = {name: MAX for name in ["version", "packets", "bytes", "start", "end", "tcp_flags", "traffic_path",
                                   "encryption_status", *LOST.values()]}
INTEGERS |= {"srcport": 65535, "dstport": 65535, "protocol": 255}
ADDRESSES = {"srcaddr", "dstaddr", "pkt_srcaddr", "pkt_dstaddr"}
YEAR_10000 = 253402300800
ICMP, TCP, UDP = 1, 6, 17
FIN, SYN, RST, ACK = 1, 2, 4, 16
THRESHOLDS = {"port_scan_ports": 15, "host_sweep_hosts": 25, "repeated_reject_flows": 100, "egress_blocked_flows": 5,
              "one_way_min_flows": 5, "no_answer_flows": 5, "health_check_flows": 3, "trusted_scanners": []}
NOT_PUBLIC = [ipaddress.ip_network(block) for block in """
    0.0.0.0/8 10.0.0.0/8 100.64.0.0/10 127.0.0.0/8 169.254.0.0/16 172.16.0.0/12 192.0.0.0/24 192.0.2.0/24 192.168.0.0/16
    198.18.0.0/15 198.51.100.0/24 203.0.113.0/24 224.0.0.0/4 240.0.0.0/4 ::/128 ::1/128 100::/64 2001:db8::/32 3fff::/20
    fc00::/7 fe80::/10 ff00::/8""".split()]
SERVICE_PORTS = {1433, 1521, 2049, 3306, 3389, 5432, 5671, 5672, 5900, 6379, 8080, 8443, 9042, 9092, 9200, 11211, 27017}
CAUSES = ["block-public-access", "encryption-controls", "out-of-state", "network-acl", "security-group", "rules-allow",
          "security-group-or-network-acl"]
SEVERITIES = ["high", "medium", "low"]


# ---- 1. Input ----------------------------------------------------------------------------------------------------------


class ObjectError(Exception):
    """An input of which no record counts."""


@functools.cache
def parse_address(text):
    """Returns the address, an IPv4-mapped one as IPv4. Raises ValueError."""
    if "%" in text:
        raise ValueError("zone")
    address = ipaddress.ip_address(text)
    return getattr(address, "ipv4_mapped", None) or address


@functools.cache
def contains(block, address):
    return address in block


@functools.cache
def parse_block(text):
    return ipaddress.ip_network(text, strict=False)


def decompress(data):
    """gzip by its first bytes: members, then zero padding."""
    if not data.startswith(b"\x1f\x8b"):
        return data
    text = b""
    while data.strip(b"\0"):
        try:
            member = zlib.decompressobj(wbits=31)
            text += member.decompress(data)
        except zlib.error as error:
            raise ObjectError(str(error)) from error
        if not member.eof:
            raise ObjectError("truncated")
        data = member.unused_data
    return text


class Record:
    """One line. Absent fields are None."""

    def __init__(self, fields):
        self.fields = fields
        for name in ("interface_id", "srcport", "dstport", "protocol", "tcp_flags", "action", "log_status", "flow_direction",
                     "traffic_path", "reject_reason", "vpc_id", "subnet_id"):
            setattr(self, name, fields.get(name))
        self.packets, self.bytes = fields.get("packets") or 0, fields.get("bytes") or 0
        self.start, self.end = (value if value is not None and value < YEAR_10000 else None
                                for value in (fields.get("start"), fields.get("end")))
        self.src = fields.get("pkt_srcaddr") or fields.get("srcaddr")
        self.dst = fields.get("pkt_dstaddr") or fields.get("dstaddr")
        self.cause = None


def is_header(tokens):
    return 2 * sum(token.replace("-", "_") in KNOWN for token in tokens) >= len(tokens)


def parse_line(line, columns):
    """Returns (class, record); the record of a malformed line is None."""
    tokens = line.replace(b"\t", b" ").decode(errors="replace").split(" ")
    tokens = [token for token in tokens if token]
    if len(line) > 64 * 1024 or len(tokens) != len(columns):
        return "malformed", None
    fields = {}
    for name, token in zip(columns, tokens):
        if name not in KNOWN or name in fields:
            continue
        fields[name] = None if token == "-" else token
        if fields[name] is not None:
            try:
                if name in INTEGERS:
                    if not (token.isascii() and token.isdigit() and int(token) <= INTEGERS[name]):
                        raise ValueError(name)
                    fields[name] = int(token)
                elif name in ADDRESSES:
                    fields[name] = parse_address(token)
            except ValueError:
                return "malformed", None
    record = Record(fields)
    return classify(record), record


def classify(record):
    fields = record.fields
    if record.action in ("ACCEPT", "REJECT"):
        if any(name in fields and fields[name] is None for name in ("srcaddr", "dstaddr")):
            return "malformed"
    if record.log_status == "NODATA":
        return "no_data"
    if record.log_status in ("SKIPDATA", "FAILURE"):
        return "skip_data"
    return {"ACCEPT": "accepted", "REJECT": "rejected"}.get(record.action, "other")


def read_log(data):
    """Returns the (class, record) of each record of an input."""
    columns, records = V2, []
    for line in decompress(data).removeprefix(b"\xef\xbb\xbf").split(b"\n"):
        line = line.removesuffix(b"\r")
        tokens = line.replace(b"\t", b" ").decode(errors="replace").split(" ")
        tokens = [token for token in tokens if token]
        if not tokens:
            continue
        if len(line) <= 64 * 1024 and is_header(tokens):
            columns = [token.replace("-", "_") for token in tokens]
            continue
        records.append(parse_line(line, columns))
    if records and all(kind == "malformed" for kind, _ in records):
        raise ObjectError("not a flow log")
    return records


# ---- 3. Topology -------------------------------------------------------------------------------------------------------


class Connection:
    def __init__(self, item):
        self.id = item["VpcPeeringConnectionId"]
        self.status = item.get("Status", {}).get("Code")
        self.sides = [item["RequesterVpcInfo"], item["AccepterVpcInfo"]]
        self.vpcs = [side["VpcId"] for side in self.sides]

    def differ(self, key):
        first, second = (side.get(key) for side in self.sides)
        return None if first is None or second is None else first != second

    def other(self, vpc):
        return self.vpcs[1] if self.vpcs[0] == vpc else self.vpcs[0]


class Interface:
    def __init__(self, item):
        self.id, self.vpc, self.subnet = item["NetworkInterfaceId"], item.get("VpcId"), item.get("SubnetId")
        private = [item, *item.get("PrivateIpAddresses", [])]
        texts = [entry.get("PrivateIpAddress") for entry in private]
        texts += [entry.get("Ipv6Address") for entry in [item, *item.get("Ipv6Addresses", [])]]
        self.addresses = {parse_address(text) for text in texts if text}
        self.public = {parse_address(entry["Association"]["PublicIp"]) for entry in private if "Association" in entry}
        self.prefixes = [parse_block(entry["Ipv4Prefix"]) for entry in item.get("Ipv4Prefixes", [])]
        self.prefixes += [parse_block(entry["Ipv6Prefix"]) for entry in item.get("Ipv6Prefixes", [])]
        self.service = service_of(item)

    def owns(self, address):
        return address is not None and (address in self.addresses or any(address in block for block in self.prefixes))


def service_of(item):
    """Returns the AWS service that owns an interface: the few that the worlds have."""
    kind, requester = item.get("InterfaceType", ""), item.get("RequesterId", "")
    if kind in ("nat_gateway", "natGateway"):
        return "nat-gateway"
    if requester == "amazon-elb" or kind in ("network_load_balancer", "load_balancer", "gateway_load_balancer"):
        return "elb"
    return {"amazon-rds": "rds", "amazon-elasticache": "elasticache"}.get(requester, "lambda" if kind == "lambda" else "ec2")


def associated(item, *states):
    return all(item.get(state, {}).get("State", "associated") == "associated" for state in states)


def blocks_of(item):
    """Returns the associated blocks of a VPC, a subnet, or the side of a connection."""
    texts = [item.get("CidrBlock")] + [entry.get("CidrBlock") for entry in item.get("CidrBlockSet", [])]
    texts += [entry.get("Ipv6CidrBlock") for entry in item.get("Ipv6CidrBlockSet", [])]
    for entry in item.get("CidrBlockAssociationSet", []) + item.get("Ipv6CidrBlockAssociationSet", []):
        if associated(entry, "CidrBlockState", "Ipv6CidrBlockState"):
            texts += [entry.get("CidrBlock"), entry.get("Ipv6CidrBlock")]
    return {parse_block(text) for text in texts if text}


class RouteTable:
    def __init__(self, item):
        self.id, self.vpc, self.routes = item["RouteTableId"], item.get("VpcId"), item.get("Routes", [])
        links = [link for link in item.get("Associations", []) if associated(link, "AssociationState")]
        self.main = any(link.get("Main") for link in links)
        self.subnets = {link["SubnetId"] for link in links if link.get("SubnetId")}


def destination_of(route):
    return (route.get("DestinationCidrBlock") or route.get("DestinationIpv6CidrBlock") or route.get("DestinationPrefixListId"))


class Topology:
    """The merged documents; of a resource that is read twice the last one wins."""

    KEYS = {"Vpcs": "VpcId", "Subnets": "SubnetId", "VpcPeeringConnections": "VpcPeeringConnectionId",
            "NetworkInterfaces": "NetworkInterfaceId", "RouteTables": "RouteTableId", "PrefixLists": "PrefixListId"}

    def __init__(self, paths=()):
        found = {kind: {} for kind in self.KEYS}
        for path in paths:
            path = pathlib.Path(path)
            for file in sorted(path.glob("*.json")) if path.is_dir() else [path]:
                document = json.loads(file.read_text())
                for kind, key in self.KEYS.items():
                    found[kind] |= {item[key]: item for item in document.get(kind, [])}
                if "PrefixListId" in document:
                    cidrs = [entry["Cidr"] for entry in document.get("Entries", [])]
                    found["PrefixLists"][document["PrefixListId"]] = {"Cidrs": cidrs}
        self.connections = {id: Connection(item) for id, item in found["VpcPeeringConnections"].items()}
        self.interfaces = {id: Interface(item) for id, item in found["NetworkInterfaces"].items()}
        self.tables = {id: RouteTable(item) for id, item in found["RouteTables"].items()}
        self.prefix_lists = {id: [parse_block(cidr) for cidr in item["Cidrs"]] for id, item in found["PrefixLists"].items()}
        self.subnets = found["Subnets"]
        self.blocks = defaultdict(set)
        self.region = {}
        for connection in self.connections.values():
            for vpc, side in zip(connection.vpcs, connection.sides):
                self.blocks[vpc] |= blocks_of(side)
                self.region[vpc] = side.get("Region") or self.region.get(vpc)
        self.blocks |= {id: blocks_of(item) for id, item in found["Vpcs"].items()}
        self.blocks = {vpc: frozenset(blocks) for vpc, blocks in self.blocks.items()}
        self.located = {}

    def between(self, first, second):
        return sorted((connection for connection in self.connections.values() if set(connection.vpcs) == {first, second}),
                      key=lambda connection: connection.id)

    def active_between(self, first, second):
        return [connection for connection in self.between(first, second) if connection.status == "active"]

    def peers(self, vpc):
        return {connection.other(vpc) for connection in self.connections.values()
                if connection.status == "active" and vpc in connection.vpcs}

    def destinations(self, route):
        """Returns the blocks of a route, or None for a prefix list that is not known."""
        if route.get("DestinationPrefixListId"):
            return self.prefix_lists.get(route["DestinationPrefixListId"])
        return [parse_block(destination_of(route))]

    def in_any_vpc(self, address):
        return any(contains(block, address) for blocks in self.blocks.values() for block in blocks)

    def is_public(self, address):
        return not self.in_any_vpc(address) and not any(contains(block, address) for block in NOT_PUBLIC)


# ---- 2. Terms ----------------------------------------------------------------------------------------------------------


class Place:
    """Where an address is: in a VPC, in one of several (`tied` on `block`), or in none."""

    def __init__(self, vpc=None, tied=(), block=None):
        self.vpc, self.tied, self.block = vpc, tuple(sorted(tied)), block

    is_ambiguous = property(lambda self: self.vpc is None and bool(self.tied))
    is_known = property(lambda self: self.vpc is not None or bool(self.tied))


def route_table_of(topology, subnet, own_vpc):
    """Returns the route table of a record's subnet, or None.

    An unknown subnet of a VPC where no subnet has a table of its own has the main table, whichever subnet it is.
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
    """VPC of an address: the own VPC, else the own VPC's peers, else all, each by the longest prefix."""
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


def opens(record):
    flags = record.tcp_flags
    return record.protocol == TCP and (flags is None or (flags & SYN != 0 and flags & ACK == 0))


def shows_an_answer(record):
    """TCP flags that prove, wherever the reply is logged, that there was one."""
    flags = record.tcp_flags
    return record.protocol == TCP and flags is not None and flags & (FIN | SYN | RST | ACK) != SYN


def has_answer_shape(record):
    """The shape of an answer, whose other half another object may hold."""
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
    """All records that are analysed together."""

    def __init__(self, topology):
        self.topology = topology or Topology()
        self.has_topology = topology is not None
        self.counts = Counter()
        self.sources, self.failed = [], []
        self.accepted, self.rejected, self.skipped, self.other = [], [], [], []

    def read(self, uri, data):
        try:
            records = read_log(data)
        except ObjectError as error:
            self.failed.append({"uri": uri, "error": str(error)})
            return
        self.sources.append({"uri": uri, "records": len(records)})
        lists = {"accepted": self.accepted, "rejected": self.rejected, "skip_data": self.skipped, "other": self.other}
        for kind, record in records:
            self.counts[kind] += 1
            if kind in lists:
                lists[kind].append(record)

    def finish(self):
        """Derives what rules need of more than one record."""
        self.analysed = self.accepted + self.rejected
        self.replies, self.tuples, self.groups = defaultdict(set), set(), defaultdict(list)
        self.of_interface = defaultdict(list)
        for record in self.analysed:
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
        for record in self.accepted:
            self.replies[record.protocol, record.src, record.dst].add((record.own_vpc, record.interface_id))
            self.tuples.add(tuple_of(record))
        self.tuples.discard(None)
        for record in self.rejected:
            self.groups[record.interface_id, record.src, record.dst, record.dstport, record.protocol].append(record)
        self.directions = {key: direction(self, key, records) for key, records in self.groups.items()}
        for key, records in self.groups.items():
            for record in records:
                record.direction = self.directions[key]
                record.cause = cause(self, record)

    def owner(self, address, place):
        """Returns the interface that an address belongs to, if exactly one does."""
        interfaces = self.topology.interfaces.values()
        if place.is_known:
            vpcs = {place.vpc} if place.vpc else set(place.tied)
            near = [interface for interface in interfaces if interface.vpc in vpcs]
            found = [interface for interface in near if address in interface.addresses]
            found = found or [interface for interface in near if interface.owns(address)]
        else:
            found = [interface for interface in interfaces if address in interface.public]
        return found[0] if len(found) == 1 else None


def has_reply(report, record):
    """An accepted record the other way round in the same own VPC, or, where one is not known, at the same interface."""
    if record.src is None or record.dst is None:
        return False
    return any(vpc == record.own_vpc if vpc and record.own_vpc else interface == record.interface_id
               for vpc, interface in report.replies.get((record.protocol, record.dst, record.src), ()))


def is_unanswered(report, record):
    return not shows_an_answer(record) and not has_reply(report, record)


def direction(report, key, records):
    """Direction of a rejected group, by the first source that tells."""
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


# ---- 5. Summary --------------------------------------------------------------------------------------------------------


def cause(report, record):
    """Cause of a rejected record: the first that holds. Cause 4 needs rules, which are left out."""
    if record.reject_reason in ("BPA", "EC"):
        return {"BPA": "block-public-access", "EC": "encryption-controls"}[record.reject_reason]
    alike = tuple_of(record) in report.tuples
    asked = reversed_tuple(record) in report.tuples
    if record.protocol == TCP and record.tcp_flags is not None:
        if record.tcp_flags & (SYN | ACK) == SYN | ACK and (record.direction == "egress" or asked):
            return "network-acl"
        return "security-group-or-network-acl" if opens(record) else "out-of-state"
    if record.protocol in (TCP, UDP) and alike:
        return "out-of-state"
    if asked and not alike and record.srcport != record.dstport:
        return "network-acl"
    return "security-group-or-network-acl"


def is_answer(record):
    return record.cause == "network-acl"


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
    return sorted(rows, key=lambda row: (-row["accepted"]["flows"] - row["rejected"]["flows"], *(order(row[key]) for key in keys)))


def described(report, records, side):
    """src{} or dst{} of a group, without names."""
    addresses = [(getattr(record, side), getattr(record, side + "_place")) for record in records]
    address = addresses[0][0]
    row = dict.fromkeys(("scope", "vpc_id", "subnet_id", "interface_id", "service"))
    if address is None:
        return row
    known = addresses[0][1].is_known
    row["scope"] = "vpc" if known else "public" if report.topology.is_public(address) else "private"
    vpcs = {place.vpc for _, place in addresses}
    row["vpc_id"] = vpcs.pop() if len(vpcs) == 1 else None
    owners = {report.owner(address, place) for address, place in addresses}
    owner = owners.pop() if len(owners) == 1 else None
    if owner:
        row |= {"interface_id": owner.id, "subnet_id": owner.subnet, "service": owner.service}
    elif row["vpc_id"]:
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
            "direction": report.directions[key], "cause": min(causes, key=lambda name: (-causes[name], CAUSES.index(name))),
            "causes": dict(sorted(causes.items()))} | total(records) | {
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


def rejected_section(report, top):
    groups = group_rows(report)

    def interface_says(attribute):
        return lambda interface, _: agreed(getattr(record, attribute) for record in report.of_interface[interface])

    return {
        "group_count": len(groups), "groups": groups[:top],
        "by_cause": by(report.rejected, "cause", lambda record: record.cause),
        "by_interface": by(report.rejected, "interface_id", lambda record: record.interface_id,
                           vpc_id=interface_says("own_vpc"), subnet_id=interface_says("own_subnet")),
        "by_subnet": by(report.rejected, "subnet_id", lambda record: record.own_subnet,
                        vpc_id=lambda _, records: agreed(record.own_vpc for record in records)),
        "by_vpc": by(report.rejected, "vpc_id", lambda record: record.own_vpc),
    }


def pair_of(record):
    return record.src_place.vpc, record.dst_place.vpc


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
    services = defaultdict(lambda: (set(), [], []))
    for record in report.analysed:
        if record.interface:
            interfaces, accepted, rejected = services[record.interface.service]
            interfaces.add(record.interface_id)
            (accepted if record.action == "ACCEPT" else rejected).append(record)
    return sorted_by_both([{"service": name, "interfaces": len(interfaces), "accepted": total(accepted), "rejected": total(rejected)}
                           for name, (interfaces, accepted, rejected) in services.items()], ["service"])


def summarize(report, thresholds=None, top=100):
    report.finish()
    start, end = span(report.analysed)
    counts = {name: report.counts[name] for name in ("accepted", "rejected", "no_data", "skip_data", "other", "malformed")}
    return {
        "sources": report.sources, "failed": [row["uri"] for row in report.failed],
        "window": {"start": start, "end": end} if start or end else None,
        "records": {"total": sum(counts.values())} | counts,
        "traffic": {"accepted": total(report.accepted), "rejected": total(report.rejected)},
        "rejected": rejected_section(report, top),
        "peering": peering_section(report),
        "services": services_section(report),
        "findings": findings(report, THRESHOLDS | (thresholds or {})),
    }


# ---- 6. Findings -------------------------------------------------------------------------------------------------------


def finding(report, type, severity, subject, records, details=None):
    """One finding; flows, packets and bytes count the records that make it hold."""
    first_seen, last_seen = span(records)
    return {"type": type, "severity": severity, "confidence": confidence(report, type, records), "subject": subject,
            "details": details or {}} | total(records) | {"first_seen": first_seen, "last_seen": last_seen}


def confidence(report, type, records):
    if CONFIDENCE[type] == "high" or all(needs_no_absence(record) for record in records):
        level = "high"
    else:
        level = "medium" if len(report.sources) > 1 else "low"
    skipped = {record.interface_id for record in report.skipped} - {None}
    return "medium" if level == "high" and any(record.interface_id in skipped for record in records) else level


def needs_no_absence(record):
    return record.cause in CAUSES[:2] or (record.protocol == TCP and record.tcp_flags is not None)


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


def sorted_findings(rows):
    return sorted(rows, key=lambda row: (SEVERITIES.index(row["severity"]), -row["flows"], row["type"],
                                         *map(order, row["subject"].values())))


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
    refused = {(record.protocol, record.src, record.dst) for record in report.rejected}
    for subject, records in peered_directions(report):
        accepted = [record for record in records if record.action == "ACCEPT" and record.protocol == TCP]
        lost = [record for record in accepted
                if is_unanswered(report, record) and (record.protocol, record.src, record.dst) not in refused]
        if len(lost) >= thresholds["one_way_min_flows"]:
            yield finding(report, "one-way-peering", "high" if len(lost) == len(accepted) else "medium", subject, lost)


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
    """By traffic-path over a peering connection, to an address in no known VPC."""
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
        yield finding(report, "ambiguous-address", "low", {"cidr_block": str(block)}, records, {"vpc_ids": sorted(vpcs)})


def is_first_packet(record):
    """A rejected record that is no answer, not out-of-state, and has not the shape of an answer."""
    return not is_answer(record) and record.cause != "out-of-state" and not has_answer_shape(record)


def is_health_check(report, record):
    if not is_first_packet(record) or record.src is None or not record.dst_place.is_known:
        return False
    owner = report.owner(record.src, record.src_place)
    return owner is not None and owner.service == "elb"


def suspicious(report):
    """The rejected records that port-scan, host-sweep and egress-blocked look at."""
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
            accepted = sum((record.src, record.dst) == (src, dst) for record in report.accepted)
            yield finding(report, "port-scan", scan_severity(report, src, accepted), {"srcaddr": src, "dstaddr": dst}, records,
                          {"accepted_flows": accepted})


def host_sweep(report, thresholds):
    def target(record):
        return record.src, record.dstport, record.protocol

    for key, records in grouped(scanning(report), target):
        if len({record.dst for record in records}) >= thresholds["host_sweep_hosts"]:
            accepted = sum(target(record) == key for record in report.accepted)
            yield finding(report, "host-sweep", scan_severity(report, key[0], accepted),
                          dict(zip(("srcaddr", "dstport", "protocol"), key)), records, {"accepted_flows": accepted})


def repeated_rejects(report, thresholds):
    for key, records in report.groups.items():
        if len(records) >= thresholds["repeated_reject_flows"]:
            subject = dict(zip(("interface_id", "srcaddr", "dstaddr", "dstport", "protocol"), key))
            yield finding(report, "repeated-rejects", "low", subject, records)


def egress_blocked(report, thresholds):
    blocked = [record for record in suspicious(report) if record.direction == "egress" and record.dst is not None
               and report.topology.is_public(record.dst)]
    for interface, records in grouped(blocked, lambda record: record.interface_id):
        if len(records) >= thresholds["egress_blocked_flows"]:
            yield finding(report, "egress-blocked", "medium", {"interface_id": interface}, records)


def reply_blocked(report, _):
    def subject(record):
        return record.interface_id, record.src, record.dst, record.protocol

    for key, records in grouped(filter(is_answer, report.rejected), subject):
        yield finding(report, "reply-blocked", "medium", dict(zip(("interface_id", "srcaddr", "dstaddr", "protocol"), key)), records)


def is_egress(record):
    """Direction egress of a record: flow-direction, else the topology's interface owns src."""
    if record.flow_direction is not None:
        return record.flow_direction == "egress"
    return record.interface is not None and record.interface.owns(record.src)


def no_answer(report, thresholds):
    asking = [record for record in report.accepted
              if record.protocol == TCP and record.tcp_flags is not None and None not in (record.dst, record.dstport)
              and is_egress(record) and not record.is_cross_vpc and not leaves_over_peering(record)]
    for key, records in grouped(asking, lambda record: (record.interface_id, record.dst, record.dstport)):
        if len(records) >= thresholds["no_answer_flows"] and all(is_unanswered(report, record) for record in records):
            severity = "low" if report.topology.is_public(key[1]) else "medium"
            yield finding(report, "no-answer", severity, dict(zip(("interface_id", "dstaddr", "dstport"), key)), records)


def health_checks_rejected(report, thresholds):
    checks = [record for record in report.rejected if is_health_check(report, record)]
    for key, records in grouped(checks, lambda record: (record.dst, record.dstport, record.protocol)):
        if len(records) >= thresholds["health_check_flows"]:
            yield finding(report, "health-checks-rejected", "medium", dict(zip(("dstaddr", "dstport", "protocol"), key)), records)


def transit_gateway_loss(report, _):
    for reason, column in LOST.items():
        lossy = [record for record in report.other if record.fields.get(column)]
        names = ("tgw_id", "tgw_src_vpc_id", "tgw_dst_vpc_id")
        for key, records in grouped(lossy, lambda record: tuple(map(record.fields.get, names))):
            found = finding(report, "transit-gateway-loss", "medium", dict(zip(names, key)) | {"reason": reason}, records)
            yield found | {"packets": min(sum(record.fields[column] for record in records), MAX), "bytes": 0}


def skipped_data(report, _):
    for interface, records in grouped(report.skipped, lambda record: record.interface_id):
        yield finding(report, "skipped-data", "low", {"interface_id": interface}, records)


# ---- 6. Topology findings ----------------------------------------------------------------------------------------------


def check_topology(topology):
    rules = [overlapping_cidr, missing_and_partial_route, useless_route, blackhole_route, inactive_peering_route]
    rows = [{"type": type, "severity": severity, "subject": subject, "details": details or {}, "flows": 0}
            for rule in rules for type, severity, subject, details in rule(topology)]
    return [{key: value for key, value in row.items() if key != "flows"} for row in sorted_findings(rows)]


def overlaps(first, second):
    return first.version == second.version and first.overlaps(second)


def is_within(inner, outer):
    return inner.version == outer.version and inner.subnet_of(outer)


def overlapping_cidr(topology):
    vpcs = sorted(topology.blocks)
    for index, first in enumerate(vpcs):
        for second in vpcs[index + 1:]:
            peered = bool(topology.active_between(first, second))
            if not peered and not topology.peers(first) & topology.peers(second):
                continue
            if any(overlaps(one, other) for one in topology.blocks[first] for other in topology.blocks[second]):
                yield "overlapping-cidr", "high" if peered else "medium", {"vpc_ids": [first, second]}, None


def tables_in_use(topology, vpc):
    """Returns {table: its subnets}: those associated with a subnet, and the main one where a subnet has none of its own."""
    tables = [table for table in topology.tables.values() if table.vpc == vpc]
    subnets = {id for id, item in topology.subnets.items() if item.get("VpcId") == vpc}
    without = subnets - {subnet for table in tables for subnet in table.subnets}
    used = {table: set(table.subnets) for table in tables if table.subnets}
    for table in tables:
        if table.main and (without or not subnets):
            used.setdefault(table, set()).update(without)
    return used


def reaches(topology, table, connection, block):
    """An active route to the connection contains the block or lies in it, and no longer one to another target takes all of it."""
    others = [destination.prefixlen for route in table.routes if route.get("VpcPeeringConnectionId") != connection.id
              for destination in topology.destinations(route) or [] if is_within(block, destination)]
    for route in table.routes:
        if route.get("VpcPeeringConnectionId") != connection.id or route.get("State") != "active":
            continue
        destinations = topology.destinations(route)
        if destinations is None:
            return True
        for destination in destinations:
            meets = is_within(block, destination) or is_within(destination, block)
            if meets and not any(length > destination.prefixlen for length in others):
                return True
    return False


def missing_and_partial_route(topology):
    for connection in topology.connections.values():
        for vpc in connection.vpcs if connection.status == "active" else []:
            own, others = topology.blocks[vpc], topology.blocks[connection.other(vpc)]
            tables = tables_in_use(topology, vpc)
            for block in others if tables else []:
                if block.version == 6 and not any(mine.version == 6 for mine in own):
                    continue
                without = {table: subnets for table, subnets in tables.items()
                           if not reaches(topology, table, connection, block)}
                subject = {"vpc_id": vpc, "peering_connection_id": connection.id, "cidr_block": str(block)}
                if len(without) == len(tables):
                    yield "missing-route", "medium", subject, None
                elif without:
                    yield "partial-route", "low", subject, {"route_table_ids": sorted(table.id for table in without),
                                                            "subnet_ids": sorted(set().union(*without.values()))}


def routes(topology):
    """Returns each route with its table, the subject of a finding, and its connection, if it is known."""
    for table in topology.tables.values():
        for route in table.routes:
            id = route.get("VpcPeeringConnectionId")
            subject = {"route_table_id": table.id, "destination": destination_of(route), "peering_connection_id": id}
            yield table, route, subject, topology.connections.get(id)


def serves(topology, table, destination, blocks):
    """Some block has something in common with the destination that no longer destination of the table takes."""
    longer = [other for route in table.routes for other in topology.destinations(route) or []
              if is_within(other, destination) and other != destination]
    common = [min(block, destination, key=lambda one: -one.prefixlen) for block in blocks if overlaps(block, destination)]
    return any(not any(is_within(part, other) for other in longer) for part in common)


def useless_route(topology):
    for table, route, subject, connection in routes(topology):
        if connection and connection.status == "active" and table.vpc in connection.vpcs:
            destinations, blocks = topology.destinations(route), topology.blocks[connection.other(table.vpc)]
            if destinations is not None and not any(serves(topology, table, one, blocks) for one in destinations):
                yield "useless-route", "medium", subject, None


def blackhole_route(topology):
    for _, route, subject, _ in routes(topology):
        if route.get("State") == "blackhole":
            yield "blackhole-route", "medium", subject, None


def inactive_peering_route(topology):
    for _, _, subject, connection in routes(topology):
        if connection and connection.status != "active":
            yield "inactive-peering-route", "medium", subject, None


# ---- The program -------------------------------------------------------------------------------------------------------


def plain(value):
    """Returns a value as JSON has it: addresses as text."""
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, list):
        return [plain(item) for item in value]
    return str(value) if isinstance(value, (ipaddress.IPv4Address, ipaddress.IPv6Address)) else value


def analyze(logs, topology_paths=None, config=None, top=100):
    """Returns the summary of log files, as JSON values."""
    report = Report(Topology(topology_paths) if topology_paths else None)
    for path in logs:
        report.read(str(path), pathlib.Path(path).read_bytes())
    thresholds = tomllib.loads(pathlib.Path(config).read_text()) if config else {}
    return plain(summarize(report, thresholds, top))


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("logs", nargs="*")
    parser.add_argument("--topology", action="append")
    parser.add_argument("--config")
    parser.add_argument("--top", type=int, default=100)
    parser.add_argument("--topology-check", nargs="+")
    options = parser.parse_args()
    if options.topology_check:
        print(json.dumps(check_topology(Topology(options.topology_check)), indent=1))
        return 0
    summary = analyze(options.logs, options.topology, options.config, options.top)
    print(json.dumps(summary, indent=1))
    return 1 if summary["failed"] else 0


if __name__ == "__main__":
    sys.exit(main())
