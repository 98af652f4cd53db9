"""`engine.volumes`: named and anonymous volumes of the local driver.

Who uses a volume is computed from the containers. A volume with mount options is mounted while somebody does.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from fairlead.core.filters import Filters
from fairlead.core.volumes.rules import LIST_FILTERS, PRUNE_FILTERS, check, matches, prunable, wants_dangling
from fairlead.engine import records
from fairlead.engine.locks import KeyedLocks
from fairlead.engine.memory import Memory
from fairlead.engine.ports import VolumeFiles, VolumePart
from fairlead.model.container import Container
from fairlead.model.errors import Conflict, NotFound
from fairlead.model.event import Event
from fairlead.model.volume import ANONYMOUS_LABEL, LOCAL, Volume

__all__ = ["LIST_FILTERS", "PRUNE_FILTERS", "Volumes"]

_NOTHING: Mapping[str, str] = {}


class Volumes:
    """Verbs on the same volume take turns. All refusals have Docker's words."""

    def __init__(self, memory: Memory, files: VolumeFiles) -> None:
        self._memory, self._files = memory, files
        self._volumes: dict[str, Volume] = {}
        self._opened: dict[str, set[str]] = {}
        self._turns = KeyedLocks()

    def load_state(self, documents: Mapping[str, Mapping[str, bytes]]) -> None:
        """Take over what the store holds (at boot)."""
        self._volumes = {volume.name: volume for volume in records.load(Volume, documents)}

    # --- reads ------------------------------------------------------------------------------------

    def find(self, name: str) -> Volume | None:
        return self._volumes.get(name)

    def get(self, name: str) -> Volume:
        if (volume := self._volumes.get(name)) is None:
            raise NotFound(f"get {name}: no such volume")
        return volume

    def list(self, filters: Filters = _NOTHING) -> Sequence[Volume]:
        """Sorted by name."""
        dangling = wants_dangling(filters)
        chosen = (
            volume
            for volume in self._volumes.values()
            if matches(volume, filters, dangling, bool(self.users(volume.name)))
        )
        return sorted(chosen, key=lambda volume: volume.name)

    def is_anonymous(self, name: str) -> bool:
        volume = self._volumes.get(name)
        return volume is not None and volume.anonymous

    def users(self, name: str) -> Sequence[Container]:
        """Containers that have the volume, running or not."""
        return [container for container in self._memory.state.containers.values() if _has(container, name)]

    async def size(self, name: str) -> int:
        """The bytes of all its files."""
        return await self._files.size(name)

    # --- verbs ------------------------------------------------------------------------------------

    async def ensure(
        self,
        name: str = "",
        driver: str = "",
        options: Mapping[str, str] = _NOTHING,
        labels: Mapping[str, str] = _NOTHING,
    ) -> Volume:
        """The volume of that name, made unless it is there; without a name a new anonymous one."""
        if not name:
            name, labels = self._memory.entropy.local_id(), {**labels, ANONYMOUS_LABEL: ""}
        async with self._turns.of(name):
            known = self._volumes.get(name)
            if known is not None and driver in ("", known.driver):
                return known
            check(name, driver or LOCAL, options)
            self._files.make(name)
            volume = Volume(
                name, str(self._files.mountpoint(name)), self._memory.clock.now(), LOCAL, dict(labels), dict(options)
            )
            await self._memory.store.commit([records.put(volume)])
            self._volumes[name] = volume
        self._announce("create", volume)
        return volume

    async def remove(self, name: str, force: bool = False) -> None:
        """Raises `NotFound` (unless `force`), and `Conflict` while a container has it."""
        async with self._turns.of(name):
            if (volume := self._volumes.get(name)) is None:
                if force:
                    return
                raise NotFound(f"get {name}: no such volume")
            if users := self.users(name):
                ids = ", ".join(container.id for container in users)
                raise Conflict(f"remove {name}: volume is in use - [{ids}]")
            await self._memory.store.commit([records.delete(volume)])
            del self._volumes[name]
            self._files.discard(name)
        self._announce("destroy", volume)

    async def remove_unused(self, name: str) -> None:
        """Remove it unless somebody has it; missing is fine."""
        if not self.users(name):
            await self.remove(name, force=True)

    async def prune(self, filters: Filters = _NOTHING) -> tuple[Sequence[str], int]:
        """Remove unused volumes, only anonymous ones unless filtered by `all`; names, and the bytes they held."""
        removed: list[str] = []
        reclaimed = 0
        for volume in self.list():
            if self.users(volume.name) or not prunable(volume, filters):
                continue
            size = await self._files.size(volume.name)
            if self.users(volume.name):
                continue
            await self.remove(volume.name, force=True)
            removed.append(volume.name)
            reclaimed += size
        time = self._memory.clock.now()
        self._memory.events.publish(Event("volume", "prune", "", time, {"reclaimed": str(reclaimed)}))
        return removed, reclaimed

    async def mount(self, name: str, container_id: str) -> Path:
        """Make the volume ready for a container that starts, and tell where it is. Raises `NotFound`, `Failed`."""
        async with self._turns.of(name):
            volume = self.get(name)
            if "device" in volume.options:
                await self._files.mount(volume)
            self._opened.setdefault(name, set()).add(container_id)
        self._announce("mount", volume, container=container_id)
        return Path(volume.mountpoint)

    async def unmount(self, name: str, container_id: str) -> None:
        """The container does not use it any more; unmounted with the last one. Idempotent."""
        async with self._turns.of(name):
            opened = self._opened.get(name, set())
            if container_id in opened:
                opened.discard(container_id)
                if (volume := self._volumes.get(name)) is not None:
                    self._announce("unmount", volume, container=container_id)
            running = any(user.state.running and user.id != container_id for user in self.users(name))
            if not opened and not running:
                self._opened.pop(name, None)
                self._files.unmount(name)

    def part(self, name: str, subpath: str) -> VolumePart:
        """A file or directory of a volume that is mounted. Raises `Failed` when it is missing or leads elsewhere."""
        return self._files.part(name, subpath)

    async def populate(self, name: str, place: Path, rootfs: Path, directory: str) -> None:
        """Fill `place`, a volume or a part of it, with what the image has where it is mounted, unless it has files."""
        if "device" not in self.get(name).options:
            await self._files.populate(place, rootfs, directory)

    def _announce(self, action: str, volume: Volume, **attributes: str) -> None:
        event = Event("volume", action, volume.name, self._memory.clock.now(), {"driver": volume.driver, **attributes})
        self._memory.events.publish(event)


def _has(container: Container, name: str) -> bool:
    return any(mount.kind == "volume" and mount.source == name for mount in container.mounts)
