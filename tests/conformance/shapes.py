"""Shapes of JSON: which keys an object has and of what types, learned from examples and held against others.

Written as JSON: a type's name ("string", "number", "boolean", "null"), {"any": [shape, ...]} for several, [shape] for
a list, and an object of shapes, where a key ending in "?" is not always there. {"*": shape} is a map whose keys are
users'.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

Shape = Any

MAPS = frozenset(
    {"Annotations", "AuxiliaryAddresses", "Config", "Containers", "Data", "DriverOpts", "ExposedPorts", "Labels"}
    | {"Networks", "Options", "PortBindings", "Ports", "Runtimes", "StorageOpt", "Sysctls", "Tmpfs", "Volumes"}
)
"""Keys whose values are maps. "Config" is one only below "LogConfig"."""


def shape_of(value: object, key: str = "", parent: str = "") -> Shape:
    if isinstance(value, dict):
        if key in MAPS and (key != "Config" or parent == "LogConfig"):
            return {"*": merged(shape_of(item) for item in value.values())}
        return {name: shape_of(item, name, key) for name, item in value.items()}
    if isinstance(value, list):
        return [merged(shape_of(item, "", key) for item in value)]
    if value is None:
        return "null"
    return {bool: "boolean", str: "string"}.get(type(value), "number")


def merged(shapes: Iterable[Shape]) -> Shape:
    """What is true of all; None for none."""
    whole: Shape = None
    for shape in shapes:
        whole = shape if whole is None else _both(whole, shape)
    return whole


def _both(one: Shape, other: Shape) -> Shape:
    if one == other or other is None:
        return one
    if one is None:
        return other
    if isinstance(one, list) and isinstance(other, list):
        return [merged([one[0], other[0]])]
    if _is_object(one) and _is_object(other):
        return _objects(one, other)
    return _any([*_alternatives(one), *_alternatives(other)])


def _objects(one: Shape, other: Shape) -> Shape:
    if "*" in one or "*" in other:
        return {"*": merged([one.get("*"), other.get("*")])}
    whole: dict[str, Shape] = {}
    for name in dict.fromkeys(key.removesuffix("?") for key in [*one, *other]):
        always = name in one and name in other
        found = [shape[key] for shape in (one, other) for key in (name, name + "?") if key in shape]
        whole[name if always else name + "?"] = merged(found)
    return whole


def _any(alternatives: list[Shape]) -> Shape:
    kinds: list[Shape] = []
    for shape in alternatives:
        for at, kind in enumerate(kinds):
            both_lists = isinstance(kind, list) and isinstance(shape, list)
            if kind == shape or both_lists or (_is_object(kind) and _is_object(shape)):
                kinds[at] = _both(kind, shape)
                break
        else:
            kinds.append(shape)
    return kinds[0] if len(kinds) == 1 else {"any": kinds}


def _is_object(shape: Shape) -> bool:
    return isinstance(shape, dict) and "any" not in shape


def _alternatives(shape: Shape) -> list[Shape]:
    return list(shape["any"]) if isinstance(shape, dict) and "any" in shape else [shape]


def differences(value: object, shape: Shape, path: str = "") -> Iterator[str]:
    """Where `value` is not as the shape says. An empty list or map, and null for one, say nothing about their items."""
    if shape is None:
        return
    found = [list(_against(value, one, path)) for one in _alternatives(shape)]
    yield from min(found, key=len)


def _against(value: object, shape: Shape, path: str) -> Iterator[str]:
    if isinstance(shape, list):
        if isinstance(value, list):
            for item in value:
                yield from differences(item, shape[0], f"{path}[]")
        elif value is not None:
            yield f"{path}: {shape_of(value)} instead of a list"
    elif isinstance(shape, dict):
        if isinstance(value, dict):
            yield from _against_object(value, shape, path)
        elif not (value is None and "*" in shape):
            yield f"{path}: {shape_of(value)} instead of an object"
    elif shape_of(value) != shape and not (shape == "null" and not value):
        yield f"{path}: {shape_of(value)} instead of {shape}"


def _against_object(value: dict[str, object], shape: Shape, path: str) -> Iterator[str]:
    if "*" in shape:
        for item in value.values():
            yield from differences(item, shape["*"], f"{path}.*")
        return
    known = {key.removesuffix("?"): item for key, item in shape.items()}
    for name, item in value.items():
        if name in known:
            yield from differences(item, known[name], f"{path}.{name}")
        else:
            yield f"{path}.{name}: not in Docker's answer"
    for name in shape:
        if not name.endswith("?") and name not in value:
            yield f"{path}.{name}: missing"
