"""Changes of the durable state, as the store takes them."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Put:
    kind: str
    id: str
    value: bytes


@dataclass(frozen=True, slots=True)
class Delete:
    kind: str
    id: str


Change = Put | Delete
