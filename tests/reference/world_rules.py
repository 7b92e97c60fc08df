"""Security groups, network ACLs, and prefix lists for a random world, and rejected traffic for them to judge.

Most rules are made from a rejected record of the world: they fit it exactly, or miss it by a neighbor block or by one port.
So each of them often decides, and often almost does.
"""

import ipaddress
from dataclasses import dataclass

import troubles
from logs import parse_address, parse_block

PROTOCOLS = {1: "icmp", 6: "tcp", 17: "udp", 58: "icmpv6"}
LENGTHS = {4: [32, 32, 32, 31, 28, 24, 24, 18, 16, 16, 0, 0], 6: [128, 128, 127, 80, 64, 64, 56, 56, 0, 0]}
ICMP_TYPES = [(-1, -1), (-1, -1), (8, -1), (8, 0), (0, 0)]
LISTS = ["pl-near", "pl-far", "pl-void", "pl-named", "pl-managed", "pl-managed", "pl-unknown"]


@dataclass
class Attempt:
    """A rejected record, as a rule sees it."""

    interface: str
    remote: object
    protocol: int
    dstport: int
    is_egress: bool


def add(world):
    """Adds rules to two thirds of the worlds that have interfaces in the topology."""
    items = world.documents.get("NetworkInterfaces", [])
    if not items or world.chance(1 / 3):
        return
    for _ in range(world.random.randint(4, 12)):
        add_traffic(world, {item["NetworkInterfaceId"] for item in items})
    describe_subnets(world)
    groups = [f"sg-{number}" for number in range(world.random.randint(3, 6))]
    for item in items:
        equip(world, item, groups)
    attempts = attempts_of(world, items)
    if world.chance(0.95):
        world.documents["SecurityGroups"] = [make_group(world, id, items, attempts) for id in [*groups, "sg-void"]]
    if world.chance(0.9):
        world.documents["NetworkAcls"] = list(make_acls(world, items, attempts))
    make_prefix_lists(world, attempts)


# -- traffic


def add_traffic(world, described):
    """Adds attempts and answers at an interface that is described: rejected, without or with the records that asked."""
    enis = [eni for eni in world.interfaces if eni.id in described and eni.addresses]
    if not enis:
        return
    eni = world.pick(enis)
    local = world.pick(eni.addresses)
    is_six = ":" in local
    near = [host for host in eni.vpc.hosts if host != local and (":" in host) == is_six]
    far = [host for vpc in world.vpcs for host in vpc.hosts if host != local and (":" in host) == is_six]
    remote = world.pick(near + far + (["2600:9::1", "2001:db8::7"] if is_six else ["8.8.8.8", "52.0.0.9", "192.168.50.7"]))
    if not world.is_free(local, remote):
        return
    kind = world.pick(["attempt"] * 6 + ["syn-ack", "syn-ack-asked", "answer", "answer-udp", "mixed"])
    port, client = world.pick([22, 443, 5432, 53]), world.pick([40000, 40001])
    if kind == "attempt":
        protocol, way = world.pick([6, 6, 6, 17, 58 if is_six else 1, 50, 47, None]), world.pick(["ingress", "egress"])
        ends = (remote, local) if way == "ingress" else (local, remote)
        ports = (0, 0) if protocol in (1, 58) else (client, world.pick([port, port, port, 0, 65535, None]))
        for _ in range(world.pick([1, 1, 3])):
            reject(world, eni, *ends, ports, protocol, 2 if protocol == 6 and world.chance(0.6) else None, way)
    elif kind == "syn-ack-asked":
        troubles.record(world, eni, local, remote, (client, port))
        reject(world, eni, remote, local, (port, client), 6, 18, None)
    elif kind == "answer" or kind == "answer-udp":
        protocol = 6 if kind == "answer" else 17
        troubles.record(world, eni, remote, local, (client, port), protocol)
        reject(world, eni, local, remote, (port, client), protocol, None, None)
    else:
        reject(world, eni, local, remote, (port, client), 6, 18, "egress")
        for _ in range(world.pick([1, 1, 2]) if kind == "mixed" else 0):
            reject(world, eni, local, remote, (port, client), 6, world.pick([2, 2, 1]), "egress")


