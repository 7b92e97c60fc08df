"""Reads flow logs: text, gzip or not, to records and their classes."""

import functools
import ipaddress
import zlib

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
        self.cause, self.is_answer = None, False


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
