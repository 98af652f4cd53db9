"""One Fairlead gossip node as a process, reporting to and commanded by a unix socket.

Commands and events are JSON, one a line: `{"set": key}` writes a row, `{"stats": true}` asks for the report, `{"key":
"install"|"use"|"remove", "hex": …}` works on the keyring.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import random
import socket
import time
from typing import Any

from fairlead.core import gossip
from fairlead.effects.wire.datagram import DatagramShell
from fairlead.effects.wire.stream import StreamShell

NETWORK = "bench"


class Agent:
    def __init__(self, options: argparse.Namespace, writer: asyncio.StreamWriter) -> None:
        self._writer = writer
        address = (options.ip, options.port)
        identity = gossip.Identity(options.name, address, "bench", os.urandom(7), epoch=time.time_ns() // 1_000_000_000)
        seed = int.from_bytes(os.urandom(8), "big")
        now = asyncio.get_running_loop().time()
        keyring = gossip.Keyring(bytes.fromhex(options.key))
        self.node = gossip.Node(identity, keyring, random.Random(seed), now)
        udp, tcp = _sockets(address)
        self.shell = DatagramShell(self.node, udp, self._event)
        self.streams = StreamShell(self.node, self.shell, tcp, self.node.config.max_frame)

    async def run(self, reader: asyncio.StreamReader, seeds: list[gossip.Address]) -> None:
        await self.streams.start()
        self.node.join_network(NETWORK, self.shell.now())
        self.node.join(seeds, self.shell.now())
        self.shell.turn()
        while line := await reader.readline():
            self._command(json.loads(line))

    def _command(self, command: dict[str, Any]) -> None:
        match command:
            case {"set": key}:
                self.node.set_entry(NETWORK, "records", key, b"x", self.shell.now())
            case {"key": verb, "hex": key}:
                getattr(self.node.keyring, verb)(bytes.fromhex(key))
                self._say({"event": "key", "verb": verb})
            case {"stats": True}:
                report = self.node.report(self.shell.now())
                self._say({"event": "stats", "cpu_s": self.shell.cpu_s, "report": report})
        self.shell.turn()

    def _event(self, event: gossip.Event) -> None:
        match event:
            case gossip.EntrySet(entry=entry):
                self._say({"event": "record", "key": entry.key})
            case gossip.MemberJoined(member=member) | gossip.MemberFailed(member=member):
                self._say({"event": type(event).__name__, "name": member.name})
            case _:
                pass

    def _say(self, what: dict[str, Any]) -> None:
        self._writer.write(json.dumps(what).encode() + b"\n")


def _sockets(address: gossip.Address) -> tuple[socket.socket, socket.socket]:
    udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    udp.bind(address)
    tcp = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    tcp.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    tcp.bind(address)
    tcp.listen(128)
    return udp, tcp


async def main(options: argparse.Namespace) -> None:
    reader, writer = await asyncio.open_unix_connection(options.control)
    writer.write(json.dumps({"event": "hello", "name": options.name}).encode() + b"\n")
    seeds = [(seed, options.port) for seed in options.seed]
    await Agent(options, writer).run(reader, seeds)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--name", required=True)
    parser.add_argument("--ip", required=True)
    parser.add_argument("--port", type=int, default=7946)
    parser.add_argument("--seed", action="append", default=[])
    parser.add_argument("--key", required=True, help="64 hex digits")
    parser.add_argument("--control", required=True, help="unix socket to report to")
    asyncio.run(main(parser.parse_args()))
