"""Checks of the subtle rules: `python3 -m unittest` in this folder. Each has a near miss."""

import gzip
import ipaddress
import json
import pathlib
import tempfile
import unittest

import rows
from logs import ObjectError, parse_address, read_log
from summary import summarize
from terms import Report, locate
from topology import Topology, check_topology

HEADER = ("interface-id srcaddr dstaddr srcport dstport protocol action tcp-flags vpc-id subnet-id flow-direction traffic-path "
          "reject-reason")


def vpc(id, *blocks):
    return {"VpcId": id, "CidrBlock": blocks[0], "CidrBlockAssociationSet": [{"CidrBlock": block} for block in blocks]}


def connection(id, first, second, status="active", region="eu-west-1"):
    return {"VpcPeeringConnectionId": id, "Status": {"Code": status}, "RequesterVpcInfo": {"VpcId": first,
                                                                                           "Region": "eu-west-1"},
            "AccepterVpcInfo": {"VpcId": second, "Region": region}}


def table(id, vpc, *routes, subnets=()):
    """A main table, or one of subnets, with routes "destination>target" ("!" for blackhole)."""
    links = [{"SubnetId": subnet} for subnet in subnets] or [{"Main": True}]
    made = []
    for destination, target in (route.split(">") for route in routes):
        key = "VpcPeeringConnectionId" if target.startswith("pcx") else "GatewayId"
        name = "DestinationPrefixListId" if destination.startswith("pl-") else "DestinationCidrBlock"
        made.append({name: destination, key: target.strip("!"), "State": "blackhole" if "!" in target else "active"})
    return {"RouteTableId": id, "VpcId": vpc, "Associations": links, "Routes": made}


def topology(**documents):
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder, "all.json")
        path.write_text(json.dumps(documents))
        return Topology([path])


AB = {"Vpcs": [vpc("A", "10.1.0.0/16"), vpc("B", "10.2.0.0/16"), vpc("C", "10.3.0.0/16")],
      "VpcPeeringConnections": [connection("pcx-1", "A", "B")]}


def report(lines, *files, documents=None, **thresholds):
    """Summary of lines of "interface src dst sport dport protocol action [column=value …]"."""
    made = Report(topology(**documents) if documents else None)
    for number, file in enumerate((lines, *files)):
        text = [HEADER]
        for line in file:
            plain, named = [part for part in line.split() if "=" not in part], dict(part.split("=") for part in line.split()
                                                                                    if "=" in part)
            text.append(" ".join(plain + [named.get(name, "-") for name in HEADER.split()[7:]]))
        made.read(str(number), "\n".join(text).encode())
    return summarize(made, thresholds)


def types(summary):
    return [row["type"] for row in summary["findings"]]


def causes(summary):
    return {row["cause"]: row["flows"] for row in summary["rejected"]["by_cause"]}


class Input(unittest.TestCase):
    def test_classes(self):
        lines = ["srcaddr action log-status srcport", "1.1.1.1 ACCEPT OK 1", "- ACCEPT NODATA 1", "- - FAILURE 1",
                 "- - NODATA 1",
                 "1.1.1.1 REJECT OK 65536", "1.1.1.1 NEW NEW 1", "", "1 2"]
        kinds = [kind for kind, _ in read_log("\n".join(lines).encode())]
        self.assertEqual(kinds, ["accepted", "malformed", "skip_data", "no_data", "malformed", "other", "malformed"])

    def test_gzip_members_padding_and_truncation(self):
        data = gzip.compress(b"srcaddr action\n1.1.1.1 ACC") + gzip.compress(b"EPT\n")
        self.assertEqual(len(read_log(data + b"\0\0")), 1)
        for damaged in (data[:-1], data + b"x"):
            self.assertRaises(ObjectError, read_log, damaged)

    def test_mapped_address_is_ipv4_and_a_zone_is_none(self):
        self.assertEqual(parse_address("::ffff:10.0.0.1"), ipaddress.ip_address("10.0.0.1"))
        self.assertRaises(ValueError, parse_address, "fe80::1%eth0")

    def test_first_of_two_columns_counts(self):
        [(_, record)] = read_log(b"srcaddr dst_port dstport dstport\n1.1.1.1 x 5 6")
        self.assertEqual(record.dstport, 5)


