"""Who a container is linked to (`--link` on the default bridge), and the doors that a link opens where containers may
not talk."""

from __future__ import annotations

from collections.abc import Iterator

from fairlead.core.drivers import links as doors
from fairlead.engine.fabric.fabric import Fabric
from fairlead.engine.fabric.legacy_links import Link, parse
from fairlead.engine.sandboxes.wishes import DEFAULT_BRIDGE, HOST_AND_LINKS, mode_of
from fairlead.model.container import Container
from fairlead.model.endpoint import Endpoint
from fairlead.model.errors import Failed, Invalid, NotFound
from fairlead.model.plan import HOST, Plan


class Linking:
    def __init__(self, fabric: Fabric) -> None:
        self._fabric = fabric

    def check(self, container: Container) -> None:
        """Every linked container must exist when the linking one is created."""
        for reference, _ in _asked(container):
            try:
                target = self._fabric.state.container(reference)
            except NotFound as missing:
                raise Invalid(f"could not get container for {reference}: {missing.message}") from missing
            mode = mode_of(target.spec.network)
            if mode.shared and not mode.container:
                raise Invalid(HOST_AND_LINKS)

    def resolve(self, container: Container) -> list[Link]:
        """The links of a container that starts. Raises Failed when a target does not run on the default bridge."""
        return [self._resolve(container, reference, alias) for reference, alias in _asked(container)]

    def _resolve(self, container: Container, reference: str, alias: str) -> Link:
        target = self._fabric.state.container(reference)
        if not target.state.running:
            raise Failed(f"Cannot link to a non running container: /{target.name} AS /{container.name}/{alias}")
        endpoint = self._bridged(target)
        if endpoint is None:
            raise Failed(f"container {target.id} not attached to default bridge network")
        return Link(container.name, alias, target, endpoint.addresses[0].ip)

    def _bridged(self, container: Container) -> Endpoint | None:
        """The container's endpoint on the default bridge."""
        bridge = self._fabric.state.find_network(DEFAULT_BRIDGE)
        endpoints = self._fabric.state.endpoints_of(container.id)
        return next((item for item in endpoints if bridge and item.network_id == bridge.id and item.addresses), None)

    def names(self) -> dict[str, list[str]]:
        """By the target's id, what it is called by those that are linked to it: "parent/alias"."""
        names: dict[str, list[str]] = {}
        state = self._fabric.state
        for parent in state.containers.values():
            for reference, alias in _asked(parent) if parent.spec.network.links else ():
                if (target := state.find_container(reference)) is not None:
                    names.setdefault(target.id, []).append(f"{parent.name}/{alias}")
        return names

    # --- doors ------------------------------------------------------------------------------------

    def opened(self, container: Container) -> Plan:
        """What the kernel needs so that links from and to this container work, which has just started."""
        plans = (
            doors.open_link(mine, theirs, self._namespaces(mine, theirs), target.exposed)
            for mine, theirs, target in self._pairs(container)
        )
        return sum(plans, Plan())

    def closed(self, container: Container) -> Plan:
        """What goes from the kernel with this container, which is about to stop."""
        plans = []
        for mine, theirs, target in self._pairs(container):
            spaces = self._namespaces(mine, theirs)
            gone = (HOST, spaces[1]) if mine.container_id == container.id else (spaces[0], HOST)
            plans.append(doors.close_link(mine, theirs, gone, target.exposed))
        return sum(plans, Plan())

    def _pairs(self, container: Container) -> Iterator[tuple[Endpoint, Endpoint, Container]]:
        """(client, server, server's container) of each link that this container is one end of."""
        bridge = self._fabric.state.find_network(DEFAULT_BRIDGE)
        if bridge is None or not doors.needed(bridge):
            return
        state = self._fabric.state
        clients = (state.containers[item.container_id] for item in state.endpoints_on(bridge.id))
        for client in {item.id: item for item in clients}.values():
            for reference, _ in _asked(client):
                target = state.find_container(reference)
                if target is None or container.id not in (client.id, target.id):
                    continue
                mine, theirs = self._bridged(client), self._bridged(target)
                if mine is not None and theirs is not None:
                    yield mine, theirs, target

    def _namespaces(self, client: Endpoint, server: Endpoint) -> tuple[str, str]:
        sandboxes = self._fabric.state.sandboxes
        return sandboxes[client.container_id].ns, sandboxes[server.container_id].ns


def _asked(container: Container) -> list[tuple[str, str]]:
    """(reference, alias) of each legacy link; links of user-defined networks are the resolver's affair."""
    spec = container.spec.network
    mode = mode_of(spec)
    return [parse(text) for text in spec.links] if mode.network == DEFAULT_BRIDGE else []
