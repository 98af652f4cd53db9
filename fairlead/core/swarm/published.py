"""Ingress ports: each belongs to one service in the whole swarm. A service that leaves the choice to the swarm gets
one of 30000-32767. Host-mode ports belong to nodes and are the scheduler's affair."""

from __future__ import annotations

from collections.abc import Iterable

from fairlead.core.swarm.numbers import Numbers
from fairlead.model.errors import Invalid
from fairlead.model.swarm.endpoint import INGRESS, PROTOCOLS, EndpointSpec, PortConfig
from fairlead.model.swarm.service import Service

FIRST, LAST = 30000, 32767


class Published:
    def __init__(self) -> None:
        self._numbers = {protocol: Numbers(FIRST, LAST) for protocol in PROTOCOLS}

    def claim(self, ports: Iterable[PortConfig], service_id: str) -> None:
        """Take over what the store says that the service publishes."""
        for port in ports:
            if port.mode == INGRESS and port.published:
                self._numbers[port.protocol].claim(port.published, service_id)

    def release(self, ports: Iterable[PortConfig], service_id: str) -> None:
        for port in ports:
            if port.mode == INGRESS and port.published:
                self._numbers[port.protocol].release(port.published, service_id)

    def release_all(self, service_id: str) -> bool:
        """Take back every port of a removed service. Tells whether it had any."""
        released = [numbers.release_all(service_id) for numbers in self._numbers.values()]
        return any(released)

    def allocate(
        self, service_id: str, wanted: EndpointSpec, held: tuple[PortConfig, ...], services: dict[str, Service]
    ) -> tuple[PortConfig, ...]:
        """The ports of `wanted`, numbered; a chosen number that the service has already it keeps.

        Raises Invalid, naming the owner, when a port is another service's; then the service keeps `held`.
        """
        for port in wanted.ports:
            self._refuse_taken(port, service_id, services)
        self.claim(wanted.ports, service_id)
        given = tuple(self._number(port, service_id, held) for port in wanted.ports)
        self.release([port for port in held if port not in given], service_id)
        self.claim(given, service_id)
        return given

    def _refuse_taken(self, port: PortConfig, service_id: str, services: dict[str, Service]) -> None:
        if port.mode == INGRESS and port.published:
            owner = self._numbers[port.protocol].owner(port.published)
            if owner and owner != service_id:
                raise Invalid(in_use(port.published, owner, services))

    def _number(self, port: PortConfig, service_id: str, held: tuple[PortConfig, ...]) -> PortConfig:
        if port.mode != INGRESS or port.published:
            return port
        kept = next((old for old in held if old.at(0) == port and self._mine(old, service_id)), None)
        if kept is not None:
            return kept
        number = self._numbers[port.protocol].lease(service_id)
        if number is None:
            raise Invalid(f"no free port is left in {FIRST}-{LAST}/{port.protocol}: name one with published=PORT")
        return port.at(number)

    def _mine(self, port: PortConfig, service_id: str) -> bool:
        return FIRST <= port.published <= LAST and self._numbers[port.protocol].owner(port.published) == service_id


def in_use(port: int, owner: str, services: dict[str, Service]) -> str:
    """Docker's sentence."""
    name = services[owner].spec.name if owner in services else owner
    return f"port '{port}' is already in use by service '{name}' ({owner}) as an ingress port"