def reject(world, eni, src, dst, ports, protocol, flags, way):
    more = {"flow-direction": way} if way and world.chance(0.5) else {}
    troubles.record(world, eni, src, dst, ports, protocol, "REJECT", flags, **more)


def attempts_of(world, items):
    """Returns the attempts that the rejected records at described interfaces are."""
    owned = {item["NetworkInterfaceId"]: own_addresses(item) for item in items}
    found = []
    for record in world.added:
        src, dst = (record.get(f"pkt-{side}") or record.get(side) for side in ("srcaddr", "dstaddr"))
        if record.get("action") != "REJECT" or record.get("interface-id") not in owned or not src or not dst:
            continue
        try:
            src, dst = parse_address(src), parse_address(dst)
        except ValueError:
            continue
        owns_src = str(src) in owned[record["interface-id"]]
        is_egress = record["flow-direction"] == "egress" if record.get("flow-direction") else owns_src
        protocol = record.get("protocol")
        port = record["dstport"] if record.get("dstport") is not None else world.pick([22, 443])
        found.append(Attempt(record["interface-id"], dst if is_egress else src,
                             protocol if protocol is not None and protocol < 256 else 6, min(port, 65535), is_egress))
    return found


def own_addresses(item):
    return [entry["PrivateIpAddress"] for entry in item["PrivateIpAddresses"]] + [entry["Ipv6Address"]
                                                                                  for entry in item["Ipv6Addresses"]]


# -- interfaces and subnets


def describe_subnets(world):
    """Describes all subnets in half of the worlds, and gives them IPv6 blocks. That of the first has the hosts of the VPC."""
    if world.chance(0.5):
        world.documents["Subnets"] = [{"SubnetId": id, "VpcId": vpc.id, "CidrBlock": block}
                                      for vpc in world.vpcs for id, block in vpc.subnets]
    for subnet in world.documents["Subnets"]:
        vpc = next(vpc for vpc in world.vpcs if vpc.id == subnet["VpcId"])
        six = [block for block in vpc.blocks if ":" in block]
        if six and world.chance(0.7):
            first = subnet["SubnetId"] == vpc.subnets[0][0]
            state = "associated" if world.chance(0.8) else "disassociated"
            block = six[0].replace("::/56", "::/64" if first else ":0:1::/64")
            subnet["Ipv6CidrBlockAssociationSet"] = [{"Ipv6CidrBlock": block, "Ipv6CidrBlockState": {"State": state}}]


def equip(world, item, groups):
    """Gives an interface its security groups. `sg-alone` is known by interfaces only."""
    chosen = world.random.sample(groups, world.pick([0, 1, 1, 1, 2, 2, 3]))
    if chosen and world.chance(0.06):
        chosen.append("sg-alone")
    if chosen or world.chance(0.5):
        item["Groups"] = [{"GroupId": id, "GroupName": f"name of {id}"} for id in chosen]
    if world.chance(0.03):
        del item["SubnetId"]


# -- rules


def block_near(world, attempt):
    """Returns a block that has the attempt's remote address, or the neighbor of such a block; sometimes of the other family."""
    address = attempt.remote
    if world.chance(0.05):
        return "::/0" if address.version == 4 else "0.0.0.0/0"
    network = ipaddress.ip_network((address, world.pick(LENGTHS[address.version])), strict=False)
    if network.prefixlen and world.chance(0.25):
        value = int(network.network_address) ^ 1 << address.max_prefixlen - network.prefixlen
        return f"{type(address)(value)}/{network.prefixlen}"
    return str(network)


