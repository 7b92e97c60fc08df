"""Makes a random world: a topology, flow logs, a configuration, and labels that say which findings must (not) appear.

    python3 worlds.py SEED FOLDER        writes FOLDER/topology/*.json, FOLDER/*.log, config.toml, labels.json

Addresses, ports, and interfaces come from small pools, so that records meet: replies at another interface or in another file,
both ends of a flow, split connections, overlapping blocks. `troubles.py` adds troubles and harmless look-alikes with labels.
They use their own hosts, interfaces, and VPC pairs, so that random traffic cannot invalidate a label. `world_rules.py` adds
security groups, network ACLs, and prefix lists; no label depends on them.
"""

import argparse
import gzip
import ipaddress
import json
import pathlib
import random
from dataclasses import dataclass, field

import troubles
import world_rules
from logs import contains, parse_address, parse_block

V2 = ("version account-id interface-id srcaddr dstaddr srcport dstport protocol packets bytes start end action "
      "log-status").split()
V5 = V2 + ("vpc-id subnet-id instance-id tcp-flags type pkt-srcaddr pkt-dstaddr region az-id sublocation-type sublocation-id "
           "pkt-src-aws-service pkt-dst-aws-service flow-direction traffic-path").split()
ALL = V2 + "vpc-id subnet-id tcp-flags pkt-srcaddr pkt-dstaddr flow-direction traffic-path reject-reason".split()
TGW = ("version resource-type account-id tgw-id tgw-src-vpc-id tgw-dst-vpc-id srcaddr dstaddr srcport dstport protocol packets "
       "bytes start end log-status packets-lost-no-route packets-lost-blackhole packets-lost-mtu-exceeded "
       "packets-lost-ttl-expired").split()
ADDRESS_FIELDS = ("srcaddr", "dstaddr", "pkt-srcaddr", "pkt-dstaddr")
START = 1795413600
STATUSES = ["active", "active", "active", "active", "pending-acceptance", "deleted", "rejected", "expired"]


@dataclass
class Vpc:
    id: str
    number: int
    blocks: list
    hosts: list = field(default_factory=list)
    region: str = "eu-west-1"
    owner: str = "000111222333"
    subnets: list = field(default_factory=list)

    def host(self, number):
        """An address of the main block, where troubles have their own hosts: no other block is nested there."""
        return f"{self.blocks[0].split('.0.0/')[0]}.{200 + number // 250}.{number % 250 + 1}"


@dataclass
class Eni:
    id: str
    vpc: Vpc | None
    subnet: str | None
    addresses: list


