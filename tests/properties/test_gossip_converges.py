"""Whatever happens to a cluster, when it is over all nodes hold one truth: the one a dumb model holds.

The model is a dictionary: who runs, who is in which network, who wrote what. It knows nothing of messages. Hypothesis
makes up histories of joins, writes, deletions, crashes, stalls, partitions and new keys over a network that loses,
doubles and reorders packets.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, field

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fairlead.core.gossip import LAN
from fairlead.sim.gossip.host import Host, State
from fairlead.sim.gossip.latency import lan
from fairlead.sim.gossip.network import Network, Weather
from fairlead.sim.gossip.world import World

HOSTS = 6
NETWORKS = ("red", "blue")
PATIENCE = 90.0

hosts = st.integers(0, HOSTS - 1)
networks = st.sampled_from(NETWORKS)
keys = st.sampled_from(("a", "b", "c"))
actions = st.one_of(
    st.tuples(st.just("enter"), hosts, networks),
    st.tuples(st.just("exit"), hosts, networks),
    st.tuples(st.just("write"), hosts, networks, keys, st.binary(max_size=8)),
    st.tuples(st.just("write"), hosts, networks, keys, st.just(b"x" * 2000)),
    st.tuples(st.just("delete"), hosts, networks, keys),
    st.tuples(st.just("crash"), hosts, st.sampled_from((State.KILLED, State.OFF))),
    st.tuples(st.just("boot"), hosts),
    st.tuples(st.just("leave"), hosts),
    st.tuples(st.just("stall"), hosts, st.floats(0.1, 8.0), st.sampled_from((State.STOPPED, State.FROZEN))),
    st.tuples(st.just("cut"), st.sets(hosts, min_size=1, max_size=HOSTS - 1)),
    st.tuples(st.just("heal")),
    st.tuples(st.just("rotate")),
    st.tuples(st.just("wait"), st.floats(0.0, 20.0)),
)


@dataclass
class Model:
    """What should be, in the simplest words."""

    running: set[int] = field(default_factory=lambda: set(range(HOSTS)))
    joined: set[tuple[int, str]] = field(default_factory=set)
    rows: dict[tuple[int, str, str], bytes] = field(default_factory=dict)

    def forget(self, host: int) -> None:
        self.running.discard(host)
        self.joined = {pair for pair in self.joined if pair[0] != host}
        self.rows = {name: value for name, value in self.rows.items() if name[0] != host}

    def visible(self, network: str) -> dict[tuple[str, str], bytes]:
        return {(f"n{host:05d}", key): value for (host, where, key), value in self.rows.items() if where == network}


class Cluster:
    """Model and machine, side by side."""

    def __init__(self, seed: int, weather: Weather) -> None:
        rng = random.Random(seed)
        network = Network(HOSTS, lan, weather, random.Random(seed))
        self.world = World(network, [Host(i, 10.0 * i, 1.0 + i * 1e-4) for i in range(HOSTS)], LAN, b"k" * 32, rng)
        self.model = Model()
        self.world.warm_start(["red"])
        self.model.joined = {(number, "red") for number in range(HOSTS)}

    def perform(self, action: tuple) -> None:
        getattr(self, action[0])(*action[1:])

    def _awake(self, number: int) -> Host | None:
        host = self.world.hosts[number]
        return host if host.state is State.RUNNING else None

    def enter(self, number: int, network: str) -> None:
        if host := self._awake(number):
            host.node.join_network(network, host.local(self.world.now))
            self.model.joined.add((number, network))
            self.world.flush(host)

    def exit(self, number: int, network: str) -> None:
        if host := self._awake(number):
            host.node.leave_network(network, host.local(self.world.now))
            self.model.joined.discard((number, network))
            self.model.rows = {k: v for k, v in self.model.rows.items() if k[:2] != (number, network)}
            self.world.flush(host)

    def write(self, number: int, network: str, key: str, value: bytes) -> None:
        host = self._awake(number)
        if host and (number, network) in self.model.joined:
            host.node.set_entry(network, "table", key, value, host.local(self.world.now))
            self.model.rows[number, network, key] = value
            self.world.flush(host)

    def delete(self, number: int, network: str, key: str) -> None:
        if host := self._awake(number):
            existed = host.node.delete_entry(network, "table", key, host.local(self.world.now))
            assert existed == (self.model.rows.pop((number, network, key), None) is not None)
            self.world.flush(host)

    def crash(self, number: int, state: State) -> None:
        if len(self.model.running) > 1 and number in self.model.running:
            self.world.stop(self.world.hosts[number], state)
            self.model.forget(number)

    def leave(self, number: int) -> None:
        host = self._awake(number)
        if host and len(self.model.running) > 1:
            host.node.leave(host.local(self.world.now))
            self.world.flush(host)
            self.world.schedule.run(self.world.now + 0.5)
            self.world.stop(host, State.KILLED)
            self.model.forget(number)

    def boot(self, number: int) -> None:
        if number not in self.model.running:
            self.world.start(self.world.hosts[number], sorted(self.model.running))
            self.model.running.add(number)

    def stall(self, number: int, seconds: float, state: State) -> None:
        if host := self._awake(number):
            self.world.stop(host, state)
            self.world.schedule.after(seconds, self.world.resume, host, host.life)

    def cut(self, island: set[int]) -> None:
        self.world.network.island = [int(number in island) for number in range(HOSTS)]
        self.world.network.split = True

    def heal(self) -> None:
        self.world.network.heal()

    def rotate(self) -> None:
        """Works on the keyring of stalled processes too: the order of the steps is what counts."""
        old, new = self.world.key, self.world.rng.randbytes(32)
        for step, key in (("install", new), ("use", new), ("remove", old)):
            for host in self.world.up():
                getattr(host.node.keyring, step)(key)
            self.world.schedule.run(self.world.now + 0.3)
        self.world.key = new

    def wait(self, seconds: float) -> None:
        self.world.schedule.run(self.world.now + seconds)

    def difference(self) -> str | None:
        """Where a node's view differs from the model's, None where none does."""
        names = sorted(f"n{number:05d}" for number in self.model.running)
        for number in sorted(self.model.running):
            node = self.world.hosts[number].node
            present = sorted(member.name for member in node.members() if member.present)
            if present != names:
                return f"{node.name} counts {present}, there are {names}"
            for network in NETWORKS:
                mine = {(entry.owner, entry.key): entry.value for entry in node.entries(network, "table")}
                truth = self.model.visible(network) if (number, network) in self.model.joined else {}
                if mine != truth:
                    return f"{node.name} holds {mine} of {network}, the truth is {truth}"
        return None


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    seed=st.integers(0, 2**32),
    loss=st.sampled_from((0.0, 0.02, 0.1)),
    history=st.lists(actions, min_size=12, max_size=40),
)
def test_all_nodes_end_with_the_models_truth(seed: int, loss: float, history: list[tuple]) -> None:
    cluster = Cluster(seed, Weather(loss, duplication=loss, reordering=loss))
    for action in history:
        cluster.perform(action)
    cluster.heal()
    deadline = cluster.world.now + PATIENCE
    while cluster.difference() and cluster.world.now < deadline:
        cluster.wait(0.5)
    assert cluster.difference() is None
