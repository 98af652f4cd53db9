"""What every object of a swarm shows first: its id, its version, its times."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from fairlead.api.schema.timestamp import rfc3339
from fairlead.model.errors import Invalid

Json = dict[str, object]


class SwarmObject(Protocol):
    @property
    def id(self) -> str: ...

    @property
    def version(self) -> int: ...

    @property
    def created(self) -> int: ...

    @property
    def updated(self) -> int: ...


def meta_json(thing: SwarmObject) -> Json:
    return {
        "ID": thing.id,
        "Version": {"Index": thing.version},
        "CreatedAt": rfc3339(thing.created),
        "UpdatedAt": rfc3339(thing.updated),
    }


def given(values: Mapping[str, object]) -> Json:
    """Without what is empty, zero or false."""
    return {name: value for name, value in values.items() if value}


def parse_version(kind: str, text: str) -> int:
    """The `version` that an update was decided on. Raises Invalid in the words of Go's parser."""
    if text.isdecimal() and text.isascii():
        return int(text)
    raise Invalid(f"invalid {kind} version '{text}': strconv.ParseUint: parsing \"{text}\": invalid syntax")
