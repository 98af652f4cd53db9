"""From method and path to a route: a tree of path segments, so that a lookup costs the same with any number of routes.

A literal segment wins over a parameter, and a parameter over one that takes slashes (`{name...}`).
As Docker does, a known path with another method is as unknown as any other.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType

from fairlead.api.http import Route
from fairlead.model.errors import Invalid

Version = tuple[int, int]
OLDEST: Version = (1, 24)
NEWEST: Version = (1, 50)

_VERSIONED = re.compile(r"/v([0-9.]{1,16})(/.*)", re.DOTALL)
_PARAMETER = re.compile(r"\{(\w+)(\.\.\.)?\}")


@dataclass(slots=True)
class _Node:
    """A place in the tree. `tails` are the routes whose parameter takes several segments, with what follows it."""

    literals: dict[str, _Node] = field(default_factory=dict)
    parameter: _Node | None = None
    tails: list[tuple[tuple[str, ...], Route]] = field(default_factory=list)
    route: Route | None = None


Found = tuple[Route, Mapping[str, str]]
Later = Callable[[], Iterable[Route]]


class Router:
    """All routes of a server. Raises ValueError when two routes have the same method and pattern.

    `later` makes routes when a path with that first segment is looked for; one that stands for several segments is
    called once.
    """

    def __init__(self, routes: Iterable[Route], later: Mapping[str, Later] = MappingProxyType({})) -> None:
        self._methods: dict[str, _Node] = {}
        self._names: dict[int, tuple[str, ...]] = {}
        self._later = dict(later)
        for route in routes:
            self._add(route)

    def find(self, method: str, path: str) -> Found | None:
        """The route for a path without its version, and its parameters."""
        parts = path[1:].split("/")
        if parts[0] in self._later:
            self._make(self._later[parts[0]])
        root = self._methods.get(method)
        if root is None:
            return None
        values: list[str] = []
        route = _descend(root, parts, 0, values)
        if route is None:
            return None
        return route, dict(zip(self._names[id(route)], values, strict=True))

    def _make(self, routes: Later) -> None:
        self._later = {segment: other for segment, other in self._later.items() if other is not routes}
        for route in routes():
            self._add(route)

    def _add(self, route: Route) -> None:
        node = self._methods.setdefault(route.method, _Node())
        parts = route.pattern[1:].split("/")
        parameters = [_PARAMETER.fullmatch(part) for part in parts]
        self._names[id(route)] = tuple(found[1] for found in parameters if found)
        for at, (part, parameter) in enumerate(zip(parts, parameters, strict=True)):
            if parameter and parameter[2]:
                node.tails.append((tuple(parts[at + 1 :]), route))
                node.tails.sort(key=lambda tail: -len(tail[0]))
                return
            node = _child(node, part, parameter is not None)
        if node.route is not None:
            raise ValueError(f"two routes for {route.method} {route.pattern}")
        node.route = route


def _child(node: _Node, part: str, is_parameter: bool) -> _Node:
    if not is_parameter:
        return node.literals.setdefault(part, _Node())
    if node.parameter is None:
        node.parameter = _Node()
    return node.parameter


def _descend(node: _Node, parts: Sequence[str], at: int, values: list[str]) -> Route | None:
    if at == len(parts):
        return node.route
    part = parts[at]
    if (literal := node.literals.get(part)) and (route := _descend(literal, parts, at + 1, values)):
        return route
    if node.parameter and part:
        values.append(part)
        if route := _descend(node.parameter, parts, at + 1, values):
            return route
        values.pop()
    for suffix, route in node.tails:
        end = len(parts) - len(suffix)
        if end > at and tuple(parts[end:]) == suffix and (value := "/".join(parts[at:end])):
            values.append(value)
            return route
    return None


def split_version(path: str) -> tuple[str, str]:
    """("1.41", "/networks") for "/v1.41/networks"; the version is "" when the path has none."""
    if path.startswith("/v") and (found := _VERSIONED.fullmatch(path)):
        return found[1], found[2]
    return "", path


def accept_version(text: str) -> Version:
    """The version that a client asked for; none is the newest. Raises `Invalid` outside of what is served."""
    if not text:
        return NEWEST
    numbers = [int(part or 0) for part in text.split(".")]
    version = (numbers[0], numbers[1] if len(numbers) > 1 else 0)
    if version < OLDEST:
        raise Invalid(
            f"client version {text} is too old. Minimum supported API version is {_dotted(OLDEST)}, "
            "please upgrade your client to a newer version"
        )
    if version > NEWEST:
        raise Invalid(f"client version {text} is too new. Maximum supported API version is {_dotted(NEWEST)}")
    return version


def _dotted(version: Version) -> str:
    return f"{version[0]}.{version[1]}"
