"""Which records a report counts. Records that do not pass decide about the others, and are in no sum."""

import ipaddress
from dataclasses import dataclass, field
from datetime import datetime, timezone

from logs import contains, parse_block


@dataclass
class Filter:
    """Criteria. A record passes if each kind that is given has a value that holds; it does not if it lacks the field."""

    since: int | None = None
    until: int | None = None
    interfaces: list = field(default_factory=list)
    vpcs: list = field(default_factory=list)
    addresses: list = field(default_factory=list)
    ports: list = field(default_factory=list)
    actions: list = field(default_factory=list)

    def passes(self, kind, record, topology):
        if kind in ("accepted", "rejected"):
            if self.actions and record.action not in self.actions:
                return False
            if self.ports and not {record.srcport, record.dstport} & set(self.ports):
                return False
            ends = [address for address in (record.src, record.dst) if address is not None]
            if self.addresses and not any(contains(parse_block(block), end) for block in self.addresses for end in ends):
                return False
        elif self.actions or self.ports or self.addresses:
            return False
        return self.passes_time(record) and self.passes_recorder(record, topology)

    def passes_time(self, record):
        times = [time for time in (record.start, record.end) if time is not None]
        if self.since is not None and (not times or times[-1] < self.since):
            return False
        return self.until is None or bool(times) and times[0] < self.until

    def passes_recorder(self, record, topology):
        if self.interfaces and record.interface_id not in self.interfaces:
            return False
        interface = topology.interfaces.get(record.interface_id)
        return not self.vpcs or (record.vpc_id or (interface and interface.vpc)) in self.vpcs

    def arguments(self):
        """Returns the options of the command."""
        def time(seconds):
            return datetime.fromtimestamp(seconds, timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")

        options = [("since", [time(self.since)] if self.since is not None else []),
                   ("until", [time(self.until)] if self.until is not None else []),
                   ("interface", self.interfaces), ("vpc", self.vpcs), ("address", self.addresses), ("port", self.ports),
                   ("action", self.actions)]
        return [part for name, values in options for value in values for part in (f"--{name}", str(value))]


def random_filter(random, records):
    """Returns a filter of one or two kinds, whose values are mostly those of the records."""
    made = Filter()
    for kind in random.sample(["since", "until", "interfaces", "vpcs", "addresses", "ports", "actions"], random.choice([1, 1, 2])):
        if kind in ("since", "until"):
            times = [record.start for record in records if record.start] or [1795413600]
            setattr(made, kind, min(random.choice(times) + random.randint(-2, 61), 2**37))
        elif kind == "actions":
            made.actions = [random.choice(["ACCEPT", "REJECT"])]
        else:
            values = sorted({value for record in records for value in candidates(kind, record)}, key=str)
            count = random.choice([1, 1, 2, 4])
            setattr(made, kind, random.sample(values, min(count, len(values))) or [{"ports": 443}.get(kind, "10.0.0.0/8")])
    if None not in (made.since, made.until) and made.since >= made.until:
        made.until = None
    return made


def candidates(kind, record):
    """Returns the values of a record for a kind of criterion, as the command takes them."""
    if kind == "interfaces":
        return {record.interface_id} - {None}
    if kind == "vpcs":
        return {record.vpc_id} - {None}
    if kind == "ports":
        return {record.srcport, record.dstport} - {None}
    ends = {address for address in (record.src, record.dst) if address is not None}
    blocks = {ipaddress.ip_network((end, 16 if end.version == 4 else 48), strict=False) for end in ends}
    return {str(value) for value in ends | blocks}
