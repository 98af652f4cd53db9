"""What the verbs on containers share: the parts of the engine that they use, turns, and the one way to change a
container."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from fairlead.engine import records
from fairlead.engine.containers.consoles import Consoles
from fairlead.engine.containers.ports import Files, Logs, PrivateFiles, Runtime
from fairlead.engine.containers.waiting import Waiting
from fairlead.engine.images.images import Images
from fairlead.engine.images.rootfs import RootFilesystems
from fairlead.engine.locks import KeyedLocks
from fairlead.engine.memory import Memory
from fairlead.engine.sandboxes.sandboxes import Sandboxes
from fairlead.engine.system import System
from fairlead.engine.volumes import Volumes
from fairlead.model.container import Container, ContainerState
from fairlead.model.event import Event


@dataclass(frozen=True, slots=True)
class Hands:
    """The hands on containers, as `daemon.py` gives them."""

    runtime: Runtime
    logs: Logs
    files: Files
    private: PrivateFiles


@dataclass(frozen=True, slots=True)
class Parts:
    """The other parts of the engine, of which containers are made."""

    sandboxes: Sandboxes
    images: Images
    rootfs: RootFilesystems
    volumes: Volumes
    system: System


class Context:
    """`turns` makes the verbs on one container wait for each other; what happens to it by itself takes none."""

    def __init__(self, memory: Memory, parts: Parts, hands: Hands) -> None:
        self.config, self.events, self.entropy = memory.config, memory.events, memory.entropy
        self.state, self.clock, self.store = memory.state, memory.clock, memory.store
        self.sandboxes, self.system = parts.sandboxes, parts.system
        self.images, self.rootfs, self.volumes = parts.images, parts.rootfs, parts.volumes
        self.runtime, self.logs, self.files, self.private = hands.runtime, hands.logs, hands.files, hands.private
        self.turns = KeyedLocks()
        self.waiting = Waiting()
        self.consoles = Consoles(hands.runtime)
        self._writing = KeyedLocks()

    def folder(self, container_id: str) -> Path:
        """Where a container's own files lie (hosts, resolv.conf, its log)."""
        return self.config.data_root / "containers" / container_id

    async def change(self, container_id: str, change: Callable[[Container], Container]) -> Container:
        """Replace a container by what `change` makes of it: committed first, then visible.

        Changes of one container are applied one after the other, each to the result of the last.
        """
        async with self._writing.of(container_id):
            changed = change(self.state.containers[container_id])
            await self.store.commit([records.put(changed)])
            self.state.put_container(changed)
            return changed

    async def change_state(self, container_id: str, change: Callable[[ContainerState], ContainerState]) -> Container:
        return await self.change(container_id, lambda container: replace(container, state=change(container.state)))

    def announce(self, container: Container, action: str, **attributes: str) -> None:
        """Publish an event with Docker's attributes: image, name, labels and what the action adds."""
        self.events.publish(
            Event(
                "container",
                action,
                container.id,
                self.clock.now(),
                {**container.labels, "image": container.spec.image, "name": container.name, **attributes},
            )
        )
