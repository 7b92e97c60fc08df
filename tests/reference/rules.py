"""Which rule refused a rejected group: the network ACL of its interface's subnet, or the security groups of its interface.

A verdict is ALLOWS, DENIES, or UNDECIDED. Whether one entry or permission applies has the answer True, False, or None: a flow
log cannot tell.
"""

from typing import NamedTuple

from logs import contains, parse_block
from topology import blocks_of

ALLOWS, DENIES, UNDECIDED = "allows", "denies", "undecided"
ALL, ICMP, TCP, UDP, ICMPV6 = -1, 1, 6, 17, 58
PROTOCOLS = {"tcp": TCP, "udp": UDP, "icmp": ICMP, "icmpv6": ICMPV6}
NO_CAUSE = "security-group-or-network-acl"


class Packet(NamedTuple):
    """The part of a group that rules ask for. `remote` is the address at the other end."""

    remote: object
    protocol: int
    dstport: int | None
    is_egress: bool


def judge(topology, key, direction, records):
    """Returns what denies a group, in the order in which a packet meets it, and the cause of its records that have none yet.

    A record that is an answer has its cause by the traffic. Only a network ACL can refuse an answer.
    """
    interface_id, src, dst, dstport, protocol = key
    interface = topology.interfaces.get(interface_id)
    has_open_records = any(record.cause == NO_CAUSE for record in records)
    if not topology.acls and not topology.security_groups:
        return [], NO_CAUSE
    if interface is None or direction not in ("ingress", "egress") or None in (src, dst, protocol):
        return [], NO_CAUSE
    if not has_open_records and not any(record.is_answer for record in records):
        return [], NO_CAUSE
    is_egress = direction == "egress"
    packet = Packet(dst if is_egress else src, protocol, dstport, is_egress)
    verdicts = [judge_acl(topology, interface.subnet, packet)]
    if has_open_records:
        verdicts.append(judge_groups(topology, interface, packet))
    if is_egress:
        verdicts.reverse()
    denied_by = [element for verdict, element in verdicts if verdict == DENIES]
    if denied_by:
        return denied_by, denied_by[0]["kind"]
    return [], "rules-allow" if all(verdict == ALLOWS for verdict, _ in verdicts) else NO_CAUSE


# ---- Network ACLs -------------------------------------------------------------------------------------------------------


def judge_acl(topology, subnet, packet):
    """Returns the verdict of a subnet's network ACL, and its element of `denied_by` if it denies."""
    if is_within_subnet(topology, subnet, packet.remote):
        return ALLOWS, None
    acl = acl_of(topology, subnet)
    if acl is None:
        return UNDECIDED, None
    number, action = deciding_entry(acl, packet)
    if action == "allow":
        return ALLOWS, None
    if action is None or subnet not in topology.subnets:
        return UNDECIDED, None
    return DENIES, {"kind": "network-acl", "id": acl["NetworkAclId"], "rule_number": number}


def acl_of(topology, subnet):
    """Returns the network ACL of a subnet, or None. If several claim the subnet, none counts."""
    acls = [acl for acl in topology.acls.values() if subnet is not None
            and any(link.get("SubnetId") == subnet for link in acl.get("Associations", []))]
    return acls[0] if len(acls) == 1 else None


def is_within_subnet(topology, subnet, address):
    return any(contains(block, address) for block in blocks_of(topology.subnets.get(subnet, {})))


def deciding_entry(acl, packet):
    """Returns number and action of the first entry that matches. The action is None if a flow log cannot tell."""
    entries = [entry for entry in acl.get("Entries", []) if entry["Egress"] == packet.is_egress]
    for entry in sorted(entries, key=lambda entry: entry["RuleNumber"]):
        matches = entry_matches(entry, packet)
        if matches is None:
            return None, None
        if matches:
            return entry["RuleNumber"], entry["RuleAction"]
    return None, "deny"


