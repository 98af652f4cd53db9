"""Many nodes on one virtual clock: the same objects that run in production, driven by a simulated network.

Everything random comes from generators seeded by the run's seed, and nothing depends on the order of sets, so a seed
names one history. A host that stands still keeps its mail and reads it when it goes on; its timers fire first then, as
on a real machine that comes back.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

from fairlead.core.gossip import Config, Event, Identity, Keyring, Node
from fairlead.sim.gossip.host import SOCKET_BUFFER, Host, State, address_of
from fairlead.sim.gossip.network import Network
from fairlead.sim.gossip.schedule import Schedule
from fairlead.sim.gossip.stream import Conversation

Observer = Callable[[Host, Event], None]

CLUSTER = "simulated"


class World:
    """`observe(host, event)` is told everything that the nodes report."""

    def __init__(
        self, network: Network, hosts: list[Host], config: Config, key: bytes | None, rng: random.Random
    ) -> None:
        self.schedule = Schedule()
        self.network = network
        self.hosts = hosts
        self.config = config
        self.key = key
        self.rng = rng
        self.observe: Observer = lambda host, event: None
        self._by_address = {host.address: host for host in hosts}

    @property
    def now(self) -> float:
        return self.schedule.now

    def named(self, name: str) -> Host:
        return self.hosts[int(name[1:])]

    def up(self) -> list[Host]:
        return [host for host in self.hosts if host.up]

    # What happens to hosts.

    def start(self, host: Host, seeds: list[int] | None = None) -> None:
        """Boots the host's node with a fresh session; it joins through these hosts."""
        self.boot(host)
        if seeds:
            host.node.join([address_of(seed) for seed in seeds], host.local(self.now))
        self.flush(host)

    def boot(self, host: Host) -> None:
        host.life += 1
        host.state = State.RUNNING
        host.armed = None
        host.backlog, host.buffered = [], 0
        session = self.rng.getrandbits(56).to_bytes(7, "big")
        identity = Identity(host.name, host.address, CLUSTER, session)
        seed = self.rng.getrandbits(64)
        now = host.local(self.now)
        host.node = Node(identity, Keyring(self.key), random.Random(seed), now, self.config)

    def warm_start(self, networks: list[str]) -> None:
        """All hosts run and know each other and the networks, as if they had for a long time."""
        for host in self.hosts:
            self.boot(host)
            for network in networks:
                host.node.join_network(network, host.local(self.now))
        template = self.hosts[0].node
        template.restore([record for host in self.hosts for record in host.node.snapshot()], self.hosts[0].local(0.0))
        for host in self.hosts:
            host.node.adopt(template)
            host.node.events()
            self._arm(host)

    def stop(self, host: Host, state: State) -> None:
        """The host falls into this state."""
        host.state = state

    def resume(self, host: Host, life: int) -> None:
        """A host that stood still goes on, if it is still in that life."""
        if host.state not in (State.STOPPED, State.FROZEN) or host.life != life:
            return
        host.state = State.RUNNING
        if host.armed is not None and host.armed <= self.now:
            self._wake(host, host.armed)
        backlog, host.backlog, host.buffered = host.backlog, [], 0
        for action, arguments in backlog:
            self.act(host, action, *arguments)

    def act(self, host: Host, action: Callable[..., None], *arguments: Any) -> None:
        """Something for the host's process to do; it waits while the process stands still."""
        if host.state is State.RUNNING:
            action(*arguments)
            self.flush(host)
        elif host.state is State.STOPPED:
            host.backlog.append((action, arguments))

    # What nodes do.

    def flush(self, host: Host) -> None:
        """Carries out what the node wants done."""
        node = host.node
        for to, data in node.transmits():
            self._send(host, to, data)
        for call in node.calls():
            Conversation(self, host, self._by_address.get(call.to), call).connect()
        for event in node.events():
            self.observe(host, event)
        self._arm(host)

    def _send(self, host: Host, to: tuple[str, int], data: bytes) -> None:
        target = self._by_address.get(to)
        if target is None:
            return
        schedule = self.schedule
        for delay in self.network.datagram(host.number, target.number):
            schedule.at(schedule.now + delay, self._arrive, target, data, host.address)

    def _arrive(self, host: Host, data: bytes, source: tuple[str, int]) -> None:
        if host.state is State.RUNNING:
            host.node.receive(data, source, host.local(self.schedule.now))
            self.flush(host)
        elif host.state is State.STOPPED and host.buffered + len(data) <= SOCKET_BUFFER:
            host.buffered += len(data)
            host.backlog.append((self._read, (host, data, source)))

    def _read(self, host: Host, data: bytes, source: tuple[str, int]) -> None:
        host.node.receive(data, source, host.local(self.now))

    def _arm(self, host: Host) -> None:
        deadline = host.node.next_deadline()
        if deadline is None:
            return
        when = max(host.true(deadline[0]), self.schedule.now)
        if host.armed is None or when < host.armed:
            host.armed, host.armed_local = when, deadline[0]
            self.schedule.at(when, self._wake, host, when)

    def _wake(self, host: Host, armed: float | None) -> None:
        if armed is None or host.armed != armed or host.state is not State.RUNNING:
            return
        host.armed = None
        deadline = host.node.next_deadline()
        if deadline is not None and deadline[0] > host.armed_local:  # what it was armed for is no longer due
            self._arm(host)
            return
        # Rounding must not wake the node a hair before its deadline.
        host.node.handle_timeout(max(host.local(self.schedule.now), host.armed_local))
        self.flush(host)