def ports_near(world, port):
    first, last = world.pick([(port, port), (port, port), (port, port), (port, port + 1), (port - 1, port), (0, port),
                              (port, 65535), (0, 65535), (port + 1, 65535), (0, port - 1), (port - 1, port - 1),
                              (1024, 65535)])
    return min(max(first, 0), 65535), min(max(last, 0), 65535)


def protocol_near(world, attempt):
    """Returns the attempt's protocol, mostly; -1 is all protocols."""
    return world.pick([attempt.protocol] * 6 + [-1, -1, 6, 17, 1, 58, 50])


def make_acls(world, items, attempts):
    """One or two network ACLs for a VPC. Some subnets are in none, a few in both."""
    subnet_of = {item["NetworkInterfaceId"]: item.get("SubnetId") for item in items}
    for vpc in world.vpcs:
        acls = [f"acl-{vpc.number}a", f"acl-{vpc.number}b"][:world.pick([1, 1, 1, 2])]
        subnets = {id: [] for id in acls}
        for subnet, _ in vpc.subnets:
            if world.chance(0.93):
                for id in acls if world.chance(0.15) else [world.pick(acls)]:
                    subnets[id].append(subnet)
        for id in acls:
            near = [attempt for attempt in attempts if subnet_of[attempt.interface] in subnets[id]] or attempts
            yield {"NetworkAclId": id, "VpcId": vpc.id, "IsDefault": False,
                   "Associations": [{"NetworkAclAssociationId": f"aclassoc-{subnet}", "NetworkAclId": id, "SubnetId": subnet}
                                    for subnet in subnets[id]],
                   "Entries": make_entries(world, near)}


def make_entries(world, attempts):
    """Entries of both directions, in any order. The last ones, which deny all, are sometimes absent."""
    entries = []
    for is_egress in (False, True):
        near = [attempt for attempt in attempts if attempt.is_egress == is_egress]
        numbers = world.random.sample([1, 50, 90, 99, 100, 101, 110, 200, 300, 1000, 32766], world.random.randint(0, 7))
        made = [make_entry(world, world.pick(near)) for _ in numbers if near]
        if world.chance(0.5):
            numbers.append(500)
            made.append({"Protocol": "-1", "CidrBlock": "0.0.0.0/0", "RuleAction": "allow"})
        if world.chance(0.3):
            numbers.append(501)
            made.append({"Protocol": "-1", "Ipv6CidrBlock": "::/0", "RuleAction": "allow"})
        for number, block in ((32767, {"CidrBlock": "0.0.0.0/0"}), (32768, {"Ipv6CidrBlock": "::/0"})):
            if world.chance(0.7):
                numbers.append(number)
                made.append({"Protocol": "-1", "RuleAction": "deny"} | block)
        entries += [entry | {"RuleNumber": number, "Egress": is_egress} for number, entry in zip(numbers, made)]
    world.random.shuffle(entries)
    return entries


def make_entry(world, attempt):
    block, protocol = block_near(world, attempt), protocol_near(world, attempt)
    entry = {"Ipv6CidrBlock" if ":" in block else "CidrBlock": block, "Protocol": str(protocol),
             "RuleAction": world.pick(["allow", "deny"])}
    if world.chance(0.85 if protocol in (6, 17) else 0.1):
        first, last = ports_near(world, attempt.dstport)
        entry["PortRange"] = {"From": first, "To": last}
    if world.chance(0.8 if protocol in (1, 58) else 0.05):
        type, code = world.pick(ICMP_TYPES)
        entry["IcmpTypeCode"] = world.pick([{"Type": type, "Code": code}] * 5 + [{"Code": code}])
    return entry


def make_group(world, id, items, attempts):
    having = {item["NetworkInterfaceId"] for item in items if any(group["GroupId"] == id for group in item.get("Groups", []))}
    group = {"GroupId": id, "GroupName": f"name of {id}", "VpcId": world.pick(world.vpcs).id}
    for key, is_egress in (("IpPermissions", False), ("IpPermissionsEgress", True)):
        near = [attempt for attempt in attempts if attempt.is_egress == is_egress and attempt.interface in having]
        group[key] = [make_permission(world, near, items) for _ in range(world.pick([0, 1, 1, 2, 3, 4])) if near]
        if world.chance(0.15):
            group[key].append({"IpProtocol": "-1", "IpRanges": [{"CidrIp": "0.0.0.0/0"}]})
    return group


