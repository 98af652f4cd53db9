"""A node in this process: a whole engine with all its hands in a namespace of its own, and an agent on it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from ipaddress import ip_address
from pathlib import Path

from fairlead.daemon import open_engine
from fairlead.engine.engine import Engine
from fairlead.engine.images.bringing import ImportWishes
from fairlead.engine.swarm.agent import Agent
from fairlead.engine.swarm.messages import News
from fairlead.engine.swarm.surroundings import Discovery, Place, Surroundings
from fairlead.model.config import DaemonConfig
from fairlead.model.container import Container
from fairlead.model.swarm.node import NodeDescription
from tests.engine.swarm.agent.peer import FOLLOWER, LEADER, ScriptedManager
from tests.support import images


class Member:
    """`manager` outlives the daemon, as managers do. `own_surroundings`: the engine's own overlays and discovery."""

    def __init__(self, root: Path, discovery: Discovery | None = None, own_surroundings: bool = False) -> None:
        self.config = DaemonConfig(hosts=(), data_root=root / "data", exec_root=root / "exec", hostname="n1")
        self.manager = ScriptedManager()
        self.heard: list[News] = []
        self._discovery, self._own_surroundings = discovery, own_surroundings
        self._running = AsyncExitStack()

    engine: Engine
    agent: Agent

    async def start(self) -> None:
        """As a daemon starts: the engine first, then the agent takes over what it finds."""
        self._running = AsyncExitStack()
        self.engine = await open_engine(self.config, self._running)
        place = Place("n1", "192.168.1.1", ip_address("192.168.1.1"), managers=(LEADER, FOLLOWER))
        surroundings = await self._surroundings(place)
        self.agent = Agent(self.engine, self.manager, place, surroundings)
        await self.agent.adopt()
        before = len(self.manager.sessions)
        run = asyncio.create_task(self.agent.run())
        self._running.push_async_callback(asyncio.wait, [run])
        self._running.push_async_callback(self.agent.close)
        if not self.manager.deaf:
            await self.manager.until(lambda: len(self.manager.sessions) > before, "a session")

    async def _surroundings(self, place: Place) -> Surroundings:
        if not self._own_surroundings:
            return Surroundings(lambda: NodeDescription("n1"), self._hear, None, self._discovery)
        await self.engine.overlays.enter(place.data_address, 4789)
        await self.engine.discovery.start("n1", place.data_address, "swarm")
        return Surroundings(lambda: NodeDescription("n1"), self._hear, self.engine.overlays, self.engine.discovery)

    async def stop(self) -> None:
        """As a daemon ends: containers run on."""
        await self._running.aclose()

    async def restart(self) -> None:
        await self.stop()
        await self.start()

    async def close(self) -> None:
        """Leave nothing."""
        if not self._alive():
            await self.start()
        await self.agent.close()
        for container in list(self.engine.state.containers.values()):
            await self.engine.containers.remove(container.id, force=True, volumes=True)
        await self.stop()

    def _alive(self) -> bool:
        try:
            self.engine.store.load()
        except Exception:
            return False
        return True

    async def _hear(self, news: News) -> None:
        self.heard.append(news)

    async def provide(self, name: str = "busybox") -> None:
        """An image, as if it had been pulled before."""

        async def archive() -> AsyncIterator[bytes]:
            yield images.archive(name)

        await self.engine.images.import_image(archive(), "", ImportWishes(f"{name}:latest", ('CMD ["sh"]',)))

    def container(self, task_id: str) -> Container | None:
        containers = self.engine.state.containers.values()
        return next((one for one in containers if one.spec.task_id == task_id), None)

    def running(self, task_id: str) -> Container:
        found = self.container(task_id)
        assert found is not None
        assert found.state.status == "running"
        return found

    async def run_in(self, container: Container, *command: str) -> str:
        """The output of a command in a running container."""
        arguments = ["nsenter", "-t", str(container.state.pid), "-m", "-n", "-p", "-r", "--", *command]
        process = await asyncio.create_subprocess_exec(*arguments, stdout=-1, stderr=-2)
        output, _ = await process.communicate()
        return output.decode()
