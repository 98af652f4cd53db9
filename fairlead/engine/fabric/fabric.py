"""What the verbs on networks and on sandboxes share: the hands, the working copy, and the parts that decide."""

from __future__ import annotations

from collections.abc import Sequence
from ipaddress import ip_address

from fairlead.core.drivers.bridge_options import HOST_BINDING
from fairlead.engine.blame import blamed
from fairlead.engine.fabric.balancing import Balancing
from fairlead.engine.fabric.claims import Claims
from fairlead.engine.fabric.encryption import Encryption
from fairlead.engine.fabric.etc import Etc
from fairlead.engine.fabric.host_ports import HostPorts
from fairlead.engine.fabric.leasing import Leasing
from fairlead.engine.fabric.lodgings import Lodgings
from fairlead.engine.fabric.names import Names
from fairlead.engine.fabric.publish import SERVICE, Publisher
from fairlead.engine.fabric.remotes import Remotes
from fairlead.engine.fabric.resolvers import Resolvers
from fairlead.engine.fabric.upkeep import Upkeep
from fairlead.engine.fabric.wiring import Wiring
from fairlead.engine.host import Host
from fairlead.engine.locks import KeyedLocks
from fairlead.engine.memory import Memory
from fairlead.engine.world import World
from fairlead.model.config import EVERY_IPV4
from fairlead.model.container import Container
from fairlead.model.endpoint import Endpoint, PortRequest, PublishedPort
from fairlead.model.event import Event
from fairlead.model.network import Address, Network
from fairlead.model.sandbox import Sandbox


class Fabric:
    """`turns` are the locks of containers: verbs that change one container's sandbox wait for each other."""

    def __init__(self, memory: Memory, world: World) -> None:
        config, state = self.config, self.state = memory.config, memory.state
        self.clock, self.entropy, self.store = memory.clock, memory.entropy, memory.store
        self.kernel, self.namespaces, self.ports = world.kernel, world.namespaces, world.ports
        self.host = Host(world.kernel, config.netns_dir)
        self.host_ports = HostPorts()
        self.claims = Claims(state, memory.entropy, self.host_ports)
        self.leasing = Leasing(world.leases)
        self.publisher = Publisher(self.host_ports, world.ports)
        self.wiring = Wiring(state, self.host)
        self.names = Names(world.name_server)
        self.resolvers = Resolvers(self.names, self.wiring)
        self.remotes = Remotes(state, world.kernel, self.host)
        self.encryption = Encryption(state, world.kernel, self.host, self.remotes)
        self.balancing = Balancing(state, world.kernel, self.wiring, self.host, config.balancer)
        self.upkeep = Upkeep(state)
        self.upkeep.in_sandboxes += [self._guide_again, self.balancing.rewrite]
        self.etc = Etc(config, world.etc)
        self.lodgings = Lodgings(state)
        self.turns = KeyedLocks()
        self._events = memory.events

    async def publish(
        self, endpoint: Endpoint, requests: Sequence[PortRequest], container: Container
    ) -> tuple[PublishedPort, ...]:
        """Take and hold ports for a claimed endpoint of the container. Raises Failed as Docker words it."""
        service = container.spec.labels.get(SERVICE, "") if container.spec.task_id else ""
        driver_failed = f"driver failed programming external connectivity on endpoint {endpoint.name} ({endpoint.id}): "
        with blamed(driver_failed):
            return await self.publisher.publish(endpoint, requests, _binding(self.wiring.network(endpoint)), service)

    async def _guide_again(self, sandbox: Sandbox) -> None:
        """Lead a sandbox's queries to its resolver, as was done when it was made."""
        await self.kernel.attempt(self.resolvers.guide(sandbox))

    def announce(self, network: Network, action: str, **attributes: str) -> None:
        """Publish an event about a network."""
        said = {**attributes, "name": network.name, "type": network.driver}
        self._events.publish(Event("network", action, network.id, self.clock.now(), said))

    def announce_prune(self) -> None:
        """Networks that nobody used were looked for. They take no room."""
        self._events.publish(Event("network", "prune", "", self.clock.now(), {"reclaimed": "0"}))


def _binding(network: Network) -> Address:
    """The host address at which a network's ports are published unless the user names one."""
    asked = network.options.get(HOST_BINDING)
    return ip_address(asked) if asked else EVERY_IPV4
