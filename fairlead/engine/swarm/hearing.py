"""What nodes say, read with care: whoever has taken a node over must not harm the others by what it says.

All of it has the declared types, is of bounded size, and addresses are addresses, before anything of it is believed or
written to the store, where every manager and node would read it.
"""

from __future__ import annotations

from ipaddress import ip_address
from typing import TypeVar

import msgspec

from fairlead.core.swarm import whereabouts
from fairlead.engine.swarm.messages import Report, SessionRequest
from fairlead.engine.swarm.ports import Call
from fairlead.model.errors import Invalid
from fairlead.model.swarm.task import ContainerStatus

LONGEST_DESCRIPTION = 1 << 16
"""Bytes in which a node says what it is."""

T = TypeVar("T")


def heard(kind: type[T], call: Call) -> T:
    """What the call says. Raises Invalid."""
    try:
        said: T = msgspec.json.decode(call.body, type=kind)
    except (msgspec.DecodeError, RecursionError) as error:
        raise Invalid(f"{call.name} is not understood: {error}") from None
    return said


def heard_session(call: Call) -> SessionRequest:
    """Raises Invalid."""
    if len(call.body) > LONGEST_DESCRIPTION:
        raise Invalid(f"a node's description has {LONGEST_DESCRIPTION} bytes at most, not {len(call.body)}")
    request = heard(SessionRequest, call)
    described = request.description
    _check_numbers(described.nano_cpus, described.memory, *described.generic.values())
    _check_host(request.address)
    _check_host(request.data_address)
    if request.manager_address:
        check_manager(request.manager_address)
    return request


def heard_report(call: Call) -> Report:
    """Raises Invalid."""
    report = heard(Report, call)
    for status in (one.status for one in report.tasks):
        container = status.container or ContainerStatus()
        _check_numbers(status.at, status.started, container.pid, container.exit_code)
        _check_numbers(*(number for port in status.ports for number in (port.target, port.published)))
    return report


def _check_numbers(*numbers: int) -> None:
    """Clients have 64 bits for a number, and could not read on behind a longer one."""
    for number in numbers:
        if not 0 <= number < 1 << 63:
            raise Invalid(f"{number:.3g} is out of range")


def check_manager(address: str) -> None:
    """Is it HOST:PORT of an IP address? Raises Invalid."""
    host, port = whereabouts.split(address)
    _check_host(host)
    if not port:
        raise Invalid(f'"{address[:64]}" has no port')


def _check_host(address: str) -> None:
    try:
        found = ip_address(address)
    except ValueError:
        raise Invalid(f'"{address[:64]}" is not an IP address') from None
    if found.is_unspecified or found.is_multicast:
        raise Invalid(f"no node is at {found}")
