"""The functions of Go templates and those that docker adds, over JSON values."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence

from fairlead.cli.format.tokens import TemplateFault


class NoValue:
    """What is not there: it prints, and has no fields of its own."""

    def __str__(self) -> str:
        return "<no value>"


NO_VALUE = NoValue()


def shown(value: object) -> str:
    """As Go prints it."""
    if value is None:
        return str(NO_VALUE)
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, Mapping):
        return "map[" + " ".join(f"{key}:{shown(value[key])}" for key in sorted(value)) + "]"
    if isinstance(value, list | tuple):
        return "[" + " ".join(shown(item) for item in value) + "]"
    if isinstance(value, float):
        return f"{value:g}"
    return str(value)


def is_true(value: object) -> bool:
    return not isinstance(value, NoValue) and bool(value)


def to_json(value: object) -> str:
    if isinstance(value, NoValue):
        return "null"
    if isinstance(value, Mapping):
        value = {key: item for key, item in value.items() if not callable(item)}
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)


def index(value: object, *keys: object) -> object:
    for key in keys:
        if isinstance(value, Mapping):
            value = value.get(key, NO_VALUE)
        elif isinstance(value, Sequence) and isinstance(key, int):
            if not -1 < key < len(value):
                raise TemplateFault(f":1: error calling index: index out of range: {key}")
            value = value[key]
        else:
            raise TemplateFault(f":1: error calling index: cannot index {shown(value)} with {shown(key)}")
    return value


_VERB = re.compile(r"%([-+ 0#]*\d*(?:\.\d+)?)([a-zA-Z%])")


def printf(form: str, *values: object) -> str:
    left = list(values)

    def one(found: re.Match[str]) -> str:
        flags, verb = found[1], found[2]
        if verb == "%":
            return "%"
        value = left.pop(0) if left else NO_VALUE
        if verb == "q":
            return json.dumps(shown(value))
        if verb in "dxXfFeEgG" and isinstance(value, int | float):
            return f"%{flags}{verb}" % value
        return f"%{flags}s" % shown(value)

    return _VERB.sub(one, form)


def _compare(test: Callable[[float, float], bool]) -> Callable[[object, object], bool]:
    def compare(left: object, right: object) -> bool:
        if isinstance(left, int | float) and isinstance(right, int | float):
            return test(left, right)
        return test((str(left) > str(right)) - (str(left) < str(right)), 0)

    return compare


def _and(*values: object) -> object:
    return next((value for value in values if not is_true(value)), values[-1])


def _or(*values: object) -> object:
    return next((value for value in values if is_true(value)), values[-1])


def _cut(value: Sequence[object], *borders: int) -> object:
    return value[slice(*borders)] if len(borders) > 1 else value[borders[0] :] if borders else value


def _pad(text: str, before: int, after: int) -> str:
    return " " * before + text + " " * after if text else text


FUNCTIONS: Mapping[str, Callable[..., object]] = {
    "and": _and,
    "eq": lambda left, *rights: any(left == right for right in rights),
    "ge": _compare(lambda left, right: left >= right),
    "gt": _compare(lambda left, right: left > right),
    "index": index,
    "join": lambda items, separator: str(separator).join(shown(item) for item in items or ()),
    "json": to_json,
    "le": _compare(lambda left, right: left <= right),
    "len": len,
    "lower": lambda text: shown(text).lower(),
    "lt": _compare(lambda left, right: left < right),
    "ne": lambda left, right: left != right,
    "not": lambda value: not is_true(value),
    "or": _or,
    "pad": _pad,
    "print": lambda *values: " ".join(shown(value) for value in values),
    "printf": printf,
    "println": lambda *values: " ".join(shown(value) for value in values) + "\n",
    "slice": _cut,
    "split": lambda text, separator: shown(text).split(str(separator)),
    "title": lambda text: shown(text)[:1].upper() + shown(text)[1:],
    "truncate": lambda text, width: shown(text)[:width],
    "upper": lambda text: shown(text).upper(),
}
