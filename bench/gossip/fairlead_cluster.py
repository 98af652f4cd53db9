"""Fairlead's gossip as real processes."""

from __future__ import annotations

import asyncio
import json
import sys
from typing import Any

from bench.gossip.cluster import Cluster, ip_of, name_of, until


class FairleadCluster(Cluster):
    system = "fairlead"

    def __init__(self, size: int, folder: str) -> None:
        super().__init__(size, folder)
        self._writers: dict[int, asyncio.StreamWriter] = {}
        self._server: asyncio.Server | None = None
        self.stats: dict[int, dict[str, Any]] = {}
        self.keys_done = 0

    async def start(self) -> None:
        control = f"{self.folder}/control"
        self._server = await asyncio.start_unix_server(self._agent, control)
        for number in range(self.size):
            seeds = ["--seed", ip_of(0)] if number else []
            self.processes[number] = await asyncio.create_subprocess_exec(
                sys.executable, "-m", "bench.gossip.agent", "--name", name_of(number), "--ip", ip_of(number),
                "--key", "6b" * 32, "--control", control, *seeds,
            )  # fmt: skip
        if not await until(lambda: len(self._writers) == self.size, 60):
            raise RuntimeError("not all agents reported")

    async def write(self, number: int, key: str) -> None:
        self.command(number, {"set": key})

    def ask_members(self) -> None:
        """They say so by themselves."""

    def command(self, number: int, what: dict[str, Any]) -> None:
        self._writers[number].write(json.dumps(what).encode() + b"\n")

    async def stop(self) -> None:
        await super().stop()
        if self._server is not None:
            self._server.close()

    async def _agent(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        hello = json.loads(await reader.readline())
        number = int(hello["name"][1:])
        self._writers[number] = writer
        while line := await reader.readline():
            match json.loads(line):
                case {"event": "record", "key": key}:
                    self.record(number, key)
                case {"event": "MemberJoined", "name": name}:
                    self.member_joined(number, name)
                case {"event": "MemberFailed", "name": name}:
                    self.member_failed(number, name)
                case {"event": "stats"} as stats:
                    self.stats[number] = stats
                case {"event": "key"}:
                    self.keys_done += 1
        writer.close()
