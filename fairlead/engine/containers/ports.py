"""What the containers need from the world: Protocols that `fairlead.effects.oci` fulfils."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Collection, Sequence
from pathlib import Path
from typing import Protocol

from fairlead.model.container import Container, Resources
from fairlead.model.runtime import (
    Ended,
    ExecLaunch,
    FileChange,
    FileRoot,
    InterfaceCounters,
    Launch,
    Launched,
    LogEntry,
    LogQuery,
    MountPoint,
    PathStat,
    PrivateFile,
    Survivor,
    UnpackOptions,
    Usage,
)


class Console(Protocol):
    """A client of a running container's stdio."""

    async def read(self) -> tuple[int, bytes] | None:
        """(stream, output); None at the end."""
        ...

    async def write(self, data: bytes) -> None: ...

    async def close_stdin(self) -> None: ...

    def close(self) -> None: ...


class Process(Protocol):
    """A process started by exec. Its streams are read each by one reader."""

    pid: int

    @property
    def streams(self) -> Sequence[int]: ...

    async def wait(self) -> int: ...

    async def read(self, stream: int) -> bytes: ...

    async def write(self, data: bytes) -> None: ...

    async def close_stdin(self) -> None: ...

    def resize(self, height: int, width: int) -> None: ...

    def kill(self, signal_number: int) -> None: ...

    def close(self) -> None: ...


class Runtime(Protocol):
    """Processes in containers. Raises `RuntimeRefused` with the OCI runtime's own reason."""

    @property
    def init_program(self) -> str: ...

    async def create(self, launch: Launch) -> Launched: ...

    async def start(self, container_id: str) -> None: ...

    def connect(self, container_id: str) -> Console: ...

    def watch(self, container_id: str, on_end: Callable[[Ended], None]) -> None: ...

    def unwatch_all(self) -> None: ...

    def kill(self, container_id: str, signal_number: int) -> None: ...

    async def pause(self, container_id: str) -> None: ...

    async def resume(self, container_id: str) -> None: ...

    async def update(self, container_id: str, wanted: Resources) -> None: ...

    def resize(self, container_id: str, height: int, width: int) -> None: ...

    async def exec(self, launch: ExecLaunch) -> Process: ...

    def pids(self, container: Container) -> Sequence[int]: ...

    async def top(self, container: Container, arguments: str) -> tuple[list[str], list[list[str]]]: ...

    def usage(self, container: Container) -> Usage: ...

    def traffic(self, pid: int) -> Sequence[InterfaceCounters]: ...

    def is_asked(self, pid: int) -> bool:
        """Whether somebody else is connected to a TCP port that the process's network namespace serves."""
        ...

    async def discard(self, container_id: str) -> None:
        """Kill what is left of it and forget it."""
        ...

    async def clear(self, container_id: str) -> None:
        """Kill what is left of it; until `forget_end` a later life of the daemon still learns how it ended."""
        ...

    def forget_end(self, container_id: str) -> None: ...

    def survivors(self) -> Sequence[Survivor]: ...

    async def sweep(self, kept: Collection[str]) -> None:
        """End what is there of all other containers (at boot)."""
        ...


class Logs(Protocol):
    """Logs as files."""

    def path(self, container_id: str) -> Path: ...

    def entries(
        self, container: Container, query: LogQuery, ended: asyncio.Future[int] | None
    ) -> AsyncIterator[LogEntry]:
        """Stored entries, then those that come until `ended` is done; None: it does not run."""
        ...

    def follow_rotation(self, container: Container) -> None:
        """Keep the log's files within the container's `max-size` and `max-file` from now on."""
        ...

    def make_folder(self, container_id: str) -> None:
        """The folder of a container's own files. Raises Failed."""
        ...

    async def remove_folder(self, container_id: str) -> None: ...

    async def keep_folders(self, container_ids: Collection[str]) -> None:
        """Remove the folders of all other containers (at boot)."""
        ...

    def close(self) -> None: ...


class PrivateFiles(Protocol):
    """Files that containers get for one run: in memory, never on a disk."""

    def give(self, container_id: str, files: Sequence[PrivateFile]) -> tuple[MountPoint, ...]:
        """Write them down and tell how they are mounted, read-only. Raises Failed."""
        ...

    def take_back(self, container_id: str) -> None:
        """Forget them; none there is fine."""
        ...

    def keep_only(self, container_ids: Collection[str]) -> None:
        """Forget those of all other containers (at boot)."""
        ...


class Files(Protocol):
    """Files of containers, with paths resolved inside: nothing that a container plants leads outside."""

    async def stat(self, root: FileRoot, path: str) -> PathStat:
        """Raises NotFound."""
        ...

    def pack(self, root: FileRoot, path: str) -> AsyncIterator[bytes]:
        """A tar of the file or directory, under its own name."""
        ...

    async def unpack(self, root: FileRoot, path: str, archive: AsyncIterator[bytes], options: UnpackOptions) -> None:
        """Put a tar (compressed or not) into a directory."""
        ...

    def export(self, root: FileRoot) -> AsyncIterator[bytes]:
        """A tar of everything."""
        ...

    async def changes(self, upper: Path, lower: Sequence[Path]) -> Sequence[FileChange]:
        """What an overlay's upper directory changes; `lower` are the layers below it: they tell new from old."""
        ...

    async def size(self, folder: Path) -> int:
        """Bytes of all files below a directory; 0 when it is not there."""
        ...

    def prepare_bind(self, source: str, create: bool) -> None:
        """Check that the source of a bind mount is there, or make it a directory. Raises Invalid."""
        ...
