"""Which way routers send what is not on their own switches; pure.

Every router knows the shortest way to every subnet behind others, and the way to the one that leads outside. A router
that masquerades hides what is behind it from those in front, as such routers do.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from ipaddress import IPv4Address, IPv4Network

from fairlead.lab.parts import OUTSIDE, Link, Router, Topology


def routes(topology: Topology, start: Router) -> dict[str, IPv4Address]:
    """The routes of one router: destination ("default", or a subnet it is not in) -> gateway."""
    found: dict[str, IPv4Address] = {}
    attached = _subnets(start)
    seen = {start.name}
    coming: deque[tuple[Router, IPv4Address | None]] = deque([(start, None)])
    while coming:
        router, gateway = coming.popleft()
        if gateway is not None:
            for subnet in _subnets(router) - attached:
                found.setdefault(str(subnet), gateway)
            if router.uplink or router.name == OUTSIDE:
                found.setdefault("default", gateway)
        for neighbour, address in _neighbours(topology, router):
            if neighbour.name not in seen:
                seen.add(neighbour.name)
                coming.append((neighbour, gateway or address))
    return found


def _subnets(router: Router) -> set[IPv4Network]:
    return {link.address.network for link in router.links if link.address}


def _neighbours(topology: Topology, router: Router) -> Iterator[tuple[Router, IPv4Address]]:
    """Routers one hop away that let through what comes from this one, each with its address there."""
    for other in topology.routers.values():
        for theirs in other.links:
            meets = any(_meet(mine, theirs) for mine in router.links)
            if theirs.address and meets and other is not router and not other.masquerades_on(theirs):
                yield other, theirs.address.ip


def _meet(one: Link, other: Link) -> bool:
    return one.address is not None and (one.switch, one.vlan) == (other.switch, other.vlan)
