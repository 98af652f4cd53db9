"""The streets of `tests.fate.streets` as a trace sees them: every namespace read from the kernel, every packet followed
through all of them."""

from __future__ import annotations

from ipaddress import ip_address

from fairlead.core.trace.decide import decide
from fairlead.core.trace.stopping import Unseen
from fairlead.effects.kernel.scenery import scene
from fairlead.model.scene import Scene
from fairlead.model.trace import ARRIVAL, Known, KnownEndpoint, KnownNetwork, Question
from tests.fate.streets import Streets


class Traced:
    """What was read is kept: nothing changes while probes are compared."""

    def __init__(self, streets: Streets) -> None:
        self._streets = streets
        self._scenes: dict[str, Scene] = {}
        places = {ns: ("here" if name == "here" else name) for name, ns in streets.places.items()}
        names = {network.id: network.name for network in streets.networks.values()}
        self._known = Known(
            places,
            tuple(
                KnownEndpoint(
                    container=name,
                    network=names[endpoint.network_id],
                    addresses=tuple(own.ip for own in endpoint.addresses),
                    ns=streets.places[name],
                    ifname=endpoint.ifname,
                    port=endpoint.host_ifname,
                )
                for name, endpoint in streets.endpoints.items()
            ),
            tuple(KnownNetwork(network.name, network.driver, network.link) for network in streets.networks.values()),
        )

    def end(self, place: str, source: str, destination: str, port: int) -> tuple[str, str]:
        """Where a datagram comes to a socket, "" when it does not; and what the trace says in words."""
        question = Question(
            source=place,
            target=destination,
            ns=self._streets.places[place],
            destination=ip_address(destination),
            protocol="udp",
            port=port,
            address=ip_address(source),
        )
        while True:
            try:
                trace = decide(question, self._scenes, self._known)
            except Unseen as unseen:
                self._scenes[unseen.ns] = scene(unseen.ns, list(self._streets.places.values()))
                continue
            arrived = [hop for hop in trace.hops if hop.kind == ARRIVAL and not hop.verdict]
            return arrived[0].place if arrived else "", trace.told