class Location(unittest.TestCase):
    documents = {"Vpcs": [vpc("A", "10.1.0.0/16"), vpc("B", "10.9.0.0/16"), vpc("C", "10.9.0.0/16"),
                          vpc("D", "10.1.4.0/24", "10.9.8.0/24")],
                 "VpcPeeringConnections": [connection("pcx-1", "A", "B"), connection("pcx-2", "A", "C", "deleted")]}

    def place(self, address, own, subnet=None, **more):
        return locate(topology(**self.documents, **more), ipaddress.ip_address(address), own, subnet)

    def test_own_blocks_then_peers_then_longest_prefix(self):
        self.assertEqual(self.place("10.1.4.1", "A").vpc, "A")
        self.assertEqual(self.place("10.1.4.1", "B").vpc, "A")
        self.assertEqual(self.place("10.1.4.1", None).vpc, "D")
        self.assertEqual(self.place("10.9.8.1", "A").vpc, "B")

    def test_tie_is_ambiguous_unless_a_route_decides(self):
        tables = [table("rtb-1", "A", "10.9.0.0/16>pcx-1", "10.9.1.0/24>pcx-2", subnets=["s1"]), table("rtb-2", "A")]
        self.documents = self.documents | {"VpcPeeringConnections": [connection("pcx-1", "A", "B"),
                                                                     connection("pcx-2", "A", "C")]}
        self.assertEqual(self.place("10.9.1.1", "A").tied, ("B", "C"))
        self.assertEqual(self.place("10.9.1.1", "A", "s1", RouteTables=tables).vpc, "C")
        self.assertEqual(self.place("10.9.2.1", "A", "s1", RouteTables=tables).vpc, "B")
        self.assertTrue(self.place("10.9.1.1", "A", "s2", RouteTables=tables).is_ambiguous)
        self.assertTrue(self.place("10.9.1.1", "A", None, RouteTables=tables).is_ambiguous)
        self.assertEqual(self.place("10.9.1.1", "A", None, RouteTables=[table("rtb-1", "A", "10.9.0.0/16>pcx-2")]).vpc, "C")


class Replies(unittest.TestCase):
    ask = "e1 10.1.0.1 10.2.0.1 4000 80 6 ACCEPT vpc-id=A"

    def one_way(self, *lines, files=(), flags="tcp-flags=2"):
        return "one-way-peering" in types(report([f"{self.ask} {flags}", *lines], *files, documents=AB, one_way_min_flows=1))

    def test_reply_in_the_same_vpc_in_any_file(self):
        self.assertTrue(self.one_way())
        self.assertFalse(self.one_way("e2 10.2.0.1 10.1.0.1 9 9 6 ACCEPT vpc-id=A"))
        self.assertFalse(self.one_way(files=[["e2 10.2.0.1 10.1.0.1 80 4000 6 ACCEPT vpc-id=A"]]))
        self.assertTrue(self.one_way("e2 10.2.0.1 10.1.0.1 80 4000 6 ACCEPT vpc-id=B"))
        self.assertTrue(self.one_way("e2 10.2.0.1 10.1.0.1 80 4000 17 ACCEPT vpc-id=A"))

    def test_flags_other_than_syn_show_an_answer(self):
        for flags, expected in {"": True, "tcp-flags=10": True, "tcp-flags=3": False, "tcp-flags=0": False,
                                "tcp-flags=18": False}.items():
            self.assertEqual(self.one_way(flags=flags), expected, flags)

    def test_rejected_records_of_the_pair_do_not_count(self):
        self.assertFalse(self.one_way("e9 10.1.0.1 10.2.0.1 4001 80 6 REJECT vpc-id=B tcp-flags=2"))
        self.assertTrue(self.one_way("e9 10.1.0.1 10.2.0.2 4001 80 6 REJECT vpc-id=B tcp-flags=2"))

    def test_confidence_by_flags_inputs_and_skipped_data(self):
        def confidence(flags, *files):
            found = report([f"{self.ask} {flags}"], *files, documents=AB, one_way_min_flows=1)
            return [row["confidence"] for row in found["findings"] if row["type"] == "one-way-peering"]

        asked, skipped = self.ask.rsplit(" ", 1)[0] + " 2 A - - - - OK", "e1 - - - - - - - - - - - - SKIPDATA"
        made = Report(topology(**AB))
        made.read("a", f"{HEADER} log-status\n{asked}\n{skipped}".encode())
        capped = summarize(made, {"one_way_min_flows": 1})["findings"]
        self.assertEqual([confidence("tcp-flags=2"), confidence(""), confidence("", [])], [["high"], ["low"], ["low"]])
        self.assertEqual(confidence("", ["e5 10.1.0.9 8.8.8.8 1 2 17 ACCEPT"]), ["medium"])
        self.assertEqual({row["type"]: row["confidence"] for row in capped}, {"one-way-peering": "medium",
                                                                              "skipped-data": "medium"})

    def test_flows_between_vpcs_count_once(self):
        far = "e2 10.1.0.1 10.2.0.1 4000 80 6 ACCEPT vpc-id=B"
        for lines, flows in (([self.ask, self.ask, far], 2), ([far], 1), (["e3 10.1.0.1 10.2.0.1 4000 80 6 ACCEPT vpc-id=C"],
                                                                          0)):
            pair = report(lines, documents=AB)["peering"]["vpc_pairs"][0]
            self.assertEqual(pair["accepted"]["flows"], flows)


