"""Publishing ports: from what a user asked for (`-p`, `-P`) to ports of this host that nobody else has.

A port is taken in the index first and held in the kernel then, so two containers that start at once never get
the same one, and no other process can take it while the container runs.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from ipaddress import IPv6Address, ip_address
from typing import Protocol

from fairlead.engine.fabric.host_ports import HostPorts
from fairlead.engine.ports import PortHold, Ports
from fairlead.model.container import Container
from fairlead.model.endpoint import SCTP, Endpoint, PortRequest, PublishedPort
from fairlead.model.errors import Failed, Refusal
from fairlead.model.network import Address

PATIENCE = 10.0
"""Seconds that a task waits for a port of the mesh: as long as tasks have to stop that show it."""

SERVICE = "com.docker.swarm.service.name"
"""The label of a task's container that names its service."""

EVERY_IPV6 = IPv6Address(0)
EVERY_PORT = 1 << 16


def requests_of(container: Container) -> list[PortRequest]:
    """Everything to publish: what was asked for, and with `-P` every other exposed port."""
    wanted = list(container.spec.network.ports)
    if container.spec.network.publish_all:
        asked = {(request.container_port, request.protocol) for request in wanted}
        exposed = (port.partition("/") for port in container.exposed)
        requests = (PortRequest(int(number), protocol or "tcp") for number, _, protocol in exposed)
        wanted += [request for request in requests if (request.container_port, request.protocol) not in asked]
    return wanted


def bind_addresses(request: PortRequest, default: Address, endpoint: Endpoint) -> tuple[Address, ...]:
    """Where a port is shown: the address asked for, else the default, which stands for both families if it stands
    for every address."""
    if request.host_ip:
        return (ip_address(request.host_ip),)
    if not default.is_unspecified:
        return (default,)
    if endpoint.ipv4 is None:
        return (EVERY_IPV6,)
    return (default, EVERY_IPV6) if default.version == 4 else (default,)


@dataclass(slots=True)
class _Choice:
    """One request with the ports chosen for it, and those that may be tried next."""

    request: PortRequest
    addresses: tuple[Address, ...]
    remaining: Iterator[int]
    ports: tuple[PublishedPort, ...] = ()


class Shown(Failed):
    """The routing mesh shows the port."""


class Mesh(Protocol):
    """Whoever shows ports of services on every node (`fairlead.engine.overlays.ingress`)."""

    async def give_way(self, ports: Collection[int], service: str) -> None:
        """Show these no more if they are the service's: a task of its own wants them."""
        ...


def _freedom(choice: _Choice) -> int:
    """How many ports would do: who needs a certain one is asked first."""
    first, last = choice.request.host_ports
    return last - first if first else EVERY_PORT


