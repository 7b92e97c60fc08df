"""Counts the instructions of evaluating security groups and network ACLs, as a share of the analysis."""

import json
import random

from . import build, logs
from .flowsentry import FEW_BLOCKS, ONE_THREAD, analyze
from .instructions import instructions

# Some 100,000 rejected groups.
RECORDS = 2_000_000
GROUPS = 1_000
PERMISSIONS = 60
GROUPS_PER_INTERFACE = 5


def measure():
    """Prints the share. Reading the documents is counted separately: the function reads them once for many objects."""
    log, empty = logs.log(RECORDS), logs.log(0)
    plain = logs.topology(FEW_BLOCKS)
    without, reading_without = (instructions(analyze(one, plain, *ONE_THREAD)) for one in (log, empty))
    rules = add_rules(plain)
    with_rules, reading = (instructions(analyze(one, rules, *ONE_THREAD)) for one in (log, empty))
    evaluating = with_rules - reading - (without - reading_without)
    print(
        f"\nRules ({RECORDS:,} records, {GROUPS:,} security groups with {PERMISSIONS} permissions in each direction, "
        f"{GROUPS_PER_INTERFACE} groups per interface): evaluating them takes {evaluating / without:.3f} times the instructions of "
        f"the analysis without rules; reading {sum(path.stat().st_size for path in rules.glob('*.json')) / 1e6:.0f} MB of documents "
        f"takes {(reading - reading_without) / without:.3f} times."
    )


def add_rules(folder):
    """Adds random security groups to a topology, and a network ACL to each subnet."""
    chance = random.Random(1)
    groups = [group(chance, number) for number in range(GROUPS)]
    write(folder / "security-groups.json", {"SecurityGroups": groups})
    interfaces = json.loads((folder / "interfaces.json").read_text())
    for number, interface in enumerate(interfaces["NetworkInterfaces"]):
        first = number * GROUPS_PER_INTERFACE
        interface["Groups"] = [{"GroupId": group_id(first + index)} for index in range(GROUPS_PER_INTERFACE)]
    write(folder / "interfaces.json", interfaces)
    subnets = json.loads((folder / "subnets.json").read_text())["Subnets"]
    write(folder / "network-acls.json", {"NetworkAcls": [acl(chance, subnet["SubnetId"]) for subnet in subnets]})
    return folder


def write(path, document):
    path.write_text(json.dumps(document))


def group_id(number):
    return f"sg-{number % GROUPS:017x}"


def group(chance, number):
    permissions = [permission(chance) for _ in range(PERMISSIONS)]
    return {"GroupId": group_id(number), "GroupName": f"group-{number}", "IpPermissions": permissions,
            "IpPermissionsEgress": permissions}


def permission(chance):
    """Returns a permission for a block, a group, or a prefix list; one of five is for all traffic."""
    port = chance.choice([80, 443, 8080, 5432, 3306, 6379, 9092, chance.randrange(1, 65_525)])
    peers = {"IpRanges": [], "Ipv6Ranges": [], "PrefixListIds": [], "UserIdGroupPairs": []}
    kind = chance.random()
    if kind < 0.7:
        first = chance.choice([10, 52, 172, 192])
        peers["IpRanges"] = [{"CidrIp": f"{first}.{chance.randrange(256)}.{chance.randrange(256)}.0/24"}]
    elif kind < 0.9:
        peers["UserIdGroupPairs"] = [{"GroupId": group_id(chance.randrange(GROUPS))}]
    else:
        peers["PrefixListIds"] = [{"PrefixListId": "pl-unknown"}]
    protocol = chance.choice(["tcp", "tcp", "tcp", "udp", "-1"])
    return {"IpProtocol": protocol, "FromPort": port, "ToPort": port + chance.choice([0, 0, 10])} | peers


def acl(chance, subnet_id):
    """Returns an ACL of twenty entries in each direction, which AWS allows without a raised quota."""
    entries = [
        {"RuleNumber": number * 100, "Egress": egress, "RuleAction": chance.choice(["allow", "deny"]), "Protocol": "6",
         "CidrBlock": f"{chance.randrange(1, 224)}.0.0.0/8", "PortRange": {"From": 1, "To": 1023}}
        for egress in (False, True) for number in range(1, 20)
    ]
    entries += [{"RuleNumber": 2_000, "Egress": egress, "RuleAction": "allow", "Protocol": "-1", "CidrBlock": "0.0.0.0/0"}
                for egress in (False, True)]
    return {"NetworkAclId": f"acl-{subnet_id}", "Entries": entries, "Associations": [{"SubnetId": subnet_id}]}
