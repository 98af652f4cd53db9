"""A few nodes on a perfect network and one clock, driven by hand: for tests that read as sentences."""

from __future__ import annotations

import random
from dataclasses import replace

from fairlead.core.gossip import LAN, Config, Event, Identity, Keyring, Node
from fairlead.core.gossip.wire.messages import Entry

KEY = b"k" * 32


class Cluster:
    """Nodes `a`, `b`, … that reach each other at once, unless they are in `cut`."""

    def __init__(self, names: str = "", config: Config = LAN, key: bytes | None = KEY) -> None:
        self.now = 0.0
        self.config = config
        self.key = key
        self.nodes: dict[tuple[str, int], Node] = {}
        self.cut: set[str] = set()
        self.gone: set[str] = set()
        self.log: list[tuple[str, Event]] = []
        for name in names:
            self.add(name, seeds=names[0] if name != names[0] else "")
        if names:
            self.run(1.0)
            self.log.clear()

    def __getitem__(self, name: str) -> Node:
        return self.nodes[address(name)]

    def add(self, name: str, seeds: str = "", at: str | None = None, life: int = 1, **changes: object) -> Node:
        where = address(at or name)
        identity = Identity(name, where, "test", bytes([ord(name), ord(where[0][-1]), life, 0, 0, 0, 0]))
        config = replace(self.config, **changes)  # type: ignore[arg-type]
        node = Node(identity, Keyring(self.key), random.Random(f"{name}{life}"), self.now, config)
        self.nodes[where] = node
        self.gone.discard(at or name)
        if seeds:
            node.join([address(seed) for seed in seeds], self.now)
        self.settle()
        return node

    def kill(self, name: str) -> None:
        """The process ends; its kernel refuses connections."""
        del self.nodes[address(name)]
        self.gone.add(name)

    def run(self, seconds: float, step: float = 0.01) -> None:
        end = self.now + seconds
        while self.now < end:
            self.now += step
            for node in list(self.nodes.values()):
                deadline = node.next_deadline()
                if deadline is not None and deadline[0] <= self.now:
                    node.handle_timeout(self.now)
            self.settle()

    def settle(self) -> None:
        """Delivers until nothing is on its way."""
        busy = True
        while busy:
            busy = False
            for where, node in list(self.nodes.items()):
                for to, data in node.transmits():
                    busy = True
                    if self._reaches(where, to) and to in self.nodes:
                        self.nodes[to].receive(data, where, self.now)
                for call in node.calls():
                    busy = True
                    self._call(where, node, call.id, call.to)
                self.log += [(node.name, event) for event in node.events()]

    def write(self, name: str, key: str, value: bytes, network: str = "net") -> Entry:
        entry = self[name].set_entry(network, "table", key, value, self.now)
        self.run(0.02)  # writes in quick succession share packets
        return entry

    def rows(self, name: str, network: str = "net") -> dict[str, bytes]:
        return {entry.key: entry.value for entry in self[name].entries(network, "table")}

    def join_network(self, names: str, network: str = "net") -> None:
        for name in names:
            self[name].join_network(network, self.now)
            self.run(0.02)

    def status(self, observer: str, name: str) -> str | None:
        member = self[observer].member(name)
        return None if member is None else member.status.name.lower()

    def events(self, kind: type, observer: str | None = None) -> list[Event]:
        return [event for name, event in self.log if isinstance(event, kind) and observer in (None, name)]

    def _reaches(self, here: tuple[str, int], there: tuple[str, int]) -> bool:
        return (name_at(here) in self.cut) == (name_at(there) in self.cut)

    def _call(self, here: tuple[str, int], node: Node, call: int, to: tuple[str, int]) -> None:
        server = self.nodes.get(to)
        if not self._reaches(here, to) or (server is None and name_at(to) not in self.gone):
            node.call_failed(call, "silent", self.now)
        elif server is None:
            node.call_failed(call, "refused", self.now)
        else:
            hello = server.hello()
            question = node.ask(call, hello)
            answer = None if question is None else server.answer(hello, question, here, self.now)
            if answer is None:
                node.call_failed(call, "stalled", self.now)
            else:
                node.answered(call, answer, self.now)


def address(name: str) -> tuple[str, int]:
    return f"10.0.0.{ord(name)}", 7946


def name_at(where: tuple[str, int]) -> str:
    return chr(int(where[0].rpartition(".")[2]))