class Causes(unittest.TestCase):
    def test_causes(self):
        refused, back = "e1 10.0.0.1 10.0.0.2 4000 443 6 REJECT", "e1 10.0.0.2 10.0.0.1 443 4000 6 ACCEPT"
        alike, open = "e1 10.0.0.1 10.0.0.2 4000 443 6 ACCEPT", "security-group-or-network-acl"
        for lines, expected in {
            (refused,): open,
            (refused + " reject-reason=BPA",): "block-public-access",
            (refused + " tcp-flags=18",): "out-of-state",
            (refused + " tcp-flags=18", back): "network-acl",
            (refused + " tcp-flags=18 flow-direction=egress",): "network-acl",
            (refused + " tcp-flags=1",): "out-of-state",
            (refused + " tcp-flags=2", alike): open,
            (refused, alike): "out-of-state",
            (refused, back): "network-acl",
            (refused, back, alike): "out-of-state",
            (refused, back.replace("e1", "e2")): open,
            ("e1 10.0.0.1 10.0.0.2 500 500 17 REJECT", "e1 10.0.0.2 10.0.0.1 500 500 17 ACCEPT"): open,
            ("e1 10.0.0.1 10.0.0.2 0 0 1 REJECT", "e1 10.0.0.1 10.0.0.2 0 0 1 ACCEPT"): open,
        }.items():
            self.assertEqual(causes(report(lines)), {expected: 1}, lines)

    def test_direction_by_the_common_address(self):
        def directions(*lines):
            return [row["direction"] for row in report(lines)["rejected"]["groups"]]

        self.assertEqual(directions("e1 8.8.8.8 10.0.0.1 1 2 6 REJECT"), ["ingress"])
        self.assertEqual(directions("e1 10.0.0.1 8.8.8.8 1 2 6 REJECT"), ["egress"])
        self.assertEqual(directions("e1 10.0.0.2 10.0.0.1 1 2 6 REJECT"), ["unknown"])
        self.assertEqual(directions("e1 10.0.0.2 10.0.0.1 1 2 6 REJECT", "e1 10.0.0.3 10.0.0.1 1 2 6 ACCEPT"), ["ingress"])
        self.assertEqual(directions("- 8.8.8.8 10.0.0.1 1 2 6 REJECT"), ["unknown"])


OPEN = "security-group-or-network-acl"
SUBNET = {"SubnetId": "s1", "VpcId": "A", "CidrBlock": "10.1.0.0/24", "Ipv6CidrBlockAssociationSet": [
    {"Ipv6CidrBlock": "2600:1::/64", "Ipv6CidrBlockState": {"State": "associated"}}]}
INGRESS, EGRESS = "e1 10.9.0.7 10.1.0.1 4000 443 6 REJECT", "e1 10.1.0.1 10.9.0.7 4000 443 6 REJECT"
NO_PORT, PING = "e1 10.9.0.7 10.1.0.1 4000 - 6 REJECT", "e1 10.9.0.7 10.1.0.1 0 0 1 REJECT"
INGRESS6 = "e1 2600:9::7 2600:1::1 4000 443 6 REJECT"


def ports_of(text):
    return [int(port) for port in text.split("..")]


def entry(text, egress=False):
    """An entry from "100 allow 6 10.0.0.0/8", with a port range "443..444" or an ICMP type "type=8" at the end."""
    number, action, protocol, block, *more = text.split()
    made = {"RuleNumber": int(number), "RuleAction": action, "Protocol": protocol, "Egress": egress}
    made["Ipv6CidrBlock" if ":" in block else "CidrBlock"] = block
    for part in more:
        if part.startswith("type="):
            made["IcmpTypeCode"] = {"Type": int(part.removeprefix("type=")), "Code": -1}
        else:
            made["PortRange"] = dict(zip(("From", "To"), ports_of(part)))
    return made


def permission(text):
    """A permission from "tcp 443..444 10.0.0.0/8 pl-1 sg-2": ports and sources, as many as there are. "pair" has no group."""
    protocol, *parts = text.split()
    made = {"IpProtocol": protocol, "IpRanges": [], "Ipv6Ranges": [], "PrefixListIds": [], "UserIdGroupPairs": []}
    for part in parts:
        if part.startswith("sg-") or part == "pair":
            made["UserIdGroupPairs"].append({"UserId": "1"} if part == "pair" else {"GroupId": part})
        elif part.startswith("pl-"):
            made["PrefixListIds"].append({"PrefixListId": part})
        elif "/" in part:
            made["Ipv6Ranges" if ":" in part else "IpRanges"].append({"CidrIpv6" if ":" in part else "CidrIp": part})
        elif part.startswith("from="):
            made["FromPort"] = int(part.removeprefix("from="))
        else:
            made |= zip(("FromPort", "ToPort"), ports_of(part))
    return made


def interface(id, address, groups=(), subnet="s1", **more):
    return {"NetworkInterfaceId": id, "VpcId": "A", "SubnetId": subnet, "PrivateIpAddresses": [{"PrivateIpAddress": address}],
            "Groups": [{"GroupId": group} for group in groups]} | more


