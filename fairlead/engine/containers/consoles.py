"""Attached clients: a place at a container's console, also before there is one.

`docker run` attaches first and starts then. A client that comes early gets a place; when the container has been
created and before its process runs, every place is connected, so that not one byte is missed.
"""

from __future__ import annotations

import asyncio

from fairlead.engine.containers.ports import Console, Runtime


class Place:
    """One attached client's console, from the moment there is one."""

    def __init__(self) -> None:
        self._console: asyncio.Future[Console | None] = asyncio.get_running_loop().create_future()

    def give(self, console: Console | None) -> None:
        """Connect the place; None: the container will not run."""
        if not self._console.done():
            self._console.set_result(console)
        elif console is not None:
            console.close()

    async def read(self) -> tuple[int, bytes] | None:
        """The next (stream, output), waiting for the container to start if need be; None when it has ended."""
        console = await asyncio.shield(self._console)
        return None if console is None else await console.read()

    async def write(self, data: bytes) -> None:
        """Stdin. Raises ConnectionError when the container has ended."""
        console = await asyncio.shield(self._console)
        if console is None:
            raise ConnectionResetError("the container did not start")
        await console.write(data)

    async def close_stdin(self) -> None:
        console = await asyncio.shield(self._console)
        if console is not None:
            await console.close_stdin()

    def close(self) -> None:
        if self._console.done():
            console = self._console.result()
            if console is not None:
                console.close()
        else:
            self._console.set_result(None)


class Consoles:
    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        self._early: dict[str, list[Place]] = {}

    def join(self, container_id: str, running: bool) -> Place:
        """A place at the console, connected at once if the container runs, else when it is about to."""
        place = Place()
        if running:
            place.give(self._connect(container_id))
        else:
            self._early.setdefault(container_id, []).append(place)
        return place

    def leave(self, container_id: str, place: Place) -> None:
        places = self._early.get(container_id, [])
        if place in places:
            places.remove(place)
            if not places:
                del self._early[container_id]
        place.close()

    def connect_early(self, container_id: str) -> None:
        """The container has been created and waits: connect those who came early."""
        for place in self._early.pop(container_id, ()):
            place.give(self._connect(container_id))

    def give_up(self, container_id: str) -> None:
        """The container will not start, or is gone."""
        for place in self._early.pop(container_id, ()):
            place.give(None)

    def _connect(self, container_id: str) -> Console | None:
        try:
            return self._runtime.connect(container_id)
        except OSError:
            return None
