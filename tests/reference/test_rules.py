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
