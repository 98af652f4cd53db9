"""A real image store on a temporary data root: the engine's images over the real effects."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from fairlead.effects.clock import SystemClock, SystemEntropy
from fairlead.effects.oci.archives import Archives
from fairlead.effects.oci.blobs import Blobs
from fairlead.effects.oci.doomed import Doomed
from fairlead.effects.oci.layers import Layers
from fairlead.effects.oci.registry import Registry
from fairlead.effects.oci.rootfs import Rootfs
from fairlead.effects.store.sqlite import SqliteStore
from fairlead.engine.events import EventBus
from fairlead.engine.images.images import Images
from fairlead.engine.images.ports import ImageHands
from fairlead.engine.images.rootfs import RootFilesystems
from fairlead.engine.memory import Memory
from fairlead.engine.state import State
from fairlead.model.config import DaemonConfig, Registries
from fairlead.model.event import Event

NO_SETTINGS = Registries()


class Host:
    """One data root with its images; `restart` is what a new daemon would find."""

    def __init__(self, root: Path, registries: Registries = NO_SETTINGS) -> None:
        self.root, self.registries = root, registries
        self.start()

    def start(self) -> None:
        self.store = SqliteStore(self.root / "state.db")
        self.clock = SystemClock()
        self.events = EventBus(self.clock)
        self.told: list[Event] = []
        publish = self.events.publish
        self.events.publish = lambda event: (self.told.append(event), publish(event))[1]  # type: ignore[method-assign]
        self.state = State()
        self.doomed = Doomed(self.root)
        self.blobs = Blobs(self.root)
        self.layers = Layers(self.root, self.blobs, self.doomed)
        self.roots = Rootfs(self.root, self.doomed)
        hands = ImageHands(self.blobs, self.layers, self.roots, Archives(), Registry(self.root, self.registries))
        config = DaemonConfig(hosts=(), data_root=self.root, exec_root=self.root)
        self.memory = Memory(config, self.state, self.store, self.events, self.clock, SystemEntropy())
        self.images = Images(self.memory, hands)
        self.rootfs = RootFilesystems(self.images, self.roots)

    def stop(self) -> None:
        self.layers.close()
        self.roots.close()
        self.store.close()

    def restart(self) -> None:
        self.stop()
        self.start()
        self.images.load_state(self.store.load())

    def leftovers(self) -> list[str]:
        """Files that no image accounts for."""
        layers = [path.name for path in (self.root / "overlay").iterdir() if path.name != "base"]
        blobs = [path.name for path in (self.root / "blobs" / "sha256").iterdir()]
        return [*layers, *blobs, *(path.name for path in (self.root / "staging").iterdir())]


@pytest.fixture
async def host(tmp_path: Path) -> Any:
    made = Host(tmp_path)
    try:
        yield made
    finally:
        for mounted in (tmp_path / "rootfs").iterdir():
            await made.roots.remove(mounted.name)
        await made.doomed.settled()
        made.stop()
