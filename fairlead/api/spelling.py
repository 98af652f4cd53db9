"""Bodies as Go's decoder takes them: a key is known in any case, and null says no more than a key that is absent.

Clients rely on both: docker-py writes `detachKeys`, and sends null for what its caller left out.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache, partial
from types import UnionType
from typing import Any, Union, get_args, get_origin

import msgspec

Spell = Callable[[Any], Any]


def spelled(given: Any, kind: Any) -> Any:
    """A decoded body with the keys of `kind`, a Struct or a type made of Structs, as they are defined."""
    spell = _speller(kind)
    return given if spell is None else spell(given)


@cache
def _speller(kind: Any) -> Spell | None:
    """None where there is nothing to spell."""
    if isinstance(kind, type) and issubclass(kind, msgspec.Struct):
        return _Fields(kind)
    origin, arguments = get_origin(kind), get_args(kind)
    if origin in (Union, UnionType):
        return next((spell for part in arguments if (spell := _speller(part)) is not None), None)
    inner = _speller(arguments[-1]) if origin in (list, dict) else None
    return inner and partial(_each, inner)


def _each(spell: Spell, given: Any) -> Any:
    """The items of a list, or the values of a map: its keys are the user's own."""
    if isinstance(given, list):
        return [spell(item) for item in given]
    return {key: spell(item) for key, item in given.items()} if isinstance(given, dict) else given


class _Fields:
    """Spells the keys of one Struct. What its fields are made of is looked at on first use: Structs may nest."""

    def __init__(self, kind: type[msgspec.Struct]) -> None:
        self._kind = kind
        self._known: Mapping[str, tuple[str, Spell | None]] = {}

    def __call__(self, given: Any) -> Any:
        if not isinstance(given, dict):
            return given
        if not self._known:
            self._known = _known(self._kind)
        result: dict[str, Any] = {}
        for key, value in given.items():
            field = self._known.get(key) or self._known.get(key.lower())
            if field is None or value is None:
                continue
            name, spell = field
            result[name] = value if spell is None else spell(value)
        return result


def _known(kind: type[msgspec.Struct]) -> dict[str, tuple[str, Spell | None]]:
    fields = {item.encode_name: (item.encode_name, _speller(item.type)) for item in msgspec.structs.fields(kind)}
    return {name.lower(): field for name, field in fields.items()} | fields
