"""AWS's describe output, and the findings about the topology itself."""

import ipaddress
import json
import pathlib
from collections import defaultdict

from logs import contains, parse_address, parse_block
from rows import sorted_findings

NOT_PUBLIC = [ipaddress.ip_network(block) for block in """
    0.0.0.0/8 10.0.0.0/8 100.64.0.0/10 127.0.0.0/8 169.254.0.0/16 172.16.0.0/12 192.0.0.0/24 192.0.2.0/24 192.168.0.0/16
    198.18.0.0/15 198.51.100.0/24 203.0.113.0/24 224.0.0.0/4 240.0.0.0/4 ::/128 ::1/128 100::/64 2001:db8::/32 3fff::/20
    fc00::/7 fe80::/10 ff00::/8""".split()]


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
        self.groups = {group["GroupId"] for group in item.get("Groups", [])}

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


def managed_prefix_list(document, file):
    """Returns the id of a document that has the entries of one list: the id in it, else the name of the file."""
    if "Entries" not in document:
        return None
    return document.get("PrefixListId") or (file.stem if file.stem.startswith("pl-") else None)


class Topology:
    """The merged documents. If a resource appears twice, the last one wins."""

    KEYS = {"Vpcs": "VpcId", "Subnets": "SubnetId", "VpcPeeringConnections": "VpcPeeringConnectionId",
            "NetworkInterfaces": "NetworkInterfaceId", "RouteTables": "RouteTableId", "PrefixLists": "PrefixListId",
            "SecurityGroups": "GroupId", "NetworkAcls": "NetworkAclId"}

    def __init__(self, paths=()):
        found = {kind: {} for kind in self.KEYS}
        for path in paths:
            path = pathlib.Path(path)
            for file in sorted(path.glob("*.json")) if path.is_dir() else [path]:
                document = json.loads(file.read_text())
                for kind, key in self.KEYS.items():
                    items = document.get(kind, [])
                    if kind == "PrefixLists":  # describe-managed-prefix-lists has the lists without their entries
                        items = [item for item in items if "Cidrs" in item]
                    found[kind] |= {item[key]: item for item in items}
                if id := managed_prefix_list(document, file):
                    found["PrefixLists"][id] = {"Cidrs": [entry["Cidr"] for entry in document["Entries"]]}
        self.connections = {id: Connection(item) for id, item in found["VpcPeeringConnections"].items()}
        self.interfaces = {id: Interface(item) for id, item in found["NetworkInterfaces"].items()}
        self.tables = {id: RouteTable(item) for id, item in found["RouteTables"].items()}
        self.prefix_lists = {id: [parse_block(cidr) for cidr in item["Cidrs"]] for id, item in found["PrefixLists"].items()}
        self.subnets, self.security_groups, self.acls = (found[kind] for kind in ("Subnets", "SecurityGroups", "NetworkAcls"))
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


# ---- Findings -----------------------------------------------------------------------------------------------------------


def check_topology(topology):
    rules = [overlapping_cidr, missing_and_partial_route, useless_route, blackhole_route, inactive_peering_route]
    rows = [{"type": type, "severity": severity, "subject": subject, "details": details or {}, "flows": 0}
            for rule in rules for type, severity, subject, details in rule(topology)]
    rows = [{key: value for key, value in row.items() if key != "flows"} for row in sorted_findings(rows)]
    for row in rows:
        row["subject"] = {key: value if value is None or isinstance(value, (str, list)) else str(value)
                          for key, value in row["subject"].items()}
    return rows


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
    """Returns whether a table reaches a block: by an active route that contains it or is part of it, if no longer route to
    another target covers the block."""
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
                subject = {"vpc_id": vpc, "peering_connection_id": connection.id, "cidr_block": block}
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
    """Returns whether a destination covers part of a block that no longer destination of the table covers."""
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
