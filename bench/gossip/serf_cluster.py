"""Debian's `serf` agents, watched and commanded through their RPC (a stream of MessagePack objects)."""

from __future__ import annotations

import asyncio
import base64
import struct
from typing import Any

import msgspec

from bench.gossip.cluster import PORT, Cluster, ip_of, name_of

RPC_PORT = 7373


class SerfCluster(Cluster):
    system = "serf"

    def __init__(self, size: int, folder: str) -> None:
        super().__init__(size, folder)
        self._writers: dict[int, asyncio.StreamWriter] = {}
        self._tasks: list[asyncio.Task[None]] = []
        self._seq = 0

    async def start(self) -> None:
        key = base64.b64encode(b"k" * 32).decode()
        for number in range(self.size):
            ip = ip_of(number)
            join = [f"-retry-join={ip_of(0)}:{PORT}", "-retry-interval=1s"] if number else []
            log = open(f"{self.folder}/serf-{number}.log", "wb")  # noqa: ASYNC230, SIM115
            self.processes[number] = await asyncio.create_subprocess_exec(
                "serf", "agent", f"-node={name_of(number)}", f"-bind={ip}:{PORT}", f"-rpc-addr={ip}:{RPC_PORT}",
                f"-encrypt={key}", "-profile=lan", "-log-level=err", *join, stdout=log, stderr=log,
            )  # fmt: skip
            log.close()
        for number in range(self.size):
            await self._connect(number)

    async def write(self, number: int, key: str) -> None:
        self._request(number, "event", {"Name": key, "Payload": b"x", "Coalesce": False})

    def ask_members(self) -> None:
        for number in self._writers:
            self._request(number, "members", {})

    async def stop(self) -> None:
        for task in self._tasks:
            task.cancel()
        await super().stop()

    async def _connect(self, number: int) -> None:
        for _ in range(200):
            try:
                reader, writer = await asyncio.open_connection(ip_of(number), RPC_PORT)
                break
            except OSError:
                await asyncio.sleep(0.05)
        else:
            raise RuntimeError(f"serf agent {number} does not answer")
        self._writers[number] = writer
        self._request(number, "handshake", {"Version": 1})
        self._request(number, "stream", {"Type": "*"})
        self._tasks.append(asyncio.create_task(self._listen(number, reader)))

    def _request(self, number: int, command: str, body: dict[str, Any]) -> None:
        self._seq += 1
        encode = msgspec.msgpack.encode
        self._writers[number].write(encode({"Command": command, "Seq": self._seq}) + (encode(body) if body else b""))

    async def _listen(self, number: int, reader: asyncio.StreamReader) -> None:
        try:
            while True:
                body = await read_object(reader)
                match body:
                    case {"Event": "user", "Name": name}:
                        self.record(number, name)
                    case {"Event": "member-join", "Members": members}:
                        for member in members:
                            self.member_joined(number, member["Name"])
                    case {"Members": members} if "Event" not in body:  # the answer to ask_members
                        for member in members:
                            if member["Status"] == "alive":
                                self.member_joined(number, member["Name"])
                    case {"Event": "member-failed", "Members": members}:
                        for member in members:
                            self.member_failed(number, member["Name"])
        except (asyncio.IncompleteReadError, OSError):
            return


# MessagePack, read off a stream: only what go-msgpack writes. Its older strings may hold bytes.

_FIXED = {0xC0: None, 0xC2: False, 0xC3: True}
_NUMBERS = {0xCA: ">f", 0xCB: ">d", 0xCC: ">B", 0xCD: ">H", 0xCE: ">I", 0xCF: ">Q",
            0xD0: ">b", 0xD1: ">h", 0xD2: ">i", 0xD3: ">q"}  # fmt: skip
_TEXTS = {0xD9: ">B", 0xDA: ">H", 0xDB: ">I", 0xC4: ">B", 0xC5: ">H", 0xC6: ">I"}


async def read_object(reader: asyncio.StreamReader) -> Any:
    first = (await reader.readexactly(1))[0]
    if first < 0x80:
        return first
    if first >= 0xE0:
        return first - 256
    if first in _FIXED:
        return _FIXED[first]
    if first in _NUMBERS:
        return await _number(reader, _NUMBERS[first])
    if first < 0x90 or first in (0xDE, 0xDF):
        size = first & 15 if first < 0x90 else await _number(reader, ">H" if first == 0xDE else ">I")
        pairs = [(await read_object(reader), await read_object(reader)) for _ in range(size)]
        return dict(pairs)
    if first < 0xA0 or first in (0xDC, 0xDD):
        size = first & 15 if first < 0xA0 else await _number(reader, ">H" if first == 0xDC else ">I")
        return [await read_object(reader) for _ in range(size)]
    if first < 0xC0 or first in _TEXTS:
        size = first & 31 if first < 0xC0 else await _number(reader, _TEXTS[first])
        return (await reader.readexactly(size)).decode(errors="replace")
    raise ValueError(f"MessagePack type {first:#x}")


async def _number(reader: asyncio.StreamReader, layout: str) -> Any:
    return struct.unpack(layout, await reader.readexactly(struct.calcsize(layout)))[0]
