"""Ports in the words of the API: "80/tcp" keys, host ports as text, ranges with a dash."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from ipaddress import ip_address

from fairlead.model.endpoint import SCTP, TCP, UDP, PortRequest
from fairlead.model.errors import Invalid


def parse_port(text: str) -> tuple[int, str]:
    """ "80/tcp" or "80" as (80, "tcp"). Raises Invalid."""
    number, _, protocol = text.partition("/")
    protocol = protocol.lower() or TCP
    if protocol not in (TCP, UDP, SCTP):
        raise Invalid(f"invalid port specification: {text!r}: unknown protocol {protocol}".replace("'", '"'))
    return _number(number, text), protocol


def _number(text: str, whole: str) -> int:
    if not text.isdigit() or int(text) > 65535:
        raise Invalid(f'invalid port specification: "{whole}"')
    return int(text)


def port_requests(port: str, bindings: Iterable[tuple[str, str]]) -> list[PortRequest]:
    """The requests of one `PortBindings` entry; without any binding, one for any free port."""
    number, protocol = parse_port(port)
    wanted = list(bindings) or [("", "")]
    return [PortRequest(number, protocol, _host_ip(host_ip), _host_ports(ports)) for host_ip, ports in wanted]


def _host_ip(text: str) -> str:
    if text:
        try:
            ip_address(text)
        except ValueError:
            raise Invalid(f"invalid IP address in port binding: {text}") from None
    return text


def _host_ports(text: str) -> tuple[int, int]:
    if not text:
        return (0, 0)
    first, dash, last = text.partition("-")
    low = _number(first, text)
    high = _number(last, text) if dash else low
    if high < low:
        raise Invalid(f"Invalid range specified for the Port: {text}")
    return (low, high)


def port_bindings_json(requests: Sequence[PortRequest]) -> Mapping[str, list[dict[str, str]]]:
    """`HostConfig.PortBindings` again."""
    shown: dict[str, list[dict[str, str]]] = {}
    for request in requests:
        low, high = request.host_ports
        text = "" if high == 0 else str(low) if low == high else f"{low}-{high}"
        key = f"{request.container_port}/{request.protocol}"
        shown.setdefault(key, []).append({"HostIp": request.host_ip, "HostPort": text})
    return shown
