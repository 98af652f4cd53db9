"""Every table of a namespace as values: what `nft` lists, and what it leaves out of its JSON.

nft knows each family's expressions and undoes what compilers do to rules, so the listing is its own. It names the
extensions of iptables without saying what they hold, and leaves out the device of a chain: those are dumped.
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator, Mapping

from fairlead.effects.kernel import nft_constants as nf
from fairlead.effects.kernel import nft_values
from fairlead.effects.kernel.attributes import parse, read_text
from fairlead.effects.kernel.netlink import Channel
from fairlead.effects.kernel.nft import message
from fairlead.effects.kernel.nft_extensions import Rules, extensions
from fairlead.effects.kernel.nft_statements import RuleReader
from fairlead.effects.kernel.nft_values import Json, StrangeShapeError
from fairlead.model.ruleset import Chain, Element, Rule, Set, Table
from fairlead.model.scene import LoadedTable

SECONDS = 20
_HEADER = 4

_Name = tuple[str, str]
"""(family, name)"""


class UnreadableError(Exception):
    """The tables could not be listed; says why."""


def list_tables(channel: Channel) -> tuple[list[LoadedTable], list[str]]:
    """The tables of the namespace where the thread is and `channel` was opened; and what of them had to be left out, in
    words. Raises UnreadableError."""
    by_table: dict[_Name, list[tuple[str, Json]]] = {}
    for entry in _listing():
        kind, body = next(iter(entry.items()))
        if kind == "table":
            by_table[str(body["family"]), str(body["name"])] = []
        elif kind != "metainfo":
            by_table.setdefault((str(body["family"]), str(body["table"])), []).append((kind, body))
    blind: list[str] = []
    found = [_Reading(channel, name, parts, blind).table() for name, parts in by_table.items()]
    return found, blind


def _listing() -> list[dict[str, Json]]:
    try:
        command = ["nft", "--json", "list", "ruleset"]
        done = subprocess.run(command, capture_output=True, timeout=SECONDS, check=False)
    except FileNotFoundError as missing:
        raise UnreadableError("the program nft is not installed: apt-get install nftables") from missing
    except subprocess.TimeoutExpired as late:
        raise UnreadableError(f"nft did not list the rules within {SECONDS} s") from late
    if done.returncode:
        raise UnreadableError(f"nft: {done.stderr.decode(errors='replace').strip()}")
    entries: list[dict[str, Json]] = json.loads(done.stdout)["nftables"]
    return entries


class _Reading:
    """One table."""

    def __init__(self, channel: Channel, name: _Name, parts: list[tuple[str, Json]], blind: list[str]) -> None:
        self._channel, self._parts, self._blind = channel, parts, blind
        self._family, self._name = name
        self._rules = RuleReader(self._family)

    def table(self) -> LoadedTable:
        written = "xt" in json.dumps(self._parts)
        more = self._extensions() if written else {}
        devices = self._devices() if self._family in ("netdev", "inet") else {}
        rules: dict[str, list[Rule]] = {}
        for kind, body in self._parts:
            if kind == "rule":
                rules.setdefault(str(body["chain"]), []).append(self._rule(body, more))
        chains = [_chain(body, rules, devices) for kind, body in self._parts if kind == "chain"]
        sets, elements = self._sets()
        table = Table(self._family, self._name, (*sets, *self._rules.sets), tuple(chains))
        return LoadedTable(table, (*elements, *self._rules.elements))

    def _rule(self, body: Json, more: Rules) -> Rule:
        expressions, handle = body["expr"], body["handle"]
        assert isinstance(expressions, list)
        assert isinstance(handle, int)
        statements = tuple(self._rules.statements(expressions, more.get(handle, ())))
        return Rule(statements, str(body.get("comment", "")) or f"handle {handle}")

    def _sets(self) -> tuple[list[Set], list[Element]]:
        sets: list[Set] = []
        elements: list[Element] = []
        for kind, body in self._parts:
            if kind in ("set", "map"):
                read = _set(body)
                sets.append(read)
                try:
                    elements += _elements(read, body.get("elem", []))
                except (StrangeShapeError, ValueError, KeyError, TypeError):
                    self._blind.append(f"set {read.name} of table {self._family} {self._name}")
        return sets, elements

    def _extensions(self) -> Rules:
        replies = self._channel.dump(message(self._family, nf.GETRULE, 0, b""))
        return extensions(replies, self._family, self._name)

    def _devices(self) -> Mapping[str, str]:
        """The device of each chain that hangs on one."""
        found = {}
        for reply in self._channel.dump(message(self._family, nf.GETCHAIN, 0, b"")):
            chain = parse(reply, _HEADER)
            device = parse(chain.get(nf.CHAIN_HOOK, b"")).get(nf.HOOK_DEVICE)
            ours = reply[0] == nf.FAMILIES[self._family] and read_text(chain[nf.CHAIN_TABLE]) == self._name
            if device and ours:
                found[read_text(chain[nf.CHAIN_NAME])] = read_text(device)
        return found


def _chain(body: Json, rules: Mapping[str, list[Rule]], devices: Mapping[str, str]) -> Chain:
    name, priority = str(body["name"]), body.get("prio", 0)
    return Chain(
        name,
        tuple(rules.get(name, ())),
        str(body.get("type", "")),
        str(body.get("hook", "")),
        priority if isinstance(priority, int) else 0,
        str(body.get("policy", "accept")),
        devices.get(name, ""),
    )


def _set(body: Json) -> Set:
    kinds, data = body["type"], str(body.get("map", ""))
    key = tuple(str(kind) for kind in (kinds if isinstance(kinds, list) else [kinds]))
    flags = body.get("flags", [])
    return Set(str(body["name"]), key, tuple(data.split(" . ")) if data else (), frozenset(map(str, flags or ())))  # type: ignore[call-overload]


def _elements(read: Set, listed: object) -> Iterator[Element]:
    for each in listed if isinstance(listed, list) else ():
        if read.data:
            yield Element(read.name, nft_values.key(each[0], read.key), nft_values.data(each[1], read.data))
        else:
            yield Element(read.name, nft_values.key(each, read.key))