def judged(lines, acl=(), out=(), groups=None, egress=None, on=("sg-1",), **documents):
    """Summary with one network ACL, of subnet s1, that has entries `acl` and `out`; security groups that have permissions
    `groups` and `egress`; and interface e1 that has the groups `on`."""
    entries = [entry(text) for text in acl] + [entry(text, True) for text in out]
    described = {"sg-1": ()} | (groups or {})
    documents = {"Vpcs": [vpc("A", "10.1.0.0/16")], "Subnets": [SUBNET], "NetworkAcls": [
        {"NetworkAclId": "acl-1", "Associations": [{"SubnetId": "s1"}], "Entries": entries}], "SecurityGroups": [
        {"GroupId": id, "IpPermissions": [*map(permission, texts)],
         "IpPermissionsEgress": [permission(text) for text in (egress or {}).get(id, ())]} for id, texts in described.items()],
        "NetworkInterfaces": [interface("e1", "10.1.0.1", on, Ipv6Addresses=[{"Ipv6Address": "2600:1::1"}])]} | documents
    return report([lines] if isinstance(lines, str) else lines, documents=documents)


def outcome(*arguments, **more):
    """Returns the cause of the first group, and what denies it in short: ("acl", number) and ("sg", ids)."""
    row = judged(*arguments, **more)["rejected"]["groups"][0]
    return row["cause"], [("acl", element["rule_number"]) if element["kind"] == "network-acl" else ("sg", element["ids"])
                          for element in row["denied_by"]]


ALL_IN, ALL_IN6 = ["100 allow -1 0.0.0.0/0"], ["100 allow -1 ::/0"]
BY_GROUP, BOTH_ALLOW, UNDECIDED = ("security-group", [("sg", ["sg-1"])]), ("rules-allow", []), (OPEN, [])


class NetworkAcls(unittest.TestCase):
    def by_acl(self, line, *entries, **more):
        """Returns the number of the entry that denies, "allows", or "undecided". The security groups allow all."""
        groups = {"sg-1": ["-1 0.0.0.0/0 ::/0"]}
        cause, denied_by = outcome(line, entries, entries, groups, groups, **more)
        return {"network-acl": denied_by and denied_by[0][1], "rules-allow": "allows", OPEN: "undecided"}[cause]

    def test_first_match_decides_and_none_denies(self):
        deny, allow = "200 deny -1 10.9.0.0/16", "100 allow 6 10.9.0.7/32 443..443"
        for line in (INGRESS, EGRESS):
            for entries, expected in {
                (deny,): 200, (deny, allow): "allows", (allow,): "allows", (): None, ("32767 deny -1 0.0.0.0/0",): 32767,
                (deny, allow.replace("100", "201")): 200, ("100 allow 6 10.9.0.6/32",): None,
                ("100 allow 17 10.9.0.7/32",): None,
                ("100 allow 6 10.9.0.7/32 444..445", deny): 200, ("100 allow 6 10.9.0.7/32 442..444", deny): "allows",
                ("100 allow -1 ::/0",): None, ("100 allow -1 10.9.0.7/32 80..80",): "allows",
            }.items():
                self.assertEqual(self.by_acl(line, *entries), expected, entries)

    def test_entries_of_the_other_direction_do_not_count(self):
        for line, other in ((INGRESS, "out"), (EGRESS, "acl")):
            self.assertEqual(outcome(line, on=(), **{other: ALL_IN}), ("network-acl", [("acl", None)]))

    def test_subnet_that_is_not_known(self):
        deny, allow = "100 deny -1 0.0.0.0/0", "100 allow -1 0.0.0.0/0"
        for entries, expected in {(deny,): "undecided", (): "undecided", (allow,): "allows"}.items():
            self.assertEqual(self.by_acl(INGRESS, *entries, Subnets=[]), expected)

    def test_within_a_subnet_no_acl_is_asked(self):
        for address, expected in {"10.1.0.255": "allows", "10.1.1.0": None}.items():
            for line in (INGRESS, EGRESS):
                self.assertEqual(self.by_acl(line.replace("10.9.0.7", address)), expected)
        for address, expected in {"2600:1::ffff": "allows", "2600:1:0:1::": None}.items():
            self.assertEqual(self.by_acl(INGRESS6.replace("2600:9::7", address)), expected)
        state = {"Ipv6CidrBlock": "2600:1::/64", "Ipv6CidrBlockState": {"State": "disassociated"}}
        subnet = SUBNET | {"Ipv6CidrBlockAssociationSet": [state]}
        self.assertIsNone(self.by_acl(INGRESS6.replace("2600:9::7", "2600:1::ffff"), Subnets=[subnet]))

    def test_no_acl_and_two_acls_decide_nothing(self):
        acls = [{"NetworkAclId": id, "Associations": [{"SubnetId": "s1"}], "Entries": []} for id in ("acl-1", "acl-2")]
        for found in (acls, [acls[0] | {"Associations": [{"SubnetId": "s2"}]}], []):
            self.assertEqual(self.by_acl(INGRESS, NetworkAcls=found), "undecided")
            self.assertEqual(self.by_acl(INGRESS.replace("10.9.0.7", "10.1.0.9"), NetworkAcls=found), "allows")
        several = acls[0] | {"Associations": [{"SubnetId": "s0"}, {"SubnetId": "s1"}]}
        self.assertIsNone(self.by_acl(INGRESS, NetworkAcls=[several]))
        without = interface("e1", "10.1.0.1", ("sg-1",))
        del without["SubnetId"]
        self.assertEqual(self.by_acl(INGRESS, NetworkInterfaces=[without]), "undecided")

    def test_udp_has_ports(self):
        for ports, expected in {"443..443": 100, "442..442": 200}.items():
            self.assertEqual(self.by_acl(INGRESS.replace(" 6 REJ", " 17 REJ"), f"100 deny 17 0.0.0.0/0 {ports}",
                                         "200 deny -1 0.0.0.0/0"), expected)

    def test_absent_port(self):
        for text, expected in {"6 0.0.0.0/0 443..443": "undecided", "6 0.0.0.0/0 0..65535": 100, "6 0.0.0.0/0": 100,
                               "6 10.8.0.0/16 443..443": 200, "17 0.0.0.0/0 443..443": 200}.items():
            self.assertEqual(self.by_acl(NO_PORT, f"100 deny {text}", "200 deny -1 0.0.0.0/0"), expected, text)
        self.assertEqual(self.by_acl(NO_PORT, "90 deny -1 0.0.0.0/0", "100 allow 6 0.0.0.0/0 443..443"), 90)

    def test_icmp_type(self):
        for text, expected in {"1 0.0.0.0/0 type=8": "undecided", "1 0.0.0.0/0 type=-1": 100, "1 0.0.0.0/0": 100,
                               "-1 0.0.0.0/0 type=8": 100, "58 0.0.0.0/0 type=8": 200, "1 10.8.0.0/16 type=8": 200}.items():
            self.assertEqual(self.by_acl(PING, f"100 deny {text}", "200 deny -1 0.0.0.0/0"), expected, text)
        self.assertEqual(self.by_acl(PING.replace(" 1 REJ", " 58 REJ"), "100 deny 58 0.0.0.0/0 type=128"), "undecided")

    def test_ipv6(self):
        for block, expected in {"2600:9::/64": 100, "2600:9:0:1::/64": 200, "0.0.0.0/0": 200, "2600:9::7/128": 100}.items():
            self.assertEqual(self.by_acl(INGRESS6, f"100 deny 6 {block} 443..443", "200 deny -1 ::/0"), expected, block)


