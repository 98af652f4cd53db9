"""A place on a swarm network, with the addresses that the allocator gave for it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from ipaddress import IPv4Interface, IPv6Interface

SwarmAddress = IPv4Interface | IPv6Interface


@dataclass(frozen=True, slots=True)
class Attachment:
    """`addresses` is empty on a network whose addresses are each host's own affair (macvlan, host)."""

    network_id: str
    addresses: tuple[SwarmAddress, ...] = ()
    aliases: tuple[str, ...] = ()
    driver_opts: Mapping[str, str] = field(default_factory=dict)
