"""The segments of an overlay network: one per subnet, each a bridge and a VXLAN of its own; none reaches another.

An endpoint has one interface and lies in the segment of its IPv4 address; its IPv6 address goes where that is. In a
network with both families, the first IPv6 subnet belongs to the first IPv4 subnet and so on, the last to all that
remain.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from ipaddress import IPv4Interface, IPv6Interface

from fairlead.core.drivers import overlay_options
from fairlead.model.errors import Failed
from fairlead.model.network import Address, Network, Pool

Interface = IPv4Interface | IPv6Interface


@dataclass(frozen=True, slots=True)
class Segment:
    """`bridge` and `vxlan` are names within the network's own namespace."""

    bridge: str
    vxlan: str
    vni: int
    pools: tuple[Pool, ...]

    @property
    def gateways(self) -> tuple[Interface, ...]:
        """The gateways' addresses, which the bridge answers to on every node."""
        return tuple(_with_prefix(pool, pool.gateway) for pool in self.pools if pool.gateway is not None)


def segments(network: Network) -> tuple[Segment, ...]:
    """Raises Failed when the network lacks a VXLAN id."""
    main, second = _families(network)
    vnis = overlay_options.read(network.options).vnis
    if len(vnis) < len(network.pools) or not main:
        raise Failed(f"network {network.name} has {len(network.pools)} subnets and {len(vnis)} VXLAN ids")
    return tuple(
        Segment(f"br{number}", f"vxlan{number}", vnis[network.pools.index(pool)], (pool, *_partner(second, number)))
        for number, pool in enumerate(main)
    )


def _families(network: Network) -> tuple[list[Pool], list[Pool]]:
    """The pools that make segments, and those that join them."""
    four = [pool for pool in network.pools if pool.subnet.version == 4]
    six = [pool for pool in network.pools if pool.subnet.version == 6]
    return (four, six) if four else (six, [])


def _partner(pools: list[Pool], number: int) -> tuple[Pool, ...]:
    return (pools[min(number, len(pools) - 1)],) if pools else ()


def place(network: Network, addresses: Iterable[Address]) -> Segment | None:
    """The segment in which an endpoint with these addresses lies; None when they are none of the network's."""
    ordered = sorted(addresses, key=lambda address: address.version)
    for address in ordered:
        for segment in segments(network):
            if address in segment.pools[0].subnet:
                return segment
    return None


def _with_prefix(pool: Pool, address: Address) -> Interface:
    text, length = str(address), pool.subnet.prefixlen
    return IPv4Interface((text, length)) if address.version == 4 else IPv6Interface((text, length))
