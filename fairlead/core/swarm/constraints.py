"""Placement constraints: `node.labels.zone==east`, `node.role!=manager`, ...

An expression is KEY==VALUE or KEY!=VALUE. Comparison ignores case, as Docker's does. Keys are node.id, node.hostname,
node.ip, node.role, node.platform.os, node.platform.arch, node.labels.NAME and engine.labels.NAME. `==` on a label
that the node lacks does not hold, `!=` does. Any other key is, as with Docker, one that no node has.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from ipaddress import ip_address, ip_network

from fairlead.model.errors import Failed
from fairlead.model.swarm.node import Node

_KEY = re.compile(r"(?i)[a-z_][a-z0-9\-_.]+")
_VALUE = re.compile(r"(?i)[a-z0-9:\-_\s.*()?+\[\]\\^$|/]+")
NODE_LABEL, ENGINE_LABEL = "node.labels.", "engine.labels."


@dataclass(frozen=True, slots=True)
class Constraint:
    key: str
    equal: bool
    value: str

    def __str__(self) -> str:
        return f"{self.key}{'==' if self.equal else '!='}{self.value}"

    def matches(self, node: Node) -> bool:
        return self._same(node) == self.equal

    def _same(self, node: Node) -> bool:
        if self.key.lower() == "node.ip":
            return _covers(self.value, node.status.address)
        found = attribute(node, self.key)
        return found is not None and found.lower() == self.value.lower()


_ATTRIBUTES: Mapping[str, Callable[[Node], str]] = {
    "node.id": lambda node: node.id,
    "node.hostname": lambda node: node.description.hostname,
    "node.role": lambda node: node.role,
    "node.platform.os": lambda node: node.description.platform.os,
    "node.platform.arch": lambda node: node.description.platform.architecture,
}


def attribute(node: Node, key: str) -> str | None:
    """What the node has under a key of constraints (node.ip apart); None for a label that it lacks and unknown keys."""
    reader = _ATTRIBUTES.get(key.lower())
    return reader(node) if reader is not None else label(node, key)


def label(node: Node, key: str) -> str | None:
    """A label of the node by its full key (node.labels.X, engine.labels.X); None when it has none such."""
    lowered = key.lower()
    if lowered.startswith(NODE_LABEL):
        return node.spec.labels.get(key[len(NODE_LABEL) :])
    if lowered.startswith(ENGINE_LABEL):
        return node.description.engine_labels.get(key[len(ENGINE_LABEL) :])
    return None


def _covers(wanted: str, address: str) -> bool:
    try:
        return ip_address(address) in ip_network(wanted, strict=False)
    except ValueError:
        return False


def parse(expressions: Iterable[str]) -> tuple[Constraint, ...]:
    """Raises Failed in Docker's words (it answers a bad constraint with status 500)."""
    return tuple(_parse(expression) for expression in expressions)


@lru_cache(maxsize=4096)
def _parse(expression: str) -> Constraint:
    for operator in ("==", "!="):
        key, found, value = expression.partition(operator)
        if found:
            return Constraint(_checked(key, _KEY, "key"), operator == "==", _checked(value, _VALUE, "value"))
    raise Failed("rpc error: code = Unknown desc = constraint expected one operator from ==, !=")


def _checked(text: str, grammar: re.Pattern[str], part: str) -> str:
    stripped = text.strip()
    if not grammar.fullmatch(stripped):
        raise Failed(f"rpc error: code = Unknown desc = {part} '{stripped}' is invalid")
    return stripped


def unmet(node: Node, expressions: Iterable[str]) -> str:
    """The first expression that the node does not satisfy, or ""."""
    return next((text for text in expressions if not _parse(text).matches(node)), "")


def satisfies(node: Node, expressions: Iterable[str]) -> bool:
    return not unmet(node, expressions)