def entry_matches(entry, packet):
    block = parse_block(entry.get("CidrBlock") or entry.get("Ipv6CidrBlock"))
    protocol = protocol_of(entry["Protocol"])
    if not contains(block, packet.remote) or protocol not in (ALL, packet.protocol):
        return False
    if protocol in (TCP, UDP) and "PortRange" in entry:
        return port_matches(packet.dstport, entry["PortRange"]["From"], entry["PortRange"]["To"])
    if protocol in (ICMP, ICMPV6) and entry.get("IcmpTypeCode", {}).get("Type", -1) != -1:
        return None
    return True


# ---- Security groups ----------------------------------------------------------------------------------------------------


def judge_groups(topology, interface, packet):
    """Returns the verdict of an interface's security groups, and their element of `denied_by` if they deny."""
    if not interface.groups:
        return ALLOWS, None
    groups = [topology.security_groups.get(id) for id in interface.groups]
    verdicts = {judge_permission(topology, permission, packet)
                for group in groups if group for permission in permissions_of(group, packet)}
    if ALLOWS in verdicts:
        return ALLOWS, None
    if UNDECIDED in verdicts or None in groups:
        return UNDECIDED, None
    return DENIES, {"kind": "security-group", "ids": sorted(interface.groups)}


def permissions_of(group, packet):
    return group.get("IpPermissionsEgress" if packet.is_egress else "IpPermissions", [])


def judge_permission(topology, permission, packet):
    """Returns the verdict of one permission. DENIES means only that this one does not allow the packet."""
    fits = permission_fits(permission, packet)
    if fits is False:
        return DENIES
    has_address = permission_has_address(topology, permission, packet.remote)
    if has_address is False:
        return DENIES
    return ALLOWS if fits and has_address else UNDECIDED


def permission_fits(permission, packet):
    """Returns whether a permission is for the packet's protocol and port."""
    protocol = protocol_of(permission["IpProtocol"])
    if protocol == ALL:
        return True
    if protocol != packet.protocol:
        return False
    if protocol in (TCP, UDP):
        first, last = permission.get("FromPort", -1), permission.get("ToPort", -1)
        return True if -1 in (first, last) else port_matches(packet.dstport, first, last)
    if protocol in (ICMP, ICMPV6):
        return True if permission.get("FromPort") == -1 else None
    return True


def permission_has_address(topology, permission, address):
    """Returns whether a permission is for an address; None if only a list or group that is not known could have it."""
    blocks = [parse_block(item["CidrIp"]) for item in permission.get("IpRanges", [])]
    blocks += [parse_block(item["CidrIpv6"]) for item in permission.get("Ipv6Ranges", [])]
    lists = [topology.prefix_lists.get(item.get("PrefixListId")) for item in permission.get("PrefixListIds", [])]
    for known in lists:
        blocks += known or []
    groups = [pair.get("GroupId") for pair in permission.get("UserIdGroupPairs", [])]
    if any(contains(block, address) for block in blocks) or any(is_member(topology, address, group) for group in groups):
        return True
    return False if None not in lists and all(is_known_group(topology, group) for group in groups) else None


def is_member(topology, address, group):
    """Returns whether an address belongs to an interface that has a security group."""
    return any(group in interface.groups and interface.owns(address) for interface in topology.interfaces.values())


def is_known_group(topology, group):
    return group in topology.security_groups or any(group in interface.groups for interface in topology.interfaces.values())


# ---- Both ---------------------------------------------------------------------------------------------------------------


def protocol_of(text):
    """Returns the number of a protocol, or None for a name that is not one of the four."""
    return PROTOCOLS[text] if text in PROTOCOLS else int(text) if text.lstrip("-").isdigit() else None


def port_matches(port, first, last):
    """Returns whether a range has a port. All ports have even one that a record lacks."""
    if (first, last) == (0, 65535):
        return True
    return None if port is None else first <= port <= last