class SecurityGroups(unittest.TestCase):
    def by_groups(self, line, *permissions, groups=None, **more):
        """Returns the verdict of the security groups. The network ACL allows all."""
        entries = [*ALL_IN, *[text.replace("100", "101") for text in ALL_IN6]]
        groups = {"sg-1": permissions} | (groups or {})
        found = outcome(line, entries, entries, groups, groups, **more)
        return {BOTH_ALLOW[0]: "allows", BY_GROUP[0]: "denies", OPEN: "undecided"}[found[0]]

    def each(self, line, expected, **more):
        for text, verdict in expected.items():
            self.assertEqual(self.by_groups(line, text, **more), verdict, text)

    def test_protocol_port_and_block(self):
        for line in (INGRESS, EGRESS):
            self.each(line, {
                "tcp 443..443 10.9.0.7/32": "allows", "tcp 443..443 10.9.0.6/32": "denies",
                "tcp 444..450 10.9.0.7/32": "denies", "tcp 80..442 10.9.0.7/32": "denies",
                "6 442..444 10.9.0.0/24": "allows", "udp 443..443 0.0.0.0/0": "denies",
                "-1 0.0.0.0/0": "allows", "-1 80..80 0.0.0.0/0": "allows", "tcp 0.0.0.0/0": "allows", "-1 ::/0": "denies",
                "tcp -1..-1 0.0.0.0/0": "allows", "tcp 80..-1 0.0.0.0/0": "allows", "tcp -1..80 0.0.0.0/0": "allows",
                "tcp from=80 0.0.0.0/0": "allows", "tcp 443..443": "denies", "50 0.0.0.0/0": "denies"})
        self.each(INGRESS.replace(" 6 REJ", " 50 REJ"), {"50 80..80 0.0.0.0/0": "allows", "tcp 0.0.0.0/0": "denies",
                                                         "esp 0.0.0.0/0": "denies"})
        self.each(INGRESS.replace(" 6 REJ", " 17 REJ"), {"udp 443..443 0.0.0.0/0": "allows",
                                                         "udp 442..442 0.0.0.0/0": "denies"})
        self.each(INGRESS6, {"tcp 443..443 2600:9::/64": "allows", "tcp 443..443 2600:9:0:1::/64 0.0.0.0/0": "denies"})

    def test_permissions_of_the_other_direction_do_not_count(self):
        allow = {"sg-1": ["-1 0.0.0.0/0"]}
        self.assertEqual(outcome(INGRESS, ALL_IN, ALL_IN, groups=allow), BOTH_ALLOW)
        self.assertEqual(outcome(EGRESS, ALL_IN, ALL_IN, groups=allow), BY_GROUP)
        self.assertEqual(outcome(INGRESS, ALL_IN, ALL_IN, egress=allow), BY_GROUP)
        self.assertEqual(outcome(EGRESS, ALL_IN, ALL_IN, egress=allow), BOTH_ALLOW)

    def test_absent_port(self):
        self.each(NO_PORT, {"tcp 443..443 0.0.0.0/0": "undecided", "tcp 443..443 10.8.0.0/16": "denies",
                            "tcp 0..65535 0.0.0.0/0": "allows", "tcp 0.0.0.0/0": "allows", "udp 443..443 0.0.0.0/0": "denies"})
        self.assertEqual(self.by_groups(NO_PORT, "tcp 443..443 0.0.0.0/0", "tcp 10.9.0.0/16"), "allows")

    def test_icmp_type(self):
        self.each(PING, {"icmp -1..-1 0.0.0.0/0": "allows", "1 -1..-1 0.0.0.0/0": "allows", "icmp 8..-1 0.0.0.0/0": "undecided",
                         "icmp 0.0.0.0/0": "undecided", "icmp 8..-1 10.8.0.0/16": "denies",
                         "icmpv6 -1..-1 0.0.0.0/0": "denies"})
        self.each(PING.replace(" 1 REJ", " 58 REJ"), {"icmpv6 -1..-1 0.0.0.0/0": "allows", "58 8..0 0.0.0.0/0": "undecided"})

    def test_groups_of_the_interface(self):
        web = {"sg-2": ["tcp 443..443 10.9.0.0/16"]}
        self.assertEqual(self.by_groups(INGRESS, on=()), "allows")
        self.assertEqual(self.by_groups(INGRESS, groups=web), "denies")
        self.assertEqual(self.by_groups(INGRESS, groups=web, on=("sg-1", "sg-2")), "allows")
        self.assertEqual(self.by_groups(INGRESS, on=("sg-1", "sg-gone")), "undecided")
        self.assertEqual(self.by_groups(INGRESS, groups=web, on=("sg-gone", "sg-2")), "allows")
        five = [f"sg-{number}" for number in range(1, 6)]
        denied = outcome(INGRESS, ALL_IN, groups=dict.fromkeys(five, ["udp 0.0.0.0/0"]), on=five[::-1])
        self.assertEqual(denied, ("security-group", [("sg", five)]))
        without = interface("e1", "10.1.0.1")
        del without["Groups"]
        self.assertEqual(self.by_groups(INGRESS, NetworkInterfaces=[without]), "allows")

    def test_prefix_lists(self):
        lists = [{"PrefixListId": "pl-1", "Cidrs": ["10.8.0.0/16", "10.9.0.0/24"]}, {"PrefixListId": "pl-2", "Cidrs": []},
                 {"PrefixListId": "pl-3", "PrefixListName": "without entries"}]
        self.each(INGRESS, {"tcp 443..443 pl-1": "allows", "tcp pl-2": "denies", "tcp pl-3": "undecided",
                            "tcp pl-4": "undecided", "udp pl-4": "denies", "tcp 80..80 pl-4": "denies",
                            "tcp pl-4 10.9.0.0/16": "allows", "tcp pl-4 pl-1": "allows",
                            "tcp 80..80 pl-1": "denies"}, PrefixLists=lists)
        self.each(NO_PORT, {"tcp 443..443 pl-4": "undecided", "tcp 443..443 pl-2": "denies"}, PrefixLists=lists)

    def test_entries_of_managed_prefix_lists(self):
        with tempfile.TemporaryDirectory() as folder:
            for name, document in {"pl-7": {}, "other": {}, "named": {"PrefixListId": "pl-8"}}.items():
                path = pathlib.Path(folder, f"{name}.json")
                path.write_text(json.dumps(document | {"Entries": [{"Cidr": "10.9.0.0/16"}]}))
            lists = Topology([folder]).prefix_lists
        self.assertEqual(lists, dict.fromkeys(["pl-7", "pl-8"], [ipaddress.ip_network("10.9.0.0/16")]))

    def test_references(self):
        def at(line, address):
            return line.replace("10.9.0.7", address)

        others = [interface("e1", "10.1.0.1", ("sg-1",)), interface("e2", "10.5.0.2", ("sg-2", "sg-alone"), VpcId="B"),
                  interface("e3", "10.5.0.3", ("sg-2",), Ipv4Prefixes=[{"Ipv4Prefix": "10.5.1.0/28"}],
                            Association={"PublicIp": "52.0.0.1"})]
        more = {"NetworkInterfaces": others, "groups": {"sg-2": (), "sg-void": ()}}
        for line in (INGRESS, EGRESS):
            for address, verdict in {"10.5.0.2": "allows", "10.5.0.3": "allows", "10.5.0.4": "denies", "10.5.1.15": "allows",
                                     "10.5.1.16": "denies", "52.0.0.1": "denies"}.items():
                self.assertEqual(self.by_groups(at(line, address), "tcp 443..443 sg-2", **more), verdict, address)
        self.each(at(INGRESS, "10.5.0.2"), {
            "tcp sg-alone": "allows", "tcp sg-void": "denies", "tcp sg-unknown": "undecided", "tcp pair": "undecided",
            "tcp sg-unknown sg-2": "allows", "tcp 80..80 sg-2": "denies", "tcp 80..80 sg-unknown": "denies"}, **more)
        self.each(at(INGRESS, "10.5.0.3"), {"tcp sg-alone": "denies"}, **more)
        self.each(at(NO_PORT, "10.5.0.2"), {"tcp 80..80 sg-unknown": "undecided", "tcp 80..80 sg-2": "undecided"}, **more)


