"""Legacy links on a bridge whose containers may not talk (`enable_icc=false` and `--link`).

The two ports are isolated from each other in the bridge, so the link goes through the host: each sandbox gets a route
to the other's address by way of the gateway, and the host's table lets the client's connections to the server's
exposed ports pass. Everything else between the two still meets a closed door.

The engine calls this once both sandboxes stand: with the plan of `open_link` when the second of them has started,
with that of `close_link` when either goes. A link that outlives one of its ends is opened anew with the new address.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from ipaddress import ip_network

from fairlead.core.drivers import bridge_options
from fairlead.core.firewall.elements import change, link_elements
from fairlead.model.endpoint import Endpoint
from fairlead.model.network import Network
from fairlead.model.plan import AddRoute, ChangeRules, DelRoute, Operation, Plan
from fairlead.model.ruleset import Element


def needed(network: Network) -> bool:
    """Whether a link on this network needs anything of the kernel."""
    return not bridge_options.read(network.options).icc


def open_link(client: Endpoint, server: Endpoint, sandboxes: tuple[str, str], ports: Sequence[str]) -> Plan:
    """Let `client` reach the exposed `ports` ("80/tcp") of `server`; `sandboxes` are their namespaces in that order."""
    there, back = _routes(client, server, sandboxes[0]), _routes(server, client, sandboxes[1])
    return Plan((*there, *back, ChangeRules(change(add=_elements(client, server, ports)))))


def close_link(client: Endpoint, server: Endpoint, sandboxes: tuple[str, str], ports: Sequence[str]) -> Plan:
    """Take it back. An empty namespace path is one that is gone, and its routes with it."""
    undone: list[Operation] = [ChangeRules(change(remove=_elements(client, server, ports)))]
    for (own, other), ns in zip(((client, server), (server, client)), sandboxes, strict=True):
        if ns:
            undone += [DelRoute(r.destination, r.link, r.via, ns, r.family) for r in _routes(own, other, ns)]
    return Plan(tuple(undone))


def _elements(client: Endpoint, server: Endpoint, ports: Sequence[str]) -> tuple[Element, ...]:
    return link_elements([a.ip for a in client.addresses], [a.ip for a in server.addresses], ports)


def _routes(own: Endpoint, other: Endpoint, ns: str) -> Iterator[AddRoute]:
    for address in other.addresses:
        gateway = own.gateway4 if address.version == 4 else own.gateway6
        if gateway is not None:
            yield AddRoute(ip_network(address.ip), own.ifname, gateway, ns, address.version)
