"""Looking into namespaces, and trying what was foretold: each in a thread of its own."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from fairlead.effects.kernel.scenery import scene
from fairlead.effects.wire.probing import ask, probe
from fairlead.model.network import Address
from fairlead.model.scene import Scene

PROBE_SECONDS, ASK_SECONDS = 2.0, 3.0


class LinuxSights:
    async def scene(self, ns: str, known: Sequence[str]) -> Scene:
        return await asyncio.to_thread(scene, ns, known)

    async def ask(self, ns: str, server: Address, name: str) -> tuple[Address, ...] | None:
        return await asyncio.to_thread(ask, ns, server, name, ASK_SECONDS)

    async def probe(self, ns: str, destination: Address, protocol: str, port: int) -> str:
        return await asyncio.to_thread(probe, ns, destination, protocol, port, PROBE_SECONDS)
