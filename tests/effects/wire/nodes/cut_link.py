"""A node's session with a manager over a link that goes silent; to be run in a network namespace of its own.

Prints how long each end took to notice, in seconds: the node with its session open, the manager with nothing to say.
"""

from __future__ import annotations

import asyncio
import subprocess
from collections.abc import AsyncIterator
from contextlib import aclosing

from fairlead.model.errors import Unavailable
from fairlead.model.swarm.calls import Call, Reply
from tests.effects.pki.swarm import WORKING, identity
from tests.effects.wire.nodes.conftest import LOOPBACK, Manager, calling_as

CUT = "table inet cut { chain input { type filter hook input priority 0; policy drop; }; }"


def run(*command: str) -> None:
    subprocess.run(command, check=True, timeout=10)


class Session:
    def __init__(self) -> None:
        self.closed: asyncio.Future[float] = asyncio.get_running_loop().create_future()

    async def answer(self, call: Call) -> Reply:
        return self._lines()

    async def _lines(self) -> AsyncIterator[bytes]:
        try:
            yield b"news"
            await asyncio.Future()
        finally:
            self.closed.set_result(asyncio.get_running_loop().time())


async def main() -> None:
    run("ip", "link", "set", "lo", "up")
    clock = asyncio.get_running_loop().time
    manager, session = Manager(), Session()
    manager.answers["session"] = session.answer
    await manager.listener.open(LOOPBACK, manager.identity, manager.answer)
    async with calling_as(identity(manager.root, WORKING)) as caller:
        async with aclosing(caller.stream(manager.address, "session")) as lines:
            await anext(lines)
            run("nft", CUT)
            cut = clock()
            try:
                await anext(lines)
            except Unavailable:
                print(f"{clock() - cut:.1f}", end=" ")
        print(f"{await session.closed - cut:.1f}")
    await manager.listener.close()


if __name__ == "__main__":
    asyncio.run(main())