def make_permission(world, attempts, items):
    attempt = world.pick(attempts)
    pairs = []
    if world.chance(0.3):
        attempt = world.pick([attempt for attempt in attempts if groups_at(items, attempt.remote)] or attempts)
        pairs = [group_pair(world, attempt, items)]
    protocol = protocol_near(world, attempt)
    permission = {"IpProtocol": PROTOCOLS.get(protocol, str(protocol)) if world.chance(0.7) else str(protocol)}
    if world.chance(0.9 if protocol in (6, 17) else 0.1):
        permission["FromPort"], permission["ToPort"] = ports_near(world, attempt.dstport)
        if world.chance(0.1):
            permission |= world.pick([{"FromPort": -1}, {"ToPort": -1}, {"FromPort": -1, "ToPort": -1}])
        if world.chance(0.05):
            del permission[world.pick(["FromPort", "ToPort"])]
    elif protocol in (1, 58) and world.chance(0.9):
        permission["FromPort"], permission["ToPort"] = world.pick(ICMP_TYPES)
    permission |= {"IpRanges": [], "Ipv6Ranges": [], "PrefixListIds": [], "UserIdGroupPairs": pairs}
    for _ in range(world.pick([0, 0, 1] if pairs else [0, 1, 1, 1, 2])):
        block = block_near(world, attempt)
        if ":" in block:
            permission["Ipv6Ranges"].append({"CidrIpv6": block})
        else:
            permission["IpRanges"].append({"CidrIp": block})
    if world.chance(0.2):
        permission["PrefixListIds"].append({"PrefixListId": world.pick(LISTS)})
    return {key: value for key, value in permission.items() if value != [] or world.chance(0.8)}


def group_pair(world, attempt, items):
    """Returns a reference to a group: of the interface that has the remote address, if any; of none; not known."""
    at_remote = groups_at(items, attempt.remote) or ["sg-0", "sg-1"]
    id = world.pick(at_remote * 4 + ["sg-0", "sg-void", "sg-alone", "sg-unknown", None])
    return {"UserId": "000111222333"} | ({"GroupId": id} if id else {})


def groups_at(items, address):
    """Returns the groups of the interfaces that have an address, by itself or in a delegated prefix."""
    return [group["GroupId"] for item in items for group in item.get("Groups", [])
            if str(address) in own_addresses(item) or any(address in parse_block(block) for block in prefixes(item))]


def prefixes(item):
    return [prefix["Ipv4Prefix"] for prefix in item.get("Ipv4Prefixes", [])] + [prefix["Ipv6Prefix"]
                                                                                for prefix in item.get("Ipv6Prefixes", [])]


def make_prefix_lists(world, attempts):
    """Adds the known ones of `LISTS`: as describe-prefix-lists has them, and in documents of their own, with and without id."""
    def blocks():
        count = world.random.randint(1, 4) if attempts else 0
        return list(dict.fromkeys(block_near(world, world.pick(attempts)) for _ in range(count)))

    world.documents.setdefault("PrefixLists", []).extend([
        {"PrefixListId": "pl-near", "PrefixListName": "near", "Cidrs": blocks()},
        {"PrefixListId": "pl-far", "PrefixListName": "far", "Cidrs": ["203.0.113.0/24"]},
        {"PrefixListId": "pl-void", "PrefixListName": "void", "Cidrs": []}])
    entries = [[{"Cidr": block, "Description": "made"} for block in blocks()] for _ in range(2)]
    world.more_documents = {"pl-managed": {"Entries": entries[0], "NextToken": None},
                            "entries": {"PrefixListId": "pl-named", "Entries": entries[1]}}