class Rules(unittest.TestCase):
    acl_denies = {"acl": ["100 deny -1 0.0.0.0/0"], "out": ["110 deny -1 0.0.0.0/0"]}

    def test_order_of_those_that_deny(self):
        self.assertEqual(outcome(INGRESS, **self.acl_denies), ("network-acl", [("acl", 100), ("sg", ["sg-1"])]))
        self.assertEqual(outcome(EGRESS, **self.acl_denies), ("security-group", [("sg", ["sg-1"]), ("acl", 110)]))
        self.assertEqual(outcome(INGRESS, on=("sg-gone",), **self.acl_denies), ("network-acl", [("acl", 100)]))
        self.assertEqual(outcome(INGRESS, ["100 allow 6 10.9.0.0/16"]), BY_GROUP)
        self.assertEqual(outcome(INGRESS, NetworkAcls=[]), BY_GROUP)
        self.assertEqual(outcome(INGRESS, ALL_IN, on=()), BOTH_ALLOW)
        self.assertEqual(outcome(INGRESS, NetworkAcls=[], on=()), UNDECIDED)

    def test_groups_that_are_not_judged(self):
        for line in (INGRESS.replace("e1", "e9"), "e1 10.9.0.7 10.9.0.8 4000 443 6 REJECT", INGRESS.replace(" 6 ", " - "),
                     INGRESS + " flow-direction=other"):
            self.assertEqual(outcome(line, **self.acl_denies), UNDECIDED, line)
        self.assertEqual(outcome(INGRESS + " tcp-flags=1", **self.acl_denies), ("out-of-state", []))
        self.assertEqual(outcome(INGRESS + " reject-reason=BPA", **self.acl_denies), ("block-public-access", []))

    def test_flow_direction_says_which_address_is_remote(self):
        self.assertEqual(outcome(EGRESS + " flow-direction=ingress", **self.acl_denies)[1], [("sg", ["sg-1"])])
        self.assertEqual(outcome(EGRESS.replace("10.1.0.1", "10.8.0.1") + " flow-direction=ingress", **self.acl_denies)[1],
                         [("acl", 100), ("sg", ["sg-1"])])

    def test_answers_ask_the_acl_alone(self):
        syn_ack = "e1 10.1.0.1 10.9.0.7 443 4000 6 REJECT tcp-flags=18"
        asked, answer = "e1 10.9.0.7 10.1.0.1 4000 443 6 ACCEPT", "e1 10.1.0.1 10.9.0.7 443 4000 6 REJECT"
        for lines in (syn_ack, [asked, answer]):
            self.assertEqual(outcome(lines, **self.acl_denies), ("network-acl", [("acl", 110)]))
            self.assertEqual(outcome(lines, out=ALL_IN), ("network-acl", []))
        late = outcome([syn_ack, syn_ack.replace("=18", "=1")], **self.acl_denies)
        self.assertEqual(late, ("out-of-state", [("acl", 110)]))
        mixed = judged([syn_ack, syn_ack.replace("=18", "=2"), syn_ack.replace("=18", "=1")], **self.acl_denies)["rejected"]
        self.assertEqual(mixed["groups"][0]["causes"], {"network-acl": 1, "out-of-state": 1, "security-group": 1})
        self.assertEqual(mixed["groups"][0]["cause"], "out-of-state")
        self.assertEqual([(row["kind"], row["flows"]) for row in mixed["by_rule"]], [("network-acl", 1), ("security-group", 1)])

    def test_sums_by_rule(self):
        lines = [INGRESS, INGRESS, INGRESS.replace("443", "80"), EGRESS, INGRESS.replace("10.9", "10.8"),
                 "e1 10.1.0.1 10.9.0.9 443 4000 6 REJECT tcp-flags=18"]
        rejected = judged(lines, ["100 deny -1 10.9.0.0/16"], ["100 allow -1 10.9.0.0/16"])["rejected"]
        acl = {"kind": "network-acl", "id": "acl-1", "ids": None}
        group = {"kind": "security-group", "id": None, "ids": ["sg-1"]}
        sums = {"packets": 0, "bytes": 0}
        self.assertEqual(rejected["by_rule"], [
            acl | {"rule_number": 100, "direction": "ingress", "group_count": 2, "flows": 3} | sums,
            acl | {"rule_number": None, "direction": "ingress", "group_count": 1, "flows": 1} | sums,
            group | {"rule_number": None, "direction": "egress", "group_count": 1, "flows": 1} | sums])
        self.assertEqual([(row["cause"], row["flows"]) for row in rejected["by_cause"]],
                         [("network-acl", 5), ("security-group", 1)])

    def test_findings_take_no_notice(self):
        scan = ["e1 9.9.9.9 10.1.0.1 50000 {} 6 REJECT tcp-flags=2".format(port) for port in range(20, 40)]
        summary = judged(scan, **self.acl_denies)
        self.assertEqual(([row["cause"] for row in summary["rejected"]["by_cause"]], types(summary)),
                         (["network-acl"], ["port-scan"]))
        repeated = judged([INGRESS] * 100, **self.acl_denies)["findings"]
        self.assertEqual([row["details"] for row in repeated], [{"direction": "ingress", "cause": "network-acl"}])