class World:
    def __init__(self, seed):
        self.seed, self.random = seed, random.Random(seed)
        self.documents, self.more_documents, self.added = {}, {}, []
        self.labels, self.reserved, self.interfaces = [], set(), []
        self.next_number, self.tgw_columns = 0, TGW
        self.has_topology = self.chance(0.95)
        self.thresholds = self.make_thresholds()
        self.make_vpcs()
        self.make_connections()
        self.make_interfaces()
        self.make_tables()
        self.make_files()
        troubles.add(self)
        self.make_traffic()
        world_rules.add(self)

    # -- choices

    def chance(self, probability):
        return self.random.random() < probability

    def pick(self, values):
        return self.random.choice(values)

    def number(self):
        self.next_number += 1
        return self.next_number

    def make_thresholds(self):
        number = self.random.randint
        return {"port_scan_ports": number(2, 5), "host_sweep_hosts": number(2, 5), "repeated_reject_flows": number(3, 8),
                "egress_blocked_flows": number(1, 4), "one_way_min_flows": number(1, 5), "no_answer_flows": number(1, 4),
                "health_check_flows": number(1, 4), "trusted_scanners": ["203.0.113.64/26", "2600:77::/32"]}

    # -- topology

    def make_vpcs(self):
        mains = [f"10.{20 + n}.0.0/16" for n in range(4)] + ["20.50.0.0/16"]
        self.random.shuffle(mains)
        self.vpcs = [Vpc(f"vpc-{n:04x}", n, [mains[n]]) for n in range(self.random.randint(2, 5))]
        for vpc in self.vpcs:
            other = self.pick(self.vpcs)
            extras = ["10.99.0.0/16", "10.99.0.0/16", "10.99.128.0/17", "100.64.0.0/16"]
            if other is not vpc:
                extras.append(other.blocks[0].replace(".0.0/16", ".64.0/18"))  # nested in the block of another VPC
            vpc.blocks += self.random.sample(extras, self.pick([0, 0, 1, 2]))
            vpc.blocks = list(dict.fromkeys(vpc.blocks))
            if self.chance(0.5):
                vpc.blocks.append(f"2600:{1 + vpc.number}::/56")
            vpc.region, vpc.owner = self.pick(["eu-west-1"] * 3 + ["us-east-1"]), self.pick(["000111222333"] * 3
                                                                                            + ["999111222333"])
            for block in vpc.blocks:
                network = ipaddress.ip_network(block)
                for offset in self.random.sample([5, 9, 261, 1025, 33001], self.pick([1, 2])):
                    vpc.hosts.append(str(network[offset % network.num_addresses]))
            first = vpc.blocks[0].split(".0.0/")[0]
            vpc.subnets = [(f"subnet-{vpc.number:x}{n}", f"{first}.{n * 64}.0/18") for n in (0, 3)]
        self.documents["Vpcs"] = [self.vpc_item(vpc) for vpc in self.vpcs if vpc.number < 2 or self.chance(0.8)]
        known = self.chance(0.7)
        self.documents["Subnets"] = [{"SubnetId": id, "VpcId": vpc.id, "CidrBlock": block} for vpc in self.vpcs
                                     for id, block in vpc.subnets if known and self.chance(0.8)]

    def vpc_item(self, vpc):
        four, six = ([block for block in vpc.blocks if (":" in block) == is_six] for is_six in (False, True))
        dead = [{"CidrBlock": "10.98.0.0/16", "CidrBlockState": {"State": "disassociated"}}] if self.chance(0.3) else []
        item = {"VpcId": vpc.id, "OwnerId": vpc.owner, "CidrBlock": four[0], "CidrBlockAssociationSet": dead + [
            {"CidrBlock": block, "CidrBlockState": {"State": "associated"}} for block in four]}
        if six:
            item["Ipv6CidrBlockAssociationSet"] = [
                {"Ipv6CidrBlock": block, "Ipv6CidrBlockState": {"State": "associated"}} for block in six]
        if self.chance(0.3):
            item["Tags"] = [{"Key": "Name", "Value": f"net-{vpc.number}"}]
        return item

    def side(self, vpc):
        item = {"VpcId": vpc.id, "OwnerId": vpc.owner, "CidrBlock": vpc.blocks[0],
                "CidrBlockSet": [{"CidrBlock": block} for block in vpc.blocks if ":" not in block],
                "Ipv6CidrBlockSet": [{"Ipv6CidrBlock": block} for block in vpc.blocks if ":" in block]}
        return item | {"Region": vpc.region}

    def make_connections(self):
        self.documents["VpcPeeringConnections"], self.status = [], {}
        described = {item["VpcId"] for item in self.documents["Vpcs"]}
        for first in self.vpcs:
            for second in self.vpcs[first.number + 1:]:
                count = self.pick([0, 1, 1, 1, 2])
                if {first.id, second.id} - described:
                    count = max(count, 1)  # a VPC that is not described is known by its connections
                for _ in range(count):
                    status = self.pick(STATUSES)
                    requester, accepter = self.random.sample([first, second], 2)
                    self.documents["VpcPeeringConnections"].append({
                        "VpcPeeringConnectionId": f"pcx-{self.random.randrange(16**4):04x}{self.number():02x}",
                        "Status": {"Code": status},
                        "RequesterVpcInfo": self.side(requester), "AccepterVpcInfo": self.side(accepter)})
                    self.status.setdefault(frozenset((first.id, second.id)), []).append(status)

    def is_peered(self, first, second):
        return "active" in self.status.get(frozenset((first.id, second.id)), [])

    def add_interface(self, vpc, addresses, described=True, service="ec2", **more):
        """Adds an interface; `described` ones are in the topology."""
        inside = [id for id, block in vpc.subnets for address in addresses[:1]
                  if ipaddress.ip_address(address) in ipaddress.ip_network(block)]
        subnet = (inside or [self.pick(vpc.subnets)[0]])[0]
        eni = Eni(f"eni-{self.number():04x}", vpc, subnet, addresses)
        four, six = ([address for address in addresses if (":" in address) == is_six] for is_six in (False, True))
        item = {"NetworkInterfaceId": eni.id, "VpcId": vpc.id, "SubnetId": subnet, "InterfaceType": "interface",
                "Description": "",
                "PrivateIpAddresses": [{"PrivateIpAddress": address} for address in four],
                "Ipv6Addresses": [{"Ipv6Address": address} for address in six]} | more
        item |= {"elb": {"RequesterId": "amazon-elb", "RequesterManaged": True, "Description": "ELB app/shop/0123456789abcdef"},
                 "rds": {"RequesterId": "amazon-rds", "RequesterManaged": True, "Description": "RDSNetworkInterface"},
                 "nat-gateway": {"InterfaceType": "nat_gateway", "RequesterManaged": True}}.get(service, {})
        if described:
            self.documents.setdefault("NetworkInterfaces", []).append(item)
        return eni

    def make_interfaces(self):
        for vpc in self.vpcs:
            free = list(vpc.hosts)  # no address belongs to two interfaces of a VPC
            self.random.shuffle(free)
            for _ in range(self.pick([1, 2, 2])):
                count = self.pick([1, 1, 2])
                addresses, free = free[:count], free[count:]
                more = {}
                if self.chance(0.3):
                    more["Association"] = {"PublicIp": f"52.0.0.{self.number()}", "IpOwnerId": "amazon"}
                if self.chance(0.2) and free and ":" not in free[0]:
                    more["Ipv4Prefixes"] = [{"Ipv4Prefix": str(ipaddress.ip_network(free[0] + "/28", strict=False))}]
                    free = []
                elif self.chance(0.1) and free and ":" in free[0]:
                    more["Ipv6Prefixes"] = [{"Ipv6Prefix": str(ipaddress.ip_network(free[0] + "/80", strict=False))}]
                    free = []
                if self.chance(0.2):
                    more["TagSet"] = [{"Key": "Name", "Value": "web"}]
                self.interfaces.append(self.add_interface(vpc, addresses, self.chance(0.6),
                                                          self.pick(["ec2", "ec2", "elb", "rds", "nat-gateway"]), **more))
        self.interfaces.append(Eni("eni-unknown", None, None, []))

    def make_tables(self):
        self.documents["RouteTables"] = tables = []
        if self.chance(0.4):
            self.documents["PrefixLists"] = [{"PrefixListId": "pl-known", "Cidrs": ["10.99.0.0/17",
                                                                                    self.pick(self.vpcs).blocks[0]]}]
        for vpc in self.vpcs:
            if self.chance(0.35):
                continue
            for name in ["main", "own", "unused"][:self.pick([1, 2, 3])]:
                links = {"main": [{"Main": True}], "own": [{"SubnetId": vpc.subnets[1][0]}], "unused": []}[name]
                tables.append({"RouteTableId": f"rtb-{vpc.number}{name}", "VpcId": vpc.id, "Associations": links,
                               "Routes": self.make_routes(vpc)})

    def make_routes(self, vpc):
        routes = {vpc.blocks[0]: {"GatewayId": "local", "State": "active"}}
        for item in self.documents["VpcPeeringConnections"]:
            sides = [item["RequesterVpcInfo"]["VpcId"], item["AccepterVpcInfo"]["VpcId"]]
            if vpc.id not in sides:
                continue
            other = next(far for far in self.vpcs if far.id in sides and far is not vpc)
            choices = [*other.blocks, other.blocks[0], other.blocks[0].replace("0.0/16", "0.0/17"), "10.99.0.0/17",
                       "10.99.3.0/24",
                       "192.168.50.0/24", "pl-known", "pl-unknown", "10.0.0.0/8", "0.0.0.0/0"]
            for destination in self.random.sample(choices, self.random.randint(1, 4)):
                state = "active" if self.chance(0.9) else "blackhole"
                routes.setdefault(destination, {"VpcPeeringConnectionId": item["VpcPeeringConnectionId"], "State": state})
        for destination in self.random.sample(["0.0.0.0/0", "10.0.0.0/8", "10.20.0.0/16", "10.21.0.0/24"],
                                              self.pick([0, 1, 1])):
            routes.setdefault(destination, {"TransitGatewayId": "tgw-1", "State": self.pick(["active", "active", "blackhole"])})
        keys = {"pl": "DestinationPrefixListId", ":": "DestinationIpv6CidrBlock"}
        return [{keys["pl"] if text.startswith("pl") else keys[":"] if ":" in text else "DestinationCidrBlock": text} | route
                for text, route in routes.items()]

    # -- files

    def make_files(self):
        """The first file has all columns; the others have the formats of version 2 or 5, or columns in any order."""
        self.files = []
        for number in range(self.random.randint(1, 4)):
            kind = "all" if number == 0 else self.pick(["v2", "headless", "v5", "some", "all"])
            columns = {"v2": V2, "headless": V2, "v5": V5}.get(kind, self.random.sample(ALL, len(ALL)))
            if kind == "some":
                columns = [name for name in columns if name == "action" or self.chance(0.85)]
                if "interface-id" not in columns:
                    columns = [name for name in columns if name not in ("vpc-id", "subnet-id")]
                columns.insert(self.random.randrange(len(columns)), "not-a-field")
            self.files.append({"columns": columns, "header": kind != "headless", "lines": []})
        if self.chance(0.05):
            self.files.append({"columns": [], "header": False, "lines": ["foo", "bar baz"]})  # not a flow log

    def add(self, record, file=None):
        """Writes a record as a line of a file that has the columns of its `needs`; absent values are `-`."""
        needs = set(record.pop("needs", ()))
        if file is None:
            file = self.pick([file for file in self.files if needs <= set(file["columns"])])
        if not file["columns"]:
            return
        start = START + self.random.randrange(600)
        values = {"version": 5, "account-id": "000111222333", "packets": self.random.randint(1, 20),
                  "bytes": self.random.randint(40, 9000),
                  "start": start, "end": start + self.random.randrange(60), "log-status": "OK", "type": "IPv4",
                  "region": "eu-west-1"}
        values |= record
        line = " ".join(str(values[name]) if values.get(name) is not None else "-" for name in file["columns"])
        file["lines"].append(line)
        self.added.append(record)

    # -- traffic

    def owners(self, address):
        value = parse_address(address)
        return {vpc.id for vpc in self.vpcs for block in vpc.blocks if contains(parse_block(block), value)}

    def is_free(self, *addresses):
        """No two of these addresses can be in a pair of VPCs that belongs to a trouble."""
        vpcs = set().union(*map(self.owners, filter(None, addresses)))
        return not any(pair <= vpcs for pair in self.reserved)

    def make_traffic(self):
        pool = [host for vpc in self.vpcs for host in vpc.hosts]
        pool += ["8.8.8.8", "52.0.0.9", "192.168.50.7", "2600:9::1", "2001:db8::7", "::ffff:10.20.0.5"]
        for _ in range(self.random.randint(20, 90)):
            src, dst = self.random.sample(pool, 2)
            if self.is_free(src, dst):
                self.make_flow(src, dst)
        for _ in range(self.random.randint(0, 5)):
            self.add_odd_line()

    def make_flow(self, src, dst):
        """Adds the records of a flow: at one or both ends, with or without a reply, repeated, accepted or rejected."""
        flow = {"srcaddr": src, "dstaddr": dst, "protocol": self.pick([6, 6, 6, 6, 17, 17, 1, 58, 50, None]),
                "srcport": self.pick([40000, 40001, 1024, 53, 443, 5432, None]), "dstport": self.pick([22, 443, 443, 5432, 53,
                                                                                                       40000, 8080, None])}
        if flow["protocol"] in (1, 58):
            flow |= {"srcport": 0, "dstport": 0}
        back = {"srcaddr": dst, "dstaddr": src, "srcport": flow["dstport"], "dstport": flow["srcport"],
                "protocol": flow["protocol"]}
        near, far = self.interface_at(src), self.interface_at(dst)
        for eni, way in ((near, "egress"), (far, "ingress")):
            for _ in range(self.pick([0, 1, 1, 2])):
                self.add_at(eni, flow, way, self.pick(["ACCEPT", "ACCEPT", "REJECT"]))
        for eni, way in ((near, "ingress"), (far, "egress"), (self.pick(self.interfaces), "ingress")):
            if self.chance(0.3):
                self.add_at(eni, back, way, self.pick(["ACCEPT", "ACCEPT", "ACCEPT", "REJECT"]))

    def interface_at(self, address):
        owning = [eni for eni in self.interfaces if address in eni.addresses]
        near = [eni for eni in self.interfaces if eni.vpc and eni.vpc.id in self.owners(address)]
        return self.pick(owning or near or self.interfaces) if self.chance(0.95) else self.pick(self.interfaces)

    def add_at(self, eni, flow, way, action):
        record = flow | {"interface-id": eni.id if self.chance(0.97) else None, "action": action}
        # A record that lacks the interface lacks its VPC too: flowsentry does not tell records of no interface apart by VPC.
        if eni.vpc and record["interface-id"] and self.chance(0.85):
            record |= {"vpc-id": eni.vpc.id, "subnet-id": eni.subnet if self.chance(0.8) else None}
        if flow["protocol"] == 6 and self.chance(0.8):
            record["tcp-flags"] = self.pick([2, 2, 2, 2, 0, 1, 3, 4, 16, 18, 18, 19, 6, 10, 32])
        if self.chance(0.6):
            record["flow-direction"] = way if self.chance(0.95) else self.pick(["ingress", "egress"])
        if way == "egress" and self.owners(flow["dstaddr"]) and self.chance(0.6):
            record["traffic-path"] = self.pick([1, 4, 4, 5, 2])
        if action == "REJECT" and self.chance(0.06):
            record["reject-reason"] = self.pick(["BPA", "EC", "NEW"])
        if self.chance(0.1):
            record = self.through_gateway(record)
        if self.chance(0.02):
            record |= self.pick([{"packets": 2**64 - 1, "bytes": 2**64 - 1}, {"end": 2**60}, {"log-status": "SUCCESS"},
                                 {"start": None},
                                 {"log-status": "NEW"}, {"action": "NEW"}, {"log-status": "NODATA"}])
        self.add(record)

    def through_gateway(self, record):
        """The packet's address in pkt-srcaddr or pkt-dstaddr, and the gateway's in srcaddr or dstaddr."""
        eni, side = self.pick(self.interfaces), self.pick(["src", "dst"])
        if not eni.addresses or not self.is_free(record["srcaddr"], record["dstaddr"], eni.addresses[0]):
            return record
        return record | {f"pkt-{side}addr": record[f"{side}addr"], f"{side}addr": eni.addresses[0]}

    def add_odd_line(self):
        file = self.pick(self.files)
        good = {"interface-id": self.pick(self.interfaces).id, "srcaddr": "8.8.8.8", "dstaddr": "8.8.4.4", "srcport": 1,
                "dstport": 2,
                "protocol": 6, "action": "REJECT"}
        bad = self.pick([{"srcport": 65536}, {"protocol": 256}, {"dstaddr": "10.0.0.256"}, {"packets": 2**64},
                         {"srcaddr": None},
                         {"start": "x"}, {"tcp-flags": "-1"}, {"log-status": "NODATA", "action": None},
                         {"log-status": "SKIPDATA", "action": None, "srcaddr": None}, {"srcaddr": "fe80::1%eth0"}])
        self.add(good | bad, file)
        if self.chance(0.3):
            file["lines"].append(self.pick(["", "   ", "short line", "2 3 4 5 6 7 8 9"]))

    # -- output

    def write(self, folder):
        """Writes all files; returns the logs, the topology's folder, and the configuration."""
        folder = pathlib.Path(folder)
        (folder / "topology").mkdir(parents=True, exist_ok=True)
        documents = {kind: {kind: items, "NextToken": None} for kind, items in self.documents.items()}
        for name, document in (documents | self.more_documents).items():
            (folder / "topology" / f"{name}.json").write_text(json.dumps(document))
        lines = [f"{name} = {json.dumps(value)}" for name, value in self.thresholds.items()]
        (folder / "config.toml").write_text("\n".join(lines) + "\n")
        self.labels = self.labels if self.has_topology else []  # most of them need it
        (folder / "labels.json").write_text(json.dumps(self.labels, indent=1))
        logs = [self.write_log(folder, number, file) for number, file in enumerate(self.files)]
        return [str(log) for log in logs], str(folder / "topology") if self.has_topology else None, str(folder / "config.toml")

    def write_log(self, folder, number, file):
        lines = list(file["lines"])
        self.random.shuffle(lines)
        header = " ".join(file["columns"])
        if file["header"]:
            lines.insert(0, header.replace("-", "_") if self.chance(0.2) else header)
            if self.chance(0.1):
                lines.insert(self.random.randrange(1, len(lines) + 1), header)
        end = self.pick(["\n", "\n", "\r\n"])
        data = (end.join(lines) + self.pick([end, ""])).encode()
        if self.chance(0.1):
            data = b"\xef\xbb\xbf" + data
        path = folder / f"{number}.log"
        if self.chance(0.3):
            middle = self.random.randrange(len(data) + 1)
            data = gzip.compress(data[:middle], mtime=0) + gzip.compress(data[middle:], mtime=0) + self.pick([b"", b"\0" * 9])
        path.write_bytes(data)
        return path


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Makes a random world.")
    parser.add_argument("seed", type=int)
    parser.add_argument("folder")
    options = parser.parse_args()
    World(options.seed).write(options.folder)
