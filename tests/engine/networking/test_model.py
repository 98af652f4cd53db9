"""Random verbs against a dumb model: what was acknowledged exists, what was refused does not, leases are unique.

Three networks of which one has room for two containers, three containers, and a daemon that dies now and then. The
model knows only sets: which networks exist, which containers run, who wants to be where.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import tempfile
from collections.abc import Awaitable, Callable
from pathlib import Path

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fairlead.effects.kernel import netns
from fairlead.model.errors import Refusal
from tests.effects.kernel.conftest import run
from tests.engine import builders
from tests.engine.networking.house import House, Killed
from tests.support.spaces import host_namespace

NETWORKS = {"tiny": "10.1.0.0/30", "mid": "10.2.0.0/29", "wide": "10.3.0.0/24"}
CONTAINERS = ("c1", "c2", "c3")
VERBS = ("create", "remove", "start", "stop", "connect", "disconnect")

STEPS = st.lists(
    st.tuples(
        st.sampled_from(VERBS),
        st.sampled_from(list(NETWORKS)),
        st.sampled_from(CONTAINERS),
        st.none() | st.tuples(st.integers(0, 8), st.booleans()),
    ),
    max_size=14,
)


class Model:
    """Where every container has said it wants to be, and which of it is acknowledged."""

    def __init__(self, house: House) -> None:
        self.house = house
        self.networks: set[str] = set()
        self.running: set[str] = set()
        self.wants: dict[str, set[str]] = {name: {"wide"} for name in CONTAINERS}

    async def step(self, verb: str, network: str, container: str, death: tuple[int, bool] | None) -> None:
        if death is not None:
            self.house.fuse.set(*death)
        try:
            await self._verb(verb, network, container)()
        except Killed:
            await self._reborn()
            return
        except Refusal:
            pass
        else:
            self._acknowledge(verb, network, container)
        if self.house.fuse.burnt:
            await self._reborn()
        self.house.fuse.left = None

    def _verb(self, verb: str, network: str, container: str) -> Callable[[], Awaitable[object]]:
        house = self.house
        verbs: dict[str, Callable[[], Awaitable[object]]] = {
            "create": lambda: house.network(network, NETWORKS[network]),
            "remove": lambda: house.networks.remove(network),
            "start": lambda: self._start(container),
            "stop": lambda: house.stop(container),
            "connect": lambda: house.connect(network, container),
            "disconnect": lambda: house.disconnect(network, container),
        }
        return verbs[verb]

    async def _start(self, container: str) -> None:
        if container not in self.running:
            await self.house.run(container)

    def _acknowledge(self, verb: str, network: str, container: str) -> None:
        if verb in ("create", "remove"):
            (self.networks.add if verb == "create" else self.networks.discard)(network)
        elif verb in ("start", "stop"):
            (self.running.add if verb == "start" else self.running.discard)(container)
        else:
            (self.wants[container].add if verb == "connect" else self.wants[container].discard)(network)

    async def _reborn(self) -> None:
        """A verb that died may have come to pass or not: the model asks, and from then on holds on to it."""
        await self.house.restart()
        await self.house.check()
        state = self.house.state
        self.networks = {name for name in NETWORKS if state.find_network(name)}
        self.running = {name for name in CONTAINERS if state.container(name).id in state.sandboxes}
        for name in CONTAINERS:
            wishes = self.house.sandboxes.attachments(state.container(name)).wishes
            self.wants[name] = {wish.network for wish in wishes}

    async def agree(self) -> None:
        state = self.house.state
        assert {network.name for network in state.networks.values() if not network.predefined} == self.networks
        for name in CONTAINERS:
            endpoints = state.endpoints_of(state.container(name).id)
            on = {state.networks[endpoint.network_id].name for endpoint in endpoints}
            assert on == (self.wants[name] if name in self.running else set())
        await self.house.check()


@settings(max_examples=12, deadline=None, suppress_health_check=list(HealthCheck))
@given(STEPS)
def test_any_sequence_of_verbs(steps: list[tuple[str, str, str, tuple[int, bool] | None]]) -> None:
    if os.geteuid() != 0:
        return
    root = Path(tempfile.mkdtemp(prefix=f"house-{os.getpid()}-"))
    try:
        with host_namespace():
            run("ip", "link", "set", "lo", "up")
            asyncio.run(play(root, steps))
    finally:
        netns.unmount(root / "exec" / "netns")
        shutil.rmtree(root)


async def play(root: Path, steps: list[tuple[str, str, str, tuple[int, bool] | None]]) -> None:
    house = House(root)
    await house.start()
    try:
        for name in CONTAINERS:
            await house.add(builders.container(name, "wide"))
        model = Model(house)
        for step in steps:
            await model.step(*step)
        await model.agree()
    finally:
        await house.close()