class Publisher:
    def __init__(self, taken: HostPorts, ports: Ports) -> None:
        self.mesh: Mesh | None = None
        self._taken = taken
        self._ports = ports

    async def publish(
        self, endpoint: Endpoint, requests: Sequence[PortRequest], default: Address, service: str = ""
    ) -> tuple[PublishedPort, ...]:
        """Take and hold a port for each request. All or none. What the routing mesh shows it is about to give up if a
        task of `service` shall have it: that is waited for.

        Raises Failed: "Bind for ADDRESS:PORT failed: port is already allocated" when a container has it, "failed to
        bind host port for ...: REASON" when another process does, "all ports are allocated" for a range.
        """
        if not service or self.mesh is None:
            return await self._publish(endpoint, requests, default)
        end = asyncio.get_running_loop().time() + PATIENCE
        while True:
            try:
                return await self._publish(endpoint, requests, default)
            except Shown as refusal:
                freed = self._taken.freed()
                numbers = {
                    one for request in requests for one in range(request.host_ports[0], request.host_ports[1] + 1)
                }
                await self.mesh.give_way(numbers, service)
                try:
                    async with asyncio.timeout_at(end):
                        await freed
                except TimeoutError:
                    raise refusal from None

    async def _publish(
        self, endpoint: Endpoint, requests: Sequence[PortRequest], default: Address
    ) -> tuple[PublishedPort, ...]:
        choices = [
            _Choice(request, bind_addresses(request, default, endpoint), self._candidates(request))
            for request in requests
        ]
        try:
            for choice in sorted(choices, key=_freedom):
                self._choose(endpoint, choice)
            await self._hold(endpoint, choices)
        except BaseException:
            for choice in choices:
                self._taken.free(endpoint.id, choice.ports)
            raise
        ports = tuple(port for choice in choices for port in choice.ports)
        await self.carry(endpoint, ports)
        return ports

    async def restore(self, endpoint: Endpoint) -> None:
        """Hold again, after a restart of the daemon, what the endpoint shows. Raises Failed when it is lost."""
        await self._ports.hold(holds(endpoint.published))
        await self.carry(endpoint, endpoint.published)

    async def carry(self, endpoint: Endpoint, ports: Iterable[PublishedPort]) -> None:
        """Let the holders of ports carry what the kernel cannot translate: host addresses of a family that the
        endpoint does not have, and ::1."""
        for port in ports:
            same = endpoint.ipv4 if port.host_ip.version == 4 else endpoint.ipv6
            target = same or endpoint.ipv4 or endpoint.ipv6
            loopback = port.host_ip.version == 6 and (port.host_ip.is_unspecified or port.host_ip.is_loopback)
            if target is None or port.protocol == SCTP or (same is not None and not loopback):
                continue
            (held,) = holds([port])
            await self._ports.splice(held, target.ip, port.container_port, loopback_only=same is not None)

    async def withdraw(self, owner: str, ports: Sequence[PublishedPort]) -> None:
        """Give ports back to the host; who is told that they are free can have them."""
        await self._ports.release(holds(ports))
        self._taken.free(owner, ports)

    def _candidates(self, request: PortRequest) -> Iterator[int]:
        first, last = request.host_ports
        return iter(range(first, last + 1)) if first else self._taken.candidates(request.protocol)

    def _choose(self, endpoint: Endpoint, choice: _Choice) -> None:
        """Take the next port of the request that is free for all its addresses."""
        request = choice.request
        first, last = request.host_ports
        for number in choice.remaining:
            ports = tuple(
                PublishedPort(request.container_port, request.protocol, address, number) for address in choice.addresses
            )
            if not any(map(self._taken.overlapping, ports)):
                choice.ports = ports
                self._taken.take(endpoint.id, ports)
                return
            if first == last != 0:
                raise self._conflict(endpoint, ports)
        raise Failed("all ports are allocated")

    def _conflict(self, endpoint: Endpoint, ports: Iterable[PublishedPort]) -> Failed:
        blocked = next(port for port in ports if self._taken.overlapping(port))
        note = self._taken.note(blocked)
        words = f"Bind for {_socket(blocked.host_ip, blocked.host_port)} failed: port is already allocated"
        if note:
            return Shown(f"{words} ({note})")
        if self._taken.same(blocked):
            return Failed(words)
        return _bind_failure(endpoint, blocked, "address already in use")

    async def _hold(self, endpoint: Endpoint, choices: Sequence[_Choice]) -> None:
        try:
            await self._ports.hold(holds(port for choice in choices for port in choice.ports))
        except Refusal:
            await self._hold_singly(endpoint, choices)

    async def _hold_singly(self, endpoint: Endpoint, choices: Sequence[_Choice]) -> None:
        """Some port is not to be had: find out which, and take another one where the request leaves the choice."""
        held: list[PublishedPort] = []
        try:
            for choice in choices:
                await self._hold_one(endpoint, choice)
                held.extend(choice.ports)
        except BaseException:
            await self._ports.release(holds(held))
            raise

    async def _hold_one(self, endpoint: Endpoint, choice: _Choice) -> None:
        first, last = choice.request.host_ports
        while True:
            try:
                await self._ports.hold(holds(choice.ports))
            except Refusal as refusal:
                if first == last != 0:
                    raise _bind_failure(endpoint, choice.ports[0], refusal.message.rpartition(": ")[2]) from refusal
                self._taken.free(endpoint.id, choice.ports)
                choice.ports = ()
                self._choose(endpoint, choice)
            else:
                return


def holds(ports: Iterable[PublishedPort]) -> list[PortHold]:
    return [(str(port.host_ip), port.host_port, port.protocol) for port in ports]


def _bind_failure(endpoint: Endpoint, port: PublishedPort, reason: str) -> Failed:
    inside = endpoint.ipv4 or endpoint.ipv6
    target = _socket(inside.ip, port.container_port) if inside else str(port.container_port)
    return Failed(
        f"failed to bind host port for {_socket(port.host_ip, port.host_port)}:{target}/{port.protocol}: {reason}"
    )


def _socket(address: Address, port: int) -> str:
    return f"[{address}]:{port}" if address.version == 6 else f"{address}:{port}"
