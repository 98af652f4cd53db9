"""`-p` and `--expose`: from docker's notation to the API's port bindings, with docker's complaints.

[[ADDRESS:][HOST[-HOST]]:]CONTAINER[-CONTAINER][/PROTOCOL], an IPv6 address in brackets.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from ipaddress import ip_address

from fairlead.cli.faults import USAGE, Fault

PROTOCOLS = ("tcp", "udp", "sctp")
_LONG = re.compile(r"(\w+)=(.*)")

Binding = dict[str, str]


def port_bindings(specs: Iterable[str]) -> dict[str, list[Binding]]:
    """{"80/tcp": [{"HostIp": "", "HostPort": "8080"}]}; a free port is "" and a choice "8000-8010"."""
    bindings: dict[str, list[Binding]] = {}
    for spec in specs:
        for port, binding in _bindings(_from_long(spec)):
            bindings.setdefault(port, []).append(binding)
    return bindings


def exposed_ports(specs: Iterable[str]) -> list[str]:
    found: list[str] = []
    for spec in specs:
        if ":" in spec:
            raise Fault(f"invalid port format for --expose: {spec}", USAGE)
        ports, protocol = _split_protocol(spec)
        first, last = _range(ports, "range format for --expose", spec)
        found += [f"{port}/{protocol}" for port in range(first, last + 1)]
    return found


def _from_long(spec: str) -> str:
    """`--publish published=8080,target=80,protocol=udp` in the short form."""
    if "=" not in spec:
        return spec
    fields = {"protocol": "tcp", "published": ""}
    for part in spec.split(","):
        found = _LONG.fullmatch(part)
        if not found or found[1] not in ("target", "published", "protocol", "mode"):
            raise Fault(f"invalid field: {part}", USAGE)
        fields[found[1]] = found[2]
    if "target" not in fields:
        raise Fault("missing mandatory field 'target'", USAGE)
    return f"{fields['published']}:{fields['target']}/{fields['protocol']}"


def _bindings(spec: str) -> Iterable[tuple[str, Binding]]:
    words, protocol = _split_protocol(spec)
    head, _, inside = words.rpartition(":")
    address, _, outside = head.rpartition(":") if not head.endswith("]") else (head, "", "")
    address = address.removeprefix("[").removesuffix("]")
    if address:
        _check_address(address)
    if not inside:
        raise Fault("no port specified: <empty>" if not words else f"no port specified: {spec}", USAGE)
    first, last = _range(inside, "containerPort", inside)
    count = last - first
    if not outside:
        return [(f"{port}/{protocol}", {"HostIp": address, "HostPort": ""}) for port in range(first, last + 1)]
    lowest, highest = _range(outside, "hostPort", outside)
    if count == 0 and highest > lowest:
        return [(f"{first}/{protocol}", {"HostIp": address, "HostPort": f"{lowest}-{highest}"})]
    if highest - lowest != count:
        raise Fault(f"invalid ranges specified for container and host Ports: {inside} and {outside}", USAGE)
    return [(f"{first + at}/{protocol}", {"HostIp": address, "HostPort": str(lowest + at)}) for at in range(count + 1)]


def _split_protocol(spec: str) -> tuple[str, str]:
    ports, _, protocol = spec.partition("/")
    protocol = (protocol or "tcp").lower()
    if protocol not in PROTOCOLS:
        raise Fault(f"invalid proto: {protocol}", USAGE)
    return ports, protocol


def _check_address(address: str) -> None:
    try:
        ip_address(address)
    except ValueError as error:
        raise Fault(f"invalid IP address: {address}", USAGE) from error


def _range(ports: str, what: str, shown: str) -> tuple[int, int]:
    first, separator, last = ports.partition("-")
    numbers = [first, last] if separator else [first, first]
    if not all(number.isdecimal() and int(number) <= 65535 for number in numbers):
        raise Fault(f"invalid {what}: {shown}", USAGE)
    if int(numbers[0]) > int(numbers[1]):
        raise Fault(f"invalid {what}: {shown}", USAGE)
    return int(numbers[0]), int(numbers[1])