class Scans(unittest.TestCase):
    def scan(self, line, *more, **thresholds):
        lines = [line.format(number) for number in range(20, 23)]
        return report([*lines, *more], **{"port_scan_ports": 3} | thresholds)["findings"]

    def test_shape_of_an_answer_makes_no_scan(self):
        self.assertEqual(len(self.scan("e1 9.9.9.9 10.0.0.1 443 40{} 6 REJECT tcp-flags=2")), 1)
        self.assertEqual(self.scan("e1 9.9.9.9 10.0.0.1 443 40{} 6 REJECT"), [])
        self.assertEqual(len(self.scan("e1 9.9.9.9 10.0.0.1 443 {} 6 REJECT")), 1)
        self.assertEqual(self.scan("e1 9.9.9.9 10.0.0.1 53 40{} 17 REJECT tcp-flags=0"), [])

    def test_accepted_flows_raise_the_severity(self):
        line = "e1 9.9.9.9 10.0.0.1 50000 {} 6 REJECT tcp-flags=2"
        same, other = "e2 9.9.9.9 10.0.0.1 1 80 17 ACCEPT", "e2 9.9.9.9 10.0.0.2 1 80 17 ACCEPT"
        found = self.scan(line), self.scan(line, same), self.scan(line, other)
        self.assertEqual([(row["severity"], row["details"]["accepted_flows"]) for [row] in found],
                         [("medium", 0), ("high", 1), ("medium", 0)])

    def test_trusted_scanners_make_no_scan(self):
        line = "e1 9.9.9.9 10.0.0.1 50000 {} 6 REJECT tcp-flags=2"
        self.assertEqual(self.scan(line, trusted_scanners=["9.9.9.8/31"]), [])
        self.assertEqual(len(self.scan(line, trusted_scanners=["9.9.9.10/31"])), 1)


