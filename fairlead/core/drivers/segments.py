"""Networks with more endpoints than a bridge has ports: a star of bridges.

A Linux bridge ends at 1,023 ports (BR_PORT_BITS). The network's own bridge, which has the gateway's address and all
that the packet filter knows of, takes the first endpoints; each further thousand hangs on a *segment*, a bridge of its
own that a veth pair ties to the network's. Segments meet only in the middle, so there is no loop and no need of STP.

An endpoint keeps its segment for life. A segment's bridge is made with its first endpoint and goes with its last.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

from fairlead.core.drivers import names
from fairlead.model.endpoint import Endpoint
from fairlead.model.errors import Failed
from fairlead.model.network import Network
from fairlead.model.plan import HOST, AddBridge, AddVeth, DelLink, Operation, SetLink, SetSysctl

PORTS = 1000
"""Endpoints per segment; the rest of a bridge's 1,023 ports is for the ties, and for what a user adds by hand."""

SEGMENTS = 16

BRIDGE = {"mcast_snooping": 0}
"""What bridges of containers are born with. Where nobody asks for members a bridge that snoops floods multicast as any
other does, but arms timers of every port whenever one comes or goes: with 500 containers half of what that costs."""


def place(endpoints: Sequence[Endpoint], ports: int = PORTS) -> int:
    """The segment for one more endpoint: the lowest with room. Raises Failed when the whole star is full."""
    if len(endpoints) < ports:
        return 0
    used = Counter(endpoint.segment for endpoint in endpoints)
    for segment in range(SEGMENTS):
        if used[segment] < ports:
            return segment
    raise Failed(f"the network is full: it has {len(endpoints)} endpoints, and {SEGMENTS} bridges of {ports} ports")


def shared(endpoints: Iterable[Endpoint], endpoint: Endpoint) -> bool:
    """Whether others lie in the endpoint's segment."""
    return any(other.segment == endpoint.segment and other.id != endpoint.id for other in endpoints)


def master(network: Network, segment: int) -> str:
    """The bridge that endpoints of `segment` are ports of."""
    return network.link if segment == 0 else names.segment_bridge(network.id, segment)


def build(network: Network, segment: int, owner: str, mtu: int, icc: bool) -> tuple[Operation, ...]:
    """Make a segment's bridge and tie it to the network's.

    Where containers may not talk, every port is isolated; the tie is too at the network's end, so it reaches the
    gateway and no other segment, but not at the segment's end, where all containers need it.
    """
    bridge, alias = master(network, segment), names.tag(owner, names.NETWORK, network.id)
    down, up = names.trunk(network.id, segment)
    port = {} if icc else {"isolated": 1}
    return (
        AddBridge(bridge, mtu=mtu, alias=alias, options=BRIDGE),
        SetSysctl(f"net/ipv6/conf/{bridge}/disable_ipv6", "1"),
        SetLink(bridge, up=True),
        AddVeth(down, up, HOST, master=network.link, mtu=mtu, alias=alias, port=port),
        SetLink(up, master=bridge, up=True, alias=alias),
    )


def raze(network: Network, segment: int) -> tuple[Operation, ...]:
    """Take a segment down: its tie, then its bridge."""
    down, _ = names.trunk(network.id, segment)
    return (DelLink(down), DelLink(master(network, segment)))