class TopologyFindings(unittest.TestCase):
    def found(self, *tables, more=(), documents=AB):
        return [(row["type"], *row["subject"].values()) for row in
                check_topology(topology(**documents, RouteTables=[*tables], PrefixLists=list(more)))]

    def test_routes(self):
        missing, useless = ("missing-route", "A", "pcx-1", "10.2.0.0/16"), "useless-route"
        for routes, expected in {
            ("10.2.0.0/16>pcx-1",): [], ("10.0.0.0/8>pcx-1",): [], ("10.2.3.0/24>pcx-1",): [], ("pl-1>pcx-1",): [],
            (): [missing],
            ("10.0.0.0/8>pcx-1", "10.2.0.0/16>tgw-1"): [missing, (useless, "r", "10.0.0.0/8", "pcx-1")],
            ("10.2.0.0/16>pcx-1", "10.0.0.0/8>tgw-1"): [],
            ("10.2.0.0/16>pcx-1", "0.0.0.0/0>pcx-1"): [(useless, "r", "0.0.0.0/0", "pcx-1")],
            ("10.2.0.0/16>pcx-1!",): [("blackhole-route", "r", "10.2.0.0/16", "pcx-1"), missing],
        }.items():
            self.assertEqual(self.found(table("r", "A", *routes)), expected, routes)

    def test_partial_route_where_a_subnet_has_another_table(self):
        documents = AB | {"Subnets": [{"SubnetId": "s1", "VpcId": "A"}, {"SubnetId": "s2", "VpcId": "A"}]}
        tables = table("r1", "A", "10.2.0.0/16>pcx-1"), table("r2", "A", subnets=["s2"])
        self.assertEqual(self.found(*tables, documents=documents), [("partial-route", "A", "pcx-1", "10.2.0.0/16")])
        documents["Subnets"] = documents["Subnets"][1:]
        self.assertEqual(self.found(*tables, documents=documents), [("missing-route", "A", "pcx-1", "10.2.0.0/16")])

    def test_overlap_of_two_peers_of_a_third(self):
        documents = {"Vpcs": [vpc("A", "10.1.0.0/16"), vpc("B", "10.2.0.0/16"), vpc("C", "10.2.8.0/24")],
                     "VpcPeeringConnections": [connection("pcx-1", "A", "B"), connection("pcx-2", "A", "C")]}
        self.assertEqual(self.found(documents=documents), [("overlapping-cidr", ["B", "C"])])
        documents["VpcPeeringConnections"][1]["Status"]["Code"] = "deleted"
        self.assertEqual(self.found(documents=documents), [])


class Order(unittest.TestCase):
    def test_null_then_ipv4_then_ipv6(self):
        values = [ipaddress.ip_address("::1"), ipaddress.ip_address("10.0.0.10"), None, ipaddress.ip_address("10.0.0.9")]
        self.assertEqual([str(value) for value in sorted(values, key=rows.order)], ["None", "10.0.0.9", "10.0.0.10", "::1"])


if __name__ == "__main__":
    unittest.main()
